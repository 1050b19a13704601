//! Messages of any type, and the families of generic netlink.

use std::process::{Command, ExitCode};
use std::time::Duration;

use grounds::{Outcome, ignored, netns, tests};
use netlink::generic::Generic;
use netlink::raw::{self, Attribute, NLM_F_CREATE, NLM_F_ECHO, NLM_F_EXCL, Notice, Request};
use netlink::{Bridge, ErrorKind, Handle, LinkFilter, Netns, Object, Veth};

fn main() -> ExitCode {
    grounds::run_as_root(tests![
        a_request_of_any_type_is_answered,
        a_refused_request_is_told_with_the_kernels_words,
        an_attribute_that_is_too_long_is_told,
        a_list_lends_its_messages_and_copies_them,
        objects_and_messages_of_a_list_take_turns,
        a_known_objects_other_attributes_are_in_its_message,
        groups_of_any_protocol_are_heard,
        families_are_found_and_listed,
        a_missing_family_is_told,
        a_family_is_asked_in_its_namespace,
        a_familys_refusal_is_not_named_after_a_links_attributes,
        a_familys_groups_are_heard_by_name,
    ])
}

const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const IFLA_IFNAME: u16 = 3;
const IFLA_LINKINFO: u16 = 18;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_MTU: u16 = 4;

fn a_request_of_any_type_is_answered() -> Outcome {
    netns()?;
    let mut handle = Handle::open()?;
    let mut request = Request::new(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ECHO, &[0; 16]);
    request.text(IFLA_IFNAME, "br0");
    request.u32(IFLA_MTU, 1400);
    request.nest(IFLA_LINKINFO, |info| info.text(IFLA_INFO_KIND, "bridge"));
    let mut echoed = 0;
    handle.raw_change(request, |message| echoed += usize::from(message.kind == RTM_NEWLINK))?;
    assert!(echoed <= 1);
    assert_eq!(handle.link("br0")?.mtu, 1400);

    let mut request = handle.raw_request(RTM_GETLINK, 0, &[0; 16]);
    request.text(IFLA_IFNAME, "br0");
    let mtu = handle.raw_get(request, |message| {
        message.attributes(16).find(|a| a.kind == IFLA_MTU).and_then(Attribute::u32)
    })?;
    assert_eq!(mtu, 1400);
    Ok(())
}

fn a_refused_request_is_told_with_the_kernels_words() -> Outcome {
    netns()?;
    let mut handle = Handle::open()?;
    let mut request = handle.raw_request(RTM_NEWLINK, NLM_F_CREATE, &[0; 16]);
    request.text(IFLA_IFNAME, "a-name-that-is-too-long");
    let error = handle.raw_change(request, |_| {}).unwrap_err();
    assert_eq!(error.attribute(), Some("IFLA_IFNAME"), "{error}");
    assert!(error.to_string().starts_with("send a request of type 16: "), "{error}");
    let request = handle.raw_request(4000, 0, &[0; 16]);
    assert_eq!(handle.raw_change(request, |_| {}).unwrap_err().kind(), ErrorKind::Unsupported);
    let mut request = handle.raw_request(RTM_GETLINK, 0, &[0; 16]);
    request.text(IFLA_IFNAME, "lo");
    let nothing: Option<()> = None;
    assert_eq!(handle.raw_get(request, |_| nothing).unwrap_err().kind(), ErrorKind::Protocol);
    assert_eq!(handle.link("lo")?.index, 1);
    Ok(())
}

fn an_attribute_that_is_too_long_is_told() -> Outcome {
    netns()?;
    let mut request = Request::new(RTM_NEWLINK, 0, &[0; 16]);
    request.bytes(IFLA_IFNAME, &vec![b'x'; 70_000]);
    let error = Handle::open()?.raw_change(Request::default(), |_| {}).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    let error = Handle::open()?.raw_change(request, |_| {}).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("IFLA_IFNAME is longer than"), "{error}");
    Ok(())
}

fn a_list_lends_its_messages_and_copies_them() -> Outcome {
    netns()?;
    let mut handle = Handle::open()?;
    for number in 0..200 {
        handle.add_link(&Bridge::new(format!("br{number}")))?;
    }
    let count = handle.links()?.len();
    assert!(count > 200);
    let request = handle.raw_request(RTM_GETLINK, 0, &[0; 16]);
    let mut dump = handle.raw_dump(request)?;
    let mut names = Vec::new();
    while let Some(message) = dump.next_message()? {
        assert_eq!(message.kind, RTM_NEWLINK);
        names.extend(message.attributes(16).find(|a| a.kind == IFLA_IFNAME).map(Attribute::text));
    }
    assert!(dump.next_message()?.is_none());
    drop(dump);
    assert_eq!(names.len(), count);
    let request = handle.raw_request(RTM_GETLINK, 0, &[0; 16]);
    let copies: Result<Vec<raw::OwnedMessage>, _> = handle.raw_dump(request)?.collect();
    assert_eq!(copies?.len(), count);
    // Lent and read by turns, none is left out.
    let mut dump = handle.dump_links(LinkFilter::default())?;
    let mut found = 0;
    while dump.next_message()?.is_some() {
        found += 1 + usize::from(dump.next().transpose()?.is_some());
    }
    assert_eq!(found, count);
    Ok(())
}

/// Some objects are read ahead, and none of them may be left out or told twice.
fn objects_and_messages_of_a_list_take_turns() -> Outcome {
    netns()?;
    let mut handle = Handle::open()?;
    for number in 0..100 {
        handle.add_link(&Bridge::new(format!("br{number}")))?;
    }
    let whole: Vec<_> = handle.links()?.into_iter().map(|link| link.index).collect();
    for turns in 1..20 {
        let mut told = Vec::new();
        let mut links = handle.dump_links(LinkFilter::default())?;
        loop {
            for link in links.by_ref().take(turns) {
                told.push(link?.index);
            }
            let Some(message) = links.next_message()? else { break };
            told.push(u32::from_ne_bytes(message.payload[4..8].try_into().expect("an index")));
        }
        assert_eq!(told, whole, "{turns} at a time");
    }
    Ok(())
}

fn a_known_objects_other_attributes_are_in_its_message() -> Outcome {
    const IFLA_CARRIER: u16 = 33;
    netns()?;
    let mut handle = Handle::open()?;
    handle.add_veth(&Veth::new("v0").peer("v1").up())?;
    handle.set_up("v1")?;
    let mut links = handle.dump_links(LinkFilter::default())?;
    let mut carriers = Vec::new();
    while let Some(message) = links.next_message()? {
        let Object::Link(link) = Object::read(&message) else { panic!("{message:?}") };
        let carrier = message.attributes(16).find(|a| a.kind == IFLA_CARRIER).and_then(Attribute::bool);
        carriers.push((link.name, carrier));
    }
    assert!(carriers.contains(&("v0".to_owned(), Some(true))), "{carriers:?}");
    drop(links);
    assert_eq!(handle.list_links(LinkFilter::default())?.len(), carriers.len());
    Ok(())
}

fn groups_of_any_protocol_are_heard() -> Outcome {
    netns()?;
    let mut monitor = raw::Monitor::open(0, &[1])?;
    assert_eq!(monitor.try_next()?, None);
    assert!(!monitor.wait(Some(Duration::from_millis(3)))?);
    let bridge = Handle::open()?.add_link(&Bridge::new("br0"))?;
    assert!(monitor.wait(Some(Duration::from_secs(60)))?);
    let Some(Notice::Message(message)) = monitor.try_next()? else { panic!("nothing was told") };
    assert_eq!(message.kind, RTM_NEWLINK);
    assert_eq!(message.payload[4..8], bridge.index.to_ne_bytes());
    assert!(raw::Monitor::open(0, &[4000]).is_err());
    let blue = Netns::create()?;
    let mut there = raw::Monitor::open_in(&blue, 0, &[1])?;
    Handle::open_in(&blue)?.add_link(&Bridge::new("br1"))?;
    assert_eq!(there.next().transpose()?.map(|message| message.kind), Some(RTM_NEWLINK));
    Ok(())
}

fn families_are_found_and_listed() -> Outcome {
    netns()?;
    let mut generic = Generic::open()?;
    let control = generic.family("nlctrl")?;
    assert_eq!((control.id, control.name.as_str(), control.version), (16, "nlctrl", 2));
    assert!(control.operations.iter().any(|operation| operation.command == 3));
    assert!(control.group("notify").is_some());
    let families = generic.families()?;
    assert!(families.contains(&control));
    // iproute2 says the same.
    let listed = Command::new("genl").args(["ctrl", "list"]).output()?;
    if listed.status.success() {
        let listed = String::from_utf8_lossy(&listed.stdout);
        assert_eq!(listed.matches("Name: ").count(), families.len(), "{listed}");
        for family in &families {
            assert!(listed.contains(&format!("Name: {}", family.name)), "{family:?}");
            assert!(listed.contains(&format!("ID: {:#x}", family.id)), "{family:?}");
        }
    }
    Ok(())
}

fn a_missing_family_is_told() -> Outcome {
    netns()?;
    let mut generic = Generic::open()?;
    let error = generic.family("nosuchfamily").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert!(error.to_string().contains("this kernel has no such family"), "{error}");
    assert_eq!(generic.family("a-name-that-is-too-long").unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(generic.family("").unwrap_err().kind(), ErrorKind::InvalidInput);
    Ok(())
}

const ETHTOOL_MSG_LINKSTATE_GET: u8 = 6;
const ETHTOOL_MSG_FEATURES_SET: u8 = 12;

fn a_family_is_asked_in_its_namespace() -> Outcome {
    netns()?;
    let blue = Netns::create()?;
    let mut there = Handle::open_in(&blue)?;
    there.add_veth(&Veth::new("v0").peer("v1").up())?;
    let mut generic = Generic::open_in(&blue)?;
    let Ok(ethtool) = generic.family("ethtool") else {
        return Err(ignored("this kernel has no ethtool family"));
    };
    let mut linked = |name: &str| {
        let mut request = generic.request(&ethtool, ETHTOOL_MSG_LINKSTATE_GET, 0);
        request.nest(1, |header| header.text(2, name));
        generic.get(request, |answer| answer.attributes(4).find(|a| a.kind == 2)?.bool())
    };
    assert!(!linked("v0")?);
    there.set_up("v1")?;
    assert!(linked("v0")?);
    assert_eq!(linked("none").unwrap_err().kind(), ErrorKind::NotFound);
    let request = generic.request(&ethtool, ETHTOOL_MSG_LINKSTATE_GET, 0);
    let mut links = 0;
    let mut answers = generic.dump(request)?;
    while answers.next_message()?.is_some() {
        links += 1;
    }
    assert!(links >= 2, "{links}");
    Ok(())
}

/// The number of a family may be that of a message of rtnetlink, whose attributes have other names.
fn a_familys_refusal_is_not_named_after_a_links_attributes() -> Outcome {
    netns()?;
    let mut generic = Generic::open()?;
    let control = generic.family("nlctrl")?;
    let mut request = generic.request(&control, 3, 0);
    request.text(2, "nosuchfamily-and-much-too-long-for-a-name");
    let error = generic.get(request, |_| Some(())).unwrap_err();
    assert_eq!(error.attribute(), Some("CTRL_ATTR_FAMILY_NAME"), "{error}");
    assert!(!error.to_string().contains("IFLA"), "{error}");
    Ok(())
}

fn a_familys_groups_are_heard_by_name() -> Outcome {
    netns()?;
    let mut generic = Generic::open()?;
    let Ok(ethtool) = generic.family("ethtool") else {
        return Err(ignored("this kernel has no ethtool family"));
    };
    let error = Generic::monitor(&ethtool, &["none"]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("has no group \"none\""), "{error}");
    Handle::open()?.add_veth(&Veth::new("v0").peer("v1"))?;
    let mut monitor = Generic::monitor(&ethtool, &["monitor"])?;
    // Generic receive offload is switched, which veth lets everybody do.
    let off = |generic: &mut Generic, on: bool| {
        let mut request = generic.request(&ethtool, ETHTOOL_MSG_FEATURES_SET, 0);
        request.nest(1, |header| header.text(2, "v0"));
        // ETHTOOL_A_FEATURES_WANTED: a set of bits by their names.
        request.nest(3, |set| {
            set.nest(3, |bits| {
                bits.nest(1, |bit| {
                    bit.text(2, "tx-generic-segmentation");
                    if on {
                        bit.bytes(3, &[]);
                    }
                });
            });
        });
        generic.change(request, |_| {})
    };
    off(&mut generic, false)?;
    assert!(monitor.wait(Some(Duration::from_secs(60)))?);
    let Some(Notice::Message(message)) = monitor.try_next()? else { panic!("nothing was told") };
    assert_eq!(message.kind, ethtool.id);
    off(&mut generic, true)?;
    Ok(())
}

//! What an address is made with comes back, iproute2 says the same of it, and lists are of what was asked for.

mod common;

use std::process::{Command, ExitCode};

use common::net;
use grounds::{Outcome, Stop, ignored, netns, tests};
use netlink::{Address, AddressFilter, AddressFlags, Bridge, ErrorKind, Family, Handle, IpNet, Scope, Veth};
use serde_json::{Value, json};

fn main() -> ExitCode {
    grounds::run_as_root(tests![
        what_an_ipv4_address_is_made_with_comes_back,
        every_scope_and_label_comes_back,
        what_an_ipv6_address_is_made_with_comes_back,
        flags_come_back,
        an_address_that_is_replaced_has_other_lifetimes,
        an_ipv6_address_that_is_replaced_has_other_lifetimes,
        a_protocol_comes_back,
        a_batch_makes_the_same_address,
        an_address_is_deleted_with_all_it_has,
        lists_are_of_what_was_asked_for,
    ])
}

/// A pair that is down: nothing comes by itself.
fn pair() -> Result<Handle, Stop> {
    netns()?;
    let mut handle = Handle::open()?;
    handle.add_veth(&Veth::new("v0").peer("v1"))?;
    Ok(handle)
}

fn with_ipv6() -> Result<Handle, Stop> {
    let handle = pair()?;
    match std::fs::read_to_string("/proc/sys/net/ipv6/conf/default/disable_ipv6") {
        Ok(disabled) if disabled.trim() == "0" => Ok(handle),
        _ => Err(ignored("this kernel has no IPv6, or it is switched off")),
    }
}

/// What `ip -json -details address show dev v0` says of one address.
fn ip_address(net: IpNet) -> Result<Value, Stop> {
    let output = Command::new("ip").args(["-json", "-details", "address", "show", "dev", "v0"]).output()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let links: Vec<Value> = serde_json::from_slice(&output.stdout)?;
    let own = net.address().to_string();
    let mut addresses = links[0]["addr_info"].as_array().cloned().unwrap_or_default();
    addresses.retain(|said| said["local"] == json!(own) && said["prefixlen"] == json!(net.prefix_len()));
    assert_eq!(addresses.len(), 1, "{net} in {links:#?}");
    Ok(addresses.swap_remove(0))
}

/// Compares what iproute2 says; `null` is that it says nothing of it.
#[track_caller]
fn agrees(said: &Value, expected: &[(&str, Value)]) {
    for (name, value) in expected {
        assert_eq!(said[*name], *value, "{name} in {said:#}");
    }
}

/// The one of v0 with that address and network.
fn told(handle: &mut Handle, net: IpNet) -> Result<Address, Stop> {
    let mut filter = AddressFilter::default();
    filter.index = Some(handle.link("v0")?.index);
    let mut found = handle.list_addresses(filter)?;
    found.retain(|address| address.net == net);
    assert_eq!(found.len(), 1, "{net} in {found:#?}");
    Ok(found.swap_remove(0))
}

/// Adds it to v0, and compares what comes back. What is not said the kernel fills in, so it is said before.
fn comes_back(handle: &mut Handle, address: &Address) -> Outcome {
    handle.add_address("v0", address)?;
    let mut expected = address.clone();
    expected.index = handle.link("v0")?.index;
    if address.valid_lifetime.is_none() && address.preferred_lifetime.is_none() {
        expected.flags |= AddressFlags::PERMANENT;
    }
    let mut found = told(handle, address.net)?;
    passed(&mut found.valid_lifetime, address.valid_lifetime);
    passed(&mut found.preferred_lifetime, address.preferred_lifetime);
    assert_eq!(found, expected);
    Ok(())
}

/// Time goes on meanwhile.
#[track_caller]
fn passed(left: &mut Option<u32>, of: Option<u32>) {
    if let (Some(seconds), Some(all)) = (*left, of) {
        assert!(seconds <= all && seconds > all - 1000, "{seconds} of {all}");
    }
    if left.is_some() == of.is_some() {
        *left = of;
    }
}

fn what_an_ipv4_address_is_made_with_comes_back() -> Outcome {
    let mut handle = pair()?;
    let mut address: Address = "10.0.41.2/24".parse()?;
    address.label = Some("v0".to_owned());
    address.scope = Some(Scope::Universe);
    comes_back(&mut handle, &address)?;
    agrees(
        &ip_address(address.net)?,
        &[
            ("family", json!("inet")),
            ("scope", json!("global")),
            ("label", json!("v0")),
            ("address", Value::Null),
            ("broadcast", Value::Null),
            ("metric", Value::Null),
            ("noprefixroute", Value::Null),
            ("valid_life_time", json!(u32::MAX)),
            ("preferred_life_time", json!(u32::MAX)),
        ],
    );

    let mut whole: Address = "10.7.0.1/32".parse()?;
    whole.peer = Some("10.7.9.2".parse()?);
    whole.broadcast = Some("10.7.9.255".parse()?);
    whole.label = Some("v0:old".to_owned());
    whole.scope = Some(Scope::Link);
    whole.flags = AddressFlags::NOPREFIXROUTE;
    whole.valid_lifetime = Some(600_000);
    whole.preferred_lifetime = Some(400_000);
    whole.metric = Some(77);
    comes_back(&mut handle, &whole)?;
    let said = ip_address(whole.net)?;
    agrees(
        &said,
        &[
            ("address", json!("10.7.9.2")),
            ("broadcast", json!("10.7.9.255")),
            ("label", json!("v0:old")),
            ("scope", json!("link")),
            ("metric", json!(77)),
            ("noprefixroute", json!(true)),
        ],
    );
    let seconds = |name: &str| said[name].as_u64().unwrap_or_default();
    assert!((599_000..=600_000).contains(&seconds("valid_life_time")), "{said:#}");
    assert!((399_000..=400_000).contains(&seconds("preferred_life_time")), "{said:#}");
    Ok(())
}

fn every_scope_and_label_comes_back() -> Outcome {
    let mut handle = pair()?;
    let scopes = [
        (Scope::Universe, "global"),
        (Scope::Site, "site"),
        (Scope::Link, "link"),
        (Scope::Host, "host"),
        (Scope::Other(77), "77"),
    ];
    for (number, (scope, word)) in (1_u8..).zip(scopes) {
        let mut address = Address::new(IpNet::new([10, number, 0, 1].into(), 16)?);
        address.scope = Some(scope);
        address.label = Some(format!("v0:{number}"));
        comes_back(&mut handle, &address)?;
        agrees(&ip_address(address.net)?, &[("scope", json!(word)), ("label", address.label.into())]);
    }
    // That of the host's own is what it is by its address.
    handle.add_address("v0", &"127.9.0.1/16".parse()?)?;
    assert_eq!(told(&mut handle, net("127.9.0.1/16"))?.scope, Some(Scope::Host));
    agrees(&ip_address(net("127.9.0.1/16"))?, &[("scope", json!("host"))]);
    Ok(())
}

fn what_an_ipv6_address_is_made_with_comes_back() -> Outcome {
    let mut handle = with_ipv6()?;
    let mut whole: Address = "fd07::1/128".parse()?;
    whole.peer = Some("fd07::2".parse()?);
    whole.scope = Some(Scope::Universe);
    whole.flags = AddressFlags::NODAD | AddressFlags::NOPREFIXROUTE | AddressFlags::HOMEADDRESS;
    whole.valid_lifetime = Some(600_000);
    whole.preferred_lifetime = Some(400_000);
    whole.metric = Some(77);
    comes_back(&mut handle, &whole)?;
    agrees(
        &ip_address(whole.net)?,
        &[
            ("family", json!("inet6")),
            ("address", json!("fd07::2")),
            ("scope", json!("global")),
            ("metric", json!(77)),
            ("noprefixroute", json!(true)),
            ("nodad", json!(true)),
            ("home", json!(true)),
        ],
    );
    // The kernel sees by the address where it is valid.
    for (text, scope, word) in [
        ("fe80::77/64", Scope::Link, "link"),
        ("fec0::1/64", Scope::Site, "site"),
        ("fd08::1/64", Scope::Universe, "global"),
    ] {
        let mut address: Address = text.parse()?;
        address.flags = AddressFlags::NODAD;
        handle.add_address("v0", &address)?;
        assert_eq!(told(&mut handle, address.net)?.scope, Some(scope), "{text}");
        agrees(&ip_address(address.net)?, &[("scope", json!(word))]);
    }
    Ok(())
}

fn flags_come_back() -> Outcome {
    let mut handle = pair()?;
    // The second of a network.
    for text in ["10.0.0.1/24", "10.0.0.2/24"] {
        handle.add_address("v0", &text.parse()?)?;
    }
    let flags = told(&mut handle, net("10.0.0.2/24"))?.flags;
    assert_eq!(flags, AddressFlags::SECONDARY | AddressFlags::PERMANENT);
    assert_eq!(told(&mut handle, net("10.0.0.1/24"))?.flags, AddressFlags::PERMANENT);
    agrees(&ip_address(net("10.0.0.2/24"))?, &[("secondary", json!(true))]);
    // One that is no longer preferred.
    let mut old: Address = "10.1.0.1/24".parse()?;
    (old.valid_lifetime, old.preferred_lifetime) = (Some(9000), Some(0));
    handle.add_address("v0", &old)?;
    assert!(told(&mut handle, old.net)?.flags.contains(AddressFlags::DEPRECATED));
    assert_eq!(told(&mut handle, old.net)?.preferred_lifetime, Some(0));
    agrees(&ip_address(old.net)?, &[("deprecated", json!(true)), ("preferred_life_time", json!(0))]);

    // A group that the link joins.
    let mut group: Address = "239.0.0.9/32".parse()?;
    group.flags = AddressFlags::MCAUTOJOIN;
    group.label = Some("v0".to_owned());
    group.scope = Some(Scope::Universe);
    // Not every kernel has groups of IPv4.
    match handle.add_address("v0", &group) {
        Ok(()) => {
            handle.delete_address("v0", &group)?;
            comes_back(&mut handle, &group)?;
            agrees(&ip_address(group.net)?, &[("autojoin", json!(true))]);
        }
        Err(error) => assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}"),
    }

    let mut temporary: Address = "fd09::1/64".parse()?;
    temporary.flags = AddressFlags::MANAGETEMPADDR | AddressFlags::NODAD;
    match handle.add_address("v0", &temporary) {
        // There is no IPv6.
        Err(error)
            if error.kind() == ErrorKind::Unsupported || error.kind() == ErrorKind::PermissionDenied =>
        {
            return Ok(());
        }
        made => made?,
    }
    assert!(told(&mut handle, temporary.net)?.flags.contains(temporary.flags));
    agrees(&ip_address(temporary.net)?, &[("mngtmpaddr", json!(true))]);
    let mut early: Address = "fd0a::1/64".parse()?;
    early.flags = AddressFlags::OPTIMISTIC;
    handle.add_address("v0", &early)?;
    // Nobody was asked yet: the link is down.
    let flags = told(&mut handle, early.net)?.flags;
    assert!(flags.contains(AddressFlags::TENTATIVE), "{flags:?}");
    agrees(&ip_address(early.net)?, &[("tentative", json!(true))]);
    Ok(())
}

fn changes_lifetimes(handle: &mut Handle, text: &str) -> Outcome {
    let mut address: Address = text.parse()?;
    address.flags = AddressFlags::NODAD;
    (address.valid_lifetime, address.preferred_lifetime) = (Some(600_000), Some(400_000));
    handle.add_address("v0", &address)?;
    let error = handle.add_address("v0", &address).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}");

    (address.valid_lifetime, address.preferred_lifetime) = (Some(90_000), Some(80_000));
    address.metric = Some(9);
    handle.replace_address("v0", &address)?;
    let mut found = told(handle, address.net)?;
    passed(&mut found.valid_lifetime, address.valid_lifetime);
    passed(&mut found.preferred_lifetime, address.preferred_lifetime);
    assert_eq!((found.valid_lifetime, found.preferred_lifetime), (Some(90_000), Some(80_000)));
    assert_eq!((found.metric, found.flags.contains(AddressFlags::PERMANENT)), (Some(9), false));

    // One that says only the longest is preferred as long.
    (address.valid_lifetime, address.preferred_lifetime) = (Some(70_000), None);
    handle.replace_address("v0", &address)?;
    let mut found = told(handle, address.net)?;
    passed(&mut found.preferred_lifetime, Some(70_000));
    assert_eq!(found.preferred_lifetime, Some(70_000));

    // The kernel would forget this of IPv4.
    (address.valid_lifetime, address.preferred_lifetime) = (None, Some(60_000));
    if address.net.address().is_ipv4() {
        let error = handle.replace_address("v0", &address).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    } else {
        handle.replace_address("v0", &address)?;
        let mut found = told(handle, address.net)?;
        passed(&mut found.preferred_lifetime, Some(60_000));
        assert_eq!((found.valid_lifetime, found.preferred_lifetime), (None, Some(60_000)));
        agrees(&ip_address(address.net)?, &[("valid_life_time", json!(u32::MAX))]);
    }

    (address.valid_lifetime, address.preferred_lifetime) = (None, None);
    handle.replace_address("v0", &address)?;
    let found = told(handle, address.net)?;
    assert_eq!((found.valid_lifetime, found.preferred_lifetime), (None, None));
    assert!(found.flags.contains(AddressFlags::PERMANENT));
    agrees(
        &ip_address(address.net)?,
        &[("valid_life_time", json!(u32::MAX)), ("preferred_life_time", json!(u32::MAX))],
    );
    Ok(())
}

fn an_address_that_is_replaced_has_other_lifetimes() -> Outcome {
    changes_lifetimes(&mut pair()?, "10.0.0.1/24")
}

fn an_ipv6_address_that_is_replaced_has_other_lifetimes() -> Outcome {
    changes_lifetimes(&mut with_ipv6()?, "fd00::1/64")
}

fn a_protocol_comes_back() -> Outcome {
    let mut handle = pair()?;
    let mut address: Address = "10.0.0.1/24".parse()?;
    address.protocol = Some(9);
    handle.add_address("v0", &address)?;
    let found = told(&mut handle, address.net)?;
    if found.protocol.is_none() {
        return Err(ignored("Linux 5.18 keeps who made an address, this one doesn't"));
    }
    assert_eq!(found.protocol, Some(9));
    // An older ip doesn't know of it.
    let said = ip_address(address.net)?;
    assert!(said["protocol"].is_null() || said["protocol"] == json!("9"), "{said:#}");
    address.protocol = Some(10);
    handle.replace_address("v0", &address)?;
    assert_eq!(told(&mut handle, address.net)?.protocol, Some(10));
    Ok(())
}

fn a_batch_makes_the_same_address() -> Outcome {
    let mut handle = pair()?;
    let mut whole: Address = "10.7.0.1/32".parse()?;
    whole.peer = Some("10.7.9.2".parse()?);
    whole.broadcast = Some("10.7.9.255".parse()?);
    whole.label = Some("v0:old".to_owned());
    whole.scope = Some(Scope::Site);
    whole.flags = AddressFlags::NOPREFIXROUTE;
    whole.metric = Some(77);
    comes_back(&mut handle, &whole)?;
    let alone = told(&mut handle, whole.net)?;
    handle.delete_address("v0", &whole)?;
    let mut batch = handle.batch();
    batch.add_address("v0", &whole);
    batch.send().into_iter().collect::<netlink::Result<Vec<_>>>()?;
    assert_eq!(told(&mut handle, whole.net)?, alone);
    let mut batch = handle.batch();
    whole.metric = Some(78);
    batch.replace_address("v0", &whole);
    batch.send().into_iter().collect::<netlink::Result<Vec<_>>>()?;
    assert_eq!(told(&mut handle, whole.net)?.metric, Some(78));
    Ok(())
}

/// The kernel wants the label and the other end that it has, where some are said.
fn an_address_is_deleted_with_all_it_has() -> Outcome {
    let mut handle = pair()?;
    for (text, peer, label) in [
        ("10.0.0.1/24", None, None),
        ("10.0.0.1/32", Some("10.0.0.2"), Some("v0:1")),
        ("10.0.0.1/16", None, Some("v0:2")),
    ] {
        let mut address: Address = text.parse()?;
        address.peer = peer.map(str::parse).transpose()?;
        address.label = label.map(str::to_owned);
        handle.add_address("v0", &address)?;
    }
    let mut wrong: Address = "10.0.0.1/16".parse()?;
    wrong.label = Some("v0:3".to_owned());
    assert_eq!(handle.delete_address("v0", &wrong).unwrap_err().kind(), ErrorKind::NotFound);
    // As they were read.
    for address in handle.addresses()? {
        handle.delete_address(address.index, &address)?;
        let error = handle.delete_address(address.index, &address).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    }
    assert_eq!(handle.addresses()?, []);
    Ok(())
}

fn lists_are_of_what_was_asked_for() -> Outcome {
    let mut handle = pair()?;
    let (v0, v1) = (handle.link("v0")?.index, handle.link("v1")?.index);
    let bridge = handle.add_link(&Bridge::new("br0"))?.index;
    for (index, text) in [(v0, "10.0.0.1/24"), (v0, "10.0.0.2/24"), (v1, "10.1.0.1/24")] {
        handle.add_address(index, &text.parse()?)?;
    }
    let mut ipv6 = true;
    for (index, text) in [(v0, "fd00::1/64"), (v1, "fd01::1/64"), (v1, "fd01::2/64")] {
        ipv6 &= handle.add_address(index, &text.parse()?).is_ok();
    }
    let all: &[(u32, &str)] = &[
        (v0, "10.0.0.1/24"),
        (v0, "10.0.0.2/24"),
        (v1, "10.1.0.1/24"),
        (v0, "fd00::1/64"),
        (v1, "fd01::1/64"),
        (v1, "fd01::2/64"),
    ];
    for index in [None, Some(v0), Some(v1), Some(bridge)] {
        for family in [None, Some(Family::Ipv4), Some(Family::Ipv6)] {
            let mut filter = AddressFilter::default();
            (filter.index, filter.family) = (index, family);
            let mut expected: Vec<_> = all
                .iter()
                .map(|(index, text)| (*index, net(text)))
                .filter(|(of, net)| {
                    let v4 = net.address().is_ipv4();
                    index.is_none_or(|index| index == *of)
                        && family.is_none_or(|family| (family == Family::Ipv4) == v4)
                        && (v4 || ipv6)
                })
                .collect();
            expected.sort_unstable_by_key(|(index, net)| (*index, net.to_string()));
            let listed = handle.list_addresses(filter)?;
            let dumped = handle.dump_addresses(filter)?.collect::<netlink::Result<Vec<_>>>()?;
            assert_eq!(listed, dumped, "{filter:?}");
            let mut found: Vec<_> = listed.iter().map(|address| (address.index, address.net)).collect();
            found.sort_unstable_by_key(|(index, net)| (*index, net.to_string()));
            assert_eq!(found, expected, "{filter:?}");
            // The kernel sees the filter: it leaves out the others itself.
            let mut dump = handle.dump_addresses(filter)?;
            let mut messages = 0;
            while dump.next_message()?.is_some() {
                messages += 1;
            }
            assert_eq!(messages, expected.len(), "{filter:?}");
        }
    }
    let mut nobody = AddressFilter::default();
    nobody.index = Some(60_000);
    match handle.list_addresses(nobody) {
        Ok(found) => assert_eq!(found, []),
        Err(error) => assert_eq!(error.kind(), ErrorKind::NotFound, "{error}"),
    }
    Ok(())
}

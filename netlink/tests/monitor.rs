//! What changes is told: in its order, once the socket hears; overruns too, and what is there.

mod common;

use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::process::{Command, ExitCode};
use std::time::Duration;

use common::net;
use grounds::{Outcome, Stop, ignored, netns, tests};
use netlink::{
    AsyncMonitor, Bridge, BridgeVlan, ErrorKind, Event, Handle, IpNet, Link, MdbEntry, Monitor, Netns,
    Object, Route, RouteFilter, Veth,
};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

fn main() -> ExitCode {
    grounds::run_as_root(tests![
        links_that_come_change_and_go_are_told,
        addresses_and_routes_are_told,
        a_port_that_leaves_its_bridge_is_not_gone,
        rules_neighbours_nexthops_and_qdiscs_are_told_as_messages,
        what_bridges_know_is_told,
        an_id_of_a_namespace_is_told,
        what_was_not_asked_for_is_not_told,
        what_is_there_is_told_first_and_then_its_end,
        a_monitor_of_another_namespace_hears_that_one,
        other_namespaces_are_told_apart,
        an_overrun_is_told_and_the_table_is_right_again,
        an_overrun_without_lists_is_told_and_resync_tells_what_is_there,
        a_larger_buffer_holds_more,
        silence_is_no_event_and_the_descriptor_is_not_ready,
        nothing_to_hear_is_refused,
        tokio_awaits_events,
    ])
}

/// Long enough for a machine that is ten times slower: nobody waits for it where all is well.
const LONG: Duration = Duration::from_secs(60);

fn ip(arguments: &[&str]) -> Outcome {
    let output = Command::new("ip").args(arguments).output()?;
    assert!(output.status.success(), "ip {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// Waits for an event of which `pick` makes something.
fn wait<T>(monitor: &mut Monitor, mut pick: impl FnMut(Event) -> Option<T>) -> Result<T, Stop> {
    while let Some(event) = monitor.next_timeout(LONG)? {
        if let Some(found) = pick(event) {
            return Ok(found);
        }
    }
    panic!("it was never told");
}

/// A pair of which one end is up. Without the other there is no carrier, and so no IPv6 address or route of the kernel's
/// own, which come some time later.
fn quiet_pair(handle: &mut Handle) -> Outcome {
    handle.add_veth(&Veth::new("v0").peer("v1").up())?;
    Ok(())
}

fn new_link(event: Event, name: &str) -> Option<Link> {
    match event {
        Event::New(Object::Link(link)) if link.name == name => Some(*link),
        _ => None,
    }
}

fn links_that_come_change_and_go_are_told() -> Outcome {
    netns()?;
    let mut handle = Handle::open()?;
    let mut monitor = Monitor::builder().links().open()?;
    let bridge = handle.add_link(&Bridge::new("br0"))?;
    let told = wait(&mut monitor, |event| new_link(event, "br0"))?;
    assert_eq!((told.index, told.kind_name()), (bridge.index, Some("bridge")));
    handle.set_mtu("br0", 1400)?;
    wait(&mut monitor, |event| new_link(event, "br0").filter(|link| link.mtu == 1400))?;
    handle.set_up("br0")?;
    wait(&mut monitor, |event| new_link(event, "br0").filter(Link::is_up))?;
    handle.delete_link("br0")?;
    wait(&mut monitor, |event| match event {
        Event::Deleted(Object::Link(link)) if link.index == bridge.index => Some(()),
        _ => None,
    })
}

fn addresses_and_routes_are_told() -> Outcome {
    netns()?;
    let mut handle = Handle::open()?;
    handle.add_veth(&Veth::new("v0").peer("v1"))?;
    handle.set_up("v0")?;
    handle.set_up("v1")?;
    let mut monitor = Monitor::builder().addresses().routes().open()?;
    handle.add_address("v0", &net("10.0.0.1/24").into())?;
    let v0 = handle.link("v0")?.index;
    wait(&mut monitor, |event| match event {
        Event::New(Object::Address(address)) if address.net == net("10.0.0.1/24") => {
            assert_eq!(address.index, v0);
            Some(())
        }
        _ => None,
    })?;
    let route = Route::to(net("10.7.0.0/16")).via("10.0.0.9".parse()?).metric(5);
    handle.add_route(&route)?;
    wait(&mut monitor, |event| match event {
        Event::New(Object::Route(told)) if told.destination == net("10.7.0.0/16") => {
            assert_eq!((told.gateway, told.metric, told.device), (route.gateway, Some(5), Some(v0)));
            Some(())
        }
        _ => None,
    })?;
    handle.delete_route(&route)?;
    wait(&mut monitor, |event| match event {
        Event::Deleted(Object::Route(told)) if told.destination == net("10.7.0.0/16") => Some(()),
        _ => None,
    })?;
    handle.delete_address("v0", &net("10.0.0.1/24").into())?;
    wait(&mut monitor, |event| match event {
        Event::Deleted(Object::Address(address)) if address.net == net("10.0.0.1/24") => Some(()),
        _ => None,
    })
}

/// RTM_DELLINK of the family AF_BRIDGE says that a port left. Well-known programs took it for the end of the link.
fn a_port_that_leaves_its_bridge_is_not_gone() -> Outcome {
    netns()?;
    let mut handle = Handle::open()?;
    let bridge = handle.add_link(&Bridge::new("br0"))?;
    handle.add_veth(&Veth::new("v0").peer("v1").master(&bridge))?;
    let mut monitor = Monitor::builder().links().open()?;
    handle.clear_master("v0")?;
    let mut port_left = false;
    wait(&mut monitor, |event| match event {
        Event::Deleted(Object::Raw(raw)) if raw.payload[0] == 7 => {
            port_left = true;
            None
        }
        Event::Deleted(Object::Link(link)) => panic!("{link:?} is not gone"),
        event => new_link(event, "v0").filter(|link| link.master.is_none() && port_left),
    })?;
    Ok(())
}

fn rules_neighbours_nexthops_and_qdiscs_are_told_as_messages() -> Outcome {
    netns()?;
    let mut handle = Handle::open()?;
    handle.add_veth(&Veth::new("v0").peer("v1"))?;
    handle.set_up("v0")?;
    handle.set_up("v1")?;
    handle.add_address("v0", &net("10.0.0.1/24").into())?;
    let mut monitor = Monitor::builder().all().open()?;
    ip(&["rule", "add", "priority", "77", "lookup", "99"])?;
    ip(&["neigh", "add", "10.0.0.9", "lladdr", "02:00:00:00:00:09", "dev", "v0"])?;
    ip(&["nexthop", "add", "id", "3", "via", "10.0.0.9", "dev", "v0"])?;
    handle.delete_link("v0")?;
    let (mut rule, mut neighbour, mut nexthop) = (false, false, false);
    wait(&mut monitor, |event| {
        match &event {
            Event::New(Object::Raw(raw)) => {
                rule |= raw.kind == 32 && raw.attributes(12).any(|a| a.kind == 6 && a.u32() == Some(77));
                neighbour |= raw.kind == 28 && raw.attributes(12).any(|a| a.ip() == "10.0.0.9".parse().ok());
                nexthop |= raw.kind == 104 && raw.attributes(8).any(|a| a.kind == 1 && a.u32() == Some(3));
            }
            // The types that this crate has for them by now.
            other => {
                let text = format!("{other:?}");
                rule |= text.contains("77") && text.contains("Rule");
                neighbour |= text.contains("10.0.0.9") && text.contains("Neighbour");
                nexthop |= text.contains("NextHop") || text.contains("Nexthop");
            }
        }
        (rule && neighbour && nexthop).then_some(())
    })
}

fn what_bridges_know_is_told() -> Outcome {
    netns()?;
    let mut handle = Handle::open()?;
    let bridge = handle.add_link(&Bridge::new("br0").up().options(|bridge| {
        bridge.vlan_filtering = Some(true);
        bridge.mcast_snooping = Some(true);
    }));
    let bridge = match bridge {
        Err(error) if error.kind() == ErrorKind::Unsupported => {
            return Err(ignored("this kernel's bridges have no VLANs, or know no groups"));
        }
        bridge => bridge?,
    };
    handle.add_veth(&Veth::new("v0").master("br0").up().peer("v1"))?;
    let port = handle.link("v0")?;
    handle.add_vlans("v0", &BridgeVlan::range(10..=12))?;
    let mut monitor = Monitor::builder().mdb().bridge_vlans().existing(true).open()?;
    let mut listed = Vec::new();
    wait(&mut monitor, |event| {
        if let Event::New(Object::BridgeVlans(vlans)) = &event {
            listed.extend(vlans.iter().map(|vlan| (vlan.index, vlan.ids.clone())));
        }
        (event == Event::Synced).then_some(())
    })?;
    assert!(listed.contains(&(port.index, 10..=12)), "{listed:?}");

    let group = MdbEntry::new(port.index, "239.1.1.1".parse::<std::net::IpAddr>()?);
    handle.add_mdb("br0", &group)?;
    handle.delete_vlans("v0", &BridgeVlan::range(10..=11))?;
    handle.delete_mdb("br0", &group)?;
    let mut told = Vec::new();
    wait(&mut monitor, |event| {
        match event {
            Event::New(Object::Mdb(groups)) if groups[0].group == group.group => told.push("group"),
            Event::Deleted(Object::BridgeVlans(vlans)) => {
                assert_eq!((vlans[0].index, &vlans[0].ids), (port.index, &(10..=11)));
                told.push("no VLANs");
            }
            Event::Deleted(Object::Mdb(groups)) if groups[0].group == group.group => {
                assert_eq!((groups[0].bridge, groups[0].port), (bridge.index, port.index));
                told.push("no group");
            }
            _ => {}
        }
        (told.last() == Some(&"no group")).then_some(())
    })?;
    // The bridge tells of a group more than once.
    told.dedup();
    assert_eq!(told, ["group", "no VLANs", "no group"]);
    Ok(())
}

fn an_id_of_a_namespace_is_told() -> Outcome {
    netns()?;
    let mut handle = Handle::open()?;
    let mut monitor = Monitor::builder().netns_ids().open()?;
    let blue = Netns::create()?;
    handle.set_netns_id(&blue, Some(5))?;
    wait(&mut monitor, |event| (event == Event::New(Object::NetnsId(5))).then_some(()))?;
    drop(blue);
    wait(&mut monitor, |event| (event == Event::Deleted(Object::NetnsId(5))).then_some(()))
}

fn what_was_not_asked_for_is_not_told() -> Outcome {
    netns()?;
    let mut handle = Handle::open()?;
    let mut monitor = Monitor::builder().addresses().open()?;
    handle.add_link(&Bridge::new("br0"))?;
    handle.add_address("br0", &net("10.0.0.1/24").into())?;
    // What the kernel tells it has told when the request is answered.
    let Some(Event::New(Object::Address(first))) = monitor.try_next()? else { panic!("no address") };
    assert_eq!(first.net, net("10.0.0.1/24"));
    assert_eq!(monitor.try_next()?, None);
    Ok(())
}

fn what_is_there_is_told_first_and_then_its_end() -> Outcome {
    netns()?;
    let mut handle = Handle::open()?;
    quiet_pair(&mut handle)?;
    handle.add_address("v0", &net("10.0.0.1/24").into())?;
    let mut monitor = Monitor::builder().all().existing(true).open()?;
    // It hears already: this is told behind the lists.
    handle.add_link(&Bridge::new("br0"))?;
    let (mut links, mut addresses, mut routes, mut raw) = (Vec::new(), 0, 0, 0);
    wait(&mut monitor, |event| {
        match event {
            Event::New(Object::Link(link)) => links.push(link.name),
            Event::New(Object::Address(_)) => addresses += 1,
            Event::New(Object::Route(_)) => routes += 1,
            Event::New(_) => raw += 1,
            Event::Synced => return Some(()),
            other => panic!("{other:?}"),
        }
        None
    })?;
    assert!(["lo", "v0", "v1", "br0"].iter().all(|name| links.iter().any(|link| link == name)), "{links:?}");
    assert_eq!(addresses, handle.addresses()?.len());
    assert_eq!(routes, handle.list_routes(RouteFilter::default())?.len());
    // Rules are there in every namespace.
    assert!(raw > 0);
    wait(&mut monitor, |event| new_link(event, "br0"))?;
    Ok(())
}

fn a_monitor_of_another_namespace_hears_that_one() -> Outcome {
    netns()?;
    let blue = Netns::create()?;
    let mut monitor = Monitor::builder().links().existing(true).open_in(&blue)?;
    let mut here = Handle::open()?;
    here.add_link(&Bridge::new("here"))?;
    Handle::open_in(&blue)?.add_link(&Bridge::new("there"))?;
    wait(&mut monitor, |event| {
        assert!(!format!("{event:?}").contains("\"here\""), "{event:?}");
        new_link(event, "there")
    })?;
    assert!(monitor.try_next()?.is_none_or(|event| !format!("{event:?}").contains("\"here\"")));
    Ok(())
}

fn other_namespaces_are_told_apart() -> Outcome {
    netns()?;
    let mut here = Handle::open()?;
    let blue = Netns::create()?;
    here.set_netns_id(&blue, Some(5))?;
    let opened = Monitor::builder().links().all_namespaces(true).open();
    let mut monitor = match opened {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => return Err(ignored(error)),
        opened => opened?,
    };
    Handle::open_in(&blue)?.add_link(&Bridge::new("there"))?;
    here.add_link(&Bridge::new("here"))?;
    let mut there = false;
    wait(&mut monitor, |event| match event {
        Event::Elsewhere { netns_id, event } => {
            assert_eq!(netns_id, 5);
            there |= new_link(*event, "there").is_some();
            None
        }
        event => new_link(event, "here"),
    })?;
    assert!(there);
    Ok(())
}

/// Makes far more routes come and go than a socket has room for, and leaves every third.
fn storm(handle: &mut Handle, device: u32) -> Outcome {
    let routes: Vec<_> = (0..6_000_u32)
        .map(|number| {
            let address = std::net::Ipv4Addr::from(0x0b00_0000 + (number << 8));
            Route::to(IpNet::new(address.into(), 24).unwrap()).dev(device)
        })
        .collect();
    let mut batch = handle.batch();
    for route in &routes {
        batch.add_route(route);
    }
    batch.send().into_iter().collect::<Result<Vec<_>, _>>()?;
    let mut batch = handle.batch();
    for (_, route) in routes.iter().enumerate().filter(|(number, _)| number % 3 != 0) {
        batch.delete_route(route);
    }
    batch.send().into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok(())
}

fn an_overrun_is_told_and_the_table_is_right_again() -> Outcome {
    netns()?;
    let mut handle = Handle::open()?;
    quiet_pair(&mut handle)?;
    let device = handle.link("v0")?.index;
    let mut monitor = Monitor::builder().routes().existing(true).open()?;
    let mut table: BTreeMap<String, Route> = BTreeMap::new();
    let mut overruns = 0;
    let mut follow = |monitor: &mut Monitor| -> Result<BTreeMap<String, Route>, Stop> {
        while let Some(event) = monitor.try_next()? {
            match event {
                Event::New(Object::Route(route)) => drop(table.insert(route.to_string(), *route)),
                Event::Deleted(Object::Route(route)) => drop(table.remove(&route.to_string())),
                Event::Overrun => {
                    table.clear();
                    overruns += 1;
                }
                Event::Synced => {}
                other => panic!("{other:?}"),
            }
        }
        Ok(table.clone())
    };
    follow(&mut monitor)?;
    storm(&mut handle, device)?;
    let told = follow(&mut monitor)?;
    let there: BTreeMap<_, _> = handle
        .list_routes(RouteFilter::default())?
        .into_iter()
        .map(|route| (route.to_string(), route))
        .collect();
    assert_eq!(told.len(), there.len());
    assert_eq!(told, there);
    // And it goes on.
    handle.delete_route(&Route::to(net("11.0.0.0/24")).dev(device))?;
    assert_eq!(follow(&mut monitor)?.len(), there.len() - 1);
    assert!(overruns > 0);
    Ok(())
}

fn an_overrun_without_lists_is_told_and_resync_tells_what_is_there() -> Outcome {
    netns()?;
    let mut handle = Handle::open()?;
    quiet_pair(&mut handle)?;
    let device = handle.link("v0")?.index;
    let mut monitor = Monitor::builder().routes().open()?;
    storm(&mut handle, device)?;
    wait(&mut monitor, |event| (event == Event::Overrun).then_some(()))?;
    monitor.resync();
    let mut told = 0;
    wait(&mut monitor, |event| match event {
        Event::New(Object::Route(_)) => {
            told += 1;
            None
        }
        event => (event == Event::Synced).then_some(()),
    })?;
    assert_eq!(told, handle.list_routes(RouteFilter::default())?.len());
    assert_eq!(monitor.try_next()?, None);
    Ok(())
}

fn a_larger_buffer_holds_more() -> Outcome {
    netns()?;
    let mut handle = Handle::open()?;
    quiet_pair(&mut handle)?;
    let device = handle.link("v0")?.index;
    let mut small = Monitor::builder().routes().receive_buffer(4096).open()?;
    let mut large = Monitor::builder().routes().receive_buffer(32 << 20).open()?;
    storm(&mut handle, device)?;
    let hear_all = |monitor: &mut Monitor| -> Result<(usize, bool), Stop> {
        let (mut told, mut overrun) = (0, false);
        while let Some(event) = monitor.try_next()? {
            overrun |= event == Event::Overrun;
            told += 1;
        }
        Ok((told, overrun))
    };
    let (few, overrun) = hear_all(&mut small)?;
    assert!(overrun && few < 1_000, "{few}");
    let (many, overrun) = hear_all(&mut large)?;
    if overrun {
        return Err(ignored("more room than net.core.rmem_max needs CAP_NET_ADMIN outside"));
    }
    assert!(many >= 10_000, "{many}");
    Ok(())
}

fn silence_is_no_event_and_the_descriptor_is_not_ready() -> Outcome {
    netns()?;
    let mut monitor = Monitor::builder().links().open()?;
    assert_eq!(monitor.try_next()?, None);
    assert_eq!(monitor.next_timeout(Duration::from_millis(3))?, None);
    let ready = |monitor: &Monitor| -> Result<bool, Stop> {
        let mut fds = [PollFd::new(monitor.as_fd(), PollFlags::POLLIN)];
        Ok(poll(&mut fds, PollTimeout::ZERO)? > 0)
    };
    assert!(!ready(&monitor)?);
    Handle::open()?.add_link(&Bridge::new("br0"))?;
    assert!(ready(&monitor)?);
    while monitor.try_next()?.is_some() {}
    assert!(!ready(&monitor)?);
    Ok(())
}

fn nothing_to_hear_is_refused() -> Outcome {
    netns()?;
    let error = Monitor::builder().open().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    let error = Monitor::builder().group(4000).open().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    assert!(error.to_string().contains("no such group"), "{error}");
    Ok(())
}

fn tokio_awaits_events() -> Outcome {
    netns()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut monitor = AsyncMonitor::new(Monitor::builder().links().existing(true).open()?)?;
        while monitor.next().await? != Event::Synced {}
        let quiet = tokio::time::timeout(Duration::from_millis(3), monitor.next()).await;
        assert!(quiet.is_err());
        let waits = async {
            loop {
                if let Some(link) = new_link(monitor.next().await?, "br0") {
                    return Ok::<_, Stop>(link);
                }
            }
        };
        let makes = async {
            tokio::task::yield_now().await;
            Ok::<_, Stop>(Handle::open()?.add_link(&Bridge::new("br0"))?)
        };
        let (told, made) = tokio::join!(waits, makes);
        assert_eq!(told?.index, made?.index);
        assert!(monitor.into_inner().try_next().is_ok());
        Ok(())
    })
}

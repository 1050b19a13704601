//! Every object that a monitor knows is told when it is made and when it is deleted, as what it is.

use std::process::ExitCode;
use std::time::Duration;

use grounds::{Outcome, Stop, ignored, netns, tests};
use netlink::raw::{self, Notice};
use netlink::tc::{Action, Class, Filter, Htb, HtbClass, Matchall, Qdisc, TcHandle};
use netlink::{
    AddrGenMode, Bridge, ErrorKind, Event, Family, FdbEntry, Handle, Link, LinkChange, Monitor,
    MonitorBuilder, Neighbour, NeighbourFlags, NexthopObject, Object, Route, Rule, RuleAction, Veth,
};

fn main() -> ExitCode {
    grounds::run_as_root(tests![
        neighbours_are_told,
        proxies_are_told,
        what_a_bridge_knows_is_told,
        rules_are_told,
        next_hops_are_told,
        traffic_control_is_told,
        a_monitor_is_an_iterator,
        a_raw_monitor_tells_that_it_lost_something,
    ])
}

/// Long enough for a machine that is ten times slower: nobody waits for it where all is well.
const LONG: Duration = Duration::from_secs(60);

/// A pair that is up and connected, of which the kernel makes nothing of its own.
fn connected() -> Result<(Handle, Link), Stop> {
    netns()?;
    let mut handle = Handle::open()?;
    handle.add_veth(&Veth::new("v0").peer("v1"))?;
    for name in ["lo", "v0", "v1"] {
        // What has no IPv6 needs none.
        _ = handle.change_link(name, &LinkChange::new().addr_gen_mode(AddrGenMode::None));
        handle.set_up(name)?;
    }
    let link = handle.link("v0")?;
    Ok((handle, link))
}

/// Waits for the news of one object that is made, and then deleted: it is the same all the time.
fn is_told<T>(
    monitor: &MonitorBuilder,
    add: impl FnOnce() -> netlink::Result<T>,
    delete: impl FnOnce(T) -> netlink::Result<()>,
    is_it: impl Fn(&Object) -> bool,
) -> Outcome {
    let mut monitor = monitor.open()?;
    let made = add()?;
    wait(&mut monitor, |event| matches!(event, Event::New(object) if is_it(object)))?;
    // It isn't gone as long as it is there.
    while let Some(event) = monitor.try_next()? {
        assert!(!matches!(&event, Event::Deleted(object) if is_it(object)), "{event:?}");
    }
    delete(made)?;
    wait(&mut monitor, |event| matches!(event, Event::Deleted(object) if is_it(object)))
}

fn wait(monitor: &mut Monitor, is_it: impl Fn(&Event) -> bool) -> Outcome {
    let mut others = Vec::new();
    while let Some(event) = monitor.next_timeout(LONG)? {
        if is_it(&event) {
            return Ok(());
        }
        others.push(event);
    }
    Err(Stop::Failed(format!("it was never told; others were: {others:#?}")))
}

fn neighbours_are_told() -> Outcome {
    let (mut handle, link) = connected()?;
    let mac = [2, 0, 0, 0, 0, 9];
    let neighbour = Neighbour::new("10.0.0.9".parse()?).mac(mac);
    let mut other = Handle::open()?;
    is_told(
        &Monitor::builder().neighbours(),
        || handle.add_neighbour("v0", &neighbour),
        |()| other.delete_neighbour("v0", &neighbour),
        |object| match object {
            Object::Neighbour(told) if told.address == neighbour.address => {
                assert_eq!(told.index, link.index);
                assert!(told.mac.is_none_or(|told| told == mac.into()), "{told:?}");
                true
            }
            _ => false,
        },
    )
}

fn proxies_are_told() -> Outcome {
    let (mut handle, link) = connected()?;
    let proxy = Neighbour::proxy("10.0.0.9".parse()?);
    let mut monitor = Monitor::builder().neighbours().open()?;
    handle.add_neighbour("v0", &proxy)?;
    handle.delete_neighbour("v0", &proxy)?;
    // Kernels don't tell of them; if one does, it is as they are.
    let fence = Neighbour::new("10.0.0.10".parse()?).mac([2, 0, 0, 0, 0, 9]);
    handle.add_neighbour("v0", &fence)?;
    wait(&mut monitor, |event| match event {
        Event::New(Object::Neighbour(told)) | Event::Deleted(Object::Neighbour(told)) => {
            assert_eq!(told.index, link.index);
            assert_eq!(told.address == proxy.address, told.flags.contains(NeighbourFlags::PROXY), "{told:?}");
            told.address == fence.address
        }
        _ => false,
    })
}

fn what_a_bridge_knows_is_told() -> Outcome {
    let (mut handle, link) = connected()?;
    let bridge = handle.add_link(&Bridge::new("br0").up())?;
    handle.set_master("v0", &bridge)?;
    let mac = [2, 0, 0, 0, 0, 9];
    let entry = FdbEntry::of_bridge(mac);
    let mut other = Handle::open()?;
    is_told(
        &Monitor::builder().neighbours(),
        || handle.add_fdb("v0", &entry),
        |()| other.delete_fdb("v0", &entry),
        |object| match object {
            Object::Fdb(told) if told.mac == mac.into() => {
                assert_eq!((told.index, told.master, told.vlan), (link.index, Some(bridge.index), None));
                true
            }
            Object::Neighbour(told) => panic!("{told:?} is none"),
            _ => false,
        },
    )
}

fn rules_are_told() -> Outcome {
    let (mut handle, _) = connected()?;
    let mut other = Handle::open()?;
    for family in [Family::Ipv4, Family::Ipv6] {
        let action = RuleAction::Lookup(900);
        let mut rule = if family == Family::Ipv4 { Rule::v4(action) } else { Rule::v6(action) };
        (rule.priority, rule.mark) = (Some(77), Some(5));
        let outcome = is_told(
            &Monitor::builder().rules(),
            || handle.add_rule(&rule),
            |()| other.delete_rule(&rule),
            |object| match object {
                Object::Rule(told) => {
                    assert_eq!((told.family, told.priority, told.mark), (family, Some(77), Some(5)));
                    assert_eq!(told.action, action);
                    true
                }
                other => panic!("{other:?}"),
            },
        );
        match outcome {
            // There is no IPv6.
            Err(_) if family == Family::Ipv6 && !std::path::Path::new("/proc/net/if_inet6").exists() => {}
            outcome => outcome?,
        }
    }
    Ok(())
}

fn next_hops_are_told() -> Outcome {
    let (mut handle, link) = connected()?;
    handle.add_address("v0", &"10.0.0.1/24".parse()?)?;
    let mut other = Handle::open()?;
    let nexthop = NexthopObject::via("10.0.0.9".parse()?, link.index).id(3);
    is_told(
        &Monitor::builder().nexthops(),
        || handle.add_nexthop(&nexthop),
        |id| other.delete_nexthop(id),
        |object| match object {
            Object::Nexthop(told) => {
                assert_eq!((told.id, told.gateway), (3, nexthop.gateway));
                assert_eq!((told.device, told.family), (Some(link.index), Some(Family::Ipv4)));
                true
            }
            other => panic!("{other:?}"),
        },
    )?;
    handle.add_nexthop(&nexthop)?;
    is_told(
        &Monitor::builder().nexthops(),
        || handle.add_nexthop(&NexthopObject::group([3]).id(4)),
        |id| other.delete_nexthop(id),
        |object| matches!(object, Object::Nexthop(told) if told.id == 4 && told.members.len() == 1),
    )
}

fn traffic_control_is_told() -> Outcome {
    let (mut handle, link) = connected()?;
    let (root, mut other) = (TcHandle::qdisc(1), Handle::open()?);
    let qdisc = Qdisc::root(Htb::new()).handle(root);
    match handle.add_qdisc("v0", &qdisc) {
        Err(error) if matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::NotFound) => {
            return Err(ignored(format!("this kernel has no htb: {error}")));
        }
        made => made?,
    };
    handle.delete_qdisc("v0", TcHandle::ROOT)?;
    is_told(
        &Monitor::builder().tc(),
        || handle.add_qdisc("v0", &qdisc),
        |_| other.delete_qdisc("v0", TcHandle::ROOT),
        |object| match object {
            Object::Qdisc(told) if told.handle == root => {
                assert_eq!((told.index, told.parent, told.kind.name()), (link.index, TcHandle::ROOT, "htb"));
                true
            }
            Object::Qdisc(_) => false,
            other => panic!("{other:?}"),
        },
    )?;

    handle.add_qdisc("v0", &qdisc)?;
    let ten = TcHandle::new(1, 10);
    is_told(
        &Monitor::builder().tc(),
        || handle.add_class("v0", &Class::new(root, ten, HtbClass::new(1_000_000))),
        |_| other.delete_class("v0", ten),
        |object| match object {
            Object::Class(told) => {
                assert_eq!((told.index, told.handle, told.kind.name()), (link.index, ten, "htb"));
                true
            }
            _ => false,
        },
    )?;

    let filter = Filter::new(root, Matchall::new(vec![Action::pass()])).priority(7);
    match handle.add_filter("v0", &filter) {
        Err(error) if matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::NotFound) => {
            return Err(ignored(format!("this kernel has no matchall or gact: {error}")));
        }
        made => handle.delete_filter("v0", &made?)?,
    }
    is_told(
        &Monitor::builder().tc(),
        || handle.add_filter("v0", &filter),
        |made| other.delete_filter("v0", &made),
        |object| match object {
            Object::Filter(told) => {
                assert_eq!((told.index, told.parent, told.priority), (link.index, root, 7));
                assert_eq!(told.kind.name(), "matchall");
                true
            }
            _ => false,
        },
    )
}

fn a_monitor_is_an_iterator() -> Outcome {
    let (mut handle, link) = connected()?;
    let monitor = Monitor::builder().routes().existing(true).open()?;
    let route = Route::to("10.7.0.0/16".parse()?).dev(link.index);
    handle.add_route(&route)?;
    handle.delete_route(&route)?;
    let (mut synced, mut news) = (false, Vec::new());
    // It has no end of its own, and waits.
    for event in monitor {
        match event? {
            Event::Synced => synced = true,
            Event::New(Object::Route(told)) if told.destination == route.destination => news.push(true),
            Event::Deleted(Object::Route(told)) if told.destination == route.destination => {
                news.push(false);
                if synced {
                    break;
                }
            }
            Event::New(Object::Route(_)) => {}
            other => panic!("{other:?}"),
        }
        if synced && news.ends_with(&[false]) {
            break;
        }
    }
    assert!(synced);
    assert!(news.len() >= 2 && news[news.len() - 2..] == [true, false], "{news:?}");
    Ok(())
}

fn a_raw_monitor_tells_that_it_lost_something() -> Outcome {
    const RTNLGRP_LINK: u32 = 1;
    const RTM_NEWLINK: u16 = 16;
    let (mut handle, link) = connected()?;
    let mut monitor = raw::Monitor::open(0, &[RTNLGRP_LINK])?;
    monitor.set_receive_buffer(1)?; // the least that the kernel gives
    for mtu in 1000..1400 {
        handle.set_mtu("v0", mtu)?;
    }
    let (mut overruns, mut messages) = (0, 0);
    while let Some(notice) = monitor.try_next()? {
        match notice {
            Notice::Overrun => overruns += 1,
            Notice::Message(_) => messages += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(overruns, 1, "{messages} were heard");
    assert!(messages < 400);
    // What happens from here on is told again.
    handle.set_mtu("v0", 1400)?;
    assert!(monitor.wait(Some(LONG))?);
    let Some(Notice::Message(message)) = monitor.try_next()? else { panic!("nothing was told") };
    assert_eq!((message.kind, &message.payload[4..8]), (RTM_NEWLINK, &link.index.to_ne_bytes()[..]));
    Ok(())
}

//! Lists under a filter: exactly what was asked for, left out by the kernel where it can, and where it doesn't look at
//! the filter all the same.

mod common;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::process::ExitCode;

use common::net;
use grounds::{Outcome, Stop, ignored, netns, tests};
use netlink::{
    AddrGenMode, Address, AddressFilter, Bridge, Family, FdbEntry, FdbFilter, Handle, Link, LinkChange,
    LinkFilter, MacAddress, Macvlan, Neighbour, NeighbourFilter, NeighbourState, NexthopFilter,
    NexthopObject, Route, RouteFilter, RouteKind, Rule, RuleAction, RuleFilter, Veth,
};
use nix::libc;

fn main() -> ExitCode {
    grounds::run_as_root(tests![
        links_of_every_filter_are_listed,
        addresses_are_listed_by_any_kernel,
        routes_of_every_filter_are_listed,
        neighbours_of_every_filter_are_listed,
        next_hops_of_every_filter_are_listed,
        what_a_bridge_knows_is_listed_by_every_filter,
        rules_of_every_filter_are_listed,
    ])
}

fn ipv6_or_ignored() -> Outcome {
    match std::fs::read_to_string("/proc/sys/net/ipv6/conf/default/disable_ipv6") {
        Ok(disabled) if disabled.trim() == "0" => Ok(()),
        _ => Err(ignored("this kernel has no IPv6, or it is switched off")),
    }
}

/// A handle whose lists a kernel makes that doesn't look at filters.
#[allow(unsafe_code, reason = "nothing safe sets an option that nix doesn't know")]
fn careless() -> Result<Handle, Stop> {
    const NETLINK_GET_STRICT_CHK: i32 = 12;
    let handle = Handle::open()?;
    let (fd, off) = (handle.as_fd().as_raw_fd(), 0_i32);
    let size = size_of_val(&off) as u32;
    // SAFETY: the kernel reads `off`, which outlives the call, and its size goes with it.
    let outcome = unsafe {
        libc::setsockopt(fd, libc::SOL_NETLINK, NETLINK_GET_STRICT_CHK, (&raw const off).cast(), size)
    };
    assert_eq!(outcome, 0, "{}", std::io::Error::last_os_error());
    Ok(handle)
}

/// Gives a list, which is the same in one go and one at a time; and how many messages the kernel sent for it.
macro_rules! listed {
    ($handle:expr, $list:ident, $dump:ident, $filter:expr, $key:expr) => {{
        // What runs meanwhile is left out.
        let listed: Vec<_> = $handle.$list($filter)?.into_iter().map($key).collect();
        let dumped = $handle.$dump($filter)?.map(|found| found.map($key));
        assert_eq!(listed, dumped.collect::<netlink::Result<Vec<_>>>()?);
        let mut dump = $handle.$dump($filter)?;
        let mut messages = 0;
        while dump.next_message()?.is_some() {
            messages += 1;
        }
        (listed, messages)
    }};
}

fn links_of_every_filter_are_listed() -> Outcome {
    netns()?;
    let mut handle = Handle::open()?;
    // Some kernels make tunnels by themselves.
    let kernels_own: Vec<_> =
        handle.links()?.into_iter().map(|link| link.name).filter(|name| name != "lo").collect();
    let br0 = handle.add_link(&Bridge::new("br0").group(5).up())?.index;
    let br1 = handle.add_link(&Bridge::new("br1"))?.index;
    handle.add_veth(&Veth::new("v0").peer("v1").peer_group(7).master("br0").group(5).up())?;
    handle.add_veth(&Veth::new("v2").peer("v3").master("br0"))?;
    handle.add_veth(&Veth::new("v4").peer("v5").master("br1").group(7).up())?;
    handle.add_link(&Macvlan::new("m0", "v1").group(5))?;
    // Name, kind, master, group, up.
    let all = [
        ("lo", None, None, 0, false),
        ("br0", Some("bridge"), None, 5, true),
        ("br1", Some("bridge"), None, 0, false),
        ("v0", Some("veth"), Some(br0), 5, true),
        ("v1", Some("veth"), None, 7, false),
        ("v2", Some("veth"), Some(br0), 0, false),
        ("v3", Some("veth"), None, 0, false),
        ("v4", Some("veth"), Some(br1), 7, true),
        ("v5", Some("veth"), None, 0, false),
        ("m0", Some("macvlan"), None, 5, false),
    ];
    let mut careless = careless()?;
    for kind in [None, Some("veth"), Some("bridge"), Some("macvlan"), Some("unheard")] {
        for master in [None, Some(br0), Some(br1)] {
            for group in [None, Some(0), Some(5), Some(7), Some(9)] {
                for up in [None, Some(true), Some(false)] {
                    let mut filter = LinkFilter::default();
                    filter.kind = kind.map(str::to_owned);
                    (filter.master, filter.group, filter.up) = (master, group, up);
                    let expected: BTreeSet<_> = all
                        .iter()
                        .filter(|(_, of, ..)| kind.is_none() || kind == *of)
                        .filter(|(_, _, of, ..)| master.is_none() || master == *of)
                        .filter(|(_, _, _, of, _)| group.is_none_or(|group| group == *of))
                        .filter(|(.., is_up)| up.is_none_or(|up| up == *is_up))
                        .map(|(name, ..)| (*name).to_owned())
                        .collect();
                    let names = |links: Vec<String>| {
                        let count = links.len();
                        let mut names = BTreeSet::from_iter(links);
                        assert_eq!(names.len(), count, "twice");
                        names.retain(|name| !kernels_own.contains(name));
                        names
                    };
                    let (links, messages) =
                        listed!(handle, list_links, dump_links, filter.clone(), |link: Link| link.name);
                    assert_eq!(names(links), expected, "{filter:?}");
                    let (links, _) =
                        listed!(careless, list_links, dump_links, filter.clone(), |link: Link| link.name);
                    assert_eq!(names(links), expected, "{filter:?}");
                    // The kernel knows kinds that it has, and masters.
                    let of_kernel = all
                        .iter()
                        .filter(|(_, of, ..)| matches!(kind, None | Some("unheard")) || kind == *of)
                        .filter(|(_, _, of, ..)| master.is_none() || master == *of)
                        .count();
                    let all_kinds = matches!(kind, None | Some("unheard")) && master.is_none();
                    let own = if all_kinds { kernels_own.len() } else { 0 };
                    assert_eq!(messages, of_kernel + own, "{filter:?}");
                }
            }
        }
    }
    Ok(())
}

fn addresses_are_listed_by_any_kernel() -> Outcome {
    netns()?;
    ipv6_or_ignored()?;
    let mut handle = Handle::open()?;
    let pair = handle.add_veth(&Veth::new("v0").peer("v1"))?;
    for (index, text) in [
        (pair.host.index, "10.0.0.1/24"),
        (pair.host.index, "fd00::1/64"),
        (handle.link("v1")?.index, "10.0.1.1/24"),
    ] {
        handle.add_address(index, &text.parse()?)?;
    }
    let mut careless = careless()?;
    for index in [None, Some(pair.host.index)] {
        for family in [None, Some(Family::Ipv4), Some(Family::Ipv6)] {
            let mut filter = AddressFilter::default();
            (filter.index, filter.family) = (index, family);
            let (strictly, messages) = listed!(handle, list_addresses, dump_addresses, filter, |found| found);
            assert_eq!(messages, strictly.len(), "{filter:?}");
            let (carelessly, _) = listed!(careless, list_addresses, dump_addresses, filter, |found| found);
            assert_eq!(carelessly, strictly, "{filter:?}");
        }
    }
    Ok(())
}

fn routes_of_every_filter_are_listed() -> Outcome {
    netns()?;
    ipv6_or_ignored()?;
    let mut handle = Handle::open()?;
    // Nothing is connected, so that the kernel makes no routes of its own.
    let br0 = handle.add_link(&Bridge::new("br0").up())?.index;
    let br1 = handle.add_link(&Bridge::new("br1").up())?.index;
    let by = |text: &str, device: u32, table: u32, protocol: u8| {
        let mut route = Route::to(net(text)).dev(device).table(table);
        route.protocol = Some(protocol);
        route
    };
    let no_way = |text: &str, kind: RouteKind, table: u32| {
        let mut route = Route::to(net(text)).kind(kind).table(table);
        route.protocol = Some(3);
        route
    };
    let made = [
        by("10.1.0.0/16", br0, 254, 3),
        by("10.2.0.0/16", br1, 254, 99),
        no_way("10.3.0.0/16", RouteKind::Blackhole, 254),
        no_way("10.4.0.0/16", RouteKind::Unreachable, 90),
        by("10.5.0.0/16", br0, 900, 99),
        by("fd01::/64", br0, 254, 3),
        by("fd02::/64", br1, 900, 99),
        no_way("fd03::/64", RouteKind::Blackhole, 254),
        no_way("fd04::/64", RouteKind::Prohibit, 90),
    ];
    for route in &made {
        handle.add_route(route)?;
    }
    let mut careless = careless()?;
    let mut count = 0;
    for table in [None, Some(254), Some(90), Some(900)] {
        for family in [None, Some(Family::Ipv4), Some(Family::Ipv6)] {
            for device in [None, Some(br0), Some(br1)] {
                for protocol in [None, Some(3), Some(99)] {
                    for kind in
                        [None, Some(RouteKind::Unicast), Some(RouteKind::Blackhole), Some(RouteKind::Throw)]
                    {
                        let mut filter = RouteFilter::default();
                        (filter.table, filter.family, filter.device) = (table, family, device);
                        (filter.protocol, filter.kind) = (protocol, kind);
                        let expected: BTreeSet<_> = made
                            .iter()
                            .filter(|route| table.is_none_or(|table| table == route.table))
                            .filter(|route| {
                                family.is_none_or(|family| family == Family::of(route.destination.address()))
                            })
                            .filter(|route| device.is_none() || device == route.device)
                            .filter(|route| protocol.is_none() || protocol == route.protocol)
                            .filter(|route| kind.is_none_or(|kind| kind == route.kind))
                            .map(|route| route.destination.to_string())
                            .collect();
                        let ours = |routes: Vec<Route>| {
                            let destinations = routes.into_iter().map(|route| route.destination.to_string());
                            // The kernel may have some of its own.
                            let mut ours: Vec<_> = destinations
                                .filter(|to| made.iter().any(|route| route.destination.to_string() == *to))
                                .collect();
                            let count = ours.len();
                            ours.sort_unstable();
                            ours.dedup();
                            assert_eq!(ours.len(), count, "twice");
                            BTreeSet::from_iter(ours)
                        };
                        let (routes, messages) =
                            listed!(handle, list_routes, dump_routes, filter, |found| found);
                        assert_eq!(messages, routes.len(), "{filter:?}");
                        assert_eq!(ours(routes), expected, "{filter:?}");
                        let (routes, _) = listed!(careless, list_routes, dump_routes, filter, |found| found);
                        assert_eq!(ours(routes), expected, "{filter:?}");
                        count += expected.len();
                    }
                }
            }
        }
    }
    assert!(count > made.len());
    Ok(())
}

fn neighbours_of_every_filter_are_listed() -> Outcome {
    netns()?;
    ipv6_or_ignored()?;
    let mut handle = Handle::open()?;
    let br0 = handle.add_link(&Bridge::new("br0").up())?.index;
    let br1 = handle.add_link(&Bridge::new("br1").up())?.index;
    let pair = handle.add_veth(&Veth::new("v0").peer("v1").master("br0").up())?;
    let mac = [2, 0, 0, 0, 0, 1];
    let known = |text: &str| Neighbour::new(text.parse().unwrap()).mac(mac);
    let made = [
        (br0, known("10.0.0.1")),
        (br0, known("10.0.0.2").state(NeighbourState::NOARP)),
        (br1, known("10.0.0.3")),
        (br0, known("fd00::1")),
        (br1, known("fd00::2")),
        (pair.host.index, known("10.0.0.4")),
        (br0, Neighbour::proxy("10.0.0.5".parse()?)),
        (br1, Neighbour::proxy("fd00::5".parse()?)),
    ];
    for (index, neighbour) in &made {
        handle.add_neighbour(*index, neighbour)?;
    }
    let mut careless = careless()?;
    for index in [None, Some(br0), Some(br1)] {
        for family in [None, Some(Family::Ipv4), Some(Family::Ipv6)] {
            for master in [None, Some(br0)] {
                for state in [NeighbourState::empty(), NeighbourState::PERMANENT, NeighbourState::NOARP] {
                    for proxies in [false, true] {
                        let mut filter = NeighbourFilter::default();
                        (filter.index, filter.family, filter.master) = (index, family, master);
                        (filter.state, filter.proxies) = (state, proxies);
                        let by_kernel: Vec<_> = made
                            .iter()
                            .filter(|(of, _)| index.is_none_or(|index| index == *of))
                            .filter(|(_, one)| family.is_none_or(|family| family == Family::of(one.address)))
                            .filter(|(of, _)| master.is_none() || *of == pair.host.index)
                            .filter(|(_, one)| proxies == one.state.is_empty())
                            .collect();
                        let of_state =
                            by_kernel.iter().filter(|(_, one)| state.is_empty() || state == one.state);
                        let expected: BTreeSet<_> = of_state.map(|(_, one)| one.address).collect();
                        // The kernel knows groups by itself.
                        let ours = |found: Vec<IpAddr>| -> BTreeSet<_> {
                            found.into_iter().filter(|ip| !ip.is_multicast()).collect()
                        };
                        // Those of proxies have no master, and the kernel doesn't look for it.
                        if proxies && master.is_some() {
                            continue;
                        }
                        let (found, messages) =
                            listed!(handle, list_neighbours, dump_neighbours, filter, |found: Neighbour| {
                                found.address
                            });
                        if state.is_empty() {
                            assert_eq!(messages, found.len(), "{filter:?}");
                        }
                        assert_eq!(ours(found), expected, "{filter:?}");
                        if master.is_none() {
                            let (found, _) = listed!(
                                careless,
                                list_neighbours,
                                dump_neighbours,
                                filter,
                                |found: Neighbour| found.address
                            );
                            assert_eq!(ours(found), expected, "{filter:?}");
                        }
                    }
                }
            }
        }
    }
    Ok(())
}

/// Pairs that are up, of which the kernel makes nothing of its own.
fn up(handle: &mut Handle, pairs: &[(&str, &str)]) -> Outcome {
    for (here, there) in pairs {
        handle.add_veth(&Veth::new(*here).peer(*there))?;
        for name in [here, there] {
            // What has no IPv6 needs none.
            _ = handle.change_link(*name, &LinkChange::new().addr_gen_mode(AddrGenMode::None));
            handle.set_up(*name)?;
        }
    }
    Ok(())
}

fn next_hops_of_every_filter_are_listed() -> Outcome {
    netns()?;
    ipv6_or_ignored()?;
    let mut handle = Handle::open()?;
    up(&mut handle, &[("v0", "v1"), ("v2", "v3")])?;
    handle.set_up("lo")?; // blackholes are behind it
    let br0 = handle.add_link(&Bridge::new("br0").up())?.index;
    handle.set_master("v2", br0)?;
    let (v0, v2) = (handle.link("v0")?.index, handle.link("v2")?.index);
    let mut v6: Address = net("fd00::1/64").into();
    v6.flags = netlink::AddressFlags::NODAD;
    for (index, address) in [(v0, net("10.0.0.1/24").into()), (v2, net("10.1.0.1/24").into()), (v0, v6)] {
        handle.add_address(index, &address)?;
    }
    let with = |mut object: NexthopObject, protocol: u8| {
        object.protocol = Some(protocol);
        object
    };
    let mut fdb = NexthopObject::default().id(6);
    (fdb.fdb, fdb.gateway) = (true, Some("192.0.2.7".parse()?));
    let mut fdb_group = NexthopObject::group([6]).id(8);
    fdb_group.fdb = true;
    let objects = [
        with(NexthopObject::via("10.0.0.2".parse()?, v0).id(1), 3),
        with(NexthopObject::via("10.0.0.3".parse()?, v0).id(2), 99),
        with(NexthopObject::via("10.1.0.2".parse()?, v2).id(3), 99),
        with(NexthopObject::via("fd00::2".parse()?, v0).id(4), 3),
        with(NexthopObject::blackhole(Family::Ipv4).id(5), 99),
        with(fdb, 3),
        with(NexthopObject::group([1, 2]).id(7), 99),
        with(fdb_group, 3),
    ];
    for object in &objects {
        handle.add_nexthop(object)?;
    }
    let mut careless = careless()?;
    let mut is = |set: fn(&mut NexthopFilter, [u32; 3]), of_kernel: &[u32], expected: &[u32]| {
        let mut filter = NexthopFilter::default();
        set(&mut filter, [v0, v2, br0]);
        let ids = |found: &[NexthopObject]| found.iter().map(|object| object.id).collect::<Vec<_>>();
        let (found, messages) = listed!(handle, list_nexthops, dump_nexthops, filter, |found| found);
        assert_eq!(ids(&found), expected, "{filter:?}");
        assert_eq!(messages, of_kernel.len(), "{filter:?}");
        // There is no kernel that has next hops and knows no filters.
        let (found, _) = listed!(careless, list_nexthops, dump_nexthops, filter, |found| found);
        assert_eq!(ids(&found), expected, "{filter:?}");
        Outcome::Ok(())
    };
    let all = [1, 2, 3, 4, 5, 6, 7, 8];
    is(|_, _| {}, &all, &all)?;
    is(|filter, [v0, ..]| filter.device = Some(v0), &[1, 2, 4], &[1, 2, 4])?;
    is(|filter, [_, v2, _]| filter.device = Some(v2), &[3], &[3])?;
    is(|filter, [.., br0]| filter.master = Some(br0), &[3], &[3])?;
    is(|filter, _| filter.groups = true, &[7, 8], &[7, 8])?;
    // It takes this one, and does nothing with it.
    is(|filter, _| filter.fdb = true, &all, &[6, 8])?;
    is(|filter, _| filter.protocol = Some(99), &all, &[2, 3, 5, 7])?;
    is(|filter, _| filter.family = Some(Family::Ipv6), &[4], &[4])?;
    is(|filter, _| filter.family = Some(Family::Ipv4), &[1, 2, 3, 5, 6], &[1, 2, 3, 5, 6])?;
    is(
        |filter, [v0, ..]| {
            (filter.device, filter.family, filter.protocol) = (Some(v0), Some(Family::Ipv4), Some(3));
        },
        &[1, 2],
        &[1],
    )?;
    Ok(())
}

fn what_a_bridge_knows_is_listed_by_every_filter() -> Outcome {
    netns()?;
    let mut handle = Handle::open()?;
    let filtering = handle.add_link(&Bridge::new("br0").vlan_filtering(true).up());
    // Not every kernel has VLANs of bridges.
    let in_vlans = filtering.is_ok();
    let br0 = filtering.or_else(|_| handle.add_link(&Bridge::new("br0").up()))?.index;
    let br1 = handle.add_link(&Bridge::new("br1").up())?.index;
    up(&mut handle, &[("v0", "v1"), ("v2", "v3"), ("v4", "v5")])?;
    for (port, bridge) in [("v0", br0), ("v2", br0), ("v4", br1)] {
        handle.set_master(port, bridge)?;
    }
    let (v0, v2, v4) = (handle.link("v0")?.index, handle.link("v2")?.index, handle.link("v4")?.index);
    let mac = |last: u8| [2, 0, 0, 0, 9, last];
    let behind = |last: u8, vlan: u16| {
        let entry = FdbEntry::of_bridge(mac(last));
        if in_vlans { entry.vlan(vlan) } else { entry }
    };
    let made = [
        (v0, br0, behind(1, 1)),
        (v0, br0, behind(2, 7)),
        (v2, br0, behind(3, 7)),
        (v2, br0, behind(4, 8)),
        (v4, br1, behind(1, 1)),
    ];
    for (port, _, entry) in &made {
        // It must be in the VLAN.
        if let Some(vlan) = entry.vlan {
            let status = std::process::Command::new("bridge")
                .args(["vlan", "add", "vid", &vlan.to_string(), "dev"])
                .arg(handle.link(*port)?.name)
                .status()?;
            assert!(status.success());
        }
        handle.add_fdb(*port, entry)?;
    }
    let mut careless = careless()?;
    for index in [None, Some(v0), Some(v2), Some(v4)] {
        for master in [None, Some(br0), Some(br1)] {
            for vlan in [None, Some(1), Some(7), Some(9)] {
                for of in [None, Some(mac(1)), Some(mac(9))] {
                    let mut filter = FdbFilter::default();
                    (filter.index, filter.master, filter.vlan) = (index, master, vlan);
                    filter.mac = of.map(Into::into);
                    let expected: BTreeSet<_> = made
                        .iter()
                        .filter(|(port, ..)| index.is_none_or(|index| index == *port))
                        .filter(|(_, bridge, _)| master.is_none_or(|master| master == *bridge))
                        .filter(|(.., entry)| vlan.is_none() || vlan == entry.vlan)
                        .filter(|(.., entry)| of.is_none_or(|of| entry.mac == of.into()))
                        .map(|(port, _, entry)| (*port, entry.mac.to_string(), entry.vlan))
                        .collect();
                    // The bridge knows its ports' own too.
                    let ours = |found: &[(u32, MacAddress, Option<u16>)]| -> BTreeSet<_> {
                        let ours =
                            found.iter().filter(|(_, mac, _)| mac.octets().starts_with(&[2, 0, 0, 0, 9]));
                        ours.map(|(port, mac, vlan)| (*port, mac.to_string(), *vlan)).collect()
                    };
                    let (found, messages) = listed!(handle, list_fdb, dump_fdb, filter, |entry: FdbEntry| (
                        entry.index,
                        entry.mac,
                        entry.vlan
                    ));
                    assert_eq!(ours(&found), expected, "{filter:?}");
                    if vlan.is_none() && of.is_none() {
                        assert_eq!(messages, found.len(), "{filter:?}");
                    }
                    if master.is_none() {
                        let (found, _) = listed!(careless, list_fdb, dump_fdb, filter, |entry: FdbEntry| (
                            entry.index,
                            entry.mac,
                            entry.vlan
                        ));
                        assert_eq!(ours(&found), expected, "{filter:?}");
                    }
                }
            }
        }
    }
    Ok(())
}

fn rules_of_every_filter_are_listed() -> Outcome {
    netns()?;
    ipv6_or_ignored()?;
    let mut handle = Handle::open()?;
    let rule = |family: Family, priority: u32, action: RuleAction, protocol: u8| {
        let mut rule = if family == Family::Ipv4 { Rule::v4(action) } else { Rule::v6(action) };
        (rule.priority, rule.protocol) = (Some(priority), Some(protocol));
        rule
    };
    let made = [
        rule(Family::Ipv4, 100, RuleAction::Lookup(90), 3),
        rule(Family::Ipv4, 101, RuleAction::Lookup(900), 99),
        rule(Family::Ipv4, 102, RuleAction::Blackhole, 99),
        rule(Family::Ipv6, 100, RuleAction::Lookup(90), 99),
        rule(Family::Ipv6, 103, RuleAction::Lookup(900), 3),
    ];
    for rule in &made {
        handle.add_rule(rule)?;
    }
    let mut careless = careless()?;
    for family in [None, Some(Family::Ipv4), Some(Family::Ipv6)] {
        for priority in [None, Some(100), Some(103)] {
            for table in [None, Some(90), Some(900)] {
                for protocol in [None, Some(3), Some(99)] {
                    let mut filter = RuleFilter::default();
                    (filter.family, filter.priority) = (family, priority);
                    (filter.table, filter.protocol) = (table, protocol);
                    let expected: Vec<_> = made
                        .iter()
                        .filter(|rule| family.is_none_or(|family| family == rule.family))
                        .filter(|rule| priority.is_none() || priority == rule.priority)
                        .filter(|rule| table.is_none_or(|table| rule.action == RuleAction::Lookup(table)))
                        .filter(|rule| protocol.is_none() || protocol == rule.protocol)
                        .map(|rule| (rule.family, rule.priority))
                        .collect();
                    let ours = |found: Vec<Rule>| -> Vec<_> {
                        let ours = found.into_iter().map(|rule| (rule.family, rule.priority));
                        // Without those that are always there.
                        ours.filter(|(_, priority)| matches!(priority, Some(100..=103))).collect()
                    };
                    let (found, messages) = listed!(handle, list_rules, dump_rules, filter, |found| found);
                    let mut found = ours(found);
                    found.sort_unstable_by_key(|(family, priority)| (*family == Family::Ipv6, *priority));
                    assert_eq!(found, expected, "{filter:?}");
                    // The kernel knows the family: each has such rules as are always there.
                    if let Some(family) = family {
                        let of_family = made.iter().filter(|rule| rule.family == family).count();
                        assert_eq!(
                            messages,
                            of_family + if family == Family::Ipv4 { 3 } else { 2 },
                            "{filter:?}"
                        );
                    }
                    let (found, _) = listed!(careless, list_rules, dump_rules, filter, |found| found);
                    let mut found = ours(found);
                    found.sort_unstable_by_key(|(family, priority)| (*family == Family::Ipv6, *priority));
                    assert_eq!(found, expected, "{filter:?}");
                }
            }
        }
    }
    Ok(())
}

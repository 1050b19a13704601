//! Routes, rules and next hop objects: what is sent to the kernel comes back the same, and iproute2 agrees. Each test in
//! a network namespace of its own.

mod common;

use std::fs;
use std::os::fd::{FromRawFd, OwnedFd};
use std::process::{Command, ExitCode};
use std::thread;
use std::time::Duration;

use common::{ip, net};
use grounds::{Outcome, Stop, ignored, tests};
use netlink::{
    AddressFilter, AddressFlags, BpfProgram, Encap, ErrorKind, Family, Handle, IpEncap, Link, MetricLocks,
    MplsHop, MplsRoute, Neighbour, NeighbourFilter, NextHop, NexthopBucketFilter, NexthopFilter,
    NexthopMember, NexthopObject, Resilient, Route, RouteFeatures, RouteFilter, RouteFlags, RouteKind,
    RouteMetrics, RouteQuery, RouterPreference, Rule, RuleAction, RuleFilter, RuleFlags, Scope, Seg6,
    Seg6Action, Seg6Local, Seg6Mode, protocol, table,
};
use nix::libc;
use serde_json::Value;

fn main() -> ExitCode {
    grounds::run_as_root(tests![
        every_metric_comes_back_and_ip_agrees,
        what_a_metric_would_be_cut_to_is_refused,
        routes_of_every_kind_come_back,
        routes_of_ipv6_come_back_with_all_they_have,
        ways_come_back_with_flags_weight_and_realms,
        replace_change_and_append_are_told_apart,
        what_a_filter_wants_is_deleted_and_nothing_else,
        a_route_that_leads_nowhere_is_refused,
        a_rule_of_the_first_priority_comes_back,
        lists_are_filtered,
        a_route_is_asked_for,
        encapsulations_come_back,
        encapsulations_of_ipv6_come_back,
        a_source_route_of_rpl_comes_back,
        programs_come_back_by_their_names,
        the_number_of_an_xfrm_interface_comes_back,
        labels_have_routes,
        a_missing_mpls_is_told,
        rules_come_back_with_all_they_have,
        rules_are_listed_and_deleted,
        rules_that_can_not_be_are_told,
        next_hops_come_back_and_routes_go_by_them,
        groups_of_next_hops_come_back,
        resilient_groups_have_buckets,
        next_hops_are_flushed,
        batches_tell_what_failed,
    ])
}

/// A pair of links that are up, `v0` with an address of each family.
fn connected() -> Result<(Handle, Link), Stop> {
    let (mut handle, _) = common::connected()?;
    let mut v6: netlink::Address = net("fd00::1/64").into();
    v6.flags = netlink::AddressFlags::NODAD;
    handle.add_address("v0", &v6)?;
    handle.set_up("lo")?;
    let link = handle.link("v0")?;
    Ok((handle, link))
}

/// What an iproute2 command says in this namespace.
fn ip_json(arguments: &str) -> Result<Vec<Value>, Stop> {
    let output = Command::new("ip").arg("-json").arg("-d").args(arguments.split_whitespace()).output();
    let output = output.map_err(|_| ignored("there is no ip command"))?;
    assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    if output.stdout.trim_ascii().is_empty() {
        return Ok(Vec::new());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn to(handle: &mut Handle, destination: &str) -> Result<Vec<Route>, Stop> {
    let mut filter = RouteFilter::default();
    filter.destination = Some(net(destination));
    Ok(handle.list_routes(filter)?.into_iter().filter(|route| route.kind != RouteKind::Local).collect())
}

/// Adds a route, and gives it as the kernel has it.
fn through_kernel(handle: &mut Handle, route: &Route) -> Result<Route, Stop> {
    handle.add_route(route)?;
    let found = to(handle, &route.destination.to_string())?;
    assert_eq!(found.len(), 1, "{found:?}");
    Ok(found.into_iter().next().unwrap())
}

/// The same, with what the kernel fills in.
fn comes_back(handle: &mut Handle, route: &Route) -> Outcome {
    let found = through_kernel(handle, route)?;
    let mut expected = route.clone();
    expected.scope = expected.scope.or(found.scope);
    expected.protocol = expected.protocol.or(Some(3));
    if !expected.destination.address().is_ipv4() {
        expected.metric = expected.metric.or(Some(1024));
        expected.preference = expected.preference.or(Some(RouterPreference::Medium));
    }
    // Of no interest, and differing from kernel to kernel.
    let state = RouteFlags::LINKDOWN | RouteFlags::DEAD;
    let mut found = found;
    found.flags &= !state;
    found.hops.iter_mut().for_each(|hop| hop.flags &= !state);
    assert_eq!(found, expected);
    Ok(())
}

fn every_metric_comes_back_and_ip_agrees() -> Outcome {
    let (mut handle, link) = connected()?;
    let mut metrics = RouteMetrics::default();
    metrics.mtu = Some(1400);
    metrics.window = Some(20_000);
    metrics.rtt = Some(800);
    metrics.rttvar = Some(400);
    metrics.ssthresh = Some(31);
    metrics.cwnd = Some(32);
    metrics.advmss = Some(1300);
    metrics.reordering = Some(5);
    metrics.hoplimit = Some(33);
    metrics.initcwnd = Some(34);
    metrics.features = RouteFeatures::ECN;
    metrics.rto_min = Some(250);
    metrics.initrwnd = Some(35);
    metrics.quickack = Some(true);
    metrics.congestion_control = Some("reno".to_owned());
    metrics.fastopen_no_cookie = Some(true);
    metrics.locked = MetricLocks::MTU | MetricLocks::CWND;
    for destination in ["10.9.0.0/16", "fd09::/64"] {
        comes_back(&mut handle, &Route::to(net(destination)).dev(link.index).metrics(metrics.clone()))?;
    }
    for family in ["-4", "-6"] {
        let routes = ip_json(&format!("{family} route show dev v0"))?;
        let told = routes.iter().find(|route| !route["metrics"].is_null()).unwrap();
        let told = &told["metrics"][0];
        for (name, value) in [
            ("mtu", 1400),
            ("window", 20_000),
            ("ssthresh", 31),
            ("cwnd", 32),
            ("advmss", 1300),
            ("reordering", 5),
            ("hoplimit", 33),
            ("initcwnd", 34),
            ("initrwnd", 35),
        ] {
            assert_eq!(told[name], value, "{name} of {told}");
        }
        assert_eq!(
            (&told["rtt"], &told["rttvar"], &told["rto_min"]),
            (&100.into(), &100.into(), &250.into())
        );
        assert_eq!(told["congestion"], "reno");
        assert!(told.get("ecn").is_some(), "{told}");
        assert_eq!(told["quickack"], 1);
    }
    Ok(())
}

fn what_a_metric_would_be_cut_to_is_refused() -> Outcome {
    let (mut handle, link) = connected()?;
    let mut metrics = RouteMetrics::default();
    metrics.mtu = Some(70_000);
    let route = Route::to(net("10.9.0.0/16")).dev(link.index);
    let error = handle.add_route(&route.clone().metrics(metrics)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("its MTU is 0 to 65520, not 70000"), "{error}");

    let mut metrics = RouteMetrics::default();
    metrics.congestion_control = Some("no-such".to_owned());
    let error = handle.add_route(&route.metrics(metrics)).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::NotFound), "{error}");
    Ok(())
}

fn routes_of_every_kind_come_back() -> Outcome {
    let (mut handle, link) = connected()?;
    for (number, kind) in
        [RouteKind::Blackhole, RouteKind::Unreachable, RouteKind::Prohibit, RouteKind::Throw]
            .iter()
            .enumerate()
    {
        comes_back(&mut handle, &Route::to(net(&format!("10.{}.0.0/16", number + 10))).kind(*kind))?;
    }
    let error = handle.add_route(&Route::to(net("10.10.0.0/16")).kind(RouteKind::Blackhole)).unwrap_err();
    assert!(error.to_string().starts_with("add route blackhole 10.10.0.0/16: "), "{error}");

    let mut route = Route::to(net("10.20.0.0/16")).via(ip("192.0.2.1")).dev(link.index).onlink();
    (route.tos, route.metric, route.realms) = (0x10, Some(7), Some(3 << 16 | 4));
    (route.source, route.protocol) = (Some(ip("10.0.0.1")), Some(42));
    comes_back(&mut handle, &route)?;
    comes_back(&mut handle, &Route::to(net("10.21.0.0/16")).via(ip("10.0.0.9")).dev(link.index).table(1000))?;
    let told = ip_json("-4 route show 10.20.0.0/16")?;
    assert_eq!((&told[0]["gateway"], &told[0]["dev"]), (&"192.0.2.1".into(), &"v0".into()));
    assert_eq!((&told[0]["flags"][0], &told[0]["metric"]), (&"onlink".into(), &7.into()));
    assert_eq!(told[0]["tos"], "0x10");
    assert_eq!(ip_json("-4 route show table 1000")?[0]["dst"], "10.21.0.0/16");
    Ok(())
}

fn routes_of_ipv6_come_back_with_all_they_have() -> Outcome {
    let (mut handle, link) = connected()?;
    let mut route = Route::to(net("fd20::/64")).via(ip("fd00::9")).dev(link.index).metric(5);
    (route.preference, route.source) = (Some(RouterPreference::High), Some(ip("fd00::1")));
    comes_back(&mut handle, &route)?;
    assert_eq!(ip_json("-6 route show fd20::/64")?[0]["pref"], "high");
    comes_back(&mut handle, &Route::to(net("fd21::/64")).via(ip("2001:db8::1")).dev(link.index).onlink())?;

    let mut fleeting = Route::to(net("fd22::/64")).dev(link.index);
    fleeting.expires = Some(100_000);
    let left = through_kernel(&mut handle, &fleeting)?.expires.unwrap();
    assert!((90_000..=100_000).contains(&left), "{left}");

    let mut chosen = Route::to(net("fd23::/64")).dev(link.index);
    chosen.from = Some(net("fd00::/64"));
    match handle.add_route(&chosen) {
        Ok(()) => {
            handle.delete_route(&chosen)?;
            comes_back(&mut handle, &chosen)?;
        }
        // A kernel without subtrees.
        Err(error) => assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}"),
    }
    Ok(())
}

fn ways_come_back_with_flags_weight_and_realms() -> Outcome {
    let (mut handle, link) = connected()?;
    let mut route = Route::to(net("10.9.0.0/16"));
    let mut onlink = NextHop::via(ip("192.0.2.1")).dev(link.index);
    onlink.flags = RouteFlags::ONLINK;
    route.hops = vec![NextHop::via(ip("10.0.0.2")).dev(link.index).weight(256), onlink];
    route.hops[0].realms = Some(5);
    comes_back(&mut handle, &route)?;
    let told = ip_json("-4 route show 10.9.0.0/16")?;
    let hops = &told[0]["nexthops"];
    assert_eq!((&hops[0]["weight"], &hops[1]["weight"]), (&256.into(), &1.into()));
    assert_eq!(hops[1]["flags"][0], "onlink");

    route.destination = net("fd09::/64");
    route.hops = vec![
        NextHop::via(ip("fd00::2")).dev(link.index),
        NextHop::via(ip("fd00::3")).dev(link.index).weight(3),
    ];
    comes_back(&mut handle, &route)?;
    route.hops[0].weight = 257;
    assert_eq!(handle.add_route(&route).unwrap_err().kind(), ErrorKind::InvalidInput);
    Ok(())
}

fn replace_change_and_append_are_told_apart() -> Outcome {
    let (mut handle, link) = connected()?;
    let first = Route::to(net("10.9.0.0/16")).via(ip("10.0.0.2")).dev(link.index);
    let second = Route::to(net("10.9.0.0/16")).via(ip("10.0.0.3")).dev(link.index);
    let gateways = |handle: &mut Handle| -> Result<Vec<_>, Stop> {
        Ok(to(handle, "10.9.0.0/16")?.iter().filter_map(|route| route.gateway).collect::<Vec<_>>())
    };
    let error = handle.change_route(&first).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("there is no such route"), "{error}");
    handle.add_route(&first)?;
    handle.change_route(&second)?;
    assert_eq!(gateways(&mut handle)?, [ip("10.0.0.3")]);
    handle.append_route(&first)?;
    assert_eq!(gateways(&mut handle)?, [ip("10.0.0.3"), ip("10.0.0.2")]);
    assert_eq!(handle.append_route(&first).unwrap_err().kind(), ErrorKind::AlreadyExists);
    handle.delete_route(&second)?;
    assert_eq!(gateways(&mut handle)?, [ip("10.0.0.2")]);
    handle.replace_route(&second)?;
    assert_eq!(gateways(&mut handle)?, [ip("10.0.0.3")]);
    Ok(())
}

fn what_a_filter_wants_is_deleted_and_nothing_else() -> Outcome {
    let (mut handle, link) = connected()?;
    for number in 0..300_u16 {
        let [high, low] = number.to_be_bytes();
        let mut route = Route::to(net(&format!("10.{}.{low}.0/24", 8 + high))).dev(&link).table(900);
        route.protocol = Some(99);
        handle.add_route(&route)?;
    }
    let mut all = RouteFilter::default();
    all.family = Some(Family::Ipv4);
    // Of IPv6 the kernel adds some of its own when a link has been up for a while.
    let others = handle.list_routes(all)?.len() - 300;
    let mut routes = RouteFilter::default();
    routes.protocol = Some(99);
    assert_eq!(handle.flush_routes(routes)?, 300);
    assert_eq!(handle.flush_routes(routes)?, 0);
    assert_eq!(handle.list_routes(all)?.len(), others);

    let mut rule = Rule::v4(RuleAction::Lookup(900));
    rule.priority = Some(77);
    handle.add_rule(&rule)?;
    let mut rules = RuleFilter::default();
    rules.priority = Some(77);
    let count = handle.rules()?.len();
    assert_eq!((handle.flush_rules(rules)?, handle.rules()?.len()), (1, count - 1));

    handle.add_neighbour(&link, &Neighbour::new(ip("10.0.0.7")).mac([2, 0, 0, 0, 0, 7]))?;
    let mut neighbours = NeighbourFilter::default();
    neighbours.index = Some(link.index);
    assert!(handle.flush_neighbours(neighbours)? > 0);
    assert!(!handle.neighbours()?.iter().any(|neighbour| neighbour.address == ip("10.0.0.7")));

    // The second of a network goes with the first, before its own turn.
    handle.add_address(&link, &net("10.0.0.2/24").into())?;
    let mut addresses = AddressFilter::default();
    addresses.index = Some(link.index);
    assert!(handle.flush_addresses(addresses)? >= 2);
    assert_eq!(handle.list_addresses(addresses)?, []);
    Ok(())
}

/// The kernel says that there is no such device.
fn a_route_that_leads_nowhere_is_refused() -> Outcome {
    let (mut handle, _) = connected()?;
    let error = handle.add_route(&Route::to(net("10.8.0.0/16"))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("it leads nowhere"), "{error}");
    Ok(())
}

/// The kernel leaves a priority of 0 out.
fn a_rule_of_the_first_priority_comes_back() -> Outcome {
    let (mut handle, _) = connected()?;
    let first = handle.rules()?.into_iter().find(|rule| rule.family == Family::Ipv4).unwrap();
    assert_eq!(first.priority, Some(0));
    handle.delete_rule(&first)?;
    handle.add_rule(&first)?;
    assert_eq!(handle.rules()?.into_iter().find(|rule| rule.family == Family::Ipv4).unwrap(), first);
    Ok(())
}

fn lists_are_filtered() -> Outcome {
    let (mut handle, link) = connected()?;
    handle.add_route(&Route::to(net("10.8.0.0/16")).via(ip("10.0.0.2")).dev(link.index))?;
    let mut other = Route::to(net("10.9.0.0/16")).dev(link.index).table(900);
    other.protocol = Some(99);
    handle.add_route(&other)?;
    let count = |handle: &mut Handle, set: fn(&mut RouteFilter)| -> Result<usize, Stop> {
        let mut filter = RouteFilter::default();
        set(&mut filter);
        // A link that has just gone up gets routes of its own for a while.
        for _ in 0..100 {
            let dumped = handle.dump_routes(filter)?.collect::<netlink::Result<Vec<_>>>();
            match dumped {
                Ok(dumped) if handle.list_routes(filter)? == dumped => return Ok(dumped.len()),
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error.into()),
                _ => thread::sleep(Duration::from_millis(20)),
            }
        }
        Err(Stop::Failed("two lists of the same are never alike".to_owned()))
    };
    assert_eq!(count(&mut handle, |filter| filter.table = Some(900))?, 1);
    for (set, told) in [
        (
            (|filter| filter.within = Some("10.8.0.0/14".parse().unwrap())) as fn(&mut RouteFilter),
            "root 10.8.0.0/14",
        ),
        (|filter| filter.covering = Some("10.9.7.0/24".parse().unwrap()), "match 10.9.7.0/24"),
        (|filter| filter.scope = Some(Scope::Link), "scope link"),
        (|filter| filter.kind = Some(RouteKind::Broadcast), "type broadcast"),
    ] {
        let told = ip_json(&format!("-4 route show table all {told}"))?.len();
        let mut filter = RouteFilter::default();
        set(&mut filter);
        filter.family = Some(Family::Ipv4);
        assert_eq!(handle.list_routes(filter)?.len(), told, "{filter:?}");
        assert!(told > 0, "{filter:?}");
    }
    // The kernel says of a table without routes that there is none, if one family is asked for.
    assert_eq!(
        count(&mut handle, |filter| (filter.table, filter.family) = (Some(901), Some(Family::Ipv4)))?,
        0
    );
    let local = |filter: &mut RouteFilter| {
        (filter.table, filter.protocol) = (Some(table::LOCAL), Some(protocol::KERNEL));
        filter.family = Some(Family::Ipv4);
    };
    let told = ip_json("-4 route show table local proto kernel")?.len();
    assert_eq!(count(&mut handle, local)?, told);
    assert_eq!(count(&mut handle, |filter| filter.protocol = Some(99))?, 1);

    let addresses = |handle: &mut Handle, set: fn(&mut AddressFilter)| -> Result<Vec<String>, Stop> {
        let mut filter = AddressFilter::default();
        set(&mut filter);
        Ok(handle.list_addresses(filter)?.iter().map(ToString::to_string).collect())
    };
    assert_eq!(
        addresses(&mut handle, |filter| filter.within = Some("10.0.0.0/8".parse().unwrap()))?,
        ["10.0.0.1/24"]
    );
    let host = addresses(&mut handle, |filter| filter.scope = Some(Scope::Host))?;
    assert_eq!(host, ["127.0.0.1/8", "::1/128"]);
    let flags =
        addresses(&mut handle, |filter| filter.flags = AddressFlags::NODAD | AddressFlags::PERMANENT)?;
    assert!(
        flags.contains(&"fd00::1/64".to_owned()) && !flags.contains(&"10.0.0.1/24".to_owned()),
        "{flags:?}"
    );
    let without = addresses(&mut handle, |filter| filter.without_flags = AddressFlags::PERMANENT)?;
    assert!(!without.contains(&"10.0.0.1/24".to_owned()), "{without:?}");
    assert_eq!(count(&mut handle, |filter| filter.gateway = Some([10, 0, 0, 2].into()))?, 1);
    assert_eq!(count(&mut handle, |filter| filter.device = Some(60_000)).unwrap_or_default(), 0);
    assert_eq!(count(&mut handle, |filter| filter.destination = Some("10.9.7.0/16".parse().unwrap()))?, 1);
    Ok(())
}

fn a_route_is_asked_for() -> Outcome {
    let (mut handle, link) = connected()?;
    handle.add_route(&Route::to(net("10.9.0.0/16")).via(ip("10.0.0.2")).dev(link.index))?;
    handle.add_route(&Route::to(net("10.9.0.0/16")).via(ip("10.0.0.3")).dev(link.index).table(500))?;
    let mut rule = Rule::v4(RuleAction::Lookup(500));
    rule.mark = Some(7);
    handle.add_rule(&rule)?;

    let route = handle.route_get(ip("10.9.1.1"))?;
    assert_eq!((route.gateway, route.source, route.table), (Some(ip("10.0.0.2")), Some(ip("10.0.0.1")), 254));
    assert_eq!((route.device, route.destination), (Some(link.index), net("10.9.1.1/32")));
    let marked = handle.route_get(RouteQuery::to(ip("10.9.1.1")).mark(7).uid(0).flow(6, 1000, 80))?;
    assert_eq!((marked.gateway, marked.table), (Some(ip("10.0.0.3")), 500));
    let matched = handle.route_get(RouteQuery::to(ip("10.9.1.1")).fib_match())?;
    assert_eq!(matched.destination, net("10.9.0.0/16"));
    let told = ip_json("route get 10.9.1.1 mark 7")?;
    assert_eq!((&told[0]["gateway"], &told[0]["table"]), (&"10.0.0.3".into(), &"500".into()));

    let bound = RouteQuery::to(ip("10.9.1.1")).from_address(ip("10.0.0.1")).output(link.index).tos(0x10);
    assert_eq!(handle.route_get(bound)?.gateway, Some(ip("10.0.0.2")));
    let came = RouteQuery::to(ip("10.0.0.1")).from_address(ip("10.0.0.77")).input(link.index);
    let came = handle.route_get(came)?;
    assert_eq!((came.kind, came.input), (RouteKind::Local, Some(link.index)));
    assert_eq!(handle.route_get(ip("fd00::7"))?.device, Some(link.index));

    let error = handle.route_get(ip("203.0.113.1")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert!(error.to_string().starts_with("ask for the route to 203.0.113.1: "), "{error}");
    let wrong = RouteQuery::to(ip("10.9.1.1")).from_address(ip("fd00::1"));
    assert_eq!(handle.route_get(wrong).unwrap_err().kind(), ErrorKind::InvalidInput);
    Ok(())
}

fn encapsulations_come_back() -> Outcome {
    let (mut handle, link) = connected()?;
    let mut tunnel = IpEncap::new(ip("192.0.2.1"), 77);
    (tunnel.source, tunnel.ttl, tunnel.tos) = (Some(ip("10.0.0.1")), 9, 4);
    comes_back(&mut handle, &Route::to(net("10.9.0.0/16")).dev(link.index).encap(Encap::Ip(tunnel.clone())))?;
    let told = ip_json("-4 route show 10.9.0.0/16")?;
    assert_eq!((&told[0]["encap"], &told[0]["dst"]), (&"ip".into(), &"192.0.2.1".into()));
    assert_eq!((&told[0]["id"], &told[0]["ttl"]), (&77.into(), &9.into()));
    let mut tunnel6 = IpEncap::new(ip("2001:db8::1"), 78);
    tunnel6.source = Some(ip("fd00::1"));
    comes_back(&mut handle, &Route::to(net("10.10.0.0/16")).dev(link.index).encap(Encap::Ip(tunnel6)))?;
    let mut route = Route::to(net("10.11.0.0/16"));
    route.hops =
        vec![NextHop::by(link.index).encap(Encap::Ip(tunnel)), NextHop::via(ip("10.0.0.2")).dev(link.index)];
    comes_back(&mut handle, &route)?;
    let error =
        handle.add_route(&Route::to(net("10.12.0.0/16")).dev(link.index).encap(Encap::mpls([]))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);

    let labels = Encap::Mpls { labels: vec![100, 200], ttl: Some(12) };
    let route = Route::to(net("10.13.0.0/16")).via(ip("10.0.0.2")).dev(link.index).encap(labels);
    match handle.add_route(&route) {
        Ok(()) => handle.delete_route(&route)?,
        Err(error) if error.kind() == ErrorKind::Unsupported => {
            return Err(ignored("no MPLS encapsulation here"));
        }
        Err(error) => return Err(error.into()),
    }
    comes_back(&mut handle, &route)?;
    let told = ip_json("-4 route show 10.13.0.0/16")?;
    assert_eq!((&told[0]["encap"], &told[0]["dst"]), (&"mpls".into(), &"100/200".into()), "{told:?}");
    Ok(())
}

fn encapsulations_of_ipv6_come_back() -> Outcome {
    let (mut handle, link) = connected()?;
    let places = ["fc00::1".parse()?, "fc00::2".parse()?];
    for (number, mode) in [Seg6Mode::Encap, Seg6Mode::Inline, Seg6Mode::L2Encap].into_iter().enumerate() {
        let mut seg6 = Seg6::encap(places);
        seg6.mode = mode;
        let route =
            Route::to(net(&format!("fd{}::/64", 30 + number))).dev(link.index).encap(Encap::Seg6(seg6));
        comes_back(&mut handle, &route)?;
    }
    let told = ip_json("-6 route show fd30::/64")?;
    assert_eq!((&told[0]["encap"], &told[0]["mode"]), (&"seg6".into(), &"encap".into()));
    assert_eq!(told[0]["segs"], serde_json::json!(["fc00::1", "fc00::2"]), "{told:?}");
    let told = ip_json("-6 route show fd31::/64")?;
    assert_eq!(told[0]["mode"], "inline");

    let local = |action, change: fn(&mut Seg6Local)| {
        let mut local = Seg6Local::new(action);
        change(&mut local);
        Encap::Seg6Local(Box::new(local))
    };
    for (number, encap) in [
        local(Seg6Action::End, |_| {}),
        local(Seg6Action::EndX, |local| local.nh6 = Some("fd00::9".parse().unwrap())),
        local(Seg6Action::EndT, |local| local.table = Some(254)),
        local(Seg6Action::EndDx4, |local| local.nh4 = Some([10, 0, 0, 9].into())),
        local(Seg6Action::EndDt6, |local| local.table = Some(254)),
        local(Seg6Action::EndDx2, |local| local.output = Some(1)),
        local(Seg6Action::EndB6Encaps, |local| local.segments = vec!["fc00::7".parse().unwrap()]),
    ]
    .into_iter()
    .enumerate()
    {
        let route = Route::to(net(&format!("fd{}::/64", 40 + number))).dev(link.index).encap(encap);
        comes_back(&mut handle, &route)?;
    }
    let told = ip_json("-6 route show fd41::/64")?;
    assert_eq!((&told[0]["action"], &told[0]["nh6"]), (&"End.X".into(), &"fd00::9".into()), "{told:?}");
    Ok(())
}

fn a_source_route_of_rpl_comes_back() -> Outcome {
    let (mut handle, link) = connected()?;
    let encap = Encap::Rpl(vec!["fc00::1".parse()?, "fc00::2".parse()?]);
    let route = Route::to(net("fd50::/64")).dev(link.index).encap(encap);
    match handle.add_route(&route) {
        Ok(()) => handle.delete_route(&route)?,
        Err(error) if error.kind() == ErrorKind::Unsupported => {
            return Err(ignored("this kernel has no RPL"));
        }
        Err(error) => return Err(error.into()),
    }
    comes_back(&mut handle, &route)?;
    let told = ip_json("-6 route show fd50::/64")?;
    assert_eq!(told[0]["encap"], "rpl", "{told:?}");
    assert!(told[0].to_string().contains("fc00::1"), "{told:?}");
    Ok(())
}

fn the_number_of_an_xfrm_interface_comes_back() -> Outcome {
    let (mut handle, link) = connected()?;
    for (destination, below) in [("10.9.0.0/16", Some(link.index)), ("fd09::/64", None)] {
        let encap = Encap::Xfrm { if_id: 7, link: below };
        let route = Route::to(net(destination)).dev(link.index).encap(encap);
        match handle.add_route(&route) {
            Ok(()) => handle.delete_route(&route)?,
            Err(error) if error.kind() == ErrorKind::Unsupported => {
                return Err(ignored("this kernel has no xfrm interfaces"));
            }
            Err(error) => return Err(error.into()),
        }
        comes_back(&mut handle, &route)?;
    }
    Ok(())
}

/// Loads a program that does nothing, of a `BPF_PROG_TYPE_LWT_` type.
#[allow(unsafe_code, reason = "there is no safe call for it")]
fn program(kind: u32) -> Result<OwnedFd, Stop> {
    // r0 = 0; exit
    let code: [u8; 16] = [0xb7, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0];
    let mut attributes = [0_u64; 16];
    let words = [kind.to_ne_bytes(), 2_u32.to_ne_bytes()];
    attributes[0] = u64::from_ne_bytes(words.as_flattened().try_into().unwrap());
    attributes[1] = code.as_ptr() as u64;
    attributes[2] = c"GPL".as_ptr() as u64;
    // SAFETY: `attributes` is a `union bpf_attr`, and all it points to outlives the call.
    let loaded = unsafe { libc::syscall(libc::SYS_bpf, 5, attributes.as_ptr(), size_of_val(&attributes)) };
    if loaded < 0 {
        return Err(ignored(format!("no BPF programs here: {}", std::io::Error::last_os_error())));
    }
    // SAFETY: the kernel has just opened it for us.
    Ok(unsafe { OwnedFd::from_raw_fd(loaded as i32) })
}

fn programs_come_back_by_their_names() -> Outcome {
    let (mut handle, link) = connected()?;
    let encap = Encap::Bpf {
        input: Some(BpfProgram::new(program(10)?, "in")),
        output: Some(BpfProgram::new(program(11)?, "out")),
        xmit: Some(BpfProgram::new(program(12)?, "xmit")),
        headroom: None,
    };
    comes_back(&mut handle, &Route::to(net("10.9.0.0/16")).dev(link.index).encap(encap.clone()))?;
    comes_back(&mut handle, &Route::to(net("fd09::/64")).dev(link.index).encap(encap))?;
    let told = ip_json("-4 route show 10.9.0.0/16")?;
    assert_eq!(told[0]["encap"], "bpf", "{told:?}");
    assert!(told[0].to_string().contains("xmit"), "{told:?}");
    let mut local = Seg6Local::new(Seg6Action::EndBpf);
    local.program = Some(BpfProgram::new(program(19)?, "local"));
    let local = Encap::Seg6Local(Box::new(local));
    comes_back(&mut handle, &Route::to(net("fd10::/64")).dev(link.index).encap(local))?;

    // What was read has no descriptor, so that it can't be sent again.
    let read = to(&mut handle, "10.9.0.0/16")?.remove(0);
    assert_eq!(handle.replace_route(&read).unwrap_err().kind(), ErrorKind::InvalidInput);
    let none = Encap::Bpf { input: None, output: None, xmit: None, headroom: None };
    let route = Route::to(net("10.10.0.0/16")).dev(link.index).encap(none);
    assert_eq!(handle.add_route(&route).unwrap_err().kind(), ErrorKind::InvalidInput);
    Ok(())
}

fn labels_have_routes() -> Outcome {
    let (mut handle, link) = connected()?;
    if fs::write("/proc/sys/net/mpls/platform_labels", "1000").is_err() {
        return Err(ignored("this kernel has no routes of MPLS"));
    }
    let mut swap = MplsRoute::new(100, MplsHop::via(ip("10.0.0.2"), [200, 300]).dev(&link));
    (swap.ttl_propagate, swap.protocol) = (Some(false), Some(4));
    let mut pop = MplsRoute::new(101, MplsHop::via(ip("fd00::2"), []).dev(link.index));
    pop.protocol = Some(3);
    let mut shared = MplsRoute::new(102, MplsHop::via(ip("10.0.0.2"), [201]).dev(link.index));
    shared.hops.push(MplsHop::via(ip("10.0.0.3"), [202]).dev(link.index));
    shared.protocol = Some(3);
    for route in [&swap, &pop, &shared] {
        handle.add_mpls_route(route)?;
        assert_eq!(handle.add_mpls_route(route).unwrap_err().kind(), ErrorKind::AlreadyExists);
    }
    assert_eq!(handle.mpls_routes()?, [swap.clone(), pop.clone(), shared.clone()]);
    let told = ip_json("-f mpls route show")?;
    assert_eq!((&told[0]["dst"], &told[0]["via"]["host"]), (&"100".into(), &"10.0.0.2".into()), "{told:?}");
    assert_eq!(told[0]["to"], "200/300", "{told:?}");
    swap.hops[0].labels = vec![400];
    handle.replace_mpls_route(&swap)?;
    handle.delete_mpls_route(&shared)?;
    assert_eq!(handle.mpls_routes()?, [swap, pop]);
    let error = handle.add_mpls_route(&MplsRoute::new(5000, MplsHop::via(ip("10.0.0.2"), []))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    Ok(())
}

fn a_missing_mpls_is_told() -> Outcome {
    let (mut handle, link) = connected()?;
    if fs::exists("/proc/sys/net/mpls")? {
        return Err(ignored("this kernel has MPLS"));
    }
    assert_eq!(handle.mpls_routes()?, []);
    let route = MplsRoute::new(100, MplsHop::via(ip("10.0.0.2"), [200]).dev(link.index));
    let error = handle.add_mpls_route(&route).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().starts_with("add MPLS route 100 as to 200 via 10.0.0.2 dev "), "{error}");
    Ok(())
}

fn rules_come_back_with_all_they_have() -> Outcome {
    let (mut handle, _) = connected()?;
    let mut full = Rule::v4(RuleAction::Lookup(1000));
    full.priority = Some(100);
    (full.source, full.destination) = (Some(net("10.1.0.0/16")), Some(net("10.2.0.0/16")));
    (full.input, full.output) = (Some("v0".to_owned()), Some("absent".to_owned()));
    (full.tos, full.mark, full.mask) = (0x10, Some(5), Some(0xf));
    // An ordinary user's namespace may have no user but one.
    let known = fs::read_to_string("/proc/self/uid_map")?;
    let many = known.split_whitespace().nth(2).is_some_and(|count| count != "1");
    let uids = if many { 10..=20 } else { 0..=0 };
    (full.uids, full.ip_protocol) = (Some(uids.clone()), Some(6));
    (full.source_ports, full.destination_ports) = (Some(1000..=2000), Some(80..=80));
    (full.tunnel_id, full.realms) = (Some(9), Some(1 << 16 | 2));
    (full.suppress_prefix_len, full.suppress_group, full.protocol) = (Some(8), Some(3), Some(42));
    full.flags = RuleFlags::INVERT;
    let mut six = full.clone();
    (six.family, six.source, six.destination) = (Family::Ipv6, Some(net("fd01::/64")), None);
    six.realms = None;
    for rule in [&full, &six] {
        handle.add_rule(rule)?;
        let mut filter = RuleFilter::default();
        (filter.priority, filter.family) = (Some(100), Some(rule.family));
        let mut found = handle.list_rules(filter)?;
        found[0].flags &= !RuleFlags::OIF_DETACHED;
        assert_eq!(found, std::slice::from_ref(rule));
    }
    let told = ip_json("rule show priority 100")?;
    let told = &told[0];
    assert_eq!(
        (&told["src"], &told["srclen"], &told["dst"]),
        (&"10.1.0.0".into(), &16.into(), &"10.2.0.0".into())
    );
    assert_eq!((&told["iif"], &told["oif"], &told["tos"]), (&"v0".into(), &"absent".into(), &"0x10".into()));
    assert_eq!((&told["fwmark"], &told["fwmask"]), (&"0x5".into(), &"0xf".into()));
    assert_eq!(
        (&told["uid_start"], &told["uid_end"], &told["ipproto"]),
        (&(*uids.start()).into(), &(*uids.end()).into(), &"tcp".into())
    );
    assert_eq!(
        (&told["sport_start"], &told["sport_end"], &told["dport"]),
        (&1000.into(), &2000.into(), &80.into())
    );
    assert_eq!((&told["table"], &told["suppress_prefixlen"]), (&"1000".into(), &8.into()));
    assert!(told.get("not").is_some(), "{told}");
    Ok(())
}

fn rules_are_listed_and_deleted() -> Outcome {
    let (mut handle, _) = connected()?;
    let before = handle.rules()?;
    assert!(before.len() >= 5, "{before:?}");
    assert_eq!(before[0].action, RuleAction::Lookup(255));
    for (priority, action) in [
        (200, RuleAction::Lookup(7)),
        (201, RuleAction::Goto(32766)),
        (202, RuleAction::Nop),
        (203, RuleAction::Blackhole),
        (204, RuleAction::Unreachable),
        (205, RuleAction::Prohibit),
    ] {
        for mut rule in [Rule::v4(action), Rule::v6(action)] {
            (rule.priority, rule.protocol) = (Some(priority), Some(3));
            handle.add_rule(&rule)?;
            let error = handle.add_rule(&rule).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::AlreadyExists);
            assert!(error.to_string().contains("there is such a rule already"), "{error}");
            assert!(handle.rules()?.contains(&rule), "{rule:?} in {:?}", handle.rules()?);
        }
    }
    let mut l3mdev = Rule::v4(RuleAction::L3mdev);
    (l3mdev.priority, l3mdev.protocol) = (Some(300), Some(3));
    match handle.add_rule(&l3mdev) {
        Ok(()) => {
            assert!(handle.rules()?.contains(&l3mdev));
            handle.delete_rule(&l3mdev)?;
        }
        Err(error) => {
            assert!(matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::InvalidInput), "{error}");
        }
    }
    let mut marked = Rule::v4(RuleAction::Nop);
    (marked.priority, marked.dscp, marked.protocol) = (Some(301), Some(46), Some(3));
    handle.add_rule(&marked)?;
    let found = handle.rules()?.into_iter().find(|rule| rule.priority == Some(301)).unwrap();
    // Before Linux 6.12 the kernel doesn't know it.
    assert_eq!(found.dscp.unwrap_or(46), 46);
    handle.delete_rule(&found)?;
    let mut filter = RuleFilter::default();
    filter.table = Some(7);
    assert_eq!(handle.list_rules(filter)?.len(), 2);
    assert_eq!(handle.dump_rules(filter)?.count(), 2);
    for priority in 200..=205 {
        for mut rule in [Rule::v4(RuleAction::Other(0)), Rule::v6(RuleAction::Other(0))] {
            rule.priority = Some(priority);
            handle.delete_rule(&rule)?;
        }
    }
    assert_eq!(handle.rules()?, before);
    let mut none = Rule::v4(RuleAction::Other(0));
    none.priority = Some(200);
    let error = handle.delete_rule(&none).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("there is no such rule"), "{error}");
    Ok(())
}

fn rules_that_can_not_be_are_told() -> Outcome {
    let (mut handle, _) = connected()?;
    let mut rule = Rule::v4(RuleAction::Lookup(7));
    rule.source = Some(net("fd00::/64"));
    let error = handle.add_rule(&rule).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_eq!(error.raw_os_error(), None);
    let mut backwards = Rule::v4(RuleAction::Goto(1));
    backwards.priority = Some(5);
    assert_eq!(handle.add_rule(&backwards).unwrap_err().kind(), ErrorKind::InvalidInput);
    Ok(())
}

fn next_hops_come_back_and_routes_go_by_them() -> Outcome {
    let (mut handle, link) = connected()?;
    let chosen = handle.add_nexthop(&NexthopObject::via(ip("10.0.0.2"), &link))?;
    assert!(chosen > 0);
    let found = handle.nexthop(chosen)?;
    assert_eq!(
        (found.gateway, found.device, found.family),
        (Some(ip("10.0.0.2")), Some(link.index), Some(Family::Ipv4))
    );
    assert_eq!((found.protocol, found.scope), (Some(3), Some(Scope::Link)));

    let mut onlink = NexthopObject::via(ip("2001:db8::1"), link.index).id(20);
    (onlink.flags, onlink.protocol) = (RouteFlags::ONLINK, Some(42));
    onlink.encap = Some(Box::new(Encap::Seg6(Seg6::encap(["fc00::1".parse()?]))));
    let mut only_link = NexthopObject::default().id(21);
    (only_link.device, only_link.family) = (Some(link.index), Some(Family::Ipv6));
    let mut fdb = NexthopObject::default().id(22);
    (fdb.fdb, fdb.gateway) = (true, Some(ip("192.0.2.7")));
    for object in [onlink, only_link, NexthopObject::blackhole(Family::Ipv6).id(23), fdb] {
        assert_eq!(handle.add_nexthop(&object)?, object.id);
        let found = handle.nexthop(object.id)?;
        let mut expected = object.clone();
        (expected.scope, expected.protocol) = (found.scope, object.protocol.or(Some(3)));
        expected.family = expected.family.or(object.gateway.map(Family::of));
        assert_eq!(found, expected);
    }
    let nowhere = handle.add_route(&Route::to(net("10.9.0.0/16")).nexthop(0)).unwrap_err();
    assert!(nowhere.to_string().ends_with(": there is no next hop object 0"), "{nowhere}");
    assert_eq!(handle.delete_nexthop(0).unwrap_err().kind(), ErrorKind::InvalidInput);
    let told = ip_json("nexthop show id 20")?;
    assert_eq!(
        (&told[0]["gateway"], &told[0]["flags"][0]),
        (&"2001:db8::1".into(), &"onlink".into()),
        "{told:?}"
    );

    handle.add_route(&Route::to(net("10.9.0.0/16")).nexthop(chosen))?;
    let route = to(&mut handle, "10.9.0.0/16")?.remove(0);
    assert_eq!((route.nexthop_id, route.gateway), (Some(chosen), Some(ip("10.0.0.2"))));
    handle.replace_nexthop(&NexthopObject::via(ip("10.0.0.3"), link.index).id(chosen))?;
    let read = to(&mut handle, "10.9.0.0/16")?.remove(0);
    assert_eq!(read.gateway, Some(ip("10.0.0.3")));
    // What was read can be sent again.
    handle.delete_route(&read)?;
    handle.add_route(&read)?;
    assert_eq!(to(&mut handle, "10.9.0.0/16")?, [read]);
    let error = handle.add_nexthop(&NexthopObject::via(ip("10.0.0.4"), link.index).id(chosen)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    handle.delete_nexthop(chosen)?;
    assert_eq!(to(&mut handle, "10.9.0.0/16")?, []);
    let error = handle.delete_nexthop(chosen).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(handle.nexthop(chosen).unwrap_err().kind(), ErrorKind::NotFound);
    Ok(())
}

fn groups_of_next_hops_come_back() -> Outcome {
    let (mut handle, link) = connected()?;
    for id in 1..=3_u8 {
        handle.add_nexthop(&NexthopObject::via([10, 0, 0, id + 10].into(), link.index).id(id.into()))?;
    }
    let mut group = NexthopObject::group([1, 2]).id(9);
    group.members[1] = NexthopMember::new(2, 256);
    handle.add_nexthop(&group)?;
    let found = handle.nexthop(9)?;
    assert_eq!((&found.members, found.family, found.resilient), (&group.members, None, None));
    let told = ip_json("nexthop show id 9")?;
    assert_eq!((&told[0]["group"][0]["id"], &told[0]["group"][1]["weight"]), (&1.into(), &256.into()));
    group.members.push(NexthopMember::new(3, 1));
    handle.replace_nexthop(&group)?;
    assert_eq!(handle.nexthop(9)?.members, group.members);

    let mut filter = NexthopFilter::default();
    filter.groups = true;
    assert_eq!(handle.list_nexthops(filter)?.len(), 1);
    let mut filter = NexthopFilter::default();
    filter.device = Some(link.index);
    assert_eq!(handle.list_nexthops(filter)?.len(), 3);
    assert_eq!(handle.dump_nexthops(NexthopFilter::default())?.count(), 4);
    assert_eq!(handle.nexthops()?.len(), 4);
    let error = handle.add_nexthop(&NexthopObject::group([1, 77])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    Ok(())
}

fn resilient_groups_have_buckets() -> Outcome {
    let (mut handle, link) = connected()?;
    for id in 1..=2_u8 {
        handle.add_nexthop(&NexthopObject::via([10, 0, 0, id + 10].into(), link.index).id(id.into()))?;
    }
    let mut group = NexthopObject::group([1, 2]).id(9);
    let mut resilient = Resilient::default();
    resilient.buckets = Some(8);
    resilient.idle_timer = Some(Duration::from_secs(60));
    resilient.unbalanced_timer = Some(Duration::from_millis(120_500));
    group.resilient = Some(resilient);
    match handle.add_nexthop(&group) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::InvalidInput => {
            return Err(ignored("no resilient groups before 5.13"));
        }
        Err(error) => return Err(error.into()),
    }
    let mut found = handle.nexthop(9)?.resilient.unwrap();
    found.unbalanced = None;
    assert_eq!(found, resilient);
    let told = ip_json("nexthop show id 9")?;
    assert_eq!(
        (&told[0]["type"], &told[0]["resilient_args"]["buckets"]),
        (&"resilient".into(), &8.into()),
        "{told:?}"
    );
    let mut filter = NexthopBucketFilter::default();
    filter.group = Some(9);
    let buckets = handle.list_nexthop_buckets(filter)?;
    assert_eq!(buckets.iter().map(|bucket| bucket.index).collect::<Vec<_>>(), (0..8).collect::<Vec<_>>());
    filter.member = Some(1);
    assert_eq!(handle.list_nexthop_buckets(filter)?.len(), 4);
    filter.group = Some(77);
    assert_eq!(handle.list_nexthop_buckets(filter).unwrap_err().kind(), ErrorKind::NotFound);
    Ok(())
}

fn next_hops_are_flushed() -> Outcome {
    let (mut handle, link) = connected()?;
    for id in 1..=100_u8 {
        let mut object = NexthopObject::via([10, 0, 0, id + 10].into(), link.index).id(id.into());
        object.protocol = Some(if id % 2 == 0 { 42 } else { 43 });
        handle.add_nexthop(&object)?;
    }
    // It goes with its members.
    handle.add_nexthop(&NexthopObject::group([2, 4]).id(200))?;
    let mut filter = NexthopFilter::default();
    filter.protocol = Some(42);
    assert_eq!(handle.flush_nexthops(filter)?, 50);
    assert_eq!(handle.nexthops()?.len(), 50);
    assert_eq!(handle.flush_nexthops(NexthopFilter::default())?, 50);
    assert_eq!(handle.flush_nexthops(NexthopFilter::default())?, 0);
    Ok(())
}

fn batches_tell_what_failed() -> Outcome {
    let (mut handle, link) = connected()?;
    let mut rule = Rule::v4(RuleAction::Lookup(7));
    rule.priority = Some(70);
    let way = NexthopObject::via(ip("10.0.0.2"), link.index).id(5);
    let route = Route::to(net("10.9.0.0/16")).nexthop(5);
    let mut batch = handle.batch();
    batch.add_rule(&rule).add_rule(&rule).add_nexthop(&way).add_nexthop(&way);
    batch.add_route(&route).append_route(&Route::to(net("10.8.0.0/16")).dev(link.index));
    batch.change_route(&Route::to(net("10.7.0.0/16")).dev(link.index));
    batch.replace_nexthop(&way).delete_nexthop(6).delete_rule(&rule).delete_rule(&rule);
    let told: Vec<_> =
        batch.send().into_iter().map(|result| result.err().map(|error| error.to_string())).collect();
    let failed = |at: usize, begin: &str| {
        let said = told[at].as_deref().unwrap_or_default();
        assert!(said.starts_with(begin), "{said:?}");
    };
    failed(1, "add rule from all priority 70 lookup 7: there is such a rule already: ");
    failed(3, &format!("add next hop id 5 via 10.0.0.2 dev {}: ", link.index));
    failed(6, &format!("change route 10.7.0.0/16 dev {}: there is no such route: ", link.index));
    failed(8, "delete next hop 6: ");
    failed(10, "delete rule from all priority 70 lookup 7: there is no such rule: ");
    assert_eq!(told.iter().flatten().count(), 5, "{told:?}");
    Ok(())
}

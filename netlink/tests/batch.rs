//! Many changes at once: each one's result, in a network namespace of its own.

mod common;

use std::process::ExitCode;

use common::{connected, net};
use grounds::{Outcome, Stop, netns, tests};
use netlink::tc::TcHandle;
use netlink::{
    AnyLink, Bridge, ErrorKind, Handle, IpNet, LinkChange, Neighbour, Netns, Route, RouteFilter, Veth, kind,
};

fn main() -> ExitCode {
    grounds::run_as_root(tests![
        ten_thousand_routes_are_added_and_deleted,
        each_failure_is_told_in_its_place_and_stops_nothing,
        a_batch_in_which_all_fails_loses_no_answer,
        links_are_made_changed_and_deleted_in_one_batch,
        what_a_handle_does_with_links_a_batch_does_too,
        a_refusal_calls_the_link_as_it_was_called,
        a_namespace_may_be_closed_before_the_batch_is_sent,
        an_empty_batch_is_nothing,
        a_batch_that_is_dropped_is_not_made,
        a_handle_works_on_after_a_batch,
    ])
}

/// Routes to different networks of table 500.
fn routes(count: u32, device: u32) -> impl Iterator<Item = Route> {
    (0..count).map(move |number| {
        let address = std::net::Ipv4Addr::from(0x0b00_0000 + (number << 8));
        let mut route = Route::to(IpNet::new(address.into(), 24).unwrap()).dev(device);
        route.table = 500;
        route
    })
}

fn of_table_500(handle: &mut Handle) -> Result<usize, Stop> {
    let mut filter = RouteFilter::default();
    filter.table = Some(500);
    Ok(handle.list_routes(filter)?.len())
}

fn ten_thousand_routes_are_added_and_deleted() -> Outcome {
    let (mut handle, link) = connected()?;
    let mut batch = handle.batch();
    for route in routes(10_000, link.index) {
        batch.add_route(&route);
    }
    assert_eq!(batch.len(), 10_000);
    for result in batch.send() {
        result?;
    }
    assert_eq!(of_table_500(&mut handle)?, 10_000);
    let mut batch = handle.batch();
    for route in routes(10_000, link.index) {
        batch.delete_route(&route);
    }
    for result in batch.send() {
        result?;
    }
    assert_eq!(of_table_500(&mut handle)?, 0);
    Ok(())
}

fn each_failure_is_told_in_its_place_and_stops_nothing() -> Outcome {
    let (mut handle, link) = connected()?;
    let mut batch = handle.batch();
    batch.add_address("v0", &net("10.1.0.1/16").into());
    batch.add_address("v0", &net("10.1.0.1/16").into());
    batch.add_address("none", &net("10.1.0.1/16").into());
    batch.add_route(&Route::to(net("10.2.0.0/16")).via("10.0.0.9".parse()?));
    batch.add_route(&Route::to(net("10.3.0.0/16")).via("192.0.2.1".parse()?));
    batch.add_route(&Route::to(net("10.4.0.0/16")).via("10.0.0.9".parse()?).source("::1".parse()?));
    batch.delete_link("none");
    batch.delete_address("v0", &net("10.0.0.77/24").into());
    batch.add_route(&Route::to(net("10.5.0.0/16")).dev(link.index));
    let results = batch.send();
    let kinds: Vec<_> =
        results.iter().map(|result| result.as_ref().err().map(netlink::Error::kind)).collect();
    assert_eq!(
        kinds,
        [
            None,
            Some(ErrorKind::AlreadyExists),
            Some(ErrorKind::NotFound),
            None,
            Some(ErrorKind::Unreachable),
            Some(ErrorKind::InvalidInput),
            Some(ErrorKind::NotFound),
            Some(ErrorKind::NotFound),
            None,
        ]
    );
    let told = |at: usize| results[at].as_ref().unwrap_err().to_string();
    assert!(told(1).starts_with("add address 10.1.0.1/16 to link \"v0\": "), "{}", told(1));
    assert!(told(2).starts_with("add address 10.1.0.1/16 of link \"none\": "), "{}", told(2));
    assert!(told(4).starts_with("add route 10.3.0.0/16 via 192.0.2.1: "), "{}", told(4));
    assert!(told(6).starts_with("delete link \"none\": "), "{}", told(6));
    Ok(())
}

/// 256 answers fill the room that a socket has: whoever asked for more at once lost the rest.
fn a_batch_in_which_all_fails_loses_no_answer() -> Outcome {
    let (mut handle, link) = connected()?;
    let mut batch = handle.batch();
    for route in routes(2_000, link.index) {
        batch.delete_route(&route);
    }
    for result in batch.send() {
        assert_eq!(result.unwrap_err().kind(), ErrorKind::NotFound);
    }
    Ok(())
}

fn links_are_made_changed_and_deleted_in_one_batch() -> Outcome {
    netns()?;
    let mut handle = Handle::open()?;
    let mut batch = handle.batch();
    batch.add_link(&Bridge::new("br0").index(40));
    batch.change_link("br0", &LinkChange::new().up(true).group(7));
    batch.add_address(40, &net("10.0.0.1/24").into());
    batch.add_link(&AnyLink::new("br1", "bridge"));
    batch.delete_link("br1");
    for result in batch.send() {
        result?;
    }
    let bridge = handle.link("br0")?;
    assert_eq!((bridge.index, bridge.is_up(), bridge.group), (40, true, 7));
    assert!(handle.addresses()?.iter().any(|address| address.net == net("10.0.0.1/24")));
    assert_eq!(handle.find_link("br1")?, None);
    handle.delete_group(7)?;
    assert_eq!(handle.find_link("br0")?, None);
    handle.delete_group(7)?;
    assert_eq!(handle.delete_group(0).unwrap_err().kind(), ErrorKind::InvalidInput);
    Ok(())
}

fn what_a_handle_does_with_links_a_batch_does_too() -> Outcome {
    netns()?;
    let mut handle = Handle::open()?;
    let mut batch = handle.batch();
    batch.add_veth(&Veth::new("v0").index(50).peer("v1").peer_index(51));
    batch.add_link(&Bridge::new("br0").index(52));
    batch.set_mtu("v0", 1400).set_mac("v0", [2, 0, 0, 0, 0, 7]).set_master("v0", 52).set_up("v0");
    batch.set_up(51).set_down(51).rename(51, "other").add_altname(51, "alternative-name-of-other");
    for result in batch.send() {
        result?;
    }
    let link = handle.link("v0")?;
    assert_eq!((link.mtu, link.master, link.is_up()), (1400, Some(52), true));
    assert_eq!(link.mac, Some([2, 0, 0, 0, 0, 7].into()));
    let other = handle.link("other")?;
    assert_eq!((other.index, other.is_up()), (51, false));
    assert_eq!(other.altnames, ["alternative-name-of-other"]);

    let mut options = kind::Bridge::default();
    options.ageing_time = Some(6000);
    let mut batch = handle.batch();
    batch
        .change_kind("br0", &options)
        .clear_master("v0")
        .delete_altname("other", "alternative-name-of-other");
    batch.change_link("br0", &LinkChange::new().group(9)).delete_group(9);
    batch.set_up("other").add_address("v0", &net("10.0.0.1/24").into());
    batch.add_default_gateway("10.0.0.9".parse()?, "v0");
    for result in batch.send() {
        result?;
    }
    assert_eq!(handle.link("v0")?.master, None);
    assert!(handle.link("other")?.altnames.is_empty());
    assert_eq!(handle.find_link("br0")?, None);
    assert!(handle.routes()?.iter().any(Route::is_default));
    Ok(())
}

/// It was called by its index, which is all that is in the request.
fn a_refusal_calls_the_link_as_it_was_called() -> Outcome {
    let (mut handle, link) = connected()?;
    let mut batch = handle.batch();
    batch.set_mtu("v0", 10).set_mtu(&link, 10).set_mtu(link.index, 10);
    batch.set_master("v1", "v0");
    batch.rename("v1", "v0").delete_altname("v1", "none");
    batch.delete_neighbour("v1", &Neighbour::new("10.0.0.7".parse()?));
    batch.delete_qdisc("v1", TcHandle::new(7, 0));
    batch.set_down("none").set_netns_pid("v1", u32::MAX);
    batch.delete_group(0).delete_group(77);
    let told: Vec<_> = batch.send().into_iter().map(|result| result.unwrap_err().to_string()).collect();
    let by_index = format!("set MTU of link {} to 10: ", link.index);
    for (told, begin) in told.iter().zip([
        // All three are of one link, which goes by the name that was given.
        "set MTU of link \"v0\" to 10: ",
        "set MTU of link \"v0\" to 10: ",
        "set MTU of link \"v0\" to 10: ",
        "make link \"v1\" a port of link \"v0\": ",
        "rename link \"v1\" to \"v0\": the name is taken",
        "change names of link \"v1\": ",
        "delete neighbour 10.0.0.7 on link \"v1\": ",
        "delete qdisc 7: of link \"v1\": ",
        "set link \"none\" down: there is no such link",
        "move link \"v1\" to the network namespace of process 4294967295: ",
        "delete the links of group 0: every link is in group 0",
        "delete the links of group 77: ",
    ]) {
        assert!(told.starts_with(begin), "{told}");
    }
    assert_eq!(told.len(), 12);
    let alone = handle.batch().set_mtu(link.index, 10).send().remove(0).unwrap_err();
    assert!(alone.to_string().starts_with(&by_index), "{alone}");
    Ok(())
}

/// The request has its number, which was another file's by then, or nobody's.
fn a_namespace_may_be_closed_before_the_batch_is_sent() -> Outcome {
    netns()?;
    let mut handle = Handle::open()?;
    let netns = Netns::create()?;
    let mut inside = Handle::open_in(&netns)?;
    let mut batch = handle.batch();
    batch.add_veth(&Veth::new("v0").peer("inside").peer_netns_fd(&netns));
    batch.add_link(&Bridge::new("br0").netns_fd(&netns));
    batch.add_veth(&Veth::new("v2").peer("v3"));
    batch.set_netns_fd("v2", &netns);
    drop(netns);
    for result in batch.send() {
        result?;
    }
    for name in ["inside", "br0", "v2"] {
        inside.link(name)?;
    }
    // However many requests name it, the batch keeps it once, and not longer than that.
    let open = || std::fs::read_dir("/proc/self/fd").map(Iterator::count);
    let before = open()?;
    let netns = Netns::create()?;
    let mut batch = handle.batch();
    for _ in 0..100 {
        batch.set_netns_fd("none", &netns);
    }
    batch.set_netns_fd("v0", &netns);
    assert_eq!(open()?, before + 2);
    drop(netns);
    batch.send().pop().unwrap()?;
    assert_eq!(open()?, before);
    Ok(())
}

fn an_empty_batch_is_nothing() -> Outcome {
    netns()?;
    let mut handle = Handle::open()?;
    assert!(handle.batch().is_empty());
    assert!(handle.batch().send().is_empty());
    let mut batch = handle.batch();
    batch.add_route(&Route::to(net("10.4.0.0/16")).source("::1".parse()?));
    assert_eq!(batch.send().len(), 1);
    Ok(())
}

fn a_batch_that_is_dropped_is_not_made() -> Outcome {
    let (mut handle, link) = connected()?;
    handle.batch().add_route(&Route::to(net("10.5.0.0/16")).dev(link.index));
    assert!(handle.routes()?.iter().all(|route| route.destination != net("10.5.0.0/16")));
    Ok(())
}

fn a_handle_works_on_after_a_batch() -> Outcome {
    let (mut handle, link) = connected()?;
    for _ in 0..3 {
        let mut batch = handle.batch();
        for route in routes(100, link.index) {
            batch.replace_route(&route);
        }
        assert!(batch.send().iter().all(Result::is_ok));
        assert_eq!(of_table_500(&mut handle)?, 100);
        assert_eq!(handle.link("v0")?.index, link.index);
    }
    Ok(())
}

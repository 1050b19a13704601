//! Many changes at once: each one's result, in a network namespace of its own.

use std::process::ExitCode;

use grounds::{Outcome, Stop, netns, tests};
use netlink::{AnyLink, Bridge, ErrorKind, Handle, IpNet, Link, LinkChange, Route, RouteFilter, Veth};

fn main() -> ExitCode {
    grounds::run_as_root(tests![
        ten_thousand_routes_are_added_and_deleted,
        each_failure_is_told_in_its_place_and_stops_nothing,
        a_batch_in_which_all_fails_loses_no_answer,
        links_are_made_changed_and_deleted_in_one_batch,
        an_empty_batch_is_nothing,
        a_batch_that_is_dropped_is_not_made,
        a_handle_works_on_after_a_batch,
    ])
}

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn connected() -> Result<(Handle, Link), Stop> {
    netns()?;
    let mut handle = Handle::open()?;
    handle.add_veth(&Veth::new("v0").peer("v1"))?;
    handle.add_address("v0", &net("10.0.0.1/24").into())?;
    handle.set_up("v0")?;
    handle.set_up("v1")?;
    let link = handle.link("v0")?;
    Ok((handle, link))
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
    assert!(told(1).starts_with(&format!("add address 10.1.0.1/16 to link {}: ", link.index)), "{}", told(1));
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

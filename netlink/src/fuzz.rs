//! The door of `tests/fuzz` to the decoders, which are private. Compiled for it only.
#![allow(missing_docs)]

use crate::wire::numbers::{RTM_GETLINK, RTM_NEWADDR, RTM_NEWLINK, RTM_NEWROUTE};
use crate::wire::reply::{Answer, Reply, Step};
use crate::wire::{self, Request, message::HEADER};
use crate::{Address, IpNet, Link, LinkFlags, Result, Route};

pub fn link(payload: &[u8]) -> Option<Link> {
    wire::link::read(payload)
}

pub fn address(payload: &[u8]) -> Option<Address> {
    wire::address::read(payload)
}

pub fn route(payload: &[u8]) -> Option<Route> {
    wire::route::read(payload)
}

/// Reads rules, neighbours, next hop objects and what bridges know, and tells how many there are.
pub fn tables(payload: &[u8]) -> usize {
    use crate::bridge::PortVlans;
    let one = [
        wire::rule::read(payload).map(|rule| rule.to_string()),
        wire::neighbour::read(payload).map(|neighbour| neighbour.to_string()),
        wire::neighbour::read_fdb(payload).map(|entry| entry.to_string()),
        crate::NexthopObject::read(payload).map(|nexthop| nexthop.to_string()),
        crate::NexthopBucket::read(payload).map(|bucket| bucket.member.to_string()),
        crate::NeighbourTable::read(payload).map(|table| table.name),
        crate::MplsRoute::read(payload).map(|route| route.to_string()),
    ];
    let vlans = PortVlans::read(payload).map_or(0, |port| port.vlans.len() + port.tunnels.len());
    let groups = crate::MdbEntry::read_all(payload).len();
    let networks = crate::VniEntry::read_all(payload).len() + crate::VlanOptions::read_all(payload).len();
    one.iter().flatten().count().min(payload.len()) + (vlans + groups + networks) / 8
}

pub fn write_address(index: u32, net: IpNet) -> Vec<u8> {
    payload(|request| wire::address::write(request, RTM_NEWADDR, 0, index, &net.into()))
}

pub fn write_route(route: &Route) -> Vec<u8> {
    payload(|request| wire::route::write(request, RTM_NEWROUTE, 0, route))
}

/// Reads a message as an event, a socket of any protocol and a family: whether it was told as one of our types.
pub fn told(kind: u16, payload: &[u8]) -> bool {
    let message = crate::raw::Message { kind, flags: 0, sequence: 0, payload };
    let _ = crate::diag::fuzz(&message);
    let _ = crate::generic::fuzz(&message);
    !matches!(crate::Object::read(&message), crate::Object::Raw(_))
}

fn payload(write: impl FnOnce(&mut Request)) -> Vec<u8> {
    let mut request = Request::default();
    write(&mut request);
    request.sent()[HEADER..].to_vec()
}

/// Reads one datagram as the answer to a request: how many objects it has, and whether it ends the answer.
pub fn answer(choice: u8, datagram: &[u8]) -> Result<(usize, bool)> {
    let header = wire::link::header(0, LinkFlags::UP, LinkFlags::UP);
    let (kind, answer) = match choice % 3 {
        0 => (RTM_NEWLINK, Answer::Acknowledgement),
        1 => (RTM_GETLINK, Answer::Object),
        _ => (RTM_GETLINK, Answer::Dump),
    };
    let mut request = Request::new(kind, 0, &header);
    request.text(wire::numbers::IFLA_IFNAME, "v0");
    request.nest(wire::numbers::IFLA_LINKINFO, |request| {
        request.text(wire::numbers::IFLA_INFO_KIND, "veth");
    });
    let mut objects = 0;
    let mut reply = Reply::new(wire::protocol::Protocol::Route, kind, 7, answer);
    loop {
        match reply.step(datagram, request.sent()).map_err(|failure| failure.when("list links", &[]))? {
            Step::Object(_) => objects += 1,
            Step::More => return Ok((objects, false)),
            Step::End => return Ok((objects, true)),
        }
    }
}

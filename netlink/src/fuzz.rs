//! The door of `tests/fuzz` to the decoders, which are private. Compiled for it only.
#![allow(missing_docs)]

use crate::wire::numbers::{RTM_GETLINK, RTM_NEWADDR, RTM_NEWLINK, RTM_NEWROUTE};
use crate::wire::reply::{Answer, Reply};
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

pub fn write_address(index: u32, net: IpNet) -> Vec<u8> {
    wire::address::request(RTM_NEWADDR, 0, index, net).sent()[HEADER..].to_vec()
}

pub fn write_route(route: &Route) -> Vec<u8> {
    wire::route::request(RTM_NEWROUTE, 0, route).sent()[HEADER..].to_vec()
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
    let mut reply = Reply::new(&request, 7, answer);
    let complete = reply.take(datagram, &mut |_| objects += 1);
    complete.map(|complete| (objects, complete)).map_err(|failure| failure.when("list links", &[]))
}

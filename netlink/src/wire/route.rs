//! A route's message: `struct rtmsg` and attributes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::address::family;
use super::attribute::{Attribute, Attributes, ip};
use super::numbers::{
    AF_INET, AF_INET6, RT_TABLE_COMPAT, RTA_DST, RTA_GATEWAY, RTA_MULTIPATH, RTA_OIF, RTA_PREFSRC,
    RTA_PRIORITY, RTA_TABLE, RTA_VIA, RTM_DELROUTE, RTM_F_CLONED, RTPROT_BOOT,
};
use super::{Request, aligned, u16_at, u32_at};
use crate::address::Scope;
use crate::ip_net::IpNet;
use crate::route::{NextHop, Route, RouteKind};

const HEADER: usize = 12;

/// `struct rtmsg` that asks for the routes of one family and table.
pub(crate) fn list_header(family: u8, table: u8) -> [u8; HEADER] {
    [family, 0, 0, 0, table, 0, 0, 0, 0, 0, 0, 0]
}

/// Writes a request about one route.
pub(crate) fn request(kind: u16, flags: u16, route: &Route) -> Request {
    let destination = route.destination.network();
    // To delete, what was not given matches anything: scope "nowhere", protocol 0.
    let deleting = kind == RTM_DELROUTE;
    let scope = route.scope.unwrap_or(if deleting { Scope::Nowhere } else { usual_scope(route) });
    let protocol = route.protocol.unwrap_or(if deleting { 0 } else { RTPROT_BOOT });
    let header = [
        family(destination.address()),
        destination.prefix_len(),
        0,
        0,
        u8::try_from(route.table).unwrap_or(RT_TABLE_COMPAT),
        protocol,
        scope.to_kernel(),
        route.kind.to_kernel(),
        0,
        0,
        0,
        0,
    ];
    let mut request = Request::new(kind, flags, &header);
    if destination.prefix_len() > 0 {
        request.ip(RTA_DST, destination.address());
    }
    if u8::try_from(route.table).is_err() {
        request.u32(RTA_TABLE, route.table);
    }
    if let Some(source) = route.source {
        request.ip(RTA_PREFSRC, source);
    }
    if let Some(metric) = route.metric {
        request.u32(RTA_PRIORITY, metric);
    }
    write_gateway(&mut request, destination.address(), route.gateway);
    if let Some(device) = route.device {
        request.u32(RTA_OIF, device);
    }
    if !route.hops.is_empty() {
        request.nest(RTA_MULTIPATH, |request| {
            for hop in &route.hops {
                write_hop(request, destination.address(), hop);
            }
        });
    }
    request
}

/// The scope that ip-route(8) picks: a route without a gateway reaches its own link only, which
/// is what lets the gateways of other routes be found through it.
fn usual_scope(route: &Route) -> Scope {
    let has_gateway = route.gateway.is_some() || route.hops.iter().any(|hop| hop.gateway.is_some());
    match route.kind {
        RouteKind::Local => Scope::Host,
        RouteKind::Unicast if route.destination.address().is_ipv4() && !has_gateway => Scope::Link,
        _ => Scope::Universe,
    }
}

fn write_gateway(request: &mut Request, destination: IpAddr, gateway: Option<IpAddr>) {
    match (destination, gateway) {
        (_, None) => {}
        // IPv4 by an IPv6 neighbour (RFC 5549).
        (IpAddr::V4(_), Some(IpAddr::V6(gateway))) => {
            let via = [&u16::from(AF_INET6).to_ne_bytes()[..], &gateway.octets()].concat();
            request.bytes(RTA_VIA, &via);
        }
        (_, Some(gateway)) => request.ip(RTA_GATEWAY, gateway),
    }
}

/// Writes `struct rtnexthop` and its attributes.
fn write_hop(request: &mut Request, destination: IpAddr, hop: &NextHop) {
    request.counted(RTA_MULTIPATH, |request| {
        // The kernel counts weights from zero.
        request.header(&[0, hop.weight.saturating_sub(1)]);
        request.header(&hop.device.unwrap_or_default().to_ne_bytes());
        write_gateway(request, destination, hop.gateway);
    });
}

/// Reads a route; `None` where it is a cached clone, or neither IPv4 nor IPv6.
pub(crate) fn read(payload: &[u8]) -> Option<Route> {
    let header: &[u8; HEADER] = payload.first_chunk()?;
    let any = match header[0] {
        AF_INET => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        AF_INET6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        _ => return None,
    };
    if u32_at(header, 8)? & RTM_F_CLONED != 0 {
        return None;
    }
    let mut route = Route::to(IpNet::new(any, 0).ok()?);
    route.table = u32::from(header[4]);
    route.protocol = Some(header[5]);
    route.scope = Some(Scope::from_kernel(header[6]));
    route.kind = RouteKind::from_kernel(header[7]);
    for attribute in Attributes::after(HEADER, payload) {
        match attribute.kind {
            RTA_DST => {
                let address = attribute.ip().filter(|address| family(*address) == header[0])?;
                route.destination = IpNet::new(address, header[1]).ok()?;
            }
            RTA_GATEWAY => route.gateway = attribute.ip(),
            RTA_VIA => route.gateway = via(attribute),
            RTA_OIF => route.device = attribute.u32(),
            RTA_PREFSRC => route.source = attribute.ip(),
            RTA_PRIORITY => route.metric = attribute.u32(),
            RTA_TABLE => route.table = attribute.u32().unwrap_or(route.table),
            RTA_MULTIPATH => route.hops = read_hops(attribute.payload),
            _ => {}
        }
    }
    Some(route)
}

fn via(attribute: Attribute<'_>) -> Option<IpAddr> {
    ip(attribute.payload.get(2..)?)
}

fn read_hops(mut rest: &[u8]) -> Vec<NextHop> {
    let mut hops = Vec::new();
    while let Some(hop) = u16_at(rest, 0).and_then(|length| rest.get(..usize::from(length))) {
        let (Some(&weight), Some(device)) = (hop.get(3), u32_at(hop, 4)) else { break };
        let gateway = Attributes::after(8, hop).find_map(|attribute| match attribute.kind {
            RTA_GATEWAY => attribute.ip(),
            RTA_VIA => via(attribute),
            _ => None,
        });
        let device = Some(device).filter(|device| *device != 0);
        hops.push(NextHop { gateway, device, weight: weight.saturating_add(1) });
        rest = rest.get(aligned(hop.len())..).unwrap_or_default();
    }
    hops
}

#[cfg(test)]
mod tests {
    use super::super::numbers::RTM_NEWROUTE;
    use super::*;

    fn net(text: &str) -> IpNet {
        text.parse().unwrap()
    }

    fn written_and_read(route: &Route) -> Route {
        read(&request(RTM_NEWROUTE, 0, route).sent()[16..]).unwrap()
    }

    #[test]
    fn a_written_route_is_read_back() {
        let mut wide = Route::to(net("2001:db8::/32")).via("fe80::1".parse().unwrap()).dev(3).metric(20);
        wide.table = 1000;
        let mut many = Route::to(net("10.9.0.0/16"));
        many.hops = vec![
            NextHop { gateway: Some("10.0.0.1".parse().unwrap()), device: Some(2), weight: 1 },
            NextHop { gateway: Some("fe80::2".parse().unwrap()), device: Some(3), weight: 7 },
        ];
        for mut route in [
            Route::default_via("10.0.0.1".parse().unwrap()),
            Route::to(net("10.1.0.0/16")).dev(2).source("10.1.0.9".parse().unwrap()),
            Route::to(net("10.1.0.0/16")).via("fe80::1".parse().unwrap()).dev(4),
            wide,
            many,
        ] {
            let read = written_and_read(&route);
            route.scope = Some(usual_scope(&route));
            route.protocol = Some(RTPROT_BOOT);
            assert_eq!(read, route);
        }
    }

    /// 2014's AddRoute sent `10.6.0.1/16` as it was, which the kernel refuses.
    #[test]
    fn host_bits_of_a_destination_are_masked() {
        let read = written_and_read(&Route::to(net("10.6.0.1/16")).dev(1));
        assert_eq!(read.destination, net("10.6.0.0/16"));
    }

    #[test]
    fn deleting_matches_any_scope_and_protocol_not_given() {
        let request = request(RTM_DELROUTE, 0, &Route::to(net("10.6.0.0/16")).dev(1));
        assert_eq!((request.sent()[16 + 5], request.sent()[16 + 6]), (0, 255));
    }

    #[test]
    fn bytes_of_no_sense_are_no_route_and_no_panic() {
        assert_eq!(read(&[2; 11]), None);
        assert_eq!(read(&[28; 12]), None); // MPLS
        // Found by fuzzing: an IPv4 destination in an IPv6 route.
        assert_eq!(read(&[&[AF_INET6, 8][..], &[0; 10], &[8, 0, 1, 0, 10, 0, 0, 0]].concat()), None);
        assert_eq!(read_hops(&[0; 20]), []);
        assert_eq!(read_hops(&[7, 0, 0, 0, 1, 0, 0, 0]), []);
        assert_eq!(read_hops(&[200, 0, 0, 0, 1, 0, 0, 0]), []);
    }
}

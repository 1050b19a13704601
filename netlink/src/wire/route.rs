//! A route's message: `struct rtmsg` and attributes.

use std::net::{IpAddr, Ipv6Addr};

use super::address::family;
use super::attribute::{Attribute, Attributes, ip};
use super::numbers::{
    AF_INET, AF_INET6, RT_TABLE_COMPAT, RTA_CACHEINFO, RTA_DST, RTA_ENCAP, RTA_ENCAP_TYPE, RTA_EXPIRES,
    RTA_FLOW, RTA_GATEWAY, RTA_IIF, RTA_METRICS, RTA_MULTIPATH, RTA_NH_ID, RTA_OIF, RTA_PREF, RTA_PREFSRC,
    RTA_PRIORITY, RTA_SRC, RTA_TABLE, RTA_VIA, RTM_DELROUTE, RTM_F_CLONED, RTM_GETROUTE, RTPROT_BOOT,
    USER_HZ,
};
use super::{Request, aligned, u16_at, u32_at};
use crate::Family;
use crate::address::Scope;
use crate::ip_net::IpNet;
use crate::route::{
    Encap, NextHop, Route, RouteFilter, RouteFlags, RouteKind, RouteMetrics, RouterPreference, write_via,
};

const HEADER: usize = 12;

/// Asks for routes: the kernel knows all that a filter can say.
pub(crate) fn write_list(request: &mut Request, filter: RouteFilter) {
    let family = Family::or_any(filter.family);
    // In the header, table 0 is any, and so are protocol 0 and kind 0.
    let table = filter.table.map_or(0, |table| u8::try_from(table).unwrap_or(RT_TABLE_COMPAT));
    let kind = filter.kind.map_or(0, RouteKind::to_kernel);
    let protocol = filter.protocol.unwrap_or_default();
    request.begin(RTM_GETROUTE, 0, &[family, 0, 0, 0, table, protocol, 0, kind, 0, 0, 0, 0]);
    if let Some(table) = filter.table.filter(|table| u8::try_from(*table).is_err()) {
        request.u32(RTA_TABLE, table);
    }
    if let Some(device) = filter.device {
        request.u32(RTA_OIF, device);
    }
}

/// Writes a request about one route.
pub(crate) fn write(request: &mut Request, kind: u16, flags: u16, route: &Route) {
    let destination = route.destination.network();
    // To delete, what was not given matches anything: scope "nowhere", protocol 0.
    let deleting = kind == RTM_DELROUTE;
    let scope = route.scope.unwrap_or(if deleting { Scope::Nowhere } else { usual_scope(route) });
    let protocol = route.protocol.unwrap_or(if deleting { 0 } else { RTPROT_BOOT });
    let mut header = [
        family(destination.address()),
        destination.prefix_len(),
        route.from.map_or(0, |from| from.prefix_len()),
        route.tos,
        u8::try_from(route.table).unwrap_or(RT_TABLE_COMPAT),
        protocol,
        scope.to_kernel(),
        route.kind.to_kernel(),
        0,
        0,
        0,
        0,
    ];
    header[8..].copy_from_slice(&route.flags.to_send().bits().to_ne_bytes());
    request.begin(kind, flags, &header);
    if destination.prefix_len() > 0 {
        request.ip(RTA_DST, destination.address());
    }
    if u8::try_from(route.table).is_err() {
        request.u32(RTA_TABLE, route.table);
    }
    write_some!(
        request,
        ip RTA_SRC route.from.map(|from| from.network().address()),
        ip RTA_PREFSRC route.source,
        u32 RTA_PRIORITY route.metric,
    );
    match route.nexthop_id {
        // The object says where it goes; a route that was read tells both, and the kernel takes one.
        Some(id) => request.u32(RTA_NH_ID, id),
        None => write_ways(request, destination.address(), route),
    }
    write_some!(
        request,
        u32 RTA_FLOW route.realms,
        u32 RTA_EXPIRES route.expires,
        u8 RTA_PREF route.preference.map(RouterPreference::to_kernel),
    );
    if let Some(metrics) = &route.metrics {
        request.nest_unless_empty(RTA_METRICS, |request| metrics.write(request));
    }
}

/// Writes where it goes, and in what its packets are wrapped.
fn write_ways(request: &mut Request, destination: IpAddr, route: &Route) {
    write_gateway(request, destination, route.gateway);
    write_some!(request, u32 RTA_OIF route.device);
    if let Some(encap) = &route.encap {
        encap.write(request, RTA_ENCAP_TYPE, RTA_ENCAP);
    }
    if !route.hops.is_empty() {
        request.nest(RTA_MULTIPATH, |request| {
            for hop in &route.hops {
                write_hop(request, destination, hop);
            }
        });
    }
}

/// The scope that ip-route(8) picks: a route without a gateway reaches its own link only, which
/// is what lets the gateways of other routes be found through it.
fn usual_scope(route: &Route) -> Scope {
    let has_gateway = route.gateway.is_some() || route.hops.iter().any(|hop| hop.gateway.is_some());
    match route.kind {
        RouteKind::Local => Scope::Host,
        // The object's own scope counts.
        RouteKind::Unicast if route.nexthop_id.is_some() => Scope::Universe,
        RouteKind::Unicast if route.destination.address().is_ipv4() && !has_gateway => Scope::Link,
        _ => Scope::Universe,
    }
}

fn write_gateway(request: &mut Request, destination: IpAddr, gateway: Option<IpAddr>) {
    match (destination, gateway) {
        (_, None) => {}
        // IPv4 by an IPv6 neighbour (RFC 5549).
        (IpAddr::V4(_), Some(IpAddr::V6(gateway))) => {
            write_via(request, gateway.into());
        }
        (_, Some(gateway)) => request.ip(RTA_GATEWAY, gateway),
    }
}

/// Writes `struct rtnexthop` and its attributes.
fn write_hop(request: &mut Request, destination: IpAddr, hop: &NextHop) {
    request.counted(RTA_MULTIPATH, |request| {
        // The kernel counts weights from zero.
        let weight = u8::try_from(hop.weight.saturating_sub(1)).unwrap_or(u8::MAX);
        request.header(&[hop.flags.to_send().bits() as u8, weight]);
        request.header(&hop.device.unwrap_or_default().to_ne_bytes());
        write_gateway(request, destination, hop.gateway);
        write_some!(request, u32 RTA_FLOW hop.realms);
        if let Some(encap) = &hop.encap {
            encap.write(request, RTA_ENCAP_TYPE, RTA_ENCAP);
        }
    });
}

/// Reads a route of a table; `None` where it is a cached clone, or neither IPv4 nor IPv6.
pub(crate) fn read(payload: &[u8]) -> Option<Route> {
    header_of_table(payload)?;
    read_any(payload)
}

/// Reads a route; `None` where it is neither IPv4 nor IPv6.
pub(crate) fn read_any(payload: &[u8]) -> Option<Route> {
    let header = payload.first_chunk()?;
    let mut route = begun(header)?;
    read_all(&mut route, header, payload)?;
    Some(route)
}

/// The header of a route of a table, which is no cached clone.
#[inline]
pub(crate) fn header_of_table(payload: &[u8]) -> Option<&[u8; HEADER]> {
    payload.first_chunk().filter(|header| u32_at(*header, 8).is_some_and(|flags| flags & RTM_F_CLONED == 0))
}

/// What the header says of a route to everywhere.
#[inline]
pub(crate) fn begun(header: &[u8; HEADER]) -> Option<Route> {
    let destination = match header[0] {
        AF_INET => IpNet::ANY_V4,
        AF_INET6 => IpNet::read(Ipv6Addr::UNSPECIFIED.into(), 0)?,
        _ => return None,
    };
    Some(Route {
        destination,
        tos: header[3],
        table: u32::from(header[4]),
        protocol: Some(header[5]),
        scope: Some(Scope::from_kernel(header[6])),
        kind: RouteKind::from_kernel(header[7]),
        flags: RouteFlags::from_bits_retain(u32_at(header, 8)?),
        ..Route::any()
    })
}

/// Reads what the header doesn't say.
#[inline]
pub(crate) fn read_all(route: &mut Route, header: &[u8; HEADER], payload: &[u8]) -> Option<()> {
    let mut encap = ReadEncap::default();
    let of_family = |attribute: Attribute<'_>| attribute.ip().filter(|address| family(*address) == header[0]);
    for attribute in Attributes::after(HEADER, payload) {
        match attribute.kind {
            RTA_DST => route.destination = IpNet::read(of_family(attribute)?, header[1])?,
            RTA_GATEWAY => route.gateway = attribute.ip(),
            RTA_VIA => route.gateway = via(attribute.payload),
            RTA_OIF => route.device = attribute.u32(),
            RTA_PREFSRC => route.source = attribute.ip(),
            RTA_PRIORITY => route.metric = attribute.u32(),
            RTA_TABLE => route.table = attribute.u32().unwrap_or(route.table),
            RTA_MULTIPATH => route.hops = read_hops(attribute.payload),
            RTA_NH_ID => route.nexthop_id = attribute.u32(),
            RTA_SRC => route.from = of_family(attribute).and_then(|from| IpNet::read(from, header[2])),
            RTA_IIF => route.input = attribute.u32(),
            RTA_FLOW => route.realms = attribute.u32(),
            RTA_PREF => route.preference = attribute.u8().and_then(RouterPreference::from_kernel),
            RTA_CACHEINFO => route.expires = expires(attribute.payload),
            RTA_METRICS => route.metrics = Some(Box::new(RouteMetrics::read(attribute.payload))),
            _ => encap.read(attribute),
        }
    }
    route.encap = encap.encap();
    Some(())
}

/// What packets are wrapped into: two attributes, in either order.
#[derive(Default)]
pub(crate) struct ReadEncap<'a> {
    kind: Option<u16>,
    attributes: Option<&'a [u8]>,
}

impl<'a> ReadEncap<'a> {
    #[inline]
    pub(crate) fn read(&mut self, attribute: Attribute<'a>) {
        match attribute.kind {
            RTA_ENCAP_TYPE => self.kind = attribute.u16(),
            RTA_ENCAP => self.attributes = Some(attribute.payload),
            _ => {}
        }
    }

    #[inline]
    pub(crate) fn encap(self) -> Option<Box<Encap>> {
        Some(Box::new(Encap::read(self.kind.filter(|kind| *kind != 0)?, self.attributes?)))
    }
}

fn via(via: &[u8]) -> Option<IpAddr> {
    ip(via.get(2..)?)
}

/// The seconds that are left, of `struct rta_cacheinfo`.
fn expires(cacheinfo: &[u8]) -> Option<u32> {
    let ticks = u32_at(cacheinfo, 8)? as i32;
    u32::try_from(ticks).ok().filter(|ticks| *ticks != 0).map(|ticks| ticks / USER_HZ as u32)
}

fn read_hops(mut rest: &[u8]) -> Vec<NextHop> {
    let mut hops = Vec::new();
    while let Some(bytes) = u16_at(rest, 0).and_then(|length| rest.get(..usize::from(length))) {
        let (Some(&flags), Some(&weight), Some(device)) = (bytes.get(2), bytes.get(3), u32_at(bytes, 4))
        else {
            break;
        };
        let mut hop = NextHop::any();
        hop.device = Some(device).filter(|device| *device != 0);
        hop.flags = RouteFlags::from_bits_retain(flags.into());
        hop.weight = u16::from(weight) + 1;
        let mut encap = ReadEncap::default();
        for attribute in Attributes::after(8, bytes) {
            match attribute.kind {
                RTA_GATEWAY => hop.gateway = attribute.ip(),
                RTA_VIA => hop.gateway = via(attribute.payload),
                RTA_FLOW => hop.realms = attribute.u32(),
                _ => encap.read(attribute),
            }
        }
        hop.encap = encap.encap();
        hops.push(hop);
        rest = rest.get(aligned(bytes.len())..).unwrap_or_default();
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
        let mut request = Request::default();
        write(&mut request, RTM_NEWROUTE, 0, route);
        read(&request.sent()[16..]).unwrap()
    }

    #[test]
    fn a_written_route_is_read_back() {
        let mut wide = Route::to(net("2001:db8::/32")).via("fe80::1".parse().unwrap()).dev(3).metric(20);
        wide.table = 1000;
        let mut many = Route::to(net("10.9.0.0/16"));
        many.hops = vec![
            NextHop::via("10.0.0.1".parse().unwrap()).dev(2),
            NextHop::via("fe80::2".parse().unwrap()).dev(3).weight(256),
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
        let mut request = Request::default();
        write(&mut request, RTM_DELROUTE, 0, &Route::to(net("10.6.0.0/16")).dev(1));
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

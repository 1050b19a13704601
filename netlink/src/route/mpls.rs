//! Routes of MPLS: by label, not by address.

use std::fmt;
use std::net::IpAddr;

use nix::errno::Errno;

use crate::LinkIndex;
use crate::error::{Failure, Hints, Result};
use crate::handle::Handle;
use crate::wire::attribute::{Attribute, Attributes, ip};
use crate::wire::message::Message;
use crate::wire::numbers::{
    AF_INET, AF_INET6, AF_MPLS, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, RT_TABLE_MAIN, RTA_DST,
    RTA_MULTIPATH, RTA_NEWDST, RTA_OIF, RTA_TTL_PROPAGATE, RTA_VIA, RTM_DELROUTE, RTM_GETROUTE, RTM_NEWROUTE,
    RTPROT_BOOT,
};
use crate::wire::{Request, aligned, u16_at, u32_at, write_some};

const HEADER: usize = 12;
/// A label has twenty bits.
const LARGEST: u32 = 0xf_ffff;

/// A route of MPLS: what is done with packets that come with a label.
///
/// The kernel takes such routes for labels below `/proc/sys/net/mpls/platform_labels`, which is 0 at first, and packets
/// from links whose `/proc/sys/net/mpls/conf/…/input` is 1.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct MplsRoute {
    /// The label that packets come with, 16 to 1048575.
    pub label: u32,
    /// Which ways they take; several share them.
    pub hops: Vec<MplsHop>,
    /// Whether the packet's time to live is taken over when its last label goes; `None` as the namespace says.
    pub ttl_propagate: Option<bool>,
    /// Who made it, a number of [`protocol`](crate::protocol). On input `None` is [`BOOT`](crate::protocol::BOOT); to
    /// delete, anyone.
    pub protocol: Option<u8>,
}

/// One way of an [`MplsRoute`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct MplsHop {
    /// The labels that packets leave with, the outermost first; none takes the label off.
    pub labels: Vec<u32>,
    /// The neighbour.
    pub gateway: Option<IpAddr>,
    /// The index of the link.
    pub device: Option<u32>,
}

impl MplsRoute {
    /// Begins a route for packets that come with a label; `hop` is the way they take.
    pub fn new(label: u32, hop: MplsHop) -> MplsRoute {
        MplsRoute { label, hops: vec![hop], ttl_propagate: None, protocol: None }
    }

    /// Writes the request.
    pub(crate) fn request(&self, request: &mut Request, kind: u16, flags: u16) -> Result<(), Failure> {
        self.check(kind == RTM_DELROUTE)?;
        self.write(request, kind, flags);
        Ok(())
    }

    fn check(&self, deleting: bool) -> Result<(), Failure> {
        check_labels(&[self.label], 1)?;
        if self.hops.is_empty() && !deleting {
            return Err(Failure::Input("it has no way to go".to_owned()));
        }
        for hop in self.hops.iter().filter(|hop| !hop.labels.is_empty()) {
            check_labels(&hop.labels, 30)?;
        }
        Ok(())
    }

    fn write(&self, request: &mut Request, kind: u16, flags: u16) {
        let deleting = kind == RTM_DELROUTE;
        let protocol = self.protocol.unwrap_or(if deleting { 0 } else { RTPROT_BOOT });
        request.begin(kind, flags, &[AF_MPLS, 20, 0, 0, RT_TABLE_MAIN, protocol, 0, 1, 0, 0, 0, 0]);
        write_labels(request, RTA_DST, &[self.label]);
        write_some!(request, bool RTA_TTL_PROPAGATE self.ttl_propagate);
        match &self.hops[..] {
            [] => {}
            [hop] => {
                hop.write(request);
                write_some!(request, u32 RTA_OIF hop.device);
            }
            hops => request.nest(RTA_MULTIPATH, |request| {
                for hop in hops {
                    request.counted(RTA_MULTIPATH, |request| {
                        request.header(&[0, 0]);
                        request.header(&hop.device.unwrap_or_default().to_ne_bytes());
                        hop.write(request);
                    });
                }
            }),
        }
    }

    pub(crate) fn read(payload: &[u8]) -> Option<MplsRoute> {
        let header: &[u8; HEADER] = payload.first_chunk()?;
        if header[0] != AF_MPLS {
            return None;
        }
        let (mut label, mut only) = (None, MplsHop::default());
        let mut route =
            MplsRoute { label: 0, hops: Vec::new(), ttl_propagate: None, protocol: Some(header[5]) };
        for attribute in Attributes::after(HEADER, payload) {
            match attribute.kind {
                RTA_DST => label = labels(attribute.payload).first().copied(),
                RTA_OIF => only.device = attribute.u32(),
                RTA_TTL_PROPAGATE => route.ttl_propagate = attribute.bool(),
                RTA_MULTIPATH => route.hops = read_hops(attribute.payload),
                _ => only.read(attribute),
            }
        }
        if route.hops.is_empty() {
            route.hops.push(only);
        }
        route.label = label?;
        Some(route)
    }
}

impl MplsHop {
    /// A way by a neighbour, with these labels, the outermost first.
    pub fn via(gateway: IpAddr, labels: impl Into<Vec<u32>>) -> MplsHop {
        MplsHop { labels: labels.into(), gateway: Some(gateway), device: None }
    }

    /// Sets the link, by its index.
    #[must_use]
    pub fn dev(mut self, index: impl Into<LinkIndex>) -> MplsHop {
        self.device = Some(index.into().0);
        self
    }

    fn write(&self, request: &mut Request) {
        if !self.labels.is_empty() {
            write_labels(request, RTA_NEWDST, &self.labels);
        }
        match self.gateway {
            None => {}
            Some(gateway) => write_via(request, gateway),
        }
    }

    fn read(&mut self, attribute: Attribute<'_>) {
        match attribute.kind {
            RTA_NEWDST => self.labels = labels(attribute.payload),
            RTA_VIA => self.gateway = attribute.payload.get(2..).and_then(ip),
            _ => {}
        }
    }
}

fn read_hops(mut rest: &[u8]) -> Vec<MplsHop> {
    let mut hops = Vec::new();
    while let Some(bytes) = u16_at(rest, 0).and_then(|length| rest.get(..usize::from(length))) {
        let Some(device) = u32_at(bytes, 4) else { break };
        let mut hop = MplsHop { device: Some(device).filter(|device| *device != 0), ..MplsHop::default() };
        Attributes::after(8, bytes).for_each(|attribute| hop.read(attribute));
        hops.push(hop);
        rest = rest.get(aligned(bytes.len())..).unwrap_or_default();
    }
    hops
}

/// Writes `RTA_VIA`, a neighbour of any family.
pub(crate) fn write_via(request: &mut Request, gateway: IpAddr) {
    let mut via = [0; 18];
    let length = match gateway {
        IpAddr::V4(gateway) => {
            via[..2].copy_from_slice(&u16::from(AF_INET).to_ne_bytes());
            via[2..6].copy_from_slice(&gateway.octets());
            6
        }
        IpAddr::V6(gateway) => {
            via[..2].copy_from_slice(&u16::from(AF_INET6).to_ne_bytes());
            via[2..].copy_from_slice(&gateway.octets());
            18
        }
    };
    request.bytes(RTA_VIA, &via[..length]);
}

pub(super) fn check_labels(labels: &[u32], most: usize) -> Result<(), Failure> {
    if labels.is_empty() || labels.len() > most {
        return Err(Failure::Input(format!("1 to {most} labels are allowed, not {}", labels.len())));
    }
    match labels.iter().find(|label| **label > LARGEST) {
        None => Ok(()),
        Some(label) => Err(Failure::Input(format!("a label is 0 to {LARGEST}, not {label}"))),
    }
}

/// Writes a stack of labels: four bytes each, the lowest marked.
pub(super) fn write_labels(request: &mut Request, kind: u16, labels: &[u32]) {
    const LOWEST: u32 = 0x100;
    let mut bytes = Vec::with_capacity(labels.len() * 4);
    for (place, label) in labels.iter().enumerate() {
        let lowest = if place + 1 == labels.len() { LOWEST } else { 0 };
        bytes.extend((label << 12 | lowest).to_be_bytes());
    }
    request.bytes(kind, &bytes);
}

pub(super) fn labels(bytes: &[u8]) -> Vec<u32> {
    let (labels, _) = bytes.as_chunks::<4>();
    labels.iter().map(|label| u32::from_be_bytes(*label) >> 12).collect()
}

pub(super) fn display(f: &mut fmt::Formatter<'_>, labels: &[u32]) -> fmt::Result {
    for (place, label) in labels.iter().enumerate() {
        write!(f, "{}{label}", if place > 0 { "/" } else { "" })?;
    }
    Ok(())
}

/// Written as ip-route(8) writes it, with the link's index for its name.
impl fmt::Display for MplsRoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.label)?;
        for hop in &self.hops {
            if self.hops.len() > 1 {
                f.write_str(" nexthop")?;
            }
            if !hop.labels.is_empty() {
                f.write_str(" as to ")?;
                display(f, &hop.labels)?;
            }
            hop.gateway.map_or(Ok(()), |gateway| write!(f, " via {gateway}"))?;
            hop.device.map_or(Ok(()), |device| write!(f, " dev {device}"))?;
        }
        Ok(())
    }
}

pub(crate) const HINTS: Hints<'static> = &[
    (Errno::EEXIST, "there is a route for this label already"),
    (Errno::ESRCH, "there is no route for this label"),
    (Errno::EINVAL, "the label is reserved, or not below net.mpls.platform_labels"),
    (Errno::EOPNOTSUPP, "this kernel has no MPLS"),
    (Errno::EAFNOSUPPORT, "this kernel has no MPLS"),
];

impl Handle {
    /// Lists the routes of MPLS.
    ///
    /// # Errors
    /// [`Interrupted`](crate::ErrorKind::Interrupted): routes came and went each time the list was read.
    pub fn mpls_routes(&mut self) -> Result<Vec<MplsRoute>> {
        let write = |handle: &mut Handle| {
            let mut request = handle.room();
            request.begin(RTM_GETROUTE, 0, &[AF_MPLS, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
            request
        };
        // A kernel without MPLS lists the routes of all families.
        self.list(write, |message: &Message<'_>| MplsRoute::read(message.payload))
            .map_err(|failure| failure.when("list MPLS routes", HINTS))
    }

    /// Adds a route of MPLS.
    ///
    /// # Errors
    /// [`AlreadyExists`](crate::ErrorKind::AlreadyExists): there is one for that label.
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput): the label is reserved or too large.
    /// [`Unsupported`](crate::ErrorKind::Unsupported): this kernel has no MPLS.
    pub fn add_mpls_route(&mut self, route: &MplsRoute) -> Result<()> {
        self.set_mpls_route(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, route, "add")
    }

    /// Adds a route of MPLS, or takes the place of the one for that label.
    ///
    /// # Errors
    /// As [`add_mpls_route`](Handle::add_mpls_route).
    pub fn replace_mpls_route(&mut self, route: &MplsRoute) -> Result<()> {
        self.set_mpls_route(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, route, "replace")
    }

    /// Deletes the route of MPLS for a label.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound): there is none for that label.
    pub fn delete_mpls_route(&mut self, route: &MplsRoute) -> Result<()> {
        self.set_mpls_route(RTM_DELROUTE, 0, route, "delete")
    }

    fn set_mpls_route(&mut self, kind: u16, flags: u16, route: &MplsRoute, verb: &str) -> Result<()> {
        let mut request = self.room();
        let outcome = route.request(&mut request, kind, flags);
        outcome
            .and_then(|()| self.change(request, |_| {}))
            .map_err(|failure| failure.when(format_args!("{verb} MPLS route {route}"), HINTS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn through_bytes(route: &MplsRoute) -> Option<MplsRoute> {
        let mut request = Request::default();
        route.write(&mut request, RTM_NEWROUTE, 0);
        MplsRoute::read(&request.sent()[16..])
    }

    #[test]
    fn a_written_route_is_read_back() {
        let mut route = MplsRoute::new(100, MplsHop::via("10.0.0.1".parse().unwrap(), [200, 300]).dev(3));
        (route.protocol, route.ttl_propagate) = (Some(4), Some(false));
        assert_eq!(through_bytes(&route).as_ref(), Some(&route));
        assert_eq!(route.to_string(), "100 as to 200/300 via 10.0.0.1 dev 3");
        route.hops.push(MplsHop::via("fe80::1".parse().unwrap(), []).dev(4));
        assert_eq!(through_bytes(&route), Some(route));
    }

    #[test]
    fn labels_that_can_not_be_are_told() {
        assert!(check_labels(&[LARGEST], 1).is_ok());
        assert!(check_labels(&[LARGEST + 1], 1).is_err());
        assert!(check_labels(&[], 1).is_err());
        assert!(check_labels(&[16; 31], 30).is_err());
    }
}

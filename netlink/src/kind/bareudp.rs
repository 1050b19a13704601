//! Bareudps: packets in UDP, without anything between.

use super::{Kind, Outer, sealed};
use crate::link::NewLink;
use crate::wire::Request;
use crate::wire::attribute::Attribute;
use crate::wire::numbers::{
    IFLA_BAREUDP_ETHERTYPE, IFLA_BAREUDP_MULTIPROTO_MODE, IFLA_BAREUDP_PORT, IFLA_BAREUDP_SRCPORT_MIN,
};

/// A link of packets in UDP, without anything between; routes say where they go. It can't be changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bareudp {
    /// The port that packets go to.
    pub port: u16,
    /// What is in them: an `EtherType`, 0x8847 for MPLS.
    pub ethertype: u16,
    /// The least port that they come from.
    pub srcport_min: Option<u16>,
    /// Whether what belongs to `ethertype` may be in them too: IPv6 with IPv4, multicast with MPLS.
    pub multiproto: bool,
}

impl Bareudp {
    pub(super) fn read(data: Attribute<'_>) -> Bareudp {
        let mut bareudp = Bareudp::default();
        for attribute in data.nested() {
            match attribute.kind {
                IFLA_BAREUDP_PORT => bareudp.port = attribute.be16().unwrap_or_default(),
                IFLA_BAREUDP_ETHERTYPE => bareudp.ethertype = attribute.be16().unwrap_or_default(),
                IFLA_BAREUDP_SRCPORT_MIN => bareudp.srcport_min = attribute.u16(),
                IFLA_BAREUDP_MULTIPROTO_MODE => bareudp.multiproto = true,
                _ => {}
            }
        }
        bareudp
    }
}

impl Kind for Bareudp {}

impl sealed::Kind for Bareudp {
    fn name(&self) -> &'static str {
        "bareudp"
    }

    fn write(&self, request: &mut Request, _: Outer) {
        request.be16(IFLA_BAREUDP_PORT, self.port);
        request.be16(IFLA_BAREUDP_ETHERTYPE, self.ethertype);
        if let Some(port) = self.srcport_min {
            request.u16(IFLA_BAREUDP_SRCPORT_MIN, port);
        }
        request.flag(IFLA_BAREUDP_MULTIPROTO_MODE, self.multiproto);
    }
}

impl<'a> NewLink<'a, Bareudp> {
    /// Names the link, the port that packets go to, and what is in them (an `EtherType`).
    pub fn new(name: impl Into<String>, port: u16, ethertype: u16) -> NewLink<'a, Bareudp> {
        NewLink::of(name, Bareudp { port, ethertype, ..Bareudp::default() })
    }
}

//! Geneves: Ethernet in UDP, with options.

use std::net::IpAddr;

use super::{DontFragment, Kind, Outer, numbers, sealed};
use crate::error::Failure;
use crate::link::NewLink;
use crate::wire::Request;
use crate::wire::attribute::Attribute;
use crate::wire::numbers::{
    IFLA_GENEVE_COLLECT_METADATA, IFLA_GENEVE_DF, IFLA_GENEVE_GRO_HINT, IFLA_GENEVE_ID,
    IFLA_GENEVE_INNER_PROTO_INHERIT, IFLA_GENEVE_LABEL, IFLA_GENEVE_LOCAL, IFLA_GENEVE_LOCAL6,
    IFLA_GENEVE_PORT, IFLA_GENEVE_PORT_RANGE, IFLA_GENEVE_REMOTE, IFLA_GENEVE_REMOTE6, IFLA_GENEVE_TOS,
    IFLA_GENEVE_TTL, IFLA_GENEVE_TTL_INHERIT, IFLA_GENEVE_UDP_CSUM, IFLA_GENEVE_UDP_ZERO_CSUM6_RX,
    IFLA_GENEVE_UDP_ZERO_CSUM6_TX,
};

/// A network of Ethernet in UDP (RFC 8926). On input `None` is the kernel's default, or as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Geneve {
    /// The network's number (VNI), of 24 bits.
    pub id: Option<u32>,
    /// The other machine.
    pub remote: Option<IpAddr>,
    /// From which address packets come (Linux 7.2).
    pub local: Option<IpAddr>,
    /// How far packets go; 0 is the kernel's usual way.
    pub ttl: Option<u8>,
    /// Whether they go as far as what is in them.
    pub ttl_inherit: Option<bool>,
    /// Their type of service; 1 is that of what is in them.
    pub tos: Option<u8>,
    /// Whether they may be cut.
    pub df: Option<DontFragment>,
    /// Their IPv6 flow label.
    pub label: Option<u32>,
    /// The port that they go to; the standard's 6081 if nothing is said.
    pub port: Option<u16>,
    /// The ports that they come from, the first and the last (Linux 6.15).
    pub port_range: Option<(u16, u16)>,
    /// Whether routes say where packets go.
    pub collect_metadata: Option<bool>,
    /// Whether IPv4 packets have checksums.
    pub udp_csum: Option<bool>,
    /// Whether IPv6 packets are sent without checksums.
    pub udp_zero_csum6_tx: Option<bool>,
    /// Whether IPv6 packets without checksums are taken.
    pub udp_zero_csum6_rx: Option<bool>,
    /// Whether there is no Ethernet in the packets (Linux 5.18).
    pub inner_proto_inherit: Option<bool>,
    /// Whether packets tell how what is in them can be put together (Linux 7.0).
    pub gro_hint: Option<bool>,
}

numbers!(Geneve {
    IFLA_GENEVE_ID u32 id,
    IFLA_GENEVE_REMOTE | IFLA_GENEVE_REMOTE6 endpoint remote,
    IFLA_GENEVE_LOCAL | IFLA_GENEVE_LOCAL6 endpoint local,
    IFLA_GENEVE_TTL u8 ttl,
    IFLA_GENEVE_TTL_INHERIT bool ttl_inherit,
    IFLA_GENEVE_TOS u8 tos,
    IFLA_GENEVE_DF u8 df,
    IFLA_GENEVE_LABEL be32 label,
    IFLA_GENEVE_PORT be16 port,
    IFLA_GENEVE_PORT_RANGE ports port_range,
    IFLA_GENEVE_COLLECT_METADATA flag collect_metadata,
    IFLA_GENEVE_UDP_CSUM bool udp_csum,
    IFLA_GENEVE_UDP_ZERO_CSUM6_TX bool udp_zero_csum6_tx,
    IFLA_GENEVE_UDP_ZERO_CSUM6_RX bool udp_zero_csum6_rx,
    IFLA_GENEVE_INNER_PROTO_INHERIT flag inner_proto_inherit,
    IFLA_GENEVE_GRO_HINT flag gro_hint,
});

impl Geneve {
    pub(super) fn read(data: Attribute<'_>) -> Geneve {
        let mut geneve = Geneve::default();
        data.nested().for_each(|attribute| geneve.read_number(attribute));
        geneve
    }
}

impl Kind for Geneve {}

impl sealed::Kind for Geneve {
    fn name(&self) -> &'static str {
        "geneve"
    }

    fn check(&self) -> Result<(), Failure> {
        super::check_bits("a geneve's number", self.id, 24)?;
        super::check_bits("a flow label", self.label, 20)?;
        super::check_ends(self.local, self.remote)
    }

    fn write(&self, request: &mut Request, _: Outer) {
        self.write_numbers(request);
    }
}

impl<'a> NewLink<'a, Geneve> {
    /// Names the link, its network's number and the other machine.
    pub fn new(name: impl Into<String>, id: u32, remote: IpAddr) -> NewLink<'a, Geneve> {
        NewLink::of(name, Geneve { id: Some(id), remote: Some(remote), ..Geneve::default() })
    }

    /// Names a link whose routes say where packets go.
    pub fn external(name: impl Into<String>) -> NewLink<'a, Geneve> {
        NewLink::of(name, Geneve { collect_metadata: Some(true), ..Geneve::default() })
    }
}

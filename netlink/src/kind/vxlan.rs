//! Vxlans: Ethernet in UDP.

use std::net::IpAddr;

use super::{DontFragment, Kind, Outer, choice, numbers, sealed};
use crate::error::Failure;
use crate::link::{LinkRef, NewLink};
use crate::wire::Request;
use crate::wire::attribute::Attribute;
use crate::wire::numbers::{
    IFLA_VXLAN_AGEING, IFLA_VXLAN_COLLECT_METADATA, IFLA_VXLAN_DF, IFLA_VXLAN_GBP, IFLA_VXLAN_GPE,
    IFLA_VXLAN_GROUP, IFLA_VXLAN_GROUP6, IFLA_VXLAN_ID, IFLA_VXLAN_L2MISS, IFLA_VXLAN_L3MISS,
    IFLA_VXLAN_LABEL, IFLA_VXLAN_LABEL_POLICY, IFLA_VXLAN_LEARNING, IFLA_VXLAN_LIMIT, IFLA_VXLAN_LINK,
    IFLA_VXLAN_LOCAL, IFLA_VXLAN_LOCAL6, IFLA_VXLAN_LOCALBYPASS, IFLA_VXLAN_MC_ROUTE, IFLA_VXLAN_PORT,
    IFLA_VXLAN_PORT_RANGE, IFLA_VXLAN_PROXY, IFLA_VXLAN_REMCSUM_NOPARTIAL, IFLA_VXLAN_REMCSUM_RX,
    IFLA_VXLAN_REMCSUM_TX, IFLA_VXLAN_RESERVED_BITS, IFLA_VXLAN_RSC, IFLA_VXLAN_TOS, IFLA_VXLAN_TTL,
    IFLA_VXLAN_TTL_INHERIT, IFLA_VXLAN_UDP_CSUM, IFLA_VXLAN_UDP_ZERO_CSUM6_RX, IFLA_VXLAN_UDP_ZERO_CSUM6_TX,
    IFLA_VXLAN_VNIFILTER,
};

/// A network of Ethernet in UDP (RFC 7348). On input `None` is the kernel's default, or as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Vxlan {
    /// The network's number (VNI), of 24 bits.
    pub id: Option<u32>,
    /// Where packets for many and for unknown addresses go: a group, or another machine.
    pub remote: Option<IpAddr>,
    /// From which address they come.
    pub local: Option<IpAddr>,
    /// The index of the link that they go through.
    pub link: Option<u32>,
    /// How far packets go; 0 is the kernel's usual way, or 1 for a group.
    pub ttl: Option<u8>,
    /// Whether they go as far as what is in them; it can't be taken back.
    pub ttl_inherit: Option<bool>,
    /// Their type of service; 1 is that of what is in them.
    pub tos: Option<u8>,
    /// Whether they may be cut.
    pub df: Option<DontFragment>,
    /// Their IPv6 flow label.
    pub label: Option<u32>,
    /// Where it comes from (Linux 6.7).
    pub label_policy: Option<LabelPolicy>,
    /// Whether it learns where addresses are.
    pub learning: Option<bool>,
    /// How long it remembers, in seconds.
    pub ageing: Option<u32>,
    /// How many addresses it remembers; 0 for no limit.
    pub limit: Option<u32>,
    /// The ports that packets come from: the first, and the one behind the last.
    pub port_range: Option<(u16, u16)>,
    /// The port that they go to. The kernel takes 8472 if nothing is said; the standard's is 4789.
    pub port: Option<u16>,
    /// Whether it answers questions for neighbours itself.
    pub proxy: Option<bool>,
    /// Whether it routes by itself what has a known address.
    pub rsc: Option<bool>,
    /// Whether it tells of unknown hardware addresses.
    pub l2miss: Option<bool>,
    /// Whether it tells of unknown addresses.
    pub l3miss: Option<bool>,
    /// Whether routes say where packets go.
    pub collect_metadata: Option<bool>,
    /// Whether it takes packets of listed networks only, with `collect_metadata` (Linux 5.18).
    pub vnifilter: Option<bool>,
    /// Whether packets to this machine take a short cut (Linux 6.5).
    pub localbypass: Option<bool>,
    /// Whether IPv4 packets have checksums.
    pub udp_csum: Option<bool>,
    /// Whether IPv6 packets are sent without checksums.
    pub udp_zero_csum6_tx: Option<bool>,
    /// Whether IPv6 packets without checksums are taken.
    pub udp_zero_csum6_rx: Option<bool>,
    /// Whether checksums of what is in packets are left to the receiver.
    pub remcsum_tx: Option<bool>,
    /// Whether such packets are taken.
    pub remcsum_rx: Option<bool>,
    /// Whether that is done for whole packets only.
    pub remcsum_nopartial: Option<bool>,
    /// Whether packets carry a policy's mark (Group Policy); it can't be taken back.
    pub gbp: Option<bool>,
    /// Whether packets say what is in them (Generic Protocol Extension).
    pub gpe: Option<bool>,
    /// The bits of the header that packets may not have set (Linux 6.14).
    pub reserved_bits: Option<u64>,
    /// Whether packets for a group are routed (Linux 6.17).
    pub mc_route: Option<bool>,
}

choice! {
    /// Where the flow label of packets comes from.
    LabelPolicy: u32 {
        /// It is said.
        Fixed = 0 "fixed",
        /// What is in them has it.
        Inherit = 1 "inherit",
    }
}

numbers!(Vxlan {
    IFLA_VXLAN_ID u32 id,
    IFLA_VXLAN_GROUP | IFLA_VXLAN_GROUP6 endpoint remote,
    IFLA_VXLAN_LOCAL | IFLA_VXLAN_LOCAL6 endpoint local,
    IFLA_VXLAN_TTL u8 ttl,
    IFLA_VXLAN_TTL_INHERIT flag ttl_inherit,
    IFLA_VXLAN_TOS u8 tos,
    IFLA_VXLAN_DF u8 df,
    IFLA_VXLAN_LABEL be32 label,
    IFLA_VXLAN_LABEL_POLICY u32 label_policy,
    IFLA_VXLAN_LEARNING bool learning,
    IFLA_VXLAN_AGEING u32 ageing,
    IFLA_VXLAN_LIMIT u32 limit,
    IFLA_VXLAN_PORT_RANGE ports port_range,
    IFLA_VXLAN_PORT be16 port,
    IFLA_VXLAN_PROXY bool proxy,
    IFLA_VXLAN_RSC bool rsc,
    IFLA_VXLAN_L2MISS bool l2miss,
    IFLA_VXLAN_L3MISS bool l3miss,
    IFLA_VXLAN_COLLECT_METADATA bool collect_metadata,
    IFLA_VXLAN_VNIFILTER bool vnifilter,
    IFLA_VXLAN_LOCALBYPASS bool localbypass,
    IFLA_VXLAN_UDP_CSUM bool udp_csum,
    IFLA_VXLAN_UDP_ZERO_CSUM6_TX bool udp_zero_csum6_tx,
    IFLA_VXLAN_UDP_ZERO_CSUM6_RX bool udp_zero_csum6_rx,
    IFLA_VXLAN_REMCSUM_TX bool remcsum_tx,
    IFLA_VXLAN_REMCSUM_RX bool remcsum_rx,
    IFLA_VXLAN_REMCSUM_NOPARTIAL flag remcsum_nopartial,
    IFLA_VXLAN_GBP flag gbp,
    IFLA_VXLAN_GPE flag gpe,
    IFLA_VXLAN_RESERVED_BITS be64 reserved_bits,
    IFLA_VXLAN_MC_ROUTE bool mc_route,
} reads {
    IFLA_VXLAN_LINK index link,
});

impl Vxlan {
    pub(super) fn read(data: Attribute<'_>) -> Vxlan {
        let mut vxlan = Vxlan::default();
        data.nested().for_each(|attribute| vxlan.read_number(attribute));
        vxlan
    }
}

impl Kind for Vxlan {}

impl sealed::Kind for Vxlan {
    const LOWER_IN_DATA: bool = true;

    fn name(&self) -> &'static str {
        "vxlan"
    }

    fn check(&self) -> Result<(), Failure> {
        super::check_bits("a vxlan's number", self.id, 24)?;
        super::check_bits("a flow label", self.label, 20)?;
        super::check_ends(self.local, self.remote)
    }

    fn write(&self, request: &mut Request, outer: Outer) {
        self.write_numbers(request);
        if let Some(link) = outer.lower.or(self.link) {
            request.u32(IFLA_VXLAN_LINK, link);
        }
    }
}

impl<'a> NewLink<'a, Vxlan> {
    /// Names the link and its network's number. Packets go to port 4789, the standard's.
    pub fn new(name: impl Into<String>, id: u32) -> NewLink<'a, Vxlan> {
        NewLink::of(name, Vxlan { id: Some(id), port: Some(4789), ..Vxlan::default() })
    }

    /// Says through which link its packets go.
    pub fn lower(self, lower: impl Into<LinkRef<'a>>) -> NewLink<'a, Vxlan> {
        self.over(lower)
    }

    /// Says where packets for many and for unknown addresses go: to a group, or to another machine.
    pub fn remote(mut self, address: IpAddr) -> NewLink<'a, Vxlan> {
        self.kind.remote = Some(address);
        self
    }

    /// Says from which address packets come.
    pub fn local(mut self, address: IpAddr) -> NewLink<'a, Vxlan> {
        self.kind.local = Some(address);
        self
    }

    /// Says to which port packets go.
    pub fn port(mut self, port: u16) -> NewLink<'a, Vxlan> {
        self.kind.port = Some(port);
        self
    }
}

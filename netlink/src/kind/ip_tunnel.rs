//! Tunnels of IP packets in IP packets.

use std::net::IpAddr;

use super::tunnel::said_flags;
use super::{Kind, LinkKind, Outer, TunnelEncap, forgotten, sealed};
use crate::error::Failure;
use crate::link::{LinkRef, NewLink};
use crate::wire::Request;
use crate::wire::attribute::Attribute;
use crate::wire::numbers::{
    IFLA_IPTUN_COLLECT_METADATA, IFLA_IPTUN_ENCAP_DPORT, IFLA_IPTUN_ENCAP_FLAGS, IFLA_IPTUN_ENCAP_LIMIT,
    IFLA_IPTUN_ENCAP_SPORT, IFLA_IPTUN_ENCAP_TYPE, IFLA_IPTUN_FLAGS, IFLA_IPTUN_FLOWINFO, IFLA_IPTUN_FWMARK,
    IFLA_IPTUN_LINK, IFLA_IPTUN_LOCAL, IFLA_IPTUN_PMTUDISC, IFLA_IPTUN_PROTO, IFLA_IPTUN_REMOTE,
    IFLA_IPTUN_TOS, IFLA_IPTUN_TTL,
};

/// A tunnel of IP packets in IP packets. On input `None` is the kernel's default, or as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct IpTunnel {
    /// What is in what.
    pub form: IpTunnelForm,
    /// The index of the link that packets go through.
    pub link: Option<u32>,
    /// This end.
    pub local: Option<IpAddr>,
    /// The other end.
    pub remote: Option<IpAddr>,
    /// How far packets go; 0 is as far as what is in them.
    pub ttl: Option<u8>,
    /// Their type of service; 1 is that of what is in them. IPv4 only.
    pub tos: Option<u8>,
    /// Whether the way's MTU is found out; without, packets are cut on it. IPv4 only.
    pub pmtudisc: Option<bool>,
    /// What may be in it, by its protocol's number: 4 IPv4, 41 IPv6, 137 MPLS, 0 any.
    pub proto: Option<u8>,
    /// Whether it is ISATAP (RFC 5214). Sit only.
    pub isatap: Option<bool>,
    /// How many tunnels may be in each other. IPv6 only.
    pub encap_limit: Option<u8>,
    /// Traffic class and flow label of packets. IPv6 only.
    pub flowinfo: Option<u32>,
    /// `IP6_TNL_F_` bits. IPv6 only.
    pub flags: Option<u32>,
    /// What is around it.
    pub encap_type: Option<TunnelEncap>,
    /// `TUNNEL_ENCAP_FLAG_` bits: 1 checksums, 2 in IPv6, 4 left to the receiver.
    pub encap_flags: Option<u16>,
    /// The port that packets come from; 0 is by what is in them.
    pub encap_sport: Option<u16>,
    /// The port that packets go to.
    pub encap_dport: Option<u16>,
    /// Whether routes say where packets go. Only said when it is made; not for sit.
    pub collect_metadata: Option<bool>,
    /// The mark of packets, by which they are routed.
    pub fwmark: Option<u32>,
}

/// What is in what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum IpTunnelForm {
    /// IPv4 in IPv4.
    #[default]
    Ipip,
    /// IPv6 in IPv4.
    Sit,
    /// IPv4 or IPv6 in IPv6.
    Ip6tnl,
}

/// `SIT_ISATAP`.
const ISATAP: u16 = 1;

forgotten!(IpTunnel {
    IFLA_IPTUN_LINK index link,
    IFLA_IPTUN_LOCAL endpoint local,
    IFLA_IPTUN_REMOTE endpoint remote,
    IFLA_IPTUN_TTL u8 ttl,
    IFLA_IPTUN_TOS u8 tos,
    IFLA_IPTUN_PMTUDISC bool pmtudisc,
    IFLA_IPTUN_PROTO u8 proto,
    IFLA_IPTUN_ENCAP_LIMIT u8 encap_limit,
    IFLA_IPTUN_FLOWINFO be32 flowinfo,
    IFLA_IPTUN_FLAGS u32 flags,
    IFLA_IPTUN_ENCAP_TYPE u16 encap_type,
    IFLA_IPTUN_ENCAP_FLAGS u16 encap_flags,
    IFLA_IPTUN_ENCAP_SPORT be16 encap_sport,
    IFLA_IPTUN_ENCAP_DPORT be16 encap_dport,
    IFLA_IPTUN_COLLECT_METADATA flag collect_metadata,
    IFLA_IPTUN_FWMARK u32 fwmark,
});

impl IpTunnel {
    pub(super) fn read(data: Attribute<'_>, form: IpTunnelForm) -> IpTunnel {
        let mut tunnel = IpTunnel { form, ..IpTunnel::default() };
        for attribute in data.nested() {
            match attribute.kind {
                // Sit's are others, and shorter.
                IFLA_IPTUN_FLAGS if form == IpTunnelForm::Sit => {
                    tunnel.isatap = attribute.be16().map(|flags| flags & ISATAP != 0);
                }
                _ => tunnel.read_number(attribute),
            }
        }
        tunnel.flags = tunnel.flags.map(said_flags);
        tunnel
    }
}

impl Kind for IpTunnel {}

impl sealed::Kind for IpTunnel {
    const LOWER_IN_DATA: bool = true;
    const FORGETS: bool = true;

    fn name(&self) -> &'static str {
        match self.form {
            IpTunnelForm::Ipip => "ipip",
            IpTunnelForm::Sit => "sit",
            IpTunnelForm::Ip6tnl => "ip6tnl",
        }
    }

    fn check(&self) -> Result<(), Failure> {
        let v6 = self.form == IpTunnelForm::Ip6tnl;
        super::check_family(v6, [self.local, self.remote])?;
        let why = if v6 && (self.tos.is_some() || self.pmtudisc.is_some()) {
            "tos and pmtudisc are of a tunnel in IPv4"
        } else if !v6 && (self.encap_limit.is_some() || self.flowinfo.is_some() || self.flags.is_some()) {
            "encap_limit, flowinfo and flags are of a tunnel in IPv6"
        } else if self.form != IpTunnelForm::Sit && self.isatap.is_some() {
            "isatap is of a sit tunnel"
        } else if self.form == IpTunnelForm::Sit && self.collect_metadata == Some(true) {
            "a sit tunnel can't collect metadata"
        } else {
            return Ok(());
        };
        Err(Failure::Input(why.to_owned()))
    }

    fn keep(&mut self, present: &LinkKind) {
        if let LinkKind::IpTunnel(present) = present {
            self.keep_numbers(present);
            self.isatap = self.isatap.or(present.isatap);
        }
    }

    fn write(&self, request: &mut Request, outer: Outer) {
        IpTunnel { link: outer.lower.or(self.link), ..*self }.write_numbers(request);
        if let Some(isatap) = self.isatap {
            request.be16(IFLA_IPTUN_FLAGS, if isatap { ISATAP } else { 0 });
        }
    }
}

impl<'a> NewLink<'a, IpTunnel> {
    /// Names a tunnel and what is in what.
    pub fn new(name: impl Into<String>, form: IpTunnelForm) -> NewLink<'a, IpTunnel> {
        NewLink::of(name, IpTunnel { form, ..IpTunnel::default() })
    }

    /// Says through which link its packets go.
    pub fn lower(self, lower: impl Into<LinkRef<'a>>) -> NewLink<'a, IpTunnel> {
        self.over(lower)
    }

    /// Says this end's address.
    pub fn local(mut self, address: IpAddr) -> NewLink<'a, IpTunnel> {
        self.kind.local = Some(address);
        self
    }

    /// Says the other end's address.
    pub fn remote(mut self, address: IpAddr) -> NewLink<'a, IpTunnel> {
        self.kind.remote = Some(address);
        self
    }
}

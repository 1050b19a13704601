//! GRE tunnels.

use std::net::IpAddr;

use super::tunnel::said_flags;
use super::{Kind, LinkKind, Outer, TunnelEncap, forgotten, sealed};
use crate::error::Failure;
use crate::link::{LinkRef, NewLink};
use crate::wire::Request;
use crate::wire::attribute::Attribute;
use crate::wire::numbers::{
    IFLA_GRE_COLLECT_METADATA, IFLA_GRE_ENCAP_DPORT, IFLA_GRE_ENCAP_FLAGS, IFLA_GRE_ENCAP_LIMIT,
    IFLA_GRE_ENCAP_SPORT, IFLA_GRE_ENCAP_TYPE, IFLA_GRE_FLAGS, IFLA_GRE_FLOWINFO, IFLA_GRE_FWMARK,
    IFLA_GRE_IFLAGS, IFLA_GRE_IGNORE_DF, IFLA_GRE_IKEY, IFLA_GRE_LINK, IFLA_GRE_LOCAL, IFLA_GRE_OFLAGS,
    IFLA_GRE_OKEY, IFLA_GRE_PMTUDISC, IFLA_GRE_REMOTE, IFLA_GRE_TOS, IFLA_GRE_TTL,
};

/// A GRE tunnel: of IP packets (gre) or Ethernet (gretap), in IPv4 or IPv6 (ip6gre, ip6gretap).
///
/// On input `None` is the kernel's default, or as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gre {
    /// Whether Ethernet is in it.
    pub tap: bool,
    /// Whether it is in IPv6.
    pub v6: bool,
    /// The index of the link that packets go through.
    pub link: Option<u32>,
    /// This end.
    pub local: Option<IpAddr>,
    /// The other end.
    pub remote: Option<IpAddr>,
    /// The key that received packets must have.
    pub ikey: Option<u32>,
    /// The key of sent packets.
    pub okey: Option<u32>,
    /// What received packets must have: `GRE_CSUM` (0x8000), `GRE_KEY` (0x2000), `GRE_SEQ` (0x1000). A key that is
    /// said adds its bit.
    pub iflags: Option<u16>,
    /// What sent packets have, of the same bits.
    pub oflags: Option<u16>,
    /// How far packets go; 0 is as far as what is in them (64 for IPv6).
    pub ttl: Option<u8>,
    /// Their type of service; 1 is that of what is in them. IPv4 only.
    pub tos: Option<u8>,
    /// Whether the way's MTU is found out; without, packets are cut on it. IPv4 only.
    pub pmtudisc: Option<bool>,
    /// Whether packets are taken that may not be cut and must be. IPv4 only.
    pub ignore_df: Option<bool>,
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
    /// Whether routes say where packets go. Only said when it is made.
    pub collect_metadata: Option<bool>,
    /// The mark of packets, by which they are routed.
    pub fwmark: Option<u32>,
}

/// `GRE_KEY`.
const KEY: u16 = 0x2000;

forgotten!(Gre {
    IFLA_GRE_LINK index link,
    IFLA_GRE_LOCAL endpoint local,
    IFLA_GRE_REMOTE endpoint remote,
    IFLA_GRE_IKEY be32 ikey,
    IFLA_GRE_OKEY be32 okey,
    IFLA_GRE_IFLAGS be16 iflags,
    IFLA_GRE_OFLAGS be16 oflags,
    IFLA_GRE_TTL u8 ttl,
    IFLA_GRE_TOS u8 tos,
    IFLA_GRE_PMTUDISC bool pmtudisc,
    IFLA_GRE_IGNORE_DF bool ignore_df,
    IFLA_GRE_ENCAP_LIMIT u8 encap_limit,
    IFLA_GRE_FLOWINFO be32 flowinfo,
    IFLA_GRE_FLAGS u32 flags,
    IFLA_GRE_ENCAP_TYPE u16 encap_type,
    IFLA_GRE_ENCAP_FLAGS u16 encap_flags,
    IFLA_GRE_ENCAP_SPORT be16 encap_sport,
    IFLA_GRE_ENCAP_DPORT be16 encap_dport,
    IFLA_GRE_COLLECT_METADATA flag collect_metadata,
    IFLA_GRE_FWMARK u32 fwmark,
});

impl Gre {
    pub(super) fn read(data: Attribute<'_>, v6: bool, tap: bool) -> Gre {
        let mut gre = Gre { tap, v6, ..Gre::default() };
        data.nested().for_each(|attribute| gre.read_number(attribute));
        gre.flags = gre.flags.map(said_flags);
        gre
    }
}

impl Kind for Gre {}

impl sealed::Kind for Gre {
    const LOWER_IN_DATA: bool = true;
    const FORGETS: bool = true;

    fn name(&self) -> &'static str {
        match (self.v6, self.tap) {
            (false, false) => "gre",
            (false, true) => "gretap",
            (true, false) => "ip6gre",
            (true, true) => "ip6gretap",
        }
    }

    fn check(&self) -> Result<(), Failure> {
        super::check_family(self.v6, [self.local, self.remote])?;
        if self.v6 && (self.tos.is_some() || self.pmtudisc.is_some() || self.ignore_df.is_some()) {
            return Err(Failure::Input("tos, pmtudisc and ignore_df are of a tunnel in IPv4".to_owned()));
        }
        if !self.v6 && (self.encap_limit.is_some() || self.flowinfo.is_some() || self.flags.is_some()) {
            return Err(Failure::Input("encap_limit, flowinfo and flags are of a tunnel in IPv6".to_owned()));
        }
        Ok(())
    }

    fn keep(&mut self, present: &LinkKind) {
        if let LinkKind::Gre(present) = present {
            self.keep_numbers(present);
        }
    }

    fn write(&self, request: &mut Request, outer: Outer) {
        // A key without its bit would be forgotten.
        let with_key = |key: Option<u32>, flags: Option<u16>| match key {
            Some(1..) => Some(flags.unwrap_or_default() | KEY),
            _ => flags,
        };
        let iflags = with_key(self.ikey, self.iflags);
        let oflags = with_key(self.okey, self.oflags);
        Gre { link: outer.lower.or(self.link), iflags, oflags, ..*self }.write_numbers(request);
    }
}

impl<'a> NewLink<'a, Gre> {
    /// Names a tunnel of IP packets, and its other end, by whose family it is in IPv4 or IPv6.
    pub fn new(name: impl Into<String>, remote: IpAddr) -> NewLink<'a, Gre> {
        NewLink::of(name, Gre { v6: remote.is_ipv6(), remote: Some(remote), ..Gre::default() })
    }

    /// As [`new`](Self::new), of a tunnel of Ethernet.
    pub fn tap(name: impl Into<String>, remote: IpAddr) -> NewLink<'a, Gre> {
        let mut link = NewLink::<Gre>::new(name, remote);
        link.kind.tap = true;
        link
    }

    /// Says through which link its packets go.
    pub fn lower(self, lower: impl Into<LinkRef<'a>>) -> NewLink<'a, Gre> {
        self.over(lower)
    }

    /// Says this end's address.
    pub fn local(mut self, address: IpAddr) -> NewLink<'a, Gre> {
        self.kind.local = Some(address);
        self
    }

    /// Sets the key of packets, sent and received.
    pub fn key(mut self, key: u32) -> NewLink<'a, Gre> {
        (self.kind.ikey, self.kind.okey) = (Some(key), Some(key));
        self
    }
}

//! VTIs: tunnels whose packets are encrypted.

use std::net::IpAddr;

use super::{Kind, LinkKind, Outer, forgotten, sealed};
use crate::error::Failure;
use crate::link::{LinkRef, NewLink};
use crate::wire::Request;
use crate::wire::attribute::Attribute;
use crate::wire::numbers::{
    IFLA_VTI_FWMARK, IFLA_VTI_IKEY, IFLA_VTI_LINK, IFLA_VTI_LOCAL, IFLA_VTI_OKEY, IFLA_VTI_REMOTE,
};

/// A tunnel whose packets are encrypted by the policies of its keys, in IPv4 (vti) or IPv6 (vti6).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Vti {
    /// Whether it is in IPv6.
    pub v6: bool,
    /// The index of the link that packets go through.
    pub link: Option<u32>,
    /// This end.
    pub local: Option<IpAddr>,
    /// The other end.
    pub remote: Option<IpAddr>,
    /// The mark by which policies for received packets are found.
    pub ikey: Option<u32>,
    /// The mark by which policies for sent packets are found.
    pub okey: Option<u32>,
    /// The mark of packets, by which they are routed.
    pub fwmark: Option<u32>,
}

forgotten!(Vti {
    IFLA_VTI_LINK index link,
    IFLA_VTI_LOCAL endpoint local,
    IFLA_VTI_REMOTE endpoint remote,
    IFLA_VTI_IKEY be32 ikey,
    IFLA_VTI_OKEY be32 okey,
    IFLA_VTI_FWMARK u32 fwmark,
});

impl Vti {
    pub(super) fn read(data: Attribute<'_>, v6: bool) -> Vti {
        let mut vti = Vti { v6, ..Vti::default() };
        data.nested().for_each(|attribute| vti.read_number(attribute));
        vti
    }
}

impl Kind for Vti {}

impl sealed::Kind for Vti {
    const LOWER_IN_DATA: bool = true;
    const FORGETS: bool = true;

    fn name(&self) -> &'static str {
        if self.v6 { "vti6" } else { "vti" }
    }

    fn check(&self) -> Result<(), Failure> {
        super::check_family(self.v6, [self.local, self.remote])
    }

    fn keep(&mut self, present: &LinkKind) {
        if let LinkKind::Vti(present) = present {
            self.keep_numbers(present);
        }
    }

    fn write(&self, request: &mut Request, outer: Outer) {
        Vti { link: outer.lower.or(self.link), ..*self }.write_numbers(request);
    }
}

impl<'a> NewLink<'a, Vti> {
    /// Names the tunnel and its other end, by whose family it is in IPv4 or IPv6.
    pub fn new(name: impl Into<String>, remote: IpAddr) -> NewLink<'a, Vti> {
        NewLink::of(name, Vti { v6: remote.is_ipv6(), remote: Some(remote), ..Vti::default() })
    }

    /// Says through which link its packets go.
    pub fn lower(self, lower: impl Into<LinkRef<'a>>) -> NewLink<'a, Vti> {
        self.over(lower)
    }

    /// Says this end's address.
    pub fn local(mut self, address: IpAddr) -> NewLink<'a, Vti> {
        self.kind.local = Some(address);
        self
    }
}

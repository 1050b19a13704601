//! HSRs: rings of two links, on which each packet goes both ways.

use super::{Kind, Outer, choice, numbers, sealed};
use crate::LinkIndex;
use crate::error::Failure;
use crate::link::NewLink;
use crate::mac::MacAddress;
use crate::wire::Request;
use crate::wire::attribute::Attribute;
use crate::wire::numbers::{
    IFLA_HSR_INTERLINK, IFLA_HSR_MULTICAST_SPEC, IFLA_HSR_PROTOCOL, IFLA_HSR_SEQ_NR, IFLA_HSR_SLAVE1,
    IFLA_HSR_SLAVE2, IFLA_HSR_SUPERVISION_ADDR, IFLA_HSR_VERSION,
};

/// A ring of two links, on which each packet goes both ways (IEC 62439-3). It can't be changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Hsr {
    /// The index of the one link.
    pub slave1: Option<u32>,
    /// The index of the other link.
    pub slave2: Option<u32>,
    /// The index of the link to what isn't in the ring (Linux 6.10).
    pub interlink: Option<u32>,
    /// The last byte of the address that it speaks to. Never read: see `supervision_addr`.
    pub multicast_spec: Option<u8>,
    /// The protocol's version: 0 or 1. Not read of PRP.
    pub version: Option<u8>,
    /// The protocol.
    pub protocol: Option<HsrProtocol>,
    /// *Read*: the address that it speaks to.
    pub supervision_addr: Option<MacAddress>,
    /// *Read*: the number of its next packet.
    pub sequence: Option<u16>,
}

choice! {
    /// How packets go both ways.
    HsrProtocol: u8 {
        /// Around a ring.
        Hsr = 0 "hsr",
        /// Over two networks.
        Prp = 1 "prp",
    }
}

numbers!(Hsr {
    IFLA_HSR_SLAVE1 index slave1,
    IFLA_HSR_SLAVE2 index slave2,
    IFLA_HSR_INTERLINK index interlink,
    IFLA_HSR_MULTICAST_SPEC u8 multicast_spec,
    IFLA_HSR_VERSION u8 version,
    IFLA_HSR_PROTOCOL u8 protocol,
} reads {
    IFLA_HSR_SUPERVISION_ADDR mac supervision_addr,
    IFLA_HSR_SEQ_NR u16 sequence,
});

impl Hsr {
    pub(super) fn read(data: Attribute<'_>) -> Hsr {
        let mut hsr = Hsr::default();
        data.nested().for_each(|attribute| hsr.read_number(attribute));
        hsr
    }
}

impl Kind for Hsr {}

impl sealed::Kind for Hsr {
    fn name(&self) -> &'static str {
        "hsr"
    }

    fn check(&self) -> Result<(), Failure> {
        if self.slave1.is_some() && self.slave1 == self.slave2 {
            return Err(Failure::Input("the two links must be different".to_owned()));
        }
        Ok(())
    }

    fn write(&self, request: &mut Request, _: Outer) {
        self.write_numbers(request);
    }
}

impl<'a> NewLink<'a, Hsr> {
    /// Names the link, and the indexes of the two that it is of.
    pub fn new(
        name: impl Into<String>,
        slave1: impl Into<LinkIndex>,
        slave2: impl Into<LinkIndex>,
    ) -> NewLink<'a, Hsr> {
        let (slave1, slave2) = (Some(slave1.into().0), Some(slave2.into().0));
        NewLink::of(name, Hsr { slave1, slave2, ..Hsr::default() })
    }
}

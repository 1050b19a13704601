//! VRFs: links whose ports have a routing table of their own.

use super::{Kind, Outer, sealed};
use crate::error::Failure;
use crate::link::NewLink;
use crate::wire::Request;
use crate::wire::attribute::Attribute;
use crate::wire::numbers::IFLA_VRF_TABLE;

/// A link whose ports have a routing table of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Vrf {
    /// The table's number. Only said when it is made.
    pub table: u32,
}

impl Vrf {
    pub(super) fn read(data: Attribute<'_>) -> Vrf {
        let table = data.nested().find(|attribute| attribute.kind == IFLA_VRF_TABLE);
        Vrf { table: table.and_then(Attribute::u32).unwrap_or_default() }
    }
}

impl Kind for Vrf {}

impl sealed::Kind for Vrf {
    fn name(&self) -> &'static str {
        "vrf"
    }

    fn check(&self) -> Result<(), Failure> {
        if self.table == 0 {
            return Err(Failure::Input("a VRF's table can't be 0".to_owned()));
        }
        Ok(())
    }

    fn write(&self, request: &mut Request, _: Outer) {
        request.u32(IFLA_VRF_TABLE, self.table);
    }
}

impl<'a> NewLink<'a, Vrf> {
    /// Names the link and its routing table.
    pub fn new(name: impl Into<String>, table: u32) -> NewLink<'a, Vrf> {
        NewLink::of(name, Vrf { table })
    }
}

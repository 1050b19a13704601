//! Xfrm interfaces: links whose packets are encrypted.

use super::{Kind, LinkKind, Outer, forgotten, sealed};
use crate::error::Failure;
use crate::link::{LinkRef, NewLink};
use crate::wire::Request;
use crate::wire::attribute::Attribute;
use crate::wire::numbers::{IFLA_XFRM_COLLECT_METADATA, IFLA_XFRM_IF_ID, IFLA_XFRM_LINK};

/// A link whose packets are encrypted by the policies of its number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Xfrm {
    /// The index of the link that packets go through.
    pub link: Option<u32>,
    /// Its number, which policies and states name; not 0, unless routes say it.
    pub if_id: Option<u32>,
    /// Whether routes say the number (Linux 6.1).
    pub collect_metadata: Option<bool>,
}

forgotten!(Xfrm {
    IFLA_XFRM_LINK index link,
    IFLA_XFRM_IF_ID u32 if_id,
    IFLA_XFRM_COLLECT_METADATA flag collect_metadata,
});

impl Xfrm {
    pub(super) fn read(data: Attribute<'_>) -> Xfrm {
        let mut xfrm = Xfrm::default();
        data.nested().for_each(|attribute| xfrm.read_number(attribute));
        xfrm
    }
}

impl Kind for Xfrm {}

impl sealed::Kind for Xfrm {
    const LOWER_IN_DATA: bool = true;
    const FORGETS: bool = true;

    fn name(&self) -> &'static str {
        "xfrm"
    }

    fn check(&self) -> Result<(), Failure> {
        if self.if_id == Some(0) && self.collect_metadata != Some(true) {
            return Err(Failure::Input("an xfrm interface's number can't be 0".to_owned()));
        }
        Ok(())
    }

    fn keep(&mut self, present: &LinkKind) {
        if let LinkKind::Xfrm(present) = present {
            self.keep_numbers(present);
        }
    }

    fn write(&self, request: &mut Request, outer: Outer) {
        Xfrm { link: outer.lower.or(self.link), ..*self }.write_numbers(request);
    }
}

impl<'a> NewLink<'a, Xfrm> {
    /// Names the link and its number.
    pub fn new(name: impl Into<String>, if_id: u32) -> NewLink<'a, Xfrm> {
        NewLink::of(name, Xfrm { if_id: Some(if_id), ..Xfrm::default() })
    }

    /// Says through which link its packets go.
    pub fn lower(self, lower: impl Into<LinkRef<'a>>) -> NewLink<'a, Xfrm> {
        self.over(lower)
    }
}

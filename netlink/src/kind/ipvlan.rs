//! Ipvlans: links with addresses of their own and the MAC of the link they are on.

use super::{Kind, Outer, choice, numbers, sealed};
use crate::link::{LinkRef, NewLink};
use crate::wire::Request;
use crate::wire::attribute::Attribute;
use crate::wire::numbers::{IFLA_IPVLAN_FLAGS, IFLA_IPVLAN_MODE};

/// A link with the MAC of the link it is on (ipvlan), or the same with a character device (ipvtap).
///
/// Mode and isolation are of the link below: to change one of its ipvlans changes all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ipvlan {
    /// Whether it is an ipvtap, whose packets a program reads from and writes to `/dev/tapINDEX`.
    pub tap: bool,
    /// What packets are told apart by; the kernel takes `L3` if nothing is said.
    pub mode: Option<IpvlanMode>,
    /// Which of those on one link below talk to each other.
    pub isolation: Option<IpvlanIsolation>,
}

choice! {
    /// What ipvlans do with packets.
    IpvlanMode: u16 {
        /// Switch them.
        L2 = 0 "l2",
        /// Route them.
        L3 = 1 "l3",
        /// Route them through the packet filter of the link below.
        L3s = 2 "l3s",
    }
}

choice! {
    /// Which ipvlans of one link below talk to each other.
    IpvlanIsolation: u16 {
        /// All.
        Bridge = 0 "bridge",
        /// None.
        Private = 1 "private",
        /// Those that the switch outside sends packets back to.
        Vepa = 2 "vepa",
    }
}

numbers!(Ipvlan {
    IFLA_IPVLAN_MODE u16 mode,
    IFLA_IPVLAN_FLAGS u16 isolation,
});

impl Ipvlan {
    pub(super) fn read(data: Attribute<'_>, tap: bool) -> Ipvlan {
        let mut ipvlan = Ipvlan { tap, ..Ipvlan::default() };
        data.nested().for_each(|attribute| ipvlan.read_number(attribute));
        ipvlan
    }
}

impl Kind for Ipvlan {}

impl sealed::Kind for Ipvlan {
    fn name(&self) -> &'static str {
        if self.tap { "ipvtap" } else { "ipvlan" }
    }

    fn write(&self, request: &mut Request, _: Outer) {
        self.write_numbers(request);
    }
}

impl<'a> NewLink<'a, Ipvlan> {
    /// Names the link and the one it is on.
    pub fn new(name: impl Into<String>, lower: impl Into<LinkRef<'a>>) -> NewLink<'a, Ipvlan> {
        NewLink::of(name, Ipvlan::default()).over(lower)
    }

    /// As [`new`](Self::new), of an ipvtap.
    pub fn tap(name: impl Into<String>, lower: impl Into<LinkRef<'a>>) -> NewLink<'a, Ipvlan> {
        NewLink::of(name, Ipvlan { tap: true, ..Ipvlan::default() }).over(lower)
    }

    /// Says what packets are told apart by.
    pub fn mode(mut self, mode: IpvlanMode) -> NewLink<'a, Ipvlan> {
        self.kind.mode = Some(mode);
        self
    }
}

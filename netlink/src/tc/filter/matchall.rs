//! matchall, basic, fw and cgroup: filters that look at little.

use super::FLAGS_TO_SET;
use crate::error::Failure;
use crate::tc::TcHandle;
use crate::tc::action::{Action, check_all, read_all, write_all};
use crate::wire::Request;
use crate::wire::attribute::Attribute;
use crate::wire::tc::numbers::{
    TCA_BASIC_ACT, TCA_BASIC_CLASSID, TCA_CGROUP_ACT, TCA_FW_ACT, TCA_FW_CLASSID, TCA_FW_MASK,
    TCA_MATCHALL_ACT, TCA_MATCHALL_CLASSID, TCA_MATCHALL_FLAGS, TCA_OPTIONS,
};

/// Takes all packets ([`tc-matchall(8)`]).
///
/// [`tc-matchall(8)`]: https://man7.org/linux/man-pages/man8/tc-matchall.8.html
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Matchall {
    /// The class they go to.
    pub class: Option<TcHandle>,
    /// Whether the device does it, `TCA_CLS_FLAGS_` bits: 1 is not, 2 is only there; it is read with more.
    pub flags: Option<u32>,
    /// What is done with them, in this order.
    pub actions: Vec<Action>,
}

impl Matchall {
    /// Does this with all packets.
    pub fn new(actions: Vec<Action>) -> Matchall {
        Matchall { actions, ..Matchall::default() }
    }

    pub(super) fn check(&self) -> Result<(), Failure> {
        check_all(&self.actions)
    }

    pub(super) fn write(&self, request: &mut Request) {
        request.nest(TCA_OPTIONS, |request| {
            if let Some(class) = self.class {
                request.tc_handle(TCA_MATCHALL_CLASSID, class);
            }
            if let Some(flags) = self.flags {
                request.u32(TCA_MATCHALL_FLAGS, flags & FLAGS_TO_SET);
            }
            write_all(request, TCA_MATCHALL_ACT, &self.actions);
        });
    }

    pub(super) fn read(options: Attribute<'_>) -> Matchall {
        let mut filter = Matchall::default();
        for attribute in options.nested() {
            match attribute.kind {
                TCA_MATCHALL_CLASSID => filter.class = attribute.tc_handle(),
                TCA_MATCHALL_FLAGS => filter.flags = attribute.u32(),
                TCA_MATCHALL_ACT => filter.actions = read_all(attribute),
                _ => {}
            }
        }
        filter
    }
}

/// Takes all packets, as [`Matchall`] does: its own language (`ematch`) is not known here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Basic {
    /// The class they go to.
    pub class: Option<TcHandle>,
    /// What is done with them, in this order.
    pub actions: Vec<Action>,
}

impl Basic {
    /// Does this with all packets.
    pub fn new(actions: Vec<Action>) -> Basic {
        Basic { class: None, actions }
    }

    pub(super) fn check(&self) -> Result<(), Failure> {
        check_all(&self.actions)
    }

    pub(super) fn write(&self, request: &mut Request) {
        request.nest(TCA_OPTIONS, |request| {
            if let Some(class) = self.class {
                request.tc_handle(TCA_BASIC_CLASSID, class);
            }
            write_all(request, TCA_BASIC_ACT, &self.actions);
        });
    }

    pub(super) fn read(options: Attribute<'_>) -> Option<Basic> {
        let mut filter = Basic::default();
        for attribute in options.nested() {
            match attribute.kind {
                TCA_BASIC_CLASSID => filter.class = attribute.tc_handle(),
                TCA_BASIC_ACT => filter.actions = read_all(attribute),
                // Otherwise one that looks at something would be read as one for all.
                crate::wire::tc::numbers::TCA_BASIC_EMATCHES => return None,
                _ => {}
            }
        }
        Some(filter)
    }
}

/// Takes packets whose mark is the number of the filter ([`tc-fw(8)`]).
///
/// [`tc-fw(8)`]: https://man7.org/linux/man-pages/man8/tc-fw.8.html
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fw {
    /// The class they go to; without one and without actions, that which the mark names.
    pub class: Option<TcHandle>,
    /// Which bits of the mark are looked at; `None` is all.
    pub mask: Option<u32>,
    /// What is done with them, in this order.
    pub actions: Vec<Action>,
}

impl Fw {
    /// Sends them to a class.
    pub fn new(class: TcHandle) -> Fw {
        Fw { class: Some(class), ..Fw::default() }
    }

    pub(super) fn check(&self) -> Result<(), Failure> {
        check_all(&self.actions)
    }

    pub(super) fn write(&self, request: &mut Request) {
        request.nest(TCA_OPTIONS, |request| {
            if let Some(class) = self.class {
                request.tc_handle(TCA_FW_CLASSID, class);
            }
            if let Some(mask) = self.mask {
                request.u32(TCA_FW_MASK, mask);
            }
            write_all(request, TCA_FW_ACT, &self.actions);
        });
    }

    pub(super) fn read(options: Attribute<'_>) -> Fw {
        let mut filter = Fw::default();
        for attribute in options.nested() {
            match attribute.kind {
                TCA_FW_CLASSID => filter.class = attribute.tc_handle(),
                TCA_FW_MASK => filter.mask = attribute.u32(),
                TCA_FW_ACT => filter.actions = read_all(attribute),
                _ => {}
            }
        }
        filter
    }
}

/// Takes packets to the class that the control group of their sender names (`net_cls`, [`tc-cgroup(8)`]).
///
/// [`tc-cgroup(8)`]: https://man7.org/linux/man-pages/man8/tc-cgroup.8.html
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CgroupFilter {
    /// What is done with them, in this order.
    pub actions: Vec<Action>,
}

impl CgroupFilter {
    /// Only goes by the class.
    pub fn new() -> CgroupFilter {
        CgroupFilter::default()
    }

    pub(super) fn check(&self) -> Result<(), Failure> {
        check_all(&self.actions)
    }

    pub(super) fn write(&self, request: &mut Request) {
        request.nest(TCA_OPTIONS, |request| write_all(request, TCA_CGROUP_ACT, &self.actions));
    }

    pub(super) fn read(options: Attribute<'_>) -> Option<CgroupFilter> {
        let mut filter = CgroupFilter::default();
        for attribute in options.nested() {
            match attribute.kind {
                TCA_CGROUP_ACT => filter.actions = read_all(attribute),
                crate::wire::tc::numbers::TCA_CGROUP_EMATCHES => return None,
                _ => {}
            }
        }
        Some(filter)
    }
}

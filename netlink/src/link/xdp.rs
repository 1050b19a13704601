//! BPF programs that see a link's packets first (XDP).

use std::os::fd::BorrowedFd;

use bitflags::bitflags;

use crate::kind::choice;
use crate::wire::Request;
use crate::wire::attribute::Attribute;
use crate::wire::numbers::{
    IFLA_XDP, IFLA_XDP_ATTACHED, IFLA_XDP_DRV_PROG_ID, IFLA_XDP_FD, IFLA_XDP_FLAGS, IFLA_XDP_HW_PROG_ID,
    IFLA_XDP_PROG_ID, IFLA_XDP_SKB_PROG_ID,
};

/// The BPF programs that see a link's packets first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Xdp {
    /// Where they run.
    pub mode: XdpMode,
    /// The program's id, where there is only one.
    pub id: Option<u32>,
    /// The id of that in the driver.
    pub driver_id: Option<u32>,
    /// The id of that behind the driver.
    pub generic_id: Option<u32>,
    /// The id of that in hardware.
    pub hardware_id: Option<u32>,
}

choice! {
    /// Where a program runs.
    XdpMode: u8 {
        /// In the driver.
        Driver = 1 "xdpdrv",
        /// Behind the driver, which doesn't know it.
        Generic = 2 "xdpgeneric",
        /// In hardware.
        Hardware = 3 "xdpoffload",
        /// In several of those.
        Multi = 4 "xdpmulti",
    }
}

bitflags! {
    /// How a program is attached (`XDP_FLAGS_`).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct XdpFlags: u32 {
        /// Not if there is one already.
        const UPDATE_IF_NOEXIST = 1;
        /// Behind the driver.
        const SKB_MODE = 2;
        /// In the driver, or not at all.
        const DRV_MODE = 4;
        /// In hardware.
        const HW_MODE = 8;
    }
}

impl Xdp {
    /// Reads `IFLA_XDP`; `None` where no program is attached.
    pub(crate) fn read(xdp: Attribute<'_>) -> Option<Xdp> {
        let mut read =
            Xdp { mode: XdpMode::Other(0), id: None, driver_id: None, generic_id: None, hardware_id: None };
        for attribute in xdp.nested() {
            match attribute.kind {
                IFLA_XDP_ATTACHED => read.mode = attribute.u8()?.into(),
                IFLA_XDP_PROG_ID => read.id = attribute.u32(),
                IFLA_XDP_DRV_PROG_ID => read.driver_id = attribute.u32(),
                IFLA_XDP_SKB_PROG_ID => read.generic_id = attribute.u32(),
                IFLA_XDP_HW_PROG_ID => read.hardware_id = attribute.u32(),
                _ => {}
            }
        }
        Some(read).filter(|read| read.mode != XdpMode::Other(0))
    }
}

/// A program to be attached, or none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct XdpChange<'a> {
    pub(crate) program: Option<BorrowedFd<'a>>,
    pub(crate) flags: XdpFlags,
}

impl XdpChange<'_> {
    pub(crate) fn write(self, request: &mut Request) {
        request.nest(IFLA_XDP, |request| {
            match self.program {
                Some(program) => request.descriptor(IFLA_XDP_FD, program),
                None => request.i32(IFLA_XDP_FD, -1),
            }
            request.u32(IFLA_XDP_FLAGS, self.flags.bits());
        });
    }
}

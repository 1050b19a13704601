//! The state of a neighbour, and how it came.

use std::time::Duration;

use bitflags::bitflags;

use crate::wire::numbers::USER_HZ;
use crate::wire::u32_at;

bitflags! {
    /// What the kernel knows of a neighbour's hardware address (`NUD_`). Those without a name here are kept.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct NeighbourState: u16 {
        /// It is being asked for.
        const INCOMPLETE = 0x1;
        /// It was heard of a moment ago. Of a bridge's address: it was learned, or it ages as if it were.
        const REACHABLE = 0x2;
        /// It may be old, and is asked for when it is needed.
        const STALE = 0x4;
        /// It is used, and asked for in a moment.
        const DELAY = 0x8;
        /// It is used, and being asked for.
        const PROBE = 0x10;
        /// Nobody answered.
        const FAILED = 0x20;
        /// It is not asked for. Of a bridge's address: it was set ("static"), and does not age.
        const NOARP = 0x40;
        /// It was set, and does not change. Of a bridge's address: it is the bridge's own ("local").
        const PERMANENT = 0x80;

        const _ = !0;
    }
}

bitflags! {
    /// How a neighbour or a bridge's address came, and what it is used for (`NTF_`; `NTF_EXT_` in the upper bits).
    /// Those without a name here are kept.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct NeighbourFlags: u32 {
        /// It is asked for at once (on input only).
        const USE = 0x1;
        /// It is the link's own (a VXLAN's, hardware's), not its bridge's.
        const SELF = 0x2;
        /// It is of the bridge that the link is a port of.
        const MASTER = 0x4;
        /// The kernel answers in its name.
        const PROXY = 0x8;
        /// A program learned it, and keeps it.
        const EXT_LEARNED = 0x10;
        /// Hardware knows it.
        const OFFLOADED = 0x20;
        /// It does not move to another port.
        const STICKY = 0x40;
        /// It is a router.
        const ROUTER = 0x80;
        /// The kernel asks for it again and again (Linux 5.16).
        const MANAGED = 1 << 8;
        /// Nobody gets in at another port under its address (Linux 6.2).
        const LOCKED = 1 << 9;

        const _ = !0;
    }
}

impl NeighbourFlags {
    pub(crate) fn from_kernel(flags: u8, more: u32) -> NeighbourFlags {
        NeighbourFlags::from_bits_retain(u32::from(flags) | more << 8)
    }

    /// The flags in the header, and those that have no room there.
    pub(crate) fn to_kernel(self) -> (u8, Option<u32>) {
        (self.bits() as u8, Some(self.bits() >> 8).filter(|more| *more != 0))
    }
}

/// How long ago something happened to a neighbour, to a hundredth of a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct NeighbourTimes {
    /// It was heard of.
    pub confirmed: Duration,
    /// It was used.
    pub used: Duration,
    /// It was changed.
    pub updated: Duration,
    /// How many things in the kernel hold it.
    pub references: u32,
}

impl NeighbourTimes {
    /// Reads `struct nda_cacheinfo`.
    pub(crate) fn read(cacheinfo: &[u8]) -> Option<NeighbourTimes> {
        let ago = |at| Some(Duration::from_millis(u64::from(u32_at(cacheinfo, at)?) * 1000 / USER_HZ));
        Some(NeighbourTimes {
            confirmed: ago(0)?,
            used: ago(4)?,
            updated: ago(8)?,
            references: u32_at(cacheinfo, 12)?,
        })
    }
}

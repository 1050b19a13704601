//! A link's switches, and whether it can carry packets.

use std::fmt;

use bitflags::bitflags;

use crate::kind::choice;

bitflags! {
    /// A link's switches (`IFF_`), written as ip-link(8) writes them: `BROADCAST,MULTICAST,UP`.
    ///
    /// Those without a name here are kept.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct LinkFlags: u32 {
        /// It leads back to this host.
        const LOOPBACK = 0x8;
        /// It can reach all its neighbours at once.
        const BROADCAST = 0x2;
        /// It has one neighbour.
        const POINTOPOINT = 0x10;
        /// It can reach groups of neighbours.
        const MULTICAST = 0x1000;
        /// It needs no neighbour lookup.
        const NOARP = 0x80;
        /// It receives all groups' packets.
        const ALLMULTI = 0x200;
        /// It receives everybody's packets.
        const PROMISC = 0x100;
        /// It is made of other links.
        const MASTER = 0x400;
        /// It is part of another link.
        const SLAVE = 0x800;
        /// The administrator has switched it on.
        const UP = 0x1;
        /// Its driver says that it is connected.
        const LOWER_UP = 0x1_0000;
        /// It is connected, and waits for something (802.1X).
        const DORMANT = 0x2_0000;
        /// It can carry packets.
        const RUNNING = 0x40;

        const _ = !0;
    }
}

impl fmt::Display for LinkFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // ip-link(8) tells the absence of RUNNING instead, as NO-CARRIER.
        let shown = self.difference(LinkFlags::RUNNING);
        for (place, (name, _)) in shown.iter_names().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            write!(f, "{comma}{name}")?;
        }
        Ok(())
    }
}

choice! {
    /// What becomes of a link when it is connected.
    #[derive(Default)]
    LinkMode: u8 {
        /// It can carry packets.
        #[default]
        Default = 0 "DEFAULT",
        /// It waits for a program to say so (802.1X).
        Dormant = 1 "DORMANT",
    }
}

/// Whether a link can carry packets (RFC 2863). Virtual links are often `Unknown` and work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OperState {
    /// Its driver doesn't say.
    #[default]
    Unknown,
    /// Its hardware is gone.
    NotPresent,
    /// It can't.
    Down,
    /// The link it is built on can't.
    LowerLayerDown,
    /// It is being tested.
    Testing,
    /// It waits for something (802.1X).
    Dormant,
    /// It can.
    Up,
}

impl OperState {
    pub(crate) fn from_kernel(state: u8) -> OperState {
        match state {
            1 => OperState::NotPresent,
            2 => OperState::Down,
            3 => OperState::LowerLayerDown,
            4 => OperState::Testing,
            5 => OperState::Dormant,
            6 => OperState::Up,
            _ => OperState::Unknown,
        }
    }
}

/// Written as ip-link(8) writes it: `UP`, `LOWERLAYERDOWN`.
impl fmt::Display for OperState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            OperState::Unknown => "UNKNOWN",
            OperState::NotPresent => "NOTPRESENT",
            OperState::Down => "DOWN",
            OperState::LowerLayerDown => "LOWERLAYERDOWN",
            OperState::Testing => "TESTING",
            OperState::Dormant => "DORMANT",
            OperState::Up => "UP",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_written_as_ip_link_writes_them() {
        let flags = LinkFlags::from_bits_retain(0x1_1043 | 0x8000_0000);
        assert_eq!(flags.to_string(), "BROADCAST,MULTICAST,UP,LOWER_UP");
        assert_eq!(LinkFlags::empty().to_string(), "");
    }
}

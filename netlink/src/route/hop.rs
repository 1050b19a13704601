//! One of several ways of a route.

use std::net::IpAddr;

use bitflags::bitflags;

use super::Encap;
use crate::link::LinkIndex;

/// One of several ways of a [`Route`](crate::Route).
///
/// ```
/// use netlink::{NextHop, Route};
///
/// let mut route = Route::to("10.1.0.0/16".parse()?);
/// route.hops = vec![
///     NextHop::via("10.0.0.1".parse()?).weight(2),
///     NextHop::via("10.0.0.2".parse()?).dev(3),
/// ];
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct NextHop {
    /// The neighbour.
    pub gateway: Option<IpAddr>,
    /// The index of the link.
    pub device: Option<u32>,
    /// Its share of the packets, 1 to 256.
    pub weight: u16,
    /// Its state, and how it is looked up.
    pub flags: RouteFlags,
    /// The realms of its packets (IPv4): where they come from in the upper 16 bits, where they go in the lower.
    pub realms: Option<u32>,
    /// What its packets are wrapped into.
    pub encap: Option<Box<Encap>>,
}

impl NextHop {
    /// A way by a neighbour.
    pub fn via(gateway: IpAddr) -> NextHop {
        NextHop { gateway: Some(gateway), ..NextHop::any() }
    }

    /// A way by a link, by its index, without a neighbour.
    pub fn by(device: impl Into<LinkIndex>) -> NextHop {
        NextHop::any().dev(device)
    }

    pub(crate) fn any() -> NextHop {
        NextHop {
            gateway: None,
            device: None,
            weight: 1,
            flags: RouteFlags::empty(),
            realms: None,
            encap: None,
        }
    }

    /// Sets the link, by its index.
    #[must_use]
    pub fn dev(mut self, index: impl Into<LinkIndex>) -> NextHop {
        self.device = Some(index.into().0);
        self
    }

    /// Sets its share of the packets.
    #[must_use]
    pub fn weight(mut self, weight: u16) -> NextHop {
        self.weight = weight;
        self
    }

    /// Wraps its packets.
    #[must_use]
    pub fn encap(mut self, encap: Encap) -> NextHop {
        self.encap = Some(Box::new(encap));
        self
    }
}

bitflags! {
    /// The state of a route or of one of its ways, and how it is looked up (`RTNH_F_`, `RTM_F_`). Only
    /// [`ONLINK`](RouteFlags::ONLINK) and [`PERVASIVE`](RouteFlags::PERVASIVE) are sent to the kernel, the others are
    /// its own to say. Those without a name here are kept.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct RouteFlags: u32 {
        /// It can't be used: its link is down.
        const DEAD = 0x1;
        /// The gateway is looked up in turn.
        const PERVASIVE = 0x2;
        /// The gateway is on the link, whatever the link's addresses say.
        const ONLINK = 0x4;
        /// Hardware sends its packets (this way).
        const OFFLOAD = 0x8;
        /// Its link has no carrier.
        const LINKDOWN = 0x10;
        /// It waits for a program's answer (multicast).
        const UNRESOLVED = 0x20;
        /// Hardware hands its packets to the kernel (this way).
        const TRAP = 0x40;
        /// It is the answer to one lookup, no route of a table.
        const CLONED = 0x200;
        /// Hardware knows the route.
        const RT_OFFLOAD = 0x4000;
        /// Hardware knows the route, and hands its packets to the kernel.
        const RT_TRAP = 0x8000;
        /// Hardware did not take the route.
        const RT_OFFLOAD_FAILED = 0x2000_0000;

        const _ = !0;
    }
}

impl RouteFlags {
    /// Those that are asked for; the kernel refuses the others, or keeps what was said for what is.
    pub(crate) fn to_send(self) -> RouteFlags {
        self & (RouteFlags::ONLINK | RouteFlags::PERVASIVE)
    }
}

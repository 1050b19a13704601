//! Tuns and taps, as they are read; they are made by [`TunTap`](crate::TunTap).

use super::{choice, numbers};
use crate::wire::attribute::Attribute;
use crate::wire::numbers::{
    IFLA_TUN_GROUP, IFLA_TUN_MULTI_QUEUE, IFLA_TUN_NUM_DISABLED_QUEUES, IFLA_TUN_NUM_QUEUES, IFLA_TUN_OWNER,
    IFLA_TUN_PERSIST, IFLA_TUN_PI, IFLA_TUN_TYPE, IFLA_TUN_VNET_HDR,
};

/// A link whose packets a program reads and writes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tun {
    /// Whether packets are IP (tun) or Ethernet (tap).
    pub mode: Option<TunMode>,
    /// The user who may attach to it without privilege.
    pub owner: Option<u32>,
    /// The group who may.
    pub group: Option<u32>,
    /// Whether packets begin with their protocol.
    pub pi: Option<bool>,
    /// Whether packets begin with a `virtio_net_hdr`.
    pub vnet_hdr: Option<bool>,
    /// Whether it stays when no program is attached.
    pub persist: Option<bool>,
    /// Whether several descriptors can be attached.
    pub multi_queue: Option<bool>,
    /// How many are, where several can.
    pub num_queues: Option<u32>,
    /// How many are and don't take part now.
    pub num_disabled_queues: Option<u32>,
}

choice! {
    /// What a program reads and writes.
    TunMode: u8 {
        /// IP packets.
        Tun = 1 "tun",
        /// Ethernet.
        Tap = 2 "tap",
    }
}

numbers!(Tun {} reads {
    IFLA_TUN_TYPE u8 mode,
    IFLA_TUN_OWNER u32 owner,
    IFLA_TUN_GROUP u32 group,
    IFLA_TUN_PI bool pi,
    IFLA_TUN_VNET_HDR bool vnet_hdr,
    IFLA_TUN_PERSIST bool persist,
    IFLA_TUN_MULTI_QUEUE bool multi_queue,
    IFLA_TUN_NUM_QUEUES u32 num_queues,
    IFLA_TUN_NUM_DISABLED_QUEUES u32 num_disabled_queues,
});

impl Tun {
    pub(super) fn read(data: Attribute<'_>) -> Tun {
        let mut tun = Tun::default();
        data.nested().for_each(|attribute| tun.read_number(attribute));
        tun
    }
}

//! A bridge's ports.

use super::{PortKind, sealed};
use crate::error::Failure;
use crate::kind::{BridgeId, choice, numbers};
use crate::wire::Request;
use crate::wire::attribute::Attribute;
use crate::wire::numbers::{
    IFLA_BRPORT_BACKUP_NHID, IFLA_BRPORT_BACKUP_PORT, IFLA_BRPORT_BCAST_FLOOD, IFLA_BRPORT_BRIDGE_ID,
    IFLA_BRPORT_CONFIG_PENDING, IFLA_BRPORT_COST, IFLA_BRPORT_DESIGNATED_COST, IFLA_BRPORT_DESIGNATED_PORT,
    IFLA_BRPORT_FAST_LEAVE, IFLA_BRPORT_FLUSH, IFLA_BRPORT_FORWARD_DELAY_TIMER, IFLA_BRPORT_GROUP_FWD_MASK,
    IFLA_BRPORT_GUARD, IFLA_BRPORT_HOLD_TIMER, IFLA_BRPORT_ID, IFLA_BRPORT_ISOLATED, IFLA_BRPORT_LEARNING,
    IFLA_BRPORT_LOCKED, IFLA_BRPORT_MAB, IFLA_BRPORT_MCAST_EHT_HOSTS_CNT, IFLA_BRPORT_MCAST_EHT_HOSTS_LIMIT,
    IFLA_BRPORT_MCAST_FLOOD, IFLA_BRPORT_MCAST_MAX_GROUPS, IFLA_BRPORT_MCAST_N_GROUPS,
    IFLA_BRPORT_MCAST_TO_UCAST, IFLA_BRPORT_MESSAGE_AGE_TIMER, IFLA_BRPORT_MODE, IFLA_BRPORT_MRP_IN_OPEN,
    IFLA_BRPORT_MRP_RING_OPEN, IFLA_BRPORT_MULTICAST_ROUTER, IFLA_BRPORT_NEIGH_FORWARD_GRAT,
    IFLA_BRPORT_NEIGH_SUPPRESS, IFLA_BRPORT_NEIGH_VLAN_SUPPRESS, IFLA_BRPORT_NO, IFLA_BRPORT_PRIORITY,
    IFLA_BRPORT_PROTECT, IFLA_BRPORT_PROXYARP, IFLA_BRPORT_PROXYARP_WIFI, IFLA_BRPORT_ROOT_ID,
    IFLA_BRPORT_STATE, IFLA_BRPORT_TOPOLOGY_CHANGE_ACK, IFLA_BRPORT_UNICAST_FLOOD, IFLA_BRPORT_VLAN_TUNNEL,
};

/// What a bridge has to say about a port. On input `None` is as it is.
///
/// Times are in hundredths of a second.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BridgePort {
    /// What it does with packets. Only said while the kernel doesn't look for loops, of a port that is up.
    pub state: Option<PortState>,
    /// Which of several ports to one bridge is used: that with the least; 0 to 63.
    pub priority: Option<u16>,
    /// What the way over it costs; 1 to 65535.
    pub cost: Option<u32>,
    /// Whether packets may leave by it that came by it.
    pub hairpin: Option<bool>,
    /// Whether it is switched off when another bridge is heard on it.
    pub guard: Option<bool>,
    /// Whether it never becomes the way to the root.
    pub root_block: Option<bool>,
    /// Whether who leaves a group is gone at once.
    pub fast_leave: Option<bool>,
    /// Whether addresses are learned on it.
    pub learning: Option<bool>,
    /// Whether packets to unknown addresses leave by it.
    pub flood: Option<bool>,
    /// Whether packets to unknown groups leave by it.
    pub mcast_flood: Option<bool>,
    /// Whether packets to all leave by it.
    pub bcast_flood: Option<bool>,
    /// Whether packets to a group become packets to each member.
    pub mcast_to_unicast: Option<bool>,
    /// Whether packets of all groups leave by it.
    pub mcast_router: Option<MulticastRouter>,
    /// How many hosts are tracked on it; not 0.
    pub mcast_eht_hosts_limit: Option<u32>,
    /// How many groups it may have; 0 for no limit (Linux 6.3).
    pub mcast_max_groups: Option<u32>,
    /// Whether the bridge answers questions for neighbours.
    pub proxy_arp: Option<bool>,
    /// The same as access points do it.
    pub proxy_arp_wifi: Option<bool>,
    /// Whether VLANs are mapped to tunnels.
    pub vlan_tunnel: Option<bool>,
    /// Which link-local groups are forwarded, a bit each; 1 can't be.
    pub group_fwd_mask: Option<u16>,
    /// Whether questions for neighbours that the bridge can answer don't leave by it.
    pub neigh_suppress: Option<bool>,
    /// The same, said for each VLAN (Linux 6.4).
    pub neigh_vlan_suppress: Option<bool>,
    /// Whether announcements of neighbours leave by it in spite of that (Linux 7.1).
    pub neigh_forward_grat: Option<bool>,
    /// Whether packets don't leave by it that came by another such port.
    pub isolated: Option<bool>,
    /// Whether packets are taken from known addresses only (Linux 5.18).
    pub locked: Option<bool>,
    /// Whether unknown addresses on a locked port are noted (Linux 6.2).
    pub mab: Option<bool>,
    /// The index of the port that takes over while it isn't connected; 0 on input for none.
    pub backup_port: Option<u32>,
    /// The nexthop that packets then take; 0 on input for none (Linux 6.6).
    pub backup_nhid: Option<u32>,
    /// Forgets all addresses that were learned on it; never read.
    pub flush: Option<bool>,
    /// *Read*: the bridge that is the root.
    pub root_id: Option<BridgeId>,
    /// *Read*: the bridge that leads to the root.
    pub bridge_id: Option<BridgeId>,
    /// *Read*: the port of that bridge.
    pub designated_port: Option<u16>,
    /// *Read*: what the way from there costs.
    pub designated_cost: Option<u16>,
    /// *Read*: its priority and number.
    pub id: Option<u16>,
    /// *Read*: its number within the bridge.
    pub number: Option<u16>,
    /// *Read*: whether a change of the tree is to be confirmed.
    pub topology_change_ack: Option<bool>,
    /// *Read*: whether there is something to be told.
    pub config_pending: Option<bool>,
    /// *Read*: time left until the root isn't there any more, in hundredths of a second.
    pub message_age_timer: Option<u64>,
    /// *Read*: time left until it forwards, in hundredths of a second.
    pub forward_delay_timer: Option<u64>,
    /// *Read*: time left until it speaks, in hundredths of a second.
    pub hold_timer: Option<u64>,
    /// *Read*: how many hosts are tracked on it.
    pub mcast_eht_hosts_count: Option<u32>,
    /// *Read*: how many groups it has (Linux 6.3).
    pub mcast_n_groups: Option<u32>,
    /// *Read*: whether it misses packets of a ring (MRP).
    pub mrp_ring_open: Option<bool>,
    /// *Read*: whether it misses packets of a ring of rings (MRP).
    pub mrp_in_open: Option<bool>,
}

choice! {
    /// What a bridge's port does with packets.
    PortState: u8 {
        /// It is off.
        Disabled = 0 "disabled",
        /// It listens for bridges.
        Listening = 1 "listening",
        /// It learns addresses.
        Learning = 2 "learning",
        /// It forwards packets.
        Forwarding = 3 "forwarding",
        /// It would make a loop, and takes no packets.
        Blocking = 4 "blocking",
    }
}

choice! {
    /// Whether packets of all groups leave by a port, or come to the bridge.
    MulticastRouter: u8 {
        /// No.
        Disabled = 0 "disabled",
        /// While somebody there asks who wants them.
        Query = 1 "query",
        /// Yes.
        Permanent = 2 "permanent",
        /// For a while; not of a bridge.
        Temporary = 3 "temporary",
    }
}

numbers!(BridgePort {
    IFLA_BRPORT_STATE u8 state,
    IFLA_BRPORT_PRIORITY u16 priority,
    IFLA_BRPORT_COST u32 cost,
    IFLA_BRPORT_MODE bool hairpin,
    IFLA_BRPORT_GUARD bool guard,
    IFLA_BRPORT_PROTECT bool root_block,
    IFLA_BRPORT_FAST_LEAVE bool fast_leave,
    IFLA_BRPORT_LEARNING bool learning,
    IFLA_BRPORT_UNICAST_FLOOD bool flood,
    IFLA_BRPORT_MCAST_FLOOD bool mcast_flood,
    IFLA_BRPORT_BCAST_FLOOD bool bcast_flood,
    IFLA_BRPORT_MCAST_TO_UCAST bool mcast_to_unicast,
    IFLA_BRPORT_MULTICAST_ROUTER u8 mcast_router,
    IFLA_BRPORT_MCAST_EHT_HOSTS_LIMIT u32 mcast_eht_hosts_limit,
    IFLA_BRPORT_MCAST_MAX_GROUPS u32 mcast_max_groups,
    IFLA_BRPORT_PROXYARP bool proxy_arp,
    IFLA_BRPORT_PROXYARP_WIFI bool proxy_arp_wifi,
    IFLA_BRPORT_VLAN_TUNNEL bool vlan_tunnel,
    IFLA_BRPORT_GROUP_FWD_MASK u16 group_fwd_mask,
    IFLA_BRPORT_NEIGH_SUPPRESS bool neigh_suppress,
    IFLA_BRPORT_NEIGH_VLAN_SUPPRESS bool neigh_vlan_suppress,
    IFLA_BRPORT_NEIGH_FORWARD_GRAT bool neigh_forward_grat,
    IFLA_BRPORT_ISOLATED bool isolated,
    IFLA_BRPORT_LOCKED bool locked,
    IFLA_BRPORT_MAB bool mab,
    IFLA_BRPORT_BACKUP_PORT index backup_port,
    IFLA_BRPORT_BACKUP_NHID index backup_nhid,
    IFLA_BRPORT_FLUSH flag flush,
} reads {
    IFLA_BRPORT_DESIGNATED_PORT u16 designated_port,
    IFLA_BRPORT_DESIGNATED_COST u16 designated_cost,
    IFLA_BRPORT_ID u16 id,
    IFLA_BRPORT_NO u16 number,
    IFLA_BRPORT_TOPOLOGY_CHANGE_ACK bool topology_change_ack,
    IFLA_BRPORT_CONFIG_PENDING bool config_pending,
    IFLA_BRPORT_MESSAGE_AGE_TIMER u64 message_age_timer,
    IFLA_BRPORT_FORWARD_DELAY_TIMER u64 forward_delay_timer,
    IFLA_BRPORT_HOLD_TIMER u64 hold_timer,
    IFLA_BRPORT_MCAST_EHT_HOSTS_CNT u32 mcast_eht_hosts_count,
    IFLA_BRPORT_MCAST_N_GROUPS u32 mcast_n_groups,
    IFLA_BRPORT_MRP_RING_OPEN bool mrp_ring_open,
    IFLA_BRPORT_MRP_IN_OPEN bool mrp_in_open,
});

impl BridgePort {
    pub(super) fn read(data: Attribute<'_>) -> BridgePort {
        let mut port = BridgePort::default();
        for attribute in data.nested() {
            match attribute.kind {
                IFLA_BRPORT_ROOT_ID => port.root_id = BridgeId::read(attribute),
                IFLA_BRPORT_BRIDGE_ID => port.bridge_id = BridgeId::read(attribute),
                _ => port.read_number(attribute),
            }
        }
        port
    }
}

impl PortKind for BridgePort {}

impl sealed::PortKind for BridgePort {
    fn name(&self) -> &'static str {
        "bridge"
    }

    fn check(&self) -> Result<(), Failure> {
        let why = if self.priority.is_some_and(|priority| priority > 63) {
            "a port's priority is 0 to 63"
        } else if self.cost.is_some_and(|cost| !(1..=65535).contains(&cost)) {
            "a port's cost is 1 to 65535"
        } else if self.group_fwd_mask.is_some_and(|mask| mask & 2 != 0) {
            "the link-local group 1 (pause frames) can't be forwarded"
        } else if self.mcast_eht_hosts_limit == Some(0) {
            "the limit of tracked hosts can't be 0"
        } else {
            return Ok(());
        };
        Err(Failure::Input(why.to_owned()))
    }

    fn write(&self, request: &mut Request) {
        self.write_numbers(request);
    }
}

//! Bridges.

use std::fmt;

use super::{Kind, Outer, VlanProtocol, check_mac_of, choice, numbers, sealed};
use crate::error::Failure;
use crate::link::NewLink;
use crate::mac::MacAddress;
use crate::port::MulticastRouter;
use crate::wire::attribute::Attribute;
use crate::wire::numbers::{
    IFLA_BR_AGEING_TIME, IFLA_BR_BRIDGE_ID, IFLA_BR_FDB_FLUSH, IFLA_BR_FDB_MAX_LEARNED,
    IFLA_BR_FDB_N_LEARNED, IFLA_BR_FORWARD_DELAY, IFLA_BR_GC_TIMER, IFLA_BR_GROUP_ADDR,
    IFLA_BR_GROUP_FWD_MASK, IFLA_BR_HELLO_TIME, IFLA_BR_HELLO_TIMER, IFLA_BR_MAX_AGE, IFLA_BR_MCAST_HASH_MAX,
    IFLA_BR_MCAST_IGMP_VERSION, IFLA_BR_MCAST_LAST_MEMBER_CNT, IFLA_BR_MCAST_LAST_MEMBER_INTVL,
    IFLA_BR_MCAST_MEMBERSHIP_INTVL, IFLA_BR_MCAST_MLD_VERSION, IFLA_BR_MCAST_QUERIER,
    IFLA_BR_MCAST_QUERIER_INTVL, IFLA_BR_MCAST_QUERY_INTVL, IFLA_BR_MCAST_QUERY_RESPONSE_INTVL,
    IFLA_BR_MCAST_QUERY_USE_IFADDR, IFLA_BR_MCAST_ROUTER, IFLA_BR_MCAST_SNOOPING,
    IFLA_BR_MCAST_STARTUP_QUERY_CNT, IFLA_BR_MCAST_STARTUP_QUERY_INTVL, IFLA_BR_MCAST_STATS_ENABLED,
    IFLA_BR_MULTI_BOOLOPT, IFLA_BR_NF_CALL_ARPTABLES, IFLA_BR_NF_CALL_IP6TABLES, IFLA_BR_NF_CALL_IPTABLES,
    IFLA_BR_PRIORITY, IFLA_BR_ROOT_ID, IFLA_BR_ROOT_PATH_COST, IFLA_BR_ROOT_PORT, IFLA_BR_STP_MODE,
    IFLA_BR_STP_STATE, IFLA_BR_TCN_TIMER, IFLA_BR_TOPOLOGY_CHANGE, IFLA_BR_TOPOLOGY_CHANGE_DETECTED,
    IFLA_BR_TOPOLOGY_CHANGE_TIMER, IFLA_BR_VLAN_DEFAULT_PVID, IFLA_BR_VLAN_FILTERING, IFLA_BR_VLAN_PROTOCOL,
    IFLA_BR_VLAN_STATS_ENABLED, IFLA_BR_VLAN_STATS_PER_PORT,
};
use crate::wire::{Request, u32_at};

/// A bridge's options. On input `None` is the kernel's default, or as it is.
///
/// Times are in hundredths of a second, as the kernel counts them here (`USER_HZ`). Those marked *read* are told by
/// the kernel and never sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bridge {
    /// How long ports listen and learn before they forward, in hundredths of a second.
    pub forward_delay: Option<u32>,
    /// How often the root bridge speaks, in hundredths of a second.
    pub hello_time: Option<u32>,
    /// How long the root bridge may be silent, in hundredths of a second.
    pub max_age: Option<u32>,
    /// How long an address is remembered, in hundredths of a second.
    pub ageing_time: Option<u32>,
    /// Whether loops are looked for (spanning tree): 0 no, 1 by the kernel, 2 by a program.
    pub stp_state: Option<u32>,
    /// Who looks for loops when `stp_state` is set (Linux 7.1).
    pub stp_mode: Option<StpMode>,
    /// Which bridge becomes the root: that with the least.
    pub priority: Option<u16>,
    /// Whether ports have VLANs of their own.
    pub vlan_filtering: Option<bool>,
    /// How VLANs are marked.
    pub vlan_protocol: Option<VlanProtocol>,
    /// The VLAN of packets without one; 0 for none.
    pub vlan_default_pvid: Option<u16>,
    /// Whether packets of each VLAN are counted.
    pub vlan_stats_enabled: Option<bool>,
    /// Whether they are counted by port, which can be said while the bridge has none.
    pub vlan_stats_per_port: Option<bool>,
    /// Which link-local groups are forwarded, a bit each; 0 to 2 can't be.
    pub group_fwd_mask: Option<u16>,
    /// The group that spanning tree speaks to: 01:80:c2:00:00:0X, and not 1 to 3.
    pub group_addr: Option<MacAddress>,
    /// How many addresses it learns at most; 0 for no limit (Linux 6.8).
    pub fdb_max_learned: Option<u32>,
    /// Forgets all addresses that it learned; never read.
    pub fdb_flush: Option<bool>,
    /// Whether link-local packets teach it no addresses.
    pub no_linklocal_learn: Option<bool>,
    /// Whether it learns who wants packets of which group, in each VLAN (Linux 5.15).
    pub mcast_vlan_snooping: Option<bool>,
    /// Whether it has several spanning trees, which can be said while it has no VLANs (Linux 5.18).
    pub mst_enabled: Option<bool>,
    /// Whether it tells of group entries that hardware didn't take (Linux 6.16).
    pub mdb_offload_fail_notification: Option<bool>,
    /// Whether its own addresses are in VLAN 0 only (Linux 6.18).
    pub fdb_local_vlan_0: Option<bool>,
    /// Whether packets of all groups are sent to it.
    pub mcast_router: Option<MulticastRouter>,
    /// Whether it learns who wants packets of which group.
    pub mcast_snooping: Option<bool>,
    /// Whether it asks from an address of its own.
    pub mcast_query_use_ifaddr: Option<bool>,
    /// Whether it asks itself who wants packets of which group.
    pub mcast_querier: Option<bool>,
    /// How many groups it remembers.
    pub mcast_hash_max: Option<u32>,
    /// How often it asks when somebody leaves a group.
    pub mcast_last_member_count: Option<u32>,
    /// How often it asks at first.
    pub mcast_startup_query_count: Option<u32>,
    /// How long it waits between those when somebody leaves, in hundredths of a second.
    pub mcast_last_member_interval: Option<u64>,
    /// After what time a member is gone, in hundredths of a second.
    pub mcast_membership_interval: Option<u64>,
    /// After what time another who asks is gone, in hundredths of a second.
    pub mcast_querier_interval: Option<u64>,
    /// How long it waits between questions; a second at least.
    pub mcast_query_interval: Option<u64>,
    /// How long it waits for answers, in hundredths of a second.
    pub mcast_query_response_interval: Option<u64>,
    /// How long it waits between questions at first; a second at least.
    pub mcast_startup_query_interval: Option<u64>,
    /// Whether packets about groups are counted.
    pub mcast_stats_enabled: Option<bool>,
    /// The version of IGMP: 2 or 3.
    pub mcast_igmp_version: Option<u8>,
    /// The version of MLD: 1 or 2.
    pub mcast_mld_version: Option<u8>,
    /// Whether bridged IPv4 packets go through iptables.
    pub nf_call_iptables: Option<bool>,
    /// Whether bridged IPv6 packets go through ip6tables.
    pub nf_call_ip6tables: Option<bool>,
    /// Whether bridged ARP packets go through arptables.
    pub nf_call_arptables: Option<bool>,
    /// *Read*: the bridge that is the root.
    pub root_id: Option<BridgeId>,
    /// *Read*: this bridge.
    pub bridge_id: Option<BridgeId>,
    /// *Read*: the port that leads to the root, by its number within the bridge.
    pub root_port: Option<u16>,
    /// *Read*: what the way to the root costs.
    pub root_path_cost: Option<u32>,
    /// *Read*: whether the tree is changing.
    pub topology_change: Option<bool>,
    /// *Read*: whether this bridge saw it change.
    pub topology_change_detected: Option<bool>,
    /// *Read*: time left until it speaks, in hundredths of a second.
    pub hello_timer: Option<u64>,
    /// *Read*: time left until it tells of a change again, in hundredths of a second.
    pub tcn_timer: Option<u64>,
    /// *Read*: time left until the change is over, in hundredths of a second.
    pub topology_change_timer: Option<u64>,
    /// *Read*: time left until old addresses are looked for.
    pub gc_timer: Option<u64>,
    /// *Read*: how many addresses it has learned (Linux 6.8).
    pub fdb_n_learned: Option<u32>,
}

choice! {
    /// Who looks for loops.
    StpMode: u32 {
        /// A program where one says so, else the kernel.
        Auto = 0 "auto",
        /// A program.
        User = 1 "user",
        /// The kernel.
        Kernel = 2 "kernel",
    }
}

/// Names a bridge in a spanning tree: the least of them is the root.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct BridgeId {
    /// Its priority.
    pub priority: u16,
    /// Its hardware address.
    pub mac: MacAddress,
}

impl BridgeId {
    pub(crate) fn read(attribute: Attribute<'_>) -> Option<BridgeId> {
        let [high, low, mac @ ..] = <[u8; 8]>::try_from(attribute.payload).ok()?;
        Some(BridgeId { priority: u16::from_be_bytes([high, low]), mac: mac.into() })
    }
}

/// Written as ip-link(8) writes it: `8000.2:42:a:0:29:1`.
impl fmt::Display for BridgeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}.", self.priority)?;
        for (place, octet) in self.mac.octets().iter().enumerate() {
            let colon = if place == 0 { "" } else { ":" };
            write!(f, "{colon}{octet:x}")?;
        }
        Ok(())
    }
}

numbers!(Bridge {
    IFLA_BR_FORWARD_DELAY u32 forward_delay,
    IFLA_BR_HELLO_TIME u32 hello_time,
    IFLA_BR_MAX_AGE u32 max_age,
    IFLA_BR_AGEING_TIME u32 ageing_time,
    IFLA_BR_STP_MODE u32 stp_mode,
    IFLA_BR_STP_STATE u32 stp_state,
    IFLA_BR_PRIORITY u16 priority,
    IFLA_BR_VLAN_FILTERING bool vlan_filtering,
    IFLA_BR_VLAN_PROTOCOL be16 vlan_protocol,
    IFLA_BR_VLAN_DEFAULT_PVID u16 vlan_default_pvid,
    IFLA_BR_VLAN_STATS_ENABLED bool vlan_stats_enabled,
    IFLA_BR_VLAN_STATS_PER_PORT bool vlan_stats_per_port,
    IFLA_BR_GROUP_FWD_MASK u16 group_fwd_mask,
    IFLA_BR_GROUP_ADDR mac group_addr,
    IFLA_BR_FDB_MAX_LEARNED u32 fdb_max_learned,
    IFLA_BR_FDB_FLUSH flag fdb_flush,
    IFLA_BR_MCAST_ROUTER u8 mcast_router,
    IFLA_BR_MCAST_SNOOPING bool mcast_snooping,
    IFLA_BR_MCAST_QUERY_USE_IFADDR bool mcast_query_use_ifaddr,
    IFLA_BR_MCAST_QUERIER bool mcast_querier,
    IFLA_BR_MCAST_HASH_MAX u32 mcast_hash_max,
    IFLA_BR_MCAST_LAST_MEMBER_CNT u32 mcast_last_member_count,
    IFLA_BR_MCAST_STARTUP_QUERY_CNT u32 mcast_startup_query_count,
    IFLA_BR_MCAST_LAST_MEMBER_INTVL u64 mcast_last_member_interval,
    IFLA_BR_MCAST_MEMBERSHIP_INTVL u64 mcast_membership_interval,
    IFLA_BR_MCAST_QUERIER_INTVL u64 mcast_querier_interval,
    IFLA_BR_MCAST_QUERY_INTVL u64 mcast_query_interval,
    IFLA_BR_MCAST_QUERY_RESPONSE_INTVL u64 mcast_query_response_interval,
    IFLA_BR_MCAST_STARTUP_QUERY_INTVL u64 mcast_startup_query_interval,
    IFLA_BR_MCAST_STATS_ENABLED bool mcast_stats_enabled,
    IFLA_BR_MCAST_IGMP_VERSION u8 mcast_igmp_version,
    IFLA_BR_MCAST_MLD_VERSION u8 mcast_mld_version,
    IFLA_BR_NF_CALL_IPTABLES bool nf_call_iptables,
    IFLA_BR_NF_CALL_IP6TABLES bool nf_call_ip6tables,
    IFLA_BR_NF_CALL_ARPTABLES bool nf_call_arptables,
} reads {
    IFLA_BR_ROOT_PORT u16 root_port,
    IFLA_BR_ROOT_PATH_COST u32 root_path_cost,
    IFLA_BR_TOPOLOGY_CHANGE bool topology_change,
    IFLA_BR_TOPOLOGY_CHANGE_DETECTED bool topology_change_detected,
    IFLA_BR_HELLO_TIMER u64 hello_timer,
    IFLA_BR_TCN_TIMER u64 tcn_timer,
    IFLA_BR_TOPOLOGY_CHANGE_TIMER u64 topology_change_timer,
    IFLA_BR_GC_TIMER u64 gc_timer,
    IFLA_BR_FDB_N_LEARNED u32 fdb_n_learned,
});

impl Bridge {
    pub(super) fn read(data: Attribute<'_>) -> Bridge {
        let mut bridge = Bridge::default();
        for attribute in data.nested() {
            match attribute.kind {
                IFLA_BR_ROOT_ID => bridge.root_id = BridgeId::read(attribute),
                IFLA_BR_BRIDGE_ID => bridge.bridge_id = BridgeId::read(attribute),
                IFLA_BR_MULTI_BOOLOPT => bridge.read_switches(attribute.payload),
                _ => bridge.read_number(attribute),
            }
        }
        if bridge.vlan_protocol.is_none() {
            // A kernel without VLANs in bridges tells of their switches too, and takes none.
            bridge.vlan_filtering = None;
            (bridge.mcast_vlan_snooping, bridge.mst_enabled, bridge.fdb_local_vlan_0) = (None, None, None);
        }
        bridge
    }

    /// The switches of `struct br_boolopt_multi`, in the order of their bits.
    fn switches(&mut self) -> [&mut Option<bool>; 5] {
        [
            &mut self.no_linklocal_learn,
            &mut self.mcast_vlan_snooping,
            &mut self.mst_enabled,
            &mut self.mdb_offload_fail_notification,
            &mut self.fdb_local_vlan_0,
        ]
    }

    /// Reads the switches' values, and which of them the kernel knows.
    fn read_switches(&mut self, payload: &[u8]) {
        let (Some(values), Some(known)) = (u32_at(payload, 0), u32_at(payload, 4)) else { return };
        for (bit, switch) in self.switches().into_iter().enumerate() {
            *switch = (known >> bit & 1 == 1).then_some(values >> bit & 1 == 1);
        }
    }

    fn write_switches(&self, request: &mut Request) {
        let (mut values, mut said) = (0_u32, 0_u32);
        for (bit, switch) in self.clone().switches().into_iter().enumerate() {
            if let Some(on) = *switch {
                said |= 1 << bit;
                values |= u32::from(on) << bit;
            }
        }
        if said != 0 {
            request.bytes(IFLA_BR_MULTI_BOOLOPT, [values.to_ne_bytes(), said.to_ne_bytes()].as_flattened());
        }
    }
}

impl Kind for Bridge {}

impl sealed::Kind for Bridge {
    fn name(&self) -> &'static str {
        "bridge"
    }

    fn check(&self) -> Result<(), Failure> {
        let group = |mac: MacAddress| matches!(mac.octets(), [1, 0x80, 0xc2, 0, 0, 0 | 4..=15]);
        check_mac_of(
            self.group_addr,
            group,
            "is no group of spanning tree, 01:80:c2:00:00:0X without 1 to 3",
        )?;
        if self.group_fwd_mask.is_some_and(|mask| mask & 7 != 0) {
            return Err(Failure::Input("the link-local groups 0 to 2 can't be forwarded".to_owned()));
        }
        Ok(())
    }

    fn write(&self, request: &mut Request, _: Outer) {
        self.write_numbers(request);
        self.write_switches(request);
    }
}

impl<'a> NewLink<'a, Bridge> {
    /// Names the bridge. As it is, the kernel gives it a MAC that changes when ports come and go, and an MTU that
    /// follows the least of them.
    pub fn new(name: impl Into<String>) -> NewLink<'a, Bridge> {
        NewLink::of(name, Bridge::default())
    }

    /// Says whether ports have VLANs of their own.
    pub fn vlan_filtering(mut self, on: bool) -> NewLink<'a, Bridge> {
        self.kind.vlan_filtering = Some(on);
        self
    }

    /// Says whether the kernel looks for loops.
    pub fn stp(mut self, on: bool) -> NewLink<'a, Bridge> {
        self.kind.stp_state = Some(on.into());
        self
    }
}

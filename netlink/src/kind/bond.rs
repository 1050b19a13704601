//! Bonds: links of several links.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Kind, Outer, check_mac_of, choice, numbers, sealed};
use crate::error::Failure;
use crate::link::NewLink;
use crate::mac::MacAddress;
use crate::wire::Request;
use crate::wire::attribute::Attribute;
use crate::wire::numbers::{
    IFLA_BOND_ACTIVE_SLAVE, IFLA_BOND_AD_ACTOR_SYS_PRIO, IFLA_BOND_AD_ACTOR_SYSTEM, IFLA_BOND_AD_INFO,
    IFLA_BOND_AD_INFO_ACTOR_KEY, IFLA_BOND_AD_INFO_AGGREGATOR, IFLA_BOND_AD_INFO_NUM_PORTS,
    IFLA_BOND_AD_INFO_PARTNER_KEY, IFLA_BOND_AD_INFO_PARTNER_MAC, IFLA_BOND_AD_LACP_ACTIVE,
    IFLA_BOND_AD_LACP_RATE, IFLA_BOND_AD_SELECT, IFLA_BOND_AD_USER_PORT_KEY, IFLA_BOND_ALL_SLAVES_ACTIVE,
    IFLA_BOND_ARP_ALL_TARGETS, IFLA_BOND_ARP_INTERVAL, IFLA_BOND_ARP_IP_TARGET, IFLA_BOND_ARP_VALIDATE,
    IFLA_BOND_BROADCAST_NEIGH, IFLA_BOND_COUPLED_CONTROL, IFLA_BOND_DOWNDELAY, IFLA_BOND_FAIL_OVER_MAC,
    IFLA_BOND_LACP_STRICT, IFLA_BOND_LP_INTERVAL, IFLA_BOND_MIIMON, IFLA_BOND_MIN_LINKS,
    IFLA_BOND_MISSED_MAX, IFLA_BOND_MODE, IFLA_BOND_NS_IP6_TARGET, IFLA_BOND_NUM_PEER_NOTIF,
    IFLA_BOND_PACKETS_PER_SLAVE, IFLA_BOND_PEER_NOTIF_DELAY, IFLA_BOND_PRIMARY, IFLA_BOND_PRIMARY_RESELECT,
    IFLA_BOND_RESEND_IGMP, IFLA_BOND_TLB_DYNAMIC_LB, IFLA_BOND_UPDELAY, IFLA_BOND_USE_CARRIER,
    IFLA_BOND_XMIT_HASH_POLICY,
};

/// A link of several links, its ports. On input `None` is the kernel's default, or as it is.
///
/// Many options are of some modes only; the kernel refuses them in others. Times are in milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bond {
    /// How packets are given to the ports; changed while it has none and is down.
    pub mode: Option<BondMode>,
    /// The index of the port in use, where one is; 0 on input is the kernel's choice.
    pub active_slave: Option<u32>,
    /// How often ports are looked at, in milliseconds; 0 is never.
    pub miimon: Option<u32>,
    /// How long a port must be up before it is used, a multiple of `miimon`, in milliseconds.
    pub updelay: Option<u32>,
    /// How long a port must be down before it isn't, a multiple of `miimon`, in milliseconds.
    pub downdelay: Option<u32>,
    /// How long to wait between telling neighbours of a new port, a multiple of `miimon`, in milliseconds.
    pub peer_notif_delay: Option<u32>,
    /// Whether drivers say if a port is up; always, since Linux 6.18.
    pub use_carrier: Option<bool>,
    /// How often neighbours are asked to see whether ports work, in milliseconds; 0 is never.
    pub arp_interval: Option<u32>,
    /// Those neighbours. What is said takes the place of all before; 16 at most.
    pub arp_ip_targets: Option<Vec<Ipv4Addr>>,
    /// The same in IPv6 (Linux 5.18).
    pub ns_ip6_targets: Option<Vec<Ipv6Addr>>,
    /// Which answers count.
    pub arp_validate: Option<ArpValidate>,
    /// Whether all of them must answer, or any.
    pub arp_all_targets: Option<ArpAllTargets>,
    /// How many answers may be missed (Linux 5.17).
    pub missed_max: Option<u8>,
    /// The index of the port that is preferred, where one is; 0 on input is none.
    pub primary: Option<u32>,
    /// When that one is used again.
    pub primary_reselect: Option<PrimaryReselect>,
    /// Whose hardware address the bond has; changed while it has no ports.
    pub fail_over_mac: Option<FailOverMac>,
    /// What makes packets go to the same port.
    pub xmit_hash_policy: Option<XmitHashPolicy>,
    /// How often it tells again which groups it wants, on a new port.
    pub resend_igmp: Option<u32>,
    /// How often it tells neighbours of a new port.
    pub num_peer_notif: Option<u8>,
    /// Whether packets are taken from ports that aren't in use.
    pub all_slaves_active: Option<bool>,
    /// How many ports must be up.
    pub min_links: Option<u32>,
    /// How often it tells switches where its addresses are, in seconds.
    pub lp_interval: Option<u32>,
    /// How many packets go to a port before the next one's turn; 0 is at random.
    pub packets_per_slave: Option<u32>,
    /// Whether ports are chosen by how busy they are.
    pub tlb_dynamic_lb: Option<bool>,
    /// Whether LACP packets are sent without being asked (Linux 5.15).
    pub lacp_active: Option<bool>,
    /// How often the other side is to send them.
    pub lacp_rate: Option<LacpRate>,
    /// Whether the bond is down while the other side says nothing (Linux 7.2).
    pub lacp_strict: Option<bool>,
    /// Which ports are used, if not all can be.
    pub ad_select: Option<AdSelect>,
    /// This side's priority; 1 to 65535. The kernel tells it to `CAP_NET_ADMIN` in the first user namespace only.
    pub ad_actor_sys_prio: Option<u16>,
    /// A part of the ports' key; 0 to 1023. Told as the priority is.
    pub ad_user_port_key: Option<u16>,
    /// This side's name; that of the bond if it is zero. Told as the priority is.
    pub ad_actor_system: Option<MacAddress>,
    /// Whether a port receives and sends at once (Linux 6.9).
    pub coupled_control: Option<bool>,
    /// Whether questions for neighbours go to all ports (Linux 6.17).
    pub broadcast_neigh: Option<bool>,
    /// *Read*: what was agreed with the other side.
    pub ad_info: Option<AdInfo>,
}

/// What a bond agreed with the other side (802.3ad).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AdInfo {
    /// The number of the ports in use.
    pub aggregator: u16,
    /// How many they are.
    pub num_ports: u16,
    /// Their key.
    pub actor_key: u16,
    /// The other side's key.
    pub partner_key: u16,
    /// The other side's name.
    pub partner_mac: Option<MacAddress>,
}

choice! {
    /// How a bond gives packets to its ports.
    BondMode: u8 {
        /// In turn.
        BalanceRr = 0 "balance-rr",
        /// To one, while it works.
        ActiveBackup = 1 "active-backup",
        /// By what is in them.
        BalanceXor = 2 "balance-xor",
        /// To all.
        Broadcast = 3 "broadcast",
        /// As agreed with the switch (LACP).
        Lacp = 4 "802.3ad",
        /// To the least busy.
        BalanceTlb = 5 "balance-tlb",
        /// The same, for what is received too.
        BalanceAlb = 6 "balance-alb",
    }
}

choice! {
    /// What makes a bond's packets go to the same port.
    XmitHashPolicy: u8 {
        /// Their hardware addresses.
        Layer2 = 0 "layer2",
        /// Their addresses and ports.
        Layer34 = 1 "layer3+4",
        /// Their hardware addresses and addresses.
        Layer23 = 2 "layer2+3",
        /// The hardware addresses and addresses of what is in them.
        Encap23 = 3 "encap2+3",
        /// The addresses and ports of what is in them.
        Encap34 = 4 "encap3+4",
        /// Their VLAN and sender.
        VlanSrcmac = 5 "vlan+srcmac",
    }
}

choice! {
    /// How often LACP packets are sent.
    LacpRate: u8 {
        /// Every 30 seconds.
        Slow = 0 "slow",
        /// Every second.
        Fast = 1 "fast",
    }
}

choice! {
    /// Which ports a bond uses, if not all can be.
    AdSelect: u8 {
        /// Those that were first.
        Stable = 0 "stable",
        /// Those that carry most, chosen when ports change.
        Bandwidth = 1 "bandwidth",
        /// Those that are most.
        Count = 2 "count",
        /// Those of the best priority.
        ActorPortPrio = 3 "actor_port_prio",
    }
}

choice! {
    /// Whose hardware address a bond has.
    FailOverMac: u8 {
        /// The ports have that of the bond.
        None = 0 "none",
        /// That of the port in use.
        Active = 1 "active",
        /// The port in use has that of the bond.
        Follow = 2 "follow",
    }
}

choice! {
    /// When a bond's preferred port is used again.
    PrimaryReselect: u8 {
        /// When it is up.
        Always = 0 "always",
        /// When it is up and faster.
        Better = 1 "better",
        /// When the other fails.
        Failure = 2 "failure",
    }
}

choice! {
    /// Which neighbours' answers count.
    ArpValidate: u32 {
        /// Any packet does.
        None = 0 "none",
        /// Answers on the port in use.
        Active = 1 "active",
        /// Answers on the others.
        Backup = 2 "backup",
        /// Answers on all.
        All = 3 "all",
        /// Questions and answers, wherever from.
        Filter = 4 "filter",
        /// Those, checked on the port in use.
        FilterActive = 5 "filter_active",
        /// Those, checked on the others.
        FilterBackup = 6 "filter_backup",
    }
}

choice! {
    /// Whether all neighbours must answer.
    ArpAllTargets: u32 {
        /// One must.
        Any = 0 "any",
        /// All must.
        All = 1 "all",
    }
}

// The mode is first: what it allows the kernel looks at behind it.
numbers!(Bond {
    IFLA_BOND_MODE u8 mode,
    IFLA_BOND_ACTIVE_SLAVE index active_slave,
    IFLA_BOND_MIIMON u32 miimon,
    IFLA_BOND_UPDELAY u32 updelay,
    IFLA_BOND_DOWNDELAY u32 downdelay,
    IFLA_BOND_PEER_NOTIF_DELAY u32 peer_notif_delay,
    IFLA_BOND_USE_CARRIER bool use_carrier,
    IFLA_BOND_ARP_INTERVAL u32 arp_interval,
    IFLA_BOND_ARP_VALIDATE u32 arp_validate,
    IFLA_BOND_ARP_ALL_TARGETS u32 arp_all_targets,
    IFLA_BOND_MISSED_MAX u8 missed_max,
    IFLA_BOND_PRIMARY index primary,
    IFLA_BOND_PRIMARY_RESELECT u8 primary_reselect,
    IFLA_BOND_FAIL_OVER_MAC u8 fail_over_mac,
    IFLA_BOND_XMIT_HASH_POLICY u8 xmit_hash_policy,
    IFLA_BOND_RESEND_IGMP u32 resend_igmp,
    IFLA_BOND_NUM_PEER_NOTIF u8 num_peer_notif,
    IFLA_BOND_ALL_SLAVES_ACTIVE bool all_slaves_active,
    IFLA_BOND_MIN_LINKS u32 min_links,
    IFLA_BOND_LP_INTERVAL u32 lp_interval,
    IFLA_BOND_PACKETS_PER_SLAVE u32 packets_per_slave,
    IFLA_BOND_TLB_DYNAMIC_LB bool tlb_dynamic_lb,
    IFLA_BOND_AD_LACP_ACTIVE bool lacp_active,
    IFLA_BOND_AD_LACP_RATE u8 lacp_rate,
    IFLA_BOND_LACP_STRICT bool lacp_strict,
    IFLA_BOND_AD_SELECT u8 ad_select,
    IFLA_BOND_AD_ACTOR_SYS_PRIO u16 ad_actor_sys_prio,
    IFLA_BOND_AD_USER_PORT_KEY u16 ad_user_port_key,
    IFLA_BOND_AD_ACTOR_SYSTEM mac ad_actor_system,
    IFLA_BOND_COUPLED_CONTROL bool coupled_control,
    IFLA_BOND_BROADCAST_NEIGH bool broadcast_neigh,
});

impl Bond {
    pub(super) fn read(data: Attribute<'_>) -> Bond {
        let mut bond = Bond::default();
        for attribute in data.nested() {
            match attribute.kind {
                IFLA_BOND_ARP_IP_TARGET => {
                    let four = |one: Attribute<'_>| <[u8; 4]>::try_from(one.payload).ok().map(Ipv4Addr::from);
                    bond.arp_ip_targets = Some(attribute.nested().filter_map(four).collect());
                }
                IFLA_BOND_NS_IP6_TARGET => {
                    let six = |one: Attribute<'_>| <[u8; 16]>::try_from(one.payload).ok().map(Ipv6Addr::from);
                    bond.ns_ip6_targets = Some(attribute.nested().filter_map(six).collect());
                }
                IFLA_BOND_AD_INFO => bond.ad_info = Some(AdInfo::read(attribute)),
                _ => bond.read_number(attribute),
            }
        }
        bond
    }
}

impl AdInfo {
    fn read(data: Attribute<'_>) -> AdInfo {
        let mut info = AdInfo::default();
        for attribute in data.nested() {
            let number = attribute.u16().unwrap_or_default();
            match attribute.kind {
                IFLA_BOND_AD_INFO_AGGREGATOR => info.aggregator = number,
                IFLA_BOND_AD_INFO_NUM_PORTS => info.num_ports = number,
                IFLA_BOND_AD_INFO_ACTOR_KEY => info.actor_key = number,
                IFLA_BOND_AD_INFO_PARTNER_KEY => info.partner_key = number,
                IFLA_BOND_AD_INFO_PARTNER_MAC => info.partner_mac = attribute.mac(),
                _ => {}
            }
        }
        info
    }
}

/// Writes the neighbours that are asked, numbered from 0. An empty list takes all away.
fn write_targets(request: &mut Request, kind: u16, targets: impl Iterator<Item = IpAddr>) {
    request.nest(kind, |request| {
        for (number, target) in (0_u16..).zip(targets) {
            request.ip(number, target);
        }
    });
}

impl Kind for Bond {}

impl sealed::Kind for Bond {
    fn name(&self) -> &'static str {
        "bond"
    }

    fn check(&self) -> Result<(), Failure> {
        let most = self.arp_ip_targets.as_ref().map_or(0, Vec::len);
        if most.max(self.ns_ip6_targets.as_ref().map_or(0, Vec::len)) > 16 {
            return Err(Failure::Input("a bond asks 16 neighbours at most".to_owned()));
        }
        let single = |mac: MacAddress| mac.octets()[0] & 1 == 0;
        check_mac_of(self.ad_actor_system, single, "is a group's address")
    }

    fn write(&self, request: &mut Request, _: Outer) {
        self.write_numbers(request);
        if let Some(targets) = &self.arp_ip_targets {
            write_targets(request, IFLA_BOND_ARP_IP_TARGET, targets.iter().copied().map(IpAddr::from));
        }
        if let Some(targets) = &self.ns_ip6_targets {
            write_targets(request, IFLA_BOND_NS_IP6_TARGET, targets.iter().copied().map(IpAddr::from));
        }
    }
}

impl<'a> NewLink<'a, Bond> {
    /// Names the bond, and how it gives packets to its ports, which are made ports
    /// [later](crate::Handle::set_master), while they are down.
    pub fn new(name: impl Into<String>, mode: BondMode) -> NewLink<'a, Bond> {
        NewLink::of(name, Bond { mode: Some(mode), ..Bond::default() })
    }
}

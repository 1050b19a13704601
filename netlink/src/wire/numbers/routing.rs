//! The kernel's numbers about routes, rules, next hops, neighbours and what bridges know.
//!
//! Of `linux/rtnetlink.h`, `linux/lwtunnel.h` and those of its tunnels, `linux/fib_rules.h`, `linux/nexthop.h`,
//! `linux/neighbour.h`, `linux/if_bridge.h` and `linux/if_link.h`.

use super::{Names, RTM_GETVLAN, RTM_NEWVLAN};

pub(crate) const AF_BRIDGE: u8 = 7;
pub(crate) const AF_MPLS: u8 = 28;

pub(crate) const RTM_NEWROUTE: u16 = 24;
pub(crate) const RTM_DELROUTE: u16 = 25;
pub(crate) const RTM_GETROUTE: u16 = 26;
pub(crate) const RTM_NEWNEIGH: u16 = 28;
pub(crate) const RTM_DELNEIGH: u16 = 29;
pub(crate) const RTM_GETNEIGH: u16 = 30;
pub(crate) const RTM_NEWRULE: u16 = 32;
pub(crate) const RTM_DELRULE: u16 = 33;
pub(crate) const RTM_GETRULE: u16 = 34;
pub(crate) const RTM_NEWNEIGHTBL: u16 = 64;
pub(crate) const RTM_GETNEIGHTBL: u16 = 66;
pub(crate) const RTM_SETNEIGHTBL: u16 = 67;
pub(crate) const RTM_NEWMDB: u16 = 84;
pub(crate) const RTM_DELMDB: u16 = 85;
pub(crate) const RTM_GETMDB: u16 = 86;
pub(crate) const RTM_NEWNEXTHOP: u16 = 104;
pub(crate) const RTM_DELNEXTHOP: u16 = 105;
pub(crate) const RTM_GETNEXTHOP: u16 = 106;
pub(crate) const RTM_NEWNEXTHOPBUCKET: u16 = 116;
pub(crate) const RTM_GETNEXTHOPBUCKET: u16 = 118;
pub(crate) const RTM_NEWTUNNEL: u16 = 120;
pub(crate) const RTM_DELTUNNEL: u16 = 121;
pub(crate) const RTM_GETTUNNEL: u16 = 122;

/// To delete: all that match.
pub(crate) const NLM_F_BULK: u16 = 0x200;

pub(crate) const RTM_F_CLONED: u32 = 0x200;
pub(crate) const RTM_F_LOOKUP_TABLE: u32 = 0x1000;
pub(crate) const RTM_F_FIB_MATCH: u32 = 0x2000;
pub(crate) const RT_TABLE_COMPAT: u8 = 252;
pub(crate) const RT_TABLE_MAIN: u8 = 254;
pub(crate) const RTPROT_BOOT: u8 = 3;

pub(crate) const RTEXT_FILTER_BRVLAN_COMPRESSED: u32 = 4;
/// How many of the kernel's clock ticks, as user space is told them, make a second.
pub(crate) const USER_HZ: u64 = 100;

attributes! {
    /// Of a route.
    RTA:
    RTA_DST = 1,
    RTA_SRC = 2,
    RTA_IIF = 3,
    RTA_OIF = 4,
    RTA_GATEWAY = 5,
    RTA_PRIORITY = 6,
    RTA_PREFSRC = 7,
    RTA_METRICS = 8,
    RTA_MULTIPATH = 9,
    RTA_FLOW = 11,
    RTA_CACHEINFO = 12,
    RTA_TABLE = 15,
    RTA_MARK = 16,
    RTA_VIA = 18,
    RTA_NEWDST = 19,
    RTA_PREF = 20,
    RTA_ENCAP_TYPE = 21,
    RTA_ENCAP = 22,
    RTA_EXPIRES = 23,
    RTA_UID = 25,
    RTA_TTL_PROPAGATE = 26,
    RTA_IP_PROTO = 27,
    RTA_SPORT = 28,
    RTA_DPORT = 29,
    RTA_NH_ID = 30,
}

attributes! {
    /// Within `RTA_METRICS`.
    RTAX:
    RTAX_LOCK = 1,
    RTAX_MTU = 2,
    RTAX_WINDOW = 3,
    RTAX_RTT = 4,
    RTAX_RTTVAR = 5,
    RTAX_SSTHRESH = 6,
    RTAX_CWND = 7,
    RTAX_ADVMSS = 8,
    RTAX_REORDERING = 9,
    RTAX_HOPLIMIT = 10,
    RTAX_INITCWND = 11,
    RTAX_FEATURES = 12,
    RTAX_RTO_MIN = 13,
    RTAX_INITRWND = 14,
    RTAX_QUICKACK = 15,
    RTAX_CC_ALGO = 16,
    RTAX_FASTOPEN_NO_COOKIE = 17,
}

// What a packet is wrapped into.
pub(crate) const LWTUNNEL_ENCAP_MPLS: u16 = 1;
pub(crate) const LWTUNNEL_ENCAP_IP: u16 = 2;
pub(crate) const LWTUNNEL_ENCAP_IP6: u16 = 4;
pub(crate) const LWTUNNEL_ENCAP_SEG6: u16 = 5;
pub(crate) const LWTUNNEL_ENCAP_BPF: u16 = 6;
pub(crate) const LWTUNNEL_ENCAP_SEG6_LOCAL: u16 = 7;
pub(crate) const LWTUNNEL_ENCAP_RPL: u16 = 8;
pub(crate) const LWTUNNEL_ENCAP_XFRM: u16 = 10;

pub(crate) const MPLS_IPTUNNEL_DST: u16 = 1;
pub(crate) const MPLS_IPTUNNEL_TTL: u16 = 2;

pub(crate) const LWTUNNEL_IP_ID: u16 = 1;
pub(crate) const LWTUNNEL_IP_DST: u16 = 2;
pub(crate) const LWTUNNEL_IP_SRC: u16 = 3;
pub(crate) const LWTUNNEL_IP_TTL: u16 = 4;
pub(crate) const LWTUNNEL_IP_TOS: u16 = 5;
pub(crate) const LWTUNNEL_IP_FLAGS: u16 = 6;

pub(crate) const SEG6_IPTUNNEL_SRH: u16 = 1;
pub(crate) const RPL_IPTUNNEL_SRH: u16 = 1;

pub(crate) const SEG6_LOCAL_ACTION: u16 = 1;
pub(crate) const SEG6_LOCAL_SRH: u16 = 2;
pub(crate) const SEG6_LOCAL_TABLE: u16 = 3;
pub(crate) const SEG6_LOCAL_NH4: u16 = 4;
pub(crate) const SEG6_LOCAL_NH6: u16 = 5;
pub(crate) const SEG6_LOCAL_IIF: u16 = 6;
pub(crate) const SEG6_LOCAL_OIF: u16 = 7;
pub(crate) const SEG6_LOCAL_BPF: u16 = 8;
pub(crate) const SEG6_LOCAL_VRFTABLE: u16 = 9;
pub(crate) const SEG6_LOCAL_BPF_PROG: u16 = 1;
pub(crate) const SEG6_LOCAL_BPF_PROG_NAME: u16 = 2;

pub(crate) const LWT_BPF_IN: u16 = 1;
pub(crate) const LWT_BPF_OUT: u16 = 2;
pub(crate) const LWT_BPF_XMIT: u16 = 3;
pub(crate) const LWT_BPF_XMIT_HEADROOM: u16 = 4;
pub(crate) const LWT_BPF_PROG_FD: u16 = 1;
pub(crate) const LWT_BPF_PROG_NAME: u16 = 2;

pub(crate) const LWT_XFRM_IF_ID: u16 = 1;
pub(crate) const LWT_XFRM_LINK: u16 = 2;

attributes! {
    /// Of a rule.
    FRA:
    FRA_DST = 1,
    FRA_SRC = 2,
    FRA_IIFNAME = 3,
    FRA_GOTO = 4,
    FRA_PRIORITY = 6,
    FRA_FWMARK = 10,
    FRA_FLOW = 11,
    FRA_TUN_ID = 12,
    FRA_SUPPRESS_IFGROUP = 13,
    FRA_SUPPRESS_PREFIXLEN = 14,
    FRA_TABLE = 15,
    FRA_FWMASK = 16,
    FRA_OIFNAME = 17,
    FRA_L3MDEV = 19,
    FRA_UID_RANGE = 20,
    FRA_PROTOCOL = 21,
    FRA_IP_PROTO = 22,
    FRA_SPORT_RANGE = 23,
    FRA_DPORT_RANGE = 24,
    FRA_DSCP = 25,
}

attributes! {
    /// Of a next hop object.
    NHA:
    NHA_ID = 1,
    NHA_GROUP = 2,
    NHA_GROUP_TYPE = 3,
    NHA_BLACKHOLE = 4,
    NHA_OIF = 5,
    NHA_GATEWAY = 6,
    NHA_ENCAP_TYPE = 7,
    NHA_ENCAP = 8,
    NHA_GROUPS = 9,
    NHA_MASTER = 10,
    NHA_FDB = 11,
    NHA_RES_GROUP = 12,
    NHA_RES_BUCKET = 13,
}

attributes! {
    /// Within `NHA_RES_GROUP`.
    NHA_RES_GROUPS:
    NHA_RES_GROUP_BUCKETS = 1,
    NHA_RES_GROUP_IDLE_TIMER = 2,
    NHA_RES_GROUP_UNBALANCED_TIMER = 3,
    NHA_RES_GROUP_UNBALANCED_TIME = 4,
}

attributes! {
    /// Within `NHA_RES_BUCKET`.
    NHA_RES_BUCKETS:
    NHA_RES_BUCKET_INDEX = 1,
    NHA_RES_BUCKET_IDLE_TIME = 2,
    NHA_RES_BUCKET_NH_ID = 3,
}

attributes! {
    /// Of a neighbour, or of an address that a bridge knows.
    NDA:
    NDA_DST = 1,
    NDA_LLADDR = 2,
    NDA_CACHEINFO = 3,
    NDA_PROBES = 4,
    NDA_VLAN = 5,
    NDA_PORT = 6,
    NDA_VNI = 7,
    NDA_IFINDEX = 8,
    NDA_MASTER = 9,
    NDA_LINK_NETNSID = 10,
    NDA_SRC_VNI = 11,
    NDA_PROTOCOL = 12,
    NDA_NH_ID = 13,
    NDA_FDB_EXT_ATTRS = 14,
    NDA_FLAGS_EXT = 15,
    NDA_NDM_STATE_MASK = 16,
    NDA_NDM_FLAGS_MASK = 17,
}

attributes! {
    /// Within `NDA_FDB_EXT_ATTRS`.
    NFEA:
    NFEA_ACTIVITY_NOTIFY = 1,
    NFEA_DONT_REFRESH = 2,
}

attributes! {
    /// Of a table of neighbours.
    NDTA:
    NDTA_NAME = 1,
    NDTA_THRESH1 = 2,
    NDTA_THRESH2 = 3,
    NDTA_THRESH3 = 4,
    NDTA_PARMS = 6,
    NDTA_GC_INTERVAL = 8,
}

attributes! {
    /// Within `NDTA_PARMS`.
    NDTPA:
    NDTPA_IFINDEX = 1,
    NDTPA_REACHABLE_TIME = 3,
    NDTPA_BASE_REACHABLE_TIME = 4,
    NDTPA_RETRANS_TIME = 5,
    NDTPA_GC_STALETIME = 6,
    NDTPA_DELAY_PROBE_TIME = 7,
    NDTPA_APP_PROBES = 9,
    NDTPA_UCAST_PROBES = 10,
    NDTPA_MCAST_PROBES = 11,
    NDTPA_ANYCAST_DELAY = 12,
    NDTPA_PROXY_DELAY = 13,
    NDTPA_PROXY_QLEN = 14,
    NDTPA_LOCKTIME = 15,
    NDTPA_QUEUE_LENBYTES = 16,
    NDTPA_MCAST_REPROBES = 17,
}

// Within the IFLA_AF_SPEC of a bridge or its port.
pub(crate) const IFLA_BRIDGE_FLAGS: u16 = 0;
pub(crate) const IFLA_BRIDGE_VLAN_INFO: u16 = 2;
pub(crate) const IFLA_BRIDGE_VLAN_TUNNEL_INFO: u16 = 3;
pub(crate) const IFLA_BRIDGE_VLAN_TUNNEL_ID: u16 = 1;
pub(crate) const IFLA_BRIDGE_VLAN_TUNNEL_VID: u16 = 2;
pub(crate) const IFLA_BRIDGE_VLAN_TUNNEL_FLAGS: u16 = 3;
pub(crate) const BRIDGE_FLAGS_SELF: u16 = 2;
pub(crate) const BRIDGE_VLAN_INFO_RANGE_BEGIN: u16 = 8;
pub(crate) const BRIDGE_VLAN_INFO_RANGE_END: u16 = 16;
/// On a change: the VLANs are there, and only options are said.
pub(crate) const BRIDGE_VLAN_INFO_ONLY_OPTS: u16 = 64;

attributes! {
    /// Of the VLANs of a bridge or port, and their options.
    BRIDGE_VLANDB:
    BRIDGE_VLANDB_ENTRY = 1,
}

attributes! {
    /// Within `BRIDGE_VLANDB_ENTRY`.
    BRIDGE_VLANDB_ENTRIES:
    BRIDGE_VLANDB_ENTRY_INFO = 1,
    BRIDGE_VLANDB_ENTRY_RANGE = 2,
    BRIDGE_VLANDB_ENTRY_STATE = 3,
    BRIDGE_VLANDB_ENTRY_TUNNEL_INFO = 4,
    BRIDGE_VLANDB_ENTRY_MCAST_ROUTER = 6,
    BRIDGE_VLANDB_ENTRY_MCAST_N_GROUPS = 7,
    BRIDGE_VLANDB_ENTRY_MCAST_MAX_GROUPS = 8,
    BRIDGE_VLANDB_ENTRY_NEIGH_SUPPRESS = 9,
}
pub(crate) const BRIDGE_VLANDB_TINFO_ID: u16 = 1;

attributes! {
    /// Of a change to a bridge's multicast groups.
    MDBA_SET:
    MDBA_SET_ENTRY = 1,
    MDBA_SET_ENTRY_ATTRS = 2,
}

attributes! {
    /// Within `MDBA_SET_ENTRY_ATTRS`.
    MDBE_ATTR:
    MDBE_ATTR_SOURCE = 1,
    MDBE_ATTR_SRC_LIST = 2,
    MDBE_ATTR_GROUP_MODE = 3,
    MDBE_ATTR_RTPROT = 4,
}

// A list of a bridge's multicast groups.
pub(crate) const MDBA_MDB: u16 = 1;
pub(crate) const MDBA_MDB_ENTRY: u16 = 1;
pub(crate) const MDBA_MDB_ENTRY_INFO: u16 = 1;
pub(crate) const MDBA_MDB_EATTR_TIMER: u16 = 1;
pub(crate) const MDBA_MDB_EATTR_SRC_LIST: u16 = 2;
pub(crate) const MDBA_MDB_EATTR_GROUP_MODE: u16 = 3;
pub(crate) const MDBA_MDB_EATTR_SOURCE: u16 = 4;
pub(crate) const MDBA_MDB_EATTR_RTPROT: u16 = 5;
/// The same where groups are listed and where they are set.
pub(crate) const MDB_SRC_LIST_ENTRY: u16 = 1;
pub(crate) const MDB_SRCATTR_ADDRESS: u16 = 1;

attributes! {
    /// Of the networks that a VXLAN link takes.
    VXLAN_VNIFILTER:
    VXLAN_VNIFILTER_ENTRY = 1,
}

attributes! {
    /// Within `VXLAN_VNIFILTER_ENTRY`.
    VXLAN_VNIFILTER_ENTRIES:
    VXLAN_VNIFILTER_ENTRY_START = 1,
    VXLAN_VNIFILTER_ENTRY_END = 2,
    VXLAN_VNIFILTER_ENTRY_GROUP = 3,
    VXLAN_VNIFILTER_ENTRY_GROUP6 = 4,
}

/// The names of the attributes of a message, and the length of the header before them.
pub(super) fn layout(message: u16) -> Option<(Names, usize)> {
    Some(match message {
        RTM_NEWROUTE..=RTM_GETROUTE => (RTA, 12),
        RTM_NEWNEIGH..=RTM_GETNEIGH => (NDA, 12),
        RTM_NEWRULE..=RTM_GETRULE => (FRA, 12),
        RTM_NEWNEIGHTBL..=RTM_SETNEIGHTBL => (NDTA, 4),
        RTM_NEWMDB..=RTM_GETMDB => (MDBA_SET, 8),
        RTM_NEWNEXTHOP..=RTM_GETNEXTHOP | RTM_NEWNEXTHOPBUCKET..=RTM_GETNEXTHOPBUCKET => (NHA, 8),
        RTM_NEWTUNNEL..=RTM_GETTUNNEL => (VXLAN_VNIFILTER, 8),
        RTM_NEWVLAN..=RTM_GETVLAN => (BRIDGE_VLANDB, 8),
        _ => return None,
    })
}

/// The names inside an attribute, and the length of the header before them.
pub(super) fn inside(name: &str) -> Option<(Names, usize)> {
    let names = match name {
        "RTA_METRICS" => RTAX,
        "NHA_RES_GROUP" => NHA_RES_GROUPS,
        "NHA_RES_BUCKET" => NHA_RES_BUCKETS,
        "NDA_FDB_EXT_ATTRS" => NFEA,
        "NDTA_PARMS" => NDTPA,
        "MDBA_SET_ENTRY_ATTRS" => MDBE_ATTR,
        "BRIDGE_VLANDB_ENTRY" => BRIDGE_VLANDB_ENTRIES,
        "VXLAN_VNIFILTER_ENTRY" => VXLAN_VNIFILTER_ENTRIES,
        _ => return None,
    };
    Some((names, 0))
}

//! The kernel's numbers of traffic control, with the names that errors show.
//!
//! Of `linux/rtnetlink.h`, `linux/pkt_sched.h`, `linux/pkt_cls.h` and `linux/tc_act/`; whole tables, since an error
//! may name any of them.
#![allow(dead_code)]

use crate::wire::numbers::{Names, attributes, name_of};

pub(crate) const RTM_NEWQDISC: u16 = 36;
pub(crate) const RTM_DELQDISC: u16 = 37;
pub(crate) const RTM_GETQDISC: u16 = 38;
pub(crate) const RTM_NEWTCLASS: u16 = 40;
pub(crate) const RTM_DELTCLASS: u16 = 41;
pub(crate) const RTM_GETTCLASS: u16 = 42;
pub(crate) const RTM_NEWTFILTER: u16 = 44;
pub(crate) const RTM_DELTFILTER: u16 = 45;
pub(crate) const RTM_GETTFILTER: u16 = 46;
pub(crate) const RTM_NEWACTION: u16 = 48;
pub(crate) const RTM_DELACTION: u16 = 49;
pub(crate) const RTM_GETACTION: u16 = 50;
pub(crate) const RTM_NEWCHAIN: u16 = 100;
pub(crate) const RTM_DELCHAIN: u16 = 101;
pub(crate) const RTM_GETCHAIN: u16 = 102;

attributes! {
    /// Of a qdisc, class, filter and chain.
    TCA:
    TCA_KIND = 1,
    TCA_OPTIONS = 2,
    TCA_STATS = 3,
    TCA_XSTATS = 4,
    TCA_RATE = 5,
    TCA_FCNT = 6,
    TCA_STATS2 = 7,
    TCA_STAB = 8,
    TCA_DUMP_INVISIBLE = 10,
    TCA_CHAIN = 11,
    TCA_HW_OFFLOAD = 12,
    TCA_INGRESS_BLOCK = 13,
    TCA_EGRESS_BLOCK = 14,
    TCA_DUMP_FLAGS = 15,
    TCA_EXT_WARN_MSG = 16,
}

attributes! {
    /// Of a message about actions.
    TCAA:
    TCA_ACT_TAB = 1,
    TCA_ROOT_FLAGS = 2,
    TCA_ROOT_COUNT = 3,
}

attributes! {
    /// Of one action.
    TCA_ACT:
    TCA_ACT_KIND = 1,
    TCA_ACT_OPTIONS = 2,
    TCA_ACT_INDEX = 3,
    TCA_ACT_STATS = 4,
    TCA_ACT_COOKIE = 6,
    TCA_ACT_FLAGS = 7,
    TCA_ACT_HW_STATS = 8,
    TCA_ACT_USED_HW_STATS = 9,
    TCA_ACT_IN_HW_COUNT = 10,
}

attributes! {
    /// Within `TCA_STATS2` and `TCA_ACT_STATS`.
    TCA_STATS_TABLE:
    TCA_STATS_BASIC = 1,
    TCA_STATS_RATE_EST = 2,
    TCA_STATS_QUEUE = 3,
    TCA_STATS_APP = 4,
    TCA_STATS_RATE_EST64 = 5,
    TCA_STATS_BASIC_HW = 7,
    TCA_STATS_PKT64 = 8,
}

attributes! {
    /// Within the `TCA_OPTIONS` of tbf.
    TCA_TBF:
    TCA_TBF_PARMS = 1,
    TCA_TBF_RTAB = 2,
    TCA_TBF_PTAB = 3,
    TCA_TBF_RATE64 = 4,
    TCA_TBF_PRATE64 = 5,
    TCA_TBF_BURST = 6,
    TCA_TBF_PBURST = 7,
}

attributes! {
    /// Within the `TCA_OPTIONS` of htb.
    TCA_HTB:
    TCA_HTB_PARMS = 1,
    TCA_HTB_INIT = 2,
    TCA_HTB_CTAB = 3,
    TCA_HTB_RTAB = 4,
    TCA_HTB_DIRECT_QLEN = 5,
    TCA_HTB_RATE64 = 6,
    TCA_HTB_CEIL64 = 7,
    TCA_HTB_OFFLOAD = 9,
}

attributes! {
    /// Within the `TCA_OPTIONS` of fq.
    TCA_FQ:
    TCA_FQ_PLIMIT = 1,
    TCA_FQ_FLOW_PLIMIT = 2,
    TCA_FQ_QUANTUM = 3,
    TCA_FQ_INITIAL_QUANTUM = 4,
    TCA_FQ_RATE_ENABLE = 5,
    TCA_FQ_FLOW_DEFAULT_RATE = 6,
    TCA_FQ_FLOW_MAX_RATE = 7,
    TCA_FQ_BUCKETS_LOG = 8,
    TCA_FQ_FLOW_REFILL_DELAY = 9,
    TCA_FQ_ORPHAN_MASK = 10,
    TCA_FQ_LOW_RATE_THRESHOLD = 11,
    TCA_FQ_CE_THRESHOLD = 12,
    TCA_FQ_TIMER_SLACK = 13,
    TCA_FQ_HORIZON = 14,
    TCA_FQ_HORIZON_DROP = 15,
    TCA_FQ_PRIOMAP = 16,
    TCA_FQ_WEIGHTS = 17,
    TCA_FQ_OFFLOAD_HORIZON = 18,
}

attributes! {
    /// Within the `TCA_OPTIONS` of fq_codel.
    TCA_FQ_CODEL:
    TCA_FQ_CODEL_TARGET = 1,
    TCA_FQ_CODEL_LIMIT = 2,
    TCA_FQ_CODEL_INTERVAL = 3,
    TCA_FQ_CODEL_ECN = 4,
    TCA_FQ_CODEL_FLOWS = 5,
    TCA_FQ_CODEL_QUANTUM = 6,
    TCA_FQ_CODEL_CE_THRESHOLD = 7,
    TCA_FQ_CODEL_DROP_BATCH_SIZE = 8,
    TCA_FQ_CODEL_MEMORY_LIMIT = 9,
    TCA_FQ_CODEL_CE_THRESHOLD_SELECTOR = 10,
    TCA_FQ_CODEL_CE_THRESHOLD_MASK = 11,
}

attributes! {
    /// Within the `TCA_OPTIONS` of netem.
    TCA_NETEM:
    TCA_NETEM_CORR = 1,
    TCA_NETEM_DELAY_DIST = 2,
    TCA_NETEM_REORDER = 3,
    TCA_NETEM_CORRUPT = 4,
    TCA_NETEM_LOSS = 5,
    TCA_NETEM_RATE = 6,
    TCA_NETEM_ECN = 7,
    TCA_NETEM_RATE64 = 8,
    TCA_NETEM_LATENCY64 = 10,
    TCA_NETEM_JITTER64 = 11,
    TCA_NETEM_SLOT = 12,
    TCA_NETEM_SLOT_DIST = 13,
    TCA_NETEM_PRNG_SEED = 14,
}

attributes! {
    /// Within the `TCA_OPTIONS` of red.
    TCA_RED:
    TCA_RED_PARMS = 1,
    TCA_RED_STAB = 2,
    TCA_RED_MAX_P = 3,
    TCA_RED_FLAGS = 4,
    TCA_RED_EARLY_DROP_BLOCK = 5,
    TCA_RED_MARK_BLOCK = 6,
}

attributes! {
    /// Within the `TCA_OPTIONS` of cake.
    TCA_CAKE:
    TCA_CAKE_BASE_RATE64 = 2,
    TCA_CAKE_DIFFSERV_MODE = 3,
    TCA_CAKE_ATM = 4,
    TCA_CAKE_FLOW_MODE = 5,
    TCA_CAKE_OVERHEAD = 6,
    TCA_CAKE_RTT = 7,
    TCA_CAKE_TARGET = 8,
    TCA_CAKE_AUTORATE = 9,
    TCA_CAKE_MEMORY = 10,
    TCA_CAKE_NAT = 11,
    TCA_CAKE_RAW = 12,
    TCA_CAKE_WASH = 13,
    TCA_CAKE_MPU = 14,
    TCA_CAKE_INGRESS = 15,
    TCA_CAKE_ACK_FILTER = 16,
    TCA_CAKE_SPLIT_GSO = 17,
    TCA_CAKE_FWMARK = 18,
}

attributes! {
    /// Within the `TCA_OPTIONS` of drr.
    TCA_DRR:
    TCA_DRR_QUANTUM = 1,
}

attributes! {
    /// Within the `TCA_OPTIONS` of hfsc.
    TCA_HFSC:
    TCA_HFSC_RSC = 1,
    TCA_HFSC_FSC = 2,
    TCA_HFSC_USC = 3,
}

attributes! {
    /// Within the `TCA_OPTIONS` of codel.
    TCA_CODEL:
    TCA_CODEL_TARGET = 1,
    TCA_CODEL_LIMIT = 2,
    TCA_CODEL_INTERVAL = 3,
    TCA_CODEL_ECN = 4,
    TCA_CODEL_CE_THRESHOLD = 5,
}

attributes! {
    /// Within the `TCA_OPTIONS` of mqprio.
    TCA_MQPRIO:
    TCA_MQPRIO_MODE = 1,
    TCA_MQPRIO_SHAPER = 2,
    TCA_MQPRIO_MIN_RATE64 = 3,
    TCA_MQPRIO_MAX_RATE64 = 4,
}

attributes! {
    /// Within `TCA_NETEM_LOSS`.
    NETEM_LOSS:
    NETEM_LOSS_GI = 1,
    NETEM_LOSS_GE = 2,
}

attributes! {
    /// Within the `TCA_OPTIONS` of u32.
    TCA_U32:
    TCA_U32_CLASSID = 1,
    TCA_U32_HASH = 2,
    TCA_U32_LINK = 3,
    TCA_U32_DIVISOR = 4,
    TCA_U32_SEL = 5,
    TCA_U32_POLICE = 6,
    TCA_U32_ACT = 7,
    TCA_U32_INDEV = 8,
    TCA_U32_PCNT = 9,
    TCA_U32_MARK = 10,
    TCA_U32_FLAGS = 11,
}

attributes! {
    /// Within the `TCA_OPTIONS` of flower.
    TCA_FLOWER:
    TCA_FLOWER_CLASSID = 1,
    TCA_FLOWER_INDEV = 2,
    TCA_FLOWER_ACT = 3,
    TCA_FLOWER_KEY_ETH_DST = 4,
    TCA_FLOWER_KEY_ETH_DST_MASK = 5,
    TCA_FLOWER_KEY_ETH_SRC = 6,
    TCA_FLOWER_KEY_ETH_SRC_MASK = 7,
    TCA_FLOWER_KEY_ETH_TYPE = 8,
    TCA_FLOWER_KEY_IP_PROTO = 9,
    TCA_FLOWER_KEY_IPV4_SRC = 10,
    TCA_FLOWER_KEY_IPV4_SRC_MASK = 11,
    TCA_FLOWER_KEY_IPV4_DST = 12,
    TCA_FLOWER_KEY_IPV4_DST_MASK = 13,
    TCA_FLOWER_KEY_IPV6_SRC = 14,
    TCA_FLOWER_KEY_IPV6_SRC_MASK = 15,
    TCA_FLOWER_KEY_IPV6_DST = 16,
    TCA_FLOWER_KEY_IPV6_DST_MASK = 17,
    TCA_FLOWER_KEY_TCP_SRC = 18,
    TCA_FLOWER_KEY_TCP_DST = 19,
    TCA_FLOWER_KEY_UDP_SRC = 20,
    TCA_FLOWER_KEY_UDP_DST = 21,
    TCA_FLOWER_FLAGS = 22,
    TCA_FLOWER_KEY_VLAN_ID = 23,
    TCA_FLOWER_KEY_VLAN_PRIO = 24,
    TCA_FLOWER_KEY_VLAN_ETH_TYPE = 25,
    TCA_FLOWER_KEY_ENC_KEY_ID = 26,
    TCA_FLOWER_KEY_ENC_IPV4_SRC = 27,
    TCA_FLOWER_KEY_ENC_IPV4_SRC_MASK = 28,
    TCA_FLOWER_KEY_ENC_IPV4_DST = 29,
    TCA_FLOWER_KEY_ENC_IPV4_DST_MASK = 30,
    TCA_FLOWER_KEY_ENC_IPV6_SRC = 31,
    TCA_FLOWER_KEY_ENC_IPV6_SRC_MASK = 32,
    TCA_FLOWER_KEY_ENC_IPV6_DST = 33,
    TCA_FLOWER_KEY_ENC_IPV6_DST_MASK = 34,
    TCA_FLOWER_KEY_TCP_SRC_MASK = 35,
    TCA_FLOWER_KEY_TCP_DST_MASK = 36,
    TCA_FLOWER_KEY_UDP_SRC_MASK = 37,
    TCA_FLOWER_KEY_UDP_DST_MASK = 38,
    TCA_FLOWER_KEY_SCTP_SRC_MASK = 39,
    TCA_FLOWER_KEY_SCTP_DST_MASK = 40,
    TCA_FLOWER_KEY_SCTP_SRC = 41,
    TCA_FLOWER_KEY_SCTP_DST = 42,
    TCA_FLOWER_KEY_ENC_UDP_SRC_PORT = 43,
    TCA_FLOWER_KEY_ENC_UDP_SRC_PORT_MASK = 44,
    TCA_FLOWER_KEY_ENC_UDP_DST_PORT = 45,
    TCA_FLOWER_KEY_ENC_UDP_DST_PORT_MASK = 46,
    TCA_FLOWER_KEY_FLAGS = 47,
    TCA_FLOWER_KEY_FLAGS_MASK = 48,
    TCA_FLOWER_KEY_ICMPV4_CODE = 49,
    TCA_FLOWER_KEY_ICMPV4_CODE_MASK = 50,
    TCA_FLOWER_KEY_ICMPV4_TYPE = 51,
    TCA_FLOWER_KEY_ICMPV4_TYPE_MASK = 52,
    TCA_FLOWER_KEY_ICMPV6_CODE = 53,
    TCA_FLOWER_KEY_ICMPV6_CODE_MASK = 54,
    TCA_FLOWER_KEY_ICMPV6_TYPE = 55,
    TCA_FLOWER_KEY_ICMPV6_TYPE_MASK = 56,
    TCA_FLOWER_KEY_ARP_SIP = 57,
    TCA_FLOWER_KEY_ARP_SIP_MASK = 58,
    TCA_FLOWER_KEY_ARP_TIP = 59,
    TCA_FLOWER_KEY_ARP_TIP_MASK = 60,
    TCA_FLOWER_KEY_ARP_OP = 61,
    TCA_FLOWER_KEY_ARP_OP_MASK = 62,
    TCA_FLOWER_KEY_ARP_SHA = 63,
    TCA_FLOWER_KEY_ARP_SHA_MASK = 64,
    TCA_FLOWER_KEY_ARP_THA = 65,
    TCA_FLOWER_KEY_ARP_THA_MASK = 66,
    TCA_FLOWER_KEY_MPLS_TTL = 67,
    TCA_FLOWER_KEY_MPLS_BOS = 68,
    TCA_FLOWER_KEY_MPLS_TC = 69,
    TCA_FLOWER_KEY_MPLS_LABEL = 70,
    TCA_FLOWER_KEY_TCP_FLAGS = 71,
    TCA_FLOWER_KEY_TCP_FLAGS_MASK = 72,
    TCA_FLOWER_KEY_IP_TOS = 73,
    TCA_FLOWER_KEY_IP_TOS_MASK = 74,
    TCA_FLOWER_KEY_IP_TTL = 75,
    TCA_FLOWER_KEY_IP_TTL_MASK = 76,
    TCA_FLOWER_KEY_CVLAN_ID = 77,
    TCA_FLOWER_KEY_CVLAN_PRIO = 78,
    TCA_FLOWER_KEY_CVLAN_ETH_TYPE = 79,
    TCA_FLOWER_KEY_ENC_IP_TOS = 80,
    TCA_FLOWER_KEY_ENC_IP_TOS_MASK = 81,
    TCA_FLOWER_KEY_ENC_IP_TTL = 82,
    TCA_FLOWER_KEY_ENC_IP_TTL_MASK = 83,
    TCA_FLOWER_KEY_ENC_OPTS = 84,
    TCA_FLOWER_KEY_ENC_OPTS_MASK = 85,
    TCA_FLOWER_IN_HW_COUNT = 86,
    TCA_FLOWER_KEY_PORT_SRC_MIN = 87,
    TCA_FLOWER_KEY_PORT_SRC_MAX = 88,
    TCA_FLOWER_KEY_PORT_DST_MIN = 89,
    TCA_FLOWER_KEY_PORT_DST_MAX = 90,
    TCA_FLOWER_KEY_CT_STATE = 91,
    TCA_FLOWER_KEY_CT_STATE_MASK = 92,
    TCA_FLOWER_KEY_CT_ZONE = 93,
    TCA_FLOWER_KEY_CT_ZONE_MASK = 94,
    TCA_FLOWER_KEY_CT_MARK = 95,
    TCA_FLOWER_KEY_CT_MARK_MASK = 96,
    TCA_FLOWER_KEY_CT_LABELS = 97,
    TCA_FLOWER_KEY_CT_LABELS_MASK = 98,
    TCA_FLOWER_KEY_MPLS_OPTS = 99,
    TCA_FLOWER_KEY_HASH = 100,
    TCA_FLOWER_KEY_HASH_MASK = 101,
    TCA_FLOWER_KEY_NUM_OF_VLANS = 102,
    TCA_FLOWER_KEY_PPPOE_SID = 103,
    TCA_FLOWER_KEY_PPP_PROTO = 104,
    TCA_FLOWER_KEY_L2TPV3_SID = 105,
    TCA_FLOWER_L2_MISS = 106,
}

attributes! {
    /// Within the `TCA_OPTIONS` of matchall.
    TCA_MATCHALL:
    TCA_MATCHALL_CLASSID = 1,
    TCA_MATCHALL_ACT = 2,
    TCA_MATCHALL_FLAGS = 3,
    TCA_MATCHALL_PCNT = 4,
}

attributes! {
    /// Within the `TCA_OPTIONS` of bpf.
    TCA_BPF:
    TCA_BPF_ACT = 1,
    TCA_BPF_POLICE = 2,
    TCA_BPF_CLASSID = 3,
    TCA_BPF_OPS_LEN = 4,
    TCA_BPF_OPS = 5,
    TCA_BPF_FD = 6,
    TCA_BPF_NAME = 7,
    TCA_BPF_FLAGS = 8,
    TCA_BPF_FLAGS_GEN = 9,
    TCA_BPF_TAG = 10,
    TCA_BPF_ID = 11,
}

attributes! {
    /// Within the `TCA_OPTIONS` of fw.
    TCA_FW:
    TCA_FW_CLASSID = 1,
    TCA_FW_POLICE = 2,
    TCA_FW_INDEV = 3,
    TCA_FW_ACT = 4,
    TCA_FW_MASK = 5,
}

attributes! {
    /// Within the `TCA_OPTIONS` of basic.
    TCA_BASIC:
    TCA_BASIC_CLASSID = 1,
    TCA_BASIC_EMATCHES = 2,
    TCA_BASIC_ACT = 3,
    TCA_BASIC_POLICE = 4,
    TCA_BASIC_PCNT = 5,
}

attributes! {
    /// Within the `TCA_OPTIONS` of cgroup.
    TCA_CGROUP:
    TCA_CGROUP_ACT = 1,
    TCA_CGROUP_POLICE = 2,
    TCA_CGROUP_EMATCHES = 3,
}

attributes! {
    /// Within the `TCA_OPTIONS` of the filter, and the `TCA_ACT_OPTIONS` of the action, police.
    TCA_POLICE:
    TCA_POLICE_TBF = 1,
    TCA_POLICE_RATE = 2,
    TCA_POLICE_PEAKRATE = 3,
    TCA_POLICE_AVRATE = 4,
    TCA_POLICE_RESULT = 5,
    TCA_POLICE_TM = 6,
    TCA_POLICE_RATE64 = 8,
    TCA_POLICE_PEAKRATE64 = 9,
    TCA_POLICE_PKTRATE64 = 10,
    TCA_POLICE_PKTBURST64 = 11,
}

attributes! {
    /// Within the `TCA_ACT_OPTIONS` of gact.
    TCA_GACT:
    TCA_GACT_TM = 1,
    TCA_GACT_PARMS = 2,
    TCA_GACT_PROB = 3,
}

attributes! {
    /// Within the `TCA_ACT_OPTIONS` of mirred.
    TCA_MIRRED:
    TCA_MIRRED_TM = 1,
    TCA_MIRRED_PARMS = 2,
    TCA_MIRRED_BLOCKID = 4,
}

attributes! {
    /// Within the `TCA_ACT_OPTIONS` of vlan.
    TCA_VLAN:
    TCA_VLAN_TM = 1,
    TCA_VLAN_PARMS = 2,
    TCA_VLAN_PUSH_VLAN_ID = 3,
    TCA_VLAN_PUSH_VLAN_PROTOCOL = 4,
    TCA_VLAN_PUSH_VLAN_PRIORITY = 6,
    TCA_VLAN_PUSH_ETH_DST = 7,
    TCA_VLAN_PUSH_ETH_SRC = 8,
}

attributes! {
    /// Within the `TCA_ACT_OPTIONS` of skbedit.
    TCA_SKBEDIT:
    TCA_SKBEDIT_TM = 1,
    TCA_SKBEDIT_PARMS = 2,
    TCA_SKBEDIT_PRIORITY = 3,
    TCA_SKBEDIT_QUEUE_MAPPING = 4,
    TCA_SKBEDIT_MARK = 5,
    TCA_SKBEDIT_PTYPE = 7,
    TCA_SKBEDIT_MASK = 8,
    TCA_SKBEDIT_FLAGS = 9,
    TCA_SKBEDIT_QUEUE_MAPPING_MAX = 10,
}

attributes! {
    /// Within the `TCA_ACT_OPTIONS` of csum.
    TCA_CSUM:
    TCA_CSUM_PARMS = 1,
    TCA_CSUM_TM = 2,
}

attributes! {
    /// Within the `TCA_ACT_OPTIONS` of tunnel_key.
    TCA_TUNNEL_KEY:
    TCA_TUNNEL_KEY_TM = 1,
    TCA_TUNNEL_KEY_PARMS = 2,
    TCA_TUNNEL_KEY_ENC_IPV4_SRC = 3,
    TCA_TUNNEL_KEY_ENC_IPV4_DST = 4,
    TCA_TUNNEL_KEY_ENC_IPV6_SRC = 5,
    TCA_TUNNEL_KEY_ENC_IPV6_DST = 6,
    TCA_TUNNEL_KEY_ENC_KEY_ID = 7,
    TCA_TUNNEL_KEY_ENC_DST_PORT = 9,
    TCA_TUNNEL_KEY_NO_CSUM = 10,
    TCA_TUNNEL_KEY_ENC_OPTS = 11,
    TCA_TUNNEL_KEY_ENC_TOS = 12,
    TCA_TUNNEL_KEY_ENC_TTL = 13,
}

attributes! {
    /// Within the `TCA_ACT_OPTIONS` of sample.
    TCA_SAMPLE:
    TCA_SAMPLE_TM = 1,
    TCA_SAMPLE_PARMS = 2,
    TCA_SAMPLE_RATE = 3,
    TCA_SAMPLE_TRUNC_SIZE = 4,
    TCA_SAMPLE_PSAMPLE_GROUP = 5,
}

attributes! {
    /// Within the `TCA_ACT_OPTIONS` of nat.
    TCA_NAT:
    TCA_NAT_PARMS = 1,
    TCA_NAT_TM = 2,
}

attributes! {
    /// Within the `TCA_ACT_OPTIONS` of bpf.
    TCA_ACT_BPF:
    TCA_ACT_BPF_TM = 1,
    TCA_ACT_BPF_PARMS = 2,
    TCA_ACT_BPF_OPS_LEN = 3,
    TCA_ACT_BPF_OPS = 4,
    TCA_ACT_BPF_FD = 5,
    TCA_ACT_BPF_NAME = 6,
    TCA_ACT_BPF_TAG = 8,
    TCA_ACT_BPF_ID = 9,
}

attributes! {
    /// Within the `TCA_ACT_OPTIONS` of pedit.
    TCA_PEDIT:
    TCA_PEDIT_TM = 1,
    TCA_PEDIT_PARMS = 2,
    TCA_PEDIT_PARMS_EX = 4,
    TCA_PEDIT_KEYS_EX = 5,
    TCA_PEDIT_KEY_EX = 6,
}

attributes! {
    /// Within `TCA_PEDIT_KEY_EX`.
    TCA_PEDIT_KEY:
    TCA_PEDIT_KEY_EX_HTYPE = 1,
    TCA_PEDIT_KEY_EX_CMD = 2,
}

attributes! {
    /// The actions of a filter, by their order.
    ORDERS:
    ORDER_1 = 1,
    ORDER_2 = 2,
    ORDER_3 = 3,
    ORDER_4 = 4,
    ORDER_5 = 5,
    ORDER_6 = 6,
    ORDER_7 = 7,
    ORDER_8 = 8,
    ORDER_9 = 9,
    ORDER_10 = 10,
    ORDER_11 = 11,
    ORDER_12 = 12,
    ORDER_13 = 13,
    ORDER_14 = 14,
    ORDER_15 = 15,
    ORDER_16 = 16,
    ORDER_17 = 17,
    ORDER_18 = 18,
    ORDER_19 = 19,
    ORDER_20 = 20,
    ORDER_21 = 21,
    ORDER_22 = 22,
    ORDER_23 = 23,
    ORDER_24 = 24,
    ORDER_25 = 25,
    ORDER_26 = 26,
    ORDER_27 = 27,
    ORDER_28 = 28,
    ORDER_29 = 29,
    ORDER_30 = 30,
    ORDER_31 = 31,
    ORDER_32 = 32,
}

/// The names of the attributes of a message, and the length of the header before them.
pub(crate) fn layout(message: u16) -> Option<(Names, usize)> {
    match message {
        RTM_NEWQDISC..=RTM_GETTFILTER | RTM_NEWCHAIN..=RTM_GETCHAIN => Some((TCA, 20)),
        RTM_NEWACTION..=RTM_GETACTION => Some((TCAA, 4)),
        _ => None,
    }
}

/// The names inside an attribute of traffic control, and the length of the header before them; `kind` is that of
/// the qdisc, class, filter or action.
pub(crate) fn inside(outer: Names, attribute: u16, kind: &[u8]) -> Option<(Names, usize)> {
    let names = match name_of(outer, attribute)? {
        "TCA_OPTIONS" => match kind {
            b"tbf" => TCA_TBF,
            b"htb" => TCA_HTB,
            b"fq" => TCA_FQ,
            b"fq_codel" => TCA_FQ_CODEL,
            // Behind `struct tc_netem_qopt`.
            b"netem" => return Some((TCA_NETEM, 24)),
            // Behind `struct tc_mqprio_qopt`.
            b"mqprio" => return Some((TCA_MQPRIO, 84)),
            b"red" => TCA_RED,
            b"cake" => TCA_CAKE,
            b"drr" => TCA_DRR,
            b"hfsc" => TCA_HFSC,
            b"codel" => TCA_CODEL,
            b"u32" => TCA_U32,
            b"flower" => TCA_FLOWER,
            b"matchall" => TCA_MATCHALL,
            b"bpf" => TCA_BPF,
            b"fw" => TCA_FW,
            b"basic" => TCA_BASIC,
            b"cgroup" => TCA_CGROUP,
            _ => return None,
        },
        "TCA_NETEM_LOSS" => NETEM_LOSS,
        "TCA_U32_ACT" | "TCA_FLOWER_ACT" | "TCA_MATCHALL_ACT" | "TCA_BPF_ACT" | "TCA_FW_ACT"
        | "TCA_BASIC_ACT" | "TCA_CGROUP_ACT" | "TCA_ACT_TAB" => ORDERS,
        "TCA_U32_POLICE" | "TCA_BPF_POLICE" | "TCA_FW_POLICE" | "TCA_BASIC_POLICE" | "TCA_CGROUP_POLICE" => {
            TCA_POLICE
        }
        order if order.starts_with("ORDER_") => TCA_ACT,
        "TCA_ACT_OPTIONS" => match kind {
            b"gact" => TCA_GACT,
            b"mirred" => TCA_MIRRED,
            b"police" => TCA_POLICE,
            b"vlan" => TCA_VLAN,
            b"skbedit" => TCA_SKBEDIT,
            b"pedit" => TCA_PEDIT,
            b"csum" => TCA_CSUM,
            b"tunnel_key" => TCA_TUNNEL_KEY,
            b"sample" => TCA_SAMPLE,
            b"nat" => TCA_NAT,
            b"bpf" => TCA_ACT_BPF,
            _ => return None,
        },
        "TCA_PEDIT_KEYS_EX" => TCA_PEDIT,
        "TCA_PEDIT_KEY_EX" => TCA_PEDIT_KEY,
        _ => return None,
    };
    Some((names, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_named_through_every_nest() {
        let (names, header) = layout(RTM_NEWTFILTER).unwrap();
        assert_eq!((names.len(), header), (TCA.len(), 20));
        let (flower, _) = inside(names, TCA_OPTIONS, b"flower").unwrap();
        let (orders, _) = inside(flower, TCA_FLOWER_ACT, b"").unwrap();
        let (action, _) = inside(orders, 1, b"").unwrap();
        let (vlan, _) = inside(action, TCA_ACT_OPTIONS, b"vlan").unwrap();
        assert_eq!(name_of(vlan, TCA_VLAN_PUSH_VLAN_ID), Some("TCA_VLAN_PUSH_VLAN_ID"));
        assert_eq!(inside(names, TCA_OPTIONS, b"netem"), Some((TCA_NETEM, 24)));
        assert_eq!(layout(RTM_DELACTION), Some((TCAA, 4)));
        assert_eq!((layout(16), inside(names, TCA_OPTIONS, b"pfifo")), (None, None));
    }

    #[test]
    fn numbers_stand_once_and_in_their_order() {
        for table in [TCA, TCA_FLOWER, TCA_NETEM, TCA_FQ, TCA_U32, TCA_HTB, TCA_TBF, TCA_POLICE, TCA_CAKE] {
            assert!(table.windows(2).all(|pair| pair[0].0 < pair[1].0), "{table:?}");
        }
    }
}

//! The kernel's numbers, with the names that errors show.
//!
//! Of `linux/netlink.h`, `linux/rtnetlink.h` and `linux/if_addr.h`, with those of links apart; only those in use, and
//! all of one type, which the C library's are not.

use super::tc;

pub(crate) const AF_UNSPEC: u8 = 0;
pub(crate) const AF_INET: u8 = 2;
pub(crate) const AF_INET6: u8 = 10;

pub(crate) const NLMSG_ERROR: u16 = 2;
pub(crate) const NLMSG_DONE: u16 = 3;
pub(crate) const NLMSG_OVERRUN: u16 = 4;
/// Below are messages about messages.
pub(crate) const NLMSG_MIN_TYPE: u16 = 16;

pub(crate) const RTM_NEWLINK: u16 = 16;
pub(crate) const RTM_DELLINK: u16 = 17;
pub(crate) const RTM_GETLINK: u16 = 18;
pub(crate) const RTM_SETLINK: u16 = 19;
pub(crate) const RTM_NEWADDR: u16 = 20;
pub(crate) const RTM_DELADDR: u16 = 21;
pub(crate) const RTM_GETADDR: u16 = 22;
pub(crate) const RTM_NEWNSID: u16 = 88;
pub(crate) const RTM_DELNSID: u16 = 89;
pub(crate) const RTM_GETNSID: u16 = 90;
pub(crate) const RTM_NEWLINKPROP: u16 = 108;
pub(crate) const RTM_DELLINKPROP: u16 = 109;
pub(crate) const RTM_NEWVLAN: u16 = 112;
pub(crate) const RTM_DELVLAN: u16 = 113;
pub(crate) const RTM_GETVLAN: u16 = 114;

// Of `enum rtnetlink_groups`.
pub(crate) const RTNLGRP_LINK: u32 = 1;
pub(crate) const RTNLGRP_NEIGH: u32 = 3;
pub(crate) const RTNLGRP_TC: u32 = 4;
pub(crate) const RTNLGRP_IPV4_IFADDR: u32 = 5;
pub(crate) const RTNLGRP_IPV4_ROUTE: u32 = 7;
pub(crate) const RTNLGRP_IPV4_RULE: u32 = 8;
pub(crate) const RTNLGRP_IPV6_IFADDR: u32 = 9;
pub(crate) const RTNLGRP_IPV6_ROUTE: u32 = 11;
pub(crate) const RTNLGRP_IPV6_RULE: u32 = 19;
pub(crate) const RTNLGRP_MDB: u32 = 26;
pub(crate) const RTNLGRP_NSID: u32 = 28;
pub(crate) const RTNLGRP_NEXTHOP: u32 = 32;
pub(crate) const RTNLGRP_BRVLAN: u32 = 33;

pub(crate) const NLM_F_REQUEST: u16 = 0x1;
pub(crate) const NLM_F_ACK: u16 = 0x4;
pub(crate) const NLM_F_ECHO: u16 = 0x8;
pub(crate) const NLM_F_DUMP_INTR: u16 = 0x10;
/// On an answer: the request is not repeated in it.
pub(crate) const NLM_F_CAPPED: u16 = 0x100;
/// On an answer: attributes (`NLMSGERR_ATTR_`) follow.
pub(crate) const NLM_F_ACK_TLVS: u16 = 0x200;
/// On RTM_DELACTION: all of a kind.
pub(crate) const NLM_F_ROOT: u16 = 0x100;
pub(crate) const NLM_F_REPLACE: u16 = 0x100;
pub(crate) const NLM_F_EXCL: u16 = 0x200;
pub(crate) const NLM_F_DUMP: u16 = 0x300;
pub(crate) const NLM_F_CREATE: u16 = 0x400;
pub(crate) const NLM_F_APPEND: u16 = 0x800;

pub(crate) const RTEXT_FILTER_VF: u32 = 1;
pub(crate) const RTEXT_FILTER_SKIP_STATS: u32 = 8;

/// Attribute numbers of one family, and their names.
pub(crate) type Names = &'static [(u16, &'static str)];

macro_rules! attributes {
    ($(#[$doc:meta])* $table:ident: $($name:ident = $number:literal),+ $(,)?) => {
        $(pub(crate) const $name: u16 = $number;)+
        $(#[$doc])*
        pub(crate) const $table: Names = &[$(($name, stringify!($name))),+];
    };
}

mod link;

pub(crate) use attributes;
pub(crate) use link::*;

// What an error or the end of a dump may say.
pub(crate) const NLMSGERR_ATTR_MSG: u16 = 1;
pub(crate) const NLMSGERR_ATTR_OFFS: u16 = 2;
pub(crate) const NLMSGERR_ATTR_POLICY: u16 = 4;
pub(crate) const NLMSGERR_ATTR_MISS_TYPE: u16 = 5;
pub(crate) const NLMSGERR_ATTR_MISS_NEST: u16 = 6;

// What an attribute may hold, as an error tells it.
pub(crate) const NL_POLICY_TYPE_ATTR_MIN_VALUE_S: u16 = 2;
pub(crate) const NL_POLICY_TYPE_ATTR_MAX_VALUE_S: u16 = 3;
pub(crate) const NL_POLICY_TYPE_ATTR_MIN_VALUE_U: u16 = 4;
pub(crate) const NL_POLICY_TYPE_ATTR_MAX_VALUE_U: u16 = 5;
pub(crate) const NL_POLICY_TYPE_ATTR_MIN_LENGTH: u16 = 6;
pub(crate) const NL_POLICY_TYPE_ATTR_MAX_LENGTH: u16 = 7;

attributes! {
    /// Of an address.
    IFA:
    IFA_ADDRESS = 1,
    IFA_LOCAL = 2,
    IFA_LABEL = 3,
    IFA_BROADCAST = 4,
    IFA_CACHEINFO = 6,
    IFA_FLAGS = 8,
    IFA_RT_PRIORITY = 9,
    IFA_TARGET_NETNSID = 10,
    IFA_PROTO = 11,
}

mod routing;
pub(crate) use routing::*;

attributes! {
    /// Of the id of a network namespace.
    NETNSA:
    NETNSA_NSID = 1,
    NETNSA_PID = 2,
    NETNSA_FD = 3,
}

/// The names of the attributes of a message, and the length of the header before them.
pub(crate) fn layout(message: u16) -> (Names, usize) {
    match message {
        RTM_NEWADDR..=RTM_GETADDR => (IFA, 8),
        RTM_NEWNSID..=RTM_GETNSID => (NETNSA, 4),
        _ => routing::layout(message).or_else(|| tc::numbers::layout(message)).unwrap_or((IFLA, 16)),
    }
}

/// The names inside an attribute, and the length of the header before them. `link` is the link's kind, where it is
/// one.
pub(crate) fn inside(outer: Names, attribute: u16, link: &[u8]) -> Option<(Names, usize)> {
    match name_of(outer, attribute)? {
        "IFLA_LINKINFO" => Some((IFLA_INFO, 0)),
        "IFLA_PROP_LIST" => Some((IFLA, 0)),
        "IFLA_INFO_DATA" => Some((data_names(link)?, 0)),
        "IFLA_INFO_SLAVE_DATA" => Some((port_names(link)?, 0)),
        "VETH_INFO_PEER" | "IFLA_NETKIT_PEER_INFO" => Some((IFLA, 16)),
        "IFLA_VLAN_INGRESS_QOS" | "IFLA_VLAN_EGRESS_QOS" => Some((IFLA_VLAN_QOS, 0)),
        "IFLA_BOND_AD_INFO" => Some((IFLA_BOND_AD_INFO_NAMES, 0)),
        "IFLA_VFINFO_LIST" => Some((IFLA_VF_INFO_NAMES, 0)),
        "IFLA_VF_INFO" => Some((IFLA_VF, 0)),
        "IFLA_XDP" => Some((IFLA_XDP_NAMES, 0)),
        "IFLA_PROTO_DOWN_REASON" => Some((IFLA_PROTO_DOWN_REASONS, 0)),
        "IFLA_AF_SPEC" => Some((IFLA_AF, 0)),
        "AF_INET" => Some((IFLA_INET, 0)),
        "AF_INET6" => Some((IFLA_INET6, 0)),
        name => routing::inside(name).or_else(|| tc::numbers::inside(outer, attribute, link)),
    }
}

/// The name of an attribute, if it is one this crate knows.
pub(crate) fn name_of(names: Names, attribute: u16) -> Option<&'static str> {
    names.iter().find(|(number, _)| *number == attribute).map(|(_, name)| *name)
}

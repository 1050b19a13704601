//! The kernel's numbers, with the names that errors show.
//!
//! Of `linux/netlink.h`, `linux/rtnetlink.h`, `linux/if_link.h`, `linux/if_addr.h` and
//! `linux/veth.h`; only those in use, and all of one type, which the C library's are not.

pub(crate) const AF_UNSPEC: u8 = 0;
pub(crate) const AF_INET: u8 = 2;
pub(crate) const AF_INET6: u8 = 10;

pub(crate) const NLMSG_NOOP: u16 = 1;
pub(crate) const NLMSG_ERROR: u16 = 2;
pub(crate) const NLMSG_DONE: u16 = 3;
pub(crate) const NLMSG_OVERRUN: u16 = 4;

pub(crate) const RTM_NEWLINK: u16 = 16;
pub(crate) const RTM_DELLINK: u16 = 17;
pub(crate) const RTM_GETLINK: u16 = 18;
pub(crate) const RTM_SETLINK: u16 = 19;
pub(crate) const RTM_NEWADDR: u16 = 20;
pub(crate) const RTM_DELADDR: u16 = 21;
pub(crate) const RTM_GETADDR: u16 = 22;
pub(crate) const RTM_NEWROUTE: u16 = 24;
pub(crate) const RTM_DELROUTE: u16 = 25;
pub(crate) const RTM_GETROUTE: u16 = 26;
pub(crate) const RTM_NEWLINKPROP: u16 = 108;

pub(crate) const NLM_F_REQUEST: u16 = 0x1;
pub(crate) const NLM_F_ACK: u16 = 0x4;
pub(crate) const NLM_F_ECHO: u16 = 0x8;
pub(crate) const NLM_F_DUMP_INTR: u16 = 0x10;
/// On an answer: the request is not repeated in it.
pub(crate) const NLM_F_CAPPED: u16 = 0x100;
/// On an answer: attributes (`NLMSGERR_ATTR_`) follow.
pub(crate) const NLM_F_ACK_TLVS: u16 = 0x200;
pub(crate) const NLM_F_EXCL: u16 = 0x200;
pub(crate) const NLM_F_DUMP: u16 = 0x300;
pub(crate) const NLM_F_CREATE: u16 = 0x400;
pub(crate) const NLM_F_APPEND: u16 = 0x800;

pub(crate) const RTEXT_FILTER_SKIP_STATS: u32 = 8;
pub(crate) const RTM_F_CLONED: u32 = 0x200;
pub(crate) const RT_TABLE_COMPAT: u8 = 252;
pub(crate) const RT_TABLE_MAIN: u8 = 254;
pub(crate) const RTPROT_BOOT: u8 = 3;

/// Attribute numbers of one family, and their names.
pub(crate) type Names = &'static [(u16, &'static str)];

macro_rules! attributes {
    ($(#[$doc:meta])* $table:ident: $($name:ident = $number:literal),+ $(,)?) => {
        $(pub(crate) const $name: u16 = $number;)+
        $(#[$doc])*
        pub(crate) const $table: Names = &[$(($name, stringify!($name))),+];
    };
}

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
    /// Of a link.
    IFLA:
    IFLA_ADDRESS = 1,
    IFLA_BROADCAST = 2,
    IFLA_IFNAME = 3,
    IFLA_MTU = 4,
    IFLA_LINK = 5,
    IFLA_QDISC = 6,
    IFLA_MASTER = 10,
    IFLA_TXQLEN = 13,
    IFLA_OPERSTATE = 16,
    IFLA_LINKINFO = 18,
    IFLA_NET_NS_PID = 19,
    IFLA_GROUP = 27,
    IFLA_NET_NS_FD = 28,
    IFLA_EXT_MASK = 29,
    IFLA_LINK_NETNSID = 37,
    IFLA_MIN_MTU = 50,
    IFLA_MAX_MTU = 51,
    IFLA_PROP_LIST = 52,
    IFLA_ALT_IFNAME = 53,
}

attributes! {
    /// Within `IFLA_LINKINFO`.
    IFLA_INFO:
    IFLA_INFO_KIND = 1,
    IFLA_INFO_DATA = 2,
}

attributes! {
    /// Within the `IFLA_INFO_DATA` of a veth.
    VETH_INFO:
    VETH_INFO_PEER = 1,
}

attributes! {
    /// Of an address.
    IFA:
    IFA_ADDRESS = 1,
    IFA_LOCAL = 2,
    IFA_LABEL = 3,
    IFA_BROADCAST = 4,
    IFA_FLAGS = 8,
}

attributes! {
    /// Of a route.
    RTA:
    RTA_DST = 1,
    RTA_OIF = 4,
    RTA_GATEWAY = 5,
    RTA_PRIORITY = 6,
    RTA_PREFSRC = 7,
    RTA_MULTIPATH = 9,
    RTA_TABLE = 15,
    RTA_VIA = 18,
}

/// The names of the attributes of a message, and the length of the header before them.
pub(crate) fn layout(message: u16) -> (Names, usize) {
    match message {
        RTM_NEWADDR..=RTM_GETADDR => (IFA, 8),
        RTM_NEWROUTE..=RTM_GETROUTE => (RTA, 12),
        _ => (IFLA, 16),
    }
}

/// The names inside an attribute, and the length of the header before them.
pub(crate) fn inside(outer: Names, attribute: u16) -> Option<(Names, usize)> {
    match name_of(outer, attribute)? {
        "IFLA_LINKINFO" => Some((IFLA_INFO, 0)),
        "IFLA_PROP_LIST" => Some((IFLA, 0)),
        // A veth's are the only ones this crate sends.
        "IFLA_INFO_DATA" => Some((VETH_INFO, 0)),
        "VETH_INFO_PEER" => Some((IFLA, 16)),
        _ => None,
    }
}

/// The name of an attribute, if it is one this crate knows.
pub(crate) fn name_of(names: Names, attribute: u16) -> Option<&'static str> {
    names.iter().find(|(number, _)| *number == attribute).map(|(_, name)| *name)
}

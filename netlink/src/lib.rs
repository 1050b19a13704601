//! Network interfaces, addresses and routes by rtnetlink: synchronous, without a runtime.
//!
//! A bridge with an address, up:
//!
//! ```no_run
//! # fn main() -> netlink::Result<()> {
//! netlink::create_bridge("mydocker0", false)?;
//! let bridge = netlink::interface_by_name("mydocker0")?;
//! netlink::link_add_ip(&bridge, "10.0.41.1/16".parse()?)?;
//! netlink::link_up(&bridge)?;
//! # Ok(())
//! # }
//! ```
//! It acts in the network namespace of the calling thread, and needs `CAP_NET_ADMIN` there:
//! `unshare -rn` gives an ordinary user such a place.
//!
//! The functions open a socket each. A [`Handle`] keeps one, in any network namespace, and can do more:
//! [`Veth`] makes a pair whose other end is born in its container, in one request.
//!
//! | command | here |
//! |---|---|
//! | `ip link` | [`Handle::links`], [`add_link`](Handle::add_link), [`change_link`](Handle::change_link), [`delete_link`](Handle::delete_link); kinds and their options in [`kind`] |
//! | `ip link set type bridge_slave` | [`Handle::change_port`], [`port`] |
//! | `ip address` | [`Handle::addresses`], [`add_address`](Handle::add_address) |
//! | `ip route`, `ip route get` | [`Handle::routes`], [`add_route`](Handle::add_route), [`route_get`](Handle::route_get); [`table`], [`protocol`] |
//! | `ip rule`, `ip nexthop` | [`Handle::rules`], [`add_rule`](Handle::add_rule), [`add_nexthop`](Handle::add_nexthop) |
//! | `ip neighbour` | [`Handle::neighbours`], [`add_neighbour`](Handle::add_neighbour) |
//! | `bridge fdb`, `vlan`, `mdb` | [`Handle::fdb`], [`bridge_vlans`](Handle::bridge_vlans), [`vlan_options`](Handle::vlan_options), [`mdb`](Handle::mdb) |
//! | `tc` | [`Handle::add_qdisc`], [`add_class`](Handle::add_class), [`add_filter`](Handle::add_filter), [`tc`] |
//! | `ip netns` | [`Netns`] |
//! | `ip monitor` | [`Monitor`] |
//! | `ip -batch` | [`Batch`] |
//! | `ss` | [`diag`] |
//! | `genl` | [`generic`]; [`raw`] for what this crate has no type for |
//!
//! Of each object, `links` and the like list all, `list_links` those that a filter wants, and `dump_links` one at a time.
//!
//! What takes a descriptor takes all that has one by reference: `&Netns`, `&OwnedFd`, `&File`.
//!
//! Every [`Error`] tells what, on what and why, with the kernel's own words:
//!
//! ```text
//! set MTU of link "mydocker0" to 70000000: mtu greater than device maximum (68 to 65535 are allowed): Invalid argument (os error 22)
//! ```
//!
//! # The names of 2014
//!
//! Docker's Go package `netlink`, and what of it is mended here:
//!
//! | Go, 2014 | here | mended |
//! |---|---|---|
//! | `CreateBridge` | [`create_bridge`] | long names were cut; the MAC was 56:84:7a:fe:97:99 on every machine |
//! | `DeleteBridge` | [`delete_bridge`] | |
//! | `net.InterfaceByName` | [`interface_by_name`] | alternative names were not found |
//! | `NetworkLinkAdd` | [`link_add`] | kinds and names of 6, 10, ... letters lost the last: never a "bridge" |
//! | `NetworkLinkDel` | [`link_del`] | |
//! | `NetworkLinkAddIp` | [`link_add_ip`] | a mask that is no prefix became /0; `::ffff:10.0.0.1` became IPv4 |
//! | `NetworkLinkDelIp` | [`link_del_ip`] | |
//! | `NetworkLinkUp`, `NetworkLinkDown` | [`link_up`], [`link_down`] | |
//! | `NetworkSetMTU` | [`link_set_mtu`] | brought the link up and cleared its other flags; no word about the range |
//! | `NetworkSetMacAddress` | [`link_set_mac`] | |
//! | `NetworkSetMaster` | [`link_set_master`] | the same side effect |
//! | `NetworkSetNoMaster` | [`link_set_no_master`] | |
//! | `AddToBridge` | [`add_to_bridge`] | names without their NUL |
//! | `NetworkLinkAddVlan`, `NetworkLinkAddMacVlan` | [`link_add_vlan`], [`link_add_macvlan`] | |
//! | `NetworkCreateVethPair` | [`create_veth_pair`] | `v0` and `v1` were both made "v", and so failed |
//! | `NetworkChangeName` | [`link_rename`] | long names were cut; went by the old name, not the index |
//! | `NetworkSetNsPid`, `NetworkSetNsFd` | [`link_set_ns_pid`], [`link_set_ns_fd`] | the link arrived up |
//! | `NetworkGetRoutes` | [`routes`] | IPv4 only; without gateway, source, metric and next hops; one list of all links per route |
//! | `AddRoute` | [`add_route`] | host bits were an error; the source was ignored |
//! | `AddDefaultGw` | [`add_default_gateway`] | |
//!
//! All of them: sockets were inherited by programs started, a late answer was a fatal error, a long one was
//! cut silently, and an error was a bare errno.
//!
//! # Features
//!
//! `serde`: [`IpNet`] and [`MacAddress`] as text.
//!
//! `tokio`: `AsyncMonitor`, of which events are awaited.

#![deny(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod address;
mod batch;
mod bridge;
mod changes;
pub mod diag;
mod dump;
mod error;
mod family;
mod flush;
mod functions;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzz;
pub mod generic;
mod handle;
mod ip_net;
pub mod kind;
mod link;
mod mac;
mod monitor;
mod neighbour;
mod netns;
mod nexthop;
pub mod port;
pub mod protocol;
pub mod raw;
mod route;
mod rule;
#[cfg(feature = "serde")]
mod serde;
mod socket;
mod sys;
pub mod table;
pub mod tc;
mod tun;
mod wire;

pub use address::{Address, AddressFilter, AddressFlags, Scope};
pub use batch::Batch;
pub use bridge::{
    BridgeVlan, BridgeVlanFlags, MdbEntry, MdbFilter, MdbFlags, MdbGroup, MdbMode, PortVlans, VlanFilter,
    VlanOptions, VlanTunnel, VniEntry,
};
pub use dump::Dump;
pub use error::{Error, ErrorKind, Result};
pub use family::Family;
pub use functions::{
    add_default_gateway, add_route, add_to_bridge, create_bridge, create_veth_pair, delete_bridge,
    interface_by_name, link_add, link_add_ip, link_add_macvlan, link_add_vlan, link_del, link_del_ip,
    link_down, link_rename, link_set_mac, link_set_master, link_set_mtu, link_set_no_master, link_set_ns_fd,
    link_set_ns_pid, link_up, routes,
};
pub use handle::Handle;
pub use ip_net::IpNet;
pub use kind::VethPair;
pub use kind::{AnyLink, LinkKind};
pub use link::{
    AddrGenMode, Inet6Link, Ipv4Setting, Ipv6Setting, Link, LinkChange, LinkConf, LinkFilter, LinkFlags,
    LinkIndex, LinkMode, LinkRef, LinkStats, NewLink, OperState, Vf, VfLinkState, VfVlan, Xdp, XdpFlags,
    XdpMode,
};
pub use mac::MacAddress;
#[cfg(feature = "tokio")]
pub use monitor::AsyncMonitor;
pub use monitor::{Event, Monitor, MonitorBuilder, Object};
pub use neighbour::{
    FdbEntry, FdbFilter, FdbFlush, Neighbour, NeighbourFilter, NeighbourFlags, NeighbourState,
    NeighbourTable, NeighbourTimes,
};
pub use netns::{Netns, NetnsInode};
pub use nexthop::{
    NexthopBucket, NexthopBucketFilter, NexthopFilter, NexthopMember, NexthopObject, Resilient,
};
pub use port::{BondPort, BridgePort, Port};
pub use route::{
    BpfProgram, Encap, IpEncap, MetricLocks, MplsHop, MplsRoute, NextHop, Route, RouteFeatures, RouteFilter,
    RouteFlags, RouteKind, RouteMetrics, RouteQuery, RouterPreference, Seg6, Seg6Action, Seg6Local, Seg6Mode,
};
pub use rule::{Rule, RuleAction, RuleFilter, RuleFlags};
pub use tun::{TunFd, TunTap};

/// A bridge to be made by [`Handle::add_link`].
///
/// ```no_run
/// use netlink::{Bridge, Handle};
///
/// let bridge = Handle::open()?.add_link(&Bridge::new("br0").random_mac().mtu(9000))?;
/// # Ok::<(), netlink::Error>(())
/// ```
pub type Bridge<'a> = NewLink<'a, kind::Bridge>;

/// A veth pair to be made by [`Handle::add_veth`].
///
/// The other end can be born in another network namespace, with its final name: moving it there later
/// takes the kernel twenty times as long.
pub type Veth<'a> = NewLink<'a, kind::Veth<'a>>;

/// A VLAN of a link, to be made by [`Handle::add_link`].
pub type Vlan<'a> = NewLink<'a, kind::Vlan>;

/// A link of several links, to be made by [`Handle::add_link`].
pub type Bond<'a> = NewLink<'a, kind::Bond>;

/// A link with a MAC of its own on another (macvlan, macvtap), to be made by [`Handle::add_link`].
pub type Macvlan<'a> = NewLink<'a, kind::Macvlan>;

/// A link with the MAC of another (ipvlan, ipvtap), to be made by [`Handle::add_link`].
pub type Ipvlan<'a> = NewLink<'a, kind::Ipvlan>;

/// Ethernet in UDP, to be made by [`Handle::add_link`].
///
/// ```no_run
/// use netlink::{Handle, Vxlan};
///
/// let vxlan = Vxlan::new("vx7", 7).lower("eth0").remote("239.1.1.1".parse()?).master("br0").up();
/// Handle::open()?.add_link(&vxlan)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub type Vxlan<'a> = NewLink<'a, kind::Vxlan>;

/// Ethernet in UDP with options, to be made by [`Handle::add_link`].
pub type Geneve<'a> = NewLink<'a, kind::Geneve>;

/// A GRE tunnel (gre, gretap, ip6gre, ip6gretap), to be made by [`Handle::add_link`].
pub type Gre<'a> = NewLink<'a, kind::Gre>;

/// A tunnel of IP in IP (ipip, sit, ip6tnl), to be made by [`Handle::add_link`].
pub type IpTunnel<'a> = NewLink<'a, kind::IpTunnel>;

/// A tunnel whose packets are encrypted (vti, vti6), to be made by [`Handle::add_link`].
pub type Vti<'a> = NewLink<'a, kind::Vti>;

/// A link whose packets are encrypted by policies, to be made by [`Handle::add_link`].
pub type Xfrm<'a> = NewLink<'a, kind::Xfrm>;

/// A link whose ports have a routing table of their own, to be made by [`Handle::add_link`].
pub type Vrf<'a> = NewLink<'a, kind::Vrf>;

/// A netkit pair, to be made by [`Handle::add_pair`].
///
/// As with a [`Veth`], the other end can be born in another network namespace.
pub type Netkit<'a> = NewLink<'a, kind::NewNetkit<'a>>;

/// A pair of CAN links, to be made by [`Handle::add_pair`].
pub type Vxcan<'a> = NewLink<'a, kind::Vxcan<'a>>;

/// Packets in UDP without anything between, to be made by [`Handle::add_link`].
pub type Bareudp<'a> = NewLink<'a, kind::Bareudp>;

/// A ring of two links, to be made by [`Handle::add_link`].
pub type Hsr<'a> = NewLink<'a, kind::Hsr>;

/// A link that drops what is sent into it, to be made by [`Handle::add_link`].
pub type Dummy<'a> = NewLink<'a, kind::Dummy>;

/// A link through which received packets are led to be queued, to be made by [`Handle::add_link`].
pub type Ifb<'a> = NewLink<'a, kind::Ifb>;

/// A link whose packets are encrypted by WireGuard, to be made by [`Handle::add_link`].
pub type Wireguard<'a> = NewLink<'a, kind::Wireguard>;

/// A link that shows netlink messages to packet captures, to be made by [`Handle::add_link`].
pub type Nlmon<'a> = NewLink<'a, kind::Nlmon>;

/// A link of several links that a program rules, to be made by [`Handle::add_link`].
pub type Team<'a> = NewLink<'a, kind::Team>;

/// A virtual CAN link, to be made by [`Handle::add_link`].
pub type Vcan<'a> = NewLink<'a, kind::Vcan>;

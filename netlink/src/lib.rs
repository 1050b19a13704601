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
//! | `net.InterfaceByName` | [`interface_by_name`] | alternative names were not found |
//! | `NetworkLinkAdd` | [`link_add`] | kinds and names of 6, 10, ... letters lost the last: never a "bridge" |
//! | `NetworkLinkDel` | [`link_del`] | |
//! | `NetworkLinkAddIp` | [`link_add_ip`] | a mask that is no prefix became /0; `::ffff:10.0.0.1` became IPv4 |
//! | `NetworkLinkUp`, `NetworkLinkDown` | [`link_up`], [`link_down`] | |
//! | `NetworkSetMTU` | [`link_set_mtu`] | brought the link up and cleared its other flags; no word about the range |
//! | `NetworkSetMaster` | [`link_set_master`] | the same side effect; no way back ([`Handle::clear_master`]) |
//! | `AddToBridge` | [`add_to_bridge`] | names without their NUL |
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

#![forbid(unsafe_code)]

mod address;
mod bridge;
mod error;
mod functions;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzz;
mod handle;
mod ip_net;
mod link;
mod link_ref;
mod mac;
mod netns;
mod route;
#[cfg(feature = "serde")]
mod serde;
mod socket;
mod veth;
mod wire;

pub use address::{Address, AddressFlags, Scope};
pub use bridge::Bridge;
pub use error::{Error, ErrorKind, Result};
pub use functions::{
    add_default_gateway, add_route, add_to_bridge, create_bridge, create_veth_pair, interface_by_name,
    link_add, link_add_ip, link_del, link_down, link_rename, link_set_master, link_set_mtu, link_set_ns_fd,
    link_set_ns_pid, link_up, routes,
};
pub use handle::Handle;
pub use ip_net::IpNet;
pub use link::{Link, LinkFlags, OperState};
pub use link_ref::LinkRef;
pub use mac::MacAddress;
pub use route::{NextHop, Route, RouteKind};
pub use veth::{Veth, VethPair};

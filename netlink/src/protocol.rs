//! Who made a route, rule, next hop object or neighbour: the `RTPROT_` numbers ([ip-route(8)], `protocol`).
//!
//! From [`STATIC`] on the kernel doesn't look at them: a program that takes a number of its own finds what it made, and
//! deletes no more than that.
//!
//! ```
//! use netlink::{RouteFilter, protocol};
//!
//! let mut filter = RouteFilter::default();
//! filter.protocol = Some(protocol::BIRD);
//! ```
//!
//! [ip-route(8)]: https://man7.org/linux/man-pages/man8/ip-route.8.html

/// `RTPROT_REDIRECT`: an ICMP redirect.
#[doc(alias = "RTPROT_REDIRECT")]
pub const REDIRECT: u8 = 1;

/// `RTPROT_KERNEL`: the kernel itself, with an address.
#[doc(alias = "RTPROT_KERNEL")]
pub const KERNEL: u8 = 2;

/// `RTPROT_BOOT`: whoever says nothing else: what is set up by hand or while the machine starts.
#[doc(alias = "RTPROT_BOOT")]
pub const BOOT: u8 = 3;

/// `RTPROT_STATIC`: an administrator, who wants routing programs to leave it alone.
#[doc(alias = "RTPROT_STATIC")]
pub const STATIC: u8 = 4;

/// `RTPROT_RA`: a router's announcement (IPv6).
#[doc(alias = "RTPROT_RA")]
pub const RA: u8 = 9;

/// `RTPROT_ZEBRA`: Zebra, now FRR.
#[doc(alias = "RTPROT_ZEBRA")]
pub const ZEBRA: u8 = 11;

/// `RTPROT_BIRD`: BIRD.
#[doc(alias = "RTPROT_BIRD")]
pub const BIRD: u8 = 12;

/// `RTPROT_DHCP`: a DHCP client.
#[doc(alias = "RTPROT_DHCP")]
pub const DHCP: u8 = 16;

/// `RTPROT_KEEPALIVED`: keepalived.
#[doc(alias = "RTPROT_KEEPALIVED")]
pub const KEEPALIVED: u8 = 18;

/// `RTPROT_BABEL`: Babel.
#[doc(alias = "RTPROT_BABEL")]
pub const BABEL: u8 = 42;

/// `RTPROT_OPENR`: Open/R.
#[doc(alias = "RTPROT_OPENR")]
pub const OPENR: u8 = 99;

/// `RTPROT_BGP`: BGP.
#[doc(alias = "RTPROT_BGP")]
pub const BGP: u8 = 186;

/// `RTPROT_ISIS`: IS-IS.
#[doc(alias = "RTPROT_ISIS")]
pub const ISIS: u8 = 187;

/// `RTPROT_OSPF`: OSPF.
#[doc(alias = "RTPROT_OSPF")]
pub const OSPF: u8 = 188;

/// `RTPROT_RIP`: RIP.
#[doc(alias = "RTPROT_RIP")]
pub const RIP: u8 = 189;

/// `RTPROT_EIGRP`: EIGRP.
#[doc(alias = "RTPROT_EIGRP")]
pub const EIGRP: u8 = 192;

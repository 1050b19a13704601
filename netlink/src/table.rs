//! The numbers of the tables of routes that have a name everywhere ([ip-route(8)]).
//!
//! A table is a number from 1 on, and those in `/etc/iproute2/rt_tables` are names of the machine.
//!
//! ```
//! use netlink::{Rule, RuleAction, table};
//!
//! let rule = Rule::v4(RuleAction::Lookup(table::MAIN));
//! ```
//!
//! [ip-route(8)]: https://man7.org/linux/man-pages/man8/ip-route.8.html

/// `RT_TABLE_DEFAULT`: looked into last, and empty unless somebody fills it.
#[doc(alias = "RT_TABLE_DEFAULT")]
pub const DEFAULT: u32 = 253;

/// `RT_TABLE_MAIN`: what `ip route` lists, and where a route goes that names no other.
#[doc(alias = "RT_TABLE_MAIN")]
pub const MAIN: u32 = 254;

/// `RT_TABLE_LOCAL`: own addresses and broadcast addresses, which the kernel fills itself.
#[doc(alias = "RT_TABLE_LOCAL")]
pub const LOCAL: u32 = 255;

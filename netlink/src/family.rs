//! IPv4 and IPv6.

use std::fmt;
use std::net::IpAddr;

use crate::wire::numbers::{AF_INET, AF_INET6, AF_UNSPEC};

/// Which of the two internet protocols.
///
/// ```
/// use netlink::{Family, RouteFilter};
///
/// let mut filter = RouteFilter::default();
/// filter.family = Some(Family::Ipv6);
/// assert_eq!(Family::of("fd00::1".parse()?), Family::Ipv6);
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[doc(alias("AF_INET", "AF_INET6"))]
pub enum Family {
    /// IPv4 (`AF_INET`).
    Ipv4,
    /// IPv6 (`AF_INET6`).
    Ipv6,
}

impl Family {
    /// Both.
    pub(crate) const ALL: [Family; 2] = [Family::Ipv4, Family::Ipv6];

    /// Returns that of an address.
    pub fn of(address: IpAddr) -> Family {
        if address.is_ipv4() { Family::Ipv4 } else { Family::Ipv6 }
    }

    pub(crate) fn to_kernel(self) -> u8 {
        match self {
            Family::Ipv4 => AF_INET,
            Family::Ipv6 => AF_INET6,
        }
    }

    pub(crate) fn from_kernel(number: u8) -> Option<Family> {
        match number {
            AF_INET => Some(Family::Ipv4),
            AF_INET6 => Some(Family::Ipv6),
            _ => None,
        }
    }

    /// The number of one, or of any.
    pub(crate) fn or_any(family: Option<Family>) -> u8 {
        family.map_or(AF_UNSPEC, Family::to_kernel)
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Family::Ipv4 => "IPv4",
            Family::Ipv6 => "IPv6",
        })
    }
}

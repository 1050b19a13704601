//! An address with its network's prefix length.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use crate::error::{Error, Failure, Result};

/// An IP address and the prefix length of its network: `10.0.41.1/16`.
///
/// The host's bits are kept, as an interface's address needs them. Where a network is wanted (a
/// route's destination) they are masked: see [`IpNet::network`].
///
/// ```
/// use netlink::IpNet;
///
/// let address: IpNet = "10.0.41.1/16".parse()?;
/// assert_eq!(address.network().to_string(), "10.0.0.0/16");
/// assert!(address.contains("10.0.200.7".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IpNet {
    address: IpAddr,
    prefix_len: u8,
}

/// A single IPv4 address: all of its bits name it.
impl From<Ipv4Addr> for IpNet {
    fn from(address: Ipv4Addr) -> IpNet {
        IpAddr::V4(address).into()
    }
}

/// A single IPv6 address: all of its bits name it.
impl From<Ipv6Addr> for IpNet {
    fn from(address: Ipv6Addr) -> IpNet {
        IpAddr::V6(address).into()
    }
}

/// An address and a prefix length, as [`IpNet::new`] takes them.
impl TryFrom<(IpAddr, u8)> for IpNet {
    type Error = Error;

    fn try_from((address, prefix_len): (IpAddr, u8)) -> Result<IpNet> {
        IpNet::new(address, prefix_len)
    }
}

impl IpNet {
    /// `0.0.0.0/0`.
    pub(crate) const ANY_V4: IpNet = IpNet { address: IpAddr::V4(Ipv4Addr::UNSPECIFIED), prefix_len: 0 };

    /// Makes one of an address and a prefix length.
    ///
    /// # Errors
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput): the prefix is longer than the address.
    #[inline]
    pub fn new(address: IpAddr, prefix_len: u8) -> Result<IpNet> {
        if prefix_len > width(address) {
            let why = format!("its prefix has at most {} bits", width(address));
            return Err(Failure::Input(why).when(format_args!("use {address}/{prefix_len}"), &[]));
        }
        Ok(IpNet { address, prefix_len })
    }

    /// One that was read, if it can be.
    #[inline]
    pub(crate) fn read(address: IpAddr, prefix_len: u8) -> Option<IpNet> {
        (prefix_len <= width(address)).then_some(IpNet { address, prefix_len })
    }

    /// Returns the address, with the host's bits.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// Returns how many bits name the network.
    pub fn prefix_len(&self) -> u8 {
        self.prefix_len
    }

    /// Returns the network: the same without the host's bits.
    #[must_use]
    #[inline]
    pub fn network(&self) -> IpNet {
        let host_bits = u32::from(width(self.address) - self.prefix_len);
        let address = match self.address {
            IpAddr::V4(ip) => {
                Ipv4Addr::from_bits(ip.to_bits() & u32::MAX.checked_shl(host_bits).unwrap_or(0)).into()
            }
            IpAddr::V6(ip) => {
                Ipv6Addr::from_bits(ip.to_bits() & u128::MAX.checked_shl(host_bits).unwrap_or(0)).into()
            }
        };
        IpNet { address, prefix_len: self.prefix_len }
    }

    /// Returns the network's last address, which reaches all its hosts; `None` for IPv6, which has no
    /// such thing, and for IPv4 networks too small for one (/31 and /32).
    pub fn broadcast(&self) -> Option<Ipv4Addr> {
        match self.address {
            IpAddr::V4(ip) if self.prefix_len < 31 => {
                Some(Ipv4Addr::from_bits(ip.to_bits() | u32::MAX >> self.prefix_len))
            }
            _ => None,
        }
    }

    /// Tells whether an address is in the network.
    pub fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.address.is_ipv4()
            && IpNet { address, prefix_len: self.prefix_len }.network() == self.network()
    }

    /// Tells whether another network is this one, or a part of it.
    pub fn contains_net(&self, other: IpNet) -> bool {
        other.prefix_len >= self.prefix_len && self.contains(other.address)
    }
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// A single address: /32, or /128 for IPv6.
impl From<IpAddr> for IpNet {
    fn from(address: IpAddr) -> Self {
        IpNet { address, prefix_len: width(address) }
    }
}

impl FromStr for IpNet {
    type Err = Error;

    fn from_str(text: &str) -> Result<IpNet> {
        let fail = |why: &str| {
            Failure::Input(why.to_owned()).when(format_args!("read {text:?} as an address with prefix"), &[])
        };
        let (address, prefix) = text.split_once('/').ok_or_else(|| fail("it has no \"/\""))?;
        let address: IpAddr = address.parse().map_err(|_| fail("its address is none"))?;
        // `parse` alone would take "+8".
        let prefix = Some(prefix).filter(|prefix| prefix.bytes().all(|byte| byte.is_ascii_digit()));
        let prefix_len = prefix
            .and_then(|prefix| prefix.parse().ok())
            .ok_or_else(|| fail("its prefix length is no number up to 128"))?;
        IpNet::new(address, prefix_len)
    }
}

impl fmt::Display for IpNet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_len)
    }
}

impl fmt::Debug for IpNet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> IpNet {
        text.parse().unwrap()
    }

    #[test]
    fn host_bits_are_kept_and_masked_only_in_the_network() {
        assert_eq!(net("10.0.41.1/16").to_string(), "10.0.41.1/16");
        assert_eq!(net("10.0.41.1/16").network(), net("10.0.0.0/16"));
        assert_eq!(net("10.0.41.1/0").network(), net("0.0.0.0/0"));
        assert_eq!(net("10.0.41.1/32").network(), net("10.0.41.1/32"));
        assert_eq!(net("fd00::1:2/112").network(), net("fd00::1:0/112"));
        assert_eq!(net("fd00::1/0").network(), net("::/0"));
    }

    #[test]
    fn broadcast_is_the_last_address_of_an_ipv4_network() {
        assert_eq!(net("10.0.41.1/16").broadcast(), Some(Ipv4Addr::new(10, 0, 255, 255)));
        assert_eq!(net("0.0.0.0/0").broadcast(), Some(Ipv4Addr::BROADCAST));
        assert_eq!(net("10.0.41.1/30").broadcast(), Some(Ipv4Addr::new(10, 0, 41, 3)));
        assert_eq!(net("10.0.41.1/31").broadcast(), None);
        assert_eq!(net("fd00::1/64").broadcast(), None);
    }

    #[test]
    fn a_network_contains_its_own_family_only() {
        assert!(net("0.0.0.0/0").contains("192.0.2.1".parse().unwrap()));
        assert!(!net("0.0.0.0/0").contains("::1".parse().unwrap()));
        assert!(!net("10.0.41.1/16").contains("10.1.0.0".parse().unwrap()));
        assert!(net("10.0.41.1/16").contains_net(net("10.0.0.0/16")));
        assert!(net("10.0.41.1/16").contains_net(net("10.0.7.0/24")));
        assert!(!net("10.0.41.1/16").contains_net(net("10.0.0.0/8")));
        assert!(!net("0.0.0.0/0").contains_net(net("::/0")));
    }

    /// 2014's package turned a mask that is no prefix into /0, silently.
    #[test]
    fn what_is_no_prefix_is_refused() {
        for text in [
            "",
            "/",
            "10.0.0.1",
            "10.0.0.1/",
            "10.0.0.1/33",
            "::1/129",
            "10.0.0.1/+8",
            "10.0.0.1/-1",
            "10.0.0.1/255.0.255.0",
            "10.0.0/8",
            "10.0.0.1/8/8",
            " 10.0.0.1/8",
            "10.0.0.1/256",
        ] {
            assert!(text.parse::<IpNet>().is_err(), "{text:?}");
        }
        assert_eq!(
            "10.0.0.1".parse::<IpNet>().unwrap_err().to_string(),
            "read \"10.0.0.1\" as an address with prefix: it has no \"/\""
        );
        assert_eq!(
            "10.0.0.1/33".parse::<IpNet>().unwrap_err().to_string(),
            "use 10.0.0.1/33: its prefix has at most 32 bits"
        );
    }

    #[test]
    fn a_single_address_is_its_own_network() {
        assert_eq!(IpNet::from("10.0.0.1".parse::<IpAddr>().unwrap()), net("10.0.0.1/32"));
        assert_eq!(IpNet::from("::1".parse::<IpAddr>().unwrap()), net("::1/128"));
    }
}

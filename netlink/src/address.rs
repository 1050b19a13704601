//! The addresses of links.

use std::net::IpAddr;

use bitflags::bitflags;
use nix::errno::Errno;

use crate::error::{Failure, Hints, Result};
use crate::handle::Handle;
use crate::ip_net::IpNet;
use crate::link_ref::LinkRef;
use crate::wire::numbers::{NLM_F_CREATE, NLM_F_EXCL, RTM_DELADDR, RTM_GETADDR, RTM_NEWADDR};
use crate::wire::{self, Request};

/// An address of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Address {
    /// The index of the link it belongs to.
    pub index: u32,
    /// The address and its network.
    pub net: IpNet,
    /// The other end's address, on a link between two.
    pub peer: Option<IpAddr>,
    /// The address that reaches all of the network, where one was set.
    pub broadcast: Option<IpAddr>,
    /// The name that old programs know it by (IPv4 only).
    pub label: Option<String>,
    /// Where it is valid.
    pub scope: Scope,
    /// How it came, and whether it can be used.
    pub flags: AddressFlags,
}

/// Where an address or a route is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scope {
    /// Everywhere; written `global`.
    Universe,
    /// Within the site.
    Site,
    /// On its own link.
    Link,
    /// In this host.
    Host,
    /// Nowhere.
    Nowhere,
    /// A number of the administrator's own.
    Other(u8),
}

impl Scope {
    pub(crate) fn from_kernel(scope: u8) -> Scope {
        match scope {
            0 => Scope::Universe,
            200 => Scope::Site,
            253 => Scope::Link,
            254 => Scope::Host,
            255 => Scope::Nowhere,
            other => Scope::Other(other),
        }
    }

    pub(crate) fn to_kernel(self) -> u8 {
        match self {
            Scope::Universe => 0,
            Scope::Site => 200,
            Scope::Link => 253,
            Scope::Host => 254,
            Scope::Nowhere => 255,
            Scope::Other(other) => other,
        }
    }
}

/// Written as ip-address(8) writes it: `global`, `link`.
impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Scope::Universe => f.pad("global"),
            Scope::Site => f.pad("site"),
            Scope::Link => f.pad("link"),
            Scope::Host => f.pad("host"),
            Scope::Nowhere => f.pad("nowhere"),
            Scope::Other(other) => write!(f, "{other}"),
        }
    }
}

bitflags! {
    /// How an address came, and whether it can be used (`IFA_F_`). Those without a name here are kept.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct AddressFlags: u32 {
        /// Another address of the same network comes first.
        const SECONDARY = 0x1;
        /// Others on the link are not asked whether they have it.
        const NODAD = 0x2;
        /// Another on the link has it.
        const DADFAILED = 0x8;
        /// It is out of its time.
        const DEPRECATED = 0x20;
        /// Others on the link are being asked whether they have it: it can't be used yet.
        const TENTATIVE = 0x40;
        /// It has no end of time.
        const PERMANENT = 0x80;

        const _ = !0;
    }
}

impl Handle {
    /// Gives a link an address. The kernel adds the route to its network once the link is up.
    ///
    /// No broadcast address is set, as ip-address(8) doesn't either.
    ///
    /// # Errors
    /// [`AlreadyExists`](crate::ErrorKind::AlreadyExists): the link has it.
    /// [`NotFound`](crate::ErrorKind::NotFound): there is no such link.
    pub fn add_address<'a>(&mut self, link: impl Into<LinkRef<'a>>, address: IpNet) -> Result<()> {
        const HINTS: Hints<'_> = &[(Errno::EEXIST, "the link has it already")];
        let link = link.into();
        self.change_address(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, link, address)
            .map_err(|failure| failure.when(format_args!("add address {address} to {link}"), HINTS))
    }

    /// Takes an address from a link.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound): there is no such link, or it hasn't that address.
    pub fn delete_address<'a>(&mut self, link: impl Into<LinkRef<'a>>, address: IpNet) -> Result<()> {
        const HINTS: Hints<'_> = &[(Errno::EADDRNOTAVAIL, "the link doesn't have it")];
        let link = link.into();
        self.change_address(RTM_DELADDR, 0, link, address)
            .map_err(|failure| failure.when(format_args!("delete address {address} from {link}"), HINTS))
    }

    /// Lists the addresses of all links of the namespace, IPv4 and IPv6.
    ///
    /// # Errors
    /// [`Interrupted`](crate::ErrorKind::Interrupted): addresses came and went each time the list was read.
    pub fn addresses(&mut self) -> Result<Vec<Address>> {
        self.list(Request::new(RTM_GETADDR, 0, &wire::address::ANY), wire::address::read)
            .map_err(|failure| failure.when("list addresses", &[]))
    }

    fn change_address(
        &mut self,
        kind: u16,
        flags: u16,
        link: LinkRef<'_>,
        address: IpNet,
    ) -> Result<(), Failure> {
        let index = self.index_of(link)?;
        self.change(wire::address::request(kind, flags, index, address), |_| {})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_the_kernels_numbers() {
        for number in 0..=255 {
            assert_eq!(Scope::from_kernel(number).to_kernel(), number);
        }
        assert_eq!(Scope::from_kernel(0).to_string(), "global");
        assert_eq!(Scope::from_kernel(7).to_string(), "7");
    }
}

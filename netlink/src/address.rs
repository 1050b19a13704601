//! The addresses of links.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use bitflags::bitflags;
use nix::errno::Errno;

use crate::Family;
use crate::dump::{Dump, Slot, unreadable};
use crate::error::{Error, ErrorKind, Failure, Hints, Result};
use crate::handle::Handle;
use crate::ip_net::IpNet;
use crate::link::LinkRef;
use crate::wire::message::Message;
use crate::wire::numbers::{
    AF_INET, AF_INET6, IFA_ADDRESS, IFA_TARGET_NETNSID, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, RTM_DELADDR,
    RTM_GETADDR, RTM_NEWADDR,
};
use crate::wire::{self, Request};

/// An address of a link.
///
/// To add one that is more than the address and its network, fill in the rest:
///
/// ```no_run
/// use netlink::{Address, Handle};
///
/// let mut address: Address = "10.0.41.2/16".parse()?;
/// address.label = Some("eth0:old".to_owned());
/// Handle::open()?.add_address("eth0", &address)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Address {
    /// The index of the link it belongs to. On input it is not looked at: the link is told apart.
    pub index: u32,
    /// The address and its network.
    #[doc(alias = "IFA_LOCAL")]
    pub net: IpNet,
    /// The other end's address, on a link between two.
    #[doc(alias = "IFA_ADDRESS")]
    pub peer: Option<IpAddr>,
    /// The address that reaches all of the network, where one was set (IPv4 only).
    #[doc(alias = "IFA_BROADCAST")]
    pub broadcast: Option<IpAddr>,
    /// The name that old programs know it by, which begins with the link's (IPv4 only). On input `None` is
    /// the link's name.
    #[doc(alias = "IFA_LABEL")]
    pub label: Option<String>,
    /// Where it is valid. On input `None` is the host for 127.0.0.0/8, and everywhere for all else; IPv6 takes
    /// none, the kernel sees it by the address.
    pub scope: Option<Scope>,
    /// How it came, and whether it can be used.
    #[doc(alias = "IFA_FLAGS")]
    pub flags: AddressFlags,
    /// For how many seconds it is still there; `None` for ever.
    #[doc(alias("valid_lft", "IFA_CACHEINFO"))]
    pub valid_lifetime: Option<u32>,
    /// For how many seconds new connections still use it; `None` for ever. Of an IPv4 address that is valid for ever the
    /// kernel would forget it, so that it is refused there, but for 0.
    #[doc(alias = "preferred_lft")]
    pub preferred_lifetime: Option<u32>,
    /// The metric of the route to its network, where one was set.
    #[doc(alias = "IFA_RT_PRIORITY")]
    pub metric: Option<u32>,
    /// Who made it, an `IFAPROT_` number; `None` for unknown (Linux 5.18).
    #[doc(alias = "IFA_PROTO")]
    pub protocol: Option<u8>,
}

impl Address {
    /// Begins an address, as it is made if nothing more is said.
    pub fn new(net: IpNet) -> Address {
        Address {
            index: 0,
            net,
            peer: None,
            broadcast: None,
            label: None,
            scope: None,
            flags: AddressFlags::empty(),
            valid_lifetime: None,
            preferred_lifetime: None,
            metric: None,
            protocol: None,
        }
    }

    /// Writes a request about it.
    pub(crate) fn request(
        &self,
        request: &mut Request,
        handle: &mut Handle,
        kind: u16,
        flags: u16,
        link: LinkRef<'_>,
    ) -> Result<(), Failure> {
        self.check()?;
        wire::address::write(request, kind, flags, handle.index_of(link)?, self);
        Ok(())
    }

    /// Checks what the kernel would refuse without telling why, take otherwise or forget.
    fn check(&self) -> Result<(), Failure> {
        let v4 = self.net.address().is_ipv4();
        let wrong = |what: &str| Err(Failure::Input(format!("{what} not of the address's family")));
        if self.peer.is_some_and(|peer| peer.is_ipv4() != v4) {
            return wrong("the other end's is");
        }
        if self.broadcast.is_some_and(|broadcast| broadcast.is_ipv4() != v4) {
            return wrong("the broadcast address is");
        }
        if !v4 && (self.broadcast.is_some() || self.label.is_some()) {
            return Err(Failure::Input("only IPv4 addresses have a broadcast address or a label".to_owned()));
        }
        let longest = self.valid_lifetime.unwrap_or(u32::MAX);
        if self.preferred_lifetime.is_some_and(|seconds| seconds > longest) {
            return Err(Failure::Input("it can't be preferred for longer than it is valid".to_owned()));
        }
        // The kernel takes it, and neither keeps it nor tells it.
        if v4
            && longest == u32::MAX
            && self.preferred_lifetime.is_some_and(|seconds| (1..u32::MAX).contains(&seconds))
        {
            let why = "an IPv4 address that is valid for ever is preferred for ever too, or not at all (0)";
            return Err(Failure::Input(why.to_owned()));
        }
        Ok(())
    }
}

/// Written as in a command of ip-address(8): `10.0.41.2/16`, `10.0.0.1/32 peer 10.0.0.2`.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.net)?;
        self.peer.map_or(Ok(()), |peer| write!(f, " peer {peer}"))
    }
}

impl From<IpNet> for Address {
    fn from(net: IpNet) -> Address {
        Address::new(net)
    }
}

/// Reads an address and its network: `10.0.41.2/16`.
impl FromStr for Address {
    type Err = Error;

    fn from_str(text: &str) -> Result<Address> {
        text.parse().map(Address::new)
    }
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
    #[inline]
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
impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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
        #[doc(alias("IFA_F_NODAD", "nodad"))]
        const NODAD = 0x2;
        /// It can be used while others on the link are being asked whether they have it.
        #[doc(alias("IFA_F_OPTIMISTIC", "optimistic"))]
        const OPTIMISTIC = 0x4;
        /// Another on the link has it.
        #[doc(alias("IFA_F_DADFAILED", "dadfailed"))]
        const DADFAILED = 0x8;
        /// It is where a mobile host is at home.
        #[doc(alias("IFA_F_HOMEADDRESS", "homeaddress"))]
        const HOMEADDRESS = 0x10;
        /// It is out of its time.
        #[doc(alias("IFA_F_DEPRECATED", "deprecated"))]
        const DEPRECATED = 0x20;
        /// Others on the link are being asked whether they have it: it can't be used yet.
        #[doc(alias("IFA_F_TENTATIVE", "tentative"))]
        const TENTATIVE = 0x40;
        /// It has no end of time.
        #[doc(alias("IFA_F_PERMANENT", "permanent"))]
        const PERMANENT = 0x80;
        /// The kernel makes temporary addresses of its network.
        #[doc(alias("IFA_F_MANAGETEMPADDR", "managetempaddr"))]
        const MANAGETEMPADDR = 0x100;
        /// No route to its network is added.
        #[doc(alias("IFA_F_NOPREFIXROUTE", "noprefixroute"))]
        const NOPREFIXROUTE = 0x200;
        /// The link joins its group, an address for many.
        #[doc(alias("IFA_F_MCAUTOJOIN", "mcautojoin"))]
        const MCAUTOJOIN = 0x400;
        /// It was made from the link's secret.
        #[doc(alias("IFA_F_STABLE_PRIVACY", "stable_privacy"))]
        const STABLE_PRIVACY = 0x800;

        const _ = !0;
    }
}

/// Which addresses to list. The kernel knows links, families and namespaces; the rest is left out here.
///
/// ```no_run
/// use netlink::{AddressFilter, AddressFlags, Handle, Scope};
///
/// let mut handle = Handle::open()?;
/// let mut usable = AddressFilter::default();
/// usable.index = Some(handle.link("eth0")?.index);
/// usable.scope = Some(Scope::Universe);
/// usable.without_flags = AddressFlags::TENTATIVE | AddressFlags::DEPRECATED;
/// let addresses = handle.list_addresses(usable)?;
/// # Ok::<(), netlink::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AddressFilter {
    /// Those of the link with this index.
    pub index: Option<u32>,
    /// Those of IPv4 or of IPv6.
    pub family: Option<Family>,
    /// Those that are valid there.
    pub scope: Option<Scope>,
    /// Those that are in this network.
    pub within: Option<IpNet>,
    /// Those that have all of these flags, as the kernel tells them; no bit is any.
    pub flags: AddressFlags,
    /// Those that lack all of these flags: with [`TENTATIVE`](AddressFlags::TENTATIVE), those that can be used already.
    pub without_flags: AddressFlags,
    /// Those in the namespace that this one knows by that id ([`Handle::netns_id`]).
    pub netns_id: Option<u32>,
}

impl AddressFilter {
    fn matches(self, address: &Address) -> bool {
        self.index.is_none_or(|index| index == address.index)
            && self.family.is_none_or(|family| family == Family::of(address.net.address()))
            && self.scope.is_none_or(|scope| address.scope == Some(scope))
            && self.within.is_none_or(|net| net.contains(address.net.address()))
            && address.flags.contains(self.flags)
            && !address.flags.intersects(self.without_flags)
    }
}

pub(crate) const ADDING: Hints<'static> = &[(Errno::EEXIST, "the link has it already")];
pub(crate) const DELETING: Hints<'static> = &[(Errno::EADDRNOTAVAIL, "the link doesn't have it")];

impl Handle {
    /// Gives a link an address. The kernel adds the route to its network once the link is up.
    ///
    /// No broadcast address is set unless the [`Address`] has one, as ip-address(8) doesn't either.
    ///
    /// # Errors
    /// [`AlreadyExists`](crate::ErrorKind::AlreadyExists): the link has it.
    /// [`NotFound`](crate::ErrorKind::NotFound): there is no such link.
    #[doc(alias = "AddrAdd")]
    pub fn add_address<'a>(&mut self, link: impl Into<LinkRef<'a>>, address: &Address) -> Result<()> {
        let link = link.into();
        self.change_address(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, link, address)
            .map_err(|failure| failure.when(format_args!("add address {address} to {link}"), ADDING))
    }

    /// Gives a link an address, or changes the one that it has: its lifetimes, flags and metric are then those that are
    /// said here, and the kernel's usual ones where nothing is.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound): there is no such link.
    /// [`AlreadyExists`](crate::ErrorKind::AlreadyExists): the link has that IPv6 address with another network, which
    /// the kernel would keep. (A [`Batch`](crate::Batch) doesn't look.)
    #[doc(alias = "AddrReplace")]
    pub fn replace_address<'a>(&mut self, link: impl Into<LinkRef<'a>>, address: &Address) -> Result<()> {
        let link = link.into();
        self.check_network(link, address)
            .and_then(|()| self.change_address(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, link, address))
            .map_err(|failure| failure.when(format_args!("set address {address} of {link}"), &[]))
    }

    /// Takes an address from a link: an IPv4 one by itself and its network, an IPv6 one by itself alone.
    ///
    /// If it is the first of its network, the kernel takes the link's other IPv4 addresses of that network too, unless
    /// the setting [`promote_secondaries`](crate::Ipv4Setting) is on.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound): there is no such link, or it hasn't that address.
    #[doc(alias = "AddrDel")]
    pub fn delete_address<'a>(&mut self, link: impl Into<LinkRef<'a>>, address: &Address) -> Result<()> {
        let link = link.into();
        self.change_address(RTM_DELADDR, 0, link, address)
            .map_err(|failure| failure.when(format_args!("delete address {address} from {link}"), DELETING))
    }

    /// Lists the addresses of all links of the namespace, IPv4 and IPv6.
    ///
    /// # Errors
    /// [`Interrupted`](crate::ErrorKind::Interrupted): addresses came and went each time the list was read.
    #[doc(alias = "AddrList")]
    pub fn addresses(&mut self) -> Result<Vec<Address>> {
        self.list_addresses(AddressFilter::default())
    }

    /// Lists some addresses. The kernel leaves the others out where it can.
    ///
    /// # Errors
    /// Those of [`addresses`](Handle::addresses).
    pub fn list_addresses(&mut self, filter: AddressFilter) -> Result<Vec<Address>> {
        let read = |message: &Message<'_>, slot: &mut Slot<Address>| read_into(filter, message, slot);
        self.list_in_place(|handle| list_request(handle, filter), read)
            .map_err(|failure| failure.when("list addresses", &[]))
    }

    /// Lists some addresses, one at a time.
    ///
    /// # Errors
    /// The kernel did not answer. What goes wrong later the items tell.
    pub fn dump_addresses(&mut self, filter: AddressFilter) -> Result<Dump<'_, Address>> {
        let request = list_request(self, filter);
        Dump::begin_in_place(self, request, "addresses", &[], move |message, slot| {
            read_into(filter, message, slot);
        })
        .map_err(|failure| failure.when("list addresses", &[]))
    }

    /// The kernel goes by an IPv6 address alone, and keeps the network that it has.
    fn check_network(&mut self, link: LinkRef<'_>, address: &Address) -> Result<(), Failure> {
        if address.net.address().is_ipv4() {
            return Ok(());
        }
        let index = self.index_of(link)?;
        let mut request = self.room();
        request.begin(RTM_GETADDR, 0, &wire::address::list_header(Some(index), Some(Family::Ipv6)));
        request.ip(IFA_ADDRESS, address.net.address());
        match self.get(request, |message| wire::address::read(message.payload)) {
            Ok(found) if found.net != address.net => {
                let why = format!("the link has it as {}, and would keep that", found.net);
                Err(Failure::Conflict(ErrorKind::AlreadyExists, why))
            }
            // It isn't there; what else went wrong, the change meets again.
            _ => Ok(()),
        }
    }

    fn change_address(
        &mut self,
        kind: u16,
        flags: u16,
        link: LinkRef<'_>,
        address: &Address,
    ) -> Result<(), Failure> {
        let mut request = self.room();
        address.request(&mut request, self, kind, flags, link)?;
        self.change(request, |_| {})
    }
}

fn list_request(handle: &mut Handle, filter: AddressFilter) -> Request {
    let mut request = handle.room();
    request.begin(RTM_GETADDR, 0, &wire::address::list_header(filter.index, filter.family));
    if let Some(id) = filter.netns_id {
        request.u32(IFA_TARGET_NETNSID, id);
    }
    request
}

/// Reads an address where it goes, if it is one of them.
fn read_into(filter: AddressFilter, message: &Message<'_>, slot: &mut Slot<Address>) {
    if !matches!(message.payload.first(), Some(&(AF_INET | AF_INET6))) {
        return;
    }
    // A kernel that doesn't look at the filter lists all of a family, and this namespace's own.
    let of_namespace = |id| {
        let mut attributes = message.attributes(8);
        attributes.any(|attribute| attribute.kind == IFA_TARGET_NETNSID && attribute.u32() == Some(id))
    };
    let is_wanted = |address: &Address| filter.matches(address) && filter.netns_id.is_none_or(of_namespace);
    *slot = match wire::address::read(message.payload) {
        Some(address) if is_wanted(&address) => Some(Ok(address)),
        Some(_) => None,
        None => Some(unreadable("addresses")),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_can_not_be_read_is_an_error_in_its_place() {
        let header = [2, 24, 0, 0, 1, 0, 0, 0];
        let odd = [&header[..], &[9, 0, 2, 0, 10, 0, 0, 0, 1, 0, 0, 0]].concat();
        let mut slot = None;
        read_into(
            AddressFilter::default(),
            &Message { kind: 0, flags: 0, sequence: 0, payload: &odd },
            &mut slot,
        );
        assert_eq!(slot.unwrap().unwrap_err().kind(), crate::ErrorKind::Protocol);
        let mut slot = None;
        let other = [&[28][..], &odd[1..]].concat();
        read_into(
            AddressFilter::default(),
            &Message { kind: 0, flags: 0, sequence: 0, payload: &other },
            &mut slot,
        );
        assert!(slot.is_none());
    }

    #[test]
    fn scopes_are_the_kernels_numbers() {
        for number in 0..=255 {
            assert_eq!(Scope::from_kernel(number).to_kernel(), number);
        }
        assert_eq!(Scope::from_kernel(0).to_string(), "global");
        assert_eq!(Scope::from_kernel(7).to_string(), "7");
    }

    #[test]
    fn what_does_not_fit_together_is_told_before_the_kernel_is_asked() {
        let v4 = Address::new("10.0.0.1/32".parse().unwrap());
        let v6 = Address::new("fd00::1/64".parse().unwrap());
        let (ip4, ip6): (IpAddr, IpAddr) = ("10.0.0.2".parse().unwrap(), "fd00::2".parse().unwrap());
        assert!(Address { peer: Some(ip4), broadcast: Some(ip4), ..v4.clone() }.check().is_ok());
        assert!(Address { peer: Some(ip6), ..v4.clone() }.check().is_err());
        assert!(Address { broadcast: Some(ip6), ..v4.clone() }.check().is_err());
        assert!(Address { broadcast: Some(ip6), ..v6.clone() }.check().is_err());
        assert!(Address { label: Some("x".to_owned()), ..v6.clone() }.check().is_err());
        let lifetimes = |valid_lifetime, preferred_lifetime| {
            Address { valid_lifetime, preferred_lifetime, ..v4.clone() }.check().is_ok()
        };
        assert!(lifetimes(Some(60), Some(60)) && lifetimes(None, Some(0)) && lifetimes(None, None));
        assert!(!lifetimes(Some(60), Some(61)) && !lifetimes(None, Some(60)));
        // Valid for a time and preferred as long as it is valid.
        assert!(lifetimes(Some(60), None));
    }

    #[test]
    fn an_address_is_written_as_in_a_command() {
        let mut address = Address::new("10.0.0.1/32".parse().unwrap());
        assert_eq!(address.to_string(), "10.0.0.1/32");
        address.peer = Some("10.0.0.2".parse().unwrap());
        assert_eq!(address.to_string(), "10.0.0.1/32 peer 10.0.0.2");
    }
}

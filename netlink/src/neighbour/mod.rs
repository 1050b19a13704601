//! Neighbours: who is behind which hardware address on a link.

mod fdb;
mod flags;
mod table;

use std::fmt;
use std::net::IpAddr;

use nix::errno::Errno;

pub(crate) use self::fdb::{FLUSH_HINTS, HINTS as FDB_HINTS};
pub use self::fdb::{FdbEntry, FdbFilter, FdbFlush};
pub use self::flags::{NeighbourFlags, NeighbourState, NeighbourTimes};
pub use self::table::NeighbourTable;
use crate::Family;
use crate::dump::{Dump, Slot, unreadable};
use crate::error::{Failure, Hints, Result};
use crate::handle::Handle;
use crate::link::LinkRef;
use crate::mac::MacAddress;
use crate::wire::Request;
use crate::wire::message::Message;
use crate::wire::neighbour;
use crate::wire::numbers::{
    NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, RTM_DELNEIGH, RTM_GETNEIGH, RTM_NEWNEIGH,
};

/// A neighbour on a link: an address and the hardware address behind it ([ip-neighbour(8)]).
///
/// ```no_run
/// use netlink::{Handle, Neighbour};
///
/// let neighbour = Neighbour::new("10.0.41.7".parse()?).mac([2, 0, 0, 0, 0, 7]);
/// Handle::open()?.add_neighbour("eth0", &neighbour)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// [ip-neighbour(8)]: https://man7.org/linux/man-pages/man8/ip-neighbour.8.html
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Neighbour {
    /// The index of the link it is on. On input it is not looked at: the link is told apart. Zero is a proxy of all
    /// links.
    pub index: u32,
    /// Its address.
    pub address: IpAddr,
    /// Its hardware address, where it is known and has six bytes.
    #[doc(alias = "NDA_LLADDR")]
    pub mac: Option<MacAddress>,
    /// Its hardware address, where it is known and has more or less than six bytes: on a tunnel (4 or 16), on InfiniBand
    /// (20). On input it is not looked at beside `mac`.
    pub long_address: Option<Vec<u8>>,
    /// What the kernel knows of its hardware address.
    pub state: NeighbourState,
    /// How it came, and what it is used for.
    pub flags: NeighbourFlags,
    /// Who made it, a number of [`protocol`](crate::protocol); `None` for unknown.
    pub protocol: Option<u8>,
    /// How often it was asked for without an answer; not on input.
    pub probes: Option<u32>,
    /// When something happened to it; not on input.
    pub times: Option<NeighbourTimes>,
}

impl Neighbour {
    /// Begins a neighbour that is set for good.
    pub fn new(address: IpAddr) -> Neighbour {
        Neighbour {
            index: 0,
            address,
            mac: None,
            long_address: None,
            state: NeighbourState::PERMANENT,
            flags: NeighbourFlags::empty(),
            protocol: None,
            probes: None,
            times: None,
        }
    }

    /// Begins an address in whose name the kernel answers ("proxy").
    pub fn proxy(address: IpAddr) -> Neighbour {
        let mut proxy = Neighbour::new(address);
        (proxy.state, proxy.flags) = (NeighbourState::empty(), NeighbourFlags::PROXY);
        proxy
    }

    /// Begins a neighbour that the kernel finds by itself, and asks for again and again (Linux 5.16).
    pub fn managed(address: IpAddr) -> Neighbour {
        let mut managed = Neighbour::new(address);
        (managed.state, managed.flags) = (NeighbourState::empty(), NeighbourFlags::MANAGED);
        managed
    }

    /// Sets its hardware address.
    #[must_use]
    pub fn mac(mut self, mac: impl Into<MacAddress>) -> Neighbour {
        self.mac = Some(mac.into());
        self
    }

    /// Sets what the kernel is to take its hardware address for.
    #[must_use]
    pub fn state(mut self, state: NeighbourState) -> Neighbour {
        self.state = state;
        self
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
        self.check(kind)?;
        neighbour::write(request, kind, flags, handle.index_of(link)?, self);
        Ok(())
    }

    /// Checks what the kernel would refuse without telling why.
    fn check(&self, kind: u16) -> Result<(), Failure> {
        let known = NeighbourState::PERMANENT
            | NeighbourState::NOARP
            | NeighbourState::REACHABLE
            | NeighbourState::STALE
            | NeighbourState::DELAY
            | NeighbourState::PROBE;
        // Links without addresses (a tunnel's) have neighbours without.
        let asks =
            self.flags.intersects(NeighbourFlags::USE | NeighbourFlags::MANAGED | NeighbourFlags::PROXY);
        if kind == RTM_NEWNEIGH
            && self.mac.is_none()
            && self.long_address.is_none()
            && !asks
            && self.state.intersects(known)
        {
            let noarp = self.state == NeighbourState::NOARP;
            if !noarp {
                return Err(Failure::Input("it has no hardware address".to_owned()));
            }
        }
        Ok(())
    }
}

/// Written as in a command of ip-neighbour(8): `10.0.0.7 lladdr 02:00:00:00:00:07`.
impl fmt::Display for Neighbour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.flags.contains(NeighbourFlags::PROXY) {
            f.write_str("proxy ")?;
        }
        write!(f, "{}", self.address)?;
        self.mac.map_or(Ok(()), |mac| write!(f, " lladdr {mac}"))
    }
}

pub(crate) const HINTS: Hints<'static> = &[
    (Errno::EEXIST, "it is there already"),
    (Errno::ENOENT, "there is no such neighbour"),
    (Errno::ENOBUFS, "the kernel's table of neighbours is full"),
    (Errno::ENETDOWN, "the link is down"),
    (Errno::EINVAL, "the kernel takes no such neighbour on this link"),
];

/// Which neighbours to list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NeighbourFilter {
    /// Those on the link with this index.
    pub index: Option<u32>,
    /// Those of IPv4 or of IPv6.
    pub family: Option<Family>,
    /// Those on ports of the bridge (or links of the bond, VRF, ...) with this index.
    pub master: Option<u32>,
    /// Those in one of these states; no bit is any state.
    pub state: NeighbourState,
    /// The addresses in whose names the kernel answers, instead of the neighbours.
    pub proxies: bool,
}

impl NeighbourFilter {
    fn request(self, handle: &mut Handle) -> Request {
        let mut request = handle.room();
        neighbour::write_list(&mut request, self);
        request
    }

    /// Reads a neighbour where it goes, if it is one of them.
    fn read_into(&self, message: &Message<'_>, slot: &mut Slot<Neighbour>) {
        if !neighbour::is_of_ip(message.payload) {
            return;
        }
        let Ok(found) = slot.insert(Ok(Neighbour::new([0; 4].into()))) else { return };
        if neighbour::read_all(found, message.payload).is_none() {
            *slot = Some(unreadable("neighbours"));
        } else if !self.matches(found) {
            *slot = None;
        }
    }

    /// Of the master neighbours don't tell: only the kernel knows it.
    fn matches(&self, neighbour: &Neighbour) -> bool {
        self.index.is_none_or(|index| index == neighbour.index)
            && self.family.is_none_or(|family| family == Family::of(neighbour.address))
            && (self.state.is_empty() || self.state.intersects(neighbour.state))
            && self.proxies == neighbour.flags.contains(NeighbourFlags::PROXY)
    }
}

impl Handle {
    /// Lists all neighbours of the namespace, IPv4 and IPv6, without proxies.
    ///
    /// # Errors
    /// [`Interrupted`](crate::ErrorKind::Interrupted): neighbours came and went each time the list was read.
    #[doc(alias = "NeighList")]
    pub fn neighbours(&mut self) -> Result<Vec<Neighbour>> {
        self.list_neighbours(NeighbourFilter::default())
    }

    /// Lists some neighbours. The kernel leaves the others out where it can.
    ///
    /// # Errors
    /// Those of [`neighbours`](Handle::neighbours); [`NotFound`](crate::ErrorKind::NotFound) where the filter has a
    /// link or master that isn't there.
    pub fn list_neighbours(&mut self, filter: NeighbourFilter) -> Result<Vec<Neighbour>> {
        self.list_in_place(|handle| filter.request(handle), |message, slot| filter.read_into(message, slot))
            .map_err(|failure| failure.when("list neighbours", &[]))
    }

    /// Lists some neighbours, one at a time.
    ///
    /// # Errors
    /// The kernel did not answer. What goes wrong later the items tell.
    pub fn dump_neighbours(&mut self, filter: NeighbourFilter) -> Result<Dump<'_, Neighbour>> {
        let request = filter.request(self);
        Dump::begin_in_place(self, request, "neighbours", &[], move |message, slot| {
            filter.read_into(message, slot);
        })
        .map_err(|failure| failure.when("list neighbours", &[]))
    }

    /// Finds a neighbour by its address.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound): there is no such link, or no such neighbour.
    pub fn neighbour<'a>(&mut self, link: impl Into<LinkRef<'a>>, address: IpAddr) -> Result<Neighbour> {
        let link = link.into();
        let outcome = self.index_of(link).and_then(|index| {
            let mut request = self.room();
            let mut wanted = Neighbour::new(address);
            wanted.state = NeighbourState::empty();
            neighbour::write(&mut request, RTM_GETNEIGH, 0, index, &wanted);
            self.get(request, |message| neighbour::read(message.payload))
        });
        outcome.map_err(|failure| failure.when(format_args!("find neighbour {address} on {link}"), HINTS))
    }

    /// Adds a neighbour.
    ///
    /// # Errors
    /// [`AlreadyExists`](crate::ErrorKind::AlreadyExists): the link has it.
    /// [`NotFound`](crate::ErrorKind::NotFound): there is no such link.
    #[doc(alias = "NeighAdd")]
    pub fn add_neighbour<'a>(&mut self, link: impl Into<LinkRef<'a>>, neighbour: &Neighbour) -> Result<()> {
        self.set_neighbour(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_EXCL, link.into(), neighbour, "add")
    }

    /// Adds a neighbour, or changes the one that is there.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound): there is no such link.
    #[doc(alias = "NeighSet")]
    pub fn replace_neighbour<'a>(
        &mut self,
        link: impl Into<LinkRef<'a>>,
        neighbour: &Neighbour,
    ) -> Result<()> {
        self.set_neighbour(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, link.into(), neighbour, "replace")
    }

    /// Changes a neighbour that is there.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound): there is no such link, or no such neighbour.
    pub fn change_neighbour<'a>(
        &mut self,
        link: impl Into<LinkRef<'a>>,
        neighbour: &Neighbour,
    ) -> Result<()> {
        self.set_neighbour(RTM_NEWNEIGH, NLM_F_REPLACE, link.into(), neighbour, "change")
    }

    /// Adds a neighbour unless it is there: one that is there keeps its hardware address.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound): there is no such link.
    #[doc(alias = "NeighAppend")]
    pub fn append_neighbour<'a>(
        &mut self,
        link: impl Into<LinkRef<'a>>,
        neighbour: &Neighbour,
    ) -> Result<()> {
        self.set_neighbour(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_APPEND, link.into(), neighbour, "append")
    }

    /// Deletes a neighbour, or a proxy where the [flag](NeighbourFlags::PROXY) says so.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound): there is no such link, or no such neighbour.
    #[doc(alias = "NeighDel")]
    pub fn delete_neighbour<'a>(
        &mut self,
        link: impl Into<LinkRef<'a>>,
        neighbour: &Neighbour,
    ) -> Result<()> {
        self.set_neighbour(RTM_DELNEIGH, 0, link.into(), neighbour, "delete")
    }

    fn set_neighbour(
        &mut self,
        kind: u16,
        flags: u16,
        link: LinkRef<'_>,
        neighbour: &Neighbour,
        verb: &str,
    ) -> Result<()> {
        let mut request = self.room();
        let outcome = match neighbour.request(&mut request, self, kind, flags, link) {
            Ok(()) => self.change(request, |_| {}).map_err(|failure| link.missing(failure)),
            Err(failure) => Err(failure),
        };
        outcome.map_err(|failure| failure.when(format_args!("{verb} neighbour {neighbour} on {link}"), HINTS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_neighbour_that_can_not_be_read_is_an_error_in_its_place() {
        let header = [2, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0];
        let odd = [&header[..], &[9, 0, 1, 0, 10, 0, 0, 0, 1, 0, 0, 0]].concat();
        let mut slot = None;
        NeighbourFilter::default()
            .read_into(&Message { kind: 0, flags: 0, sequence: 0, payload: &odd }, &mut slot);
        assert_eq!(slot.unwrap().unwrap_err().kind(), crate::ErrorKind::Protocol);
        let mut slot = None;
        let other = [&[28][..], &odd[1..]].concat();
        NeighbourFilter::default()
            .read_into(&Message { kind: 0, flags: 0, sequence: 0, payload: &other }, &mut slot);
        assert!(slot.is_none());
    }
}

//! The addresses that bridges and VXLAN links know (forwarding database).

use std::fmt;
use std::net::IpAddr;

use nix::errno::Errno;

use super::{NeighbourFlags, NeighbourState, NeighbourTimes};
use crate::dump::Dump;
use crate::error::{Failure, Hints, Result};
use crate::handle::Handle;
use crate::link::LinkRef;
use crate::mac::MacAddress;
use crate::wire::message::Message;
use crate::wire::neighbour;
use crate::wire::numbers::{
    AF_BRIDGE, NDA_IFINDEX, NDA_LLADDR, NDA_MASTER, NDA_NDM_FLAGS_MASK, NDA_NDM_STATE_MASK, NDA_VLAN,
    NLM_F_APPEND, NLM_F_BULK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, RTM_DELNEIGH, RTM_GETNEIGH,
    RTM_NEWNEIGH,
};
use crate::wire::{Request, write_some};

/// A hardware address that a bridge, a VXLAN link or a network card knows, and where it is ([bridge(8)], `fdb`).
///
/// ```no_run
/// use netlink::{FdbEntry, Handle};
///
/// let mut handle = Handle::open()?;
/// // Behind this port of a bridge:
/// handle.add_fdb("veth0", &FdbEntry::of_bridge([2, 0, 0, 0, 0, 7]))?;
/// // Behind this host, by VXLAN:
/// handle.add_fdb("vxlan0", &FdbEntry::of_link([2, 0, 0, 0, 0, 8]).destination("192.0.2.8".parse()?))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// [bridge(8)]: https://man7.org/linux/man-pages/man8/bridge.8.html
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct FdbEntry {
    /// The index of the bridge's port, or of the link itself. On input it is not looked at: the link is told apart.
    pub index: u32,
    /// The hardware address.
    pub mac: MacAddress,
    /// Whether it was set or learned.
    pub state: NeighbourState,
    /// Whose it is, and how it came.
    pub flags: NeighbourFlags,
    /// The VLAN it is in.
    pub vlan: Option<u16>,
    /// The host it is behind (VXLAN).
    pub destination: Option<IpAddr>,
    /// That host's UDP port (VXLAN); `None` is the link's.
    pub port: Option<u16>,
    /// The VXLAN network it is in there; `None` is the link's.
    pub vni: Option<u32>,
    /// The VXLAN network it is in here, where the link has many.
    pub source_vni: Option<u32>,
    /// The index of the link by which packets to that host go (VXLAN).
    pub via: Option<u32>,
    /// The number of the [next hop object](crate::NexthopObject) that it is behind, instead of a host (VXLAN).
    pub nexthop_id: Option<u32>,
    /// The bridge that the link is a port of; not on input.
    pub master: Option<u32>,
    /// When something happened to it; not on input.
    pub times: Option<NeighbourTimes>,
}

impl FdbEntry {
    /// An address that a bridge knows behind one of its ports, and does not forget ("master static").
    pub fn of_bridge(mac: impl Into<MacAddress>) -> FdbEntry {
        FdbEntry::new(mac.into(), NeighbourState::NOARP, NeighbourFlags::MASTER)
    }

    /// An address that a link knows itself, and does not forget ("self permanent").
    pub fn of_link(mac: impl Into<MacAddress>) -> FdbEntry {
        FdbEntry::new(mac.into(), NeighbourState::PERMANENT, NeighbourFlags::SELF)
    }

    pub(crate) fn new(mac: MacAddress, state: NeighbourState, flags: NeighbourFlags) -> FdbEntry {
        FdbEntry {
            index: 0,
            mac,
            state,
            flags,
            vlan: None,
            destination: None,
            port: None,
            vni: None,
            source_vni: None,
            via: None,
            nexthop_id: None,
            master: None,
            times: None,
        }
    }

    /// Sets whether it was set or learned.
    #[must_use]
    pub fn state(mut self, state: NeighbourState) -> FdbEntry {
        self.state = state;
        self
    }

    /// Sets the VLAN it is in.
    #[must_use]
    pub fn vlan(mut self, vlan: u16) -> FdbEntry {
        self.vlan = Some(vlan);
        self
    }

    /// Sets the host it is behind (VXLAN).
    #[must_use]
    pub fn destination(mut self, destination: IpAddr) -> FdbEntry {
        self.destination = Some(destination);
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
        self.check()?;
        neighbour::write_fdb(request, kind, flags, handle.index_of(link)?, self);
        Ok(())
    }

    fn check(&self) -> Result<(), Failure> {
        if !self.flags.intersects(NeighbourFlags::SELF | NeighbourFlags::MASTER) {
            return Err(Failure::Input(
                "it is neither the link's own (SELF) nor its bridge's (MASTER)".to_owned(),
            ));
        }
        check_vlan(self.vlan)
    }
}

fn check_vlan(vlan: Option<u16>) -> Result<(), Failure> {
    match vlan {
        Some(vlan) if !(1..=4094).contains(&vlan) => {
            Err(Failure::Input(format!("a VLAN's number is 1 to 4094 here, not {vlan}")))
        }
        _ => Ok(()),
    }
}

/// Written as in a command of bridge(8): `02:00:00:00:00:07 vlan 10`.
impl fmt::Display for FdbEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.mac)?;
        self.vlan.map_or(Ok(()), |vlan| write!(f, " vlan {vlan}"))?;
        self.destination.map_or(Ok(()), |destination| write!(f, " dst {destination}"))
    }
}

pub(crate) const HINTS: Hints<'static> = &[
    (Errno::EEXIST, "it is there already"),
    (Errno::ENOENT, "there is no such address"),
    (Errno::EOPNOTSUPP, "the link is no bridge's port and knows no addresses itself"),
    (Errno::EINVAL, "the link takes no such address"),
];

/// Which addresses to list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FdbFilter {
    /// Those of the link with this index.
    pub index: Option<u32>,
    /// Those of the bridge with this index and of its ports.
    pub master: Option<u32>,
    /// Those in this VLAN.
    pub vlan: Option<u16>,
    /// This one.
    pub mac: Option<MacAddress>,
}

impl FdbFilter {
    fn request(self, handle: &mut Handle) -> Request {
        let mut request = handle.room();
        request.begin(RTM_GETNEIGH, 0, &neighbour::header(AF_BRIDGE, 0, 0, 0));
        write_some!(request, u32 NDA_IFINDEX self.index, u32 NDA_MASTER self.master);
        request
    }

    fn read(self, message: &Message<'_>) -> Option<FdbEntry> {
        neighbour::read_fdb(message.payload).filter(|entry| self.matches(entry))
    }

    fn matches(self, entry: &FdbEntry) -> bool {
        self.index.is_none_or(|index| index == entry.index)
            // Those of the ports' own links have no master: only the kernel knows it.
            && self.vlan.is_none_or(|vlan| entry.vlan == Some(vlan))
            && self.mac.is_none_or(|mac| mac == entry.mac)
    }
}

/// Which addresses to flush: those that match all that is said, the bridge's own among them unless
/// [`local`](FdbFlush::local) is `Some(false)`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FdbFlush {
    /// Those behind the bridge's port with this index.
    pub port: Option<u32>,
    /// Those in this VLAN.
    pub vlan: Option<u16>,
    /// Those that don't age (true: static or local) or do (false).
    pub is_static: Option<bool>,
    /// Those that are the bridge's own.
    pub local: Option<bool>,
    /// Those that a program learned.
    pub external: Option<bool>,
}

/// Hints for deleting many addresses.
pub(crate) const FLUSH_HINTS: Hints<'static> = &[
    (Errno::EOPNOTSUPP, "this kernel or this link can't delete many addresses at once"),
    (Errno::EINVAL, "this kernel can't delete many addresses at once, or not those"),
];

impl FdbFlush {
    /// Writes the request.
    pub(crate) fn request(
        self,
        request: &mut Request,
        handle: &mut Handle,
        link: LinkRef<'_>,
    ) -> Result<(), Failure> {
        check_vlan(self.vlan)?;
        self.write(request, handle.index_of(link)?);
        Ok(())
    }

    fn write(self, request: &mut Request, index: u32) {
        let (mut state, mut state_mask) = (0, 0);
        for (wanted, bit) in
            [(self.is_static, NeighbourState::NOARP), (self.local, NeighbourState::PERMANENT)]
        {
            if let Some(wanted) = wanted {
                state_mask |= bit.bits();
                state |= if wanted { bit.bits() } else { 0 };
            }
        }
        let external = NeighbourFlags::EXT_LEARNED.bits() as u8;
        let flags = if self.external == Some(true) { external } else { 0 };
        let header = neighbour::header(AF_BRIDGE, index, state, flags | NeighbourFlags::SELF.bits() as u8);
        request.begin(RTM_DELNEIGH, NLM_F_BULK, &header);
        write_some!(
            request,
            u32 NDA_IFINDEX self.port,
            u16 NDA_VLAN self.vlan,
            u16 NDA_NDM_STATE_MASK Some(state_mask).filter(|mask| *mask != 0),
            u8 NDA_NDM_FLAGS_MASK self.external.map(|_| external),
        );
    }
}

impl Handle {
    /// Lists the addresses that all bridges and links know.
    ///
    /// # Errors
    /// [`Interrupted`](crate::ErrorKind::Interrupted): addresses came and went each time the list was read.
    pub fn fdb(&mut self) -> Result<Vec<FdbEntry>> {
        self.list_fdb(FdbFilter::default())
    }

    /// Lists some of the addresses that bridges and links know. The kernel leaves the others out where it can.
    ///
    /// # Errors
    /// Those of [`fdb`](Handle::fdb); [`NotFound`](crate::ErrorKind::NotFound) where the filter has a link or bridge
    /// that isn't there.
    pub fn list_fdb(&mut self, filter: FdbFilter) -> Result<Vec<FdbEntry>> {
        self.list(|handle| filter.request(handle), |message| filter.read(message))
            .map_err(|failure| failure.when("list bridges' addresses", &[]))
    }

    /// Lists some of the addresses that bridges and links know, one at a time.
    ///
    /// # Errors
    /// The kernel did not answer. What goes wrong later the items tell.
    pub fn dump_fdb(&mut self, filter: FdbFilter) -> Result<Dump<'_, FdbEntry>> {
        let request = filter.request(self);
        Dump::begin(self, request, "bridges' addresses", &[], move |message| filter.read(message))
            .map_err(|failure| failure.when("list bridges' addresses", &[]))
    }

    /// Finds an address: one of the bridge or VXLAN link itself, in a VLAN or none.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound): there is no such link, or it doesn't know the address.
    pub fn fdb_entry<'a>(
        &mut self,
        link: impl Into<LinkRef<'a>>,
        mac: MacAddress,
        vlan: Option<u16>,
    ) -> Result<FdbEntry> {
        let link = link.into();
        let outcome = check_vlan(vlan).and_then(|()| self.index_of(link)).and_then(|index| {
            let mut request = self.room();
            let of_link = NeighbourFlags::SELF.bits() as u8;
            request.begin(RTM_GETNEIGH, 0, &neighbour::header(AF_BRIDGE, index, 0, of_link));
            request.bytes(NDA_LLADDR, &mac.octets());
            write_some!(request, u16 NDA_VLAN vlan);
            self.get(request, |message| neighbour::read_fdb(message.payload))
        });
        outcome.map_err(|failure| failure.when(format_args!("find address {mac} of {link}"), HINTS))
    }

    /// Adds an address.
    ///
    /// # Errors
    /// [`AlreadyExists`](crate::ErrorKind::AlreadyExists): it is there.
    /// [`NotFound`](crate::ErrorKind::NotFound): there is no such link.
    /// [`Unsupported`](crate::ErrorKind::Unsupported): the link is no port, and knows no addresses itself.
    pub fn add_fdb<'a>(&mut self, link: impl Into<LinkRef<'a>>, entry: &FdbEntry) -> Result<()> {
        self.set_fdb(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_EXCL, link.into(), entry, "add")
    }

    /// Adds an address, or changes the one that is there.
    ///
    /// # Errors
    /// As [`add_fdb`](Handle::add_fdb), except that it may be there.
    pub fn replace_fdb<'a>(&mut self, link: impl Into<LinkRef<'a>>, entry: &FdbEntry) -> Result<()> {
        self.set_fdb(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, link.into(), entry, "replace")
    }

    /// Adds one more host that an address is behind: packets are sent to each of them (VXLAN: for broadcasts and
    /// unknown addresses, under `00:00:00:00:00:00`).
    ///
    /// # Errors
    /// As [`add_fdb`](Handle::add_fdb).
    pub fn append_fdb<'a>(&mut self, link: impl Into<LinkRef<'a>>, entry: &FdbEntry) -> Result<()> {
        self.set_fdb(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_APPEND, link.into(), entry, "append")
    }

    /// Deletes an address.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound): there is no such link, or it doesn't know the address.
    pub fn delete_fdb<'a>(&mut self, link: impl Into<LinkRef<'a>>, entry: &FdbEntry) -> Result<()> {
        self.set_fdb(RTM_DELNEIGH, 0, link.into(), entry, "delete")
    }

    /// Deletes all addresses of a bridge (or VXLAN link) that match, in one request (Linux 6.0).
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound): there is no such link.
    /// [`Unsupported`](crate::ErrorKind::Unsupported) or [`InvalidInput`](crate::ErrorKind::InvalidInput): the kernel
    /// can't, or not for this link.
    pub fn flush_fdb<'a>(&mut self, link: impl Into<LinkRef<'a>>, flush: FdbFlush) -> Result<()> {
        let link = link.into();
        let mut request = self.room();
        flush
            .request(&mut request, self, link)
            .and_then(|()| self.change(request, |_| {}))
            .map_err(|failure| failure.when(format_args!("flush addresses of {link}"), FLUSH_HINTS))
    }

    fn set_fdb(
        &mut self,
        kind: u16,
        flags: u16,
        link: LinkRef<'_>,
        entry: &FdbEntry,
        verb: &str,
    ) -> Result<()> {
        let mut request = self.room();
        let outcome = match entry.request(&mut request, self, kind, flags, link) {
            Ok(()) => self.change(request, |_| {}).map_err(|failure| link.missing(failure)),
            Err(failure) => Err(failure),
        };
        outcome.map_err(|failure| failure.when(format_args!("{verb} address {entry} of {link}"), HINTS))
    }
}

//! The multicast groups that bridges know.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use bitflags::bitflags;
use nix::errno::Errno;

use crate::LinkIndex;
use crate::dump::ATTEMPTS;
use crate::error::{Failure, Hints, Result};
use crate::handle::Handle;
use crate::link::LinkRef;
use crate::mac::MacAddress;
use crate::wire::attribute::{Attribute, Attributes};
use crate::wire::message::Message;
use crate::wire::numbers::{
    AF_BRIDGE, MDB_SRC_LIST_ENTRY, MDB_SRCATTR_ADDRESS, MDBA_MDB, MDBA_MDB_EATTR_GROUP_MODE,
    MDBA_MDB_EATTR_RTPROT, MDBA_MDB_EATTR_SOURCE, MDBA_MDB_EATTR_SRC_LIST, MDBA_MDB_EATTR_TIMER,
    MDBA_MDB_ENTRY, MDBA_MDB_ENTRY_INFO, MDBA_SET_ENTRY, MDBA_SET_ENTRY_ATTRS, MDBE_ATTR_GROUP_MODE,
    MDBE_ATTR_RTPROT, MDBE_ATTR_SOURCE, MDBE_ATTR_SRC_LIST, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE,
    RTM_DELMDB, RTM_GETMDB, RTM_NEWMDB, USER_HZ,
};
use crate::wire::{Request, aligned, u16_at, u32_at, write_some};

const HEADER: usize = 8;
/// `struct br_mdb_entry`.
const ENTRY: usize = 28;

/// A multicast group that a bridge knows to be wanted behind a port ([bridge(8)], `mdb`).
///
/// ```no_run
/// use netlink::{Handle, MdbEntry};
///
/// let mut handle = Handle::open()?;
/// let port = handle.link("veth0")?.index;
/// handle.add_mdb("br0", &MdbEntry::new(port, "239.1.1.1".parse::<std::net::IpAddr>()?))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// [bridge(8)]: https://man7.org/linux/man-pages/man8/bridge.8.html
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MdbEntry {
    /// The index of the bridge. On input it is not looked at: the bridge is told apart.
    pub bridge: u32,
    /// The index of the port, or of the bridge for itself.
    pub port: u32,
    /// The group.
    pub group: MdbGroup,
    /// The VLAN it is in.
    pub vlan: Option<u16>,
    /// Whether it was set, and stays; others go where nobody asks for them.
    pub permanent: bool,
    /// The sender whose packets are wanted; `None` is all.
    pub source: Option<IpAddr>,
    /// Its state; not on input.
    pub flags: MdbFlags,
    /// Which senders are wanted (Linux 6.2 on input).
    pub mode: Option<MdbMode>,
    /// The senders that the mode is about.
    pub sources: Vec<IpAddr>,
    /// Who made it, a number of [`protocol`](crate::protocol) (Linux 6.2 on input).
    pub protocol: Option<u8>,
    /// For how long it is still there; `None` for good. Not on input.
    pub timer: Option<Duration>,
}

/// What a multicast group goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MdbGroup {
    /// An address of IPv4 or IPv6.
    Ip(IpAddr),
    /// A hardware address.
    Mac(MacAddress),
}

impl From<IpAddr> for MdbGroup {
    fn from(group: IpAddr) -> MdbGroup {
        MdbGroup::Ip(group)
    }
}

impl From<MacAddress> for MdbGroup {
    fn from(group: MacAddress) -> MdbGroup {
        MdbGroup::Mac(group)
    }
}

impl fmt::Display for MdbGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MdbGroup::Ip(group) => write!(f, "{group}"),
            MdbGroup::Mac(group) => write!(f, "{group}"),
        }
    }
}

/// Which senders of a group are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MdbMode {
    /// All but those listed.
    Exclude,
    /// Those listed.
    Include,
    /// Another number of the kernel's.
    Other(u8),
}

impl MdbMode {
    fn from_kernel(mode: u8) -> MdbMode {
        match mode {
            0 => MdbMode::Exclude,
            1 => MdbMode::Include,
            other => MdbMode::Other(other),
        }
    }

    fn to_kernel(self) -> u8 {
        match self {
            MdbMode::Exclude => 0,
            MdbMode::Include => 1,
            MdbMode::Other(other) => other,
        }
    }
}

bitflags! {
    /// The state of a multicast group (`MDB_FLAGS_`). Those without a name here are kept.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct MdbFlags: u8 {
        /// Hardware knows it.
        const OFFLOAD = 0x1;
        /// It goes as soon as one leaves.
        const FAST_LEAVE = 0x2;
        /// It is there because all senders are wanted.
        const STAR_EXCL = 0x4;
        /// Packets of this sender are not sent.
        const BLOCKED = 0x8;

        const _ = !0;
    }
}

impl MdbEntry {
    /// A group that is wanted behind a port, for good.
    pub fn new(port: impl Into<LinkIndex>, group: impl Into<MdbGroup>) -> MdbEntry {
        MdbEntry {
            bridge: 0,
            port: port.into().0,
            group: group.into(),
            vlan: None,
            permanent: true,
            source: None,
            flags: MdbFlags::empty(),
            mode: None,
            sources: Vec::new(),
            protocol: None,
            timer: None,
        }
    }

    /// Sets the VLAN it is in.
    #[must_use]
    pub fn vlan(mut self, vlan: u16) -> MdbEntry {
        self.vlan = Some(vlan);
        self
    }

    /// Sets the sender whose packets are wanted.
    #[must_use]
    pub fn source(mut self, source: IpAddr) -> MdbEntry {
        self.source = Some(source);
        self
    }

    /// Lets it go where nobody asks for it.
    #[must_use]
    pub fn temporary(mut self) -> MdbEntry {
        self.permanent = false;
        self
    }

    /// Writes a request about it.
    pub(crate) fn request(
        &self,
        request: &mut Request,
        handle: &mut Handle,
        kind: u16,
        flags: u16,
        bridge: LinkRef<'_>,
    ) -> Result<(), Failure> {
        self.check()?;
        self.write(request, kind, flags, handle.index_of(bridge)?);
        Ok(())
    }

    fn check(&self) -> Result<(), Failure> {
        let input = |why: &str| Err(Failure::Input(why.to_owned()));
        match self.group {
            MdbGroup::Ip(group) if !group.is_multicast() => {
                return input("the group is no multicast address");
            }
            MdbGroup::Mac(mac) if mac.octets()[0] & 1 == 0 => {
                return input("the group is no multicast address");
            }
            MdbGroup::Ip(group) => {
                let mut sources = self.sources.iter().chain(&self.source);
                if sources.any(|source| source.is_ipv4() != group.is_ipv4()) {
                    return input("a sender is not of the group's family");
                }
            }
            MdbGroup::Mac(_) if self.source.is_some() || !self.sources.is_empty() => {
                return input("a group by its hardware address has no senders");
            }
            MdbGroup::Mac(_) => {}
        }
        if self.vlan.is_some_and(|vlan| !(1..=4094).contains(&vlan)) {
            return input("a VLAN's number is 1 to 4094 here");
        }
        Ok(())
    }

    fn write(&self, request: &mut Request, kind: u16, flags: u16, bridge: u32) {
        request.begin(kind, flags, &header(bridge));
        let mut entry = [0; ENTRY];
        entry[..4].copy_from_slice(&self.port.to_ne_bytes());
        entry[4] = self.permanent.into();
        entry[6..8].copy_from_slice(&self.vlan.unwrap_or_default().to_ne_bytes());
        let protocol = match self.group {
            MdbGroup::Ip(IpAddr::V4(group)) => {
                entry[8..12].copy_from_slice(&group.octets());
                ETH_P_IP
            }
            MdbGroup::Ip(IpAddr::V6(group)) => {
                entry[8..24].copy_from_slice(&group.octets());
                ETH_P_IPV6
            }
            MdbGroup::Mac(group) => {
                entry[8..14].copy_from_slice(&group.octets());
                0
            }
        };
        entry[24..26].copy_from_slice(&protocol.to_be_bytes());
        request.bytes(MDBA_SET_ENTRY, &entry);
        request.nest_unless_empty(MDBA_SET_ENTRY_ATTRS, |request| {
            write_some!(request, ip MDBE_ATTR_SOURCE self.source);
            // Those of one sender have no others.
            if kind == RTM_DELMDB || self.source.is_some() {
                write_some!(request, u8 MDBE_ATTR_RTPROT self.protocol.filter(|_| kind != RTM_DELMDB));
                return;
            }
            request.nest_unless_empty(MDBE_ATTR_SRC_LIST, |request| {
                for source in &self.sources {
                    request.nest(MDB_SRC_LIST_ENTRY, |request| request.ip(MDB_SRCATTR_ADDRESS, *source));
                }
            });
            write_some!(
                request,
                u8 MDBE_ATTR_GROUP_MODE self.mode.map(MdbMode::to_kernel),
                u8 MDBE_ATTR_RTPROT self.protocol,
            );
        });
    }

    /// Reads what a request is about.
    pub(crate) fn asked(payload: &[u8]) -> Option<MdbEntry> {
        let entry = inside(Attributes::after(HEADER, payload), MDBA_SET_ENTRY).next()?;
        MdbEntry::read(u32_at(payload, 4)?, entry)
    }

    /// Reads `MDBA_MDB_ENTRY_INFO`.
    fn read(bridge: u32, info: Attribute<'_>) -> Option<MdbEntry> {
        let entry: &[u8; ENTRY] = info.payload.first_chunk()?;
        let group = match u16::from_be_bytes([entry[24], entry[25]]) {
            ETH_P_IP => MdbGroup::Ip(Ipv4Addr::from(*entry[8..].first_chunk::<4>()?).into()),
            ETH_P_IPV6 => MdbGroup::Ip(Ipv6Addr::from(*entry[8..].first_chunk::<16>()?).into()),
            _ => MdbGroup::Mac(MacAddress::from(*entry[8..].first_chunk::<6>()?)),
        };
        let mut read = MdbEntry::new(u32_at(entry, 0)?, group);
        read.bridge = bridge;
        read.permanent = entry[4] == 1;
        read.flags = MdbFlags::from_bits_retain(entry[5]);
        read.vlan = u16_at(entry, 6).filter(|vlan| *vlan != 0);
        for attribute in Attributes::after(aligned(ENTRY), info.payload) {
            match attribute.kind {
                MDBA_MDB_EATTR_TIMER => read.timer = timer(attribute),
                MDBA_MDB_EATTR_SOURCE => read.source = attribute.ip(),
                MDBA_MDB_EATTR_GROUP_MODE => read.mode = attribute.u8().map(MdbMode::from_kernel),
                MDBA_MDB_EATTR_RTPROT => read.protocol = attribute.u8(),
                MDBA_MDB_EATTR_SRC_LIST => read.sources = sources(attribute),
                _ => {}
            }
        }
        Some(read)
    }

    pub(crate) fn read_all(payload: &[u8]) -> Vec<MdbEntry> {
        let bridge = u32_at(payload, 4).unwrap_or_default();
        let mut entries = Vec::new();
        for mdb in inside(Attributes::after(HEADER, payload), MDBA_MDB) {
            for entry in inside(mdb.nested(), MDBA_MDB_ENTRY) {
                let infos = inside(entry.nested(), MDBA_MDB_ENTRY_INFO);
                entries.extend(infos.filter_map(|info| MdbEntry::read(bridge, info)));
            }
        }
        entries
    }
}

/// Those of one kind.
fn inside(attributes: Attributes<'_>, kind: u16) -> impl Iterator<Item = Attribute<'_>> {
    attributes.filter(move |attribute| attribute.kind == kind)
}

const ETH_P_IP: u16 = 0x0800;
const ETH_P_IPV6: u16 = 0x86dd;

fn timer(attribute: Attribute<'_>) -> Option<Duration> {
    let ticks = attribute.u32().filter(|ticks| *ticks != 0)?;
    Some(Duration::from_millis(u64::from(ticks) * (1000 / USER_HZ)))
}

fn sources(list: Attribute<'_>) -> Vec<IpAddr> {
    let entries = list.nested().filter(|entry| entry.kind == MDB_SRC_LIST_ENTRY);
    let address = |entry: Attribute<'_>| {
        entry.nested().find(|attribute| attribute.kind == MDB_SRCATTR_ADDRESS).and_then(Attribute::ip)
    };
    entries.filter_map(address).collect()
}

/// `struct br_port_msg`.
fn header(bridge: u32) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[0] = AF_BRIDGE;
    header[4..].copy_from_slice(&bridge.to_ne_bytes());
    header
}

/// Written as in a command of bridge(8): `port 5 grp 239.1.1.1 vid 10`.
impl fmt::Display for MdbEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "port {} grp {}", self.port, self.group)?;
        self.source.map_or(Ok(()), |source| write!(f, " src {source}"))?;
        self.vlan.map_or(Ok(()), |vlan| write!(f, " vid {vlan}"))
    }
}

pub(crate) const HINTS: Hints<'static> = &[
    (Errno::EEXIST, "it is there already"),
    (Errno::ENOENT, "there is no such group"),
    (Errno::EOPNOTSUPP, "the link is no bridge, or this kernel's bridges know no groups"),
    (Errno::EINVAL, "the bridge takes no such group: it may be down, or not look at multicast"),
];

/// Which multicast groups to list. The kernel lists those of all bridges, the rest is left out here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MdbFilter {
    /// Those of the bridge with this index.
    pub bridge: Option<u32>,
    /// Those behind the port with this index.
    pub port: Option<u32>,
    /// Those in this VLAN.
    pub vlan: Option<u16>,
}

impl MdbFilter {
    fn matches(self, entry: &MdbEntry) -> bool {
        self.bridge.is_none_or(|bridge| bridge == entry.bridge)
            && self.port.is_none_or(|port| port == entry.port)
            && self.vlan.is_none_or(|vlan| entry.vlan == Some(vlan))
    }
}

/// What each message of a list says: the index of a bridge, and groups of it.
type OfBridges = Vec<(Option<u32>, Vec<MdbEntry>)>;

/// What tells an entry from the others.
fn key(entry: &MdbEntry) -> (u32, u32, MdbGroup, Option<u16>, Option<IpAddr>) {
    (entry.bridge, entry.port, entry.group, entry.vlan, entry.source)
}

impl Handle {
    /// Lists the multicast groups that all bridges know.
    ///
    /// # Errors
    /// [`Interrupted`](crate::ErrorKind::Interrupted): bridges came and went each time the list was read.
    pub fn mdb(&mut self) -> Result<Vec<MdbEntry>> {
        self.list_mdb(MdbFilter::default())
    }

    /// Lists some of the multicast groups that bridges know.
    ///
    /// # Errors
    /// Those of [`mdb`](Handle::mdb).
    pub fn list_mdb(&mut self, filter: MdbFilter) -> Result<Vec<MdbEntry>> {
        self.try_list_mdb(filter).map_err(|failure| failure.when("list multicast groups of bridges", &[]))
    }

    /// A group that nobody wants any more goes a moment after that was told, and moves the others, of which nothing is
    /// told: a list of several messages is right when the next one is the same.
    fn try_list_mdb(&mut self, filter: MdbFilter) -> Result<Vec<MdbEntry>, Failure> {
        let mut before: Option<Vec<MdbEntry>> = None;
        for _ in 0..ATTEMPTS {
            let lists = self.read_mdb(filter)?;
            let is_split = lists.windows(2).any(|two| two[0].0 == two[1].0);
            let found: Vec<_> = lists.into_iter().flat_map(|(_, entries)| entries).collect();
            let same = before.is_some_and(|before| before.iter().map(key).eq(found.iter().map(key)));
            if same || !is_split {
                return Ok(found);
            }
            before = Some(found);
        }
        Err(Failure::Interrupted(Some(Arc::new(before.unwrap_or_default()))))
    }

    /// Reads messages, each with groups of the bridge with that index.
    fn read_mdb(&mut self, filter: MdbFilter) -> Result<OfBridges, Failure> {
        let write = |handle: &mut Handle| {
            let mut request = handle.room();
            request.begin(RTM_GETMDB, 0, &header(0));
            request
        };
        let read = |message: &Message<'_>| {
            let mut entries = MdbEntry::read_all(message.payload);
            entries.retain(|entry| filter.matches(entry));
            Some((u32_at(message.payload, 4), entries))
        };
        self.list(write, read).map_err(|failure| match failure {
            Failure::Interrupted(Some(partial)) => {
                let lists = partial.downcast_ref::<OfBridges>();
                let flat: Vec<_> =
                    lists.into_iter().flatten().flat_map(|(_, entries)| entries).cloned().collect();
                Failure::Interrupted(Some(Arc::new(flat)))
            }
            failure => failure,
        })
    }

    /// Tells a bridge that a multicast group is wanted behind a port. The bridge must be up and look at multicast.
    ///
    /// # Errors
    /// [`AlreadyExists`](crate::ErrorKind::AlreadyExists): it knows.
    /// [`NotFound`](crate::ErrorKind::NotFound): there is no such bridge or port.
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput): it is no multicast group, or the bridge is down.
    pub fn add_mdb<'a>(&mut self, bridge: impl Into<LinkRef<'a>>, entry: &MdbEntry) -> Result<()> {
        self.set_mdb(RTM_NEWMDB, NLM_F_CREATE | NLM_F_EXCL, bridge.into(), entry, "add")
    }

    /// Tells a bridge that a multicast group is wanted behind a port, and by which senders (Linux 6.2).
    ///
    /// # Errors
    /// As [`add_mdb`](Handle::add_mdb), except that it may know.
    pub fn replace_mdb<'a>(&mut self, bridge: impl Into<LinkRef<'a>>, entry: &MdbEntry) -> Result<()> {
        self.set_mdb(RTM_NEWMDB, NLM_F_CREATE | NLM_F_REPLACE, bridge.into(), entry, "replace")
    }

    /// Tells a bridge that a multicast group is not wanted behind a port.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound): there is no such bridge, port or group.
    pub fn delete_mdb<'a>(&mut self, bridge: impl Into<LinkRef<'a>>, entry: &MdbEntry) -> Result<()> {
        self.set_mdb(RTM_DELMDB, 0, bridge.into(), entry, "delete")
    }

    fn set_mdb(
        &mut self,
        kind: u16,
        flags: u16,
        bridge: LinkRef<'_>,
        entry: &MdbEntry,
        verb: &str,
    ) -> Result<()> {
        let mut request = self.room();
        let outcome = match entry.request(&mut request, self, kind, flags, bridge) {
            Ok(()) => self.change(request, |_| {}),
            Err(failure) => Err(failure),
        };
        outcome.map_err(|failure| failure.when(format_args!("{verb} group {entry} of {bridge}"), HINTS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_read_from_their_nests() {
        let mut entry = MdbEntry::new(5, "ff15::1".parse::<IpAddr>().unwrap()).vlan(10);
        let mut request = Request::default();
        entry.write(&mut request, RTM_NEWMDB, 0, 3);
        let written = Attributes::after(16 + HEADER, request.sent()).next().unwrap().payload.to_vec();
        let mut list = Request::new(RTM_NEWMDB, 0, &header(3));
        list.nest(MDBA_MDB, |list| {
            list.nest(MDBA_MDB_ENTRY, |list| {
                list.nest(MDBA_MDB_ENTRY_INFO, |list| {
                    list.header(&written);
                    list.u32(MDBA_MDB_EATTR_TIMER, 250);
                    list.ip(MDBA_MDB_EATTR_SOURCE, Ipv6Addr::LOCALHOST.into());
                });
                list.bytes(MDBA_MDB_ENTRY_INFO, &written[..20]);
            });
        });
        entry.bridge = 3;
        (entry.timer, entry.source) = (Some(Duration::from_millis(2500)), Some(Ipv6Addr::LOCALHOST.into()));
        assert_eq!(MdbEntry::read_all(&list.sent()[16..]), [entry]);
        assert_eq!(MdbEntry::read_all(&[7; 3]), []);
    }

    #[test]
    fn what_does_not_fit_together_is_told_before_the_kernel_is_asked() {
        let group: IpAddr = "239.1.1.1".parse().unwrap();
        MdbEntry::new(1, group).check().unwrap();
        assert!(MdbEntry::new(1, IpAddr::from([10, 0, 0, 1])).check().is_err());
        assert!(MdbEntry::new(1, group).source("fe80::1".parse().unwrap()).check().is_err());
        assert!(MdbEntry::new(1, MacAddress::from([2, 0, 0, 0, 0, 1])).check().is_err());
        assert!(MdbEntry::new(1, group).vlan(4095).check().is_err());
    }
}

//! Links (network interfaces): finding, listing, deleting.

mod change;
mod filter;
mod flags;
mod inet;
mod new;
mod reference;
mod stats;
mod vf;
mod xdp;

use nix::errno::Errno;

pub(crate) use self::change::CHANGING;
pub use self::change::LinkChange;
pub(crate) use self::change::Netns;
pub use self::filter::LinkFilter;
pub use self::flags::{LinkFlags, LinkMode, OperState};
pub use self::inet::{AddrGenMode, Inet6Link, Ipv4Setting, Ipv6Setting, LinkConf};
pub(crate) use self::new::CREATING;
pub use self::new::NewLink;
pub(crate) use self::reference::{By, check_name, check_sought};
pub use self::reference::{LinkIndex, LinkRef};
pub use self::stats::LinkStats;
pub use self::vf::{Vf, VfLinkState, VfVlan};
pub(crate) use self::xdp::XdpChange;
pub use self::xdp::{Xdp, XdpFlags, XdpMode};
use crate::dump::Dump;
use crate::error::{Failure, Hints, Result};
use crate::handle::Handle;
use crate::kind::LinkKind;
use crate::mac::MacAddress;
use crate::port::Port;
use crate::wire::message::Message;
use crate::wire::numbers::{
    IFLA_ALT_IFNAME, IFLA_EXT_MASK, IFLA_GROUP, IFLA_IFNAME, RTEXT_FILTER_SKIP_STATS, RTEXT_FILTER_VF,
    RTM_DELLINK, RTM_GETLINK, RTM_SETLINK,
};
use crate::wire::{self, Request};

/// A link, as the kernel described it when it was asked.
///
/// Operations on a `&Link` go by its [`index`](Link::index), so they mean the same link after it
/// was renamed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Link {
    /// The number that names it within its network namespace for as long as it lives there.
    #[doc(alias = "ifindex")]
    pub index: u32,
    /// Its name, of at most 15 bytes. The kernel takes nearly any bytes: what is not UTF-8 is a mark here (U+FFFD), and
    /// such a link is found by its index only.
    #[doc(alias = "IFLA_IFNAME")]
    pub name: String,
    /// More names it can be found by, of at most 127 bytes.
    #[doc(alias = "IFLA_PROP_LIST")]
    pub altnames: Vec<String>,
    /// What somebody noted about it.
    #[doc(alias = "IFLA_IFALIAS")]
    pub alias: Option<String>,
    /// What made it, and how; `None` for hardware and loopback.
    #[doc(alias = "IFLA_INFO_KIND")]
    pub kind: Option<LinkKind>,
    /// The longest packet it sends, in bytes.
    #[doc(alias = "IFLA_MTU")]
    pub mtu: u32,
    /// The least that `mtu` can be, in bytes.
    #[doc(alias = "IFLA_MIN_MTU")]
    pub min_mtu: Option<u32>,
    /// The most that `mtu` can be, in bytes; `None` where there is no limit.
    #[doc(alias = "IFLA_MAX_MTU")]
    pub max_mtu: Option<u32>,
    /// Its hardware address, where that is one of six bytes.
    #[doc(alias = "IFLA_ADDRESS")]
    pub mac: Option<MacAddress>,
    /// The hardware address that reaches all its neighbours, where that is one of six bytes.
    #[doc(alias = "IFLA_BROADCAST")]
    pub broadcast: Option<MacAddress>,
    /// Its hardware address, where that has more or less than six bytes: a tunnel's own end (4 or 16), InfiniBand's
    /// (20).
    #[doc(alias = "IFLA_ADDRESS")]
    pub long_address: Option<Vec<u8>>,
    /// The hardware address that reaches all its neighbours, where that has more or less than six bytes: a tunnel's
    /// other end.
    #[doc(alias = "IFLA_BROADCAST")]
    pub long_broadcast: Option<Vec<u8>>,
    /// What the administrator and the driver have switched on.
    pub flags: LinkFlags,
    /// Whether it can carry packets now.
    #[doc(alias = "IFLA_OPERSTATE")]
    pub oper_state: OperState,
    /// The index of the bridge (or bond, ...) it is a port of.
    #[doc(alias = "IFLA_MASTER")]
    pub master: Option<u32>,
    /// The index of the link it is tied to: a veth's other end, a VLAN's parent.
    #[doc(alias = "IFLA_LINK")]
    pub peer: Option<u32>,
    /// The namespace that `peer` is in, by this namespace's number for it; `None` for this one.
    #[doc(alias = "IFLA_LINK_NETNSID")]
    pub peer_netns_id: Option<u32>,
    /// The kind of hardware, an `ARPHRD_` number: 1 is Ethernet, 772 loopback.
    #[doc(alias = "ifi_type")]
    pub layer: u16,
    /// How it queues packets: `noqueue`, `fq_codel`, ...
    #[doc(alias = "IFLA_QDISC")]
    pub qdisc: Option<String>,
    /// How many packets it queues.
    #[doc(alias("IFLA_TXQLEN", "txqueuelen"))]
    pub queue_len: u32,
    /// How many queues it has for sending.
    #[doc(alias = "IFLA_NUM_TX_QUEUES")]
    pub tx_queues: u32,
    /// How many queues it has for receiving.
    #[doc(alias = "IFLA_NUM_RX_QUEUES")]
    pub rx_queues: u32,
    /// The group it was put into, which is 0 at first.
    #[doc(alias = "IFLA_GROUP")]
    pub group: u32,
    /// How many wanted it to receive everybody's packets.
    #[doc(alias = "IFLA_PROMISCUITY")]
    pub promiscuity: u32,
    /// The longest packet it takes to be cut into segments by itself, in bytes.
    #[doc(alias = "IFLA_GSO_MAX_SIZE")]
    pub gso_max_size: Option<u32>,
    /// The most segments that it cuts a packet into.
    #[doc(alias = "IFLA_GSO_MAX_SEGS")]
    pub gso_max_segs: Option<u32>,
    /// The longest packet that is put together of received ones, in bytes (Linux 5.19).
    #[doc(alias = "IFLA_GRO_MAX_SIZE")]
    pub gro_max_size: Option<u32>,
    /// As `gso_max_size`, of IPv4 packets (Linux 6.3).
    #[doc(alias = "IFLA_GSO_IPV4_MAX_SIZE")]
    pub gso_ipv4_max_size: Option<u32>,
    /// As `gro_max_size`, of IPv4 packets (Linux 6.3).
    #[doc(alias = "IFLA_GRO_IPV4_MAX_SIZE")]
    pub gro_ipv4_max_size: Option<u32>,
    /// The longest packet that its hardware cuts into segments, in bytes (Linux 5.18).
    #[doc(alias = "IFLA_TSO_MAX_SIZE")]
    pub tso_max_size: Option<u32>,
    /// The most segments that its hardware cuts a packet into (Linux 5.18).
    #[doc(alias = "IFLA_TSO_MAX_SEGS")]
    pub tso_max_segs: Option<u32>,
    /// What its master has to say about it.
    #[doc(alias = "IFLA_INFO_SLAVE_KIND")]
    pub port: Option<Port>,
    /// The hardware address that it was made with, where it has one (Linux 5.6).
    #[doc(alias = "IFLA_PERM_ADDRESS")]
    pub perm_mac: Option<MacAddress>,
    /// How many wanted it to receive all groups' packets (Linux 6.0).
    #[doc(alias = "IFLA_ALLMULTI")]
    pub allmulti: Option<u32>,
    /// Whether it is connected.
    #[doc(alias = "IFLA_CARRIER")]
    pub carrier: Option<bool>,
    /// How often that changed.
    #[doc(alias = "IFLA_CARRIER_CHANGES")]
    pub carrier_changes: Option<u32>,
    /// How often it was connected.
    #[doc(alias = "IFLA_CARRIER_UP_COUNT")]
    pub carrier_up_count: Option<u32>,
    /// How often it was disconnected.
    #[doc(alias = "IFLA_CARRIER_DOWN_COUNT")]
    pub carrier_down_count: Option<u32>,
    /// What becomes of it when it is connected.
    #[doc(alias = "IFLA_LINKMODE")]
    pub mode: LinkMode,
    /// Whether a program keeps it down.
    #[doc(alias = "IFLA_PROTO_DOWN")]
    pub proto_down: Option<bool>,
    /// The reasons for that, a bit each.
    pub proto_down_reason: Option<u32>,
    /// The BPF programs that see its packets first.
    #[doc(alias = "IFLA_XDP")]
    pub xdp: Option<Xdp>,
    /// What IPv6 has to say about it; `None` where it has no IPv6.
    #[doc(alias = "IFLA_AF_SPEC")]
    pub inet6: Option<Inet6Link>,
    /// The network card's port that it is: the same for all links of it.
    #[doc(alias = "IFLA_PHYS_PORT_ID")]
    pub phys_port_id: Option<Vec<u8>>,
    /// What that port is called: `p1`.
    #[doc(alias = "IFLA_PHYS_PORT_NAME")]
    pub phys_port_name: Option<String>,
    /// The switch that it is a port of, in hardware: the same for all ports of it.
    #[doc(alias = "IFLA_PHYS_SWITCH_ID")]
    pub phys_switch_id: Option<Vec<u8>>,
    /// The device that it belongs to: `0000:02:00.0` (Linux 5.14).
    #[doc(alias = "IFLA_PARENT_DEV_NAME")]
    pub parent_dev: Option<String>,
    /// What that device is attached to: `pci` (Linux 5.14).
    #[doc(alias = "IFLA_PARENT_DEV_BUS_NAME")]
    pub parent_bus: Option<String>,
    /// The namespace that it is in, where it was asked for by this namespace's number for that.
    #[doc(alias = "IFLA_TARGET_NETNSID")]
    pub netns_id: Option<u32>,
    /// The namespace that it goes to, in the news that it leaves.
    #[doc(alias = "IFLA_NEW_NETNSID")]
    pub new_netns_id: Option<u32>,
    /// The index that it has there.
    #[doc(alias = "IFLA_NEW_IFINDEX")]
    pub new_index: Option<u32>,
    /// Whether it can't leave its namespace (Linux 6.15).
    #[doc(alias = "IFLA_NETNS_IMMUTABLE")]
    pub netns_immutable: Option<bool>,
    /// How much room it wants before packets, in bytes (Linux 6.17).
    #[doc(alias = "IFLA_HEADROOM")]
    pub headroom: Option<u16>,
    /// How much room it wants behind packets, in bytes (Linux 6.17).
    #[doc(alias = "IFLA_TAILROOM")]
    pub tailroom: Option<u16>,
    /// How many virtual functions its card has, where that was [asked for](LinkFilter::vfs).
    #[doc(alias = "IFLA_NUM_VF")]
    pub num_vfs: Option<u32>,
    /// Its card's virtual functions, where they were [asked for](LinkFilter::vfs).
    #[doc(alias = "IFLA_VFINFO_LIST")]
    pub vfs: Vec<Vf>,
    /// What it sent and received, where it was [asked for](LinkFilter::stats).
    #[doc(alias = "IFLA_STATS64")]
    pub stats: Option<LinkStats>,
}

impl Link {
    /// Tells whether the administrator has switched it on. Whether it can carry packets is in
    /// [`oper_state`](Link::oper_state).
    pub fn is_up(&self) -> bool {
        self.flags.contains(LinkFlags::UP)
    }

    /// Returns the name of what made it: `bridge`, `veth`, ...; `None` for hardware and loopback.
    pub fn kind_name(&self) -> Option<&str> {
        self.kind.as_ref().map(LinkKind::name)
    }
}

/// The hint for a taken name.
pub(crate) const TAKEN: (Errno, &str) = (Errno::EEXIST, "the name is taken");

impl Handle {
    /// Finds a link.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound): there is no such link.
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput): no link can have that name.
    #[doc(alias("LinkByName", "LinkByIndex"))]
    pub fn link<'a>(&mut self, link: impl Into<LinkRef<'a>>) -> Result<Link> {
        let link = link.into();
        self.find(link, false).map_err(|failure| failure.when(format_args!("find {link}"), &[]))
    }

    /// Finds a link, with what it sent and received.
    ///
    /// # Errors
    /// As [`link`](Handle::link).
    pub fn link_with_stats<'a>(&mut self, link: impl Into<LinkRef<'a>>) -> Result<Link> {
        let link = link.into();
        self.find(link, true).map_err(|failure| failure.when(format_args!("find {link}"), &[]))
    }

    /// Finds a link, with its card's virtual functions, which are long.
    ///
    /// # Errors
    /// As [`link`](Handle::link).
    pub fn link_with_vfs<'a>(&mut self, link: impl Into<LinkRef<'a>>) -> Result<Link> {
        let link = link.into();
        self.find_with(link, RTEXT_FILTER_SKIP_STATS | RTEXT_FILTER_VF, false)
            .map_err(|failure| failure.when(format_args!("find {link}"), &[]))
    }

    /// Finds a link, if there is one.
    ///
    /// # Errors
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput): no link can have that name.
    pub fn find_link<'a>(&mut self, link: impl Into<LinkRef<'a>>) -> Result<Option<Link>> {
        let link = link.into();
        match self.find(link, false) {
            Err(Failure::NoLink(_)) => Ok(None),
            found => found.map(Some).map_err(|failure| failure.when(format_args!("find {link}"), &[])),
        }
    }

    /// Lists all links of the namespace.
    ///
    /// # Errors
    /// [`Interrupted`](crate::ErrorKind::Interrupted): links came and went each time the list was read.
    #[doc(alias = "LinkList")]
    pub fn links(&mut self) -> Result<Vec<Link>> {
        self.list_links(LinkFilter::default())
    }

    /// Lists some links. The kernel leaves the others out where it can.
    ///
    /// # Errors
    /// Those of [`links`](Handle::links); [`InvalidInput`](crate::ErrorKind::InvalidInput) and
    /// [`NotFound`](crate::ErrorKind::NotFound) where the filter has a kind or master that can't be.
    #[allow(clippy::needless_pass_by_value, reason = "as filters of other lists, which are numbers only")]
    pub fn list_links(&mut self, filter: LinkFilter) -> Result<Vec<Link>> {
        self.list_in_place(|handle| filter.request(handle), |message, slot| filter.read_into(message, slot))
            .map_err(|failure| failure.when("list links", &[]))
    }

    /// Lists some links, one at a time. The kernel leaves the others out where it can.
    ///
    /// # Errors
    /// The kernel did not answer. What goes wrong later the items tell.
    pub fn dump_links(&mut self, filter: LinkFilter) -> Result<Dump<'_, Link>> {
        let request = filter.request(self);
        Dump::begin_in_place(self, request, "links", &[], move |message, slot| {
            filter.read_into(message, slot);
        })
        .map_err(|failure| failure.when("list links", &[]))
    }

    /// Deletes a link; a veth's other end goes with it.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound): there is no such link.
    /// [`Unsupported`](crate::ErrorKind::Unsupported): it is hardware, or loopback.
    #[doc(alias = "LinkDel")]
    pub fn delete_link<'a>(&mut self, link: impl Into<LinkRef<'a>>) -> Result<()> {
        let link = link.into();
        self.try_delete_link(link).map_err(|failure| failure.when(format_args!("delete {link}"), DELETING))
    }

    pub(crate) fn try_delete_link(&mut self, link: LinkRef<'_>) -> Result<(), Failure> {
        let mut request = self.room();
        link.delete_request(&mut request)?;
        self.change(request, |_| {}).map_err(|failure| link.missing(failure))
    }

    /// Deletes all links of a [group](Link::group), in one request: a thousand take the time of a few deleted one by
    /// one. A group without links is no error. Group 0, in which every link is at first, is refused.
    ///
    /// # Errors
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput): it is group 0.
    /// [`Unsupported`](crate::ErrorKind::Unsupported): hardware or loopback is in the group; nothing was deleted.
    pub fn delete_group(&mut self, group: u32) -> Result<()> {
        self.try_delete_group(group)
            .map_err(|failure| failure.when(format_args!("delete the links of group {group}"), DELETING))
    }

    fn try_delete_group(&mut self, group: u32) -> Result<(), Failure> {
        let mut request = self.room();
        write_delete_group(&mut request, group)?;
        match self.change(request, |_| {}) {
            // So it says that none is in the group.
            Err(failure) if failure.errno() == Some(Errno::ENODEV) => Ok(()),
            outcome => outcome,
        }
    }

    /// The index that addresses and routes go by.
    pub(crate) fn index_of(&mut self, link: LinkRef<'_>) -> Result<u32, Failure> {
        match link.0 {
            By::Name(name) => {
                check_sought(name)?;
                match self.socket.index_of(name) {
                    // Of other names a part would be looked for.
                    Ok(index) if check_name(name).is_ok() => Ok(index),
                    // It may be an alternative name.
                    _ => Ok(self.find(link, false)?.index),
                }
            }
            By::Index(index) | By::Link(&Link { index, .. }) => {
                checked_index(index).ok_or_else(|| Failure::NoLink(link.to_string()))
            }
        }
    }

    pub(crate) fn find(&mut self, link: LinkRef<'_>, stats: bool) -> Result<Link, Failure> {
        // Without its virtual functions and the statistics of its protocols, which are long; newer kernels then leave
        // its own out too.
        self.find_with(link, if stats { 0 } else { RTEXT_FILTER_SKIP_STATS }, stats)
    }

    fn find_with(&mut self, link: LinkRef<'_>, extent: u32, stats: bool) -> Result<Link, Failure> {
        let mut request = self.room();
        write_link(&mut request, RTM_GETLINK, link, LinkFlags::empty(), LinkFlags::empty())?;
        request.u32(IFLA_EXT_MASK, extent);
        // Read where it stays: a link is long.
        let mut found = Link::default();
        let read = |message: &Message<'_>| {
            wire::link::read_all(&mut found, message.payload)?;
            found.stats = if stats { wire::link::stats(message.payload) } else { None };
            Some(())
        };
        match self.get(request, read) {
            Ok(()) => Ok(found),
            Err(failure) => Err(link.missing(failure)),
        }
    }
}

/// Writes the request to delete the links of a group.
pub(crate) fn write_delete_group(request: &mut Request, group: u32) -> Result<(), Failure> {
    if group == 0 {
        return Err(Failure::Input("every link is in group 0 at first".to_owned()));
    }
    request.begin(RTM_DELLINK, 0, &wire::link::header(0, LinkFlags::empty(), LinkFlags::empty()));
    request.u32(IFLA_GROUP, group);
    Ok(())
}

pub(crate) const DELETING: Hints<'static> = &[(Errno::EOPNOTSUPP, "this kind of link can't be deleted")];

/// To the kernel index 0 is "none given", and below there is none.
fn checked_index(index: u32) -> Option<u32> {
    i32::try_from(index).ok().filter(|index| *index > 0).map(|_| index)
}

/// Begins a request about one link. The kernel itself looks for a name, so that nobody can give it to another link
/// meanwhile.
pub(crate) fn write_link(
    request: &mut Request,
    kind: u16,
    link: LinkRef<'_>,
    flags: LinkFlags,
    change: LinkFlags,
) -> Result<(), Failure> {
    match link.0 {
        By::Name(name) => {
            check_sought(name)?;
            request.begin(kind, 0, &wire::link::header(0, flags, change));
            // Alternative names of up to 15 bytes are found as names too. A link that is moved would be renamed by that
            // one, if its own is taken there.
            let is_only_to_find = kind == RTM_SETLINK || check_name(name).is_err();
            request.text(if is_only_to_find { IFLA_ALT_IFNAME } else { IFLA_IFNAME }, name);
        }
        By::Index(index) | By::Link(&Link { index, .. }) => {
            let index = checked_index(index).ok_or_else(|| Failure::NoLink(link.to_string()))?;
            request.begin(kind, 0, &wire::link::header(index, flags, change));
        }
    }
    Ok(())
}

/// Checks what the kernel would refuse without a word.
pub(crate) fn check_mac(mac: MacAddress) -> Result<(), Failure> {
    let octets = mac.octets();
    if octets[0] & 1 == 1 || octets == [0; 6] {
        return Err(Failure::Input(format!("{mac} is no single device's address")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn loopback_is_found_by_name_index_and_itself() {
        let mut handle = Handle::open().unwrap();
        let lo = handle.link("lo").unwrap();
        assert!(lo.flags.contains(LinkFlags::LOOPBACK));
        assert_eq!((lo.kind_name(), lo.layer, lo.stats), (None, 772, None));
        assert_eq!(handle.link(lo.index).unwrap().name, "lo");
        assert_eq!(handle.link(&lo).unwrap().name, "lo");
        assert_eq!(handle.link(&"lo".to_owned()).unwrap().index, lo.index);
        assert!(handle.link_with_stats("lo").unwrap().stats.is_some());
    }

    #[test]
    fn a_link_that_is_not_there_is_none_or_an_error() {
        let mut handle = Handle::open().unwrap();
        let nothing = Link::default();
        for link in [
            LinkRef::from("nosuchlink"),
            "no-such-link-of-a-long-name".into(),
            0.into(),
            u32::MAX.into(),
            (&nothing).into(),
        ] {
            assert_eq!(handle.find_link(link).unwrap(), None, "{link}");
            assert!(matches!(handle.index_of(link), Err(Failure::NoLink(_))), "{link}");
        }
        let error = handle.link("nosuchlink").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert_eq!(
            error.to_string(),
            "find link \"nosuchlink\": there is no link \"nosuchlink\": No such device (os error 19)"
        );
        assert_eq!(handle.find_link("a\0b").unwrap_err().kind(), ErrorKind::InvalidInput);
    }
}

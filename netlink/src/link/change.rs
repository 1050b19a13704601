//! Changing links.

use std::fmt;
use std::net::Ipv6Addr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use nix::errno::Errno;

use super::reference::{ALTNAME_MAX, check_name, check_name_up_to, check_sought};
use super::{
    AddrGenMode, Ipv4Setting, LinkFlags, LinkMode, LinkRef, TAKEN, XdpChange, XdpFlags, check_mac, write_link,
};
use crate::error::{ErrorKind, Failure, Hints, Result};
use crate::handle::Handle;
use crate::kind::{Kind, Outer, write_info};
use crate::mac::MacAddress;
use crate::wire::Request;
use crate::wire::numbers::{
    AF_INET, AF_INET6, IFLA_ADDRESS, IFLA_AF_SPEC, IFLA_ALT_IFNAME, IFLA_BROADCAST, IFLA_CARRIER,
    IFLA_GRO_IPV4_MAX_SIZE, IFLA_GRO_MAX_SIZE, IFLA_GROUP, IFLA_GSO_IPV4_MAX_SIZE, IFLA_GSO_MAX_SEGS,
    IFLA_GSO_MAX_SIZE, IFLA_IFALIAS, IFLA_IFNAME, IFLA_INET_CONF, IFLA_INET6_ADDR_GEN_MODE, IFLA_INET6_TOKEN,
    IFLA_LINKMODE, IFLA_MASTER, IFLA_MTU, IFLA_NET_NS_FD, IFLA_NET_NS_PID, IFLA_NEW_IFINDEX, IFLA_PROP_LIST,
    IFLA_PROTO_DOWN, IFLA_PROTO_DOWN_REASON, IFLA_PROTO_DOWN_REASON_MASK, IFLA_PROTO_DOWN_REASON_VALUE,
    IFLA_TXQLEN, NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL, RTM_DELLINKPROP, RTM_NEWLINK, RTM_NEWLINKPROP,
    RTM_SETLINK,
};

/// What to change of a link, all in one request: what is not said stays as it is.
///
/// ```no_run
/// use netlink::{Handle, LinkChange};
///
/// Handle::open()?.change_link("eth0", &LinkChange::new().mtu(1400).group(7).up(true))?;
/// # Ok::<(), netlink::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "change_link does it"]
pub struct LinkChange<'a> {
    flags: LinkFlags,
    change: LinkFlags,
    name: Option<String>,
    alias: Option<String>,
    mtu: Option<u32>,
    mac: Option<MacAddress>,
    master: Option<NewMaster<'a>>,
    netns: Option<Netns<'a>>,
    numbers: Vec<(u16, u32)>,
    /// Attributes of one byte.
    bytes: Vec<(u16, u8)>,
    broadcast: Option<MacAddress>,
    /// Which reasons, and which of them.
    proto_down_reason: Option<(u32, u32)>,
    ipv4: Vec<(u16, i32)>,
    addr_gen_mode: Option<AddrGenMode>,
    token: Option<Ipv6Addr>,
    xdp: Option<XdpChange<'a>>,
}

#[derive(Clone, Copy, Debug)]
enum NewMaster<'a> {
    None,
    Link(LinkRef<'a>),
}

/// Where a link is to be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Netns<'a> {
    Pid(u32),
    Fd(BorrowedFd<'a>),
}

impl Netns<'_> {
    pub(crate) fn write(self, request: &mut Request) {
        match self {
            Netns::Pid(pid) => request.u32(IFLA_NET_NS_PID, pid),
            Netns::Fd(fd) => request.namespace(IFLA_NET_NS_FD, fd),
        }
    }
}

impl<'a> LinkChange<'a> {
    /// Begins with no change.
    pub fn new() -> LinkChange<'a> {
        LinkChange::default()
    }

    /// Switches it on or off.
    pub fn up(self, up: bool) -> LinkChange<'a> {
        self.flag(LinkFlags::UP, up)
    }

    /// Switches flags on or off. The kernel takes `UP`, `PROMISC`, `ALLMULTI`, `MULTICAST`, `NOARP` and a few more,
    /// and forgets the others.
    #[doc(alias("promisc", "allmulticast", "arp"))]
    pub fn flag(mut self, flags: LinkFlags, on: bool) -> LinkChange<'a> {
        self.change |= flags;
        self.flags.set(flags, on);
        self
    }

    /// Renames it. Before Linux 6.2 it must be down.
    pub fn name(mut self, name: impl Into<String>) -> LinkChange<'a> {
        self.name = Some(name.into());
        self
    }

    /// Notes something about it, of up to 255 bytes; nothing with an empty text.
    #[doc(alias("IFLA_IFALIAS", "LinkSetAlias"))]
    pub fn alias(mut self, alias: impl Into<String>) -> LinkChange<'a> {
        self.alias = Some(alias.into());
        self
    }

    /// Sets the longest packet that it sends, in bytes.
    pub fn mtu(mut self, mtu: u32) -> LinkChange<'a> {
        self.mtu = Some(mtu);
        self
    }

    /// Sets its hardware address.
    #[doc(alias("IFLA_ADDRESS", "address"))]
    pub fn mac(mut self, mac: impl Into<MacAddress>) -> LinkChange<'a> {
        self.mac = Some(mac.into());
        self
    }

    /// Makes it a port of a bridge (or bond, ...).
    pub fn master(mut self, master: impl Into<LinkRef<'a>>) -> LinkChange<'a> {
        self.master = Some(NewMaster::Link(master.into()));
        self
    }

    /// Takes it out of its bridge (or bond, ...).
    #[doc(alias = "nomaster")]
    pub fn no_master(mut self) -> LinkChange<'a> {
        self.master = Some(NewMaster::None);
        self
    }

    /// Puts it into a group.
    #[doc(alias = "LinkSetGroup")]
    pub fn group(self, group: u32) -> LinkChange<'a> {
        self.number(IFLA_GROUP, group)
    }

    /// Sets how many packets it queues.
    #[doc(alias("IFLA_TXQLEN", "txqueuelen", "LinkSetTxQLen"))]
    pub fn queue_len(self, packets: u32) -> LinkChange<'a> {
        self.number(IFLA_TXQLEN, packets)
    }

    /// Sets the longest packet that it cuts into segments itself, in bytes.
    pub fn gso_max_size(self, bytes: u32) -> LinkChange<'a> {
        self.number(IFLA_GSO_MAX_SIZE, bytes)
    }

    /// Sets into how many segments it cuts a packet at most.
    pub fn gso_max_segs(self, segments: u32) -> LinkChange<'a> {
        self.number(IFLA_GSO_MAX_SEGS, segments)
    }

    /// Sets the longest packet that is put together of received ones, in bytes (Linux 5.19).
    pub fn gro_max_size(self, bytes: u32) -> LinkChange<'a> {
        self.number(IFLA_GRO_MAX_SIZE, bytes)
    }

    /// As [`gso_max_size`](Self::gso_max_size), of IPv4 packets (Linux 6.3).
    pub fn gso_ipv4_max_size(self, bytes: u32) -> LinkChange<'a> {
        self.number(IFLA_GSO_IPV4_MAX_SIZE, bytes)
    }

    /// As [`gro_max_size`](Self::gro_max_size), of IPv4 packets (Linux 6.3).
    pub fn gro_ipv4_max_size(self, bytes: u32) -> LinkChange<'a> {
        self.number(IFLA_GRO_IPV4_MAX_SIZE, bytes)
    }

    /// Moves it into the network namespace of a process; see [`Handle::set_netns_pid`].
    #[doc(alias = "IFLA_NET_NS_PID")]
    pub fn netns_pid(mut self, pid: u32) -> LinkChange<'a> {
        self.netns = Some(Netns::Pid(pid));
        self
    }

    /// Moves it into a network namespace: an open `/proc/PID/ns/net` or `/run/netns/NAME`.
    #[doc(alias = "IFLA_NET_NS_FD")]
    pub fn netns_fd(mut self, netns: &'a impl AsFd) -> LinkChange<'a> {
        self.netns = Some(Netns::Fd(netns.as_fd()));
        self
    }

    /// Chooses its index in the namespace that it is moved to (Linux 5.12).
    #[doc(alias = "IFLA_NEW_IFINDEX")]
    pub fn new_index(self, index: u32) -> LinkChange<'a> {
        self.number(IFLA_NEW_IFINDEX, index)
    }

    /// Sets the hardware address that reaches all its neighbours.
    pub fn broadcast(mut self, mac: impl Into<MacAddress>) -> LinkChange<'a> {
        self.broadcast = Some(mac.into());
        self
    }

    /// Says whether it is connected, where its driver lets that be said (dummy, team, tap, ...).
    #[doc(alias = "IFLA_CARRIER")]
    pub fn carrier(self, connected: bool) -> LinkChange<'a> {
        self.byte(IFLA_CARRIER, connected.into())
    }

    /// Keeps it down, or no longer, where its driver can (macvlan, vxlan).
    #[doc(alias = "protodown")]
    pub fn proto_down(self, down: bool) -> LinkChange<'a> {
        self.byte(IFLA_PROTO_DOWN, down.into())
    }

    /// Says for which reasons: those of `mask` that are in `reasons`, a bit each (Linux 5.9). It can't be brought up
    /// while there is one.
    pub fn proto_down_reason(mut self, mask: u32, reasons: u32) -> LinkChange<'a> {
        self.proto_down_reason = Some((mask, reasons));
        self
    }

    /// Says what becomes of it when it is connected.
    pub fn mode(self, mode: LinkMode) -> LinkChange<'a> {
        self.byte(IFLA_LINKMODE, mode.into())
    }

    /// Changes a setting of IPv4; see [`Handle::link_conf`].
    pub fn ipv4(mut self, setting: Ipv4Setting, value: i32) -> LinkChange<'a> {
        self.ipv4.push((setting.number(), value));
        self
    }

    /// Says how it makes IPv6 addresses of its own.
    #[doc(alias = "addrgenmode")]
    pub fn addr_gen_mode(mut self, mode: AddrGenMode) -> LinkChange<'a> {
        self.addr_gen_mode = Some(mode);
        self
    }

    /// Sets the lower half of addresses that routers' announcements make; none with `::`. It must accept those
    /// announcements.
    pub fn token(mut self, token: Ipv6Addr) -> LinkChange<'a> {
        self.token = Some(token);
        self
    }

    /// Attaches a BPF program that sees its packets first, in the place of another.
    #[doc(alias("IFLA_XDP", "LinkSetXdpFd"))]
    pub fn xdp(mut self, program: &'a impl AsFd, flags: XdpFlags) -> LinkChange<'a> {
        self.xdp = Some(XdpChange { program: Some(program.as_fd()), flags });
        self
    }

    /// Detaches the BPF program that sees its packets first.
    pub fn no_xdp(mut self, flags: XdpFlags) -> LinkChange<'a> {
        self.xdp = Some(XdpChange { program: None, flags });
        self
    }

    fn byte(mut self, attribute: u16, value: u8) -> LinkChange<'a> {
        self.bytes.retain(|(known, _)| *known != attribute);
        self.bytes.push((attribute, value));
        self
    }

    fn number(mut self, attribute: u16, value: u32) -> LinkChange<'a> {
        self.numbers.retain(|(known, _)| *known != attribute);
        self.numbers.push((attribute, value));
        self
    }

    /// Writes the request.
    pub(crate) fn request(
        &self,
        request: &mut Request,
        handle: &mut Handle,
        link: LinkRef<'_>,
    ) -> Result<(), Failure> {
        self.name.as_deref().map_or(Ok(()), check_name)?;
        self.mac.map_or(Ok(()), check_mac)?;
        let master = match self.master {
            None => None,
            Some(NewMaster::None) => Some(0),
            Some(NewMaster::Link(master)) => Some(handle.index_of(master)?),
        };
        // A name in the request is the new one, where there is an index, and the present one else.
        let index = self.name.as_ref().map(|_| handle.index_of(link)).transpose()?;
        write_link(request, RTM_SETLINK, index.map_or(link, LinkRef::from), self.flags, self.change)?;
        self.write(request, master);
        Ok(())
    }

    fn write(&self, request: &mut Request, master: Option<u32>) {
        if let Some(name) = &self.name {
            request.text(IFLA_IFNAME, name);
        }
        if let Some(alias) = &self.alias {
            // Without its NUL, so that nothing is nothing.
            request.bytes(IFLA_IFALIAS, alias.as_bytes());
        }
        if let Some(mtu) = self.mtu {
            request.u32(IFLA_MTU, mtu);
        }
        if let Some(mac) = self.mac {
            request.bytes(IFLA_ADDRESS, &mac.octets());
        }
        if let Some(master) = master {
            request.u32(IFLA_MASTER, master);
        }
        for (attribute, value) in &self.numbers {
            request.u32(*attribute, *value);
        }
        for (attribute, value) in &self.bytes {
            request.u8(*attribute, *value);
        }
        if let Some(broadcast) = self.broadcast {
            request.mac(IFLA_BROADCAST, broadcast);
        }
        if let Some((mask, reasons)) = self.proto_down_reason {
            request.nest(IFLA_PROTO_DOWN_REASON, |request| {
                request.u32(IFLA_PROTO_DOWN_REASON_MASK, mask);
                request.u32(IFLA_PROTO_DOWN_REASON_VALUE, reasons);
            });
        }
        if let Some(xdp) = self.xdp {
            xdp.write(request);
        }
        request.nest_unless_empty(IFLA_AF_SPEC, |request| self.write_families(request));
        if let Some(netns) = self.netns {
            netns.write(request);
        }
    }

    fn write_families(&self, request: &mut Request) {
        request.nest_unless_empty(AF_INET.into(), |request| {
            request.nest_unless_empty(IFLA_INET_CONF, |request| {
                for (setting, value) in &self.ipv4 {
                    request.i32(*setting, *value);
                }
            });
        });
        request.nest_unless_empty(AF_INET6.into(), |request| {
            if let Some(mode) = self.addr_gen_mode {
                request.u8(IFLA_INET6_ADDR_GEN_MODE, mode.into());
            }
            if let Some(token) = self.token {
                request.ip(IFLA_INET6_TOKEN, token.into());
            }
        });
    }
}

impl Handle {
    /// Changes a link. If one change is refused, those that the kernel made before it stay.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound): there is no such link, master or process.
    /// [`InvalidInput`](ErrorKind::InvalidInput): a name, MAC or MTU can't be.
    /// [`AlreadyExists`](ErrorKind::AlreadyExists): another link has that name.
    /// [`Busy`](ErrorKind::Busy): the link must be down for it.
    #[doc(alias = "LinkModify")]
    pub fn change_link<'a>(&mut self, link: impl Into<LinkRef<'a>>, change: &LinkChange<'_>) -> Result<()> {
        const HINTS: Hints<'_> = &[TAKEN, (Errno::EBUSY, "the link is up")];
        let link = link.into();
        self.change_of(link, change).map_err(|failure| {
            let failure = if change.mtu.is_some() { self.with_mtu_range(link, failure) } else { failure };
            failure.when(format_args!("change {link}"), HINTS)
        })
    }

    fn change_of(&mut self, link: LinkRef<'_>, change: &LinkChange<'_>) -> Result<(), Failure> {
        let mut request = self.room();
        change.request(&mut request, self, link)?;
        self.change(request, |_| {}).map_err(|failure| link.missing(failure))
    }

    /// Changes what is particular to a link's kind: the options of a bridge, the ageing of a vxlan's entries.
    /// What is `None` stays as it is.
    ///
    /// ```no_run
    /// use netlink::{Handle, kind};
    ///
    /// let mut options = kind::Bridge::default();
    /// options.vlan_filtering = Some(true);
    /// Handle::open()?.change_kind("br0", &options)?;
    /// # Ok::<(), netlink::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound): there is no such link.
    /// [`InvalidInput`](ErrorKind::InvalidInput): it is of another kind, or can't be so.
    /// [`Unsupported`](ErrorKind::Unsupported): this can only be said when a link is made.
    pub fn change_kind<'a>(&mut self, link: impl Into<LinkRef<'a>>, kind: &impl Kind) -> Result<()> {
        const HINTS: Hints<'_> = &[
            (Errno::EOPNOTSUPP, "it can't be changed, or the link is of another kind"),
            (Errno::EINVAL, "the kernel takes no such options, or the link is of another kind"),
        ];
        let link = link.into();
        let mut request = self.room();
        self.kind_request(&mut request, link, kind)
            .and_then(|()| self.change(request, |_| {}).map_err(|failure| link.missing(failure)))
            .map_err(|failure| failure.when(format_args!("change options of {link}"), HINTS))
    }

    /// Writes the request to change what is particular to a kind.
    pub(crate) fn kind_request<K: Kind>(
        &mut self,
        request: &mut Request,
        link: LinkRef<'_>,
        kind: &K,
    ) -> Result<(), Failure> {
        if K::FORGETS {
            let present = self.find(link, false)?;
            let mut whole = kind.clone();
            present.kind.iter().for_each(|present| whole.keep(present));
            return write_kind(request, (&present).into(), &whole);
        }
        write_kind(request, link, kind)
    }

    /// Switches a link on. Nothing happens where it is on already.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound): there is no such link.
    #[doc(alias = "LinkSetUp")]
    pub fn set_up<'a>(&mut self, link: impl Into<LinkRef<'a>>) -> Result<()> {
        self.switch(link.into(), LinkFlags::UP, "up")
    }

    /// Switches a link off. Nothing happens where it is off already.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound): there is no such link.
    #[doc(alias = "LinkSetDown")]
    pub fn set_down<'a>(&mut self, link: impl Into<LinkRef<'a>>) -> Result<()> {
        self.switch(link.into(), LinkFlags::empty(), "down")
    }

    fn switch(&mut self, link: LinkRef<'_>, flags: LinkFlags, word: &str) -> Result<()> {
        self.set(link, flags, LinkFlags::UP, |_| {})
            .map_err(|failure| failure.when(format_args!("set {link} {word}"), &[]))
    }

    /// Sets the longest packet a link sends, and nothing else: 2014's brought it up as well.
    ///
    /// # Errors
    /// [`InvalidInput`](ErrorKind::InvalidInput): it is out of the link's range, which the error tells.
    #[doc(alias = "LinkSetMTU")]
    pub fn set_mtu<'a>(&mut self, link: impl Into<LinkRef<'a>>, mtu: u32) -> Result<()> {
        let link = link.into();
        self.set_one(link, |request| request.u32(IFLA_MTU, mtu)).map_err(|failure| {
            self.with_mtu_range(link, failure).when(format_args!("set MTU of {link} to {mtu}"), &[])
        })
    }

    /// Adds the range that the link allows to the refusal of an MTU.
    pub(super) fn with_mtu_range(&mut self, link: LinkRef<'_>, failure: Failure) -> Failure {
        let Failure::Refused(mut refusal) = failure else { return failure };
        let is_about_it = refusal.text.as_ref().is_none_or(|text| text.contains("mtu"));
        if refusal.errno == Errno::EINVAL as i32
            && is_about_it
            && let Ok(found) = self.find(link, false)
        {
            let (least, most) = (found.min_mtu.unwrap_or(0), found.max_mtu.unwrap_or(i32::MAX as u32));
            refusal.policy = Some(format!("{least} to {most}"));
        }
        Failure::Refused(refusal)
    }

    /// Renames a link. Before Linux 6.2 it must be down.
    ///
    /// # Errors
    /// [`AlreadyExists`](ErrorKind::AlreadyExists): another link has that name.
    /// [`InvalidInput`](ErrorKind::InvalidInput): no link can have that name; 2014's cut it instead.
    /// [`Busy`](ErrorKind::Busy): it is up, and the kernel is old.
    #[doc(alias = "LinkSetName")]
    pub fn rename<'a>(&mut self, link: impl Into<LinkRef<'a>>, name: &str) -> Result<()> {
        const HINTS: Hints<'_> = &[TAKEN, (Errno::EBUSY, "the link is up")];
        let link = link.into();
        self.change_of(link, &LinkChange::new().name(name))
            .map_err(|failure| failure.when(format_args!("rename {link} to {name:?}"), HINTS))
    }

    /// Gives a link one more name to be found by, of up to 127 bytes.
    ///
    /// # Errors
    /// [`AlreadyExists`](ErrorKind::AlreadyExists): a link has that name.
    #[doc(alias = "LinkAddAltName")]
    pub fn add_altname<'a>(&mut self, link: impl Into<LinkRef<'a>>, name: &str) -> Result<()> {
        let link = link.into();
        self.change_altname(RTM_NEWLINKPROP, link, name)
            .map_err(|failure| failure.when(format_args!("give {link} the name {name:?} too"), &[TAKEN]))
    }

    /// Takes an alternative name from a link.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound): there is no such link, or it hasn't that name.
    #[doc(alias = "LinkDelAltName")]
    pub fn delete_altname<'a>(&mut self, link: impl Into<LinkRef<'a>>, name: &str) -> Result<()> {
        const HINTS: Hints<'_> =
            &[(Errno::ENOENT, "the link doesn't have it"), (Errno::EINVAL, "it is the link's name")];
        let link = link.into();
        self.change_altname(RTM_DELLINKPROP, link, name)
            .map_err(|failure| failure.when(format_args!("take the name {name:?} from {link}"), HINTS))
    }

    fn change_altname(&mut self, kind: u16, link: LinkRef<'_>, name: &str) -> Result<(), Failure> {
        let mut request = self.room();
        self.altname_request(&mut request, kind, link, name)?;
        self.change(request, |_| {}).map_err(|failure| link.missing(failure))
    }

    /// Writes the request to give a link one more name, or to take it.
    pub(crate) fn altname_request(
        &mut self,
        request: &mut Request,
        kind: u16,
        link: LinkRef<'_>,
        name: &str,
    ) -> Result<(), Failure> {
        let adds = kind == RTM_NEWLINKPROP;
        // Names that others gave may be any.
        if adds { check_name_up_to(ALTNAME_MAX, name) } else { check_sought(name) }?;
        // By its index: the kernel wants no other name beside it.
        let index = self.index_of(link)?;
        write_link(request, kind, index.into(), LinkFlags::empty(), LinkFlags::empty())?;
        request.add_flags(if adds { NLM_F_CREATE | NLM_F_EXCL | NLM_F_APPEND } else { 0 });
        request.nest(IFLA_PROP_LIST, |request| request.text(IFLA_ALT_IFNAME, name));
        Ok(())
    }

    /// Sets a link's hardware address.
    ///
    /// # Errors
    /// [`InvalidInput`](ErrorKind::InvalidInput): the address is a group's, or zero.
    /// [`Busy`](ErrorKind::Busy): the link must be down for this.
    #[doc(alias = "LinkSetHardwareAddr")]
    pub fn set_mac<'a>(&mut self, link: impl Into<LinkRef<'a>>, mac: impl Into<MacAddress>) -> Result<()> {
        const HINTS: Hints<'_> = &[(Errno::EBUSY, "the link is up")];
        let (link, mac) = (link.into(), mac.into());
        self.change_of(link, &LinkChange::new().mac(mac))
            .map_err(|failure| failure.when(format_args!("set MAC of {link} to {mac}"), HINTS))
    }

    /// Makes a link a port of a bridge (or bond, ...), and nothing else; a port of another one is moved.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound): there is no such link.
    /// [`InvalidInput`](ErrorKind::InvalidInput) or [`Unsupported`](ErrorKind::Unsupported):
    /// the master takes no ports, or not this one.
    #[doc(alias("LinkSetMaster", "enslave"))]
    pub fn set_master<'a, 'b>(
        &mut self,
        link: impl Into<LinkRef<'a>>,
        master: impl Into<LinkRef<'b>>,
    ) -> Result<()> {
        let (link, master) = (link.into(), master.into());
        self.try_set_master(link, master)
            .map_err(|failure| failure.when(format_args!("make {link} a port of {master}"), BAD_MASTER))
    }

    fn try_set_master(&mut self, link: LinkRef<'_>, master: LinkRef<'_>) -> Result<(), Failure> {
        let master = self.index_of(master)?;
        self.set_one(link, |request| request.u32(IFLA_MASTER, master))
    }

    /// Takes a link out of the bridge (or bond, ...) it is a port of, if it is.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound): there is no such link.
    #[doc(alias("LinkSetNoMaster", "nomaster"))]
    pub fn clear_master<'a>(&mut self, link: impl Into<LinkRef<'a>>) -> Result<()> {
        let link = link.into();
        self.set_one(link, |request| request.u32(IFLA_MASTER, 0))
            .map_err(|failure| failure.when(format_args!("take {link} from its master"), &[]))
    }

    /// Makes a link a port of a bridge, unless it is a port already.
    ///
    /// # Errors
    /// [`Busy`](ErrorKind::Busy): the link is a port already, of this bridge or another.
    /// [`InvalidInput`](ErrorKind::InvalidInput): `bridge` is none.
    pub fn add_to_bridge<'a, 'b>(
        &mut self,
        link: impl Into<LinkRef<'a>>,
        bridge: impl Into<LinkRef<'b>>,
    ) -> Result<()> {
        let (link, bridge) = (link.into(), bridge.into());
        self.try_add_to_bridge(link, bridge)
            .map_err(|failure| failure.when(format_args!("add {link} to bridge {bridge}"), BAD_MASTER))
    }

    fn try_add_to_bridge(&mut self, link: LinkRef<'_>, bridge: LinkRef<'_>) -> Result<(), Failure> {
        let master = self.find(bridge, false)?;
        if master.kind_name() != Some("bridge") {
            return Err(Failure::Input(format!("{bridge} is not a bridge")));
        }
        let port = self.find(link, false)?;
        if let Some(index) = port.master {
            let of =
                self.find(index.into(), false).map_or(index.to_string(), |link| format!("{:?}", link.name));
            return Err(Failure::Conflict(ErrorKind::Busy, format!("it is a port of {of} already")));
        }
        self.set_one((&port).into(), |request| request.u32(IFLA_MASTER, master.index))
    }

    /// Moves a link into the network namespace of a process. It arrives down and without addresses.
    ///
    /// The kernel takes 10 to 20 ms for it. A veth can be made in its place at once: see
    /// [`Veth`](crate::Veth).
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound): there is no such link or process.
    /// [`AlreadyExists`](ErrorKind::AlreadyExists): the name is taken there.
    #[doc(alias = "LinkSetNsPid")]
    pub fn set_netns_pid<'a>(&mut self, link: impl Into<LinkRef<'a>>, pid: u32) -> Result<()> {
        self.set_netns(link.into(), Netns::Pid(pid), format_args!("process {pid}"))
    }

    /// Moves a link into a network namespace: an open `/proc/PID/ns/net` or `/run/netns/NAME`.
    /// It arrives down and without addresses.
    ///
    /// # Errors
    /// [`InvalidInput`](ErrorKind::InvalidInput): the descriptor is not a network namespace's.
    /// [`AlreadyExists`](ErrorKind::AlreadyExists): the name is taken there.
    #[doc(alias = "LinkSetNsFd")]
    pub fn set_netns_fd<'a>(&mut self, link: impl Into<LinkRef<'a>>, netns: impl AsFd) -> Result<()> {
        let fd = netns.as_fd();
        self.set_netns(link.into(), Netns::Fd(fd), format_args!("descriptor {}", fd.as_raw_fd()))
    }

    fn set_netns(&mut self, link: LinkRef<'_>, netns: Netns<'_>, of: fmt::Arguments<'_>) -> Result<()> {
        self.set_one(link, |request| netns.write(request)).map_err(|failure| {
            failure.when(format_args!("move {link} to the network namespace of {of}"), BAD_NETNS)
        })
    }

    /// Changes attributes of a link and none of its flags.
    pub(crate) fn set_one(
        &mut self,
        link: LinkRef<'_>,
        fill: impl FnOnce(&mut Request),
    ) -> Result<(), Failure> {
        self.set(link, LinkFlags::empty(), LinkFlags::empty(), fill)
    }

    /// Changes a link: of its flags only those named in `change`. 2014's package named them all.
    fn set(
        &mut self,
        link: LinkRef<'_>,
        flags: LinkFlags,
        change: LinkFlags,
        fill: impl FnOnce(&mut Request),
    ) -> Result<(), Failure> {
        let mut request = self.room();
        write_link(&mut request, RTM_SETLINK, link, flags, change)?;
        fill(&mut request);
        self.change(request, |_| {}).map_err(|failure| link.missing(failure))
    }
}

fn write_kind(request: &mut Request, link: LinkRef<'_>, kind: &impl Kind) -> Result<(), Failure> {
    kind.check()?;
    write_link(request, RTM_NEWLINK, link, LinkFlags::empty(), LinkFlags::empty())?;
    write_info(request, kind, Outer::default());
    Ok(())
}

/// Hints for changing a link in several ways at once.
pub(crate) const CHANGING: Hints<'static> = &[
    super::TAKEN,
    (Errno::EPERM, "needs CAP_NET_ADMIN in this network namespace, and in those of all that it is tied to"),
    (Errno::EOPNOTSUPP, "the link can't do that, or the master takes no ports"),
    (Errno::EINVAL, "the kernel takes no such link, master or namespace"),
    (Errno::EBUSY, "it is up or in use, and can't be changed so"),
];

const BAD_MASTER: Hints<'static> = &[
    (Errno::EINVAL, "the one can't be a port of the other"),
    (Errno::EOPNOTSUPP, "the master takes no ports"),
    (Errno::ELOOP, "that would be a loop"),
    (Errno::EBUSY, "it is in use otherwise"),
];

const BAD_NETNS: Hints<'static> = &[
    (Errno::EPERM, "needs CAP_NET_ADMIN here and in that namespace"),
    (Errno::EEXIST, "the name is taken there"),
    (Errno::EINVAL, "that is not a network namespace, or the link can't leave its own"),
    (Errno::EBADF, "that is not an open descriptor"),
    (Errno::ESRCH, "there is no such process"),
];

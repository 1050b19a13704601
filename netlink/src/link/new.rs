//! Making links.

use std::os::fd::AsFd;

use nix::errno::Errno;

use super::change::Netns;
use super::reference::check_name;
use super::{Link, LinkFlags, LinkRef, TAKEN, check_mac};
use crate::error::{Failure, Hints, Result};
use crate::handle::Handle;
use crate::kind::{Kind, Outer, write_info};
use crate::mac::MacAddress;
use crate::wire::numbers::{
    IFLA_ADDRESS, IFLA_GRO_IPV4_MAX_SIZE, IFLA_GRO_MAX_SIZE, IFLA_GROUP, IFLA_GSO_IPV4_MAX_SIZE,
    IFLA_GSO_MAX_SEGS, IFLA_GSO_MAX_SIZE, IFLA_IFNAME, IFLA_LINK, IFLA_LINK_NETNSID, IFLA_MASTER, IFLA_MTU,
    IFLA_NUM_RX_QUEUES, IFLA_NUM_TX_QUEUES, IFLA_TXQLEN, NLM_F_CREATE, NLM_F_ECHO, NLM_F_EXCL, RTM_NEWLINK,
};
use crate::wire::{self, Request};

/// A link to be made by [`Handle::add_link`]: what every kind has, and what this kind has.
///
/// Each kind has a name of its own for it: [`Bridge`](crate::Bridge), [`Veth`](crate::Veth),
/// [`Vlan`](crate::Vlan), ...; kinds without one are [`AnyLink`](crate::AnyLink)s.
#[derive(Clone, Debug)]
#[must_use = "add_link makes it"]
pub struct NewLink<'a, K> {
    pub(crate) name: String,
    pub(crate) kind: K,
    index: Option<u32>,
    pub(crate) mtu: Option<u32>,
    mac: Option<MacAddress>,
    master: Option<LinkRef<'a>>,
    lower: Option<LinkRef<'a>>,
    pub(crate) netns: Option<Netns<'a>>,
    group: Option<u32>,
    queue_len: Option<u32>,
    queues: Option<(u32, u32)>,
    /// Attributes that few have.
    numbers: Vec<(u16, u32)>,
    up: bool,
}

impl<'a, K> NewLink<'a, K> {
    pub(crate) fn of(name: impl Into<String>, kind: K) -> NewLink<'a, K> {
        NewLink {
            name: name.into(),
            kind,
            index: None,
            mtu: None,
            mac: None,
            master: None,
            lower: None,
            netns: None,
            group: None,
            queue_len: None,
            queues: None,
            numbers: Vec::new(),
            up: false,
        }
    }

    /// Ties it to another link, through which its packets go.
    pub(crate) fn over(mut self, lower: impl Into<LinkRef<'a>>) -> NewLink<'a, K> {
        self.lower = Some(lower.into());
        self
    }

    /// Sets what is particular to its kind, beside what the constructor took.
    ///
    /// ```no_run
    /// use netlink::{Handle, Vxlan};
    ///
    /// let vxlan = Vxlan::new("vx7", 7).options(|vxlan| {
    ///     vxlan.learning = Some(false);
    ///     vxlan.ageing = Some(60);
    /// });
    /// Handle::open()?.add_link(&vxlan)?;
    /// # Ok::<(), netlink::Error>(())
    /// ```
    pub fn options(mut self, set: impl FnOnce(&mut K)) -> NewLink<'a, K> {
        set(&mut self.kind);
        self
    }

    /// Chooses its index; the kernel takes the next free one otherwise.
    #[doc(alias = "ifindex")]
    pub fn index(mut self, index: u32) -> NewLink<'a, K> {
        self.index = Some(index);
        self
    }

    /// Sets the longest packet it sends, in bytes. The other end of a pair has the same, unless it is told
    /// [another](NewLink::peer_mtu).
    ///
    /// A bridge that is made in another namespace forgets it at its first port, as the kernel has it.
    pub fn mtu(mut self, mtu: u32) -> NewLink<'a, K> {
        self.mtu = Some(mtu);
        self
    }

    /// Sets its hardware address; the kernel makes one at random otherwise, or takes that of the link below.
    #[doc(alias("IFLA_ADDRESS", "address"))]
    pub fn mac(mut self, mac: impl Into<MacAddress>) -> NewLink<'a, K> {
        self.mac = Some(mac.into());
        self
    }

    /// Gives it a random hardware address, which a bridge then keeps whatever its ports are.
    pub fn random_mac(self) -> NewLink<'a, K> {
        self.mac(MacAddress::random())
    }

    /// Makes it a port of a bridge (or bond, ...).
    pub fn master(mut self, master: impl Into<LinkRef<'a>>) -> NewLink<'a, K> {
        self.master = Some(master.into());
        self
    }

    /// Makes it in the network namespace of a process. The link below, if it has one, stays here.
    ///
    /// What [`Handle::add_link`] then returns has its name and no more: only a handle of that namespace can tell.
    #[doc(alias = "IFLA_NET_NS_PID")]
    pub fn netns_pid(mut self, pid: u32) -> NewLink<'a, K> {
        self.netns = Some(Netns::Pid(pid));
        self
    }

    /// Makes it in a network namespace: an open `/proc/PID/ns/net` or `/run/netns/NAME`. The link below, if it has
    /// one, stays here.
    #[doc(alias = "IFLA_NET_NS_FD")]
    pub fn netns_fd(mut self, netns: &'a impl AsFd) -> NewLink<'a, K> {
        self.netns = Some(Netns::Fd(netns.as_fd()));
        self
    }

    /// Puts it into a group; see [`Handle::delete_group`].
    pub fn group(mut self, group: u32) -> NewLink<'a, K> {
        self.group = Some(group);
        self
    }

    /// Sets how many packets it queues.
    #[doc(alias("IFLA_TXQLEN", "txqueuelen"))]
    pub fn queue_len(mut self, packets: u32) -> NewLink<'a, K> {
        self.queue_len = Some(packets);
        self
    }

    /// Sets how many queues it has for sending and for receiving.
    #[doc(alias("IFLA_NUM_TX_QUEUES", "IFLA_NUM_RX_QUEUES", "numtxqueues", "numrxqueues"))]
    pub fn queues(mut self, tx: u32, rx: u32) -> NewLink<'a, K> {
        self.queues = Some((tx, rx));
        self
    }

    /// Sets the longest packet that it cuts into segments itself, in bytes.
    #[doc(alias = "IFLA_GSO_MAX_SIZE")]
    pub fn gso_max_size(self, bytes: u32) -> NewLink<'a, K> {
        self.number(IFLA_GSO_MAX_SIZE, bytes)
    }

    /// Sets into how many segments it cuts a packet at most.
    #[doc(alias = "IFLA_GSO_MAX_SEGS")]
    pub fn gso_max_segs(self, segments: u32) -> NewLink<'a, K> {
        self.number(IFLA_GSO_MAX_SEGS, segments)
    }

    /// Sets the longest packet that is put together of received ones, in bytes (Linux 5.19).
    #[doc(alias = "IFLA_GRO_MAX_SIZE")]
    pub fn gro_max_size(self, bytes: u32) -> NewLink<'a, K> {
        self.number(IFLA_GRO_MAX_SIZE, bytes)
    }

    /// As [`gso_max_size`](Self::gso_max_size), of IPv4 packets (Linux 6.3).
    pub fn gso_ipv4_max_size(self, bytes: u32) -> NewLink<'a, K> {
        self.number(IFLA_GSO_IPV4_MAX_SIZE, bytes)
    }

    /// As [`gro_max_size`](Self::gro_max_size), of IPv4 packets (Linux 6.3).
    pub fn gro_ipv4_max_size(self, bytes: u32) -> NewLink<'a, K> {
        self.number(IFLA_GRO_IPV4_MAX_SIZE, bytes)
    }

    /// Says that the link below, which is named by its index there, is in the namespace that this one knows by that id
    /// ([`Handle::set_netns_id`]).
    #[doc(alias = "IFLA_LINK_NETNSID")]
    pub fn lower_netns_id(self, id: u32) -> NewLink<'a, K> {
        self.number(IFLA_LINK_NETNSID, id)
    }

    fn number(mut self, attribute: u16, value: u32) -> NewLink<'a, K> {
        self.numbers.push((attribute, value));
        self
    }

    /// Switches it on. A pair's other end can't be until it is made.
    pub fn up(mut self) -> NewLink<'a, K> {
        self.up = true;
        self
    }
}

impl<K: Kind> NewLink<'_, K> {
    fn check(&self) -> Result<(), Failure> {
        check_name(&self.name)?;
        self.mac.map_or(Ok(()), check_mac)?;
        if self.index.is_none() && self.kind.wants_index() {
            let why = "the kernel takes an index for the other end only where this end's is chosen too";
            return Err(Failure::Input(why.to_owned()));
        }
        self.kind.check()
    }

    /// A bridge forgets the MTU it was made with at its first port, and keeps one that is set later. Elsewhere that
    /// can't be done from here.
    fn has_mtu_later(&self) -> bool {
        self.kind.name() == "bridge" && self.netns.is_none()
    }

    /// Writes the request; gives the index of the master.
    pub(crate) fn request(
        &self,
        request: &mut Request,
        handle: &mut Handle,
        flags: u16,
    ) -> Result<Option<u32>, Failure> {
        self.check()?;
        let master = self.master.map(|master| handle.index_of(master)).transpose()?;
        let lower = self.lower.map(|lower| handle.index_of(lower)).transpose()?;
        let up = if self.up { LinkFlags::UP } else { LinkFlags::empty() };
        let header = wire::link::header(self.index.unwrap_or_default(), up, up);
        request.begin(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL | flags, &header);
        self.write(request, master, lower);
        Ok(master)
    }

    /// Writes all of it but for the header.
    fn write(&self, request: &mut Request, master: Option<u32>, lower: Option<u32>) {
        request.text(IFLA_IFNAME, &self.name);
        for (attribute, value) in [
            (IFLA_MTU, self.mtu.filter(|_| !self.has_mtu_later())),
            (IFLA_MASTER, master),
            (IFLA_GROUP, self.group),
            (IFLA_TXQLEN, self.queue_len),
            (IFLA_NUM_TX_QUEUES, self.queues.map(|(tx, _)| tx)),
            (IFLA_NUM_RX_QUEUES, self.queues.map(|(_, rx)| rx)),
            (IFLA_LINK, lower.filter(|_| !K::LOWER_IN_DATA)),
        ] {
            if let Some(value) = value {
                request.u32(attribute, value);
            }
        }
        for (attribute, value) in &self.numbers {
            request.u32(*attribute, *value);
        }
        if let Some(mac) = self.mac {
            request.bytes(IFLA_ADDRESS, &mac.octets());
        }
        if let Some(netns) = self.netns {
            netns.write(request);
        }
        write_info(request, &self.kind, Outer { lower, mtu: self.mtu });
    }
}

/// The same for tunnels, of which there is one between two ends.
const CREATING_TUNNEL: Hints<'static> = &[
    (Errno::EEXIST, "the name is taken, or there is a tunnel with these ends"),
    CREATING[1],
    CREATING[2],
    CREATING[3],
    CREATING[4],
    CREATING[5],
    CREATING[6],
];

const EINVAL: i32 = Errno::EINVAL as i32;
const ERANGE: i32 = Errno::ERANGE as i32;

/// The MTUs that a new link can have, by its kind: the kernel doesn't tell before there is one.
fn mtu_range(kind: &str) -> Option<(u32, u32)> {
    Some(match kind {
        "bond" | "bridge" | "ipvlan" | "ipvtap" | "macvlan" | "macvtap" | "netkit" | "veth" | "vxlan" => {
            (68, 65535)
        }
        "vlan" => (0, 65535),
        "vrf" => (1280, 65575),
        _ => return None,
    })
}

/// Hints for making a link.
pub(crate) const CREATING: Hints<'static> = &[
    TAKEN,
    (Errno::EPERM, "needs CAP_NET_ADMIN in this network namespace, and in those of all that it is tied to"),
    (
        Errno::EOPNOTSUPP,
        "this kernel doesn't know that kind of link or one of its options, or the master takes no ports",
    ),
    (Errno::EINVAL, "the kernel takes no such link, master or namespace"),
    (Errno::EBADF, "the namespace is no open descriptor"),
    (Errno::ESRCH, "there is no such process"),
    (Errno::EBUSY, "the index is taken, or the link below is in use"),
];

impl Handle {
    /// Makes a link, in one request; gives it as the kernel made it.
    ///
    /// ```no_run
    /// use netlink::{Bridge, Handle, Vlan};
    ///
    /// let mut handle = Handle::open()?;
    /// handle.add_link(&Bridge::new("br0").random_mac().up())?;
    /// handle.add_link(&Vlan::new("eth0.7", "eth0", 7).master("br0").up())?;
    /// # Ok::<(), netlink::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`AlreadyExists`](crate::ErrorKind::AlreadyExists): the name is taken.
    /// [`NotFound`](crate::ErrorKind::NotFound): there is no such master, link below or process.
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput): a name, MAC, MTU, descriptor or option can't be.
    /// [`Unsupported`](crate::ErrorKind::Unsupported): this kernel doesn't know that kind.
    #[doc(alias = "LinkAdd")]
    pub fn add_link<K: Kind>(&mut self, link: &NewLink<'_, K>) -> Result<Link> {
        self.try_add_link(link).map_err(|failure| {
            let hints = if K::FORGETS { CREATING_TUNNEL } else { CREATING };
            self.with_new_mtu_range(link, failure).when(link.kind.creating(&link.name), hints)
        })
    }

    /// Adds the range of MTUs to the refusal of a new link's.
    pub(crate) fn with_new_mtu_range<K: Kind>(&mut self, link: &NewLink<'_, K>, failure: Failure) -> Failure {
        let Some(mtu) = link.mtu else { return failure };
        let Failure::Refused(mut refusal) = failure else { return failure };
        let range = mtu_range(link.kind.name());
        match refusal.text.as_deref() {
            // A bridge's was set later, and has its range already.
            Some(text) if text.contains("mtu") && refusal.policy.is_none() => {
                refusal.policy = range.map(|(least, most)| format!("{least} to {most}"));
            }
            None if matches!(refusal.errno, EINVAL | ERANGE) => {
                if let Some((least, most)) = range.filter(|(least, most)| !(*least..=*most).contains(&mtu)) {
                    return Failure::Input(format!("its MTU is {least} to {most}, not {mtu}"));
                }
                let lower = link.lower.and_then(|lower| self.find(lower, false).ok());
                if let Some(lower) = lower.filter(|lower| lower.mtu < mtu) {
                    let (name, most) = (lower.name, lower.mtu);
                    return Failure::Input(format!(
                        "its MTU can't be above that of {name:?}, which is {most}"
                    ));
                }
            }
            _ => {}
        }
        Failure::Refused(refusal)
    }

    pub(crate) fn try_add_link<K: Kind>(&mut self, link: &NewLink<'_, K>) -> Result<Link, Failure> {
        let mut request = self.room();
        // One made elsewhere is echoed there, to whom that may concern.
        let echo = if link.netns.is_none() { NLM_F_ECHO } else { 0 };
        let master = link.request(&mut request, self, echo)?;
        let mut echoed = None;
        self.change(request, |message| {
            if message.kind == RTM_NEWLINK {
                // Of a pair, both ends may be echoed.
                let is_it = |found: &Link| found.name == link.name;
                echoed = echoed.take().or_else(|| wire::link::read(message.payload).filter(is_it));
            }
        })?;
        let mut made = self.made(echoed, link)?;
        // The kernel echoes the link before it makes it a port.
        made.master = master;
        self.finish(&mut made, link)?;
        Ok(made)
    }

    /// The link just made: echoed since Linux 6.2, looked up before. In another namespace it can't be looked up.
    fn made<K: Kind>(&mut self, echoed: Option<Link>, link: &NewLink<'_, K>) -> Result<Link, Failure> {
        match echoed {
            Some(link) => Ok(link),
            None if link.netns.is_some() => Ok(Link { name: link.name.clone(), ..Link::default() }),
            None => self.find(link.name.as_str().into(), false),
        }
    }

    fn finish<K: Kind>(&mut self, made: &mut Link, link: &NewLink<'_, K>) -> Result<(), Failure> {
        let Some(mtu) = link.mtu.filter(|_| link.has_mtu_later()) else { return Ok(()) };
        if let Err(failure) = self.set_one((&*made).into(), |request| request.u32(IFLA_MTU, mtu)) {
            let failure = self.with_mtu_range((&*made).into(), failure);
            let _ = self.try_delete_link((&*made).into());
            return Err(failure);
        }
        made.mtu = mtu;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AnyLink;

    /// Before Linux 6.2 nothing is echoed, and the link just made is looked up by its name.
    #[test]
    fn without_an_echo_the_new_link_is_looked_up() {
        let mut handle = Handle::open().unwrap();
        let new = AnyLink::new("lo", "dummy");
        assert_eq!(handle.made(None, &new).unwrap().name, "lo");
        let echoed = Link { index: 7, ..Link::default() };
        assert_eq!(handle.made(Some(echoed.clone()), &new).unwrap(), echoed);
    }
}

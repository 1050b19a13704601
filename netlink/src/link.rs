//! Links (network interfaces): finding, listing, changing.

use std::fmt;

use bitflags::bitflags;
use nix::errno::Errno;

use crate::error::{Failure, Hints, Result};
use crate::handle::Handle;
use crate::link_ref::{ALTNAME_MAX, By, LinkRef, NAME_MAX, check_name, check_name_up_to};
use crate::mac::MacAddress;
use crate::wire::numbers::{
    IFLA_ADDRESS, IFLA_ALT_IFNAME, IFLA_EXT_MASK, IFLA_IFNAME, IFLA_INFO_KIND, IFLA_LINKINFO, IFLA_MTU,
    IFLA_PROP_LIST, NLM_F_APPEND, NLM_F_CREATE, NLM_F_ECHO, NLM_F_EXCL, RTEXT_FILTER_SKIP_STATS, RTM_DELLINK,
    RTM_GETLINK, RTM_NEWLINK, RTM_NEWLINKPROP, RTM_SETLINK,
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
    pub index: u32,
    /// Its name, of at most 15 bytes.
    pub name: String,
    /// More names it can be found by, of at most 127 bytes.
    pub altnames: Vec<String>,
    /// What made it: `bridge`, `veth`, ...; `None` for hardware and loopback.
    pub kind: Option<String>,
    /// The longest packet it sends.
    pub mtu: u32,
    /// The least that `mtu` can be.
    pub min_mtu: Option<u32>,
    /// The most that `mtu` can be; `None` where there is no limit.
    pub max_mtu: Option<u32>,
    /// Its hardware address, where that is one of six bytes.
    pub mac: Option<MacAddress>,
    /// The hardware address that reaches all its neighbours.
    pub broadcast: Option<MacAddress>,
    /// What the administrator and the driver have switched on.
    pub flags: LinkFlags,
    /// Whether it can carry packets now.
    pub oper_state: OperState,
    /// The index of the bridge (or bond, ...) it is a port of.
    pub master: Option<u32>,
    /// The index of the link it is tied to: a veth's other end, a VLAN's parent.
    pub peer: Option<u32>,
    /// The namespace that `peer` is in, by this namespace's number for it; `None` for this one.
    pub peer_netns_id: Option<i32>,
    /// The kind of hardware, an `ARPHRD_` number: 1 is Ethernet, 772 loopback.
    pub layer: u16,
    /// How it queues packets: `noqueue`, `fq_codel`, ...
    pub qdisc: Option<String>,
    /// How many packets it queues.
    pub queue_len: u32,
    /// The group it was put into, which is 0 at first.
    pub group: u32,
}

impl Link {
    /// Tells whether the administrator has switched it on. Whether it can carry packets is in
    /// [`oper_state`](Link::oper_state).
    pub fn is_up(&self) -> bool {
        self.flags.contains(LinkFlags::UP)
    }
}

bitflags! {
    /// A link's switches (`IFF_`), written as ip-link(8) writes them: `BROADCAST,MULTICAST,UP`.
    ///
    /// Those without a name here are kept.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct LinkFlags: u32 {
        /// It leads back to this host.
        const LOOPBACK = 0x8;
        /// It can reach all its neighbours at once.
        const BROADCAST = 0x2;
        /// It has one neighbour.
        const POINTOPOINT = 0x10;
        /// It can reach groups of neighbours.
        const MULTICAST = 0x1000;
        /// It needs no neighbour lookup.
        const NOARP = 0x80;
        /// It receives all groups' packets.
        const ALLMULTI = 0x200;
        /// It receives everybody's packets.
        const PROMISC = 0x100;
        /// It is made of other links.
        const MASTER = 0x400;
        /// It is part of another link.
        const SLAVE = 0x800;
        /// The administrator has switched it on.
        const UP = 0x1;
        /// Its driver says that it is connected.
        const LOWER_UP = 0x1_0000;
        /// It is connected, and waits for something (802.1X).
        const DORMANT = 0x2_0000;
        /// It can carry packets.
        const RUNNING = 0x40;

        const _ = !0;
    }
}

impl fmt::Display for LinkFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // ip-link(8) tells the absence of RUNNING instead, as NO-CARRIER.
        let shown = self.difference(LinkFlags::RUNNING);
        for (place, (name, _)) in shown.iter_names().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            write!(f, "{comma}{name}")?;
        }
        Ok(())
    }
}

/// Whether a link can carry packets (RFC 2863). Virtual links are often `Unknown` and work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OperState {
    /// Its driver doesn't say.
    #[default]
    Unknown,
    /// Its hardware is gone.
    NotPresent,
    /// It can't.
    Down,
    /// The link it is built on can't.
    LowerLayerDown,
    /// It is being tested.
    Testing,
    /// It waits for something (802.1X).
    Dormant,
    /// It can.
    Up,
}

impl OperState {
    pub(crate) fn from_kernel(state: u8) -> OperState {
        match state {
            1 => OperState::NotPresent,
            2 => OperState::Down,
            3 => OperState::LowerLayerDown,
            4 => OperState::Testing,
            5 => OperState::Dormant,
            6 => OperState::Up,
            _ => OperState::Unknown,
        }
    }
}

/// Written as ip-link(8) writes it: `UP`, `LOWERLAYERDOWN`.
impl fmt::Display for OperState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            OperState::Unknown => "UNKNOWN",
            OperState::NotPresent => "NOTPRESENT",
            OperState::Down => "DOWN",
            OperState::LowerLayerDown => "LOWERLAYERDOWN",
            OperState::Testing => "TESTING",
            OperState::Dormant => "DORMANT",
            OperState::Up => "UP",
        })
    }
}

/// The hint for a taken name.
const TAKEN: (Errno, &str) = (Errno::EEXIST, "the name is taken");

impl Handle {
    /// Finds a link.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound): there is no such link.
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput): no link can have that name.
    pub fn link<'a>(&mut self, link: impl Into<LinkRef<'a>>) -> Result<Link> {
        let link = link.into();
        self.find(link).map_err(|failure| failure.when(format_args!("find {link}"), &[]))
    }

    /// Finds a link, if there is one.
    ///
    /// # Errors
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput): no link can have that name.
    pub fn find_link<'a>(&mut self, link: impl Into<LinkRef<'a>>) -> Result<Option<Link>> {
        let link = link.into();
        match self.find(link) {
            Err(Failure::NoLink(_)) => Ok(None),
            found => found.map(Some).map_err(|failure| failure.when(format_args!("find {link}"), &[])),
        }
    }

    /// Lists all links of the namespace.
    ///
    /// # Errors
    /// [`Interrupted`](crate::ErrorKind::Interrupted): links came and went each time the list was read.
    pub fn links(&mut self) -> Result<Vec<Link>> {
        self.list(get_request(0), wire::link::read).map_err(|failure| failure.when("list links", &[]))
    }

    /// Makes a link of a kind that needs no more said: `bridge`, `dummy`, `ifb`, ...
    ///
    /// # Errors
    /// [`AlreadyExists`](crate::ErrorKind::AlreadyExists): the name is taken.
    /// [`Unsupported`](crate::ErrorKind::Unsupported): this kernel doesn't know that kind.
    pub fn add_link(&mut self, name: &str, kind: &str) -> Result<Link> {
        self.create(name, kind, |_| {})
            .map_err(|failure| failure.when(format_args!("create link {name:?} of kind {kind:?}"), CREATING))
    }

    /// Deletes a link; a veth's other end goes with it.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound): there is no such link.
    /// [`Unsupported`](crate::ErrorKind::Unsupported): it is hardware, or loopback.
    pub fn delete_link<'a>(&mut self, link: impl Into<LinkRef<'a>>) -> Result<()> {
        const HINTS: Hints<'_> = &[(Errno::EOPNOTSUPP, "this kind of link can't be deleted")];
        let link = link.into();
        self.try_delete_link(link).map_err(|failure| failure.when(format_args!("delete {link}"), HINTS))
    }

    pub(crate) fn try_delete_link(&mut self, link: LinkRef<'_>) -> Result<(), Failure> {
        let index = self.index_of(link)?;
        let none = LinkFlags::empty();
        self.change(Request::new(RTM_DELLINK, 0, &wire::link::header(index, none, none)), |_| {})
    }

    /// Switches a link on. Nothing happens where it is on already.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound): there is no such link.
    pub fn set_up<'a>(&mut self, link: impl Into<LinkRef<'a>>) -> Result<()> {
        self.switch(link.into(), LinkFlags::UP, "up")
    }

    /// Switches a link off. Nothing happens where it is off already.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound): there is no such link.
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
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput): it is out of the link's range, which the error tells.
    pub fn set_mtu<'a>(&mut self, link: impl Into<LinkRef<'a>>, mtu: u32) -> Result<()> {
        let link = link.into();
        self.set_one(link, |request| request.u32(IFLA_MTU, mtu)).map_err(|failure| {
            self.with_mtu_range(link, failure).when(format_args!("set MTU of {link} to {mtu}"), &[])
        })
    }

    /// Adds the range that the link allows to the refusal of an MTU.
    fn with_mtu_range(&mut self, link: LinkRef<'_>, failure: Failure) -> Failure {
        let Failure::Refused(mut refusal) = failure else { return failure };
        if refusal.errno == Errno::EINVAL as i32
            && let Ok(Link { min_mtu, max_mtu, .. }) = self.find(link)
        {
            let (least, most) = (min_mtu.unwrap_or(0), max_mtu.unwrap_or(i32::MAX as u32));
            refusal.policy = Some(format!("{least} to {most}"));
        }
        Failure::Refused(refusal)
    }

    /// Renames a link. Before Linux 6.2 it must be down.
    ///
    /// # Errors
    /// [`AlreadyExists`](crate::ErrorKind::AlreadyExists): another link has that name.
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput): no link can have that name; 2014's cut it instead.
    /// [`Busy`](crate::ErrorKind::Busy): it is up, and the kernel is old.
    pub fn rename<'a>(&mut self, link: impl Into<LinkRef<'a>>, name: &str) -> Result<()> {
        const HINTS: Hints<'_> = &[TAKEN, (Errno::EBUSY, "the link is up")];
        let link = link.into();
        check_name(name)
            .and_then(|()| self.set_one(link, |request| request.text(IFLA_IFNAME, name)))
            .map_err(|failure| failure.when(format_args!("rename {link} to {name:?}"), HINTS))
    }

    /// Gives a link one more name to be found by, of up to 127 bytes.
    ///
    /// # Errors
    /// [`AlreadyExists`](crate::ErrorKind::AlreadyExists): a link has that name.
    pub fn add_altname<'a>(&mut self, link: impl Into<LinkRef<'a>>, name: &str) -> Result<()> {
        let link = link.into();
        self.try_add_altname(link, name)
            .map_err(|failure| failure.when(format_args!("give {link} the name {name:?} too"), &[TAKEN]))
    }

    fn try_add_altname(&mut self, link: LinkRef<'_>, name: &str) -> Result<(), Failure> {
        check_name_up_to(ALTNAME_MAX, name)?;
        let index = self.index_of(link)?;
        let none = LinkFlags::empty();
        let flags = NLM_F_CREATE | NLM_F_EXCL | NLM_F_APPEND;
        let mut request = Request::new(RTM_NEWLINKPROP, flags, &wire::link::header(index, none, none));
        request.nest(IFLA_PROP_LIST, |request| request.text(IFLA_ALT_IFNAME, name));
        self.change(request, |_| {})
    }

    /// Sets a link's hardware address.
    ///
    /// # Errors
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput): the address is a group's, or zero.
    /// [`Busy`](crate::ErrorKind::Busy): the link must be down for this.
    pub fn set_mac<'a>(&mut self, link: impl Into<LinkRef<'a>>, mac: impl Into<MacAddress>) -> Result<()> {
        const HINTS: Hints<'_> = &[(Errno::EBUSY, "the link is up")];
        let (link, mac) = (link.into(), mac.into());
        check_mac(mac)
            .and_then(|()| self.set_one(link, |request| request.bytes(IFLA_ADDRESS, &mac.octets())))
            .map_err(|failure| failure.when(format_args!("set MAC of {link} to {mac}"), HINTS))
    }

    /// Makes a link, with what `fill` adds; gives it as the kernel made it.
    pub(crate) fn create(
        &mut self,
        name: &str,
        kind: &str,
        fill: impl FnOnce(&mut Request),
    ) -> Result<Link, Failure> {
        self.create_with(name, kind, LinkFlags::empty(), |_| {}, fill)
    }

    /// Makes a link, with what `data` adds for its kind and `fill` for any.
    pub(crate) fn create_with(
        &mut self,
        name: &str,
        kind: &str,
        flags: LinkFlags,
        data: impl FnOnce(&mut Request),
        fill: impl FnOnce(&mut Request),
    ) -> Result<Link, Failure> {
        check_name(name)?;
        if kind.is_empty() || kind.contains('\0') {
            return Err(Failure::Input(format!("{kind:?} is no kind of link")));
        }
        let header = wire::link::header(0, flags, flags);
        let mut request = Request::new(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ECHO, &header);
        request.text(IFLA_IFNAME, name);
        fill(&mut request);
        request.nest(IFLA_LINKINFO, |request| {
            request.text(IFLA_INFO_KIND, kind);
            data(request);
        });
        let mut echoed = None;
        self.change(request, |message| {
            if message.kind == RTM_NEWLINK {
                echoed = wire::link::read(message.payload).filter(|link| link.name == name);
            }
        })?;
        self.created(echoed, name)
    }

    /// The link just made: echoed since Linux 6.2, looked up before.
    fn created(&mut self, echoed: Option<Link>, name: &str) -> Result<Link, Failure> {
        match echoed {
            Some(link) => Ok(link),
            None => self.find(name.into()),
        }
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
        let index = self.index_of(link)?;
        let mut request = Request::new(RTM_SETLINK, 0, &wire::link::header(index, flags, change));
        fill(&mut request);
        self.change(request, |_| {})
    }

    /// The index that everything but a lookup goes by, so that a rename meanwhile does no harm.
    pub(crate) fn index_of(&mut self, link: LinkRef<'_>) -> Result<u32, Failure> {
        match link.0 {
            By::Name(_) => Ok(self.find(link)?.index),
            By::Index(index) | By::Link(&Link { index, .. }) => match i32::try_from(index) {
                Ok(1..) => Ok(index),
                // To the kernel index 0 is "none given", and below there is none.
                _ => Err(Failure::NoLink(link.to_string())),
            },
        }
    }

    pub(crate) fn find(&mut self, link: LinkRef<'_>) -> Result<Link, Failure> {
        let request = match link.0 {
            By::Name(name) => {
                check_name_up_to(ALTNAME_MAX, name)?;
                let mut request = get_request(0);
                // Alternative names of up to 15 bytes are found as names too.
                let kind = if name.len() > NAME_MAX { IFLA_ALT_IFNAME } else { IFLA_IFNAME };
                request.text(kind, name);
                request
            }
            _ => get_request(self.index_of(link)?),
        };
        self.get(request, wire::link::read).map_err(|failure| match failure.errno() {
            Some(Errno::ENODEV) => Failure::NoLink(link.to_string()),
            _ => failure,
        })
    }
}

/// Hints for making a link.
pub(crate) const CREATING: Hints<'static> =
    &[TAKEN, (Errno::EOPNOTSUPP, "this kernel doesn't know that kind of link")];

/// Checks what the kernel would refuse without a word.
pub(crate) fn check_mac(mac: MacAddress) -> Result<(), Failure> {
    let octets = mac.octets();
    if octets[0] & 1 == 1 || octets == [0; 6] {
        return Err(Failure::Input(format!("{mac} is no single device's address")));
    }
    Ok(())
}

/// Asks for a link, or for all. Statistics are most of a link's message, and not wanted.
fn get_request(index: u32) -> Request {
    let none = LinkFlags::empty();
    let mut request = Request::new(RTM_GETLINK, 0, &wire::link::header(index, none, none));
    request.u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    request
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn flags_are_written_as_ip_link_writes_them() {
        let flags = LinkFlags::from_bits_retain(0x1_1043 | 0x8000_0000);
        assert_eq!(flags.to_string(), "BROADCAST,MULTICAST,UP,LOWER_UP");
        assert_eq!(LinkFlags::empty().to_string(), "");
    }

    /// Before Linux 6.2 nothing is echoed, and the link just made is looked up by its name.
    #[test]
    fn without_an_echo_the_new_link_is_looked_up() {
        let mut handle = Handle::open().unwrap();
        assert_eq!(handle.created(None, "lo").unwrap().name, "lo");
        let echoed = Link { index: 7, ..Link::default() };
        assert_eq!(handle.created(Some(echoed.clone()), "lo").unwrap(), echoed);
    }

    #[test]
    fn loopback_is_found_by_name_index_and_itself() {
        let mut handle = Handle::open().unwrap();
        let lo = handle.link("lo").unwrap();
        assert!(lo.flags.contains(LinkFlags::LOOPBACK));
        assert_eq!((lo.kind.as_deref(), lo.layer), (None, 772));
        assert_eq!(handle.link(lo.index).unwrap().name, "lo");
        assert_eq!(handle.link(&lo).unwrap().name, "lo");
        assert_eq!(handle.link(&"lo".to_owned()).unwrap().index, lo.index);
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
        }
        let error = handle.link("nosuchlink").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert_eq!(
            error.to_string(),
            "find link \"nosuchlink\": there is no link \"nosuchlink\": No such device (os error 19)"
        );
        assert_eq!(handle.find_link("a/b").unwrap_err().kind(), ErrorKind::InvalidInput);
    }
}

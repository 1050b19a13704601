//! Bridges.

use nix::errno::Errno;

use crate::error::{ErrorKind, Failure, Hints, Result};
use crate::handle::Handle;
use crate::link::{CREATING, Link, check_mac};
use crate::link_ref::LinkRef;
use crate::mac::MacAddress;
use crate::wire::numbers::{IFLA_ADDRESS, IFLA_MASTER};

/// A bridge to be made by [`Handle::add_bridge`].
///
/// ```no_run
/// use netlink::{Bridge, Handle};
///
/// let bridge = Handle::open()?.add_bridge(&Bridge::new("br0").random_mac().mtu(9000))?;
/// # Ok::<(), netlink::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "add_bridge makes it"]
pub struct Bridge {
    name: String,
    mac: Option<MacAddress>,
    mtu: Option<u32>,
}

impl Bridge {
    /// Names the bridge. As it is, the kernel gives it a MAC that changes when ports come and go.
    pub fn new(name: impl Into<String>) -> Bridge {
        Bridge { name: name.into(), mac: None, mtu: None }
    }

    /// Gives it a random MAC, which it keeps whatever its ports are.
    pub fn random_mac(self) -> Bridge {
        self.mac(MacAddress::random())
    }

    /// Gives it this MAC, which it keeps whatever its ports are.
    pub fn mac(mut self, mac: impl Into<MacAddress>) -> Bridge {
        self.mac = Some(mac.into());
        self
    }

    /// Gives it this MTU. Where it isn't 1500 the bridge keeps it whatever its ports have, otherwise it
    /// follows the least of them.
    pub fn mtu(mut self, mtu: u32) -> Bridge {
        self.mtu = Some(mtu);
        self
    }
}

impl Handle {
    /// Makes a bridge, which is down at first. Nothing stays behind where a part of it fails.
    ///
    /// # Errors
    /// [`AlreadyExists`](crate::ErrorKind::AlreadyExists): the name is taken.
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput): no link can have that name, MAC or MTU.
    pub fn add_bridge(&mut self, bridge: &Bridge) -> Result<Link> {
        let mut link = self
            .try_add_bridge(bridge)
            .map_err(|failure| failure.when(format_args!("create bridge {:?}", bridge.name), CREATING))?;
        // An MTU in the message that makes the bridge would be forgotten at the first port.
        if let Some(mtu) = bridge.mtu {
            if let Err(error) = self.set_mtu(&link, mtu) {
                let _ = self.try_delete_link((&link).into());
                return Err(error);
            }
            link.mtu = mtu;
        }
        Ok(link)
    }

    fn try_add_bridge(&mut self, bridge: &Bridge) -> Result<Link, Failure> {
        bridge.mac.map_or(Ok(()), check_mac)?;
        self.create(&bridge.name, "bridge", |request| {
            if let Some(mac) = bridge.mac {
                request.bytes(IFLA_ADDRESS, &mac.octets());
            }
        })
    }

    /// Makes a link a port of a bridge (or bond, ...), and nothing else; a port of another one is moved.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound): there is no such link.
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) or [`Unsupported`](ErrorKind::Unsupported):
    /// the master takes no ports, or not this one.
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
    /// [`NotFound`](crate::ErrorKind::NotFound): there is no such link.
    pub fn clear_master<'a>(&mut self, link: impl Into<LinkRef<'a>>) -> Result<()> {
        let link = link.into();
        self.set_one(link, |request| request.u32(IFLA_MASTER, 0))
            .map_err(|failure| failure.when(format_args!("take {link} from its master"), &[]))
    }

    /// Makes a link a port of a bridge, unless it is a port already.
    ///
    /// # Errors
    /// [`Busy`](crate::ErrorKind::Busy): the link is a port already, of this bridge or another.
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput): `bridge` is none.
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
        let master = self.find(bridge)?;
        if master.kind.as_deref() != Some("bridge") {
            return Err(Failure::Input(format!("{bridge} is not a bridge")));
        }
        let port = self.find(link)?;
        if let Some(index) = port.master {
            let of = self.find(index.into()).map_or(index.to_string(), |link| format!("{:?}", link.name));
            return Err(Failure::Conflict(ErrorKind::Busy, format!("it is a port of {of} already")));
        }
        self.set_one((&port).into(), |request| request.u32(IFLA_MASTER, master.index))
    }
}

const BAD_MASTER: Hints<'static> = &[
    (Errno::EINVAL, "the one can't be a port of the other"),
    (Errno::EOPNOTSUPP, "the master takes no ports"),
    (Errno::ELOOP, "that would be a loop"),
    (Errno::EBUSY, "it is in use otherwise"),
];

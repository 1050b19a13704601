//! Ports: what a bridge, bond or VRF has to say about a link that it is made of.

mod bond;
mod bridge;

use nix::errno::Errno;

pub use self::bond::{BondPort, MiiStatus};
pub use self::bridge::{BridgePort, MulticastRouter, PortState};
use crate::error::{ErrorKind, Failure, Hints, Result};
use crate::handle::Handle;
use crate::link::{LinkFlags, LinkRef, write_link};
use crate::wire::Request;
use crate::wire::attribute::Attribute;
use crate::wire::numbers::{
    IFLA_INFO_SLAVE_DATA, IFLA_INFO_SLAVE_KIND, IFLA_LINKINFO, IFLA_VRF_PORT_TABLE, RTM_NEWLINK,
};

/// What a link's master has to say about it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Port {
    /// It is a port of a bridge.
    Bridge(Box<BridgePort>),
    /// It is a port of a bond.
    Bond(Box<BondPort>),
    /// It is a port of a VRF.
    Vrf {
        /// The routing table of its packets.
        table: Option<u32>,
    },
    /// It is a port of another kind of link, of this name.
    Other(String),
}

impl Port {
    /// Returns the kind of its master: `bridge`, `bond`, ...
    pub fn name(&self) -> &str {
        match self {
            Port::Bridge(_) => "bridge",
            Port::Bond(_) => "bond",
            Port::Vrf { .. } => "vrf",
            Port::Other(name) => name,
        }
    }

    /// Reads a port by its master's kind, and its data; what is odd in them is not there.
    pub(crate) fn read(name: Attribute<'_>, data: Attribute<'_>) -> Port {
        match name.text_bytes() {
            b"bridge" => Port::Bridge(Box::new(BridgePort::read(data))),
            b"bond" => Port::Bond(Box::new(BondPort::read(data))),
            b"vrf" => {
                let table = data.nested().find(|attribute| attribute.kind == IFLA_VRF_PORT_TABLE);
                Port::Vrf { table: table.and_then(Attribute::u32) }
            }
            _ => Port::Other(name.text()),
        }
    }
}

/// What can be changed by [`Handle::change_port`]: [`BridgePort`] and [`BondPort`].
pub trait PortKind: sealed::PortKind {}

pub(crate) mod sealed {
    use super::{Failure, Request};

    pub trait PortKind {
        /// The kind of the master.
        fn name(&self) -> &'static str;

        /// Checks what the kernel would refuse without telling why, or take otherwise.
        fn check(&self) -> Result<(), Failure> {
            Ok(())
        }

        fn write(&self, request: &mut Request);
    }
}

/// Hints for changing a port.
pub(crate) const CHANGING: Hints<'static> = &[
    (Errno::EINVAL, "the kernel takes no such options"),
    (Errno::EOPNOTSUPP, "it is no port, or its master can't do it"),
    (Errno::ENETDOWN, "the port has no carrier, or is down"),
    (Errno::EBUSY, "the kernel looks for loops itself, and decides of the port's state"),
];

impl Handle {
    /// Changes what a link's master has to say about it. What is `None` stays as it is.
    ///
    /// ```no_run
    /// use netlink::{BridgePort, Handle};
    ///
    /// let mut port = BridgePort::default();
    /// port.hairpin = Some(true);
    /// port.isolated = Some(true);
    /// Handle::open()?.change_port("veth0", &port)?;
    /// # Ok::<(), netlink::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound): there is no such link.
    /// [`Unsupported`](ErrorKind::Unsupported): it is no port.
    /// [`InvalidInput`](ErrorKind::InvalidInput): it is a port of another kind of link, or a value can't be.
    pub fn change_port<'a>(&mut self, link: impl Into<LinkRef<'a>>, port: &impl PortKind) -> Result<()> {
        let link = link.into();
        self.try_change_port(link, port)
            .map_err(|failure| failure.when(format_args!("change {} port {link}", port.name()), CHANGING))
    }

    fn try_change_port(&mut self, link: LinkRef<'_>, port: &impl PortKind) -> Result<(), Failure> {
        // The kernel doesn't look at the kind: it would take the numbers for its own.
        let found = self.find(link, false)?;
        match found.port.as_ref().map(Port::name) {
            Some(name) if name == port.name() => {}
            Some(name) => return Err(Failure::Input(format!("it is a port of a {name}"))),
            None => return Err(Failure::Conflict(ErrorKind::Unsupported, "it is no port".to_owned())),
        }
        let mut request = self.room();
        write_port(&mut request, (&found).into(), port)?;
        self.change(request, |_| {}).map_err(|failure| link.missing(failure))
    }
}

/// Writes the request to change a port.
pub(crate) fn write_port(
    request: &mut Request,
    link: LinkRef<'_>,
    port: &impl PortKind,
) -> Result<(), Failure> {
    port.check()?;
    write_link(request, RTM_NEWLINK, link, LinkFlags::empty(), LinkFlags::empty())?;
    request.nest(IFLA_LINKINFO, |request| {
        request.text(IFLA_INFO_SLAVE_KIND, port.name());
        request.nest(IFLA_INFO_SLAVE_DATA, |request| port.write(request));
    });
    Ok(())
}

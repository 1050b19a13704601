//! Generic netlink: the families that subsystems register by name (`ethtool`, `wireguard`, `nl80211`, ...).
//!
//! Their commands and attributes are in the kernel's headers and in its [specifications]; here are the families
//! themselves, and the conversation.
//!
//! What ethtool knows of a link's cable:
//!
//! ```no_run
//! use netlink::generic::Generic;
//!
//! const ETHTOOL_MSG_LINKSTATE_GET: u8 = 6;
//! const ETHTOOL_A_LINKSTATE_HEADER: u16 = 1;
//! const ETHTOOL_A_HEADER_DEV_NAME: u16 = 2;
//! const ETHTOOL_A_LINKSTATE_LINK: u16 = 2;
//!
//! let mut generic = Generic::open()?;
//! let ethtool = generic.family("ethtool")?;
//! let mut request = generic.request(&ethtool, ETHTOOL_MSG_LINKSTATE_GET, 0);
//! request.nest(ETHTOOL_A_LINKSTATE_HEADER, |header| header.text(ETHTOOL_A_HEADER_DEV_NAME, "eth0"));
//! let is_linked = generic.get(request, |answer| {
//!     answer.attributes(4).find(|attribute| attribute.kind == ETHTOOL_A_LINKSTATE_LINK)?.bool()
//! })?;
//! println!("eth0 has {} link", if is_linked { "a" } else { "no" });
//! # Ok::<(), netlink::Error>(())
//! ```
//!
//! [specifications]: https://docs.kernel.org/networking/netlink_spec/

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::errno::Errno;

use crate::dump::Dump;
use crate::error::{Error, Failure, Hints, Result};
use crate::handle::Handle;
use crate::monitor::raw::{Monitor, opening};
use crate::netns::open_within;
use crate::raw::OwnedMessage;
use crate::wire::attribute::Attribute;
use crate::wire::message::Message;
use crate::wire::protocol::{GENL_ID_CTRL, Protocol};
use crate::wire::request::Request;

/// `struct genlmsghdr`: command, version, two bytes of nothing.
const HEADER: usize = 4;

const CTRL_CMD_GETFAMILY: u8 = 3;
const CTRL_VERSION: u8 = 2;

const CTRL_ATTR_FAMILY_ID: u16 = 1;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;
const CTRL_ATTR_VERSION: u16 = 3;
const CTRL_ATTR_HDRSIZE: u16 = 4;
const CTRL_ATTR_MAXATTR: u16 = 5;
const CTRL_ATTR_OPS: u16 = 6;
const CTRL_ATTR_MCAST_GROUPS: u16 = 7;
const CTRL_ATTR_OP_ID: u16 = 1;
const CTRL_ATTR_OP_FLAGS: u16 = 2;
const CTRL_ATTR_MCAST_GRP_NAME: u16 = 1;
const CTRL_ATTR_MCAST_GRP_ID: u16 = 2;

/// The longest name of a family, without its NUL.
const NAME_MAX: usize = 15;

/// A family of generic netlink.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Family {
    /// The type of its messages, which may be another one after a restart.
    pub id: u16,
    /// Its name, of at most 15 bytes.
    pub name: String,
    /// The version of its interface.
    pub version: u32,
    /// How many bytes of its own stand between the header and the attributes.
    pub header_size: u32,
    /// The highest number of an attribute, where the kernel says so.
    pub max_attribute: u32,
    /// What it can be asked for.
    pub operations: Vec<Operation>,
    /// To whom it tells news.
    pub groups: Vec<Group>,
}

/// What a family can be asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Operation {
    /// Its command.
    pub command: u32,
    /// Who may ask for it and how, `GENL_` flags: 1 and 16 need `CAP_NET_ADMIN`, 2 is answered, 4 is a list.
    pub flags: u32,
}

/// A group to which a family tells news.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Group {
    /// Its name within the family.
    pub name: String,
    /// Its number, which may be another one after a restart.
    pub id: u32,
}

impl Family {
    fn read(message: &Message<'_>) -> Option<Family> {
        let mut family = Family::default();
        for attribute in message.attributes(HEADER) {
            match attribute.kind {
                CTRL_ATTR_FAMILY_ID => family.id = attribute.u16()?,
                CTRL_ATTR_FAMILY_NAME => family.name = attribute.text(),
                CTRL_ATTR_VERSION => family.version = attribute.u32().unwrap_or_default(),
                CTRL_ATTR_HDRSIZE => family.header_size = attribute.u32().unwrap_or_default(),
                CTRL_ATTR_MAXATTR => family.max_attribute = attribute.u32().unwrap_or_default(),
                CTRL_ATTR_OPS => family.operations = attribute.nested().map(read_operation).collect(),
                CTRL_ATTR_MCAST_GROUPS => family.groups = attribute.nested().map(read_group).collect(),
                _ => {}
            }
        }
        (family.id != 0).then_some(family)
    }

    /// Returns the number of the group of that name, if it has one.
    pub fn group(&self, name: &str) -> Option<u32> {
        self.groups.iter().find(|group| group.name == name).map(|group| group.id)
    }
}

fn read_operation(attributes: Attribute<'_>) -> Operation {
    let mut operation = Operation::default();
    for attribute in attributes.nested() {
        match attribute.kind {
            CTRL_ATTR_OP_ID => operation.command = attribute.u32().unwrap_or_default(),
            CTRL_ATTR_OP_FLAGS => operation.flags = attribute.u32().unwrap_or_default(),
            _ => {}
        }
    }
    operation
}

fn read_group(attributes: Attribute<'_>) -> Group {
    let mut group = Group::default();
    for attribute in attributes.nested() {
        match attribute.kind {
            CTRL_ATTR_MCAST_GRP_NAME => group.name = attribute.text(),
            CTRL_ATTR_MCAST_GRP_ID => group.id = attribute.u32().unwrap_or_default(),
            _ => {}
        }
    }
    group
}

/// A connection to the families of generic netlink: one socket, in one network namespace.
#[derive(Debug)]
pub struct Generic {
    handle: Handle,
}

impl Generic {
    /// Opens a connection in the calling thread's network namespace.
    ///
    /// # Errors
    /// The kernel gives no netlink socket: too many open files, or a filter forbids it.
    pub fn open() -> Result<Generic> {
        Generic::try_open().map_err(not_opened)
    }

    /// Opens a connection in another network namespace; see [`Handle::open_in`].
    ///
    /// # Errors
    /// [`PermissionDenied`](crate::ErrorKind::PermissionDenied): entering it needs `CAP_SYS_ADMIN`.
    pub fn open_in(netns: impl AsFd) -> Result<Generic> {
        open_within(netns.as_fd(), Generic::try_open).map_err(not_opened)
    }

    fn try_open() -> Result<Generic, Failure> {
        Ok(Generic { handle: Handle::try_open_of(Protocol::Generic)? })
    }

    /// Sets how long to wait for an answer; see [`Handle::set_timeout`].
    ///
    /// # Errors
    /// The kernel refuses the time.
    pub fn set_timeout(&mut self, timeout: Option<Duration>) -> Result<()> {
        self.handle.set_timeout(timeout)
    }

    /// Finds a family by its name. The kernel loads the module that has it, if the caller may have that done.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound): this kernel has no such family.
    pub fn family(&mut self, name: &str) -> Result<Family> {
        const HINTS: Hints<'_> = &[(Errno::ENOENT, "this kernel has no such family")];
        self.try_family(name)
            .map_err(|failure| failure.when(format_args!("find generic netlink family {name:?}"), HINTS))
    }

    fn try_family(&mut self, name: &str) -> Result<Family, Failure> {
        if name.is_empty() || name.len() > NAME_MAX || name.contains('\0') {
            return Err(Failure::Input(format!("a name has 1 to {NAME_MAX} bytes and no NUL")));
        }
        let mut request = self.families_request();
        request.text(CTRL_ATTR_FAMILY_NAME, name);
        self.handle.get(request, Family::read)
    }

    /// Lists the families that are there.
    ///
    /// # Errors
    /// [`Interrupted`](crate::ErrorKind::Interrupted): families came and went each time the list was read.
    pub fn families(&mut self) -> Result<Vec<Family>> {
        let write = |handle: &mut Handle| families_request(handle);
        self.handle
            .list(write, Family::read)
            .map_err(|failure| failure.when("list generic netlink families", &[]))
    }

    fn families_request(&mut self) -> Request {
        families_request(&mut self.handle)
    }

    /// Begins a request to a family: its command, its version, and room for a header of its own, which is zero.
    pub fn request(&mut self, family: &Family, command: u8, flags: u16) -> Request {
        let mut request = self.handle.raw_request(family.id, flags, &[command, family.version as u8, 0, 0]);
        // The kernel registers none that is longer than a page.
        let own = family.header_size.min(4096) as usize;
        request.header(&vec![0; own.next_multiple_of(4)]);
        request
    }

    /// Sends a request that is acknowledged; see [`Handle::raw_change`].
    ///
    /// # Errors
    /// Whatever the family refuses it with.
    pub fn change(&mut self, request: Request, each: impl FnMut(&Message<'_>)) -> Result<()> {
        self.handle.raw_change(request, each)
    }

    /// Sends a request that is answered with one object, and reads it; its attributes begin behind 4 bytes and the
    /// family's own header. See [`Handle::raw_get`].
    ///
    /// # Errors
    /// Whatever the family refuses it with.
    pub fn get<T>(&mut self, request: Request, read: impl Fn(&Message<'_>) -> Option<T>) -> Result<T> {
        self.handle.raw_get(request, read)
    }

    /// Sends a request that is answered with a list; see [`Handle::raw_dump`].
    ///
    /// # Errors
    /// The kernel did not answer. What goes wrong later is told by the list.
    pub fn dump(&mut self, request: Request) -> Result<Dump<'_, OwnedMessage>> {
        self.handle.raw_dump(request)
    }

    /// Begins to hear what a family tells some of its groups, by their names, in the calling thread's network
    /// namespace.
    ///
    /// ```no_run
    /// use netlink::generic::Generic;
    ///
    /// let mut generic = Generic::open()?;
    /// let ethtool = generic.family("ethtool")?;
    /// for notice in Generic::monitor(&ethtool, &["monitor"])? {
    ///     println!("{:?}", notice?);
    /// }
    /// # Ok::<(), netlink::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput): the family has no such group.
    /// [`PermissionDenied`](crate::ErrorKind::PermissionDenied): the group is not for everybody.
    pub fn monitor(family: &Family, groups: &[&str]) -> Result<Monitor> {
        let numbers = groups
            .iter()
            .map(|name| {
                family.group(name).ok_or_else(|| {
                    let why = format!("the family {:?} has no group {name:?}", family.name);
                    Failure::Input(why).when("monitor a generic netlink family", &[])
                })
            })
            .collect::<Result<Vec<u32>>>()?;
        Monitor::try_open(Protocol::Generic, &numbers).map_err(|failure| opening(failure, 16, &numbers))
    }
}

fn families_request(handle: &mut Handle) -> Request {
    handle.raw_request(GENL_ID_CTRL, 0, &[CTRL_CMD_GETFAMILY, CTRL_VERSION, 0, 0])
}

/// The socket, to wait on or to hand on; what is read from it is lost to the connection.
impl AsFd for Generic {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }
}

fn not_opened(failure: Failure) -> Error {
    const HINTS: Hints<'_> = &[
        (Errno::EPERM, "needs CAP_SYS_ADMIN here and in the owner of that namespace"),
        (Errno::EINVAL, "that is not a network namespace"),
    ];
    failure.when("open a generic netlink socket", HINTS)
}

/// Reads a message as a family's: whether it is one.
#[cfg(fuzzing)]
pub(crate) fn fuzz(message: &Message<'_>) -> bool {
    Family::read(message).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_is_read_with_its_operations_and_groups() {
        let mut request = Request::new(GENL_ID_CTRL, 0, &[1, 2, 0, 0]);
        request.u16(CTRL_ATTR_FAMILY_ID, 28);
        request.text(CTRL_ATTR_FAMILY_NAME, "wireguard");
        request.u32(CTRL_ATTR_VERSION, 1);
        request.nest(CTRL_ATTR_OPS, |all| {
            all.nest(1, |one| {
                one.u32(CTRL_ATTR_OP_ID, 0);
                one.u32(CTRL_ATTR_OP_FLAGS, 28);
            });
        });
        request.nest(CTRL_ATTR_MCAST_GROUPS, |all| {
            all.nest(1, |one| {
                one.u32(CTRL_ATTR_MCAST_GRP_ID, 9);
                one.text(CTRL_ATTR_MCAST_GRP_NAME, "peers");
            });
        });
        let message = Message { kind: 16, flags: 0, sequence: 1, payload: &request.sent()[16..] };
        let family = Family::read(&message).unwrap();
        assert_eq!((family.id, family.name.as_str(), family.version), (28, "wireguard", 1));
        assert_eq!(family.operations, [Operation { command: 0, flags: 28 }]);
        assert_eq!((family.group("peers"), family.group("none")), (Some(9), None));
    }

    #[test]
    fn bytes_of_no_sense_are_no_family_and_no_panic() {
        for payload in [&[][..], &[1, 2, 0], &[1, 2, 0, 0, 5, 0, 1, 0, 9], &[0xff; 64]] {
            assert_eq!(Family::read(&Message { kind: 16, flags: 0, sequence: 1, payload }), None);
        }
    }
}

//! The sockets of a network namespace (`ss`): TCP, UDP, raw and unix ones, with what the kernel knows of each.
//!
//! Who listens where:
//!
//! ```no_run
//! use netlink::diag::{Diag, InetFilter, States};
//!
//! let mut filter = InetFilter::tcp();
//! filter.states = States::LISTEN;
//! for socket in Diag::open()?.list_inet(&filter)? {
//!     println!("{} of user {}", socket.local, socket.uid);
//! }
//! # Ok::<(), netlink::Error>(())
//! ```
//!
//! The kernel leaves out what a filter doesn't want, by addresses and ports too ([`InetFilter`]): of a hundred thousand
//! connections only those asked for are sent. See [`sock_diag(7)`].
//!
//! [`sock_diag(7)`]: https://man7.org/linux/man-pages/man7/sock_diag.7.html

mod bytecode;
mod filter;
mod inet;
mod memory;
mod tcp_info;
mod unix;

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::errno::Errno;

pub use self::filter::{InetFilter, InetProtocol, States};
pub use self::inet::{InetSocket, SocketState, TimerKind};
pub use self::memory::SocketMemory;
pub use self::tcp_info::TcpInfo;
pub use self::unix::{UnixFilter, UnixKind, UnixName, UnixSocket};
use crate::Family;
use crate::dump::Dump;
use crate::error::{Error, Failure, Hints, Result};
use crate::handle::Handle;
use crate::netns::open_within;
use crate::wire::protocol::{Protocol, SOCK_DESTROY, SOCK_DIAG_BY_FAMILY};
use crate::wire::request::Request;

const HINTS: Hints<'static> = &[
    (Errno::ENOENT, "this kernel tells nothing of such sockets, or there is none"),
    (Errno::EPERM, "needs CAP_NET_ADMIN in this network namespace"),
];

/// A connection to what the kernel knows of sockets: one socket itself, in one network namespace.
#[derive(Debug)]
pub struct Diag {
    handle: Handle,
}

impl Diag {
    /// Opens a connection in the calling thread's network namespace. Needs no privilege.
    ///
    /// # Errors
    /// [`Unsupported`](crate::ErrorKind::Unsupported): this kernel tells nothing of sockets.
    pub fn open() -> Result<Diag> {
        Diag::try_open().map_err(not_opened)
    }

    /// Opens a connection in another network namespace; see [`Handle::open_in`].
    ///
    /// # Errors
    /// [`PermissionDenied`](crate::ErrorKind::PermissionDenied): entering it needs `CAP_SYS_ADMIN`.
    pub fn open_in(netns: impl AsFd) -> Result<Diag> {
        open_within(netns.as_fd(), Diag::try_open).map_err(not_opened)
    }

    fn try_open() -> Result<Diag, Failure> {
        Ok(Diag { handle: Handle::try_open_of(Protocol::SockDiag)? })
    }

    /// Sets how long to wait for an answer; see [`Handle::set_timeout`].
    ///
    /// # Errors
    /// The kernel refuses the time.
    pub fn set_timeout(&mut self, timeout: Option<Duration>) -> Result<()> {
        self.handle.set_timeout(timeout)
    }

    /// Lists sockets of the internet protocols. Those of IPv4 come first; they are two lists for the kernel.
    ///
    /// A list of sockets is never of one moment: they come and go while it is read.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound): this kernel tells nothing of that protocol.
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput): the filter asks for what can't be.
    pub fn list_inet(&mut self, filter: &InetFilter) -> Result<Vec<InetSocket>> {
        self.try_list_inet(filter).map_err(|failure| failure.when(filter.listing(), HINTS))
    }

    fn try_list_inet(&mut self, filter: &InetFilter) -> Result<Vec<InetSocket>, Failure> {
        filter.check()?;
        let mut sockets = Vec::new();
        for family in filter.families() {
            let write = |handle: &mut Handle| filter.request(handle, family);
            sockets.extend(self.handle.list(write, |message| filter.read(message))?);
        }
        Ok(sockets)
    }

    /// Lists sockets of IPv4 or of IPv6, one at a time.
    ///
    /// # Errors
    /// As [`list_inet`](Self::list_inet). What goes wrong later the items tell.
    pub fn dump_inet(&mut self, family: Family, filter: &InetFilter) -> Result<Dump<'_, InetSocket>> {
        let filter = InetFilter { family: Some(family), ..filter.clone() };
        let listing = filter.listing();
        let begin = || {
            filter.check()?;
            let request = filter.request(&mut self.handle, family);
            Dump::begin(&mut self.handle, request, "sockets", HINTS, move |message| filter.read(message))
        };
        begin().map_err(|failure| failure.when(listing, HINTS))
    }

    /// Closes a socket that [`list_inet`](Self::list_inet) told, whoever has it: its owner's next call fails with
    /// ECONNABORTED.
    ///
    /// It is the very socket that was told; one that has its addresses by now is not meant.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound): it is gone.
    /// [`PermissionDenied`](crate::ErrorKind::PermissionDenied): it needs `CAP_NET_ADMIN`.
    /// [`Unsupported`](crate::ErrorKind::Unsupported): this kernel is made without (`CONFIG_INET_DIAG_DESTROY`), or
    /// the protocol can't.
    pub fn destroy(&mut self, socket: &InetSocket) -> Result<()> {
        const HINTS: Hints<'_> = &[
            (Errno::ENOENT, "it is gone"),
            (Errno::EOPNOTSUPP, "this kernel can't close sockets of others (CONFIG_INET_DIAG_DESTROY)"),
        ];
        let mut request = self.handle.room();
        socket.write_destroy(&mut request);
        self.handle.change(request, |_| {}).map_err(|failure| {
            failure.when(format_args!("close socket {} {}", socket.local, socket.remote), HINTS)
        })
    }

    /// Lists unix sockets.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound): this kernel tells nothing of them.
    pub fn list_unix(&mut self, filter: &UnixFilter) -> Result<Vec<UnixSocket>> {
        let write = |handle: &mut Handle| -> Request { filter.request(handle) };
        self.handle
            .list(write, |message| filter.read(message))
            .map_err(|failure| failure.when("list unix sockets", HINTS))
    }

    /// Lists unix sockets, one at a time.
    ///
    /// # Errors
    /// As [`list_unix`](Self::list_unix). What goes wrong later the items tell.
    pub fn dump_unix(&mut self, filter: &UnixFilter) -> Result<Dump<'_, UnixSocket>> {
        let filter = *filter;
        let request = filter.request(&mut self.handle);
        Dump::begin(&mut self.handle, request, "unix sockets", HINTS, move |message| filter.read(message))
            .map_err(|failure| failure.when("list unix sockets", HINTS))
    }
}

/// The socket, to wait on or to hand on; what is read from it is lost to the connection.
impl AsFd for Diag {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }
}

fn not_opened(failure: Failure) -> Error {
    const HINTS: Hints<'_> = &[
        (Errno::EPERM, "needs CAP_SYS_ADMIN here and in the owner of that namespace"),
        (Errno::EINVAL, "that is not a network namespace"),
        (Errno::EPROTONOSUPPORT, "this kernel tells nothing of sockets"),
    ];
    failure.when("open a socket to ask about sockets", HINTS)
}

/// Reads a message as any of the sockets: how many it can be.
#[cfg(fuzzing)]
pub(crate) fn fuzz(message: &crate::raw::Message<'_>) -> usize {
    let inet = [InetFilter::tcp(), InetFilter::udp(), InetFilter::raw(1)];
    let found = inet.iter().filter(|filter| filter.read(message).is_some()).count();
    let unix = UnixFilter::default().read(message);
    let _ = unix.as_ref().and_then(|socket| socket.name.as_ref()).map(ToString::to_string);
    found + usize::from(unix.is_some())
}

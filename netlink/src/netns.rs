//! Other network namespaces: connections into them, and links moved to them.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::panic;
use std::thread;

use nix::errno::Errno;
use nix::sched::{CloneFlags, setns};

use crate::error::{Failure, Hints, Result};
use crate::handle::Handle;
use crate::link_ref::LinkRef;
use crate::wire::numbers::{IFLA_NET_NS_FD, IFLA_NET_NS_PID};

/// Enough for two system calls and a socket.
const STACK: usize = 128 * 1024;

impl Handle {
    /// Opens a connection in another network namespace: an open `/proc/PID/ns/net` or
    /// `/run/netns/NAME`. No namespace of the caller changes.
    ///
    /// The socket is made by a thread that enters the namespace and ends before this returns.
    ///
    /// # Errors
    /// [`PermissionDenied`](crate::ErrorKind::PermissionDenied): entering needs `CAP_SYS_ADMIN`,
    /// both here and in the user namespace that owns the network namespace.
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput): the descriptor is not a network namespace's.
    pub fn open_in(netns: impl AsFd) -> Result<Handle> {
        const HINTS: Hints<'_> = &[
            (Errno::EPERM, "needs CAP_SYS_ADMIN here and in the owner of that namespace"),
            (Errno::EINVAL, "that is not a network namespace"),
        ];
        open_on_a_thread(netns.as_fd())
            .map_err(|failure| failure.when("open a netlink socket in another network namespace", HINTS))
    }

    /// Moves a link into the network namespace of a process. It arrives down and without addresses.
    ///
    /// The kernel takes 10 to 20 ms for it. A veth can be made in its place at once: see
    /// [`Veth::peer_netns_pid`](crate::Veth::peer_netns_pid).
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound): there is no such link or process.
    /// [`AlreadyExists`](crate::ErrorKind::AlreadyExists): the name is taken there.
    pub fn set_netns_pid<'a>(&mut self, link: impl Into<LinkRef<'a>>, pid: u32) -> Result<()> {
        let link = link.into();
        self.set_one(link, |request| request.u32(IFLA_NET_NS_PID, pid)).map_err(|failure| {
            failure.when(format_args!("move {link} to the network namespace of process {pid}"), BAD_NETNS)
        })
    }

    /// Moves a link into a network namespace: an open `/proc/PID/ns/net` or `/run/netns/NAME`.
    /// It arrives down and without addresses.
    ///
    /// # Errors
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput): the descriptor is not a network namespace's.
    /// [`AlreadyExists`](crate::ErrorKind::AlreadyExists): the name is taken there.
    pub fn set_netns_fd<'a>(&mut self, link: impl Into<LinkRef<'a>>, netns: impl AsFd) -> Result<()> {
        let link = link.into();
        let fd = netns.as_fd().as_raw_fd();
        self.set_one(link, |request| request.u32(IFLA_NET_NS_FD, fd.cast_unsigned())).map_err(|failure| {
            failure.when(format_args!("move {link} to the network namespace of descriptor {fd}"), BAD_NETNS)
        })
    }
}

const BAD_NETNS: Hints<'static> = &[
    (Errno::EPERM, "needs CAP_NET_ADMIN here and in that namespace"),
    (Errno::EEXIST, "the name is taken there"),
    (Errno::EINVAL, "that is not a network namespace, or the link can't leave its own"),
    (Errno::EBADF, "that is not an open descriptor"),
    (Errno::ESRCH, "there is no such process"),
];

fn open_on_a_thread(netns: BorrowedFd<'_>) -> Result<Handle, Failure> {
    thread::scope(|scope| {
        let enter_and_open = || {
            setns(netns, CloneFlags::CLONE_NEWNET)?;
            Handle::try_open()
        };
        let thread = thread::Builder::new().stack_size(STACK).spawn_scoped(scope, enter_and_open)?;
        thread.join().unwrap_or_else(|panic| panic::resume_unwind(panic))
    })
}

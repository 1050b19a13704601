//! Network namespaces.

pub(crate) mod id;
mod named;

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::panic;
use std::path::Path;
use std::thread;

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, setns, unshare};

use crate::error::{Failure, Hints, Result};
use crate::handle::Handle;
use crate::socket::is_network_namespace;

/// Enough for a few system calls and a socket.
const STACK: usize = 128 * 1024;

/// A network namespace, held by a descriptor: it stays as long as this does.
///
/// ```no_run
/// use netlink::{Handle, Netns, Veth};
///
/// let container = Netns::create()?;
/// let mut host = Handle::open()?;
/// host.add_veth(&Veth::new("veth0").up().peer("eth0").peer_netns_fd(&container))?;
/// let mut inside = Handle::open_in(&container)?;
/// inside.set_up("eth0")?;
/// # Ok::<(), netlink::Error>(())
/// ```
///
/// Nothing here moves the caller: what has to be done within a namespace is done by a thread that enters it, and ends
/// before the call returns.
///
/// Two of them are equal if they are the same namespace. See [`network_namespaces(7)`].
///
/// [`network_namespaces(7)`]: https://man7.org/linux/man-pages/man7/network_namespaces.7.html
#[derive(Debug)]
pub struct Netns {
    file: File,
    inode: NetnsInode,
}

/// What tells a network namespace from all others for as long as it lives; written as the kernel does:
/// `net:[4026531840]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct NetnsInode {
    /// The device of its file.
    pub device: u64,
    /// The inode of its file.
    pub inode: u64,
}

impl fmt::Display for NetnsInode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "net:[{}]", self.inode)
    }
}

const NO_PROCESS: Hints<'static> = &[
    (Errno::ENOENT, "there is no such process"),
    (Errno::ESRCH, "there is no such process"),
    (Errno::EACCES, "needs the right to trace that process"),
];

impl Netns {
    /// Opens the calling thread's network namespace.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound): `/proc` is not mounted.
    pub fn current() -> Result<Netns> {
        Netns::try_current().map_err(|failure| failure.when("open this thread's network namespace", &[]))
    }

    fn try_current() -> Result<Netns, Failure> {
        Netns::holding(File::open("/proc/thread-self/ns/net")?)
    }

    /// Opens a process's network namespace.
    ///
    /// A number may by now be another process's: [`of_pidfd`](Netns::of_pidfd) knows which is meant.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound): there is no such process.
    /// [`PermissionDenied`](crate::ErrorKind::PermissionDenied): the caller may not trace it.
    pub fn of_pid(pid: u32) -> Result<Netns> {
        let open = || Netns::holding(File::open(format!("/proc/{pid}/ns/net"))?);
        open().map_err(|failure| {
            failure.when(format_args!("open the network namespace of process {pid}"), NO_PROCESS)
        })
    }

    /// Opens the network namespace of the process that a [`pidfd_open(2)`] descriptor stands for.
    ///
    /// [`pidfd_open(2)`]: https://man7.org/linux/man-pages/man2/pidfd_open.2.html
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound): it has ended, or is not seen from here.
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput): that is no such descriptor.
    /// [`PermissionDenied`](crate::ErrorKind::PermissionDenied): the caller may not trace it.
    pub fn of_pidfd(process: impl AsFd) -> Result<Netns> {
        let process = process.as_fd();
        Netns::try_of_pidfd(process).map_err(|failure| {
            failure.when(
                format_args!(
                    "open the network namespace of the process of descriptor {}",
                    process.as_raw_fd()
                ),
                NO_PROCESS,
            )
        })
    }

    fn try_of_pidfd(process: BorrowedFd<'_>) -> Result<Netns, Failure> {
        let info = fs::read_to_string(format!("/proc/thread-self/fdinfo/{}", process.as_raw_fd()))?;
        let pid = info
            .lines()
            .find_map(|line| line.strip_prefix("Pid:"))
            .ok_or_else(|| Failure::Input("that is no process's descriptor".to_owned()))?;
        // -1 has ended, 0 is in a process namespace that this one can't see.
        let pid: u32 = pid.trim().parse().ok().filter(|pid| *pid != 0).ok_or(Errno::ESRCH)?;
        let netns = Netns::holding(File::open(format!("/proc/{pid}/ns/net"))?)?;
        // As long as the process lives, its number is nobody else's; so it was its own when that was opened.
        let mut fds = [PollFd::new(process, PollFlags::POLLIN)];
        loop {
            match poll(&mut fds, PollTimeout::ZERO) {
                Err(Errno::EINTR) => {}
                Ok(0) => return Ok(netns),
                Ok(_) => return Err(Errno::ESRCH.into()),
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    /// Opens a network namespace by a path: `/proc/PID/ns/net`, or where one was [pinned](Netns::pin).
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound): there is nothing.
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput): what is there is no network namespace.
    pub fn open(path: impl AsRef<Path>) -> Result<Netns> {
        let path = path.as_ref();
        Netns::try_open(path)
            .map_err(|failure| failure.when(format_args!("open network namespace {path:?}"), &[]))
    }

    fn try_open(path: &Path) -> Result<Netns, Failure> {
        // A pipe or a terminal would wait for its other end, or become this process's.
        let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
        Netns::holding(OpenOptions::new().read(true).custom_flags(flags).open(path)?)
    }

    /// Takes a descriptor of a network namespace.
    ///
    /// # Errors
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput): it is not a network namespace's.
    pub fn from_fd(fd: impl Into<OwnedFd>) -> Result<Netns> {
        Netns::holding(fd.into().into())
            .map_err(|failure| failure.when("take a descriptor as a network namespace", &[]))
    }

    /// Makes a new network namespace, which goes with the last descriptor, process and link that holds it.
    ///
    /// Its loopback `lo` is down. Kernels with tunnels add their own links to it (`tunl0`, `sit0`, ...), unless
    /// `net.core.fb_tunnels_only_for_init_net` says not to.
    ///
    /// # Errors
    /// [`PermissionDenied`](crate::ErrorKind::PermissionDenied): it needs `CAP_SYS_ADMIN`.
    pub fn create() -> Result<Netns> {
        const HINTS: Hints<'_> = &[
            (Errno::EPERM, "needs CAP_SYS_ADMIN"),
            (Errno::ENOSPC, "there are as many as are allowed (/proc/sys/user/max_net_namespaces)"),
        ];
        Netns::try_create().map_err(|failure| failure.when("create a network namespace", HINTS))
    }

    fn try_create() -> Result<Netns, Failure> {
        on_a_thread(|| {
            unshare(CloneFlags::CLONE_NEWNET)?;
            Netns::try_current()
        })
    }

    /// Checks that it is one.
    fn holding(file: File) -> Result<Netns, Failure> {
        if !is_network_namespace(file.as_fd()) {
            return Err(Failure::Input("that is not a network namespace".to_owned()));
        }
        let about = file.metadata()?;
        let inode = NetnsInode { device: about.dev(), inode: about.ino() };
        Ok(Netns { file, inode })
    }

    /// Returns what tells it from all others for as long as it lives.
    pub fn inode(&self) -> NetnsInode {
        self.inode
    }

    /// Holds it by one more descriptor.
    ///
    /// # Errors
    /// There are too many open files.
    pub fn try_clone(&self) -> Result<Netns> {
        let file = self.file.try_clone();
        file.map(|file| Netns { file, inode: self.inode })
            .map_err(|error| Failure::from(error).when("duplicate a network namespace's descriptor", &[]))
    }

    /// Runs something within it, on a thread that enters it and ends before this returns. A socket that is made there
    /// belongs there for life.
    ///
    /// ```no_run
    /// use std::net::TcpListener;
    ///
    /// let blue = netlink::Netns::named("blue")?;
    /// let listener = blue.run(|| TcpListener::bind("10.0.41.2:80"))??;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// The thread has a stack of 2 MiB. `/sys` stays that of the caller.
    ///
    /// # Errors
    /// [`PermissionDenied`](crate::ErrorKind::PermissionDenied): entering needs `CAP_SYS_ADMIN`, both here and in the
    /// user namespace that owns the network namespace.
    ///
    /// # Panics
    /// As what runs there does.
    pub fn run<T: Send>(&self, within: impl FnOnce() -> T + Send) -> Result<T> {
        let enter_and_run = || {
            setns(&self.file, CloneFlags::CLONE_NEWNET)?;
            Ok(within())
        };
        on_a_thread_of(2 * 1024 * 1024, enter_and_run)
            .map_err(|failure| failure.when(format_args!("enter network namespace {}", self.inode), ENTERING))
    }
}

impl PartialEq for Netns {
    fn eq(&self, other: &Netns) -> bool {
        self.inode == other.inode
    }
}

impl Eq for Netns {}

impl AsFd for Netns {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl From<Netns> for OwnedFd {
    fn from(netns: Netns) -> OwnedFd {
        netns.file.into()
    }
}

const ENTERING: Hints<'static> = &[
    (Errno::EPERM, "needs CAP_SYS_ADMIN here and in the owner of that namespace"),
    (Errno::EINVAL, "that is not a network namespace"),
];

impl Handle {
    /// Opens a connection in another network namespace: a [`Netns`], an open `/proc/PID/ns/net` or
    /// `/run/netns/NAME`. No namespace of the caller changes.
    ///
    /// ```no_run
    /// use netlink::{Handle, Netns};
    ///
    /// let of_a_process = Handle::open_in(Netns::of_pid(4711)?)?;
    /// let of_a_name = Handle::open_in(Netns::named("blue")?)?;
    /// # Ok::<(), netlink::Error>(())
    /// ```
    ///
    /// The socket is made by a thread that enters the namespace and ends before this returns.
    ///
    /// # Errors
    /// [`PermissionDenied`](crate::ErrorKind::PermissionDenied): entering needs `CAP_SYS_ADMIN`,
    /// both here and in the user namespace that owns the network namespace.
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput): the descriptor is not a network namespace's.
    #[doc(alias = "NewHandleAt")]
    pub fn open_in(netns: impl AsFd) -> Result<Handle> {
        open_within(netns.as_fd(), Handle::try_open)
            .map_err(|failure| failure.when("open a netlink socket in another network namespace", ENTERING))
    }
}

/// Opens something in a network namespace.
pub(crate) fn open_within<T: Send>(
    netns: BorrowedFd<'_>,
    open: impl FnOnce() -> Result<T, Failure> + Send,
) -> Result<T, Failure> {
    on_a_thread(|| {
        setns(netns, CloneFlags::CLONE_NEWNET)?;
        open()
    })
}

fn on_a_thread<T: Send>(work: impl FnOnce() -> Result<T, Failure> + Send) -> Result<T, Failure> {
    on_a_thread_of(STACK, work)
}

fn on_a_thread_of<T: Send>(
    stack: usize,
    work: impl FnOnce() -> Result<T, Failure> + Send,
) -> Result<T, Failure> {
    thread::scope(|scope| {
        let thread = thread::Builder::new().stack_size(stack).spawn_scoped(scope, work)?;
        thread.join().unwrap_or_else(|panic| panic::resume_unwind(panic))
    })
}

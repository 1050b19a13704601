//! Tuns and taps: links whose packets a program reads and writes.

use std::fs::OpenOptions;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;

use nix::errno::Errno;
use nix::libc;

use crate::error::{Failure, Hints, Result};
use crate::kind::TunMode;
use crate::link::check_name;
use crate::netns::open_within;
use crate::sys::{tun_set_group, tun_set_iff, tun_set_owner, tun_set_persist};

const DEVICE: &str = "/dev/net/tun";

// Of linux/if_tun.h.
const IFF_NO_PI: i32 = 0x1000;
const IFF_VNET_HDR: i32 = 0x4000;
const IFF_MULTI_QUEUE: i32 = 0x0100;
const IFF_TUN_EXCL: i32 = 0x8000;

/// A link whose packets a program reads and writes ([`tun`]): of IP packets (tun) or of Ethernet (tap).
///
/// ```no_run
/// use netlink::{Handle, TunTap};
///
/// let tap = TunTap::tap("tap0").open()?;
/// Handle::open()?.set_up(tap.name())?;
/// // Read and write Ethernet packets by `tap`; the link is gone when that is closed.
/// # Ok::<(), netlink::Error>(())
/// ```
///
/// The link is made if there is none of that name, and attached to else. It is in the calling thread's network
/// namespace, or in [another](TunTap::netns_fd). Such links are deleted and changed as all are.
///
/// [`tun`]: https://docs.kernel.org/networking/tuntap.html
#[derive(Clone, Debug)]
#[must_use = "open makes it"]
pub struct TunTap<'a> {
    name: String,
    mode: TunMode,
    flags: i32,
    persistent: bool,
    nonblocking: bool,
    owner: Option<u32>,
    group: Option<u32>,
    netns: Option<BorrowedFd<'a>>,
}

/// An open tun or tap: a packet each `read` and `write`.
#[derive(Debug)]
pub struct TunFd {
    name: String,
    fd: OwnedFd,
}

impl<'a> TunTap<'a> {
    /// Names a link of IP packets; the kernel chooses where the name is empty.
    pub fn tun(name: impl Into<String>) -> TunTap<'a> {
        TunTap::of(name.into(), TunMode::Tun)
    }

    /// Names a link of Ethernet; the kernel chooses where the name is empty.
    pub fn tap(name: impl Into<String>) -> TunTap<'a> {
        TunTap::of(name.into(), TunMode::Tap)
    }

    fn of(name: String, mode: TunMode) -> TunTap<'a> {
        let flags = IFF_NO_PI;
        TunTap {
            name,
            mode,
            flags,
            persistent: false,
            nonblocking: false,
            owner: None,
            group: None,
            netns: None,
        }
    }

    /// Keeps the link when nobody is attached any more.
    pub fn persistent(mut self) -> TunTap<'a> {
        self.persistent = true;
        self
    }

    /// Lets a user attach to it without privilege.
    pub fn owner(mut self, uid: u32) -> TunTap<'a> {
        self.owner = Some(uid);
        self
    }

    /// Lets a group attach to it without privilege.
    pub fn group(mut self, gid: u32) -> TunTap<'a> {
        self.group = Some(gid);
        self
    }

    /// Lets several descriptors be attached, one a queue: each by opening it again, all with this.
    pub fn multi_queue(mut self) -> TunTap<'a> {
        self.flags |= IFF_MULTI_QUEUE;
        self
    }

    /// Has each packet begin with a `virtio_net_hdr`.
    pub fn vnet_hdr(mut self) -> TunTap<'a> {
        self.flags |= IFF_VNET_HDR;
        self
    }

    /// Has each packet begin with flags and its protocol (`struct tun_pi`).
    pub fn packet_info(mut self) -> TunTap<'a> {
        self.flags &= !IFF_NO_PI;
        self
    }

    /// Refuses to attach to a link that there is.
    pub fn exclusive(mut self) -> TunTap<'a> {
        self.flags |= IFF_TUN_EXCL;
        self
    }

    /// Has `read` and `write` never wait.
    pub fn nonblocking(mut self) -> TunTap<'a> {
        self.nonblocking = true;
        self
    }

    /// Makes it in a network namespace: an open `/proc/PID/ns/net` or `/run/netns/NAME`. A thread that ends before
    /// this returns enters it; the caller stays where it is.
    pub fn netns_fd(mut self, netns: &'a impl AsFd) -> TunTap<'a> {
        self.netns = Some(netns.as_fd());
        self
    }

    /// Makes the link or attaches to it; gives the open descriptor, closed at exec.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound): there is no `/dev/net/tun`.
    /// [`PermissionDenied`](crate::ErrorKind::PermissionDenied): it needs `CAP_NET_ADMIN`, or to be its owner.
    /// [`Busy`](crate::ErrorKind::Busy): somebody else is attached, or it isn't to be there.
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput): no link can have that name, or the link of that name is no
    /// such tun or tap.
    pub fn open(&self) -> Result<TunFd> {
        const HINTS: Hints<'_> = &[
            (Errno::ENOENT, "there is no /dev/net/tun"),
            (Errno::ENODEV, "this kernel has no tun"),
            (Errno::EACCES, "/dev/net/tun may not be opened"),
            (Errno::EPERM, "needs CAP_NET_ADMIN in that network namespace, or to be its owner"),
            (Errno::EBUSY, "somebody is attached to it, or it is there already"),
            (Errno::EINVAL, "the link of that name is another, or has other options"),
            (Errno::E2BIG, "too many descriptors are attached to it"),
        ];
        let outcome = match self.netns {
            Some(netns) => open_within(netns, || self.try_open()),
            None => self.try_open(),
        };
        outcome.map_err(|failure| failure.when(format_args!("open {} {:?}", self.mode, self.name), HINTS))
    }

    fn try_open(&self) -> Result<TunFd, Failure> {
        if !self.name.is_empty() {
            check_name(&self.name)?;
        }
        let wait = if self.nonblocking { libc::O_NONBLOCK } else { 0 };
        let device = OpenOptions::new().read(true).write(true).custom_flags(wait).open(DEVICE)?;
        let fd = OwnedFd::from(device);
        let name = tun_set_iff(fd.as_fd(), &self.name, self.flags | i32::from(u8::from(self.mode)))?;
        if let Some(uid) = self.owner {
            tun_set_owner(fd.as_fd(), uid)?;
        }
        if let Some(gid) = self.group {
            tun_set_group(fd.as_fd(), gid)?;
        }
        // Last: what failed before leaves nothing.
        if self.persistent {
            tun_set_persist(fd.as_fd(), true)?;
        }
        Ok(TunFd { name, fd })
    }
}

impl TunFd {
    /// Returns the link's name, as it was made.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Says whether the link stays when nobody is attached any more.
    ///
    /// # Errors
    /// The link was deleted.
    pub fn set_persistent(&self, persistent: bool) -> Result<()> {
        tun_set_persist(self.fd.as_fd(), persistent).map_err(|errno| {
            Failure::from(errno).when(format_args!("make link {:?} persistent or not", self.name), &[])
        })
    }
}

impl AsFd for TunFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl From<TunFd> for OwnedFd {
    fn from(tun: TunFd) -> OwnedFd {
        tun.fd
    }
}

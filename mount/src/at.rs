//! Where: a path, an open file, or a path beneath a root.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::{fmt, io};

use nix::fcntl::OFlag;
use nix::sys::stat::Mode;

use crate::error::quote;
use crate::{Error, Mount, MountInfo, Result, Root, Table, statmount, sys};

/// A place to mount on, to unmount or to look at.
///
/// Whatever takes an `impl Into<At>` takes a path, the descriptor of a file or directory, a [`Mount`], or
/// [`Root::at`]: a path that no symbolic link leads out of its root.
///
/// ```
/// use std::os::fd::AsFd;
/// let directory = std::fs::File::open("/proc")?;
/// let root = mount::Root::open("/")?;
/// for place in [mount::At::from("/proc"), directory.as_fd().into(), root.at("proc")] {
///     assert!(place.mounted()?);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum At<'a> {
    /// A path, of which symbolic links are followed, except where a function says otherwise.
    Path(&'a Path),
    /// An open file or directory.
    Fd(BorrowedFd<'a>),
    /// A path beneath a root, of which symbolic links are followed as if the root were `/`.
    Beneath(&'a Root, &'a Path),
}

impl<'a, P: AsRef<Path> + ?Sized> From<&'a P> for At<'a> {
    fn from(path: &'a P) -> Self {
        At::Path(path.as_ref())
    }
}

impl<'a> From<BorrowedFd<'a>> for At<'a> {
    fn from(fd: BorrowedFd<'a>) -> Self {
        At::Fd(fd)
    }
}

impl<'a> From<&'a Mount> for At<'a> {
    fn from(mount: &'a Mount) -> Self {
        At::Fd(mount.as_fd())
    }
}

impl fmt::Display for At<'_> {
    /// Prints the place between quotes, as errors name it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&quote(self.name()))
    }
}

impl At<'_> {
    /// Returns how errors call the place.
    pub(crate) fn name(self) -> PathBuf {
        match self {
            At::Path(path) => path.to_owned(),
            // Where there is no /proc the number has to do.
            At::Fd(fd) => std::fs::read_link(magic_link(fd)).unwrap_or_else(|_| magic_link(fd)),
            At::Beneath(root, path) => root.path().join(path.strip_prefix("/").unwrap_or(path)),
        }
    }

    /// Says whether something is mounted there, in one system call where the kernel tells (Linux 5.8).
    ///
    /// Automounts are not triggered.
    ///
    /// # Errors
    ///
    /// [`NotFound`](crate::ErrorKind::NotFound) if the place isn't there.
    pub fn mounted(self) -> Result<bool> {
        let what = || format!("look for a mount at {self}");
        // The words cost more than the call: they are made when they are needed.
        match self.ask(false) {
            Ok(sys::Status { is_root: Some(answer), .. }) => return Ok(answer),
            Ok(_) => {}
            Err(error) => return Err(Error::os(what(), &self.name(), error)),
        }
        let fd = self.open(what())?;
        let path = std::fs::read_link(magic_link(fd.as_fd()));
        let path = path.map_err(|error| Error::io(what(), &self.name(), &error))?;
        Ok(self.mount_of()?.is_some_and(|mount| mount.mount_point == path))
    }

    /// Returns the mount that the place lies on: [`mount_of`](crate::mount_of).
    ///
    /// # Errors
    ///
    /// As [`mount_of`](crate::mount_of).
    pub fn mount_of(self) -> Result<Option<MountInfo>> {
        let status = self.ask(true);
        let status = status.map_err(|error| Error::os(self.finding(), &self.name(), error))?;
        // Two system calls, where the kernel has both. What they refuse, the table shows or refuses too.
        if let Some(sys::Id::Unique(id)) = status.id
            && let Ok(found) = statmount::of_unique_id(id)
        {
            return Ok(found);
        }
        let id = self.id()?;
        Ok(Table::read()?.iter().find(|mount| mount.id() == id).map(MountInfo::from))
    }

    /// Returns the id in mountinfo of the mount that the place lies on. Needs no `/proc` where statx tells.
    pub(crate) fn id(self) -> Result<u64> {
        match self.ask(false) {
            Ok(sys::Status { id: Some(sys::Id::Reused(id)), .. }) => return Ok(id),
            Ok(_) => {}
            Err(error) => return Err(Error::os(self.finding(), &self.name(), error)),
        }
        let failed = |error: io::Error| Error::io(self.finding(), &self.name(), &error);
        let fd = self.open(self.finding())?;
        let info = format!("/proc/thread-self/fdinfo/{}", fd.as_raw_fd());
        let info = std::fs::read_to_string(info).map_err(failed)?;
        let id = sys::fdinfo(&info, "mnt_id");
        id.ok_or_else(|| failed(io::Error::from(io::ErrorKind::InvalidData)))
    }

    /// Returns the unique id of the mount that the place lies on, where the kernel has such ids (Linux 6.8).
    pub(crate) fn unique_id(self) -> Result<Option<u64>> {
        match self.ask(true) {
            Ok(sys::Status { id: Some(sys::Id::Unique(id)), .. }) => Ok(Some(id)),
            Ok(_) => Ok(None),
            Err(error) => Err(Error::os(self.finding(), &self.name(), error)),
        }
    }

    fn finding(self) -> String {
        format!("find the mount of {self}")
    }

    /// Opens the place by `O_PATH`, with links followed at its end too; `what` begins the error.
    pub(crate) fn open(self, what: impl fmt::Display) -> Result<OwnedFd> {
        let opened = match self {
            At::Path(path) => sys::retry(|| nix::fcntl::open(path, O_PATH, Mode::empty())),
            At::Fd(fd) => fd.try_clone_to_owned().map_err(|error| sys::errno(&error)),
            At::Beneath(root, path) => root.resolve(path, true),
        };
        opened.map_err(|error| Error::os(what, &self.name(), error))
    }

    /// Asks statx(2) about the mount there.
    fn ask(self, unique: bool) -> nix::Result<sys::Status> {
        match self {
            At::Path(path) => sys::statx(path, true, unique),
            At::Fd(fd) => sys::statx_fd(fd, unique),
            At::Beneath(root, path) => sys::statx_fd(root.resolve(path, true)?.as_fd(), unique),
        }
    }
}

const O_PATH: OFlag = OFlag::O_PATH.union(OFlag::O_CLOEXEC);

/// Returns the path by which the old calls, which know no descriptors, reach an open file.
pub(crate) fn magic_link(fd: BorrowedFd<'_>) -> PathBuf {
    PathBuf::from(format!("/proc/thread-self/fd/{}", fd.as_raw_fd()))
}

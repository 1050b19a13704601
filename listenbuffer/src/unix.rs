//! Paths of Unix sockets: bound with their mode, cleared of what a crash left, removed when ours.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, open, openat};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, bind, connect, socket};
use nix::sys::stat::{FileStat, Mode, SFlag, fchmod, fstat, fstatat};
use nix::unistd::{UnlinkatFlags, unlinkat};

/// How many bytes of a path an address holds.
const ADDRESS: usize = 107;

/// How long to wait for another process that is listening at the same path.
const PATIENCE: Duration = Duration::from_millis(250);

/// Makes a socket that is bound and was started by `start`.
pub(crate) fn listen(
    path: &Path,
    mode: Option<u32>,
    start: impl Fn(&OwnedFd) -> io::Result<()>,
) -> io::Result<(OwnedFd, Option<BoundPath>)> {
    let socket = stream(SockFlag::empty())?;
    if let Some(name) = path.as_os_str().as_bytes().strip_prefix(b"@") {
        bind(socket.as_raw_fd(), &UnixAddr::new_abstract(name)?)?;
        start(&socket)?;
        return Ok((socket, None));
    }
    if let Some(mode) = mode {
        // The path takes its permissions from here, less the umask: it is never open to more.
        fchmod(&socket, Mode::from_bits_truncate(mode))?;
    }
    let place = Place::of(path)?;
    let _lock = place.lock();
    place.bind(&socket)?;
    let bound = place.bound()?;
    if let Some(mode) = mode {
        bound.set_mode(mode)?;
    }
    start(&socket)?;
    Ok((socket, Some(bound)))
}

fn stream(flags: SockFlag) -> nix::Result<OwnedFd> {
    socket(AddressFamily::Unix, SockType::Stream, flags | SockFlag::SOCK_CLOEXEC, None)
}

/// A name in a directory that is held open, so that it means the same whoever changes directory.
struct Place {
    dir: OwnedFd,
    name: OsString,
    parent: PathBuf,
    address: UnixAddr,
}

impl Place {
    fn of(path: &Path) -> io::Result<Self> {
        let name = path
            .file_name()
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the path has no name"))?;
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let dir = open(parent, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?;
        let address = if path.as_os_str().len() <= ADDRESS {
            UnixAddr::new(path)?
        } else {
            UnixAddr::new(&Path::new("/proc/self/fd").join(dir.as_raw_fd().to_string()).join(name))?
        };
        Ok(Self { dir, name: name.to_owned(), parent: parent.to_owned(), address })
    }

    /// Keeps other processes from clearing this path between our bind and our listen, when it looks
    /// as if nobody were there; without the directory's lock if somebody holds on to that.
    fn lock(&self) -> Option<File> {
        let dir = File::open(&self.parent).ok()?;
        let deadline = Instant::now() + PATIENCE;
        while dir.try_lock().is_err() {
            if Instant::now() > deadline {
                return None;
            }
            thread::sleep(Duration::from_millis(5));
        }
        Some(dir)
    }

    fn bind(&self, socket: &OwnedFd) -> io::Result<()> {
        match bind(socket.as_raw_fd(), &self.address) {
            Err(Errno::EADDRINUSE) if self.is_stale()? => {}
            result => return Ok(result?),
        }
        match unlinkat(&self.dir, self.name.as_os_str(), UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => {}
            Err(errno) => return Err(errno.into()),
        }
        Ok(bind(socket.as_raw_fd(), &self.address)?)
    }

    /// Tells whether the path is a socket that nobody listens on.
    fn is_stale(&self) -> io::Result<bool> {
        if !is_socket(&look(&self.dir, &self.name)?) {
            return Ok(false);
        }
        // Non-blocking: a live server whose queue is full would keep us waiting.
        let client = stream(SockFlag::SOCK_NONBLOCK)?;
        Ok(connect(client.as_raw_fd(), &self.address) == Err(Errno::ECONNREFUSED))
    }

    fn bound(self) -> io::Result<BoundPath> {
        let file = look(&self.dir, &self.name)?;
        Ok(BoundPath { inode: inode(&file), dir: self.dir, name: self.name, ours: true })
    }
}

/// A path that our socket is bound to, removed when this is dropped.
///
/// It must go before the socket, which keeps the inode's number from being given to another file.
#[derive(Debug)]
pub(crate) struct BoundPath {
    dir: OwnedFd,
    name: OsString,
    inode: (u64, u64),
    ours: bool,
}

impl BoundPath {
    /// Gives the path its mode, which the umask may have cut.
    fn set_mode(&self, mode: u32) -> io::Result<()> {
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let file = openat(&self.dir, self.name.as_os_str(), flags, Mode::empty())?;
        let found = fstat(&file)?;
        if inode(&found) != self.inode {
            return Err(io::Error::new(io::ErrorKind::AddrInUse, "somebody replaced the path"));
        }
        if found.st_mode & 0o7777 == mode & 0o7777 {
            return Ok(());
        }
        // fchmod refuses such a descriptor, and a path could have changed once more.
        fs::set_permissions(format!("/proc/self/fd/{}", file.as_raw_fd()), Permissions::from_mode(mode))
    }

    /// Removes the path, if it is still ours.
    pub(crate) fn remove(&self) {
        if self.ours && look(&self.dir, &self.name).is_ok_and(|file| inode(&file) == self.inode) {
            let _ = unlinkat(&self.dir, self.name.as_os_str(), UnlinkatFlags::NoRemoveDir);
        }
    }

    /// Leaves the path where it is.
    pub(crate) fn leave(mut self) {
        self.ours = false;
    }
}

impl Drop for BoundPath {
    fn drop(&mut self) {
        self.remove();
    }
}

fn look(dir: &OwnedFd, name: &OsStr) -> nix::Result<FileStat> {
    fstatat(dir, name, AtFlags::AT_SYMLINK_NOFOLLOW)
}

fn inode(file: &FileStat) -> (u64, u64) {
    (file.st_dev, file.st_ino)
}

fn is_socket(file: &FileStat) -> bool {
    SFlag::from_bits_truncate(file.st_mode) & SFlag::S_IFMT == SFlag::S_IFSOCK
}

//! A directory that no path and no symbolic link leads out of.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat, readlinkat};
use nix::sys::stat::{Mode, SFlag, fstat, mkdirat};

use crate::error::quote;
use crate::{At, Error, MountGuard, MountInfo, Result, Unmount, mount, sys};

/// How many symbolic links one path may lead through, as the kernel has it ([`path_resolution(7)`]).
///
/// [`path_resolution(7)`]: https://man7.org/linux/man-pages/man7/path_resolution.7.html
const LINKS_MAX: usize = 40;

/// How often the kernel may find that somebody renames on the way, before that is the answer.
const TRIES: usize = 1000;

/// A directory in which paths are looked up as if it were `/`: the root of a container or of an image that
/// somebody else has written.
///
/// Each lookup ends in a descriptor, and what is mounted or looked at is what it refers to: links that are
/// swapped in meanwhile lead nowhere else. That is `openat2(2)` with `RESOLVE_IN_ROOT`, and component by
/// component where a filter refuses it.
///
/// ```no_run
/// let rootfs = mount::Root::open("/var/lib/images/alpine")?;
/// rootfs.create_dir_all("run", 0o755)?;
/// rootfs.mount("tmpfs", "run", "tmpfs", "nosuid,nodev,mode=755")?;
/// rootfs.mount("/etc/resolv.conf", "etc/resolv.conf", "none", "bind,ro")?;
/// rootfs.unmount("etc/resolv.conf")?;
/// # Ok::<(), mount::Error>(())
/// ```
#[derive(Debug)]
pub struct Root {
    fd: OwnedFd,
    path: PathBuf,
}

impl Root {
    /// Opens a directory. Links on the way to it are followed, once.
    ///
    /// # Errors
    ///
    /// [`NotFound`](crate::ErrorKind::NotFound) if it isn't there.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let fd = sys::retry(|| nix::fcntl::open(path, flags, Mode::empty()))
            .map_err(|error| Error::os(format_args!("open root {}", quote(path)), path, error))?;
        Ok(Root { fd, path: path.to_owned() })
    }

    /// Takes a directory that is open, by `O_PATH` if need be; `name` is how errors call it.
    pub fn from_fd(directory: impl Into<OwnedFd>, name: impl Into<PathBuf>) -> Self {
        Root { fd: directory.into(), path: name.into() }
    }

    /// Returns how errors call it: the path by which it was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns a place beneath it. A leading `/` means the root itself.
    pub fn at<'a, P: AsRef<Path> + ?Sized>(&'a self, path: &'a P) -> At<'a> {
        At::Beneath(self, path.as_ref())
    }

    /// Mounts beneath it, unless the same is mounted there already: [`mount()`](crate::mount()).
    ///
    /// The source of a bind is a path of the caller's, not one beneath the root.
    ///
    /// # Errors
    ///
    /// As [`mount()`](crate::mount()).
    pub fn mount(
        &self,
        source: impl AsRef<Path>,
        target: impl AsRef<Path>,
        fs_type: impl AsRef<OsStr>,
        options: impl AsRef<OsStr>,
    ) -> Result<()> {
        mount::mount_at(source.as_ref(), self.at(target.as_ref()), fs_type.as_ref(), options.as_ref())
    }

    /// Mounts beneath it, over whatever is there: [`force_mount`](crate::force_mount).
    ///
    /// # Errors
    ///
    /// As [`force_mount`](crate::force_mount).
    pub fn force_mount(
        &self,
        source: impl AsRef<Path>,
        target: impl AsRef<Path>,
        fs_type: impl AsRef<OsStr>,
        options: impl AsRef<OsStr>,
    ) -> Result<()> {
        mount::force_mount_at(source.as_ref(), self.at(target.as_ref()), fs_type.as_ref(), options.as_ref())
    }

    /// Mounts beneath it, over whatever is there, and holds the mount: [`MountGuard::mount`].
    ///
    /// # Errors
    ///
    /// As [`MountGuard::mount`].
    pub fn mount_guard(
        &self,
        source: impl AsRef<Path>,
        target: impl AsRef<Path>,
        fs_type: impl AsRef<OsStr>,
        options: impl AsRef<OsStr>,
    ) -> Result<MountGuard> {
        MountGuard::mount_at(source.as_ref(), self.at(target.as_ref()), fs_type.as_ref(), options.as_ref())
    }

    /// Unmounts the top mount there, if there is one: [`unmount`](crate::unmount). [`Unmount`] does more, with
    /// [`at`](Self::at) as its place.
    ///
    /// # Errors
    ///
    /// As [`unmount`](crate::unmount).
    pub fn unmount(&self, target: impl AsRef<Path>) -> Result<()> {
        mount::unmount_at(self.at(target.as_ref()))
    }

    /// Unmounts the top mount there, which must be there: [`force_unmount`](crate::force_unmount).
    ///
    /// # Errors
    ///
    /// As [`force_unmount`](crate::force_unmount).
    pub fn force_unmount(&self, target: impl AsRef<Path>) -> Result<()> {
        Unmount::new().run(self.at(target.as_ref()))
    }

    /// Makes a directory beneath it and those on the way, as far as they are missing: a place to mount on.
    ///
    /// Links on the way are followed beneath the root. `mode` holds for each new directory, less the umask.
    ///
    /// # Errors
    ///
    /// [`NotFound`](crate::ErrorKind::NotFound) for a link that leads to nothing.
    pub fn create_dir_all(&self, path: impl AsRef<Path>, mode: u32) -> Result<()> {
        let path = path.as_ref();
        let at = self.at(path);
        self.make_way(path, Mode::from_bits_truncate(mode))
            .map_err(|error| Error::os(format_args!("make directory {at}"), &at.name(), error))
    }

    fn make_way(&self, path: &Path, mode: Mode) -> nix::Result<()> {
        let mut way = PathBuf::from(".");
        for part in path.components().filter(|part| !matches!(part, Component::RootDir)) {
            let here = self.resolve(&way, true)?;
            way.push(part);
            if let Component::Normal(name) = part {
                match sys::retry(|| mkdirat(&here, name, mode)) {
                    Ok(()) | Err(Errno::EEXIST) => {}
                    // What is there already needn't be ours to write in.
                    Err(error) => drop(self.resolve(&way, true).map_err(|_| error)?),
                }
            }
        }
        match fstat(self.resolve(&way, true)?)?.st_mode & SFlag::S_IFMT.bits() {
            kind if kind == SFlag::S_IFDIR.bits() => Ok(()),
            _ => Err(Errno::ENOTDIR),
        }
    }

    /// Says whether something is mounted there: [`mounted`](crate::mounted).
    ///
    /// # Errors
    ///
    /// As [`mounted`](crate::mounted).
    pub fn mounted(&self, path: impl AsRef<Path>) -> Result<bool> {
        self.at(path.as_ref()).mounted()
    }

    /// Returns the mount that a path lies on: [`mount_of`](crate::mount_of).
    ///
    /// # Errors
    ///
    /// As [`mount_of`](crate::mount_of).
    pub fn mount_of(&self, path: impl AsRef<Path>) -> Result<Option<MountInfo>> {
        self.at(path.as_ref()).mount_of()
    }

    /// Opens a path beneath it by `O_PATH`; with `follow` also what a link at its end points to.
    pub(crate) fn resolve(&self, path: &Path, follow: bool) -> nix::Result<OwnedFd> {
        // An empty path would be the error of a forgotten argument; "." and "/" are the root.
        let flags = if follow { OFlag::O_PATH } else { OFlag::O_PATH | OFlag::O_NOFOLLOW };
        for _ in 0..TRIES {
            match sys::open_beneath(self.fd.as_fd(), path, flags) {
                // Somebody has renamed or mounted something on the way: openat2(2) says to ask again.
                Err(Errno::EAGAIN) => {}
                // Filters that are older than the call answer EPERM, which it never does by itself.
                Err(Errno::ENOSYS | Errno::EPERM) => return self.walk(path, follow),
                result => return result,
            }
        }
        Err(Errno::EAGAIN)
    }

    /// Opens the directory that an entry is in, and returns it with the entry's name. `None` for the root itself.
    ///
    /// `EINVAL` for a path that ends in `..`, of which nobody knows what it names.
    pub(crate) fn parent<'a>(&self, path: &'a Path) -> nix::Result<Option<(OwnedFd, &'a OsStr)>> {
        match path.components().next_back() {
            Some(Component::Normal(name)) => {
                let parent = path.parent().filter(|parent| *parent != Path::new(""));
                Ok(Some((self.resolve(parent.unwrap_or(Path::new(".")), true)?, name)))
            }
            Some(Component::RootDir | Component::CurDir) => Ok(None),
            Some(Component::ParentDir | Component::Prefix(_)) => Err(Errno::EINVAL),
            None => Err(Errno::ENOENT),
        }
    }

    /// Does the work of openat2(2) one component after the other.
    ///
    /// Each is opened without following it, and `..` goes back along the descriptors that led here, so that
    /// nobody's renaming leads out.
    fn walk(&self, path: &Path, follow: bool) -> nix::Result<OwnedFd> {
        if path.as_os_str().is_empty() {
            return Err(Errno::ENOENT);
        }
        let mut way: Vec<OwnedFd> = Vec::new();
        let mut ahead = components(path.as_os_str());
        let mut must_be_directory = ends_as_directory(path.as_os_str());
        let mut links = 0;
        while let Some(name) = ahead.pop() {
            if name == ".." {
                way.pop();
                continue;
            }
            let here = way.last().map_or(self.fd.as_fd(), AsFd::as_fd);
            let next = open_entry(here, &name)?;
            let kind = SFlag::from_bits_truncate(fstat(&next)?.st_mode) & SFlag::S_IFMT;
            let last = ahead.is_empty();
            if kind == SFlag::S_IFLNK && (follow || must_be_directory || !last) {
                links += 1;
                if links > LINKS_MAX || sys::forbids_links(next.as_fd())? {
                    return Err(Errno::ELOOP);
                }
                let target = readlinkat(&next, "")?;
                must_be_directory |= last && ends_as_directory(&target);
                if target.as_bytes().starts_with(b"/") {
                    way.clear();
                }
                ahead.extend(components(&target));
                continue;
            }
            if kind != SFlag::S_IFDIR && (must_be_directory || !last) {
                return Err(Errno::ENOTDIR);
            }
            way.push(next);
        }
        match way.pop() {
            Some(end) => Ok(end),
            None => self.fd.try_clone().map_err(|error| sys::errno(&error)),
        }
    }
}

impl AsFd for Root {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn open_entry(dir: BorrowedFd<'_>, name: &OsStr) -> nix::Result<OwnedFd> {
    let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    sys::retry(|| openat(dir, name, flags, Mode::empty()))
}

/// Returns the names of a path, the first one last.
fn components(path: &OsStr) -> Vec<OsString> {
    let names = path.as_bytes().split(|&byte| byte == b'/').filter(|name| !matches!(*name, b"" | b"."));
    names.rev().map(|name| OsStr::from_bytes(name).to_owned()).collect()
}

/// Says whether only a directory can have this path: it ends in `/` or `/.`.
fn ends_as_directory(path: &OsStr) -> bool {
    let path = path.as_bytes();
    path.ends_with(b"/") || path.ends_with(b"/.")
}

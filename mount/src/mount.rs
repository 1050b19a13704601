//! Mounting and unmounting: the functions of 2014.

use std::ffi::OsStr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io, thread};

use nix::errno::Errno;

use crate::error::quote;
use crate::sys::{self, attr, ms};
use crate::{Bind, Error, ErrorKind, MountGuard, MountInfo, Options, Result, attributes, info};

/// mount(2) takes one page of filesystem options, and cuts what is longer without a word.
const DATA_MAX: usize = 4095;

/// How often a busy mount is tried again, and the pause between two tries.
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_millis(100);

/// Mounts `source` on `target`, unless the same is mounted there already.
///
/// `options` are words as in fstab; [`Options`] tells which. With `bind`, `source` is a file or directory and
/// `fs_type` is ignored: `none` by custom.
///
/// - *Mounted already.* If the top mount at `target` is the same one (for a bind: the same file or directory;
///   else the same source and filesystem type) and has the attributes that were asked for, nothing is done.
///   Anything else there is an error. Options of the filesystem itself, such as `size=10k`, are not compared.
/// - *Binds* keep the attributes of their source, `nosuid,nodev,noexec` say, and get those in `options` on
///   top of them. On an `rbind`, the words that restrict (`ro nosuid nodev noexec nosymfollow`) hold for
///   every mount below too; `rro` and the like say so for any mount.
/// - *Existing mounts.* `remount` changes only what `options` name; with `bind` it leaves the filesystem
///   alone. With propagation words only, and without a filesystem type, nothing is mounted:
///   `mount("none", "/", "none", "rprivate")`.
/// - *All or nothing.* If a later step fails, a new mount is taken away again.
///
/// Words for userspace (`nofail`, `x-*`) are accepted and have no effect; nor have, on a bind, words for the
/// filesystem. `target` is a path, and is looked up more than once: for a place where somebody hostile may
/// rename things meanwhile, this is not the function.
///
/// ```no_run
/// mount::mount("/myfile", "/myotherfile", "none", "bind,ro")?;
/// mount::mount("tmpfs", "/dev/shm", "tmpfs", "nosuid,nodev,noexec,size=64m")?;
/// # Ok::<(), mount::Error>(())
/// ```
///
/// # Errors
///
/// [`AlreadyMounted`](ErrorKind::AlreadyMounted) if something else is mounted there,
/// [`NotFound`](ErrorKind::NotFound) without a source or target,
/// [`PermissionDenied`](ErrorKind::PermissionDenied) without `CAP_SYS_ADMIN` over the mount namespace,
/// [`Unsupported`](ErrorKind::Unsupported) for a filesystem that the kernel doesn't have, and
/// [`InvalidInput`](ErrorKind::InvalidInput) for options that contradict each other or are longer than
/// [`mount(2)`] takes.
///
/// [`mount(2)`]: https://man7.org/linux/man-pages/man2/mount.2.html
#[doc(alias = "Mount")]
pub fn mount(source: impl AsRef<Path>, target: impl AsRef<Path>, fs_type: &str, options: &str) -> Result<()> {
    let request = Request::new(source.as_ref(), target.as_ref(), fs_type, options)?;
    if request.is_new() && request.is_there_already()? { Ok(()) } else { request.run() }
}

/// Mounts `source` on `target`, over whatever is mounted there.
///
/// Otherwise as [`mount()`].
///
/// # Errors
///
/// As [`mount()`], but never [`AlreadyMounted`](ErrorKind::AlreadyMounted).
#[doc(alias = "ForceMount")]
pub fn force_mount(
    source: impl AsRef<Path>,
    target: impl AsRef<Path>,
    fs_type: &str,
    options: &str,
) -> Result<()> {
    Request::new(source.as_ref(), target.as_ref(), fs_type, options)?.run()
}

/// Unmounts the top mount at `target`; it is no error if nothing is mounted there.
///
/// A busy mount is tried again for up to a second. A symbolic link is an error and what it points to stays
/// mounted.
///
/// # Errors
///
/// [`Busy`](ErrorKind::Busy) if the mount is still in use, [`NotFound`](ErrorKind::NotFound) without a
/// `target`, [`InvalidInput`](ErrorKind::InvalidInput) for a symbolic link, and
/// [`PermissionDenied`](ErrorKind::PermissionDenied) where the mount is not this user's to take away.
#[doc(alias = "Unmount")]
pub fn unmount(target: impl AsRef<Path>) -> Result<()> {
    match force_unmount(target) {
        Err(error) if error.kind() == ErrorKind::NotMounted => Ok(()),
        result => result,
    }
}

/// Unmounts the top mount at `target`, which must be there.
///
/// Otherwise as [`unmount`]; it never detaches a mount that is in use.
///
/// # Errors
///
/// As [`unmount`], and [`NotMounted`](ErrorKind::NotMounted) if nothing is mounted there.
#[doc(alias = "ForceUnmount")]
pub fn force_unmount(target: impl AsRef<Path>) -> Result<()> {
    let target = target.as_ref();
    let mut tries = 1;
    loop {
        match sys::unmount(target, false) {
            Ok(()) => return Ok(()),
            Err(Errno::EBUSY) if tries < TRIES => thread::sleep(PAUSE),
            Err(error) => return Err(why_not_unmounted(target, error)),
        }
        tries += 1;
    }
}

/// Finds what umount2 means: EINVAL stands for four things, and EPERM comes before any look at the path.
fn why_not_unmounted(target: &Path, error: Errno) -> Error {
    let what = format!("unmount {}", quote(target));
    let doubtful = matches!(error, Errno::EINVAL | Errno::EPERM);
    if doubtful && fs::symlink_metadata(target).is_ok_and(|file| file.is_symlink()) {
        let why = "it is a symbolic link, and what it points to is not touched";
        return Error::new(ErrorKind::InvalidInput, what, why).at(target);
    }
    if doubtful && info::mounted_at(target, false).is_ok_and(|mounted| !mounted) {
        return Error::new(ErrorKind::NotMounted, what, "nothing is mounted there").at(target);
    }
    if error == Errno::EINVAL {
        let why = format!("locked by the user namespace that made it, or \"/\": {}", io::Error::from(error));
        return Error::os(what, target, Errno::EPERM).because(&why, error);
    }
    Error::os(what, target, error)
}

/// What one call of mount is asked to do.
pub(crate) struct Request<'a> {
    source: &'a OsStr,
    /// Without symbolic links, so that every step means the same place.
    target: PathBuf,
    fs_type: &'a str,
    options: Options,
    what: String,
}

impl<'a> Request<'a> {
    pub(crate) fn new(source: &'a Path, target: &Path, fs_type: &'a str, options: &str) -> Result<Self> {
        let what = format!("mount {} on {}", quote(source), quote(target));
        let options = Options::parse(options)?;
        let refuse = |why: &str| Err(Error::new(ErrorKind::InvalidInput, &what, why).at(target));
        if options.idmap() || options.ridmap() {
            return refuse("mapping ids needs a user namespace, which is not given here");
        }
        if options.tmpcopyup() {
            return refuse("tmpcopyup is for container runtimes");
        }
        let data: usize = options.data().iter().map(|word| word.len() + 1).sum();
        if data > DATA_MAX + 1 {
            return refuse(&format!(
                "{} bytes of filesystem options, of which mount(2) takes {DATA_MAX}",
                data - 1
            ));
        }
        let canonical = fs::canonicalize(target)
            .map_err(|error| Error::io(format_args!("{what}: find the target"), target, &error))?;
        Ok(Request { source: source.as_os_str(), target: canonical, fs_type, options, what })
    }

    /// Says whether a mount is to be made, rather than changed.
    pub(crate) fn is_new(&self) -> bool {
        !self.options.remount() && !self.options.is_move() && !self.is_propagation_only()
    }

    fn is_propagation_only(&self) -> bool {
        let options = &self.options;
        let attributes = options.attr_set() | options.attr_clear();
        let recursive = options.recursive_set() | options.recursive_clear();
        matches!(self.fs_type, "" | "none")
            && !options.propagation().is_empty()
            && options.flags() | attributes | recursive == 0
            && options.data().is_empty()
    }

    fn run(&self) -> Result<()> {
        if self.is_new() {
            self.make()?.keep();
        } else if self.options.remount() {
            self.remount()?;
        } else if self.options.is_move() {
            self.call(Some(self.source), ms::MOVE, None)?;
            self.finish()?;
        } else {
            self.propagate()?;
        }
        Ok(())
    }

    /// Mounts, and takes the mount away again if a later step fails.
    pub(crate) fn make(&self) -> Result<MountGuard> {
        let flags = match self.options.bind() {
            None => self.options.flags(),
            Some(Bind::Plain) => ms::BIND,
            Some(Bind::Recursive) => ms::BIND | ms::REC,
        };
        self.call(Some(self.source), flags, self.data().as_deref())?;
        let guard = MountGuard::new(&self.target, self.options.bind() == Some(Bind::Recursive));
        let guard = guard.inspect_err(|_| {
            // Without an id no guard can undo it.
            let _ = sys::unmount(&self.target, true);
        })?;
        self.finish()?;
        Ok(guard)
    }

    /// Does what mount(2) leaves undone in its first call.
    fn finish(&self) -> Result<()> {
        let (mut set, mut clear) = (self.options.attr_set(), self.options.attr_clear());
        if self.is_new() && self.options.bind().is_none() {
            // Of a new filesystem only "ro=vfs" and "ro=fs" are left, which mount(2) can't tell apart.
            let superblock = self.options.flags() & ms::RDONLY != 0;
            let different = superblock != (set & attr::RDONLY != 0);
            set &= if different { attr::RDONLY } else { 0 };
            clear = if different { attr::RDONLY & !set } else { 0 };
        }
        attributes::change(&self.target, false, set, clear)?;
        let everywhere = match self.options.bind() {
            Some(Bind::Recursive) => set & attributes::RESTRICTIONS & !self.options.recursive_clear(),
            _ => 0,
        };
        let recursive = self.options.recursive_set() | everywhere;
        attributes::change(&self.target, true, recursive, self.options.recursive_clear())?;
        self.propagate()
    }

    /// Changes an existing mount: what the options don't name stays as it is.
    fn remount(&self) -> Result<()> {
        if !info::mounted(&self.target)? {
            return Err(self.not_mounted());
        }
        let (set, clear) = self.options.superblock();
        let mount_only =
            self.options.bind().is_some() || (set | clear == 0 && self.options.data().is_empty());
        if !mount_only {
            self.remount_filesystem(set, clear)?;
        }
        self.finish()
    }

    fn remount_filesystem(&self, set: u64, clear: u64) -> Result<()> {
        let mount = info::mount_of(&self.target)?.ok_or_else(|| self.not_mounted())?;
        let present = attributes::of(&mount);
        let superblock = superblock_of(&mount);
        let differ = (present & attr::RDONLY != 0) != (superblock & ms::RDONLY != 0);
        if differ && (set | clear) & ms::RDONLY == 0 {
            let why = "of the mount and its filesystem only one is read-only: name ro or rw, or bind";
            return Err(Error::new(ErrorKind::InvalidInput, &self.what, why).at(&self.target));
        }
        let wanted = present & !self.options.attr_clear() | self.options.attr_set();
        let flags =
            ms::REMOUNT | attributes::ms_flags_and_atime(wanted & !attr::RDONLY) | superblock & !clear | set;
        self.call(None, flags, self.data().as_deref())?;
        // MS_RDONLY has changed both; "ro=fs" and "rw=fs" mean the filesystem alone.
        if (flags & ms::RDONLY != 0) != (wanted & attr::RDONLY != 0) {
            attributes::change(&self.target, false, wanted & attr::RDONLY, !wanted & attr::RDONLY)?;
        }
        Ok(())
    }

    fn propagate(&self) -> Result<()> {
        for propagation in self.options.propagation() {
            sys::mount(None, &self.target, None, propagation.flags(), None).map_err(|error| match error {
                Errno::EINVAL => self.not_mounted(),
                error => {
                    let what = format!("make {} {propagation}", quote(&self.target));
                    Error::os(what, &self.target, error)
                }
            })?;
        }
        Ok(())
    }

    /// Says whether what is asked for is at the target already, or fails if something else is.
    fn is_there_already(&self) -> Result<bool> {
        if !info::mounted(&self.target)? {
            return Ok(false);
        }
        let Some(present) = info::mount_of(&self.target)? else { return Ok(false) };
        if !self.is_same(&present)? {
            let there =
                format!("{} of type {} is mounted there", quote(&present.source), quote(&present.fs_type));
            return Err(Error::new(ErrorKind::AlreadyMounted, &self.what, there).at(&self.target));
        }
        if !self.is_as_asked(&present)? {
            let there = format!("it is mounted there already, as {}", quote(&present.options));
            return Err(Error::new(ErrorKind::AlreadyMounted, &self.what, there).at(&self.target));
        }
        Ok(true)
    }

    fn is_same(&self, present: &MountInfo) -> Result<bool> {
        if self.options.bind().is_none() {
            return Ok(present.fs_type == self.fs_type && present.source == self.source);
        }
        let place = |path: &Path| {
            let file = fs::metadata(path).map_err(|error| Error::io(&self.what, path, &error))?;
            Ok((file.dev(), file.ino()))
        };
        Ok(place(Path::new(self.source))? == place(&self.target)?)
    }

    fn is_as_asked(&self, present: &MountInfo) -> Result<bool> {
        let has = |mount: &MountInfo, set: u64, clear: u64| attributes::of(mount) & (set | clear) == set;
        if !has(present, self.options.attr_set(), self.options.attr_clear()) {
            return Ok(false);
        }
        let (mut set, clear) = (self.options.recursive_set(), self.options.recursive_clear());
        if self.options.bind() == Some(Bind::Recursive) {
            set |= self.options.attr_set() & attributes::RESTRICTIONS & !clear;
        }
        if set | clear == 0 {
            return Ok(true);
        }
        let table = info::mounts()?;
        Ok(attributes::tree_of(&table, present.id, true).into_iter().all(|mount| has(mount, set, clear)))
    }

    fn call(&self, source: Option<&OsStr>, flags: u64, data: Option<&OsStr>) -> Result<()> {
        let fs_type = OsStr::new(self.fs_type);
        sys::mount(source, &self.target, Some(fs_type), flags, data).map_err(|error| {
            let why = match error {
                // The target was there a moment ago.
                Errno::ENOENT if flags & (ms::BIND | ms::MOVE) != 0 => "the source is missing".to_owned(),
                Errno::ENODEV => format!("this kernel has no filesystem {:?}", self.fs_type),
                error => return Error::os(&self.what, &self.target, error),
            };
            let why = format!("{why}: {}", io::Error::from(error));
            Error::os(&self.what, &self.target, error).because(&why, error)
        })
    }

    fn data(&self) -> Option<std::ffi::OsString> {
        let words = self.options.data();
        (!words.is_empty()).then(|| words.join(",").into())
    }

    fn not_mounted(&self) -> Error {
        Error::new(ErrorKind::NotMounted, &self.what, "nothing is mounted there").at(&self.target)
    }
}

/// Returns the flags of a mount's filesystem that a remount would reset.
fn superblock_of(mount: &MountInfo) -> u64 {
    let bit = |word: &OsStr| match word.to_str() {
        Some("ro") => ms::RDONLY,
        Some("sync") => ms::SYNCHRONOUS,
        Some("dirsync") => ms::DIRSYNC,
        Some("mand") => ms::MANDLOCK,
        Some("lazytime") => ms::LAZYTIME,
        _ => 0,
    };
    mount.super_words().fold(0, |flags, word| flags | bit(&word))
}

//! A mount that goes when its owner goes.

use std::ffi::OsStr;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::Mode;

use crate::error::quote;
use crate::request::Request;
use crate::unmount::Place;
use crate::{At, Error, ErrorKind, Mount, Reader, Result, Root, Unmount, sys};

/// Holds a mount, and unmounts it when dropped.
///
/// Dropping is quiet, and detaches the mount at once even if it is busy; [`close`](Self::close) tells how
/// unmounting went. A mount that somebody put on top is never taken for this one: both then stay. Where directories
/// above it were renamed meanwhile, it is found all the same, and no link leads to another one.
///
/// ```no_run
/// let scratch = mount::MountGuard::mount("tmpfs", "/mnt", "tmpfs", "size=1m")?;
/// std::fs::write(scratch.path().join("note"), "gone soon").unwrap();
/// scratch.close()?;
/// # Ok::<(), mount::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "the mount goes when its guard is dropped"]
pub struct MountGuard {
    path: PathBuf,
    id: u64,
    unique_id: Option<u64>,
    recursive: bool,
    kept: bool,
}

impl MountGuard {
    /// Mounts as [`force_mount`](crate::force_mount) does, and holds the mount.
    ///
    /// # Errors
    ///
    /// As [`force_mount`](crate::force_mount); [`InvalidInput`](ErrorKind::InvalidInput) for options that
    /// change an existing mount.
    pub fn mount(
        source: impl AsRef<Path>,
        target: impl AsRef<Path>,
        fs_type: impl AsRef<OsStr>,
        options: impl AsRef<OsStr>,
    ) -> Result<Self> {
        Self::mount_at(source.as_ref(), target.as_ref().into(), fs_type.as_ref(), options.as_ref())
    }

    pub(crate) fn mount_at(source: &Path, target: At<'_>, fs_type: &OsStr, options: &OsStr) -> Result<Self> {
        let request = Request::new(source, target, fs_type, options)?;
        if !request.is_new() {
            let why = "its options change an existing mount, which a guard can't undo";
            let what = format!("mount {} on {target}", quote(source));
            return Err(Error::new(ErrorKind::InvalidInput, what, why).at(&target.name()));
        }
        let mount = request.make()?;
        Self::new(&mount, request.is_recursive())
    }

    /// Attaches a mount, and holds it with all mounts of its tree.
    ///
    /// # Errors
    ///
    /// As [`Mount::attach`].
    pub fn attach<'a>(mount: &Mount, at: impl Into<At<'a>>) -> Result<Self> {
        mount.attach(at)?;
        Self::new(mount, true)
    }

    /// Holds what has just been mounted, or takes it away again.
    fn new(mount: &Mount, recursive: bool) -> Result<Self> {
        let at = At::from(mount);
        let held = at.id().and_then(|id| {
            let unique_id = at.unique_id()?;
            Ok(MountGuard { path: at.name(), id, unique_id, recursive, kept: false })
        });
        held.inspect_err(|_| {
            // Without an id no guard can undo it; what failed is told.
            let _ = mount.detach();
        })
    }

    /// Returns where it was mounted, without symbolic links.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves the mount where it is, for good.
    pub fn keep(mut self) {
        self.kept = true;
    }

    /// Unmounts it, and tells how that went.
    ///
    /// A busy mount is tried again for up to a second, and left as it is if that doesn't help. Of a tree that has
    /// mounts on it, all is detached in one piece, in use or not: its mounts may be locked to each other.
    ///
    /// # Errors
    ///
    /// [`Busy`](ErrorKind::Busy) if it is in use, [`NotMounted`](ErrorKind::NotMounted) if it is gone or
    /// covered by another mount.
    pub fn close(mut self) -> Result<()> {
        self.kept = true;
        let Some(place) = self.place()? else {
            let why = "it is gone, or covered by another mount";
            return Err(Error::new(ErrorKind::NotMounted, self.what(), why).at(&self.path));
        };
        let is_tree = self.recursive && self.has_children()?;
        let unmounted = Unmount::new().lazy(is_tree).run(&place.path);
        unmounted.map_err(|error| error.about(self.what(), &self.path))
    }

    fn what(&self) -> String {
        format!("unmount {}", quote(&self.path))
    }

    fn has_children(&self) -> Result<bool> {
        let table = Reader::open()?.skip_bad().into_table()?;
        Ok(table.children(self.id).len() > 0)
    }

    /// Finds where it is now, if nothing covers it: directories above it may have been renamed.
    fn place(&self) -> Result<Option<Place>> {
        let table = Reader::open()?.skip_bad().into_table()?;
        let Some(entry) = table.get(self.id) else { return Ok(None) };
        let path = entry.mount_point();
        let failed = |error| Error::os(self.what(), &self.path, error);
        let place = match Place::beneath(&Root::open("/")?, &path) {
            Ok(Some(place)) => place,
            Ok(None) => Place { path: path.to_path_buf(), _parent: None },
            Err(Errno::ENOENT | Errno::ENOTDIR) => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        // No link is followed, and the directory that the name is in is held: it is this mount or none.
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let there = match sys::retry(|| nix::fcntl::open(&place.path, flags, Mode::empty())) {
            Ok(there) => there,
            Err(Errno::ENOENT | Errno::ENOTDIR) => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let at = At::Fd(there.as_fd());
        // The id of mountinfo may be another mount's by now; the unique one can't.
        let is_it = match self.unique_id {
            Some(id) => at.unique_id()? == Some(id),
            None => at.id()? == self.id,
        };
        Ok(is_it.then_some(place))
    }
}

impl Drop for MountGuard {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        if let Ok(Some(place)) = self.place() {
            // Nobody is there to be told; close() tells.
            let _ = Unmount::new().lazy(true).run(&place.path);
        }
    }
}

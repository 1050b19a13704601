//! A mount that goes when its owner goes.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::error::quote;
use crate::request::Request;
use crate::{At, Error, ErrorKind, Mount, Result, Unmount};

/// Holds a mount, and unmounts it when dropped.
///
/// Dropping is quiet, and detaches the mount at once even if it is busy; [`close`](Self::close) tells how
/// unmounting went. A mount that somebody put on top is never taken for this one: both then stay.
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
        fs_type: &str,
        options: impl AsRef<OsStr>,
    ) -> Result<Self> {
        Self::mount_at(source.as_ref(), target.as_ref().into(), fs_type, options.as_ref())
    }

    pub(crate) fn mount_at(source: &Path, target: At<'_>, fs_type: &str, options: &OsStr) -> Result<Self> {
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
    /// A busy mount is tried again for up to a second, and left as it is if that doesn't help. A tree of mounts is
    /// detached in one piece, in use or not: its mounts may be locked to each other.
    ///
    /// # Errors
    ///
    /// [`Busy`](ErrorKind::Busy) if it is in use, [`NotMounted`](ErrorKind::NotMounted) if it is gone or
    /// covered by another mount.
    pub fn close(mut self) -> Result<()> {
        self.kept = true;
        if !self.is_on_top() {
            let what = format!("unmount {}", quote(&self.path));
            let why = "it is gone, or covered by another mount";
            return Err(Error::new(ErrorKind::NotMounted, what, why).at(&self.path));
        }
        Unmount::new().lazy(self.recursive).run(&self.path)
    }

    fn is_on_top(&self) -> bool {
        let at = At::Path(&self.path);
        // The id of mountinfo may be another mount's by now; the unique one can't.
        match self.unique_id {
            Some(id) => at.unique_id().is_ok_and(|there| there == Some(id)),
            None => at.id().is_ok_and(|id| id == self.id),
        }
    }
}

impl Drop for MountGuard {
    fn drop(&mut self) {
        if !self.kept && self.is_on_top() {
            // Nobody is there to be told; close() tells.
            let _ = Unmount::new().lazy(true).run(&self.path);
        }
    }
}

//! A mount that goes when its owner goes.

use std::path::{Path, PathBuf};

use crate::error::quote;
use crate::request::Request;
use crate::{At, Error, ErrorKind, Mount, Result, force_unmount, sys};

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
        options: &str,
    ) -> Result<Self> {
        let request = Request::new(source.as_ref(), At::Path(target.as_ref()), fs_type, options)?;
        if !request.is_new() {
            return Err(Error::options(options, "they change an existing mount, which a guard can't undo"));
        }
        let recursive = request.is_recursive();
        let mount = request.make()?;
        Self::new(&mount, recursive).inspect_err(|_| {
            // Without an id no guard can undo it.
            let _ = mount.detach();
        })
    }

    /// Attaches a mount, and holds it with all mounts of its tree.
    ///
    /// # Errors
    ///
    /// As [`Mount::attach`].
    pub fn attach<'a>(mount: &Mount, at: impl Into<At<'a>>) -> Result<Self> {
        mount.attach(at)?;
        Self::new(mount, true).inspect_err(|_| {
            // As above.
            let _ = mount.detach();
        })
    }

    fn new(mount: &Mount, recursive: bool) -> Result<Self> {
        let at = At::from(mount);
        Ok(MountGuard { path: at.name(), id: at.id()?, recursive, kept: false })
    }

    /// Returns where it is mounted, without symbolic links.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves the mount where it is, for good.
    pub fn keep(mut self) {
        self.kept = true;
    }

    /// Unmounts it, and tells how that went.
    ///
    /// A busy mount is tried again for up to a second, and left as it is if that doesn't help. A recursive
    /// bind is detached in one piece, in use or not: its mounts may be locked to each other.
    ///
    /// # Errors
    ///
    /// [`Busy`](ErrorKind::Busy) if it is in use, [`NotMounted`](ErrorKind::NotMounted) if it is gone or
    /// covered by another mount.
    pub fn close(mut self) -> Result<()> {
        self.kept = true;
        if !self.is_on_top() {
            let what = format!("unmount {}", quote(&self.path));
            return Err(Error::new(ErrorKind::NotMounted, what, "it is gone, or covered by another mount")
                .at(&self.path));
        }
        if self.recursive {
            let failed = |error| Error::os(format_args!("unmount {}", quote(&self.path)), &self.path, error);
            return sys::unmount(&self.path, true).map_err(failed);
        }
        force_unmount(&self.path)
    }

    fn is_on_top(&self) -> bool {
        At::Path(&self.path).id().is_ok_and(|id| id == self.id)
    }
}

impl Drop for MountGuard {
    fn drop(&mut self) {
        if !self.kept && self.is_on_top() {
            // Nobody is there to be told; close() tells.
            let _ = sys::unmount(&self.path, true);
        }
    }
}

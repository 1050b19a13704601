//! Mounting and unmounting: the functions of 2014.

use std::ffi::OsStr;
use std::path::Path;

use crate::request::Request;
use crate::{At, ErrorKind, Result, Unmount};

/// Mounts `source` on `target`, unless the same is mounted there already.
///
/// `options` are words as in fstab; [`Options`](crate::Options) tells which. With `bind`, `source` is a file or directory and
/// `fs_type` is ignored: `none` by custom.
///
/// - *Mounted already.* If the top mount at `target` is the same one (for a bind: the same file or directory;
///   else the same source and filesystem type) and has the attributes, the propagation and the flags of the
///   filesystem that were asked for, nothing is done. Anything else there is an error. Options of the filesystem itself, such as `size=10k`, are not compared.
/// - *Binds* keep the attributes of their source, `nosuid,nodev,noexec` say, and get those in `options` on
///   top of them. On an `rbind`, the words that restrict (`ro nosuid nodev noexec nosymfollow`) hold for
///   every mount below too; `rro` and the like say so for any mount.
/// - *Existing mounts.* `remount` changes only what `options` name; with `bind` it leaves the filesystem
///   alone. With propagation words only, and without a filesystem type, nothing is mounted:
///   `mount("none", "/", "none", "rprivate")`.
/// - *All or nothing.* If a later step fails, a new mount is taken away again.
/// - *Ids.* `X-mount.idmap=b:0:100000:65536` maps the ids of a new mount, and with `ridmap` of all below.
///
/// Other words for userspace (`nofail`, `x-*`) have no effect, but that `user` and its kind imply `nosuid` and
/// `nodev`, as in [`mount(8)`]; those that would change what is mounted (`loop`, `X-mount.subdir=`) are refused.
/// On a bind, words for the filesystem have no effect. `target` is looked up once, with symbolic links
/// followed; [`Root`](crate::Root) mounts beneath a directory that no link leads out of.
///
/// [`mount(8)`]: https://man7.org/linux/man-pages/man8/mount.8.html
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
/// [`InvalidInput`](ErrorKind::InvalidInput) for options that contradict each other, that the filesystem doesn't
/// know, or that are longer than the kernel takes. What the filesystem says is in the error's words.
#[doc(alias = "Mount")]
pub fn mount(
    source: impl AsRef<Path>,
    target: impl AsRef<Path>,
    fs_type: impl AsRef<OsStr>,
    options: impl AsRef<OsStr>,
) -> Result<()> {
    mount_at(source.as_ref(), At::Path(target.as_ref()), fs_type.as_ref(), options.as_ref())
}

pub(crate) fn mount_at(source: &Path, target: At<'_>, fs_type: &OsStr, options: &OsStr) -> Result<()> {
    let request = Request::new(source, target, fs_type, options)?;
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
    fs_type: impl AsRef<OsStr>,
    options: impl AsRef<OsStr>,
) -> Result<()> {
    force_mount_at(source.as_ref(), At::Path(target.as_ref()), fs_type.as_ref(), options.as_ref())
}

pub(crate) fn force_mount_at(source: &Path, target: At<'_>, fs_type: &OsStr, options: &OsStr) -> Result<()> {
    Request::new(source, target, fs_type, options)?.run()
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
    unmount_at(At::Path(target.as_ref()))
}

pub(crate) fn unmount_at(target: At<'_>) -> Result<()> {
    match Unmount::new().run(target) {
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
    Unmount::new().run(target.as_ref())
}

//! The door to the kernel: the constants of its interface, and what nix doesn't wrap.
#![allow(unsafe_code)]

use std::ffi::{CString, OsStr};
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::Result;
use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags};

/// Flags of mount(2), the same on every architecture.
pub(crate) mod ms {
    pub(crate) const RDONLY: u64 = 1;
    pub(crate) const NOSUID: u64 = 1 << 1;
    pub(crate) const NODEV: u64 = 1 << 2;
    pub(crate) const NOEXEC: u64 = 1 << 3;
    pub(crate) const SYNCHRONOUS: u64 = 1 << 4;
    pub(crate) const REMOUNT: u64 = 1 << 5;
    pub(crate) const MANDLOCK: u64 = 1 << 6;
    pub(crate) const DIRSYNC: u64 = 1 << 7;
    pub(crate) const NOSYMFOLLOW: u64 = 1 << 8;
    pub(crate) const NOATIME: u64 = 1 << 10;
    pub(crate) const NODIRATIME: u64 = 1 << 11;
    pub(crate) const BIND: u64 = 1 << 12;
    pub(crate) const MOVE: u64 = 1 << 13;
    pub(crate) const REC: u64 = 1 << 14;
    pub(crate) const SILENT: u64 = 1 << 15;
    pub(crate) const UNBINDABLE: u64 = 1 << 17;
    pub(crate) const PRIVATE: u64 = 1 << 18;
    pub(crate) const SLAVE: u64 = 1 << 19;
    pub(crate) const SHARED: u64 = 1 << 20;
    pub(crate) const RELATIME: u64 = 1 << 21;
    pub(crate) const I_VERSION: u64 = 1 << 23;
    pub(crate) const STRICTATIME: u64 = 1 << 24;
    pub(crate) const LAZYTIME: u64 = 1 << 25;
}

/// Attributes of mount_setattr(2).
pub(crate) mod attr {
    pub(crate) const RDONLY: u64 = 0x1;
    pub(crate) const NOSUID: u64 = 0x2;
    pub(crate) const NODEV: u64 = 0x4;
    pub(crate) const NOEXEC: u64 = 0x8;
    /// The mask of a field that holds one of three values.
    pub(crate) const ATIME: u64 = 0x70;
    pub(crate) const RELATIME: u64 = 0x00;
    pub(crate) const NOATIME: u64 = 0x10;
    pub(crate) const STRICTATIME: u64 = 0x20;
    pub(crate) const NODIRATIME: u64 = 0x80;
    pub(crate) const NOSYMFOLLOW: u64 = 0x20_0000;
}

/// `struct mount_attr` of linux/mount.h.
#[repr(C)]
#[derive(Default)]
struct MountAttr {
    attr_set: u64,
    attr_clr: u64,
    propagation: u64,
    userns_fd: u64,
}

/// The attribute is missing in libc for some targets.
const STATX_ATTR_MOUNT_ROOT: u64 = 0x2000;

/// Calls mount(2); `None` for what the kernel ignores.
pub(crate) fn mount(
    source: Option<&OsStr>,
    target: &Path,
    fs_type: Option<&OsStr>,
    flags: u64,
    data: Option<&OsStr>,
) -> Result<()> {
    let flags = MsFlags::from_bits_retain(flags as libc::c_ulong);
    retry(|| nix::mount::mount(source, target, fs_type, flags, data))
}

/// Calls umount2(2), never on what a symbolic link points to.
pub(crate) fn unmount(target: &Path, detach: bool) -> Result<()> {
    let detach = if detach { MntFlags::MNT_DETACH } else { MntFlags::empty() };
    retry(|| nix::mount::umount2(target, MntFlags::UMOUNT_NOFOLLOW | detach))
}

/// Calls mount_setattr(2), on the whole tree of mounts if `tree`.
pub(crate) fn mount_setattr(target: &Path, tree: bool, set: u64, clear: u64) -> Result<()> {
    let target = c_string(target)?;
    let flags = if tree { libc::AT_RECURSIVE } else { 0 };
    let attributes = MountAttr { attr_set: set, attr_clr: clear, ..MountAttr::default() };
    retry(|| {
        // SAFETY: the path and the attributes outlive the call, and the size given is theirs.
        let result = unsafe {
            libc::syscall(
                libc::SYS_mount_setattr,
                libc::AT_FDCWD,
                target.as_ptr(),
                flags,
                &raw const attributes,
                size_of::<MountAttr>(),
            )
        };
        Errno::result(result).map(drop)
    })
}

/// What statx(2) tells about the mount under a path; `None` where this kernel is too old for it (5.8).
pub(crate) struct Status {
    pub(crate) is_root: Option<bool>,
    pub(crate) mount_id: Option<u64>,
}

/// Calls statx(2), for what it tells about mounts.
pub(crate) fn statx(path: &Path, follow: bool) -> Result<Status> {
    let path = c_string(path)?;
    let follow = if follow { 0 } else { libc::AT_SYMLINK_NOFOLLOW };
    // What is asked for is known here: no server of a network filesystem needs to be waited for.
    let flags = libc::AT_NO_AUTOMOUNT | libc::AT_STATX_DONT_SYNC | follow;
    let mut answer = MaybeUninit::<libc::statx>::zeroed();
    let result = retry(|| {
        // Not libc::statx: where the kernel refuses, glibc makes an answer up from stat, without the mount.
        // SAFETY: the path is a C string, and the kernel writes one statx into `answer`.
        let result = unsafe {
            libc::syscall(
                libc::SYS_statx,
                libc::AT_FDCWD,
                path.as_ptr(),
                flags,
                libc::STATX_MNT_ID,
                answer.as_mut_ptr(),
            )
        };
        Errno::result(result)
    });
    match result {
        // Filters older than the call answer EPERM, which statx(2) itself never does.
        Err(Errno::ENOSYS | Errno::EPERM) => return Ok(Status { is_root: None, mount_id: None }),
        Err(error) => return Err(error),
        Ok(_) => {}
    }
    // SAFETY: zeroed bytes are a valid statx, whatever of it the kernel wrote.
    let answer = unsafe { answer.assume_init() };
    let tells_root = answer.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT != 0;
    let tells_id = answer.stx_mask & libc::STATX_MNT_ID != 0;
    Ok(Status {
        is_root: tells_root.then_some(answer.stx_attributes & STATX_ATTR_MOUNT_ROOT != 0),
        mount_id: tells_id.then_some(answer.stx_mnt_id),
    })
}

fn c_string(path: &Path) -> Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL)
}

fn retry<T>(mut call: impl FnMut() -> Result<T>) -> Result<T> {
    loop {
        match call() {
            Err(Errno::EINTR) => {}
            done => return done,
        }
    }
}

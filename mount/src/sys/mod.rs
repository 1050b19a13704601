//! The door to the kernel: the constants of its interface, and what nix doesn't wrap.
#![allow(unsafe_code)]

pub(crate) mod api;
pub(crate) mod fanotify;
pub(crate) mod namespace;
pub(crate) mod poll;
pub(crate) mod process;
pub(crate) mod statmount;

use std::ffi::{CStr, CString, OsStr};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::str::FromStr;

use nix::Result;
use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag};
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

/// Calls umount2(2).
pub(crate) fn umount2(target: &Path, flags: MntFlags) -> Result<()> {
    retry(|| nix::mount::umount2(target, flags))
}

/// What statx(2) tells about the mount under a path; `None` where this kernel is too old for it.
#[derive(Clone, Copy)]
pub(crate) struct Status {
    /// Whether the path is the root of a mount (Linux 5.8).
    pub(crate) is_root: Option<bool>,
    pub(crate) id: Option<Id>,
}

/// A number of a mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Id {
    /// Never given to another mount (Linux 6.8).
    Unique(u64),
    /// That of mountinfo, given again once the mount is gone (Linux 5.8).
    Reused(u64),
}

/// The bit by which statx(2) is asked for the unique id; libc has it for some targets only.
const STATX_MNT_ID_UNIQUE: u32 = 0x4000;

/// Calls statx(2) on a path, for what it tells about the mount there.
pub(crate) fn statx(path: &Path, follow: bool, unique: bool) -> Result<Status> {
    let follow = if follow { 0 } else { libc::AT_SYMLINK_NOFOLLOW };
    statx_at(libc::AT_FDCWD, &c_string(path)?, follow, unique)
}

/// Calls statx(2) on a descriptor.
pub(crate) fn statx_fd(fd: BorrowedFd<'_>, unique: bool) -> Result<Status> {
    statx_at(fd.as_raw_fd(), c"", libc::AT_EMPTY_PATH, unique)
}

fn statx_at(dir: RawFd, path: &CStr, flags: i32, unique: bool) -> Result<Status> {
    // What is asked for is known here: no server of a network filesystem needs to be waited for.
    let flags = libc::AT_NO_AUTOMOUNT | libc::AT_STATX_DONT_SYNC | flags;
    let mask = if unique { STATX_MNT_ID_UNIQUE } else { libc::STATX_MNT_ID };
    let mut answer = MaybeUninit::<libc::statx>::zeroed();
    let result = retry(|| {
        // Not libc::statx: where the kernel refuses, glibc makes an answer up from stat, without the mount.
        // SAFETY: the path is a C string, and the kernel writes one statx into `answer`.
        let result =
            unsafe { libc::syscall(libc::SYS_statx, dir, path.as_ptr(), flags, mask, answer.as_mut_ptr()) };
        Errno::result(result)
    });
    match result {
        // Filters older than the call answer EPERM, which statx(2) itself never does.
        Err(Errno::ENOSYS | Errno::EPERM) => return Ok(Status { is_root: None, id: None }),
        Err(error) => return Err(error),
        Ok(_) => {}
    }
    // SAFETY: zeroed bytes are a valid statx, whatever of it the kernel wrote.
    let answer = unsafe { answer.assume_init() };
    let tells_root = answer.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT != 0;
    let id = match answer.stx_mask {
        mask if mask & STATX_MNT_ID_UNIQUE != 0 => Some(Id::Unique(answer.stx_mnt_id)),
        mask if mask & libc::STATX_MNT_ID != 0 => Some(Id::Reused(answer.stx_mnt_id)),
        _ => None,
    };
    Ok(Status { is_root: tells_root.then_some(answer.stx_attributes & STATX_ATTR_MOUNT_ROOT != 0), id })
}

/// Calls openat2(2) (Linux 5.6) for a path beneath a directory, which no link leaves.
pub(crate) fn open_beneath(dir: BorrowedFd<'_>, path: &Path, flags: OFlag) -> Result<OwnedFd> {
    let resolve = ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS;
    let how = OpenHow::new().flags(flags | OFlag::O_CLOEXEC).resolve(resolve);
    retry(|| nix::fcntl::openat2(dir, path, how))
}

/// Says whether the mount that a descriptor lies on follows no symbolic links.
pub(crate) fn forbids_links(fd: BorrowedFd<'_>) -> Result<bool> {
    /// Missing in libc for some targets.
    const ST_NOSYMFOLLOW: u64 = 0x2000;
    let mut answer = MaybeUninit::<libc::statvfs>::zeroed();
    retry(|| {
        // SAFETY: an open descriptor, and one statvfs is written into `answer`.
        let result = unsafe { libc::fstatvfs(fd.as_raw_fd(), answer.as_mut_ptr()) };
        Errno::result(result)
    })?;
    // SAFETY: zeroed bytes are a valid statvfs, whatever of it was written.
    let answer = unsafe { answer.assume_init() };
    Ok(answer.f_flag & ST_NOSYMFOLLOW != 0)
}

/// Returns the kernel's error in one of the standard library's, which there always is one in.
pub(crate) fn errno(error: &std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))
}

/// Returns a number from the text of a file of /proc/PID/fdinfo: `mnt_id`, `Pid`.
pub(crate) fn fdinfo<T: FromStr>(text: &str, name: &str) -> Option<T> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')?.trim().parse().ok())
}

pub(crate) fn c_string(path: &Path) -> Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL)
}

pub(crate) fn retry<T>(mut call: impl FnMut() -> Result<T>) -> Result<T> {
    loop {
        match call() {
            Err(Errno::EINTR) => {}
            done => return done,
        }
    }
}

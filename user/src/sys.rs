//! The door to the kernel: the calls that std doesn't have, and the numbers that go with them.
//!
//! Their functions are those of the C library that std is linked to; no crate stands between.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_char, c_int, c_long};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use numbers::{
    O_CLOEXEC, O_DIRECTORY, O_NOCTTY, O_NOFOLLOW, O_NONBLOCK, O_PATH, SYS_GETDENTS64, SYS_OPENAT2,
};

/// Reading, without waiting for a pipe's other end or taking a terminal.
pub(crate) const READ: i32 = O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
/// Looking at a place without opening what is there.
pub(crate) const LOOK: i32 = O_PATH | O_CLOEXEC;
/// In addition: not through a symbolic link.
pub(crate) const NO_FOLLOW: i32 = O_NOFOLLOW;
/// In addition: only a directory.
pub(crate) const DIRECTORY: i32 = O_DIRECTORY;

/// Of errno.h; the architectures that are known here agree on them.
pub(crate) const ENOENT: i32 = 2;
pub(crate) const ENOTDIR: i32 = 20;
pub(crate) const ENAMETOOLONG: i32 = 36;
pub(crate) const ELOOP: i32 = 40;
const EPERM: i32 = 1;
const EAGAIN: i32 = 11;
const ENOSYS: i32 = 38;

/// Of linux/fcntl.h.
const AT_REMOVEDIR: c_int = 0x200;

/// Of linux/openat2.h.
const RESOLVE_NO_MAGICLINKS: u64 = 0x02;
const RESOLVE_IN_ROOT: u64 = 0x10;

/// `PATH_MAX` of linux/limits.h: no symbolic link is longer.
const PATH_MAX: usize = 4096;

/// How often a lookup that a rename disturbed is tried again.
const TRIES: u32 = 128;

#[cfg(not(any(target_os = "linux", target_os = "android")))]
compile_error!("the numbers below are those of Linux");

/// Of asm-generic/fcntl.h, or what the architecture has instead.
mod numbers {
    use std::ffi::{c_int, c_long};

    pub(super) const O_NOCTTY: c_int = 0o400;
    pub(super) const O_NONBLOCK: c_int = 0o4_000;
    pub(super) const O_CLOEXEC: c_int = 0o2_000_000;
    pub(super) const O_PATH: c_int = 0o10_000_000;

    #[cfg(any(
        target_arch = "x86",
        target_arch = "x86_64",
        target_arch = "riscv32",
        target_arch = "riscv64",
        target_arch = "loongarch64",
        target_arch = "s390x",
    ))]
    mod order {
        pub(in super::super) const O_DIRECTORY: std::ffi::c_int = 0o200_000;
        pub(in super::super) const O_NOFOLLOW: std::ffi::c_int = 0o400_000;
    }
    #[cfg(any(
        target_arch = "arm",
        target_arch = "aarch64",
        target_arch = "powerpc",
        target_arch = "powerpc64",
        target_arch = "m68k",
    ))]
    mod order {
        pub(in super::super) const O_DIRECTORY: std::ffi::c_int = 0o40_000;
        pub(in super::super) const O_NOFOLLOW: std::ffi::c_int = 0o100_000;
    }
    pub(super) use order::{O_DIRECTORY, O_NOFOLLOW};

    /// x32 marks all system calls of its own.
    const MARK: c_long =
        if cfg!(all(target_arch = "x86_64", target_pointer_width = "32")) { 0x4000_0000 } else { 0 };

    /// The same number everywhere, for it is newer than the common table.
    pub(super) const SYS_OPENAT2: c_long = MARK + 437;

    pub(super) const SYS_GETDENTS64: c_long = if cfg!(any(target_arch = "x86_64", target_arch = "arm")) {
        MARK + 217
    } else if cfg!(any(target_arch = "x86", target_arch = "s390x", target_arch = "m68k")) {
        220
    } else if cfg!(any(target_arch = "powerpc", target_arch = "powerpc64")) {
        202
    } else {
        61
    };
}

/// `struct open_how` of linux/openat2.h.
#[repr(C)]
struct OpenHow {
    flags: u64,
    mode: u64,
    resolve: u64,
}

unsafe extern "C" {
    fn syscall(number: c_long, ...) -> c_long;
    fn openat(directory: c_int, path: *const c_char, flags: c_int, ...) -> c_int;
    fn readlinkat(directory: c_int, path: *const c_char, target: *mut c_char, size: usize) -> isize;
    fn mkdirat(directory: c_int, path: *const c_char, mode: u32) -> c_int;
    fn unlinkat(directory: c_int, path: *const c_char, flags: c_int) -> c_int;
    safe fn getuid() -> u32;
    safe fn geteuid() -> u32;
    safe fn getgid() -> u32;
}

/// Returns the real user id of this process.
pub(crate) fn uid() -> u32 {
    getuid()
}

/// Returns the effective user id of this process, whose what it makes is.
pub(crate) fn effective_uid() -> u32 {
    geteuid()
}

/// Returns the real group id of this process.
pub(crate) fn gid() -> u32 {
    getgid()
}

/// Opens what a path of the caller leads to, but waits for nobody.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(READ).open(path)
}

/// Opens what a path of the caller leads to only to look at it.
pub(crate) fn look(path: &Path, flags: i32) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(LOOK | flags).open(path)
}

/// Opens a path as if `root` were `/`, with openat2(2); `None` if the kernel or its filter refuses the call.
pub(crate) fn open_in_root(root: BorrowedFd<'_>, path: &CStr, flags: i32) -> io::Result<Option<File>> {
    let how = OpenHow {
        flags: u64::from(flags.cast_unsigned()),
        mode: 0,
        resolve: RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
    };
    for _ in 0..TRIES {
        // SAFETY: the path is a C string, `how` outlives the call, and its size goes with it.
        let fd = unsafe {
            let root = c_long::from(root.as_raw_fd());
            syscall(SYS_OPENAT2, root, path.as_ptr(), &raw const how, size_of::<OpenHow>())
        };
        match own(fd as RawFd) {
            Ok(file) => return Ok(Some(file)),
            Err(error) => match error.raw_os_error() {
                Some(ENOSYS | EPERM) => return Ok(None),
                // A rename somewhere in the system while ".." was followed.
                Some(EAGAIN) => {}
                _ if error.kind() == io::ErrorKind::Interrupted => {}
                _ => return Err(error),
            },
        }
    }
    Err(io::Error::from_raw_os_error(EAGAIN))
}

/// Opens one name in a directory.
pub(crate) fn open_at(directory: BorrowedFd<'_>, name: &CStr, flags: i32) -> io::Result<File> {
    loop {
        // SAFETY: the name is a C string; without O_CREAT there is no fourth argument.
        let fd = unsafe { openat(directory.as_raw_fd(), name.as_ptr(), flags) };
        match own(fd) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Opens for reading what was found with [`LOOK`], that and nothing else; `None` without `/proc`.
pub(crate) fn open_found(place: &File) -> io::Result<Option<File>> {
    // The thread's own, for it may have descriptors of its own, and its process's first thread may be gone.
    match open(Path::new(&format!("/proc/thread-self/fd/{}", place.as_raw_fd()))) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        result => result.map(Some),
    }
}

/// Makes a directory of one name in another.
pub(crate) fn make_directory(directory: BorrowedFd<'_>, name: &CStr, mode: u32) -> io::Result<()> {
    // SAFETY: the name is a C string.
    let done = unsafe { mkdirat(directory.as_raw_fd(), name.as_ptr(), mode) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Tells whether a directory that was opened for reading has nothing in it.
pub(crate) fn is_empty(directory: &File) -> io::Result<bool> {
    // A struct linux_dirent64 (getdents64(2)): inode, offset, length, type, name.
    const LENGTH: usize = 16;
    const NAME: usize = 19;
    let mut bytes = [0_u8; 4096];
    // SAFETY: the kernel writes at most `bytes.len()` bytes into `bytes`.
    let filled = unsafe {
        let directory = c_long::from(directory.as_raw_fd());
        syscall(SYS_GETDENTS64, directory, bytes.as_mut_ptr(), bytes.len())
    };
    let filled = usize::try_from(filled).map_err(|_| io::Error::last_os_error())?;
    let mut entries = &bytes[..filled];
    while let (Some(&length), Some(name)) =
        (entries[LENGTH.min(entries.len())..].first_chunk(), entries.get(NAME..))
    {
        if !name.starts_with(b".\0") && !name.starts_with(b"..\0") {
            return Ok(false);
        }
        entries = entries.get(usize::from(u16::from_ne_bytes(length)).max(1)..).unwrap_or_default();
    }
    Ok(true)
}

/// Removes an empty directory of one name from another.
pub(crate) fn remove_directory(directory: BorrowedFd<'_>, name: &CStr) -> io::Result<()> {
    // SAFETY: the name is a C string.
    let done = unsafe { unlinkat(directory.as_raw_fd(), name.as_ptr(), AT_REMOVEDIR) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Returns where a symbolic link points that was opened with [`LOOK`] and [`NO_FOLLOW`].
pub(crate) fn read_link(link: BorrowedFd<'_>) -> io::Result<Vec<u8>> {
    let mut target = vec![0_u8; PATH_MAX];
    // SAFETY: the kernel writes at most `target.len()` bytes into `target`.
    let length =
        unsafe { readlinkat(link.as_raw_fd(), c"".as_ptr(), target.as_mut_ptr().cast(), target.len()) };
    let length = usize::try_from(length).map_err(|_| io::Error::last_os_error())?;
    if length == PATH_MAX {
        // There may be more of it: cut off, it would be another path.
        return Err(io::Error::from_raw_os_error(ENAMETOOLONG));
    }
    target.truncate(length);
    Ok(target)
}

fn own(fd: RawFd) -> io::Result<File> {
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor, and nobody else knows it.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    Ok(File::from(fd))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_this_architecture() {
        assert_eq!(
            (O_NOCTTY, O_NONBLOCK, O_CLOEXEC, O_PATH, O_DIRECTORY, O_NOFOLLOW),
            (
                libc::O_NOCTTY,
                libc::O_NONBLOCK,
                libc::O_CLOEXEC,
                libc::O_PATH,
                libc::O_DIRECTORY,
                libc::O_NOFOLLOW
            )
        );
        assert_eq!((SYS_OPENAT2, SYS_GETDENTS64), (libc::SYS_openat2, libc::SYS_getdents64));
        assert_eq!((AT_REMOVEDIR, ENAMETOOLONG), (libc::AT_REMOVEDIR, libc::ENAMETOOLONG));
        assert_eq!(
            (EPERM, ENOENT, EAGAIN, ENOTDIR, ENOSYS, ELOOP),
            (libc::EPERM, libc::ENOENT, libc::EAGAIN, libc::ENOTDIR, libc::ENOSYS, libc::ELOOP)
        );
        assert_eq!(
            (RESOLVE_NO_MAGICLINKS, RESOLVE_IN_ROOT),
            (libc::RESOLVE_NO_MAGICLINKS, libc::RESOLVE_IN_ROOT)
        );
        assert_eq!((size_of::<OpenHow>(), PATH_MAX), (size_of::<libc::open_how>(), libc::PATH_MAX as usize));
    }
}

//! The door to the kernel: opening files beneath a directory, which std can't.
#![allow(unsafe_code)]

use std::ffi::CStr;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::{Error, Result};

/// Reading, without waiting for a pipe's other end or taking a terminal.
pub(crate) const READ: i32 = libc::O_RDONLY | libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC;
/// Looking at a place without opening what is there.
pub(crate) const LOOK: i32 = libc::O_PATH | libc::O_CLOEXEC;
/// In addition: not through a symbolic link.
pub(crate) const NO_FOLLOW: i32 = libc::O_NOFOLLOW;

pub(crate) const ELOOP: i32 = libc::ELOOP;
pub(crate) const ENOTDIR: i32 = libc::ENOTDIR;

/// How often a lookup that a rename disturbed is tried again.
const TRIES: u32 = 128;

/// `struct open_how` of linux/openat2.h.
#[repr(C)]
struct OpenHow {
    flags: u64,
    mode: u64,
    resolve: u64,
}

/// Opens a regular file by its path.
pub(crate) fn open_regular(path: &Path) -> Result<File> {
    let failed = |error| Error::io(path, &error);
    let file = OpenOptions::new().read(true).custom_flags(READ).open(path).map_err(failed)?;
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(Error::file(path, "it is not a regular file"));
    }
    Ok(file)
}

/// Opens a path as if `root` were `/`, with openat2(2); `None` if the kernel or its filter refuses the call.
pub(crate) fn open_in_root(root: BorrowedFd<'_>, path: &CStr, flags: i32) -> io::Result<Option<File>> {
    let how = OpenHow {
        flags: flags as u64,
        mode: 0,
        resolve: libc::RESOLVE_IN_ROOT | libc::RESOLVE_NO_MAGICLINKS,
    };
    for _ in 0..TRIES {
        // SAFETY: the path is a C string, `how` outlives the call, and its size goes with it.
        let fd = unsafe {
            libc::syscall(
                libc::SYS_openat2,
                root.as_raw_fd(),
                path.as_ptr(),
                &raw const how,
                size_of::<OpenHow>(),
            )
        };
        match own(fd as RawFd) {
            Ok(file) => return Ok(Some(file)),
            Err(error) => match error.raw_os_error() {
                Some(libc::ENOSYS | libc::EPERM) => return Ok(None),
                // A rename somewhere in the system while ".." was followed.
                Some(libc::EAGAIN | libc::EINTR) => {}
                _ => return Err(error),
            },
        }
    }
    Err(io::Error::from_raw_os_error(libc::EAGAIN))
}

/// Opens one name in a directory.
pub(crate) fn open_at(directory: BorrowedFd<'_>, name: &CStr, flags: i32) -> io::Result<File> {
    loop {
        // SAFETY: the name is a C string; without O_CREAT there is no fourth argument.
        let fd = unsafe { libc::openat(directory.as_raw_fd(), name.as_ptr(), flags) };
        match own(fd) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Returns where a symbolic link points that was opened with [`LOOK`] and [`NO_FOLLOW`].
pub(crate) fn read_link(link: BorrowedFd<'_>) -> io::Result<Vec<u8>> {
    let mut target = vec![0_u8; libc::PATH_MAX as usize];
    // SAFETY: the kernel writes at most `target.len()` bytes into `target`.
    let length =
        unsafe { libc::readlinkat(link.as_raw_fd(), c"".as_ptr(), target.as_mut_ptr().cast(), target.len()) };
    let length = usize::try_from(length).map_err(|_| io::Error::last_os_error())?;
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

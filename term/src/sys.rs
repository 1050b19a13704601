//! The system calls that no wrapper has: the only unsafe code of this crate.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::libc;

pub(crate) fn winsize(fd: BorrowedFd<'_>) -> io::Result<libc::winsize> {
    let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the kernel fills one winsize, which `size` is, and which outlives the call.
    let result = unsafe { libc::ioctl(fd.as_raw_fd(), libc::TIOCGWINSZ, &raw mut size) };
    Errno::result(result)?;
    Ok(size)
}

pub(crate) fn set_winsize(fd: BorrowedFd<'_>, size: &libc::winsize) -> io::Result<()> {
    // SAFETY: the kernel reads one winsize, which `size` is.
    let result = unsafe { libc::ioctl(fd.as_raw_fd(), libc::TIOCSWINSZ, &raw const *size) };
    Errno::result(result)?;
    Ok(())
}

/// Lets the terminal of a pseudoterminal's controller be opened.
pub(crate) fn unlock_pty(controller: BorrowedFd<'_>) -> io::Result<()> {
    let locked: libc::c_int = 0;
    // SAFETY: the kernel reads one int, which outlives the call.
    let result = unsafe { libc::ioctl(controller.as_raw_fd(), libc::TIOCSPTLCK, &raw const locked) };
    Errno::result(result)?;
    Ok(())
}

/// Opens the terminal of a pseudoterminal's controller.
pub(crate) fn pty_peer(controller: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    // SAFETY: the argument is an integer, no memory is shared with the kernel.
    let fd = unsafe { libc::ioctl(controller.as_raw_fd(), libc::TIOCGPTPEER, flags) };
    let fd = Errno::result(fd)?;
    // SAFETY: the kernel has just made this descriptor, and nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

//! The system calls that no safe crate has: this crate's only unsafe code outside the image.

#![allow(unsafe_code)]

use std::ffi::{CStr, c_int, c_void};
use std::io;
use std::mem::{self, MaybeUninit};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;
use std::time::{Duration, Instant};

use crate::process::ExitStatus;
use crate::raw::{self, nr};

/// What the child between vfork and execveat needs: plain memory, prepared before it exists.
struct Birth {
    image: RawFd,
    arguments: [*const libc::c_char; 4],
    environment: [*const libc::c_char; 1],
    /// Descriptors of this process, which the child moves out of each other's way.
    sources: Vec<RawFd>,
    /// The numbers that they get.
    targets: Vec<RawFd>,
    /// The first number that is in nobody's way.
    free: RawFd,
    /// What failed, if anything did.
    errno: i32,
}

/// Starts an image with a set of descriptors: `fds` are pairs of a descriptor and its new number.
///
/// Only the calling thread waits, until the image runs. Nothing of this process changes.
pub(crate) fn spawn(
    image: BorrowedFd<'_>,
    arguments: [&CStr; 3],
    fds: &[(RawFd, RawFd)],
) -> io::Result<(u32, OwnedFd)> {
    // On this thread's own stack: memory from the allocator would mean its locks, and a system call.
    const STACK: usize = 16 * 1024;
    let free = fds.iter().map(|&(_, target)| target + 1).max().unwrap_or(3);
    let mut birth = Birth {
        image: image.as_raw_fd(),
        arguments: [arguments[0].as_ptr(), arguments[1].as_ptr(), arguments[2].as_ptr(), ptr::null()],
        environment: [ptr::null()],
        sources: fds.iter().map(|&(source, _)| source).collect(),
        targets: fds.iter().map(|&(_, target)| target).collect(),
        free,
        errno: 0,
    };
    let mut stack = [MaybeUninit::<u128>::uninit(); STACK / 16];
    let mut pidfd: RawFd = -1;
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD | libc::SIGCHLD;
    let argument = ptr::from_mut(&mut birth).cast::<c_void>();
    let top = stack.as_mut_ptr_range().end.cast::<c_void>();

    let mask = block_signals();
    // SAFETY: the child runs on `stack` and uses `birth` only; both outlive it, because this thread
    // waits until it has executed the image or ended (CLONE_VFORK). `pidfd` outlives the call.
    let pid = unsafe { libc::clone(child, top, flags, argument, ptr::from_mut(&mut pidfd)) };
    let error = io::Error::last_os_error();
    restore_signals(mask);

    if pid < 0 {
        return Err(error);
    }
    // SAFETY: the kernel just made this descriptor for us.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    // SAFETY: `birth` is alive; the child that could write to it has ended or become the image.
    let errno = unsafe { ptr::read_volatile(&raw const birth.errno) };
    if errno != 0 {
        let _ = wait(pidfd.as_fd());
        return Err(io::Error::from_raw_os_error(errno));
    }
    Ok((pid as u32, pidfd))
}

/// The child between vfork and execveat. It shares the parent's memory, so it makes raw system calls
/// only: no allocation, no lock, no errno.
extern "C" fn child(argument: *mut c_void) -> c_int {
    // SAFETY: `spawn` passes its `Birth`, which lives until this function has ended.
    let birth = unsafe { &mut *argument.cast::<Birth>() };
    if let Err(errno) = become_image(birth) {
        // SAFETY: a plain store; the parent reads it when this process has ended.
        unsafe { ptr::write_volatile(&raw mut birth.errno, errno) };
    }
    127
}

fn become_image(birth: &mut Birth) -> Result<(), i32> {
    // A session of its own is, where the scheduler groups by session, also a share of the processors of
    // its own: the start doesn't wait behind all threads of this program.
    let _ = plain(nr::SETSID, [0; 6]);
    let free = birth.free as usize;
    let duplicate =
        |fd: RawFd| plain(nr::FCNTL, [fd as usize, libc::F_DUPFD_CLOEXEC as usize, free, 0, 0, 0]);
    let image = duplicate(birth.image)?;
    for source in &mut birth.sources {
        *source = duplicate(*source)? as RawFd;
    }
    for (source, target) in birth.sources.iter().zip(&birth.targets) {
        plain(nr::DUP3, [*source as usize, *target as usize, 0, 0, 0, 0])?;
    }
    let (arguments, environment) = (birth.arguments.as_ptr() as usize, birth.environment.as_ptr() as usize);
    let path = c"".as_ptr() as usize;
    let call = [image, path, arguments, environment, libc::AT_EMPTY_PATH as usize, 0];
    // SAFETY: the strings and both lists, each with its null, live in the waiting parent.
    answer(unsafe { raw::syscall(nr::EXECVEAT, call) }).map(drop)
}

/// A system call that takes numbers only.
fn plain(number: usize, arguments: [usize; 6]) -> Result<usize, i32> {
    // SAFETY: the callers pass calls that read and write no memory.
    answer(unsafe { raw::syscall(number, arguments) })
}

fn answer(answer: isize) -> Result<usize, i32> {
    if (-4095..0).contains(&answer) { Err(-answer as i32) } else { Ok(answer as usize) }
}

/// Blocks every signal of this thread, those of the C library too, and returns the mask before.
fn block_signals() -> u64 {
    let (all, mut before) = (u64::MAX, 0_u64);
    let (new, old) = (ptr::from_ref(&all) as usize, ptr::from_mut(&mut before) as usize);
    // SAFETY: both masks have the 8 bytes that the call is told.
    let _ = unsafe { raw::syscall(nr::RT_SIGPROCMASK, [libc::SIG_SETMASK as usize, new, old, 8, 0, 0]) };
    before
}

fn restore_signals(mask: u64) {
    let new = ptr::from_ref(&mask) as usize;
    // SAFETY: the mask has the 8 bytes that the call is told.
    let _ = unsafe { raw::syscall(nr::RT_SIGPROCMASK, [libc::SIG_SETMASK as usize, new, 0, 8, 0, 0]) };
}

fn checked(answer: i64) -> io::Result<i64> {
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(answer) }
}

/// Makes a file in memory.
pub(crate) fn memfd(name: &CStr, flags: u32) -> io::Result<OwnedFd> {
    // SAFETY: the name is a string with its NUL.
    let fd = checked(unsafe { libc::syscall(libc::SYS_memfd_create, name.as_ptr(), flags) })?;
    // SAFETY: the kernel just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// Returns a handle of a process.
pub(crate) fn pidfd_open(pid: u32) -> io::Result<OwnedFd> {
    // SAFETY: the call takes numbers only.
    let fd = checked(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })?;
    // SAFETY: the kernel just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// Sends a signal to the process of a handle, whatever its number is used for now.
pub(crate) fn pidfd_send_signal(pidfd: BorrowedFd<'_>, signal: i32) -> io::Result<()> {
    let info = ptr::null::<c_void>();
    // SAFETY: without an info the kernel fills it in itself.
    checked(unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal, info, 0) })?;
    Ok(())
}

/// Copies a descriptor of another process.
pub(crate) fn pidfd_getfd(pidfd: BorrowedFd<'_>, number: u32) -> io::Result<OwnedFd> {
    // SAFETY: the call takes numbers only.
    let fd = checked(unsafe { libc::syscall(libc::SYS_pidfd_getfd, pidfd.as_raw_fd(), number, 0) })?;
    // SAFETY: the kernel just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// Waits for a child of this process and returns how it ended.
pub(crate) fn wait(pidfd: BorrowedFd<'_>) -> io::Result<ExitStatus> {
    // SAFETY: all of siginfo_t's fields may be zero.
    let mut info: libc::siginfo_t = unsafe { mem::zeroed() };
    let number = pidfd.as_raw_fd() as libc::id_t;
    // SAFETY: `info` outlives the call.
    let done = unsafe { libc::waitid(libc::P_PIDFD, number, &raw mut info, libc::WEXITED) };
    checked(done.into())?;
    // SAFETY: after a successful wait the fields of a SIGCHLD are there.
    let status = unsafe { info.si_status() };
    Ok(if info.si_code == libc::CLD_EXITED {
        ExitStatus::Exited(status)
    } else {
        ExitStatus::Signaled(status)
    })
}

/// Returns the wait status of a process that has ended and that nobody can wait for any more; `None`
/// where the kernel doesn't keep it (before Linux 6.15).
pub(crate) fn pidfd_exit_status(pidfd: BorrowedFd<'_>) -> Option<i32> {
    const PIDFD_GET_INFO: libc::c_ulong = 0xc040_ff0b;
    const PIDFD_INFO_EXIT: u64 = 8;
    let begin = Instant::now();
    loop {
        // struct pidfd_info: mask, cgroupid, pid, tgid, ppid, eight other ids, exit_code
        let mut info = [0_u64; 8];
        info[0] = PIDFD_INFO_EXIT;
        // SAFETY: the request's number says 64 bytes, and so many `info` has.
        let done = unsafe { libc::ioctl(pidfd.as_raw_fd(), PIDFD_GET_INFO as _, info.as_mut_ptr()) };
        if done == 0 && info[0] & PIDFD_INFO_EXIT != 0 {
            return Some((info[7] >> 32) as i32);
        }
        // A child of ours that another thread is waiting for at this moment: the answer comes when
        // that is done.
        let ours = done == 0 && info[3] as u32 == std::process::id();
        if !ours || begin.elapsed() > Duration::from_secs(1) {
            return None;
        }
        std::thread::yield_now();
    }
}

/// Returns the user namespace that owns a namespace; `None` where the caller may not see it.
pub(crate) fn owning_user_namespace(namespace: BorrowedFd<'_>) -> Option<OwnedFd> {
    const NS_GET_USERNS: libc::c_ulong = 0xb701;
    // SAFETY: the request takes no argument.
    let fd = unsafe { libc::ioctl(namespace.as_raw_fd(), NS_GET_USERNS as _) };
    // SAFETY: the kernel just made this descriptor for us.
    (fd >= 0).then(|| unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Takes over a descriptor that came in a message, or that was just made.
pub(crate) fn received(fd: RawFd) -> OwnedFd {
    // SAFETY: the kernel just made it for us, and nobody else has it.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// Names one of this process's descriptors by its number, which need not be open.
pub(crate) fn numbered(fd: RawFd) -> BorrowedFd<'static> {
    // SAFETY: it is only asked for its flags, which tells whether it is open.
    unsafe { BorrowedFd::borrow_raw(fd) }
}

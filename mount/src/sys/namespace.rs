//! Entering a mount namespace, without the caller.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::thread;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::stat::Mode;

use super::retry;

/// Opens the mount table of a namespace; fails with the step that the kernel refused.
pub(crate) fn mountinfo(namespace: BorrowedFd<'_>) -> Result<OwnedFd, (&'static str, Errno)> {
    // Opened here: /proc over there is whatever somebody mounted.
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let proc = retry(|| open("/proc", flags, Mode::empty())).map_err(|error| ("open /proc", error))?;
    thread::scope(|scope| {
        let thread = thread::Builder::new().spawn_scoped(scope, || {
            // A thread that shares its root and working directory with others may not enter (setns(2)).
            unshare(CloneFlags::CLONE_FS)
                .map_err(|error| ("leave the other threads' root directory", error))?;
            setns(namespace, CloneFlags::CLONE_NEWNS).map_err(|error| ("enter it", error))?;
            let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
            retry(|| openat(&proc, "thread-self/mountinfo", flags, Mode::empty()))
                .map_err(|error| ("open its mountinfo", error))
        });
        let thread = thread.map_err(|error| {
            ("start a thread", Errno::from_raw(error.raw_os_error().unwrap_or(libc::EAGAIN)))
        })?;
        thread.join().unwrap_or(Err(("run a thread", Errno::ECANCELED)))
    })
}

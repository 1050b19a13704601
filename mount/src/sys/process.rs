//! A child that is there for its user namespace.

use std::ffi::c_void;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

use nix::Result;
use nix::errno::Errno;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, kill, pthread_sigmask};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

use super::retry;

/// Room for two system calls, and for the loader, which may still have to look up `syscall` there.
const STACK_BYTES: usize = 64 << 10;

/// A child that waits in a new user namespace, and is killed and reaped when dropped.
///
/// Its end sends no signal, and only who waits with `__WCLONE` sees it: not the embedder's `waitpid(-1)`.
pub(crate) struct Child {
    pid: Pid,
    /// The child itself, whatever its number is in a /proc of another pid namespace.
    pidfd: OwnedFd,
    /// Where it runs; gone after it.
    _stack: Vec<u128>,
}

impl Child {
    /// Makes one with clone(2). It copies neither memory nor descriptors (CLONE_PIDFD: Linux 5.2).
    pub(crate) fn in_new_user_namespace() -> Result<Self> {
        // Aligned as every architecture wants it.
        let mut stack = vec![0_u128; STACK_BYTES / size_of::<u128>()];
        let mut pidfd: RawFd = -1;
        let flags = libc::CLONE_NEWUSER | libc::CLONE_VM | libc::CLONE_FILES | libc::CLONE_PIDFD;
        let parent = ptr::without_provenance_mut::<c_void>(std::process::id() as usize);
        let top = stack.as_mut_ptr_range().end.cast::<c_void>();
        // A signal to the whole process group would run the embedder's handlers in the child, on this memory.
        let mut before = SigSet::empty();
        pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), Some(&mut before))?;
        // SAFETY: `wait` touches nothing but its own stack, which is there until the child is reaped; the
        // kernel writes one descriptor.
        let pid = unsafe { libc::clone(wait, top, flags, parent, &raw mut pidfd) };
        let pid = Errno::result(pid);
        let restored = pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&before), None);
        let pid = Pid::from_raw(pid?);
        // SAFETY: the kernel has just made it for us.
        let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
        let child = Child { pid, pidfd, _stack: stack };
        restored.map(|()| child)
    }

    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    pub(crate) fn pidfd(&self) -> &OwnedFd {
        &self.pidfd
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // By its descriptor: somebody who waits for children of every kind may have reaped it if it died early.
        let none = ptr::null::<libc::siginfo_t>();
        // SAFETY: an open descriptor, a signal, no more information and no flags.
        let sent = unsafe {
            libc::syscall(libc::SYS_pidfd_send_signal, self.pidfd.as_raw_fd(), libc::SIGKILL, none, 0)
        };
        if matches!(Errno::result(sent), Err(Errno::ENOSYS | Errno::EPERM)) {
            let _ = kill(self.pid, Signal::SIGKILL);
        }
        let _ = retry(|| waitpid(self.pid, Some(WaitPidFlag::__WCLONE)));
    }
}

/// Waits to be killed. It shares its parent's memory, the thread's own included: nothing may be written there,
/// so that these are calls that can't fail, or after which it ends.
extern "C" fn wait(parent: *mut c_void) -> libc::c_int {
    // Should the parent die first, this must not stay.
    // SAFETY: plain numbers.
    unsafe { libc::syscall(libc::SYS_prctl, libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0) };
    // SAFETY: it takes nothing.
    let now = unsafe { libc::syscall(libc::SYS_getppid) };
    if now == parent.addr() as libc::c_long {
        let none = ptr::null::<c_void>();
        // SAFETY: no descriptors, no time limit and no signal mask; every signal but SIGKILL is blocked.
        unsafe { libc::syscall(libc::SYS_ppoll, none, 0, none, none, 0) };
    }
    loop {
        // SAFETY: ends this thread, which is the whole process.
        unsafe { libc::syscall(libc::SYS_exit, 0) };
    }
}

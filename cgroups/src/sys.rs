//! The system calls that nix doesn't know: the crate's one door to unsafe code.
#![allow(unsafe_code)]

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::errno::Errno;

/// Opens a handle on a process that never comes to mean another one ([`pidfd_open(2)`]).
///
/// [`pidfd_open(2)`]: https://man7.org/linux/man-pages/man2/pidfd_open.2.html
pub(crate) fn pidfd_open(pid: u32) -> nix::Result<OwnedFd> {
    // SAFETY: the call takes two numbers and no pointer.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid as libc::pid_t, 0) };
    owned(Errno::result(fd)?)
}

/// Sends SIGKILL to the process behind the handle.
pub(crate) fn pidfd_kill(pidfd: BorrowedFd<'_>) -> nix::Result<()> {
    let info = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: the descriptor is open for the length of the call, and a null siginfo is allowed.
    let done =
        unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), libc::SIGKILL, info, 0) };
    Errno::result(done).map(drop)
}

/// Has a program move itself, between fork and exec, to where these lists of processes are.
pub(crate) fn enter_before_exec(command: &mut Command, lists: Vec<OwnedFd>) {
    // 0 is whoever writes it.
    let enter = move || Ok(lists.iter().try_for_each(|list| nix::unistd::write(list, b"0").map(drop))?);
    // SAFETY: between fork and exec of a program with threads there may be only calls that don't allocate or lock:
    // this is write(2), and its error is a plain number.
    unsafe { command.pre_exec(enter) };
}

/// Takes bytes for the text that they are, faster where all of it is ASCII, as control files are.
pub(crate) fn text(bytes: &[u8]) -> Option<&str> {
    if bytes.is_ascii() {
        // SAFETY: ASCII is UTF-8.
        return Some(unsafe { str::from_utf8_unchecked(bytes) });
    }
    str::from_utf8(bytes).ok()
}

/// The commands of [`bpf(2)`] that a device filter needs.
///
/// [`bpf(2)`]: https://man7.org/linux/man-pages/man2/bpf.2.html
pub(crate) mod bpf {
    use super::{AsRawFd, BorrowedFd, Errno, OwnedFd, owned};

    const PROG_LOAD: libc::c_int = 5;
    const PROG_ATTACH: libc::c_int = 8;
    const PROG_DETACH: libc::c_int = 9;
    const PROG_GET_FD_BY_ID: libc::c_int = 13;
    const PROG_QUERY: libc::c_int = 16;

    const PROG_TYPE_CGROUP_DEVICE: u32 = 15;
    const ATTACH_TYPE_CGROUP_DEVICE: u32 = 6;
    const F_ALLOW_MULTI: u32 = 1 << 1;
    const F_REPLACE: u32 = 1 << 2;

    /// The most programs that the kernel lets one attach to a cgroup.
    const MOST_PROGRAMS: usize = 64;

    /// `union bpf_attr`, always passed whole: some kernels (6.17 to 7.1) write more of it than the size they
    /// were given for `PROG_QUERY`.
    #[derive(Default)]
    #[repr(C, align(8))]
    struct Attr {
        words: [u32; 32],
    }

    impl Attr {
        fn pointer<T>(&mut self, word: usize, to: *const T) {
            // The kernel reads 64 bits in native order.
            let bytes = (to as usize as u64).to_ne_bytes();
            let (low, high) = bytes.split_at(4);
            for (at, half) in [low, high].into_iter().enumerate() {
                self.words[word + at] = u32::from_ne_bytes([half[0], half[1], half[2], half[3]]);
            }
        }

        fn call(&mut self, command: libc::c_int) -> nix::Result<libc::c_long> {
            let attr: *mut Attr = self;
            // SAFETY: the attribute is a whole, initialised union; what it points to lives in the callers below,
            // beyond this call, with the lengths that they put beside the pointers.
            Errno::result(unsafe { libc::syscall(libc::SYS_bpf, command, attr, size_of::<Attr>()) })
        }
    }

    /// Loads a device program.
    pub(crate) fn load(instructions: &[u64]) -> nix::Result<OwnedFd> {
        let mut attr = Attr::default();
        attr.words[0] = PROG_TYPE_CGROUP_DEVICE;
        attr.words[1] = instructions.len() as u32;
        attr.pointer(2, instructions.as_ptr());
        attr.pointer(4, c"Apache-2.0".as_ptr());
        // The name that `bpftool cgroup show` prints.
        for (word, letters) in [*b"cgro", *b"ups_", *b"dev\0"].into_iter().enumerate() {
            attr.words[12 + word] = u32::from_ne_bytes(letters);
        }
        owned(attr.call(PROG_LOAD)?)
    }

    /// Attaches a program to the cgroup, beside those that are there, or in the place of one of them.
    pub(crate) fn attach(
        cgroup: BorrowedFd<'_>,
        program: BorrowedFd<'_>,
        replaced: Option<BorrowedFd<'_>>,
    ) -> nix::Result<()> {
        let mut attr = Attr::default();
        attr.words[0] = cgroup.as_raw_fd() as u32;
        attr.words[1] = program.as_raw_fd() as u32;
        attr.words[2] = ATTACH_TYPE_CGROUP_DEVICE;
        attr.words[3] = F_ALLOW_MULTI;
        if let Some(replaced) = replaced {
            attr.words[3] |= F_REPLACE;
            attr.words[4] = replaced.as_raw_fd() as u32;
        }
        attr.call(PROG_ATTACH).map(drop)
    }

    /// Takes a program off the cgroup.
    pub(crate) fn detach(cgroup: BorrowedFd<'_>, program: BorrowedFd<'_>) -> nix::Result<()> {
        let mut attr = Attr::default();
        attr.words[0] = cgroup.as_raw_fd() as u32;
        attr.words[1] = program.as_raw_fd() as u32;
        attr.words[2] = ATTACH_TYPE_CGROUP_DEVICE;
        attr.call(PROG_DETACH).map(drop)
    }

    /// Returns the ids of the device programs attached to the cgroup itself.
    pub(crate) fn attached(cgroup: BorrowedFd<'_>) -> nix::Result<Vec<u32>> {
        let mut ids = [0_u32; MOST_PROGRAMS];
        let mut attr = Attr::default();
        attr.words[0] = cgroup.as_raw_fd() as u32;
        attr.words[1] = ATTACH_TYPE_CGROUP_DEVICE;
        attr.pointer(4, ids.as_mut_ptr());
        attr.words[6] = MOST_PROGRAMS as u32;
        attr.call(PROG_QUERY)?;
        let found = (attr.words[6] as usize).min(MOST_PROGRAMS);
        Ok(ids[..found].to_vec())
    }

    /// Opens a loaded program.
    pub(crate) fn open(id: u32) -> nix::Result<OwnedFd> {
        let mut attr = Attr::default();
        attr.words[0] = id;
        owned(attr.call(PROG_GET_FD_BY_ID)?)
    }
}

/// Takes possession of a descriptor that the kernel has just made, CLOEXEC as all of these calls make them.
fn owned(fd: libc::c_long) -> nix::Result<OwnedFd> {
    let fd = RawFd::try_from(fd).map_err(|_| Errno::EBADF)?;
    // SAFETY: the kernel has just returned it, so it is open and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

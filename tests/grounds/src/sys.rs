//! The door for `unsafe`: what neither the standard library nor nix offers.
#![allow(unsafe_code)]

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use libc::{c_int, c_uint, c_ulong, c_void, sock_filter, sock_fprog};
use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::ptrace;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

/// This architecture, as `seccomp_data` and `ptrace_syscall_info` name it (`AUDIT_ARCH_*`).
pub(crate) const ARCH: u32 = if cfg!(target_arch = "x86_64") {
    0xc000_003e
} else if cfg!(target_arch = "aarch64") {
    0xc000_00b7
} else {
    panic!("faults are for x86-64 and aarch64")
};

/// What a traced thread is told to do next.
#[derive(Debug, Clone, Copy)]
#[repr(u32)]
pub(crate) enum Resume {
    /// Run to the next entry or exit of a system call.
    ToCall = libc::PTRACE_SYSCALL,
    /// Run to the next birth, exec, signal or death.
    Freely = libc::PTRACE_CONT,
    /// Stay stopped as its process is, and tell when that ends.
    Stopped = libc::PTRACE_LISTEN,
    /// Run, and be traced no more.
    Untraced = libc::PTRACE_DETACH,
}

/// Resumes a traced thread and delivers a signal to it; 0 is none.
///
/// nix has no signals but the first 31, and the C library's own are above.
pub(crate) fn resume(tid: i32, how: Resume, signal: c_int) -> nix::Result<()> {
    let address = std::ptr::null_mut::<c_void>();
    // SAFETY: of these requests none takes an address; the data is a signal's number.
    let result = unsafe { libc::ptrace(how as c_uint, tid, address, signal as usize as *mut c_void) };
    Errno::result(result).map(drop)
}

/// Where a traced thread is stopped.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place {
    /// Before a system call.
    Entry { arch: u32, number: u64 },
    /// After one.
    Exit,
    /// Elsewhere.
    Other,
}

/// `struct ptrace_syscall_info` as far as it is needed; libc has it for one C library only.
#[repr(C)]
#[derive(Default)]
struct SyscallInfo {
    operation: u8,
    reserved: u8,
    flags: u16,
    arch: u32,
    instruction_pointer: u64,
    stack_pointer: u64,
    number: u64,
    arguments: [u64; 7],
}

/// Tells where a traced thread is stopped.
pub(crate) fn place(tid: i32) -> nix::Result<Place> {
    const GET_SYSCALL_INFO: c_uint = 0x420e;
    let mut info = SyscallInfo::default();
    let size = size_of::<SyscallInfo>() as *mut c_void;
    // SAFETY: the kernel writes at most `size` bytes, which is what `info` has.
    let result = unsafe { libc::ptrace(GET_SYSCALL_INFO, tid, size, &raw mut info) };
    Errno::result(result)?;
    Ok(match info.operation {
        1 => Place::Entry { arch: info.arch, number: info.number },
        2 => Place::Exit,
        _ => Place::Other,
    })
}

/// Returns the next state change of a child or traced thread of *this thread*, where there is one.
/// That a child stops that isn't traced is one if `untraced` says so.
///
/// nix fails at stops by the signals that it doesn't know, and has no name for this status's parts.
pub(crate) fn wait_any(untraced: bool) -> nix::Result<Option<(i32, c_int)>> {
    let mut status = 0;
    let flags = libc::__WALL | libc::__WNOTHREAD | libc::WNOHANG;
    let flags = if untraced { flags | libc::WUNTRACED } else { flags };
    // SAFETY: `status` outlives the call.
    let tid = Errno::result(unsafe { libc::waitpid(-1, &raw mut status, flags) })?;
    Ok((tid != 0).then_some((tid, status)))
}

/// Sends a signal to a thread; 0 only asks whether the process has it.
pub(crate) fn tgkill(process: i32, thread: i32, signal: c_int) -> nix::Result<()> {
    // SAFETY: three numbers.
    let result = unsafe { libc::syscall(libc::SYS_tgkill, process, thread, signal) };
    Errno::result(result).map(drop)
}

/// Makes a command traced by the thread that spawns it, from its exec on, while `armed` says so.
///
/// A command keeps what was added to it: `armed` disarms it for those who spawn it later.
pub(crate) fn trace_me_before_exec(command: &mut Command, armed: Arc<AtomicBool>) {
    let trace_me = move || {
        if armed.load(Ordering::Relaxed) {
            ptrace::traceme()?;
        }
        Ok(())
    };
    // SAFETY: after the fork it reads a byte and does one system call; it allocates nothing.
    unsafe { command.pre_exec(trace_me) };
}

/// Makes a command enter the cgroup whose `cgroup.procs` this is, before its exec.
pub(crate) fn enter_before_exec(command: &mut Command, procs: File) {
    // SAFETY: after the fork it does one system call on a file that is open; it allocates nothing.
    unsafe { command.pre_exec(move || (&procs).write_all(b"0")) };
}

/// Lowers a command's limit of descriptors so that `more` can be opened after its exec.
pub(crate) fn descriptors_before_exec(command: &mut Command, more: u64) {
    let lower = move || {
        let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
        // What is to be closed by the exec is as good as free.
        let limit = nofile_for(more, hard, |fd| {
            // SAFETY: the flags of any number may be asked; of one that isn't open that is an error.
            let flags = unsafe { libc::fcntl(fd, libc::F_GETFD) };
            flags == -1 || flags & libc::FD_CLOEXEC != 0
        });
        setrlimit(Resource::RLIMIT_NOFILE, limit, hard)?;
        Ok(())
    };
    // SAFETY: after the fork it does system calls on numbers; it allocates nothing.
    unsafe { command.pre_exec(lower) };
}

/// Returns the limit below which `more` descriptors are free.
pub(crate) fn nofile_for(more: u64, hard: u64, free: impl Fn(i32) -> bool) -> u64 {
    let mut found = 0;
    let mut limit = 0;
    // A limit is one more than the highest number: what is beyond the next free one stays out.
    while limit < hard && (found < more || !free(limit as i32)) {
        found += u64::from(free(limit as i32));
        limit += 1;
    }
    limit
}

/// Tells whether there is a system call of this number, for this thread.
pub(crate) fn answers(number: u64) -> bool {
    const NOTHING: c_int = -1;
    // SAFETY: none of the calls since Linux 5.1, which are all that is asked for, does anything with a
    // descriptor, a pointer, a size and flags that are all -1.
    let result = unsafe {
        libc::syscall(number as libc::c_long, NOTHING, NOTHING, NOTHING, NOTHING, NOTHING, NOTHING)
    };
    Errno::result(result) != Err(Errno::ENOSYS)
}

/// Installs a seccomp filter on this thread and all that comes of it.
///
/// Where this user may, without `no_new_privs`, which would change what an exec does.
pub(crate) fn install_filter(filter: &[sock_filter]) -> nix::Result<()> {
    match set_filter(filter) {
        Err(Errno::EACCES) => {
            prctl::set_no_new_privs()?;
            set_filter(filter)
        }
        result => result,
    }
}

fn set_filter(filter: &[sock_filter]) -> nix::Result<()> {
    let program = sock_fprog { len: filter.len() as u16, filter: filter.as_ptr().cast_mut() };
    let (operation, flags): (c_uint, c_ulong) = (libc::SECCOMP_SET_MODE_FILTER, 0);
    // SAFETY: the program's length goes with it, and the kernel only reads it, during the call.
    let result = unsafe { libc::syscall(libc::SYS_seccomp, operation, flags, &raw const program) };
    Errno::result(result).map(drop)
}

/// Installs a seccomp filter on a command, before its exec.
pub(crate) fn filter_before_exec(command: &mut Command, filter: Vec<sock_filter>) {
    // SAFETY: after the fork it does system calls on what is there; it allocates nothing.
    unsafe { command.pre_exec(move || install_filter(&filter).map_err(io::Error::from)) };
}

thread_local! {
    // No destructor and no lazy start: a signal handler may touch it at any time.
    static INTERRUPTIONS: AtomicU64 = const { AtomicU64::new(0) };
}

extern "C" fn count_interruption(_: c_int) {
    INTERRUPTIONS.with(|count| count.fetch_add(1, Ordering::Relaxed));
}

/// Returns how often this thread was interrupted.
pub(crate) fn interruptions() -> u64 {
    INTERRUPTIONS.with(|count| count.load(Ordering::Relaxed))
}

/// Makes a signal count and do nothing else, so that it interrupts system calls.
pub(crate) fn interrupt_on(signal: Signal) -> nix::Result<()> {
    let count = SigHandler::Handler(count_interruption);
    // No SA_RESTART: that is the fault.
    let action = SigAction::new(count, SaFlags::empty(), SigSet::empty());
    // SAFETY: the handler adds to an atomic number of its thread, which is safe in a signal handler.
    unsafe { sigaction(signal, &action) }.map(drop)
}

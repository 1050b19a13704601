//! Waiting: a file of the kernel that is ready once, made a descriptor that stays ready.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use nix::Result;
use nix::errno::Errno;
use nix::sys::eventfd::{EfdFlags, EventFd};

use super::retry;

// linux/aio_abi.h
const IOCB_CMD_POLL: u16 = 5;
const IOCB_FLAG_RESFD: u32 = 1;

/// `struct iocb` of linux/aio_abi.h.
#[repr(C)]
#[derive(Default)]
struct Iocb {
    data: u64,
    key_and_flags: u64,
    opcode: u16,
    priority: i16,
    fd: u32,
    buffer: u64,
    bytes: u64,
    offset: i64,
    reserved: u64,
    flags: u32,
    ready: u32,
}

const _: () = assert!(size_of::<Iocb>() == 64);

/// Lets the kernel itself count an eventfd up when a file becomes ready (Linux 4.18, with `CONFIG_AIO`).
#[derive(Debug)]
pub(crate) struct Bridge {
    context: libc::c_ulong,
}

impl Bridge {
    pub(crate) fn new() -> Result<Self> {
        let mut context: libc::c_ulong = 0;
        // SAFETY: the kernel writes one word into `context`.
        let result = unsafe { libc::syscall(libc::SYS_io_setup, 1, &raw mut context) };
        Errno::result(result)?;
        Ok(Bridge { context })
    }

    /// Counts `ready` up, once, as soon as `file` has one of these events.
    pub(crate) fn arm(&self, file: BorrowedFd<'_>, events: libc::c_short, ready: &EventFd) -> Result<()> {
        let mut order = Iocb {
            opcode: IOCB_CMD_POLL,
            fd: file.as_raw_fd() as u32,
            buffer: u64::from(events as u16),
            flags: IOCB_FLAG_RESFD,
            ready: ready.as_fd().as_raw_fd() as u32,
            ..Iocb::default()
        };
        let orders = [&raw mut order];
        retry(|| {
            // SAFETY: the kernel copies the one order that the list has.
            let result = unsafe { libc::syscall(libc::SYS_io_submit, self.context, 1, orders.as_ptr()) };
            Errno::result(result).map(drop)
        })
    }

    /// Says whether the file became ready; then it is to be armed again.
    pub(crate) fn fired(&self) -> Result<bool> {
        // `struct io_event`: four words, of which none is of interest.
        let mut events = [[0_u64; 4]];
        let now = [0_u64; 2];
        let count = retry(|| {
            // SAFETY: the kernel writes at most one event; on 64 bits the time is two words of 64 bits, on 32
            // bits two of 32, and zero is zero.
            let result = unsafe {
                libc::syscall(libc::SYS_io_getevents, self.context, 0, 1, events.as_mut_ptr(), now.as_ptr())
            };
            Errno::result(result)
        })?;
        Ok(count > 0)
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        // SAFETY: a number that the kernel gave; it calls back what is still waited for.
        unsafe { libc::syscall(libc::SYS_io_destroy, self.context) };
    }
}

/// Opens an eventfd that nobody waits in.
pub(crate) fn eventfd() -> Result<EventFd> {
    EventFd::from_value_and_flags(0, EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)
}

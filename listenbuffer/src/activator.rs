//! The latch between a listener and its accepters.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Instant;

use nix::sys::eventfd::{EfdFlags, EventFd};

use crate::error::Cause;
use crate::wait::readable;

const WAITING: u8 = 0;
const ACTIVE: u8 = 1;
const ABANDONED: u8 = 2;
const CLOSED: u8 = 3;

/// Lets a listener hand over what it has kept, once and for good.
///
/// Activating is the same from every thread and at any time, before or after somebody accepts; doing
/// it twice changes nothing. It is also safe in a signal handler and in a runtime: an atomic exchange
/// and one `write` that never blocks.
///
/// Clones activate the same listener. When the last one is dropped without activating, those who
/// wait get an error, rather than wait for what can't happen any more.
#[derive(Debug, Clone)]
#[must_use = "dropping it without activating fails every accept"]
pub struct Activator {
    token: Arc<Token>,
}

impl Activator {
    pub(crate) fn new(gate: Arc<Gate>) -> Self {
        Self { token: Arc::new(Token { gate }) }
    }

    /// Activates the listener, for all accepters and all clients.
    pub fn activate(&self) {
        self.token.gate.settle(ACTIVE);
    }
}

/// What all clones of an activator share.
#[derive(Debug)]
struct Token {
    gate: Arc<Gate>,
}

impl Drop for Token {
    fn drop(&mut self) {
        self.gate.settle(ABANDONED);
    }
}

/// Where accepters wait: readable descriptors that stay readable, so nobody is forgotten.
#[derive(Debug)]
pub(crate) struct Gate {
    state: AtomicU8,
    /// Readable as soon as there is nothing to wait for any more, good or bad.
    settled: EventFd,
    /// Readable as soon as the listener is closed.
    closed: EventFd,
}

impl Gate {
    pub(crate) fn new() -> nix::Result<Self> {
        let event = || EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK);
        Ok(Self { state: AtomicU8::new(WAITING), settled: event()?, closed: event()? })
    }

    /// Ends the waiting; the first one to do so decides how.
    fn settle(&self, state: u8) {
        if self.state.compare_exchange(WAITING, state, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            signal(&self.settled);
        }
    }

    /// Closes for good, active or not.
    pub(crate) fn close(&self) {
        if self.state.swap(CLOSED, Ordering::AcqRel) != CLOSED {
            signal(&self.settled);
            signal(&self.closed);
        }
    }

    /// Tells whether the gate is open.
    pub(crate) fn is_open(&self) -> Result<bool, Cause> {
        match self.state.load(Ordering::Acquire) {
            WAITING => Ok(false),
            ACTIVE => Ok(true),
            ABANDONED => Err(Cause::Abandoned),
            _ => Err(Cause::Closed),
        }
    }

    /// Waits until the gate is open.
    pub(crate) fn pass(&self, deadline: Option<Instant>) -> Result<(), Cause> {
        while !self.is_open()? {
            readable(&[self.settled()], deadline)?;
        }
        Ok(())
    }

    pub(crate) fn settled(&self) -> BorrowedFd<'_> {
        self.settled.as_fd()
    }

    pub(crate) fn closed(&self) -> BorrowedFd<'_> {
        self.closed.as_fd()
    }
}

fn signal(event: &EventFd) {
    // Each is written once or twice: its counter can't be full, which is all that could fail.
    let _ = event.write(1);
}

//! EINTR: signals that interrupt every wait.

use std::io;
use std::marker::PhantomData;
use std::process;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::unistd::gettid;

use crate::sys;

/// Ignored where nobody handles it, and used by next to nobody.
const SIGNAL: Signal = Signal::SIGURG;

/// A storm of signals over the thread that made it, until it is dropped.
///
/// For test processes: it sets the process's handler of SIGURG, without SA_RESTART, and leaves it.
#[derive(Debug)]
pub struct Interrupts {
    sender: Option<(Sender<()>, JoinHandle<()>)>,
    before: u64,
    /// Signals are counted by the thread that gets them.
    here: PhantomData<*const ()>,
}

impl Interrupts {
    /// Interrupts this thread in this interval from now on.
    pub fn every(interval: Duration) -> io::Result<Interrupts> {
        sys::interrupt_on(SIGNAL)?;
        let before = sys::interruptions();
        let (process, thread) = (process::id() as i32, gettid().as_raw());
        let (stop, stopped) = mpsc::channel();
        let storm = move || {
            while stopped.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
                let _ = sys::tgkill(process, thread, SIGNAL as i32);
            }
        };
        let sender = thread::Builder::new().name("interrupts".into()).spawn(storm)?;
        Ok(Interrupts { sender: Some((stop, sender)), before, here: PhantomData })
    }

    /// Returns how many signals have arrived.
    pub fn delivered(&self) -> u64 {
        sys::interruptions() - self.before
    }
}

impl Drop for Interrupts {
    fn drop(&mut self) {
        if let Some((stop, sender)) = self.sender.take() {
            drop(stop);
            drop(sender.join());
        }
    }
}

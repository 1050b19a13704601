//! A process in the foreground: signals for this program are for it.

use std::os::fd::AsFd;

use libcontainer::{Child, Container, ExitStatus};
use nix::errno::Errno;
use nix::libc::{SIGCHLD, SIGCONT, SIGPIPE, SIGURG, SIGWINCH};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::console::Terminal;
use crate::failure::{Failure, Result};

/// What can be waited for.
pub(crate) trait Process {
    fn try_wait(&mut self) -> libcontainer::Result<Option<ExitStatus>>;
    fn signal(&self, signal: i32) -> libcontainer::Result<()>;
}

impl Process for Container {
    fn try_wait(&mut self) -> libcontainer::Result<Option<ExitStatus>> {
        Container::try_wait(self)
    }

    fn signal(&self, signal: i32) -> libcontainer::Result<()> {
        Container::signal(self, signal)
    }
}

impl Process for Child {
    fn try_wait(&mut self) -> libcontainer::Result<Option<ExitStatus>> {
        Child::try_wait(self)
    }

    fn signal(&self, signal: i32) -> libcontainer::Result<()> {
        Child::signal(self, signal)
    }
}

/// The signals of this program, kept for the process.
#[derive(Debug)]
pub(crate) struct Signals(SignalFd);

impl Signals {
    /// Keeps signals from now on, so that none is lost while the process is made.
    pub(crate) fn keep() -> Result<Signals> {
        let failed = |errno: Errno| Failure::io("keep signals", errno);
        let mut kept = SigSet::all();
        // In the background, using the terminal stops this program, as it does any other.
        kept.remove(Signal::SIGTTIN);
        kept.remove(Signal::SIGTTOU);
        kept.thread_block().map_err(failed)?;
        SignalFd::with_flags(&kept, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
            .map(Signals)
            .map_err(failed)
    }

    /// Hands signals on until the process has ended, and returns its exit code.
    pub(crate) fn attend(&self, process: &mut dyn Process, terminal: Option<&Terminal>) -> Result<u8> {
        loop {
            // The end of a child sends SIGCHLD, which wakes the poll beneath.
            if let Some(status) = process.try_wait()? {
                return Ok(u8::try_from(status.code()).unwrap_or(u8::MAX));
            }
            match poll(&mut [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)], PollTimeout::NONE) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(Failure::io("wait for signals", errno)),
            }
            while let Some(signal) = self.next()? {
                match (signal, terminal) {
                    // SIGPIPE is about our own output.
                    (SIGCHLD | SIGPIPE | SIGURG, _) => {}
                    (SIGWINCH, Some(terminal)) => terminal.resize(),
                    (SIGCONT, Some(terminal)) => terminal.continued(),
                    // One that has just ended needs no signal: the next turn sees it.
                    (signal, _) => drop(process.signal(signal)),
                }
            }
        }
    }

    fn next(&self) -> Result<Option<i32>> {
        match self.0.read_signal() {
            Ok(info) => Ok(info.map(|info| info.ssi_signo as i32)),
            Err(Errno::EINTR) => Ok(None),
            Err(errno) => Err(Failure::io("read signals", errno)),
        }
    }
}

//! A program that runs on a ground.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::guest;

/// A program that was started. It is killed when this is dropped.
pub(crate) struct Running {
    /// Its standard output; the reader takes it.
    pub(crate) stdout: Option<File>,
    /// Its standard error; the reader takes it.
    pub(crate) stderr: Option<File>,
    inner: Inner,
}

enum Inner {
    Native { unwanted: Arc<AtomicBool>, waiter: Option<JoinHandle<io::Result<Ended>>> },
    Guest(Box<guest::Running>),
}

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// With this exit code; 128 and the number for a signal.
    Code(i32),
    /// Not by itself: the ground broke, or the time was over.
    Broken(String),
}

impl Running {
    /// Starts a program of this kernel.
    pub(crate) fn native(command: &mut Command, limit: Duration) -> io::Result<Running> {
        // A group of its own, so that all of it can be killed.
        let mut child = command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let stdout = child.stdout.take().map(|pipe| File::from(OwnedFd::from(pipe)));
        let stderr = child.stderr.take().map(|pipe| File::from(OwnedFd::from(pipe)));
        let unwanted = Arc::new(AtomicBool::new(false));
        let is_unwanted = Arc::clone(&unwanted);
        // On a thread: the end of the output is waited for first, and would never come.
        let waiter = thread::spawn(move || wait_or_kill(&mut child, Instant::now() + limit, &is_unwanted));
        Ok(Running { stdout, stderr, inner: Inner::Native { unwanted, waiter: Some(waiter) } })
    }

    /// Takes a program of a second kernel.
    pub(crate) fn guest(mut running: guest::Running) -> Running {
        let (stdout, stderr) = (running.stdout.take(), running.stderr.take());
        Running { stdout, stderr, inner: Inner::Guest(Box::new(running)) }
    }

    /// Waits for its end, which comes at its time limit at last.
    pub(crate) fn wait(mut self) -> Result<Ended, String> {
        match &mut self.inner {
            Inner::Guest(running) => Ok(match running.wait().map_err(|error| error.to_string())? {
                guest::Ended::Exited(code) => Ended::Code(code),
                guest::Ended::Signaled(signal) => Ended::Code(128 + signal),
                broken => Ended::Broken(broken.to_string()),
            }),
            Inner::Native { waiter, .. } => {
                let ended = waiter.take().and_then(|waiter| waiter.join().ok());
                ended
                    .unwrap_or_else(|| Err(io::Error::other("the waiter panicked")))
                    .map_err(|error| error.to_string())
            }
        }
    }
}

fn wait_or_kill(child: &mut Child, until: Instant, unwanted: &AtomicBool) -> io::Result<Ended> {
    loop {
        if let Some(status) = child.try_wait()? {
            let code = status.code().or_else(|| Some(128 + status.signal()?));
            return Ok(Ended::Code(code.unwrap_or(255)));
        }
        if Instant::now() > until || unwanted.load(Ordering::Relaxed) {
            let _ = killpg(Pid::from_raw(child.id() as i32), Signal::SIGKILL);
            child.wait()?;
            return Ok(Ended::Broken("not finished in time".to_owned()));
        }
        thread::sleep(Duration::from_millis(2));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Inner::Native { unwanted, waiter } = &mut self.inner {
            unwanted.store(true, Ordering::Relaxed);
            drop(waiter.take().map(JoinHandle::join));
        }
    }
}

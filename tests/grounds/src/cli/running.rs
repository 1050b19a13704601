//! A program that runs on a ground.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::{guest, this_program};

/// How long a warden may take to end what it keeps, and itself.
const ENDING: Duration = Duration::from_secs(15);

/// A program that was started. It is killed when this is dropped, and when this process ends.
pub(crate) struct Running {
    /// Its standard output; the reader takes it.
    pub(crate) stdout: Option<File>,
    /// Its standard error; the reader takes it.
    pub(crate) stderr: Option<File>,
    inner: Inner,
}

enum Inner {
    Native { life: Life, waiter: Option<JoinHandle<io::Result<Ended>>> },
    Guest(Box<guest::Running>),
}

/// The warden's standard input: the end of it is the end of what it keeps.
type Life = Arc<Mutex<Option<ChildStdin>>>;

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// With this exit code; 128 and the number for a signal.
    Code(i32),
    /// Not by itself: the ground broke, or the time was over.
    Broken(String),
}

impl Running {
    /// Starts a program of this kernel: `prepare` adds its name, arguments and surroundings.
    pub(crate) fn native(prepare: impl FnOnce(&mut Command), limit: Duration) -> io::Result<Running> {
        let mut command = Command::new(this_program()?);
        command.arg("warden");
        prepare(&mut command);
        let streams = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut warden = streams.spawn()?;
        let stdout = warden.stdout.take().map(|pipe| File::from(OwnedFd::from(pipe)));
        let stderr = warden.stderr.take().map(|pipe| File::from(OwnedFd::from(pipe)));
        let life = Arc::new(Mutex::new(warden.stdin.take()));
        let its_life = Arc::clone(&life);
        // On a thread: the end of the output is waited for first, and comes with the warden's.
        let waiter = thread::spawn(move || wait(&mut warden, &its_life, Instant::now() + limit));
        Ok(Running { stdout, stderr, inner: Inner::Native { life, waiter: Some(waiter) } })
    }

    /// Takes a program of a second kernel.
    pub(crate) fn guest(mut running: guest::Running) -> Running {
        let (stdout, stderr) = (running.stdout.take(), running.stderr.take());
        Running { stdout, stderr, inner: Inner::Guest(Box::new(running)) }
    }

    /// Returns what ends the program, whoever waits for it.
    pub(crate) fn killer(&self) -> Box<dyn Fn() + Send> {
        match &self.inner {
            Inner::Guest(running) => Box::new(running.killer()),
            Inner::Native { life, .. } => {
                let life = Arc::clone(life);
                Box::new(move || end(&life))
            }
        }
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
                let ended = ended.unwrap_or_else(|| Err(io::Error::other("the waiter panicked")));
                ended.map_err(|error| error.to_string())
            }
        }
    }
}

fn end(life: &Life) {
    drop(life.lock().unwrap_or_else(PoisonError::into_inner).take());
}

fn wait(warden: &mut Child, life: &Life, until: Instant) -> io::Result<Ended> {
    let mut late = false;
    loop {
        if let Some(status) = warden.try_wait()? {
            let killed = life.lock().unwrap_or_else(PoisonError::into_inner).is_none();
            return Ok(match status.code() {
                _ if late || killed => Ended::Broken("not finished in time".to_owned()),
                Some(code) => Ended::Code(code),
                None => Ended::Broken(format!("its warden died: {status}")),
            });
        }
        if Instant::now() > until {
            late = true;
            end(life);
        }
        if Instant::now() > until + ENDING {
            warden.kill()?;
        }
        thread::sleep(Duration::from_millis(2));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Inner::Native { life, waiter } = &mut self.inner {
            end(life);
            drop(waiter.take().map(JoinHandle::join));
        }
    }
}

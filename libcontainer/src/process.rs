//! Processes: what they read and write, and how they end.

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::sync::{Arc, Mutex, PoisonError};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::poll::PollTimeout;

use crate::error::{Error, ErrorKind, Result};
use crate::{launch, sys};

/// Where a standard stream of a process leads.
#[derive(Debug, Default)]
pub enum Stdio {
    /// To where the caller's leads.
    #[default]
    Inherit,
    /// To `/dev/null`.
    Null,
    /// To this descriptor.
    Fd(OwnedFd),
}

impl<T: Into<OwnedFd>> From<T> for Stdio {
    fn from(fd: T) -> Self {
        Stdio::Fd(fd.into())
    }
}

/// What a process reads and writes. With a terminal the standard streams are the terminal's.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Io {
    /// Descriptor 0.
    pub stdin: Stdio,
    /// Descriptor 1.
    pub stdout: Stdio,
    /// Descriptor 2.
    pub stderr: Stdio,
    /// Descriptors 3, 4 and so on.
    pub inherited: Vec<OwnedFd>,
    /// The program, where it isn't one of the container's: an open file, executed as it is, wherever it lies. So a
    /// daemon runs code of its own in a container, an engine for WebAssembly, say.
    ///
    /// The arguments are the process's, its name first. A program that is linked to libraries finds them in the
    /// container only; one that begins with `#!` can't be executed so. The container's processes can open the file by
    /// `/proc/PID/exe`: let it be a sealed memfd, or one that nobody can write to.
    ///
    /// ```no_run
    /// # fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    /// use libcontainer::{Config, Container, Io};
    ///
    /// let mut config = Config::new("/srv/rootfs");
    /// config.process.args = vec!["engine".to_owned(), "/app.wasm".to_owned()];
    /// let mut io = Io::default();
    /// io.program = Some(std::fs::File::open("/usr/lib/my-daemon/engine")?.into());
    /// let container = Container::run(&config, io)?;
    /// # Ok(())
    /// # }
    /// ```
    pub program: Option<OwnedFd>,
}

impl Io {
    /// Hands descriptors of this process over under their own numbers: 3, 4 and so on, `count` of them.
    ///
    /// # Errors
    ///
    /// [`NotFound`](crate::ErrorKind::NotFound) where one of them isn't open.
    pub fn preserve(&mut self, count: u32) -> Result<()> {
        for number in (3..).take(count as usize) {
            let copy = fcntl(sys::numbered(number), FcntlArg::F_DUPFD_CLOEXEC(3)).map_err(|errno| {
                let error = Error::errno(format_args!("hand over descriptor {number}"), errno);
                if errno == Errno::EBADF { error.with_kind(ErrorKind::NotFound) } else { error }
            })?;
            self.inherited.push(sys::received(copy));
        }
        Ok(())
    }
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExitStatus {
    /// It exited with this code.
    Exited(i32),
    /// A signal ended it.
    Signaled(i32),
    /// It ended, and somebody else took the answer: another handle of the same container in this
    /// program, or the program itself, which ignores SIGCHLD or waits for all of its children. Linux
    /// 6.15 and later keep the answer, and this doesn't happen there.
    Unknown,
}

impl ExitStatus {
    pub(crate) fn from_wait(status: i32) -> Self {
        let status = std::process::ExitStatus::from_raw(status);
        match (status.code(), status.signal()) {
            (Some(code), _) => ExitStatus::Exited(code),
            (None, Some(signal)) => ExitStatus::Signaled(signal),
            (None, None) => ExitStatus::Unknown,
        }
    }

    /// Returns the code as a shell shows it: 128 and the signal's number where one ended it, 255
    /// where it is unknown.
    pub fn code(self) -> i32 {
        match self {
            ExitStatus::Exited(code) => code,
            ExitStatus::Signaled(signal) => 128 + signal,
            ExitStatus::Unknown => 255,
        }
    }

    /// Returns whether it exited with 0.
    pub fn success(self) -> bool {
        self == ExitStatus::Exited(0)
    }
}

impl fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExitStatus::Exited(code) => write!(f, "exit code {code}"),
            ExitStatus::Signaled(signal) => write!(f, "signal {signal}"),
            ExitStatus::Unknown => f.write_str("unknown exit status"),
        }
    }
}

/// A process that was started in a container by [`Container::exec`](crate::Container::exec).
///
/// Dropping it leaves the process running.
#[derive(Debug)]
pub struct Child {
    pub(crate) joined: Arc<Joined>,
    pub(crate) console: Option<OwnedFd>,
}

/// A process that joined a container. The container knows it too: the first process of a PID
/// namespace can't end before all others in it were waited for
/// ([`pid_namespaces(7)`](https://man7.org/linux/man-pages/man7/pid_namespaces.7.html)), and this one's
/// parent is the caller.
#[derive(Debug)]
pub(crate) struct Joined {
    pid: u32,
    pidfd: OwnedFd,
    status: Mutex<Option<ExitStatus>>,
}

impl Joined {
    pub(crate) fn new(pid: u32, pidfd: OwnedFd) -> Self {
        Joined { pid, pidfd, status: Mutex::new(None) }
    }

    /// Waits until it has ended; whoever asks is told the same.
    pub(crate) fn wait(&self) -> Result<ExitStatus> {
        // Not under the lock: others ask whether it has ended meanwhile.
        launch::ended(self.pidfd.as_fd(), PollTimeout::NONE)?;
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(status) = *status {
            return Ok(status);
        }
        Ok(*status.insert(launch::reap(self.pidfd.as_fd())?))
    }

    pub(crate) fn try_wait(&self) -> Result<Option<ExitStatus>> {
        if launch::ended(self.pidfd.as_fd(), PollTimeout::ZERO)? { self.wait().map(Some) } else { Ok(None) }
    }
}

impl AsFd for Joined {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

impl Child {
    /// Returns its number in the caller's PID namespace.
    pub fn pid(&self) -> u32 {
        self.joined.pid
    }

    /// Returns the master of its terminal, where it has one.
    pub fn console(&self) -> Option<BorrowedFd<'_>> {
        self.console.as_ref().map(AsFd::as_fd)
    }

    /// Waits until it has ended.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        self.joined.wait()
    }

    /// Returns how it ended, or `None` while it runs.
    pub fn try_wait(&mut self) -> Result<Option<ExitStatus>> {
        self.joined.try_wait()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: i32) -> Result<()> {
        let what = format_args!("send signal {signal} to process {}", self.pid());
        sys::pidfd_send_signal(self.as_fd(), signal).map_err(|error| Error::io(what, &error))
    }
}

/// The handle of the process, readable when it has ended.
impl AsFd for Child {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.joined.as_fd()
    }
}

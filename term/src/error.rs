//! The error of this crate: what was done, to which descriptor, and the kernel's reason.

use std::fmt;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::libc;

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a terminal could not be read or changed.
///
/// Its text is one complete line:
/// `get the window size of descriptor 3: Inappropriate ioctl for device (os error 25)`.
pub struct Error {
    what: String,
    cause: io::Error,
}

/// What kind of failure an [`Error`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The descriptor is open on something else: a file, a pipe, a socket.
    NotATerminal,
    /// There is no terminal: the process has no controlling one, or this system has no pseudoterminals.
    NotFound,
    /// The terminal's other side is gone, or the process was orphaned in the background.
    HungUp,
    /// Anything else; [`Error::raw_os_error`] has the number.
    Other,
}

/// As `Display`: a `main` that returns this error prints one line.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error {
    /// Tells that `action` failed on a descriptor: `action` reads "get the window size of".
    pub(crate) fn on(action: &str, fd: BorrowedFd<'_>, cause: io::Error) -> Self {
        Self::new(format!("{action} descriptor {}", fd.as_raw_fd()), cause)
    }

    pub(crate) fn new(what: impl Into<String>, cause: io::Error) -> Self {
        Self { what: what.into(), cause }
    }

    /// Returns what kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        match self.cause.raw_os_error() {
            Some(libc::ENOTTY | libc::EOPNOTSUPP) => ErrorKind::NotATerminal,
            Some(libc::ENOENT | libc::ENXIO | libc::ENODEV) => ErrorKind::NotFound,
            Some(libc::EIO) => ErrorKind::HungUp,
            _ => ErrorKind::Other,
        }
    }

    /// Returns the number of the system call's error.
    pub fn raw_os_error(&self) -> Option<i32> {
        self.cause.raw_os_error()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.cause)
    }
}

impl std::error::Error for Error {}

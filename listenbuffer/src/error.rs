//! The error of this crate: what was done, on which socket, and why it failed.

use std::fmt;
use std::io;

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a socket could not be made or accepted from.
///
/// Its text is one complete line: `listen on unix "/run/app.sock": Address already in use (os error 98)`.
pub struct Error {
    what: String,
    cause: Cause,
}

/// What kind of failure an [`Error`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Every activator was dropped without activating: nobody will be handed over any more.
    Abandoned,
    /// The listener was closed.
    Closed,
    /// The deadline passed.
    TimedOut,
    /// Somebody else listens on that address, or a file that is no socket has the path.
    AddrInUse,
    /// This user may not listen there.
    PermissionDenied,
    /// The address can't be read, or the protocol is unknown or has no such operation.
    InvalidInput,
    /// Anything else; [`Error::raw_os_error`] may have the number.
    Other,
}

/// Why an operation failed, before it is known which operation that was.
#[derive(Debug)]
pub(crate) enum Cause {
    Abandoned,
    Closed,
    TimedOut,
    Unsupported,
    Io(io::Error),
}

/// As `Display`: a `main` that returns this error prints one line.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error {
    pub(crate) fn new(what: impl Into<String>, cause: impl Into<Cause>) -> Self {
        Self { what: what.into(), cause: cause.into() }
    }

    /// Returns what kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        match &self.cause {
            Cause::Abandoned => ErrorKind::Abandoned,
            Cause::Closed => ErrorKind::Closed,
            Cause::TimedOut => ErrorKind::TimedOut,
            Cause::Unsupported => ErrorKind::InvalidInput,
            Cause::Io(error) => match error.kind() {
                io::ErrorKind::AddrInUse => ErrorKind::AddrInUse,
                io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
                io::ErrorKind::InvalidInput | io::ErrorKind::InvalidFilename => ErrorKind::InvalidInput,
                _ => ErrorKind::Other,
            },
        }
    }

    /// Returns the number of the system call's error, where one failed.
    pub fn raw_os_error(&self) -> Option<i32> {
        match &self.cause {
            Cause::Io(error) => error.raw_os_error(),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.what)?;
        match &self.cause {
            Cause::Abandoned => f.write_str("the activator is gone and never activated it"),
            Cause::Closed => f.write_str("it is closed"),
            Cause::TimedOut => f.write_str("the deadline has passed"),
            Cause::Unsupported => f.write_str("udp has no connections, its messages are read with recv_from"),
            Cause::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {}

impl From<io::Error> for Cause {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<nix::errno::Errno> for Cause {
    fn from(errno: nix::errno::Errno) -> Self {
        Self::Io(errno.into())
    }
}

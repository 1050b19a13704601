//! What can go wrong.

use std::fmt::{self, Display};
use std::io;
use std::path::{Path, PathBuf};

/// What a function of this crate gives.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a container could not be made, started or reached: one line that says what, on what, why.
#[derive(thiserror::Error)]
#[error("{text}")]
pub struct Error {
    kind: ErrorKind,
    text: String,
    errno: Option<i32>,
    path: Option<PathBuf>,
}

/// The kinds of errors that a caller can act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The configuration contradicts itself, or asks for what doesn't exist.
    InvalidConfig,
    /// There is no such container, file or program.
    NotFound,
    /// A container of this name exists already.
    AlreadyExists,
    /// The caller may not do this.
    PermissionDenied,
    /// The container is not in the state that this needs.
    InvalidState,
    /// The program could not be executed.
    Exec,
    /// The kernel, or this build, can't do this.
    Unsupported,
    /// Anything else that the system answered.
    System,
}

/// As `Display`: a `main` that returns this error prints one line.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, text: impl Display) -> Self {
        Error { kind, text: text.to_string(), errno: None, path: None }
    }

    /// A system call or an operation of the standard library failed.
    pub(crate) fn io(what: impl Display, error: &io::Error) -> Self {
        let kind = match error.kind() {
            io::ErrorKind::NotFound => ErrorKind::NotFound,
            io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
            io::ErrorKind::AlreadyExists => ErrorKind::AlreadyExists,
            io::ErrorKind::Unsupported => ErrorKind::Unsupported,
            _ => ErrorKind::System,
        };
        Error { kind, text: format!("{what}: {error}"), errno: error.raw_os_error(), path: None }
    }

    pub(crate) fn errno(what: impl Display, errno: nix::errno::Errno) -> Self {
        Error::io(what, &io::Error::from(errno))
    }

    pub(crate) fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.kind = kind;
        self
    }

    pub(crate) fn at(mut self, path: impl AsRef<Path>) -> Self {
        self.path = Some(path.as_ref().to_owned());
        self
    }

    /// Returns what a caller can act on.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Returns the kernel's error number, where the kernel refused.
    pub fn raw_os_error(&self) -> Option<i32> {
        self.errno
    }

    /// Returns the path that the error is about, where there is one.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }
}

/// Makes an error of one of our other crates' errors, which are whole lines already.
macro_rules! from_ours {
    ($($name:ident),*) => {$(
        impl From<$name::Error> for Error {
            fn from(error: $name::Error) -> Self {
                let kind = match error.raw_os_error() {
                    Some(libc::EPERM | libc::EACCES) => ErrorKind::PermissionDenied,
                    _ => ErrorKind::System,
                };
                Error { kind, text: error.to_string(), errno: error.raw_os_error(), path: None }
            }
        }
    )*};
}
from_ours!(cgroups, mount, netlink, user);

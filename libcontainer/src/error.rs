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
    /// What was written down about a container is cut off, or garbage.
    Malformed,
    /// The container is not in the state that this needs.
    InvalidState,
    /// The program could not be executed.
    Exec,
    /// A hook failed. One that comes after the end has no say: the container is gone all the same.
    Hook,
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
        Error { kind, text: one_line(text), errno: None, path: None }
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
        let text = one_line(format_args!("{what}: {error}"));
        Error { kind, text, errno: error.raw_os_error(), path: None }
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

/// Shows control characters instead of sending them to a terminal: a parser or the kernel may repeat what
/// somebody wrote.
fn one_line(text: impl Display) -> String {
    let shown =
        |letter: char| if letter.is_control() { letter.escape_default().to_string() } else { letter.into() };
    text.to_string().chars().map(shown).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Found by fuzzing: a field of a state file that nobody knows, and the kernel's word on an option,
    /// came out as they were written.
    #[test]
    fn an_error_is_one_line_whatever_is_repeated_in_it() {
        let error = Error::new(ErrorKind::System, "unknown field `\x1b[2Ja\nb`");
        assert_eq!(error.to_string(), r"unknown field `\u{1b}[2Ja\nb`");
        let error = Error::io("tmpfs: Unknown parameter 'a\nb'", &io::Error::from_raw_os_error(22));
        assert_eq!(error.to_string(), r"tmpfs: Unknown parameter 'a\nb': Invalid argument (os error 22)");
    }
}

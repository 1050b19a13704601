//! What went wrong, on what, why.

use std::fmt::{self, Display};
use std::io;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

/// What this crate's functions return.
pub type Result<T> = std::result::Result<T, Error>;

/// The kinds of failure that a caller can act on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The cgroup, hierarchy, control file or process does not exist (any more).
    NotFound,
    /// This user may not; also said for a read-only cgroup file system, as inside many containers.
    PermissionDenied,
    /// Something lives in the cgroup that must not, or a limit is below what is in use.
    Busy,
    /// A path, a rule or a value that can't be meant, or that the kernel refused.
    InvalidInput,
    /// The controller that a resource needs is not mounted or not enabled here.
    NoController,
    /// The controller is there, but this kernel or cgroup version lacks what was asked for.
    Unsupported,
    /// The kernel did not finish within the deadline.
    TimedOut,
    /// The kernel's file does not read as it should.
    Malformed,
    /// Anything else; the text and [`Error::raw_os_error`] tell.
    Other,
}

/// A failure, told in one line: what, on what, why.
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    os: Option<i32>,
    path: Option<PathBuf>,
    text: String,
}

/// As `Display`: a `main` that returns this error prints one line.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error {
    /// Returns what kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns the kernel's error number, where the kernel refused.
    pub fn raw_os_error(&self) -> Option<i32> {
        self.0.os
    }

    /// Returns the file or directory that it happened on, where there is one.
    pub fn path(&self) -> Option<&Path> {
        self.0.path.as_deref()
    }

    /// A failure that is not the kernel's.
    pub(crate) fn new(kind: ErrorKind, text: impl Into<String>) -> Error {
        Error(Box::new(Inner { kind, os: None, path: None, text: text.into() }))
    }

    /// The kernel refused `action` on `path`.
    pub(crate) fn os(action: impl Display, path: &Path, cause: impl Into<io::Error>) -> Error {
        let cause = cause.into();
        let mut error = Error::at(kind_of(&cause), action, path, &cause);
        error.0.os = cause.raw_os_error();
        error
    }

    /// `action` on `path` can't be, and the kernel need not be asked or doesn't say it itself.
    #[expect(clippy::unnecessary_debug_formatting, reason = "the quotes and the escapes are wanted")]
    pub(crate) fn at(kind: ErrorKind, action: impl Display, path: &Path, why: impl Display) -> Error {
        let text = format!("{action} {path:?}: {why}");
        Error(Box::new(Inner { kind, os: None, path: Some(path.to_owned()), text }))
    }

    /// The content of `path` does not read as it should.
    pub(crate) fn malformed(path: &Path, what: impl Display) -> Error {
        Error::at(ErrorKind::Malformed, "read", path, what)
    }

    /// The same failure, with one more reason at the end of the line.
    pub(crate) fn note(mut self, reason: impl Display) -> Error {
        self.0.text = format!("{}: {reason}", self.0.text);
        self
    }

    /// The same failure, with what this error number means here.
    pub(crate) fn note_on(self, errno: Errno, meaning: impl Display) -> Error {
        if self.is(errno) { self.note(meaning) } else { self }
    }

    /// The same failure as another kind, where the place says more than the number.
    pub(crate) fn kind_is(mut self, kind: ErrorKind) -> Error {
        self.0.kind = kind;
        self
    }

    /// The name of the control file, or nothing.
    pub(crate) fn file_name(&self) -> &str {
        self.path().and_then(Path::file_name).and_then(std::ffi::OsStr::to_str).unwrap_or_default()
    }

    pub(crate) fn is(&self, errno: Errno) -> bool {
        self.0.os == Some(errno as i32)
    }

    /// The directory or file is no longer there: removed beforehand, or under an open descriptor.
    pub(crate) fn is_gone(&self) -> bool {
        self.is(Errno::ENOENT) || self.is(Errno::ENODEV)
    }
}

fn kind_of(cause: &io::Error) -> ErrorKind {
    match Errno::from_raw(cause.raw_os_error().unwrap_or(0)) {
        Errno::ENOENT | Errno::ENODEV | Errno::ESRCH => ErrorKind::NotFound,
        Errno::EPERM | Errno::EACCES | Errno::EROFS => ErrorKind::PermissionDenied,
        Errno::EBUSY => ErrorKind::Busy,
        Errno::EINVAL | Errno::ERANGE | Errno::E2BIG | Errno::ENAMETOOLONG => ErrorKind::InvalidInput,
        Errno::EOPNOTSUPP | Errno::ENOSYS => ErrorKind::Unsupported,
        _ => ErrorKind::Other,
    }
}

impl Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.text)
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_tells_what_on_what_and_why_in_one_line() {
        let error = Error::os("write \"5\" to", Path::new("/c/cpu.shares"), Errno::EINVAL).note("why\u{3f}");
        assert_eq!(
            error.to_string(),
            "write \"5\" to \"/c/cpu.shares\": Invalid argument (os error 22): why?"
        );
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert_eq!(error.raw_os_error(), Some(22));
        assert_eq!(error.path(), Some(Path::new("/c/cpu.shares")));
    }

    #[test]
    fn all_three_ways_of_not_being_allowed_are_one_kind() {
        // Peers tolerate only some of EPERM, EACCES and EROFS, and fail rootless on the others.
        for errno in [Errno::EPERM, Errno::EACCES, Errno::EROFS] {
            assert_eq!(Error::os("x", Path::new("/"), errno).kind(), ErrorKind::PermissionDenied);
        }
    }

    #[test]
    fn errors_cross_threads() {
        fn crosses<T: Send + Sync + 'static>() {}
        crosses::<Error>();
    }
}

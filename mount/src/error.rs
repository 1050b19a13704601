//! What can go wrong, in one line.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::{fmt, io};

use nix::errno::Errno;

/// The result of everything here that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// Says what failed, on what, and why, in one line.
///
/// ```
/// let error = mount::Options::parse("shared,private").unwrap_err();
/// assert_eq!(error.to_string(), r#"mount options "shared,private": "shared" and "private" contradict each other"#);
/// assert_eq!(error.kind(), mount::ErrorKind::InvalidInput);
/// ```
#[derive(thiserror::Error)]
#[error("{what}: {why}")]
pub struct Error {
    kind: ErrorKind,
    what: String,
    why: String,
    path: Option<PathBuf>,
    errno: Option<i32>,
}

/// Tells apart the failures that a caller may want to act on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A path or process isn't there.
    NotFound,
    /// The caller may not do this, or a flag is locked by another user namespace.
    PermissionDenied,
    /// The mount is in use.
    Busy,
    /// Something else is mounted there.
    AlreadyMounted,
    /// Nothing is mounted there.
    NotMounted,
    /// The arguments make no sense, whatever the kernel.
    InvalidInput,
    /// A line of a mount table can't be read.
    InvalidData,
    /// This kernel doesn't have the filesystem or the system call.
    Unsupported,
    /// Anything else; [`Error::raw_os_error`] may tell more.
    Other,
}

/// As `Display`: a `main` that returns this error prints one line.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error {
    /// Returns what sort of failure this is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Returns the kernel's error number, where the kernel refused.
    pub fn raw_os_error(&self) -> Option<i32> {
        self.errno
    }

    /// Returns the path that the failure is about.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    pub(crate) fn new(kind: ErrorKind, what: impl fmt::Display, why: impl fmt::Display) -> Self {
        Error { kind, what: what.to_string(), why: why.to_string(), path: None, errno: None }
    }

    pub(crate) fn options(text: &str, why: impl fmt::Display) -> Self {
        Error::new(ErrorKind::InvalidInput, format_args!("mount options {text:?}"), why)
    }

    pub(crate) fn line(number: usize, text: &[u8], why: impl fmt::Display) -> Self {
        // A line may be 100 kB of overlay layers; its beginning tells which it is.
        let start = String::from_utf8_lossy(&text[..text.len().min(80)]);
        Error::new(ErrorKind::InvalidData, format_args!("mountinfo line {number} {start:?}"), why)
    }

    pub(crate) fn os(what: impl fmt::Display, path: &Path, error: Errno) -> Self {
        Error::call(what, error).at(path)
    }

    /// A system call's refusal that is about no path.
    pub(crate) fn call(what: impl fmt::Display, error: Errno) -> Self {
        Error::caused(what, &io::Error::from(error))
    }

    pub(crate) fn io(what: impl fmt::Display, path: &Path, error: &io::Error) -> Self {
        Error::caused(what, error).at(path)
    }

    fn caused(what: impl fmt::Display, error: &io::Error) -> Self {
        let errno = error.raw_os_error();
        let kind = match errno.map(Errno::from_raw) {
            Some(Errno::ENOENT | Errno::ESRCH) => ErrorKind::NotFound,
            Some(Errno::EPERM | Errno::EACCES) => ErrorKind::PermissionDenied,
            Some(Errno::EBUSY) => ErrorKind::Busy,
            Some(Errno::ENODEV | Errno::ENOSYS | Errno::EOPNOTSUPP) => ErrorKind::Unsupported,
            None if error.kind() == io::ErrorKind::InvalidInput => ErrorKind::InvalidInput,
            _ => ErrorKind::Other,
        };
        Error { errno, ..Error::new(kind, what, error) }
    }

    /// Says whether a call is missing, or refused by a filter that is older than the call.
    pub(crate) fn is_missing_call(&self) -> bool {
        matches!(self.errno.map(Errno::from_raw), Some(Errno::ENOSYS | Errno::EPERM))
    }

    /// Says it in the kernel's words alone.
    pub(crate) fn told(self, error: Errno) -> Self {
        Error { why: io::Error::from(error).to_string(), errno: Some(error as i32), ..self }
    }

    /// Says it in better words than the kernel's, whose number stays.
    pub(crate) fn because(self, why: impl fmt::Display, error: Errno) -> Self {
        let why = format!("{why}: {}", io::Error::from(error));
        Error { why, errno: Some(error as i32), ..self }
    }

    /// Says that it was about something else.
    pub(crate) fn about(self, what: impl fmt::Display, path: &Path) -> Self {
        Error { what: what.to_string(), ..self }.at(path)
    }

    /// Gives it a path if it has none.
    pub(crate) fn or_at(self, path: &Path) -> Self {
        if self.path.is_some() { self } else { self.at(path) }
    }

    pub(crate) fn at(self, path: &Path) -> Self {
        Error { path: Some(path.to_owned()), ..self }
    }
}

/// Writes a name between quotes, with everything escaped that would disturb a terminal.
pub(crate) fn quote(name: impl AsRef<OsStr>) -> String {
    #[expect(clippy::unnecessary_debug_formatting, reason = "the quotes and the escapes are wanted")]
    let quoted = format!("{:?}", name.as_ref());
    quoted
}

//! What can go wrong, in one line.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::{fmt, io};

use crate::sys;

/// The result of everything here that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// Says what failed, on what, and why, in one line.
///
/// ```
/// use user::{Defaults, ErrorKind, Identity};
///
/// let error = Identity::resolve("matt", &Defaults::default(), &b""[..], &b""[..]).unwrap_err();
/// assert_eq!(error.to_string(), r#"find user "matt": no such entry in the passwd file"#);
/// assert_eq!(error.kind(), ErrorKind::UnknownUser);
/// ```
#[derive(thiserror::Error)]
#[error("{what}: {why}")]
pub struct Error {
    kind: ErrorKind,
    what: String,
    why: String,
    path: Option<PathBuf>,
    line: Option<usize>,
    errno: Option<i32>,
}

/// Tells apart the failures that a caller may want to act on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The passwd file has no user of that name.
    UnknownUser,
    /// The group file has no group of that name.
    UnknownGroup,
    /// A user spec or a map of ids makes no sense, or an id in it is out of range or not mapped.
    InvalidInput,
    /// A line is no entry, or a file can't be one of accounts: too large, or not a regular file. Or a user is in
    /// more groups than a process can be, or ranges in a map that was read overlap.
    InvalidData,
    /// The file or directory isn't there.
    NotFound,
    /// The file may not be read, the directory not be made, or the ids not be mapped.
    PermissionDenied,
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

    /// Returns the file or directory that the failure is about, if it was opened by a path; beneath a root, it is
    /// relative to that.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Returns the number of the line that is no entry, if lines were counted: a lookup doesn't. The first line is 1.
    pub fn line(&self) -> Option<usize> {
        self.line
    }

    pub(crate) fn new(kind: ErrorKind, what: impl fmt::Display, why: impl fmt::Display) -> Self {
        Error { kind, what: what.to_string(), why: why.to_string(), path: None, line: None, errno: None }
    }

    /// What a person gave, and what it was to be.
    pub(crate) fn given(what: &str, text: &OsStr, why: impl fmt::Display) -> Self {
        Error::new(ErrorKind::InvalidInput, format_args!("{what} {text:?}"), why)
    }

    pub(crate) fn unknown_user(name: &OsStr) -> Self {
        let what = format!("find user {name:?}");
        Error::new(ErrorKind::UnknownUser, what, "no such entry in the passwd file")
    }

    pub(crate) fn unknown_group(name: &OsStr) -> Self {
        let what = format!("find group {name:?}");
        Error::new(ErrorKind::UnknownGroup, what, "no such entry in the group file")
    }

    /// The file where somebody would be isn't there.
    pub(crate) fn without(self, path: &str) -> Self {
        Error { why: format!("there is no {path:?}"), path: Some(path.into()), ..self }
    }

    /// Of the line only the name is told: the second field of an old file is a password.
    pub(crate) fn bad_line(
        path: Option<&Path>,
        file: &str,
        number: Option<usize>,
        line: &[u8],
        why: &str,
    ) -> Self {
        let name = line.split(|byte| b":\r\n".contains(byte)).next().unwrap_or_default();
        let name = String::from_utf8_lossy(&name[..name.len().min(64)]);
        let file = path.map_or_else(|| file.to_owned(), |path| format!("{path:?}"));
        let number_and_blank = number.map_or(String::new(), |number| format!("{number} "));
        let what = format!("{file} line {number_and_blank}{name:?}");
        let path = path.map(Path::to_owned);
        Error { path, line: number, ..Error::new(ErrorKind::InvalidData, what, why) }
    }

    pub(crate) fn not_found(path: &Path) -> Self {
        Error::io(path, &io::Error::from_raw_os_error(sys::ENOENT))
    }

    pub(crate) fn io(path: &Path, error: &io::Error) -> Self {
        Error::doing("read", path, error)
    }

    pub(crate) fn doing(verb: &str, path: &Path, error: &io::Error) -> Self {
        let kind = match error.kind() {
            io::ErrorKind::NotFound => ErrorKind::NotFound,
            io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
            io::ErrorKind::InvalidData if error.raw_os_error().is_none() => ErrorKind::InvalidData,
            _ => ErrorKind::Other,
        };
        #[expect(clippy::unnecessary_debug_formatting, reason = "the quotes and the escapes are wanted")]
        let what = format!("{verb} {path:?}");
        Error { path: Some(path.to_owned()), errno: error.raw_os_error(), ..Error::new(kind, what, error) }
    }
}

//! The error of this crate: what was done, on what, and why it failed.

use std::fmt;
use std::io;

use rusqlite::ErrorCode;
use rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE;

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a graph could not be read or changed.
///
/// Its text is one complete line: `set "/web/db": there is no "/web"`.
pub struct Error {
    what: String,
    why: String,
    kind: ErrorKind,
    errno: Option<i32>,
}

/// What kind of failure an [`Error`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A path that the operation builds on doesn't exist.
    NotFound,
    /// The path is taken.
    #[doc(alias = "IsNonUniqueNameError")]
    AlreadyExists,
    /// The entity would become a child of itself, directly or through others.
    Cycle,
    /// The path can't be used here: the root where a name is needed, or a rename to another parent.
    InvalidPath,
    /// Another process or connection kept the file locked for longer than the busy timeout.
    Busy,
    /// The file can't be written.
    ReadOnly,
    /// The file is no graph: damaged, or the tables are of another format.
    Unreadable,
    /// The answer would not fit into memory: in a graph of diamonds, paths double with every level.
    TooLarge,
    /// The system refused to open, read or write the file.
    Io,
    /// Anything else.
    Other,
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
        self.kind
    }

    /// Returns the system's error number, where opening the file failed for one.
    pub fn raw_os_error(&self) -> Option<i32> {
        self.errno
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.why)
    }
}

impl std::error::Error for Error {}

/// Why an operation failed, before it is known which operation that was.
#[derive(Debug)]
pub(crate) struct Cause {
    why: String,
    kind: ErrorKind,
    errno: Option<i32>,
}

impl Cause {
    pub(crate) fn new(kind: ErrorKind, why: impl Into<String>) -> Self {
        Self { why: why.into(), kind, errno: None }
    }

    /// Makes an error of it: `what` reads `set "/web/db"`.
    pub(crate) fn of(self, what: impl Into<String>) -> Error {
        Error { what: what.into(), why: self.why, kind: self.kind, errno: self.errno }
    }

    pub(crate) fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl From<io::Error> for Cause {
    fn from(error: io::Error) -> Self {
        Self { why: error.to_string(), kind: ErrorKind::Io, errno: error.raw_os_error() }
    }
}

impl From<rusqlite::Error> for Cause {
    fn from(error: rusqlite::Error) -> Self {
        let kind = match &error {
            rusqlite::Error::SqliteFailure(code, _) => kind_of(*code),
            // A column that holds what Docker never wrote there.
            rusqlite::Error::FromSqlConversionFailure(..) | rusqlite::Error::InvalidColumnType(..) => {
                ErrorKind::Unreadable
            }
            _ => ErrorKind::Other,
        };
        match error {
            // Its text repeats the path, which the error names already.
            rusqlite::Error::SqliteFailure(code, _) if code.code == ErrorCode::CannotOpen => {
                Self::new(kind, "unable to open database file")
            }
            error => Self::new(kind, one_line(&error.to_string())),
        }
    }
}

/// Shows control characters instead of sending them to a terminal: SQLite repeats what stands in the file.
fn one_line(text: &str) -> String {
    let shown =
        |letter: char| if letter.is_control() { letter.escape_default().to_string() } else { letter.into() };
    text.chars().map(shown).collect()
}

fn kind_of(error: rusqlite::ffi::Error) -> ErrorKind {
    match error.code {
        // The number, not the text: 2014 took every "constraint failed" for a taken name.
        ErrorCode::ConstraintViolation if error.extended_code == SQLITE_CONSTRAINT_UNIQUE => {
            ErrorKind::AlreadyExists
        }
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => ErrorKind::Busy,
        ErrorCode::ReadOnly => ErrorKind::ReadOnly,
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::TypeMismatch => {
            ErrorKind::Unreadable
        }
        ErrorCode::CannotOpen
        | ErrorCode::PermissionDenied
        | ErrorCode::SystemIoFailure
        | ErrorCode::DiskFull => ErrorKind::Io,
        _ => ErrorKind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Found by fuzzing: the text of a damaged table came out as it stood in the file.
    #[test]
    fn what_a_damaged_file_says_is_one_line() {
        let said = Some("malformed database schema (\x1b[2Jedge)\n)".to_owned());
        let error = rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(11), said);
        assert_eq!(
            Cause::from(error).of("open graph \"x\"").to_string(),
            r#"open graph "x": malformed database schema (\u{1b}[2Jedge)\n)"#
        );
    }
}

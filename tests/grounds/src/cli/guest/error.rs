//! What went wrong, in one line.

use std::fmt;
use std::path::Path;

/// An operation on the guest that failed: what, on what, why.
#[derive(Debug)]
pub(crate) struct Error(String);

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

impl Error {
    pub(crate) fn new(line: impl Into<String>) -> Error {
        Error(line.into())
    }
}

/// Says of what follows: this was tried, on this.
pub(crate) fn on<E: fmt::Display>(what: &str, path: impl AsRef<Path>) -> impl FnOnce(E) -> Error {
    move |why| Error(format!("{what} {:?}: {why}", path.as_ref()))
}

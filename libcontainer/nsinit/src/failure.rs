//! Why a command failed, and the exit code that tells it.

use std::fmt::Display;
use std::io;

/// What a step of a command gives.
pub(crate) type Result<T> = std::result::Result<T, Failure>;

/// One line, and the exit code.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) text: String,
    pub(crate) code: u8,
}

impl Failure {
    pub(crate) fn new(text: impl Display) -> Self {
        Failure { text: text.to_string(), code: 1 }
    }

    /// As [`Failure::new`] for what the system answered.
    pub(crate) fn io(what: impl Display, error: impl Into<io::Error>) -> Self {
        Failure::new(format_args!("{what}: {}", error.into()))
    }

    pub(crate) fn with_code(self, code: u8) -> Self {
        Failure { code, ..self }
    }
}

/// The command line says what can't be understood.
pub(crate) fn usage(text: impl Display) -> Failure {
    Failure::new(text)
}

impl From<libcontainer::Error> for Failure {
    fn from(error: libcontainer::Error) -> Self {
        Failure::new(error)
    }
}

impl From<term::Error> for Failure {
    fn from(error: term::Error) -> Self {
        Failure::new(error)
    }
}

impl From<lexopt::Error> for Failure {
    fn from(error: lexopt::Error) -> Self {
        usage(error)
    }
}

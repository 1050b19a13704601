//! Which descriptors are terminals.

use std::fs::{File, OpenOptions};
use std::os::fd::{AsFd, OwnedFd};

use crate::{Error, Result};

/// Tells whether a descriptor is open on a terminal.
///
/// ```
/// let file = std::fs::File::open("/dev/null").expect("every system has one");
/// assert!(!term::is_terminal(&file));
/// ```
#[doc(alias = "IsTerminal")]
pub fn is_terminal(fd: impl AsFd) -> bool {
    std::io::IsTerminal::is_terminal(&fd.as_fd())
}

/// Opens the process's controlling terminal, for programs whose standard streams are redirected.
///
/// # Errors
///
/// [`NotFound`](crate::ErrorKind::NotFound) where the process has none: a daemon, a container
/// without `--tty`, most CI jobs.
///
/// See [`tty(4)`](https://man7.org/linux/man-pages/man4/tty.4.html).
pub fn controlling_terminal() -> Result<File> {
    OpenOptions::new().read(true).write(true).open("/dev/tty").map_err(|e| Error::new("open \"/dev/tty\"", e))
}

/// Duplicates a descriptor, so that a guard stays valid whatever its caller closes.
pub(crate) fn duplicate(fd: impl AsFd) -> Result<OwnedFd> {
    let fd = fd.as_fd();
    fd.try_clone_to_owned().map_err(|e| Error::on("duplicate", fd, e))
}

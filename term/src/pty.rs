//! Pseudoterminals.

use std::fs::{File, OpenOptions};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;

use nix::libc;

use crate::{Error, Result, Winsize, set_winsize, sys};

/// A new pseudoterminal: the side of whoever watches, and the terminal itself.
///
/// The terminal is opened through its controller and never by name, so it is right in every mount
/// namespace, and a `/dev/pts` that somebody else filled can't put another device in its place.
/// Neither side becomes the controlling terminal of the caller, and neither is inherited by programs.
///
/// Reading the controller fails with EIO once the last descriptor of the terminal is closed: that is
/// its end of file.
///
/// ```
/// use std::io::{Read, Write};
///
/// let mut pty = term::Pty::open(Some(&term::Winsize::new(24, 80)))?;
/// let mut terminal = std::fs::File::from(pty.terminal);
/// terminal.write_all(b"hello\n").expect("the terminal takes it");
///
/// let mut seen = [0; 7];
/// pty.controller.read_exact(&mut seen).expect("the controller sees it");
/// assert_eq!(&seen, b"hello\r\n");
/// # Ok::<(), term::Error>(())
/// ```
///
/// See [`pty(7)`](https://man7.org/linux/man-pages/man7/pty.7.html) and
/// [`TIOCGPTPEER(2const)`](https://man7.org/linux/man-pages/man2/TIOCGPTPEER.2const.html).
#[derive(Debug)]
#[non_exhaustive]
pub struct Pty {
    /// The side that a terminal emulator holds: what programs print is read here, keys are written here.
    #[doc(alias = "master")]
    pub controller: File,
    /// The terminal that programs run on.
    #[doc(alias = "slave")]
    pub terminal: OwnedFd,
}

impl Pty {
    /// Opens a new pseudoterminal, of a size where one is given.
    ///
    /// # Errors
    ///
    /// [`NotFound`](crate::ErrorKind::NotFound) where no devpts is mounted, `Other` with ENOSPC
    /// when the system has no more of them.
    pub fn open(size: Option<&Winsize>) -> Result<Self> {
        let controller = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NOCTTY)
            .open("/dev/ptmx")
            .map_err(|e| Error::new("open \"/dev/ptmx\"", e))?;
        let fd = controller.as_fd();
        sys::unlock_pty(fd).map_err(|e| Error::on("unlock the terminal of", fd, e))?;
        let terminal = sys::pty_peer(fd).map_err(|e| Error::on("open the terminal of", fd, e))?;
        if let Some(size) = size {
            set_winsize(&terminal, size)?;
        }
        Ok(Self { controller, terminal })
    }
}

//! The size of a terminal's window.

use std::os::fd::AsFd;

use nix::libc;

use crate::{Error, Result, sys};

/// The size of a terminal's window, in characters and, where the terminal knows, in pixels.
///
/// ```
/// let size = term::Winsize::new(24, 80);
/// assert_eq!((size.rows, size.columns, size.x_pixels), (24, 80, 0));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Winsize {
    /// Lines; 2014's `Height`.
    #[doc(alias = "Height")]
    pub rows: u16,
    /// Characters in a line; 2014's `Width`.
    #[doc(alias = "Width")]
    pub columns: u16,
    /// Width in pixels, 0 where it is unknown.
    pub x_pixels: u16,
    /// Height in pixels, 0 where it is unknown.
    pub y_pixels: u16,
}

impl Winsize {
    /// Makes a size of characters, its pixels unknown.
    pub fn new(rows: u16, columns: u16) -> Self {
        Self { rows, columns, ..Self::default() }
    }
}

impl From<libc::winsize> for Winsize {
    fn from(size: libc::winsize) -> Self {
        Self { rows: size.ws_row, columns: size.ws_col, x_pixels: size.ws_xpixel, y_pixels: size.ws_ypixel }
    }
}

impl From<Winsize> for libc::winsize {
    fn from(size: Winsize) -> Self {
        Self { ws_row: size.rows, ws_col: size.columns, ws_xpixel: size.x_pixels, ws_ypixel: size.y_pixels }
    }
}

/// Returns the size of a terminal's window, or `None` where nobody ever told the terminal.
///
/// Serial lines and the pseudoterminals of `expect` say 0 rows and 0 columns, which is no size to
/// lay out text in. A terminal that knows only one of the two is reported as it is.
///
/// # Errors
///
/// [`NotATerminal`](crate::ErrorKind::NotATerminal) for a file, a pipe or a socket.
///
/// See [`TIOCGWINSZ(2const)`](https://man7.org/linux/man-pages/man2/TIOCGWINSZ.2const.html).
#[doc(alias = "GetWinsize")]
pub fn winsize(fd: impl AsFd) -> Result<Option<Winsize>> {
    let fd = fd.as_fd();
    let size = sys::winsize(fd).map_err(|e| Error::on("get the window size of", fd, e))?;
    Ok(Some(Winsize::from(size)).filter(|size| (size.rows, size.columns) != (0, 0)))
}

/// Tells a terminal the size of its window.
///
/// Its foreground process group gets SIGWINCH if that is a change; either side of a
/// pseudoterminal may be told. A size of 0x0 makes it unknown again.
///
/// # Errors
///
/// [`NotATerminal`](crate::ErrorKind::NotATerminal) for a file, a pipe or a socket.
#[doc(alias = "SetWinsize")]
pub fn set_winsize(fd: impl AsFd, size: &Winsize) -> Result<()> {
    let fd = fd.as_fd();
    sys::set_winsize(fd, &(*size).into()).map_err(|e| Error::on("set the window size of", fd, e))
}

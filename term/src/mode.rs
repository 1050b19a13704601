//! The mode of a terminal: saved, raw, without echo, restored.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use termios::{
    BRKINT, CS8, CSIZE, ECHO, ECHONL, ICANON, ICRNL, IEXTEN, IGNBRK, IGNCR, INLCR, ISIG, ISTRIP, IXON, OPOST,
    PARENB, PARMRK, TCSANOW, Termios, VMIN, VTIME,
};

use crate::tty::duplicate;
use crate::{Error, Result};

/// The mode of a terminal at one moment, to be put back later.
///
/// ```
/// # let pty = term::Pty::open(None)?;
/// # let terminal = &pty.terminal;
/// let state = term::State::save(terminal)?;
/// // … a program changes the terminal and crashes …
/// state.restore(terminal)?;
/// # Ok::<(), term::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct State(Termios);

impl State {
    /// Reads the mode of a terminal.
    ///
    /// # Errors
    ///
    /// [`NotATerminal`](crate::ErrorKind::NotATerminal) for a file, a pipe or a socket,
    /// [`HungUp`](crate::ErrorKind::HungUp) where the other side has gone.
    ///
    /// See [`termios(3)`](https://man7.org/linux/man-pages/man3/termios.3.html).
    pub fn save(fd: impl AsFd) -> Result<Self> {
        let fd = fd.as_fd();
        let termios = Termios::from_fd(fd.as_raw_fd()).map_err(|e| Error::on("read the mode of", fd, e))?;
        Ok(Self(termios))
    }

    /// Gives a terminal this mode, at once: pending output is not waited for, pending input is kept.
    ///
    /// It works from a background process too, which the kernel would otherwise stop with SIGTTOU:
    /// a program that has just lost the foreground can still leave its terminal tidy.
    ///
    /// # Errors
    ///
    /// Those of [`save`](Self::save).
    pub fn restore(&self, fd: impl AsFd) -> Result<()> {
        let fd = fd.as_fd();
        set(fd, &self.0).map_err(|e| Error::on("set the mode of", fd, e))
    }

    /// Returns this mode made raw.
    fn raw(self, options: RawOptions) -> Self {
        let mut mode = self.0;
        // Docker's mask, explicitly: cfmakeraw differs between systems.
        mode.c_iflag &= !(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
        mode.c_lflag &= !(ECHO | ECHONL | ICANON | IEXTEN);
        mode.c_cflag &= !(CSIZE | PARENB);
        mode.c_cflag |= CS8;
        if !options.output_processing {
            mode.c_oflag &= !OPOST;
        }
        if !options.signals {
            mode.c_lflag &= !ISIG;
        }
        // A read returns with the first byte, whatever the program before left here.
        mode.c_cc[VMIN] = 1;
        mode.c_cc[VTIME] = 0;
        Self(mode)
    }

    fn without_echo(self) -> Self {
        let mut mode = self.0;
        mode.c_lflag &= !ECHO;
        Self(mode)
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("iflag", &format_args!("{:#o}", self.0.c_iflag))
            .field("oflag", &format_args!("{:#o}", self.0.c_oflag))
            .field("cflag", &format_args!("{:#o}", self.0.c_cflag))
            .field("lflag", &format_args!("{:#o}", self.0.c_lflag))
            .finish_non_exhaustive()
    }
}

/// Sets a mode with SIGTTOU blocked in this thread: POSIX lets the call through then.
///
/// No other thread and no handler is touched. Nothing is left pending either: the kernel looks at
/// the mask before it sends the signal.
fn set(fd: BorrowedFd<'_>, mode: &Termios) -> io::Result<()> {
    let before = SigSet::from(Signal::SIGTTOU).thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
    let result = loop {
        match termios::tcsetattr(fd.as_raw_fd(), TCSANOW, mode) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => break result,
        }
    };
    before.thread_set_mask()?;
    result
}

/// What raw mode leaves on.
///
/// ```no_run
/// let raw = term::RawOptions::new().keep_output_processing().enter(std::io::stdin())?;
/// println!("this line needs no \\r");
/// # Ok::<(), term::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RawOptions {
    output_processing: bool,
    signals: bool,
}

impl RawOptions {
    /// Starts with everything off: the raw mode of [`RawMode::enter`].
    pub fn new() -> Self {
        Self::default()
    }

    /// Leaves output processing as it is, so that a newline still returns to the first column.
    ///
    /// For programs that print lines while they read keys. A program that forwards another
    /// terminal's output wants it off: that terminal has done the processing.
    #[must_use]
    pub fn keep_output_processing(mut self) -> Self {
        self.output_processing = true;
        self
    }

    /// Leaves the signal keys as they are, so that Ctrl-C still interrupts.
    #[must_use]
    pub fn keep_signals(mut self) -> Self {
        self.signals = true;
        self
    }

    /// Makes a terminal raw until the guard is dropped.
    ///
    /// # Errors
    ///
    /// Those of [`State::save`].
    pub fn enter(self, fd: impl AsFd) -> Result<RawMode> {
        let terminal = duplicate(fd)?;
        let before = State::save(&terminal)?;
        before.raw(self).restore(&terminal)?;
        Ok(RawMode { terminal, before, restored: false })
    }
}

/// A terminal in raw mode, which gets its mode back when this is dropped.
///
/// It holds a descriptor of its own, so it takes `stdin()` as well as a borrowed one, and the
/// terminal is restored even if the caller's descriptor is closed or reused meanwhile.
///
/// Guards on the same terminal nest, as long as the inner one goes first.
#[derive(Debug)]
#[must_use = "the terminal is restored when this is dropped"]
pub struct RawMode {
    terminal: OwnedFd,
    before: State,
    restored: bool,
}

impl RawMode {
    /// Makes a terminal raw: bytes pass as they are, unechoed, one by one, in both directions.
    ///
    /// # Errors
    ///
    /// Those of [`State::save`].
    pub fn enter(fd: impl AsFd) -> Result<Self> {
        RawOptions::new().enter(fd)
    }

    /// Returns the mode that the terminal had before, and will have again.
    pub fn before(&self) -> &State {
        &self.before
    }

    /// Makes the terminal raw again, after somebody else has changed it (a stopped program that is
    /// continued, for one).
    ///
    /// # Errors
    ///
    /// Those of [`State::restore`].
    pub fn reenter(&self, options: RawOptions) -> Result<()> {
        self.before.raw(options).restore(&self.terminal)
    }

    /// Restores the terminal and tells how that went, which dropping doesn't.
    ///
    /// # Errors
    ///
    /// Those of [`State::restore`].
    pub fn close(mut self) -> Result<()> {
        self.restored = true;
        self.before.restore(&self.terminal)
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        if !self.restored {
            // A terminal that has hung up has no mode to restore, and there is nobody to tell.
            let _ = self.before.restore(&self.terminal);
        }
    }
}

/// Reads the mode of a terminal; [`State::save`].
#[doc(alias = "SaveState")]
pub fn save_state(fd: impl AsFd) -> Result<State> {
    State::save(fd)
}

/// Gives a terminal a saved mode; [`State::restore`].
#[doc(alias = "RestoreTerminal")]
pub fn restore_terminal(fd: impl AsFd, state: &State) -> Result<()> {
    state.restore(fd)
}

/// Gives a terminal a saved mode with its echo off, to read a password with.
///
/// Nothing restores it by itself: call [`restore_terminal`] with the same state.
#[doc(alias = "DisableEcho")]
pub fn disable_echo(fd: impl AsFd, state: &State) -> Result<()> {
    state.without_echo().restore(fd)
}

/// Makes a terminal raw for good, and returns the mode it had; [`RawMode`] is the one that comes back.
#[doc(alias = "MakeRaw")]
pub fn make_raw(fd: impl AsFd) -> Result<State> {
    let before = State::save(&fd)?;
    before.raw(RawOptions::new()).restore(&fd)?;
    Ok(before)
}

/// Does what [`make_raw`] does: 2014's also took over SIGINT, which is the program's own affair.
#[doc(alias = "SetRawTerminal")]
pub fn set_raw_terminal(fd: impl AsFd) -> Result<State> {
    make_raw(fd)
}

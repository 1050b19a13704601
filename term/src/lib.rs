//! Terminal size, raw mode and state, restored when dropped.
//!
//! ```no_run
//! use std::io::{Read, stdin};
//!
//! let raw = term::RawMode::enter(stdin())?; // keys arrive one by one, unechoed
//! let mut key = [0];
//! stdin().read_exact(&mut key).expect("a key");
//! raw.close()?; // or drop it: a panic or an early return restores the terminal as well
//!
//! if let Some(size) = term::winsize(stdin())? {
//!     println!("{:?} in a window of {}x{}", key, size.columns, size.rows);
//! }
//! # Ok::<(), term::Error>(())
//! ```
//!
//! Every function takes anything with a file descriptor: `stdin()`, a `File`, an `OwnedFd`, a
//! `BorrowedFd`. Nothing here is global: two terminals may be raw at once, no signal handler is
//! installed, and the process is never ended. A program that is killed by a signal does not run
//! destructors; one that wants its terminal back then drops its [`RawMode`] from its own signal loop.
//!
//! # From 2014
//!
//! | Go, `pkg/term` | here | what was wrong |
//! |---|---|---|
//! | `GetWinsize(fd)` | [`winsize`] | an unknown size came back as 0x0; now it is `None` |
//! | `SetWinsize(fd, ws)` | [`set_winsize`] | |
//! | `IsTerminal(fd)` | [`is_terminal`] | |
//! | `SaveState(fd)` | [`save_state`], [`State::save`] | control characters were read one place off |
//! | `RestoreTerminal(fd, state)` | [`restore_terminal`], [`State::restore`] | stopped the process when it ran in the background; a nil state was a run-time error, now it can't be written |
//! | `DisableEcho(fd, state)` | [`disable_echo`] | took over SIGINT and called `os.Exit(0)` |
//! | `MakeRaw(fd)` | [`make_raw`], [`RawMode::enter`] | on Linux VMIN and VTIME stayed as the last program left them |
//! | `SetRawTerminal(fd)` | [`set_raw_terminal`], [`RawMode::enter`] | took over SIGINT and called `os.Exit(0)` |

mod error;
mod mode;
mod pty;
mod size;
mod sys;
mod tty;

pub use error::{Error, ErrorKind, Result};
pub use mode::{
    RawMode, RawOptions, State, disable_echo, make_raw, restore_terminal, save_state, set_raw_terminal,
};
pub use pty::Pty;
pub use size::{Winsize, set_winsize, winsize};
pub use tty::{controlling_terminal, is_terminal};

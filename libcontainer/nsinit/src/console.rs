//! Terminals: the caller's, made raw, or a socket that takes the container's.

use std::fs::File;
use std::io::{self, IoSlice, Read, Write, stdin, stdout};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use libcontainer::Process;
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use term::{RawMode, RawOptions};

use crate::failure::{Failure, Result, usage};

/// How long to wait for the last output of a terminal that others hold open.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Where the terminal of a process leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Console<'a> {
    /// The process has none.
    None,
    /// To the terminal that this program runs on.
    Own,
    /// To whoever listens on this socket.
    Socket(&'a Path),
}

impl<'a> Console<'a> {
    /// Chooses, before anything is made.
    pub(crate) fn choose(terminal: bool, detached: bool, socket: Option<&'a Path>) -> Result<Self> {
        match (terminal, detached, socket) {
            (true, true, Some(socket)) => Ok(Console::Socket(socket)),
            (true, true, None) => Err(usage(
                "the process wants a terminal and nobody would hold it: give --console-socket, \
                 or set process.terminal to false",
            )),
            (true, false, None) if !term::is_terminal(stdin()) => Err(usage(
                "the process wants a terminal and standard input is none: run it on a terminal, \
                 detach it with --console-socket, or set process.terminal to false",
            )),
            (true, false, None) => Ok(Console::Own),
            (false, _, None) => Ok(Console::None),
            (_, _, Some(_)) => {
                Err(usage("--console-socket: only for a process with a terminal that is created or detached"))
            }
        }
    }

    /// Makes the process's terminal as large as ours from the beginning.
    pub(crate) fn size(self, process: &mut Process) {
        if self == Console::Own
            && let Ok(Some(size)) = term::winsize(stdin())
        {
            process.terminal_size = Some((size.rows, size.columns));
        }
    }

    /// Leads a terminal there. What is returned must be kept as long as the process runs.
    pub(crate) fn connect(self, master: Option<BorrowedFd<'_>>) -> Result<Option<Terminal>> {
        let missing = || Failure::new("the process has no terminal");
        match self {
            Console::None => Ok(None),
            Console::Own => Terminal::attach(master.ok_or_else(missing)?).map(Some),
            Console::Socket(path) => send(path, master.ok_or_else(missing)?).map(|()| None),
        }
    }
}

/// Sends a terminal's master over a socket.
fn send(path: &Path, master: BorrowedFd<'_>) -> Result<()> {
    let failed = |error: io::Error| Failure::io(format_args!("send the terminal to {path:?}"), error);
    let socket = UnixStream::connect(path).map_err(failed)?;
    let fds: [RawFd; 1] = [master.as_raw_fd()];
    let text = [IoSlice::new(b"/dev/pts/ptmx")];
    let rights = [ControlMessage::ScmRights(&fds)];
    sendmsg::<()>(socket.as_raw_fd(), &text, &rights, MsgFlags::MSG_NOSIGNAL, None)
        .map_err(|errno| failed(errno.into()))?;
    Ok(())
}

/// This program's terminal while it shows that of a container. It is what it was when this goes.
#[derive(Debug)]
pub(crate) struct Terminal {
    raw: RawMode,
    master: OwnedFd,
    shown: Receiver<()>,
}

/// The container's terminal turns no newline into a return and a newline: ours goes on doing that.
fn options() -> RawOptions {
    RawOptions::new().keep_output_processing()
}

impl Terminal {
    fn attach(master: BorrowedFd<'_>) -> Result<Terminal> {
        let copy = || master.try_clone_to_owned().map_err(|error| Failure::io("keep the terminal", error));
        let (input, output, master) = (copy()?, copy()?, copy()?);
        let raw = options().enter(stdin())?;
        let (done, shown) = channel();
        // Two threads, for each direction may have to wait. Reading ends with this program only.
        thread::spawn(move || copy_all(stdin().lock(), File::from(input)));
        thread::spawn(move || {
            copy_all(File::from(output), stdout().lock());
            let _ = done.send(());
        });
        let terminal = Terminal { raw, master, shown };
        terminal.resize();
        Ok(terminal)
    }

    /// Makes the container's terminal as large as ours.
    pub(crate) fn resize(&self) {
        // One of unknown size (a serial line) leaves the container's as it is.
        if let Ok(Some(size)) = term::winsize(stdin()) {
            let _ = term::set_winsize(self.master.as_fd(), &size);
        }
    }

    /// Makes our terminal raw again: a shell that stopped this program has set it to its own liking.
    pub(crate) fn continued(&self) {
        let _ = self.raw.reenter(options());
        self.resize();
    }

    /// Waits until everything is shown that was written, and gives the terminal back.
    pub(crate) fn close(self) -> Result<()> {
        drop(self.master);
        let _ = self.shown.recv_timeout(LAST_WORDS);
        Ok(self.raw.close()?)
    }
}

/// Copies until either side is gone: a master reads EIO when nobody has the terminal open any more.
fn copy_all(mut from: impl Read, mut to: impl Write) {
    let mut buffer = [0; 16 * 1024];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return,
            Ok(length) => {
                if to.write_all(&buffer[..length]).and_then(|()| to.flush()).is_err() {
                    return;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_that_nobody_would_hold_is_refused() {
        let socket = Some(Path::new("/s"));
        assert_eq!(Console::choose(true, true, socket).unwrap(), Console::Socket(Path::new("/s")));
        assert_eq!(Console::choose(false, false, None).unwrap(), Console::None);
        for (terminal, detached, socket) in [(true, true, None), (false, true, socket), (true, false, socket)]
        {
            Console::choose(terminal, detached, socket).unwrap_err();
        }
    }
}

//! The conversation with the image:
//!
//! ```text
//! parent                                   image (on the host, then in the container)
//!        <------ Started, pidfd ---------  clone3; the first process is gone
//! maps, cgroup, network
//!        ------- Go -------------------->
//!        <------ Console, master --------  when there is a terminal
//!        <------ Mounted ----------------  where hooks run before the root is changed
//!        ------- Go -------------------->
//!        <------ Ready ------------------  mounts, identity, limits are done
//! device rules
//!        ------- Start ----------------->  or a second Go, then a connection on the listening socket
//!        <------ Exec -------------------
//!        ------- Go -------------------->  where the filter has a listener, once it was fetched
//!        <------ end of file ------------  the program runs
//! ```
//!
//! Instead of any of the image's lines: a Failure, and then the end.

use std::collections::VecDeque;
use std::fmt::Display;
use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use nix::cmsg_space;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, send};

use super::listener;
use crate::error::{Error, ErrorKind, Result};
use crate::plan::Plan;
use crate::program::{MESSAGE, Message, NO_LISTENER};
use crate::raw;

/// One end of the conversation.
#[derive(Debug)]
pub(crate) struct Sync {
    socket: OwnedFd,
    /// How long the partner may take for its next word.
    patience: PollTimeout,
    /// What was heard before its turn.
    early: VecDeque<Event>,
}

/// What the image says.
#[derive(Debug)]
pub(crate) enum Event {
    Started {
        pid: u32,
        pidfd: OwnedFd,
        in_cgroup: bool,
    },
    Console(OwnedFd),
    Mounted,
    Ready,
    Exec {
        listener: u32,
    },
    Failure(Failure),
    /// Nobody is there any more.
    End,
}

/// Which step failed, and why.
#[derive(Debug)]
pub(crate) struct Failure {
    step: u32,
    call: u32,
    errno: u32,
    text: String,
}

impl Sync {
    pub(crate) fn new(socket: OwnedFd) -> Self {
        Sync { socket, patience: PollTimeout::NONE, early: VecDeque::new() }
    }

    /// Waits no longer than this for each word from now on.
    pub(crate) fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience.try_into().unwrap_or(PollTimeout::MAX);
        self
    }

    /// Says something; a partner that is gone is noticed by the next [`Sync::receive`].
    fn say(&self, message: &Message<'_>) -> Result<()> {
        let mut buffer = [0; MESSAGE];
        let length = message.encode(&mut buffer);
        match send(self.socket.as_raw_fd(), &buffer[..length], MsgFlags::MSG_NOSIGNAL) {
            Ok(_) | Err(Errno::EPIPE | Errno::ECONNRESET) => Ok(()),
            Err(errno) => Err(Error::errno("speak to the container's init", errno)),
        }
    }

    pub(crate) fn go(&self) -> Result<()> {
        self.say(&Message::Go)
    }

    pub(crate) fn start(&self) -> Result<()> {
        self.say(&Message::Start)
    }

    /// Keeps something that was heard before its turn: the two processes of the image speak at once.
    pub(crate) fn keep(&mut self, event: Event) {
        self.early.push_back(event);
    }

    /// Waits for what comes next.
    pub(crate) fn receive(&mut self, process: BorrowedFd<'_>) -> Result<Event> {
        match self.early.pop_front() {
            Some(event) => Ok(event),
            None => self.listen(process),
        }
    }

    /// Waits for what is said next. The process is watched too: a socket that leaked into another
    /// process would never end.
    pub(crate) fn listen(&self, process: BorrowedFd<'_>) -> Result<Event> {
        let failed = |errno| Error::errno("listen to the container's init", errno);
        loop {
            let mut watched = [
                PollFd::new(self.socket.as_fd(), PollFlags::POLLIN),
                PollFd::new(process, PollFlags::POLLIN),
            ];
            match poll(&mut watched, self.patience) {
                Ok(0) => {
                    let text = "the container's init says nothing: frozen or stopped?";
                    return Err(Error::new(ErrorKind::InvalidState, text));
                }
                Err(Errno::EINTR) => continue,
                Err(errno) => return Err(failed(errno)),
                Ok(_) => {}
            }
            match self.take() {
                // What an ended process has said is still there to be read.
                Err(Errno::EAGAIN) if watched[1].any() == Some(true) => return Ok(Event::End),
                // ECONNRESET once, ahead of all that was said: the image ended before it read our words.
                Err(Errno::EAGAIN | Errno::EINTR | Errno::ECONNRESET) => {}
                Err(errno) => return Err(failed(errno)),
                Ok(event) => return Ok(event),
            }
        }
    }

    fn take(&self) -> nix::Result<Event> {
        let mut buffer = [0; MESSAGE];
        let mut control = cmsg_space!([std::os::fd::RawFd; 1]);
        let mut vector = [IoSliceMut::new(&mut buffer)];
        let flags = MsgFlags::MSG_CMSG_CLOEXEC | MsgFlags::MSG_DONTWAIT;
        let received = recvmsg::<()>(self.socket.as_raw_fd(), &mut vector, Some(&mut control), flags)?;
        let mut fd = None;
        for message in received.cmsgs()? {
            if let ControlMessageOwned::ScmRights(fds) = message {
                fd = fds.into_iter().map(crate::sys::received).next();
            }
        }
        let length = received.bytes;
        Ok(match (Message::decode(&buffer[..length]), fd) {
            (Some(Message::Started { pid, in_cgroup }), Some(pidfd)) => {
                Event::Started { pid, pidfd, in_cgroup }
            }
            (Some(Message::Console), Some(master)) => Event::Console(master),
            (Some(Message::Ready), None) => Event::Ready,
            (Some(Message::Mounted), None) => Event::Mounted,
            (Some(Message::Exec { listener }), None) => Event::Exec { listener },
            (Some(Message::Failure { step, call, errno, text }), None) => {
                let text = String::from_utf8_lossy(text).into_owned();
                Event::Failure(Failure { step, call, errno, text })
            }
            (None, None) if length == 0 => Event::End,
            _ => return Err(Errno::EPROTO),
        })
    }

    /// Waits for the exec, after which there is only the end of file. `listener` gets the listener of the filter
    /// where there is one.
    pub(crate) fn executed(
        &mut self,
        process: BorrowedFd<'_>,
        explain: &dyn Fn(&Failure) -> Error,
        listener: &dyn Fn(BorrowedFd<'_>) -> Result<()>,
    ) -> Result<()> {
        let mut exec = false;
        loop {
            match self.receive(process)? {
                Event::Exec { listener: NO_LISTENER } => exec = true,
                Event::Exec { listener: number } => {
                    exec = true;
                    if let Some(fd) = listener::fetch(process, number, || self.is_heard())? {
                        listener(fd.as_fd())?;
                        self.go()?;
                    }
                }
                Event::End if exec => return Ok(()),
                Event::Failure(failure) => return Err(explain(&failure)),
                event => return Err(unexpected(&event)),
            }
        }
    }

    /// Returns whether there is something to be heard, the end included.
    fn is_heard(&self) -> Result<bool> {
        let mut watched = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
        match poll(&mut watched, PollTimeout::ZERO) {
            Ok(count) => Ok(count > 0),
            Err(Errno::EINTR) => Ok(false),
            Err(errno) => Err(Error::errno("listen to the container's init", errno)),
        }
    }
}

impl Failure {
    /// Says what failed in the plan's words.
    pub(crate) fn explain(&self, plan: &Plan) -> Error {
        self.explain_step(plan.step(self.step))
    }

    pub(crate) fn explain_step(&self, step: impl Display) -> Error {
        let error = io::Error::from_raw_os_error(self.errno as i32);
        let call = raw::name(self.call as usize).to_ascii_lowercase();
        if call == "execve" {
            return Error::io(step, &error).with_kind(ErrorKind::Exec);
        }
        if call == "seccomp" {
            return Error::io("set the seccomp filter", &error);
        }
        // The kernel's log begins with a letter for its level: "e tmpfs: Unknown parameter 'x'".
        let text = self.text.trim_end();
        let text = text.split_once(' ').map_or(text, |(_, text)| text);
        if text.is_empty() {
            Error::io(format_args!("{step}: {call}"), &error)
        } else {
            Error::io(format_args!("{step}: {text}"), &error)
        }
    }
}

/// The image said something else than it should, or is gone.
pub(crate) fn unexpected(event: &Event) -> Error {
    let what = match event {
        Event::End => "ended before the program ran (killed, or out of memory)".to_owned(),
        other => format!("said {other:?} out of turn"),
    };
    Error::new(ErrorKind::System, format_args!("the container's init {what}"))
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};

    use super::*;

    /// The first words were lost: the second process stayed a zombie, and its failure untold.
    #[test]
    fn what_an_image_said_is_heard_though_it_never_read_our_words() {
        let (ours, theirs) =
            socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).unwrap();
        let sync = Sync::new(ours);
        sync.go().unwrap();
        Sync::new(theirs).say(&Message::Ready).unwrap();
        // The reader's end of a pipe with data stands for a process that ended.
        let (ended, mut writer) = std::io::pipe().unwrap();
        std::io::Write::write_all(&mut writer, b"x").unwrap();
        let ended = File::from(OwnedFd::from(ended));
        assert!(matches!(sync.listen(ended.as_fd()).unwrap(), Event::Ready));
        assert!(matches!(sync.listen(ended.as_fd()).unwrap(), Event::End));
    }
}

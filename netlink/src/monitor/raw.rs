//! What the kernel tells groups of any protocol, as it tells it.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;

use crate::error::{Error, Failure, Hints, Result};
use crate::netns::open_within;
use crate::raw::OwnedMessage;
use crate::socket::Socket;
use crate::wire::message::{Message, Messages};
use crate::wire::protocol::Protocol;

/// How many datagrams are thrown away at once: more than a socket has room for.
const MOST_FORGOTTEN: usize = 1 << 20;

/// After how many datagrams a loss is told, if there is always another one: more than a socket has room for.
const MOST_SINCE_LOST: u32 = 1 << 18;

/// A socket that hears groups.
#[derive(Debug)]
pub(crate) struct Source {
    socket: Socket,
    /// The length of the present datagram, and how far it was read.
    length: usize,
    at: usize,
    netns_id: Option<i32>,
    /// How many datagrams were read since some were lost.
    since_lost: Option<u32>,
}

/// What was heard.
#[derive(Debug)]
pub(crate) enum Heard<'a> {
    /// A message, and the namespace that it is from where the kernel says so.
    Message(Message<'a>, Option<i32>),
    /// Something was lost.
    Overrun,
    Nothing,
}

impl Source {
    pub(crate) fn open(protocol: Protocol) -> Result<Source, Failure> {
        Ok(Source { socket: Socket::of(protocol)?, length: 0, at: 0, netns_id: None, since_lost: None })
    }

    pub(crate) fn join(&self, group: u32) -> Result<(), Failure> {
        self.socket.join(group)
    }

    pub(crate) fn hear_all_namespaces(&mut self) -> Result<(), Failure> {
        self.socket.hear_all_namespaces()
    }

    pub(crate) fn set_receive_buffer(&self, bytes: usize) -> Result<(), Failure> {
        self.socket.set_receive_buffer(bytes)
    }

    pub(crate) fn wait(&self, timeout: Option<Duration>) -> Result<bool, Failure> {
        self.socket.wait(timeout)
    }

    /// Goes to the next message, without waiting for one.
    pub(crate) fn hear(&mut self) -> Result<Heard<'_>, Failure> {
        while self.at >= self.length {
            match self.socket.receive_now() {
                Ok(None) if self.since_lost.take().is_some() => return Ok(Heard::Overrun),
                Ok(None) => return Ok(Heard::Nothing),
                Ok(Some((length, netns_id))) => {
                    (self.length, self.at, self.netns_id) = (length, 0, netns_id);
                    if let Some(since) = &mut self.since_lost {
                        *since += 1;
                    }
                }
                // What had no room, in the kernel or here, is lost. Until what waits has been read, the kernel goes on
                // to lose what happens, without another word: so it is told then.
                Err(Failure::System(Errno::ENOBUFS) | Failure::Truncated) => self.since_lost = Some(0),
                Err(failure) => return Err(failure),
            }
        }
        // Where more and more happens, there may always be something that waits.
        if self.since_lost.is_some_and(|since| since > MOST_SINCE_LOST) {
            self.since_lost = None;
            return Ok(Heard::Overrun);
        }
        let mut messages =
            Messages::new(self.socket.received(self.length).get(self.at..).unwrap_or_default());
        let Some(message) = messages.next() else { return Ok(Heard::Nothing) };
        self.at = self.length - messages.rest().len();
        Ok(Heard::Message(message?, self.netns_id))
    }

    /// Throws away all that was not read yet.
    pub(crate) fn forget(&mut self) -> Result<(), Failure> {
        (self.length, self.at, self.since_lost) = (0, 0, None);
        // Bounded: what comes while this goes on is newer than what was there.
        for _ in 0..MOST_FORGOTTEN {
            match self.socket.receive_now() {
                Ok(None) => break,
                Ok(Some(_)) | Err(Failure::System(Errno::ENOBUFS) | Failure::Truncated) => {}
                Err(failure) => return Err(failure),
            }
        }
        Ok(())
    }
}

impl AsFd for Source {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Tells what the kernel tells groups of any netlink protocol, message by message.
///
/// As [`netlink::Monitor`](crate::Monitor), but nothing is decoded: [`try_next`](Self::try_next) lends each message.
/// The protocol's messages must begin with netlink's own header, as all but those of uevents do. For groups of a
/// generic netlink family there is [`Generic::monitor`](crate::generic::Generic::monitor).
///
/// ```no_run
/// use netlink::raw::Monitor;
///
/// const NETLINK_XFRM: u8 = 6;
/// const XFRMNLGRP_EXPIRE: u32 = 2;
///
/// for message in Monitor::open(NETLINK_XFRM, &[XFRMNLGRP_EXPIRE])? {
///     println!("a message of type {}", message?.kind);
/// }
/// # Ok::<(), netlink::Error>(())
/// ```
#[derive(Debug)]
pub struct Monitor {
    source: Source,
}

/// What a [`Monitor`] tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice<'a> {
    /// A message.
    Message(Message<'a>),
    /// More happened than there was room for, and some of it is lost.
    Overrun,
}

impl Monitor {
    /// Begins to hear groups, by their numbers, of a protocol (`NETLINK_`) in the calling thread's network namespace.
    ///
    /// # Errors
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput), [`NotFound`](crate::ErrorKind::NotFound): there is no such
    /// group. [`Unsupported`](crate::ErrorKind::Unsupported): this kernel doesn't have the protocol.
    /// [`PermissionDenied`](crate::ErrorKind::PermissionDenied): the group is not for everybody.
    pub fn open(protocol: u8, groups: &[u32]) -> Result<Monitor> {
        Monitor::try_open(Protocol::from_number(protocol), groups)
            .map_err(|failure| opening(failure, protocol, groups))
    }

    /// The same in another network namespace.
    ///
    /// # Errors
    /// As [`open`](Self::open), and [`PermissionDenied`](crate::ErrorKind::PermissionDenied): entering it needs
    /// `CAP_SYS_ADMIN`.
    pub fn open_in(netns: impl AsFd, protocol: u8, groups: &[u32]) -> Result<Monitor> {
        open_within(netns.as_fd(), || Monitor::try_open(Protocol::from_number(protocol), groups))
            .map_err(|failure| opening(failure, protocol, groups))
    }

    pub(crate) fn try_open(protocol: Protocol, groups: &[u32]) -> Result<Monitor, Failure> {
        let source = Source::open(protocol)?;
        groups.iter().try_for_each(|group| source.join(*group))?;
        Ok(Monitor { source })
    }

    /// Sets how much room there is for what nobody read yet, in bytes; see
    /// [`MonitorBuilder::receive_buffer`](crate::MonitorBuilder::receive_buffer).
    ///
    /// # Errors
    /// The system's.
    pub fn set_receive_buffer(&self, bytes: usize) -> Result<()> {
        self.source
            .set_receive_buffer(bytes)
            .map_err(|failure| failure.when(format_args!("set a receive buffer of {bytes} bytes"), &[]))
    }

    /// Returns the next notice if there is one.
    ///
    /// # Errors
    /// [`Protocol`](crate::ErrorKind::Protocol): a message made no sense; the next one may.
    pub fn try_next(&mut self) -> Result<Option<Notice<'_>>> {
        match self.source.hear() {
            Ok(Heard::Nothing) => Ok(None),
            Ok(Heard::Overrun) => Ok(Some(Notice::Overrun)),
            Ok(Heard::Message(message, _)) => Ok(Some(Notice::Message(message))),
            Err(failure) => Err(failed(failure)),
        }
    }

    /// Waits until there may be a notice; false if there is none for so long. `None` is for ever.
    ///
    /// # Errors
    /// The system's.
    pub fn wait(&self, timeout: Option<Duration>) -> Result<bool> {
        // A time that is never over needs no end.
        let end = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            let left = end.map(|end| end.saturating_duration_since(Instant::now()));
            if self.source.wait(left).map_err(failed)? {
                return Ok(true);
            }
            if left.is_some_and(|left| left.is_zero()) {
                return Ok(false);
            }
        }
    }
}

/// Waits for the next notice, and gives a copy of its message; an overrun is an error.
impl Iterator for Monitor {
    type Item = Result<OwnedMessage>;

    fn next(&mut self) -> Option<Result<OwnedMessage>> {
        loop {
            match self.source.hear() {
                Ok(Heard::Message(message, _)) => return Some(Ok((&message).into())),
                Ok(Heard::Overrun) => return Some(Err(failed(Failure::System(Errno::ENOBUFS)))),
                Err(failure) => return Some(Err(failed(failure))),
                Ok(Heard::Nothing) => {}
            }
            if let Err(error) = self.wait(None) {
                return Some(Err(error));
            }
        }
    }
}

impl AsFd for Monitor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.source.as_fd()
    }
}

impl AsRawFd for Monitor {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

fn failed(failure: Failure) -> Error {
    const HINTS: Hints<'_> = &[(Errno::ENOBUFS, "more happened than there was room for")];
    failure.when("monitor netlink groups", HINTS)
}

pub(crate) fn opening(failure: Failure, protocol: u8, groups: &[u32]) -> Error {
    const HINTS: Hints<'_> =
        &[(Errno::EINVAL, "there is no such group"), (Errno::ENOENT, "there is no such group")];
    failure.when(format_args!("monitor groups {groups:?} of netlink protocol {protocol}"), HINTS)
}

//! One connection to a bus or a manager, on which a call blocks until its answer or its deadline.

use std::collections::VecDeque;
use std::fmt::{self, Display};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, UnixAddr, connect, recv, send, setsockopt, socket, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};

use super::address::{Address, Socket};
use super::wire::{self, Call, Message};
use crate::{Error, ErrorKind};

/// How long the other side may take to let us in.
const OPEN: Duration = Duration::from_secs(10);
/// The longest line of the handshake.
const LONGEST_LINE: usize = 4096;

pub(super) struct Connection {
    stream: UnixStream,
    /// Whether a bus is between: it wants to be greeted, and to be told for whom a call is.
    pub(super) bus: bool,
    serial: u32,
    /// Signals that came while an answer was waited for.
    signals: VecDeque<Message>,
}

/// Until when something is waited for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline {
    until: Instant,
    patience: Duration,
}

impl Deadline {
    pub(super) fn after(patience: Duration) -> Deadline {
        Deadline { until: Instant::now() + patience, patience }
    }

    /// The time that is left, which is never none: to a socket that would be "without end".
    pub(super) fn left(self) -> Result<Duration, Failure> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(self.passed());
        }
        Ok(left.max(Duration::from_micros(1)))
    }

    /// What there is to say when it has passed.
    pub(super) fn passed(self) -> Failure {
        Failure::TimedOut(self.patience)
    }

    /// The same, or an earlier one.
    fn at_most(self, patience: Duration) -> Deadline {
        let earlier = Deadline::after(patience);
        if earlier.until < self.until { earlier } else { self }
    }
}

/// Why a call had no answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// The other side has hung up, or was not there.
    Closed(String),
    /// It did not answer in time.
    TimedOut(Duration),
    /// It answered with an error.
    Refused {
        /// As `org.freedesktop.systemd1.UnitExists`.
        name: String,
        /// What it says.
        text: String,
    },
    /// It said what can't be understood.
    Garbled(String),
    /// What should be said can't be.
    Unspeakable(zbus::Error),
}

impl Connection {
    pub(super) fn open(address: &Address, until: Deadline) -> Result<Connection, Failure> {
        let until = until.at_most(OPEN);
        let stream = dial(&address.socket, until)?;
        let mut connection =
            Connection { stream, bus: !address.private, serial: 0, signals: VecDeque::new() };
        connection.authenticate(until)?;
        if connection.bus {
            connection.call(&to_bus("Hello", Vec::new()), until)?;
        }
        Ok(connection)
    }

    /// Tells the other side to look at the credentials of the socket, which the kernel vouches for.
    ///
    /// No user id is sent: in a user namespace it would be another one than the kernel tells the other side.
    fn authenticate(&mut self, until: Deadline) -> Result<(), Failure> {
        // All at once: a manager's own socket (systemd 252) doesn't answer calls after lines that came one by one.
        self.send(b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n", until)?;
        for expected in ["DATA", "OK"] {
            let answer = self.line(until)?;
            if !answer.starts_with(expected) {
                let name = "org.freedesktop.DBus.Error.AuthFailed".to_owned();
                let text = format!("the handshake was answered {answer:?}");
                return Err(Failure::Refused { name, text });
            }
        }
        Ok(())
    }

    fn line(&mut self, until: Deadline) -> Result<String, Failure> {
        let mut line = Vec::new();
        // Byte by byte, for what follows the line is another reader's.
        while !line.ends_with(b"\r\n") {
            let mut byte = [0];
            self.receive(&mut byte, until)?;
            line.push(byte[0]);
            if line.len() > LONGEST_LINE {
                return Err(Failure::Garbled("a line without end".to_owned()));
            }
        }
        Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
    }

    /// Calls a method and returns what it answers.
    pub(super) fn call(&mut self, call: &Call<'_>, until: Deadline) -> Result<Vec<super::Value>, Failure> {
        self.serial = self.serial.checked_add(1).unwrap_or(1);
        let serial = self.serial;
        let bytes = wire::encode(call, serial, self.bus).map_err(Failure::Unspeakable)?;
        self.send(&bytes, until)?;
        loop {
            let message = self.message(until)?;
            match message.kind {
                // The rest is for nobody here: without a bus every signal comes.
                wire::SIGNAL if message.member == "JobRemoved" => self.signals.push_back(message),
                wire::REPLY if message.reply_to == Some(serial) => return Ok(message.arguments),
                wire::ERROR if message.reply_to == Some(serial) => {
                    let text = message.text();
                    return Err(Failure::Refused { name: message.error, text });
                }
                // An answer to a call whose deadline had passed.
                _ => {}
            }
        }
    }

    /// Returns the next signal.
    pub(super) fn signal(&mut self, until: Deadline) -> Result<Message, Failure> {
        loop {
            if let Some(signal) = self.signals.pop_front() {
                return Ok(signal);
            }
            let message = self.message(until)?;
            if message.kind == wire::SIGNAL {
                return Ok(message);
            }
        }
    }

    /// Forgets the signals that nobody waits for any more.
    pub(super) fn forget_signals(&mut self) {
        self.signals.clear();
    }

    fn message(&mut self, until: Deadline) -> Result<Message, Failure> {
        let mut fixed = [0; wire::FIXED];
        self.receive(&mut fixed, until)?;
        let length = wire::length(&fixed).map_err(Failure::Garbled)?;
        let mut bytes = fixed.to_vec();
        bytes.resize(length, 0);
        self.receive(&mut bytes[wire::FIXED..], until)?;
        wire::decode(&bytes).map_err(Failure::Garbled)
    }

    fn send(&mut self, mut bytes: &[u8], until: Deadline) -> Result<(), Failure> {
        while !bytes.is_empty() {
            self.stream.set_write_timeout(Some(until.left()?)).map_err(closed)?;
            // In a program that keeps SIGPIPE's default, a plain write to a bus that has gone would end it.
            match send(self.stream.as_raw_fd(), bytes, MsgFlags::MSG_NOSIGNAL) {
                Ok(sent) => bytes = &bytes[sent..],
                Err(Errno::EINTR | Errno::EAGAIN) => {}
                Err(e) => return Err(closed(e.into())),
            }
        }
        Ok(())
    }

    fn receive(&mut self, mut bytes: &mut [u8], until: Deadline) -> Result<(), Failure> {
        while !bytes.is_empty() {
            self.stream.set_read_timeout(Some(until.left()?)).map_err(closed)?;
            match recv(self.stream.as_raw_fd(), bytes, MsgFlags::empty()) {
                Ok(0) => return Err(Failure::Closed("the other side has hung up".to_owned())),
                Ok(got) => bytes = &mut bytes[got..],
                Err(Errno::EINTR | Errno::EAGAIN) => {}
                Err(e) => return Err(closed(e.into())),
            }
        }
        Ok(())
    }
}

/// A call to the bus itself.
pub(super) fn to_bus(member: &str, arguments: Vec<super::Value>) -> Call<'_> {
    const BUS: &str = "org.freedesktop.DBus";
    Call { destination: BUS, path: "/org/freedesktop/DBus", interface: BUS, member, arguments }
}

#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
fn closed(error: io::Error) -> Failure {
    Failure::Closed(error.to_string())
}

/// Connects, and waits in line where the other side is busy.
///
/// The socket blocks: one that doesn't is refused with EAGAIN as soon as more callers knock than the other side
/// queues, which happens wherever many containers start at once.
fn dial(to: &Socket, until: Deadline) -> Result<UnixStream, Failure> {
    let refused = |e: Errno| closed(e.into());
    let address = match to {
        Socket::Path(path) => UnixAddr::new(path.as_path()),
        Socket::Abstract(name) => UnixAddr::new_abstract(name),
    };
    let address = address.map_err(refused)?;
    let fd: OwnedFd =
        socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).map_err(refused)?;
    loop {
        let left = TimeVal::microseconds(until.left()?.as_micros() as i64);
        setsockopt(&fd, sockopt::SendTimeout, &left).map_err(refused)?;
        match connect(fd.as_raw_fd(), &address) {
            Ok(()) => return Ok(UnixStream::from(fd)),
            // With the whole of the time over, which then is what is said.
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            Err(e) => return Err(refused(e)),
        }
    }
}

impl Failure {
    /// What was meant, on what, and why not, in one line.
    pub(super) fn into_error(self, action: impl Display) -> Error {
        let kind = match &self {
            Failure::Closed(_) | Failure::Garbled(_) => ErrorKind::Other,
            Failure::TimedOut(_) => ErrorKind::TimedOut,
            Failure::Unspeakable(cause) => return super::value::unspeakable(action, cause),
            Failure::Refused { name, .. } => kind_of(name),
        };
        Error::new(kind, format!("{action}: {self}"))
    }

    /// Whether the refusal speaks of something.
    pub(super) fn names(&self, what: &str) -> bool {
        matches!(self, Failure::Refused { text, .. } if text.contains(what))
    }

    pub(super) fn is(&self, error: &str) -> bool {
        matches!(self, Failure::Refused { name, .. } if name.rsplit('.').next() == Some(error))
    }
}

fn kind_of(name: &str) -> ErrorKind {
    match name.rsplit('.').next().unwrap_or_default() {
        "AccessDenied" | "AuthFailed" | "InteractiveAuthorizationRequired" | "EPERM" | "EACCES" => {
            ErrorKind::PermissionDenied
        }
        "NoSuchUnit" | "ServiceUnknown" | "NameHasNoOwner" | "ESRCH" | "ENOENT" | "UnixProcessIdUnknown" => {
            ErrorKind::NotFound
        }
        "UnitExists" | "EBUSY" | "LimitsExceeded" => ErrorKind::Busy,
        "InvalidArgs" | "PropertyReadOnly" | "UnknownProperty" | "BadUnitSetting" | "EINVAL" | "ENXIO"
        | "InvalidName" => ErrorKind::InvalidInput,
        "UnknownMethod" | "NotSupported" | "EOPNOTSUPP" => ErrorKind::Unsupported,
        "NoReply" | "Timeout" | "TimedOut" => ErrorKind::TimedOut,
        _ => ErrorKind::Other,
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Closed(why) => write!(f, "no connection: {why}"),
            Failure::TimedOut(after) => write!(f, "no answer after {after:?}"),
            Failure::Refused { name, text } if text.is_empty() => write!(f, "{name}"),
            Failure::Refused { name, text } => write!(f, "{} ({name})", text.trim_end_matches('.')),
            Failure::Garbled(what) => write!(f, "{what} came"),
            Failure::Unspeakable(cause) => write!(f, "{cause}"),
        }
    }
}

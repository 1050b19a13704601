//! Unix sockets: `struct unix_diag_msg` and attributes.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::SOCK_DIAG_BY_FAMILY;
use super::filter::States;
use super::inet::SocketState;
use super::memory::SocketMemory;
use crate::handle::Handle;
use crate::wire::attribute::Attributes;
use crate::wire::message::Message;
use crate::wire::request::Request;
use crate::wire::u32_at;

const AF_UNIX: u8 = 1;
const HEADER: usize = 16;

const UNIX_DIAG_NAME: u16 = 0;
const UNIX_DIAG_PEER: u16 = 2;
const UNIX_DIAG_RQLEN: u16 = 4;
const UNIX_DIAG_MEMINFO: u16 = 5;
const UNIX_DIAG_SHUTDOWN: u16 = 6;
const UNIX_DIAG_UID: u16 = 7;

/// `UDIAG_SHOW_`: name, peer, queue, memory and owner.
const SHOW: u32 = 0x1 | 0x4 | 0x10 | 0x20 | 0x40;

/// A unix socket, as the kernel described it when it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnixSocket {
    /// How it sends.
    pub kind: UnixKind,
    /// Its state: `Listen`, `Established`, and `Close` where it has no connection.
    pub state: SocketState,
    /// Its inode, as in `/proc/PID/fd`: `socket:[INODE]`.
    pub inode: u32,
    /// What tells it from all other sockets, before and after.
    pub cookie: u64,
    /// What it is bound to.
    pub name: Option<UnixName>,
    /// The inode of the socket that it is connected to.
    pub peer: Option<u32>,
    /// How many bytes wait to be read; of one that listens, how many connections wait to be accepted.
    pub receive_queue: u32,
    /// How many bytes were sent and not read; of one that listens, how many connections may wait.
    pub send_queue: u32,
    /// What memory it takes.
    pub memory: Option<SocketMemory>,
    /// What was shut down: 1 receiving, 2 sending, 3 both.
    pub shutdown: Option<u8>,
    /// Its owner (Linux 5.3).
    pub uid: Option<u32>,
}

/// How a unix socket sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UnixKind {
    /// Bytes in their order.
    Stream,
    /// Messages.
    Datagram,
    /// Messages in their order, over a connection.
    SeqPacket,
    /// A number that this crate doesn't know.
    Other(u8),
}

/// What a unix socket is bound to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum UnixName {
    /// A file, by the path that its owner gave.
    Path(PathBuf),
    /// A name that is in no file system, without its leading NUL.
    Abstract(Vec<u8>),
}

impl UnixName {
    fn read(bytes: &[u8]) -> Option<UnixName> {
        match bytes {
            [] => None,
            [0, name @ ..] => Some(UnixName::Abstract(name.to_vec())),
            path => {
                let path = path.split(|byte| *byte == 0).next()?;
                Some(UnixName::Path(OsStr::from_bytes(path).into()))
            }
        }
    }
}

/// Written as ss(8) does: `/run/dbus/socket`, `@name`.
impl fmt::Display for UnixName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UnixName::Path(path) => path.display().fmt(f),
            UnixName::Abstract(name) => write!(f, "@{}", name.escape_ascii()),
        }
    }
}

/// Which unix sockets to list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnixFilter {
    /// The states.
    pub states: States,
}

impl UnixFilter {
    /// `struct unix_diag_req`.
    pub(super) fn request(self, handle: &mut Handle) -> Request {
        let mut header = [0; 24];
        header[0] = AF_UNIX;
        header[4..8].copy_from_slice(&self.states.bits().to_ne_bytes());
        header[12..16].copy_from_slice(&SHOW.to_ne_bytes());
        let mut request = handle.room();
        request.begin(SOCK_DIAG_BY_FAMILY, 0, &header);
        request
    }

    pub(super) fn read(self, message: &Message<'_>) -> Option<UnixSocket> {
        UnixSocket::read(message.payload).filter(|socket| self.states.holds(socket.state))
    }
}

impl UnixSocket {
    /// Reads a socket; `None` where it is no unix socket.
    fn read(payload: &[u8]) -> Option<UnixSocket> {
        let header: &[u8; HEADER] = payload.first_chunk()?;
        if header[0] != AF_UNIX {
            return None;
        }
        let kind = match header[1] {
            1 => UnixKind::Stream,
            2 => UnixKind::Datagram,
            5 => UnixKind::SeqPacket,
            other => UnixKind::Other(other),
        };
        let mut socket = UnixSocket {
            kind,
            state: SocketState::from_kernel(header[2]),
            inode: u32_at(header, 4)?,
            cookie: u64::from(u32_at(header, 8)?) | u64::from(u32_at(header, 12)?) << 32,
            name: None,
            peer: None,
            receive_queue: 0,
            send_queue: 0,
            memory: None,
            shutdown: None,
            uid: None,
        };
        for attribute in Attributes::after(HEADER, payload) {
            match attribute.kind {
                UNIX_DIAG_NAME => socket.name = UnixName::read(attribute.payload),
                UNIX_DIAG_PEER => socket.peer = attribute.u32().filter(|inode| *inode != 0),
                UNIX_DIAG_RQLEN => {
                    socket.receive_queue = u32_at(attribute.payload, 0).unwrap_or_default();
                    socket.send_queue = u32_at(attribute.payload, 4).unwrap_or_default();
                }
                UNIX_DIAG_MEMINFO => socket.memory = Some(SocketMemory::read(attribute.payload)),
                UNIX_DIAG_SHUTDOWN => socket.shutdown = attribute.u8(),
                UNIX_DIAG_UID => socket.uid = attribute.u32(),
                _ => {}
            }
        }
        Some(socket)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_paths_or_abstract() {
        assert_eq!(UnixName::read(b""), None);
        assert_eq!(UnixName::read(b"/run/x\0"), Some(UnixName::Path("/run/x".into())));
        let name = UnixName::read(b"\0a\x1bb\0").unwrap();
        assert_eq!(name, UnixName::Abstract(b"a\x1bb\0".to_vec()));
        assert_eq!(name.to_string(), "@a\\x1bb\\x00");
    }

    #[test]
    fn bytes_of_no_sense_are_no_socket_and_no_panic() {
        assert_eq!(UnixSocket::read(&[1; 15]), None);
        assert_eq!(UnixSocket::read(&[2; 16]), None);
        let odd = [&[1; 16][..], &[6, 0, 4, 0, 1, 1, 0, 0, 5, 0, 2, 0, 1]].concat();
        let socket = UnixSocket::read(&odd).unwrap();
        assert_eq!((socket.peer, socket.receive_queue), (None, 0));
    }
}

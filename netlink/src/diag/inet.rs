//! A socket of the internet protocols: `struct inet_diag_msg` and attributes.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::SOCK_DESTROY;
use super::filter::InetProtocol;
use super::memory::SocketMemory;
use super::tcp_info::TcpInfo;
use crate::wire::attribute::Attributes;
use crate::wire::numbers::{AF_INET, AF_INET6};
use crate::wire::request::Request;
use crate::wire::u32_at;

/// The length of `struct inet_diag_req_v2`.
pub(super) const REQUEST: usize = 56;
/// The length of `struct inet_diag_msg`.
const HEADER: usize = 72;
/// Where `struct inet_diag_sockid` begins in the answer, and in a request.
const ID: usize = 4;
const ID_IN_REQUEST: usize = 8;
const ID_LENGTH: usize = 48;

const INET_DIAG_INFO: u16 = 2;
const INET_DIAG_CONG: u16 = 4;
const INET_DIAG_TOS: u16 = 5;
const INET_DIAG_TCLASS: u16 = 6;
const INET_DIAG_SKMEMINFO: u16 = 7;
const INET_DIAG_SHUTDOWN: u16 = 8;
const INET_DIAG_PROTOCOL: u16 = 10;
const INET_DIAG_SKV6ONLY: u16 = 11;
const INET_DIAG_MARK: u16 = 15;
const INET_DIAG_CLASS_ID: u16 = 17;
const INET_DIAG_CGROUP_ID: u16 = 21;

/// The attributes to ask for; those with higher numbers come unasked.
pub(super) const EXTENSIONS: u8 = 1 << (INET_DIAG_INFO - 1)
    | 1 << (INET_DIAG_CONG - 1)
    | 1 << (INET_DIAG_TOS - 1)
    | 1 << (INET_DIAG_TCLASS - 1)
    | 1 << (INET_DIAG_SKMEMINFO - 1)
    | 1 << (INET_DIAG_SHUTDOWN - 1);

/// A socket of the internet protocols, as the kernel described it when it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InetSocket {
    /// Its protocol.
    pub protocol: InetProtocol,
    /// Its state. UDP and raw sockets are `Established` if they are connected, and `Close` else.
    pub state: SocketState,
    /// Its own address and port. A raw socket's port is its protocol.
    pub local: SocketAddr,
    /// The other end's address and port; zeros where there is none.
    pub remote: SocketAddr,
    /// The index of the link that it is bound to.
    pub device: Option<u32>,
    /// What tells it from all other sockets, before and after.
    pub cookie: u64,
    /// Its owner.
    pub uid: u32,
    /// Its inode, as in `/proc/PID/fd`: `socket:[INODE]`. Zero where no program has it any more.
    pub inode: u32,
    /// How many bytes wait to be read; of one that listens, how many connections wait to be accepted.
    pub receive_queue: u32,
    /// How many bytes were not acknowledged; of one that listens, how many connections may wait.
    pub send_queue: u32,
    /// What it waits for.
    pub timer: TimerKind,
    /// For how many milliseconds it waits for that.
    pub timer_expires: u32,
    /// How often it has sent the same again.
    pub retransmits: u8,
    /// What memory it takes.
    pub memory: Option<SocketMemory>,
    /// What TCP measured.
    pub tcp: Option<Box<TcpInfo>>,
    /// How it avoids congestion: `cubic`, `bbr`.
    pub congestion: Option<String>,
    /// The type of service of its IPv4 packets.
    pub tos: Option<u8>,
    /// The traffic class of its IPv6 packets.
    pub traffic_class: Option<u8>,
    /// What was shut down: 1 receiving, 2 sending, 3 both.
    pub shutdown: Option<u8>,
    /// Whether it speaks IPv6 only; told of those without a connection.
    pub ipv6_only: Option<bool>,
    /// The mark of its packets (told to who has `CAP_NET_ADMIN`).
    pub mark: Option<u32>,
    /// Its class for traffic control: its priority, or the number of its cgroup (told to who has `CAP_NET_ADMIN`).
    pub class_id: Option<u32>,
    /// The id of the v2 cgroup that it was made in (Linux 5.9).
    pub cgroup_id: Option<u64>,
    /// `struct inet_diag_sockid` as it came.
    id: [u8; ID_LENGTH],
}

/// Written as `ss` writes it: `LISTEN`, `ESTAB`.
impl fmt::Display for SocketState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            SocketState::Established => "ESTAB",
            SocketState::SynSent => "SYN-SENT",
            SocketState::SynRecv => "SYN-RECV",
            SocketState::FinWait1 => "FIN-WAIT-1",
            SocketState::FinWait2 => "FIN-WAIT-2",
            SocketState::TimeWait => "TIME-WAIT",
            SocketState::Close => "UNCONN",
            SocketState::CloseWait => "CLOSE-WAIT",
            SocketState::LastAck => "LAST-ACK",
            SocketState::Listen => "LISTEN",
            SocketState::Closing => "CLOSING",
            SocketState::NewSynRecv => "NEW-SYN-RECV",
            SocketState::Other(other) => return write!(f, "state {other}"),
        })
    }
}

/// The state of a socket, in TCP's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SocketState {
    /// Connected.
    Established,
    /// It asks for a connection.
    SynSent,
    /// It was asked for a connection.
    SynRecv,
    /// It has closed, and the other end has not said that it knows.
    FinWait1,
    /// It has closed, and the other end may still send.
    FinWait2,
    /// Both have closed: it waits until no packet of the connection can be on the way.
    TimeWait,
    /// It has no connection.
    Close,
    /// The other end has closed, and its own program has not.
    CloseWait,
    /// The other end closed first, and has not said that it knows that both have.
    LastAck,
    /// It waits for connections.
    Listen,
    /// Both closed at once.
    Closing,
    /// A connection that is not accepted yet and has no socket of its own.
    NewSynRecv,
    /// A number that this crate doesn't know.
    Other(u8),
}

impl SocketState {
    pub(super) fn from_kernel(state: u8) -> SocketState {
        match state {
            1 => SocketState::Established,
            2 => SocketState::SynSent,
            3 => SocketState::SynRecv,
            4 => SocketState::FinWait1,
            5 => SocketState::FinWait2,
            6 => SocketState::TimeWait,
            7 => SocketState::Close,
            8 => SocketState::CloseWait,
            9 => SocketState::LastAck,
            10 => SocketState::Listen,
            11 => SocketState::Closing,
            12 => SocketState::NewSynRecv,
            other => SocketState::Other(other),
        }
    }

    /// Its number, of at most 31.
    pub(super) fn to_kernel(self) -> u8 {
        match self {
            SocketState::Established => 1,
            SocketState::SynSent => 2,
            SocketState::SynRecv => 3,
            SocketState::FinWait1 => 4,
            SocketState::FinWait2 => 5,
            SocketState::TimeWait => 6,
            SocketState::Close => 7,
            SocketState::CloseWait => 8,
            SocketState::LastAck => 9,
            SocketState::Listen => 10,
            SocketState::Closing => 11,
            SocketState::NewSynRecv => 12,
            SocketState::Other(other) => other.min(31),
        }
    }
}

/// What a socket waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TimerKind {
    /// Nothing.
    Off,
    /// To send the same again.
    Retransmit,
    /// To see whether the other end is still there.
    KeepAlive,
    /// Until no packet of the connection can be on the way.
    TimeWait,
    /// To ask whether the other end has room again.
    ZeroWindowProbe,
    /// A number that this crate doesn't know.
    Other(u8),
}

impl TimerKind {
    fn from_kernel(timer: u8) -> TimerKind {
        match timer {
            0 => TimerKind::Off,
            1 => TimerKind::Retransmit,
            2 => TimerKind::KeepAlive,
            3 => TimerKind::TimeWait,
            4 => TimerKind::ZeroWindowProbe,
            other => TimerKind::Other(other),
        }
    }
}

impl InetSocket {
    /// Reads a socket; `None` where it is neither of IPv4 nor of IPv6.
    pub(super) fn read(payload: &[u8], asked: InetProtocol) -> Option<InetSocket> {
        let header: &[u8; HEADER] = payload.first_chunk()?;
        let v4 = match header[0] {
            AF_INET => true,
            AF_INET6 => false,
            _ => return None,
        };
        let id: [u8; ID_LENGTH] = header.get(ID..ID + ID_LENGTH)?.try_into().ok()?;
        let after = ID + ID_LENGTH;
        let mut socket = InetSocket {
            protocol: asked,
            state: SocketState::from_kernel(header[1]),
            local: SocketAddr::new(address(v4, &id, 4)?, port(&id, 0)?),
            remote: SocketAddr::new(address(v4, &id, 20)?, port(&id, 2)?),
            device: u32_at(&id, 36).filter(|index| *index != 0),
            cookie: u64::from(u32_at(&id, 40)?) | u64::from(u32_at(&id, 44)?) << 32,
            uid: u32_at(header, after + 12)?,
            inode: u32_at(header, after + 16)?,
            receive_queue: u32_at(header, after + 4)?,
            send_queue: u32_at(header, after + 8)?,
            timer: TimerKind::from_kernel(header[2]),
            timer_expires: u32_at(header, after)?,
            retransmits: header[3],
            memory: None,
            tcp: None,
            congestion: None,
            tos: None,
            traffic_class: None,
            shutdown: None,
            ipv6_only: None,
            mark: None,
            class_id: None,
            cgroup_id: None,
            id,
        };
        for attribute in Attributes::after(HEADER, payload) {
            match attribute.kind {
                INET_DIAG_SKMEMINFO => socket.memory = Some(SocketMemory::read(attribute.payload)),
                INET_DIAG_INFO if asked == InetProtocol::Tcp => {
                    socket.tcp = Some(Box::new(TcpInfo::read(attribute.payload)));
                }
                INET_DIAG_CONG => socket.congestion = Some(attribute.text()),
                INET_DIAG_TOS => socket.tos = attribute.u8(),
                INET_DIAG_TCLASS => socket.traffic_class = attribute.u8(),
                INET_DIAG_SHUTDOWN => socket.shutdown = attribute.u8(),
                // Of a raw socket: its protocol, which a list of all of them tells.
                INET_DIAG_PROTOCOL => {
                    if let (InetProtocol::Raw(protocol), Some(told)) = (&mut socket.protocol, attribute.u8())
                    {
                        *protocol = told;
                    }
                }
                INET_DIAG_SKV6ONLY => socket.ipv6_only = attribute.bool(),
                INET_DIAG_MARK => socket.mark = attribute.u32(),
                INET_DIAG_CLASS_ID => socket.class_id = attribute.u32(),
                INET_DIAG_CGROUP_ID => socket.cgroup_id = attribute.u64(),
                _ => {}
            }
        }
        Some(socket)
    }

    /// Writes the request to close it.
    pub(super) fn write_destroy(&self, request: &mut Request) {
        let (protocol, raw) = self.protocol.numbers();
        let mut header = [0; REQUEST];
        header[0] = if self.local.is_ipv4() { AF_INET } else { AF_INET6 };
        header[1] = protocol;
        header[3] = raw;
        header[4..8].copy_from_slice(&u32::MAX.to_ne_bytes());
        header[ID_IN_REQUEST..].copy_from_slice(&self.id);
        request.begin(SOCK_DESTROY, 0, &header);
    }
}

fn address(v4: bool, id: &[u8], at: usize) -> Option<IpAddr> {
    Some(if v4 {
        Ipv4Addr::from(*id.get(at..)?.first_chunk::<4>()?).into()
    } else {
        Ipv6Addr::from(*id.get(at..)?.first_chunk::<16>()?).into()
    })
}

fn port(id: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*id.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_the_kernels_numbers() {
        for number in 0..32 {
            assert_eq!(SocketState::from_kernel(number).to_kernel(), number);
        }
        assert_eq!(SocketState::from_kernel(255).to_kernel(), 31);
    }

    #[test]
    fn bytes_of_no_sense_are_no_socket_and_no_panic() {
        assert_eq!(InetSocket::read(&[2; 71], InetProtocol::Tcp), None);
        assert_eq!(InetSocket::read(&[1; 72], InetProtocol::Tcp), None);
        let odd = [&[2; 72][..], &[5, 0, 2, 0, 1, 0, 0, 0, 6, 0, 7, 0, 1, 1, 0, 0, 9, 0, 21, 0, 1]].concat();
        let socket = InetSocket::read(&odd, InetProtocol::Tcp).unwrap();
        assert_eq!(socket.cgroup_id, None);
        assert_eq!(socket.tcp.unwrap().rtt, 0);
    }
}

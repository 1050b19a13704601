//! How a socket is made.

use std::fmt::Debug;
use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::Path;

use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrIn, SockaddrIn6, bind, listen, setsockopt, socket,
    sockopt,
};

use crate::error::{Cause, Error, Result};
use crate::unix::{self, BoundPath};
use crate::{Activator, ListenBuffer};

/// Options of a socket; the plain functions of [`ListenBuffer`] use none.
///
/// ```
/// let (listener, activator) = listenbuffer::Options::new().backlog(16).tcp("127.0.0.1:0")?;
/// assert_eq!(listener.backlog(), Some(16));
/// # Ok::<(), listenbuffer::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Options {
    backlog: Option<u32>,
    mode: Option<u32>,
    receive_buffer: Option<usize>,
}

impl Options {
    /// Starts with the system's own choices.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how many connected clients the kernel keeps before accept; without it as many as the
    /// system allows (`net.core.somaxconn`, 4096), which is also the limit.
    ///
    /// Further clients wait: on TCP they repeat their first packet and lose seconds by it, on Unix
    /// sockets they block in `connect`. Above 4096 it means the system's limit.
    ///
    /// See [`listen(2)`](https://man7.org/linux/man-pages/man2/listen.2.html).
    #[must_use]
    pub fn backlog(mut self, clients: u32) -> Self {
        self.backlog = Some(clients);
        self
    }

    /// Sets the permissions of a Unix socket's path, such as `0o660`; without it they follow the umask.
    ///
    /// The path never has more than these, not even for a moment, and the process's umask is not
    /// touched. It has no meaning for TCP, UDP and abstract names.
    #[must_use]
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = Some(mode);
        self
    }

    /// Sets how many bytes the kernel keeps for the program: on UDP all messages together, on TCP
    /// those of one connection.
    ///
    /// The kernel doubles it for its own needs, and without `CAP_NET_ADMIN` limits it to
    /// `net.core.rmem_max`; [`ListenBuffer::receive_buffer`] tells what came of it. UDP messages that
    /// find no room are lost without a trace, the newest first: the usual 212,992 bytes hold some 250
    /// small messages.
    #[must_use]
    pub fn receive_buffer(mut self, bytes: usize) -> Self {
        self.receive_buffer = Some(bytes);
        self
    }

    /// Listens on a TCP address.
    ///
    /// # Errors
    ///
    /// [`AddrInUse`](crate::ErrorKind::AddrInUse), [`PermissionDenied`](crate::ErrorKind::PermissionDenied)
    /// for low ports, [`InvalidInput`](crate::ErrorKind::InvalidInput) for what is no address.
    pub fn tcp(&self, addr: impl ToSocketAddrs + Debug) -> Result<(ListenBuffer<TcpListener>, Activator)> {
        let make = || {
            let listener = TcpListener::from(first(&addr, |addr| self.tcp_socket(addr))?);
            listener.set_nonblocking(true)?;
            let name = format!("tcp {}", listener.local_addr()?);
            ListenBuffer::new(listener, name, None, Some(self.effective_backlog()))
        };
        make().map_err(|cause: Cause| Error::new(format!("listen on tcp {addr:?}"), cause))
    }

    /// Listens on a Unix socket; a path that starts with `@` is an abstract name, as in Go.
    ///
    /// A socket that nobody listens on any more, left by a crash, is replaced. Any other file at the
    /// path is left alone. To tell the two apart a connection is tried, which a live server sees.
    /// The path may be longer than the 107 bytes that fit into an address; its last name may not. It is
    /// removed when the listener is closed or dropped, unless somebody has replaced it meanwhile.
    ///
    /// # Errors
    ///
    /// [`AddrInUse`](crate::ErrorKind::AddrInUse) where somebody listens or another file is in the way.
    pub fn unix(&self, path: impl AsRef<Path>) -> Result<(ListenBuffer<UnixListener>, Activator)> {
        let path = path.as_ref();
        let name = format!("unix {:?}", path.to_string_lossy());
        let make = || {
            let (socket, bound) = unix::listen(path, self.mode, |socket| self.start(socket))?;
            let listener = UnixListener::from(socket);
            listener.set_nonblocking(true)?;
            ListenBuffer::new(listener, name.clone(), bound, Some(self.effective_backlog()))
        };
        make().map_err(|cause: Cause| Error::new(format!("listen on {name}"), cause))
    }

    /// Receives on a UDP address.
    ///
    /// # Errors
    ///
    /// Those of [`tcp`](Self::tcp).
    pub fn udp(&self, addr: impl ToSocketAddrs + Debug) -> Result<(ListenBuffer<UdpSocket>, Activator)> {
        let make = || {
            let socket = UdpSocket::from(first(&addr, |addr| self.bound_socket(addr, SockType::Datagram))?);
            socket.set_nonblocking(true)?;
            let name = format!("udp {}", socket.local_addr()?);
            ListenBuffer::new(socket, name, None::<BoundPath>, None)
        };
        make().map_err(|cause: Cause| Error::new(format!("listen on udp {addr:?}"), cause))
    }

    fn tcp_socket(&self, addr: SocketAddr) -> io::Result<OwnedFd> {
        let socket = self.bound_socket(addr, SockType::Stream)?;
        self.start(&socket)?;
        Ok(socket)
    }

    fn bound_socket(&self, addr: SocketAddr, kind: SockType) -> io::Result<OwnedFd> {
        let family = if addr.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
        let socket = socket(family, kind, SockFlag::SOCK_CLOEXEC, None)?;
        if kind == SockType::Stream {
            // A server that restarts must not wait for the last one's connections to time out.
            setsockopt(&socket, sockopt::ReuseAddr, &true)?;
        }
        if let Some(bytes) = self.receive_buffer {
            // Set before listening: TCP chooses its window scale when a client connects.
            setsockopt(&socket, sockopt::RcvBufForce, &bytes)
                .or_else(|_| setsockopt(&socket, sockopt::RcvBuf, &bytes))?;
        }
        match addr {
            SocketAddr::V4(addr) => bind(socket.as_raw_fd(), &SockaddrIn::from(addr))?,
            SocketAddr::V6(addr) => bind(socket.as_raw_fd(), &SockaddrIn6::from(addr))?,
        }
        Ok(socket)
    }

    /// Starts to keep clients.
    fn start(&self, socket: &OwnedFd) -> io::Result<()> {
        let backlog = self.backlog.and_then(|clients| i32::try_from(clients).ok());
        let backlog = backlog.and_then(|clients| Backlog::new(clients).ok()).unwrap_or(Backlog::MAXALLOWABLE);
        Ok(listen(socket, backlog)?)
    }

    fn effective_backlog(&self) -> u32 {
        let limit =
            fs::read_to_string("/proc/sys/net/core/somaxconn").ok().and_then(|text| text.trim().parse().ok());
        let limit = limit.unwrap_or(4096);
        match self.backlog {
            Some(clients) if clients <= 4096 => clients.min(limit),
            _ => limit,
        }
    }
}

/// Makes a socket for the first of the addresses that lets one be made.
fn first(addr: &impl ToSocketAddrs, make: impl Fn(SocketAddr) -> io::Result<OwnedFd>) -> io::Result<OwnedFd> {
    let mut last = io::Error::new(io::ErrorKind::InvalidInput, "the name has no address");
    for addr in addr.to_socket_addrs()? {
        match make(addr) {
            Ok(socket) => return Ok(socket),
            Err(error) => last = error,
        }
    }
    Err(last)
}

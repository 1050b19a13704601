//! The document's level: a protocol and an address, both text.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};

use crate::error::Cause;
use crate::{Activator, Error, ListenBuffer, Result};

/// A socket of a protocol that was chosen at run time.
#[derive(Debug)]
#[non_exhaustive]
pub enum Listener {
    /// `tcp`
    Tcp(ListenBuffer<TcpListener>),
    /// `unix`
    Unix(ListenBuffer<UnixListener>),
    /// `udp`
    Udp(ListenBuffer<UdpSocket>),
}

/// Listens at once, on `tcp`, `udp` (`host:port`) or `unix` (a path), and hands over nothing until
/// it is activated.
///
/// ```
/// let (listener, activator) = listenbuffer::listen("tcp", "127.0.0.1:0")?;
/// # let listenbuffer::Listener::Tcp(tcp) = &listener else { panic!() };
/// # let _client = std::net::TcpStream::connect(tcp.local_addr()?).expect("it listens");
/// activator.activate();
/// let stream = listener.accept()?;
/// # Ok::<(), listenbuffer::Error>(())
/// ```
///
/// # Errors
///
/// [`InvalidInput`](crate::ErrorKind::InvalidInput) for another protocol, and those of
/// [`Options`](crate::Options).
#[doc(alias = "NewListenBuffer")]
pub fn listen(proto: &str, addr: &str) -> Result<(Listener, Activator)> {
    match proto {
        "tcp" => ListenBuffer::tcp(addr).map(|(tcp, activator)| (Listener::Tcp(tcp), activator)),
        "udp" => ListenBuffer::udp(addr).map(|(udp, activator)| (Listener::Udp(udp), activator)),
        "unix" => ListenBuffer::unix(addr).map(|(unix, activator)| (Listener::Unix(unix), activator)),
        _ => {
            let unknown =
                io::Error::new(io::ErrorKind::InvalidInput, "the protocol is none of tcp, udp and unix");
            Err(Error::new(format!("listen on {proto:?} {addr:?}"), unknown))
        }
    }
}

impl Listener {
    /// Waits for the activation and then for a client, and hands its connection over.
    ///
    /// # Errors
    ///
    /// Those of [`ListenBuffer::accept`]; [`InvalidInput`](crate::ErrorKind::InvalidInput) for UDP,
    /// which has no connections.
    #[doc(alias = "Accept")]
    pub fn accept(&self) -> Result<Stream> {
        match self {
            Self::Tcp(tcp) => Ok(Stream::Tcp(tcp.accept()?.0)),
            Self::Unix(unix) => Ok(Stream::Unix(unix.accept()?.0)),
            Self::Udp(_) => Err(Error::new("accept on udp", Cause::Unsupported)),
        }
    }

    /// Closes the listener; [`ListenBuffer::close`].
    #[doc(alias = "Close")]
    pub fn close(&self) {
        match self {
            Self::Tcp(tcp) => tcp.close(),
            Self::Unix(unix) => unix.close(),
            Self::Udp(udp) => udp.close(),
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(tcp) => tcp.as_fd(),
            Self::Unix(unix) => unix.as_fd(),
            Self::Udp(udp) => udp.as_fd(),
        }
    }
}

/// A connection of a protocol that was chosen at run time.
#[derive(Debug)]
#[non_exhaustive]
pub enum Stream {
    /// From a [`Listener::Tcp`].
    Tcp(TcpStream),
    /// From a [`Listener::Unix`].
    Unix(UnixStream),
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(tcp) => tcp.read(buffer),
            Self::Unix(unix) => unix.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(tcp) => tcp.write(bytes),
            Self::Unix(unix) => unix.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(tcp) => tcp.as_fd(),
            Self::Unix(unix) => unix.as_fd(),
        }
    }
}

//! Sockets that keep their clients until they are activated.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::net::{self as unix, UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::socket::{Shutdown, getsockopt, shutdown, sockopt};

use crate::activator::Gate;
use crate::error::{Cause, Error, Result};
use crate::unix::BoundPath;
use crate::wait::readable;
use crate::{Activator, Options};

/// A socket that listens, and hands over nothing until it is activated.
///
/// Any number of threads may accept from one, by reference. It can be polled too: its descriptor is
/// readable when a client waits, and [`activation`](Self::activation) when clients are handed over.
///
/// The socket itself is non-blocking, the connections that come from it are not.
pub struct ListenBuffer<S> {
    // Declared before the socket, which must outlive it.
    bound: Option<BoundPath>,
    socket: S,
    gate: Arc<Gate>,
    name: String,
    backlog: Option<u32>,
}

impl<S> fmt::Debug for ListenBuffer<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListenBuffer").field("socket", &self.name).finish_non_exhaustive()
    }
}

impl ListenBuffer<TcpListener> {
    /// Listens on a TCP address; [`Options::tcp`] without options.
    pub fn tcp(addr: impl ToSocketAddrs + fmt::Debug) -> Result<(Self, Activator)> {
        Options::new().tcp(addr)
    }

    /// Returns the address, with the port that the system chose for 0.
    pub fn local_addr(&self) -> Result<SocketAddr> {
        self.socket.local_addr().map_err(|e| self.error("ask for the address of", e))
    }
}

impl ListenBuffer<UnixListener> {
    /// Listens on a Unix socket; [`Options::unix`] without options.
    pub fn unix(path: impl AsRef<Path>) -> Result<(Self, Activator)> {
        Options::new().unix(path)
    }

    /// Returns the address; of a path that is longer than an address it is another spelling.
    pub fn local_addr(&self) -> Result<unix::SocketAddr> {
        self.socket.local_addr().map_err(|e| self.error("ask for the address of", e))
    }
}

impl ListenBuffer<UdpSocket> {
    /// Receives on a UDP address; [`Options::udp`] without options.
    pub fn udp(addr: impl ToSocketAddrs + fmt::Debug) -> Result<(Self, Activator)> {
        Options::new().udp(addr)
    }

    /// Returns the address, with the port that the system chose for 0.
    pub fn local_addr(&self) -> Result<SocketAddr> {
        self.socket.local_addr().map_err(|e| self.error("ask for the address of", e))
    }

    /// Waits for the activation and then for a message, and returns its length and its sender.
    ///
    /// What doesn't fit into the buffer is lost.
    ///
    /// # Errors
    ///
    /// Those of [`accept`](ListenBuffer::accept).
    pub fn recv_from(&self, buffer: &mut [u8]) -> Result<(usize, SocketAddr)> {
        self.wait(None, || self.socket.recv_from(buffer)).map_err(|cause| self.error("receive on", cause))
    }

    /// Does what [`recv_from`](Self::recv_from) does, up to a deadline.
    ///
    /// # Errors
    ///
    /// [`TimedOut`](crate::ErrorKind::TimedOut) as well.
    pub fn recv_from_until(&self, buffer: &mut [u8], deadline: Instant) -> Result<(usize, SocketAddr)> {
        self.wait(Some(deadline), || self.socket.recv_from(buffer))
            .map_err(|cause| self.error("receive on", cause))
    }
}

impl<S: Accept> ListenBuffer<S> {
    /// Waits for the activation and then for a client, and hands its connection over.
    ///
    /// A client that went away while it was queued is passed over. When the process or the system is
    /// out of descriptors or memory, this waits for better times instead of failing over and over.
    ///
    /// # Errors
    ///
    /// [`Abandoned`](crate::ErrorKind::Abandoned) when every activator was dropped without
    /// activating, [`Closed`](crate::ErrorKind::Closed) after [`close`](Self::close).
    pub fn accept(&self) -> Result<(S::Stream, S::Address)> {
        self.wait(None, || self.socket.accept_one()).map_err(|cause| self.error("accept on", cause))
    }

    /// Does what [`accept`](Self::accept) does, up to a deadline: both waits together.
    ///
    /// # Errors
    ///
    /// [`TimedOut`](crate::ErrorKind::TimedOut) as well, or the error of a system that is out of
    /// descriptors until then.
    pub fn accept_until(&self, deadline: Instant) -> Result<(S::Stream, S::Address)> {
        self.wait(Some(deadline), || self.socket.accept_one()).map_err(|cause| self.error("accept on", cause))
    }

    /// Hands a connection over if that needs no waiting, and `None` if nothing is active or nobody there.
    ///
    /// For those who poll. Being out of descriptors is an error here.
    ///
    /// # Errors
    ///
    /// Those of [`accept`](Self::accept).
    pub fn try_accept(&self) -> Result<Option<(S::Stream, S::Address)>> {
        let attempt = || -> std::result::Result<_, Cause> {
            if !self.gate.is_open()? {
                return Ok(None);
            }
            loop {
                match self.socket.accept_one() {
                    Ok(accepted) => return Ok(Some(accepted)),
                    Err(error) => match Trouble::of(&error) {
                        Trouble::Nobody => return Ok(None),
                        Trouble::ThisClient => {}
                        Trouble::Shortage | Trouble::Fatal => return Err(error.into()),
                    },
                }
            }
        };
        attempt().map_err(|cause| self.error("accept on", cause))
    }
}

impl<S: AsFd> ListenBuffer<S> {
    pub(crate) fn new(
        socket: S,
        name: String,
        bound: Option<BoundPath>,
        backlog: Option<u32>,
    ) -> std::result::Result<(Self, Activator), Cause> {
        let gate = Arc::new(Gate::new()?);
        let activator = Activator::new(Arc::clone(&gate));
        Ok((Self { bound, socket, gate, name, backlog }, activator))
    }

    /// Closes the listener: those who wait get an error, clients in the queue are cut off, and new
    /// ones are refused. A Unix socket's path is removed.
    ///
    /// Any thread may do so, before or after the activation. The descriptor itself, and with it the
    /// port, stays taken until this is dropped.
    pub fn close(&self) {
        self.gate.close();
        if let Some(bound) = &self.bound {
            bound.remove();
        }
        // A UDP socket has nothing to shut down, and says so.
        let _ = shutdown(self.socket.as_fd().as_raw_fd(), Shutdown::Both);
    }

    /// Returns a descriptor that becomes readable once there is no activation to wait for any more:
    /// activated, abandoned or closed. For those who poll; only poll it.
    pub fn activation(&self) -> BorrowedFd<'_> {
        self.gate.settled()
    }

    /// Returns how many clients the kernel keeps, which is what was asked for or the system's limit;
    /// `None` for UDP. One more than that get in.
    pub fn backlog(&self) -> Option<u32> {
        self.backlog
    }

    /// Returns the size of the kernel's receive buffer, twice what was asked for if that was allowed.
    pub fn receive_buffer(&self) -> Result<usize> {
        getsockopt(&self.socket, sockopt::RcvBuf).map_err(|e| self.error("ask for the receive buffer of", e))
    }

    /// Waits for the activation and hands over the socket itself, for a runtime or a loop of one's own.
    ///
    /// It blocks, as sockets of the standard library do at first. A Unix socket's path is then the
    /// caller's to remove.
    ///
    /// ```
    /// let (buffer, activator) = listenbuffer::ListenBuffer::udp("127.0.0.1:0")?;
    /// activator.activate();
    /// let socket: std::net::UdpSocket = buffer.into_socket()?;
    /// # Ok::<(), listenbuffer::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Abandoned`](crate::ErrorKind::Abandoned) when every activator was dropped without activating.
    pub fn into_socket(mut self) -> Result<S> {
        self.gate.pass(None).map_err(|cause| self.error("hand over", cause))?;
        set_blocking(self.socket.as_fd()).map_err(|errno| self.error("hand over", errno))?;
        if let Some(bound) = self.bound.take() {
            bound.leave();
        }
        Ok(self.socket)
    }

    /// Waits at the gate and then until an attempt succeeds.
    fn wait<T>(
        &self,
        deadline: Option<Instant>,
        mut attempt: impl FnMut() -> io::Result<T>,
    ) -> std::result::Result<T, Cause> {
        let mut pause = Duration::from_millis(5);
        loop {
            self.gate.pass(deadline)?;
            let error = match attempt() {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            match Trouble::of(&error) {
                Trouble::Nobody => readable(&[self.socket.as_fd(), self.gate.closed()], deadline)?,
                Trouble::ThisClient => {}
                Trouble::Shortage => {
                    let until = Instant::now() + pause;
                    if deadline.is_some_and(|deadline| deadline < until) {
                        return Err(error.into());
                    }
                    // Not the socket: it stays readable, and this would be a busy loop.
                    match readable(&[self.gate.closed()], Some(until)) {
                        Ok(()) | Err(Cause::TimedOut) => {}
                        Err(cause) => return Err(cause),
                    }
                    pause = (pause * 2).min(Duration::from_secs(1));
                }
                // Shutting the socket down makes accept fail, before or after we see why.
                Trouble::Fatal => return Err(self.gate.is_open().err().unwrap_or(error.into())),
            }
        }
    }

    fn error(&self, what: &str, cause: impl Into<Cause>) -> Error {
        Error::new(format!("{what} {}", self.name), cause)
    }
}

impl<S: AsFd> AsFd for ListenBuffer<S> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn set_blocking(fd: BorrowedFd<'_>) -> nix::Result<()> {
    let flags = OFlag::from_bits_retain(fcntl(fd, FcntlArg::F_GETFL)?);
    fcntl(fd, FcntlArg::F_SETFL(flags - OFlag::O_NONBLOCK))?;
    Ok(())
}

/// A listener whose clients connect: `TcpListener` and `UnixListener`, and no other.
pub trait Accept: AsFd + sealed::Sealed {
    /// What a client is handed over as.
    type Stream;
    /// Where a client comes from.
    type Address;

    #[doc(hidden)]
    fn accept_one(&self) -> io::Result<(Self::Stream, Self::Address)>;
}

impl Accept for TcpListener {
    type Stream = TcpStream;
    type Address = SocketAddr;

    fn accept_one(&self) -> io::Result<(TcpStream, SocketAddr)> {
        self.accept()
    }
}

impl Accept for UnixListener {
    type Stream = UnixStream;
    type Address = unix::SocketAddr;

    fn accept_one(&self) -> io::Result<(UnixStream, unix::SocketAddr)> {
        self.accept()
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for std::net::TcpListener {}
    impl Sealed for std::os::unix::net::UnixListener {}
}

/// What a failed attempt means for the next one.
enum Trouble {
    /// Nobody is there yet.
    Nobody,
    /// This client is gone; the next one may be well.
    ThisClient,
    /// The process or the system is out of something, for now.
    Shortage,
    /// It won't get better.
    Fatal,
}

impl Trouble {
    /// Sorts an error as accept(2) tells to: the network errors are those of the client's connection.
    fn of(error: &io::Error) -> Self {
        match error.raw_os_error().map(Errno::from_raw) {
            Some(Errno::EAGAIN) => Self::Nobody,
            Some(
                Errno::EINTR
                | Errno::ECONNABORTED
                | Errno::EPROTO
                | Errno::EPERM
                | Errno::ENETDOWN
                | Errno::ENETUNREACH
                | Errno::ENONET
                | Errno::EHOSTDOWN
                | Errno::EHOSTUNREACH
                | Errno::ENOPROTOOPT,
            ) => Self::ThisClient,
            Some(Errno::EMFILE | Errno::ENFILE | Errno::ENOBUFS | Errno::ENOMEM) => Self::Shortage,
            _ => Self::Fatal,
        }
    }
}

//! The netlink socket: one datagram out, one datagram in.
//!
//! netlink-sys makes it. What that crate lacks (whole datagrams, interrupted calls, timeouts, the
//! check of the sender) is done here on its descriptor. Its `Socket` must never be cloned: both copies
//! would close the descriptor.

use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

use netlink_sys::SocketAddr;
use netlink_sys::protocols::NETLINK_ROUTE;
use nix::errno::Errno;
use nix::sys::socket::sockopt::ReceiveTimeout;
use nix::sys::socket::{MsgFlags, NetlinkAddr, recvmsg, send, setsockopt};
use nix::sys::time::{TimeVal, TimeValLike};

use crate::error::Failure;

/// The most that the kernel puts into one datagram of a dump.
const USUAL_DATAGRAM: usize = 32 * 1024;
/// Far above any answer of the kernel: reading is bounded.
const LARGEST_DATAGRAM: usize = 16 * 1024 * 1024;
/// Some 68 years: the most that 32-bit machines can say.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(i32::MAX as u64);
/// How many datagrams of an abandoned answer are thrown away before giving up.
const MOST_DRAINED: usize = 1 << 20;

#[derive(Debug)]
pub(crate) struct Socket {
    socket: netlink_sys::Socket,
    buffer: Vec<u8>,
}

impl Socket {
    /// Opens a socket in the calling thread's network namespace, where it stays for life.
    pub(crate) fn open() -> Result<Socket, Failure> {
        let mut socket = netlink_sys::Socket::new(NETLINK_ROUTE)?;
        socket.bind(&SocketAddr::new(0, 0))?;
        if_known(socket.set_ext_ack(true))?;
        if_known(socket.set_cap_ack(true))?;
        if_known(socket.set_netlink_get_strict_chk(true))?;
        Ok(Socket { socket, buffer: vec![0; USUAL_DATAGRAM] })
    }

    /// Sets how long [`Socket::receive`] waits; `None` is for ever.
    pub(crate) fn set_timeout(&self, timeout: Option<Duration>) -> Result<(), Failure> {
        // For the kernel zero is "for ever"; for our caller it is the shortest time.
        let micros = timeout.map_or(0, |timeout| timeout.min(LONGEST_TIMEOUT).as_micros().max(1));
        let timeout = TimeVal::microseconds(i64::try_from(micros).unwrap_or_default());
        Ok(setsockopt(&self.socket, ReceiveTimeout, &timeout)?)
    }

    pub(crate) fn send(&self, request: &[u8]) -> Result<(), Failure> {
        again(|| send(self.socket.as_raw_fd(), request, MsgFlags::empty()))?;
        Ok(())
    }

    /// Receives one whole datagram from the kernel; those from other processes are skipped.
    ///
    /// # Errors
    /// [`Failure::TimedOut`] where none came in time.
    pub(crate) fn receive(&mut self) -> Result<&[u8], Failure> {
        loop {
            let (length, _) = self.datagram(MsgFlags::MSG_PEEK)?;
            if length > LARGEST_DATAGRAM {
                self.datagram(MsgFlags::empty())?;
                return Err(Failure::Protocol("the kernel's answer is longer than 16 MiB"));
            }
            if length > self.buffer.len() {
                self.buffer.resize(length.next_power_of_two(), 0);
            }
            let (length, sender) = self.datagram(MsgFlags::empty())?;
            // Port 0 is the kernel.
            if sender == 0 {
                let datagram = self.buffer.get(..length);
                return datagram.ok_or(Failure::Protocol("a datagram grew while it was read"));
            }
        }
    }

    /// Throws away what is left of an answer that was given up.
    pub(crate) fn drain(&mut self) -> Result<(), Failure> {
        for _ in 0..MOST_DRAINED {
            match self.datagram(MsgFlags::MSG_DONTWAIT) {
                // What had no room is lost, and was to be thrown away.
                Ok(_) | Err(Failure::System(Errno::ENOBUFS)) => {}
                Err(Failure::TimedOut) => return Ok(()),
                Err(failure) => return Err(failure),
            }
        }
        Err(Failure::Protocol("answers to nobody's request don't end"))
    }

    /// Receives into the buffer, or only looks; gives the datagram's true length and its sender.
    fn datagram(&mut self, flags: MsgFlags) -> Result<(usize, u32), Failure> {
        let fd = self.socket.as_raw_fd();
        let room = if flags.contains(MsgFlags::MSG_PEEK) { &mut [][..] } else { &mut self.buffer[..] };
        let received = again(|| {
            let mut parts = [IoSliceMut::new(room)];
            let message = recvmsg::<NetlinkAddr>(fd, &mut parts, None, flags | MsgFlags::MSG_TRUNC)?;
            Ok((message.bytes, message.address.map_or(u32::MAX, |sender| sender.pid())))
        });
        received.map_err(|errno| match errno {
            Errno::EAGAIN => Failure::TimedOut,
            errno => Failure::System(errno),
        })
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Kernels without an option do without it: answers are shorter, lists longer.
fn if_known(set: io::Result<()>) -> io::Result<()> {
    match set {
        Err(error) if error.raw_os_error() == Some(Errno::ENOPROTOOPT as i32) => Ok(()),
        other => other,
    }
}

fn again<T>(mut call: impl FnMut() -> nix::Result<T>) -> nix::Result<T> {
    loop {
        match call() {
            Err(Errno::EINTR) => {}
            outcome => return outcome,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::wire::Request;
    use super::super::wire::message::Messages;
    use super::super::wire::numbers::{NLM_F_DUMP, NLMSG_DONE, RTM_GETLINK};
    use super::*;

    fn asked() -> Socket {
        let socket = Socket::open().unwrap();
        socket.set_timeout(Some(Duration::from_secs(5))).unwrap();
        socket.send(Request::new(RTM_GETLINK, NLM_F_DUMP, &[0; 16]).finish(1).unwrap()).unwrap();
        socket
    }

    /// One page (2014), 8 KiB or 64 KiB: a datagram larger than the buffer lost its end silently.
    #[test]
    fn a_datagram_larger_than_the_buffer_arrives_whole() {
        let mut socket = asked();
        socket.buffer = vec![0; 64];
        let whole = socket.receive().unwrap();
        assert!(whole.len() > 64);
        assert!(Messages::new(whole).all(|message| message.is_ok()));
    }

    #[test]
    fn silence_ends_in_a_timeout() {
        let mut socket = Socket::open().unwrap();
        for longest in [None, Some(Duration::MAX)] {
            socket.set_timeout(longest).unwrap();
        }
        socket.set_timeout(Some(Duration::ZERO)).unwrap();
        assert!(matches!(socket.receive(), Err(Failure::TimedOut)));
    }

    /// A list that was given up half way is still being made: until it is read to its end the
    /// kernel refuses the next one with EBUSY.
    #[test]
    fn draining_throws_an_abandoned_answer_away() {
        let mut socket = asked();
        socket.drain().unwrap();
        socket.send(Request::new(RTM_GETLINK, NLM_F_DUMP, &[0; 16]).finish(2).unwrap()).unwrap();
        let mut sequences = Vec::new();
        while sequences.last() != Some(&(2, NLMSG_DONE)) {
            let datagram = socket.receive().unwrap();
            sequences.extend(Messages::new(datagram).map(|message| {
                let message = message.unwrap();
                (message.sequence, message.kind)
            }));
        }
        assert!(sequences.iter().all(|(sequence, _)| *sequence == 2), "{sequences:?}");
    }

    #[test]
    fn only_an_option_that_the_kernel_does_not_know_is_done_without() {
        let refused = |errno: Errno| if_known(Err(io::Error::from_raw_os_error(errno as i32)));
        assert!(refused(Errno::ENOPROTOOPT).is_ok());
        assert!(refused(Errno::EPERM).is_err());
    }

    #[test]
    fn an_interrupted_call_is_made_again() {
        let mut calls = 0;
        let outcome = again(|| {
            calls += 1;
            if calls < 3 { Err(Errno::EINTR) } else { Ok(calls) }
        });
        assert_eq!(outcome, Ok(3));
    }
}

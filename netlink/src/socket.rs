//! The netlink socket: datagrams out, one datagram in; the only unsafe code is here and in `sys.rs`.
//!
//! netlink-sys makes it. What that crate lacks (whole datagrams, interrupted calls, timeouts, the
//! check of the sender) is done here on its descriptor. Its `Socket` must never be cloned: both copies
//! would close the descriptor.

use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::{Duration, Instant};

use netlink_sys::SocketAddr;
use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::sockopt::{RcvBuf, RcvBufForce, ReceiveTimeout};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, NetlinkAddr, recvmsg, send, setsockopt};
use nix::sys::statfs::{NSFS_MAGIC, fstatfs};
use nix::sys::time::{TimeVal, TimeValLike};

use crate::error::Failure;
use crate::wire::protocol::Protocol;

/// Twice what the kernel puts into one datagram of a dump, unless a single object is longer.
const USUAL_DATAGRAM: usize = 64 * 1024;
/// Far above any answer of the kernel: reading is bounded.
const LARGEST_DATAGRAM: usize = 16 * 1024 * 1024;
/// Some 68 years: the most that 32-bit machines can say.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(i32::MAX as u64);
/// How many datagrams of an abandoned answer are thrown away before giving up.
const MOST_DRAINED: usize = 1 << 20;

#[derive(Debug)]
pub(crate) struct Socket {
    inner: netlink_sys::Socket,
    buffer: Vec<u8>,
    /// How long to wait for a datagram.
    timeout: Option<Duration>,
    /// Where the kernel tells which namespace a message is from, if it was asked to.
    control: Vec<u8>,
}

impl Socket {
    /// Opens a socket of a protocol in the calling thread's network namespace, where it stays for life.
    pub(crate) fn of(protocol: Protocol) -> Result<Socket, Failure> {
        let socket = netlink_sys::Socket::new(protocol.number())?;
        // It gets a port of its own, and hears the kernel and nobody else but groups.
        socket.connect(&SocketAddr::new(0, 0))?;
        if_known(socket.set_ext_ack(true))?;
        if_known(socket.set_cap_ack(true))?;
        if_known(socket.set_netlink_get_strict_chk(true))?;
        Ok(Socket { inner: socket, buffer: vec![0; USUAL_DATAGRAM], timeout: None, control: Vec::new() })
    }

    /// Sets how long [`Socket::receive`] waits; `None` is for ever.
    pub(crate) fn set_timeout(&mut self, timeout: Option<Duration>) -> Result<(), Failure> {
        // For the kernel zero is "for ever"; for our caller it is the shortest time.
        let micros = timeout.map_or(0, |timeout| timeout.min(LONGEST_TIMEOUT).as_micros().max(1));
        let micros = TimeVal::microseconds(i64::try_from(micros).unwrap_or_default());
        setsockopt(&self.inner, ReceiveTimeout, &micros)?;
        self.timeout = timeout;
        Ok(())
    }

    /// Hears what is told to a group.
    pub(crate) fn join(&self, group: u32) -> Result<(), Failure> {
        Ok(self.inner.add_membership(group)?)
    }

    /// Hears no more of it.
    pub(crate) fn leave(&mut self, group: u32) -> Result<(), Failure> {
        Ok(self.inner.drop_membership(group)?)
    }

    /// Hears what is told in other namespaces too.
    pub(crate) fn hear_all_namespaces(&mut self) -> Result<(), Failure> {
        self.inner.set_listen_all_namespaces(true)?;
        self.control = nix::cmsg_space!(i32);
        Ok(())
    }

    /// Sets how much room there is for messages that nobody read yet: more than the machine's limit if the caller may.
    pub(crate) fn set_receive_buffer(&self, bytes: usize) -> Result<(), Failure> {
        match setsockopt(&self.inner, RcvBufForce, &bytes) {
            Err(Errno::EPERM) => Ok(setsockopt(&self.inner, RcvBuf, &bytes)?),
            outcome => Ok(outcome?),
        }
    }

    /// Waits until there is something to receive; false if nothing came in time.
    pub(crate) fn wait(&self, timeout: Option<Duration>) -> Result<bool, Failure> {
        // Rounded up: a rest of less than a millisecond is not waited for in a circle.
        let timeout = timeout.map_or(PollTimeout::NONE, |timeout| {
            let millis = timeout.as_nanos().div_ceil(1_000_000).min(i32::MAX as u128);
            PollTimeout::try_from(millis as i32).unwrap_or(PollTimeout::MAX)
        });
        let mut fds = [PollFd::new(self.inner.as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, timeout) {
            // The caller knows how much time is left.
            Err(Errno::EINTR) => Ok(false),
            ready => Ok(ready? > 0),
        }
    }

    /// Receives one whole datagram from the kernel if there is one, and tells its length and the namespace that it
    /// is from, where the kernel says so.
    pub(crate) fn receive_now(&mut self) -> Result<Option<(usize, Option<i32>)>, Failure> {
        loop {
            let fd = self.inner.as_raw_fd();
            let control = (!self.control.is_empty()).then_some(&mut self.control[..]);
            let mut parts = [IoSliceMut::new(&mut self.buffer)];
            let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_TRUNC;
            let (length, sender, netns_id) = match recvmsg::<NetlinkAddr>(fd, &mut parts, control, flags) {
                Err(Errno::EINTR) => continue,
                Err(Errno::EAGAIN) => return Ok(None),
                Err(errno) => return Err(errno.into()),
                Ok(message) => {
                    let sender = message.address.map_or(u32::MAX, |sender| sender.pid());
                    (message.bytes, sender, message.cmsgs().ok().and_then(|mut all| all.find_map(netns_id)))
                }
            };
            if sender != 0 {
                continue;
            }
            if length > self.buffer.len() {
                let room = length.min(LARGEST_DATAGRAM).next_power_of_two();
                self.buffer.resize(room, 0);
                return Err(Failure::Truncated);
            }
            return Ok(Some((length, netns_id)));
        }
    }

    pub(crate) fn send(&self, requests: &[u8]) -> Result<(), Failure> {
        again(|| send(self.inner.as_raw_fd(), requests, MsgFlags::empty()))?;
        Ok(())
    }

    /// Receives one whole datagram from the kernel, and tells its length; those from other processes
    /// are skipped.
    ///
    /// # Errors
    /// [`Failure::TimedOut`] where none came in time; [`Failure::Truncated`] where one was too long, for
    /// which there is room from then on.
    pub(crate) fn receive(&mut self) -> Result<usize, Failure> {
        loop {
            let (length, sender) = self.datagram(MsgFlags::empty())?;
            // Port 0 is the kernel.
            if sender != 0 {
                continue;
            }
            if length > LARGEST_DATAGRAM {
                return Err(Failure::Protocol("the kernel's answer is longer than 16 MiB"));
            }
            if length > self.buffer.len() {
                self.buffer.resize(length.next_power_of_two(), 0);
                return Err(Failure::Truncated);
            }
            return Ok(length);
        }
    }

    /// The datagram that was received last.
    pub(crate) fn received(&self, length: usize) -> &[u8] {
        self.buffer.get(..length).unwrap_or_default()
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

    /// Receives into the buffer; gives the datagram's true length and its sender.
    fn datagram(&mut self, flags: MsgFlags) -> Result<(usize, u32), Failure> {
        let flags = (flags | MsgFlags::MSG_TRUNC).bits();
        let mut deadline = None;
        loop {
            let mut room = self.buffer.as_mut_slice();
            let errno = match self.inner.recv_from(&mut room, flags) {
                Ok((length, sender)) => return Ok((length, sender.port_number())),
                Err(error) => Errno::from_raw(error.raw_os_error().unwrap_or(0)),
            };
            match errno {
                // The kernel begins to count again after each signal. Nobody asks for the time before there is one.
                Errno::EINTR => match (deadline, self.timeout) {
                    (Some(deadline), _) if Instant::now() >= deadline => return Err(Failure::TimedOut),
                    (None, Some(timeout)) => deadline = Instant::now().checked_add(timeout),
                    _ => {}
                },
                Errno::EAGAIN => return Err(Failure::TimedOut),
                errno => return Err(Failure::System(errno)),
            }
        }
    }

    /// Asks for the index of a link by its name: on any socket, in its namespace ([`netdevice(7)`]).
    /// Alternative names are not known there.
    ///
    /// [`netdevice(7)`]: https://man7.org/linux/man-pages/man7/netdevice.7.html
    #[allow(unsafe_code, reason = "there is no safe call for it")]
    pub(crate) fn index_of(&self, name: &str) -> nix::Result<u32> {
        nix::ioctl_readwrite_bad!(get_index, libc::SIOCGIFINDEX, libc::ifreq);
        let mut request = libc::ifreq {
            ifr_name: [0; libc::IFNAMSIZ],
            ifr_ifru: libc::__c_anonymous_ifr_ifru { ifru_ifindex: 0 },
        };
        // The last place stays the NUL.
        for (place, byte) in request.ifr_name[..libc::IFNAMSIZ - 1].iter_mut().zip(name.bytes()) {
            *place = byte as libc::c_char;
        }
        // SAFETY: the kernel reads a name that ends in NUL, and writes an index; both are in `request`, which
        // outlives the call.
        unsafe { get_index(self.inner.as_raw_fd(), &raw mut request) }?;
        // SAFETY: the kernel has just written this field, and any bytes are a number.
        let index = unsafe { request.ifr_ifru.ifru_ifindex };
        u32::try_from(index).map_err(|_| Errno::ENODEV)
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.as_fd()
    }
}

/// Reads the id of the namespace that a message is from.
fn netns_id(said: ControlMessageOwned) -> Option<i32> {
    match said {
        ControlMessageOwned::Unknown(said)
            if said.cmsg_header.cmsg_level == libc::SOL_NETLINK
                && said.cmsg_header.cmsg_type == libc::NETLINK_LISTEN_ALL_NSID =>
        {
            Some(i32::from_ne_bytes(*said.data_bytes.first_chunk()?))
        }
        _ => None,
    }
}

/// Tells whether a descriptor is a network namespace's.
#[allow(unsafe_code, reason = "there is no safe call for it")]
pub(crate) fn is_network_namespace(fd: BorrowedFd<'_>) -> bool {
    const NSIO: u8 = 0xb7;
    nix::ioctl_none_bad!(kind_of_namespace, nix::request_code_none!(NSIO, 0x3));
    // What else is there may take such a call for something of its own.
    if !fstatfs(fd).is_ok_and(|about| about.filesystem_type() == NSFS_MAGIC) {
        return false;
    }
    // SAFETY: the file is a namespace's, of which the call takes no argument.
    let kind = unsafe { kind_of_namespace(fd.as_raw_fd()) };
    kind == Ok(libc::CLONE_NEWNET)
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

    impl Socket {
        fn open() -> Result<Socket, Failure> {
            Socket::of(Protocol::Route)
        }
    }

    fn asked() -> Socket {
        let mut socket = Socket::open().unwrap();
        socket.set_timeout(Some(Duration::from_secs(5))).unwrap();
        socket.send(Request::new(RTM_GETLINK, NLM_F_DUMP, &[0; 16]).finish(1).unwrap()).unwrap();
        socket
    }

    /// One page (2014), 8 KiB or 64 KiB: a datagram larger than the buffer lost its end silently.
    #[test]
    fn a_datagram_larger_than_the_buffer_is_told_and_has_room_from_then_on() {
        let mut socket = asked();
        socket.buffer = vec![0; 64];
        assert!(matches!(socket.receive(), Err(Failure::Truncated)));
        socket.drain().unwrap();
        socket.send(Request::new(RTM_GETLINK, NLM_F_DUMP, &[0; 16]).finish(1).unwrap()).unwrap();
        let length = socket.receive().unwrap();
        assert!(length > 64);
        assert!(Messages::new(socket.received(length)).all(|message| message.is_ok()));
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
            let length = socket.receive().unwrap();
            sequences.extend(Messages::new(socket.received(length)).map(|message| {
                let message = message.unwrap();
                (message.sequence, message.kind)
            }));
        }
        assert!(sequences.iter().all(|(sequence, _)| *sequence == 2), "{sequences:?}");
    }

    #[test]
    fn an_index_is_found_by_a_name_that_fits_and_by_no_other() {
        let socket = Socket::open().unwrap();
        assert_eq!(socket.index_of("lo"), Ok(1));
        for name in ["", "nosuchlink", "lo-and-behold-a-name-that-is-too-long"] {
            assert_eq!(socket.index_of(name), Err(Errno::ENODEV), "{name}");
        }
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

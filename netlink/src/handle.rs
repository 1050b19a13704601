//! One conversation with the kernel at a time.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::mem;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::errno::Errno;

use crate::error::{Failure, Result};
use crate::socket::Socket;
use crate::wire::Request;
use crate::wire::message::Message;
use crate::wire::numbers::NLM_F_ACK;
use crate::wire::protocol::Protocol;
use crate::wire::reply::{Answer, Reply, Step};

/// An answer is ready when `send` returns, or a moment later; seconds mean that it got lost.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How often something is asked for whose answer got lost.
const ATTEMPTS: u32 = 16;

/// A connection to the kernel's network configuration: one socket, in one network namespace.
///
/// It belongs to the namespace it was opened in for life, whatever the thread that uses it does later. Keep
/// one for many operations: opening it costs more than most of them.
///
/// ```no_run
/// use netlink::{Bridge, Handle, Netns, Veth};
///
/// let netns = Netns::named("blue")?;
/// let mut host = Handle::open()?;
/// let bridge = host.add_link(&Bridge::new("br0").random_mac())?;
/// host.set_up(&bridge)?;
/// host.add_veth(&Veth::new("veth0").master(&bridge).up().peer("eth0").peer_netns_fd(&netns))?;
///
/// let mut inside = Handle::open_in(&netns)?;
/// inside.add_address("eth0", &"10.0.41.2/16".parse()?)?;
/// inside.set_up("eth0")?;
/// inside.add_default_gateway("10.0.41.1".parse()?, "eth0")?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Handle {
    pub(crate) socket: Socket,
    pub(crate) protocol: Protocol,
    sequence: u32,
    /// The last answer was not read to its end.
    pub(crate) unfinished: bool,
    /// The room of the last request, for the next one.
    spare: Request,
}

impl Handle {
    /// Opens a connection in the calling thread's network namespace. Needs no privilege.
    ///
    /// # Errors
    /// The kernel gives no netlink socket: too many open files, or a filter forbids it.
    pub fn open() -> Result<Handle> {
        Handle::try_open().map_err(|failure| failure.when("open a netlink socket", &[]))
    }

    pub(crate) fn try_open() -> Result<Handle, Failure> {
        Handle::try_open_of(Protocol::Route)
    }

    /// Opens a connection of another protocol: the conversation is the same.
    pub(crate) fn try_open_of(protocol: Protocol) -> Result<Handle, Failure> {
        let mut socket = Socket::of(protocol)?;
        socket.set_timeout(Some(TIMEOUT))?;
        // What another socket of this process is told must not look like an answer: in another namespace both may have
        // the same port.
        let sequence = RandomState::new().build_hasher().finish() as u32;
        Ok(Handle { socket, protocol, sequence, unfinished: false, spare: Request::default() })
    }

    /// Sets how long to wait for an answer, which is 10 seconds at first; `None` is for ever.
    ///
    /// # Errors
    /// The kernel refuses the time.
    pub fn set_timeout(&mut self, timeout: Option<Duration>) -> Result<()> {
        self.socket
            .set_timeout(timeout)
            .map_err(|failure| failure.when(format_args!("set a timeout of {timeout:?}"), &[]))
    }

    /// Gives the room that the last request had, for the next one.
    pub(crate) fn room(&mut self) -> Request {
        let mut request = mem::take(&mut self.spare);
        request.clear();
        request.protocol = self.protocol;
        request
    }

    /// Keeps a request's room for the next one.
    pub(crate) fn keep(&mut self, request: Request) {
        self.spare = request;
    }

    /// Asks for a change; objects that the kernel echoes go to `each`.
    pub(crate) fn change(
        &mut self,
        mut request: Request,
        each: impl FnMut(&Message<'_>),
    ) -> Result<(), Failure> {
        request.add_flags(NLM_F_ACK);
        let outcome = self.converse(&mut request, Answer::Acknowledgement, each);
        self.keep(request);
        outcome
    }

    /// Asks for one object.
    pub(crate) fn get<T>(
        &mut self,
        mut request: Request,
        mut read: impl FnMut(&Message<'_>) -> Option<T>,
    ) -> Result<T, Failure> {
        let mut found = None;
        let mut attempts = 0;
        let outcome = loop {
            attempts += 1;
            match self.converse(&mut request, Answer::Object, |message| found = read(message)) {
                // There is room now.
                Err(Failure::Truncated) => {}
                Err(Failure::System(Errno::ENOBUFS)) if attempts < ATTEMPTS => {}
                outcome => break outcome,
            }
        };
        self.keep(request);
        outcome?;
        found.ok_or(Failure::Protocol("the answer can't be read"))
    }

    /// Sends a request; its answer has the sequence number that is returned.
    pub(crate) fn ask(&mut self, request: &mut Request) -> Result<u32, Failure> {
        self.finish_the_last()?;
        let sequence = self.next_sequence();
        self.socket.send(request.finish(sequence)?)?;
        self.unfinished = true;
        Ok(sequence)
    }

    pub(crate) fn finish_the_last(&mut self) -> Result<(), Failure> {
        if self.unfinished {
            self.socket.drain()?;
            self.unfinished = false;
        }
        Ok(())
    }

    /// Zero is the sequence number of what nobody asked for.
    pub(crate) fn next_sequence(&mut self) -> u32 {
        self.sequence = self.sequence.checked_add(1).unwrap_or(1);
        self.sequence
    }

    /// Sends a request and reads its answer.
    fn converse(
        &mut self,
        request: &mut Request,
        answer: Answer,
        mut each: impl FnMut(&Message<'_>),
    ) -> Result<(), Failure> {
        let mut reply = Reply::new(self.protocol, request.kind(), self.ask(request)?, answer);
        let mut length = 0;
        loop {
            match reply.step(self.socket.received(length), request.sent()) {
                Ok(Step::Object(message)) => each(&message),
                Ok(Step::End) => {
                    self.unfinished = false;
                    return Ok(());
                }
                Ok(Step::More) => {
                    length = match self.socket.receive() {
                        Ok(length) => length,
                        // An echo without end is no loss: the acknowledgement comes apart.
                        Err(Failure::Truncated) if answer == Answer::Acknowledgement => 0,
                        // There was no room for it.
                        Err(Failure::System(Errno::ENOBUFS)) if answer == Answer::Acknowledgement => {
                            return Err(Failure::Lost);
                        }
                        Err(failure) => return Err(failure),
                    };
                    reply.next_datagram();
                }
                Err(failure) => {
                    // A refusal ends an answer too.
                    self.unfinished = matches!(failure, Failure::Protocol(_));
                    return Err(failure);
                }
            }
        }
    }
}

/// The socket, to wait on or to hand on; what is read from it is lost to the handle.
impl AsFd for Handle {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::numbers::NLM_F_DUMP;

    /// After one timeout, other libraries stumble over the late answer for ever ("sequence number
    /// mismatch"), or get EBUSY because the old list is still being made.
    #[test]
    fn a_handle_whose_answer_was_given_up_works_on() {
        let mut handle = Handle::open().unwrap();
        let mut request = Request::new(18, NLM_F_DUMP, &[0; 16]);
        handle.ask(&mut request).unwrap();
        let links = handle.links().unwrap();
        assert_eq!(links.iter().filter(|link| link.name == "lo").count(), 1);
    }

    #[test]
    fn a_handle_can_go_to_another_thread() {
        fn check<T: Send>() {}
        check::<Handle>();
    }
}

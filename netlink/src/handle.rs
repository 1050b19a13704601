//! One conversation with the kernel at a time.

use std::os::fd::{AsFd, BorrowedFd};
use std::thread;
use std::time::Duration;

use crate::error::{Failure, Result};
use crate::socket::Socket;
use crate::wire::Request;
use crate::wire::message::Message;
use crate::wire::numbers::{NLM_F_ACK, NLM_F_DUMP};
use crate::wire::reply::{Answer, Reply};

/// An answer is ready when `send` returns, or a moment later; seconds mean that it got lost.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How often a list that changed while it was read is read again.
const ATTEMPTS: u32 = 16;

/// A connection to the kernel's network configuration: one socket, in one network namespace.
///
/// It belongs to the namespace it was opened in for life, whatever the thread that uses it does later. Keep
/// one for many operations: opening it costs more than most of them.
///
/// ```no_run
/// use netlink::{Bridge, Handle, Route, Veth};
///
/// let netns = std::fs::File::open("/run/netns/blue")?;
/// let mut host = Handle::open()?;
/// let bridge = host.add_bridge(&Bridge::new("br0").random_mac())?;
/// host.set_up(&bridge)?;
/// host.add_veth(&Veth::new("veth0").master(&bridge).up().peer("eth0").peer_netns_fd(&netns))?;
///
/// let mut inside = Handle::open_in(&netns)?;
/// inside.add_address("eth0", "10.0.41.2/16".parse()?)?;
/// inside.set_up("eth0")?;
/// inside.add_default_gateway("10.0.41.1".parse()?, "eth0")?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Handle {
    socket: Socket,
    sequence: u32,
    /// The last answer was not read to its end.
    unfinished: bool,
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
        let socket = Socket::open()?;
        socket.set_timeout(Some(TIMEOUT))?;
        Ok(Handle { socket, sequence: 0, unfinished: false })
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

    /// Asks for a change; objects that the kernel echoes go to `each`.
    pub(crate) fn change(
        &mut self,
        mut request: Request,
        each: impl FnMut(&Message<'_>),
    ) -> Result<(), Failure> {
        request.add_flags(NLM_F_ACK);
        self.converse(&mut request, Answer::Acknowledgement, each)?;
        Ok(())
    }

    /// Asks for one object.
    pub(crate) fn get<T>(
        &mut self,
        mut request: Request,
        read: impl Fn(&[u8]) -> Option<T>,
    ) -> Result<T, Failure> {
        let mut found = None;
        self.converse(&mut request, Answer::Object, |message| found = read(message.payload))?;
        found.ok_or(Failure::Protocol("the answer can't be read"))
    }

    /// Asks for a list, again if it changed while it was read.
    pub(crate) fn list<T>(
        &mut self,
        mut request: Request,
        read: impl Fn(&[u8]) -> Option<T>,
    ) -> Result<Vec<T>, Failure> {
        request.add_flags(NLM_F_DUMP);
        until_whole(|| {
            let mut found = Vec::new();
            let interrupted =
                self.converse(&mut request, Answer::Dump, |message| found.extend(read(message.payload)))?;
            Ok((found, interrupted))
        })
    }

    /// Sends a request and reads its answer; true where a list changed while it was read.
    fn converse(
        &mut self,
        request: &mut Request,
        answer: Answer,
        mut each: impl FnMut(&Message<'_>),
    ) -> Result<bool, Failure> {
        if self.unfinished {
            self.socket.drain()?;
            self.unfinished = false;
        }
        // Zero is the sequence number of what nobody asked for.
        self.sequence = self.sequence.checked_add(1).unwrap_or(1);
        self.socket.send(request.finish(self.sequence)?)?;
        self.unfinished = true;
        let mut reply = Reply::new(request, self.sequence, answer);
        let outcome = loop {
            match reply.take(self.socket.receive()?, &mut each) {
                Ok(true) => break Ok(reply.interrupted),
                Ok(false) => {}
                Err(failure) => break Err(failure),
            }
        };
        // A refusal ends an answer too.
        self.unfinished = matches!(outcome, Err(Failure::Protocol(_)));
        outcome
    }
}

/// The socket, to wait on or to hand on; what is read from it is lost to the handle.
impl AsFd for Handle {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Reads a list until it did not change meanwhile, which may never be: the attempts are counted.
fn until_whole<T>(mut read: impl FnMut() -> Result<(T, bool), Failure>) -> Result<T, Failure> {
    for attempt in 0..ATTEMPTS {
        let (list, interrupted) = read()?;
        if !interrupted {
            return Ok(list);
        }
        thread::sleep(Duration::from_micros(100) * attempt);
    }
    Err(Failure::Interrupted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn a_list_that_changed_is_read_again_and_the_attempts_are_counted() {
        let mut reads = 0;
        let whole = until_whole(|| {
            reads += 1;
            Ok((reads, reads < 3))
        });
        assert_eq!(whole.unwrap(), 3);

        let mut reads = 0;
        let never = until_whole(|| {
            reads += 1;
            Ok(((), true))
        });
        assert_eq!(never.unwrap_err().when("list links", &[]).kind(), ErrorKind::Interrupted);
        assert_eq!(reads, ATTEMPTS);
    }

    /// After one timeout, other libraries stumble over the late answer for ever ("sequence number
    /// mismatch"), or get EBUSY because the old list is still being made.
    #[test]
    fn a_handle_whose_answer_was_given_up_works_on() {
        let mut handle = Handle::open().unwrap();
        let mut request = Request::new(18, NLM_F_DUMP, &[0; 16]);
        handle.sequence += 1;
        handle.socket.send(request.finish(handle.sequence).unwrap()).unwrap();
        handle.unfinished = true;
        let links = handle.links().unwrap();
        assert_eq!(links.iter().filter(|link| link.name == "lo").count(), 1);
    }

    #[test]
    fn a_handle_can_go_to_another_thread() {
        fn check<T: Send>() {}
        check::<Handle>();
    }
}

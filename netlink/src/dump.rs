//! Lists, one object at a time.

use std::any::Any;
use std::fmt;
use std::iter::FusedIterator;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use nix::errno::Errno;

use crate::changes::Changes;
use crate::error::{Failure, Hints, Result};
use crate::handle::Handle;
use crate::wire::Request;
use crate::wire::message::{Message, Messages};
use crate::wire::numbers::NLM_F_DUMP;
use crate::wire::protocol::Protocol;
use crate::wire::reply::{Answer, Pass, Reply};

/// How often a list that changed while it was read is read again.
pub(crate) const ATTEMPTS: u32 = 16;

/// A list that is read as it is walked: one datagram is in memory at a time, however long the list is.
///
/// From [`Handle::dump_links`], [`Handle::dump_routes`] and the like.
///
/// Where something was added or removed meanwhile, an entry may be missing or told twice. The kernel says
/// so, and then the last item is an error of the kind [`Interrupted`](crate::ErrorKind::Interrupted): a list
/// that ends without an error is whole. ([`Handle::links`] and the like begin again instead.) Of routes of IPv6,
/// neighbours, what bridges know and traffic control the kernel says nothing; so this hears what is told to their groups
/// until the list ends, where that can be heard, and takes it for the kernel's word.
///
/// An object that can't be read is an error of the kind [`Protocol`](crate::ErrorKind::Protocol) in its place, and the
/// list goes on behind it.
///
/// Dropping it before its end costs the next request the time to read the rest.
#[must_use = "it is read as it is walked"]
pub struct Dump<'h, T> {
    handle: &'h mut Handle,
    cursor: Cursor,
    read: Read<'h, T>,
    ahead: Ahead<T>,
    what: &'static str,
    hints: Hints<'static>,
}

/// Where an object is made, so that it is not moved about: a long list is mostly that.
pub(crate) type Slot<T> = Option<Result<T>>;

const UNREADABLE: Failure = Failure::Protocol("the kernel's answer can't be read");

/// What stands where an object can't be read: left out, it would be missed by nobody.
#[cold]
pub(crate) fn unreadable<T>(what: &str) -> Result<T> {
    Err(UNREADABLE.when(format_args!("list {what}"), &[]))
}

/// Reads objects ahead until there is something else than an object, or no more room.
type Read<'h, T> = Box<dyn FnMut(&mut Reply, &[u8], &mut Ahead<T>) + Send + 'h>;

/// How many objects are read at a time. What was just written in small pieces is slow to be moved in large ones, as an
/// iterator has to; the next ones are written in between.
const AHEAD: usize = 16;

/// The next objects of a datagram, read where they stay until they are taken.
struct Ahead<T> {
    slots: Vec<Slot<T>>,
    /// Where the messages of each begin: its own, and those that were not asked for before it.
    places: [usize; AHEAD],
    /// The first that is still there.
    next: usize,
    end: usize,
}

impl<T> Ahead<T> {
    fn new() -> Ahead<T> {
        let slots = std::iter::repeat_with(|| None).take(AHEAD).collect();
        Ahead { slots, places: [0; AHEAD], next: 0, end: 0 }
    }

    #[inline]
    fn take(&mut self) -> Slot<T> {
        let slot = self.slots.get_mut(self.next).filter(|_| self.next < self.end)?;
        self.next += 1;
        slot.take()
    }

    /// Reads objects into the room of those that were taken.
    #[inline]
    fn fill(&mut self, reply: &mut Reply, datagram: &[u8], mut read: impl FnMut(&Message<'_>, &mut Slot<T>)) {
        (self.next, self.end) = (0, 0);
        for (slot, place) in self.slots.iter_mut().zip(&mut self.places) {
            *place = reply.at;
            while slot.is_none() {
                let Some(message) = reply.next_object(datagram) else { return };
                read(&message, slot);
            }
            self.end += 1;
        }
    }

    /// Forgets those that are still there, and goes back to where the first began.
    fn put_back(&mut self, reply: &mut Reply) {
        if let Some(place) = self.places[..self.end].get(self.next) {
            reply.at = *place;
            self.slots.fill_with(|| None);
            self.end = self.next;
        }
    }
}

impl<'h, T> Dump<'h, T> {
    /// Asks for a list; `what` is what the list is of, as in "list links".
    pub(crate) fn begin(
        handle: &'h mut Handle,
        request: Request,
        what: &'static str,
        hints: Hints<'static>,
        mut read: impl FnMut(&Message<'_>) -> Option<T> + Send + 'h,
    ) -> Result<Dump<'h, T>, Failure> {
        Dump::begin_in_place(handle, request, what, hints, move |message, slot| {
            *slot = read(message).map(Ok);
        })
    }

    /// As [`Dump::begin`], with the objects made where they go: nothing of a message that was not asked for.
    pub(crate) fn begin_in_place(
        handle: &'h mut Handle,
        request: Request,
        what: &'static str,
        hints: Hints<'static>,
        mut read: impl FnMut(&Message<'_>, &mut Slot<T>) + Send + 'h,
    ) -> Result<Dump<'h, T>, Failure> {
        let cursor = Cursor::begin(handle, request)?;
        let read = move |reply: &mut Reply, datagram: &[u8], ahead: &mut Ahead<T>| {
            ahead.fill(reply, datagram, &mut read);
        };
        Ok(Dump { handle, cursor, read: Box::new(read), ahead: Ahead::new(), what, hints })
    }

    /// Takes a refusal with this errno for a list without objects.
    pub(crate) fn or_empty(mut self, errno: Errno) -> Dump<'h, T> {
        self.cursor.absent = Some(errno);
        self
    }

    /// Reads the next objects; there are none at the end.
    fn read_ahead(&mut self) -> Result<(), Failure> {
        while self.ahead.next == self.ahead.end && !self.cursor.is_over {
            let datagram = self.handle.socket.received(self.cursor.length);
            (self.read)(&mut self.cursor.reply, datagram, &mut self.ahead);
            if self.ahead.end == 0 {
                self.cursor.go_on(self.handle)?;
            }
        }
        Ok(())
    }

    /// Returns the next object, or nothing at the end.
    #[inline]
    fn read_next(&mut self) -> Result<Slot<T>, Failure> {
        if self.ahead.next == self.ahead.end {
            self.read_ahead()?;
        }
        Ok(self.ahead.take())
    }

    #[cold]
    fn failed(&self, failure: Failure) -> crate::Error {
        failure.when(format_args!("list {}", self.what), self.hints)
    }

    /// Returns the next object as the message that it is, borrowed: nothing is decoded, and nothing allocated. What a
    /// filter leaves out in user space is told too.
    ///
    /// ```no_run
    /// use netlink::{Handle, LinkFilter};
    ///
    /// let mut handle = Handle::open()?;
    /// let mut links = handle.dump_links(LinkFilter::default())?;
    /// while let Some(message) = links.next_message()? {
    ///     for attribute in message.attributes(16) {
    ///         println!("attribute {} has {} bytes", attribute.kind, attribute.payload.len());
    ///     }
    /// }
    /// # Ok::<(), netlink::Error>(())
    /// ```
    ///
    /// # Errors
    /// As those of the items: [`Interrupted`](crate::ErrorKind::Interrupted) where the list changed while it was read.
    pub fn next_message(&mut self) -> Result<Option<Message<'_>>> {
        self.ahead.put_back(&mut self.cursor.reply);
        self.cursor
            .next(self.handle)
            .map_err(|failure| failure.when(format_args!("list {}", self.what), self.hints))
    }
}

/// How far a list was read. It is apart from its handle for those who keep both.
#[derive(Debug)]
pub(crate) struct Cursor {
    request: Request,
    reply: Reply,
    /// Heard until the end of the list.
    changes: Option<Changes>,
    /// The length of the present datagram.
    length: usize,
    is_over: bool,
    /// How the kernel says that there is nothing to list.
    absent: Option<Errno>,
}

impl Cursor {
    pub(crate) fn begin(handle: &mut Handle, mut request: Request) -> Result<Cursor, Failure> {
        request.add_flags(NLM_F_DUMP);
        let changes = Some(handle.protocol).filter(|protocol| *protocol == Protocol::Route);
        let changes = changes.and_then(|_| Changes::of(request.kind(), request.family()?));
        // Where groups can't be heard, the list is as good as the kernel gives it.
        let changes = changes.filter(|changes| handle.socket.join(changes.group).is_ok());
        let reply = Reply::new(handle.protocol, request.kind(), 0, Answer::Dump);
        let mut cursor = Cursor { request, reply, changes, length: 0, is_over: false, absent: None };
        let outcome = cursor.start(handle);
        if outcome.is_err() {
            cursor.end(handle);
        }
        outcome.map(|()| cursor)
    }

    fn start(&mut self, handle: &mut Handle) -> Result<(), Failure> {
        loop {
            let sequence = handle.ask(&mut self.request)?;
            self.reply = Reply::new(handle.protocol, self.request.kind(), sequence, Answer::Dump)
                .with_changes(self.changes);
            match self.receive(handle) {
                // One that begins with an object longer than usual has begun for nothing.
                Err(Failure::Truncated) => {}
                outcome => return outcome,
            }
        }
    }

    fn receive(&mut self, handle: &mut Handle) -> Result<(), Failure> {
        self.length = handle.socket.receive().map_err(|failure| match failure {
            // So much was told meanwhile that there was no room for it, or for the list.
            Failure::System(Errno::ENOBUFS) => Failure::Interrupted(None),
            failure => failure,
        })?;
        self.reply.next_datagram();
        Ok(())
    }

    /// Hears no more of changes, but for those that were told already.
    fn leave(&mut self, handle: &mut Handle) -> Result<(), Failure> {
        let Some(changes) = self.changes.take() else { return Ok(()) };
        handle.socket.leave(changes.group)?;
        loop {
            match handle.socket.receive_now() {
                Ok(None) => return Ok(()),
                Ok(Some((length, _))) => {
                    let mut messages = Messages::new(handle.socket.received(length)).flatten();
                    self.reply.interrupted |= messages.any(|message| changes.are_told_by(&message));
                }
                Err(Failure::System(Errno::ENOBUFS) | Failure::Truncated) => self.reply.interrupted = true,
                Err(failure) => return Err(failure),
            }
        }
    }

    /// Goes to the next message.
    pub(crate) fn next<'a>(&mut self, handle: &'a mut Handle) -> Result<Option<Message<'a>>, Failure> {
        while !self.is_over {
            if self.reply.next_object(handle.socket.received(self.length)).is_some() {
                return Ok(self.reply.object(handle.socket.received(self.length)));
            }
            self.go_on(handle)?;
        }
        Ok(None)
    }

    /// Goes on where there is something else than an object.
    #[cold]
    fn go_on(&mut self, handle: &mut Handle) -> Result<(), Failure> {
        match self.reply.pass(handle.socket.received(self.length), self.request.sent()) {
            Ok(Pass::Passed) => Ok(()),
            Ok(Pass::More) => self.receive(handle).inspect_err(|_| self.is_over = true),
            Ok(Pass::End) => {
                (self.is_over, handle.unfinished) = (true, false);
                self.leave(handle)?;
                if self.reply.interrupted { Err(Failure::Interrupted(None)) } else { Ok(()) }
            }
            Err(failure) => {
                self.is_over = true;
                // A refusal ends an answer too.
                handle.unfinished = matches!(failure, Failure::Protocol(_));
                if self.absent.is_some() && self.absent == failure.errno() { Ok(()) } else { Err(failure) }
            }
        }
    }

    /// Gives back the room of the request.
    pub(crate) fn end(&mut self, handle: &mut Handle) {
        if let Some(changes) = self.changes.take() {
            // What was told already has no request's number, and is skipped.
            let _ = handle.socket.leave(changes.group);
        }
        handle.keep(std::mem::take(&mut self.request));
    }
}

impl<T> Iterator for Dump<'_, T> {
    type Item = Result<T>;

    #[inline]
    fn next(&mut self) -> Option<Result<T>> {
        if self.ahead.next == self.ahead.end
            && let Err(failure) = self.read_ahead()
        {
            return Some(Err(self.failed(failure)));
        }
        self.ahead.take()
    }
}

impl<T> FusedIterator for Dump<'_, T> {}

/// What was written for the request serves the next one.
impl<T> Drop for Dump<'_, T> {
    fn drop(&mut self) {
        self.cursor.end(self.handle);
    }
}

impl<T> fmt::Debug for Dump<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dump")
            .field("of", &self.what)
            .field("is_over", &self.cursor.is_over)
            .finish_non_exhaustive()
    }
}

/// The part of a list that could be read.
pub(crate) type Partial = Arc<dyn Any + Send + Sync>;

impl Handle {
    /// Asks for a list, again if it changed while it was read.
    pub(crate) fn list<T: Send + Sync + 'static>(
        &mut self,
        write: impl Fn(&mut Handle) -> Request,
        read: impl Fn(&Message<'_>) -> Option<T> + Send + Sync,
    ) -> Result<Vec<T>, Failure> {
        self.list_in_place(write, |message, slot| *slot = read(message).map(Ok))
    }

    /// As [`Handle::list`], with the objects made where they go: nothing of a message that was not asked for.
    pub(crate) fn list_in_place<T: Send + Sync + 'static>(
        &mut self,
        write: impl Fn(&mut Handle) -> Request,
        read: impl Fn(&Message<'_>, &mut Slot<T>) + Send + Sync,
    ) -> Result<Vec<T>, Failure> {
        until_whole(|found| {
            let request = write(self);
            let mut dump = Dump::begin_in_place(self, request, "", &[], &read)?;
            loop {
                match dump.read_next()? {
                    Some(Ok(object)) => found.push(object),
                    Some(Err(_)) => return Err(UNREADABLE),
                    None => return Ok(()),
                }
            }
        })
    }
}

/// Reads a list until it did not change meanwhile, which may never be: the attempts are counted.
fn until_whole<T: Send + Sync + 'static>(
    mut read: impl FnMut(&mut Vec<T>) -> Result<(), Failure>,
) -> Result<Vec<T>, Failure> {
    let mut found = Vec::new();
    for attempt in 0..ATTEMPTS {
        found.clear();
        match read(&mut found) {
            Ok(()) => return Ok(found),
            Err(Failure::Interrupted(_)) => thread::sleep(Duration::from_micros(100) * attempt),
            // There is room now.
            Err(Failure::Truncated) => {}
            Err(failure) => return Err(failure),
        }
    }
    Err(Failure::Interrupted(Some(Arc::new(found))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LinkFilter;
    use crate::error::ErrorKind;

    #[test]
    fn a_list_that_changed_is_read_again_and_the_attempts_are_counted() {
        let mut reads = 0;
        let whole = until_whole(|found| {
            reads += 1;
            found.push(reads);
            if reads < 3 { Err(Failure::Interrupted(None)) } else { Ok(()) }
        });
        assert_eq!(whole.unwrap(), [3]);

        let mut reads = 0;
        let never = until_whole(|found| {
            reads += 1;
            found.push(reads);
            Err(Failure::Interrupted(None))
        });
        let error = never.unwrap_err().when("list links", &[]);
        assert_eq!(error.kind(), ErrorKind::Interrupted);
        assert_eq!(error.partial::<u32>(), Some(&[ATTEMPTS][..]));
        assert_eq!(error.partial::<u8>(), None);
        assert_eq!(reads, ATTEMPTS);
    }

    #[test]
    fn a_list_that_was_dropped_half_way_does_not_disturb_the_next() {
        let mut handle = Handle::open().unwrap();
        for _ in 0..3 {
            let mut dump = handle.dump_links(LinkFilter::default()).unwrap();
            assert!(dump.next().unwrap().is_ok());
        }
        assert!(handle.links().unwrap().iter().any(|link| link.name == "lo"));
    }
}

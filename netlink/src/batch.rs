//! Many changes with few system calls.

mod links;
mod names;
mod routing;

use std::fmt;
use std::mem;

use nix::errno::Errno;

pub(crate) use self::names::Names;
use crate::address::Address;
use crate::error::{Error, Failure, Result};
use crate::handle::Handle;
use crate::kind::Kind;
use crate::link::{LinkChange, LinkRef, NewLink};
use crate::port::{PortKind, write_port};
use crate::route::Route;
use crate::wire::describe::{doing, hints};
use crate::wire::message::{HEADER, Messages};
use crate::wire::numbers::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, NLMSG_ERROR, RTM_DELADDR, RTM_DELROUTE, RTM_NEWADDR,
    RTM_NEWROUTE,
};
use crate::wire::refusal::Refusal;
use crate::wire::{Request, u32_at};

/// How many requests go out at once. All of them may be refused, and each refusal takes about a kilobyte of the room
/// that a socket has for answers, which is 208 KiB unless somebody set less.
const MOST: usize = 64;
/// How many bytes go out at once, unless a single request is longer.
const LONGEST: usize = 64 * 1024;

/// Changes that are collected, and then made with few system calls.
///
/// ```no_run
/// use netlink::{Handle, Route};
///
/// let mut handle = Handle::open()?;
/// let mut batch = handle.batch();
/// for third in 0..=255 {
///     batch.add_route(&Route::to(format!("10.7.{third}.0/24").parse()?).via("10.0.0.1".parse()?));
/// }
/// for result in batch.send() {
///     if let Err(error) = result {
///         eprintln!("{error}");
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The kernel makes them one by one, in their order: a failure stops none of those behind it, and undoes none of those
/// before it.
///
/// A link that a batch makes isn't there yet while the batch is collected. What is to be done with it in the same batch
/// goes by its name where that is all the kernel needs ([`change_link`](Batch::change_link),
/// [`set_up`](Batch::set_up), [`delete_link`](Batch::delete_link)), and else by an index that was
/// [chosen](crate::NewLink::index).
///
/// Whatever was named by a descriptor (a namespace, a BPF program) may be closed before the batch is sent. An error
/// calls a link as it was called here.
#[must_use = "send makes the changes"]
pub struct Batch<'h> {
    handle: &'h mut Handle,
    requests: Request,
    operations: Vec<Operation>,
    /// What links were called whose index is in the requests.
    names: Names,
}

/// One change that was asked for.
enum Operation {
    /// Its request begins and ends here, and has this sequence number.
    Written { start: usize, end: usize, sequence: u32 },
    /// It can't be: nothing is sent for it.
    Failed(Error),
}

impl Handle {
    /// Begins to collect changes.
    pub fn batch(&mut self) -> Batch<'_> {
        let requests = self.room();
        Batch { handle: self, requests, operations: Vec::new(), names: Names::default() }
    }
}

impl Batch<'_> {
    /// Returns how many changes were collected.
    pub fn len(&self) -> usize {
        self.operations.len()
    }

    /// Tells whether none was collected.
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// Makes a link, as [`Handle::add_link`] does. A bridge keeps no MTU from here.
    pub fn add_link<K: Kind>(&mut self, link: &NewLink<'_, K>) -> &mut Self {
        self.push(
            |requests, handle| link.request(requests, handle, 0).map(drop),
            || link.kind.creating(&link.name),
        )
    }

    /// Changes a link, as [`Handle::change_link`] does.
    pub fn change_link<'l>(&mut self, link: impl Into<LinkRef<'l>>, change: &LinkChange<'_>) -> &mut Self {
        let link = link.into();
        self.push_on(
            link,
            |requests, handle| change.request(requests, handle, link),
            || format!("change {link}"),
        )
    }

    /// Changes what a link's master has to say about it, as [`Handle::change_port`] does. Here nobody looks whether
    /// its master is of that kind, and the kernel would take the numbers for its own.
    pub fn change_port<'l>(&mut self, link: impl Into<LinkRef<'l>>, port: &impl PortKind) -> &mut Self {
        let link = link.into();
        self.push_on(
            link,
            |requests, _| write_port(requests, link, port),
            || format!("change {} port {link}", port.name()),
        )
    }

    /// Deletes a link, as [`Handle::delete_link`] does.
    pub fn delete_link<'l>(&mut self, link: impl Into<LinkRef<'l>>) -> &mut Self {
        let link = link.into();
        self.push_on(link, |requests, _| link.delete_request(requests), || format!("delete {link}"))
    }

    /// Gives a link an address, as [`Handle::add_address`] does.
    pub fn add_address<'l>(&mut self, link: impl Into<LinkRef<'l>>, address: &Address) -> &mut Self {
        self.change_address(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, link.into(), address)
    }

    /// Gives a link an address or changes it, as [`Handle::replace_address`] does.
    pub fn replace_address<'l>(&mut self, link: impl Into<LinkRef<'l>>, address: &Address) -> &mut Self {
        self.change_address(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, link.into(), address)
    }

    /// Takes an address from a link, as [`Handle::delete_address`] does.
    pub fn delete_address<'l>(&mut self, link: impl Into<LinkRef<'l>>, address: &Address) -> &mut Self {
        self.change_address(RTM_DELADDR, 0, link.into(), address)
    }

    fn change_address(&mut self, kind: u16, flags: u16, link: LinkRef<'_>, address: &Address) -> &mut Self {
        self.push_on(
            link,
            |requests, handle| address.request(requests, handle, kind, flags, link),
            || format!("{} address {address} of {link}", if kind == RTM_DELADDR { "delete" } else { "add" }),
        )
    }

    /// Adds a route, as [`Handle::add_route`] does.
    pub fn add_route(&mut self, route: &Route) -> &mut Self {
        self.set_route(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, route)
    }

    /// Adds a route or takes the place of one, as [`Handle::replace_route`] does.
    pub fn replace_route(&mut self, route: &Route) -> &mut Self {
        self.set_route(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, route)
    }

    /// Deletes a route, as [`Handle::delete_route`] does.
    pub fn delete_route(&mut self, route: &Route) -> &mut Self {
        self.set_route(RTM_DELROUTE, 0, route)
    }

    fn set_route(&mut self, kind: u16, flags: u16, route: &Route) -> &mut Self {
        self.push(
            |requests, _| route.request(requests, kind, flags),
            || format!("{} route {route}", if kind == RTM_DELROUTE { "delete" } else { "add" }),
        )
    }

    /// Collects one change; what is wrong with it already is told in its place.
    pub(crate) fn push(
        &mut self,
        write: impl FnOnce(&mut Request, &mut Handle) -> Result<(), Failure>,
        doing: impl FnOnce() -> String,
    ) -> &mut Self {
        // Whoever opened them may close them before they are sent.
        self.requests.keep_descriptors();
        let start = self.requests.all().len();
        let sequence = self.handle.next_sequence();
        let written =
            write(&mut self.requests, self.handle).and_then(|()| self.requests.finish(sequence).map(drop));
        self.operations.push(match written {
            Ok(()) => Operation::Written { start, end: self.requests.all().len(), sequence },
            Err(failure) => {
                self.requests.truncate(start);
                Operation::Failed(failure.when(doing(), &[]))
            }
        });
        self
    }

    /// The same of a link: errors call it as it was called here.
    pub(crate) fn push_on<'l>(
        &mut self,
        link: impl Into<Option<LinkRef<'l>>>,
        write: impl FnOnce(&mut Request, &mut Handle) -> Result<(), Failure>,
        doing: impl FnOnce() -> String,
    ) -> &mut Self {
        self.push(write, doing);
        if let (Some(link), Some(Operation::Written { start, .. })) = (link.into(), self.operations.last()) {
            // So it stands in all the headers that have a link: after the family and what pads it.
            let index = u32_at(self.requests.all(), start + HEADER + 4).unwrap_or_default();
            self.names.note(index, link);
        }
        self
    }

    /// Makes the changes, and tells how each one went, in their order.
    ///
    /// Where an answer is lost or doesn't come, nobody knows whether that change was made: its error says so. Those
    /// that had not been sent by then are not made. The batch is empty then, and can collect others.
    #[must_use = "each change may have failed"]
    pub fn send(&mut self) -> Vec<Result<()>> {
        let mut operations = mem::take(&mut self.operations).into_iter();
        let mut results = Vec::with_capacity(operations.len());
        let mut broken = None;
        while !operations.as_slice().is_empty() {
            let count = part(operations.as_slice());
            let part = operations.by_ref().take(count);
            match &broken {
                None => broken = self.send_part(part, &mut results).err(),
                Some(errno) => results.extend(part.map(|one| self.unsent(one, *errno))),
            }
        }
        self.names = Names::default();
        self.requests.clear();
        // What was collected serves the next request.
        self.handle.keep(mem::take(&mut self.requests));
        results
    }

    /// Sends what goes out at once, and reads all that is said about it.
    ///
    /// # Errors
    /// Nothing more can be sent.
    fn send_part(
        &mut self,
        part: impl ExactSizeIterator<Item = Operation>,
        results: &mut Vec<Result<()>>,
    ) -> Result<(), Option<Errno>> {
        let mut sent = Vec::with_capacity(part.len());
        for operation in part {
            results.push(match operation {
                Operation::Written { start, end, sequence } => {
                    sent.push(Sent { place: results.len(), start, end, sequence });
                    Ok(())
                }
                Operation::Failed(error) => Err(error),
            });
        }
        let (Some(begin), Some(last)) = (sent.first(), sent.last()) else { return Ok(()) };
        // Who fails answers anyway; the others are done when the last one is.
        self.requests.add_flags_at(last.start, NLM_F_ACK);
        let bytes = self.requests.all().get(begin.start..last.end).unwrap_or_default();
        let outcome = match self.handle.finish_the_last() {
            Ok(()) => self.handle.socket.send(bytes),
            Err(failure) => Err(failure),
        };
        if let Err(failure) = outcome {
            let errno = failure.errno();
            for one in &sent {
                results[one.place] = Err(self.refused(one, Failure::NotSent(errno)));
            }
            return Err(errno);
        }
        self.handle.unfinished = true;
        let heard = self.hear(&sent, results);
        if heard.is_ok() {
            self.handle.unfinished = false;
            return Ok(());
        }
        for one in &sent {
            if results[one.place].is_ok() {
                results[one.place] = Err(self.refused(one, Failure::Lost));
            }
        }
        heard.or_else(|failure| match failure {
            // What came after it can be heard again.
            Failure::System(Errno::ENOBUFS) | Failure::Truncated => Ok(()),
            failure => Err(failure.errno()),
        })
    }

    /// Reads answers until that of the last request.
    fn hear(&mut self, sent: &[Sent], results: &mut [Result<()>]) -> Result<(), Failure> {
        let last = sent.last().map(|one| one.sequence);
        loop {
            let length = self.handle.socket.receive()?;
            for message in Messages::new(self.handle.socket.received(length)) {
                let message = message?;
                // Anything else is an echo, or an answer to an earlier request.
                let Some(one) = sent.iter().find(|one| one.sequence == message.sequence) else { continue };
                if message.kind != NLMSG_ERROR {
                    continue;
                }
                let request = self.requests.all().get(one.start..one.end).unwrap_or_default();
                if let Err(refusal) = Refusal::check(&message, request) {
                    results[one.place] = Err(self.refused(one, Failure::Refused(Box::new(refusal))));
                }
                if last == Some(one.sequence) {
                    return Ok(());
                }
            }
        }
    }

    fn unsent(&self, operation: Operation, errno: Option<Errno>) -> Result<()> {
        Err(match operation {
            Operation::Failed(error) => error,
            Operation::Written { start, end, sequence } => {
                self.refused(&Sent { place: 0, start, end, sequence }, Failure::NotSent(errno))
            }
        })
    }

    fn refused(&self, one: &Sent, failure: Failure) -> Error {
        let request = self.requests.all().get(one.start..one.end).unwrap_or_default();
        failure.when(doing(request, &self.names), hints(request))
    }
}

/// A change that was sent.
struct Sent {
    /// Of its result.
    place: usize,
    start: usize,
    end: usize,
    sequence: u32,
}

/// How many of these go out at once.
fn part(operations: &[Operation]) -> usize {
    let mut begin = None;
    let mut written = 0;
    for (count, operation) in operations.iter().enumerate() {
        if let Operation::Written { start, end, .. } = operation {
            let begin = *begin.get_or_insert(*start);
            if written == MOST || written > 0 && end - begin > LONGEST {
                return count;
            }
            written += 1;
        }
    }
    operations.len()
}

impl fmt::Debug for Batch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch").field("len", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(start: usize, end: usize) -> Operation {
        Operation::Written { start, end, sequence: 1 }
    }

    #[test]
    fn no_more_goes_out_at_once_than_the_answers_have_room_for() {
        let short: Vec<_> = (0..200).map(|place| written(place * 40, place * 40 + 40)).collect();
        assert_eq!(part(&short), MOST);
        assert_eq!(part(&short[..10]), 10);
        let long: Vec<_> = (0..10).map(|place| written(place * 30_000, place * 30_000 + 30_000)).collect();
        assert_eq!(part(&long), 2);
        assert_eq!(part(&[written(0, 100_000), written(100_000, 100_040)]), 1);
        assert_eq!(part(&[]), 0);
    }
}

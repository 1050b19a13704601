//! What changes in a network namespace, as it changes.

mod builder;
mod event;
mod list;
pub(crate) mod raw;
#[cfg(feature = "tokio")]
mod tokio;

use std::fmt;
use std::iter::FusedIterator;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::time::{Duration, Instant};

pub use self::builder::MonitorBuilder;
pub use self::event::{Event, Object};
use self::list::{List, Lists};
use self::raw::{Heard, Source};
#[cfg(feature = "tokio")]
pub use self::tokio::AsyncMonitor;
use crate::error::{Failure, Result};
use crate::handle::Handle;

/// Tells what is added, changed and deleted in a network namespace: links, addresses, routes, neighbours, rules and
/// more.
///
/// ```no_run
/// use netlink::{Event, Monitor, Object};
///
/// for event in Monitor::builder().links().addresses().open()? {
///     match event? {
///         Event::New(Object::Link(link)) => println!("{}: {:?}", link.name, link.flags),
///         Event::Deleted(Object::Link(link)) => println!("{} is gone", link.name),
///         Event::Overrun => println!("some of what happened was lost"),
///         other => println!("{other:?}"),
///     }
/// }
/// # Ok::<(), netlink::Error>(())
/// ```
///
/// It is an iterator that blocks and never ends by itself; [`try_next`](Self::try_next) and
/// [`next_timeout`](Self::next_timeout) don't block, or not for ever. As a descriptor it goes into poll(2), epoll and
/// whatever a program waits with: readable when something has happened, until `try_next` has returned `None`. With
/// the feature `tokio` there is `AsyncMonitor`. No thread runs in the background. What nobody reads waits in the
/// kernel, in the [room](MonitorBuilder::receive_buffer) that the socket has; here, one message is in memory at a
/// time.
///
/// # A table that stays right
///
/// With [`existing`](MonitorBuilder::existing), what is there is told before what changes, and again after an
/// overrun:
///
/// ```no_run
/// use std::collections::HashMap;
///
/// use netlink::{Event, Link, Monitor, Object};
///
/// let mut links: HashMap<u32, Link> = HashMap::new();
/// for event in Monitor::builder().links().existing(true).open()? {
///     match event? {
///         Event::New(Object::Link(link)) => drop(links.insert(link.index, *link)),
///         Event::Deleted(Object::Link(link)) => drop(links.remove(&link.index)),
///         Event::Overrun => links.clear(),
///         Event::Synced => println!("{} links", links.len()),
///         _ => {}
///     }
/// }
/// # Ok::<(), netlink::Error>(())
/// ```
/// The socket hears before the lists are asked for, and changes are told behind them: nothing is missed in between.
/// So the same thing may be told twice, and what changed while it was listed may for a moment be older than it was
/// told before; after [`Event::Synced`] and the changes that wait behind it, the table is that of the kernel.
///
/// # What the kernel doesn't tell
///
/// * Whether something was added or changed: both are [`Event::New`].
/// * That an IPv4 route took the place of another (`ip route replace`): only the new one is told.
/// * IPv4 routes that went because their link or address did. IPv6 ones are told.
/// * The lists of [`existing`](MonitorBuilder::existing) have all of traffic control's qdiscs, and no classes and
///   filters, which are listed per link only.
pub struct Monitor {
    source: Source,
    /// In the same namespace.
    lists: Handle,
    listed: Vec<List>,
    /// What is being told of what is there.
    listing: Option<Lists>,
    /// Lists again after an overrun.
    keeps: bool,
    /// What waits in the kernel is older than the lists that are to come.
    is_stale: bool,
}

impl Monitor {
    /// Begins to say what a monitor is to hear.
    pub fn builder() -> MonitorBuilder {
        MonitorBuilder::new()
    }

    /// Returns the next event if there is one.
    ///
    /// # Errors
    /// [`Interrupted`](crate::ErrorKind::Interrupted): while it told what is there, that changed each time it was
    /// read; the monitor goes on with the changes, and [`resync`](Self::resync) tries again. Others are the system's.
    pub fn try_next(&mut self) -> Result<Option<Event>> {
        self.advance().map_err(failed)
    }

    fn advance(&mut self) -> Result<Option<Event>, Failure> {
        if self.is_stale {
            // An old change told behind a newer list would stay for ever, if the one that undoes it was lost.
            self.source.forget()?;
            self.is_stale = false;
            self.listing = Some(Lists::new(&self.listed));
        }
        if let Some(listing) = &mut self.listing {
            match listing.next(&mut self.lists) {
                Ok(Some(event)) => return Ok(Some(event)),
                Ok(None) => {
                    self.listing = None;
                    return Ok(Some(Event::Synced));
                }
                Err(failure) => {
                    self.listing = None;
                    return Err(failure);
                }
            }
        }
        match self.source.hear()? {
            Heard::Nothing => Ok(None),
            Heard::Message(message, netns_id) => Ok(Some(Event::read(&message).of(netns_id))),
            Heard::Overrun => {
                self.is_stale = self.keeps;
                Ok(Some(Event::Overrun))
            }
        }
    }

    /// Returns the next event, or `None` if nothing happens for so long.
    ///
    /// # Errors
    /// As [`try_next`](Self::try_next).
    pub fn next_timeout(&mut self, timeout: Duration) -> Result<Option<Event>> {
        // A time that is never over needs no end.
        let end = Instant::now().checked_add(timeout);
        loop {
            if let Some(event) = self.try_next()? {
                return Ok(Some(event));
            }
            let left = end.map(|end| end.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Ok(None);
            }
            self.source.wait(left).map_err(failed)?;
        }
    }

    /// Tells what is there once more, as [`existing`](MonitorBuilder::existing) does at the beginning: after
    /// [`Event::Overrun`], for who did not ask for that.
    ///
    /// The next events are an [`Event::New`] of each object, and then [`Event::Synced`]. Changes from before that were
    /// not read yet are thrown away, for the lists are newer: empty your table first.
    pub fn resync(&mut self) {
        self.is_stale = true;
    }
}

fn failed(failure: Failure) -> crate::Error {
    failure.when("monitor a network namespace", &[])
}

/// Waits for the next event.
impl Iterator for Monitor {
    type Item = Result<Event>;

    fn next(&mut self) -> Option<Result<Event>> {
        loop {
            match self.try_next() {
                Ok(None) => {}
                Ok(Some(event)) => return Some(Ok(event)),
                Err(error) => return Some(Err(error)),
            }
            if let Err(failure) = self.source.wait(None) {
                return Some(Err(failed(failure)));
            }
        }
    }
}

impl FusedIterator for Monitor {}

/// Readable when something has happened, until [`try_next`](Monitor::try_next) has returned `None`. What is told of
/// [what is there](MonitorBuilder::existing) comes from elsewhere: call that before the first waiting, and after
/// [`resync`](Monitor::resync). It is for waiting only.
impl AsFd for Monitor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.source.as_fd()
    }
}

impl AsRawFd for Monitor {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl fmt::Debug for Monitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Monitor")
            .field("fd", &self.as_raw_fd())
            .field("is_listing", &self.listing.is_some())
            .finish_non_exhaustive()
    }
}

//! What wakes a watcher: its descriptors, and how they are waited for.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use nix::sys::eventfd::EventFd;
use nix::sys::time::TimeSpec;

use crate::sys::fanotify::{self, Announcement};
use crate::sys::poll::{Bridge, eventfd};

/// What has happened since the last look.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Signs {
    /// Something changed in the table, we aren't told what.
    pub(crate) changed: bool,
    /// The kernel announced mounts.
    pub(crate) announced: bool,
}

/// Wakes for changes of one mount namespace.
///
/// A mountinfo file is ready for as long as its change was not seen, and any poll of it sees it: also one of
/// an epoll that it is in. So there are two. One is looked at here, and this look is what counts. The other
/// only wakes who waits in [`fd`](Self::fd).
#[derive(Debug)]
pub(crate) struct Wake {
    table: File,
    bell: File,
    bridge: Option<Bridge>,
    /// Counted up by the bridge.
    changed: EventFd,
    /// Counted up while events wait to be taken.
    held: EventFd,
    holds: bool,
    announcements: Option<OwnedFd>,
    epoll: Epoll,
}

impl Wake {
    /// Takes two descriptions of one mountinfo file, and the queue of announcements where there is one.
    pub(crate) fn new(table: File, bell: File, announcements: Option<OwnedFd>) -> nix::Result<Self> {
        let (changed, held) = (eventfd()?, eventfd()?);
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        epoll.add(&changed, EpollEvent::new(EpollFlags::EPOLLIN, 0))?;
        epoll.add(&held, EpollEvent::new(EpollFlags::EPOLLIN, 0))?;
        if let Some(queue) = &announcements {
            epoll.add(queue, EpollEvent::new(EpollFlags::EPOLLIN, 0))?;
        }
        let bridge = Bridge::new().and_then(|bridge| {
            bridge.arm(bell.as_fd(), libc::POLLPRI, &changed)?;
            Ok(bridge)
        });
        if bridge.is_err() {
            // Then a change is announced to the first poll only.
            epoll.add(&bell, EpollEvent::new(EpollFlags::EPOLLPRI, 0))?;
        }
        Ok(Wake { table, bell, bridge: bridge.ok(), changed, held, holds: false, announcements, epoll })
    }

    /// Returns the file of the table, of which the offset is anywhere.
    pub(crate) fn table(&self) -> &File {
        &self.table
    }

    pub(crate) fn is_announced(&self) -> bool {
        self.announcements.is_some()
    }

    /// Returns the descriptor that is readable while there is something to look at.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.epoll.0.as_fd()
    }

    /// Looks what happened, and makes the descriptor unreadable until more does.
    pub(crate) fn look(&mut self) -> nix::Result<Signs> {
        // First, so that what changes from here on wakes again.
        self.arm_again()?;
        self.wait(Some(Duration::ZERO))
    }

    fn arm_again(&mut self) -> nix::Result<()> {
        let Some(bridge) = &self.bridge else { return Ok(()) };
        if !bridge.fired()? {
            return Ok(());
        }
        drain(&self.changed)?;
        if bridge.arm(self.bell.as_fd(), libc::POLLPRI, &self.changed).is_err() {
            self.bridge = None;
            self.epoll.add(&self.bell, EpollEvent::new(EpollFlags::EPOLLPRI, 0))?;
        }
        Ok(())
    }

    /// Waits until something happens, a signal arrives, or the time is over.
    pub(crate) fn wait(&self, timeout: Option<Duration>) -> nix::Result<Signs> {
        // The table's file is always readable; only what is urgent is news.
        let mut fds = vec![PollFd::new(self.table.as_fd(), PollFlags::POLLPRI)];
        if let Some(queue) = &self.announcements {
            fds.push(PollFd::new(queue.as_fd(), PollFlags::POLLIN));
        }
        match ppoll(&mut fds, timeout.map(TimeSpec::from_duration), None) {
            Err(Errno::EINTR) => return Ok(Signs::default()),
            result => result?,
        };
        let is_ready = |at: usize| fds.get(at).and_then(PollFd::any).unwrap_or(false);
        Ok(Signs { changed: is_ready(0), announced: is_ready(1) })
    }

    /// Takes the announcements that there are.
    pub(crate) fn announcements(&self, found: &mut Vec<Announcement>) -> nix::Result<()> {
        match &self.announcements {
            Some(queue) => fanotify::read(queue.as_fd(), found),
            None => Ok(()),
        }
    }

    /// Keeps the descriptor readable, or lets it go.
    pub(crate) fn hold(&mut self, holds: bool) -> nix::Result<()> {
        if holds && !self.holds {
            self.held.write(1)?;
        }
        if !holds && self.holds {
            drain(&self.held)?;
        }
        self.holds = holds;
        Ok(())
    }
}

fn drain(counter: &EventFd) -> nix::Result<()> {
    match counter.read() {
        Ok(_) | Err(Errno::EAGAIN) => Ok(()),
        Err(error) => Err(error),
    }
}

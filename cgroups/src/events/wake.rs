//! What wakes: one epoll for all files, with a timer and a bell of its own.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

/// Readable while there is something to look at.
#[derive(Debug)]
pub(crate) struct Wake {
    epoll: Epoll,
    timer: TimerFd,
    /// Counted up while events wait to be taken.
    held: EventFd,
    holds: bool,
}

impl Wake {
    pub(crate) fn new() -> nix::Result<Wake> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let flags = TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK;
        let wake = Wake {
            epoll,
            timer: TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?,
            held: eventfd()?,
            holds: false,
        };
        wake.epoll.add(&wake.timer, EpollEvent::new(EpollFlags::EPOLLIN, 0))?;
        wake.epoll.add(&wake.held, EpollEvent::new(EpollFlags::EPOLLIN, 0))?;
        Ok(wake)
    }

    /// Wakes for a control file that changes, until it is read again through this descriptor: no poll takes that
    /// away, so that whoever waits in [`fd`](Self::fd) loses nothing.
    pub(crate) fn on_change(&self, file: impl AsFd) -> nix::Result<()> {
        self.epoll.add(file, EpollEvent::new(EpollFlags::EPOLLPRI, 0))
    }

    /// Wakes for an eventfd that was counted up, until it is read.
    pub(crate) fn on_count(&self, eventfd: &EventFd) -> nix::Result<()> {
        self.epoll.add(eventfd, EpollEvent::new(EpollFlags::EPOLLIN, 0))
    }

    /// Wakes for this one no more, also if a child that was forked still has it.
    pub(crate) fn forget(&self, file: impl AsFd) {
        // It was added; and to close it, as comes next, does the same where nobody else has it.
        let _ = self.epoll.delete(file);
    }

    /// Wakes once after so long, or not at all; takes the place of what was asked for before.
    pub(crate) fn after(&self, pause: Option<Duration>) -> nix::Result<()> {
        match pause {
            Some(pause) => {
                let once = Expiration::OneShot(TimeSpec::from_duration(pause));
                self.timer.set(once, TimerSetTimeFlags::empty())
            }
            None => self.timer.unset(),
        }
    }

    /// Waits until there is something to look at, a signal arrives, or the time is over.
    pub(crate) fn wait(&self, timeout: Option<Duration>) -> nix::Result<bool> {
        wait(self.fd(), PollFlags::POLLIN, timeout).map(|ready| !ready.is_empty())
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.epoll.0.as_fd()
    }

    /// Keeps the descriptor readable, or lets it go.
    pub(crate) fn hold(&mut self, holds: bool) -> nix::Result<()> {
        if holds && !self.holds {
            self.held.write(1)?;
        }
        if !holds && self.holds {
            take(&self.held)?;
        }
        self.holds = holds;
        Ok(())
    }
}

/// Tells whether a control file has changed since it was read through this descriptor.
pub(crate) fn has_changed(file: impl AsFd) -> nix::Result<bool> {
    wait(file.as_fd(), PollFlags::POLLPRI, Some(Duration::ZERO)).map(|ready| !ready.is_empty())
}

/// Waits for one descriptor; empty when the time is over, and after a signal.
pub(crate) fn wait(
    fd: BorrowedFd<'_>,
    events: PollFlags,
    timeout: Option<Duration>,
) -> nix::Result<PollFlags> {
    let mut fds = [PollFd::new(fd, events)];
    match ppoll(&mut fds, timeout.map(TimeSpec::from_duration), None) {
        Err(Errno::EINTR) => Ok(PollFlags::empty()),
        Err(error) => Err(error),
        Ok(_) => Ok(fds[0].revents().unwrap_or(PollFlags::empty())),
    }
}

pub(crate) fn eventfd() -> nix::Result<EventFd> {
    EventFd::from_value_and_flags(0, EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)
}

/// Takes what was counted, without waiting.
pub(crate) fn take(eventfd: &EventFd) -> nix::Result<u64> {
    match eventfd.read() {
        Err(Errno::EAGAIN | Errno::EINTR) => Ok(0),
        result => result,
    }
}

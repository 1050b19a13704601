//! What happens to a container, told to whoever watches.

use std::collections::VecDeque;
use std::fmt;
use std::iter::FusedIterator;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cgroups::{Cgroup, Event as Happened};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use nix::sys::eventfd::EventFd;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use crate::container::Init;
use crate::error::{Error, Result};
use crate::factory::Home;
use crate::launch;
use crate::process::ExitStatus;

/// The first pause before another look at what gives no sign; each one is twice as long as the one before.
const SHORTEST: Duration = Duration::from_millis(1);
/// After a pause of this length nothing is waited for any more.
const LONGEST: Duration = Duration::from_millis(500);
/// v1's file that freezes, and tells whether all are frozen.
const FREEZER: &str = "freezer.state";
/// How long what was announced late may take when the first process has ended already.
const LINGER: Duration = Duration::from_millis(30);

/// What happened to a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Its program was started.
    Started,
    /// All of its processes were frozen.
    Paused,
    /// Its processes go on.
    Resumed,
    /// A limit of memory was hit, so many times, and nothing could be taken back.
    Oom(u64),
    /// So many of its processes were killed for lack of memory.
    OomKill(u64),
    /// Its first process ended. Nothing comes after this.
    Exited(ExitStatus),
}

/// Tells what happens to a container, from [`Container::events`](crate::Container::events).
///
/// It is an iterator that blocks, and that ends after [`Event::Exited`]; [`try_next`](Self::try_next) and
/// [`next_timeout`](Self::next_timeout) don't block, or not for ever. As a descriptor it goes into poll(2) or
/// epoll: readable while there may be an event, until `try_next` has returned `None`, and for ever after the
/// end. No thread runs in the background.
///
/// There may be several of one container, in this process and in others; each is told everything, and none
/// takes the exit status from [`Container::wait`](crate::Container::wait).
///
/// ```no_run
/// use libcontainer::{Event, Factory};
///
/// # fn main() -> libcontainer::Result<()> {
/// for event in Factory::new("/run/my-daemon")?.load("web")?.events()? {
///     match event? {
///         Event::OomKill(times) => eprintln!("killed for lack of memory: {times}"),
///         Event::Exited(status) => println!("ended with {status}"),
///         other => println!("{other:?}"),
///     }
/// }
/// # Ok(())
/// # }
/// ```
///
/// # What is told
///
/// What happened after `events` returned. States are told as they are: a container that was paused and resumed
/// between two looks was never anything else. Without a cgroup there is neither `Oom` nor `Paused`. Where the
/// program ends before whoever started it could note the start, `Started` may be missing.
///
/// The exit status is known to the process that made the container, and from Linux 6.15 on to everybody. On
/// older kernels others know it if they look before it was waited for, and may look at the process
/// ([`proc_pid_stat(5)`]); else it is [`ExitStatus::Unknown`].
///
/// [`proc_pid_stat(5)`]: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
pub struct Events {
    wake: Epoll,
    timer: TimerFd,
    pid: u32,
    pidfd: OwnedFd,
    begin: Begin,
    cgroup: Option<Cgroup>,
    limits: Option<cgroups::Events>,
    /// Tells that somebody wrote to the freezer of v1, of which no other file tells.
    freezer: Option<Inotify>,
    is_paused: bool,
    queue: VecDeque<Event>,
    /// How long until the freezer is looked at once more.
    pause: Option<Duration>,
    /// Until when to wait for what may be told late, the first process having ended.
    lingers: Option<Instant>,
    is_ended: bool,
}

/// By what the start of the program is known.
pub(crate) enum Begin {
    /// It was told, or is over.
    Known,
    /// A descriptor that becomes readable.
    Told(Arc<EventFd>),
    /// A change of the container's home.
    Home(Home, Inotify),
}

impl Begin {
    pub(crate) fn at(home: Home) -> Result<Begin> {
        let changes = inotify()?;
        let flags = AddWatchFlags::IN_DELETE | AddWatchFlags::IN_ONLYDIR;
        changes.add_watch(home.folder(), flags).map_err(failed)?;
        Ok(Begin::Home(home, changes))
    }

    fn is_over(&self) -> Result<bool> {
        match self {
            Begin::Known => Ok(false),
            Begin::Told(told) => is_readable(told.as_fd()),
            Begin::Home(home, changes) => {
                drain(changes)?;
                // In this order: what tells of a failure or of a removal is there before the other is gone.
                Ok(home.is_started() && home.has_state() && !home.has_failed())
            }
        }
    }
}

impl Events {
    pub(crate) fn new(init: &Init, begin: Begin, cgroup: Option<&Cgroup>) -> Result<Events> {
        let wake = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(failed)?;
        let flags = TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK;
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags).map_err(failed)?;
        let pidfd =
            init.pidfd.try_clone().map_err(|error| Error::io(format_args!("watch {}", init.pid), &error))?;
        let watched =
            |fd: BorrowedFd<'_>| wake.add(fd, EpollEvent::new(EpollFlags::EPOLLIN, 0)).map_err(failed);
        watched(timer.as_fd())?;
        watched(pidfd.as_fd())?;
        match &begin {
            Begin::Known => {}
            Begin::Told(told) => watched(told.as_fd())?,
            Begin::Home(_, changes) => watched(changes.as_fd())?,
        }
        let freezer = cgroup.map(freezer).transpose()?.flatten();
        freezer.as_ref().map_or(Ok(()), |freezer| watched(freezer.as_fd()))?;
        let limits = cgroup.map(limits).transpose()?.flatten();
        limits.as_ref().map_or(Ok(()), |limits| watched(limits.as_fd()))?;
        let is_paused = cgroup.is_some_and(is_frozen);
        let events = Events {
            wake,
            timer,
            pid: init.pid,
            pidfd,
            begin,
            cgroup: cgroup.cloned(),
            limits,
            freezer,
            is_paused,
            queue: VecDeque::new(),
            pause: None,
            lingers: None,
            is_ended: false,
        };
        // What changed between the first look and the watch is seen by a second one.
        events.look_again(SHORTEST)?;
        Ok(events)
    }

    /// Says whether the first process has ended, and nothing more comes than what may wait to be taken.
    pub fn is_ended(&self) -> bool {
        self.is_ended
    }

    /// Returns the next event if there is one, and never waits.
    ///
    /// # Errors
    ///
    /// [`System`](crate::ErrorKind::System) where a file of the container can't be read. The next call goes on.
    pub fn try_next(&mut self) -> Result<Option<Event>> {
        if self.queue.is_empty() && !self.is_ended {
            self.look()?;
        }
        Ok(self.queue.pop_front())
    }

    /// Returns the next event, or `None` if there is none for so long, or none any more.
    ///
    /// # Errors
    ///
    /// As [`try_next`](Self::try_next).
    pub fn next_timeout(&mut self, timeout: Duration) -> Result<Option<Event>> {
        // A time that is never over needs no end.
        let end = Instant::now().checked_add(timeout);
        loop {
            if let Some(event) = self.try_next()? {
                return Ok(Some(event));
            }
            let left = end.map(|end| end.saturating_duration_since(Instant::now()));
            if self.is_ended || left.is_some_and(|left| left.is_zero()) {
                return Ok(None);
            }
            wait(self.as_fd(), left)?;
        }
    }

    fn look(&mut self) -> Result<()> {
        self.stop_timer()?;
        // First of all: what was there when it ended is looked at after that.
        let has_ended = self.lingers.is_some() || launch::ended(self.pidfd.as_fd(), PollTimeout::ZERO)?;
        if self.begin.is_over()? {
            self.queue.push_back(Event::Started);
            self.forget_begin()?;
        }
        self.look_at_limits()?;
        if has_ended { self.end() } else { self.look_at_freezer() }
    }

    fn look_at_limits(&mut self) -> Result<()> {
        let Some(limits) = &mut self.limits else { return Ok(()) };
        while let Some(event) = limits.try_next()? {
            match event {
                Happened::Oom(count) => self.queue.push_back(Event::Oom(count.times)),
                Happened::OomKill(count) => self.queue.push_back(Event::OomKill(count.times)),
                _ => {}
            }
        }
        if limits.is_ended() {
            self.wake.delete(limits.as_fd()).map_err(failed)?;
            self.limits = None;
        }
        Ok(())
    }

    /// Compares what the freezer says now. v1's is written to some time before all processes have stopped, and no
    /// file tells when they have.
    fn look_at_freezer(&mut self) -> Result<()> {
        let is_written = self.freezer.as_ref().map(drain).transpose()?.unwrap_or(false);
        let is_paused = self.cgroup.as_ref().is_some_and(is_frozen);
        if is_paused != self.is_paused {
            self.is_paused = is_paused;
            self.queue.push_back(if is_paused { Event::Paused } else { Event::Resumed });
            self.pause = None;
        } else if is_written {
            self.pause = Some(SHORTEST);
        } else {
            self.pause = self.pause.map(|pause| pause * 2).filter(|pause| *pause <= LONGEST);
        }
        self.pause.map_or(Ok(()), |pause| self.look_again(pause))
    }

    /// The first process has ended: tells it when nothing else may come.
    fn end(&mut self) -> Result<()> {
        let status = launch::peek(self.pid, self.pidfd.as_fd())?;
        let until = if let Some(until) = self.lingers {
            until
        } else {
            // It stays readable, and there is something else to wait for.
            self.wake.delete(self.pidfd.as_fd()).map_err(failed)?;
            *self.lingers.insert(Instant::now() + LINGER)
        };
        let killed = self.limits.is_some() && matches!(status, ExitStatus::Signaled(libc::SIGKILL));
        let unstarted = !matches!(self.begin, Begin::Known);
        if (killed || unstarted) && Instant::now() < until {
            return self.look_again(SHORTEST * 5);
        }
        let event = EpollEvent::new(EpollFlags::EPOLLIN, 0);
        self.wake.add(self.pidfd.as_fd(), event).map_err(failed)?;
        self.queue.push_back(Event::Exited(status));
        self.is_ended = true;
        Ok(())
    }

    fn forget_begin(&mut self) -> Result<()> {
        match std::mem::replace(&mut self.begin, Begin::Known) {
            Begin::Known => Ok(()),
            Begin::Told(told) => self.wake.delete(told.as_fd()).map_err(failed),
            Begin::Home(_, changes) => self.wake.delete(changes.as_fd()).map_err(failed),
        }
    }

    fn look_again(&self, after: Duration) -> Result<()> {
        let after = Expiration::OneShot(TimeSpec::from_duration(after));
        self.timer.set(after, TimerSetTimeFlags::empty()).map_err(failed)
    }

    fn stop_timer(&self) -> Result<()> {
        match self.timer.wait() {
            Ok(()) | Err(Errno::EAGAIN) => Ok(()),
            Err(errno) => Err(failed(errno)),
        }
    }
}

impl Iterator for Events {
    type Item = Result<Event>;

    /// Waits for the next event; `None` after [`Event::Exited`].
    fn next(&mut self) -> Option<Result<Event>> {
        self.next_timeout(Duration::MAX).transpose()
    }
}

impl FusedIterator for Events {}

/// Readable while there may be an event.
impl AsFd for Events {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.0.as_fd()
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events")
            .field("pid", &self.pid)
            .field("is_ended", &self.is_ended)
            .finish_non_exhaustive()
    }
}

/// Returns whether all processes are frozen; those of a cgroup that is gone are not.
fn is_frozen(cgroup: &Cgroup) -> bool {
    cgroup.frozen().unwrap_or(false)
}

/// Watches the counters of the cgroup, where it has some.
fn limits(cgroup: &Cgroup) -> Result<Option<cgroups::Events>> {
    match cgroup.events() {
        Err(error) if error.kind() == cgroups::ErrorKind::Unsupported => Ok(None),
        events => Ok(Some(events?)),
    }
}

/// Watches the freezer of v1, where the cgroup has it.
fn freezer(cgroup: &Cgroup) -> Result<Option<Inotify>> {
    let Some(folder) = cgroup.path("freezer").filter(|folder| folder.join(FREEZER).exists()) else {
        return Ok(None);
    };
    let written = inotify()?;
    written.add_watch(&folder.join(FREEZER), AddWatchFlags::IN_MODIFY).map_err(failed)?;
    Ok(Some(written))
}

fn inotify() -> Result<Inotify> {
    Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK).map_err(failed)
}

/// Takes what was told; false where there was nothing.
fn drain(changes: &Inotify) -> Result<bool> {
    match changes.read_events() {
        Ok(changes) => Ok(!changes.is_empty()),
        Err(Errno::EAGAIN) => Ok(false),
        Err(errno) => Err(failed(errno)),
    }
}

fn is_readable(fd: BorrowedFd<'_>) -> Result<bool> {
    wait(fd, Some(Duration::ZERO))
}

fn wait(fd: BorrowedFd<'_>, time: Option<Duration>) -> Result<bool> {
    let time = time.map_or(PollTimeout::NONE, launch::whole_milliseconds);
    match poll(&mut [PollFd::new(fd, PollFlags::POLLIN)], time) {
        Ok(count) => Ok(count > 0),
        Err(Errno::EINTR) => Ok(false),
        Err(errno) => Err(failed(errno)),
    }
}

fn failed(errno: Errno) -> Error {
    Error::errno("watch container", errno)
}

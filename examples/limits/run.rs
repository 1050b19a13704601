//! From the command's start to its end: what happens, what is used, who interrupts.

use std::error::Error;
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use cgroups::{Cgroup, Event, Events, Sampler, Stats};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd, siginfo};
use nix::unistd::Pid;

use crate::view::View;

/// How often the view is drawn.
const TICK: Duration = Duration::from_millis(250);
/// How long a command that was asked to end may take for it.
const PATIENCE: Duration = Duration::from_secs(2);
/// Who sent a signal that nobody sent: the terminal. (asm-generic/siginfo.h)
const SI_KERNEL: i32 = 0x80;

/// Signals that are read like a file, and do nothing by themselves: those that end a program, and the child's end.
pub(crate) struct Signals(SignalFd);

impl Signals {
    pub(crate) fn hold() -> nix::Result<Signals> {
        let set = SigSet::from_iter([
            Signal::SIGINT,
            Signal::SIGTERM,
            Signal::SIGHUP,
            Signal::SIGQUIT,
            Signal::SIGCHLD,
            Signal::SIGWINCH,
        ]);
        set.thread_block()?;
        Ok(Signals(SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?))
    }

    fn next(&self) -> nix::Result<Option<(Signal, siginfo)>> {
        Ok(match self.0.read_signal()? {
            Some(info) => Signal::try_from(info.ssi_signo as i32).ok().map(|signal| (signal, info)),
            None => None,
        })
    }
}

/// How it ended, and what it used.
pub(crate) struct End {
    pub(crate) status: ExitStatus,
    pub(crate) elapsed: Duration,
    pub(crate) stats: Stats,
    pub(crate) hits: Hits,
    /// The most processes and the most memory that were seen, for kernels that don't keep the peak.
    pub(crate) seen: Seen,
    /// What was still running when the command ended.
    pub(crate) left: usize,
}

impl End {
    /// What this program ends with.
    pub(crate) fn code(&self) -> u8 {
        let killed = self.status.signal().map(|signal| 128 + signal);
        killed.or(self.status.code()).and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
    }
}

/// How often each limit was hit.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Hits {
    pub(crate) memory: u64,
    pub(crate) kills: u64,
    pub(crate) pids: u64,
}

impl Hits {
    fn take(&mut self, events: &mut Events) -> cgroups::Result<()> {
        while let Some(event) = events.try_next()? {
            match event {
                // v2 tells of each time; v1 only where nothing helped any more.
                Event::Max(count) => self.memory += count.times,
                Event::Oom(count) => self.memory = self.memory.max(count.times),
                Event::OomKill(count) => self.kills += count.times,
                Event::PidsMax(count) => self.pids += count.times,
                _ => {}
            }
        }
        Ok(())
    }
}

impl Hits {
    /// What v1 doesn't announce, and so is told late, the counters have by now.
    fn complete(&mut self, stats: &Stats) {
        let memory = stats.memory.as_ref();
        let failures = memory.and_then(|memory| memory.failures.max(memory.swap_failures));
        self.memory = self.memory.max(failures.unwrap_or_default());
        self.kills = self.kills.max(memory.and_then(|memory| memory.oom_kills).unwrap_or_default());
        self.pids = self.pids.max(stats.pids.and_then(|pids| pids.failures).unwrap_or_default());
    }
}

/// The most that was seen.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) memory: u64,
    pub(crate) pids: u64,
}

impl Seen {
    fn take(&mut self, stats: &Stats) {
        self.memory = self.memory.max(stats.memory.as_ref().map_or(0, |memory| memory.usage));
        self.pids = self.pids.max(stats.pids.map_or(0, |pids| pids.current));
    }
}

/// What looks after the command; begun before it, so that nothing is missed.
pub(crate) struct Watch<'a> {
    cgroup: &'a Cgroup,
    events: Events,
    sampler: Sampler,
    hits: Hits,
    seen: Seen,
    /// When to look at the figures next: what happens may wake us much more often.
    due: Instant,
}

impl<'a> Watch<'a> {
    pub(crate) fn new(cgroup: &'a Cgroup) -> cgroups::Result<Watch<'a>> {
        let (events, sampler) = (cgroup.events()?, cgroup.sampler()?);
        let (hits, seen) = (Hits::default(), Seen::default());
        Ok(Watch { cgroup, events, sampler, hits, seen, due: Instant::now() })
    }

    /// Waits for the end of the command, and shows meanwhile what it uses.
    pub(crate) fn until_the_end(
        mut self,
        child: &mut Child,
        begin: Instant,
        signals: &Signals,
        live: bool,
    ) -> Result<End, Box<dyn Error>> {
        let mut view = live.then(|| View::open(begin)).flatten();
        let mut until: Option<Instant> = None;
        let ended = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            while let Some((signal, info)) = signals.next()? {
                match signal {
                    Signal::SIGCHLD => {}
                    Signal::SIGWINCH => view = view.take().and_then(View::resized),
                    signal => interrupt(child, self.cgroup, signal, info.ssi_code == SI_KERNEL, &mut until)?,
                }
            }
            if until.is_some_and(|until| Instant::now() >= until) {
                self.cgroup.kill()?;
            }
            self.look(view.as_mut())?;
            self.wait(signals)?;
        };
        let elapsed = begin.elapsed();
        drop(view);
        let left = self.cgroup.all_pids()?.len();
        self.cgroup.kill()?;
        self.hits.take(&mut self.events)?;
        let stats = self.cgroup.stats()?;
        self.hits.complete(&stats);
        Ok(End { status: ended, elapsed, stats, hits: self.hits, seen: self.seen, left })
    }

    fn look(&mut self, view: Option<&mut View>) -> Result<(), Box<dyn Error>> {
        self.hits.take(&mut self.events)?;
        if Instant::now() < self.due {
            return Ok(());
        }
        self.due = Instant::now() + TICK;
        let Some(stats) = self.sampler.sample()? else { return Ok(()) };
        self.seen.take(stats);
        if let Some(view) = view {
            view.draw(stats, self.hits)?;
        }
        Ok(())
    }

    /// Until something happens, or it is time to look.
    fn wait(&self, signals: &Signals) -> nix::Result<()> {
        let fds = [signals.0.as_fd(), self.events.as_fd()];
        let mut fds = fds.map(|fd| PollFd::new(fd, PollFlags::POLLIN));
        match poll(&mut fds, PollTimeout::try_from(TICK).unwrap_or(PollTimeout::ZERO)) {
            Err(nix::errno::Errno::EINTR) => Ok(()),
            result => result.map(drop),
        }
    }
}

/// Passes a signal on that would have ended this program. The terminal has sent it to the command as well.
fn interrupt(
    child: &Child,
    cgroup: &Cgroup,
    signal: Signal,
    from_terminal: bool,
    until: &mut Option<Instant>,
) -> Result<(), Box<dyn Error>> {
    if until.is_some() {
        // The second one means it.
        return Ok(cgroup.kill()?);
    }
    *until = Some(Instant::now() + PATIENCE);
    if !from_terminal {
        // It was not waited for yet, so this is no other process.
        kill(Pid::from_raw(child.id().try_into()?), signal)?;
    }
    Ok(())
}

//! Memory events of v1: eventfds that the kernel counts up.
//!
//! See [Memory PressureResource Controller](https://docs.kernel.org/admin-guide/cgroup-v1/memory.html), sections 9 to 11.

use std::collections::VecDeque;
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::sys::eventfd::EventFd;

use crate::events::wake::{Wake, eventfd, take};
use crate::events::{Count, Event, PressureLevel, failed};
use crate::file::Dir;
use crate::{Error, ErrorKind, Result};

const CONTROL: &str = "cgroup.event_control";

/// How long after it was said that the limit was hit a kill may take: the kernel counts kills without a sign.
const KILL: Duration = Duration::from_secs(1);
/// How long after the end of a cgroup its eventfds may take to be counted up for it.
const SETTLE: Duration = Duration::from_millis(100);

/// The memory controller's part of a cgroup.
#[derive(Debug)]
pub(crate) struct Legacy {
    dir: Dir,
    notices: Vec<Notice>,
    last_oom: Option<Instant>,
    gone_since: Option<Instant>,
}

#[derive(Debug)]
struct Notice {
    eventfd: EventFd,
    told: Told,
    /// Counted by the kernel, and not told yet.
    pending: u64,
}

/// What an eventfd stands for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Told {
    Oom,
    Pressure(PressureLevel),
    Usage(u64),
}

impl Told {
    fn file(self) -> &'static str {
        match self {
            Told::Oom => "memory.oom_control",
            Told::Pressure(_) => "memory.pressure_level",
            Told::Usage(_) => "memory.usage_in_bytes",
        }
    }

    fn event(self, times: u64) -> Event {
        match self {
            Told::Oom => Event::Oom(Count { times, local: None }),
            Told::Pressure(level) => Event::MemoryPressure(level),
            Told::Usage(bytes) => Event::Usage(bytes),
        }
    }
}

impl Legacy {
    pub(crate) fn new(dir: Dir) -> Legacy {
        Legacy { dir, notices: Vec::new(), last_oom: None, gone_since: None }
    }

    /// Asks for one more kind of event; false where this kernel has none of them (`PREEMPT_RT`).
    pub(crate) fn watch(&mut self, told: Told, wake: &Wake) -> Result<bool> {
        if !has(&self.dir, CONTROL)? {
            return if has(&self.dir, "cgroup.procs")? { Ok(false) } else { Err(self.gone()) };
        }
        let file = self.dir.open_file(told.file(), OFlag::O_RDONLY)?;
        let eventfd = eventfd().map_err(|e| failed(self.dir.path(), e))?;
        let arguments = match told {
            Told::Oom => String::new(),
            Told::Pressure(level) => format!(" {}", level.word()),
            Told::Usage(bytes) => format!(" {bytes}"),
        };
        let order = format!("{} {}{arguments}", eventfd.as_fd().as_raw_fd(), file.as_raw_fd());
        self.dir.write(CONTROL, &order)?;
        wake.on_count(&eventfd).map_err(|e| failed(self.dir.path(), e))?;
        self.notices.push(Notice { eventfd, told, pending: 0 });
        Ok(true)
    }

    fn gone(&self) -> Error {
        Error::at(ErrorKind::NotFound, "watch cgroup", self.dir.path(), "it was removed")
    }

    /// Tells what was counted, but not the count for the end of the cgroup, which every eventfd gets.
    ///
    /// False once there is nothing more to come.
    pub(crate) fn look(&mut self, events: &mut VecDeque<Event>) -> Result<bool> {
        self.take()?;
        // After taking: what was taken while the cgroup was there is no sign of its end.
        if has(&self.dir, "cgroup.procs")? {
            self.tell(0, events);
            return Ok(true);
        }
        self.take()?;
        let gone_since = *self.gone_since.get_or_insert_with(Instant::now);
        // The kernel counts some time after the end: a single count is either that, or the one before it.
        let is_open = self.notices.iter().any(|notice| notice.pending == 1);
        if is_open && gone_since.elapsed() < SETTLE {
            return Ok(true);
        }
        self.tell(1, events);
        Ok(false)
    }

    fn take(&mut self) -> Result<()> {
        for notice in &mut self.notices {
            notice.pending += take(&notice.eventfd).map_err(|e| failed(self.dir.path(), e))?;
        }
        Ok(())
    }

    fn tell(&mut self, for_the_end: u64, events: &mut VecDeque<Event>) {
        for notice in &mut self.notices {
            let times = std::mem::take(&mut notice.pending).saturating_sub(for_the_end);
            if times > 0 {
                events.push_back(notice.told.event(times));
                if matches!(notice.told, Told::Oom) {
                    self.last_oom = Some(Instant::now());
                }
            }
        }
    }

    pub(crate) fn forget(self, wake: &Wake) {
        self.notices.iter().for_each(|notice| wake.forget(&notice.eventfd));
    }

    /// Says whether something may come of which the kernel gives no sign.
    pub(crate) fn is_waiting(&self) -> bool {
        self.gone_since.is_some() || self.last_oom.is_some_and(|last| last.elapsed() < KILL)
    }
}

/// Says whether a file is there; that it can't be found out is no answer.
pub(crate) fn has(dir: &Dir, name: &str) -> Result<bool> {
    match dir.open_file(name, OFlag::O_PATH) {
        Ok(_) => Ok(true),
        Err(e) if e.is_gone() => Ok(false),
        Err(e) => Err(e),
    }
}

//! What happens in a cgroup, and how much its processes have to wait.

pub(crate) mod counters;
mod event;
mod kept;
mod legacy;
mod pressure;
#[cfg(feature = "tokio")]
mod tokio;
mod trigger;
mod wake;

use std::collections::VecDeque;
use std::fmt;
use std::iter::FusedIterator;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;

use self::counters::{Counters, Life, Own, Row};
pub use self::event::{Count, Event, PressureLevel};
use self::kept::Kept;
use self::legacy::{Legacy, Told, has};
pub use self::pressure::{Pressure, PressureKind, PressureResource, Stalls};
#[cfg(feature = "tokio")]
pub use self::tokio::{AsyncEvents, AsyncPressureTrigger};
pub use self::trigger::{PressureEvent, PressureTrigger};
use self::wake::Wake;
use crate::file::Dir;
use crate::{Cgroup, Error, ErrorKind, Result};

/// The first pause between looks at what gives no sign; each one is twice as long as the one before.
const SHORTEST: Duration = Duration::from_millis(1);
/// The longest such pause.
const LONGEST: Duration = Duration::from_secs(1);

/// Tells what happens in a cgroup: limits that are hit, kills, the first process and the last one, the end.
///
/// From [`Cgroup::events`].
///
/// ```no_run
/// use cgroups::{Cgroup, Event, Hierarchies};
///
/// let cgroup = Cgroup::create(&Hierarchies::detect()?, "/jobs/1")?;
/// let events = cgroup.events()?; // before the job, so that nothing is missed
/// let mut job = cgroup.spawn(std::process::Command::new("make"))?;
/// for event in events {
///     match event? {
///         Event::OomKill(count) => println!("{} killed for lack of memory", count.times),
///         Event::PidsMax(count) => println!("{} times one process too many", count.times),
///         Event::Empty => break,
///         other => println!("{other:?}"),
///     }
/// }
/// job.wait()?;
/// cgroup.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// It is an iterator that blocks, and that ends after [`Event::Removed`]; [`try_next`](Self::try_next) and
/// [`next_timeout`](Self::next_timeout) don't block, or not for ever. As a descriptor it goes into poll(2), epoll and
/// whatever a program waits with: readable while there may be an event, until `try_next` has returned `None`. With
/// the feature `tokio` there is `AsyncEvents`. No thread runs in the background, and nothing is left when it is
/// dropped.
///
/// # What is told
///
/// What happened after [`Cgroup::events`] returned, and nothing from before. Counts are the kernel's own, so that not
/// one is missed however seldom one looks. States are told as they are: a cgroup that was populated and empty again
/// between two looks was never anything else. But the end of the first job is told, however short it was:
/// [`Event::Empty`] alone. It comes after the kills that led to it, and
/// [`Event::Removed`] after everything.
///
/// | | v2 | hybrid | v1 |
/// |---|---|---|---|
/// | `Oom`, `OomKill` | yes | yes | yes |
/// | `Low`, `High`, `Max`, `OomGroupKill` | yes | if memory is on v2 | no |
/// | `PidsMax` | yes | yes | yes |
/// | `Populated`, `Empty` | yes | of processes in v2, where [`add`](Cgroup::add) puts them too | no: no file tells, see [`wait_empty`](Cgroup::wait_empty) |
/// | `Frozen`, `Thawed` | yes | if it was frozen on v2 | no: no file tells |
/// | `MemoryPressure`, `Usage` | no | when asked for, if memory is on v1 | when asked for |
/// | `Removed` | yes | yes | yes |
///
/// Of a controller that this cgroup didn't have in the beginning, or that was taken away since, nothing is told.
///
/// # How late
///
/// The kernel announces a change of a v2 file at once, and the next ones of the same file up to 10 ms late, all
/// together. It announces neither kills and `PidsMax` on v1 nor the end of a v2 cgroup (inotify doesn't either, for as
/// long as somebody has the cgroup open or where it was removed through another mount). So with pids on v1, after an
/// OOM on v1, and while a cgroup is empty, a timer makes the descriptor readable: after 1 ms, then after ever longer pauses up to a second.
/// A kernel without `cgroup.event_control` (v1 with `PREEMPT_RT`) tells no `Oom`, and its kills are looked for each
/// second. On v1, `Removed` may come 0.1 s late, for it has to be told apart from an OOM.
///
/// The kernel's counts end with the cgroup: a kill that nobody could look at before the directory was removed is not
/// told. `Oom` is, on v1.
pub struct Events {
    path: PathBuf,
    wake: Wake,
    queue: VecDeque<Event>,
    /// Where the cgroup is left, of what there was.
    dirs: Vec<Dir>,
    is_half_gone: bool,
    is_ended: bool,
    /// A look failed in the middle.
    is_due: bool,
    life: Option<(Kept, Life)>,
    /// The last that was told of the processes is that there are none.
    has_told_empty: bool,
    counters: Vec<Counters>,
    legacy: Option<Legacy>,
    pause: Duration,
}

impl Cgroup {
    /// Watches what happens in this cgroup from here on.
    ///
    /// It takes two or three descriptors for itself, one for each hierarchy and one for each file that tells of
    /// something.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) if the cgroup is gone, [`Unsupported`](ErrorKind::Unsupported) if there is
    /// no file that tells of any event, as in the root of v2;
    /// [`PermissionDenied`](ErrorKind::PermissionDenied) on v1 where the file system is read-only.
    pub fn events(&self) -> Result<Events> {
        Events::new(self)
    }
}

impl Events {
    fn new(cgroup: &Cgroup) -> Result<Events> {
        // The first key is v2's, if it is there.
        let path = cgroup.paths.values().next().cloned().unwrap_or_default();
        let mut events = Events {
            wake: Wake::new().map_err(|e| failed(&path, e))?,
            path,
            queue: VecDeque::new(),
            dirs: Vec::new(),
            is_half_gone: false,
            is_ended: false,
            is_due: false,
            life: None,
            has_told_empty: false,
            counters: Vec::new(),
            legacy: None,
            pause: SHORTEST,
        };
        for (key, path) in &cgroup.paths {
            match Dir::open(path) {
                Ok(dir) => events.watch(key, dir)?,
                Err(e) if e.is_gone() => events.is_half_gone = true,
                Err(e) => return Err(e),
            }
        }
        if events.dirs.is_empty() {
            return Err(events.refused(ErrorKind::NotFound, "it doesn't exist"));
        }
        if events.life.is_none() && events.counters.is_empty() {
            return Err(events.refused(ErrorKind::Unsupported, "it has no file that tells of events"));
        }
        events.look_later()?;
        Ok(events)
    }

    /// Watches one hierarchy's part of the cgroup. What wakes is in place before the first look.
    fn watch(&mut self, key: &str, dir: Dir) -> Result<()> {
        let controllers: Vec<_> = key.split(',').collect();
        if controllers.contains(&"") {
            self.watch_life(&dir)?;
            self.watch_counters(&dir, "memory.events", counters::MEMORY, Own::With("memory.events.local"))?;
            self.watch_counters(&dir, "pids.events", counters::PIDS, Own::With("pids.events.local"))?;
        }
        if controllers.contains(&"memory") {
            let mut legacy = Legacy::new(Dir::open(dir.path())?);
            let is_silent = !legacy.watch(Told::Oom, &self.wake)?;
            self.legacy = Some(legacy).filter(|_| !is_silent);
            self.watch_counters(&dir, "memory.oom_control", counters::OOM_CONTROL, Own::Alone { is_silent })?;
        }
        if controllers.contains(&"pids") {
            // Since its counters were divided in here and below, the kernel announces those of v2 only (seen in 6.18).
            self.watch_counters(&dir, "pids.events", counters::PIDS, Own::Alone { is_silent: true })?;
        }
        self.dirs.push(dir);
        Ok(())
    }

    fn watch_life(&mut self, dir: &Dir) -> Result<()> {
        let Some(file) = Kept::open(dir, "cgroup.events")? else { return Ok(()) };
        self.wake.on_change(&file).map_err(|e| failed(dir.path(), e))?;
        self.life = file.read(Life::parse)?.map(|life| (file, life));
        Ok(())
    }

    fn watch_counters(&mut self, dir: &Dir, name: &str, rows: &'static [Row], own: Own) -> Result<()> {
        self.counters.extend(Counters::open(dir, name, rows, own, &self.wake)?);
        Ok(())
    }

    /// Tells from now on when memory in use passes so many bytes, up or down: [`Event::Usage`]. Only on v1.
    ///
    /// The kernel compares from time to time, not at every page, and looks at whole pages.
    ///
    /// ```no_run
    /// # fn with(cgroup: &cgroups::Cgroup) -> cgroups::Result<()> {
    /// let mut events = cgroup.events()?;
    /// events.watch_usage(48 << 20)?;
    /// println!("{:?}", events.next().transpose()?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Unsupported`](ErrorKind::Unsupported) where memory isn't on v1: a `memory.high` and [`Event::High`] do it
    /// there. [`NotFound`](ErrorKind::NotFound) if the cgroup is gone.
    pub fn watch_usage(&mut self, bytes: u64) -> Result<()> {
        self.watch_legacy(Told::Usage(bytes), "only v1 tells thresholds; on v2 set memory.high")
    }

    /// Tells from now on when memory is as short as this, or shorter: [`Event::MemoryPressure`]. Only on v1.
    ///
    /// What a cgroup below is told, this one is not.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](ErrorKind::Unsupported) where memory isn't on v1: there,
    /// [`Cgroup::pressure_trigger`] does it better. [`NotFound`](ErrorKind::NotFound) if the cgroup is gone.
    pub fn watch_pressure(&mut self, level: PressureLevel) -> Result<()> {
        self.watch_legacy(Told::Pressure(level), "only v1 tells levels; on v2 there are pressure triggers")
    }

    fn watch_legacy(&mut self, told: Told, why: &str) -> Result<()> {
        if self.is_ended {
            return Err(self.refused(ErrorKind::NotFound, "it was removed"));
        }
        let Some(legacy) = &mut self.legacy else {
            return Err(self.refused(ErrorKind::Unsupported, why));
        };
        // There is `cgroup.event_control`, or there would be no legacy.
        legacy.watch(told, &self.wake).map(drop)
    }

    /// Returns whether there are processes here or below, when the events were last looked at;
    /// `None` where no file tells, on v1.
    ///
    /// Before the first event is asked for, that is the state in the beginning.
    pub fn is_populated(&self) -> Option<bool> {
        self.life.as_ref().map(|(_, life)| life.populated)
    }

    /// Returns whether all processes are stopped by v2's freezer, when the events were last looked at; `None` where no
    /// file tells.
    pub fn is_frozen(&self) -> Option<bool> {
        self.life.as_ref().and_then(|(_, life)| life.frozen)
    }

    /// Says whether the cgroup is gone, and nothing more comes than what may wait to be taken.
    pub fn is_ended(&self) -> bool {
        self.is_ended
    }

    /// Returns the next event if there is one, and never waits.
    ///
    /// `None` also after [`Event::Removed`]; see [`is_ended`](Self::is_ended).
    ///
    /// # Errors
    ///
    /// Fails if a file can't be read, for want of memory for instance. Nothing is lost then: the next call goes on.
    pub fn try_next(&mut self) -> Result<Option<Event>> {
        let looked = if self.queue.is_empty() { self.look() } else { Ok(()) };
        let is_through = self.queue.len() <= 1 && !self.is_due;
        self.wake.hold(!is_through).map_err(|e| failed(&self.path, e))?;
        match (self.queue.pop_front(), looked) {
            (None, Err(error)) => Err(error),
            (event, _) => Ok(event),
        }
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
            self.wait(left)?;
        }
    }

    fn wait(&self, timeout: Option<Duration>) -> Result<()> {
        self.wake.wait(timeout).map(drop).map_err(|e| failed(&self.path, e))
    }

    fn look(&mut self) -> Result<()> {
        let is_ready =
            self.is_due || self.wake.wait(Some(Duration::ZERO)).map_err(|e| failed(&self.path, e))?;
        if self.is_ended || !is_ready {
            return Ok(());
        }
        // To look at a file lets its sign go: after a failure the rest is still to be looked at.
        self.is_due = true;
        // First of all: by whom it is left now was not killed later than the counters below tell.
        let (mut life, mut has_changed) = (None, false);
        if let Some((file, _)) = &self.life {
            has_changed = wake::has_changed(file).map_err(|e| failed(&self.path, e))?;
            life = Some(file.read(Life::parse)?);
        }
        // Who came did so before what they did; who left, after it.
        if let Some(now) = life.flatten().filter(|life| life.populated) {
            life = None;
            self.live(Some(now), has_changed);
        }
        let is_over = match &mut self.legacy {
            Some(legacy) => !legacy.look(&mut self.queue)?,
            None => true,
        };
        self.count()?;
        if let Some(life) = life {
            self.live(life, has_changed);
        }
        self.look_for_the_end()?;
        if self.dirs.is_empty() && is_over {
            self.end();
        }
        self.is_due = false;
        self.look_later()
    }

    fn count(&mut self) -> Result<()> {
        for file in &mut self.counters {
            file.look(&mut self.queue)?;
        }
        let gone = self.counters.extract_if(.., |file| file.is_gone);
        gone.for_each(|file| file.forget(&self.wake));
        Ok(())
    }

    /// Tells what became of the processes.
    fn live(&mut self, now: Option<Life>, has_changed: bool) {
        let before = self.queue.len();
        self.compare(now, has_changed);
        for event in self.queue.iter().skip(before) {
            match event {
                Event::Populated => self.has_told_empty = false,
                Event::Empty => self.has_told_empty = true,
                _ => {}
            }
        }
    }

    fn compare(&mut self, now: Option<Life>, has_changed: bool) {
        let Some((file, before)) = &mut self.life else { return };
        // It was another one in between: whoever waits for the end of something short has missed its beginning.
        // (The kernel announces late, too: so this is said once, and not of an end that was told.)
        if has_changed && now == Some(*before) && !before.populated && !self.has_told_empty {
            self.queue.push_back(Event::Empty);
        }
        // Removed: nobody was left.
        let then = now.unwrap_or(Life { populated: false, ..*before });
        then.tell(*before, &mut self.queue);
        *before = then;
        if now.is_none() {
            self.wake.forget(&*file);
            (self.life, self.is_half_gone) = (None, true);
        }
    }

    /// Looks where the cgroup is left.
    fn look_for_the_end(&mut self) -> Result<()> {
        // Where there are processes, there is a cgroup.
        if self.is_populated() == Some(true) {
            return Ok(());
        }
        let are_there = self.dirs.iter().map(|dir| has(dir, "cgroup.procs")).collect::<Result<Vec<_>>>()?;
        self.is_half_gone |= are_there.contains(&false);
        let mut are_there = are_there.into_iter();
        self.dirs.retain(|_| are_there.next().unwrap_or(true));
        Ok(())
    }

    fn end(&mut self) {
        self.queue.push_back(Event::Removed);
        self.is_ended = true;
        self.counters.drain(..).for_each(|file| file.forget(&self.wake));
        if let Some(legacy) = self.legacy.take() {
            legacy.forget(&self.wake);
        }
    }

    /// Sets the time of the next look at what gives no sign, if there is such a thing.
    fn look_later(&mut self) -> Result<()> {
        self.pause = if self.queue.is_empty() { (self.pause * 2).min(LONGEST) } else { SHORTEST };
        let is_silent = self.is_half_gone
            || self.counters.iter().any(|file| file.is_silent)
            || self.legacy.as_ref().is_some_and(Legacy::is_waiting)
            // Of the end, only the memory controller of v1 gives a sign; and before it the last process goes.
            || self.is_populated().map_or(self.legacy.is_none(), |is_populated| !is_populated);
        let pause = (is_silent && !self.is_ended).then_some(self.pause);
        self.wake.after(pause).map_err(|e| failed(&self.path, e))
    }

    fn refused(&self, kind: ErrorKind, why: &str) -> Error {
        Error::at(kind, "watch cgroup", &self.path, why)
    }
}

/// Waits for the next event; `None` after [`Event::Removed`].
impl Iterator for Events {
    type Item = Result<Event>;

    fn next(&mut self) -> Option<Result<Event>> {
        loop {
            match self.try_next() {
                Ok(Some(event)) => return Some(Ok(event)),
                Ok(None) if self.is_ended() => return None,
                Ok(None) => {}
                Err(error) => return Some(Err(error)),
            }
            if let Err(error) = self.wait(None) {
                return Some(Err(error));
            }
        }
    }
}

impl FusedIterator for Events {}

/// Readable while there may be an event, and never after the end. It is for waiting only: read events with
/// [`try_next`](Events::try_next).
impl AsFd for Events {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.fd()
    }
}

impl AsRawFd for Events {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events")
            .field("path", &self.path)
            .field("is_populated", &self.is_populated())
            .field("is_ended", &self.is_ended())
            .finish_non_exhaustive()
    }
}

fn failed(path: &Path, error: Errno) -> Error {
    Error::os("watch cgroup", path, error)
}

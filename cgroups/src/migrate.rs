//! Moving all processes of a cgroup into another one, until none is left behind.

use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;

use crate::cgroup::{all_processes, enter, living};
use crate::delegate::is_root;
use crate::file::Dir;
use crate::hierarchy::checked;
use crate::resources::invalid;
use crate::tree::walk;
use crate::wait::Wait;
use crate::{Cgroup, Error, ErrorKind, Result, v1, v2};

/// How long processes may fork against being moved.
const MIGRATE: Duration = Duration::from_secs(10);
/// After so many looks those who still fork are frozen for a moment.
const PATIENCE: u32 = 20;

impl Cgroup {
    /// Moves all processes here and below into another cgroup, each in the hierarchies in which it is here, and returns
    /// once none is left behind, even while they fork.
    ///
    /// All arrive in that very cgroup: cgroups below this one are not made again there, and stay as they are, empty.
    /// A process is moved with all its threads, and nobody is who is not in this cgroup, so one that shares but some
    /// hierarchies with it stays where it is in the others. Whoever keeps forking is frozen for a moment, unless the
    /// caller is among them. The other cgroup may lie below this one; what is in it already stays there.
    ///
    /// Like every move by number, it is blind for one thing: should a process end between the look and the move, and
    /// its number go to a new one elsewhere in that moment, the new one is moved. Numbers are given out in a circle of
    /// at least 32,768, so that a machine would have to start that many processes meanwhile.
    ///
    /// # Errors
    ///
    /// [`TimedOut`](ErrorKind::TimedOut) after ten seconds; [`InvalidInput`](ErrorKind::InvalidInput) for the root of a
    /// hierarchy, in which everything lives, and for a cgroup that lacks a hierarchy of this one;
    /// [`Busy`](ErrorKind::Busy) while one of both is frozen: processes would go on or stop by being moved.
    /// [`PermissionDenied`](ErrorKind::PermissionDenied) for a process that the caller's pid namespace doesn't see.
    /// Those of [`add`](Cgroup::add) too. After an error the processes are where they were; the error names those that
    /// are not: what could not be put back, and what was born in the other cgroup meanwhile.
    #[doc(alias = "MoveTo")]
    pub fn migrate_to(&self, to: &Cgroup) -> Result<()> {
        self.migrate_to_within(to, MIGRATE)
    }

    /// Moves all processes, as [`migrate_to`](Cgroup::migrate_to) does, with another deadline.
    ///
    /// # Errors
    ///
    /// Those of [`migrate_to`](Cgroup::migrate_to).
    pub fn migrate_to_within(&self, to: &Cgroup, deadline: Duration) -> Result<()> {
        let mut migration = Migration::new();
        for (key, from) in &self.paths {
            let Some(there) = to.paths.get(key) else {
                let why = format!("the other cgroup is not in the hierarchy {key:?}");
                return Err(Error::at(ErrorKind::InvalidInput, "migrate", from, why));
            };
            if from == there {
                return Err(Error::at(ErrorKind::InvalidInput, "migrate", from, "to itself"));
            }
            migration.add(key, from, there, true)?;
        }
        // What stops them is left last, so that whoever was stopped is in its place everywhere when it goes on.
        let freezer = |key: &str| key.split(',').any(|c| c == "freezer");
        let last = if self.paths.keys().any(|key| freezer(key)) { freezer } else { str::is_empty };
        migration.ways.sort_by_key(|way| last(&way.key));
        migration.run(deadline, |patience| self.hold(patience))
    }

    /// Moves the v2 processes of this cgroup, not those below it, into a new cgroup right beneath it, so that
    /// controllers can be handed down to others there.
    ///
    /// v2 hands controllers down only from a cgroup without processes of its own ([no internal processes]). So a
    /// program that limits parts of its own delegated cgroup begins with this. It moves them *all*, whoever started
    /// them: one would be enough to keep the controllers back. `None` if none was there, and where the rule doesn't
    /// hold: on v1 and in the root.
    ///
    /// The new cgroup stays until somebody [removes](Cgroup::remove) it.
    ///
    /// ```no_run
    /// let own = cgroups::Cgroup::of(std::process::id())?;
    /// own.vacate("manager")?;
    /// let job = own.create_child("job-1")?; // with all controllers that `own` has
    /// # Ok::<(), cgroups::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`PermissionDenied`](ErrorKind::PermissionDenied) if one may not be moved or no cgroup may be made,
    /// [`TimedOut`](ErrorKind::TimedOut) after ten seconds. Then all are where they were.
    ///
    /// [no internal processes]: https://docs.kernel.org/admin-guide/cgroup-v2.html#no-internal-process-constraint
    pub fn vacate(&self, leaf: &str) -> Result<Option<Cgroup>> {
        let relative = checked(Path::new(leaf))?;
        if relative.iter().count() > 1 {
            return Err(invalid("name of a leaf", leaf, "it is to be right beneath"));
        }
        let Some(dir) = self.v2()? else { return Ok(None) };
        if is_root(&dir, "") || dir.processes()?.is_empty() {
            return Ok(None);
        }
        let made = dir.make(&relative)?;
        let moved = dir.beneath(&relative).and_then(|child| vacated(&dir, &child).map(|()| child));
        if moved.is_err() && made {
            drop(std::fs::remove_dir(dir.path().join(&relative)));
        }
        let child = moved?;
        Ok(Some(Cgroup {
            paths: [(String::new(), child.path().to_owned())].into(),
            refused: v2::core::Refused::default(),
        }))
    }

    /// Stops those who still fork, unless that would stop the caller, too.
    fn hold(&self, looks: u32) -> Result<Option<Held<'_>>> {
        if looks < PATIENCE || all_processes(self.main())?.contains(&std::process::id()) {
            return Ok(None);
        }
        self.freeze()?;
        Ok(Some(Held(self)))
    }
}

fn vacated(dir: &Dir, leaf: &Dir) -> Result<()> {
    let mut migration = Migration::new();
    migration.add("", dir.path(), leaf.path(), false)?;
    migration.run(MIGRATE, |_| Ok(None::<Held<'_>>))
}

/// Thaws on every way out.
pub(crate) struct Held<'a>(pub(crate) &'a Cgroup);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        drop(self.0.thaw());
    }
}

/// From where to where, in one hierarchy.
struct Way {
    key: String,
    from: PathBuf,
    to: PathBuf,
    /// Whether those below move as well.
    below: bool,
    /// Who was there before.
    before: Vec<u32>,
}

/// Who was there at one look.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Found {
    None,
    /// Only some without an id in the caller's pid namespace.
    Unseen,
    Some,
}

struct Moved {
    pid: u32,
    from: PathBuf,
    to: PathBuf,
}

struct Migration {
    ways: Vec<Way>,
    moved: Vec<Moved>,
}

impl Migration {
    fn new() -> Migration {
        Migration { ways: Vec::new(), moved: Vec::new() }
    }

    /// Adds one hierarchy, after a look at whether it may be.
    fn add(&mut self, key: &str, from: &Path, to: &Path, below: bool) -> Result<()> {
        let (source, target) = (Dir::open(from)?, Dir::open(to)?);
        if is_root(&source, key) {
            let why = "it is the root of the hierarchy, and everything lives in it";
            return Err(Error::at(ErrorKind::InvalidInput, "migrate", from, why));
        }
        refuse_frozen(&target, key)?;
        let before = target.processes()?;
        self.ways.push(Way { key: key.to_owned(), from: from.to_owned(), to: to.to_owned(), below, before });
        for (at, _) in self.ways[self.ways.len() - 1].inhabited()? {
            refuse_frozen(&Dir::open(&at)?, key)?;
        }
        Ok(())
    }

    /// Moves until none is left, or puts back whom it moved.
    fn run<H>(mut self, deadline: Duration, hold: impl Fn(u32) -> Result<Option<H>>) -> Result<()> {
        let mut wait = Wait::new(deadline);
        let mut stopped = None;
        let result = loop {
            // The second look tells whether the first was enough.
            match self.pass().and_then(|_| self.pass()) {
                Ok(Found::None) => break Ok(()),
                // Who is just ending has no id any more; who never had one stays.
                Ok(Found::Unseen) if wait.times() > PATIENCE => break Err(unseen(&self.ways[0].from)),
                Ok(_) => {}
                Err(e) => break Err(e),
            }
            if !wait.more() {
                let why = format!("processes keep coming, not done after {deadline:?}");
                break Err(Error::at(ErrorKind::TimedOut, "migrate", &self.ways[0].from, why));
            }
            if stopped.is_none() {
                match hold(wait.times()) {
                    Ok(guard) => stopped = guard,
                    Err(e) => break Err(e),
                }
            }
        };
        let result = result.map_err(|e| self.undo(e));
        drop(stopped);
        result
    }

    /// Moves all that are there now; returns who was.
    fn pass(&mut self) -> Result<Found> {
        let mut found = Found::None;
        for way in &self.ways {
            for (from, pids) in way.inhabited()? {
                for pid in pids {
                    found = found.max(if pid == 0 { Found::Unseen } else { Found::Some });
                    if step(&way.to, pid)? {
                        self.moved.push(Moved { pid, from: from.clone(), to: way.to.clone() });
                    }
                }
            }
        }
        Ok(found)
    }

    /// Puts back whom it moved, the last first, and adds to the error who is not where it was.
    fn undo(&self, error: Error) -> Error {
        let mut error = error;
        for moved in self.moved.iter().rev() {
            if let Err(e) = step(&moved.from, moved.pid) {
                error = error.note(format!("process {} stays in {:?} ({e})", moved.pid, moved.to));
            }
        }
        for way in self.ways.iter().filter(|_| !self.moved.is_empty()) {
            let stayed = |pid: &u32| self.moved.iter().any(|moved| moved.pid == *pid && moved.to == way.to);
            let mut born = Dir::open(&way.to).and_then(|dir| dir.processes()).unwrap_or_default();
            born.retain(|pid| !way.before.contains(pid) && !stayed(pid));
            if !born.is_empty() {
                error = error.note(format!("of those that came meanwhile {} ({:?})", living(&born), way.to));
            }
        }
        error
    }
}

impl Way {
    /// The cgroups with processes that are to move, and these.
    fn inhabited(&self) -> Result<Vec<(PathBuf, Vec<u32>)>> {
        let mut found = Vec::new();
        let enter = |dir: &Dir| {
            if dir.path() == self.to {
                return Ok(false);
            }
            match dir.processes() {
                Ok(pids) if pids.is_empty() => {}
                Ok(pids) => found.push((dir.path().to_owned(), pids)),
                // Threaded: the domain that led here has listed its processes.
                Err(e) if e.is(Errno::EOPNOTSUPP) && dir.path() != self.from => {}
                Err(e) => return Err(e),
            }
            Ok(self.below)
        };
        match walk(&self.from, enter, |_, _| Ok(())) {
            Err(e) if e.is_gone() => Ok(Vec::new()),
            result => result.map(|()| found),
        }
    }
}

/// Moves one process; false if it has ended, or has no id here.
fn step(to: &Path, pid: u32) -> Result<bool> {
    if pid == 0 {
        return Ok(false);
    }
    match enter(to, pid) {
        Ok(()) => Ok(true),
        Err(e) if e.is(Errno::ESRCH) => Ok(false),
        Err(e) => Err(e),
    }
}

fn unseen(from: &Path) -> Error {
    let why = "a process is in a pid namespace that can't be seen from here";
    Error::at(ErrorKind::PermissionDenied, "migrate", from, why)
}

/// Between a frozen and a running cgroup a process would go on, or stop, without anybody having said so.
fn refuse_frozen(dir: &Dir, key: &str) -> Result<()> {
    let frozen = match key {
        "" if dir.has("cgroup.freeze") => v2::core::is_frozen(dir)?,
        key if key.split(',').any(|c| c == "freezer") => {
            dir.has("freezer.state") && v1::freezer::is_frozen(dir)?
        }
        _ => false,
    };
    if frozen {
        let why = "it is frozen; thaw it first";
        return Err(Error::at(ErrorKind::Busy, "migrate from or to", dir.path(), why));
    }
    Ok(())
}

//! One cgroup in every hierarchy, from making it to removing it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::unistd::{AccessFlags, faccessat};

use crate::active::Active;
use crate::delegate::is_root;
use crate::file::{Dir, children};
use crate::hierarchy::{Hierarchy, checked, join, outside};
use crate::resources::{DeviceRule, invalid};
use crate::tree::{listed, walk};
use crate::wait::Wait;
use crate::{Error, ErrorKind, Hierarchies, Result, v1, v2};

/// How long freezing and thawing may take: a process in the middle of a long read or write holds it up.
const FREEZE: Duration = Duration::from_secs(10);
/// How long the last processes may take to go after they were killed.
pub(crate) const REMOVE: Duration = Duration::from_secs(5);
/// How long nobody new must have come before those who are still there count as killed: long enough to finish a
/// fork on a busy machine.
const QUIET: Duration = Duration::from_secs(1);
/// How long a process may take to come into being that is to be moved already.
const ENTER: Duration = Duration::from_millis(500);

/// One cgroup, named in every hierarchy.
///
/// It is a name, not a handle: it holds nothing open, may be stored ([`paths`](Cgroup::paths)) and
/// [opened](Cgroup::open) again by another process, and dropping it does nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cgroup {
    /// By controllers; the empty key is v2.
    pub(crate) paths: BTreeMap<String, PathBuf>,
    /// Controllers that v2 would not hand down to here, and why.
    pub(crate) refused: v2::core::Refused,
}

/// The directory that a controller's files are in.
pub(crate) enum Place {
    V1(Dir),
    V2(Dir),
}

impl Place {
    pub(crate) fn dir(&self) -> &Dir {
        match self {
            Place::V1(dir) | Place::V2(dir) => dir,
        }
    }
}

impl Cgroup {
    /// Makes a cgroup in every hierarchy, with the parents that it needs.
    ///
    /// The path begins at the root of each hierarchy, as far as it is mounted here: `/docker/x` and `docker/x` mean
    /// the same. On v2 all controllers are handed down from the top; on v1 cpusets take over their parents'
    /// processors and memory nodes.
    ///
    /// A cgroup that exists already is taken as it is if no process lives in it or below it. The guard removes only
    /// what it made: neither such a cgroup nor any parent that was there before.
    ///
    /// ```no_run
    /// let hierarchies = cgroups::Hierarchies::detect()?;
    /// let active = cgroups::Cgroup::create(&hierarchies, "/jobs/1")?;
    /// active.add(std::process::id())?;
    /// let cgroup = active.commit(); // from here on it stays
    /// # Ok::<(), cgroups::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) for a path with `..` or a control file's name,
    /// [`Busy`](ErrorKind::Busy) if processes live there already,
    /// [`PermissionDenied`](ErrorKind::PermissionDenied) where this user may not make cgroups. Nothing that was made
    /// is left.
    pub fn create(hierarchies: &Hierarchies, path: impl AsRef<Path>) -> Result<Active> {
        let relative = checked(path.as_ref())?;
        let mut active = Active::new();
        for hierarchy in hierarchies.iter() {
            active.make(hierarchy, &relative)?;
        }
        Ok(active)
    }

    /// Makes a cgroup in every hierarchy beneath the caller's own one, as [`create`](Cgroup::create) does.
    ///
    /// On v2 a cgroup that has processes of its own, as the caller's has, can't hand controllers down unless it is
    /// the root; the new cgroup then has none, and says so when it is to be limited.
    ///
    /// # Errors
    ///
    /// Those of [`create`](Cgroup::create), and [`NotFound`](ErrorKind::NotFound) where the caller's own cgroup lies
    /// outside of what is mounted.
    pub fn create_beneath_own(hierarchies: &Hierarchies, path: impl AsRef<Path>) -> Result<Active> {
        let relative = checked(path.as_ref())?;
        let mut active = Active::new();
        for hierarchy in hierarchies.iter() {
            let own = hierarchy.own.as_deref().ok_or_else(|| outside(hierarchy))?;
            active.make(hierarchy, &join(own, &relative))?;
        }
        Ok(active)
    }

    /// Names the cgroup that [`create`](Cgroup::create) would make, without making it.
    ///
    /// Whoever writes its [`paths`](Cgroup::paths) down before it exists finds it whatever happens then.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) for a path with `..` or a control file's name.
    pub fn named(hierarchies: &Hierarchies, path: impl AsRef<Path>) -> Result<Cgroup> {
        let relative = checked(path.as_ref())?;
        let paths = hierarchies.iter().map(|h| (h.key.clone(), join(&h.mount_point, &relative))).collect();
        Ok(Cgroup { paths, refused: v2::core::Refused::default() })
    }

    /// Names the cgroup that [`create_beneath_own`](Cgroup::create_beneath_own) would make, without making it.
    ///
    /// # Errors
    ///
    /// Those of [`named`](Cgroup::named), and [`NotFound`](ErrorKind::NotFound) where the caller's own cgroup lies
    /// outside of what is mounted.
    pub fn named_beneath_own(hierarchies: &Hierarchies, path: impl AsRef<Path>) -> Result<Cgroup> {
        let relative = checked(path.as_ref())?;
        let path = |h: &Hierarchy| {
            let own = h.own.as_deref().ok_or_else(|| outside(h))?;
            Ok((h.key.clone(), join(&join(&h.mount_point, own), &relative)))
        };
        Ok(Cgroup {
            paths: hierarchies.iter().map(path).collect::<Result<_>>()?,
            refused: v2::core::Refused::default(),
        })
    }

    /// Names a cgroup by its directories, as [`paths`](Cgroup::paths) gave them.
    ///
    /// A directory need not exist (any more), if it lies in a file system of cgroups or where they are mounted.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) for a path that is relative or has `..`, and for a directory that
    /// is no cgroup of that version: whatever a state file says, nothing else is ever written to or removed.
    pub fn open(paths: impl IntoIterator<Item = (String, PathBuf)>) -> Result<Cgroup> {
        let paths: BTreeMap<_, _> = paths.into_iter().collect();
        if paths.is_empty() {
            return Err(invalid("cgroup", "", "not one path"));
        }
        for (key, path) in &paths {
            let refused = |why| Err(Error::at(ErrorKind::InvalidInput, "open cgroup", path, why));
            if !path.is_absolute() || path.components().any(|c| c == Component::ParentDir) {
                return refused("not absolute, or with \"..\"");
            }
            match Dir::open(path) {
                Ok(dir) if !dir.is_cgroup(key.is_empty())? => return refused("no cgroup of this version"),
                Ok(_) => {}
                Err(e) if e.is_gone() && was_one(path, key.is_empty()) => {}
                Err(e) if e.is_gone() => {
                    return refused("it is not there, and what is above it is no cgroup");
                }
                Err(e) => return Err(e),
            }
        }
        Ok(Cgroup { paths, refused: v2::core::Refused::default() })
    }

    /// Returns the directory in each hierarchy, by its v1 controller list (`cpu,cpuacct`); the empty key is v2.
    pub fn paths(&self) -> &BTreeMap<String, PathBuf> {
        &self.paths
    }

    /// Returns the controllers that can limit this cgroup, `devices` aside, which on v2 is none.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) if the cgroup is gone.
    pub fn controllers(&self) -> Result<BTreeSet<String>> {
        let v1 = self.paths.keys().flat_map(|key| key.split(','));
        let named = |word: &&str| word.is_empty() || word.starts_with("name=");
        let mut found: BTreeSet<_> = v1.filter(|word| !named(word)).map(str::to_owned).collect();
        if let Some(path) = self.paths.get("") {
            let text = Dir::open(path)?.read("cgroup.controllers")?;
            found.extend(text.split_whitespace().map(str::to_owned));
        }
        Ok(found)
    }

    /// Sets which devices may be used, in the place of all rules that were set before.
    ///
    /// At first nothing is allowed; of the rules that match, the last one wins, for each letter of `rwm` on its own.
    /// So no rules at all close everything.
    ///
    /// On v1 a rule that takes away a part of what one with a wildcard gave can't be expressed, and exceptions from
    /// "everything is allowed" that were set earlier stay while processes are inside, for the kernel doesn't tell
    /// them. On v2 the rules become an eBPF program, for which the caller needs CAP_SYS_ADMIN in the initial user
    /// namespace; a program of somebody else's that may not be looked at stays beside it, and narrows it at most.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) for a rule without access or one that v1 can't express,
    /// [`PermissionDenied`](ErrorKind::PermissionDenied) also where a parent allows less.
    pub fn set_devices(&self, rules: &[DeviceRule]) -> Result<()> {
        if let Some(rule) = rules.iter().find(|rule| rule.access.is_empty()) {
            return Err(invalid("device rule", rule.to_string(), "it gives and takes nothing"));
        }
        match self.devices_or_freezer("devices")? {
            Place::V1(dir) => v1::devices::set(&dir, rules),
            Place::V2(dir) => v2::devices::set(&dir, rules),
        }
    }

    /// Moves a process, with all its threads, into this cgroup in every hierarchy.
    ///
    /// Where one hierarchy refuses, the process is put back where it was in the others. Its children stay where they
    /// are, but for those that are born meanwhile: they come along. To have all that a program starts, start it with
    /// [`spawn`](Cgroup::spawn).
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) if there is no such process or the cgroup is gone,
    /// [`Busy`](ErrorKind::Busy) if the v2 cgroup hands controllers down and so can't have processes,
    /// [`InvalidInput`](ErrorKind::InvalidInput) for process 0, which to the kernel is the caller.
    #[doc(alias = "Apply")]
    pub fn add(&self, pid: u32) -> Result<()> {
        if pid == 0 {
            return Err(invalid("process to move", pid, "it would be the caller"));
        }
        // Where there is one hierarchy alone, nothing can be half done.
        let before = (self.paths.len() > 1).then(|| fs::read(format!("/proc/{pid}/cgroup")));
        self.paths.values().try_for_each(|path| enter(path, pid)).inspect_err(|_| {
            if let Some(Ok(before)) = &before {
                put_back(before, pid);
            }
        })?;
        self.complete()
    }

    /// Moves those into all hierarchies who were born while their parent was moved in some of them.
    fn complete(&self) -> Result<()> {
        let (Some(first), Some(last)) = (self.paths.values().next(), self.paths.values().next_back()) else {
            return Ok(());
        };
        if first == last {
            return Ok(());
        }
        let mut wait = Wait::new(FREEZE);
        loop {
            // They are where their parent was first, and not where it came last.
            let there = match Dir::open(last)?.processes() {
                Err(e) if e.is(Errno::EOPNOTSUPP) => return Ok(()),
                result => result?,
            };
            let mut born = match Dir::open(first)?.processes() {
                Err(e) if e.is(Errno::EOPNOTSUPP) => return Ok(()),
                result => result?,
            };
            born.retain(|pid| *pid != 0 && there.binary_search(pid).is_err());
            if born.is_empty() {
                return Ok(());
            }
            for pid in born {
                match self.paths.values().try_for_each(|path| enter(path, pid)) {
                    Err(e) if e.is(Errno::ESRCH) => {}
                    result => result?,
                }
            }
            if !wait.more() {
                let why = "its children are born faster than they are moved";
                return Err(Error::at(ErrorKind::TimedOut, "move process to", first, why));
            }
        }
    }

    /// Opens the directory for `clone3(CLONE_INTO_CGROUP)`, where that is enough to be born in this cgroup:
    /// `None` unless v2 is all there is.
    ///
    /// The descriptor is an `O_PATH` one, and close-on-exec. Where there is none, and where the kernel refuses (see
    /// [`clone_into_refused`](Cgroup::clone_into_refused)), clone without it and [`add`](Cgroup::add) the process
    /// before it does anything: on v1 and hybrid machines nobody is born into all hierarchies.
    ///
    /// ```no_run
    /// # let hierarchies = cgroups::Hierarchies::detect()?;
    /// # let clone3 = |_: Option<std::os::fd::BorrowedFd<'_>>| Ok::<u32, std::io::Error>(0);
    /// use cgroups::Cgroup;
    /// use std::os::fd::AsFd;
    ///
    /// let cgroup = Cgroup::create(&hierarchies, "jobs/1")?;
    /// let dir = cgroup.v2_dir()?;
    /// let born = match dir.as_ref().map(|dir| clone3(Some(dir.as_fd()))) {
    ///     Some(Err(error)) if !Cgroup::clone_into_refused(&error) => return Err(error.into()),
    ///     Some(Ok(pid)) => pid,
    ///     _ => {
    ///         let pid = clone3(None)?;
    ///         cgroup.add(pid)?;
    ///         pid
    ///     }
    /// };
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) if the cgroup is gone.
    #[doc(alias = "into_fd")]
    pub fn v2_dir(&self) -> Result<Option<OwnedFd>> {
        if self.paths.keys().any(|key| !key.is_empty()) {
            return Ok(None);
        }
        Ok(self.v2()?.map(Dir::into_fd))
    }

    /// Returns the processes in this cgroup, not those in cgroups below it, by rising id.
    ///
    /// A process that the caller's pid namespace doesn't see has no id here and is left out.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) if the cgroup is gone; [`Unsupported`](ErrorKind::Unsupported) for a threaded
    /// one, whose processes the kernel lists at its threaded root only.
    #[doc(alias = "GetPids")]
    pub fn pids(&self) -> Result<Vec<u32>> {
        let mut pids = Dir::open(self.main())?.processes()?;
        pids.retain(|&pid| pid != 0);
        Ok(pids)
    }

    /// Returns the processes in this cgroup and in all below it, by rising id: those that are here in one hierarchy at
    /// least.
    ///
    /// # Errors
    ///
    /// Those of [`pids`](Cgroup::pids).
    pub fn all_pids(&self) -> Result<Vec<u32>> {
        let mut pids = self.everyone()?;
        pids.retain(|&pid| pid != 0);
        Ok(pids)
    }

    /// Stops all processes here and below, and returns once they have stopped.
    ///
    /// # Errors
    ///
    /// [`TimedOut`](ErrorKind::TimedOut) after ten seconds; everything is thawed again then.
    #[doc(alias = "Freeze")]
    pub fn freeze(&self) -> Result<()> {
        self.freeze_within(FREEZE)
    }

    /// Stops all processes, as [`freeze`](Cgroup::freeze) does, with another deadline.
    ///
    /// # Errors
    ///
    /// Those of [`freeze`](Cgroup::freeze).
    pub fn freeze_within(&self, deadline: Duration) -> Result<()> {
        self.is_no_root("freeze")?;
        match self.devices_or_freezer("freezer")? {
            Place::V1(dir) => v1::freezer::freeze(&dir, deadline),
            Place::V2(dir) => v2::core::freeze(&dir, deadline),
        }
    }

    /// Lets all processes go on that [`freeze`](Cgroup::freeze) stopped.
    ///
    /// # Errors
    ///
    /// [`Busy`](ErrorKind::Busy) while a parent is frozen: this cgroup goes on with it.
    pub fn thaw(&self) -> Result<()> {
        match self.devices_or_freezer("freezer")? {
            Place::V1(dir) => v1::freezer::thaw(&dir, FREEZE),
            Place::V2(dir) => v2::core::thaw(&dir, FREEZE),
        }
    }

    /// Returns whether all processes here are stopped, be it because a parent is frozen.
    ///
    /// The kernel lets a process be [added](Cgroup::add) to a frozen cgroup; on v1 and v2 alike it stops there.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) if the cgroup is gone.
    pub fn frozen(&self) -> Result<bool> {
        match self.devices_or_freezer("freezer")? {
            Place::V1(dir) => v1::freezer::is_frozen(&dir),
            Place::V2(dir) => v2::core::is_frozen(&dir),
        }
    }

    /// Kills every process here and below, frozen ones too, and returns once they have ended, or nobody new has come
    /// for a second.
    ///
    /// Nothing escapes by forking, and no process is hit that merely got the id of one that was here. Who is killed
    /// in the middle of something that can't be interrupted ends after it. A cgroup that is gone is no error.
    ///
    /// # Errors
    ///
    /// [`PermissionDenied`](ErrorKind::PermissionDenied) if a process may not be killed, or not be seen from the
    /// caller's pid namespace (that one only on cgroup v1, and before Linux 5.14);
    /// [`Busy`](ErrorKind::Busy) while a parent is frozen on v1: they end when it is thawed;
    /// [`TimedOut`](ErrorKind::TimedOut) if new ones keep coming for ten seconds;
    /// [`Unsupported`](ErrorKind::Unsupported) for a threaded cgroup, which has threads and no processes.
    ///
    /// Nothing is killed in the root of a hierarchy, in which everything lives:
    /// [`InvalidInput`](ErrorKind::InvalidInput).
    pub fn kill(&self) -> Result<()> {
        self.is_no_root("kill all in")?;
        match self.kill_all() {
            Err(e) if e.is_gone() => Ok(()),
            result => result,
        }
    }

    fn is_no_root(&self, action: &str) -> Result<()> {
        for (key, path) in &self.paths {
            if Dir::open(path).is_ok_and(|dir| is_root(&dir, key)) {
                let why = "it is the root of the hierarchy, and everything lives in it";
                return Err(Error::at(ErrorKind::InvalidInput, action, path, why));
            }
        }
        Ok(())
    }

    /// All processes in any of the hierarchies; in those in which it is gone there are none.
    fn everyone(&self) -> Result<Vec<u32>> {
        let (mut all, mut gone) = (Vec::new(), None);
        let mut found = false;
        for path in self.paths.values() {
            match all_processes(path) {
                Ok(pids) => {
                    all.extend(pids);
                    found = true;
                }
                Err(e) if e.is_gone() => gone = Some(e),
                Err(e) => return Err(e),
            }
        }
        all.sort_unstable();
        all.dedup();
        match gone {
            Some(error) if !found => Err(error),
            _ => Ok(all),
        }
    }

    fn kill_all(&self) -> Result<()> {
        let v2 = match self.v2() {
            Err(e) if e.is_gone() => None,
            result => result?,
        };
        let at_once = match v2 {
            Some(dir) if v2::core::kill(&dir)? => Some(dir),
            _ => None,
        };
        if at_once.is_some() {
            // On v1 what is frozen stays, killed or not.
            self.v1("freezer")?.map_or(Ok(()), |dir| v1::freezer::thaw(&dir, FREEZE))?;
        } else if self.freeze().is_ok() {
            // Frozen, nobody forks meanwhile.
            let killed = self.everyone().and_then(|pids| self.kill_listed(&pids));
            let thawed = self.thaw();
            killed.and(thawed)?;
        }
        self.kill_until_quiet(at_once.as_ref())
    }

    /// Kills again and again until nobody is there, or nobody new has come for a while.
    ///
    /// Once is not enough, even for the kernel: who is in the middle of a fork may be killed, and the child appear
    /// after everyone was looked at (seen with `cgroup.kill` of Linux 6.18). Nor is one hierarchy enough: somebody may
    /// have been moved in others alone.
    fn kill_until_quiet(&self, at_once: Option<&Dir>) -> Result<()> {
        let mut wait = Wait::new(FREEZE);
        let mut before = Vec::new();
        let mut quiet_since = Instant::now();
        loop {
            let now = self.everyone()?;
            if now.is_empty() {
                return Ok(());
            }
            match at_once {
                Some(dir) => {
                    v2::core::kill(dir)?;
                    self.kill_listed(&self.only_elsewhere(&now, dir))?;
                }
                None => self.kill_listed(&now)?,
            }
            if now.iter().any(|pid| before.binary_search(pid).is_err()) {
                quiet_since = Instant::now();
            } else if quiet_since.elapsed() >= QUIET {
                return Ok(());
            }
            before = now;
            if !wait.more() {
                let why = "new processes keep coming";
                return Err(Error::at(ErrorKind::TimedOut, "kill all in", self.main(), why));
            }
        }
    }

    /// Those that are not in v2, and still in another hierarchy: who has just ended is in none.
    fn only_elsewhere(&self, pids: &[u32], v2: &Dir) -> Vec<u32> {
        let killed = all_processes(v2.path()).unwrap_or_default();
        let elsewhere = self.paths.iter().filter(|(key, _)| !key.is_empty());
        let mut still: Vec<_> =
            elsewhere.flat_map(|(_, path)| all_processes(path).unwrap_or_default()).collect();
        still.sort_unstable();
        let is_left = |pid: &u32| killed.binary_search(pid).is_err() && still.binary_search(pid).is_ok();
        pids.iter().copied().filter(is_left).collect()
    }

    /// Kills those processes that are in the cgroup while we hold a handle on them.
    fn kill_listed(&self, pids: &[u32]) -> Result<()> {
        let path = self.main();
        let failed = |pid: u32, e: Errno| Error::os(format!("kill process {pid} in"), path, e);
        let mut held = Vec::new();
        for &pid in pids.iter().filter(|&&pid| pid != 0) {
            match crate::sys::pidfd_open(pid) {
                Ok(fd) => held.push((pid, fd)),
                Err(Errno::ESRCH) => {}
                Err(e) => return Err(failed(pid, e)),
            }
        }
        // Listed again with the handles in hand: an id may have passed to a stranger before we held it.
        let still = if held.is_empty() { Vec::new() } else { self.everyone()? };
        let mut refused = None;
        for (pid, fd) in held.into_iter().filter(|(pid, _)| still.binary_search(pid).is_ok()) {
            match crate::sys::pidfd_kill(std::os::fd::AsFd::as_fd(&fd)) {
                Ok(()) | Err(Errno::ESRCH) => {}
                Err(e) => refused = Some(failed(pid, e)),
            }
        }
        refused.map_or(Ok(()), Err)?;
        if pids.contains(&0) { self.all_can_be_seen() } else { Ok(()) }
    }

    /// Refuses a cgroup with processes that have no id here; who has none because it is just ending is waited for.
    fn all_can_be_seen(&self) -> Result<()> {
        let mut wait = Wait::new(QUIET);
        while self.everyone()?.contains(&0) {
            if !wait.more() {
                let why = "a process is in a pid namespace that can't be seen from here";
                return Err(Error::at(ErrorKind::PermissionDenied, "kill all in", self.main(), why));
            }
        }
        Ok(())
    }

    /// Removes the cgroup and those below it in every hierarchy.
    ///
    /// It waits up to five seconds for processes that are about to end. What is gone already is no error.
    ///
    /// # Errors
    ///
    /// [`Busy`](ErrorKind::Busy) names the processes that are still there; [`kill`](Cgroup::kill) them first. Nothing is
    /// removed then, unless they are in some of the hierarchies only. [`InvalidInput`](ErrorKind::InvalidInput) for the
    /// root of a hierarchy.
    #[doc(alias = "Cleanup")]
    pub fn remove(&self) -> Result<()> {
        self.remove_within(REMOVE)
    }

    /// Removes the cgroup, as [`remove`](Cgroup::remove) does, with another deadline.
    ///
    /// # Errors
    ///
    /// Those of [`remove`](Cgroup::remove).
    pub fn remove_within(&self, deadline: Duration) -> Result<()> {
        self.is_no_root("remove")?;
        let mut wait = Wait::new(deadline);
        // Where processes are is told first, before anything is taken from them.
        let main = self.main().to_owned();
        remove_tree(&main, &mut wait)?;
        let others = self.paths.values().filter(|path| **path != main);
        let results: Vec<_> = others.map(|path| remove_tree(path, &mut wait)).collect();
        results.into_iter().collect()
    }

    /// Waits until no process is left here and below; false if there still is one when the time is over.
    ///
    /// A cgroup that is gone is empty. Without waiting, [`Events`](crate::Events) tell of it on v2, with all else.
    ///
    /// # Errors
    ///
    /// Those of [`pids`](Cgroup::pids) but for a cgroup that is gone.
    pub fn wait_empty(&self, timeout: Duration) -> Result<bool> {
        let mut wait = Wait::new(timeout);
        loop {
            match all_processes(self.main()) {
                Ok(pids) if pids.is_empty() => return Ok(true),
                Err(e) if e.is_gone() => return Ok(true),
                Ok(_) if wait.more() => {}
                Ok(_) => return Ok(false),
                Err(e) => return Err(e),
            }
        }
    }

    /// Tells whether the cgroup is there, in one hierarchy at least.
    pub fn exists(&self) -> bool {
        self.paths.values().any(|path| Dir::open(path).is_ok())
    }

    /// Returns its directory in the hierarchy of a controller: of v1 if that has it, else of v2.
    ///
    /// ```no_run
    /// let cgroup = cgroups::Cgroup::of(std::process::id())?;
    /// println!("{:?}", cgroup.path("memory"));
    /// # Ok::<(), cgroups::Error>(())
    /// ```
    pub fn path(&self, controller: &str) -> Option<&Path> {
        let v1 = self.paths.iter().find(|(key, _)| key.split(',').any(|c| c == controller));
        v1.map(|(_, path)| path).or_else(|| self.paths.get("")).map(PathBuf::as_path)
    }

    /// Names a cgroup below this one, which need not exist.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) for a path with `..` or a control file's name.
    pub fn child(&self, path: impl AsRef<Path>) -> Result<Cgroup> {
        let relative = checked(path.as_ref())?;
        let paths = self.paths.iter().map(|(key, path)| (key.clone(), path.join(&relative))).collect();
        Ok(Cgroup { paths, refused: v2::core::Refused::default() })
    }

    /// Returns the cgroups right below this one, in whichever of its hierarchies they are, by their names.
    ///
    /// # Errors
    ///
    /// Fails where a directory can't be read. One that is gone has none.
    pub fn children(&self) -> Result<Vec<Cgroup>> {
        let mut names: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
        for (key, path) in &self.paths {
            for child in children(path)? {
                if let Some(name) = child.file_name() {
                    names.entry(name.to_owned()).or_default().insert(key.clone(), child);
                }
            }
        }
        let cgroup = |paths| Cgroup { paths, refused: v2::core::Refused::default() };
        Ok(names.into_values().map(cgroup).collect())
    }

    /// The directory whose list of processes counts: processes can be born into v2, and there it is complete.
    pub(crate) fn main(&self) -> &Path {
        let best = [self.paths.get(""), self.paths.get("freezer")].into_iter().flatten();
        let mut by_rank = best.chain(self.paths.values()).map(PathBuf::as_path);
        let first = by_rank.next().unwrap_or(Path::new("/"));
        // Half removed, the cgroup lives on in other hierarchies, and its processes with it.
        if first.exists() { first } else { by_rank.find(|path| path.exists()).unwrap_or(first) }
    }

    pub(crate) fn v1(&self, controller: &str) -> Result<Option<Dir>> {
        let part = self.paths.iter().find(|(key, _)| key.split(',').any(|c| c == controller));
        part.map(|(_, path)| Dir::open(path)).transpose()
    }

    pub(crate) fn v2(&self) -> Result<Option<Dir>> {
        self.paths.get("").map(|path| Dir::open(path)).transpose()
    }

    /// Where to read a controller's figures; on v2 some are there without the controller.
    fn figures(&self, controller: &str) -> Result<Option<Place>> {
        Ok(match self.v1(controller)? {
            Some(dir) => Some(Place::V1(dir)),
            None => self.v2()?.map(Place::V2),
        })
    }

    /// Where to set a controller's limits.
    pub(crate) fn place(&self, controller: &str) -> Result<Place> {
        self.place_named(controller, controller)
    }

    /// The same for a controller that has another name on v2.
    pub(crate) fn place_named(&self, v1: &str, v2: &str) -> Result<Place> {
        match self.figures(v1)? {
            Some(Place::V2(dir)) if !has_controller(&dir, v2)? => {
                Err(self.missing(v2, &v2::core::not_here(&dir, v2)))
            }
            Some(place) => Ok(place),
            None => Err(self.missing(v1, "no mounted hierarchy has it")),
        }
    }

    /// Where to set what needs a controller on v1 and none on v2.
    fn devices_or_freezer(&self, controller: &str) -> Result<Place> {
        self.figures(controller)?.ok_or_else(|| self.missing(controller, "no mounted hierarchy has it"))
    }

    pub(crate) fn missing(&self, controller: &str, why: &str) -> Error {
        let why = self.refused.get(controller).map_or(why, String::as_str);
        let action = format!("use cgroup controller {controller:?} in");
        Error::at(ErrorKind::NoController, action, self.main(), why)
    }
}

/// Tells whether what is not there can have been a cgroup: by the nearest directory above it, or by its place, for
/// what was mounted there may be gone too.
fn was_one(path: &Path, v2: bool) -> bool {
    let above = path.ancestors().skip(1).find_map(|above| Dir::open(above).ok());
    path.starts_with("/sys/fs/cgroup") || above.is_some_and(|dir| dir.is_cgroup(v2).unwrap_or(false))
}

pub(crate) fn has_controller(dir: &Dir, controller: &str) -> Result<bool> {
    Ok(dir.read("cgroup.controllers")?.split_whitespace().any(|c| c == controller))
}

pub(crate) fn enter(path: &Path, pid: u32) -> Result<()> {
    let dir = Dir::open(path)?;
    let mut wait = Wait::new(ENTER);
    loop {
        match dir.write("cgroup.procs", &pid.to_string()) {
            // A process that is just being made can't be moved yet.
            Err(e) if e.is(Errno::EINVAL) && wait.more() => {}
            Err(e) if e.is(Errno::EINVAL) && dir.number("cpu.rt_runtime_us").is_ok_and(|n| n == Some(0)) => {
                return Err(e.note("realtime processes need cpu.realtime_runtime"));
            }
            Err(e) if e.is(Errno::EACCES) => return Err(not_allowed(&dir, pid, e)),
            Err(e) => return Err(refusal(e)),
            Ok(()) => return Ok(()),
        }
    }
}

/// Says what else a user has to own to move a process, where the file that was written is theirs already.
fn not_allowed(dir: &Dir, pid: u32, error: Error) -> Error {
    if !may_write_processes(dir) {
        return error;
    }
    if !dir.is_cgroup(true).unwrap_or(false) {
        return error.note("on cgroup v1 a user may move their own processes only");
    }
    let membership = fs::read(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    let was = Hierarchies::with_membership(&membership).ok().and_then(|found| found.own().remove(""));
    let common = was.as_deref().and_then(|was| dir.path().ancestors().find(|above| was.starts_with(above)));
    match common {
        Some(above) if !Dir::open(above).is_ok_and(|above| may_write_processes(&above)) => {
            error.note(format!(
                "it comes from {was:?}, so that {:?} has to be writable too",
                above.join("cgroup.procs"),
                was = was.as_deref().unwrap_or(above)
            ))
        }
        _ => error,
    }
}

fn may_write_processes(dir: &Dir) -> bool {
    faccessat(dir.as_fd(), "cgroup.procs", AccessFlags::W_OK, AtFlags::AT_EACCESS).is_ok()
}

/// Says what the kernel means when it doesn't let a process in.
pub(crate) fn refusal(error: Error) -> Error {
    match Errno::from_raw(error.raw_os_error().unwrap_or(0)) {
        Errno::EBUSY => error.note("a cgroup that hands controllers down can't have processes of its own"),
        Errno::ENOSPC => {
            error.note("the cpuset has no processors or no memory nodes").kind_is(ErrorKind::Busy)
        }
        Errno::EOPNOTSUPP => error.note("the cgroup is threaded, or its parent is"),
        _ => error,
    }
}

/// Best effort, for the error that led here is what counts.
pub(crate) fn put_back(before: &[u8], pid: u32) {
    if let Ok(was) = Hierarchies::with_membership(before) {
        for path in was.own().values() {
            drop(enter(path, pid));
        }
    }
}

/// All processes in a cgroup and below; what is removed meanwhile has none.
pub(crate) fn all_processes(path: &Path) -> Result<Vec<u32>> {
    listed(path, Dir::processes)
}

/// Removes a cgroup and those below it, deepest first, until it works or the wait is over.
pub(crate) fn remove_tree(path: &Path, wait: &mut Wait) -> Result<()> {
    loop {
        match remove_once(path) {
            Err(e) if e.is_gone() => return Ok(()),
            Err(e) if e.is(Errno::EBUSY) && wait.more() => {}
            Err(e) if e.is(Errno::EBUSY) => return Err(still_there(path, e)),
            result => return result,
        }
    }
}

fn remove_once(path: &Path) -> Result<()> {
    match fs::remove_dir(path) {
        Ok(()) => return Ok(()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        // Most often there are others below.
        Err(_) => {}
    }
    // On a read-only file system rmdir says so before it looks whether there is anything to remove. And while somebody
    // lives here nothing is taken apart.
    let pids = all_processes(path)?;
    if !pids.is_empty() {
        return Err(Error::os("remove cgroup", path, Errno::EBUSY));
    }
    walk(path, |_| Ok(true), Dir::remove)?;
    match fs::remove_dir(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(Error::os("remove cgroup", path, e)),
        _ => Ok(()),
    }
}

fn still_there(path: &Path, error: Error) -> Error {
    match all_processes(path) {
        Ok(pids) if !pids.is_empty() => error.note(living(&pids)),
        _ => error,
    }
}

/// Names processes, a few of them.
pub(crate) fn living(pids: &[u32]) -> String {
    const SHOWN: usize = 8;
    let names: Vec<_> = pids.iter().take(SHOWN).map(u32::to_string).collect();
    let more = if pids.len() > SHOWN { format!(" and {} more", pids.len() - SHOWN) } else { String::new() };
    format!("process {}{more} lives there", names.join(", "))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// A directory that stands in for a cgroup; it goes when the test ends.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str, processes: &str) -> Scratch {
            let path = std::env::temp_dir().join(format!("cgroups-cgroup-{name}-{}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            fs::write(path.join("cgroup.procs"), processes).unwrap();
            Scratch(path)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            drop(fs::remove_dir_all(&self.0));
        }
    }

    /// T83: listed, it moved away, and then the signal came.
    #[test]
    fn who_has_left_is_not_killed() {
        let left = Scratch::new("left", "");
        let paths = [("pids".to_owned(), left.0.clone())].into();
        let cgroup = Cgroup { paths, refused: v2::core::Refused::default() };
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        let result = cgroup.kill_listed(&[child.id()]);
        let lives = child.try_wait().unwrap().is_none();
        child.kill().unwrap();
        child.wait().unwrap();
        // Where there are no handles on processes, nobody is killed either.
        assert!(result.is_ok() || result.unwrap_err().kind() == ErrorKind::Unsupported);
        assert!(lives);
    }

    /// T6: in 2014 all that is in the directory was removed, control files and more.
    #[test]
    fn removing_unlinks_nothing() {
        let scratch = Scratch::new("remove", "");
        assert!(remove_tree(&scratch.0, &mut Wait::new(Duration::ZERO)).is_err());
        assert!(scratch.0.join("cgroup.procs").exists());
    }
}

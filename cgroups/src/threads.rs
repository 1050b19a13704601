//! Threads on their own: the threaded cgroups of v2, and v1, which never asked for whole processes.

use std::fs;
use std::path::Path;
use std::str::FromStr;

use nix::errno::Errno;

use crate::file::Dir;
use crate::resources::invalid;
use crate::tree::listed;
use crate::{Cgroup, Error, ErrorKind, Hierarchies, Result};

const TYPE: &str = "cgroup.type";
const THREADS: &str = "cgroup.threads";

/// What a v2 cgroup may hold, as `cgroup.type` says it.
///
/// All but the root of v2 begin as [`Domain`](CgroupType::Domain). Making a child
/// [threaded](Cgroup::make_threaded) makes the parent [`DomainThreaded`](CgroupType::DomainThreaded), and the other
/// children [`DomainInvalid`](CgroupType::DomainInvalid). See [threads] in the kernel's documentation.
///
/// [threads]: https://docs.kernel.org/admin-guide/cgroup-v2.html#threads
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CgroupType {
    /// Whole processes; every controller.
    Domain,
    /// A domain that is the root of a threaded subtree: its processes may have threads in the cgroups below.
    DomainThreaded,
    /// Nothing, until it is made threaded: it lies in a threaded subtree, and is no part of it yet.
    DomainInvalid,
    /// Threads of the processes of the domain above; only cpu, cpuset, perf_event and pids.
    Threaded,
}

impl FromStr for CgroupType {
    type Err = Error;

    /// Reads the kernel's words: `domain`, `domain threaded`, `domain invalid`, `threaded`.
    fn from_str(text: &str) -> Result<CgroupType> {
        match text.trim_end() {
            "domain" => Ok(CgroupType::Domain),
            "domain threaded" => Ok(CgroupType::DomainThreaded),
            "domain invalid" => Ok(CgroupType::DomainInvalid),
            "threaded" => Ok(CgroupType::Threaded),
            other => Err(Error::new(
                ErrorKind::Malformed,
                format!("read cgroup type: {other:?} is none of the four"),
            )),
        }
    }
}

impl Cgroup {
    /// Returns the type of the v2 cgroup; `None` without v2, and for the root of v2, which has none.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) if the cgroup is gone.
    pub fn cgroup_type(&self) -> Result<Option<CgroupType>> {
        self.v2()?.map_or(Ok(None), |dir| type_of(&dir))
    }

    /// Makes the v2 cgroup a threaded one, which can't be taken back.
    ///
    /// Its parent becomes the domain of it, and siblings can't be used any more until they are threaded too. So it
    /// is to be empty, and its parent best one that was made for this.
    ///
    /// ```no_run
    /// # let hierarchies = cgroups::Hierarchies::detect()?;
    /// let job = cgroups::Cgroup::create(&hierarchies, "jobs/1")?;
    /// let workers = job.create_child("workers")?;
    /// workers.make_threaded()?;
    /// job.add(std::process::id())?;
    /// workers.add_thread(std::process::id())?; // this one thread
    /// # Ok::<(), cgroups::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Unsupported`](ErrorKind::Unsupported) without v2 or where the parent can't be its domain: it is invalid
    /// itself, or hands down controllers that can't count threads. [`Busy`](ErrorKind::Busy) while processes live
    /// in it.
    pub fn make_threaded(&self) -> Result<()> {
        let Some(dir) = self.v2()? else {
            let why = "there is no v2 hierarchy; v1 takes threads as it is";
            return Err(Error::at(ErrorKind::Unsupported, "make threaded", self.main(), why));
        };
        dir.write(TYPE, "threaded").map_err(|e| not_threaded(&dir, e))
    }

    /// Returns the threads in this cgroup, not those in cgroups below it, by rising id.
    ///
    /// A thread that the caller's pid namespace doesn't see has no id here and is left out.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) if the cgroup is gone.
    pub fn threads(&self) -> Result<Vec<u32>> {
        let mut threads = threads_in(&Dir::open(self.main())?)?;
        threads.retain(|&tid| tid != 0);
        Ok(threads)
    }

    /// Returns the threads in this cgroup and in all below it, by rising id.
    ///
    /// # Errors
    ///
    /// Those of [`threads`](Cgroup::threads).
    pub fn all_threads(&self) -> Result<Vec<u32>> {
        let mut threads = listed(self.main(), threads_in)?;
        threads.retain(|&tid| tid != 0);
        Ok(threads)
    }

    /// Moves one thread into this cgroup in every hierarchy.
    ///
    /// v1 takes any thread; v2 one whose process lives in the same threaded subtree: [`add`](Cgroup::add) the process
    /// to its domain first. Where one hierarchy refuses, the thread is put back where it was in the others.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) if there is no such thread or the cgroup is gone,
    /// [`Unsupported`](ErrorKind::Unsupported) if its process lives in another domain of v2,
    /// [`InvalidInput`](ErrorKind::InvalidInput) for thread 0, which to the kernel is the caller.
    pub fn add_thread(&self, tid: u32) -> Result<()> {
        if tid == 0 {
            return Err(invalid("thread to move", tid, "it would be the caller"));
        }
        let before = fs::read(format!("/proc/{tid}/cgroup"));
        self.paths.iter().try_for_each(|(key, path)| enter(key, path, tid)).inspect_err(|_| {
            // Best effort, for the error that led here is what counts.
            if let Some(was) = before.ok().and_then(|text| Hierarchies::with_membership(&text).ok()) {
                was.own().iter().for_each(|(key, path)| drop(enter(key, path, tid)));
            }
        })
    }
}

fn type_of(dir: &Dir) -> Result<Option<CgroupType>> {
    let Some(text) = dir.read_if_there(TYPE)? else { return Ok(None) };
    text.parse()
        .map(Some)
        .map_err(|_| Error::malformed(&dir.path().join(TYPE), format!("unknown type {text:?}")))
}

/// Tells whether only threads can be in it, and so only controllers that count them.
pub(crate) fn is_threaded(dir: &Dir) -> bool {
    type_of(dir).is_ok_and(|kind| kind == Some(CgroupType::Threaded))
}

fn threads_in(dir: &Dir) -> Result<Vec<u32>> {
    // v1 has `tasks`; the v2 root and every cgroup below it have the other one.
    let file = if dir.has(THREADS) { THREADS } else { "tasks" };
    dir.ids(file)
}

fn enter(key: &str, path: &Path, tid: u32) -> Result<()> {
    let file = if key.is_empty() { THREADS } else { "tasks" };
    Dir::open(path)?.write(file, &tid.to_string()).map_err(|e| {
        e.note_on(Errno::EOPNOTSUPP, "its process lives in another domain than this cgroup's")
            .note_on(Errno::EBUSY, "a cgroup that hands controllers down can't have threads of its own")
    })
}

/// Says why the kernel doesn't make it threaded; it has two answers for all reasons.
fn not_threaded(dir: &Dir, error: Error) -> Error {
    let has_processes = dir.processes().is_ok_and(|pids| !pids.is_empty());
    if has_processes && (error.is(Errno::EBUSY) || error.is(Errno::EOPNOTSUPP)) {
        return error.note("processes live in it").kind_is(ErrorKind::Busy);
    }
    let parent = dir.path().parent().and_then(|path| Dir::open(path).ok());
    let handed_down = parent.and_then(|dir| dir.read("cgroup.subtree_control").ok()).unwrap_or_default();
    let domain = |word: &&str| !THREADED_CONTROLLERS.contains(word);
    let words: Vec<_> = handed_down.split_whitespace().filter(domain).collect();
    if !words.is_empty() {
        let why = format!("its parent hands {} down, which can't count threads", words.join(", "));
        return error.note(why).kind_is(ErrorKind::Unsupported);
    }
    error.note_on(Errno::EOPNOTSUPP, "its parent can't be the domain of threads")
}

/// The controllers that can count threads.
pub(crate) const THREADED_CONTROLLERS: [&str; 4] = ["cpu", "cpuset", "perf_event", "pids"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_four_words_are_read_and_no_other() {
        let words = ["domain\n", "domain threaded\n", "domain invalid\n", "threaded\n"];
        let types = words.map(|word| word.parse::<CgroupType>().unwrap());
        let all =
            [CgroupType::Domain, CgroupType::DomainThreaded, CgroupType::DomainInvalid, CgroupType::Threaded];
        assert_eq!(types, all);
        for word in ["", "threads", "domain invalid threaded"] {
            assert_eq!(word.parse::<CgroupType>().unwrap_err().kind(), ErrorKind::Malformed);
        }
    }
}

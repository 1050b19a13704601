//! A cgroup that goes again unless it is kept.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder};
use std::mem;
use std::ops::Deref;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cgroup::{Cgroup, all_processes, living, remove_tree};
use crate::file::Dir;
use crate::hierarchy::{Hierarchy, join};
use crate::wait::Wait;
use crate::{Error, ErrorKind, Result, v1, v2};

/// How long others' cleanups may get in the way.
const MAKE: Duration = Duration::from_secs(5);
/// How long dropping the guard may take.
const QUIETLY: Duration = Duration::from_millis(500);
/// How long closing it may take.
const CLOSE: Duration = Duration::from_secs(5);

/// A cgroup that was just made, and that is removed again when this guard is dropped.
///
/// Dropping kills nothing: what still has processes after half a second stays, and nobody is told. [`close`] tells,
/// and [`commit`] keeps the cgroup.
///
/// [`close`]: Active::close
/// [`commit`]: Active::commit
#[derive(Debug)]
#[must_use = "the cgroup is removed as soon as this is dropped"]
#[doc(alias = "ActiveCgroup")]
pub struct Active {
    pub(crate) cgroup: Cgroup,
    /// In the order of making: parents before what is in them.
    made: Vec<Made>,
}

#[derive(Debug)]
struct Made {
    path: PathBuf,
    leaf: bool,
}

impl Active {
    pub(crate) fn new() -> Active {
        Active { cgroup: Cgroup { paths: BTreeMap::new(), refused: BTreeMap::new() }, made: Vec::new() }
    }

    /// Keeps the cgroup.
    pub fn commit(mut self) -> Cgroup {
        self.made.clear();
        self.cgroup.clone()
    }

    /// Removes what was made, and tells how that went.
    ///
    /// # Errors
    ///
    /// [`Busy`](ErrorKind::Busy) names the processes that are still there after five seconds.
    #[doc(alias = "Cleanup")]
    pub fn close(mut self) -> Result<()> {
        self.undo(CLOSE)
    }

    /// Makes the cgroup in one hierarchy, with its parents.
    pub(crate) fn make(&mut self, hierarchy: &Hierarchy, path: &Path) -> Result<()> {
        let mut wait = Wait::new(MAKE);
        loop {
            match self.descend(hierarchy, path) {
                // Somebody else's cleanup took a parent away that they had made and that we had just found. Where
                // what we began in is gone too, waiting is no use.
                Err(e) if e.is_gone() && is_alive(&hierarchy.mount_point) && wait.more() => {}
                result => return result,
            }
        }
    }

    fn descend(&mut self, hierarchy: &Hierarchy, path: &Path) -> Result<()> {
        let cpuset = hierarchy.key.split(',').any(|c| c == "cpuset");
        let whole = join(&hierarchy.mount_point, path);
        if hierarchy.is_v2() || cpuset || !make_alone(hierarchy, path, &whole) {
            self.make_each(hierarchy, path, cpuset)?;
        } else {
            self.made.push(Made { path: whole.clone(), leaf: true });
        }
        self.cgroup.paths.insert(hierarchy.key.clone(), whole);
        Ok(())
    }

    /// Makes what is missing on the way, and asks of the parents what this hierarchy needs.
    fn make_each(&mut self, hierarchy: &Hierarchy, path: &Path, cpuset: bool) -> Result<()> {
        let mut dir = Dir::open(&hierarchy.mount_point)?;
        let mut names = path.iter().map(Path::new).peekable();
        while let Some(name) = names.next() {
            let leaf = names.peek().is_none();
            if hierarchy.is_v2() {
                v2::core::enable(&dir, &mut self.cgroup.refused)?;
            }
            let made = dir.make(name)?;
            if made {
                self.made.push(Made { path: dir.path().join(name), leaf });
            }
            if made && leaf && !cpuset {
                break;
            }
            let child = dir.beneath(name)?;
            if leaf && !self.made.iter().any(|made| made.path == child.path()) {
                uninhabited(child.path())?;
            }
            if cpuset {
                v1::cpuset::inherit(&dir, &child, made)?;
            }
            dir = child;
        }
        Ok(())
    }

    /// How much was made so far, for [`undo_to`](Active::undo_to).
    pub(crate) fn mark(&self) -> usize {
        self.made.len()
    }

    /// Removes what was made since then; nobody can live in it yet.
    pub(crate) fn undo_to(&mut self, mark: usize) {
        for made in self.made.drain(mark..).rev() {
            drop(fs::remove_dir(&made.path));
        }
    }

    /// Leaves a hierarchy out, and remembers why for whoever wants a limit of it.
    pub(crate) fn pass_over(&mut self, mark: usize, hierarchy: &Hierarchy, why: &Error) {
        self.undo_to(mark);
        let controllers = hierarchy.key.split(',').map(str::to_owned);
        self.cgroup.refused.extend(controllers.map(|controller| (controller, why.to_string())));
    }

    /// Makes one directory and nothing more: no controller is handed down to it.
    pub(crate) fn make_bare(&mut self, parent: &Hierarchy, name: &Path) -> Result<()> {
        let dir = Dir::open(&parent.mount_point)?;
        let path = dir.path().join(name);
        if dir.make(name)? {
            self.made.push(Made { path: path.clone(), leaf: true });
        } else {
            uninhabited(dir.beneath(name)?.path())?;
        }
        self.cgroup.paths.insert(parent.key.clone(), path);
        Ok(())
    }

    fn undo(&mut self, deadline: Duration) -> Result<()> {
        let mut wait = Wait::new(deadline);
        let mut result = Ok(());
        for made in mem::take(&mut self.made).into_iter().rev() {
            if made.leaf {
                result = result.and(remove_tree(&made.path, &mut wait));
            } else {
                // By now it may be others' parent too; then it is theirs.
                drop(fs::remove_dir(&made.path));
            }
        }
        result
    }
}

/// Tells whether this is a cgroup still: of a removed one, the directory may stay open, and has no files.
fn is_alive(path: &Path) -> bool {
    Dir::open(path).is_ok_and(|dir| dir.has("cgroup.procs"))
}

/// Makes a cgroup whose parents are all there, in one step; false for whatever is to be done or told otherwise.
fn make_alone(hierarchy: &Hierarchy, path: &Path, whole: &Path) -> bool {
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) if !parent.as_os_str().is_empty() => {
            let parent = Dir::open(&hierarchy.mount_point).and_then(|dir| dir.beneath(parent));
            parent.is_ok_and(|dir| dir.make(Path::new(name)).is_ok_and(|made| made))
        }
        // Right below the mount point there is nothing on the way that could lead elsewhere.
        _ => DirBuilder::new().mode(0o755).create(whole).is_ok(),
    }
}

/// Refuses a cgroup that others use.
fn uninhabited(path: &Path) -> Result<()> {
    let pids = all_processes(path)?;
    if pids.is_empty() {
        return Ok(());
    }
    Err(Error::at(ErrorKind::Busy, "make cgroup", path, format_args!("it exists, and {}", living(&pids))))
}

impl Deref for Active {
    type Target = Cgroup;

    fn deref(&self) -> &Cgroup {
        &self.cgroup
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        drop(self.undo(QUIETLY));
    }
}

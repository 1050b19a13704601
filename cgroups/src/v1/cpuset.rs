//! Processors and memory nodes. A new cgroup has neither, and then nothing can enter it.

use nix::errno::Errno;

use crate::bandwidth::{ancestors, below};
use crate::cpulist::{members, ranges};
use crate::file::Dir;
use crate::resources::Cpuset;
use crate::{Error, ErrorKind, Result};

pub(crate) fn set(dir: &Dir, cpuset: &Cpuset) -> Result<()> {
    for (name, value) in [("cpus", &cpuset.cpus), ("mems", &cpuset.mems)] {
        if let Some(value) = value.as_deref().filter(|value| !value.is_empty()) {
            let file = file(dir, name);
            dir.write(&file, value).map_err(|e| refused(dir, &file, value, e))?;
        }
    }
    Ok(())
}

/// Says which cgroup stands in the way: a child has no more than its parent, and no parent less than its children.
fn refused(dir: &Dir, file: &str, value: &str, error: Error) -> Error {
    if error.is(Errno::ENOSPC) {
        return error.note("processes live in it, or below").kind_is(ErrorKind::Busy);
    }
    let Some(wanted) = members(value) else { return error };
    let theirs = |dir: &Dir| dir.read(file).ok().and_then(|list| members(&list));
    for parent in ancestors(dir, file) {
        if let Some(list) = theirs(&parent).filter(|list| !wanted.is_subset(list)) {
            let missing = ranges(wanted.difference(&list).copied());
            let note = format!("{:?} above it doesn't have {missing}", parent.path());
            return error.note(note).kind_is(ErrorKind::InvalidInput);
        }
    }
    for child in below(dir) {
        if theirs(&child).is_some_and(|list| !list.is_subset(&wanted)) {
            return error.note(format!("{:?} below it has more", child.path()));
        }
    }
    error
}

/// Gives a cgroup that has no processors or memory nodes those of its parent; a new one is known to have none.
pub(crate) fn inherit(parent: &Dir, child: &Dir, is_new: bool) -> Result<()> {
    for (name, plain) in [("cpuset.cpus", "cpus"), ("cpuset.mems", "mems")] {
        let (name, theirs) = match parent.read_if_there(name)? {
            Some(theirs) => (name, theirs),
            // Mounted with `noprefix`.
            None => (plain, parent.read(plain)?),
        };
        if is_new || child.read(name)?.trim().is_empty() {
            match child.write(name, theirs.trim()) {
                // A sibling has some of them for itself alone: nobody can enter until it was said which ones.
                Err(e) if e.is(Errno::EINVAL) => {}
                result => result?,
            }
        }
    }
    Ok(())
}

/// Mounted with `noprefix`, as Android does, the files have the old cpuset file system's names.
fn file(dir: &Dir, name: &str) -> String {
    if dir.has(name) { name.to_owned() } else { format!("cpuset.{name}") }
}

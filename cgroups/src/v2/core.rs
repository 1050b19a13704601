//! What v2 does without any controller: hand controllers down, freeze, kill.

use std::collections::BTreeMap;
use std::time::Duration;

use nix::errno::Errno;

use crate::file::Dir;
use crate::v1::freezer::timed_out;
use crate::wait::Wait;
use crate::{Error, ErrorKind, Result};

const SUBTREE: &str = "cgroup.subtree_control";

/// Controllers that could not be handed down, and why.
pub(crate) type Refused = BTreeMap<String, String>;

/// Hands all controllers that this cgroup has down to its children.
///
/// What the kernel refuses is no failure yet: it is one once a resource needs that controller.
pub(crate) fn enable(dir: &Dir, refused: &mut Refused) -> Result<()> {
    let available = dir.read("cgroup.controllers")?;
    let enabled = dir.read(SUBTREE)?;
    let missing: Vec<_> =
        available.split_whitespace().filter(|c| enabled.split_whitespace().all(|e| e != *c)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if is_crowded(dir)? {
        let why = "a cgroup with processes of its own can't hand controllers down";
        let error = Error::at(ErrorKind::Busy, "enable controllers in", dir.path(), why).to_string();
        refused.extend(missing.into_iter().map(|controller| (controller.to_owned(), error.clone())));
        return Ok(());
    }
    // One write enables all or none of them.
    let all: Vec<_> = missing.iter().map(|c| format!("+{c}")).collect();
    if dir.write(SUBTREE, &all.join(" ")).is_err() {
        for (controller, word) in missing.iter().zip(&all) {
            if let Err(error) = dir.write(SUBTREE, word) {
                refused.insert((*controller).to_owned(), explained(error).to_string());
            }
        }
    }
    Ok(())
}

/// Tells whether processes keep this cgroup from handing controllers down, the root being free to.
///
/// The kernel would not only refuse: it takes cpu, cpuset and pids alone, and makes a threaded cgroup of it, below
/// which no process can be.
fn is_crowded(dir: &Dir) -> Result<bool> {
    if !dir.has("cgroup.type") {
        return Ok(false);
    }
    // Processes that are just leaving still count.
    let mut wait = Wait::new(Duration::from_millis(5));
    loop {
        match dir.processes() {
            Ok(pids) if pids.is_empty() => return Ok(false),
            Ok(_) if wait.more() => {}
            Ok(_) => return Ok(true),
            // Threaded already.
            Err(e) if e.is(Errno::EOPNOTSUPP) => return Ok(false),
            Err(e) => return Err(e),
        }
    }
}

fn explained(error: Error) -> Error {
    match Errno::from_raw(error.raw_os_error().unwrap_or(0)) {
        Errno::EINVAL => error.note("realtime processes keep the cpu controller where it is"),
        Errno::EOPNOTSUPP => error.note("the cgroup is threaded"),
        _ => error,
    }
}

/// Freezes, or leaves everything thawed.
pub(crate) fn freeze(dir: &Dir, deadline: Duration) -> Result<()> {
    let result = set_frozen(dir, true, deadline);
    if result.is_err() {
        // Half frozen is worse than not at all; the reason for it is what the caller needs.
        drop(dir.write("cgroup.freeze", "0"));
    }
    result
}

pub(crate) fn thaw(dir: &Dir, deadline: Duration) -> Result<()> {
    dir.write("cgroup.freeze", "0")?;
    if a_parent_is_frozen(dir) {
        return Err(Error::at(ErrorKind::Busy, "thaw", dir.path(), "a parent is frozen"));
    }
    set_frozen(dir, false, deadline)
}

fn a_parent_is_frozen(dir: &Dir) -> bool {
    let state = |path| Dir::open(path).and_then(|dir| dir.read("cgroup.freeze")).ok();
    // The root, which can't be frozen, has no such file; nor has what is above it.
    dir.path().ancestors().skip(1).map_while(state).any(|state| state.trim() == "1")
}

/// `cgroup.freeze` tells at once what was asked for; only `cgroup.events` tells that it is so.
fn set_frozen(dir: &Dir, frozen: bool, deadline: Duration) -> Result<()> {
    dir.write("cgroup.freeze", if frozen { "1" } else { "0" })?;
    let mut wait = Wait::new(deadline);
    while is_frozen(dir)? != frozen {
        if !wait.more() {
            return Err(timed_out(dir, if frozen { "freeze" } else { "thaw" }, deadline));
        }
    }
    Ok(())
}

pub(crate) fn is_frozen(dir: &Dir) -> Result<bool> {
    let events = dir.table("cgroup.events")?.unwrap_or_default();
    Ok(events.get("frozen") == Some(&1))
}

/// Kills everything here and below at once; false where the kernel (before 5.14) or a threaded cgroup can't.
pub(crate) fn kill(dir: &Dir) -> Result<bool> {
    match dir.write("cgroup.kill", "1") {
        Ok(()) => Ok(true),
        Err(e) if e.is(Errno::ENOENT) || e.is(Errno::EOPNOTSUPP) => Ok(false),
        Err(e) => Err(e),
    }
}

//! What v2 does without any controller: hand controllers down, freeze, kill.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;

use crate::cgroup::has_controller;
use crate::file::Dir;
use crate::threads::{THREADED_CONTROLLERS, is_threaded};
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
    hand_down(&missing, refused, |words| dir.write(SUBTREE, words));
    Ok(())
}

/// Hands down to threaded children what can count threads, which processes of its own don't hinder.
pub(crate) fn enable_threaded(dir: &Dir, refused: &mut Refused) -> Result<()> {
    let available = dir.read("cgroup.controllers")?;
    let enabled = dir.read(SUBTREE)?;
    let missing: Vec<_> = available
        .split_whitespace()
        .filter(|c| THREADED_CONTROLLERS.contains(c) && enabled.split_whitespace().all(|e| e != *c))
        .collect();
    hand_down(&missing, refused, |words| dir.write(SUBTREE, words));
    Ok(())
}

/// One write enables all or none of them, so what is refused together is tried one by one.
fn hand_down(missing: &[&str], refused: &mut Refused, write: impl Fn(&str) -> Result<()>) {
    let all: Vec<_> = missing.iter().map(|c| format!("+{c}")).collect();
    if all.is_empty() {
        return;
    }
    match write(&all.join(" ")) {
        Ok(()) => return,
        // Somebody came meanwhile. One by one, some would be taken, and make a threaded cgroup of it.
        Err(error) if error.is(Errno::EBUSY) => {
            let error = explained(error).to_string();
            refused.extend(missing.iter().map(|controller| ((*controller).to_owned(), error.clone())));
            return;
        }
        Err(_) => {}
    }
    for (controller, word) in missing.iter().zip(&all) {
        if let Err(error) = write(word) {
            refused.insert((*controller).to_owned(), explained(error).to_string());
        }
    }
}

/// Why a controller isn't here, where nothing else is known of it.
pub(crate) fn not_here(dir: &Dir, controller: &str) -> String {
    if is_threaded(dir) && !THREADED_CONTROLLERS.contains(&controller) {
        return "the cgroup is threaded, and only cpu, cpuset, perf_event and pids can count threads"
            .to_owned();
    }
    for above in dir.path().ancestors().skip(1) {
        match Dir::open(above).and_then(|above| has_controller(&above, controller)) {
            Ok(true) => {
                return format!("{above:?} has it and does not hand it down (cgroup.subtree_control)");
            }
            Ok(false) => {}
            Err(_) => break,
        }
    }
    "no v2 cgroup above it has it either: the kernel lacks it, cgroup v1 has it, or it was kept back above"
        .to_owned()
}

/// Says which parent allows no more cgroups below it; the kernel says only that there are too many.
pub(crate) fn too_many(parent: &Path, error: Error) -> Error {
    let error = error.kind_is(ErrorKind::Busy);
    for (depth, path) in parent.ancestors().enumerate() {
        let Ok(dir) = Dir::open(path) else { continue };
        let limit = |name| dir.number(name).ok().flatten();
        if let Some(most) = limit("cgroup.max.depth").filter(|&most| most <= depth as u64) {
            return error.note(format!("{path:?} allows {most} levels below it (cgroup.max.depth)"));
        }
        let now = dir.table("cgroup.stat").ok().flatten().unwrap_or_default();
        let now = now.get("nr_descendants").copied().unwrap_or(0);
        if let Some(most) = limit("cgroup.max.descendants").filter(|&most| most <= now) {
            return error.note(format!("{path:?} allows {most} cgroups below it (cgroup.max.descendants)"));
        }
    }
    error
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
        Errno::EBUSY => error.note("a cgroup with processes of its own can't hand controllers down"),
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

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::fs;

    use super::*;
    use crate::ErrorKind;

    /// T19, T22: the kernel enables all or none, and takes no cpu while a realtime process is in the root.
    #[test]
    fn what_the_kernel_refuses_does_not_keep_the_others_back() {
        let written = RefCell::new(Vec::new());
        let kernel = |words: &str| {
            if words.split(' ').any(|word| word == "+cpu") {
                return Err(Error::os("write to", Path::new("/c/cgroup.subtree_control"), Errno::EINVAL));
            }
            written.borrow_mut().push(words.to_owned());
            Ok(())
        };
        let mut refused = Refused::new();
        hand_down(&["cpu", "memory", "pids"], &mut refused, kernel);
        assert_eq!(*written.borrow(), ["+memory", "+pids"]);
        assert_eq!(refused.keys().collect::<Vec<_>>(), ["cpu"]);
        assert!(
            refused["cpu"].ends_with("realtime processes keep the cpu controller where it is"),
            "{refused:?}"
        );
    }

    /// T9, T17: half frozen is worse than not at all.
    #[test]
    fn a_freeze_that_fails_thaws() {
        let path = std::env::temp_dir().join(format!("cgroups-core-freeze-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join("cgroup.freeze"), "0").unwrap();
        fs::write(path.join("cgroup.events"), "populated 1\nfrozen 0\n").unwrap();
        let result = freeze(&Dir::open(&path).unwrap(), Duration::from_millis(5));
        let left = fs::read_to_string(path.join("cgroup.freeze")).unwrap();
        fs::remove_dir_all(&path).unwrap();
        assert_eq!(result.unwrap_err().kind(), ErrorKind::TimedOut);
        assert_eq!(left, "0");
    }
}

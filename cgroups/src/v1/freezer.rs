//! Stopping all processes, and letting them go on.

use std::time::Duration;

use crate::file::Dir;
use crate::wait::Wait;
use crate::{Error, ErrorKind, Result};

const STATE: &str = "freezer.state";

/// Freezes, or leaves everything thawed.
pub(crate) fn freeze(dir: &Dir, deadline: Duration) -> Result<()> {
    let result = try_freeze(dir, deadline);
    if result.is_err() {
        // Half frozen is worse than not at all; the reason for it is what the caller needs.
        drop(dir.write(STATE, "THAWED"));
    }
    result
}

fn try_freeze(dir: &Dir, deadline: Duration) -> Result<()> {
    let mut wait = Wait::new(deadline);
    loop {
        // Written anew each time: what was forked meanwhile is frozen only by the next write.
        dir.write(STATE, "FROZEN")?;
        if dir.read(STATE)?.trim() == "FROZEN" {
            return Ok(());
        }
        // Now and then FREEZING stays for good, unless everything may go on for a moment.
        if wait.times() % 50 == 49 {
            dir.write(STATE, "THAWED")?;
        }
        if !wait.more() {
            return Err(timed_out(dir, "freeze", deadline));
        }
    }
}

pub(crate) fn thaw(dir: &Dir, deadline: Duration) -> Result<()> {
    dir.write(STATE, "THAWED")?;
    if dir.number("freezer.parent_freezing")? == Some(1) {
        return Err(Error::at(ErrorKind::Busy, "thaw", dir.path(), "a parent is frozen"));
    }
    let mut wait = Wait::new(deadline);
    while dir.read(STATE)?.trim() != "THAWED" {
        if !wait.more() {
            return Err(timed_out(dir, "thaw", deadline));
        }
    }
    Ok(())
}

pub(crate) fn is_frozen(dir: &Dir) -> Result<bool> {
    Ok(dir.read(STATE)?.trim() == "FROZEN")
}

pub(crate) fn timed_out(dir: &Dir, what: &str, deadline: Duration) -> Error {
    Error::at(ErrorKind::TimedOut, what, dir.path(), format_args!("not done after {deadline:?}"))
}

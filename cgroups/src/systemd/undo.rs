//! Taking back a start that failed, without ending anybody's process.

use std::collections::BTreeSet;
use std::fs;

use super::manager::Systemd;
use super::object::to_manager;
use super::value::Value;
use crate::cgroup::{living, put_back};
use crate::{Error, Result};

/// Processes, and where they were before a unit got them.
pub(crate) struct Moved(Vec<(u32, Vec<u8>)>);

impl Moved {
    pub(crate) fn of(pids: &[u32]) -> Moved {
        let membership = |&pid: &u32| Some((pid, fs::read(format!("/proc/{pid}/cgroup")).ok()?));
        Moved(pids.iter().filter_map(membership).collect())
    }

    /// Puts processes back where they were; whoever is not known was born meanwhile, of one of those that are.
    pub(crate) fn put_back(&self, pids: impl IntoIterator<Item = u32>) {
        for pid in pids {
            let was = self.0.iter().find(|(known, _)| *known == pid).or(self.0.first());
            if let Some((_, before)) = was {
                put_back(before, pid);
            }
        }
    }

    /// Those that are in the unit now, by what the kernel says.
    fn inside(&self, unit: &str) -> impl Iterator<Item = u32> {
        self.0.iter().map(|(pid, _)| *pid).filter(move |&pid| lies_in(pid, unit) == Some(true))
    }

    /// Tells whether processes of these live, and not one of them in the unit.
    pub(crate) fn none_inside(&self, unit: &str) -> bool {
        let mut places = self.0.iter().filter_map(|(pid, _)| lies_in(*pid, unit)).peekable();
        places.peek().is_some() && !places.any(|inside| inside)
    }
}

/// Tells whether a process is in a unit, by what the kernel says; `None` for one that has ended, which v1 shows in the
/// root until it is reaped.
fn lies_in(pid: u32, unit: &str) -> Option<bool> {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    let inside = text.lines().any(|line| line.split('/').any(|part| part == unit));
    (inside || lives(pid)).then_some(inside)
}

fn lives(pid: u32) -> bool {
    // The name in parentheses may have any byte in it.
    let status = fs::read(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = status.rsplit(|&byte| byte == b')').next().and_then(|rest| rest.trim_ascii_start().first());
    !status.is_empty() && !matches!(state, Some(b'Z' | b'X'))
}

impl Systemd {
    /// Puts the processes of a unit back and stops it; one in which a process stays is left, for its end would be the
    /// process's, and the error then says so.
    pub(crate) fn undo(&self, unit: &str, moved: &Moved, error: Error) -> Error {
        // They may fork while they are moved.
        const ROUNDS: usize = 5;
        let mut inside = self.processes(unit, moved);
        for _ in 0..ROUNDS {
            match &inside {
                Ok(pids) if !pids.is_empty() => moved.put_back(pids.iter().copied()),
                _ => break,
            }
            inside = self.processes(unit, moved);
        }
        match inside {
            Ok(pids) if pids.is_empty() => match self.stop(unit).and_then(|()| self.reset_failed(unit)) {
                Ok(()) => error,
                Err(failed) => error.note(format_args!("and systemd unit {unit:?} may be left: {failed}")),
            },
            Ok(pids) => {
                let pids: Vec<u32> = pids.into_iter().collect();
                let why = living(&pids);
                error.note(format_args!("systemd unit {unit:?} is left, for {why} and can't be put back"))
            }
            Err(unknown) => error.note(format_args!("systemd unit {unit:?} may be left: {unknown}")),
        }
    }

    /// All processes of a unit.
    fn processes(&self, unit: &str, moved: &Moved) -> Result<BTreeSet<u32>> {
        let found = match self.peer.call(&to_manager("GetUnitProcesses", vec![Value::from(unit)])) {
            Ok(answer) => answer,
            Err(failure) if failure.is("NoSuchUnit") => Vec::new(),
            // Before systemd 230.
            Err(failure) if failure.is("UnknownMethod") => Vec::new(),
            Err(failure) => {
                return Err(failure.into_error(format_args!("list the processes of systemd unit {unit:?}")));
            }
        };
        let mut pids: BTreeSet<u32> = moved.inside(unit).collect();
        // Of each its cgroup, its number and its command line.
        if let Some(Value::Array(_, processes)) = found.first() {
            pids.extend(processes.iter().filter_map(|process| match process {
                Value::Struct(fields) => u32::try_from(fields.get(1)?.as_u64()?).ok(),
                _ => None,
            }));
        }
        Ok(pids)
    }
}

//! What is written down about a container, so that another process finds it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};

/// A state file is never larger than this, in bytes.
const LIMIT: u64 = 16 << 20;

/// The contents of a state file.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) id: String,
    /// The first process and when it was started; none before it exists.
    pub(crate) init: Option<Born>,
    /// The container's cgroup, for each hierarchy.
    pub(crate) cgroup: BTreeMap<String, PathBuf>,
    /// When the container was made: nanoseconds since 1970.
    pub(crate) created: u64,
    /// What the maker wants to find again: the bundle, say.
    pub(crate) notes: BTreeMap<String, String>,
    pub(crate) config: Config,
}

/// A process, told from another of the same number by its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Born {
    pub(crate) pid: u32,
    /// Clock ticks after the boot, [`proc_pid_stat(5)`](https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html).
    pub(crate) start: u64,
}

impl Born {
    /// Looks a process up; `None` where there is none of this number.
    pub(crate) fn of(pid: u32) -> Option<Born> {
        let line = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name is in parentheses and may hold anything; field 22 is the 20th after it.
        let start = line.rsplit_once(')')?.1.split_ascii_whitespace().nth(19)?.parse().ok()?;
        Some(Born { pid, start })
    }
}

impl State {
    /// Writes the state so that a reader finds the old or the new one, whole.
    pub(crate) fn write(&self, file: &Path) -> Result<()> {
        let failed =
            |error: &std::io::Error| Error::io(format_args!("write {}", file.display()), error).at(file);
        let next = file.with_extension("next");
        let bytes = serde_json::to_vec(self).map_err(|error| failed(&error.into()))?;
        File::create(&next).and_then(|mut next| next.write_all(&bytes)).map_err(|error| failed(&error))?;
        fs::rename(&next, file).map_err(|error| failed(&error))
    }

    /// Reads a state; `None` where there is none.
    pub(crate) fn read(file: &Path) -> Result<Option<State>> {
        let failed =
            |error: &std::io::Error| Error::io(format_args!("read {}", file.display()), error).at(file);
        let mut bytes = Vec::new();
        match File::open(file) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            opened => opened
                .and_then(|file| file.take(LIMIT).read_to_end(&mut bytes))
                .map_err(|error| failed(&error))?,
        };
        let state = serde_json::from_slice(&bytes).map_err(|error| {
            Error::new(ErrorKind::Malformed, format_args!("read {}: {error}", file.display())).at(file)
        })?;
        Ok(Some(state))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_its_start() {
        let own = Born::of(std::process::id()).unwrap();
        assert!(own.start > 0);
        assert_eq!(Born::of(std::process::id()), Some(own));
        assert_eq!(Born::of(u32::MAX), None);
    }
}

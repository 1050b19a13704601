//! The door of `tests/fuzz` to the parsers, which are private. Compiled for it only.
#![allow(missing_docs)]

use std::collections::BTreeSet;

use crate::events::counters::{self, Life};

/// The counters of `memory.events`, `pids.events` and `memory.oom_control`.
pub fn counters(text: &str) -> [Result<Vec<u64>, String>; 3] {
    [counters::MEMORY, counters::PIDS, counters::OOM_CONTROL].map(|rows| counters::counts(text, rows))
}

/// What `cgroup.events` says: populated, and frozen where it tells.
pub fn life(text: &str) -> Result<(bool, Option<bool>), String> {
    Life::parse(text).map(|life| (life.populated, life.frozen))
}

/// The members of a plain list of processors or memory nodes.
pub fn members(list: &str) -> Option<BTreeSet<u32>> {
    crate::cpulist::members(list)
}

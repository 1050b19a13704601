//! How many processes and threads.

use crate::Result;
use crate::file::Dir;
use crate::resources::Pids;
use crate::stats::PidsStats;
use crate::v1::memory::read_limit;

pub(crate) fn set(dir: &Dir, pids: &Pids) -> Result<()> {
    match pids.limit {
        Some(-1) => dir.write("pids.max", "max"),
        Some(limit) => dir.write("pids.max", &limit.to_string()),
        None => Ok(()),
    }
}

pub(crate) fn stats(dir: &Dir) -> Result<Option<PidsStats>> {
    let Some(current) = dir.number("pids.current")? else { return Ok(None) };
    Ok(Some(PidsStats { current, limit: read_limit(dir, "pids.max")? }))
}

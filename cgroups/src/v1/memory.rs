//! Memory, and memory and swap together.

use nix::errno::Errno;

use crate::file::Dir;
use crate::resources::Memory;
use crate::stats::{Limit, MemoryStats, limit};
use crate::{Error, Result};

const LIMIT: &str = "memory.limit_in_bytes";
const USAGE: &str = "memory.usage_in_bytes";
const BOTH_LIMIT: &str = "memory.memsw.limit_in_bytes";

pub(crate) fn set(dir: &Dir, memory: &Memory) -> Result<()> {
    let limit = memory.limit.filter(|&n| n != 0);
    let mut both = memory.swap.filter(|&n| n != 0);
    // Without swap accounting there is no such file, and no such limit either.
    let both_known = both.is_some_and(|n| n != -1) || dir.has(BOTH_LIMIT);
    // A limit of memory and swap would keep memory from being unlimited.
    if limit == Some(-1) && both.is_none() {
        both = Some(-1);
    }
    let mut values = Vec::new();
    if let Some(limit) = limit {
        values.push((LIMIT, limit.to_string()));
    }
    if let Some(both) = both.filter(|_| both_known) {
        values.push((BOTH_LIMIT, both.to_string()));
    }
    // Memory may never exceed memory and swap: which goes first depends on what is in force.
    dir.write_all(&values).map_err(|e| in_use(dir, e))?;
    if let Some(reservation) = memory.reservation.filter(|&n| n != 0) {
        dir.write("memory.soft_limit_in_bytes", &reservation.to_string())?;
    }
    Ok(())
}

/// The kernel refuses a limit below what is in use with no more than EBUSY.
fn in_use(dir: &Dir, error: Error) -> Error {
    match dir.number(USAGE) {
        Ok(Some(usage)) if error.is(Errno::EBUSY) => error.note(format_args!("{usage} bytes are in use")),
        _ => error,
    }
}

pub(crate) fn stats(dir: &Dir) -> Result<Option<MemoryStats>> {
    let Some(usage) = dir.number(USAGE)? else { return Ok(None) };
    Ok(Some(MemoryStats {
        usage,
        max_usage: dir.number("memory.max_usage_in_bytes")?,
        limit: read_limit(dir, LIMIT)?,
        swap_usage: dir.number("memory.memsw.usage_in_bytes")?,
        swap_limit: read_limit(dir, BOTH_LIMIT)?,
        failures: dir.number("memory.failcnt")?,
        oom_kills: dir.table("memory.oom_control")?.and_then(|t| t.get("oom_kill").copied()),
        detail: dir.table("memory.stat")?.unwrap_or_default(),
    }))
}

/// Reads a limit; `None` where there is no such file.
pub(crate) fn read_limit(dir: &Dir, name: &str) -> Result<Option<Limit>> {
    let Some(text) = dir.read_if_there(name)? else { return Ok(None) };
    limit(text.trim()).map(Some).map_err(|what| Error::malformed(&dir.path().join(name), what))
}

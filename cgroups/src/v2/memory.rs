//! Memory and swap, which v2 counts apart.

use crate::file::Dir;
use crate::resources::{Memory, invalid};
use crate::stats::{Limit, MemoryStats};
use crate::v1::memory::read_limit;
use crate::{Error, ErrorKind, Result};

pub(crate) fn set(dir: &Dir, memory: &Memory) -> Result<()> {
    let limit = memory.limit.unwrap_or(0);
    let swap = swap_of(memory.swap.unwrap_or(0), limit)?;
    if memory.check_before_update && limit > 0 {
        enough(dir, limit)?;
    }
    if let Some(swap) = swap {
        // Without swap accounting there is no such file; then no swap and any swap are as they were.
        if dir.has("memory.swap.max") || swap > 0 {
            dir.write("memory.swap.max", &max(swap))?;
        }
    }
    if limit != 0 {
        dir.write("memory.max", &max(limit))?;
    }
    if let Some(reservation) = memory.reservation.filter(|&n| n != 0) {
        dir.write("memory.low", &max(reservation))?;
    }
    Ok(())
}

/// v2 takes any limit at once, and kills until it holds.
fn enough(dir: &Dir, limit: i64) -> Result<()> {
    match dir.number("memory.current")? {
        Some(usage) if usage > limit as u64 => {
            let action = format!("set memory.limit {limit} of");
            Err(Error::at(ErrorKind::Busy, action, dir.path(), format_args!("{usage} bytes are in use")))
        }
        _ => Ok(()),
    }
}

/// The swap that is left of memory and swap together; `None` where there is nothing to set.
fn swap_of(both: i64, limit: i64) -> Result<Option<i64>> {
    match (both, limit) {
        (0, -1) | (-1, _) => Ok(Some(-1)),
        (0, _) => Ok(None),
        (both, _) if both < -1 => Err(invalid("memory.swap", both, "negative, and not -1 for no limit")),
        (both, -1) => Ok(Some(both)),
        (both, 0) => Err(invalid("memory.swap", both, "it needs memory.limit beside it on cgroup v2")),
        (both, limit) if limit < 0 || both < limit => {
            Err(invalid("memory.swap", both, format!("memory and swap together, below memory.limit {limit}")))
        }
        (both, limit) => Ok(Some(both - limit)),
    }
}

fn max(value: i64) -> String {
    if value == -1 { "max".to_owned() } else { value.to_string() }
}

pub(crate) fn stats(dir: &Dir) -> Result<Option<MemoryStats>> {
    // The root has no such file.
    let Some(usage) = dir.number("memory.current")? else { return Ok(None) };
    let limit = read_limit(dir, "memory.max")?;
    let swap_limit = match (limit, read_limit(dir, "memory.swap.max")?) {
        (Some(Limit::At(memory)), Some(Limit::At(swap))) => Some(Limit::At(memory.saturating_add(swap))),
        (Some(_), Some(_)) => Some(Limit::Unlimited),
        _ => None,
    };
    let events = dir.table("memory.events")?.unwrap_or_default();
    Ok(Some(MemoryStats {
        usage,
        max_usage: dir.number("memory.peak")?,
        limit,
        swap_usage: dir.number("memory.swap.current")?.map(|swap| usage.saturating_add(swap)),
        swap_limit,
        failures: events.get("max").copied(),
        oom_kills: events.get("oom_kill").copied(),
        detail: dir.table("memory.stat")?.unwrap_or_default(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn swap_is_what_memory_and_swap_leave() {
        let table = [
            ((0, 0), None),
            ((-1, 0), Some(-1)),
            ((300, -1), Some(300)),
            ((-1, -1), Some(-1)),
            ((-1, 1000), Some(-1)),
            ((1000, 1000), Some(0)), // no swap, which has to be written
            ((500, 200), Some(300)),
            ((0, -1), Some(-1)),
        ];
        for ((both, limit), swap) in table {
            assert_eq!(swap_of(both, limit).unwrap(), swap, "{both} {limit}");
        }
        for (both, limit) in [(-2, 0), (300, 400), (300, 0), (300, -300)] {
            assert_eq!(swap_of(both, limit).unwrap_err().kind(), ErrorKind::InvalidInput, "{both} {limit}");
        }
    }
}

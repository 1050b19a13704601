//! Memory and swap, which v2 counts apart.

use crate::adjusted::{self, Report};
use crate::file::Dir;
use crate::resources::{Memory, invalid, unsupported};
use crate::{Error, ErrorKind, Limit, Result};

const LIMIT: &str = "memory.max";
const SWAP: &str = "memory.swap.max";
const RESERVATION: &str = "memory.low";

pub(crate) fn set(dir: &Dir, memory: &Memory, report: &mut Report) -> Result<()> {
    only_v1(memory)?;
    let limit = memory.limit.unwrap_or(0);
    let swap = swap(dir, memory)?;
    if memory.check_before_update {
        check(dir, memory)?;
    }
    let reservation = memory.reservation.filter(|&n| n != 0);
    let given = [(SWAP, swap), (LIMIT, Some(limit).filter(|&n| n != 0)), (RESERVATION, reservation)];
    for (name, value) in given {
        if let Some(value) = value {
            dir.write(name, &max(value))?;
            adjusted::bytes(dir, name, value, None, report)?;
        }
    }
    Ok(())
}

/// The swap to be written.
fn swap(dir: &Dir, memory: &Memory) -> Result<Option<i64>> {
    let (limit, both) = (memory.limit.unwrap_or(0), memory.swap.unwrap_or(0));
    let swap = swap_of(both, if limit == 0 && both > 0 { in_force(dir)? } else { limit })?;
    // Without swap accounting there is no such file; then no swap and any swap are as they were.
    Ok(swap.filter(|&swap| swap > 0 || dir.has(SWAP)))
}

/// Refuses limits below what is in use.
pub(crate) fn check(dir: &Dir, memory: &Memory) -> Result<()> {
    if let Some(limit) = memory.limit.filter(|&limit| limit > 0) {
        enough(dir, limit)?;
    }
    swap(dir, memory)?.map_or(Ok(()), |swap| enough_swap(dir, swap))
}

/// Refuses what v2 has no file for.
fn only_v1(memory: &Memory) -> Result<()> {
    let counted = "cgroup v2 counts it as memory, under memory.limit";
    for (name, value) in [("memory.kernel", memory.kernel), ("memory.kernel_tcp", memory.kernel_tcp)] {
        if let Some(value) = value.filter(|&n| n > 0) {
            return Err(unsupported(name, value, counted));
        }
    }
    if let Some(swappiness) = memory.swappiness {
        return Err(unsupported("memory.swappiness", swappiness, "only cgroup v1 has one for each cgroup"));
    }
    if memory.disable_oom_killer == Some(true) {
        return Err(unsupported("memory.disable_oom_killer", true, "only cgroup v1 can do without"));
    }
    if memory.use_hierarchy == Some(false) {
        return Err(unsupported("memory.use_hierarchy", false, "cgroup v2 always counts what is below"));
    }
    Ok(())
}

/// The limit that memory and swap are counted with where none is given; 0 where there is none.
fn in_force(dir: &Dir) -> Result<i64> {
    Ok(match dir.limit(LIMIT)? {
        Some(Limit::At(limit)) => i64::try_from(limit).unwrap_or(0),
        _ => 0,
    })
}

/// Swap that is used beyond the limit stays; but more than memory could take back is asked for then.
fn enough_swap(dir: &Dir, limit: i64) -> Result<()> {
    match (dir.number("memory.swap.current")?, u64::try_from(limit)) {
        (Some(usage), Ok(limit)) if usage > limit => {
            let action = format!("set swap {limit} of");
            let why = format_args!("{usage} bytes of swap are in use");
            Err(Error::at(ErrorKind::Busy, action, dir.path(), why))
        }
        _ => Ok(()),
    }
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
pub(crate) fn swap_of(both: i64, limit: i64) -> Result<Option<i64>> {
    match (both, limit) {
        (0, -1) | (-1, _) => Ok(Some(-1)),
        (0, _) => Ok(None),
        (both, _) if both < -1 => Err(invalid("memory.swap", both, "negative, and not -1 for no limit")),
        (both, -1) => Ok(Some(both)),
        (both, 0) => Err(invalid("memory.swap", both, "it needs a limit of memory beside it on cgroup v2")),
        (both, limit) if limit < 0 || both < limit => {
            Err(invalid("memory.swap", both, format!("memory and swap together, below memory.limit {limit}")))
        }
        (both, limit) => Ok(Some(both - limit)),
    }
}

fn max(value: i64) -> String {
    if value == -1 { "max".to_owned() } else { value.to_string() }
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

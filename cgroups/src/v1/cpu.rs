//! Shares, quota and idle; the times of cpuacct.

use std::time::Duration;

use crate::file::{Dir, parse};
use crate::resources::{Cpu, invalid};
use crate::stats::{CpuStats, Throttling};
use crate::{Error, Result};

pub(crate) fn set(dir: &Dir, cpu: &Cpu) -> Result<()> {
    if let Some(weight) = cpu.weight {
        return Err(invalid("cpu.weight", weight, "cgroup v1 has shares instead"));
    }
    let mut values = Vec::new();
    if let Some(shares) = cpu.shares.filter(|&n| n != 0) {
        values.push(("cpu.shares", shares.to_string()));
    }
    // Before Linux 5.15 and 5.14 these files are not there, and nothing is idle or bursts.
    if let Some(idle) = cpu.idle.filter(|&idle| idle || dir.has("cpu.idle")) {
        values.push(("cpu.idle", u8::from(idle).to_string()));
    }
    if let Some(period) = cpu.period.filter(|&n| n != 0) {
        values.push(("cpu.cfs_period_us", period.to_string()));
    }
    if let Some(quota) = cpu.quota.filter(|&n| n != 0) {
        values.push(("cpu.cfs_quota_us", quota.to_string()));
    }
    if let Some(burst) = cpu.burst.filter(|&n| n != 0 || dir.has("cpu.cfs_burst_us")) {
        values.push(("cpu.cfs_burst_us", burst.to_string()));
    }
    dir.write_all(&values)?;
    if let Some(shares) = cpu.shares.filter(|&n| n != 0) {
        took_shares(dir, shares)?;
    }
    Ok(())
}

/// The kernel puts shares out of range to the nearest in range, and says nothing.
fn took_shares(dir: &Dir, asked: u64) -> Result<()> {
    match dir.number("cpu.shares")? {
        Some(taken) if taken > asked => {
            Err(invalid("cpu.shares", asked, format!("the least that the kernel takes is {taken}")))
        }
        Some(taken) if taken < asked => {
            Err(invalid("cpu.shares", asked, format!("the most that the kernel takes is {taken}")))
        }
        _ => Ok(()),
    }
}

/// Reads what a quota held back, from the hierarchy of `cpu`.
pub(crate) fn throttling(dir: &Dir) -> Result<Option<Throttling>> {
    let Some(stat) = dir.table("cpu.stat")? else { return Ok(None) };
    let get = |key: &str| stat.get(key).copied();
    let (Some(periods), Some(throttled_periods), Some(time)) =
        (get("nr_periods"), get("nr_throttled"), get("throttled_time"))
    else {
        return Ok(None);
    };
    Ok(Some(Throttling { periods, throttled_periods, throttled_time: Duration::from_nanos(time) }))
}

/// Reads the times, from the hierarchy of `cpuacct`.
pub(crate) fn times(dir: &Dir) -> Result<Option<CpuStats>> {
    let Some(usage) = dir.number("cpuacct.usage")? else { return Ok(None) };
    let nanos = |name| Ok::<_, Error>(dir.number(name)?.map(Duration::from_nanos));
    Ok(Some(CpuStats {
        usage: Duration::from_nanos(usage),
        user: nanos("cpuacct.usage_user")?,
        system: nanos("cpuacct.usage_sys")?,
        per_cpu: per_cpu(dir)?,
        throttling: None,
    }))
}

fn per_cpu(dir: &Dir) -> Result<Vec<Duration>> {
    let name = "cpuacct.usage_percpu";
    let text = dir.read_if_there(name)?.unwrap_or_default();
    text.split_whitespace()
        .map(|word| parse(word).map(Duration::from_nanos))
        .collect::<std::result::Result<_, _>>()
        .map_err(|what| Error::malformed(&dir.path().join(name), what))
}

//! Shares, quota, idle and realtime.

use std::ops::RangeInclusive;

use nix::errno::Errno;

use crate::bandwidth::{Bandwidth, ancestors, below};
use crate::file::Dir;
use crate::resources::{Cpu, invalid, unsupported};
use crate::{Error, ErrorKind, Result};

/// Of these the kernel keeps every one as it is.
const SHARES: RangeInclusive<u64> = 2..=262_144;

const QUOTA: &str = "cpu.cfs_quota_us";
const PERIOD: &str = "cpu.cfs_period_us";
const BURST: &str = "cpu.cfs_burst_us";
const RT_RUNTIME: &str = "cpu.rt_runtime_us";
const RT_PERIOD: &str = "cpu.rt_period_us";

pub(crate) fn set(dir: &Dir, cpu: &Cpu) -> Result<()> {
    if let Some(weight) = cpu.weight.filter(|&n| n != 0) {
        return Err(unsupported("cpu.weight", weight, "cgroup v1 has shares instead"));
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
        values.push((PERIOD, period.to_string()));
    }
    if let Some(quota) = cpu.quota.filter(|&n| n != 0) {
        values.push((QUOTA, quota.to_string()));
    }
    if let Some(burst) = cpu.burst.filter(|&n| n != 0 || dir.has(BURST)) {
        values.push((BURST, burst.to_string()));
    }
    if let Some(period) = cpu.realtime_period.filter(|&n| n != 0) {
        values.push((RT_PERIOD, period.to_string()));
    }
    if let Some(runtime) = cpu.realtime_runtime.filter(|&n| n != 0) {
        values.push((RT_RUNTIME, runtime.to_string()));
    }
    dir.write_all(&values).map_err(|e| refused(dir, cpu, e))?;
    if let Some(shares) = cpu.shares.filter(|&n| n != 0 && !SHARES.contains(&n)) {
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

/// Says what the kernel means.
fn refused(dir: &Dir, cpu: &Cpu, error: Error) -> Error {
    let is = |errno| error.is(errno);
    let why = match (error.file_name(), is(Errno::EINVAL), is(Errno::EBUSY)) {
        ("cpu.shares", true, _) => is_idle(dir).then(|| "an idle cgroup has no shares".to_owned()),
        (QUOTA | PERIOD, true, _) => quota_fault(dir, cpu),
        (BURST, true, _) => in_force(dir, cpu).map(|now| format!("the quota is {now}, and no burst is more")),
        (RT_RUNTIME | RT_PERIOD, true, _) => realtime_fault(dir, cpu),
        (RT_RUNTIME, _, true) => Some("realtime processes live in it".to_owned()),
        (RT_RUNTIME | RT_PERIOD, ..) if is(Errno::ENOENT) && dir.has(PERIOD) => {
            return error
                .note("this kernel limits no realtime processes (CONFIG_RT_GROUP_SCHED)")
                .kind_is(ErrorKind::Unsupported);
        }
        _ => None,
    };
    match why {
        Some(why) => error.note(why),
        None => error,
    }
}

fn is_idle(dir: &Dir) -> bool {
    dir.number("cpu.idle").is_ok_and(|idle| idle == Some(1))
}

/// The quota and period that were asked for, or are in force where they were not.
fn in_force(dir: &Dir, cpu: &Cpu) -> Option<Bandwidth> {
    let now = Bandwidth::read(dir, QUOTA, PERIOD)?;
    let quota = cpu.quota.filter(|&n| n != 0).map_or(now.quota, |quota| u64::try_from(quota).ok());
    Some(Bandwidth { quota, period: cpu.period.filter(|&n| n != 0).unwrap_or(now.period) })
}

/// A child may have no larger part of a processor than its parents, and a parent no smaller one than its children.
fn quota_fault(dir: &Dir, cpu: &Cpu) -> Option<String> {
    let wanted = in_force(dir, cpu)?;
    if let Some(fault) = wanted.fault() {
        return Some(fault.to_owned());
    }
    // Whoever has no limit of its own has its parent's, which is never too much.
    let of = |dir: &Dir| Bandwidth::read(dir, QUOTA, PERIOD).filter(|theirs| theirs.quota.is_some());
    for parent in ancestors(dir, QUOTA) {
        if let Some(theirs) = of(&parent).filter(|theirs| wanted.quota.is_some() && wanted.exceeds(*theirs)) {
            return Some(format!("{:?} above it has less, {theirs}", parent.path()));
        }
    }
    for child in below(dir) {
        if let Some(theirs) = of(&child).filter(|theirs| theirs.exceeds(wanted)) {
            return Some(format!("{:?} below it has more, {theirs}", child.path()));
        }
    }
    let burst = dir.number(BURST).ok()??;
    wanted
        .quota
        .filter(|&quota| quota < burst)
        .map(|_| format!("the burst is {burst}, and no burst is more than the quota"))
}

/// All children together may have no more realtime than their parent.
fn realtime_fault(dir: &Dir, cpu: &Cpu) -> Option<String> {
    let of = |dir: &Dir| Bandwidth::read(dir, RT_RUNTIME, RT_PERIOD);
    let now = of(dir)?;
    let quota = cpu.realtime_runtime.filter(|&n| n != 0).map_or(now.quota, |n| u64::try_from(n).ok());
    let period = cpu.realtime_period.filter(|&n| n != 0).unwrap_or(now.period);
    if quota.is_some_and(|quota| quota > period) {
        return Some("the runtime is longer than the period".to_owned());
    }
    let wanted = Bandwidth { quota, period };
    for child in below(dir) {
        if let Some(theirs) = of(&child).filter(|theirs| theirs.exceeds(wanted)) {
            return Some(format!("{:?} below it has more, {theirs}", child.path()));
        }
    }
    let parent = ancestors(dir, RT_RUNTIME).next()?;
    let theirs = of(&parent)?;
    Some(format!("{:?} above it has {theirs} for all that is in it", parent.path()))
}

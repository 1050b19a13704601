//! How the kernel serves a process, as bundles ask for it.

use super::{invalid, spec};
use crate::config::{
    CpuAffinity, IoClass, IoPriority, MemoryFlag, MemoryMode, MemoryPolicy, Personality, Scheduler,
    SchedulerFlag, SchedulerPolicy,
};
use crate::error::{Error, Result};

pub(super) fn scheduler(wanted: &spec::Scheduler) -> Result<Scheduler> {
    let policy = SchedulerPolicy::from_name(&wanted.policy)
        .ok_or_else(|| unknown("process.scheduler.policy", &wanted.policy))?;
    let mut scheduler = Scheduler::new(policy);
    let below = || invalid(format_args!("process.scheduler.priority: {} is below 0", wanted.priority));
    scheduler.priority = u32::try_from(wanted.priority).map_err(|_| below())?;
    scheduler.nice = wanted.nice;
    scheduler.flags = words("process.scheduler.flags", &wanted.flags, SchedulerFlag::from_name)?;
    (scheduler.runtime, scheduler.deadline, scheduler.period) =
        (wanted.runtime, wanted.deadline, wanted.period);
    Ok(scheduler)
}

pub(super) fn io_priority(wanted: &spec::IoPriority) -> Result<IoPriority> {
    let class = IoClass::from_name(&wanted.class)
        .ok_or_else(|| unknown("process.ioPriority.class", &wanted.class))?;
    let below = || invalid(format_args!("process.ioPriority.priority: {} is below 0", wanted.priority));
    Ok(IoPriority { class, priority: u32::try_from(wanted.priority).map_err(|_| below())? })
}

pub(super) fn cpu_affinity(wanted: &spec::CpuAffinity) -> CpuAffinity {
    let said = |list: &Option<String>| list.clone().filter(|list| !list.is_empty());
    let mut affinity = CpuAffinity::default();
    (affinity.initial, affinity.last) = (said(&wanted.initial), said(&wanted.last));
    affinity
}

pub(super) fn personality(wanted: &spec::Personality) -> Result<Personality> {
    if let Some(flag) = wanted.flags.first() {
        return Err(unknown("linux.personality.flags", flag));
    }
    match wanted.domain.as_str() {
        "LINUX" => Ok(Personality::Linux),
        "LINUX32" => Ok(Personality::Linux32),
        other => Err(unknown("linux.personality.domain", other)),
    }
}

pub(super) fn memory_policy(wanted: &spec::MemoryPolicy) -> Result<MemoryPolicy> {
    let mode = MemoryMode::from_name(&wanted.mode)
        .ok_or_else(|| unknown("linux.memoryPolicy.mode", &wanted.mode))?;
    let mut policy = MemoryPolicy::new(mode, &wanted.nodes);
    policy.flags = words("linux.memoryPolicy.flags", &wanted.flags, MemoryFlag::from_name)?;
    Ok(policy)
}

fn words<T>(field: &str, names: &[String], find: impl Fn(&str) -> Option<T>) -> Result<Vec<T>> {
    names.iter().map(|name| find(name).ok_or_else(|| unknown(field, name))).collect()
}

fn unknown(field: &str, word: &str) -> Error {
    invalid(format_args!("{field}: {word:?} is unknown"))
}

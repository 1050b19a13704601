//! Time on the processors.

use std::time::Duration;

use crate::Result;
use crate::stats::Figures;
use crate::stats::files::{Files, Reader};
use crate::stats::text::number;

/// Time on the processors, from [`cpu.stat`] of v2, or [`cpuacct`] and `cpu.stat` of v1.
///
/// [`cpu.stat`]: https://docs.kernel.org/admin-guide/cgroup-v2.html#cpu-interface-files
/// [`cpuacct`]: https://docs.kernel.org/admin-guide/cgroup-v1/cpuacct.html
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
#[non_exhaustive]
#[doc(alias = "CpuUsage")]
pub struct CpuStats {
    /// All of it.
    pub usage: Duration,
    /// The part spent in programs.
    pub user: Option<Duration>,
    /// The part spent in the kernel.
    pub system: Option<Duration>,
    /// The part of `user` spent in programs with a positive nice value (v2: Linux 6.13).
    pub nice: Option<Duration>,
    /// All of it by processor. Only v1 tells; empty on v2.
    pub per_cpu: Vec<Duration>,
    /// The time in programs by processor. Only v1 tells; empty on v2.
    pub per_cpu_user: Vec<Duration>,
    /// The time in the kernel by processor. Only v1 tells; empty on v2.
    pub per_cpu_system: Vec<Duration>,
    /// What a quota held back; `None` where the cpu controller is not there.
    pub throttling: Option<Throttling>,
    /// The lines of `cpu.stat` that have no field here, such as `core_sched.force_idle_usec`.
    pub other: Figures,
}

/// What a processor quota held back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
#[non_exhaustive]
#[doc(alias = "ThrottlingData")]
pub struct Throttling {
    /// The periods that have passed.
    pub periods: u64,
    /// Those among them in which the quota was used up.
    pub throttled_periods: u64,
    /// How long processes were held back, added up over the processors.
    pub throttled_time: Duration,
    /// How long processes right here were held back, by this cgroup's quota or one above it (Linux 6.6).
    pub throttled_time_local: Option<Duration>,
    /// The periods in which more than the quota was used, saved up before; `None` where the kernel doesn't
    /// count them.
    pub bursts: Option<u64>,
    /// How long the processors were used beyond the quota in those periods.
    pub burst_time: Option<Duration>,
}

impl CpuStats {
    /// Returns the use of the processors between an earlier look and this one, in per cent of one processor.
    ///
    /// 2014's figure was always 0: it divided whole numbers.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let (mut earlier, mut now) = (cgroups::CpuStats::default(), cgroups::CpuStats::default());
    /// now.usage = earlier.usage + Duration::from_millis(500);
    /// assert_eq!(now.percent_since(&earlier, Duration::from_secs(2)), 25.0);
    /// ```
    #[doc(alias = "PercentUsage")]
    pub fn percent_since(&self, earlier: &CpuStats, elapsed: Duration) -> f64 {
        if elapsed.is_zero() {
            return 0.0;
        }
        100.0 * self.usage.saturating_sub(earlier.usage).as_secs_f64() / elapsed.as_secs_f64()
    }
}

/// The lines of `cpu.stat` that a quota makes: v1 counts nanoseconds, v2 microseconds.
#[derive(Default)]
struct Quota {
    periods: Option<u64>,
    throttled_periods: Option<u64>,
    throttled_time: Option<Duration>,
    bursts: Option<u64>,
    burst_time: Option<Duration>,
}

impl Quota {
    fn take(&mut self, key: &str, value: u64) -> bool {
        match key {
            "nr_periods" => self.periods = Some(value),
            "nr_throttled" => self.throttled_periods = Some(value),
            "throttled_time" => self.throttled_time = Some(Duration::from_nanos(value)),
            "throttled_usec" => self.throttled_time = Some(Duration::from_micros(value)),
            "nr_bursts" => self.bursts = Some(value),
            "burst_time" => self.burst_time = Some(Duration::from_nanos(value)),
            "burst_usec" => self.burst_time = Some(Duration::from_micros(value)),
            _ => return false,
        }
        true
    }

    /// `None` where the cpu controller is not there, or the kernel has no quotas.
    fn throttling(&self, throttled_time_local: Option<Duration>) -> Option<Throttling> {
        Some(Throttling {
            periods: self.periods?,
            throttled_periods: self.throttled_periods?,
            throttled_time: self.throttled_time?,
            throttled_time_local,
            bursts: self.bursts,
            burst_time: self.burst_time,
        })
    }
}

pub(crate) fn read(files: &mut Files, into: &mut Option<CpuStats>) -> Result<()> {
    let cpu = into.get_or_insert_default();
    let found = if let Some(mut v1) = files.v1("cpuacct") {
        times(&mut v1, cpu)?
    } else if let Some(mut v2) = files.v2() {
        stat_of_v2(&mut v2, cpu)?
    } else {
        false
    };
    if !found {
        *into = None;
    } else if let Some(mut v1) = files.v1("cpu") {
        stat_of_v1(&mut v1, cpu)?;
    }
    Ok(())
}

fn stat_of_v2(files: &mut Reader<'_>, cpu: &mut CpuStats) -> Result<bool> {
    let mut quota = Quota::default();
    let (mut usage, mut user, mut system, mut nice) = (None, None, None, None);
    let Some(text) = files.text("cpu.stat")? else { return Ok(false) };
    let mut other = cpu.other.refill();
    text.pairs(|key, value| match key {
        "usage_usec" => usage = Some(Duration::from_micros(value)),
        "user_usec" => user = Some(Duration::from_micros(value)),
        "system_usec" => system = Some(Duration::from_micros(value)),
        "nice_usec" => nice = Some(Duration::from_micros(value)),
        key if quota.take(key, value) => {}
        key => other.put(key, value),
    })?;
    drop(other);
    let Some(usage) = usage else { return Ok(false) };
    (cpu.usage, cpu.user, cpu.system, cpu.nice) = (usage, user, system, nice);
    cpu.throttling = quota.throttling(local_time(files, &quota)?);
    Ok(true)
}

fn stat_of_v1(files: &mut Reader<'_>, cpu: &mut CpuStats) -> Result<()> {
    let mut quota = Quota::default();
    let mut other = cpu.other.refill();
    if let Some(text) = files.text("cpu.stat")? {
        text.pairs(|key, value| {
            if !quota.take(key, value) {
                other.put(key, value);
            }
        })?;
    }
    drop(other);
    cpu.throttling = quota.throttling(local_time(files, &quota)?);
    Ok(())
}

fn local_time(files: &mut Reader<'_>, quota: &Quota) -> Result<Option<Duration>> {
    if quota.periods.is_none() {
        return Ok(None);
    }
    let mut local = Quota::default();
    if let Some(text) = files.text("cpu.stat.local")? {
        text.pairs(|key, value| {
            local.take(key, value);
        })?;
    }
    Ok(local.throttled_time)
}

/// Reads the times of `cpuacct`, in nanoseconds.
fn times(files: &mut Reader<'_>, cpu: &mut CpuStats) -> Result<bool> {
    let nanos = |figure: Option<u64>| figure.map(Duration::from_nanos);
    let Some(usage) = nanos(files.number("cpuacct.usage")?) else { return Ok(false) };
    cpu.usage = usage;
    per_cpu(files, &mut cpu.per_cpu)?;
    if by_kind(files, cpu)? {
        cpu.user = Some(cpu.per_cpu_user.iter().copied().fold(Duration::ZERO, Duration::saturating_add));
        cpu.system = Some(cpu.per_cpu_system.iter().copied().fold(Duration::ZERO, Duration::saturating_add));
    } else {
        cpu.user = nanos(files.number("cpuacct.usage_user")?);
        cpu.system = nanos(files.number("cpuacct.usage_sys")?);
    }
    Ok(true)
}

fn per_cpu(files: &mut Reader<'_>, times: &mut Vec<Duration>) -> Result<()> {
    times.clear();
    let Some(text) = files.text("cpuacct.usage_percpu")? else { return Ok(()) };
    for word in text.content.split_ascii_whitespace() {
        times.push(Duration::from_nanos(number(word).map_err(|what| text.malformed(what))?));
    }
    Ok(())
}

/// Reads lines such as `0 1234 567` below `cpu user system`, of which the sums are the other files' figures; false
/// where there is no such file. Kernels of some vendors have further columns.
fn by_kind(files: &mut Reader<'_>, cpu: &mut CpuStats) -> Result<bool> {
    cpu.per_cpu_user.clear();
    cpu.per_cpu_system.clear();
    let Some(text) = files.text("cpuacct.usage_all")? else { return Ok(false) };
    text.lines(|line| {
        let mut words = line.split_ascii_whitespace();
        if words.next() == Some("cpu") {
            return Ok(());
        }
        let mut next = || number(words.next().unwrap_or_default()).map(Duration::from_nanos);
        cpu.per_cpu_user.push(next()?);
        cpu.per_cpu_system.push(next()?);
        Ok(())
    })?;
    Ok(!cpu.per_cpu_user.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_percentage_is_not_cut_to_a_whole_number() {
        let earlier = CpuStats { usage: Duration::from_millis(100), ..CpuStats::default() };
        let now = CpuStats { usage: Duration::from_millis(103), ..CpuStats::default() };
        assert!((now.percent_since(&earlier, Duration::from_secs(1)) - 0.3).abs() < 1e-9);
        assert!(now.percent_since(&earlier, Duration::ZERO).abs() < 1e-9);
        assert!(earlier.percent_since(&now, Duration::from_secs(1)).abs() < 1e-9);
    }
}

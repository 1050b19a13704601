//! Weight, quota and idle; the times.

use std::time::Duration;

use crate::Result;
use crate::file::Dir;
use crate::resources::Cpu;
use crate::stats::{CpuStats, Throttling};

pub(crate) fn set(dir: &Dir, cpu: &Cpu) -> Result<()> {
    let mut values = Vec::new();
    let shares = cpu.shares.filter(|&n| n != 0).map(weight_of);
    if let Some(weight) = cpu.weight.filter(|&n| n != 0).or(shares) {
        values.push(("cpu.weight", weight.to_string()));
    }
    // Before Linux 5.15 and 5.14 these files are not there, and nothing is idle or bursts.
    if let Some(idle) = cpu.idle.filter(|&idle| idle || dir.has("cpu.idle")) {
        values.push(("cpu.idle", u8::from(idle).to_string()));
    }
    if let Some(max) = max_of(dir, cpu)? {
        values.push(("cpu.max", max));
    }
    if let Some(burst) = cpu.burst.filter(|&n| n != 0 || dir.has("cpu.max.burst")) {
        values.push(("cpu.max.burst", burst.to_string()));
    }
    dir.write_all(&values)
}

/// Turns shares into a weight: 2, 1024 and 262144 are 1, 100 and 10000 of it, with a parabola in the logarithm
/// between them, as the runtimes agreed in 2025. (The line that they had before made 39 of the default.)
#[allow(clippy::cast_precision_loss, reason = "at most 18 bits")]
fn weight_of(shares: u64) -> u64 {
    match shares {
        0..=2 => 1,
        3..262_144 => {
            let log = (shares as f64).log2();
            let exponent = (log * log + 125.0 * log) / 612.0 - 7.0 / 34.0;
            (10_f64.powf(exponent).ceil() as u64).clamp(1, 10_000)
        }
        262_144.. => 10_000,
    }
}

/// The line for `cpu.max`. A quota alone keeps the period by itself; a period alone has to bring the quota.
fn max_of(dir: &Dir, cpu: &Cpu) -> Result<Option<String>> {
    let quota = cpu.quota.filter(|&n| n != 0).map(|n| if n == -1 { "max".to_owned() } else { n.to_string() });
    let period = cpu.period.filter(|&n| n != 0);
    Ok(match (quota, period) {
        (None, None) => None,
        (Some(quota), None) => Some(quota),
        (Some(quota), Some(period)) => Some(format!("{quota} {period}")),
        (None, Some(period)) => {
            let present = dir.read("cpu.max")?;
            let quota = present.split_whitespace().next().unwrap_or("max");
            Some(format!("{quota} {period}"))
        }
    })
}

pub(crate) fn stats(dir: &Dir) -> Result<Option<CpuStats>> {
    let Some(stat) = dir.table("cpu.stat")? else { return Ok(None) };
    let time = |key: &str| stat.get(key).copied().map(Duration::from_micros);
    let Some(usage) = time("usage_usec") else { return Ok(None) };
    let throttling = match (stat.get("nr_periods"), stat.get("nr_throttled"), time("throttled_usec")) {
        (Some(&periods), Some(&throttled_periods), Some(throttled_time)) => {
            Some(Throttling { periods, throttled_periods, throttled_time })
        }
        _ => None,
    };
    Ok(Some(CpuStats {
        usage,
        user: time("user_usec"),
        system: time("system_usec"),
        per_cpu: Vec::new(),
        throttling,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_become_weight_by_the_new_formula() {
        // The old linear formula gave 39 for the default of 1024, whose counterpart is 100.
        let table =
            [(1, 1), (2, 1), (3, 2), (1024, 100), (262_143, 10_000), (262_144, 10_000), (262_145, 10_000)];
        for (shares, weight) in table {
            assert_eq!(weight_of(shares), weight, "{shares}");
        }
    }

    #[test]
    fn weight_never_falls_as_shares_rise() {
        let weights: Vec<_> = (0..=262_144).step_by(7).map(weight_of).collect();
        assert!(weights.is_sorted());
    }
}

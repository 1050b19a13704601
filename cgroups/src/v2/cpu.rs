//! Weight, quota and idle.

use nix::errno::Errno;

use crate::bandwidth::Bandwidth;
use crate::file::Dir;
use crate::resources::{Cpu, unsupported};
use crate::{Error, Result};

pub(crate) fn set(dir: &Dir, cpu: &Cpu) -> Result<()> {
    for (name, value) in [
        ("cpu.realtime_runtime", cpu.realtime_runtime),
        ("cpu.realtime_period", cpu.realtime_period.and_then(|n| i64::try_from(n).ok())),
    ] {
        if let Some(value) = value.filter(|&n| n != 0) {
            return Err(unsupported(name, value, "only cgroup v1 limits realtime processes"));
        }
    }
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
    dir.write_all(&values).map_err(|e| refused(dir, cpu, e))
}

/// Says what the kernel means by EINVAL. A parent's quota forbids nothing here: it holds beside this one.
fn refused(dir: &Dir, cpu: &Cpu, error: Error) -> Error {
    if !error.is(Errno::EINVAL) && !error.is(Errno::ERANGE) {
        return error;
    }
    let why = match error.file_name() {
        "cpu.weight" if cpu.weight.is_some_and(|n| n > 10_000) => Some("a weight is 1 to 10000".to_owned()),
        "cpu.weight" => Some("an idle cgroup has no weight".to_owned()),
        "cpu.max" => quota_fault(dir, cpu),
        "cpu.max.burst" => dir.read("cpu.max").ok().map(|max| {
            format!("the quota and period are {}, and no burst is more than the quota", max.trim())
        }),
        _ => None,
    };
    match why {
        Some(why) => error.note(why),
        None => error,
    }
}

fn quota_fault(dir: &Dir, cpu: &Cpu) -> Option<String> {
    let line = max_of(dir, cpu).ok()??;
    let mut words = line.split(' ').map(|word| word.parse().ok());
    let quota = words.next().flatten();
    // Where only the quota was given, the period in force is one that the kernel took.
    let wanted = Bandwidth { quota, period: words.next().flatten().unwrap_or(100_000) };
    if let Some(fault) = wanted.fault() {
        return Some(fault.to_owned());
    }
    let burst = dir.number("cpu.max.burst").ok()??;
    quota
        .filter(|&quota| quota < burst)
        .map(|_| format!("the burst is {burst}, and no burst is more than the quota"))
}

/// Turns shares into a weight: 2, 1024 and 262144 are 1, 100 and 10000 of it, with a parabola in the logarithm
/// between them, as the runtimes agreed in 2025. (The line that they had before made 39 of the default.)
#[allow(clippy::cast_precision_loss, reason = "at most 18 bits")]
pub(crate) fn weight_of(shares: u64) -> u64 {
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

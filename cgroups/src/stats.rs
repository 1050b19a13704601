//! What a cgroup has used.

use std::collections::BTreeMap;
use std::time::Duration;

/// What a cgroup and those below it have used, from [`Cgroup::stats`](crate::Cgroup::stats).
///
/// `None` is what this kernel doesn't tell: the controller isn't there, or the file came with a later version.
/// Numbers are the kernel's own, since the cgroup was made; nothing is sampled, so the call takes no time. What
/// per second or per cent means, two of them tell: [`CpuStats::percent_since`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Stats {
    /// Time on the processors.
    pub cpu: Option<CpuStats>,
    /// Memory and swap.
    pub memory: Option<MemoryStats>,
    /// Processes and threads.
    pub pids: Option<PidsStats>,
    /// Reads and writes by device; empty where nothing was read or written.
    pub io: Option<Vec<IoStats>>,
}

/// Time on the processors.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct CpuStats {
    /// All of it.
    pub usage: Duration,
    /// The part spent in programs.
    pub user: Option<Duration>,
    /// The part spent in the kernel.
    pub system: Option<Duration>,
    /// All of it by processor. Only v1 tells; empty on v2.
    pub per_cpu: Vec<Duration>,
    /// What a quota held back; `None` where the cpu controller is not there.
    pub throttling: Option<Throttling>,
}

/// What a processor quota held back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Throttling {
    /// The periods that have passed.
    pub periods: u64,
    /// Those among them in which the quota was used up.
    pub throttled_periods: u64,
    /// How long processes were held back, added up over the processors.
    pub throttled_time: Duration,
}

/// A limit as the kernel tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum Limit {
    /// No limit here; a parent may have one.
    Unlimited,
    /// So many bytes or processes.
    At(u64),
}

/// Memory and swap, in bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct MemoryStats {
    /// How much is in use, the page cache among it.
    pub usage: u64,
    /// The most that ever was (v2: Linux 5.19).
    pub max_usage: Option<u64>,
    /// The limit in force.
    pub limit: Option<Limit>,
    /// How much memory and swap together are in use.
    pub swap_usage: Option<u64>,
    /// The limit on memory and swap together.
    pub swap_limit: Option<Limit>,
    /// How often the limit was hit.
    pub failures: Option<u64>,
    /// How many processes were killed for lack of memory. This, and not `failures`, tells of every such kill.
    pub oom_kills: Option<u64>,
    /// Every line of `memory.stat`, by the kernel's names, which differ between v1 and v2.
    pub detail: BTreeMap<String, u64>,
}

/// Processes and threads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct PidsStats {
    /// How many there are, threads among them.
    pub current: u64,
    /// The limit in force.
    pub limit: Option<Limit>,
}

/// Reads and writes of one device.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct IoStats {
    /// The device's major number.
    pub major: u32,
    /// The device's minor number.
    pub minor: u32,
    /// Bytes read.
    pub read_bytes: u64,
    /// Bytes written.
    pub written_bytes: u64,
    /// Read operations.
    pub reads: u64,
    /// Write operations.
    pub writes: u64,
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

/// Reads a limit of v2 (`max`) or of v1, where no limit is the largest number of whole pages.
pub(crate) fn limit(word: &str) -> std::result::Result<Limit, String> {
    // With pages of 64 KiB, the largest there are.
    const LARGEST_V1: u64 = 0x7fff_ffff_ffff_0000;
    match word {
        "max" => Ok(Limit::Unlimited),
        word => {
            crate::file::parse(word).map(|n| if n >= LARGEST_V1 { Limit::Unlimited } else { Limit::At(n) })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_limit_reads_the_same_on_both_versions() {
        assert_eq!(limit("max"), Ok(Limit::Unlimited));
        assert_eq!(limit("9223372036854771712"), Ok(Limit::Unlimited));
        assert_eq!(limit("9223372036854710272"), Ok(Limit::Unlimited));
        assert_eq!(limit("4096"), Ok(Limit::At(4096)));
        assert!(limit("much").is_err());
    }

    #[test]
    fn the_percentage_is_not_cut_to_a_whole_number() {
        let earlier = CpuStats { usage: Duration::from_millis(100), ..CpuStats::default() };
        let now = CpuStats { usage: Duration::from_millis(103), ..CpuStats::default() };
        assert!((now.percent_since(&earlier, Duration::from_secs(1)) - 0.3).abs() < 1e-9);
        assert!(now.percent_since(&earlier, Duration::ZERO).abs() < 1e-9);
        assert!(earlier.percent_since(&now, Duration::from_secs(1)).abs() < 1e-9);
    }
}

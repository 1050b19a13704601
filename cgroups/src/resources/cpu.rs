//! Time on the processors.

use super::{invalid, signed};
use crate::Result;

/// Time on the processors.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
#[non_exhaustive]
pub struct Cpu {
    /// The share of the time when processors are scarce, against the siblings' shares: 2 to 262144, 1024 by
    /// default. Becomes a weight on v2 (1024 is 100 there).
    pub shares: Option<u64>,
    /// The same in the unit of v2: 1 to 10000. Wins over `shares` there; an error on v1.
    pub weight: Option<u64>,
    /// Microseconds of processor time in each `period`; -1 for as much as there is.
    pub quota: Option<i64>,
    /// Microseconds over which `quota` is counted.
    pub period: Option<u64>,
    /// Microseconds of unused quota that may be saved up for later periods.
    pub burst: Option<u64>,
    /// Whether to run only when a processor has nothing else to do. Needs Linux 5.15.
    pub idle: Option<bool>,
    /// Microseconds in each `realtime_period` in which realtime processes may run; -1 for all of them. On v1 a
    /// cgroup has none at first, and realtime processes can't enter it. All cgroups in a parent share what that
    /// one has. v2 has no such limit: an error.
    pub realtime_runtime: Option<i64>,
    /// Microseconds over which `realtime_runtime` is counted. v1 only.
    pub realtime_period: Option<u64>,
}

impl Cpu {
    pub(super) fn check(&self) -> Result<()> {
        signed("cpu.quota", self.quota)?;
        signed("cpu.realtime_runtime", self.realtime_runtime)?;
        // The kernel reads this one as a signed number, and takes the largest ones for negative.
        if let Some(period) = self.realtime_period.filter(|&period| i64::try_from(period).is_err()) {
            return Err(invalid("cpu.realtime_period", period, "above the largest number of microseconds"));
        }
        Ok(())
    }
}

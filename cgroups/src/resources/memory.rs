//! Memory and swap.

use super::{invalid, signed};
use crate::Result;

/// Memory and swap, in bytes.
///
/// The kernel counts whole pages: what doesn't fill one is rounded down, and [reported](crate::Adjusted).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
#[non_exhaustive]
pub struct Memory {
    /// How much memory may be in use; -1 for no limit.
    pub limit: Option<i64>,
    /// How much is left alone when memory is scarce; -1 for no such line on v1, for all of it on v2.
    pub reservation: Option<i64>,
    /// How much memory *and* swap together may be in use; -1 for no limit. Equal to `limit`: no swap. Without
    /// `limit` beside it, it is counted with the limit in force.
    pub swap: Option<i64>,
    /// How much of it the kernel may use for this cgroup's sake; -1 for no limit. v1 only, and newer kernels don't keep
    /// to it any more: some refuse it, others take it and forget it, which is reported.
    pub kernel: Option<i64>,
    /// How much the buffers of TCP connections may take; -1 for no limit. v1 only.
    #[doc(alias = "kernelTCP")]
    pub kernel_tcp: Option<i64>,
    /// How willingly memory of processes goes to swap rather than cached files to disk: 0 to 200, 60 for most. v1
    /// only.
    pub swappiness: Option<u64>,
    /// Whether processes wait for memory at the limit, rather than that one is killed. v1 only; on v2 `true` is an
    /// error.
    #[doc(alias = "disableOOMKiller")]
    pub disable_oom_killer: Option<bool>,
    /// Whether what is used below is counted here. It always is on v2, and on v1 since Linux 5.11: `false` is an error.
    pub use_hierarchy: Option<bool>,
    /// Whether to refuse a limit that is below what is in use. v1 always does; v2 kills instead.
    pub check_before_update: bool,
}

impl Memory {
    pub(super) fn check(&self) -> Result<()> {
        signed("memory.limit", self.limit)?;
        signed("memory.reservation", self.reservation)?;
        signed("memory.swap", self.swap)?;
        signed("memory.kernel", self.kernel)?;
        signed("memory.kernel_tcp", self.kernel_tcp)?;
        if let Some(swappiness) = self.swappiness.filter(|&n| n > 200) {
            return Err(invalid("memory.swappiness", swappiness, "the most is 200"));
        }
        Ok(())
    }
}

//! Processes and threads.

use crate::Result;
use crate::stats::Limit;
use crate::stats::files::Files;

/// Processes and threads, from the [`pids`] controller.
///
/// [`pids`]: https://docs.kernel.org/admin-guide/cgroup-v2.html#pid
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
#[non_exhaustive]
pub struct PidsStats {
    /// How many there are, threads among them.
    pub current: u64,
    /// The limit in force.
    pub limit: Option<Limit>,
    /// The most that ever were (Linux 6.1).
    pub max_current: Option<u64>,
    /// How often one could not be made because of a limit.
    ///
    /// Which limit depends on the kernel: until Linux 6.10, and on v1, one anywhere above counts where it was tried;
    /// later this cgroup's own one counts, whoever below it tried.
    pub failures: Option<u64>,
}

pub(crate) fn read(files: &mut Files, into: &mut Option<PidsStats>) -> Result<()> {
    *into = None;
    let Some(mut files) = files.of("pids", "pids") else { return Ok(()) };
    // The root has no such file.
    let Some(current) = files.number("pids.current")? else { return Ok(()) };
    let limit = files.limit("pids.max")?;
    let max_current = files.number("pids.peak")?;
    let mut failures = None;
    if let Some(text) = files.text("pids.events")? {
        text.pairs(|key, value| {
            if key == "max" {
                failures = Some(value);
            }
        })?;
    }
    *into = Some(PidsStats { current, limit, max_current, failures });
    Ok(())
}

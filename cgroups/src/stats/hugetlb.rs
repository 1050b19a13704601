//! Huge pages.

use crate::Result;
use crate::stats::files::{Files, Reader};
use crate::stats::numa::NumaLines;
use crate::stats::text::{self, Text, rename, slot};
use crate::stats::{Limit, MemoryCounter, NumaStats, StatsKind};

/// Huge pages of one size, in bytes, from the [`hugetlb`] controller.
///
/// [`hugetlb`]: https://docs.kernel.org/admin-guide/cgroup-v2.html#hugetlb
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
#[non_exhaustive]
pub struct HugetlbStats {
    /// The size as in the files' names: `2MB`, `1GB`.
    pub page_size: String,
    /// How much is in use: pages that were touched. The most that ever was, only v1 tells.
    pub usage: MemoryCounter,
    /// How much was reserved by mapping it; `None` before Linux 5.7.
    pub reserved: Option<MemoryCounter>,
    /// Memory by node (Linux 5.17), if [asked for](StatsKind::NUMA).
    pub numa: Vec<NumaStats>,
}

pub(crate) fn read(files: &mut Files, kinds: StatsKind, into: &mut Option<Vec<HugetlbStats>>) -> Result<()> {
    let Some(mut files) = files.of("hugetlb", "hugetlb") else {
        *into = None;
        return Ok(());
    };
    let list = into.get_or_insert_default();
    let mut count = 0;
    while let Some(size) = files.page_sizes().get(count) {
        let place = slot(list, count);
        rename(&mut place.page_size, size);
        one(&mut files, kinds, place)?;
        count += 1;
    }
    list.truncate(count);
    // The root has no such files.
    if count == 0 {
        *into = None;
    }
    Ok(())
}

fn one(files: &mut Reader<'_>, kinds: StatsKind, stats: &mut HugetlbStats) -> Result<()> {
    let size = stats.page_size.as_str();
    stats.usage = MemoryCounter::default();
    let mut reserved = MemoryCounter::default();
    let known = if files.is_v2() {
        stats.usage.usage = files.of_pages(size, "current", number)?.unwrap_or_default();
        stats.usage.limit = files.of_pages(size, "max", limit)?;
        stats.usage.failures = files.of_pages(size, "events", hits)?.flatten();
        let known = files.of_pages(size, "rsvd.current", number)?;
        reserved.limit = files.of_pages(size, "rsvd.max", limit)?;
        known
    } else {
        stats.usage.usage = files.of_pages(size, "usage_in_bytes", number)?.unwrap_or_default();
        stats.usage.max_usage = files.of_pages(size, "max_usage_in_bytes", number)?;
        stats.usage.limit = files.of_pages(size, "limit_in_bytes", limit)?;
        stats.usage.failures = files.of_pages(size, "failcnt", number)?;
        let known = files.of_pages(size, "rsvd.usage_in_bytes", number)?;
        reserved.max_usage = files.of_pages(size, "rsvd.max_usage_in_bytes", number)?;
        reserved.limit = files.of_pages(size, "rsvd.limit_in_bytes", limit)?;
        reserved.failures = files.of_pages(size, "rsvd.failcnt", number)?;
        known
    };
    stats.reserved = known.map(|usage| MemoryCounter { usage, ..reserved });
    let mut rows = NumaLines::new(&mut stats.numa, 1);
    if kinds.contains(StatsKind::NUMA) {
        files.of_pages(size, "numa_stat", |text| text.lines(|line| rows.line(line)))?;
    }
    Ok(())
}

fn number(text: &Text<'_>) -> Result<u64> {
    text.number()
}

/// Reads a limit. No limit is the largest number of whole huge pages, which may be gibibytes below the largest number.
fn limit(text: &Text<'_>) -> Result<Limit> {
    const NOBODY_HAS_SO_MUCH: u64 = 1 << 62;
    match text.content.trim_ascii() {
        "max" => Ok(Limit::Unlimited),
        word => text::number(word)
            .map(|n| if n >= NOBODY_HAS_SO_MUCH { Limit::Unlimited } else { Limit::At(n) })
            .map_err(|what| text.malformed(what)),
    }
}

/// Reads `max 7`.
fn hits(text: &Text<'_>) -> Result<Option<u64>> {
    let mut hits = None;
    text.pairs(|key, value| {
        if key == "max" {
            hits = Some(value);
        }
    })?;
    Ok(hits)
}

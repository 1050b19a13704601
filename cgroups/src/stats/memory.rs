//! Memory and swap.

use nix::unistd::{SysconfVar, sysconf};

use crate::Result;
use crate::stats::files::{Files, Reader};
use crate::stats::numa::NumaLines;
use crate::stats::{Figures, Limit, NumaStats, StatsKind};

/// Memory and swap, in bytes, from the memory controller of [v2] or [v1].
///
/// The root of a hierarchy of v2 has none of its own: see `/proc/meminfo` for the whole machine.
///
/// [v2]: https://docs.kernel.org/admin-guide/cgroup-v2.html#memory
/// [v1]: https://docs.kernel.org/admin-guide/cgroup-v1/memory.html
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
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
    /// The most memory and swap together that ever were. Only v1 tells; v2 tells of each alone.
    pub swap_max_usage: Option<u64>,
    /// The limit on memory and swap together.
    pub swap_limit: Option<Limit>,
    /// How often the limit on memory and swap together was hit. Only v1 tells.
    pub swap_failures: Option<u64>,
    /// How often the limit was hit. On v1 it stays 0 while it is the limit on memory and swap that is hit.
    pub failures: Option<u64>,
    /// How many processes were killed for lack of memory. This, and not `failures`, tells of every such kill.
    pub oom_kills: Option<u64>,
    /// Processes wait at this moment for memory, or for the kill that gives it back. Only v1 tells.
    pub under_oom: Option<bool>,
    /// Swap alone. Only v2 tells.
    pub swap: Option<MemoryCounter>,
    /// Swap that is held compressed in memory, in bytes of memory (v2: Linux 5.19).
    pub zswap: Option<MemoryCounter>,
    /// What the kernel itself uses for these processes (v2: Linux 5.18, the use alone).
    pub kernel: Option<MemoryCounter>,
    /// Buffers of TCP (v1), or of all sockets (v2, the use alone).
    pub tcp: Option<MemoryCounter>,
    /// Every line of `memory.stat`, by the kernel's names, which differ between v1 and v2. Most are bytes, some count
    /// pages or events.
    pub detail: Figures,
    /// Every line of `memory.events`: how often limits here or below were exceeded, by their names. Only v2 tells.
    pub events: Figures,
    /// Every line of `memory.events.local`: the same of this cgroup alone. Only v2 tells.
    pub local_events: Figures,
    /// Memory by node, if [asked for](StatsKind::NUMA).
    pub numa: Vec<NumaStats>,
}

/// One kind of memory that is counted and limited on its own, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
#[non_exhaustive]
pub struct MemoryCounter {
    /// How much is in use.
    pub usage: u64,
    /// The most that ever was.
    pub max_usage: Option<u64>,
    /// The limit in force.
    pub limit: Option<Limit>,
    /// How often the limit was hit.
    pub failures: Option<u64>,
}

pub(crate) fn read(files: &mut Files, kinds: StatsKind, into: &mut Option<MemoryStats>) -> Result<()> {
    let Some(mut files) = files.of("memory", "memory") else {
        *into = None;
        return Ok(());
    };
    let memory = into.get_or_insert_default();
    let numa = kinds.contains(StatsKind::NUMA);
    let found = if files.is_v2() { v2(&mut files, numa, memory)? } else { v1(&mut files, numa, memory)? };
    if !found {
        *into = None;
    }
    Ok(())
}

fn v2(files: &mut Reader<'_>, numa: bool, memory: &mut MemoryStats) -> Result<bool> {
    // The root has no such file.
    let Some(usage) = files.number("memory.current")? else { return Ok(false) };
    memory.usage = usage;
    memory.max_usage = files.number("memory.peak")?;
    memory.limit = files.limit("memory.max")?;
    let swap_limit = files.limit("memory.swap.max")?;
    memory.swap = swap_of_v2(files, swap_limit)?;
    memory.swap_usage = memory.swap.map(|swap| usage.saturating_add(swap.usage));
    memory.swap_limit = match (memory.limit, swap_limit) {
        (Some(Limit::At(memory)), Some(Limit::At(swap))) => Some(Limit::At(memory.saturating_add(swap))),
        (Some(_), Some(_)) => Some(Limit::Unlimited),
        _ => None,
    };
    memory.zswap = files.number("memory.zswap.current")?.map(used);
    if let Some(zswap) = &mut memory.zswap {
        zswap.limit = files.limit("memory.zswap.max")?;
    }
    files.figures("memory.events", &mut memory.events)?;
    files.figures("memory.events.local", &mut memory.local_events)?;
    memory.failures = memory.events.get("max").copied();
    memory.oom_kills = memory.events.get("oom_kill").copied();
    files.figures("memory.stat", &mut memory.detail)?;
    memory.kernel = memory.detail.get("kernel").copied().map(used);
    memory.tcp = memory.detail.get("sock").copied().map(used);
    by_node(files, numa, 1, memory)?;
    Ok(true)
}

fn swap_of_v2(files: &mut Reader<'_>, limit: Option<Limit>) -> Result<Option<MemoryCounter>> {
    let Some(usage) = files.number("memory.swap.current")? else { return Ok(None) };
    let max_usage = files.number("memory.swap.peak")?;
    let mut failures = None;
    if let Some(text) = files.text("memory.swap.events")? {
        text.pairs(|key, value| {
            if key == "max" {
                failures = Some(value);
            }
        })?;
    }
    Ok(Some(MemoryCounter { usage, max_usage, limit, failures }))
}

fn used(usage: u64) -> MemoryCounter {
    MemoryCounter { usage, ..MemoryCounter::default() }
}

/// The files of one counter of v1.
struct Names {
    usage: &'static str,
    max_usage: &'static str,
    limit: &'static str,
    failures: &'static str,
}

macro_rules! names {
    ($prefix:literal) => {
        Names {
            usage: concat!($prefix, ".usage_in_bytes"),
            max_usage: concat!($prefix, ".max_usage_in_bytes"),
            limit: concat!($prefix, ".limit_in_bytes"),
            failures: concat!($prefix, ".failcnt"),
        }
    };
}

fn counter(files: &mut Reader<'_>, names: &Names) -> Result<Option<MemoryCounter>> {
    let usage = files.number(names.usage)?;
    let counter = MemoryCounter {
        usage: usage.unwrap_or_default(),
        max_usage: files.number(names.max_usage)?,
        limit: files.limit(names.limit)?,
        failures: files.number(names.failures)?,
    };
    Ok(usage.map(|_| counter))
}

fn v1(files: &mut Reader<'_>, numa: bool, memory: &mut MemoryStats) -> Result<bool> {
    let Some(alone) = counter(files, &names!("memory"))? else { return Ok(false) };
    (memory.usage, memory.max_usage) = (alone.usage, alone.max_usage);
    (memory.limit, memory.failures) = (alone.limit, alone.failures);
    both_of_v1(files, memory)?;
    memory.kernel = counter(files, &names!("memory.kmem"))?;
    memory.tcp = counter(files, &names!("memory.kmem.tcp"))?;
    (memory.oom_kills, memory.under_oom) = (None, None);
    if let Some(text) = files.text("memory.oom_control")? {
        text.pairs(|key, value| match key {
            "oom_kill" => memory.oom_kills = Some(value),
            "under_oom" => memory.under_oom = Some(value == 1),
            _ => {}
        })?;
    }
    files.figures("memory.stat", &mut memory.detail)?;
    // v1 counts pages there.
    by_node(files, numa, page_size(), memory)?;
    Ok(true)
}

/// Memory and swap together; each file is told of even without the others.
fn both_of_v1(files: &mut Reader<'_>, memory: &mut MemoryStats) -> Result<()> {
    let names = names!("memory.memsw");
    memory.swap_usage = files.number(names.usage)?;
    memory.swap_max_usage = files.number(names.max_usage)?;
    memory.swap_limit = files.limit(names.limit)?;
    memory.swap_failures = files.number(names.failures)?;
    Ok(())
}

fn page_size() -> u64 {
    sysconf(SysconfVar::PAGE_SIZE).ok().flatten().and_then(|size| u64::try_from(size).ok()).unwrap_or(4096)
}

fn by_node(files: &mut Reader<'_>, asked: bool, unit: u64, memory: &mut MemoryStats) -> Result<()> {
    let mut rows = NumaLines::new(&mut memory.numa, unit);
    if asked && let Some(text) = files.text("memory.numa_stat")? {
        text.lines(|line| rows.line(line))?;
    }
    Ok(())
}

//! Statistics in the words of 2014.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::{BlkioEntry, Throttling};

/// What a cgroup has used, as Docker 1.0 wrote it down; from [`Stats::new`].
///
/// With the feature `serde` it is written with the keys of then, two of which have a slip of the pen for ever:
/// `throlling_data` and `io_serviced_recusrive`. What is 0 or empty is left out where it was then.
#[derive(Debug, Clone, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Stats {
    /// Time on the processors.
    pub cpu_stats: CpuStats,
    /// Memory.
    pub memory_stats: MemoryStats,
    /// Reads and writes. Only v1 tells.
    pub blkio_stats: BlkioStats,
    /// Whether processes are to be stopped.
    pub freezer_stats: FreezerStats,
}

/// Time on the processors.
#[derive(Debug, Clone, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct CpuStats {
    /// What was used.
    pub cpu_usage: CpuUsage,
    /// What a quota held back.
    #[cfg_attr(feature = "serde", serde(rename = "throlling_data"))]
    pub throttling_data: ThrottlingData,
}

/// What was used of the processors.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct CpuUsage {
    /// Per cent of one processor, since the earlier look. In 2014 always 0: whole numbers were divided.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "is_zero"))]
    pub percent_usage: u64,
    /// How many processors were in use on average since the earlier look, rounded: half a processor is 1. In 2014 it
    /// was cut, and so 0.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "is_zero"))]
    pub current_usage: u64,
    /// Nanoseconds by processor. Only v1 tells.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Vec::is_empty"))]
    pub percpu_usage: Vec<u64>,
    /// Nanoseconds in the kernel.
    pub usage_in_kernelmode: u64,
    /// Nanoseconds in programs.
    pub usage_in_usermode: u64,
}

/// What a quota held back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct ThrottlingData {
    /// The periods that have passed.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "is_zero"))]
    pub periods: u64,
    /// Those among them in which the quota was used up.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "is_zero"))]
    pub throttled_periods: u64,
    /// Nanoseconds for which processes were held back.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "is_zero"))]
    pub throttled_time: u64,
}

/// Memory, in bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct MemoryStats {
    /// How much is in use.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "is_zero"))]
    pub usage: u64,
    /// The most that ever was.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "is_zero"))]
    pub max_usage: u64,
    /// Every line of `memory.stat`, by the kernel's names, which are others on v2.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "BTreeMap::is_empty"))]
    pub stats: BTreeMap<String, u64>,
    /// How often the limit was hit.
    pub failcnt: u64,
}

/// Reads and writes: the tables of v1.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct BlkioStats {
    /// Bytes by kind of operation.
    #[cfg_attr(feature = "serde", serde(serialize_with = "entries", skip_serializing_if = "Vec::is_empty"))]
    pub io_service_bytes_recursive: Vec<BlkioEntry>,
    /// Operations by kind.
    #[cfg_attr(feature = "serde", serde(rename = "io_serviced_recusrive"))]
    #[cfg_attr(feature = "serde", serde(serialize_with = "entries", skip_serializing_if = "Vec::is_empty"))]
    pub io_serviced_recursive: Vec<BlkioEntry>,
    /// Operations that wait, by kind.
    #[cfg_attr(feature = "serde", serde(rename = "io_queue_recursive"))]
    #[cfg_attr(feature = "serde", serde(serialize_with = "entries", skip_serializing_if = "Vec::is_empty"))]
    pub io_queued_recursive: Vec<BlkioEntry>,
    /// Sectors of 512 bytes.
    #[cfg_attr(feature = "serde", serde(serialize_with = "entries", skip_serializing_if = "Vec::is_empty"))]
    pub sectors_recursive: Vec<BlkioEntry>,
}

/// Whether processes are to be stopped: `0` or `1`, and an empty text where that isn't told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct FreezerStats {
    /// A cgroup above was asked to. Only v1 tells.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "String::is_empty"))]
    pub parent_state: String,
    /// This cgroup itself was asked to.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "String::is_empty"))]
    pub self_state: String,
}

impl Stats {
    /// Says in the words of 2014 what was used until now, and what share of the processors since an earlier look.
    ///
    /// Then the package itself slept for 100 milliseconds between two looks; here it is the caller who looks twice.
    ///
    /// ```no_run
    /// # fn with(cgroup: &cgroups::Cgroup) -> cgroups::Result<()> {
    /// use std::time::{Duration, Instant};
    ///
    /// let (begin, earlier) = (Instant::now(), cgroup.stats()?);
    /// std::thread::sleep(Duration::from_secs(1));
    /// let stats = cgroups::docker::Stats::new(&cgroup.stats()?, &earlier, begin.elapsed());
    /// println!("{} per cent", stats.cpu_stats.cpu_usage.percent_usage);
    /// # Ok(())
    /// # }
    /// ```
    pub fn new(now: &crate::Stats, earlier: &crate::Stats, elapsed: Duration) -> Stats {
        Stats {
            cpu_stats: CpuStats::new(now, earlier, elapsed),
            memory_stats: now.memory.as_ref().map(MemoryStats::new).unwrap_or_default(),
            blkio_stats: now.blkio.as_ref().map(BlkioStats::new).unwrap_or_default(),
            freezer_stats: now.freezer.as_ref().map(FreezerStats::new).unwrap_or_default(),
        }
    }
}

impl CpuStats {
    fn new(now: &crate::Stats, earlier: &crate::Stats, elapsed: Duration) -> CpuStats {
        let Some(cpu) = &now.cpu else { return CpuStats::default() };
        let percent = percent(now, earlier, elapsed).unwrap_or_default();
        CpuStats {
            cpu_usage: CpuUsage {
                percent_usage: percent.round() as u64,
                current_usage: (percent / 100.0).round() as u64,
                percpu_usage: cpu.per_cpu.iter().copied().map(nanoseconds).collect(),
                usage_in_kernelmode: nanoseconds(cpu.system.unwrap_or_default()),
                usage_in_usermode: nanoseconds(cpu.user.unwrap_or_default()),
            },
            throttling_data: cpu.throttling.as_ref().map(ThrottlingData::new).unwrap_or_default(),
        }
    }
}

impl ThrottlingData {
    fn new(throttling: &Throttling) -> ThrottlingData {
        ThrottlingData {
            periods: throttling.periods,
            throttled_periods: throttling.throttled_periods,
            throttled_time: nanoseconds(throttling.throttled_time),
        }
    }
}

impl MemoryStats {
    fn new(memory: &crate::MemoryStats) -> MemoryStats {
        MemoryStats {
            usage: memory.usage,
            max_usage: memory.max_usage.unwrap_or_default(),
            stats: memory.detail.iter().map(|(name, figure)| (name.to_owned(), *figure)).collect(),
            failcnt: memory.failures.unwrap_or_default(),
        }
    }
}

impl BlkioStats {
    fn new(blkio: &crate::BlkioStats) -> BlkioStats {
        BlkioStats {
            io_service_bytes_recursive: blkio.io_service_bytes.clone(),
            io_serviced_recursive: blkio.io_serviced.clone(),
            io_queued_recursive: blkio.io_queued.clone(),
            sectors_recursive: blkio.sectors.clone(),
        }
    }
}

impl FreezerStats {
    fn new(freezer: &crate::FreezerStats) -> FreezerStats {
        let digit = |asked: bool| if asked { "1" } else { "0" }.to_owned();
        FreezerStats {
            parent_state: freezer.parent_freezing.map(digit).unwrap_or_default(),
            self_state: digit(freezer.self_freezing),
        }
    }
}

/// Returns the figures as Docker 0.11 had them: all numbers in one table, by flat names.
///
/// | name | what |
/// |---|---|
/// | `usage_in_bytes`, `max_usage_in_bytes`, those of `memory.stat` | memory |
/// | `nr_periods`, `nr_throttled`, `throttled_time` (nanoseconds) | a quota |
/// | `percentage` (of one processor), `usage` (nanoseconds since the earlier look) | processors |
/// | `io_service_bytes_recursive:8:0:Read`, …, `blkio.sectors_recursive:8:0` | reads and writes, on v1 |
/// | `parent_freezing`, `self_freezing` | the freezer |
///
/// What isn't told is not in the table. As in [`Stats::new`], the processors' share is since an earlier look.
pub fn flat_stats(now: &crate::Stats, earlier: &crate::Stats, elapsed: Duration) -> BTreeMap<String, f64> {
    let mut flat = BTreeMap::new();
    let mut put = |name: &str, value: f64| {
        flat.insert(name.to_owned(), value);
    };
    if let Some(memory) = &now.memory {
        memory.detail.iter().for_each(|(name, figure)| put(name, float(*figure)));
        put("usage_in_bytes", float(memory.usage));
        memory.max_usage.into_iter().for_each(|bytes| put("max_usage_in_bytes", float(bytes)));
    }
    if let Some(throttling) = now.cpu.as_ref().and_then(|cpu| cpu.throttling) {
        put("nr_periods", float(throttling.periods));
        put("nr_throttled", float(throttling.throttled_periods));
        put("throttled_time", float(nanoseconds(throttling.throttled_time)));
    }
    if let (Some(percent), Some(used)) = (percent(now, earlier, elapsed), used(now, earlier)) {
        put("percentage", percent);
        put("usage", float(nanoseconds(used)));
    }
    if let Some(blkio) = &now.blkio {
        let tables = [
            ("io_service_bytes_recursive", &blkio.io_service_bytes),
            ("io_serviced_recursive", &blkio.io_serviced),
            ("io_queued_recursive", &blkio.io_queued),
        ];
        for (table, entries) in tables {
            for BlkioEntry { major, minor, operation, value } in entries {
                put(&format!("{table}:{major}:{minor}:{operation}"), float(*value));
            }
        }
        for BlkioEntry { major, minor, value, .. } in &blkio.sectors {
            put(&format!("blkio.sectors_recursive:{major}:{minor}"), float(*value));
        }
    }
    if let Some(freezer) = &now.freezer {
        freezer.parent_freezing.into_iter().for_each(|asked| put("parent_freezing", f64::from(asked)));
        put("self_freezing", f64::from(freezer.self_freezing));
    }
    flat
}

/// The share of one processor since the earlier look.
fn percent(now: &crate::Stats, earlier: &crate::Stats, elapsed: Duration) -> Option<f64> {
    Some(now.cpu.as_ref()?.percent_since(earlier.cpu.as_ref()?, elapsed))
}

fn used(now: &crate::Stats, earlier: &crate::Stats) -> Option<Duration> {
    Some(now.cpu.as_ref()?.usage.saturating_sub(earlier.cpu.as_ref()?.usage))
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// All figures were such numbers in 0.11; those above 2^53 lose their last digits.
#[expect(clippy::cast_precision_loss, reason = "the format has no other numbers")]
fn float(figure: u64) -> f64 {
    figure as f64
}

#[cfg(feature = "serde")]
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_zero(figure: &u64) -> bool {
    *figure == 0
}

/// Zeros and empty texts were left out here.
#[cfg(feature = "serde")]
fn entries<S: serde::Serializer>(list: &[BlkioEntry], to: S) -> Result<S::Ok, S::Error> {
    #[derive(serde::Serialize)]
    struct Entry<'a> {
        #[serde(skip_serializing_if = "is_zero")]
        major: u64,
        #[serde(skip_serializing_if = "is_zero")]
        minor: u64,
        #[serde(skip_serializing_if = "str::is_empty")]
        op: &'a str,
        #[serde(skip_serializing_if = "is_zero")]
        value: u64,
    }
    to.collect_seq(list.iter().map(|entry| Entry {
        major: entry.major.into(),
        minor: entry.minor.into(),
        op: &entry.operation,
        value: entry.value,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What 2014's tests read, in today's words.
    fn looked_at() -> (crate::Stats, crate::Stats) {
        let cpu = |usage: u64| crate::CpuStats {
            usage: Duration::from_millis(usage),
            user: Some(Duration::from_millis(300)),
            system: Some(Duration::from_millis(200)),
            per_cpu: vec![Duration::from_nanos(1), Duration::from_nanos(2)],
            throttling: Some(Throttling {
                periods: 2000,
                throttled_periods: 200,
                throttled_time: Duration::from_nanos(u64::MAX),
                ..Throttling::default()
            }),
            ..crate::CpuStats::default()
        };
        let entry = |operation: &str, value| BlkioEntry {
            major: 8,
            minor: 0,
            operation: operation.to_owned(),
            value,
        };
        let now = crate::Stats {
            cpu: Some(cpu(500)),
            memory: Some(crate::MemoryStats {
                usage: 2048,
                max_usage: Some(4096),
                failures: Some(100),
                detail: [("cache", 512), ("rss", 1024)].into_iter().collect(),
                ..crate::MemoryStats::default()
            }),
            blkio: Some(crate::BlkioStats {
                io_service_bytes: vec![entry("Read", 100)],
                io_serviced: vec![entry("Read", 10), entry("Write", 0)],
                io_queued: vec![entry("Total", 3)],
                sectors: vec![entry("", 1024)],
                ..crate::BlkioStats::default()
            }),
            freezer: Some(crate::FreezerStats {
                self_freezing: true,
                parent_freezing: Some(false),
                ..crate::FreezerStats::default()
            }),
            ..crate::Stats::default()
        };
        (crate::Stats { cpu: Some(cpu(350)), ..crate::Stats::default() }, now)
    }

    #[test]
    fn the_share_of_the_processors_is_not_always_nothing() {
        // In 2014 whole numbers were divided before they were multiplied: both figures were 0.
        let (earlier, now) = looked_at();
        let stats = Stats::new(&now, &earlier, Duration::from_millis(100));
        assert_eq!(stats.cpu_stats.cpu_usage.percent_usage, 150);
        assert_eq!(stats.cpu_stats.cpu_usage.current_usage, 2);
        let none = Stats::new(&now, &crate::Stats::default(), Duration::from_millis(100));
        assert_eq!(none.cpu_stats.cpu_usage.percent_usage, 0, "without an earlier look");
        assert_eq!(Stats::new(&now, &earlier, Duration::ZERO).cpu_stats.cpu_usage.percent_usage, 0);
    }

    #[cfg(feature = "serde")]
    #[test]
    fn statistics_are_written_as_1_0_did() {
        let (earlier, now) = looked_at();
        let text = serde_json::to_string(&Stats::new(&now, &earlier, Duration::from_millis(100))).unwrap();
        let expected = concat!(
            r#"{"cpu_stats":{"cpu_usage":{"percent_usage":150,"current_usage":2,"percpu_usage":[1,2],"#,
            r#""usage_in_kernelmode":200000000,"usage_in_usermode":300000000},"#,
            r#""throlling_data":{"periods":2000,"throttled_periods":200,"throttled_time":18446744073709551615}},"#,
            r#""memory_stats":{"usage":2048,"max_usage":4096,"stats":{"cache":512,"rss":1024},"failcnt":100},"#,
            r#""blkio_stats":{"io_service_bytes_recursive":[{"major":8,"op":"Read","value":100}],"#,
            r#""io_serviced_recusrive":[{"major":8,"op":"Read","value":10},{"major":8,"op":"Write"}],"#,
            r#""io_queue_recursive":[{"major":8,"op":"Total","value":3}],"#,
            r#""sectors_recursive":[{"major":8,"value":1024}]},"#,
            r#""freezer_stats":{"parent_state":"0","self_state":"1"}}"#,
        );
        assert_eq!(text, expected);
    }

    #[cfg(feature = "serde")]
    #[test]
    fn what_is_not_told_is_left_out_as_1_0_did() {
        let nothing = crate::Stats::default();
        let text = serde_json::to_string(&Stats::new(&nothing, &nothing, Duration::ZERO)).unwrap();
        let expected = concat!(
            r#"{"cpu_stats":{"cpu_usage":{"usage_in_kernelmode":0,"usage_in_usermode":0},"throlling_data":{}},"#,
            r#""memory_stats":{"failcnt":0},"blkio_stats":{},"freezer_stats":{}}"#,
        );
        assert_eq!(text, expected);
    }

    #[test]
    fn the_flat_table_of_0_11() {
        let (earlier, now) = looked_at();
        let flat = flat_stats(&now, &earlier, Duration::from_millis(100));
        let expected = [
            ("blkio.sectors_recursive:8:0", 1024.0),
            ("cache", 512.0),
            ("io_queued_recursive:8:0:Total", 3.0),
            ("io_service_bytes_recursive:8:0:Read", 100.0),
            ("io_serviced_recursive:8:0:Read", 10.0),
            ("io_serviced_recursive:8:0:Write", 0.0),
            ("max_usage_in_bytes", 4096.0),
            ("nr_periods", 2000.0),
            ("nr_throttled", 200.0),
            ("parent_freezing", 0.0),
            ("percentage", 150.0),
            ("rss", 1024.0),
            ("self_freezing", 1.0),
            ("throttled_time", 18_446_744_073_709_551_615.0),
            ("usage", 150_000_000.0),
            ("usage_in_bytes", 2048.0),
        ];
        let flat: Vec<_> = flat.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        assert_eq!(flat, expected);
        assert!(flat_stats(&crate::Stats::default(), &earlier, Duration::ZERO).is_empty());
    }
}

//! Those values of the unified map that systemd has a word for.
//!
//! What is not understood here is left out: it is written to the file as it is, and there the kernel judges it.

use super::bitmask;
use super::properties::{INFINITY, Present, Translation};
use crate::stats::device_number;

/// Says what systemd can say. Values that the typed resources gave are replaced: the map is the more special.
pub(super) fn translate(said: &mut Translation, present: &Present) {
    for (key, value) in said.resources.unified.clone() {
        let value = value.trim();
        match key.as_str() {
            "cpu.max" => cpu_max(said, value, present),
            "cpu.weight" => put(said, "CPUWeight", value.parse().ok()),
            "cpu.idle" if value == "1" && present.since(252) => said.put("CPUWeight", 0_u64),
            "cpuset.cpus" => mask(said, "AllowedCPUs", value, present),
            "cpuset.mems" => mask(said, "AllowedMemoryNodes", value, present),
            "io.weight" => put(said, "IOWeight", value.trim_start_matches("default ").trim().parse().ok()),
            "io.max" => io_max(said, value),
            "memory.high" => put(said, "MemoryHigh", bytes(value)),
            "memory.low" => put(said, "MemoryLow", bytes(value)),
            "memory.max" => put(said, "MemoryMax", bytes(value)),
            "memory.min" => put(said, "MemoryMin", bytes(value)),
            "memory.swap.max" => put(said, "MemorySwapMax", bytes(value)),
            "memory.zswap.max" if present.since(253) => put(said, "MemoryZSwapMax", bytes(value)),
            // Scopes have it since 253, and it can't be changed later.
            "memory.oom.group" if present.creating && present.since(253) => match value {
                "0" => said.put("OOMPolicy", "continue"),
                "1" => said.put("OOMPolicy", "kill"),
                _ => {}
            },
            "pids.max" => number(value).into_iter().for_each(|limit| said.tasks(limit)),
            _ => {}
        }
    }
}

fn put(said: &mut Translation, name: &str, value: Option<u64>) {
    if let Some(value) = value {
        said.put(name, value);
    }
}

fn number(word: &str) -> Option<u64> {
    if word == "max" { Some(INFINITY) } else { word.parse().ok() }
}

/// A size as the kernel takes it: `max`, or a number with K, M, G or T.
fn bytes(word: &str) -> Option<u64> {
    let (digits, shift) = match word.char_indices().last()? {
        (at, 'k' | 'K') => (&word[..at], 10),
        (at, 'm' | 'M') => (&word[..at], 20),
        (at, 'g' | 'G') => (&word[..at], 30),
        (at, 't' | 'T') => (&word[..at], 40),
        _ => return number(word),
    };
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}

/// `max 100000`, `50000 100000` or `50000`; the file gets what systemd rounds to.
fn cpu_max(said: &mut Translation, value: &str, present: &Present) {
    let words: Vec<&str> = value.split_whitespace().collect();
    let (quota, period) = match words.as_slice() {
        [quota] => (number(quota), None),
        [quota, period] => (number(quota), period.parse().ok()),
        _ => return,
    };
    let Some(quota) = quota.filter(|_| words.len() == 1 || period.is_some()) else { return };
    if let Some(rounded) = said.quota(Some(quota), period, present) {
        let period = period.map(|period| format!(" {period}")).unwrap_or_default();
        let text = format!("{rounded}{period}");
        if rounded != quota {
            said.adjust("cpu.max", value, &text);
        }
        said.resources.unified.insert("cpu.max".to_owned(), text);
    }
}

fn mask(said: &mut Translation, name: &str, list: &str, present: &Present) {
    if let Some(mask) = bitmask::of(list).ok().filter(|mask| !mask.is_empty() && present.since(244)) {
        said.put(name, mask);
    }
}

/// Lines such as `8:0 rbps=1048576 wiops=max`.
fn io_max(said: &mut Translation, value: &str) {
    let words = [
        ("rbps", "IOReadBandwidthMax"),
        ("wbps", "IOWriteBandwidthMax"),
        ("riops", "IOReadIOPSMax"),
        ("wiops", "IOWriteIOPSMax"),
    ];
    for (key, name) in words {
        for (device, limit) in value.lines().filter_map(|line| device_limit(line, key)) {
            said.put_device(name, device, limit);
        }
    }
}

fn device_limit(line: &str, key: &str) -> Option<((u32, u32), u64)> {
    let mut words = line.split_whitespace();
    let device = device_number(words.next()?).ok()?;
    let limit = words.find_map(|word| word.strip_prefix(key)?.strip_prefix('='))?;
    Some((device, number(limit)?))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::systemd::Value;
    use crate::{Layout, Pids, Resources};

    fn said(key: &str, value: &str, present: &Present) -> Vec<String> {
        let unified = BTreeMap::from([(key.to_owned(), value.to_owned())]);
        let resources = Resources { unified, ..Resources::default() };
        let properties = Translation::new(&resources, present).unwrap().properties;
        properties.into_iter().map(|p| format!("{}={}", p.name, p.value)).collect()
    }

    #[test]
    fn keys_that_systemd_has_a_word_for_are_said() {
        let max = u64::MAX.to_string();
        let table = [
            ("cpu.max", "50000 100000", "CPUQuotaPeriodUSec=100000 CPUQuotaPerSecUSec=500000"),
            ("cpu.max", "max", &format!("CPUQuotaPerSecUSec={max}")),
            ("cpu.weight", "77", "CPUWeight=77"),
            ("cpu.idle", "1", "CPUWeight=0"),
            ("cpuset.cpus", "0-1,8", "AllowedCPUs=[3, 1]"),
            ("cpuset.mems", "0", "AllowedMemoryNodes=[1]"),
            ("io.weight", "default 200", "IOWeight=200"),
            ("io.weight", "200", "IOWeight=200"),
            ("memory.high", "64M", "MemoryHigh=67108864"),
            ("memory.low", "1k", "MemoryLow=1024"),
            ("memory.max", "max", &format!("MemoryMax={max}")),
            ("memory.min", "4096", "MemoryMin=4096"),
            ("memory.swap.max", "0", "MemorySwapMax=0"),
            ("memory.zswap.max", "0", "MemoryZSwapMax=0"),
            ("memory.oom.group", "1", "OOMPolicy=\"kill\""),
            ("pids.max", "0", "TasksMax=1"),
            ("pids.max", "max\n", &format!("TasksMax={max}")),
            // What systemd can't say, and what the kernel will refuse, is the file's affair.
            ("hugetlb.2MB.max", "0", ""),
            ("io.weight", "8:0 200", ""),
            ("cpu.max", "a b c", ""),
            ("cpu.max", "5 x", ""),
            ("memory.max", "lots", ""),
            ("memory.max", "", ""),
            ("memory.max", "9é", ""),
            ("cpuset.cpus", "x", ""),
        ];
        for (key, value, expected) in table {
            assert_eq!(said(key, value, &Present::new(253, Layout::V2)).join(" "), expected, "{key} {value}");
        }
        assert!(said("memory.oom.group", "1", &Present::new(252, Layout::V2)).is_empty());
        let later = Present { creating: false, ..Present::new(256, Layout::V2) };
        assert!(said("memory.oom.group", "1", &later).is_empty());
    }

    #[test]
    fn limits_of_devices_are_gathered_by_kind() {
        let lines = "8:0 rbps=1048576 wiops=max\n8:16 rbps=2\nnonsense";
        assert_eq!(
            said("io.max", lines, &Present::new(253, Layout::V2)),
            [
                r#"IOReadBandwidthMax=[("/dev/block/8:0", 1048576), ("/dev/block/8:16", 2)]"#,
                &format!(r#"IOWriteIOPSMax=[("/dev/block/8:0", {})]"#, u64::MAX),
            ]
        );
    }

    #[test]
    fn the_map_wins_over_the_typed_value_and_the_file_gets_the_rounded_quota() {
        let unified = BTreeMap::from([
            ("pids.max".to_owned(), "7".to_owned()),
            ("cpu.max".to_owned(), "33333 100000".to_owned()),
        ]);
        let resources = Resources { pids: Some(Pids { limit: Some(9) }), unified, ..Resources::default() };
        let said = Translation::new(&resources, &Present::new(252, Layout::V2)).unwrap();
        let tasks: Vec<_> = said.properties.iter().filter(|p| p.name == "TasksMax").collect();
        assert_eq!(tasks.iter().map(|p| &p.value).collect::<Vec<_>>(), [&Value::U64(7)]);
        assert_eq!(said.resources.unified["cpu.max"], "34000 100000");
        let told: Vec<_> = said.adjusted.iter().map(ToString::to_string).collect();
        assert_eq!(told, [r#""cpu.max": 34000 100000 instead of 33333 100000"#]);
    }
}

//! Weights and rates of block devices; what was read and written.

use std::collections::BTreeMap;

use crate::file::{Dir, parse};
use crate::resources::{BlockIo, unsupported};
use crate::stats::IoStats;
use crate::v1::blkio::{device_number, no_disk, no_leaf_weight};
use crate::{Error, Result};

/// The scale of the specification, which is the one of the scheduler BFQ.
const BFQ: &str = "io.bfq.weight";
/// The scale of v2, which is the one of the cost model.
const COST: &str = "io.weight";

pub(crate) fn set(dir: &Dir, io: &BlockIo) -> Result<()> {
    no_leaf_weight(io)?;
    if let Some(weight) = io.weight.filter(|&n| n != 0) {
        let (file, weight) = weight_file(dir, weight)?;
        dir.write(file, &weight.to_string())?;
    }
    for device in &io.weight_device {
        let Some(weight) = device.weight.filter(|&n| n != 0) else { continue };
        let (file, weight) = weight_file(dir, weight)?;
        dir.write(file, &format!("{}:{} {weight}", device.major, device.minor)).map_err(no_disk)?;
    }
    let rates = [
        ("rbps", &io.throttle_read_bps_device),
        ("wbps", &io.throttle_write_bps_device),
        ("riops", &io.throttle_read_iops_device),
        ("wiops", &io.throttle_write_iops_device),
    ];
    for (key, devices) in rates {
        for device in devices {
            // One device a write. 0, which is no limit on v1, is out of range here.
            let rate = if device.rate == 0 { "max".to_owned() } else { device.rate.to_string() };
            let line = format!("{}:{} {key}={rate}", device.major, device.minor);
            dir.write("io.max", &line).map_err(no_disk)?;
        }
    }
    Ok(())
}

/// Where weights go in this kernel, and the weight in the unit of that file.
fn weight_file(dir: &Dir, weight: u16) -> Result<(&'static str, u64)> {
    if dir.has(BFQ) {
        return Ok((BFQ, u64::from(weight)));
    }
    if dir.has(COST) {
        return Ok((COST, cost_weight_of(weight)));
    }
    let why = "this kernel has neither io.bfq.weight nor io.weight (CONFIG_BFQ_GROUP_IOSCHED, CONFIG_BLK_CGROUP_IOCOST)";
    Err(unsupported("block_io.weight", weight, why))
}

/// Turns 10 to 1000 into 1 to 10000, by a straight line. (In 16 bits it overflows from 17 on.)
fn cost_weight_of(weight: u16) -> u64 {
    1 + u64::from(weight.saturating_sub(10)) * 9_999 / 990
}

pub(crate) fn stats(dir: &Dir) -> Result<Option<Vec<IoStats>>> {
    let name = "io.stat";
    let Some(text) = dir.read_if_there(name)? else { return Ok(None) };
    let lines = text.lines().enumerate().map(|(at, line)| {
        device(line)
            .map_err(|what| Error::malformed(&dir.path().join(name), format!("line {}: {what}", at + 1)))
    });
    lines.filter_map(Result::transpose).collect::<Result<_>>().map(Some)
}

/// Reads `8:0 rbytes=4096 wbytes=0 …`; a device that has no figures yet comes without any.
fn device(line: &str) -> std::result::Result<Option<IoStats>, String> {
    let mut words = line.split_whitespace();
    let (major, minor) = device_number(words.next().unwrap_or_default())?;
    let mut figures = BTreeMap::new();
    for (key, value) in words.filter_map(|word| word.split_once('=')) {
        // Further keys are a driver's own, and not always numbers.
        if ["rbytes", "wbytes", "rios", "wios"].contains(&key) {
            figures.insert(key, parse(value)?);
        }
    }
    let get = |key| figures.get(key).copied().unwrap_or(0);
    Ok((!figures.is_empty()).then(|| IoStats {
        major,
        minor,
        read_bytes: get("rbytes"),
        written_bytes: get("wbytes"),
        reads: get("rios"),
        writes: get("wios"),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weight_of_the_specification_becomes_one_of_v2() {
        // Peers that counted in 16 bits had 5 for 17, 51 for 500 and 4 for 1000.
        for (weight, cost) in [(10, 1), (16, 61), (17, 71), (100, 910), (500, 4950), (1000, 10_000)] {
            assert_eq!(cost_weight_of(weight), cost, "{weight}");
        }
    }
}

//! Weights and rates of block devices; what was read and written.

use std::collections::BTreeMap;

use nix::errno::Errno;

use crate::file::{Dir, parse};
use crate::resources::{BlockIo, unsupported};
use crate::stats::IoStats;
use crate::{Error, Result};

/// The file of CFQ, which Linux 5.0 lost, and that of BFQ, which has it since then.
const WEIGHT: [&str; 2] = ["blkio.bfq.weight", "blkio.weight"];

pub(crate) fn set(dir: &Dir, io: &BlockIo) -> Result<()> {
    no_leaf_weight(io)?;
    if let Some(weight) = io.weight.filter(|&n| n != 0) {
        dir.write(weight_file(dir, weight)?, &weight.to_string())?;
    }
    for device in &io.weight_device {
        let Some(weight) = device.weight.filter(|&n| n != 0) else { continue };
        let file = format!("{}_device", weight_file(dir, weight)?);
        let line = format!("{}:{} {weight}", device.major, device.minor);
        dir.write(&file, &line).map_err(no_disk)?;
    }
    let rates = [
        ("blkio.throttle.read_bps_device", &io.throttle_read_bps_device),
        ("blkio.throttle.write_bps_device", &io.throttle_write_bps_device),
        ("blkio.throttle.read_iops_device", &io.throttle_read_iops_device),
        ("blkio.throttle.write_iops_device", &io.throttle_write_iops_device),
    ];
    for (file, devices) in rates {
        for device in devices {
            // One device a write; the kernel takes 0 for no limit.
            let line = format!("{}:{} {}", device.major, device.minor, device.rate);
            dir.write(file, &line).map_err(no_disk)?;
        }
    }
    Ok(())
}

fn weight_file(dir: &Dir, weight: u16) -> Result<&'static str> {
    let present = WEIGHT.into_iter().find(|name| dir.has(name));
    present.ok_or_else(|| {
        unsupported(
            "block_io.weight",
            weight,
            "this kernel has no blkio.bfq.weight (CONFIG_BFQ_GROUP_IOSCHED)",
        )
    })
}

/// Refuses what went with CFQ.
pub(crate) fn no_leaf_weight(io: &BlockIo) -> Result<()> {
    let leaves = io.weight_device.iter().map(|device| device.leaf_weight).chain([io.leaf_weight]);
    match leaves.flatten().find(|&weight| weight != 0) {
        Some(weight) => {
            Err(unsupported("block_io.leaf_weight", weight, "no kernel has it since Linux 5.0 (CFQ)"))
        }
        None => Ok(()),
    }
}

/// Says what the kernel means by refusing a device.
pub(crate) fn no_disk(error: Error) -> Error {
    match Errno::from_raw(error.raw_os_error().unwrap_or(0)) {
        Errno::ENODEV | Errno::ENXIO => error.note("there is no such disk (a partition is none)"),
        Errno::EOPNOTSUPP => error.note("the scheduler of this disk knows no weights"),
        _ => error,
    }
}

pub(crate) fn stats(dir: &Dir) -> Result<Option<Vec<IoStats>>> {
    let mut devices = BTreeMap::new();
    let bytes = read(dir, "blkio.throttle.io_service_bytes_recursive", &mut devices, |d, read, n| {
        *(if read { &mut d.read_bytes } else { &mut d.written_bytes }) = n;
    })?;
    let operations = read(dir, "blkio.throttle.io_serviced_recursive", &mut devices, |d, read, n| {
        *(if read { &mut d.reads } else { &mut d.writes }) = n;
    })?;
    Ok((bytes || operations).then(|| devices.into_values().collect()))
}

/// Reads lines such as `8:0 Read 4096`; false where there is no such file.
fn read(
    dir: &Dir,
    name: &str,
    devices: &mut BTreeMap<(u32, u32), IoStats>,
    put: impl Fn(&mut IoStats, bool, u64),
) -> Result<bool> {
    let Some(text) = dir.read_if_there(name)? else { return Ok(false) };
    for (at, line) in text.lines().enumerate() {
        let words: Vec<_> = line.split_whitespace().collect();
        // Sums by operation and over all devices, `Total 0` among them, say nothing new.
        let &[device, operation @ ("Read" | "Write"), number] = words.as_slice() else { continue };
        let malformed =
            |what: String| Error::malformed(&dir.path().join(name), format!("line {}: {what}", at + 1));
        let (major, minor) = device_number(device).map_err(malformed)?;
        let number = parse(number).map_err(malformed)?;
        let entry = devices.entry((major, minor)).or_insert(IoStats { major, minor, ..IoStats::default() });
        put(entry, operation == "Read", number);
    }
    Ok(true)
}

/// Reads `8:0`.
pub(crate) fn device_number(word: &str) -> std::result::Result<(u32, u32), String> {
    word.split_once(':')
        .and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)))
        .ok_or_else(|| format!("{word:?} is no device"))
}

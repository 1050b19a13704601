//! Weights and rates of block devices.

use nix::errno::Errno;

use crate::file::Dir;
use crate::resources::{BlockIo, unsupported};
use crate::{Error, ErrorKind, Result};

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
        Errno::ENODEV | Errno::ENXIO => {
            error.note("there is no such disk (a partition is none)").kind_is(ErrorKind::InvalidInput)
        }
        Errno::EOPNOTSUPP => error.note("the scheduler of this disk knows no weights"),
        _ => error,
    }
}

//! Weights and rates of block devices.

use crate::Result;
use crate::file::Dir;
use crate::resources::{BlockIo, unsupported};
use crate::v1::blkio::{no_disk, no_leaf_weight};

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
pub(crate) fn cost_weight_of(weight: u16) -> u64 {
    1 + u64::from(weight.saturating_sub(10)) * 9_999 / 990
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

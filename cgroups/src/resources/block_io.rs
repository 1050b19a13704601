//! Reading and writing block devices.

use std::ops::RangeInclusive;

use super::invalid;
use crate::Result;

/// What the specification allows for a weight.
const WEIGHTS: RangeInclusive<u16> = 10..=1000;

/// Reading and writing block devices.
///
/// Weights count where a device's scheduler is BFQ; on v2 kernels without it also where the cost model is on
/// (`io.cost.qos`). 0 means that a weight is not given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
#[non_exhaustive]
pub struct BlockIo {
    /// The share of a busy device, against the siblings' weights: 10 to 1000, 100 by default.
    pub weight: Option<u16>,
    /// The same for this cgroup's own processes, against the cgroups below it. Only the scheduler CFQ had it, which
    /// is gone since Linux 5.0: an error.
    pub leaf_weight: Option<u16>,
    /// Weights for single devices.
    pub weight_device: Vec<WeightDevice>,
    /// Bytes read in a second, at most.
    pub throttle_read_bps_device: Vec<ThrottleDevice>,
    /// Bytes written in a second, at most.
    pub throttle_write_bps_device: Vec<ThrottleDevice>,
    /// Reads in a second, at most 4294967295.
    #[doc(alias = "throttleReadIOPSDevice")]
    pub throttle_read_iops_device: Vec<ThrottleDevice>,
    /// Writes in a second, at most 4294967295.
    #[doc(alias = "throttleWriteIOPSDevice")]
    pub throttle_write_iops_device: Vec<ThrottleDevice>,
}

/// A weight for one block device.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
#[non_exhaustive]
pub struct WeightDevice {
    /// The device's major number.
    pub major: u32,
    /// The device's minor number; that of a whole disk, for partitions have no weight.
    pub minor: u32,
    /// As [`BlockIo::weight`].
    pub weight: Option<u16>,
    /// As [`BlockIo::leaf_weight`].
    pub leaf_weight: Option<u16>,
}

/// A rate for one block device.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
#[non_exhaustive]
pub struct ThrottleDevice {
    /// The device's major number.
    pub major: u32,
    /// The device's minor number; that of a whole disk, for partitions have no rate.
    pub minor: u32,
    /// So much in a second; 0 for no limit, on both versions.
    pub rate: u64,
}

impl WeightDevice {
    /// A weight for the device with these numbers.
    pub fn new(major: u32, minor: u32, weight: u16) -> WeightDevice {
        WeightDevice { major, minor, weight: Some(weight), leaf_weight: None }
    }
}

impl ThrottleDevice {
    /// A rate for the device with these numbers.
    pub fn new(major: u32, minor: u32, rate: u64) -> ThrottleDevice {
        ThrottleDevice { major, minor, rate }
    }
}

impl BlockIo {
    pub(super) fn check(&self) -> Result<()> {
        let weights = self.weight_device.iter().map(|device| device.weight).chain([self.weight]);
        in_range("block_io.weight", weights.flatten())?;
        let leaves = self.weight_device.iter().map(|device| device.leaf_weight).chain([self.leaf_weight]);
        in_range("block_io.leaf_weight", leaves.flatten())?;
        for (name, devices) in [
            ("block_io.throttle_read_iops_device", &self.throttle_read_iops_device),
            ("block_io.throttle_write_iops_device", &self.throttle_write_iops_device),
        ] {
            if let Some(device) = devices.iter().find(|device| u32::try_from(device.rate).is_err()) {
                // v1 keeps the lower 32 bits and says nothing, v2 makes "no limit" of it.
                return Err(invalid(name, device.rate, "the most that the kernel counts is 4294967295"));
            }
        }
        Ok(())
    }
}

fn in_range(name: &str, mut weights: impl Iterator<Item = u16>) -> Result<()> {
    match weights.find(|weight| *weight != 0 && !WEIGHTS.contains(weight)) {
        Some(weight) => Err(invalid(name, weight, "not of 10 to 1000")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn what_the_kernel_would_cut_to_32_bits_is_refused() {
        let mut io = BlockIo::default();
        io.throttle_read_iops_device.push(ThrottleDevice::new(8, 0, u64::from(u32::MAX)));
        io.throttle_read_bps_device.push(ThrottleDevice::new(8, 0, u64::MAX));
        io.check().unwrap();
        io.throttle_write_iops_device.push(ThrottleDevice::new(8, 0, 1 << 32));
        assert_eq!(io.check().unwrap_err().kind(), ErrorKind::InvalidInput);
    }

    #[test]
    fn a_weight_is_one_of_the_specification() {
        for (weight, is_one) in [(0, true), (9, false), (10, true), (1000, true), (1001, false)] {
            let mut io = BlockIo { weight: Some(weight), ..BlockIo::default() };
            assert_eq!(io.check().is_ok(), is_one, "{weight}");
            io = BlockIo { weight_device: vec![WeightDevice::new(8, 0, weight)], ..BlockIo::default() };
            assert_eq!(io.check().is_ok(), is_one, "{weight}");
        }
    }
}

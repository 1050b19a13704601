//! Weights and rates of block devices in systemd's words.

use super::properties::{INFINITY, Present, Translation};
use super::value::Value;
use crate::{BlockIo, ThrottleDevice, v2};

/// Says what systemd can say; what it can't is left to the files.
pub(super) fn translate(said: &mut Translation, io: &BlockIo, present: &Present) {
    let (weight, device_weight) =
        if present.v2() { ("IOWeight", "IODeviceWeight") } else { ("BlockIOWeight", "BlockIODeviceWeight") };
    if let Some(n) = io.weight.filter(|&n| n != 0) {
        said.put(weight, weight_of(n, present));
    }
    for device in &io.weight_device {
        if let Some(n) = device.weight.filter(|&n| n != 0) {
            said.put_device(device_weight, (device.major, device.minor), weight_of(n, present));
        }
    }
    // Of operations v1's words know nothing, and for one word of v2's systemd passes over all of v1's.
    let words = [
        ("IOReadBandwidthMax", Some("BlockIOReadBandwidth"), &io.throttle_read_bps_device),
        ("IOWriteBandwidthMax", Some("BlockIOWriteBandwidth"), &io.throttle_write_bps_device),
        ("IOReadIOPSMax", None, &io.throttle_read_iops_device),
        ("IOWriteIOPSMax", None, &io.throttle_write_iops_device),
    ];
    for (v2, v1, devices) in words {
        if let Some(name) = if present.v2() { Some(v2) } else { v1 } {
            for device in devices {
                rate(said, name, device);
            }
        }
    }
}

fn rate(said: &mut Translation, name: &str, device: &ThrottleDevice) {
    let rate = if device.rate == 0 { INFINITY } else { device.rate };
    said.put_device(name, (device.major, device.minor), rate);
}

/// A weight of the specification in the unit of the property, such that systemd writes to the file what is written
/// there without it.
fn weight_of(weight: u16, present: &Present) -> u64 {
    match (present.bfq, present.v2()) {
        (true, true) => for_bfq(weight),
        // The largest that systemd takes there, of which it makes 181: what is more is in the file alone.
        (true, false) => for_bfq(weight).min(1000),
        (false, true) => v2::io::cost_weight_of(weight),
        (false, false) => weight.into(),
    }
}

/// systemd takes 1 to 10000 and turns what is above 100 into BFQ's 101 to 1000 by a straight line; this is the way
/// back.
fn for_bfq(weight: u16) -> u64 {
    match u64::from(weight) {
        weight @ ..=100 => weight,
        weight => 100 + (weight - 100) * 11,
    }
}

impl Translation {
    /// Sets a property for one device, beside what was said for others.
    pub(super) fn put_device(&mut self, name: &str, (major, minor): (u32, u32), value: u64) {
        let device = Value::Str(format!("/dev/block/{major}:{minor}"));
        let found = self.properties.iter().find(|property| property.name == name);
        let mut all = match found.map(|property| property.value.clone()) {
            Some(Value::Array(_, all)) => all,
            _ => Vec::new(),
        };
        all.retain(|pair| !matches!(pair, Value::Struct(pair) if pair.first() == Some(&device)));
        all.push(Value::Struct(vec![device, Value::U64(value)]));
        self.put(name, Value::Array("(st)".to_owned(), all));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{Layout, Resources, WeightDevice};

    fn said(io: BlockIo, present: &Present) -> Vec<String> {
        let resources = Resources { block_io: Some(io), ..Resources::default() };
        let properties = Translation::new(&resources, present).unwrap().properties;
        properties.into_iter().map(|p| format!("{}={}", p.name, p.value)).collect()
    }

    fn v2() -> Present {
        Present { creating: false, ..Present::new(252, Layout::V2) }
    }

    fn v1() -> Present {
        Present { creating: false, ..Present::new(247, Layout::Hybrid) }
    }

    fn weight(weight: u16) -> BlockIo {
        BlockIo { weight: Some(weight), ..BlockIo::default() }
    }

    #[test]
    fn a_weight_is_in_the_unit_that_systemd_writes_down() {
        let bfq = |present| Present { bfq: true, ..present };
        let without = |present| Present { bfq: false, ..present };
        for (n, cost, as_bfq, old, old_bfq) in [
            (10, 1, 10, 10, 10),
            (100, 910, 100, 100, 100),
            (500, 4950, 4500, 500, 1000),
            (1000, 10_000, 10_000, 1000, 1000),
        ] {
            assert_eq!(said(weight(n), &v2()), [format!("IOWeight={cost}")]);
            assert_eq!(said(weight(n), &bfq(v2())), [format!("IOWeight={as_bfq}")]);
            assert_eq!(said(weight(n), &without(v1())), [format!("BlockIOWeight={old}")]);
            assert_eq!(said(weight(n), &v1()), [format!("BlockIOWeight={old_bfq}")]);
        }
        assert!(said(weight(0), &v2()).is_empty());
    }

    #[test]
    fn bfq_gets_its_own_weight_back() {
        for weight in 10..=1000_u16 {
            let told = for_bfq(weight);
            // As systemd does it.
            let written = if told <= 100 { told } else { 100 + (told - 100) * 900 / 9900 };
            assert_eq!(written, u64::from(weight));
        }
    }

    #[test]
    fn rates_are_said_by_device_and_operations_on_v2_alone() {
        let io = BlockIo {
            weight_device: vec![WeightDevice::new(8, 0, 100), WeightDevice::new(8, 16, 0)],
            throttle_read_bps_device: vec![ThrottleDevice::new(8, 0, 7), ThrottleDevice::new(8, 16, 0)],
            throttle_write_bps_device: vec![ThrottleDevice::new(8, 0, 8)],
            throttle_read_iops_device: vec![ThrottleDevice::new(8, 0, 9)],
            throttle_write_iops_device: vec![ThrottleDevice::new(8, 0, 10)],
            ..BlockIo::default()
        };
        let none = u64::MAX;
        assert_eq!(
            said(io.clone(), &v2()),
            [
                r#"IODeviceWeight=[("/dev/block/8:0", 910)]"#,
                &format!(r#"IOReadBandwidthMax=[("/dev/block/8:0", 7), ("/dev/block/8:16", {none})]"#),
                r#"IOWriteBandwidthMax=[("/dev/block/8:0", 8)]"#,
                r#"IOReadIOPSMax=[("/dev/block/8:0", 9)]"#,
                r#"IOWriteIOPSMax=[("/dev/block/8:0", 10)]"#,
            ]
        );
        assert_eq!(
            said(io, &v1()),
            [
                r#"BlockIODeviceWeight=[("/dev/block/8:0", 100)]"#,
                &format!(r#"BlockIOReadBandwidth=[("/dev/block/8:0", 7), ("/dev/block/8:16", {none})]"#),
                r#"BlockIOWriteBandwidth=[("/dev/block/8:0", 8)]"#,
            ]
        );
    }

    #[test]
    fn the_map_wins_for_its_own_device_and_leaves_the_others() {
        let devices = vec![ThrottleDevice::new(8, 0, 7), ThrottleDevice::new(8, 16, 8)];
        let io = BlockIo { throttle_read_bps_device: devices, ..BlockIo::default() };
        let unified = BTreeMap::from([("io.max".to_owned(), "8:16 rbps=9".to_owned())]);
        let resources = Resources { block_io: Some(io), unified, ..Resources::default() };
        let said = Translation::new(&resources, &v2()).unwrap().properties;
        assert_eq!(said.len(), 1);
        assert_eq!(said[0].value.to_string(), r#"[("/dev/block/8:0", 7), ("/dev/block/8:16", 9)]"#);
    }
}

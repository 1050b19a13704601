//! Resources as a container's configuration has them, in this crate's words.

use cgroups::{
    DeviceKind, DeviceRule, HugepageLimit, InterfacePriority, Rdma, Resources, ThrottleDevice, WeightDevice,
};
use serde_json::Value;

/// Reads `linux.resources`.
pub(crate) fn resources(from: &Value) -> Resources {
    let mut to = Resources::default();
    if let Some(memory) = from.get("memory") {
        let into = to.memory.get_or_insert_default();
        into.limit = signed(memory, "limit");
        into.reservation = signed(memory, "reservation");
        into.swap = signed(memory, "swap");
        into.kernel = signed(memory, "kernel");
        into.kernel_tcp = signed(memory, "kernelTCP");
        into.swappiness = unsigned(memory, "swappiness");
        into.disable_oom_killer = memory.get("disableOOMKiller").and_then(Value::as_bool);
        into.check_before_update = memory["checkBeforeUpdate"] == true;
    }
    if let Some(cpu) = from.get("cpu") {
        let into = to.cpu.get_or_insert_default();
        into.shares = unsigned(cpu, "shares");
        into.quota = signed(cpu, "quota");
        into.period = unsigned(cpu, "period");
        into.burst = unsigned(cpu, "burst");
        into.idle = signed(cpu, "idle").map(|idle| idle == 1);
        into.realtime_runtime = signed(cpu, "realtimeRuntime");
        into.realtime_period = unsigned(cpu, "realtimePeriod");
        let set = to.cpuset.get_or_insert_default();
        set.cpus = text(cpu, "cpus");
        set.mems = text(cpu, "mems");
    }
    if let Some(pids) = from.get("pids") {
        to.pids.get_or_insert_default().limit = signed(pids, "limit");
    }
    if let Some(io) = from.get("blockIO") {
        let into = to.block_io.get_or_insert_default();
        into.weight = unsigned(io, "weight").map(|weight| weight as u16);
        let device = |of: &Value| (number(of, "major"), number(of, "minor"));
        let throttle = |name| {
            let one = |of: &Value| {
                ThrottleDevice::new(device(of).0, device(of).1, unsigned(of, "rate").unwrap_or(0))
            };
            list(io, name).map(one).collect()
        };
        into.throttle_read_bps_device = throttle("throttleReadBpsDevice");
        into.throttle_write_bps_device = throttle("throttleWriteBpsDevice");
        into.throttle_read_iops_device = throttle("throttleReadIOPSDevice");
        into.throttle_write_iops_device = throttle("throttleWriteIOPSDevice");
        let weight = |of: &Value| WeightDevice::new(device(of).0, device(of).1, number(of, "weight") as u16);
        into.weight_device = list(io, "weightDevice").map(weight).collect();
    }
    let huge = |of: &Value| {
        HugepageLimit::new(text(of, "pageSize").unwrap_or_default(), unsigned(of, "limit").unwrap_or(0))
    };
    to.hugepage_limits = list(from, "hugepageLimits").map(huge).collect();
    for (device, of) in from.get("rdma").and_then(Value::as_object).into_iter().flatten() {
        let mut rdma = Rdma::default();
        rdma.hca_handles = unsigned(of, "hcaHandles").map(|n| n as u32);
        rdma.hca_objects = unsigned(of, "hcaObjects").map(|n| n as u32);
        to.rdma.insert(device.clone(), rdma);
    }
    if let Some(network) = from.get("network") {
        let into = to.network.get_or_insert_default();
        into.class_id = unsigned(network, "classID").map(|id| id as u32);
        let priority =
            |of: &Value| InterfacePriority::new(text(of, "name").unwrap_or_default(), number(of, "priority"));
        into.priorities = list(network, "priorities").map(priority).collect();
    }
    for (key, value) in from.get("unified").and_then(Value::as_object).into_iter().flatten() {
        to.unified.insert(key.clone(), value.as_str().unwrap_or_default().to_owned());
    }
    to
}

/// Reads `linux.resources.devices`.
pub(crate) fn devices(from: &Value) -> Vec<DeviceRule> {
    let rule = |of: &Value| {
        let mut rule = DeviceRule::all(of["allow"] == true);
        rule.kind = match of["type"].as_str() {
            Some("c") => DeviceKind::Char,
            Some("b") => DeviceKind::Block,
            _ => DeviceKind::All,
        };
        rule.major = of.get("major").map(|_| number(of, "major"));
        rule.minor = of.get("minor").map(|_| number(of, "minor"));
        if let Some(access) = text(of, "access") {
            rule.access = access.parse().expect("letters of rwm");
        }
        rule
    };
    list(from, "devices").map(rule).collect()
}

fn list<'v>(of: &'v Value, name: &str) -> impl Iterator<Item = &'v Value> {
    of.get(name).and_then(Value::as_array).into_iter().flatten()
}

fn signed(of: &Value, name: &str) -> Option<i64> {
    of.get(name).and_then(Value::as_i64)
}

fn unsigned(of: &Value, name: &str) -> Option<u64> {
    of.get(name).and_then(Value::as_u64)
}

fn number(of: &Value, name: &str) -> u32 {
    unsigned(of, name).unwrap_or(0) as u32
}

fn text(of: &Value, name: &str) -> Option<String> {
    of.get(name).and_then(Value::as_str).map(str::to_owned)
}

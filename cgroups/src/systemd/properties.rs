//! What resources are in systemd's words.

use std::fmt::Display;
use std::path::Path;

use super::value::{Property, Value};
use super::{bitmask, block_io, unified};
use crate::resources::invalid;
use crate::{Adjusted, Cpu, Cpuset, Layout, Memory, Resources, Result, v2};

/// What there is before something is set, on which systemd's words for it depend.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Present {
    /// systemd's version: what it doesn't know yet is left to the files.
    pub version: u32,
    /// Whether systemd has cgroup v2 for its controllers; on a hybrid machine it has v1.
    pub layout: Layout,
    /// Whether the unit is about to be made: a few things can't be changed later.
    pub creating: bool,
    /// The period in force, in microseconds; `None` for the kernel's default of 100,000.
    pub period: Option<u64>,
    /// The quota in force, in microseconds of each period; `None` for none.
    pub quota: Option<u64>,
    /// Whether the cgroup is idle: systemd keeps that in the weight.
    pub idle: bool,
    /// The limit of memory in force, in bytes; `None` for none. Memory and swap together are counted with it.
    pub memory: Option<u64>,
    /// Whether the weights of block devices are those of the scheduler BFQ (`io.bfq.weight`), which counts otherwise
    /// than systemd. On v1 they always are: no other scheduler has had weights there since Linux 5.0.
    pub bfq: bool,
}

const PIDS: &str = "pids.max";
/// The period that the kernel begins with.
const PERIOD: u64 = 100_000;
/// systemd keeps the quota as microseconds per second, and rounds it to these when it writes it down.
const GRAIN: u128 = 10_000;
const SECOND: u128 = 1_000_000;
/// What systemd says for "as much as there is".
pub(super) const INFINITY: u64 = u64::MAX;

/// What a translation sets of a unit that is there already.
const LIMITS: [&str; 20] = [
    "AllowedCPUs",
    "AllowedMemoryNodes",
    "BlockIODeviceWeight",
    "BlockIOReadBandwidth",
    "BlockIOWeight",
    "BlockIOWriteBandwidth",
    "CPUQuotaPerSecUSec",
    "CPUQuotaPeriodUSec",
    "CPUShares",
    "CPUWeight",
    "IODeviceWeight",
    "IOWeight",
    "MemoryHigh",
    "MemoryLimit",
    "MemoryLow",
    "MemoryMax",
    "MemoryMin",
    "MemorySwapMax",
    "MemoryZSwapMax",
    "TasksMax",
];

impl Property {
    /// Whether it is a limit that an older systemd may not know, and that is then left to the files.
    pub(super) fn is_limit(&self) -> bool {
        LIMITS.contains(&self.name.as_str())
            || (self.name.starts_with("IO") && self.name.ends_with("Max"))
            || ["DeviceAllow", "DevicePolicy"].contains(&self.name.as_str())
    }
}

impl Present {
    /// A unit that is about to be made.
    pub fn new(version: u32, layout: Layout) -> Present {
        Present {
            version,
            layout,
            creating: true,
            period: None,
            quota: None,
            idle: false,
            memory: None,
            bfq: layout != Layout::V2,
        }
    }

    pub(super) fn v2(&self) -> bool {
        self.layout == Layout::V2
    }

    pub(super) fn since(&self, version: u32) -> bool {
        self.version >= version
    }
}

/// Resources, said for systemd and for the files after it.
///
/// systemd writes what it was told to the files again whenever it reloads its units. So whatever it has a word for is
/// told to it, and then all of it is written to the files: what systemd can't say takes effect there.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Translation {
    /// The unit's properties.
    pub properties: Vec<Property>,
    /// What to write to the files afterwards: the same resources, with the quota as systemd rounds it, so that it
    /// doesn't change at the next reload.
    pub resources: Resources,
    /// What systemd keeps otherwise than it was asked for. [`Adjusted::file`] is only the name of the control file
    /// here; where systemd alone keeps another value, it is the name of the property.
    pub adjusted: Vec<Adjusted>,
}

impl Translation {
    /// Says in systemd's words what resources mean.
    ///
    /// | resource | v2 | v1, hybrid |
    /// |---|---|---|
    /// | `memory.limit`, `reservation`, `swap` | `MemoryMax`, `MemoryLow`, `MemorySwapMax` | `MemoryLimit`, –, – |
    /// | `cpu.shares`, `weight` | `CPUWeight` | `CPUShares`, – |
    /// | `cpu.idle` | `CPUWeight` 0 (systemd 252) | – |
    /// | `cpu.quota`, `period` | `CPUQuotaPerSecUSec`, `CPUQuotaPeriodUSec` (systemd 242) | the same |
    /// | `cpuset.cpus`, `mems` | `AllowedCPUs`, `AllowedMemoryNodes` (systemd 244) | – |
    /// | `pids.limit` | `TasksMax`, where 0 is said as 1 | the same |
    /// | `block_io.weight`, `weight_device` | `IOWeight`, `IODeviceWeight` | `BlockIOWeight`, `BlockIODeviceWeight` |
    /// | `block_io`'s bytes in a second | `IOReadBandwidthMax`, `IOWriteBandwidthMax` | `BlockIOReadBandwidth`, `BlockIOWriteBandwidth` |
    /// | `block_io`'s reads and writes in a second | `IOReadIOPSMax`, `IOWriteIOPSMax` | – |
    /// | `unified` | those of its keys that systemd has a word for | – |
    ///
    /// A quota is rounded up to the next hundredth of a processor, which is what systemd keeps; this and the 1 for
    /// 0 processes are [reported](Translation::adjusted). Huge pages, RDMA, misc and marks of traffic are left to the
    /// files: systemd has no words for them.
    ///
    /// ```
    /// use cgroups::systemd::{Present, Property, Translation};
    ///
    /// let mut resources = cgroups::Resources::default();
    /// resources.cpu.get_or_insert_default().quota = Some(33_333);
    /// let said = Translation::new(&resources, &Present::new(252, cgroups::Layout::V2))?;
    /// assert_eq!(said.properties, [Property::new("CPUQuotaPerSecUSec", 340_000_u64)]);
    /// assert_eq!(said.resources.cpu.unwrap().quota, Some(34_000)); // of each 100,000
    /// # Ok::<(), cgroups::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) for values that no kernel takes.
    pub fn new(resources: &Resources, present: &Present) -> Result<Translation> {
        resources.check()?;
        let mut said =
            Translation { properties: Vec::new(), resources: resources.clone(), adjusted: Vec::new() };
        if present.creating && !present.v2() {
            said.put("BlockIOAccounting", true);
            // With it systemd would pass over all that is said in v1's words.
            said.put("IOAccounting", false);
        }
        if let Some(memory) = &resources.memory {
            said.memory(memory, present)?;
        }
        if let Some(cpu) = &resources.cpu {
            said.cpu(cpu, present);
        }
        if let Some(limit) = resources.pids.as_ref().and_then(|pids| pids.limit) {
            said.tasks(if limit == -1 { INFINITY } else { limit as u64 });
        }
        if let Some(cpuset) = &resources.cpuset {
            said.cpuset(cpuset, present)?;
        }
        if let Some(io) = &resources.block_io {
            block_io::translate(&mut said, io, present);
        }
        // What systemd has no word for (hugetlb, rdma, misc, net_cls, net_prio) is written to the files alone.
        if present.v2() {
            unified::translate(&mut said, present);
        }
        Ok(said)
    }

    /// Sets a property, in the place of what was said for it before.
    pub(super) fn put(&mut self, name: &str, value: impl Into<Value>) {
        self.properties.retain(|property| property.name != name);
        self.properties.push(Property::new(name, value));
    }

    /// Says how many processes there may be.
    pub(super) fn tasks(&mut self, limit: u64) {
        // To systemd 0 means that nothing is set; 1 is as close: the process that is there. The file gets the same, for
        // systemd writes it once more some time later.
        self.adjusted.retain(|adjusted| adjusted.file != Path::new(PIDS));
        if limit == 0 {
            self.adjust(PIDS, "0", "1");
            if let Some(text) = self.resources.unified.get_mut(PIDS) {
                "1".clone_into(text);
            } else if let Some(pids) = &mut self.resources.pids {
                pids.limit = Some(1);
            }
        }
        self.put("TasksMax", limit.max(1));
    }

    pub(super) fn adjust(&mut self, name: &str, wanted: impl Display, got: impl Display) {
        let file = name.into();
        self.adjusted.retain(|adjusted| adjusted.file != Path::new(name));
        self.adjusted.push(Adjusted { file, wanted: wanted.to_string(), got: got.to_string() });
    }

    fn memory(&mut self, memory: &Memory, present: &Present) -> Result<()> {
        let limit = memory.limit.unwrap_or(0);
        if limit != 0 {
            self.put(if present.v2() { "MemoryMax" } else { "MemoryLimit" }, bytes(limit));
        }
        if present.v2() {
            if let Some(reservation) = memory.reservation.filter(|&n| n != 0) {
                self.put("MemoryLow", bytes(reservation));
            }
            let both = memory.swap.unwrap_or(0);
            let in_force = present.memory.and_then(|limit| i64::try_from(limit).ok()).unwrap_or(0);
            let counted = if limit == 0 && both > 0 { in_force } else { limit };
            if let Some(swap) = v2::memory::swap_of(both, counted)? {
                self.put("MemorySwapMax", bytes(swap));
            }
        }
        Ok(())
    }

    fn cpu(&mut self, cpu: &Cpu, present: &Present) {
        let shares = cpu.shares.filter(|&n| n != 0);
        let weight = cpu.weight.filter(|&n| n != 0).or(shares.map(v2::cpu::weight_of));
        if !present.v2() {
            if let Some(shares) = shares {
                self.put("CPUShares", shares);
            }
        } else if cpu.idle == Some(true) && present.since(252) {
            self.put("CPUWeight", 0_u64);
        } else if let Some(weight) = weight {
            self.put("CPUWeight", weight);
        } else if cpu.idle == Some(false) && present.idle {
            // The kernel's weight after idling.
            self.put("CPUWeight", 100_u64);
        }
        let period = cpu.period.filter(|&n| n != 0);
        let quota = match cpu.quota.filter(|&n| n != 0) {
            // A period alone keeps the quota, of which systemd would keep the rate.
            None if period.is_some() => present.quota,
            None => None,
            Some(-1) => Some(INFINITY),
            Some(quota) => Some(quota as u64),
        };
        let rounded = self.quota(quota, period, present);
        if let (Some(quota), Some(rounded)) = (quota, rounded) {
            if rounded != quota {
                self.adjust(if present.v2() { "cpu.max" } else { "cpu.cfs_quota_us" }, quota, rounded);
            }
            if let Some(cpu) = &mut self.resources.cpu {
                // What is beyond is as much as there is.
                cpu.quota = Some(i64::try_from(rounded).unwrap_or(-1));
            }
        }
    }

    /// Says a quota and a period; returns the quota to write to the files.
    pub(super) fn quota(
        &mut self,
        quota: Option<u64>,
        period: Option<u64>,
        present: &Present,
    ) -> Option<u64> {
        if let Some(period) = period.filter(|_| present.since(242)) {
            self.put("CPUQuotaPeriodUSec", period);
        }
        let quota = quota?;
        if quota == INFINITY {
            self.put("CPUQuotaPerSecUSec", INFINITY);
            return None;
        }
        let period = u128::from(period.or(present.period).filter(|&n| n != 0).unwrap_or(PERIOD));
        let per_second = (u128::from(quota) * SECOND / period).next_multiple_of(GRAIN);
        self.put("CPUQuotaPerSecUSec", u64::try_from(per_second).unwrap_or(INFINITY));
        Some(u64::try_from(per_second * period / SECOND).unwrap_or(quota))
    }

    fn cpuset(&mut self, cpuset: &Cpuset, present: &Present) -> Result<()> {
        for (key, list, name) in
            [("cpus", &cpuset.cpus, "AllowedCPUs"), ("mems", &cpuset.mems, "AllowedMemoryNodes")]
        {
            if let Some(list) = list.as_deref().filter(|list| !list.is_empty()) {
                let mask = bitmask::of(list).map_err(|why| invalid(&format!("cpuset.{key}"), list, why))?;
                if present.v2() && present.since(244) {
                    self.put(name, mask);
                }
            }
        }
        Ok(())
    }
}

fn bytes(limit: i64) -> u64 {
    u64::try_from(limit).unwrap_or(INFINITY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ErrorKind, Pids};

    fn said(resources: &Resources, present: &Present) -> Vec<String> {
        let properties = Translation::new(resources, present).unwrap().properties;
        properties.into_iter().map(|p| format!("{}={}", p.name, p.value)).collect()
    }

    fn v2() -> Present {
        Present { creating: false, ..Present::new(252, Layout::V2) }
    }

    fn v1() -> Present {
        Present { creating: false, ..Present::new(247, Layout::Hybrid) }
    }

    fn cpu(cpu: Cpu) -> Resources {
        Resources { cpu: Some(cpu), ..Resources::default() }
    }

    fn memory(limit: i64, reservation: i64, swap: i64) -> Resources {
        let memory = Memory {
            limit: Some(limit),
            reservation: Some(reservation),
            swap: Some(swap),
            ..Memory::default()
        };
        Resources { memory: Some(memory), ..Resources::default() }
    }

    #[test]
    fn nothing_given_is_nothing_said() {
        let empty = Resources {
            cpu: Some(Cpu::default()),
            memory: Some(Memory::default()),
            pids: Some(Pids::default()),
            cpuset: Some(Cpuset::default()),
            ..Resources::default()
        };
        assert!(said(&empty, &v2()).is_empty());
        assert!(said(&empty, &v1()).is_empty());
        assert_eq!(
            said(&empty, &Present::new(247, Layout::V1)),
            ["BlockIOAccounting=true", "IOAccounting=false"]
        );
        assert_eq!(said(&memory(0, 0, 0), &v2()), [""; 0]);
    }

    #[test]
    fn memory_is_said_with_swap_apart_on_v2_and_alone_on_v1() {
        let max = u64::MAX;
        assert_eq!(
            said(&memory(1 << 20, 4096, 3 << 20), &v2()),
            ["MemoryMax=1048576", "MemoryLow=4096", "MemorySwapMax=2097152"]
        );
        assert_eq!(said(&memory(4096, 0, 4096), &v2()), ["MemoryMax=4096", "MemorySwapMax=0"]);
        assert_eq!(
            said(&memory(-1, 0, 0), &v2()),
            [format!("MemoryMax={max}"), format!("MemorySwapMax={max}")]
        );
        assert_eq!(said(&memory(1 << 20, 4096, 3 << 20), &v1()), ["MemoryLimit=1048576"]);
        let error = Translation::new(&memory(4096, 0, 1), &v2()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }

    #[test]
    fn a_quota_is_rounded_up_to_what_systemd_keeps_for_the_file_as_well() {
        // T59: systemd wrote another value at the next reload than the runtime had written.
        let table = [
            ((33_333, 100_000), 340_000, 34_000),
            ((50_000, 100_000), 500_000, 50_000),
            ((1, 100_000), 10_000, 1_000),
            ((1_001, 1_000), 1_010_000, 1_010),
            ((200_000, 100_000), 2_000_000, 200_000),
            ((12_345, 50_000), 250_000, 12_500),
        ];
        for ((quota, period), per_second, written) in table {
            let resources = cpu(Cpu { quota: Some(quota), period: Some(period), ..Cpu::default() });
            for present in [v1(), v2()] {
                let expected =
                    [format!("CPUQuotaPeriodUSec={period}"), format!("CPUQuotaPerSecUSec={per_second}")];
                assert_eq!(said(&resources, &present), expected);
                let cpu = Translation::new(&resources, &present).unwrap().resources.cpu.unwrap();
                assert_eq!((cpu.quota, cpu.period), (Some(written), Some(period)));
            }
        }
    }

    #[test]
    fn a_quota_alone_is_of_the_period_in_force_and_a_period_alone_keeps_the_quota() {
        let alone = cpu(Cpu { quota: Some(10_000), ..Cpu::default() });
        assert_eq!(said(&alone, &v2()), ["CPUQuotaPerSecUSec=100000"]);
        assert_eq!(said(&alone, &Present { period: Some(20_000), ..v2() }), ["CPUQuotaPerSecUSec=500000"]);
        let period = cpu(Cpu { period: Some(50_000), ..Cpu::default() });
        assert_eq!(said(&period, &v2()), ["CPUQuotaPeriodUSec=50000"]);
        let present = Present { quota: Some(10_000), ..v2() };
        assert_eq!(said(&period, &present), ["CPUQuotaPeriodUSec=50000", "CPUQuotaPerSecUSec=200000"]);
        assert_eq!(said(&period, &Present { version: 241, ..v2() }), [""; 0]);
    }

    #[test]
    fn no_quota_is_infinity() {
        let resources = cpu(Cpu { quota: Some(-1), ..Cpu::default() });
        assert_eq!(said(&resources, &v2()), [format!("CPUQuotaPerSecUSec={}", u64::MAX)]);
        let said = Translation::new(&resources, &v2()).unwrap();
        assert_eq!(said.resources.cpu.unwrap().quota, Some(-1));
        // The largest numbers neither wrap nor end the program.
        let resources = cpu(Cpu { quota: Some(i64::MAX), period: Some(1), ..Cpu::default() });
        assert!(Translation::new(&resources, &v2()).is_ok());
        let resources = cpu(Cpu { quota: Some(1), period: Some(u64::MAX), ..Cpu::default() });
        assert!(Translation::new(&resources, &v2()).is_ok());
    }

    #[test]
    fn shares_are_a_weight_on_v2_and_idle_is_no_weight() {
        let shares = |n| cpu(Cpu { shares: Some(n), ..Cpu::default() });
        assert_eq!(said(&shares(1024), &v2()), ["CPUWeight=100"]);
        assert_eq!(said(&shares(1024), &v1()), ["CPUShares=1024"]);
        assert_eq!(said(&shares(0), &v2()), [""; 0]);
        let weight = cpu(Cpu { shares: Some(2), weight: Some(55), ..Cpu::default() });
        assert_eq!(said(&weight, &v2()), ["CPUWeight=55"]);
        let idle = cpu(Cpu { shares: Some(1024), idle: Some(true), ..Cpu::default() });
        assert_eq!(said(&idle, &v2()), ["CPUWeight=0"]);
        assert_eq!(said(&idle, &Present { version: 251, ..v2() }), ["CPUWeight=100"]);
        let busy = cpu(Cpu { idle: Some(false), ..Cpu::default() });
        assert_eq!(said(&busy, &v2()), [""; 0]);
        assert_eq!(said(&busy, &Present { idle: true, ..v2() }), ["CPUWeight=100"]);
    }

    #[test]
    fn no_process_at_all_is_said_and_written_as_one() {
        // T63
        for (limit, tasks) in [(0, 1), (1, 1), (100, 100), (-1, u64::MAX)] {
            let resources = Resources { pids: Some(Pids { limit: Some(limit) }), ..Resources::default() };
            assert_eq!(said(&resources, &v1()), [format!("TasksMax={tasks}")]);
            let written = Translation::new(&resources, &v2()).unwrap().resources;
            assert_eq!(written.pids.unwrap().limit, Some(if limit == 0 { 1 } else { limit }));
        }
    }

    #[test]
    fn processors_are_bits_where_systemd_has_them() {
        let cpuset = Cpuset { cpus: Some("0,9".to_owned()), mems: Some("0".to_owned()) };
        let resources = Resources { cpuset: Some(cpuset), ..Resources::default() };
        assert_eq!(said(&resources, &v2()), ["AllowedCPUs=[1, 2]", "AllowedMemoryNodes=[1]"]);
        assert_eq!(said(&resources, &Present { version: 243, ..v2() }), [""; 0]);
        assert_eq!(said(&resources, &v1()), [""; 0]);
        let cpuset = Cpuset { cpus: Some("0-x".to_owned()), mems: None };
        let resources = Resources { cpuset: Some(cpuset), ..Resources::default() };
        let error = Translation::new(&resources, &v2()).unwrap_err();
        assert_eq!(error.to_string(), r#"set cpuset.cpus to "0-x": "x" is no range such as 0-3"#);
    }

    #[test]
    fn what_systemd_keeps_otherwise_is_told() {
        let told = |resources: &Resources, present: &Present| {
            let adjusted = Translation::new(resources, present).unwrap().adjusted;
            adjusted.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let quota = |quota| cpu(Cpu { quota: Some(quota), ..Cpu::default() });
        assert_eq!(told(&quota(33_333), &v2()), [r#""cpu.max": 34000 instead of 33333"#]);
        assert_eq!(told(&quota(33_333), &v1()), [r#""cpu.cfs_quota_us": 34000 instead of 33333"#]);
        assert!(told(&quota(34_000), &v2()).is_empty());
        assert!(told(&quota(-1), &v2()).is_empty());
        let mut none = Resources { pids: Some(Pids { limit: Some(0) }), ..Resources::default() };
        assert_eq!(told(&none, &v2()), [r#""pids.max": 1 instead of 0"#]);
        // The map wins, and with it what is to be told.
        none.unified.insert("pids.max".to_owned(), "5".to_owned());
        assert!(told(&none, &v2()).is_empty());
    }

    #[test]
    fn swap_alone_is_counted_with_the_memory_in_force() {
        // By the files alone it was; under systemd it was refused.
        let both = memory(0, 0, 500);
        let present = Present { memory: Some(200), ..v2() };
        assert_eq!(said(&both, &present), ["MemorySwapMax=300"]);
        assert!(Translation::new(&both, &v2()).is_err());
    }
}

//! What a configuration of 2014 wants, and what that is today.

use std::path::PathBuf;

use super::device::{Device, default_allowed_devices};
use crate::resources::invalid;
use crate::{BlockIo, Cpu, Cpuset, DeviceRule, Error, ErrorKind, Memory, Resources, Result, hierarchy};

/// A cgroup as Docker 0.10 to 1.0 wrote it down: a place, limits and devices.
///
/// 0 and an empty text mean "not given", for each field. With the feature `serde` it is read from the JSON of all
/// these versions and written as 1.0 did; [the module](super) has a table of the keys.
///
/// ```
/// let mut wanted = cgroups::docker::Cgroup::default();
/// (wanted.parent, wanted.name) = ("docker".to_owned(), "web".to_owned());
/// wanted.memory = 64 << 20;
/// let memory = wanted.resources()?.memory.unwrap();
/// assert_eq!((memory.limit, memory.swap), (Some(64 << 20), Some(128 << 20)));
/// assert_eq!(wanted.path()?.to_str(), Some("docker/web"));
/// # Ok::<(), cgroups::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cgroup {
    /// Its name, in the parent.
    pub name: String,
    /// The cgroup that it lies in; under systemd the first word of the scope's name.
    pub parent: String,
    /// Whether no rules about devices are set at all. Before 1.0 it was called `DeviceAccess`.
    #[doc(alias = "DeviceAccess")]
    pub allow_all_devices: bool,
    /// The devices that may be used; an empty list forbids all. `None`, as in files of before 1.0, which had no such
    /// list, stands for [`default_allowed_devices`].
    pub allowed_devices: Option<Vec<Device>>,
    /// How much memory may be in use, in bytes; -1 for no limit.
    pub memory: i64,
    /// How much is left alone when memory is scarce, in bytes. (0.10 took the limit for it, which meant nothing.)
    pub memory_reservation: i64,
    /// How much memory and swap together may be in use, in bytes; -1 for no limit. Not given, it is twice the memory.
    pub memory_swap: i64,
    /// The share of the time when processors are scarce: 2 to 262144.
    pub cpu_shares: i64,
    /// Microseconds of processor time in each period; -1 for as much as there is.
    pub cpu_quota: i64,
    /// Microseconds over which the quota is counted.
    pub cpu_period: i64,
    /// The processors that may be used, as `0-3,7`.
    pub cpuset_cpus: String,
    /// The memory nodes that may be used. Came later than 1.0.
    pub cpuset_mems: String,
    /// How much memory the kernel may use for its sake, in bytes. Came later than 1.0; v1 only.
    pub kernel_memory: i64,
    /// The share of a busy block device: 10 to 1000. Came later than 1.0.
    pub blkio_weight: i64,
    /// Whether processes wait for memory rather than that one is killed. Came later than 1.0; v1 only.
    pub oom_kill_disable: bool,
    /// Whether the processes are stopped from the first.
    pub freezer: FreezerState,
    /// The systemd slice that the scope is put into; `system.slice` unless given.
    pub slice: String,
}

/// Whether processes are stopped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum FreezerState {
    /// Nothing is said about it; written as an empty text.
    #[default]
    Undefined,
    /// They are stopped: `FROZEN`.
    Frozen,
    /// They run: `THAWED`.
    Thawed,
}

impl Cgroup {
    /// Returns the limits in today's words.
    ///
    /// Swap is limited to as much as memory where nothing is said about it, as it was then.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) for a negative number that doesn't stand for "no limit".
    pub fn resources(&self) -> Result<Resources> {
        let mut resources = Resources::default();
        let cpu = Cpu {
            shares: positive("cpu_shares", self.cpu_shares)?,
            quota: given(self.cpu_quota),
            period: positive("cpu_period", self.cpu_period)?,
            ..Cpu::default()
        };
        let memory = Memory {
            limit: given(self.memory),
            reservation: given(self.memory_reservation),
            swap: self.swap(),
            kernel: given(self.kernel_memory),
            disable_oom_killer: self.oom_kill_disable.then_some(true),
            ..Memory::default()
        };
        let cpuset = Cpuset { cpus: said(&self.cpuset_cpus), mems: said(&self.cpuset_mems) };
        let weight = positive("blkio_weight", self.blkio_weight)?;
        let weight = weight
            .map(|weight| {
                u16::try_from(weight).map_err(|_| invalid("blkio_weight", weight, "not of 10 to 1000"))
            })
            .transpose()?;
        resources.cpu = Some(cpu).filter(|cpu| *cpu != Cpu::default());
        resources.memory = Some(memory).filter(|memory| *memory != Memory::default());
        resources.cpuset = Some(cpuset).filter(|cpuset| *cpuset != Cpuset::default());
        resources.block_io = weight.map(|weight| BlockIo { weight: Some(weight), ..BlockIo::default() });
        resources.check()?;
        Ok(resources)
    }

    /// 2014 wrote twice the memory whatever was given, and 0 if only this one was.
    fn swap(&self) -> Option<i64> {
        match (self.memory_swap, self.memory) {
            // Twice the memory was the rule; of no limit there is no double.
            (0, memory) if memory > 0 => Some(memory.saturating_mul(2)),
            (swap, _) => given(swap),
        }
    }

    /// Returns the rules about devices in today's words; `None` where all may be used and so nothing is set.
    pub fn device_rules(&self) -> Option<Vec<DeviceRule>> {
        if self.allow_all_devices {
            return None;
        }
        let rules = self.devices().iter().filter_map(Device::rule).collect::<Vec<_>>();
        Some([vec![DeviceRule::all(false)], rules].concat())
    }

    /// The devices that may be used, also where the list was fixed.
    pub(super) fn devices(&self) -> Vec<Device> {
        self.allowed_devices.clone().unwrap_or_else(default_allowed_devices)
    }

    /// Returns the cgroup's path, from the root of each hierarchy as [`Cgroup::create`](crate::Cgroup::create) takes
    /// it: the parent, and the name in it.
    ///
    /// 2014 put it below the cgroup of process 1, which was the root then. Today that may be a cgroup of systemd's that
    /// can't have others below it.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) without a name, with `..`, and for a control file's name.
    pub fn path(&self) -> Result<PathBuf> {
        self.named()?;
        // Joined as text: a name that begins with a slash would take the place of the parent.
        hierarchy::checked(format!("{}/{}", self.parent, self.name).as_ref())
    }

    /// Returns the name of the systemd scope that it is: `docker-web.scope`.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) without a name, and for what systemd doesn't take.
    #[cfg(feature = "systemd")]
    pub fn unit_name(&self) -> Result<String> {
        self.named()?;
        let prefix = if self.parent.is_empty() { String::new() } else { format!("{}-", self.parent) };
        let unit = format!("{prefix}{}.scope", self.name);
        crate::systemd::check_name(&unit)?;
        Ok(unit)
    }

    fn named(&self) -> Result<()> {
        if self.name.is_empty() {
            return Err(Error::new(ErrorKind::InvalidInput, "name cgroup: it has no name"));
        }
        Ok(())
    }
}

fn given(value: i64) -> Option<i64> {
    (value != 0).then_some(value)
}

fn said(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn positive(name: &str, value: i64) -> Result<Option<u64>> {
    match u64::try_from(value) {
        Ok(value) => Ok((value != 0).then_some(value)),
        Err(_) => Err(invalid(name, value, "negative")),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn memory(limit: i64, swap: i64) -> (Option<i64>, Option<i64>) {
        let wanted = Cgroup { memory: limit, memory_swap: swap, ..Cgroup::default() };
        let memory = wanted.resources().unwrap().memory.unwrap_or_default();
        (memory.limit, memory.swap)
    }

    #[test]
    fn swap_is_what_was_asked_for() {
        // 2014 wrote twice the memory whatever the value was, and 0 where only the swap was given.
        assert_eq!(memory(100, 0), (Some(100), Some(200)), "the rule");
        assert_eq!(memory(100, 150), (Some(100), Some(150)));
        assert_eq!(memory(100, -1), (Some(100), Some(-1)));
        assert_eq!(memory(0, 150), (None, Some(150)));
        assert_eq!(memory(-1, 0), (Some(-1), None), "was -2");
        assert_eq!(memory(i64::MAX, 0), (Some(i64::MAX), Some(i64::MAX)), "was -2");
        assert_eq!(memory(0, 0), (None, None));
    }

    #[test]
    fn what_is_not_given_limits_nothing() {
        assert_eq!(Cgroup::default().resources().unwrap(), Resources::default());
    }

    #[test]
    fn each_limit_has_its_word_of_today() {
        let wanted = Cgroup {
            memory: 64 << 20,
            memory_reservation: 32 << 20,
            cpu_shares: 512,
            cpu_quota: -1,
            cpu_period: 50_000,
            cpuset_cpus: "0-1".to_owned(),
            cpuset_mems: "0".to_owned(),
            blkio_weight: 500,
            ..Cgroup::default()
        };
        let resources = wanted.resources().unwrap();
        let cpu = resources.cpu.unwrap();
        assert_eq!((cpu.shares, cpu.quota, cpu.period), (Some(512), Some(-1), Some(50_000)));
        assert_eq!(resources.memory.unwrap().reservation, Some(32 << 20));
        let cpuset = resources.cpuset.unwrap();
        assert_eq!((cpuset.cpus.as_deref(), cpuset.mems.as_deref()), (Some("0-1"), Some("0")));
        assert_eq!(resources.block_io.unwrap().weight, Some(500));
    }

    #[test]
    fn a_negative_number_is_refused_by_its_name() {
        let text = |wanted: Cgroup| wanted.resources().unwrap_err().to_string();
        let shares = Cgroup { cpu_shares: -5, ..Cgroup::default() };
        assert_eq!(text(shares), "set cpu_shares to -5: negative");
        let swap = Cgroup { memory_swap: -2, ..Cgroup::default() };
        assert_eq!(text(swap), "set memory.swap to -2: negative, and not -1 for no limit");
        let weight = Cgroup { blkio_weight: 65_546, ..Cgroup::default() };
        assert_eq!(text(weight), "set blkio_weight to 65546: not of 10 to 1000");
    }

    #[test]
    fn a_name_neither_leads_out_nor_takes_the_place_of_its_parent() {
        let path = |parent: &str, name: &str| {
            Cgroup { parent: parent.to_owned(), name: name.to_owned(), ..Cgroup::default() }.path()
        };
        assert_eq!(path("docker", "a:b").unwrap(), Path::new("docker/a:b"));
        assert_eq!(path("/docker", "/x").unwrap(), Path::new("docker/x"));
        assert_eq!(path("", "x").unwrap(), Path::new("x"));
        for (parent, name) in
            [("docker", ""), ("docker", ".."), ("../x", "y"), ("x", "../../y"), ("", "tasks")]
        {
            assert_eq!(path(parent, name).unwrap_err().kind(), ErrorKind::InvalidInput, "{parent} {name}");
        }
    }

    #[cfg(feature = "systemd")]
    #[test]
    fn a_scope_is_named_by_parent_and_name() {
        let unit = |parent: &str, name: &str| {
            Cgroup { parent: parent.to_owned(), name: name.to_owned(), ..Cgroup::default() }.unit_name()
        };
        assert_eq!(unit("docker", "web").unwrap(), "docker-web.scope");
        assert_eq!(unit("", "web").unwrap(), "web.scope", "was \"-web.scope\"");
        for (parent, name) in [("docker", ""), ("/docker", "web"), ("docker", "a b")] {
            assert_eq!(unit(parent, name).unwrap_err().kind(), ErrorKind::InvalidInput, "{parent} {name}");
        }
    }

    #[test]
    fn devices_are_closed_but_for_the_list() {
        let rules = |wanted: &Cgroup| {
            let rules = wanted.device_rules().unwrap_or_default();
            rules.iter().map(|rule| (rule.allow, rule.to_string())).collect::<Vec<_>>()
        };
        let mut wanted = Cgroup::default();
        let before = rules(&wanted);
        assert_eq!(before[0], (false, "a *:* rwm".to_owned()));
        assert_eq!(before[1], (true, "c *:* m".to_owned()));
        assert_eq!(before.len(), 15, "the list that was fixed before 1.0");
        wanted.allowed_devices = Some(Vec::new());
        assert_eq!(rules(&wanted), [(false, "a *:* rwm".to_owned())]);
        wanted.allow_all_devices = true;
        assert_eq!(wanted.device_rules(), None);
    }
}

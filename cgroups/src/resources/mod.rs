//! What a cgroup may use: plain data.

mod block_io;
mod cpu;
mod cpuset;
mod devices;
mod hugepage;
mod memory;
mod network;
mod pids;
mod rdma;

use std::collections::BTreeMap;
use std::fmt::{self, Display};

use crate::{Error, ErrorKind, Result};

pub use block_io::{BlockIo, ThrottleDevice, WeightDevice};
pub use cpu::Cpu;
pub use cpuset::Cpuset;
pub use devices::{DeviceAccess, DeviceKind, DeviceRule};
pub use hugepage::HugepageLimit;
pub use memory::Memory;
pub use network::{InterfacePriority, Network};
pub use pids::Pids;
pub use rdma::Rdma;

/// Limits for [`Cgroup::set`](crate::Cgroup::set), with the meaning they have in the [OCI runtime
/// specification] on both versions of cgroups.
///
/// What is `None` is left as it is. So is what is 0 among the CPU times, the shares and weights, and the bytes of
/// [`Memory`], which is how engines write "not given". Anything else is set, or the call fails: nothing is dropped. What only one
/// version of cgroups can do is an error on the other that says so.
///
/// With the feature `serde` it is stored by the names of these fields, which are not those of the specification's JSON;
/// what isn't one of them is an error.
///
/// [OCI runtime specification]: https://github.com/opencontainers/runtime-spec/blob/main/config-linux.md#control-groups
///
/// ```
/// let mut resources = cgroups::Resources::default();
/// resources.memory.get_or_insert_default().limit = Some(64 << 20);
/// resources.pids.get_or_insert_default().limit = Some(100);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
#[non_exhaustive]
pub struct Resources {
    /// Time on the processors.
    pub cpu: Option<Cpu>,
    /// Memory and swap.
    pub memory: Option<Memory>,
    /// The number of processes and threads.
    pub pids: Option<Pids>,
    /// Which processors and memory nodes.
    pub cpuset: Option<Cpuset>,
    /// Reading and writing block devices.
    #[doc(alias = "blkio")]
    pub block_io: Option<BlockIo>,
    /// Memory in huge pages, for each size of them.
    #[doc(alias = "hugetlb")]
    pub hugepage_limits: Vec<HugepageLimit>,
    /// Remote memory access, by the name of the device (`mlx5_0`).
    pub rdma: BTreeMap<String, Rdma>,
    /// Marks and priorities of network traffic. v1 only.
    pub network: Option<Network>,
    /// What some machines have a few of, by the kernel's name in `misc.capacity` (`sev`, `sgx_epc`, …); -1 for no
    /// limit. Needs Linux 5.13.
    pub misc: BTreeMap<String, i64>,
    /// Values written as they are to the v2 control files that they name: `memory.high`, `io.max`. Each line is
    /// written on its own. An error without a v2 hierarchy.
    pub unified: BTreeMap<String, String>,
}

impl Resources {
    /// Refuses what no kernel takes, before anything is written.
    pub(crate) fn check(&self) -> Result<()> {
        self.cpu.as_ref().map_or(Ok(()), Cpu::check)?;
        self.memory.as_ref().map_or(Ok(()), Memory::check)?;
        self.pids.as_ref().map_or(Ok(()), Pids::check)?;
        self.block_io.as_ref().map_or(Ok(()), BlockIo::check)?;
        self.network.as_ref().map_or(Ok(()), Network::check)?;
        self.hugepage_limits.iter().try_for_each(HugepageLimit::check)?;
        self.rdma.iter().try_for_each(|(device, rdma)| rdma.check(device))?;
        for (name, &limit) in &self.misc {
            rdma::word("misc", name, "resource")?;
            signed("misc", Some(limit))?;
        }
        for (key, value) in &self.unified {
            // Every file that limits is named CONTROLLER.NAME; what else is there (release_agent, tasks) is not
            // for a configuration to write.
            if key.contains('/') || !key.contains('.') || key.starts_with('.') {
                return Err(invalid("unified", key, "no name of a v2 control file"));
            }
            // The others move, stop or kill processes, whoever's they are.
            if key.starts_with("cgroup.") && !LIMITS_OF_THE_CORE.contains(&key.as_str()) {
                return Err(invalid("unified", key, "this file limits nothing"));
            }
            let words = value.split(|c: char| c.is_whitespace() || c == '=');
            if let Some(word) = words.into_iter().find(|word| wraps(word)) {
                let why = "more than 64 bits, of which the kernel would take the lower";
                return Err(invalid(&format!("unified {key:?}"), word, why));
            }
        }
        Ok(())
    }
}

/// What limits something among the files of v2 itself.
const LIMITS_OF_THE_CORE: [&str; 3] = ["cgroup.max.depth", "cgroup.max.descendants", "cgroup.pressure"];

/// Refuses a negative number other than -1, which is no limit.
fn signed(name: &str, value: Option<i64>) -> Result<()> {
    match value {
        Some(value) if value < -1 => Err(invalid(name, value, "negative, and not -1 for no limit")),
        _ => Ok(()),
    }
}

/// Whether a number, with a unit or without, is beyond 64 bits: the kernel's reader of sizes doesn't look.
fn wraps(word: &str) -> bool {
    let digits = word.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return false;
    }
    let shift = match word[digits.len()..].chars().next().map(|c| c.to_ascii_uppercase()) {
        Some('K') => 10,
        Some('M') => 20,
        Some('G') => 30,
        Some('T') => 40,
        Some('P') => 50,
        Some('E') => 60,
        _ => 0,
    };
    digits.parse::<u64>().map_or(true, |number| number > u64::MAX >> shift)
}

/// What this version of cgroups, or this kernel, doesn't have.
pub(crate) fn unsupported(name: &str, value: impl fmt::Debug, why: impl Display) -> Error {
    invalid(name, value, why).kind_is(ErrorKind::Unsupported)
}

/// A value that can't be set.
pub(crate) fn invalid(name: &str, value: impl fmt::Debug, why: impl Display) -> Error {
    Error::new(ErrorKind::InvalidInput, format!("set {name} to {value:?}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unified_key_is_the_name_of_a_control_file() {
        // A peer joined the key to the directory and so wrote any file; release_agent runs programs as root.
        let outside =
            ["../memory.max", "/etc/x.conf", "a/memory.max", "release_agent", "tasks", "", "..", "."];
        // These move processes (0 is the caller), stop and kill them.
        let core = ["procs", "threads", "kill", "freeze", "type", "subtree_control"]
            .map(|name| format!("cgroup.{name}"));
        for key in outside.into_iter().chain(core.iter().map(String::as_str)) {
            let unified = BTreeMap::from([(key.to_owned(), "1".to_owned())]);
            let resources = Resources { unified, ..Resources::default() };
            assert_eq!(resources.check().unwrap_err().kind(), ErrorKind::InvalidInput, "{key}");
        }
    }

    #[test]
    fn a_negative_limit_other_than_none_is_refused() {
        let resources = Resources { pids: Some(Pids { limit: Some(-2) }), ..Resources::default() };
        assert_eq!(
            resources.check().unwrap_err().to_string(),
            "set pids.limit to -2: negative, and not -1 for no limit"
        );
    }

    #[test]
    fn a_number_that_would_wrap_is_refused() {
        // memory.max takes thirty digits, and keeps something else.
        for (value, wraps) in [
            ("18446744073709551615", false),
            ("18446744073709551616", true),
            ("999999999999999999999999999999", true),
            ("64M", false),
            ("15E", false),
            ("16E", true),
            ("20000000T", true),
            ("max", false),
            ("0-3", false),
            ("", false),
            ("8:0 rbps=99999999999999999999", true),
            ("8:0 rbps=1 wiops=max", false),
        ] {
            let unified = BTreeMap::from([("memory.max".to_owned(), value.to_owned())]);
            let resources = Resources { unified, ..Resources::default() };
            assert_eq!(resources.check().is_err(), wraps, "{value}");
        }
    }

    #[test]
    fn what_the_kernel_has_no_number_for_is_refused_by_name() {
        let text = |resources: Resources| resources.check().unwrap_err().to_string();
        let memory = Memory { swappiness: Some(201), ..Memory::default() };
        let resources = Resources { memory: Some(memory), ..Resources::default() };
        assert_eq!(text(resources), "set memory.swappiness to 201: the most is 200");
        let resources = Resources { pids: Some(Pids { limit: Some(4_194_305) }), ..Resources::default() };
        assert_eq!(text(resources), "set pids.limit to 4194305: the most that the kernel takes is 4194304");
        let cpu = Cpu { realtime_runtime: Some(-2), ..Cpu::default() };
        assert!(text(Resources { cpu: Some(cpu), ..Resources::default() }).contains("cpu.realtime_runtime"));
        let misc = BTreeMap::from([("a b".to_owned(), 1)]);
        assert!(text(Resources { misc, ..Resources::default() }).ends_with("no name of a resource"));
    }

    #[cfg(feature = "serde")]
    #[test]
    fn what_is_not_given_in_stored_data_is_none() {
        let resources: Resources = serde_json::from_str(r#"{"memory":{"limit":4096}}"#).unwrap();
        assert_eq!(resources.memory.unwrap().limit, Some(4096));
        assert_eq!(resources.cpu, None);
        let rule: DeviceRule =
            serde_json::from_str(r#"{"allow":true,"kind":"c","major":1,"access":"rm"}"#).unwrap();
        assert_eq!((rule.minor, rule.access), (None, DeviceAccess::READ | DeviceAccess::MKNOD));
        assert_eq!(serde_json::to_value(rule).unwrap()["access"], "rm");
        // As the specification names it: passed over, the limit would not be in force.
        for text in
            [r#"{"blockIO":{}}"#, r#"{"memory":{"disableOOMKiller":true}}"#, r#"{"hugepageLimits":[]}"#]
        {
            assert!(
                serde_json::from_str::<Resources>(text).unwrap_err().to_string().contains("unknown field")
            );
        }
    }
}

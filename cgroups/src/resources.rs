//! What a cgroup may use: plain data.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::str::FromStr;

use bitflags::bitflags;

use crate::{Error, ErrorKind, Result};

/// Limits for [`Cgroup::set`](crate::Cgroup::set), with the meaning they have in the [OCI runtime
/// specification] on both versions of cgroups.
///
/// What is `None` is left as it is. So is what is 0 among the CPU times and shares and the bytes of memory,
/// which is how engines write "not given". Anything else is set, or the call fails: nothing is dropped.
///
/// [OCI runtime specification]: https://github.com/opencontainers/runtime-spec/blob/main/config-linux.md#control-groups
///
/// ```
/// let mut resources = cgroups::Resources::default();
/// resources.memory.get_or_insert_default().limit = Some(64 << 20);
/// resources.pids.get_or_insert_default().limit = Some(100);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
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
    /// Values written as they are to the v2 control files that they name: `memory.high`, `io.max`. Each line is
    /// written on its own. An error without a v2 hierarchy.
    pub unified: BTreeMap<String, String>,
}

/// Time on the processors.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
#[non_exhaustive]
pub struct Cpu {
    /// The share of the time when processors are scarce, against the siblings' shares: 2 to 262144, 1024 by
    /// default. Becomes a weight on v2 (1024 is 100 there).
    pub shares: Option<u64>,
    /// The same in the unit of v2: 1 to 10000. Wins over `shares` there; an error on v1.
    pub weight: Option<u64>,
    /// Microseconds of processor time in each `period`; -1 for as much as there is.
    pub quota: Option<i64>,
    /// Microseconds over which `quota` is counted.
    pub period: Option<u64>,
    /// Microseconds of unused quota that may be saved up for later periods.
    pub burst: Option<u64>,
    /// Whether to run only when a processor has nothing else to do. Needs Linux 5.15.
    pub idle: Option<bool>,
}

/// Memory and swap, in bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
#[non_exhaustive]
pub struct Memory {
    /// How much memory may be in use; -1 for no limit.
    pub limit: Option<i64>,
    /// How much is left alone when memory is scarce; -1 for no such line on v1, for all of it on v2.
    pub reservation: Option<i64>,
    /// How much memory *and* swap together may be in use; -1 for no limit. Equal to `limit`: no swap.
    pub swap: Option<i64>,
    /// Whether to refuse a limit that is below what is in use. v1 always does; v2 kills instead.
    pub check_before_update: bool,
}

/// The number of processes and threads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
#[non_exhaustive]
pub struct Pids {
    /// How many there may be; -1 for no limit. Here 0 is a limit: nothing inside can fork.
    pub limit: Option<i64>,
}

/// Which processors and memory nodes may be used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
#[non_exhaustive]
pub struct Cpuset {
    /// Processors, as `0-3,7`.
    pub cpus: Option<String>,
    /// Memory nodes, as `0,1`.
    pub mems: Option<String>,
}

/// One rule of [`Cgroup::set_devices`](crate::Cgroup::set_devices).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct DeviceRule {
    /// Whether the rule gives or takes.
    pub allow: bool,
    /// The kind of device.
    pub kind: DeviceKind,
    /// The major number; `None` for all.
    #[cfg_attr(feature = "serde", serde(default))]
    pub major: Option<u32>,
    /// The minor number; `None` for all.
    #[cfg_attr(feature = "serde", serde(default))]
    pub minor: Option<u32>,
    /// What it gives or takes.
    pub access: DeviceAccess,
}

/// The kind of device that a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum DeviceKind {
    /// All of them: `a`.
    #[cfg_attr(feature = "serde", serde(rename = "a"))]
    All,
    /// Block devices: `b`.
    #[cfg_attr(feature = "serde", serde(rename = "b"))]
    Block,
    /// Character devices: `c`.
    #[cfg_attr(feature = "serde", serde(rename = "c"))]
    Char,
}

bitflags! {
    /// What a device rule gives or takes, written `rwm`.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
    #[cfg_attr(feature = "serde", serde(try_from = "String", into = "String"))]
    pub struct DeviceAccess: u32 {
        /// `m`: to make a node of it.
        const MKNOD = 1;
        /// `r`: to open it for reading.
        const READ = 2;
        /// `w`: to open it for writing.
        const WRITE = 4;
    }
}

impl DeviceRule {
    /// Returns the rule that takes every device away, or gives every one.
    pub fn all(allow: bool) -> DeviceRule {
        DeviceRule { allow, kind: DeviceKind::All, major: None, minor: None, access: DeviceAccess::all() }
    }

    /// Returns whether the rule speaks of every access to every device.
    pub(crate) fn is_about_everything(&self) -> bool {
        DeviceRule { allow: true, ..*self } == DeviceRule::all(true)
    }
}

/// Writes the rule as v1's control files take it: `c 1:3 rwm`.
impl Display for DeviceRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |n: Option<u32>| n.map_or("*".to_owned(), |n| n.to_string());
        write!(f, "{} {}:{} {}", self.kind, number(self.major), number(self.minor), self.access)
    }
}

impl Display for DeviceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DeviceKind::All => "a",
            DeviceKind::Block => "b",
            DeviceKind::Char => "c",
        })
    }
}

impl Display for DeviceAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (flag, letter) in [(Self::READ, "r"), (Self::WRITE, "w"), (Self::MKNOD, "m")] {
            if self.contains(flag) {
                f.write_str(letter)?;
            }
        }
        Ok(())
    }
}

impl FromStr for DeviceAccess {
    type Err = Error;

    fn from_str(text: &str) -> Result<DeviceAccess> {
        let flag = |letter| match letter {
            'r' => Ok(DeviceAccess::READ),
            'w' => Ok(DeviceAccess::WRITE),
            'm' => Ok(DeviceAccess::MKNOD),
            _ => {
                Err(Error::new(ErrorKind::InvalidInput, format!("device access {text:?}: not of r, w and m")))
            }
        };
        text.chars().map(flag).collect::<Result<Vec<_>>>().map(|flags| flags.into_iter().collect())
    }
}

impl TryFrom<String> for DeviceAccess {
    type Error = Error;

    fn try_from(text: String) -> Result<DeviceAccess> {
        text.parse()
    }
}

impl From<DeviceAccess> for String {
    fn from(access: DeviceAccess) -> String {
        access.to_string()
    }
}

impl Resources {
    /// Refuses what no kernel takes, before anything is written.
    pub(crate) fn check(&self) -> Result<()> {
        let memory = self.memory.clone().unwrap_or_default();
        let signed = [
            ("cpu.quota", self.cpu.as_ref().and_then(|cpu| cpu.quota)),
            ("memory.limit", memory.limit),
            ("memory.reservation", memory.reservation),
            ("memory.swap", memory.swap),
            ("pids.limit", self.pids.as_ref().and_then(|pids| pids.limit)),
        ];
        for (name, value) in signed {
            if value.is_some_and(|value| value < -1) {
                return Err(invalid(name, value.unwrap_or_default(), "negative, and not -1 for no limit"));
            }
        }
        for key in self.unified.keys() {
            // Every file that limits is named CONTROLLER.NAME; what else is there (release_agent, tasks) is not
            // for a configuration to write.
            if key.contains('/') || !key.contains('.') || key.starts_with('.') {
                return Err(invalid("unified", key, "no name of a v2 control file"));
            }
        }
        Ok(())
    }
}

/// A value that can't be set.
pub(crate) fn invalid(name: &str, value: impl fmt::Debug, why: impl Display) -> Error {
    Error::new(ErrorKind::InvalidInput, format!("set {name} to {value:?}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_reads_as_v1_takes_it() {
        let rule = DeviceRule {
            kind: DeviceKind::Char,
            major: Some(1),
            access: DeviceAccess::READ,
            ..DeviceRule::all(true)
        };
        assert_eq!(rule.to_string(), "c 1:* r");
        assert_eq!(DeviceRule::all(false).to_string(), "a *:* rwm");
        assert_eq!("mw".parse::<DeviceAccess>().unwrap().to_string(), "wm");
        assert_eq!("rx".parse::<DeviceAccess>().unwrap_err().kind(), ErrorKind::InvalidInput);
    }

    #[test]
    fn a_unified_key_is_the_name_of_a_control_file() {
        // A peer joined the key to the directory and so wrote any file; release_agent runs programs as root.
        for key in ["../memory.max", "/etc/x.conf", "a/memory.max", "release_agent", "tasks", "", "..", "."] {
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
    }
}

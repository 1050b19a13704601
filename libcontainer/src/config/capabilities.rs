//! Capabilities by name, [`capabilities(7)`](https://man7.org/linux/man-pages/man7/capabilities.7.html).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{Error, ErrorKind};

/// The names, at the places of their numbers (include/uapi/linux/capability.h).
const NAMES: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

/// A set of capabilities.
///
/// ```
/// let set: libcontainer::CapabilitySet = ["CAP_KILL", "CAP_CHOWN"].into_iter().map(|name| name.parse().unwrap()).collect();
/// assert_eq!(set.to_string(), "CAP_CHOWN CAP_KILL");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct CapabilitySet(u64);

impl CapabilitySet {
    /// No capability.
    pub const NONE: CapabilitySet = CapabilitySet(0);
    /// Every capability that this crate knows.
    pub const ALL: CapabilitySet = CapabilitySet((1 << NAMES.len()) - 1);

    /// Makes a set from the kernel's bits, as `/proc/PID/status` shows them.
    pub const fn from_bits(bits: u64) -> Self {
        CapabilitySet(bits)
    }

    /// Returns the kernel's bits.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Returns whether every capability of another set is in this one.
    pub const fn contains(self, other: CapabilitySet) -> bool {
        self.0 & other.0 == other.0
    }

    /// Returns the capabilities of both sets.
    #[must_use]
    pub const fn union(self, other: CapabilitySet) -> CapabilitySet {
        CapabilitySet(self.0 | other.0)
    }

    /// Returns the names, in the order of the kernel's numbers.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        NAMES.iter().enumerate().filter(move |(number, _)| self.0 & (1 << number) != 0).map(|(_, name)| *name)
    }
}

impl FromIterator<CapabilitySet> for CapabilitySet {
    fn from_iter<T: IntoIterator<Item = CapabilitySet>>(sets: T) -> Self {
        sets.into_iter().fold(CapabilitySet::NONE, CapabilitySet::union)
    }
}

/// One capability by its name, with or without `CAP_`.
impl FromStr for CapabilitySet {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        let bare = name.strip_prefix("CAP_").unwrap_or(name);
        let number = NAMES.iter().position(|known| known.strip_prefix("CAP_") == Some(bare));
        let unknown = || Error::new(ErrorKind::InvalidConfig, format_args!("capability {name:?}: unknown"));
        number.map(|number| CapabilitySet(1 << number)).ok_or_else(unknown)
    }
}

impl fmt::Display for CapabilitySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.names().collect();
        f.write_str(&names.join(" "))
    }
}

impl Serialize for CapabilitySet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.names())
    }
}

impl<'de> Deserialize<'de> for CapabilitySet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names = Vec::<String>::deserialize(deserializer)?;
        names.iter().map(|name| name.parse()).collect::<Result<_, _>>().map_err(serde::de::Error::custom)
    }
}

/// The five sets of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Capabilities {
    /// What the process and its children can ever have.
    pub bounding: CapabilitySet,
    /// What counts now.
    pub effective: CapabilitySet,
    /// What can be made effective.
    pub permitted: CapabilitySet,
    /// What a program with inheritable file capabilities gets; best left empty.
    pub inheritable: CapabilitySet,
    /// What stays over an exec by an ordinary user.
    pub ambient: CapabilitySet,
}

impl Capabilities {
    /// Makes the sets of a process that has just these: bounding, effective and permitted.
    pub fn of(set: CapabilitySet) -> Self {
        Capabilities { bounding: set, effective: set, permitted: set, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_the_kernels() {
        for (name, number) in [("CAP_CHOWN", 0), ("SYS_ADMIN", 21), ("CAP_CHECKPOINT_RESTORE", 40)] {
            assert_eq!(name.parse::<CapabilitySet>().unwrap().bits(), 1 << number);
        }
        assert!("CAP_NOTHING".parse::<CapabilitySet>().unwrap_err().to_string().contains("CAP_NOTHING"));
    }

    #[test]
    fn sets_travel_as_names() {
        let set = CapabilitySet::from_bits(0b10_0001);
        let json = serde_json::to_string(&set).unwrap();
        assert_eq!(json, r#"["CAP_CHOWN","CAP_KILL"]"#);
        assert_eq!(serde_json::from_str::<CapabilitySet>(&json).unwrap(), set);
    }
}

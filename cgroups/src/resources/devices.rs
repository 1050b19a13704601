//! Which devices may be used.

use std::fmt::{self, Display};
use std::str::FromStr;

use bitflags::bitflags;

use crate::{Error, ErrorKind, Result};

/// One rule of [`Cgroup::set_devices`](crate::Cgroup::set_devices).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
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

/// Reads what `Display` writes, and the single `a` of v1, which is everything. The rule allows.
///
/// ```
/// let rule: cgroups::DeviceRule = "c 1:3 rwm".parse()?;
/// assert!(rule.allow);
/// assert_eq!((rule.major, rule.minor), (Some(1), Some(3)));
/// # Ok::<(), cgroups::Error>(())
/// ```
impl FromStr for DeviceRule {
    type Err = Error;

    fn from_str(text: &str) -> Result<DeviceRule> {
        let wrong = |why: &str| Error::new(ErrorKind::InvalidInput, format!("device rule {text:?}: {why}"));
        let number = |text: &str| match text {
            "*" => Ok(None),
            text => {
                text.parse().map(Some).map_err(|_| wrong("a device's number is up to 4294967295, or \"*\""))
            }
        };
        let words: Vec<_> = text.split_whitespace().collect();
        let [kind, numbers, access] = words[..] else {
            return if words == ["a"] {
                Ok(DeviceRule::all(true))
            } else {
                Err(wrong("not as \"c 1:3 rwm\""))
            };
        };
        let kind = match kind {
            "a" => DeviceKind::All,
            "b" => DeviceKind::Block,
            "c" => DeviceKind::Char,
            _ => return Err(wrong("the kind is a, b or c")),
        };
        let (major, minor) = numbers.split_once(':').ok_or_else(|| wrong("no colon between the numbers"))?;
        let access: DeviceAccess = access.parse()?;
        if access.is_empty() {
            return Err(wrong("it gives nothing"));
        }
        Ok(DeviceRule { allow: true, kind, major: number(major)?, minor: number(minor)?, access })
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
        assert_eq!("c 1:* r".parse::<DeviceRule>().unwrap(), rule);
        assert_eq!(" a ".parse::<DeviceRule>().unwrap(), DeviceRule::all(true));
        for wrong in
            ["", "c", "c 1:3", "d 1:3 r", "c 1 r", "c 1:3 x", "c -1:3 r", "c 4294967296:3 r", "c 1:3 r r"]
        {
            assert_eq!(wrong.parse::<DeviceRule>().unwrap_err().kind(), ErrorKind::InvalidInput, "{wrong}");
        }
        assert_eq!("rx".parse::<DeviceAccess>().unwrap_err().kind(), ErrorKind::InvalidInput);
    }
}

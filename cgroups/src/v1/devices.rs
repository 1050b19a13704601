//! Device rules as exceptions from a default, which is all that v1 knows.

use std::collections::BTreeMap;

use crate::file::Dir;
use crate::resources::{DeviceAccess, DeviceKind, DeviceRule, invalid};
use crate::stats::device_number;
use crate::{Error, ErrorKind, Result};

pub(crate) fn set(dir: &Dir, rules: &[DeviceRule]) -> Result<()> {
    let wanted = List::of(rules)?;
    let present = List::read(dir)?;
    // Between two lists of exceptions only the difference is written, what is given first, so that no process
    // meets a moment in which less, or everything, is allowed.
    for (file, value) in present.changes(&wanted, dir.processes()?.is_empty()) {
        dir.write(file, &value)?;
    }
    let result = List::read(dir)?;
    // An open default is told without its exceptions.
    if result.allow != wanted.allow || (!wanted.allow && result != wanted) {
        return Err(Error::at(ErrorKind::Other, "set device rules of", dir.path(), "the kernel took others"));
    }
    Ok(())
}

/// What the kernel keeps: a default, and the accesses to which the opposite applies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct List {
    pub(crate) allow: bool,
    pub(crate) exceptions: BTreeMap<Node, DeviceAccess>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Node {
    pub(crate) kind: DeviceKind,
    pub(crate) major: Option<u32>,
    pub(crate) minor: Option<u32>,
}

impl Node {
    fn covers(&self, other: &Node) -> bool {
        let covers = |mine: Option<u32>, its| mine.is_none() || mine == its;
        self.kind == other.kind && covers(self.major, other.major) && covers(self.minor, other.minor)
    }

    fn meets(&self, other: &Node) -> bool {
        let meets = |a: Option<u32>, b: Option<u32>| a.is_none() || b.is_none() || a == b;
        self.kind == other.kind && meets(self.major, other.major) && meets(self.minor, other.minor)
    }
}

impl List {
    /// Works out what rules come to, the last one winning, starting from nothing allowed.
    pub(crate) fn of(rules: &[DeviceRule]) -> Result<List> {
        let mut list = List::default();
        for rule in rules {
            if rule.is_about_everything() {
                list = List { allow: rule.allow, exceptions: BTreeMap::new() };
                continue;
            }
            let kinds: &[DeviceKind] = match &rule.kind {
                DeviceKind::All => &[DeviceKind::Block, DeviceKind::Char],
                kind => std::slice::from_ref(kind),
            };
            for &kind in kinds {
                let node = Node { kind, major: rule.major, minor: rule.minor };
                if rule.allow == list.allow {
                    list.take(&node, rule)?;
                } else {
                    *list.exceptions.entry(node).or_insert(DeviceAccess::empty()) |= rule.access;
                }
            }
        }
        Ok(list)
    }

    /// Takes accesses out of the exceptions.
    fn take(&mut self, node: &Node, rule: &DeviceRule) -> Result<()> {
        for (exception, access) in &mut self.exceptions {
            if node.covers(exception) {
                access.remove(rule.access);
            } else if node.meets(exception) && access.intersects(rule.access) {
                let why = "cgroup v1 can't except a part of what an earlier rule covers";
                return Err(invalid("device rule", rule.to_string(), why));
            }
        }
        self.exceptions.retain(|_, access| !access.is_empty());
        Ok(())
    }

    fn read(dir: &Dir) -> Result<List> {
        let name = "devices.list";
        List::parse(&dir.read(name)?).map_err(|what| Error::malformed(&dir.path().join(name), what))
    }

    fn parse(text: &str) -> std::result::Result<List, String> {
        let mut list = List::default();
        for line in text.lines() {
            let bad = || format!("{line:?} is no device rule");
            let words: Vec<_> = line.split_whitespace().collect();
            let &[kind, device, access] = words.as_slice() else { return Err(bad()) };
            let kind = match kind {
                "a" => {
                    list.allow = true;
                    continue;
                }
                "b" => DeviceKind::Block,
                "c" => DeviceKind::Char,
                _ => return Err(bad()),
            };
            let (major, minor) = device.split_once(':').ok_or_else(bad)?;
            let number = |word: &str| match word {
                "*" => Ok(None),
                word => device_number(&format!("{word}:0")).map(|(number, _)| Some(number)),
            };
            let node = Node { kind, major: number(major)?, minor: number(minor)? };
            let access: DeviceAccess = access.parse().map_err(|_| bad())?;
            *list.exceptions.entry(node).or_insert(DeviceAccess::empty()) |= access;
        }
        Ok(list)
    }

    /// The writes that lead from this list, as the kernel tells it, to another one.
    fn changes(&self, wanted: &List, empty: bool) -> Vec<(&'static str, String)> {
        let (same, opposite) =
            if wanted.allow { ("devices.allow", "devices.deny") } else { ("devices.deny", "devices.allow") };
        let mut writes = Vec::new();
        let mut known = &self.exceptions;
        let none = BTreeMap::new();
        // The default is written only to change it, or, where nobody is inside yet, to forget exceptions of an
        // open default, which the kernel doesn't tell.
        if self.allow != wanted.allow || (wanted.allow && empty) {
            writes.push((same, DeviceRule::all(wanted.allow).to_string()));
            known = &none;
        }
        let mut differences =
            |file, from: &BTreeMap<Node, DeviceAccess>, to: &BTreeMap<Node, DeviceAccess>| {
                for (&Node { kind, major, minor }, &access) in to {
                    let has = from.get(&Node { kind, major, minor }).copied();
                    let access = access - has.unwrap_or(DeviceAccess::empty());
                    if !access.is_empty() {
                        let rule = DeviceRule { allow: true, kind, major, minor, access };
                        writes.push((file, rule.to_string()));
                    }
                }
            };
        differences(opposite, known, &wanted.exceptions);
        differences(same, &wanted.exceptions, known);
        writes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(allow: bool, text: &str) -> DeviceRule {
        let mut words = text.split_whitespace();
        let kind = match words.next().unwrap() {
            "a" => DeviceKind::All,
            "b" => DeviceKind::Block,
            _ => DeviceKind::Char,
        };
        let (major, minor) = words.next().unwrap().split_once(':').unwrap();
        let access = words.next().unwrap().parse().unwrap();
        DeviceRule { allow, kind, major: major.parse().ok(), minor: minor.parse().ok(), access }
    }

    fn writes(present: &str, rules: &[DeviceRule]) -> Vec<String> {
        let writes = List::parse(present).unwrap().changes(&List::of(rules).unwrap(), false);
        writes.into_iter().map(|(file, value)| format!("{} {value}", &file[8..])).collect()
    }

    #[test]
    fn a_fresh_cgroup_is_closed_and_then_given_what_is_allowed() {
        let rules = [rule(false, "a *:* rwm"), rule(true, "c *:* m"), rule(true, "c 1:3 rwm")];
        assert_eq!(writes("a *:* rwm\n", &rules), ["deny a *:* rwm", "allow c *:* m", "allow c 1:3 rwm"]);
    }

    #[test]
    fn a_running_cgroup_is_only_told_the_difference() {
        // Peers write "a" first, and for a moment everything or nothing is allowed to those inside.
        let rules = [rule(true, "c 1:3 rw"), rule(true, "c 1:5 r")];
        assert_eq!(writes("c 1:3 rwm\nb 8:0 r\n", &rules), ["allow c 1:5 r", "deny b 8:0 r", "deny c 1:3 m"]);
        assert!(writes("c 1:3 rw\nc 1:5 r\n", &rules).is_empty());
    }

    #[test]
    fn without_a_rule_that_allows_nothing_is_allowed() {
        // A peer left everything open where the configuration had no rule that closes first.
        assert_eq!(writes("a *:* rwm\n", &[]), ["deny a *:* rwm"]);
        assert_eq!(writes("a *:* rwm\n", &[rule(true, "c 1:3 r")]), ["deny a *:* rwm", "allow c 1:3 r"]);
    }

    #[test]
    fn the_last_matching_rule_wins() {
        let rules = [rule(true, "c 1:3 rwm"), rule(true, "c 1:5 rw"), rule(false, "c 1:* w")];
        assert_eq!(writes("", &rules), ["allow c 1:3 rm", "allow c 1:5 r"]);
        let rules = [rule(true, "c 1:3 rwm"), rule(true, "a *:* rwm"), rule(false, "b 8:0 w")];
        assert_eq!(writes("", &rules), ["allow a *:* rwm", "deny b 8:0 w"]);
    }

    #[test]
    fn a_rule_on_both_kinds_becomes_two() {
        assert_eq!(writes("", &[rule(true, "a *:* m")]), ["allow b *:* m", "allow c *:* m"]);
    }

    #[test]
    fn what_v1_can_not_say_is_refused() {
        let rules = [rule(true, "c *:* rwm"), rule(false, "c 1:5 w")];
        assert_eq!(List::of(&rules).unwrap_err().kind(), ErrorKind::InvalidInput);
    }

    #[test]
    fn a_list_that_does_not_read_as_the_kernels_is_an_error() {
        for text in ["c 1:3\n", "x 1:3 r\n", "c 1 r\n", "c 1:y r\n", "c 1:3 rx\n"] {
            assert!(List::parse(text).is_err(), "{text}");
        }
    }
}

//! Device rules in systemd's words: everything closed, and a list of what is open.

use super::value::{Property, Value};
use crate::v1::devices::List;
use crate::{DeviceKind, DeviceRule};

/// Says in systemd's words which devices may be used.
///
/// `DeviceAllow` is emptied first, then the policy is set, then the list: systemd adds to what is there, and since
/// version 230 it forgets the list with a policy that comes after it.
///
/// systemd knows only lists of what is open. Rules that come to "everything but" are said as a policy of no rules at
/// all, and the filter that [`Cgroup::set_devices`](crate::Cgroup::set_devices) sets is alone in force. A rule for one
/// minor number of all major ones is left out: no word of systemd's is as narrow.
pub fn device_properties(rules: &[DeviceRule], version: u32) -> Vec<Property> {
    let (policy, pairs) = match List::of(rules) {
        Ok(list) if !list.allow => {
            let pairs = list.exceptions.iter().filter_map(|(node, access)| {
                let device = device(node.kind, node.major, node.minor, version)?;
                Some((device, access.to_string()))
            });
            ("strict", pairs.collect())
        }
        _ => ("auto", Vec::new()),
    };
    let mut properties =
        vec![Property::new("DeviceAllow", Value::pairs([])), Property::new("DevicePolicy", policy)];
    if !pairs.is_empty() {
        properties.push(Property::new("DeviceAllow", Value::pairs(pairs)));
    }
    properties
}

fn device(kind: DeviceKind, major: Option<u32>, minor: Option<u32>, version: u32) -> Option<String> {
    let kind = match kind {
        DeviceKind::Block => "block",
        DeviceKind::Char => "char",
        DeviceKind::All => return None,
    };
    match (major, minor) {
        (Some(major), Some(minor)) => Some(format!("/dev/{kind}/{major}:{minor}")),
        // Before, it wanted the driver's name.
        (Some(major), None) => (version >= 240).then(|| format!("{kind}-{major}")),
        (None, None) => Some(format!("{kind}-*")),
        (None, Some(_)) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DeviceAccess;

    fn rule(
        allow: bool,
        kind: DeviceKind,
        major: Option<u32>,
        minor: Option<u32>,
        access: &str,
    ) -> DeviceRule {
        DeviceRule { allow, kind, major, minor, access: access.parse().unwrap() }
    }

    fn said(rules: &[DeviceRule], version: u32) -> Vec<String> {
        let properties = device_properties(rules, version);
        properties.into_iter().map(|p| format!("{}={}", p.name, p.value)).collect()
    }

    #[test]
    fn the_list_is_emptied_then_the_policy_set_then_filled() {
        // T62: from systemd 230 on a policy that came after the list made it forget the list.
        use DeviceKind::{Block, Char};
        let rules = [
            DeviceRule::all(false),
            rule(true, Char, Some(1), Some(3), "rwm"),
            rule(true, Char, Some(136), None, "rw"),
            rule(true, Block, None, None, "m"),
            rule(true, Char, None, Some(7), "r"),
        ];
        assert_eq!(
            said(&rules, 252),
            [
                "DeviceAllow=[]",
                "DevicePolicy=\"strict\"",
                r#"DeviceAllow=[("block-*", "m"), ("/dev/char/1:3", "rwm"), ("char-136", "rw")]"#,
            ]
        );
        assert!(!said(&rules, 239).concat().contains("char-136"));
    }

    #[test]
    fn no_rules_close_everything_and_what_systemd_has_no_words_for_is_left_to_the_filter() {
        assert_eq!(said(&[], 252), ["DeviceAllow=[]", "DevicePolicy=\"strict\""]);
        assert_eq!(said(&[DeviceRule::all(true)], 252), ["DeviceAllow=[]", "DevicePolicy=\"auto\""]);
        let but = [DeviceRule::all(true), rule(false, DeviceKind::Char, Some(1), Some(3), "w")];
        assert_eq!(said(&but, 252), ["DeviceAllow=[]", "DevicePolicy=\"auto\""]);
        let part = [
            rule(true, DeviceKind::Char, None, None, "rw"),
            rule(false, DeviceKind::Char, Some(1), Some(3), "w"),
        ];
        assert_eq!(said(&part, 252), ["DeviceAllow=[]", "DevicePolicy=\"auto\""]);
    }

    #[test]
    fn a_rule_that_was_taken_back_is_not_said() {
        let rules = [
            rule(true, DeviceKind::Char, Some(1), Some(3), "rwm"),
            rule(false, DeviceKind::Char, Some(1), None, "rwm"),
        ];
        assert_eq!(said(&rules, 252).len(), 2);
        assert_eq!(rules[0].access, DeviceAccess::all());
    }
}

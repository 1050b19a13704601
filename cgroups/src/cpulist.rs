//! Lists of processors and memory nodes, to compare them.

use std::collections::BTreeSet;

/// Beyond what any kernel is built for.
const HIGHEST: u32 = 65_535;

/// The members of `0-3,7`; `None` for what is not so plain (`all`, `0-9:2/4`), or can't be.
pub(crate) fn members(list: &str) -> Option<BTreeSet<u32>> {
    let mut members = BTreeSet::new();
    let mut budget = 2 * HIGHEST;
    for range in list.split([',', '\n']).map(str::trim).filter(|range| !range.is_empty()) {
        let (from, to) = range.split_once('-').unwrap_or((range, range));
        let (from, to) = (from.parse::<u32>().ok()?, to.parse::<u32>().ok()?);
        // However often a configuration says the same, it is not worked through.
        budget = budget.checked_sub(to.checked_sub(from)?)?;
        if to > HIGHEST {
            return None;
        }
        members.extend(from..=to);
    }
    Some(members)
}

/// Writes rising numbers as a list, a few ranges of it.
pub(crate) fn ranges(members: impl Iterator<Item = u32>) -> String {
    const SHOWN: usize = 8;
    let mut found: Vec<(u32, u32)> = Vec::new();
    for member in members {
        match found.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(member) => *last = member,
            _ => found.push((member, member)),
        }
    }
    let more = if found.len() > SHOWN { ",…" } else { "" };
    let one = |&(from, to): &(u32, u32)| if from == to { from.to_string() } else { format!("{from}-{to}") };
    found.iter().take(SHOWN).map(one).collect::<Vec<_>>().join(",") + more
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_is_told_in_ranges_and_not_to_its_end() {
        assert_eq!(ranges([0, 1, 2, 7, 9, 10].into_iter()), "0-2,7,9-10");
        assert_eq!(ranges(2..=65_535), "2-65535");
        assert_eq!(ranges((0..1000).step_by(2)), "0,2,4,6,8,10,12,14,…");
        assert_eq!(ranges(std::iter::empty()), "");
    }

    #[test]
    fn a_list_is_the_same_however_it_is_written() {
        assert_eq!(members("0-2,1,3\n"), members("0,1,2,3"));
        assert_eq!(members("\n"), Some(BTreeSet::new()));
        for list in ["3-1", "x", "0-9:2/4", "all", "0-4294967295", "-1", "1-", &"0-65535,".repeat(9)] {
            assert_eq!(members(list), None, "{list}");
        }
    }
}

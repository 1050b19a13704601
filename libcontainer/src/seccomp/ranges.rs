//! The numbers of the kernel's one architecture as ranges, and the program that finds a number's range.

use super::arch::X32_BIT;
use super::assembler::{Assembler, Next};
use super::conditions::Case;
use super::table::{Table, Verdict};
use super::{bpf, conditions};
use crate::config::Arch;

/// The numbers from one to the next range's first: what happens to them.
#[derive(Clone, Copy, Debug)]
struct Range<'a> {
    first: u32,
    verdict: Found<'a>,
}

/// A verdict, with its cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found<'a> {
    Always(u32),
    Cases(&'a [Case], Arch),
}

/// What numbers get that no rule is about.
#[derive(Clone, Copy)]
pub(super) struct Defaults {
    /// The profile's own.
    pub(super) action: u32,
    /// What numbers get that are larger than all that the profile is about, where that is something else.
    pub(super) newer: Option<u32>,
    /// What numbers get that belong to no architecture of the profile.
    pub(super) stranger: u32,
}

/// Writes what happens to the calls of one architecture of the kernel; `tables` are those that share its
/// number. Returns where it begins: at the load of the call's number.
pub(super) fn write(to: &mut Assembler, tables: &[Table], defaults: Defaults) -> Next {
    let ranges = ranges(tables, defaults);
    let tree = search(to, &ranges, defaults.action);
    to.enter(tree);
    to.plain(bpf::LOAD, bpf::NUMBER)
}

/// Returns the ranges of all numbers; neighbours differ.
fn ranges(tables: &[Table], defaults: Defaults) -> Vec<Range<'_>> {
    let mut ranges = Ranges(Vec::with_capacity(256));
    let of = |arch: Arch| tables.iter().find(|table| table.arch == arch);
    let is_x86_64 = tables.iter().any(|table| matches!(table.arch, Arch::X86_64 | Arch::X32));
    if !is_x86_64 {
        for table in tables {
            ranges.table(table, 0, u32::MAX, defaults);
        }
        return ranges.0;
    }
    // x32 is x86_64 by the kernel's number of the architecture, with a bit in those of the calls.
    match of(Arch::X86_64) {
        Some(table) => ranges.table(table, 0, X32_BIT - 1, defaults),
        None => ranges.push(0, Found::Always(defaults.stranger)),
    }
    match of(Arch::X32) {
        Some(table) => ranges.table(table, X32_BIT, (X32_BIT << 1) - 1, defaults),
        None => ranges.push(X32_BIT, Found::Always(defaults.stranger)),
    }
    // Above it is the same once more, with numbers that no kernel has calls for.
    let above = |arch, otherwise| {
        let newer = of(arch).and_then(|table| table.last).and(defaults.newer);
        newer.unwrap_or(otherwise)
    };
    let x32 = of(Arch::X32).map_or(defaults.stranger, |_| defaults.action);
    ranges.push(X32_BIT << 1, Found::Always(above(Arch::X86_64, x32)));
    ranges.push(X32_BIT * 3, Found::Always(above(Arch::X32, x32)));
    if of(Arch::X32).is_none() {
        // What a tracer makes of a call that it wants passed over.
        ranges.push(u32::MAX, Found::Always(defaults.action));
    }
    ranges.0
}

struct Ranges<'a>(Vec<Range<'a>>);

impl<'a> Ranges<'a> {
    fn push(&mut self, first: u32, verdict: Found<'a>) {
        self.0.pop_if(|last| last.first == first);
        if self.0.last().is_none_or(|last| last.verdict != verdict) {
            self.0.push(Range { first, verdict });
        }
    }

    /// Adds the numbers of one table, from one to the last that it can have.
    fn table(&mut self, table: &'a Table, first: u32, end: u32, defaults: Defaults) {
        let newer = table.last.zip(defaults.newer);
        self.push(first, Found::Always(defaults.action));
        // `setup` of s390, which no rule can name, stands for all numbers beyond its table.
        if let Some((_, newer)) = newer.filter(|_| matches!(table.arch, Arch::S390 | Arch::S390x)) {
            self.push(0, Found::Always(newer));
            self.push(1, Found::Always(defaults.action));
        }
        let end = newer.map_or(end, |(last, _)| last.min(end));
        for (number, verdict) in table.verdicts.iter().take_while(|(number, _)| *number <= end) {
            let found = match verdict {
                Verdict::Always(action) => Found::Always(*action),
                Verdict::Cases(at) => Found::Cases(&table.cases[*at], table.arch),
            };
            self.push(*number, found);
            self.push(number + 1, Found::Always(defaults.action));
        }
        if let Some((last, newer)) = newer {
            self.push(last + 1, Found::Always(newer));
        }
    }
}

/// Writes the search for the range of the number in the accumulator.
fn search(to: &mut Assembler, ranges: &[Range<'_>], default: u32) -> Next {
    match ranges {
        [] => Next::Return(default),
        [one] => match one.verdict {
            Found::Always(action) => Next::Return(action),
            Found::Cases(cases, arch) => conditions::write(to, arch, cases, default),
        },
        // One number between others that are all treated alike.
        [before, one, after] if before.verdict == after.verdict && after.first == one.first + 1 => {
            let no = search(to, &ranges[2..], default);
            let yes = search(to, &ranges[1..2], default);
            to.branch(bpf::EQUAL, one.first, yes, no)
        }
        _ => {
            let middle = middle(ranges);
            let above = search(to, &ranges[middle..], default);
            let below = search(to, &ranges[..middle], default);
            to.branch(bpf::GREATER_OR_EQUAL, ranges[middle].first, above, below)
        }
    }
}

/// Returns where a search divides the numbers so that the two parts are called equally often, if each number is.
fn middle(ranges: &[Range<'_>]) -> usize {
    // Numbers that no kernel has calls for are in ranges without a near end.
    let weight = |at: usize| match ranges.get(at + 1) {
        Some(next) if next.first - ranges[at].first < 1024 => next.first - ranges[at].first,
        _ => 1,
    };
    let whole: u32 = (0..ranges.len()).map(weight).sum();
    let mut below = 0;
    for at in 0..ranges.len() - 1 {
        below += weight(at);
        if below * 2 >= whole {
            // The division before this range may be the better one.
            let is_nearer = at > 0 && whole.abs_diff(2 * (below - weight(at))) < whole.abs_diff(2 * below);
            return if is_nearer { at } else { at + 1 };
        }
    }
    ranges.len() - 1
}

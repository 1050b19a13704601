//! Conditions on the arguments of a call, in the order in which they are tried.

use std::cmp::{Ordering, Reverse};

use super::assembler::{Assembler, Next};
use super::bpf;
use crate::config::{Arch, Comparison, Op};

/// A comparison of one argument, with what can't matter taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Condition {
    index: u32,
    op: Op,
    mask: u64,
    value: u64,
}

/// What happens to a call whose arguments meet all conditions, which are in the order of the arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Case {
    pub(super) conditions: Vec<Condition>,
    pub(super) action: u32,
}

impl Condition {
    /// Makes a condition for an architecture; none is left of one that always holds.
    pub(super) fn new(comparison: &Comparison, arch: Arch) -> Option<Condition> {
        let Comparison { index, op, value, value_two } = *comparison;
        let whole = if arch.is_wide() { u64::MAX } else { u32::MAX.into() };
        let (mask, value) = match op {
            Op::MaskedEqual => (value & whole, value_two & value & whole),
            _ => (whole, value & whole),
        };
        (mask != 0).then_some(Condition { index, op, mask, value })
    }

    /// Whether the first argument is this number: how a multiplexer knows what it is asked for.
    pub(super) fn asks_for(code: u64, arch: Arch) -> Option<Condition> {
        Condition::new(&Comparison::new(0, Op::Equal, code), arch)
    }

    pub(super) fn index(&self) -> u32 {
        self.index
    }

    /// Orders conditions as libseccomp tries them: the last argument first, equality before ranges, the
    /// narrower range before the wider one. What is behind that only makes it an order.
    fn order(&self, other: &Condition) -> Ordering {
        let key = |one: &Condition| {
            let (class, value, fine) = match one.op {
                Op::Equal => (0, !one.value, 0),
                Op::MaskedEqual => (0, !one.value, 1),
                Op::NotEqual => (0, !one.value, 2),
                Op::Less => (1, one.value, 0),
                Op::LessOrEqual => (1, one.value, 1),
                Op::Greater => (2, !one.value, 0),
                Op::GreaterOrEqual => (2, !one.value, 1),
            };
            (Reverse(one.index), class, value, fine, !one.mask)
        };
        key(self).cmp(&key(other))
    }

    /// Writes the comparison, of two halves where the architecture has 64 bits.
    fn write(&self, to: &mut Assembler, arch: Arch, yes: Next, no: Next) -> Next {
        let (yes, no, code) = match self.op {
            Op::Equal | Op::MaskedEqual => (yes, no, bpf::EQUAL),
            Op::NotEqual => (no, yes, bpf::EQUAL),
            Op::Greater => (yes, no, bpf::GREATER),
            Op::LessOrEqual => (no, yes, bpf::GREATER),
            Op::GreaterOrEqual => (yes, no, bpf::GREATER_OR_EQUAL),
            Op::Less => (no, yes, bpf::GREATER_OR_EQUAL),
        };
        let (first, second) = (bpf::ARGUMENTS + 8 * self.index, bpf::ARGUMENTS + 8 * self.index + 4);
        let (low, high) = if arch.is_little() { (first, second) } else { (second, first) };
        let mut next = yes;
        if self.mask as u32 != 0 {
            next = to.branch(code, self.value as u32, yes, no);
            next = masked(to, self.mask as u32, low, next);
        }
        if arch.is_wide() && self.mask >> 32 != 0 {
            let value = (self.value >> 32) as u32;
            next = to.branch(bpf::EQUAL, value, next, no);
            if code != bpf::EQUAL {
                next = to.branch(bpf::GREATER, value, yes, next);
            }
            next = masked(to, (self.mask >> 32) as u32, high, next);
        }
        next
    }
}

/// Writes the load of a word, and of its bits that count, before what was written last.
fn masked(to: &mut Assembler, mask: u32, offset: u32, next: Next) -> Next {
    to.enter(next);
    if mask != u32::MAX {
        to.plain(bpf::AND, mask);
    }
    to.plain(bpf::LOAD, offset)
}

impl Case {
    /// Orders cases as libseccomp tries them: condition by condition, the shorter one first.
    pub(super) fn order(&self, other: &Case) -> Ordering {
        let conditions = self.conditions.iter().zip(&other.conditions);
        let differs = conditions.map(|(one, two)| one.order(two)).find(|order| order.is_ne());
        differs.unwrap_or_else(|| self.conditions.len().cmp(&other.conditions.len()))
    }
}

/// Writes cases: the first one whose conditions are met counts, or else the default.
pub(super) fn write(to: &mut Assembler, arch: Arch, cases: &[Case], default: u32) -> Next {
    let mut next = Next::Return(default);
    for case in cases.iter().rev() {
        // It is an error in the end: an endless profile must not take all memory first.
        if to.is_too_long() {
            break;
        }
        let otherwise = next;
        next = Next::Return(case.action);
        for condition in case.conditions.iter().rev() {
            next = condition.write(to, arch, next, otherwise);
        }
    }
    next
}

//! What happens to each number of an architecture.

use super::calls::Call;
use super::compile::too_long;
use super::conditions::{Case, Condition};
use super::{bpf, value};
use crate::config::{Arch, Comparison, Rule};
use crate::error::{Error, ErrorKind, Result};

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// This, whatever its arguments are.
    Always(u32),
    /// What the cases say; their place in [`Table::cases`].
    Cases(usize),
}

/// A rule about calls that some architecture has.
pub(super) struct Known<'a> {
    pub(super) rule: &'a Rule,
    pub(super) calls: Vec<Call>,
    /// Whether it says nothing else than the default.
    pub(super) is_default: bool,
}

/// What happens to the calls of an architecture that the rules are about.
pub(super) struct Table {
    pub(super) arch: Arch,
    /// Ordered by the number.
    pub(super) verdicts: Vec<(u32, Verdict)>,
    pub(super) cases: Vec<Vec<Case>>,
    /// The largest number that any rule is about, whatever it says.
    pub(super) last: Option<u32>,
}

/// One rule's say about one number.
#[derive(Clone, Copy)]
struct Entry {
    number: u32,
    call: Call,
    rule: usize,
    /// What the multiplexer is asked for.
    code: Option<u64>,
}

impl Table {
    pub(super) fn new(arch: Arch, rules: &[Known<'_>]) -> Result<Table> {
        let (mut entries, last) = entries(arch, rules);
        // The sort keeps the order of the rules about one number.
        entries.sort_by_key(|entry| entry.number);
        let mut table = Table { arch, verdicts: Vec::with_capacity(entries.len()), cases: Vec::new(), last };
        for same in entries.chunk_by(|one, two| one.number == two.number) {
            let verdict = table.verdict(rules, same)?;
            table.verdicts.push((same[0].number, verdict));
        }
        Ok(table)
    }

    /// Makes one verdict of what all rules say about a number.
    fn verdict(&mut self, rules: &[Known<'_>], entries: &[Entry]) -> Result<Verdict> {
        let mut cases = Vec::new();
        for entry in entries {
            let rule = rules[entry.rule].rule;
            if rule.args.is_empty() && entry.code.is_none() {
                return Ok(Verdict::Always(value(rule.action)));
            }
            for case in self.cases_of(rule, entry.code) {
                // A rule about all calls is stronger than those about some, and the first one counts.
                if case.conditions.is_empty() {
                    return Ok(Verdict::Always(case.action));
                }
                cases.push(case);
            }
        }
        cases.sort_by(Case::order);
        cases.dedup();
        if cases.windows(2).any(|two| two[0].conditions == two[1].conditions) {
            let name = entries[0].call.name();
            let text = format!("seccomp: rules about {name:?} with the same conditions say different things");
            return Err(Error::new(ErrorKind::InvalidConfig, text));
        }
        // Each of them makes an instruction at least.
        if cases.iter().map(|case| case.conditions.len()).sum::<usize>() > bpf::LONGEST {
            return Err(too_long());
        }
        self.cases.push(cases);
        Ok(Verdict::Cases(self.cases.len() - 1))
    }

    fn cases_of(&self, rule: &Rule, code: Option<u64>) -> Vec<Case> {
        let asked = code.and_then(|code| Condition::asks_for(code, self.arch));
        let case = |args: &[Comparison]| {
            // A multiplexer's own first argument stands where the call's would.
            let own = args.iter().filter(|arg| asked.is_none() || arg.index != 0);
            let own = own.filter_map(|arg| Condition::new(arg, self.arch));
            let mut conditions: Vec<_> = own.chain(asked).collect();
            conditions.sort_by_key(Condition::index);
            Case { conditions, action: value(rule.action) }
        };
        match rule.args.as_slice() {
            args if repeats(args) => args.chunks(1).map(case).collect(),
            args => vec![case(args)],
        }
    }
}

/// Whether a rule names an argument twice: then each of its comparisons is a rule of its own, as in runc.
fn repeats(args: &[Comparison]) -> bool {
    args.iter().enumerate().any(|(at, one)| args[..at].iter().any(|other| other.index == one.index))
}

/// Returns what rules say about numbers of an architecture, and the largest number that they are about.
fn entries(arch: Arch, rules: &[Known<'_>]) -> (Vec<Entry>, Option<u32>) {
    let (mut entries, mut last) = (Vec::with_capacity(512), None::<u32>);
    for (at, known) in rules.iter().enumerate() {
        for call in &known.calls {
            let (number, asked) = (call.number(arch), call.multiplexed(arch));
            // To libseccomp a call that can be multiplexed has no number of its own.
            last = last.max(number.filter(|_| asked.is_none()));
            if known.is_default {
                continue;
            }
            let entry = |number, code| Entry { number, call: *call, rule: at, code };
            entries.extend(asked.and_then(|(by, code)| Some(entry(by.number(arch)?, Some(code)))));
            entries.extend(number.map(|number| entry(number, None)));
        }
    }
    // A profile about the very first call alone isn't one that knows which calls there are.
    (entries, last.filter(|last| *last > 0))
}

//! What test programs said, and the table that is made of it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;

/// A test program that cargo has built.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TestProgram {
    pub(crate) package: String,
    pub(crate) name: String,
    pub(crate) folder: PathBuf,
    pub(crate) path: PathBuf,
}

/// What one test program came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) passed: usize,
    /// Name and reason.
    pub(crate) ignored: Vec<(String, String)>,
    /// Name, or what went wrong with the program.
    pub(crate) failed: Vec<String>,
    pub(crate) took: Duration,
    /// All that it wrote, where something failed.
    pub(crate) said: String,
}

impl Outcome {
    /// Reads what a program wrote; no `code` where it did not come to its end.
    pub(crate) fn of(lines: &[String], code: Option<i32>, took: Duration) -> Outcome {
        let mut outcome = Outcome { took, ..Outcome::default() };
        let mut summed: Option<[usize; 3]> = None;
        for line in lines {
            if let Some((name, verdict)) =
                line.strip_prefix("test ").and_then(|rest| rest.split_once(" ... "))
            {
                let name = name.trim().to_owned();
                let verdict = verdict.trim();
                if verdict == "ok" {
                    outcome.passed += 1;
                } else if let Some(reason) = verdict.strip_prefix("ignored") {
                    // libtest: `, reason`; libtest-mimic: ` (reason)`.
                    let inner = reason.strip_prefix(" (").and_then(|reason| reason.strip_suffix(')'));
                    let reason = inner.or_else(|| reason.strip_prefix(", ")).unwrap_or(reason);
                    outcome.ignored.push((name, reason.to_owned()));
                } else if verdict.starts_with("FAILED") {
                    outcome.failed.push(name);
                }
            } else if line.starts_with("test result: ") {
                let counts = [" passed", " failed", " ignored"].map(|word| number_before(line, word));
                summed = match counts {
                    [Some(passed), Some(failed), ignored] => Some([passed, failed, ignored.unwrap_or(0)]),
                    _ => summed,
                };
            }
        }
        // The program's own sum is the measure: a test's output may have stood in the middle of a line.
        match (summed, code) {
            (_, None) => outcome.failed.push(lines.last().cloned().unwrap_or_default()),
            (None, Some(code)) => {
                outcome.failed.push(format!("ended with exit code {code} and without a result"));
            }
            (Some([passed, failed, ignored]), Some(code)) => {
                outcome.passed = passed;
                while outcome.ignored.len() < ignored {
                    outcome
                        .ignored
                        .push((String::new(), "the reason was torn apart by other output".to_owned()));
                }
                if outcome.failed.len() < failed {
                    outcome.failed.push(format!("{failed} tests"));
                }
                if code != 0 && outcome.failed.is_empty() {
                    let left = lines.iter().rev().find(|line| line.contains("left behind"));
                    outcome.failed.push(left.cloned().unwrap_or_else(|| format!("exit code {code}")));
                }
            }
        }
        if !outcome.failed.is_empty() {
            outcome.said = lines.join("\n");
        }
        outcome
    }

    /// The counts in a line.
    pub(crate) fn in_words(&self) -> String {
        let mut words = format!("{} passed", self.passed);
        for (count, what) in [(self.ignored.len(), "ignored"), (self.failed.len(), "FAILED")] {
            if count > 0 {
                let _ = write!(words, ", {count} {what}");
            }
        }
        words
    }
}

fn number_before(line: &str, word: &str) -> Option<usize> {
    line[..line.find(word)?].rsplit(' ').next()?.parse().ok()
}

/// What the test programs of one ground came to, by crate.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) crates: BTreeMap<String, Outcome>,
}

impl Counts {
    /// Adds a program's outcome to its crate's.
    pub(crate) fn add(&mut self, program: &TestProgram, outcome: Outcome) {
        let sum = self.crates.entry(program.package.clone()).or_default();
        sum.passed += outcome.passed;
        sum.ignored.extend(outcome.ignored);
        sum.failed.extend(outcome.failed.into_iter().map(|name| format!("{}: {name}", program.name)));
        sum.took += outcome.took;
    }

    /// The counts of a ground that could not be made.
    pub(crate) fn broken(why: &str) -> Counts {
        let outcome = Outcome { failed: vec![why.to_owned()], ..Outcome::default() };
        Counts { crates: BTreeMap::from([("grounds".to_owned(), outcome)]) }
    }

    /// Adds up all crates.
    pub(crate) fn total(&self) -> Outcome {
        let mut sum = Outcome::default();
        for outcome in self.crates.values() {
            sum.passed += outcome.passed;
            sum.ignored.extend(outcome.ignored.iter().cloned());
            sum.failed.extend(outcome.failed.iter().cloned());
            sum.took += outcome.took;
        }
        sum
    }
}

/// What became of a ground: its counts, or why it was not run.
pub(crate) type Row = (String, Result<Counts, String>);

/// Makes the table, in Markdown: a line for each ground, a column for each crate.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut crates: Vec<&str> = Vec::new();
    for counts in rows.iter().filter_map(|(_, row)| row.as_ref().ok()) {
        crates.extend(counts.crates.keys().map(String::as_str));
    }
    crates.sort_unstable();
    crates.dedup();
    let mut text = "# Tests by ground\n\nPassed, ignored (i), failed (F).\n\n".to_owned();
    let _ = writeln!(text, "| ground | {} | all | seconds |", crates.join(" | "));
    let _ = writeln!(text, "|---|{}---|---|", "---|".repeat(crates.len()));
    for (ground, row) in rows {
        match row {
            Err(reason) => {
                let _ = writeln!(text, "| {ground} | NOT RUN: {reason} |");
            }
            Ok(counts) => {
                let total = counts.total();
                let cells = crates.iter().map(|name| counts.crates.get(*name).map_or("–".to_owned(), cell));
                let cells: Vec<String> = cells.chain([cell(&total)]).collect();
                let _ = writeln!(text, "| {ground} | {} | {} |", cells.join(" | "), total.took.as_secs());
            }
        }
    }
    let failed = |outcome: &Outcome| outcome.failed.clone();
    let ignored = |outcome: &Outcome| outcome.ignored.iter().map(|(_, reason)| reason.clone()).collect();
    list(&mut text, "Failed", rows, &failed);
    list(&mut text, "Ignored, and why", rows, &ignored);
    text
}

fn cell(outcome: &Outcome) -> String {
    let mut cell = outcome.passed.to_string();
    for (count, mark) in [(outcome.ignored.len(), "i"), (outcome.failed.len(), "F")] {
        if count > 0 {
            let _ = write!(cell, " {count}{mark}");
        }
    }
    cell
}

/// A list of what there is of a kind, by ground and crate, each once with its number.
fn list(text: &mut String, title: &str, rows: &[Row], of: &dyn Fn(&Outcome) -> Vec<String>) {
    let _ = writeln!(text, "\n## {title}\n");
    let mut any = false;
    for (ground, counts) in rows.iter().filter_map(|(ground, row)| Some((ground, row.as_ref().ok()?))) {
        for (name, outcome) in &counts.crates {
            let mut numbers: BTreeMap<String, usize> = BTreeMap::new();
            for what in of(outcome) {
                *numbers.entry(without_ids(&what)).or_default() += 1;
            }
            for (what, number) in numbers {
                any = true;
                let _ = writeln!(text, "- {ground}, {name}: {number} × {what}");
            }
        }
    }
    if !any {
        text.push_str("None.\n");
    }
}

/// Leaves out what differs from run to run, so that equal reasons are equal: numbers of processes.
fn without_ids(text: &str) -> String {
    let mut short = String::new();
    for part in text.split_inclusive(|letter: char| !letter.is_ascii_digit()) {
        let digits = part.bytes().take_while(u8::is_ascii_digit).count();
        short.push_str(if digits > 3 { &part[digits..] } else { part });
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, code: Option<i32>) -> Outcome {
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        Outcome::of(&lines, code, Duration::ZERO)
    }

    #[test]
    fn both_runners_are_understood() {
        let libtest = "\nrunning 3 tests\ntest a::b ... ok\ntest c ... ignored, no (full) moon\ntest d ... FAILED\n\n\
                       test result: FAILED. 1 passed; 1 failed; 1 ignored; 0 measured";
        let mimic = "\nrunning 3 tests\ntest a::b ... ok\ntest c    ... ignored (no (full) moon)\ntest d    ... FAILED\n\n\
                     test result: FAILED. 1 passed; 1 failed; 1 ignored; 0 measured";
        for text in [libtest, mimic] {
            let outcome = of(text, Some(101));
            assert_eq!((outcome.passed, outcome.failed), (1, vec!["d".to_owned()]));
            assert_eq!(outcome.ignored, [("c".to_owned(), "no (full) moon".to_owned())]);
        }
    }

    #[test]
    fn a_program_without_a_result_has_failed() {
        assert_eq!(of("test a ... ok", Some(0)).failed, ["ended with exit code 0 and without a result"]);
        assert_eq!(of("test a ... ok\nkernel panic", None).failed, ["kernel panic"]);
    }

    #[test]
    fn what_was_left_behind_fails_a_program_whose_tests_passed() {
        let text =
            "test a ... ok\ntest result: ok. 1 passed; 0 failed\ntest result: FAILED. left behind: cgroup /x";
        assert_eq!(of(text, Some(101)).failed, ["test result: FAILED. left behind: cgroup /x"]);
    }

    #[test]
    fn a_count_that_output_tore_is_the_programs_own() {
        assert_eq!(of("hellotest a ... ok\ntest result: ok. 2 passed; 0 failed", Some(0)).passed, 2);
    }

    #[test]
    fn reasons_that_output_tore_are_counted_all_the_same() {
        let outcome =
            of("test a ... warning\nignored (b)\ntest result: ok. 0 passed; 0 failed; 1 ignored", Some(0));
        assert_eq!(outcome.ignored.len(), 1);
        assert_eq!(of("test result: FAILED. 0 passed; 2 failed; 0 ignored", Some(101)).failed, ["2 tests"]);
    }

    #[test]
    fn the_table_has_a_line_for_each_ground_and_reasons_once() {
        let program = TestProgram {
            package: "mount".to_owned(),
            name: "kernel".to_owned(),
            folder: PathBuf::new(),
            path: PathBuf::new(),
        };
        let mut counts = Counts::default();
        let text = "test a ... ok\ntest b ... ignored, needs root\ntest c ... ignored, needs root\n\
                    test result: ok. 1 passed; 0 failed; 2 ignored";
        counts.add(&program, of(text, Some(0)));
        let rows = [("here".to_owned(), Ok(counts)), ("guest".to_owned(), Err("no kernel".to_owned()))];
        let table = table(&rows);
        assert!(table.contains("| ground | mount | all | seconds |"), "{table}");
        assert!(table.contains("| here | 1 2i | 1 2i | 0 |"), "{table}");
        assert!(table.contains("| guest | NOT RUN: no kernel |"), "{table}");
        assert!(table.contains("- here, mount: 2 × needs root"), "{table}");
        assert!(table.contains("## Failed\n\nNone."), "{table}");
    }
}

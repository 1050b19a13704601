//! How long each target has run in all: a table in a file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use super::run::Run;

const HEAD: &str = "\
# Hours

How long each fuzz target has run, added up by the runs of `cargo grounds fuzz` that are kept. The last
crash is the name of its input in `crashes/`.

| target | hours | executions | last crash |
|---|---:|---:|---|
";

pub(super) struct Hours {
    file: PathBuf,
    rows: BTreeMap<String, Row>,
}

#[derive(Debug, Default, PartialEq)]
struct Row {
    hours: f64,
    executions: u64,
    last_crash: String,
}

impl Hours {
    /// Reads the table; an absent file is an empty one.
    pub(super) fn read(file: &Path) -> io::Result<Hours> {
        let text = match fs::read_to_string(file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            text => text?,
        };
        let mut rows = BTreeMap::new();
        for line in text.lines().skip_while(|line| !line.starts_with("|---")).skip(1) {
            let (target, row) = read_row(line)
                .ok_or_else(|| io::Error::other(format!("{}: {line:?} is no row", file.display())))?;
            rows.insert(target, row);
        }
        Ok(Hours { file: file.to_owned(), rows })
    }

    /// Adds a run.
    pub(super) fn add(&mut self, run: &Run) {
        let row = self.rows.entry(run.target.clone()).or_default();
        row.hours += run.took.as_secs_f64() / 3600.0;
        row.executions += run.executions;
        if let Some(crash) = run.crashes.last() {
            row.last_crash.clone_from(&crash.name);
        }
    }

    /// Returns a target's hours.
    pub(super) fn of(&self, target: &str) -> f64 {
        self.rows.get(target).map_or(0.0, |row| row.hours)
    }

    pub(super) fn write(&self) -> io::Result<()> {
        fs::write(&self.file, self.text())
    }

    fn text(&self) -> String {
        let row = |(target, row): (&String, &Row)| {
            let Row { hours, executions, last_crash } = row;
            let crash = if last_crash.is_empty() { "none" } else { last_crash };
            format!("| {target} | {hours:.4} | {executions} | {crash} |\n")
        };
        HEAD.to_owned() + &self.rows.iter().map(row).collect::<Vec<_>>().concat()
    }
}

fn read_row(line: &str) -> Option<(String, Row)> {
    let cells: Vec<_> = line.strip_prefix('|')?.strip_suffix('|')?.split('|').map(str::trim).collect();
    let [target, hours, executions, crash] = cells[..] else { return None };
    let last_crash = if crash == "none" { String::new() } else { crash.to_owned() };
    Some((
        target.to_owned(),
        Row { hours: hours.parse().ok()?, executions: executions.parse().ok()?, last_crash },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_reads_back_as_it_was_written() {
        let row = |hours, last_crash: &str| Row { hours, executions: 7, last_crash: last_crash.to_owned() };
        let rows =
            BTreeMap::from([("a-b".to_owned(), row(0.25, "")), ("c".to_owned(), row(12.5, "0123abcd"))]);
        let file = std::env::temp_dir().join(format!("fuzz-hours-{}", std::process::id()));
        let hours = Hours { file: file.clone(), rows };
        hours.write().unwrap();
        let read = Hours::read(&file);
        fs::remove_file(&file).unwrap();
        assert_eq!(read.unwrap().rows, hours.rows);
        assert!(Hours::read(&file).unwrap().rows.is_empty());
    }
}

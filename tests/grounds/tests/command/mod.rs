//! The command `grounds run`, as a user sees it.

#![allow(dead_code)] // each test program uses a part of it

use std::fs;
use std::process::{Command, Output, Stdio};

use grounds::{Outcome, Stop, ignored};

/// What it exits with when it is not the program that failed.
pub(crate) const BROKEN: i32 = 125;

/// What it exits with when there is no such ground here, and what it says before the reason.
const MISSING: (i32, &str) = (3, "can't be had here: ");

/// Prepares to run a program on a ground, which ends after two minutes unless the options say otherwise.
pub(crate) fn ground(name: &str, options: &[&str], words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_grounds"));
    command.args(["run", "--limit", "120"]).args(options).args([name, "--"]).args(words);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs it, if there is such a ground here.
pub(crate) fn output(command: &mut Command) -> Result<Output, Stop> {
    let output = command.output()?;
    is_had(&output)?;
    Ok(output)
}

/// Asks for the ground of a command that has ended.
pub(crate) fn is_had(output: &Output) -> Outcome {
    let (code, words) = MISSING;
    match text(&output.stderr).split_once(words) {
        Some((_, reason)) if output.status.code() == Some(code) => Err(ignored(reason.trim())),
        _ => Ok(()),
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Counts the processes that live and have the word in their arguments.
pub(crate) fn processes_with(word: &str) -> Result<usize, Stop> {
    let files = fs::read_dir("/proc")?.flatten().map(|entry| entry.path().join("cmdline"));
    // Of those that are gone or dead there is nothing to read.
    Ok(files.filter(|file| fs::read(file).is_ok_and(|line| text(&line).contains(word))).count())
}

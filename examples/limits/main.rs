//! A command under limits, and what it used: `cargo run --example limits -- --memory 64M --cpus 0.5 --pids 20 CMD ARG…`.
//!
//! The command runs in a cgroup of its own, and is in it before its first instruction. On a terminal, what it uses is
//! shown meanwhile, in the last lines; at the end this program says what it used, which limits it hit and what
//! the kernel rounded, and ends as the command did (128 and the signal's number, where it was killed). What the
//! command left running ends with it, and so does the cgroup.
//!
//! As root it works wherever there are cgroups. An ordinary user needs a part of the cgroups: in a scope of the
//! user's systemd there is one (`systemd-run --user --scope`), and built with `--features systemd` the option
//! `--systemd` asks for it.
//!
//! To read it: `options` is the command line, `place` the cgroup, `start` how the command gets into it, `run` what
//! happens then, `view` and `report` what is shown.

mod options;
mod place;
mod report;
mod run;
mod start;
mod view;

use std::error::Error;
use std::io::ErrorKind;
use std::process::{Command, ExitCode};

use options::Options;
use place::Place;
use run::{Signals, Watch};

fn main() -> ExitCode {
    run().unwrap_or_else(|error| {
        eprintln!("limits: {error}");
        ExitCode::from(status_of(&*error))
    })
}

fn run() -> Result<ExitCode, Box<dyn Error>> {
    let Some(options) = Options::read()? else {
        print!("{}", options::HELP);
        return Ok(ExitCode::SUCCESS);
    };
    // Before anything is made: from here on nothing ends this program halfway, and the end of the command is a signal.
    let signals = Signals::hold()?;
    let (place, adjusted) = Place::make(&options)?;
    let mut command = Command::new(&options.command[0]);
    command.args(&options.command[1..]);
    let watch = Watch::new(&place)?;
    let (mut child, begin) = start::inside(command, |pid| place.enter(pid))
        .map_err(|error| NotRun { command: format!("{:?}", options.command[0]), error })?;
    let end = watch.until_the_end(&mut child, begin, &signals, options.is_live())?;
    report::print(&end, &adjusted);
    place.end()?;
    Ok(ExitCode::from(end.code()))
}

/// The command could not be started.
#[derive(Debug)]
struct NotRun {
    command: String,
    error: Box<dyn Error>,
}

impl Error for NotRun {}

impl std::fmt::Display for NotRun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "run {}: {}", self.command, self.error)
    }
}

/// As a shell has it: 127 where there is no such command, 126 where it can't be run; 2 for what was asked wrongly.
fn status_of(error: &(dyn Error + 'static)) -> u8 {
    if error.is::<options::Wrong>() {
        return 2;
    }
    let io =
        error.downcast_ref::<NotRun>().and_then(|not_run| not_run.error.downcast_ref::<std::io::Error>());
    match io.map(std::io::Error::kind) {
        Some(ErrorKind::NotFound) => 127,
        Some(_) => 126,
        None => 1,
    }
}

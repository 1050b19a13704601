//! Runs the fuzz targets of `tests/fuzz` with coverage, and keeps what they find.
//!
//! libFuzzer does the work, in one program of all targets that a stable compiler builds: the coverage
//! is LLVM's, asked for by flags that rustc passes on.

mod hours;
mod run;

use std::error::Error;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use std::{env, io, thread};

use lexopt::prelude::*;

use hours::Hours;
use run::{Place, Run};

const USAGE: &str = "\
Runs the fuzz targets: every parser and decoder of the workspace.

  cargo grounds fuzz [--for TIME] [--jobs N] [--keep] [TARGET…]
        --for TIME   for each target: 10s, 5m, 2h (3s)
        --jobs N     so many targets at once (1)
        --keep       writes what was found to tests/fuzz/corpus and HOURS.md: usual from a minute on
  cargo grounds fuzz --list

An input that makes a target fail is written to tests/fuzz/crashes, and the exit code is 1.
";

/// A run as short as this changes nothing in the checkout, but for crashes.
const SMOKE: Duration = Duration::from_secs(3);
const KEPT_FROM: Duration = Duration::from_secs(60);

/// What is asked for.
struct Options {
    time: Duration,
    jobs: usize,
    keep: bool,
    targets: Vec<String>,
}

pub(crate) fn fuzz(arguments: Vec<OsString>) -> Result<ExitCode, Box<dyn Error>> {
    let mut options = Options { time: SMOKE, jobs: 1, keep: false, targets: Vec::new() };
    let mut parser = lexopt::Parser::from_args(arguments);
    let mut list = false;
    while let Some(argument) = parser.next()? {
        match argument {
            Long("for") => options.time = time(&parser.value()?.string()?)?,
            Long("jobs") => options.jobs = parser.value()?.parse()?,
            Long("keep") => options.keep = true,
            Long("list") => list = true,
            Long("help") | Short('h') => {
                print!("{USAGE}");
                return Ok(ExitCode::SUCCESS);
            }
            Value(target) => options.targets.push(target.string()?),
            other => return Err(other.unexpected().into()),
        }
    }
    options.keep |= options.time >= KEPT_FROM;
    let place = Place::new(build()?, checkout(), target_folder()?.join("fuzz"));
    if list {
        for (name, feeds) in place.list()? {
            println!("{name:26} {feeds}");
        }
        return Ok(ExitCode::SUCCESS);
    }
    if options.targets.is_empty() {
        options.targets = place.list()?.into_iter().map(|(name, _)| name).collect();
    }
    if options.targets.is_empty() {
        return Err("no target".into());
    }
    run_all(&place, &options)
}

/// Reads `10s`, `5m`, `2h`.
fn time(text: &str) -> Result<Duration, String> {
    let wrong = || format!("time {text:?}: is none, as 10s, 5m or 2h");
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err(wrong()),
    };
    let number = number.parse::<u32>().map_err(|_| wrong())?;
    Ok(Duration::from_secs(u64::from(number) * seconds))
}

/// `tests/fuzz` of the checkout that this was built from.
fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("fuzz")
}

/// The folder that cargo builds in.
fn target_folder() -> io::Result<PathBuf> {
    // target/debug/grounds
    Ok(env::current_exe()?.ancestors().nth(2).map(Path::to_owned).unwrap_or_default())
}

/// Builds the program with coverage, overflow checks and assertions, and returns its path.
fn build() -> Result<PathBuf, Box<dyn Error>> {
    const FLAGS: [&str; 6] = [
        "-Cpasses=sancov-module",
        "-Cllvm-args=-sanitizer-coverage-level=4",
        "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
        "-Cllvm-args=-sanitizer-coverage-pc-table",
        "-Cllvm-args=-sanitizer-coverage-trace-compares",
        "--cfg=fuzzing",
    ];
    let host = host()?;
    let folder = target_folder()?.join("fuzz");
    // With a target that is named, build scripts and macros are built without the flags.
    let status = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--quiet", "--release", "--package", "fuzz", "--bin", "fuzz", "--target", &host])
        .arg("--target-dir")
        .arg(&folder)
        .current_dir(checkout())
        .env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\u{1f}"))
        .env("CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS", "true")
        .env("CARGO_PROFILE_RELEASE_OVERFLOW_CHECKS", "true")
        .status()
        .map_err(|error| format!("start cargo: {error}"))?;
    if !status.success() {
        return Err("build the fuzz targets: cargo failed (libFuzzer needs a C++ compiler: g++)".into());
    }
    Ok(folder.join(host).join("release/fuzz"))
}

/// The name of this machine, as the compiler has it.
fn host() -> Result<String, Box<dyn Error>> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("-vV").output().map_err(|error| format!("start rustc: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.ok_or("rustc -vV: tells no host")?.to_owned())
}

/// Runs targets, as many at once as there are jobs, and tells how that went.
fn run_all(place: &Place, options: &Options) -> Result<ExitCode, Box<dyn Error>> {
    let hours = Mutex::new(Hours::read(&checkout().join("HOURS.md"))?);
    let waiting = Mutex::new(options.targets.iter());
    let worker = || {
        let mut runs = Vec::new();
        // Bound first: a lock in the condition would be held for the whole run.
        loop {
            let target = waiting.lock().map(|mut waiting| waiting.next());
            let Ok(Some(target)) = target else { return runs };
            let run = place.run(target, options.time, options.keep);
            if let Ok(run) = &run {
                println!("{}", run.in_words());
            }
            // After each: a night's hours are not lost with the last of it.
            let noted = match (&run, hours.lock()) {
                (Ok(run), Ok(mut hours)) if options.keep && run.is_kept() => {
                    hours.add(run);
                    hours.write()
                }
                _ => Ok(()),
            };
            runs.push(
                run.and_then(|run| Ok(noted.map(|()| run)?)).map_err(|error| format!("{target}: {error}")),
            );
        }
    };
    let runs: Vec<Result<Run, String>> = thread::scope(|scope| {
        let workers: Vec<_> = (0..options.jobs.max(1)).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("a worker returns errors")).collect()
    });
    let broken: Vec<_> = runs.iter().filter_map(|run| run.as_ref().err()).collect();
    let mut runs: Vec<_> = runs.iter().filter_map(|run| run.as_ref().ok()).collect();
    runs.sort_by(|a, b| a.target.cmp(&b.target));
    let hours = hours.into_inner().unwrap_or_else(PoisonError::into_inner);
    println!("\n{}", table(&runs, &hours));
    for crash in runs.iter().flat_map(|run| &run.crashes) {
        println!("{crash}");
    }
    for error in &broken {
        eprintln!("grounds: {error}");
    }
    let failed = !broken.is_empty() || runs.iter().any(|run| !run.crashes.is_empty());
    Ok(ExitCode::from(u8::from(failed)))
}

fn table(runs: &[&Run], hours: &Hours) -> String {
    const HEAD: &str = "\
| target | runs | a second | coverage | corpus | new | crashes | hours so far |
|---|---:|---:|---:|---:|---:|---:|---:|
";
    let row = |run: &&Run| {
        let Run { target, executions, coverage, corpus, new, crashes, .. } = run;
        let (rate, crashes, hours) = (run.rate(), crashes.len(), hours.of(target));
        format!(
            "| {target} | {executions} | {rate} | {coverage} | {corpus} | {new} | {crashes} | {hours:.2} |\n"
        )
    };
    HEAD.to_owned() + &runs.iter().map(row).collect::<Vec<_>>().concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit() {
        for (text, seconds) in [("0s", 0), ("10s", 10), ("5m", 300), ("2h", 7200)] {
            assert_eq!(time(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "s", "10", "-1s", "1d", "1.5h", "10ß", "99999999999s"] {
            assert!(time(text).is_err(), "{text}");
        }
    }
}

//! One target's run: its inputs unpacked, libFuzzer, and what came of it.

use std::error::Error;
use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{self, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use std::{fs, io, thread};

/// The target that fails by design: what it finds stays out of the checkout.
const PLANTED: &str = "planted";

/// How long one input may take, in seconds.
const SLOWEST: &str = "-timeout=10";
/// How large an input may be; the same as what is kept.
const LARGEST: &str = "-max_len=4096";
/// What libFuzzer may take beyond its time: reading the corpus, and one slow input.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long it may take to choose what is kept.
const MERGING: Duration = Duration::from_secs(900);

/// Where things are.
pub(super) struct Place {
    binary: PathBuf,
    checkout: PathBuf,
    /// For what need not be kept.
    folder: PathBuf,
}

/// What came of a run.
pub(super) struct Run {
    pub(super) target: String,
    pub(super) took: Duration,
    pub(super) executions: u64,
    /// Edges of the code that were reached.
    pub(super) coverage: u64,
    /// How many inputs are kept, or would be.
    pub(super) corpus: usize,
    /// How many of them this run has found.
    pub(super) new: u64,
    pub(super) crashes: Vec<Crash>,
}

/// An input that makes the target fail.
pub(super) struct Crash {
    pub(super) name: String,
    kind: String,
    why: String,
    file: PathBuf,
    again: String,
}

impl fmt::Display for Crash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Crash { kind, why, file, again, .. } = self;
        write!(f, "{kind}: {}\n    {why}\n    again: {again}", file.display())
    }
}

impl Run {
    pub(super) fn is_kept(&self) -> bool {
        self.target != PLANTED
    }

    pub(super) fn rate(&self) -> u64 {
        (u128::from(self.executions) * 1000 / self.took.as_millis().max(1)) as u64
    }

    pub(super) fn in_words(&self) -> String {
        let Run { target, executions, coverage, corpus, new, crashes, .. } = self;
        let seconds = self.took.as_secs();
        let rate = self.rate();
        let crashes =
            if crashes.is_empty() { "no crash".to_owned() } else { format!("{} CRASHED", crashes.len()) };
        format!(
            "{target}: {executions} runs in {seconds} s, {rate} a second; {coverage} edges, {corpus} inputs, \
             {new} new; {crashes}"
        )
    }
}

impl Place {
    pub(super) fn new(binary: PathBuf, checkout: PathBuf, folder: PathBuf) -> Place {
        Place { binary, checkout, folder }
    }

    /// Returns the targets, each with what it feeds.
    pub(super) fn list(&self) -> Result<Vec<(String, String)>, Box<dyn Error>> {
        let output = Command::new(&self.binary).env("FUZZ_DO", "list").output()?;
        if !output.status.success() {
            return Err(format!("list the targets: {}", output.status).into());
        }
        let text = String::from_utf8(output.stdout)?;
        let pairs = text.lines().filter_map(|line| line.split_once('\t'));
        Ok(pairs.map(|(name, feeds)| (name.to_owned(), feeds.to_owned())).collect())
    }

    /// Runs a target.
    pub(super) fn run(&self, target: &str, time: Duration, keep: bool) -> Result<Run, Box<dyn Error>> {
        let corpus = self.folder.join("corpus").join(target);
        if target == PLANTED {
            // From nothing each time: it is there to be found.
            emptied(&corpus)?;
        }
        self.inputs("unpack", target, &corpus)?;
        let artifacts = emptied(&self.folder.join("artifacts").join(target))?;
        let log = self.log(target, "run")?;
        let begin = Instant::now();
        let mut fuzzer = self.fuzzer(target);
        fuzzer.arg(format!("-max_total_time={}", time.as_secs().max(1)));
        fuzzer.arg(format!("-artifact_prefix={}/", artifacts.display()));
        fuzzer.arg("-print_final_stats=1").arg(&corpus);
        let status = self.finish(fuzzer, &log, time + PATIENCE)?;
        let took = begin.elapsed();
        let said = fs::read(&log)?;
        let said = String::from_utf8_lossy(&said);

        let crashes = self.crashes(target, &artifacts, &said)?;
        if !status.success() && crashes.is_empty() {
            return Err(format!("{status}, without an input to blame; see {}", log.display()).into());
        }
        let (executions, new) =
            (statistic(&said, "number_of_executed_units"), statistic(&said, "new_units_added"));
        let mut run = Run {
            target: target.to_owned(),
            took,
            executions,
            coverage: coverage(&said),
            corpus: count(&corpus)?,
            new,
            crashes,
        };
        if keep && run.is_kept() {
            run.corpus = self.keep(target, &corpus)?;
        }
        Ok(run)
    }

    /// Keeps few inputs that together reach every edge that the corpus reaches and the seeds don't.
    ///
    /// How often an edge is reached counts in the run, and not for what goes into the repository.
    fn keep(&self, target: &str, corpus: &Path) -> Result<usize, Box<dyn Error>> {
        let merged = emptied(&self.folder.join("merged").join(target))?;
        self.inputs("seeds", target, &merged)?;
        let seeds = count(&merged)?;
        let log = self.log(target, "merge")?;
        let mut fuzzer = self.fuzzer(target);
        fuzzer.args(["-merge=1", "-use_counters=0"]).arg(&merged).arg(corpus);
        let status = self.finish(fuzzer, &log, MERGING)?;
        if !status.success() {
            return Err(format!("merge the corpus: {status}; see {}", log.display()).into());
        }
        self.inputs("keep", target, &merged)?;
        Ok(count(&merged)? - seeds)
    }

    /// Moves the inputs that failed to where they stay.
    fn crashes(&self, target: &str, artifacts: &Path, said: &str) -> io::Result<Vec<Crash>> {
        let home = if target == PLANTED { &self.folder } else { &self.checkout };
        let home = home.join("crashes").join(target);
        let mut crashes = Vec::new();
        for entry in fs::read_dir(artifacts)? {
            let found = entry?.path();
            let name = found.file_name().unwrap_or_default().to_string_lossy().into_owned();
            // `slow-unit-…` is a warning.
            let Some((kind @ ("crash" | "timeout" | "oom"), hash)) = name.split_once('-') else { continue };
            let name = hash.chars().take(12).collect::<String>();
            let file = home.join(&name);
            fs::create_dir_all(&home)?;
            fs::copy(&found, &file)?;
            let again = format!("FUZZ_TARGET={target} {} {}", self.binary.display(), file.display());
            crashes.push(Crash { name, kind: kind.to_owned(), why: reason(said), file, again });
        }
        Ok(crashes)
    }

    /// Unpacks or keeps inputs: the fuzz program knows how.
    fn inputs(&self, task: &str, target: &str, folder: &Path) -> Result<(), Box<dyn Error>> {
        let output = Command::new(&self.binary)
            .env("FUZZ_DO", task)
            .env("FUZZ_TARGET", target)
            .env("FUZZ_FOLDER", folder)
            .output()?;
        if output.status.success() {
            return Ok(());
        }
        // The last line: libFuzzer warns of what it misses before it.
        let said = String::from_utf8_lossy(&output.stderr);
        Err(said.lines().last().unwrap_or("no word").into())
    }

    fn fuzzer(&self, target: &str) -> Command {
        let mut fuzzer = Command::new(&self.binary);
        fuzzer.env("FUZZ_TARGET", target).args([SLOWEST, LARGEST, "-rss_limit_mb=2048"]);
        fuzzer
    }

    fn log(&self, target: &str, what: &str) -> io::Result<PathBuf> {
        let folder = self.folder.join("log");
        fs::create_dir_all(&folder)?;
        Ok(folder.join(format!("{target}.{what}")))
    }

    /// Runs to the end, or ends it after this time.
    fn finish(&self, mut fuzzer: Command, log: &Path, limit: Duration) -> Result<ExitStatus, Box<dyn Error>> {
        let log = File::create(log)?;
        let scratch = Scratch::new(&self.folder)?;
        fuzzer.env("TMPDIR", &scratch.0).current_dir(&scratch.0).stdin(Stdio::null());
        let mut child = fuzzer.stdout(log.try_clone()?).stderr(log).spawn()?;
        let until = Instant::now() + limit;
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(status);
            }
            if Instant::now() > until {
                child.kill()?;
                child.wait()?;
                return Err(format!("still running after {} s, and killed", limit.as_secs()).into());
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// A folder for the files that targets write: in memory where that can be had.
struct Scratch(PathBuf);

impl Scratch {
    fn new(folder: &Path) -> io::Result<Scratch> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("fuzz-{}-{}", process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let memory = Path::new("/dev/shm").join(&name);
        if fs::create_dir(&memory).is_ok() {
            return Ok(Scratch(memory));
        }
        let disk = folder.join(name);
        fs::create_dir_all(&disk)?;
        Ok(Scratch(disk))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn emptied(folder: &Path) -> io::Result<PathBuf> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => fs::create_dir_all(folder)?,
    }
    Ok(folder.to_owned())
}

fn count(folder: &Path) -> io::Result<usize> {
    Ok(fs::read_dir(folder)?.count())
}

/// Reads `stat::NAME: NUMBER`.
fn statistic(said: &str, name: &str) -> u64 {
    let line = said.lines().rev().find_map(|line| line.strip_prefix("stat::")?.strip_prefix(name));
    line.and_then(|rest| rest.trim_start_matches(':').trim().parse().ok()).unwrap_or(0)
}

/// Reads the last `cov: NUMBER`.
fn coverage(said: &str) -> u64 {
    let number = |line: &str| line.split_once(" cov: ")?.1.split(' ').next()?.parse().ok();
    said.lines().rev().find_map(number).unwrap_or(0)
}

/// Finds the line that says why: the panic's, else libFuzzer's.
fn reason(said: &str) -> String {
    let mut lines = said.lines();
    let panic = lines.by_ref().find(|line| line.contains(" panicked at "));
    let line = match panic {
        Some(place) => format!("{}: {}", place.trim_end_matches(':'), lines.next().unwrap_or_default()),
        None => said.lines().find(|line| line.contains("ERROR: ")).unwrap_or("no word").to_owned(),
    };
    line.chars().filter(|letter| !letter.is_control()).take(400).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "\
#2\tINITED cov: 13 ft: 13 corp: 1/1b exec/s: 0 rss: 27Mb
#88424\tNEW    cov: 21 ft: 22 corp: 6/31b lim: 859 exec/s: 0 rss: 27Mb L: 6/6 MS: 1 ChangeBit-
thread '<unnamed>' (1) panicked at tests/fuzz/src/lib.rs:9:5:
the planted bug
==1== ERROR: libFuzzer: deadly signal
stat::number_of_executed_units: 88425
stat::new_units_added:          5
";

    #[test]
    fn what_the_fuzzer_says_is_understood() {
        assert_eq!(
            (statistic(SAID, "number_of_executed_units"), statistic(SAID, "new_units_added")),
            (88425, 5)
        );
        assert_eq!(coverage(SAID), 21);
        let why = "thread '<unnamed>' (1) panicked at tests/fuzz/src/lib.rs:9:5: the planted bug";
        assert_eq!(reason(SAID), why);
        assert_eq!(reason("x\n==1== ERROR: libFuzzer: timeout\n"), "==1== ERROR: libFuzzer: timeout");
        assert_eq!((coverage(""), statistic("", "a"), reason("").as_str()), (0, 0, "no word"));
    }
}

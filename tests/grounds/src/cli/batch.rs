//! The tests of the workspace, all of them on one ground.
//!
//! They are built here, and started there by this program, one after another, so that a ground is made
//! once for all of them. What it writes between them says which one is running.

use std::ffi::OsString;
use std::fs::{self, File};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{env, thread};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::Value;

use crate::ground::Ground;
use crate::guest::Task;
use crate::results::{Counts, Outcome, TestProgram};
use crate::running::Ended;
use crate::this_program;

/// Opens a line that is not a test's.
const MARK: char = '\u{1e}';

/// How long a ground may take longer than the program on it to say that it ended.
const SPARE: Duration = Duration::from_secs(60);

/// What the longest test program may take: five minutes, and more where everything is slower.
fn limit(ground: &Ground) -> Duration {
    Duration::from_secs(300) * ground.slowness()
}

/// Builds the tests of these crates (of all, where none is named) or only some test programs of them, with these
/// features, and lists them.
///
/// # Errors
///
/// Where they don't build; cargo has said why.
pub(crate) fn build(
    crates: &[String],
    targets: &[String],
    features: Option<&str>,
) -> Result<Vec<TestProgram>, String> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["test", "--quiet", "--no-run", "--message-format=json-render-diagnostics"]);
    if crates.is_empty() {
        cargo.arg("--workspace");
    }
    for name in crates {
        cargo.args(["--package", name]);
    }
    for name in targets {
        cargo.args(["--test", name]);
    }
    match features {
        Some("all") => drop(cargo.arg("--all-features")),
        Some(features) => drop(cargo.args(["--features", features])),
        None => {}
    }
    let output = cargo.stderr(Stdio::inherit()).output().map_err(|error| format!("cargo: {error}"))?;
    if !output.status.success() {
        return Err("the tests don't build".to_owned());
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    let mut programs: Vec<TestProgram> =
        messages.lines().filter_map(|line| program_of(&serde_json::from_str(line).ok()?)).collect();
    programs.sort();
    if programs.is_empty() { Err("no tests".to_owned()) } else { Ok(programs) }
}

fn program_of(message: &Value) -> Option<TestProgram> {
    if message["profile"]["test"] != true {
        return None;
    }
    let folder = Path::new(message["manifest_path"].as_str()?).parent()?;
    // `path+file:///there/crate#name@version`, or without the name where the folder is called so.
    let (folder_url, version) = message["package_id"].as_str()?.split_once('#')?;
    let name = match version.split_once('@') {
        Some((name, _)) => name,
        None => folder_url.rsplit('/').next()?,
    };
    let target = message["target"]["name"].as_str()?;
    let kind = message["target"]["kind"][0].as_str()?;
    Some(TestProgram {
        package: name.to_owned(),
        name: if kind == "test" { target.to_owned() } else { format!("{target} (unit tests)") },
        folder: folder.to_owned(),
        path: PathBuf::from(message["executable"].as_str()?),
    })
}

/// Runs the test programs on a ground. `each` is told of every one that ended.
///
/// A ground that breaks is made anew for the programs that are left; the one that ran has failed.
pub(crate) fn run(
    ground: &Ground,
    programs: &[TestProgram],
    filters: &[OsString],
    log: &Path,
    each: &mut dyn FnMut(&TestProgram, &Outcome),
) -> Counts {
    let mut counts = Counts::default();
    let mut log = match File::create(log) {
        Ok(log) => log,
        Err(error) => return Counts::broken(&format!("{}: {error}", log.display())),
    };
    let mut next = 0;
    while next < programs.len() {
        let mut told = |program: &TestProgram, outcome: Outcome| {
            each(program, &outcome);
            counts.add(program, outcome);
        };
        let mut reader = Reader { programs, next, open: None, log: &mut log, told: &mut told };
        let ended = reader.read_all(ground, filters);
        let ended_well = matches!(ended, Ok(Ended::Code(0)));
        let why = match ended {
            Ok(Ended::Code(0)) => "it ended too early".to_owned(),
            Ok(Ended::Code(code)) => format!("exit code {code}"),
            Ok(Ended::Broken(why)) | Err(why) => why,
        };
        let broken = format!("the ground broke: {why}");
        let reached = reader.next;
        if reader.open.is_some() {
            reader.close(None, &broken);
            next = reached + 1;
        } else if reached == next {
            // None was even started: another try would be no better.
            told(&programs[next], Outcome::of(&[broken], None, Duration::ZERO));
            return counts;
        } else {
            if reached < programs.len() || !ended_well {
                let outcome = Outcome::of(&[format!("after its end {broken}")], None, Duration::ZERO);
                told(&programs[reached - 1], outcome);
            }
            next = reached;
        }
    }
    counts
}

struct Reader<'a> {
    programs: &'a [TestProgram],
    next: usize,
    /// What the running program has written, and since when.
    open: Option<(Vec<String>, Instant)>,
    log: &'a mut File,
    told: &'a mut dyn FnMut(&TestProgram, Outcome),
}

impl Reader<'_> {
    fn read_all(&mut self, ground: &Ground, filters: &[OsString]) -> Result<Ended, String> {
        let text = |error: io::Error| error.to_string();
        // No program knows it: what one of them writes can't be taken for a mark.
        let mark = format!("{MARK}{:016x} ", RandomState::new().build_hasher().finish());
        let task = task(ground, &mark, self.next, &self.programs[self.next..], filters).map_err(text)?;
        let usual = limit(ground) + SPARE;
        let mut running = ground.start(&task, usual * self.programs.len() as u32)?;
        let watch = Watch::begin(running.killer(), usual);
        let errors = running.stderr.take().map(|stderr| thread::spawn(move || last_lines(stderr)));
        let stdout = running.stdout.take().ok_or("no standard output")?;
        for line in BufReader::new(stdout).split(b'\n') {
            let line = String::from_utf8_lossy(&line.map_err(text)?).trim_end_matches('\r').to_owned();
            writeln!(self.log, "{}", line.replace(MARK, "-- ")).map_err(text)?;
            match line.strip_prefix(&mark) {
                Some(words) => {
                    watch.renew();
                    self.mark(words);
                }
                None => self.open.iter_mut().for_each(|(lines, _)| lines.push(line.clone())),
            }
        }
        let late = watch.end();
        let ended = running.wait()?;
        let errors = errors.and_then(|thread| thread.join().ok()).unwrap_or_default();
        writeln!(self.log, "{errors}").map_err(text)?;
        let with_errors = |why: &str| Ended::Broken(format!("{why}: {}", errors.trim()));
        Ok(match ended {
            Ended::Code(0) => ended,
            _ if late => with_errors(&format!("nothing was heard for {} s", usual.as_secs())),
            Ended::Code(code) => with_errors(&format!("exit code {code}")),
            Ended::Broken(why) => with_errors(&why),
        })
    }

    /// `begin NUMBER`, or `end NUMBER CODE MILLISECONDS`.
    fn mark(&mut self, words: &str) {
        let words: Vec<&str> = words.split(' ').collect();
        match words[..] {
            ["begin", number] if self.open.is_none() && number == self.next.to_string() => {
                self.open = Some((Vec::new(), Instant::now()));
            }
            ["end", number, code, _] if self.open.is_some() && number == self.next.to_string() => {
                self.close(code.parse().ok(), "an exit code that is none");
            }
            _ => {
                self.open.get_or_insert_with(|| (Vec::new(), Instant::now()));
                self.close(None, "the marks of the test programs are out of order");
            }
        }
    }

    /// Tells what the running program came to: its exit code, or why there is none.
    fn close(&mut self, code: Option<i32>, why_not: &str) {
        let Some((mut lines, began)) = self.open.take() else { return };
        if code.is_none() {
            lines.push(why_not.to_owned());
        }
        (self.told)(&self.programs[self.next], Outcome::of(&lines, code, began.elapsed()));
        self.next += 1;
    }
}

/// Ends a ground that is silent for too long: what hangs there can't be relied on to end itself.
struct Watch {
    deadline: Arc<Mutex<Instant>>,
    usual: Duration,
    over: mpsc::Sender<()>,
    thread: thread::JoinHandle<bool>,
}

impl Watch {
    fn begin(kill: Box<dyn Fn() + Send>, usual: Duration) -> Watch {
        let deadline = Arc::new(Mutex::new(Instant::now() + usual));
        let (over, is_over) = mpsc::channel::<()>();
        let watched = Arc::clone(&deadline);
        let thread = thread::spawn(move || {
            loop {
                let until = *watched.lock().unwrap_or_else(PoisonError::into_inner);
                match is_over.recv_timeout(until.saturating_duration_since(Instant::now())) {
                    Err(RecvTimeoutError::Timeout) => {}
                    _ => return false,
                }
                if *watched.lock().unwrap_or_else(PoisonError::into_inner) <= Instant::now() {
                    kill();
                    return true;
                }
            }
        });
        Watch { deadline, usual, over, thread }
    }

    fn renew(&self) {
        *self.deadline.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now() + self.usual;
    }

    /// Tells whether it has ended the ground.
    fn end(self) -> bool {
        drop(self.over);
        self.thread.join().unwrap_or(false)
    }
}

fn last_lines(stderr: File) -> String {
    let mut lines: Vec<String> = Vec::new();
    for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
        lines.push(String::from_utf8_lossy(&line).into_owned());
        if lines.len() > 200 {
            lines.remove(0);
        }
    }
    lines.join("\n")
}

/// This program on the ground, with the list of what it shall start.
fn task(
    ground: &Ground,
    mark: &str,
    first: usize,
    programs: &[TestProgram],
    filters: &[OsString],
) -> io::Result<Task> {
    let limit = limit(ground).as_secs().to_string();
    let mut argv = vec![this_program()?.into_os_string(), "batch".into()];
    argv.extend([mark.into(), limit.into(), first.to_string().into()]);
    for program in programs {
        argv.push(program.folder.clone().into_os_string());
        argv.push(program.path.clone().into_os_string());
    }
    argv.push("--".into());
    argv.extend(filters.iter().cloned());
    let mut env = vec![("RUST_BACKTRACE".into(), "0".into()), ("HOME".into(), "/tmp".into())];
    env.extend(env::var_os("PATH").map(|path| ("PATH".into(), path)));
    if ground.slowness() > 1 {
        env.push(("GROUNDS_LIMIT".into(), (100 * ground.slowness()).to_string().into()));
        env.push(("GROUNDS_SLOW".into(), "yes".into()));
    }
    Ok(Task { argv, cwd: env::current_dir()?, env, writable: Vec::new() })
}

/// The role on the ground: `MARK LIMIT FIRST FOLDER PROGRAM … -- FILTER …`.
///
/// # Errors
///
/// Where the list is no list, or nothing can be written any more.
pub(crate) fn start_each(arguments: &[OsString]) -> io::Result<()> {
    let wrong = || io::Error::other("a list of tests is wrong");
    let [mark, limit, first, rest @ ..] = arguments else { return Err(wrong()) };
    let number = |word: &OsString| word.to_str()?.parse::<u64>().ok();
    let limit = Duration::from_secs(number(limit).ok_or_else(wrong)?);
    let first = number(first).ok_or_else(wrong)?;
    let end = rest.iter().position(|word| word == "--").ok_or_else(wrong)?;
    let say = |what: &str| {
        let mut stdout = io::stdout().lock();
        // In one piece, on a line of its own: a test may have left one unfinished.
        stdout.write_all(format!("\n{}{what}\n", mark.display()).as_bytes())?;
        stdout.flush()
    };
    for (number, pair) in (first..).zip(rest[..end].chunks_exact(2)) {
        let began = Instant::now();
        say(&format!("begin {number}"))?;
        let code = start_one(&pair[0], &pair[1], &rest[end + 1..], limit).unwrap_or_else(|error| {
            println!("{}: {error}", pair[1].display());
            255
        });
        say(&format!("end {number} {code} {}", began.elapsed().as_millis()))?;
    }
    Ok(())
}

fn start_one(
    folder: &OsString,
    program: &OsString,
    filters: &[OsString],
    limit: Duration,
) -> io::Result<i32> {
    let stdout = File::from(std::os::fd::AsFd::as_fd(&io::stdout()).try_clone_to_owned()?);
    let mut command = Command::new(program);
    command.args(filters).current_dir(folder).process_group(0);
    let mut child = command.stdin(Stdio::null()).stderr(stdout).spawn()?;
    let until = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status.code().or_else(|| Some(128 + status.signal()?)).unwrap_or(255));
        }
        if Instant::now() > until {
            println!("\nhangs: not finished after {} s", limit.as_secs());
            let _ = killpg(Pid::from_raw(child.id() as i32), Signal::SIGKILL);
            child.wait()?;
            return Ok(255);
        }
        thread::sleep(Duration::from_millis(2));
    }
}

/// Where results are written: a folder in the folder that cargo builds in.
pub(crate) fn folder() -> io::Result<PathBuf> {
    // target/debug/grounds
    let target = this_program()?.ancestors().nth(2).map(Path::to_owned).unwrap_or_default();
    let folder = target.join("grounds");
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

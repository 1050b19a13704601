//! The tests of the workspace, all of them on one ground.
//!
//! They are built here, and started there by this program, one after another, so that a ground is made
//! once for all of them. What it writes between them says which one is running.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
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

/// What the longest test program may take: five minutes, and more where everything is slower.
fn limit(ground: &Ground) -> Duration {
    Duration::from_secs(if ground.is_slow() { 900 } else { 300 })
}

/// Builds the tests of these crates (of all, where none is named) and lists them.
///
/// # Errors
///
/// Where they don't build; cargo has said why.
pub(crate) fn build(crates: &[String]) -> Result<Vec<TestProgram>, String> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["test", "--quiet", "--no-run", "--message-format=json-render-diagnostics"]);
    if crates.is_empty() {
        cargo.arg("--workspace");
    }
    for name in crates {
        cargo.args(["--package", name]);
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
/// # Errors
///
/// Where the ground can't be made.
pub(crate) fn run(
    ground: &Ground,
    programs: &[TestProgram],
    filters: &[OsString],
    log: &Path,
    each: &mut dyn FnMut(&TestProgram, &Outcome),
) -> Result<Counts, String> {
    let mut log = File::create(log).map_err(|error| format!("{}: {error}", log.display()))?;
    let mut counts = Counts::default();
    let mut next = 0;
    while next < programs.len() {
        let began = Instant::now();
        let mut reader =
            Reader { programs, next, open: None, log: &mut log, each: &mut *each, counts: &mut counts };
        let ended = reader.read_all(ground, &programs[next..], filters)?;
        let (open, reached) = (reader.open.take(), reader.next);
        // Who ran when the ground broke is told as failed; the others get a new one.
        if let Some(mut lines) = open {
            lines.push(match ended {
                Ended::Broken(why) => format!("the ground broke: {why}"),
                Ended::Code(code) => format!("the ground ended with exit code {code}"),
            });
            let outcome = Outcome::of(&lines, None, began.elapsed());
            each(&programs[reached], &outcome);
            counts.add(&programs[reached], outcome);
            next = reached + 1;
        } else if reached == next {
            return Err(match ended {
                Ended::Broken(why) => why,
                Ended::Code(code) => format!("no test was started; exit code {code}"),
            });
        } else {
            next = reached;
        }
    }
    Ok(counts)
}

struct Reader<'a> {
    programs: &'a [TestProgram],
    next: usize,
    /// What the running program has written.
    open: Option<Vec<String>>,
    log: &'a mut File,
    each: &'a mut dyn FnMut(&TestProgram, &Outcome),
    counts: &'a mut Counts,
}

impl Reader<'_> {
    fn read_all(
        &mut self,
        ground: &Ground,
        rest: &[TestProgram],
        filters: &[OsString],
    ) -> Result<Ended, String> {
        let text = |error: io::Error| error.to_string();
        let task = task(ground, rest, filters).map_err(text)?;
        let total = limit(ground) * rest.len() as u32;
        let mut running = ground.start(&task, total)?;
        let errors = running.stderr.take().map(|stderr| thread::spawn(move || last_lines(stderr)));
        let stdout = running.stdout.take().ok_or("no standard output")?;
        for line in BufReader::new(stdout).split(b'\n') {
            let line = String::from_utf8_lossy(&line.map_err(text)?).trim_end_matches('\r').to_owned();
            writeln!(self.log, "{}", line.replace(MARK, "-- ")).map_err(text)?;
            self.read(line);
        }
        let ended = running.wait()?;
        let errors = errors.and_then(|thread| thread.join().ok()).unwrap_or_default();
        writeln!(self.log, "{errors}").map_err(text)?;
        Ok(match ended {
            Ended::Code(0) => ended,
            Ended::Code(code) => Ended::Broken(format!("exit code {code}: {}", errors.trim())),
            Ended::Broken(why) => Ended::Broken(format!("{why}: {}", errors.trim())),
        })
    }

    fn read(&mut self, line: String) {
        let Some(mark) = line.strip_prefix(MARK) else {
            if let Some(lines) = &mut self.open {
                lines.push(line);
            }
            return;
        };
        let mut words = mark.split(' ');
        match (words.next(), words.next(), words.next(), self.open.take()) {
            (Some("begin"), ..) => self.open = Some(Vec::new()),
            (Some("end"), Some(code), Some(milliseconds), Some(lines)) => {
                let took = Duration::from_millis(milliseconds.parse().unwrap_or_default());
                let outcome = Outcome::of(&lines, code.parse().ok(), took);
                (self.each)(&self.programs[self.next], &outcome);
                self.counts.add(&self.programs[self.next], outcome);
                self.next += 1;
            }
            _ => {}
        }
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
fn task(ground: &Ground, programs: &[TestProgram], filters: &[OsString]) -> io::Result<Task> {
    let mut argv =
        vec![this_program()?.into_os_string(), "batch".into(), limit(ground).as_secs().to_string().into()];
    for program in programs {
        argv.push(program.folder.clone().into_os_string());
        argv.push(program.path.clone().into_os_string());
    }
    argv.push("--".into());
    argv.extend(filters.iter().cloned());
    let mut env = vec![("RUST_BACKTRACE".into(), "0".into()), ("HOME".into(), "/tmp".into())];
    env.extend(env::var_os("PATH").map(|path| ("PATH".into(), path)));
    if ground.is_slow() {
        env.push(("GROUNDS_LIMIT".into(), "300".into()));
        env.push(("GROUNDS_SLOW".into(), "yes".into()));
    }
    Ok(Task { argv, cwd: env::current_dir()?, env, writable: Vec::new() })
}

/// The role on the ground: `LIMIT FOLDER PROGRAM … -- FILTER …`.
///
/// # Errors
///
/// Where the list is no list, or nothing can be written any more.
pub(crate) fn start_each(arguments: &[OsString]) -> io::Result<()> {
    let wrong = || io::Error::other("a list of tests is wrong");
    let (limit, rest) = arguments.split_first().ok_or_else(wrong)?;
    let limit = Duration::from_secs(limit.to_str().and_then(|limit| limit.parse().ok()).ok_or_else(wrong)?);
    let end = rest.iter().position(|word| word == "--").ok_or_else(wrong)?;
    for (number, pair) in rest[..end].chunks_exact(2).enumerate() {
        let began = Instant::now();
        say(&format!("begin {number}"))?;
        let code = start_one(&pair[0], &pair[1], &rest[end + 1..], limit).unwrap_or_else(|error| {
            println!("{}: {error}", pair[1].display());
            255
        });
        say(&format!("end {code} {}", began.elapsed().as_millis()))?;
    }
    Ok(())
}

fn say(what: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    // A test may have left a line unfinished.
    write!(stdout, "\n{MARK}{what}\n")?;
    stdout.flush()
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

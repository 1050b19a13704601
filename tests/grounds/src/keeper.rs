//! One test in a process of its own, and what stands around it.
//!
//! ```text
//! runner ---> keeper          whoever loses its parent becomes the keeper's child
//!               |-- subject   runs the test, then looks at what it holds itself
//!               `-- orphans   waited for as they end; those that stay are left behind
//! ```

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};
use std::{env, fs, io, process, thread};

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::ask::{Outcome, Stop};
use crate::leaks::{Left, Process, children, remove};

/// Names the role of a process and the test it is about.
const KEEPER: &str = "GROUNDS_KEEPER";
const SUBJECT: &str = "GROUNDS_SUBJECT";
/// The folder of one test: for its temporary files, and for its outcome.
const FOLDER: &str = "GROUNDS_FOLDER";
/// How many seconds a test may take; more, where the ground is slow.
const LIMIT: &str = "GROUNDS_LIMIT";

/// How long those may take to end that were told to, or lost what they hang on.
const GRACE: Duration = Duration::from_secs(2);

/// The exit code of a test that failed, and of its keeper. What came out otherwise is in a file.
const FAILED: u8 = 101;

/// What this process was started for.
pub(crate) enum Role {
    Runner,
    Keeper(String),
    Subject(String),
}

impl Role {
    pub(crate) fn of_this_process() -> Role {
        match (env::var(SUBJECT), env::var(KEEPER)) {
            (Ok(name), _) => Role::Subject(name),
            (_, Ok(name)) => Role::Keeper(name),
            _ => Role::Runner,
        }
    }
}

/// Runs a test of this very program in a process of its own. What it printed is in the error.
pub(crate) fn keep(name: &str, show: bool) -> Outcome {
    let folder = Folder::new()?;
    let mut command = Command::new(env::current_exe()?);
    command.env(KEEPER, name).env(FOLDER, &folder.0).env("TMPDIR", folder.0.join("t")).stdin(Stdio::null());
    let (status, printed) = if show { (command.status()?, String::new()) } else { output(command)? };
    let file = |name| fs::read_to_string(folder.0.join(name)).unwrap_or_default();
    let (said, verdict) = (file("said"), file("verdict"));
    // The exit code alone says nothing: what a test calls may end the process.
    let outcome = match (status.code(), verdict.as_str()) {
        (Some(0), "passed") => folder
            .left()
            .map(|left| if left.is_empty() { Ok(()) } else { Err(Stop::Failed(left.to_string())) })?,
        (Some(0), "ignored") => Err(Stop::Ignored(said)),
        (Some(0), _) => {
            Err(Stop::Failed(format!("{printed}{said}ended by itself, before the test was over")))
        }
        _ => Err(Stop::Failed(format!("{printed}{said}"))),
    };
    folder.close()?;
    outcome
}

/// Runs a keeper, and returns what it and the test wrote.
fn output(mut command: Command) -> io::Result<(ExitStatus, String)> {
    // One pipe for both, so that the lines stay in order.
    let (mut reader, writer) = io::pipe()?;
    let mut keeper = command.stdout(writer.try_clone()?).stderr(writer).spawn()?;
    drop(command);
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let outcome = reader.read_to_end(&mut bytes);
        if let Err(error) = outcome {
            bytes.extend(error.to_string().bytes());
        }
        drop(sender.send(bytes));
    });
    let status = keeper.wait()?;
    // If the keeper was killed, somebody may hold the pipe for ever.
    let bytes = receiver.recv_timeout(GRACE).unwrap_or_else(|_| b"its output did not end".to_vec());
    Ok((status, String::from_utf8_lossy(&bytes).into_owned()))
}

/// A test's own folder; removed when it is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> io::Result<Folder> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        loop {
            // Short: the address of a socket in it has 107 bytes.
            let number = COUNT.fetch_add(1, Ordering::Relaxed);
            let folder = env::temp_dir().join(format!("g{}.{number}", process::id()));
            match fs::create_dir(&folder) {
                // Of a process of that number that was killed.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                made => made?,
            }
            let folder = Folder(folder);
            fs::create_dir(folder.0.join("t"))?;
            return Ok(folder);
        }
    }

    fn left(&self) -> io::Result<Left> {
        let mut left = Left::default();
        for entry in fs::read_dir(self.0.join("t"))? {
            left.0.push(format!("file {}", entry?.path().display()));
        }
        Ok(left)
    }

    fn close(self) -> io::Result<()> {
        remove(&self.0)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(remove(&self.0));
    }
}

/// Adds to what is said of the test.
fn say(what: &str) {
    let file = env::var_os(FOLDER).map(|folder| Path::new(&folder).join("said"));
    let file = file.and_then(|file| fs::File::options().create(true).append(true).open(file).ok());
    if let Some(mut file) = file {
        drop(writeln!(file, "{what}"));
    }
}

/// The keeper: starts the subject, ends it at its time limit, and waits for all that lose their parent.
pub(crate) fn keeper(name: &str) -> ExitCode {
    match keep_subject(name) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            say(&format!("test grounds: {error}"));
            ExitCode::from(FAILED)
        }
    }
}

fn keep_subject(name: &str) -> io::Result<u8> {
    prctl::set_child_subreaper(true)?;
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    let subject = Command::new(env::current_exe()?).env(SUBJECT, name).spawn()?;
    let subject = Pid::from_raw(subject.id() as i32);
    let (ended, end) = mpsc::channel::<()>();
    let limit = limit();
    let watchdog = thread::spawn(move || {
        if end.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
            say(&format!("hangs: not finished after {} s{}", limit.as_secs(), waiting(subject)));
            let _ = kill(subject, Signal::SIGKILL);
        }
    });
    let status = loop {
        let status = waitpid(None, Some(WaitPidFlag::__WALL))?;
        if status.pid() == Some(subject) {
            break status;
        }
    };
    drop(ended);
    drop(watchdog.join());
    let left = remaining()?;
    if !left.is_empty() {
        say(&left.to_string());
    }
    Ok(match status {
        WaitStatus::Exited(_, code) if left.is_empty() => code as u8, // 0 for a verdict
        WaitStatus::Signaled(_, signal, _) => {
            say(&format!("killed by {signal}"));
            FAILED
        }
        _ => FAILED,
    })
}

fn limit() -> Duration {
    Duration::from_secs(env::var(LIMIT).ok().and_then(|seconds| seconds.parse().ok()).unwrap_or(180))
}

/// Where the threads of a process wait in the kernel.
fn waiting(pid: Pid) -> String {
    let tasks = fs::read_dir(format!("/proc/{pid}/task"));
    let lines = tasks.into_iter().flatten().flatten().map(|task| {
        let file = |name: &str| fs::read_to_string(task.path().join(name)).unwrap_or_default();
        let call = file("syscall");
        let call = call.split(' ').next().unwrap_or_default().trim();
        format!("\n  thread {} in {} (system call {call})", file("comm").trim(), file("wchan"))
    });
    lines.collect()
}

/// Waits for the orphans that are ending; those that go on are told, and killed.
fn remaining() -> io::Result<Left> {
    let mut left = Left::default();
    // The children of those that are killed become ours in the next round.
    for _ in 0..10 {
        if all_ended()? {
            break;
        }
        for orphan in children()? {
            if let Some(pid) = orphan.split(' ').next().and_then(|pid| pid.parse().ok()) {
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
            left.0.push(format!("process {orphan}"));
        }
    }
    Ok(left)
}

/// Waits for every child, as long as they may take.
fn all_ended() -> io::Result<bool> {
    let deadline = Instant::now() + GRACE;
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG | WaitPidFlag::__WALL)) {
            Ok(WaitStatus::StillAlive) if Instant::now() > deadline => return Ok(false),
            Ok(WaitStatus::StillAlive) => thread::sleep(Duration::from_millis(2)),
            Ok(_) => {}
            Err(Errno::ECHILD) => return Ok(true),
            Err(error) => return Err(error.into()),
        }
    }
}

/// The subject: runs the test on a thread of its own, and ends with its verdict.
pub(crate) fn subject(body: Box<dyn FnOnce() -> Outcome + Send>) -> ExitCode {
    let verdict = match observed(body) {
        Ok(()) => "passed",
        Err(Stop::Ignored(reason)) => {
            say(reason.trim());
            "ignored"
        }
        Err(Stop::Failed(why)) => {
            say(&why);
            return ExitCode::from(FAILED);
        }
    };
    let file = env::var_os(FOLDER).map(|folder| Path::new(&folder).join("verdict"));
    match file.map(|file| fs::write(file, verdict)) {
        Some(Ok(())) => ExitCode::SUCCESS,
        _ => ExitCode::from(FAILED),
    }
}

fn observed(body: Box<dyn FnOnce() -> Outcome + Send>) -> Outcome {
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    let before = Process::now()?;
    let outcome = thread::spawn(body).join();
    let left = before.left()?;
    let outcome = outcome.unwrap_or_else(|_| Err(Stop::Failed("panicked".to_owned())));
    match outcome {
        Err(Stop::Failed(why)) => Err(Stop::Failed(why)),
        _ if !left.is_empty() => Err(Stop::Failed(left.to_string())),
        outcome => outcome,
    }
}

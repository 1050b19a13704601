//! What stands between this program and what it starts (a guest's kernel, a task on this one), so that
//! nothing is left behind.
//!
//! The warden ends what it started when its own standard input ends, that is when whoever started it says
//! so or is dead, of whatever cause; and with it all that came of it, in whatever group or session.

use std::ffi::OsString;
use std::os::unix::process::{CommandExt, ExitStatusExt, parent_id};
use std::process::{self, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use std::{env, fs, io};

use nix::errno::Errno;
use nix::sys::prctl::{set_child_subreaper, set_pdeathsig};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, setsid};

use crate::guest::{Error, on};

/// How long what was sent SIGKILL may take to die.
const DYING: Duration = Duration::from_secs(5);

/// Keeps a program: the first argument is its path, the others are its own. Returns its exit code; 128 and
/// the number for a signal.
pub(crate) fn keep(arguments: &[OsString]) -> Result<u8, Error> {
    // Away from a terminal's signals: it must outlive whoever it works for, by a moment.
    setsid().map_err(on("leave", "the session"))?;
    set_child_subreaper(true).map_err(on("adopt", "what loses its parent"))?;
    let this = env::current_exe().map_err(on("find", "grounds"))?;
    let mut command = Command::new(this);
    command.arg("kept").arg(process::id().to_string()).args(arguments);
    // A group of its own, with which its helpers are killed.
    let mut program =
        command.stdin(Stdio::null()).process_group(0).spawn().map_err(on("run", "what is kept"))?;
    let group = Pid::from_raw(program.id() as i32);
    thread::spawn(move || {
        drop(io::copy(&mut io::stdin(), &mut io::sink()));
        let _ = killpg(group, Signal::SIGKILL);
    });
    let status = program.wait().map_err(on("wait for", "what is kept"))?;
    let _ = killpg(group, Signal::SIGKILL);
    bury();
    Ok(status.code().or_else(|| Some(128 + status.signal()?)).unwrap_or(255) as u8)
}

/// Kills and waits for whatever is left: it is this process's child since its parent's death.
fn bury() {
    let until = Instant::now() + DYING;
    while Instant::now() < until {
        for child in children() {
            let _ = kill(child, Signal::SIGKILL);
        }
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Err(Errno::ECHILD) => return,
            Ok(WaitStatus::StillAlive) => thread::sleep(Duration::from_millis(1)),
            _ => {}
        }
    }
}

fn children() -> Vec<Pid> {
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    let all: Vec<String> = lists.collect();
    all.iter()
        .flat_map(|list| list.split(' '))
        .filter_map(|pid| Some(Pid::from_raw(pid.parse().ok()?)))
        .collect()
}

/// Becomes what is kept; the first argument is the process that must be this one's parent.
pub(crate) fn become_kept(arguments: &[OsString]) -> Result<u8, Error> {
    let [parent, program, arguments @ ..] = arguments else {
        return Err(Error::new("kept PARENT PROGRAM [ARGUMENT]..."));
    };
    set_pdeathsig(Signal::SIGKILL).map_err(on("follow in death", parent))?;
    if *parent != *parent_id().to_string() {
        return Err(Error::new("whoever wanted this is dead already"));
    }
    // A kernel that panics ends by abort(3): its memory is of no use to anyone.
    let (_, most) = getrlimit(Resource::RLIMIT_CORE).map_err(on("read the limit of", "core files"))?;
    setrlimit(Resource::RLIMIT_CORE, 0, most).map_err(on("limit", "core files"))?;
    Err(on("run", program)(Command::new(program).args(arguments).exec()))
}

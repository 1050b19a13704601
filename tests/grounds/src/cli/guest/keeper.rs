//! On the host: what stands between this program and the guest's kernel, so that nothing is left behind.
//!
//! The keeper ends the kernel when its standard input ends, that is when whoever started it says so or
//! is dead, of whatever cause; and it buries the kernel's helpers, which not every machine's process 1 does.

use std::os::unix::process::{CommandExt, parent_id};
use std::process::{self, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use std::{env, io};

use nix::errno::Errno;
use nix::sys::prctl::{set_child_subreaper, set_pdeathsig};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, setsid};

use super::error::{Error, on};

/// How long the kernel's helpers may take to die after it. They were sent SIGKILL.
const DYING: Duration = Duration::from_secs(5);

/// Keeps a kernel: the first argument is its path, the others are its own.
pub(super) fn keep(arguments: &[String]) -> Result<(), Error> {
    // Away from a terminal's signals: it must outlive whoever it works for, by a moment.
    setsid().map_err(on("leave", "the session"))?;
    set_child_subreaper(true).map_err(on("adopt", "the kernel's helpers"))?;
    let this = env::current_exe().map_err(on("find", "grounds"))?;
    let mut command = Command::new(this);
    command.arg("guest-boot").arg(process::id().to_string()).args(arguments);
    // A group of its own, with which its helpers are killed.
    let mut kernel =
        command.stdin(Stdio::null()).process_group(0).spawn().map_err(on("run", "the kernel"))?;
    let group = Pid::from_raw(kernel.id() as i32);
    thread::spawn(move || {
        drop(io::copy(&mut io::stdin(), &mut io::sink()));
        let _ = killpg(group, Signal::SIGKILL);
    });
    drop(kernel.wait());
    let _ = killpg(group, Signal::SIGKILL);
    bury();
    Ok(())
}

/// Waits for every helper: they are this process's children since the kernel's death.
fn bury() {
    let until = Instant::now() + DYING;
    while Instant::now() < until {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Err(Errno::ECHILD) => return,
            Ok(WaitStatus::StillAlive) => thread::sleep(Duration::from_millis(1)),
            _ => {}
        }
    }
}

/// Becomes the kernel; the first argument is the process that must be this one's parent.
pub(super) fn boot(arguments: &[String]) -> Result<(), Error> {
    let [parent, kernel, arguments @ ..] = arguments else {
        return Err(Error::new("guest-boot PARENT KERNEL [ARGUMENT]..."));
    };
    set_pdeathsig(Signal::SIGKILL).map_err(on("follow in death", parent))?;
    if parent_id().to_string() != *parent {
        return Err(Error::new("whoever wanted a guest is dead already"));
    }
    // A kernel that panics ends by abort(3): its memory is of no use to anyone.
    setrlimit(Resource::RLIMIT_CORE, 0, 0).map_err(on("limit", "the core file"))?;
    Err(on("run", kernel)(Command::new(kernel).args(arguments).exec()))
}

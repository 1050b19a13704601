//! What a test asks of this user and kernel.

use std::fmt::Display;
use std::sync::OnceLock;
use std::{env, fs};

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{Uid, getgid, getuid};

use crate::faults::calls;
use crate::sys;

/// What a test gives back: nothing, or why it stopped.
pub type Outcome = Result<(), Stop>;

/// Why a test stopped early.
#[derive(Debug)]
pub enum Stop {
    /// This user or kernel can't run it.
    Ignored(String),
    /// It ran, and an operation failed.
    Failed(String),
}

impl<E: std::error::Error> From<E> for Stop {
    fn from(error: E) -> Self {
        Stop::Failed(error.to_string())
    }
}

/// Stops a test because this user or kernel can't run it.
pub fn ignored(reason: impl Display) -> Stop {
    Stop::Ignored(reason.to_string())
}

/// Why the user namespace of [`run_as_root`](crate::run_as_root) could not be made.
static NOT_ROOT: OnceLock<String> = OnceLock::new();

/// Makes an ordinary user root of a new user namespace, or remembers why that can't be.
pub(crate) fn become_root() {
    if Uid::effective().is_root() {
        return;
    }
    // Ubuntu lets the namespace be made, and gives no rights in it.
    let restricted = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns";
    if fs::read_to_string(restricted).is_ok_and(|value| value.trim() == "1") {
        NOT_ROOT.get_or_init(|| format!("not root, and no user namespace: {restricted} is 1"));
    } else if let Err(error) = enter_user_namespace() {
        NOT_ROOT.get_or_init(|| format!("not root, and no user namespace: {error}"));
    }
}

fn enter_user_namespace() -> std::io::Result<()> {
    let (uid, gid) = (getuid(), getgid());
    unshare(CloneFlags::CLONE_NEWUSER)?;
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("0 {uid} 1"))?;
    fs::write("/proc/self/gid_map", format!("0 {gid} 1"))
}

/// Asks for root of the whole machine, not of a user namespace.
pub fn root() -> Outcome {
    let map = fs::read_to_string("/proc/self/uid_map")?;
    let whole = map.split_whitespace().eq(["0", "0", "4294967295"]);
    if Uid::effective().is_root() && whole { Ok(()) } else { Err(ignored("needs root")) }
}

/// Asks for an ordinary user.
pub fn ordinary_user() -> Outcome {
    if Uid::effective().is_root() { Err(ignored("needs an ordinary user")) } else { Ok(()) }
}

/// What libcontainer has no other way without: system calls that are there in Linux 5.10, the oldest kernel
/// that it promises to run on.
const CONTAINERS_NEED: [&str; 9] = [
    "close_range",
    "fsconfig",
    "fsmount",
    "fsopen",
    "move_mount",
    "open_tree",
    "openat2",
    "pidfd_open",
    "pidfd_send_signal",
];

/// Asks for a kernel, and filters, under which containers can be started.
pub fn containers() -> Outcome {
    calls(&CONTAINERS_NEED)
}

/// Asks for system calls: filters refuse some, and kernels before the one that is promised lack them.
///
/// # Panics
///
/// For names of calls older than Linux 5.1: they are everywhere, and some do something when they are asked.
pub fn calls(names: &[&str]) -> Outcome {
    let answers = |name: &&&str| {
        let number = calls::number(name).filter(|number| *number >= 424);
        sys::answers(number.unwrap_or_else(|| panic!("{name}: no system call since Linux 5.1")))
    };
    match names.iter().find(|name| !answers(name)) {
        Some(name) => Err(ignored(format!("needs {name}"))),
        None => Ok(()),
    }
}

/// How often something is repeated on this ground: a tenth of the times, where system calls take ten times
/// as long (the environment's `GROUNDS_SLOW` says so).
pub fn times(usual: usize) -> usize {
    if env::var_os("GROUNDS_SLOW").is_some() { usual.div_ceil(10) } else { usual }
}

/// Puts this thread into a new, empty network namespace, which goes when the thread ends.
pub fn netns() -> Outcome {
    enter(CloneFlags::CLONE_NEWNET, "network")
}

/// Puts this thread into a new mount namespace in which every mount is private.
pub fn mountns() -> Outcome {
    enter(CloneFlags::CLONE_NEWNS, "mount")?;
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)?;
    Ok(())
}

fn enter(kind: CloneFlags, name: &str) -> Outcome {
    if let Some(reason) = NOT_ROOT.get() {
        return Err(ignored(reason));
    }
    unshare(kind).map_err(|error| match error {
        // Root has them, or they were used up: namespaces that leaked.
        Errno::EPERM | Errno::ENOSYS => ignored(format!("no new {name} namespace: {error}")),
        Errno::EINVAL | Errno::ENOSPC if root().is_err() => {
            ignored(format!("no new {name} namespace: {error}"))
        }
        error => error.into(),
    })
}

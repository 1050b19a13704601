//! A second kernel: User-mode Linux on the host's own root file system.
//!
//! ```text
//! host    grounds run guest -- TASK     start: writes the task down, starts a warden, reads the serial line
//!           grounds warden              ends the kernel when the one above says so or is dead
//!             grounds kept              becomes the kernel
//! guest         grounds guest-init      init: process 1, builds the ground; becomes systemd if asked
//!                 grounds guest-task    starter: runs the task, sends its output and end over the serial line
//!                   grounds guest-exec  becomes the task
//! ```
//!
//! The old kernel is one for an emulated machine (`old.rs`), and begins with `grounds guest-early`.

mod early;
mod error;
mod frame;
mod init;
mod initramfs;
mod kernel;
mod namespaces;
mod old;
mod start;
mod starter;
mod systemd;
mod task;
mod wait;

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use std::{env, fs};

use nix::unistd::getpid;

use crate::ground::Cgroups;
use crate::warden;

pub(crate) use error::{Error, on};
pub(crate) use kernel::{build, kernel};
pub(crate) use old::fetch;
pub(crate) use start::{Ended, Running, start};
pub(crate) use task::Task;

/// Where process 1 leaves, in the guest, what the task's starter needs.
const RUN: &str = "/run/grounds";
/// The task, written down.
const TASK_FILE: &str = "task";
/// The guest's end of the line to the host.
const SERIAL: &str = "/dev/ttyS0";
/// What is in its place where there is no second kernel: a pipe with this name, beside the task.
const LINE: &str = "line";

/// A look of the second kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// cgroup v2, all capabilities, and no init to speak of.
    Bare,
    /// systemd and D-Bus; the task is a service with a delegated cgroup.
    Systemd,
    /// The same, and the task is a service of an ordinary user's own systemd.
    SystemdUser,
    /// AppArmor is on; nothing is confined yet.
    AppArmor,
    /// SELinux is on, without a policy.
    Selinux,
    /// Two processors.
    Smp,
    /// Linux 5.10 in an emulated machine.
    Old,
    /// No second kernel, but namespaces of this one, with these cgroups; systemd and D-Bus as above.
    Namespaces(Cgroups),
}

impl Look {
    /// All of them.
    pub(crate) const ALL: [Look; 10] = [
        Look::Bare,
        Look::Systemd,
        Look::SystemdUser,
        Look::AppArmor,
        Look::Selinux,
        Look::Smp,
        Look::Old,
        Look::Namespaces(Cgroups::V2),
        Look::Namespaces(Cgroups::V1),
        Look::Namespaces(Cgroups::Hybrid),
    ];

    /// Returns the word for it on a command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Look::Bare => "guest",
            Look::Systemd => "guest-systemd",
            Look::SystemdUser => "guest-user",
            Look::AppArmor => "guest-apparmor",
            Look::Selinux => "guest-selinux",
            Look::Smp => "guest-smp",
            Look::Old => "old",
            Look::Namespaces(Cgroups::V2) => "systemd",
            Look::Namespaces(Cgroups::V1) => "systemd-v1",
            Look::Namespaces(Cgroups::Hybrid) => "systemd-hybrid",
        }
    }

    /// Returns the look with that name.
    pub(crate) fn from_name(name: &str) -> Option<Look> {
        Look::ALL.into_iter().find(|look| look.name() == name)
    }

    /// How long a boot may take: one to four seconds, emulated ten; on a machine that is busy, a few times that.
    fn boot_limit(self) -> Duration {
        Duration::from_secs(if self == Look::Old { 180 } else { 60 })
    }

    fn has_systemd(self) -> bool {
        matches!(self, Look::Systemd | Look::SystemdUser | Look::Namespaces(_))
    }

    fn kernel_arguments(self) -> &'static [&'static str] {
        match self {
            Look::Bare | Look::Systemd | Look::SystemdUser => &["ncpus=1", "lsm=landlock"],
            Look::AppArmor => &["ncpus=1", "lsm=landlock,apparmor"],
            Look::Selinux => &["ncpus=1", "lsm=landlock,selinux", "selinux=1"],
            Look::Smp => &["ncpus=2", "lsm=landlock"],
            // They are the emulator's; the running kernel takes no more.
            Look::Old | Look::Namespaces(_) => &[],
        }
    }
}

/// Says in one line why this look can't be had here.
pub(crate) fn missing(look: Look) -> Option<String> {
    if !matches!(look, Look::Old | Look::Namespaces(_)) && kernel().is_none() {
        return Some(kernel::missing());
    }
    if let Err(error) = fs::metadata(start::MEMORY) {
        return Some(format!("{}: {error}", start::MEMORY));
    }
    match look {
        Look::SystemdUser if !on_path("newuidmap") => Some("newuidmap is not installed".to_owned()),
        Look::Systemd | Look::SystemdUser => systemd::missing(),
        Look::AppArmor if !on_path("apparmor_parser") => Some("apparmor_parser is not installed".to_owned()),
        Look::Old => old::missing(),
        Look::Namespaces(_) => namespaces::missing(),
        Look::Bare | Look::AppArmor | Look::Selinux | Look::Smp => None,
    }
}

/// Tells whether there is such a program.
fn on_path(program: &str) -> bool {
    find(program).is_some()
}

/// Finds a program, also where an ordinary user's `PATH` doesn't look.
fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).collect::<Vec<_>>();
    let system = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"].map(Into::into);
    folders.iter().chain(&system).map(|folder| folder.join(program)).find(|path| path.exists())
}

/// Plays a part of the guest's, if that is what this process was started for.
pub(crate) fn role() -> Option<ExitCode> {
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    let (role, arguments) = arguments.split_first()?;
    let words = || arguments.iter().map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>();
    let outcome = match role.to_str()? {
        "guest-init" if getpid().as_raw() == 1 => init::run(&words()),
        "guest-early" if getpid().as_raw() == 1 => early::run(&words()),
        "guest-namespaces" => namespaces::keep(&words()),
        "guest-first" if getpid().as_raw() == 1 => namespaces::first(&words()),
        "guest-task" => starter::run().map(|()| 0),
        "guest-exec" => starter::exec().map(|()| 0),
        "warden" => warden::keep(arguments),
        "kept" => warden::become_kept(arguments),
        _ => return None,
    };
    Some(match outcome {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("grounds: {error}");
            ExitCode::FAILURE
        }
    })
}

/// Kernel arguments are words: no path with a blank or a quote can be one.
fn is_a_word(path: &Path) -> bool {
    !path.as_os_str().as_bytes().iter().any(|byte| byte.is_ascii_whitespace() || b"\"'".contains(byte))
}

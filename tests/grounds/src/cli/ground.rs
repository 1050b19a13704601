//! The grounds there are, and how a program is started on each.

use std::fmt::{self, Display};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use grounds::faults::Refused;
use nix::unistd::geteuid;

use crate::guest::{self, Task};
use crate::looks;
use crate::running::Running;

/// How many ids an ordinary user may give away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Range {
    None,
    Ids65536,
}

/// Which versions of cgroups are mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cgroups {
    V1,
    V2,
    Hybrid,
}

/// A place for programs to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ground {
    /// As whoever calls.
    Here,
    /// As an ordinary user.
    User(Range),
    /// With these cgroups, in a mount namespace of its own.
    Cgroups(Cgroups),
    /// With systemd as the first process of namespaces of its own, and these cgroups.
    Systemd(Cgroups),
    /// With system calls refused.
    Refuse(String),
    /// On a second kernel.
    Guest(guest::Look),
}

const NAMED: [(&str, Ground, &str); 16] = [
    ("here", Ground::Here, "this kernel, as whoever calls"),
    ("user", Ground::User(Range::Ids65536), "an ordinary user with a range of 65536 ids"),
    ("user-without-ids", Ground::User(Range::None), "an ordinary user without a range and without a name"),
    ("v1", Ground::Cgroups(Cgroups::V1), "cgroup v1 only, in a mount namespace"),
    ("v2", Ground::Cgroups(Cgroups::V2), "cgroup v2 only, in a mount namespace"),
    ("hybrid", Ground::Cgroups(Cgroups::Hybrid), "cgroup v1 and v2 side by side, in a mount namespace"),
    ("systemd", Ground::Systemd(Cgroups::V2), "systemd as the first process of namespaces of this kernel"),
    ("systemd-v1", Ground::Systemd(Cgroups::V1), "the same with cgroup v1 only"),
    ("systemd-hybrid", Ground::Systemd(Cgroups::Hybrid), "the same with cgroup v1 and v2 side by side"),
    ("guest", Ground::Guest(guest::Look::Bare), "a second kernel: cgroup v2, all capabilities"),
    ("guest-systemd", Ground::Guest(guest::Look::Systemd), "a second kernel, with systemd and D-Bus"),
    (
        "guest-user",
        Ground::Guest(guest::Look::SystemdUser),
        "a second kernel: an ordinary user of systemd with delegated controllers",
    ),
    ("guest-apparmor", Ground::Guest(guest::Look::AppArmor), "a second kernel, with AppArmor"),
    ("guest-selinux", Ground::Guest(guest::Look::Selinux), "a second kernel, with SELinux"),
    ("guest-smp", Ground::Guest(guest::Look::Smp), "a second kernel, with two processors"),
    ("old", Ground::Guest(guest::Look::Old), "Linux 5.10, the oldest that is promised, emulated: slow"),
];

impl Ground {
    /// The grounds that a word of the command line stands for.
    ///
    /// # Errors
    ///
    /// Where there is none of this name.
    pub(crate) fn parse(word: &str) -> Result<Vec<Ground>, String> {
        match word {
            "all" => Ok(named().chain([Ground::Refuse("all".to_owned())]).chain(each_refused()).collect()),
            "guests" => Ok(named()
                .filter(|ground| matches!(ground, Ground::Guest(look) if *look != guest::Look::Old))
                .collect()),
            "refuse:each" => Ok(each_refused().collect()),
            _ => {
                if let Some(calls) = word.strip_prefix("refuse:") {
                    // A comma is between grounds.
                    let calls = &calls.replace('+', ",");
                    refused(calls)?;
                    return Ok(vec![Ground::Refuse(calls.to_owned())]);
                }
                let found = NAMED.into_iter().find(|(name, ..)| *name == word);
                Ok(vec![found.ok_or_else(|| format!("no ground {word:?}; `cargo grounds` lists them"))?.1])
            }
        }
    }

    /// Every ground with a name, and what it is.
    pub(crate) fn list() -> impl Iterator<Item = (Ground, &'static str)> {
        NAMED.into_iter().map(|(_, ground, about)| (ground, about))
    }

    /// Why this ground can't be had here, if so.
    pub(crate) fn missing(&self) -> Option<String> {
        let needs_root = || (!geteuid().is_root()).then(|| "needs root".to_owned());
        match self {
            Ground::Here | Ground::Refuse(_) => None,
            Ground::User(Range::Ids65536) if !Path::new("/usr/bin/newuidmap").exists() => {
                Some("no newuidmap (Debian's package uidmap)".to_owned())
            }
            Ground::User(_) => needs_root(),
            Ground::Cgroups(cgroups) => needs_root().or_else(|| looks::missing(*cgroups)),
            Ground::Systemd(cgroups) => needs_root()
                .or_else(|| if *cgroups == Cgroups::V2 { None } else { looks::missing(*cgroups) })
                .or_else(|| guest::missing(guest::Look::Namespaces(*cgroups))),
            Ground::Guest(look) => guest::missing(*look),
        }
    }

    /// How many times as long tests may take there.
    pub(crate) fn slowness(&self) -> u32 {
        match self {
            Ground::Guest(guest::Look::Old) => 9,
            Ground::Guest(_) => 3,
            _ => 1,
        }
    }

    /// Starts a program there.
    ///
    /// # Errors
    ///
    /// Where the ground can't be made, or the program not be started.
    pub(crate) fn start(&self, task: &Task, limit: Duration) -> Result<Running, String> {
        match self {
            Ground::Guest(look) => start_guest(*look, task, limit),
            Ground::Systemd(cgroups) => start_guest(guest::Look::Namespaces(*cgroups), task, limit),
            ground => {
                // This program again makes the ground around itself, and becomes the task.
                let this = crate::this_program().map_err(|error| format!("find this program: {error}"))?;
                let prepare = |command: &mut Command| {
                    command.arg(&this).arg("inside").arg(ground.to_string()).args(&task.argv);
                    command.current_dir(&task.cwd).env_clear().envs(task.env.iter().cloned());
                };
                let running = Running::native(prepare, limit);
                running.map_err(|error| format!("start {ground}: {error}"))
            }
        }
    }
}

fn start_guest(look: guest::Look, task: &Task, limit: Duration) -> Result<Running, String> {
    guest::start(look, task, limit).map(Running::guest).map_err(|error| error.to_string())
}

fn named() -> impl Iterator<Item = Ground> {
    NAMED.into_iter().map(|(_, ground, _)| ground)
}

fn each_refused() -> impl Iterator<Item = Ground> {
    grounds::faults::RECENT.iter().map(|call| Ground::Refuse((*call).to_owned()))
}

/// Reads which system calls are refused.
///
/// # Errors
///
/// Where one is unknown.
pub(crate) fn refused(calls: &str) -> Result<Refused, String> {
    calls.parse::<Refused>().map_err(|error| error.to_string())
}

impl Display for Ground {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, NAMED.iter().find(|(_, ground, _)| ground == self)) {
            (Ground::Refuse(calls), _) => write!(f, "refuse:{}", calls.replace(',', "+")),
            (_, Some((name, ..))) => f.write_str(name),
            (ground, None) => write!(f, "{ground:?}"),
        }
    }
}

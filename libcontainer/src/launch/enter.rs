//! A process that joins a container: the same way with other operations.

use std::fs::{self, File};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nix::poll::PollTimeout;

use super::create::started;
use super::hooks::State;
use super::sync::{Event, unexpected};
use super::{Guarded, Streams, Sync, ended, image, listener, may_trace, resolve};
use crate::config::{Description, Hook, NamespaceKind, Process, check};
use crate::error::{Error, ErrorKind, Result};
use crate::plan::{Circumstances, Handed, Plan, Way};
use crate::process::{Child, Io, Joined};

/// How long a process in the hands of a container's processes may take for its next step.
const PATIENCE: Duration = Duration::from_secs(30);

/// The container to join, by its first process.
pub(crate) struct Target<'a> {
    pub(crate) pid: u32,
    pub(crate) pidfd: BorrowedFd<'a>,
    pub(crate) cgroup: Option<&'a cgroups::Cgroup>,
    /// Whether its root was changed by chroot, which joining the mount namespace doesn't follow.
    pub(crate) moved_root: bool,
    /// What is told of it.
    pub(crate) told: &'a Description,
}

/// Starts a process in a container and waits until its program runs.
pub(crate) fn enter(target: &Target<'_>, process: &Process, io: Io) -> Result<Child> {
    check::process(process)?;
    let (init, console) = program(target, process, None, &Streams::new(io)?)?;
    Ok(Child { joined: Arc::new(Joined::new(init.pid, init.let_go())), console })
}

/// The same with what is executed, unless it is the first argument.
pub(super) fn program(
    target: &Target<'_>,
    process: &Process,
    path: Option<&Path>,
    streams: &Streams,
) -> Result<(Guarded, Option<OwnedFd>)> {
    let proc = target.proc();
    let set_groups = target.may_set_groups();
    let identity = resolve(process, &proc.join("root"), set_groups)?;
    let (way, cgroup) = target.way()?;
    let circumstances = Circumstances {
        cgroup_at_birth: cgroup.is_some(),
        inherited: streams.inherited().len(),
        is_file: streams.program().is_some(),
        set_groups,
        identity,
        program: path.map(Path::to_owned),
        may_not_trace: process.has_listener() && !may_trace(),
        company: true,
        ..Circumstances::default()
    };
    let plan = Plan::enter(process, way, &circumstances)?;
    let (init, mut sync) = target.join(&plan, cgroup.as_ref(), streams)?;
    let console = if process.terminal {
        match sync.receive(init.pidfd())? {
            Event::Console(master) => Some(master),
            Event::Failure(failure) => return Err(failure.explain(&plan)),
            event => return Err(unexpected(&event)),
        }
    } else {
        None
    };
    sync.executed(init.pidfd(), &|failure| failure.explain(&plan), &|listener| {
        decided(listener, process, init.pid, target.told, "running")
    })?;
    Ok((init, console))
}

/// Starts a hook in a container's namespaces, while the root there is still the host's.
pub(super) fn hook(target: &Target<'_>, hook: &Hook, rootfs: &Path, streams: &Streams) -> Result<Guarded> {
    let (way, cgroup) = target.way()?;
    let circumstances = Circumstances {
        cgroup_at_birth: cgroup.is_some(),
        set_groups: target.may_set_groups(),
        ..Circumstances::default()
    };
    let plan = Plan::hook_in_namespaces(hook, rootfs, way, &circumstances)?;
    let (process, mut sync) = target.join(&plan, cgroup.as_ref(), streams)?;
    sync.executed(process.pidfd(), &|failure| failure.explain(&plan), &|_| Ok(()))?;
    Ok(process)
}

impl Target<'_> {
    fn proc(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}", self.pid))
    }

    /// Returns whether its user namespace allows to set supplementary groups.
    fn may_set_groups(&self) -> bool {
        fs::read_to_string(self.proc().join("setgroups")).is_ok_and(|word| word.trim() == "allow")
    }

    /// Looks up what there is to join, and the cgroup that a process can be born in.
    fn way(&self) -> Result<(Way, Option<OwnedFd>)> {
        let kinds = differing(&self.proc())?;
        let cgroup = self.cgroup.map(cgroups::Cgroup::v2_dir).transpose()?.flatten();
        Ok((Way { kinds, moved_root: self.moved_root }, cgroup))
    }

    /// Starts a process that joins, up to where all is prepared for it.
    fn join(&self, plan: &Plan, cgroup: Option<&OwnedFd>, streams: &Streams) -> Result<(Guarded, Sync)> {
        let root = File::open(self.proc().join("root"))
            .map_err(|error| Error::io("open the container's root", &error))?;
        // What was read under this number was the container's: it still lives.
        if ended(self.pidfd, PollTimeout::ZERO)? {
            return Err(not_running());
        }
        let handed = plan.handed.iter().filter_map(|handed| match *handed {
            Handed::Container | Handed::CgroupNamespace => Some(self.pidfd),
            Handed::Root => Some(root.as_fd()),
            Handed::Cgroup => cgroup.map(AsFd::as_fd),
            Handed::Program => streams.program().map(AsFd::as_fd),
            Handed::Inherited(index) => streams.inherited().get(index).map(AsFd::as_fd),
            Handed::Namespace(_) | Handed::IdMap(_) | Handed::Listener => None,
        });
        let handed: Vec<_> = handed.collect();
        let (first, mut sync) = image::start(plan, &handed, streams)?;
        let (init, in_cgroup) = started(first, &mut sync, plan)?;
        // Whoever is in the container already may stop what joins it.
        let sync = sync.with_patience(PATIENCE);
        if let Some(cgroup) = self.cgroup.filter(|_| !in_cgroup) {
            cgroup.add(init.pid)?;
        }
        sync.go()?;
        Ok((init, sync))
    }
}

/// Hands the listener of a process's filter to whoever decides.
pub(crate) fn decided(
    listener: BorrowedFd<'_>,
    process: &Process,
    pid: u32,
    told: &Description,
    status: &str,
) -> Result<()> {
    match process.seccomp.as_ref().and_then(|seccomp| seccomp.listener.as_ref()) {
        Some(to) => listener::send(listener, to, pid, State::new(told, status, Some(pid))),
        None => Ok(()),
    }
}

pub(crate) fn not_running() -> Error {
    Error::new(ErrorKind::InvalidState, "container is not running")
}

/// Returns the flags of the namespaces in which a process is and we are not.
fn differing(proc: &Path) -> Result<u32> {
    let mut kinds = 0;
    for kind in NamespaceKind::ALL {
        let of =
            |proc: &Path| fs::metadata(proc.join("ns").join(kind.file())).map(|namespace| namespace.ino());
        let Ok(ours) = of(Path::new("/proc/thread-self")) else {
            continue; // this kernel has no such kind
        };
        let theirs = of(proc)
            .map_err(|error| Error::io(format_args!("look at the container's {kind:?} namespace"), &error))?;
        if ours != theirs {
            kinds |= kind.flag();
        }
    }
    Ok(kinds)
}

//! A process that joins a container: the same way with other operations.

use std::fs::{self, File};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nix::poll::PollTimeout;

use super::create::started;
use super::sync::{Event, unexpected};
use super::{Streams, ended, image, resolve};
use crate::config::{NamespaceKind, Process, check};
use crate::error::{Error, ErrorKind, Result};
use crate::plan::{Circumstances, Handed, Plan};
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
}

/// Starts a process in a container and waits until its program runs.
pub(crate) fn enter(target: &Target<'_>, process: &Process, io: Io) -> Result<Child> {
    check::process(process)?;
    let proc = PathBuf::from(format!("/proc/{}", target.pid));
    let kinds = differing(&proc)?;
    let set_groups = fs::read_to_string(proc.join("setgroups")).is_ok_and(|word| word.trim() == "allow");
    let identity = resolve(process, &proc.join("root"), set_groups)?;
    let root =
        File::open(proc.join("root")).map_err(|error| Error::io("open the container's root", &error))?;
    // What was read under this number was the container's: it still lives.
    if ended(target.pidfd, PollTimeout::ZERO)? {
        return Err(not_running());
    }
    let streams = Streams::new(io)?;
    let born_in = target.cgroup.map(cgroups::Cgroup::v2_dir).transpose()?.flatten();
    let circumstances = Circumstances {
        cgroup_at_birth: born_in.is_some(),
        inherited: streams.inherited().len(),
        set_groups,
        identity,
        ..Circumstances::default()
    };
    let user_namespace = kinds & NamespaceKind::User.flag() != 0;
    let plan = Plan::enter(process, kinds, user_namespace, target.moved_root, &circumstances)?;
    let handed = plan.handed.iter().filter_map(|handed| match *handed {
        Handed::Container | Handed::CgroupNamespace => Some(target.pidfd),
        Handed::Root => Some(root.as_fd()),
        Handed::Cgroup => born_in.as_ref().map(AsFd::as_fd),
        Handed::Inherited(index) => streams.inherited().get(index).map(AsFd::as_fd),
        Handed::Namespace(_) | Handed::Listener => None,
    });
    let handed: Vec<_> = handed.collect();

    let (first, mut sync) = image::start(&plan, &handed, &streams)?;
    let (init, in_cgroup) = started(first, &mut sync, &plan)?;
    // Whoever is in the container already may stop what joins it.
    let mut sync = sync.with_patience(PATIENCE);
    if let Some(cgroup) = target.cgroup.filter(|_| !in_cgroup) {
        cgroup.add(init.pid)?;
    }
    sync.go()?;
    let console = if process.terminal {
        match sync.receive(init.pidfd())? {
            Event::Console(master) => Some(master),
            Event::Failure(failure) => return Err(failure.explain(&plan)),
            event => return Err(unexpected(&event)),
        }
    } else {
        None
    };
    sync.executed(init.pidfd(), &|failure| failure.explain(&plan))?;
    Ok(Child { joined: Arc::new(Joined::new(init.pid, init.let_go())), console })
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

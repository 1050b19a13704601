//! A new container: one straight line from the configuration to a process that waits for its start.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::group::Group;
use super::sync::{Event, unexpected};
use super::{
    Guarded, Streams, Sync, Target, cgroup, hooks, idmap, image, may_trace, network, rdt, reap, resolve,
    write_proc,
};
use crate::config::{Config, NamespaceKind, Network, check};
use crate::error::{Error, Result};
use crate::plan::{Circumstances, Handed, Plan};
use crate::process::Io;
use crate::sys;

/// A container that is ready to run. It goes when it is dropped.
pub(crate) struct Created {
    // In this order: the processes must be gone before their cgroup can be removed.
    pub(crate) init: Guarded,
    pub(crate) cgroup: Option<Group>,
    pub(crate) sync: Sync,
    pub(crate) console: Option<OwnedFd>,
    pub(crate) plan: Plan,
    /// Whether the image was told to start already.
    pub(crate) told: bool,
}

/// What the program waits for when everything else is done.
#[derive(Clone, Copy)]
pub(crate) enum Begin<'a> {
    /// A connection to this socket.
    Connection(BorrowedFd<'a>),
    /// A word on the socket that the image was made with.
    Word,
    /// Nothing, where nothing is left to do for the parent: the word comes with the Go, and nobody has to
    /// be woken up for it.
    Nothing,
}

/// Makes a container up to its program. `made` learns of the cgroup before it exists and of the first
/// process as soon as it does, so that they can be found whatever happens then.
pub(crate) fn create(
    config: &Config,
    io: Io,
    begin: Begin<'_>,
    made: &mut dyn FnMut(&Made<'_>) -> Result<()>,
) -> Result<Created> {
    let mut hooked = false;
    let created = with_hooks(config, io, begin, made, &mut hooked);
    // Hooks have begun something: those that end it are called too.
    if created.is_err() && hooked {
        let _ = hooks::poststop(config); // what failed first is what is told
    }
    created
}

/// Makes a container up to its program; `hooked` once hooks were called.
fn with_hooks(
    config: &Config,
    io: Io,
    begin: Begin<'_>,
    made: &mut dyn FnMut(&Made<'_>) -> Result<()>,
    hooked: &mut bool,
) -> Result<Created> {
    check::check(config)?;
    let listener = if let Begin::Connection(listener) = begin { Some(listener) } else { None };
    let set_groups = idmap::may_set_groups(config);
    let identity = resolve(&config.process, &config.rootfs, set_groups)?;
    let joins = joins(config)?;
    let maps = idmap::of_mounts(config)?;
    let streams = Streams::new(io)?;
    let network = network::prepare(config)?;

    let named = cgroup::named(config)?;
    made(&Made { cgroup: named.as_ref(), init: None })?;
    let mut group = cgroup::create(config)?;
    let born_in = group.as_ref().and_then(Group::cgroup).map(cgroups::Cgroup::v2_dir).transpose()?.flatten();
    let circumstances = Circumstances {
        joins: joins.iter().map(|join| join.kind).collect(),
        cgroup_at_birth: born_in.is_some(),
        hierarchies: cgroup::hierarchies(config, named.as_ref())?,
        kcore: Path::new("/proc/kcore").exists(),
        listener: listener.is_some(),
        inherited: streams.inherited().len(),
        is_file: streams.program().is_some(),
        in_user_namespace: idmap::in_user_namespace(),
        set_groups,
        identity,
        program: None,
        may_not_trace: is_looked_into(config) && !may_trace(),
        company: joins.iter().any(|join| matches!(join.kind, NamespaceKind::Pid | NamespaceKind::User)),
    };
    let plan = Plan::create(config, &circumstances)?;
    let handed = plan.handed.iter().filter_map(|handed| match *handed {
        Handed::Namespace(index) => joins.get(index).map(|join| join.fd.as_fd()),
        Handed::Cgroup => born_in.as_ref().map(AsFd::as_fd),
        Handed::IdMap(index) => maps.get(&index).map(AsFd::as_fd),
        Handed::Listener => listener,
        Handed::Program => streams.program().map(AsFd::as_fd),
        Handed::Inherited(index) => streams.inherited().get(index).map(AsFd::as_fd),
        Handed::Container | Handed::CgroupNamespace | Handed::Root => None,
    });
    let handed: Vec<_> = handed.collect();

    let (first, mut sync) = image::start(&plan, &handed, &streams)?;
    let idle = is_idle(config, begin);
    if idle {
        sync.go()?;
        sync.start()?;
    }
    let (init, in_cgroup) = started(first, &mut sync, &plan)?;
    let known = group.as_ref().and_then(Group::cgroup).or(named.as_ref());
    made(&Made { cgroup: known, init: Some(&init) })?;
    idmap::write(config, init.pid)?;
    enter(config, &mut group, &init, in_cgroup, made)?;
    let cgroup = group.as_ref().and_then(Group::cgroup);
    if let Some(score) = config.process.oom_score_adj {
        oom_score_adj(init.pid, score)?;
    }
    let rdt = rdt::enter(config, init.pid)?;
    let network = network.connect(config, init.pid)?; // a guard: undone unless committed
    let at_once = matches!(begin, Begin::Nothing) && config.hooks.start_container.is_empty();
    let told = idle || (at_once && !cgroup::is_confined(config));
    if !idle {
        sync.go()?;
        if told && !config.hooks.are_for_create() {
            sync.start()?;
        }
    }
    let console = ready(&mut sync, &init, &plan, &mut |sync| {
        *hooked = true;
        let target = Target {
            pid: init.pid,
            pidfd: init.pidfd(),
            cgroup,
            moved_root: false,
            told: &config.description,
        };
        hooks::create(config, &target)?;
        sync.go()?;
        if told { sync.start() } else { Ok(()) }
    })?;
    if let Some(group) = &group {
        cgroup::confine(config, group)?;
    }
    if listener.is_some() {
        sync.go()?; // only now it accepts a start
    }
    rdt.keep();
    network.commit();
    Ok(Created { init, cgroup: group, sync, console, plan, told })
}

/// Returns whether there is nothing for the parent to do between the clone and the exec. Both words can
/// wait for the image then, and nobody has to be woken up.
fn is_idle(config: &Config, begin: Begin<'_>) -> bool {
    let outside = config.networks.iter().any(|network| *network != Network::Loopback);
    matches!(begin, Begin::Nothing)
        && !config.is_new(NamespaceKind::User)
        && config.cgroup.is_none()
        && config.process.oom_score_adj.is_none()
        && config.intel_rdt.is_none()
        && !config.hooks.are_for_create()
        && config.hooks.start_container.is_empty()
        && !outside
        && config.routes.is_empty()
}

/// Sees to it that the process is in its control group: it was born there, is moved there, or systemd makes the
/// group around it and tells only then where that is.
fn enter(
    config: &Config,
    group: &mut Option<Group>,
    init: &Guarded,
    in_cgroup: bool,
    made: &mut dyn FnMut(&Made<'_>) -> Result<()>,
) -> Result<()> {
    if let Some(cgroup) = group.as_ref().and_then(Group::cgroup).filter(|_| !in_cgroup) {
        cgroup.add(init.pid)?;
    }
    if let Some(unit) = Group::of_systemd(config, init.pid)? {
        made(&Made { cgroup: group.insert(unit).cgroup(), init: Some(init) })?;
    }
    Ok(())
}

/// What exists of a container so far.
pub(crate) struct Made<'a> {
    pub(crate) cgroup: Option<&'a cgroups::Cgroup>,
    pub(crate) init: Option<&'a Guarded>,
}

/// Waits until the first process has made the second, and is gone. The second may be heard before it.
pub(super) fn started(first: Guarded, sync: &mut Sync, plan: &Plan) -> Result<(Guarded, bool)> {
    let mut early = Vec::new();
    loop {
        match sync.listen(first.pidfd())? {
            Event::Started { pid, pidfd, in_cgroup } => {
                let init = Guarded::new(pid, pidfd);
                reap(first.let_go().as_fd())?;
                for event in early {
                    sync.keep(event);
                }
                return Ok((init, in_cgroup));
            }
            Event::End => {
                return Err(match early.pop() {
                    Some(Event::Failure(failure)) => failure.explain(plan),
                    _ => unexpected(&Event::End),
                });
            }
            event => early.push(event),
        }
    }
}

/// Returns whether hooks join the process, or its filter's listener is taken, before it is the program.
fn is_looked_into(config: &Config) -> bool {
    let hooks = &config.hooks;
    !hooks.create_container.is_empty() || !hooks.start_container.is_empty() || config.process.has_listener()
}

/// Waits until everything but the exec is done, and returns the terminal's master.
fn ready(
    sync: &mut Sync,
    init: &Guarded,
    plan: &Plan,
    mounted: &mut dyn FnMut(&Sync) -> Result<()>,
) -> Result<Option<OwnedFd>> {
    let mut console = None;
    loop {
        match sync.receive(init.pidfd())? {
            Event::Console(master) => console = Some(master),
            Event::Mounted => mounted(sync)?,
            Event::Ready => return Ok(console),
            Event::Failure(failure) => return Err(failure.explain(plan)),
            event => return Err(unexpected(&event)),
        }
    }
}

fn oom_score_adj(pid: u32, score: i32) -> Result<()> {
    let path = format!("/proc/{pid}/oom_score_adj");
    let written = write_proc(Path::new(&path), &score.to_string());
    written.map_err(|error| Error::io(format_args!("write {score} to {path:?}"), &error))
}

/// A namespace to join.
struct Join {
    kind: NamespaceKind,
    fd: File,
}

/// Opens the namespaces to join, in the order that the kernel asks for: those of our own user
/// namespace while we have its rights, then the user namespace, then those that belong to it.
fn joins(config: &Config) -> Result<Vec<Join>> {
    let mut joins = Vec::new();
    for namespace in &config.namespaces {
        let Some(path) = &namespace.path else { continue };
        let what = format!("open {:?} namespace {path:?}", namespace.kind);
        let fd = File::open(path).map_err(|error| Error::io(what, &error).at(path))?;
        joins.push(Join { kind: namespace.kind, fd });
    }
    let own = std::fs::metadata("/proc/thread-self/ns/user").map(|own| own.ino()).ok();
    joins.sort_by_key(|join| match join.kind {
        NamespaceKind::User => 1,
        _ if owner(&join.fd) == own => 0,
        _ => 2,
    });
    Ok(joins)
}

/// Returns the inode of the user namespace that a namespace belongs to.
fn owner(namespace: &File) -> Option<u64> {
    let owner = File::from(sys::owning_user_namespace(namespace.as_fd())?);
    owner.metadata().map(|owner| owner.ino()).ok()
}

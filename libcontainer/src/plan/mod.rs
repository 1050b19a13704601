//! How it is done: from a configuration to steps that a person can read, and to the program that
//! does them. A plan is a plain value and touches nothing.

mod builder;
mod confine;
mod devices;
mod identity;
mod mounts;
mod namespaces;
mod serving;

use std::fmt;
use std::path::PathBuf;

use crate::config::{Config, NamespaceKind, Process, User};
use crate::error::Result;
use crate::program::{Op, Slot};
use builder::{Builder, inside, strings};
use mounts::Sources;

/// What is known of the host and the container when the plan is made.
#[derive(Clone, Debug, Default)]
pub(crate) struct Circumstances {
    /// The kinds of the namespaces to join, in the order in which the kernel allows it; each with
    /// whether that is before a new user namespace is made.
    pub(crate) joins: Vec<NamespaceKind>,
    /// Whether the first process can be born in its cgroup.
    pub(crate) cgroup_at_birth: bool,
    /// The container's cgroup in each hierarchy, for the mount of type `cgroup`.
    pub(crate) hierarchies: Vec<Hierarchy>,
    /// Whether the host has /proc/kcore, which /dev/core leads to.
    pub(crate) kcore: bool,
    /// Whether the start comes through a listening socket, from another process perhaps.
    pub(crate) listener: bool,
    /// How many descriptors the program inherits beyond its standard streams.
    pub(crate) inherited: usize,
    /// Whether the caller is in a user namespace, where nobody can make device nodes.
    pub(crate) in_user_namespace: bool,
    /// Whether the user namespace allows to set supplementary groups.
    pub(crate) set_groups: bool,
    /// Who runs the process.
    pub(crate) identity: Resolved,
}

/// A hierarchy of control groups, as a container sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hierarchy {
    /// The folder beneath `/sys/fs/cgroup`; empty for a unified hierarchy.
    pub(crate) name: String,
    /// What the filesystem is asked for: `cpu`, `cpuacct`, or `none`, `name=systemd`.
    pub(crate) options: Vec<String>,
    /// Other names of the same folder.
    pub(crate) aliases: Vec<String>,
    /// The container's cgroup, on the host; the hierarchy's root where the container has none.
    pub(crate) path: PathBuf,
    /// Whether that cgroup is the container's own.
    pub(crate) own: bool,
}

/// Who runs the process, in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Resolved {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) groups: Vec<u32>,
    pub(crate) umask: u32,
    pub(crate) home: PathBuf,
}

/// A descriptor that the parent hands over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Handed {
    /// A namespace, by its place in [`Circumstances::joins`].
    Namespace(usize),
    /// The pidfd of the container to join.
    Container,
    /// The same once more, for its cgroup namespace.
    CgroupNamespace,
    /// The root of the container to join.
    Root,
    /// The cgroup to be born in.
    Cgroup,
    /// The socket that the start comes through.
    Listener,
    /// What the program inherits, by its place.
    Inherited(usize),
}

/// The steps from a configuration to a container.
///
/// Its `Display` is one line a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    program: Vec<u8>,
    steps: Vec<String>,
    pub(crate) handed: Vec<Handed>,
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.steps.iter().try_for_each(|step| writeln!(f, "{step}"))
    }
}

impl Plan {
    /// Plans a new container as far as it can be told without looking at this host: what
    /// [`Container::create`](crate::Container::create) does may differ in how the cgroup is entered.
    ///
    /// # Errors
    ///
    /// [`InvalidConfig`](crate::ErrorKind::InvalidConfig), with everything that is wrong.
    pub fn new(config: &Config) -> Result<Plan> {
        crate::config::check::check(config)?;
        let identity = match &config.process.user {
            User::Ids { uid, gid, groups, umask } => Resolved {
                uid: *uid,
                gid: *gid,
                groups: groups.clone(),
                umask: umask.unwrap_or(0o022),
                home: PathBuf::from("/"),
            },
            User::Spec(_) => Resolved { umask: 0o022, home: PathBuf::from("/"), ..Resolved::default() },
        };
        let joins = config.namespaces.iter().filter(|namespace| namespace.path.is_some());
        let joins = joins.map(|namespace| namespace.kind).collect();
        Plan::create(config, &Circumstances { joins, identity, set_groups: true, ..Circumstances::default() })
    }

    /// Plans a new container.
    pub(crate) fn create(config: &Config, circumstances: &Circumstances) -> Result<Plan> {
        let joins = |kind| circumstances.joins.contains(&kind);
        let mut builder = Builder::default();
        let handed = hand_over(&mut builder, circumstances, &[])?;
        // The processes of a namespace that is joined could look into this one. Elsewhere the parent
        // needs the right to do just that, for maps and network.
        if joins(NamespaceKind::Pid) || joins(NamespaceKind::User) {
            builder.step("shut out debuggers").op(Op::Dumpable { on: false });
        }
        let sources = Sources::on_the_host(&mut builder, config)?;
        namespaces::make(&mut builder, config, circumstances, &handed);

        builder.step(namespaces::preparations(config)).op(Op::AwaitGo {});
        let wants_proc = !config.sysctl.is_empty()
            || !config.time_offsets.is_empty()
            || confine::is_confined(&config.process);
        let proc = namespaces::open_proc(&mut builder, wants_proc)?;
        namespaces::clocks(&mut builder, config, proc)?;
        builder.step("shut out debuggers").op(Op::Dumpable { on: false });
        builder.step("join a new session keyring").op(Op::SessionKeyring {});
        namespaces::settle(&mut builder, config, circumstances);
        builder.step("begin a session").op(Op::Setsid {}).op(Op::Umask { mask: 0 });

        mounts::root(&mut builder, config)?;
        for (mount, source) in config.mounts.iter().zip(&sources.mounts) {
            mounts::mount(&mut builder, config, circumstances, mount, *source)?;
        }
        devices::make(&mut builder, config, circumstances)?;
        let console = console(&mut builder, &config.process, circumstances, true)?;
        namespaces::parameters(&mut builder, config, proc)?;
        mounts::hide(&mut builder, config)?;
        let cwd = inside(&config.process.cwd)?;
        builder.step(format!("make {:?}", config.process.cwd));
        builder.op(Op::MakeDirectory { path: &cwd, mode: 0o755 });
        mounts::leave_the_host(&mut builder, config);

        serving::container(&mut builder, config);
        identity::take(&mut builder, &config.process, circumstances, console)?;
        confine::at_exec(&mut builder, &config.process, proc);
        builder.step("wait for the start").op(Op::Ready {});
        match find(&handed, Handed::Listener) {
            // Whoever starts it may come before the parent has confined it to its devices.
            Some(listener) => builder.op(Op::AwaitGo {}).op(Op::AcceptStart { listener }),
            None => builder.op(Op::AwaitStart {}),
        };
        Ok(finish(builder, &config.process, circumstances, &handed))
    }

    /// Plans a process that joins a container, in the namespaces whose flags are in `kinds`.
    pub(crate) fn enter(
        process: &Process,
        kinds: u32,
        user_namespace: bool,
        moved_root: bool,
        circumstances: &Circumstances,
    ) -> Result<Plan> {
        let mut builder = Builder::default();
        // With cgroup2's nsdelegate a process in that namespace must be in the cgroup already: it is
        // born there first (ENOENT else, cgroup_attach_permissions in the kernel).
        let late = if circumstances.cgroup_at_birth { kinds & NamespaceKind::Cgroup.flag() } else { 0 };
        let mut own = vec![Handed::Container];
        own.extend((late != 0).then_some(Handed::CgroupNamespace));
        own.extend(moved_root.then_some(Handed::Root));
        let handed = hand_over(&mut builder, circumstances, &own)?;
        let container = find(&handed, Handed::Container).unwrap_or(Slot::NONE);
        let wants_proc = process.oom_score_adj.is_some() || confine::is_confined(process);
        let proc = namespaces::open_proc(&mut builder, wants_proc)?;
        if let Some(score) = process.oom_score_adj {
            // By itself, and before it isn't dumpable: from then on its files are root's.
            builder.step(format!("set oom_score_adj to {score}"));
            let (path, value) = (c"self/oom_score_adj", score.to_string());
            builder.op(Op::WriteProc { proc, path, value: value.as_bytes() });
        }
        let affinity = process.exec_cpu_affinity.as_ref();
        serving::processors(&mut builder, affinity.and_then(|affinity| affinity.initial.as_ref()));
        // Once in the container's namespaces, its processes could look into this one.
        builder.step("enter the container's namespaces").op(Op::Dumpable { on: false });
        builder.op(Op::Setns { fd: container, kinds: kinds & !late });
        if let Some(root) = find(&handed, Handed::Root) {
            builder.op(Op::MoveRoot { root });
        }
        let cgroup = find(&handed, Handed::Cgroup).unwrap_or(Slot::NONE);
        builder.step("start a process in the container").op(Op::Clone { flags: 0, cgroup });
        builder.step("wait for the parent's preparations").op(Op::AwaitGo {});
        serving::processors(&mut builder, affinity.and_then(|affinity| affinity.last.as_ref()));
        builder.step("join a new session keyring").op(Op::SessionKeyring {});
        if let Some(fd) = find(&handed, Handed::CgroupNamespace) {
            builder.step("enter the container's cgroup namespace").op(Op::Setns { fd, kinds: late });
        }
        if user_namespace {
            builder.step("become root of the user namespace");
            builder.op(Op::BecomeRoot { drop_groups: circumstances.set_groups });
        }
        builder.step("begin a session").op(Op::Setsid {}).op(Op::Umask { mask: 0 });
        builder.step("open the container's root");
        let flags = (libc::O_PATH | libc::O_DIRECTORY) as u32;
        builder.op(Op::OpenHost { slot: Slot::ROOT, path: c"/", flags });
        let console = console(&mut builder, process, circumstances, false)?;
        identity::take(&mut builder, process, circumstances, console)?;
        confine::at_exec(&mut builder, process, proc);
        Ok(finish(builder, process, circumstances, &handed))
    }

    /// Returns the program's bytes.
    pub(crate) fn program(&self) -> &[u8] {
        &self.program
    }

    /// Returns what a step does, in words.
    pub(crate) fn step(&self, number: u32) -> &str {
        self.steps.get(number as usize).map_or("run the program", String::as_str)
    }
}

/// Gives each descriptor that the parent hands over its slot, in this order.
fn hand_over(
    builder: &mut Builder,
    circumstances: &Circumstances,
    own: &[Handed],
) -> Result<Vec<(Handed, Slot)>> {
    let mut all = own.to_vec();
    all.extend((0..circumstances.joins.len()).map(Handed::Namespace));
    all.extend(circumstances.cgroup_at_birth.then_some(Handed::Cgroup));
    all.extend(circumstances.listener.then_some(Handed::Listener));
    all.extend((0..circumstances.inherited).map(Handed::Inherited));
    all.into_iter().map(|handed| Ok((handed, builder.slot()?))).collect()
}

fn find(handed: &[(Handed, Slot)], wanted: Handed) -> Option<Slot> {
    handed.iter().find(|(handed, _)| *handed == wanted).map(|(_, slot)| *slot)
}

/// Opens the process's terminal.
fn console(
    builder: &mut Builder,
    process: &Process,
    circumstances: &Circumstances,
    bind: bool,
) -> Result<Option<Slot>> {
    if !process.terminal {
        return Ok(None);
    }
    let peer = builder.slot()?;
    let (rows, columns) = process.terminal_size.unwrap_or_default();
    let Resolved { uid, gid, .. } = circumstances.identity;
    builder.step("open a terminal of the container's /dev/pts");
    let (rows, columns) = (rows.into(), columns.into());
    builder.op(Op::Console { peer, rows, columns, uid, gid, bind });
    Ok(Some(peer))
}

/// The last steps: what the program inherits, and the program.
fn finish(
    mut builder: Builder,
    process: &Process,
    circumstances: &Circumstances,
    handed: &[(Handed, Slot)],
) -> Plan {
    for index in 0..circumstances.inherited {
        let slot = find(handed, Handed::Inherited(index)).unwrap_or(Slot::NONE);
        builder.step(format!("hand over descriptor {}", 3 + index));
        builder.op(Op::Inherit { slot, number: 3 + index as i32 });
    }
    let arguments = strings(&process.args);
    let mut environment = process.env.clone();
    if !environment.iter().any(|variable| variable.starts_with("HOME=")) {
        environment.push(format!("HOME={}", circumstances.identity.home.display()));
    }
    let environment = strings(&environment);
    builder.step(format!("execute {:?}", process.args.first().map_or("", String::as_str)));
    builder.op(Op::Exec {
        arguments: crate::program::Strings(&arguments),
        environment: crate::program::Strings(&environment),
    });
    let (program, steps) = builder.finish();
    Plan { program, steps, handed: handed.iter().map(|(handed, _)| *handed).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::Operations;

    #[test]
    fn a_plan_reads_back_as_it_was_written() {
        let plan = Plan::new(&Config::new("/rootfs")).unwrap();
        let operations: Vec<_> = Operations::new(plan.program()).unwrap().collect();
        assert!(operations.iter().all(|(_, operation)| operation.is_some()));
        let (last, exec) = operations.last().unwrap();
        assert_eq!(plan.step(*last), "execute \"sh\"");
        assert!(matches!(exec, Some(Op::Exec { arguments, .. }) if arguments.0 == b"sh\0"));
    }

    #[test]
    fn the_same_configuration_gives_the_same_plan() {
        let config = Config::new("/rootfs");
        assert_eq!(Plan::new(&config).unwrap(), Plan::new(&config).unwrap());
    }

    /// The keys of whoever started a container came along with the session.
    #[test]
    fn nobody_keeps_the_callers_session_keyring() {
        let config = Config::new("/rootfs");
        let created = Plan::new(&config).unwrap().to_string();
        let entered = Plan::enter(&config.process, 0, false, false, &Circumstances::default()).unwrap();
        for plan in [created, entered.to_string()] {
            assert!(plan.contains("join a new session keyring"), "{plan}");
        }
    }

    #[test]
    fn every_truncation_of_a_program_is_noticed() {
        let plan = Plan::new(&Config::new("/rootfs")).unwrap();
        for length in 0..plan.program().len() {
            assert!(Operations::new(&plan.program()[..length]).is_none(), "cut at {length}");
        }
    }

    #[test]
    fn a_user_namespace_binds_its_devices_and_others_make_them() {
        let made = Plan::new(&Config::new("/rootfs")).unwrap().to_string();
        let bound = Plan::new(&Config::new("/rootfs").rootless()).unwrap().to_string();
        assert!(made.contains("make device \"/dev/null\""), "{made}");
        assert!(bound.contains("bind the host's \"/dev/null\""), "{bound}");
    }
}

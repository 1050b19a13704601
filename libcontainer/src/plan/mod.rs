//! How it is done: from a configuration to steps that a person can read, and to the program that
//! does them. A plan is a plain value and touches nothing.

mod builder;
mod confine;
mod devices;
mod hooks;
mod identity;
mod join;
mod json;
mod mounts;
mod namespaces;
mod serving;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::config::{Config, NamespaceKind, Process, User};
use crate::error::Result;
use crate::program::{Op, Slot, Strings};
use crate::seccomp::Filter;
use builder::{Builder, inside, strings, text};
pub(crate) use hooks::arguments;
pub(crate) use join::Way;
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
    /// Whether the program is an open file of the caller's.
    pub(crate) is_file: bool,
    /// Whether the caller is in a user namespace, where nobody can make device nodes.
    pub(crate) in_user_namespace: bool,
    /// Whether the user namespace allows to set supplementary groups.
    pub(crate) set_groups: bool,
    /// Who runs the process.
    pub(crate) identity: Resolved,
    /// What is executed, where that isn't the first argument.
    pub(crate) program: Option<PathBuf>,
    /// Whether the caller lacks the right to look into processes that aren't dumpable.
    pub(crate) may_not_trace: bool,
    /// Whether others are in the namespaces by which a process can be reached.
    pub(crate) company: bool,
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
    /// The map of a mount's ids, by the mount's place: a user namespace.
    IdMap(usize),
    /// The socket that the start comes through.
    Listener,
    /// The program.
    Program,
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
        let mapped = config.mounts.iter().enumerate().filter(|(_, mount)| mount.is_idmapped());
        let maps: Vec<_> = mapped.map(|(index, _)| Handed::IdMap(index)).collect();
        let handed = hand_over(&mut builder, circumstances, &maps)?;
        // The processes of a namespace that is joined could look into this one. Elsewhere the parent
        // needs the right to do just that, for maps and network.
        if joins(NamespaceKind::Pid) || joins(NamespaceKind::User) {
            builder.step("shut out debuggers").op(Op::Dumpable { on: false });
        }
        let sources = Sources::on_the_host(&mut builder, config, &handed)?;
        namespaces::make(&mut builder, config, circumstances, &handed);

        builder.step("wait for the parent's preparations").op(Op::AwaitGo {});
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
        hooks::before_the_root(&mut builder, config, circumstances)?;
        namespaces::parameters(&mut builder, config, proc)?;
        mounts::hide(&mut builder, config)?;
        let cwd = inside(&config.process.cwd)?;
        builder.step(format!("make {:?}", config.process.cwd));
        builder.op(Op::MakeDirectory { path: &cwd, mode: 0o755 });
        mounts::leave_the_host(&mut builder, config);

        serving::container(&mut builder, config);
        identity::take(&mut builder, &config.process, circumstances, console)?;
        confine::at_exec(&mut builder, &config.process, proc);
        hooks::before_the_program(&mut builder, config, circumstances)?;
        builder.step("wait for the start").op(Op::Ready {});
        match find(&handed, Handed::Listener) {
            // Whoever starts it may come before the parent has confined it to its devices.
            Some(listener) => builder.op(Op::AwaitGo {}).op(Op::AcceptStart { listener }),
            None => builder.op(Op::AwaitStart {}),
        };
        finish(builder, &config.process, circumstances, &handed)
    }

    /// Plans a process that joins a container.
    pub(crate) fn enter(process: &Process, way: Way, circumstances: &Circumstances) -> Result<Plan> {
        let mut builder = Builder::default();
        let joined = join::namespaces(&mut builder, Some(process), way, circumstances)?;
        builder.step("begin a session").op(Op::Setsid {}).op(Op::Umask { mask: 0 });
        builder.step("open the container's root");
        let flags = (libc::O_PATH | libc::O_DIRECTORY) as u32;
        builder.op(Op::OpenHost { slot: Slot::ROOT, path: c"/", flags });
        let console = console(&mut builder, process, circumstances, false)?;
        identity::take(&mut builder, process, circumstances, console)?;
        confine::at_exec(&mut builder, process, joined.proc);
        finish(builder, process, circumstances, &joined.handed)
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
    all.extend(circumstances.is_file.then_some(Handed::Program));
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
) -> Result<Plan> {
    for index in 0..circumstances.inherited {
        let slot = find(handed, Handed::Inherited(index)).unwrap_or(Slot::NONE);
        builder.step(format!("hand over descriptor {}", 3 + index));
        builder.op(Op::Inherit { slot, number: 3 + index as i32 });
    }
    let mut environment = environment(&process.env);
    let first = Path::new(process.args.first().map_or("", String::as_str));
    let program = circumstances.program.as_deref().unwrap_or(first);
    // A hook gets what it says, and nothing more.
    let is_hook = circumstances.program.is_some();
    if !is_hook && !environment.iter().any(|variable| variable.starts_with("HOME=")) {
        environment.push(format!("HOME={}", circumstances.identity.home.display()));
    }
    let program = match find(handed, Handed::Program) {
        Some(file) => Program::File(file),
        None => Program::Path(program),
    };
    let filter = confine::filter(&mut builder, process, circumstances)?;
    execute(&mut builder, program, (&process.args, &environment), filter.as_ref())?;
    let (program, steps) = builder.finish();
    Ok(Plan { program, steps, handed: handed.iter().map(|(handed, _)| *handed).collect() })
}

/// What is executed.
#[derive(Clone, Copy)]
enum Program<'a> {
    /// An open file.
    File(Slot),
    /// A path, or a name that is looked up.
    Path(&'a Path),
}

/// The last step.
fn execute(
    builder: &mut Builder,
    program: Program<'_>,
    (args, env): (&[String], &[String]),
    filter: Option<&Filter>,
) -> Result<()> {
    let (arguments, environment) = (strings(args), strings(env));
    let (file, path) = match program {
        Program::File(file) => (file, c"".to_owned()),
        Program::Path(path) => (Slot::NONE, text(path)?),
    };
    match program {
        Program::File(_) => builder.step("execute the file that was handed over"),
        Program::Path(path) => builder.step(format!("execute {path:?}")),
    };
    builder.op(Op::Exec {
        file,
        path: &path,
        arguments: Strings(&arguments),
        environment: Strings(&environment),
        filter: &filter.map(|filter| confine::bytes(filter.instructions())).unwrap_or_default(),
        flags: filter.map_or(0, Filter::flags),
    });
    Ok(())
}

/// Of a name that is there twice the last value counts, for programs don't agree on which they take.
fn environment(variables: &[String]) -> Vec<String> {
    let mut last = BTreeMap::new();
    for (number, variable) in variables.iter().enumerate() {
        last.insert(variable.split('=').next(), number);
    }
    let counts = |number: &usize, variable: &String| last.get(&variable.split('=').next()) == Some(number);
    let variables = variables.iter().enumerate().filter(|(number, variable)| counts(number, variable));
    variables.map(|(_, variable)| variable.clone()).collect()
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
    fn the_last_value_of_a_variable_counts() {
        let variables = ["A=1", "B=2", "A=3=4", "AB=5", "B="].map(str::to_owned);
        assert_eq!(environment(&variables), ["A=3=4", "AB=5", "B="]);
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
        let entered = Plan::enter(&config.process, Way::default(), &Circumstances::default()).unwrap();
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

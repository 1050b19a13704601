//! The tests of libcontainer 2014 and 2015 by their names, with what they meant, on what they are about today.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{PipeReader, PipeWriter, Read, pipe};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use grounds::{Outcome, Rootfs, Stop, ignored};
use libcontainer::{
    Cgroup, Config, Container, ErrorKind, ExitStatus, Factory, Io, Namespace, NamespaceKind, Process, Rlimit,
    Status, User,
};

use crate::shell::{Shell, captured, mount};

crate::tests!(
    // integration/exec_test.go
    exec_ps,
    userns_exec_ps,
    ipc_private,
    ipc_host,
    ipc_join_path,
    ipc_bad_path,
    rlimit,
    enter,
    process_env,
    process_caps,
    additional_groups,
    freeze,
    cpu_shares,
    run_with_kernel_memory,
    container_state,
    pass_extra_files,
    system_properties,
    // integration/execin_test.go
    exec_in,
    exec_in_rlimit,
    exec_in_error,
    exec_in_tty,
    exec_in_environment,
    execin_pass_extra_files,
    // factory_linux_test.go, container_linux_test.go
    factory_new,
    factory_load_not_exists,
    factory_load_container,
    get_container_pids,
    get_container_stats,
    get_container_state,
    // rootfs_linux_test.go
    check_mount_dest_on_proc,
    check_mount_dest_in_sys,
    check_mount_dest_false_positive,
    check_mount_root,
    // nsenter/nsenter_test.go
    nsenter_alive_pid,
    nsenter_invalid_pid,
    nsenter_dead_pid,
);

/// A container that lives as long as its input is held.
struct Held {
    container: Container,
    hold: Option<PipeWriter>,
    _shell: Shell,
}

fn held(shell: Shell) -> Result<Held, Stop> {
    let (stdin, hold) = pipe()?;
    let mut io = Io::default();
    io.stdin = stdin.into();
    let container = Container::run(&shell.config, io)?;
    Ok(Held { container, hold: Some(hold), _shell: shell })
}

fn cat() -> Result<Held, Stop> {
    held(Shell::program(&["cat"])?)
}

impl Held {
    /// Another process with this script.
    fn process(&self, script: &str) -> Process {
        let mut process = self.container.config().process.clone();
        process.args = ["sh", "-c", script].map(str::to_owned).to_vec();
        process
    }

    fn says(&self, process: &Process) -> Result<String, Stop> {
        let (io, output) = captured()?;
        let mut child = self.container.exec(process, io)?;
        let said = text(output)?;
        assert!(child.wait()?.success(), "{said}");
        Ok(said)
    }

    /// Lets it end by itself.
    fn end(mut self) -> Result<ExitStatus, Stop> {
        drop(self.hold.take());
        Ok(self.container.wait()?)
    }
}

fn text(mut output: PipeReader) -> Result<String, Stop> {
    let mut text = String::new();
    output.read_to_string(&mut text)?;
    Ok(text)
}

/// A control group of its own, where this machine lets it be made.
fn grouped(mut shell: Shell) -> Result<Shell, Stop> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    grounds::root()?;
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let path = PathBuf::from(format!("libcontainer-historical-{}-{number}", std::process::id()));
    shell.config.cgroup = Some(Cgroup::new(path));
    match Container::create(&shell.config, Io::default()) {
        Ok(container) => container.delete()?,
        Err(error) if error.kind() == ErrorKind::PermissionDenied => return Err(ignored(error)),
        Err(error) => return Err(error.into()),
    }
    Ok(shell)
}

fn ps(shell: &mut Shell) -> Outcome {
    if !["/usr/bin/ps", "/bin/ps"].iter().any(|path| Path::new(path).exists()) {
        return Err(ignored("there is no ps"));
    }
    shell.config.process.args = ["ps", "-eo", "pid=,user=,comm="].map(str::to_owned).to_vec();
    let said = shell.says()?;
    let lines: Vec<_> = said.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).collect();
    assert_eq!(lines, [["1", "root", "ps"]]);
    Ok(())
}

fn exec_ps() -> Outcome {
    ps(&mut Shell::new("")?)
}

fn userns_exec_ps() -> Outcome {
    let mut shell = Shell::new("")?;
    shell.config = std::mem::take(&mut shell.config).rootless();
    ps(&mut shell)
}

// ---- namespaces ----

fn own_ipc() -> Result<String, Stop> {
    Ok(fs::read_link("/proc/thread-self/ns/ipc")?.to_string_lossy().into_owned())
}

fn ipc(path: Option<PathBuf>) -> Namespace {
    Namespace { kind: NamespaceKind::Ipc, path }
}

/// A container in these IPC namespaces: none is the caller's.
fn with_ipc(wanted: &[Namespace]) -> Result<Shell, Stop> {
    let mut shell = Shell::new("readlink /proc/self/ns/ipc")?;
    shell.config.namespaces.retain(|one| one.kind != NamespaceKind::Ipc);
    shell.config.namespaces.extend_from_slice(wanted);
    // Of somebody else's namespace, an ordinary user can't show the queues.
    shell.config.mounts.retain(|mount| mount.kind != "mqueue");
    Ok(shell)
}

fn ipc_private() -> Outcome {
    let said = with_ipc(&[ipc(None)])?.says()?;
    assert!(said.starts_with("ipc:["), "{said}");
    assert_ne!(said.trim(), own_ipc()?);
    Ok(())
}

fn ipc_host() -> Outcome {
    assert_eq!(with_ipc(&[])?.says()?.trim(), own_ipc()?);
    Ok(())
}

fn ipc_join_path() -> Outcome {
    grounds::root()?;
    let other = cat()?;
    let path = PathBuf::from(format!("/proc/{}/ns/ipc", other.container.pid().expect("it runs")));
    let theirs = fs::read_link(&path)?;
    let said = with_ipc(&[ipc(Some(path))])?.says()?;
    assert_eq!(Path::new(said.trim()), theirs);
    assert_ne!(said.trim(), own_ipc()?);
    other.end()?;
    Ok(())
}

fn ipc_bad_path() -> Outcome {
    let shell = with_ipc(&[ipc(Some("/proc/1/ns/no-such-namespace".into()))])?;
    let error = Container::run(&shell.config, Io::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    Ok(())
}

fn container_state() -> Outcome {
    let mut shell = with_ipc(&[])?;
    shell.config.process.args = vec!["cat".to_owned()];
    let held = held(shell)?;
    assert_eq!(held.container.status()?, Status::Running);
    let pid = held.container.pid().expect("it runs");
    assert_eq!(fs::read_link(format!("/proc/{pid}/ns/ipc"))?, Path::new(&own_ipc()?));
    assert!(held.end()?.success());
    Ok(())
}

fn system_properties() -> Outcome {
    let mut shell = Shell::new("cat /proc/sys/kernel/shmmni")?;
    shell.config.sysctl.insert("kernel.shmmni".to_owned(), "8192".to_owned());
    assert_eq!(shell.says()?, "8192\n");
    Ok(())
}

// ---- the process ----

fn descriptors() -> Vec<Rlimit> {
    vec![Rlimit { kind: "RLIMIT_NOFILE".to_owned(), soft: 1025, hard: 1025 }]
}

fn rlimit() -> Outcome {
    let mut shell = Shell::new("ulimit -n")?;
    shell.config.process.rlimits = descriptors();
    assert_eq!(shell.says()?, "1025\n");
    Ok(())
}

fn process_env() -> Outcome {
    let mut shell = Shell::program(&["env"])?;
    shell.config.process.env.push("FOO=BAR".to_owned());
    let said = shell.says()?;
    assert!(
        said.lines().any(|line| line == "FOO=BAR") && said.lines().any(|line| line == "HOME=/root"),
        "{said}"
    );
    Ok(())
}

fn process_caps() -> Outcome {
    let effective = |shell: &Shell| -> Result<u64, Stop> {
        let said = shell.says()?;
        let bits = said.trim().strip_prefix("CapEff:").expect("its capabilities").trim();
        Ok(u64::from_str_radix(bits, 16)?)
    };
    let mut shell = Shell::new("grep CapEff /proc/self/status")?;
    let admin: libcontainer::CapabilitySet = "NET_ADMIN".parse()?;
    assert_eq!(effective(&shell)? & admin.bits(), 0);
    let sets = &mut shell.config.process.capabilities;
    for set in [&mut sets.bounding, &mut sets.permitted, &mut sets.effective] {
        *set = set.union(admin);
    }
    assert_eq!(effective(&shell)? & admin.bits(), admin.bits());
    Ok(())
}

fn additional_groups() -> Outcome {
    grounds::root()?;
    let mut shell = Shell::program(&["id", "-Gn"])?;
    let group = "root:x:0:\naudio:x:29:\nplugdev:x:46:\n";
    fs::write(shell.rootfs.path().join("etc/group"), group)?;
    shell.config.process.user = User::Ids { uid: 0, gid: 0, groups: vec![29, 46], umask: None };
    assert_eq!(shell.says()?, "root audio plugdev\n");
    Ok(())
}

fn pass_extra_files() -> Outcome {
    let shell = Shell::new("ls /proc/$$/fd; printf 3 >&3; printf 4 >&4")?;
    let (io, output, mut extra) = with_extra_files()?;
    let mut container = Container::run(&shell.config, io)?;
    assert_eq!(text(output)?, "0\n1\n2\n3\n4\n");
    assert_eq!((text(extra.remove(0))?, text(extra.remove(0))?), ("3".to_owned(), "4".to_owned()));
    assert!(container.wait()?.success());
    Ok(())
}

/// Streams, and two pipes as descriptors 3 and 4.
fn with_extra_files() -> Result<(Io, PipeReader, Vec<PipeReader>), Stop> {
    let (mut io, output) = captured()?;
    let mut readers = Vec::new();
    for _ in 0..2 {
        let (reader, writer) = pipe()?;
        io.inherited.push(writer.into());
        readers.push(reader);
    }
    Ok((io, output, readers))
}

// ---- the control group ----

fn enter() -> Outcome {
    let held = held(grouped(Shell::program(&["cat"])?)?)?;
    let first = held.container.pid().expect("it runs");
    let (stdin, input) = pipe()?;
    let (mut io, output) = captured()?;
    io.stdin = stdin.into();
    let mut child = held.container.exec(&held.process("readlink /proc/self/ns/pid; cat"), io)?;
    let mut processes = held.container.processes()?;
    processes.sort_unstable();
    let inside = |pid: &u32| processes.contains(pid);
    assert!(inside(&first) && inside(&child.pid()), "{processes:?}");
    drop(input);
    let said = text(output)?;
    assert_eq!(Path::new(said.trim()), fs::read_link(format!("/proc/{first}/ns/pid"))?);
    assert!(child.wait()?.success() && held.end()?.success());
    Ok(())
}

fn freeze() -> Outcome {
    let held = held(grouped(Shell::program(&["cat"])?)?)?;
    held.container.pause()?;
    assert_eq!(held.container.status()?, Status::Paused);
    held.container.resume()?;
    assert_eq!(held.container.status()?, Status::Running);
    assert!(held.end()?.success());
    Ok(())
}

/// Returns where a v1 controller has the container's cgroup.
fn v1(shell: &Shell, controller: &str) -> Result<PathBuf, Stop> {
    let container = Container::create(&shell.config, Io::default())?;
    let paths: BTreeMap<_, _> = container.cgroup().expect("it has one").paths().clone();
    container.delete()?;
    let found = paths.into_iter().find(|(key, _)| key.split(',').any(|part| part == controller));
    found.map(|(_, path)| path).ok_or_else(|| ignored(format!("no v1 controller {controller}")))
}

fn cpu_shares() -> Outcome {
    let mut shell = grouped(Shell::program(&["true"])?)?;
    v1(&shell, "cpu")?;
    let mut cpu = cgroups::Cpu::default();
    for (shares, is_taken) in [(1, false), (2, true)] {
        cpu.shares = Some(shares);
        shell.config.cgroup.as_mut().expect("it has one").resources.cpu = Some(cpu.clone());
        assert_eq!(Container::run(&shell.config, Io::default()).is_ok(), is_taken, "{shares}");
    }
    Ok(())
}

fn run_with_kernel_memory() -> Outcome {
    let mut shell = grouped(Shell::program(&["true"])?)?;
    let folder = v1(&shell, "memory")?;
    if !folder.parent().is_some_and(|folder| folder.join("memory.kmem.limit_in_bytes").exists()) {
        return Err(ignored("the kernel doesn't count its own memory"));
    }
    let mut memory = cgroups::Memory::default();
    memory.kernel = Some(52_428_800);
    shell.config.cgroup.as_mut().expect("it has one").resources.memory = Some(memory);
    assert!(Container::run(&shell.config, Io::default())?.wait()?.success());
    Ok(())
}

// ---- joining ----

fn exec_in() -> Outcome {
    if !["/usr/bin/ps", "/bin/ps"].iter().any(|path| Path::new(path).exists()) {
        return Err(ignored("there is no ps"));
    }
    let held = cat()?;
    let mut process = held.container.config().process.clone();
    process.args = ["ps", "-eo", "comm="].map(str::to_owned).to_vec();
    assert_eq!(held.says(&process)?, "cat\nps\n");
    assert!(held.end()?.success());
    Ok(())
}

fn exec_in_rlimit() -> Outcome {
    let held = cat()?;
    let mut process = held.process("ulimit -n");
    process.rlimits = descriptors();
    assert_eq!(held.says(&process)?, "1025\n");
    Ok(())
}

fn exec_in_error() -> Outcome {
    let held = cat()?;
    let mut process = held.process("");
    process.args = vec!["unexistent".to_owned()];
    let error = held.container.exec(&process, Io::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Exec);
    assert_eq!(error.to_string(), "execute \"unexistent\": No such file or directory (os error 2)");
    Ok(())
}

fn exec_in_tty() -> Outcome {
    let held = cat()?;
    let mut process = held.process("test -t 1 && echo shown");
    process.terminal = true;
    let mut child = held.container.exec(&process, Io::default())?;
    let mut master: File = child.console().expect("it has a terminal").try_clone_to_owned()?.into();
    let mut bytes = Vec::new();
    drop(master.read_to_end(&mut bytes)); // EIO at its end
    assert!(child.wait()?.success());
    assert_eq!(String::from_utf8_lossy(&bytes).replace("\r\n", "\n"), "shown\n");
    Ok(())
}

fn exec_in_environment() -> Outcome {
    let held = cat()?;
    let mut process = held.process("");
    process.args = vec!["env".to_owned()];
    process.env.extend(["DEBUG=true", "DEBUG=false", "ENV=test"].map(str::to_owned));
    let said = held.says(&process)?;
    let debug: Vec<_> = said.lines().filter(|line| line.starts_with("DEBUG=")).collect();
    assert_eq!(debug, ["DEBUG=false"], "the last one counts");
    assert!(said.lines().any(|line| line == "ENV=test"), "{said}");
    Ok(())
}

fn execin_pass_extra_files() -> Outcome {
    let held = cat()?;
    let (io, output, mut extra) = with_extra_files()?;
    let process = held.process("ls /proc/$$/fd; printf 3 >&3; printf 4 >&4");
    let mut child = held.container.exec(&process, io)?;
    assert_eq!(text(output)?, "0\n1\n2\n3\n4\n");
    assert_eq!((text(extra.remove(0))?, text(extra.remove(0))?), ("3".to_owned(), "4".to_owned()));
    assert!(child.wait()?.success());
    Ok(())
}

// ---- the factory ----

/// A folder for homes, gone with the rootfs that it is in.
fn factory() -> Result<(Rootfs, Factory), Stop> {
    let folder = Rootfs::new()?;
    let factory = Factory::new(folder.path().join("homes"))?;
    Ok((folder, factory))
}

fn factory_new() -> Outcome {
    let (folder, factory) = factory()?;
    assert_eq!(factory.root(), folder.path().join("homes"));
    assert!(factory.root().is_dir());
    assert_eq!(factory.list()?, Vec::<String>::new());
    Ok(())
}

fn factory_load_not_exists() -> Outcome {
    let (_folder, factory) = factory()?;
    let error = factory.load("nocontainer").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert!(!factory.exists("nocontainer")?);
    Ok(())
}

/// What another handle of the same folder knows of it.
fn loaded(look: impl FnOnce(&Container, &Container, &Config) -> Outcome, shell: &Shell) -> Outcome {
    let (_folder, factory) = factory()?;
    let mut made = factory.create("one", &shell.config, Io::default())?;
    made.start()?;
    let found = Factory::new(factory.root())?.load("one")?;
    let outcome = look(&made, &found, &shell.config);
    drop(made);
    found.delete()?;
    outcome
}

fn factory_load_container() -> Outcome {
    let look = |made: &Container, found: &Container, config: &Config| {
        assert_eq!((found.id(), found.pid()), (Some("one"), made.pid()));
        assert_eq!(found.config(), config);
        Ok(())
    };
    loaded(look, &Shell::program(&["sleep", "100"])?)
}

fn get_container_pids() -> Outcome {
    let look = |made: &Container, found: &Container, _: &Config| {
        assert_eq!(found.processes()?, [made.pid().expect("it runs")]);
        Ok(())
    };
    loaded(look, &grouped(Shell::program(&["sleep", "100"])?)?)
}

fn get_container_stats() -> Outcome {
    let look = |made: &Container, found: &Container, _: &Config| {
        let (theirs, ours) = (found.stats()?, made.stats()?);
        let cgroups = [&theirs, &ours].map(|stats| stats.cgroup.clone().unwrap_or_default());
        assert_eq!(cgroups[0].memory.is_some(), cgroups[1].memory.is_some());
        assert_eq!(cgroups[0].pids.is_some(), cgroups[1].pids.is_some());
        Ok(())
    };
    loaded(look, &grouped(Shell::program(&["sleep", "100"])?)?)
}

fn get_container_state() -> Outcome {
    let look = |made: &Container, found: &Container, _: &Config| {
        assert_eq!(found.status()?, Status::Running);
        let paths = |container: &Container| container.cgroup().map(|cgroup| cgroup.paths().clone());
        assert!(paths(found).is_some_and(|paths| !paths.is_empty()));
        assert_eq!(paths(found), paths(made));
        Ok(())
    };
    loaded(look, &grouped(Shell::program(&["sleep", "100"])?)?)
}

// ---- mounts ----

/// What happens to a bind on this destination.
fn bound_on(destination: &str) -> Result<Result<String, libcontainer::Error>, Stop> {
    let mut shell = Shell::new(&format!("cat {destination}/shown"))?;
    let outside = Rootfs::new()?;
    fs::write(outside.path().join("shown"), "shown\n")?;
    shell.config.mounts.push(mount("", outside.path(), destination, &["bind", "ro"]));
    let (io, output) = captured()?;
    match Container::run(&shell.config, io) {
        Err(error) => Ok(Err(error)),
        Ok(mut container) => {
            let said = text(output)?;
            container.wait()?;
            Ok(Ok(said))
        }
    }
}

/// What is bound there would take the place of the kernel's files (CVE-2019-16884).
fn check_mount_dest_on_proc() -> Outcome {
    for destination in ["/proc/", "/proc/self/attr", "/tmp/../proc"] {
        let error = bound_on(destination)?.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        assert!(error.to_string().contains(destination), "{error}");
    }
    Ok(())
}

fn check_mount_dest_in_sys() -> Outcome {
    assert_eq!(bound_on("/sys/fs/cgroup")??, "shown\n");
    Ok(())
}

fn check_mount_root() -> Outcome {
    for destination in ["/", ""] {
        assert_eq!(bound_on(destination)?.unwrap_err().kind(), ErrorKind::InvalidConfig);
    }
    Ok(())
}

fn check_mount_dest_false_positive() -> Outcome {
    assert_eq!(bound_on("/sysfiles/fs/cgroup")??, "shown\n");
    assert_eq!(bound_on("/process")??, "shown\n");
    Ok(())
}

// ---- joining by process number ----

fn nsenter_alive_pid() -> Outcome {
    let held = cat()?;
    let theirs = fs::read_link(format!("/proc/{}/ns/uts", held.container.pid().expect("it runs")))?;
    let said = held.says(&held.process("readlink /proc/self/ns/uts"))?;
    assert_eq!(Path::new(said.trim()), theirs);
    Ok(())
}

fn nsenter_invalid_pid() -> Outcome {
    let mut shell = Shell::new("exit 0")?;
    shell.config.namespaces.retain(|one| one.kind != NamespaceKind::Uts);
    let path = Some("/proc/-1/ns/uts".into());
    shell.config.namespaces.push(Namespace { kind: NamespaceKind::Uts, path });
    let error = Container::create(&shell.config, Io::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    Ok(())
}

fn nsenter_dead_pid() -> Outcome {
    let mut held = cat()?;
    let process = held.process("exit 0");
    drop(held.hold.take());
    assert!(held.container.wait()?.success());
    let error = held.container.exec(&process, Io::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidState, "{error}");
    Ok(())
}

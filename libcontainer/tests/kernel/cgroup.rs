//! Limits: seen in the files, and enforced.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use cgroups::{DeviceRule, Memory, Pids, Resources};
use grounds::{Outcome, Stop, ignored};
use libcontainer::{Cgroup, Container, ErrorKind, ExitStatus, Io, Status};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};

use crate::shell::{Shell, captured};

crate::tests!(
    limits_are_in_the_files_and_go_with_the_container,
    more_processes_than_allowed_are_refused,
    devices_that_were_not_given_are_denied,
    a_container_sees_only_its_own_cgroup,
    it_pauses_and_goes_on,
    a_paused_container_can_be_deleted,
    statistics_are_its_own,
    a_failure_leaves_no_cgroup,
    without_a_cgroup_there_is_nothing_to_pause,
    killing_reaches_every_process,
);

pub(crate) fn confined(script: &str) -> Result<Shell, Stop> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    grounds::root()?;
    let mut shell = Shell::new(script)?;
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let path = PathBuf::from(format!("libcontainer-test-{}-{number}", std::process::id()));
    let mut resources = Resources::default();
    let (mut memory, mut pids) = (Memory::default(), Pids::default());
    (memory.limit, pids.limit) = (Some(64 << 20), Some(20));
    (resources.memory, resources.pids) = (Some(memory), Some(pids));
    let mut cgroup = Cgroup::new(path);
    cgroup.resources = resources;
    shell.config.cgroup = Some(cgroup);
    match Container::create(&shell.config, Io::default()) {
        Ok(container) => container.delete()?,
        Err(error) if error.kind() == ErrorKind::PermissionDenied => return Err(ignored(error)),
        Err(error) if error.to_string().contains("controller") => return Err(ignored(error)),
        Err(error) => return Err(error.into()),
    }
    Ok(shell)
}

/// The file of a controller in either version.
fn file(container: &Container, controller: &str, v1: &str, v2: &str) -> Result<String, Stop> {
    let cgroup = container.cgroup().expect("it has one");
    let v1_folder = cgroup.paths().iter().find(|(key, _)| key.split(',').any(|part| part == controller));
    let path = match v1_folder {
        Some((_, folder)) => folder.join(v1),
        None => cgroup.paths()[""].join(v2),
    };
    Ok(fs::read_to_string(path)?.trim().to_owned())
}

fn folders(container: &Container) -> Vec<PathBuf> {
    container.cgroup().expect("it has one").paths().values().cloned().collect()
}

fn limits_are_in_the_files_and_go_with_the_container() -> Outcome {
    let shell = confined("sleep 100")?;
    let container = Container::run(&shell.config, Io::default())?;
    assert_eq!(file(&container, "pids", "pids.max", "pids.max")?, "20");
    assert_eq!(file(&container, "memory", "memory.limit_in_bytes", "memory.max")?, (64 << 20).to_string());
    let pid = container.pid().expect("it runs");
    for folder in folders(&container) {
        let inside = fs::read_to_string(folder.join("cgroup.procs"))?;
        assert!(inside.lines().any(|line| line == pid.to_string()), "{folder:?}: {inside}");
    }
    let folders = folders(&container);
    container.delete()?;
    assert!(folders.iter().all(|folder| !folder.exists()), "{folders:?}");
    Ok(())
}

fn more_processes_than_allowed_are_refused() -> Outcome {
    let script = "i=0; while [ $i -lt 40 ]; do sleep 100 & i=$((i+1)); done; echo all";
    let (said, status) = confined(script)?.run()?;
    assert!(!said.contains("all") && !status.success(), "{status}: {said}");
    Ok(())
}

fn devices_that_were_not_given_are_denied() -> Outcome {
    let mut shell = confined(
        "for name in kmsg full; do (: >>/etc/$name) && echo $name; done; head -c 1 /dev/zero | wc -c",
    )?;
    let etc = shell.rootfs.path().join("etc");
    for (name, minor) in [("kmsg", 11), ("full", 7)] {
        mknod(&etc.join(name), SFlag::S_IFCHR, Mode::from_bits_truncate(0o666), makedev(1, minor))?;
    }
    let cgroup = shell.config.cgroup.as_mut().expect("it has one");
    cgroup.devices = vec![DeviceRule::all(true)];
    let free = shell.says()?;
    if !free.starts_with("kmsg\nfull\n") {
        return Err(ignored(format!("devices don't open here at all: {free}")));
    }
    // Without any rule too: a container that could make the node of a disk must not open it.
    for rules in [vec![DeviceRule::all(false)], Vec::new()] {
        shell.config.cgroup.as_mut().expect("it has one").devices = rules;
        let said = shell.says()?;
        assert!(said.contains("Operation not permitted") && !said.contains("kmsg\n"), "{said}");
        assert!(said.ends_with("full\n1\n"), "{said}");
    }
    Ok(())
}

fn a_container_sees_only_its_own_cgroup() -> Outcome {
    let said = confined("cat /proc/self/cgroup; ls -d /sys/fs/cgroup/../cgroup/*")?.says()?;
    let (cgroups, _): (Vec<_>, Vec<_>) = said.lines().partition(|line| line.matches(':').count() == 2);
    for line in &cgroups {
        assert!(line.ends_with(":/"), "{said}");
    }
    assert!(!cgroups.is_empty() && !said.contains("libcontainer-test"), "{said}");
    Ok(())
}

fn it_pauses_and_goes_on() -> Outcome {
    let shell = confined("while read line; do echo $line; done")?;
    let (mut io, output) = captured()?;
    let (stdin, mut input) = std::io::pipe()?;
    io.stdin = stdin.into();
    let mut container = Container::run(&shell.config, io)?;
    let mut lines = BufReader::new(output).lines();
    input.write_all(b"one\n")?;
    assert_eq!(lines.next().transpose()?.as_deref(), Some("one"));
    assert_eq!(container.status()?, Status::Running);
    container.pause()?;
    assert_eq!(container.status()?, Status::Paused);
    let error = container.exec(&container.config().process.clone(), Io::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidState);
    container.resume()?;
    assert_eq!(container.status()?, Status::Running);
    input.write_all(b"two\n")?;
    assert_eq!(lines.next().transpose()?.as_deref(), Some("two"));
    drop(input);
    assert_eq!(container.wait()?, ExitStatus::Exited(0));
    assert_eq!(container.pause().unwrap_err().kind(), ErrorKind::InvalidState);
    Ok(())
}

/// Other runtimes hang here: a frozen process doesn't die of SIGKILL on v1.
fn a_paused_container_can_be_deleted() -> Outcome {
    let shell = confined("sleep 100 & wait")?;
    let container = Container::run(&shell.config, Io::default())?;
    container.pause()?;
    let folders = folders(&container);
    container.delete()?;
    assert!(folders.iter().all(|folder| !folder.exists()));
    Ok(())
}

fn statistics_are_its_own() -> Outcome {
    let shell = confined("sleep 100 & sleep 100 & echo up; wait")?;
    let (io, output) = captured()?;
    let container = Container::run(&shell.config, io)?;
    BufReader::new(output).read_line(&mut String::new())?;
    assert_eq!(container.processes()?.len(), 3);
    let stats = container.stats()?;
    assert_eq!(stats.cgroup.and_then(|cgroup| cgroup.pids).map(|pids| pids.current), Some(3));
    Ok(())
}

fn a_failure_leaves_no_cgroup() -> Outcome {
    let mut shell = confined("exit 0")?;
    let folders = folders(&Container::create(&shell.config, Io::default())?);
    shell.config.process.args = vec!["/no/such/program".to_owned()];
    assert_eq!(Container::run(&shell.config, Io::default()).unwrap_err().kind(), ErrorKind::Exec);
    shell.config.masked_paths.push("/proc/self/fd/0".into());
    assert!(Container::create(&shell.config, Io::default()).is_err());
    shell.config.rootfs = "/no/such/rootfs".into();
    assert!(Container::create(&shell.config, Io::default()).is_err());
    assert!(folders.iter().all(|folder| !folder.exists()), "{folders:?}");
    Ok(())
}

fn without_a_cgroup_there_is_nothing_to_pause() -> Outcome {
    let sleeper = Shell::program(&["sleep", "100"])?;
    let container = Container::run(&sleeper.config, Io::default())?;
    let error = container.pause().unwrap_err();
    assert_eq!((error.kind(), error.to_string().contains("no cgroup")), (ErrorKind::InvalidState, true));
    assert!(container.stats()?.cgroup.is_none());
    Ok(())
}

/// Without a PID namespace the first process' death ends nobody else: the cgroup has the rest.
fn killing_reaches_every_process() -> Outcome {
    let mut shell = confined("sleep 100 & echo $!; wait")?;
    shell.config.namespaces.retain(|one| one.kind != libcontainer::NamespaceKind::Pid);
    // procfs shows the host's processes then.
    let (io, output) = captured()?;
    let container = Container::run(&shell.config, io)?;
    let mut pid = String::new();
    BufReader::new(output).read_line(&mut pid)?;
    let child = PathBuf::from(format!("/proc/{}/root", pid.trim()));
    assert!(child.exists(), "{pid}");
    container.delete()?;
    crate::eventually(|| fs::read_link(&child).is_err());
    Ok(())
}

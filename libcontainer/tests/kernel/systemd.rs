//! Control groups that systemd makes.
//!
//! `cargo grounds test --in systemd,guest-systemd -p libcontainer` runs these where there is one.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use cgroups::Resources;
use grounds::{Outcome, Rootfs, Stop, ignored};
use libcontainer::{Cgroup, Container, ErrorKind, ExitStatus, Factory, Io, Status};

use crate::shell::Shell;

crate::tests!(
    a_scope_lives_as_long_as_its_container,
    limits_of_a_scope_are_systemds_too,
    a_failure_leaves_no_scope,
    a_process_that_joins_is_in_the_scope,
    without_systemd_it_is_refused_by_name,
    a_path_that_names_no_unit_is_refused,
);

fn is_booted() -> bool {
    Path::new("/run/systemd/system").is_dir()
}

fn by_systemd(path: &str) -> Cgroup {
    let mut cgroup = Cgroup::new(path);
    cgroup.systemd = true;
    cgroup
}

/// A container with a scope of its own, and the scope's name.
fn scoped(script: &str) -> Result<(Shell, String), Stop> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    grounds::root()?;
    if !is_booted() {
        return Err(ignored("systemd doesn't run this machine"));
    }
    let mut shell = Shell::new(script)?;
    let name = format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let path = format!(":libcontainer-test:{name}");
    shell.config.cgroup = Some(by_systemd(&path));
    Ok((shell, format!("libcontainer-test-{name}.scope")))
}

/// What systemd says of a unit.
fn property(unit: &str, name: &str) -> Result<String, Stop> {
    let output = Command::new("systemctl").args(["show", "--value", "-p", name, unit]).output()?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn a_scope_lives_as_long_as_its_container() -> Outcome {
    let (shell, unit) = scoped("sleep 100")?;
    let folder = Rootfs::new()?;
    let factory = Factory::new(folder.path().join("tmp/containers"))?;
    let made = factory.create("web", &shell.config, Io::default())?;
    assert_eq!(property(&unit, "ActiveState")?, "active");
    let pid = made.pid().expect("it lives");
    let own = fs::read_to_string(format!("/proc/{pid}/cgroup"))?;
    assert!(own.lines().any(|line| line.ends_with(&unit)), "{own}");
    let folders: Vec<_> = made.cgroup().expect("it has one").paths().values().cloned().collect();
    assert!(!folders.is_empty() && folders.iter().all(|folder| folder.exists()), "{folders:?}");

    let mut found = factory.load("web")?;
    found.start()?;
    found.pause()?;
    assert_eq!(made.status()?, Status::Paused);
    found.resume()?;
    found.delete()?;
    assert!(folders.iter().all(|folder| !folder.exists()), "{folders:?}");
    assert_eq!(property(&unit, "LoadState")?, "not-found");
    Ok(())
}

fn limits_of_a_scope_are_systemds_too() -> Outcome {
    let (mut shell, unit) = scoped("sleep 100")?;
    let cgroup = shell.config.cgroup.as_mut().expect("it has one");
    cgroup.resources.pids.get_or_insert_default().limit = Some(20);
    let container = match Container::run(&shell.config, Io::default()) {
        Err(error) if error.to_string().contains("controller") => return Err(ignored(error)),
        container => container?,
    };
    assert_eq!(property(&unit, "TasksMax")?, "20");
    let mut limits = Resources::default();
    limits.pids.get_or_insert_default().limit = Some(30);
    container.update(&limits)?;
    assert_eq!(property(&unit, "TasksMax")?, "30");
    let pids = container.stats()?.cgroup.and_then(|cgroup| cgroup.pids).and_then(|pids| pids.limit);
    assert_eq!(pids, Some(cgroups::Limit::At(30)));
    Ok(())
}

fn a_failure_leaves_no_scope() -> Outcome {
    let (mut shell, unit) = scoped("exit 0")?;
    shell.config.mounts.push(crate::shell::mount("no-such-filesystem", "x", "/tmp", &[]));
    assert!(Container::create(&shell.config, Io::default()).is_err());
    assert_eq!(property(&unit, "LoadState")?, "not-found");
    Ok(())
}

fn a_process_that_joins_is_in_the_scope() -> Outcome {
    let (shell, unit) = scoped("sleep 100")?;
    let container = Container::run(&shell.config, Io::default())?;
    let mut process = container.config().process.clone();
    process.args = ["sleep", "100"].map(str::to_owned).to_vec();
    let mut child = container.exec(&process, Io::default())?;
    let own = fs::read_to_string(format!("/proc/{}/cgroup", child.pid()))?;
    assert!(own.lines().any(|line| line.ends_with(&unit)), "{own}");
    container.signal_all(libc::SIGKILL)?;
    assert_eq!(child.wait()?, ExitStatus::Signaled(9));
    Ok(())
}

fn without_systemd_it_is_refused_by_name() -> Outcome {
    if is_booted() {
        return Err(ignored("systemd runs this machine"));
    }
    let mut shell = Shell::new("exit 0")?;
    shell.config.cgroup = Some(by_systemd(":a:b"));
    let error = Container::create(&shell.config, Io::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert!(error.to_string().starts_with("cgroup by systemd: "), "{error}");
    Ok(())
}

fn a_path_that_names_no_unit_is_refused() -> Outcome {
    let (mut shell, _) = scoped("exit 0")?;
    for path in ["/a/b", "a:b", "no-slice:a:b", "a--b.slice::c"] {
        shell.config.cgroup.as_mut().expect("it has one").path = path.into();
        let error = Container::create(&shell.config, Io::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{path}: {error}");
    }
    Ok(())
}

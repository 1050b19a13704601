//! What the tests of this program share: cgroups of their own, shells in them, and looks at one version alone.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use cgroups::{Active, Cgroup, Error, ErrorKind, Hierarchies, Layout};
use grounds::{Outcome, Stop, ignored};
use nix::mount::{MntFlags, MsFlags, mount, umount2};

/// Longer than anything takes, on any machine.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// What killing one by one needs: a number may have come to mean another process, a handle never does.
pub(crate) const KILLING: [&str; 2] = ["pidfd_open", "pidfd_send_signal"];

/// Asks for what killing takes where there is no `cgroup.kill`.
pub(crate) fn can_kill(cgroup: &Cgroup) -> Result<(), Stop> {
    let at_once = cgroup.paths().get("").is_some_and(|path| path.join("cgroup.kill").exists());
    if at_once { Ok(()) } else { grounds::calls(&KILLING) }
}

/// A name that no other test has.
pub(crate) fn name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("cgroups-life-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

pub(crate) fn hierarchies() -> Result<Hierarchies, Stop> {
    match Hierarchies::detect() {
        Err(error) if error.kind() == ErrorKind::NotFound => Err(ignored(error)),
        result => Ok(result?),
    }
}

/// A new cgroup beneath the test's own.
pub(crate) fn fresh() -> Result<Active, Stop> {
    grounds::root()?;
    match Cgroup::create_beneath_own(&hierarchies()?, name()) {
        Err(error) if [ErrorKind::PermissionDenied, ErrorKind::NotFound].contains(&error.kind()) => {
            Err(ignored(error))
        }
        result => Ok(result?),
    }
}

/// The directory in v2.
pub(crate) fn v2(cgroup: &Cgroup) -> Result<PathBuf, Stop> {
    cgroup.paths().get("").cloned().ok_or_else(|| ignored("no cgroup v2 here"))
}

/// The directory in the v1 hierarchy of a controller.
pub(crate) fn v1(cgroup: &Cgroup, controller: &str) -> Result<PathBuf, Stop> {
    let found = cgroup.paths().iter().find(|(key, _)| key.split(',').any(|c| c == controller));
    found.map(|(_, path)| path.clone()).ok_or_else(|| ignored(format!("no {controller} of v1")))
}

/// The same cgroup in its v2 hierarchy alone.
pub(crate) fn only_v2(cgroup: &Cgroup) -> Result<Cgroup, Stop> {
    Ok(Cgroup::open([(String::new(), v2(cgroup)?)])?)
}

/// The same cgroup without its v2 hierarchy: there is no cgroup.kill then.
pub(crate) fn only_v1(cgroup: &Cgroup) -> Result<Cgroup, Stop> {
    let v1: BTreeMap<_, _> = cgroup.paths().clone().into_iter().filter(|(key, _)| !key.is_empty()).collect();
    if v1.is_empty() {
        return Err(ignored("no cgroup v1 here"));
    }
    Ok(Cgroup::open(v1)?)
}

/// Shows v1 alone, in a mount namespace of this thread's own.
pub(crate) fn v1_alone() -> Outcome {
    grounds::root()?;
    match hierarchies()?.layout() {
        Layout::Hybrid => {}
        Layout::V1 => return Err(ignored("v1 is all there is; the test ran as mounted")),
        Layout::V2 => return Err(ignored("no cgroup v1 here")),
    }
    let unified = hierarchies()?.mount_point("")?.to_owned();
    grounds::mountns()?;
    umount2(&unified, MntFlags::MNT_DETACH)?;
    Ok(())
}

/// Shows v2 alone, in a mount namespace of this thread's own.
pub(crate) fn v2_alone() -> Outcome {
    grounds::root()?;
    match hierarchies()?.layout() {
        Layout::Hybrid => {}
        Layout::V2 => return Err(ignored("v2 is all there is; the test ran as mounted")),
        Layout::V1 => return Err(ignored("no cgroup v2 here")),
    }
    grounds::mountns()?;
    mount(Some("cgroup2"), "/sys/fs/cgroup", Some("cgroup2"), MsFlags::empty(), None::<&str>)?;
    Ok(())
}

/// A shell that waits for a line before it does what it is told; killed at the end.
pub(crate) struct Shell(pub(crate) Child);

impl Shell {
    pub(crate) fn new(script: &str) -> Result<Shell, Stop> {
        let script = format!("read go; {script}");
        let mut command = Command::new("sh");
        command.arg("-c").arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        Ok(Shell(command.spawn()?))
    }

    /// One inside the cgroup.
    pub(crate) fn inside(cgroup: &Cgroup, script: &str) -> Result<Shell, Stop> {
        let shell = Shell::new(script)?;
        cgroup.add(shell.pid())?;
        Ok(shell)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    pub(crate) fn go(&mut self) -> Outcome {
        self.0.stdin.as_mut().expect("piped").write_all(b"go\n")?;
        Ok(())
    }

    /// The first byte that it prints.
    pub(crate) fn heard(&mut self) -> Outcome {
        self.0.stdout.as_mut().expect("piped").read_exact(&mut [0])?;
        Ok(())
    }

    pub(crate) fn membership(&self) -> Result<String, Stop> {
        Ok(fs::read_to_string(format!("/proc/{}/cgroup", self.pid()))?)
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Looks until it is so.
#[track_caller]
pub(crate) fn eventually(mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + LONG;
    while !is_so() {
        assert!(Instant::now() < until, "not within a minute");
        thread::sleep(Duration::from_millis(1));
    }
}

/// The kind of an error, and a part of what it says.
#[track_caller]
pub(crate) fn says(error: &Error, kind: ErrorKind, part: &str) {
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.to_string().contains(part), "{part:?} is not in: {error}");
}

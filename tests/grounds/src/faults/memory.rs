//! OOM: no memory left.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::{Stop, ignored, sys};

/// A cgroup with little memory, below the one that this process is in. It goes when it is dropped, with
/// all that is still in it.
#[derive(Debug)]
pub struct Starved {
    folder: PathBuf,
    version: Version,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    V1,
    V2,
}

impl Starved {
    /// Makes the cgroup, with a limit of memory and no swap.
    ///
    /// # Errors
    ///
    /// Ignored, where this user or kernel has no memory controller to limit.
    pub fn new(bytes: u64) -> Result<Starved, Stop> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let (parent, version) = own_cgroup()?;
        if version == Version::V2 {
            delegate_memory(&parent)?;
        }
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = parent.join(format!("starved-{}-{number}", process::id()));
        fs::create_dir(&folder).map_err(|error| ignored(format!("make cgroup {folder:?}: {error}")))?;
        let starved = Starved { folder, version };
        starved.limit(bytes)?;
        Ok(starved)
    }

    /// Moves a process in, with what it has not used yet.
    pub fn add(&self, pid: u32) -> io::Result<()> {
        fs::write(self.folder.join("cgroup.procs"), pid.to_string())
    }

    /// Spawns a command that is inside before its exec.
    ///
    /// The command keeps the way in: spawn another one outside.
    pub fn spawn(&self, command: &mut Command) -> io::Result<Child> {
        let procs = File::options().write(true).open(self.folder.join("cgroup.procs"))?;
        sys::enter_before_exec(command, procs);
        command.spawn()
    }

    /// Returns how many processes the kernel has killed for want of memory.
    pub fn oom_kills(&self) -> io::Result<u64> {
        let (file, key) = match self.version {
            Version::V1 => ("memory.oom_control", "oom_kill"),
            Version::V2 => ("memory.events", "oom_kill"),
        };
        let events = fs::read_to_string(self.folder.join(file))?;
        let count = events.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.parse().ok());
        count.ok_or_else(|| io::Error::other(format!("{file}: no {key:?} in {events:?}")))
    }

    fn limit(&self, bytes: u64) -> io::Result<()> {
        // Memory and swap together can't be less than memory alone: their order matters.
        let (memory, swap, swap_limit) = match self.version {
            Version::V1 => ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes", bytes),
            Version::V2 => ("memory.max", "memory.swap.max", 0),
        };
        fs::write(self.folder.join(memory), bytes.to_string())?;
        match fs::write(self.folder.join(swap), swap_limit.to_string()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()), // a kernel that counts no swap
            result => result,
        }
    }

    fn kill_all(&self) {
        for pid in fs::read_to_string(self.folder.join("cgroup.procs")).unwrap_or_default().lines() {
            if let Ok(pid) = pid.parse() {
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
        }
    }
}

impl Drop for Starved {
    fn drop(&mut self) {
        let end = Instant::now() + Duration::from_secs(5);
        while fs::remove_dir(&self.folder).is_err() && self.folder.exists() && Instant::now() < end {
            self.kill_all();
            thread::sleep(Duration::from_millis(2));
        }
    }
}

/// Finds this process's own cgroup with a memory controller.
fn own_cgroup() -> Result<(PathBuf, Version), Stop> {
    let memberships = fs::read_to_string("/proc/self/cgroup")?;
    let mounts = fs::read_to_string("/proc/self/mountinfo")?;
    let v1 = find(&memberships, &mounts, Version::V1).map(|folder| (folder, Version::V1));
    let v2 = find(&memberships, &mounts, Version::V2)
        .filter(|folder| has_word(&folder.join("cgroup.controllers"), "memory"))
        .map(|folder| (folder, Version::V2));
    v1.or(v2).ok_or_else(|| ignored("no memory controller"))
}

/// Finds the folder of a membership (a line of cgroups(7)'s `/proc/PID/cgroup`) among the mounts.
fn find(memberships: &str, mounts: &str, version: Version) -> Option<PathBuf> {
    let path = memberships.lines().find_map(|line| {
        let (_, line) = line.split_once(':')?;
        let (controllers, path) = line.split_once(':')?;
        let wanted = match version {
            Version::V1 => controllers.split(',').any(|controller| controller == "memory"),
            Version::V2 => controllers.is_empty(),
        };
        wanted.then_some(path)
    })?;
    mounts.lines().find_map(|line| {
        let (mount, filesystem) = line.split_once(" - ")?;
        let mount: Vec<&str> = mount.split(' ').collect();
        let (root, point) = (mount.get(3)?, mount.get(4)?);
        let filesystem: Vec<&str> = filesystem.split(' ').collect();
        let wanted = match version {
            Version::V1 => {
                filesystem.first() == Some(&"cgroup")
                    && filesystem.get(2)?.split(',').any(|option| option == "memory")
            }
            Version::V2 => filesystem.first() == Some(&"cgroup2"),
        };
        let below = Path::new(path).strip_prefix(root).ok()?;
        wanted.then(|| Path::new(point).join(below))
    })
}

/// Hands the memory controller down to the cgroups below one.
fn delegate_memory(parent: &Path) -> Result<(), Stop> {
    let control = parent.join("cgroup.subtree_control");
    if has_word(&control, "memory") {
        return Ok(());
    }
    // Fails where processes are in it, unless it is the root (the "no internal processes" rule).
    fs::write(&control, "+memory")
        .map_err(|error| ignored(format!("write \"+memory\" to {control:?}: {error}")))
}

fn has_word(file: &Path, word: &str) -> bool {
    fs::read_to_string(file).is_ok_and(|words| words.split_whitespace().any(|other| other == word))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
30 28 0:26 / /sys/fs/cgroup ro,nosuid - tmpfs tmpfs ro,mode=755
31 30 0:27 / /sys/fs/cgroup/cpu rw shared:9 - cgroup cgroup rw,cpu
32 30 0:28 /own /sys/fs/cgroup/memory rw shared:10 - cgroup cgroup rw,memory
33 30 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate
";

    #[test]
    fn the_own_cgroup_is_found_in_the_mounts() {
        let memberships = "4:memory:/own/below\n1:cpu:/\n0::/user\n";
        let find = |version| find(memberships, MOUNTS, version);
        assert_eq!(find(Version::V1), Some("/sys/fs/cgroup/memory/below".into()));
        assert_eq!(find(Version::V2), Some("/sys/fs/cgroup/unified/user".into()));
    }

    #[test]
    fn a_cgroup_that_is_mounted_nowhere_is_not_found() {
        assert_eq!(find("4:memory:/other\n", MOUNTS, Version::V1), None);
        assert_eq!(find("4:memory:/own\n", MOUNTS, Version::V2), None);
    }
}

//! What is left behind: of a process by the test that it ran, and on the machine by all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, fs, io, process, thread};

use nix::errno::Errno;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::geteuid;

/// What the kernel takes away by itself gets this long: a cgroup whose last process just ended.
const GRACE: Duration = Duration::from_secs(1);

/// A descriptor that a library keeps for the life of its process: libcontainer's image, made once.
const KEPT: &str = "/memfd:libcontainer-init";

/// What was left behind, a line each; empty where nothing was.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Left(pub Vec<String>);

impl Left {
    /// Tells whether nothing was left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn add(&mut self, what: &str, which: impl Display) {
        self.0.push(format!("{what} {which}"));
    }
}

impl Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("left behind: ")?;
        f.write_str(&self.0.join("; "))
    }
}

/// What one process holds: descriptors, and the mounts of its namespace.
#[derive(Debug)]
pub struct Process {
    descriptors: BTreeMap<String, String>,
    mounts: BTreeMap<String, String>,
}

impl Process {
    /// Notes what this process holds.
    ///
    /// # Errors
    ///
    /// Where procfs can't be read.
    pub fn now() -> io::Result<Process> {
        Ok(Process { descriptors: descriptors()?, mounts: mounts()? })
    }

    /// Tells what was added since: descriptors, threads, children that nobody waited for (which are waited
    /// for now, if they ended), mounts, and the namespaces that a descriptor or a mount keeps.
    ///
    /// # Errors
    ///
    /// Where procfs can't be read.
    pub fn left(&self) -> io::Result<Left> {
        let mut left = Left::default();
        let new = |(number, target): &(String, String)| self.descriptors.get(number) != Some(target);
        let (kept, others): (Vec<_>, Vec<_>) =
            descriptors()?.into_iter().filter(new).partition(|(_, target)| target.starts_with(KEPT));
        for (number, target) in kept.iter().skip(1).chain(&others) {
            left.add(kind("descriptor", target), format_args!("{number} -> {target}"));
        }
        for thread in others_threads()? {
            left.add("thread", thread);
        }
        for (id, mount) in mounts()? {
            if !self.mounts.contains_key(&id) {
                left.add(kind("mount", &mount), mount);
            }
        }
        loop {
            match waitpid(None, Some(WaitPidFlag::WNOHANG | WaitPidFlag::__WALL)) {
                Ok(WaitStatus::StillAlive) => {
                    for child in children()? {
                        left.add("process", format_args!("{child}, still running"));
                    }
                    break;
                }
                Ok(status) => left.add("process", format_args!("nobody waited for: {status:?}")),
                Err(Errno::ECHILD) => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(left)
    }
}

/// A descriptor or a mount that keeps a namespace alive is told as that.
fn kind<'a>(what: &'a str, target: &str) -> &'a str {
    let names = ["net:[", "mnt:[", "pid:[", "user:[", "uts:[", "ipc:[", "cgroup:[", "time:["];
    if names.iter().any(|name| target.contains(name)) { "namespace, held by a file:" } else { what }
}

fn descriptors() -> io::Result<BTreeMap<String, String>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir("/proc/self/fd")? {
        let entry = entry?;
        // The one that reads this folder is gone by now, or it is the only one that can't be read.
        if let Ok(target) = fs::read_link(entry.path()) {
            let target = target.to_string_lossy().into_owned();
            if !target.ends_with("/fd") || !target.starts_with("/proc/") {
                all.insert(entry.file_name().to_string_lossy().into_owned(), target);
            }
        }
    }
    Ok(all)
}

/// The threads of this process but the first, by name. One that was joined takes a moment to go.
fn others_threads() -> io::Result<Vec<String>> {
    let deadline = Instant::now() + GRACE;
    loop {
        let mut names = Vec::new();
        for task in fs::read_dir("/proc/self/task")? {
            let task = task?;
            if task.file_name().to_string_lossy() != process::id().to_string() {
                let name = fs::read_to_string(task.path().join("comm")).unwrap_or_default();
                names.push(format!("{} ({})", task.file_name().display(), name.trim()));
            }
        }
        if names.is_empty() || Instant::now() > deadline {
            return Ok(names);
        }
        thread::sleep(Duration::from_millis(1));
    }
}

/// Removes a folder with all that is in it, unless something is mounted there: its files are others'.
///
/// # Errors
///
/// Where something is mounted, or can't be removed.
pub(crate) fn remove(folder: &Path) -> io::Result<()> {
    let point = |mount: &String| mount.split(' ').nth(4).map(PathBuf::from);
    if let Some(point) = mounts()?.values().filter_map(point).find(|point| point.starts_with(folder)) {
        return Err(io::Error::other(format!("not removed: {} is mounted", point.display())));
    }
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// The mounts of this process's namespace (its first thread's), by id.
fn mounts() -> io::Result<BTreeMap<String, String>> {
    let table = fs::read("/proc/self/mountinfo")?;
    let table = String::from_utf8_lossy(&table);
    Ok(table.lines().filter_map(|line| Some((line.split_once(' ')?.0.to_owned(), line.to_owned()))).collect())
}

/// The processes that have this one for a parent, each with its command line.
pub(crate) fn children() -> io::Result<Vec<String>> {
    let mut all = Vec::new();
    for task in fs::read_dir("/proc/self/task")? {
        let list = fs::read_to_string(task?.path().join("children")).unwrap_or_default();
        all.extend(list.split_whitespace().map(described));
    }
    Ok(all)
}

/// A process in words: number, name and command line.
fn described(pid: &str) -> String {
    let file = |name: &str| fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
    let line = String::from_utf8_lossy(&file("cmdline")).replace('\0', " ");
    let name = String::from_utf8_lossy(&file("comm")).trim().to_owned();
    format!("{pid} ({name}) {:?}", line.trim().chars().take(120).collect::<String>())
}

/// What a machine holds for everybody: cgroups, interfaces, packet filter rules, files in the folders
/// where state is kept.
#[derive(Debug)]
pub struct Machine {
    folders: Vec<PathBuf>,
    cgroups: BTreeSet<PathBuf>,
    interfaces: BTreeSet<String>,
    rules: BTreeSet<String>,
    files: BTreeSet<PathBuf>,
}

impl Machine {
    /// Notes what is there now, in the folders where state is kept too.
    pub fn now() -> Machine {
        let mut folders = vec![PathBuf::from("/run/nsinit"), PathBuf::from("/run/netns")];
        folders.extend(env::var_os("XDG_RUNTIME_DIR").map(|folder| PathBuf::from(folder).join("nsinit")));
        Machine::with(folders)
    }

    /// As [`Machine::now`], with folders of the caller's choice.
    pub fn with(folders: Vec<PathBuf>) -> Machine {
        let files = files(&folders);
        Machine { folders, cgroups: cgroups(), interfaces: interfaces(), rules: rules(), files }
    }

    /// Tells what was added since. What is about to go by itself is waited for, up to a second.
    pub fn left(&self) -> Left {
        let deadline = Instant::now() + GRACE;
        loop {
            let left = self.difference();
            if left.is_empty() || Instant::now() > deadline {
                return left;
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn difference(&self) -> Left {
        let mut left = Left::default();
        // One with processes is somebody's: of ours none runs any more. Its own slices systemd makes and removes when
        // it likes.
        let is_systemds = |cgroup: &Path| {
            cgroup
                .file_name()
                .is_some_and(|name| ["system.slice", "user.slice"].iter().any(|slice| name == *slice))
        };
        let empty = |cgroup: &&PathBuf| !is_systemds(cgroup) && is_empty(cgroup);
        for cgroup in cgroups().difference(&self.cgroups).filter(empty) {
            left.add("cgroup", cgroup.display());
        }
        for interface in interfaces().difference(&self.interfaces) {
            left.add("interface", interface);
        }
        for rule in rules().difference(&self.rules) {
            left.add("packet filter rule", rule);
        }
        for file in files(&self.folders).difference(&self.files) {
            left.add("file", file.display());
        }
        left
    }
}

fn cgroups() -> BTreeSet<PathBuf> {
    let mut all = BTreeSet::new();
    for mount in mounts().unwrap_or_default().values() {
        let (before, after) = mount.split_once(" - ").unwrap_or((mount, ""));
        if after.starts_with("cgroup")
            && let Some(point) = before.split(' ').nth(4)
        {
            folders_below(Path::new(point), &mut all);
        }
    }
    all
}

fn folders_below(folder: &Path, all: &mut BTreeSet<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            folders_below(&entry.path(), all);
            all.insert(entry.path());
        }
    }
}

/// Tells whether no process is in a cgroup or below.
fn is_empty(cgroup: &Path) -> bool {
    // Version 2 tells of all below, threads too.
    if let Ok(events) = fs::read_to_string(cgroup.join("cgroup.events")) {
        return events.lines().any(|line| line == "populated 0");
    }
    let mut all = BTreeSet::from([cgroup.to_owned()]);
    folders_below(cgroup, &mut all);
    all.iter().all(|folder| fs::read_to_string(folder.join("cgroup.procs")).is_ok_and(|pids| pids.is_empty()))
}

/// The interfaces of this thread's network namespace. (An ordinary user makes none there: others do.)
fn interfaces() -> BTreeSet<String> {
    if !geteuid().is_root() {
        return BTreeSet::new();
    }
    let table = fs::read_to_string("/proc/thread-self/net/dev").unwrap_or_default();
    table.lines().skip(2).filter_map(|line| Some(line.split_once(':')?.0.trim().to_owned())).collect()
}

/// The rules of nftables, each with the table and chain it is in; none where they can't be read.
fn rules() -> BTreeSet<String> {
    let output = Command::new("nft").args(["--stateless", "list", "ruleset"]).output();
    let Some(output) = output.ok().filter(|output| output.status.success()) else {
        return BTreeSet::new();
    };
    let mut place = Vec::new();
    let mut all = BTreeSet::new();
    for line in String::from_utf8_lossy(&output.stdout).lines().map(str::trim) {
        match line {
            "" => {}
            "}" => drop(place.pop()),
            _ => {
                place.push(line.trim_end_matches(" {").to_owned());
                all.insert(place.join(" "));
                if !line.ends_with('{') {
                    place.pop();
                }
            }
        }
    }
    all
}

fn files(folders: &[PathBuf]) -> BTreeSet<PathBuf> {
    let entries = folders.iter().filter_map(|folder| fs::read_dir(folder).ok());
    entries.flatten().flatten().map(|entry| entry.path()).collect()
}

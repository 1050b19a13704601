//! systemd without a second kernel: as process 1 of namespaces of this one.
//!
//! ```text
//! host          grounds guest-namespaces   keep: makes a cgroup for them and removes it; ends process 1
//! namespaces      grounds guest-first      first: process 1, builds the ground, becomes systemd
//! ```
//!
//! From there on it is as in a guest. In the place of the serial line there is a pipe with a name.

use std::convert::Infallible;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::{Mode, SFlag, mknod, stat};
use nix::unistd::{Pid, chdir, pivot_root, setsid};

use super::error::{Error, on};
use super::init::{self, bind, file_system, make};
use super::{LINE, Look, RUN, SERIAL, TASK_FILE, Task, systemd};
use crate::ground::Cgroups;
use crate::looks;

/// Where cgroup v2 is mounted: beside version 1, or alone.
const CGROUP2: [&str; 2] = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"];

/// The devices of the host that are there too, if the host has them.
const DEVICES: [&str; 8] = ["null", "zero", "full", "random", "urandom", "tty", "fuse", "net/tun"];

/// Where the ground has file systems of its own, so that nothing of the host's is laid over.
const OWN: [&str; 4] = ["/dev", "/proc", "/run", "/sys"];

/// What there is only once, for the host too: among the first systemd raises limits. (In `kernel` and `net`
/// there are settings that each namespace has for itself, and from which containers choose: they stay open.)
const SETTINGS: [&str; 3] = ["/proc/sys/fs", "/proc/sys/vm", "/proc/sysrq-trigger"];

/// For file systems of the kernel's.
const QUIET: MsFlags = MsFlags::MS_NOSUID.union(MsFlags::MS_NODEV).union(MsFlags::MS_NOEXEC);

/// Says in one line why there can be no such namespaces here.
pub(super) fn missing() -> Option<String> {
    if Path::new(RUN).exists() {
        return Some("this is such a ground already, or a guest".to_owned());
    }
    let no_overlay = || match thread::spawn(try_overlay).join() {
        Ok(outcome) => outcome.err().map(|error| error.to_string()),
        Err(_) => Some("the trial of an overlay panicked".to_owned()),
    };
    let no_cgroup = || cgroup2().err().map(|error| error.to_string());
    systemd::missing().or_else(no_cgroup).or_else(no_overlay)
}

/// Returns where a cgroup can be made.
fn cgroup2() -> Result<&'static Path, Error> {
    let root = CGROUP2.into_iter().map(Path::new).find(|root| root.join("cgroup.controllers").exists());
    let root = root.ok_or_else(|| Error::new("no cgroup2 is mounted"))?;
    nix::unistd::access(root, nix::unistd::AccessFlags::W_OK).map_err(on("make a cgroup in", root))?;
    Ok(root)
}

/// Lays memory over the root file system, in a mount namespace that goes with this thread.
fn try_overlay() -> Result<(), Error> {
    looks::mount_namespace().map_err(on("make", "a mount namespace"))?;
    let stage = Path::new("/tmp");
    file_system("tmpfs", stage, MsFlags::empty(), "mode=755")?;
    make(&stage.join("root"))?;
    overlay(Path::new("/"), &stage.join("memory"), &stage.join("root"))
}

/// On the host: keeps the namespaces that get their task in this folder, until standard input ends, as the
/// warden keeps a second kernel.
pub(super) fn keep(arguments: &[String]) -> Result<u8, Error> {
    let [look, folder] = arguments else {
        return Err(Error::new(format!("guest-namespaces LOOK FOLDER, not {arguments:?}")));
    };
    // Away from a terminal's signals: it must outlive whoever it works for, by a moment.
    setsid().map_err(on("leave", "the session"))?;
    let cgroups = Cgroup::for_look(look)?;
    let (console, master) = console()?;
    let terminal = File::options().read(true).write(true).custom_flags(OFlag::O_NOCTTY.bits()).open(&console);
    let terminal = terminal.map_err(on("open", &console))?;

    // Threads come before the namespace: a process whose children go into another can't have more of them.
    let console_thread = thread::spawn(move || io::copy(&mut { master }, &mut io::stderr()));
    let (started, first) = mpsc::channel();
    thread::spawn(move || {
        drop(io::copy(&mut io::stdin(), &mut io::sink()));
        // All others in its namespace die with the first.
        let _ = first.recv().map(|first| kill(Pid::from_raw(first), Signal::SIGKILL));
    });
    unshare(CloneFlags::CLONE_NEWPID).map_err(on("make", "a pid namespace"))?;

    let this = crate::this_program().map_err(on("find", "grounds"))?;
    let mut command = Command::new(this);
    command.arg("guest-first").args([look, folder]).arg(&console);
    command.args(cgroups.iter().map(|cgroup| &cgroup.path));
    // By this systemd knows that the kernel isn't its own: that it must not set its clock, for one.
    command.env_clear().env("container", "grounds");
    let stderr = terminal.try_clone().map_err(on("copy", &console))?;
    let mut first = command.stdin(Stdio::null()).stderr(stderr).spawn().map_err(on("start", "process 1"))?;
    let _ = started.send(first.id() as i32);
    // This one is back when all others in the namespace are dead and gone: pid_namespaces(7).
    drop(first.wait());
    // Held open until now: systemd opens it again and again, and a terminal ends where nobody has it open.
    drop((command, terminal));
    drop(console_thread.join());
    cgroups.into_iter().try_for_each(Cgroup::close).map(|()| 0)
}

/// Makes a terminal for process 1 to complain on: systemd takes nothing else for a console.
fn console() -> Result<(PathBuf, nix::pty::PtyMaster), Error> {
    let of = || on("make", "a terminal");
    let master = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC).map_err(of())?;
    grantpt(&master).map_err(of())?;
    unlockpt(&master).map_err(of())?;
    Ok((ptsname_r(&master).map_err(of())?.into(), master))
}

/// The cgroup that the namespaces take for the root. It goes when it is dropped, with all below it; one
/// whose maker was killed goes when the next is made.
#[derive(Debug)]
struct Cgroup {
    path: PathBuf,
    /// Locked for as long as its maker lives.
    _lock: File,
}

impl Cgroup {
    const PREFIX: &str = "grounds-systemd-";

    /// How long what was killed may take to be gone from it.
    const EMPTYING: Duration = Duration::from_secs(5);

    /// One on v2, and where that is asked for one in every hierarchy of v1.
    fn for_look(look: &str) -> Result<Vec<Cgroup>, Error> {
        let mut made = vec![Cgroup::new(cgroup2()?)?];
        if look != Look::Namespaces(Cgroups::V2).name() {
            for root in v1_hierarchies()? {
                let cgroup = Cgroup::new(&root)?;
                // Without any nobody may enter: cpuset(7).
                for file in ["cpuset.cpus", "cpuset.mems"].map(|file| cgroup.path.join(file)) {
                    if let (true, Some(name)) = (file.exists(), file.file_name()) {
                        let parents = fs::read(root.join(name)).map_err(on("read", root.join(name)))?;
                        fs::write(&file, parents).map_err(on("write", &file))?;
                    }
                }
                made.push(cgroup);
            }
        }
        Ok(made)
    }

    fn new(root: &Path) -> Result<Cgroup, Error> {
        // One at a time: else a new one might be taken for left behind, before it is locked.
        let all = File::open(root).map_err(on("open", root))?;
        all.lock().map_err(on("lock", root))?;
        Cgroup::sweep(root);
        let mut names = (0..).map(|number| format!("{}{}-{number}", Cgroup::PREFIX, std::process::id()));
        let path = loop {
            let path = root.join(names.next().unwrap_or_default());
            match fs::create_dir(&path) {
                // Of a process of that number in another namespace.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => break made.map(|()| path.clone()).map_err(on("make", &path))?,
            }
        };
        let lock = File::open(&path).map_err(on("open", &path))?;
        lock.lock().map_err(on("lock", &path))?;
        Ok(Cgroup { path, _lock: lock })
    }

    fn sweep(root: &Path) {
        for entry in fs::read_dir(root).into_iter().flatten().flatten() {
            let ours = entry.file_name().to_string_lossy().starts_with(Cgroup::PREFIX);
            if ours && File::open(entry.path()).is_ok_and(|cgroup| cgroup.try_lock().is_ok()) {
                drop(remove(&entry.path()));
            }
        }
    }

    fn close(self) -> Result<(), Error> {
        self.remove().map_err(on("remove", &self.path))
    }

    fn remove(&self) -> io::Result<()> {
        let until = Instant::now() + Cgroup::EMPTYING;
        loop {
            match remove(&self.path) {
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy && Instant::now() < until => {
                    thread::sleep(Duration::from_millis(1));
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                done => return done,
            }
        }
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        drop(self.remove());
    }
}

/// Removes a cgroup and those below it.
fn remove(cgroup: &Path) -> io::Result<()> {
    for entry in fs::read_dir(cgroup)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove(&entry.path())?;
        }
    }
    fs::remove_dir(cgroup)
}

/// As process 1: makes the other namespaces, builds the ground in them, and becomes systemd.
pub(super) fn first(arguments: &[String]) -> Result<u8, Error> {
    let Err(error) = build(arguments);
    Err(error)
}

fn build(arguments: &[String]) -> Result<Infallible, Error> {
    let [look, folder, console, cgroups @ ..] = arguments else {
        return Err(Error::new(format!("guest-first LOOK FOLDER CONSOLE CGROUP…, not {arguments:?}")));
    };
    let look = Look::from_name(look).ok_or_else(|| Error::new(format!("no look {look:?}")))?;
    follow_in_death()?;
    let exe = init::this_program().map_err(on("find", "grounds"))?;
    separate(cgroups)?;
    let file = Path::new(folder).join(TASK_FILE);
    let bytes = fs::read(&file).map_err(on("read", &file))?;
    let task = Task::from_bytes(&bytes).map_err(on("read", &file))?;

    root(Path::new(folder), Path::new(console), &task, &exe)?;
    init::kernel_file_systems()?;
    init::devices()?;
    symlink("pts/ptmx", "/dev/ptmx").map_err(on("link", "/dev/ptmx"))?;
    match look {
        Look::Namespaces(Cgroups::V1) => mount_v1(false)?,
        Look::Namespaces(Cgroups::Hybrid) => mount_v1(true)?,
        _ => init::cgroups(look)?,
    }
    init::runtime(&exe, &bytes)?;
    init::temporary(&task, &exe)?;
    init::identity()?;
    protect()?;
    systemd::exec(false)
}

/// Sees to it that this process ends with its keeper.
fn follow_in_death() -> Result<(), Error> {
    set_pdeathsig(Signal::SIGKILL).map_err(on("follow in death", "the keeper"))?;
    // It may have died before that; its number can't be asked for, from another pid namespace. But then
    // nobody holds the other end of the console.
    let stderr = io::stderr();
    let mut console = [PollFd::new(std::os::fd::AsFd::as_fd(&stderr), PollFlags::empty())];
    match poll(&mut console, PollTimeout::ZERO).map_err(on("look at", "the console"))? {
        0 => Ok(()),
        _ => Err(Error::new("whoever wanted namespaces is dead already")),
    }
}

/// Mounts every hierarchy of v1 that the host has on a folder of its own, and v2 beside them if asked.
///
/// systemd takes what it finds there, and mounts what it misses of v1 in its own namespace.
fn mount_v1(with_v2: bool) -> Result<(), Error> {
    let root = Path::new("/sys/fs/cgroup");
    file_system("tmpfs", root, QUIET, "mode=755")?;
    for key in v1_keys()? {
        let (folder, options) = match key.strip_prefix("name=") {
            Some(name) => (root.join(name), format!("none,{key}")),
            None => (root.join(&key), key.clone()),
        };
        make(&folder)?;
        file_system("cgroup", &folder, QUIET, &options)?;
    }
    if with_v2 {
        let folder = root.join("unified");
        make(&folder)?;
        file_system("cgroup2", &folder, QUIET, "nsdelegate")?;
    }
    Ok(())
}

/// The controllers or the name of every hierarchy of v1: cgroups(7).
fn v1_keys() -> Result<Vec<String>, Error> {
    let file = "/proc/self/cgroup";
    let text = fs::read_to_string(file).map_err(on("read", file))?;
    let keys = text.lines().filter_map(|line| line.split(':').nth(1));
    Ok(keys.filter(|key| !key.is_empty()).map(str::to_owned).collect())
}

/// Where the host has them mounted: by their names, as every distribution does.
fn v1_hierarchies() -> Result<Vec<PathBuf>, Error> {
    let place = |key: String| Path::new("/sys/fs/cgroup").join(key.strip_prefix("name=").unwrap_or(&key));
    let places = v1_keys()?.into_iter().map(place);
    Ok(places.filter(|place| place.join("cgroup.procs").exists()).collect())
}

/// Moves this process into namespaces of its own; the roots of its cgroup namespace are these cgroups.
fn separate(cgroups: &[String]) -> Result<(), Error> {
    for cgroup in cgroups.iter().map(Path::new) {
        fs::write(cgroup.join("cgroup.procs"), "0").map_err(on("enter", cgroup))?;
    }
    let others = CloneFlags::CLONE_NEWCGROUP
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWNET;
    unshare(others).map_err(on("make", "namespaces"))?;
    looks::mount_namespace().map_err(on("make", "a mount namespace"))
}

/// Moves to a new root: memory over the host's, and what the task and this program need of the host.
fn root(folder: &Path, console: &Path, task: &Task, exe: &Path) -> Result<(), Error> {
    let stage = folder.join("stage");
    make(&stage)?;
    file_system("tmpfs", &stage, MsFlags::empty(), "mode=755")?;
    let root = stage.join("root");
    make(&root)?;
    overlay(Path::new("/"), &stage.join("memory"), &root)?;
    // A layer has nothing of what is mounted on it.
    for (number, point) in mounts_named(task, exe)?.iter().enumerate() {
        overlay(point, &stage.join(number.to_string()), &below(&root, point))?;
    }
    for folder in &task.writable {
        let place = below(&root, folder);
        make(&place)?;
        bind(folder, &place)?;
    }
    devices(&root.join("dev"), folder, console)?;
    chdir(&root).map_err(on("enter", &root))?;
    // The old root comes to lie over the new one, and goes: pivot_root(2).
    pivot_root(".", ".").map_err(on("pivot to", &root))?;
    umount2(".", MntFlags::MNT_DETACH).map_err(on("unmount the old root of", &root))?;
    chdir("/").map_err(on("enter", "/"))
}

/// Mounts a folder with memory over it, so that everything can be written and nothing stays.
fn overlay(lower: &Path, memory: &Path, place: &Path) -> Result<(), Error> {
    let [upper, work] = ["upper", "work"].map(|name| memory.join(name));
    make(&upper)?;
    make(&work)?;
    let layers =
        format!("lowerdir={},upperdir={},workdir={}", lower.display(), upper.display(), work.display());
    file_system("overlay", place, MsFlags::empty(), &layers)
}

/// Returns where a path of the host is below another root.
fn below(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

/// Returns where else on the host something is mounted of which the task names a part.
fn mounts_named(task: &Task, exe: &Path) -> Result<Vec<PathBuf>, Error> {
    let file = "/proc/self/mountinfo";
    let table = fs::read(file).map_err(on("read", file))?;
    let mut points: Vec<PathBuf> = table
        .split(|byte| *byte == b'\n')
        .filter_map(mount_point)
        .filter(|point| point != Path::new("/") && !OWN.iter().any(|own| point.starts_with(own)))
        .filter(|point| point.is_dir() && task.names_below(point, exe))
        .collect();
    // Those above come before those below them.
    points.sort();
    points.dedup();
    Ok(points)
}

/// Reads the fifth field of a line, in which blanks are octal numbers: proc_pid_mountinfo(5).
fn mount_point(line: &[u8]) -> Option<PathBuf> {
    let field = line.split(|byte| *byte == b' ').nth(4)?;
    let mut pieces = field.split(|byte| *byte == b'\\');
    let mut path = pieces.next()?.to_vec();
    for piece in pieces {
        let (number, rest) = piece.split_at_checked(3)?;
        path.push(u8::from_str_radix(std::str::from_utf8(number).ok()?, 8).ok()?);
        path.extend(rest);
    }
    Some(PathBuf::from(std::ffi::OsString::from_vec(path)))
}

/// Makes a folder of devices: the host's harmless ones, the console, and the line to the host.
fn devices(dev: &Path, folder: &Path, console: &Path) -> Result<(), Error> {
    file_system("tmpfs", dev, MsFlags::MS_NOSUID, "mode=755")?;
    let host = Path::new("/dev");
    for name in DEVICES {
        let Ok(node) = stat(&host.join(name)) else { continue };
        let place = dev.join(name);
        make(place.parent().unwrap_or(dev))?;
        // Of its own: another mode given to the host's would be the host's too.
        mknod(&place, SFlag::S_IFCHR, Mode::empty(), node.st_rdev).map_err(on("make", &place))?;
        let mode = Permissions::from_mode(node.st_mode & 0o7777);
        fs::set_permissions(&place, mode).map_err(on("open up", &place))?;
    }
    let line = Path::new(SERIAL).file_name().unwrap_or_default();
    for (from, to) in [(console, dev.join("console")), (&folder.join(LINE), dev.join(line))] {
        File::create(&to).map_err(on("make", &to))?;
        bind(from, &to)?;
    }
    Ok(())
}

/// Protects the kernel's settings from systemd and the task.
fn protect() -> Result<(), Error> {
    // A user namespace may mount these two only where they are seen whole somewhere: user_namespaces(7).
    for kind in ["proc", "sysfs"] {
        let place = Path::new(RUN).join(kind);
        make(&place)?;
        file_system(kind, &place, QUIET, "")?;
    }
    // Not every kernel has all of these.
    for path in SETTINGS.map(Path::new).into_iter().filter(|path| path.exists()) {
        bind(path, path)?;
        read_only(path)?;
    }
    let mounts = ["/sys", "/sys/kernel/security", "/sys/fs/selinux"].map(Path::new);
    mounts.into_iter().filter(|path| path.is_dir()).try_for_each(read_only)
}

fn read_only(path: &Path) -> Result<(), Error> {
    let flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY | QUIET;
    mount(None::<&str>, path, None::<&str>, flags, None::<&str>).map_err(on("protect", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_point_is_the_fifth_field_with_its_blanks() {
        let line = br"36 35 98:0 /mnt1 /mnt/My\040Disk\134 rw - ext3 /dev/root rw";
        assert_eq!(mount_point(line), Some(PathBuf::from(r"/mnt/My Disk\")));
        assert_eq!(mount_point(b""), None);
    }
}

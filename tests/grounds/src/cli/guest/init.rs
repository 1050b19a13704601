//! The guest's process 1: builds the ground, and starts the task or systemd on it.
//!
//! The kernel gives it the host's root file system, read-only. It puts a file system in memory over it,
//! so that everything can be written and nothing stays.

use std::convert::Infallible;
use std::fs::{self, File, Permissions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, io};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::reboot::{RebootMode, reboot};
use nix::sys::wait::wait;
use nix::unistd::{Pid, chdir, pivot_root};

use super::error::{Error, on};
use super::{Look, RUN, SERIAL, TASK_FILE, Task, old, systemd};

/// Where the new root is built: a folder that every system has. (Its own files come back below.)
const STAGE: &str = "/tmp";

/// Builds the ground and hands over to the task or to systemd; on the way back, it turns the machine off.
pub(super) fn run(arguments: &[String]) -> ! {
    let Err(error) = boot(arguments);
    give_up(&error)
}

/// Says why there will be no ground, and turns the machine off.
pub(super) fn give_up(error: &Error) -> ! {
    // The kernel's console, whose last lines the host shows.
    eprintln!("grounds: {error}");
    power_off()
}

fn boot(arguments: &[String]) -> Result<Infallible, Error> {
    let [look, folder] = arguments else {
        return Err(Error::new(format!("guest-init LOOK FOLDER, not {arguments:?}")));
    };
    let look = Look::from_name(look).ok_or_else(|| Error::new(format!("no look {look:?}")))?;
    let exe = this_program().map_err(on("find", "grounds"))?;

    let bytes = root(look, Path::new(folder))?;
    let task = Task::from_bytes(&bytes).map_err(on("read", TASK_FILE))?;
    kernel_file_systems()?;
    devices()?;
    cgroups(look)?;
    runtime(&exe, &bytes)?;
    if look == Look::Old {
        modules()?;
    }
    temporary(&task, &exe)?;
    for folder in &task.writable {
        make(folder)?;
        share(look, folder, folder, MsFlags::empty())?;
    }
    identity()?;
    match look {
        Look::Systemd | Look::Namespaces(_) => systemd::exec(false),
        Look::SystemdUser => systemd::exec(true),
        Look::Bare | Look::AppArmor | Look::Selinux | Look::Smp | Look::Old => bare(&exe),
    }
}

/// Returns the path that the kernel started. (`/proc` is still the host's, and speaks of the host.)
pub(super) fn this_program() -> io::Result<PathBuf> {
    env::args_os().next().map(PathBuf::from).ok_or_else(|| io::ErrorKind::NotFound.into())
}

/// Moves to a new root: memory over the host's. Returns the task, which only the old one shows.
fn root(look: Look, folder: &Path) -> Result<Vec<u8>, Error> {
    let stage = Path::new(STAGE);
    file_system("tmpfs", stage, MsFlags::empty(), "mode=755")?;
    let [upper, work, root, given] = ["upper", "work", "root", "given"].map(|name| stage.join(name));
    for folder in [&upper, &work, &root, &given] {
        make(folder)?;
    }
    share(look, folder, &given, MsFlags::MS_RDONLY)?;
    let task = fs::read(given.join(TASK_FILE)).map_err(on("read", TASK_FILE))?;
    umount2(&given, MntFlags::MNT_DETACH).map_err(on("unmount", &given))?;

    let layers = format!("lowerdir=/,upperdir={},workdir={}", upper.display(), work.display());
    file_system("overlay", &root, MsFlags::empty(), &layers)?;
    let dev = root.join("dev");
    move_mount(Path::new("/dev"), &dev)?;
    chdir(&root).map_err(on("enter", &root))?;
    // The old root comes to lie over the new one, and goes: pivot_root(2).
    pivot_root(".", ".").map_err(on("pivot to", &root))?;
    umount2(".", MntFlags::MNT_DETACH).map_err(on("unmount the old root of", &root))?;
    chdir("/").map_err(on("enter", "/"))?;
    Ok(task)
}

pub(super) fn kernel_file_systems() -> Result<(), Error> {
    let quiet = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    file_system("proc", "/proc", quiet, "")?;
    file_system("sysfs", "/sys", quiet, "")?;
    // Each is there when its kernel part is on.
    for (kind, place) in [("securityfs", "/sys/kernel/security"), ("selinuxfs", "/sys/fs/selinux")] {
        if Path::new(place).is_dir() {
            file_system(kind, place, quiet, "")?;
        }
    }
    Ok(())
}

pub(super) fn devices() -> Result<(), Error> {
    let quiet = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    for name in ["/dev/pts", "/dev/shm", "/dev/mqueue"] {
        make(Path::new(name))?;
    }
    file_system("devpts", "/dev/pts", quiet, "ptmxmode=666,mode=620,gid=5")?;
    file_system("tmpfs", "/dev/shm", MsFlags::MS_NOSUID | MsFlags::MS_NODEV, "mode=1777")?;
    file_system("mqueue", "/dev/mqueue", quiet | MsFlags::MS_NODEV, "")?;
    let links = [("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")];
    for (name, target) in links {
        let link = Path::new("/dev").join(name);
        symlink(target, &link).map_err(on("link", &link))?;
    }
    // The task may be started by an ordinary user's systemd.
    fs::set_permissions(SERIAL, Permissions::from_mode(0o666)).map_err(on("open up", SERIAL))
}

/// Mounts cgroup v2, and without systemd enables every controller for the root's children.
pub(super) fn cgroups(look: Look) -> Result<(), Error> {
    let root = Path::new("/sys/fs/cgroup");
    let quiet = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    file_system("cgroup2", root, quiet, "nsdelegate,memory_recursiveprot")?;
    if look.has_systemd() {
        return Ok(());
    }
    let file = root.join("cgroup.controllers");
    let controllers = fs::read_to_string(&file).map_err(on("read", &file))?;
    let file = root.join("cgroup.subtree_control");
    for controller in controllers.split_whitespace() {
        fs::write(&file, format!("+{controller}")).map_err(on(&format!("write +{controller} to"), &file))?;
    }
    Ok(())
}

/// Puts the kernel's modules where it looks for what it needs and doesn't have.
///
/// By a link: a folder with a mount in it can't be bound alone in a user namespace (mount_namespaces(7)),
/// and `/usr` often is.
fn modules() -> Result<(), Error> {
    let (modules, link) = old::modules()?;
    let place = Path::new(RUN).join("modules");
    make(&place)?;
    bind(&modules, &place)?;
    make(link.parent().unwrap_or(&link))?;
    match symlink(&place, &link) {
        // The host has this very kernel, and so its modules.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        done => done.map_err(on("link", &link)),
    }
}

/// Makes /run anew; the task and this program wait in it for whoever starts the task.
pub(super) fn runtime(exe: &Path, task: &[u8]) -> Result<(), Error> {
    file_system("tmpfs", "/run", MsFlags::MS_NOSUID | MsFlags::MS_NODEV, "mode=755")?;
    for folder in [Path::new("/run/lock"), Path::new(RUN)] {
        make(folder)?;
    }
    let run = Path::new(RUN);
    let file = run.join(TASK_FILE);
    fs::write(&file, task).map_err(on("write", &file))?;
    let program = run.join("grounds");
    File::create(&program).map_err(on("make", &program))?;
    bind(exe, &program)
}

/// Makes /tmp anew, a file system of its own as tests expect, with those of the host's entries in it
/// that the task names: a program built below /tmp is reachable.
pub(super) fn temporary(task: &Task, exe: &Path) -> Result<(), Error> {
    let tmp = Path::new("/tmp");
    let mut entries = Vec::new();
    for path in task.entries_named_below(tmp, exe) {
        // Held open, they are still there when the new file system hides them.
        match File::options().read(true).custom_flags(OFlag::O_PATH.bits()).open(&path) {
            Ok(file) => entries.push((path, file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(on("open", &path)(error)),
        }
    }
    // With devices: tests make some, and see who may open them.
    file_system("tmpfs", tmp, MsFlags::MS_NOSUID, "mode=1777")?;
    for (path, file) in entries {
        if file.metadata().map_err(on("look at", &path))?.is_dir() {
            make(&path)?;
        } else {
            File::create(&path).map_err(on("make", &path))?;
        }
        bind(Path::new(&format!("/proc/self/fd/{}", file.as_raw_fd())), &path)?;
    }
    Ok(())
}

/// Gives the machine a name, a machine-id and a loopback interface that is up.
pub(super) fn identity() -> Result<(), Error> {
    // Whatever the host has: two machines with one identity are a lie.
    let id = Path::new("/etc/machine-id");
    let random = fs::read_to_string("/proc/sys/kernel/random/uuid").map_err(on("make", id))?;
    fs::write(id, random.replace('-', "")).map_err(on("write", id))?;
    fs::write("/proc/sys/kernel/hostname", "grounds").map_err(on("name", "the machine"))?;
    // IFF_UP | IFF_LOOPBACK
    fs::write("/sys/class/net/lo/flags", "0x9").map_err(on("bring up", "lo"))
}

/// Starts the task and buries whoever dies, until the task's starter does.
fn bare(exe: &Path) -> Result<Infallible, Error> {
    let starter = Command::new(exe).arg("guest-task").spawn().map_err(on("run", exe))?;
    let starter = Pid::from_raw(starter.id() as i32);
    loop {
        match wait() {
            Ok(status) if status.pid() == Some(starter) => power_off(),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(on("wait for", exe)(error)),
        }
    }
}

fn power_off() -> ! {
    let Err(error) = reboot(RebootMode::RB_POWER_OFF);
    // The kernel panics when this process ends, which is an end too.
    panic!("power off: {error}")
}

pub(super) fn make(folder: &Path) -> Result<(), Error> {
    fs::create_dir_all(folder).map_err(on("make", folder))
}

pub(super) fn file_system(
    kind: &str,
    place: impl AsRef<Path>,
    flags: MsFlags,
    data: &str,
) -> Result<(), Error> {
    let place = place.as_ref();
    mount(Some(kind), place, Some(kind), flags, Some(data)).map_err(on(&format!("mount {kind} on"), place))
}

/// Mounts a folder of the host.
fn share(look: Look, folder: &Path, place: &Path, flags: MsFlags) -> Result<(), Error> {
    if look == Look::Old {
        return old::mount_share(folder, place, flags);
    }
    // mount(2) takes its path for all of hostfs's options.
    mount(Some("hostfs"), place, Some("hostfs"), flags, Some(folder))
        .map_err(on("mount the host's folder on", place))
}

pub(super) fn bind(from: &Path, to: &Path) -> Result<(), Error> {
    let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
    mount(Some(from), to, None::<&str>, flags, None::<&str>).map_err(on("bind on", to))
}

fn move_mount(from: &Path, to: &Path) -> Result<(), Error> {
    mount(Some(from), to, None::<&str>, MsFlags::MS_MOVE, None::<&str>).map_err(on("move mount to", to))
}

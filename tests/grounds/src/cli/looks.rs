//! Other looks of this kernel: what a program makes around itself before it becomes the task.

use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};

use crate::ground::{Cgroups, Ground, Range, refused};

/// The ordinary user with a range: a number that no distribution gives away.
const USER: u32 = 54321;
const USER_NAME: &str = "grounds";
const FIRST_ID: u32 = 1_000_000;
/// The ordinary user without anything.
const NOBODY: u32 = 65534;

const CGROUPS: &str = "/sys/fs/cgroup";

/// Makes the ground and becomes the task; returns only why it could not.
pub(crate) fn become_task(ground: &Ground, argv: &[OsString]) -> String {
    if let Err(error) = make(ground) {
        return format!("{ground}: {error}");
    }
    let Some((program, arguments)) = argv.split_first() else { return "no program".to_owned() };
    let error = Command::new(program).args(arguments).exec();
    format!("{}: {error}", program.display())
}

fn make(ground: &Ground) -> Result<(), String> {
    match ground {
        Ground::Refuse(calls) => refused(calls)?.install().map_err(|error| error.to_string()),
        Ground::User(range) => ordinary_user(*range).map_err(|error| error.to_string()),
        Ground::Cgroups(cgroups) => mount_cgroups(*cgroups).map_err(|error| error.to_string()),
        _ => Ok(()),
    }
}

/// Why these cgroups can't be shown here, if so.
pub(crate) fn missing(cgroups: Cgroups) -> Option<String> {
    let v1 = Path::new(CGROUPS).join("memory").exists();
    let unified = Path::new(CGROUPS).join("unified").exists();
    match cgroups {
        Cgroups::V1 | Cgroups::Hybrid if !v1 => {
            Some("this kernel's controllers are all on cgroup v2".to_owned())
        }
        Cgroups::Hybrid if !unified => Some(format!("no cgroup2 at {CGROUPS}/unified")),
        _ => None,
    }
}

/// A mount namespace of one's own, of which nothing gets out.
pub(crate) fn mount_namespace() -> io::Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    let none = None::<&str>;
    Ok(mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?)
}

fn mount_cgroups(cgroups: Cgroups) -> io::Result<()> {
    mount_namespace()?;
    let unified = Path::new(CGROUPS).join("unified");
    match cgroups {
        Cgroups::V1 if unified.exists() => umount2(&unified, MntFlags::MNT_DETACH)?,
        Cgroups::V2 if unified.exists() => {
            // All of version 1 goes first: what is only covered is still in the table of mounts.
            umount2(CGROUPS, MntFlags::MNT_DETACH)?;
            mount(Some("cgroup2"), CGROUPS, Some("cgroup2"), MsFlags::empty(), None::<&str>)?;
        }
        _ => {}
    }
    Ok(())
}

fn ordinary_user(range: Range) -> io::Result<()> {
    mount_namespace()?;
    open_the_way(&env::current_dir()?)?;
    open_the_way(&crate::this_program()?)?;
    let uid = match range {
        Range::None => NOBODY,
        Range::Ids65536 => {
            let line = format!("{USER_NAME}:x:{USER}:{USER}::/tmp:/bin/sh\n");
            add_to("/etc/passwd", &line)?;
            add_to("/etc/group", &format!("{USER_NAME}:x:{USER}:\n"))?;
            add_to("/etc/subuid", &format!("{USER_NAME}:{FIRST_ID}:65536\n"))?;
            add_to("/etc/subgid", &format!("{USER_NAME}:{FIRST_ID}:65536\n"))?;
            USER
        }
    };
    setgroups(&[])?;
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(uid));
    setresgid(gid, gid, gid)?;
    Ok(setresuid(uid, uid, uid)?)
}

/// Shows a file with more lines than it has, in this mount namespace only.
fn add_to(file: &str, lines: &str) -> io::Result<()> {
    let mut text = fs::read_to_string(file)?;
    text.push_str(lines);
    // A file on a file system of memory that has no other name.
    let folder = env::temp_dir().join(format!("grounds-{}", std::process::id()));
    fs::create_dir(&folder)?;
    let none = None::<&str>;
    let outcome = (|| {
        mount(Some("grounds"), &folder, Some("tmpfs"), MsFlags::empty(), Some("mode=755"))?;
        let copy = folder.join("copy");
        fs::write(&copy, text)?;
        mount(Some(&copy), file, none, MsFlags::MS_BIND, none)?;
        umount2(&folder, MntFlags::MNT_DETACH)?;
        Ok(())
    })();
    fs::remove_dir(&folder)?;
    outcome
}

/// Makes a path reachable for others: where a folder on it is closed to them (root's home), another is
/// mounted over it that holds nothing but the rest of the way.
fn open_the_way(path: &Path) -> io::Result<()> {
    let mut above: Vec<&Path> = path.ancestors().skip(1).collect();
    above.reverse();
    for folder in above {
        if fs::metadata(folder)?.mode() & 0o001 == 0 {
            let rest = path.strip_prefix(folder).map_err(io::Error::other)?;
            let first = rest.iter().next().map(PathBuf::from).unwrap_or_default();
            return show_only(folder, &first);
        }
    }
    Ok(())
}

/// Mounts a file system of memory over a folder in which only this entry of it is left.
fn show_only(folder: &Path, entry: &Path) -> io::Result<()> {
    let none = None::<&str>;
    let held = fs::File::open(folder.join(entry))?;
    let source = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&held));
    mount(Some("grounds"), folder, Some("tmpfs"), MsFlags::empty(), Some("mode=755"))?;
    let target = folder.join(entry);
    if held.metadata()?.is_dir() {
        fs::create_dir(&target)?;
    } else {
        fs::write(&target, "")?;
    }
    Ok(mount(Some(source.as_str()), &target, none, MsFlags::MS_BIND | MsFlags::MS_REC, none)?)
}

/// Why systemd can't be started in namespaces here, if so.
pub(crate) fn missing_systemd() -> Option<String> {
    Some("not built yet".to_owned())
}

//! Other looks of this kernel: what a program makes around itself before it becomes the task.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::fd::AsRawFd;
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
/// The ordinary user without anything, even a name.
const NAMELESS: u32 = 54322;

const CGROUPS: &str = "/sys/fs/cgroup";

/// Makes the ground and becomes the task; returns only why it could not.
pub(crate) fn become_task(ground: &Ground, argv: &[OsString]) -> String {
    if let Err(error) = make(ground, argv) {
        return format!("{ground}: {error}");
    }
    let Some((program, arguments)) = argv.split_first() else { return "no program".to_owned() };
    let error = Command::new(program).args(arguments).exec();
    format!("{}: {error}", program.display())
}

fn make(ground: &Ground, argv: &[OsString]) -> Result<(), String> {
    match ground {
        Ground::Refuse(calls) => refused(calls)?.install().map_err(|error| error.to_string()),
        Ground::User(range) => ordinary_user(*range, argv).map_err(|error| error.to_string()),
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
    let wanted = match cgroups {
        Cgroups::V1 => {
            // The folder stays where it was unmounted before.
            if unified.join("cgroup.procs").exists() {
                umount2(&unified, MntFlags::MNT_DETACH)?;
            }
            (true, false)
        }
        Cgroups::V2 => {
            if !Path::new(CGROUPS).join("cgroup.controllers").exists() {
                // All of version 1 goes first: what is only covered is still in the table of mounts.
                umount2(CGROUPS, MntFlags::MNT_DETACH)?;
                mount(Some("cgroup2"), CGROUPS, Some("cgroup2"), MsFlags::empty(), None::<&str>)?;
            }
            (false, true)
        }
        Cgroups::Hybrid => (true, true),
    };
    let table = fs::read_to_string("/proc/self/mountinfo")?;
    let made = (table.contains(" - cgroup "), table.contains(" - cgroup2 "));
    if made == wanted { Ok(()) } else { Err(io::Error::other("the mounts are not as they should be")) }
}

fn ordinary_user(range: Range, argv: &[OsString]) -> io::Result<()> {
    mount_namespace()?;
    let (cwd, this) = (env::current_dir()?, crate::this_program()?);
    let named = argv.iter().map(Path::new);
    open_the_ways(named.chain([cwd.as_path(), this.as_path()]))?;
    env::set_current_dir(&cwd)?; // the one of that name that is seen now
    let uid = match range {
        Range::None => NAMELESS,
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
    let none = None::<&str>;
    // A file on a file system of memory that has no other name, once it is unmounted.
    mount(Some("grounds"), "/tmp", Some("tmpfs"), MsFlags::empty(), Some("mode=755"))?;
    fs::write("/tmp/copy", text)?;
    mount(Some("/tmp/copy"), file, none, MsFlags::MS_BIND, none)?;
    Ok(umount2("/tmp", MntFlags::MNT_DETACH)?)
}

/// Makes paths reachable for others, in this mount namespace: over a folder on the way that is closed to
/// them (root's home), another is mounted that holds nothing but the rest of the ways.
pub(crate) fn open_the_ways<'a>(paths: impl IntoIterator<Item = &'a Path>) -> io::Result<()> {
    let mut paths: Vec<&Path> =
        paths.into_iter().filter(|path| path.is_absolute() && path.exists()).collect();
    paths.sort_unstable();
    paths.dedup();
    while let Some(closed) = paths.iter().find_map(|path| first_closed(path)) {
        let below = paths.iter().filter_map(|path| path.strip_prefix(&closed).ok()?.iter().next());
        let entries: BTreeSet<&OsStr> = below.collect();
        show_only(&closed, &entries)?;
    }
    Ok(())
}

/// The first folder above a path that others can't go through.
fn first_closed(path: &Path) -> Option<PathBuf> {
    let mut above: Vec<&Path> = path.ancestors().skip(1).collect();
    above.reverse();
    let closed = |folder: &&&Path| fs::metadata(folder).is_ok_and(|folder| folder.mode() & 0o001 == 0);
    above.iter().find(closed).map(|folder| folder.to_path_buf())
}

/// Mounts a file system of memory over a folder, in which only these entries of it are left.
fn show_only(folder: &Path, entries: &BTreeSet<&OsStr>) -> io::Result<()> {
    let none = None::<&str>;
    let held = entries.iter().map(|entry| Ok((entry, fs::File::open(folder.join(entry))?)));
    let held: Vec<_> = held.collect::<io::Result<_>>()?;
    mount(Some("grounds"), folder, Some("tmpfs"), MsFlags::empty(), Some("mode=755"))?;
    for (entry, held) in held {
        let source = format!("/proc/self/fd/{}", held.as_raw_fd());
        let target = folder.join(entry);
        if held.metadata()?.is_dir() {
            fs::create_dir(&target)?;
        } else {
            fs::write(&target, "")?;
        }
        mount(Some(source.as_str()), &target, none, MsFlags::MS_BIND | MsFlags::MS_REC, none)?;
    }
    Ok(())
}

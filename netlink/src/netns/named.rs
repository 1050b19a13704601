//! Network namespaces that have a name or another place in the file system, as ip-netns(8) keeps them.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind as Io};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};

use super::Netns;
use crate::error::{ErrorKind, Failure, Hints, Result};

/// Where ip-netns(8) keeps them.
const FOLDER: &str = "/run/netns";

const PINNING: Hints<'static> = &[
    (Errno::EEXIST, "the name is taken"),
    (Errno::EPERM, "needs CAP_SYS_ADMIN in the owner of this mount namespace"),
];

impl Netns {
    /// Opens a network namespace by the name that ip-netns(8) or [`create_named`](Netns::create_named) gave it.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound): there is none of that name.
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput): it can't be a name, or what has it is no network namespace.
    pub fn named(name: &str) -> Result<Netns> {
        const HINTS: Hints<'_> = &[(Errno::ENOENT, "there is none of that name in /run/netns")];
        path_of(name)
            .and_then(|path| Netns::try_open(&path))
            .map_err(|failure| failure.when(format_args!("open network namespace {name:?}"), HINTS))
    }

    /// Makes a new network namespace that stays until its name is [deleted](Netns::delete_named), as `ip netns add`
    /// does: seen by `ip netns`, and in all mount namespaces that share `/run/netns` with the caller's.
    ///
    /// # Errors
    /// [`AlreadyExists`](crate::ErrorKind::AlreadyExists): the name is taken.
    /// [`PermissionDenied`](crate::ErrorKind::PermissionDenied): it needs `CAP_SYS_ADMIN`.
    /// [`Busy`](crate::ErrorKind::Busy): another process keeps `/run/netns` locked for ten seconds.
    pub fn create_named(name: &str) -> Result<Netns> {
        try_create_named(name)
            .map_err(|failure| failure.when(format_args!("create network namespace {name:?}"), PINNING))
    }

    /// Takes the name from a network namespace. It goes if nothing else holds it.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound): there is none of that name.
    /// [`PermissionDenied`](crate::ErrorKind::PermissionDenied): it needs `CAP_SYS_ADMIN`.
    pub fn delete_named(name: &str) -> Result<()> {
        const HINTS: Hints<'_> = &[
            (Errno::ENOENT, "there is none of that name in /run/netns"),
            (Errno::EPERM, "needs CAP_SYS_ADMIN in the owner of this mount namespace"),
        ];
        path_of(name)
            .and_then(|path| unpin(&path))
            .map_err(|failure| failure.when(format_args!("delete network namespace {name:?}"), HINTS))
    }

    /// Lists the names of network namespaces, in their order. What is in `/run/netns` and is no network namespace is
    /// not among them.
    ///
    /// # Errors
    /// `/run/netns` is there and can't be read.
    pub fn list_named() -> Result<Vec<String>> {
        names().map_err(|error| Failure::from(error).when("list \"/run/netns\"", &[]))
    }

    /// Keeps it at a path, where it stays until the path is unmounted and removed: a file is made there, and the
    /// namespace mounted over it, in the calling thread's mount namespace.
    ///
    /// # Errors
    /// [`AlreadyExists`](crate::ErrorKind::AlreadyExists): there is something already. It is not touched.
    /// [`NotFound`](crate::ErrorKind::NotFound): its folder is not there.
    /// [`PermissionDenied`](crate::ErrorKind::PermissionDenied): it needs `CAP_SYS_ADMIN`.
    pub fn pin(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        self.try_pin(path)
            .map_err(|failure| failure.when(format_args!("pin network namespace at {path:?}"), PINNING))
    }

    /// Takes it from the path where it was [pinned](Netns::pin): unmounts that and removes the file. It goes if nothing
    /// else holds it.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound): there is nothing.
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput): what is there is no network namespace. It is not touched.
    /// [`PermissionDenied`](crate::ErrorKind::PermissionDenied): it needs `CAP_SYS_ADMIN`.
    pub fn unpin(path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        Netns::try_open(path)
            .and_then(|_| unpin(path))
            .map_err(|failure| failure.when(format_args!("unpin network namespace at {path:?}"), PINNING))
    }

    fn try_pin(&self, path: &Path) -> Result<(), Failure> {
        // No rights at all: before the mount it is of no use to anybody.
        OpenOptions::new().write(true).create_new(true).mode(0o000).open(path)?;
        let source = format!("/proc/thread-self/fd/{}", self.file.as_raw_fd());
        let mounted = mount(Some(source.as_str()), path, None::<&str>, MsFlags::MS_BIND, None::<&str>);
        // The file is ours: nobody had it before.
        mounted.inspect_err(|_| drop(fs::remove_file(path)))?;
        Ok(())
    }
}

fn try_create_named(name: &str) -> Result<Netns, Failure> {
    let path = path_of(name)?;
    // First what fails without a trace.
    let netns = Netns::try_create()?;
    // As long as this is open, nobody else makes the folder's mount.
    let _folder = shared_folder()?;
    match netns.try_pin(&path) {
        Ok(()) => Ok(netns),
        Err(failure) if failure.errno() == Some(Errno::EEXIST) && Netns::try_open(&path).is_err() => {
            // Left by somebody who was killed between the two steps.
            let why = "what has the name is no network namespace; to delete it makes room".to_owned();
            Err(Failure::Conflict(ErrorKind::AlreadyExists, why))
        }
        Err(failure) => Err(failure),
    }
}

/// Another program that makes a namespace holds it for less than a millisecond.
const LONGEST_LOCK: Duration = Duration::from_secs(10);

fn path_of(name: &str) -> Result<PathBuf, Failure> {
    let wrong = |why: &str| Err(Failure::Input(format!("{name:?} {why}")));
    match name {
        "" | "." | ".." => wrong("can't be a name"),
        _ if name.contains(['/', '\0']) => wrong("has one of \"/\" and NUL in it"),
        _ if name.len() > 255 => wrong("has more than 255 bytes"),
        _ => Ok(Path::new(FOLDER).join(name)),
    }
}

/// Makes `/run/netns` a mount that others share, as ip-netns(8) does: a namespace that one mount namespace removes
/// is then not kept by copies of the mount in others. Returns the lock that ip-netns(8) takes for it.
fn shared_folder() -> Result<File, Failure> {
    let none = None::<&str>;
    fs::DirBuilder::new().recursive(true).mode(0o755).create(FOLDER)?;
    let folder = File::open(FOLDER)?;
    // Anybody who may read the folder can lock it, for as long as they like.
    let end = Instant::now() + LONGEST_LOCK;
    while let Err(error) = folder.try_lock() {
        match error {
            TryLockError::WouldBlock if Instant::now() > end => {
                let why = format!("{FOLDER:?} has been locked by another process for ten seconds");
                return Err(Failure::Conflict(ErrorKind::Busy, why));
            }
            TryLockError::WouldBlock => thread::sleep(Duration::from_millis(5)),
            TryLockError::Error(error) if error.kind() == Io::Interrupted => {}
            TryLockError::Error(error) => return Err(error.into()),
        }
    }
    let share = || mount(none, FOLDER, none, MsFlags::MS_SHARED | MsFlags::MS_REC, none);
    match share() {
        // It is no mount yet.
        Err(Errno::EINVAL) => {
            mount(Some(FOLDER), FOLDER, none, MsFlags::MS_BIND | MsFlags::MS_REC, none)?;
            share()?;
        }
        outcome => outcome?,
    }
    Ok(folder)
}

fn unpin(path: &Path) -> Result<(), Failure> {
    match umount2(path, MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW) {
        // What is no mount was left by somebody who was killed on the way.
        Ok(()) | Err(Errno::EINVAL) => {}
        Err(errno) => return Err(errno.into()),
    }
    Ok(fs::remove_file(path)?)
}

fn names() -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(FOLDER) {
        Err(error) if error.kind() == Io::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry?;
        if let (Ok(name), Ok(_)) = (entry.file_name().into_string(), Netns::try_open(&entry.path())) {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_in_its_folder() {
        for name in ["", ".", "..", "a/b", "../etc", "a\0b", &"x".repeat(256)] {
            assert!(path_of(name).is_err(), "{name:?}");
        }
        assert_eq!(path_of("blue").unwrap(), Path::new("/run/netns/blue"));
    }
}

//! The id maps of a new user namespace.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use mount::{IdMap, IdRange};

use super::write_proc;
use crate::config::{Config, IdMapping, Namespace, NamespaceKind};
use crate::error::{Error, ErrorKind, Result};

/// Writes the maps of a container's first process.
pub(super) fn write(config: &Config, pid: u32) -> Result<()> {
    if !config.is_new(NamespaceKind::User) {
        return Ok(());
    }
    if !may_set_groups(config) {
        let path = format!("/proc/{pid}/setgroups");
        write_proc(Path::new(&path), "deny")
            .map_err(|error| Error::io(format_args!("write {path:?}"), &error))?;
    }
    map(pid, "uid_map", "newuidmap", &config.uid_mappings)?;
    map(pid, "gid_map", "newgidmap", &config.gid_mappings)
}

/// Makes the maps of the mounts that have some, by the mounts' places.
pub(super) fn of_mounts(config: &Config) -> Result<BTreeMap<usize, Arc<OwnedFd>>> {
    let mut made: Vec<(IdMap, Arc<OwnedFd>)> = Vec::new();
    let mut maps = BTreeMap::new();
    for (index, mount) in config.mounts.iter().enumerate().filter(|(_, mount)| mount.is_idmapped()) {
        let what = |why: &dyn Display| format!("mount on {:?}: map its ids: {why}", mount.destination);
        let own = !mount.uid_mappings.is_empty();
        let joined = config.namespaces.iter().find(|namespace| namespace.kind == NamespaceKind::User);
        if let Some(path) = joined.and_then(|joined| joined.path.as_ref()).filter(|_| !own) {
            let file =
                File::open(path).map_err(|error| Error::io(what(&format_args!("open {path:?}")), &error))?;
            maps.insert(index, Arc::new(file.into()));
            continue;
        }
        let mappings = if own {
            [&mount.uid_mappings, &mount.gid_mappings]
        } else {
            [&config.uid_mappings, &config.gid_mappings]
        };
        let [uids, gids] = mappings.map(|list| list.iter().map(range));
        let map =
            IdMap::new(uids, gids).map_err(|error| Error::new(ErrorKind::InvalidConfig, what(&error)))?;
        let known = made.iter().find(|(known, _)| *known == map).map(|(_, fd)| Arc::clone(fd));
        let fd = if let Some(fd) = known {
            fd
        } else {
            let made_now = map.user_namespace().map_err(|error| {
                let text = what(&error);
                Error::new(Error::from(error).kind(), text)
            })?;
            let fd = Arc::new(made_now);
            made.push((map, Arc::clone(&fd)));
            fd
        };
        maps.insert(index, fd);
    }
    Ok(maps)
}

fn range(mapping: &IdMapping) -> IdRange {
    IdRange { inside: mapping.container, outside: mapping.host, length: mapping.size }
}

/// Returns whether the namespace may set supplementary groups: not where an ordinary user maps only
/// the own group, which the kernel allows to nobody else, and not where it is denied already
/// ([`user_namespaces(7)`]).
///
/// [`user_namespaces(7)`]: https://man7.org/linux/man-pages/man7/user_namespaces.7.html
pub(super) fn may_set_groups(config: &Config) -> bool {
    // What a namespace denies, those inside of it deny too.
    if is_denied(Path::new("/proc/thread-self")) {
        return false;
    }
    match config.namespaces.iter().find(|namespace| namespace.kind == NamespaceKind::User) {
        None => true,
        Some(Namespace { path: None, .. }) => {
            nix::unistd::geteuid().is_root() || !is_own(&config.gid_mappings)
        }
        // /proc/PID/ns/user: beside it the kernel tells.
        Some(Namespace { path: Some(path), .. }) => !path.ancestors().nth(2).is_some_and(is_denied),
    }
}

/// Returns whether the calling thread is in another user namespace than the first, which maps all ids.
pub(super) fn in_user_namespace() -> bool {
    let map = fs::read_to_string("/proc/thread-self/uid_map");
    map.is_ok_and(|map| !map.split_whitespace().eq(["0", "0", "4294967295"]))
}

fn is_denied(process: &Path) -> bool {
    fs::read_to_string(process.join("setgroups")).is_ok_and(|word| word.trim() == "deny")
}

fn is_own(mappings: &[IdMapping]) -> bool {
    matches!(mappings, [one] if one.size == 1 && one.host == nix::unistd::getegid().as_raw())
}

fn map(pid: u32, file: &str, helper: &str, mappings: &[IdMapping]) -> Result<()> {
    let path = format!("/proc/{pid}/{file}");
    let line = |mapping: &IdMapping| format!("{} {} {}\n", mapping.container, mapping.host, mapping.size);
    let lines: String = mappings.iter().map(line).collect();
    match write_proc(Path::new(&path), &lines) {
        Ok(()) => Ok(()),
        // More than the own id: the host's administrator says what a user may have, /etc/subuid.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            by_helper(pid, helper, mappings, &Error::io(format_args!("write {path:?}"), &error))
        }
        Err(error) => Err(Error::io(format_args!("write {lines:?} to {path:?}"), &error)),
    }
}

fn by_helper(pid: u32, helper: &str, mappings: &[IdMapping], refused: &Error) -> Result<()> {
    let numbers = mappings.iter().flat_map(|one| [one.container, one.host, one.size]);
    let output = Command::new(helper)
        .arg(pid.to_string())
        .args(numbers.map(|number| number.to_string()))
        .stdin(Stdio::null())
        .output();
    let said = match output {
        Ok(output) if output.status.success() => return Ok(()),
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        Err(error) => error.to_string(),
    };
    Err(Error::new(ErrorKind::PermissionDenied, format_args!("{refused}; {helper}: {said}")))
}

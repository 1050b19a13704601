//! The attributes of a mount: `ro`, `nosuid`, `noatime` and the like, as `MOUNT_ATTR_*` bits.

use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;

use crate::error::quote;
use crate::sys::{self, attr, ms};
use crate::{Error, ErrorKind, MountInfo, Options, Result, info};

/// Those that take something away from whoever uses the mount.
pub(crate) const RESTRICTIONS: u64 =
    attr::RDONLY | attr::NOSUID | attr::NODEV | attr::NOEXEC | attr::NOSYMFOLLOW;

const BITS: [(u64, u64); 6] = [
    (attr::RDONLY, ms::RDONLY),
    (attr::NOSUID, ms::NOSUID),
    (attr::NODEV, ms::NODEV),
    (attr::NOEXEC, ms::NOEXEC),
    (attr::NODIRATIME, ms::NODIRATIME),
    (attr::NOSYMFOLLOW, ms::NOSYMFOLLOW),
];

/// Returns the `MS_*` bits for all attributes but the choice of atime.
pub(crate) fn ms_flags(attributes: u64) -> u64 {
    BITS.iter().filter(|(attribute, _)| attributes & attribute != 0).fold(0, |flags, (_, bit)| flags | bit)
}

/// As [`ms_flags`], with the choice of atime said aloud.
pub(crate) fn ms_flags_and_atime(attributes: u64) -> u64 {
    let atime = match attributes & attr::ATIME {
        attr::NOATIME => ms::NOATIME,
        attr::STRICTATIME => ms::STRICTATIME,
        _ => ms::RELATIME,
    };
    ms_flags(attributes) | atime
}

/// Returns the attributes that a mount has.
pub(crate) fn of(mount: &MountInfo) -> u64 {
    let words =
        mount.options.as_bytes().split(|&byte| byte == b',').filter_map(|word| str::from_utf8(word).ok());
    let set = Options::from_words(words).map_or(0, |options| options.attr_set());
    // The table says nothing where every access is kept.
    let strict = !mount.has_option("noatime") && !mount.has_option("relatime");
    set | if strict { attr::STRICTATIME } else { 0 }
}

/// Sets and clears attributes of the mount at `target`, or of the whole tree there. All others stay as they
/// are.
pub(crate) fn change(target: &Path, tree: bool, set: u64, clear: u64) -> Result<()> {
    if set | clear == 0 {
        return Ok(());
    }
    match sys::mount_setattr(target, tree, set, clear) {
        // Before Linux 5.12, and where a filter is older than the call, which then answers EPERM.
        Err(Errno::ENOSYS | Errno::EPERM) => by_remount(target, tree, set, clear),
        result => result.map_err(|error| Error::os(changing(target), target, error)),
    }
}

/// Does the same with mount(2), which replaces all attributes of one mount: the others are read and given
/// again.
fn by_remount(target: &Path, tree: bool, set: u64, clear: u64) -> Result<()> {
    let refuse = |kind, path: &Path, why| Err(Error::new(kind, changing(path), why).at(path));
    let id = info::mount_id(target)?;
    let table = info::mounts()?;
    let mounts = tree_of(&table, id, tree);
    if mounts.is_empty() {
        return refuse(ErrorKind::NotFound, target, "its mount is not in the mount table");
    }
    for mount in mounts {
        let path = &mount.mount_point;
        if info::mount_id(path)? != mount.id {
            let why = "it is covered by another mount, and this kernel has no mount_setattr";
            return refuse(ErrorKind::Unsupported, path, why);
        }
        let wanted = of(mount) & !clear | set;
        let flags = ms::REMOUNT | ms::BIND | ms_flags_and_atime(wanted);
        sys::mount(None, path, None, flags, None).map_err(|error| Error::os(changing(path), path, error))?;
    }
    Ok(())
}

fn changing(path: &Path) -> String {
    format!("set the attributes of {}", quote(path))
}

/// Returns the mount with this id, and with `tree` those below it; a mount stands before its children.
pub(crate) fn tree_of(table: &[MountInfo], id: u64, tree: bool) -> Vec<&MountInfo> {
    let mut found: Vec<_> = table.iter().filter(|mount| mount.id == id).collect();
    if !tree {
        return found;
    }
    let mut children: HashMap<u64, Vec<&MountInfo>> = HashMap::new();
    for mount in table.iter().filter(|mount| mount.id != mount.parent) {
        children.entry(mount.parent).or_default().push(mount);
    }
    let mut at = 0;
    while let Some(mount) = found.get(at) {
        found.extend(children.remove(&mount.id).into_iter().flatten());
        at += 1;
    }
    found
}

//! Whether what is asked for is there already.

use std::collections::BTreeSet;
use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::sys::stat::fstat;

use super::{Request, superblock_of};
use crate::at::magic_link;
use crate::error::quote;
use crate::sys::ms;
use crate::{At, Attributes, Error, ErrorKind, MountInfo, Propagation, Result, Table};

impl Request<'_> {
    /// Says whether what is asked for is at the target already, or fails if something else is.
    pub(crate) fn is_there_already(&self) -> Result<bool> {
        let target = At::Fd(self.target.as_fd());
        if !target.mounted()? {
            return Ok(false);
        }
        let Some(present) = target.mount_of()? else { return Ok(false) };
        let there = if !self.is_same(&present)? {
            format!("{} of type {} is mounted there", quote(&present.source), quote(&present.fs_type))
        } else if !self.is_as_asked(&present)? {
            format!("it is mounted there already, as {}", quote(&present.options))
        } else {
            return Ok(true);
        };
        Err(Error::new(ErrorKind::AlreadyMounted, &self.what, there).at(&self.at.name()))
    }

    fn is_same(&self, present: &MountInfo) -> Result<bool> {
        if self.options.bind().is_none() {
            return Ok(present.fs_type == self.fs_type && present.source == self.source.as_os_str());
        }
        let source = fs::metadata(self.source).map_err(|error| Error::io(&self.what, self.source, &error))?;
        let target = fstat(&self.target).map_err(|error| Error::os(&self.what, &self.at.name(), error))?;
        Ok((source.dev(), source.ino()) == (target.st_dev, target.st_ino))
    }

    fn is_as_asked(&self, present: &MountInfo) -> Result<bool> {
        // Which ids a mapped mount has can't be told.
        let is_mapped = present.has_option("idmapped") || self.mapping.is_some();
        let options = &self.options;
        let is_like_it = !is_mapped
            && Attributes::of(present).are(options.attr_set(), options.attr_clear())
            && self.has_superblock(present)
            && spreads_as(present, options.propagation());
        if is_like_it && self.is_recursive() && !self.has_same_tree()? {
            return Ok(false);
        }
        let (set, clear) = self.everywhere();
        let everywhere: Vec<_> =
            options.propagation().iter().copied().filter(|kind| kind.is_recursive()).collect();
        if !is_like_it || ((set | clear).is_empty() && everywhere.is_empty()) {
            return Ok(is_like_it);
        }
        let tree = Table::read()?.tree_of(present.id, true);
        Ok(tree.iter().all(|mount| Attributes::of(mount).are(set, clear) && spreads_as(mount, &everywhere)))
    }

    /// Says whether the mounts below the source are below the target too.
    fn has_same_tree(&self) -> Result<bool> {
        let table = Table::read()?;
        let below = |path: &Path| -> BTreeSet<PathBuf> {
            let mounts = table.iter().filter(|mount| mount.is_beneath(path) && !mount.is_unbindable());
            let points = mounts.map(|mount| mount.mount_point().into_owned());
            points.filter_map(|point| Some(point.strip_prefix(path).ok()?.to_owned())).collect()
        };
        let canonical =
            |path: &Path| fs::canonicalize(path).map_err(|error| Error::io(&self.what, path, &error));
        let (mut source, mut target) =
            (below(&canonical(self.source)?), below(&canonical(&magic_link(self.target.as_fd()))?));
        for tree in [&mut source, &mut target] {
            tree.remove(Path::new(""));
        }
        Ok(source == target)
    }

    /// Says whether the filesystem has the flags that are asked for.
    fn has_superblock(&self, present: &MountInfo) -> bool {
        if self.options.bind().is_some() {
            return true;
        }
        let (set, clear) = self.options.superblock();
        // One filesystem may have several mounts: a read-only one is what "ro" asks for. "mand" has no meaning
        // since Linux 5.15, and the others are never shown.
        let of_mount = self.options.attr_set() | self.options.attr_clear();
        let read_only = if of_mount.contains(Attributes::RDONLY) { 0 } else { ms::RDONLY };
        let shown = ms::SYNCHRONOUS | ms::DIRSYNC | ms::LAZYTIME | read_only;
        superblock_of(present) & (set | clear) & shown == set & shown
    }
}

/// Says whether a mount spreads as it does after these changes.
fn spreads_as(mount: &MountInfo, changes: &[Propagation]) -> bool {
    let (shared, slave) = (mount.shared().is_some(), mount.master().is_some());
    let unbindable = mount.is_unbindable();
    match changes.last() {
        None => true,
        Some(Propagation::Shared | Propagation::Rshared) => shared,
        // A mount without peers has no master when it becomes a slave.
        Some(Propagation::Slave | Propagation::Rslave) => !shared && !unbindable,
        Some(Propagation::Private | Propagation::Rprivate) => !shared && !slave && !unbindable,
        Some(Propagation::Unbindable | Propagation::Runbindable) => unbindable,
    }
}

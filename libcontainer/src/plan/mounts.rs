//! Mounts: the root first, then everything beneath it, then what is hidden.

use std::ffi::CString;
use std::path::Path;

use mount::{Bind, Options};

use super::builder::{Builder, inside, strings, text};
use super::{Circumstances, Handed, Hierarchy, find};
use crate::config::{Config, Mount, NamespaceKind, Propagation};
use crate::error::{Error, ErrorKind, Result};
use crate::program::{LIKE_TREE, Op, Slot, Strings};

const MS_REC: u64 = libc::MS_REC;
const DIRECTORY: u32 = libc::S_IFDIR | 0o755;
/// proc and sysfs must lie where they are looked for: an image with a link there is refused.
const RESOLVE_NO_SYMLINKS: u64 = libc::RESOLVE_NO_SYMLINKS;

fn flag(propagation: Propagation) -> u64 {
    match propagation {
        Propagation::Private => libc::MS_PRIVATE,
        Propagation::Slave => libc::MS_SLAVE,
        Propagation::Shared => libc::MS_SHARED,
        Propagation::Unbindable => libc::MS_UNBINDABLE,
    }
}

/// The slots of the trees that come from the host: the mounts' in their order.
pub(super) struct Sources {
    pub(super) mounts: Vec<Slot>,
}

impl Sources {
    /// Gives each bind mount a slot. Before a new user namespace, in which the host's directories may
    /// be closed to us, the trees are cloned already.
    pub(super) fn on_the_host(
        builder: &mut Builder,
        config: &Config,
        handed: &[(Handed, Slot)],
    ) -> Result<Sources> {
        let early = config.has(NamespaceKind::User);
        if early {
            let path = text(&config.rootfs)?;
            builder.step(format!("open rootfs {:?}", config.rootfs));
            builder.op(Op::HostTree { slot: Slot::ROOT, path: &path, recursive: true });
        }
        let mut mounts = Vec::with_capacity(config.mounts.len());
        for (index, mount) in config.mounts.iter().enumerate() {
            let slot = builder.slot()?;
            mounts.push(slot);
            let options = parse(mount)?;
            if let (Some(map), Some(bind)) = (find(handed, Handed::IdMap(index)), options.bind()) {
                // The right to map is that of the filesystem's owner, which is the host's.
                let path = text(&mount.source)?;
                builder.step(format!("open mount source {:?}, with its ids mapped", mount.source));
                builder.op(Op::Tree { slot, path: &path, recursive: bind == Bind::Recursive });
                builder.op(Op::MapIds { tree: slot, map, recursive: options.ridmap() });
            } else if let (true, Some(bind)) = (early, options.bind()) {
                let path = text(&mount.source)?;
                builder.step(format!("open mount source {:?}", mount.source));
                builder.op(Op::HostTree { slot, path: &path, recursive: bind == Bind::Recursive });
            }
        }
        Ok(Sources { mounts })
    }
}

fn parse(mount: &Mount) -> Result<Options> {
    Ok(Options::from_words(&mount.options)?)
}

/// Makes the mount namespace the container's own, and the rootfs its root.
pub(super) fn root(builder: &mut Builder, config: &Config) -> Result<()> {
    // What a mount shall receive from the host, it can only receive from a peer.
    let receives = config.rootfs_propagation.is_some_and(|kind| kind != Propagation::Private)
        || config.mounts.iter().any(|mount| mount.options.iter().any(|word| is_propagation(word)));
    let flags = if receives { libc::MS_SLAVE } else { libc::MS_PRIVATE };
    builder.step("keep mounts from the host").op(Op::Propagate { path: c"/", flags: flags | MS_REC });
    let path = text(&config.rootfs)?;
    // Where any user can reach it, or where hooks look for it.
    let over = if config.hooks.are_for_create() { &*path } else { c"/" };
    builder.step(format!("enter rootfs {:?}", config.rootfs));
    builder.op(Op::Tree { slot: Slot::ROOT, path: &path, recursive: true }).op(Op::EnterRoot { path: over });
    Ok(())
}

fn is_propagation(word: &str) -> bool {
    matches!(word, "slave" | "rslave" | "shared" | "rshared")
}

/// Makes one mount of the configuration.
pub(super) fn mount(
    builder: &mut Builder,
    config: &Config,
    circumstances: &Circumstances,
    mount: &Mount,
    slot: Slot,
) -> Result<()> {
    let options = parse(mount)?;
    let target = inside(&mount.destination)?;
    if let Some(bind) = options.bind() {
        let source = text(&mount.source)?;
        builder.step(format!("bind {:?} on {:?}", mount.source, mount.destination));
        if !mount.is_idmapped() {
            builder.op(Op::Tree { slot, path: &source, recursive: bind == Bind::Recursive });
        }
        builder.op(Op::Attach { tree: slot, path: &target, make: LIKE_TREE, resolve: 0 });
        attributes(builder, slot, &options, true);
        return Ok(());
    }
    builder.step(format!("mount {:?} on {:?}", mount.kind, mount.destination));
    match mount.kind.as_str() {
        "cgroup" | "cgroup2" => return cgroup(builder, config, circumstances, mount, &options, slot),
        "proc" | "sysfs" => filesystem(builder, config, mount, &options, slot, RESOLVE_NO_SYMLINKS)?,
        "tmpfs" => return tmpfs(builder, config, mount, &options, slot),
        _ => filesystem(builder, config, mount, &options, slot, 0)?,
    }
    attributes(builder, slot, &options, false);
    Ok(())
}

/// Makes a tmpfs: with the mode of the directory that it comes to lie on unless it has one, and a copy of what is there
/// with `tmpcopyup`.
fn tmpfs(builder: &mut Builder, config: &Config, mount: &Mount, options: &Options, slot: Slot) -> Result<()> {
    let has_mode = options.parameters().any(|(name, _)| name == "mode");
    let target = inside(&mount.destination)?;
    let later = options.attr_set() & mount::Attributes::RDONLY;
    detached(builder, config, mount, options, slot, options.attr_set() - later)?;
    if options.tmpcopyup() || !has_mode {
        builder.op(Op::BeLike { tree: slot, path: &target, contents: options.tmpcopyup() });
    }
    builder.op(Op::Attach { tree: slot, path: &target, make: DIRECTORY, resolve: 0 });
    if !later.is_empty() {
        let set = later.bits();
        builder.op(Op::Attributes { tree: slot, set, clear: 0, propagation: 0, recursive: false });
    }
    attributes(builder, slot, options, false);
    Ok(())
}

/// Makes a filesystem and attaches it.
fn filesystem(
    builder: &mut Builder,
    config: &Config,
    mount: &Mount,
    options: &Options,
    slot: Slot,
    resolve: u64,
) -> Result<()> {
    detached(builder, config, mount, options, slot, options.attr_set())?;
    let target = inside(&mount.destination)?;
    builder.op(Op::Attach { tree: slot, path: &target, make: DIRECTORY, resolve });
    Ok(())
}

/// Makes a filesystem that is nowhere yet.
fn detached(
    builder: &mut Builder,
    config: &Config,
    mount: &Mount,
    options: &Options,
    slot: Slot,
    attributes: mount::Attributes,
) -> Result<()> {
    let (fstype, source) = (text(&mount.kind)?, text(&mount.source)?);
    let parameters = options.parameters().map(|(name, value)| match value {
        Some(value) => format!("{name}={}", value.display()),
        None => name.to_owned(),
    });
    let mut data: Vec<_> = parameters.collect();
    // `ro` is the mount's, so that what comes later can still be made in it; `ro=fs` has nothing else.
    let of_mount = options.attr_set().contains(mount::Attributes::RDONLY);
    let words = options.superblock_flags().into_iter();
    data.extend(words.filter(|word| !(of_mount && *word == "ro") && *word != "rw").map(str::to_owned));
    // Files of these have labels of their own kind.
    let labelled = !matches!(mount.kind.as_str(), "proc" | "sysfs" | "mqueue");
    if let Some(label) = config.mount_label.as_ref().filter(|_| labelled) {
        data.push(format!("context={label}"));
    }
    new_mount(builder, slot, &fstype, &source, &data, attributes.bits())
}

fn new_mount(
    builder: &mut Builder,
    slot: Slot,
    fstype: &CString,
    source: &CString,
    data: &[String],
    attributes: u64,
) -> Result<()> {
    let mut pairs = Vec::with_capacity(2 * data.len());
    for word in data {
        let (key, value) = word.split_once('=').unwrap_or((word, ""));
        if key.is_empty() {
            let text = format!("mount option {word:?}: has no name");
            return Err(Error::new(ErrorKind::InvalidConfig, text));
        }
        pairs.extend([key, value]);
    }
    let options = strings(pairs);
    let attributes = attributes as u32;
    builder.op(Op::NewMount { slot, fstype, source, options: Strings(&options), attributes });
    Ok(())
}

/// Sets what a mount may do and how it propagates, once it is attached.
fn attributes(builder: &mut Builder, tree: Slot, options: &Options, bind: bool) {
    forced(builder, tree, options, bind, 0);
}

/// The same, with attributes that no option can take away.
fn forced(builder: &mut Builder, tree: Slot, options: &Options, bind: bool, attributes: u64) {
    let (set, clear) = (options.attr_set().bits() | attributes, options.attr_clear().bits() & !attributes);
    if bind && (set != 0 || clear != 0) {
        builder.op(Op::Attributes { tree, set, clear, propagation: 0, recursive: false });
    }
    let (set, clear) = (options.recursive_set().bits(), options.recursive_clear().bits() & !attributes);
    if set != 0 || clear != 0 {
        builder.op(Op::Attributes { tree, set, clear, propagation: 0, recursive: true });
    }
    for propagation in options.propagation() {
        let flags = propagation.flags();
        let recursive = flags & MS_REC != 0;
        builder.op(Op::Attributes { tree, set: 0, clear: 0, propagation: flags & !MS_REC, recursive });
    }
    builder.op(Op::Close { slot: tree });
}

/// Shows the container's control groups, whatever the host's layout is.
fn cgroup(
    builder: &mut Builder,
    config: &Config,
    circumstances: &Circumstances,
    mount: &Mount,
    options: &Options,
    slot: Slot,
) -> Result<()> {
    if let Some(unified) = circumstances.hierarchies.iter().find(|hierarchy| hierarchy.name.is_empty()) {
        return hierarchy(builder, config, &mount.destination, unified, options, slot);
    }
    let target = inside(&mount.destination)?;
    let data = ["mode=755".to_owned()];
    new_mount(builder, slot, &c"tmpfs".to_owned(), &c"cgroup".to_owned(), &data, 0)?;
    builder.op(Op::Attach { tree: slot, path: &target, make: DIRECTORY, resolve: 0 });
    for one in &circumstances.hierarchies {
        let slot = builder.slot()?;
        let path = mount.destination.join(&one.name);
        builder.step(format!("mount cgroup {:?} on {path:?}", one.options.join(",")));
        hierarchy(builder, config, &path, one, options, slot)?;
        for alias in &one.aliases {
            let (path, target) = (inside(&mount.destination.join(alias))?, text(&one.name)?);
            builder.op(Op::Symlink { path: &path, target: &target });
        }
    }
    attributes(builder, slot, options, true);
    Ok(())
}

/// Mounts a hierarchy; without a cgroup namespace of the container's own, its cgroup is bound.
fn hierarchy(
    builder: &mut Builder,
    config: &Config,
    path: &Path,
    hierarchy: &Hierarchy,
    options: &Options,
    slot: Slot,
) -> Result<()> {
    let target = inside(path)?;
    let bind = !config.has(NamespaceKind::Cgroup);
    if bind {
        let source = text(&hierarchy.path)?;
        builder.op(Op::Tree { slot, path: &source, recursive: false });
    } else {
        let fstype = if hierarchy.name.is_empty() { c"cgroup2" } else { c"cgroup" };
        let source = c"cgroup".to_owned();
        new_mount(builder, slot, &fstype.to_owned(), &source, &hierarchy.options, options.attr_set().bits())?;
    }
    builder.op(Op::Attach { tree: slot, path: &target, make: DIRECTORY, resolve: 0 });
    // The host's own control groups: to look at, at most (CVE-2023-25809).
    let read_only = if bind && !hierarchy.own { libc::MOUNT_ATTR_RDONLY } else { 0 };
    forced(builder, slot, options, bind, read_only);
    Ok(())
}

/// Hides what a container must not see, and protects what it must not change.
pub(super) fn hide(builder: &mut Builder, config: &Config) -> Result<()> {
    for path in &config.readonly_paths {
        let path_inside = inside(path)?;
        builder.step(format!("make {path:?} read-only")).op(Op::ReadOnly { path: &path_inside });
    }
    if config.masked_paths.is_empty() {
        return Ok(());
    }
    // The host's own null device: an image could have put something else under that name.
    let null = builder.slot()?;
    let flags = (libc::O_PATH | libc::O_NOFOLLOW) as u32;
    builder.step("open the host's \"/dev/null\"").op(Op::OpenHost { slot: null, path: c"/dev/null", flags });
    builder.op(Op::ExpectDevice { slot: null, kind: libc::S_IFCHR, major: 1, minor: 3 });
    for path in &config.masked_paths {
        let path_inside = inside(path)?;
        builder.step(format!("mask {path:?}")).op(Op::Mask { path: &path_inside, null });
    }
    builder.op(Op::Close { slot: null });
    Ok(())
}

/// Makes the rootfs the only root there is.
pub(super) fn leave_the_host(builder: &mut Builder, config: &Config) {
    let set = if config.readonly_rootfs { libc::MOUNT_ATTR_RDONLY } else { 0 };
    let propagation = config.rootfs_propagation.map_or(0, flag);
    if set != 0 {
        let tree = Slot::ROOT;
        builder.step("make the rootfs read-only");
        builder.op(Op::Attributes { tree, set, clear: 0, propagation: 0, recursive: false });
    }
    if config.no_pivot_root {
        builder.step("change the root").op(Op::MoveRoot { root: Slot::ROOT });
    } else {
        builder.step("pivot the root").op(Op::PivotRoot {});
    }
    if propagation != 0 {
        builder.step("set the root's propagation").op(Op::Propagate { path: c"/", flags: propagation });
    }
    builder.op(Op::Close { slot: Slot::ROOT });
}

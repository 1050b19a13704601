//! The container's control group.

use std::path::{Path, PathBuf};

use cgroups::{DeviceAccess, DeviceKind, DeviceRule, Hierarchies};

use super::group::{self, Group};
use crate::config::{Config, NamespaceKind};
use crate::error::Result;
use crate::plan::Hierarchy;

/// Names the control group, which need not exist yet.
pub(super) fn named(config: &Config) -> Result<Option<cgroups::Cgroup>> {
    let Some(wanted) = &config.cgroup else {
        return Ok(None);
    };
    if wanted.systemd {
        return group::named(wanted);
    }
    let hierarchies = Hierarchies::detect()?;
    Ok(Some(if wanted.path.is_absolute() {
        cgroups::Cgroup::named(&hierarchies, &wanted.path)?
    } else {
        cgroups::Cgroup::named_beneath_own(&hierarchies, &wanted.path)?
    }))
}

/// Makes the control group with its limits, unless systemd does it; devices come when the container's nodes are
/// made.
pub(super) fn create(config: &Config) -> Result<Option<Group>> {
    let Some(wanted) = config.cgroup.as_ref().filter(|wanted| !wanted.systemd) else {
        return Ok(None);
    };
    let hierarchies = Hierarchies::detect()?;
    let active = if wanted.path.is_absolute() {
        cgroups::Cgroup::create(&hierarchies, &wanted.path)?
    } else {
        cgroups::Cgroup::create_beneath_own(&hierarchies, &wanted.path)?
    };
    active.set(&wanted.resources)?;
    Ok(Some(Group::Files(active)))
}

/// Returns whether the container is confined to its devices once they are made: where it asks for it,
/// and wherever it could make others.
pub(super) fn is_confined(config: &Config) -> bool {
    config
        .cgroup
        .as_ref()
        .is_some_and(|wanted| !wanted.devices.is_empty() || !config.has(NamespaceKind::User))
}

/// Confines the container to its devices: those of the configuration, and those of every container.
pub(super) fn confine(config: &Config, group: &Group) -> Result<()> {
    let Some(wanted) = &config.cgroup else {
        return Ok(());
    };
    if !is_confined(config) {
        return Ok(());
    }
    let node = |kind, major, minor, access| DeviceRule { allow: true, kind, major, minor, access };
    let character = |major, minor| node(DeviceKind::Char, Some(major), minor, DeviceAccess::all());
    // Making a node is no way to use it: that is what the other rules are for.
    let mut rules = wanted.devices.clone();
    if rules.is_empty() {
        rules.push(DeviceRule::all(false));
    }
    rules.push(node(DeviceKind::Char, None, None, DeviceAccess::MKNOD));
    rules.push(node(DeviceKind::Block, None, None, DeviceAccess::MKNOD));
    // null, zero, full, random, urandom; tty, console, ptmx; all pseudo-terminals
    rules.extend([3, 5, 7, 8, 9].map(|minor| character(1, Some(minor))));
    rules.extend([0, 1, 2].map(|minor| character(5, Some(minor))));
    rules.push(character(136, None));
    for device in &config.devices {
        let kind = match device.kind {
            crate::config::DeviceKind::Character => DeviceKind::Char,
            crate::config::DeviceKind::Block => DeviceKind::Block,
            crate::config::DeviceKind::Fifo => continue,
        };
        // What is said about just this device counts.
        let rule = node(kind, Some(device.major), Some(device.minor), DeviceAccess::all());
        let exact = |other: &DeviceRule| {
            (other.kind, other.major, other.minor) == (rule.kind, rule.major, rule.minor)
        };
        if !wanted.devices.iter().any(exact) {
            rules.push(rule);
        }
    }
    Ok(group.set_devices(&rules)?)
}

/// Returns how the container sees its control groups: what is mounted on the host, with its own path.
pub(super) fn hierarchies(config: &Config, cgroup: Option<&cgroups::Cgroup>) -> Result<Vec<Hierarchy>> {
    if !config.mounts.iter().any(|mount| matches!(mount.kind.as_str(), "cgroup" | "cgroup2")) {
        return Ok(Vec::new());
    }
    let mounts = mount::mounts()?;
    let beneath = Path::new("/sys/fs/cgroup");
    let mut found: Vec<Hierarchy> = Vec::new();
    for info in &mounts {
        let name = match info.mount_point.strip_prefix(beneath) {
            Ok(name) => name.to_string_lossy().into_owned(),
            Err(_) => continue,
        };
        let options = match info.fs_type.to_str() {
            Some("cgroup2") if name.is_empty() => Vec::new(),
            Some("cgroup") if !name.is_empty() && !name.contains('/') => controllers(info),
            _ => continue,
        };
        let aliases = name.split(',').filter(|part| *part != name).map(str::to_owned).collect();
        let own = own_path(&options, cgroup);
        let (path, own) = (own.clone().unwrap_or_else(|| info.mount_point.clone()), own.is_some());
        if found.iter().all(|known| known.name != name) {
            found.push(Hierarchy { name, options, aliases, path, own });
        }
    }
    Ok(found)
}

/// Returns what a v1 hierarchy is asked for by: its controllers, or its name.
fn controllers(info: &mount::MountInfo) -> Vec<String> {
    const NOT_CONTROLLERS: [&str; 6] = ["rw", "ro", "xattr", "clone_children", "noprefix", "cpuset_v2_mode"];
    let words = info.super_words().map(|word| word.to_string_lossy().into_owned());
    let mut words: Vec<_> = words
        .filter(|word| !NOT_CONTROLLERS.contains(&word.as_str()) && !word.starts_with("release_agent="))
        .collect();
    if words.iter().all(|word| word.starts_with("name=")) {
        words.insert(0, "none".to_owned());
    }
    words
}

/// Returns the container's directory in a hierarchy, where it has one.
fn own_path(options: &[String], cgroup: Option<&cgroups::Cgroup>) -> Option<PathBuf> {
    let wanted = options.iter().find(|word| *word != "none").map_or("", String::as_str);
    let (_, path) = cgroup?.paths().iter().find(|(key, _)| key.split(',').any(|part| part == wanted))?;
    Some(path.clone())
}

//! From what a file says to a configuration.

use std::path::{Path, PathBuf};

use cgroups::docker::FreezerState;
use cgroups::{DeviceAccess, DeviceRule};

use super::json::{Document, Namespaces};
use super::{Dialect, capabilities, invalid, mounts, network};
use crate::config::{
    Cgroup, Config, Device, DeviceKind, Namespace, NamespaceKind, Process, Propagation, Rlimit, User,
};
use crate::error::{Error, ErrorKind, Result};

/// Makes the configuration of a container.
pub(super) fn container(
    dialect: Dialect,
    file: &Document,
    rootfs: &Path,
    args: Vec<String>,
) -> Result<Config> {
    let mut asked = Vec::new();
    let mut config = Config {
        rootfs: rootfs.to_owned(),
        hostname: said(&file.hostname),
        namespaces: namespaces(file, &mut asked)?,
        routes: network::routes(&file.routes, &mut asked)?,
        process: process(dialect, file, args, &mut asked)?,
        ..Config::default()
    };
    mounts::set(dialect, file, &mut config, &mut asked)?;
    network::set(&file.networks, &mut config)?;
    config.cgroup = cgroup(dialect, file, &config.devices, &mut asked)?;
    if config.no_pivot_root {
        // The host's mounts were private to pivot the root, and slaves to change it.
        config.rootfs_propagation = Some(Propagation::Slave);
    }
    if asked.is_empty() {
        return Ok(config);
    }
    Err(Error::new(ErrorKind::Unsupported, format_args!("not supported: {}", asked.join(", "))))
}

/// Returns a text that says something.
pub(super) fn said(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

// ---- namespaces ----

fn namespaces(file: &Document, asked: &mut Vec<String>) -> Result<Vec<Namespace>> {
    let new = |kind| Namespace { kind, path: None };
    let mut namespaces: Vec<Namespace> = match &file.namespaces {
        Namespaces::Map(map) => {
            // Also one that is off must be one that we know.
            let all = map.iter().map(|(key, on)| Ok((kind(key)?, *on))).collect::<Result<Vec<_>>>()?;
            all.into_iter().filter(|(_, on)| *on).map(|(kind, _)| new(kind)).collect()
        }
        Namespaces::Keys(keys) => keys.iter().map(|key| Ok(new(kind(key)?))).collect::<Result<_>>()?,
        Namespaces::Paths(list) => list
            .iter()
            .map(|(key, path)| Ok(Namespace { kind: kind(key)?, path: said(path).map(PathBuf::from) }))
            .collect::<Result<_>>()?,
    };
    if namespaces.iter().any(|one| one.kind == NamespaceKind::User) {
        asked.push("namespaces NEWUSER, which had no id mappings".to_owned());
    }
    if !namespaces.iter().any(|one| one.kind == NamespaceKind::Mount) {
        return Err(invalid("namespaces: without NEWNS the mounts would be the host's"));
    }
    if let Some(path) = said(&file.ipc) {
        join(&mut namespaces, NamespaceKind::Ipc, path);
    }
    Ok(namespaces)
}

/// Has a namespace joined, in place of a new one.
pub(super) fn join(namespaces: &mut Vec<Namespace>, kind: NamespaceKind, path: String) {
    namespaces.retain(|one| one.kind != kind);
    namespaces.push(Namespace { kind, path: Some(path.into()) });
}

fn kind(key: &str) -> Result<NamespaceKind> {
    Ok(match key {
        "NEWNS" => NamespaceKind::Mount,
        "NEWUTS" => NamespaceKind::Uts,
        "NEWIPC" => NamespaceKind::Ipc,
        "NEWUSER" => NamespaceKind::User,
        "NEWPID" => NamespaceKind::Pid,
        "NEWNET" => NamespaceKind::Network,
        _ => return Err(invalid(format_args!("namespaces: {key:?} is unknown"))),
    })
}

// ---- the process ----

fn process(dialect: Dialect, file: &Document, args: Vec<String>, asked: &mut Vec<String>) -> Result<Process> {
    let label = |key: &str, own: &str| {
        let of_context = file.context.get(key).map_or("", String::as_str);
        said(if own.is_empty() { of_context } else { own })
    };
    let profile = label("apparmor_profile", &file.apparmor_profile);
    Ok(Process {
        args,
        env: file.environment.clone(),
        cwd: Path::new("/").join(&file.working_dir),
        user: user(file, asked),
        terminal: file.tty,
        capabilities: capabilities::capabilities(dialect, file)?,
        rlimits: file.rlimits.iter().map(rlimit).collect::<Result<_>>()?,
        // The host's own confinement stays: nobody is less confined than that.
        apparmor_profile: profile.filter(|profile| profile != "unconfined"),
        selinux_label: label("process_label", &file.process_label),
        ..Process::default()
    })
}

fn user(file: &Document, asked: &mut Vec<String>) -> User {
    if file.additional_groups.is_empty() {
        // Nobody is root, with root's groups in the image.
        return User::Spec(said(&file.user).unwrap_or_else(|| "0".to_owned()));
    }
    let ids = match file.user.split_once(':') {
        None if file.user.is_empty() => Some((0, 0)),
        None => None,
        Some((uid, gid)) => uid.parse().ok().zip(gid.parse().ok()),
    };
    let Some((uid, gid)) = ids else {
        asked.push(format!("additional_groups of user {:?}, only of one as \"1000:1000\"", file.user));
        return User::default();
    };
    // The primary group is in the list too (CVE-2022-36109).
    let groups = [gid].into_iter().chain(file.additional_groups.iter().copied()).collect();
    User::Ids { uid, gid, groups, umask: None }
}

fn rlimit(limit: &super::json::Rlimit) -> Result<Rlimit> {
    let name = usize::try_from(limit.kind).ok().and_then(|number| Rlimit::NAMES.get(number));
    let unknown = || invalid(format_args!("rlimits: type {} is unknown", limit.kind));
    let kind = format!("RLIMIT_{}", name.ok_or_else(unknown)?);
    Ok(Rlimit { kind, soft: limit.soft, hard: limit.hard })
}

// ---- the control group ----

fn cgroup(
    dialect: Dialect,
    file: &Document,
    nodes: &[Device],
    asked: &mut Vec<String>,
) -> Result<Option<Cgroup>> {
    let Some(mut wanted) = file.cgroups.clone() else { return Ok(None) };
    if wanted.freezer == FreezerState::Frozen {
        asked.push("cgroups.freezer \"FROZEN\", for nothing would start".to_owned());
    }
    if dialect == Dialect::V1 && wanted.allowed_devices.is_none() {
        wanted.allowed_devices = Some(Vec::new());
    }
    let told = |error: cgroups::Error| invalid(format_args!("cgroups: {error}"));
    let mut devices = wanted.device_rules().unwrap_or_else(|| vec![DeviceRule::all(true)]);
    let of_nodes: Vec<_> = nodes.iter().filter_map(|node| node_rule(node, &devices)).collect();
    devices.extend(of_nodes);
    let path = Path::new("/").join(wanted.path().map_err(told)?);
    Ok(Some(Cgroup { path, systemd: false, resources: wanted.resources().map_err(told)?, devices }))
}

/// Makes the rule of just this device. A node gives no right to its device: 2014's list does, whatever the
/// nodes are.
fn node_rule(node: &Device, rules: &[DeviceRule]) -> Option<DeviceRule> {
    let kind = match node.kind {
        DeviceKind::Character => cgroups::DeviceKind::Char,
        DeviceKind::Block => cgroups::DeviceKind::Block,
        DeviceKind::Fifo => return None,
    };
    let about = |rule: &&DeviceRule| {
        rule.allow
            && (rule.kind == kind || rule.kind == cgroups::DeviceKind::All)
            && rule.major.is_none_or(|major| major == node.major)
            && rule.minor.is_none_or(|minor| minor == node.minor)
    };
    let given = rules.iter().filter(about).fold(DeviceAccess::empty(), |given, rule| given | rule.access);
    let (allow, access) = if given.is_empty() { (false, DeviceAccess::all()) } else { (true, given) };
    Some(DeviceRule { allow, kind, major: Some(node.major), minor: Some(node.minor), access })
}

//! What is mounted, made and hidden in the root filesystem.

use std::path::Path;

use super::json::{self, Document};
use super::{Dialect, invalid};
use crate::config::{Config, Device, DeviceKind, Mount};
use crate::error::Result;

/// What each filesystem without a need for more was mounted with.
const PLAIN: [&str; 3] = ["nosuid", "noexec", "nodev"];

/// What of procfs is made read-only: the rest is the container's own.
const RESTRICTED: [&str; 4] = ["/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus"];

/// Sets mounts, devices, and what is protected.
pub(super) fn set(
    dialect: Dialect,
    file: &Document,
    config: &mut Config,
    asked: &mut Vec<String>,
) -> Result<()> {
    let later = file.mount_config.as_ref();
    let mounts = later.map_or(&file.mounts, |later| &later.mounts);
    let nodes = later.map_or(&file.device_nodes, |later| &later.device_nodes);
    let of_context = |key: &str| file.context.get(key).map_or("", String::as_str);
    let label = later.map_or_else(|| of_context("mount_label"), |later| &later.mount_label);
    // Any value but an empty one meant it.
    let restricted = file.restrict_sys || !of_context("restrictions").is_empty();
    let with_dev = dialect == Dialect::V1 || mounts.iter().any(|mount| mount.kind == "devtmpfs");

    config.readonly_rootfs = later.map_or(file.readonly_fs, |later| later.readonly_fs);
    config.no_pivot_root = later.map_or(file.no_pivot_root, |later| later.no_pivot_root);
    config.mounts.push(filesystem("/proc", "proc", "proc", &PLAIN));
    config.mounts.push(filesystem("/sys", "sysfs", "sysfs", &PLAIN));
    if restricted {
        restrict(dialect, config);
    }
    if with_dev {
        config.mounts.push(labelled(
            filesystem("/dev", "tmpfs", "tmpfs", &["nosuid", "strictatime", "mode=755"]),
            label,
        ));
    }
    devices_below(later.is_some(), label, config);
    for (number, mount) in mounts.iter().enumerate() {
        let made = own(dialect, number, mount, label, asked)?;
        config.mounts.extend(made);
    }
    config.devices = nodes.iter().map(device).collect::<Result<_>>()?;
    Ok(())
}

/// Protects the machine: called while only procfs and sysfs are among the mounts.
fn restrict(dialect: Dialect, config: &mut Config) {
    for mount in &mut config.mounts {
        // Until 1.0 all of procfs was read-only.
        if dialect != Dialect::V1 || mount.kind == "sysfs" {
            mount.options.push("ro".to_owned());
        }
    }
    if dialect == Dialect::V1 {
        config.readonly_paths = RESTRICTED.iter().map(Into::into).collect();
    }
    config.masked_paths.push("/proc/kcore".into());
}

/// What every version mounted beneath `/dev`, and message queues later.
fn devices_below(with_queues: bool, label: &str, config: &mut Config) {
    let memory = ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"];
    config.mounts.push(labelled(filesystem("/dev/shm", "tmpfs", "shm", &memory), label));
    if with_queues {
        config.mounts.push(filesystem("/dev/mqueue", "mqueue", "mqueue", &PLAIN));
    }
    let terminals = ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=620", "gid=5"];
    config.mounts.push(labelled(filesystem("/dev/pts", "devpts", "devpts", &terminals), label));
}

fn filesystem(destination: &str, kind: &str, source: &str, options: &[&str]) -> Mount {
    Mount {
        destination: destination.into(),
        kind: kind.to_owned(),
        source: source.into(),
        options: options.iter().map(|&word| word.to_owned()).collect(),
        ..Mount::default()
    }
}

/// Gives the files of a new filesystem their SELinux label.
fn labelled(mut mount: Mount, label: &str) -> Mount {
    if !label.is_empty() {
        mount.options.push(format!("context={label}"));
    }
    mount
}

/// Makes a mount that the file asks for; none of one that only says how `/dev` is made.
fn own(
    dialect: Dialect,
    number: usize,
    mount: &json::Mount,
    label: &str,
    asked: &mut Vec<String>,
) -> Result<Option<Mount>> {
    let wrong = |why: &str| invalid(format_args!("mounts[{number}]: {why}"));
    let kind = match (mount.kind.as_str(), dialect) {
        ("devtmpfs", _) => return Ok(None),
        // There was nothing else.
        ("", Dialect::V0_10) => "bind",
        ("", _) => return Err(wrong("has no type")),
        (kind, _) => kind,
    };
    if mount.destination.is_empty() {
        return Err(wrong("has no destination"));
    }
    let destination = Path::new("/").join(&mount.destination);
    if kind == "tmpfs" {
        let mut tmpfs = Mount { destination, ..filesystem("", "tmpfs", "tmpfs", &PLAIN) };
        // The kernel's own, whatever lay there.
        tmpfs.options.push("mode=1777".to_owned());
        return Ok(Some(labelled(tmpfs, label)));
    }
    if kind != "bind" {
        asked.push(format!("mounts[{number}].type {kind:?}"));
        return Ok(None);
    }
    if !mount.relabel.is_empty() {
        asked.push(format!("mounts[{number}].relabel"));
    }
    if !mount.source.starts_with('/') {
        return Err(wrong("its source is no absolute path"));
    }
    let words = [
        (true, "rbind"),
        (!mount.writable, "ro"),
        (mount.slave && !mount.private, "slave"),
        (mount.private, "private"),
    ];
    let options = words.into_iter().filter(|(is, _)| *is).map(|(_, word)| word.to_owned()).collect();
    let source = mount.source.clone().into();
    Ok(Some(Mount { destination, source, options, ..Mount::default() }))
}

fn device(node: &json::Device) -> Result<Device> {
    let wrong = |why: &str| invalid(format_args!("device_nodes {:?}: {why}", node.path));
    let kind = match u8::try_from(node.kind) {
        Ok(b'c') => DeviceKind::Character,
        Ok(b'b') => DeviceKind::Block,
        _ => return Err(wrong("its type is neither 99, which is \"c\", nor 98, which is \"b\"")),
    };
    if node.path.is_empty() {
        return Err(wrong("has no path"));
    }
    let number = |number: i64| u32::try_from(number).map_err(|_| wrong("has not the number of a device"));
    Ok(Device {
        path: Path::new("/").join(&node.path),
        kind,
        major: number(node.major)?,
        minor: number(node.minor)?,
        mode: node.file_mode & 0o777,
        uid: node.uid,
        gid: node.gid,
    })
}

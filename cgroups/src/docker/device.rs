//! Devices as 2014 listed them.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::sys::stat::{major, minor};

use crate::{DeviceAccess, DeviceKind, DeviceRule, Error, ErrorKind, Result};

/// A device of `allowed_devices`: a node, and what may be done with it.
///
/// In JSON the kind is the number of its letter (99 is `c`, 98 is `b`), and all numbers of a kind are -1.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Device {
    /// The kind of device.
    pub kind: DeviceKind,
    /// Where its node is; empty where only numbers are meant.
    pub path: PathBuf,
    /// The major number; `None` for all.
    #[doc(alias = "MajorNumber")]
    pub major: Option<u32>,
    /// The minor number; `None` for all.
    #[doc(alias = "MinorNumber")]
    pub minor: Option<u32>,
    /// What may be done with it. Nothing is the same as no such entry.
    #[doc(alias = "CgroupPermissions")]
    pub permissions: DeviceAccess,
    /// The permission bits of the node: 0666.
    pub file_mode: u32,
}

impl Device {
    /// A device by its numbers, `None` for all; without a node.
    pub fn new(
        kind: DeviceKind,
        major: Option<u32>,
        minor: Option<u32>,
        permissions: DeviceAccess,
    ) -> Device {
        Device { kind, path: PathBuf::new(), major, minor, permissions, file_mode: 0 }
    }

    /// Reads the device that a node stands for; a symbolic link is not followed.
    ///
    /// ```
    /// let null = cgroups::docker::Device::from_node("/dev/null", cgroups::DeviceAccess::READ)?;
    /// assert_eq!(null.rule().unwrap().to_string(), "c 1:3 r");
    /// # Ok::<(), cgroups::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) for what is no device, [`NotFound`](ErrorKind::NotFound).
    #[doc(alias = "GetDevice")]
    pub fn from_node(path: impl AsRef<Path>, permissions: DeviceAccess) -> Result<Device> {
        let path = path.as_ref();
        let node = fs::symlink_metadata(path).map_err(|e| Error::os("look at device", path, e))?;
        let kind = match node.file_type() {
            kind if kind.is_block_device() => DeviceKind::Block,
            kind if kind.is_char_device() => DeviceKind::Char,
            _ => return Err(Error::at(ErrorKind::InvalidInput, "look at device", path, "it is none")),
        };
        let [major, minor] = [major(node.rdev()), minor(node.rdev())].map(|number| number as u32);
        let file_mode = node.permissions().mode() & 0o777;
        Ok(Device {
            path: path.to_owned(),
            file_mode,
            ..Device::new(kind, Some(major), Some(minor), permissions)
        })
    }

    /// Returns the rule that allows the device; `None` where nothing may be done with it.
    #[doc(alias = "GetCgroupAllowString")]
    pub fn rule(&self) -> Option<DeviceRule> {
        let Device { kind, major, minor, permissions: access, .. } = *self;
        (!access.is_empty()).then_some(DeviceRule { allow: true, kind, major, minor, access })
    }

    fn at(mut self, path: &str, file_mode: u32) -> Device {
        (self.path, self.file_mode) = (path.into(), file_mode);
        self
    }
}

/// Returns the devices that every container had: `null`, `zero`, `full`, `tty`, `urandom` and `random`.
#[doc(alias = "DefaultSimpleDevices")]
pub fn default_simple_devices() -> Vec<Device> {
    let simple = |path, major, minor| character(major, Some(minor)).at(path, 0o666);
    vec![
        simple("/dev/null", 1, 3),
        simple("/dev/zero", 1, 5),
        simple("/dev/full", 1, 7),
        simple("/dev/tty", 5, 0),
        simple("/dev/urandom", 1, 9),
        simple("/dev/random", 1, 8),
    ]
}

/// Returns the devices that a container might use: the [simple ones](default_simple_devices), terminals, tunnels, and
/// the making of any node. Before 1.0 there was no other list.
#[doc(alias = "DefaultAllowedDevices")]
pub fn default_allowed_devices() -> Vec<Device> {
    let mut devices = vec![
        Device::new(DeviceKind::Char, None, None, DeviceAccess::MKNOD),
        Device::new(DeviceKind::Block, None, None, DeviceAccess::MKNOD),
        character(5, Some(1)).at("/dev/console", 0),
        character(4, Some(0)).at("/dev/tty0", 0),
        character(4, Some(1)).at("/dev/tty1", 0),
        character(136, None),     // pseudo-terminals
        character(5, Some(2)),    // ptmx
        character(10, Some(200)), // tun
    ];
    devices.extend(default_simple_devices());
    devices
}

/// Returns the devices of which a container found nodes: the [simple ones](default_simple_devices), and `fuse`, which
/// it might not use.
#[doc(alias = "DefaultAutoCreatedDevices")]
pub fn default_auto_created_devices() -> Vec<Device> {
    let mut devices = default_simple_devices();
    devices.push(character(10, Some(229)).at("/dev/fuse", 0));
    devices
}

/// Returns the devices of this machine's `/dev`, without `pts`, `shm`, `fd` and `mqueue`: what a privileged container
/// was given.
///
/// What is gone or closed to the caller meanwhile is left out.
///
/// # Errors
///
/// [`NotFound`](ErrorKind::NotFound) without a `/dev`.
#[doc(alias = "GetHostDeviceNodes")]
pub fn host_devices() -> Result<Vec<Device>> {
    let root = Path::new("/dev");
    let listed = |dir: &Path| Ok(fs::read_dir(dir)?.filter_map(std::result::Result::ok).collect::<Vec<_>>());
    let mut found = Vec::new();
    let mut entries = listed(root).map_err(|e: std::io::Error| Error::os("list", root, e))?;
    while let Some(entry) = entries.pop() {
        let (path, name) = (entry.path(), entry.file_name());
        let is_other = ["pts", "shm", "fd", "mqueue"].iter().any(|other| name == *other);
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && !is_other => entries.extend(listed(&path).unwrap_or_default()),
            Ok(kind) if kind.is_block_device() || kind.is_char_device() => {
                found.extend(Device::from_node(&path, DeviceAccess::all()).ok());
            }
            _ => {}
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

fn character(major: u32, minor: Option<u32>) -> Device {
    Device::new(DeviceKind::Char, Some(major), minor, DeviceAccess::all())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_read_and_anything_else_refused() {
        let null = Device::from_node("/dev/null", DeviceAccess::all()).unwrap();
        assert_eq!((null.kind, null.major, null.minor), (DeviceKind::Char, Some(1), Some(3)));
        let error = Device::from_node("/dev", DeviceAccess::all()).unwrap_err();
        assert_eq!(error.to_string(), "look at device \"/dev\": it is none");
        let error = Device::from_node("/nowhere", DeviceAccess::all()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }

    #[test]
    fn this_machines_devices_are_listed_without_those_of_others() {
        let devices = host_devices().unwrap();
        assert!(devices.iter().any(|device| device.path == Path::new("/dev/null")));
        assert!(!devices.iter().any(|device| device.path.starts_with("/dev/pts")));
    }

    #[test]
    fn a_device_with_which_nothing_may_be_done_has_no_rule() {
        // 2014 wrote "c 10:229 " to the kernel, which refuses it.
        assert_eq!(Device::new(DeviceKind::Char, Some(10), Some(229), DeviceAccess::empty()).rule(), None);
    }

    #[test]
    fn fuse_is_made_and_not_allowed() {
        let is_fuse = |device: &Device| (device.major, device.minor) == (Some(10), Some(229));
        assert!(default_auto_created_devices().iter().any(is_fuse));
        assert!(!default_allowed_devices().iter().any(is_fuse));
    }
}

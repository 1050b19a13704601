//! Devices and links that every container has, and those of the configuration.

use std::path::Path;

use mount::Options;

use super::Circumstances;
use super::builder::{Builder, inside, text};
use crate::config::{Config, Device, DeviceKind, NamespaceKind};
use crate::error::Result;
use crate::program::Op;

/// The devices of every container: name, major, minor.
const STANDARD: [(&str, u32, u32); 6] =
    [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];

/// The links of every container.
const LINKS: [(&str, &str); 5] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
];

/// Makes the devices, unless the host's own /dev is there.
pub(super) fn make(builder: &mut Builder, config: &Config, circumstances: &Circumstances) -> Result<()> {
    let host_dev = |mount: &crate::config::Mount| {
        mount.destination == Path::new("/dev")
            && Options::from_words(&mount.options).is_ok_and(|options| options.bind().is_some())
    };
    if config.mounts.iter().any(host_dev) {
        return Ok(());
    }
    builder.step("make \"/dev\"").op(Op::MakeDirectory { path: c"/dev", mode: 0o755 });
    let standard = STANDARD.map(|(name, major, minor)| Device {
        path: Path::new("/dev").join(name),
        kind: DeviceKind::Character,
        major,
        minor,
        mode: 0o666,
        uid: 0,
        gid: 0,
    });
    let bound = config.has(NamespaceKind::User) || circumstances.in_user_namespace;
    let unnamed = standard.iter().filter(|device| config.devices.iter().all(|own| own.path != device.path));
    for device in unnamed.chain(&config.devices) {
        node(builder, bound, device)?;
    }
    let core = circumstances.kcore.then_some(("core", "/proc/kcore"));
    for (name, target) in LINKS.into_iter().chain(core) {
        let (path, target_text) = (inside(&Path::new("/dev").join(name))?, text(target)?);
        builder.step(format!("link \"/dev/{name}\" to {target:?}"));
        builder.op(Op::Symlink { path: &path, target: &target_text });
    }
    Ok(())
}

/// Makes a device node; in a user namespace, where none can be made, the host's is bound.
fn node(builder: &mut Builder, bound: bool, device: &Device) -> Result<()> {
    let path = inside(&device.path)?;
    if let Some(parent) = device.path.parent().filter(|parent| *parent != Path::new("/dev")) {
        let parent = inside(parent)?;
        builder.step(format!("make {:?}", device.path.parent().unwrap_or(&device.path)));
        builder.op(Op::MakeDirectory { path: &parent, mode: 0o755 });
    }
    let Device { major, minor, uid, gid, .. } = *device;
    let kind = match device.kind {
        DeviceKind::Character => libc::S_IFCHR,
        DeviceKind::Block => libc::S_IFBLK,
        DeviceKind::Fifo => libc::S_IFIFO,
    };
    if bound && device.kind != DeviceKind::Fifo {
        let (host, tree) = (builder.slot()?, builder.slot()?);
        builder.step(format!("bind the host's {:?}", device.path));
        builder.op(Op::OpenHost { slot: host, path: &path, flags: libc::O_PATH as u32 });
        builder.op(Op::ExpectDevice { slot: host, kind, major, minor });
        builder.op(Op::CloneTree { slot: tree, from: host });
        builder.op(Op::Attach { tree, path: &path, make: libc::S_IFREG | 0o666, resolve: 0 });
        builder.op(Op::Close { slot: host }).op(Op::Close { slot: tree });
        return Ok(());
    }
    let mode = kind | (device.mode & 0o7777);
    builder.step(format!("make device {:?}", device.path));
    builder.op(Op::Node { path: &path, mode, major, minor, uid, gid });
    Ok(())
}

//! A first `config.json`, to be edited.

use cgroups::{Hierarchies, Layout};
use serde::Serialize;
use serde_json::ser::{PrettyFormatter, Serializer};

use super::VERSION;
use super::spec::{
    Capabilities, DeviceRule, IdMapping, Linux, Mount, Namespace, Process, Resources, Rlimit, Root, Spec,
};

const CAPABILITIES: [&str; 3] = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"];

const MASKED: [&str; 11] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/sys/firmware",
    "/proc/scsi",
    "/sys/devices/virtual/tpm",
];

const READ_ONLY: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// Returns the text of a `config.json` that runs `sh` on a terminal in the bundle's `rootfs`: the one that
/// a new `runc spec` writes, so that what is built on it goes on.
///
/// With `rootless` it is one for the calling user: root inside is that user outside, the network is the
/// host's, and nothing is limited.
pub fn default_spec(rootless: bool) -> String {
    let mut kinds = vec!["pid", "network", "ipc", "uts", "mount"];
    // On v1 the mount of type cgroup shows the container's own part of each hierarchy anyway.
    if Hierarchies::detect().is_ok_and(|found| found.layout() == Layout::V2) {
        kinds.push("cgroup");
    }
    if rootless {
        kinds.retain(|kind| *kind != "network");
        kinds.push("user");
    }
    let (user, group) = (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw());
    let own = |host| if rootless { vec![IdMapping { container: 0, host, size: 1 }] } else { Vec::new() };
    let nothing =
        DeviceRule { allow: false, kind: String::new(), major: None, minor: None, access: "rwm".into() };
    let devices = if rootless { Vec::new() } else { vec![nothing] };
    let spec = Spec {
        oci_version: VERSION.to_owned(),
        process: Some(process()),
        root: Some(Root { path: "rootfs".to_owned(), readonly: true }),
        hostname: "runc".to_owned(),
        mounts: mounts(rootless),
        linux: Linux {
            uid_mappings: own(user),
            gid_mappings: own(group),
            resources: Resources { devices, ..Resources::default() },
            namespaces: kinds
                .iter()
                .map(|kind| Namespace { kind: (*kind).into(), path: String::new() })
                .collect(),
            masked_paths: texts(&MASKED),
            readonly_paths: texts(&READ_ONLY),
            ..Linux::default()
        },
        ..Spec::default()
    };
    let mut bytes = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut bytes, PrettyFormatter::with_indent(b"\t"));
    // Plain data with text keys, into memory: there is nothing that could fail.
    let _ = spec.serialize(&mut serializer);
    String::from_utf8_lossy(&bytes).into_owned()
}

fn texts(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

fn process() -> Process {
    let set = texts(&CAPABILITIES);
    let capabilities = Capabilities {
        bounding: set.clone(),
        effective: set.clone(),
        permitted: set,
        ..Capabilities::default()
    };
    Process {
        terminal: true,
        args: texts(&["sh"]),
        env: texts(&["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"]),
        cwd: "/".to_owned(),
        capabilities: Some(capabilities),
        rlimits: vec![Rlimit { kind: "RLIMIT_NOFILE".to_owned(), hard: 1024, soft: 1024 }],
        no_new_privileges: true,
        ..Process::default()
    }
}

fn mounts(rootless: bool) -> Vec<Mount> {
    let mount = |destination: &str, kind: &str, source: &str, options: &str| Mount {
        destination: destination.to_owned(),
        kind: kind.to_owned(),
        source: source.to_owned(),
        options: options.split(',').filter(|word| !word.is_empty()).map(str::to_owned).collect(),
        ..Mount::default()
    };
    // The group tty has no id in a user namespace with only one; sysfs wants a network of one's own.
    let devpts = "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620";
    let (devpts, sys) = if rootless {
        (devpts.to_owned(), mount("/sys", "none", "/sys", "rbind,nosuid,noexec,nodev,ro"))
    } else {
        (format!("{devpts},gid=5"), mount("/sys", "sysfs", "sysfs", "nosuid,noexec,nodev,ro"))
    };
    vec![
        mount("/proc", "proc", "proc", ""),
        mount("/dev", "tmpfs", "tmpfs", "nosuid,strictatime,mode=755,size=65536k"),
        mount("/dev/pts", "devpts", "devpts", &devpts),
        mount("/dev/shm", "tmpfs", "shm", "nosuid,noexec,nodev,mode=1777,size=65536k"),
        mount("/dev/mqueue", "mqueue", "mqueue", "nosuid,noexec,nodev"),
        sys,
        mount("/sys/fs/cgroup", "cgroup", "cgroup", "nosuid,noexec,nodev,relatime,ro"),
    ]
}

//! A container as one expects it.

use std::path::{Path, PathBuf};

use super::{
    Capabilities, CapabilitySet, Config, IdMapping, Mount, Namespace, NamespaceKind, Network, Process,
};

/// What most programs need and no more: the set that container engines agree on, but for CAP_MKNOD.
/// Without a control group nothing would keep a container from making the node of a disk.
const CAPABILITIES: [&str; 13] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FSETID",
    "CAP_FOWNER",
    "CAP_NET_RAW",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETFCAP",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_SYS_CHROOT",
    "CAP_KILL",
    "CAP_AUDIT_WRITE",
];

/// What the kernel shows under /proc and /sys about the whole machine.
const MASKED: [&str; 9] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/sys/firmware",
];

/// Where writing changes the whole machine.
const READ_ONLY: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

impl Config {
    /// Returns a container on a root filesystem: namespaces of its own but for users, the standard
    /// mounts, a loopback interface, the capabilities that most programs need, and `sh` as its program.
    ///
    /// ```no_run
    /// let mut config = libcontainer::Config::new("/srv/rootfs");
    /// config.hostname = Some("box".to_owned());
    /// config.process.args = vec!["uname".to_owned(), "-n".to_owned()];
    /// ```
    pub fn new(rootfs: impl AsRef<Path>) -> Self {
        use NamespaceKind::{Cgroup, Ipc, Mount, Network as Net, Pid, Uts};
        let set: CapabilitySet = CAPABILITIES.iter().filter_map(|name| name.parse().ok()).collect();
        let process = Process {
            args: vec!["sh".to_owned()],
            env: vec!["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned()],
            capabilities: Capabilities::of(set),
            no_new_privileges: true,
            ..Process::default()
        };
        let new = |kind| Namespace { kind, path: None };
        Config {
            rootfs: rootfs.as_ref().to_owned(),
            namespaces: [Mount, Uts, Ipc, Pid, Net, Cgroup].map(new).to_vec(),
            mounts: standard_mounts(),
            masked_paths: MASKED.iter().map(PathBuf::from).collect(),
            readonly_paths: READ_ONLY.iter().map(PathBuf::from).collect(),
            networks: vec![Network::Loopback],
            process,
            ..Config::default()
        }
    }

    /// Makes this what an ordinary user can start: root inside is the user outside, in a new user
    /// namespace with only that id; no control group, and no devpts for the group `tty`, which has
    /// no id there.
    #[must_use]
    pub fn rootless(mut self) -> Self {
        let one = |host| vec![IdMapping { container: 0, host, size: 1 }];
        self.uid_mappings = one(nix::unistd::geteuid().as_raw());
        self.gid_mappings = one(nix::unistd::getegid().as_raw());
        if !self.has(NamespaceKind::User) {
            self.namespaces.push(Namespace { kind: NamespaceKind::User, path: None });
        }
        for mount in &mut self.mounts {
            mount.options.retain(|word| !(mount.kind == "devpts" && word.starts_with("gid=")));
        }
        self.cgroup = None;
        self
    }
}

fn standard_mounts() -> Vec<Mount> {
    let mount = |destination: &str, kind: &str, options: &str| Mount {
        destination: destination.into(),
        kind: kind.to_owned(),
        source: kind.into(),
        options: options.split(',').map(str::to_owned).collect(),
        ..Mount::default()
    };
    vec![
        mount("/proc", "proc", "nosuid,noexec,nodev"),
        mount("/dev", "tmpfs", "nosuid,strictatime,mode=755,size=65536k"),
        mount("/dev/pts", "devpts", "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5"),
        mount("/dev/shm", "tmpfs", "nosuid,noexec,nodev,mode=1777,size=65536k"),
        mount("/dev/mqueue", "mqueue", "nosuid,noexec,nodev"),
        mount("/sys", "sysfs", "nosuid,noexec,nodev,ro"),
        mount("/sys/fs/cgroup", "cgroup", "nosuid,noexec,nodev,relatime,ro"),
    ]
}

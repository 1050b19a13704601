//! What is wanted: plain data, without a system call.

mod capabilities;
pub(crate) mod check;
mod defaults;
mod destination;
mod hooks;
pub(crate) mod network;
mod rdt;
pub(crate) mod scheduling;
mod seccomp;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use capabilities::{Capabilities, CapabilitySet};
pub use hooks::{Hook, Hooks};
pub use network::{Macvlan, MacvlanMode, Neighbour, NetDevice, Network, Route, Veth};
pub use rdt::IntelRdt;
pub use scheduling::{
    CpuAffinity, IoClass, IoPriority, MemoryFlag, MemoryMode, MemoryPolicy, Personality, Scheduler,
    SchedulerFlag, SchedulerPolicy,
};
pub use seccomp::{Action, Arch, Comparison, FilterFlags, Listener, Op, Rule, Seccomp};

/// Everything about a container: what it sees, what it may use, and the program that it runs.
///
/// [`Config::new`] is a container as one expects it; [`Config::default`] is an empty one, for those
/// who say all of it themselves (as an OCI bundle does).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The directory that becomes the container's `/`. Absolute, on the host.
    pub rootfs: PathBuf,
    /// Whether the container's `/` is mounted read-only.
    pub readonly_rootfs: bool,
    /// Whether the root is changed by chroot instead of pivot_root, for hosts that run from an
    /// initramfs. Weaker: a process with CAP_SYS_CHROOT gets out.
    pub no_pivot_root: bool,
    /// How mounts of the host reach the container and the other way round; private unless said.
    pub rootfs_propagation: Option<Propagation>,
    /// The host name; needs a UTS namespace.
    pub hostname: Option<String>,
    /// The NIS domain name; needs a UTS namespace.
    pub domainname: Option<String>,
    /// The namespaces that are new or joined; all others are the caller's.
    pub namespaces: Vec<Namespace>,
    /// By how much clocks inside differ from the host's; needs a new time namespace.
    pub time_offsets: BTreeMap<Clock, TimeOffset>,
    /// How user ids inside map to the host's; needs a user namespace.
    pub uid_mappings: Vec<IdMapping>,
    /// How group ids inside map to the host's; needs a user namespace.
    pub gid_mappings: Vec<IdMapping>,
    /// What is mounted, in this order.
    pub mounts: Vec<Mount>,
    /// Device nodes besides the standard ones.
    pub devices: Vec<Device>,
    /// Paths inside that are hidden: a file becomes empty, a directory too.
    pub masked_paths: Vec<PathBuf>,
    /// Paths inside that are made read-only.
    pub readonly_paths: Vec<PathBuf>,
    /// Kernel parameters of the container's namespaces: `net.ipv4.ip_forward` and its value.
    pub sysctl: BTreeMap<String, String>,
    /// The control group; none leaves the container in the caller's.
    pub cgroup: Option<Cgroup>,
    /// The network interfaces.
    pub networks: Vec<Network>,
    /// Routes besides the default gateways of [`Config::networks`].
    pub routes: Vec<Route>,
    /// Which kernel the programs think they run on; the caller's unless said.
    pub personality: Option<Personality>,
    /// From which NUMA nodes memory comes; as the caller's unless said.
    pub memory_policy: Option<MemoryPolicy>,
    /// The SELinux label of files in the filesystems that are made: tmpfs, devpts and others that take `context`. As
    /// the policy has it unless said.
    pub mount_label: Option<String>,
    /// A share of the processors' caches and memory bandwidth.
    pub intel_rdt: Option<IntelRdt>,
    /// Programs that run at the turns of the container's life.
    pub hooks: Hooks,
    /// What hooks and others are told of the container.
    pub description: Description,
    /// The program.
    pub process: Process,
}

/// What others are told of a container, besides its status and its first process: hooks and listeners get it, as the
/// [state] of the OCI's specification.
///
/// [state]: https://github.com/opencontainers/runtime-spec/blob/main/runtime.md#state
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default, deny_unknown_fields)]
pub struct Description {
    /// The version of the specification; this crate's unless said.
    pub oci_version: String,
    /// The container's name.
    pub id: String,
    /// The directory that describes the container, where hooks of the host run; theirs is the caller's unless said.
    pub bundle: PathBuf,
    /// What the container's maker noted for those who know what it means.
    pub annotations: BTreeMap<String, String>,
}

/// How mount events travel, [`mount_namespaces(7)`](https://man7.org/linux/man-pages/man7/mount_namespaces.7.html).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Propagation {
    Private,
    Slave,
    Shared,
    Unbindable,
}

/// A namespace, new or that of others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Namespace {
    /// Which kind.
    pub kind: NamespaceKind,
    /// The namespace to join (`/proc/PID/ns/net`, `/run/netns/NAME`); none makes a new one.
    #[serde(default)]
    pub path: Option<PathBuf>,
}

/// The kinds of namespaces, [`namespaces(7)`](https://man7.org/linux/man-pages/man7/namespaces.7.html).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum NamespaceKind {
    Mount,
    Uts,
    Ipc,
    User,
    Pid,
    Network,
    Cgroup,
    Time,
}

impl NamespaceKind {
    /// All kinds.
    pub const ALL: [NamespaceKind; 8] = {
        use NamespaceKind::{Cgroup, Ipc, Mount, Network, Pid, Time, User, Uts};
        [User, Mount, Uts, Ipc, Pid, Network, Cgroup, Time]
    };

    /// Returns the kernel's flag for this kind (`CLONE_NEW…`).
    pub(crate) fn flag(self) -> u32 {
        match self {
            NamespaceKind::Mount => 0x0002_0000,
            NamespaceKind::Cgroup => 0x0200_0000,
            NamespaceKind::Uts => 0x0400_0000,
            NamespaceKind::Ipc => 0x0800_0000,
            NamespaceKind::User => 0x1000_0000,
            NamespaceKind::Pid => 0x2000_0000,
            NamespaceKind::Network => 0x4000_0000,
            NamespaceKind::Time => 0x0000_0080,
        }
    }

    /// Returns the name under `/proc/PID/ns`.
    pub(crate) fn file(self) -> &'static str {
        match self {
            NamespaceKind::Mount => "mnt",
            NamespaceKind::Cgroup => "cgroup",
            NamespaceKind::Uts => "uts",
            NamespaceKind::Ipc => "ipc",
            NamespaceKind::User => "user",
            NamespaceKind::Pid => "pid",
            NamespaceKind::Network => "net",
            NamespaceKind::Time => "time",
        }
    }
}

/// The clocks of a time namespace,
/// [`time_namespaces(7)`](https://man7.org/linux/man-pages/man7/time_namespaces.7.html).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Clock {
    /// What has passed since some moment, without the time that the machine slept.
    Monotonic,
    /// What has passed since the machine was switched on.
    Boottime,
}

impl Clock {
    /// Returns the name that the kernel has for it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Clock::Monotonic => "monotonic",
            Clock::Boottime => "boottime",
        }
    }
}

/// By how much a clock differs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs)]
pub struct TimeOffset {
    /// Whole seconds; a clock can't be set before it began.
    pub secs: i64,
    /// Nanoseconds beyond those, below 1,000,000,000.
    pub nanosecs: u32,
}

/// A range of ids, [`user_namespaces(7)`](https://man7.org/linux/man-pages/man7/user_namespaces.7.html).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct IdMapping {
    /// The first id inside.
    pub container: u32,
    /// The first id outside.
    pub host: u32,
    /// How many.
    pub size: u32,
}

/// A mount of the container.
///
/// ```
/// use libcontainer::Mount;
///
/// let data = Mount::bind("/srv/data", "/data", ["ro", "nosuid"]);
/// let scratch = Mount::new("tmpfs", "tmpfs", "/scratch", ["size=64m"]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default, deny_unknown_fields)]
pub struct Mount {
    /// Where: a path inside, which is made when it is absent.
    pub destination: PathBuf,
    /// What: a filesystem type, or empty for a bind.
    pub kind: String,
    /// From where: a path of the host for a bind, else what the filesystem calls its source.
    pub source: PathBuf,
    /// As in [`mount(8)`](https://man7.org/linux/man-pages/man8/mount.8.html), and the recursive
    /// words of container runtimes (`rro`).
    pub options: Vec<String>,
    /// To whom files belong as the mount shows them, for a bind: `container` is the id on the filesystem, `host` the
    /// one that is seen. It needs Linux 5.12; the mounts below are mapped too with the option `ridmap`.
    ///
    /// With `idmap` or `ridmap` and no mappings here, those of the container's user namespace count.
    pub uid_mappings: Vec<IdMapping>,
    /// The same of groups; both or neither.
    pub gid_mappings: Vec<IdMapping>,
}

impl Mount {
    /// Makes a mount of a filesystem, or a bind where the type is empty.
    pub fn new<T: Into<String>>(
        kind: impl Into<String>,
        source: impl Into<PathBuf>,
        destination: impl Into<PathBuf>,
        options: impl IntoIterator<Item = T>,
    ) -> Mount {
        Mount {
            destination: destination.into(),
            kind: kind.into(),
            source: source.into(),
            options: options.into_iter().map(Into::into).collect(),
            ..Mount::default()
        }
    }

    /// Makes a bind of a path of the host with all that is mounted below it, with more options.
    pub fn bind<T: Into<String>>(
        source: impl Into<PathBuf>,
        destination: impl Into<PathBuf>,
        options: impl IntoIterator<Item = T>,
    ) -> Mount {
        let mut mount = Mount::new("", source, destination, options);
        mount.options.insert(0, "rbind".to_owned());
        mount
    }

    /// Returns whether it shows files as others'.
    pub(crate) fn is_idmapped(&self) -> bool {
        let word = |word: &String| matches!(word.as_str(), "idmap" | "ridmap");
        !self.uid_mappings.is_empty() || !self.gid_mappings.is_empty() || self.options.iter().any(word)
    }
}

/// A device node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Where, inside.
    pub path: PathBuf,
    /// Character or block device, or FIFO.
    pub kind: DeviceKind,
    /// The major number.
    pub major: u32,
    /// The minor number.
    pub minor: u32,
    /// The mode, without the type.
    pub mode: u32,
    /// The owner, inside.
    pub uid: u32,
    /// The group, inside.
    pub gid: u32,
}

/// The types of device nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum DeviceKind {
    Character,
    Block,
    Fifo,
}

/// The container's control group.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default, deny_unknown_fields)]
pub struct Cgroup {
    /// Its path beneath the root of each hierarchy; a relative one is beneath the caller's own. For systemd
    /// `SLICE:PREFIX:NAME`, as [`cgroups::systemd::UnitPath`](../cgroups/systemd/struct.UnitPath.html) reads it.
    pub path: PathBuf,
    /// Whether systemd makes it, as a unit of its own: the system's for root, else the user's. Needs the feature
    /// `systemd`.
    pub systemd: bool,
    /// The limits.
    pub resources: cgroups::Resources,
    /// Which devices may be used, besides those of every container. The last rule that fits counts; no rule
    /// at all means no other device, except in a user namespace, where none can be made.
    pub devices: Vec<cgroups::DeviceRule>,
}

impl Cgroup {
    /// Makes one without limits.
    pub fn new(path: impl Into<PathBuf>) -> Cgroup {
        Cgroup { path: path.into(), ..Cgroup::default() }
    }
}

/// A program and who runs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default, deny_unknown_fields)]
pub struct Process {
    /// The program and its arguments. A name without a slash is looked up in PATH, inside.
    pub args: Vec<String>,
    /// The whole environment, `NAME=value`. HOME is added where it is absent.
    pub env: Vec<String>,
    /// The working directory, made when absent in a new container.
    pub cwd: PathBuf,
    /// Who runs it.
    pub user: User,
    /// Whether it gets a terminal of its own.
    pub terminal: bool,
    /// The terminal's size at first, rows and columns.
    pub terminal_size: Option<(u16, u16)>,
    /// What it may do beyond an ordinary user.
    pub capabilities: Capabilities,
    /// Limits of each process.
    pub rlimits: Vec<Rlimit>,
    /// Whether set-user-ID programs and file capabilities give nothing.
    pub no_new_privileges: bool,
    /// How eagerly the kernel kills it when memory is short: -1000 to 1000.
    pub oom_score_adj: Option<i32>,
    /// The AppArmor profile that binds it, which must be loaded; the caller's own unless said.
    pub apparmor_profile: Option<String>,
    /// The SELinux label that binds it; as the policy has it unless said.
    pub selinux_label: Option<String>,
    /// How it takes turns with others; as the caller unless said.
    pub scheduler: Option<Scheduler>,
    /// When its reads and writes are done; as the caller's unless said.
    pub io_priority: Option<IoPriority>,
    /// On which processors it runs. It counts for processes that join a container, not for its first one.
    pub exec_cpu_affinity: Option<CpuAffinity>,
    /// Which system calls it and its children may make; all that the caller's own filter lets through unless said.
    pub seccomp: Option<Seccomp>,
}

impl Process {
    /// Returns whether somebody else decides about some of its system calls.
    pub(crate) fn has_listener(&self) -> bool {
        self.seccomp.as_ref().is_some_and(|seccomp| seccomp.listener.is_some())
    }
}

impl Default for Process {
    fn default() -> Self {
        Process {
            args: Vec::new(),
            env: Vec::new(),
            cwd: "/".into(),
            user: User::default(),
            terminal: false,
            terminal_size: None,
            capabilities: Capabilities::default(),
            rlimits: Vec::new(),
            no_new_privileges: false,
            oom_score_adj: None,
            apparmor_profile: None,
            selinux_label: None,
            scheduler: None,
            io_priority: None,
            exec_cpu_affinity: None,
            seccomp: None,
        }
    }
}

/// Who runs a process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum User {
    /// By ids of the container's user namespace.
    Ids {
        /// The user.
        uid: u32,
        /// The primary group.
        gid: u32,
        /// The supplementary groups.
        #[serde(default)]
        groups: Vec<u32>,
        /// The file mode mask; 022 unless given.
        #[serde(default)]
        umask: Option<u32>,
    },
    /// By names from the container's `/etc/passwd` and `/etc/group`: `user`, `uid`, `user:group`,
    /// `uid:gid`.
    Spec(String),
}

impl Default for User {
    fn default() -> Self {
        User::Ids { uid: 0, gid: 0, groups: Vec::new(), umask: None }
    }
}

/// A limit of each process, [`getrlimit(2)`](https://man7.org/linux/man-pages/man2/getrlimit.2.html).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rlimit {
    /// Its name: `RLIMIT_NOFILE`.
    pub kind: String,
    /// What applies; `u64::MAX` is unlimited.
    pub soft: u64,
    /// What the process may raise it to.
    pub hard: u64,
}

impl Rlimit {
    /// The names at the places of their numbers, without `RLIMIT_` (include/uapi/asm-generic/resource.h).
    pub(crate) const NAMES: [&str; 16] = [
        "CPU",
        "FSIZE",
        "DATA",
        "STACK",
        "CORE",
        "RSS",
        "NPROC",
        "NOFILE",
        "MEMLOCK",
        "AS",
        "LOCKS",
        "SIGPENDING",
        "MSGQUEUE",
        "NICE",
        "RTPRIO",
        "RTTIME",
    ];

    /// Returns the kernel's number for the resource.
    pub(crate) fn resource(&self) -> Option<u32> {
        let name = self.kind.strip_prefix("RLIMIT_")?;
        Self::NAMES.iter().position(|&known| known == name).map(|number| number as u32)
    }
}

impl Config {
    /// Returns whether a new namespace of this kind is made.
    pub(crate) fn is_new(&self, kind: NamespaceKind) -> bool {
        self.namespaces.iter().any(|namespace| namespace.kind == kind && namespace.path.is_none())
    }

    /// Returns whether a namespace of this kind is new or joined.
    pub(crate) fn has(&self, kind: NamespaceKind) -> bool {
        self.namespaces.iter().any(|namespace| namespace.kind == kind)
    }
}

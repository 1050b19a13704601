//! Which system calls may be made, [`seccomp(2)`](https://man7.org/linux/man-pages/man2/seccomp.2.html).

use std::path::PathBuf;

use bitflags::bitflags;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Which system calls the container's processes may make, and what happens to the others.
///
/// The rules mean what they mean to libseccomp, as runc and crun use it; [`crate::seccomp`] says it all.
///
/// ```
/// use libcontainer::seccomp::{Action, Comparison, Op, Rule, Seccomp};
///
/// let mut seccomp = Seccomp::new(Action::Allow);
/// seccomp.rules.push(Rule::new(["kexec_load", "reboot"], Action::Errno(1)));
/// let mut sockets = Rule::new(["socket"], Action::Errno(97));
/// sockets.args.push(Comparison::new(0, Op::Equal, 40));
/// seccomp.rules.push(sockets);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(deny_unknown_fields)]
pub struct Seccomp {
    /// What happens to a call that no rule is about.
    pub default_action: Action,
    /// The architectures whose calls the rules are about, besides the machine's own.
    #[serde(default)]
    pub architectures: Vec<Arch>,
    /// How the filter is installed.
    #[serde(default)]
    pub flags: FilterFlags,
    /// Who decides about the calls of [`Action::Notify`].
    #[serde(default)]
    pub listener: Option<Listener>,
    /// The rules.
    #[serde(default)]
    pub rules: Vec<Rule>,
}

impl Seccomp {
    /// Makes a filter without rules.
    pub fn new(default_action: Action) -> Self {
        Seccomp {
            default_action,
            architectures: Vec::new(),
            flags: FilterFlags::default(),
            listener: None,
            rules: Vec::new(),
        }
    }
}

/// What happens to a system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// The thread is killed by SIGSYS, the process too if it was its only one. OCI's `SCMP_ACT_KILL`.
    KillThread,
    /// The process is killed by SIGSYS.
    KillProcess,
    /// The thread gets a SIGSYS, which it can handle.
    Trap,
    /// The call fails with this error number, 0 to 4095; 0 pretends success.
    Errno(u16),
    /// A tracer is told this number and decides; without one the call fails with ENOSYS.
    Trace(u16),
    /// The call is made.
    Allow,
    /// The call is made and logged.
    Log,
    /// The [`Listener`] is told and decides.
    Notify,
}

/// What happens to some system calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The calls' names. Those that no architecture knows are passed over.
    pub names: Vec<String>,
    /// What happens to them.
    pub action: Action,
    /// What their arguments must be for it; nothing means all calls.
    #[serde(default)]
    pub args: Vec<Comparison>,
}

impl Rule {
    /// Makes a rule about calls with any arguments.
    pub fn new<T: Into<String>>(names: impl IntoIterator<Item = T>, action: Action) -> Self {
        Rule { names: names.into_iter().map(Into::into).collect(), action, args: Vec::new() }
    }
}

/// A condition on one argument of a system call: a number of 64 bits, of which a 32-bit architecture has the
/// lower half. What a pointer points at can't be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(deny_unknown_fields)]
pub struct Comparison {
    /// Which argument: 0 to 5.
    pub index: u32,
    /// How it is compared with `value`.
    pub op: Op,
    /// What it is compared with; the mask for [`Op::MaskedEqual`].
    pub value: u64,
    /// What the masked argument must be, for [`Op::MaskedEqual`] only.
    #[serde(default)]
    pub value_two: u64,
}

impl Comparison {
    /// Makes a comparison of an argument with a value.
    pub fn new(index: u32, op: Op, value: u64) -> Self {
        Comparison { index, op, value, value_two: 0 }
    }

    /// Makes a comparison of some bits of an argument with a value.
    pub fn masked(index: u32, mask: u64, value: u64) -> Self {
        Comparison { index, op: Op::MaskedEqual, value: mask, value_two: value }
    }
}

/// How an argument is compared, without a sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// It is another number.
    NotEqual,
    /// It is smaller.
    Less,
    /// It is smaller or equal.
    LessOrEqual,
    /// It is equal.
    Equal,
    /// It is larger or equal.
    GreaterOrEqual,
    /// It is larger.
    Greater,
    /// The bits of the mask that are set in it are the value's bits of the mask.
    MaskedEqual,
}

/// The architectures that a filter can know: one kernel may show it several (`X86_64`, `X86`, `X32`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Arch {
    X86,
    #[serde(rename = "x86_64")]
    X86_64,
    X32,
    Arm,
    Aarch64,
    Mips,
    Mips64,
    Mips64N32,
    Mipsel,
    Mipsel64,
    Mipsel64N32,
    Ppc,
    Ppc64,
    Ppc64le,
    S390,
    S390x,
    Parisc,
    Parisc64,
    Riscv64,
    Loongarch64,
    M68k,
    /// SuperH, little-endian.
    Sh,
    /// SuperH, big-endian.
    Sheb,
}

bitflags! {
    /// How a filter is installed: the kernel's `SECCOMP_FILTER_FLAG_…`. The default is `SPEC_ALLOW`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct FilterFlags: u32 {
        /// All threads get it. The process that installs it here has one thread: it changes nothing.
        const TSYNC = 1 << 0;
        /// Every action but [`Action::Allow`] is logged.
        const LOG = 1 << 1;
        /// Speculative store bypass isn't turned off.
        const SPEC_ALLOW = 1 << 2;
        /// A thread whose call the listener has received can only be killed, not interrupted otherwise.
        const WAIT_KILLABLE_RECV = 1 << 5;
    }
}

impl Default for FilterFlags {
    fn default() -> Self {
        FilterFlags::SPEC_ALLOW
    }
}

impl Serialize for FilterFlags {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter_names().map(|(name, _)| name))
    }
}

impl<'de> Deserialize<'de> for FilterFlags {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let known = |name: &String| {
            FilterFlags::from_name(name)
                .ok_or_else(|| de::Error::custom(format_args!("seccomp flag {name:?}: unknown")))
        };
        Vec::<String>::deserialize(deserializer)?.iter().map(known).collect()
    }
}

/// Who decides about the calls of [`Action::Notify`],
/// [`seccomp_unotify(2)`](https://man7.org/linux/man-pages/man2/seccomp_unotify.2.html).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default, deny_unknown_fields)]
pub struct Listener {
    /// The socket that the descriptor is sent to: a Unix socket of streams.
    pub path: PathBuf,
    /// What is sent with it, for those who know what it means.
    pub metadata: String,
}

impl Listener {
    /// Makes one that listens at a socket.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Listener { path: path.into(), metadata: String::new() }
    }
}

//! How the kernel serves a process: its turns on the processors, its reads and writes, its memory.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How a process takes turns with others,
/// [`sched_setattr(2)`](https://man7.org/linux/man-pages/man2/sched_setattr.2.html).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Scheduler {
    /// By which rule.
    pub policy: SchedulerPolicy,
    /// How much it gives way to others, -20 to 19 ([`Other`](SchedulerPolicy::Other) and
    /// [`Batch`](SchedulerPolicy::Batch)).
    pub nice: i32,
    /// Before whom it goes, 1 to 99 ([`Fifo`](SchedulerPolicy::Fifo) and [`RoundRobin`](SchedulerPolicy::RoundRobin)).
    pub priority: u32,
    /// What else is said.
    pub flags: Vec<SchedulerFlag>,
    /// How long it runs in each period, in nanoseconds ([`Deadline`](SchedulerPolicy::Deadline)).
    pub runtime: u64,
    /// By when it has to have run, in nanoseconds from the period's begin ([`Deadline`](SchedulerPolicy::Deadline)).
    pub deadline: u64,
    /// The period, in nanoseconds; 0 is the deadline ([`Deadline`](SchedulerPolicy::Deadline)).
    pub period: u64,
}

impl Scheduler {
    /// Begins with a policy, and nothing else said.
    pub fn new(policy: SchedulerPolicy) -> Self {
        Scheduler { policy, ..Scheduler::default() }
    }

    /// Returns the kernel's `struct sched_attr`.
    pub(crate) fn attributes(&self) -> Vec<u8> {
        const SIZE: u32 = 48;
        let flags = self.flags.iter().fold(0, |flags, flag| flags | flag.number());
        let mut bytes = SIZE.to_ne_bytes().to_vec();
        bytes.extend(self.policy.number().to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        bytes.extend(self.nice.to_ne_bytes());
        bytes.extend(self.priority.to_ne_bytes());
        for time in [self.runtime, self.deadline, self.period] {
            bytes.extend(time.to_ne_bytes());
        }
        bytes
    }
}

impl fmt::Display for Scheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.policy.name())?;
        match self.policy {
            SchedulerPolicy::Fifo | SchedulerPolicy::RoundRobin => {
                write!(f, " with priority {}", self.priority)?;
            }
            SchedulerPolicy::Deadline => {
                write!(f, " with {} ns of {} within {}", self.runtime, self.period, self.deadline)?;
            }
            _ => write!(f, " with nice value {}", self.nice)?,
        }
        self.flags.iter().try_for_each(|flag| write!(f, ", {}", flag.name()))
    }
}

/// Declares values that have a name in the OCI specification and a number in the kernel.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident: $type:ty { $($(#[$of:meta])* $variant:ident $word:literal $number:expr,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[non_exhaustive]
        pub enum $name { $($(#[$of])* $variant,)* }

        impl $name {
            /// Returns the kernel's number.
            pub(crate) fn number(self) -> $type {
                match self { $($name::$variant => $number,)* }
            }

            /// Returns the name that it has in the OCI specification.
            pub(crate) fn name(self) -> &'static str {
                match self { $($name::$variant => $word,)* }
            }

            /// Finds it by that name.
            pub(crate) fn from_name(name: &str) -> Option<Self> {
                match name { $($word => Some($name::$variant),)* _ => None }
            }
        }
    };
}

// include/uapi/linux/sched.h
words! {
    /// The rules by which turns are given, [`sched(7)`](https://man7.org/linux/man-pages/man7/sched.7.html).
    #[derive(Default)]
    SchedulerPolicy: u32 {
        /// As all processes do.
        #[default]
        Other "SCHED_OTHER" 0,
        /// Before all others, until it waits.
        Fifo "SCHED_FIFO" 1,
        /// Before all others, in turns with its like.
        RoundRobin "SCHED_RR" 2,
        /// As others, and woken less eagerly.
        Batch "SCHED_BATCH" 3,
        /// Reserved: no kernel knows it.
        Iso "SCHED_ISO" 4,
        /// When nobody else wants to run.
        Idle "SCHED_IDLE" 5,
        /// So long in each period.
        Deadline "SCHED_DEADLINE" 6,
    }
}

words! {
    /// What else is said of a scheduler.
    SchedulerFlag: u64 {
        /// Children begin as all processes do.
        ResetOnFork "SCHED_FLAG_RESET_ON_FORK" 0x01,
        /// It may use what others leave of their time.
        Reclaim "SCHED_FLAG_RECLAIM" 0x02,
        /// It gets SIGXCPU when it ran too long.
        DeadlineOverrun "SCHED_FLAG_DL_OVERRUN" 0x04,
        /// The policy stays.
        KeepPolicy "SCHED_FLAG_KEEP_POLICY" 0x08,
        /// The numbers stay.
        KeepParams "SCHED_FLAG_KEEP_PARAMS" 0x10,
        /// How fast a processor has to be at least; the number isn't said here.
        UtilClampMin "SCHED_FLAG_UTIL_CLAMP_MIN" 0x20,
        /// How fast a processor has to be at most; the number isn't said here.
        UtilClampMax "SCHED_FLAG_UTIL_CLAMP_MAX" 0x40,
    }
}

/// When a process's reads and writes are done,
/// [`ioprio_set(2)`](https://man7.org/linux/man-pages/man2/ioprio_set.2.html).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IoPriority {
    /// In which class.
    pub class: IoClass,
    /// Before whom in it: 0 is first, 7 last. [`Idle`](IoClass::Idle) has none.
    #[serde(default)]
    pub priority: u32,
}

impl IoPriority {
    /// Returns the kernel's number.
    pub(crate) fn number(self) -> u32 {
        const CLASS_SHIFT: u32 = 13;
        self.class.number() << CLASS_SHIFT | self.priority
    }
}

// include/uapi/linux/ioprio.h
words! {
    /// The classes of reads and writes.
    IoClass: u32 {
        /// Before all others.
        RealTime "IOPRIO_CLASS_RT" 1,
        /// As all processes' are.
        BestEffort "IOPRIO_CLASS_BE" 2,
        /// When nobody else reads or writes.
        Idle "IOPRIO_CLASS_IDLE" 3,
    }
}

/// On which processors a process runs that joins a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct CpuAffinity {
    /// Before it is in the container's cgroup: a list as `0-3,7`.
    pub initial: Option<String>,
    /// From then on.
    pub last: Option<String>,
}

/// From which NUMA nodes a container's memory comes,
/// [`set_mempolicy(2)`](https://man7.org/linux/man-pages/man2/set_mempolicy.2.html).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct MemoryPolicy {
    /// By which rule.
    pub mode: MemoryMode,
    /// The nodes that it is about: a list as `0-3,7`; empty for none.
    #[serde(default)]
    pub nodes: String,
    /// What else is said.
    #[serde(default)]
    pub flags: Vec<MemoryFlag>,
}

impl MemoryPolicy {
    /// Begins with a rule and the nodes that it is about.
    pub fn new(mode: MemoryMode, nodes: impl Into<String>) -> Self {
        MemoryPolicy { mode, nodes: nodes.into(), flags: Vec::new() }
    }

    /// Returns rule, flags and nodes in words.
    pub(crate) fn words(&self) -> String {
        let mut words = vec![self.mode.name()];
        words.extend(self.flags.iter().map(|flag| flag.name()));
        format!("{} of nodes {:?}", words.join("|"), self.nodes)
    }

    /// Returns the kernel's number for rule and flags.
    pub(crate) fn number(&self) -> u32 {
        self.flags.iter().fold(self.mode.number(), |mode, flag| mode | flag.number())
    }
}

// include/uapi/linux/mempolicy.h
words! {
    /// The rules by which memory is taken.
    MemoryMode: u32 {
        /// As the kernel has it.
        Default "MPOL_DEFAULT" 0,
        /// From one node, if it has any.
        Preferred "MPOL_PREFERRED" 1,
        /// From these and no other.
        Bind "MPOL_BIND" 2,
        /// From each in turn.
        Interleave "MPOL_INTERLEAVE" 3,
        /// From the processor's own.
        Local "MPOL_LOCAL" 4,
        /// From these, if they have any (Linux 5.15).
        PreferredMany "MPOL_PREFERRED_MANY" 5,
        /// From each in turn, as often as its weight says (Linux 6.9).
        WeightedInterleave "MPOL_WEIGHTED_INTERLEAVE" 6,
    }
}

words! {
    /// What else is said of memory.
    MemoryFlag: u32 {
        /// Pages move to where they are used (Linux 5.12).
        NumaBalancing "MPOL_F_NUMA_BALANCING" 1 << 13,
        /// The nodes are counted within those of the cpuset.
        RelativeNodes "MPOL_F_RELATIVE_NODES" 1 << 14,
        /// The nodes stay those when the cpuset changes.
        StaticNodes "MPOL_F_STATIC_NODES" 1 << 15,
    }
}

/// Which kernel a program thinks it runs on,
/// [`personality(2)`](https://man7.org/linux/man-pages/man2/personality.2.html).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Personality {
    /// The machine's own.
    Linux,
    /// That of a machine of 32 bits.
    Linux32,
}

impl Personality {
    pub(crate) fn number(self) -> u32 {
        match self {
            Personality::Linux => 0,
            Personality::Linux32 => 8,
        }
    }
}

/// The most that a list may name, far above what a kernel can have.
const MOST: usize = 65536;

/// Reads a list of processors or nodes, as `0-3,7`, into a mask of bits: the first in the lowest of the first byte, in
/// whole words of the kernel. `None` where it is no list, or is empty.
pub(crate) fn mask(text: &str) -> Option<Vec<u8>> {
    const WORD: usize = 8;
    let mut bytes = Vec::new();
    for range in text.trim().split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let number = |text: &str| text.trim().parse::<usize>().ok().filter(|number| *number < MOST);
        let (first, last) = (number(first)?, number(last)?);
        if first > last {
            return None;
        }
        if bytes.len() <= last / 8 {
            bytes.resize((last / 8 + 1).next_multiple_of(WORD), 0);
        }
        for number in first..=last {
            bytes[number / 8] |= 1 << (number % 8);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_masks_of_whole_words() {
        assert_eq!(mask("0-3,7"), Some(vec![0x8f, 0, 0, 0, 0, 0, 0, 0]));
        assert_eq!(mask(" 64 ").map(|mask| mask.len()), Some(16));
        for wrong in ["", "a", "3-1", "-1", "1-", "0,,2", "70000", "99999999999999999999"] {
            assert_eq!(mask(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn names_are_those_of_the_specification() {
        assert_eq!(SchedulerPolicy::from_name("SCHED_RR"), Some(SchedulerPolicy::RoundRobin));
        assert_eq!(MemoryMode::WeightedInterleave.name(), "MPOL_WEIGHTED_INTERLEAVE");
        assert_eq!(IoClass::from_name("rt"), None);
    }

    #[test]
    fn a_scheduler_is_laid_out_as_the_kernel_reads_it() {
        let mut scheduler = Scheduler::new(SchedulerPolicy::Deadline);
        (scheduler.runtime, scheduler.deadline, scheduler.period) = (1, 2, 3);
        scheduler.flags = vec![SchedulerFlag::ResetOnFork, SchedulerFlag::DeadlineOverrun];
        let bytes = scheduler.attributes();
        assert_eq!(bytes.len(), 48);
        assert_eq!((bytes[0], bytes[4], bytes[8]), (48, 6, 5));
        assert_eq!((bytes[24], bytes[32], bytes[40]), (1, 2, 3));
        assert_eq!(
            scheduler.to_string(),
            "SCHED_DEADLINE with 1 ns of 3 within 2, SCHED_FLAG_RESET_ON_FORK, SCHED_FLAG_DL_OVERRUN"
        );
    }
}

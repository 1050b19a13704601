//! What happens in a cgroup, in words.

/// What happened in a cgroup, or below it.
///
/// The names are those of the kernel's files: [`memory.events`, `cgroup.events`] and [`pids.events`] of v2, and what
/// v1 has of them.
///
/// [`memory.events`, `cgroup.events`]: https://docs.kernel.org/admin-guide/cgroup-v2.html
/// [`pids.events`]: https://docs.kernel.org/admin-guide/cgroup-v1/pids.html
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Event {
    /// Memory was taken although less than `memory.low` was in use: the protection was not kept. Only v2.
    Low(Count),
    /// More than `memory.high` was in use; processes were slowed down to give memory back. Only v2.
    High(Count),
    /// `memory.max` was about to be passed; memory was taken back, which may have helped. Only v2.
    Max(Count),
    /// The limit was hit and nothing could be taken back. A kill may follow, or the allocation fails.
    ///
    /// On v1 this is also told of a parent's limit, and once at the beginning if a process hangs then, waiting for
    /// memory while the OOM killer is disabled.
    Oom(Count),
    /// Processes were killed for lack of memory, be it this cgroup's, a parent's or the machine's.
    ///
    /// Go by this one and not by a count of failures: with a limit on memory and swap together, that one may stay 0.
    /// On v1 only kills in the cgroup itself are counted, not those below it.
    OomKill(Count),
    /// The whole cgroup was killed, for `memory.oom.group`. Only v2, since Linux 5.17.
    OomGroupKill(Count),
    /// A process or thread could not be made because of the limit on their number.
    ///
    /// Since Linux 6.11 on v2, this cgroup's limit or one below it was hit. On v1, and before, a fork failed in this
    /// cgroup, and the limit may have been a parent's.
    PidsMax(Count),
    /// The first process came into the cgroup or into one below it. Only v2 and hybrid.
    Populated,
    /// The last process is gone, from here and from all cgroups below. Only v2 and hybrid.
    Empty,
    /// All processes have stopped, for the cgroup's own or a parent's `cgroup.freeze`. Only v2.
    Frozen,
    /// Processes may go on. Only v2.
    Thawed,
    /// Memory is short, as v1's `memory.pressure_level` means it. Asked for by
    /// [`Events::watch_pressure`](crate::Events::watch_pressure).
    MemoryPressure(PressureLevel),
    /// The use of memory passed so many bytes, up or down. Asked for by
    /// [`Events::watch_usage`](crate::Events::watch_usage). Only v1.
    Usage(u64),
    /// The cgroup is gone from every hierarchy. Nothing comes after this.
    Removed,
}

/// How often something happened since it was last told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Count {
    /// How often, here and below. At least once.
    pub times: u64,
    /// How often among them in this cgroup itself; `None` where the kernel doesn't tell (`memory.events.local` came
    /// with Linux 5.2, `pids.events.local` with 6.11).
    pub local: Option<u64>,
}

/// How short memory is, on v1.
///
/// The kernel judges by how much of what it looked at could be taken back. On v2 there is
/// [`PressureTrigger`](crate::PressureTrigger).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum PressureLevel {
    /// Memory is being taken back for new allocations.
    Low,
    /// The machine swaps, or drops files that are in use.
    Medium,
    /// The OOM killer is about to act.
    Critical,
}

impl PressureLevel {
    /// The kernel's word.
    pub(crate) fn word(self) -> &'static str {
        match self {
            PressureLevel::Low => "low",
            PressureLevel::Medium => "medium",
            PressureLevel::Critical => "critical",
        }
    }
}

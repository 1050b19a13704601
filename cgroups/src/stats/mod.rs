//! What a cgroup has used.

mod blkio;
mod cpu;
mod cpuset;
mod figures;
pub(crate) mod files;
mod freezer;
mod hugetlb;
mod io;
mod memory;
mod misc;
mod numa;
mod pids;
mod pressure;
mod sampler;
mod text;

pub use blkio::{BlkioEntry, BlkioStats};
pub use cpu::{CpuStats, Throttling};
pub use cpuset::CpusetStats;
pub use figures::{Figures, FiguresIter};
pub use freezer::FreezerStats;
pub use hugetlb::HugetlbStats;
pub use io::IoStats;
pub(crate) use io::device_number;
pub use memory::{MemoryCounter, MemoryStats};
pub use misc::{MiscStats, RdmaStats};
pub use numa::NumaStats;
pub use pids::PidsStats;
pub use pressure::PressureStats;
pub use sampler::Sampler;

use bitflags::bitflags;

use crate::stats::files::Files;
use crate::{Cgroup, Result};

/// What a cgroup and those below it have used, from [`Cgroup::stats`] and [`Sampler::sample`].
///
/// `None` is what this kernel doesn't tell: the controller isn't there, or the file came with a later version.
/// Numbers are the kernel's own, since the cgroup was made; nothing is sampled, so the call takes no time. What
/// per second or per cent means, two of them tell: [`CpuStats::percent_since`]. How long processes had to wait for
/// what they used, [`pressure`](Stats::pressure) tells.
#[derive(Debug, Clone, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
#[non_exhaustive]
pub struct Stats {
    /// Time on the processors.
    pub cpu: Option<CpuStats>,
    /// Memory and swap.
    pub memory: Option<MemoryStats>,
    /// Processes and threads.
    pub pids: Option<PidsStats>,
    /// Reads and writes by device; empty where nothing was read or written.
    pub io: Option<Vec<IoStats>>,
    /// The tables of v1 about reads and writes.
    pub blkio: Option<BlkioStats>,
    /// Huge pages by their size, small ones first.
    pub hugetlb: Option<Vec<HugetlbStats>>,
    /// RDMA devices; empty where there are none.
    pub rdma: Option<Vec<RdmaStats>>,
    /// Miscellaneous resources; empty where this machine has none.
    pub misc: Option<MiscStats>,
    /// Device memory; empty where this machine has none. (Linux 6.14)
    pub dmem: Option<MiscStats>,
    /// The processors and memory nodes that may be used.
    pub cpuset: Option<CpusetStats>,
    /// Whether everything is stopped. On v2 this needs no controller.
    pub freezer: Option<FreezerStats>,
    /// How long processes had to wait; `None` on v1, and where the kernel doesn't measure it.
    pub pressure: Option<PressureStats>,
}

bitflags! {
    /// Which figures to read, for [`Cgroup::stats_of`] and [`Cgroup::sampler_of`]: fewer are faster.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub struct StatsKind: u32 {
        /// [`Stats::cpu`].
        const CPU = 1;
        /// [`Stats::memory`].
        const MEMORY = 1 << 1;
        /// [`Stats::pids`].
        const PIDS = 1 << 2;
        /// [`Stats::io`] and [`Stats::blkio`].
        const IO = 1 << 3;
        /// [`Stats::hugetlb`].
        const HUGETLB = 1 << 4;
        /// [`Stats::rdma`].
        const RDMA = 1 << 5;
        /// [`Stats::misc`].
        const MISC = 1 << 6;
        /// [`Stats::dmem`].
        const DMEM = 1 << 7;
        /// [`Stats::cpuset`].
        const CPUSET = 1 << 8;
        /// [`Stats::freezer`].
        const FREEZER = 1 << 9;
        /// The part of [`Stats::memory`] and [`Stats::hugetlb`] that is by memory node.
        const NUMA = 1 << 10;
        /// [`Stats::pressure`].
        const PRESSURE = 1 << 11;
    }
}

impl StatsKind {
    /// Whether files of this v1 controller are read; the empty name is v2.
    fn needs(self, controller: &str) -> bool {
        let kind = match controller {
            "" => return true,
            "cpu" | "cpuacct" => StatsKind::CPU,
            "memory" => StatsKind::MEMORY,
            "pids" => StatsKind::PIDS,
            "blkio" => StatsKind::IO,
            "hugetlb" => StatsKind::HUGETLB,
            "rdma" => StatsKind::RDMA,
            "misc" => StatsKind::MISC,
            "dmem" => StatsKind::DMEM,
            "cpuset" => StatsKind::CPUSET,
            "freezer" => StatsKind::FREEZER,
            _ => return false,
        };
        self.contains(kind)
    }
}

impl Cgroup {
    /// Returns what this cgroup and those below it have used.
    ///
    /// For the same again and again, [`sampler`](Cgroup::sampler) takes a fraction of the time.
    ///
    /// # Errors
    ///
    /// [`NotFound`](crate::ErrorKind::NotFound) if the cgroup is gone, [`Malformed`](crate::ErrorKind::Malformed) with
    /// file and line if the kernel's figures can't be read. Figures that this kernel doesn't have are `None`.
    #[doc(alias = "GetStats")]
    pub fn stats(&self) -> Result<Stats> {
        self.stats_of(StatsKind::all())
    }

    /// Returns some of what this cgroup and those below it have used; all else is `None`.
    ///
    /// ```no_run
    /// # fn with(cgroup: &cgroups::Cgroup) -> cgroups::Result<()> {
    /// use cgroups::StatsKind;
    ///
    /// let stats = cgroup.stats_of(StatsKind::MEMORY | StatsKind::PIDS)?;
    /// println!("{:?} bytes", stats.memory.map(|memory| memory.usage));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`stats`](Cgroup::stats).
    pub fn stats_of(&self, kinds: StatsKind) -> Result<Stats> {
        let mut files = Files::open(self, |controller| kinds.needs(controller), false)?;
        let mut stats = Stats::default();
        stats.read(&mut files, kinds)?;
        Ok(stats)
    }
}

impl Stats {
    /// Puts new figures in the place of what is here.
    fn read(&mut self, files: &mut Files, kinds: StatsKind) -> Result<()> {
        files.begin()?;
        if kinds.contains(StatsKind::CPU) {
            cpu::read(files, &mut self.cpu)?;
        }
        if kinds.contains(StatsKind::MEMORY) {
            memory::read(files, kinds, &mut self.memory)?;
        }
        if kinds.contains(StatsKind::PIDS) {
            pids::read(files, &mut self.pids)?;
        }
        if kinds.contains(StatsKind::IO) {
            io::read(files, &mut self.io, &mut self.blkio)?;
        }
        if kinds.contains(StatsKind::HUGETLB) {
            hugetlb::read(files, kinds, &mut self.hugetlb)?;
        }
        if kinds.contains(StatsKind::RDMA) {
            misc::rdma(files, &mut self.rdma)?;
        }
        if kinds.contains(StatsKind::MISC) {
            misc::misc(files, &mut self.misc)?;
        }
        if kinds.contains(StatsKind::DMEM) {
            misc::dmem(files, &mut self.dmem)?;
        }
        if kinds.contains(StatsKind::CPUSET) {
            cpuset::read(files, &mut self.cpuset)?;
        }
        if kinds.contains(StatsKind::FREEZER) {
            freezer::read(files, &mut self.freezer)?;
        }
        if kinds.contains(StatsKind::PRESSURE) {
            pressure::read(files, &mut self.pressure)?;
        }
        files.end()
    }
}

/// A limit as the kernel tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum Limit {
    /// No limit here; a parent may have one.
    Unlimited,
    /// So many bytes or processes.
    At(u64),
}

/// Reads a limit of v2 (`max`) or of v1, where no limit is the largest number of whole pages.
pub(crate) fn limit(word: &str) -> std::result::Result<Limit, String> {
    // With pages of 64 KiB, the largest there are.
    const LARGEST_V1: u64 = 0x7fff_ffff_ffff_0000;
    match word {
        "max" => Ok(Limit::Unlimited),
        word => text::number(word).map(|n| if n >= LARGEST_V1 { Limit::Unlimited } else { Limit::At(n) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_limit_reads_the_same_on_both_versions() {
        assert_eq!(limit("max"), Ok(Limit::Unlimited));
        assert_eq!(limit("9223372036854771712"), Ok(Limit::Unlimited));
        assert_eq!(limit("9223372036854710272"), Ok(Limit::Unlimited));
        assert_eq!(limit("4096"), Ok(Limit::At(4096)));
        assert!(limit("much").is_err());
    }
}

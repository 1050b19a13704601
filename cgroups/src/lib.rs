//! Control groups of Linux: v1, v2 and hybrid.
//!
//! Half a processor and 64 MiB for a program and all that it starts:
//!
//! ```no_run
//! let mut limits = cgroups::Resources::default();
//! limits.cpu.get_or_insert_default().quota = Some(50_000); // microseconds of each 100,000: half a processor
//! limits.memory.get_or_insert_default().limit = Some(64 << 20); // bytes
//!
//! let job = cgroups::Cgroup::create(&cgroups::Hierarchies::detect()?, "jobs/1")?;
//! job.set(&limits)?;
//! let status = job.spawn(std::process::Command::new("make"))?.wait()?;
//! println!("{status}, {:?}", job.stats()?.memory);
//! job.kill()?; // what it left running
//! job.close()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`apply`] does that to a process that runs already, in one call.
//!
//! [`Hierarchies`] tells what is mounted, [`Cgroup`] names one cgroup in all of it, [`Active`] is a
//! cgroup that goes again unless it is kept, [`Resources`] and [`DeviceRule`] are what it may use, and [`Stats`] what
//! it used, once or, by a [`Sampler`], again and again. The same program runs on v1, v2 and on machines with both;
//! what a machine doesn't have is an error that names the controller. What the kernel rounds is told too:
//! [`Cgroup::set`] returns it as [`Adjusted`].
//!
//! # The names of 2014
//!
//! | pkg/cgroups | here | mended |
//! |---|---|---|
//! | `Cgroup` and its JSON | [`docker::Cgroup`]; [`Resources`], [`DeviceRule`] | v2 and pids beside v1; `MemorySwap` is set as given, not as twice the memory |
//! | `Apply`, `fs.Apply` | [`apply`], [`docker::Cgroup::apply`], or [`Cgroup::create`], [`set`](Cgroup::set) and [`add`](Cgroup::add) | after an error nothing stays, and no process is half moved |
//! | `ActiveCgroup`, `Cleanup` | [`Active`], [`Active::close`] | removes directories, deepest first, and waits for the last process; did not try to unlink control files |
//! | `FindCgroupMountpoint` | [`find_cgroup_mountpoint`] | options are compared whole, hidden mounts don't count |
//! | `GetThisCgroupDir`, `GetInitCgroupDir` | [`this_cgroup_dir`], [`init_cgroup_dir`] | a colon in the path, `/..` and a short line are understood |
//! | `GetPids`, `ReadProcsFile` | [`Cgroup::pids`], [`Cgroup::all_pids`] | also those in cgroups below |
//! | `GetStats`, `Stats` and its JSON | [`Cgroup::stats`], [`Cgroup::sampler`], [`CpuStats::percent_since`]; [`docker::Stats`], [`docker::flat_stats`] | doesn't sleep; the percentage is not always 0; a missing file is `None` |
//! | `Freeze` | [`Cgroup::freeze`], [`Cgroup::thaw`] | has a deadline, and undoes a failure |
//! | `systemd.Apply`, `UseSystemd` | [`Manager::apply`] with [`Driver`], `systemd::Systemd::detect` | waits for the job; limits that systemd has no word for are written to the files; nothing is started to find out |
//! | `devices.Device`, `GetDevice`, `GetHostDeviceNodes`, `DefaultSimpleDevices`, … | [`docker::Device`], [`docker::host_devices`], [`docker::default_simple_devices`], … | a device with which nothing may be done is no rule |
//! | `Freezer`, `Undefined`, `Frozen`, `Thawed` | [`docker::FreezerState`] | |
//! | `ErrNotFound`, `ErrNotSupportStat`, `ErrNotValidFormat` | [`ErrorKind::NoController`], `None`, [`ErrorKind::Malformed`] | say which file |
//!
//! # Features
//!
//! `serde`: [`Resources`], [`DeviceRule`], [`Stats`], [`Pressure`] and [`Layout`] as data; the JSON of 2014 in [`docker`].
//!
//! `tokio`: `AsyncEvents` and `AsyncPressureTrigger`, of which events are awaited.
//!
//! `systemd`: cgroups as transient units of systemd's.

#![cfg_attr(docsrs, feature(doc_cfg))]
// Links to what only a feature brings.
#![cfg_attr(
    not(all(feature = "systemd", feature = "tokio", feature = "serde")),
    allow(rustdoc::broken_intra_doc_links)
)]

mod active;
mod adjusted;
mod bandwidth;
mod cgroup;
mod clone;
mod cpulist;
mod delegate;
pub mod docker;
mod error;
mod events;
mod file;
mod functions;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzz;
mod hierarchy;
mod kept;
mod manager;
mod migrate;
mod nested;
mod resources;
mod set;
mod spawn;
mod stats;
mod sys;
#[cfg(feature = "systemd")]
pub mod systemd;
mod threads;
mod tree;
mod v1;
mod v2;
mod wait;

pub use active::Active;
pub use adjusted::Adjusted;
pub use cgroup::Cgroup;
pub use error::{Error, ErrorKind, Result};
#[cfg(feature = "tokio")]
pub use events::{AsyncEvents, AsyncPressureTrigger};
pub use events::{
    Count, Event, Events, Pressure, PressureEvent, PressureKind, PressureLevel, PressureResource,
    PressureTrigger, Stalls,
};
pub use functions::{apply, find_cgroup_mountpoint, init_cgroup_dir, this_cgroup_dir};
pub use hierarchy::{Hierarchies, Layout};
pub use manager::{Driver, Manager};
pub use resources::{
    BlockIo, Cpu, Cpuset, DeviceAccess, DeviceKind, DeviceRule, HugepageLimit, InterfacePriority, Memory,
    Network, Pids, Rdma, Resources, ThrottleDevice, WeightDevice,
};
pub use stats::{
    BlkioEntry, BlkioStats, CpuStats, CpusetStats, Figures, FiguresIter, FreezerStats, HugetlbStats, IoStats,
    Limit, MemoryCounter, MemoryStats, MiscStats, NumaStats, PidsStats, PressureStats, RdmaStats, Sampler,
    Stats, StatsKind, Throttling,
};
pub use threads::CgroupType;

//! Control groups as Docker 0.10 to 1.0 wrote them down, in 2014.
//!
//! For who still has such files, or speaks with what writes them: the `cgroups` of a `container.json`, and the
//! statistics that came with it. [`Cgroup`] reads the JSON of all three versions of `pkg/cgroups` (with the feature
//! `serde`) and writes that of 1.0; what it means today is [`Resources`](crate::Resources),
//! [`DeviceRule`](crate::DeviceRule)s and a path, and [`Cgroup::apply`] does it all at once, on v1 and on v2.
//!
//! ```no_run
//! # #[cfg(feature = "serde")] {
//! let wanted: cgroups::docker::Cgroup = serde_json::from_str(
//!     r#"{"name": "web", "parent": "docker", "memory": 67108864, "cpu_shares": 512}"#,
//! ).expect("it is written down right here");
//! let manager = wanted.apply(std::process::id())?;
//! println!("{:?}", manager.stats()?.memory);
//! # }
//! # Ok::<(), cgroups::Error>(())
//! ```
//!
//! # What the versions say
//!
//! | key | 0.10 | 0.11 | 1.0 |
//! |---|---|---|---|
//! | `name`, `parent`, `memory`, `memory_swap`, `cpu_shares`, `cpuset_cpus` | yes | yes | yes |
//! | `memory_reservation`, `cpu_quota`, `cpu_period`, `freezer` | | yes | yes |
//! | `device_access` | yes | yes | called `allow_all_devices` |
//! | `allowed_devices` | the list was fixed | the list was fixed | yes |
//! | `unit_properties` | yes: `[["Slice", "x.slice"]]` | called `slice` | called `slice` |
//!
//! Of libcontainer's later names these are read as well: `cpuset_mems`, `kernel_memory`, `blkio_weight`,
//! `oom_kill_disable`, and of a device `major`, `minor` and `permissions`. Other keys are passed over, and small and
//! capital letters are the same, as in Go. A value that can't be meant is an error that names its key.
//!
//! # What was mended
//!
//! `memory_swap` is what is set, and not always twice the memory; nothing stays after an error; freezing has a
//! deadline; the processor's figures in [`Stats`] are not always 0, and nobody sleeps for them.

mod apply;
mod cgroup;
mod device;
#[cfg(feature = "serde")]
mod json;
mod stats;

pub use cgroup::{Cgroup, FreezerState};
pub use device::{
    Device, default_allowed_devices, default_auto_created_devices, default_simple_devices, host_devices,
};
pub use stats::{
    BlkioStats, CpuStats, CpuUsage, FreezerStats, MemoryStats, Stats, ThrottlingData, flat_stats,
};

//! The systemd driver: cgroups that systemd makes, knows and keeps.
//!
//! On a machine with systemd the tree of cgroups is systemd's. What a program makes there by hand may be changed
//! whenever a unit is reloaded, and systemd's own rules say to ask for a transient scope instead ([delegation]). This
//! module asks: [`Systemd`] is the way to a service manager, [`Unit`] a scope or slice to be started, and
//! [`Translation`] says in systemd's words what [`Resources`](crate::Resources) mean. [`Manager`](crate::Manager)
//! puts that together with the files, for what systemd has no words for.
//!
//! ```no_run
//! use cgroups::systemd::{Systemd, Unit};
//!
//! if let Some(systemd) = Systemd::detect()? {
//!     let unit = Unit::scope("job-1.scope")?.pid(std::process::id());
//!     systemd.start(&unit)?;
//!     println!("{:?}", systemd.control_group(unit.name())?);
//! }
//! # Ok::<(), cgroups::Error>(())
//! ```
//!
//! Every call blocks, on the calling thread and with a deadline. There is no thread behind it, no runtime and no
//! signal handler; descriptors are close-on-exec.
//!
//! [delegation]: https://systemd.io/CGROUP_DELEGATION/

mod address;
mod adopt;
mod bitmask;
mod block_io;
mod connection;
mod devices;
#[cfg(fuzzing)]
#[allow(missing_docs)]
pub mod fuzz;
mod gvariant;
mod job;
mod managed;
mod manager;
mod name;
mod object;
mod peer;
mod properties;
mod set;
mod start;
mod undo;
mod unified;
mod unit;
mod value;
mod wire;

pub use devices::device_properties;
pub(crate) use managed::Managed;
pub use manager::Systemd;
pub(crate) use name::checked as check_name;
pub use name::{UnitPath, expand_slice};
pub use properties::{Present, Translation};
pub use unit::Unit;
pub use value::{Property, Value};

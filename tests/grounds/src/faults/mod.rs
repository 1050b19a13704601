//! Faults from outside: any program can be stopped, starved and refused without hooks in it.
//!
//! - [`Steps`], [`kill_at`], [`kill_first`]: SIGKILL at a system call of one's choice, in any process of a
//!   command's tree
//! - [`Refused`]: system calls that fail as on an older kernel, or in a stricter sandbox
//! - [`Full`]: no space left on a device
//! - [`Descriptors`]: no descriptor left
//! - [`Starved`]: no memory left
//! - [`Interrupts`]: signals that interrupt every wait
//!
//! ```no_run
//! use std::process::Command;
//! use std::time::Duration;
//!
//! use grounds::faults::{Steps, When, kill_at};
//!
//! # fn main() -> std::io::Result<()> {
//! let mut command = Command::new("true");
//! let limit = Duration::from_secs(10);
//! for step in &Steps::record(&mut command, limit)?.named(&["openat", "mmap"]) {
//!     let killed = kill_at(&mut command, step, When::Before, limit)?;
//!     println!("killed at {step}: {}", killed.run.status);
//! }
//! # Ok(())
//! # }
//! ```

pub(crate) mod calls;
mod descriptors;
mod full;
mod interrupts;
mod memory;
mod output;
mod refuse;
mod steps;
mod tracer;

pub use descriptors::Descriptors;
pub use full::Full;
pub use interrupts::Interrupts;
pub use memory::Starved;
pub use refuse::{RECENT, Refused, SINCE_5_10};
pub use steps::{Killed, Place, Step, Steps, When, kill_at, kill_first};
pub use tracer::Run;

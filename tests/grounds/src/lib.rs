//! Where the workspace's tests run, and what they find out about themselves there.
//!
//! A test is a plain function. It asks for the ground it needs ([`netns`], [`mountns`], [`root`]); where
//! this user or kernel can't give it, the test is reported as ignored, with the reason, and never as
//! passed.
//!
//! Each test runs in a process of its own, on a thread whose namespaces it may change. It fails where it
//! leaves something behind (see [`Left`]), and where it takes longer than three minutes.
//!
//! ```no_run
//! use grounds::{Outcome, tests};
//!
//! fn loopback_is_down_at_first() -> Outcome {
//!     grounds::netns()?;
//!     let flags = std::fs::read_to_string("/sys/class/net/lo/flags")?;
//!     assert_eq!(flags.trim(), "0x8");
//!     Ok(())
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     grounds::run_as_root(tests![loopback_is_down_at_first])
//! }
//! ```
//!
//! The command of this package, `cargo grounds`, runs the same tests on other kernels, as other users and
//! with system calls refused.

mod ask;
pub mod faults;
mod harness;
mod keeper;
mod leaks;
mod rootfs;
mod sys;

pub use ask::{Outcome, Stop, calls, containers, ignored, mountns, netns, ordinary_user, root, times};
pub use harness::{Test, Verdict, run, run_as_root, test};
pub use leaks::{Left, Machine, Process};
pub use rootfs::Rootfs;

//! Linux containers from any thread of any program.
//!
//! ```no_run
//! use libcontainer::{Config, Container, Io};
//!
//! fn main() -> libcontainer::Result<()> {
//!     let mut config = Config::new("/srv/rootfs");
//!     config.hostname = Some("box".to_owned());
//!     config.process.args = vec!["sh".into(), "-c".into(), "hostname; ps".into()];
//!     let status = Container::run(&config, Io::default())?.wait()?;
//!     std::process::exit(status.code());
//! }
//! ```
//!
//! # What is special
//!
//! A container is a flat program of system calls. This library compiles it, and a tiny freestanding
//! image without allocator, locks or C library runs it: nothing of the calling program is forked or
//! changes, whatever its threads do and however large it is. [`Plan`] shows the program, step by step.
//!
//! # What is where
//!
//! | What | Where |
//! |---|---|
//! | what a container is | [`Config`], plain data; [`Config::new`] for the usual one, [`Config::rootless`] for ordinary users |
//! | one container, as a value | [`Container`] |
//! | containers with names, found by other processes | [`Factory`] |
//! | what happens to a container, and what it uses | [`Events`], [`Stats`] |
//! | OCI bundles | [`oci`] |
//! | which system calls may be made | [`seccomp`] |
//! | `container.json` of 2014 | [`docker`] |
//!
//! # Features
//!
//! `systemd`: control groups as units of systemd's, where [`Cgroup::systemd`] asks for it.
//!
//! # Names of 2014
//!
//! | Docker's `pkg/libcontainer` | here | mended |
//! |---|---|---|
//! | `Container` (container.json) | [`Config`]; [`docker`] reads the file | the sample of its own version could not be read |
//! | `namespaces.Exec` | [`Container::run`] | the child's errors never reached the parent |
//! | `namespaces.ExecIn` | [`Container::exec`] | joined namespaces in directory order, leaked descriptors |
//! | `SyncPipe` | inside | one way only, and write errors were dropped |
//! | `NotifyOnOOM` (2014-10) | [`Container::events`] | |
//! | `TtyTerminal`, `StdTerminal` | [`Io`], [`Container::console`] | |
//! | `nsinit` | the program `nsinit` | |

#![deny(unsafe_code)]

mod config;
mod container;
pub mod docker;
mod error;
mod events;
mod factory;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzz;
#[cfg(test)]
mod inside;
mod launch;
pub mod oci;
mod pause;
mod plan;
mod process;
#[allow(dead_code, missing_docs, unreachable_pub)]
mod program;
#[allow(dead_code, unreachable_pub, unsafe_code)]
#[path = "../init/raw.rs"]
mod raw;
pub mod seccomp;
mod state;
mod stats;
mod sys;

pub use config::{
    Capabilities, CapabilitySet, Cgroup, Clock, Config, CpuAffinity, Description, Device, DeviceKind, Hook,
    Hooks, IdMapping, IntelRdt, IoClass, IoPriority, Macvlan, MacvlanMode, MemoryFlag, MemoryMode,
    MemoryPolicy, Mount, Namespace, NamespaceKind, Neighbour, NetDevice, Network, Personality, Process,
    Propagation, Rlimit, Route, Scheduler, SchedulerFlag, SchedulerPolicy, TimeOffset, User, Veth,
};
pub use container::{Container, Status};
pub use error::{Error, ErrorKind, Result};
pub use events::{Event, Events};
pub use factory::Factory;
pub use plan::Plan;
pub use process::{Child, ExitStatus, Io, Stdio};
pub use stats::{Interface, Stats, Traffic};

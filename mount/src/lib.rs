//! Mounts, unmounts and reads the mount table, with the option words of fstab and of containers.
//!
//! ```no_run
//! // A file, read-only, on another one.
//! mount::mount("/myfile", "/myotherfile", "none", "bind,ro")?;
//!
//! for mount in mount::mounts()? {
//!     println!("{} on {}", mount.source.display(), mount.mount_point.display());
//! }
//!
//! mount::unmount("/myotherfile")?;
//! # Ok::<(), mount::Error>(())
//! ```
//!
//! [`mount()`] is for everyday use; [`MountGuard`] holds a mount for as long as it is needed; [`Options`]
//! sorts option words for whoever makes the system calls; [`MountInfo`] is one line of the table, which
//! [`parse`] also reads from elsewhere. Mounting needs `CAP_SYS_ADMIN` over the mount namespace: be root, or
//! try in one of your own with `unshare --user --map-root-user --mount`.
//!
//! # From Go's `pkg/mount` of 2014
//!
//! | there | here | what is mended |
//! |---|---|---|
//! | `Mount` | [`mount()`] | anything at all at the target counted as success: now the same mount does, else it is an error |
//! | | | `bind,ro` dropped the source's `nosuid,nodev,noexec`: they are kept |
//! | | | `rbind,ro` left every mount below writable: it holds for the tree |
//! | | | a failure halfway left a writable bind behind: it is taken away again |
//! | | | options beyond 4,095 bytes were cut by the kernel: they are refused |
//! | `ForceMount` | [`force_mount`] | the same, but for the look at the target |
//! | `Unmount` | [`unmount`] | followed symbolic links: they are refused |
//! | `ForceUnmount` | [`force_unmount`] | tried ten times whatever the error: only while the mount is busy |
//! | `Mounted` | [`mounted`] | read the whole table, and knew only the exact string: one system call, any path |
//! | `GetMounts` | [`mounts`], [`mounts_of`] | left `\040` as it was; one odd line or an empty source lost the table |
//! | `MountInfo` | [`MountInfo`] | knew nothing of propagation; paths are bytes |
//! | `parseOptions` | [`Options`] | sent `nofail`, `x-*`, `nosymfollow` and quoted commas to the filesystem as they were |
#![deny(unsafe_code)]

mod at;
mod attributes;
mod context;
mod error;
mod guard;
mod handle;
mod idmap;
mod info;
mod mount;
mod options;
mod overlay;
mod propagation;
mod request;
mod root;
mod statmount;
mod sys;
mod table;
mod unmount;
mod users;
mod watch;

pub use at::At;
pub use attributes::Attributes;
pub use context::{FsContext, Level, Message};
pub use error::{Error, ErrorKind, Result};
pub use guard::MountGuard;
pub use handle::Mount;
pub use idmap::{IdMap, IdRange};
pub use info::{MountInfo, mount_of, mounted, mounts, mounts_of};
pub use mount::{force_mount, force_unmount, mount, unmount};
pub use options::{Bind, IdMapping, Options};
pub use overlay::Overlay;
pub use propagation::Propagation;
pub use root::Root;
pub use statmount::{Fields, MountIds, NamespaceId, Statmount};
pub use table::{Entries, Entry, Node, Reader, Table, parse};
pub use unmount::Unmount;
pub use users::{Use, User, Users, users};
#[cfg(feature = "tokio")]
pub use watch::AsyncWatcher;
pub use watch::{Event, Watcher};

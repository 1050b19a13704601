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
//! Mounting needs `CAP_SYS_ADMIN` over the mount namespace: be root, or try in one of your own with
//! `unshare --user --map-root-user --mount`. Reading and watching need no privilege. Linux 5.10 is enough for
//! everything that doesn't name a later version; where a seccomp filter refuses newer calls, older ones are
//! taken if they can say the same.
//!
//! # What there is
//!
//! - *Everyday:* [`mount()`], [`unmount`], [`mounted`], [`mounts`], [`mount_of`], with [`Options`] in the words of
//!   fstab and of container runtimes. [`MountGuard`] holds a mount for as long as it is needed.
//! - *Beneath a root that somebody else writes to:* [`Root`]. Whatever takes an [`At`] takes a path, a
//!   descriptor, or a path beneath a root that no symbolic link leads out of.
//! - *By descriptor:* [`FsContext`] makes a filesystem step by step, with the kernel's own words in each error;
//!   [`Mount`] is a mount before or after anybody can see it, with [`Attributes`], [`Propagation`] and an [`IdMap`];
//!   [`Overlay`] has hundreds of layers with paths of any length.
//! - *The table:* [`Table`] reads it as fast as the kernel writes it, knows trees, stacks and what is hidden;
//!   [`Reader`] reads it again only when it has changed; [`parse`] takes text from elsewhere. By unique ids:
//!   [`MountIds`], [`Statmount`].
//! - *What happens:* [`Watcher`] tells each mount that comes, goes, moves or changes; with the feature `tokio` also
//!   `AsyncWatcher`.
//! - *Taking away:* [`Unmount`], whole trees in the right order too; [`users()`] says who keeps a mount busy.
//!
//! ```no_run
//! // Who mounts what, as it happens.
//! for event in mount::Watcher::new()? {
//!     if let mount::Event::Mounted(mount) = event? {
//!         println!("{} on {}", mount.source.display(), mount.mount_point.display());
//!     }
//! }
//! # Ok::<(), mount::Error>(())
//! ```
//!
//! # From Go's `pkg/mount` of 2014
//!
//! | there | here | what is mended |
//! |---|---|---|
//! | `Mount` | [`mount()`] | anything at all at the target counted as success: now the same mount does, else it is an error |
//! | | | `bind,ro` dropped the source's `nosuid,nodev,noexec`: they are kept |
//! | | | `rbind,ro` left every mount below writable: it holds for the tree |
//! | | | a failure halfway left a writable bind behind: it is taken away again |
//! | | | options beyond 4,095 bytes were cut by the kernel: overlay's layers go one by one, the rest is refused |
//! | | | an error said a number: it says what the filesystem says |
//! | `ForceMount` | [`force_mount`] | the same, but for the look at the target |
//! | `Unmount` | [`unmount`] | followed symbolic links: they are refused |
//! | `ForceUnmount` | [`force_unmount`] | tried ten times whatever the error: only while the mount is busy, and says who uses it |
//! | `Mounted` | [`mounted`] | read the whole table, and knew only the exact string: one system call, any path |
//! | `GetMounts` | [`mounts`], [`mounts_of`] | left `\040` as it was; one odd line or an empty source lost the table |
//! | `MountInfo` | [`MountInfo`] | knew nothing of propagation; paths are bytes |
//! | `parseOptions` | [`Options`] | sent `nofail`, `x-*`, `nosymfollow` and quoted commas to the filesystem as they were |
//! | later: `RecursiveUnmount` | [`Unmount::recursive`] | went by the length of paths, and left two of three stacked mounts |
//! | `MergeTmpfsOptions` | [`Options::merge`] | knew tmpfs alone |
//! | `PrefixFilter`, `ParentsFilter` | [`Entry::is_beneath`], [`Entry::is_above`] | took `/foobar` for a child of `/foo`, and nothing for a child of `/` |
#![deny(unsafe_code)]

mod at;
mod attributes;
mod busy;
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
mod watch;
mod words;

pub use at::At;
pub use attributes::Attributes;
pub use busy::{Use, User, Users, users};
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
#[cfg(feature = "tokio")]
pub use watch::AsyncWatcher;
pub use watch::{Event, Watcher};

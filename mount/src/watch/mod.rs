//! Watching the mounts of a namespace.

mod event;
mod state;
#[cfg(feature = "tokio")]
mod tokio;
mod wake;

use std::fmt;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;

pub use self::event::Event;
use self::state::{Look, Source, State};
#[cfg(feature = "tokio")]
pub use self::tokio::AsyncWatcher;
use self::wake::Wake;
use crate::error::quote;
use crate::sys::{self, fanotify};
use crate::{Error, MountInfo, NamespaceId, Result};

/// Tells what happens to the mounts of a namespace: which come, go, move and change.
///
/// ```no_run
/// use mount::{Event, Watcher};
///
/// for event in Watcher::new()? {
///     match event? {
///         Event::Mounted(mount) => println!("+ {}", mount.mount_point.display()),
///         Event::Unmounted(mount) => println!("- {}", mount.mount_point.display()),
///         Event::Moved { from, to } => {
///             println!("{} -> {}", from.mount_point.display(), to.mount_point.display());
///         }
///         other => println!("{other:?}"),
///     }
/// }
/// # Ok::<(), mount::Error>(())
/// ```
///
/// It is an endless iterator that blocks; [`try_next`](Self::try_next) and
/// [`next_timeout`](Self::next_timeout) don't, or not for ever. As a descriptor it goes into poll(2), epoll and
/// whatever a program waits with: readable while there may be an event, until `try_next` has returned `None`.
/// With the feature `tokio` there is `AsyncWatcher`. No thread runs in the background,
/// and nothing is left when it is dropped.
///
/// # What is told
///
/// No change is missed that the kernel lets us see. Where it announces mounts (fanotify, since Linux 6.15, with
/// `CAP_SYS_ADMIN` over the namespace; see [`is_announced`](Self::is_announced)) each of them is told, also one
/// that came and went before anybody could look. Elsewhere two looks at the table are compared: what came and
/// went between them is not told, and what changed twice is told once. Since Linux 6.15 a mount that was
/// replaced is told apart by its unique id; before, an identical mount in the same place with the same id (the
/// kernel gives the lowest) looks as if nothing had happened.
///
/// The kernel wakes nobody, and a change is seen at the next event or [`rescan`](Self::rescan), when
///
/// - the propagation of a mount changes (`make-shared` and the like; up to 6.18 at least, 7.3 does wake),
/// - a filesystem gets other options by fsconfig(2) and not by mount(2), as util-linux and
///   [`mount()`](crate::mount()) give them today, or turns itself read-only after an error,
/// - a directory above a mount point is renamed: mount points are then other paths. This one only `rescan`
///   sees.
///
/// # What it holds
///
/// The namespace stays while it is watched, and with it what is mounted there. So does the root directory that
/// it is seen from, which can't be unmounted (`MNT_DETACH` can): make the watcher after pivot_root(2), and use
/// it in threads with the same root directory.
pub struct Watcher {
    wake: Wake,
    state: State,
    /// How closely to look at all mounts, kept until it was done.
    due: Option<Look>,
    /// Whether that was put off once, for events that were there already.
    is_late: bool,
}

impl Watcher {
    /// Watches the calling thread's mount namespace, seen from its root directory.
    ///
    /// # Errors
    ///
    /// Fails without `/proc`, or without descriptors left.
    pub fn new() -> Result<Self> {
        Self::of_process("/proc/thread-self", None)
    }

    /// Watches the mount namespace of another process, seen from its root directory.
    ///
    /// # Errors
    ///
    /// [`NotFound`](crate::ErrorKind::NotFound) without such a process,
    /// [`PermissionDenied`](crate::ErrorKind::PermissionDenied) if it may not be looked at.
    pub fn of_pid(pid: u32) -> Result<Self> {
        Self::of_process(&format!("/proc/{pid}"), Some(pid))
    }

    /// Watches the mount namespace that a file like `/proc/PID/ns/mnt` refers to, seen from its root.
    ///
    /// A thread enters the namespace to open its table, and ends; the caller's namespaces stay.
    ///
    /// # Errors
    ///
    /// [`PermissionDenied`](crate::ErrorKind::PermissionDenied) without `CAP_SYS_ADMIN` over the namespace and
    /// `CAP_SYS_CHROOT`.
    pub fn of_namespace(namespace: impl AsFd) -> Result<Self> {
        let namespace = namespace.as_fd();
        let what = "watch a mount namespace";
        let open = || {
            let opened = sys::namespace::mountinfo(namespace);
            opened.map_err(|(step, error)| Error::call(format_args!("{what}: {step}"), error))
        };
        let (table, bell) = (open()?.into(), open()?.into());
        let id = NamespaceId::of(namespace).ok();
        let source = if id.is_some() { Source::new(id) } else { Source::Text(Vec::new()) };
        Self::armed(table, bell, fanotify::watch(namespace).ok(), source)
    }

    fn of_process(process: &str, pid: Option<u32>) -> Result<Self> {
        let path = format!("{process}/mountinfo");
        let path = Path::new(&path);
        let open = || {
            let what = || format!("open {}", quote(path));
            File::open(path).map_err(|error| Error::io(what(), path, &error))
        };
        let namespace_of = || File::open(format!("{process}/ns/mnt")).ok();
        let before = namespace_of();
        let (table, bell) = (open()?, open()?);
        // A process may enter another one meanwhile, and others' can't always be opened: then there is the text.
        let namespace = before.filter(|before| is_same(before, namespace_of().as_ref()));
        let Some(namespace) = namespace else {
            return Self::armed(table, bell, None, Source::Text(Vec::new()));
        };
        let announcements = fanotify::watch(namespace.as_fd()).ok();
        let id = NamespaceId::of(&namespace).ok();
        match (pid, id) {
            (None, id) => Self::armed(table, bell, announcements, Source::new(id)),
            (Some(_), None) => Self::armed(table, bell, announcements, Source::Text(Vec::new())),
            (Some(_), Some(_)) => {
                let watcher = Self::armed(table, bell, announcements, Source::new(id))?;
                // By id, mounts are seen from the namespace's root, which isn't that of a process after chroot(2).
                if watcher.sees_from(Path::new(&format!("{process}/root/"))) {
                    return Ok(watcher);
                }
                Self::armed(open()?, open()?, None, Source::Text(Vec::new()))
            }
        }
    }

    /// Looks for the first time, with all that wakes in place before: no change is between.
    fn armed(table: File, bell: File, announcements: Option<OwnedFd>, source: Source) -> Result<Self> {
        // What is announced are unique ids, of which the text knows nothing.
        let announcements = announcements.filter(|_| matches!(source, Source::Kernel(_)));
        let wake = Wake::new(table, bell, announcements).map_err(failed)?;
        let state = State::new(source, wake.is_announced());
        let mut watcher = Watcher { wake, state, due: None, is_late: false };
        watcher.state.refresh(watcher.wake.table(), Look::Whole).map_err(failed)?;
        watcher.state.events.clear();
        Ok(watcher)
    }

    /// Says whether the mount with the mount point `/` is the one that has `root` as its root.
    fn sees_from(&self, root: &Path) -> bool {
        let Ok(status) = sys::statx(root, true, true) else { return false };
        let Some(sys::Id::Unique(id)) = status.id else { return false };
        let mount = self.state.get(id);
        status.is_root == Some(true) && mount.is_some_and(|mount| mount.mount_point == Path::new("/"))
    }

    /// Returns the mounts as they are after the last event, in no order that means anything.
    ///
    /// That is the table at the beginning, before the first event is asked for; and whenever
    /// [`try_next`](Self::try_next) has returned `None`. In between, events may wait of which the result is in
    /// here already.
    pub fn mounts(&self) -> impl ExactSizeIterator<Item = &MountInfo> {
        self.state.mounts()
    }

    /// Says whether the kernel announces each mount, so that none comes and goes unseen.
    pub fn is_announced(&self) -> bool {
        self.wake.is_announced()
    }

    /// Returns the next event if there is one, and never waits.
    ///
    /// # Errors
    ///
    /// Fails if the kernel can't be asked, for want of memory for instance. Nothing is lost then: the next call
    /// goes on.
    pub fn try_next(&mut self) -> Result<Option<Event>> {
        let looked = if self.state.events.is_empty() { self.look() } else { Ok(()) };
        let event = self.state.events.pop_front();
        // After a failure too: who waits comes back for the rest.
        self.hold()?;
        match (event, looked) {
            (None, Err(error)) => Err(failed(error)),
            (event, _) => Ok(event),
        }
    }

    /// Returns the next event, or `None` if there is none for so long.
    ///
    /// # Errors
    ///
    /// As [`try_next`](Self::try_next).
    pub fn next_timeout(&mut self, timeout: Duration) -> Result<Option<Event>> {
        // A time that is never over needs no end.
        let end = Instant::now().checked_add(timeout);
        loop {
            if let Some(event) = self.try_next()? {
                return Ok(Some(event));
            }
            let left = end.map(|end| end.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Ok(None);
            }
            self.wait(left)?;
        }
    }

    /// Looks at all of every mount, also for what the kernel wakes nobody for. The events are there to be taken
    /// then.
    ///
    /// # Errors
    ///
    /// As [`try_next`](Self::try_next).
    pub fn rescan(&mut self) -> Result<()> {
        self.due = Some(Look::Whole);
        self.is_late = true;
        let looked = self.look();
        self.hold()?;
        looked.map_err(failed)
    }

    /// Keeps the descriptor readable for as long as the caller isn't through.
    fn hold(&mut self) -> Result<()> {
        let is_through = self.state.is_through() && self.due.is_none();
        self.wake.hold(!is_through).map_err(failed)
    }

    fn wait(&mut self, timeout: Option<Duration>) -> Result<()> {
        let signs = self.wake.wait(timeout).map_err(failed)?;
        // The table's file has told us, and tells nobody again.
        if signs.changed {
            self.note_change();
        }
        Ok(())
    }

    fn look(&mut self) -> nix::Result<()> {
        let signs = self.wake.look()?;
        if signs.changed {
            self.note_change();
        }
        if signs.announced {
            let mut announcements = Vec::new();
            let read = self.wake.announcements(&mut announcements);
            self.state.announce(&announcements);
            read?;
        }
        if self.state.follow()? {
            self.due = Some(Look::Whole);
        }
        let Some(look) = self.due else { return Ok(()) };
        // What was announced needn't wait until all mounts were asked for changes. It does the second time, lest
        // there is never an end of it.
        if !self.state.events.is_empty() && !std::mem::replace(&mut self.is_late, true) {
            return Ok(());
        }
        self.state.refresh(self.wake.table(), look)?;
        (self.due, self.is_late) = (None, false);
        Ok(())
    }

    fn note_change(&mut self) {
        // What moves is announced, and what else changes is in the numbers.
        let look = if self.is_announced() { Look::Numbers } else { Look::Whole };
        self.due = self.due.max(Some(look));
    }
}

/// Waits for the next event; never `None`.
impl Iterator for Watcher {
    type Item = Result<Event>;

    fn next(&mut self) -> Option<Result<Event>> {
        loop {
            match self.try_next() {
                Ok(Some(event)) => return Some(Ok(event)),
                Ok(None) => {}
                Err(error) => return Some(Err(error)),
            }
            if let Err(error) = self.wait(None) {
                return Some(Err(error));
            }
        }
    }
}

/// Readable while there may be an event. It is for waiting only: read events with
/// [`try_next`](Watcher::try_next).
///
/// A kernel without asynchronous I/O (`CONFIG_AIO`, or a filter that refuses `io_setup`) shows what it doesn't
/// announce to one poll only: call `try_next` after each that was ready.
impl AsFd for Watcher {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.fd()
    }
}

impl AsRawFd for Watcher {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watcher")
            .field("mounts", &self.mounts().len())
            .field("is_announced", &self.is_announced())
            .finish_non_exhaustive()
    }
}

fn is_same(one: &File, other: Option<&File>) -> bool {
    let inode = |file: &File| file.metadata().map(|metadata| (metadata.dev(), metadata.ino()));
    other.is_some_and(|other| inode(one).is_ok_and(|one| inode(other).is_ok_and(|other| one == other)))
}

fn failed(error: Errno) -> Error {
    Error::call("watch mounts", error)
}

//! Taking mounts away, one or a whole tree of them.

mod tree;

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{fs, thread};

use nix::errno::Errno;
use nix::mount::MntFlags;

use crate::at::magic_link;
use crate::busy::used_by;
use crate::{At, Error, ErrorKind, Mount, Result, Root, sys};

/// The pause between two tries at a busy mount.
const PAUSE: Duration = Duration::from_millis(100);

/// Unmounts what is there, in the way that is asked for.
///
/// As it is, that is the top mount at the place, which is tried again for up to a second while it is busy. A
/// symbolic link at the place is an error: nothing is unmounted that somebody else made it point to.
///
/// ```no_run
/// use mount::Unmount;
/// // All of a container's mounts, whatever is mounted on or under what.
/// Unmount::new().recursive(true).run("/run/container/rootfs")?;
/// // What can't be waited for.
/// Unmount::new().lazy(true).force(true).run("/mnt/dead-server")?;
/// # Ok::<(), mount::Error>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "nothing is unmounted before it is run"]
pub struct Unmount {
    recursive: bool,
    lazy: bool,
    force: bool,
    wait: Duration,
}

impl Default for Unmount {
    fn default() -> Self {
        Self::new()
    }
}

impl Unmount {
    /// Returns a way of unmounting one mount that nobody uses.
    pub fn new() -> Self {
        Unmount { recursive: false, lazy: false, force: false, wait: Duration::from_secs(1) }
    }

    /// Takes every mount at the place and below it: those on top of each other, those on which others lie, and
    /// those that are hidden behind others.
    ///
    /// The place need not be a mount. What can't be unmounted stays, with what it lies on, and is in the error; all
    /// the rest goes.
    ///
    /// Where there is no mount at all, that is [`NotMounted`](ErrorKind::NotMounted), and without the place
    /// [`NotFound`](ErrorKind::NotFound). Who cleans up has reached what it wants by both:
    ///
    /// ```no_run
    /// use mount::{ErrorKind, Unmount};
    /// match Unmount::new().recursive(true).run("/run/container/rootfs") {
    ///     Err(error) if matches!(error.kind(), ErrorKind::NotMounted | ErrorKind::NotFound) => {}
    ///     result => result?,
    /// }
    /// # Ok::<(), mount::Error>(())
    /// ```
    #[doc(alias = "RecursiveUnmount")]
    pub fn recursive(mut self, recursive: bool) -> Self {
        self.recursive = recursive;
        self
    }

    /// Detaches mounts that are in use, with all that lies on them: they are gone from here, and go for good when
    /// the last user is done (`MNT_DETACH`).
    ///
    /// Nobody learns when that is. A tree whose mounts are locked to each other, as in a user namespace, can only be
    /// unmounted so.
    pub fn lazy(mut self, lazy: bool) -> Self {
        self.lazy = lazy;
        self
    }

    /// Lets requests to a server that doesn't answer fail (`MNT_FORCE`): those of NFS, FUSE and a few others. Data may
    /// be lost.
    pub fn force(mut self, force: bool) -> Self {
        self.force = force;
        self
    }

    /// Sets for how long busy mounts are tried again.
    pub fn wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// Unmounts what is at the place.
    ///
    /// A descriptor of the mount itself keeps it busy: by such a one only [`lazy`](Self::lazy) unmounts.
    ///
    /// # Errors
    ///
    /// [`Busy`](ErrorKind::Busy) if it is still in use, with [who](crate::users) uses it;
    /// [`NotMounted`](ErrorKind::NotMounted) if nothing is mounted there; [`NotFound`](ErrorKind::NotFound) without
    /// the place; [`InvalidInput`](ErrorKind::InvalidInput) for a symbolic link; and
    /// [`PermissionDenied`](ErrorKind::PermissionDenied) without `CAP_SYS_ADMIN` over the mount namespace, or for a
    /// mount that another user namespace has locked.
    #[doc(alias = "umount2")]
    pub fn run<'a>(&self, at: impl Into<At<'a>>) -> Result<()> {
        let at = at.into();
        if self.recursive { self.tree(at) } else { self.one(at) }
    }

    fn one(&self, at: At<'_>) -> Result<()> {
        let place = match at {
            At::Fd(_) => return self.by_descriptor(at),
            At::Path(path) => Place { path: without_end(path).to_owned(), _parent: None },
            At::Beneath(root, path) => match Place::beneath(root, path) {
                Ok(Some(place)) => place,
                // The root itself, which its own descriptor keeps busy.
                Ok(None) => return self.by_descriptor(At::Fd(root.as_fd())),
                Err(error) => return Err(Error::os(unmounting(at), &at.name(), error)),
            },
        };
        let deadline = self.deadline();
        loop {
            match sys::umount2(&place.path, self.flags()) {
                Ok(()) => return Ok(()),
                Err(Errno::EBUSY) if pause(deadline) => {}
                Err(error) => return Err(why_not_unmounted(at, &place.path, error)),
            }
        }
    }

    /// Unmounts the mount that a descriptor is the root of.
    fn by_descriptor(&self, at: At<'_>) -> Result<()> {
        let what = unmounting(at);
        if !at.mounted()? {
            return Err(Error::new(ErrorKind::NotMounted, what, "nothing is mounted there").at(&at.name()));
        }
        if self.lazy {
            return Mount::open(at)?.detach();
        }
        let why = "the descriptor itself keeps it busy, and it is not to be detached";
        Err(Error::call(&what, Errno::EBUSY).because(why, Errno::EBUSY).at(&at.name()))
    }

    /// Returns when to give up; `None` for never.
    fn deadline(&self) -> Option<Instant> {
        Instant::now().checked_add(self.wait)
    }

    fn flags(&self) -> MntFlags {
        let mut flags = MntFlags::UMOUNT_NOFOLLOW;
        flags.set(MntFlags::MNT_DETACH, self.lazy);
        flags.set(MntFlags::MNT_FORCE, self.force);
        flags
    }
}

/// A place as umount2(2) takes it.
pub(crate) struct Place {
    pub(crate) path: PathBuf,
    /// The directory that the path begins with, by number.
    pub(crate) _parent: Option<OwnedFd>,
}

impl Place {
    /// Returns the last name of a path in the directory that is beneath the root; `None` for the root itself.
    pub(crate) fn beneath(root: &Root, path: &Path) -> nix::Result<Option<Self>> {
        let Some((parent, name)) = root.parent(path)? else { return Ok(None) };
        Ok(Some(Place { path: magic_link(parent.as_fd()).join(name), _parent: Some(parent) }))
    }
}

/// Takes slashes and dots off the end: behind them the kernel would follow a link after all.
fn without_end(path: &Path) -> &Path {
    path.components().as_path()
}

/// Sleeps a moment, unless the time is up.
fn pause(deadline: Option<Instant>) -> bool {
    let left = deadline.map_or(PAUSE, |deadline| deadline.saturating_duration_since(Instant::now()));
    thread::sleep(left.min(PAUSE));
    !left.is_zero()
}

fn unmounting(at: At<'_>) -> String {
    format!("unmount {at}")
}

fn is_link(what: String) -> Error {
    Error::new(ErrorKind::InvalidInput, what, "it is a symbolic link, and what it points to is not touched")
}

/// Finds what umount2 means: EINVAL stands for four things, and EPERM comes before any look at the path.
fn why_not_unmounted(at: At<'_>, path: &Path, error: Errno) -> Error {
    let (what, name) = (unmounting(at), at.name());
    let doubtful = matches!(error, Errno::EINVAL | Errno::EPERM);
    if doubtful && fs::symlink_metadata(path).is_ok_and(|file| file.is_symlink()) {
        return is_link(what).at(&name);
    }
    if doubtful && At::Path(path).mounted().is_ok_and(|mounted| !mounted) {
        return Error::new(ErrorKind::NotMounted, what, "nothing is mounted there").at(&name);
    }
    match error {
        Errno::EINVAL => Error::os(what, &name, Errno::EPERM).because(LOCKED, error),
        Errno::EBUSY => busy(&what, At::Path(path)).at(&name),
        error => Error::os(what, &name, error),
    }
}

const LOCKED: &str = "locked by the user namespace that made it, or \"/\"";

fn busy(what: &str, at: At<'_>) -> Error {
    let error = Error::call(what, Errno::EBUSY);
    match used_by(at) {
        Some(users) => error.because(users, Errno::EBUSY),
        None => error,
    }
}

//! Taking down a whole tree of mounts.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Instant;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, openat, readlink};
use nix::sys::stat::Mode;

use super::{LOCKED, Place, Unmount, is_link, pause, without_end};
use crate::at::magic_link;
use crate::busy::used_by;
use crate::error::quote;
use crate::{At, Error, ErrorKind, Reader, Result, Root, sys};

/// How often the table is read again for mounts that have come meanwhile.
const ROUNDS: u32 = 100;

/// How many of the mounts that stay an error names.
const NAMED: usize = 3;

impl Unmount {
    pub(super) fn tree(&self, at: At<'_>) -> Result<()> {
        let what = format!("unmount {at} and all below");
        let base = absolute(at).map_err(|error| Error::os(&what, &at.name(), error))?;
        if fs::symlink_metadata(&base).is_ok_and(|file| file.is_symlink()) {
            return Err(is_link(what).at(&at.name()));
        }
        let mut takedown = Takedown {
            how: self,
            root: Root::open("/")?,
            deadline: self.deadline(),
            seen: HashSet::new(),
            total: 0,
            what,
            base,
        };
        for _ in 0..ROUNDS {
            if takedown.round()? {
                return Ok(());
            }
        }
        let Takedown { what, base, .. } = takedown;
        Err(Error::call(what, Errno::EBUSY).because("new mounts come all the time", Errno::EBUSY).at(&base))
    }
}

/// A tree on its way out.
struct Takedown<'a> {
    how: &'a Unmount,
    root: Root,
    deadline: Option<Instant>,
    /// The mounts of the last round.
    seen: HashSet<u64>,
    /// How many there were at most.
    total: usize,
    what: String,
    base: PathBuf,
}

impl Takedown<'_> {
    /// Takes away what can be, or waits until something can. Says whether nothing was left to take.
    fn round(&mut self) -> Result<bool> {
        loop {
            let sweep = Sweep::read(&self.base)?;
            self.total = self.total.max(sweep.mounts.len());
            if sweep.mounts.is_empty() {
                return if self.total == 0 { Err(self.not_mounted()) } else { Ok(true) };
            }
            let stay = sweep.run(self.how, &self.root);
            if stay.len() < sweep.mounts.len() || self.has_changed(&sweep) {
                return Ok(false);
            }
            let is_busy = stay.iter().any(|(_, why)| *why == Stays::Refused(Errno::EBUSY));
            if !(is_busy && pause(self.deadline)) {
                return Err(what_stays(&self.what, &self.base, self.total, &stay));
            }
        }
    }

    /// Says whether these are other mounts than the last time: then another try may do more.
    fn has_changed(&mut self, sweep: &Sweep) -> bool {
        let ids = sweep.mounts.iter().map(|mount| mount.id).collect();
        let seen = std::mem::replace(&mut self.seen, ids);
        seen != self.seen
    }

    fn not_mounted(&self) -> Error {
        let why = "nothing is mounted there or below";
        Error::new(ErrorKind::NotMounted, &self.what, why).at(&self.base)
    }
}

/// A mount of a tree that is to go.
struct Victim {
    id: u64,
    parent: u64,
    path: PathBuf,
}

/// Why a mount stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stays {
    /// Mounts that lie on it stay.
    Below,
    /// Another mount is in its way.
    Hidden,
    Refused(Errno),
}

/// One way through all mounts at and below a path.
struct Sweep {
    mounts: Vec<Victim>,
}

impl Sweep {
    fn read(base: &Path) -> Result<Self> {
        let table = Reader::open()?.skip_bad().into_table()?;
        let mounts = table.iter().filter(|mount| mount.is_beneath(base)).map(|mount| Victim {
            id: mount.id(),
            parent: mount.parent(),
            path: mount.mount_point().into_owned(),
        });
        Ok(Sweep { mounts: mounts.collect() })
    }

    /// Unmounts until nothing moves any more, and returns what stays.
    fn run(&self, how: &Unmount, root: &Root) -> Vec<(&Victim, Stays)> {
        // What came last mostly lies on what was there before, or hides it; what is to be detached takes along what
        // lies on it.
        let mut stay: Vec<_> = self.mounts.iter().map(|mount| (mount, Stays::Below)).collect();
        if !how.lazy {
            stay.reverse();
        }
        loop {
            let before = stay.len();
            let mut children: HashMap<u64, usize> = HashMap::new();
            for (mount, _) in &stay {
                *children.entry(mount.parent).or_default() += 1;
            }
            let mut gone = HashSet::new();
            stay.retain_mut(|(mount, why)| {
                if how.lazy && gone.contains(&mount.parent) {
                    gone.insert(mount.id); // with what it lay on
                    return false;
                }
                if !how.lazy && children.get(&mount.id).is_some_and(|count| *count > 0) {
                    *why = Stays::Below;
                    return true;
                }
                if let Err(reason) = take(mount, how, root) {
                    *why = reason;
                    return true;
                }
                gone.insert(mount.id);
                children.entry(mount.parent).and_modify(|count| *count -= 1);
                false
            });
            if stay.len() == before || stay.is_empty() {
                return stay;
            }
        }
    }
}

/// Unmounts exactly this mount: no other that covers it, and none that a link leads to.
fn take(mount: &Victim, how: &Unmount, root: &Root) -> std::result::Result<(), Stays> {
    let place = match Place::beneath(root, &mount.path) {
        Ok(Some(place)) => place,
        Ok(None) => Place { path: mount.path.clone(), _parent: None },
        Err(Errno::ENOENT | Errno::ENOTDIR) => return Err(Stays::Hidden),
        Err(error) => return Err(Stays::Refused(error)),
    };
    match mount_at(&place.path) {
        Ok(id) if id == mount.id => sys::umount2(&place.path, how.flags()).map_err(Stays::Refused),
        Ok(_) | Err(Errno::ENOENT | Errno::ENOTDIR) => Err(Stays::Hidden),
        Err(error) => Err(Stays::Refused(error)),
    }
}

/// Returns the id of the mount that a path leads to, without following a link at its end.
fn mount_at(path: &Path) -> nix::Result<u64> {
    if let sys::Status { id: Some(sys::Id::Reused(id)), .. } = sys::statx(path, false, false)? {
        return Ok(id);
    }
    let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let fd = sys::retry(|| openat(AT_FDCWD, path, flags, Mode::empty()))?;
    At::Fd(fd.as_fd()).id().map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO)))
}

/// Returns a place as the table has it: from the root directory on, without links.
fn absolute(at: At<'_>) -> nix::Result<PathBuf> {
    let link = |fd: &OwnedFd| readlink(&magic_link(fd.as_fd())).map(PathBuf::from);
    match at {
        At::Fd(fd) => readlink(&magic_link(fd)).map(PathBuf::from),
        At::Beneath(root, path) => match root.parent(path)? {
            Some((parent, name)) => Ok(link(&parent)?.join(name)),
            None => link(&root.resolve(path, true)?),
        },
        At::Path(path) => {
            let path = without_end(path);
            let Some(name) = path.file_name() else {
                return fs::canonicalize(path).map_err(|error| sys::errno(&error));
            };
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            let parent = fs::canonicalize(parent.unwrap_or(Path::new(".")));
            Ok(parent.map_err(|error| sys::errno(&error))?.join(name))
        }
    }
}

/// Makes the error of a tree that could not be unmounted wholly.
fn what_stays(what: &str, base: &Path, total: usize, stay: &[(&Victim, Stays)]) -> Error {
    // What others lie on is not the reason.
    let reasons: Vec<_> = stay.iter().filter(|(_, why)| *why != Stays::Below).collect();
    let words = reasons
        .iter()
        .take(NAMED)
        .map(|(mount, why)| format!("{}: {}", quote(&mount.path), words(mount, *why)));
    let mut words = words.collect::<Vec<_>>().join("; ");
    if reasons.len() > NAMED {
        words.push_str("; and others");
    }
    let refused = stay.iter().filter_map(|(_, why)| match why {
        Stays::Refused(error) => Some(*error),
        Stays::Below | Stays::Hidden => None,
    });
    let error = refused.clone().find(|error| *error == Errno::EBUSY).or_else(|| refused.clone().next());
    let error = error.unwrap_or(Errno::EBUSY);
    let kind = match error {
        Errno::EBUSY => ErrorKind::Busy,
        Errno::EINVAL | Errno::EPERM => ErrorKind::PermissionDenied,
        _ => ErrorKind::Other,
    };
    let why = format!("{} of {total} mounts stay: {words}", stay.len());
    Error::new(kind, what, "").because(why, error).at(base)
}

fn words(mount: &Victim, why: Stays) -> String {
    match why {
        Stays::Below => "mounts on it stay".to_owned(),
        Stays::Hidden => "another mount hides it".to_owned(),
        Stays::Refused(Errno::EINVAL) => LOCKED.to_owned(),
        Stays::Refused(Errno::EBUSY) => used_by(At::Path(&mount.path)).unwrap_or_else(|| "in use".to_owned()),
        Stays::Refused(error) => error.desc().to_owned(),
    }
}

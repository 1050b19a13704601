//! A mount held by its descriptor.

use std::fmt::Display;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::mount::MntFlags;
use nix::sys::stat::{Mode, SFlag, fstat};

use crate::at::magic_link;
use crate::error::quote;
use crate::sys::api::{self, MOUNT_ATTR_IDMAP, MountAttr};
use crate::sys::{self, ms};
use crate::{At, Attributes, Error, ErrorKind, MountInfo, Propagation, Reader, Result, Table};

/// A mount, or a whole tree of mounts, held by its descriptor.
///
/// It may be *detached*: a clone, or a filesystem that was just made, which nobody can reach by a path until
/// it is [attached](Self::attach), and which goes when it is dropped before. What is set meanwhile holds from
/// the first moment that anybody sees it. Once attached it stays, whatever happens to the descriptor.
///
/// ```no_run
/// use mount::{Attributes, Mount};
/// // A read-only view of a tree, without the rest of what is mounted there becoming writable for a moment.
/// let view = Mount::clone_tree_of("/srv")?;
/// view.set_attributes_recursive(Attributes::RDONLY, Attributes::empty())?;
/// view.attach("/mnt")?;
/// # Ok::<(), mount::Error>(())
/// ```
#[derive(Debug)]
pub struct Mount {
    fd: OwnedFd,
    /// How errors call it, between quotes if it is a path.
    name: String,
}

impl Mount {
    pub(crate) fn new(fd: OwnedFd, name: impl Into<String>) -> Self {
        Mount { fd, name: name.into() }
    }

    /// Opens the mount that is there.
    ///
    /// # Errors
    ///
    /// [`NotMounted`](ErrorKind::NotMounted) if nothing is mounted there, [`NotFound`](ErrorKind::NotFound)
    /// without the place.
    pub fn open<'a>(at: impl Into<At<'a>>) -> Result<Self> {
        let at = at.into();
        let what = format!("open the mount on {at}");
        let fd = at.open(&what)?;
        if !At::Fd(fd.as_fd()).mounted()? {
            return Err(Error::new(ErrorKind::NotMounted, what, "nothing is mounted there").at(&at.name()));
        }
        Ok(Mount::new(fd, at.to_string()))
    }

    /// Clones what is seen there as a detached mount, without the mounts below it: the first half of a bind.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) without the place,
    /// [`PermissionDenied`](ErrorKind::PermissionDenied) without `CAP_SYS_ADMIN` over the mount namespace,
    /// [`Unsupported`](ErrorKind::Unsupported) without `open_tree(2)` (Linux 5.2).
    pub fn clone_of<'a>(at: impl Into<At<'a>>) -> Result<Self> {
        let at = at.into();
        Self::clone_as(at, false, &format!("clone the mount at {at}"))
    }

    /// Clones what is seen there with every mount below it: the first half of a recursive bind.
    ///
    /// # Errors
    ///
    /// As [`clone_of`](Self::clone_of).
    pub fn clone_tree_of<'a>(at: impl Into<At<'a>>) -> Result<Self> {
        let at = at.into();
        Self::clone_as(at, true, &format!("clone the mounts at {at}"))
    }

    pub(crate) fn clone_as(at: At<'_>, recursive: bool, what: &str) -> Result<Self> {
        let cloned = match at {
            // A path goes as it is: at its end an automount is triggered, which no descriptor does.
            At::Path(path) => sys::c_string(path).and_then(|path| api::clone_tree_at(&path, recursive)),
            at => api::clone_tree(at.open(what)?.as_fd(), recursive),
        };
        match cloned {
            Ok(fd) => Ok(Mount::new(fd, at.to_string())),
            Err(error) => Err(why_not_cloned(at, recursive, what, error)),
        }
    }

    /// As [`clone_of`](Self::clone_of) or, if `recursive`, [`clone_tree_of`](Self::clone_tree_of), with ids
    /// mapped as in a user namespace, whatever map the mount there has (Linux 6.15; before, it must have none).
    ///
    /// # Errors
    ///
    /// As [`clone_of`](Self::clone_of) and [`map_ids`](Self::map_ids).
    pub fn clone_mapped<'a>(
        at: impl Into<At<'a>>,
        recursive: bool,
        user_namespace: impl AsFd,
    ) -> Result<Self> {
        let at = at.into();
        let what = format!("clone the mount at {at} with other ids");
        let source = at.open(&what)?;
        let attributes = id_map(user_namespace.as_fd());
        match api::clone_tree_with(source.as_fd(), recursive, &attributes) {
            Ok(fd) => Ok(Mount::new(fd, at.to_string())),
            // Before Linux 6.15 two calls do it, if there is no map yet.
            Err(Errno::ENOSYS | Errno::EPERM) => {
                let clone = Self::clone_as(at, recursive, &what)?;
                clone.map_as(&what, recursive, user_namespace.as_fd())?;
                Ok(clone)
            }
            Err(error) => Err(why_not_mapped(&what, error).at(&at.name())),
        }
    }

    /// Sets and clears attributes of this mount alone. All others stay as they are.
    ///
    /// # Errors
    ///
    /// [`PermissionDenied`](ErrorKind::PermissionDenied) for an attribute that another user namespace has
    /// locked, [`Busy`](ErrorKind::Busy) for `RDONLY` while files are open for writing,
    /// [`Unsupported`](ErrorKind::Unsupported) on a detached mount before Linux 5.12.
    pub fn set_attributes(&self, set: Attributes, clear: Attributes) -> Result<()> {
        self.change(false, set, clear)
    }

    /// Sets and clears attributes of this mount and of every mount below it.
    ///
    /// It is all or nothing, except before Linux 5.12.
    ///
    /// # Errors
    ///
    /// As [`set_attributes`](Self::set_attributes).
    pub fn set_attributes_recursive(&self, set: Attributes, clear: Attributes) -> Result<()> {
        self.change(true, set, clear)
    }

    pub(crate) fn change(&self, recursive: bool, set: Attributes, clear: Attributes) -> Result<()> {
        if (set | clear).is_empty() {
            return Ok(());
        }
        let (set, clear) = with_room(set, clear).map_err(|why| {
            let error = Error::new(ErrorKind::InvalidInput, changing(&self.name), why);
            error.at(&At::from(self).name())
        })?;
        let attributes = MountAttr { set: set.bits(), clear: clear.bits(), ..MountAttr::default() };
        match api::mount_setattr(self.as_fd(), recursive, &attributes) {
            Ok(()) => Ok(()),
            // Before Linux 5.12, and where a filter is older than the call, which then answers EPERM.
            Err(error) if !api::has_mount_setattr() => self.remount(recursive, set, clear, error),
            Err(error) => Err(self.error(changing(&self.name), error)),
        }
    }

    /// Does the same with mount(2), which replaces all attributes of one mount: the others are read and given
    /// again. `refused` is what the better call said.
    fn remount(&self, recursive: bool, set: Attributes, clear: Attributes, refused: Errno) -> Result<()> {
        let id = At::from(self).id()?;
        let mounts = Table::read()?.tree_of(id, recursive);
        if mounts.is_empty() {
            let why = "of a mount that is detached, or outside the root directory, only mount_setattr(2) can";
            return Err(self.error(changing(&self.name), refused).because(why, refused));
        }
        for mount in &mounts {
            let fd = if mount.id == id { None } else { Some(open_exactly(mount)?) };
            let path = magic_link(fd.as_ref().map_or(self.as_fd(), AsFd::as_fd));
            let wanted = Attributes::of(mount) & !clear | set;
            let flags = ms::REMOUNT | ms::BIND | wanted.ms_flags_and_atime();
            sys::mount(None, &path, None, flags, None).map_err(|error| {
                Error::os(changing(&quote(&mount.mount_point)), &mount.mount_point, error)
            })?;
        }
        Ok(())
    }

    /// Sets how mounts and unmounts spread between this mount and its peers.
    ///
    /// # Errors
    ///
    /// [`PermissionDenied`](ErrorKind::PermissionDenied) without `CAP_SYS_ADMIN` over the mount namespace.
    pub fn set_propagation(&self, propagation: Propagation) -> Result<()> {
        let what = || format!("make {} {propagation}", self.name);
        let kind = propagation.flags() & !ms::REC;
        let attributes = MountAttr { propagation: kind, ..MountAttr::default() };
        match api::mount_setattr(self.as_fd(), propagation.is_recursive(), &attributes) {
            Ok(()) => Ok(()),
            Err(Errno::ENOSYS | Errno::EPERM) => {
                let path = magic_link(self.as_fd());
                sys::mount(None, &path, None, propagation.flags(), None)
                    .map_err(|error| self.error(what(), error))
            }
            Err(error) => Err(self.error(what(), error)),
        }
    }

    /// Maps the ids of files as the user namespace does: what a file belongs to on its filesystem is *inside*,
    /// what it is seen to belong to is *outside* ([`IdMap`](crate::IdMap) makes such a namespace).
    ///
    /// The mount must be detached, and not mapped yet (Linux 5.12); [`clone_mapped`](Self::clone_mapped) goes
    /// further.
    ///
    /// # Errors
    ///
    /// [`PermissionDenied`](ErrorKind::PermissionDenied) if it is attached or mapped already,
    /// [`Unsupported`](ErrorKind::Unsupported) for a filesystem or a kernel that can't.
    pub fn map_ids(&self, user_namespace: impl AsFd) -> Result<()> {
        let what = format!("map the ids of {}", self.name);
        self.map_as(&what, false, user_namespace.as_fd())
    }

    /// Maps the ids of this mount and of every mount below it.
    ///
    /// # Errors
    ///
    /// As [`map_ids`](Self::map_ids).
    pub fn map_ids_recursive(&self, user_namespace: impl AsFd) -> Result<()> {
        let what = format!("map the ids of {} and all below", self.name);
        self.map_as(&what, true, user_namespace.as_fd())
    }

    pub(crate) fn map_as(&self, what: &str, recursive: bool, namespace: BorrowedFd<'_>) -> Result<()> {
        api::mount_setattr(self.as_fd(), recursive, &id_map(namespace))
            .map_err(|error| why_not_mapped(what, error))
    }

    /// Attaches it there, on top of whatever is mounted there; what is attached elsewhere moves.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) without the place, [`InvalidInput`](ErrorKind::InvalidInput) for a
    /// directory on a file or a file on a directory.
    pub fn attach<'a>(&self, at: impl Into<At<'a>>) -> Result<()> {
        self.attach_with(at.into(), false)
    }

    /// Attaches it beneath the mount that is there: once that is unmounted, this one is seen, and at no moment
    /// none of them (Linux 6.5).
    ///
    /// # Errors
    ///
    /// As [`attach`](Self::attach), [`NotMounted`](ErrorKind::NotMounted) if nothing is mounted there,
    /// [`Unsupported`](ErrorKind::Unsupported) on an older kernel.
    pub fn attach_beneath<'a>(&self, at: impl Into<At<'a>>) -> Result<()> {
        self.attach_with(at.into(), true)
    }

    fn attach_with(&self, at: At<'_>, beneath: bool) -> Result<()> {
        let word = if beneath { "beneath" } else { "on" };
        let what = format!("attach {} {word} {at}", self.name);
        let target = at.open(&what)?;
        api::move_mount(self.as_fd(), target.as_fd(), beneath)
            .map_err(|error| self.why_not_attached(target.as_fd(), beneath, &what, error).at(&at.name()))
    }

    /// Finds what move_mount(2) means by EINVAL, which stands for a dozen things.
    pub(crate) fn why_not_attached(
        &self,
        target: BorrowedFd<'_>,
        beneath: bool,
        what: &str,
        error: Errno,
    ) -> Error {
        let refuse = |kind, why: &str| Error::new(kind, what, "").because(why, error);
        if !matches!(error, Errno::EINVAL | Errno::ENOTDIR) {
            return match error {
                Errno::ELOOP => refuse(ErrorKind::InvalidInput, "the place lies in the mount itself"),
                _ => Error::call(what, error),
            };
        }
        if is_directory(self.as_fd()) != is_directory(target) {
            let why = "one is a directory and the other is not";
            return refuse(ErrorKind::InvalidInput, why);
        }
        if beneath && At::Fd(target).mounted().is_ok_and(|mounted| !mounted) {
            return refuse(ErrorKind::NotMounted, "nothing is mounted there");
        }
        if At::from(self).mounted().is_ok_and(|mounted| !mounted) {
            return refuse(ErrorKind::NotMounted, "what is to be moved is not a mount");
        }
        if beneath {
            let why = "mounts go beneath another since Linux 6.5, never beneath the root of a namespace or \
                       a mount that is shared with its parent";
            return refuse(ErrorKind::Unsupported, why);
        }
        let why =
            "a mount that another one shares, or that another user namespace has locked, can't be moved";
        refuse(ErrorKind::InvalidInput, why)
    }

    /// Detaches it, with every mount below it, from where it is attached; who uses it may go on.
    ///
    /// # Errors
    ///
    /// [`NotMounted`](ErrorKind::NotMounted) if it is attached nowhere, [`Busy`](ErrorKind::Busy) if another
    /// mount is on top of it.
    pub fn detach(&self) -> Result<()> {
        let what = || format!("detach {}", self.name);
        if self.is_covered()? {
            // umount2(2) would go up to that one.
            return Err(self.error(what(), Errno::EBUSY).because("another mount covers it", Errno::EBUSY));
        }
        sys::umount2(&magic_link(self.as_fd()), MntFlags::MNT_DETACH).map_err(|error| match error {
            Errno::EINVAL => Error::new(ErrorKind::NotMounted, what(), "").because(
                "it is attached nowhere in this namespace, or locked by another user namespace",
                error,
            ),
            error => self.error(what(), error),
        })
    }

    fn is_covered(&self) -> Result<bool> {
        let id = At::from(self).id()?;
        let table = Reader::open()?.skip_bad().into_table()?;
        let Some(here) = table.get(id) else { return Ok(false) };
        Ok(table.children(id).any(|mount| mount.mount_point() == here.mount_point()))
    }

    /// Returns what the kernel tells of it, or `None` while it is detached.
    ///
    /// # Errors
    ///
    /// As [`mount_of`](crate::mount_of).
    pub fn info(&self) -> Result<Option<MountInfo>> {
        At::from(self).mount_of()
    }

    fn error(&self, what: impl Display, error: Errno) -> Error {
        match self.name.strip_prefix('"') {
            Some(_) => Error::os(what, &At::from(self).name(), error),
            None => Error::call(what, error),
        }
    }
}

impl AsFd for Mount {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl From<Mount> for OwnedFd {
    /// Gives the descriptor away; a detached mount goes when it is closed.
    fn from(mount: Mount) -> Self {
        mount.fd
    }
}

fn changing(name: &str) -> String {
    format!("set the attributes of {name}")
}

/// Clears the whole field of atime where a value of it is set or cleared: it holds one value.
fn with_room(
    set: Attributes,
    clear: Attributes,
) -> std::result::Result<(Attributes, Attributes), &'static str> {
    let ways = [Attributes::NOATIME, Attributes::STRICTATIME, Attributes::empty()];
    if !ways.contains(&(set & Attributes::ATIME)) {
        return Err("there is one way of keeping access times, and several are to be set");
    }
    let field =
        if (set | clear).intersects(Attributes::ATIME) { Attributes::ATIME } else { Attributes::empty() };
    Ok((set, clear | field))
}

fn id_map(user_namespace: BorrowedFd<'_>) -> MountAttr {
    MountAttr {
        set: MOUNT_ATTR_IDMAP,
        user_namespace: user_namespace.as_raw_fd() as u64,
        ..MountAttr::default()
    }
}

/// Opens the root of a mount of the table, and no other that covers it or has come in its place.
fn open_exactly(mount: &MountInfo) -> Result<OwnedFd> {
    let (path, what) = (&mount.mount_point, changing(&quote(&mount.mount_point)));
    let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let fd = sys::retry(|| nix::fcntl::open(path, flags, Mode::empty()))
        .map_err(|error| Error::os(&what, path, error))?;
    if At::Fd(fd.as_fd()).id()? != mount.id {
        let why = "it is covered by another mount, and this kernel has no mount_setattr";
        return Err(Error::new(ErrorKind::Unsupported, what, why).at(path));
    }
    Ok(fd)
}

fn is_directory(fd: BorrowedFd<'_>) -> Option<bool> {
    let mode = fstat(fd).ok()?.st_mode;
    Some(SFlag::from_bits_truncate(mode) & SFlag::S_IFMT == SFlag::S_IFDIR)
}

/// Finds what open_tree(2) means: EINVAL stands for several things.
fn why_not_cloned(at: At<'_>, recursive: bool, what: &str, error: Errno) -> Error {
    let refused = Error::os(what, &at.name(), error);
    if error != Errno::EINVAL {
        return refused;
    }
    match at.mount_of() {
        Ok(Some(mount)) if mount.optional.iter().any(|word| word == "unbindable") => {
            refused.because("the mount is unbindable", error)
        }
        Ok(None) => refused.because("it lies on a mount of another namespace, or on a detached one", error),
        // copy_tree() takes no part of what another user namespace has locked together.
        _ if !recursive => refused
            .because("mounts below it are locked to it by a user namespace: take them along (rbind)", error),
        _ => refused,
    }
}

/// Finds what the kernel means when it doesn't map ids.
fn why_not_mapped(what: impl Display, error: Errno) -> Error {
    let (kind, why) = match error {
        Errno::EINVAL => {
            (ErrorKind::Unsupported, "this filesystem's ids can't be mapped, or not on this kernel")
        }
        Errno::EPERM => (
            ErrorKind::PermissionDenied,
            "it must be detached and not mapped yet, and the user namespace not the initial one",
        ),
        Errno::ENOSYS => (ErrorKind::Unsupported, "this kernel's mounts have no map of ids"),
        error => return Error::call(what, error),
    };
    Error::new(kind, what, "").because(why, error)
}

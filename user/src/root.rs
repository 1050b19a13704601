//! The files of accounts beneath a root directory that somebody else fills.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use crate::beneath::{self, RootFile};
use crate::entries::{Entries, Entry};
use crate::{Defaults, Error, Group, Identity, Passwd, Result, SubId, groups, identity};

pub(crate) const PASSWD: &str = "etc/passwd";
pub(crate) const GROUP: &str = "etc/group";

/// The largest file that is read, unless the caller says otherwise: 900,000 users.
const MAX_SIZE: u64 = 64 << 20;

/// The root directory of a filesystem that nobody vouches for, such as a container's.
///
/// Nothing outside is ever looked at: symbolic links, `..` and absolute ones too, are followed as if it were `/`,
/// even while somebody renames things there. What is read must be a regular file of no more than
/// [`max_size`](Self::max_size); a pipe, a device or a terminal is never opened, and a file that says that it is
/// empty, as those of `/proc` do, is taken at its word.
///
/// ```no_run
/// let root = user::Root::open("/srv/rootfs")?;
/// let web = root.resolve("www-data", &user::Defaults::default())?;
/// println!("uid {}, gid {}, groups {:?}", web.uid, web.gid, web.groups);
/// for user in root.passwd()? {
///     println!("{}", user?.name.display()); // strict: a line that is no entry is an error
/// }
/// # Ok::<(), user::Error>(())
/// ```
///
/// A network filesystem beneath it may still keep a read waiting. Where there is no `/proc` (see [`proc(5)`]), a file
/// has to be found a second time to open it: what somebody puts there in between is opened then, though it isn't
/// read unless it is a regular file.
///
/// [`proc(5)`]: https://man7.org/linux/man-pages/man5/proc.5.html
#[derive(Debug)]
pub struct Root {
    directory: OwnedFd,
    max_size: u64,
}

impl Root {
    /// Opens a root directory.
    ///
    /// # Errors
    ///
    /// [`NotFound`](crate::ErrorKind::NotFound) without such a directory.
    pub fn open(path: impl AsRef<Path>) -> Result<Root> {
        let path = path.as_ref();
        beneath::open_directory(path).map(Root::from).map_err(|error| Error::io(path, &error))
    }

    /// Returns another handle on the same directory.
    ///
    /// # Errors
    ///
    /// Fails if this process can't open more files.
    pub fn try_clone(&self) -> Result<Root> {
        let directory = self.directory.try_clone().map_err(|error| Error::io(Path::new("/"), &error))?;
        Ok(Root { directory, max_size: self.max_size })
    }

    /// Lets files be this large, in bytes; 64 MiB if nothing is said.
    ///
    /// It bounds the time that a hostile file can take: memory is bounded anyway.
    #[must_use]
    pub fn max_size(self, bytes: u64) -> Root {
        Root { max_size: bytes, ..self }
    }

    /// Finds who is meant by a user spec, as [`Identity::resolve`] does, in `etc/passwd` and `etc/group`. One that
    /// isn't there is an empty one.
    ///
    /// # Errors
    ///
    /// As [`Identity::resolve`], and [`InvalidData`](crate::ErrorKind::InvalidData) for a file that is a pipe, a device
    /// or too large.
    #[doc(alias = "GetExecUserPath")]
    pub fn resolve(&self, spec: impl AsRef<OsStr>, defaults: &Defaults) -> Result<Identity> {
        let (passwd, group) = (|| self.open_if_there(PASSWD), || self.open_if_there(GROUP));
        identity::resolve(spec.as_ref(), defaults, passwd, group)
    }

    /// Finds the ids of groups that are given by name or id, as [`Entries::additional_groups`] does, in
    /// `etc/group`.
    ///
    /// # Errors
    ///
    /// As [`Entries::additional_groups`], and [`InvalidData`](crate::ErrorKind::InvalidData) for a file that is a pipe, a
    /// device or too large.
    #[doc(alias = "GetAdditionalGroupsPath")]
    pub fn additional_groups<S: AsRef<OsStr>>(
        &self,
        groups: impl IntoIterator<Item = S>,
    ) -> Result<Vec<u32>> {
        groups::additional_groups(groups, || self.open_if_there(GROUP))
    }

    /// Opens `etc/passwd`.
    ///
    /// # Errors
    ///
    /// As [`entries`](Self::entries).
    pub fn passwd(&self) -> Result<Entries<RootFile, Passwd>> {
        self.open_static(PASSWD)
    }

    /// Opens `etc/group`.
    ///
    /// # Errors
    ///
    /// As [`entries`](Self::entries).
    pub fn group(&self) -> Result<Entries<RootFile, Group>> {
        self.open_static(GROUP)
    }

    /// Opens `etc/subuid`.
    ///
    /// # Errors
    ///
    /// As [`entries`](Self::entries).
    pub fn subuid(&self) -> Result<Entries<RootFile, SubId>> {
        self.open_static("etc/subuid")
    }

    /// Opens `etc/subgid`.
    ///
    /// # Errors
    ///
    /// As [`entries`](Self::entries).
    pub fn subgid(&self) -> Result<Entries<RootFile, SubId>> {
        self.open_static("etc/subgid")
    }

    /// Opens a file of entries at any path, such as `usr/lib/passwd` of a system whose `/etc` is made at boot.
    ///
    /// ```no_run
    /// let root = user::Root::open("/srv/rootfs")?;
    /// let web = root.entries::<user::Passwd>("usr/lib/passwd")?.find_name("www-data")?;
    /// # Ok::<(), user::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`NotFound`](crate::ErrorKind::NotFound) without such a file, [`InvalidData`](crate::ErrorKind::InvalidData) for a pipe, a
    /// device, a directory, or a file that is too large. Reading from it fails in that way too when it grows.
    pub fn entries<E: Entry>(&self, path: impl AsRef<Path>) -> Result<Entries<RootFile, E>> {
        let path = path.as_ref();
        Ok(Entries::new(self.open_file(path)?).named(path.to_owned()))
    }

    /// Opens a regular file at any path, to be read as a stream: see [`Identity::resolve`].
    ///
    /// # Errors
    ///
    /// As [`entries`](Self::entries).
    pub fn open_file(&self, path: impl AsRef<Path>) -> Result<RootFile> {
        let path = path.as_ref();
        beneath::open(self.directory.as_fd(), path, self.max_size).map_err(|error| Error::io(path, &error))
    }

    fn open_static<E: Entry>(&self, path: &'static str) -> Result<Entries<RootFile, E>> {
        self.open_if_there(path)?.ok_or_else(|| Error::not_found(Path::new(path)))
    }

    fn open_if_there<E: Entry>(&self, path: &'static str) -> Result<Option<Entries<RootFile, E>>> {
        let path = Path::new(path);
        match beneath::open(self.directory.as_fd(), path, self.max_size) {
            Ok(file) => Ok(Some(Entries::new(file).named(path))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io(path, &error)),
        }
    }
}

impl From<OwnedFd> for Root {
    fn from(directory: OwnedFd) -> Self {
        Root { directory, max_size: MAX_SIZE }
    }
}

impl From<File> for Root {
    fn from(directory: File) -> Self {
        OwnedFd::from(directory).into()
    }
}

impl AsFd for Root {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }
}

//! Directories that are made for somebody.

use std::ffi::{CString, OsStr};
use std::fs::{File, Permissions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Component, Path};

use crate::identity::proper;
use crate::sys::{self, DIRECTORY, LOOK, NO_FOLLOW, READ};
use crate::{Error, Result, Root, beneath};

/// As many directories are made at most: all of them are held open.
const NEW_MAX: usize = 100;

/// Makes directories that belong to somebody, with a mode that no umask changes.
///
/// ```
/// # let dir = std::env::temp_dir().join(format!("user-doc-{}", std::process::id()));
/// # std::fs::create_dir(&dir)?;
/// # use std::os::unix::fs::MetadataExt;
/// # let (uid, gid) = (std::fs::metadata(&dir)?.uid(), std::fs::metadata(&dir)?.gid());
/// user::MakeDir::new(uid, gid, 0o750).create_all(dir.join("a/b"))?;
/// assert_eq!(std::fs::metadata(dir.join("a"))?.mode() & 0o7777, 0o750);
/// # std::fs::remove_dir_all(&dir)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// If it fails, no new directory is left behind. Up to 100 are made at a time; where more are missing, the one above
/// them is not found. A new one in whose place somebody has put another is not given away:
/// [`PermissionDenied`](crate::ErrorKind::PermissionDenied).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MakeDir {
    uid: u32,
    gid: u32,
    mode: u32,
    only_new: bool,
}

impl MakeDir {
    /// Tells whose the directories are to be, and with which mode (such as `0o755`).
    pub fn new(uid: u32, gid: u32, mode: u32) -> Self {
        MakeDir { uid, gid, mode, only_new: false }
    }

    /// Leaves a directory that is there already as it is; else its owner and mode are changed.
    #[doc(alias = "WithOnlyNew")]
    #[must_use]
    pub fn only_new(self) -> Self {
        MakeDir { only_new: true, ..self }
    }

    /// Makes one directory.
    ///
    /// # Errors
    ///
    /// [`NotFound`](crate::ErrorKind::NotFound) if the one above it isn't there,
    /// [`PermissionDenied`](crate::ErrorKind::PermissionDenied) if it may not be made or given away; an error, too,
    /// if something else is there. [`InvalidInput`](crate::ErrorKind::InvalidInput) for the id 4294967295.
    #[doc(alias = "MkdirAndChown")]
    pub fn create(&self, path: impl AsRef<Path>) -> Result<()> {
        self.create_from(path.as_ref(), 1, |path| sys::look(path, DIRECTORY))
    }

    /// Makes a directory and those above it that aren't there; all new ones get the owner and the mode.
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create).
    #[doc(alias = "MkdirAllAndChown")]
    pub fn create_all(&self, path: impl AsRef<Path>) -> Result<()> {
        self.create_from(path.as_ref(), usize::MAX, |path| sys::look(path, DIRECTORY))
    }

    /// Makes a directory beneath a root directory, and those above it that aren't there. No symbolic link and no
    /// rename leads out of it: see [`Root`].
    ///
    /// ```no_run
    /// let root = user::Root::open("/srv/rootfs")?;
    /// let web = root.resolve("www-data", &user::Defaults::default())?;
    /// user::MakeDir::new(web.uid, web.gid, 0o755).only_new().create_all_beneath(&root, "/srv/work")?;
    /// # Ok::<(), user::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create).
    pub fn create_all_beneath(&self, root: &Root, path: impl AsRef<Path>) -> Result<()> {
        let find = |path: &Path| beneath::find(root.as_fd(), path.as_os_str().as_bytes(), LOOK | DIRECTORY);
        self.create_from(path.as_ref(), usize::MAX, find)
    }

    /// Makes what isn't there of a path, at most so many directories.
    fn create_from(&self, path: &Path, most: usize, find: impl Fn(&Path) -> io::Result<File>) -> Result<()> {
        proper("uid", self.uid)?;
        proper("gid", self.gid)?;
        let mut made = Made(Vec::new());
        self.try_create(path, most, find, &mut made)
            .inspect_err(|_| made.remove())
            .map_err(|error| Error::doing("make directory", path, &error))
    }

    fn try_create(
        &self,
        path: &Path,
        most: usize,
        find: impl Fn(&Path) -> io::Result<File>,
        made: &mut Made,
    ) -> io::Result<()> {
        let (mut here, missing) = deepest(path, most.min(NEW_MAX), find)?;
        if missing.is_empty() {
            return if self.only_new { Ok(()) } else { self.take_over(&readable(&here)?) };
        }
        let last = missing.len() - 1;
        let mut new = Vec::new();
        for (number, name) in missing.into_iter().enumerate() {
            let name = CString::new(name.as_bytes())?;
            // Nobody else's until it is given away.
            let is_new = match sys::make_directory(here.as_fd(), &name, 0o700) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
                result => result.map(|()| true)?,
            };
            let opened = sys::open_at(here.as_fd(), &name, READ | DIRECTORY | NO_FOLLOW);
            if is_new {
                made.0.push((here, name));
            }
            let directory = opened?;
            here = directory.try_clone()?;
            if is_new {
                is_ours(&directory)?;
                new.push(directory);
            } else if number == last && !self.only_new {
                self.take_over(&directory)?;
            }
        }
        // From the deepest up: until then all is beneath a directory that only we may change.
        new.iter().rev().try_for_each(|directory| self.give(directory))
    }

    /// Gives away a directory of ours. Nobody else may change it before.
    fn give(&self, directory: &File) -> io::Result<()> {
        directory.set_permissions(Permissions::from_mode(self.mode & 0o7777))?;
        fchown(directory, Some(self.uid), Some(self.gid))
    }

    /// Gives away somebody's directory. Who it was of may change its mode until it isn't theirs.
    fn take_over(&self, directory: &File) -> io::Result<()> {
        let found = directory.metadata()?;
        if (found.uid(), found.gid()) != (self.uid, self.gid) {
            fchown(directory, Some(self.uid), Some(self.gid))?;
        }
        directory.set_permissions(Permissions::from_mode(self.mode & 0o7777))
    }
}

fn readable(place: &File) -> io::Result<File> {
    sys::open_at(place.as_fd(), c".", READ | DIRECTORY)
}

/// Checks that a directory is the one that was just made: whose the directory above is may have put another in its
/// place, such as one of root's with things in it.
fn is_ours(directory: &File) -> io::Result<()> {
    let found = directory.metadata()?;
    let ours = found.uid() == sys::effective_uid() && (found.mode() & 0o777) | 0o700 == 0o700;
    if ours && sys::is_empty(directory)? {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::PermissionDenied, "somebody has put another one in its place"))
}

/// Opens the deepest directory of a path that is there, and tells which names are missing below.
fn deepest(
    path: &Path,
    most: usize,
    find: impl Fn(&Path) -> io::Result<File>,
) -> io::Result<(File, Vec<&OsStr>)> {
    let (mut here, mut missing) = (path, Vec::new());
    loop {
        match find(here) {
            Ok(place) => return Ok((place, missing.into_iter().rev().collect())),
            Err(error) => match here.components().next_back() {
                Some(Component::Normal(name))
                    if error.kind() == io::ErrorKind::NotFound && missing.len() < most =>
                {
                    missing.push(name);
                    // The parent of a single name is said to be nothing.
                    let above = here.parent().filter(|above| !above.as_os_str().is_empty());
                    here = above.unwrap_or(Path::new("."));
                }
                _ => return Err(error),
            },
        }
    }
}

/// The directories that were made so far.
struct Made(Vec<(File, CString)>);

impl Made {
    fn remove(&mut self) {
        for (above, name) in self.0.drain(..).rev() {
            // What somebody has put something into meanwhile stays.
            let _ = sys::remove_directory(above.as_fd(), &name);
        }
    }
}

//! The same by mount(2), where the new calls are missing or can't say it.

use std::ffi::OsStr;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::{fs, io};

use nix::errno::Errno;
use nix::mount::MntFlags;

use super::{Request, superblock_of};
use crate::at::magic_link;
use crate::context::unknown;
use crate::sys::{self, ms};
use crate::{At, Attributes, Bind, Error, ErrorKind, Mount, Result};

impl Request<'_> {
    pub(super) fn make_by_mount2(&self) -> Result<Mount> {
        let flags = match self.options.bind() {
            None => self.options.flags(),
            Some(Bind::Plain) => ms::BIND,
            Some(Bind::Recursive) => ms::BIND | ms::REC,
        };
        // Asked for now: the new mount may cover /proc.
        let path = fs::read_link(magic_link(self.target.as_fd()));
        self.call(Some(self.source.as_os_str()), flags, self.data()?.as_deref())?;
        self.finish_mount2(path)
    }

    /// Does what mount(2) leaves undone. `path` is that of the place before it was covered.
    pub(super) fn finish_mount2(&self, path: io::Result<PathBuf>) -> Result<Mount> {
        let finish = || {
            let mount = self.find_made(path)?;
            self.tell_apart_read_only(&mount)?;
            self.change(&mount)?;
            self.propagate(&mount)?;
            Ok(mount)
        };
        finish().inspect_err(|_| {
            // What is on top of the target is ours; what failed is told. A mount over /proc has covered the link.
            let link = magic_link(self.target.as_fd());
            if sys::umount2(&link, MntFlags::MNT_DETACH).is_err() && !link.exists() {
                let _ = sys::umount2(&self.at.name(), MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW);
            }
        })
    }

    /// Opens the mount that has just covered the target.
    fn find_made(&self, path: io::Result<PathBuf>) -> Result<Mount> {
        let covered = At::Fd(self.target.as_fd()).id()?;
        // A descriptor, and a root that covers itself, lead to what is covered; its name leads to what covers.
        let named = match self.at {
            At::Fd(_) => None,
            at => Some(at.open(&self.what)?),
        };
        let made = match named {
            Some(fd) if At::Fd(fd.as_fd()).id()? != covered => fd,
            _ => {
                let path = path.map_err(|error| Error::io(&self.what, Path::new("/proc"), &error))?;
                // From the root directory only the way up leads to what covers it.
                let path = if path == Path::new("/") { Path::new("/..") } else { &path };
                At::Path(path).open(&self.what)?
            }
        };
        let mount = Mount::new(made, self.at.to_string());
        let is_child = mount.info()?.is_some_and(|made| made.parent == covered);
        if !is_child || !At::from(&mount).mounted()? {
            let why = "its place was renamed meanwhile, and it is taken away again";
            return Err(Error::new(ErrorKind::NotFound, &self.what, why).at(&self.at.name()));
        }
        Ok(mount)
    }

    /// mount(2) makes a filesystem and its mount read-only together; `ro=vfs` and `ro=fs` mean one of them.
    fn tell_apart_read_only(&self, mount: &Mount) -> Result<()> {
        let filesystem = self.options.flags() & ms::RDONLY != 0;
        let wanted = self.options.attr_set() & Attributes::RDONLY;
        if self.options.bind().is_some() || filesystem != wanted.is_empty() {
            return Ok(());
        }
        mount.change(false, wanted, Attributes::RDONLY & !wanted)
    }

    pub(super) fn remount_by_mount2(&self) -> Result<()> {
        let (set, clear) = self.options.superblock();
        let target = At::Fd(self.target.as_fd());
        let mount = target.mount_of()?.ok_or_else(|| self.not_mounted())?;
        let present = Attributes::of(&mount);
        let superblock = superblock_of(&mount);
        let differ = present.contains(Attributes::RDONLY) != (superblock & ms::RDONLY != 0);
        if differ && (set | clear) & ms::RDONLY == 0 {
            let why = "of the mount and its filesystem only one is read-only: name ro or rw, or bind";
            return Err(Error::new(ErrorKind::InvalidInput, &self.what, why).at(&self.at.name()));
        }
        let wanted = present & !self.options.attr_clear() | self.options.attr_set();
        let attributes = (wanted & !Attributes::RDONLY).ms_flags_and_atime();
        let flags = ms::REMOUNT | attributes | superblock & !clear | set;
        self.call(None, flags, self.data()?.as_deref())?;
        // MS_RDONLY has changed both; "ro=fs" and "rw=fs" mean the filesystem alone.
        let read_only = wanted & Attributes::RDONLY;
        if (flags & ms::RDONLY != 0) == read_only.is_empty() {
            self.present()?.change(false, read_only, Attributes::RDONLY & !read_only)?;
        }
        Ok(())
    }

    pub(super) fn call(&self, source: Option<&OsStr>, flags: u64, data: Option<&OsStr>) -> Result<()> {
        let link = magic_link(self.target.as_fd());
        sys::mount(source, &link, Some(self.fs_type), flags, data).map_err(|error| {
            let refused = Error::os(&self.what, &self.at.name(), error);
            match error {
                // The target is open already.
                Errno::ENOENT if flags & (ms::BIND | ms::MOVE) != 0 => {
                    refused.because("the source is missing", error)
                }
                Errno::ENODEV => unknown(self.fs_type, &self.what, error).at(&self.at.name()),
                _ => refused,
            }
        })
    }
}

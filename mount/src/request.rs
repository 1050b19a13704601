//! One request to mount: which calls make it, and what they leave undone.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

use nix::errno::Errno;
use nix::mount::MntFlags;
use nix::sys::stat::fstat;

use crate::at::magic_link;
use crate::attributes::{RESTRICTIONS, tree_of};
use crate::context::{STRING_MAX, unknown};
use crate::error::quote;
use crate::overlay::Words;
use crate::sys::{self, api, ms};
use crate::{
    At, Attributes, Bind, Error, ErrorKind, FsContext, IdMapping, Mount, MountInfo, Options, Result,
};

/// mount(2) takes one page of filesystem options, and cuts what is longer without a word.
pub(crate) const DATA_MAX: usize = 4095;

/// What one call of mount is asked to do.
pub(crate) struct Request<'a> {
    source: &'a Path,
    at: At<'a>,
    /// The place, opened once: every step means the same one.
    target: OwnedFd,
    fs_type: &'a str,
    options: Options,
    mapping: Option<IdMapping>,
    what: String,
}

impl<'a> Request<'a> {
    pub(crate) fn new(source: &'a Path, at: At<'a>, fs_type: &'a str, options: &OsStr) -> Result<Self> {
        let what = format!("mount {} on {at}", quote(source));
        let options = Options::parse(options)?;
        let refuse = |why: &str| Err(Error::new(ErrorKind::InvalidInput, &what, why).at(&at.name()));
        let mapping = options.id_mapping()?;
        if (options.idmap() || options.ridmap()) && mapping.is_none() {
            return refuse("the words idmap and ridmap need X-mount.idmap= to say which ids");
        }
        if options.tmpcopyup() {
            return refuse("tmpcopyup is for container runtimes");
        }
        let target = at.open(format_args!("{what}: find the target"))?;
        Ok(Request { source, at, target, fs_type, options, mapping, what })
    }

    /// Says whether a mount is to be made, rather than changed.
    pub(crate) fn is_new(&self) -> bool {
        !self.options.remount() && !self.options.is_move() && !self.is_propagation_only()
    }

    pub(crate) fn is_recursive(&self) -> bool {
        self.options.bind() == Some(Bind::Recursive)
    }

    fn is_propagation_only(&self) -> bool {
        let options = &self.options;
        let attributes = options.attr_set() | options.attr_clear();
        let recursive = options.recursive_set() | options.recursive_clear();
        matches!(self.fs_type, "" | "none")
            && !options.propagation().is_empty()
            && options.flags() == 0
            && (attributes | recursive).is_empty()
            && options.data().is_empty()
    }

    pub(crate) fn run(&self) -> Result<()> {
        if self.is_new() {
            self.make().map(drop)
        } else if self.options.remount() {
            self.remount()
        } else if self.options.is_move() {
            self.move_there()
        } else {
            self.propagate(&self.present()?)
        }
    }

    /// Makes a mount and attaches it, or leaves nothing behind.
    pub(crate) fn make(&self) -> Result<Mount> {
        if self.fs_type == "overlay" && self.has_long_words() {
            return self.make_overlay();
        }
        if self.only_mount2_says_it() && self.mapping.is_none() {
            return self.make_by_mount2();
        }
        match self.make_detached() {
            Err(error) if self.mapping.is_some() => Err(error),
            // Before Linux 5.2, or a filter that is older than the calls.
            Err(error) if error.is_missing_call() || self.is_beyond_fsmount(&error) => {
                // The first error says more than the old call does.
                self.make_by_mount2().map_err(|old| if old.is_missing_call() { error } else { old })
            }
            // Filesystems that are older than contexts take no commas in them; overlay did so until Linux 6.5.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) && self.has_commas() => {
                self.make_by_mount2().map_err(|_| error)
            }
            Err(error) => Err(error),
            Ok(mount) => {
                self.attach(&mount)?;
                Ok(mount)
            }
        }
    }

    /// Says whether this attribute was the reason: mount(2) had it four versions before fsmount(2).
    fn is_beyond_fsmount(&self, error: &Error) -> bool {
        error.kind() == ErrorKind::Unsupported && self.options.attr_set().contains(Attributes::NOSYMFOLLOW)
    }

    /// Says whether there is a word that the new calls don't know.
    fn only_mount2_says_it(&self) -> bool {
        self.options.bind().is_none()
            && (self.options.flags() & ms::I_VERSION != 0
                || self.source.as_os_str().len() > STRING_MAX
                || self.has_long_words())
    }

    /// Says whether a word is longer than fsconfig(2) takes; mount(2) takes it if they aren't many.
    fn has_long_words(&self) -> bool {
        let length = |value: Option<Cow<'_, OsStr>>| value.map_or(0, |value| value.len());
        self.options.parameters().any(|(key, value)| key.len().max(length(value)) > STRING_MAX)
    }

    fn has_commas(&self) -> bool {
        let comma = |value: Cow<'_, OsStr>| value.as_encoded_bytes().contains(&b',');
        self.options.parameters().any(|(_, value)| value.is_some_and(comma))
    }

    /// Makes an overlay whose layers are more than one string: they go one by one.
    fn make_overlay(&self) -> Result<Mount> {
        let words = Words::parse(self.options.parameters());
        let read_only = self.options.superblock_flags().contains(&"ro");
        let overlay =
            words.overlay().source(self.source).attributes(self.options.attr_set()).read_only(read_only);
        let path = fs::read_link(magic_link(self.target.as_fd()));
        let made = overlay.mount_as(self.target.as_fd(), &self.what);
        match made.map_err(|error| error.or_at(&self.at.name()))? {
            Some(mount) => {
                self.attach(&mount)?;
                Ok(mount)
            }
            None => self.finish_mount2(path),
        }
    }

    fn make_detached(&self) -> Result<Mount> {
        let Some(bind) = self.options.bind() else { return self.make_filesystem() };
        let source = At::Path(self.source);
        let opened = source.open(&self.what).map_err(|error| match error.kind() {
            // The target is open already.
            ErrorKind::NotFound => error.because("the source is missing", Errno::ENOENT),
            _ => error,
        })?;
        Mount::clone_as(&opened, source, bind == Bind::Recursive, &self.what)
    }

    fn make_filesystem(&self) -> Result<Mount> {
        let mut context = FsContext::open_as(self.fs_type, self.what.clone())?;
        context.set_string("source", self.source)?;
        self.configure(&mut context)?;
        context.create()?.mount(self.options.attr_set())
    }

    /// Gives a context all options that are the filesystem's.
    fn configure(&self, context: &mut FsContext) -> Result<()> {
        for flag in self.options.superblock_flags() {
            context.set_flag(flag)?;
        }
        for (key, value) in self.options.parameters() {
            match value {
                Some(value) => context.set_string(key, value)?,
                None => context.set_flag(key)?,
            };
        }
        Ok(())
    }

    /// Attaches a mount and gives it what is asked for, where the kernel lets us before anybody sees it.
    fn attach(&self, mount: &Mount) -> Result<()> {
        if let Some(mapping) = &self.mapping {
            self.map_ids(mount, mapping)?;
        }
        let early = match self.change(mount) {
            Ok(()) => true,
            // Before Linux 5.12 there is only mount(2) for this, which knows no detached mount.
            Err(error) if error.is_missing_call() => false,
            Err(error) => return Err(error),
        };
        api::move_mount(mount.as_fd(), self.target.as_fd(), false).map_err(|error| {
            mount.why_not_attached(self.target.as_fd(), false, &self.what, error).at(&self.at.name())
        })?;
        let finish = || {
            if !early {
                self.change(mount)?;
            }
            self.propagate(mount)
        };
        finish().inspect_err(|_| {
            // What failed is told.
            let _ = mount.detach();
        })
    }

    /// Maps the ids as `X-mount.idmap=` says. There is no other way than the new calls.
    fn map_ids(&self, mount: &Mount, mapping: &IdMapping) -> Result<()> {
        let namespace = match mapping {
            IdMapping::Ids(map) => map.user_namespace()?,
            IdMapping::Namespace(path) => {
                let file = fs::File::open(path);
                file.map_err(|error| Error::io(&self.what, path, &error))?.into()
            }
        };
        if self.options.ridmap() {
            mount.map_ids_recursive(namespace.as_fd())
        } else {
            mount.map_ids(namespace.as_fd())
        }
    }

    /// Gives a mount the attributes that are asked for.
    fn change(&self, mount: &Mount) -> Result<()> {
        let (set, clear) = (self.options.attr_set(), self.options.attr_clear());
        let (mut everywhere, cleared) = (self.options.recursive_set(), self.options.recursive_clear());
        if self.options.bind().is_some() || !self.is_new() {
            mount.change(false, set, clear)?;
        }
        if self.is_recursive() {
            everywhere |= set & RESTRICTIONS & !cleared;
        }
        mount.change(true, everywhere, cleared)
    }

    fn propagate(&self, mount: &Mount) -> Result<()> {
        self.options.propagation().iter().try_for_each(|propagation| mount.set_propagation(*propagation))
    }

    fn move_there(&self) -> Result<()> {
        let source = At::Path(self.source);
        let mount = Mount::new(source.open(&self.what)?, source.to_string());
        match api::move_mount(mount.as_fd(), self.target.as_fd(), false) {
            Ok(()) => {}
            Err(Errno::ENOSYS | Errno::EPERM) => {
                self.call(Some(magic_link(mount.as_fd()).as_os_str()), ms::MOVE, None)?;
            }
            Err(error) => {
                let why = mount.why_not_attached(self.target.as_fd(), false, &self.what, error);
                return Err(why.at(&self.at.name()));
            }
        }
        self.change(&mount)?;
        self.propagate(&mount)
    }

    /// Returns the mount that is to be changed.
    fn present(&self) -> Result<Mount> {
        if !At::Fd(self.target.as_fd()).mounted()? {
            return Err(self.not_mounted());
        }
        let fd = self.target.try_clone().map_err(|error| Error::io(&self.what, &self.at.name(), &error))?;
        Ok(Mount::new(fd, self.at.to_string()))
    }

    /// Changes an existing mount: what the options don't name stays as it is.
    fn remount(&self) -> Result<()> {
        let mount = self.present()?;
        let flags = self.options.superblock_flags();
        let mount_only =
            self.options.bind().is_some() || (flags.is_empty() && self.options.data().is_empty());
        if !mount_only {
            match self.reconfigure() {
                Err(error) if error.is_missing_call() => {
                    self.remount_by_mount2()
                        .map_err(|old| if old.is_missing_call() { error } else { old })?;
                }
                result => result?,
            }
        }
        self.change(&mount)?;
        self.propagate(&mount)
    }

    /// Changes the filesystem. fsconfig(2) changes what is named, mount(2) everything.
    fn reconfigure(&self) -> Result<()> {
        let mut context = FsContext::pick_as(self.target.as_fd(), &self.at.name(), self.what.clone())?;
        self.configure(&mut context)?;
        context.reconfigure().map(drop)
    }

    /// Says whether what is asked for is at the target already, or fails if something else is.
    pub(crate) fn is_there_already(&self) -> Result<bool> {
        let target = At::Fd(self.target.as_fd());
        if !target.mounted()? {
            return Ok(false);
        }
        let Some(present) = target.mount_of()? else { return Ok(false) };
        let there = if !self.is_same(&present)? {
            format!("{} of type {} is mounted there", quote(&present.source), quote(&present.fs_type))
        } else if !self.is_as_asked(&present)? {
            format!("it is mounted there already, as {}", quote(&present.options))
        } else {
            return Ok(true);
        };
        Err(Error::new(ErrorKind::AlreadyMounted, &self.what, there).at(&self.at.name()))
    }

    fn is_same(&self, present: &MountInfo) -> Result<bool> {
        if self.options.bind().is_none() {
            return Ok(present.fs_type == self.fs_type && present.source == self.source.as_os_str());
        }
        let source = fs::metadata(self.source).map_err(|error| Error::io(&self.what, self.source, &error))?;
        let target = fstat(&self.target).map_err(|error| Error::os(&self.what, &self.at.name(), error))?;
        Ok((source.dev(), source.ino()) == (target.st_dev, target.st_ino))
    }

    fn is_as_asked(&self, present: &MountInfo) -> Result<bool> {
        let options = &self.options;
        if present.has_option("idmapped") || self.mapping.is_some() {
            // Which ids it has can't be told.
            return Ok(false);
        }
        if !Attributes::of(present).are(options.attr_set(), options.attr_clear()) {
            return Ok(false);
        }
        let (mut set, clear) = (options.recursive_set(), options.recursive_clear());
        if self.is_recursive() {
            set |= options.attr_set() & RESTRICTIONS & !clear;
        }
        if (set | clear).is_empty() {
            return Ok(true);
        }
        let table = crate::mounts()?;
        let mut tree = tree_of(&table, present.id, true).into_iter();
        Ok(tree.all(|mount| Attributes::of(mount).are(set, clear)))
    }

    fn not_mounted(&self) -> Error {
        Error::new(ErrorKind::NotMounted, &self.what, "nothing is mounted there").at(&self.at.name())
    }
}

/// The same by mount(2), where the new calls are missing.
impl Request<'_> {
    fn make_by_mount2(&self) -> Result<Mount> {
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
    fn finish_mount2(&self, path: io::Result<PathBuf>) -> Result<Mount> {
        let finish = || {
            let mount = self.find_made(path)?;
            self.tell_apart_read_only(&mount)?;
            self.change(&mount)?;
            self.propagate(&mount)?;
            Ok(mount)
        };
        finish().inspect_err(|_| {
            // What is on top of the target is ours; what failed is told.
            let _ = sys::umount2(&magic_link(self.target.as_fd()), MntFlags::MNT_DETACH);
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

    fn remount_by_mount2(&self) -> Result<()> {
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

    fn call(&self, source: Option<&OsStr>, flags: u64, data: Option<&OsStr>) -> Result<()> {
        let link = magic_link(self.target.as_fd());
        let fs_type = OsStr::new(self.fs_type);
        sys::mount(source, &link, Some(fs_type), flags, data).map_err(|error| {
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

    fn data(&self) -> Result<Option<OsString>> {
        let data = self.options.mount_data()?;
        if data.len() > DATA_MAX {
            let why =
                format!("{} bytes of filesystem options, of which mount(2) takes {DATA_MAX}", data.len());
            return Err(Error::new(ErrorKind::InvalidInput, &self.what, why).at(&self.at.name()));
        }
        Ok((!data.is_empty()).then_some(data))
    }
}

/// Returns the flags of a mount's filesystem that a remount would reset.
fn superblock_of(mount: &MountInfo) -> u64 {
    let bit = |word: &OsStr| match word.to_str() {
        Some("ro") => ms::RDONLY,
        Some("sync") => ms::SYNCHRONOUS,
        Some("dirsync") => ms::DIRSYNC,
        Some("mand") => ms::MANDLOCK,
        Some("lazytime") => ms::LAZYTIME,
        _ => 0,
    };
    mount.super_words().fold(0, |flags, word| flags | bit(&word))
}

//! One request to mount: what is asked for, and which way leads there.

mod already;
mod change;
mod make;
mod old;

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use crate::attributes::RESTRICTIONS;
use crate::error::quote;
use crate::words::SUPERBLOCK;
use crate::{At, Attributes, Bind, Error, ErrorKind, IdMapping, Mount, MountInfo, Options, Result};

/// mount(2) takes one page of filesystem options, and cuts what is longer without a word.
pub(crate) const DATA_MAX: usize = 4095;

/// Words of mount(8) that change what is mounted, and that only a tool can do.
const TOOLS: [&str; 8] = [
    "loop",
    "offset",
    "sizelimit",
    "encryption",
    "X-mount.subdir",
    "X-mount.owner",
    "X-mount.group",
    "X-mount.mode",
];

/// What one call of mount is asked to do.
pub(crate) struct Request<'a> {
    source: &'a Path,
    at: At<'a>,
    /// The place, opened once: every step means the same one.
    target: OwnedFd,
    fs_type: &'a OsStr,
    options: Options,
    mapping: Option<IdMapping>,
    what: String,
}

impl<'a> Request<'a> {
    pub(crate) fn new(source: &'a Path, at: At<'a>, fs_type: &'a OsStr, options: &OsStr) -> Result<Self> {
        let what = format!("mount {} on {at}", quote(source));
        let options = Options::parse(options)?;
        let refuse =
            |why: &dyn fmt::Display| Err(Error::new(ErrorKind::InvalidInput, &what, why).at(&at.name()));
        let mapping = options.id_mapping()?;
        if (options.idmap() || options.ridmap()) && mapping.is_none() {
            return refuse(&"the words idmap and ridmap need X-mount.idmap= to say which ids");
        }
        if options.tmpcopyup() {
            return refuse(&"tmpcopyup is for container runtimes");
        }
        if let Some(name) = tool_word(&options) {
            return refuse(&format_args!("the option {name} is done by mount(8) and not here"));
        }
        let target = at.open(format_args!("{what}: find the target"))?;
        let request = Request { source, at, target, fs_type, options, mapping, what };
        if request.mapping.is_some() && !request.is_new() {
            let why = "X-mount.idmap= maps the ids of a new mount only";
            return Err(Error::new(ErrorKind::InvalidInput, &request.what, why).at(&at.name()));
        }
        Ok(request)
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
        (self.fs_type.is_empty() || self.fs_type == "none")
            && !options.propagation().is_empty()
            && options.flags() == 0
            && (attributes | recursive).is_empty()
            && options.data().is_empty()
    }

    pub(crate) fn run(&self) -> Result<()> {
        if self.is_new() {
            self.make().map(drop)
        } else if self.options.remount() {
            self.named(self.remount())
        } else if self.options.is_move() {
            self.named(self.move_there())
        } else {
            self.propagate(&self.present()?)
        }
    }

    /// Returns the attributes to set and to clear on the mount and on every mount below.
    fn everywhere(&self) -> (Attributes, Attributes) {
        let (set, clear) = (self.options.recursive_set(), self.options.recursive_clear());
        // What restricts a bind of a tree restricts the tree.
        let whole = if self.is_recursive() { self.options.attr_set() } else { Attributes::empty() };
        (set | whole & RESTRICTIONS & !clear, clear)
    }

    /// Gives a mount the attributes that are asked for.
    fn change(&self, mount: &Mount) -> Result<()> {
        if self.options.bind().is_some() || !self.is_new() {
            mount.change(false, self.options.attr_set(), self.options.attr_clear())?;
        }
        let (set, clear) = self.everywhere();
        mount.change(true, set, clear)
    }

    fn propagate(&self, mount: &Mount) -> Result<()> {
        self.options.propagation().iter().try_for_each(|propagation| mount.set_propagation(*propagation))
    }

    /// Returns the mount that is to be changed.
    fn present(&self) -> Result<Mount> {
        if !At::Fd(self.target.as_fd()).mounted()? {
            return Err(self.not_mounted());
        }
        let fd = self.target.try_clone().map_err(|error| Error::io(&self.what, &self.at.name(), &error))?;
        Ok(Mount::new(fd, self.at.to_string()))
    }

    fn not_mounted(&self) -> Error {
        Error::new(ErrorKind::NotMounted, &self.what, "nothing is mounted there").at(&self.at.name())
    }

    /// Gives the place to an error that doesn't name one.
    fn named<T>(&self, result: Result<T>) -> Result<T> {
        result.map_err(|error| error.or_at(&self.at.name()))
    }

    /// Returns the options for the filesystem as mount(2) takes them.
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

/// Returns the name of a word that must not be passed over.
fn tool_word(options: &Options) -> Option<String> {
    let names = options.userspace().iter().filter_map(|word| word.to_str()?.split('=').next());
    let mut words = names.filter(|name| TOOLS.contains(name) || name.starts_with("verity."));
    words.next().map(str::to_owned)
}

/// Returns the flags of a mount's filesystem that a remount would reset.
fn superblock_of(mount: &MountInfo) -> u64 {
    let bit = |word: &OsStr| SUPERBLOCK.iter().find(|(set, ..)| *set == word).map_or(0, |(_, _, bit)| *bit);
    mount.super_words().fold(0, |flags, word| flags | bit(&word))
}

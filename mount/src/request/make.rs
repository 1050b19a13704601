//! Making a mount by the new calls.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fs;
use std::os::fd::AsFd;

use nix::errno::Errno;

use super::Request;
use crate::at::magic_link;
use crate::context::STRING_MAX;
use crate::overlay::Words;
use crate::sys::{api, ms};
use crate::{At, Attributes, Bind, Error, ErrorKind, FsContext, IdMapping, Mount, Result};

impl Request<'_> {
    /// Makes a mount and attaches it, or leaves nothing behind.
    pub(crate) fn make(&self) -> Result<Mount> {
        self.named(match self.way() {
            Way::Layers => self.make_overlay(),
            Way::Mount2 if self.mapping.is_some() => {
                let why = "what only mount(2) can make can't have its ids mapped";
                Err(Error::new(ErrorKind::InvalidInput, &self.what, why))
            }
            Way::Mount2 => self.make_by_mount2(),
            Way::NewCalls => match self.make_detached() {
                Ok(mount) => self.attach(mount),
                Err(error) => self.make_otherwise(error),
            },
        })
    }

    fn way(&self) -> Way {
        let long_words = self.options.bind().is_none() && self.has_long_words();
        if self.fs_type == "overlay" && long_words {
            Way::Layers
        } else if long_words || self.only_mount2_says_it() {
            Way::Mount2
        } else {
            Way::NewCalls
        }
    }

    fn only_mount2_says_it(&self) -> bool {
        let flag = self.options.flags() & ms::I_VERSION != 0;
        self.options.bind().is_none() && (flag || self.source.as_os_str().len() > STRING_MAX)
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

    /// Tries mount(2) if the new calls have failed for a reason that it doesn't have.
    fn make_otherwise(&self, error: Error) -> Result<Mount> {
        // mount(2) has this attribute since Linux 5.10, fsmount(2) since 5.14.
        let beyond_fsmount = error.kind() == ErrorKind::Unsupported
            && self.options.attr_set().contains(Attributes::NOSYMFOLLOW);
        // Filesystems that are older than contexts take no commas in them; overlay did so until Linux 6.5.
        let comma = error.raw_os_error() == Some(libc::EINVAL) && self.has_commas();
        if self.mapping.is_some() || !(error.is_missing_call() || beyond_fsmount || comma) {
            return Err(error);
        }
        // If the old call fails in the same way, the first error says more.
        self.make_by_mount2().map_err(|old| if old.is_missing_call() || comma { error } else { old })
    }

    /// Makes an overlay whose layers are more than one string: they go one by one.
    fn make_overlay(&self) -> Result<Mount> {
        let words = Words::parse(self.options.parameters());
        words.check().map_err(|why| Error::new(ErrorKind::InvalidInput, &self.what, why))?;
        let overlay =
            words.overlay().source(self.source).attributes(self.options.attr_set()).superblock(&self.options);
        let path = fs::read_link(magic_link(self.target.as_fd()));
        if self.mapping.is_some() {
            return self.attach(overlay.create_as(&self.what)?);
        }
        // What is read-only of the mount alone is made so after it.
        let flags = (self.options.attr_set() & !Attributes::RDONLY).ms_flags_and_atime();
        match overlay.mount_as(self.target.as_fd(), &self.what, flags)? {
            Some(mount) => self.attach(mount),
            None => self.finish_mount2(path),
        }
    }

    fn make_detached(&self) -> Result<Mount> {
        let Some(bind) = self.options.bind() else { return self.make_filesystem() };
        let cloned = Mount::clone_as(At::Path(self.source), bind == Bind::Recursive, &self.what);
        cloned.map_err(|error| match error.kind() {
            // The target is open already.
            ErrorKind::NotFound => error.because("the source is missing", Errno::ENOENT),
            _ => error,
        })
    }

    fn make_filesystem(&self) -> Result<Mount> {
        if self.fs_type.is_empty() || self.fs_type == "none" || self.fs_type == "auto" {
            let why = format!("{:?} is no filesystem: name one, or say bind", self.fs_type);
            return Err(Error::new(ErrorKind::InvalidInput, &self.what, why));
        }
        let mut context = FsContext::open_as(self.fs_type, self.what.clone())?;
        context.set_string("source", self.source)?;
        self.configure(&mut context)?;
        context.create()?.mount(self.options.attr_set())
    }

    /// Gives a context all options that are the filesystem's.
    pub(super) fn configure(&self, context: &mut FsContext) -> Result<()> {
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
    fn attach(&self, mount: Mount) -> Result<Mount> {
        self.map_ids(&mount)?;
        let early = match self.change(&mount) {
            Ok(()) => true,
            // Before Linux 5.12 there is only mount(2) for this, which knows no detached mount.
            Err(error) if error.is_missing_call() && !api::has_mount_setattr() => false,
            Err(error) => return Err(error),
        };
        if let Err(error) = api::move_mount(mount.as_fd(), self.target.as_fd(), false) {
            let error = mount.why_not_attached(self.target.as_fd(), false, &self.what, error);
            return self.make_otherwise(error);
        }
        let finish = || {
            if !early {
                self.change(&mount)?;
            }
            self.propagate(&mount)
        };
        if let Err(error) = finish() {
            // What failed first is told.
            let _ = mount.detach();
            return Err(error);
        }
        Ok(mount)
    }

    /// Maps the ids as `X-mount.idmap=` says. There is no other way than the new calls.
    fn map_ids(&self, mount: &Mount) -> Result<()> {
        let namespace = match &self.mapping {
            None => return Ok(()),
            Some(IdMapping::Ids(map)) => map.user_namespace()?,
            Some(IdMapping::Namespace(path)) => {
                let file = fs::File::open(path);
                file.map_err(|error| Error::io(&self.what, path, &error))?.into()
            }
        };
        mount.map_as(&self.what, self.options.ridmap(), namespace.as_fd())
    }
}

/// By which calls a mount is made.
enum Way {
    /// fsopen(2) and open_tree(2).
    NewCalls,
    /// fsopen(2), with the layers of an overlay one by one.
    Layers,
    /// mount(2), for what the new calls can't say.
    Mount2,
}

//! Overlay filesystems of any number of layers.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use crate::at::magic_link;
use crate::context::{Probe, STRING_MAX};
use crate::request::DATA_MAX;
use crate::{At, Attributes, Error, ErrorKind, FsContext, Mount, Options, Result, sys};

/// The key of a layer that is added to others.
const LOWER: &str = "lowerdir+";
/// The key of a layer that only gives file contents.
const DATA: &str = "datadir+";
/// Which kernel was the first to have both.
const SINCE: &str = "Linux 6.8";

/// An [overlay filesystem] that is to be mounted: directories shown as one, with at most 500 below.
///
/// Paths may have any length and hold any bytes, commas and colons too. Each layer goes to the kernel on its
/// own, where it can (Linux 6.8): nothing is cut, and a layer that isn't there is an error.
///
/// ```no_run
/// mount::Overlay::new()
///     .lower("/layers/3")
///     .lower("/layers/2")
///     .lower("/layers/1")
///     .upper("/changes", "/work")
///     .mount("/merged")?;
/// # Ok::<(), mount::Error>(())
/// ```
///
/// [overlay filesystem]: https://docs.kernel.org/filesystems/overlayfs.html
#[derive(Debug, Clone)]
#[must_use = "nothing is mounted yet"]
pub struct Overlay<'a> {
    source: OsString,
    lower: Vec<At<'a>>,
    data: Vec<At<'a>>,
    upper: Option<At<'a>>,
    work: Option<At<'a>>,
    options: Vec<(String, Option<OsString>)>,
    attributes: Attributes,
    /// What the superblock is told, in the words of fsconfig(2) and the bits of mount(2).
    superblock: (Vec<&'static str>, u64),
}

impl Default for Overlay<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl<'a> Overlay<'a> {
    /// Returns an overlay without layers, whose source in the mount table is `overlay`.
    pub fn new() -> Self {
        Overlay {
            source: "overlay".into(),
            lower: Vec::new(),
            data: Vec::new(),
            upper: None,
            work: None,
            options: Vec::new(),
            attributes: Attributes::empty(),
            superblock: (Vec::new(), 0),
        }
    }

    /// Adds a directory below those that were added before.
    pub fn lower(mut self, layer: impl Into<At<'a>>) -> Self {
        self.lower.push(layer.into());
        self
    }

    /// Adds directories, the uppermost first.
    pub fn lowers<T: Into<At<'a>>>(mut self, layers: impl IntoIterator<Item = T>) -> Self {
        self.lower.extend(layers.into_iter().map(Into::into));
        self
    }

    /// Adds a directory that only gives the contents of files that `metacopy` has left there.
    pub fn data(mut self, layer: impl Into<At<'a>>) -> Self {
        self.data.push(layer.into());
        self
    }

    /// Sets the directory that takes the changes, and an empty one of the same filesystem to work in. Without
    /// them the overlay is read-only.
    pub fn upper(mut self, upper: impl Into<At<'a>>, work: impl Into<At<'a>>) -> Self {
        self.upper = Some(upper.into());
        self.work = Some(work.into());
        self
    }

    /// Sets an option of overlayfs: `metacopy`, `on`.
    pub fn set(mut self, key: impl Into<String>, value: impl Into<OsString>) -> Self {
        self.options.push((key.into(), Some(value.into())));
        self
    }

    /// Sets an option of overlayfs that has no value: `volatile`, `userxattr`.
    pub fn set_flag(mut self, key: impl Into<String>) -> Self {
        self.options.push((key.into(), None));
        self
    }

    /// Sets what the mount table gives as the source.
    pub fn source(mut self, source: impl Into<OsString>) -> Self {
        self.source = source.into();
        self
    }

    /// Sets the attributes of the mount.
    pub fn attributes(mut self, attributes: Attributes) -> Self {
        self.attributes = attributes;
        self
    }

    /// Takes what options say to the superblock: `ro`, `sync`.
    pub(crate) fn superblock(mut self, options: &Options) -> Self {
        self.superblock = (options.superblock_flags(), options.superblock().0);
        self
    }

    /// Mounts it.
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create). Before Linux 6.8 all options together may have 4,095 bytes.
    pub fn mount<'b>(&self, at: impl Into<At<'b>>) -> Result<()> {
        let at = at.into();
        let what = format!("mount overlay on {at}");
        let target = at.open(&what)?;
        // Of the mount alone mount(2) can make nothing read-only: it is the filesystem, which is as new.
        let old = self.attributes.ms_flags_and_atime();
        let mounted = match self.mount_as(target.as_fd(), &what, old) {
            Ok(Some(mount)) => match mount.attach(target.as_fd()) {
                Err(error) if error.is_missing_call() => self.by_mount2(target.as_fd(), &what, old, error),
                attached => attached,
            },
            other => other.map(drop),
        };
        mounted.map_err(|error| error.or_at(&at.name()))
    }

    /// Makes it, attached nowhere yet.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) for a layer that isn't there, with its path;
    /// [`InvalidInput`](ErrorKind::InvalidInput) for no layer, or more than the kernel's 500;
    /// [`Unsupported`](ErrorKind::Unsupported) before Linux 6.8.
    pub fn create(&self) -> Result<Mount> {
        self.create_as("make overlay")
    }

    /// Makes it, or mounts it by mount(2) where the kernel takes no layer on its own, with these `MS_*` bits for
    /// the mount.
    pub(crate) fn mount_as(&self, target: BorrowedFd<'_>, what: &str, flags: u64) -> Result<Option<Mount>> {
        match self.create_as(what) {
            Err(error) if error.kind() == ErrorKind::Unsupported || error.is_missing_call() => {
                self.by_mount2(target, what, flags, error).map(|()| None)
            }
            result => result.map(Some),
        }
    }

    /// Mounts it by mount(2), or returns the first error, which says more, if that fails in the same way.
    fn by_mount2(&self, target: BorrowedFd<'_>, what: &str, flags: u64, error: Error) -> Result<()> {
        let data = self.data_of_mount2(what)?;
        let flags = flags | self.superblock.1;
        let mounted = sys::mount(
            Some(&self.source),
            &magic_link(target),
            Some("overlay".as_ref()),
            flags,
            Some(&data.text),
        );
        mounted.map_err(|old| match old {
            Errno::ENOSYS | Errno::EPERM => error,
            old => Error::call(what, old),
        })
    }

    pub(crate) fn create_as(&self, what: &str) -> Result<Mount> {
        let refuse = |why: &str| Err(Error::new(ErrorKind::InvalidInput, what, why));
        if self.lower.is_empty() {
            return refuse("an overlay needs a layer below");
        }
        let mut context = FsContext::open_as("overlay".as_ref(), what.to_owned())?;
        let mut open = Vec::new();
        single_layers(&mut context, what)?;
        context.set_string("source", &self.source)?;
        for (key, value) in &self.options {
            match value {
                Some(value) => context.set_string(key, value)?,
                None => context.set_flag(key)?,
            };
        }
        for (at, key) in self.layers() {
            set_layer(&mut context, key, at, &mut open)?;
        }
        for flag in &self.superblock.0 {
            context.set_flag(flag)?;
        }
        context.create()?.mount(self.attributes)
    }

    fn layers(&self) -> impl Iterator<Item = (At<'a>, &'static str)> {
        let lower = self.lower.iter().map(|at| (*at, LOWER));
        let data = self.data.iter().map(|at| (*at, DATA));
        let upper = self.upper.iter().map(|at| (*at, "upperdir"));
        let work = self.work.iter().map(|at| (*at, "workdir"));
        lower.chain(data).chain(upper).chain(work)
    }

    /// Writes all options as mount(2) takes them, with short names for long paths.
    fn data_of_mount2(&self, what: &str) -> Result<Data> {
        let data = self.data_with(what, usize::MAX)?;
        if data.text.len() <= DATA_MAX {
            return Ok(data);
        }
        let short = self.data_with(what, "/proc/thread-self/fd/000".len())?;
        if short.text.len() <= DATA_MAX {
            return Ok(short);
        }
        let why = format!(
            "{} layers need {} bytes, of which mount(2) takes {DATA_MAX}, and this kernel takes no layer alone \
             ({SINCE})",
            self.lower.len() + self.data.len(),
            data.text.len()
        );
        Err(Error::new(ErrorKind::Unsupported, what, why))
    }

    fn data_with(&self, what: &str, longest: usize) -> Result<Data> {
        if !self.data.is_empty() {
            let why = format!("this kernel has no layers that only give data ({SINCE})");
            return Err(Error::new(ErrorKind::Unsupported, what, why));
        }
        let mut open = Vec::new();
        let mut words = Vec::new();
        let mut lower = OsString::from("lowerdir=");
        for (index, at) in self.lower.iter().enumerate() {
            if index > 0 {
                lower.push(":");
            }
            lower.push(escaped(&path_of(*at, longest, &mut open)?));
        }
        words.push(lower);
        for (key, at) in [("upperdir=", self.upper), ("workdir=", self.work)] {
            if let Some(at) = at {
                let mut word = OsString::from(key);
                word.push(escaped(&path_of(at, longest, &mut open)?));
                words.push(word);
            }
        }
        for (key, value) in &self.options {
            let mut word = OsString::from(key);
            if let Some(value) = value {
                word.push("=");
                word.push(value);
            }
            words.push(word);
        }
        Ok(Data { text: words.join(OsStr::new(",")), _open: open })
    }
}

/// An overlay in the words of options, whose paths are its own.
#[derive(Default)]
pub(crate) struct Words {
    lower: Vec<PathBuf>,
    data: Vec<PathBuf>,
    upper: Option<PathBuf>,
    work: Option<PathBuf>,
    others: Vec<(String, Option<OsString>)>,
    /// Whether `lowerdir` can't be taken apart.
    is_torn: bool,
}

impl Words {
    /// Takes `lowerdir=/b:/a,upperdir=/u,workdir=/w` and the like apart.
    pub(crate) fn parse<'w>(parameters: impl Iterator<Item = (&'w str, Option<Cow<'w, OsStr>>)>) -> Self {
        let mut overlay = Words::default();
        for (key, value) in parameters {
            match (key, value) {
                ("lowerdir", Some(value)) => overlay.set_lower(&value),
                (LOWER, Some(value)) => overlay.lower.push(value.into_owned().into()),
                (DATA, Some(value)) => overlay.data.push(value.into_owned().into()),
                ("upperdir", Some(value)) => overlay.upper = Some(without_escapes(&value)),
                ("workdir", Some(value)) => overlay.work = Some(without_escapes(&value)),
                (key, value) => overlay.others.push((key.to_owned(), value.map(Cow::into_owned))),
            }
        }
        overlay
    }

    /// Takes `/b:/a::/data::/more`, in place of whatever was said before.
    fn set_lower(&mut self, value: &OsStr) {
        self.lower.clear();
        self.data.clear();
        self.is_torn = false;
        let mut empty = false;
        for layer in layers(value) {
            if layer.is_empty() {
                self.is_torn |= empty;
                empty = true;
                continue;
            }
            // What follows a double colon only gives data, and nothing else can follow it.
            let is_data = std::mem::take(&mut empty);
            self.is_torn |= !is_data && !self.data.is_empty();
            let list = if is_data { &mut self.data } else { &mut self.lower };
            list.push(without_escapes(layer));
        }
        self.is_torn |= empty || self.lower.is_empty();
    }

    /// Says what is missing, of which the kernel would only say that something is.
    pub(crate) fn check(&self) -> std::result::Result<(), &'static str> {
        match (&self.upper, &self.work) {
            _ if self.is_torn => {
                Err("of lowerdir each layer needs a path, and each that only gives data \"::\"")
            }
            (Some(_), None) => Err("an overlay with upperdir needs workdir too"),
            (None, Some(_)) => Err("an overlay with workdir needs upperdir too"),
            _ => Ok(()),
        }
    }

    pub(crate) fn overlay(&self) -> Overlay<'_> {
        let mut overlay = Overlay::new().lowers(&self.lower);
        overlay.data = self.data.iter().map(Into::into).collect();
        overlay.options.clone_from(&self.others);
        overlay.upper = self.upper.as_ref().map(Into::into);
        overlay.work = self.work.as_ref().map(Into::into);
        overlay
    }
}

/// Splits at colons that are not escaped.
fn layers(value: &OsStr) -> Vec<&OsStr> {
    let bytes = value.as_bytes();
    let (mut layers, mut start, mut is_escaped) = (Vec::new(), 0, false);
    for (at, byte) in bytes.iter().enumerate() {
        if *byte == b':' && !is_escaped {
            layers.push(OsStr::from_bytes(&bytes[start..at]));
            start = at + 1;
        }
        is_escaped = *byte == b'\\' && !is_escaped;
    }
    layers.push(OsStr::from_bytes(&bytes[start..]));
    layers
}

/// Undoes the escapes that keep a colon, a comma or a backslash in a path.
fn without_escapes(path: &OsStr) -> PathBuf {
    let mut bytes = path.as_bytes().iter().copied();
    let mut plain = Vec::with_capacity(path.len());
    while let Some(byte) = bytes.next() {
        plain.push(if byte == b'\\' { bytes.next().unwrap_or(byte) } else { byte });
    }
    PathBuf::from(OsString::from_vec(plain))
}

/// The options for mount(2), and the directories that they name by descriptor.
struct Data {
    text: OsString,
    _open: Vec<OwnedFd>,
}

/// Says whether the kernel takes layers one by one.
fn single_layers(context: &mut FsContext, what: &str) -> Result<()> {
    match context.probe(LOWER)? {
        // Older kernels collect whatever they are given, and look at it when it's too late; 6.5 to 6.7 know it not.
        Probe::Taken | Probe::Unknown => {
            let why = format!("this kernel takes no layer alone ({LOWER}, {SINCE})");
            Err(Error::new(ErrorKind::Unsupported, what, why))
        }
        // A layer without a path.
        Probe::Refused => Ok(()),
    }
}

/// Gives the kernel one layer: its path, or itself where the path is too long to be given.
fn set_layer(context: &mut FsContext, key: &str, at: At<'_>, open: &mut Vec<OwnedFd>) -> Result<()> {
    // "\" is an escape in the two that have always been there, and nothing in the others.
    let verbatim = key.ends_with('+');
    let refused = match at {
        At::Path(path) if path.as_os_str().len() <= STRING_MAX && (verbatim || !is_escaped(path)) => {
            context.set_string(key, path).map(drop)
        }
        _ => {
            let fd = at.open(format_args!("{} for {key}", context.what()))?;
            let set = match context.set_fd(key, fd.as_fd()) {
                // Before Linux 6.13 a layer is a path, if only that of the descriptor.
                Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
                    context.set_string(key, magic_link(fd.as_fd())).map(drop)
                }
                result => result.map(drop),
            };
            open.push(fd);
            set
        }
    };
    refused.map_err(|error| error.at(&at.name()))
}

fn path_of(at: At<'_>, longest: usize, open: &mut Vec<OwnedFd>) -> Result<OsString> {
    match at {
        At::Path(path) if path.as_os_str().len() <= longest => Ok(path.as_os_str().to_owned()),
        at => {
            let fd = at.open("mount overlay")?;
            let link = magic_link(fd.as_fd());
            open.push(fd);
            Ok(link.into_os_string())
        }
    }
}

fn is_escaped(path: &Path) -> bool {
    path.as_os_str().as_bytes().contains(&b'\\')
}

/// Escapes what would separate one layer or option from the next.
fn escaped(path: &OsStr) -> OsString {
    let mut bytes = Vec::with_capacity(path.len());
    for &byte in path.as_bytes() {
        if b":,\\".contains(&byte) {
            bytes.push(b'\\');
        }
        bytes.push(byte);
    }
    OsString::from_vec(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &[&str]) -> Words {
        Words::parse(crate::Options::from_words(text).unwrap().parameters())
    }

    #[test]
    fn layers_come_apart_at_colons_that_are_not_escaped() {
        let overlay = words(&[r"lowerdir=/a:/b\:c\,d\\e::/data::/more", "metacopy=on", "volatile"]);
        assert_eq!(overlay.lower, [Path::new("/a"), Path::new(r"/b:c,d\e")]);
        assert_eq!(overlay.data, [Path::new("/data"), Path::new("/more")]);
        let options: Vec<_> =
            overlay.others.iter().map(|(key, value)| (key.as_str(), value.is_some())).collect();
        assert_eq!(options, [("metacopy", true), ("volatile", false)]);
    }

    #[test]
    fn what_the_kernel_would_refuse_is_not_taken_apart() {
        for text in [
            "lowerdir=/a:",
            "lowerdir=:/a",
            "lowerdir=/a:::/b",
            "lowerdir=/a::/b:/c",
            "lowerdir=",
            "lowerdir=::/a",
        ] {
            assert!(words(&[text]).check().is_err(), "{text}");
        }
        assert!(words(&["lowerdir=/a", "upperdir=/u"]).check().is_err());
        assert!(words(&["lowerdir=/a", "workdir=/w"]).check().is_err());
        assert!(words(&["lowerdir=/a::/b::/c", "upperdir=/u", "workdir=/w"]).check().is_ok());
    }

    #[test]
    fn a_colon_is_part_of_the_upper_directorys_name_and_the_last_lowerdir_holds() {
        let words = words(&["lowerdir=/old", "lowerdir=/a:/b", r"upperdir=/u:x\\y", "workdir=/w:z"]);
        assert_eq!(words.lower, [Path::new("/a"), Path::new("/b")]);
        assert_eq!(words.upper.as_deref(), Some(Path::new(r"/u:x\y")));
        assert_eq!(words.work.as_deref(), Some(Path::new("/w:z")));
    }

    #[test]
    fn what_is_escaped_for_mount2_comes_apart_again() {
        let path = OsStr::new(r"/a,b:c\d");
        let text = format!("lowerdir={}", escaped(path).to_str().unwrap());
        assert_eq!(words(&[&text]).lower, [Path::new(path)]);
    }
}

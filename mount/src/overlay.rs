//! Overlay filesystems of any number of layers.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use crate::at::magic_link;
use crate::context::STRING_MAX;
use crate::request::DATA_MAX;
use crate::{At, Attributes, Error, ErrorKind, FsContext, Mount, Result, sys};

/// The key of a layer that is added to others.
const LOWER: &str = "lowerdir+";
/// The key of a layer that only gives file contents.
const DATA: &str = "datadir+";
/// When they came.
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
    upper: Option<(At<'a>, At<'a>)>,
    options: Vec<(String, Option<OsString>)>,
    attributes: Attributes,
    read_only: bool,
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
            options: Vec::new(),
            attributes: Attributes::empty(),
            read_only: false,
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
        self.upper = Some((upper.into(), work.into()));
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

    /// Makes the filesystem read-only, not the mount alone.
    pub(crate) fn read_only(mut self, read_only: bool) -> Self {
        self.read_only = read_only;
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
        match self.mount_as(target.as_fd(), &what).map_err(|error| error.or_at(&at.name()))? {
            Some(mount) => mount.attach(target.as_fd()),
            None => Ok(()),
        }
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

    /// Makes it, or mounts it by mount(2) where the kernel takes no layer on its own.
    pub(crate) fn mount_as(&self, target: BorrowedFd<'_>, what: &str) -> Result<Option<Mount>> {
        match self.create_as(what) {
            Err(error) if error.kind() == ErrorKind::Unsupported || error.is_missing_call() => {
                let data = self.data_of_mount2(what)?;
                let read_only = if self.read_only { sys::ms::RDONLY } else { 0 };
                let flags = self.attributes.ms_flags_and_atime() | read_only;
                let link = magic_link(target);
                sys::mount(Some(&self.source), &link, Some("overlay".as_ref()), flags, Some(&data.text))
                    .map_err(|old| match old {
                        Errno::ENOSYS | Errno::EPERM => error,
                        old => Error::call(what, old),
                    })?;
                Ok(None)
            }
            result => result.map(Some),
        }
    }

    fn create_as(&self, what: &str) -> Result<Mount> {
        let refuse = |why: &str| Err(Error::new(ErrorKind::InvalidInput, what, why));
        if self.lower.is_empty() {
            return refuse("an overlay needs a layer below");
        }
        let mut context = FsContext::open_as("overlay", what.to_owned())?;
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
        if self.read_only {
            context.set_flag("ro")?;
        }
        context.create()?.mount(self.attributes)
    }

    fn layers(&self) -> impl Iterator<Item = (At<'a>, &'static str)> {
        let lower = self.lower.iter().map(|at| (*at, LOWER));
        let data = self.data.iter().map(|at| (*at, DATA));
        let upper = self.upper.iter().flat_map(|(upper, work)| [(*upper, "upperdir"), (*work, "workdir")]);
        lower.chain(data).chain(upper)
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
        if let Some((upper, work)) = self.upper {
            for (key, at) in [("upperdir=", upper), ("workdir=", work)] {
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
}

impl Words {
    /// Takes `lowerdir=/b:/a,upperdir=/u,workdir=/w` and the like apart.
    pub(crate) fn parse<'w>(parameters: impl Iterator<Item = (&'w str, Option<Cow<'w, OsStr>>)>) -> Self {
        let mut overlay = Words::default();
        for (key, value) in parameters {
            match (key, value) {
                ("lowerdir", Some(value)) => {
                    // What follows a double colon only gives data; an empty layer is the kernel's to refuse.
                    let (mut data, mut empty) = (false, false);
                    for layer in layers(&value) {
                        if layer.as_os_str().is_empty() && !empty {
                            (data, empty) = (true, true);
                        } else if data {
                            empty = false;
                            overlay.data.push(layer);
                        } else {
                            overlay.lower.push(layer);
                        }
                    }
                }
                (LOWER, Some(value)) => overlay.lower.push(value.into_owned().into()),
                (DATA, Some(value)) => overlay.data.push(value.into_owned().into()),
                ("upperdir", Some(value)) => overlay.upper = layers(&value).into_iter().next(),
                ("workdir", Some(value)) => overlay.work = layers(&value).into_iter().next(),
                (key, value) => overlay.others.push((key.to_owned(), value.map(Cow::into_owned))),
            }
        }
        overlay
    }

    pub(crate) fn overlay(&self) -> Overlay<'_> {
        let mut overlay = Overlay::new().lowers(&self.lower);
        overlay.data = self.data.iter().map(Into::into).collect();
        overlay.options.clone_from(&self.others);
        if let (Some(upper), Some(work)) = (&self.upper, &self.work) {
            overlay = overlay.upper(upper, work);
        }
        overlay
    }
}

/// Splits at colons, and undoes the escapes that keep a colon, a comma or a backslash in a path.
fn layers(value: &OsStr) -> Vec<PathBuf> {
    let mut layers = vec![Vec::new()];
    let mut bytes = value.as_bytes().iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b':' => layers.push(Vec::new()),
            byte => {
                let kept = if byte == b'\\' { bytes.next().unwrap_or(byte) } else { byte };
                layers.last_mut().expect("there is always one").push(kept);
            }
        }
    }
    layers.into_iter().map(|layer| PathBuf::from(OsString::from_vec(layer))).collect()
}

/// The options for mount(2), and the directories that they name by descriptor.
struct Data {
    text: OsString,
    _open: Vec<OwnedFd>,
}

/// Says whether the kernel takes layers one by one.
fn single_layers(context: &mut FsContext, what: &str) -> Result<()> {
    let missing = |errno: Errno| {
        let why = format!("this kernel takes no layer alone ({LOWER}, {SINCE})");
        Err(Error::new(ErrorKind::Unsupported, what, "").because(why, errno))
    };
    match context.set_flag(LOWER) {
        // Older kernels collect whatever they are given, and look at it when it's too late.
        Ok(_) => missing(Errno::EINVAL),
        Err(error) if error.to_string().contains("Unknown parameter") => missing(Errno::EINVAL),
        // A layer without a path.
        Err(_) => Ok(()),
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
        let overlay = words(&[r"lowerdir=/a:/b\:c\,d\\e::/data:/more", "metacopy=on", "volatile"]);
        assert_eq!(overlay.lower, [Path::new("/a"), Path::new(r"/b:c,d\e")]);
        assert_eq!(overlay.data, [Path::new("/data"), Path::new("/more")]);
        let options: Vec<_> =
            overlay.others.iter().map(|(key, value)| (key.as_str(), value.is_some())).collect();
        assert_eq!(options, [("metacopy", true), ("volatile", false)]);
    }

    #[test]
    fn what_is_escaped_for_mount2_comes_apart_again() {
        let path = OsStr::new(r"/a,b:c\d");
        let text = format!("lowerdir={}", escaped(path).to_str().unwrap());
        assert_eq!(words(&[&text]).lower, [Path::new(path)]);
    }
}

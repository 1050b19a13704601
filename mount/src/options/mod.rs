//! The option words of fstab and of container configurations.

mod data;
mod marks;
mod matter;
mod meaning;
mod merge;
mod question;
mod word;

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::PathBuf;

use self::marks::{Atime, Change, Marks};
use self::meaning::{Meaning, meaning};
use crate::sys::ms;
use crate::words::SUPERBLOCK;
use crate::{Attributes, Error, IdMap, Propagation, Result};

/// How a bind takes the mounts below its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bind {
    /// `bind`: leaves them out.
    Plain,
    /// `rbind`: takes them along.
    Recursive,
}

/// What `X-mount.idmap=` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdMapping {
    /// These ids: `X-mount.idmap=b:0:100000:65536`.
    Ids(IdMap),
    /// Those of a user namespace: `X-mount.idmap=/proc/1234/ns/user`.
    Namespace(PathBuf),
}

/// Mount options, sorted by who understands them.
///
/// One string such as `bind,ro,size=10k` speaks to four parties: the mount (`ro`, `nosuid`), the filesystem's
/// superblock (`sync`), the filesystem itself (`size=10k`) and tools in userspace (`nofail`, `x-*`). The
/// words are those of [`mount(8)`] and of the [OCI runtime specification]. What is no known word goes to the
/// filesystem.
///
/// - *The last word holds*, as for mount(8): `ro,rw` is `rw`. Words between which no order can decide are
///   refused: `shared,private`, `move,bind`.
/// - *`user` and `users`* also mean `nosuid,nodev,noexec`, `owner` and `group` mean `nosuid,nodev`, unless
///   later words give that back.
/// - *Commas.* One between double quotes or after a backslash separates nothing: `context="a,b"` is one word,
///   and so is `lowerdir=/a\,b`. Two quotes between quotes stand for one that belongs to the value.
/// - *Bytes.* Names are UTF-8, values may be any bytes but NUL.
///
/// ```
/// let options = mount::Options::parse("bind,ro,size=10k,nofail")?;
/// assert_eq!(options.bind(), Some(mount::Bind::Plain));
/// assert_eq!(options.data(), ["size=10k"]);
/// assert_eq!(options.userspace(), ["nofail"]);
/// assert_eq!(options.to_string(), "bind,ro,size=10k,nofail");
/// # Ok::<(), mount::Error>(())
/// ```
///
/// [`mount(8)`]: https://man7.org/linux/man-pages/man8/mount.8.html
/// [OCI runtime specification]: https://github.com/opencontainers/runtime-spec/blob/main/config.md#linux-mount-options
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Options {
    words: Vec<OsString>,
    /// The words with commas between.
    text: OsString,
    attributes: Marks,
    recursive: Marks,
    superblock: Marks, // MS_* bits
    bind: Option<Bind>,
    remount: bool,
    moves: bool,
    propagation: Vec<Propagation>,
    data: Vec<OsString>,
    userspace: Vec<OsString>,
    tmpcopyup: bool,
    idmap: bool,
    ridmap: bool,
}

impl Options {
    /// Reads options in the form of fstab: words between commas.
    ///
    /// ```
    /// use mount::Options;
    /// let options = Options::parse(r#"nosuid,context="u:r:t:s0:c1,c2",size=1m"#)?;
    /// assert_eq!(options.data(), [r#"context="u:r:t:s0:c1,c2""#, "size=1m"]);
    /// let why = Options::parse("bind,shared,private").unwrap_err().to_string();
    /// assert!(why.ends_with(r#""shared" and "private" contradict each other"#));
    /// # Ok::<(), mount::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) for a quote that isn't closed, words that contradict
    /// each other (`shared,private`), an unknown value (`ro=often`), a NUL byte, a blank before or after a name
    /// (`bind, ro`).
    #[doc(alias = "parseOptions")]
    #[doc(alias = "ParseTmpfsOptions")]
    pub fn parse(text: impl AsRef<OsStr>) -> Result<Self> {
        let text = text.as_ref();
        let words = word::split(text).ok_or_else(|| refused(text, "a quote is not closed"))?;
        Self::from_words(words)
    }

    /// Takes options that are already apart, as in a container's configuration.
    ///
    /// They are not split again: a comma belongs to its value. In [`data`](Self::data) and in print such a
    /// value stands between quotes.
    ///
    /// ```
    /// let options = mount::Options::from_words(["ro", "lowerdir=/a,b"])?;
    /// assert_eq!(options.to_string(), r#"ro,lowerdir="/a,b""#);
    /// # Ok::<(), mount::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse).
    pub fn from_words(words: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Result<Self> {
        let mut options = Options::default();
        for word in words {
            options.add(word.as_ref()).map_err(|why| refused(word.as_ref(), why))?;
        }
        options.text = options.words.join(OsStr::new(","));
        options.check().map_err(|why| refused(&options.text, why))?;
        Ok(options)
    }

    /// Returns the `MS_*` bits for [`mount(2)`].
    ///
    /// Propagation is not among them: mount(2) takes it in a call of its own. Nor are the words that hold for
    /// a whole tree (`rro`), which mount(2) can't say.
    ///
    /// [`mount(2)`]: https://man7.org/linux/man-pages/man2/mount.2.html
    pub fn flags(&self) -> u64 {
        let attributes = Attributes::from_bits_retain(self.attributes.set);
        // On a bind, MS_RDONLY is the mount's; elsewhere it is the superblock's.
        let read_only = match self.bind {
            Some(_) => (attributes & Attributes::RDONLY).ms_flags(),
            None => self.superblock.set & ms::RDONLY,
        };
        let mut flags =
            read_only | self.superblock.set & !ms::RDONLY | (attributes - Attributes::RDONLY).ms_flags();
        flags |= match self.attributes.atime {
            None | Some(Atime::Default) => 0,
            Some(Atime::Chosen(choice)) => choice.ms,
        };
        flags |= match self.bind {
            None => 0,
            Some(Bind::Plain) => ms::BIND,
            Some(Bind::Recursive) => ms::BIND | ms::REC,
        };
        flags |= if self.remount { ms::REMOUNT } else { 0 };
        flags | if self.moves { ms::MOVE } else { 0 }
    }

    /// Returns the attributes to set on the mount, for [`mount_setattr(2)`] and fsmount(2).
    ///
    /// [`mount_setattr(2)`]: https://man7.org/linux/man-pages/man2/mount_setattr.2.html
    pub fn attr_set(&self) -> Attributes {
        self.attributes.attr_set()
    }

    /// Returns the attributes to clear on the mount.
    ///
    /// The way of keeping access times is a field, not a bit: choosing one puts all of
    /// [`ATIME`](Attributes::ATIME) here.
    pub fn attr_clear(&self) -> Attributes {
        self.attributes.attr_clear()
    }

    /// Returns the attributes to set on the mount and on every mount below: `rro`, `ro=recursive`.
    pub fn recursive_set(&self) -> Attributes {
        self.recursive.attr_set()
    }

    /// Returns the attributes to clear on the mount and on every mount below: `rrw`, `rsuid`.
    pub fn recursive_clear(&self) -> Attributes {
        self.recursive.attr_clear()
    }

    /// Returns the words for the superblock, as `FSCONFIG_SET_FLAG` of [`fsconfig(2)`] takes them: `ro`,
    /// `sync`.
    ///
    /// `iversion` and `silent` have no name there, and are in [`flags`](Self::flags) alone.
    ///
    /// [`fsconfig(2)`]: https://man7.org/linux/man-pages/man2/fsconfig.2.html
    pub fn superblock_flags(&self) -> Vec<&'static str> {
        let mut names = Vec::new();
        for (set, clear, bit) in SUPERBLOCK {
            if self.superblock.set & bit != 0 {
                names.push(*set);
            } else if self.superblock.clear & bit != 0 {
                names.push(*clear);
            }
        }
        names
    }

    /// Returns how the source is bound, or `None` for a filesystem that is mounted anew.
    pub fn bind(&self) -> Option<Bind> {
        self.bind
    }

    /// Says whether an existing mount is to be changed.
    pub fn remount(&self) -> bool {
        self.remount
    }

    /// Says whether an existing mount is to be moved from the source.
    pub fn is_move(&self) -> bool {
        self.moves
    }

    /// Returns the changes of propagation, to be made one after another once the mount is there.
    pub fn propagation(&self) -> &[Propagation] {
        &self.propagation
    }

    /// Returns the words for tools in userspace (`nofail`, `_netdev`, `x-*`), which no kernel understands.
    pub fn userspace(&self) -> &[OsString] {
        &self.userspace
    }

    /// Returns what `X-mount.idmap=` asks for, if it is there.
    ///
    /// ```
    /// use mount::{IdMapping, Options};
    /// let options = Options::parse("bind,X-mount.idmap=b:0:100000:65536")?;
    /// let Some(IdMapping::Ids(map)) = options.id_mapping()? else { panic!() };
    /// assert_eq!(map.uids()[0].outside, 100_000);
    /// # Ok::<(), mount::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) for a value that is neither a map nor an absolute path.
    pub fn id_mapping(&self) -> Result<Option<IdMapping>> {
        let Some(value) = self.value("X-mount.idmap") else { return Ok(None) };
        // As mount(8): a path begins with "/", and all else is ranges.
        let mapping = match value.to_str().map(str::trim_start) {
            Some(text) if !text.starts_with('/') => IdMapping::Ids(text.parse()?),
            Some(path) => IdMapping::Namespace(path.into()),
            None => IdMapping::Namespace(value.into_owned().into()),
        };
        Ok(Some(mapping))
    }

    /// Says whether a new tmpfs is to start with what its mount point holds: a word of container runtimes.
    pub fn tmpcopyup(&self) -> bool {
        self.tmpcopyup
    }

    /// Says whether the mount's ids are to be mapped: a word of container runtimes.
    pub fn idmap(&self) -> bool {
        self.idmap
    }

    /// Says whether the ids of the mount and of every mount below are to be mapped.
    pub fn ridmap(&self) -> bool {
        self.ridmap
    }

    /// Returns the words in one string, from which [`parse`](Self::parse) makes the same options.
    ///
    /// `Display` prints the same, but for bytes that are no UTF-8.
    pub fn to_os_string(&self) -> OsString {
        self.text.clone()
    }

    /// Returns the superblock's bits to set and to clear, as mount(2) has them.
    pub(crate) fn superblock(&self) -> (u64, u64) {
        (self.superblock.set, self.superblock.clear)
    }

    fn add(&mut self, word: &OsStr) -> std::result::Result<(), String> {
        if word.as_encoded_bytes().contains(&0) {
            return Err("it holds a NUL byte".to_owned());
        }
        if word.is_empty() {
            return Ok(());
        }
        let word = word::protect(word)?.into_owned();
        match meaning(&word)? {
            Meaning::Nothing => {}
            Meaning::Mount(change) => drop(self.attributes.apply(change)),
            Meaning::Tree(change) => drop(self.recursive.apply(change)),
            Meaning::Filesystem(change) => drop(self.superblock.apply(change)),
            Meaning::Both(change, filesystem) => {
                self.attributes.apply(change);
                self.superblock.apply(filesystem);
            }
            Meaning::Bind(Bind::Plain) => self.bind = self.bind.or(Some(Bind::Plain)),
            Meaning::Bind(Bind::Recursive) => self.bind = Some(Bind::Recursive),
            Meaning::Remount => self.remount = true,
            Meaning::Move => self.moves = true,
            Meaning::Propagation(propagation) => self.propagation.push(propagation),
            Meaning::Userspace(taken) => {
                self.attributes.apply(Change::Set(taken.bits()));
                self.userspace.push(word.clone());
            }
            Meaning::Tmpcopyup => self.tmpcopyup = true,
            Meaning::Idmap => self.idmap = true,
            Meaning::Ridmap => self.ridmap = true,
            Meaning::Data => self.data.push(word.clone()),
        }
        self.words.push(word);
        Ok(())
    }

    /// Finds words between which no order can decide.
    fn check(&self) -> std::result::Result<(), String> {
        let contradiction = |a: &dyn fmt::Display, b: &dyn fmt::Display| {
            Err(format!("\"{a}\" and \"{b}\" contradict each other"))
        };
        for (earlier, later) in self.propagation.iter().zip(self.propagation.iter().skip(1)) {
            if !later.may_follow(*earlier) {
                return contradiction(earlier, later);
            }
        }
        let bind = self.bind.map(|bind| if bind == Bind::Plain { "bind" } else { "rbind" });
        let remount = self.remount.then_some("remount");
        let moves = self.moves.then_some("move");
        let map = if self.ridmap { Some("ridmap") } else { self.idmap.then_some("idmap") };
        let copy_up = self.tmpcopyup.then_some("tmpcopyup");
        for pair in [
            (moves, remount),
            (moves, bind),
            // What is attached can't be mapped any more (mount_setattr(2)).
            (map, remount),
            (map, moves),
            // It fills a tmpfs that is new.
            (copy_up, bind),
            (copy_up, remount),
            (copy_up, moves),
        ] {
            if let (Some(a), Some(b)) = pair {
                return contradiction(&a, &b);
            }
        }
        Ok(())
    }
}

impl fmt::Display for Options {
    /// Prints the words as they were given.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.display().fmt(f)
    }
}

/// The words, between quotes and with everything escaped that would disturb a terminal.
impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Options({:?})", self.text)
    }
}

/// The words as [`parse`](Options::parse) reads them: options can be given wherever their text is taken.
///
/// ```no_run
/// let options = mount::Options::parse("ro,size=10k")?;
/// mount::mount("none", "/mnt", "tmpfs", &options)?;
/// # Ok::<(), mount::Error>(())
/// ```
impl AsRef<OsStr> for Options {
    fn as_ref(&self) -> &OsStr {
        &self.text
    }
}

impl std::str::FromStr for Options {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text)
    }
}

/// Makes the error of options, of which the beginning tells which they are: an overlay's may have 100 kB.
fn refused(text: &OsStr, why: impl fmt::Display) -> Error {
    let text = text.to_string_lossy();
    match text.char_indices().nth(200) {
        Some((end, _)) => Error::options(&format!("{}...", &text[..end]), why),
        None => Error::options(&text, why),
    }
}

#[cfg(test)]
mod tests;

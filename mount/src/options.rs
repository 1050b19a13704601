//! The option words of fstab and of container configurations.

use std::fmt;

use crate::sys::ms;
use crate::{Attributes, Error, Propagation, Result};

/// The flags of a superblock that fsconfig(2) knows by name: set, cleared, and the bit for mount(2).
const SUPERBLOCK: [(&str, &str, u64); 5] = [
    ("ro", "rw", ms::RDONLY),
    ("sync", "async", ms::SYNCHRONOUS),
    ("dirsync", "", ms::DIRSYNC),
    ("mand", "nomand", ms::MANDLOCK),
    ("lazytime", "nolazytime", ms::LAZYTIME),
];

/// How a bind takes the mounts below its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bind {
    /// `bind`: leaves them out.
    Plain,
    /// `rbind`: takes them along.
    Recursive,
}

/// Mount options, sorted by who understands them.
///
/// One string such as `bind,ro,size=10k` speaks to four parties: the mount (`ro`, `nosuid`), the filesystem's
/// superblock (`sync`), the filesystem itself (`size=10k`) and tools in userspace (`nofail`, `x-*`). The
/// words are those of [`mount(8)`] and of the [OCI runtime specification]; where two contradict each other,
/// the last one holds. What is no known word goes to the filesystem.
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
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    words: Vec<String>,
    attributes: Marks,
    recursive: Marks,
    superblock: Marks, // MS_* bits
    bind: Option<Bind>,
    remount: bool,
    moves: bool,
    propagation: Vec<Propagation>,
    data: Vec<String>,
    userspace: Vec<String>,
    tmpcopyup: bool,
    idmap: bool,
    ridmap: bool,
}

/// Bits to set and bits to clear; no bit is in both, but those of the atime field.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Marks {
    set: u64,
    clear: u64,
    atime: Option<Atime>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Atime {
    /// What the kernel does unasked, which is relatime.
    Default,
    Relatime,
    Noatime,
    Strictatime,
}

/// What a word says about the attributes of a mount.
#[derive(Clone, Copy)]
enum Change {
    Set(u64),
    Clear(u64),
    Atime(Atime),
    NotAtime(Atime),
}

impl Marks {
    fn apply(&mut self, change: Change) {
        match change {
            Change::Set(bits) => {
                self.set |= bits;
                self.clear &= !bits;
            }
            Change::Clear(bits) => {
                self.clear |= bits;
                self.set &= !bits;
            }
            Change::Atime(choice) => self.atime = Some(choice),
            // "noatime,norelatime" is still noatime.
            Change::NotAtime(choice) if self.atime.is_none_or(|chosen| chosen == choice) => {
                self.atime = Some(Atime::Default);
            }
            Change::NotAtime(_) => {}
        }
    }

    fn attr_set(self) -> u64 {
        let atime = match self.atime {
            None | Some(Atime::Default | Atime::Relatime) => 0, // relatime
            Some(Atime::Noatime) => Attributes::NOATIME.bits(),
            Some(Atime::Strictatime) => Attributes::STRICTATIME.bits(),
        };
        self.set | atime
    }

    fn attr_clear(self) -> u64 {
        self.clear | if self.atime.is_some() { Attributes::ATIME.bits() } else { 0 }
    }
}

/// Returns the `MS_*` bits of attributes, as [`Attributes::ms_flags`] does.
fn ms_flags(bits: u64) -> u64 {
    Attributes::from_bits_retain(bits).ms_flags()
}

impl Options {
    /// Reads options in the form of fstab: words between commas.
    ///
    /// Commas between double quotes, or after a backslash, separate nothing: `context="a,b"` is one word.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) for a quote that isn't closed, words that contradict
    /// each other (`shared,private`), an unknown value (`ro=often`), a NUL byte.
    #[doc(alias = "parseOptions")]
    pub fn parse(text: &str) -> Result<Self> {
        let words = split(text).ok_or_else(|| Error::options(text, "a quote is not closed"))?;
        Self::from_words(words)
    }

    /// Takes options that are already apart, as in a container's configuration.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse).
    pub fn from_words(words: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Self> {
        let mut options = Options::default();
        for word in words {
            options.add(word.as_ref()).map_err(|why| Error::options(word.as_ref(), why))?;
        }
        options.check().map_err(|why| Error::options(&options.to_string(), why))?;
        Ok(options)
    }

    /// Returns the `MS_*` bits for [`mount(2)`].
    ///
    /// Propagation is not among them: mount(2) takes it in a call of its own. Nor are the words that hold for
    /// a whole tree (`rro`), which mount(2) can't say.
    ///
    /// [`mount(2)`]: https://man7.org/linux/man-pages/man2/mount.2.html
    pub fn flags(&self) -> u64 {
        // On a bind, MS_RDONLY is the mount's; elsewhere it is the superblock's.
        let read_only = match self.bind {
            Some(_) => ms_flags(self.attributes.set & Attributes::RDONLY.bits()),
            None => self.superblock.set & ms::RDONLY,
        };
        let mut flags = read_only
            | self.superblock.set & !ms::RDONLY
            | ms_flags(self.attributes.set & !Attributes::RDONLY.bits());
        flags |= match self.attributes.atime {
            None | Some(Atime::Default) => 0,
            Some(Atime::Relatime) => ms::RELATIME,
            Some(Atime::Noatime) => ms::NOATIME,
            Some(Atime::Strictatime) => ms::STRICTATIME,
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
        Attributes::from_bits_retain(self.attributes.attr_set())
    }

    /// Returns the attributes to clear on the mount.
    ///
    /// The way of keeping access times is a field, not a bit: choosing one puts all of
    /// [`ATIME`](Attributes::ATIME) here.
    pub fn attr_clear(&self) -> Attributes {
        Attributes::from_bits_retain(self.attributes.attr_clear())
    }

    /// Returns the attributes to set on the mount and on every mount below: `rro`, `ro=recursive`.
    pub fn recursive_set(&self) -> Attributes {
        Attributes::from_bits_retain(self.recursive.attr_set())
    }

    /// Returns the attributes to clear on the mount and on every mount below: `rrw`, `rsuid`.
    pub fn recursive_clear(&self) -> Attributes {
        Attributes::from_bits_retain(self.recursive.attr_clear())
    }

    /// Returns the words for the superblock, as `FSCONFIG_SET_FLAG` of [`fsconfig(2)`] takes them: `ro`,
    /// `sync`.
    ///
    /// [`fsconfig(2)`]: https://man7.org/linux/man-pages/man2/fsconfig.2.html
    pub fn superblock_flags(&self) -> Vec<&'static str> {
        let mut names = Vec::new();
        for (set, clear, bit) in SUPERBLOCK {
            if self.superblock.set & bit != 0 {
                names.push(set);
            } else if self.superblock.clear & bit != 0 {
                names.push(clear);
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

    /// Returns the words for the filesystem, in their order and as they were written.
    pub fn data(&self) -> &[String] {
        &self.data
    }

    /// Returns the words for tools in userspace (`nofail`, `_netdev`, `x-*`), which no kernel understands.
    pub fn userspace(&self) -> &[String] {
        &self.userspace
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

    /// Returns the superblock's bits to set and to clear, as mount(2) has them.
    pub(crate) fn superblock(&self) -> (u64, u64) {
        (self.superblock.set, self.superblock.clear)
    }

    fn add(&mut self, word: &str) -> std::result::Result<(), String> {
        if word.contains('\0') {
            return Err("it holds a NUL byte".to_owned());
        }
        if word.is_empty() {
            return Ok(());
        }
        self.words.push(word.to_owned());
        if let Some(propagation) = Propagation::from_word(word) {
            self.propagation.push(propagation);
            return Ok(());
        }
        if is_userspace(word) {
            self.userspace.push(word.to_owned());
            return Ok(());
        }
        let (name, value) = word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value)));
        if let Some(change) = attribute(name) {
            return self.add_attribute(name, value, change);
        }
        if value.is_none()
            && let Some(change) = name.strip_prefix('r').and_then(attribute)
        {
            self.recursive.apply(change);
            return Ok(());
        }
        match word {
            "defaults" => {}
            "sync" => self.superblock.apply(Change::Set(ms::SYNCHRONOUS)),
            "async" => self.superblock.apply(Change::Clear(ms::SYNCHRONOUS)),
            "dirsync" => self.superblock.apply(Change::Set(ms::DIRSYNC)),
            "mand" => self.superblock.apply(Change::Set(ms::MANDLOCK)),
            "nomand" => self.superblock.apply(Change::Clear(ms::MANDLOCK)),
            "lazytime" => self.superblock.apply(Change::Set(ms::LAZYTIME)),
            "nolazytime" => self.superblock.apply(Change::Clear(ms::LAZYTIME)),
            "iversion" => self.superblock.apply(Change::Set(ms::I_VERSION)),
            "noiversion" => self.superblock.apply(Change::Clear(ms::I_VERSION)),
            "silent" => self.superblock.apply(Change::Set(ms::SILENT)),
            "loud" => self.superblock.apply(Change::Clear(ms::SILENT)),
            "bind" => self.bind = self.bind.or(Some(Bind::Plain)),
            "rbind" => self.bind = Some(Bind::Recursive),
            "remount" => self.remount = true,
            "move" => self.moves = true,
            "tmpcopyup" => self.tmpcopyup = true,
            "idmap" => self.idmap = true,
            "ridmap" => self.ridmap = true,
            _ => self.data.push(word.to_owned()),
        }
        Ok(())
    }

    /// Adds `ro`, or `ro=recursive`, `ro=vfs` and `ro=fs` as util-linux 2.39 has them.
    fn add_attribute(
        &mut self,
        name: &str,
        value: Option<&str>,
        change: Change,
    ) -> std::result::Result<(), String> {
        let superblock = match name {
            "ro" => Some(Change::Set(ms::RDONLY)),
            "rw" => Some(Change::Clear(ms::RDONLY)),
            _ => None,
        };
        match (value, superblock) {
            (None, Some(superblock)) => {
                self.attributes.apply(change);
                self.superblock.apply(superblock);
            }
            (Some("fs"), Some(superblock)) => self.superblock.apply(superblock),
            (None | Some("vfs"), _) => self.attributes.apply(change),
            (Some("recursive"), _) => self.recursive.apply(change),
            (Some(value), _) => return Err(format!("{name:?} can't be {value:?}")),
        }
        Ok(())
    }

    fn check(&self) -> std::result::Result<(), String> {
        for pair in self.propagation.windows(2) {
            if !pair[1].may_follow(pair[0]) {
                return Err(contradiction(pair[0], pair[1]));
            }
        }
        if self.moves && self.remount {
            return Err(contradiction("move", "remount"));
        }
        if self.moves && self.bind.is_some() {
            return Err(contradiction("move", "bind"));
        }
        Ok(())
    }
}

impl fmt::Display for Options {
    /// Prints the words as they were given.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words.join(","))
    }
}

impl std::str::FromStr for Options {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text)
    }
}

fn contradiction(a: impl fmt::Display, b: impl fmt::Display) -> String {
    format!("\"{a}\" and \"{b}\" contradict each other")
}

fn attribute(word: &str) -> Option<Change> {
    Some(match word {
        "ro" => Change::Set(Attributes::RDONLY.bits()),
        "rw" => Change::Clear(Attributes::RDONLY.bits()),
        "nosuid" => Change::Set(Attributes::NOSUID.bits()),
        "suid" => Change::Clear(Attributes::NOSUID.bits()),
        "nodev" => Change::Set(Attributes::NODEV.bits()),
        "dev" => Change::Clear(Attributes::NODEV.bits()),
        "noexec" => Change::Set(Attributes::NOEXEC.bits()),
        "exec" => Change::Clear(Attributes::NOEXEC.bits()),
        "nodiratime" => Change::Set(Attributes::NODIRATIME.bits()),
        "diratime" => Change::Clear(Attributes::NODIRATIME.bits()),
        "nosymfollow" => Change::Set(Attributes::NOSYMFOLLOW.bits()),
        "symfollow" => Change::Clear(Attributes::NOSYMFOLLOW.bits()),
        "noatime" => Change::Atime(Atime::Noatime),
        "atime" => Change::NotAtime(Atime::Noatime),
        "relatime" => Change::Atime(Atime::Relatime),
        "norelatime" => Change::NotAtime(Atime::Relatime),
        "strictatime" => Change::Atime(Atime::Strictatime),
        "nostrictatime" => Change::NotAtime(Atime::Strictatime),
        _ => return None,
    })
}

fn is_userspace(word: &str) -> bool {
    const WORDS: [&str; 13] = [
        "auto", "noauto", "nofail", "_netdev", "user", "nouser", "users", "nousers", "owner", "noowner",
        "group", "nogroup", "loop",
    ];
    const PREFIXES: [&str; 8] =
        ["x-", "X-", "comment=", "loop=", "offset=", "sizelimit=", "uhelper=", "helper="];
    WORDS.contains(&word) || PREFIXES.iter().any(|prefix| word.starts_with(prefix))
}

/// Splits at commas that are neither between quotes nor after a backslash.
fn split(text: &str) -> Option<Vec<&str>> {
    let mut words = Vec::new();
    let (mut start, mut quoted, mut escaped) = (0, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b',' if !quoted && !escaped => {
                words.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
        escaped = byte == b'\\' && !escaped;
    }
    words.push(&text[start..]);
    (!quoted).then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    fn parse(text: &str) -> Options {
        Options::parse(text).unwrap()
    }

    #[test]
    fn the_words_of_2014_are_sorted() {
        let options = parse("bind,ro,size=10k");
        assert_eq!(options.flags(), ms::BIND | ms::RDONLY);
        assert_eq!(options.data(), ["size=10k"]);
        assert_eq!(options.to_string(), "bind,ro,size=10k");
    }

    #[test]
    fn each_word_has_its_bits() {
        for (word, flags, set, clear) in [
            ("ro", ms::RDONLY, Attributes::RDONLY.bits(), 0),
            ("rw", 0, 0, Attributes::RDONLY.bits()),
            ("nosuid", ms::NOSUID, Attributes::NOSUID.bits(), 0),
            ("suid", 0, 0, Attributes::NOSUID.bits()),
            ("nodev", ms::NODEV, Attributes::NODEV.bits(), 0),
            ("dev", 0, 0, Attributes::NODEV.bits()),
            ("noexec", ms::NOEXEC, Attributes::NOEXEC.bits(), 0),
            ("exec", 0, 0, Attributes::NOEXEC.bits()),
            ("nodiratime", ms::NODIRATIME, Attributes::NODIRATIME.bits(), 0),
            ("diratime", 0, 0, Attributes::NODIRATIME.bits()),
            ("nosymfollow", ms::NOSYMFOLLOW, Attributes::NOSYMFOLLOW.bits(), 0),
            ("symfollow", 0, 0, Attributes::NOSYMFOLLOW.bits()),
            ("noatime", ms::NOATIME, Attributes::NOATIME.bits(), Attributes::ATIME.bits()),
            ("relatime", ms::RELATIME, 0, Attributes::ATIME.bits()),
            ("strictatime", ms::STRICTATIME, Attributes::STRICTATIME.bits(), Attributes::ATIME.bits()),
            ("atime", 0, 0, Attributes::ATIME.bits()),
            ("norelatime", 0, 0, Attributes::ATIME.bits()),
            ("nostrictatime", 0, 0, Attributes::ATIME.bits()),
            ("sync", ms::SYNCHRONOUS, 0, 0),
            ("async", 0, 0, 0),
            ("dirsync", ms::DIRSYNC, 0, 0),
            ("mand", ms::MANDLOCK, 0, 0),
            ("nomand", 0, 0, 0),
            ("lazytime", ms::LAZYTIME, 0, 0),
            ("nolazytime", 0, 0, 0),
            ("iversion", ms::I_VERSION, 0, 0),
            ("noiversion", 0, 0, 0),
            ("silent", ms::SILENT, 0, 0),
            ("loud", 0, 0, 0),
            ("bind", ms::BIND, 0, 0),
            ("rbind", ms::BIND | ms::REC, 0, 0),
            ("remount", ms::REMOUNT, 0, 0),
            ("move", ms::MOVE, 0, 0),
            ("defaults", 0, 0, 0),
        ] {
            let options = parse(word);
            assert_eq!(
                (options.flags(), options.attr_set().bits(), options.attr_clear().bits()),
                (flags, set, clear),
                "{word}"
            );
            assert!(options.recursive_set().is_empty() && options.recursive_clear().is_empty(), "{word}");
            assert!(options.data().is_empty() && options.userspace().is_empty(), "{word}");
        }
    }

    #[test]
    fn the_words_of_container_runtimes_hold_for_the_tree() {
        for (word, set, clear) in [
            ("rro", Attributes::RDONLY.bits(), 0),
            ("ro=recursive", Attributes::RDONLY.bits(), 0),
            ("rrw", 0, Attributes::RDONLY.bits()),
            ("rnosuid", Attributes::NOSUID.bits(), 0),
            ("rsuid", 0, Attributes::NOSUID.bits()),
            ("rnodev", Attributes::NODEV.bits(), 0),
            ("rdev", 0, Attributes::NODEV.bits()),
            ("rnoexec", Attributes::NOEXEC.bits(), 0),
            ("rexec", 0, Attributes::NOEXEC.bits()),
            ("rnodiratime", Attributes::NODIRATIME.bits(), 0),
            ("rdiratime", 0, Attributes::NODIRATIME.bits()),
            ("rrelatime", 0, Attributes::ATIME.bits()),
            ("rnorelatime", 0, Attributes::ATIME.bits()),
            ("rnoatime", Attributes::NOATIME.bits(), Attributes::ATIME.bits()),
            ("ratime", 0, Attributes::ATIME.bits()),
            ("rstrictatime", Attributes::STRICTATIME.bits(), Attributes::ATIME.bits()),
            ("rnostrictatime", 0, Attributes::ATIME.bits()),
            ("rnosymfollow", Attributes::NOSYMFOLLOW.bits(), 0),
            ("rsymfollow", 0, Attributes::NOSYMFOLLOW.bits()),
            ("nosuid=recursive", Attributes::NOSUID.bits(), 0),
        ] {
            let options = parse(word);
            assert_eq!((options.recursive_set().bits(), options.recursive_clear().bits()), (set, clear), "{word}");
            assert!(options.attr_set().is_empty() && options.attr_clear().is_empty(), "{word}");
            assert_eq!(options.flags(), 0, "{word}");
        }
        assert!(parse("tmpcopyup").tmpcopyup() && parse("idmap").idmap() && parse("ridmap").ridmap());
    }

    #[test]
    fn read_only_may_be_the_mount_or_the_filesystem() {
        let (mount, filesystem, both) = (parse("ro=vfs"), parse("ro=fs"), parse("ro"));
        assert_eq!((mount.attr_set(), mount.superblock_flags()), (Attributes::RDONLY, vec![]));
        assert_eq!((filesystem.attr_set(), filesystem.superblock_flags()), (Attributes::empty(), vec!["ro"]));
        assert_eq!((both.attr_set(), both.superblock_flags()), (Attributes::RDONLY, vec!["ro"]));
        assert_eq!((mount.flags(), filesystem.flags()), (0, ms::RDONLY));
        assert_eq!(parse("rw,sync,nolazytime,silent").superblock_flags(), ["rw", "sync", "nolazytime"]);
    }

    #[test]
    fn the_last_word_holds() {
        assert_eq!(parse("ro,rw").attr_set(), Attributes::empty());
        assert_eq!(parse("rw,ro").attr_clear(), Attributes::empty());
        assert_eq!(parse("noatime,strictatime").attr_set(), Attributes::STRICTATIME);
        assert_eq!(parse("noatime,norelatime").attr_set(), Attributes::NOATIME);
        assert_eq!(parse("noatime,atime").attr_set(), Attributes::empty());
        assert_eq!(parse("rbind,bind").bind(), Some(Bind::Recursive));
        assert_eq!(parse("sync,async").flags(), 0);
    }

    #[test]
    fn words_for_userspace_are_kept_from_the_filesystem() {
        // The kernel answers EINVAL to them.
        let text = "auto,noauto,nofail,_netdev,user,nouser,users,owner,group,comment=a b,x-systemd.automount,\
                    X-mount.mkdir=0755,loop,loop=/dev/loop0,offset=4096,sizelimit=1,uhelper=x,helper=y";
        let options = parse(text);
        assert_eq!(options.userspace().join(","), text);
        assert!(options.data().is_empty());
        // cifs and 9p have options of these names.
        assert_eq!(parse("user=jane,group_id=4").data(), ["user=jane", "group_id=4"]);
    }

    #[test]
    fn commas_between_quotes_or_escaped_separate_nothing() {
        // An SELinux label has commas: `context="system_u:object_r:tmp_t:s0:c127,c456"`.
        let options = parse(r#"nosuid,context="u:r:t:s0:c1,c2",lowerdir=/a\,b:/c\\,ro"#);
        assert_eq!(options.data(), [r#"context="u:r:t:s0:c1,c2""#, r"lowerdir=/a\,b:/c\\"]);
        assert_eq!(options.attr_set(), Attributes::NOSUID | Attributes::RDONLY);
        assert_eq!(parse(&options.to_string()), options);
        assert!(
            Options::parse(r#"context="u:r"#).unwrap_err().to_string().ends_with("a quote is not closed")
        );
    }

    #[test]
    fn words_that_are_apart_are_not_split_again() {
        let options = Options::from_words(["bind", "lowerdir=/a,b"]).unwrap();
        assert_eq!(options.data(), ["lowerdir=/a,b"]);
        assert_eq!(options.bind(), Some(Bind::Plain));
    }

    #[test]
    fn propagation_that_contradicts_itself_is_refused_with_both_words() {
        // The kernel would answer EINVAL, without a word of why.
        for (text, a, b) in [
            ("shared,private", "shared", "private"),
            ("bind,rslave,ro,unbindable", "rslave", "unbindable"),
            ("shared,slave", "shared", "slave"),
        ] {
            let error = Options::parse(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(
                error.to_string().ends_with(&format!("\"{a}\" and \"{b}\" contradict each other")),
                "{error}"
            );
        }
        assert_eq!(parse("slave,shared").propagation(), [Propagation::Slave, Propagation::Shared]);
        assert_eq!(parse("private,rprivate").propagation(), [Propagation::Private, Propagation::Rprivate]);
        for word in
            ["shared", "rshared", "slave", "rslave", "private", "rprivate", "unbindable", "runbindable"]
        {
            let options = parse(word);
            assert_eq!(options.propagation()[0].to_string(), word);
            assert_eq!(options.propagation()[0].is_recursive(), word.starts_with('r'));
            assert_eq!(options.flags(), 0);
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["ro=often", "nosuid=fs", "ro=", "move,bind", "move,remount", "size=1\0k"] {
            assert_eq!(Options::parse(text).unwrap_err().kind(), ErrorKind::InvalidInput, "{text}");
        }
    }

    #[test]
    fn nothing_is_no_option() {
        for text in ["", ",", ",,ro,"] {
            assert!(parse(text).data().is_empty());
        }
        assert_eq!(parse(",,ro,").to_string(), "ro");
    }
}

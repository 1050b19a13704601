//! One mount, as its line in the table says it.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::hash::{Hash, Hasher};
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::{fmt, iter};

use super::escape::{path, text, unescape};
use super::line::{Line, number};
use crate::MountInfo;

/// One line of a mount table, which borrows the table's bytes.
///
/// Nothing is copied until it is asked for, and then only where the kernel had to escape something: a blank
/// in a mount point is `\040` in the table. [`MountInfo`] owns the same.
///
/// Two entries are equal if the kernel's text is.
///
/// ```
/// let line = br"36 35 98:0 / /my\040disk rw,nosuid shared:7 - fuse.sshfs me@there: rw,user_id=0";
/// let mount = mount::parse(line).next().unwrap()?;
/// assert_eq!(mount.id(), 36);
/// assert_eq!(mount.mount_point().to_str(), Some("/my disk"));
/// assert!(mount.has_option("nosuid"));
/// assert_eq!(mount.shared(), Some(7));
/// assert!(mount.is_type("fuse.sshfs"));
/// # Ok::<(), mount::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct Entry<'a> {
    text: &'a [u8],
    line: Line,
}

impl<'a> Entry<'a> {
    pub(super) fn new(table: &'a [u8], line: Line) -> Self {
        Entry { text: &table[line.start..line.start + line.end as usize], line }
    }

    /// Returns the line as the kernel wrote it, without its end.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.text
    }

    /// Returns the mount's id, which the kernel may give to another mount once this one is gone.
    pub fn id(&self) -> u64 {
        self.line.id
    }

    /// Returns the id of the mount that this one lies on; its own id at the top of the namespace.
    pub fn parent(&self) -> u64 {
        self.line.parent
    }

    /// Returns the major number of the filesystem's device.
    pub fn major(&self) -> u32 {
        self.line.major
    }

    /// Returns the minor number of the filesystem's device.
    pub fn minor(&self) -> u32 {
        self.line.minor
    }

    /// Returns the directory or file of the filesystem that is mounted: `/` unless it is a bind or a
    /// subvolume.
    ///
    /// It ends with `//deleted` once that is gone. Not always a path: `mnt:[4026532448]` is the root of a
    /// bound namespace.
    pub fn root(&self) -> Cow<'a, Path> {
        path(self.field(self.line.root, self.line.mount_point))
    }

    /// Returns where it is mounted, seen from the root of the process whose table this is.
    pub fn mount_point(&self) -> Cow<'a, Path> {
        path(self.field(self.line.mount_point, self.line.options))
    }

    /// Returns the options of the mount itself: `ro,nosuid,relatime`.
    pub fn options(&self) -> Cow<'a, OsStr> {
        text(self.field(self.line.options, self.line.optional))
    }

    /// Says whether the mount itself has this option (`ro`, `nosuid`, `relatime`).
    pub fn has_option(&self, word: &str) -> bool {
        self.options().as_bytes().split(|&byte| byte == b',').any(|option| option == word.as_bytes())
    }

    /// Returns the optional fields, which say how mounts propagate: `shared:1`, `master:2`, and whatever
    /// later kernels add.
    pub fn optional(&self) -> impl Iterator<Item = Cow<'a, OsStr>> + use<'a> {
        self.optional_fields().map(text)
    }

    /// Returns the peer group that mounts made below this one go to, and come from.
    pub fn shared(&self) -> Option<u64> {
        tag(self.optional_fields(), b"shared:")
    }

    /// Returns the peer group that this mount is a slave of: mounts come from there.
    pub fn master(&self) -> Option<u64> {
        tag(self.optional_fields(), b"master:")
    }

    /// Returns the nearest peer group that mounts come from and that the process can see, where the
    /// [`master`](Self::master) is outside its root.
    pub fn propagate_from(&self) -> Option<u64> {
        tag(self.optional_fields(), b"propagate_from:")
    }

    /// Says whether the mount refuses to be bound elsewhere.
    pub fn is_unbindable(&self) -> bool {
        self.optional_fields().any(|field| field == b"unbindable")
    }

    /// Returns the filesystem's type with its subtype: `ext4`, `fuse.sshfs`. [`is_type`](Self::is_type) compares
    /// it with a word.
    pub fn fs_type(&self) -> Cow<'a, OsStr> {
        text(self.field(self.line.fs_type, self.line.source))
    }

    /// Says whether the filesystem's type is exactly this one.
    #[doc(alias = "FSTypeFilter")]
    pub fn is_type(&self, fs_type: impl AsRef<OsStr>) -> bool {
        *self.fs_type() == *fs_type.as_ref()
    }

    /// Returns the part of the type after the dot: the `sshfs` of `fuse.sshfs`.
    pub fn subtype(&self) -> Option<Cow<'a, OsStr>> {
        let field = self.field(self.line.fs_type, self.line.source);
        let dot = field.iter().position(|&byte| byte == b'.')?;
        Some(text(&field[dot + 1..]))
    }

    /// Returns what was mounted, in the filesystem's own words; may be empty.
    pub fn source(&self) -> Cow<'a, OsStr> {
        text(self.field(self.line.source, self.line.super_options))
    }

    /// Returns the options of the filesystem, shared by all its mounts.
    pub fn super_options(&self) -> Cow<'a, OsStr> {
        text(self.super_field())
    }

    /// Returns the filesystem's options one by one, in the kernel's order.
    ///
    /// A key may come twice: each of an overlay's layers is a `lowerdir+`. An escaped comma belongs to its
    /// word.
    ///
    /// ```
    /// let line = br"36 35 0:40 / /m rw - overlay overlay rw,lowerdir+=/a,lowerdir+=/b\054c";
    /// let mount = mount::parse(line).next().unwrap()?;
    /// let words: Vec<_> = mount.super_words().collect();
    /// assert_eq!(words.join(std::ffi::OsStr::new(" ")), "rw lowerdir+=/a lowerdir+=/b,c");
    /// # Ok::<(), mount::Error>(())
    /// ```
    pub fn super_words(&self) -> impl Iterator<Item = Cow<'a, OsStr>> + use<'a> {
        self.super_field().split(|&byte| byte == b',').map(text)
    }

    /// Says whether it is mounted at this path or below it.
    ///
    /// Whole names are compared: `/foobar` is not below `/foo`, and everything is below `/`. The path is
    /// absolute and without symbolic links, as in the table.
    ///
    /// ```
    /// let table = b"2 1 0:5 / /run/user/0 rw - tmpfs a rw\n3 1 0:6 / /runner rw - tmpfs b rw\n";
    /// let table = mount::Table::from_bytes(table.to_vec())?;
    /// let found: Vec<_> = table.iter().filter(|mount| mount.is_beneath("/run")).map(|m| m.id()).collect();
    /// assert_eq!(found, [2]);
    /// # Ok::<(), mount::Error>(())
    /// ```
    #[doc(alias = "PrefixFilter")]
    pub fn is_beneath(&self, path: impl AsRef<Path>) -> bool {
        is_beneath(&self.place(), trim(path.as_ref().as_os_str().as_bytes()))
    }

    /// Says whether it is mounted at this path or at one of the directories above it.
    ///
    /// Whole names are compared, as in [`is_beneath`](Self::is_beneath). Of the mounts above a path,
    /// [`Table::mount_of`](crate::Table::mount_of) finds the one that it lies on.
    #[doc(alias = "ParentsFilter")]
    pub fn is_above(&self, path: impl AsRef<Path>) -> bool {
        is_beneath(trim(path.as_ref().as_os_str().as_bytes()), &self.place())
    }

    /// Returns a copy that owns its text.
    pub fn to_info(&self) -> MountInfo {
        let (raw, super_options) = (self.super_field(), self.super_options());
        let has_escapes = matches!(super_options, Cow::Owned(_));
        let has_commas = has_escapes && raw.windows(4).any(|escape| escape == br"\054");
        MountInfo {
            id: self.id(),
            parent: self.parent(),
            major: self.major(),
            minor: self.minor(),
            root: self.root().into_owned(),
            mount_point: self.mount_point().into_owned(),
            options: self.options().into_owned(),
            optional: self.optional().map(Cow::into_owned).collect(),
            fs_type: self.fs_type().into_owned(),
            source: self.source().into_owned(),
            super_options: super_options.into_owned(),
            unique_id: None,
            unique_parent: None,
            escaped: has_commas.then(|| raw.to_vec()),
        }
    }

    /// Returns the bytes of the mount point. The kernel writes no slash at its end; others may.
    pub(super) fn place(&self) -> Cow<'a, [u8]> {
        match unescape(self.field(self.line.mount_point, self.line.options)) {
            Cow::Borrowed(path) => Cow::Borrowed(trim(path)),
            Cow::Owned(mut path) => {
                path.truncate(trim(&path).len());
                Cow::Owned(path)
            }
        }
    }

    /// Returns the field between two beginnings, without the blank.
    fn field(&self, start: u32, next: u32) -> &'a [u8] {
        &self.text[start as usize..next as usize - 1]
    }

    fn super_field(&self) -> &'a [u8] {
        &self.text[self.line.super_options as usize..]
    }

    fn optional_fields(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let Range { start, end } = self.line.optional as usize..self.line.fs_type as usize - "- ".len();
        let mut rest = &self.text[start..end];
        iter::from_fn(move || {
            // Each field ends with a blank.
            let end = rest.iter().position(|&byte| byte == b' ')?;
            let field = &rest[..end];
            rest = &rest[end + 1..];
            Some(field)
        })
    }
}

impl From<Entry<'_>> for MountInfo {
    fn from(entry: Entry<'_>) -> Self {
        entry.to_info()
    }
}

impl PartialEq for Entry<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Entry<'_> {}

impl Hash for Entry<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

/// The kernel's line, with everything escaped that would disturb a terminal.
impl fmt::Debug for Entry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Entry({:?})", OsStr::from_bytes(self.text))
    }
}

/// Returns the number of the optional field that begins so.
pub(crate) fn tag<'a>(mut fields: impl Iterator<Item = &'a [u8]>, name: &[u8]) -> Option<u64> {
    fields.find_map(|field| number(field.strip_prefix(name)?))
}

/// Leaves the slashes at a path's end out.
pub(crate) fn trim(mut path: &[u8]) -> &[u8] {
    while let [rest @ .., b'/'] = path
        && !rest.is_empty()
    {
        path = rest;
    }
    path
}

/// Says whether a path is another one or below it, by whole names.
pub(crate) fn is_beneath(path: &[u8], above: &[u8]) -> bool {
    match path.strip_prefix(above) {
        Some(rest) => rest.is_empty() || above == b"/" || (rest[0] == b'/' && !above.is_empty()),
        None => false,
    }
}

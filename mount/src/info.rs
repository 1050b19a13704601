//! What is mounted, owned; and questions about one path.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use crate::table::{Table, is_beneath, tag, trim, unescape};
use crate::{At, Result};

/// One mount, as [`proc_pid_mountinfo(5)`] tells it.
///
/// Paths and words are bytes, with the kernel's octal escapes undone: a mount point may hold blanks,
/// newlines and letters of any encoding.
///
/// Two are equal if all that the table says of them is, wherever they come from: the unique ids are left out,
/// which text doesn't have. That two are the same mount says an equal [`unique_id`](Self::unique_id) alone.
///
/// ```
/// let proc = mount::mount_of("/proc")?.unwrap();
/// assert!(mount::mounts()?.contains(&proc));
/// # Ok::<(), mount::Error>(())
/// ```
///
/// [`proc_pid_mountinfo(5)`]: https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html
#[derive(Clone)]
#[non_exhaustive]
pub struct MountInfo {
    /// The mount's id, which the kernel may give to another mount once this one is gone: what
    /// [`Table::get`] and its like take.
    pub id: u64,
    /// The id of the mount that this one lies on; its own id at the top of the tree.
    pub parent: u64,
    /// The major number of the filesystem's device.
    pub major: u32,
    /// The minor number of the filesystem's device.
    pub minor: u32,
    /// The directory or file of the filesystem that is mounted; `/` unless it is a bind or a subvolume.
    /// Not always a path: `mnt:[4026532448]` is the root of a bound namespace.
    pub root: PathBuf,
    /// Where it is mounted, seen from the process's root.
    pub mount_point: PathBuf,
    /// The options of the mount itself: `ro,nosuid,relatime`.
    pub options: OsString,
    /// The optional fields, which say how mounts propagate: `shared:1`, `master:2`, `unbindable`.
    pub optional: Vec<OsString>,
    /// The filesystem's type: `ext4`, `fuse.sshfs`.
    pub fs_type: OsString,
    /// What was mounted, in the filesystem's own words; may be empty.
    pub source: OsString,
    /// The options of the filesystem, shared by all its mounts. [`super_words`](Self::super_words)
    /// takes them apart.
    pub super_options: OsString,
    /// The mount's id that no other mount ever has: what [`from_unique_id`](Self::from_unique_id),
    /// [`Statmount::of_id`](crate::Statmount::of_id) and [`MountIds`](crate::MountIds) take. It is in no line of
    /// text: `from_unique_id`, [`mount_of`] and a [`Watcher`](crate::Watcher) fill it in where the kernel tells.
    pub unique_id: Option<u64>,
    /// The same of the mount that this one lies on.
    pub unique_parent: Option<u64>,
    /// The kernel's text of `super_options`, kept where unescaping made a comma that separates nothing.
    pub(crate) escaped: Option<Vec<u8>>,
}

impl MountInfo {
    /// Says whether the mount itself has this option (`ro`, `nosuid`, `relatime`).
    pub fn has_option(&self, word: &str) -> bool {
        self.options.as_bytes().split(|&b| b == b',').any(|option| option == word.as_bytes())
    }

    /// Says whether the filesystem's type is exactly this one.
    #[doc(alias = "FSTypeFilter")]
    pub fn is_type(&self, fs_type: impl AsRef<OsStr>) -> bool {
        self.fs_type == fs_type.as_ref()
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

    /// Says whether it is mounted at this path or below it.
    ///
    /// Whole names are compared: `/foobar` is not below `/foo`, and everything is below `/`. The path is
    /// absolute and without symbolic links, as in the table.
    ///
    /// ```no_run
    /// for event in mount::Watcher::new()? {
    ///     if let mount::Event::Mounted(mount) = event?
    ///         && mount.is_beneath("/run/user")
    ///         && mount.is_type("fuse.sshfs")
    ///     {
    ///         println!("{} on {}", mount.source.display(), mount.mount_point.display());
    ///     }
    /// }
    /// # Ok::<(), mount::Error>(())
    /// ```
    #[doc(alias = "PrefixFilter")]
    pub fn is_beneath(&self, path: impl AsRef<Path>) -> bool {
        is_beneath(trim(bytes(&self.mount_point)), trim(bytes(path.as_ref())))
    }

    /// Says whether it is mounted at this path or at one of the directories above it.
    #[doc(alias = "ParentsFilter")]
    pub fn is_above(&self, path: impl AsRef<Path>) -> bool {
        is_beneath(trim(bytes(path.as_ref())), trim(bytes(&self.mount_point)))
    }

    /// Returns the filesystem's options one by one, in the kernel's order.
    ///
    /// A key may come twice: each of an overlay's layers is a `lowerdir+`. An escaped comma belongs to its
    /// word.
    ///
    /// ```
    /// let line = br"36 35 0:40 / /m rw - overlay overlay rw,lowerdir+=/a,lowerdir+=/b\054c";
    /// let mount = mount::parse(line).next().unwrap()?.to_info();
    /// assert_eq!(mount.super_words().collect::<Vec<_>>(), ["rw", "lowerdir+=/a", "lowerdir+=/b,c"]);
    /// # Ok::<(), mount::Error>(())
    /// ```
    pub fn super_words(&self) -> impl Iterator<Item = OsString> {
        let text = self.escaped.as_deref().unwrap_or(self.super_options.as_bytes());
        let escaped = self.escaped.is_some();
        text.split(|&b| b == b',').map(move |word| {
            OsString::from_vec(if escaped { unescape(word).into_owned() } else { word.to_vec() })
        })
    }

    fn optional_fields(&self) -> impl Iterator<Item = &[u8]> {
        self.optional.iter().map(|field| field.as_bytes())
    }

    /// Returns all that the table says.
    fn told(&self) -> impl Eq + Hash + '_ {
        let numbers = (self.id, self.parent, self.major, self.minor);
        let paths = (&self.root, &self.mount_point);
        let texts = (&self.options, &self.optional, &self.fs_type, &self.source, &self.super_options);
        (numbers, paths, texts)
    }
}

impl PartialEq for MountInfo {
    fn eq(&self, other: &Self) -> bool {
        self.told() == other.told()
    }
}

impl Eq for MountInfo {}

impl Hash for MountInfo {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.told().hash(state);
    }
}

impl fmt::Debug for MountInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MountInfo")
            .field("id", &self.id)
            .field("parent", &self.parent)
            .field("major", &self.major)
            .field("minor", &self.minor)
            .field("root", &self.root)
            .field("mount_point", &self.mount_point)
            .field("options", &self.options)
            .field("optional", &self.optional)
            .field("fs_type", &self.fs_type)
            .field("source", &self.source)
            .field("super_options", &self.super_options)
            .field("unique_id", &self.unique_id)
            .field("unique_parent", &self.unique_parent)
            .finish_non_exhaustive()
    }
}

fn bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}

/// Returns the mounts that the calling thread sees, in the kernel's order.
///
/// Mounts outside the thread's root directory are not among them.
///
/// # Errors
///
/// As [`Table::read`], which copies nothing and is faster.
#[doc(alias = "GetMounts")]
pub fn mounts() -> Result<Vec<MountInfo>> {
    Ok(Table::read()?.iter().map(MountInfo::from).collect())
}

/// Returns the mounts that another process sees.
///
/// # Errors
///
/// As [`Table::of_pid`].
#[doc(alias = "PidMountInfo")]
pub fn mounts_of(pid: u32) -> Result<Vec<MountInfo>> {
    Ok(Table::of_pid(pid)?.iter().map(MountInfo::from).collect())
}

/// Says whether something is mounted at a path.
///
/// Symbolic links are followed, automounts are not triggered. The answer is one `statx(2)` where the kernel
/// tells (Linux 5.8), else it is looked up in the table.
///
/// ```
/// assert!(mount::mounted("/proc")?);
/// assert!(!mount::mounted("/proc/self/status")?);
/// # Ok::<(), mount::Error>(())
/// ```
///
/// # Errors
///
/// [`NotFound`](crate::ErrorKind::NotFound) if the path isn't there.
#[doc(alias = "Mounted")]
#[doc(alias = "MountedFast")]
pub fn mounted(path: impl AsRef<Path>) -> Result<bool> {
    At::Path(path.as_ref()).mounted()
}

/// Returns the mount that a path lies on, or `None` if it is in no table that this thread sees: detached, or
/// outside its root directory.
///
/// ```
/// let proc = mount::mount_of("/proc/self/status")?.unwrap();
/// assert_eq!(proc.fs_type, "proc");
/// # Ok::<(), mount::Error>(())
/// ```
///
/// # Errors
///
/// [`NotFound`](crate::ErrorKind::NotFound) if the path isn't there.
pub fn mount_of(path: impl AsRef<Path>) -> Result<Option<MountInfo>> {
    At::Path(path.as_ref()).mount_of()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ErrorKind, parse};

    fn one(text: &[u8]) -> MountInfo {
        let mut lines = parse(text);
        let mount = lines.next().expect("a line").expect("a good line");
        assert!(lines.next().is_none());
        mount.to_info()
    }

    fn bytes(text: &[u8]) -> &OsStr {
        OsStr::from_bytes(text)
    }

    #[test]
    fn a_plain_line_gives_all_fields() {
        let mount = one(include_bytes!("../tests/fixtures/plain.mi"));
        assert_eq!((mount.id, mount.parent, mount.major, mount.minor), (36, 35, 98, 0));
        assert_eq!(
            (mount.root.as_path(), mount.mount_point.as_path()),
            (Path::new("/mnt1"), Path::new("/mnt2"))
        );
        assert_eq!(mount.options, "rw,noatime");
        assert_eq!(mount.optional, ["master:1"]);
        assert_eq!(
            (mount.fs_type.as_os_str(), mount.source.as_os_str()),
            (bytes(b"ext3"), bytes(b"/dev/root"))
        );
        assert_eq!(mount.super_options, "rw,errors=continue");
        assert!(mount.has_option("noatime") && !mount.has_option("atime"));
    }

    #[test]
    fn an_empty_source_is_a_source() {
        // Docker's parser of 2014 wanted three words after the dash, and failed on the whole table.
        let mount = one(include_bytes!("../tests/fixtures/emptysource.mi"));
        assert_eq!((mount.fs_type.to_str(), mount.source.to_str()), (Some("tmpfs"), Some("")));
        assert_eq!(mount.super_options, "rw");
    }

    #[test]
    fn a_dash_is_no_separator_inside_a_mount_point_nor_as_a_source() {
        let mount = one(include_bytes!("../tests/fixtures/sep_in_mountpoint.mi"));
        assert_eq!(mount.mount_point, Path::new("/a - b"));
        assert_eq!(mount.optional, ["shared:1"]);
        let mount = one(b"36 35 98:0 / /m rw - tmpfs - rw");
        assert_eq!(mount.source, "-");
    }

    #[test]
    fn octal_escapes_are_undone_everywhere() {
        // Docker's parser left every escape as it was.
        let mount = one(include_bytes!("../tests/fixtures/octal.mi"));
        assert_eq!(mount.mount_point, Path::new("/mnt a\tb\nc\\d#e"));
        assert_eq!(mount.source, "/dev/disk x");
        let mount = one(include_bytes!("../tests/fixtures/btrfs_subvol.mi"));
        assert_eq!(mount.root, Path::new("/@/sub vol"));
        assert_eq!(mount.super_options, "rw,subvolid=256,subvol=/@/sub vol");
    }

    #[test]
    fn escapes_above_ascii_are_undone_and_what_is_no_escape_stays() {
        let mount = one(br"36 35 98:0 / /caf\303\251\400\04\9 rw - tmpfs none rw");
        assert_eq!(mount.mount_point, Path::new(r"/café\400\04\9"));
    }

    #[test]
    fn a_mount_point_of_any_bytes_is_kept() {
        // Reading lines as UTF-8 loses the whole table to one such mount.
        let mount = one(include_bytes!("../tests/fixtures/nonutf8.mi"));
        assert_eq!(mount.mount_point.as_os_str(), bytes(b"/m\xff\xfe"));
    }

    #[test]
    fn blanks_in_the_options_of_cifs_are_kept() {
        // cifs doesn't escape the blanks of `unc=`; other parsers cut there.
        let mount = one(include_bytes!("../tests/fixtures/cifs_space.mi"));
        assert_eq!(mount.source, "//srv/My Docs");
        assert_eq!(mount.super_options, "rw,unc=//srv/My Docs,x=1");
        assert_eq!(mount.super_words().collect::<Vec<_>>(), ["rw", "unc=//srv/My Docs", "x=1"]);
    }

    #[test]
    fn two_are_equal_if_the_table_says_the_same_of_them() {
        let text = one(include_bytes!("../tests/fixtures/manyoptional.mi"));
        let mut told = text.clone();
        (told.unique_id, told.unique_parent) = (Some(1 << 40), Some(1 << 41));
        assert_eq!(text, told);
        assert!(std::collections::HashSet::from([text.clone()]).contains(&told));
        told.optional.pop();
        assert_ne!(text, told);
    }

    #[test]
    fn an_owned_mount_answers_as_a_borrowed_one() {
        let text = include_bytes!("../tests/fixtures/manyoptional.mi");
        let (mount, entry) = (one(text), parse(text).next().unwrap().unwrap());
        assert_eq!((mount.shared(), mount.master(), mount.propagate_from()), (Some(1), Some(2), Some(3)));
        assert_eq!((entry.shared(), entry.master(), entry.propagate_from()), (Some(1), Some(2), Some(3)));
        assert!(mount.is_unbindable() && entry.is_unbindable());
        assert!(mount.is_type(entry.fs_type()) && !mount.is_type("ext"));
        let mount = one(b"2 1 0:5 / /run/user/ rw - tmpfs a rw");
        for (path, beneath, above) in [
            ("/run", true, false),
            ("/run/user/", true, true),
            ("/ru", false, false),
            ("/run/user/0", false, true),
        ] {
            assert_eq!((mount.is_beneath(path), mount.is_above(path)), (beneath, above), "{path}");
        }
        assert!(!format!("{mount:?}").contains("escaped"));
    }

    #[test]
    fn a_key_may_come_twice() {
        let mount = one(include_bytes!("../tests/fixtures/dup_lowerdir.mi"));
        let words: Vec<_> = mount.super_words().collect();
        assert_eq!(words, ["rw", "lowerdir+=/a", "lowerdir+=/b c", "upperdir=/u"]);
    }

    #[test]
    fn optional_fields_of_any_name_and_number_are_kept() {
        let mount = one(include_bytes!("../tests/fixtures/manyoptional.mi"));
        assert_eq!(mount.optional, ["shared:1", "master:2", "propagate_from:3", "unbindable", "newtag:9"]);
        assert!(one(include_bytes!("../tests/fixtures/nooptional.mi")).optional.is_empty());
    }

    #[test]
    fn the_root_of_a_namespace_is_no_path() {
        let mount = one(include_bytes!("../tests/fixtures/nsfs_root.mi"));
        assert_eq!(mount.root, Path::new("mnt:[4026532448]"));
    }

    #[test]
    fn ids_may_be_larger_than_an_i32() {
        let mount = one(b"4294967297 3000000000 4095:1048575 / /m rw - tmpfs none rw");
        assert_eq!((mount.id, mount.parent, mount.minor), (4_294_967_297, 3_000_000_000, 1_048_575));
    }

    #[test]
    fn lines_may_end_like_those_of_windows_and_the_last_may_not_end() {
        let table = b"1 0 0:1 / /a rw - tmpfs a rw\r\n\r\n2 1 0:1 / /b rw - tmpfs b rw";
        let options: Vec<_> = parse(table).map(|line| line.unwrap().to_info().super_options).collect();
        assert_eq!(options, ["rw", "rw"]);
    }

    #[test]
    fn a_line_may_be_100_kb_long() {
        // An overlay of 500 layers; Go's line scanner gives up at 64 KiB, and with it the table.
        let layers = "/var/lib/layer:".repeat(8_000);
        let line =
            format!("1 0 0:1 / /a rw - overlay overlay rw,lowerdir={layers}\n2 1 0:1 / /b rw - tmpfs b rw\n");
        let mounts: Vec<_> = parse(line.as_bytes()).map(Result::unwrap).collect();
        assert_eq!((mounts.len(), mounts[0].super_options().len()), (2, layers.len() + 12));
    }

    #[test]
    fn a_bad_line_is_one_error_with_its_number() {
        let good = "1 0 0:1 / /a rw - tmpfs a rw";
        for bad in [
            include_str!("../tests/fixtures/garbage.mi").trim_end(),
            "1 0 0:1 / /a rw - tmpfs a",
            "1 0 0:1 / /a rw - tmpfs a ",
            "1 0 0:1 / /a rw shared:1 tmpfs a rw",
            "+1 0 0:1 / /a rw - tmpfs a rw",
            "1 -1 0:1 / /a rw - tmpfs a rw",
            "1  0:1 / /a rw - tmpfs a rw",
            "1 0 01 / /a rw - tmpfs a rw",
            "99999999999999999999 0 0:1 / /a rw - tmpfs a rw",
        ] {
            let table = format!("{good}\n{bad}\n{good}\n");
            let lines: Vec<_> = parse(table.as_bytes()).collect();
            assert_eq!(lines.len(), 3, "{bad}");
            assert!(lines[0].is_ok() && lines[2].is_ok());
            let error = lines[1].as_ref().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidData);
            assert!(error.to_string().starts_with("mountinfo line 2 "), "{error}");
        }
    }
}

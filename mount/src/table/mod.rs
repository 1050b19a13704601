//! The mount table as text: `/proc/PID/mountinfo`.

mod entry;
mod escape;
mod line;
mod links;
mod places;
mod reader;

use std::fmt;
use std::io::Read;
use std::iter::FusedIterator;
use std::ops::Range;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::OnceLock;

pub use entry::Entry;
pub(crate) use entry::{is_beneath, tag, trim};
pub(crate) use escape::unescape;
use line::{Bad, Line, Lines};
use links::{Branch, Links};
use places::Places;
pub use reader::Reader;

use crate::{Error, ErrorKind, MountInfo, Result};

/// Reads the lines of a mount table that is already in memory, one by one.
///
/// A line that can't be read is one `Err`, which names its number; the lines after it follow. Lines may be of
/// any length, and blank ones are skipped. [`Table`] also knows how they hang together.
///
/// ```
/// let table = b"36 35 98:0 / /a\\040b rw,noatime shared:1 - ext3 /dev/root rw,errors=continue\n";
/// let mount = mount::parse(table).next().unwrap()?;
/// assert_eq!(mount.mount_point().to_str(), Some("/a b"));
/// # Ok::<(), mount::Error>(())
/// ```
pub fn parse(bytes: &[u8]) -> impl Iterator<Item = Result<Entry<'_>>> {
    Lines::new(bytes).map(|line| match line {
        Ok(line) => Ok(Entry::new(bytes, line)),
        Err(Bad { number, text, why }) => Err(Error::line(number, text, why)),
    })
}

/// All the mounts that a process sees, in the kernel's order, and how they hang together.
///
/// It holds the kernel's text and the places of the fields in it; [`Entry`] borrows from that. The tree and
/// the order of the mount points are made when they are first asked for.
///
/// ```
/// let table = mount::Table::read()?;
/// for mount in table.iter().filter(|mount| mount.is_type("tmpfs")) {
///     println!("{} has {}", mount.mount_point().display(), mount.super_options().display());
/// }
/// let proc = table.top_at("/proc").expect("it is mounted");
/// assert!(proc.is_type("proc"));
/// # Ok::<(), mount::Error>(())
/// ```
///
/// Paths are compared as they are in the table: give them absolute, without symbolic links, `.` and `..`.
///
/// The kernel hands the table out in pieces of a page, between which others may mount and unmount. No mount
/// that is there all the time is left out (since Linux 5.8), but a parent may be gone, or two mounts moved
/// around each other, so that the tree doesn't hang together. Nothing here loops or fails over that.
#[derive(Clone, Default)]
pub struct Table {
    bytes: Vec<u8>,
    lines: Vec<Line>,
    bad: Vec<(usize, Range<usize>, &'static str)>,
    links: OnceLock<Links>,
    places: OnceLock<Places>,
}

/// A mount in its place in the tree: what [`Table::tree`] and [`Table::descendants`] go through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Node<'a> {
    /// The mount.
    pub entry: Entry<'a>,
    /// How many mounts it lies on, up to where the walk began.
    pub depth: usize,
    /// Whether its parent has no more children after this one.
    pub is_last: bool,
}

impl Table {
    /// Reads the mounts that the calling thread sees.
    ///
    /// Mounts outside the thread's root directory are not among them.
    ///
    /// # Errors
    ///
    /// Fails if `/proc` isn't mounted, and with [`InvalidData`](ErrorKind::InvalidData) if a line can't be
    /// read; [`Reader::skip_bad`] leaves such lines out.
    pub fn read() -> Result<Self> {
        Reader::open()?.into_table()
    }

    /// Reads the mounts that another process sees.
    ///
    /// # Errors
    ///
    /// As [`Reader::of_pid`] and [`read`](Self::read).
    pub fn of_pid(pid: u32) -> Result<Self> {
        Reader::of_pid(pid)?.into_table()
    }

    /// Reads the mounts of a mount namespace, seen from its root.
    ///
    /// # Errors
    ///
    /// As [`Reader::of_namespace`] and [`read`](Self::read).
    pub fn of_namespace(namespace: impl AsFd) -> Result<Self> {
        Reader::of_namespace(namespace)?.into_table()
    }

    /// Takes a table that was read before.
    ///
    /// # Errors
    ///
    /// [`InvalidData`](ErrorKind::InvalidData) if a line can't be read.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self> {
        let mut table = Table { bytes, ..Table::default() };
        table.index(true)?;
        Ok(table)
    }

    /// Takes a table that was read before, without the lines that can't be read: [`skipped`](Self::skipped)
    /// tells them.
    ///
    /// ```
    /// let table = mount::Table::from_bytes_lossy(b"2 1 0:5 / /a rw - tmpfs a rw\nwhat?\n".to_vec());
    /// assert_eq!(table.len(), 1);
    /// let error = table.skipped().next().unwrap();
    /// assert_eq!(error.to_string(), r#"mountinfo line 2 "what?": fields are missing"#);
    /// ```
    pub fn from_bytes_lossy(bytes: Vec<u8>) -> Self {
        let mut table = Table { bytes, ..Table::default() };
        // Lines that are left out are no error.
        let _ = table.index(false);
        table
    }

    /// Reads a table from anywhere, to the end.
    ///
    /// # Errors
    ///
    /// Fails if reading does, and with [`InvalidData`](ErrorKind::InvalidData) if a line can't be read.
    #[doc(alias = "GetMountsFromReader")]
    pub fn from_reader(mut reader: impl Read) -> Result<Self> {
        let mut bytes = Vec::new();
        let failed = |error| Error::new(ErrorKind::Other, "read a mount table", error);
        reader.read_to_end(&mut bytes).map_err(failed)?;
        Table::from_bytes(bytes)
    }

    /// Finds the lines of the bytes that are there, in the memory that is there.
    fn index(&mut self, strict: bool) -> Result<()> {
        self.forget();
        // Few lines are shorter. What is not needed is address space, and no memory.
        self.lines.reserve(self.bytes.len() / 56 + 1);
        for line in Lines::new(&self.bytes) {
            match line {
                Ok(line) => self.lines.push(line),
                Err(Bad { number, text, why }) if strict => {
                    let error = Error::line(number, text, why);
                    self.forget();
                    return Err(error);
                }
                Err(Bad { number, text, why }) => {
                    let start = text.as_ptr().addr() - self.bytes.as_ptr().addr();
                    self.bad.push((number, start..start + text.len(), why));
                }
            }
        }
        Ok(())
    }

    /// Forgets all lines, but keeps the memory.
    fn forget(&mut self) {
        self.lines.clear();
        self.bad.clear();
        self.links.take();
        self.places.take();
    }

    /// Returns the kernel's text.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the lines that were left out because they can't be read.
    pub fn skipped(&self) -> impl ExactSizeIterator<Item = Error> {
        self.bad.iter().map(|(number, place, why)| Error::line(*number, &self.bytes[place.clone()], why))
    }

    /// Returns how many mounts there are.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Says whether there is no mount.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Returns all mounts, in the kernel's order.
    pub fn iter(&self) -> Entries<'_> {
        Entries { table: self, range: 0..self.lines.len() }
    }

    /// Returns the mount with this id.
    pub fn get(&self, id: u64) -> Option<Entry<'_>> {
        self.links().find(&self.lines, id).map(|line| self.entry(line))
    }

    /// Returns the mounts that lie on the mount with this id, in the kernel's order.
    ///
    /// The id need not be in the table: with the parent of a [root](Self::roots) it finds the root's siblings.
    pub fn children(&self, id: u64) -> impl ExactSizeIterator<Item = Entry<'_>> + DoubleEndedIterator {
        self.links().children(&self.lines, id).iter().map(|&line| self.entry(line))
    }

    /// Returns the mounts whose parent isn't in the table, or is the mount itself.
    ///
    /// That is one, at `/`, for a process whose root directory is a mount, and those right below the root
    /// directory for others.
    pub fn roots(&self) -> impl ExactSizeIterator<Item = Entry<'_>> + DoubleEndedIterator {
        self.links().roots.iter().map(|&line| self.entry(line))
    }

    /// Goes through all mounts as a tree: a parent before its children, which are in the kernel's order.
    ///
    /// Each mount is visited once. Mounts that lie on each other in a circle come last.
    ///
    /// ```
    /// for node in mount::Table::read()?.tree() {
    ///     println!("{:width$}{}", "", node.entry.mount_point().display(), width = node.depth * 2);
    /// }
    /// # Ok::<(), mount::Error>(())
    /// ```
    pub fn tree(&self) -> impl ExactSizeIterator<Item = Node<'_>> + DoubleEndedIterator {
        self.links().branches.iter().map(|branch| self.node(branch, None))
    }

    /// Returns the mount with this id, and if `recursive` all below it, a parent before its children.
    pub(crate) fn tree_of(&self, id: u64, recursive: bool) -> Vec<MountInfo> {
        let count = if recursive { usize::MAX } else { 1 };
        self.descendants(id).take(count).map(|node| node.entry.to_info()).collect()
    }

    /// Goes through the mount with this id and all below it, a parent before its children.
    ///
    /// Backwards, this is the order in which they can be unmounted.
    pub fn descendants(&self, id: u64) -> impl ExactSizeIterator<Item = Node<'_>> + DoubleEndedIterator {
        let links = self.links();
        let start = links.find(&self.lines, id).map(|line| links.rank[line]);
        let branches = start.map_or(&[][..], |start| {
            let depth = links.branches[start].depth;
            let below = links.branches[start + 1..].iter().take_while(|branch| branch.depth > depth).count();
            &links.branches[start..=start + below]
        });
        let top = branches.first().map(|branch| branch.depth);
        branches.iter().map(move |branch| self.node(branch, top))
    }

    /// Returns all mounts at a path: first those that are [hidden](Self::is_hidden), the lowest first, and
    /// last the one that the path leads to.
    pub fn at(
        &self,
        path: impl AsRef<Path>,
    ) -> impl ExactSizeIterator<Item = Entry<'_>> + DoubleEndedIterator {
        let lines = self.places().at(self, trim(path.as_ref().as_os_str().as_bytes()));
        lines.iter().map(|&line| self.entry(line))
    }

    /// Returns the mount that a path leads to, if it is the top of one; `None` too if all mounts at the path
    /// are hidden.
    #[doc(alias = "SingleEntryFilter")]
    pub fn top_at(&self, path: impl AsRef<Path>) -> Option<Entry<'_>> {
        let top = *self.places().at(self, trim(path.as_ref().as_os_str().as_bytes())).last()?;
        (!self.places().hidden[top]).then(|| self.entry(top))
    }

    /// Returns the mount that a path lies on, whether or not there is anything at the path; `None` where that
    /// is not in the table, because the process's root directory is no mount.
    ///
    /// [`mount_of`](crate::mount_of) asks the kernel, which follows symbolic links.
    ///
    /// ```
    /// let table = b"2 1 8:1 / / rw - ext4 a rw\n3 2 0:5 / /home rw - tmpfs b rw\n";
    /// let table = mount::Table::from_bytes(table.to_vec())?;
    /// assert_eq!(table.mount_of("/home/koye/notes").unwrap().id(), 3);
    /// assert_eq!(table.mount_of("/homes").unwrap().id(), 2);
    /// # Ok::<(), mount::Error>(())
    /// ```
    pub fn mount_of(&self, path: impl AsRef<Path>) -> Option<Entry<'_>> {
        let mut above = path.as_ref().ancestors().filter(|path| !path.as_os_str().is_empty());
        above.find_map(|path| self.top_at(path))
    }

    /// Says whether no path leads to the mount: another one was mounted on it, or on a directory above it.
    ///
    /// A mount on the process's root directory is hidden itself: lookups begin below it. `false` for ids that
    /// are not in the table.
    pub fn is_hidden(&self, id: u64) -> bool {
        self.links().find(&self.lines, id).is_some_and(|line| self.places().hidden[line])
    }

    fn entry(&self, line: usize) -> Entry<'_> {
        Entry::new(&self.bytes, self.lines[line])
    }

    fn node(&self, branch: &Branch, top: Option<usize>) -> Node<'_> {
        // The siblings of where a walk began are not of it.
        let is_last = branch.is_last || top == Some(branch.depth);
        Node { entry: self.entry(branch.line), depth: branch.depth - top.unwrap_or(0), is_last }
    }

    fn links(&self) -> &Links {
        self.links.get_or_init(|| Links::new(&self.lines))
    }

    fn places(&self) -> &Places {
        self.places.get_or_init(|| Places::new(self))
    }
}

/// Two tables are equal if the kernel's text is.
impl PartialEq for Table {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for Table {}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

impl<'a> IntoIterator for &'a Table {
    type Item = Entry<'a>;
    type IntoIter = Entries<'a>;

    fn into_iter(self) -> Entries<'a> {
        self.iter()
    }
}

/// The mounts of a table in the kernel's order: what [`Table::iter`] returns.
#[derive(Debug, Clone)]
pub struct Entries<'a> {
    table: &'a Table,
    range: Range<usize>,
}

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        self.range.next().map(|line| self.table.entry(line))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.range.size_hint()
    }
}

impl DoubleEndedIterator for Entries<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.range.next_back().map(|line| self.table.entry(line))
    }
}

impl ExactSizeIterator for Entries<'_> {}
impl FusedIterator for Entries<'_> {}

#[cfg(test)]
mod tests;

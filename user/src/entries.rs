//! Reading a file of accounts entry by entry.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::iter::FusedIterator;
use std::marker::PhantomData;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::beneath::not_regular;
use crate::line;
use crate::lines::{self, Line, Lines};
use crate::search::Needle;
use crate::{Error, ErrorKind, Group, Passwd, Result, SubId, sys};

/// How much of a file is read at a time: more is no faster, and this stays in the processor's cache.
pub(crate) const BUFFER: usize = 64 << 10;

/// What a line may be: a [`Passwd`], a [`Group`] or a [`SubId`].
pub trait Entry: for<'a> From<Self::Ref<'a>> + sealed::Sealed {
    /// The same as it stands in the line: nothing is copied.
    type Ref<'a>;

    /// What the file is called in errors.
    #[doc(hidden)]
    const FILE: &'static str;

    /// Whether blanks at the head of a line and a carriage return at its end count.
    #[doc(hidden)]
    const EXACT: bool = false;

    /// Reads a line that is neither blank nor a comment.
    #[doc(hidden)]
    fn parse_line(line: &[u8]) -> std::result::Result<Self::Ref<'_>, &'static str>;

    #[doc(hidden)]
    fn name_of<'e>(entry: &'e Self::Ref<'_>) -> &'e OsStr;
}

/// An entry that has an id of its own: a [`Passwd`] or a [`Group`].
pub trait Account: Entry {
    #[doc(hidden)]
    fn id_of(entry: &Self::Ref<'_>) -> u32;

    /// Returns bytes that stand in each entry with this id.
    #[doc(hidden)]
    fn mark_of(id: u32) -> String;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Passwd {}
    impl Sealed for super::Group {}
    impl Sealed for super::SubId {}
}

/// The entries of a file of accounts, read from a stream in bounded memory, whatever the stream.
///
/// As an iterator it is strict: a line that is no entry is one `Err`, which tells its number, and the lines
/// after it follow. Everything else here passes over such lines: [`lenient`](Self::lenient), [`find_by`](Self::find_by),
/// [`find_all`](Self::find_all), [`find_name`](Self::find_name) and [`find_id`](Self::find_id). Comments and blank
/// lines are neither. A line may be 1 MiB long, see [`max_line`](Self::max_line).
///
/// To look for one entry of many is faster than to go through all: names and ids are searched for at the speed of
/// memory, and only the lines that hold them are read.
#[derive(Debug)]
pub struct Entries<R, E> {
    lines: Lines<R>,
    number: usize,
    path: Option<Cow<'static, Path>>,
    entry: PhantomData<fn() -> E>,
}

impl<R: BufRead, E: Entry> Entries<R, E> {
    pub(crate) fn new(reader: R) -> Self {
        Entries { lines: Lines::new(reader, E::EXACT), number: 0, path: None, entry: PhantomData }
    }

    /// Names the file in errors.
    pub(crate) fn named(self, path: impl Into<Cow<'static, Path>>) -> Self {
        Entries { path: Some(path.into()), ..self }
    }

    /// Lets a line be this many bytes long, its line feed not counted; 1 MiB if nothing is said.
    ///
    /// A longer one is no entry. As many bytes may be held in memory.
    #[must_use]
    pub fn max_line(mut self, bytes: usize) -> Self {
        self.lines.set_max(bytes);
        self
    }

    /// Returns the number of the line that the iterator has read last; 0 before the first.
    ///
    /// ```
    /// let mut users = user::Passwd::read(&b"# people\nmatt:x:1000:100::/:\n"[..]);
    /// assert_eq!(users.next().unwrap()?.name, "matt");
    /// assert_eq!(users.line_number(), 2);
    /// # Ok::<(), user::Error>(())
    /// ```
    pub fn line_number(&self) -> usize {
        self.number
    }

    /// Goes on with the entries only; failing to read the stream is still an error, which ends it.
    pub fn lenient(mut self) -> impl Iterator<Item = Result<E>> {
        std::iter::from_fn(move || self.next_wanted(None, |_| false, |_| true).transpose())
    }

    /// Returns the first entry that is wanted, and reads no further. No other is copied.
    ///
    /// ```
    /// let file = b"root:x:0:0::/root:/bin/sh\nmatt:x:1000:100::/home/matt:/bin/zsh\n";
    /// let matt = user::Passwd::read(&file[..]).find_by(|user| user.shell.ends_with("zsh"))?;
    /// assert_eq!(matt.unwrap().name, "matt");
    /// # Ok::<(), user::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Fails if the stream can't be read.
    pub fn find_by(mut self, wanted: impl FnMut(&E::Ref<'_>) -> bool) -> Result<Option<E>> {
        self.next_wanted(None, |_| false, wanted)
    }

    /// Returns all entries that are wanted. No other is copied, but of these there may be as many as the stream has.
    ///
    /// # Errors
    ///
    /// Fails if the stream can't be read.
    pub fn find_all(mut self, mut wanted: impl FnMut(&E::Ref<'_>) -> bool) -> Result<Vec<E>> {
        let mut all = Vec::new();
        while let Some(entry) = self.next_wanted(None, |_| false, &mut wanted)? {
            all.push(entry);
        }
        Ok(all)
    }

    /// Returns the first entry of this very name, and reads no further.
    ///
    /// A name of digits is a name like any other here; what a person typed is better given to
    /// [`Identity::resolve`](crate::Identity::resolve).
    ///
    /// # Errors
    ///
    /// Fails if the stream can't be read; [`InvalidData`](crate::ErrorKind::InvalidData) if the first line with the name
    /// is too long: another one after it would be somebody else.
    pub fn find_name(mut self, name: impl AsRef<OsStr>) -> Result<Option<E>> {
        let name = name.as_ref();
        let needle = Needle::name(name);
        let is_long =
            |start: &[u8]| line::find(start, b':').is_some_and(|end| start[..end] == *name.as_bytes());
        self.next_wanted(Some(&needle), is_long, |entry| E::name_of(entry) == name)
    }

    /// Reads on to the next entry that is wanted, which must hold the needle; only that one is copied. A line that is
    /// too long is passed over, unless by its head it is the one.
    pub(crate) fn next_wanted(
        &mut self,
        needle: Option<&Needle>,
        is_long: impl Fn(&[u8]) -> bool,
        mut wanted: impl FnMut(&E::Ref<'_>) -> bool,
    ) -> Result<Option<E>> {
        loop {
            match self.next_line(needle)? {
                Some(Line::Whole(line)) => {
                    let entry = text::<E>(line).and_then(|line| E::parse_line(line).ok());
                    if let Some(entry) = entry.filter(&mut wanted) {
                        return Ok(Some(E::from(entry)));
                    }
                }
                Some(Line::Long(start)) => {
                    if let Some(start) = text::<E>(start).filter(|start| is_long(start)) {
                        let (start, why) = (start.to_vec(), too_long(self.lines.max()));
                        return Err(Error::bad_line(self.path.as_deref(), E::FILE, None, &start, &why));
                    }
                }
                None => return Ok(None),
            }
        }
    }

    /// Returns the next line, or the next that may hold the needle.
    pub(crate) fn next_line(&mut self, needle: Option<&Needle>) -> Result<Option<Line<'_>>> {
        let line = match needle {
            Some(needle) => self.lines.leap(needle),
            None => self.lines.next(),
        };
        line.map_err(|error| failed::<E>(self.path.as_deref(), &error))
    }

    /// Reads what is left of a line that is longer than may be.
    pub(crate) fn rest_of_line(&mut self, feed: impl FnMut(&[u8])) -> Result<()> {
        self.lines.rest(feed).map_err(|error| failed::<E>(self.path.as_deref(), &error))
    }
}

impl<R: BufRead, E: Account> Entries<R, E> {
    /// Returns the first entry with this id, and reads no further.
    ///
    /// # Errors
    ///
    /// Fails if the stream can't be read; [`InvalidData`](crate::ErrorKind::InvalidData) if the first line with the id
    /// is too long.
    pub fn find_id(mut self, id: u32) -> Result<Option<E>> {
        let (needle, digits) = (Needle::new(E::mark_of(id).as_bytes()), id.to_string());
        let is_long = |start: &[u8]| {
            let mut fields = start.split(|&byte| byte == b':').skip(2);
            // The one behind it shows that the id isn't cut off.
            fields.next() == Some(digits.as_bytes()) && fields.next().is_some()
        };
        self.next_wanted(Some(&needle), is_long, |entry| E::id_of(entry) == id)
    }
}

impl<E: Entry> Entries<BufReader<File>, E> {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let failed = |error: io::Error| Error::io(path, &error);
        let file = sys::open(path).map_err(failed)?;
        let found = file.metadata().map_err(failed)?;
        if !found.is_file() {
            return Err(failed(not_regular()));
        }
        Ok(Entries::new(BufReader::with_capacity(buffer_for(found.len()), file)).named(path.to_owned()))
    }
}

impl<R: BufRead, E: Entry> Iterator for Entries<R, E> {
    type Item = Result<E>;

    fn next(&mut self) -> Option<Result<E>> {
        loop {
            let max = self.lines.max();
            let line = match self.lines.next() {
                Ok(line) => line?,
                Err(error) => return Some(Err(failed::<E>(self.path.as_deref(), &error))),
            };
            self.number += 1;
            if let Some(entry) = strict::<E>(&line, self.number, max, self.path.as_deref()) {
                return Some(entry.map(E::from));
            }
        }
    }
}

impl<R: BufRead, E: Entry> FusedIterator for Entries<R, E> {}

/// Opens a file of this system, if it is there.
pub(crate) fn open_if_there<E: Entry>(path: &'static str) -> Result<Option<Entries<BufReader<File>, E>>> {
    match Entries::open(Path::new(path)) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        opened => opened.map(Some),
    }
}

/// Reads the entries that are in memory.
pub(crate) fn in_memory<'a, E: Entry + 'a>(bytes: &'a [u8]) -> impl Iterator<Item = Result<E::Ref<'a>>> {
    let numbered = lines::in_memory(bytes, E::EXACT).zip(1..);
    numbered.filter_map(|(line, number)| strict::<E>(&Line::Whole(line), number, 0, None))
}

/// Takes a line for an entry; `None` if it is blank or a comment.
fn strict<'a, E: Entry>(
    line: &Line<'a>,
    number: usize,
    max: usize,
    path: Option<&Path>,
) -> Option<Result<E::Ref<'a>>> {
    let (text, entry) = match *line {
        Line::Whole(line) => {
            let text = text::<E>(line)?;
            (text, E::parse_line(text).map_err(Cow::from))
        }
        // What goes on is not blank.
        Line::Long(line) if line.trim_ascii_start().starts_with(b"#") => return None,
        Line::Long(line) => (line.trim_ascii_start(), Err(too_long(max).into())),
    };
    Some(entry.map_err(|why| Error::bad_line(path, E::FILE, Some(number), text, &why)))
}

/// Returns what is to be read of a line, unless it is blank or a comment.
fn text<E: Entry>(line: &[u8]) -> Option<&[u8]> {
    line::text(line).map(|text| if E::EXACT { line } else { text })
}

fn too_long(max: usize) -> String {
    format!("it is longer than {max} bytes")
}

/// Returns how much is to be read at a time of a file of this size: all at once if that is little, and the byte
/// after it.
pub(crate) fn buffer_for(size: u64) -> usize {
    usize::try_from(size).unwrap_or(BUFFER).saturating_add(1).clamp(4096, BUFFER)
}

fn failed<E: Entry>(path: Option<&Path>, error: &io::Error) -> Error {
    Error::io(path.unwrap_or(Path::new(E::FILE)), error)
}

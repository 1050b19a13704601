//! Reading a file of accounts entry by entry.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::iter::FusedIterator;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use crate::line::{self, Head, Why};
use crate::{Error, Group, Passwd, Result, sys};

/// What a line may be: a [`Passwd`] or a [`Group`].
pub trait Entry: sealed::Parse {}

impl Entry for Passwd {}
impl Entry for Group {}

pub(crate) mod sealed {
    pub trait Parse: Sized {
        /// What the file is called in errors.
        const FILE: &'static str;

        /// Makes an entry of the fields of a line's head, or says why it is none.
        fn from_head(name: &[u8], id: u32, rest: &[u8]) -> Result<Self, &'static str>;
    }
}

/// The entries of a passwd or group file, read from a stream one line at a time.
///
/// As an iterator it is strict: a line that is no entry is one `Err`, which tells its number, and the lines
/// after it follow. [`lenient`](Self::lenient), [`find_name`](Self::find_name) and [`find_id`](Self::find_id)
/// pass over such lines. Comments and blank lines are neither. Memory is bounded: a line is at most 1 MiB
/// long.
#[derive(Debug)]
pub struct Entries<R, E> {
    reader: R,
    line: Vec<u8>,
    number: usize,
    path: Option<PathBuf>,
    done: bool,
    entry: PhantomData<fn() -> E>,
}

impl<R: BufRead, E: Entry> Entries<R, E> {
    pub(crate) fn new(reader: R) -> Self {
        Entries { reader, line: Vec::new(), number: 0, path: None, done: false, entry: PhantomData }
    }

    /// Goes on with the entries only; failing to read the stream is still an error, which ends it.
    pub fn lenient(mut self) -> impl Iterator<Item = Result<E>> {
        std::iter::from_fn(move || self.find(|_| true).transpose())
    }

    /// Returns the first entry of this very name, and reads no further.
    ///
    /// A name of digits is a name like any other here; what a person typed is better given to
    /// [`Identity::resolve`](crate::Identity::resolve).
    ///
    /// # Errors
    ///
    /// Fails if the stream can't be read.
    pub fn find_name(mut self, name: impl AsRef<[u8]>) -> Result<Option<E>> {
        self.find(|head| head.name == name.as_ref())
    }

    /// Returns the first entry with this id, and reads no further.
    ///
    /// # Errors
    ///
    /// Fails if the stream can't be read.
    pub fn find_id(mut self, id: u32) -> Result<Option<E>> {
        self.find(|head| head.id == id)
    }

    /// Reads on to the next entry that is wanted; only a wanted one is copied.
    fn find(&mut self, wanted: impl Fn(&Head<'_>) -> bool) -> Result<Option<E>> {
        while let Some(read) = self.read_line()? {
            if read.is_ok()
                && let Ok(Some(head)) = line::head(&self.line)
                && wanted(&head)
                && let Ok(entry) = E::from_head(head.name, head.id, head.rest)
            {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }

    fn read_line(&mut self) -> Result<Option<std::result::Result<(), Why>>> {
        if self.done {
            return Ok(None);
        }
        let read = line::read_line(&mut self.reader, &mut self.line, self.number == 0);
        self.number += 1;
        // An error that comes again and again must not make an endless iterator.
        self.done = !matches!(read, Ok(Some(_)));
        read.map_err(|error| Error::io(self.path.as_deref().unwrap_or(Path::new(E::FILE)), &error))
    }
}

impl<E: Entry> Entries<BufReader<File>, E> {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = sys::open_regular(path)?;
        Ok(Entries { path: Some(path.to_owned()), ..Entries::new(BufReader::new(file)) })
    }
}

impl<R: BufRead, E: Entry> Iterator for Entries<R, E> {
    type Item = Result<E>;

    fn next(&mut self) -> Option<Result<E>> {
        loop {
            let read = match self.read_line() {
                Ok(read) => read?,
                Err(error) => return Some(Err(error)),
            };
            if let Some(entry) = read.and_then(|()| parse(&self.line)).transpose() {
                return Some(entry.map_err(|why| Error::line(E::FILE, self.number, &self.line, why)));
            }
        }
    }
}

impl<R: BufRead, E: Entry> FusedIterator for Entries<R, E> {}

/// Reads the entries that are in memory.
pub(crate) fn in_memory<E: Entry>(bytes: &[u8]) -> impl Iterator<Item = Result<E>> {
    line::lines(bytes).filter_map(|(number, line)| {
        let entry = parse(line).transpose()?;
        Some(entry.map_err(|why| Error::line(E::FILE, number, line, why)))
    })
}

/// Returns the heads of those lines in memory that are entries. The caller takes what it needs.
pub(crate) fn heads(bytes: &[u8]) -> impl Iterator<Item = Head<'_>> {
    line::lines(bytes).filter_map(|(_, line)| line::head(line).ok().flatten())
}

fn parse<E: Entry>(line: &[u8]) -> std::result::Result<Option<E>, Why> {
    line::head(line)?.map(|head| E::from_head(head.name, head.id, head.rest)).transpose()
}

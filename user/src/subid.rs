//! Subordinate ids: `/etc/subuid` and `/etc/subgid`.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::entries::{self, Entries, Entry};
use crate::{Error, ErrorKind, Owner, Result, line};

/// More than any map of ids can have, and few enough to hold.
const RANGES_MAX: usize = 65_536;

/// A range of ids that a user may map into a user namespace, as a line of [`subuid(5)`] or [`subgid(5)`] tells it.
///
/// A line is an entry only if it has an owner, a first id and a length, both of decimal digits; it must hold one
/// id at least, and none beyond 4294967294. Blanks, a carriage return and a byte order mark are a part of it, as they
/// are for shadow, whose `newuidmap` reads these files too.
///
/// [`subuid(5)`]: https://man7.org/linux/man-pages/man5/subuid.5.html
/// [`subgid(5)`]: https://man7.org/linux/man-pages/man5/subgid.5.html
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct SubId {
    /// The user whose range it is: a login name, or a user id in digits. It is a user also in `/etc/subgid`.
    pub owner: OsString,
    /// The first id of the range.
    pub first: u32,
    /// How many ids there are.
    pub length: u32,
}

/// A [`SubId`] as it stands in memory: nothing is copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct SubIdRef<'a> {
    /// The user whose range it is: a login name, or a user id in digits.
    pub owner: &'a OsStr,
    /// The first id of the range.
    pub first: u32,
    /// How many ids there are.
    pub length: u32,
}

impl SubId {
    /// Makes a range that no file has, such as one that `getsubids(1)` tells.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) for a range without ids, or beyond 4294967294.
    pub fn new(owner: impl Into<OsString>, first: u32, length: u32) -> Result<SubId> {
        let range = SubId { owner: owner.into(), first, length };
        check(first, length).map(|()| range).map_err(|why| {
            let what = format!("range of {length} ids from {first}");
            Error::new(ErrorKind::InvalidInput, what, why)
        })
    }

    /// Reads entries that are in memory; a line that is none is one `Err`, which tells its number.
    ///
    /// ```
    /// let range = user::SubId::parse(b"matt:100000:65536\n").next().unwrap()?;
    /// assert_eq!((range.first, range.length), (100_000, 65_536));
    /// # Ok::<(), user::Error>(())
    /// ```
    #[doc(alias = "ParseSubID")]
    pub fn parse(bytes: &[u8]) -> impl Iterator<Item = Result<SubIdRef<'_>>> {
        entries::in_memory::<SubId>(bytes)
    }

    /// Reads entries from a stream.
    pub fn read<R: BufRead>(reader: R) -> Entries<R, SubId> {
        Entries::new(reader)
    }

    /// Opens a file of entries, which must be a regular one.
    ///
    /// # Errors
    ///
    /// [`NotFound`](crate::ErrorKind::NotFound) without such a file,
    /// [`InvalidData`](crate::ErrorKind::InvalidData) for a pipe, a device or a directory.
    #[doc(alias = "ParseSubIDFile")]
    pub fn open(path: impl AsRef<Path>) -> Result<Entries<BufReader<File>, SubId>> {
        Entries::open(path.as_ref())
    }
}

impl<R: BufRead> Entries<R, SubId> {
    /// Returns all ranges of a user, by name or by id, in the order of the file.
    ///
    /// ```
    /// let file = b"matt:100000:65536\nkoye:165536:65536\n1000:300000:1\n";
    /// let matt = user::Owner { name: "matt".into(), uid: 1000, gid: 100 };
    /// let ranges = user::SubId::read(&file[..]).of_user(&matt)?;
    /// assert_eq!(ranges.iter().map(|range| range.first).collect::<Vec<_>>(), [100_000, 300_000]);
    /// # Ok::<(), user::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Fails if the stream can't be read; [`InvalidData`](ErrorKind::InvalidData) for more than 65,536 ranges.
    #[doc(alias = "ParseSubIDFilter")]
    pub fn of_user(mut self, owner: &Owner) -> Result<Vec<SubId>> {
        let mut ranges = Vec::new();
        while let Some(range) = self.next_wanted(None, |_| false, |range| owner.is(range.owner))? {
            ranges.push(range);
            if ranges.len() > RANGES_MAX {
                let what = format!("find subordinate ids of {:?}", owner.name);
                let why = format!("there are more than {RANGES_MAX} ranges");
                return Err(Error::new(ErrorKind::InvalidData, what, why));
            }
        }
        Ok(ranges)
    }
}

/// Tells why a range is none.
fn check(first: u32, length: u32) -> std::result::Result<(), &'static str> {
    match u64::from(first) + u64::from(length) {
        _ if length == 0 => Err("it holds no id"),
        end if end > u64::from(line::ID_MAX) + 1 => Err("it goes beyond 4294967294"),
        _ => Ok(()),
    }
}

/// Returns the subordinate user ids of this process's user, [`Owner::current`], from this system's `/etc/subuid`.
/// Without that file there are none.
///
/// # Errors
///
/// Fails if the file, or `/etc/passwd`, can't be read.
#[doc(alias = "CurrentUserSubUIDs")]
pub fn current_subuids() -> Result<Vec<SubId>> {
    of_current("/etc/subuid")
}

/// Returns the subordinate group ids of this process's user, [`Owner::current`], from this system's `/etc/subgid`.
/// Without that file there are none.
///
/// # Errors
///
/// Fails if the file, or `/etc/passwd`, can't be read.
#[doc(alias = "CurrentUserSubGIDs")]
pub fn current_subgids() -> Result<Vec<SubId>> {
    of_current("/etc/subgid")
}

fn of_current(path: &'static str) -> Result<Vec<SubId>> {
    let owner = Owner::current()?;
    entries::open_if_there::<SubId>(path)?.map_or(Ok(Vec::new()), |ranges| ranges.of_user(&owner))
}

impl From<SubIdRef<'_>> for SubId {
    fn from(range: SubIdRef<'_>) -> Self {
        SubId { owner: range.owner.to_owned(), first: range.first, length: range.length }
    }
}

impl Entry for SubId {
    type Ref<'a> = SubIdRef<'a>;

    const FILE: &'static str = "subid";

    /// As for shadow, whose programs read these files: to it, " matt" is not "matt".
    const EXACT: bool = true;

    /// Reads `owner:first:length`.
    fn parse_line(line: &[u8]) -> std::result::Result<SubIdRef<'_>, &'static str> {
        if line.contains(&0) {
            return Err("it holds a NUL byte");
        }
        let fields: Vec<_> = line.splitn(4, |&byte| byte == b':').collect();
        let (owner, first, length) = match *fields {
            [[], ..] => return Err("the owner is empty"),
            [owner, first, length] => (owner, line::id(first)?, line::length(length)?),
            [_, _, _, _] => return Err("there are too many fields"),
            _ => return Err("fields are missing"),
        };
        check(first, length)?;
        Ok(SubIdRef { owner: OsStr::from_bytes(owner), first, length })
    }

    fn name_of<'e>(entry: &'e SubIdRef<'_>) -> &'e OsStr {
        entry.owner
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_holds_ids_that_there_are() {
        let read = |line: &str| SubId::parse(line.as_bytes()).next().unwrap().map(SubId::from);
        for (line, first, length) in [
            ("matt:100000:65536", 100_000, 65_536),
            ("1000:0:4294967295", 0, u32::MAX),
            ("matt:4294967294:1\n", 4_294_967_294, 1),
        ] {
            let range = read(line).unwrap();
            assert_eq!((range.first, range.length), (first, length), "{line}");
        }
        for (line, why) in [
            ("matt", "fields are missing"),
            ("matt:1", "fields are missing"),
            (":1:1", "the owner is empty"),
            ("matt:1:1:", "there are too many fields"),
            ("matt:1:0", "it holds no id"),
            ("matt:4294967294:2", "it goes beyond 4294967294"),
            ("matt:1:4294967295", "it goes beyond 4294967294"),
            ("matt:4294967295:1", "an id is beyond 4294967294"),
            ("matt:0x10:1", "an id is not a number"),
            ("matt:1:-1", "the length is not a number"),
            ("matt:1:01", "the length has a leading zero"),
            ("matt:1:1\r\n", "the length is not a number"),
            ("matt:1:4294967296", "the length is beyond 4294967295"),
            ("matt:1:", "the length is empty"),
            ("ma\0tt:1:1", "it holds a NUL byte"),
        ] {
            let error = read(line).unwrap_err().to_string();
            assert!(error.starts_with("subid line 1 ") && error.ends_with(&format!(": {why}")), "{error}");
        }
    }

    #[test]
    fn a_range_that_is_made_holds_ids_that_there_are() {
        assert_eq!(SubId::new("matt", 5, 2).unwrap(), SubId { owner: "matt".into(), first: 5, length: 2 });
        let error = SubId::new("matt", 5, 0).unwrap_err();
        assert_eq!(error.to_string(), "range of 0 ids from 5: it holds no id");
        assert!(SubId::new("matt", 1, u32::MAX).is_err());
    }

    #[test]
    fn a_users_ranges_are_those_of_the_name_and_of_the_id() {
        let file = b"# a comment\nmatt:1:1\nkoye:2:1\n1000:3:1\n01000:4:1\nmatt:5:0\nmatt:6:1\n";
        let firsts = |name: &str, uid| {
            let owner = Owner { name: name.into(), uid, gid: 100 };
            let ranges = SubId::read(&file[..]).of_user(&owner).unwrap();
            ranges.iter().map(|range| range.first).collect::<Vec<_>>()
        };
        assert_eq!(firsts("matt", 1000), [1, 3, 6]);
        assert_eq!(firsts("koye", 1), [2]);
        assert_eq!(firsts("", 1000), [3]);
        assert_eq!(SubId::read(&file[..]).find_name("matt").unwrap().unwrap().first, 1);
    }
}

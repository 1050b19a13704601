//! Users: `/etc/passwd`.

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use crate::entries::{self, Entries, sealed};
use crate::line::{self, Why};
use crate::spec::Who;
use crate::{Error, Result};

/// A user, as a line of [`passwd(5)`] tells it.
///
/// A line is an entry only if it has a name and both ids, of decimal digits from 0 to 4294967294; no id is
/// ever guessed. Text is bytes of any encoding. The password field is passed over.
///
/// [`passwd(5)`]: https://man7.org/linux/man-pages/man5/passwd.5.html
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Passwd {
    /// The login name.
    pub name: OsString,
    /// The user id.
    pub uid: u32,
    /// The id of the primary group.
    pub gid: u32,
    /// The comment, by custom the person's name.
    pub gecos: OsString,
    /// The home directory; may be empty.
    pub home: PathBuf,
    /// The login shell; may be empty.
    pub shell: PathBuf,
}

impl Passwd {
    /// Reads entries that are in memory; a line that is none is one `Err`, which tells its number.
    ///
    /// ```
    /// let file = b"matt:x:1000:100:Matt:/home/matt:/bin/sh\nmangled:x:zero:0::/:\n";
    /// let users: Vec<_> = user::Passwd::parse(file).collect();
    /// assert_eq!(users[0].as_ref().unwrap().uid, 1000);
    /// assert_eq!(users[1].as_ref().unwrap_err().to_string(), r#"passwd line 2 "mangled": an id is not a number"#);
    /// ```
    pub fn parse(bytes: &[u8]) -> impl Iterator<Item = Result<Passwd>> {
        entries::in_memory(bytes)
    }

    /// Reads entries from a stream.
    pub fn read<R: BufRead>(reader: R) -> Entries<R, Passwd> {
        Entries::new(reader)
    }

    /// Opens a file of entries, which must be a regular one.
    ///
    /// # Errors
    ///
    /// [`NotFound`](crate::ErrorKind::NotFound) without such a file,
    /// [`InvalidData`](crate::ErrorKind::InvalidData) for a pipe, a device or a directory.
    pub fn open(path: impl AsRef<Path>) -> Result<Entries<BufReader<File>, Passwd>> {
        Entries::open(path.as_ref())
    }
}

impl sealed::Parse for Passwd {
    const FILE: &'static str = "passwd";

    fn from_head(name: &[u8], id: u32, rest: &[u8]) -> std::result::Result<Self, Why> {
        let Login { gid, gecos, home, shell } = login(rest)?;
        Ok(Passwd {
            name: OsString::from_vec(name.to_vec()),
            uid: id,
            gid,
            gecos: OsString::from_vec(gecos.to_vec()),
            home: OsString::from_vec(home.to_vec()).into(),
            shell: OsString::from_vec(shell.to_vec()).into(),
        })
    }
}

/// The fields of a user after the id.
pub(crate) struct Login<'a> {
    pub(crate) gid: u32,
    gecos: &'a [u8],
    pub(crate) home: &'a [u8],
    pub(crate) shell: &'a [u8],
}

/// Reads `gid:gecos:home:shell`, of which all but the gid may be missing.
pub(crate) fn login(mut rest: &[u8]) -> std::result::Result<Login<'_>, Why> {
    let gid = line::id(line::field(&mut rest).ok_or("fields are missing")?)?;
    let gecos = line::field(&mut rest).unwrap_or_default();
    let home = line::field(&mut rest).unwrap_or_default();
    let shell = rest;
    if shell.contains(&b':') {
        return Err("there are too many fields");
    }
    Ok(Login { gid, gecos, home, shell })
}

/// Returns all users of this system's `/etc/passwd`; lines that are no entries are passed over.
///
/// # Errors
///
/// Fails if the file can't be read.
#[doc(alias = "ParsePasswd")]
pub fn parse_passwd() -> Result<Vec<Passwd>> {
    parse_passwd_filter(|_| true)
}

/// Returns the users of this system's `/etc/passwd` that `filter` wants.
///
/// # Errors
///
/// Fails if the file can't be read.
#[doc(alias = "ParsePasswdFilter")]
pub fn parse_passwd_filter(mut filter: impl FnMut(&Passwd) -> bool) -> Result<Vec<Passwd>> {
    let users = Passwd::open("/etc/passwd")?.lenient();
    users.filter(|user| user.as_ref().map_or(true, &mut filter)).collect()
}

/// Returns the first user of this system's `/etc/passwd` of this name; a name of digits is an id.
///
/// ```
/// let root = user::lookup_user("root")?.expect("every system has one");
/// assert_eq!(root.uid, 0);
/// # Ok::<(), user::Error>(())
/// ```
///
/// # Errors
///
/// Fails if the file can't be read, and with [`InvalidInput`](crate::ErrorKind::InvalidInput) for an id that
/// is out of range.
#[doc(alias = "LookupUser")]
pub fn lookup_user(name: &str) -> Result<Option<Passwd>> {
    match Who::new(name).map_err(|why| Error::spec(name, why))? {
        Who::Id(uid) => lookup_uid(uid),
        Who::Name(name) => Passwd::open("/etc/passwd")?.find_name(name),
    }
}

/// Returns the first user of this system's `/etc/passwd` with this id.
///
/// # Errors
///
/// Fails if the file can't be read.
#[doc(alias = "LookupUid")]
pub fn lookup_uid(uid: u32) -> Result<Option<Passwd>> {
    Passwd::open("/etc/passwd")?.find_id(uid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    const EDGE: &[u8] = include_bytes!("../tests/fixtures/edge.passwd");

    #[test]
    fn strict_reading_tells_each_bad_line_by_its_number() {
        let from_memory: Vec<_> = Passwd::parse(EDGE).map(|user| user.map_err(|e| e.to_string())).collect();
        let from_stream: Vec<_> = Passwd::read(EDGE).map(|user| user.map_err(|e| e.to_string())).collect();
        assert_eq!(from_memory, from_stream);
        let errors: Vec<_> = from_memory.into_iter().filter_map(std::result::Result::err).collect();
        assert_eq!(
            errors,
            [
                r#"passwd line 4 "badline": fields are missing"#,
                r#"passwd line 5 "baduid": an id is not a number"#,
                r#"passwd line 6 "neguid": an id is not a number"#,
                r#"passwd line 7 "biguid": an id is beyond 4294967294"#,
                r#"passwd line 8 "hugeuid": an id is beyond 4294967294"#,
                r#"passwd line 9 "emptyuid": an id is empty"#,
                r#"passwd line 15 "+nis": it refers to NIS"#,
                r#"passwd line 16 "-minus": it refers to NIS"#,
                r#"passwd line 17 "short": fields are missing"#,
                r#"passwd line 18 "plus": an id is not a number"#,
                r#"passwd line 19 "octal": an id has a leading zero"#,
                r#"passwd line 20 "space ": an id is not a number"#,
                r#"passwd line 21 "hex": an id is not a number"#,
                r#"passwd line 22 "user": an id is not a number"#,
            ]
        );
    }

    #[test]
    fn lenient_reading_leaves_bad_lines_out() {
        let names: Vec<_> = Passwd::read(EDGE).lenient().map(|user| user.unwrap().name).collect();
        let good = ["root", "1000", "adm", "dup", "dup", "dupid1", "dupid2", "lead", "us,er", "noshell"];
        assert_eq!(names, good);
    }

    #[test]
    fn a_lookup_stops_at_the_first_match() {
        // Behind the match is what must never be read: an endless line.
        use std::io::{self, BufReader, Read};
        let endless = || BufReader::new((&b"a:x:1:1::/a:\nb:x:2:2::/b:\n"[..]).chain(io::repeat(b'x')));
        assert_eq!(Passwd::read(endless()).find_name("b").unwrap().unwrap().uid, 2);
        assert_eq!(Passwd::read(endless()).find_id(1).unwrap().unwrap().name, "a");
        assert_eq!(Passwd::read(EDGE).find_name("nobody-of-this-name").unwrap(), None);
        assert_eq!(Passwd::read(EDGE).find_id(0).unwrap().unwrap().name, "root");
    }

    #[test]
    fn a_stream_that_fails_is_one_error_and_then_ends() {
        struct Broken;
        impl std::io::Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
                Err(std::io::Error::from_raw_os_error(5))
            }
        }
        let results: Vec<_> = Passwd::read(BufReader::new(Broken)).lenient().collect();
        assert_eq!(results.len(), 1);
        assert_eq!(results[0].as_ref().unwrap_err().raw_os_error(), Some(5));
        assert_eq!(Passwd::read(BufReader::new(Broken)).count(), 1);
        assert!(Passwd::read(BufReader::new(Broken)).find_id(0).is_err());
    }

    #[test]
    fn only_regular_files_are_opened() {
        assert_eq!(Passwd::open("/dev/zero").unwrap_err().kind(), ErrorKind::InvalidData);
        assert_eq!(Passwd::open("/").unwrap_err().kind(), ErrorKind::InvalidData);
        assert_eq!(Passwd::open("/nothing/here").unwrap_err().kind(), ErrorKind::NotFound);
    }

    #[test]
    fn this_system_has_a_root() {
        let users = parse_passwd().unwrap();
        assert!(users.iter().any(|user| user.name == "root" && user.uid == 0));
        assert_eq!(parse_passwd_filter(|user| user.uid == 0).unwrap()[0].uid, 0);
        assert_eq!(lookup_user("root").unwrap(), lookup_user("0").unwrap());
        assert_eq!(lookup_user("root").unwrap(), lookup_uid(0).unwrap());
        assert_eq!(lookup_user("4294967295").unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(lookup_user("no such user here").unwrap(), None);
    }
}

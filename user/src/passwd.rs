//! Users: `/etc/passwd`.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::entries::{self, Account, Entries, Entry};
use crate::line;
use crate::spec::Who;
use crate::{Result, sys};

const PASSWD: &str = "/etc/passwd";

/// A user, as a line of [`passwd(5)`] tells it.
///
/// A line is an entry only if it has a name and both ids, of decimal digits from 0 to 4294967294; no id is
/// ever guessed. Text is bytes of any encoding. The password field is passed over.
///
/// [`passwd(5)`]: https://man7.org/linux/man-pages/man5/passwd.5.html
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[doc(alias = "User")]
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

/// A [`Passwd`] as it stands in memory: nothing is copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct PasswdRef<'a> {
    /// The login name.
    pub name: &'a OsStr,
    /// The user id.
    pub uid: u32,
    /// The id of the primary group.
    pub gid: u32,
    /// The comment, by custom the person's name.
    pub gecos: &'a OsStr,
    /// The home directory; may be empty.
    pub home: &'a Path,
    /// The login shell; may be empty.
    pub shell: &'a Path,
}

impl Passwd {
    /// Reads entries that are in memory; a line that is none is one `Err`, which tells its number.
    ///
    /// Nothing is copied, so a line may be of any length: `Passwd::from` makes an entry that outlives the memory.
    ///
    /// ```
    /// let file = b"matt:x:1000:100:Matt:/home/matt:/bin/sh\nmangled:x:zero:0::/:\n";
    /// let users: Vec<_> = user::Passwd::parse(file).collect();
    /// assert_eq!(users[0].as_ref().unwrap().uid, 1000);
    /// assert_eq!(users[1].as_ref().unwrap_err().to_string(), r#"passwd line 2 "mangled": an id is not a number"#);
    /// ```
    pub fn parse(bytes: &[u8]) -> impl Iterator<Item = Result<PasswdRef<'_>>> {
        entries::in_memory::<Passwd>(bytes)
    }

    /// Reads entries from a stream.
    ///
    /// ```
    /// let users = user::Passwd::read(std::io::stdin().lock());
    /// # drop(users);
    /// ```
    pub fn read<R: BufRead>(reader: R) -> Entries<R, Passwd> {
        Entries::new(reader)
    }

    /// Opens a file of entries, which must be a regular one.
    ///
    /// Beneath a root directory that nobody vouches for, [`Root::passwd`](crate::Root::passwd) does it.
    ///
    /// # Errors
    ///
    /// [`NotFound`](crate::ErrorKind::NotFound) without such a file,
    /// [`InvalidData`](crate::ErrorKind::InvalidData) for a pipe, a device or a directory.
    pub fn open(path: impl AsRef<Path>) -> Result<Entries<BufReader<File>, Passwd>> {
        Entries::open(path.as_ref())
    }

    /// Returns the user of this process, by its real id, from this system's `/etc/passwd`; `None` if that doesn't
    /// know it.
    ///
    /// ```
    /// if let Some(me) = user::Passwd::current()? {
    ///     println!("{} lives in {}", me.name.display(), me.home.display());
    /// }
    /// # Ok::<(), user::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Fails if the file can't be read.
    #[doc(alias("CurrentUser", "get_user_by_uid"))]
    pub fn current() -> Result<Option<Passwd>> {
        lookup_uid(sys::uid())
    }
}

impl From<PasswdRef<'_>> for Passwd {
    fn from(user: PasswdRef<'_>) -> Self {
        Passwd {
            name: user.name.to_owned(),
            uid: user.uid,
            gid: user.gid,
            gecos: user.gecos.to_owned(),
            home: user.home.to_owned(),
            shell: user.shell.to_owned(),
        }
    }
}

impl Entry for Passwd {
    type Ref<'a> = PasswdRef<'a>;

    const FILE: &'static str = "passwd";

    /// Reads `name:password:uid:gid:gecos:home:shell`, of which those after the gid may be missing.
    fn parse_line(line: &[u8]) -> std::result::Result<PasswdRef<'_>, &'static str> {
        let line::Head { name, id: uid, mut rest } = line::head(line)?;
        let gid = line::id(line::field(&mut rest).ok_or("fields are missing")?)?;
        let gecos = line::field(&mut rest).unwrap_or_default();
        let home = line::field(&mut rest).unwrap_or_default();
        if rest.contains(&b':') {
            return Err("there are too many fields");
        }
        let [name, gecos, home, shell] = [name, gecos, home, rest].map(OsStr::from_bytes);
        Ok(PasswdRef { name, uid, gid, gecos, home: Path::new(home), shell: Path::new(shell) })
    }

    fn name_of<'e>(entry: &'e PasswdRef<'_>) -> &'e OsStr {
        entry.name
    }
}

impl Account for Passwd {
    fn id_of(entry: &PasswdRef<'_>) -> u32 {
        entry.uid
    }

    fn mark_of(id: u32) -> String {
        format!(":{id}:")
    }
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
pub fn parse_passwd_filter(filter: impl FnMut(&PasswdRef<'_>) -> bool) -> Result<Vec<Passwd>> {
    Passwd::open(PASSWD)?.find_all(filter)
}

/// Returns the first user of this system's `/etc/passwd` of this name; a name of digits is an id. Without that file
/// there is nobody.
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
pub fn lookup_user(name: impl AsRef<OsStr>) -> Result<Option<Passwd>> {
    let who = Who::new("user", name.as_ref())?;
    let Some(users) = entries::open_if_there::<Passwd>(PASSWD)? else { return Ok(None) };
    match who {
        Who::Id(uid) => users.find_id(uid),
        Who::Name(name) => users.find_name(name),
    }
}

/// Returns the first user of this system's `/etc/passwd` with this id.
///
/// # Errors
///
/// Fails if the file can't be read.
#[doc(alias = "LookupUid")]
pub fn lookup_uid(uid: u32) -> Result<Option<Passwd>> {
    entries::open_if_there::<Passwd>(PASSWD)?.map_or(Ok(None), |users| users.find_id(uid))
}

/// Returns the home directory of this process's user: `$HOME` if it is set and not empty, else what
/// [`Passwd::current`] says; `None` if nobody says anything.
///
/// A program that runs for somebody else than who called it, such as one with the set-user-id bit, must not use it.
///
/// ```
/// if let Some(home) = user::home()? {
///     println!("{}", home.join(".config").display());
/// }
/// # Ok::<(), user::Error>(())
/// ```
///
/// # Errors
///
/// Fails if there is no `$HOME` and `/etc/passwd` can't be read.
pub fn home() -> Result<Option<PathBuf>> {
    let not_empty = |home: &PathBuf| !home.as_os_str().is_empty();
    if let Some(home) = std::env::var_os("HOME").map(PathBuf::from).filter(not_empty) {
        return Ok(Some(home));
    }
    Ok(Passwd::current()?.map(|user| user.home).filter(not_empty))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    const EDGE: &[u8] = include_bytes!("../tests/fixtures/edge.passwd");

    #[test]
    fn strict_reading_tells_each_bad_line_by_its_number() {
        let from_memory: Vec<_> =
            Passwd::parse(EDGE).map(|user| user.map(Passwd::from).map_err(|e| e.to_string())).collect();
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
    fn a_line_that_is_too_long_is_not_passed_over_for_another_of_the_name() {
        let file = &b"matt:x:1:1:long gecos:/:\nmatt:x:0:0::/:\nkoye:x:1:1::/:\n   \t            \n"[..];
        let read = || Passwd::read(file).max_line(15);
        let error = read().find_name("matt").unwrap_err();
        assert_eq!(error.to_string(), r#"passwd line "matt": it is longer than 15 bytes"#);
        assert_eq!((error.kind(), error.line()), (ErrorKind::InvalidData, None));
        assert!(read().find_id(1).is_err());
        assert_eq!(read().find_id(0).unwrap().unwrap().name, "matt");
        assert_eq!(read().find_name("koye").unwrap().unwrap().uid, 1);
        let strict: Vec<_> = read().map(|user| user.map_err(|error| error.line())).collect();
        assert_eq!(strict.len(), 4);
        assert_eq!((&strict[0], &strict[3]), (&Err(Some(1)), &Err(Some(4))));
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

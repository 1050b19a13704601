//! Groups: `/etc/group`.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::entries::{self, Account, Entries, Entry};
use crate::line;
use crate::spec::Who;
use crate::{Result, sys};

const GROUP: &str = "/etc/group";

/// A group, as a line of [`group(5)`] tells it.
///
/// A line is an entry only if it has a name and an id, of decimal digits from 0 to 4294967294; no id is ever
/// guessed. The password field is passed over.
///
/// [`group(5)`]: https://man7.org/linux/man-pages/man5/group.5.html
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Group {
    /// The group's name.
    pub name: OsString,
    /// The group's id.
    pub gid: u32,
    /// The names of the users who are in it besides those whose primary group it is. A blank beside a comma
    /// belongs to the name; empty names are left out.
    pub members: Vec<OsString>,
}

/// A [`Group`] as it stands in memory: nothing is copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct GroupRef<'a> {
    /// The group's name.
    pub name: &'a OsStr,
    /// The group's id.
    pub gid: u32,
    members: &'a [u8],
}

impl<'a> GroupRef<'a> {
    /// Returns the names of the members, as [`Group::members`] has them.
    pub fn members(&self) -> impl Iterator<Item = &'a OsStr> + use<'a> {
        let members = self.members.split(|&byte| byte == b',');
        members.filter(|member| !member.is_empty()).map(OsStr::from_bytes)
    }
}

impl Group {
    /// Reads entries that are in memory; a line that is none is one `Err`, which tells its number.
    ///
    /// Nothing is copied, so a line may be of any length: `Group::from` makes an entry that outlives the memory.
    ///
    /// ```
    /// let group = user::Group::parse(b"wheel:x:10:matt,koye\n").next().unwrap()?;
    /// assert!(group.members().any(|member| member == "koye"));
    /// # Ok::<(), user::Error>(())
    /// ```
    pub fn parse(bytes: &[u8]) -> impl Iterator<Item = Result<GroupRef<'_>>> {
        entries::in_memory::<Group>(bytes)
    }

    /// Reads entries from a stream.
    pub fn read<R: BufRead>(reader: R) -> Entries<R, Group> {
        Entries::new(reader)
    }

    /// Opens a file of entries, which must be a regular one.
    ///
    /// Beneath a root directory that nobody vouches for, [`Root::group`](crate::Root::group) does it.
    ///
    /// # Errors
    ///
    /// [`NotFound`](crate::ErrorKind::NotFound) without such a file,
    /// [`InvalidData`](crate::ErrorKind::InvalidData) for a pipe, a device or a directory.
    pub fn open(path: impl AsRef<Path>) -> Result<Entries<BufReader<File>, Group>> {
        Entries::open(path.as_ref())
    }

    /// Returns the primary group of this process, by its real id, from this system's `/etc/group`; `None` if that
    /// doesn't know it.
    ///
    /// # Errors
    ///
    /// Fails if the file can't be read.
    #[doc(alias = "CurrentGroup")]
    pub fn current() -> Result<Option<Group>> {
        lookup_gid(sys::gid())
    }
}

impl From<GroupRef<'_>> for Group {
    fn from(group: GroupRef<'_>) -> Self {
        let members = group.members().map(OsStr::to_owned).collect();
        Group { name: group.name.to_owned(), gid: group.gid, members }
    }
}

impl Entry for Group {
    type Ref<'a> = GroupRef<'a>;

    const FILE: &'static str = "group";

    /// Reads `name:password:gid:members`, of which the last may be missing.
    fn parse_line(line: &[u8]) -> std::result::Result<GroupRef<'_>, &'static str> {
        let line::Head { name, id: gid, rest: members } = line::head(line)?;
        if members.contains(&b':') {
            return Err("there are too many fields");
        }
        Ok(GroupRef { name: OsStr::from_bytes(name), gid, members })
    }

    fn name_of<'e>(entry: &'e GroupRef<'_>) -> &'e OsStr {
        entry.name
    }
}

impl Account for Group {
    fn id_of(entry: &GroupRef<'_>) -> u32 {
        entry.gid
    }

    fn mark_of(id: u32) -> String {
        // It may be the last field.
        format!(":{id}")
    }
}

/// Returns all groups of this system's `/etc/group`; lines that are no entries are passed over.
///
/// # Errors
///
/// Fails if the file can't be read.
#[doc(alias = "ParseGroup")]
pub fn parse_group() -> Result<Vec<Group>> {
    parse_group_filter(|_| true)
}

/// Returns the groups of this system's `/etc/group` that `filter` wants.
///
/// # Errors
///
/// Fails if the file can't be read.
#[doc(alias = "ParseGroupFilter")]
pub fn parse_group_filter(filter: impl FnMut(&GroupRef<'_>) -> bool) -> Result<Vec<Group>> {
    Group::open(GROUP)?.find_all(filter)
}

/// Returns the first group of this system's `/etc/group` of this name; a name of digits is an id. Without that file
/// there is none.
///
/// # Errors
///
/// Fails if the file can't be read, and with [`InvalidInput`](crate::ErrorKind::InvalidInput) for an id that
/// is out of range.
#[doc(alias = "LookupGroup")]
pub fn lookup_group(name: impl AsRef<OsStr>) -> Result<Option<Group>> {
    let who = Who::new("group", name.as_ref())?;
    let Some(groups) = entries::open_if_there::<Group>(GROUP)? else { return Ok(None) };
    match who {
        Who::Id(gid) => groups.find_id(gid),
        Who::Name(name) => groups.find_name(name),
    }
}

/// Returns the first group of this system's `/etc/group` with this id.
///
/// # Errors
///
/// Fails if the file can't be read.
#[doc(alias = "LookupGid")]
pub fn lookup_gid(gid: u32) -> Result<Option<Group>> {
    entries::open_if_there::<Group>(GROUP)?.map_or(Ok(None), |groups| groups.find_id(gid))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EDGE: &[u8] = include_bytes!("../tests/fixtures/edge.group");

    #[test]
    fn strict_reading_tells_each_bad_line_by_its_number() {
        let errors: Vec<_> = Group::parse(EDGE).filter_map(Result::err).map(|e| e.to_string()).collect();
        assert_eq!(
            errors,
            [
                r#"group line 3 "badg": an id is not a number"#,
                r#"group line 9 "big": an id is beyond 4294967294"#,
                r#"group line 11 "short": fields are missing"#,
                r#"group line 12 "neg": an id is not a number"#,
            ]
        );
    }

    #[test]
    fn members_are_names_between_commas() {
        let members = |name| Group::read(EDGE).find_name(name).unwrap().unwrap().members;
        assert_eq!(members("grp"), ["root", "adm", "dup", "1000"]);
        assert_eq!(members("emptymembers"), ["adm"]);
        assert_eq!(members("space"), [" adm ", " root"]);
        assert!(members("dupg").is_empty());
        assert!(Group::parse(b"g:x:1").next().unwrap().unwrap().members().next().is_none());
    }

    #[test]
    fn a_line_with_too_many_fields_is_no_group() {
        assert!(Group::parse(b"g:x:1:a:b").next().unwrap().is_err());
        assert_eq!(Group::read(&b"g:x:1:a:b\ng:x:2:a"[..]).find_name("g").unwrap().unwrap().gid, 2);
    }

    #[test]
    fn this_system_has_a_group_of_root() {
        assert!(parse_group().unwrap().iter().any(|group| group.gid == 0));
        assert_eq!(parse_group_filter(|group| group.gid == 0).unwrap()[0].gid, 0);
        assert_eq!(lookup_group("0").unwrap(), lookup_gid(0).unwrap());
    }
}

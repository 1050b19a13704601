//! Groups: `/etc/group`.

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use crate::entries::{self, Entries, sealed};
use crate::line::Why;
use crate::spec::Who;
use crate::{Error, Result};

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

impl Group {
    /// Reads entries that are in memory; a line that is none is one `Err`, which tells its number.
    ///
    /// ```
    /// let group = user::Group::parse(b"wheel:x:10:matt,koye\n").next().unwrap()?;
    /// assert_eq!(group.members, ["matt", "koye"]);
    /// # Ok::<(), user::Error>(())
    /// ```
    pub fn parse(bytes: &[u8]) -> impl Iterator<Item = Result<Group>> {
        entries::in_memory(bytes)
    }

    /// Reads entries from a stream.
    pub fn read<R: BufRead>(reader: R) -> Entries<R, Group> {
        Entries::new(reader)
    }

    /// Opens a file of entries, which must be a regular one.
    ///
    /// # Errors
    ///
    /// [`NotFound`](crate::ErrorKind::NotFound) without such a file,
    /// [`InvalidData`](crate::ErrorKind::InvalidData) for a pipe, a device or a directory.
    pub fn open(path: impl AsRef<Path>) -> Result<Entries<BufReader<File>, Group>> {
        Entries::open(path.as_ref())
    }
}

impl sealed::Parse for Group {
    const FILE: &'static str = "group";

    fn from_head(name: &[u8], id: u32, rest: &[u8]) -> std::result::Result<Self, Why> {
        let members = members(rest)?.map(|member| OsString::from_vec(member.to_vec())).collect();
        Ok(Group { name: OsString::from_vec(name.to_vec()), gid: id, members })
    }
}

/// Returns the names in the last field of a group.
pub(crate) fn members(field: &[u8]) -> std::result::Result<impl Iterator<Item = &[u8]>, Why> {
    if field.contains(&b':') {
        return Err("there are too many fields");
    }
    Ok(field.split(|&byte| byte == b',').filter(|member| !member.is_empty()))
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
pub fn parse_group_filter(mut filter: impl FnMut(&Group) -> bool) -> Result<Vec<Group>> {
    let groups = Group::open("/etc/group")?.lenient();
    groups.filter(|group| group.as_ref().map_or(true, &mut filter)).collect()
}

/// Returns the first group of this system's `/etc/group` of this name; a name of digits is an id.
///
/// # Errors
///
/// Fails if the file can't be read, and with [`InvalidInput`](crate::ErrorKind::InvalidInput) for an id that
/// is out of range.
#[doc(alias = "LookupGroup")]
pub fn lookup_group(name: &str) -> Result<Option<Group>> {
    match Who::new(name).map_err(|why| Error::spec(name, why))? {
        Who::Id(gid) => lookup_gid(gid),
        Who::Name(name) => Group::open("/etc/group")?.find_name(name),
    }
}

/// Returns the first group of this system's `/etc/group` with this id.
///
/// # Errors
///
/// Fails if the file can't be read.
#[doc(alias = "LookupGid")]
pub fn lookup_gid(gid: u32) -> Result<Option<Group>> {
    Group::open("/etc/group")?.find_id(gid)
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
        assert!(Group::parse(b"g:x:1").next().unwrap().unwrap().members.is_empty());
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

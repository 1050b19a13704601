//! Whose groups are which: looking through the members of a group file.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::io::BufRead;
use std::os::unix::ffi::OsStrExt;

use crate::entries::{Entries, Entry};
use crate::lines::Line;
use crate::search::Needle;
use crate::spec::Who;
use crate::{Error, ErrorKind, Group, GroupRef, Result, line};

/// No process can be in more groups than this: `NGROUPS_MAX` of limits.h.
const GROUPS_MAX: usize = 65_536;

/// So many can be besides the primary one.
const OTHERS_MAX: usize = GROUPS_MAX - 1;

impl<R: BufRead> Entries<R, Group> {
    /// Returns the ids of the groups that list this user as a member, in the order of the file and each once.
    ///
    /// It takes the same memory whatever the file: a group may have any number of members, and no length of a line
    /// is too much. The user's primary group is among them only if it lists the user.
    ///
    /// ```
    /// let file = b"users:x:100:\nwheel:x:10:matt\naudio:x:29:koye,matt\n";
    /// assert_eq!(user::Group::read(&file[..]).gids_of("matt")?, [10, 29]);
    /// # Ok::<(), user::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Fails if the stream can't be read; [`InvalidData`](ErrorKind::InvalidData) if there are more than 65,535
    /// groups, for no process can be in them and a primary one.
    pub fn gids_of(mut self, user: impl AsRef<OsStr>) -> Result<Vec<u32>> {
        let user = user.as_ref();
        // Between commas there is no such name.
        if user.is_empty() || user.as_bytes().contains(&b',') {
            return Ok(Vec::new());
        }
        let needle = Needle::new(user.as_bytes());
        let (mut gids, mut seen) = (Vec::new(), HashSet::new());
        while let Some(gid) = self.next_group(Some(&needle), Some(user), |_, gid| Some(gid))? {
            if seen.insert(gid) {
                gids.push(gid);
            }
            if gids.len() > OTHERS_MAX {
                let why = format!(
                    "there are more than {OTHERS_MAX}, which with the primary one is what a process has"
                );
                return Err(Error::new(
                    ErrorKind::InvalidData,
                    format_args!("find the groups of {user:?}"),
                    why,
                ));
            }
        }
        Ok(gids)
    }

    /// Finds the ids of groups that are given by name or id, in the order in which they are given and each once.
    ///
    /// As in a user spec digits are always an id, never a name, and an id needn't be in the file.
    ///
    /// ```
    /// let file = b"users:x:100:\nwheel:x:10:matt\n";
    /// assert_eq!(user::Group::read(&file[..]).additional_groups(["wheel", "4242", "users", "10"])?, [10, 4242, 100]);
    /// # Ok::<(), user::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`UnknownGroup`](ErrorKind::UnknownGroup) for the first name that isn't in the file,
    /// [`InvalidInput`](ErrorKind::InvalidInput) for an id beyond 4294967294, with a sign or a leading zero, and for
    /// an empty one. Fails, too, if the stream can't be read.
    #[doc(alias = "GetAdditionalGroups")]
    pub fn additional_groups<S: AsRef<OsStr>>(self, groups: impl IntoIterator<Item = S>) -> Result<Vec<u32>> {
        additional_groups(groups, || Ok(Some(self)))
    }

    /// Returns the id of the first group of this name.
    pub(crate) fn find_gid(mut self, name: &OsStr) -> Result<Option<u32>> {
        let needle = Needle::name(name);
        self.next_group(Some(&needle), None, |found, gid| (found == name).then_some(gid))
    }

    /// Goes on to the next group that has the member, if one is given, and of which something is taken.
    ///
    /// Lines of any length are read, in bounded memory.
    fn next_group<T>(
        &mut self,
        needle: Option<&Needle>,
        member: Option<&OsStr>,
        mut take: impl FnMut(&OsStr, u32) -> Option<T>,
    ) -> Result<Option<T>> {
        while let Some(line) = self.next_line(needle)? {
            let taken = match line {
                Line::Whole(line) => {
                    let group = line::text(line).and_then(|line| Group::parse_line(line).ok());
                    let has = |group: &GroupRef<'_>| {
                        member.is_none_or(|member| group.members().any(|other| other == member))
                    };
                    group.filter(has).and_then(|group| take(group.name, group.gid))
                }
                Line::Long(start) => {
                    let Some(mut group) = LongGroup::new(start, member) else { continue };
                    self.rest_of_line(|bytes| group.feed(bytes))?;
                    if group.is_one() { take(&group.name, group.gid) } else { None }
                }
            };
            if taken.is_some() {
                return Ok(taken);
            }
        }
        Ok(None)
    }
}

/// A group whose line is too long to be held.
struct LongGroup<'a> {
    name: OsString,
    gid: u32,
    member: Option<&'a [u8]>,
    /// The member between two commas, and whether that is all of it.
    needle: Option<(Needle, bool)>,
    /// The member that is being read: a carriage return and a byte more than is looked for are enough to tell them
    /// apart.
    reading: Vec<u8>,
    found: bool,
    sound: bool,
}

impl<'a> LongGroup<'a> {
    /// Takes the head of a line; `None` if it is no group's.
    fn new(start: &[u8], member: Option<&'a OsStr>) -> Option<Self> {
        let text = line::text(start)?;
        // Without the colon behind it, only the first digits of an id may be here.
        text.iter().filter(|&&byte| byte == b':').nth(2)?;
        let line::Head { name, id: gid, rest } = line::head(text).ok()?;
        let (name, member) = (OsStr::from_bytes(name).to_owned(), member.map(OsStr::as_bytes));
        let needle = member.map(|member| {
            let bytes = [b",", member, b","].concat();
            let needle = Needle::new(&bytes);
            let all = needle.is_all_of(&bytes);
            (needle, all)
        });
        let mut group =
            LongGroup { name, gid, member, needle, reading: Vec::new(), found: false, sound: true };
        group.feed(rest);
        Some(group)
    }

    fn feed(&mut self, bytes: &[u8]) {
        self.sound &= line::find(bytes, b':').is_none() && line::find(bytes, 0).is_none();
        let Some(member) = self.member else { return };
        let Some(first) = line::find(bytes, b',') else { return self.read_on(bytes) };
        let last = bytes.iter().rposition(|&byte| byte == b',').unwrap_or(first);
        self.read_on(&bytes[..first]);
        self.found |= self.reading == member || self.is_among(&bytes[first..=last]);
        self.reading.clear();
        self.read_on(&bytes[last + 1..]);
    }

    fn read_on(&mut self, part: &[u8]) {
        let room = (self.member.map_or(0, <[u8]>::len) + 2).saturating_sub(self.reading.len());
        self.reading.extend_from_slice(&part[..part.len().min(room)]);
    }

    /// Looks for the member among names between commas, with a comma at either end.
    fn is_among(&self, names: &[u8]) -> bool {
        let Some(((needle, all), member)) = self.needle.as_ref().zip(self.member) else { return false };
        // Of a long name only the end was found.
        needle.find(names).is_some() && (*all || names.split(|&byte| byte == b',').any(|name| name == member))
    }

    /// Tells whether the whole line is a group, and has the member.
    fn is_one(&self) -> bool {
        let last = self.reading.strip_suffix(b"\r").unwrap_or(&self.reading);
        self.sound && self.member.is_none_or(|member| self.found || last == member)
    }
}

/// The file is asked for only if a name must be looked up.
pub(crate) fn additional_groups<R: BufRead, S: AsRef<OsStr>>(
    groups: impl IntoIterator<Item = S>,
    file: impl FnOnce() -> Result<Option<Entries<R, Group>>>,
) -> Result<Vec<u32>> {
    let groups: Vec<S> = groups.into_iter().collect();
    let asked = groups.iter().map(|group| Who::new("group", group.as_ref())).collect::<Result<Vec<_>>>()?;
    let unknown: HashSet<&OsStr> = asked.iter().filter_map(|who| who.name()).collect();
    let mut known: HashMap<OsString, u32> = HashMap::new();
    if !unknown.is_empty()
        && let Some(mut file) = file()?
    {
        let wanted = |name: &OsStr, gid| unknown.contains(name).then(|| (name.to_owned(), gid));
        while known.len() < unknown.len()
            && let Some((name, gid)) = file.next_group(None, None, wanted)?
        {
            // The first of several holds.
            known.entry(name).or_insert(gid);
        }
    }
    let mut seen = HashSet::new();
    let gids = asked.iter().map(|who| match *who {
        Who::Id(gid) => Ok(gid),
        Who::Name(name) => known.get(name).copied().ok_or_else(|| Error::unknown_group(name)),
    });
    gids.filter(|gid| gid.as_ref().map_or(true, |&gid| seen.insert(gid))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::BufReader;

    /// A group file whose lines are too long for the reader, by far and by a little.
    fn gids(file: &[u8], user: &str) -> Vec<u32> {
        let expected = Group::read(file).gids_of(user).unwrap();
        for (capacity, max) in [(1, 12), (3, 12), (7, 11), (64, 15), (8192, 20), (8192, 1 << 20)] {
            let groups = Group::read(BufReader::with_capacity(capacity, file)).max_line(max);
            assert_eq!(groups.gids_of(user).unwrap(), expected, "{capacity} {max}");
        }
        expected
    }

    #[test]
    fn members_are_found_however_long_the_line() {
        let file = b"a:x:1:one,matthew,matt\r\nb:x:2:matt\nc:x:3:xmatt,mattx,ma,tt\nd:x:4:matt,more,and,more\n\
            e:x:5:one,two,three,four,mat,matt\nf:x:6:matt,one,two:three\ng:x:7:one,two,matt,\0\nh:x:-8:one,two,matt\n\
            i:x:2:matt\n   j:x:9: matt,matt\n#k:x:10:one,two,matt\nl:x:11:matt\r,one,two,three\nm:x:12:one,two,,,matt\n\
            n:x:13:one,two,three,matt\r\r\no:x:14:one,two,three,matt\rx";
        assert_eq!(gids(file, "matt"), [1, 2, 4, 5, 9, 12]);
        assert_eq!(gids(file, " matt"), [9]);
        assert_eq!(gids(file, ""), []);
        assert_eq!(gids(file, "one,two"), []);
        // A search for ",two,three," finds what no member is.
        assert_eq!(gids(b"a:x:1:one,two,three,four,five,six", "two,three"), []);
        let long = "m".repeat(200);
        assert_eq!(
            gids(format!("a:x:1:{long}\nb:x:2:x{long},{long}x\nc:x:3:x,{long}").as_bytes(), &long),
            [1, 3]
        );
    }

    #[test]
    fn additional_groups_are_names_and_ids_in_order_and_once() {
        let file = b"one:x:1:\ntwo:x:2:some,members,of,it\n3:x:33:\ntwo:x:22:\nalso-one:x:1:\nbad:x:-5:\n";
        let find = |groups: &[&str]| {
            let expected = Group::read(&file[..]).additional_groups(groups);
            let short =
                Group::read(BufReader::with_capacity(3, &file[..])).max_line(13).additional_groups(groups);
            assert_eq!(expected.as_ref().ok(), short.as_ref().ok());
            expected
        };
        assert_eq!(
            find(&["two", "one", "3", "2", "also-one", "4294967294", "two"]).unwrap(),
            [2, 1, 3, 4_294_967_294]
        );
        assert!(find(&[]).unwrap().is_empty());
        // Cut off after the first digit, 22 would have become 2.
        let cut = Group::read(&b"two:x:22:members\n"[..]).max_line(7).additional_groups(["two"]);
        assert_eq!(cut.unwrap_err().kind(), ErrorKind::UnknownGroup);
        for (groups, kind, why) in [
            (&["one", ""][..], ErrorKind::InvalidInput, r#"group "": it is empty"#),
            (&["-1"], ErrorKind::InvalidInput, r#"group "-1": it is neither a name nor an id"#),
            (&["4294967295"], ErrorKind::InvalidInput, r#"group "4294967295": an id is beyond 4294967294"#),
            (
                &["one", "nobody", "none"],
                ErrorKind::UnknownGroup,
                r#"find group "nobody": no such entry in the group file"#,
            ),
            (&["bad"], ErrorKind::UnknownGroup, r#"find group "bad": no such entry in the group file"#),
        ] {
            let error = find(groups).unwrap_err();
            assert_eq!((error.kind(), error.to_string().as_str()), (kind, why));
        }
    }
}

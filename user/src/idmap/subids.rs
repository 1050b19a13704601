//! Maps of subordinate ids, and whose these are.

use std::borrow::Borrow;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use super::{IdMap, IdRange};
use crate::{Error, ErrorKind, Passwd, PasswdRef, Result, SubId, line, sys};

/// A user with subordinate ids, as [`newuidmap(1)`] and [`newgidmap(1)`] know the one who asks them.
///
/// It is made of a [`Passwd`], or field by field of a user whom no passwd file has.
///
/// [`newuidmap(1)`]: https://man7.org/linux/man-pages/man1/newuidmap.1.html
/// [`newgidmap(1)`]: https://man7.org/linux/man-pages/man1/newgidmap.1.html
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Owner {
    /// The login name.
    pub name: OsString,
    /// The user id.
    pub uid: u32,
    /// The id of the primary group, with which the user asks.
    pub gid: u32,
}

impl Owner {
    /// Returns the user of this process, by its real ids; the name is empty if `/etc/passwd` doesn't know the user,
    /// who may have subordinate ids by the uid all the same.
    ///
    /// ```
    /// # use user::{IdMaps, Owner};
    /// let me = Owner::current()?;
    /// let maps = IdMaps::rootless(&me, user::current_subuids()?, user::current_subgids()?)?;
    /// assert_eq!(maps.root()?, (me.uid, me.gid));
    /// # Ok::<(), user::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Fails if `/etc/passwd` can't be read.
    pub fn current() -> Result<Owner> {
        let name = Passwd::current()?.map(|user| user.name).unwrap_or_default();
        Ok(Owner { name, uid: sys::uid(), gid: sys::gid() })
    }

    /// Returns whether subordinate ids are this user's, by the name or by the uid in digits.
    ///
    /// ```
    /// let subuid = b"matt:100000:65536\nkoye:165536:65536\n1000:300000:1000\n";
    /// let matt = user::Owner { name: "matt".into(), uid: 1000, gid: 100 };
    /// let of_matt = user::SubId::read(&subuid[..]).flatten().filter(|subid| matt.owns(subid));
    /// assert_eq!(of_matt.count(), 2);
    /// ```
    pub fn owns(&self, subid: &SubId) -> bool {
        self.is(&subid.owner)
    }

    /// Tells whether the owner of a range is this user.
    pub(crate) fn is(&self, owner: &OsStr) -> bool {
        owner == self.name || line::id(owner.as_bytes()) == Ok(self.uid)
    }
}

impl From<&Passwd> for Owner {
    fn from(user: &Passwd) -> Self {
        Owner { name: user.name.clone(), uid: user.uid, gid: user.gid }
    }
}

impl From<PasswdRef<'_>> for Owner {
    fn from(user: PasswdRef<'_>) -> Self {
        Owner { name: user.name.to_owned(), uid: user.uid, gid: user.gid }
    }
}

impl IdMap {
    /// Maps the ids from 0 on to subordinate ids, one range after the other.
    ///
    /// This is what an engine of root does whose containers are to have the ids of one user (`userns-remap`). The
    /// ranges are to be those of that user only: [`IdMaps::from_subids`](crate::IdMaps::from_subids) picks them.
    /// Those of length 0 are passed over.
    ///
    /// ```
    /// use user::{IdMap, SubId};
    ///
    /// let subuid = b"dockremap:500000:1000\ndockremap:900000:10\n";
    /// let subuid: Vec<SubId> = SubId::read(&subuid[..]).collect::<Result<_, _>>()?;
    /// let map = IdMap::from_subids(&subuid)?;
    /// assert_eq!(map.to_string(), "0 500000 1000\n1000 900000 10");
    /// # Ok::<(), user::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) without any ids, and for ranges that [`IdMap::new`] refuses.
    #[doc(alias = "LoadIdentityMapping")]
    pub fn from_subids(subids: impl IntoIterator<Item: Borrow<SubId>>) -> Result<Self> {
        let map = IdMap::new(one_after_the_other(0, subids))?;
        if map.is_empty() {
            return Err(Error::new(ErrorKind::InvalidInput, "id map of subordinate ids", "there are none"));
        }
        Ok(map)
    }

    /// Maps 0 to a user's own id, and the ids from 1 on to subordinate ids, one range after the other.
    ///
    /// This is what engines do that run without root. Without subordinate ids only 0 is mapped. The ranges are to
    /// be those of this user only: [`IdMaps::rootless`](crate::IdMaps::rootless) picks them. Those of length 0
    /// are passed over.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) for ranges that [`IdMap::new`] refuses; one that has the user's
    /// own id is among them.
    pub fn rootless(own_id: u32, subids: impl IntoIterator<Item: Borrow<SubId>>) -> Result<Self> {
        let own = IdRange { inside: 0, outside: own_id, length: 1 };
        IdMap::new([own].into_iter().chain(one_after_the_other(1, subids)))
    }
}

/// An id inside that would be beyond all ids comes of ranges that overlap outside, or go beyond the last id
/// there: they are refused for that.
fn one_after_the_other(
    first: u32,
    subids: impl IntoIterator<Item: Borrow<SubId>>,
) -> impl Iterator<Item = IdRange> {
    let mut inside = first;
    subids.into_iter().filter_map(move |subid| {
        let &SubId { first: outside, length, .. } = subid.borrow();
        let range = IdRange { inside, outside, length };
        inside = inside.saturating_add(length);
        (length > 0).then_some(range)
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Ranges as nobody checked them: the fields are public, whatever a file may hold.
    pub(in crate::idmap) fn subids(text: &str) -> Vec<SubId> {
        let subid = |line: &str| {
            let [owner, first, length] = line.split(':').collect::<Vec<_>>()[..] else { panic!("{line}") };
            SubId { owner: owner.into(), first: first.parse().unwrap(), length: length.parse().unwrap() }
        };
        text.lines().map(subid).collect()
    }

    #[test]
    fn subordinate_ids_follow_one_another_inside() {
        let map = IdMap::from_subids(subids("a:1000:10\na:5:0\na:2000:5")).unwrap();
        assert_eq!(map.to_string(), "0 1000 10\n10 2000 5");
        let map = IdMap::rootless(7, subids("a:2000:5\na:1000:10")).unwrap();
        assert_eq!(map.to_string(), "0 7 1\n1 2000 5\n6 1000 10");
        assert_eq!(map.to_args(), ["0", "7", "1", "1", "2000", "5", "6", "1000", "10"]);
        assert_eq!(IdMap::rootless(7, subids("")).unwrap().to_string(), "0 7 1");
        assert_eq!(IdMap::from_subids(subids("a:0:4294967295")).unwrap(), IdMap::identity());
    }

    #[test]
    fn subordinate_ids_that_overlap_or_overflow_are_refused() {
        for (text, why) in [
            ("", "id map of subordinate ids: there are none"),
            ("a:5:0", "id map of subordinate ids: there are none"),
            ("a:100:10\na:109:10", r#"id map range "10 109 10": outside it overlaps "0 100 10""#),
            (
                "a:4294967294:2",
                r#"id map range "0 4294967294 2": outside it goes beyond the last id, 4294967294"#,
            ),
            // More ids than there are can't but overlap, and that is the better reason.
            (
                "a:0:4294967295\na:0:4294967295\na:0:1",
                r#"id map range "4294967295 0 4294967295": outside it overlaps "0 0 4294967295""#,
            ),
        ] {
            assert_eq!(IdMap::from_subids(subids(text)).unwrap_err().to_string(), why);
        }
        assert_eq!(
            IdMap::rootless(1005, subids("a:1000:10")).unwrap_err().to_string(),
            r#"id map range "1 1000 10": outside it overlaps "0 1005 1""#
        );
    }

    #[test]
    fn an_owner_is_meant_by_the_name_or_by_the_uid_and_by_nothing_else() {
        let matt = Owner { name: "matt".into(), uid: 1000, gid: 100 };
        let owned = |text| matt.owns(&subids(text)[0]);
        assert!(owned("matt:1:1") && owned("1000:1:1"));
        for other in ["Matt:1:1", "matt :1:1", "100:1:1", "01000:1:1", "+1000:1:1", "4294968296:1:1", ":1:1"]
        {
            assert!(!owned(other), "{other}");
        }
    }
}

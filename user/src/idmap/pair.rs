//! Both maps of a user namespace.

use std::borrow::Borrow;
use std::ffi::OsStr;
use std::fmt::Display;

use super::{IdMap, Owner};
use crate::{Error, ErrorKind, Result, SubId, lookup_user};

/// The maps of user ids and of group ids of a user namespace.
///
/// ```
/// use user::{IdMaps, Owner, SubId};
///
/// let ids: Vec<SubId> = SubId::read(&b"matt:100000:65536\n"[..]).collect::<Result<_, _>>()?;
/// let matt = Owner { name: "matt".into(), uid: 1000, gid: 100 };
/// let maps = IdMaps::rootless(&matt, &ids, &ids)?;
/// assert_eq!(maps.to_host(0, 33)?, (1000, 100_032));
/// assert_eq!(
///     maps.to_container(0, 100).unwrap_err().to_string(),
///     "map uid 0 of the host into the container: no range of the id map has it"
/// );
/// # Ok::<(), user::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
#[doc(alias = "IdentityMapping")]
pub struct IdMaps {
    /// The map of user ids.
    pub uids: IdMap,
    /// The map of group ids.
    pub gids: IdMap,
}

impl IdMaps {
    /// Returns the maps of the initial user namespace: each id is itself.
    pub fn identity() -> Self {
        IdMaps { uids: IdMap::identity(), gids: IdMap::identity() }
    }

    /// Returns the maps of a process's user namespace, or with `None` of this process's own.
    ///
    /// # Errors
    ///
    /// As [`IdMap::uids_of`].
    pub fn of_process(pid: impl Into<Option<u32>>) -> Result<Self> {
        let pid = pid.into();
        Ok(IdMaps { uids: IdMap::uids_of(pid)?, gids: IdMap::gids_of(pid)? })
    }

    /// Maps the ids from 0 on to the subordinate ids of a user of this system, by `/etc/passwd`, `/etc/subuid` and
    /// `/etc/subgid`.
    ///
    /// A name of digits is a uid. [`IdMaps::from_subids`] does it for users of other files.
    ///
    /// # Errors
    ///
    /// [`UnknownUser`](ErrorKind::UnknownUser), [`NotFound`](ErrorKind::NotFound) without such a file, and as
    /// [`IdMaps::from_subids`].
    #[doc(alias = "LoadIdentityMapping")]
    pub fn of_user(name: impl AsRef<OsStr>) -> Result<Self> {
        let name = name.as_ref();
        let user = lookup_user(name)?.ok_or_else(|| Error::unknown_user(name))?;
        let ids = |file| SubId::open(file)?.of_user(&Owner::from(&user));
        IdMaps::from_subids(&Owner::from(&user), ids("/etc/subuid")?, ids("/etc/subgid")?)
    }

    /// Maps the ids from 0 on to a user's subordinate ids, as [`IdMap::from_subids`] does.
    ///
    /// `uids` are lines of [`subuid(5)`], and `gids` of [`subgid(5)`]. Those of other users are passed over.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) for a user without such ids, and for ranges that [`IdMap::new`]
    /// refuses.
    ///
    /// [`subuid(5)`]: https://man7.org/linux/man-pages/man5/subuid.5.html
    /// [`subgid(5)`]: https://man7.org/linux/man-pages/man5/subgid.5.html
    pub fn from_subids(
        owner: &Owner,
        uids: impl IntoIterator<Item: Borrow<SubId>>,
        gids: impl IntoIterator<Item: Borrow<SubId>>,
    ) -> Result<Self> {
        Ok(IdMaps { uids: some_of("uids", owner, uids)?, gids: some_of("gids", owner, gids)? })
    }

    /// Maps 0 to a user, and the ids from 1 on to the user's subordinate ids, as [`IdMap::rootless`] does.
    ///
    /// `uids` are lines of [`subuid(5)`], and `gids` of [`subgid(5)`]. Those of other users are passed over.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) for ranges that [`IdMap::new`] refuses.
    ///
    /// [`subuid(5)`]: https://man7.org/linux/man-pages/man5/subuid.5.html
    /// [`subgid(5)`]: https://man7.org/linux/man-pages/man5/subgid.5.html
    pub fn rootless(
        owner: &Owner,
        uids: impl IntoIterator<Item: Borrow<SubId>>,
        gids: impl IntoIterator<Item: Borrow<SubId>>,
    ) -> Result<Self> {
        let uids = IdMap::rootless(owner.uid, of(owner, uids))?;
        let gids = IdMap::rootless(owner.gid, of(owner, gids))?;
        Ok(IdMaps { uids, gids })
    }

    /// Checks whether `newuidmap` and `newgidmap` will write these maps for a user.
    ///
    /// `uids` are lines of `/etc/subuid`, and `gids` of `/etc/subgid`; those of other users don't count.
    ///
    /// # Errors
    ///
    /// As [`IdMap::check_newuidmap`] and [`IdMap::check_newgidmap`].
    pub fn check_permitted(
        &self,
        owner: &Owner,
        uids: impl IntoIterator<Item: Borrow<SubId>>,
        gids: impl IntoIterator<Item: Borrow<SubId>>,
    ) -> Result<()> {
        self.uids.check_newuidmap(owner, uids)?;
        self.gids.check_newgidmap(owner, gids)
    }

    /// Returns who a user and a group of the user namespace are outside.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) with the id that isn't mapped. So it is with empty maps: see
    /// [`IdMap`].
    #[doc(alias = "ToHost")]
    pub fn to_host(&self, uid: u32, gid: u32) -> Result<(u32, u32)> {
        let unmapped = |kind, id| unmapped(format_args!("map {kind} {id} of the container to the host"));
        Ok((
            self.uids.to_host(uid).ok_or_else(|| unmapped("uid", uid))?,
            self.gids.to_host(gid).ok_or_else(|| unmapped("gid", gid))?,
        ))
    }

    /// Returns who a user and a group outside are in the user namespace.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) with the id that isn't mapped.
    #[doc(alias = "ToContainer")]
    pub fn to_container(&self, uid: u32, gid: u32) -> Result<(u32, u32)> {
        let unmapped = |kind, id| unmapped(format_args!("map {kind} {id} of the host into the container"));
        Ok((
            self.uids.to_container(uid).ok_or_else(|| unmapped("uid", uid))?,
            self.gids.to_container(gid).ok_or_else(|| unmapped("gid", gid))?,
        ))
    }

    /// Returns who root and root's group of the user namespace are outside.
    ///
    /// # Errors
    ///
    /// As [`IdMaps::to_host`], if the namespace has no root.
    #[doc(alias = "RootPair")]
    pub fn root(&self) -> Result<(u32, u32)> {
        self.to_host(0, 0)
    }

    /// Returns whether neither users nor groups are mapped.
    #[doc(alias = "Empty")]
    pub fn is_empty(&self) -> bool {
        self.uids.is_empty() && self.gids.is_empty()
    }
}

fn of<S: Borrow<SubId>>(owner: &Owner, subids: impl IntoIterator<Item = S>) -> impl Iterator<Item = S> {
    subids.into_iter().filter(|subid| owner.owns(subid.borrow()))
}

/// A user without subordinate ids is told apart: it is what new users of engines run into.
fn some_of<S: Borrow<SubId>>(
    kind: &str,
    owner: &Owner,
    subids: impl IntoIterator<Item = S>,
) -> Result<IdMap> {
    let mut subids = of(owner, subids).filter(|subid| subid.borrow().length > 0).peekable();
    if subids.peek().is_none() {
        let what = format!("find subordinate {kind} of {:?}", owner.name);
        return Err(Error::new(ErrorKind::InvalidInput, what, "there are none"));
    }
    IdMap::from_subids(subids)
}

fn unmapped(what: impl Display) -> Error {
    Error::new(ErrorKind::InvalidInput, what, "no range of the id map has it")
}

#[cfg(test)]
mod tests {
    use super::super::subids::tests::subids;
    use super::*;

    fn matt() -> Owner {
        Owner { name: "matt".into(), uid: 1000, gid: 100 }
    }

    #[test]
    fn a_pair_is_mapped_both_ways_or_the_id_is_named_that_is_not() {
        let maps = IdMaps { uids: "0 1000 1".parse().unwrap(), gids: "0 100 1\n1 5000 9".parse().unwrap() };
        assert_eq!(maps.to_host(0, 9).unwrap(), (1000, 5008));
        assert_eq!(maps.to_container(1000, 5008).unwrap(), (0, 9));
        assert_eq!(maps.root().unwrap(), (1000, 100));
        for (error, expected) in [
            (maps.to_host(1, 0), "map uid 1 of the container to the host"),
            (maps.to_host(0, 10), "map gid 10 of the container to the host"),
            (maps.to_container(0, 100), "map uid 0 of the host into the container"),
            (maps.to_container(1000, 0), "map gid 0 of the host into the container"),
        ] {
            let error = error.unwrap_err();
            assert_eq!(error.to_string(), format!("{expected}: no range of the id map has it"));
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
        }
    }

    #[test]
    fn empty_maps_are_nobodys_and_not_everybodys() {
        // The Go library takes them for "each id is itself": a map that failed to be read made root of root.
        let nothing = IdMaps::default();
        assert!(nothing.is_empty());
        assert!(nothing.root().is_err() && nothing.to_container(0, 0).is_err());
        let all = IdMaps::identity();
        assert!(!all.is_empty());
        assert_eq!(all.to_host(7, u32::MAX - 1).unwrap(), (7, u32::MAX - 1));
        assert_eq!(all.root().unwrap(), (0, 0));
    }

    #[test]
    fn only_lines_of_the_owner_count() {
        let (uids, gids) =
            (subids("koye:1:1\nmatt:5000:10\n1000:7000:5\n100:9000:1"), subids("matt:6000:10\nkoye:8000:10"));
        let maps = IdMaps::from_subids(&matt(), &uids, &gids).unwrap();
        assert_eq!(maps.uids.to_string(), "0 5000 10\n10 7000 5");
        assert_eq!(maps.gids.to_string(), "0 6000 10");
        let maps = IdMaps::rootless(&matt(), &uids, &gids).unwrap();
        assert_eq!(maps.uids.to_string(), "0 1000 1\n1 5000 10\n11 7000 5");
        assert_eq!(maps.gids.to_string(), "0 100 1\n1 6000 10");
        maps.check_permitted(&matt(), &uids, &gids).unwrap();
        assert!(
            maps.check_permitted(&matt(), &uids, &uids).unwrap_err().to_string().starts_with("newgidmap")
        );
        assert!(
            maps.check_permitted(&matt(), &gids, &gids).unwrap_err().to_string().starts_with("newuidmap")
        );
    }

    #[test]
    fn a_user_without_subordinate_ids_is_told_so() {
        let (some, none) = (subids("matt:5000:10"), subids("koye:5000:10\nmatt:7000:0"));
        let error = IdMaps::from_subids(&matt(), &none, &some).unwrap_err();
        assert_eq!(error.to_string(), r#"find subordinate uids of "matt": there are none"#);
        let error = IdMaps::from_subids(&matt(), &some, &none).unwrap_err();
        assert_eq!(error.to_string(), r#"find subordinate gids of "matt": there are none"#);
        let maps = IdMaps::rootless(&matt(), &none, &none).unwrap();
        assert_eq!((maps.uids.to_string(), maps.gids.to_string()), ("0 1000 1".into(), "0 100 1".into()));
    }

    #[test]
    fn this_process_has_maps() {
        let of_id = IdMaps::of_process(std::process::id()).unwrap();
        assert_eq!(IdMaps::of_process(None).unwrap(), of_id);
        assert_eq!((of_id.uids, of_id.gids), (IdMap::uids_of(None).unwrap(), IdMap::gids_of(None).unwrap()));
    }
}

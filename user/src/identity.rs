//! Who a program is to be: the ids, groups and home behind a user spec.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::io::BufRead;
use std::path::PathBuf;

use crate::entries::Entries;
use crate::spec::{Spec, Who};
use crate::{Error, ErrorKind, Group, Passwd, Result, Root, line, root};

/// What holds where neither the spec nor the files say anything.
///
/// ```
/// let mut defaults = user::Defaults::default();
/// defaults.home = "/tmp".into();
/// let nobody = user::Identity::resolve("65534", &defaults, std::io::empty(), std::io::empty())?;
/// assert_eq!((nobody.gid, nobody.home.to_str()), (0, Some("/tmp")));
/// # Ok::<(), user::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Defaults {
    /// The user of a spec that names none: 0.
    pub uid: u32,
    /// The primary group of a user whom the passwd file doesn't know: 0.
    pub gid: u32,
    /// The supplementary groups of a user whom the passwd file doesn't know, without a group in the spec: none.
    pub groups: Vec<u32>,
    /// The home of a user who has none: `/`.
    pub home: PathBuf,
}

impl Defaults {
    fn check(&self) -> Result<()> {
        proper("default uid", self.uid)?;
        proper("default gid", self.gid)?;
        self.groups.iter().try_for_each(|&gid| proper("default gid", gid))
    }
}

/// Refuses what setresuid(2) and its kin take for "leave it as it is", which for root means to stay root.
pub(crate) fn proper(what: &str, id: u32) -> Result<()> {
    if id <= line::ID_MAX {
        return Ok(());
    }
    Err(Error::new(ErrorKind::InvalidInput, format_args!("{what} {id}"), "an id is beyond 4294967294"))
}

impl Default for Defaults {
    fn default() -> Self {
        Defaults { uid: 0, gid: 0, groups: Vec::new(), home: PathBuf::from("/") }
    }
}

/// Who a program is to be.
///
/// ```
/// use user::{Defaults, Identity};
///
/// let passwd = &b"matt:x:1000:100:Matt:/home/matt:/bin/sh\n"[..];
/// let group = &b"users:x:100:\nwheel:x:10:matt\n"[..];
/// let matt = Identity::resolve("matt", &Defaults::default(), passwd, group)?;
/// assert_eq!((matt.uid, matt.gid, &matt.groups[..]), (1000, 100, &[10][..]));
/// assert_eq!(matt.groups_with_primary(), [100, 10]);
/// # Ok::<(), user::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[doc(alias = "ExecUser")]
#[non_exhaustive]
pub struct Identity {
    /// The user id.
    pub uid: u32,
    /// The id of the primary group.
    pub gid: u32,
    /// The supplementary groups, in the order of the group file and each once.
    pub groups: Vec<u32>,
    /// The home directory.
    pub home: PathBuf,
    /// The login shell, if the passwd file names one.
    pub shell: Option<PathBuf>,
    /// The user's name, if the passwd file knows the user.
    pub name: Option<OsString>,
}

impl Identity {
    /// Returns somebody whom no file knows, with no supplementary groups and `/` as home: the `user` of an OCI
    /// process.
    ///
    /// ```
    /// let mut who = user::Identity::new(1000, 100)?;
    /// who.add_groups([10, 20])?;
    /// assert_eq!(who.groups_with_primary(), [100, 10, 20]);
    /// # Ok::<(), user::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) for 4294967295, which is nobody's.
    pub fn new(uid: u32, gid: u32) -> Result<Identity> {
        let defaults = Defaults { uid, gid, ..Defaults::default() };
        defaults.check()?;
        Ok(Identity::unknown(uid, &defaults))
    }

    fn unknown(uid: u32, defaults: &Defaults) -> Identity {
        let Defaults { gid, groups, home, .. } = defaults.clone();
        Identity { uid, gid, groups, home, shell: None, name: None }
    }

    /// Finds who is meant by a user spec: `user`, `uid`, `user:group`, `uid:gid`, `:group` or nothing.
    ///
    /// - Digits are always an id, never a name, and an id needn't be in the files.
    /// - Without a user it is the default one. A side that is empty isn't there: `root:` is `root`.
    /// - Supplementary groups are those that list the user's name, and only without a group in the spec.
    /// - Of several entries that match, the first holds. Lines that are no entries are passed over.
    ///
    /// The files may be any streams, `&[u8]` among them; one that isn't there is [`std::io::empty`]. They are read
    /// in bounded memory and no further than needed. For `etc/passwd` and `etc/group` of a rootfs there is
    /// [`Root::resolve`], for others [`Root::open_file`]:
    ///
    /// ```no_run
    /// # use user::{Defaults, Identity, Root};
    /// let root = Root::open("/srv/rootfs")?;
    /// let (passwd, group) = (root.open_file("usr/lib/passwd")?, root.open_file("usr/lib/group")?);
    /// let web = Identity::resolve("web", &Defaults::default(), passwd, group)?;
    /// # Ok::<(), user::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`UnknownUser`](ErrorKind::UnknownUser) and [`UnknownGroup`](ErrorKind::UnknownGroup) for
    /// names that aren't in the files; [`InvalidInput`](ErrorKind::InvalidInput) for ids beyond 4294967294,
    /// those of the defaults too, or with a sign or leading zero, and for more than one colon;
    /// [`InvalidData`](ErrorKind::InvalidData) for a user in more groups than a process can have, and for one whose
    /// line is longer than 1 MiB.
    #[doc(alias = "GetExecUser")]
    pub fn resolve(
        spec: impl AsRef<OsStr>,
        defaults: &Defaults,
        passwd: impl BufRead,
        group: impl BufRead,
    ) -> Result<Identity> {
        let (passwd, group) = (|| Ok(Some(Passwd::read(passwd))), || Ok(Some(Group::read(group))));
        resolve(spec.as_ref(), defaults, passwd, group)
    }

    /// Returns the supplementary groups with the primary one at their head, as setgroups(2) should get them.
    ///
    /// A primary group that is in no list is lost when the group id changes, and what is forbidden to the
    /// group is allowed then (CVE-2022-36109).
    pub fn groups_with_primary(&self) -> Vec<u32> {
        let others = self.groups.iter().copied().filter(|&gid| gid != self.gid);
        std::iter::once(self.gid).chain(others).collect()
    }

    /// Puts groups behind the supplementary ones, such as those of [`Root::additional_groups`]; each stays once.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) for 4294967295, which is nobody's; then nothing is changed.
    pub fn add_groups(&mut self, groups: impl IntoIterator<Item = u32>) -> Result<()> {
        let mut seen: HashSet<u32> = self.groups.iter().copied().collect();
        let more: Vec<u32> = groups.into_iter().filter(|&gid| seen.insert(gid)).collect();
        more.iter().try_for_each(|&gid| proper("gid", gid))?;
        self.groups.extend(more);
        Ok(())
    }
}

/// Finds who is meant by a user spec on this system. `uid` and `gid` are the default ids: see [`Defaults`].
///
/// ```
/// let root = user::identity("root", 0, 0)?;
/// assert_eq!(root.uid, 0);
/// # Ok::<(), user::Error>(())
/// ```
///
/// # Errors
///
/// As [`Root::resolve`].
#[doc(alias = "GetUserGroupSupplementary")]
pub fn identity(spec: impl AsRef<OsStr>, uid: u32, gid: u32) -> Result<Identity> {
    Root::open("/")?.resolve(spec, &Defaults { uid, gid, ..Defaults::default() })
}

/// The files are asked for only once the spec is known to be sound, and the groups only where they matter.
pub(crate) fn resolve<P: BufRead, G: BufRead>(
    spec: &OsStr,
    defaults: &Defaults,
    passwd: impl FnOnce() -> Result<Option<Entries<P, Passwd>>>,
    group: impl FnOnce() -> Result<Option<Entries<G, Group>>>,
) -> Result<Identity> {
    defaults.check()?;
    let Spec { user, group: wanted } = Spec::parse(spec)?;
    let mut identity = find_user(user.unwrap_or(Who::Id(defaults.uid)), defaults, passwd()?)?;
    match (wanted, &identity.name) {
        (Some(Who::Id(gid)), _) => (identity.gid, identity.groups) = (gid, Vec::new()),
        (Some(Who::Name(name)), _) => {
            let groups = group()?.ok_or_else(|| Error::unknown_group(name).without(root::GROUP))?;
            identity.gid = groups.find_gid(name)?.ok_or_else(|| Error::unknown_group(name))?;
            identity.groups = Vec::new();
        }
        (None, Some(name)) => {
            identity.groups = group()?.map(|groups| groups.gids_of(name)).transpose()?.unwrap_or_default();
        }
        (None, None) => {}
    }
    Ok(identity)
}

fn find_user<R: BufRead>(
    user: Who<'_>,
    defaults: &Defaults,
    passwd: Option<Entries<R, Passwd>>,
) -> Result<Identity> {
    let found = match (passwd, user) {
        (Some(passwd), Who::Id(uid)) => passwd.find_id(uid)?,
        (Some(passwd), Who::Name(name)) => passwd.find_name(name)?,
        (None, Who::Id(_)) => None,
        (None, Who::Name(name)) => return Err(Error::unknown_user(name).without(root::PASSWD)),
    };
    let not_empty = |path: PathBuf| Some(path).filter(|path| !path.as_os_str().is_empty());
    match (found, user) {
        (Some(found), _) => Ok(Identity {
            uid: found.uid,
            gid: found.gid,
            groups: Vec::new(),
            home: not_empty(found.home).unwrap_or_else(|| defaults.home.clone()),
            shell: not_empty(found.shell),
            name: Some(found.name),
        }),
        (None, Who::Id(uid)) => {
            let mut identity = Identity::unknown(uid, defaults);
            // Each once.
            let groups = std::mem::take(&mut identity.groups);
            identity.add_groups(groups)?;
            Ok(identity)
        }
        (None, Who::Name(name)) => Err(Error::unknown_user(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStringExt;
    use std::path::Path;

    const PASSWD: &[u8] = include_bytes!("../tests/fixtures/edge.passwd");
    const GROUP: &[u8] = include_bytes!("../tests/fixtures/edge.group");

    fn resolve(spec: &str) -> Result<Identity> {
        Identity::resolve(spec, &Defaults::default(), PASSWD, GROUP)
    }

    fn kind(spec: &str) -> ErrorKind {
        resolve(spec).expect_err(spec).kind()
    }

    #[track_caller]
    fn assert_is(spec: &str, uid: u32, gid: u32, groups: &[u32], home: &str) {
        let identity = resolve(spec).unwrap();
        let found = (identity.uid, identity.gid, &*identity.groups, identity.home.to_str().unwrap());
        assert_eq!(found, (uid, gid, groups, home), "{spec:?}");
    }

    #[test]
    fn a_user_has_the_ids_home_shell_and_groups_of_the_files() {
        assert_is("root", 0, 0, &[0, 1234], "/root");
        assert_is("us,er", 96, 96, &[], "/ue");
        let adm = resolve("adm").unwrap();
        assert_eq!(
            (adm.name.unwrap().to_str(), adm.shell.unwrap().to_str()),
            (Some("adm"), Some("/bin/false"))
        );
        assert_eq!(resolve("noshell").unwrap().shell, None);
    }

    #[test]
    fn digits_are_never_a_name() {
        // An image with a user "1000" of id 0 made root of everyone who asked for uid 1000 (CVE-2016-3697).
        assert_is("1000", 1000, 0, &[], "/");
        assert_eq!(resolve("1000").unwrap().name, None);
        // The same for groups: there is one called "1234" with the id 555.
        assert_is("adm:1234", 42, 1234, &[], "/var/adm");
    }

    #[test]
    fn lines_without_a_proper_id_are_nobody() {
        // Each of them was root, or an id that setresuid takes for "unchanged".
        for name in [
            "baduid",
            "emptyuid",
            "hex",
            "badline",
            "user",
            "user:name",
            "neguid",
            "biguid",
            "hugeuid",
            "short",
            "plus",
            "octal",
            "space",
            "space ",
            "#comment",
        ] {
            let kind = kind(name);
            assert!(matches!(kind, ErrorKind::UnknownUser | ErrorKind::UnknownGroup), "{name:?}: {kind:?}");
        }
        for refused in ["+nis", "-minus"] {
            assert_eq!(kind(refused), ErrorKind::InvalidInput);
        }
        for group in ["badg", "big", "neg", "short", "#c"] {
            assert_eq!(kind(&format!("adm:{group}")), ErrorKind::UnknownGroup);
        }
    }

    #[test]
    fn an_id_reads_its_user_from_good_lines_only() {
        assert_is("78", 78, 0, &[], "/");
        assert_is("100", 100, 0, &[], "/");
        assert_is("64", 64, 0, &[], "/");
        assert_is("80", 80, 0, &[], "/");
        assert_is("42", 42, 43, &[1234, 555, 12], "/var/adm");
    }

    #[test]
    fn groups_with_bad_ids_are_not_joined() {
        // "badg:x:notnum:adm" put group 0 among the groups of adm; 4294967295 and -3 were there too.
        assert_is("adm", 42, 43, &[1234, 555, 12], "/var/adm");
    }

    #[test]
    fn the_first_of_two_entries_holds() {
        assert_is("dup", 700, 700, &[1234], "/home/dup1");
        assert_is("800", 800, 800, &[], "/a");
        assert_is("dupid2", 800, 801, &[], "/b");
        assert_is("adm:dupg", 42, 10, &[], "/var/adm");
    }

    #[test]
    fn a_group_in_the_spec_leaves_no_others() {
        assert_is("root:grp", 0, 1234, &[], "/root");
        assert_is("0:0", 0, 0, &[], "/root");
        assert_is("4294967294:4294967294", 4_294_967_294, 4_294_967_294, &[], "/");
    }

    #[test]
    fn a_missing_side_is_the_default_or_the_users_own() {
        assert_is("", 0, 0, &[0, 1234], "/root");
        assert_is(":", 0, 0, &[0, 1234], "/root");
        assert_is("root:", 0, 0, &[0, 1234], "/root");
        assert_is(":grp", 0, 1234, &[], "/root");
        assert_eq!(kind(":adm"), ErrorKind::UnknownGroup);
        let defaults = Defaults { uid: 4242, gid: 99, groups: vec![7, 8, 7], home: "/home".into() };
        let unknown = Identity::resolve("", &defaults, PASSWD, GROUP).unwrap();
        assert_eq!((unknown.uid, unknown.gid, unknown.home.to_str()), (4242, 99, Some("/home")));
        assert_eq!(unknown.groups, [7, 8]);
        assert!(Identity::resolve(":1", &defaults, PASSWD, GROUP).unwrap().groups.is_empty());
        let defaults = Defaults { uid: 42, ..Defaults::default() };
        assert_eq!(Identity::resolve("", &defaults, PASSWD, GROUP).unwrap().gid, 43);
    }

    #[test]
    fn what_could_be_misread_is_refused() {
        for spec in ["-1", "adm:-3", "+78", "007", "adm:+78", "2:4294967295", "4294967296", "adm:grp:extra"] {
            assert_eq!(kind(spec), ErrorKind::InvalidInput, "{spec}");
        }
        assert_eq!(kind(" root"), ErrorKind::UnknownUser);
        assert_eq!(kind("root\0"), ErrorKind::UnknownUser);
    }

    #[test]
    fn the_primary_group_can_be_put_first() {
        // A primary group in no list is lost with the next change of the group id (CVE-2022-36109).
        assert_eq!(resolve("adm").unwrap().groups_with_primary(), [43, 1234, 555, 12]);
        assert_eq!(resolve("root").unwrap().groups_with_primary(), [0, 1234]);
        assert_eq!(resolve("7:8").unwrap().groups_with_primary(), [8]);
    }

    #[test]
    fn the_callers_ids_are_checked_too() {
        // 4294967295 leaves root what it is.
        let resolve = |spec: &str, defaults| Identity::resolve(spec, &defaults, PASSWD, GROUP);
        let defaults = Defaults::default;
        for (spec, defaults) in [
            ("", Defaults { uid: u32::MAX, ..defaults() }),
            ("1", Defaults { gid: u32::MAX, ..defaults() }),
            ("1", Defaults { groups: vec![1, u32::MAX], ..defaults() }),
        ] {
            assert_eq!(resolve(spec, defaults).unwrap_err().kind(), ErrorKind::InvalidInput);
        }
        let mut adm = resolve("adm", defaults()).unwrap();
        let error = adm.add_groups([7, u32::MAX]).unwrap_err();
        assert_eq!(error.to_string(), "gid 4294967295: an id is beyond 4294967294");
        assert_eq!(adm.groups, [1234, 555, 12]);
        adm.add_groups([7, 555, 7]).unwrap();
        assert_eq!(adm.groups, [1234, 555, 12, 7]);
        assert!(Identity::new(u32::MAX, 0).is_err() && Identity::new(0, u32::MAX).is_err());
        assert_eq!(Identity::new(7, 8).unwrap(), resolve("7:8", defaults()).unwrap());
    }

    #[test]
    fn a_group_counts_once() {
        let group = b"a:x:10:u\nb:x:10:u\nc:x:9:u,u\n";
        let identity = Identity::resolve("u", &Defaults::default(), &b"u:x:1:1::/:"[..], &group[..]).unwrap();
        assert_eq!(identity.groups, [10, 9]);
    }

    #[test]
    fn more_groups_than_a_process_can_have_are_an_error() {
        let group: Vec<_> = (0..=65_536).map(|gid| format!("g{gid}:x:{gid}:u\n")).collect();
        let error = Identity::resolve("u", &Defaults::default(), &b"u:x:1:1"[..], group.concat().as_bytes())
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert_eq!(
            error.to_string(),
            r#"find the groups of "u": there are more than 65535, which with the primary one is what a process has"#
        );
    }

    #[test]
    fn files_of_other_systems_and_editors_are_read() {
        // A BOM, CRLF, leading blanks, no final newline, and text that is not UTF-8.
        let passwd = b"\xef\xbb\xbffirst:x:1:2:J\xfcrgen:/home/\xff:/bin/sh\r\n  lead:x:3:4::/l\r\n\r\nlast:x:5:6::/last:/s";
        let find = |name| {
            Identity::resolve(name, &Defaults::default(), &passwd[..], &b"g:x:7:last\r\n"[..]).unwrap()
        };
        let first = find("first");
        assert_eq!((first.uid, first.home.into_os_string().into_vec()), (1, b"/home/\xff".to_vec()));
        assert_eq!(first.shell.unwrap(), Path::new("/bin/sh"));
        assert_eq!((find("lead").uid, find("lead").home), (3, PathBuf::from("/l")));
        assert_eq!((find("last").uid, find("last").groups), (5, vec![7]));
        assert_is("lead", 95, 95, &[], "/lead");
    }

    #[test]
    fn a_line_of_any_length_hides_no_other() {
        // Lines above 64 KiB (1 MiB for groups) ended the file for Go's scanner, and with it everyone after
        // them.
        let long = "x".repeat(3 << 20);
        let passwd = format!("long:x:1:1:{long}:/:\nu:x:2:3::/u:\n");
        let group = format!("g:x:10:{},u\nh:x:11:u\n", vec!["member"; 300_000].join(","));
        let identity =
            Identity::resolve("u", &Defaults::default(), passwd.as_bytes(), group.as_bytes()).unwrap();
        assert_eq!((identity.uid, identity.groups), (2, vec![10, 11]));
    }

    #[test]
    fn a_name_with_a_nul_byte_is_nobody() {
        let passwd = b"u\0:x:0:0::/:\nu:x:1:1::/:\n";
        assert_eq!(Identity::resolve("u", &Defaults::default(), &passwd[..], &b""[..]).unwrap().uid, 1);
        assert!(Identity::resolve("u\0", &Defaults::default(), &passwd[..], &b""[..]).is_err());
    }
}

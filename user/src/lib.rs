//! Users and groups from passwd and group files, and who is meant by `--user web:www`: accounts without the C
//! library, safe against files that somebody hostile has written.
//!
//! ```no_run
//! // Who runs `exec --user web` in a root filesystem that somebody else made.
//! let root = user::Root::open("/srv/rootfs")?;
//! let web = root.resolve("web", &user::Defaults::default())?;
//! println!("uid {}, groups {:?}, home {}", web.uid, web.groups_with_primary(), web.home.display());
//!
//! // Users of this system.
//! for user in user::parse_passwd_filter(|user| user.uid == 0)? {
//!     println!("{} lives in {}", user.name.display(), user.home.display());
//! }
//! # Ok::<(), user::Error>(())
//! ```
//!
//! # Where the files are
//!
//! | | entries | who is meant by a spec |
//! |---|---|---|
//! | in memory | [`Passwd::parse`], [`Group::parse`], [`SubId::parse`]: nothing is copied | [`Identity::resolve`] |
//! | a stream | [`Passwd::read`], [`Group::read`], [`SubId::read`] | [`Identity::resolve`] |
//! | a file | [`Passwd::open`], [`Group::open`], [`SubId::open`] | [`Identity::resolve`] |
//! | a rootfs that nobody vouches for | [`Root::passwd`], [`Root::group`], [`Root::subuid`], [`Root::entries`] | [`Root::resolve`]; [`Root::open_file`] for other paths |
//! | this system's `/etc` | [`parse_passwd`], [`parse_group`], [`lookup_user`], [`lookup_group`] | [`identity`] |
//!
//! What goes through all entries is strict, for tools: a line that is no entry is an error that tells its number. What
//! looks somebody up, and [`Entries::lenient`], is lenient, for engines: such a line is passed over. Either way no id
//! is ever guessed: it is decimal digits from 0 to 4294967294, without a sign and without a leading zero. Text is
//! bytes of any encoding. A lookup stops at the first match; names and ids are searched for at the speed of memory,
//! and memory is bounded however long a line or a file is.
//!
//! # NSS
//!
//! Only files are read. Users whom only LDAP, systemd-userdb or another service of `nsswitch.conf` knows aren't found,
//! and the shadow file is never opened by itself. That is right for a root filesystem, whose services don't run. On a
//! host where it matters, `getent(1)` asks the services in a process of its own and writes what this crate reads:
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let found = std::process::Command::new("getent").args(["passwd", "root"]).output()?;
//! let root = user::Passwd::parse(&found.stdout).next().expect("every system has one")?;
//! assert_eq!(root.uid, 0);
//! # Ok(())
//! # }
//! ```
//!
//! # From Go's `pkg/user` of 2014, and from moby/sys/user
//!
//! | there | here | what is mended |
//! |---|---|---|
//! | `ParsePasswd`, `ParsePasswdFilter`, `GetPasswd` | [`parse_passwd`], [`parse_passwd_filter`], [`Passwd::read`], [`Passwd::open`] | an id that was no number became 0, which is root: such a line is no entry |
//! | `ParseGroup`, `ParseGroupFilter`, `GetGroup` | [`parse_group`], [`parse_group_filter`], [`Group::read`], [`Group::open`] | the same; and a line beyond 64 KiB ended the file, or all lookups |
//! | `GetUserGroupSupplementary`, `GetExecUser` | [`identity`], [`Identity::resolve`] | a uid was first looked for as a name (CVE-2016-3697): digits are always an id |
//! | | | ids beyond 4294967294, `-1`, `+78` and `007` were taken for something: they are refused |
//! | `GetExecUserPath`, `ExecUser` | [`Root::resolve`], [`Identity`] | a pipe or an endless file in an image stopped the engine; links led out of it; devices were opened |
//! | `GetAdditionalGroups`, `GetAdditionalGroupsPath` | [`Entries::additional_groups`], [`Root::additional_groups`], [`Identity::add_groups`] | the order was random, and an empty name a crash |
//! | `LookupUser`, `LookupUid`, `LookupGroup`, `LookupGid` | [`lookup_user`], [`lookup_uid`], [`lookup_group`], [`lookup_gid`] | as above |
//! | `CurrentUser`, `CurrentGroup` | [`Passwd::current`], [`Group::current`], [`home`] | |
//! | `ParseSubID…`, `CurrentUserSubUIDs`, `CurrentUserSubGIDs` | [`SubId`], [`current_subuids`], [`current_subgids`] | ranges without ids, and beyond the last id |
//! | `ParseIDMap…`, `CurrentProcessUIDMap`, `CurrentProcessGIDMap` | [`IdMap::parse`], [`IdMap::uids_of`], [`IdMap::gids_of`] | |
//! | `IdentityMapping`, `LoadIdentityMapping` | [`IdMaps`], [`IdMaps::of_user`] | overlaps, overflows, and what `newuidmap` refuses. An empty map was "each id is itself": that is [`IdMaps::identity`] |
//! | `MkdirAndChown`, `MkdirAllAndChown`, `WithOnlyNew` | [`MakeDir`] | beneath a root too; nothing is left of a failure; no umask |
//! | `ErrNoPasswdEntries`, `ErrNoGroupEntries`, `ErrRange` | [`ErrorKind::UnknownUser`], [`ErrorKind::UnknownGroup`], [`ErrorKind::InvalidInput`] | |
//! | the default `Sgids`, an empty home | [`Defaults`] | default groups hold only for whom the files don't know, and without a group in the spec; an empty home is the default one |
//! | `User`, `Group` | [`Passwd`], [`Group`] | text is bytes of any encoding; the password is not read |
//! | (runc's `Eaccess`) | [`Identity::can_access`] | supplementary groups count (CVE-2022-29526) |
#![deny(unsafe_code)]

mod access;
mod beneath;
mod directory;
mod entries;
mod error;
mod group;
mod groups;
mod identity;
mod idmap;
mod line;
mod lines;
mod passwd;
mod root;
mod search;
mod spec;
mod subid;
mod sys;

pub use access::Access;
pub use beneath::RootFile;
pub use directory::MakeDir;
pub use entries::{Account, Entries, Entry};
pub use error::{Error, ErrorKind, Result};
pub use group::{Group, GroupRef, lookup_gid, lookup_group, parse_group, parse_group_filter};
pub use identity::{Defaults, Identity, identity};
pub use idmap::{IdMap, IdMaps, IdRange, Owner};
pub use passwd::{Passwd, PasswdRef, home, lookup_uid, lookup_user, parse_passwd, parse_passwd_filter};
pub use root::Root;
pub use subid::{SubId, SubIdRef, current_subgids, current_subuids};

//! Users and groups from passwd and group files, and who is meant by `--user web:www`; without the C library.
//!
//! ```
//! // Who runs `docker exec --user web`, by the container's own files.
//! let passwd = &b"root:x:0:0:root:/root:/bin/sh\nweb:x:33:33:web:/var/www:\n"[..];
//! let group = &b"root:x:0:\nweb:x:33:\nlogs:x:44:web\n"[..];
//! let web = user::Identity::resolve("web", &user::Defaults::default(), passwd, group)?;
//! assert_eq!((web.uid, web.gid, web.groups.as_slice()), (33, 33, &[44][..]));
//!
//! // Users of this system.
//! for user in user::parse_passwd_filter(|user| user.uid == 0)? {
//!     println!("{} lives in {}", user.name.display(), user.home.display());
//! }
//! # Ok::<(), user::Error>(())
//! ```
//!
//! The files may be in memory ([`Passwd::parse`]), a stream ([`Passwd::read`]), on disk ([`Passwd::open`]) or
//! beneath a root directory that nobody vouches for ([`Identity::resolve_beneath`]). Reading is strict or
//! lenient; either way a line without proper ids is no entry, and no id is ever guessed. Only files are read:
//! NSS, LDAP and the shadow file are never asked.
//!
//! # From Go's `pkg/user` of 2014
//!
//! | there | here | what is mended |
//! |---|---|---|
//! | `ParsePasswd`, `ParsePasswdFilter` | [`parse_passwd`], [`parse_passwd_filter`] | an id that was no number became 0, which is root: such a line is no entry |
//! | `ParseGroup`, `ParseGroupFilter` | [`parse_group`], [`parse_group_filter`] | the same; and a line beyond 64 KiB ended the file without a word |
//! | `GetUserGroupSupplementary` | [`identity`], [`Identity::resolve`] | a uid was first looked for as a name (CVE-2016-3697): digits are always an id |
//! | | | ids beyond 4294967294, `-1`, `+78` and `007` were taken for something: they are refused |
//! | | [`Identity::resolve_beneath`] | a pipe or an endless file in an image stopped the engine; links led out of it |
//! | `User`, `Group` | [`Passwd`], [`Group`] | text is bytes of any encoding; the password is not read |
#![deny(unsafe_code)]

mod access;
mod beneath;
mod directory;
mod entries;
mod error;
mod group;
mod groups;
mod identity;
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
pub use passwd::{Passwd, PasswdRef, home, lookup_uid, lookup_user, parse_passwd, parse_passwd_filter};
pub use root::Root;
pub use subid::{SubId, SubIdRef, current_subgids, current_subuids};

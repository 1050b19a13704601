//! `container.json` of 2014: what `nsinit` and Docker's native driver ran, in its three dialects.
//!
//! The file says what a container is, and neither where its root filesystem lies nor what it runs: both
//! were arguments of `nsinit`, and are arguments here.
//!
//! ```
//! # fn main() -> libcontainer::Result<()> {
//! use libcontainer::docker::{self, Dialect};
//!
//! let json = br#"{"hostname": "koye", "namespaces": {"NEWNS": true, "NEWUTS": true},
//!     "capabilities": ["KILL"], "environment": ["PATH=/bin"]}"#;
//! let document = docker::parse(json)?;
//! assert_eq!(document.dialect(), Dialect::V1);
//! let config = document.config("/srv/rootfs", ["hostname"])?;
//! assert_eq!(config.process.capabilities.permitted.to_string(), "CAP_KILL");
//! # Ok(())
//! # }
//! ```
//!
//! # The dialects
//!
//! No version is written into the file. It is told by the keys that only one dialect has; keys of two
//! dialects in one file are an error, and a file without any such key is [`Dialect::V1`], in which a
//! process has the fewest rights.
//!
//! | | [`V0_10`](Dialect::V0_10) | [`V0_11`](Dialect::V0_11) | [`V1`](Dialect::V1) |
//! |---|---|---|---|
//! | `namespaces` | list of `{key, enabled}` or of names | map of names and booleans | map; at the end of the year list of `{type, path}` |
//! | capabilities | `capabilities_mask`, a list: those that aren't `enabled` are dropped; before that `capabilities`, those to drop | `capabilities_mask`, a map: `false` is dropped | `capabilities`: those to keep |
//! | `/dev` | the root filesystem's own; a tmpfs if a mount has the type `devtmpfs` | the same | always a tmpfs |
//! | a mount without a type | is a bind | is refused | is refused |
//! | devices | the six of every container | the same | those, and `device_nodes` |
//! | what `allowed_devices` absent in `cgroups` means | the fixed list | the fixed list | none |
//! | `restrictions` of `context`, whatever its text | `/proc` and `/sys` read-only, `/proc/kcore` hidden | the same | `/sys` and of `/proc` what changes the machine read-only, `/proc/kcore` hidden; later called `restrict_sys` |
//! | `routes` | | | yes |
//!
//! From libcontainer 1.1 on `mount_config` has `mounts`, `device_nodes`, `readonly_fs`, `no_pivot_root`,
//! `pivot_dir` and `mount_label`, what was in `context` has keys of its own, and `rlimits`, `root_fs`, `ipc`,
//! `additional_groups` were added: that is read as [`Dialect::V1`] too.
//!
//! # What is taken, passed over, refused
//!
//! As Go did it, capital and small letters are the same in keys, `null` is the absence of a value, and keys
//! that nobody ever knew are passed over. Keys of the formats before and after (`command`, `seccomp`,
//! `mask_paths`, ...) are an error that names them, and so is what this crate can't do: a container never
//! runs with less protection than its file asks for.
//!
//! A list of what is dropped keeps everything else of 2014, and without such a list the first two dialects keep
//! all of it. Fields have no default of ours: what isn't restricted in the file isn't restricted.
//!
//! Passed over are a loopback interface's `address`, `gateway` and `mtu` (2014 didn't look at the first two,
//! and the third shields nothing), `pivot_dir` (the root changes without a directory), and `slice` (the
//! control groups are made without systemd).
//!
//! Refused are `NEWUSER` (there were no id mappings), a frozen start, an interface's `mac_address` and
//! `txqueuelen`, `relabel` of a mount, routes from a network, and additional groups of a user by name.
//!
//! # What was mended
//!
//! | 2014 | here |
//! |---|---|
//! | the sample file of 0.10 could not be read by 0.10 | it is read |
//! | unknown names of namespaces and capabilities were passed over | an error: they would protect less than they say |
//! | without `NEWNS` the host's mounts were changed, without `NEWUTS` its host name | an error |
//! | kept capabilities were inheritable too (CVE-2022-24769) | they aren't |
//! | dropping some capabilities left those that newer kernels split off | those of 2014 are what a drop list is about; newer ones are never given |
//! | a user `1000` could be a name with another id (CVE-2016-3697) | a number is an id |
//! | a device node that the control group doesn't allow | the same, and it stays closed |
//! | standard devices absent without `device_nodes` | they are always there |

mod capabilities;
mod config;
mod dialect;
mod json;
mod mounts;
mod network;

use std::fmt::Display;
use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};
use crate::oci;

/// The dialects of `container.json`; [the module](self) has a table of what differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Dialect {
    /// Docker 0.10, of April 2014, and the sample files before it.
    V0_10,
    /// Docker 0.11, of May 2014.
    V0_11,
    /// Docker 1.0 to 1.4, and libcontainer 1.0 to 1.4, of June 2014 to January 2015.
    V1,
}

/// What a `container.json` says.
#[derive(Clone, Debug)]
pub struct Document {
    dialect: Dialect,
    json: json::Document,
}

/// Reads a `container.json`.
///
/// # Errors
///
/// [`NotFound`](ErrorKind::NotFound), [`InvalidConfig`](ErrorKind::InvalidConfig) as [`parse`].
pub fn load(path: impl AsRef<Path>) -> Result<Document> {
    let path = path.as_ref();
    let text = oci::read(path).map_err(|error| Error::io(format_args!("read {path:?}"), &error).at(path))?;
    parse(&text).map_err(|error| Error::new(error.kind(), format_args!("{path:?}: {error}")).at(path))
}

/// Reads the text of a `container.json`, and finds out its dialect.
///
/// # Errors
///
/// [`InvalidConfig`](ErrorKind::InvalidConfig) with line and column where it isn't such a file, and for keys
/// of two dialects; [`Unsupported`](ErrorKind::Unsupported) for keys of the formats before and after.
pub fn parse(json: &[u8]) -> Result<Document> {
    let json: json::Document = serde_json::from_slice(json).map_err(invalid)?;
    let dialect = dialect::of(&json)?;
    Ok(Document { dialect, json })
}

impl Document {
    /// Returns the dialect that it is written in.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Returns the root filesystem that it names, as only files from September 2014 on do.
    pub fn rootfs(&self) -> Option<PathBuf> {
        self.json.root_fs.as_ref().filter(|path| !path.is_empty()).map(PathBuf::from)
    }

    /// Returns the container that it describes, with a root filesystem and a program.
    ///
    /// The host's end of a pair of interfaces gets a name of the file's prefix and random digits: one
    /// configuration is for one container at a time, unless the prefix is `veth`.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](ErrorKind::Unsupported) with everything that this crate doesn't do,
    /// [`InvalidConfig`](ErrorKind::InvalidConfig) for values that mean nothing.
    pub fn config<A: Into<String>>(
        &self,
        rootfs: impl AsRef<Path>,
        args: impl IntoIterator<Item = A>,
    ) -> Result<Config> {
        let args = args.into_iter().map(Into::into).collect();
        config::container(self.dialect, &self.json, rootfs.as_ref(), args)
    }
}

/// What is written is not what 2014 wrote.
fn invalid(why: impl Display) -> Error {
    Error::new(ErrorKind::InvalidConfig, why)
}

#[cfg(test)]
mod tests;

//! What a word means, and to whom.

use std::ffi::OsStr;

use super::Bind;
use super::marks::Change;
use super::word::{parts, unquote};
use crate::words::{ATTRIBUTES, SUPERBLOCK, SUPERBLOCK_MOUNT2};
use crate::{Attributes, Propagation};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// `defaults`, which is what holds anyway.
    Nothing,
    /// `nosuid`, `ro=vfs`
    Mount(Change),
    /// `rnosuid`, `nosuid=recursive`
    Tree(Change),
    /// `sync`, `ro=fs`
    Filesystem(Change),
    /// `ro`: the mount first, then the filesystem
    Both(Change, Change),
    Bind(Bind),
    Remount,
    Move,
    Propagation(Propagation),
    /// `nofail`; `user` also takes rights away, which later words may give back.
    Userspace(Attributes),
    Tmpcopyup,
    Idmap,
    Ridmap,
    /// Anything else.
    Data,
}

/// Words for tools that have no value, and what they take away (mount(8)).
const USERSPACE: [(&str, Attributes); 14] = [
    ("auto", Attributes::empty()),
    ("noauto", Attributes::empty()),
    ("nofail", Attributes::empty()),
    ("_netdev", Attributes::empty()),
    ("user", SECURE),
    ("nouser", Attributes::empty()),
    ("users", SECURE),
    ("nousers", Attributes::empty()),
    ("owner", OWNER_SECURE),
    ("noowner", Attributes::empty()),
    ("group", OWNER_SECURE),
    ("nogroup", Attributes::empty()),
    ("loop", Attributes::empty()),
    ("comment", Attributes::empty()),
];

const OWNER_SECURE: Attributes = Attributes::NOSUID.union(Attributes::NODEV);
const SECURE: Attributes = OWNER_SECURE.union(Attributes::NOEXEC);

/// Words for tools that have a value.
const USERSPACE_VALUES: [&str; 7] =
    ["comment", "loop", "offset", "sizelimit", "encryption", "uhelper", "helper"];

const USERSPACE_PREFIXES: [&str; 3] = ["x-", "X-", "verity."];

pub(super) fn meaning(word: &OsStr) -> Result<Meaning, String> {
    let (name, value) = parts(word)?;
    let value = value.map(unquote);
    let value = value.as_deref();
    if let Some(userspace) = userspace(name, value) {
        return Ok(userspace);
    }
    if let Some(change) = attribute(name) {
        return with_layer(name, value, change);
    }
    if value.is_some() {
        return Ok(Meaning::Data);
    }
    if let Some(propagation) = Propagation::from_word(name) {
        return Ok(Meaning::Propagation(propagation));
    }
    if let Some(change) = name.strip_prefix('r').and_then(attribute) {
        return Ok(Meaning::Tree(change));
    }
    if let Some(change) = filesystem(name) {
        return Ok(Meaning::Filesystem(change));
    }
    Ok(match name {
        "defaults" => Meaning::Nothing,
        "bind" => Meaning::Bind(Bind::Plain),
        "rbind" => Meaning::Bind(Bind::Recursive),
        "remount" => Meaning::Remount,
        "move" => Meaning::Move,
        "tmpcopyup" => Meaning::Tmpcopyup,
        "idmap" => Meaning::Idmap,
        "ridmap" => Meaning::Ridmap,
        _ => Meaning::Data,
    })
}

/// Tells `ro`, `ro=recursive`, `ro=vfs` and `ro=fs` apart, as util-linux does since 2.39 and 2.41.
fn with_layer(name: &str, value: Option<&OsStr>, change: Change) -> Result<Meaning, String> {
    let filesystem = filesystem(name);
    let Some(layer) = value else {
        return Ok(filesystem.map_or(Meaning::Mount(change), |both| Meaning::Both(change, both)));
    };
    match (layer.to_str(), filesystem) {
        (Some("recursive"), _) => Ok(Meaning::Tree(change)),
        (Some("vfs"), _) => Ok(Meaning::Mount(change)),
        (Some("fs"), Some(filesystem)) => Ok(Meaning::Filesystem(filesystem)),
        (Some("fs"), None) => Err(format!("{name:?} is of mounts, not of filesystems")),
        _ => Err(format!("{name:?} may be \"recursive\" or \"vfs\" (\"ro\" and \"rw\" also \"fs\")")),
    }
}

fn userspace(name: &str, value: Option<&OsStr>) -> Option<Meaning> {
    let prefixed = USERSPACE_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    if prefixed || value.is_some() && USERSPACE_VALUES.contains(&name) {
        return Some(Meaning::Userspace(Attributes::empty()));
    }
    // With a value it is another word: cifs and 9p have `user=jane`.
    let (_, taken) = USERSPACE.iter().find(|(word, _)| *word == name && value.is_none())?;
    Some(Meaning::Userspace(*taken))
}

fn attribute(name: &str) -> Option<Change> {
    let known = ATTRIBUTES.iter().find(|known| name == known.word || name == known.opposite)?;
    Some(match (name == known.word, known.is_atime()) {
        (true, false) => Change::Set(known.mask.bits()),
        (false, false) => Change::Clear(known.mask.bits()),
        (true, true) => Change::Atime(known),
        (false, true) => Change::NotAtime(known),
    })
}

fn filesystem(name: &str) -> Option<Change> {
    let mut known = SUPERBLOCK.iter().chain(SUPERBLOCK_MOUNT2);
    let (set, _, bit) = known.find(|(set, clear, _)| name == *set || name == *clear)?;
    Some(if name == *set { Change::Set(*bit) } else { Change::Clear(*bit) })
}

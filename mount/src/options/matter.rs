//! What a word is about: of those about the same, the last one holds.

use std::ffi::OsStr;

use super::word::parts;

/// Names of which each one counts, however often they come; so do all that end in `+`.
const REPEATED: [&str; 4] = ["device", "extension", "compress_extension", "nocompress_extension"];

/// What a word decides, until another one does.
#[derive(PartialEq, Eq, Hash)]
pub(super) enum Matter<'a> {
    Mount(u64),
    Tree(u64),
    Filesystem(u64),
    Bind,
    Remount,
    Move,
    Tmpcopyup,
    Idmap,
    Ridmap,
    /// An option of the filesystem of this name.
    Data(&'a str),
    /// A word for tools of this name, or the one with `no` before it.
    Tool(&'a str),
    /// A word of which each one counts.
    Each(usize),
    /// The same word again is the same.
    Word(&'a OsStr),
}

impl<'a> Matter<'a> {
    /// Returns what a word for tools is about.
    pub(super) fn of_tool(word: &'a OsStr) -> Self {
        match parts(word) {
            Ok((name, Some(_))) if !name.starts_with("x-") && !name.starts_with("X-") => Matter::Tool(name),
            Ok((name, _)) if name.starts_with("X-mount.") => Matter::Tool(name),
            // Not nofail, which has no opposite.
            Ok((name, None)) if name != "nofail" => Matter::Tool(name.strip_prefix("no").unwrap_or(name)),
            _ => Matter::Word(word),
        }
    }

    /// Returns what a word for the filesystem is about, which stands at this place.
    pub(super) fn of_data(word: &'a OsStr, at: usize) -> Self {
        match parts(word) {
            Ok((name, _)) if name.ends_with('+') || REPEATED.contains(&name) => Matter::Each(at),
            Ok((name, _)) => Matter::Data(name),
            Err(_) => Matter::Word(word),
        }
    }
}

//! Options on top of others: what an administrator says on top of what a file says.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};

use super::Options;
use super::marks::{Change, Marks};
use super::meaning::{Meaning, meaning};
use super::word::parts;
use crate::Result;

/// Names of which each one counts, however often they come; so do all that end in `+`.
const REPEATED: [&str; 4] = ["device", "extension", "compress_extension", "nocompress_extension"];

impl Options {
    /// Puts other options on top of these: where two are about the same, the later one is kept.
    ///
    /// What is left means the same as all words after one another, said shortly: `defaults`, words that a
    /// later one overrides and values of the filesystem that come again are left out. Those that may come
    /// several times (`lowerdir+`, `datadir+`, `device` of btrfs, `x-…` but `X-mount.…`) all stay. Propagation
    /// in `later` replaces all of what is here.
    ///
    /// ```
    /// use mount::Options;
    /// let preset = Options::parse("noexec,nosuid,rprivate,size=64m")?;
    /// let merged = preset.merge(&Options::parse("exec,size=1g,slave")?)?;
    /// assert_eq!(merged.to_string(), "nosuid,exec,size=1g,slave");
    /// # Ok::<(), mount::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) if both together contradict each other, as `bind` and
    /// `move` do.
    #[doc(alias = "MergeTmpfsOptions")]
    pub fn merge(&self, later: &Options) -> Result<Options> {
        let replaced = !later.propagation.is_empty();
        let earlier = self
            .words
            .iter()
            .filter(|word| !(replaced && matches!(meaning(word), Ok(Meaning::Propagation(_)))));
        let words: Vec<&OsString> = earlier.chain(&later.words).collect();
        Options::from_words(deciding(&words))
    }
}

/// What a word decides, until another one does.
#[derive(PartialEq, Eq, Hash)]
enum Matter<'a> {
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

/// Stands for the choice of atime among the bits: no attribute has it.
const ATIME: u64 = 1 << 63;

/// Returns the words that decide something which no later one does.
fn deciding<'a>(words: &[&'a OsString]) -> Vec<&'a OsString> {
    let mut holders = HashMap::new();
    let (mut mount, mut tree) = (Marks::default(), Marks::default());
    let mut recursive = false;
    for (at, word) in words.iter().copied().enumerate() {
        // All these were read before.
        let Ok(meaning) = meaning(word) else { continue };
        let mut decide = |matter: Matter<'a>| {
            holders.insert(matter, at);
        };
        match meaning {
            Meaning::Nothing => {}
            Meaning::Mount(change) => {
                if mount.apply(change) {
                    bits(change).for_each(|bit| decide(Matter::Mount(bit)));
                }
            }
            Meaning::Tree(change) => {
                if tree.apply(change) {
                    bits(change).for_each(|bit| decide(Matter::Tree(bit)));
                }
            }
            Meaning::Filesystem(change) => bits(change).for_each(|bit| decide(Matter::Filesystem(bit))),
            Meaning::Both(change, filesystem) => {
                bits(change).for_each(|bit| decide(Matter::Mount(bit)));
                bits(filesystem).for_each(|bit| decide(Matter::Filesystem(bit)));
            }
            Meaning::Bind(bind) => {
                // "rbind,bind" is still recursive.
                if !recursive || bind == super::Bind::Recursive {
                    decide(Matter::Bind);
                }
                recursive |= bind == super::Bind::Recursive;
            }
            Meaning::Remount => decide(Matter::Remount),
            Meaning::Move => decide(Matter::Move),
            Meaning::Tmpcopyup => decide(Matter::Tmpcopyup),
            Meaning::Idmap => decide(Matter::Idmap),
            Meaning::Ridmap => decide(Matter::Ridmap),
            Meaning::Propagation(_) => decide(Matter::Each(at)),
            Meaning::Userspace(taken) => {
                bits(Change::Set(taken.bits())).for_each(|bit| decide(Matter::Mount(bit)));
                decide(userspace(word));
            }
            Meaning::Data => decide(data(word, at)),
        }
    }
    let mut kept = vec![false; words.len()];
    for at in holders.into_values() {
        kept[at] = true;
    }
    words.iter().zip(kept).filter(|(_, kept)| *kept).map(|(word, _)| *word).collect()
}

fn bits(change: Change) -> impl Iterator<Item = u64> {
    let bits = match change {
        Change::Set(bits) | Change::Clear(bits) => bits,
        Change::Atime(_) | Change::NotAtime(_) => ATIME,
    };
    (0..u64::BITS).map(|at| 1 << at).filter(move |bit| bits & bit != 0)
}

fn userspace(word: &OsStr) -> Matter<'_> {
    match parts(word) {
        Ok((name, Some(_))) if !name.starts_with("x-") && !name.starts_with("X-") => Matter::Tool(name),
        Ok((name, _)) if name.starts_with("X-mount.") => Matter::Tool(name),
        // Not nofail, which has no opposite.
        Ok((name, None)) if name != "nofail" => Matter::Tool(name.strip_prefix("no").unwrap_or(name)),
        _ => Matter::Word(word),
    }
}

fn data(word: &OsStr, at: usize) -> Matter<'_> {
    match parts(word) {
        Ok((name, _)) if name.ends_with('+') || REPEATED.contains(&name) => Matter::Each(at),
        Ok((name, _)) => Matter::Data(name),
        Err(_) => Matter::Word(word),
    }
}

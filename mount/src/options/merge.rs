//! Options on top of others: what an administrator says on top of what a file says.

use std::collections::HashMap;
use std::ffi::OsString;

use super::Options;
use super::marks::{Change, Marks};
use super::matter::Matter;
use super::meaning::{Meaning, meaning};
use crate::Result;

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
                decide(Matter::of_tool(word));
            }
            Meaning::Data => decide(Matter::of_data(word, at)),
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

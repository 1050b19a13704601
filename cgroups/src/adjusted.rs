//! What the kernel made of a value.

use std::fmt::{self, Display};
use std::path::PathBuf;

use crate::file::Dir;
use crate::{Limit, Result};

/// A value that the kernel took, but not quite as it was asked for; what [`Cgroup::set`](crate::Cgroup::set) returns.
///
/// The kernel says nothing when it changes a value. Where it makes something else of it (the lower 64 bits, the
/// nearest number in range, the parent's processors), the call fails, for what was asked for is not in force. Where it
/// keeps the meaning (whole pages, those processors that there are), the call succeeds and this tells the difference.
/// Only values that may be changed are read back: sizes that fill whole pages on every machine cost nothing.
///
/// ```
/// # fn set(cgroup: &cgroups::Cgroup, resources: &cgroups::Resources) -> cgroups::Result<()> {
/// for adjusted in cgroup.set(resources)? {
///     println!("{adjusted}"); // "/sys/fs/cgroup/jobs/1/memory.max": 4096 instead of 5000
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Adjusted {
    /// The control file that tells.
    pub file: PathBuf,
    /// What was asked for.
    pub wanted: String,
    /// What is in force; `max` for no limit on both versions.
    pub got: String,
}

impl Display for Adjusted {
    #[expect(clippy::unnecessary_debug_formatting, reason = "the quotes and the escapes are wanted")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {} instead of {}", self.file, self.got, self.wanted)
    }
}

/// Collects what was adjusted.
pub(crate) type Report = Vec<Adjusted>;

/// No page is larger on any machine: of a multiple of it nothing is cut off.
const ANY_PAGE: u64 = 256 << 10;

/// Reads a number of bytes back, if the kernel may have rounded it to pages of that size.
pub(crate) fn bytes(dir: &Dir, name: &str, wanted: i64, page: Option<u64>, to: &mut Report) -> Result<()> {
    match u64::try_from(wanted) {
        Ok(wanted) => unsigned_bytes(dir, name, wanted, page, to),
        Err(_) => Ok(()), // no limit, which stays none
    }
}

/// The same for what may be any number of 64 bits.
pub(crate) fn unsigned_bytes(
    dir: &Dir,
    name: &str,
    wanted: u64,
    page: Option<u64>,
    to: &mut Report,
) -> Result<()> {
    // Above half of the range the kernel takes everything for no limit.
    if wanted.is_multiple_of(page.unwrap_or(ANY_PAGE)) && i64::try_from(wanted).is_ok() {
        return Ok(());
    }
    number(dir, name, wanted, to)
}

/// Reads a number back.
pub(crate) fn number(dir: &Dir, name: &str, wanted: u64, to: &mut Report) -> Result<()> {
    let Some(got) = dir.limit(name)? else { return Ok(()) };
    if got != Limit::At(wanted) {
        let got = match got {
            Limit::At(number) => number.to_string(),
            Limit::Unlimited => "max".to_owned(),
        };
        to.push(Adjusted { file: dir.path().join(name), wanted: wanted.to_string(), got });
    }
    Ok(())
}

/// Reads back what was written by name, if it is one number or size.
///
/// What can't be read or isn't a number is none of our business here: any file may be named.
pub(crate) fn text(dir: &Dir, name: &str, wanted: &str, to: &mut Report) {
    let Some(number) = size(wanted.trim()) else { return };
    let Ok(text) = dir.read(name) else { return };
    let got = text.trim();
    let differs = match got {
        "max" => true,
        got => got.parse::<u64>().is_ok_and(|got| got != number),
    };
    if differs {
        let file = dir.path().join(name);
        to.push(Adjusted { file, wanted: wanted.trim().to_owned(), got: got.to_owned() });
    }
}

/// Reads a number with or without one of the kernel's units.
fn size(word: &str) -> Option<u64> {
    let shift = match word.as_bytes().last()?.to_ascii_uppercase() {
        b'K' => 10,
        b'M' => 20,
        b'G' => 30,
        b'T' => 40,
        _ => return word.parse().ok(),
    };
    word[..word.len() - 1].parse::<u64>().ok()?.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_reads_as_the_kernel_reads_it() {
        for (word, bytes) in [
            ("5000", Some(5000)),
            ("64M", Some(64 << 20)),
            ("1g", Some(1 << 30)),
            ("20000000T", None),
            ("max", None),
            ("", None),
            ("8:0", None),
            ("é", None),
            ("éK", None),
        ] {
            assert_eq!(size(word), bytes, "{word}");
        }
    }
}

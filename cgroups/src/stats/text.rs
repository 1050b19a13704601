//! The text of one control file, and what can be in it.

use std::path::Path;

use crate::stats::{Figures, Limit, limit};
use crate::{Error, Result};

/// What went wrong in one line or word; the file and the number of the line come to it.
pub(crate) type Parsed<T> = std::result::Result<T, String>;

/// The text of a control file, with where it is from, for errors.
pub(crate) struct Text<'a> {
    pub(crate) content: &'a str,
    pub(crate) dir: &'a Path,
    pub(crate) name: &'a str,
}

impl Text<'_> {
    pub(crate) fn malformed(&self, what: impl std::fmt::Display) -> Error {
        Error::malformed(&self.dir.join(self.name), what)
    }

    pub(crate) fn number(&self) -> Result<u64> {
        number(self.content.trim_ascii()).map_err(|what| self.malformed(what))
    }

    pub(crate) fn limit(&self) -> Result<Limit> {
        limit(self.content.trim_ascii()).map_err(|what| self.malformed(what))
    }

    /// Reads line by line; an error tells which one.
    pub(crate) fn lines(&self, mut read: impl FnMut(&str) -> Parsed<()>) -> Result<()> {
        let mut rest = self.content;
        let mut number = 0;
        while !rest.is_empty() {
            // Searching by bytes: lines are short, and there are many.
            let (line, behind) = cut(rest, b'\n');
            (rest, number) = (behind, number + 1);
            read(line).map_err(|what| self.in_line(number, &what))?;
        }
        Ok(())
    }

    fn in_line(&self, number: usize, what: &str) -> Error {
        self.malformed(format_args!("line {number}: {what}"))
    }

    /// Reads lines of a name and a number. Further columns are passed over.
    pub(crate) fn pairs(&self, mut read: impl FnMut(&str, u64)) -> Result<()> {
        self.lines(|line| {
            let (key, value) = pair(line)?;
            read(key, value);
            Ok(())
        })
    }

    /// Reads lines of a name and a number into figures.
    pub(crate) fn figures(&self, into: &mut Figures) -> Result<()> {
        let mut into = into.refill();
        let mut rest = self.content;
        let mut number = 0;
        while !rest.is_empty() {
            number += 1;
            // Nearly always it is the name that was there the last time.
            if let Some((value, behind)) = into.expected().and_then(|name| named(rest, name)) {
                into.update(value);
                rest = behind;
                continue;
            }
            let (line, behind) = cut(rest, b'\n');
            let (key, value) = pair(line).map_err(|what| self.in_line(number, &what))?;
            into.put(key, value);
            rest = behind;
        }
        Ok(())
    }
}

/// Reads a line that has this name and one number, and nothing else; returns what is behind it as well.
fn named<'t>(text: &'t str, name: &str) -> Option<(u64, &'t str)> {
    let rest = text.strip_prefix(name)?.strip_prefix(' ')?;
    let (value, length) = digits(rest.as_bytes())?;
    Some((value, rest[length..].strip_prefix('\n')?))
}

/// Reads the digits that come first: the number, and how many there are; `None` for none and for too many.
fn digits(bytes: &[u8]) -> Option<(u64, usize)> {
    /// So many digits are always a number of 64 bits.
    const SURE: usize = 19;
    let mut value = 0_u64;
    let mut length = 0;
    while let Some(digit) = bytes.get(length).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit < 10)
    {
        value = if length < SURE {
            value * 10 + u64::from(digit)
        } else {
            value.checked_mul(10)?.checked_add(u64::from(digit))?
        };
        length += 1;
    }
    (length > 0).then_some((value, length))
}

/// Reads `name 7`.
pub(crate) fn pair(line: &str) -> Parsed<(&str, u64)> {
    let (key, rest) = cut(line, b' ');
    number(cut(rest, b' ').0).map(|value| (key, value))
}

/// Reads `name max`.
pub(crate) fn limit_pair(line: &str) -> Parsed<(&str, Limit)> {
    let (key, rest) = cut(line, b' ');
    limit(cut(rest, b' ').0).map(|value| (key, value))
}

/// What is before the first of these ASCII characters, and what is behind it; all and nothing where there is none.
pub(crate) fn cut(text: &str, at: u8) -> (&str, &str) {
    match text.bytes().position(|byte| byte == at) {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, ""),
    }
}

/// Reads digits and nothing else.
pub(crate) fn number(word: &str) -> Parsed<u64> {
    match digits(word.as_bytes()) {
        Some((value, length)) if length == word.len() => Ok(value),
        _ => Err(format!("{word:?} is no number")),
    }
}

/// Makes a list that is refilled: what it held at this place, or something new.
pub(crate) fn slot<T: Default>(list: &mut Vec<T>, at: usize) -> &mut T {
    if list.len() == at {
        list.push(T::default());
    }
    &mut list[at]
}

/// Puts a name into the place of another one, without allocating where it is the same.
pub(crate) fn rename(place: &mut String, name: &str) {
    if place != name {
        name.clone_into(place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(content: &str, into: &mut Figures) -> Result<()> {
        Text { content, dir: Path::new("/c"), name: "memory.stat" }.figures(into)
    }

    #[test]
    fn the_quick_way_reads_what_the_long_one_reads() {
        let texts = [
            "a 1\nab 18446744073709551615\nc 3\n",
            "ab 1\na 2\nc 3\n",
            "a 1 2 3\nab 7 x\nc 3",
            "a 1\nc 3\n",
            "",
        ];
        for text in texts {
            let mut long = Figures::default();
            figures(text, &mut long).unwrap();
            for known in texts {
                let mut quick = Figures::default();
                figures(known, &mut quick).unwrap();
                figures(text, &mut quick).unwrap();
                assert_eq!(quick, long, "{text:?} after {known:?}");
            }
        }
    }

    #[test]
    fn a_bad_line_is_told_either_way() {
        for (bad, what) in [
            ("a 1\na \n", "line 2: \"\" is no number"),
            ("a 1\na\n", "line 2: \"\" is no number"),
            ("a +1\n", "line 1: \"+1\" is no number"),
            ("a 1\nab 18446744073709551616\n", "line 2: \"18446744073709551616\" is no number"),
            ("\n", "line 1: \"\" is no number"),
        ] {
            for known in ["", "a 1\nab 2\n"] {
                let mut into = Figures::default();
                figures(known, &mut into).unwrap();
                let error = figures(bad, &mut into).unwrap_err().to_string();
                assert!(error.ends_with(&format!("memory.stat\": {what}")), "{error}");
            }
        }
    }
}

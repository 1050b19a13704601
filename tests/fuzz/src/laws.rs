//! What holds everywhere.

use std::fmt::Display;

/// An error is one line, fit for a terminal, and no novel.
#[track_caller]
pub(crate) fn one_line(error: impl Display) {
    let line = error.to_string();
    assert!(!line.is_empty(), "an error without words");
    assert!(!line.contains(char::is_control), "an error with control characters: {line:?}");
}

/// Splits off what stands before the next NUL.
pub(crate) fn part<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let end = rest.iter().position(|&byte| byte == 0).unwrap_or(rest.len());
    let (part, after) = rest.split_at(end);
    *rest = after.get(1..).unwrap_or_default();
    part
}

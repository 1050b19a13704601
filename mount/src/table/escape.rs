//! The kernel's octal escapes.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// Undoes `\040`: a backslash and three octal digits stand for one byte. The kernel escapes the backslash
/// itself; what is no escape stays.
pub(crate) fn unescape(field: &[u8]) -> Cow<'_, [u8]> {
    let Some(first) = field.iter().position(|&byte| byte == b'\\') else { return Cow::Borrowed(field) };
    let (plain, mut rest) = field.split_at(first);
    let mut bytes = Vec::with_capacity(field.len());
    bytes.extend_from_slice(plain);
    while let [first, after @ ..] = rest {
        match after {
            [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..] if *first == b'\\' => {
                bytes.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest = after;
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    Cow::Owned(bytes)
}

pub(super) fn text(field: &[u8]) -> Cow<'_, OsStr> {
    match unescape(field) {
        Cow::Borrowed(bytes) => Cow::Borrowed(OsStr::from_bytes(bytes)),
        Cow::Owned(bytes) => Cow::Owned(OsString::from_vec(bytes)),
    }
}

pub(super) fn path(field: &[u8]) -> Cow<'_, Path> {
    match text(field) {
        Cow::Borrowed(text) => Cow::Borrowed(Path::new(text)),
        Cow::Owned(text) => Cow::Owned(PathBuf::from(text)),
    }
}

//! Bytes that are nearly always UTF-8.

use std::borrow::Borrow;
use std::fmt;

/// An id, a name or a path, as the file holds it.
///
/// Docker wrote whatever bytes it was given, so a name need not be UTF-8 and may hold a newline or
/// a NUL. Comparing and storing keep every byte; only showing replaces what is not UTF-8.
///
/// ```
/// let path = graphdb::Text::from("/web/db");
/// assert_eq!(path, "/web/db");
/// assert_eq!(path.to_str(), Some("/web/db"));
/// assert_eq!(path.to_string(), "/web/db");
/// ```
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(Vec<u8>);

impl Text {
    /// Returns the bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the text, if it is UTF-8.
    pub fn to_str(&self) -> Option<&str> {
        str::from_utf8(&self.0).ok()
    }

    /// Takes the bytes out.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// Shows the text, with a replacement character for what is not UTF-8.
impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&String::from_utf8_lossy(&self.0))
    }
}

/// Shows the text in quotes and on one line.
impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(&self.0))
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        text.as_bytes().into()
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        text.into_bytes().into()
    }
}

impl From<&[u8]> for Text {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

impl From<Vec<u8>> for Text {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl AsRef<[u8]> for Text {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Borrow<[u8]> for Text {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self == *other
    }
}

impl PartialEq<[u8]> for Text {
    fn eq(&self, other: &[u8]) -> bool {
        self.0 == other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_utf8_survive_and_are_shown() {
        let text = Text::from(&b"a\xff\n"[..]);
        assert_eq!(text.as_bytes(), b"a\xff\n");
        assert_eq!(text.to_str(), None);
        assert_eq!(text.to_string(), "a\u{fffd}\n");
        assert_eq!(format!("{text:?}"), "\"a\u{fffd}\\n\"");
    }
}

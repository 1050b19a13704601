//! One option as it is written: a name, and perhaps a value after `=`.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// Splits at commas that are neither between quotes nor after a backslash. `None` if a quote isn't closed.
pub(super) fn split(text: &OsStr) -> Option<Vec<&OsStr>> {
    let bytes = text.as_bytes();
    let mut words = Vec::new();
    let (mut start, mut quoted, mut escaped) = (0, false, false);
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b',' if !quoted && !escaped => {
                words.push(OsStr::from_bytes(&bytes[start..at]));
                start = at + 1;
            }
            _ => {}
        }
        // As libmount has it, nothing is escaped between quotes.
        escaped = *byte == b'\\' && !escaped && !quoted;
    }
    words.push(OsStr::from_bytes(&bytes[start..]));
    (!quoted).then_some(words)
}

/// Writes an option that came by itself so that it is still one when it stands between others.
///
/// What would be torn apart gets its value between quotes, with each quote in it doubled.
pub(super) fn protect(word: &OsStr) -> Result<Cow<'_, OsStr>, String> {
    if stands_alone(word) {
        return Ok(Cow::Borrowed(word));
    }
    let bytes = word.as_bytes();
    let Some(at) = bytes.iter().position(|&byte| byte == b'=') else {
        return Err("a comma, a quote or a backslash can't be in the name of an option".to_owned());
    };
    let mut text = bytes[..=at].to_vec();
    text.push(b'"');
    for &byte in &bytes[at + 1..] {
        text.extend_from_slice(if byte == b'"' { b"\"\"" } else { std::slice::from_ref(&byte) });
    }
    text.push(b'"');
    Ok(Cow::Owned(OsString::from_vec(text)))
}

/// Says whether a comma after this word would end it, and none ends it before.
fn stands_alone(word: &OsStr) -> bool {
    let with_comma = [word.as_bytes(), b","].concat();
    split(OsStr::from_bytes(&with_comma)).is_some_and(|words| words.first() == Some(&word))
}

/// Returns the name and the value as it is written, or why there is no name.
pub(super) fn parts(word: &OsStr) -> Result<(&str, Option<&OsStr>), String> {
    let bytes = word.as_bytes();
    let (name, value) = match bytes.iter().position(|&byte| byte == b'=') {
        Some(at) => (&bytes[..at], Some(OsStr::from_bytes(&bytes[at + 1..]))),
        None => (bytes, None),
    };
    if name.is_empty() {
        return Err("it has no name before the \"=\"".to_owned());
    }
    if name.contains(&b'"') {
        return Err("a quote can't be in the name of an option".to_owned());
    }
    let name = str::from_utf8(name).map_err(|_| "its name is no UTF-8".to_owned())?;
    if name.trim() != name {
        // " ro" would be the filesystem's, and most of them would say nothing.
        return Err("its name begins or ends with a blank".to_owned());
    }
    Ok((name, value))
}

/// Says whether two words are the same, with quotes or without.
pub(super) fn is_same(a: &OsStr, b: &OsStr) -> bool {
    match (parts(a), parts(b)) {
        (Ok((a, a_value)), Ok((b, b_value))) => a == b && a_value.map(unquote) == b_value.map(unquote),
        _ => a == b,
    }
}

/// Returns what a value means: one that is wholly between quotes without them, any other as it is written.
///
/// Two quotes between quotes are one that belongs to the value.
pub(super) fn unquote(value: &OsStr) -> Cow<'_, OsStr> {
    let plain = Cow::Borrowed(value);
    let Some(inner) = value.as_bytes().strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")) else {
        return plain;
    };
    if !inner.contains(&b'"') {
        return Cow::Borrowed(OsStr::from_bytes(inner));
    }
    let mut text = Vec::new();
    let mut bytes = inner.iter();
    while let Some(&byte) = bytes.next() {
        if byte == b'"' && bytes.next() != Some(&b'"') {
            return plain; // as in `"a"b"c"`, where the quotes are several
        }
        text.push(byte);
    }
    Cow::Owned(OsString::from_vec(text))
}

/// Puts a backslash before each comma that has none.
pub(super) fn escape_commas(value: &OsStr) -> OsString {
    let mut text = Vec::new();
    let mut escaped = false;
    for &byte in value.as_bytes() {
        if byte == b',' && !escaped {
            text.push(b'\\');
        }
        escaped = byte == b'\\' && !escaped;
        text.push(byte);
    }
    OsString::from_vec(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn os(text: &str) -> &OsStr {
        OsStr::new(text)
    }

    #[test]
    fn commas_between_quotes_or_after_a_backslash_do_not_split() {
        for (text, words) in [
            (r#"a,b="c,d",e"#, &["a", r#"b="c,d""#, "e"][..]),
            (r"a=b\,c,d\\,e", &[r"a=b\,c", r"d\\", "e"]),
            (r#"a="b\",c"#, &[r#"a="b\""#, "c"]),
            (r#"a="x"",y",b"#, &[r#"a="x"",y""#, "b"]),
            ("", &[""]),
            (",", &["", ""]),
        ] {
            assert_eq!(split(os(text)).unwrap(), words, "{text}");
        }
        assert_eq!(split(os(r#"a="b,c"#)), None);
    }

    #[test]
    fn a_word_of_its_own_is_written_so_that_it_stays_one() {
        for (word, written) in [
            ("ro", "ro"),
            (r#"context="a,b""#, r#"context="a,b""#),
            (r"lowerdir=/a\,b", r"lowerdir=/a\,b"),
            ("lowerdir=/a,b", r#"lowerdir="/a,b""#),
            (r"dir=/a\", r#"dir="/a\""#),
            // It was taken for a word that stands alone: the two commas made up for each other.
            (r"dir=/a,b\", r#"dir="/a,b\""#),
            (r#"password=a"b,c"#, r#"password="a""b,c""#),
            (r#"password=",""#, r#"password=",""#),
        ] {
            let protected = protect(os(word)).unwrap();
            assert_eq!(&*protected, written);
            assert!(stands_alone(&protected), "{word}");
        }
        assert!(protect(os("a,b")).is_err() && protect(os(r"a\")).is_err());
    }

    #[test]
    fn a_value_between_quotes_means_what_is_between_them() {
        for (value, meaning) in [
            (r#""a,b""#, "a,b"),
            (r#""""#, ""),
            (r#""a""b""#, r#"a"b"#),
            (r#""a"b"c""#, r#""a"b"c""#),
            (r#"a"b"c"#, r#"a"b"c"#),
            ("\"", "\""),
            ("", ""),
        ] {
            assert_eq!(&*unquote(os(value)), meaning, "{value}");
        }
    }

    #[test]
    fn what_is_protected_means_what_it_was() {
        for value in ["a,b", r"a\", r#"a",b"#, r#"",""#, r#"a""b,"#, ",", r#"",,"#, "a,\u{e9}"] {
            let word = format!("k={value}");
            let written = protect(os(&word)).unwrap();
            let (name, found) = parts(&written).unwrap();
            assert_eq!(name, "k");
            if written != os(&word) {
                assert_eq!(&*unquote(found.unwrap()), value);
            }
        }
    }

    #[test]
    fn commas_are_escaped_once() {
        assert_eq!(escape_commas(os(r"/a,b\,c\\,d")), r"/a\,b\,c\\\,d");
    }
}

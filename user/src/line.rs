//! What the files have in common: lines of fields between colons, read without guessing.

use std::io::BufRead;

/// The largest id. The next one, 4294967295, means "leave it as it is" to setresuid(2) and its kin.
pub(crate) const ID_MAX: u32 = u32::MAX - 1;

/// Why a line is no entry.
pub(crate) type Why = &'static str;

/// The fields that both files begin with, `name:password:id`, and those after.
pub(crate) struct Head<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) id: u32,
    pub(crate) rest: &'a [u8],
}

/// Why digits are no number.
enum Wrong {
    Empty,
    NotDigits,
    LeadingZero,
    TooLarge,
}

/// Reads an id: decimal digits only. A sign or a leading zero is refused, for programs disagree on what it
/// means.
pub(crate) fn id(digits: &[u8]) -> Result<u32, Why> {
    let id = number(digits).and_then(|id| if id <= ID_MAX { Ok(id) } else { Err(Wrong::TooLarge) });
    id.map_err(|wrong| match wrong {
        Wrong::Empty => "an id is empty",
        Wrong::NotDigits => "an id is not a number",
        Wrong::LeadingZero => "an id has a leading zero",
        Wrong::TooLarge => "an id is beyond 4294967294",
    })
}

/// Reads how many ids there are in a range.
pub(crate) fn length(digits: &[u8]) -> Result<u32, Why> {
    number(digits).map_err(|wrong| match wrong {
        Wrong::Empty => "the length is empty",
        Wrong::NotDigits => "the length is not a number",
        Wrong::LeadingZero => "the length has a leading zero",
        Wrong::TooLarge => "the length is beyond 4294967295",
    })
}

#[inline]
fn number(digits: &[u8]) -> Result<u32, Wrong> {
    if digits.is_empty() {
        return Err(Wrong::Empty);
    }
    let mut value = 0_u64;
    for &digit in digits {
        if !digit.is_ascii_digit() {
            return Err(Wrong::NotDigits);
        }
        // Beyond 32 bits it only must not come back.
        value = value.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
    }
    if digits.len() > 1 && digits[0] == b'0' {
        return Err(Wrong::LeadingZero);
    }
    u32::try_from(value).map_err(|_| Wrong::TooLarge)
}

/// Takes the bytes before the next colon, or all there are.
#[inline]
pub(crate) fn field<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    if rest.is_empty() {
        return None;
    }
    let end = colon(rest).unwrap_or(rest.len());
    let field = &rest[..end];
    *rest = rest.get(end + 1..).unwrap_or_default();
    Some(field)
}

/// Returns where a byte is first.
pub(crate) fn find(bytes: &[u8], byte: u8) -> Option<usize> {
    // It searches with the C library's memchr, which slices don't offer.
    let mut rest = bytes;
    let end = rest.skip_until(byte).ok()?.checked_sub(1)?;
    (bytes[end] == byte).then_some(end)
}

/// Returns where the first colon is, looking at eight bytes at a time: fields are short, and there are many.
#[inline]
fn colon(bytes: &[u8]) -> Option<usize> {
    const COLONS: u64 = u64::from_le_bytes([b':'; 8]);
    const LOW: u64 = u64::from_le_bytes([0x7f; 8]);
    let (words, rest) = bytes.as_chunks::<8>();
    for (word, at) in words.iter().zip((0..).step_by(8)) {
        let other = u64::from_le_bytes(*word) ^ COLONS;
        // The highest bit of each byte that is a colon.
        let found = !(((other & LOW) + LOW) | other | LOW);
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize / 8);
        }
    }
    let at = rest.iter().position(|&byte| byte == b':')?;
    Some(bytes.len() - rest.len() + at)
}

/// Returns a line without the blanks at its head, unless it is blank or a comment.
pub(crate) fn text(line: &[u8]) -> Option<&[u8]> {
    let text = line.trim_ascii_start();
    (!text.is_empty() && !text.starts_with(b"#")).then_some(text)
}

/// Reads the head of a line that [`text`] returned.
pub(crate) fn head(line: &[u8]) -> Result<Head<'_>, Why> {
    let mut rest = line;
    if find(rest, 0).is_some() {
        return Err("it holds a NUL byte");
    }
    let name = field(&mut rest).unwrap_or_default();
    match name {
        [] => return Err("the name is empty"),
        [b'+' | b'-', ..] => return Err("it refers to NIS"),
        _ => {}
    }
    field(&mut rest).ok_or("fields are missing")?;
    let id = id(field(&mut rest).ok_or("fields are missing")?)?;
    Ok(Head { name, id, rest })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_digits_in_range_and_nothing_else() {
        assert_eq!(id(b"0"), Ok(0));
        assert_eq!(id(b"1000"), Ok(1000));
        assert_eq!(id(b"4294967294"), Ok(4_294_967_294));
        for bad in [
            "",
            "-1",
            "+78",
            "007",
            "00",
            "0x50",
            " 80",
            "80 ",
            "4294967295",
            "4294967296",
            "99999999999999999999",
            "\u{663}",
        ] {
            assert!(id(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_first_colon_is_found_wherever_it_is() {
        for length in 0..40 {
            for at in 0..length {
                for other in [0, 1, b'9', b':' - 1, b':' + 1, b':' | 0x80, 0x7f, 0x80, 0xff] {
                    let mut bytes = vec![other; length];
                    assert_eq!(colon(&bytes), None, "{other}");
                    bytes[at] = b':';
                    bytes[length - 1] = b':';
                    assert_eq!(colon(&bytes), Some(at), "{other}");
                }
            }
        }
    }
}

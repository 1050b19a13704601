//! What passwd and group files have in common: lines of fields between colons, read without guessing.

use std::io::{self, BufRead, Read};

/// The largest id. The next one, 4294967295, means "leave it as it is" to setresuid(2) and its kin.
pub(crate) const ID_MAX: u32 = u32::MAX - 1;

/// The longest line that is read from a stream; what is in memory already has no such limit.
const LINE_MAX: u64 = 1 << 20;

/// Why a line is no entry.
pub(crate) type Why = &'static str;

/// The fields that both files begin with, `name:password:id`, and those after.
pub(crate) struct Head<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) id: u32,
    pub(crate) rest: &'a [u8],
}

/// Reads an id: decimal digits only. A sign or a leading zero is refused, for programs disagree on what it
/// means.
pub(crate) fn id(digits: &[u8]) -> Result<u32, Why> {
    match digits {
        [] => return Err("an id is empty"),
        digits if !digits.iter().all(u8::is_ascii_digit) => return Err("an id is not a number"),
        [b'0', _, ..] => return Err("an id has a leading zero"),
        _ => {}
    }
    let value = str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
    value.filter(|&id| id <= ID_MAX).ok_or("an id is beyond 4294967294")
}

/// Takes the bytes before the next colon, or all there are.
pub(crate) fn field<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    if rest.is_empty() {
        return None;
    }
    let end = rest.iter().position(|&byte| byte == b':').unwrap_or(rest.len());
    let field = &rest[..end];
    *rest = rest.get(end + 1..).unwrap_or_default();
    Some(field)
}

/// Reads the head of a line, or returns `None` for a line that is blank or a comment.
pub(crate) fn head(line: &[u8]) -> Result<Option<Head<'_>>, Why> {
    let mut rest = line.strip_suffix(b"\n").unwrap_or(line);
    rest = rest.strip_suffix(b"\r").unwrap_or(rest).trim_ascii_start();
    if rest.is_empty() || rest.starts_with(b"#") {
        return Ok(None);
    }
    if rest.contains(&0) {
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
    Ok(Some(Head { name, id, rest }))
}

/// Splits what is in memory into numbered lines.
pub(crate) fn lines(bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut rest = without_bom(bytes);
    let mut number = 0;
    std::iter::from_fn(move || {
        // skip_until searches with memchr, which slices don't offer.
        let mut after = rest;
        let end = after.skip_until(b'\n').ok().filter(|&length| length > 0)?;
        let line = &rest[..end];
        rest = after;
        number += 1;
        Some((number, line))
    })
}

/// Reads the next line of a stream into `line`; false at the end.
///
/// A line that is too long is an error of its own inside, and the next call goes on after it.
pub(crate) fn read_line(
    reader: &mut impl BufRead,
    line: &mut Vec<u8>,
    first: bool,
) -> io::Result<Option<Result<(), Why>>> {
    line.clear();
    let length = reader.by_ref().take(LINE_MAX).read_until(b'\n', line)?;
    if length == 0 {
        return Ok(None);
    }
    if length as u64 == LINE_MAX && line.last() != Some(&b'\n') && reader.skip_until(b'\n')? > 0 {
        return Ok(Some(Err("it is longer than 1 MiB")));
    }
    if first {
        let bom = line.len() - without_bom(line).len();
        line.drain(..bom);
    }
    Ok(Some(Ok(())))
}

/// Drops the mark that some editors put before the first name.
fn without_bom(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
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
    fn a_stream_and_a_slice_have_the_same_lines() {
        let text = b"\xef\xbb\xbfa\nb\r\n\nlast";
        let slice: Vec<_> = lines(text).map(|(number, line)| (number, line.to_vec())).collect();
        let (mut reader, mut stream, mut line) = (&text[..], Vec::new(), Vec::new());
        while let Some(Ok(())) = read_line(&mut reader, &mut line, stream.is_empty()).unwrap() {
            stream.push((stream.len() + 1, line.clone()));
        }
        assert_eq!(slice, stream);
        assert_eq!(slice.len(), 4);
    }

    #[test]
    fn an_endless_line_takes_bounded_memory() {
        let mut line = Vec::new();
        let mut reader = io::BufReader::new(io::repeat(b'x').take(50 << 20).chain(&b"\nnext\n"[..]));
        assert!(read_line(&mut reader, &mut line, true).unwrap().unwrap().is_err());
        assert!(line.capacity() <= 2 << 20);
        assert!(read_line(&mut reader, &mut line, false).unwrap().unwrap().is_ok());
        assert_eq!(line, b"next\n");
    }
}

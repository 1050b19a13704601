//! A stream line by line, or leaping to the lines that matter.

use std::io::{self, BufRead};

use crate::line::find;
use crate::search::Needle;

/// The longest line that is read, unless the caller says otherwise.
pub(crate) const LINE_MAX: usize = 1 << 20;

/// A line without its end, whether that is a line feed, a carriage return with it, or the end of the stream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line<'a> {
    Whole(&'a [u8]),
    /// The head of a line that is longer than may be; [`Lines::rest`] has more.
    Long(&'a [u8]),
}

/// The lines of a stream. Those that lie in the reader's buffer are not copied.
#[derive(Debug)]
pub(crate) struct Lines<R> {
    reader: R,
    /// What came of a line before that which is in the reader's buffer.
    partial: Vec<u8>,
    max: usize,
    /// A carriage return and a byte order mark are the line's own.
    exact: bool,
    /// How much of the reader's buffer the line that was given out takes.
    given: usize,
    /// The line that was given out goes on.
    goes_on: bool,
    /// Nothing was read yet.
    first: bool,
    ended: bool,
}

/// Where a line was found.
enum Place {
    Buffer { length: usize, long: bool },
    Partial { long: bool },
}

impl<R: BufRead> Lines<R> {
    pub(crate) fn new(reader: R, exact: bool) -> Self {
        let (partial, max) = (Vec::new(), LINE_MAX);
        Lines { reader, partial, max, exact, given: 0, goes_on: false, first: true, ended: false }
    }

    /// From here on a line may be as long as this, its line feed not counted.
    pub(crate) fn set_max(&mut self, max: usize) {
        self.max = max;
    }

    pub(crate) fn max(&self) -> usize {
        self.max
    }

    /// Returns the next line; after an error there is none.
    pub(crate) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        self.rest(|_| ())?;
        let first = std::mem::take(&mut self.first);
        let Some(place) = self.find_end()? else { return Ok(None) };
        let (line, long) = match place {
            Place::Buffer { length, long } => {
                self.given = if long { length } else { length + 1 };
                (fill(&mut self.reader)?.get(..length).ok_or_else(shrunk)?, long)
            }
            Place::Partial { long } => (&*self.partial, long),
        };
        self.goes_on = long;
        let line = without_bom(line, first && !self.exact);
        Ok(Some(match (long, self.exact) {
            (true, _) => Line::Long(line),
            (false, true) => Line::Whole(line),
            (false, false) => Line::Whole(without_cr(line)),
        }))
    }

    /// Returns the next line that may hold the needle: none that holds it is left out, but others are among them.
    pub(crate) fn leap(&mut self, needle: &Needle) -> io::Result<Option<Line<'_>>> {
        self.rest(|_| ())?;
        while !self.ended {
            let buffer = self.fill()?;
            // What is behind the last line end may go on, with the needle, in what isn't read yet.
            let (before, found) = match needle.find(buffer) {
                Some(at) => (&buffer[..at], true),
                None => (buffer, false),
            };
            let start = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
            let all = start == buffer.len();
            self.consume(start);
            if found || !all {
                return self.next();
            }
            if start == 0 {
                return Ok(None);
            }
        }
        Ok(None)
    }

    /// Reads what is left of a line that is longer than may be, and goes to the next one.
    pub(crate) fn rest(&mut self, mut feed: impl FnMut(&[u8])) -> io::Result<()> {
        let given = std::mem::take(&mut self.given);
        self.reader.consume(given);
        while self.goes_on {
            let buffer = self.fill()?;
            let end = find(buffer, b'\n');
            feed(&buffer[..end.unwrap_or(buffer.len())]);
            let length = end.map_or(buffer.len(), |end| end + 1);
            self.goes_on = end.is_none() && length > 0;
            self.consume(length);
        }
        Ok(())
    }

    /// Looks for the end of the line that begins here.
    fn find_end(&mut self) -> io::Result<Option<Place>> {
        self.partial.clear();
        while !self.ended {
            let room = self.max - self.partial.len();
            let buffer = self.fill()?;
            // No further than the line may go, and its end.
            let window = &buffer[..buffer.len().min(room.saturating_add(1))];
            let end = find(window, b'\n');
            let long = end.is_none() && window.len() > room;
            let length = if long { room } else { end.unwrap_or(window.len()) };
            if window.is_empty() && !long {
                break;
            }
            if (end.is_some() || long) && self.partial.is_empty() {
                return Ok(Some(Place::Buffer { length, long }));
            }
            let part = fill(&mut self.reader)?.get(..length).ok_or_else(shrunk)?;
            self.partial.extend_from_slice(part);
            self.consume(length + usize::from(end.is_some()));
            if end.is_some() || long {
                return Ok(Some(Place::Partial { long }));
            }
        }
        Ok((!self.partial.is_empty()).then_some(Place::Partial { long: false }))
    }

    /// Returns what is in the reader's buffer; at the end nothing.
    fn fill(&mut self) -> io::Result<&[u8]> {
        if self.ended {
            return Ok(&[]);
        }
        // An error that comes again and again must not make an endless iterator.
        self.ended = true;
        let buffer = fill(&mut self.reader)?;
        self.ended = buffer.is_empty();
        Ok(buffer)
    }

    fn consume(&mut self, length: usize) {
        if length > 0 {
            self.first = false;
            self.reader.consume(length);
        }
    }
}

/// The lines of what is in memory, as [`Lines`] has them; none is too long.
pub(crate) fn in_memory(bytes: &[u8], exact: bool) -> impl Iterator<Item = &[u8]> {
    let (mut rest, mut first) = (bytes, true);
    std::iter::from_fn(move || {
        let end = find(rest, b'\n').unwrap_or(rest.len());
        let (line, ended) = (&rest[..end], rest.is_empty());
        rest = rest.get(end + 1..).unwrap_or_default();
        let first = std::mem::take(&mut first);
        (!ended).then_some(if exact { line } else { without_cr(without_bom(line, first)) })
    })
}

/// Takes off the half of a line end that other systems have.
fn without_cr(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Takes off the mark that some editors put before the first name.
fn without_bom(line: &[u8], first: bool) -> &[u8] {
    if first { line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line) } else { line }
}

fn fill<R: BufRead>(reader: &mut R) -> io::Result<&[u8]> {
    loop {
        match reader.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
            Ok([]) => return Ok(&[]),
            Ok(_) => break,
        }
    }
    // What is in the buffer stays there until it is consumed.
    reader.fill_buf()
}

fn shrunk() -> io::Error {
    io::Error::other("the reader's buffer changed by itself")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufReader, Read};

    fn owned(line: &Line<'_>) -> (bool, Vec<u8>) {
        match line {
            Line::Whole(line) => (true, line.to_vec()),
            Line::Long(line) => (false, line.to_vec()),
        }
    }

    fn all(reader: impl BufRead, max: usize) -> Vec<(bool, Vec<u8>)> {
        let (mut lines, mut all) = (Lines::new(reader, false), Vec::new());
        lines.set_max(max);
        while let Some(line) = lines.next().unwrap() {
            all.push(owned(&line));
        }
        assert_eq!(lines.next().unwrap(), None);
        all
    }

    #[test]
    fn lines_are_the_same_whatever_the_buffer() {
        let text = b"\xef\xbb\xbfa\nb\r\n\n0123456789\n01234567890\n0123456789abcdef\r\nlast";
        let whole = |line: &str| (true, line.as_bytes().to_vec());
        let long = (false, b"0123456789".to_vec());
        let expected =
            [whole("a"), whole("b"), whole(""), whole("0123456789"), long.clone(), long, whole("last")];
        assert_eq!(all(&text[..], 10), expected);
        for capacity in 1..40 {
            assert_eq!(all(BufReader::with_capacity(capacity, &text[..]), 10), expected, "{capacity}");
        }
        let short: Vec<_> = in_memory(text, false).map(|line| (true, line.to_vec())).collect();
        assert_eq!(short, all(&text[..], LINE_MAX));
        assert_eq!(all(&b"\n\n"[..], 10).len(), 2);
        assert_eq!(in_memory(b"", false).count() + all(&b""[..], 10).len(), 0);
    }

    #[test]
    fn the_rest_of_a_long_line_can_be_read() {
        let text = b"0123456789abcdef\nnext\n0123456789ABC";
        for capacity in 1..20 {
            let mut lines = Lines::new(BufReader::with_capacity(capacity, &text[..]), false);
            lines.set_max(4);
            let rest = |lines: &mut Lines<_>| {
                assert_eq!(lines.next().unwrap(), Some(Line::Long(b"0123")));
                let mut rest = Vec::new();
                lines.rest(|bytes| rest.extend_from_slice(bytes)).unwrap();
                rest
            };
            assert_eq!(rest(&mut lines), b"456789abcdef");
            assert_eq!(lines.next().unwrap(), Some(Line::Whole(b"next")));
            assert_eq!(rest(&mut lines), b"456789ABC");
            assert_eq!(lines.next().unwrap(), None);
        }
    }

    #[test]
    fn a_leap_leaves_out_no_line_with_the_needle() {
        let text = b"\xef\xbb\xbfab:0\nb\n ab:1\nxab:2\nlong long long ab:3\nb\nb\nab:4\nab:5\nb\nab:6";
        for capacity in 1..80 {
            for max in [8, 100] {
                let mut lines = Lines::new(BufReader::with_capacity(capacity, &text[..]), false);
                lines.set_max(max);
                let (needle, mut found) = (Needle::new(b"ab:"), Vec::new());
                while let Some(line) = lines.leap(&needle).unwrap() {
                    let (_, line) = owned(&line);
                    if line.windows(3).any(|window| window == b"ab:") || line.starts_with(b"long") {
                        found.push(String::from_utf8(line).unwrap());
                    }
                }
                let long = if max == 8 { "long lon" } else { "long long long ab:3" };
                assert_eq!(
                    found,
                    ["ab:0", " ab:1", "xab:2", long, "ab:4", "ab:5", "ab:6"],
                    "{capacity} {max}"
                );
            }
        }
    }

    #[test]
    fn an_endless_line_takes_bounded_memory() {
        let endless = io::repeat(b'x').take(50 << 20).chain(&b"\nnext\n"[..]);
        let mut lines = Lines::new(BufReader::new(endless), false);
        assert!(matches!(lines.next().unwrap(), Some(Line::Long(_))));
        assert!(lines.partial.capacity() <= 2 << 20);
        assert_eq!(lines.next().unwrap(), Some(Line::Whole(b"next")));
    }
}

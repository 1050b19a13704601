//! The lines of a mount table, found and checked in one pass over the bytes.

use std::ops::Range;

/// Where the fields of one good line are: one cache line of memory for each mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Line {
    /// Where the line begins in the table. All other places count from here.
    pub(super) start: usize,
    pub(super) id: u64,
    pub(super) parent: u64,
    pub(super) major: u32,
    pub(super) minor: u32,
    pub(super) root: u32,
    pub(super) mount_point: u32,
    pub(super) options: u32,
    /// The first optional field, or the dash.
    pub(super) optional: u32,
    pub(super) fs_type: u32,
    pub(super) source: u32,
    pub(super) super_options: u32,
    pub(super) end: u32,
}

/// A line that can't be read.
pub(super) struct Bad<'a> {
    pub(super) number: usize,
    pub(super) text: &'a [u8],
    pub(super) why: &'static str,
}

/// Goes through the lines of a table; blank ones are left out.
pub(super) struct Lines<'a> {
    cursor: Cursor<'a>,
    number: usize,
}

impl<'a> Lines<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Lines { cursor: Cursor { bytes, at: 0, block: 0, found: 0 }, number: 0 }
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Result<Line, Bad<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        let bytes = self.cursor.bytes;
        while self.cursor.at < bytes.len() {
            let start = self.cursor.at;
            self.number += 1;
            // A copy, which the compiler keeps in registers.
            let mut cursor = self.cursor;
            let line = cursor.line();
            self.cursor = cursor;
            let why = match line {
                Ok(line) => return Some(Ok(line)),
                Err(why) => why,
            };
            let text = &bytes[start..self.cursor.end_of_line()];
            if !text.trim_ascii().is_empty() {
                let text = text.strip_suffix(b"\r").unwrap_or(text);
                return Some(Err(Bad { number: self.number, text, why }));
            }
        }
        None
    }
}

/// Goes from one blank or line end to the next. They are looked for 64 bytes at a time: fields are too short
/// for a search of each.
#[derive(Clone, Copy)]
struct Cursor<'a> {
    bytes: &'a [u8],
    /// Where the next field begins.
    at: usize,
    /// Where the bytes begin that were not looked at yet.
    block: usize,
    /// A bit for each of the 64 bytes before `block` that comes yet and is a blank, a line end or another
    /// control character.
    found: u64,
}

impl Cursor<'_> {
    /// Reads a line. After an error its end is still to be met.
    fn line(&mut self) -> Result<Line, &'static str> {
        let start = self.at;
        let id = self.field()?;
        let id = number_at(self.bytes, id).ok_or("the mount id is not a number")?;
        let parent = self.field()?;
        let parent = number_at(self.bytes, parent).ok_or("the parent's id is not a number")?;
        let device = self.field()?;
        let (major, minor) = device_number(&self.bytes[device]).ok_or("the device is not MAJOR:MINOR")?;
        let root = self.field()?.start;
        let mount_point = self.field()?.start;
        let options = self.field()?.start;
        let optional = self.at;
        loop {
            let field = self.field()?;
            if field.len() == 1 && self.bytes[field.start] == b'-' {
                break;
            }
        }
        let fs_type = self.field()?.start;
        let source = self.field()?.start;
        // The rest, blanks and all: cifs writes the blanks of a share's name as they are.
        let super_options = self.at;
        let line_end = self.end_of_line();
        let rest = &self.bytes[super_options..line_end];
        let rest = rest.strip_suffix(b"\r").unwrap_or(rest);
        if rest.is_empty() {
            self.meet_again(line_end);
            return Err("the filesystem's options are missing");
        }
        let Ok(end) = u32::try_from(super_options + rest.len() - start) else {
            self.meet_again(line_end);
            return Err("it is longer than 4 GiB");
        };
        let offset = |at: usize| (at - start) as u32;
        Ok(Line {
            start,
            id,
            parent,
            major,
            minor,
            root: offset(root),
            mount_point: offset(mount_point),
            options: offset(options),
            optional: offset(optional),
            fs_type: offset(fs_type),
            source: offset(source),
            super_options: offset(super_options),
            end,
        })
    }

    /// Takes the bytes before the next blank; a source may be empty, so two blanks in a row are not one.
    #[expect(clippy::inline_always, reason = "a call would take the cursor out of its registers")]
    #[inline(always)]
    fn field(&mut self) -> Result<Range<usize>, &'static str> {
        let (start, end) = (self.at, self.stop());
        if self.bytes.get(end) != Some(&b' ') {
            self.meet_again(end);
            return Err("fields are missing");
        }
        self.at = end + 1;
        Ok(start..end)
    }

    /// Leaves the last stop for whoever looks for the end of the line.
    fn meet_again(&mut self, stop: usize) {
        if stop < self.bytes.len() {
            self.found |= 1 << (stop + 64 - self.block);
        }
    }

    /// Goes to the next line, and returns where this one ends.
    #[inline]
    fn end_of_line(&mut self) -> usize {
        loop {
            let end = self.stop();
            self.at = end + 1;
            if self.bytes.get(end) != Some(&b' ') {
                return end;
            }
        }
    }

    /// Returns where the next blank or line end is. The end of the table is one.
    #[expect(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    fn stop(&mut self) -> usize {
        loop {
            while self.found != 0 {
                let at = self.block - 64 + self.found.trailing_zeros() as usize;
                self.found &= self.found - 1;
                if matches!(self.bytes.get(at), Some(b' ' | b'\n')) {
                    return at;
                }
            }
            if self.block >= self.bytes.len() {
                return self.bytes.len();
            }
            self.found = look(&self.bytes[self.block..]);
            self.block += 64;
        }
    }
}

/// Finds the blanks and control characters of the first 64 bytes, or of what there is.
fn look(rest: &[u8]) -> u64 {
    if let Some(block) = rest.first_chunk() {
        return find(block);
    }
    let mut block = [u8::MAX; 64];
    block[..rest.len()].copy_from_slice(rest);
    find(&block)
}

/// Returns a bit for each byte that is at most a blank (0x20).
fn find(block: &[u8; 64]) -> u64 {
    let (words, _) = block.as_chunks();
    words.iter().rev().fold(0, |found, &word| found << 8 | u64::from(up_to_blank(u64::from_le_bytes(word))))
}

/// The same for eight bytes.
fn up_to_blank(word: u64) -> u8 {
    const HIGH: u64 = 0x8080_8080_8080_8080;
    // Seven bits plus 0x5f reach the eighth from 0x21 on, and never the next byte.
    let above = (word & !HIGH) + 0x5f5f_5f5f_5f5f_5f5f;
    let found = (!(above | word) & HIGH) >> 7;
    // Moves the lowest bit of byte n to bit 56 + n; no two of the products meet.
    (found.wrapping_mul(0x0102_0408_1020_4080) >> 56) as u8
}

/// Reads digits and nothing else: `str::parse` would take a sign.
pub(super) fn number(digits: &[u8]) -> Option<u64> {
    // No number of 19 digits is too large.
    if digits.is_empty() || digits.len() > 19 {
        return large_number(digits);
    }
    digits.iter().try_fold(0_u64, |number, digit| {
        let digit = digit.wrapping_sub(b'0');
        (digit < 10).then(|| number * 10 + u64::from(digit))
    })
}

/// Reads the number at `field`, whose bytes are in a table that goes on after it.
fn number_at(bytes: &[u8], field: Range<usize>) -> Option<u64> {
    match bytes[field.start..].first_chunk() {
        Some(&word) if (1..=8).contains(&field.len()) => short_number(u64::from_le_bytes(word), field.len()),
        _ => number(&bytes[field]),
    }
}

/// Reads up to eight digits at once; the word may hold more bytes after them.
fn short_number(word: u64, length: usize) -> Option<u64> {
    // The first digit is in the lowest byte; shifted, noughts come before it.
    let digits = (word ^ 0x3030_3030_3030_3030) << (64 - 8 * length);
    if (digits.wrapping_add(0x7676_7676_7676_7676) | digits) & 0x8080_8080_8080_8080 != 0 {
        return None;
    }
    let pairs = (digits & 0x00ff_00ff_00ff_00ff) * 10 + (digits >> 8 & 0x00ff_00ff_00ff_00ff);
    let fours = (pairs & 0x0000_ffff_0000_ffff) * 100 + (pairs >> 16 & 0x0000_ffff_0000_ffff);
    Some((fours & 0xffff_ffff) * 10_000 + (fours >> 32))
}

#[cold]
fn large_number(digits: &[u8]) -> Option<u64> {
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    str::from_utf8(digits).ok()?.parse().ok()
}

fn device_number(field: &[u8]) -> Option<(u32, u32)> {
    let colon = field.iter().position(|&byte| byte == b':')?;
    let part = |digits| u32::try_from(number(digits)?).ok();
    Some((part(&field[..colon])?, part(&field[colon + 1..])?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor(bytes: &[u8]) -> Cursor<'_> {
        Cursor { bytes, at: 0, block: 0, found: 0 }
    }

    #[test]
    fn blanks_and_line_ends_are_found_wherever_they_stand() {
        let text = b"\x01a b\x7f\x80\xff\xa0\n\n  \0\x1f\rlong-long-long-word \x21 ".repeat(30);
        for text in (0..text.len()).map(|end| &text[..end]) {
            let mut cursor = cursor(text);
            for (at, byte) in text.iter().enumerate() {
                if matches!(byte, b' ' | b'\n') {
                    assert_eq!(cursor.stop(), at);
                }
            }
            assert_eq!((cursor.stop(), cursor.stop()), (text.len(), text.len()));
        }
    }

    #[test]
    fn each_byte_is_judged_by_itself() {
        for (low, high) in (0..=255_u8).flat_map(|low| (0..=255_u8).map(move |high| (low, high))) {
            let bytes = [high, low, high, low, low, high, high, low];
            let expected = bytes.iter().rev().fold(0, |bits, &byte| bits << 1 | u8::from(byte <= b' '));
            assert_eq!(up_to_blank(u64::from_le_bytes(bytes)), expected, "{low:#x} {high:#x}");
        }
    }

    #[test]
    fn a_bad_line_ends_where_it_ends() {
        // Wherever reading stopped: a blank before the end, nothing after it, the end of 64 bytes.
        let good = "1 0 0:1 / /a rw - tmpfs a rw";
        let bad = [
            "x ",
            "x  ",
            "1 ",
            "1 0 ",
            "1 0 x ",
            "1 0 0:1 /",
            "1 0 0:1 / /a rw - tmpfs ",
            "1 0 0:1 / /a rw - tmpfs a ",
        ];
        for bad in bad {
            for padding in 0..70 {
                let bad = format!("{}{bad}", "1".repeat(padding));
                let table = format!("{good}\n{bad}\n{good}\n{bad}");
                let lines: Vec<_> = Lines::new(table.as_bytes()).collect();
                let shape: Vec<_> = lines.iter().map(Result::is_ok).collect();
                assert_eq!(shape, [true, false, true, false], "{table:?}");
                assert!(matches!(&lines[1], Err(Bad { number: 2, text, .. }) if *text == bad.as_bytes()));
                assert!(matches!(&lines[2], Ok(line) if line.start == good.len() + bad.len() + 2));
                assert!(matches!(&lines[3], Err(Bad { number: 4, text, .. }) if *text == bad.as_bytes()));
            }
        }
    }

    #[test]
    fn numbers_are_digits_that_fit() {
        for number_of_any_length in (0..20).map(|length| 12_345_678_901_234_567_890 / 10_u64.pow(length)) {
            let text = format!("{number_of_any_length}9 and more");
            let length = number_of_any_length.to_string().len();
            assert_eq!(number(&text.as_bytes()[..length]), Some(number_of_any_length));
            assert_eq!(number_at(text.as_bytes(), 0..length), Some(number_of_any_length));
        }
        for byte in (0..=255_u8).filter(|byte| !byte.is_ascii_digit()) {
            for at in 0..8 {
                let mut text = *b"12345678 and more";
                text[at] = byte;
                assert_eq!((number_at(&text, 0..8), number(&text[..8])), (None, None), "{byte:#x}");
                assert_eq!(number_at(&text, 0..at.max(1)).is_some(), at > 0);
            }
        }
        assert_eq!(number(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(number(b"00000000000000000000000007"), Some(7));
        for bad in [&b""[..], b"+1", b"-1", b"1a", b" 1", b"18446744073709551616", b"9999999999999999999999"]
        {
            assert_eq!(number(bad), None);
        }
        assert_eq!(device_number(b"4294967295:0"), Some((u32::MAX, 0)));
        assert_eq!(device_number(b"4294967296:0"), None);
    }
}

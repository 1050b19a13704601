//! Finding bytes among many, at the speed of memory.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// The longest needle; of a longer one its end stands for the whole, for who finds it looks again.
const LONGEST: usize = 64;

/// As many places are looked at together; the compiler makes vector instructions of it.
const BLOCK: usize = 64;

/// Bytes to be found.
///
/// A place is looked at closely only if four of its bytes are those of the needle: the first, the last two
/// and one between. In files of accounts fewer were not enough: all lines look alike.
#[derive(Debug)]
pub(crate) struct Needle {
    bytes: [u8; LONGEST],
    length: usize,
    probes: [(usize, u8); 4],
}

impl Needle {
    /// Takes bytes; of many only the last ones.
    pub(crate) fn new(bytes: &[u8]) -> Self {
        Needle::of(bytes.iter().rev())
    }

    /// Takes a name, as it stands at the head of a line.
    pub(crate) fn name(name: &OsStr) -> Self {
        Needle::of([b':'].iter().chain(name.as_bytes().iter().rev()))
    }

    /// Takes the bytes from the last one to the first.
    fn of<'a>(backwards: impl Iterator<Item = &'a u8>) -> Self {
        let (mut bytes, mut length) = ([0; LONGEST], 0);
        for (place, byte) in bytes.iter_mut().zip(backwards) {
            *place = *byte;
            length += 1;
        }
        bytes[..length].reverse();
        let last = length.saturating_sub(1);
        let probe = |at: usize| (at, bytes[at]);
        Needle {
            bytes,
            length,
            probes: [probe(0), probe(last), probe(last.saturating_sub(1)), probe(last / 2)],
        }
    }

    /// Tells whether nothing was left out, so that what is found is all that is looked for.
    pub(crate) fn is_all_of(&self, bytes: &[u8]) -> bool {
        &self.bytes[..self.length] == bytes
    }

    /// Returns where the needle is first found.
    pub(crate) fn find(&self, haystack: &[u8]) -> Option<usize> {
        let bytes = &self.bytes[..self.length];
        let mut start = 0;
        while let Some(found) = self.block(&haystack[start..]) {
            if found {
                let [(a, is_a), (b, is_b), (c, is_c), _] = self.probes;
                let within = (start..start + BLOCK).find(|&at| {
                    let place = &haystack[at..];
                    place[a] == is_a && place[c] == is_c && place[b] == is_b && place.starts_with(bytes)
                });
                if within.is_some() {
                    return within;
                }
            }
            start += BLOCK;
        }
        let places = haystack.len().saturating_sub(self.length.saturating_sub(1));
        (start..places).find(|&at| haystack[at..].starts_with(bytes))
    }

    /// Tells whether a closer look at the next places is worth it; `None` if there are too few of them.
    fn block(&self, haystack: &[u8]) -> Option<bool> {
        let [(a, is_a), (b, is_b), (c, is_c), (d, is_d)] = self.probes;
        let probe = |at: usize| haystack.get(at..).and_then(<[u8]>::first_chunk::<BLOCK>);
        let (at_a, at_b, at_c, at_d) = (probe(a)?, probe(b)?, probe(c)?, probe(d)?);
        let mut any = 0;
        for place in 0..BLOCK {
            let all = u8::from(at_a[place] == is_a)
                & u8::from(at_b[place] == is_b)
                & u8::from(at_c[place] == is_c)
                & u8::from(at_d[place] == is_d);
            any |= all;
        }
        Some(any != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the search must find, said in the simplest way.
    fn plain(haystack: &[u8], needle: &[u8]) -> Option<usize> {
        haystack.windows(needle.len()).position(|window| window == needle)
    }

    #[test]
    fn it_finds_what_a_plain_search_finds() {
        // Few different bytes, so that much is found and almost found.
        let mut state = 1_u32;
        let mut random = move |below: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) % below
        };
        for _ in 0..5_000 {
            let length = random(400) as usize;
            let haystack: Vec<u8> = (0..length).map(|_| b"ab:\n"[random(4) as usize]).collect();
            let longest = [4, 70][random(2) as usize];
            let length = 1 + random(longest) as usize;
            let needle: Vec<u8> = if random(2) == 0 && length < haystack.len() {
                let start = random((haystack.len() - length) as u32) as usize;
                haystack[start..start + length].to_vec()
            } else {
                (0..length).map(|_| b"ab:"[random(3) as usize]).collect()
            };
            let end = &needle[needle.len().saturating_sub(LONGEST)..];
            assert_eq!(Needle::new(&needle).find(&haystack), plain(&haystack, end), "{needle:?}");
        }
    }

    #[test]
    fn it_finds_at_every_place() {
        for length in [1, 2, 63, 64] {
            let needle = vec![b'n'; length];
            for size in length..300 {
                let mut haystack = vec![b'.'; size];
                haystack[size - length..].fill(b'n');
                assert_eq!(Needle::new(&needle).find(&haystack), Some(size - length));
            }
        }
        assert_eq!(Needle::new(b"n").find(b""), None);
    }
}

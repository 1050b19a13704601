//! Attributes, read by borrowing.

use std::net::IpAddr;

use super::{aligned, u16_at};

/// The two top bits of an attribute's number are flags (nested, network byte order).
const KIND_MASK: u16 = 0x3fff;

/// One attribute, borrowed from its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attribute<'a> {
    pub(crate) kind: u16,
    pub(crate) payload: &'a [u8],
}

impl<'a> Attribute<'a> {
    /// An integer. Some kernels pad or shorten attributes, so a wrong length is "not there".
    pub(crate) fn u32(self) -> Option<u32> {
        Some(u32::from_ne_bytes(self.payload.try_into().ok()?))
    }

    pub(crate) fn i32(self) -> Option<i32> {
        Some(i32::from_ne_bytes(self.payload.try_into().ok()?))
    }

    pub(crate) fn u64(self) -> Option<u64> {
        Some(u64::from_ne_bytes(self.payload.try_into().ok()?))
    }

    pub(crate) fn u8(self) -> Option<u8> {
        self.payload.first().copied()
    }

    /// Text up to its NUL, if it has one.
    pub(crate) fn text(self) -> String {
        let text = self.payload.split(|byte| *byte == 0).next().unwrap_or_default();
        String::from_utf8_lossy(text).into_owned()
    }

    /// An IPv4 or IPv6 address, told apart by length.
    pub(crate) fn ip(self) -> Option<IpAddr> {
        ip(self.payload)
    }

    pub(crate) fn nested(self) -> Attributes<'a> {
        Attributes::new(self.payload)
    }
}

/// Reads an IPv4 or IPv6 address.
pub(crate) fn ip(bytes: &[u8]) -> Option<IpAddr> {
    <[u8; 4]>::try_from(bytes)
        .map(IpAddr::from)
        .or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from))
        .ok()
}

/// Walks attributes; ends quietly where they stop making sense, so that a message is read as far
/// as it can be and never dropped.
#[derive(Clone, Debug)]
pub(crate) struct Attributes<'a> {
    rest: &'a [u8],
    offset: usize,
}

impl<'a> Attributes<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Attributes { rest: bytes, offset: 0 }
    }

    /// The attributes after a header; none where the message is shorter than that.
    pub(crate) fn after(header: usize, bytes: &'a [u8]) -> Self {
        Attributes::new(bytes.get(header..).unwrap_or_default())
    }

    /// The attributes, each with the place at which it begins.
    pub(crate) fn with_offsets(mut self) -> impl Iterator<Item = (usize, Attribute<'a>)> {
        std::iter::from_fn(move || {
            let offset = self.offset;
            Some((offset, self.next()?))
        })
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Attribute<'a>;

    fn next(&mut self) -> Option<Attribute<'a>> {
        let length = usize::from(u16_at(self.rest, 0)?);
        let kind = u16_at(self.rest, 2)? & KIND_MASK;
        let payload = self.rest.get(4..length)?;
        let next = aligned(length);
        self.rest = self.rest.get(next..).unwrap_or_default();
        self.offset += next;
        Some(Attribute { kind, payload })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_walked_with_their_padding_and_flags() {
        let bytes = [5, 0, 3, 0x80, b'x', 0, 0, 0, 8, 0, 4, 0, 1, 0, 0, 0];
        let read: Vec<_> = Attributes::new(&bytes).with_offsets().collect();
        assert_eq!(
            read,
            [(0, Attribute { kind: 3, payload: b"x" }), (8, Attribute { kind: 4, payload: &[1, 0, 0, 0] })]
        );
    }

    #[test]
    fn reading_ends_where_attributes_stop_making_sense() {
        for tail in [&[][..], &[8], &[0, 0, 1, 0], &[3, 0, 1, 0], &[9, 0, 1, 0, 0, 0, 0, 0]] {
            let bytes = [&[4, 0, 7, 0], tail].concat();
            assert_eq!(Attributes::new(&bytes).count(), 1, "{tail:?}");
        }
    }

    #[test]
    fn odd_lengths_are_no_value_and_no_panic() {
        let odd = Attribute { kind: 1, payload: &[1, 2, 3] };
        assert_eq!((odd.u32(), odd.u64(), odd.ip(), odd.u8()), (None, None, None, Some(1)));
        assert_eq!(Attribute { kind: 1, payload: b"eth0\0\0\0" }.text(), "eth0");
        assert_eq!(Attribute { kind: 1, payload: b"" }.text(), "");
    }
}

//! Attributes, read by borrowing.

use std::net::IpAddr;

use super::{aligned, u16_at};
use crate::mac::MacAddress;

/// The two top bits of an attribute's number are flags (nested, network byte order).
const KIND_MASK: u16 = 0x3fff;

/// An attribute, borrowed from its message.
///
/// Each reader takes the payload for one type; where its length is another, the value is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attribute<'a> {
    /// Its number, without the flags (nested, network byte order) in its two top bits.
    pub kind: u16,
    /// What it holds, without padding.
    pub payload: &'a [u8],
}

impl<'a> Attribute<'a> {
    // Some kernels pad or shorten attributes, so a wrong length is "not there".

    /// Reads a number of four bytes.
    #[inline]
    pub fn u32(self) -> Option<u32> {
        Some(u32::from_ne_bytes(self.payload.try_into().ok()?))
    }

    /// Reads a signed number of four bytes.
    pub fn i32(self) -> Option<i32> {
        Some(i32::from_ne_bytes(self.payload.try_into().ok()?))
    }

    /// Reads a number of eight bytes.
    pub fn u64(self) -> Option<u64> {
        Some(u64::from_ne_bytes(self.payload.try_into().ok()?))
    }

    /// Reads its first byte as a number.
    #[inline]
    pub fn u8(self) -> Option<u8> {
        self.payload.first().copied()
    }

    /// Reads a number of two bytes.
    #[inline]
    pub fn u16(self) -> Option<u16> {
        Some(u16::from_ne_bytes(self.payload.try_into().ok()?))
    }

    /// Reads a number of two bytes in network byte order.
    pub fn be16(self) -> Option<u16> {
        Some(u16::from_be_bytes(self.payload.try_into().ok()?))
    }

    /// Reads a number of four bytes in network byte order.
    pub fn be32(self) -> Option<u32> {
        Some(u32::from_be_bytes(self.payload.try_into().ok()?))
    }

    /// Reads a number of eight bytes in network byte order.
    pub fn be64(self) -> Option<u64> {
        Some(u64::from_be_bytes(self.payload.try_into().ok()?))
    }

    /// Something that is there or not; some kernels say "no" with a zero.
    #[allow(clippy::unnecessary_wraps, reason = "read as all others are, by one table")]
    pub(crate) fn flag(self) -> Option<bool> {
        Some(self.u8().is_none_or(|value| value != 0))
    }

    /// A hardware address of six bytes.
    pub(crate) fn mac(self) -> Option<MacAddress> {
        <[u8; 6]>::try_from(self.payload).ok().map(MacAddress::from)
    }

    /// An address of six bytes, or of any other length but none.
    pub(crate) fn hardware_address(self) -> (Option<MacAddress>, Option<Vec<u8>>) {
        match self.mac() {
            Some(mac) => (Some(mac), None),
            None => (None, Some(self.payload.to_vec()).filter(|address| !address.is_empty())),
        }
    }

    /// Reads a number of one byte that is 0 or 1.
    pub fn bool(self) -> Option<bool> {
        self.u8().map(|value| value != 0)
    }

    /// Reads text up to its NUL, if it has one; what is not UTF-8 becomes a mark.
    pub fn text(self) -> String {
        String::from_utf8_lossy(self.text_bytes()).into_owned()
    }

    /// Reads the bytes up to a NUL, if there is one.
    pub fn text_bytes(self) -> &'a [u8] {
        self.payload.split(|byte| *byte == 0).next().unwrap_or_default()
    }

    /// Reads an IPv4 or IPv6 address, told apart by length.
    #[inline]
    pub fn ip(self) -> Option<IpAddr> {
        ip(self.payload)
    }

    /// The address of a tunnel's end; all zeros are none.
    pub(crate) fn endpoint(self) -> Option<IpAddr> {
        self.ip().filter(|address| !address.is_unspecified())
    }

    /// The index of a link; zero is none.
    pub(crate) fn index(self) -> Option<u32> {
        self.u32().filter(|index| *index != 0)
    }

    /// The least and the greatest of some ports, in network byte order.
    pub(crate) fn ports(self) -> Option<(u16, u16)> {
        let [a, b, c, d] = *<&[u8; 4]>::try_from(self.payload).ok()?;
        Some((u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])))
    }

    /// Returns the attributes in it.
    pub fn nested(self) -> Attributes<'a> {
        Attributes::new(self.payload)
    }
}

/// Reads an IPv4 or IPv6 address.
#[inline]
pub(crate) fn ip(bytes: &[u8]) -> Option<IpAddr> {
    <[u8; 4]>::try_from(bytes)
        .map(IpAddr::from)
        .or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from))
        .ok()
}

/// Walks attributes; ends quietly where they stop making sense, so that a message is read as far
/// as it can be and never dropped.
#[derive(Clone, Debug)]
pub struct Attributes<'a> {
    rest: &'a [u8],
    offset: usize,
}

impl<'a> Attributes<'a> {
    /// Begins with the first attribute of these bytes.
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Self {
        Attributes { rest: bytes, offset: 0 }
    }

    /// Begins behind a header; there is no attribute where the message is shorter than that.
    #[inline]
    pub fn after(header: usize, bytes: &'a [u8]) -> Self {
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

    #[inline]
    fn next(&mut self) -> Option<Attribute<'a>> {
        let header = self.rest.first_chunk::<4>()?;
        let length = usize::from(u16_at(header, 0)?);
        let kind = u16_at(header, 2)? & KIND_MASK;
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

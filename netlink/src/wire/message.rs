//! The messages of one datagram.

use super::attribute::Attributes;
use super::{aligned, u16_at, u32_at};
use crate::error::Failure;

/// The length of the header (`struct nlmsghdr`) before every message.
pub(crate) const HEADER: usize = 16;

/// A message, borrowed from the datagram it came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message<'a> {
    /// What it is: an `RTM_` number, or a generic netlink family's.
    pub kind: u16,
    /// `NLM_F_` flags, whose meaning depends on what it is.
    pub flags: u16,
    /// The number of the request that it answers.
    pub sequence: u32,
    /// Its own header and its attributes.
    pub payload: &'a [u8],
}

pub(crate) const TOO_LONG: Failure = Failure::Protocol("a message is longer than the datagram it came in");

impl<'a> Message<'a> {
    /// Reads the first message of some bytes, and tells its length.
    #[inline]
    pub(crate) fn split(bytes: &'a [u8]) -> Option<(Message<'a>, usize)> {
        let header = bytes.first_chunk::<HEADER>()?;
        let length = u32_at(header, 0)? as usize;
        let message = Message {
            kind: u16_at(header, 4)?,
            flags: u16_at(header, 6)?,
            sequence: u32_at(header, 8)?,
            payload: bytes.get(HEADER..length)?,
        };
        Some((message, length))
    }

    /// Returns its attributes, which begin behind a header of so many bytes: 16 of a link, 8 of an address, 12 of a
    /// route, 4 of generic netlink.
    pub fn attributes(&self, header: usize) -> Attributes<'a> {
        Attributes::after(aligned(header), self.payload)
    }
}

/// Walks the messages of a datagram; ends after one that can't be read.
pub(crate) struct Messages<'a> {
    rest: &'a [u8],
}

impl<'a> Messages<'a> {
    #[inline]
    pub(crate) fn new(datagram: &'a [u8]) -> Self {
        Messages { rest: datagram }
    }

    /// What was not walked yet.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Message<'a>, Failure>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let Some((message, length)) = Message::split(self.rest) else {
            self.rest = &[];
            return Some(Err(TOO_LONG));
        };
        self.rest = self.rest.get(aligned(length)..).unwrap_or_default();
        Some(Ok(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, payload: &[u8]) -> Vec<u8> {
        let length = (HEADER + payload.len()) as u32;
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend([0; 10]);
        bytes.extend(payload);
        bytes.resize(aligned(bytes.len()), 0);
        bytes
    }

    #[test]
    fn messages_are_walked_with_their_padding() {
        let datagram = [message(16, b"12345"), message(3, b"")].concat();
        let read: Vec<_> =
            Messages::new(&datagram).map(|m| m.map(|m| (m.kind, m.payload)).unwrap()).collect();
        assert_eq!(read, [(16, &b"12345"[..]), (3, b"")]);
    }

    #[test]
    fn a_message_longer_than_its_datagram_is_an_error_and_the_last() {
        for length in [0_u32, 15, 25, u32::MAX] {
            let mut datagram = message(16, b"12345678");
            datagram[..4].copy_from_slice(&length.to_ne_bytes());
            let read: Vec<_> = Messages::new(&datagram).collect();
            assert!(matches!(read[..], [Err(_)]), "{length}: {read:?}");
        }
    }

    #[test]
    fn a_short_rest_is_an_error() {
        let mut datagram = message(16, b"");
        datagram.extend([1, 2, 3]);
        assert!(Messages::new(&datagram).nth(1).unwrap().is_err());
    }
}

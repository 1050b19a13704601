//! Writing requests.

use std::fs::File;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use super::message::HEADER;
use super::numbers::{NLM_F_REQUEST, name_of};
use super::protocol::Protocol;
use super::{aligned, u16_at};
use crate::error::Failure;
use crate::mac::MacAddress;

/// Enough for all but the longest: the buffer is kept from one request to the next.
const USUAL: usize = 512;

/// A request being written.
///
/// Numbers are in the machine's byte order unless they say otherwise; padding is written where it belongs. An
/// attribute that is too long for its 16-bit length is told when the request is sent.
#[derive(Debug, Default)]
pub struct Request {
    bytes: Vec<u8>,
    /// Where the message that is being written begins.
    start: usize,
    /// The first attribute that didn't fit: told when the request is finished, so that writing
    /// one stays a straight line.
    too_long: Option<u16>,
    /// What stays open until the request is sent; `None` where it is sent before whoever opened it goes on.
    kept: Option<Box<AllKept>>,
    /// Of the socket that it is for.
    pub(crate) protocol: Protocol,
}

/// The descriptors that stay open.
#[derive(Debug, Default)]
struct AllKept {
    all: Vec<Kept>,
    /// One could not be kept: told when the request is finished.
    failed: Option<Failure>,
}

/// A descriptor that stays open.
#[derive(Debug)]
struct Kept {
    fd: Arc<OwnedFd>,
    /// The device and inode of a namespace, by which it is known again.
    inode: Option<(u64, u64)>,
}

impl Request {
    /// Begins a request: its type, its `NLM_F_` flags, and the fixed header of its type (`struct ifinfomsg`,
    /// `ifaddrmsg`, `rtmsg`). `NLM_F_REQUEST` is set.
    pub fn new(kind: u16, flags: u16, header: &[u8]) -> Request {
        let mut request = Request::default();
        request.begin(kind, flags, header);
        request
    }

    /// Begins a message behind those that are finished.
    pub(crate) fn begin(&mut self, kind: u16, flags: u16, header: &[u8]) {
        self.bytes.reserve(USUAL);
        self.start = self.bytes.len();
        self.too_long = None;
        // Its length and sequence number come later.
        let mut first = [0; HEADER];
        first[4..6].copy_from_slice(&kind.to_ne_bytes());
        first[6..8].copy_from_slice(&(NLM_F_REQUEST | flags).to_ne_bytes());
        self.bytes.extend_from_slice(&first);
        self.bytes.extend_from_slice(header);
    }

    /// The type of the message.
    pub(crate) fn kind(&self) -> u16 {
        u16_at(self.sent(), 4).unwrap_or_default()
    }

    /// Forgets all messages; the room for them stays.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.start = 0;
        self.too_long = None;
        self.kept = None;
    }

    /// Forgets all that is behind this place.
    pub(crate) fn truncate(&mut self, length: usize) {
        self.bytes.truncate(length);
        self.start = self.start.min(length);
    }

    /// Adds flags to the message.
    pub(crate) fn add_flags(&mut self, flags: u16) {
        self.add_flags_at(self.start, flags);
    }

    /// Adds flags to the message that begins at this place.
    pub(crate) fn add_flags_at(&mut self, start: usize, flags: u16) {
        let at = start + 6;
        let flags = u16_at(&self.bytes, at).unwrap_or_default() | flags;
        self.bytes[at..at + 2].copy_from_slice(&flags.to_ne_bytes());
    }

    /// Writes an attribute of any bytes.
    #[inline]
    pub fn bytes(&mut self, kind: u16, payload: &[u8]) {
        let length = 4 + payload.len();
        // Of many requests, writing these is the most of what is done here.
        let Ok(short) = u16::try_from(length) else {
            self.too_long = self.too_long.or(Some(kind));
            return;
        };
        let mut first = [0; 4];
        first[..2].copy_from_slice(&short.to_ne_bytes());
        first[2..].copy_from_slice(&kind.to_ne_bytes());
        self.bytes.reserve(aligned(length));
        self.bytes.extend_from_slice(&first);
        self.bytes.extend_from_slice(payload);
        self.bytes.extend_from_slice(&[0; 3][..aligned(length) - length]);
    }

    /// Writes a number of one byte.
    pub fn u8(&mut self, kind: u16, value: u8) {
        self.bytes(kind, &[value]);
    }

    /// Writes a number of two bytes.
    pub fn u16(&mut self, kind: u16, value: u16) {
        self.bytes(kind, &value.to_ne_bytes());
    }

    /// Writes a number of four bytes.
    #[inline]
    pub fn u32(&mut self, kind: u16, value: u32) {
        self.four(kind, value.to_ne_bytes());
    }

    /// Writes what most attributes are, in one piece.
    #[inline]
    fn four(&mut self, kind: u16, [a, b, c, d]: [u8; 4]) {
        let ([low, high], [first, second]) = (8_u16.to_ne_bytes(), kind.to_ne_bytes());
        self.bytes.extend_from_slice(&[low, high, first, second, a, b, c, d]);
    }

    /// Writes a number of eight bytes.
    pub fn u64(&mut self, kind: u16, value: u64) {
        self.bytes(kind, &value.to_ne_bytes());
    }

    /// Keeps the descriptors that are written from here on open until the messages are forgotten.
    pub(crate) fn keep_descriptors(&mut self) {
        self.kept.get_or_insert_default();
    }

    /// Writes a descriptor, as the number that it has when the kernel reads it.
    pub(crate) fn descriptor(&mut self, kind: u16, fd: BorrowedFd<'_>) {
        self.write_kept(kind, fd, |_| None);
    }

    /// The same of a namespace, which is kept once however many requests name it.
    pub(crate) fn namespace(&mut self, kind: u16, fd: BorrowedFd<'_>) {
        self.write_kept(kind, fd, |file| file.metadata().ok().map(|stat| (stat.dev(), stat.ino())));
    }

    /// The same of one that has several owners.
    pub(crate) fn shared_descriptor(&mut self, kind: u16, fd: &Arc<OwnedFd>) {
        self.i32(kind, fd.as_raw_fd());
        if let Some(kept) = &mut self.kept
            && !kept.all.last().is_some_and(|last| Arc::ptr_eq(&last.fd, fd))
        {
            kept.all.push(Kept { fd: Arc::clone(fd), inode: None });
        }
    }

    fn write_kept(&mut self, kind: u16, fd: BorrowedFd<'_>, inode: impl FnOnce(&File) -> Option<(u64, u64)>) {
        let Some(kept) = &mut self.kept else { return self.i32(kind, fd.as_raw_fd()) };
        let own = match fd.try_clone_to_owned() {
            Ok(own) => File::from(own),
            Err(error) => {
                kept.failed = Some(error.into());
                return;
            }
        };
        let inode = inode(&own);
        let mut number = own.as_raw_fd();
        if let Some(known) = kept.all.iter().rev().find(|one| inode.is_some() && one.inode == inode) {
            number = known.fd.as_raw_fd();
        } else {
            kept.all.push(Kept { fd: Arc::new(own.into()), inode });
        }
        self.i32(kind, number);
    }

    pub(crate) fn i32(&mut self, kind: u16, value: i32) {
        self.bytes(kind, &value.to_ne_bytes());
    }

    /// Writes a number of two bytes in network byte order.
    pub fn be16(&mut self, kind: u16, value: u16) {
        self.bytes(kind, &value.to_be_bytes());
    }

    /// Writes a number of four bytes in network byte order.
    pub fn be32(&mut self, kind: u16, value: u32) {
        self.bytes(kind, &value.to_be_bytes());
    }

    /// Writes a number of eight bytes in network byte order.
    pub fn be64(&mut self, kind: u16, value: u64) {
        self.bytes(kind, &value.to_be_bytes());
    }

    /// Something that is there or not.
    pub(crate) fn flag(&mut self, kind: u16, value: bool) {
        if value {
            self.bytes(kind, &[]);
        }
    }

    pub(crate) fn mac(&mut self, kind: u16, address: MacAddress) {
        self.bytes(kind, &address.octets());
    }

    /// Writes a number of one byte that is 0 or 1.
    pub fn bool(&mut self, kind: u16, value: bool) {
        self.u8(kind, value.into());
    }

    /// Writes an address of four or sixteen bytes.
    #[inline]
    pub fn ip(&mut self, kind: u16, address: IpAddr) {
        match address {
            IpAddr::V4(address) => self.four(kind, address.octets()),
            IpAddr::V6(address) => self.bytes(kind, &address.octets()),
        }
    }

    /// The address of a tunnel's end.
    pub(crate) fn endpoint(&mut self, kind: u16, address: IpAddr) {
        self.ip(kind, address);
    }

    /// The index of a link.
    pub(crate) fn index(&mut self, kind: u16, index: u32) {
        self.u32(kind, index);
    }

    /// The least and the greatest of some ports, in network byte order.
    pub(crate) fn ports(&mut self, kind: u16, (least, most): (u16, u16)) {
        self.bytes(kind, [least.to_be_bytes(), most.to_be_bytes()].as_flattened());
    }

    /// Writes text, with the NUL that the kernel's strings end in.
    pub fn text(&mut self, kind: u16, text: &str) {
        self.attribute(kind, |request| {
            request.bytes.extend(text.as_bytes());
            request.bytes.push(0);
        });
    }

    /// Writes an attribute of attributes.
    pub fn nest(&mut self, kind: u16, fill: impl FnOnce(&mut Request)) {
        const NESTED: u16 = 0x8000;
        self.attribute(kind | NESTED, fill);
    }

    /// Writes an attribute of attributes, which isn't there if nothing is in it.
    pub fn nest_unless_empty(&mut self, kind: u16, fill: impl FnOnce(&mut Request)) {
        let start = self.bytes.len();
        self.nest(kind, fill);
        if self.bytes.len() == start + 4 {
            self.bytes.truncate(start);
        }
    }

    /// Writes bytes that are no attribute: a header inside a nest.
    pub fn header(&mut self, header: &[u8]) {
        self.bytes.extend_from_slice(header);
    }

    /// Writes something that begins with its own length in 16 bits: an attribute or a next hop.
    pub(crate) fn counted(&mut self, kind: u16, fill: impl FnOnce(&mut Request)) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 2]);
        fill(self);
        let length = self.bytes.len() - start;
        match u16::try_from(length) {
            Ok(length) => self.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes()),
            Err(_) => self.too_long = self.too_long.or(Some(kind)),
        }
        self.bytes.resize(start + aligned(length), 0);
    }

    /// Writes an attribute whose payload is put together by several calls of [`header`](Request::header).
    pub(crate) fn attribute(&mut self, kind: u16, fill: impl FnOnce(&mut Request)) {
        self.counted(kind, |request| {
            request.bytes.extend_from_slice(&kind.to_ne_bytes());
            fill(request);
        });
    }

    /// Fills in the length and the sequence number, and gives the bytes of this message.
    ///
    /// # Errors
    /// An attribute is longer than its 16-bit length can say, or a descriptor could not be kept. The message is gone
    /// then.
    pub(crate) fn finish(&mut self, sequence: u32) -> Result<&[u8], Failure> {
        if let Some(failure) = self.kept.as_mut().and_then(|kept| kept.failed.take()) {
            self.bytes.truncate(self.start);
            return Err(failure);
        }
        if let Some(kind) = self.too_long.take() {
            return Err(self.drop_too_long(kind));
        }
        let message = &mut self.bytes[self.start..];
        let length = message.len() as u32;
        message[..4].copy_from_slice(&length.to_ne_bytes());
        message[8..12].copy_from_slice(&sequence.to_ne_bytes());
        Ok(message)
    }

    #[cold]
    fn drop_too_long(&mut self, kind: u16) -> Failure {
        let (names, _) = self.protocol.layout(self.kind());
        let name = name_of(names, kind & 0x3fff).unwrap_or("an attribute");
        self.bytes.truncate(self.start);
        Failure::Input(format!("{name} is longer than the 65535 bytes of an attribute"))
    }

    /// The last message as it was sent, in which an error's offset points.
    pub(crate) fn sent(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    /// The address family that the last message begins with, as those of rtnetlink do.
    pub(crate) fn family(&self) -> Option<u8> {
        self.sent().get(HEADER).copied()
    }

    /// All messages, one behind the other.
    pub(crate) fn all(&self) -> &[u8] {
        &self.bytes
    }
}

const _: () = assert!(HEADER == 4 + 2 + 2 + 8);

#[cfg(test)]
mod tests {
    use super::super::numbers::{IFLA_IFNAME, IFLA_LINKINFO, IFLA_MTU, RTM_NEWLINK};
    use super::*;
    use crate::wire::attribute::{Attribute, Attributes};
    use crate::wire::message::Messages;

    /// 2014's encoder sent `align4(len + 1) - 3` bytes: integers were 5 bytes long, and strings
    /// whose length was 2 modulo 4 lost their last letter ("bridge" went out as "bridg").
    #[test]
    fn integers_have_four_bytes_and_strings_of_every_length_arrive_whole() {
        for length in 1..=15 {
            let name = "abcdefghijklmno"[..length].to_owned();
            let mut request = Request::new(RTM_NEWLINK, 0, &[0; 16]);
            request.text(IFLA_IFNAME, &name);
            request.u32(IFLA_MTU, 1500);
            let bytes = request.finish(1).unwrap();
            let read: Vec<_> = Attributes::after(HEADER + 16, bytes).collect();
            assert_eq!(read[0].text(), name);
            assert_eq!(read[0].payload.len(), length + 1);
            assert_eq!(read[1], Attribute { kind: IFLA_MTU, payload: &1500_u32.to_ne_bytes() });
        }
    }

    #[test]
    fn the_longest_attribute_is_sent_and_a_longer_one_is_an_error() {
        let mut request = Request::new(RTM_NEWLINK, 0, &[0; 16]);
        request.bytes(IFLA_IFNAME, &vec![b'x'; 65531]);
        let bytes = request.finish(1).unwrap();
        assert_eq!(Attributes::after(HEADER + 16, bytes).next().unwrap().payload.len(), 65531);

        let mut request = Request::new(RTM_NEWLINK, 0, &[0; 16]);
        request.bytes(IFLA_IFNAME, &vec![b'x'; 65532]);
        let Err(Failure::Input(text)) = request.finish(1) else { panic!("it was sent") };
        assert_eq!(text, "IFLA_IFNAME is longer than the 65535 bytes of an attribute");
    }

    #[test]
    fn a_nest_too_long_is_an_error_though_its_parts_fit() {
        let mut request = Request::new(RTM_NEWLINK, 0, &[0; 16]);
        request.nest(IFLA_LINKINFO, |request| {
            request.bytes(1, &vec![0; 40_000]);
            request.bytes(2, &vec![0; 40_000]);
        });
        assert!(matches!(request.finish(1), Err(Failure::Input(text)) if text.contains("IFLA_LINKINFO")));
    }

    #[test]
    fn messages_stand_one_behind_the_other_and_one_that_does_not_fit_leaves_no_trace() {
        let mut request = Request::default();
        for (sequence, length) in [(1, 3), (2, 65_532), (3, 5)] {
            request.begin(RTM_NEWLINK, 0, &[0; 16]);
            request.bytes(IFLA_IFNAME, &vec![b'x'; length]);
            assert_eq!(request.finish(sequence).is_ok(), length < 65_532);
        }
        let read: Vec<_> = Messages::new(request.all()).map(|message| message.unwrap().sequence).collect();
        assert_eq!(read, [1, 3]);
        request.clear();
        assert!(request.all().is_empty());
    }
}

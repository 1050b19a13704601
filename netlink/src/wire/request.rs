//! Writing a request.

use std::net::IpAddr;

use super::message::HEADER;
use super::numbers::{NLM_F_REQUEST, layout, name_of};
use super::{aligned, u16_at};
use crate::error::Failure;

/// A request being written. Its sequence number is filled in when it is sent.
#[derive(Debug)]
pub(crate) struct Request {
    bytes: Vec<u8>,
    /// The first attribute that didn't fit: told when the request is finished, so that writing
    /// one stays a straight line.
    too_long: Option<u16>,
}

impl Request {
    /// Begins a request with its fixed header (`struct ifinfomsg`, `ifaddrmsg`, `rtmsg`).
    pub(crate) fn new(kind: u16, flags: u16, header: &[u8]) -> Request {
        let mut bytes = Vec::with_capacity(256);
        bytes.extend([0; 4]);
        bytes.extend(kind.to_ne_bytes());
        bytes.extend((NLM_F_REQUEST | flags).to_ne_bytes());
        bytes.extend([0; 8]);
        bytes.extend(header);
        Request { bytes, too_long: None }
    }

    /// Adds flags to the message.
    pub(crate) fn add_flags(&mut self, flags: u16) {
        let flags = u16_at(&self.bytes, 6).unwrap_or_default() | flags;
        self.bytes[6..8].copy_from_slice(&flags.to_ne_bytes());
    }

    pub(crate) fn bytes(&mut self, kind: u16, payload: &[u8]) {
        self.attribute(kind, |request| request.bytes.extend(payload));
    }

    pub(crate) fn u32(&mut self, kind: u16, value: u32) {
        self.bytes(kind, &value.to_ne_bytes());
    }

    pub(crate) fn ip(&mut self, kind: u16, address: IpAddr) {
        match address {
            IpAddr::V4(address) => self.bytes(kind, &address.octets()),
            IpAddr::V6(address) => self.bytes(kind, &address.octets()),
        }
    }

    /// Text, with the NUL that the kernel's strings end in.
    pub(crate) fn text(&mut self, kind: u16, text: &str) {
        self.attribute(kind, |request| {
            request.bytes.extend(text.as_bytes());
            request.bytes.push(0);
        });
    }

    pub(crate) fn nest(&mut self, kind: u16, fill: impl FnOnce(&mut Request)) {
        const NESTED: u16 = 0x8000;
        self.attribute(kind | NESTED, fill);
    }

    /// Bytes that are no attribute: a header inside a nest.
    pub(crate) fn header(&mut self, header: &[u8]) {
        self.bytes.extend(header);
    }

    /// Writes something that begins with its own length in 16 bits: an attribute or a next hop.
    pub(crate) fn counted(&mut self, kind: u16, fill: impl FnOnce(&mut Request)) {
        let start = self.bytes.len();
        self.bytes.extend([0; 2]);
        fill(self);
        let length = self.bytes.len() - start;
        match u16::try_from(length) {
            Ok(length) => self.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes()),
            Err(_) => self.too_long = self.too_long.or(Some(kind)),
        }
        self.bytes.resize(start + aligned(length), 0);
    }

    fn attribute(&mut self, kind: u16, fill: impl FnOnce(&mut Request)) {
        self.counted(kind, |request| {
            request.bytes.extend(kind.to_ne_bytes());
            fill(request);
        });
    }

    /// Fills in the length and the sequence number, and gives the bytes to send.
    ///
    /// # Errors
    /// An attribute is longer than its 16-bit length can say.
    pub(crate) fn finish(&mut self, sequence: u32) -> Result<&[u8], Failure> {
        if let Some(kind) = self.too_long {
            let (names, _) = layout(u16_at(&self.bytes, 4).unwrap_or_default());
            let name = name_of(names, kind & 0x3fff).unwrap_or("an attribute");
            return Err(Failure::Input(format!("{name} is longer than the 65535 bytes of an attribute")));
        }
        let length = self.bytes.len() as u32;
        self.bytes[..4].copy_from_slice(&length.to_ne_bytes());
        self.bytes[8..12].copy_from_slice(&sequence.to_ne_bytes());
        Ok(&self.bytes)
    }

    /// The bytes as they were sent, in which an error's offset points.
    pub(crate) fn sent(&self) -> &[u8] {
        &self.bytes
    }
}

const _: () = assert!(HEADER == 4 + 2 + 2 + 8);

#[cfg(test)]
mod tests {
    use super::super::numbers::{IFLA_IFNAME, IFLA_LINKINFO, IFLA_MTU, RTM_NEWLINK};
    use super::*;
    use crate::wire::attribute::{Attribute, Attributes};

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
}

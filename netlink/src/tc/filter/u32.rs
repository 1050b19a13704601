//! u32: filters by bytes at places in the packet.

use std::fmt;
use std::net::IpAddr;

use super::{FLAGS_TO_SET, Protocol};
use crate::error::Failure;
use crate::ip_net::IpNet;
use crate::tc::TcHandle;
use crate::tc::action::{Action, check_all, read_all, write_all};
use crate::wire::Request;
use crate::wire::attribute::Attribute;
use crate::wire::tc::fields::Fields;
use crate::wire::tc::numbers::{
    TCA_OPTIONS, TCA_U32_ACT, TCA_U32_CLASSID, TCA_U32_DIVISOR, TCA_U32_FLAGS, TCA_U32_HASH, TCA_U32_LINK,
    TCA_U32_MARK, TCA_U32_SEL,
};

/// Takes packets by bytes at places in them ([`tc-u32(8)`]).
///
/// ```
/// use netlink::tc::U32;
///
/// // Of TCP, from a network, to port 80.
/// let web = U32::new().tcp().source("10.0.0.0/8".parse()?).dst_port(80);
/// # let _ = web;
/// # Ok::<(), netlink::Error>(())
/// ```
///
/// [`tc-u32(8)`]: https://man7.org/linux/man-pages/man8/tc-u32.8.html
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct U32 {
    /// The class they go to.
    pub class: Option<TcHandle>,
    /// What must be in a packet; it must all be there. None is all packets ([`U32::all`]).
    pub keys: Vec<U32Key>,
    /// The hash table whose filters come next.
    pub link: Option<U32Handle>,
    /// The hash table, and the bucket of it, that this filter is in; `None` is the first one's.
    pub table: Option<U32Handle>,
    /// Makes a hash table with so many buckets, a power of 2 up to 256, and no filter.
    pub divisor: Option<u32>,
    /// Which bucket of `link` comes next: by the bits of this mask.
    pub hash_mask: u32,
    /// At which offset in the packet those bits are.
    pub hash_offset: i16,
    /// How many bytes are skipped before the next filters count, by what is in the packet and here.
    pub offset: U32Offset,
    /// Whether it ends here: `class` or actions are what happens.
    pub terminal: bool,
    /// What the packet's mark must be. A kernel without `CONFIG_CLS_U32_MARK` doesn't look at it, and says nothing: it
    /// is missing in what [`Handle::add_filter`](crate::Handle::add_filter) returns.
    pub mark: Option<U32Mark>,
    /// Whether the device does it, `TCA_CLS_FLAGS_` bits: 1 is not, 2 is only there; it is read with more.
    pub flags: Option<u32>,
    /// What is done with them, in this order.
    pub actions: Vec<Action>,
    /// For which packets it is meant: what is asked of IPv6 packets would be something else in those of IPv4. What is
    /// read has none, see [`Filter::protocol`](super::Filter::protocol).
    family: Option<Protocol>,
}

/// How many bytes of a packet are skipped before the filters of [`U32::link`] count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct U32Offset {
    /// So many.
    pub plus: u16,
    /// And what is at this offset in the packet, in two bytes ...
    pub at: i16,
    /// ... under this mask ...
    pub mask: u16,
    /// ... without so many of its lowest bits.
    pub shift: u8,
    /// Whether it counts from behind the header, for all that is asked further (`eat`).
    pub eat: bool,
    /// Whether what is in the packet is added.
    pub variable: bool,
}

/// Four bytes in a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct U32Key {
    /// What they must be.
    pub value: u32,
    /// The bits that are looked at.
    pub mask: u32,
    /// Where they are, from the beginning of the network header; it may be negative.
    pub offset: i32,
    /// -1 where `offset` counts from where the filters before it have said (`nexthdr+`), else 0.
    pub offset_mask: i32,
}

/// What a packet's mark must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct U32Mark {
    /// What it must be.
    pub value: u32,
    /// The bits that are looked at.
    pub mask: u32,
}

/// The number of a u32 filter: its hash table, the bucket and its number there, `800:0:800` as tc(8) writes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct U32Handle {
    /// The hash table, up to 0xfff; the first is 0x800.
    pub table: u16,
    /// The bucket.
    pub bucket: u8,
    /// The number there, up to 0xfff; 0 is the bucket itself.
    pub node: u16,
}

impl U32Handle {
    /// Names a hash table.
    pub fn table(table: u16) -> U32Handle {
        U32Handle { table, bucket: 0, node: 0 }
    }

    /// Reads a [`Filter::handle`](super::Filter::handle).
    pub fn from_raw(handle: u32) -> U32Handle {
        U32Handle {
            table: (handle >> 20) as u16,
            bucket: (handle >> 12) as u8,
            node: (handle & 0xfff) as u16,
        }
    }

    /// Returns it as a [`Filter::handle`](super::Filter::handle).
    pub fn to_raw(self) -> u32 {
        u32::from(self.table & 0xfff) << 20 | u32::from(self.bucket) << 12 | u32::from(self.node & 0xfff)
    }
}

impl fmt::Display for U32Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let U32Handle { table, bucket, node } = self;
        write!(f, "{table:x}:")?;
        if (*bucket, *node) == (0, 0) { Ok(()) } else { write!(f, "{bucket:x}:{node:x}") }
    }
}

impl U32 {
    /// Begins a filter that asks for nothing yet.
    pub fn new() -> U32 {
        U32::default()
    }

    /// Takes all packets.
    pub fn all() -> U32 {
        U32::new().key(U32Key { value: 0, mask: 0, offset: 0, offset_mask: 0 })
    }

    /// Makes a hash table with so many buckets, a power of 2 up to 256; its number is the filter's
    /// [`handle`](super::Filter::handle).
    pub fn hash_table(buckets: u32) -> U32 {
        U32 { divisor: Some(buckets), ..U32::default() }
    }

    /// Asks for four bytes.
    #[must_use]
    pub fn key(mut self, key: U32Key) -> U32 {
        self.keys.push(key);
        self
    }

    /// Asks for one byte, at an offset from the network header.
    #[must_use]
    pub fn byte(self, offset: i32, value: u8, mask: u8) -> U32 {
        let shift = 24 - 8 * offset.rem_euclid(4);
        self.bits(offset, u32::from(value) << shift, u32::from(mask) << shift)
    }

    /// Asks for two bytes, at an offset from the network header that is a multiple of 2.
    #[must_use]
    pub fn half(self, offset: i32, value: u16, mask: u16) -> U32 {
        let shift = 16 - 8 * (offset.rem_euclid(4) & 2);
        self.bits(offset, u32::from(value) << shift, u32::from(mask) << shift)
    }

    fn bits(self, offset: i32, value: u32, mask: u32) -> U32 {
        self.key(U32Key { value: value & mask, mask, offset: offset - offset.rem_euclid(4), offset_mask: 0 })
    }

    /// Asks for TCP.
    #[must_use]
    pub fn tcp(self) -> U32 {
        self.ip_protocol(6)
    }

    /// Asks for UDP.
    #[must_use]
    pub fn udp(self) -> U32 {
        self.ip_protocol(17)
    }

    /// Asks for a protocol over IP by its number: IPv4's, unless an IPv6 address was asked for before.
    #[must_use]
    pub fn ip_protocol(mut self, number: u8) -> U32 {
        let family = *self.family.get_or_insert(Protocol::IP);
        self.byte(if family == Protocol::IPV6 { 6 } else { 9 }, number, 0xff)
    }

    /// Asks for a source address.
    #[must_use]
    pub fn source(self, network: IpNet) -> U32 {
        self.address(network, 12, 8)
    }

    /// Asks for a destination address.
    #[must_use]
    pub fn destination(self, network: IpNet) -> U32 {
        self.address(network, 16, 24)
    }

    fn address(mut self, network: IpNet, v4: i32, v6: i32) -> U32 {
        let prefix = u32::from(network.prefix_len());
        let ones = |bits: u32| u32::MAX.checked_shl(32 - bits.min(32)).unwrap_or(0);
        match network.network().address() {
            IpAddr::V4(address) => {
                self.family = Some(Protocol::IP);
                self.bits(v4, address.to_bits(), ones(prefix))
            }
            IpAddr::V6(address) => {
                self.family = Some(Protocol::IPV6);
                (0..4).fold(self, |filter, word: u32| match prefix.saturating_sub(32 * word) {
                    0 if word > 0 => filter,
                    bits => {
                        let value = (address.to_bits() >> (96 - 32 * word)) as u32;
                        filter.bits(v6 + 4 * word as i32, value, ones(bits))
                    }
                })
            }
        }
    }

    /// Asks for a source port, in packets whose IP header has no options (as tc(8) does).
    #[must_use]
    pub fn src_port(self, port: u16) -> U32 {
        self.port(port, 0)
    }

    /// Asks for a destination port, in packets whose IP header has no options (as tc(8) does).
    #[must_use]
    pub fn dst_port(self, port: u16) -> U32 {
        self.port(port, 2)
    }

    fn port(mut self, port: u16, within: i32) -> U32 {
        let family = *self.family.get_or_insert(Protocol::IP);
        let header = if family == Protocol::IPV6 { 40 } else { 20 };
        self.half(header + within, port, 0xffff)
    }

    /// Sends the packets to a class.
    #[must_use]
    pub fn class(mut self, class: TcHandle) -> U32 {
        self.class = Some(class);
        self
    }

    /// Does something with them, after what is done already.
    #[must_use]
    pub fn action(mut self, action: Action) -> U32 {
        self.actions.push(action);
        self
    }

    pub(super) fn protocol(&self) -> Protocol {
        self.family.unwrap_or(Protocol::ALL)
    }

    pub(super) fn check(&self) -> Result<(), Failure> {
        if self.keys.len() > 128 {
            return Err(Failure::Input(format!("there are at most 128 keys, not {}", self.keys.len())));
        }
        if let Some(key) = self.keys.iter().find(|key| key.offset % 4 != 0) {
            // The kernel would read across its words.
            return Err(Failure::Input(format!("the offset {} is no multiple of 4", key.offset)));
        }
        match self.divisor {
            Some(divisor) if !divisor.is_power_of_two() || divisor > 256 => {
                Err(Failure::Input(format!("there are 1, 2, 4, ... 256 buckets, not {divisor}")))
            }
            None if self.keys.is_empty() => {
                Err(Failure::Input("no key: all packets are U32::all".to_owned()))
            }
            _ => check_all(&self.actions),
        }
    }

    pub(super) fn write(&self, request: &mut Request) {
        request.nest(TCA_OPTIONS, |request| {
            if let Some(divisor) = self.divisor {
                request.u32(TCA_U32_DIVISOR, divisor);
                return;
            }
            if let Some(class) = self.class {
                request.tc_handle(TCA_U32_CLASSID, class);
            }
            for (kind, table) in [(TCA_U32_LINK, self.link), (TCA_U32_HASH, self.table)] {
                if let Some(table) = table {
                    request.u32(kind, table.to_raw());
                }
            }
            request.attribute(TCA_U32_SEL, |request| self.write_selector(request));
            if let Some(mark) = self.mark {
                request.bytes(TCA_U32_MARK, [mark.value, mark.mask, 0].map(u32::to_ne_bytes).as_flattened());
            }
            if let Some(flags) = self.flags {
                request.u32(TCA_U32_FLAGS, flags & FLAGS_TO_SET);
            }
            write_all(request, TCA_U32_ACT, &self.actions);
        });
    }

    /// `struct tc_u32_sel`.
    fn write_selector(&self, request: &mut Request) {
        // Without this the kernel looks for a further table.
        let terminal =
            self.terminal || self.class.is_some() || (self.link.is_none() && !self.actions.is_empty());
        let flags = u8::from(terminal) | u8::from(self.offset.variable) << 2 | u8::from(self.offset.eat) << 3;
        request.header(&[flags, self.offset.shift, u8::try_from(self.keys.len()).unwrap_or(u8::MAX), 0]);
        request.header(&self.offset.mask.to_be_bytes());
        request.header(&self.offset.plus.to_ne_bytes());
        request.header(&self.offset.at.to_ne_bytes());
        request.header(&self.hash_offset.to_ne_bytes());
        request.header(&self.hash_mask.to_be_bytes());
        for key in &self.keys {
            request.header(&key.mask.to_be_bytes());
            request.header(&key.value.to_be_bytes());
            request.header(&key.offset.to_ne_bytes());
            request.header(&key.offset_mask.to_ne_bytes());
        }
    }

    pub(super) fn read(options: Attribute<'_>) -> U32 {
        let mut filter = U32::default();
        for attribute in options.nested() {
            let mut fields = Fields(attribute.payload);
            match attribute.kind {
                TCA_U32_DIVISOR => filter.divisor = attribute.u32(),
                TCA_U32_CLASSID => filter.class = attribute.tc_handle(),
                TCA_U32_LINK => filter.link = attribute.u32().map(U32Handle::from_raw),
                TCA_U32_HASH => filter.table = attribute.u32().map(U32Handle::from_raw),
                TCA_U32_SEL => drop(filter.read_selector(fields)),
                TCA_U32_MARK => {
                    let mark = fields.u32().zip(fields.u32());
                    filter.mark = mark.map(|(value, mask)| U32Mark { value, mask });
                }
                TCA_U32_FLAGS => filter.flags = attribute.u32(),
                TCA_U32_ACT => filter.actions = read_all(attribute),
                _ => {}
            }
        }
        filter
    }

    fn read_selector(&mut self, mut fields: Fields<'_>) -> Option<()> {
        let [flags, shift, count, _] = fields.array()?;
        let (mask, plus, at) = (fields.be16()?, fields.u16()?, fields.i16()?);
        self.terminal = flags & 1 != 0;
        self.offset = U32Offset { plus, at, mask, shift, variable: flags & 4 != 0, eat: flags & 8 != 0 };
        (self.hash_offset, self.hash_mask) = (fields.i16()?, fields.be32()?);
        for _ in 0..count {
            let (mask, value) = (fields.be32()?, fields.be32()?);
            let (offset, offset_mask) = (fields.i32()?, fields.i32()?);
            self.keys.push(U32Key { value, mask, offset, offset_mask });
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_filters_have_three_parts() {
        let handle = U32Handle::from_raw(0x8000_1802);
        assert_eq!(handle, U32Handle { table: 0x800, bucket: 1, node: 0x802 });
        assert_eq!(handle.to_raw(), 0x8000_1802);
        assert_eq!(
            (handle.to_string(), U32Handle::table(0x10).to_string()),
            ("800:1:802".into(), "10:".into())
        );
    }

    #[test]
    fn what_is_asked_for_stands_in_words_of_four_bytes() {
        let key = |filter: U32| (filter.keys[0].offset, filter.keys[0].value, filter.keys[0].mask);
        assert_eq!(key(U32::new().tcp()), (8, 0x0006_0000, 0x00ff_0000));
        assert_eq!(key(U32::new().dst_port(80)), (20, 80, 0xffff));
        assert_eq!(key(U32::new().src_port(80)), (20, 80 << 16, 0xffff_0000));
        assert_eq!(key(U32::new().byte(-1, 7, 0xff)), (-4, 7, 0xff));
        let v6 = U32::new().destination("fd00:1::/48".parse().unwrap()).udp();
        let words: Vec<_> = v6.keys.iter().map(|key| (key.offset, key.value, key.mask)).collect();
        assert_eq!(words, [(24, 0xfd00_0001, u32::MAX), (28, 0, 0xffff_0000), (4, 17 << 8, 0xff00)]);
        assert_eq!(v6.protocol(), Protocol::IPV6);
        assert_eq!(key(U32::new().source("0.0.0.0/0".parse().unwrap())), (12, 0, 0));
    }

    #[test]
    fn what_the_kernel_would_take_otherwise_is_refused() {
        assert!(U32::new().check().is_err());
        assert!(U32::all().check().is_ok());
        assert!(U32::hash_table(256).check().is_ok());
        assert!(U32::hash_table(100).check().is_err());
        assert!(U32::new().key(U32Key { value: 0, mask: 0, offset: 2, offset_mask: 0 }).check().is_err());
    }
}

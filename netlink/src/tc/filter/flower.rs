//! flower: filters by the fields of headers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{FLAGS_TO_SET, Protocol};
use crate::error::Failure;
use crate::ip_net::IpNet;
use crate::mac::MacAddress;
use crate::tc::TcHandle;
use crate::tc::action::{Action, check_all, read_all, write_all};
use crate::wire::Request;
use crate::wire::attribute::{Attribute, Attributes};
#[allow(clippy::wildcard_imports, reason = "there are a hundred of its own")]
use crate::wire::tc::numbers::*;

/// What a field must be, and which bits of it are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Masked<T> {
    /// What it must be.
    pub value: T,
    /// The bits that are looked at.
    pub mask: T,
}

/// A field, as the kernel has it.
trait Field: Sized {
    /// All bits.
    const ALL: Self;
    fn put(&self, request: &mut Request, kind: u16);
    fn take(attribute: Attribute<'_>) -> Option<Self>;
}

macro_rules! field {
    ($type:ty, $all:expr, $put:ident, $take:ident, $into:expr, $from:expr) => {
        impl Field for $type {
            const ALL: Self = $all;

            fn put(&self, request: &mut Request, kind: u16) {
                request.$put(kind, $into(*self));
            }

            fn take(attribute: Attribute<'_>) -> Option<Self> {
                attribute.$take().map($from)
            }
        }

        /// All bits of it.
        impl From<$type> for Masked<$type> {
            fn from(value: $type) -> Self {
                Masked { value, mask: <$type>::ALL }
            }
        }
    };
}

// Most numbers of headers are in network byte order.
field!(u8, u8::MAX, u8, u8, |number| number, |number| number);
field!(u16, u16::MAX, be16, be16, |number| number, |number| number);
field!(u32, u32::MAX, be32, be32, |number| number, |number| number);
field!(Ipv4Addr, Ipv4Addr::BROADCAST, be32, be32, u32::from, Ipv4Addr::from);

macro_rules! bytes_field {
    ($type:ty, $size:literal, $all:expr, $into:expr, $from:expr) => {
        impl Field for $type {
            const ALL: Self = $all;

            fn put(&self, request: &mut Request, kind: u16) {
                request.bytes(kind, &$into(*self));
            }

            fn take(attribute: Attribute<'_>) -> Option<Self> {
                <[u8; $size]>::try_from(attribute.payload).ok().map($from)
            }
        }

        /// All bits of it.
        impl From<$type> for Masked<$type> {
            fn from(value: $type) -> Self {
                Masked { value, mask: <$type>::ALL }
            }
        }
    };
}

bytes_field!(Ipv6Addr, 16, Ipv6Addr::from_bits(u128::MAX), |ip: Ipv6Addr| ip.octets(), Ipv6Addr::from);
bytes_field!(MacAddress, 6, MacAddress::ALL, MacAddress::octets, MacAddress::from);
bytes_field!([u8; 16], 16, [0xff; 16], |bytes: [u8; 16]| bytes, |bytes| bytes);

/// The addresses of a network.
impl From<IpNet> for Masked<IpAddr> {
    fn from(net: IpNet) -> Self {
        let prefix = u32::from(net.prefix_len());
        match net.network().address() {
            value @ IpAddr::V4(_) => {
                let mask = u32::MAX.checked_shl(32 - prefix).unwrap_or(0);
                Masked { value, mask: Ipv4Addr::from(mask).into() }
            }
            value @ IpAddr::V6(_) => {
                let mask = u128::MAX.checked_shl(128 - prefix).unwrap_or(0);
                Masked { value, mask: Ipv6Addr::from(mask).into() }
            }
        }
    }
}

/// This address alone.
impl From<IpAddr> for Masked<IpAddr> {
    fn from(address: IpAddr) -> Self {
        IpNet::from(address).into()
    }
}

/// What a VLAN mark must be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VlanKey {
    /// The VLAN's number.
    pub id: Option<u16>,
    /// The priority, 0 to 7.
    pub priority: Option<u8>,
    /// What is behind the mark, an `EtherType`.
    pub ether_type: Option<u16>,
}

macro_rules! flower {
    (
        masked { $($(#[$masked_doc:meta])* $masked:ident: $masked_type:ty = $value:ident $mask:ident,)* }
        native { $($(#[$native_doc:meta])* $native:ident: $native_type:ident = $native_value:ident $native_mask:ident,)* }
        plain { $($(#[$plain_doc:meta])* $plain:ident: $plain_type:ty = $attribute:ident $method:ident,)* }
    ) => {
        /// Takes packets by the fields of their headers ([`tc-flower(8)`]). `None` is not looked at.
        ///
        /// A field is looked at only where those around it say what it is: a port needs an `ip_proto`, an address an
        /// IP [`protocol`](super::Filter::protocol) of the filter, which [`Filter::new`](super::Filter::new) finds.
        ///
        /// ```
        /// use netlink::tc::{Action, Flower};
        ///
        /// let mut flower = Flower::new().source("10.0.0.0/8".parse()?).tcp().dst_port(80);
        /// flower.tcp_flags = Some(0x02.into());
        /// flower.actions.push(Action::drop());
        /// # Ok::<(), netlink::Error>(())
        /// ```
        ///
        /// [`tc-flower(8)`]: https://man7.org/linux/man-pages/man8/tc-flower.8.html
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Flower {
            /// The class they go to.
            pub class: Option<TcHandle>,
            /// The name of the link they came in by, for a block.
            pub in_device: Option<String>,
            /// The source address.
            pub ip_src: Option<Masked<IpAddr>>,
            /// The destination address.
            pub ip_dst: Option<Masked<IpAddr>>,
            /// The source port, of the `ip_proto` TCP, UDP or SCTP.
            pub port_src: Option<Masked<u16>>,
            /// The destination port, of the `ip_proto` TCP, UDP or SCTP.
            pub port_dst: Option<Masked<u16>>,
            /// The source port is one of these, first and last told.
            pub port_src_range: Option<(u16, u16)>,
            /// The destination port is one of these, first and last told.
            pub port_dst_range: Option<(u16, u16)>,
            /// The outer VLAN mark.
            pub vlan: VlanKey,
            /// The inner VLAN mark.
            pub cvlan: VlanKey,
            /// The source of the outer packet of a tunnel.
            pub enc_src: Option<Masked<IpAddr>>,
            /// The destination of the outer packet of a tunnel.
            pub enc_dst: Option<Masked<IpAddr>>,
            /// What the kernel's `TCA_FLOWER_KEY_ENC_OPTS` holds, and its mask; empty for none.
            pub enc_options: (Vec<u8>, Vec<u8>),
            /// Whether the device does it, `TCA_CLS_FLAGS_` bits: 1 is not, 2 is only there; it is read with more.
            pub flags: Option<u32>,
            /// What is done with them, in this order.
            pub actions: Vec<Action>,
            $($(#[$masked_doc])* pub $masked: Option<Masked<$masked_type>>,)*
            $($(#[$native_doc])* pub $native: Option<Masked<$native_type>>,)*
            $($(#[$plain_doc])* pub $plain: Option<$plain_type>,)*
        }

        impl Flower {
            fn write_fields(&self, request: &mut Request) {
                $(write_masked(request, $value, $mask, self.$masked);)*
                $(if let Some(field) = self.$native {
                    request.$native_type($native_value, field.value);
                    request.$native_type($native_mask, field.mask);
                })*
                $(if let Some(value) = self.$plain {
                    request.$method($attribute, value);
                })*
            }

            fn read_fields(&mut self, found: &Found<'_>) {
                $(self.$masked = found.masked($value, $mask);)*
                $(self.$native = found.get($native_value).and_then(Attribute::$native_type).map(|value| Masked {
                    value,
                    mask: found.get($native_mask).and_then(Attribute::$native_type).unwrap_or($native_type::MAX),
                });)*
                $(self.$plain = found.get($attribute).and_then(Attribute::$method);)*
            }
        }
    };
}

flower! {
    masked {
        /// The source MAC.
        eth_src: MacAddress = TCA_FLOWER_KEY_ETH_SRC TCA_FLOWER_KEY_ETH_SRC_MASK,
        /// The destination MAC.
        eth_dst: MacAddress = TCA_FLOWER_KEY_ETH_DST TCA_FLOWER_KEY_ETH_DST_MASK,
        /// The type of service, DSCP and ECN.
        ip_tos: u8 = TCA_FLOWER_KEY_IP_TOS TCA_FLOWER_KEY_IP_TOS_MASK,
        /// The time to live.
        ip_ttl: u8 = TCA_FLOWER_KEY_IP_TTL TCA_FLOWER_KEY_IP_TTL_MASK,
        /// What the kernel knows of it, `TCA_FLOWER_KEY_FLAGS_` bits: 1 a fragment, 2 the first of them.
        key_flags: u32 = TCA_FLOWER_KEY_FLAGS TCA_FLOWER_KEY_FLAGS_MASK,
        /// The flags of TCP, 12 bits: 1 FIN, 2 SYN, 4 RST, ...
        tcp_flags: u16 = TCA_FLOWER_KEY_TCP_FLAGS TCA_FLOWER_KEY_TCP_FLAGS_MASK,
        /// The type of an ICMP message.
        icmp_type: u8 = TCA_FLOWER_KEY_ICMPV4_TYPE TCA_FLOWER_KEY_ICMPV4_TYPE_MASK,
        /// The code of an ICMP message.
        icmp_code: u8 = TCA_FLOWER_KEY_ICMPV4_CODE TCA_FLOWER_KEY_ICMPV4_CODE_MASK,
        /// The type of an ICMPv6 message.
        icmpv6_type: u8 = TCA_FLOWER_KEY_ICMPV6_TYPE TCA_FLOWER_KEY_ICMPV6_TYPE_MASK,
        /// The code of an ICMPv6 message.
        icmpv6_code: u8 = TCA_FLOWER_KEY_ICMPV6_CODE TCA_FLOWER_KEY_ICMPV6_CODE_MASK,
        /// Who sends an ARP message.
        arp_sip: Ipv4Addr = TCA_FLOWER_KEY_ARP_SIP TCA_FLOWER_KEY_ARP_SIP_MASK,
        /// Whom an ARP message is about.
        arp_tip: Ipv4Addr = TCA_FLOWER_KEY_ARP_TIP TCA_FLOWER_KEY_ARP_TIP_MASK,
        /// What an ARP message says: 1 request, 2 reply.
        arp_op: u8 = TCA_FLOWER_KEY_ARP_OP TCA_FLOWER_KEY_ARP_OP_MASK,
        /// The MAC of who sends an ARP message.
        arp_sha: MacAddress = TCA_FLOWER_KEY_ARP_SHA TCA_FLOWER_KEY_ARP_SHA_MASK,
        /// The MAC of whom an ARP message is about.
        arp_tha: MacAddress = TCA_FLOWER_KEY_ARP_THA TCA_FLOWER_KEY_ARP_THA_MASK,
        /// The source port of the outer packet of a tunnel.
        enc_src_port: u16 = TCA_FLOWER_KEY_ENC_UDP_SRC_PORT TCA_FLOWER_KEY_ENC_UDP_SRC_PORT_MASK,
        /// The destination port of the outer packet of a tunnel.
        enc_dst_port: u16 = TCA_FLOWER_KEY_ENC_UDP_DST_PORT TCA_FLOWER_KEY_ENC_UDP_DST_PORT_MASK,
        /// The type of service of the outer packet of a tunnel.
        enc_tos: u8 = TCA_FLOWER_KEY_ENC_IP_TOS TCA_FLOWER_KEY_ENC_IP_TOS_MASK,
        /// The time to live of the outer packet of a tunnel.
        enc_ttl: u8 = TCA_FLOWER_KEY_ENC_IP_TTL TCA_FLOWER_KEY_ENC_IP_TTL_MASK,
        /// The labels of its connection.
        ct_labels: [u8; 16] = TCA_FLOWER_KEY_CT_LABELS TCA_FLOWER_KEY_CT_LABELS_MASK,
    }
    native {
        /// The state of its connection, `TCA_FLOWER_KEY_CT_FLAGS_` bits: 1 new, 2 established, 4 related, 8 tracked, ...
        ct_state: u16 = TCA_FLOWER_KEY_CT_STATE TCA_FLOWER_KEY_CT_STATE_MASK,
        /// The zone of its connection.
        ct_zone: u16 = TCA_FLOWER_KEY_CT_ZONE TCA_FLOWER_KEY_CT_ZONE_MASK,
        /// The mark of its connection.
        ct_mark: u32 = TCA_FLOWER_KEY_CT_MARK TCA_FLOWER_KEY_CT_MARK_MASK,
    }
    plain {
        /// What it is, an `EtherType`, if not that of the filter's protocol.
        eth_type: u16 = TCA_FLOWER_KEY_ETH_TYPE be16,
        /// What is in it, an `IPPROTO_` number.
        ip_proto: u8 = TCA_FLOWER_KEY_IP_PROTO u8,
        /// How many VLAN marks it has (Linux 5.19).
        vlan_count: u8 = TCA_FLOWER_KEY_NUM_OF_VLANS u8,
        /// The time to live of the MPLS mark.
        mpls_ttl: u8 = TCA_FLOWER_KEY_MPLS_TTL u8,
        /// Whether the MPLS mark is the last one: 0 or 1.
        mpls_bos: u8 = TCA_FLOWER_KEY_MPLS_BOS u8,
        /// The traffic class of the MPLS mark.
        mpls_tc: u8 = TCA_FLOWER_KEY_MPLS_TC u8,
        /// The label of the MPLS mark.
        mpls_label: u32 = TCA_FLOWER_KEY_MPLS_LABEL u32,
        /// The number within the tunnel it came by (VNI).
        enc_key_id: u32 = TCA_FLOWER_KEY_ENC_KEY_ID be32,
        /// The PPPoE session (Linux 6.0).
        pppoe_sid: u16 = TCA_FLOWER_KEY_PPPOE_SID be16,
    }
}

const TCP: u8 = 6;
const UDP: u8 = 17;
const SCTP: u8 = 132;

/// The attributes of ports, by protocol: source, its mask, destination, its mask.
const PORTS: [(u8, [u16; 4]); 3] = [
    (
        TCP,
        [
            TCA_FLOWER_KEY_TCP_SRC,
            TCA_FLOWER_KEY_TCP_SRC_MASK,
            TCA_FLOWER_KEY_TCP_DST,
            TCA_FLOWER_KEY_TCP_DST_MASK,
        ],
    ),
    (
        UDP,
        [
            TCA_FLOWER_KEY_UDP_SRC,
            TCA_FLOWER_KEY_UDP_SRC_MASK,
            TCA_FLOWER_KEY_UDP_DST,
            TCA_FLOWER_KEY_UDP_DST_MASK,
        ],
    ),
    (
        SCTP,
        [
            TCA_FLOWER_KEY_SCTP_SRC,
            TCA_FLOWER_KEY_SCTP_SRC_MASK,
            TCA_FLOWER_KEY_SCTP_DST,
            TCA_FLOWER_KEY_SCTP_DST_MASK,
        ],
    ),
];

/// The attributes of addresses: of IPv4 and its mask, of IPv6 and its mask.
const SRC: [u16; 4] = [
    TCA_FLOWER_KEY_IPV4_SRC,
    TCA_FLOWER_KEY_IPV4_SRC_MASK,
    TCA_FLOWER_KEY_IPV6_SRC,
    TCA_FLOWER_KEY_IPV6_SRC_MASK,
];
const DST: [u16; 4] = [
    TCA_FLOWER_KEY_IPV4_DST,
    TCA_FLOWER_KEY_IPV4_DST_MASK,
    TCA_FLOWER_KEY_IPV6_DST,
    TCA_FLOWER_KEY_IPV6_DST_MASK,
];
const ENC_SRC: [u16; 4] = [
    TCA_FLOWER_KEY_ENC_IPV4_SRC,
    TCA_FLOWER_KEY_ENC_IPV4_SRC_MASK,
    TCA_FLOWER_KEY_ENC_IPV6_SRC,
    TCA_FLOWER_KEY_ENC_IPV6_SRC_MASK,
];
const ENC_DST: [u16; 4] = [
    TCA_FLOWER_KEY_ENC_IPV4_DST,
    TCA_FLOWER_KEY_ENC_IPV4_DST_MASK,
    TCA_FLOWER_KEY_ENC_IPV6_DST,
    TCA_FLOWER_KEY_ENC_IPV6_DST_MASK,
];

fn write_masked<T: Field>(request: &mut Request, value: u16, mask: u16, field: Option<Masked<T>>) {
    if let Some(field) = field {
        field.value.put(request, value);
        field.mask.put(request, mask);
    }
}

fn write_address(request: &mut Request, [v4, v4_mask, v6, v6_mask]: [u16; 4], field: Option<Masked<IpAddr>>) {
    if let Some(Masked { value, mask }) = field {
        let (kind, mask_kind) = if value.is_ipv4() { (v4, v4_mask) } else { (v6, v6_mask) };
        request.ip(kind, value);
        request.ip(mask_kind, mask);
    }
}

/// The attributes of a filter by their numbers: there are many.
struct Found<'a>([Option<Attribute<'a>>; 128]);

impl<'a> Found<'a> {
    fn new(attributes: Attributes<'a>) -> Found<'a> {
        let mut found = Found([None; 128]);
        for attribute in attributes {
            if let Some(place) = found.0.get_mut(usize::from(attribute.kind)) {
                *place = Some(attribute);
            }
        }
        found
    }

    fn get(&self, kind: u16) -> Option<Attribute<'a>> {
        *self.0.get(usize::from(kind))?
    }

    /// A field without a mask is meant whole.
    fn masked<T: Field>(&self, value: u16, mask: u16) -> Option<Masked<T>> {
        let value = T::take(self.get(value)?)?;
        Some(Masked { value, mask: self.get(mask).and_then(T::take).unwrap_or(T::ALL) })
    }

    fn address(&self, [v4, v4_mask, v6, v6_mask]: [u16; 4]) -> Option<Masked<IpAddr>> {
        let (value, mask) =
            self.get(v4).map(|value| (value, v4_mask)).or(self.get(v6).map(|v| (v, v6_mask)))?;
        let value = value.ip()?;
        let mask = self.get(mask).and_then(Attribute::ip).filter(|mask| mask.is_ipv4() == value.is_ipv4());
        Some(mask.map_or(value.into(), |mask| Masked { value, mask }))
    }

    fn range(&self, least: u16, most: u16) -> Option<(u16, u16)> {
        Some((self.get(least)?.be16()?, self.get(most)?.be16()?))
    }

    fn vlan(&self, id: u16, priority: u16, ether_type: u16) -> VlanKey {
        VlanKey {
            id: self.get(id).and_then(Attribute::u16),
            priority: self.get(priority).and_then(Attribute::u8),
            ether_type: self.get(ether_type).and_then(Attribute::be16),
        }
    }
}

impl Flower {
    /// Begins a filter that takes all packets.
    pub fn new() -> Flower {
        Flower::default()
    }

    /// Asks for a source address.
    #[must_use]
    pub fn source(mut self, network: IpNet) -> Flower {
        self.ip_src = Some(network.into());
        self
    }

    /// Asks for a destination address.
    #[must_use]
    pub fn destination(mut self, network: IpNet) -> Flower {
        self.ip_dst = Some(network.into());
        self
    }

    /// Asks for TCP.
    #[must_use]
    pub fn tcp(mut self) -> Flower {
        self.ip_proto = Some(TCP);
        self
    }

    /// Asks for UDP.
    #[must_use]
    pub fn udp(mut self) -> Flower {
        self.ip_proto = Some(UDP);
        self
    }

    /// Asks for a source port.
    #[must_use]
    pub fn src_port(mut self, port: u16) -> Flower {
        self.port_src = Some(port.into());
        self
    }

    /// Asks for a destination port.
    #[must_use]
    pub fn dst_port(mut self, port: u16) -> Flower {
        self.port_dst = Some(port.into());
        self
    }

    /// Sends the packets to a class.
    #[must_use]
    pub fn class(mut self, class: TcHandle) -> Flower {
        self.class = Some(class);
        self
    }

    /// Does something with them, after what is done already.
    #[must_use]
    pub fn action(mut self, action: Action) -> Flower {
        self.actions.push(action);
        self
    }

    /// The protocol that its fields are of.
    pub(super) fn protocol(&self) -> Protocol {
        let v6 = [self.ip_src, self.ip_dst].iter().flatten().any(|address| address.value.is_ipv6());
        let vlan = self.vlan.id.is_some() || self.vlan.priority.is_some() || self.vlan.ether_type.is_some();
        let arp = self.arp_op.is_some() || self.arp_sip.is_some() || self.arp_tip.is_some();
        let mpls = self.mpls_label.is_some() || self.mpls_ttl.is_some();
        match self.eth_type {
            Some(number) if !vlan => Protocol(number),
            _ if vlan => Protocol::VLAN,
            _ if arp || self.arp_sha.is_some() || self.arp_tha.is_some() => Protocol::ARP,
            _ if mpls => Protocol::MPLS,
            _ if v6 || self.icmpv6_type.is_some() || self.icmpv6_code.is_some() => Protocol::IPV6,
            _ if self.ip_src.is_some()
                || self.ip_dst.is_some()
                || self.ip_proto.is_some()
                || self.ip_tos.is_some()
                || self.ip_ttl.is_some() =>
            {
                Protocol::IP
            }
            _ => Protocol::ALL,
        }
    }

    fn has_ports(&self) -> bool {
        self.port_src.is_some()
            || self.port_dst.is_some()
            || self.port_src_range.is_some()
            || self.port_dst_range.is_some()
    }

    pub(super) fn check(&self) -> Result<(), Failure> {
        let refuse = |why: &str| Err(Failure::Input(why.to_owned()));
        let ported = self.ip_proto.is_some_and(|number| PORTS.iter().any(|(ported, _)| *ported == number));
        // The kernel would leave them out silently.
        if self.has_ports() && !ported {
            return refuse("ports are those of TCP, UDP or SCTP: set ip_proto");
        }
        if self.tcp_flags.is_some() && self.ip_proto != Some(TCP) {
            return refuse("flags of TCP need TCP: set ip_proto");
        }
        for (one, other) in [(self.ip_src, self.ip_dst), (self.enc_src, self.enc_dst)] {
            if one.zip(other).is_some_and(|(one, other)| one.value.is_ipv4() != other.value.is_ipv4()) {
                return refuse("source and destination are of different families");
            }
            let both = [one, other];
            if both.iter().flatten().any(|field| field.value.is_ipv4() != field.mask.is_ipv4()) {
                return refuse("an address and its mask are of different families");
            }
        }
        check_all(&self.actions)
    }

    pub(super) fn write(&self, request: &mut Request) {
        request.nest(TCA_OPTIONS, |request| {
            if let Some(class) = self.class {
                request.tc_handle(TCA_FLOWER_CLASSID, class);
            }
            if let Some(name) = &self.in_device {
                request.text(TCA_FLOWER_INDEV, name);
            }
            if let Some(flags) = self.flags {
                request.u32(TCA_FLOWER_FLAGS, flags & FLAGS_TO_SET);
            }
            if self.eth_type.is_none() && self.protocol() != Protocol::ALL {
                request.be16(TCA_FLOWER_KEY_ETH_TYPE, self.protocol().0);
            }
            self.write_fields(request);
            write_address(request, SRC, self.ip_src);
            write_address(request, DST, self.ip_dst);
            write_address(request, ENC_SRC, self.enc_src);
            write_address(request, ENC_DST, self.enc_dst);
            for (number, [src, src_mask, dst, dst_mask]) in PORTS {
                if self.ip_proto == Some(number) {
                    write_masked(request, src, src_mask, self.port_src);
                    write_masked(request, dst, dst_mask, self.port_dst);
                }
            }
            self.write_ranges(request);
            self.write_vlans(request);
            let (options, mask) = &self.enc_options;
            for (kind, bytes) in [(TCA_FLOWER_KEY_ENC_OPTS, options), (TCA_FLOWER_KEY_ENC_OPTS_MASK, mask)] {
                if !bytes.is_empty() {
                    request.nest(kind, |request| request.header(bytes));
                }
            }
            write_all(request, TCA_FLOWER_ACT, &self.actions);
        });
    }

    fn write_ranges(&self, request: &mut Request) {
        for (range, least, most) in [
            (self.port_src_range, TCA_FLOWER_KEY_PORT_SRC_MIN, TCA_FLOWER_KEY_PORT_SRC_MAX),
            (self.port_dst_range, TCA_FLOWER_KEY_PORT_DST_MIN, TCA_FLOWER_KEY_PORT_DST_MAX),
        ] {
            if let Some((first, last)) = range {
                request.be16(least, first);
                request.be16(most, last);
            }
        }
    }

    fn write_vlans(&self, request: &mut Request) {
        let outer = [TCA_FLOWER_KEY_VLAN_ID, TCA_FLOWER_KEY_VLAN_PRIO, TCA_FLOWER_KEY_VLAN_ETH_TYPE];
        let inner = [TCA_FLOWER_KEY_CVLAN_ID, TCA_FLOWER_KEY_CVLAN_PRIO, TCA_FLOWER_KEY_CVLAN_ETH_TYPE];
        for (vlan, [id, priority, ether_type]) in [(self.vlan, outer), (self.cvlan, inner)] {
            if let Some(number) = vlan.id {
                request.u16(id, number);
            }
            if let Some(number) = vlan.priority {
                request.u8(priority, number);
            }
            if let Some(number) = vlan.ether_type {
                request.be16(ether_type, number);
            }
        }
    }

    pub(super) fn read(options: Attribute<'_>) -> Flower {
        let found = Found::new(options.nested());
        let bytes = |kind| found.get(kind).map(|bytes| bytes.payload.to_vec()).unwrap_or_default();
        let mut flower = Flower {
            class: found.get(TCA_FLOWER_CLASSID).and_then(Attribute::tc_handle),
            in_device: found.get(TCA_FLOWER_INDEV).map(Attribute::text),
            flags: found.get(TCA_FLOWER_FLAGS).and_then(Attribute::u32),
            ip_src: found.address(SRC),
            ip_dst: found.address(DST),
            enc_src: found.address(ENC_SRC),
            enc_dst: found.address(ENC_DST),
            port_src_range: found.range(TCA_FLOWER_KEY_PORT_SRC_MIN, TCA_FLOWER_KEY_PORT_SRC_MAX),
            port_dst_range: found.range(TCA_FLOWER_KEY_PORT_DST_MIN, TCA_FLOWER_KEY_PORT_DST_MAX),
            vlan: found.vlan(TCA_FLOWER_KEY_VLAN_ID, TCA_FLOWER_KEY_VLAN_PRIO, TCA_FLOWER_KEY_VLAN_ETH_TYPE),
            cvlan: found.vlan(
                TCA_FLOWER_KEY_CVLAN_ID,
                TCA_FLOWER_KEY_CVLAN_PRIO,
                TCA_FLOWER_KEY_CVLAN_ETH_TYPE,
            ),
            enc_options: (bytes(TCA_FLOWER_KEY_ENC_OPTS), bytes(TCA_FLOWER_KEY_ENC_OPTS_MASK)),
            actions: found.get(TCA_FLOWER_ACT).map(read_all).unwrap_or_default(),
            ..Flower::default()
        };
        flower.read_fields(&found);
        for (_, [src, src_mask, dst, dst_mask]) in PORTS {
            flower.port_src = flower.port_src.or(found.masked(src, src_mask));
            flower.port_dst = flower.port_dst.or(found.masked(dst, dst_mask));
        }
        flower
    }
}

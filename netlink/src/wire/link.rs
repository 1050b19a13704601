//! A link's message: `struct ifinfomsg` and attributes.

use super::attribute::{Attribute, Attributes};
use super::numbers::{
    AF_UNSPEC, IFLA_ADDRESS, IFLA_AF_SPEC, IFLA_ALLMULTI, IFLA_ALT_IFNAME, IFLA_BROADCAST, IFLA_CARRIER,
    IFLA_CARRIER_CHANGES, IFLA_CARRIER_DOWN_COUNT, IFLA_CARRIER_UP_COUNT, IFLA_GRO_IPV4_MAX_SIZE,
    IFLA_GRO_MAX_SIZE, IFLA_GROUP, IFLA_GSO_IPV4_MAX_SIZE, IFLA_GSO_MAX_SEGS, IFLA_GSO_MAX_SIZE,
    IFLA_HEADROOM, IFLA_IFALIAS, IFLA_IFNAME, IFLA_INFO_DATA, IFLA_INFO_KIND, IFLA_INFO_SLAVE_DATA,
    IFLA_INFO_SLAVE_KIND, IFLA_LINK, IFLA_LINK_NETNSID, IFLA_LINKINFO, IFLA_LINKMODE, IFLA_MASTER,
    IFLA_MAX_MTU, IFLA_MIN_MTU, IFLA_MTU, IFLA_NETNS_IMMUTABLE, IFLA_NEW_IFINDEX, IFLA_NEW_NETNSID,
    IFLA_NUM_RX_QUEUES, IFLA_NUM_TX_QUEUES, IFLA_NUM_VF, IFLA_OPERSTATE, IFLA_PARENT_DEV_BUS_NAME,
    IFLA_PARENT_DEV_NAME, IFLA_PERM_ADDRESS, IFLA_PHYS_PORT_ID, IFLA_PHYS_PORT_NAME, IFLA_PHYS_SWITCH_ID,
    IFLA_PROMISCUITY, IFLA_PROP_LIST, IFLA_PROTO_DOWN, IFLA_PROTO_DOWN_REASON, IFLA_PROTO_DOWN_REASON_VALUE,
    IFLA_QDISC, IFLA_STATS64, IFLA_TAILROOM, IFLA_TARGET_NETNSID, IFLA_TSO_MAX_SEGS, IFLA_TSO_MAX_SIZE,
    IFLA_TXQLEN, IFLA_VFINFO_LIST, IFLA_XDP,
};
use super::{u16_at, u32_at};
use crate::kind::LinkKind;
use crate::link::{Inet6Link, Link, LinkFlags, LinkStats, OperState, Vf, Xdp};
use crate::port::Port;

pub(crate) const HEADER: usize = 16;

/// Writes `struct ifinfomsg`. Only the flags named in `change` are touched.
pub(crate) fn header(index: u32, flags: LinkFlags, change: LinkFlags) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[0] = AF_UNSPEC;
    header[4..8].copy_from_slice(&index.to_ne_bytes());
    header[8..12].copy_from_slice(&flags.bits().to_ne_bytes());
    header[12..16].copy_from_slice(&change.bits().to_ne_bytes());
    header
}

/// Reads a link; `None` where there is not even a header.
pub(crate) fn read(payload: &[u8]) -> Option<Link> {
    let mut link = Link::default();
    read_all(&mut link, payload)?;
    Some(link)
}

/// Reads into a new link.
pub(crate) fn read_all(link: &mut Link, payload: &[u8]) -> Option<()> {
    link.layer = u16_at(payload, 2)?;
    link.index = u32_at(payload, 4)?;
    link.flags = LinkFlags::from_bits_retain(u32_at(payload, 8)?);
    for attribute in Attributes::after(HEADER, payload) {
        match attribute.kind {
            IFLA_IFNAME => link.name = attribute.text(),
            IFLA_MTU => link.mtu = attribute.u32().unwrap_or_default(),
            IFLA_MIN_MTU => link.min_mtu = attribute.u32(),
            // Zero is the kernel's word for "as it likes".
            IFLA_MAX_MTU => link.max_mtu = attribute.u32().filter(|mtu| *mtu != 0),
            IFLA_ADDRESS => (link.mac, link.long_address) = attribute.hardware_address(),
            IFLA_BROADCAST => (link.broadcast, link.long_broadcast) = attribute.hardware_address(),
            IFLA_MASTER => link.master = attribute.u32().filter(|index| *index != 0),
            IFLA_LINK => link.peer = attribute.u32().filter(|index| *index != 0),
            IFLA_LINK_NETNSID => link.peer_netns_id = netns_id(attribute),
            IFLA_OPERSTATE => {
                link.oper_state = attribute.u8().map_or(OperState::Unknown, OperState::from_kernel);
            }
            IFLA_QDISC => link.qdisc = Some(attribute.text()),
            IFLA_TXQLEN => link.queue_len = attribute.u32().unwrap_or_default(),
            IFLA_GROUP => link.group = attribute.u32().unwrap_or_default(),
            IFLA_LINKINFO => (link.kind, link.port) = info(attribute),
            IFLA_IFALIAS => link.alias = Some(attribute.text()),
            IFLA_NUM_TX_QUEUES => link.tx_queues = attribute.u32().unwrap_or_default(),
            IFLA_NUM_RX_QUEUES => link.rx_queues = attribute.u32().unwrap_or_default(),
            IFLA_PROMISCUITY => link.promiscuity = attribute.u32().unwrap_or_default(),
            IFLA_GSO_MAX_SIZE => link.gso_max_size = attribute.u32(),
            IFLA_GSO_MAX_SEGS => link.gso_max_segs = attribute.u32(),
            IFLA_GRO_MAX_SIZE => link.gro_max_size = attribute.u32(),
            IFLA_GSO_IPV4_MAX_SIZE => link.gso_ipv4_max_size = attribute.u32(),
            IFLA_GRO_IPV4_MAX_SIZE => link.gro_ipv4_max_size = attribute.u32(),
            IFLA_PROP_LIST => link.altnames = altnames(attribute),
            IFLA_TSO_MAX_SIZE => link.tso_max_size = attribute.u32(),
            IFLA_TSO_MAX_SEGS => link.tso_max_segs = attribute.u32(),
            IFLA_PERM_ADDRESS => link.perm_mac = attribute.mac(),
            IFLA_ALLMULTI => link.allmulti = attribute.u32(),
            IFLA_CARRIER => link.carrier = attribute.bool(),
            IFLA_CARRIER_CHANGES => link.carrier_changes = attribute.u32(),
            IFLA_CARRIER_UP_COUNT => link.carrier_up_count = attribute.u32(),
            IFLA_CARRIER_DOWN_COUNT => link.carrier_down_count = attribute.u32(),
            IFLA_LINKMODE => link.mode = attribute.u8().unwrap_or_default().into(),
            IFLA_PROTO_DOWN => link.proto_down = attribute.bool(),
            IFLA_PROTO_DOWN_REASON => {
                let value = attribute.nested().find(|reason| reason.kind == IFLA_PROTO_DOWN_REASON_VALUE);
                link.proto_down_reason = value.and_then(Attribute::u32);
            }
            IFLA_XDP => link.xdp = Xdp::read(attribute),
            IFLA_AF_SPEC => link.inet6 = Inet6Link::read(attribute),
            IFLA_PHYS_PORT_ID => link.phys_port_id = Some(attribute.payload.to_vec()),
            IFLA_PHYS_PORT_NAME => link.phys_port_name = Some(attribute.text()),
            IFLA_PHYS_SWITCH_ID => link.phys_switch_id = Some(attribute.payload.to_vec()),
            IFLA_PARENT_DEV_NAME => link.parent_dev = Some(attribute.text()),
            IFLA_PARENT_DEV_BUS_NAME => link.parent_bus = Some(attribute.text()),
            IFLA_TARGET_NETNSID => link.netns_id = netns_id(attribute),
            IFLA_NEW_NETNSID => link.new_netns_id = netns_id(attribute),
            IFLA_NEW_IFINDEX => link.new_index = attribute.index(),
            IFLA_NETNS_IMMUTABLE => link.netns_immutable = attribute.bool(),
            IFLA_HEADROOM => link.headroom = attribute.u16(),
            IFLA_TAILROOM => link.tailroom = attribute.u16(),
            IFLA_NUM_VF => link.num_vfs = attribute.u32(),
            IFLA_VFINFO_LIST => link.vfs = Vf::read_all(attribute),
            _ => {}
        }
    }
    Some(())
}

/// An id of a namespace; -1 is none.
fn netns_id(attribute: Attribute<'_>) -> Option<u32> {
    attribute.i32().and_then(|id| u32::try_from(id).ok())
}

/// Reads what a link sent and received, which some kernels tell unasked.
pub(crate) fn stats(payload: &[u8]) -> Option<LinkStats> {
    let stats = Attributes::after(HEADER, payload).find(|attribute| attribute.kind == IFLA_STATS64)?;
    Some(LinkStats::read(stats.payload))
}

/// Reads `IFLA_LINKINFO`: what made it, and what its master has to say about it.
fn info(info: Attribute<'_>) -> (Option<LinkKind>, Option<Port>) {
    const NOTHING: Attribute<'_> = Attribute { kind: 0, payload: &[] };
    let (mut kind, mut data, mut port, mut port_data) = (None, NOTHING, None, NOTHING);
    for attribute in info.nested() {
        match attribute.kind {
            IFLA_INFO_KIND => kind = Some(attribute),
            IFLA_INFO_DATA => data = attribute,
            IFLA_INFO_SLAVE_KIND => port = Some(attribute),
            IFLA_INFO_SLAVE_DATA => port_data = attribute,
            _ => {}
        }
    }
    (kind.map(|kind| LinkKind::read(kind, data)), port.map(|port| Port::read(port, port_data)))
}

fn altnames(properties: Attribute<'_>) -> Vec<String> {
    properties.nested().filter(|property| property.kind == IFLA_ALT_IFNAME).map(Attribute::text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Some libraries lose an interface from a list when one attribute of it is new or odd.
    #[test]
    fn unknown_and_odd_attributes_never_drop_a_link() {
        let mut message = header(5, LinkFlags::UP, LinkFlags::empty()).to_vec();
        message.extend([7, 0, 0xff, 0x3f, 1, 2, 3, 0]); // a number never heard of
        message.extend([5, 0, 4, 0, 9, 0, 0, 0]); // an MTU of one byte
        message.extend([8, 0, 3, 0, b'e', b't', b'h', 0]);
        message.extend([200, 0, 1, 0, 1]); // an address longer than the message
        let link = read(&message).unwrap();
        assert_eq!((link.index, link.name.as_str(), link.mtu, link.mac), (5, "eth", 0, None));
        assert!(link.is_up());
    }

    #[test]
    fn a_message_shorter_than_its_header_is_no_link() {
        assert_eq!(read(&[0; 11]), None);
        assert!(read(&[0; 16]).is_some());
    }

    /// InfiniBand's addresses have 20 bytes, a tunnel's 4.
    #[test]
    fn a_hardware_address_of_another_length_is_no_mac() {
        let message = [&[0; 16][..], &[8, 0, 1, 0, 10, 0, 0, 1]].concat();
        let link = read(&message).unwrap();
        assert_eq!((link.mac, link.long_address), (None, Some(vec![10, 0, 0, 1])));
        let none = read(&[&[0; 16][..], &[4, 0, 1, 0]].concat()).unwrap();
        assert_eq!((none.mac, none.long_address), (None, None));
    }
}

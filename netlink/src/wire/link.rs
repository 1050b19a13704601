//! A link's message: `struct ifinfomsg` and attributes.

use super::attribute::{Attribute, Attributes};
use super::numbers::{
    AF_UNSPEC, IFLA_ADDRESS, IFLA_ALT_IFNAME, IFLA_BROADCAST, IFLA_GROUP, IFLA_IFNAME, IFLA_INFO_KIND,
    IFLA_LINK, IFLA_LINK_NETNSID, IFLA_LINKINFO, IFLA_MASTER, IFLA_MAX_MTU, IFLA_MIN_MTU, IFLA_MTU,
    IFLA_OPERSTATE, IFLA_PROP_LIST, IFLA_QDISC, IFLA_TXQLEN,
};
use super::{u16_at, u32_at};
use crate::link::{Link, LinkFlags, OperState};
use crate::mac::MacAddress;

const HEADER: usize = 16;

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
    let mut link = Link {
        layer: u16_at(payload, 2)?,
        index: u32_at(payload, 4)?,
        flags: LinkFlags::from_bits_retain(u32_at(payload, 8)?),
        ..Link::default()
    };
    for attribute in Attributes::after(HEADER, payload) {
        match attribute.kind {
            IFLA_IFNAME => link.name = attribute.text(),
            IFLA_MTU => link.mtu = attribute.u32().unwrap_or_default(),
            IFLA_MIN_MTU => link.min_mtu = attribute.u32(),
            // Zero is the kernel's word for "as it likes".
            IFLA_MAX_MTU => link.max_mtu = attribute.u32().filter(|mtu| *mtu != 0),
            IFLA_ADDRESS => link.mac = mac(attribute),
            IFLA_BROADCAST => link.broadcast = mac(attribute),
            IFLA_MASTER => link.master = attribute.u32().filter(|index| *index != 0),
            IFLA_LINK => link.peer = attribute.u32().filter(|index| *index != 0),
            IFLA_LINK_NETNSID => link.peer_netns_id = attribute.i32().filter(|id| *id >= 0),
            IFLA_OPERSTATE => {
                link.oper_state = attribute.u8().map_or(OperState::Unknown, OperState::from_kernel);
            }
            IFLA_QDISC => link.qdisc = Some(attribute.text()),
            IFLA_TXQLEN => link.queue_len = attribute.u32().unwrap_or_default(),
            IFLA_GROUP => link.group = attribute.u32().unwrap_or_default(),
            IFLA_LINKINFO => link.kind = kind(attribute),
            IFLA_PROP_LIST => link.altnames = altnames(attribute),
            _ => {}
        }
    }
    Some(link)
}

fn mac(attribute: Attribute<'_>) -> Option<MacAddress> {
    <[u8; 6]>::try_from(attribute.payload).ok().map(MacAddress::from)
}

fn kind(info: Attribute<'_>) -> Option<String> {
    info.nested().find(|attribute| attribute.kind == IFLA_INFO_KIND).map(Attribute::text)
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
        assert_eq!(read(&message).unwrap().mac, None);
    }
}

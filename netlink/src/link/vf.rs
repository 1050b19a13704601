//! Virtual functions: the parts of a network card that are given to guests (SR-IOV).

use crate::kind::{VlanProtocol, choice};
use crate::mac::MacAddress;
use crate::wire::attribute::Attribute;
use crate::wire::numbers::{
    IFLA_VF_BROADCAST, IFLA_VF_INFO, IFLA_VF_LINK_STATE, IFLA_VF_MAC, IFLA_VF_RATE, IFLA_VF_RSS_QUERY_EN,
    IFLA_VF_SPOOFCHK, IFLA_VF_TRUST, IFLA_VF_TX_RATE, IFLA_VF_VLAN, IFLA_VF_VLAN_LIST,
};
use crate::wire::{u16_at, u32_at};

/// A part of a network card that is given to a guest, as its card has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Vf {
    /// Its number.
    pub number: u32,
    /// Its hardware address.
    pub mac: Option<MacAddress>,
    /// The hardware address that reaches all its neighbours.
    pub broadcast: Option<MacAddress>,
    /// The VLANs it is in; empty for none.
    pub vlans: Vec<VfVlan>,
    /// How much it may send, in megabits a second; 0 for no limit.
    pub max_tx_rate: Option<u32>,
    /// How much it is promised, in megabits a second.
    pub min_tx_rate: Option<u32>,
    /// Whether it may send from its own addresses only.
    pub spoof_check: Option<bool>,
    /// Whether it is connected.
    pub link_state: Option<VfLinkState>,
    /// Whether it may ask how packets are spread.
    pub rss_query: Option<bool>,
    /// Whether it may do what others may not.
    pub trust: Option<bool>,
}

/// A VLAN of a virtual function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VfVlan {
    /// Its number.
    pub id: u32,
    /// The priority of its packets.
    pub qos: u32,
    /// How packets are marked.
    pub protocol: VlanProtocol,
}

choice! {
    /// Whether a virtual function is connected.
    VfLinkState: u32 {
        /// As its card is.
        Auto = 0 "auto",
        /// Always.
        Enable = 1 "enable",
        /// Never.
        Disable = 2 "disable",
    }
}

impl Vf {
    /// Reads `IFLA_VFINFO_LIST`.
    pub(crate) fn read_all(list: Attribute<'_>) -> Vec<Vf> {
        list.nested().filter(|one| one.kind == IFLA_VF_INFO).map(Vf::read).collect()
    }

    fn read(info: Attribute<'_>) -> Vf {
        let mut vf = Vf::default();
        for attribute in info.nested() {
            // Each begins with the number again.
            let number = |place: usize| u32_at(attribute.payload, 4 * place);
            match attribute.kind {
                IFLA_VF_MAC => {
                    vf.number = number(0).unwrap_or_default();
                    vf.mac = mac(attribute.payload.get(4..10));
                }
                IFLA_VF_BROADCAST => vf.broadcast = mac(attribute.payload.get(..6)),
                IFLA_VF_VLAN if vf.vlans.is_empty() => {
                    let vlan = |id, qos| VfVlan { id, qos, protocol: VlanProtocol::Dot1q };
                    vf.vlans.extend(
                        number(1).filter(|id| *id != 0).zip(number(2)).map(|(id, qos)| vlan(id, qos)),
                    );
                }
                IFLA_VF_VLAN_LIST => vf.vlans = attribute.nested().filter_map(VfVlan::read).collect(),
                IFLA_VF_TX_RATE => vf.max_tx_rate = vf.max_tx_rate.or(number(1)),
                IFLA_VF_RATE => (vf.min_tx_rate, vf.max_tx_rate) = (number(1), number(2)),
                IFLA_VF_SPOOFCHK => vf.spoof_check = switch(number(1)),
                IFLA_VF_LINK_STATE => vf.link_state = number(1).map(Into::into),
                IFLA_VF_RSS_QUERY_EN => vf.rss_query = switch(number(1)),
                IFLA_VF_TRUST => vf.trust = switch(number(1)),
                _ => {}
            }
        }
        vf
    }
}

impl VfVlan {
    /// Reads `struct ifla_vf_vlan_info`; VLAN 0 is none.
    fn read(info: Attribute<'_>) -> Option<VfVlan> {
        let (id, qos) = (u32_at(info.payload, 4)?, u32_at(info.payload, 8)?);
        let protocol = u16::from_be(u16_at(info.payload, 12)?).into();
        Some(VfVlan { id, qos, protocol }).filter(|vlan| vlan.id != 0)
    }
}

fn mac(bytes: Option<&[u8]>) -> Option<MacAddress> {
    <[u8; 6]>::try_from(bytes?).ok().map(MacAddress::from)
}

/// -1 is "it can't be said".
fn switch(number: Option<u32>) -> Option<bool> {
    number.filter(|number| *number != u32::MAX).map(|number| number != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Request;
    use crate::wire::message::HEADER;
    use crate::wire::numbers::IFLA_VFINFO_LIST;

    fn numbers(numbers: &[u32]) -> Vec<u8> {
        numbers.iter().flat_map(|number| number.to_ne_bytes()).collect()
    }

    fn read(fill: impl FnOnce(&mut Request)) -> Vec<Vf> {
        let mut request = Request::new(0, 0, &[]);
        request.nest(IFLA_VFINFO_LIST, fill);
        let bytes = request.sent()[HEADER..].to_vec();
        Vf::read_all(Attribute { kind: IFLA_VFINFO_LIST, payload: &bytes[4..] })
    }

    #[test]
    fn a_virtual_function_is_read_with_all_it_has() {
        let vfs = read(|request| {
            request.nest(IFLA_VF_INFO, |request| {
                request.bytes(IFLA_VF_MAC, &[&numbers(&[3])[..], &[2, 0, 0, 0, 0, 9], &[0; 26]].concat());
                request.bytes(IFLA_VF_BROADCAST, &[&[0xff; 6][..], &[0; 26]].concat());
                request.bytes(IFLA_VF_VLAN, &numbers(&[3, 7, 2]));
                request.bytes(IFLA_VF_TX_RATE, &numbers(&[3, 1000]));
                request.bytes(IFLA_VF_RATE, &numbers(&[3, 10, 1000]));
                request.bytes(IFLA_VF_SPOOFCHK, &numbers(&[3, 1]));
                request.bytes(IFLA_VF_LINK_STATE, &numbers(&[3, 2]));
                request.bytes(IFLA_VF_RSS_QUERY_EN, &numbers(&[3, u32::MAX]));
                request.bytes(IFLA_VF_TRUST, &numbers(&[3, 0]));
                request.nest(IFLA_VF_VLAN_LIST, |request| {
                    request.bytes(1, &[&numbers(&[3, 7, 2])[..], &[0x88, 0xa8, 0, 0]].concat());
                });
            });
            request.nest(IFLA_VF_INFO, |request| request.bytes(IFLA_VF_MAC, &[0; 3]));
        });
        let first = &vfs[0];
        assert_eq!((first.number, first.mac), (3, Some([2, 0, 0, 0, 0, 9].into())));
        assert_eq!(first.broadcast, Some([0xff; 6].into()));
        assert_eq!(first.vlans, [VfVlan { id: 7, qos: 2, protocol: VlanProtocol::Dot1ad }]);
        assert_eq!((first.min_tx_rate, first.max_tx_rate), (Some(10), Some(1000)));
        assert_eq!((first.spoof_check, first.rss_query, first.trust), (Some(true), None, Some(false)));
        assert_eq!(first.link_state, Some(VfLinkState::Disable));
        assert_eq!(vfs[1], Vf::default());
    }
}

//! Packets of one VLAN of another link.

use std::fmt;

use super::{Kind, Outer, sealed};
use crate::error::Failure;
use crate::link::{LinkRef, NewLink};
use crate::wire::attribute::Attribute;
use crate::wire::numbers::{
    IFLA_VLAN_EGRESS_QOS, IFLA_VLAN_FLAGS, IFLA_VLAN_ID, IFLA_VLAN_INGRESS_QOS, IFLA_VLAN_PROTOCOL,
    IFLA_VLAN_QOS_MAPPING,
};
use crate::wire::{Request, u32_at};

/// One VLAN of another link ([802.1Q]).
///
/// [802.1Q]: https://en.wikipedia.org/wiki/IEEE_802.1Q
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Vlan {
    /// Its number: 0 to 4094. Only said when it is made.
    pub id: u16,
    /// How packets are marked. Only said when it is made.
    pub protocol: VlanProtocol,
    /// What it does: those of the kernel's choice, or as they are, if nothing is said.
    pub flags: Option<VlanFlags>,
    /// The kernel's priority of received packets, by that in their mark (0 to 7). What isn't said stays.
    pub ingress_qos: Vec<(u32, u32)>,
    /// The priority in the mark of sent packets (0 to 7), by the kernel's. What isn't said stays.
    pub egress_qos: Vec<(u32, u32)>,
}

bitflags::bitflags! {
    /// What a VLAN does (`VLAN_FLAG_`).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct VlanFlags: u32 {
        /// It takes marks out of packets before they are seen.
        const REORDER_HDR = 0x1;
        /// It is told to switches, by GVRP.
        const GVRP = 0x2;
        /// It is up though the link below isn't.
        const LOOSE_BINDING = 0x4;
        /// It is told to switches, by MVRP.
        const MVRP = 0x8;
        /// It is up while a port of the bridge below with this VLAN is.
        const BRIDGE_BINDING = 0x10;

        const _ = !0;
    }
}

/// The flags that a list is of: those that it leaves out are switched off.
const KNOWN: u32 = 0x1f;

/// How packets of a VLAN are marked: their `EtherType`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum VlanProtocol {
    /// 802.1Q, 0x8100.
    #[default]
    Dot1q,
    /// 802.1ad, 0x88a8: a provider's mark around a customer's.
    Dot1ad,
    /// Another.
    Other(u16),
}

impl From<u16> for VlanProtocol {
    fn from(number: u16) -> VlanProtocol {
        match number {
            0x8100 => VlanProtocol::Dot1q,
            0x88a8 => VlanProtocol::Dot1ad,
            other => VlanProtocol::Other(other),
        }
    }
}

impl From<VlanProtocol> for u16 {
    fn from(protocol: VlanProtocol) -> u16 {
        match protocol {
            VlanProtocol::Dot1q => 0x8100,
            VlanProtocol::Dot1ad => 0x88a8,
            VlanProtocol::Other(other) => other,
        }
    }
}

/// Written as ip-link(8) writes it: `802.1Q`.
impl fmt::Display for VlanProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            VlanProtocol::Dot1q => f.pad("802.1Q"),
            VlanProtocol::Dot1ad => f.pad("802.1ad"),
            VlanProtocol::Other(other) => write!(f, "[{other}]"),
        }
    }
}

impl Vlan {
    pub(super) fn read(data: Attribute<'_>) -> Vlan {
        // The kernel doesn't tell of none.
        let mut vlan = Vlan { flags: Some(VlanFlags::empty()), ..Vlan::default() };
        for attribute in data.nested() {
            match attribute.kind {
                IFLA_VLAN_ID => vlan.id = attribute.u16().unwrap_or_default(),
                IFLA_VLAN_PROTOCOL => vlan.protocol = attribute.be16().unwrap_or_default().into(),
                IFLA_VLAN_FLAGS => {
                    vlan.flags = u32_at(attribute.payload, 0).map(VlanFlags::from_bits_retain);
                }
                IFLA_VLAN_INGRESS_QOS => vlan.ingress_qos = read_map(attribute),
                IFLA_VLAN_EGRESS_QOS => vlan.egress_qos = read_map(attribute),
                _ => {}
            }
        }
        vlan
    }
}

/// Reads `struct ifla_vlan_qos_mapping`s.
fn read_map(map: Attribute<'_>) -> Vec<(u32, u32)> {
    let mapping = |one: Attribute<'_>| Some((u32_at(one.payload, 0)?, u32_at(one.payload, 4)?));
    map.nested().filter_map(mapping).collect()
}

fn write_map(request: &mut Request, kind: u16, map: &[(u32, u32)]) {
    request.nest_unless_empty(kind, |request| {
        for (from, to) in map {
            request.bytes(IFLA_VLAN_QOS_MAPPING, [from.to_ne_bytes(), to.to_ne_bytes()].as_flattened());
        }
    });
}

impl Kind for Vlan {}

impl sealed::Kind for Vlan {
    fn name(&self) -> &'static str {
        "vlan"
    }

    fn check(&self) -> Result<(), Failure> {
        if self.id > 4094 {
            return Err(Failure::Input(format!("a VLAN's number is 0 to 4094, not {}", self.id)));
        }
        // The kernel would cut it to three bits.
        let marked =
            self.ingress_qos.iter().map(|(from, _)| from).chain(self.egress_qos.iter().map(|(_, to)| to));
        match marked.max() {
            Some(most @ 8..) => {
                Err(Failure::Input(format!("the priority in a VLAN's mark is 0 to 7, not {most}")))
            }
            _ => Ok(()),
        }
    }

    fn write(&self, request: &mut Request, _: Outer) {
        request.u16(IFLA_VLAN_ID, self.id);
        request.be16(IFLA_VLAN_PROTOCOL, self.protocol.into());
        if let Some(flags) = self.flags {
            // `struct ifla_vlan_flags`: the bits, and which of them to change.
            let all = KNOWN | flags.bits();
            request.bytes(IFLA_VLAN_FLAGS, [flags.bits().to_ne_bytes(), all.to_ne_bytes()].as_flattened());
        }
        write_map(request, IFLA_VLAN_INGRESS_QOS, &self.ingress_qos);
        write_map(request, IFLA_VLAN_EGRESS_QOS, &self.egress_qos);
    }
}

impl<'a> NewLink<'a, Vlan> {
    /// Names the link, the one it is a VLAN of, and the VLAN's number.
    pub fn new(name: impl Into<String>, lower: impl Into<LinkRef<'a>>, id: u16) -> NewLink<'a, Vlan> {
        NewLink::of(name, Vlan { id, ..Vlan::default() }).over(lower)
    }

    /// Says how packets are marked.
    pub fn protocol(mut self, protocol: VlanProtocol) -> NewLink<'a, Vlan> {
        self.kind.protocol = protocol;
        self
    }
}

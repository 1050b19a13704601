//! What bridges and VXLAN links know besides hardware addresses: VLANs, multicast groups, networks.

mod mdb;
mod vlan;
mod vlan_options;
mod vni;

pub(crate) use self::mdb::HINTS as MDB_HINTS;
pub use self::mdb::{MdbEntry, MdbFilter, MdbFlags, MdbGroup, MdbMode};
pub(crate) use self::vlan::HINTS as VLAN_HINTS;
pub use self::vlan::{BridgeVlan, BridgeVlanFlags, PortVlans, VlanFilter, VlanTunnel};
pub use self::vlan_options::VlanOptions;
pub(crate) use self::vni::HINTS as VNI_HINTS;
pub use self::vni::VniEntry;

//! A bond's ports.

use super::{PortKind, sealed};
use crate::kind::{choice, numbers};
use crate::mac::MacAddress;
use crate::wire::Request;
use crate::wire::attribute::Attribute;
use crate::wire::numbers::{
    IFLA_BOND_SLAVE_ACTOR_PORT_PRIO, IFLA_BOND_SLAVE_AD_ACTOR_OPER_PORT_STATE,
    IFLA_BOND_SLAVE_AD_AGGREGATOR_ID, IFLA_BOND_SLAVE_AD_CHURN_ACTOR_STATE,
    IFLA_BOND_SLAVE_AD_CHURN_PARTNER_STATE, IFLA_BOND_SLAVE_AD_PARTNER_OPER_PORT_STATE,
    IFLA_BOND_SLAVE_LINK_FAILURE_COUNT, IFLA_BOND_SLAVE_MII_STATUS, IFLA_BOND_SLAVE_PERM_HWADDR,
    IFLA_BOND_SLAVE_PRIO, IFLA_BOND_SLAVE_QUEUE_ID, IFLA_BOND_SLAVE_STATE,
};

/// What a bond has to say about a port. On input `None` is as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BondPort {
    /// The queue of the bond that it sends from; 0 for none of its own.
    pub queue_id: Option<u16>,
    /// Which port is used: that with the greatest (Linux 6.0).
    pub prio: Option<i32>,
    /// Its priority to the other side, in mode 802.3ad (Linux 6.18).
    pub actor_port_prio: Option<u16>,
    /// *Read*: whether it is kept for later, and not used.
    pub backup: Option<bool>,
    /// *Read*: whether it is connected.
    pub mii_status: Option<MiiStatus>,
    /// *Read*: how often it failed.
    pub link_failure_count: Option<u32>,
    /// *Read*: its own hardware address.
    pub perm_hwaddr: Option<MacAddress>,
    /// *Read*: which ports it is used with, in mode 802.3ad.
    pub ad_aggregator_id: Option<u16>,
    /// *Read*: what it says to the other side, in mode 802.3ad.
    pub ad_actor_oper_port_state: Option<u8>,
    /// *Read*: what the other side says to it, in mode 802.3ad.
    pub ad_partner_oper_port_state: Option<u16>,
    /// *Read*: whether its side keeps changing, in mode 802.3ad (Linux 7.1).
    pub ad_churn_actor_state: Option<u8>,
    /// *Read*: whether the other side keeps changing, in mode 802.3ad (Linux 7.1).
    pub ad_churn_partner_state: Option<u8>,
}

choice! {
    /// Whether a bond's port is connected.
    MiiStatus: u8 {
        /// It is.
        Up = 0 "UP",
        /// It was till a moment ago.
        GoingDown = 1 "GOING_DOWN",
        /// It isn't.
        Down = 2 "DOWN",
        /// It is since a moment ago.
        GoingBack = 3 "GOING_BACK",
    }
}

numbers!(BondPort {
    IFLA_BOND_SLAVE_QUEUE_ID u16 queue_id,
    IFLA_BOND_SLAVE_PRIO i32 prio,
    IFLA_BOND_SLAVE_ACTOR_PORT_PRIO u16 actor_port_prio,
} reads {
    IFLA_BOND_SLAVE_STATE bool backup,
    IFLA_BOND_SLAVE_MII_STATUS u8 mii_status,
    IFLA_BOND_SLAVE_LINK_FAILURE_COUNT u32 link_failure_count,
    IFLA_BOND_SLAVE_PERM_HWADDR mac perm_hwaddr,
    IFLA_BOND_SLAVE_AD_AGGREGATOR_ID u16 ad_aggregator_id,
    IFLA_BOND_SLAVE_AD_ACTOR_OPER_PORT_STATE u8 ad_actor_oper_port_state,
    IFLA_BOND_SLAVE_AD_PARTNER_OPER_PORT_STATE u16 ad_partner_oper_port_state,
    IFLA_BOND_SLAVE_AD_CHURN_ACTOR_STATE u8 ad_churn_actor_state,
    IFLA_BOND_SLAVE_AD_CHURN_PARTNER_STATE u8 ad_churn_partner_state,
});

impl BondPort {
    pub(super) fn read(data: Attribute<'_>) -> BondPort {
        let mut port = BondPort::default();
        data.nested().for_each(|attribute| port.read_number(attribute));
        port
    }
}

impl PortKind for BondPort {}

impl sealed::PortKind for BondPort {
    fn name(&self) -> &'static str {
        "bond"
    }

    fn write(&self, request: &mut Request) {
        self.write_numbers(request);
    }
}

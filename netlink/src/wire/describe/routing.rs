//! Rules, neighbours, next hop objects and what bridges know.

use super::super::message::Message;
use super::super::numbers::{
    AF_BRIDGE, AF_MPLS, NHA_ID, NLM_F_APPEND, NLM_F_BULK, NLM_F_CREATE, NLM_F_REPLACE, RTM_DELLINK,
    RTM_DELMDB, RTM_DELNEIGH, RTM_DELNEXTHOP, RTM_DELROUTE, RTM_DELRULE, RTM_DELTUNNEL, RTM_NEWMDB,
    RTM_NEWNEIGH, RTM_NEWNEXTHOP, RTM_NEWROUTE, RTM_NEWRULE, RTM_NEWTUNNEL, RTM_NEWVLAN, RTM_SETLINK,
};
use super::super::{attribute::Attributes, neighbour, route, rule, u32_at};
use crate::batch::Names;
use crate::bridge::{MDB_HINTS, MdbEntry, PortVlans, VLAN_HINTS, VNI_HINTS, VlanOptions, VniEntry};
use crate::error::Hints;
use crate::neighbour::{FDB_HINTS, FLUSH_HINTS};
use crate::nexthop::NexthopObject;
use crate::route::MplsRoute;

/// What a request was to do, if it is one of these.
pub(super) fn doing(message: &Message<'_>, names: &Names) -> Option<String> {
    let payload = message.payload;
    let link = || names.link(u32_at(payload, 4).unwrap_or_default());
    let of_bridge = payload.first() == Some(&AF_BRIDGE);
    let add = verb(message.flags);
    Some(match message.kind {
        RTM_NEWROUTE | RTM_DELROUTE if payload.first() == Some(&AF_MPLS) => {
            let verb = if message.kind == RTM_NEWROUTE { add } else { "delete" };
            format!("{verb} MPLS route {}", MplsRoute::read(payload)?)
        }
        RTM_NEWROUTE => format!("{add} route {}", route::read(payload)?),
        RTM_NEWRULE => format!("add rule {}", rule::read(payload)?),
        RTM_DELRULE => format!("delete rule {}", rule::read(payload)?),
        RTM_DELNEIGH if message.flags & NLM_F_BULK != 0 => format!("flush addresses of {}", link()),
        RTM_NEWTUNNEL => format!("add networks {} of {}", networks(payload)?, link()),
        RTM_DELTUNNEL => format!("delete networks {} of {}", networks(payload)?, link()),
        RTM_NEWNEIGH | RTM_DELNEIGH => {
            let verb = if message.kind == RTM_NEWNEIGH { add } else { "delete" };
            match neighbour::read_fdb(payload) {
                Some(entry) => format!("{verb} address {entry} of {}", link()),
                None => format!("{verb} neighbour {} on {}", neighbour::read(payload)?, link()),
            }
        }
        RTM_NEWNEXTHOP => format!("{add} next hop {}", NexthopObject::read(payload)?),
        RTM_DELNEXTHOP => {
            let id = Attributes::after(8, payload).find(|attribute| attribute.kind == NHA_ID)?;
            format!("delete next hop {}", id.u32()?)
        }
        RTM_NEWMDB => format!("{add} group {} of {}", MdbEntry::asked(payload)?, link()),
        RTM_DELMDB => format!("delete group {} of {}", MdbEntry::asked(payload)?, link()),
        RTM_NEWVLAN => format!("change VLANs {} of {}", VlanOptions::read_all(payload).first()?, link()),
        RTM_SETLINK if of_bridge => format!("add VLANs {} to {}", vlans(payload)?, link()),
        RTM_DELLINK if of_bridge => format!("delete VLANs {} of {}", vlans(payload)?, link()),
        _ => return None,
    })
}

/// What the flags of a request make of it.
fn verb(flags: u16) -> &'static str {
    let has = |flag| flags & flag != 0;
    match () {
        () if has(NLM_F_REPLACE) && has(NLM_F_CREATE) => "replace",
        () if has(NLM_F_REPLACE) => "change",
        () if has(NLM_F_APPEND) => "append",
        () => "add",
    }
}

fn vlans(payload: &[u8]) -> Option<String> {
    let port = PortVlans::read(payload)?;
    let vlan = port.vlans.first().map(ToString::to_string);
    vlan.or_else(|| port.tunnels.first().map(ToString::to_string))
}

fn networks(payload: &[u8]) -> Option<String> {
    VniEntry::read_all(payload).first().map(ToString::to_string)
}

/// Words for an errno without any, if the request is one of these.
pub(super) fn hints(message: &Message<'_>) -> Option<Hints<'static>> {
    let of_bridge = message.payload.first() == Some(&AF_BRIDGE);
    Some(match message.kind {
        RTM_NEWROUTE | RTM_DELROUTE if message.payload.first() == Some(&AF_MPLS) => crate::route::MPLS_HINTS,
        RTM_NEWROUTE if verb(message.flags) == "change" => crate::route::CHANGING,
        RTM_NEWRULE | RTM_DELRULE => crate::rule::HINTS,
        RTM_NEWTUNNEL | RTM_DELTUNNEL => VNI_HINTS,
        RTM_DELNEIGH if message.flags & NLM_F_BULK != 0 => FLUSH_HINTS,
        RTM_NEWNEIGH | RTM_DELNEIGH if of_bridge => FDB_HINTS,
        RTM_NEWNEIGH | RTM_DELNEIGH => crate::neighbour::HINTS,
        RTM_NEWNEXTHOP | RTM_DELNEXTHOP => crate::nexthop::HINTS,
        RTM_NEWMDB | RTM_DELMDB => MDB_HINTS,
        RTM_NEWVLAN => VLAN_HINTS,
        RTM_SETLINK | RTM_DELLINK if of_bridge => VLAN_HINTS,
        _ => return None,
    })
}

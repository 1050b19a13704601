//! What happened, to what.

use crate::address::Address;
use crate::bridge::{MdbEntry, VlanOptions};
use crate::link::Link;
use crate::neighbour::{FdbEntry, Neighbour};
use crate::netns;
use crate::nexthop::NexthopObject;
use crate::raw::OwnedMessage;
use crate::route::{MplsRoute, Route};
use crate::rule::Rule;
use crate::tc::{Class, Filter, Qdisc};
use crate::wire;
use crate::wire::message::Message;
use crate::wire::numbers::{
    AF_BRIDGE, AF_UNSPEC, RTM_DELADDR, RTM_DELLINK, RTM_DELMDB, RTM_DELNEIGH, RTM_DELNEXTHOP, RTM_DELNSID,
    RTM_DELROUTE, RTM_DELRULE, RTM_DELVLAN, RTM_NEWADDR, RTM_NEWLINK, RTM_NEWMDB, RTM_NEWNEIGH,
    RTM_NEWNEXTHOP, RTM_NEWNSID, RTM_NEWROUTE, RTM_NEWRULE, RTM_NEWVLAN,
};
use crate::wire::tc::numbers::{
    RTM_DELQDISC, RTM_DELTCLASS, RTM_DELTFILTER, RTM_NEWQDISC, RTM_NEWTCLASS, RTM_NEWTFILTER,
};

/// What a [`Monitor`](super::Monitor) tells.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// It was added or changed, or it was there already: the kernel doesn't say which.
    New(Object),
    /// It is gone. A link is also told as gone when it was moved into another namespace.
    Deleted(Object),
    /// It happened in the namespace that this one knows by that id
    /// ([`all_namespaces`](super::MonitorBuilder::all_namespaces)), which may be its own if it was given an id of
    /// itself.
    Elsewhere {
        /// That of the namespace.
        netns_id: u32,
        /// What happened there.
        event: Box<Event>,
    },
    /// More happened than there was room for, and some of what happened before is lost; what happens from here on is
    /// told again. With [`existing`](super::MonitorBuilder::existing) all that is there follows: what was told before
    /// doesn't count any more.
    Overrun,
    /// All that is there was told ([`existing`](super::MonitorBuilder::existing), [`resync`](super::Monitor::resync)).
    /// What follows are changes.
    Synced,
}

/// What something happened to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Object {
    /// A link, without statistics.
    Link(Box<Link>),
    /// An address.
    Address(Box<Address>),
    /// A route.
    Route(Box<Route>),
    /// A route of MPLS.
    MplsRoute(Box<MplsRoute>),
    /// A neighbour, or an address in whose name the kernel answers.
    Neighbour(Box<Neighbour>),
    /// A hardware address that a bridge, a VXLAN link or a network card knows.
    Fdb(Box<FdbEntry>),
    /// A routing rule.
    Rule(Box<Rule>),
    /// A next hop object.
    Nexthop(Box<NexthopObject>),
    /// A queueing discipline.
    Qdisc(Box<Qdisc>),
    /// A class of a queueing discipline.
    Class(Box<Class>),
    /// A filter of traffic control.
    Filter(Box<Filter>),
    /// Multicast groups that a bridge knows: mostly one, and all of a bridge that were there already.
    Mdb(Vec<MdbEntry>),
    /// VLANs of a bridge or a port, and what the bridge has to say about them: mostly one or a row of them, and all of
    /// a link that were there already.
    BridgeVlans(Vec<VlanOptions>),
    /// The id of another network namespace.
    NetnsId(u32),
    /// Anything else, as the kernel told it: a port of a bridge (a link's message whose family is `AF_BRIDGE`: such a
    /// one that is deleted is a link that left its bridge), and all that this crate has no type for.
    Raw(OwnedMessage),
}

impl Object {
    /// Reads the object that a message of rtnetlink is about.
    ///
    /// ```no_run
    /// use netlink::{Handle, LinkFilter, Object};
    ///
    /// const IFLA_CARRIER_CHANGES: u16 = 35;
    ///
    /// let mut handle = Handle::open()?;
    /// let mut links = handle.dump_links(LinkFilter::default())?;
    /// while let Some(message) = links.next_message()? {
    ///     let changes = message.attributes(16).find(|attribute| attribute.kind == IFLA_CARRIER_CHANGES);
    ///     if let (Object::Link(link), Some(changes)) = (Object::read(&message), changes) {
    ///         println!("{}: {:?} changes of its carrier", link.name, changes.u32());
    ///     }
    /// }
    /// # Ok::<(), netlink::Error>(())
    /// ```
    pub fn read(message: &Message<'_>) -> Object {
        let known = match message.kind {
            // Those of other families are of the link's bridge or protocol, and have little of the link.
            RTM_NEWLINK | RTM_DELLINK if message.payload.first() == Some(&AF_UNSPEC) => {
                wire::link::read(message.payload).map(|link| Object::Link(Box::new(link)))
            }
            RTM_NEWADDR | RTM_DELADDR => {
                wire::address::read(message.payload).map(|address| Object::Address(Box::new(address)))
            }
            RTM_NEWROUTE | RTM_DELROUTE => {
                let route = wire::route::read(message.payload).map(|route| Object::Route(Box::new(route)));
                let mpls =
                    || MplsRoute::read(message.payload).map(|route| Object::MplsRoute(Box::new(route)));
                route.or_else(mpls)
            }
            RTM_NEWNEIGH | RTM_DELNEIGH if message.payload.first() == Some(&AF_BRIDGE) => {
                wire::neighbour::read_fdb(message.payload).map(|entry| Object::Fdb(Box::new(entry)))
            }
            RTM_NEWNEIGH | RTM_DELNEIGH => {
                wire::neighbour::read(message.payload).map(|neighbour| Object::Neighbour(Box::new(neighbour)))
            }
            RTM_NEWRULE | RTM_DELRULE => {
                wire::rule::read(message.payload).map(|rule| Object::Rule(Box::new(rule)))
            }
            RTM_NEWNEXTHOP | RTM_DELNEXTHOP => {
                NexthopObject::read(message.payload).map(|nexthop| Object::Nexthop(Box::new(nexthop)))
            }
            RTM_NEWQDISC | RTM_DELQDISC => {
                Qdisc::read(message.payload).map(|qdisc| Object::Qdisc(Box::new(qdisc)))
            }
            RTM_NEWTCLASS | RTM_DELTCLASS => {
                Class::read(message.payload).map(|class| Object::Class(Box::new(class)))
            }
            RTM_NEWTFILTER | RTM_DELTFILTER => {
                Filter::read(message.payload).map(|filter| Object::Filter(Box::new(filter)))
            }
            // Others are of routers behind the ports, and of options of a whole bridge.
            RTM_NEWMDB | RTM_DELMDB => {
                Some(MdbEntry::read_all(message.payload)).filter(|groups| !groups.is_empty()).map(Object::Mdb)
            }
            RTM_NEWVLAN | RTM_DELVLAN => Some(VlanOptions::read_all(message.payload))
                .filter(|vlans| !vlans.is_empty())
                .map(Object::BridgeVlans),
            RTM_NEWNSID | RTM_DELNSID => netns::id::read(message).map(Object::NetnsId),
            _ => None,
        };
        known.unwrap_or_else(|| Object::Raw(message.into()))
    }
}

impl Event {
    pub(super) fn read(message: &Message<'_>) -> Event {
        /// Types come in fours: new, deleted, asked for, set.
        const DELETED: u16 = 1;
        let object = Object::read(message);
        if message.kind % 4 == DELETED { Event::Deleted(object) } else { Event::New(object) }
    }

    /// Says where it happened, if that is elsewhere.
    pub(super) fn of(self, netns_id: Option<i32>) -> Event {
        match netns_id.and_then(|id| u32::try_from(id).ok()) {
            Some(netns_id) => Event::Elsewhere { netns_id, event: Box::new(self) },
            None => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, payload: &[u8]) -> Message<'_> {
        Message { kind, flags: 0, sequence: 0, payload }
    }

    /// A link that leaves its bridge is told as RTM_DELLINK of the family AF_BRIDGE: well-known programs took it for
    /// the end of the link.
    #[test]
    fn a_port_that_leaves_its_bridge_is_no_link_that_is_deleted() {
        let mut payload = [0; 16];
        assert!(matches!(Event::read(&message(17, &payload)), Event::Deleted(Object::Link(_))));
        payload[0] = 7;
        assert!(matches!(Event::read(&message(17, &payload)), Event::Deleted(Object::Raw(_))));
    }

    #[test]
    fn what_is_unknown_or_odd_is_told_as_it_came() {
        for (kind, payload) in [(28, &[1, 2, 3][..]), (16, &[][..]), (24, &[99; 12][..]), (88, &[][..])] {
            let Event::New(Object::Raw(raw)) = Event::read(&message(kind, payload)) else { panic!("{kind}") };
            assert_eq!((raw.kind, &raw.payload[..]), (kind, payload));
        }
        assert!(matches!(Event::read(&message(29, &[])), Event::Deleted(_)));
    }

    #[test]
    fn only_an_id_that_is_one_is_elsewhere() {
        assert_eq!(Event::Synced.of(None), Event::Synced);
        assert_eq!(Event::Synced.of(Some(-1)), Event::Synced);
        assert!(matches!(Event::Synced.of(Some(0)), Event::Elsewhere { netns_id: 0, .. }));
    }
}

//! Changes that are told while a list is read which the kernel doesn't vouch for.
//!
//! Of most lists the kernel says itself whether they changed while they were read. Of some it doesn't: it goes on by
//! counting, and what was counted may have gone meanwhile, so that others are left out that were there all the time.
//! Whoever reads such a list hears what is told to its group as long as it takes.

use crate::wire::message::Message;
use crate::wire::numbers::{
    AF_BRIDGE, AF_INET6, AF_UNSPEC, RTM_DELNEIGH, RTM_GETMDB, RTM_GETNEIGH, RTM_GETROUTE, RTNLGRP_IPV6_ROUTE,
    RTNLGRP_MDB, RTNLGRP_NEIGH, RTNLGRP_TC,
};
use crate::wire::tc::numbers::{RTM_GETQDISC, RTM_GETTCLASS, RTM_GETTFILTER};

/// What tells that a list changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Changes {
    /// The group to hear.
    pub(crate) group: u32,
    /// The type of the request, which is one of the four that are about the same.
    request: u16,
    family: u8,
}

impl Changes {
    /// What is to be heard while a list is read, by the type of the request and its family; `None` if the kernel says
    /// itself whether it changed.
    pub(crate) fn of(request: u16, family: u8) -> Option<Changes> {
        let group = match request {
            RTM_GETROUTE if matches!(family, AF_UNSPEC | AF_INET6) => RTNLGRP_IPV6_ROUTE,
            RTM_GETNEIGH => RTNLGRP_NEIGH,
            RTM_GETQDISC | RTM_GETTCLASS | RTM_GETTFILTER => RTNLGRP_TC,
            RTM_GETMDB => RTNLGRP_MDB,
            _ => return None,
        };
        Some(Changes { group, request, family })
    }

    /// Says whether a message tells that the list may lack something, or have it twice.
    pub(crate) fn are_told_by(self, message: &Message<'_>) -> bool {
        if message.kind & !3 != self.request & !3 {
            return false;
        }
        let is_of_a_bridge = message.payload.first() == Some(&AF_BRIDGE);
        match self.request {
            RTM_GETNEIGH if self.family == AF_BRIDGE => is_of_a_bridge,
            // Neighbours are told whenever their state changes, which moves none of them.
            RTM_GETNEIGH => message.kind == RTM_DELNEIGH && !is_of_a_bridge,
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::numbers::{AF_INET, RTM_DELROUTE, RTM_GETLINK, RTM_NEWNEIGH, RTM_NEWROUTE};

    fn told(changes: Changes, kind: u16, family: u8) -> bool {
        changes.are_told_by(&Message { kind, flags: 0, sequence: 0, payload: &[family] })
    }

    #[test]
    fn what_the_kernel_vouches_for_is_not_heard() {
        assert_eq!(Changes::of(RTM_GETLINK, AF_UNSPEC), None);
        assert_eq!(Changes::of(RTM_GETROUTE, AF_INET), None);
        assert!(Changes::of(RTM_GETROUTE, AF_UNSPEC).is_some());
    }

    #[test]
    fn only_what_moves_the_others_counts() {
        let routes = Changes::of(RTM_GETROUTE, AF_INET6).unwrap();
        assert!(told(routes, RTM_DELROUTE, AF_INET6) && told(routes, RTM_NEWROUTE, AF_INET6));
        assert!(!told(routes, RTM_DELNEIGH, AF_INET6));
        let (arp, fdb) = (Changes::of(RTM_GETNEIGH, AF_UNSPEC), Changes::of(RTM_GETNEIGH, AF_BRIDGE));
        let (arp, fdb) = (arp.unwrap(), fdb.unwrap());
        assert!(told(arp, RTM_DELNEIGH, AF_INET) && !told(arp, RTM_NEWNEIGH, AF_INET));
        assert!(!told(arp, RTM_DELNEIGH, AF_BRIDGE) && !told(fdb, RTM_DELNEIGH, AF_INET));
        assert!(told(fdb, RTM_DELNEIGH, AF_BRIDGE) && told(fdb, RTM_NEWNEIGH, AF_BRIDGE));
    }
}

//! What a monitor is to hear.

use std::os::fd::AsFd;

use super::Monitor;
use super::list::{List, Lists};
use super::raw::Source;
use crate::error::{Failure, Hints, Result};
use crate::handle::Handle;
use crate::netns::open_within;
use crate::wire::numbers::{
    RTNLGRP_BRVLAN, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_IFADDR,
    RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV6_RULE, RTNLGRP_LINK, RTNLGRP_MDB, RTNLGRP_NEIGH, RTNLGRP_NEXTHOP,
    RTNLGRP_NSID, RTNLGRP_TC,
};
use crate::wire::protocol::Protocol;

/// What a [`Monitor`] is to hear, and how.
#[derive(Clone, Debug, Default)]
#[must_use = "open makes the monitor"]
pub struct MonitorBuilder {
    groups: Vec<u32>,
    lists: Vec<List>,
    existing: bool,
    all_namespaces: bool,
    receive_buffer: Option<usize>,
}

impl MonitorBuilder {
    pub(super) fn new() -> MonitorBuilder {
        MonitorBuilder::default()
    }

    /// Hears of links, and of ports of bridges.
    #[doc(alias = "LinkSubscribe")]
    pub fn links(self) -> MonitorBuilder {
        self.with(&[RTNLGRP_LINK], &[List::Links])
    }

    /// Hears of addresses, IPv4 and IPv6.
    #[doc(alias = "AddrSubscribe")]
    pub fn addresses(self) -> MonitorBuilder {
        self.with(&[RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR], &[List::Addresses])
    }

    /// Hears of routes, IPv4 and IPv6.
    #[doc(alias = "RouteSubscribe")]
    pub fn routes(self) -> MonitorBuilder {
        self.with(&[RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE], &[List::Routes])
    }

    /// Hears of neighbours, and of what bridges forward where (FDB).
    #[doc(alias = "NeighSubscribe")]
    pub fn neighbours(self) -> MonitorBuilder {
        self.with(&[RTNLGRP_NEIGH], &[List::Neighbours, List::Fdb])
    }

    /// Hears of routing rules, IPv4 and IPv6.
    pub fn rules(self) -> MonitorBuilder {
        self.with(&[RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE], &[List::Rules])
    }

    /// Hears of next hops that have an id.
    pub fn nexthops(self) -> MonitorBuilder {
        self.with(&[RTNLGRP_NEXTHOP], &[List::Nexthops])
    }

    /// Hears of ids of network namespaces.
    pub fn netns_ids(self) -> MonitorBuilder {
        self.with(&[RTNLGRP_NSID], &[List::NetnsIds])
    }

    /// Hears of traffic control: qdiscs, classes, filters, actions.
    pub fn tc(self) -> MonitorBuilder {
        self.with(&[RTNLGRP_TC], &[List::Qdiscs])
    }

    /// Hears of the multicast groups that bridges know.
    #[doc(alias = "RTNLGRP_MDB")]
    pub fn mdb(self) -> MonitorBuilder {
        self.with(&[RTNLGRP_MDB], &[List::Mdb])
    }

    /// Hears of the VLANs of bridges and their ports.
    #[doc(alias = "RTNLGRP_BRVLAN")]
    pub fn bridge_vlans(self) -> MonitorBuilder {
        self.with(&[RTNLGRP_BRVLAN], &[List::BridgeVlans])
    }

    /// Hears of everything that has a method here.
    pub fn all(self) -> MonitorBuilder {
        self.links()
            .addresses()
            .routes()
            .neighbours()
            .rules()
            .nexthops()
            .netns_ids()
            .tc()
            .mdb()
            .bridge_vlans()
    }

    /// Hears what is told to another group (`RTNLGRP_`), of which nothing is listed.
    pub fn group(self, group: u32) -> MonitorBuilder {
        self.with(&[group], &[])
    }

    fn with(mut self, groups: &[u32], lists: &[List]) -> MonitorBuilder {
        for group in groups {
            if !self.groups.contains(group) {
                self.groups.push(*group);
            }
        }
        for list in lists {
            if !self.lists.contains(list) {
                self.lists.push(*list);
            }
        }
        self
    }

    /// Tells what is there first, each as an [`Event::New`](super::Event::New), and then
    /// [`Event::Synced`](super::Event::Synced); again after each overrun.
    pub fn existing(mut self, existing: bool) -> MonitorBuilder {
        self.existing = existing;
        self
    }

    /// Hears also what happens in all other namespaces that have an id in this one
    /// ([`Handle::set_netns_id`](crate::Handle::set_netns_id)): as
    /// [`Event::Elsewhere`](super::Event::Elsewhere), for indexes mean other links there. Only what is in this
    /// namespace is listed.
    ///
    /// It needs `CAP_NET_BROADCAST` in the user namespaces that own this network namespace and the others.
    pub fn all_namespaces(mut self, all: bool) -> MonitorBuilder {
        self.all_namespaces = all;
        self
    }

    /// Sets how much room there is for what nobody read yet, in bytes: more than the machine's limit
    /// (`net.core.rmem_max`) with `CAP_NET_ADMIN`, and no more than that without. The kernel doubles it, for its own
    /// use.
    ///
    /// A message takes one to four kilobytes of it. Without this it is `net.core.rmem_default`, mostly 208 KiB.
    pub fn receive_buffer(mut self, bytes: usize) -> MonitorBuilder {
        self.receive_buffer = Some(bytes);
        self
    }

    /// Begins to hear what happens in the calling thread's network namespace.
    ///
    /// # Errors
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput): nothing was named that it should hear, or a group that this
    /// kernel doesn't have. [`PermissionDenied`](crate::ErrorKind::PermissionDenied): not all namespaces may be heard.
    pub fn open(&self) -> Result<Monitor> {
        self.try_open().map_err(failed)
    }

    /// Begins to hear what happens in another network namespace: a [`Netns`](crate::Netns), or a descriptor of one. No
    /// namespace of the caller changes.
    ///
    /// # Errors
    /// As [`open`](Self::open); [`PermissionDenied`](crate::ErrorKind::PermissionDenied): entering it needs
    /// `CAP_SYS_ADMIN`.
    pub fn open_in(&self, netns: impl AsFd) -> Result<Monitor> {
        open_within(netns.as_fd(), || self.try_open()).map_err(failed)
    }

    fn try_open(&self) -> Result<Monitor, Failure> {
        if self.groups.is_empty() {
            return Err(Failure::Input("nothing was named that it should hear".to_owned()));
        }
        let mut source = Source::open(Protocol::Route)?;
        if let Some(bytes) = self.receive_buffer {
            source.set_receive_buffer(bytes)?;
        }
        if self.all_namespaces {
            source.hear_all_namespaces()?;
        }
        // Hears first, lists then: what happens in between is heard.
        for group in &self.groups {
            source.join(*group)?;
        }
        Ok(Monitor {
            source,
            lists: Handle::try_open()?,
            listed: self.lists.clone(),
            listing: self.existing.then(|| Lists::new(&self.lists)),
            keeps: self.existing,
            is_stale: false,
        })
    }
}

fn failed(failure: Failure) -> crate::Error {
    const HINTS: Hints<'_> = &[
        (nix::errno::Errno::EINVAL, "this kernel has no such group"),
        (nix::errno::Errno::EPERM, "needs CAP_SYS_ADMIN to enter a namespace, CAP_NET_BROADCAST to hear all"),
    ];
    failure.when("monitor a network namespace", HINTS)
}

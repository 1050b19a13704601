//! Batches of rules, neighbours, next hop objects and what bridges know.

use super::Batch;
use crate::bridge::{BridgeVlan, MdbEntry, VlanOptions, VlanTunnel};
use crate::link::LinkRef;
use crate::neighbour::{FdbEntry, Neighbour};
use crate::nexthop::{self, NexthopObject};
use crate::route::Route;
use crate::rule::Rule;
use crate::wire::numbers::{
    NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, RTM_DELLINK, RTM_DELMDB, RTM_DELNEIGH,
    RTM_DELRULE, RTM_NEWMDB, RTM_NEWNEIGH, RTM_NEWROUTE, RTM_NEWRULE, RTM_SETLINK,
};

impl Batch<'_> {
    /// Changes a route, as [`Handle::change_route`](crate::Handle::change_route) does.
    pub fn change_route(&mut self, route: &Route) -> &mut Self {
        self.set_route(RTM_NEWROUTE, NLM_F_REPLACE, route)
    }

    /// Adds a route behind others, as [`Handle::append_route`](crate::Handle::append_route) does.
    pub fn append_route(&mut self, route: &Route) -> &mut Self {
        self.set_route(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_APPEND, route)
    }

    /// Adds a rule, as [`Handle::add_rule`](crate::Handle::add_rule) does.
    pub fn add_rule(&mut self, rule: &Rule) -> &mut Self {
        self.push(
            |requests, _| rule.request(requests, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL),
            || format!("add rule {rule}"),
        )
    }

    /// Deletes a rule, as [`Handle::delete_rule`](crate::Handle::delete_rule) does.
    pub fn delete_rule(&mut self, rule: &Rule) -> &mut Self {
        self.push(|requests, _| rule.request(requests, RTM_DELRULE, 0), || format!("delete rule {rule}"))
    }

    /// Adds a next hop object, as [`Handle::add_nexthop`](crate::Handle::add_nexthop) does; the number that the kernel
    /// chooses for one without is not told here.
    pub fn add_nexthop(&mut self, nexthop: &NexthopObject) -> &mut Self {
        self.push(
            |requests, _| nexthop.request(requests, NLM_F_CREATE | NLM_F_EXCL),
            || format!("add next hop {nexthop}"),
        )
    }

    /// Adds a next hop object or takes the place of one, as
    /// [`Handle::replace_nexthop`](crate::Handle::replace_nexthop) does.
    pub fn replace_nexthop(&mut self, nexthop: &NexthopObject) -> &mut Self {
        self.push(|requests, _| nexthop.replace_request(requests), || format!("replace next hop {nexthop}"))
    }

    /// Deletes a next hop object, as [`Handle::delete_nexthop`](crate::Handle::delete_nexthop) does.
    pub fn delete_nexthop(&mut self, id: u32) -> &mut Self {
        self.push(
            |requests, _| {
                nexthop::write_delete(requests, id);
                Ok(())
            },
            || format!("delete next hop {id}"),
        )
    }

    /// Adds a neighbour, as [`Handle::add_neighbour`](crate::Handle::add_neighbour) does.
    pub fn add_neighbour<'l>(&mut self, link: impl Into<LinkRef<'l>>, neighbour: &Neighbour) -> &mut Self {
        let link = link.into();
        self.push_on(
            link,
            |requests, handle| {
                neighbour.request(requests, handle, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_EXCL, link)
            },
            || format!("add neighbour {neighbour} on {link}"),
        )
    }

    /// Adds or changes a neighbour, as [`Handle::replace_neighbour`](crate::Handle::replace_neighbour) does.
    pub fn replace_neighbour<'l>(
        &mut self,
        link: impl Into<LinkRef<'l>>,
        neighbour: &Neighbour,
    ) -> &mut Self {
        let link = link.into();
        self.push_on(
            link,
            |requests, handle| {
                neighbour.request(requests, handle, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, link)
            },
            || format!("replace neighbour {neighbour} on {link}"),
        )
    }

    /// Changes a neighbour, as [`Handle::change_neighbour`](crate::Handle::change_neighbour) does.
    pub fn change_neighbour<'l>(&mut self, link: impl Into<LinkRef<'l>>, neighbour: &Neighbour) -> &mut Self {
        let link = link.into();
        self.push_on(
            link,
            |requests, handle| neighbour.request(requests, handle, RTM_NEWNEIGH, NLM_F_REPLACE, link),
            || format!("change neighbour {neighbour} on {link}"),
        )
    }

    /// Adds a neighbour, as [`Handle::append_neighbour`](crate::Handle::append_neighbour) does.
    pub fn append_neighbour<'l>(&mut self, link: impl Into<LinkRef<'l>>, neighbour: &Neighbour) -> &mut Self {
        let link = link.into();
        self.push_on(
            link,
            |requests, handle| {
                neighbour.request(requests, handle, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_APPEND, link)
            },
            || format!("append neighbour {neighbour} on {link}"),
        )
    }

    /// Deletes a neighbour, as [`Handle::delete_neighbour`](crate::Handle::delete_neighbour) does.
    pub fn delete_neighbour<'l>(&mut self, link: impl Into<LinkRef<'l>>, neighbour: &Neighbour) -> &mut Self {
        let link = link.into();
        self.push_on(
            link,
            |requests, handle| neighbour.request(requests, handle, RTM_DELNEIGH, 0, link),
            || format!("delete neighbour {neighbour} on {link}"),
        )
    }

    /// Adds an address of a bridge's port or VXLAN link, as [`Handle::add_fdb`](crate::Handle::add_fdb) does.
    pub fn add_fdb<'l>(&mut self, link: impl Into<LinkRef<'l>>, entry: &FdbEntry) -> &mut Self {
        let link = link.into();
        self.push_on(
            link,
            |requests, handle| entry.request(requests, handle, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_EXCL, link),
            || format!("add address {entry} of {link}"),
        )
    }

    /// Adds or changes an address of a bridge's port or VXLAN link, as
    /// [`Handle::replace_fdb`](crate::Handle::replace_fdb) does.
    pub fn replace_fdb<'l>(&mut self, link: impl Into<LinkRef<'l>>, entry: &FdbEntry) -> &mut Self {
        let link = link.into();
        self.push_on(
            link,
            |requests, handle| {
                entry.request(requests, handle, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, link)
            },
            || format!("replace address {entry} of {link}"),
        )
    }

    /// Adds an address of a bridge's port or VXLAN link, as [`Handle::append_fdb`](crate::Handle::append_fdb) does.
    pub fn append_fdb<'l>(&mut self, link: impl Into<LinkRef<'l>>, entry: &FdbEntry) -> &mut Self {
        let link = link.into();
        self.push_on(
            link,
            |requests, handle| {
                entry.request(requests, handle, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_APPEND, link)
            },
            || format!("append address {entry} of {link}"),
        )
    }

    /// Deletes an address of a bridge's port or VXLAN link, as [`Handle::delete_fdb`](crate::Handle::delete_fdb) does.
    pub fn delete_fdb<'l>(&mut self, link: impl Into<LinkRef<'l>>, entry: &FdbEntry) -> &mut Self {
        let link = link.into();
        self.push_on(
            link,
            |requests, handle| entry.request(requests, handle, RTM_DELNEIGH, 0, link),
            || format!("delete address {entry} of {link}"),
        )
    }

    /// Adds a multicast group of a bridge, as [`Handle::add_mdb`](crate::Handle::add_mdb) does.
    pub fn add_mdb<'l>(&mut self, link: impl Into<LinkRef<'l>>, entry: &MdbEntry) -> &mut Self {
        let link = link.into();
        self.push_on(
            link,
            |requests, handle| entry.request(requests, handle, RTM_NEWMDB, NLM_F_CREATE | NLM_F_EXCL, link),
            || format!("add group {entry} of {link}"),
        )
    }

    /// Adds or changes a multicast group of a bridge, as [`Handle::replace_mdb`](crate::Handle::replace_mdb) does.
    pub fn replace_mdb<'l>(&mut self, link: impl Into<LinkRef<'l>>, entry: &MdbEntry) -> &mut Self {
        let link = link.into();
        self.push_on(
            link,
            |requests, handle| {
                entry.request(requests, handle, RTM_NEWMDB, NLM_F_CREATE | NLM_F_REPLACE, link)
            },
            || format!("replace group {entry} of {link}"),
        )
    }

    /// Deletes a multicast group of a bridge, as [`Handle::delete_mdb`](crate::Handle::delete_mdb) does.
    pub fn delete_mdb<'l>(&mut self, link: impl Into<LinkRef<'l>>, entry: &MdbEntry) -> &mut Self {
        let link = link.into();
        self.push_on(
            link,
            |requests, handle| entry.request(requests, handle, RTM_DELMDB, 0, link),
            || format!("delete group {entry} of {link}"),
        )
    }

    /// Adds VLANs, as [`Handle::add_vlans`](crate::Handle::add_vlans) does.
    pub fn add_vlans<'l>(&mut self, port: impl Into<LinkRef<'l>>, vlans: &BridgeVlan) -> &mut Self {
        let port = port.into();
        self.push_on(
            port,
            |requests, handle| vlans.request(requests, handle, RTM_SETLINK, port),
            || format!("add VLANs {vlans} to {port}"),
        )
    }

    /// Deletes VLANs, as [`Handle::delete_vlans`](crate::Handle::delete_vlans) does.
    pub fn delete_vlans<'l>(&mut self, port: impl Into<LinkRef<'l>>, vlans: &BridgeVlan) -> &mut Self {
        let port = port.into();
        self.push_on(
            port,
            |requests, handle| vlans.request(requests, handle, RTM_DELLINK, port),
            || format!("delete VLANs {vlans} of {port}"),
        )
    }

    /// Changes what a bridge has to say about VLANs, as
    /// [`Handle::change_vlan_options`](crate::Handle::change_vlan_options) does.
    pub fn change_vlan_options<'l>(
        &mut self,
        port: impl Into<LinkRef<'l>>,
        options: &VlanOptions,
    ) -> &mut Self {
        let port = port.into();
        self.push_on(
            port,
            |requests, handle| options.request(requests, handle, port),
            || format!("change VLANs {options} of {port}"),
        )
    }

    /// Adds VLANs' tunnels, as [`Handle::add_vlan_tunnel`](crate::Handle::add_vlan_tunnel) does.
    pub fn add_vlan_tunnel<'l>(&mut self, port: impl Into<LinkRef<'l>>, tunnel: &VlanTunnel) -> &mut Self {
        let port = port.into();
        self.push_on(
            port,
            |requests, handle| tunnel.request(requests, handle, RTM_SETLINK, port),
            || format!("add VLANs {tunnel} to {port}"),
        )
    }

    /// Deletes VLANs' tunnels, as [`Handle::delete_vlan_tunnel`](crate::Handle::delete_vlan_tunnel) does.
    pub fn delete_vlan_tunnel<'l>(&mut self, port: impl Into<LinkRef<'l>>, tunnel: &VlanTunnel) -> &mut Self {
        let port = port.into();
        self.push_on(
            port,
            |requests, handle| tunnel.request(requests, handle, RTM_DELLINK, port),
            || format!("delete VLANs {tunnel} of {port}"),
        )
    }
}

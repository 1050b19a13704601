//! Batches of changes of links.

use std::net::IpAddr;
use std::os::fd::AsFd;

use super::Batch;
use crate::bridge::VniEntry;
use crate::error::{Failure, Result};
use crate::kind::{Kind, Pair};
use crate::link::{LinkChange, LinkRef, Netns, NewLink};
use crate::mac::MacAddress;
use crate::neighbour::FdbFlush;
use crate::route::{MplsRoute, Route};
use crate::wire::Request;
use crate::wire::numbers::{
    IFLA_MASTER, IFLA_MTU, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, RTM_DELLINKPROP, RTM_DELROUTE,
    RTM_DELTUNNEL, RTM_NEWLINKPROP, RTM_NEWROUTE, RTM_NEWTUNNEL, RTM_SETLINK,
};
use crate::{LinkFlags, kind, link};

impl Batch<'_> {
    /// Makes a veth pair, as [`Handle::add_veth`](crate::Handle::add_veth) does.
    pub fn add_veth<'a>(&mut self, veth: &NewLink<'a, kind::Veth<'a>>) -> &mut Self {
        self.add_pair(veth)
    }

    /// Makes a pair of links, as [`Handle::add_pair`](crate::Handle::add_pair) does.
    pub fn add_pair<'a, K: Pair<'a>>(&mut self, pair: &NewLink<'a, K>) -> &mut Self {
        self.push(
            |requests, handle| {
                kind::check_pair(pair)?;
                pair.request(requests, handle, 0).map(drop)
            },
            || kind::creating_pair(pair),
        )
    }

    /// Changes what is particular to a link's kind, as [`Handle::change_kind`](crate::Handle::change_kind) does. What a
    /// tunnel is beside that is read when this is collected: it must be there already.
    pub fn change_kind<'l>(&mut self, link: impl Into<LinkRef<'l>>, kind: &impl Kind) -> &mut Self {
        let link = link.into();
        self.push_on(
            link,
            |requests, handle| handle.kind_request(requests, link, kind),
            || format!("change options of {link}"),
        )
    }

    /// Switches a link on, as [`Handle::set_up`](crate::Handle::set_up) does.
    pub fn set_up<'l>(&mut self, link: impl Into<LinkRef<'l>>) -> &mut Self {
        self.switch(link.into(), LinkFlags::UP, "up")
    }

    /// Switches a link off, as [`Handle::set_down`](crate::Handle::set_down) does.
    pub fn set_down<'l>(&mut self, link: impl Into<LinkRef<'l>>) -> &mut Self {
        self.switch(link.into(), LinkFlags::empty(), "down")
    }

    fn switch(&mut self, link: LinkRef<'_>, flags: LinkFlags, word: &str) -> &mut Self {
        self.push_on(
            link,
            |requests, _| link::write_link(requests, RTM_SETLINK, link, flags, LinkFlags::UP),
            || format!("set {link} {word}"),
        )
    }

    /// Sets the longest packet a link sends, in bytes, as [`Handle::set_mtu`](crate::Handle::set_mtu) does. The error
    /// tells no range here.
    pub fn set_mtu<'l>(&mut self, link: impl Into<LinkRef<'l>>, mtu: u32) -> &mut Self {
        let link = link.into();
        self.set_one(link, |request| request.u32(IFLA_MTU, mtu), || format!("set MTU of {link} to {mtu}"))
    }

    /// Renames a link, as [`Handle::rename`](crate::Handle::rename) does. It must be there already, or go by a chosen
    /// index.
    pub fn rename<'l>(&mut self, link: impl Into<LinkRef<'l>>, name: &str) -> &mut Self {
        let link = link.into();
        self.push_on(
            link,
            |requests, handle| LinkChange::new().name(name).request(requests, handle, link),
            || format!("rename {link} to {name:?}"),
        )
    }

    /// Gives a link one more name, as [`Handle::add_altname`](crate::Handle::add_altname) does. It must be there
    /// already, or go by a chosen index.
    pub fn add_altname<'l>(&mut self, link: impl Into<LinkRef<'l>>, name: &str) -> &mut Self {
        let link = link.into();
        self.push_on(
            link,
            |requests, handle| handle.altname_request(requests, RTM_NEWLINKPROP, link, name),
            || format!("give {link} the name {name:?} too"),
        )
    }

    /// Takes an alternative name from a link, as [`Handle::delete_altname`](crate::Handle::delete_altname) does.
    pub fn delete_altname<'l>(&mut self, link: impl Into<LinkRef<'l>>, name: &str) -> &mut Self {
        let link = link.into();
        self.push_on(
            link,
            |requests, handle| handle.altname_request(requests, RTM_DELLINKPROP, link, name),
            || format!("take the name {name:?} from {link}"),
        )
    }

    /// Sets a link's hardware address, as [`Handle::set_mac`](crate::Handle::set_mac) does.
    pub fn set_mac<'l>(&mut self, link: impl Into<LinkRef<'l>>, mac: impl Into<MacAddress>) -> &mut Self {
        let (link, mac) = (link.into(), mac.into());
        self.push_on(
            link,
            |requests, handle| LinkChange::new().mac(mac).request(requests, handle, link),
            || format!("set MAC of {link} to {mac}"),
        )
    }

    /// Makes a link a port of a bridge (or bond, ...), as [`Handle::set_master`](crate::Handle::set_master) does. The
    /// master must be there already, or go by a chosen index.
    pub fn set_master<'l, 'm>(
        &mut self,
        link: impl Into<LinkRef<'l>>,
        master: impl Into<LinkRef<'m>>,
    ) -> &mut Self {
        let (link, master) = (link.into(), master.into());
        let mut index = 0;
        self.push_on(
            link,
            |requests, handle| {
                index = handle.index_of(master)?;
                write_one(requests, link, |request| request.u32(IFLA_MASTER, index))
            },
            || format!("make {link} a port of {master}"),
        );
        self.names.note(index, master);
        self
    }

    /// Takes a link out of the bridge (or bond, ...) it is a port of, as
    /// [`Handle::clear_master`](crate::Handle::clear_master) does.
    pub fn clear_master<'l>(&mut self, link: impl Into<LinkRef<'l>>) -> &mut Self {
        let link = link.into();
        self.set_one(link, |request| request.u32(IFLA_MASTER, 0), || format!("take {link} from its master"))
    }

    /// Moves a link into the network namespace of a process, as
    /// [`Handle::set_netns_pid`](crate::Handle::set_netns_pid) does.
    pub fn set_netns_pid<'l>(&mut self, link: impl Into<LinkRef<'l>>, pid: u32) -> &mut Self {
        self.set_netns(link.into(), Netns::Pid(pid))
    }

    /// Moves a link into a network namespace, as [`Handle::set_netns_fd`](crate::Handle::set_netns_fd) does. The
    /// descriptor may be closed before the batch is sent.
    pub fn set_netns_fd<'l>(&mut self, link: impl Into<LinkRef<'l>>, netns: impl AsFd) -> &mut Self {
        self.set_netns(link.into(), Netns::Fd(netns.as_fd()))
    }

    fn set_netns(&mut self, link: LinkRef<'_>, netns: Netns<'_>) -> &mut Self {
        self.set_one(
            link,
            |request| netns.write(request),
            || format!("move {link} to another network namespace"),
        )
    }

    fn set_one(
        &mut self,
        link: LinkRef<'_>,
        fill: impl FnOnce(&mut Request),
        doing: impl FnOnce() -> String,
    ) -> &mut Self {
        self.push_on(link, |requests, _| write_one(requests, link, fill), doing)
    }

    /// Deletes all links of a group, as [`Handle::delete_group`](crate::Handle::delete_group) does; here a group
    /// without links is [`NotFound`](crate::ErrorKind::NotFound).
    pub fn delete_group(&mut self, group: u32) -> &mut Self {
        self.push(
            |requests, _| link::write_delete_group(requests, group),
            || format!("delete the links of group {group}"),
        )
    }

    /// Deletes addresses of a bridge or VXLAN link, as [`Handle::flush_fdb`](crate::Handle::flush_fdb) does.
    pub fn flush_fdb<'l>(&mut self, link: impl Into<LinkRef<'l>>, flush: FdbFlush) -> &mut Self {
        let link = link.into();
        self.push_on(
            link,
            |requests, handle| flush.request(requests, handle, link),
            || format!("flush addresses of {link}"),
        )
    }

    /// Lets a VXLAN link take packets of networks, as [`Handle::add_vni`](crate::Handle::add_vni) does.
    pub fn add_vni<'l>(&mut self, link: impl Into<LinkRef<'l>>, vnis: &VniEntry) -> &mut Self {
        let link = link.into();
        self.push_on(
            link,
            |requests, handle| vnis.request(requests, handle, RTM_NEWTUNNEL, link),
            || format!("add networks {vnis} of {link}"),
        )
    }

    /// Lets a VXLAN link no longer take packets of networks, as [`Handle::delete_vni`](crate::Handle::delete_vni) does.
    pub fn delete_vni<'l>(&mut self, link: impl Into<LinkRef<'l>>, vnis: &VniEntry) -> &mut Self {
        let link = link.into();
        self.push_on(
            link,
            |requests, handle| vnis.request(requests, handle, RTM_DELTUNNEL, link),
            || format!("delete networks {vnis} of {link}"),
        )
    }

    /// Adds the route to everywhere by a neighbour of a link, as
    /// [`Handle::add_default_gateway`](crate::Handle::add_default_gateway) does. The link must be there already, or go
    /// by a chosen index.
    pub fn add_default_gateway<'l>(&mut self, gateway: IpAddr, link: impl Into<LinkRef<'l>>) -> &mut Self {
        let link = link.into();
        self.push(
            |requests, handle| {
                let route = Route::default_via(gateway).dev(handle.index_of(link)?);
                route.request(requests, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL)
            },
            || format!("add default gateway {gateway} on {link}"),
        )
    }

    /// Adds a route of MPLS, as [`Handle::add_mpls_route`](crate::Handle::add_mpls_route) does.
    pub fn add_mpls_route(&mut self, route: &MplsRoute) -> &mut Self {
        self.set_mpls_route(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, route, "add")
    }

    /// Adds a route of MPLS or takes the place of one, as
    /// [`Handle::replace_mpls_route`](crate::Handle::replace_mpls_route) does.
    pub fn replace_mpls_route(&mut self, route: &MplsRoute) -> &mut Self {
        self.set_mpls_route(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, route, "replace")
    }

    /// Deletes the route of MPLS for a label, as [`Handle::delete_mpls_route`](crate::Handle::delete_mpls_route) does.
    pub fn delete_mpls_route(&mut self, route: &MplsRoute) -> &mut Self {
        self.set_mpls_route(RTM_DELROUTE, 0, route, "delete")
    }

    fn set_mpls_route(&mut self, kind: u16, flags: u16, route: &MplsRoute, verb: &str) -> &mut Self {
        self.push(|requests, _| route.request(requests, kind, flags), || format!("{verb} MPLS route {route}"))
    }
}

fn write_one(
    request: &mut Request,
    link: LinkRef<'_>,
    fill: impl FnOnce(&mut Request),
) -> Result<(), Failure> {
    link::write_link(request, RTM_SETLINK, link, LinkFlags::empty(), LinkFlags::empty())?;
    fill(request);
    Ok(())
}

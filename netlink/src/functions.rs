//! The functions of 2014, each opening a [`Handle`] of its own: a closed set.

use std::net::IpAddr;
use std::os::fd::AsFd;

use crate::error::{Failure, Result};
use crate::handle::Handle;
use crate::ip_net::IpNet;
use crate::kind::MacvlanMode;
use crate::link::{Link, LinkRef};
use crate::mac::MacAddress;
use crate::route::{Route, everywhere};
use crate::{AnyLink, Bridge, Macvlan, Veth, Vlan};

/// Makes a bridge; with `set_mac` it gets a random MAC that it keeps whatever its ports are.
///
/// # Errors
/// [`AlreadyExists`](crate::ErrorKind::AlreadyExists): the name is taken.
/// [`InvalidInput`](crate::ErrorKind::InvalidInput): no link can have that name.
#[doc(alias = "CreateBridge")]
pub fn create_bridge(name: &str, set_mac: bool) -> Result<()> {
    let bridge = Bridge::new(name);
    Handle::open()?.add_link(&if set_mac { bridge.random_mac() } else { bridge })?;
    Ok(())
}

/// Deletes a bridge; a link of another kind stays.
///
/// # Errors
/// [`NotFound`](crate::ErrorKind::NotFound): there is no such link.
/// [`InvalidInput`](crate::ErrorKind::InvalidInput): it is no bridge.
#[doc(alias = "DeleteBridge")]
pub fn delete_bridge(name: &str) -> Result<()> {
    let mut handle = Handle::open()?;
    let bridge = handle.link(name)?;
    if bridge.kind_name() != Some("bridge") {
        let why = Failure::Input(format!("link {name:?} is not a bridge"));
        return Err(why.when(format_args!("delete bridge {name:?}"), &[]));
    }
    handle.delete_link(&bridge)
}

/// Finds a link by its name or an alternative name.
///
/// # Errors
/// [`NotFound`](crate::ErrorKind::NotFound): there is no such link.
#[doc(alias = "InterfaceByName")]
pub fn interface_by_name(name: &str) -> Result<Link> {
    Handle::open()?.link(name)
}

/// Makes a link of a kind that needs no more said; see [`Handle::add_link`].
///
/// # Errors
/// [`AlreadyExists`](crate::ErrorKind::AlreadyExists): the name is taken.
#[doc(alias = "NetworkLinkAdd")]
pub fn link_add(name: &str, kind: &str) -> Result<()> {
    Handle::open()?.add_link(&AnyLink::new(name, kind))?;
    Ok(())
}

/// Deletes a link; see [`Handle::delete_link`].
///
/// # Errors
/// [`NotFound`](crate::ErrorKind::NotFound): there is no such link.
#[doc(alias = "NetworkLinkDel")]
pub fn link_del<'a>(link: impl Into<LinkRef<'a>>) -> Result<()> {
    Handle::open()?.delete_link(link)
}

/// Gives a link an address; see [`Handle::add_address`].
///
/// # Errors
/// [`AlreadyExists`](crate::ErrorKind::AlreadyExists): the link has it.
#[doc(alias = "NetworkLinkAddIp")]
pub fn link_add_ip<'a>(link: impl Into<LinkRef<'a>>, address: IpNet) -> Result<()> {
    Handle::open()?.add_address(link, &address.into())
}

/// Takes an address from a link; see [`Handle::delete_address`].
///
/// # Errors
/// [`NotFound`](crate::ErrorKind::NotFound): there is no such link, or it hasn't that address.
#[doc(alias = "NetworkLinkDelIp")]
pub fn link_del_ip<'a>(link: impl Into<LinkRef<'a>>, address: IpNet) -> Result<()> {
    Handle::open()?.delete_address(link, &address.into())
}

/// Switches a link on; see [`Handle::set_up`].
///
/// # Errors
/// [`NotFound`](crate::ErrorKind::NotFound): there is no such link.
#[doc(alias = "NetworkLinkUp")]
pub fn link_up<'a>(link: impl Into<LinkRef<'a>>) -> Result<()> {
    Handle::open()?.set_up(link)
}

/// Switches a link off; see [`Handle::set_down`].
///
/// # Errors
/// [`NotFound`](crate::ErrorKind::NotFound): there is no such link.
#[doc(alias = "NetworkLinkDown")]
pub fn link_down<'a>(link: impl Into<LinkRef<'a>>) -> Result<()> {
    Handle::open()?.set_down(link)
}

/// Sets the longest packet a link sends; see [`Handle::set_mtu`].
///
/// # Errors
/// [`InvalidInput`](crate::ErrorKind::InvalidInput): it is out of the link's range, which the error tells.
#[doc(alias = "NetworkSetMTU")]
pub fn link_set_mtu<'a>(link: impl Into<LinkRef<'a>>, mtu: u32) -> Result<()> {
    Handle::open()?.set_mtu(link, mtu)
}

/// Sets a link's hardware address; see [`Handle::set_mac`].
///
/// # Errors
/// [`NotFound`](crate::ErrorKind::NotFound): there is no such link.
/// [`InvalidInput`](crate::ErrorKind::InvalidInput): no link can have that address.
#[doc(alias = "NetworkSetMacAddress")]
#[doc(alias = "SetMacAddress")]
pub fn link_set_mac<'a>(link: impl Into<LinkRef<'a>>, mac: impl Into<MacAddress>) -> Result<()> {
    Handle::open()?.set_mac(link, mac)
}

/// Makes a link a port of a bridge (or bond, ...); see [`Handle::set_master`].
///
/// # Errors
/// [`NotFound`](crate::ErrorKind::NotFound): there is no such link.
#[doc(alias = "NetworkSetMaster")]
pub fn link_set_master<'a, 'b>(link: impl Into<LinkRef<'a>>, master: impl Into<LinkRef<'b>>) -> Result<()> {
    Handle::open()?.set_master(link, master)
}

/// Makes a link a port of nothing; see [`Handle::clear_master`].
///
/// # Errors
/// [`NotFound`](crate::ErrorKind::NotFound): there is no such link.
#[doc(alias = "NetworkSetNoMaster")]
pub fn link_set_no_master<'a>(link: impl Into<LinkRef<'a>>) -> Result<()> {
    Handle::open()?.clear_master(link)
}

/// Makes a link a port of a bridge, unless it is a port already; see [`Handle::add_to_bridge`].
///
/// # Errors
/// [`Busy`](crate::ErrorKind::Busy): the link is a port already.
#[doc(alias = "AddToBridge")]
pub fn add_to_bridge<'a, 'b>(link: impl Into<LinkRef<'a>>, bridge: impl Into<LinkRef<'b>>) -> Result<()> {
    Handle::open()?.add_to_bridge(link, bridge)
}

/// Makes a VLAN of a link, with that number; [`Vlan`] can do more.
///
/// # Errors
/// [`AlreadyExists`](crate::ErrorKind::AlreadyExists): the name is taken, or the link has that VLAN.
/// [`NotFound`](crate::ErrorKind::NotFound): there is no such link below.
/// [`InvalidInput`](crate::ErrorKind::InvalidInput): a number that no VLAN can have.
#[doc(alias = "NetworkLinkAddVlan")]
pub fn link_add_vlan<'a>(lower: impl Into<LinkRef<'a>>, name: &str, id: u16) -> Result<()> {
    Handle::open()?.add_link(&Vlan::new(name, lower, id))?;
    Ok(())
}

/// Makes a link with a hardware address of its own on another; [`Macvlan`] can do more.
///
/// # Errors
/// [`AlreadyExists`](crate::ErrorKind::AlreadyExists): the name is taken.
/// [`NotFound`](crate::ErrorKind::NotFound): there is no such link below.
#[doc(alias = "NetworkLinkAddMacVlan")]
pub fn link_add_macvlan<'a>(lower: impl Into<LinkRef<'a>>, name: &str, mode: MacvlanMode) -> Result<()> {
    Handle::open()?.add_link(&Macvlan::new(name, lower).mode(mode))?;
    Ok(())
}

/// Makes a veth pair with both ends here; [`Veth`] can do more.
///
/// # Errors
/// [`AlreadyExists`](crate::ErrorKind::AlreadyExists): a name is taken.
#[doc(alias = "NetworkCreateVethPair")]
pub fn create_veth_pair(name: &str, peer: &str) -> Result<()> {
    Handle::open()?.add_veth(&Veth::new(name).peer(peer))?;
    Ok(())
}

/// Renames a link; see [`Handle::rename`].
///
/// # Errors
/// [`AlreadyExists`](crate::ErrorKind::AlreadyExists): another link has that name.
#[doc(alias = "NetworkChangeName")]
pub fn link_rename<'a>(link: impl Into<LinkRef<'a>>, name: &str) -> Result<()> {
    Handle::open()?.rename(link, name)
}

/// Moves a link into the network namespace of a process; see [`Handle::set_netns_pid`].
///
/// # Errors
/// [`NotFound`](crate::ErrorKind::NotFound): there is no such link or process.
#[doc(alias = "NetworkSetNsPid")]
pub fn link_set_ns_pid<'a>(link: impl Into<LinkRef<'a>>, pid: u32) -> Result<()> {
    Handle::open()?.set_netns_pid(link, pid)
}

/// Moves a link into a network namespace; see [`Handle::set_netns_fd`].
///
/// # Errors
/// [`InvalidInput`](crate::ErrorKind::InvalidInput): the descriptor is not a network namespace's.
#[doc(alias = "NetworkSetNsFd")]
pub fn link_set_ns_fd<'a>(link: impl Into<LinkRef<'a>>, netns: impl AsFd) -> Result<()> {
    Handle::open()?.set_netns_fd(link, netns)
}

/// Lists the routes of the main table, IPv4 and IPv6; see [`Handle::routes`].
///
/// # Errors
/// [`Interrupted`](crate::ErrorKind::Interrupted): routes came and went each time the list was read.
#[doc(alias = "NetworkGetRoutes")]
pub fn routes() -> Result<Vec<Route>> {
    Handle::open()?.routes()
}

/// Adds a route to a network (or to everywhere), with the own address that packets start from, by
/// a neighbour (or none), on a link. [`Route`] can do more.
///
/// # Errors
/// [`InvalidInput`](crate::ErrorKind::InvalidInput): neither destination, source nor gateway is given, or they
/// are not of one family. Otherwise as [`Handle::add_route`].
#[doc(alias = "AddRoute")]
pub fn add_route<'a>(
    destination: Option<IpNet>,
    source: Option<IpAddr>,
    gateway: Option<IpAddr>,
    device: impl Into<LinkRef<'a>>,
) -> Result<()> {
    let route = route_of(destination, source, gateway).map_err(|why| why.when("add a route", &[]))?;
    let mut handle = Handle::open()?;
    let device = device.into();
    let index = handle.index_of(device).map_err(|why| why.when(format_args!("find {device}"), &[]))?;
    handle.add_route(&route.dev(index))
}

/// Adds the route to everywhere by a neighbour of a link; see [`Handle::add_default_gateway`].
///
/// # Errors
/// [`Unreachable`](crate::ErrorKind::Unreachable): the link doesn't lead to the gateway, or is down.
#[doc(alias = "AddDefaultGw")]
pub fn add_default_gateway<'a>(gateway: IpAddr, device: impl Into<LinkRef<'a>>) -> Result<()> {
    Handle::open()?.add_default_gateway(gateway, device)
}

fn route_of(
    destination: Option<IpNet>,
    source: Option<IpAddr>,
    gateway: Option<IpAddr>,
) -> Result<Route, Failure> {
    let of = destination.map(|net| net.address()).or(gateway).or(source);
    let Some(of) = of else {
        return Err(Failure::Input("one of destination, source and gateway must be given".to_owned()));
    };
    if [source, gateway].into_iter().flatten().any(|ip| ip.is_ipv4() != of.is_ipv4()) {
        return Err(Failure::Input("destination, source and gateway are not of one family".to_owned()));
    }
    let route = Route::to(destination.unwrap_or_else(|| everywhere(of)));
    Ok(Route { gateway, source, ..route })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_destination_source_and_gateway_must_be_given() {
        let error = add_route(None, None, None, "lo").unwrap_err();
        assert_eq!(error.to_string(), "add a route: one of destination, source and gateway must be given");
    }

    #[test]
    fn all_of_a_route_is_of_one_family() {
        let (ip4, ip6): (IpAddr, IpAddr) = ("10.0.0.1".parse().unwrap(), "fd00::1".parse().unwrap());
        for (destination, source, gateway) in [
            (Some(ip4.into()), None, Some(ip6)),
            (Some(ip6.into()), Some(ip4), None),
            (None, Some(ip4), Some(ip6)),
        ] {
            let error = add_route(destination, source, gateway, "lo").unwrap_err();
            assert_eq!(
                error.to_string(),
                "add a route: destination, source and gateway are not of one family"
            );
        }
    }

    #[test]
    fn without_a_destination_it_leads_everywhere() {
        let route = route_of(None, None, Some("fd00::1".parse().unwrap())).unwrap();
        assert_eq!(route, Route::default_via("fd00::1".parse().unwrap()));
    }
}

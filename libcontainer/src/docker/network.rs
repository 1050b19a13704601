//! Interfaces and routes.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::IpAddr;

use super::config::{join, said};
use super::{invalid, json};
use crate::config::{Config, NamespaceKind, Network, Route, Veth};
use crate::error::Result;

/// What an interface was called inside.
const INSIDE: &str = "eth0";

/// The longest name of an interface, in bytes.
const LONGEST: usize = 15;

/// Sets the interfaces.
pub(super) fn set(networks: &[json::Network], config: &mut Config, asked: &mut Vec<String>) -> Result<()> {
    let mut pairs = 0;
    for (number, network) in networks.iter().enumerate() {
        match network.kind.as_str() {
            "loopback" => {
                // Twice is once.
                if !config.networks.contains(&Network::Loopback) {
                    config.networks.push(Network::Loopback);
                }
            }
            "veth" => {
                pairs += 1;
                veth(number, network, config, asked)?;
            }
            "netns" => {
                let path = either(&network.ns_path, network, "nspath");
                let path = path.ok_or_else(|| wrong(number, "netns has no path"))?;
                join(&mut config.namespaces, NamespaceKind::Network, path);
            }
            other => return Err(wrong(number, &format!("type {other:?} is unknown"))),
        }
    }
    if pairs > 1 {
        return Err(invalid(format_args!("networks: {pairs} of type veth, and each would be {INSIDE}")));
    }
    // The interface of a new namespace that nobody stays in, or that of others.
    if networks.iter().any(|network| network.kind == "netns") {
        config.networks.retain(|network| *network != Network::Loopback);
    }
    Ok(())
}

fn wrong(number: usize, why: &str) -> crate::Error {
    invalid(format_args!("networks[{number}]: {why}"))
}

/// Returns what a key of its own says, or until 1.1 the context.
fn either(own: &str, network: &json::Network, key: &str) -> Option<String> {
    said(own).or_else(|| said(network.context.get(key)?))
}

fn veth(number: usize, network: &json::Network, config: &mut Config, asked: &mut Vec<String>) -> Result<()> {
    if !network.mac_address.is_empty() {
        asked.push(format!("networks[{number}].mac_address"));
    }
    if network.txqueuelen != 0 {
        asked.push(format!("networks[{number}].txqueuelen"));
    }
    let bridge = either(&network.bridge, network, "bridge");
    let bridge = bridge.ok_or_else(|| wrong(number, "veth has no bridge"))?;
    let prefix = either(&network.veth_prefix, network, "prefix");
    let prefix = prefix.ok_or_else(|| wrong(number, "veth has no prefix"))?;
    let addresses: Vec<_> =
        [&network.address, &network.ipv6_address].into_iter().filter_map(|text| said(text)).collect();
    if addresses.is_empty() {
        return Err(wrong(number, "veth has no address"));
    }
    let mtu = u32::try_from(network.mtu).map_err(|_| wrong(number, "mtu is no size of a packet"))?;
    config.networks.push(Network::Veth(Veth {
        name: INSIDE.to_owned(),
        host_name: name(number, &prefix)?,
        bridge: Some(bridge),
        addresses,
        gateway: address(number, &network.gateway)?,
        mtu: Some(mtu).filter(|mtu| *mtu != 0),
    }));
    if let Some(gateway) = address(number, &network.ipv6_gateway)? {
        let route =
            Route { destination: None, source: None, gateway: Some(gateway), interface: INSIDE.to_owned() };
        config.routes.insert(0, route);
    }
    Ok(())
}

/// Makes up a name from a prefix, as 2014 did; with the usual prefix it is left to who makes the interface,
/// and who can choose another if there is one already.
fn name(number: usize, prefix: &str) -> Result<Option<String>> {
    if prefix == "veth" {
        return Ok(None);
    }
    let digits = LONGEST.saturating_sub(prefix.len()).min(7);
    if digits < 4 {
        return Err(wrong(number, &format!("prefix {prefix:?} leaves no room for four digits in a name")));
    }
    let random = format!("{:016x}", RandomState::new().build_hasher().finish());
    Ok(Some(format!("{prefix}{}", &random[..digits])))
}

fn address(number: usize, text: &str) -> Result<Option<IpAddr>> {
    let parsed = said(text).map(|text| text.parse());
    parsed.transpose().map_err(|_| wrong(number, &format!("gateway {text:?} is no address")))
}

/// Returns the routes.
pub(super) fn routes(routes: &[json::Route], asked: &mut Vec<String>) -> Result<Vec<Route>> {
    routes.iter().enumerate().map(|(number, wanted)| route(number, wanted, asked)).collect()
}

fn route(number: usize, wanted: &json::Route, asked: &mut Vec<String>) -> Result<Route> {
    let wrong = |why: &str| invalid(format_args!("routes[{number}]: {why}"));
    let json::Route { destination, source, gateway, interface_name } = wanted;
    if destination.is_empty() && source.is_empty() && gateway.is_empty() {
        return Err(wrong("has neither destination nor source nor gateway"));
    }
    if interface_name.is_empty() {
        return Err(wrong("has no interface_name"));
    }
    let address = |key: &str, text: &str| match text {
        "" => Ok(None),
        text => text.parse::<IpAddr>().map(Some).map_err(|_| wrong(&format!("{key} {text:?} is no address"))),
    };
    let source = if source.contains('/') {
        asked.push(format!("routes[{number}].source {source:?}, only an address"));
        None
    } else {
        address("source", source)?
    };
    Ok(Route {
        destination: said(destination),
        source,
        gateway: address("gateway", gateway)?,
        interface: interface_name.clone(),
    })
}

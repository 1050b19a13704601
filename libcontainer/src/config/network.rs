//! The container's network: its interfaces, and what contradicts itself in them.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv6Addr};

use netlink::{IpNet, MacAddress};
use serde::{Deserialize, Serialize};

use super::{Config, NamespaceKind};

/// A network interface of the container.
///
/// A container without a network namespace has the caller's interfaces, and one that joins a namespace has
/// those that are there; only [`Network::Device`] can be added to the latter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
#[non_exhaustive]
pub enum Network {
    /// `lo`, brought up.
    Loopback,
    /// A pair of virtual interfaces, one inside and one on the host.
    Veth(Veth),
    /// An interface with a hardware address of its own on one of the host's.
    Macvlan(Macvlan),
    /// An interface of the host that is moved inside.
    Device(NetDevice),
}

/// A pair of virtual interfaces, [`veth(4)`](https://man7.org/linux/man-pages/man4/veth.4.html).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Veth {
    /// The name inside.
    pub name: String,
    /// The name on the host; one that is free is made up unless given.
    pub host_name: Option<String>,
    /// The bridge that the host's end is put on. It must exist.
    pub bridge: Option<String>,
    /// Whether the bridge sends packets back to the interface that they came from.
    pub hairpin: bool,
    /// Addresses inside, as `10.0.41.7/16`, of either family.
    pub addresses: Vec<String>,
    /// The way out of the network.
    pub gateway: Option<IpAddr>,
    /// The way out for IPv6, where [`Veth::gateway`] is that for IPv4.
    pub ipv6_gateway: Option<Ipv6Addr>,
    /// The largest packet, in bytes.
    pub mtu: Option<u32>,
    /// The hardware address inside, as `02:42:ac:11:00:02`; one at random unless given.
    pub mac: Option<String>,
    /// How many packets each end queues.
    pub queue_len: Option<u32>,
    /// Neighbours whose hardware addresses are known.
    pub neighbours: Vec<Neighbour>,
    /// Whether the network is asked if another has an IPv6 address before it is used, which takes a second
    /// or more. Not unless said, as with other container engines: whoever gives addresses to containers
    /// gives each once, and a program that binds to its address at once would fail.
    pub detect_duplicates: bool,
}

impl Default for Veth {
    fn default() -> Self {
        Veth {
            name: "eth0".to_owned(),
            host_name: None,
            bridge: None,
            hairpin: false,
            addresses: Vec::new(),
            gateway: None,
            ipv6_gateway: None,
            mtu: None,
            mac: None,
            queue_len: None,
            neighbours: Vec::new(),
            detect_duplicates: false,
        }
    }
}

/// An interface with a hardware address of its own on one of the host's (`ip link add type macvlan`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Macvlan {
    /// The name inside.
    pub name: String,
    /// The host's interface that it is on.
    pub parent: String,
    /// Who talks to whom.
    pub mode: MacvlanMode,
    /// Addresses inside, as `10.0.41.7/16`, of either family.
    pub addresses: Vec<String>,
    /// The way out of the network.
    pub gateway: Option<IpAddr>,
    /// The way out for IPv6, where [`Macvlan::gateway`] is that for IPv4.
    pub ipv6_gateway: Option<Ipv6Addr>,
    /// The largest packet, in bytes; the parent's unless given.
    pub mtu: Option<u32>,
    /// The hardware address, as `02:42:ac:11:00:02`; one at random unless given.
    pub mac: Option<String>,
    /// How many packets are queued.
    pub queue_len: Option<u32>,
    /// Neighbours whose hardware addresses are known.
    pub neighbours: Vec<Neighbour>,
    /// As [`Veth::detect_duplicates`].
    pub detect_duplicates: bool,
}

impl Default for Macvlan {
    fn default() -> Self {
        Macvlan {
            name: "eth0".to_owned(),
            parent: String::new(),
            mode: MacvlanMode::default(),
            addresses: Vec::new(),
            gateway: None,
            ipv6_gateway: None,
            mtu: None,
            mac: None,
            queue_len: None,
            neighbours: Vec::new(),
            detect_duplicates: false,
        }
    }
}

/// Which macvlans of one parent talk to each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum MacvlanMode {
    /// All of them.
    #[default]
    Bridge,
    /// None.
    Private,
    /// Those that the switch outside sends packets back to.
    Vepa,
    /// There is only one, and it takes its parent over.
    Passthru,
}

/// An interface of the host that is moved inside and brought up, with its addresses.
///
/// Addresses that are permanent and of global scope come along; those of others the kernel drops. When the
/// container's namespace goes, the kernel takes a physical interface back into its first network namespace, and
/// a virtual one is gone; in a namespace that was joined it stays. One whose container could not be made is given back, with name and addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NetDevice {
    /// The name on the host.
    pub host_name: String,
    /// The name inside, if it is another. One with `%d` in it takes the first number that is free.
    pub name: Option<String>,
}

/// A neighbour whose hardware address is known: nobody asks for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Neighbour {
    /// Its address.
    pub address: IpAddr,
    /// Its hardware address, as `02:42:ac:11:00:02`.
    pub mac: String,
}

/// A route of the container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// The network it leads to, as `192.168.0.0/24`; none means everywhere.
    #[serde(default)]
    pub destination: Option<String>,
    /// The address that packets carry as their source.
    #[serde(default)]
    pub source: Option<IpAddr>,
    /// The next hop.
    #[serde(default)]
    pub gateway: Option<IpAddr>,
    /// The interface, by its name inside.
    pub interface: String,
}

/// What new interfaces have in common: how they are inside.
pub(crate) struct Inside<'a> {
    pub(crate) name: &'a str,
    pub(crate) addresses: &'a [String],
    pub(crate) gateway: Option<IpAddr>,
    pub(crate) ipv6_gateway: Option<Ipv6Addr>,
    pub(crate) mtu: Option<u32>,
    pub(crate) mac: Option<&'a str>,
    pub(crate) neighbours: &'a [Neighbour],
    pub(crate) detect_duplicates: bool,
}

impl Inside<'_> {
    /// Returns the ways out, of both families.
    pub(crate) fn gateways(&self) -> impl Iterator<Item = IpAddr> {
        self.gateway.into_iter().chain(self.ipv6_gateway.map(IpAddr::V6))
    }
}

impl Network {
    /// Returns how a new interface is inside; those that exist have it already.
    pub(crate) fn inside(&self) -> Option<Inside<'_>> {
        macro_rules! inside {
            ($of:ident) => {
                Some(Inside {
                    name: &$of.name,
                    addresses: &$of.addresses,
                    gateway: $of.gateway,
                    ipv6_gateway: $of.ipv6_gateway,
                    mtu: $of.mtu,
                    mac: $of.mac.as_deref(),
                    neighbours: &$of.neighbours,
                    detect_duplicates: $of.detect_duplicates,
                })
            };
        }
        match self {
            Network::Veth(veth) => inside!(veth),
            Network::Macvlan(macvlan) => inside!(macvlan),
            Network::Loopback | Network::Device(_) => None,
        }
    }

    /// Returns the name inside.
    pub(crate) fn name(&self) -> &str {
        match self {
            Network::Loopback => "lo",
            Network::Veth(veth) => &veth.name,
            Network::Macvlan(macvlan) => &macvlan.name,
            Network::Device(device) => device.name.as_deref().unwrap_or(&device.host_name),
        }
    }

    /// Returns the name on the host, where one is wanted.
    fn host_name(&self) -> Option<&str> {
        match self {
            Network::Veth(veth) => veth.host_name.as_deref(),
            Network::Device(device) => Some(&device.host_name),
            Network::Loopback | Network::Macvlan(_) => None,
        }
    }
}

impl Config {
    /// Returns whether the network speaks IPv6, which a kernel may lack.
    pub(crate) fn wants_ipv6(&self) -> bool {
        let v6 = |text: &String| text.contains(':');
        let insides = || self.networks.iter().filter_map(Network::inside);
        insides().any(|inside| inside.addresses.iter().any(v6) || inside.gateways().any(|one| one.is_ipv6()))
            || insides().flat_map(|inside| inside.neighbours).any(|one| one.address.is_ipv6())
            || self.routes.iter().any(|route| {
                route.destination.as_ref().is_some_and(v6) || route.gateway.is_some_and(|one| one.is_ipv6())
            })
    }
}

/// Collects everything that is wrong with the network.
pub(crate) fn wrongs(config: &Config, wrong: &mut Vec<String>) {
    let is_new = config.is_new(NamespaceKind::Network);
    let (mut names, mut host_names) = (HashSet::new(), HashSet::new());
    let mut ways_out = [0, 0];
    for network in &config.networks {
        let name = network.name();
        let template = matches!(network, Network::Device(_)) && name.matches('%').count() == 1;
        let plain = if template { name.replace("%d", "0") } else { name.to_owned() };
        if let Some(why) = name_wrong(&plain) {
            wrong.push(format!("network {name:?}: {why}"));
        }
        if name == "lo" && *network != Network::Loopback {
            wrong.push("network \"lo\": is the loopback interface's name".to_owned());
        }
        if !template && !names.insert(name) {
            wrong.push(format!("network {name:?}: named twice"));
        }
        if let Some(host_name) = network.host_name() {
            if let Some(why) = name_wrong(host_name) {
                wrong.push(format!("network {name:?}: on the host {host_name:?}: {why}"));
            }
            if host_name == "lo" {
                wrong.push(format!("network {name:?}: the host's loopback interface stays where it is"));
            }
            if !host_names.insert(host_name) {
                wrong.push(format!("network {name:?}: {host_name:?} of the host is named twice"));
            }
        }
        let on_host = match network {
            Network::Veth(veth) => veth.bridge.as_ref(),
            Network::Macvlan(macvlan) => Some(&macvlan.parent),
            Network::Loopback | Network::Device(_) => None,
        };
        if let Some(why) = on_host.and_then(|on| name_wrong(on)) {
            wrong.push(format!("network {name:?}: on {:?}: {why}", on_host.map_or("", String::as_str)));
        }
        if matches!(network, Network::Veth(Veth { bridge: None, hairpin: true, .. })) {
            wrong.push(format!("network {name:?}: hairpin is a bridge's"));
        }
        let Some(inside) = network.inside() else { continue };
        if !is_new {
            wrong.push(format!("network {name:?}: needs a new Network namespace"));
        }
        interface(&inside, wrong);
        for gateway in inside.gateways() {
            let family = usize::from(gateway.is_ipv6());
            ways_out[family] += 1;
            if ways_out[family] > 1 {
                wrong.push(format!("network {name:?}: gateway {gateway} is a second way out of its family"));
            }
        }
    }
    for wanted in &config.routes {
        let known = names.contains(wanted.interface.as_str()) || wanted.interface == "lo";
        // In a namespace that others made there may be more, and a template's number isn't known yet.
        let templates = config.networks.iter().any(|network| network.name().contains('%'));
        if is_new && !known && !templates {
            wrong.push(format!("route on {:?}: there is no such network", wanted.interface));
        }
        route(wanted, wrong);
    }
}

/// What the kernel takes for no name; `%` would be a pattern.
fn name_wrong(name: &str) -> Option<String> {
    let bad = |byte: u8| matches!(byte, b'/' | b':' | b'%') || byte.is_ascii_whitespace() || byte < b' ';
    match name {
        "" => Some("has no name".to_owned()),
        "." | ".." => Some("is no name".to_owned()),
        _ if name.len() > 15 => Some(format!("has {} bytes, and 15 are allowed", name.len())),
        _ if name.bytes().any(bad) => Some("has \"/\", \":\", \"%\" or a blank in it".to_owned()),
        _ => None,
    }
}

fn interface(inside: &Inside<'_>, wrong: &mut Vec<String>) {
    let name = inside.name;
    let mut nets = Vec::new();
    for address in inside.addresses {
        match address.parse::<IpNet>() {
            Err(error) => wrong.push(format!("network {name:?}: {error}")),
            Ok(net) if net.address().is_unspecified() || net.address().is_multicast() => {
                wrong.push(format!("network {name:?}: {address} is no interface's address"));
            }
            Ok(net) if nets.iter().any(|known: &IpNet| known.address() == net.address()) => {
                wrong.push(format!("network {name:?}: {address} is there twice"));
            }
            Ok(net) => nets.push(net),
        }
    }
    if inside.gateway.is_some_and(|gateway| gateway.is_ipv6()) && inside.ipv6_gateway.is_some() {
        wrong.push(format!("network {name:?}: has two IPv6 gateways"));
    }
    for gateway in inside.gateways() {
        // Those are on every link.
        let local = matches!(gateway, IpAddr::V6(address) if address.is_unicast_link_local());
        if !local && !nets.iter().any(|net| net.contains(gateway)) {
            wrong.push(format!("network {name:?}: gateway {gateway} is in the network of no address"));
        }
    }
    // RFC 791 and RFC 8200; below the latter the kernel takes IPv6 off the interface.
    let least = if nets.iter().any(|net| net.address().is_ipv6()) { 1280 } else { 68 };
    if let Some(mtu) = inside.mtu.filter(|mtu| !(least..=65535).contains(mtu)) {
        wrong.push(format!("network {name:?}: MTU {mtu} is not from {least} to 65535"));
    }
    let macs = inside.neighbours.iter().map(|neighbour| neighbour.mac.as_str());
    for mac in inside.mac.into_iter().chain(macs) {
        match mac.parse::<MacAddress>().map(MacAddress::octets) {
            Err(error) => wrong.push(format!("network {name:?}: {error}")),
            Ok(octets) if octets[0] & 1 == 1 || octets == [0; 6] => {
                wrong.push(format!("network {name:?}: {mac} is no single interface's hardware address"));
            }
            Ok(_) => {}
        }
    }
}

fn route(wanted: &Route, wrong: &mut Vec<String>) {
    let on = &wanted.interface;
    if let Some(why) = name_wrong(on) {
        wrong.push(format!("route on {on:?}: {why}"));
    }
    let destination = match wanted.destination.as_deref().map(str::parse::<IpNet>) {
        Some(Err(error)) => return wrong.push(format!("route on {on:?}: {error}")),
        Some(Ok(net)) => Some(net.address()),
        None => None,
    };
    let families: HashSet<bool> =
        [destination, wanted.gateway, wanted.source].iter().flatten().map(IpAddr::is_ipv6).collect();
    if families.len() > 1 {
        wrong.push(format!("route on {on:?}: is of IPv4 and of IPv6"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(networks: Vec<Network>) -> String {
        let mut config = Config::new("/rootfs");
        config.networks = networks;
        let mut wrong = Vec::new();
        wrongs(&config, &mut wrong);
        wrong.join("; ")
    }

    fn veth(set: impl FnOnce(&mut Veth)) -> Network {
        let mut veth = Veth::default();
        set(&mut veth);
        Network::Veth(veth)
    }

    fn device(host_name: &str, name: Option<&str>) -> Network {
        Network::Device(NetDevice { host_name: host_name.to_owned(), name: name.map(str::to_owned) })
    }

    #[test]
    fn what_fits_has_nothing_wrong() {
        let full = veth(|veth| {
            veth.addresses = vec!["10.0.41.2/16".to_owned(), "fd00::2/64".to_owned()];
            veth.gateway = "10.0.41.1".parse().ok();
            veth.ipv6_gateway = "fe80::1".parse().ok();
            veth.mac = Some("02:00:00:00:00:07".to_owned());
        });
        assert_eq!(
            wrong(vec![Network::Loopback, full, device("ens3", None), device("ens4", Some("x%d"))]),
            ""
        );
    }

    #[test]
    fn everything_that_is_wrong_is_named_at_once() {
        let text = wrong(vec![
            veth(|veth| {
                veth.gateway = "10.9.9.9".parse().ok();
                veth.addresses =
                    vec!["10.0.0.1/24".to_owned(), "10.0.0.1/16".to_owned(), "fd00::1/64".to_owned()];
                veth.mtu = Some(1279);
                veth.mac = Some("01:00:00:00:00:00".to_owned());
                veth.hairpin = true;
            }),
            veth(|veth| veth.host_name = Some("sixteen-letters-".to_owned())),
            device("lo", None),
            device("a/b", Some("%d%d")),
        ]);
        for part in [
            "gateway 10.9.9.9 is in the network of no address",
            "10.0.0.1/16 is there twice",
            "MTU 1279 is not from 1280 to 65535",
            "01:00:00:00:00:00 is no single",
            "hairpin",
            "named twice",
            "has 16 bytes",
            "the host's loopback",
            "\"a/b\"",
            "\"%d%d\"",
        ] {
            assert!(text.contains(part), "{part} is missing in: {text}");
        }
    }

    #[test]
    fn a_family_has_one_way_out() {
        let with = |name: &str| {
            veth(|veth| {
                veth.name = name.to_owned();
                veth.addresses = vec!["10.0.41.2/16".to_owned()];
                veth.gateway = "10.0.41.1".parse().ok();
            })
        };
        assert!(wrong(vec![with("a"), with("b")]).contains("second way out"));
    }

    #[test]
    fn a_namespace_that_is_joined_gets_devices_only() {
        let mut config = Config::new("/rootfs");
        config.namespaces.retain(|namespace| namespace.kind != NamespaceKind::Network);
        let path = Some("/run/netns/blue".into());
        config.namespaces.push(crate::config::Namespace { kind: NamespaceKind::Network, path });
        config.networks = vec![device("ens3", None), veth(|_| {})];
        let mut wrong = Vec::new();
        wrongs(&config, &mut wrong);
        assert_eq!(wrong, ["network \"eth0\": needs a new Network namespace"]);
    }
}

//! The container's network, made from outside while its first process waits.

mod device;

use std::fs::File;
use std::hash::{BuildHasher, Hasher, RandomState};

use netlink::{Address, AddressFlags, Batch, BridgePort, Handle, IpNet, Link, MacAddress, Netns};
use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

use self::device::Moving;
use crate::config::network::Inside;
use crate::config::{Config, Macvlan, MacvlanMode, Network, Route, Veth};
use crate::error::{Error, ErrorKind, Result};

/// What was found on the host: nothing of the container's network is made before all of it is there.
pub(super) struct Prepared {
    /// None where nothing is asked of the host.
    outside: Option<Handle>,
    /// The bridge of each veth and the parent of each macvlan, in the order of the networks.
    beneath: Vec<Option<Link>>,
    /// The interfaces to move.
    moving: Vec<Moving>,
}

/// Looks for everything of the host that the network needs.
pub(super) fn prepare(config: &Config) -> Result<Prepared> {
    if config.wants_ipv6() && !has_ipv6() {
        let text = "network: this kernel has no IPv6, and addresses or routes of it are asked for";
        return Err(Error::new(ErrorKind::Unsupported, text));
    }
    let mut prepared = Prepared { outside: None, beneath: Vec::new(), moving: Vec::new() };
    if config.networks.iter().all(|network| *network == Network::Loopback) {
        return Ok(prepared);
    }
    let mut outside = Handle::open()?;
    for network in &config.networks {
        let beneath = match network {
            Network::Veth(veth) => veth.bridge.as_deref(),
            Network::Macvlan(macvlan) => Some(macvlan.parent.as_str()),
            Network::Loopback | Network::Device(_) => None,
        };
        prepared.beneath.push(beneath.map(|name| outside.link(name)).transpose()?);
        if let Network::Device(device) = network {
            prepared.moving.push(Moving::find(&mut outside, device)?);
        }
    }
    prepared.outside = Some(outside);
    Ok(prepared)
}

/// What was made so far: gone again when it is dropped, unless committed.
pub(super) struct Connected {
    outside: Option<Handle>,
    inside: Option<Handle>,
    host: Option<Netns>,
    /// The host's ends of pairs, by index: the other ends go with them.
    pairs: Vec<u32>,
    /// Interfaces that are inside alone, by index.
    inner: Vec<u32>,
    moved: Vec<Moving>,
}

impl Connected {
    /// Leaves everything to the container: what is in its namespace goes with that.
    pub(super) fn commit(mut self) {
        self.pairs.clear();
        self.inner.clear();
        self.moved.clear();
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        if let (Some(outside), Some(inside)) = (&mut self.outside, &mut self.inside) {
            for index in self.pairs.drain(..) {
                let _ = outside.delete_link(index);
            }
            for index in self.inner.drain(..) {
                let _ = inside.delete_link(index);
            }
            for moved in self.moved.drain(..).rev() {
                if let Some(host) = &self.host {
                    moved.give_back(outside, inside, host);
                }
            }
        }
    }
}

impl Prepared {
    /// Connects the network namespace of a process.
    pub(super) fn connect(self, config: &Config, pid: u32) -> Result<Connected> {
        let Prepared { outside, beneath, moving } = self;
        let mut connected = Connected {
            outside,
            inside: None,
            host: None,
            pairs: Vec::new(),
            inner: Vec::new(),
            moved: Vec::new(),
        };
        if connected.outside.is_none() && config.routes.is_empty() {
            return Ok(connected);
        }
        let path = format!("/proc/{pid}/ns/net");
        let netns = File::open(&path).map_err(|error| Error::io(format_args!("open {path:?}"), &error))?;
        connected.inside = Some(Handle::open_in(&netns)?);
        let mut made = Vec::new();
        for (network, beneath) in config.networks.iter().zip(&beneath) {
            if let Some(index) = connected.add(network, beneath.as_ref(), &netns)? {
                made.push((network, index));
            }
        }
        connected.take_over(moving, &netns)?;
        if let Some(inside) = &mut connected.inside {
            configure(inside, &made, &config.routes)?;
        }
        Ok(connected)
    }
}

impl Connected {
    /// Makes a new interface, in the container's namespace from its birth on: one moved there would wait for
    /// the kernel's grace periods.
    fn add(&mut self, network: &Network, beneath: Option<&Link>, netns: &File) -> Result<Option<u32>> {
        let (Some(outside), Some(inside)) = (&mut self.outside, &mut self.inside) else { return Ok(None) };
        match network {
            Network::Veth(veth) => {
                let (host, peer) = pair(outside, netns, veth, beneath)?;
                self.pairs.push(host);
                if veth.hairpin {
                    let mut port = BridgePort::default();
                    port.hairpin = Some(true);
                    outside.change_port(host, &port)?;
                }
                Ok(Some(peer))
            }
            Network::Macvlan(macvlan) => {
                one(outside, netns, macvlan, beneath)?;
                let index = inside.link(macvlan.name.as_str())?.index;
                self.inner.push(index);
                Ok(Some(index))
            }
            Network::Loopback | Network::Device(_) => Ok(None),
        }
    }

    /// Moves interfaces of the host.
    fn take_over(&mut self, moving: Vec<Moving>, netns: &File) -> Result<()> {
        let (Some(outside), Some(inside)) = (&mut self.outside, &mut self.inside) else { return Ok(()) };
        if moving.is_empty() {
            return Ok(());
        }
        self.host = Some(Netns::current()?);
        for mut one in moving {
            one.name_inside(inside)?;
            // Remembered first: a move that fails may have happened in part.
            self.moved.push(one);
            if let Some(one) = self.moved.last_mut() {
                one.take_over(outside, inside, netns)?;
            }
        }
        Ok(())
    }
}

/// Makes both ends at once, the inner one in its namespace and with its name. Returns their indices.
fn pair(outside: &mut Handle, netns: &File, veth: &Veth, bridge: Option<&Link>) -> Result<(u32, u32)> {
    let mut tries = 0;
    loop {
        let name = veth.host_name.clone().unwrap_or_else(made_up_name);
        let mut pair = netlink::Veth::new(&name).peer(&veth.name).peer_netns_fd(netns).up();
        if let Some(mtu) = veth.mtu {
            pair = pair.mtu(mtu);
        }
        if let Some(mac) = veth.mac.as_deref() {
            pair = pair.peer_mac(mac.parse::<MacAddress>()?);
        }
        if let Some(packets) = veth.queue_len {
            pair = pair.queue_len(packets).peer_queue_len(packets);
        }
        if let Some(bridge) = bridge {
            pair = pair.master(bridge);
        }
        tries += 1;
        match outside.add_veth(&pair) {
            Ok(pair) => return Ok((pair.host.index, pair.peer_index)),
            Err(error)
                if error.raw_os_error() == Some(libc::EEXIST) && veth.host_name.is_none() && tries < 8 => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn one(outside: &mut Handle, netns: &File, wanted: &Macvlan, parent: Option<&Link>) -> Result<()> {
    let Some(parent) = parent else { return Ok(()) };
    let mode = match wanted.mode {
        MacvlanMode::Bridge => netlink::kind::MacvlanMode::Bridge,
        MacvlanMode::Private => netlink::kind::MacvlanMode::Private,
        MacvlanMode::Vepa => netlink::kind::MacvlanMode::Vepa,
        MacvlanMode::Passthru => netlink::kind::MacvlanMode::Passthru,
    };
    let mut link = netlink::Macvlan::new(&wanted.name, parent).mode(mode).netns_fd(netns);
    if let Some(mtu) = wanted.mtu {
        link = link.mtu(mtu);
    }
    if let Some(mac) = wanted.mac.as_deref() {
        link = link.mac(mac.parse::<MacAddress>()?);
    }
    if let Some(packets) = wanted.queue_len {
        link = link.queue_len(packets);
    }
    outside.add_link(&link).map(drop).map_err(Into::into)
}

/// Gives the new interfaces their addresses, brings them up and gives them their ways out, all at once.
fn configure(inside: &mut Handle, made: &[(&Network, u32)], routes: &[Route]) -> Result<()> {
    let mut indices = Vec::with_capacity(routes.len());
    for wanted in routes {
        let known = made.iter().find(|(network, _)| network.name() == wanted.interface);
        indices.push(match known {
            Some((_, index)) => *index,
            None => inside.link(wanted.interface.as_str())?.index,
        });
    }
    let mut batch = inside.batch();
    for (network, index) in made {
        if let Some(wanted) = network.inside() {
            interface(&mut batch, *index, &wanted)?;
        }
    }
    for (wanted, index) in routes.iter().zip(indices) {
        batch.add_route(&route(wanted)?.dev(index));
    }
    batch.send().into_iter().collect::<netlink::Result<()>>().map_err(Into::into)
}

fn interface(batch: &mut Batch<'_>, index: u32, wanted: &Inside<'_>) -> Result<()> {
    for address in wanted.addresses {
        let mut address: Address = address.parse()?;
        if address.net.address().is_ipv6() && !wanted.detect_duplicates {
            address.flags |= AddressFlags::NODAD;
        }
        batch.add_address(index, &address);
    }
    batch.set_up(index);
    for neighbour in wanted.neighbours {
        let mac: MacAddress = neighbour.mac.parse()?;
        batch.add_neighbour(index, &netlink::Neighbour::new(neighbour.address).mac(mac));
    }
    for gateway in wanted.gateways() {
        batch.add_route(&netlink::Route::default_via(gateway).dev(index));
    }
    Ok(())
}

fn route(wanted: &Route) -> Result<netlink::Route> {
    let destination = wanted.destination.as_deref().map(str::parse::<IpNet>).transpose()?;
    let mut route = match (destination, wanted.gateway) {
        (Some(destination), _) => netlink::Route::to(destination),
        (None, Some(gateway)) => netlink::Route::default_via(gateway),
        (None, None) => netlink::Route::to("0.0.0.0/0".parse()?),
    };
    if let Some(gateway) = wanted.gateway {
        route = route.via(gateway);
    }
    if let Some(source) = wanted.source {
        route = route.source(source);
    }
    Ok(route)
}

/// Returns whether the kernel speaks IPv6: one without it, or with `ipv6.disable=1`, has no such sockets.
fn has_ipv6() -> bool {
    let socket = socket(AddressFamily::Inet6, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None);
    !matches!(socket, Err(Errno::EAFNOSUPPORT))
}

/// Makes up a name for the host's end: what says how a name is made up is that nobody guesses it.
fn made_up_name() -> String {
    let random = RandomState::new().build_hasher().finish();
    format!("veth{:07x}", random & 0x0fff_ffff)
}

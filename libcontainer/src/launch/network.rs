//! The container's network, made from outside while its first process waits.

use std::fs::File;
use std::hash::{BuildHasher, Hasher, RandomState};

use netlink::{Handle, IpNet, Veth as Pair};

use crate::config::{Config, Network, Route, Veth};
use crate::error::{Error, Result};

/// Connects the network namespace of a process. The host's ends go with the namespace.
pub(super) fn connect(config: &Config, pid: u32) -> Result<()> {
    let veths = config.networks.iter().filter_map(|network| match network {
        Network::Veth(veth) => Some(veth),
        Network::Loopback => None,
    });
    let veths: Vec<_> = veths.collect();
    if veths.is_empty() && config.routes.is_empty() {
        return Ok(());
    }
    let path = format!("/proc/{pid}/ns/net");
    let netns = File::open(&path).map_err(|error| Error::io(format_args!("open {path:?}"), &error))?;
    let mut inside = Handle::open_in(&netns)?;
    let mut outside = Handle::open()?;
    for veth in veths {
        pair(&mut outside, &netns, veth)?;
        configure(&mut inside, veth)?;
    }
    config.routes.iter().try_for_each(|wanted| route(&mut inside, wanted))
}

/// Makes both ends at once, the inner one in its namespace and with its name.
fn pair(outside: &mut Handle, netns: &File, veth: &Veth) -> Result<()> {
    let mut tries = 0;
    loop {
        let name = veth.host_name.clone().unwrap_or_else(made_up_name);
        let mut pair = Pair::new(&name).peer(&veth.name).peer_netns_fd(netns).up();
        if let Some(mtu) = veth.mtu {
            pair = pair.mtu(mtu);
        }
        let bridge = veth.bridge.as_deref().map(|bridge| outside.link(bridge)).transpose()?;
        if let Some(bridge) = &bridge {
            pair = pair.master(bridge);
        }
        tries += 1;
        match outside.add_veth(&pair) {
            Ok(_) => return Ok(()),
            Err(error)
                if error.raw_os_error() == Some(libc::EEXIST) && veth.host_name.is_none() && tries < 8 => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn configure(inside: &mut Handle, veth: &Veth) -> Result<()> {
    let link = inside.link(veth.name.as_str())?;
    for address in &veth.addresses {
        inside.add_address(&link, &address.parse()?)?;
    }
    inside.set_up(&link)?;
    if let Some(gateway) = veth.gateway {
        inside.add_default_gateway(gateway, &link)?;
    }
    Ok(())
}

fn route(inside: &mut Handle, wanted: &Route) -> Result<()> {
    let link = inside.link(wanted.interface.as_str())?;
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
    Ok(inside.add_route(&route.dev(link.index))?)
}

/// Makes up a name for the host's end: what says how a name is made up is that nobody guesses it.
fn made_up_name() -> String {
    let random = RandomState::new().build_hasher().finish();
    format!("veth{:07x}", random & 0x0fff_ffff)
}

//! What several of these programs need.
#![allow(dead_code, reason = "none of them needs all of it")]

use std::net::IpAddr;

use grounds::{Stop, netns};
use netlink::{Handle, IpNet, Link, Veth};

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(crate) fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

/// A new namespace with a pair of links that are up, `v0` with 10.0.0.1/24.
pub(crate) fn connected() -> Result<(Handle, Link), Stop> {
    netns()?;
    let mut handle = Handle::open()?;
    handle.add_veth(&Veth::new("v0").peer("v1"))?;
    handle.add_address("v0", &net("10.0.0.1/24").into())?;
    handle.set_up("v0")?;
    handle.set_up("v1")?;
    let link = handle.link("v0")?;
    Ok((handle, link))
}

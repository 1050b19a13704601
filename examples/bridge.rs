//! A network bridge with an address: `cargo run --example bridge`.
//!
//! It acts in the network namespace that it is called in. To try it where nothing can break, and
//! without being root: `unshare -rn cargo run --example bridge`.

use std::process::ExitCode;

use netlink::{ErrorKind, Handle, Result};

fn main() -> ExitCode {
    match make_bridge().and_then(|()| print_interface("mydocker0")) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            eprintln!(
                "bridge: {error}\nThis needs rights over the network; in a namespace of your own you have them:"
            );
            eprintln!("    unshare -rn cargo run --example bridge");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("bridge: {error}");
            ExitCode::FAILURE
        }
    }
}

fn make_bridge() -> Result<()> {
    unless_there(netlink::create_bridge("mydocker0", false))?;
    let bridge = netlink::interface_by_name("mydocker0")?;
    unless_there(netlink::link_add_ip(&bridge, "10.0.41.1/16".parse()?))?;
    netlink::link_up(&bridge)
}

/// A second run finds what the first one made.
fn unless_there(made: Result<()>) -> Result<()> {
    match made {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

/// Prints an interface as `ip a` would.
fn print_interface(name: &str) -> Result<()> {
    let mut handle = Handle::open()?;
    let link = handle.link(name)?;
    let qdisc = link.qdisc.as_deref().unwrap_or("noop");
    println!(
        "{}: {}: <{}> mtu {} qdisc {qdisc} state {}",
        link.index, link.name, link.flags, link.mtu, link.oper_state
    );
    if let (Some(mac), Some(broadcast)) = (link.mac, link.broadcast) {
        println!("    link/ether {mac} brd {broadcast}");
    }
    for address in handle.addresses()?.iter().filter(|address| address.index == link.index) {
        let family = if address.net.address().is_ipv4() { "inet" } else { "inet6" };
        println!(
            "    {family} {} scope {} {}",
            address.net,
            address.scope.unwrap_or(netlink::Scope::Universe),
            link.name
        );
    }
    Ok(())
}

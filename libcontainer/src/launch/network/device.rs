//! An interface of the host that is moved into the container.

use std::fs::File;

use netlink::{
    Address, AddressFilter, AddressFlags, Handle, Link, LinkChange, LinkFilter, LinkFlags, Netns, Scope,
};

use crate::config::NetDevice;
use crate::error::{Error, ErrorKind, Result};

/// One interface, and what it loses on the way.
pub(super) struct Moving {
    link: Link,
    /// Of all families, permanent and of global scope: what the OCI specification wants to be kept.
    addresses: Vec<Address>,
    name: String,
}

impl Moving {
    /// Finds it on the host.
    pub(super) fn find(outside: &mut Handle, device: &NetDevice) -> Result<Moving> {
        let link = outside.link(device.host_name.as_str())?;
        if link.flags.contains(LinkFlags::LOOPBACK) {
            let text = format!("move network device {:?}: a loopback interface stays where it is", link.name);
            return Err(Error::new(ErrorKind::InvalidConfig, text));
        }
        let mut filter = AddressFilter::default();
        filter.index = Some(link.index);
        filter.flags = AddressFlags::PERMANENT;
        let mut addresses = outside.list_addresses(filter)?;
        addresses.retain(|address| address.scope == Some(Scope::Universe));
        for address in &mut addresses {
            // It was nobody else's on this very link until now; asking again would take it away for a second.
            let v6 = address.net.address().is_ipv6();
            address.flags &= AddressFlags::NOPREFIXROUTE | AddressFlags::HOMEADDRESS;
            address.flags.set(AddressFlags::NODAD, v6);
            // A label begins with the interface's name, which may change.
            address.label = None;
        }
        let name = device.name.clone().unwrap_or_else(|| device.host_name.clone());
        Ok(Moving { link, addresses, name })
    }

    /// Decides on its name inside: one that is taken is refused before anything is moved.
    pub(super) fn name_inside(&mut self, inside: &mut Handle) -> Result<()> {
        let links = inside.list_links(LinkFilter::default())?;
        let taken = |name: &str| links.iter().any(|link| link.name == name);
        if self.name.contains("%d") {
            let free = (0..u16::MAX).map(|number| self.name.replace("%d", &number.to_string()));
            let free = free.take_while(|name| name.len() < 16).find(|name| !taken(name));
            self.name = free.ok_or_else(|| {
                let text = format!("move network device {:?}: no {:?} is free", self.link.name, self.name);
                Error::new(ErrorKind::AlreadyExists, text)
            })?;
        }
        if taken(&self.name) {
            let (from, to) = (&self.link.name, &self.name);
            let text = format!("move network device {from:?}: the container has an interface {to:?} already");
            return Err(Error::new(ErrorKind::AlreadyExists, text));
        }
        Ok(())
    }

    /// Moves it, and gives it back what it lost: the move takes it down, and its addresses away.
    pub(super) fn take_over(&self, outside: &mut Handle, inside: &mut Handle, netns: &File) -> Result<()> {
        let change = LinkChange::new().name(&self.name).netns_fd(netns);
        outside.change_link(self.link.index, &change)?;
        let index = inside.link(self.name.as_str())?.index;
        settle(inside, index, &self.addresses, true).map_err(Into::into)
    }

    /// Moves it back, as far as that goes.
    pub(super) fn give_back(&self, outside: &mut Handle, inside: &mut Handle, host: &Netns) {
        let Ok(links) = inside.list_links(LinkFilter::default()) else { return };
        let ours = |link: &&Link| link.name == self.name || link.name == self.link.name;
        let Some(link) = links.iter().find(|link| ours(link) && link.mac == self.link.mac) else { return };
        let change = LinkChange::new().name(&self.link.name).netns_fd(host);
        let _ = inside.change_link(link.index, &change);
        if let Ok(link) = outside.link(self.link.name.as_str()) {
            let _ = settle(outside, link.index, &self.addresses, self.link.is_up());
        }
    }
}

fn settle(handle: &mut Handle, index: u32, addresses: &[Address], up: bool) -> netlink::Result<()> {
    let mut batch = handle.batch();
    for address in addresses {
        batch.replace_address(index, address);
    }
    if up {
        batch.set_up(index);
    }
    batch.send().into_iter().collect()
}

//! What a request was to do, read from its bytes: a batch keeps nothing else.

mod routing;

use nix::errno::Errno;

use super::message::Messages;
use super::numbers::{
    IFLA_ADDRESS, IFLA_ALT_IFNAME, IFLA_GROUP, IFLA_IFNAME, IFLA_MASTER, IFLA_MTU, IFLA_NET_NS_FD,
    IFLA_NET_NS_PID, NLM_F_CREATE, RTM_DELADDR, RTM_DELLINK, RTM_DELLINKPROP, RTM_DELROUTE, RTM_NEWADDR,
    RTM_NEWLINK, RTM_NEWLINKPROP, RTM_NEWROUTE, RTM_SETLINK,
};
use super::{address, attribute::Attributes, link, route, u32_at};
use crate::batch::Names;
use crate::error::Hints;
use crate::link::{Link, LinkFlags};
use crate::mac::MacAddress;

/// What a request was to do, on what.
pub(crate) fn doing(request: &[u8], names: &Names) -> String {
    let Some(Ok(message)) = Messages::new(request).next() else { return "send a request".to_owned() };
    let on_link = |verb: &str| format!("{verb} {}", link_of(message.payload, names));
    let on_address = |verb: &str, word: &str| {
        let address = address::read(message.payload);
        let text = address.as_ref().map(ToString::to_string).unwrap_or_default();
        format!("{verb} address {text} {word} {}", names.link(address.map_or(0, |address| address.index)))
    };
    let on_route = |verb: &str| {
        format!(
            "{verb} route {}",
            route::read(message.payload).map(|route| route.to_string()).unwrap_or_default()
        )
    };
    if let Some(doing) = routing::doing(&message, names) {
        return doing;
    }
    match message.kind {
        RTM_NEWLINK => match link::read(message.payload) {
            Some(link) if message.flags & NLM_F_CREATE != 0 => {
                format!("create {} {:?}", link.kind_name().unwrap_or("link"), link.name)
            }
            Some(Link { port: Some(port), .. }) => on_link(&format!("change {} port", port.name())),
            _ => on_link("change"),
        },
        RTM_SETLINK => changing(message.payload, names).unwrap_or_else(|| on_link("change")),
        RTM_NEWLINKPROP | RTM_DELLINKPROP => on_link("change names of"),
        RTM_DELLINK => group_of(message.payload)
            .map_or_else(|| on_link("delete"), |group| format!("delete the links of group {group}")),
        RTM_NEWADDR => on_address("add", "to"),
        RTM_DELADDR => on_address("delete", "from"),
        RTM_NEWROUTE => on_route("add"),
        RTM_DELROUTE => on_route("delete"),
        kind => crate::tc::doing(kind, message.payload, names)
            .unwrap_or_else(|| format!("send a request of type {kind}")),
    }
}

/// Says what was to be changed, if it was one thing.
fn changing(payload: &[u8], names: &Names) -> Option<String> {
    let link = link_of(payload, names);
    let by_name = u32_at(payload, 4) == Some(0);
    let mut attributes = Attributes::after(link::HEADER, payload)
        .filter(|one| !by_name || !matches!(one.kind, IFLA_IFNAME | IFLA_ALT_IFNAME));
    let (flags, change) = (u32_at(payload, 8)?, u32_at(payload, 12)?);
    let (first, second) = (attributes.next(), attributes.next());
    let Some(attribute) = first else {
        let word = if flags & LinkFlags::UP.bits() != 0 { "up" } else { "down" };
        return (change == LinkFlags::UP.bits()).then(|| format!("set {link} {word}"));
    };
    if second.is_some() || change != 0 {
        return None;
    }
    Some(match attribute.kind {
        IFLA_MTU => format!("set MTU of {link} to {}", attribute.u32()?),
        IFLA_IFNAME => format!("rename {link} to {:?}", attribute.text()),
        IFLA_ADDRESS => {
            let mac = MacAddress::from(<[u8; 6]>::try_from(attribute.payload).ok()?);
            format!("set MAC of {link} to {mac}")
        }
        IFLA_MASTER => match attribute.u32()? {
            0 => format!("take {link} from its master"),
            master => format!("make {link} a port of {}", names.link(master)),
        },
        IFLA_NET_NS_PID => format!("move {link} to the network namespace of process {}", attribute.u32()?),
        IFLA_NET_NS_FD => format!("move {link} to another network namespace"),
        _ => return None,
    })
}

/// The group whose links a request deletes.
fn group_of(payload: &[u8]) -> Option<u32> {
    let mut attributes = Attributes::after(link::HEADER, payload);
    attributes.find(|attribute| attribute.kind == IFLA_GROUP)?.u32()
}

fn link_of(payload: &[u8], names: &Names) -> String {
    let name = Attributes::after(link::HEADER, payload)
        .find(|attribute| matches!(attribute.kind, IFLA_IFNAME | IFLA_ALT_IFNAME));
    match (u32_at(payload, 4), name) {
        (Some(0), Some(name)) => format!("link {:?}", name.text()),
        (index, _) => names.link(index.unwrap_or_default()),
    }
}

/// Words for an errno without any.
pub(crate) fn hints(request: &[u8]) -> Hints<'static> {
    let Some(Ok(message)) = Messages::new(request).next() else { return &[] };
    if let Some(hints) = routing::hints(&message) {
        return hints;
    }
    match message.kind {
        RTM_NEWLINK if link::read(message.payload).is_some_and(|link| link.port.is_some()) => {
            crate::port::CHANGING
        }
        RTM_NEWLINK if message.flags & NLM_F_CREATE != 0 => crate::link::CREATING,
        RTM_NEWLINK | RTM_SETLINK | RTM_NEWLINKPROP | RTM_DELLINKPROP => crate::link::CHANGING,
        RTM_DELLINK => crate::link::DELETING,
        RTM_NEWADDR => crate::address::ADDING,
        RTM_DELADDR => crate::address::DELETING,
        RTM_NEWROUTE | RTM_DELROUTE => crate::route::HINTS,
        kind if crate::tc::hints(kind).is_some() => crate::tc::hints(kind).unwrap_or_default(),
        _ => &[(Errno::EOPNOTSUPP, "this kernel doesn't know such a request")],
    }
}

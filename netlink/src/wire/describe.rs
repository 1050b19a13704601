//! What a request was to do, read from its bytes: a batch keeps nothing else.

mod routing;

use nix::errno::Errno;

use super::message::Messages;
use super::numbers::{
    IFLA_ALT_IFNAME, IFLA_IFNAME, NLM_F_CREATE, RTM_DELADDR, RTM_DELLINK, RTM_DELROUTE, RTM_NEWADDR,
    RTM_NEWLINK, RTM_NEWROUTE, RTM_SETLINK,
};
use super::{address, attribute::Attributes, link, route, u32_at};
use crate::error::Hints;
use crate::link::Link;

/// What a request was to do, on what.
pub(crate) fn doing(request: &[u8]) -> String {
    let Some(Ok(message)) = Messages::new(request).next() else { return "send a request".to_owned() };
    let on_link = |verb: &str| format!("{verb} {}", link_of(message.payload));
    let on_address = |verb: &str, word: &str| {
        let address = address::read(message.payload);
        let text = address.as_ref().map(ToString::to_string).unwrap_or_default();
        format!("{verb} address {text} {word} link {}", address.map_or(0, |address| address.index))
    };
    let on_route = |verb: &str| {
        format!(
            "{verb} route {}",
            route::read(message.payload).map(|route| route.to_string()).unwrap_or_default()
        )
    };
    if let Some(doing) = routing::doing(&message) {
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
        RTM_SETLINK => on_link("change"),
        RTM_DELLINK => on_link("delete"),
        RTM_NEWADDR => on_address("add", "to"),
        RTM_DELADDR => on_address("delete", "from"),
        RTM_NEWROUTE => on_route("add"),
        RTM_DELROUTE => on_route("delete"),
        kind => crate::tc::doing(kind, message.payload)
            .unwrap_or_else(|| format!("send a request of type {kind}")),
    }
}

fn link_of(payload: &[u8]) -> String {
    let name = Attributes::after(link::HEADER, payload)
        .find(|attribute| matches!(attribute.kind, IFLA_IFNAME | IFLA_ALT_IFNAME));
    match (u32_at(payload, 4), name) {
        (Some(0), Some(name)) => format!("link {:?}", name.text()),
        (index, _) => format!("link {}", index.unwrap_or_default()),
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
        RTM_NEWLINK | RTM_SETLINK => crate::link::CHANGING,
        RTM_DELLINK => crate::link::DELETING,
        RTM_NEWADDR => crate::address::ADDING,
        RTM_DELADDR => crate::address::DELETING,
        RTM_NEWROUTE | RTM_DELROUTE => crate::route::HINTS,
        kind if crate::tc::hints(kind).is_some() => crate::tc::hints(kind).unwrap_or_default(),
        _ => &[(Errno::EOPNOTSUPP, "this kernel doesn't know such a request")],
    }
}

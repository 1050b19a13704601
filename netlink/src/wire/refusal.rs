//! What the kernel says when it refuses: the errno, and since Linux 4.12 a text, the attribute
//! it is about, what that attribute may hold, and which one is missing (extended acknowledgement).

use super::attribute::{Attribute, Attributes};
use super::message::{HEADER, Message};
use super::numbers::{
    IFLA_INFO_KIND, IFLA_INFO_SLAVE_KIND, NL_POLICY_TYPE_ATTR_MAX_LENGTH, NL_POLICY_TYPE_ATTR_MAX_VALUE_S,
    NL_POLICY_TYPE_ATTR_MAX_VALUE_U, NL_POLICY_TYPE_ATTR_MIN_LENGTH, NL_POLICY_TYPE_ATTR_MIN_VALUE_S,
    NL_POLICY_TYPE_ATTR_MIN_VALUE_U, NLM_F_ACK_TLVS, NLM_F_CAPPED, NLMSG_ERROR, NLMSGERR_ATTR_MISS_NEST,
    NLMSGERR_ATTR_MISS_TYPE, NLMSGERR_ATTR_MSG, NLMSGERR_ATTR_OFFS, NLMSGERR_ATTR_POLICY, Names, inside,
    name_of,
};
use super::protocol::Protocol;
use super::{aligned, u16_at, u32_at};

/// The kernel's refusal of one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusal {
    pub(crate) errno: i32,
    /// The kernel's own words.
    pub(crate) text: Option<String>,
    /// The attribute it is about, with the ones around it: `IFLA_LINKINFO/IFLA_INFO_KIND`.
    pub(crate) attribute: Option<String>,
    /// What that attribute may hold: `at most 15 bytes`.
    pub(crate) policy: Option<String>,
    /// The attribute that should have been there.
    pub(crate) missing: Option<String>,
}

impl Refusal {
    /// Reads an `NLMSG_ERROR` or `NLMSG_DONE`: `Ok` where its errno is zero.
    ///
    /// # Errors
    /// The refusal, in which names were found in `request`, the bytes that were sent.
    pub(crate) fn check(answer: &Message<'_>, request: &[u8]) -> Result<(), Refusal> {
        Refusal::check_of(Protocol::Route, answer, request)
    }

    /// The same, of any protocol: the names differ.
    pub(crate) fn check_of(protocol: Protocol, answer: &Message<'_>, request: &[u8]) -> Result<(), Refusal> {
        // The end of a dump has carried an errno since Linux 2.6.21 at least; absent means well.
        let errno = u32_at(answer.payload, 0).map_or(0, |errno| (errno as i32).wrapping_neg());
        if errno == 0 {
            return Ok(());
        }
        let mut refusal = Refusal { errno, ..Refusal::default() };
        if answer.flags & NLM_F_ACK_TLVS != 0 {
            let (names, header) = protocol.layout(u16_at(request, 4).unwrap_or_default());
            refusal.read(Attributes::after(attributes_at(answer), answer.payload), request, names, header);
        }
        Err(refusal)
    }

    fn read(&mut self, attributes: Attributes<'_>, request: &[u8], names: Names, header: usize) {
        let start = HEADER + header;
        let place_of = |offset: Attribute<'_>| {
            let offset = (offset.u32()? as usize).checked_sub(start)?;
            place_at(names, request.get(start..)?, offset)
        };
        let mut missing = (None, None);
        for attribute in attributes {
            match attribute.kind {
                NLMSGERR_ATTR_MSG => self.text = Some(attribute.text()).filter(|text| !text.is_empty()),
                NLMSGERR_ATTR_OFFS => {
                    self.attribute = place_of(attribute).map(|place| place.path);
                }
                NLMSGERR_ATTR_POLICY => self.policy = policy(attribute.nested()),
                NLMSGERR_ATTR_MISS_TYPE => missing.0 = attribute.u32(),
                NLMSGERR_ATTR_MISS_NEST => missing.1 = Some(place_of(attribute)),
                _ => {}
            }
        }
        self.missing = missing.0.map(|kind| match missing.1 {
            None => named(names, kind as u16),
            Some(nest) => missing_in(nest, kind as u16),
        });
    }
}

/// Where the attributes of an answer begin.
fn attributes_at(answer: &Message<'_>) -> usize {
    const ERRNO: usize = 4;
    if answer.kind != NLMSG_ERROR {
        return ERRNO;
    }
    if answer.flags & NLM_F_CAPPED != 0 {
        return ERRNO + HEADER;
    }
    let request = u32_at(answer.payload, ERRNO).unwrap_or_default() as usize;
    ERRNO + aligned(request.max(HEADER).min(answer.payload.len()))
}

/// An attribute of a request.
struct Place {
    /// Its name, with those that it is in.
    path: String,
    /// The names of those in it, if it has any.
    inside: Option<Names>,
}

/// Finds the attribute that begins at `offset`.
fn place_at(names: Names, bytes: &[u8], offset: usize) -> Option<Place> {
    let (start, attribute) = Attributes::new(bytes)
        .with_offsets()
        .find(|(start, attribute)| (*start..*start + 4 + attribute.payload.len()).contains(&offset))?;
    let path = named(names, attribute.kind);
    // The kind of a link stands before its data, that of its master before a port's.
    let word = if path == "IFLA_INFO_SLAVE_DATA" { IFLA_INFO_SLAVE_KIND } else { IFLA_INFO_KIND };
    let link = Attributes::new(bytes).find(|sibling| sibling.kind == word);
    let link = link.map(Attribute::text_bytes).unwrap_or_default();
    let inside = inside(names, attribute.kind, link);
    if start == offset {
        return Some(Place { path, inside: inside.map(|(names, _)| names) });
    }
    let inner = inside.and_then(|(names, header)| {
        let offset = offset.checked_sub(start + 4 + header)?;
        place_at(names, attribute.payload.get(header..)?, offset)
    });
    Some(match inner {
        Some(inner) => Place { path: format!("{path}/{}", inner.path), inside: inner.inside },
        None => Place { path, inside: None },
    })
}

fn named(names: Names, kind: u16) -> String {
    name_of(names, kind).map_or_else(|| format!("attribute {kind}"), str::to_owned)
}

/// Names what is missing in a nest, if that is known.
fn missing_in(nest: Option<Place>, kind: u16) -> String {
    match nest {
        Some(Place { path, inside: Some(names) }) => format!("{path}/{}", named(names, kind)),
        Some(Place { path, inside: None }) => format!("attribute {kind} of {path}"),
        None => format!("attribute {kind} of a nest"),
    }
}

/// Puts what an attribute may hold into words.
fn policy(attributes: Attributes<'_>) -> Option<String> {
    let (mut least, mut most) = (None, None);
    let (mut shortest, mut longest) = (None, None);
    for attribute in attributes {
        match attribute.kind {
            NL_POLICY_TYPE_ATTR_MIN_VALUE_U => least = attribute.u64().map(i128::from),
            NL_POLICY_TYPE_ATTR_MAX_VALUE_U => most = attribute.u64().map(i128::from),
            NL_POLICY_TYPE_ATTR_MIN_VALUE_S => least = attribute.u64().map(|n| i128::from(n as i64)),
            NL_POLICY_TYPE_ATTR_MAX_VALUE_S => most = attribute.u64().map(|n| i128::from(n as i64)),
            NL_POLICY_TYPE_ATTR_MIN_LENGTH => shortest = attribute.u32(),
            NL_POLICY_TYPE_ATTR_MAX_LENGTH => longest = attribute.u32(),
            _ => {}
        }
    }
    match (least, most, shortest, longest) {
        (Some(least), Some(most), ..) => Some(format!("{least} to {most}")),
        (.., Some(shortest), Some(longest)) => Some(format!("{shortest} to {longest} bytes")),
        (.., Some(shortest), None) => Some(format!("at least {shortest} bytes")),
        (.., None, Some(longest)) => Some(format!("at most {longest} bytes")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::numbers::{
        IFLA, IFLA_IFNAME, IFLA_INFO_DATA, IFLA_LINKINFO, IFLA_MTU, NLMSG_DONE, RTM_GETROUTE, RTM_NEWLINK,
        VETH_INFO_PEER,
    };
    use super::*;
    use crate::wire::Request;

    /// The TLVs of an answer, written by the request writer: the framing is the same.
    fn tlvs(fill: impl FnOnce(&mut Request)) -> Vec<u8> {
        let mut request = Request::new(0, 0, &[]);
        fill(&mut request);
        request.sent()[HEADER..].to_vec()
    }

    fn answer(kind: u16, flags: u16, payload: &[u8]) -> Message<'_> {
        Message { kind, flags, sequence: 1, payload }
    }

    fn veth() -> Vec<u8> {
        let mut request = Request::new(RTM_NEWLINK, 0, &[0; 16]);
        request.text(IFLA_IFNAME, "v0");
        request.nest(IFLA_LINKINFO, |request| {
            request.text(IFLA_INFO_KIND, "veth");
            request.nest(IFLA_INFO_DATA, |request| {
                request.nest(VETH_INFO_PEER, |request| {
                    request.header(&[0; 16]);
                    request.u32(IFLA_MTU, 7);
                });
            });
        });
        request.finish(1).unwrap().to_vec()
    }

    #[test]
    fn the_attribute_is_named_from_its_offset_through_every_nest() {
        let request = veth();
        let attributes = &request[32..];
        let mut paths: Vec<_> = (0..attributes.len())
            .filter_map(|offset| Some(place_at(IFLA, attributes, offset)?.path))
            .collect();
        paths.dedup();
        paths.retain(|path| path != "IFLA_LINKINFO" && path != "IFLA_LINKINFO/IFLA_INFO_DATA");
        assert_eq!(
            paths,
            [
                "IFLA_IFNAME",
                "IFLA_LINKINFO/IFLA_INFO_KIND",
                "IFLA_LINKINFO/IFLA_INFO_DATA/VETH_INFO_PEER",
                "IFLA_LINKINFO/IFLA_INFO_DATA/VETH_INFO_PEER/IFLA_MTU"
            ]
        );
    }

    #[test]
    fn an_error_tells_text_attribute_and_policy() {
        let said = tlvs(|answer| {
            answer.text(NLMSGERR_ATTR_MSG, "Attribute failed policy validation");
            answer.u32(NLMSGERR_ATTR_OFFS, 32);
            answer.nest(NLMSGERR_ATTR_POLICY, |answer| answer.u32(NL_POLICY_TYPE_ATTR_MAX_LENGTH, 15));
        });
        let payload = [&(-34_i32).to_ne_bytes()[..], &[0; 16], &said].concat();
        let message = answer(NLMSG_ERROR, NLM_F_ACK_TLVS | NLM_F_CAPPED, &payload);
        let refusal = Refusal::check(&message, &veth()).unwrap_err();
        assert_eq!(refusal.errno, 34);
        assert_eq!(refusal.text.as_deref(), Some("Attribute failed policy validation"));
        assert_eq!(refusal.attribute.as_deref(), Some("IFLA_IFNAME"));
        assert_eq!(refusal.policy.as_deref(), Some("at most 15 bytes"));
    }

    #[test]
    fn an_error_that_repeats_the_request_is_read_behind_it() {
        let request = veth();
        let said = tlvs(|answer| answer.u32(NLMSGERR_ATTR_MISS_TYPE, u32::from(IFLA_MTU)));
        let payload = [&(-22_i32).to_ne_bytes()[..], &request, &said].concat();
        let refusal = Refusal::check(&answer(NLMSG_ERROR, NLM_F_ACK_TLVS, &payload), &request).unwrap_err();
        assert_eq!(refusal.missing.as_deref(), Some("IFLA_MTU"));
    }

    #[test]
    fn what_is_missing_in_a_nest_is_named() {
        let request = veth();
        let offset = |wanted: &str| {
            let mut all = (0..request.len()).filter(|offset| {
                place_at(IFLA, &request[32..], *offset).is_some_and(|place| place.path == wanted)
            });
            32 + all.next().unwrap()
        };
        for (nest, named) in [
            ("IFLA_LINKINFO", "IFLA_LINKINFO/IFLA_INFO_KIND"),
            (
                "IFLA_LINKINFO/IFLA_INFO_DATA/VETH_INFO_PEER",
                "IFLA_LINKINFO/IFLA_INFO_DATA/VETH_INFO_PEER/IFLA_ADDRESS",
            ),
            ("IFLA_IFNAME", "attribute 1 of IFLA_IFNAME"),
        ] {
            let said = tlvs(|answer| {
                answer.u32(NLMSGERR_ATTR_MISS_TYPE, 1);
                answer.u32(NLMSGERR_ATTR_MISS_NEST, offset(nest) as u32);
            });
            let payload = [&(-22_i32).to_ne_bytes()[..], &request, &said].concat();
            let refusal =
                Refusal::check(&answer(NLMSG_ERROR, NLM_F_ACK_TLVS, &payload), &request).unwrap_err();
            assert_eq!(refusal.missing.as_deref(), Some(named));
        }
    }

    /// A dump that failed reports so in its end; libraries that drop the end return an empty list.
    #[test]
    fn the_end_of_a_dump_can_be_an_error_with_a_text() {
        let request = Request::new(RTM_GETROUTE, 0, &[0; 12]);
        let said = tlvs(|answer| answer.text(NLMSGERR_ATTR_MSG, "ipv4: FIB table does not exist"));
        let payload = [&(-2_i32).to_ne_bytes()[..], &said].concat();
        let refusal =
            Refusal::check(&answer(NLMSG_DONE, NLM_F_ACK_TLVS, &payload), request.sent()).unwrap_err();
        assert_eq!((refusal.errno, refusal.text.as_deref()), (2, Some("ipv4: FIB table does not exist")));
    }

    #[test]
    fn bytes_of_no_sense_are_an_errno_and_no_panic() {
        let payload = [&(-22_i32).to_ne_bytes()[..], &[0xff; 40]].concat();
        for flags in [0, NLM_F_ACK_TLVS, NLM_F_ACK_TLVS | NLM_F_CAPPED] {
            for kind in [NLMSG_ERROR, NLMSG_DONE] {
                for length in 4..payload.len() {
                    let refusal = Refusal::check(&answer(kind, flags, &payload[..length]), &[]).unwrap_err();
                    assert_eq!(refusal.errno, 22);
                }
            }
        }
    }

    #[test]
    fn limits_are_put_into_words() {
        let words = |least: u16, most: u16| {
            let tlvs = tlvs(|answer| {
                answer.bytes(least, &68_u64.to_ne_bytes());
                answer.bytes(most, &65535_u64.to_ne_bytes());
            });
            policy(Attributes::new(&tlvs))
        };
        let unsigned = words(NL_POLICY_TYPE_ATTR_MIN_VALUE_U, NL_POLICY_TYPE_ATTR_MAX_VALUE_U);
        assert_eq!(unsigned.as_deref(), Some("68 to 65535"));
        assert_eq!(words(NL_POLICY_TYPE_ATTR_MIN_VALUE_S, NL_POLICY_TYPE_ATTR_MAX_VALUE_S), unsigned);
        assert_eq!(words(99, 98), None);
    }
}

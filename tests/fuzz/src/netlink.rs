//! Addresses as text, and the kernel's messages.

use netlink::{IpNet, MacAddress};

use crate::Target;
use crate::laws::one_line;
#[cfg(fuzzing)]
use crate::netlink_wire as wire;

/// Stands for the targets that only the fuzz build can reach: the decoders are private.
#[cfg(not(fuzzing))]
mod wire {
    pub(crate) const OBJECT: Option<fn(&[u8])> = None;
    pub(crate) const ANSWER: Option<fn(&[u8])> = None;
    pub(crate) const TOLD: Option<fn(&[u8])> = None;
}

pub(crate) fn targets() -> Vec<Target> {
    vec![
        Target {
            name: "netlink-text",
            feeds: "an address with prefix, a MAC address: printed and parsed again, a network holds its own",
            run: Some(text),
            seeds: || {
                [
                    "10.0.41.1/16",
                    "fd00::1:2/112",
                    "0.0.0.0/0",
                    "::ffff:1.2.3.4/128",
                    "02:42:0a:00:29:ff",
                    "10.0.0.1/+8",
                ]
                .map(|text| text.as_bytes().to_vec())
                .to_vec()
            },
        },
        Target {
            name: "netlink-object",
            feeds: "the payload of a link's, an address's or a route's message: written and read again",
            run: wire::OBJECT,
            seeds: objects,
        },
        Target {
            name: "netlink-answer",
            feeds: "a number that chooses the request, then datagrams: no more objects than bytes, one line for a refusal",
            run: wire::ANSWER,
            seeds: answers,
        },
        Target {
            name: "netlink-told",
            feeds: "a message's type and payload, read as an event, as sockets and as a generic family",
            run: wire::TOLD,
            seeds: told,
        },
    ]
}

fn text(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    match text.parse::<IpNet>() {
        Ok(net) => {
            assert_eq!(net.to_string().parse::<IpNet>().ok(), Some(net));
            let network = net.network();
            assert_eq!(network.network(), network);
            assert!(net.contains(net.address()) && network.contains(net.address()));
            assert!(net.broadcast().is_none_or(|last| net.contains(last.into())));
            assert_eq!(IpNet::new(net.address(), net.prefix_len()).ok(), Some(net));
        }
        Err(error) => one_line(error),
    }
    match text.parse::<MacAddress>() {
        Ok(mac) => assert_eq!(mac.to_string(), text.to_ascii_lowercase()),
        Err(error) => one_line(error),
    }
}

fn attribute(kind: u16, payload: &[u8]) -> Vec<u8> {
    let length = 4 + payload.len();
    let mut bytes = [&(length as u16).to_ne_bytes()[..], &kind.to_ne_bytes(), payload].concat();
    bytes.resize(length.next_multiple_of(4), 0);
    bytes
}

/// The number of an attribute that holds others.
fn nested(kind: u16) -> u16 {
    kind | 0x8000
}

/// A link with its kind and alternative names, two addresses, routes by one way and by two.
fn objects() -> Vec<Vec<u8>> {
    let info = attribute(nested(18), &attribute(1, b"veth\0"));
    let names = attribute(nested(52), &attribute(53, b"another\0"));
    let link = [
        &[0, 0, 1, 0, 7, 0, 0, 0, 0x43, 0x10, 1, 0, 0, 0, 0, 0][..],
        &attribute(3, b"eth0\0"),
        &attribute(4, &1500_u32.to_ne_bytes()),
        &attribute(1, &[2, 0x42, 10, 0, 41, 1]),
        &attribute(5, &3_u32.to_ne_bytes()),
        &attribute(16, &[6]),
        &attribute(37, &(-1_i32).to_ne_bytes()),
        &info,
        &names,
    ];
    let v4 =
        [&[2, 16, 0x80, 0, 7, 0, 0, 0][..], &attribute(2, &[10, 0, 41, 1]), &attribute(1, &[10, 0, 41, 2])];
    let v6 = [
        &[10, 64, 0x80, 253, 7, 0, 0, 0][..],
        &attribute(1, &[0xfe; 16]),
        &attribute(8, &0x80_u32.to_ne_bytes()),
    ];
    let route = [
        &[2, 16, 0, 0, 254, 3, 0, 1, 0, 0, 0, 0][..],
        &attribute(1, &[10, 1, 0, 0]),
        &attribute(5, &[10, 0, 41, 1]),
        &attribute(4, &7_u32.to_ne_bytes()),
        &attribute(6, &100_u32.to_ne_bytes()),
        &attribute(15, &1000_u32.to_ne_bytes()),
    ];
    let hop = [&[16, 0, 0, 1, 7, 0, 0, 0][..], &attribute(5, &[10, 0, 41, 1])].concat();
    let via = [&10_u16.to_ne_bytes()[..], &[0xfe; 16]].concat();
    let hops = attribute(nested(9), &[hop.clone(), hop].concat());
    let many = [&[2, 0, 0, 0, 254, 3, 0, 1, 0, 0, 0, 0][..], &hops, &attribute(18, &via)];
    vec![link.concat(), v4.concat(), v6.concat(), route.concat(), many.concat()]
}

fn message(kind: u16, flags: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = (16 + payload.len() as u32).to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend(7_u32.to_ne_bytes());
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// Objects as events; a TCP socket, a unix socket, a family.
fn told() -> Vec<Vec<u8>> {
    let typed = |kind: u16, payload: &[u8]| [&kind.to_ne_bytes()[..], payload].concat();
    let events = objects().into_iter().zip([16, 20, 21, 24, 25]).map(|(object, kind)| typed(kind, &object));
    let tcp = [
        &[2, 10][..],
        &[0; 70],
        &attribute(2, &[0; 232]),
        &attribute(4, b"cubic\0"),
        &attribute(21, &[1; 8]),
    ];
    let unix = [&[1, 1, 10][..], &[0; 13], &attribute(0, b"\0name"), &attribute(4, &[1; 8])];
    let group = [attribute(1, b"peers\0"), attribute(2, &9_u32.to_ne_bytes())].concat();
    let groups = attribute(nested(7), &attribute(nested(1), &group));
    let family =
        [&[1, 2, 0, 0][..], &attribute(1, &28_u16.to_ne_bytes()), &attribute(2, b"wireguard\0"), &groups];
    let others = [typed(20, &tcp.concat()), typed(20, &unix.concat()), typed(16, &family.concat())];
    events.chain(others).collect()
}

/// Dumps with their end, an acknowledgement, refusals with text, offset, policy and what is missing.
fn answers() -> Vec<Vec<u8>> {
    let done = message(3, 2, &[0; 4]);
    let mut seeds: Vec<_> = objects()
        .iter()
        .zip([16, 20, 20, 24, 24])
        .map(|(object, kind)| [&[2], &message(kind, 2, object)[..], &done].concat())
        .collect();
    let refused = (-34_i32).to_ne_bytes();
    let said = [
        attribute(1, b"Attribute failed policy validation\0"),
        attribute(2, &32_u32.to_ne_bytes()),
        attribute(
            4 | 0x8000,
            &[attribute(1, &2_u32.to_ne_bytes()), attribute(7, &15_u32.to_ne_bytes())].concat(),
        ),
        attribute(5, &3_u32.to_ne_bytes()),
        attribute(6, &0_u32.to_ne_bytes()),
    ]
    .concat();
    seeds.push([&[0], &message(2, 0, &[0; 20])[..]].concat());
    seeds.push([&[0], &message(2, 0x300, &[&refused[..], &[0; 16], &said].concat())[..]].concat());
    seeds.push([&[2], &message(3, 0x202, &[&refused[..], &said].concat())[..]].concat());
    seeds
}

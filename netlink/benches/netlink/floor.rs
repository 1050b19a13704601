//! The floor: what a careful program writes that needs only this, for this machine.
//!
//! One socket and two buffers that are used again. It checks the sequence number and the errno of an answer, explains
//! no error and knows every index beforehand. Of a route and a neighbour it keeps all that ours has, of a link what most
//! programs ask for.

use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsRawFd, RawFd};

use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use nix::sys::socket::{MsgFlags, recv, send};

const ACK: u16 = 4;
const DUMP: u16 = 0x300;
const CREATE_EXCL: u16 = 0x600;
const ECHO: u16 = 8;
const IFF_UP: u32 = 1;

pub(crate) struct Floor {
    socket: Socket,
    sequence: u32,
    out: Vec<u8>,
    start: usize,
    buffer: Vec<u8>,
}

/// What is kept of a link.
#[derive(Default)]
#[allow(dead_code, reason = "nobody looks at all of it")]
pub(crate) struct FloorLink {
    pub(crate) index: u32,
    pub(crate) flags: u32,
    pub(crate) name: String,
    pub(crate) kind: Option<String>,
    pub(crate) qdisc: Option<String>,
    pub(crate) mac: Option<[u8; 6]>,
    pub(crate) mtu: u32,
    pub(crate) master: u32,
    pub(crate) peer: u32,
    pub(crate) queue_len: u32,
    pub(crate) group: u32,
    pub(crate) oper_state: u8,
}

/// What is kept of a route.
#[derive(Default)]
#[allow(dead_code, reason = "nobody looks at all of it")]
pub(crate) struct FloorRoute {
    pub(crate) destination: Option<IpAddr>,
    pub(crate) prefix_len: u8,
    pub(crate) gateway: Option<IpAddr>,
    pub(crate) source: Option<IpAddr>,
    pub(crate) from: Option<IpAddr>,
    pub(crate) from_len: u8,
    pub(crate) tos: u8,
    pub(crate) device: Option<u32>,
    pub(crate) input: Option<u32>,
    pub(crate) metric: Option<u32>,
    pub(crate) realms: Option<u32>,
    pub(crate) nexthop: Option<u32>,
    pub(crate) expires: Option<u32>,
    pub(crate) preference: Option<u8>,
    pub(crate) table: u32,
    pub(crate) flags: u32,
    pub(crate) protocol: u8,
    pub(crate) scope: u8,
    pub(crate) kind: u8,
    /// What is rare, as it came.
    pub(crate) hops: Vec<u8>,
    pub(crate) metrics: Option<Box<[u8]>>,
    pub(crate) encap: Option<Box<[u8]>>,
}

/// What is kept of a neighbour.
#[derive(Default)]
#[allow(dead_code, reason = "nobody looks at all of it")]
pub(crate) struct FloorNeighbour {
    pub(crate) index: u32,
    pub(crate) state: u16,
    pub(crate) flags: u8,
    pub(crate) more_flags: u32,
    pub(crate) address: Option<IpAddr>,
    pub(crate) mac: Option<[u8; 6]>,
    pub(crate) protocol: Option<u8>,
    pub(crate) probes: Option<u32>,
    pub(crate) times: Option<[u32; 4]>,
}

fn u16_of(bytes: &[u8], at: usize) -> u16 {
    u16::from_ne_bytes([bytes[at], bytes[at + 1]])
}

fn u32_of(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn attributes(mut rest: &[u8], mut each: impl FnMut(u16, &[u8])) {
    while rest.len() >= 4 {
        let length = usize::from(u16_of(rest, 0));
        each(u16_of(rest, 2) & 0x3fff, &rest[4..length]);
        rest = rest.get((length + 3) & !3..).unwrap_or_default();
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.strip_suffix(&[0]).unwrap_or(bytes)).into_owned()
}

fn ip(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        _ => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
    }
}

pub(crate) fn read_link(payload: &[u8]) -> FloorLink {
    let mut link = FloorLink { index: u32_of(payload, 4), flags: u32_of(payload, 8), ..FloorLink::default() };
    attributes(&payload[16..], |kind, value| match kind {
        1 => link.mac = value.try_into().ok(),
        3 => link.name = text(value),
        4 => link.mtu = u32_of(value, 0),
        5 => link.peer = u32_of(value, 0),
        6 => link.qdisc = Some(text(value)),
        10 => link.master = u32_of(value, 0),
        13 => link.queue_len = u32_of(value, 0),
        16 => link.oper_state = value[0],
        18 => attributes(value, |kind, value| {
            if kind == 1 {
                link.kind = Some(text(value));
            }
        }),
        27 => link.group = u32_of(value, 0),
        _ => {}
    });
    link
}

pub(crate) fn read_route(payload: &[u8]) -> FloorRoute {
    let mut route = FloorRoute {
        prefix_len: payload[1],
        from_len: payload[2],
        tos: payload[3],
        flags: u32_of(payload, 8),
        table: u32::from(payload[4]),
        protocol: payload[5],
        scope: payload[6],
        kind: payload[7],
        ..FloorRoute::default()
    };
    attributes(&payload[12..], |kind, value| match kind {
        1 => route.destination = ip(value),
        2 => route.from = ip(value),
        3 => route.input = Some(u32_of(value, 0)),
        4 => route.device = Some(u32_of(value, 0)),
        5 => route.gateway = ip(value),
        6 => route.metric = Some(u32_of(value, 0)),
        7 => route.source = ip(value),
        8 => route.metrics = Some(value.into()),
        9 => route.hops = value.to_vec(),
        11 => route.realms = Some(u32_of(value, 0)),
        12 => route.expires = Some(u32_of(value, 8)),
        18 => route.gateway = ip(&value[2..]),
        20 => route.preference = Some(value[0]),
        22 => route.encap = Some(value.into()),
        30 => route.nexthop = Some(u32_of(value, 0)),
        15 => route.table = u32_of(value, 0),
        _ => {}
    });
    route
}

pub(crate) fn read_neighbour(payload: &[u8]) -> FloorNeighbour {
    let mut neighbour = FloorNeighbour {
        index: u32_of(payload, 4),
        state: u16_of(payload, 8),
        flags: payload[10],
        ..FloorNeighbour::default()
    };
    attributes(&payload[12..], |kind, value| match kind {
        1 => neighbour.address = ip(value),
        2 => neighbour.mac = value.try_into().ok(),
        3 => neighbour.times = Some([0, 4, 8, 12].map(|at| u32_of(value, at))),
        4 => neighbour.probes = Some(u32_of(value, 0)),
        12 => neighbour.protocol = Some(value[0]),
        15 => neighbour.more_flags = u32_of(value, 0),
        _ => {}
    });
    neighbour
}

impl Floor {
    pub(crate) fn open() -> Floor {
        let mut socket = Socket::new(NETLINK_ROUTE).unwrap();
        socket.bind(&SocketAddr::new(0, 0)).unwrap();
        socket.set_cap_ack(true).unwrap();
        socket.set_netlink_get_strict_chk(true).unwrap();
        Floor { socket, sequence: 0, out: Vec::with_capacity(65536), start: 0, buffer: vec![0; 65536] }
    }

    fn begin(&mut self, kind: u16, flags: u16, header: &[u8]) {
        self.sequence += 1;
        self.start = self.out.len();
        self.out.extend_from_slice(&[0; 4]);
        self.out.extend_from_slice(&kind.to_ne_bytes());
        self.out.extend_from_slice(&(flags | 1).to_ne_bytes());
        self.out.extend_from_slice(&self.sequence.to_ne_bytes());
        self.out.extend_from_slice(&[0; 4]);
        self.out.extend_from_slice(header);
    }

    fn attribute(&mut self, kind: u16, value: &[u8]) {
        self.out.extend_from_slice(&(value.len() as u16 + 4).to_ne_bytes());
        self.out.extend_from_slice(&kind.to_ne_bytes());
        self.out.extend_from_slice(value);
        self.out.resize((self.out.len() + 3) & !3, 0);
    }

    fn number(&mut self, kind: u16, value: u32) {
        self.attribute(kind, &value.to_ne_bytes());
    }

    fn open_nest(&mut self, kind: u16) -> usize {
        self.attribute(kind | 0x8000, &[]);
        self.out.len() - 4
    }

    fn close_nest(&mut self, start: usize) {
        let length = (self.out.len() - start) as u16;
        self.out[start..start + 2].copy_from_slice(&length.to_ne_bytes());
    }

    fn end(&mut self) {
        let length = (self.out.len() - self.start) as u32;
        self.out[self.start..self.start + 4].copy_from_slice(&length.to_ne_bytes());
    }

    fn send(&mut self) {
        send(self.socket.as_raw_fd(), &self.out, MsgFlags::empty()).unwrap();
        self.out.clear();
    }

    /// Sends what was written, and reads until the last request's acknowledgement; the objects on the way are given.
    fn settle(&mut self, mut each: impl FnMut(&[u8])) {
        self.send();
        loop {
            let length = recv(self.socket.as_raw_fd(), &mut self.buffer, MsgFlags::MSG_TRUNC).unwrap();
            let mut rest = &self.buffer[..length];
            while rest.len() >= 16 {
                let length = u32_of(rest, 0) as usize;
                if u16_of(rest, 4) == 2 {
                    assert_eq!(u32_of(rest, 16), 0, "it failed");
                    if u32_of(rest, 8) == self.sequence {
                        return;
                    }
                } else {
                    each(&rest[16..length]);
                }
                rest = rest.get((length + 3) & !3..).unwrap_or_default();
            }
        }
    }

    fn walk(&mut self, mut each: impl FnMut(&[u8])) {
        self.send();
        loop {
            let length = recv(self.socket.as_raw_fd(), &mut self.buffer, MsgFlags::MSG_TRUNC).unwrap();
            let mut rest = &self.buffer[..length];
            while rest.len() >= 16 {
                let length = u32_of(rest, 0) as usize;
                assert_eq!(u32_of(rest, 8), self.sequence);
                assert_eq!(u16_of(rest, 6) & 0x10, 0, "the dump was interrupted");
                match u16_of(rest, 4) {
                    2 => panic!("it failed"),
                    3 => return assert_eq!(u32_of(rest, 16), 0, "it failed"),
                    _ => each(&rest[16..length]),
                }
                rest = rest.get((length + 3) & !3..).unwrap_or_default();
            }
        }
    }

    pub(crate) fn link(&mut self, name: &str) -> FloorLink {
        self.begin(18, 0, &[0; 16]);
        let mut bytes = [0; 16];
        bytes[..name.len()].copy_from_slice(name.as_bytes());
        self.attribute(3, &bytes[..=name.len()]);
        self.number(29, 8);
        self.end();
        self.send();
        let length = recv(self.socket.as_raw_fd(), &mut self.buffer, MsgFlags::MSG_TRUNC).unwrap();
        assert_eq!((u16_of(&self.buffer, 4), u32_of(&self.buffer, 8)), (16, self.sequence));
        read_link(&self.buffer[16..length])
    }

    pub(crate) fn address(&mut self, add: bool, index: u32, address: Ipv4Addr, prefix_len: u8) {
        let (kind, flags) = if add { (20, ACK | CREATE_EXCL) } else { (21, ACK) };
        self.write_address(kind, flags, index, address, prefix_len);
        self.settle(|_| {});
    }

    fn write_address(&mut self, kind: u16, flags: u16, index: u32, address: Ipv4Addr, prefix_len: u8) {
        let mut header = [2, prefix_len, 0, 0, 0, 0, 0, 0];
        header[4..].copy_from_slice(&index.to_ne_bytes());
        self.begin(kind, flags, &header);
        self.attribute(2, &address.octets());
        self.attribute(1, &address.octets());
        self.end();
    }

    pub(crate) fn route(&mut self, add: bool, index: u32, to: Ipv4Addr) {
        self.write_route(add, ACK, index, to);
        self.settle(|_| {});
    }

    fn write_route(&mut self, add: bool, flags: u16, index: u32, to: Ipv4Addr) {
        let header = [2, 24, 0, 0, 254, if add { 3 } else { 0 }, if add { 253 } else { 255 }, 1, 0, 0, 0, 0];
        self.begin(if add { 24 } else { 25 }, flags | if add { CREATE_EXCL } else { 0 }, &header);
        self.attribute(1, &to.octets());
        self.number(4, index);
        self.end();
    }

    /// In as few calls as the answers' room allows, with an acknowledgement of the last of each.
    pub(crate) fn routes(&mut self, add: bool, index: u32, to: &[Ipv4Addr]) {
        for part in to.chunks(64) {
            for (at, to) in part.iter().enumerate() {
                self.write_route(add, if at + 1 == part.len() { ACK } else { 0 }, index, *to);
            }
            self.settle(|_| {});
        }
    }

    pub(crate) fn mtu(&mut self, index: u32, mtu: u32) {
        let mut header = [0; 16];
        header[4..8].copy_from_slice(&index.to_ne_bytes());
        self.begin(19, ACK, &header);
        self.number(4, mtu);
        self.end();
        self.settle(|_| {});
    }

    /// A veth pair, whose first end has this index, is made and deleted.
    pub(crate) fn pair(&mut self, index: u32) {
        let mut header = [0; 16];
        header[4..8].copy_from_slice(&index.to_ne_bytes());
        self.begin(16, ACK | CREATE_EXCL, &header);
        self.attribute(3, b"p0\0");
        let info = self.open_nest(18);
        self.attribute(1, b"veth");
        let data = self.open_nest(2);
        let peer = self.open_nest(1);
        self.out.extend_from_slice(&[0; 16]);
        self.attribute(3, b"p1\0");
        self.close_nest(peer);
        self.close_nest(data);
        self.close_nest(info);
        self.end();
        self.settle(|_| {});
        self.begin(17, ACK, &header);
        self.end();
        self.settle(|_| {});
    }

    pub(crate) fn links(&mut self, mut each: impl FnMut(FloorLink)) {
        self.begin(18, DUMP, &[0; 16]);
        self.number(29, 8);
        self.end();
        self.walk(|payload| each(read_link(payload)));
    }

    pub(crate) fn list_routes(&mut self, mut each: impl FnMut(FloorRoute)) {
        self.begin(26, DUMP, &[2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        self.end();
        self.walk(|payload| each(read_route(payload)));
    }

    pub(crate) fn neighbours(&mut self, mut each: impl FnMut(FloorNeighbour)) {
        self.begin(30, DUMP, &[2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        self.end();
        self.walk(|payload| each(read_neighbour(payload)));
    }

    /// A veth pair of which one end is a port of the bridge and up, and the other is `eth0` in a namespace: its index.
    pub(crate) fn veth_into(&mut self, name: &str, bridge: u32, mtu: u32, netns: RawFd) -> u32 {
        let mut header = [0; 16];
        header[8..12].copy_from_slice(&IFF_UP.to_ne_bytes());
        header[12..16].copy_from_slice(&IFF_UP.to_ne_bytes());
        self.begin(16, ACK | CREATE_EXCL | ECHO, &header);
        self.attribute(3, &[name.as_bytes(), &[0]].concat());
        self.number(4, mtu);
        self.number(10, bridge);
        let info = self.open_nest(18);
        self.attribute(1, b"veth");
        let data = self.open_nest(2);
        let peer = self.open_nest(1);
        self.out.extend_from_slice(&[0; 16]);
        self.attribute(3, b"eth0\0");
        self.number(4, mtu);
        self.number(28, netns as u32);
        self.close_nest(peer);
        self.close_nest(data);
        self.close_nest(info);
        self.end();
        let mut index = 0;
        self.settle(|payload| {
            let link = read_link(payload);
            if link.name == name {
                index = link.peer;
            }
        });
        index
    }

    /// The address, the link up, the default route: in one.
    pub(crate) fn inside(&mut self, index: u32, address: Ipv4Addr, gateway: Ipv4Addr) {
        self.write_address(20, CREATE_EXCL, index, address, 16);
        let mut header = [0; 16];
        header[4..8].copy_from_slice(&index.to_ne_bytes());
        header[8..12].copy_from_slice(&IFF_UP.to_ne_bytes());
        header[12..16].copy_from_slice(&IFF_UP.to_ne_bytes());
        self.begin(19, 0, &header);
        self.end();
        self.begin(24, ACK | CREATE_EXCL, &[2, 0, 0, 0, 254, 3, 0, 1, 0, 0, 0, 0]);
        self.attribute(5, &gateway.octets());
        self.number(4, index);
        self.end();
        self.settle(|_| {});
    }
}

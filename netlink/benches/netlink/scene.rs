//! What is measured, done by each contestant.

use std::fs::File;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::AsRawFd;
use std::sync::Arc;

use netlink::{
    Bridge, Handle, IpNet, LinkChange, LinkFilter, Neighbour, NeighbourFilter, Netns, Route, RouteFilter,
    Veth,
};
use nix::sched::{CloneFlags, setns};

use crate::floor::Floor;
use crate::others::Rtnetlink;

/// The link that addresses and routes are given to, which is up.
pub(crate) const LINK: &str = "v0";
const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 1);
const TO: Ipv4Addr = Ipv4Addr::new(10, 2, 3, 0);
const INSIDE: Ipv4Addr = Ipv4Addr::new(10, 9, 1, 2);
const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
pub(crate) const LINKS: usize = 2000;
pub(crate) const ROUTES: usize = 100_000;
pub(crate) const NEIGHBOURS: usize = 10_000;

/// The floor, ours, and others, in this order.
pub(crate) type Contestants = Vec<(&'static str, Box<dyn FnMut()>)>;

fn index() -> u32 {
    Handle::open().unwrap().link(LINK).unwrap().index
}

/// The links that all need.
pub(crate) fn prepare() {
    let mut handle = Handle::open().unwrap();
    handle.set_up("lo").unwrap();
    handle.add_veth(&Veth::new(LINK).peer("v1").up()).unwrap();
    handle.set_up("v1").unwrap();
    handle.add_address(LINK, &"10.0.0.1/24".parse().unwrap()).unwrap();
    let bridge = handle.add_link(&Bridge::new("br0").random_mac().up()).unwrap();
    handle.add_address(&bridge, &"10.9.0.1/16".parse().unwrap()).unwrap();
}

/// Some thousand links: pairs that nobody uses.
pub(crate) fn many_links() {
    let mut handle = Handle::open().unwrap();
    let mut batch = handle.batch();
    for number in 0..LINKS / 2 {
        batch.add_link(&Veth::new(format!("a{number}")).peer(format!("b{number}")));
    }
    batch.send().into_iter().for_each(|result| result.unwrap());
}

pub(crate) fn many_routes() {
    let mut handle = Handle::open().unwrap();
    let device = index();
    for part in 0..ROUTES / 1000 {
        let mut batch = handle.batch();
        for number in part * 1000..(part + 1) * 1000 {
            batch.add_route(&Route::to(network(0x0b00_0000, number)).dev(device));
        }
        batch.send().into_iter().for_each(|result| result.unwrap());
    }
}

pub(crate) fn many_neighbours() {
    let mut handle = Handle::open().unwrap();
    let mut batch = handle.batch();
    for number in 0..NEIGHBOURS {
        let address = Ipv4Addr::from(0x0a00_0000 + 0x1_0000 + number as u32);
        batch.add_neighbour(LINK, &Neighbour::new(address.into()).mac([2, 0, 0, 0, 0, 1]));
    }
    batch.send().into_iter().for_each(|result| result.unwrap());
}

fn network(base: u32, number: usize) -> IpNet {
    IpNet::new(Ipv4Addr::from(base + ((number as u32) << 8)).into(), 24).unwrap()
}

pub(crate) fn find_a_link() -> Contestants {
    let (mut floor, mut ours, mut rt) = (Floor::open(), Handle::open().unwrap(), Rtnetlink::open());
    vec![
        ("floor", Box::new(move || drop(black_box(floor.link(LINK))))),
        ("ours", Box::new(move || drop(black_box(ours.link(LINK).unwrap())))),
        ("rtnetlink", Box::new(move || rt.link(LINK))),
    ]
}

pub(crate) fn address() -> Contestants {
    let (mut floor, mut ours, mut rt) = (Floor::open(), Handle::open().unwrap(), Rtnetlink::open());
    let index = index();
    let address = IpNet::new(ADDRESS.into(), 24).unwrap();
    vec![
        (
            "floor",
            Box::new(move || {
                floor.address(true, index, ADDRESS, 24);
                floor.address(false, index, ADDRESS, 24);
            }),
        ),
        (
            "ours",
            Box::new(move || {
                ours.add_address(index, &address.into()).unwrap();
                ours.delete_address(index, &address.into()).unwrap();
            }),
        ),
        ("rtnetlink", Box::new(move || rt.address(index, ADDRESS))),
    ]
}

pub(crate) fn route() -> Contestants {
    let (mut floor, mut ours, mut rt) = (Floor::open(), Handle::open().unwrap(), Rtnetlink::open());
    let index = index();
    vec![
        (
            "floor",
            Box::new(move || {
                floor.route(true, index, TO);
                floor.route(false, index, TO);
            }),
        ),
        (
            "ours",
            Box::new(move || {
                let route = Route::to(IpNet::new(TO.into(), 24).unwrap()).dev(index);
                ours.add_route(&route).unwrap();
                ours.delete_route(&route).unwrap();
            }),
        ),
        ("rtnetlink", Box::new(move || rt.routes(index, &[TO]))),
    ]
}

pub(crate) fn mtu() -> Contestants {
    let (mut floor, mut ours, mut rt) = (Floor::open(), Handle::open().unwrap(), Rtnetlink::open());
    let index = index();
    vec![
        ("floor", Box::new(move || floor.mtu(index, 1500))),
        ("ours", Box::new(move || ours.set_mtu(index, 1500).unwrap())),
        ("rtnetlink", Box::new(move || rt.mtu(index, 1500))),
    ]
}

/// A pair of links is made, and deleted.
pub(crate) fn pair() -> Contestants {
    const INDEX: u32 = 70_000;
    let (mut floor, mut ours, mut rt) = (Floor::open(), Handle::open().unwrap(), Rtnetlink::open());
    vec![
        ("floor", Box::new(move || floor.pair(INDEX))),
        (
            "ours",
            Box::new(move || {
                ours.add_veth(&Veth::new("p0").peer("p1").index(INDEX)).unwrap();
                ours.delete_link(INDEX).unwrap();
            }),
        ),
        ("rtnetlink", Box::new(move || rt.pair(INDEX))),
    ]
}

/// A thousand routes are added, and deleted.
pub(crate) fn batch() -> Contestants {
    let (mut floor, mut ours, mut rt) = (Floor::open(), Handle::open().unwrap(), Rtnetlink::open());
    let device = index();
    let all: Arc<[Ipv4Addr]> =
        (0..1000).map(|number| Ipv4Addr::from(0x0c00_0000 + (number << 8))).collect::<Vec<_>>().into();
    let (all_too, all_of_rt) = (Arc::clone(&all), Arc::clone(&all));
    vec![
        (
            "floor",
            Box::new(move || {
                floor.routes(true, device, &all);
                floor.routes(false, device, &all);
            }),
        ),
        (
            "ours",
            Box::new(move || {
                let route = |to: &Ipv4Addr| Route::to(IpNet::new(IpAddr::V4(*to), 24).unwrap()).dev(device);
                let mut batch = ours.batch();
                for to in &*all_too {
                    batch.add_route(&route(to));
                }
                batch.send().into_iter().for_each(|result| result.unwrap());
                let mut batch = ours.batch();
                for to in &*all_too {
                    batch.delete_route(&route(to));
                }
                batch.send().into_iter().for_each(|result| result.unwrap());
            }),
        ),
        ("rtnetlink", Box::new(move || rt.routes(device, &all_of_rt))),
    ]
}

pub(crate) fn list_links() -> Contestants {
    let (mut floor, mut ours, mut rt) = (Floor::open(), Handle::open().unwrap(), Rtnetlink::open());
    vec![
        (
            "floor",
            Box::new(move || {
                let mut count = 0;
                floor.links(|link| count += usize::from(black_box(&link).index > 0));
                assert!(count >= LINKS);
            }),
        ),
        (
            "ours",
            Box::new(move || {
                let mut count = 0;
                for link in ours.dump_links(LinkFilter::default()).unwrap() {
                    count += usize::from(black_box(&link.unwrap()).index > 0);
                }
                assert!(count >= LINKS);
            }),
        ),
        ("rtnetlink", Box::new(move || assert!(rt.links() >= LINKS))),
    ]
}

pub(crate) fn list_routes() -> Contestants {
    let (mut floor, mut ours, mut rt) = (Floor::open(), Handle::open().unwrap(), Rtnetlink::open());
    vec![
        (
            "floor",
            Box::new(move || {
                let mut count = 0;
                floor.list_routes(|route| count += usize::from(black_box(&route).device.is_some()));
                assert!(count >= ROUTES);
            }),
        ),
        (
            "ours",
            Box::new(move || {
                let mut count = 0;
                let mut filter = RouteFilter::default();
                filter.family = Some(netlink::Family::Ipv4);
                for route in ours.dump_routes(filter).unwrap() {
                    count += usize::from(black_box(&route.unwrap()).device.is_some());
                }
                assert!(count >= ROUTES);
            }),
        ),
        ("rtnetlink", Box::new(move || assert!(rt.list_routes() >= ROUTES))),
    ]
}

pub(crate) fn list_neighbours() -> Contestants {
    let (mut floor, mut ours, mut rt) = (Floor::open(), Handle::open().unwrap(), Rtnetlink::open());
    vec![
        (
            "floor",
            Box::new(move || {
                let mut count = 0;
                floor.neighbours(|neighbour| count += usize::from(black_box(&neighbour).index > 0));
                assert!(count >= NEIGHBOURS);
            }),
        ),
        (
            "ours",
            Box::new(move || {
                let mut count = 0;
                let mut filter = NeighbourFilter::default();
                filter.family = Some(netlink::Family::Ipv4);
                for neighbour in ours.dump_neighbours(filter).unwrap() {
                    count += usize::from(black_box(&neighbour.unwrap()).index > 0);
                }
                assert!(count >= NEIGHBOURS);
            }),
        ),
        ("rtnetlink", Box::new(move || assert!(rt.neighbours() >= NEIGHBOURS))),
    ]
}

/// The whole network of one container, in a namespace of its own that is there already.
pub(crate) struct Containers {
    bridge: u32,
    home: File,
    count: usize,
}

impl Containers {
    pub(crate) fn new() -> Containers {
        let bridge = Handle::open().unwrap().link("br0").unwrap().index;
        Containers { bridge, home: File::open("/proc/thread-self/ns/net").unwrap(), count: 0 }
    }

    fn name(&mut self) -> String {
        self.count += 1;
        format!("c{}", self.count)
    }

    /// The thread goes there and back, as a program without others may.
    pub(crate) fn floor(&mut self, host: &mut Floor, netns: &Netns) {
        let name = self.name();
        let index =
            host.veth_into(&name, self.bridge, 1400, AsRawFd::as_raw_fd(&std::os::fd::AsFd::as_fd(netns)));
        setns(netns, CloneFlags::CLONE_NEWNET).unwrap();
        let mut inside = Floor::open();
        setns(&self.home, CloneFlags::CLONE_NEWNET).unwrap();
        inside.inside(index, INSIDE, GATEWAY);
    }

    pub(crate) fn ours(&mut self, host: &mut Handle, netns: &Netns) {
        let veth = Veth::new(self.name()).master(self.bridge).mtu(1400).up();
        let pair = host.add_veth(&veth.peer("eth0").peer_netns_fd(netns)).unwrap();
        let mut inside = Handle::open_in(netns).unwrap();
        let mut batch = inside.batch();
        batch.add_address(pair.peer_index, &IpNet::new(INSIDE.into(), 16).unwrap().into());
        batch.change_link(pair.peer_index, &LinkChange::new().up(true));
        batch.add_route(&Route::default_via(GATEWAY.into()).dev(pair.peer_index));
        batch.send().into_iter().for_each(|result| result.unwrap());
    }

    /// As most do it: the pair is made here, and then one end moves.
    pub(crate) fn moved(&mut self, host: &mut Handle, netns: &Netns) {
        let name = self.name();
        let other = format!("p{name}");
        host.add_veth(&Veth::new(&name).peer(&other)).unwrap();
        host.set_master(&name, self.bridge).unwrap();
        host.set_mtu(&name, 1400).unwrap();
        host.set_up(&name).unwrap();
        host.set_netns_fd(&other, netns).unwrap();
        let mut inside = Handle::open_in(netns).unwrap();
        inside.rename(&other, "eth0").unwrap();
        inside.set_mtu("eth0", 1400).unwrap();
        inside.add_address("eth0", &IpNet::new(INSIDE.into(), 16).unwrap().into()).unwrap();
        inside.set_up("eth0").unwrap();
        inside.add_default_gateway(GATEWAY.into(), "eth0").unwrap();
    }
}

//! This codec against netlink-packet-route: what the one writes the other reads.

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{InfoData, InfoKind, InfoVeth, LinkAttribute, LinkInfo, LinkMessage};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteMessage, RouteNextHop, RouteScope, RouteType, RouteVia,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::numbers::{
    IFLA_ADDRESS, IFLA_IFNAME, IFLA_INFO_DATA, IFLA_INFO_KIND, IFLA_LINKINFO, IFLA_MASTER, IFLA_MTU,
    IFLA_NET_NS_FD, RTM_DELADDR, RTM_NEWADDR, RTM_NEWLINK, RTM_NEWROUTE, VETH_INFO_PEER,
};
use super::{Request, address, link, message, route};
use crate::address::{Address, Scope};
use crate::link::{LinkFlags, OperState};
use crate::route::{NextHop, Route};

/// Reads with their code what ours wrote.
fn theirs(mut request: Request) -> RouteNetlinkMessage {
    let message = NetlinkMessage::deserialize(request.finish(9).unwrap()).unwrap();
    assert_eq!(message.header.sequence_number, 9);
    match message.payload {
        NetlinkPayload::InnerMessage(message) => message,
        other => panic!("{other:?}"),
    }
}

/// A request with what is written into it.
fn request(write: impl FnOnce(&mut Request)) -> Request {
    let mut request = Request::default();
    write(&mut request);
    request
}

/// The payload of what their code writes.
fn payload(inner: RouteNetlinkMessage) -> Vec<u8> {
    let mut message = NetlinkMessage::from(inner);
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    bytes[message::HEADER..].to_vec()
}

#[test]
fn they_read_the_veth_pair_that_we_write() {
    let up = LinkFlags::UP;
    let flags = super::numbers::NLM_F_CREATE | super::numbers::NLM_F_EXCL;
    let mut request = Request::new(RTM_NEWLINK, flags, &link::header(0, up, up));
    request.text(IFLA_IFNAME, "vethab");
    request.u32(IFLA_MTU, 1400);
    request.u32(IFLA_MASTER, 3);
    request.nest(IFLA_LINKINFO, |request| {
        request.text(IFLA_INFO_KIND, "veth");
        request.nest(IFLA_INFO_DATA, |request| {
            request.nest(VETH_INFO_PEER, |request| {
                request.header(&link::header(0, LinkFlags::empty(), LinkFlags::empty()));
                request.text(IFLA_IFNAME, "eth0");
                request.bytes(IFLA_ADDRESS, &[2, 0, 0, 0, 0, 1]);
                request.u32(IFLA_NET_NS_FD, 12);
            });
        });
    });
    let message = NetlinkMessage::<RouteNetlinkMessage>::deserialize(request.finish(1).unwrap()).unwrap();
    assert_eq!(message.header.flags, NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL);

    let RouteNetlinkMessage::NewLink(read) = theirs(request) else { panic!("no link") };
    let mut peer = LinkMessage::default();
    peer.attributes = vec![
        LinkAttribute::IfName("eth0".to_owned()),
        LinkAttribute::Address(vec![2, 0, 0, 0, 0, 1]),
        LinkAttribute::NetNsFd(12),
    ];
    assert_eq!((read.header.flags.bits(), read.header.change_mask.bits()), (1, 1));
    assert_eq!(
        read.attributes,
        [
            LinkAttribute::IfName("vethab".to_owned()),
            LinkAttribute::Mtu(1400),
            LinkAttribute::Controller(3),
            LinkAttribute::LinkInfo(vec![
                LinkInfo::Kind(InfoKind::Veth),
                LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer))),
            ]),
        ]
    );
}

#[test]
fn we_read_the_link_that_they_write() {
    use netlink_packet_route::link::{LinkFlags as Flags, LinkLayerType, Prop, State};
    let mut message = LinkMessage::default();
    message.header.index = 7;
    message.header.link_layer_type = LinkLayerType::Ether;
    message.header.flags = Flags::Up | Flags::Broadcast;
    message.attributes = vec![
        LinkAttribute::IfName("br0".to_owned()),
        LinkAttribute::Mtu(9000),
        LinkAttribute::MinMtu(68),
        LinkAttribute::MaxMtu(65535),
        LinkAttribute::Address(vec![2, 1, 2, 3, 4, 5]),
        LinkAttribute::Broadcast(vec![0xff; 6]),
        LinkAttribute::Controller(3),
        LinkAttribute::Link(4),
        LinkAttribute::LinkNetNsId(0),
        LinkAttribute::OperState(State::LowerLayerDown),
        LinkAttribute::Qdisc("noqueue".to_owned()),
        LinkAttribute::TxQueueLen(1000),
        LinkAttribute::Group(5),
        LinkAttribute::PropList(vec![Prop::AltIfName("the-bridge".to_owned())]),
        LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Bridge)]),
    ];
    let link = link::read(&payload(RouteNetlinkMessage::NewLink(message))).unwrap();
    assert_eq!((link.index, link.layer, link.flags.bits()), (7, 1, 3));
    assert_eq!((link.name.as_str(), link.kind_name()), ("br0", Some("bridge")));
    assert_eq!((link.mtu, link.min_mtu, link.max_mtu), (9000, Some(68), Some(65535)));
    assert_eq!(link.mac.unwrap().octets(), [2, 1, 2, 3, 4, 5]);
    assert_eq!(link.broadcast.unwrap().octets(), [0xff; 6]);
    assert_eq!((link.master, link.peer, link.peer_netns_id), (Some(3), Some(4), Some(0)));
    assert_eq!(link.oper_state, OperState::LowerLayerDown);
    assert_eq!((link.qdisc.as_deref(), link.queue_len, link.group), (Some("noqueue"), 1000, 5));
    assert_eq!(link.altnames, ["the-bridge"]);
}

#[test]
fn they_read_the_address_that_we_write() {
    for (text, family) in [("10.0.41.1/16", AddressFamily::Inet), ("fd00::1/64", AddressFamily::Inet6)] {
        let net: crate::IpNet = text.parse().unwrap();
        let written = request(|request| address::write(request, RTM_NEWADDR, 0, 7, &net.into()));
        let RouteNetlinkMessage::NewAddress(read) = theirs(written) else { panic!("no address") };
        assert_eq!((read.header.family, read.header.index), (family, 7));
        assert_eq!(read.header.prefix_len, net.prefix_len());
        let ip = net.address();
        assert_eq!(read.attributes, [AddressAttribute::Local(ip), AddressAttribute::Address(ip)]);
    }
    let address = Address::new("10.0.0.1/8".parse().unwrap());
    let deleted = theirs(request(|request| address::write(request, RTM_DELADDR, 0, 7, &address)));
    assert!(matches!(deleted, RouteNetlinkMessage::DelAddress(_)));
}

#[test]
fn we_read_the_address_that_they_write() {
    use netlink_packet_route::address::{AddressFlags, AddressScope};
    let mut message = AddressMessage::default();
    message.header.family = AddressFamily::Inet;
    message.header.prefix_len = 24;
    message.header.index = 3;
    message.header.scope = AddressScope::Link;
    message.attributes = vec![
        AddressAttribute::Address("10.0.0.2".parse().unwrap()),
        AddressAttribute::Local("10.0.0.1".parse().unwrap()),
        AddressAttribute::Label("eth0:1".to_owned()),
        AddressAttribute::Broadcast("10.0.0.255".parse().unwrap()),
        AddressAttribute::Flags(AddressFlags::Permanent | AddressFlags::Noprefixroute),
    ];
    let address = address::read(&payload(RouteNetlinkMessage::NewAddress(message))).unwrap();
    assert_eq!((address.index, address.net), (3, "10.0.0.1/24".parse().unwrap()));
    assert_eq!(address.peer, Some("10.0.0.2".parse().unwrap()));
    assert_eq!(address.broadcast, Some("10.0.0.255".parse().unwrap()));
    assert_eq!((address.label.as_deref(), address.scope), (Some("eth0:1"), Some(Scope::Link)));
    assert_eq!(address.flags.bits(), 0x280);
}

#[test]
fn they_read_the_route_that_we_write() {
    let mut route = Route::to("10.1.2.3/16".parse().unwrap())
        .via("10.0.0.1".parse().unwrap())
        .dev(3)
        .source("10.0.0.9".parse().unwrap())
        .metric(50);
    route.table = 1000;
    let written = request(|request| route::write(request, RTM_NEWROUTE, 0, &route));
    let RouteNetlinkMessage::NewRoute(read) = theirs(written) else { panic!("no route") };
    assert_eq!((read.header.destination_prefix_length, read.header.kind), (16, RouteType::Unicast));
    assert_eq!(read.header.scope, RouteScope::Universe);
    assert_eq!(
        read.attributes,
        [
            RouteAttribute::Destination(RouteAddress::Inet([10, 1, 0, 0].into())),
            RouteAttribute::Table(1000),
            RouteAttribute::PrefSource(RouteAddress::Inet([10, 0, 0, 9].into())),
            RouteAttribute::Priority(50),
            RouteAttribute::Gateway(RouteAddress::Inet([10, 0, 0, 1].into())),
            RouteAttribute::Oif(3),
        ]
    );
}

#[test]
fn next_hops_are_the_same_for_both() {
    let mut route = Route::to("10.1.0.0/16".parse().unwrap());
    route.hops = vec![
        NextHop::via("10.0.0.1".parse().unwrap()).dev(2).weight(4),
        NextHop::via("fe80::1".parse().unwrap()).dev(3),
    ];
    let written = request(|request| route::write(request, RTM_NEWROUTE, 0, &route));
    let RouteNetlinkMessage::NewRoute(read) = theirs(written) else { panic!("no route") };
    let mut first = RouteNextHop::default();
    (first.interface_index, first.hops) = (2, 3);
    first.attributes = vec![RouteAttribute::Gateway(RouteAddress::Inet([10, 0, 0, 1].into()))];
    let mut second = RouteNextHop::default();
    second.interface_index = 3;
    second.attributes = vec![RouteAttribute::Via(RouteVia::Inet6("fe80::1".parse().unwrap()))];
    let destination = RouteAttribute::Destination(RouteAddress::Inet([10, 1, 0, 0].into()));
    assert_eq!(read.attributes, [destination, RouteAttribute::MultiPath(vec![first, second])]);

    let mut message = RouteMessage::default();
    message.header = read.header.clone();
    message.attributes = read.attributes;
    let back = route::read(&payload(RouteNetlinkMessage::NewRoute(message))).unwrap();
    assert_eq!((back.destination, back.hops), (route.destination, route.hops));
}

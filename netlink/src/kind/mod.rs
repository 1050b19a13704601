//! Kinds of links: what is particular to each, as it is said when one is made and as it is read.
//!
//! All of it is read and written alike: what [`LinkKind`] has of a link can be given to
//! [`Handle::change_kind`](crate::Handle::change_kind), and with [`NewLink::options`](crate::NewLink::options) to a
//! new one. Fields marked *read* are told by the kernel and never sent.

mod bareudp;
mod bond;
mod bridge;
mod choice;
mod geneve;
mod gre;
mod hsr;
mod ip_tunnel;
mod ipvlan;
mod macvlan;
mod netkit;
mod numbers;
mod peer;
mod plain;
mod tun;
mod tunnel;
mod veth;
mod vlan;
mod vrf;
mod vti;
mod vxlan;
mod xfrm;

pub use self::bareudp::Bareudp;
pub use self::bond::{
    AdInfo, AdSelect, ArpAllTargets, ArpValidate, Bond, BondMode, FailOverMac, LacpRate, PrimaryReselect,
    XmitHashPolicy,
};
pub use self::bridge::{Bridge, BridgeId, StpMode};
pub(crate) use self::choice::choice;
pub use self::geneve::Geneve;
pub use self::gre::Gre;
pub use self::hsr::{Hsr, HsrProtocol};
pub use self::ip_tunnel::{IpTunnel, IpTunnelForm};
pub use self::ipvlan::{Ipvlan, IpvlanIsolation, IpvlanMode};
pub use self::macvlan::{Macvlan, MacvlanMode};
pub use self::netkit::{Netkit, NetkitMode, NetkitPairing, NetkitPolicy, NetkitScrub, NewNetkit};
pub(crate) use self::numbers::{forgotten, numbers};
pub use self::peer::{Pair, VethPair};
pub(crate) use self::peer::{check_pair, creating_pair};
pub use self::plain::{Any, AnyLink, Dummy, Ifb, Nlmon, Team, Vcan, Wireguard};
pub use self::tun::{Tun, TunMode};
pub use self::tunnel::{DontFragment, TunnelEncap};
use self::tunnel::{check_bits, check_ends, check_family, check_mac_of};
pub use self::veth::{Veth, Vxcan};
pub use self::vlan::{Vlan, VlanFlags, VlanProtocol};
pub use self::vrf::Vrf;
pub use self::vti::Vti;
pub use self::vxlan::{LabelPolicy, Vxlan};
pub use self::xfrm::Xfrm;
use crate::error::Failure;
use crate::wire::Request;
use crate::wire::attribute::Attribute;
use crate::wire::numbers::{IFLA_INFO_DATA, IFLA_INFO_KIND, IFLA_LINKINFO};

/// What can be made by [`Handle::add_link`](crate::Handle::add_link): all that is in this module, and nothing else.
pub trait Kind: sealed::Kind {}

pub(crate) use sealed::Outer;

pub(crate) mod sealed {
    use super::{Failure, LinkKind, Request};

    /// What is said of a link of every kind, and some kinds have to repeat.
    #[derive(Clone, Copy, Debug, Default)]
    pub struct Outer {
        /// The link below.
        pub lower: Option<u32>,
        /// Its longest packet.
        pub mtu: Option<u32>,
    }

    pub trait Kind: Clone {
        /// Whether the link below is named in the kind's own attributes, not in those of every link.
        const LOWER_IN_DATA: bool = false;

        /// Whether the kernel forgets at a change what isn't said, so that all must be.
        const FORGETS: bool = false;

        /// As the kernel calls it.
        fn name(&self) -> &str;

        /// Says what is being done when a link of it is made.
        fn creating(&self, name: &str) -> String {
            format!("create {} {name:?}", self.name())
        }

        /// Checks what the kernel would refuse without telling why, or take otherwise.
        fn check(&self) -> Result<(), Failure> {
            Ok(())
        }

        /// Whether something in it is heeded only where the link's own index is chosen.
        fn wants_index(&self) -> bool {
            false
        }

        /// Takes what isn't said from the link as it is.
        fn keep(&mut self, _present: &LinkKind) {}

        /// Writes its own attributes.
        fn write(&self, request: &mut Request, outer: Outer);
    }
}

/// Writes `IFLA_LINKINFO`.
pub(crate) fn write_info(request: &mut Request, kind: &impl Kind, outer: Outer) {
    request.nest(IFLA_LINKINFO, |request| {
        request.text(IFLA_INFO_KIND, kind.name());
        request.nest_unless_empty(IFLA_INFO_DATA, |request| kind.write(request, outer));
    });
}

/// What made a link, and how it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LinkKind {
    /// Packets in UDP, without anything between.
    Bareudp(Bareudp),
    /// A link of several links.
    Bond(Box<Bond>),
    /// A switch.
    Bridge(Box<Bridge>),
    /// A link that drops what is sent into it.
    Dummy,
    /// Ethernet in UDP, with options.
    Geneve(Box<Geneve>),
    /// A GRE tunnel: gre, gretap, ip6gre, ip6gretap.
    Gre(Box<Gre>),
    /// A ring of two links.
    Hsr(Box<Hsr>),
    /// A link through which received packets are led to be queued.
    Ifb,
    /// A tunnel of IP in IP: ipip, sit, ip6tnl.
    IpTunnel(Box<IpTunnel>),
    /// A link with the MAC of the link it is on: ipvlan, ipvtap.
    Ipvlan(Ipvlan),
    /// A link with a MAC of its own on another: macvlan, macvtap.
    Macvlan(Box<Macvlan>),
    /// One end of a pair with BPF programs between.
    Netkit(Box<Netkit>),
    /// A link that shows netlink messages.
    Nlmon,
    /// A link of several links, ruled by a program.
    Team,
    /// A link whose packets a program reads and writes.
    Tun(Box<Tun>),
    /// A virtual CAN link.
    Vcan,
    /// One end of a pair: what is sent into one comes out of the other.
    Veth,
    /// Packets of one VLAN of another link.
    Vlan(Box<Vlan>),
    /// A link whose ports have a routing table of their own.
    Vrf(Vrf),
    /// A tunnel whose packets are encrypted: vti, vti6.
    Vti(Box<Vti>),
    /// One end of a pair of CAN links.
    Vxcan,
    /// Ethernet in UDP.
    Vxlan(Box<Vxlan>),
    /// A link whose packets are encrypted by WireGuard.
    Wireguard,
    /// A link whose packets are encrypted by policies.
    Xfrm(Xfrm),
    /// Another kind, with its attributes as the kernel has them.
    Other(Any),
}

impl LinkKind {
    /// Returns its name, as the kernel and ip-link(8) write it.
    pub fn name(&self) -> &str {
        match self {
            LinkKind::Bareudp(_) => "bareudp",
            LinkKind::Bond(_) => "bond",
            LinkKind::Bridge(_) => "bridge",
            LinkKind::Dummy => "dummy",
            LinkKind::Geneve(_) => "geneve",
            LinkKind::Gre(gre) => sealed::Kind::name(&**gre),
            LinkKind::Hsr(_) => "hsr",
            LinkKind::Ifb => "ifb",
            LinkKind::IpTunnel(tunnel) => sealed::Kind::name(&**tunnel),
            LinkKind::Ipvlan(ipvlan) => sealed::Kind::name(ipvlan),
            LinkKind::Macvlan(macvlan) => sealed::Kind::name(&**macvlan),
            LinkKind::Netkit(_) => "netkit",
            LinkKind::Nlmon => "nlmon",
            LinkKind::Team => "team",
            LinkKind::Tun(_) => "tun",
            LinkKind::Vcan => "vcan",
            LinkKind::Veth => "veth",
            LinkKind::Vlan(_) => "vlan",
            LinkKind::Vrf(_) => "vrf",
            LinkKind::Vti(vti) => sealed::Kind::name(&**vti),
            LinkKind::Vxcan => "vxcan",
            LinkKind::Vxlan(_) => "vxlan",
            LinkKind::Wireguard => "wireguard",
            LinkKind::Xfrm(_) => "xfrm",
            LinkKind::Other(any) => any.name(),
        }
    }

    /// Reads a kind by its name, and its data; what is odd in them is not there.
    pub(crate) fn read(name: Attribute<'_>, data: Attribute<'_>) -> LinkKind {
        match name.text_bytes() {
            b"bareudp" => LinkKind::Bareudp(Bareudp::read(data)),
            b"bond" => LinkKind::Bond(Box::new(Bond::read(data))),
            b"bridge" => LinkKind::Bridge(Box::new(Bridge::read(data))),
            b"dummy" => LinkKind::Dummy,
            b"geneve" => LinkKind::Geneve(Box::new(Geneve::read(data))),
            b"gre" => LinkKind::Gre(Box::new(Gre::read(data, false, false))),
            b"gretap" => LinkKind::Gre(Box::new(Gre::read(data, false, true))),
            b"ip6gre" => LinkKind::Gre(Box::new(Gre::read(data, true, false))),
            b"ip6gretap" => LinkKind::Gre(Box::new(Gre::read(data, true, true))),
            b"hsr" => LinkKind::Hsr(Box::new(Hsr::read(data))),
            b"ifb" => LinkKind::Ifb,
            b"ipip" => LinkKind::IpTunnel(Box::new(IpTunnel::read(data, IpTunnelForm::Ipip))),
            b"sit" => LinkKind::IpTunnel(Box::new(IpTunnel::read(data, IpTunnelForm::Sit))),
            b"ip6tnl" => LinkKind::IpTunnel(Box::new(IpTunnel::read(data, IpTunnelForm::Ip6tnl))),
            b"ipvlan" => LinkKind::Ipvlan(Ipvlan::read(data, false)),
            b"ipvtap" => LinkKind::Ipvlan(Ipvlan::read(data, true)),
            b"macvlan" => LinkKind::Macvlan(Box::new(Macvlan::read(data, false))),
            b"macvtap" => LinkKind::Macvlan(Box::new(Macvlan::read(data, true))),
            b"netkit" => LinkKind::Netkit(Box::new(Netkit::read(data))),
            b"nlmon" => LinkKind::Nlmon,
            b"team" => LinkKind::Team,
            b"tun" => LinkKind::Tun(Box::new(Tun::read(data))),
            b"vcan" => LinkKind::Vcan,
            b"veth" => LinkKind::Veth,
            b"vlan" => LinkKind::Vlan(Box::new(Vlan::read(data))),
            b"vrf" => LinkKind::Vrf(Vrf::read(data)),
            b"vti" => LinkKind::Vti(Box::new(Vti::read(data, false))),
            b"vti6" => LinkKind::Vti(Box::new(Vti::read(data, true))),
            b"vxcan" => LinkKind::Vxcan,
            b"vxlan" => LinkKind::Vxlan(Box::new(Vxlan::read(data))),
            b"wireguard" => LinkKind::Wireguard,
            b"xfrm" => LinkKind::Xfrm(Xfrm::read(data)),
            _ => LinkKind::Other(Any::read(name, data)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::message::HEADER;

    const KINDS: [&str; 32] = [
        "bareudp",
        "bond",
        "bridge",
        "dummy",
        "geneve",
        "gre",
        "gretap",
        "ip6gre",
        "ip6gretap",
        "hsr",
        "ifb",
        "ipip",
        "sit",
        "ip6tnl",
        "ipvlan",
        "ipvtap",
        "macvlan",
        "macvtap",
        "netkit",
        "nlmon",
        "team",
        "tun",
        "vcan",
        "veth",
        "vlan",
        "vrf",
        "vti",
        "vti6",
        "vxcan",
        "vxlan",
        "wireguard",
        "xfrm",
    ];

    fn read(name: &str, data: &[u8]) -> LinkKind {
        LinkKind::read(
            Attribute { kind: IFLA_INFO_KIND, payload: name.as_bytes() },
            Attribute { kind: IFLA_INFO_DATA, payload: data },
        )
    }

    /// What a kind writes for its data.
    fn written(kind: &impl Kind, lower: Option<u32>) -> Vec<u8> {
        let mut request = Request::new(0, 0, &[]);
        kind.write(&mut request, Outer { lower, mtu: None });
        request.sent()[HEADER..].to_vec()
    }

    #[test]
    fn every_kind_is_known_by_its_name_and_an_unknown_one_keeps_it() {
        for name in KINDS {
            assert_eq!(read(name, &[]).name(), name);
            assert!(!matches!(read(name, &[]), LinkKind::Other(_)), "{name}");
        }
        assert_eq!(read("batadv", &[]), LinkKind::Other(Any::new("batadv")));
    }

    #[test]
    fn data_of_any_length_is_read_without_a_panic() {
        for name in KINDS {
            for attribute in 0..64_u8 {
                for length in 0..40_u8 {
                    let mut data = vec![length + 4, 0, attribute, 0x80];
                    data.extend((0..length).map(|byte| byte ^ 0xa5));
                    read(name, &data);
                    read(name, &data[..data.len() - usize::from(length / 2)]);
                }
            }
        }
    }

    // Kinds that few kernels have: what is written is read again.

    #[test]
    fn a_vti_is_read_as_it_is_written() {
        let mut vti =
            Vti { v6: true, local: "fd00::1".parse().ok(), remote: "fd00::2".parse().ok(), ..Vti::default() };
        (vti.ikey, vti.okey, vti.fwmark) = (Some(0x0102_0304), Some(6), Some(7));
        let data = written(&vti, Some(9));
        assert_eq!(data[..8], [&[8, 0, 1, 0][..], &9_u32.to_ne_bytes()].concat());
        vti.link = Some(9);
        assert_eq!(read("vti6", &data), LinkKind::Vti(Box::new(vti)));
        // The key is in network byte order.
        assert!(data.windows(8).any(|bytes| bytes == [8, 0, 2, 0, 1, 2, 3, 4]));
    }

    #[test]
    fn a_bareudp_is_read_as_it_is_written() {
        let mut bareudp = Bareudp { port: 6635, ethertype: 0x8847, ..Bareudp::default() };
        (bareudp.srcport_min, bareudp.multiproto) = (Some(50_000), true);
        let data = written(&bareudp, None);
        assert_eq!(read("bareudp", &data), LinkKind::Bareudp(bareudp));
        assert_eq!(data[8..16], [6, 0, 2, 0, 0x88, 0x47, 0, 0]);
    }

    #[test]
    fn an_hsr_is_read_as_it_is_written() {
        let mut hsr = Hsr { slave1: Some(3), slave2: Some(4), interlink: Some(5), ..Hsr::default() };
        (hsr.version, hsr.protocol, hsr.multicast_spec) = (Some(1), Some(HsrProtocol::Prp), Some(7));
        assert_eq!(read("hsr", &written(&hsr, None)), LinkKind::Hsr(Box::new(hsr)));
    }
}

//! What packets are wrapped into on their way.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::mpls::{labels, write_labels};
use super::segment::{Seg6, Seg6Local, rpl_header, rpl_segments};
use crate::error::Failure;
use crate::wire::attribute::{Attribute, Attributes};
use crate::wire::numbers::{
    LWT_BPF_IN, LWT_BPF_OUT, LWT_BPF_PROG_FD, LWT_BPF_PROG_NAME, LWT_BPF_XMIT, LWT_BPF_XMIT_HEADROOM,
    LWT_XFRM_IF_ID, LWT_XFRM_LINK, LWTUNNEL_ENCAP_BPF, LWTUNNEL_ENCAP_IP, LWTUNNEL_ENCAP_IP6,
    LWTUNNEL_ENCAP_MPLS, LWTUNNEL_ENCAP_RPL, LWTUNNEL_ENCAP_SEG6, LWTUNNEL_ENCAP_SEG6_LOCAL,
    LWTUNNEL_ENCAP_XFRM, LWTUNNEL_IP_DST, LWTUNNEL_IP_FLAGS, LWTUNNEL_IP_ID, LWTUNNEL_IP_SRC,
    LWTUNNEL_IP_TOS, LWTUNNEL_IP_TTL, MPLS_IPTUNNEL_DST, MPLS_IPTUNNEL_TTL, RPL_IPTUNNEL_SRH,
};
use crate::wire::{Request, write_some};

/// What packets are wrapped into on their way ([ip-route(8)], `encap`).
///
/// ```
/// use netlink::{Encap, Route};
///
/// let route = Route::to("10.9.0.0/16".parse()?).dev(4).encap(Encap::mpls([100, 200]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// [ip-route(8)]: https://man7.org/linux/man-pages/man8/ip-route.8.html
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Encap {
    /// MPLS labels.
    Mpls {
        /// The labels, the outermost first: each 0 to 1048575, at most 30.
        labels: Vec<u32>,
        /// Over how many routers packets may go; `None` takes it from the packet.
        ttl: Option<u8>,
    },
    /// What a tunnel link that takes its parameters from routes (`external`) does with them.
    Ip(IpEncap),
    /// IPv6 segment routing: the places that packets go by.
    Seg6(Seg6),
    /// IPv6 segment routing: what is done where packets arrive.
    Seg6Local(Box<Seg6Local>),
    /// BPF programs.
    Bpf {
        /// Run for packets that came in.
        input: Option<BpfProgram>,
        /// Run for own packets.
        output: Option<BpfProgram>,
        /// Run before packets are sent, which it may wrap itself.
        xmit: Option<BpfProgram>,
        /// How many bytes that may take before the packet: at most 256. The kernel doesn't tell it back.
        headroom: Option<u32>,
    },
    /// The source routes of a network of small devices (RPL): the places that packets go by, the next one first.
    Rpl(Vec<Ipv6Addr>),
    /// The xfrm interface that takes its number from routes (Linux 6.2).
    Xfrm {
        /// The interface's number.
        if_id: u32,
        /// The index of the link below.
        link: Option<u32>,
    },
    /// Another, with its attributes as the kernel has them.
    Other {
        /// A `LWTUNNEL_ENCAP_` number.
        kind: u16,
        /// What is in `RTA_ENCAP`.
        attributes: Vec<u8>,
    },
}

/// Where a tunnel takes packets. The family of its addresses chooses between `encap ip` and `encap ip6`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct IpEncap {
    /// The other end.
    pub destination: IpAddr,
    /// The tunnel's number (a VNI, a GRE key).
    pub id: u64,
    /// The own end; `None` lets the kernel choose.
    pub source: Option<IpAddr>,
    /// Over how many routers packets may go; 0 is the kernel's own way.
    pub ttl: u8,
    /// The type of service (IPv6: the traffic class).
    pub tos: u8,
    /// `TUNNEL_` bits in network byte order: what is in the tunnel's header. They are read as the kernel keeps them.
    pub flags: u16,
}

impl IpEncap {
    /// Takes packets to the other end, in the tunnel of this number.
    pub fn new(destination: IpAddr, id: u64) -> IpEncap {
        IpEncap { destination, id, source: None, ttl: 0, tos: 0, flags: 0 }
    }
}

impl Hash for BpfProgram {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

/// A BPF program that routes or traffic control run. Two are equal if they have the same name: the kernel tells no more
/// of one.
#[derive(Clone)]
pub struct BpfProgram {
    name: String,
    program: Option<Arc<OwnedFd>>,
}

impl BpfProgram {
    /// Takes a loaded program, and the name that it is listed by: of a route one of the `BPF_PROG_TYPE_LWT_` types, of
    /// a [filter](crate::tc::BpfFilter) `BPF_PROG_TYPE_SCHED_CLS`, of an [action](crate::tc::BpfAction)
    /// `BPF_PROG_TYPE_SCHED_ACT`. It is closed with the last clone of this; the kernel keeps what it was given.
    pub fn new(program: OwnedFd, name: impl Into<String>) -> BpfProgram {
        BpfProgram { name: name.into(), program: Some(Arc::new(program)) }
    }

    /// Returns the name that it is listed by.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn write(&self, request: &mut Request, fd: u16, name: u16) {
        if let Some(program) = &self.program {
            request.shared_descriptor(fd, program);
        }
        request.text(name, &self.name);
    }

    pub(super) fn read(nest: Attribute<'_>, name: u16) -> BpfProgram {
        let name = nest.nested().find(|attribute| attribute.kind == name).map(Attribute::text);
        BpfProgram::named(name.unwrap_or_default())
    }

    /// One that was read.
    pub(crate) fn named(name: String) -> BpfProgram {
        BpfProgram { name, program: None }
    }

    pub(crate) fn check(&self) -> Result<(), Failure> {
        match self.program {
            Some(_) => Ok(()),
            None => Err(Failure::Input(format!(
                "the BPF program {:?} was read, and has no descriptor",
                self.name
            ))),
        }
    }
}

impl PartialEq for BpfProgram {
    fn eq(&self, other: &BpfProgram) -> bool {
        self.name == other.name
    }
}

impl Eq for BpfProgram {}

impl fmt::Debug for BpfProgram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BpfProgram").field(&self.name).finish()
    }
}

impl Encap {
    /// Pushes MPLS labels, the outermost first.
    pub fn mpls(labels: impl Into<Vec<u32>>) -> Encap {
        Encap::Mpls { labels: labels.into(), ttl: None }
    }

    fn kind(&self) -> u16 {
        match self {
            Encap::Mpls { .. } => LWTUNNEL_ENCAP_MPLS,
            Encap::Ip(ip) if ip.destination.is_ipv4() => LWTUNNEL_ENCAP_IP,
            Encap::Ip(_) => LWTUNNEL_ENCAP_IP6,
            Encap::Seg6(_) => LWTUNNEL_ENCAP_SEG6,
            Encap::Seg6Local(_) => LWTUNNEL_ENCAP_SEG6_LOCAL,
            Encap::Bpf { .. } => LWTUNNEL_ENCAP_BPF,
            Encap::Rpl(_) => LWTUNNEL_ENCAP_RPL,
            Encap::Xfrm { .. } => LWTUNNEL_ENCAP_XFRM,
            Encap::Other { kind, .. } => *kind,
        }
    }

    /// Checks what the kernel would refuse without telling why, or take otherwise.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let input = |why: &str| Err(Failure::Input(why.to_owned()));
        match self {
            Encap::Mpls { labels, .. } => super::mpls::check_labels(labels, 30),
            Encap::Ip(IpEncap { destination, source: Some(source), .. })
                if destination.is_ipv4() != source.is_ipv4() =>
            {
                input("the tunnel's ends are not of one family")
            }
            Encap::Seg6(seg6) => seg6.check(),
            Encap::Seg6Local(local) => local.check(),
            Encap::Bpf { input: None, output: None, xmit: None, .. } => input("no BPF program is given"),
            Encap::Bpf { input, output, xmit, .. } => {
                [input, output, xmit].into_iter().flatten().try_for_each(BpfProgram::check)
            }
            Encap::Rpl(segments) if segments.is_empty() || segments.len() > 127 => {
                input("a source route has 1 to 127 places")
            }
            _ => Ok(()),
        }
    }

    /// Writes `RTA_ENCAP_TYPE` and `RTA_ENCAP`, or what they are called elsewhere.
    pub(crate) fn write(&self, request: &mut Request, kind: u16, encap: u16) {
        request.u16(kind, self.kind());
        request.nest(encap, |request| self.write_inside(request));
    }

    fn write_inside(&self, request: &mut Request) {
        match self {
            Encap::Mpls { labels, ttl } => {
                write_labels(request, MPLS_IPTUNNEL_DST, labels);
                write_some!(request, u8 MPLS_IPTUNNEL_TTL *ttl);
            }
            Encap::Ip(ip) => {
                request.bytes(LWTUNNEL_IP_ID, &ip.id.to_be_bytes());
                request.ip(LWTUNNEL_IP_DST, ip.destination);
                write_some!(request, ip LWTUNNEL_IP_SRC ip.source);
                request.u8(LWTUNNEL_IP_TTL, ip.ttl);
                request.u8(LWTUNNEL_IP_TOS, ip.tos);
                if ip.flags != 0 {
                    request.be16(LWTUNNEL_IP_FLAGS, ip.flags);
                }
            }
            Encap::Seg6(seg6) => seg6.write(request),
            Encap::Seg6Local(local) => local.write(request),
            Encap::Bpf { input, output, xmit, headroom } => {
                for (kind, program) in [(LWT_BPF_IN, input), (LWT_BPF_OUT, output), (LWT_BPF_XMIT, xmit)] {
                    if let Some(program) = program {
                        request.nest(kind, |request| {
                            program.write(request, LWT_BPF_PROG_FD, LWT_BPF_PROG_NAME);
                        });
                    }
                }
                write_some!(request, u32 LWT_BPF_XMIT_HEADROOM *headroom);
            }
            Encap::Rpl(segments) => request.bytes(RPL_IPTUNNEL_SRH, &rpl_header(segments)),
            Encap::Xfrm { if_id, link } => {
                request.u32(LWT_XFRM_IF_ID, *if_id);
                write_some!(request, u32 LWT_XFRM_LINK *link);
            }
            Encap::Other { attributes, .. } => request.header(attributes),
        }
    }

    /// Reads `RTA_ENCAP`; one that makes no sense is [`Encap::Other`].
    pub(crate) fn read(kind: u16, encap: &[u8]) -> Encap {
        let read = match kind {
            LWTUNNEL_ENCAP_MPLS => read_mpls(encap),
            LWTUNNEL_ENCAP_IP | LWTUNNEL_ENCAP_IP6 => read_ip(encap),
            LWTUNNEL_ENCAP_SEG6 => Seg6::read(encap).map(Encap::Seg6),
            LWTUNNEL_ENCAP_SEG6_LOCAL => {
                Seg6Local::read(encap).map(|local| Encap::Seg6Local(Box::new(local)))
            }
            LWTUNNEL_ENCAP_BPF => Some(read_bpf(encap)),
            LWTUNNEL_ENCAP_RPL => Attributes::new(encap)
                .find(|attribute| attribute.kind == RPL_IPTUNNEL_SRH)
                .and_then(|header| rpl_segments(header.payload))
                .map(Encap::Rpl),
            LWTUNNEL_ENCAP_XFRM => read_xfrm(encap),
            _ => None,
        };
        read.unwrap_or_else(|| Encap::Other { kind, attributes: encap.to_vec() })
    }
}

fn read_mpls(encap: &[u8]) -> Option<Encap> {
    let (mut stack, mut ttl) = (None, None);
    for attribute in Attributes::new(encap) {
        match attribute.kind {
            MPLS_IPTUNNEL_DST => stack = Some(labels(attribute.payload)),
            MPLS_IPTUNNEL_TTL => ttl = attribute.u8(),
            _ => {}
        }
    }
    Some(Encap::Mpls { labels: stack?, ttl })
}

fn read_ip(encap: &[u8]) -> Option<Encap> {
    let mut destination = None;
    let mut read = IpEncap::new(Ipv4Addr::UNSPECIFIED.into(), 0);
    for attribute in Attributes::new(encap) {
        match attribute.kind {
            LWTUNNEL_IP_ID => read.id = u64::from_be_bytes(attribute.payload.try_into().ok()?),
            LWTUNNEL_IP_DST => destination = attribute.ip(),
            // It is told as 0 where it wasn't given.
            LWTUNNEL_IP_SRC => read.source = attribute.ip().filter(|source| !source.is_unspecified()),
            LWTUNNEL_IP_TTL => read.ttl = attribute.u8()?,
            LWTUNNEL_IP_TOS => read.tos = attribute.u8()?,
            LWTUNNEL_IP_FLAGS => read.flags = attribute.be16()?,
            _ => {}
        }
    }
    read.destination = destination?;
    Some(Encap::Ip(read))
}

fn read_bpf(encap: &[u8]) -> Encap {
    let (mut input, mut output, mut xmit) = (None, None, None);
    for attribute in Attributes::new(encap) {
        let program = || Some(BpfProgram::read(attribute, LWT_BPF_PROG_NAME));
        match attribute.kind {
            LWT_BPF_IN => input = program(),
            LWT_BPF_OUT => output = program(),
            LWT_BPF_XMIT => xmit = program(),
            _ => {}
        }
    }
    Encap::Bpf { input, output, xmit, headroom: None }
}

fn read_xfrm(encap: &[u8]) -> Option<Encap> {
    let (mut if_id, mut link) = (None, None);
    for attribute in Attributes::new(encap) {
        match attribute.kind {
            LWT_XFRM_IF_ID => if_id = attribute.u32(),
            LWT_XFRM_LINK => link = attribute.u32().filter(|link| *link != 0),
            _ => {}
        }
    }
    Some(Encap::Xfrm { if_id: if_id?, link })
}

/// Written as ip-route(8) begins it: `mpls`, `ip`, `seg6`.
impl fmt::Display for Encap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Encap::Mpls { labels, .. } => {
                f.write_str("mpls ")?;
                super::mpls::display(f, labels)
            }
            Encap::Ip(ip) => {
                let family = if ip.destination.is_ipv4() { "ip" } else { "ip6" };
                write!(f, "{family} id {} dst {}", ip.id, ip.destination)
            }
            Encap::Seg6(_) => f.write_str("seg6"),
            Encap::Seg6Local(_) => f.write_str("seg6local"),
            Encap::Bpf { .. } => f.write_str("bpf"),
            Encap::Rpl(_) => f.write_str("rpl"),
            Encap::Xfrm { if_id, .. } => write!(f, "xfrm if_id {if_id}"),
            Encap::Other { kind, .. } => write!(f, "{kind}"),
        }
    }
}

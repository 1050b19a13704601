//! Which sockets of the internet protocols to list.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use bitflags::bitflags;

use super::bytecode::{D_COND, D_GE, D_LE, Program, S_COND, S_GE, S_LE};
use super::inet::{InetSocket, SocketState};
use super::{SOCK_DIAG_BY_FAMILY, inet};
use crate::Family;
use crate::error::Failure;
use crate::handle::Handle;
use crate::ip_net::IpNet;
use crate::wire::message::Message;
use crate::wire::request::Request;

const INET_DIAG_REQ_BYTECODE: u16 = 1;

/// A protocol of the internet that has sockets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InetProtocol {
    /// TCP.
    #[default]
    Tcp,
    /// UDP.
    Udp,
    /// UDP-Lite (gone with Linux 7.1).
    UdpLite,
    /// SCTP.
    Sctp,
    /// Raw sockets, of this protocol of IP (0 to 255).
    Raw(u8),
}

impl InetProtocol {
    fn number(self) -> u8 {
        match self {
            InetProtocol::Tcp => 6,
            InetProtocol::Udp => 17,
            InetProtocol::UdpLite => 136,
            InetProtocol::Sctp => 132,
            InetProtocol::Raw(_) => 255,
        }
    }

    /// The numbers of a request: `sdiag_protocol` and `sdiag_raw_protocol`.
    pub(super) fn numbers(self) -> (u8, u8) {
        match self {
            InetProtocol::Raw(number) => (self.number(), number),
            other => (other.number(), 0),
        }
    }

    fn name(self) -> &'static str {
        match self {
            InetProtocol::Tcp => "TCP",
            InetProtocol::Udp => "UDP",
            InetProtocol::UdpLite => "UDP-Lite",
            InetProtocol::Sctp => "SCTP",
            InetProtocol::Raw(_) => "raw",
        }
    }
}

bitflags! {
    /// The states of sockets to list. What has no connection is `CLOSE` (UDP) or `LISTEN`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct States: u32 {
        /// Connected.
        const ESTABLISHED = 1 << 1;
        /// It asks for a connection.
        const SYN_SENT = 1 << 2;
        /// It was asked for a connection.
        const SYN_RECV = 1 << 3;
        /// It has closed, and the other end has not said that it knows.
        const FIN_WAIT1 = 1 << 4;
        /// It has closed, and the other end may still send.
        const FIN_WAIT2 = 1 << 5;
        /// Both have closed: it waits until no packet of the connection can be on the way.
        const TIME_WAIT = 1 << 6;
        /// It has no connection.
        const CLOSE = 1 << 7;
        /// The other end has closed, and its own program has not.
        const CLOSE_WAIT = 1 << 8;
        /// The other end closed first, and has not said that it knows that both have.
        const LAST_ACK = 1 << 9;
        /// It waits for connections.
        const LISTEN = 1 << 10;
        /// Both closed at once.
        const CLOSING = 1 << 11;
        /// A connection that is not accepted yet and has no socket of its own.
        const NEW_SYN_RECV = 1 << 12;

        /// It has a port and no connection, and does not wait for one (Linux 6.8; told as `CLOSE`).
        const BOUND_INACTIVE = 1 << 13;

        const _ = !0;
    }
}

impl States {
    pub(super) fn holds(self, state: SocketState) -> bool {
        let bound = state == SocketState::Close && self.contains(States::BOUND_INACTIVE);
        bound || self.contains(States::from_bits_retain(1 << state.to_kernel()))
    }
}

/// All.
impl Default for States {
    fn default() -> States {
        States::all()
    }
}

/// Which sockets of the internet protocols to list. All that is set must be so.
///
/// ```no_run
/// use netlink::diag::{Diag, InetFilter, States};
///
/// // `ss -t state established '( dport = :443 and dst 192.0.2.0/24 )'`
/// let mut filter = InetFilter::tcp();
/// filter.states = States::ESTABLISHED;
/// filter.remote_ports = Some(443..=443);
/// filter.remote = Some("192.0.2.0/24".parse()?);
/// for socket in Diag::open()?.list_inet(&filter)? {
///     println!("{} {} {:?}", socket.local, socket.remote, socket.tcp.map(|tcp| tcp.rtt));
/// }
/// # Ok::<(), netlink::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct InetFilter {
    /// The sockets' protocol.
    pub protocol: InetProtocol,
    /// Those of IPv4 or of IPv6. A socket of IPv6 may speak IPv4.
    pub family: Option<Family>,
    /// The states.
    pub states: States,
    /// Its own address is in this network. One of IPv4 finds what of IPv6 speaks IPv4, too.
    pub local: Option<IpNet>,
    /// The other end's address is in this network.
    pub remote: Option<IpNet>,
    /// Its own port is one of these.
    pub local_ports: Option<RangeInclusive<u16>>,
    /// The other end's port is one of these.
    pub remote_ports: Option<RangeInclusive<u16>>,
    /// It is bound to the link with this index.
    pub device: Option<u32>,
    /// Its mark has this value where this mask has ones (needs `CAP_NET_ADMIN`).
    pub mark: Option<(u32, u32)>,
    /// It was made in the v2 cgroup with this id (Linux 5.10).
    pub cgroup_id: Option<u64>,
}

impl InetFilter {
    /// All TCP sockets.
    pub fn tcp() -> InetFilter {
        InetFilter::default()
    }

    /// All UDP sockets.
    pub fn udp() -> InetFilter {
        InetFilter { protocol: InetProtocol::Udp, ..InetFilter::default() }
    }

    /// All raw sockets of a protocol of IP: 1 is ICMP.
    pub fn raw(protocol: u8) -> InetFilter {
        InetFilter { protocol: InetProtocol::Raw(protocol), ..InetFilter::default() }
    }

    pub(super) fn listing(&self) -> String {
        format!("list {} sockets", self.protocol.name())
    }

    /// Checks what the kernel would refuse without telling why, or take for nothing.
    pub(super) fn check(&self) -> Result<(), Failure> {
        for ports in [&self.local_ports, &self.remote_ports].into_iter().flatten() {
            if ports.is_empty() {
                let why = format!("there is no port from {} to {}", ports.start(), ports.end());
                return Err(Failure::Input(why));
            }
        }
        if let Some((mark, mask)) = self.mark.filter(|(mark, mask)| mark & !mask != 0) {
            let why = format!("the mark {mark:#x} has ones where the mask {mask:#x} has none");
            return Err(Failure::Input(why));
        }
        Ok(())
    }

    /// The families to ask for.
    pub(super) fn families(&self) -> impl Iterator<Item = Family> {
        let wanted = self.family;
        Family::ALL.into_iter().filter(move |family| wanted.is_none_or(|wanted| wanted == *family))
    }

    /// `struct inet_diag_req_v2`, and the program.
    pub(super) fn request(&self, handle: &mut Handle, family: Family) -> Request {
        let (protocol, raw) = self.protocol.numbers();
        let mut header = [0; inet::REQUEST];
        header[0] = family.to_kernel();
        header[1] = protocol;
        header[2] = inet::EXTENSIONS;
        header[3] = raw;
        header[4..8].copy_from_slice(&self.states.bits().to_ne_bytes());
        let mut request = handle.room();
        request.begin(SOCK_DIAG_BY_FAMILY, 0, &header);
        if let Some(program) = self.program() {
            request.bytes(INET_DIAG_REQ_BYTECODE, &program);
        }
        request
    }

    fn program(&self) -> Option<Vec<u8>> {
        let mut program = Program::default();
        for (ports, least, most) in [(&self.local_ports, S_GE, S_LE), (&self.remote_ports, D_GE, D_LE)] {
            if let Some(ports) = ports {
                program.port(least, *ports.start());
                program.port(most, *ports.end());
            }
        }
        for (net, code) in [(self.local, S_COND), (self.remote, D_COND)] {
            // One of everything is of both families.
            if let Some(net) = net.filter(|net| net.prefix_len() > 0) {
                program.address(code, net);
            }
        }
        if let Some(index) = self.device {
            program.interface(index);
        }
        if let Some((mark, mask)) = self.mark {
            program.mark(mark, mask);
        }
        if let Some(id) = self.cgroup_id {
            program.cgroup(id);
        }
        program.finish()
    }

    /// Reads a socket, if it is one of them.
    pub(super) fn read(&self, message: &Message<'_>) -> Option<InetSocket> {
        InetSocket::read(message.payload, self.protocol).filter(|socket| self.matches(socket))
    }

    fn matches(&self, socket: &InetSocket) -> bool {
        // A network of everything is of both families.
        let in_net = |net: Option<IpNet>, address: IpAddr| {
            net.is_none_or(|net| net.prefix_len() == 0 || holds(net, address))
        };
        self.states.holds(socket.state)
            && self.local_ports.as_ref().is_none_or(|ports| ports.contains(&socket.local.port()))
            && self.remote_ports.as_ref().is_none_or(|ports| ports.contains(&socket.remote.port()))
            && in_net(self.local, socket.local.ip())
            && in_net(self.remote, socket.remote.ip())
            && self.device.is_none_or(|index| socket.device == Some(index))
    }
}

/// Whether an address is in a network; one of IPv6 may stand for one of IPv4.
fn holds(net: IpNet, address: IpAddr) -> bool {
    let address = if net.address().is_ipv4() { address.to_canonical() } else { address };
    IpNet::new(address, net.prefix_len()).is_ok_and(|other| {
        other.address().is_ipv4() == net.address().is_ipv4() && other.network() == net.network()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_hold_what_stands_for_an_address_of_theirs() {
        let net: IpNet = "10.0.0.0/8".parse().unwrap();
        for (address, expected) in
            [("10.1.2.3", true), ("11.1.2.3", false), ("::ffff:10.1.2.3", true), ("a00::", false)]
        {
            assert_eq!(holds(net, address.parse().unwrap()), expected, "{address}");
        }
        assert!(holds("fd00::/8".parse().unwrap(), "fd00::1".parse().unwrap()));
    }

    #[test]
    fn what_can_not_be_is_told_before_the_kernel_is_asked() {
        let mut filter = InetFilter::tcp();
        #[allow(clippy::reversed_empty_ranges, reason = "it is what is tested")]
        let none = 5..=4;
        filter.local_ports = Some(none);
        assert!(filter.check().is_err());
        filter.local_ports = Some(4..=4);
        assert!(filter.check().is_ok());
        assert_eq!(filter.families().collect::<Vec<_>>(), Family::ALL);
        filter.mark = Some((3, 1));
        assert!(filter.check().is_err());
    }
}

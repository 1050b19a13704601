//! Which way a packet would go.

use std::net::IpAddr;

use nix::errno::Errno;

use super::Route;
use crate::error::{Failure, Hints, Result};
use crate::handle::Handle;
use crate::link::LinkIndex;
use crate::wire::address::family;
use crate::wire::numbers::{
    RTA_DPORT, RTA_DST, RTA_IIF, RTA_IP_PROTO, RTA_MARK, RTA_OIF, RTA_SPORT, RTA_SRC, RTA_UID,
    RTM_F_FIB_MATCH, RTM_F_LOOKUP_TABLE, RTM_GETROUTE,
};
use crate::wire::route::read_any;
use crate::wire::{Request, write_some};

/// A packet whose way is asked for by [`Handle::route_get`].
///
/// ```no_run
/// use netlink::{Handle, RouteQuery};
///
/// let mut handle = Handle::open()?;
/// let route = handle.route_get(RouteQuery::to("192.0.2.1".parse()?).mark(7))?;
/// println!("from {:?} by link {:?}", route.source, route.device);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use = "Handle::route_get asks"]
pub struct RouteQuery {
    destination: IpAddr,
    source: Option<IpAddr>,
    input: Option<u32>,
    output: Option<u32>,
    mark: Option<u32>,
    uid: Option<u32>,
    tos: u8,
    ip_protocol: Option<u8>,
    source_port: Option<u16>,
    destination_port: Option<u16>,
    fib_match: bool,
}

impl From<IpAddr> for RouteQuery {
    fn from(destination: IpAddr) -> RouteQuery {
        RouteQuery::to(destination)
    }
}

impl RouteQuery {
    /// A packet to this address.
    pub fn to(destination: IpAddr) -> RouteQuery {
        RouteQuery {
            destination,
            source: None,
            input: None,
            output: None,
            mark: None,
            uid: None,
            tos: 0,
            ip_protocol: None,
            source_port: None,
            destination_port: None,
            fib_match: false,
        }
    }

    /// From this address.
    pub fn from_address(mut self, source: IpAddr) -> RouteQuery {
        self.source = Some(source);
        self
    }

    /// That came in by the link with this index; it needs the address that it is from.
    pub fn input(mut self, index: impl Into<LinkIndex>) -> RouteQuery {
        self.input = Some(index.into().0);
        self
    }

    /// That is bound to the link with this index.
    pub fn output(mut self, index: impl Into<LinkIndex>) -> RouteQuery {
        self.output = Some(index.into().0);
        self
    }

    /// With this mark.
    pub fn mark(mut self, mark: u32) -> RouteQuery {
        self.mark = Some(mark);
        self
    }

    /// Of this user. Without `CAP_NET_ADMIN` only the own can be asked for.
    pub fn uid(mut self, uid: u32) -> RouteQuery {
        self.uid = Some(uid);
        self
    }

    /// Of this type of service.
    pub fn tos(mut self, tos: u8) -> RouteQuery {
        self.tos = tos;
        self
    }

    /// Of this protocol, an `IPPROTO_` number, and these ports: from, to. Zero is not said.
    pub fn flow(mut self, ip_protocol: u8, source_port: u16, destination_port: u16) -> RouteQuery {
        self.ip_protocol = Some(ip_protocol);
        self.source_port = Some(source_port).filter(|port| *port != 0);
        self.destination_port = Some(destination_port).filter(|port| *port != 0);
        self
    }

    /// Asks for the table's route itself, and not for what becomes of this one packet.
    pub fn fib_match(mut self) -> RouteQuery {
        self.fib_match = true;
        self
    }

    fn check(&self) -> Result<(), Failure> {
        if self.source.is_some_and(|source| source.is_ipv4() != self.destination.is_ipv4()) {
            return Err(Failure::Input("the source is not of the destination's family".to_owned()));
        }
        Ok(())
    }

    fn write(&self, request: &mut Request) {
        let bits = |address: IpAddr| if address.is_ipv4() { 32 } else { 128 };
        // IPv6 tells the table unasked, and takes the question for an error.
        let mut flags = if self.destination.is_ipv4() { RTM_F_LOOKUP_TABLE } else { 0 };
        if self.fib_match {
            flags |= RTM_F_FIB_MATCH;
        }
        let source_bits = self.source.map_or(0, bits);
        let family = family(self.destination);
        let mut header = [family, bits(self.destination), source_bits, self.tos, 0, 0, 0, 0, 0, 0, 0, 0];
        header[8..].copy_from_slice(&flags.to_ne_bytes());
        request.begin(RTM_GETROUTE, 0, &header);
        request.ip(RTA_DST, self.destination);
        write_some!(
            request,
            ip RTA_SRC self.source,
            u32 RTA_IIF self.input,
            u32 RTA_OIF self.output,
            u32 RTA_MARK self.mark,
            u32 RTA_UID self.uid,
            u8 RTA_IP_PROTO self.ip_protocol,
            be16 RTA_SPORT self.source_port,
            be16 RTA_DPORT self.destination_port,
        );
    }
}

const ASKING: Hints<'static> = &[
    (Errno::ENETUNREACH, "no route leads there"),
    (Errno::EHOSTUNREACH, "no route leads there"),
    (Errno::EACCES, "a route or rule prohibits it"),
    (Errno::EINVAL, "a route or rule drops it, or no packet can come so"),
];

impl Handle {
    /// Asks which way a packet would go: the kernel goes through rules and tables as for a real one.
    ///
    /// The answer's source is the address that the packet would start from, its table the one the route was found in.
    ///
    /// # Errors
    /// [`Unreachable`](crate::ErrorKind::Unreachable): no route leads there.
    /// [`PermissionDenied`](crate::ErrorKind::PermissionDenied): it is prohibited.
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput): it is dropped (blackhole), or no packet can come so.
    /// [`NotFound`](crate::ErrorKind::NotFound): there is no such link.
    #[doc(alias = "RouteGet")]
    pub fn route_get(&mut self, query: impl Into<RouteQuery>) -> Result<Route> {
        let query = query.into();
        let doing = format_args!("ask for the route to {}", query.destination);
        let outcome = query.check().and_then(|()| {
            let mut request = self.room();
            query.write(&mut request);
            self.get(request, |message| read_any(message.payload))
        });
        outcome.map_err(|failure| failure.when(doing, ASKING))
    }
}

//! Routes.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use nix::errno::Errno;

use crate::address::Scope;
use crate::error::{Failure, Hints, Result};
use crate::handle::Handle;
use crate::ip_net::IpNet;
use crate::link_ref::LinkRef;
use crate::wire::numbers::{
    AF_INET, AF_INET6, NLM_F_CREATE, NLM_F_EXCL, RT_TABLE_MAIN, RTM_DELROUTE, RTM_GETROUTE, RTM_NEWROUTE,
};
use crate::wire::{self, Request};

/// A route: which way packets to a network go.
///
/// ```
/// use netlink::Route;
///
/// let route = Route::to("10.1.0.0/16".parse()?).via("10.0.41.1".parse()?).dev(3).metric(100);
/// assert_eq!(route.to_string(), "10.1.0.0/16 via 10.0.41.1 dev 3 metric 100");
/// assert_eq!(Route::default_via("10.0.41.1".parse()?).to_string(), "default via 10.0.41.1");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Route {
    /// Where it leads: `0.0.0.0/0` or `::/0` is everywhere. The host's bits are masked.
    pub destination: IpNet,
    /// The neighbour who takes the packets further; `None` where the destination is on the link.
    /// An IPv4 route may go by an IPv6 neighbour.
    pub gateway: Option<IpAddr>,
    /// The index of the link it goes by.
    pub device: Option<u32>,
    /// The own address that packets start from, unless their program chose another.
    pub source: Option<IpAddr>,
    /// Which of several routes to the same place is taken: that with the least.
    pub metric: Option<u32>,
    /// The table it is in; 254 is the main one.
    pub table: u32,
    /// What happens to packets.
    pub kind: RouteKind,
    /// Where it is valid. On input `None` is as ip-route(8) chooses.
    pub scope: Option<Scope>,
    /// Who made it, an `RTPROT_` number. On input `None` is 3, `boot`; to delete, anyone.
    pub protocol: Option<u8>,
    /// The neighbours that share the packets, where there are several.
    pub hops: Vec<NextHop>,
}

/// One of several ways of a [`Route`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextHop {
    /// The neighbour.
    pub gateway: Option<IpAddr>,
    /// The index of the link.
    pub device: Option<u32>,
    /// Its share of the packets, 1 or more.
    pub weight: u8,
}

/// What a route does with packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RouteKind {
    /// Sends them on.
    Unicast,
    /// Takes them in.
    Local,
    /// Takes them in, and sends them as broadcasts.
    Broadcast,
    /// Drops them silently.
    Blackhole,
    /// Drops them, and tells the sender "unreachable".
    Unreachable,
    /// Drops them, and tells the sender "prohibited".
    Prohibit,
    /// Ends the lookup in this table.
    Throw,
    /// Another `RTN_` number.
    Other(u8),
}

impl RouteKind {
    pub(crate) fn from_kernel(kind: u8) -> RouteKind {
        match kind {
            1 => RouteKind::Unicast,
            2 => RouteKind::Local,
            3 => RouteKind::Broadcast,
            6 => RouteKind::Blackhole,
            7 => RouteKind::Unreachable,
            8 => RouteKind::Prohibit,
            9 => RouteKind::Throw,
            other => RouteKind::Other(other),
        }
    }

    pub(crate) fn to_kernel(self) -> u8 {
        match self {
            RouteKind::Unicast => 1,
            RouteKind::Local => 2,
            RouteKind::Broadcast => 3,
            RouteKind::Blackhole => 6,
            RouteKind::Unreachable => 7,
            RouteKind::Prohibit => 8,
            RouteKind::Throw => 9,
            RouteKind::Other(other) => other,
        }
    }
}

impl Route {
    /// Begins a route to a network, in the main table.
    pub fn to(destination: IpNet) -> Route {
        Route {
            destination: destination.network(),
            gateway: None,
            device: None,
            source: None,
            metric: None,
            table: u32::from(RT_TABLE_MAIN),
            kind: RouteKind::Unicast,
            scope: None,
            protocol: None,
            hops: Vec::new(),
        }
    }

    /// Begins a route to everywhere, by a neighbour.
    pub fn default_via(gateway: IpAddr) -> Route {
        Route::to(everywhere(gateway)).via(gateway)
    }

    /// Sets the neighbour who takes the packets further.
    #[must_use]
    pub fn via(mut self, gateway: IpAddr) -> Route {
        self.gateway = Some(gateway);
        self
    }

    /// Sets the link, by its index. The kernel finds it by the gateway otherwise.
    #[must_use]
    pub fn dev(mut self, index: u32) -> Route {
        self.device = Some(index);
        self
    }

    /// Sets the own address that packets start from.
    #[must_use]
    pub fn source(mut self, source: IpAddr) -> Route {
        self.source = Some(source);
        self
    }

    /// Sets the metric: of several routes to the same place that with the least is taken.
    #[must_use]
    pub fn metric(mut self, metric: u32) -> Route {
        self.metric = Some(metric);
        self
    }

    /// Tells whether it leads everywhere.
    pub fn is_default(&self) -> bool {
        self.destination.prefix_len() == 0
    }

    /// Checks what the kernel would refuse without telling why, or take otherwise.
    fn check(&self) -> Result<(), Failure> {
        let v4 = self.destination.address().is_ipv4();
        if self.source.is_some_and(|source| source.is_ipv4() != v4) {
            return Err(Failure::Input("the source is not of the destination's family".to_owned()));
        }
        let mut gateways = self.hops.iter().map(|hop| hop.gateway).chain([self.gateway]).flatten();
        if !v4 && gateways.any(|gateway| gateway.is_ipv4()) {
            return Err(Failure::Input("an IPv6 route can't go by an IPv4 gateway".to_owned()));
        }
        Ok(())
    }
}

/// All of an address's family.
pub(crate) fn everywhere(family_of: IpAddr) -> IpNet {
    let any: IpAddr = match family_of {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    IpNet::new(any, 0).unwrap_or(any.into())
}

/// Written as ip-route(8) writes it, with the link's index for its name.
impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.destination {
            _ if self.is_default() => f.write_str("default")?,
            destination => write!(f, "{destination}")?,
        }
        self.gateway.map_or(Ok(()), |gateway| write!(f, " via {gateway}"))?;
        self.device.map_or(Ok(()), |device| write!(f, " dev {device}"))?;
        self.source.map_or(Ok(()), |source| write!(f, " src {source}"))?;
        self.metric.map_or(Ok(()), |metric| write!(f, " metric {metric}"))?;
        for hop in &self.hops {
            f.write_str(" nexthop")?;
            hop.gateway.map_or(Ok(()), |gateway| write!(f, " via {gateway}"))?;
            hop.device.map_or(Ok(()), |device| write!(f, " dev {device}"))?;
            write!(f, " weight {}", hop.weight)?;
        }
        Ok(())
    }
}

const HINTS: Hints<'static> = &[
    (Errno::EEXIST, "there is such a route already"),
    (Errno::ESRCH, "there is no such route"),
    (Errno::ENETUNREACH, "no link that is up leads to the gateway"),
    (Errno::EHOSTUNREACH, "no link that is up leads to the gateway"),
    (Errno::ENETDOWN, "the link is down"),
    (Errno::EINVAL, "the kernel takes no such route"),
];

impl Handle {
    /// Lists the routes of the main table, IPv4 first, then IPv6.
    ///
    /// # Errors
    /// [`Interrupted`](crate::ErrorKind::Interrupted): routes came and went each time the list was read.
    pub fn routes(&mut self) -> Result<Vec<Route>> {
        let mut routes = Vec::new();
        for family in [AF_INET, AF_INET6] {
            let found = self.main_routes(family).map_err(|failure| failure.when("list routes", &[]))?;
            routes.extend(found);
        }
        Ok(routes)
    }

    fn main_routes(&mut self, family: u8) -> Result<Vec<Route>, Failure> {
        let header = wire::route::list_header(family, RT_TABLE_MAIN);
        // A kernel without strict checking lists all tables, one without IPv6 all families.
        let wanted = |route: &Route| {
            route.table == u32::from(RT_TABLE_MAIN)
                && wire::address::family(route.destination.address()) == family
        };
        let request = Request::new(RTM_GETROUTE, 0, &header);
        match self.list(request, |message| wire::route::read(message).filter(wanted)) {
            // The kernel makes the table with its first route.
            Err(failure) if failure.errno() == Some(Errno::ENOENT) => Ok(Vec::new()),
            routes => routes,
        }
    }

    /// Adds a route.
    ///
    /// # Errors
    /// [`AlreadyExists`](crate::ErrorKind::AlreadyExists): there is one to the same place with that metric.
    /// [`Unreachable`](crate::ErrorKind::Unreachable): no link leads to the gateway, or it is down.
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput): its parts don't fit together.
    pub fn add_route(&mut self, route: &Route) -> Result<()> {
        self.change_route(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, route)
            .map_err(|failure| failure.when(format_args!("add route {route}"), HINTS))
    }

    /// Adds the route to everywhere by a neighbour of a link.
    ///
    /// # Errors
    /// As [`add_route`](Handle::add_route); [`NotFound`](crate::ErrorKind::NotFound): there is no such link.
    pub fn add_default_gateway<'a>(&mut self, gateway: IpAddr, link: impl Into<LinkRef<'a>>) -> Result<()> {
        let link = link.into();
        self.try_add_default_gateway(gateway, link)
            .map_err(|failure| failure.when(format_args!("add default gateway {gateway} on {link}"), HINTS))
    }

    fn try_add_default_gateway(&mut self, gateway: IpAddr, link: LinkRef<'_>) -> Result<(), Failure> {
        let route = Route::default_via(gateway).dev(self.index_of(link)?);
        self.change_route(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &route)
    }

    /// Deletes a route: one to that destination, in that table, with all else that is set.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound): there is no such route.
    pub fn delete_route(&mut self, route: &Route) -> Result<()> {
        self.change_route(RTM_DELROUTE, 0, route)
            .map_err(|failure| failure.when(format_args!("delete route {route}"), HINTS))
    }

    fn change_route(&mut self, kind: u16, flags: u16, route: &Route) -> Result<(), Failure> {
        route.check()?;
        self.change(wire::route::request(kind, flags, route), |_| {})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_that_do_not_fit_are_told_before_the_kernel_is_asked() {
        let v4 = Route::to("10.1.0.0/16".parse().unwrap());
        let v6 = Route::to("fd00::/64".parse().unwrap());
        let (ip4, ip6) = ("10.0.0.1".parse().unwrap(), "fe80::1".parse().unwrap());
        assert!(v4.clone().source(ip6).check().is_err());
        assert!(v6.clone().source(ip4).check().is_err());
        assert!(v6.clone().via(ip4).check().is_err());
        assert!(v6.via(ip6).check().is_ok());
        assert!(v4.clone().via(ip4).source(ip4).check().is_ok());
        assert!(v4.via(ip6).check().is_ok());
    }

    #[test]
    fn kinds_are_the_kernels_numbers() {
        for number in 0..=255 {
            assert_eq!(RouteKind::from_kernel(number).to_kernel(), number);
        }
    }

    #[test]
    fn a_route_is_written_as_ip_route_writes_it() {
        let mut route = Route::to("10.1.2.3/16".parse().unwrap()).source("10.0.0.9".parse().unwrap());
        route.hops = vec![NextHop { gateway: Some("10.0.0.1".parse().unwrap()), device: Some(2), weight: 3 }];
        assert_eq!(route.to_string(), "10.1.0.0/16 src 10.0.0.9 nexthop via 10.0.0.1 dev 2 weight 3");
    }
}

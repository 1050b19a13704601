//! Routes.

mod encap;
mod hop;
mod metrics;
mod mpls;
mod query;
mod segment;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use nix::errno::Errno;

pub use self::encap::{BpfProgram, Encap, IpEncap};
pub use self::hop::{NextHop, RouteFlags};
pub use self::metrics::{MetricLocks, RouteFeatures, RouteMetrics};
pub(crate) use self::mpls::HINTS as MPLS_HINTS;
pub(crate) use self::mpls::write_via;
pub use self::mpls::{MplsHop, MplsRoute};
pub use self::query::RouteQuery;
pub use self::segment::{Seg6, Seg6Action, Seg6Local, Seg6Mode};
use crate::Family;
use crate::address::Scope;
use crate::dump::{Dump, Slot, unreadable};
use crate::error::{Failure, Hints, Result};
use crate::handle::Handle;
use crate::ip_net::IpNet;
use crate::link::{LinkIndex, LinkRef};
use crate::wire::message::Message;
use crate::wire::numbers::{
    NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, RT_TABLE_MAIN, RTM_DELROUTE, RTM_NEWROUTE,
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
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Route {
    /// Where it leads: `0.0.0.0/0` or `::/0` is everywhere. The host's bits are masked.
    #[doc(alias = "RTA_DST")]
    pub destination: IpNet,
    /// The neighbour who takes the packets further; `None` where the destination is on the link.
    /// An IPv4 route may go by an IPv6 neighbour.
    #[doc(alias("RTA_GATEWAY", "RTA_VIA"))]
    pub gateway: Option<IpAddr>,
    /// The index of the link it goes by.
    #[doc(alias("RTA_OIF", "dev"))]
    pub device: Option<u32>,
    /// The own address that packets start from, unless their program chose another.
    #[doc(alias = "RTA_PREFSRC")]
    pub source: Option<IpAddr>,
    /// Which of several routes to the same place is taken: that with the least.
    #[doc(alias = "RTA_PRIORITY")]
    pub metric: Option<u32>,
    /// The table it is in; [`table::MAIN`](crate::table::MAIN) is the main one.
    #[doc(alias = "RTA_TABLE")]
    pub table: u32,
    /// What happens to packets.
    #[doc(alias = "rtm_type")]
    pub kind: RouteKind,
    /// Where it is valid. On input `None` is as ip-route(8) chooses.
    #[doc(alias = "rtm_scope")]
    pub scope: Option<Scope>,
    /// Who made it, a number of [`protocol`](crate::protocol). On input `None` is [`BOOT`](crate::protocol::BOOT); to
    /// delete, anyone.
    #[doc(alias = "rtm_protocol")]
    pub protocol: Option<u8>,
    /// The neighbours that share the packets, where there are several.
    #[doc(alias = "RTA_MULTIPATH")]
    pub hops: Vec<NextHop>,
    /// The number of the [next hop object](crate::NexthopObject) that it goes by. The object says gateway, link, ways
    /// and encapsulation: on input those here are not looked at then.
    #[doc(alias("RTA_NH_ID", "nhid"))]
    pub nexthop_id: Option<u32>,
    /// The network that packets must come from (IPv6; needs a kernel with subtrees).
    #[doc(alias = "RTA_SRC")]
    pub from: Option<IpNet>,
    /// The type of service that packets must have (IPv4).
    pub tos: u8,
    /// The index of the link that the packet came in by: in answers to [`route_get`](Handle::route_get) only.
    #[doc(alias = "RTA_IIF")]
    pub input: Option<u32>,
    /// Its state, and how its gateway is looked up.
    pub flags: RouteFlags,
    /// For how many seconds it is still there (IPv6); `None` for ever.
    #[doc(alias = "RTA_EXPIRES")]
    pub expires: Option<u32>,
    /// Which of several routers is taken (IPv6). On input `None` is medium; IPv6 always tells one.
    #[doc(alias = "RTA_PREF")]
    pub preference: Option<RouterPreference>,
    /// The realms of its packets (IPv4): where they come from in the upper 16 bits, where they go in the lower.
    #[doc(alias = "RTA_FLOW")]
    pub realms: Option<u32>,
    /// What connections over it begin with and are held to.
    #[doc(alias = "RTA_METRICS")]
    pub metrics: Option<Box<RouteMetrics>>,
    /// What its packets are wrapped into.
    #[doc(alias = "RTA_ENCAP")]
    pub encap: Option<Box<Encap>>,
}

/// Which of several routers is taken, as they say it themselves ([RFC 4191]).
///
/// [RFC 4191]: https://www.rfc-editor.org/rfc/rfc4191
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RouterPreference {
    /// Where there is no other.
    Low,
    /// As any other.
    Medium,
    /// Before others.
    High,
}

impl RouterPreference {
    pub(crate) fn from_kernel(preference: u8) -> Option<RouterPreference> {
        match preference {
            0 => Some(RouterPreference::Medium),
            1 => Some(RouterPreference::High),
            3 => Some(RouterPreference::Low),
            _ => None,
        }
    }

    pub(crate) fn to_kernel(self) -> u8 {
        match self {
            RouterPreference::Medium => 0,
            RouterPreference::High => 1,
            RouterPreference::Low => 3,
        }
    }
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
    /// Takes them in as one of several that have the address (IPv6).
    Anycast,
    /// Sends them to many.
    Multicast,
    /// Another `RTN_` number.
    Other(u8),
}

impl RouteKind {
    #[inline]
    pub(crate) fn from_kernel(kind: u8) -> RouteKind {
        match kind {
            1 => RouteKind::Unicast,
            2 => RouteKind::Local,
            3 => RouteKind::Broadcast,
            4 => RouteKind::Anycast,
            5 => RouteKind::Multicast,
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
            RouteKind::Anycast => 4,
            RouteKind::Multicast => 5,
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
    #[inline]
    pub fn to(destination: IpNet) -> Route {
        Route { destination: destination.network(), ..Route::any() }
    }

    /// To everywhere.
    #[inline]
    pub(crate) fn any() -> Route {
        Route {
            destination: IpNet::ANY_V4,
            gateway: None,
            device: None,
            source: None,
            metric: None,
            table: RT_TABLE_MAIN.into(),
            kind: RouteKind::Unicast,
            scope: None,
            protocol: None,
            hops: Vec::new(),
            nexthop_id: None,
            from: None,
            tos: 0,
            input: None,
            flags: RouteFlags::empty(),
            expires: None,
            preference: None,
            realms: None,
            metrics: None,
            encap: None,
        }
    }

    /// Begins a route to everywhere, by a neighbour.
    pub fn default_via(gateway: IpAddr) -> Route {
        Route::to(everywhere(gateway)).via(gateway)
    }

    /// Sets the neighbour who takes the packets further.
    #[must_use]
    #[inline]
    pub fn via(mut self, gateway: IpAddr) -> Route {
        self.gateway = Some(gateway);
        self
    }

    /// Sets the link: a [`Link`](crate::Link) or its index. The kernel finds it by the gateway otherwise.
    #[must_use]
    #[inline]
    pub fn dev(mut self, index: impl Into<LinkIndex>) -> Route {
        self.device = Some(index.into().0);
        self
    }

    /// Sets the own address that packets start from.
    #[must_use]
    #[inline]
    pub fn source(mut self, source: IpAddr) -> Route {
        self.source = Some(source);
        self
    }

    /// Sets the metric: of several routes to the same place that with the least is taken.
    #[must_use]
    #[inline]
    pub fn metric(mut self, metric: u32) -> Route {
        self.metric = Some(metric);
        self
    }

    /// Puts it into a table; [`table::MAIN`](crate::table::MAIN) is the main one.
    #[must_use]
    #[inline]
    pub fn table(mut self, table: u32) -> Route {
        self.table = table;
        self
    }

    /// Sets what happens to packets.
    #[must_use]
    pub fn kind(mut self, kind: RouteKind) -> Route {
        self.kind = kind;
        self
    }

    /// Takes the gateway for one on the link, whatever the link's addresses say.
    #[must_use]
    pub fn onlink(mut self) -> Route {
        self.flags |= RouteFlags::ONLINK;
        self
    }

    /// Goes by a [next hop object](crate::NexthopObject).
    #[must_use]
    pub fn nexthop(mut self, id: u32) -> Route {
        self.nexthop_id = Some(id);
        self
    }

    /// Sets what connections over it begin with and are held to.
    #[must_use]
    pub fn metrics(mut self, metrics: RouteMetrics) -> Route {
        self.metrics = Some(Box::new(metrics));
        self
    }

    /// Wraps its packets.
    #[must_use]
    pub fn encap(mut self, encap: Encap) -> Route {
        self.encap = Some(Box::new(encap));
        self
    }

    /// Tells whether it leads everywhere.
    pub fn is_default(&self) -> bool {
        self.destination.prefix_len() == 0
    }

    /// Writes a request about it.
    pub(crate) fn request(&self, request: &mut Request, kind: u16, flags: u16) -> Result<(), Failure> {
        self.check()?;
        if self.nexthop_id == Some(0) {
            return Err(Failure::Input("there is no next hop object 0".to_owned()));
        }
        let by_none = self.gateway.is_none() && self.device.is_none() && self.nexthop_id.is_none();
        if kind == RTM_NEWROUTE && self.kind == RouteKind::Unicast && by_none && self.hops.is_empty() {
            // The kernel says that there is no such device.
            return Err(Failure::Input("it leads nowhere: no gateway, link or next hop was said".to_owned()));
        }
        wire::route::write(request, kind, flags, self);
        Ok(())
    }

    /// Checks what the kernel would refuse without telling why, or take otherwise.
    fn check(&self) -> Result<(), Failure> {
        let v4 = self.destination.address().is_ipv4();
        if self.source.is_some_and(|source| source.is_ipv4() != v4) {
            return Err(Failure::Input("the source is not of the destination's family".to_owned()));
        }
        if self.from.is_some_and(|from| v4 || from.address().is_ipv4()) {
            return Err(Failure::Input("only IPv6 routes are chosen by where packets come from".to_owned()));
        }
        if v4 && (self.expires.is_some() || self.preference.is_some()) {
            return Err(Failure::Input("only IPv6 routes have an end of time or a preference".to_owned()));
        }
        if !v4 && (self.realms.is_some() || self.tos != 0) {
            return Err(Failure::Input("only IPv4 routes have realms or a type of service".to_owned()));
        }
        if !v4 && self.gateway.is_some_and(|gateway| gateway.is_ipv4()) {
            return Err(Failure::Input(BY_V4.to_owned()));
        }
        let is_plain = self.hops.is_empty() && self.metrics.is_none() && self.encap.is_none();
        if is_plain { Ok(()) } else { self.check_rest(v4) }
    }

    /// Checks what few routes have.
    #[cold]
    fn check_rest(&self, v4: bool) -> Result<(), Failure> {
        let mut gateways = self.hops.iter().filter_map(|hop| hop.gateway);
        if !v4 && gateways.any(|gateway| gateway.is_ipv4()) {
            return Err(Failure::Input(BY_V4.to_owned()));
        }
        if let Some(hop) = self.hops.iter().find(|hop| !(1..=256).contains(&hop.weight)) {
            return Err(Failure::Input(format!("a way's weight is 1 to 256, not {}", hop.weight)));
        }
        if let Some(metrics) = &self.metrics {
            metrics.check()?;
        }
        for encap in self.hops.iter().map(|hop| &hop.encap).chain([&self.encap]).flatten() {
            encap.check()?;
        }
        Ok(())
    }
}

const BY_V4: &str = "an IPv6 route can't go by an IPv4 gateway";

/// All of an address's family.
pub(crate) fn everywhere(family_of: IpAddr) -> IpNet {
    let any: IpAddr = match family_of {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    IpNet::new(any, 0).unwrap_or(any.into())
}

/// Written as ip-route(8) writes it: `blackhole`.
impl fmt::Display for RouteKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            RouteKind::Unicast => "unicast",
            RouteKind::Local => "local",
            RouteKind::Broadcast => "broadcast",
            RouteKind::Anycast => "anycast",
            RouteKind::Multicast => "multicast",
            RouteKind::Blackhole => "blackhole",
            RouteKind::Unreachable => "unreachable",
            RouteKind::Prohibit => "prohibit",
            RouteKind::Throw => "throw",
            RouteKind::Other(other) => return write!(f, "type {other}"),
        })
    }
}

/// Written as ip-route(8) writes it, with the link's index for its name.
impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.kind != RouteKind::Unicast {
            write!(f, "{} ", self.kind)?;
        }
        match self.destination {
            _ if self.is_default() => f.write_str("default")?,
            destination => write!(f, "{destination}")?,
        }
        self.from.map_or(Ok(()), |from| write!(f, " from {from}"))?;
        if self.tos != 0 {
            write!(f, " tos {:#x}", self.tos)?;
        }
        self.nexthop_id.map_or(Ok(()), |id| write!(f, " nhid {id}"))?;
        self.encap.as_ref().map_or(Ok(()), |encap| write!(f, " encap {encap}"))?;
        self.gateway.map_or(Ok(()), |gateway| write!(f, " via {gateway}"))?;
        self.device.map_or(Ok(()), |device| write!(f, " dev {device}"))?;
        if self.table != u32::from(RT_TABLE_MAIN) {
            write!(f, " table {}", self.table)?;
        }
        self.source.map_or(Ok(()), |source| write!(f, " src {source}"))?;
        self.metric.map_or(Ok(()), |metric| write!(f, " metric {metric}"))?;
        for hop in &self.hops {
            f.write_str(" nexthop")?;
            hop.encap.as_ref().map_or(Ok(()), |encap| write!(f, " encap {encap}"))?;
            hop.gateway.map_or(Ok(()), |gateway| write!(f, " via {gateway}"))?;
            hop.device.map_or(Ok(()), |device| write!(f, " dev {device}"))?;
            write!(f, " weight {}", hop.weight)?;
        }
        Ok(())
    }
}

pub(crate) const HINTS: Hints<'static> = &[
    (Errno::EEXIST, "there is such a route already"),
    (Errno::ESRCH, "there is no such route"),
    (Errno::ENETUNREACH, "no link that is up leads to the gateway"),
    (Errno::EHOSTUNREACH, "no link that is up leads to the gateway"),
    (Errno::ENETDOWN, "the link is down"),
    (Errno::EINVAL, "the kernel takes no such route"),
];

pub(crate) const CHANGING: Hints<'static> = &[
    (Errno::ENOENT, "there is no such route"),
    (Errno::ENETUNREACH, "no link that is up leads to the gateway"),
    (Errno::EHOSTUNREACH, "no link that is up leads to the gateway"),
];

/// Which routes to list. The kernel knows table, family, device, protocol and kind; the rest is left out here.
///
/// ```no_run
/// use netlink::{Handle, RouteFilter};
///
/// let mut covering = RouteFilter::default();
/// covering.covering = Some("10.0.41.2".parse()?);
/// let best = Handle::open()?.list_routes(covering)?.into_iter().max_by_key(|route| route.destination.prefix_len());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RouteFilter {
    /// Those of this table; [`table::MAIN`](crate::table::MAIN) is the main one.
    pub table: Option<u32>,
    /// Those of IPv4 or of IPv6.
    pub family: Option<Family>,
    /// Those that go by the link with this index.
    pub device: Option<u32>,
    /// Those made by this number of [`protocol`](crate::protocol).
    pub protocol: Option<u8>,
    /// Those that do this with packets.
    pub kind: Option<RouteKind>,
    /// Those that are valid there.
    pub scope: Option<Scope>,
    /// Those that lead to exactly this network.
    #[doc(alias = "exact")]
    pub destination: Option<IpNet>,
    /// Those that lead to this network or a part of it.
    #[doc(alias = "root")]
    pub within: Option<IpNet>,
    /// Those that lead to all of this network: the one that packets to it take is the longest.
    #[doc(alias = "match")]
    pub covering: Option<IpNet>,
    /// Those by this neighbour.
    pub gateway: Option<IpAddr>,
}

impl RouteFilter {
    fn request(self, handle: &mut Handle) -> Request {
        let mut request = handle.room();
        wire::route::write_list(&mut request, self);
        request
    }

    /// Tells whether none of the family is left out.
    fn wants_all(self) -> bool {
        RouteFilter { family: None, ..self } == RouteFilter::default()
    }

    /// Reads a route where it goes; `all` is that none of the family is left out.
    #[inline]
    fn read_into(&self, all: bool, message: &Message<'_>, slot: &mut Slot<Route>) {
        let Some(header) = wire::route::header_of_table(message.payload) else { return };
        if self.family.is_some_and(|family| family.to_kernel() != header[0]) {
            return;
        }
        let Some(begun) = wire::route::begun(header) else { return };
        let Ok(route) = slot.insert(Ok(begun)) else { return };
        if wire::route::read_all(route, header, message.payload).is_none() {
            *slot = Some(unreadable("routes"));
        } else if !(all || self.matches(route)) {
            *slot = None;
        }
    }

    /// Before Linux 4.20 the kernel lists all tables, and one without IPv6 lists all families.
    #[inline(never)]
    fn matches(&self, route: &Route) -> bool {
        let goes_by = |index| {
            let mut devices = route.hops.iter().map(|hop| hop.device).chain([route.device]);
            devices.any(|device| device == Some(index))
        };
        let by_neighbour = |gateway| {
            let mut gateways = route.hops.iter().map(|hop| hop.gateway).chain([route.gateway]);
            gateways.any(|one| one == Some(gateway))
        };
        self.table.is_none_or(|table| table == route.table)
            && self.family.is_none_or(|family| family == Family::of(route.destination.address()))
            && self.device.is_none_or(goes_by)
            && self.protocol.is_none_or(|protocol| route.protocol == Some(protocol))
            && self.kind.is_none_or(|kind| kind == route.kind)
            && self.scope.is_none_or(|scope| route.scope == Some(scope))
            && self.destination.is_none_or(|destination| destination.network() == route.destination)
            && self.within.is_none_or(|net| net.contains_net(route.destination))
            && self.covering.is_none_or(|net| route.destination.contains_net(net))
            && self.gateway.is_none_or(by_neighbour)
    }
}

impl Handle {
    /// Lists the routes of the main table, IPv4 first, then IPv6.
    ///
    /// # Errors
    /// [`Interrupted`](crate::ErrorKind::Interrupted): routes came and went each time the list was read.
    #[doc(alias = "RouteList")]
    pub fn routes(&mut self) -> Result<Vec<Route>> {
        self.list_routes(RouteFilter { table: Some(RT_TABLE_MAIN.into()), ..RouteFilter::default() })
    }

    /// Lists some routes, IPv4 first, then IPv6. The kernel leaves the others out where it can.
    ///
    /// # Errors
    /// Those of [`routes`](Handle::routes).
    #[doc(alias = "RouteListFiltered")]
    pub fn list_routes(&mut self, filter: RouteFilter) -> Result<Vec<Route>> {
        let all = filter.wants_all();
        let read = |message: &Message<'_>, slot: &mut Slot<Route>| filter.read_into(all, message, slot);
        match self.list_in_place(|handle| filter.request(handle), read) {
            // The kernel makes a table with its first route.
            Err(failure) if failure.errno() == Some(Errno::ENOENT) => Ok(Vec::new()),
            routes => routes.map_err(|failure| failure.when("list routes", &[])),
        }
    }

    /// Lists some routes, one at a time.
    ///
    /// # Errors
    /// The kernel did not answer. What goes wrong later the items tell.
    pub fn dump_routes(&mut self, filter: RouteFilter) -> Result<Dump<'_, Route>> {
        let request = filter.request(self);
        let all = filter.wants_all();
        Dump::begin_in_place(self, request, "routes", &[], move |message, slot| {
            filter.read_into(all, message, slot);
        })
        // The kernel makes a table with its first route.
        .map(|dump| dump.or_empty(Errno::ENOENT))
        .map_err(|failure| failure.when("list routes", &[]))
    }

    /// Adds a route.
    ///
    /// # Errors
    /// [`AlreadyExists`](crate::ErrorKind::AlreadyExists): there is one to the same place with that metric.
    /// [`Unreachable`](crate::ErrorKind::Unreachable): no link leads to the gateway, or it is down.
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput): its parts don't fit together.
    #[doc(alias = "RouteAdd")]
    pub fn add_route(&mut self, route: &Route) -> Result<()> {
        self.set_route(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, route)
            .map_err(|failure| failure.when(format_args!("add route {route}"), HINTS))
    }

    /// Adds a route, or takes the place of one to the same destination with that metric.
    ///
    /// # Errors
    /// [`Unreachable`](crate::ErrorKind::Unreachable): no link leads to the gateway, or it is down.
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput): its parts don't fit together.
    #[doc(alias = "RouteReplace")]
    pub fn replace_route(&mut self, route: &Route) -> Result<()> {
        self.set_route(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, route)
            .map_err(|failure| failure.when(format_args!("replace route {route}"), HINTS))
    }

    /// Changes the route to the same destination with that metric; with none there, nothing is added.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound): there is none. Otherwise as [`replace_route`](Handle::replace_route).
    #[doc(alias = "RouteChange")]
    pub fn change_route(&mut self, route: &Route) -> Result<()> {
        self.set_route(RTM_NEWROUTE, NLM_F_REPLACE, route)
            .map_err(|failure| failure.when(format_args!("change route {route}"), CHANGING))
    }

    /// Adds a route behind those to the same destination with that metric: IPv4 takes it when the others are gone,
    /// IPv6 makes them ways of one route.
    ///
    /// # Errors
    /// [`AlreadyExists`](crate::ErrorKind::AlreadyExists): there is this very route.
    /// Otherwise as [`add_route`](Handle::add_route).
    #[doc(alias = "RouteAppend")]
    pub fn append_route(&mut self, route: &Route) -> Result<()> {
        self.set_route(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_APPEND, route)
            .map_err(|failure| failure.when(format_args!("append route {route}"), HINTS))
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
        self.set_route(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &route)
    }

    /// Deletes a route: one to that destination, in that table, with all else that is set. Of IPv6 the kernel doesn't
    /// look at its [kind](Route::kind).
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound): there is no such route.
    #[doc(alias = "RouteDel")]
    pub fn delete_route(&mut self, route: &Route) -> Result<()> {
        self.set_route(RTM_DELROUTE, 0, route)
            .map_err(|failure| failure.when(format_args!("delete route {route}"), HINTS))
    }

    fn set_route(&mut self, kind: u16, flags: u16, route: &Route) -> Result<(), Failure> {
        let mut request = self.room();
        route.request(&mut request, kind, flags)?;
        self.change(request, |_| {})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Left out, it would be missed by nobody.
    #[test]
    fn a_route_that_can_not_be_read_is_an_error_in_its_place() {
        let header = [2, 24, 0, 0, 254, 3, 0, 1, 0, 0, 0, 0];
        let odd = [&header[..], &[9, 0, 1, 0, 10, 0, 0, 0, 1, 0, 0, 0]].concat();
        let mut slot = None;
        RouteFilter::default().read_into(
            true,
            &Message { kind: 0, flags: 0, sequence: 0, payload: &odd },
            &mut slot,
        );
        assert_eq!(slot.unwrap().unwrap_err().kind(), crate::ErrorKind::Protocol);
        let mut slot = None;
        let other = [&[28][..], &odd[1..]].concat();
        RouteFilter::default().read_into(
            true,
            &Message { kind: 0, flags: 0, sequence: 0, payload: &other },
            &mut slot,
        );
        assert!(slot.is_none());
    }

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
        route.hops = vec![NextHop::via("10.0.0.1".parse().unwrap()).dev(2).weight(3)];
        assert_eq!(route.to_string(), "10.1.0.0/16 src 10.0.0.9 nexthop via 10.0.0.1 dev 2 weight 3");
    }
}

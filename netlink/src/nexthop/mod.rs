//! Next hop objects: ways that many routes share.

mod group;

use std::fmt;
use std::net::IpAddr;

use nix::errno::Errno;

pub use self::group::{NexthopBucket, NexthopBucketFilter, NexthopMember, Resilient};
use crate::Family;
use crate::LinkIndex;
use crate::address::Scope;
use crate::dump::Dump;
use crate::error::{ErrorKind, Failure, Hints, Result};
use crate::handle::Handle;
use crate::route::{Encap, RouteFlags};
use crate::wire::attribute::Attributes;
use crate::wire::message::Message;
use crate::wire::numbers::{
    AF_UNSPEC, NHA_BLACKHOLE, NHA_ENCAP, NHA_ENCAP_TYPE, NHA_FDB, NHA_GATEWAY, NHA_GROUP, NHA_GROUP_TYPE,
    NHA_GROUPS, NHA_ID, NHA_MASTER, NHA_OIF, NHA_RES_GROUP, NLM_F_CREATE, NLM_F_ECHO, NLM_F_EXCL,
    NLM_F_REPLACE, RTM_DELNEXTHOP, RTM_GETNEXTHOP, RTM_NEWNEXTHOP, RTPROT_BOOT,
};
use crate::wire::{Request, u32_at, write_some};

const HEADER: usize = 8;

/// A next hop object ([ip-nexthop(8)]): a way, or a group of ways, that routes go by with
/// [`Route::nexthop`](crate::Route::nexthop). When it changes, it changes for all of them.
///
/// ```no_run
/// use netlink::{Handle, NexthopObject, Route};
///
/// let mut handle = Handle::open()?;
/// let device = handle.link("eth0")?.index;
/// let first = handle.add_nexthop(&NexthopObject::via("10.0.0.1".parse()?, device))?;
/// let second = handle.add_nexthop(&NexthopObject::via("10.0.0.2".parse()?, device))?;
/// let group = handle.add_nexthop(&NexthopObject::group([first, second]))?;
/// handle.add_route(&Route::to("10.9.0.0/16".parse()?).nexthop(group))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// [ip-nexthop(8)]: https://man7.org/linux/man-pages/man8/ip-nexthop.8.html
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct NexthopObject {
    /// Its number; on input 0 lets the kernel choose one.
    pub id: u32,
    /// Of which family the routes are that it is for; `None` for groups. On input `None` is the gateway's
    /// family, or else IPv4. An IPv4 route may go by an IPv6 gateway.
    pub family: Option<Family>,
    /// The neighbour.
    pub gateway: Option<IpAddr>,
    /// The index of the link.
    pub device: Option<u32>,
    /// It drops packets silently.
    pub blackhole: bool,
    /// It is for the addresses of VXLAN links, not for routes; it has no link.
    pub fdb: bool,
    /// Its state, and how its gateway is looked up.
    pub flags: RouteFlags,
    /// Where it is valid; not on input.
    pub scope: Option<Scope>,
    /// Who made it, a number of [`protocol`](crate::protocol). On input `None` is [`BOOT`](crate::protocol::BOOT).
    pub protocol: Option<u8>,
    /// What packets are wrapped into.
    pub encap: Option<Box<Encap>>,
    /// Of a group: the objects that share the packets.
    pub members: Vec<NexthopMember>,
    /// Of a group that keeps connections on their ways when the members change.
    pub resilient: Option<Resilient>,
}

impl NexthopObject {
    /// A way by a neighbour on a link.
    pub fn via(gateway: IpAddr, device: impl Into<LinkIndex>) -> NexthopObject {
        NexthopObject { gateway: Some(gateway), device: Some(device.into().0), ..NexthopObject::default() }
    }

    /// A way that drops packets, for IPv4 (true) or IPv6 (false).
    pub fn blackhole(family: Family) -> NexthopObject {
        NexthopObject { blackhole: true, family: Some(family), ..NexthopObject::default() }
    }

    /// A group whose members share the packets equally.
    pub fn group(members: impl IntoIterator<Item = u32>) -> NexthopObject {
        let members = members.into_iter().map(|id| NexthopMember { id, weight: 1 }).collect();
        NexthopObject { members, ..NexthopObject::default() }
    }

    /// Sets its number.
    #[must_use]
    pub fn id(mut self, id: u32) -> NexthopObject {
        self.id = id;
        self
    }

    /// Writes the request to add or change it.
    pub(crate) fn request(&self, request: &mut Request, flags: u16) -> Result<(), Failure> {
        self.check()?;
        self.write(request, flags);
        Ok(())
    }

    /// Writes the request to change the one with its number.
    pub(crate) fn replace_request(&self, request: &mut Request) -> Result<(), Failure> {
        if self.id == 0 {
            return Err(Failure::Input("it has no number".to_owned()));
        }
        self.request(request, NLM_F_CREATE | NLM_F_REPLACE)
    }

    fn check(&self) -> Result<(), Failure> {
        let input = |why: &str| Err(Failure::Input(why.to_owned()));
        let is_way =
            self.gateway.is_some() || self.device.is_some() || self.blackhole || self.encap.is_some();
        if !self.members.is_empty() && is_way {
            return input("a group has no gateway, link or encapsulation of its own");
        }
        if self.members.is_empty() && self.resilient.is_some() {
            return input("only a group can be resilient");
        }
        if self.members.iter().any(|member| member.weight == 0) {
            return input("a member's weight is 1 or more");
        }
        if self.family.is_some_and(|family| self.gateway.is_some_and(|gateway| Family::of(gateway) != family))
        {
            return input("the gateway is not of its family");
        }
        self.encap.as_ref().map_or(Ok(()), |encap| encap.check())
    }

    fn family(&self) -> u8 {
        // The kernel takes a family for groups of VXLAN only.
        if !self.members.is_empty() {
            return AF_UNSPEC;
        }
        self.family.or(self.gateway.map(Family::of)).unwrap_or(Family::Ipv4).to_kernel()
    }

    fn write(&self, request: &mut Request, flags: u16) {
        let mut header = [self.family(), 0, self.protocol.unwrap_or(RTPROT_BOOT), 0, 0, 0, 0, 0];
        header[4..].copy_from_slice(&self.flags.to_send().bits().to_ne_bytes());
        request.begin(RTM_NEWNEXTHOP, flags, &header);
        let flag: &[u8] = &[];
        write_some!(
            request,
            u32 NHA_ID Some(self.id).filter(|id| *id != 0),
            bytes NHA_BLACKHOLE self.blackhole.then_some(flag),
            bytes NHA_FDB self.fdb.then_some(flag),
            ip NHA_GATEWAY self.gateway,
            u32 NHA_OIF self.device,
        );
        if let Some(encap) = &self.encap {
            encap.write(request, NHA_ENCAP_TYPE, NHA_ENCAP);
        }
        if !self.members.is_empty() {
            group::write(request, &self.members);
            request.u16(NHA_GROUP_TYPE, self.resilient.is_some().into());
        }
        if let Some(resilient) = &self.resilient {
            request.nest_unless_empty(NHA_RES_GROUP, |request| resilient.write(request));
        }
    }

    pub(crate) fn read(payload: &[u8]) -> Option<NexthopObject> {
        let header: &[u8; HEADER] = payload.first_chunk()?;
        let mut read = NexthopObject {
            family: Family::from_kernel(header[0]),
            scope: Some(Scope::from_kernel(header[1])),
            protocol: Some(header[2]),
            flags: RouteFlags::from_bits_retain(u32_at(header, 4)?),
            ..NexthopObject::default()
        };
        let (mut encap, mut attributes) = (None, None);
        for attribute in Attributes::after(HEADER, payload) {
            match attribute.kind {
                NHA_ID => read.id = attribute.u32()?,
                NHA_GATEWAY => read.gateway = attribute.ip(),
                NHA_OIF => read.device = attribute.u32(),
                NHA_BLACKHOLE => read.blackhole = true,
                NHA_FDB => read.fdb = true,
                NHA_GROUP => read.members = group::read(attribute.payload),
                NHA_RES_GROUP => read.resilient = Some(Resilient::read(attribute)),
                NHA_ENCAP_TYPE => encap = attribute.u16(),
                NHA_ENCAP => attributes = Some(attribute.payload),
                _ => {}
            }
        }
        // A blackhole goes by loopback, which can't be said.
        read.device = read.device.filter(|_| !read.blackhole);
        read.encap = encap.zip(attributes).map(|(kind, attributes)| Box::new(Encap::read(kind, attributes)));
        Some(read)
    }
}

/// Writes the request to delete one.
pub(crate) fn write_delete(request: &mut Request, id: u32) {
    request.begin(RTM_DELNEXTHOP, 0, &[0; HEADER]);
    request.u32(NHA_ID, id);
}

/// Written as in a command of ip-nexthop(8).
impl fmt::Display for NexthopObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "id {}", self.id)?;
        for (place, member) in self.members.iter().enumerate() {
            write!(f, "{}{member}", if place == 0 { " group " } else { "/" })?;
        }
        self.encap.as_ref().map_or(Ok(()), |encap| write!(f, " encap {encap}"))?;
        self.gateway.map_or(Ok(()), |gateway| write!(f, " via {gateway}"))?;
        self.device.map_or(Ok(()), |device| write!(f, " dev {device}"))?;
        f.write_str(if self.blackhole { " blackhole" } else { "" })?;
        f.write_str(if self.fdb { " fdb" } else { "" })
    }
}

pub(crate) const HINTS: Hints<'static> = &[
    (Errno::EEXIST, "there is one with that number already"),
    (Errno::ENOENT, "there is none with that number"),
    (Errno::ENETDOWN, "the link is down"),
    (Errno::EOPNOTSUPP, "this kernel has no such next hop objects"),
];

/// Which next hop objects to list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NexthopFilter {
    /// Those of IPv4 or of IPv6, which no group is.
    pub family: Option<Family>,
    /// Those that go by the link with this index.
    pub device: Option<u32>,
    /// Those that go by links of the bridge, bond or VRF with this index.
    pub master: Option<u32>,
    /// Groups only.
    pub groups: bool,
    /// Those for VXLAN links only.
    pub fdb: bool,
    /// Those made by this number of [`protocol`](crate::protocol).
    pub protocol: Option<u8>,
}

impl NexthopFilter {
    fn request(self, handle: &mut Handle) -> Request {
        let mut request = handle.room();
        let mut header = [0; HEADER];
        header[0] = Family::or_any(self.family);
        request.begin(RTM_GETNEXTHOP, 0, &header);
        let flag: &[u8] = &[];
        write_some!(
            request,
            u32 NHA_OIF self.device,
            bytes NHA_GROUPS self.groups.then_some(flag),
            u32 NHA_MASTER self.master,
            bytes NHA_FDB self.fdb.then_some(flag),
        );
        request
    }

    fn read(self, message: &Message<'_>) -> Option<NexthopObject> {
        NexthopObject::read(message.payload).filter(|nexthop| self.matches(nexthop))
    }

    /// Of the master they don't tell: only the kernel knows it.
    fn matches(self, nexthop: &NexthopObject) -> bool {
        (self.family.is_none() || self.family == nexthop.family)
            && (self.device.is_none() || self.device == nexthop.device)
            && (!self.groups || !nexthop.members.is_empty())
            && (!self.fdb || nexthop.fdb)
            && (self.protocol.is_none() || self.protocol == nexthop.protocol)
    }
}

impl Handle {
    /// Lists all next hop objects.
    ///
    /// # Errors
    /// [`Interrupted`](crate::ErrorKind::Interrupted): they came and went each time the list was read.
    pub fn nexthops(&mut self) -> Result<Vec<NexthopObject>> {
        self.list_nexthops(NexthopFilter::default())
    }

    /// Lists some next hop objects. The kernel leaves the others out where it can.
    ///
    /// # Errors
    /// Those of [`nexthops`](Handle::nexthops); [`InvalidInput`](crate::ErrorKind::InvalidInput) where the filter has
    /// a link or master that can't be.
    pub fn list_nexthops(&mut self, filter: NexthopFilter) -> Result<Vec<NexthopObject>> {
        self.list(|handle| filter.request(handle), |message| filter.read(message))
            .map_err(|failure| failure.when("list next hops", HINTS))
    }

    /// Lists some next hop objects, one at a time.
    ///
    /// # Errors
    /// The kernel did not answer. What goes wrong later the items tell.
    pub fn dump_nexthops(&mut self, filter: NexthopFilter) -> Result<Dump<'_, NexthopObject>> {
        let request = filter.request(self);
        Dump::begin(self, request, "next hops", HINTS, move |message| filter.read(message))
            .map_err(|failure| failure.when("list next hops", HINTS))
    }

    /// Finds a next hop object by its number.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound): there is none.
    pub fn nexthop(&mut self, id: u32) -> Result<NexthopObject> {
        let mut request = self.room();
        request.begin(RTM_GETNEXTHOP, 0, &[0; HEADER]);
        request.u32(NHA_ID, id);
        self.get(request, |message| NexthopObject::read(message.payload))
            .map_err(|failure| failure.when(format_args!("find next hop {id}"), HINTS))
    }

    /// Adds a next hop object, and returns its number.
    ///
    /// # Errors
    /// [`AlreadyExists`](crate::ErrorKind::AlreadyExists): the number is taken.
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput): its parts don't fit together, or it has no such members.
    pub fn add_nexthop(&mut self, nexthop: &NexthopObject) -> Result<u32> {
        self.set_nexthop(NLM_F_CREATE | NLM_F_EXCL, nexthop)
            .map_err(|failure| failure.when(format_args!("add next hop {nexthop}"), HINTS))
    }

    /// Adds a next hop object, or takes the place of the one with that number for all routes that go by it.
    ///
    /// # Errors
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput): it has no number, its parts don't fit together or to the old
    /// one.
    pub fn replace_nexthop(&mut self, nexthop: &NexthopObject) -> Result<()> {
        let mut request = self.room();
        let outcome = nexthop.replace_request(&mut request).and_then(|()| self.change(request, |_| {}));
        outcome.map_err(|failure| failure.when(format_args!("replace next hop {nexthop}"), HINTS))
    }

    fn set_nexthop(&mut self, flags: u16, nexthop: &NexthopObject) -> Result<u32, Failure> {
        let mut request = self.room();
        nexthop.request(&mut request, flags | NLM_F_ECHO)?;
        let mut made = None;
        self.change(request, |message| made = NexthopObject::read(message.payload).or(made.take()))?;
        match made {
            Some(made) => Ok(made.id),
            None if nexthop.id != 0 => Ok(nexthop.id),
            None => Err(Failure::Protocol("the kernel did not tell the number it chose")),
        }
    }

    /// Deletes a next hop object. Routes that go by it go with it, and groups lose a member.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound): there is none with that number.
    pub fn delete_nexthop(&mut self, id: u32) -> Result<()> {
        let mut request = self.room();
        write_delete(&mut request, id);
        self.change(request, |_| {})
            .map_err(|failure| failure.when(format_args!("delete next hop {id}"), HINTS))
    }

    /// Deletes all next hop objects that match: lists them, and deletes them in a batch. Those that are gone by then
    /// are no error. It returns how many it deleted.
    ///
    /// # Errors
    /// Those of [`list_nexthops`](Handle::list_nexthops) and [`delete_nexthop`](Handle::delete_nexthop): the first.
    pub fn flush_nexthops(&mut self, filter: NexthopFilter) -> Result<usize> {
        let found = self.list_nexthops(filter)?;
        let mut batch = self.batch();
        for nexthop in &found {
            batch.delete_nexthop(nexthop.id);
        }
        let mut deleted = 0;
        for result in batch.send() {
            match result {
                Ok(()) => deleted += 1,
                // A group goes with its last member.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(deleted)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_written_object_is_read_back() {
        let mut way = NexthopObject::via("fe80::1".parse().unwrap(), 3).id(7);
        (way.protocol, way.family, way.encap) =
            (Some(4), Some(Family::Ipv6), Some(Box::new(Encap::mpls([100]))));
        let mut group = NexthopObject::group([7, 8]).id(9);
        group.members[1].weight = 300;
        group.protocol = Some(3);
        let mut resilient = Resilient::default();
        (resilient.buckets, resilient.idle_timer) = (Some(32), Some(Duration::from_secs(60)));
        group.resilient = Some(resilient);
        for mut object in [way, group, NexthopObject::blackhole(Family::Ipv4).id(4)] {
            let mut request = Request::default();
            object.write(&mut request, 0);
            object.protocol = object.protocol.or(Some(RTPROT_BOOT));
            object.scope = Some(Scope::Universe);
            assert_eq!(NexthopObject::read(&request.sent()[16..]), Some(object));
        }
        assert_eq!(NexthopObject::read(&[2; 7]), None);
    }

    #[test]
    fn what_does_not_fit_together_is_told_before_the_kernel_is_asked() {
        let mut group = NexthopObject::group([1]);
        group.device = Some(2);
        assert!(group.check().is_err());
        let mut way = NexthopObject::via("10.0.0.1".parse().unwrap(), 2);
        way.check().unwrap();
        way.family = Some(Family::Ipv6);
        assert!(way.check().is_err());
        let mut weightless = NexthopObject::group([1]);
        weightless.members[0].weight = 0;
        assert!(weightless.check().is_err());
    }
}

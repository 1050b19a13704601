//! Filters: which packets, and what is done with them.

mod bpf;
mod flower;
mod matchall;
mod u32;

pub use self::bpf::BpfFilter;
pub use self::flower::{Flower, Masked, VlanKey};
pub use self::matchall::{Basic, CgroupFilter, Fw, Matchall};
pub use self::u32::{U32, U32Handle, U32Key, U32Mark, U32Offset};

use std::fmt;

use nix::errno::Errno;

use super::place::{Block, Place};
use super::{TcHandle, kinds, kinds_from};
use crate::dump::Dump;
use crate::error::{Failure, Hints, Result};
use crate::handle::Handle;
use crate::wire::Request;
use crate::wire::attribute::{Attribute, Attributes};
use crate::wire::message::Message;
use crate::wire::numbers::{NLM_F_CREATE, NLM_F_ECHO, NLM_F_EXCL};
use crate::wire::tc::numbers::{
    RTM_DELTFILTER, RTM_GETTFILTER, RTM_NEWTFILTER, TCA_CHAIN, TCA_KIND, TCA_OPTIONS,
};
use crate::wire::tc::{self, BLOCK, Header};

/// Of the flags of a filter, those that a request may have (`TCA_CLS_FLAGS_SKIP_HW`, `_SKIP_SW`); the others tell where
/// it is.
const FLAGS_TO_SET: u32 = 3;

/// A filter: which packets go to a class, or what else is done with them.
///
/// ```no_run
/// use netlink::Handle;
/// use netlink::tc::{Filter, TcHandle, U32};
///
/// let dns = U32::new().udp().dst_port(53).class("1:10".parse()?);
/// Handle::open()?.add_filter("eth0", &Filter::new(TcHandle::qdisc(1), dns))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Filter {
    /// The index of its link; 0 where it is in a block. On input it is not looked at: the place is told apart.
    pub index: u32,
    /// The block it is in. On input it is not looked at.
    pub block: Option<Block>,
    /// The qdisc or class at which it is. On input it is not looked at for one in a block.
    pub parent: TcHandle,
    /// Its number among those of one priority; what it means is the kind's own ([`U32Handle`] for u32). On input 0
    /// lets the kernel choose.
    pub handle: u32,
    /// Which filters come first: those with the least. On input 0 lets the kernel choose, from 49152 down.
    pub priority: u16,
    /// Which packets it looks at at all.
    pub protocol: Protocol,
    /// The chain it is in; 0 is where all begin.
    pub chain: u32,
    /// What it is, and how.
    pub kind: FilterKind,
}

kinds! {
    /// What a filter is, and how.
    FilterKind, TCA_OPTIONS {
        /// By bytes at places in the packet.
        U32(U32) = "u32",
        /// All packets.
        Matchall(Matchall) = "matchall",
        /// By a program.
        Bpf(BpfFilter) = "bpf",
        /// By the mark.
        Fw(Fw) = "fw",
        /// All packets, as matchall; what else it can is not known here.
        Basic(Basic) = "basic",
        /// By the control group of who sent it.
        Cgroup(CgroupFilter) = "cgroup",
    }
    boxed {
        /// By the fields of its headers.
        Flower(Flower) = "flower",
    }
}

kinds_from!(FilterKind: U32 Matchall Fw Basic);

impl From<BpfFilter> for FilterKind {
    fn from(filter: BpfFilter) -> Self {
        FilterKind::Bpf(filter)
    }
}

impl From<CgroupFilter> for FilterKind {
    fn from(filter: CgroupFilter) -> Self {
        FilterKind::Cgroup(filter)
    }
}

/// Which packets a filter looks at: their `EtherType`.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Protocol(pub u16);

impl Protocol {
    /// All packets.
    pub const ALL: Protocol = Protocol(0x0003);
    /// IPv4.
    pub const IP: Protocol = Protocol(0x0800);
    /// ARP.
    pub const ARP: Protocol = Protocol(0x0806);
    /// IPv6.
    pub const IPV6: Protocol = Protocol(0x86dd);
    /// With a VLAN mark, 802.1Q.
    pub const VLAN: Protocol = Protocol(0x8100);
    /// With a provider's VLAN mark, 802.1ad.
    pub const QINQ: Protocol = Protocol(0x88a8);
    /// MPLS.
    pub const MPLS: Protocol = Protocol(0x8847);
}

/// Written as tc(8) writes it.
impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match *self {
            Protocol::ALL => "all",
            Protocol::IP => "ip",
            Protocol::ARP => "arp",
            Protocol::IPV6 => "ipv6",
            Protocol::VLAN => "802.1Q",
            Protocol::QINQ => "802.1ad",
            Protocol::MPLS => "mpls_uc",
            Protocol(other) => return write!(f, "{other:#06x}"),
        })
    }
}

impl fmt::Debug for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Filter {
    /// Begins a filter at a qdisc or class: [`CLSACT_INGRESS`](TcHandle::CLSACT_INGRESS),
    /// [`INGRESS_QDISC`](TcHandle::INGRESS_QDISC), `1:`. It looks at all packets, or those that its kind speaks of.
    pub fn new(parent: TcHandle, kind: impl Into<FilterKind>) -> Filter {
        let kind = kind.into();
        let protocol = match &kind {
            FilterKind::U32(filter) => filter.protocol(),
            FilterKind::Flower(filter) => filter.protocol(),
            _ => Protocol::ALL,
        };
        Filter { index: 0, block: None, parent, handle: 0, priority: 0, protocol, chain: 0, kind }
    }

    /// Says which filters come first: those with the least.
    #[must_use]
    pub fn priority(mut self, priority: u16) -> Filter {
        self.priority = priority;
        self
    }

    /// Says which packets it looks at at all.
    #[must_use]
    pub fn protocol(mut self, protocol: Protocol) -> Filter {
        self.protocol = protocol;
        self
    }

    /// Numbers it.
    #[must_use]
    pub fn handle(mut self, handle: u32) -> Filter {
        self.handle = handle;
        self
    }

    /// Puts it into a chain.
    #[must_use]
    pub fn chain(mut self, chain: u32) -> Filter {
        self.chain = chain;
        self
    }

    /// Tells whether it is the table that the kernel makes with the first u32 filter of a priority.
    fn is_first_table(&self) -> bool {
        const FIRST: u16 = 0x800;
        let number = U32Handle::from_raw(self.handle);
        let is_table = matches!(&self.kind, FilterKind::U32(filter) if filter.divisor.is_some());
        is_table && number.table >= FIRST
    }

    pub(super) fn request(
        &self,
        request: &mut Request,
        handle: &mut Handle,
        kind: u16,
        flags: u16,
        place: Place<'_>,
    ) -> Result<(), Failure> {
        let mut header = place.header(handle, self.parent)?;
        header.handle = self.handle;
        header.info = u32::from(self.priority) << 16 | u32::from(self.protocol.0.to_be());
        if kind == RTM_NEWTFILTER {
            self.kind.check()?;
        }
        request.begin(kind, flags, &header.to_bytes());
        request.text(TCA_KIND, self.kind.name());
        if self.chain != 0 {
            request.u32(TCA_CHAIN, self.chain);
        }
        if kind == RTM_NEWTFILTER {
            self.kind.write(request);
        }
        Ok(())
    }

    pub(crate) fn read(payload: &[u8]) -> Option<Filter> {
        let header = Header::read(payload)?;
        let attributes = Attributes::after(tc::HEADER, payload);
        let find = |kind| attributes.clone().find(|attribute| attribute.kind == kind);
        let name = find(TCA_KIND).map(Attribute::text_bytes).unwrap_or_default();
        let in_block = header.index == BLOCK;
        Some(Filter {
            index: if in_block { 0 } else { header.index },
            block: in_block.then_some(Block(header.parent)),
            parent: if in_block { TcHandle::NONE } else { TcHandle::from_kernel(header.parent) },
            handle: header.handle,
            priority: (header.info >> 16) as u16,
            protocol: Protocol(u16::from_be(header.info as u16)),
            chain: find(TCA_CHAIN).and_then(Attribute::u32).unwrap_or_default(),
            kind: FilterKind::read(name, find(TCA_OPTIONS)),
        })
    }
}

/// Which filters to list, of those at one qdisc or class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FilterFilter {
    /// Those of this chain.
    pub chain: Option<u32>,
    /// Those of this priority.
    pub priority: Option<u16>,
    /// Those that look at these packets.
    pub protocol: Option<Protocol>,
}

impl FilterFilter {
    fn request(self, handle: &mut Handle, header: Header) -> Request {
        let mut request = handle.room();
        let protocol = self.protocol.map_or(0, |protocol| protocol.0.to_be());
        let info = u32::from(self.priority.unwrap_or_default()) << 16 | u32::from(protocol);
        request.begin(RTM_GETTFILTER, 0, &Header { info, ..header }.to_bytes());
        if let Some(chain) = self.chain {
            request.u32(TCA_CHAIN, chain);
        }
        request
    }

    /// The kernel tells the head of each priority too, which has no number, and of u32 the first table of each.
    fn read(self, message: &Message<'_>) -> Option<Filter> {
        Filter::read(message.payload).filter(|filter| {
            filter.handle != 0
                && !filter.is_first_table()
                && self.chain.is_none_or(|chain| chain == filter.chain)
                && self.priority.is_none_or(|priority| priority == filter.priority)
                && self.protocol.is_none_or(|protocol| protocol == filter.protocol)
        })
    }
}

pub(crate) const FILTER_HINTS: Hints<'static> = &[
    (Errno::EEXIST, "there is one already"),
    (Errno::ENOENT, "there is no such filter, or kind of filter or action in this kernel"),
    (Errno::EINVAL, "there is no such qdisc or class, or the kernel takes no such filter"),
    (Errno::EOPNOTSUPP, "the qdisc takes no filters"),
];

impl Handle {
    /// Finds a filter: by its parent, priority, protocol, chain, kind and number. The kernel finds none of the kind
    /// `cgroup`.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound): there is no such link or filter.
    pub fn filter<'a>(&mut self, place: impl Into<Place<'a>>, filter: &Filter) -> Result<Filter> {
        let place = place.into();
        let mut request = self.room();
        filter
            .request(&mut request, self, RTM_GETTFILTER, NLM_F_ECHO, place)
            .and_then(|()| self.get(request, |message| Filter::read(message.payload)))
            .map_err(|failure| failure.when(format_args!("find {filter} of {place}"), FILTER_HINTS))
    }

    /// Lists the filters at a qdisc or class, or of a block (whose parent is not looked at), in the order in which
    /// packets meet them.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound): there is no such link.
    /// [`Interrupted`](crate::ErrorKind::Interrupted): filters came and went each time the list was read.
    #[doc(alias = "FilterList")]
    pub fn filters<'a>(&mut self, place: impl Into<Place<'a>>, parent: TcHandle) -> Result<Vec<Filter>> {
        self.list_filters(place, parent, FilterFilter::default())
    }

    /// Lists some filters. The kernel leaves the others out where it can.
    ///
    /// # Errors
    /// Those of [`filters`](Handle::filters).
    pub fn list_filters<'a>(
        &mut self,
        place: impl Into<Place<'a>>,
        parent: TcHandle,
        filter: FilterFilter,
    ) -> Result<Vec<Filter>> {
        let place = place.into();
        place
            .header(self, parent)
            .and_then(|header| {
                self.list(|handle| filter.request(handle, header), |message| filter.read(message))
            })
            .map_err(|failure| failure.when(format_args!("list filters of {place}"), &[]))
    }

    /// Lists some filters, one at a time.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound): there is no such link. What goes wrong later the items tell.
    pub fn dump_filters<'a>(
        &mut self,
        place: impl Into<Place<'a>>,
        parent: TcHandle,
        filter: FilterFilter,
    ) -> Result<Dump<'_, Filter>> {
        let place = place.into();
        let when = |failure: Failure| failure.when(format_args!("list filters of {place}"), &[]);
        let header = place.header(self, parent).map_err(when)?;
        let request = filter.request(self, header);
        Dump::begin(self, request, "filters", &[], move |message| filter.read(message)).map_err(when)
    }

    /// Adds a filter, and returns it as the kernel made it, with its number and priority.
    ///
    /// # Errors
    /// [`AlreadyExists`](crate::ErrorKind::AlreadyExists): there is one of that number.
    /// [`NotFound`](crate::ErrorKind::NotFound): there is no such link.
    /// [`Unsupported`](crate::ErrorKind::Unsupported): the kernel doesn't know the kind.
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput): there is no such qdisc, or its options can't be.
    #[doc(alias = "FilterAdd")]
    pub fn add_filter<'a>(&mut self, place: impl Into<Place<'a>>, filter: &Filter) -> Result<Filter> {
        self.make_filter("add", NLM_F_CREATE | NLM_F_EXCL, place.into(), filter)
    }

    /// Adds a filter, or changes the one of that priority and number.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound): there is no such link.
    /// [`Unsupported`](crate::ErrorKind::Unsupported): the kernel doesn't know the kind.
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput): there is no such qdisc, or its options can't be.
    pub fn replace_filter<'a>(&mut self, place: impl Into<Place<'a>>, filter: &Filter) -> Result<Filter> {
        self.make_filter("replace", NLM_F_CREATE, place.into(), filter)
    }

    /// Changes the filter of that priority and number.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound): there is no such link or filter.
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput): its options can't be.
    pub fn change_filter<'a>(&mut self, place: impl Into<Place<'a>>, filter: &Filter) -> Result<Filter> {
        self.make_filter("change", 0, place.into(), filter)
    }

    fn make_filter(&mut self, verb: &str, flags: u16, place: Place<'_>, filter: &Filter) -> Result<Filter> {
        let mut request = self.room();
        let mut made = None;
        filter
            .request(&mut request, self, RTM_NEWTFILTER, flags | NLM_F_ECHO, place)
            .and_then(|()| {
                self.change(request, |message| {
                    if message.kind == RTM_NEWTFILTER {
                        made = Filter::read(message.payload);
                    }
                })
            })
            .map_err(|failure| failure.when(format_args!("{verb} {filter} of {place}"), FILTER_HINTS))?;
        match made {
            // Of a new matchall the kernel doesn't echo the number; there is one of a priority.
            Some(made) if made.handle == 0 => {
                let (chain, priority, protocol) = (made.chain, made.priority, made.protocol);
                let which =
                    FilterFilter { chain: Some(chain), priority: Some(priority), protocol: Some(protocol) };
                let listed = self.list_filters(place, filter.parent, which)?;
                Ok(listed.into_iter().next_back().unwrap_or(made))
            }
            Some(made) => Ok(made),
            None => self.filter(place, filter),
        }
    }

    /// Deletes a filter: by its parent, priority, protocol, chain, kind and number. Number 0 is all of that priority.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound): there is no such link or filter.
    #[doc(alias = "FilterDel")]
    pub fn delete_filter<'a>(&mut self, place: impl Into<Place<'a>>, filter: &Filter) -> Result<()> {
        let place = place.into();
        let mut request = self.room();
        filter
            .request(&mut request, self, RTM_DELTFILTER, 0, place)
            .and_then(|()| self.change(request, |_| {}))
            .map_err(|failure| failure.when(format_args!("delete {filter} of {place}"), FILTER_HINTS))
    }

    /// Deletes all filters at a qdisc or class, or of a block, in one of their chains; that where all begin is 0.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound): there is no such link or chain.
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput): there is no such qdisc.
    pub fn flush_filters<'a>(
        &mut self,
        place: impl Into<Place<'a>>,
        parent: TcHandle,
        chain: u32,
    ) -> Result<()> {
        let place = place.into();
        let mut request = self.room();
        place
            .header(self, parent)
            .and_then(|header| {
                request.begin(RTM_DELTFILTER, 0, &header.to_bytes());
                request.u32(TCA_CHAIN, chain);
                self.change(request, |_| {})
            })
            .map_err(|failure| failure.when(format_args!("delete filters of {place}"), FILTER_HINTS))
    }
}

/// As errors tell it: `filter u32 pref 10 ip at 1:`.
impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "filter {}", self.kind.name())?;
        if self.priority != 0 {
            write!(f, " pref {}", self.priority)?;
        }
        write!(f, " {}", self.protocol)?;
        if self.chain != 0 {
            write!(f, " chain {}", self.chain)?;
        }
        if self.parent.is_none() { Ok(()) } else { write!(f, " at {}", self.parent) }
    }
}

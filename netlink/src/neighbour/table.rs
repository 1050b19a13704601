//! The kernel's tables of neighbours, and how it looks for them.

use std::time::Duration;

use nix::errno::Errno;

use crate::error::{Hints, Result};
use crate::handle::Handle;
use crate::wire::attribute::{Attribute, Attributes};
use crate::wire::message::Message;
use crate::wire::numbers::{
    AF_INET, AF_INET6, NDTA_GC_INTERVAL, NDTA_NAME, NDTA_PARMS, NDTA_THRESH1, NDTA_THRESH2, NDTA_THRESH3,
    NDTPA_ANYCAST_DELAY, NDTPA_APP_PROBES, NDTPA_BASE_REACHABLE_TIME, NDTPA_DELAY_PROBE_TIME,
    NDTPA_GC_STALETIME, NDTPA_IFINDEX, NDTPA_LOCKTIME, NDTPA_MCAST_PROBES, NDTPA_MCAST_REPROBES,
    NDTPA_PROXY_DELAY, NDTPA_PROXY_QLEN, NDTPA_QUEUE_LENBYTES, NDTPA_REACHABLE_TIME, NDTPA_RETRANS_TIME,
    NDTPA_UCAST_PROBES, RTM_GETNEIGHTBL, RTM_SETNEIGHTBL,
};
use crate::wire::{Request, write_some};

/// A table of neighbours, or how it works on one link ([ip-ntable(8)]).
///
/// On input `None` changes nothing.
///
/// [ip-ntable(8)]: https://man7.org/linux/man-pages/man8/ip-ntable.8.html
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NeighbourTable {
    /// `arp_cache` is that of IPv4, `ndisc_cache` that of IPv6.
    pub name: String,
    /// The index of the link; `None` for the table itself, with what new links begin with.
    pub index: Option<u32>,
    /// Below this number of neighbours none is thrown out. Only in the first network namespace.
    pub threshold1: Option<u32>,
    /// Above this number of neighbours old ones are thrown out soon. Only in the first network namespace.
    pub threshold2: Option<u32>,
    /// There are never more neighbours. Only in the first network namespace.
    pub threshold3: Option<u32>,
    /// How often old ones are thrown out. Only in the first network namespace.
    pub gc_interval: Option<Duration>,
    /// For how long a neighbour is taken for reachable at present; not on input.
    pub reachable: Option<Duration>,
    /// About that, of which the kernel makes it by chance.
    pub base_reachable: Option<Duration>,
    /// How long it waits before it asks again.
    pub retransmit: Option<Duration>,
    /// After how long an unused neighbour may be thrown out.
    pub stale: Option<Duration>,
    /// For how long a stale neighbour is used before it is asked for.
    pub delay_probe: Option<Duration>,
    /// How often a program is asked.
    pub app_probes: Option<u32>,
    /// How often the neighbour itself is asked.
    pub unicast_probes: Option<u32>,
    /// How often everybody is asked.
    pub multicast_probes: Option<u32>,
    /// How often everybody is asked after the neighbour itself was.
    pub multicast_reprobes: Option<u32>,
    /// For up to how long an answer for an anycast address waits.
    pub anycast_delay: Option<Duration>,
    /// For up to how long an answer in another's name waits.
    pub proxy_delay: Option<Duration>,
    /// How many of those answers may wait.
    pub proxy_queue: Option<u32>,
    /// For how long an answer is not replaced by another.
    pub lock: Option<Duration>,
    /// How many bytes of packets wait for a neighbour's answer.
    pub queue_bytes: Option<u32>,
}

const HEADER: usize = 4;

impl NeighbourTable {
    /// Begins a change to how the table of IPv4 works on a link.
    pub fn v4(index: u32) -> NeighbourTable {
        NeighbourTable { name: "arp_cache".to_owned(), index: Some(index), ..NeighbourTable::default() }
    }

    /// Begins a change to how the table of IPv6 works on a link.
    pub fn v6(index: u32) -> NeighbourTable {
        NeighbourTable { name: "ndisc_cache".to_owned(), index: Some(index), ..NeighbourTable::default() }
    }

    fn write(&self, request: &mut Request) {
        let family = if self.name == "ndisc_cache" { AF_INET6 } else { AF_INET };
        let millis =
            |time: Option<Duration>| time.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        request.begin(RTM_SETNEIGHTBL, 0, &[family, 0, 0, 0]);
        request.text(NDTA_NAME, &self.name);
        write_some!(
            request,
            u32 NDTA_THRESH1 self.threshold1,
            u32 NDTA_THRESH2 self.threshold2,
            u32 NDTA_THRESH3 self.threshold3,
            u64 NDTA_GC_INTERVAL millis(self.gc_interval),
        );
        request.nest_unless_empty(NDTA_PARMS, |request| {
            write_some!(
                request,
                u32 NDTPA_IFINDEX self.index,
                u64 NDTPA_BASE_REACHABLE_TIME millis(self.base_reachable),
                u64 NDTPA_RETRANS_TIME millis(self.retransmit),
                u64 NDTPA_GC_STALETIME millis(self.stale),
                u64 NDTPA_DELAY_PROBE_TIME millis(self.delay_probe),
                u32 NDTPA_APP_PROBES self.app_probes,
                u32 NDTPA_UCAST_PROBES self.unicast_probes,
                u32 NDTPA_MCAST_PROBES self.multicast_probes,
                u32 NDTPA_MCAST_REPROBES self.multicast_reprobes,
                u64 NDTPA_ANYCAST_DELAY millis(self.anycast_delay),
                u64 NDTPA_PROXY_DELAY millis(self.proxy_delay),
                u32 NDTPA_PROXY_QLEN self.proxy_queue,
                u64 NDTPA_LOCKTIME millis(self.lock),
                u32 NDTPA_QUEUE_LENBYTES self.queue_bytes,
            );
        });
    }

    pub(crate) fn read(payload: &[u8]) -> Option<NeighbourTable> {
        let mut table = NeighbourTable::default();
        for attribute in Attributes::after(HEADER, payload) {
            match attribute.kind {
                NDTA_NAME => table.name = attribute.text(),
                NDTA_THRESH1 => table.threshold1 = attribute.u32(),
                NDTA_THRESH2 => table.threshold2 = attribute.u32(),
                NDTA_THRESH3 => table.threshold3 = attribute.u32(),
                NDTA_GC_INTERVAL => table.gc_interval = millis(attribute),
                NDTA_PARMS => attribute.nested().for_each(|attribute| table.read_parameter(attribute)),
                _ => {}
            }
        }
        (!table.name.is_empty()).then_some(table)
    }

    fn read_parameter(&mut self, attribute: Attribute<'_>) {
        match attribute.kind {
            NDTPA_IFINDEX => self.index = attribute.u32(),
            NDTPA_REACHABLE_TIME => self.reachable = millis(attribute),
            NDTPA_BASE_REACHABLE_TIME => self.base_reachable = millis(attribute),
            NDTPA_RETRANS_TIME => self.retransmit = millis(attribute),
            NDTPA_GC_STALETIME => self.stale = millis(attribute),
            NDTPA_DELAY_PROBE_TIME => self.delay_probe = millis(attribute),
            NDTPA_APP_PROBES => self.app_probes = attribute.u32(),
            NDTPA_UCAST_PROBES => self.unicast_probes = attribute.u32(),
            NDTPA_MCAST_PROBES => self.multicast_probes = attribute.u32(),
            NDTPA_MCAST_REPROBES => self.multicast_reprobes = attribute.u32(),
            NDTPA_ANYCAST_DELAY => self.anycast_delay = millis(attribute),
            NDTPA_PROXY_DELAY => self.proxy_delay = millis(attribute),
            NDTPA_PROXY_QLEN => self.proxy_queue = attribute.u32(),
            NDTPA_LOCKTIME => self.lock = millis(attribute),
            NDTPA_QUEUE_LENBYTES => self.queue_bytes = attribute.u32(),
            _ => {}
        }
    }
}

fn millis(attribute: Attribute<'_>) -> Option<Duration> {
    attribute.u64().map(Duration::from_millis)
}

const HINTS: Hints<'static> = &[(Errno::ENOENT, "there is no such table, or it has no such link")];

impl Handle {
    /// Lists the tables of neighbours, and how each works on each link.
    ///
    /// # Errors
    /// [`Interrupted`](crate::ErrorKind::Interrupted): links came and went each time the list was read.
    pub fn neighbour_tables(&mut self) -> Result<Vec<NeighbourTable>> {
        let write = |handle: &mut Handle| {
            let mut request = handle.room();
            request.begin(RTM_GETNEIGHTBL, 0, &[0; HEADER]);
            request
        };
        self.list(write, |message: &Message<'_>| NeighbourTable::read(message.payload))
            .map_err(|failure| failure.when("list tables of neighbours", &[]))
    }

    /// Changes how a table of neighbours works, on one link or itself.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound): there is no such table or link, or this namespace may not.
    pub fn change_neighbour_table(&mut self, table: &NeighbourTable) -> Result<()> {
        let mut request = self.room();
        table.write(&mut request);
        self.change(request, |_| {}).map_err(|failure| {
            failure.when(format_args!("change table {:?} of neighbours", table.name), HINTS)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_table_is_read_back() {
        let mut table = NeighbourTable::v6(7);
        (table.lock, table.queue_bytes) = (Some(Duration::from_millis(1500)), Some(4096));
        (table.threshold1, table.gc_interval) = (Some(128), Some(Duration::from_secs(30)));
        let mut request = Request::default();
        table.write(&mut request);
        assert_eq!(NeighbourTable::read(&request.sent()[16..]), Some(table));
        assert_eq!(NeighbourTable::read(&[2; 3]), None);
    }
}

//! What qdiscs, classes and actions have counted.

use crate::wire::attribute::{Attribute, Attributes};
use crate::wire::tc::fields::Fields;
use crate::wire::tc::numbers::{
    TCA_STATS_APP, TCA_STATS_BASIC, TCA_STATS_PKT64, TCA_STATS_QUEUE, TCA_STATS_RATE_EST,
    TCA_STATS_RATE_EST64, TCA_STATS2, TCA_XSTATS,
};

/// What a qdisc, class or action has counted since it was made, as `tc -s` shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TcStats {
    /// Bytes that went through.
    pub bytes: u64,
    /// Packets that went through.
    pub packets: u64,
    /// Packets dropped.
    pub drops: u32,
    /// Packets delayed because a rate was reached.
    pub overlimits: u32,
    /// Packets put back because the device was busy.
    pub requeues: u32,
    /// Packets waiting now.
    pub queue_len: u32,
    /// Bytes waiting now.
    pub backlog: u32,
    /// The present rate in bytes per second, where an estimator measures it.
    pub rate: Option<u64>,
    /// The present rate in packets per second, where an estimator measures it.
    pub packet_rate: Option<u32>,
    /// What only this kind counts.
    pub extra: Option<ExtraStats>,
}

/// What only one kind of qdisc or class counts.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExtraStats {
    /// Of a class of htb.
    Htb(HtbStats),
    /// Of fq.
    Fq(FqStats),
    /// Of `fq_codel`.
    FqCodel(FqCodelStats),
    /// Of one flow of `fq_codel`, which it shows as a class.
    FqCodelFlow(FqCodelFlowStats),
    /// Of codel.
    Codel(CodelStats),
    /// Of red.
    Red(RedStats),
    /// Bytes that a flow of sfq may still send in this round.
    Sfq(i32),
    /// Bytes that a class of drr may still send in this round.
    Drr(u32),
    /// Of a class of hfsc.
    Hfsc(HfscStats),
    /// The kernel's bytes, of another kind or longer than known.
    Other(Vec<u8>),
}

/// Declares numbers of 32 bits and reads them in their order.
macro_rules! counters {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $type,)+
        }

        impl $name {
            /// What an older kernel leaves out at the end is 0.
            fn read(fields: &mut Fields<'_>) -> $name {
                $name { $($field: fields.$type().unwrap_or_default()),+ }
            }
        }
    };
}

counters! {
    /// What a class of htb counts.
    HtbStats {
        /// Packets sent at its own rate.
        lends: u32,
        /// Packets sent at a rate borrowed of its parent.
        borrows: u32,
        /// Packets longer than the kernel's tables (no longer counted).
        giants: u32,
        /// What it may send at once at its rate, in ticks of 64 nanoseconds.
        tokens: i32,
        /// What it may send at once at its ceiling, in ticks of 64 nanoseconds.
        ctokens: i32,
    }
}

counters! {
    /// What fq counts.
    FqStats {
        /// Flows forgotten for they were idle.
        gc_flows: u64,
        /// Packets that went before all others.
        highprio_packets: u64,
        /// No longer counted.
        tcp_retrans: u64,
        /// Flows that had to wait.
        throttled: u64,
        /// Packets dropped because their flow had too many waiting.
        flows_plimit: u64,
        /// Packets too long for their rate.
        pkts_too_long: u64,
        /// Flows there was no memory for.
        allocation_errors: u64,
        /// Nanoseconds until the next flow may send.
        time_next_delayed_flow: i64,
        /// Flows it knows.
        flows: u32,
        /// Flows without packets.
        inactive_flows: u32,
        /// Flows that wait.
        throttled_flows: u32,
        /// How late flows were let go, in nanoseconds.
        unthrottle_latency_ns: u32,
        /// Packets marked instead of dropped.
        ce_mark: u64,
        /// Packets dropped for their time to leave was too far away.
        horizon_drops: u64,
        /// Packets whose time to leave was made earlier.
        horizon_caps: u64,
    }
}

counters! {
    /// What `fq_codel` counts.
    FqCodelStats {
        /// The longest packet, in bytes.
        maxpacket: u32,
        /// Packets dropped because there were too many.
        drop_overlimit: u32,
        /// Packets marked instead of dropped.
        ecn_mark: u32,
        /// Flows that were new.
        new_flow_count: u32,
        /// New flows waiting.
        new_flows_len: u32,
        /// Old flows waiting.
        old_flows_len: u32,
        /// Packets marked for they waited longer than the threshold.
        ce_mark: u32,
        /// Memory in use, in bytes.
        memory_usage: u32,
        /// Packets dropped because memory was short.
        drop_overmemory: u32,
    }
}

counters! {
    /// What `fq_codel` counts of a flow.
    FqCodelFlowStats {
        /// Bytes it may still send in this round.
        deficit: i32,
        /// How long its last packet waited, in microseconds.
        ldelay: u32,
        /// Packets dropped since it began to drop.
        count: u32,
        /// The same, the last time.
        lastcount: u32,
        /// 1 where it drops packets now.
        dropping: u32,
        /// Microseconds until the next is dropped.
        drop_next: i32,
    }
}

counters! {
    /// What codel counts.
    CodelStats {
        /// The longest packet, in bytes.
        maxpacket: u32,
        /// Packets dropped since it began to drop.
        count: u32,
        /// The same, the last time.
        lastcount: u32,
        /// How long the last packet waited, in microseconds.
        ldelay: u32,
        /// Microseconds until the next is dropped.
        drop_next: i32,
        /// Packets dropped because there were too many.
        drop_overlimit: u32,
        /// Packets marked instead of dropped.
        ecn_mark: u32,
        /// 1 where it drops packets now.
        dropping: u32,
        /// Packets marked for they waited longer than the threshold.
        ce_mark: u32,
    }
}

counters! {
    /// What red counts, in packets.
    RedStats {
        /// Dropped before the queue was full.
        early: u32,
        /// Dropped for the queue was full.
        pdrop: u32,
        /// No longer counted.
        other: u32,
        /// Marked instead of dropped.
        marked: u32,
    }
}

counters! {
    /// What a class of hfsc counts.
    HfscStats {
        /// Bytes sent.
        work: u64,
        /// Bytes sent by the real-time curve.
        rtwork: u64,
        /// How often it became busy.
        period: u32,
        /// How far it is from the leaves.
        level: u32,
    }
}

impl TcStats {
    /// Finds the statistics among the attributes of a qdisc or class; `kind` is its kind.
    pub(super) fn find(attributes: Attributes<'_>, kind: &[u8], is_class: bool) -> Option<TcStats> {
        let (mut stats, mut extra) = (None, None);
        for attribute in attributes {
            match attribute.kind {
                TCA_STATS2 => stats = Some(TcStats::read(attribute)),
                TCA_XSTATS => extra = ExtraStats::read(attribute.payload, kind, is_class),
                _ => {}
            }
        }
        let mut stats = stats?;
        let app = app(&own_bytes(stats.extra.take()), kind, is_class);
        stats.extra = extra.or(app);
        Some(stats)
    }

    /// Reads `TCA_STATS2` or `TCA_ACT_STATS`; the kind's own are left as they are.
    pub(super) fn read(nest: Attribute<'_>) -> TcStats {
        let mut stats = TcStats::default();
        for attribute in nest.nested() {
            let mut fields = Fields(attribute.payload);
            match attribute.kind {
                TCA_STATS_BASIC => {
                    stats.bytes = fields.u64().unwrap_or_default();
                    // The 64 bits of `TCA_STATS_PKT64` come before or behind.
                    stats.packets = stats.packets.max(fields.u32().unwrap_or_default().into());
                }
                TCA_STATS_PKT64 => stats.packets = attribute.u64().unwrap_or(stats.packets),
                TCA_STATS_RATE_EST => {
                    stats.rate = stats.rate.or(fields.u32().map(u64::from));
                    stats.packet_rate = fields.u32();
                }
                TCA_STATS_RATE_EST64 => stats.rate = fields.u64(),
                TCA_STATS_QUEUE => {
                    stats.queue_len = fields.u32().unwrap_or_default();
                    stats.backlog = fields.u32().unwrap_or_default();
                    stats.drops = fields.u32().unwrap_or_default();
                    stats.requeues = fields.u32().unwrap_or_default();
                    stats.overlimits = fields.u32().unwrap_or_default();
                }
                TCA_STATS_APP => stats.extra = Some(ExtraStats::Other(attribute.payload.to_vec())),
                _ => {}
            }
        }
        stats
    }
}

fn own_bytes(extra: Option<ExtraStats>) -> Vec<u8> {
    match extra {
        Some(ExtraStats::Other(bytes)) => bytes,
        _ => Vec::new(),
    }
}

fn app(bytes: &[u8], kind: &[u8], is_class: bool) -> Option<ExtraStats> {
    if bytes.is_empty() { None } else { ExtraStats::read(bytes, kind, is_class) }
}

impl ExtraStats {
    fn read(bytes: &[u8], kind: &[u8], is_class: bool) -> Option<ExtraStats> {
        let mut fields = Fields(bytes);
        Some(match (kind, is_class) {
            (b"htb", true) => ExtraStats::Htb(HtbStats::read(&mut fields)),
            (b"fq", false) => ExtraStats::Fq(FqStats::read(&mut fields)),
            (b"fq_codel", _) => match fields.u32()? {
                0 => ExtraStats::FqCodel(FqCodelStats::read(&mut fields)),
                1 => ExtraStats::FqCodelFlow(FqCodelFlowStats::read(&mut fields)),
                _ => ExtraStats::Other(bytes.to_vec()),
            },
            (b"codel", false) => ExtraStats::Codel(CodelStats::read(&mut fields)),
            (b"red", false) => ExtraStats::Red(RedStats::read(&mut fields)),
            (b"sfq", true) => ExtraStats::Sfq(fields.i32()?),
            (b"drr", true) => ExtraStats::Drr(fields.u32()?),
            (b"hfsc", true) => ExtraStats::Hfsc(HfscStats::read(&mut fields)),
            _ => ExtraStats::Other(bytes.to_vec()),
        })
    }
}

//! fq: a queue and a pace for each flow.

use std::time::Duration;

use super::prio::PRIORITIES;
use crate::error::Failure;
use crate::kind::numbers;
use crate::tc::rate::{check_micros, check_times};
use crate::wire::Request;
use crate::wire::attribute::Attribute;
use crate::wire::tc::fields::Fields;
use crate::wire::tc::numbers::{
    TCA_FQ_BUCKETS_LOG, TCA_FQ_CE_THRESHOLD, TCA_FQ_FLOW_MAX_RATE, TCA_FQ_FLOW_PLIMIT,
    TCA_FQ_FLOW_REFILL_DELAY, TCA_FQ_HORIZON, TCA_FQ_HORIZON_DROP, TCA_FQ_INITIAL_QUANTUM,
    TCA_FQ_LOW_RATE_THRESHOLD, TCA_FQ_OFFLOAD_HORIZON, TCA_FQ_ORPHAN_MASK, TCA_FQ_PLIMIT, TCA_FQ_PRIOMAP,
    TCA_FQ_QUANTUM, TCA_FQ_RATE_ENABLE, TCA_FQ_TIMER_SLACK, TCA_FQ_WEIGHTS, TCA_OPTIONS,
};

/// A queue and a pace for each flow (fair queue, [`tc-fq(8)`]). On input `None` is the kernel's default, or as it is.
///
/// [`tc-fq(8)`]: https://man7.org/linux/man-pages/man8/tc-fq.8.html
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fq {
    /// How many packets may wait.
    pub limit: Option<u32>,
    /// How many packets of one flow may wait.
    pub flow_limit: Option<u32>,
    /// How many bytes a flow sends before it is another's turn.
    pub quantum: Option<u32>,
    /// The same for a flow's first turn, in bytes.
    pub initial_quantum: Option<u32>,
    /// Whether flows are paced.
    pub pacing: Option<bool>,
    /// The most that a flow may send, in bytes per second; `u32::MAX` is no limit.
    pub max_rate: Option<u32>,
    /// The number of hash buckets, as a power of 2.
    pub buckets_log: Option<u32>,
    /// How long a flow is idle before it gets a first turn again (microseconds to the kernel).
    pub refill_delay: Option<Duration>,
    /// A mask for the hash of packets without a socket.
    pub orphan_mask: Option<u32>,
    /// Below this rate each packet waits its time, in bytes per second.
    pub low_rate_threshold: Option<u32>,
    /// Packets that waited longer are marked (microseconds to the kernel); 4294967295 µs is never.
    pub ce_threshold: Option<Duration>,
    /// How late timers may be (nanoseconds to the kernel; Linux 5.13).
    pub timer_slack: Option<Duration>,
    /// How far ahead a packet's time to leave may be (microseconds to the kernel).
    pub horizon: Option<Duration>,
    /// Whether packets beyond are dropped, or leave at the horizon.
    pub horizon_drop: Option<bool>,
    /// The band (0 to 2) of each of the 16 priorities (Linux 6.7).
    pub priomap: Option<[u8; PRIORITIES]>,
    /// The weight of each of the 3 bands (Linux 6.7).
    pub weights: Option<[i32; 3]>,
    /// How far ahead the device itself lets packets wait (microseconds to the kernel; Linux 6.13).
    pub offload_horizon: Option<Duration>,
}

numbers!(Fq {
    TCA_FQ_PLIMIT u32 limit,
    TCA_FQ_FLOW_PLIMIT u32 flow_limit,
    TCA_FQ_QUANTUM u32 quantum,
    TCA_FQ_INITIAL_QUANTUM u32 initial_quantum,
    TCA_FQ_RATE_ENABLE bool32 pacing,
    TCA_FQ_FLOW_MAX_RATE u32 max_rate,
    TCA_FQ_BUCKETS_LOG u32 buckets_log,
    TCA_FQ_FLOW_REFILL_DELAY micros refill_delay,
    TCA_FQ_ORPHAN_MASK u32 orphan_mask,
    TCA_FQ_LOW_RATE_THRESHOLD u32 low_rate_threshold,
    TCA_FQ_CE_THRESHOLD micros ce_threshold,
    TCA_FQ_TIMER_SLACK nanos timer_slack,
    TCA_FQ_HORIZON micros horizon,
    TCA_FQ_HORIZON_DROP bool horizon_drop,
    TCA_FQ_OFFLOAD_HORIZON micros offload_horizon,
});

impl Fq {
    pub(super) fn check(&self) -> Result<(), Failure> {
        check_micros(&[
            ("refill delay", self.refill_delay),
            ("threshold", self.ce_threshold),
            ("horizon", self.horizon),
            ("device's horizon", self.offload_horizon),
        ])?;
        check_times(&[("timers' slack", self.timer_slack)], u32::MAX.into())
    }

    pub(super) fn write(&self, request: &mut Request) {
        request.nest(TCA_OPTIONS, |request| {
            self.write_numbers(request);
            if let Some(priomap) = self.priomap {
                request.attribute(TCA_FQ_PRIOMAP, |request| {
                    request.header(&3_u32.to_ne_bytes());
                    request.header(&priomap);
                });
            }
            if let Some(weights) = self.weights {
                request.bytes(TCA_FQ_WEIGHTS, weights.map(i32::to_ne_bytes).as_flattened());
            }
        });
    }

    pub(super) fn read(options: Attribute<'_>) -> Fq {
        let mut fq = Fq::default();
        for attribute in options.nested() {
            let mut fields = Fields(attribute.payload);
            match attribute.kind {
                TCA_FQ_PRIOMAP => fq.priomap = fields.skip(4).and_then(|()| fields.array()),
                TCA_FQ_WEIGHTS => {
                    fq.weights = (|| Some([fields.i32()?, fields.i32()?, fields.i32()?]))();
                }
                _ => fq.read_number(attribute),
            }
        }
        fq
    }
}

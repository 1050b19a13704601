//! `fq_codel` and codel: queues that stay short.

use std::time::Duration;

use crate::error::Failure;
use crate::kind::numbers;
use crate::tc::rate::check_micros;
use crate::wire::Request;
use crate::wire::attribute::Attribute;
use crate::wire::tc::numbers::{
    TCA_CODEL_CE_THRESHOLD, TCA_CODEL_ECN, TCA_CODEL_INTERVAL, TCA_CODEL_LIMIT, TCA_CODEL_TARGET,
    TCA_FQ_CODEL_CE_THRESHOLD, TCA_FQ_CODEL_CE_THRESHOLD_MASK, TCA_FQ_CODEL_CE_THRESHOLD_SELECTOR,
    TCA_FQ_CODEL_DROP_BATCH_SIZE, TCA_FQ_CODEL_ECN, TCA_FQ_CODEL_FLOWS, TCA_FQ_CODEL_INTERVAL,
    TCA_FQ_CODEL_LIMIT, TCA_FQ_CODEL_MEMORY_LIMIT, TCA_FQ_CODEL_QUANTUM, TCA_FQ_CODEL_TARGET, TCA_OPTIONS,
};

/// A queue for each flow, each of which stays short ([`tc-fq_codel(8)`]). On input `None` is the kernel's default,
/// or as it is.
///
/// The kernel keeps times in steps of 1.024 microseconds: 5 ms are read as 4.999 ms.
///
/// [`tc-fq_codel(8)`]: https://man7.org/linux/man-pages/man8/tc-fq_codel.8.html
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FqCodel {
    /// How long packets may wait as a rule.
    pub target: Option<Duration>,
    /// How many packets may wait.
    pub limit: Option<u32>,
    /// For how long packets may wait longer before some are dropped.
    pub interval: Option<Duration>,
    /// Whether packets are marked instead of dropped, where they allow it.
    pub ecn: Option<bool>,
    /// How many queues there are, which can't be changed later.
    pub flows: Option<u32>,
    /// How many bytes a flow sends before it is another's turn.
    pub quantum: Option<u32>,
    /// Packets that waited longer are marked; `None` is never.
    pub ce_threshold: Option<Duration>,
    /// How many packets are dropped at once where too many wait.
    pub drop_batch: Option<u32>,
    /// How much memory packets may take, in bytes.
    pub memory_limit: Option<u32>,
    /// Packets are only marked by the threshold where this equals their DSCP and ECN bits under `ce_threshold_mask`
    /// (Linux 5.16).
    pub ce_threshold_selector: Option<u8>,
    /// The bits that `ce_threshold_selector` looks at (Linux 5.16).
    pub ce_threshold_mask: Option<u8>,
}

numbers!(FqCodel {
    TCA_FQ_CODEL_TARGET micros target,
    TCA_FQ_CODEL_LIMIT u32 limit,
    TCA_FQ_CODEL_INTERVAL micros interval,
    TCA_FQ_CODEL_ECN bool32 ecn,
    TCA_FQ_CODEL_FLOWS u32 flows,
    TCA_FQ_CODEL_QUANTUM u32 quantum,
    TCA_FQ_CODEL_CE_THRESHOLD micros ce_threshold,
    TCA_FQ_CODEL_DROP_BATCH_SIZE u32 drop_batch,
    TCA_FQ_CODEL_MEMORY_LIMIT u32 memory_limit,
    TCA_FQ_CODEL_CE_THRESHOLD_SELECTOR u8 ce_threshold_selector,
    TCA_FQ_CODEL_CE_THRESHOLD_MASK u8 ce_threshold_mask,
});

impl FqCodel {
    pub(super) fn check(&self) -> Result<(), Failure> {
        check_micros(&[
            ("target", self.target),
            ("interval", self.interval),
            ("threshold", self.ce_threshold),
        ])
    }

    pub(super) fn write(&self, request: &mut Request) {
        request.nest(TCA_OPTIONS, |request| self.write_numbers(request));
    }

    pub(super) fn read(options: Attribute<'_>) -> FqCodel {
        let mut options_read = FqCodel::default();
        for attribute in options.nested() {
            options_read.read_number(attribute);
        }
        options_read
    }
}

/// One queue that stays short ([`tc-codel(8)`]). On input `None` is the kernel's default, or as it is.
///
/// The kernel keeps times in steps of 1.024 microseconds: 5 ms are read as 4.999 ms.
///
/// [`tc-codel(8)`]: https://man7.org/linux/man-pages/man8/tc-codel.8.html
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Codel {
    /// How long packets may wait as a rule.
    pub target: Option<Duration>,
    /// How many packets may wait.
    pub limit: Option<u32>,
    /// For how long packets may wait longer before some are dropped.
    pub interval: Option<Duration>,
    /// Whether packets are marked instead of dropped, where they allow it.
    pub ecn: Option<bool>,
    /// Packets that waited longer are marked; `None` is never.
    pub ce_threshold: Option<Duration>,
}

numbers!(Codel {
    TCA_CODEL_TARGET micros target,
    TCA_CODEL_LIMIT u32 limit,
    TCA_CODEL_INTERVAL micros interval,
    TCA_CODEL_ECN bool32 ecn,
    TCA_CODEL_CE_THRESHOLD micros ce_threshold,
});

impl Codel {
    pub(super) fn check(&self) -> Result<(), Failure> {
        check_micros(&[
            ("target", self.target),
            ("interval", self.interval),
            ("threshold", self.ce_threshold),
        ])
    }

    pub(super) fn write(&self, request: &mut Request) {
        request.nest(TCA_OPTIONS, |request| self.write_numbers(request));
    }

    pub(super) fn read(options: Attribute<'_>) -> Codel {
        let mut options_read = Codel::default();
        for attribute in options.nested() {
            options_read.read_number(attribute);
        }
        options_read
    }
}

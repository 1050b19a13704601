//! sfq: flows by turns.

use std::time::Duration;

use crate::error::Failure;
use crate::tc::rate::check_times;
use crate::wire::Request;
use crate::wire::attribute::Attribute;
use crate::wire::tc::fields::Fields;
use crate::wire::tc::numbers::TCA_OPTIONS;

/// Lets flows send by turns (stochastic fairness queueing, [`tc-sfq(8)`]). On input 0 is the kernel's default, or as
/// it is.
///
/// [`tc-sfq(8)`]: https://man7.org/linux/man-pages/man8/tc-sfq.8.html
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sfq {
    /// How many bytes a flow sends before it is another's turn.
    pub quantum: u32,
    /// How often flows are spread anew, in whole seconds; zero is never.
    pub perturb: Duration,
    /// How many packets may wait.
    pub limit: u32,
    /// How many hash buckets there are.
    pub divisor: u32,
    /// How many flows there can be.
    pub flows: u32,
    /// How many packets of a flow may wait.
    pub depth: u32,
    /// Whether the oldest packet is dropped, not the newest.
    pub head_drop: bool,
}

impl Sfq {
    pub(super) fn check(&self) -> Result<(), Failure> {
        check_times(&[("time to spread flows anew", Some(self.perturb))], i32::MAX as u128 * 1_000_000_000)
    }

    /// `struct tc_sfq_qopt_v1`, without red.
    pub(super) fn write(&self, request: &mut Request) {
        request.attribute(TCA_OPTIONS, |request| {
            let perturb = u32::try_from(self.perturb.as_secs()).unwrap_or(u32::MAX);
            let v0 = [self.quantum, perturb, self.limit, self.divisor, self.flows];
            for number in v0.into_iter().chain([self.depth, self.head_drop.into(), 0, 0, 0, 0, 0]) {
                request.header(&number.to_ne_bytes());
            }
            request.header(&[0; 24]);
        });
    }

    pub(super) fn read(options: Attribute<'_>) -> Option<Sfq> {
        let mut fields = Fields(options.payload);
        Some(Sfq {
            quantum: fields.u32()?,
            perturb: Duration::from_secs(fields.u32()?.into()),
            limit: fields.u32()?,
            divisor: fields.u32()?,
            flows: fields.u32()?,
            depth: fields.u32().unwrap_or_default(),
            head_drop: fields.u32().unwrap_or_default() != 0,
        })
    }
}

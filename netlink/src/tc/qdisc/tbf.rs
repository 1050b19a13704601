//! tbf: one rate for all.

use std::time::Duration;

use crate::error::Failure;
use crate::tc::rate::{Framing, bytes_of, check_burst, read_rate, ticks32, write_rate};
use crate::wire::Request;
use crate::wire::attribute::Attribute;
use crate::wire::tc::fields::Fields;
use crate::wire::tc::numbers::{TCA_OPTIONS, TCA_TBF_PARMS, TCA_TBF_PRATE64, TCA_TBF_RATE64};

/// Lets packets out at one rate, and keeps those that are too many waiting (token bucket filter, [`tc-tbf(8)`]).
///
/// [`tc-tbf(8)`]: https://man7.org/linux/man-pages/man8/tc-tbf.8.html
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tbf {
    /// The rate, in bytes per second.
    pub rate: u64,
    /// How much may go out at once, in bytes: the longest packet at least, with what `framing` adds. The kernel keeps it as a time, in steps
    /// of 64 nanoseconds: what is read may be some bytes more at more than 15 megabytes per second.
    pub burst: u32,
    /// How much may wait, in bytes.
    pub limit: u32,
    /// The rate at which a burst goes out, in bytes per second.
    pub peak_rate: Option<u64>,
    /// How much may go out at once at the peak rate, in bytes: the MTU at least.
    pub peak_burst: Option<u32>,
    /// What packets count besides their own bytes.
    pub framing: Framing,
}

impl Tbf {
    /// Sets a rate in bytes per second (see [`bits`](crate::tc::bits)), how many bytes may go out at once, and how
    /// long a packet may wait.
    pub fn new(rate: u64, burst: u32, latency: Duration) -> Tbf {
        let waiting = u128::from(rate) * latency.as_micros() / 1_000_000 + u128::from(burst);
        let limit = u32::try_from(waiting).unwrap_or(u32::MAX);
        Tbf { rate, burst, limit, peak_rate: None, peak_burst: None, framing: Framing::default() }
    }

    /// Sets the rate at which a burst goes out, and how many bytes may go out at once then: the MTU at least.
    #[must_use]
    pub fn peak(mut self, rate: u64, burst: u32) -> Tbf {
        (self.peak_rate, self.peak_burst) = (Some(rate), Some(burst));
        self
    }

    pub(super) fn check(&self) -> Result<(), Failure> {
        check_burst("burst", self.burst, self.rate)?;
        match (self.peak_rate, self.peak_burst) {
            (None, None) => Ok(()),
            (Some(rate), Some(burst)) => check_burst("burst at the peak rate", burst, rate),
            _ => Err(Failure::Input("a peak rate needs a burst, and a burst a peak rate".to_owned())),
        }
    }

    pub(super) fn write(&self, request: &mut Request) {
        request.nest(TCA_OPTIONS, |request| {
            let peak = self.peak_rate.unwrap_or_default();
            request.attribute(TCA_TBF_PARMS, |request| {
                write_rate(request, self.rate, self.framing);
                write_rate(request, peak, self.framing);
                request.header(&self.limit.to_ne_bytes());
                request.header(&ticks32(self.burst, self.rate).to_ne_bytes());
                let mtu = self.peak_burst.map_or(0, |burst| ticks32(burst, peak));
                request.header(&mtu.to_ne_bytes());
            });
            if self.rate > u32::MAX.into() {
                request.u64(TCA_TBF_RATE64, self.rate);
            }
            if peak > u32::MAX.into() {
                request.u64(TCA_TBF_PRATE64, peak);
            }
        });
    }

    pub(super) fn read(options: Attribute<'_>) -> Option<Tbf> {
        let (mut parms, mut rate64, mut peak64) = (None, None, None);
        for attribute in options.nested() {
            match attribute.kind {
                TCA_TBF_PARMS => parms = Some(Fields(attribute.payload)),
                TCA_TBF_RATE64 => rate64 = attribute.u64(),
                TCA_TBF_PRATE64 => peak64 = attribute.u64(),
                _ => {}
            }
        }
        let mut parms = parms?;
        let (rate, framing) = read_rate(&mut parms)?;
        let (peak, _) = read_rate(&mut parms)?;
        let (rate, peak) = (rate64.unwrap_or(rate), peak64.unwrap_or(peak));
        let (limit, buffer, mtu) = (parms.u32()?, parms.u32()?, parms.u32()?);
        Some(Tbf {
            rate,
            burst: bytes_of(buffer, rate),
            limit,
            peak_rate: Some(peak).filter(|peak| *peak > 0),
            peak_burst: Some(bytes_of(mtu, peak)).filter(|_| peak > 0),
            framing,
        })
    }
}

//! police: so much, and not more.

use super::General;
use super::verdict::Verdict;
use crate::error::Failure;
use crate::tc::rate::{Framing, bytes_of, check_burst, read_rate, ticks32, write_rate, write_table};
use crate::wire::Request;
use crate::wire::attribute::Attribute;
use crate::wire::tc::fields::Fields;
use crate::wire::tc::numbers::{
    TCA_POLICE_PEAKRATE, TCA_POLICE_PEAKRATE64, TCA_POLICE_PKTBURST64, TCA_POLICE_PKTRATE64, TCA_POLICE_RATE,
    TCA_POLICE_RATE64, TCA_POLICE_RESULT, TCA_POLICE_TBF,
};

/// Lets packets through up to a rate; what is more has the [`verdict`](super::Action::verdict) of the action
/// ([`tc-police(8)`]).
///
/// [`tc-police(8)`]: https://man7.org/linux/man-pages/man8/tc-police.8.html
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Police {
    /// The rate, in bytes per second; 0 is none.
    pub rate: u64,
    /// How much may come at once, in bytes. What is read may be some bytes more at more than 15 megabytes per
    /// second.
    pub burst: u32,
    /// The rate of a burst, in bytes per second. It needs an `mtu`.
    pub peak_rate: Option<u64>,
    /// Longer packets are always too much. `None` is no limit: other than in tc(8), where packets of more than 2040
    /// bytes, as offloading makes them, never come through.
    pub mtu: Option<u32>,
    /// The rate in packets per second, instead of `rate` (Linux 5.13).
    pub packet_rate: Option<u64>,
    /// How many packets may come at once.
    pub packet_burst: Option<u64>,
    /// What happens to packets that are not too many; `None` is [`Verdict::Ok`].
    pub conform: Option<Verdict>,
    /// What packets count besides their own bytes.
    pub framing: Framing,
}

impl Police {
    /// Sets the rate in bytes per second (see [`bits`](crate::tc::bits)), and how many bytes may come at once.
    pub fn new(rate: u64, burst: u32) -> Police {
        Police { rate, burst, ..Police::default() }
    }

    /// Sets a rate in packets per second, and how many may come at once.
    pub fn packets(rate: u64, burst: u64) -> Police {
        Police { packet_rate: Some(rate), packet_burst: Some(burst), ..Police::default() }
    }

    pub(super) fn check(&self) -> Result<(), Failure> {
        if self.rate > 0 {
            check_burst("burst", self.burst, self.rate)?;
        }
        if self.rate > 0 && self.packet_rate.is_some() {
            return Err(Failure::Input("it has a rate of bytes or one of packets, not both".to_owned()));
        }
        if self.packet_rate.is_some() != self.packet_burst.is_some() {
            return Err(Failure::Input("a rate of packets needs a burst, and a burst a rate".to_owned()));
        }
        if self.peak_rate.is_some() && (self.mtu.is_none() || self.rate == 0) {
            return Err(Failure::Input("a peak rate needs a rate and an MTU".to_owned()));
        }
        self.conform.unwrap_or_default().check()
    }

    /// `struct tc_police`, and the tables of times that the kernel still asks for.
    pub(super) fn write(&self, request: &mut Request, general: General) {
        let peak = self.peak_rate.unwrap_or_default();
        request.attribute(TCA_POLICE_TBF, |request| {
            request.header(&general.index.to_ne_bytes());
            request.header(&general.verdict.to_kernel().to_ne_bytes());
            let burst = if self.rate > 0 { ticks32(self.burst, self.rate) } else { 0 };
            for number in [0, burst, self.mtu.unwrap_or(u32::MAX)] {
                request.header(&number.to_ne_bytes());
            }
            write_rate(request, self.rate, self.framing);
            write_rate(request, peak, self.framing);
            request.header(&[0; 12]);
        });
        for (rate, table, rate64) in [
            (self.rate, TCA_POLICE_RATE, TCA_POLICE_RATE64),
            (peak, TCA_POLICE_PEAKRATE, TCA_POLICE_PEAKRATE64),
        ] {
            if rate > 0 {
                write_table(request, table, rate);
            }
            if rate > u32::MAX.into() {
                request.u64(rate64, rate);
            }
        }
        if let (Some(rate), Some(burst)) = (self.packet_rate, self.packet_burst) {
            request.u64(TCA_POLICE_PKTRATE64, rate);
            request.u64(TCA_POLICE_PKTBURST64, packets_to_ticks(burst, rate));
        }
        if let Some(conform) = self.conform {
            request.u32(TCA_POLICE_RESULT, conform.to_kernel() as u32);
        }
    }

    pub(super) fn read(options: Attribute<'_>) -> Option<(General, Police)> {
        let find = |kind| options.nested().find(|attribute: &Attribute<'_>| attribute.kind == kind);
        let mut fields = Fields(find(TCA_POLICE_TBF)?.payload);
        let (index, verdict) = (fields.u32()?, Verdict::from_kernel(fields.i32()?));
        fields.skip(4)?;
        let (burst, mtu) = (fields.u32()?, fields.u32()?);
        let (rate, framing) = read_rate(&mut fields)?;
        let (peak, _) = read_rate(&mut fields)?;
        let general = General { index, verdict, references: fields.u32()?, bindings: fields.u32()? };
        let rate = find(TCA_POLICE_RATE64).and_then(Attribute::u64).unwrap_or(rate);
        let peak = find(TCA_POLICE_PEAKRATE64).and_then(Attribute::u64).unwrap_or(peak);
        let packet_rate = find(TCA_POLICE_PKTRATE64).and_then(Attribute::u64);
        let packet_burst = find(TCA_POLICE_PKTBURST64).and_then(Attribute::u64);
        let police = Police {
            rate,
            burst: if rate > 0 { bytes_of(burst, rate) } else { 0 },
            peak_rate: Some(peak).filter(|peak| *peak > 0),
            mtu: Some(mtu).filter(|mtu| *mtu != u32::MAX),
            packet_rate,
            packet_burst: packet_rate.zip(packet_burst).map(|(rate, burst)| ticks_to_packets(burst, rate)),
            conform: find(TCA_POLICE_RESULT)
                .and_then(Attribute::i32)
                .map(Verdict::from_kernel)
                .filter(|conform| *conform != Verdict::Ok),
            framing: if rate > 0 { framing } else { Framing::default() },
        };
        Some((general, police))
    }
}

/// A burst of packets is told as the time it takes, in ticks of 64 nanoseconds.
fn packets_to_ticks(packets: u64, rate: u64) -> u64 {
    let ticks = (u128::from(packets) * 1_000_000_000).div_ceil(u128::from(rate.max(1)) * 64);
    u64::try_from(ticks).unwrap_or(u64::MAX)
}

fn ticks_to_packets(ticks: u64, rate: u64) -> u64 {
    u64::try_from(u128::from(ticks) * 64 * u128::from(rate) / 1_000_000_000).unwrap_or(u64::MAX)
}

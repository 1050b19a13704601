//! Rates, and the units in which the kernel counts.

use std::time::Duration;

use crate::error::Failure;
use crate::wire::Request;
use crate::wire::tc::fields::Fields;

/// Returns a rate in bytes per second, which is what all rates are here, of one in bits per second.
///
/// ```
/// use netlink::tc::{Tbf, bits};
/// use std::time::Duration;
///
/// let ten_megabits = bits(10_000_000);
/// assert_eq!(ten_megabits, 1_250_000);
/// let limit = Tbf::new(ten_megabits, 32 * 1024, Duration::from_millis(50));
/// # drop(limit);
/// ```
pub const fn bits(per_second: u64) -> u64 {
    per_second / 8
}

/// What is counted for a packet besides its own bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Framing {
    /// Bytes added to each packet.
    pub overhead: u16,
    /// The least that a packet counts, in bytes.
    pub mpu: u16,
    /// How the wire cuts packets.
    pub link_layer: LinkLayer,
}

/// How a wire cuts packets, for what they count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LinkLayer {
    /// Not at all.
    #[default]
    Ethernet,
    /// Into cells of 48 bytes, each of which takes 53.
    Atm,
}

/// How long the kernel's tick of packet schedulers is (`PSCHED_SHIFT`), since Linux 2.6.31.
const TICK: u64 = 64;
const SECOND: u128 = 1_000_000_000;

/// The ticks that so many bytes take: as many at least.
pub(crate) fn ticks_of(bytes: u32, rate: u64) -> u64 {
    let nanos = u128::from(bytes) * SECOND;
    u64::try_from(nanos.div_ceil(u128::from(rate.max(1)) * u128::from(TICK))).unwrap_or(u64::MAX)
}

/// The bytes that go in so many ticks.
pub(crate) fn bytes_of(ticks: u32, rate: u64) -> u32 {
    let bytes = u128::from(ticks) * u128::from(TICK) * u128::from(rate) / SECOND;
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// The same in 32 bits, as structures have them.
pub(crate) fn ticks32(bytes: u32, rate: u64) -> u32 {
    u32::try_from(ticks_of(bytes, rate)).unwrap_or(u32::MAX)
}

/// Refuses bytes that take longer than 32 bits of ticks.
pub(crate) fn check_burst(what: &str, bytes: u32, rate: u64) -> Result<(), Failure> {
    if rate == 0 {
        return Err(Failure::Input(format!("the {what} needs a rate that is not 0")));
    }
    if u32::try_from(ticks_of(bytes, rate)).is_err() {
        let why =
            format!("the {what} of {bytes} bytes takes longer than 274 seconds at {rate} bytes per second");
        return Err(Failure::Input(why));
    }
    Ok(())
}

/// Refuses times that don't fit into 32 bits of microseconds.
pub(crate) fn check_micros(times: &[(&str, Option<Duration>)]) -> Result<(), Failure> {
    check_times(times, u128::from(u32::MAX) * 1000)
}

/// Refuses times that are longer than this.
pub(crate) fn check_times(times: &[(&str, Option<Duration>)], nanos: u128) -> Result<(), Failure> {
    for (what, time) in times {
        if let Some(time) = time.filter(|time| time.as_nanos() > nanos) {
            let most = nanos / SECOND;
            return Err(Failure::Input(format!("the {what} of {time:?} is longer than {most} seconds")));
        }
    }
    Ok(())
}

/// Each entry of a table of times is for 2 to the power of this bytes more.
const CELL_LOG: u8 = 3;
const ENTRIES: usize = 256;

/// Writes `struct tc_ratespec`; more than 32 bits can say is told apart.
pub(crate) fn write_rate(request: &mut Request, rate: u64, framing: Framing) {
    // With a link layer given the kernel asks for no table of times.
    let link_layer = match framing.link_layer {
        LinkLayer::Ethernet => 1,
        LinkLayer::Atm => 2,
    };
    let cell_log = if rate == 0 { 0 } else { CELL_LOG };
    request.header(&[cell_log, if rate == 0 { 0 } else { link_layer }]);
    request.header(&framing.overhead.to_ne_bytes());
    request.header(&(-1_i16).to_ne_bytes());
    request.header(&framing.mpu.to_ne_bytes());
    request.header(&u32::try_from(rate).unwrap_or(u32::MAX).to_ne_bytes());
}

/// Reads `struct tc_ratespec`.
pub(crate) fn read_rate(fields: &mut Fields<'_>) -> Option<(u64, Framing)> {
    let (_, link_layer, overhead) = (fields.u8()?, fields.u8()?, fields.u16()?);
    let (_, mpu, rate) = (fields.i16()?, fields.u16()?, fields.u32()?);
    let link_layer = if link_layer == 2 { LinkLayer::Atm } else { LinkLayer::Ethernet };
    Some((rate.into(), Framing { overhead, mpu, link_layer }))
}

/// Writes the times that packets of 8, 16, ... bytes take: what police asks for, and no longer looks at.
pub(crate) fn write_table(request: &mut Request, kind: u16, rate: u64) {
    request.attribute(kind, |request| {
        for entry in 1..=ENTRIES as u32 {
            request.header(&ticks32(entry << CELL_LOG, rate).to_ne_bytes());
        }
    });
}

/// How probable something is, in steps of 1/4294967295, as the kernel counts.
///
/// ```
/// use netlink::tc::Probability;
///
/// assert_eq!(Probability::percent(100.0), Probability::ALWAYS);
/// assert_eq!(Probability::percent(12.5).as_percent().round(), 13.0);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Probability(u32);

impl Probability {
    /// 0 percent.
    pub const NEVER: Probability = Probability(0);
    /// 100 percent.
    pub const ALWAYS: Probability = Probability(u32::MAX);

    /// Makes one of percents; less than 0 is 0, and more than 100 is 100.
    pub fn percent(percent: f64) -> Probability {
        // A float becomes the nearest integer there is.
        Probability((percent / 100.0 * f64::from(u32::MAX)).round() as u32)
    }

    /// Makes one of the kernel's number.
    pub const fn from_raw(raw: u32) -> Probability {
        Probability(raw)
    }

    /// Returns the kernel's number.
    pub const fn raw(self) -> u32 {
        self.0
    }

    /// Returns the percents.
    pub fn as_percent(self) -> f64 {
        f64::from(self.0) / f64::from(u32::MAX) * 100.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_become_ticks_and_the_same_bytes_again() {
        for rate in [1000, 125_000, 1_250_000, 15_000_000] {
            for bytes in [0, 1, 1600, 3000] {
                assert_eq!(bytes_of(ticks32(bytes, rate), rate), bytes, "{bytes} at {rate}");
            }
        }
        // A tick is more than a byte here.
        let again = bytes_of(ticks32(100_000, 1_250_000_000), 1_250_000_000);
        assert!((100_000..100_080).contains(&again), "{again}");
    }

    #[test]
    fn what_the_kernels_numbers_can_not_hold_is_refused() {
        assert!(check_burst("burst", 1000, 0).is_err());
        assert!(check_burst("burst", 1000, 1).is_err());
        assert!(check_burst("burst", u32::MAX, u64::MAX).is_ok());
        assert!(check_micros(&[("target", Some(Duration::from_secs(4295)))]).is_err());
        assert!(check_micros(&[("target", Some(Duration::from_secs(4294))), ("interval", None)]).is_ok());
    }

    #[test]
    fn probabilities_have_ends() {
        assert_eq!(Probability::percent(-1.0), Probability::NEVER);
        assert_eq!(Probability::percent(101.0), Probability::ALWAYS);
        assert_eq!(Probability::percent(f64::NAN), Probability::NEVER);
        assert_eq!(Probability::percent(50.0).raw(), 0x8000_0000);
    }
}

//! netem: a bad network, for tests.

use std::time::Duration;

use crate::error::Failure;
use crate::tc::rate::{Probability, check_times};
use crate::wire::Request;
use crate::wire::attribute::{Attribute, Attributes};
use crate::wire::tc::fields::Fields;
use crate::wire::tc::numbers::{
    NETEM_LOSS_GE, NETEM_LOSS_GI, TCA_NETEM_CORR, TCA_NETEM_CORRUPT, TCA_NETEM_DELAY_DIST, TCA_NETEM_ECN,
    TCA_NETEM_JITTER64, TCA_NETEM_LATENCY64, TCA_NETEM_LOSS, TCA_NETEM_PRNG_SEED, TCA_NETEM_RATE,
    TCA_NETEM_RATE64, TCA_NETEM_REORDER, TCA_NETEM_SLOT, TCA_NETEM_SLOT_DIST, TCA_OPTIONS,
};

/// A bad network, for tests: packets are delayed, lost, doubled, damaged, and come in another order
/// ([`tc-netem(8)`]).
///
/// ```no_run
/// use netlink::Handle;
/// use netlink::tc::{Netem, Probability, Qdisc};
/// use std::time::Duration;
///
/// let mut netem = Netem::delay(Duration::from_millis(100));
/// netem.jitter = Duration::from_millis(10);
/// netem.loss = Probability::percent(1.0);
/// Handle::open()?.add_qdisc("eth0", &Qdisc::root(netem))?;
/// # Ok::<(), netlink::Error>(())
/// ```
///
/// [`tc-netem(8)`]: https://man7.org/linux/man-pages/man8/tc-netem.8.html
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Netem {
    /// How many packets may wait; 1000 at first.
    pub limit: u32,
    /// How long packets are delayed.
    pub latency: Duration,
    /// By how much the delay varies. Packets overtake others then.
    pub jitter: Duration,
    /// How much a delay is like the one before.
    pub delay_correlation: Probability,
    /// How delays are distributed: a table of the inverse of the distribution function, in units of 1/8192 of the
    /// jitter. The kernel keeps it for itself: what is read has none.
    pub delay_distribution: Vec<i16>,
    /// How many packets are lost.
    pub loss: Probability,
    /// How much a loss is like the one before.
    pub loss_correlation: Probability,
    /// Losses that come in bursts, instead of `loss`.
    pub loss_model: Option<LossModel>,
    /// How many packets are marked instead of lost, where they allow it: all (true) or none.
    pub ecn: bool,
    /// How many packets come twice.
    pub duplicate: Probability,
    /// How much that is like the one before.
    pub duplicate_correlation: Probability,
    /// How many packets have one bit damaged.
    pub corrupt: Probability,
    /// How much that is like the one before.
    pub corrupt_correlation: Probability,
    /// How many packets are sent at once, before those that are delayed.
    pub reorder: Probability,
    /// How much that is like the one before.
    pub reorder_correlation: Probability,
    /// Only each of so many packets may be sent at once. Where there is a `reorder`, `None` is each.
    pub gap: Option<u32>,
    /// A rate, which takes the time that packets need on a wire.
    pub rate: Option<NetemRate>,
    /// Packets are let go in slots, as a radio does.
    pub slot: Option<Slot>,
    /// How slots are distributed, as `delay_distribution`. What is read has none.
    pub slot_distribution: Vec<i16>,
    /// Where its random numbers begin (Linux 6.5).
    pub seed: Option<u64>,
}

/// The rate of a [`Netem`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NetemRate {
    /// In bytes per second.
    pub rate: u64,
    /// Bytes added to each packet.
    pub packet_overhead: i32,
    /// Into cells of how many bytes packets are cut; 0 is not at all.
    pub cell_size: u32,
    /// Bytes added to each cell.
    pub cell_overhead: i32,
}

impl NetemRate {
    /// Sets the rate in bytes per second.
    pub fn new(rate: u64) -> NetemRate {
        NetemRate { rate, ..NetemRate::default() }
    }
}

/// When a [`Netem`] lets packets go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Slot {
    /// The least time between slots.
    pub min_delay: Duration,
    /// The most time between slots.
    pub max_delay: Duration,
    /// How many packets go in a slot; 0 is all.
    pub max_packets: i32,
    /// How many bytes go in a slot; 0 is all.
    pub max_bytes: i32,
    /// The time between slots, where it has a distribution.
    pub distribution_delay: Duration,
    /// By how much that varies.
    pub distribution_jitter: Duration,
}

/// Losses that come in bursts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LossModel {
    /// A chain of four states: all is well, a burst of losses, packets that come between those, a single loss
    /// (`loss state`). The numbers tell how probable it is to go from one state to the other.
    State {
        /// From well to a burst.
        p13: Probability,
        /// From a burst to well.
        p31: Probability,
        /// From a burst to a packet that comes between.
        p32: Probability,
        /// Back from there.
        p23: Probability,
        /// From well to a single loss.
        p14: Probability,
    },
    /// A chain of two states, good and bad (`loss gemodel`).
    GilbertElliot {
        /// From good to bad.
        p: Probability,
        /// From bad to good.
        r: Probability,
        /// The losses of the bad state.
        h: Probability,
        /// The losses of the good state.
        k1: Probability,
    },
}

impl Default for Netem {
    fn default() -> Netem {
        Netem {
            limit: 1000,
            latency: Duration::ZERO,
            jitter: Duration::ZERO,
            delay_correlation: Probability::NEVER,
            delay_distribution: Vec::new(),
            loss: Probability::NEVER,
            loss_correlation: Probability::NEVER,
            loss_model: None,
            ecn: false,
            duplicate: Probability::NEVER,
            duplicate_correlation: Probability::NEVER,
            corrupt: Probability::NEVER,
            corrupt_correlation: Probability::NEVER,
            reorder: Probability::NEVER,
            reorder_correlation: Probability::NEVER,
            gap: None,
            rate: None,
            slot: None,
            slot_distribution: Vec::new(),
            seed: None,
        }
    }
}

/// The kernel takes no longer table.
const LONGEST_TABLE: usize = 16 * 1024 - 1;

impl Netem {
    /// Delays packets.
    pub fn delay(latency: Duration) -> Netem {
        Netem { latency, ..Netem::default() }
    }

    /// Loses packets.
    pub fn loss(loss: Probability) -> Netem {
        Netem { loss, ..Netem::default() }
    }

    pub(super) fn check(&self) -> Result<(), Failure> {
        let slot = self.slot.unwrap_or_default();
        let times = [
            ("delay", self.latency),
            ("jitter", self.jitter),
            ("time of a slot", slot.min_delay.max(slot.max_delay)),
            ("time of a slot", slot.distribution_delay.max(slot.distribution_jitter)),
        ];
        check_times(&times.map(|(what, time)| (what, Some(time))), i64::MAX as u128)?;
        if self.loss != Probability::NEVER && self.loss_model.is_some() {
            return Err(Failure::Input("it has losses of its own and a model of losses".to_owned()));
        }
        if self.reorder != Probability::NEVER && self.latency.is_zero() {
            // What isn't delayed can't be overtaken.
            return Err(Failure::Input("packets can only overtake others that are delayed".to_owned()));
        }
        for table in [&self.delay_distribution, &self.slot_distribution] {
            if table.len() > LONGEST_TABLE {
                let why = format!("a distribution has at most {LONGEST_TABLE} numbers, not {}", table.len());
                return Err(Failure::Input(why));
            }
        }
        if !self.delay_distribution.is_empty() && self.jitter.is_zero() {
            return Err(Failure::Input("a distribution of delays needs a jitter".to_owned()));
        }
        Ok(())
    }

    /// `struct tc_netem_qopt`, and attributes behind it.
    pub(super) fn write(&self, request: &mut Request) {
        let ticks = |time: Duration| u32::try_from(time.as_nanos() / 64).unwrap_or(u32::MAX);
        let gap = self.gap.unwrap_or(u32::from(self.reorder != Probability::NEVER));
        let header =
            [ticks(self.latency), self.limit, self.loss.raw(), gap, self.duplicate.raw(), ticks(self.jitter)];
        request.attribute(TCA_OPTIONS, |request| {
            numbers(request, &header);
            request.u64(TCA_NETEM_LATENCY64, nanos(self.latency) as u64);
            request.u64(TCA_NETEM_JITTER64, nanos(self.jitter) as u64);
            probabilities(
                request,
                TCA_NETEM_CORR,
                [self.delay_correlation, self.loss_correlation, self.duplicate_correlation],
            );
            probabilities(request, TCA_NETEM_REORDER, [self.reorder, self.reorder_correlation]);
            probabilities(request, TCA_NETEM_CORRUPT, [self.corrupt, self.corrupt_correlation]);
            if self.ecn {
                request.u32(TCA_NETEM_ECN, 1);
            }
            write_table(request, TCA_NETEM_DELAY_DIST, &self.delay_distribution);
            write_table(request, TCA_NETEM_SLOT_DIST, &self.slot_distribution);
            if let Some(model) = self.loss_model {
                model.write(request);
            }
            if let Some(rate) = self.rate {
                rate.write(request);
            }
            if let Some(slot) = self.slot {
                slot.write(request);
            }
            if let Some(seed) = self.seed {
                request.u64(TCA_NETEM_PRNG_SEED, seed);
            }
        });
    }

    pub(super) fn read(options: Attribute<'_>) -> Option<Netem> {
        let mut fields = Fields(options.payload);
        let time = |ticks: u32| Duration::from_nanos(u64::from(ticks) * 64);
        let mut netem = Netem { latency: time(fields.u32()?), limit: fields.u32()?, ..Netem::default() };
        netem.loss = Probability::from_raw(fields.u32()?);
        netem.gap = Some(fields.u32()?).filter(|gap| *gap > 0);
        netem.duplicate = Probability::from_raw(fields.u32()?);
        netem.jitter = time(fields.u32()?);
        for attribute in Attributes::new(fields.0) {
            // What is too short to be read is as if it weren't there.
            netem.read_attribute(attribute);
        }
        Some(netem)
    }

    fn read_attribute(&mut self, attribute: Attribute<'_>) -> Option<()> {
        let mut fields = Fields(attribute.payload);
        let mut probability = || fields.u32().map(Probability::from_raw);
        match attribute.kind {
            TCA_NETEM_CORR => {
                self.delay_correlation = probability()?;
                self.loss_correlation = probability()?;
                self.duplicate_correlation = probability()?;
            }
            TCA_NETEM_REORDER => (self.reorder, self.reorder_correlation) = (probability()?, probability()?),
            TCA_NETEM_CORRUPT => (self.corrupt, self.corrupt_correlation) = (probability()?, probability()?),
            TCA_NETEM_ECN => self.ecn = fields.u32()? != 0,
            TCA_NETEM_LATENCY64 => self.latency = time(fields.i64()?),
            TCA_NETEM_JITTER64 => self.jitter = time(fields.i64()?),
            TCA_NETEM_LOSS => self.loss_model = attribute.nested().find_map(LossModel::read),
            TCA_NETEM_RATE => self.rate = NetemRate::read(fields, self.rate),
            // It may stand before the other.
            TCA_NETEM_RATE64 => self.rate.get_or_insert_default().rate = fields.u64()?,
            TCA_NETEM_SLOT => self.slot = Slot::read(fields),
            TCA_NETEM_PRNG_SEED => self.seed = fields.u64(),
            _ => {}
        }
        Some(())
    }
}

fn nanos(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}

fn time(nanos: i64) -> Duration {
    Duration::from_nanos(u64::try_from(nanos).unwrap_or_default())
}

fn numbers(request: &mut Request, numbers: &[u32]) {
    for number in numbers {
        request.header(&number.to_ne_bytes());
    }
}

fn probabilities<const N: usize>(request: &mut Request, kind: u16, all: [Probability; N]) {
    request.attribute(kind, |request| numbers(request, &all.map(Probability::raw)));
}

fn write_table(request: &mut Request, kind: u16, table: &[i16]) {
    if !table.is_empty() {
        request.attribute(kind, |request| {
            for number in table {
                request.header(&number.to_ne_bytes());
            }
        });
    }
}

impl NetemRate {
    fn write(self, request: &mut Request) {
        // The other 32 bits are told apart.
        if self.rate > u32::MAX.into() {
            request.u64(TCA_NETEM_RATE64, self.rate);
        }
        request.attribute(TCA_NETEM_RATE, |request| {
            numbers(
                request,
                &[
                    u32::try_from(self.rate).unwrap_or(u32::MAX),
                    self.packet_overhead as u32,
                    self.cell_size,
                    self.cell_overhead as u32,
                ],
            );
        });
    }

    /// The kernel tells a rate of 0 where there is none.
    fn read(mut fields: Fields<'_>, before: Option<NetemRate>) -> Option<NetemRate> {
        let low = u64::from(fields.u32()?);
        let rate = NetemRate {
            rate: before.map_or(low, |before| before.rate),
            packet_overhead: fields.i32()?,
            cell_size: fields.u32()?,
            cell_overhead: fields.i32()?,
        };
        Some(rate).filter(|rate| rate.rate > 0)
    }
}

impl Slot {
    fn write(self, request: &mut Request) {
        request.attribute(TCA_NETEM_SLOT, |request| {
            request.header(&nanos(self.min_delay).to_ne_bytes());
            request.header(&nanos(self.max_delay.max(self.min_delay)).to_ne_bytes());
            request.header(&self.max_packets.to_ne_bytes());
            request.header(&self.max_bytes.to_ne_bytes());
            request.header(&nanos(self.distribution_delay).to_ne_bytes());
            request.header(&nanos(self.distribution_jitter).to_ne_bytes());
        });
    }

    /// The kernel tells "no limit" as the largest number.
    fn read(mut fields: Fields<'_>) -> Option<Slot> {
        let limit = |most: i32| if most == i32::MAX { 0 } else { most };
        Some(Slot {
            min_delay: time(fields.i64()?),
            max_delay: time(fields.i64()?),
            max_packets: limit(fields.i32()?),
            max_bytes: limit(fields.i32()?),
            distribution_delay: time(fields.i64()?),
            distribution_jitter: time(fields.i64()?),
        })
    }
}

impl LossModel {
    fn write(self, request: &mut Request) {
        request.nest(TCA_NETEM_LOSS, |request| match self {
            LossModel::State { p13, p31, p32, p23, p14 } => {
                probabilities(request, NETEM_LOSS_GI, [p13, p31, p32, p14, p23]);
            }
            LossModel::GilbertElliot { p, r, h, k1 } => {
                // To the kernel, `h` is what is not lost.
                let h = Probability::from_raw(u32::MAX - h.raw());
                probabilities(request, NETEM_LOSS_GE, [p, r, h, k1]);
            }
        });
    }

    fn read(attribute: Attribute<'_>) -> Option<LossModel> {
        let mut fields = Fields(attribute.payload);
        let mut next = || fields.u32().map(Probability::from_raw);
        match attribute.kind {
            NETEM_LOSS_GI => {
                let [p13, p31, p32, p14, p23] = [next()?, next()?, next()?, next()?, next()?];
                Some(LossModel::State { p13, p31, p32, p23, p14 })
            }
            NETEM_LOSS_GE => {
                let [p, r, h, k1] = [next()?, next()?, next()?, next()?];
                Some(LossModel::GilbertElliot { p, r, h: Probability::from_raw(u32::MAX - h.raw()), k1 })
            }
            _ => None,
        }
    }
}

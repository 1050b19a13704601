//! htb: a tree of rates, of which classes borrow.

use crate::error::Failure;
use crate::tc::rate::{Framing, bytes_of, check_burst, read_rate, ticks32, write_rate};
use crate::wire::Request;
use crate::wire::attribute::Attribute;
use crate::wire::tc::fields::Fields;
use crate::wire::tc::numbers::{
    TCA_HTB_CEIL64, TCA_HTB_DIRECT_QLEN, TCA_HTB_INIT, TCA_HTB_PARMS, TCA_HTB_RATE64, TCA_OPTIONS,
};

/// Shares a link among classes, each with a rate of its own, and a ceiling up to which it borrows what others leave
/// (hierarchy token bucket, [`tc-htb(8)`]). The classes are [`HtbClass`]es.
///
/// [`tc-htb(8)`]: https://man7.org/linux/man-pages/man8/tc-htb.8.html
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Htb {
    /// The number of the class (behind the colon) of packets that no filter sends to one. 0 is none: they go out
    /// at once.
    pub default_class: u32,
    /// By what a class's rate is divided for the bytes it sends in a round; 10 at first.
    pub rate_to_quantum: u32,
    /// How many packets may wait that no class has; `None` is as many as the link's queue has room for.
    pub direct_queue_len: Option<u32>,
    /// How many packets had no class so far. On input it is not looked at.
    pub direct_packets: u32,
}

impl Default for Htb {
    fn default() -> Htb {
        Htb { default_class: 0, rate_to_quantum: 10, direct_queue_len: None, direct_packets: 0 }
    }
}

impl Htb {
    /// Begins one without a class for packets that no filter sends to one.
    pub fn new() -> Htb {
        Htb::default()
    }

    /// Sets the class of packets that no filter sends to one: what stands behind the colon.
    #[must_use]
    pub fn default_class(mut self, minor: u32) -> Htb {
        self.default_class = minor;
        self
    }

    pub(super) fn check(&self) -> Result<(), Failure> {
        Ok(())
    }

    pub(super) fn write(&self, request: &mut Request) {
        request.nest(TCA_OPTIONS, |request| {
            request.attribute(TCA_HTB_INIT, |request| {
                const VERSION: u32 = 3;
                for number in [VERSION, self.rate_to_quantum, self.default_class, 0, 0] {
                    request.header(&number.to_ne_bytes());
                }
            });
            if let Some(length) = self.direct_queue_len {
                request.u32(TCA_HTB_DIRECT_QLEN, length);
            }
        });
    }

    pub(super) fn read(options: Attribute<'_>) -> Option<Htb> {
        let init = options.nested().find(|attribute| attribute.kind == TCA_HTB_INIT)?;
        let mut init = Fields(init.payload);
        init.skip(4)?;
        let (rate_to_quantum, default_class) = (init.u32()?, init.u32()?);
        init.skip(4)?;
        let direct_queue_len = options.nested().find(|attribute| attribute.kind == TCA_HTB_DIRECT_QLEN);
        Some(Htb {
            default_class,
            rate_to_quantum,
            direct_queue_len: direct_queue_len.and_then(Attribute::u32),
            direct_packets: init.u32()?,
        })
    }
}

/// A class of an [`Htb`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HtbClass {
    /// The rate it always has, in bytes per second.
    pub rate: u64,
    /// The rate it has where others leave theirs, in bytes per second; on input `None` is its rate.
    pub ceil: Option<u64>,
    /// How much may go out at once at its rate, in bytes; on input `None` is 1600 and what goes out in a nanosecond,
    /// as tc(8) chooses. What is read may be some bytes more at more than 15 megabytes per second.
    pub burst: Option<u32>,
    /// The same at its ceiling, in bytes.
    pub ceil_burst: Option<u32>,
    /// How many bytes it sends before it is another's turn; `None` is its rate divided by that of the qdisc.
    pub quantum: Option<u32>,
    /// Which classes may borrow first: those with the least, 0 to 7.
    pub priority: u32,
    /// What packets count besides their own bytes.
    pub framing: Framing,
    /// How far it is from the leaves. On input it is not looked at.
    pub level: u32,
}

impl HtbClass {
    /// Sets the rate, in bytes per second (see [`bits`](crate::tc::bits)).
    pub fn new(rate: u64) -> HtbClass {
        HtbClass {
            rate,
            ceil: None,
            burst: None,
            ceil_burst: None,
            quantum: None,
            priority: 0,
            framing: Framing::default(),
            level: 0,
        }
    }

    /// Sets the rate up to which it borrows, in bytes per second.
    #[must_use]
    pub fn ceil(mut self, rate: u64) -> HtbClass {
        self.ceil = Some(rate);
        self
    }

    /// Sets how many bytes may go out at once.
    #[must_use]
    pub fn burst(mut self, bytes: u32) -> HtbClass {
        self.burst = Some(bytes);
        self
    }

    /// Sets which classes may borrow first: those with the least, 0 to 7.
    #[must_use]
    pub fn priority(mut self, priority: u32) -> HtbClass {
        self.priority = priority;
        self
    }

    fn numbers(&self) -> (u64, u32, u32) {
        let usual = |rate: u64| u32::try_from(1600 + rate / 1_000_000_000).unwrap_or(u32::MAX);
        let ceil = self.ceil.unwrap_or(self.rate);
        (ceil, self.burst.unwrap_or_else(|| usual(self.rate)), self.ceil_burst.unwrap_or_else(|| usual(ceil)))
    }

    pub(in crate::tc) fn check(&self) -> Result<(), Failure> {
        let (ceil, burst, ceil_burst) = self.numbers();
        if ceil < self.rate {
            // The kernel takes it, and then the class never has its rate.
            return Err(Failure::Input(format!("the ceiling {ceil} is less than the rate {}", self.rate)));
        }
        if self.priority > 7 {
            // The kernel would make it 7 silently.
            return Err(Failure::Input(format!("the priority is 0 to 7, not {}", self.priority)));
        }
        check_burst("burst", burst, self.rate)?;
        check_burst("burst at the ceiling", ceil_burst, ceil)
    }

    pub(in crate::tc) fn write(&self, request: &mut Request) {
        let (ceil, burst, ceil_burst) = self.numbers();
        request.nest(TCA_OPTIONS, |request| {
            request.attribute(TCA_HTB_PARMS, |request| {
                write_rate(request, self.rate, self.framing);
                write_rate(request, ceil, self.framing);
                let (buffer, cbuffer) = (ticks32(burst, self.rate), ticks32(ceil_burst, ceil));
                for number in [buffer, cbuffer, self.quantum.unwrap_or_default(), 0, self.priority] {
                    request.header(&number.to_ne_bytes());
                }
            });
            for (kind, rate) in [(TCA_HTB_RATE64, self.rate), (TCA_HTB_CEIL64, ceil)] {
                if rate > u32::MAX.into() {
                    request.u64(kind, rate);
                }
            }
        });
    }

    pub(in crate::tc) fn read(options: Attribute<'_>) -> Option<HtbClass> {
        let (mut parms, mut rate64, mut ceil64) = (None, None, None);
        for attribute in options.nested() {
            match attribute.kind {
                TCA_HTB_PARMS => parms = Some(Fields(attribute.payload)),
                TCA_HTB_RATE64 => rate64 = attribute.u64(),
                TCA_HTB_CEIL64 => ceil64 = attribute.u64(),
                _ => {}
            }
        }
        let mut parms = parms?;
        let (rate, framing) = read_rate(&mut parms)?;
        let (ceil, _) = read_rate(&mut parms)?;
        let (rate, ceil) = (rate64.unwrap_or(rate), ceil64.unwrap_or(ceil));
        Some(HtbClass {
            rate,
            ceil: Some(ceil),
            burst: Some(bytes_of(parms.u32()?, rate)),
            ceil_burst: Some(bytes_of(parms.u32()?, ceil)),
            quantum: Some(parms.u32()?),
            level: parms.u32()?,
            priority: parms.u32()?,
            framing,
        })
    }
}

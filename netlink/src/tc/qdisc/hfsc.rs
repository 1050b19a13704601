//! hfsc and drr: classes by curves, and by turns.

use std::time::Duration;

use crate::error::Failure;
use crate::tc::rate::check_micros;
use crate::wire::Request;
use crate::wire::attribute::Attribute;
use crate::wire::tc::fields::Fields;
use crate::wire::tc::numbers::{TCA_DRR_QUANTUM, TCA_HFSC_FSC, TCA_HFSC_RSC, TCA_HFSC_USC, TCA_OPTIONS};

/// Shares a link by curves of bytes over time, which separate delay from rate ([`tc-hfsc(7)`]). The classes are
/// [`HfscClass`]es.
///
/// [`tc-hfsc(7)`]: https://man7.org/linux/man-pages/man7/tc-hfsc.7.html
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Hfsc {
    /// The number of the class (behind the colon) of packets that no filter sends to one; without one they are
    /// dropped.
    pub default_class: u16,
}

impl Hfsc {
    /// Sets the class of packets that no filter sends to one.
    pub fn new(default_class: u16) -> Hfsc {
        Hfsc { default_class }
    }

    pub(super) fn check(&self) -> Result<(), Failure> {
        Ok(())
    }

    /// `struct tc_hfsc_qopt`.
    pub(super) fn write(&self, request: &mut Request) {
        request.bytes(TCA_OPTIONS, &self.default_class.to_ne_bytes());
    }

    pub(super) fn read(options: Attribute<'_>) -> Option<Hfsc> {
        Some(Hfsc { default_class: Fields(options.payload).u16()? })
    }
}

/// A curve of a [`HfscClass`]: one rate for some time, and then another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServiceCurve {
    /// The rate at first, in bytes per second.
    pub m1: u32,
    /// For how long (microseconds to the kernel).
    pub d: Duration,
    /// The rate from then on, in bytes per second.
    pub m2: u32,
}

impl ServiceCurve {
    /// Makes a line: one rate in bytes per second.
    pub fn rate(rate: u32) -> ServiceCurve {
        ServiceCurve { m1: 0, d: Duration::ZERO, m2: rate }
    }
}

/// A class of an [`Hfsc`]. It needs `real_time` or `link_share`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HfscClass {
    /// What it always gets.
    pub real_time: Option<ServiceCurve>,
    /// Its share of what is left.
    pub link_share: Option<ServiceCurve>,
    /// The most that it gets of what is left.
    pub upper_limit: Option<ServiceCurve>,
}

impl HfscClass {
    /// Gives it one rate, in bytes per second, that it always gets and by which what is left is shared.
    pub fn new(rate: u32) -> HfscClass {
        let curve = Some(ServiceCurve::rate(rate));
        HfscClass { real_time: curve, link_share: curve, upper_limit: None }
    }

    fn curves(&self) -> [(u16, Option<ServiceCurve>); 3] {
        [(TCA_HFSC_RSC, self.real_time), (TCA_HFSC_FSC, self.link_share), (TCA_HFSC_USC, self.upper_limit)]
    }

    pub(in crate::tc) fn check(&self) -> Result<(), Failure> {
        if self.real_time.is_none() && self.link_share.is_none() {
            return Err(Failure::Input("the class needs a real-time or a link-share curve".to_owned()));
        }
        if self.upper_limit.is_some() && self.link_share.is_none() {
            return Err(Failure::Input("an upper limit needs a link-share curve".to_owned()));
        }
        check_micros(&self.curves().map(|(_, curve)| ("time of a curve", curve.map(|curve| curve.d))))
    }

    pub(in crate::tc) fn write(&self, request: &mut Request) {
        request.nest(TCA_OPTIONS, |request| {
            for (kind, curve) in self.curves() {
                if let Some(ServiceCurve { m1, d, m2 }) = curve {
                    let d = u32::try_from(d.as_micros()).unwrap_or(u32::MAX);
                    request.bytes(kind, [m1, d, m2].map(u32::to_ne_bytes).as_flattened());
                }
            }
        });
    }

    pub(in crate::tc) fn read(options: Attribute<'_>) -> HfscClass {
        let mut class = HfscClass::default();
        for attribute in options.nested() {
            match attribute.kind {
                TCA_HFSC_RSC => class.real_time = read_curve(attribute),
                TCA_HFSC_FSC => class.link_share = read_curve(attribute),
                TCA_HFSC_USC => class.upper_limit = read_curve(attribute),
                _ => {}
            }
        }
        class
    }
}

fn read_curve(attribute: Attribute<'_>) -> Option<ServiceCurve> {
    let mut fields = Fields(attribute.payload);
    let (m1, d) = (fields.u32()?, Duration::from_micros(fields.u32()?.into()));
    Some(ServiceCurve { m1, d, m2: fields.u32()? })
}

/// A class of drr, which sends by turns ([`tc-drr(8)`]).
///
/// [`tc-drr(8)`]: https://man7.org/linux/man-pages/man8/tc-drr.8.html
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DrrClass {
    /// How many bytes it sends before it is another's turn; `None` is the link's MTU.
    pub quantum: Option<u32>,
}

impl DrrClass {
    /// Sets how many bytes it sends before it is another's turn.
    pub fn new(quantum: u32) -> DrrClass {
        DrrClass { quantum: Some(quantum) }
    }

    pub(in crate::tc) fn check(&self) -> Result<(), Failure> {
        Ok(())
    }

    pub(in crate::tc) fn write(&self, request: &mut Request) {
        request.nest(TCA_OPTIONS, |request| {
            if let Some(quantum) = self.quantum {
                request.u32(TCA_DRR_QUANTUM, quantum);
            }
        });
    }

    pub(in crate::tc) fn read(options: Attribute<'_>) -> DrrClass {
        let quantum = options.nested().find(|attribute| attribute.kind == TCA_DRR_QUANTUM);
        DrrClass { quantum: quantum.and_then(Attribute::u32) }
    }
}

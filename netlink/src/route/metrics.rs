//! What the kernel goes by on a route's connections.

use bitflags::bitflags;

use crate::error::Failure;
use crate::wire::attribute::{Attribute, Attributes};
use crate::wire::numbers::{
    RTAX_ADVMSS, RTAX_CC_ALGO, RTAX_CWND, RTAX_FASTOPEN_NO_COOKIE, RTAX_FEATURES, RTAX_HOPLIMIT,
    RTAX_INITCWND, RTAX_INITRWND, RTAX_LOCK, RTAX_MTU, RTAX_QUICKACK, RTAX_REORDERING, RTAX_RTO_MIN,
    RTAX_RTT, RTAX_RTTVAR, RTAX_SSTHRESH, RTAX_WINDOW,
};
use crate::wire::{Request, write_some};

/// What connections over a [`Route`](crate::Route) begin with and are held to; `None` is the kernel's own way.
///
/// ```
/// use netlink::{Route, RouteMetrics};
///
/// let mut metrics = RouteMetrics::default();
/// (metrics.mtu, metrics.congestion_control) = (Some(1400), Some("reno".to_owned()));
/// let route = Route::default_via("10.0.41.1".parse()?).metrics(metrics);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct RouteMetrics {
    /// The longest packet, in bytes: at most 65520.
    pub mtu: Option<u32>,
    /// The largest window that TCP offers, in bytes.
    pub window: Option<u32>,
    /// The round trip time to begin with, in eighths of a millisecond.
    pub rtt: Option<u32>,
    /// How much it varies, in quarters of a millisecond.
    pub rttvar: Option<u32>,
    /// Where slow start ends, in segments.
    pub ssthresh: Option<u32>,
    /// The largest congestion window, in segments; it holds only where [`locked`](RouteMetrics::locked).
    pub cwnd: Option<u32>,
    /// The largest segment that TCP asks for, in bytes: at most 65495.
    pub advmss: Option<u32>,
    /// How many segments may overtake one before it is lost.
    pub reordering: Option<u32>,
    /// Over how many routers packets may go: 1 to 255.
    pub hoplimit: Option<u32>,
    /// The congestion window to begin with, in segments.
    pub initcwnd: Option<u32>,
    /// What TCP may use; no bit is not said.
    pub features: RouteFeatures,
    /// The shortest time after which TCP sends again, in milliseconds.
    pub rto_min: Option<u32>,
    /// The window to offer at first, in segments.
    pub initrwnd: Option<u32>,
    /// Whether TCP acknowledges at once.
    pub quickack: Option<bool>,
    /// The name of TCP's congestion control: `cubic`, `reno`, ...
    pub congestion_control: Option<String>,
    /// Whether TCP sends data with its first packet without a cookie.
    pub fastopen_no_cookie: Option<bool>,
    /// Which of these the kernel doesn't change by what it sees.
    pub locked: MetricLocks,
}

bitflags! {
    /// Which of the [metrics](RouteMetrics) the kernel doesn't change. Those without a name here are kept.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct MetricLocks: u32 {
        /// The longest packet.
        const MTU = 1 << RTAX_MTU;
        /// The window.
        const WINDOW = 1 << RTAX_WINDOW;
        /// The round trip time.
        const RTT = 1 << RTAX_RTT;
        /// How much it varies.
        const RTTVAR = 1 << RTAX_RTTVAR;
        /// Where slow start ends.
        const SSTHRESH = 1 << RTAX_SSTHRESH;
        /// The congestion window.
        const CWND = 1 << RTAX_CWND;
        /// The largest segment.
        const ADVMSS = 1 << RTAX_ADVMSS;
        /// How many segments may overtake one.
        const REORDERING = 1 << RTAX_REORDERING;
        /// The routers on the way.
        const HOPLIMIT = 1 << RTAX_HOPLIMIT;
        /// The shortest time after which TCP sends again.
        const RTO_MIN = 1 << RTAX_RTO_MIN;
        /// TCP's congestion control.
        const CONGESTION_CONTROL = 1 << RTAX_CC_ALGO;

        const _ = !0;
    }
}

bitflags! {
    /// What TCP may use on a route (`RTAX_FEATURE_`). Those without a name here are kept.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct RouteFeatures: u32 {
        /// Routers may mark packets instead of dropping them.
        const ECN = 1;
        /// Segments are acknowledged apart.
        const SACK = 2;
        /// Segments carry their time.
        const TIMESTAMP = 4;
        /// Every packet has a fragment header.
        const ALLFRAG = 8;
        /// Those times are microseconds (Linux 6.7).
        const TCP_USEC_TS = 16;

        const _ = !0;
    }
}

macro_rules! plain {
    ($($attribute:ident $field:ident),+ $(,)?) => {
        fn read_number(&mut self, attribute: Attribute<'_>) -> bool {
            match attribute.kind {
                $($attribute => self.$field = attribute.u32(),)+
                _ => return false,
            }
            true
        }

        fn write_numbers(&self, request: &mut Request) {
            write_some!(request, $(u32 $attribute self.$field),+);
        }
    };
}

impl RouteMetrics {
    plain! {
        RTAX_MTU mtu,
        RTAX_WINDOW window,
        RTAX_RTT rtt,
        RTAX_RTTVAR rttvar,
        RTAX_SSTHRESH ssthresh,
        RTAX_CWND cwnd,
        RTAX_ADVMSS advmss,
        RTAX_REORDERING reordering,
        RTAX_HOPLIMIT hoplimit,
        RTAX_INITCWND initcwnd,
        RTAX_RTO_MIN rto_min,
        RTAX_INITRWND initrwnd,
    }

    /// Checks what the kernel would take otherwise.
    pub(super) fn check(&self) -> Result<(), Failure> {
        for (value, least, most, what) in [
            (self.mtu, 0, 65535 - 15, "its MTU"),
            (self.advmss, 0, 65535 - 40, "its largest segment"),
            (self.hoplimit, 1, 255, "its hop limit"),
        ] {
            if let Some(value) = value.filter(|value| !(least..=most).contains(value)) {
                return Err(Failure::Input(format!("{what} is {least} to {most}, not {value}")));
            }
        }
        Ok(())
    }

    pub(crate) fn write(&self, request: &mut Request) {
        if !self.locked.is_empty() {
            request.u32(RTAX_LOCK, self.locked.bits());
        }
        self.write_numbers(request);
        if !self.features.is_empty() {
            request.u32(RTAX_FEATURES, self.features.bits());
        }
        write_some!(
            request,
            u32 RTAX_QUICKACK self.quickack.map(u32::from),
            text RTAX_CC_ALGO self.congestion_control.as_deref(),
            u32 RTAX_FASTOPEN_NO_COOKIE self.fastopen_no_cookie.map(u32::from),
        );
    }

    pub(crate) fn read(metrics: &[u8]) -> RouteMetrics {
        let mut read = RouteMetrics::default();
        for attribute in Attributes::new(metrics) {
            if read.read_number(attribute) {
                continue;
            }
            let flag = || attribute.u32().map(|value| value != 0);
            let bits = || attribute.u32().unwrap_or_default();
            match attribute.kind {
                RTAX_FEATURES => read.features = RouteFeatures::from_bits_retain(bits()),
                RTAX_QUICKACK => read.quickack = flag(),
                RTAX_CC_ALGO => read.congestion_control = Some(attribute.text()),
                RTAX_FASTOPEN_NO_COOKIE => read.fastopen_no_cookie = flag(),
                RTAX_LOCK => read.locked = MetricLocks::from_bits_retain(bits()),
                _ => {}
            }
        }
        read
    }
}

//! cake: a rate, fairness and short queues in one.

use std::time::Duration;

use crate::error::Failure;
use crate::kind::numbers;
use crate::tc::rate::check_micros;
use crate::wire::Request;
use crate::wire::attribute::Attribute;
use crate::wire::tc::numbers::{
    TCA_CAKE_ACK_FILTER, TCA_CAKE_ATM, TCA_CAKE_AUTORATE, TCA_CAKE_BASE_RATE64, TCA_CAKE_DIFFSERV_MODE,
    TCA_CAKE_FLOW_MODE, TCA_CAKE_FWMARK, TCA_CAKE_INGRESS, TCA_CAKE_MEMORY, TCA_CAKE_MPU, TCA_CAKE_NAT,
    TCA_CAKE_OVERHEAD, TCA_CAKE_RAW, TCA_CAKE_RTT, TCA_CAKE_SPLIT_GSO, TCA_CAKE_TARGET, TCA_CAKE_WASH,
    TCA_OPTIONS,
};

/// A rate, fairness between hosts and flows, and short queues in one ([`tc-cake(8)`]). On input `None` is the
/// kernel's default, or as it is.
///
/// [`tc-cake(8)`]: https://man7.org/linux/man-pages/man8/tc-cake.8.html
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cake {
    /// The rate in bytes per second; 0 is no limit.
    pub rate: Option<u64>,
    /// How packets are sorted by DSCP, a `CAKE_DIFFSERV_` number: 0 diffserv3, 1 diffserv4, 2 diffserv8,
    /// 3 besteffort, 4 precedence.
    pub diffserv: Option<u32>,
    /// What is a flow, a `CAKE_FLOW_` number: 0 flowblind, ..., 7 triple-isolate.
    pub flow_mode: Option<u32>,
    /// How the wire cuts packets, a `CAKE_ATM_` number: 0 not, 1 ATM, 2 PTM.
    pub atm: Option<u32>,
    /// Bytes added to each packet.
    pub overhead: Option<i32>,
    /// The least that a packet counts, in bytes.
    pub mpu: Option<u32>,
    /// The usual time there and back, by which queues are kept short.
    pub rtt: Option<Duration>,
    /// How long packets may wait as a rule.
    pub target: Option<Duration>,
    /// Whether the rate follows what arrives.
    pub autorate: Option<bool>,
    /// How much memory packets may take, in bytes; 0 is chosen by the rate.
    pub memory: Option<u32>,
    /// Whether hosts are told apart by their addresses before translation.
    pub nat: Option<bool>,
    /// Whether DSCP is cleared.
    pub wash: Option<bool>,
    /// Whether dropped packets count, as they do where they come in.
    pub ingress: Option<bool>,
    /// Whether needless acknowledgements are dropped: 0 no, 1 some, 2 more.
    pub ack_filter: Option<u32>,
    /// Whether long packets are cut into their segments.
    pub split_gso: Option<bool>,
    /// The mask of the mark that chooses the class; 0 is none.
    pub fwmark: Option<u32>,
}

numbers!(Cake {
    TCA_CAKE_BASE_RATE64 u64 rate,
    TCA_CAKE_DIFFSERV_MODE u32 diffserv,
    TCA_CAKE_FLOW_MODE u32 flow_mode,
    TCA_CAKE_ATM u32 atm,
    TCA_CAKE_MPU u32 mpu,
    TCA_CAKE_RTT micros rtt,
    TCA_CAKE_TARGET micros target,
    TCA_CAKE_AUTORATE bool32 autorate,
    TCA_CAKE_MEMORY u32 memory,
    TCA_CAKE_NAT bool32 nat,
    TCA_CAKE_WASH bool32 wash,
    TCA_CAKE_INGRESS bool32 ingress,
    TCA_CAKE_ACK_FILTER u32 ack_filter,
    TCA_CAKE_SPLIT_GSO bool32 split_gso,
    TCA_CAKE_FWMARK u32 fwmark,
});

impl Cake {
    pub(super) fn check(&self) -> Result<(), Failure> {
        check_micros(&[("round-trip time", self.rtt), ("target", self.target)])
    }

    pub(super) fn write(&self, request: &mut Request) {
        request.nest(TCA_OPTIONS, |request| {
            self.write_numbers(request);
            if let Some(overhead) = self.overhead {
                request.u32(TCA_CAKE_OVERHEAD, overhead as u32);
            }
        });
    }

    pub(super) fn read(options: Attribute<'_>) -> Cake {
        let mut cake = Cake::default();
        for attribute in options.nested() {
            match attribute.kind {
                // A raw overhead is one that isn't the link's own: it is told all the same.
                TCA_CAKE_RAW => {}
                TCA_CAKE_OVERHEAD => cake.overhead = attribute.i32(),
                _ => cake.read_number(attribute),
            }
        }
        cake
    }
}

//! Traffic control: how links queue, shape, sort and drop packets ([`tc(8)`]).
//!
//! A link has a tree of [qdiscs](Qdisc) and [classes](Class), and [filters](Filter) that choose a class or do
//! something with a packet: their [actions](Action). Each has what tc(8) calls it, and is read and written alike.
//! Rates are in bytes per second ([`bits`] helps), times are `Duration`s.
//!
//! Limit what a container gets (through the root of the host's end of its veth pair) to 10 megabits per second:
//!
//! ```no_run
//! use netlink::Handle;
//! use netlink::tc::{Qdisc, Tbf, bits};
//! use std::time::Duration;
//!
//! let tbf = Tbf::new(bits(10_000_000), 32 * 1024, Duration::from_millis(50));
//! Handle::open()?.replace_qdisc("veth0", &Qdisc::root(tbf))?;
//! # Ok::<(), netlink::Error>(())
//! ```
//!
//! Limit what it sends, which comes in at the host's end, by dropping what is too much:
//!
//! ```no_run
//! use netlink::Handle;
//! use netlink::tc::{Action, Filter, Matchall, Police, Qdisc, TcHandle, bits};
//!
//! let mut handle = Handle::open()?;
//! handle.add_qdisc("veth0", &Qdisc::clsact())?;
//! let police = Action::police(Police::new(bits(10_000_000), 64 * 1024));
//! let filter = Filter::new(TcHandle::CLSACT_INGRESS, Matchall::new(vec![police]));
//! handle.add_filter("veth0", &filter)?;
//! # Ok::<(), netlink::Error>(())
//! ```
//!
//! The same by delaying it: what comes in is redirected to an ifb, whose root has a rate:
//!
//! ```no_run
//! use netlink::tc::{Action, Filter, Htb, HtbClass, Class, Matchall, Qdisc, TcHandle, U32, bits};
//! use netlink::{AnyLink, Handle};
//!
//! let mut handle = Handle::open()?;
//! let ifb = handle.add_link(&AnyLink::new("ifb0", "ifb").up())?;
//! handle.add_qdisc("veth0", &Qdisc::ingress())?;
//! let redirect = U32::all().action(Action::redirect(&ifb));
//! handle.add_filter("veth0", &Filter::new(TcHandle::INGRESS_QDISC, redirect))?;
//!
//! let root = TcHandle::qdisc(1);
//! handle.add_qdisc(&ifb, &Qdisc::root(Htb::new().default_class(0x10)).handle(root))?;
//! handle.add_class(&ifb, &Class::new(root, TcHandle::new(1, 0x10), HtbClass::new(bits(10_000_000))))?;
//! # Ok::<(), netlink::Error>(())
//! ```
//!
//! A network with a delay of 100 ms, for tests: [`Netem`]. A program of one's own: [`BpfFilter`].
//!
//! What this crate has no words for goes as the kernel's bytes: [`QdiscKind::Other`], [`ClassKind::Other`],
//! [`FilterKind::Other`] and [`ActionKind::Other`].
//!
//! [`tc(8)`]: https://man7.org/linux/man-pages/man8/tc.8.html

#![allow(
    clippy::trivially_copy_pass_by_ref,
    clippy::unnecessary_wraps,
    clippy::unused_self,
    reason = "kinds of all sizes are checked, written and read alike"
)]

mod action;
mod batch;
mod chain;
mod class;
mod describe;
mod filter;
mod handle;
mod place;
mod qdisc;
mod rate;
mod stats;

pub use self::action::{
    Action, ActionKind, BpfAction, Chance, Csum, Gact, Mirred, Nat, Pedit, PeditHeader, PeditKey, Police,
    Sample, Skbedit, TunnelKey, Verdict, VlanAction,
};
pub use self::chain::Chain;
pub use self::class::{Class, ClassFilter, ClassKind};
pub(crate) use self::describe::{doing, hints};
pub use self::filter::{
    Basic, BpfFilter, CgroupFilter, Filter, FilterFilter, FilterKind, Flower, Fw, Masked, Matchall, Protocol,
    U32, U32Handle, U32Key, U32Mark, U32Offset, VlanKey,
};
pub use self::handle::TcHandle;
pub use self::place::{Block, Place};
pub use self::qdisc::{
    Cake, Codel, DrrClass, Fifo, Fq, FqCodel, Hfsc, HfscClass, Htb, HtbClass, LossModel, Multiq, Netem,
    NetemRate, Prio, Qdisc, QdiscFilter, QdiscKind, ServiceCurve, Sfq, Slot, Tbf,
};
pub use self::rate::{Framing, LinkLayer, Probability, bits};
pub use self::stats::{
    CodelStats, ExtraStats, FqCodelFlowStats, FqCodelStats, FqStats, HfscStats, HtbStats, RedStats, TcStats,
};

use crate::error::Failure;
use crate::wire::Request;

/// How the kernel measures a rate, for [`TcStats::rate`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Estimator {
    /// How often: each 2 to the power of this seconds, -2 (a quarter of a second) to 3.
    pub interval_log: i8,
    /// How slowly it follows: over 2 to the power of this times as long, 1 to 31.
    pub average_log: u8,
}

impl Estimator {
    fn write(self, request: &mut Request, kind: u16) -> Result<(), Failure> {
        if !(-2..=3).contains(&self.interval_log) || !(1..=31).contains(&self.average_log) {
            let why = "an estimator measures each 2^-2 to 2^3 seconds, and over 2^1 to 2^31 times as long";
            return Err(Failure::Input(why.to_owned()));
        }
        let [interval] = self.interval_log.to_ne_bytes();
        // The kernel counts from a quarter of a second: `struct tc_estimator`.
        request.bytes(kind, &[interval, self.average_log]);
        Ok(())
    }
}

/// Declares an enum of kinds, each with a structure of its options, or none; all others are kept as bytes.
macro_rules! kinds {
    (
        $(#[$doc:meta])* $name:ident, $attribute:ident {
            $($(#[$variant_doc:meta])* $variant:ident($type:ident) = $text:literal,)*
        }
        $(boxed { $($(#[$boxed_doc:meta])* $boxed:ident($boxed_type:ident) = $boxed_text:literal,)* })?
        $(plain { $($(#[$plain_doc:meta])* $plain:ident = $plain_text:literal,)* })?
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$variant_doc])* $variant($type),)*
            $($($(#[$boxed_doc])* $boxed(Box<$boxed_type>),)*)?
            $($($(#[$plain_doc])* $plain,)*)?
            /// Another.
            Other {
                /// Its name.
                kind: String,
                #[doc = concat!("What the kernel's `", stringify!($attribute), "` holds; empty for none.")]
                options: Vec<u8>,
            },
        }

        impl $name {
            /// Returns its name, as tc(8) has it.
            pub fn name(&self) -> &str {
                match self {
                    $($name::$variant(_) => $text,)*
                    $($($name::$boxed(_) => $boxed_text,)*)?
                    $($($name::$plain => $plain_text,)*)?
                    $name::Other { kind, .. } => kind,
                }
            }

            fn check(&self) -> Result<(), $crate::error::Failure> {
                match self {
                    $($name::$variant(kind) => kind.check(),)*
                    $($($name::$boxed(kind) => kind.check(),)*)?
                    $($($name::$plain => Ok(()),)*)?
                    $name::Other { kind, .. } => $crate::tc::check_kind(kind),
                }
            }

            fn write(&self, request: &mut $crate::wire::Request) {
                match self {
                    $($name::$variant(kind) => kind.write(request),)*
                    $($($name::$boxed(kind) => kind.write(request),)*)?
                    $($($name::$plain => {})*)?
                    $name::Other { options, .. } => {
                        if !options.is_empty() {
                            request.bytes($attribute, options);
                        }
                    }
                }
            }

            /// Options that can't be read are kept as bytes.
            fn read(name: &[u8], options: Option<$crate::wire::attribute::Attribute<'_>>) -> $name {
                $($(if name == $plain_text.as_bytes() {
                    return $name::$plain;
                })*)?
                let empty = $crate::wire::attribute::Attribute { kind: $attribute, payload: &[] };
                let options = options.unwrap_or(empty);
                $(if name == $text.as_bytes() && let Some(kind) = Option::<$type>::from(<$type>::read(options)) {
                    return $name::$variant(kind);
                })*
                $($(if name == $boxed_text.as_bytes()
                    && let Some(kind) = Option::<$boxed_type>::from(<$boxed_type>::read(options))
                {
                    return $name::$boxed(Box::new(kind));
                })*)?
                $name::Other {
                    kind: String::from_utf8_lossy(name).into_owned(),
                    options: options.payload.to_vec(),
                }
            }
        }

        $($(impl From<$boxed_type> for $name {
            fn from(kind: $boxed_type) -> Self {
                $name::$boxed(Box::new(kind))
            }
        })*)?
    };
}
use kinds;

/// Makes a kind of the structure of the same name.
macro_rules! kinds_from {
    ($name:ident: $($type:ident)+) => {
        $(impl From<$type> for $name {
            fn from(kind: $type) -> Self {
                $name::$type(kind)
            }
        })+
    };
}
use kinds_from;

/// Refuses what the kernel would cut, or take for something else.
fn check_kind(kind: &str) -> Result<(), Failure> {
    const LONGEST: usize = 15;
    if kind.is_empty() || kind.len() > LONGEST || kind.contains('\0') {
        return Err(Failure::Input(format!("{kind:?} is no name of a kind: it has 1 to {LONGEST} bytes")));
    }
    Ok(())
}

//! Macvlans: links with a MAC of their own on another link, which switches between them.

use super::{Kind, Outer, choice, numbers, sealed};
use crate::error::Failure;
use crate::link::{LinkRef, NewLink};
use crate::mac::MacAddress;
use crate::wire::Request;
use crate::wire::attribute::Attribute;
use crate::wire::numbers::{
    IFLA_MACVLAN_BC_CUTOFF, IFLA_MACVLAN_BC_QUEUE_LEN, IFLA_MACVLAN_BC_QUEUE_LEN_USED, IFLA_MACVLAN_FLAGS,
    IFLA_MACVLAN_MACADDR, IFLA_MACVLAN_MACADDR_COUNT, IFLA_MACVLAN_MACADDR_DATA, IFLA_MACVLAN_MACADDR_MODE,
    IFLA_MACVLAN_MODE,
};

/// A link with a MAC of its own on another link (macvlan), or the same with a character device (macvtap).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Macvlan {
    /// Whether it is a macvtap, whose packets a program reads from and writes to `/dev/tapINDEX`.
    pub tap: bool,
    /// Who talks to whom; the kernel takes `Vepa` if nothing is said.
    pub mode: Option<MacvlanMode>,
    /// Whether the link below stays out of promiscuous mode, in mode `Passthru`.
    pub nopromisc: Option<bool>,
    /// The senders whose packets it takes, in mode `Source`. What is said takes the place of all before.
    pub sources: Option<Vec<MacAddress>>,
    /// How many packets for many wait to be copied (Linux 5.11). The link below takes the most that one asks for.
    pub bc_queue_len: Option<u32>,
    /// To how many packets for many a packet is copied at once; more wait. -1: none waits (Linux 6.4).
    pub bc_cutoff: Option<i32>,
    /// *Read*: how many wait at most on the link below.
    pub bc_queue_len_used: Option<u32>,
}

choice! {
    /// Which links of one link below talk to each other.
    MacvlanMode: u32 {
        /// None.
        Private = 1 "private",
        /// Those that the switch outside sends packets back to.
        Vepa = 2 "vepa",
        /// All.
        Bridge = 4 "bridge",
        /// There is only one, and it takes the link below over.
        Passthru = 8 "passthru",
        /// Packets are told apart by their sender.
        Source = 16 "source",
    }
}

const NOPROMISC: u16 = 1;
/// `MACVLAN_MACADDR_SET`: a list in the place of the one before.
const SET: u32 = 3;
/// `MACVLAN_MACADDR_FLUSH`.
const FLUSH: u32 = 2;

numbers!(Macvlan {
    IFLA_MACVLAN_MODE u32 mode,
    IFLA_MACVLAN_BC_QUEUE_LEN u32 bc_queue_len,
    IFLA_MACVLAN_BC_CUTOFF i32 bc_cutoff,
} reads {
    IFLA_MACVLAN_BC_QUEUE_LEN_USED u32 bc_queue_len_used,
});

impl Macvlan {
    pub(super) fn read(data: Attribute<'_>, tap: bool) -> Macvlan {
        let mut macvlan = Macvlan { tap, ..Macvlan::default() };
        for attribute in data.nested() {
            match attribute.kind {
                IFLA_MACVLAN_FLAGS => macvlan.nopromisc = attribute.u16().map(|flags| flags & NOPROMISC != 0),
                IFLA_MACVLAN_MACADDR_COUNT => {
                    macvlan.sources.get_or_insert_default();
                }
                IFLA_MACVLAN_MACADDR_DATA => {
                    macvlan.sources = Some(attribute.nested().filter_map(Attribute::mac).collect());
                }
                _ => macvlan.read_number(attribute),
            }
        }
        // Told of every mode, and meant in one.
        if macvlan.mode != Some(MacvlanMode::Source) {
            macvlan.sources = None;
        }
        macvlan
    }

    fn write_sources(&self, request: &mut Request) {
        match self.sources.as_deref() {
            None => {}
            Some([]) => request.u32(IFLA_MACVLAN_MACADDR_MODE, FLUSH),
            Some(sources) => {
                request.u32(IFLA_MACVLAN_MACADDR_MODE, SET);
                request.nest(IFLA_MACVLAN_MACADDR_DATA, |request| {
                    for source in sources {
                        request.mac(IFLA_MACVLAN_MACADDR, *source);
                    }
                });
            }
        }
    }
}

impl Kind for Macvlan {}

impl sealed::Kind for Macvlan {
    fn name(&self) -> &'static str {
        if self.tap { "macvtap" } else { "macvlan" }
    }

    fn check(&self) -> Result<(), Failure> {
        if self.sources.is_some() && self.mode.is_some_and(|mode| mode != MacvlanMode::Source) {
            return Err(Failure::Input("sources are of mode \"source\" only".to_owned()));
        }
        // The kernel would tell of an address that can't be by an errno alone, after it took those before.
        self.sources.iter().flatten().try_for_each(|source| crate::link::check_mac(*source))
    }

    fn write(&self, request: &mut Request, _: Outer) {
        self.write_numbers(request);
        if let Some(nopromisc) = self.nopromisc {
            request.u16(IFLA_MACVLAN_FLAGS, if nopromisc { NOPROMISC } else { 0 });
        }
        self.write_sources(request);
    }
}

impl<'a> NewLink<'a, Macvlan> {
    /// Names the link and the one it is on.
    pub fn new(name: impl Into<String>, lower: impl Into<LinkRef<'a>>) -> NewLink<'a, Macvlan> {
        NewLink::of(name, Macvlan::default()).over(lower)
    }

    /// As [`new`](Self::new), of a macvtap.
    pub fn tap(name: impl Into<String>, lower: impl Into<LinkRef<'a>>) -> NewLink<'a, Macvlan> {
        NewLink::of(name, Macvlan { tap: true, ..Macvlan::default() }).over(lower)
    }

    /// Says who talks to whom.
    pub fn mode(mut self, mode: MacvlanMode) -> NewLink<'a, Macvlan> {
        self.kind.mode = Some(mode);
        self
    }
}

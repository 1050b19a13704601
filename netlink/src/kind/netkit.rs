//! Netkits: pairs of links for containers, with BPF programs between.

use super::peer::{self, Pair, Peer};
use super::{Kind, Outer, choice, numbers, sealed};
use crate::error::Failure;
use crate::link::NewLink;
use crate::wire::Request;
use crate::wire::attribute::Attribute;
use crate::wire::numbers::{
    IFLA_NETKIT_HEADROOM, IFLA_NETKIT_MODE, IFLA_NETKIT_PAIRING, IFLA_NETKIT_PEER_INFO,
    IFLA_NETKIT_PEER_POLICY, IFLA_NETKIT_PEER_SCRUB, IFLA_NETKIT_POLICY, IFLA_NETKIT_PRIMARY,
    IFLA_NETKIT_SCRUB, IFLA_NETKIT_TAILROOM,
};

/// A pair of links with BPF programs between (Linux 6.7).
///
/// Only the end that was made first, the primary, can be changed, and only the two policies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Netkit {
    /// Whether packets have Ethernet headers; the kernel takes `L3` if nothing is said.
    pub mode: Option<NetkitMode>,
    /// What becomes of packets of this end that no program decides of.
    pub policy: Option<NetkitPolicy>,
    /// What becomes of those of the other end.
    pub peer_policy: Option<NetkitPolicy>,
    /// Whether marks are taken from packets of this end (Linux 6.13).
    pub scrub: Option<NetkitScrub>,
    /// Whether marks are taken from packets of the other end (Linux 6.13).
    pub peer_scrub: Option<NetkitScrub>,
    /// Room before packets, in bytes (Linux 6.14).
    pub headroom: Option<u16>,
    /// Room behind packets, in bytes (Linux 6.14).
    pub tailroom: Option<u16>,
    /// Whether there is another end at all (Linux 7.1).
    pub pairing: Option<NetkitPairing>,
    /// *Read*: whether this end was made first.
    pub primary: Option<bool>,
}

choice! {
    /// What packets of a netkit are.
    NetkitMode: u32 {
        /// Ethernet.
        L2 = 0 "l2",
        /// IP.
        L3 = 1 "l3",
    }
}

choice! {
    /// What becomes of packets that no program decides of.
    NetkitPolicy: u32 {
        /// They come out of the other end.
        Forward = 0 "forward",
        /// They are dropped.
        Blackhole = 2 "blackhole",
    }
}

choice! {
    /// Whether marks are taken from packets.
    NetkitScrub: u32 {
        /// They stay.
        None = 0 "none",
        /// They are taken where the packet leaves its namespace.
        Default = 1 "default",
    }
}

choice! {
    /// Whether a netkit has another end.
    NetkitPairing: u32 {
        /// It has.
        Pair = 0 "pair",
        /// It hasn't.
        Single = 1 "single",
    }
}

numbers!(Netkit {
    IFLA_NETKIT_MODE u32 mode,
    IFLA_NETKIT_POLICY u32 policy,
    IFLA_NETKIT_PEER_POLICY u32 peer_policy,
    IFLA_NETKIT_SCRUB u32 scrub,
    IFLA_NETKIT_PEER_SCRUB u32 peer_scrub,
    IFLA_NETKIT_HEADROOM u16 headroom,
    IFLA_NETKIT_TAILROOM u16 tailroom,
    IFLA_NETKIT_PAIRING u32 pairing,
} reads {
    IFLA_NETKIT_PRIMARY bool primary,
});

impl Netkit {
    pub(super) fn read(data: Attribute<'_>) -> Netkit {
        let mut netkit = Netkit::default();
        data.nested().for_each(|attribute| netkit.read_number(attribute));
        netkit
    }
}

/// What is changed of a netkit that there is.
impl Kind for Netkit {}

impl sealed::Kind for Netkit {
    fn name(&self) -> &'static str {
        "netkit"
    }

    fn write(&self, request: &mut Request, _: Outer) {
        self.write_numbers(request);
    }
}

/// A netkit to be made, with its other end.
#[derive(Clone, Debug, Default)]
pub struct NewNetkit<'a> {
    netkit: Netkit,
    peer: Peer<'a>,
}

impl Kind for NewNetkit<'_> {}

impl sealed::Kind for NewNetkit<'_> {
    fn name(&self) -> &'static str {
        "netkit"
    }

    fn check(&self) -> Result<(), Failure> {
        self.peer.check()
    }

    fn wants_index(&self) -> bool {
        self.peer.wants_index()
    }

    fn write(&self, request: &mut Request, outer: Outer) {
        self.netkit.write_numbers(request);
        if self.netkit.pairing != Some(NetkitPairing::Single) {
            self.peer.write(request, IFLA_NETKIT_PEER_INFO, outer.mtu);
        }
    }
}

impl<'a> Pair<'a> for NewNetkit<'a> {}

impl<'a> peer::sealed::Pair<'a> for NewNetkit<'a> {
    #[allow(private_interfaces, reason = "nobody else can call it")]
    fn peer(&mut self) -> &mut Peer<'a> {
        &mut self.peer
    }
}

impl<'a> NewLink<'a, NewNetkit<'a>> {
    /// Names the end that is here. As it is, the kernel chooses the other's name.
    ///
    /// ```no_run
    /// use netlink::kind::NetkitMode;
    /// use netlink::{Handle, Netkit};
    ///
    /// let netns = std::fs::File::open("/run/netns/blue")?;
    /// Handle::open()?
    ///     .add_pair(&Netkit::new("nk0").mode(NetkitMode::L2).peer("eth0").peer_netns_fd(&netns))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(name: impl Into<String>) -> NewLink<'a, NewNetkit<'a>> {
        NewLink::of(name, NewNetkit::default())
    }

    /// Says what packets are.
    pub fn mode(mut self, mode: NetkitMode) -> NewLink<'a, NewNetkit<'a>> {
        self.kind.netkit.mode = Some(mode);
        self
    }

    /// Sets all that is particular to netkits.
    pub fn netkit(mut self, netkit: Netkit) -> NewLink<'a, NewNetkit<'a>> {
        self.kind.netkit = netkit;
        self
    }
}

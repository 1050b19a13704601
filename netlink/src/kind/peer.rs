//! The other end of a pair: veth, vxcan, netkit.

use std::os::fd::AsFd;

use super::Kind;
use crate::error::{Failure, Result};
use crate::handle::Handle;
use crate::link::{CREATING, Link, LinkFlags, Netns, NewLink, check_mac, check_name};
use crate::mac::MacAddress;
use crate::wire::numbers::{
    IFLA_ADDRESS, IFLA_GROUP, IFLA_IFNAME, IFLA_MTU, IFLA_NUM_RX_QUEUES, IFLA_NUM_TX_QUEUES, IFLA_TXQLEN,
};
use crate::wire::{self, Request, write_some};

/// The other end of a pair.
#[derive(Clone, Debug, Default)]
pub(crate) struct Peer<'a> {
    name: Option<String>,
    netns: Option<Netns<'a>>,
    mac: Option<MacAddress>,
    mtu: Option<u32>,
    index: Option<u32>,
    group: Option<u32>,
    queue_len: Option<u32>,
    queues: Option<(u32, u32)>,
}

impl Peer<'_> {
    pub(super) fn check(&self) -> Result<(), Failure> {
        self.name.as_deref().map_or(Ok(()), check_name)?;
        self.mac.map_or(Ok(()), check_mac)
    }

    /// The kernel takes an index for this end only together with one for the other.
    pub(super) fn wants_index(&self) -> bool {
        self.index.is_some()
    }

    /// The kernel gives each end its own MTU: the other has that of this one, unless it is told another.
    pub(super) fn write(&self, request: &mut Request, kind: u16, mtu: Option<u32>) {
        request.nest(kind, |request| {
            let index = self.index.unwrap_or_default();
            request.header(&wire::link::header(index, LinkFlags::empty(), LinkFlags::empty()));
            if let Some(name) = &self.name {
                request.text(IFLA_IFNAME, name);
            }
            write_some!(
                request,
                u32 IFLA_MTU self.mtu.or(mtu),
                u32 IFLA_GROUP self.group,
                u32 IFLA_TXQLEN self.queue_len,
                u32 IFLA_NUM_TX_QUEUES self.queues.map(|(tx, _)| tx),
                u32 IFLA_NUM_RX_QUEUES self.queues.map(|(_, rx)| rx),
            );
            if let Some(mac) = self.mac {
                request.mac(IFLA_ADDRESS, mac);
            }
            if let Some(netns) = self.netns {
                netns.write(request);
            }
        });
    }
}

/// What comes in pairs: what is sent into one end comes out of the other.
pub trait Pair<'a>: Kind + sealed::Pair<'a> {}

pub(crate) mod sealed {
    use super::Peer;

    pub trait Pair<'a>: Clone {
        /// The other end.
        #[allow(private_interfaces, reason = "nobody else can call it")]
        fn peer(&mut self) -> &mut Peer<'a>;
    }
}

/// The ends of a pair, as it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VethPair {
    /// The end that is here.
    pub host: Link,
    /// The other end's index, in its own namespace.
    pub peer_index: u32,
}

impl<'a, K: Pair<'a>> NewLink<'a, K> {
    /// Names the other end.
    #[doc(alias = "VETH_INFO_PEER")]
    pub fn peer(mut self, name: impl Into<String>) -> NewLink<'a, K> {
        self.kind.peer().name = Some(name.into());
        self
    }

    /// Makes the other end in the network namespace of a process.
    pub fn peer_netns_pid(mut self, pid: u32) -> NewLink<'a, K> {
        self.kind.peer().netns = Some(Netns::Pid(pid));
        self
    }

    /// Makes the other end in a network namespace: an open `/proc/PID/ns/net` or `/run/netns/NAME`.
    pub fn peer_netns_fd(mut self, netns: &'a impl AsFd) -> NewLink<'a, K> {
        self.kind.peer().netns = Some(Netns::Fd(netns.as_fd()));
        self
    }

    /// Sets the other end's MAC; the kernel makes one at random otherwise.
    pub fn peer_mac(mut self, mac: impl Into<MacAddress>) -> NewLink<'a, K> {
        self.kind.peer().mac = Some(mac.into());
        self
    }

    /// Chooses the other end's index, together with this one's ([`index`](NewLink::index)); the kernel takes the next
    /// free one otherwise.
    pub fn peer_index(mut self, index: u32) -> NewLink<'a, K> {
        self.kind.peer().index = Some(index);
        self
    }

    /// Puts the other end into a group; see [`Handle::delete_group`].
    pub fn peer_group(mut self, group: u32) -> NewLink<'a, K> {
        self.kind.peer().group = Some(group);
        self
    }

    /// Sets how many packets the other end queues.
    #[doc(alias = "txqueuelen")]
    pub fn peer_queue_len(mut self, packets: u32) -> NewLink<'a, K> {
        self.kind.peer().queue_len = Some(packets);
        self
    }

    /// Sets how many queues the other end has for sending and for receiving.
    pub fn peer_queues(mut self, tx: u32, rx: u32) -> NewLink<'a, K> {
        self.kind.peer().queues = Some((tx, rx));
        self
    }

    /// Sets the longest packet that the other end sends, in bytes, where it is not to be that of
    /// [`mtu`](NewLink::mtu).
    pub fn peer_mtu(mut self, mtu: u32) -> NewLink<'a, K> {
        self.kind.peer().mtu = Some(mtu);
        self
    }
}

/// Says what is done when a pair is made.
pub(crate) fn creating_pair<'a, K: Pair<'a>>(pair: &NewLink<'a, K>) -> String {
    let mut named = pair.kind.clone();
    let peer = named.peer().name.as_deref().unwrap_or("(any name)");
    format!("create {} pair {:?} and {peer:?}", pair.kind.name(), pair.name)
}

pub(crate) fn check_pair<K>(pair: &NewLink<'_, K>) -> Result<(), Failure> {
    if pair.netns.is_some() {
        let why = "this end is made here; it is the other one that can be made elsewhere".to_owned();
        return Err(Failure::Input(why));
    }
    Ok(())
}

impl Handle {
    /// Makes a pair of links in one request, as [`add_veth`](Handle::add_veth) does: of veths, netkits or vxcans.
    ///
    /// # Errors
    /// As [`add_veth`](Handle::add_veth).
    pub fn add_pair<'a, K: Pair<'a>>(&mut self, pair: &NewLink<'a, K>) -> Result<VethPair> {
        self.try_add_pair(pair).map_err(|failure| {
            let failure = self.with_new_mtu_range(pair, failure);
            failure.when(creating_pair(pair), CREATING)
        })
    }

    fn try_add_pair<'a, K: Pair<'a>>(&mut self, pair: &NewLink<'a, K>) -> Result<VethPair, Failure> {
        check_pair(pair)?;
        let host = self.try_add_link(pair)?;
        let peer_index = host.peer.ok_or(Failure::Protocol("the new link has no other end"))?;
        Ok(VethPair { host, peer_index })
    }
}

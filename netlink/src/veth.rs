//! Pairs of virtual Ethernet links: what is sent into one end comes out of the other.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use nix::errno::Errno;

use crate::error::{Failure, Hints, Result};
use crate::handle::Handle;
use crate::link::{Link, LinkFlags, check_mac};
use crate::link_ref::{LinkRef, check_name};
use crate::mac::MacAddress;
use crate::wire::numbers::{
    IFLA_ADDRESS, IFLA_IFNAME, IFLA_INFO_DATA, IFLA_MASTER, IFLA_MTU, IFLA_NET_NS_FD, IFLA_NET_NS_PID,
    VETH_INFO_PEER,
};
use crate::wire::{self, Request};

/// A veth pair to be made by [`Handle::add_veth`].
///
/// The other end can be born in another network namespace, with its final name: moving it there later
/// takes the kernel twenty times as long.
///
/// ```no_run
/// use netlink::{Handle, Veth};
///
/// # fn connect(child: u32) -> netlink::Result<()> {
/// let pair = Handle::open()?
///     .add_veth(&Veth::new("veth0").master("br0").up().peer("eth0").peer_netns_pid(child).mtu(1500))?;
/// println!("{} here, link {} there", pair.host.name, pair.peer_index);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "add_veth makes it"]
pub struct Veth<'a> {
    name: String,
    peer: Option<String>,
    netns: Netns<'a>,
    mtu: Option<u32>,
    mac: Option<MacAddress>,
    peer_mac: Option<MacAddress>,
    master: Option<LinkRef<'a>>,
    up: bool,
}

#[derive(Clone, Copy, Debug)]
enum Netns<'a> {
    Here,
    Of(u32),
    Fd(BorrowedFd<'a>),
}

/// What [`Handle::add_veth`] made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VethPair {
    /// The end that is here.
    pub host: Link,
    /// The other end's index, in its own namespace.
    pub peer_index: u32,
}

impl<'a> Veth<'a> {
    /// Names the end that is here. As it is, the kernel chooses the other's name.
    pub fn new(name: impl Into<String>) -> Veth<'a> {
        Veth {
            name: name.into(),
            peer: None,
            netns: Netns::Here,
            mtu: None,
            mac: None,
            peer_mac: None,
            master: None,
            up: false,
        }
    }

    /// Names the other end.
    pub fn peer(mut self, name: impl Into<String>) -> Veth<'a> {
        self.peer = Some(name.into());
        self
    }

    /// Makes the other end in the network namespace of a process.
    pub fn peer_netns_pid(mut self, pid: u32) -> Veth<'a> {
        self.netns = Netns::Of(pid);
        self
    }

    /// Makes the other end in a network namespace: an open `/proc/PID/ns/net` or `/run/netns/NAME`.
    pub fn peer_netns_fd(mut self, netns: &'a impl AsFd) -> Veth<'a> {
        self.netns = Netns::Fd(netns.as_fd());
        self
    }

    /// Sets the MTU of both ends.
    pub fn mtu(mut self, mtu: u32) -> Veth<'a> {
        self.mtu = Some(mtu);
        self
    }

    /// Sets the MAC of the end that is here; the kernel makes one at random otherwise.
    pub fn mac(mut self, mac: impl Into<MacAddress>) -> Veth<'a> {
        self.mac = Some(mac.into());
        self
    }

    /// Sets the other end's MAC; the kernel makes one at random otherwise.
    pub fn peer_mac(mut self, mac: impl Into<MacAddress>) -> Veth<'a> {
        self.peer_mac = Some(mac.into());
        self
    }

    /// Makes the end that is here a port of a bridge.
    pub fn master(mut self, master: impl Into<LinkRef<'a>>) -> Veth<'a> {
        self.master = Some(master.into());
        self
    }

    /// Switches the end that is here on. The other end can't be until it is made.
    pub fn up(mut self) -> Veth<'a> {
        self.up = true;
        self
    }

    fn check(&self) -> Result<(), Failure> {
        check_name(&self.name)?;
        self.peer.as_deref().map_or(Ok(()), check_name)?;
        self.mac.map_or(Ok(()), check_mac)?;
        self.peer_mac.map_or(Ok(()), check_mac)
    }

    fn fill(&self, request: &mut Request, master: Option<u32>) {
        fill_end(request, self.mtu, self.mac);
        if let Some(master) = master {
            request.u32(IFLA_MASTER, master);
        }
    }

    fn fill_peer(&self, request: &mut Request) {
        let none = LinkFlags::empty();
        request.header(&wire::link::header(0, none, none));
        if let Some(name) = &self.peer {
            request.text(IFLA_IFNAME, name);
        }
        fill_end(request, self.mtu, self.peer_mac);
        match self.netns {
            Netns::Here => {}
            Netns::Of(pid) => request.u32(IFLA_NET_NS_PID, pid),
            Netns::Fd(fd) => request.u32(IFLA_NET_NS_FD, fd.as_raw_fd().cast_unsigned()),
        }
    }
}

fn fill_end(request: &mut Request, mtu: Option<u32>, mac: Option<MacAddress>) {
    if let Some(mtu) = mtu {
        request.u32(IFLA_MTU, mtu);
    }
    if let Some(mac) = mac {
        request.bytes(IFLA_ADDRESS, &mac.octets());
    }
}

impl Handle {
    /// Makes a veth pair in one request: both ends with their names, places, MACs and MTU, this end
    /// a port of its bridge and up. All of it is done, or nothing.
    ///
    /// # Errors
    /// [`AlreadyExists`](crate::ErrorKind::AlreadyExists): a name is taken, here or there.
    /// [`NotFound`](crate::ErrorKind::NotFound): there is no such master or process.
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput): a name, MAC, MTU or descriptor can't be.
    pub fn add_veth(&mut self, veth: &Veth<'_>) -> Result<VethPair> {
        const HINTS: Hints<'_> = &[
            (Errno::EPERM, "needs CAP_NET_ADMIN in the network namespaces of both ends"),
            (Errno::EEXIST, "a name is taken"),
            (Errno::EOPNOTSUPP, "this kernel has no veth, or the master takes no ports"),
            (Errno::EINVAL, "the namespace or the master is none"),
            (Errno::EBADF, "the namespace is no open descriptor"),
            (Errno::ESRCH, "there is no such process"),
        ];
        self.try_add_veth(veth).map_err(|failure| {
            let peer = veth.peer.as_deref().unwrap_or("(any name)");
            failure.when(format_args!("create veth pair {:?} and {peer:?}", veth.name), HINTS)
        })
    }

    fn try_add_veth(&mut self, veth: &Veth<'_>) -> Result<VethPair, Failure> {
        veth.check()?;
        let master = veth.master.map(|master| self.index_of(master)).transpose()?;
        let up = if veth.up { LinkFlags::UP } else { LinkFlags::empty() };
        let mut host = self.create_with(
            &veth.name,
            "veth",
            up,
            |request| {
                request.nest(IFLA_INFO_DATA, |request| {
                    request.nest(VETH_INFO_PEER, |request| veth.fill_peer(request));
                });
            },
            |request| veth.fill(request, master),
        )?;
        // The kernel echoes the link before it makes it a port.
        host.master = master;
        let peer_index = host.peer.ok_or(Failure::Protocol("the new link has no other end"))?;
        Ok(VethPair { host, peer_index })
    }
}

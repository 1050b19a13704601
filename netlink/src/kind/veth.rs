//! Pairs of virtual Ethernet links, and of virtual CAN links.

use super::peer::{self, Pair, Peer, VethPair};
use super::{Kind, Outer, sealed};
use crate::error::{Failure, Result};
use crate::handle::Handle;
use crate::link::NewLink;
use crate::wire::Request;
use crate::wire::numbers::VETH_INFO_PEER;

macro_rules! pair {
    ($(#[$doc:meta])* $kind:ident $name:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default)]
        pub struct $kind<'a> {
            peer: Peer<'a>,
        }

        impl Kind for $kind<'_> {}

        impl sealed::Kind for $kind<'_> {
            fn name(&self) -> &'static str {
                $name
            }

            fn check(&self) -> Result<(), Failure> {
                self.peer.check()
            }

            fn wants_index(&self) -> bool {
                self.peer.wants_index()
            }

            fn write(&self, request: &mut Request, outer: Outer) {
                self.peer.write(request, VETH_INFO_PEER, outer.mtu);
            }
        }

        impl<'a> Pair<'a> for $kind<'a> {}

        impl<'a> peer::sealed::Pair<'a> for $kind<'a> {
            #[allow(private_interfaces, reason = "nobody else can call it")]
            fn peer(&mut self) -> &mut Peer<'a> {
                &mut self.peer
            }
        }

        impl<'a> NewLink<'a, $kind<'a>> {
            /// Names the end that is here. As it is, the kernel chooses the other's name.
            pub fn new(name: impl Into<String>) -> NewLink<'a, $kind<'a>> {
                NewLink::of(name, $kind::default())
            }
        }
    };
}

pair! {
    /// A pair of virtual Ethernet links.
    Veth "veth"
}

pair! {
    /// A pair of virtual CAN links.
    Vxcan "vxcan"
}

impl Handle {
    /// Makes a veth pair in one request: both ends with their names, places, MACs and MTU, this end
    /// a port of its bridge and up. All of it is done, or nothing.
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
    ///
    /// # Errors
    /// [`AlreadyExists`](crate::ErrorKind::AlreadyExists): a name is taken, here or there.
    /// [`NotFound`](crate::ErrorKind::NotFound): there is no such master or process.
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput): a name, MAC, MTU or descriptor can't be.
    pub fn add_veth<'a>(&mut self, veth: &NewLink<'a, Veth<'a>>) -> Result<VethPair> {
        self.add_pair(veth)
    }
}

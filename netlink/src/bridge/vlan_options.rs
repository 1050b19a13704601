//! What a bridge has to say about single VLANs of its ports.

use std::fmt;
use std::ops::RangeInclusive;

use super::vlan::{BridgeVlanFlags, check_ids};
use crate::error::{Failure, Result};
use crate::handle::Handle;
use crate::link::LinkRef;
use crate::port::{MulticastRouter, PortState};
use crate::wire::attribute::{Attribute, Attributes};
use crate::wire::message::Message;
use crate::wire::numbers::{
    AF_BRIDGE, BRIDGE_VLAN_INFO_ONLY_OPTS, BRIDGE_VLANDB_ENTRY, BRIDGE_VLANDB_ENTRY_INFO,
    BRIDGE_VLANDB_ENTRY_MCAST_MAX_GROUPS, BRIDGE_VLANDB_ENTRY_MCAST_N_GROUPS,
    BRIDGE_VLANDB_ENTRY_MCAST_ROUTER, BRIDGE_VLANDB_ENTRY_NEIGH_SUPPRESS, BRIDGE_VLANDB_ENTRY_RANGE,
    BRIDGE_VLANDB_ENTRY_STATE, BRIDGE_VLANDB_ENTRY_TUNNEL_INFO, BRIDGE_VLANDB_TINFO_ID, RTM_GETVLAN,
    RTM_NEWVLAN,
};
use crate::wire::{Request, u16_at, u32_at, write_some};

const HEADER: usize = 8;

/// What a bridge has to say about a VLAN of itself or of a port, or about several in a row that are alike
/// ([bridge(8)], `vlan set`).
///
/// ```no_run
/// use netlink::port::PortState;
/// use netlink::{Handle, VlanOptions};
///
/// let mut options = VlanOptions::new(10..=20);
/// options.state = Some(PortState::Blocking);
/// Handle::open()?.change_vlan_options("veth0", &options)?;
/// # Ok::<(), netlink::Error>(())
/// ```
///
/// [bridge(8)]: https://man7.org/linux/man-pages/man8/bridge.8.html
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VlanOptions {
    /// The index of the bridge or port. On input it is not looked at.
    pub index: u32,
    /// The VLANs' numbers: 1 to 4094.
    pub ids: RangeInclusive<u16>,
    /// How packets come and go. On input they are not looked at: [`BridgeVlan`](crate::BridgeVlan) sets them.
    pub flags: BridgeVlanFlags,
    /// Whether packets come and go at all, as the spanning tree has it.
    pub state: Option<PortState>,
    /// Whether packets of all groups leave by it (Linux 5.15).
    pub mcast_router: Option<MulticastRouter>,
    /// How many groups it may have; 0 for no limit (Linux 6.3; only where the bridge looks at multicast of each VLAN).
    pub mcast_max_groups: Option<u32>,
    /// How many groups it has. On input it is not looked at.
    pub mcast_groups: Option<u32>,
    /// Whether questions for neighbours that the bridge can answer don't leave by it (Linux 6.4).
    pub neigh_suppress: Option<bool>,
    /// The number of the first one's tunnel. On input it is not looked at: [`VlanTunnel`](crate::VlanTunnel) sets it.
    pub tunnel_id: Option<u32>,
}

impl VlanOptions {
    /// Begins with nothing to say about these VLANs.
    pub fn new(ids: RangeInclusive<u16>) -> VlanOptions {
        VlanOptions {
            index: 0,
            ids,
            flags: BridgeVlanFlags::empty(),
            state: None,
            mcast_router: None,
            mcast_max_groups: None,
            mcast_groups: None,
            neigh_suppress: None,
            tunnel_id: None,
        }
    }

    /// Writes the request to change them.
    pub(crate) fn request(
        &self,
        request: &mut Request,
        handle: &mut Handle,
        link: LinkRef<'_>,
    ) -> Result<(), Failure> {
        check_ids(&self.ids)?;
        request.begin(RTM_NEWVLAN, 0, &header(handle.index_of(link)?));
        request.nest(BRIDGE_VLANDB_ENTRY, |request| {
            let (first, last) = (*self.ids.start(), *self.ids.end());
            let info = [BRIDGE_VLAN_INFO_ONLY_OPTS.to_ne_bytes(), first.to_ne_bytes()];
            request.bytes(BRIDGE_VLANDB_ENTRY_INFO, info.as_flattened());
            write_some!(
                request,
                u16 BRIDGE_VLANDB_ENTRY_RANGE Some(last).filter(|last| *last != first),
                u8 BRIDGE_VLANDB_ENTRY_STATE self.state.map(u8::from),
                u8 BRIDGE_VLANDB_ENTRY_MCAST_ROUTER self.mcast_router.map(u8::from),
                u32 BRIDGE_VLANDB_ENTRY_MCAST_MAX_GROUPS self.mcast_max_groups,
                bool BRIDGE_VLANDB_ENTRY_NEIGH_SUPPRESS self.neigh_suppress,
            );
        });
        Ok(())
    }

    fn read(index: u32, entry: Attribute<'_>) -> Option<VlanOptions> {
        let mut read = VlanOptions::new(1..=1);
        read.index = index;
        let (mut first, mut last) = (None, None);
        for attribute in entry.nested() {
            match attribute.kind {
                BRIDGE_VLANDB_ENTRY_INFO => {
                    read.flags = BridgeVlanFlags::from_bits_retain(u16_at(attribute.payload, 0)?);
                    first = u16_at(attribute.payload, 2);
                }
                BRIDGE_VLANDB_ENTRY_RANGE => last = attribute.u16(),
                BRIDGE_VLANDB_ENTRY_STATE => read.state = attribute.u8().map(PortState::from),
                BRIDGE_VLANDB_ENTRY_MCAST_ROUTER => {
                    read.mcast_router = attribute.u8().map(MulticastRouter::from);
                }
                BRIDGE_VLANDB_ENTRY_MCAST_N_GROUPS => read.mcast_groups = attribute.u32(),
                BRIDGE_VLANDB_ENTRY_MCAST_MAX_GROUPS => read.mcast_max_groups = attribute.u32(),
                BRIDGE_VLANDB_ENTRY_NEIGH_SUPPRESS => read.neigh_suppress = attribute.bool(),
                BRIDGE_VLANDB_ENTRY_TUNNEL_INFO => {
                    let id = attribute.nested().find(|one| one.kind == BRIDGE_VLANDB_TINFO_ID);
                    read.tunnel_id = id.and_then(Attribute::u32);
                }
                _ => {}
            }
        }
        let first = first?;
        read.ids = first..=last.filter(|last| *last > first).unwrap_or(first);
        Some(read)
    }

    /// Reads all that a message has: a list has those of one link in each.
    pub(crate) fn read_all(payload: &[u8]) -> Vec<VlanOptions> {
        let index = u32_at(payload, 4).unwrap_or_default();
        let entries = Attributes::after(HEADER, payload).filter(|one| one.kind == BRIDGE_VLANDB_ENTRY);
        entries.filter_map(|entry| VlanOptions::read(index, entry)).collect()
    }
}

/// `struct br_vlan_msg`.
fn header(index: u32) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[0] = AF_BRIDGE;
    header[4..].copy_from_slice(&index.to_ne_bytes());
    header
}

/// Their numbers, as in a command of bridge(8): `10-20`.
impl fmt::Display for VlanOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        super::vlan::display(f, &self.ids)
    }
}

impl Handle {
    /// Changes what a bridge has to say about VLANs of itself or of a port, which must be there. What is `None` stays
    /// as it is.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound): there is no such link.
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput): it has no such VLAN, or a value can't be.
    /// [`Unsupported`](crate::ErrorKind::Unsupported): the link is no port, or this kernel has no VLANs on bridges.
    pub fn change_vlan_options<'a>(
        &mut self,
        port: impl Into<LinkRef<'a>>,
        options: &VlanOptions,
    ) -> Result<()> {
        let port = port.into();
        let mut request = self.room();
        options
            .request(&mut request, self, port)
            .and_then(|()| self.change(request, |_| {}).map_err(|failure| port.missing(failure)))
            .map_err(|failure| {
                failure.when(format_args!("change VLANs {options} of {port}"), super::VLAN_HINTS)
            })
    }

    /// Lists what a bridge has to say about the VLANs of a link: of itself, or of a port.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound): there is no such link.
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput): it is neither a bridge nor a port.
    pub fn vlan_options<'a>(&mut self, link: impl Into<LinkRef<'a>>) -> Result<Vec<VlanOptions>> {
        let link = link.into();
        self.try_vlan_options(link)
            .map_err(|failure| failure.when(format_args!("list VLANs of {link}"), super::VLAN_HINTS))
    }

    fn try_vlan_options(&mut self, link: LinkRef<'_>) -> Result<Vec<VlanOptions>, Failure> {
        let index = self.index_of(link)?;
        let write = |handle: &mut Handle| {
            let mut request = handle.room();
            request.begin(RTM_GETVLAN, 0, &header(index));
            request
        };
        let read = |message: &Message<'_>| Some(VlanOptions::read_all(message.payload));
        Ok(self.list(write, read).map_err(|failure| link.missing(failure))?.concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let mut options = VlanOptions::new(10..=20);
        (options.state, options.neigh_suppress) = (Some(PortState::Learning), Some(true));
        (options.mcast_router, options.mcast_max_groups) = (Some(MulticastRouter::Permanent), Some(7));
        let (mut request, mut handle) = (Request::default(), Handle::open().unwrap());
        options.request(&mut request, &mut handle, 1.into()).unwrap();
        options.index = 1;
        options.flags = BridgeVlanFlags::from_bits_retain(BRIDGE_VLAN_INFO_ONLY_OPTS);
        assert_eq!(VlanOptions::read_all(&request.sent()[16..]), [options]);
    }

    #[test]
    fn bytes_of_no_sense_are_no_vlan_and_no_panic() {
        let payload = [&header(1)[..], &[12, 0, 1, 0x80, 5, 0, 1, 0, 1, 0, 0, 0], &[0xff; 9]].concat();
        for length in 0..payload.len() {
            assert_eq!(VlanOptions::read_all(&payload[..length]), []);
        }
    }
}

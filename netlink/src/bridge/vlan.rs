//! The VLANs of bridges and their ports.

use std::fmt;
use std::ops::RangeInclusive;

use bitflags::bitflags;
use nix::errno::Errno;

use crate::dump::Dump;
use crate::error::{Failure, Hints, Result};
use crate::handle::Handle;
use crate::link::LinkRef;
use crate::wire::attribute::{Attribute, Attributes};
use crate::wire::message::Message;
use crate::wire::numbers::{
    AF_BRIDGE, BRIDGE_FLAGS_SELF, BRIDGE_VLAN_INFO_RANGE_BEGIN, BRIDGE_VLAN_INFO_RANGE_END, IFLA_AF_SPEC,
    IFLA_BRIDGE_FLAGS, IFLA_BRIDGE_VLAN_INFO, IFLA_BRIDGE_VLAN_TUNNEL_FLAGS, IFLA_BRIDGE_VLAN_TUNNEL_ID,
    IFLA_BRIDGE_VLAN_TUNNEL_INFO, IFLA_BRIDGE_VLAN_TUNNEL_VID, IFLA_EXT_MASK, IFLA_MASTER,
    RTEXT_FILTER_BRVLAN_COMPRESSED, RTM_DELLINK, RTM_GETLINK, RTM_SETLINK,
};
use crate::wire::{Request, u16_at, u32_at};

const HEADER: usize = 16;

/// One VLAN of a bridge or its port, or several in a row ([bridge(8)], `vlan`).
///
/// ```no_run
/// use netlink::{BridgeVlan, Handle};
///
/// let mut handle = Handle::open()?;
/// handle.add_vlans("veth0", &BridgeVlan::range(10..=20))?;
/// handle.add_vlans("veth0", &BridgeVlan::new(100).untagged().pvid())?;
/// # Ok::<(), netlink::Error>(())
/// ```
///
/// [bridge(8)]: https://man7.org/linux/man-pages/man8/bridge.8.html
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BridgeVlan {
    /// Their numbers: 1 to 4094.
    pub ids: RangeInclusive<u16>,
    /// How packets come and go.
    pub flags: BridgeVlanFlags,
    /// On input: it is a VLAN of the bridge itself, which is the link ("self"), not of a port.
    pub of_bridge: bool,
}

bitflags! {
    /// How packets of a VLAN come and go (`BRIDGE_VLAN_INFO_`). Those without a name here are kept.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct BridgeVlanFlags: u16 {
        /// It is the bridge's too.
        const MASTER = 0x1;
        /// Packets that come in without a VLAN's mark are of it.
        const PVID = 0x2;
        /// Packets leave without its mark.
        const UNTAGGED = 0x4;
        /// The bridge itself is in it.
        const BRENTRY = 0x20;

        const _ = !0;
    }
}

impl BridgeVlan {
    /// One VLAN.
    pub fn new(id: u16) -> BridgeVlan {
        BridgeVlan::range(id..=id)
    }

    /// Several VLANs in a row.
    pub fn range(ids: RangeInclusive<u16>) -> BridgeVlan {
        BridgeVlan { ids, flags: BridgeVlanFlags::empty(), of_bridge: false }
    }

    /// Makes it that of packets that come in without a mark. Only one VLAN can be.
    #[must_use]
    pub fn pvid(mut self) -> BridgeVlan {
        self.flags |= BridgeVlanFlags::PVID;
        self
    }

    /// Lets packets leave without its mark.
    #[must_use]
    pub fn untagged(mut self) -> BridgeVlan {
        self.flags |= BridgeVlanFlags::UNTAGGED;
        self
    }

    /// Makes it a VLAN of the bridge itself, which is the link, not of a port.
    #[must_use]
    pub fn of_bridge(mut self) -> BridgeVlan {
        self.of_bridge = true;
        self
    }

    /// Writes a request about it.
    pub(crate) fn request(
        &self,
        request: &mut Request,
        handle: &mut Handle,
        kind: u16,
        link: LinkRef<'_>,
    ) -> Result<(), Failure> {
        check_ids(&self.ids)?;
        if self.flags.contains(BridgeVlanFlags::PVID)
            && self.ids.start() != self.ids.end()
            && kind == RTM_SETLINK
        {
            return Err(Failure::Input("only one VLAN can be that of packets without a mark".to_owned()));
        }
        request.begin(kind, 0, &header(handle.index_of(link)?));
        request.nest(IFLA_AF_SPEC, |request| {
            if self.of_bridge {
                request.u16(IFLA_BRIDGE_FLAGS, BRIDGE_FLAGS_SELF);
            }
            let flags = self.flags.bits();
            for (id, range) in ends(&self.ids) {
                let info = [(flags | range).to_ne_bytes(), id.to_ne_bytes()];
                request.bytes(IFLA_BRIDGE_VLAN_INFO, info.as_flattened());
            }
        });
        Ok(())
    }
}

/// VLANs of a port whose packets go through a VXLAN link's tunnels, by the same number each or one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VlanTunnel {
    /// The VLANs' numbers: 1 to 4094.
    pub ids: RangeInclusive<u16>,
    /// The number of the first one's tunnel (VNI); the others follow.
    pub tunnel_id: u32,
}

impl VlanTunnel {
    /// Several VLANs in a row, and the first one's tunnel.
    pub fn new(ids: RangeInclusive<u16>, tunnel_id: u32) -> VlanTunnel {
        VlanTunnel { ids, tunnel_id }
    }

    /// Writes a request about it.
    pub(crate) fn request(
        &self,
        request: &mut Request,
        handle: &mut Handle,
        kind: u16,
        link: LinkRef<'_>,
    ) -> Result<(), Failure> {
        check_ids(&self.ids)?;
        let more = u32::from(self.ids.end() - self.ids.start());
        if self.tunnel_id.checked_add(more).is_none_or(|last| last >= 1 << 24) {
            return Err(Failure::Input("a tunnel's number has 24 bits".to_owned()));
        }
        request.begin(kind, 0, &header(handle.index_of(link)?));
        request.nest(IFLA_AF_SPEC, |request| {
            for (id, range) in ends(&self.ids) {
                request.nest(IFLA_BRIDGE_VLAN_TUNNEL_INFO, |request| {
                    let nth = u32::from(id - self.ids.start());
                    request.u32(IFLA_BRIDGE_VLAN_TUNNEL_ID, self.tunnel_id + nth);
                    request.u16(IFLA_BRIDGE_VLAN_TUNNEL_VID, id);
                    request.u16(IFLA_BRIDGE_VLAN_TUNNEL_FLAGS, range);
                });
            }
        });
        Ok(())
    }
}

pub(super) fn check_ids(ids: &RangeInclusive<u16>) -> Result<(), Failure> {
    if ids.is_empty() || *ids.start() < 1 || *ids.end() > 4094 {
        return Err(Failure::Input(format!(
            "VLANs are numbered 1 to 4094, the first before the last, not {ids:?}"
        )));
    }
    Ok(())
}

/// How a range is told: its first and its last, each marked; a single one without.
fn ends(ids: &RangeInclusive<u16>) -> impl Iterator<Item = (u16, u16)> {
    let (first, last) = (*ids.start(), *ids.end());
    let begin = (first, if first == last { 0 } else { BRIDGE_VLAN_INFO_RANGE_BEGIN });
    let end = (first != last).then_some((last, BRIDGE_VLAN_INFO_RANGE_END));
    [Some(begin), end].into_iter().flatten()
}

/// Written as in a command of bridge(8): `10-20`.
impl fmt::Display for BridgeVlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        display(f, &self.ids)?;
        f.write_str(if self.flags.contains(BridgeVlanFlags::PVID) { " pvid" } else { "" })?;
        f.write_str(if self.flags.contains(BridgeVlanFlags::UNTAGGED) { " untagged" } else { "" })
    }
}

/// Written as in a command of bridge(8): `10-20 tunnel 1000`.
impl fmt::Display for VlanTunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        display(f, &self.ids)?;
        write!(f, " tunnel {}", self.tunnel_id)
    }
}

pub(super) fn display(f: &mut fmt::Formatter<'_>, ids: &RangeInclusive<u16>) -> fmt::Result {
    match (ids.start(), ids.end()) {
        (first, last) if first == last => write!(f, "{first}"),
        (first, last) => write!(f, "{first}-{last}"),
    }
}

/// The VLANs of a bridge or of one of its ports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PortVlans {
    /// The index of the bridge or port.
    pub index: u32,
    /// The bridge that it is a port of.
    pub master: Option<u32>,
    /// The VLANs, several in a row in one where they have the same flags.
    pub vlans: Vec<BridgeVlan>,
    /// Those whose packets go through tunnels.
    pub tunnels: Vec<VlanTunnel>,
}

impl PortVlans {
    /// Goes through the VLANs one by one.
    pub fn each(&self) -> impl Iterator<Item = (u16, BridgeVlanFlags)> {
        self.vlans.iter().flat_map(|vlan| vlan.ids.clone().map(|id| (id, vlan.flags)))
    }

    pub(crate) fn read(payload: &[u8]) -> Option<PortVlans> {
        if *payload.first()? != AF_BRIDGE {
            return None;
        }
        let mut port = PortVlans { index: u32_at(payload, 4)?, ..PortVlans::default() };
        for attribute in Attributes::after(HEADER, payload) {
            match attribute.kind {
                IFLA_MASTER => port.master = attribute.u32().filter(|master| *master != port.index),
                IFLA_AF_SPEC => port.read_inside(attribute),
                _ => {}
            }
        }
        Some(port)
    }

    fn read_inside(&mut self, nest: Attribute<'_>) {
        let (mut first, mut first_tunnel) = (None, None);
        for attribute in nest.nested() {
            match attribute.kind {
                IFLA_BRIDGE_VLAN_INFO => {
                    let info = (u16_at(attribute.payload, 0), u16_at(attribute.payload, 2));
                    let (Some(flags), Some(id)) = info else { continue };
                    let Some(begin) = range(&mut first, flags, id) else { continue };
                    let both = BRIDGE_VLAN_INFO_RANGE_BEGIN | BRIDGE_VLAN_INFO_RANGE_END;
                    let flags = BridgeVlanFlags::from_bits_retain(flags & !both);
                    self.vlans.push(BridgeVlan { ids: begin..=id, flags, of_bridge: false });
                }
                IFLA_BRIDGE_VLAN_TUNNEL_INFO => {
                    let (mut tunnel, mut id, mut flags) = (None, None, 0);
                    for attribute in attribute.nested() {
                        match attribute.kind {
                            IFLA_BRIDGE_VLAN_TUNNEL_ID => tunnel = attribute.u32(),
                            IFLA_BRIDGE_VLAN_TUNNEL_VID => id = attribute.u16(),
                            IFLA_BRIDGE_VLAN_TUNNEL_FLAGS => flags = attribute.u16().unwrap_or_default(),
                            _ => {}
                        }
                    }
                    let (Some(tunnel), Some(id)) = (tunnel, id) else { continue };
                    let Some(begin) = range(&mut first_tunnel, flags, id) else { continue };
                    let tunnel_id = tunnel.saturating_sub(u32::from(id.saturating_sub(begin)));
                    self.tunnels.push(VlanTunnel { ids: begin..=id, tunnel_id });
                }
                _ => {}
            }
        }
    }
}

/// Keeps the first of a range; gives it with the last, and a single one at once.
fn range(first: &mut Option<u16>, flags: u16, id: u16) -> Option<u16> {
    if flags & BRIDGE_VLAN_INFO_RANGE_BEGIN != 0 {
        *first = Some(id);
        return None;
    }
    let begun = first.take().filter(|_| flags & BRIDGE_VLAN_INFO_RANGE_END != 0);
    Some(begun.filter(|begun| *begun <= id).unwrap_or(id))
}

/// `struct ifinfomsg` of a bridge's part of a link.
fn header(index: u32) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[0] = AF_BRIDGE;
    header[4..8].copy_from_slice(&index.to_ne_bytes());
    header
}

/// Of which links to list the VLANs. The kernel lists those of all, the rest is left out here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct VlanFilter {
    /// Those of the bridge or port with this index.
    pub index: Option<u32>,
    /// Those of the ports of the bridge with this index.
    pub master: Option<u32>,
    /// Those of links that have this VLAN.
    pub id: Option<u16>,
}

impl VlanFilter {
    fn request(handle: &mut Handle) -> Request {
        let mut request = handle.room();
        request.begin(RTM_GETLINK, 0, &header(0));
        request.u32(IFLA_EXT_MASK, RTEXT_FILTER_BRVLAN_COMPRESSED);
        request
    }

    fn read(self, message: &Message<'_>) -> Option<PortVlans> {
        PortVlans::read(message.payload).filter(|port| self.matches(port))
    }

    fn matches(self, port: &PortVlans) -> bool {
        self.index.is_none_or(|index| index == port.index)
            && self.master.is_none_or(|master| port.master == Some(master))
            && self.id.is_none_or(|id| port.vlans.iter().any(|vlan| vlan.ids.contains(&id)))
    }
}

pub(crate) const HINTS: Hints<'static> = &[
    (
        Errno::EOPNOTSUPP,
        "the link is no port of a bridge (nor a bridge of its own), or this kernel has no VLANs there",
    ),
    (Errno::ENOENT, "it has no such VLAN"),
    (Errno::EINVAL, "the link takes no such VLAN"),
];

impl Handle {
    /// Adds VLANs to a bridge's port or, [where it says so](BridgeVlan::of_bridge), to a bridge itself. Those that are
    /// there get the flags.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound): there is no such link.
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput): no VLAN has that number.
    /// [`Unsupported`](crate::ErrorKind::Unsupported): the link is no port, or this kernel has no VLANs on bridges.
    #[doc(alias = "BridgeVlanAdd")]
    pub fn add_vlans<'a>(&mut self, port: impl Into<LinkRef<'a>>, vlans: &BridgeVlan) -> Result<()> {
        let port = port.into();
        self.set_vlans(port, |request, handle| vlans.request(request, handle, RTM_SETLINK, port))
            .map_err(|failure| failure.when(format_args!("add VLANs {vlans} to {port}"), HINTS))
    }

    /// Deletes VLANs of a bridge's port or of a bridge. Those that aren't there are no error.
    ///
    /// # Errors
    /// As [`add_vlans`](Handle::add_vlans).
    #[doc(alias = "BridgeVlanDel")]
    pub fn delete_vlans<'a>(&mut self, port: impl Into<LinkRef<'a>>, vlans: &BridgeVlan) -> Result<()> {
        let port = port.into();
        self.set_vlans(port, |request, handle| vlans.request(request, handle, RTM_DELLINK, port))
            .map_err(|failure| failure.when(format_args!("delete VLANs {vlans} of {port}"), HINTS))
    }

    /// Sends packets of VLANs, which the port has, through tunnels. The port's `vlan_tunnel` must be on.
    ///
    /// # Errors
    /// As [`add_vlans`](Handle::add_vlans); [`InvalidInput`](crate::ErrorKind::InvalidInput) also where the port has
    /// no such VLAN, or is not set to use tunnels.
    pub fn add_vlan_tunnel<'a>(&mut self, port: impl Into<LinkRef<'a>>, tunnel: &VlanTunnel) -> Result<()> {
        let port = port.into();
        self.set_vlans(port, |request, handle| tunnel.request(request, handle, RTM_SETLINK, port))
            .map_err(|failure| failure.when(format_args!("add VLANs {tunnel} to {port}"), HINTS))
    }

    /// Sends packets of VLANs no longer through tunnels.
    ///
    /// # Errors
    /// As [`add_vlan_tunnel`](Handle::add_vlan_tunnel).
    pub fn delete_vlan_tunnel<'a>(
        &mut self,
        port: impl Into<LinkRef<'a>>,
        tunnel: &VlanTunnel,
    ) -> Result<()> {
        let port = port.into();
        self.set_vlans(port, |request, handle| tunnel.request(request, handle, RTM_DELLINK, port))
            .map_err(|failure| failure.when(format_args!("delete VLANs {tunnel} of {port}"), HINTS))
    }

    fn set_vlans(
        &mut self,
        port: LinkRef<'_>,
        write: impl FnOnce(&mut Request, &mut Handle) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut request = self.room();
        write(&mut request, self)?;
        self.change(request, |_| {}).map_err(|failure| port.missing(failure))
    }

    /// Lists the VLANs of all bridges and their ports.
    ///
    /// # Errors
    /// [`Interrupted`](crate::ErrorKind::Interrupted): links came and went each time the list was read.
    #[doc(alias = "BridgeVlanList")]
    pub fn bridge_vlans(&mut self) -> Result<Vec<PortVlans>> {
        self.list_bridge_vlans(VlanFilter::default())
    }

    /// Lists the VLANs of some bridges and ports.
    ///
    /// # Errors
    /// Those of [`bridge_vlans`](Handle::bridge_vlans).
    pub fn list_bridge_vlans(&mut self, filter: VlanFilter) -> Result<Vec<PortVlans>> {
        self.list(VlanFilter::request, |message| filter.read(message))
            .map_err(|failure| failure.when("list VLANs of bridges", &[]))
    }

    /// Lists the VLANs of some bridges and ports, one of those at a time.
    ///
    /// # Errors
    /// The kernel did not answer. What goes wrong later the items tell.
    pub fn dump_bridge_vlans(&mut self, filter: VlanFilter) -> Result<Dump<'_, PortVlans>> {
        let request = VlanFilter::request(self);
        Dump::begin(self, request, "VLANs of bridges", &[], move |message| filter.read(message))
            .map_err(|failure| failure.when("list VLANs of bridges", &[]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn through_bytes(write: impl FnOnce(&mut Request, &mut Handle) -> Result<(), Failure>) -> PortVlans {
        let (mut request, mut handle) = (Request::default(), Handle::open().unwrap());
        write(&mut request, &mut handle).unwrap();
        PortVlans::read(&request.sent()[16..]).unwrap()
    }

    #[test]
    fn what_is_written_is_read_back() {
        for vlan in [BridgeVlan::new(7).pvid().untagged(), BridgeVlan::range(10..=20)] {
            let read = through_bytes(|request, handle| vlan.request(request, handle, RTM_SETLINK, 1.into()));
            assert_eq!((read.index, read.vlans), (1, vec![vlan]));
        }
        for tunnel in [VlanTunnel::new(7..=7, 1000), VlanTunnel::new(10..=20, 1000)] {
            let read =
                through_bytes(|request, handle| tunnel.request(request, handle, RTM_SETLINK, 1.into()));
            assert_eq!(read.tunnels, [tunnel]);
        }
    }

    #[test]
    fn numbers_that_can_not_be_are_told() {
        let empty = RangeInclusive::new(3, 2);
        for ids in [0..=1, 4094..=4095, empty] {
            assert!(check_ids(&ids).is_err(), "{ids:?}");
        }
        assert!(check_ids(&(1..=4094)).is_ok());
    }

    #[test]
    fn ranges_of_no_sense_are_single_vlans_and_no_panic() {
        let mut request = Request::new(RTM_SETLINK, 0, &header(1));
        request.nest(IFLA_AF_SPEC, |request| {
            for (flags, id) in [(16_u16, 5_u16), (8, 9), (16, 3), (8, 1)] {
                let info = [flags.to_ne_bytes(), id.to_ne_bytes()];
                request.bytes(IFLA_BRIDGE_VLAN_INFO, info.as_flattened());
            }
            request.bytes(IFLA_BRIDGE_VLAN_INFO, &[1]);
        });
        let ids: Vec<_> = PortVlans::read(&request.sent()[16..]).unwrap().each().map(|(id, _)| id).collect();
        assert_eq!(ids, [5, 3]);
    }
}

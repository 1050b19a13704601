//! A neighbour's message: `struct ndmsg` and attributes; a bridge's address has the same.

use super::address::family;
use super::attribute::Attributes;
use super::numbers::{
    AF_BRIDGE, NDA_CACHEINFO, NDA_DST, NDA_FLAGS_EXT, NDA_IFINDEX, NDA_LLADDR, NDA_MASTER, NDA_NH_ID,
    NDA_PORT, NDA_PROBES, NDA_PROTOCOL, NDA_SRC_VNI, NDA_VLAN, NDA_VNI, RTM_GETNEIGH, RTM_NEWNEIGH,
};
use super::{Request, u16_at, u32_at};
use crate::Family;
use crate::mac::MacAddress;
use crate::neighbour::{
    FdbEntry, Neighbour, NeighbourFilter, NeighbourFlags, NeighbourState, NeighbourTimes,
};

const HEADER: usize = 12;

/// `struct ndmsg`.
pub(crate) fn header(family: u8, index: u32, state: u16, flags: u8) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[0] = family;
    header[4..8].copy_from_slice(&index.to_ne_bytes());
    header[8..10].copy_from_slice(&state.to_ne_bytes());
    header[10] = flags;
    header
}

/// Asks for neighbours, or for proxies.
pub(crate) fn write_list(request: &mut Request, filter: NeighbourFilter) {
    let family = Family::or_any(filter.family);
    let flags = if filter.proxies { NeighbourFlags::PROXY } else { NeighbourFlags::empty() };
    request.begin(RTM_GETNEIGH, 0, &header(family, 0, 0, flags.bits() as u8));
    write_some!(request, u32 NDA_IFINDEX filter.index, u32 NDA_MASTER filter.master);
}

/// Writes a request about one neighbour.
pub(crate) fn write(request: &mut Request, kind: u16, flags: u16, index: u32, neighbour: &Neighbour) {
    let making = kind == RTM_NEWNEIGH;
    let (few, more) = neighbour.flags.to_kernel();
    let state = if making { neighbour.state.bits() } else { 0 };
    request.begin(kind, flags, &header(family(neighbour.address), index, state, few));
    request.ip(NDA_DST, neighbour.address);
    if making {
        let mac = neighbour.mac.map(MacAddress::octets);
        write_some!(
            request,
            bytes NDA_LLADDR mac.as_ref().map(<[u8; 6]>::as_slice).or(neighbour.long_address.as_deref()),
            u8 NDA_PROTOCOL neighbour.protocol,
            u32 NDA_FLAGS_EXT more,
        );
    }
}

/// Writes a request about one address of a bridge or link.
pub(crate) fn write_fdb(request: &mut Request, kind: u16, flags: u16, index: u32, entry: &FdbEntry) {
    let (few, more) = entry.flags.to_kernel();
    request.begin(kind, flags, &header(AF_BRIDGE, index, entry.state.bits(), few));
    request.bytes(NDA_LLADDR, &entry.mac.octets());
    write_some!(
        request,
        ip NDA_DST entry.destination,
        u16 NDA_VLAN entry.vlan,
        be16 NDA_PORT entry.port,
        u32 NDA_VNI entry.vni,
        u32 NDA_SRC_VNI entry.source_vni,
        u32 NDA_IFINDEX entry.via,
        u32 NDA_NH_ID entry.nexthop_id,
        u32 NDA_FLAGS_EXT more,
    );
}

/// Reads a neighbour; `None` where it is neither IPv4 nor IPv6.
pub(crate) fn read(payload: &[u8]) -> Option<Neighbour> {
    let mut neighbour = Neighbour::new([0; 4].into());
    read_all(&mut neighbour, payload)?;
    Some(neighbour)
}

/// Tells whether it is of IPv4 or IPv6.
pub(crate) fn is_of_ip(payload: &[u8]) -> bool {
    payload.first().is_some_and(|family| Family::from_kernel(*family).is_some())
}

/// Reads into a new neighbour.
pub(crate) fn read_all(neighbour: &mut Neighbour, payload: &[u8]) -> Option<()> {
    let header: &[u8; HEADER] = payload.first_chunk()?;
    let (mut address, mut more) = (None, 0);
    for attribute in Attributes::after(HEADER, payload) {
        match attribute.kind {
            NDA_DST => address = attribute.ip().filter(|address| family(*address) == header[0]),
            NDA_LLADDR => (neighbour.mac, neighbour.long_address) = attribute.hardware_address(),
            NDA_PROBES => neighbour.probes = attribute.u32(),
            NDA_PROTOCOL => neighbour.protocol = attribute.u8().filter(|protocol| *protocol != 0),
            NDA_FLAGS_EXT => more = attribute.u32().unwrap_or_default(),
            NDA_CACHEINFO => neighbour.times = NeighbourTimes::read(attribute.payload),
            _ => {}
        }
    }
    neighbour.address = address?;
    neighbour.index = u32_at(header, 4)?;
    neighbour.state = NeighbourState::from_bits_retain(u16_at(header, 8)?);
    neighbour.flags = NeighbourFlags::from_kernel(header[10], more);
    Some(())
}

/// Reads an address of a bridge or link; `None` where it is something else.
pub(crate) fn read_fdb(payload: &[u8]) -> Option<FdbEntry> {
    let header: &[u8; HEADER] = payload.first_chunk()?;
    if header[0] != AF_BRIDGE {
        return None;
    }
    let (mut address, mut more) = (None, 0);
    let state = NeighbourState::from_bits_retain(u16_at(header, 8)?);
    let mut entry = FdbEntry::new([0; 6].into(), state, NeighbourFlags::empty());
    for attribute in Attributes::after(HEADER, payload) {
        match attribute.kind {
            NDA_LLADDR => address = mac(attribute.payload),
            NDA_DST => entry.destination = attribute.ip(),
            NDA_VLAN => entry.vlan = attribute.u16().filter(|vlan| *vlan != 0),
            NDA_PORT => entry.port = attribute.be16(),
            NDA_VNI => entry.vni = attribute.u32(),
            NDA_SRC_VNI => entry.source_vni = attribute.u32(),
            NDA_IFINDEX => entry.via = attribute.u32(),
            NDA_NH_ID => entry.nexthop_id = attribute.u32(),
            NDA_MASTER => entry.master = attribute.u32(),
            NDA_FLAGS_EXT => more = attribute.u32().unwrap_or_default(),
            NDA_CACHEINFO => entry.times = NeighbourTimes::read(attribute.payload),
            _ => {}
        }
    }
    entry.mac = address?;
    entry.index = u32_at(header, 4)?;
    entry.flags = NeighbourFlags::from_kernel(header[10], more);
    // The kernel leaves it out; with it, what was read can be written.
    if let Some(master) = entry.master.filter(|_| !entry.flags.contains(NeighbourFlags::SELF)) {
        entry.flags |= if master == entry.index { NeighbourFlags::SELF } else { NeighbourFlags::MASTER };
    }
    Some(entry)
}

fn mac(bytes: &[u8]) -> Option<MacAddress> {
    <[u8; 6]>::try_from(bytes).ok().map(MacAddress::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let mut neighbour = Neighbour::new("fe80::7".parse().unwrap()).mac([2, 0, 0, 0, 0, 7]);
        neighbour.flags = NeighbourFlags::ROUTER | NeighbourFlags::MANAGED;
        (neighbour.index, neighbour.protocol) = (5, Some(4));
        let mut request = Request::default();
        write(&mut request, RTM_NEWNEIGH, 0, 5, &neighbour);
        assert_eq!(read(&request.sent()[16..]), Some(neighbour));
        assert_eq!(read_fdb(&request.sent()[16..]), None);

        let mut entry = FdbEntry::of_link([2, 0, 0, 0, 0, 8]).destination("192.0.2.8".parse().unwrap());
        (entry.index, entry.vlan, entry.port, entry.vni) = (6, Some(7), Some(4790), Some(900));
        (entry.source_vni, entry.via, entry.nexthop_id) = (Some(901), Some(3), Some(12));
        request.clear();
        write_fdb(&mut request, RTM_NEWNEIGH, 0, 6, &entry);
        assert_eq!(read_fdb(&request.sent()[16..]), Some(entry));
        assert_eq!(read(&request.sent()[16..]), None);
    }

    #[test]
    fn bytes_of_no_sense_are_nothing_and_no_panic() {
        for bytes in [&[2; 11][..], &[7; 12], &[7; 64], &[0xff; 64], &[]] {
            assert_eq!((read(bytes), read_fdb(bytes)), (None, None));
        }
    }
}

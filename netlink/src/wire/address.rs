//! An address's message: `struct ifaddrmsg` and attributes.

use std::net::IpAddr;

use super::attribute::{Attribute, Attributes};
use super::numbers::{
    AF_INET, AF_INET6, IFA_ADDRESS, IFA_BROADCAST, IFA_CACHEINFO, IFA_FLAGS, IFA_LABEL, IFA_LOCAL, IFA_PROTO,
    IFA_RT_PRIORITY,
};
use super::{Request, u32_at};
use crate::Family;
use crate::address::{Address, AddressFlags, Scope};
use crate::ip_net::IpNet;

const HEADER: usize = 8;
/// For ever.
const INFINITY: u32 = u32::MAX;

/// `struct ifaddrmsg` that asks for the addresses of a link, or of a family.
pub(crate) fn list_header(index: Option<u32>, family: Option<Family>) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[0] = Family::or_any(family);
    header[4..].copy_from_slice(&index.unwrap_or_default().to_ne_bytes());
    header
}

/// The number of an address's family.
pub(crate) fn family(address: IpAddr) -> u8 {
    if address.is_ipv4() { AF_INET } else { AF_INET6 }
}

/// Writes a request about one address of one link.
pub(crate) fn write(request: &mut Request, kind: u16, flags: u16, index: u32, address: &Address) {
    let ip = address.net.address();
    let scope = address.scope.unwrap_or(usual_scope(ip)).to_kernel();
    let mut header = [family(ip), address.net.prefix_len(), 0, scope, 0, 0, 0, 0];
    header[4..].copy_from_slice(&index.to_ne_bytes());
    request.begin(kind, flags, &header);
    request.ip(IFA_LOCAL, ip);
    request.ip(IFA_ADDRESS, address.peer.unwrap_or(ip));
    if let Some(broadcast) = address.broadcast {
        request.ip(IFA_BROADCAST, broadcast);
    }
    if let Some(label) = &address.label {
        request.text(IFA_LABEL, label);
    }
    if !address.flags.is_empty() {
        request.u32(IFA_FLAGS, address.flags.bits());
    }
    if address.valid_lifetime.is_some() || address.preferred_lifetime.is_some() {
        let valid = address.valid_lifetime.unwrap_or(INFINITY);
        let preferred = address.preferred_lifetime.unwrap_or(valid);
        // `struct ifa_cacheinfo`; the two times in it are the kernel's to fill.
        let times = [preferred.to_ne_bytes(), valid.to_ne_bytes(), [0; 4], [0; 4]];
        request.bytes(IFA_CACHEINFO, times.as_flattened());
    }
    if let Some(metric) = address.metric {
        request.u32(IFA_RT_PRIORITY, metric);
    }
    if let Some(protocol) = address.protocol {
        request.u8(IFA_PROTO, protocol);
    }
}

fn usual_scope(ip: IpAddr) -> Scope {
    match ip {
        IpAddr::V4(ip) if ip.is_loopback() => Scope::Host,
        _ => Scope::Universe,
    }
}

/// Reads an address; `None` where it is neither IPv4 nor IPv6.
pub(crate) fn read(payload: &[u8]) -> Option<Address> {
    let (&family, &prefix_len) = (payload.first()?, payload.get(1)?);
    let mut flags = u32::from(*payload.get(2)?);
    let scope = Scope::from_kernel(*payload.get(3)?);
    let index = u32_at(payload, 4)?;
    let (mut local, mut other) = (None, None);
    let mut address = Address::new(IpAddr::from([0; 4]).into());
    for attribute in Attributes::after(HEADER, payload) {
        match attribute.kind {
            IFA_LOCAL => local = attribute.ip(),
            IFA_ADDRESS => other = attribute.ip(),
            IFA_BROADCAST => address.broadcast = attribute.ip(),
            IFA_LABEL => address.label = Some(attribute.text()),
            // The header has room for eight flags only.
            IFA_FLAGS => flags = attribute.u32().unwrap_or(flags),
            IFA_CACHEINFO => {
                address.preferred_lifetime = lifetime(attribute, 0);
                address.valid_lifetime = lifetime(attribute, 4);
            }
            IFA_RT_PRIORITY => address.metric = attribute.u32(),
            IFA_PROTO => address.protocol = attribute.u8(),
            _ => {}
        }
    }
    // The address is IFA_LOCAL; IFA_ADDRESS is the other end's where the two differ.
    let own = local.or(other)?;
    if self::family(own) != family {
        return None;
    }
    address.index = index;
    address.net = IpNet::new(own, prefix_len).ok()?;
    address.peer = other.filter(|other| *other != own);
    address.scope = Some(scope);
    address.flags = AddressFlags::from_bits_retain(flags);
    Some(address)
}

fn lifetime(times: Attribute<'_>, at: usize) -> Option<u32> {
    u32_at(times.payload, at).filter(|seconds| *seconds != INFINITY)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written_and_read(address: &Address) -> Address {
        let mut request = Request::default();
        write(&mut request, 20, 0, 7, address);
        read(&request.sent()[16..]).unwrap()
    }

    #[test]
    fn a_written_address_is_read_back() {
        for (text, scope) in
            [("10.0.41.1/16", Scope::Universe), ("127.0.0.2/8", Scope::Host), ("fd00::1/64", Scope::Universe)]
        {
            let address = written_and_read(&Address::new(text.parse().unwrap()));
            let expected = Address { index: 7, scope: Some(scope), ..Address::new(text.parse().unwrap()) };
            assert_eq!(address, expected);
        }
        let whole = Address {
            index: 7,
            peer: Some("10.0.0.2".parse().unwrap()),
            broadcast: Some("10.0.0.255".parse().unwrap()),
            label: Some("eth0:1".to_owned()),
            scope: Some(Scope::Link),
            flags: AddressFlags::NOPREFIXROUTE | AddressFlags::NODAD,
            valid_lifetime: Some(600),
            preferred_lifetime: Some(60),
            metric: Some(9),
            protocol: Some(3),
            ..Address::new("10.0.0.1/32".parse().unwrap())
        };
        assert_eq!(written_and_read(&whole), whole);
    }

    #[test]
    fn bytes_of_no_sense_are_no_address() {
        assert_eq!(read(&[]), None);
        assert_eq!(read(&[2, 24, 0, 0, 1, 0, 0, 0]), None); // no address in it
        let v6_in_v4 = [&[2, 24, 0, 0, 1, 0, 0, 0, 20, 0, 2, 0][..], &[0; 16]].concat();
        assert_eq!(read(&v6_in_v4), None);
        let long_prefix = [2, 33, 0, 0, 1, 0, 0, 0, 8, 0, 2, 0, 10, 0, 0, 1];
        assert_eq!(read(&long_prefix), None);
    }
}

//! An address's message: `struct ifaddrmsg` and attributes.

use std::net::IpAddr;

use super::attribute::Attributes;
use super::numbers::{
    AF_INET, AF_INET6, AF_UNSPEC, IFA_ADDRESS, IFA_BROADCAST, IFA_FLAGS, IFA_LABEL, IFA_LOCAL,
};
use super::{Request, u32_at};
use crate::address::{Address, AddressFlags, Scope};
use crate::ip_net::IpNet;

const HEADER: usize = 8;

/// `struct ifaddrmsg` that asks for the addresses of every family.
pub(crate) const ANY: [u8; HEADER] = [AF_UNSPEC; HEADER];

/// The number of an address's family.
pub(crate) fn family(address: IpAddr) -> u8 {
    if address.is_ipv4() { AF_INET } else { AF_INET6 }
}

/// Writes a request about one address of one link.
pub(crate) fn request(kind: u16, flags: u16, index: u32, address: IpNet) -> Request {
    let ip = address.address();
    let mut header = [family(ip), address.prefix_len(), 0, scope(ip), 0, 0, 0, 0];
    header[4..].copy_from_slice(&index.to_ne_bytes());
    let mut request = Request::new(kind, flags, &header);
    request.ip(IFA_LOCAL, ip);
    request.ip(IFA_ADDRESS, ip);
    request
}

/// A loopback address is of this host only; IPv6 finds its scopes itself.
fn scope(ip: IpAddr) -> u8 {
    match ip {
        IpAddr::V4(ip) if ip.is_loopback() => Scope::Host.to_kernel(),
        _ => Scope::Universe.to_kernel(),
    }
}

/// Reads an address; `None` where it is neither IPv4 nor IPv6.
pub(crate) fn read(payload: &[u8]) -> Option<Address> {
    let (&family, &prefix_len) = (payload.first()?, payload.get(1)?);
    let mut flags = u32::from(*payload.get(2)?);
    let scope = Scope::from_kernel(*payload.get(3)?);
    let index = u32_at(payload, 4)?;
    let (mut local, mut address, mut broadcast, mut label) = (None, None, None, None);
    for attribute in Attributes::after(HEADER, payload) {
        match attribute.kind {
            IFA_LOCAL => local = attribute.ip(),
            IFA_ADDRESS => address = attribute.ip(),
            IFA_BROADCAST => broadcast = attribute.ip(),
            IFA_LABEL => label = Some(attribute.text()),
            // The header has room for eight flags only.
            IFA_FLAGS => flags = attribute.u32().unwrap_or(flags),
            _ => {}
        }
    }
    // The address is IFA_LOCAL; IFA_ADDRESS is the other end's where the two differ.
    let own = local.or(address)?;
    if self::family(own) != family {
        return None;
    }
    Some(Address {
        index,
        net: IpNet::new(own, prefix_len).ok()?,
        peer: address.filter(|address| *address != own),
        broadcast,
        label,
        scope,
        flags: AddressFlags::from_bits_retain(flags),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_address_is_read_back() {
        for (text, scope) in
            [("10.0.41.1/16", Scope::Universe), ("127.0.0.2/8", Scope::Host), ("fd00::1/64", Scope::Universe)]
        {
            let net: IpNet = text.parse().unwrap();
            let request = request(20, 0, 7, net);
            let address = read(&request.sent()[16..]).unwrap();
            assert_eq!((address.index, address.net, address.peer, address.scope), (7, net, None, scope));
        }
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

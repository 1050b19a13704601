//! Hardware addresses.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::{BuildHasher, Hasher};
use std::str::FromStr;

use crate::error::{Error, Failure, Result};

/// A hardware address of six bytes (MAC): `02:42:0a:00:29:01`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MacAddress([u8; 6]);

impl MacAddress {
    /// All bits, as a mask has them.
    pub(crate) const ALL: MacAddress = MacAddress([0xff; 6]);

    /// Makes one at random, of the kind that is given by software: locally administered, unicast.
    ///
    /// Unlike in 2014, where every machine's first bridge had 56:84:7a:fe:97:99.
    pub fn random() -> MacAddress {
        // Its keys come from the system's random numbers, and differ at each call: enough to be
        // unique, which is all that a MAC must be.
        let random = RandomState::new().build_hasher().finish().to_ne_bytes();
        let mut octets = [0; 6];
        octets.copy_from_slice(&random[..6]);
        octets[0] = octets[0] & 0xfe | 0x02;
        MacAddress(octets)
    }

    /// Returns the six bytes.
    pub fn octets(self) -> [u8; 6] {
        self.0
    }
}

impl From<[u8; 6]> for MacAddress {
    fn from(octets: [u8; 6]) -> Self {
        MacAddress(octets)
    }
}

impl From<MacAddress> for [u8; 6] {
    fn from(mac: MacAddress) -> Self {
        mac.0
    }
}

impl FromStr for MacAddress {
    type Err = Error;

    fn from_str(text: &str) -> Result<MacAddress> {
        read(text).ok_or_else(|| {
            Failure::Input("it is not six pairs of hexadecimal digits with \":\" between".to_owned())
                .when(format_args!("read {text:?} as a MAC address"), &[])
        })
    }
}

fn read(text: &str) -> Option<MacAddress> {
    let mut octets = [0; 6];
    let mut parts = text.split(':');
    for octet in &mut octets {
        let part = parts.next().filter(|part| part.len() == 2 && !part.starts_with('+'))?;
        *octet = u8::from_str_radix(part, 16).ok()?;
    }
    parts.next().is_none().then_some(MacAddress(octets))
}

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, rest @ ..] = self.0;
        write!(f, "{first:02x}")?;
        rest.iter().try_for_each(|octet| write!(f, ":{octet:02x}"))
    }
}

impl fmt::Debug for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mac_is_read_as_it_is_written() {
        let mac = MacAddress::from([0x02, 0x42, 0x0a, 0, 0x29, 0xff]);
        assert_eq!(mac.to_string(), "02:42:0a:00:29:ff");
        assert_eq!("02:42:0A:00:29:ff".parse::<MacAddress>().unwrap(), mac);
        for text in ["", "02:42:0a:00:29", "02:42:0a:00:29:ff:00", "2:42:0a:00:29:ff", "02:42:0a:00:29:+f"] {
            assert!(text.parse::<MacAddress>().is_err(), "{text:?}");
        }
    }

    /// 2014's CreateBridge took its bytes from an unseeded generator: the same MAC on every
    /// machine, and never a byte of 0xff.
    #[test]
    fn random_macs_differ_are_local_and_unicast_and_use_every_byte() {
        let macs: Vec<_> = (0..5000).map(|_| MacAddress::random().octets()).collect();
        assert!(macs.iter().all(|mac| mac[0] & 3 == 2));
        assert_eq!(macs.iter().collect::<std::collections::HashSet<_>>().len(), macs.len());
        assert!(macs.iter().flatten().any(|byte| *byte == 0xff));
    }
}

//! What several kinds of tunnels have.

use std::net::IpAddr;

use super::choice;
use crate::error::Failure;
use crate::mac::MacAddress;

choice! {
    /// Whether packets may be cut on their way.
    DontFragment: u8 {
        /// They may.
        Unset = 0 "unset",
        /// They may not.
        Set = 1 "set",
        /// As what is in them.
        Inherit = 2 "inherit",
    }
}

choice! {
    /// What is around a tunnel.
    TunnelEncap: u16 {
        /// Nothing.
        None = 0 "none",
        /// UDP (Foo over UDP).
        Fou = 1 "fou",
        /// UDP with a header (Generic UDP Encapsulation).
        Gue = 2 "gue",
        /// MPLS.
        Mpls = 3 "mpls",
    }
}

/// The `IP6_TNL_F_` bits that were said: above them the kernel notes what it found out of the ends.
pub(super) fn said_flags(flags: u32) -> u32 {
    flags & 0xffff
}

/// Checks a number that the kernel would cut.
pub(super) fn check_bits(what: &str, number: Option<u32>, bits: u32) -> Result<(), Failure> {
    match number {
        Some(number) if number >> bits != 0 => {
            Err(Failure::Input(format!("{what} is 0 to {}, not {number}", (1_u32 << bits) - 1)))
        }
        _ => Ok(()),
    }
}

/// Checks that both ends are of one family.
pub(super) fn check_ends(local: Option<IpAddr>, remote: Option<IpAddr>) -> Result<(), Failure> {
    match (local, remote) {
        (Some(local), Some(remote)) if local.is_ipv4() != remote.is_ipv4() => {
            Err(Failure::Input(format!("{local} and {remote} are not of one family")))
        }
        _ => Ok(()),
    }
}

/// Checks that ends are of the tunnel's family.
pub(super) fn check_family(v6: bool, ends: [Option<IpAddr>; 2]) -> Result<(), Failure> {
    match ends.into_iter().flatten().find(|end| end.is_ipv6() != v6) {
        Some(end) => {
            Err(Failure::Input(format!("the tunnel is in IPv{}, and {end} isn't", if v6 { 6 } else { 4 })))
        }
        None => Ok(()),
    }
}

/// Checks a hardware address.
pub(super) fn check_mac_of(
    mac: Option<MacAddress>,
    good: impl FnOnce(MacAddress) -> bool,
    why: &str,
) -> Result<(), Failure> {
    match mac {
        Some(mac) if !good(mac) => Err(Failure::Input(format!("{mac} {why}"))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_would_cut_is_refused() {
        check_bits("a number", Some(0xff_ffff), 24).unwrap();
        let Err(Failure::Input(why)) = check_bits("a number", Some(0x100_0000), 24) else { panic!("taken") };
        assert_eq!(why, "a number is 0 to 16777215, not 16777216");
        let (four, six): (IpAddr, IpAddr) = ([10, 0, 0, 1].into(), [0; 16].into());
        assert!(check_ends(Some(four), Some(six)).is_err() && check_ends(Some(four), None).is_ok());
        assert!(
            check_family(true, [None, Some(four)]).is_err() && check_family(true, [Some(six); 2]).is_ok()
        );
    }
}

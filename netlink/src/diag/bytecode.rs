//! The little programs by which the kernel leaves sockets out (`INET_DIAG_REQ_BYTECODE`).
//!
//! Each condition goes on behind itself where it holds, and behind the program where it doesn't; who ends exactly at the
//! program's end is told.

use std::net::IpAddr;

use crate::ip_net::IpNet;

pub(super) const S_GE: u8 = 2;
pub(super) const S_LE: u8 = 3;
pub(super) const D_GE: u8 = 4;
pub(super) const D_LE: u8 = 5;
pub(super) const S_COND: u8 = 7;
pub(super) const D_COND: u8 = 8;
const DEV_COND: u8 = 9;
const MARK_COND: u8 = 10;
const CGROUP_COND: u8 = 13;

const NOP: u8 = 0;
/// Of `struct inet_diag_bc_op`.
const OP: usize = 4;

/// A program in which all conditions must hold.
#[derive(Debug, Default)]
pub(super) struct Program {
    bytes: Vec<u8>,
    /// Where the conditions begin.
    conditions: Vec<usize>,
}

impl Program {
    /// A port of at least, or at most, that number.
    pub(super) fn port(&mut self, code: u8, port: u16) {
        // The number stands where the next condition's offset would.
        self.condition(code, &[NOP, 0, port.to_ne_bytes()[0], port.to_ne_bytes()[1]]);
    }

    /// An address in a network.
    pub(super) fn address(&mut self, code: u8, net: IpNet) {
        const AF_INET: u8 = 2;
        const AF_INET6: u8 = 10;
        let family = if net.address().is_ipv4() { AF_INET } else { AF_INET6 };
        // `struct inet_diag_hostcond`; a port of -1 is any.
        let mut condition = vec![family, net.prefix_len(), 0, 0];
        condition.extend((-1_i32).to_ne_bytes());
        match net.network().address() {
            IpAddr::V4(address) => condition.extend(address.octets()),
            IpAddr::V6(address) => condition.extend(address.octets()),
        }
        self.condition(code, &condition);
    }

    pub(super) fn interface(&mut self, index: u32) {
        self.condition(DEV_COND, &index.to_ne_bytes());
    }

    pub(super) fn mark(&mut self, value: u32, mask: u32) {
        self.condition(MARK_COND, [value.to_ne_bytes(), mask.to_ne_bytes()].as_flattened());
    }

    pub(super) fn cgroup(&mut self, id: u64) {
        self.condition(CGROUP_COND, &id.to_ne_bytes());
    }

    fn condition(&mut self, code: u8, arguments: &[u8]) {
        self.conditions.push(self.bytes.len());
        // The longest has 28 bytes.
        self.bytes.extend([code, (OP + arguments.len()) as u8, 0, 0]);
        self.bytes.extend(arguments);
    }

    /// Tells every condition how far it is to what is behind the end.
    pub(super) fn finish(mut self) -> Option<Vec<u8>> {
        for at in &self.conditions {
            // A dozen conditions of at most 28 bytes.
            let no = (self.bytes.len() - at + OP) as u16;
            self.bytes[at + 2..at + 4].copy_from_slice(&no.to_ne_bytes());
        }
        (!self.bytes.is_empty()).then_some(self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_condition_is_no_program() {
        assert_eq!(Program::default().finish(), None);
    }

    #[test]
    fn what_does_not_hold_goes_behind_the_end() {
        let mut program = Program::default();
        program.port(S_GE, 80);
        program.address(D_COND, "10.1.2.3/8".parse().unwrap());
        let bytes = program.finish().unwrap();
        assert_eq!(bytes.len(), 8 + 16);
        // Holds: 8 on. Doesn't: 24 and 4 more.
        assert_eq!(&bytes[..4], [S_GE, 8, 28, 0]);
        assert_eq!(u16::from_ne_bytes([bytes[6], bytes[7]]), 80);
        assert_eq!(&bytes[8..12], [D_COND, 16, 20, 0]);
        assert_eq!(&bytes[12..], [2, 8, 0, 0, 255, 255, 255, 255, 10, 0, 0, 0]);
    }
}

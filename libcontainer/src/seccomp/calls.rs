//! System calls by name.

use super::numbers::NUMBERS;
use crate::config::Arch;

/// What the table says where an architecture doesn't have a call.
pub(super) const NONE: u16 = u16::MAX;

/// Where arm's private calls stand in the table, and where they are.
const ARM_PRIVATE: (u32, u32) = (0xff00, 0xf_0000);

/// A system call that some architecture has: a row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Call(usize);

impl Call {
    /// Finds a call by its name.
    pub(super) fn named(name: &str) -> Option<Call> {
        let mut slot = hash(name.as_bytes());
        loop {
            let row = SLOTS[slot % SLOTS.len()];
            if row == NONE {
                return None;
            }
            if NUMBERS[usize::from(row)].0 == name {
                return Some(Call(row.into()));
            }
            slot += 1;
        }
    }

    pub(super) fn name(self) -> &'static str {
        NUMBERS[self.0].0
    }

    /// Returns its number on an architecture.
    pub(super) fn number(self, arch: Arch) -> Option<u32> {
        let number = NUMBERS[self.0].1[arch.column()];
        let (private, first) = ARM_PRIVATE;
        match u32::from(number) {
            _ if number == NONE => None,
            number if number >= private => Some(first + number - private),
            number => Some(arch.base() + number),
        }
    }

    /// Returns the multiplexer that makes this call too, and the first argument that asks it to.
    pub(super) fn multiplexed(self, arch: Arch) -> Option<(Call, u64)> {
        if !arch.is_multiplexed() {
            return None;
        }
        let (multiplexer, code) = match self.name() {
            // include/uapi/linux/net.h
            "socket" => ("socketcall", 1),
            "bind" => ("socketcall", 2),
            "connect" => ("socketcall", 3),
            "listen" => ("socketcall", 4),
            "accept" => ("socketcall", 5),
            "getsockname" => ("socketcall", 6),
            "getpeername" => ("socketcall", 7),
            "socketpair" => ("socketcall", 8),
            "send" => ("socketcall", 9),
            "recv" => ("socketcall", 10),
            "sendto" => ("socketcall", 11),
            "recvfrom" => ("socketcall", 12),
            "shutdown" => ("socketcall", 13),
            "setsockopt" => ("socketcall", 14),
            "getsockopt" => ("socketcall", 15),
            "sendmsg" => ("socketcall", 16),
            "recvmsg" => ("socketcall", 17),
            "accept4" => ("socketcall", 18),
            "recvmmsg" => ("socketcall", 19),
            "sendmmsg" => ("socketcall", 20),
            // include/uapi/linux/ipc.h
            "semop" => ("ipc", 1),
            "semget" => ("ipc", 2),
            "semctl" => ("ipc", 3),
            "semtimedop" => ("ipc", 4),
            "msgsnd" => ("ipc", 11),
            "msgrcv" => ("ipc", 12),
            "msgget" => ("ipc", 13),
            "msgctl" => ("ipc", 14),
            "shmat" => ("ipc", 21),
            "shmdt" => ("ipc", 22),
            "shmget" => ("ipc", 23),
            "shmctl" => ("ipc", 24),
            _ => return None,
        };
        Call::named(multiplexer).map(|call| (call, code))
    }
}

/// The rows by the hash of their names; a taken place sends on to the next.
static SLOTS: [u16; 2048] = {
    let mut slots = [NONE; 2048];
    let mut row = 0;
    while row < NUMBERS.len() {
        let mut slot = hash(NUMBERS[row].0.as_bytes()) % slots.len();
        while slots[slot] != NONE {
            slot = (slot + 1) % slots.len();
        }
        slots[slot] = row as u16;
        row += 1;
    }
    slots
};

/// FNV-1a: short, and good enough for names that are known beforehand.
const fn hash(name: &[u8]) -> usize {
    let mut hash = 0x811c_9dc5_u32;
    let mut at = 0;
    while at < name.len() {
        hash = (hash ^ name[at] as u32).wrapping_mul(0x0100_0193);
        at += 1;
    }
    (hash ^ (hash >> 15)) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_is_found_by_its_name() {
        for (row, (name, _)) in NUMBERS.iter().enumerate() {
            assert_eq!(Call::named(name), Some(Call(row)), "{name}");
        }
        for name in ["", "nothing", "Write", "write ", "reserved82"] {
            assert_eq!(Call::named(name), None, "{name}");
        }
        assert!(NUMBERS.is_sorted_by_key(|row| row.0));
    }

    #[test]
    fn the_numbers_are_the_kernels() {
        let number = |name: &str, arch| Call::named(name).unwrap().number(arch);
        assert_eq!(number("execve", Arch::X86_64), Some(59));
        assert_eq!(number("execve", Arch::X32), Some(0x4000_0208));
        assert_eq!(number("execve", Arch::X86), Some(11));
        assert_eq!(number("execve", Arch::Aarch64), Some(221));
        assert_eq!(number("set_tls", Arch::Arm), Some(0xf_0005));
        assert_eq!(number("read", Arch::Mipsel64N32), Some(6000));
        assert_eq!(number("accept", Arch::X86), None);
    }

    /// The numbers that this machine's C library was built with.
    #[cfg(target_arch = "x86_64")]
    #[test]
    fn the_numbers_are_those_of_the_c_library() {
        for (name, there) in [
            ("read", libc::SYS_read),
            ("socket", libc::SYS_socket),
            ("openat2", libc::SYS_openat2),
            ("pidfd_getfd", libc::SYS_pidfd_getfd),
        ] {
            assert_eq!(Call::named(name).unwrap().number(Arch::X86_64).map(i64::from), Some(there), "{name}");
        }
    }
}

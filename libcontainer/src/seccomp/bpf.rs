//! Instructions of the classic packet filter, as far as seccomp has them.

/// An instruction as the kernel takes it (`struct sock_filter`), in the machine's order of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct Instruction {
    /// What is done.
    pub code: u16,
    /// How many instructions are passed over where a condition holds.
    pub jt: u8,
    /// How many where it doesn't.
    pub jf: u8,
    /// The number that it is done with.
    pub k: u32,
}

impl Instruction {
    pub(super) const fn new(code: u16, k: u32) -> Self {
        Instruction { code, jt: 0, jf: 0, k }
    }

    /// Makes one of its bytes.
    pub fn from_bytes(bytes: [u8; 8]) -> Self {
        let code = u16::from_ne_bytes([bytes[0], bytes[1]]);
        let k = u32::from_ne_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]);
        Instruction { code, jt: bytes[2], jf: bytes[3], k }
    }

    /// Returns its bytes.
    pub fn to_bytes(self) -> [u8; 8] {
        let mut bytes = [0, 0, self.jt, self.jf, 0, 0, 0, 0];
        bytes[..2].copy_from_slice(&self.code.to_ne_bytes());
        bytes[4..].copy_from_slice(&self.k.to_ne_bytes());
        bytes
    }
}

// include/uapi/linux/bpf_common.h
/// A word of `seccomp_data` into the accumulator (BPF_LD | BPF_W | BPF_ABS).
pub(super) const LOAD: u16 = 0x20;
/// (BPF_ALU | BPF_AND | BPF_K)
pub(super) const AND: u16 = 0x54;
/// (BPF_JMP | BPF_JA)
pub(super) const JUMP: u16 = 0x05;
/// (BPF_JMP | BPF_JEQ | BPF_K)
pub(super) const EQUAL: u16 = 0x15;
/// (BPF_JMP | BPF_JGT | BPF_K)
pub(super) const GREATER: u16 = 0x25;
/// (BPF_JMP | BPF_JGE | BPF_K)
pub(super) const GREATER_OR_EQUAL: u16 = 0x35;
/// (BPF_RET | BPF_K)
pub(super) const RETURN: u16 = 0x06;

/// The longest program (BPF_MAXINSNS).
pub(super) const LONGEST: usize = 4096;

// struct seccomp_data (include/uapi/linux/seccomp.h)
/// Where the call's number is.
pub(super) const NUMBER: u32 = 0;
/// Where the architecture is.
pub(super) const ARCH: u32 = 4;
/// Where the first argument is; the next one is 8 bytes on.
pub(super) const ARGUMENTS: u32 = 16;

//! What the kernel says about the architecture that a call is made by.

use crate::config::Arch;

// ELF machines (include/uapi/linux/elf-em.h) and what is added to them (include/uapi/linux/audit.h).
const EM_386: u32 = 3;
const EM_68K: u32 = 4;
const EM_MIPS: u32 = 8;
const EM_PARISC: u32 = 15;
const EM_PPC: u32 = 20;
const EM_PPC64: u32 = 21;
const EM_S390: u32 = 22;
const EM_ARM: u32 = 40;
const EM_SH: u32 = 42;
const EM_X86_64: u32 = 62;
const EM_AARCH64: u32 = 183;
const EM_RISCV: u32 = 243;
const EM_LOONGARCH: u32 = 258;
const BITS_64: u32 = 0x8000_0000;
const LITTLE: u32 = 0x4000_0000;
const N32: u32 = 0x2000_0000;

/// The bit of an x32 call's number (`__X32_SYSCALL_BIT`).
pub(super) const X32_BIT: u32 = 0x4000_0000;

impl Arch {
    /// All that the OCI specification lists.
    pub const ALL: [Arch; 23] = {
        use Arch::{
            Aarch64, Arm, Loongarch64, M68k, Mips, Mips64, Mips64N32, Mipsel, Mipsel64, Mipsel64N32, Parisc,
            Parisc64, Ppc, Ppc64, Ppc64le, Riscv64, S390, S390x, Sh, Sheb, X32, X86, X86_64,
        };
        [
            X86,
            X86_64,
            X32,
            Arm,
            Aarch64,
            Mips,
            Mips64,
            Mips64N32,
            Mipsel,
            Mipsel64,
            Mipsel64N32,
            Ppc,
            Ppc64,
            Ppc64le,
            S390,
            S390x,
            Parisc,
            Parisc64,
            Riscv64,
            Loongarch64,
            M68k,
            Sh,
            Sheb,
        ]
    };

    /// Returns the architecture that this program is built for, unless no filter can be made for it.
    pub const fn native() -> Option<Arch> {
        let little = cfg!(target_endian = "little");
        let wide = cfg!(target_pointer_width = "64");
        Some(if cfg!(target_arch = "x86_64") {
            if wide { Arch::X86_64 } else { Arch::X32 }
        } else if cfg!(target_arch = "x86") {
            Arch::X86
        } else if cfg!(target_arch = "aarch64") && little && wide {
            Arch::Aarch64
        } else if cfg!(target_arch = "arm") && little {
            Arch::Arm
        } else if cfg!(target_arch = "riscv64") {
            Arch::Riscv64
        } else if cfg!(target_arch = "loongarch64") {
            Arch::Loongarch64
        } else if cfg!(target_arch = "powerpc64") {
            if little { Arch::Ppc64le } else { Arch::Ppc64 }
        } else if cfg!(target_arch = "powerpc") {
            Arch::Ppc
        } else if cfg!(target_arch = "s390x") {
            Arch::S390x
        } else if cfg!(target_arch = "m68k") {
            Arch::M68k
        } else if cfg!(target_arch = "mips") {
            if little { Arch::Mipsel } else { Arch::Mips }
        } else if cfg!(target_arch = "mips64") && wide {
            if little { Arch::Mipsel64 } else { Arch::Mips64 }
        } else if cfg!(target_arch = "mips64") {
            if little { Arch::Mipsel64N32 } else { Arch::Mips64N32 }
        } else {
            return None;
        })
    }

    /// Returns the kernel's number for it (`AUDIT_ARCH_…`), which x32 and x86_64 share.
    pub const fn audit(self) -> u32 {
        match self {
            Arch::X86 => EM_386 | LITTLE,
            Arch::X86_64 | Arch::X32 => EM_X86_64 | BITS_64 | LITTLE,
            Arch::Arm => EM_ARM | LITTLE,
            Arch::Aarch64 => EM_AARCH64 | BITS_64 | LITTLE,
            Arch::Mips => EM_MIPS,
            Arch::Mipsel => EM_MIPS | LITTLE,
            Arch::Mips64 => EM_MIPS | BITS_64,
            Arch::Mipsel64 => EM_MIPS | BITS_64 | LITTLE,
            Arch::Mips64N32 => EM_MIPS | BITS_64 | N32,
            Arch::Mipsel64N32 => EM_MIPS | BITS_64 | N32 | LITTLE,
            Arch::Ppc => EM_PPC,
            Arch::Ppc64 => EM_PPC64 | BITS_64,
            Arch::Ppc64le => EM_PPC64 | BITS_64 | LITTLE,
            Arch::S390 => EM_S390,
            Arch::S390x => EM_S390 | BITS_64,
            Arch::Parisc => EM_PARISC,
            Arch::Parisc64 => EM_PARISC | BITS_64,
            Arch::Riscv64 => EM_RISCV | BITS_64 | LITTLE,
            Arch::Loongarch64 => EM_LOONGARCH | BITS_64 | LITTLE,
            Arch::M68k => EM_68K,
            Arch::Sh => EM_SH | LITTLE,
            Arch::Sheb => EM_SH,
        }
    }

    pub(super) const fn is_little(self) -> bool {
        self.audit() & LITTLE != 0
    }

    /// Whether all 64 bits of an argument count. x32 and n32 are 32-bit here, as they are to libseccomp.
    pub(super) const fn is_wide(self) -> bool {
        self.audit() & BITS_64 != 0 && !matches!(self, Arch::X32 | Arch::Mips64N32 | Arch::Mipsel64N32)
    }

    /// Returns the column of the table of numbers.
    pub(super) const fn column(self) -> usize {
        match self {
            Arch::X86_64 => 0,
            Arch::X32 => 1,
            Arch::X86 => 2,
            Arch::Aarch64 => 3,
            Arch::Arm => 4,
            Arch::Riscv64 => 5,
            Arch::Loongarch64 => 6,
            Arch::Ppc => 7,
            Arch::Ppc64 | Arch::Ppc64le => 8,
            Arch::S390 => 9,
            Arch::S390x => 10,
            Arch::Mips | Arch::Mipsel => 11,
            Arch::Mips64 | Arch::Mipsel64 => 12,
            Arch::Mips64N32 | Arch::Mipsel64N32 => 13,
            Arch::M68k => 14,
            Arch::Parisc => 15,
            Arch::Parisc64 => 16,
            Arch::Sh | Arch::Sheb => 17,
        }
    }

    /// Returns what is added to the table's numbers.
    pub(super) const fn base(self) -> u32 {
        match self {
            Arch::X32 => X32_BIT,
            Arch::Mips | Arch::Mipsel => 4000,
            Arch::Mips64 | Arch::Mipsel64 => 5000,
            Arch::Mips64N32 | Arch::Mipsel64N32 => 6000,
            _ => 0,
        }
    }

    /// Whether calls of sockets and System V IPC are made through one call each (`socketcall`, `ipc`), too.
    pub(super) const fn is_multiplexed(self) -> bool {
        use Arch::{M68k, Mips, Mipsel, Ppc, Ppc64, Ppc64le, S390, S390x, Sh, Sheb, X86};
        matches!(self, X86 | Mips | Mipsel | Ppc | Ppc64 | Ppc64le | S390 | S390x | M68k | Sh | Sheb)
    }
}

//! What the kernel does with a program: checks it, and runs it for each system call.

use libcontainer::seccomp::Instruction;

/// What a program is told about a call (`struct seccomp_data`); the instruction pointer is none of its business.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Data {
    pub(crate) number: u32,
    pub(crate) audit: u32,
    pub(crate) args: [u64; 6],
}

impl Data {
    /// Returns the word at an offset, in a machine of this order of bytes.
    fn word(&self, offset: u32, little: bool) -> u32 {
        let (index, second) = ((offset as usize).saturating_sub(16) / 8, offset % 8 == 4);
        match offset {
            0 => self.number,
            4 => self.audit,
            8 | 12 => 0xdead_beef,
            _ if second == little => (self.args[index] >> 32) as u32,
            _ => self.args[index] as u32,
        }
    }
}

const LOAD: u16 = 0x20;
const AND: u16 = 0x54;
const JUMP: u16 = 0x05;
const EQUAL: u16 = 0x15;
const GREATER: u16 = 0x25;
const GREATER_OR_EQUAL: u16 = 0x35;
const ANY_BIT: u16 = 0x45;
const RETURN: u16 = 0x06;

/// Checks a program as the kernel does (net/core/filter.c, kernel/seccomp.c).
pub(crate) fn check(program: &[Instruction]) -> Result<(), String> {
    if program.is_empty() || program.len() > 4096 {
        return Err(format!("{} instructions", program.len()));
    }
    for (at, one) in program.iter().enumerate() {
        let after = program.len() - at - 1;
        let holds = match one.code {
            LOAD => one.k < 64 && one.k % 4 == 0,
            AND | RETURN => true,
            JUMP => (one.k as usize) < after,
            EQUAL | GREATER | GREATER_OR_EQUAL | ANY_BIT => usize::from(one.jt.max(one.jf)) < after,
            _ => false,
        };
        if !holds {
            return Err(format!("instruction {at} of {}: {one:?}", program.len()));
        }
    }
    match program.last() {
        Some(last) if last.code == RETURN => Ok(()),
        last => Err(format!("ends with {last:?}")),
    }
}

/// Runs a program that was checked: what it returns, and after how many instructions.
pub(crate) fn run(program: &[Instruction], data: &Data, little: bool) -> (u32, usize) {
    let (mut at, mut accumulator, mut count) = (0, 0, 0);
    loop {
        let Instruction { code, jt, jf, k, .. } = program[at];
        (at, count) = (at + 1, count + 1);
        let condition = match code {
            LOAD => {
                accumulator = data.word(k, little);
                continue;
            }
            AND => {
                accumulator &= k;
                continue;
            }
            JUMP => {
                at += k as usize;
                continue;
            }
            RETURN => return (k, count),
            EQUAL => accumulator == k,
            GREATER => accumulator > k,
            GREATER_OR_EQUAL => accumulator >= k,
            ANY_BIT => accumulator & k != 0,
            _ => unreachable!("a checked program"),
        };
        at += usize::from(if condition { jt } else { jf });
    }
}

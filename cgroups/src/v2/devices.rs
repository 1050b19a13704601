//! Device rules as an eBPF program, which the kernel asks at every opening and making of a device node.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;

use crate::file::Dir;
use crate::resources::{DeviceKind, DeviceRule};
use crate::sys::bpf;
use crate::wait::Wait;
use crate::{Error, Result};

pub(crate) fn set(dir: &Dir, rules: &[DeviceRule]) -> Result<()> {
    let failed = |e: Errno| Error::os("set device rules of", dir.path(), e);
    let program = load(&compile(rules)).map_err(failed)?;
    replace(dir.as_fd(), program.as_fd()).map_err(failed)
}

fn load(instructions: &[u64]) -> nix::Result<OwnedFd> {
    let mut wait = Wait::new(Duration::from_millis(100));
    loop {
        match bpf::load(instructions) {
            // The verifier gives way to a pending signal.
            Err(Errno::EAGAIN | Errno::EINTR) if wait.more() => {}
            result => return result,
        }
    }
}

/// Puts the program in the place of those that are there, with no moment without one: all that are attached have
/// to agree to an access, so one too many only narrows.
fn replace(cgroup: BorrowedFd<'_>, program: BorrowedFd<'_>) -> nix::Result<()> {
    let mut old = Vec::new();
    for id in bpf::attached(cgroup)? {
        match bpf::open(id) {
            Ok(fd) => old.push(fd),
            // Gone meanwhile, or kept from us by a security module: it stays beside ours.
            Err(Errno::ENOENT | Errno::EPERM | Errno::EACCES) => {}
            Err(e) => return Err(e),
        }
    }
    if let [only] = old.as_slice() {
        return bpf::attach(cgroup, program, Some(only.as_fd()));
    }
    bpf::attach(cgroup, program, None)?;
    old.iter().try_for_each(|old| bpf::detach(cgroup, old.as_fd()))
}

// Registers: the context comes in R1, the answer goes in R0.
const R0: u8 = 0;
const CONTEXT: u8 = 1;
const KIND: u8 = 2;
const ACCESS: u8 = 3;
const MAJOR: u8 = 4;
const MINOR: u8 = 5;

// Operation codes, all on 32 bits (linux/bpf_common.h, linux/bpf.h).
const LOAD: u8 = 0x61;
const MOVE: u8 = 0xb4;
const MOVE_REGISTER: u8 = 0xbc;
const AND: u8 = 0x54;
const SHIFT_RIGHT: u8 = 0x74;
const JUMP_UNLESS_EQUAL: u8 = 0x56;
const JUMP_IF_ANY: u8 = 0x46;
const JUMP: u8 = 0x05;
const EXIT: u8 = 0x95;

/// One instruction, as the kernel lays it out: operation, registers, offset, constant.
fn instruction(operation: u8, to: u8, from: u8, offset: i16, constant: u32) -> u64 {
    let registers = if cfg!(target_endian = "little") { to | from << 4 } else { to << 4 | from };
    let mut bytes = [operation, registers, 0, 0, 0, 0, 0, 0];
    bytes[2..4].copy_from_slice(&offset.to_ne_bytes());
    bytes[4..8].copy_from_slice(&constant.to_ne_bytes());
    u64::from_ne_bytes(bytes)
}

/// Compiles rules, of which the last one that matches wins, for each letter of `rwm` on its own.
///
/// Read from the last to the first, a rule that allows strikes its letters from what was asked for, and once
/// nothing is left the answer is yes; a rule that denies any letter still there makes it no.
fn compile(rules: &[DeviceRule]) -> Vec<u64> {
    // struct bpf_cgroup_dev_ctx: the access in the upper half of the first word, the kind in the lower.
    let mut program = vec![
        instruction(LOAD, KIND, CONTEXT, 0, 0),
        instruction(LOAD, MAJOR, CONTEXT, 4, 0),
        instruction(LOAD, MINOR, CONTEXT, 8, 0),
        instruction(MOVE_REGISTER, ACCESS, KIND, 0, 0),
        instruction(SHIFT_RIGHT, ACCESS, 0, 0, 16),
        instruction(AND, KIND, 0, 0, 0xffff),
    ];
    for rule in rules.iter().rev() {
        program.extend(compile_rule(rule));
        if rule.is_about_everything() {
            break;
        }
    }
    program.extend(answer(false));
    program
}

fn compile_rule(rule: &DeviceRule) -> Vec<u64> {
    let kind = match rule.kind {
        DeviceKind::All => None,
        DeviceKind::Block => Some(1),
        DeviceKind::Char => Some(2),
    };
    let conditions = [(KIND, kind), (MAJOR, rule.major), (MINOR, rule.minor)];
    let conditions: Vec<_> = conditions.into_iter().filter_map(|(r, v)| Some((r, v?))).collect();
    let access = rule.access.bits();
    let mut effect = if rule.allow {
        // The jump is over the answer, to the next rule.
        vec![instruction(AND, ACCESS, 0, 0, !access), instruction(JUMP_UNLESS_EQUAL, ACCESS, 0, 2, 0)]
    } else {
        vec![instruction(JUMP_IF_ANY, ACCESS, 0, 1, access), instruction(JUMP, 0, 0, 2, 0)]
    };
    effect.extend(answer(rule.allow));
    let mut code = Vec::new();
    for (at, (register, value)) in conditions.iter().enumerate() {
        let to_next_rule = (conditions.len() - at - 1 + effect.len()) as i16;
        code.push(instruction(JUMP_UNLESS_EQUAL, *register, 0, to_next_rule, *value));
    }
    code.extend(effect);
    code
}

fn answer(allow: bool) -> [u64; 2] {
    [instruction(MOVE, R0, 0, 0, u32::from(allow)), instruction(EXIT, 0, 0, 0, 0)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::DeviceAccess;

    const ACCESSES: [u32; 8] = [0, 1, 2, 3, 4, 5, 6, 7];

    /// Does what the kernel does with these few instructions, and panics where its verifier would refuse.
    fn run(program: &[u64], context: [u32; 3]) -> bool {
        let mut registers = [0_u32; 6];
        let mut at = 0;
        loop {
            let bytes = program[at].to_ne_bytes();
            let (to, from) = (usize::from(bytes[1] & 15), usize::from(bytes[1] >> 4));
            let offset = i16::from_ne_bytes([bytes[2], bytes[3]]);
            let constant = u32::from_ne_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]);
            let jump = match bytes[0] {
                JUMP => true,
                JUMP_UNLESS_EQUAL => registers[to] != constant,
                JUMP_IF_ANY => registers[to] & constant != 0,
                _ => false,
            };
            match bytes[0] {
                LOAD => registers[to] = context[offset as usize / 4],
                MOVE => registers[to] = constant,
                MOVE_REGISTER => registers[to] = registers[from],
                AND => registers[to] &= constant,
                SHIFT_RIGHT => registers[to] >>= constant,
                EXIT => return registers[usize::from(R0)] == 1,
                JUMP | JUMP_UNLESS_EQUAL | JUMP_IF_ANY => {}
                operation => panic!("{operation:#x}"),
            }
            at += 1 + if jump { offset as usize } else { 0 };
        }
    }

    /// What rules mean, said as plainly as can be.
    fn allowed(rules: &[DeviceRule], kind: DeviceKind, major: u32, minor: u32, access: u32) -> bool {
        let matches = |rule: &&DeviceRule| {
            (rule.kind == DeviceKind::All || rule.kind == kind)
                && rule.major.is_none_or(|n| n == major)
                && rule.minor.is_none_or(|n| n == minor)
        };
        let letter = |letter: u32| {
            let last = rules.iter().filter(matches).rfind(|rule| rule.access.bits() & letter != 0);
            last.is_some_and(|rule| rule.allow)
        };
        [1, 2, 4].into_iter().filter(|bit| access & bit != 0).all(letter)
    }

    #[test]
    fn the_program_says_what_the_rules_mean() {
        // Small numbers, so that rules meet: all lists of three of these, and all questions.
        let mut pool = Vec::new();
        for allow in [true, false] {
            for kind in [DeviceKind::All, DeviceKind::Block, DeviceKind::Char] {
                for (major, minor) in [(None, None), (Some(1), None), (None, Some(3)), (Some(1), Some(3))] {
                    for access in [DeviceAccess::all(), DeviceAccess::WRITE] {
                        pool.push(DeviceRule { allow, kind, major, minor, access });
                    }
                }
            }
        }
        let questions = [(DeviceKind::Block, 1), (DeviceKind::Char, 2)];
        let check = |rules: &[DeviceRule]| {
            let program = compile(rules);
            for (kind, number) in questions {
                for (major, minor) in [(1, 3), (1, 4), (2, 3), (u32::MAX, 0)] {
                    // Nothing asked for is not asked by the kernel where it matters.
                    for access in &ACCESSES[1..] {
                        let answer = run(&program, [access << 16 | number, major, minor]);
                        assert_eq!(answer, allowed(rules, kind, major, minor, *access), "{rules:?} {access}");
                    }
                }
            }
        };
        check(&[]);
        for (at, first) in pool.iter().enumerate() {
            check(&[*first]);
            for second in &pool {
                check(&[*first, *second]);
                check(&[*first, *second, pool[(at * 7 + 3) % pool.len()]]);
            }
        }
    }

    #[test]
    fn a_rule_that_denies_writing_also_denies_reading_and_writing_at_once() {
        // Peers compare the whole access: a request for "rw" then passes a rule that denies "w".
        let allow = DeviceRule::all(true);
        let deny = DeviceRule { access: DeviceAccess::WRITE, ..DeviceRule::all(false) };
        let program = compile(&[allow, deny]);
        let ask = |access: DeviceAccess| run(&program, [access.bits() << 16 | 2, 1, 5]);
        assert!(ask(DeviceAccess::READ));
        assert!(!ask(DeviceAccess::READ | DeviceAccess::WRITE));
    }

    #[test]
    fn large_device_numbers_are_not_taken_for_negative_ones() {
        let rule = DeviceRule { major: Some(u32::MAX), ..DeviceRule::all(true) };
        assert!(run(&compile(&[rule]), [2 << 16 | 1, u32::MAX, 0]));
    }
}

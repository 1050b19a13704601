//! The image that runs inside: no standard library, no C library, no allocator.
//!
//! It is started from a sealed memfd with two arguments: its name, and the number `n` in decimal.
//! Descriptor `n` is the program, `n + 1` the socket to the parent, and the program's slots follow.

#![no_std]
#![no_main]
#![allow(clippy::wildcard_imports)]

mod copy;
mod devices;
mod identity;
mod interpreter;
mod memory;
mod mounts;
mod namespaces;
#[path = "../src/program.rs"]
#[allow(dead_code, clippy::missing_errors_doc)]
mod program;
#[allow(dead_code)]
mod raw;
mod session;
mod sys;

use interpreter::Machine;
use program::SLOTS;
use sys::{Linux, Result};

/// Runs the program and reports why it ended; the exit code only serves a parent that is gone.
fn start(first: i32, count: usize) -> ! {
    let mut machine = Machine::new(Linux, first + 1, first + 2);
    machine.handed_over(count);
    let (step, fault) = match prepare(&mut machine, first, count) {
        Ok(program) => machine.run(program),
        Err(fault) => (0, fault),
    };
    machine.report(step, fault);
    machine.sys.exit(1)
}

/// Leaves nothing of the parent but what was handed over.
fn prepare(machine: &mut Machine<Linux>, first: i32, count: usize) -> Result<&'static [u8]> {
    machine.sys.close_from(first + 2 + count as i32)?;
    for fd in first..first + 2 + count as i32 {
        machine.sys.close_on_exec(fd)?;
    }
    machine.sys.reset_signals()?;
    let program = machine.sys.map(first)?;
    machine.sys.close(first);
    Ok(program)
}

/// Reads a decimal number.
fn number(text: &core::ffi::CStr) -> Option<i32> {
    let digits = text.to_bytes();
    let mut value = 0_i32;
    for digit in digits {
        let digit = (*digit as char).to_digit(10)?;
        value = value.checked_mul(10)?.checked_add(digit as i32)?;
    }
    Some(value)
}

/// Takes the two numbers of the command line: the first descriptor and the count of slots.
fn run(first: Option<&core::ffi::CStr>, count: Option<&core::ffi::CStr>) -> ! {
    let numbers = first.and_then(number).zip(count.and_then(number));
    match numbers {
        Some((first, count)) if (0..1 << 20).contains(&first) && (0..=SLOTS as i32).contains(&count) => {
            start(first, count as usize)
        }
        _ => sys::Sys::new(Linux).exit(2),
    }
}

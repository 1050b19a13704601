//! What the compiler takes for granted: an entry point, memory functions, a panic handler.
//!
//! `core` is compiled with unwinding and calls the C library's memory functions; neither exists here.

use core::arch::global_asm;
use core::ffi::{CStr, c_char};
use core::panic::PanicInfo;

use super::sys::{Linux, Sys};

// The kernel enters with the stack pointer at argc, aligned to 16 bytes; no return address.
#[cfg(target_arch = "x86_64")]
global_asm!(".globl _start", "_start:", "xor ebp, ebp", "mov rdi, rsp", "call {entry}", "ud2", entry = sym entry);
#[cfg(target_arch = "aarch64")]
global_asm!(".globl _start", "_start:", "mov x29, xzr", "mov x30, xzr", "mov x0, sp", "bl {entry}", "brk 1", entry = sym entry);

/// # Safety
///
/// `stack` must be what the kernel prepared for a new program: argc, then the arguments.
unsafe extern "C" fn entry(stack: *const usize) -> ! {
    let argument = |index: usize| {
        // SAFETY: the kernel puts argc at the stack pointer.
        let count = unsafe { *stack };
        if index >= count {
            return None;
        }
        // SAFETY: argc pointers follow, and `index` is below argc.
        let text = unsafe { *stack.add(1 + index) } as *const c_char;
        // SAFETY: each is a string with its NUL, which lives as long as the process.
        Some(unsafe { CStr::from_ptr(text) })
    };
    super::run(argument(1), argument(2))
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    Sys::new(Linux).exit(3)
}

/// `core` was compiled to refer to it; nothing unwinds here.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

/// # Safety
///
/// As in C.
#[unsafe(no_mangle)]
unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the caller's promise; the direction flag is clear on entry to every function.
    unsafe {
        core::arch::asm!("rep movsb", inout("rcx") count => _, inout("rdi") to => _, inout("rsi") from => _,
            options(nostack, preserves_flags));
    }
    #[cfg(not(target_arch = "x86_64"))]
    // SAFETY: the caller's promise.
    unsafe {
        copy_up(to, from, count);
    }
    to
}

/// Copies byte by byte; volatile, or the compiler makes a call of memcpy from it.
///
/// # Safety
///
/// As memmove for `to` below `from`.
unsafe fn copy_up(to: *mut u8, from: *const u8, count: usize) {
    for index in 0..count {
        // SAFETY: the caller's promise, for each byte.
        unsafe { to.add(index).write_volatile(from.add(index).read_volatile()) };
    }
}

/// # Safety
///
/// As in C.
#[unsafe(no_mangle)]
unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
    if (to as usize).wrapping_sub(from as usize) >= count {
        // SAFETY: `to` is not inside the source, so that copying upwards is right.
        unsafe { copy_up(to, from, count) };
    } else {
        for index in (0..count).rev() {
            // SAFETY: the caller's promise, for each byte.
            unsafe { to.add(index).write_volatile(from.add(index).read_volatile()) };
        }
    }
    to
}

/// # Safety
///
/// As in C.
#[unsafe(no_mangle)]
unsafe extern "C" fn memset(to: *mut u8, value: i32, count: usize) -> *mut u8 {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the caller's promise; the direction flag is clear on entry to every function.
    unsafe {
        core::arch::asm!("rep stosb", inout("rcx") count => _, inout("rdi") to => _, in("al") value as u8,
            options(nostack, preserves_flags));
    }
    #[cfg(not(target_arch = "x86_64"))]
    for index in 0..count {
        // SAFETY: the caller's promise, for each byte.
        unsafe { to.add(index).write_volatile(value as u8) };
    }
    to
}

/// # Safety
///
/// As in C.
#[unsafe(no_mangle)]
unsafe extern "C" fn memcmp(a: *const u8, b: *const u8, count: usize) -> i32 {
    for index in 0..count {
        // SAFETY: the caller's promise, for each byte.
        let (left, right) = unsafe { (a.add(index).read_volatile(), b.add(index).read_volatile()) };
        if left != right {
            return i32::from(left) - i32::from(right);
        }
    }
    0
}

/// # Safety
///
/// As in C.
#[unsafe(no_mangle)]
unsafe extern "C" fn bcmp(a: *const u8, b: *const u8, count: usize) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { memcmp(a, b, count) }
}

/// Finds the end of a string.
///
/// # Safety
///
/// As in C.
#[unsafe(no_mangle)]
unsafe extern "C" fn strlen(text: *const u8) -> usize {
    let mut length = 0;
    // SAFETY: the caller's promise: a NUL follows.
    while unsafe { text.add(length).read_volatile() } != 0 {
        length += 1;
    }
    length
}

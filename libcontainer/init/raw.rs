//! The system call instruction and the numbers of the calls, for each architecture.
//!
//! The library compiles this file too: between vfork and execve it may not touch `errno`, which
//! belongs to the thread that waits.

use core::arch::asm;

/// Makes one system call and returns the kernel's answer: a value, or a negated error number.
///
/// # Safety
///
/// The arguments must be what the call with this number asks for.
#[cfg(target_arch = "x86_64")]
#[inline]
#[allow(clippy::many_single_char_names)] // registers
pub unsafe fn syscall(number: usize, arguments: [usize; 6]) -> isize {
    let [a, b, c, d, e, f] = arguments;
    let answer: isize;
    // SAFETY: the registers are those of the kernel's calling convention; rcx and r11 are lost.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number as isize => answer,
            in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e, in("r9") f,
            lateout("rcx") _, lateout("r11") _,
            options(nostack)
        );
    }
    answer
}

/// Makes one system call and returns the kernel's answer: a value, or a negated error number.
///
/// # Safety
///
/// The arguments must be what the call with this number asks for.
#[cfg(target_arch = "aarch64")]
#[inline]
#[allow(clippy::many_single_char_names)] // registers
pub unsafe fn syscall(number: usize, arguments: [usize; 6]) -> isize {
    let [a, b, c, d, e, f] = arguments;
    let answer: isize;
    // SAFETY: the registers are those of the kernel's calling convention.
    unsafe {
        asm!(
            "svc 0",
            in("x8") number,
            inlateout("x0") a as isize => answer,
            in("x1") b, in("x2") c, in("x3") d, in("x4") e, in("x5") f,
            options(nostack)
        );
    }
    answer
}

/// Ends the process by an instruction that nobody has.
pub fn fault() -> ! {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the kernel ends the process by SIGILL, whose action is the default here.
    unsafe {
        asm!("ud2", options(noreturn))
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: as above.
    unsafe {
        asm!("udf #0", options(noreturn))
    }
}

macro_rules! numbers {
    ($($name:ident $x86_64:literal $aarch64:literal)*) => {
        /// System call numbers of this architecture.
        pub mod nr {
            $(
                #[cfg(target_arch = "x86_64")]
                #[allow(missing_docs)]
                pub const $name: usize = $x86_64;
                #[cfg(target_arch = "aarch64")]
                #[allow(missing_docs)]
                pub const $name: usize = $aarch64;
            )*
        }

        /// Returns a system call's name.
        pub fn name(number: usize) -> &'static str {
            match number {
                $(nr::$name => stringify!($name),)*
                _ => "a system call",
            }
        }
    };
}

// linux/arch/x86/entry/syscalls/syscall_64.tbl, linux/include/uapi/asm-generic/unistd.h
numbers! {
    READ 0 63
    WRITE 1 64
    CLOSE 3 57
    MMAP 9 222
    RT_SIGACTION 13 134
    RT_SIGPROCMASK 14 135
    IOCTL 16 29
    SENDFILE 40 71
    SOCKET 41 198
    RECVFROM 45 207
    SENDMSG 46 211
    CLONE 56 220
    EXECVE 59 221
    FCNTL 72 25
    GETCWD 79 17
    CHDIR 80 49
    FCHDIR 81 50
    FCHMOD 91 52
    UMASK 95 166
    SETSID 112 157
    SETGROUPS 116 159
    SETRESUID 117 147
    SETRESGID 119 149
    CAPSET 126 91
    PERSONALITY 135 92
    FSTATFS 138 44
    PIVOT_ROOT 155 41
    PRCTL 157 167
    CHROOT 161 51
    MOUNT 165 40
    UMOUNT2 166 39
    SETHOSTNAME 170 161
    SETDOMAINNAME 171 162
    SCHED_SETAFFINITY 203 122
    GETDENTS64 217 61
    EXIT_GROUP 231 94
    SET_MEMPOLICY 238 237
    KEYCTL 250 219
    IOPRIO_SET 251 30
    MKDIRAT 258 34
    MKNODAT 259 33
    FCHOWNAT 260 54
    SYMLINKAT 266 36
    READLINKAT 267 78
    UNSHARE 272 97
    ACCEPT4 288 242
    DUP3 292 24
    PRLIMIT64 302 261
    SETNS 308 268
    SCHED_SETATTR 314 274
    SECCOMP 317 277
    EXECVEAT 322 281
    STATX 332 291
    OPEN_TREE 428 428
    MOVE_MOUNT 429 429
    FSOPEN 430 430
    FSCONFIG 431 431
    FSMOUNT 432 432
    CLONE3 435 435
    CLOSE_RANGE 436 436
    OPENAT2 437 437
    MOUNT_SETATTR 442 442
}

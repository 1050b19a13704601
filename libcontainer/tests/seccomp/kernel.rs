//! Filters in the running kernel.
#![allow(unsafe_code)]

use std::io;

use grounds::{Outcome, Stop, Test, tests};
use libcontainer::oci;
use libcontainer::seccomp::{Action, Arch, Comparison, Filter, Op, Rule, Seccomp};

pub(crate) fn tests() -> Vec<Test> {
    tests![the_kernel_takes_dockers_profile, the_kernel_does_what_the_rules_say]
}

/// Installs a filter on this thread.
fn install(filter: &Filter) -> io::Result<()> {
    #[repr(C)]
    struct Program {
        length: u16,
        instructions: *const libcontainer::seccomp::Instruction,
    }
    let instructions = filter.instructions();
    let program = Program { length: instructions.len() as u16, instructions: instructions.as_ptr() };
    // SAFETY: numbers only.
    let error = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    assert_eq!(error, 0);
    // SAFETY: `program` and what it points at outlive the call.
    match unsafe { libc::syscall(libc::SYS_seccomp, 1, filter.flags(), &raw const program) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn installed(seccomp: &Seccomp) -> Outcome {
    if Arch::native().is_none() {
        return Err(grounds::ignored("no filter can be made for this architecture"));
    }
    let filter = Filter::compile(seccomp)?;
    install(&filter).map_err(|error| match error.raw_os_error() {
        Some(libc::ENOSYS) => grounds::ignored("the kernel has no seccomp"),
        _ => Stop::from(error),
    })
}

/// Makes a system call that harms nobody, and returns its error number.
fn call(number: i64, args: [u64; 2]) -> i32 {
    // SAFETY: the numbers are of calls that take no pointers, or of none.
    match unsafe { libc::syscall(number, args[0], args[1]) } {
        -1 => io::Error::last_os_error().raw_os_error().unwrap_or(0),
        _ => 0,
    }
}

fn the_kernel_takes_dockers_profile() -> Outcome {
    installed(&oci::seccomp(include_bytes!("../fixtures/docker-default-seccomp.json"))?)?;
    assert_eq!(call(libc::SYS_getppid, [0, 0]), 0);
    assert_eq!(call(libc::SYS_unshare, [0, 0]), libc::EPERM);
    assert_eq!(call(libc::SYS_personality, [0xffff_ffff, 0]), 0);
    assert_eq!(call(libc::SYS_personality, [0x1234, 0]), libc::EPERM);
    assert_eq!(call(1023, [0, 0]), libc::ENOSYS);
    Ok(())
}

fn the_kernel_does_what_the_rules_say() -> Outcome {
    let mut seccomp = Seccomp::new(Action::Allow);
    seccomp.rules.push(Rule::new(["getppid"], Action::Errno(77)));
    let mut rule = Rule::new(["getpriority"], Action::Errno(78));
    rule.args.push(Comparison::new(0, Op::Greater, 0x1_0000_0005));
    rule.args.push(Comparison::masked(1, 0xf0, 0x30));
    seccomp.rules.push(rule);
    installed(&seccomp)?;
    assert_eq!(call(libc::SYS_getppid, [0, 0]), 77);
    let wide = cfg!(target_pointer_width = "64");
    for (args, met) in [
        ([0x1_0000_0006, 0x1_0000_0038], true),
        ([0x1_0000_0005, 0x38], false),
        ([0x2_0000_0000, 0x30], wide),
        ([6, 0x30], !wide),
        ([u64::MAX, 0x40], false),
    ] {
        assert_eq!(call(libc::SYS_getpriority, args) == 78, met, "{args:x?}");
    }
    Ok(())
}

//! The filter of system calls, from its rules to the kernel's instructions, without libseccomp.
//!
//! ```
//! use libcontainer::seccomp::{Action, Filter, Rule, Seccomp};
//!
//! # fn main() -> libcontainer::Result<()> {
//! let mut seccomp = Seccomp::new(Action::Allow);
//! seccomp.rules.push(Rule::new(["reboot"], Action::Errno(1)));
//! let filter = Filter::compile(&seccomp)?;
//! assert!(filter.instructions().len() < 16);
//! # Ok(())
//! # }
//! ```
//!
//! # What rules mean
//!
//! What they mean in a bundle that runc runs, which has it from libseccomp:
//!
//! - A rule without conditions is stronger than all others about its call; of several the first one counts.
//! - The conditions of a rule must all be met; if it names an argument twice, each of them is a rule of its own.
//! - Of rules whose conditions are all met, the more special one counts: more exactly, rules are tried by
//!   their arguments (a later first argument first), then by the comparison (equality, then
//!   upper bounds, then lower bounds, the narrower ones first). The same conditions with
//!   different actions are an error.
//! - A rule that says what happens anyway is passed over. So are names that no architecture has.
//! - Masked equality looks at the bits of the mask only, of the argument and of the value.
//! - A 32-bit architecture, x32 among them, has the lower 32 bits of each argument and value.
//! - Where sockets and System V IPC have one system call for everything (`socketcall`, `ipc`), a rule is about
//!   that one, too: with the call's code as the first argument, instead of the rule's condition on the first
//!   argument. Other arguments are compared with those of the multiplexer, which are not the call's.
//! - The machine's own architecture is always one of the profile's. Calls of an architecture that isn't kill the
//!   thread.
//! - Where the default is not to make the call (allow, log, trace), numbers larger than every number that the
//!   profile is about fail with ENOSYS: programs try new calls and take that for an old kernel. `setup` of
//!   s390, which stands for all numbers beyond its table, does too. So runc has it; the numbers of calls that
//!   can be multiplexed don't count.
//!
//! # What differs from libseccomp
//!
//! | Here | libseccomp | Reason |
//! |---|---|---|
//! | architectures of the other order of bytes are passed over | an error | this kernel never shows them |
//! | calls are known up to Linux 7.3 | up to its own version | a newer call in a profile is meant to count |
//! | rules that overlap and disagree are ordered as above | in some mixes refused (EEXIST), or ordered by the upper half of 64 bits alone | one order that can be said |
//! | conditions on several arguments are compared with those arguments | where several rules are about a call, now and then with the argument that another rule has just looked at (2.5.4, 2.6.1) | a fault: each rule alone it compares rightly |
//! | any number of rules that overlap | some never end (2.6.1) | a fault |
//! | `switch_endian` and `sys_debug_setcontext` of PowerPC are two calls | one of them is taken for the other, on other machines | a fault |
//! | a name that an architecture doesn't have makes no rule there | a rule about a negative number, except on x86 and other multiplexing ones | the kernel has no such numbers |
//! | errors beyond 4095 are refused | the kernel takes 4095 for them | it isn't what was asked for |

mod arch;
mod assembler;
mod bpf;
mod calls;
mod compile;
mod conditions;
mod numbers;
mod ranges;
mod table;

pub use crate::config::{Action, Arch, Comparison, FilterFlags, Listener, Op, Rule, Seccomp};
pub use bpf::Instruction;
pub use compile::Filter;

/// Returns the number of a system call on an architecture, by its name; none where it doesn't have it.
///
/// ```
/// use libcontainer::seccomp::{Arch, number};
///
/// assert_eq!(number("execve", Arch::X86_64), Some(59));
/// assert_eq!(number("socketcall", Arch::X86_64), None);
/// ```
pub fn number(name: &str, arch: Arch) -> Option<u32> {
    calls::Call::named(name)?.number(arch)
}

/// Returns the names of all system calls that some architecture has, sorted.
pub fn names() -> impl Iterator<Item = &'static str> {
    numbers::NUMBERS.iter().map(|(name, _)| *name)
}

/// Returns what a program returns to the kernel (`SECCOMP_RET_…`, include/uapi/linux/seccomp.h).
const fn value(action: Action) -> u32 {
    match action {
        Action::KillProcess => 0x8000_0000,
        Action::KillThread => 0,
        Action::Trap => 0x0003_0000,
        Action::Errno(number) => 0x0005_0000 | number as u32,
        Action::Notify => 0x7fc0_0000,
        Action::Trace(number) => 0x7ff0_0000 | number as u32,
        Action::Log => 0x7ffc_0000,
        Action::Allow => 0x7fff_0000,
    }
}

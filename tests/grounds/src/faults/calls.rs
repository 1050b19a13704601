//! Names and numbers of system calls.

use std::borrow::Cow;

use syscalls::Sysno;

use crate::sys;

/// Newer than the crate's table. From 424 on, the numbers are the same on all architectures.
const NEWER: &[(&str, u64)] = &[("listns", 470), ("rseq_slice_yield", 471), ("fchroot", 472)];

/// Returns the name of a system call, or its number where it has none here.
pub(super) fn name(arch: u32, number: u64) -> Cow<'static, str> {
    if arch != sys::ARCH {
        return Cow::Owned(format!("{number} of architecture {arch:#x}"));
    }
    if let Some(call) = Sysno::new(number as usize) {
        return Cow::Borrowed(call.name());
    }
    match NEWER.iter().find(|(_, newer)| *newer == number) {
        Some((name, _)) => Cow::Borrowed(name),
        None => Cow::Owned(number.to_string()),
    }
}

/// Returns the number of a system call by its name or number.
pub(crate) fn number(call: &str) -> Option<u64> {
    if let Ok(number) = call.parse() {
        return Some(number);
    }
    if let Some((_, number)) = NEWER.iter().find(|(name, _)| *name == call) {
        return Some(*number);
    }
    call.parse::<Sysno>().ok().map(|call| call.id() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_go_both_ways() {
        for call in ["read", "clone3", "statmount", "open_tree_attr", "listns"] {
            assert_eq!(name(sys::ARCH, number(call).expect(call)), call);
        }
        assert_eq!(number("435"), Some(435));
        assert_eq!(number("no_such_call"), None);
        assert_eq!(name(sys::ARCH, 100_000), "100000");
        assert_eq!(name(0x4000_0003, 1), "1 of architecture 0x40000003");
    }
}

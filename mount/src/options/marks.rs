//! What words set and clear, until the last one has spoken.

use crate::Attributes;
use crate::words::Attribute;

/// Bits to set and bits to clear; no bit is in both, but those of the atime field.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Marks {
    pub(super) set: u64,
    pub(super) clear: u64,
    pub(super) atime: Option<Atime>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Atime {
    /// What the kernel does unasked, which is relatime.
    Default,
    Chosen(&'static Attribute),
}

/// What a word says about a mount, a tree of mounts, or a filesystem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Set(u64),
    Clear(u64),
    Atime(&'static Attribute),
    NotAtime(&'static Attribute),
}

impl Marks {
    /// Returns whether the word had an effect: "noatime,norelatime" is still noatime.
    pub(super) fn apply(&mut self, change: Change) -> bool {
        match change {
            Change::Set(bits) => {
                self.set |= bits;
                self.clear &= !bits;
            }
            Change::Clear(bits) => {
                self.clear |= bits;
                self.set &= !bits;
            }
            Change::Atime(choice) => self.atime = Some(Atime::Chosen(choice)),
            Change::NotAtime(choice) if self.atime.is_none_or(|chosen| chosen == Atime::Chosen(choice)) => {
                self.atime = Some(Atime::Default);
            }
            Change::NotAtime(_) => return false,
        }
        true
    }

    /// Says whether it is as a word wants it.
    pub(super) fn has(self, change: Change) -> bool {
        match change {
            Change::Set(bits) => self.set & bits == bits,
            Change::Clear(bits) => self.clear & bits == bits,
            Change::Atime(choice) => self.atime == Some(Atime::Chosen(choice)),
            Change::NotAtime(choice) => self.atime.is_some_and(|chosen| chosen != Atime::Chosen(choice)),
        }
    }

    pub(super) fn attr_set(self) -> Attributes {
        let atime = match self.atime {
            None | Some(Atime::Default) => Attributes::empty(), // relatime
            Some(Atime::Chosen(choice)) => choice.value,
        };
        Attributes::from_bits_retain(self.set) | atime
    }

    pub(super) fn attr_clear(self) -> Attributes {
        let atime = if self.atime.is_some() { Attributes::ATIME } else { Attributes::empty() };
        Attributes::from_bits_retain(self.clear) | atime
    }
}

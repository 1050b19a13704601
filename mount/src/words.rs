//! The words that options and the mount table have in common, each with its bits: one table a vocabulary.

use crate::sys::ms;
use crate::{Attributes, Propagation};

/// A word for an attribute of a mount.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Attribute {
    pub(crate) word: &'static str,
    pub(crate) opposite: &'static str,
    /// The bits that the word decides: one, or the field of atime.
    pub(crate) mask: Attributes,
    /// What the word makes of these bits.
    pub(crate) value: Attributes,
    /// The bit for mount(2).
    pub(crate) ms: u64,
}

/// In the order in which mountinfo has them; of `strictatime` it says nothing.
pub(crate) const ATTRIBUTES: &[Attribute] = &[
    flag("ro", "rw", Attributes::RDONLY, ms::RDONLY),
    flag("nosuid", "suid", Attributes::NOSUID, ms::NOSUID),
    flag("nodev", "dev", Attributes::NODEV, ms::NODEV),
    flag("noexec", "exec", Attributes::NOEXEC, ms::NOEXEC),
    atime("noatime", "atime", Attributes::NOATIME, ms::NOATIME),
    flag("nodiratime", "diratime", Attributes::NODIRATIME, ms::NODIRATIME),
    atime("relatime", "norelatime", Attributes::empty(), ms::RELATIME),
    atime("strictatime", "nostrictatime", Attributes::STRICTATIME, ms::STRICTATIME),
    flag("nosymfollow", "symfollow", Attributes::NOSYMFOLLOW, ms::NOSYMFOLLOW),
];

/// The flags of a superblock that fsconfig(2) knows by name: the word, its opposite, and the bit for mount(2).
/// In the order in which mountinfo has them.
pub(crate) const SUPERBLOCK: &[(&str, &str, u64)] = &[
    ("ro", "rw", ms::RDONLY),
    ("sync", "async", ms::SYNCHRONOUS),
    ("dirsync", "", ms::DIRSYNC),
    ("mand", "nomand", ms::MANDLOCK),
    ("lazytime", "nolazytime", ms::LAZYTIME),
];

/// Those that only mount(2) can say, in the same form.
pub(crate) const SUPERBLOCK_MOUNT2: &[(&str, &str, u64)] =
    &[("iversion", "noiversion", ms::I_VERSION), ("silent", "loud", ms::SILENT)];

/// The ways of propagation, and their bits for mount(2).
pub(crate) const PROPAGATION: &[(&str, Propagation, u64)] = &[
    ("shared", Propagation::Shared, ms::SHARED),
    ("rshared", Propagation::Rshared, ms::SHARED | ms::REC),
    ("slave", Propagation::Slave, ms::SLAVE),
    ("rslave", Propagation::Rslave, ms::SLAVE | ms::REC),
    ("private", Propagation::Private, ms::PRIVATE),
    ("rprivate", Propagation::Rprivate, ms::PRIVATE | ms::REC),
    ("unbindable", Propagation::Unbindable, ms::UNBINDABLE),
    ("runbindable", Propagation::Runbindable, ms::UNBINDABLE | ms::REC),
];

impl Attribute {
    /// Says whether a mount with these attributes is as the word says.
    pub(crate) fn holds(&self, attributes: Attributes) -> bool {
        attributes.intersection(self.mask) == self.value
    }

    /// Says whether it is one of those of which a mount has exactly one.
    pub(crate) fn is_atime(&self) -> bool {
        self.mask == Attributes::ATIME
    }
}

const fn flag(word: &'static str, opposite: &'static str, bit: Attributes, ms: u64) -> Attribute {
    Attribute { word, opposite, mask: bit, value: bit, ms }
}

const fn atime(word: &'static str, opposite: &'static str, value: Attributes, ms: u64) -> Attribute {
    Attribute { word, opposite, mask: Attributes::ATIME, value, ms }
}

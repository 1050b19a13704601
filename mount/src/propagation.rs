//! How mounts and unmounts spread between peers.

use std::fmt;

use crate::sys::ms;

/// How mounts made here are seen elsewhere, in the words of [`mount_namespaces(7)`].
///
/// The words with an `R` hold for the whole tree of mounts, the others for one mount.
///
/// [`mount_namespaces(7)`]: https://man7.org/linux/man-pages/man7/mount_namespaces.7.html
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Propagation {
    /// Mounts spread in both directions.
    Shared,
    /// [`Shared`](Self::Shared), with every mount below.
    Rshared,
    /// Mounts come in, but don't go out.
    Slave,
    /// [`Slave`](Self::Slave), with every mount below.
    Rslave,
    /// Mounts neither come in nor go out.
    Private,
    /// [`Private`](Self::Private), with every mount below.
    Rprivate,
    /// Private, and refuses to be bound elsewhere.
    Unbindable,
    /// [`Unbindable`](Self::Unbindable), with every mount below.
    Runbindable,
}

impl Propagation {
    /// Returns the `MS_*` bits for mount(2), which takes them in a call of their own.
    pub fn flags(self) -> u64 {
        match self {
            Self::Shared => ms::SHARED,
            Self::Rshared => ms::SHARED | ms::REC,
            Self::Slave => ms::SLAVE,
            Self::Rslave => ms::SLAVE | ms::REC,
            Self::Private => ms::PRIVATE,
            Self::Rprivate => ms::PRIVATE | ms::REC,
            Self::Unbindable => ms::UNBINDABLE,
            Self::Runbindable => ms::UNBINDABLE | ms::REC,
        }
    }

    /// Says whether every mount below changes too.
    pub fn is_recursive(self) -> bool {
        self.flags() & ms::REC != 0
    }

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        Some(match word {
            "shared" => Self::Shared,
            "rshared" => Self::Rshared,
            "slave" => Self::Slave,
            "rslave" => Self::Rslave,
            "private" => Self::Private,
            "rprivate" => Self::Rprivate,
            "unbindable" => Self::Unbindable,
            "runbindable" => Self::Runbindable,
            _ => return None,
        })
    }

    /// Says whether this may follow `earlier`: the same again may, and a slave may become shared as well.
    pub(crate) fn may_follow(self, earlier: Self) -> bool {
        let kind = |propagation: Self| propagation.flags() & !ms::REC;
        kind(self) == kind(earlier) || (kind(earlier) == ms::SLAVE && kind(self) == ms::SHARED)
    }
}

impl fmt::Display for Propagation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Shared => "shared",
            Self::Rshared => "rshared",
            Self::Slave => "slave",
            Self::Rslave => "rslave",
            Self::Private => "private",
            Self::Rprivate => "rprivate",
            Self::Unbindable => "unbindable",
            Self::Runbindable => "runbindable",
        })
    }
}

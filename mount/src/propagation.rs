//! How mounts and unmounts spread between peers.

use std::fmt;

use crate::sys::ms;
use crate::words::PROPAGATION;

/// How mounts made here are seen elsewhere, in the words of [`mount_namespaces(7)`].
///
/// The words with an `R` hold for the whole tree of mounts, the others for one mount.
///
/// [`mount_namespaces(7)`]: https://man7.org/linux/man-pages/man7/mount_namespaces.7.html
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Propagation {
    /// Mounts spread in both directions.
    #[doc(alias = "MakeShared")]
    Shared,
    /// [`Shared`](Self::Shared), with every mount below.
    #[doc(alias = "MakeRShared")]
    Rshared,
    /// Mounts come in, but don't go out.
    #[doc(alias = "MakeSlave")]
    Slave,
    /// [`Slave`](Self::Slave), with every mount below.
    #[doc(alias = "MakeRSlave")]
    Rslave,
    /// Mounts neither come in nor go out.
    #[doc(alias = "MakePrivate")]
    Private,
    /// [`Private`](Self::Private), with every mount below.
    #[doc(alias = "MakeRPrivate")]
    Rprivate,
    /// Private, and refuses to be bound elsewhere.
    #[doc(alias = "MakeUnbindable")]
    Unbindable,
    /// [`Unbindable`](Self::Unbindable), with every mount below.
    #[doc(alias = "MakeRUnbindable")]
    Runbindable,
}

impl Propagation {
    /// Returns the `MS_*` bits for mount(2), which takes them in a call of their own.
    pub fn flags(self) -> u64 {
        self.entry().2
    }

    /// Says whether every mount below changes too.
    pub fn is_recursive(self) -> bool {
        self.flags() & ms::REC != 0
    }

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        PROPAGATION.iter().find(|(known, ..)| *known == word).map(|(_, propagation, _)| *propagation)
    }

    fn entry(self) -> &'static (&'static str, Propagation, u64) {
        let found = PROPAGATION.iter().find(|(_, propagation, _)| *propagation == self);
        found.expect("all of them are in the table")
    }

    /// Says whether this may follow `earlier`: the same again may, and a slave may become shared as well.
    pub(crate) fn may_follow(self, earlier: Self) -> bool {
        let kind = |propagation: Self| propagation.flags() & !ms::REC;
        kind(self) == kind(earlier) || (kind(earlier) == ms::SLAVE && kind(self) == ms::SHARED)
    }
}

impl fmt::Display for Propagation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.entry().0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_is_in_the_table_and_means_itself() {
        for (word, propagation, flags) in PROPAGATION {
            assert_eq!((propagation.to_string().as_str(), propagation.flags()), (*word, *flags));
            assert_eq!(Propagation::from_word(word), Some(*propagation));
        }
        assert_eq!(PROPAGATION.len(), 8);
    }
}

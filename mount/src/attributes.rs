//! The attributes of a mount: `ro`, `nosuid`, `noatime` and the like.

use std::os::unix::ffi::OsStrExt;

use bitflags::bitflags;

use crate::sys::ms;
use crate::words::ATTRIBUTES;
use crate::{MountInfo, Options};

bitflags! {
    /// The attributes of one mount, as [`mount_setattr(2)`] has them.
    ///
    /// How access times are kept is a field of which one value holds: [`NOATIME`](Self::NOATIME),
    /// [`STRICTATIME`](Self::STRICTATIME), or none of them, which is `relatime`. Clear all of
    /// [`ATIME`](Self::ATIME) to go back to it.
    ///
    /// ```
    /// use mount::Attributes;
    /// let options = mount::Options::parse("ro,nosuid,exec")?;
    /// assert_eq!(options.attr_set(), Attributes::RDONLY | Attributes::NOSUID);
    /// assert_eq!(options.attr_clear(), Attributes::NOEXEC);
    /// # Ok::<(), mount::Error>(())
    /// ```
    ///
    /// [`mount_setattr(2)`]: https://man7.org/linux/man-pages/man2/mount_setattr.2.html
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub struct Attributes: u64 {
        /// `ro`: nothing can be written through this mount.
        const RDONLY = 0x1;
        /// `nosuid`: set-user-ID and set-group-ID bits and file capabilities have no effect.
        const NOSUID = 0x2;
        /// `nodev`: device files can't be opened.
        const NODEV = 0x4;
        /// `noexec`: programs can't be run.
        const NOEXEC = 0x8;
        /// `noatime`: access times aren't kept.
        const NOATIME = 0x10;
        /// `strictatime`: each access is kept.
        const STRICTATIME = 0x20;
        /// The mask of the field that says how access times are kept.
        const ATIME = 0x70;
        /// `nodiratime`: access times of directories aren't kept.
        const NODIRATIME = 0x80;
        /// `nosymfollow`: symbolic links aren't followed (Linux 5.10, as an attribute 5.14).
        const NOSYMFOLLOW = 0x20_0000;
    }
}

/// Those that take something away from whoever uses the mount.
pub(crate) const RESTRICTIONS: Attributes = Attributes::RDONLY
    .union(Attributes::NOSUID)
    .union(Attributes::NODEV)
    .union(Attributes::NOEXEC)
    .union(Attributes::NOSYMFOLLOW);

impl Attributes {
    /// Returns the `MS_*` bits for all attributes but the choice of atime.
    pub(crate) fn ms_flags(self) -> u64 {
        let flags = ATTRIBUTES.iter().filter(|word| word.mask != Self::ATIME && self.contains(word.mask));
        flags.fold(0, |bits, word| bits | word.ms)
    }

    /// As [`ms_flags`](Self::ms_flags), with the choice of atime said aloud.
    pub(crate) fn ms_flags_and_atime(self) -> u64 {
        let atime = match self.intersection(Self::ATIME) {
            Self::NOATIME => ms::NOATIME,
            Self::STRICTATIME => ms::STRICTATIME,
            _ => ms::RELATIME,
        };
        self.ms_flags() | atime
    }

    /// Returns the attributes that a mount has.
    pub(crate) fn of(mount: &MountInfo) -> Self {
        let words =
            mount.options.as_bytes().split(|&byte| byte == b',').filter_map(|word| str::from_utf8(word).ok());
        let set = Options::from_words(words).map_or(Self::empty(), |options| options.attr_set());
        // The table says nothing where every access is kept.
        let strict = !mount.has_option("noatime") && !mount.has_option("relatime");
        if strict { set | Self::STRICTATIME } else { set }
    }

    /// Says whether these are as `set` and `clear` want them.
    pub(crate) fn are(self, set: Self, clear: Self) -> bool {
        self.intersection(set | clear) == set
    }
}

//! Whether somebody may read, write or execute a file.

use std::fs::Metadata;
use std::ops::{BitOr, BitOrAssign};
use std::os::unix::fs::MetadataExt;

use crate::Identity;

/// What a program wants to do with a file; several things are joined by `|`.
///
/// ```
/// use user::Access;
/// assert_eq!(Access::READ | Access::WRITE | Access::READ, Access::WRITE | Access::READ);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Access(u32);

impl Access {
    /// To read the file, or the names in a directory.
    pub const READ: Access = Access(4);
    /// To write the file, or to make and remove names in a directory.
    pub const WRITE: Access = Access(2);
    /// To execute the file, or to go through a directory.
    pub const EXECUTE: Access = Access(1);
}

impl BitOr for Access {
    type Output = Access;

    fn bitor(self, other: Access) -> Access {
        Access(self.0 | other.0)
    }
}

impl BitOrAssign for Access {
    fn bitor_assign(&mut self, other: Access) {
        *self = *self | other;
    }
}

impl Identity {
    /// Tells whether the mode of a file allows this to a process with these ids, as [`path_resolution(7)`] says.
    ///
    /// The first class that the process is in decides: the owner, the group (as its primary group or as a
    /// supplementary one), all others. Uid 0 may do everything, as with `CAP_DAC_OVERRIDE`, but execute only what
    /// somebody may. Nothing else is looked at: access lists, read-only mounts, `noexec`, directories on the way.
    ///
    /// ```
    /// # use user::{Access, Defaults, Identity};
    /// let nobody = Identity::resolve("65534:65534", &Defaults::default(), std::io::empty(), std::io::empty())?;
    /// let secret = std::fs::metadata("/proc/self/environ")?; // -r--------
    /// # if std::os::unix::fs::MetadataExt::uid(&secret) == 65534 { return Ok(()) }
    /// assert!(!nobody.can_access(&secret, Access::READ));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// [`path_resolution(7)`]: https://man7.org/linux/man-pages/man7/path_resolution.7.html
    pub fn can_access(&self, file: &Metadata, access: Access) -> bool {
        self.mode_allows((file.uid(), file.gid(), file.mode()), access)
    }

    fn mode_allows(&self, (uid, gid, mode): (u32, u32, u32), Access(wanted): Access) -> bool {
        const DIRECTORY: u32 = 0o040_000;
        let of_class = if self.uid == 0 {
            let executable = mode & 0o111 != 0 || mode & 0o170_000 == DIRECTORY;
            if executable { 7 } else { 6 }
        } else if self.uid == uid {
            mode >> 6
        } else if self.gid == gid || self.groups.contains(&gid) {
            mode >> 3
        } else {
            mode
        };
        wanted & !of_class == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Defaults;

    fn allows(spec: &str, groups: &[u32], file: (u32, u32, u32), access: Access) -> bool {
        let empty = std::io::empty;
        let mut identity = Identity::resolve(spec, &Defaults::default(), empty(), empty()).unwrap();
        identity.add_groups(groups.iter().copied()).unwrap();
        identity.mode_allows(file, access)
    }

    #[test]
    fn the_first_class_that_fits_decides() {
        let (r, w, x) = (Access::READ, Access::WRITE, Access::EXECUTE);
        for (spec, groups, mode, access, expected) in [
            ("10:20", &[][..], 0o100_700, r | w | x, true),
            ("10:20", &[], 0o100_077, r, false),
            ("11:20", &[], 0o100_050, r | x, true),
            ("11:20", &[], 0o100_050, w, false),
            ("11:20", &[], 0o100_707, r, false),
            // The group test looked at the primary group only, or at none (CVE-2022-29526).
            ("11:21", &[5, 20], 0o100_040, r, true),
            ("11:21", &[5, 20], 0o100_707, r, false),
            ("11:21", &[5], 0o100_040, r, false),
            ("11:21", &[5], 0o100_004, r, true),
            ("0:0", &[], 0o100_000, r | w, true),
            ("0:0", &[], 0o100_666, x, false),
            ("0:0", &[], 0o100_001, x, true),
            ("0:0", &[], 0o040_000, x, true),
        ] {
            assert_eq!(
                allows(spec, groups, (10, 20, mode), access),
                expected,
                "{spec} {groups:?} {mode:o} {access:?}"
            );
        }
    }
}

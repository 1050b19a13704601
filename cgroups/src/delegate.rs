//! Handing a cgroup to an ordinary user.

use std::fs;
use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag};
use nix::sys::stat::{SFlag, fstat};
use nix::unistd::{Gid, Uid, fchownat};

use crate::file::Dir;
use crate::{Cgroup, Error, ErrorKind, Result};

/// The files that whoever a v2 cgroup is handed to may write: the kernel's own list, of 4.15 and later.
const LIST: &str = "/sys/kernel/cgroup/delegate";
/// What stands there at the least, for where `/sys` is not mounted.
const V2: &str = "cgroup.procs cgroup.threads cgroup.subtree_control memory.oom.group memory.reclaim";
const V1: &str = "cgroup.procs tasks";

impl Cgroup {
    /// Hands the cgroup to a user or a group, who then may make cgroups in it and move their processes there.
    ///
    /// The directory changes hands in each hierarchy, and in it only what the kernel lists in
    /// `/sys/kernel/cgroup/delegate` (on v1 `cgroup.procs` and `tasks`): the limits of this cgroup stay out of
    /// reach. What isn't there is passed over. `None` leaves the user or the group as it is. See [delegation] in the
    /// kernel's documentation.
    ///
    /// A container's user is handed its cgroup only if it has a cgroup namespace of its own and a writable mount;
    /// otherwise it sees, or may reach, what is above it.
    ///
    /// ```no_run
    /// # let hierarchies = cgroups::Hierarchies::detect()?;
    /// let cgroup = cgroups::Cgroup::create(&hierarchies, "users/1000")?.commit();
    /// cgroup.delegate(Some(1000), Some(1000))?;
    /// # Ok::<(), cgroups::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`PermissionDenied`](ErrorKind::PermissionDenied) without CAP_CHOWN, [`NotFound`](ErrorKind::NotFound) if the
    /// cgroup is gone, [`InvalidInput`](ErrorKind::InvalidInput) for the root of a hierarchy. What changed hands
    /// before the error has.
    ///
    /// [delegation]: https://docs.kernel.org/admin-guide/cgroup-v2.html#delegation
    pub fn delegate(&self, user: Option<u32>, group: Option<u32>) -> Result<()> {
        let list = fs::read_to_string(LIST);
        // All looked at before the first changes hands.
        let mut dirs = Vec::new();
        for (key, path) in &self.paths {
            let dir = Dir::open(path)?;
            if is_root(&dir, key) {
                let why = "it is the root of the hierarchy, and everything below it with it";
                return Err(Error::at(ErrorKind::InvalidInput, "delegate", path, why));
            }
            let files = if key.is_empty() { list.as_deref().unwrap_or(V2) } else { V1 };
            dirs.push((dir, files));
        }
        for (dir, files) in dirs {
            hand_over(&dir, files, user, group)?;
        }
        Ok(())
    }
}

/// Tells the true root of a hierarchy, which has files that no cgroup has or lacks one that all have.
pub(crate) fn is_root(dir: &Dir, key: &str) -> bool {
    if key.is_empty() { !dir.has("cgroup.type") && dir.has("cgroup.procs") } else { dir.has("release_agent") }
}

/// The directory comes last: whoever finds it theirs finds the files theirs too.
fn hand_over(dir: &Dir, files: &str, user: Option<u32>, group: Option<u32>) -> Result<()> {
    for name in files.split_whitespace() {
        // Never out of the directory, whatever the list says, and never by a link: such a one would be opened itself.
        match dir.openat(name, OFlag::O_PATH | OFlag::O_NOFOLLOW) {
            Ok(file) => {
                own_file(&file, user, group).map_err(|e| Error::os("delegate", &dir.path().join(name), e))?;
            }
            // This version or this kernel doesn't have it, or the controller is not handed down.
            Err(Errno::ENOENT) => {}
            Err(e) => return Err(Error::os("open", &dir.path().join(name), e)),
        }
    }
    own(dir.as_fd(), user, group).map_err(|e| Error::os("delegate", dir.path(), e))
}

fn own_file(file: &OwnedFd, user: Option<u32>, group: Option<u32>) -> nix::Result<()> {
    let kind = SFlag::from_bits_truncate(fstat(file)?.st_mode) & SFlag::S_IFMT;
    if kind == SFlag::S_IFREG { own(file, user, group) } else { Err(Errno::ELOOP) }
}

fn own(file: impl AsFd, user: Option<u32>, group: Option<u32>) -> nix::Result<()> {
    fchownat(file, "", user.map(Uid::from_raw), group.map(Gid::from_raw), AtFlags::AT_EMPTY_PATH)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// T27.
    #[test]
    fn nothing_changes_hands_through_a_link_and_what_is_missing_is_passed_over() {
        let path = std::env::temp_dir().join(format!("cgroups-delegate-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join("tasks"), "").unwrap();
        symlink("/etc/passwd", path.join("link")).unwrap();
        let dir = Dir::open(&path).unwrap();
        let (user, group) = (Some(nix::unistd::getuid().as_raw()), Some(nix::unistd::getgid().as_raw()));
        let results = ["tasks missing", "link", "../tasks", "/etc/passwd"]
            .map(|files| hand_over(&dir, files, user, group).map_err(|error| error.to_string()));
        fs::remove_dir_all(&path).unwrap();
        assert_eq!(results[0], Ok(()));
        for (result, name) in results[1..].iter().zip(["link", "../tasks", "/etc/passwd"]) {
            assert!(result.as_ref().is_err_and(|text| text.contains(name)), "{result:?}");
        }
    }
}

//! Processes that are born in a cgroup.

use std::io;

use nix::errno::Errno;

use crate::Cgroup;

impl Cgroup {
    /// Tells whether this error of `clone3` means that a process can't be *born* in the cgroup, so that it is to be
    /// cloned without `CLONE_INTO_CGROUP` and then [added](Cgroup::add).
    ///
    /// The kernel or a filter doesn't know the call (ENOSYS, EPERM) or the field (E2BIG, before Linux 5.7), or the
    /// cgroup is none for processes (EBUSY: it hands controllers down; EOPNOTSUPP: an invalid domain), and then `add`
    /// says it in words. Other errors would come again: EAGAIN is a limit on processes, this cgroup's or another.
    pub fn clone_into_refused(error: &io::Error) -> bool {
        let errno = Errno::from_raw(error.raw_os_error().unwrap_or(0));
        matches!(errno, Errno::ENOSYS | Errno::EPERM | Errno::E2BIG | Errno::EBUSY | Errno::EOPNOTSUPP)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// T30.
    #[test]
    fn a_limit_on_processes_is_no_reason_to_try_again() {
        let refused = |errno| Cgroup::clone_into_refused(&io::Error::from(errno));
        assert!([Errno::ENOSYS, Errno::E2BIG, Errno::EBUSY, Errno::EOPNOTSUPP].into_iter().all(refused));
        assert!(![Errno::EAGAIN, Errno::ENOMEM, Errno::EBADF].into_iter().any(refused));
        assert!(!Cgroup::clone_into_refused(&io::Error::other("no number")));
    }
}

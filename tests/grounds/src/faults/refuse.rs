//! Refused system calls: an older kernel, or a stricter sandbox.

use std::io;
use std::process::Command;
use std::str::FromStr;

use libc::sock_filter;
use nix::errno::Errno;

use super::calls;
use crate::sys;

/// The system calls that a container runtime uses, or may, and that came late.
pub const RECENT: &[&str] = &[
    "clone3",
    "openat2",
    "fsopen",
    "fsconfig",
    "fsmount",
    "fspick",
    "open_tree",
    "move_mount",
    "mount_setattr",
    "statmount",
    "listmount",
    "pidfd_open",
    "pidfd_send_signal",
    "pidfd_getfd",
    "close_range",
    "faccessat2",
    "open_tree_attr",
    "epoll_pwait2",
    "process_madvise",
];

/// The system calls that Linux 5.10 doesn't have, up to 7.3.
pub const SINCE_5_10: &[&str] = &[
    "epoll_pwait2",            // 5.11
    "mount_setattr",           // 5.12
    "landlock_create_ruleset", // 5.13
    "landlock_add_rule",
    "landlock_restrict_self",
    "quotactl_fd", // 5.14
    "memfd_secret",
    "process_mrelease",        // 5.15
    "futex_waitv",             // 5.16
    "set_mempolicy_home_node", // 5.17
    "cachestat",               // 6.5
    "fchmodat2",               // 6.6
    "map_shadow_stack",
    "futex_wake", // 6.7
    "futex_wait",
    "futex_requeue",
    "statmount", // 6.8
    "listmount",
    "lsm_get_self_attr",
    "lsm_set_self_attr",
    "lsm_list_modules",
    "mseal",      // 6.10
    "setxattrat", // 6.13
    "getxattrat",
    "listxattrat",
    "removexattrat",
    "open_tree_attr", // 6.15
    "file_getattr",   // 6.17
    "file_setattr",
    "listns",           // 6.19
    "rseq_slice_yield", // 7
    "fchroot",
];

/// A seccomp filter that answers an error to chosen system calls, and lets all others pass.
///
/// It reads as `NAME[=ERRNO],...`: `clone3,openat2=EPERM`. `recent`, `since-5.10` and `all` (both) stand
/// for [`RECENT`] and [`SINCE_5_10`]. The error is ENOSYS where none is named, as of a kernel that
/// doesn't have the call. Calls of a foreign architecture pass.
///
/// ```
/// use grounds::faults::Refused;
///
/// let refused: Refused = "recent,openat2=EPERM".parse()?;
/// assert_eq!(refused.len(), grounds::faults::RECENT.len());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refused {
    calls: Vec<(u32, Errno)>,
}

impl Refused {
    /// Refuses nothing yet.
    pub fn new() -> Refused {
        Refused::default()
    }

    /// Refuses one more call, by its name or number; the last word on a call counts.
    ///
    /// # Panics
    ///
    /// If there is no such call. For names from outside there is [`FromStr`].
    #[must_use]
    pub fn call(mut self, call: &str, errno: Errno) -> Refused {
        self.refuse(call, errno).expect("a system call's name");
        self
    }

    /// Returns how many calls are refused.
    pub fn len(&self) -> usize {
        self.calls.len()
    }

    /// Tells whether none is.
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// Refuses them to this thread, and to all that it makes from now on. There is no way back.
    ///
    /// With CAP_SYS_ADMIN nothing else changes; without, `no_new_privs` is set, which seccomp asks for.
    pub fn install(&self) -> io::Result<()> {
        Ok(sys::install_filter(&self.filter())?)
    }

    /// Refuses them to a command, before its exec. The command keeps it: spawn another one without.
    pub fn install_in(&self, command: &mut Command) {
        sys::filter_before_exec(command, self.filter());
    }

    fn refuse(&mut self, call: &str, errno: Errno) -> io::Result<()> {
        let number = calls::number(call).and_then(|number| u32::try_from(number).ok());
        let number = number.ok_or_else(|| invalid(format!("refuse {call:?}: no such system call")))?;
        self.calls.retain(|(other, _)| *other != number);
        self.calls.push((number, errno));
        Ok(())
    }

    fn filter(&self) -> Vec<sock_filter> {
        const NUMBER: u32 = 0; // their places in struct seccomp_data
        const ARCH: u32 = 4;
        let mut filter = vec![load(ARCH), skip_if(sys::ARCH), allow(), load(NUMBER)];
        for (number, errno) in &self.calls {
            filter.extend([skip_unless(*number), answer(*errno)]);
        }
        filter.push(allow());
        filter
    }
}

impl FromStr for Refused {
    type Err = io::Error;

    fn from_str(list: &str) -> io::Result<Refused> {
        let mut refused = Refused::new();
        for item in list.split(',') {
            let (call, errno) = match item.split_once('=') {
                Some((call, name)) => (call, errno(name)?),
                None => (item, Errno::ENOSYS),
            };
            let calls = match call {
                "recent" => RECENT.to_vec(),
                "since-5.10" => SINCE_5_10.to_vec(),
                "all" => [RECENT, SINCE_5_10].concat(),
                call => vec![call],
            };
            for call in calls {
                refused.refuse(call, errno)?;
            }
        }
        Ok(refused)
    }
}

/// Finds an error by its name.
fn errno(name: &str) -> io::Result<Errno> {
    let mut all = (1..=133).map(Errno::from_raw);
    all.find(|errno| format!("{errno:?}") == name)
        .ok_or_else(|| invalid(format!("refuse with {name:?}: no such error")))
}

fn invalid(error: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, error)
}

/// Loads a word of `struct seccomp_data`.
fn load(place: u32) -> sock_filter {
    statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, place)
}

/// Skips the next instruction where the word is this one.
fn skip_if(word: u32) -> sock_filter {
    sock_filter { jt: 1, ..compare(word) }
}

/// Skips the next instruction where it is another one.
fn skip_unless(word: u32) -> sock_filter {
    sock_filter { jf: 1, ..compare(word) }
}

fn compare(word: u32) -> sock_filter {
    statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, word)
}

fn allow() -> sock_filter {
    statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW)
}

fn answer(errno: Errno) -> sock_filter {
    statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ERRNO | errno as u32)
}

fn statement(code: u32, value: u32) -> sock_filter {
    sock_filter { code: code as u16, jt: 0, jf: 0, k: value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_reads_as_the_calls_that_it_names() {
        let read = |list: &str| list.parse::<Refused>().expect(list);
        assert_eq!(read("clone3"), Refused::new().call("clone3", Errno::ENOSYS));
        assert_eq!(read("435=EPERM,openat2").calls, [(435, Errno::EPERM), (437, Errno::ENOSYS)]);
        assert_eq!(read("clone3,clone3=EPERM").calls, [(435, Errno::EPERM)]);
        assert_eq!(read("recent=EPERM").len(), RECENT.len());
        assert_eq!(read("since-5.10").len(), SINCE_5_10.len());
        assert!(read("all").len() > SINCE_5_10.len());
    }

    #[test]
    fn since_5_10_are_the_numbers_from_441_on() {
        let refused = "since-5.10".parse::<Refused>().expect("all of them are known");
        let mut numbers: Vec<u32> = refused.calls.iter().map(|(number, _)| *number).collect();
        numbers.sort_unstable();
        assert!(numbers.into_iter().eq(441..=472));
    }

    #[test]
    fn what_is_no_call_or_error_is_told() {
        for (list, error) in [
            ("clone33", "refuse \"clone33\": no such system call"),
            ("", "refuse \"\": no such system call"),
            ("clone3=ENOTHING", "refuse with \"ENOTHING\": no such error"),
            ("99999999999", "refuse \"99999999999\": no such system call"),
        ] {
            assert_eq!(list.parse::<Refused>().expect_err(list).to_string(), error);
        }
    }
}

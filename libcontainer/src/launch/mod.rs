//! What happens beside the container, on the host: ordinary Rust.

pub(crate) mod cgroup;
mod create;
mod enter;
pub(crate) mod group;
pub(crate) mod hooks;
mod idmap;
mod image;
mod listener;
mod network;
pub(crate) mod rdt;
mod sync;

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};

pub(crate) use create::{Begin, Created, create};
pub(crate) use enter::{Target, decided, enter, not_running};
#[cfg(fuzzing)]
pub(crate) use sync::{Event, unexpected};
pub(crate) use sync::{Failure, Sync};

use crate::config::{Process, User};
use crate::error::{Error, Result};
use crate::plan::Resolved;
use crate::process::{ExitStatus, Io, Stdio};
use crate::sys;

/// Waits until the process of a handle has ended and returns how.
pub(crate) fn reap(pidfd: BorrowedFd<'_>) -> Result<ExitStatus> {
    loop {
        match sys::wait(pidfd) {
            Ok(status) => return Ok(status),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Not our child, or somebody else waited for it: the handle still tells when it ends.
            Err(error) if error.raw_os_error() == Some(libc::ECHILD) => {
                ended(pidfd, PollTimeout::NONE)?;
                return Ok(sys::pidfd_exit_status(pidfd).map_or(ExitStatus::Unknown, ExitStatus::from_wait));
            }
            Err(error) => return Err(Error::io("wait for process", &error)),
        }
    }
}

/// Returns how a process ended that has ended, and leaves the answer to whoever waits for it.
pub(crate) fn peek(pid: u32, pidfd: BorrowedFd<'_>) -> Result<ExitStatus> {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
    match waitid(Id::PIDFd(pidfd), flags) {
        Ok(WaitStatus::Exited(_, code)) => return Ok(ExitStatus::Exited(code)),
        Ok(WaitStatus::Signaled(_, signal, _)) => return Ok(ExitStatus::Signaled(signal as i32)),
        Ok(_) | Err(Errno::ECHILD) => {}
        Err(errno) => return Err(Error::errno(format_args!("look at process {pid}"), errno)),
    }
    // Another's child. Before it was waited for procfs tells, if it may be looked at; then the handle does.
    let status = zombie(pid, pidfd).or_else(|| sys::pidfd_exit_status(pidfd));
    Ok(status.map_or(ExitStatus::Unknown, ExitStatus::from_wait))
}

/// Returns the wait status of a process that nobody has waited for yet.
fn zombie(pid: u32, pidfd: BorrowedFd<'_>) -> Option<i32> {
    let line = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // As long as the handle's process can be reached, the number was still its own.
    sys::pidfd_send_signal(pidfd, 0).ok()?;
    // To whom it is hidden it reads as 0. The link is forbidden to the same, and absent of a dead process.
    let allowed = || {
        std::fs::read_link(format!("/proc/{pid}/exe"))
            .is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    };
    exit_code(&line).filter(|code| *code != 0 || allowed())
}

/// Reads the wait status of a process that is dead.
fn exit_code(line: &str) -> Option<i32> {
    let mut fields = line.rsplit_once(')')?.1.split_ascii_whitespace();
    if !matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    fields.nth(48)?.parse().ok() // field 52, and the state was the third
}

/// Rounds up: with the rest of a millisecond left, it would be looked again and again without a pause.
pub(crate) fn whole_milliseconds(time: Duration) -> PollTimeout {
    let rounded = time.saturating_add(Duration::from_nanos(999_999));
    rounded.try_into().unwrap_or(PollTimeout::MAX)
}

/// Waits until the process of a handle has ended; false when the time is over first.
pub(crate) fn ended(pidfd: BorrowedFd<'_>, timeout: PollTimeout) -> Result<bool> {
    any_ended(&[pidfd], timeout)
}

/// Waits until one of several processes has ended; false when the time is over first.
pub(crate) fn any_ended(pidfds: &[BorrowedFd<'_>], timeout: PollTimeout) -> Result<bool> {
    let mut watched: Vec<_> = pidfds.iter().map(|pidfd| PollFd::new(*pidfd, PollFlags::POLLIN)).collect();
    loop {
        match poll(&mut watched, timeout) {
            Ok(count) => return Ok(count > 0),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(Error::errno("wait for process", errno)),
        }
    }
}

/// Returns whether we may look into processes that aren't dumpable.
fn may_trace() -> bool {
    const CAP_SYS_PTRACE: u64 = 1 << 19;
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let effective = effective.and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok());
    effective.unwrap_or_default() & CAP_SYS_PTRACE != 0
}

/// The file mode mask of a process that asks for none.
const DEFAULT_UMASK: u32 = 0o022;

/// A process of ours that is killed and waited for, unless it is let go.
pub(crate) struct Guarded {
    pub(crate) pid: u32,
    pidfd: Option<OwnedFd>,
}

impl Guarded {
    pub(crate) fn new(pid: u32, pidfd: OwnedFd) -> Self {
        Guarded { pid, pidfd: Some(pidfd) }
    }

    pub(crate) fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_ref().expect("it is there until it is let go").as_fd()
    }

    /// Lets the process live.
    pub(crate) fn let_go(mut self) -> OwnedFd {
        self.pidfd.take().expect("it is there until it is let go")
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        if let Some(pidfd) = self.pidfd.take() {
            let _ = sys::pidfd_send_signal(pidfd.as_fd(), libc::SIGKILL);
            // One in a frozen v1 cgroup doesn't die before it is thawed.
            if ended(pidfd.as_fd(), PollTimeout::from(10_000_u16)).unwrap_or(false) {
                let _ = reap(pidfd.as_fd());
            }
        }
    }
}

/// Finds out who a process runs as; names are looked up beneath the container's root.
pub(crate) fn resolve(process: &Process, root: &Path, set_groups: bool) -> Result<Resolved> {
    let root = File::open(root).map_err(|error| Error::io(format_args!("open {root:?}"), &error).at(root))?;
    let defaults = user::Defaults::default();
    match &process.user {
        User::Ids { uid, gid, groups, umask } => {
            // Only HOME comes from the image's file; one that can't be read is no reason to fail.
            let known = user::Root::from(root).resolve(format!("{uid}:{gid}"), &defaults);
            let home = known.map_or(defaults.home, |identity| identity.home);
            let umask = umask.unwrap_or(DEFAULT_UMASK);
            Ok(Resolved { uid: *uid, gid: *gid, groups: groups.clone(), umask, home })
        }
        User::Spec(spec) => {
            let identity = user::Root::from(root).resolve(spec, &defaults)?;
            // The primary group is in the list too, or what is forbidden to it would be allowed to a
            // process that changes its group (CVE-2022-36109).
            let groups = if set_groups { identity.groups_with_primary() } else { Vec::new() };
            let user::Identity { uid, gid, home, .. } = identity;
            Ok(Resolved { uid, gid, groups, umask: DEFAULT_UMASK, home })
        }
    }
}

/// The standard streams of a new process, as descriptors of ours.
pub(crate) struct Streams {
    null: Option<OwnedFd>,
    io: Io,
}

impl Streams {
    pub(crate) fn new(io: Io) -> Result<Streams> {
        let open = |number| nix::fcntl::fcntl(sys::numbered(number), nix::fcntl::FcntlArg::F_GETFD).is_ok();
        let streams = [&io.stdin, &io.stdout, &io.stderr];
        let closed = streams.iter().zip(0..).any(|(stream, number)| match stream {
            Stdio::Inherit => !open(number),
            Stdio::Null => true,
            Stdio::Fd(_) => false,
        });
        let null = if closed { Some(open_null()?) } else { None };
        Ok(Streams { null, io })
    }

    /// Returns pairs of descriptors and the numbers that they get.
    pub(crate) fn pairs(&self) -> Vec<(RawFd, RawFd)> {
        use std::os::fd::AsRawFd;
        let open = |number| nix::fcntl::fcntl(sys::numbered(number), nix::fcntl::FcntlArg::F_GETFD).is_ok();
        let null = || self.null.as_ref().map(AsRawFd::as_raw_fd);
        let streams = [&self.io.stdin, &self.io.stdout, &self.io.stderr];
        let source = |stream: &Stdio, number| match stream {
            Stdio::Inherit if open(number) => Some(number),
            Stdio::Inherit | Stdio::Null => null(),
            Stdio::Fd(fd) => Some(fd.as_raw_fd()),
        };
        streams
            .into_iter()
            .zip(0..)
            .filter_map(|(stream, number)| Some((source(stream, number)?, number)))
            .collect()
    }

    /// Returns the program, where it is a file of ours.
    pub(crate) fn program(&self) -> Option<&OwnedFd> {
        self.io.program.as_ref()
    }

    /// Returns what the program inherits beyond its standard streams.
    pub(crate) fn inherited(&self) -> &[OwnedFd] {
        &self.io.inherited
    }
}

fn open_null() -> Result<OwnedFd> {
    let file = File::options().read(true).write(true).open("/dev/null");
    file.map(OwnedFd::from).map_err(|error| Error::io("open \"/dev/null\"", &error))
}

/// Writes a small file of procfs in one call, as procfs asks for.
pub(crate) fn write_proc(path: &Path, value: &str) -> io::Result<()> {
    use std::io::Write;
    File::options().write(true).open(path)?.write_all(value.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_of_a_dead_process_is_in_its_stat() {
        let line = |state, code| format!("7 (a) b) {state} 1{} {code}\n", " 0".repeat(47));
        assert_eq!(exit_code(&line("Z", 1792)), Some(1792));
        assert_eq!(exit_code(&line("Z", 0)), Some(0));
        assert_eq!(exit_code(&line("S", 1792)), None);
        assert_eq!(exit_code("7 (a) Z 1"), None);
        assert_eq!(exit_code(""), None);
    }
}

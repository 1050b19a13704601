//! Processes that fork as fast as they can, killed again and again: nobody escapes, nothing is left.

use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::os::fd::{AsFd, AsRawFd, RawFd};

use cgroups::Cgroup;
use grounds::{Outcome, Stop, Test, test};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::sys::signal::{SigHandler, Signal, kill, signal};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, fork, pause};

use crate::scene::{KILLING, LONG, eventually, fresh, only_v1, v1_alone, v2_alone};

pub(crate) fn tests() -> Vec<Test> {
    vec![
        test("nobody_escapes_a_thousand_kills", nobody_escapes_a_thousand_kills),
        test("nobody_escapes_a_thousand_kills_on_v1", || {
            v1_alone()?;
            nobody_escapes_a_thousand_kills()
        }),
        test("nobody_escapes_a_thousand_kills_on_v2", || {
            v2_alone()?;
            nobody_escapes_a_thousand_kills()
        }),
        test("a_storm_is_frozen_and_goes_on", a_storm_is_frozen_and_goes_on),
        test("a_storm_is_killed_without_cgroup_kill", a_storm_is_killed_without_cgroup_kill),
        test("a_storm_is_killed_without_any_freezer", a_storm_is_killed_without_any_freezer),
    ]
}

/// Chains of processes: each forks the next one and ends. All hold the end of a pipe, whichever cgroup they may be in.
///
/// A process outside is the parent of those that lose theirs, and ignores their ends, so that the kernel forgets
/// each one at once: who has to wait for them is slower than they are, and they use up the machine's numbers.
pub(crate) struct Storm {
    alive: PipeReader,
    parent: Pid,
}

impl Storm {
    /// One in the cgroup.
    pub(crate) fn inside(cgroup: &Cgroup) -> Result<Storm, Stop> {
        let (alive, theirs) = pipe()?;
        let (mut told, tell) = pipe()?;
        let (wait, mut go) = pipe()?;
        let storm = Storm { parent: start(&wait, &go, &tell, &theirs)?, alive };
        drop((theirs, tell, wait));
        let mut first = [0; 4];
        told.read_exact(&mut first)?;
        cgroup.add(u32::from_ne_bytes(first))?; // without a word it ends
        go.write_all(b"go")?;
        told.read_exact(&mut [0])?;
        Ok(storm)
    }

    /// Waits for the last of them.
    pub(crate) fn ends(&self) -> Outcome {
        let mut poll_fd = [PollFd::new(self.alive.as_fd(), PollFlags::POLLIN)];
        let ready = poll(&mut poll_fd, PollTimeout::try_from(LONG).expect("a minute"))?;
        assert_eq!(ready, 1, "a process escaped");
        Ok(())
    }
}

impl Drop for Storm {
    fn drop(&mut self) {
        let _ = kill(self.parent, Signal::SIGKILL);
        let _ = waitpid(self.parent, None);
    }
}

/// Forks the parent, which forks the first process and tells who that is. The first one waits for a word, and tells
/// when it goes on.
fn start(wait: &PipeReader, go: &PipeWriter, tell: &PipeWriter, alive: &PipeWriter) -> nix::Result<Pid> {
    let [wait, go, tell, alive] = [wait.as_raw_fd(), go.as_raw_fd(), tell.as_raw_fd(), alive.as_raw_fd()];
    // SAFETY: the child makes nothing but system calls that take numbers and buffers of its own.
    if let ForkResult::Parent { child } = unsafe { fork() }? {
        return Ok(child);
    }
    let forked = prctl::set_child_subreaper(true).and_then(|()| {
        // SAFETY: nothing runs on the signal.
        unsafe { signal(Signal::SIGCHLD, SigHandler::SigIgn) }?;
        // SAFETY: as of the first one.
        unsafe { fork() }
    });
    match forked {
        Ok(ForkResult::Child) => {}
        Ok(ForkResult::Parent { child }) => {
            say(tell, &child.as_raw().to_ne_bytes());
            for fd in [wait, go, tell, alive] {
                // SAFETY: these are the process's own copies, and nobody uses them after.
                unsafe { libc::close(fd) };
            }
            loop {
                pause();
            }
        }
        // SAFETY: ends the process, and runs nothing of its parent's.
        Err(_) => unsafe { libc::_exit(1) },
    }
    // SAFETY: these are the process's own copies, and nobody uses them after.
    unsafe { libc::close(go) };
    let mut word = [0_u8; 2];
    // SAFETY: the buffer is as long as the number says.
    if unsafe { libc::read(wait, word.as_mut_ptr().cast(), 2) } != 2 {
        // SAFETY: ends the process, and runs nothing of its parent's.
        unsafe { libc::_exit(0) };
    }
    // Two chains, for two processors: it lives on in a child, and in a child of that.
    // SAFETY: as of the first one.
    if unsafe { libc::fork() } != 0 {
        say(tell, b"!");
    }
    loop {
        // SAFETY: as of the first one.
        let next = unsafe { libc::fork() };
        // Without a next one (EAGAIN, at a limit of processes) it stays and tries again.
        if next > 0 {
            // SAFETY: ends the process, and runs nothing of its parent's.
            unsafe { libc::_exit(0) };
        }
    }
}

/// Writes to a pipe; what can't be written is missed at its other end.
fn say(pipe: RawFd, what: &[u8]) {
    // SAFETY: the buffer is as long as the number says.
    unsafe { libc::write(pipe, what.as_ptr().cast(), what.len()) };
}

fn nobody_escapes_a_thousand_kills() -> Outcome {
    grounds::calls(&KILLING)?;
    for _ in 0..grounds::times(1000) {
        let active = fresh()?;
        let paths = active.paths().clone();
        let storm = Storm::inside(&active)?;
        active.kill()?;
        active.close()?;
        storm.ends()?;
        assert!(paths.values().all(|path| !path.exists()));
    }
    Ok(())
}

/// T9: in 2014 it waited for FROZEN without end, which never came when a fork ran against the freezer.
fn a_storm_is_frozen_and_goes_on() -> Outcome {
    grounds::calls(&KILLING)?;
    let active = fresh()?;
    let storm = Storm::inside(&active)?;
    for _ in 0..grounds::times(100) {
        active.freeze()?;
        let held = active.pids()?;
        assert!(!held.is_empty());
        assert_eq!(active.pids()?, held, "nobody forks");
        active.thaw()?;
        eventually(|| active.pids().is_ok_and(|pids| pids != held));
    }
    active.kill()?;
    active.close()?;
    storm.ends()
}

/// T17: before Linux 5.14 and on v1 they are frozen, killed one by one, and thawed.
fn a_storm_is_killed_without_cgroup_kill() -> Outcome {
    grounds::calls(&KILLING)?;
    for _ in 0..grounds::times(100) {
        let active = fresh()?;
        let v1 = only_v1(&active)?;
        let storm = Storm::inside(&active)?;
        v1.kill()?;
        assert!(!v1.frozen()?, "thawed");
        active.close()?;
        storm.ends()?;
    }
    Ok(())
}

/// Nothing holds them still, and still nobody escapes.
fn a_storm_is_killed_without_any_freezer() -> Outcome {
    grounds::calls(&KILLING)?;
    let active = fresh()?;
    let mut paths = only_v1(&active)?.paths().clone();
    paths.retain(|key, _| key.split(',').all(|c| c != "freezer"));
    let storm = Storm::inside(&active)?;
    Cgroup::open(paths)?.kill()?;
    storm.ends()?;
    active.close()?;
    Ok(())
}

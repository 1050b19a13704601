//! Processes that fork as fast as they can, killed again and again: nobody escapes, nothing is left.

use std::io::{PipeReader, PipeWriter, Write, pipe};
use std::os::fd::{AsFd, AsRawFd};

use cgroups::Cgroup;
use grounds::{Outcome, Stop, Test, test};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;

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
pub(crate) struct Storm {
    alive: PipeReader,
}

impl Storm {
    /// One in the cgroup.
    pub(crate) fn inside(cgroup: &Cgroup) -> Result<Storm, Stop> {
        let (alive, theirs) = pipe()?;
        let (wait, mut go) = pipe()?;
        let first = start(&wait, &go, &alive)?;
        drop((theirs, wait));
        let added = cgroup.add(first.as_raw() as u32);
        if added.is_ok() {
            go.write_all(b"go")?;
        }
        drop(go); // without a word it ends
        waitpid(first, None)?;
        added?;
        Ok(Storm { alive })
    }

    /// Waits for the last of them.
    pub(crate) fn ends(&self) -> Outcome {
        let mut poll_fd = [PollFd::new(self.alive.as_fd(), PollFlags::POLLIN)];
        let ready = poll(&mut poll_fd, PollTimeout::try_from(LONG).expect("a minute"))?;
        assert_eq!(ready, 1, "a process escaped");
        Ok(())
    }
}

/// Forks the first process, which waits for a word.
fn start(wait: &PipeReader, go: &PipeWriter, alive: &PipeReader) -> nix::Result<Pid> {
    let (wait, go, alive) = (wait.as_raw_fd(), go.as_raw_fd(), alive.as_raw_fd());
    // SAFETY: the child makes nothing but system calls that take numbers and a buffer of its own.
    let pid = unsafe { libc::fork() };
    if pid != 0 {
        return nix::errno::Errno::result(pid).map(Pid::from_raw);
    }
    // SAFETY: these are the child's own copies, and nobody uses them after.
    unsafe { libc::close(go) };
    // SAFETY: as above.
    unsafe { libc::close(alive) };
    let mut word = [0_u8; 2];
    // SAFETY: the buffer is as long as the number says.
    if unsafe { libc::read(wait, word.as_mut_ptr().cast(), 2) } != 2 {
        // SAFETY: ends the process, and runs nothing of the parent's.
        unsafe { libc::_exit(0) };
    }
    // Two chains, for two processors: it lives on in a child, and in a child of that.
    // SAFETY: as of the first one.
    unsafe { libc::fork() };
    loop {
        // SAFETY: as of the first one.
        let next = unsafe { libc::fork() };
        // Without a next one (EAGAIN, at a limit of processes) it stays and tries again.
        if next > 0 {
            // SAFETY: ends the process, and runs nothing of the parent's.
            unsafe { libc::_exit(0) };
        }
    }
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

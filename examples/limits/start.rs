//! How the command gets into its cgroup before its first instruction.

// `pre_exec` can't be called without it.
#![allow(unsafe_code)]

use std::error::Error;
use std::io::{Read, Write, pipe};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::thread;
use std::time::Instant;

use nix::sys::signal::SigSet;
use nix::unistd::close;

/// Starts a command, which waits between fork and exec until it was put in its place.
///
/// (Where cgroup v2 is all there is, `clone3` with CLONE_INTO_CGROUP would do without the wait; std has no such call.)
/// The new process says who it is over one pipe and reads its leave from another. Meanwhile `spawn` itself waits for
/// exec, so a thread of its own moves the process. Returned is also when it went on.
pub(crate) fn inside(
    mut command: Command,
    enter: impl FnOnce(u32) -> cgroups::Result<()> + Send,
) -> Result<(Child, Instant), Box<dyn Error>> {
    let (mut asks, mut asked) = pipe()?;
    let (mut told, mut tells) = pipe()?;
    let theirs = tells.as_raw_fd();
    let wait = move || {
        // Of this process, else the read below would not end where nobody answers.
        close(theirs)?;
        asked.write_all(&std::process::id().to_ne_bytes())?;
        told.read_exact(&mut [0])?;
        // Signals were held for this program's sake, see `run`.
        Ok(SigSet::empty().thread_set_mask()?)
    };
    // SAFETY: between fork and exec of a program with threads there may be only calls that don't allocate or lock:
    // these are close, write, getpid, read and the signal mask, and their errors are plain numbers.
    unsafe { command.pre_exec(wait) };
    thread::scope(|scope| {
        let entering = scope.spawn(move || {
            let mut pid = [0; 4];
            // Without a child there is nobody to move, and `spawn` says why.
            asks.read_exact(&mut pid).ok()?;
            Some(enter(u32::from_ne_bytes(pid)).map(|()| {
                let begin = Instant::now();
                // Killed meanwhile, it doesn't listen, and its end says so.
                drop(tells.write_all(&[1]));
                begin
            }))
        });
        let child = command.spawn();
        // With it go its ends of the pipes, or the thread would wait for a child that never was.
        drop(command);
        match entering.join() {
            Ok(Some(Err(error))) => Err(error.into()),
            Ok(Some(Ok(begin))) => Ok((child?, begin)),
            _ => Ok((child?, Instant::now())),
        }
    })
}

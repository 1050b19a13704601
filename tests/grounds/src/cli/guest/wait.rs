//! Waiting for a descriptor, never longer than until a deadline.

use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// Waits until there is something to read, or the end.
pub(super) fn readable(file: &impl AsFd, until: Instant) -> io::Result<()> {
    ready(file, PollFlags::POLLIN, until)
}

/// Waits until a write would not block, or would fail.
pub(super) fn writable(file: &impl AsFd, until: Instant) -> io::Result<()> {
    ready(file, PollFlags::POLLOUT, until)
}

fn ready(file: &impl AsFd, events: PollFlags, until: Instant) -> io::Result<()> {
    loop {
        let left = until.saturating_duration_since(Instant::now());
        // A poll's longest wait is an int of milliseconds; ours is asked for again.
        let left = left.min(Duration::from_secs(3600));
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(file.as_fd(), events)], timeout) {
            Ok(0) if Instant::now() >= until => return Err(io::ErrorKind::TimedOut.into()),
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

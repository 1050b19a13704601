//! The listener of a filter of system calls: from the process that installed the filter to whoever decides.

use std::io::IoSlice;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};
use std::{io, thread};

use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use serde::Serialize;

use super::hooks::State;
use crate::error::{Error, ErrorKind, Result};
use crate::seccomp::Listener;
use crate::sys;

/// How long a process may take from telling the listener's number to having one.
const PATIENCE: Duration = Duration::from_secs(30);

/// What goes with the listener: the [container process state] of the OCI's specification.
///
/// [container process state]: https://github.com/opencontainers/runtime-spec/blob/main/config-linux.md#containerprocessstate
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ProcessState<'a> {
    oci_version: &'a str,
    fds: [&'a str; 1],
    pid: u32,
    #[serde(skip_serializing_if = "str::is_empty")]
    metadata: &'a str,
    state: State<'a>,
}

/// Takes a copy of the listener, which has this number in the process, once it is there. None where the process says
/// something instead: that the filter was refused.
pub(super) fn fetch(
    process: BorrowedFd<'_>,
    number: u32,
    mut says: impl FnMut() -> Result<bool>,
) -> Result<Option<OwnedFd>> {
    let begin = Instant::now();
    loop {
        match sys::pidfd_getfd(process, number) {
            Ok(listener) => return Ok(Some(listener)),
            Err(error) if error.raw_os_error() == Some(libc::EBADF) && begin.elapsed() < PATIENCE => {}
            // It ended.
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => return Ok(None),
            Err(error) => return Err(Error::io("seccomp: take the listener's descriptor", &error)),
        }
        if says()? {
            return Ok(None);
        }
        thread::sleep(Duration::from_micros(50));
    }
}

/// Sends a listener to whoever decides.
pub(super) fn send(listener: BorrowedFd<'_>, to: &Listener, pid: u32, state: State<'_>) -> Result<()> {
    let failed =
        |error: &io::Error| Error::io(format_args!("seccomp: listener {:?}", to.path), error).at(&to.path);
    let state = ProcessState {
        oci_version: state.oci_version,
        fds: ["seccompFd"],
        pid,
        metadata: &to.metadata,
        state,
    };
    let text = serde_json::to_vec(&state).map_err(|error| {
        Error::new(ErrorKind::InvalidConfig, format_args!("state for the listener: {error}"))
    })?;
    let socket = UnixStream::connect(&to.path).map_err(|error| failed(&error))?;
    let (mut sent, fds) = (0, [listener.as_raw_fd()]);
    while sent < text.len() {
        // The descriptor goes with the first bytes.
        let rights = [ControlMessage::ScmRights(&fds)];
        let rights = if sent == 0 { &rights[..] } else { &[] };
        let vector = [IoSlice::new(&text[sent..])];
        let fd = socket.as_fd().as_raw_fd();
        match sendmsg::<()>(fd, &vector, rights, MsgFlags::MSG_NOSIGNAL, None) {
            Ok(count) => sent += count,
            Err(nix::errno::Errno::EINTR) => {}
            Err(errno) => return Err(failed(&errno.into())),
        }
    }
    Ok(())
}

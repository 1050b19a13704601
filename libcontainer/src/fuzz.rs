//! The door of `tests/fuzz` to what is private: compiled for it only.
#![allow(missing_docs)]

use std::os::fd::{AsFd, AsRawFd};

use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, send, socketpair};

use crate::launch::{Event, Sync, unexpected};
use crate::{Error, Plan, Result};

/// Returns the program that the image would run.
pub fn program(plan: &Plan) -> &[u8] {
    plan.program()
}

/// Hears a message as the image's: what is made of it in words, unless it is one that carries a descriptor.
pub fn hear(plan: &Plan, message: &[u8]) -> Result<Option<Error>> {
    let pair = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC);
    let (ours, image) = pair.map_err(|errno| Error::errno("make a socket", errno))?;
    let _ = send(image.as_raw_fd(), message, MsgFlags::empty());
    Ok(match Sync::new(ours).listen(image.as_fd())? {
        Event::Failure(failure) => Some(failure.explain(plan)),
        event => Some(unexpected(&event)),
    })
}

//! Who decides about system calls: the other end of a filter's listener.

#![allow(unsafe_code)] // the kernel's structures

use std::io::IoSliceMut;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixListener;

use nix::cmsg_space;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use serde_json::Value;

/// Waits for a listener at a socket: what came with it, and itself.
pub(crate) fn take(socket: &UnixListener) -> (Value, OwnedFd) {
    let (connection, _) = socket.accept().unwrap();
    let (mut text, mut fd) = (Vec::new(), None);
    loop {
        let mut buffer = [0; 1000];
        let mut control = cmsg_space!([i32; 1]);
        let mut vector = [IoSliceMut::new(&mut buffer)];
        let flags = MsgFlags::MSG_CMSG_CLOEXEC;
        let received = recvmsg::<()>(connection.as_raw_fd(), &mut vector, Some(&mut control), flags).unwrap();
        for message in received.cmsgs().unwrap() {
            if let ControlMessageOwned::ScmRights(fds) = message {
                // SAFETY: the kernel just made this descriptor for us.
                fd = Some(unsafe { OwnedFd::from_raw_fd(fds[0]) });
            }
        }
        let count = received.bytes;
        if count == 0 {
            break;
        }
        text.extend(&buffer[..count]);
    }
    (serde_json::from_slice(&text).unwrap(), fd.unwrap())
}

/// Answers calls: `error` is what they fail with, 0 lets them go on. Returns how many there were.
pub(crate) fn decide(listener: &OwnedFd, error: i32, mut count: usize) -> usize {
    const RECV: u64 = 0xc050_2100;
    const SEND: u64 = 0xc018_2101;
    let mut answered = 0;
    while count > 0 {
        // SAFETY: the structure is all numbers.
        let mut call: libc::seccomp_notif = unsafe { std::mem::zeroed() };
        // SAFETY: the kernel writes one such structure.
        if unsafe { libc::ioctl(listener.as_raw_fd(), RECV as _, &raw mut call) } != 0 {
            break;
        }
        let flags = u32::from(error == 0); // SECCOMP_USER_NOTIF_FLAG_CONTINUE
        let mut answer = libc::seccomp_notif_resp { id: call.id, val: 0, error: -error, flags };
        // SAFETY: the kernel reads one such structure.
        unsafe { libc::ioctl(listener.as_raw_fd(), SEND as _, &raw mut answer) };
        answered += 1;
        count -= 1;
    }
    answered
}

//! System calls on `/dev/net/tun`; beside `socket.rs` the only unsafe code.
#![allow(unsafe_code, reason = "there are no safe calls for these")]

use std::os::fd::{AsRawFd, BorrowedFd};

use nix::libc;

/// `TUNSETIFF`, `TUNSETPERSIST`, `TUNSETOWNER`, `TUNSETGROUP` of `linux/if_tun.h`: the size in each number is that of
/// an `int`, whatever is pointed to.
mod ioctls {
    use nix::libc;

    const INT: usize = size_of::<libc::c_int>();

    nix::ioctl_readwrite_bad!(set_iff, nix::request_code_write!(b'T', 202, INT), libc::ifreq);
    nix::ioctl_write_int_bad!(set_persist, nix::request_code_write!(b'T', 203, INT));
    nix::ioctl_write_int_bad!(set_owner, nix::request_code_write!(b'T', 204, INT));
    nix::ioctl_write_int_bad!(set_group, nix::request_code_write!(b'T', 206, INT));
}

/// Makes a link for an open `/dev/net/tun`, or attaches it to one; gives the link's name.
pub(crate) fn tun_set_iff(tun: BorrowedFd<'_>, name: &str, flags: i32) -> nix::Result<String> {
    // The kernel takes the flags as 16 bits, without a sign.
    let mut request = libc::ifreq {
        ifr_name: [0; libc::IFNAMSIZ],
        ifr_ifru: libc::__c_anonymous_ifr_ifru { ifru_flags: flags as libc::c_short },
    };
    // The last place stays the NUL.
    for (place, byte) in request.ifr_name[..libc::IFNAMSIZ - 1].iter_mut().zip(name.bytes()) {
        *place = byte as libc::c_char;
    }
    // SAFETY: the kernel reads and writes a `struct ifreq`, which outlives the call.
    unsafe { ioctls::set_iff(tun.as_raw_fd(), &raw mut request) }?;
    let name = request.ifr_name.iter().map(|byte| *byte as u8).take_while(|byte| *byte != 0).collect();
    Ok(String::from_utf8(name).unwrap_or_default())
}

/// Says whether the link stays when nobody is attached.
pub(crate) fn tun_set_persist(tun: BorrowedFd<'_>, persist: bool) -> nix::Result<()> {
    // SAFETY: the argument is a number.
    unsafe { ioctls::set_persist(tun.as_raw_fd(), persist.into()) }.map(drop)
}

/// Says which user may attach to the link.
pub(crate) fn tun_set_owner(tun: BorrowedFd<'_>, uid: u32) -> nix::Result<()> {
    // SAFETY: the argument is a number.
    unsafe { ioctls::set_owner(tun.as_raw_fd(), uid.cast_signed()) }.map(drop)
}

/// Says which group may attach to the link.
pub(crate) fn tun_set_group(tun: BorrowedFd<'_>, gid: u32) -> nix::Result<()> {
    // SAFETY: the argument is a number.
    unsafe { ioctls::set_group(tun.as_raw_fd(), gid.cast_signed()) }.map(drop)
}

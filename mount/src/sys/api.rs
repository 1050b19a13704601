//! The mount API of Linux 5.2 and later: contexts, trees and attributes by descriptor.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

use nix::Result;
use nix::errno::Errno;

use super::retry;

const FSOPEN_CLOEXEC: u32 = 1;
const FSMOUNT_CLOEXEC: u32 = 1;
const FSPICK_CLOEXEC: u32 = 1;
const FSPICK_EMPTY_PATH: u32 = 8;
const OPEN_TREE_CLONE: u32 = 1;
const OPEN_TREE_CLOEXEC: u32 = libc::O_CLOEXEC as u32;
const MOVE_MOUNT_F_EMPTY_PATH: u32 = 0x4;
const MOVE_MOUNT_T_EMPTY_PATH: u32 = 0x40;
const MOVE_MOUNT_BENEATH: u32 = 0x200;

/// What fsconfig(2) is asked to set, by the name of its command in linux/mount.h.
pub(crate) enum Parameter<'a> {
    Flag,
    String(&'a CStr),
    Binary(&'a [u8]),
    Path(&'a CStr),
    Fd(BorrowedFd<'a>),
}

/// The commands of fsconfig(2) that carry nothing.
#[derive(Clone, Copy)]
pub(crate) enum Command {
    Create = 6,
    Reconfigure = 7,
    CreateExclusive = 8,
}

/// `struct mount_attr` of linux/mount.h.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(crate) struct MountAttr {
    pub(crate) set: u64,
    pub(crate) clear: u64,
    pub(crate) propagation: u64,
    pub(crate) user_namespace: u64,
}

/// The attribute that comes with a user namespace (Linux 5.12).
pub(crate) const MOUNT_ATTR_IDMAP: u64 = 0x10_0000;

/// Calls fsopen(2) (Linux 5.2).
pub(crate) fn fsopen(fs_type: &CStr) -> Result<OwnedFd> {
    owned(|| {
        // SAFETY: the name is a C string that outlives the call.
        unsafe { libc::syscall(libc::SYS_fsopen, fs_type.as_ptr(), FSOPEN_CLOEXEC) }
    })
}

/// Calls fspick(2) (Linux 5.2) on the mount that a descriptor refers to.
pub(crate) fn fspick(mount: BorrowedFd<'_>) -> Result<OwnedFd> {
    let flags = FSPICK_CLOEXEC | FSPICK_EMPTY_PATH;
    owned(|| {
        // SAFETY: an open descriptor, an empty C string and flags.
        unsafe { libc::syscall(libc::SYS_fspick, mount.as_raw_fd(), c"".as_ptr(), flags) }
    })
}

/// Calls fsconfig(2) (Linux 5.2) to set one parameter.
pub(crate) fn fsconfig_set(context: BorrowedFd<'_>, key: &CStr, parameter: &Parameter<'_>) -> Result<()> {
    let (command, value, aux): (u32, *const u8, i32) = match parameter {
        Parameter::Flag => (0, ptr::null(), 0),
        Parameter::String(text) => (1, text.as_ptr().cast(), 0),
        Parameter::Binary(bytes) => {
            (2, bytes.as_ptr(), i32::try_from(bytes.len()).map_err(|_| Errno::E2BIG)?)
        }
        Parameter::Path(path) => (3, path.as_ptr().cast(), libc::AT_FDCWD),
        Parameter::Fd(fd) => (5, ptr::null(), fd.as_raw_fd()),
    };
    let context = context.as_raw_fd();
    retry(|| {
        // SAFETY: the key and the value outlive the call; `aux` is the value's length where it has no end.
        let result = unsafe { libc::syscall(libc::SYS_fsconfig, context, command, key.as_ptr(), value, aux) };
        Errno::result(result).map(drop)
    })
}

/// Calls fsconfig(2) (Linux 5.2) with a command.
pub(crate) fn fsconfig(context: BorrowedFd<'_>, command: Command) -> Result<()> {
    let (context, command, none) = (context.as_raw_fd(), command as u32, ptr::null::<u8>());
    retry(|| {
        // SAFETY: these commands take neither key nor value.
        let result = unsafe { libc::syscall(libc::SYS_fsconfig, context, command, none, none, 0) };
        Errno::result(result).map(drop)
    })
}

/// Calls fsmount(2) (Linux 5.2).
pub(crate) fn fsmount(context: BorrowedFd<'_>, attributes: u64) -> Result<OwnedFd> {
    // Attributes that this kernel can't have here are refused, never lost.
    let attributes = u32::try_from(attributes).map_err(|_| Errno::EINVAL)?;
    owned(|| {
        // SAFETY: an open descriptor and flags.
        unsafe { libc::syscall(libc::SYS_fsmount, context.as_raw_fd(), FSMOUNT_CLOEXEC, attributes) }
    })
}

/// Calls open_tree(2) (Linux 5.2) to clone the mount, or the whole tree of mounts, at a descriptor.
pub(crate) fn clone_tree(at: BorrowedFd<'_>, recursive: bool) -> Result<OwnedFd> {
    open_tree(at.as_raw_fd(), c"", clone_flags(recursive))
}

/// Does the same at a path, with links followed and automounts triggered, as mount(2) does.
pub(crate) fn clone_tree_at(path: &CStr, recursive: bool) -> Result<OwnedFd> {
    open_tree(libc::AT_FDCWD, path, clone_flags(recursive) & !(libc::AT_EMPTY_PATH as u32))
}

fn open_tree(dir: RawFd, path: &CStr, flags: u32) -> Result<OwnedFd> {
    owned(|| {
        // SAFETY: a directory, a C string that outlives the call, and flags.
        unsafe { libc::syscall(libc::SYS_open_tree, dir, path.as_ptr(), flags) }
    })
}

/// Calls open_tree_attr(2) (Linux 6.15), which can also give another map of ids to what has one.
pub(crate) fn clone_tree_with(
    at: BorrowedFd<'_>,
    recursive: bool,
    attributes: &MountAttr,
) -> Result<OwnedFd> {
    /// The number on every architecture.
    const SYS_OPEN_TREE_ATTR: libc::c_long = 467;
    let (flags, attributes) = (clone_flags(recursive), ptr::from_ref(attributes));
    owned(|| {
        // SAFETY: the attributes outlive the call, and the size given is theirs.
        unsafe {
            libc::syscall(
                SYS_OPEN_TREE_ATTR,
                at.as_raw_fd(),
                c"".as_ptr(),
                flags,
                attributes,
                size_of::<MountAttr>(),
            )
        }
    })
}

fn clone_flags(recursive: bool) -> u32 {
    let recursive = if recursive { libc::AT_RECURSIVE as u32 } else { 0 };
    OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | libc::AT_EMPTY_PATH as u32 | recursive
}

/// Calls move_mount(2) (Linux 5.2; beneath 6.5) from a descriptor to another.
pub(crate) fn move_mount(from: BorrowedFd<'_>, to: BorrowedFd<'_>, beneath: bool) -> Result<()> {
    let beneath = if beneath { MOVE_MOUNT_BENEATH } else { 0 };
    let flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH | beneath;
    let (from, to, empty) = (from.as_raw_fd(), to.as_raw_fd(), c"".as_ptr());
    retry(|| {
        // SAFETY: two open descriptors, two empty C strings and flags.
        let result = unsafe { libc::syscall(libc::SYS_move_mount, from, empty, to, empty, flags) };
        Errno::result(result).map(drop)
    })
}

/// Calls mount_setattr(2) (Linux 5.12) on the mount at a descriptor, or on the whole tree there.
pub(crate) fn mount_setattr(mount: BorrowedFd<'_>, recursive: bool, attributes: &MountAttr) -> Result<()> {
    let recursive = if recursive { libc::AT_RECURSIVE } else { 0 };
    let (flags, attributes) = (libc::AT_EMPTY_PATH | recursive, ptr::from_ref(attributes));
    retry(|| {
        // SAFETY: the attributes outlive the call, and the size given is theirs.
        let result = unsafe {
            libc::syscall(
                libc::SYS_mount_setattr,
                mount.as_raw_fd(),
                c"".as_ptr(),
                flags,
                attributes,
                size_of::<MountAttr>(),
            )
        };
        Errno::result(result).map(drop)
    })
}

/// Says whether mount_setattr(2) is there, and no filter refuses it: asked for nothing, it refuses by itself.
pub(crate) fn has_mount_setattr() -> bool {
    let none = ptr::null::<MountAttr>();
    // SAFETY: of a size of 0 nothing is read.
    let result = unsafe { libc::syscall(libc::SYS_mount_setattr, libc::AT_FDCWD, c"".as_ptr(), 0, none, 0) };
    !matches!(Errno::result(result), Err(Errno::ENOSYS | Errno::EPERM))
}

/// Makes a system call that answers with a new descriptor.
fn owned(mut call: impl FnMut() -> libc::c_long) -> Result<OwnedFd> {
    let fd = retry(|| Errno::result(call()))?;
    // SAFETY: the kernel has just made this descriptor for nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

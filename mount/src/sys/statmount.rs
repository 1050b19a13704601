//! statmount(2), listmount(2), and the ids of mount namespaces.

use std::mem::offset_of;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::Result;
use nix::errno::Errno;

use super::retry;

// libc has these numbers for some targets only. From 424 on all architectures count alike, each from its own
// base, which the number 442 brings along.
const SYS_STATMOUNT: libc::c_long = libc::SYS_mount_setattr + (457 - 442);
const SYS_LISTMOUNT: libc::c_long = libc::SYS_mount_setattr + (458 - 442);

/// The id by which listmount(2) knows the root of the caller, or of the namespace that is asked for.
pub(crate) const LSMT_ROOT: u64 = u64::MAX;
const LISTMOUNT_REVERSE: u32 = 1;
const STATMOUNT_BY_FD: u32 = 1;

/// The largest answer that is waited for: an overlay of 500 layers has 100 kB, and none has this.
const LARGEST: usize = 1 << 26;

/// `struct mnt_id_req` of linux/mount.h.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Request {
    size: u32,
    fd: u32,
    mount: u64,
    param: u64,
    namespace: u64,
}

impl Request {
    /// Asks about a mount; the namespace is the caller's, or the one with this id (Linux 6.11).
    pub(crate) fn new(mount: u64, param: u64, namespace: Option<u64>) -> Self {
        // The struct of Linux 6.8 ended before the namespace.
        let size = if namespace.is_some() { size_of::<Self>() } else { offset_of!(Self, namespace) };
        Request { size: size as u32, fd: 0, mount, param, namespace: namespace.unwrap_or(0) }
    }
}

/// `struct statmount` of linux/mount.h, as of Linux 7.3. Only its layout is used.
#[repr(C)]
struct Layout {
    size: u32,
    mnt_opts: u32,
    mask: u64,
    sb_dev_major: u32,
    sb_dev_minor: u32,
    sb_magic: u64,
    sb_flags: u32,
    fs_type: u32,
    mnt_id: u64,
    mnt_parent_id: u64,
    mnt_id_old: u32,
    mnt_parent_id_old: u32,
    mnt_attr: u64,
    mnt_propagation: u64,
    mnt_peer_group: u64,
    mnt_master: u64,
    propagate_from: u64,
    mnt_root: u32,
    mnt_point: u32,
    mnt_ns_id: u64,
    fs_subtype: u32,
    sb_source: u32,
    opt_num: u32,
    opt_array: u32,
    opt_sec_num: u32,
    opt_sec_array: u32,
    supported_mask: u64,
    mnt_uidmap_num: u32,
    mnt_uidmap: u32,
    mnt_gidmap_num: u32,
    mnt_gidmap: u32,
    spare: [u64; 43],
}

const _: () = assert!(size_of::<Layout>() == 512);

/// The answer of statmount(2), in memory that is used again for the next one.
pub(crate) struct Answer {
    bytes: Vec<u8>,
}

macro_rules! numbers {
    ($($name:ident: $type:ty;)*) => {
        impl Answer {
            $(pub(crate) fn $name(&self) -> $type {
                const AT: usize = offset_of!(Layout, $name);
                let mut number = [0; size_of::<$type>()];
                number.copy_from_slice(&self.bytes[AT..AT + size_of::<$type>()]);
                <$type>::from_ne_bytes(number)
            })*
        }
    };
}

macro_rules! texts {
    ($($name:ident from $offset:ident;)*) => {
        impl Answer {
            $(pub(crate) fn $name(&self) -> &[u8] {
                self.texts(self.$offset(), 1).next().unwrap_or_default()
            })*
        }
    };
}

macro_rules! lists {
    ($($name:ident from $offset:ident, $count:ident;)*) => {
        impl Answer {
            $(pub(crate) fn $name(&self) -> impl Iterator<Item = &[u8]> {
                self.texts(self.$offset(), self.$count())
            })*
        }
    };
}

numbers! {
    mask: u64;
    sb_dev_major: u32;
    sb_dev_minor: u32;
    sb_magic: u64;
    sb_flags: u32;
    mnt_id: u64;
    mnt_parent_id: u64;
    mnt_id_old: u32;
    mnt_parent_id_old: u32;
    mnt_attr: u64;
    mnt_propagation: u64;
    mnt_peer_group: u64;
    mnt_master: u64;
    propagate_from: u64;
    mnt_ns_id: u64;
    supported_mask: u64;
    fs_type: u32;
    fs_subtype: u32;
    mnt_root: u32;
    mnt_point: u32;
    mnt_opts: u32;
    sb_source: u32;
    opt_num: u32;
    opt_array: u32;
    opt_sec_num: u32;
    opt_sec_array: u32;
    mnt_uidmap_num: u32;
    mnt_uidmap: u32;
    mnt_gidmap_num: u32;
    mnt_gidmap: u32;
}

texts! {
    fs_type_text from fs_type;
    fs_subtype_text from fs_subtype;
    root_text from mnt_root;
    mount_point_text from mnt_point;
    options_text from mnt_opts;
    source_text from sb_source;
}

lists! {
    option_list from opt_array, opt_num;
    security_list from opt_sec_array, opt_sec_num;
    uid_list from mnt_uidmap, mnt_uidmap_num;
    gid_list from mnt_gidmap, mnt_gidmap_num;
}

impl Answer {
    pub(crate) fn new() -> Self {
        // Enough for most mounts; the kernel says when it isn't.
        Answer { bytes: vec![0; 2048] }
    }

    /// Returns the `count` strings from an offset on, each of which ends with a zero byte.
    fn texts(&self, offset: u32, count: u32) -> impl Iterator<Item = &[u8]> {
        let start = size_of::<Layout>() + offset as usize;
        let rest = self.bytes.get(start..).unwrap_or_default();
        rest.split(|&byte| byte == 0).take(count as usize)
    }
}

/// Calls statmount(2) (Linux 6.8) into memory that grows until the answer fits.
pub(crate) fn statmount(request: &Request, answer: &mut Answer) -> Result<()> {
    call_statmount(request, answer, 0)
}

/// Calls statmount(2) on the mount that a descriptor refers to (Linux 7.0), attached or not.
pub(crate) fn statmount_fd(fd: BorrowedFd<'_>, fields: u64, answer: &mut Answer) -> Result<()> {
    let request = Request { fd: fd.as_raw_fd() as u32, ..Request::new(0, fields, None) };
    call_statmount(&request, answer, STATMOUNT_BY_FD)
}

fn call_statmount(request: &Request, answer: &mut Answer, flags: u32) -> Result<()> {
    loop {
        let result = retry(|| {
            // SAFETY: the kernel reads as much of the request as its size says, and writes into the bytes,
            // whose number goes with them.
            let result = unsafe {
                libc::syscall(
                    SYS_STATMOUNT,
                    &raw const *request,
                    answer.bytes.as_mut_ptr(),
                    answer.bytes.len(),
                    flags,
                )
            };
            Errno::result(result)
        });
        match result {
            Err(Errno::EOVERFLOW) if answer.bytes.len() < LARGEST => {
                let size = answer.bytes.len() * 4;
                answer.bytes.resize(size, 0);
            }
            result => return result.map(drop),
        }
    }
}

/// Calls listmount(2) (Linux 6.8), and returns how many ids it wrote.
pub(crate) fn listmount(request: &Request, ids: &mut [u64], reverse: bool) -> Result<usize> {
    let flags = if reverse { LISTMOUNT_REVERSE } else { 0 };
    let result = retry(|| {
        // SAFETY: the kernel reads as much of the request as its size says, and writes at most as many ids as
        // there is room for.
        let result =
            unsafe { libc::syscall(SYS_LISTMOUNT, &raw const *request, ids.as_mut_ptr(), ids.len(), flags) };
        Errno::result(result)
    });
    result.map(|count| count as usize)
}

mod ioctl {
    // linux/nsfs.h, since Linux 6.11.
    nix::ioctl_read!(ns_get_mntns_id, 0xb7, 5, u64);
    // Since Linux 4.11.
    nix::ioctl_none!(ns_get_nstype, 0xb7, 3);
}

/// Returns the id of the mount namespace that a descriptor refers to (Linux 6.11).
pub(crate) fn mount_namespace_id(fd: BorrowedFd<'_>) -> Result<u64> {
    let mut id = 0;
    // SAFETY: the kernel writes one u64 into `id`.
    retry(|| unsafe { ioctl::ns_get_mntns_id(fd.as_raw_fd(), &raw mut id) })?;
    Ok(id)
}

/// Says whether a descriptor refers to a mount namespace.
pub(crate) fn is_mount_namespace(fd: BorrowedFd<'_>) -> bool {
    // SAFETY: it takes nothing but a descriptor.
    let kind = retry(|| unsafe { ioctl::ns_get_nstype(fd.as_raw_fd()) });
    kind == Ok(libc::CLONE_NEWNS)
}

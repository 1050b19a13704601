//! fanotify(7) on a mount namespace: which mounts come, go and move.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::Result;
use nix::errno::Errno;

use super::retry;

// linux/fanotify.h, since Linux 6.15.
const FAN_REPORT_MNT: u32 = 0x4000;
const FAN_MARK_MNTNS: u32 = 0x110;
const FAN_MNT_ATTACH: u64 = 0x0100_0000;
const FAN_MNT_DETACH: u64 = 0x0200_0000;
const FAN_EVENT_INFO_TYPE_MNT: u8 = 7;

/// What the kernel announces of a mount, by its unique id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Announcement {
    Attached(u64),
    Detached(u64),
    Moved(u64),
    /// More happened than the queue could hold.
    Overflow,
}

impl Announcement {
    /// Returns the mount that it is of.
    pub(crate) fn id(self) -> Option<u64> {
        match self {
            Announcement::Attached(id) | Announcement::Detached(id) | Announcement::Moved(id) => Some(id),
            Announcement::Overflow => None,
        }
    }
}

/// Opens a queue of the announcements of a mount namespace, from now on.
///
/// Needs Linux 6.15, and CAP_SYS_ADMIN over the namespace.
pub(crate) fn watch(namespace: BorrowedFd<'_>) -> Result<OwnedFd> {
    let flags = libc::FAN_CLOEXEC | libc::FAN_NONBLOCK | libc::FAN_CLASS_NOTIF | FAN_REPORT_MNT;
    // SAFETY: two numbers.
    let result = unsafe { libc::syscall(libc::SYS_fanotify_init, flags, 0) };
    let fd = Errno::result(result)? as i32;
    // SAFETY: the descriptor was opened a moment ago, and nobody else has it.
    let queue = unsafe { OwnedFd::from_raw_fd(fd) };
    mark(&queue, namespace)?;
    Ok(queue)
}

fn mark(queue: &OwnedFd, namespace: BorrowedFd<'_>) -> Result<()> {
    let (flags, mask) = (libc::FAN_MARK_ADD | FAN_MARK_MNTNS, FAN_MNT_ATTACH | FAN_MNT_DETACH);
    retry(|| {
        // Through glibc: on 32 bits the mask takes two arguments, in an order of the architecture's own.
        // SAFETY: two descriptors and numbers; without a path the namespace's descriptor is what is marked.
        let result = unsafe {
            libc::fanotify_mark(queue.as_raw_fd(), flags, mask, namespace.as_raw_fd(), std::ptr::null())
        };
        Errno::result(result).map(drop)
    })
}

/// Takes what there is in the queue now.
pub(crate) fn read(queue: BorrowedFd<'_>, found: &mut Vec<Announcement>) -> Result<()> {
    // An announcement has 40 bytes.
    let mut buffer = [0; 4096];
    // Not for ever: somebody may mount faster than this reads.
    for _ in 0..256 {
        match retry(|| nix::unistd::read(queue, &mut buffer)) {
            Ok(0) | Err(Errno::EAGAIN) => break,
            Ok(size) => parse(&buffer[..size], found),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads `struct fanotify_event_metadata` one after the other, each with the records that follow it.
fn parse(mut bytes: &[u8], found: &mut Vec<Announcement>) {
    while let Some((event, rest)) = event(bytes) {
        bytes = rest;
        let (Some(header), Some(mask)) = (event.get(6..8), number(event, 8)) else { continue };
        let header = u16::from_ne_bytes([header[0], header[1]]) as usize;
        if mask & libc::FAN_Q_OVERFLOW != 0 {
            found.push(Announcement::Overflow);
        }
        let Some(id) = event.get(header..).and_then(mount_id) else { continue };
        match (mask & FAN_MNT_ATTACH != 0, mask & FAN_MNT_DETACH != 0) {
            (true, true) => found.push(Announcement::Moved(id)),
            (true, false) => found.push(Announcement::Attached(id)),
            (false, true) => found.push(Announcement::Detached(id)),
            (false, false) => {}
        }
    }
}

/// Splits the first event off; its length stands in front.
fn event(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = u32::from_ne_bytes(bytes.get(..4)?.try_into().ok()?) as usize;
    (24 <= length && length <= bytes.len()).then(|| bytes.split_at(length))
}

/// Finds the id among the records of an event: type, a blank, the length, and the rest.
fn mount_id(mut records: &[u8]) -> Option<u64> {
    while let [kind, _, a, b, ..] = records {
        let length = u16::from_ne_bytes([*a, *b]) as usize;
        if *kind == FAN_EVENT_INFO_TYPE_MNT {
            // Behind padding on some architectures: it is the last that there is.
            return number(records, length.checked_sub(8)?);
        }
        records = records.get(length.max(4)..)?;
    }
    None
}

fn number(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn announcement(mask: u64, id: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(40_u32.to_ne_bytes());
        bytes.extend([3, 0]);
        bytes.extend(24_u16.to_ne_bytes());
        bytes.extend(mask.to_ne_bytes());
        bytes.extend((-1_i32).to_ne_bytes());
        bytes.extend(1_i32.to_ne_bytes());
        bytes.extend([FAN_EVENT_INFO_TYPE_MNT, 0]);
        bytes.extend(16_u16.to_ne_bytes());
        bytes.extend([0; 4]);
        bytes.extend(id.to_ne_bytes());
        bytes
    }

    #[test]
    fn announcements_are_read_one_after_the_other() {
        let mut bytes = announcement(FAN_MNT_ATTACH, 1 << 31);
        bytes.extend(announcement(FAN_MNT_DETACH, 2));
        bytes.extend(announcement(FAN_MNT_ATTACH | FAN_MNT_DETACH, 3));
        let mut overflow = announcement(libc::FAN_Q_OVERFLOW, 0);
        overflow.truncate(24);
        overflow[0..4].copy_from_slice(&24_u32.to_ne_bytes());
        bytes.extend(overflow);
        let mut found = Vec::new();
        parse(&bytes, &mut found);
        let expected = [
            Announcement::Attached(1 << 31),
            Announcement::Detached(2),
            Announcement::Moved(3),
            Announcement::Overflow,
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_cut_short_is_not_read() {
        let whole = announcement(FAN_MNT_ATTACH, 1);
        for size in 0..whole.len() {
            let mut found = Vec::new();
            parse(&whole[..size], &mut found);
            assert!(found.is_empty(), "{size}");
        }
    }
}

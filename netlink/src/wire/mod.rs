//! The bytes of rtnetlink: written by [`Request`], read by borrowing.
//!
//! `request` and `attribute` know the framing, `numbers` the kernel's names, `reply` when an
//! answer is complete and `refusal` what a refused request is told; `link`, `address` and `route` are
//! the objects. Nothing here makes a system call, so all of it is tested on plain bytes.

pub(crate) mod address;
pub(crate) mod attribute;
#[cfg(test)]
mod differential;
pub(crate) mod link;
pub(crate) mod message;
pub(crate) mod numbers;
pub(crate) mod refusal;
pub(crate) mod reply;
pub(crate) mod request;
pub(crate) mod route;

pub(crate) use request::Request;

/// Attributes, messages and headers all begin at multiples of four.
pub(crate) const fn aligned(length: usize) -> usize {
    length.next_multiple_of(4)
}

/// Reads a `u32` in the machine's byte order, as everything in rtnetlink's headers is.
pub(crate) fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    let end = offset.checked_add(4)?;
    Some(u32::from_ne_bytes(bytes.get(offset..end)?.try_into().ok()?))
}

/// Reads a `u16` in the machine's byte order.
pub(crate) fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    let end = offset.checked_add(2)?;
    Some(u16::from_ne_bytes(bytes.get(offset..end)?.try_into().ok()?))
}

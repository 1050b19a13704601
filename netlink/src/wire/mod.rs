//! The bytes of rtnetlink: written by [`Request`], read by borrowing.
//!
//! `request`, `message` and `attribute` know the framing, `protocol` and `numbers` the kernel's names, `reply` when an
//! answer is complete, `refusal` what a refused request is told, and `describe` what it was about; `link`, `address`,
//! `route`, `rule`, `neighbour` and `tc` are objects. Nothing here makes a system call, so all of it is tested on plain
//! bytes.

/// Writes the attributes whose values were said: `write_some!(request, u32 RTA_OIF route.device, …)`.
macro_rules! write_some {
    ($request:ident, $($method:ident $attribute:ident $value:expr),+ $(,)?) => {
        $(if let Some(value) = $value {
            $request.$method($attribute, value);
        })+
    };
}

pub(crate) mod address;
pub(crate) mod attribute;
pub(crate) mod describe;
#[cfg(test)]
mod differential;
pub(crate) mod link;
pub(crate) mod message;
pub(crate) mod neighbour;
pub(crate) mod numbers;
pub(crate) mod protocol;
pub(crate) mod refusal;
pub(crate) mod reply;
pub(crate) mod request;
pub(crate) mod route;
pub(crate) mod rule;
pub(crate) mod tc;

pub(crate) use request::Request;
pub(crate) use write_some;

/// Attributes, messages and headers all begin at multiples of four.
#[inline]
pub(crate) const fn aligned(length: usize) -> usize {
    // Of an object in memory, which is never near the last number.
    length.wrapping_add(3) & !3
}

/// Reads a `u32` in the machine's byte order, as everything in rtnetlink's headers is.
#[inline]
pub(crate) fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    let end = offset.checked_add(4)?;
    Some(u32::from_ne_bytes(bytes.get(offset..end)?.try_into().ok()?))
}

/// Reads a `u64` in the machine's byte order.
pub(crate) fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    let end = offset.checked_add(8)?;
    Some(u64::from_ne_bytes(bytes.get(offset..end)?.try_into().ok()?))
}

/// Reads a `u16` in the machine's byte order.
#[inline]
pub(crate) fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    let end = offset.checked_add(2)?;
    Some(u16::from_ne_bytes(bytes.get(offset..end)?.try_into().ok()?))
}

//! The bytes of traffic control: `struct tcmsg`, structures of fixed length, and their numbers.

pub(crate) mod fields;
pub(crate) mod numbers;

use std::time::Duration;

use super::attribute::Attribute;
use super::{Request, u32_at};
use crate::tc::TcHandle;

/// The length of `struct tcmsg`.
pub(crate) const HEADER: usize = 20;

/// The fixed header of qdiscs, classes, filters and chains (`struct tcmsg`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Header {
    /// Of the link, or [`BLOCK`].
    pub(crate) index: u32,
    pub(crate) handle: u32,
    pub(crate) parent: u32,
    pub(crate) info: u32,
}

/// The index of no link: the parent is the number of a block of filters.
pub(crate) const BLOCK: u32 = u32::MAX;

impl Header {
    pub(crate) fn to_bytes(self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        for (at, number) in [(4, self.index), (8, self.handle), (12, self.parent), (16, self.info)] {
            bytes[at..at + 4].copy_from_slice(&number.to_ne_bytes());
        }
        bytes
    }

    pub(crate) fn read(payload: &[u8]) -> Option<Header> {
        Some(Header {
            index: u32_at(payload, 4)?,
            handle: u32_at(payload, 8)?,
            parent: u32_at(payload, 12)?,
            info: u32_at(payload, 16)?,
        })
    }
}

impl Request {
    /// A time in microseconds; what is too long was refused before.
    pub(crate) fn micros(&mut self, kind: u16, time: Duration) {
        self.u32(kind, u32::try_from(time.as_micros()).unwrap_or(u32::MAX));
    }

    /// A time in nanoseconds, of 32 bits.
    pub(crate) fn nanos(&mut self, kind: u16, time: Duration) {
        self.u32(kind, u32::try_from(time.as_nanos()).unwrap_or(u32::MAX));
    }

    pub(crate) fn tc_handle(&mut self, kind: u16, handle: TcHandle) {
        self.u32(kind, handle.to_kernel());
    }

    /// A number of four bytes that is 0 or 1.
    pub(crate) fn bool32(&mut self, kind: u16, value: bool) {
        self.u32(kind, value.into());
    }
}

impl Attribute<'_> {
    pub(crate) fn micros(self) -> Option<Duration> {
        self.u32().map(|micros| Duration::from_micros(micros.into()))
    }

    pub(crate) fn nanos(self) -> Option<Duration> {
        self.u32().map(|nanos| Duration::from_nanos(nanos.into()))
    }

    pub(crate) fn tc_handle(self) -> Option<TcHandle> {
        self.u32().map(TcHandle::from_kernel)
    }

    pub(crate) fn bool32(self) -> Option<bool> {
        self.u32().map(|value| value != 0)
    }
}

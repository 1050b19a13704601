//! prio and its like: bands, of which the first goes first.

use crate::error::Failure;
use crate::wire::Request;
use crate::wire::attribute::Attribute;
use crate::wire::tc::fields::Fields;
use crate::wire::tc::numbers::TCA_OPTIONS;

/// How many priorities packets have.
pub(super) const PRIORITIES: usize = 16;

/// Some bands, each of which waits until those before it are empty ([`tc-prio(8)`]). Its classes are there at once:
/// band 0 is `:1`.
///
/// [`tc-prio(8)`]: https://man7.org/linux/man-pages/man8/tc-prio.8.html
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Prio {
    /// How many bands there are: 2 to 16.
    pub bands: u32,
    /// The band of each of the 16 priorities, for packets that no filter sends to one.
    pub priomap: [u8; PRIORITIES],
}

impl Default for Prio {
    /// Three bands, chosen by the type of service.
    fn default() -> Prio {
        Prio { bands: 3, priomap: [1, 2, 2, 2, 1, 2, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1] }
    }
}

impl Prio {
    pub(super) fn check(&self) -> Result<(), Failure> {
        if !(2..=16).contains(&self.bands) {
            return Err(Failure::Input(format!("there are 2 to 16 bands, not {}", self.bands)));
        }
        if let Some(band) = self.priomap.iter().find(|band| u32::from(**band) >= self.bands) {
            return Err(Failure::Input(format!("there is no band {band} of {}", self.bands)));
        }
        Ok(())
    }

    /// `struct tc_prio_qopt`.
    pub(super) fn write(&self, request: &mut Request) {
        request.attribute(TCA_OPTIONS, |request| {
            request.header(&self.bands.to_ne_bytes());
            request.header(&self.priomap);
        });
    }

    pub(super) fn read(options: Attribute<'_>) -> Option<Prio> {
        let mut fields = Fields(options.payload);
        Some(Prio { bands: fields.u32()?, priomap: fields.array()? })
    }
}

/// A band for each of the link's queues, which the caller of the driver chooses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Multiq {
    /// How many bands there are: the link's queues. On input it is not looked at.
    pub bands: u16,
    /// How many there can be. On input it is not looked at.
    pub max_bands: u16,
}

impl Multiq {
    pub(super) fn check(&self) -> Result<(), Failure> {
        Ok(())
    }

    /// `struct tc_multiq_qopt`.
    pub(super) fn write(&self, request: &mut Request) {
        request.bytes(TCA_OPTIONS, &[0; 4]);
    }

    pub(super) fn read(options: Attribute<'_>) -> Option<Multiq> {
        let mut fields = Fields(options.payload);
        Some(Multiq { bands: fields.u16()?, max_bands: fields.u16()? })
    }
}

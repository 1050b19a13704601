//! The tables of v1's `blkio`.

use crate::Result;
use crate::stats::files::Reader;
use crate::stats::io::{What, device_number};
use crate::stats::text::{Parsed, number, rename, slot};

/// The tables of v1's [`blkio`], of this cgroup and those below it.
///
/// Of each table that more than one part of the kernel keeps, it is the first that names a device: the scheduler BFQ's,
/// CFQ's (until Linux 4.20), that of the limits. A kernel of today has most of them only if it was built with
/// `CONFIG_BFQ_CGROUP_DEBUG`.
///
/// [`blkio`]: https://docs.kernel.org/admin-guide/cgroup-v1/blkio-controller.html
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
#[non_exhaustive]
pub struct BlkioStats {
    /// Bytes by kind of operation.
    pub io_service_bytes: Vec<BlkioEntry>,
    /// Operations by kind.
    pub io_serviced: Vec<BlkioEntry>,
    /// Operations that wait, by kind.
    pub io_queued: Vec<BlkioEntry>,
    /// Operations that were merged into others, by kind.
    pub io_merged: Vec<BlkioEntry>,
    /// Nanoseconds from handing over to the device to the end, by kind; operations in parallel count each.
    pub io_service_time: Vec<BlkioEntry>,
    /// Nanoseconds of waiting in the scheduler, by kind; operations in parallel count each.
    pub io_wait_time: Vec<BlkioEntry>,
    /// Milliseconds for which the device was this cgroup's.
    pub time: Vec<BlkioEntry>,
    /// Sectors of 512 bytes.
    pub sectors: Vec<BlkioEntry>,
}

/// A line of such a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
#[non_exhaustive]
pub struct BlkioEntry {
    /// The device's major number.
    pub major: u32,
    /// The device's minor number.
    pub minor: u32,
    /// `Read`, `Write`, `Sync`, `Async`, `Discard` or `Total`; empty where there are no kinds.
    #[cfg_attr(feature = "serde", serde(rename = "op"))]
    pub operation: String,
    /// The figure.
    pub value: u64,
}

/// The files of the tables, in the order of the fields: of BFQ, of CFQ, and of the limits.
const FAMILIES: [&[&str]; 3] = [
    &[
        "blkio.bfq.io_service_bytes_recursive",
        "blkio.bfq.io_serviced_recursive",
        "blkio.bfq.io_queued_recursive",
        "blkio.bfq.io_merged_recursive",
        "blkio.bfq.io_service_time_recursive",
        "blkio.bfq.io_wait_time_recursive",
        "blkio.bfq.time_recursive",
        "blkio.bfq.sectors_recursive",
    ],
    &[
        "blkio.io_service_bytes_recursive",
        "blkio.io_serviced_recursive",
        "blkio.io_queued_recursive",
        "blkio.io_merged_recursive",
        "blkio.io_service_time_recursive",
        "blkio.io_wait_time_recursive",
        "blkio.time_recursive",
        "blkio.sectors_recursive",
    ],
    &["blkio.throttle.io_service_bytes_recursive", "blkio.throttle.io_serviced_recursive"],
];

/// One line: `8:0 Read 4096`, or `8:0 4096` in a table without kinds.
pub(crate) struct Line<'a> {
    pub(crate) device: (u32, u32),
    pub(crate) operation: &'a str,
    pub(crate) value: u64,
}

impl BlkioStats {
    fn tables(&mut self) -> [&mut Vec<BlkioEntry>; 8] {
        [
            &mut self.io_service_bytes,
            &mut self.io_serviced,
            &mut self.io_queued,
            &mut self.io_merged,
            &mut self.io_service_time,
            &mut self.io_wait_time,
            &mut self.time,
            &mut self.sectors,
        ]
    }
}

/// Reads all tables. The lines about bytes and operations, whoever counted them, are also given to `each`. False where
/// there is no table at all.
pub(crate) fn read(
    files: &mut Reader<'_>,
    stats: &mut BlkioStats,
    mut each: impl FnMut(&Line<'_>, What),
) -> Result<bool> {
    let mut found = false;
    let mut counts = [0; 8];
    let mut tables = stats.tables();
    for names in FAMILIES {
        for (at, name) in names.iter().enumerate() {
            let Some(text) = files.text(name)? else {
                // A kernel that lacks the first two of a family lacks the family; and so with the rest.
                if at == 0 {
                    continue;
                }
                break;
            };
            found = true;
            let is_mine = counts[at] == 0;
            text.lines(|line| {
                let Some(line) = split(line)? else { return Ok(()) };
                match at {
                    0 => each(&line, What::Bytes),
                    1 => each(&line, What::Operations),
                    _ => {}
                }
                if is_mine {
                    put(slot(tables[at], counts[at]), &line);
                    counts[at] += 1;
                }
                Ok(())
            })?;
        }
    }
    for (table, count) in tables.into_iter().zip(counts) {
        table.truncate(count);
    }
    Ok(found)
}

fn put(entry: &mut BlkioEntry, line: &Line<'_>) {
    (entry.major, entry.minor) = line.device;
    rename(&mut entry.operation, line.operation);
    entry.value = line.value;
}

/// Takes a line apart; `None` for the sum over all devices, `Total 4097`.
fn split(line: &str) -> Parsed<Option<Line<'_>>> {
    let mut words = line.split_ascii_whitespace();
    let (first, second, third) = (words.next().unwrap_or_default(), words.next(), words.next());
    let second = second.ok_or_else(|| format!("{line:?} is no device and figure"))?;
    if first == "Total" {
        return number(second).map(|_| None);
    }
    let device = device_number(first)?;
    let (operation, value) = third.map_or(("", second), |value| (second, value));
    Ok(Some(Line { device, operation, value: number(value)? }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_with_and_without_kinds_and_sums_are_told_apart() {
        let line = split("8:16 Read 18446744073709551615").unwrap().unwrap();
        assert_eq!((line.device, line.operation, line.value), ((8, 16), "Read", u64::MAX));
        let line = split("8:0 1024").unwrap().unwrap();
        assert_eq!((line.device, line.operation, line.value), ((8, 0), "", 1024));
        assert!(split("Total 0").unwrap().is_none());
        for bad in ["", "8:0", "8 Read 1", "8:0 Read", "8:0 Read x", "Total x", "8:x Read 1"] {
            assert!(split(bad).is_err(), "{bad:?}");
        }
    }
}

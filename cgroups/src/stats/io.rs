//! What was read and written, by device.

use crate::Result;
use crate::stats::Figures;
use crate::stats::blkio::{self, BlkioStats, Line};
use crate::stats::files::{Files, Reader};
use crate::stats::text::{Parsed, number, slot};

/// Reads and writes of one device, from [`io.stat`] of v2 or [`blkio`] of v1.
///
/// v1 counts in two places: where limits are kept, which late kernels do only for a device that had a limit since it
/// was there, and in the scheduler BFQ (CFQ, in old kernels) for the devices that have it. Here is the larger figure;
/// the tables themselves are in [`Stats::blkio`](crate::Stats::blkio).
///
/// [`io.stat`]: https://docs.kernel.org/admin-guide/cgroup-v2.html#io-interface-files
/// [`blkio`]: https://docs.kernel.org/admin-guide/cgroup-v1/blkio-controller.html
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
#[non_exhaustive]
pub struct IoStats {
    /// The device's major number.
    pub major: u32,
    /// The device's minor number.
    pub minor: u32,
    /// Bytes read.
    pub read_bytes: u64,
    /// Bytes written.
    pub written_bytes: u64,
    /// Read operations.
    pub reads: u64,
    /// Write operations.
    pub writes: u64,
    /// Bytes discarded.
    pub discarded_bytes: u64,
    /// Discard operations.
    pub discards: u64,
    /// Whole numbers that have no field here, such as `cost.usage`. Only v2 tells.
    pub other: Figures,
}

/// Reads both: what is the same on v1 and v2, and the tables that only v1 has.
pub(crate) fn read(
    files: &mut Files,
    io: &mut Option<Vec<IoStats>>,
    tables: &mut Option<BlkioStats>,
) -> Result<()> {
    let list = io.get_or_insert_default();
    let (found, is_v1) = match files.of("blkio", "io") {
        Some(mut files) if files.is_v2() => (devices(&mut files, list)?, false),
        Some(mut files) => {
            list.clear();
            let add = |line: &Line<'_>, what| add(list, line, what);
            (blkio::read(&mut files, tables.get_or_insert_default(), add)?, true)
        }
        None => (false, false),
    };
    if !found {
        *io = None;
    }
    if !(found && is_v1) {
        *tables = None;
    }
    Ok(())
}

/// What a table of v1 counts.
#[derive(Clone, Copy)]
pub(crate) enum What {
    Bytes,
    Operations,
}

/// Sums by `Sync`, `Async` and `Total` say nothing new.
fn add(list: &mut Vec<IoStats>, line: &Line<'_>, what: What) {
    if !["Read", "Write", "Discard"].contains(&line.operation) {
        return;
    }
    let (major, minor) = line.device;
    let at = list.binary_search_by_key(&line.device, |device| (device.major, device.minor));
    let at = at.unwrap_or_else(|at| {
        list.insert(at, IoStats { major, minor, ..IoStats::default() });
        at
    });
    let device = &mut list[at];
    let place = match (line.operation, what) {
        ("Read", What::Bytes) => &mut device.read_bytes,
        ("Read", What::Operations) => &mut device.reads,
        ("Write", What::Bytes) => &mut device.written_bytes,
        ("Write", What::Operations) => &mut device.writes,
        (_, What::Bytes) => &mut device.discarded_bytes,
        (_, What::Operations) => &mut device.discards,
    };
    *place = line.value.max(*place);
}

fn devices(files: &mut Reader<'_>, list: &mut Vec<IoStats>) -> Result<bool> {
    let mut count = 0;
    let Some(text) = files.text("io.stat")? else { return Ok(false) };
    text.lines(|line| {
        count += usize::from(device(line, slot(list, count))?);
        Ok(())
    })?;
    list.truncate(count);
    Ok(true)
}

/// Reads `8:0 rbytes=4096 wbytes=0 …`; false for a device that has no figures yet, which comes without any.
fn device(line: &str, into: &mut IoStats) -> Parsed<bool> {
    let mut words = line.split_ascii_whitespace();
    (into.major, into.minor) = device_number(words.next().unwrap_or_default())?;
    (into.read_bytes, into.written_bytes, into.discarded_bytes) = (0, 0, 0);
    (into.reads, into.writes, into.discards) = (0, 0, 0);
    let mut other = into.other.refill();
    let mut found = false;
    for (key, value) in words.filter_map(|word| word.split_once('=')) {
        let place = match key {
            "rbytes" => &mut into.read_bytes,
            "wbytes" => &mut into.written_bytes,
            "dbytes" => &mut into.discarded_bytes,
            "rios" => &mut into.reads,
            "wios" => &mut into.writes,
            "dios" => &mut into.discards,
            key => {
                // Further keys are a driver's own, and not always whole numbers.
                if let Ok(value) = number(value) {
                    other.put(key, value);
                }
                continue;
            }
        };
        *place = number(value)?;
        found = true;
    }
    Ok(found)
}

/// Reads `8:0`.
pub(crate) fn device_number(word: &str) -> Parsed<(u32, u32)> {
    word.split_once(':')
        .and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)))
        .ok_or_else(|| format!("{word:?} is no device"))
}

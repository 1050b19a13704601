//! What was read and written. Limits are set on v2 only, through `unified`.

use std::collections::BTreeMap;

use crate::file::{Dir, parse};
use crate::stats::IoStats;
use crate::{Error, Result};

pub(crate) fn stats(dir: &Dir) -> Result<Option<Vec<IoStats>>> {
    let mut devices = BTreeMap::new();
    let bytes = read(dir, "blkio.throttle.io_service_bytes_recursive", &mut devices, |d, read, n| {
        *(if read { &mut d.read_bytes } else { &mut d.written_bytes }) = n;
    })?;
    let operations = read(dir, "blkio.throttle.io_serviced_recursive", &mut devices, |d, read, n| {
        *(if read { &mut d.reads } else { &mut d.writes }) = n;
    })?;
    Ok((bytes || operations).then(|| devices.into_values().collect()))
}

/// Reads lines such as `8:0 Read 4096`; false where there is no such file.
fn read(
    dir: &Dir,
    name: &str,
    devices: &mut BTreeMap<(u32, u32), IoStats>,
    put: impl Fn(&mut IoStats, bool, u64),
) -> Result<bool> {
    let Some(text) = dir.read_if_there(name)? else { return Ok(false) };
    for (at, line) in text.lines().enumerate() {
        let words: Vec<_> = line.split_whitespace().collect();
        // Sums by operation and over all devices, `Total 0` among them, say nothing new.
        let &[device, operation @ ("Read" | "Write"), number] = words.as_slice() else { continue };
        let malformed =
            |what: String| Error::malformed(&dir.path().join(name), format!("line {}: {what}", at + 1));
        let (major, minor) = device_number(device).map_err(malformed)?;
        let number = parse(number).map_err(malformed)?;
        let entry = devices.entry((major, minor)).or_insert(IoStats { major, minor, ..IoStats::default() });
        put(entry, operation == "Read", number);
    }
    Ok(true)
}

/// Reads `8:0`.
pub(crate) fn device_number(word: &str) -> std::result::Result<(u32, u32), String> {
    word.split_once(':')
        .and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)))
        .ok_or_else(|| format!("{word:?} is no device"))
}

//! What was read and written. Limits are set through `unified`.

use std::collections::BTreeMap;

use crate::file::{Dir, parse};
use crate::stats::IoStats;
use crate::v1::blkio::device_number;
use crate::{Error, Result};

pub(crate) fn stats(dir: &Dir) -> Result<Option<Vec<IoStats>>> {
    let name = "io.stat";
    let Some(text) = dir.read_if_there(name)? else { return Ok(None) };
    let lines = text.lines().enumerate().map(|(at, line)| {
        device(line)
            .map_err(|what| Error::malformed(&dir.path().join(name), format!("line {}: {what}", at + 1)))
    });
    lines.filter_map(Result::transpose).collect::<Result<_>>().map(Some)
}

/// Reads `8:0 rbytes=4096 wbytes=0 …`; a device that has no figures yet comes without any.
fn device(line: &str) -> std::result::Result<Option<IoStats>, String> {
    let mut words = line.split_whitespace();
    let (major, minor) = device_number(words.next().unwrap_or_default())?;
    let mut figures = BTreeMap::new();
    for (key, value) in words.filter_map(|word| word.split_once('=')) {
        // Further keys are a driver's own, and not always numbers.
        if ["rbytes", "wbytes", "rios", "wios"].contains(&key) {
            figures.insert(key, parse(value)?);
        }
    }
    let get = |key| figures.get(key).copied().unwrap_or(0);
    Ok((!figures.is_empty()).then(|| IoStats {
        major,
        minor,
        read_bytes: get("rbytes"),
        written_bytes: get("wbytes"),
        reads: get("rios"),
        writes: get("wios"),
    }))
}

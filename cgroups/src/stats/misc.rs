//! Resources that a controller only counts: of miscellaneous devices, of device memory, of RDMA.

use crate::Result;
use crate::stats::files::{Files, Reader};
use crate::stats::text::{Parsed, limit_pair, number, rename, slot};
use crate::stats::{Figures, Limit, limit};

/// Resources that are counted by name, from the controllers [`misc`] (`sev`, `sev_es`, `sgx_epc`) and [`dmem`]
/// (regions of device memory, in bytes).
///
/// A name is here once this machine has such a resource.
///
/// [`misc`]: https://docs.kernel.org/admin-guide/cgroup-v2.html#misc
/// [`dmem`]: https://docs.kernel.org/admin-guide/cgroup-v2.html#dmem
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
#[non_exhaustive]
pub struct MiscStats {
    /// How much is in use.
    pub usage: Figures,
    /// The most that ever was (`misc`: Linux 6.11).
    pub max_usage: Figures,
    /// The limits in force.
    pub limits: Figures<Limit>,
    /// How often a limit was hit, by names such as `sev.max` (Linux 5.16); nothing for `dmem`.
    pub events: Figures,
}

/// What is in use of one RDMA device, from the controller [`rdma`].
///
/// [`rdma`]: https://docs.kernel.org/admin-guide/cgroup-v2.html#rdma
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
#[non_exhaustive]
pub struct RdmaStats {
    /// The device, such as `mlx5_0`.
    pub device: String,
    /// How many are in use, by `hca_handle` and `hca_object`.
    pub usage: Figures,
    /// The most that ever were; of late kernels only.
    pub max_usage: Figures,
    /// The limits in force; none where there is no limit at all.
    pub limits: Figures<Limit>,
}

struct Names {
    usage: &'static str,
    max_usage: &'static str,
    limits: &'static str,
    events: Option<&'static str>,
}

const MISC: Names =
    Names { usage: "misc.current", max_usage: "misc.peak", limits: "misc.max", events: Some("misc.events") };
const DMEM: Names = Names { usage: "dmem.current", max_usage: "dmem.peak", limits: "dmem.max", events: None };

pub(crate) fn misc(files: &mut Files, into: &mut Option<MiscStats>) -> Result<()> {
    let found = match files.of("misc", "misc") {
        Some(mut files) => counted(&mut files, &MISC, into.get_or_insert_default())?,
        None => false,
    };
    if !found {
        *into = None;
    }
    Ok(())
}

pub(crate) fn dmem(files: &mut Files, into: &mut Option<MiscStats>) -> Result<()> {
    let found = match files.of("dmem", "dmem") {
        Some(mut files) => counted(&mut files, &DMEM, into.get_or_insert_default())?,
        None => false,
    };
    if !found {
        *into = None;
    }
    Ok(())
}

fn counted(files: &mut Reader<'_>, names: &Names, stats: &mut MiscStats) -> Result<bool> {
    let found = files.figures(names.usage, &mut stats.usage)?;
    files.figures(names.max_usage, &mut stats.max_usage)?;
    let mut limits = stats.limits.refill();
    if let Some(text) = files.text(names.limits)? {
        text.lines(|line| {
            let (name, value) = limit_pair(line)?;
            limits.put(name, value);
            Ok(())
        })?;
    }
    drop(limits);
    if let Some(name) = names.events {
        files.figures(name, &mut stats.events)?;
    }
    Ok(found)
}

pub(crate) fn rdma(files: &mut Files, into: &mut Option<Vec<RdmaStats>>) -> Result<()> {
    let found = match files.of("rdma", "rdma") {
        Some(mut files) => devices(&mut files, into.get_or_insert_default())?,
        None => false,
    };
    if !found {
        *into = None;
    }
    Ok(())
}

/// Reads lines such as `mlx5_0 hca_handle=2 hca_object=max`.
fn devices(files: &mut Reader<'_>, list: &mut Vec<RdmaStats>) -> Result<bool> {
    let mut count = 0;
    let Some(text) = files.text("rdma.current")? else { return Ok(false) };
    text.lines(|line| {
        let (device, rest) = line.split_once(' ').unwrap_or((line, ""));
        let place = slot(list, count);
        rename(&mut place.device, device);
        count += 1;
        fill(rest, &mut place.usage, number)
    })?;
    list.truncate(count);
    further(files, "rdma.peak", list, |device, rest| fill(rest, &mut device.max_usage, number))?;
    further(files, "rdma.max", list, |device, rest| fill(rest, &mut device.limits, limit))?;
    Ok(true)
}

/// Reads more about the devices that are in the list already; nothing is left of what was not told this time.
fn further(
    files: &mut Reader<'_>,
    name: &str,
    list: &mut [RdmaStats],
    mut fill: impl FnMut(&mut RdmaStats, &str) -> Parsed<()>,
) -> Result<()> {
    for device in list.iter_mut() {
        fill(device, "").unwrap_or_default();
    }
    let Some(text) = files.text(name)? else { return Ok(()) };
    text.lines(|line| {
        let (device, rest) = line.split_once(' ').unwrap_or((line, ""));
        list.iter_mut().find(|known| known.device == device).map_or(Ok(()), |known| fill(known, rest))
    })
}

fn fill<T>(words: &str, into: &mut Figures<T>, parse: impl Fn(&str) -> Parsed<T>) -> Parsed<()> {
    let mut into = into.refill();
    for word in words.split_ascii_whitespace() {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        into.put(name, parse(value)?);
    }
    Ok(())
}

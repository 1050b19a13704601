//! The processors and memory nodes that may be used.

use crate::Result;
use crate::stats::files::{Files, Reader};
use crate::stats::text::rename;

/// The processors and memory nodes that may be used: what is left of what was set, after all cgroups above.
///
/// Lists as the kernel writes them, such as `0-3,7`; empty where there are none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
#[non_exhaustive]
pub struct CpusetStats {
    /// The processors.
    pub cpus: String,
    /// The memory nodes.
    pub mems: String,
    /// How often processes had to free memory of their nodes lately, times 1000 per second. Only v1 tells, and only
    /// where `cpuset.memory_pressure_enabled` is set at its root; 0 otherwise.
    pub memory_pressure: Option<u64>,
}

pub(crate) fn read(files: &mut Files, into: &mut Option<CpusetStats>) -> Result<()> {
    let cpuset = into.get_or_insert_default();
    if !from(files, cpuset)? {
        *into = None;
    }
    Ok(())
}

fn from(files: &mut Files, cpuset: &mut CpusetStats) -> Result<bool> {
    let Some(mut files) = files.of("cpuset", "cpuset") else { return Ok(false) };
    if files.is_v2() {
        let found = list(&mut files, "cpuset.cpus.effective", &mut cpuset.cpus)?;
        list(&mut files, "cpuset.mems.effective", &mut cpuset.mems)?;
        return Ok(found);
    }
    // Mounted with the option noprefix, as the cpusets of old were, the names are shorter.
    if list(&mut files, "cpuset.effective_cpus", &mut cpuset.cpus)? {
        list(&mut files, "cpuset.effective_mems", &mut cpuset.mems)?;
        cpuset.memory_pressure = files.number("cpuset.memory_pressure")?;
        return Ok(true);
    }
    let found = list(&mut files, "effective_cpus", &mut cpuset.cpus)?;
    list(&mut files, "effective_mems", &mut cpuset.mems)?;
    cpuset.memory_pressure = files.number("memory_pressure")?;
    Ok(found)
}

fn list(files: &mut Reader<'_>, name: &str, into: &mut String) -> Result<bool> {
    let text = files.text(name)?;
    rename(into, text.as_ref().map_or("", |text| text.content.trim_ascii()));
    Ok(text.is_some())
}

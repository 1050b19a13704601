//! Processors and memory nodes. What is not set is the parent's.

use crate::Result;
use crate::file::Dir;
use crate::resources::Cpuset;

pub(crate) fn set(dir: &Dir, cpuset: &Cpuset) -> Result<()> {
    for (name, value) in [("cpuset.cpus", &cpuset.cpus), ("cpuset.mems", &cpuset.mems)] {
        if let Some(value) = value.as_deref().filter(|value| !value.is_empty()) {
            dir.write(name, value)?;
        }
    }
    Ok(())
}

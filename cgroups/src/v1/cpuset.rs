//! Processors and memory nodes. A new cgroup has neither, and then nothing can enter it.

use crate::Result;
use crate::file::Dir;
use crate::resources::Cpuset;

pub(crate) fn set(dir: &Dir, cpuset: &Cpuset) -> Result<()> {
    for (name, value) in [("cpus", &cpuset.cpus), ("mems", &cpuset.mems)] {
        if let Some(value) = value.as_deref().filter(|value| !value.is_empty()) {
            dir.write(&file(dir, name), value)?;
        }
    }
    Ok(())
}

/// Gives a cgroup that has no processors or memory nodes those of its parent.
pub(crate) fn inherit(parent: &Dir, child: &Dir) -> Result<()> {
    for name in ["cpus", "mems"] {
        let name = file(child, name);
        if child.read(&name)?.trim().is_empty() {
            child.write(&name, parent.read(&name)?.trim())?;
        }
    }
    Ok(())
}

/// Mounted with `noprefix`, as Android does, the files have the old cpuset file system's names.
fn file(dir: &Dir, name: &str) -> String {
    if dir.has(name) { name.to_owned() } else { format!("cpuset.{name}") }
}

//! Processors and memory nodes. What is not set is the parent's.

use crate::adjusted::{Adjusted, Report};
use crate::bandwidth::ancestors;
use crate::cpulist::members;
use crate::file::Dir;
use crate::resources::Cpuset;
use crate::{Error, ErrorKind, Result};

pub(crate) fn set(dir: &Dir, cpuset: &Cpuset, report: &mut Report) -> Result<()> {
    for (name, value) in [("cpuset.cpus", &cpuset.cpus), ("cpuset.mems", &cpuset.mems)] {
        if let Some(value) = value.as_deref().filter(|value| !value.is_empty()) {
            dir.write(name, value)?;
            took(dir, name, value, report)?;
        }
    }
    Ok(())
}

/// The kernel takes any list and leaves out what the parent doesn't have; of nothing it makes everything.
fn took(dir: &Dir, name: &str, value: &str, report: &mut Report) -> Result<()> {
    let file = format!("{name}.effective");
    let Some(text) = dir.read_if_there(&file)? else { return Ok(()) };
    let (Some(wanted), Some(got)) = (members(value), members(&text)) else { return Ok(()) };
    let (text, value) = (text.trim(), value.trim());
    if wanted == got {
        return Ok(());
    }
    if got.is_subset(&wanted) && !got.is_empty() {
        report.push(Adjusted { file: dir.path().join(file), wanted: value.to_owned(), got: text.to_owned() });
        return Ok(());
    }
    let why = match forbids(dir, name, &file, &wanted) {
        Some((parent, list)) => format!("{:?} above it has {list}", parent.path()),
        None => format!("{text} is in force"),
    };
    Err(Error::at(ErrorKind::InvalidInput, format!("set {name} to {value:?} in"), dir.path(), why))
}

/// The nearest cgroup above that was given a list without any of these, or else the parent.
fn forbids(
    dir: &Dir,
    name: &str,
    effective: &str,
    wanted: &std::collections::BTreeSet<u32>,
) -> Option<(Dir, String)> {
    for parent in ancestors(dir, name) {
        let list = parent.read(name).ok()?;
        if members(&list).is_some_and(|members| !members.is_empty() && members.is_disjoint(wanted)) {
            return Some((parent, list.trim().to_owned()));
        }
    }
    let parent = ancestors(dir, effective).next()?;
    let list = parent.read(effective).ok()?.trim().to_owned();
    Some((parent, list))
}

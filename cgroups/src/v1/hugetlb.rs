//! Memory in huge pages.

use std::fs;

use nix::errno::Errno;

use crate::adjusted::{self, Report};
use crate::file::Dir;
use crate::resources::HugepageLimit;
use crate::{Error, ErrorKind, Result};

pub(crate) fn set(dir: &Dir, limits: &[HugepageLimit], report: &mut Report) -> Result<()> {
    let names = Names { limit: "limit_in_bytes", usage: "usage_in_bytes" };
    limits.iter().try_for_each(|limit| names.set(dir, limit, report))
}

/// How the files' names end on one version of cgroups.
pub(crate) struct Names {
    pub(crate) limit: &'static str,
    pub(crate) usage: &'static str,
}

impl Names {
    pub(crate) fn set(&self, dir: &Dir, limit: &HugepageLimit, report: &mut Report) -> Result<()> {
        let size = &limit.page_size;
        let used = format!("hugetlb.{size}.{}", self.limit);
        let reserved = format!("hugetlb.{size}.rsvd.{}", self.limit);
        let value = limit.limit.to_string();
        dir.write(&used, &value).map_err(|e| refused(dir, &format!("hugetlb.{size}.{}", self.usage), e))?;
        adjusted::unsigned_bytes(dir, &used, limit.limit, limit.page_bytes(), report)?;
        match dir.write(&reserved, &value) {
            // Linux 5.7 has it first, and then one limit is all there is.
            Err(e) if e.is(Errno::ENOENT) => Ok(()),
            result => result.map_err(|e| refused(dir, &format!("hugetlb.{size}.rsvd.{}", self.usage), e)),
        }
    }
}

fn refused(dir: &Dir, usage: &str, error: Error) -> Error {
    if error.is(Errno::ENOENT) && dir.has("cgroup.procs") {
        let sizes = sizes();
        return error
            .note(format!("pages of this machine: {}", if sizes.is_empty() { "none" } else { &sizes }));
    }
    match dir.number(usage) {
        Ok(Some(usage)) if error.is(Errno::EBUSY) => {
            error.note(format_args!("{usage} bytes are in use")).kind_is(ErrorKind::Busy)
        }
        _ => error,
    }
}

/// The sizes of huge pages, as the files name them: in the largest unit, where the directories count in kB.
fn sizes() -> String {
    let Ok(entries) = fs::read_dir("/sys/kernel/mm/hugepages") else { return String::new() };
    let names = entries.filter_map(|entry| {
        let name = entry.ok()?.file_name().into_string().ok()?;
        name.strip_prefix("hugepages-")?.strip_suffix("kB")?.parse().ok().map(size)
    });
    let mut names: Vec<String> = names.collect();
    names.sort();
    names.join(", ")
}

fn size(kilobytes: u64) -> String {
    match kilobytes {
        n if n >= 1 << 20 => format!("{}GB", n >> 20),
        n if n >= 1 << 10 => format!("{}MB", n >> 10),
        n => format!("{n}KB"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_size_is_named_in_its_largest_unit() {
        let names = [(64, "64KB"), (2048, "2MB"), (32_768, "32MB"), (1 << 20, "1GB"), (16 << 20, "16GB")];
        for (kilobytes, name) in names {
            assert_eq!(size(kilobytes), name);
        }
    }
}

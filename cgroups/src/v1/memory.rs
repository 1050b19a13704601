//! Memory, and memory and swap together.

use nix::errno::Errno;

use crate::adjusted::{self, Report};
use crate::file::Dir;
use crate::resources::{Memory, invalid};
use crate::{Error, ErrorKind, Result};

const LIMIT: &str = "memory.limit_in_bytes";
const USAGE: &str = "memory.usage_in_bytes";
const BOTH_LIMIT: &str = "memory.memsw.limit_in_bytes";
const RESERVATION: &str = "memory.soft_limit_in_bytes";
const KERNEL: &str = "memory.kmem.limit_in_bytes";
const KERNEL_TCP: &str = "memory.kmem.tcp.limit_in_bytes";
const BOTH_USAGE: &str = "memory.memsw.usage_in_bytes";

pub(crate) fn set(dir: &Dir, memory: &Memory, report: &mut Report) -> Result<()> {
    let limit = memory.limit.filter(|&n| n != 0);
    let mut both = memory.swap.filter(|&n| n != 0);
    if let (Some(limit), Some(both)) = (limit, both)
        && (0..limit).contains(&both)
    {
        let why = format!("memory and swap together, below memory.limit {limit}");
        return Err(invalid("memory.swap", both, why));
    }
    if let Some(wanted) = memory.use_hierarchy {
        use_hierarchy(dir, wanted)?;
    }
    set_kernel(dir, memory, report)?;
    // A limit of memory and swap would keep memory from being unlimited.
    if limit == Some(-1) && both.is_none() {
        both = Some(-1);
    }
    // Without swap accounting there is no such file, and no such limit either.
    let both = both.filter(|&n| n != -1 || dir.has(BOTH_LIMIT));
    let given = [(LIMIT, limit), (BOTH_LIMIT, both)];
    let values: Vec<_> =
        given.iter().filter_map(|(name, n)| Some((*name, n.as_ref()?.to_string()))).collect();
    // Memory may never exceed memory and swap: which goes first depends on what is in force.
    dir.write_all(&values).map_err(|e| refused(dir, e))?;
    let reservation = memory.reservation.filter(|&n| n != 0);
    if let Some(reservation) = reservation {
        dir.write(RESERVATION, &reservation.to_string())?;
    }
    for (name, wanted) in given.into_iter().chain([(RESERVATION, reservation)]) {
        if let Some(wanted) = wanted {
            adjusted::bytes(dir, name, wanted, None, report)?;
        }
    }
    if let Some(swappiness) = memory.swappiness {
        dir.write("memory.swappiness", &swappiness.to_string())?;
    }
    if let Some(disable) = memory.disable_oom_killer {
        dir.write("memory.oom_control", if disable { "1" } else { "0" })?;
    }
    Ok(())
}

/// Since Linux 5.11 every cgroup counts what is below, and takes no other word for it.
fn use_hierarchy(dir: &Dir, wanted: bool) -> Result<()> {
    let name = "memory.use_hierarchy";
    if dir.number(name)? == Some(u64::from(wanted)) {
        return Ok(());
    }
    dir.write(name, if wanted { "1" } else { "0" }).map_err(|e| {
        let note = "it is as its parent says, and since Linux 5.11 always on";
        e.note(note).kind_is(ErrorKind::Unsupported)
    })
}

fn set_kernel(dir: &Dir, memory: &Memory, report: &mut Report) -> Result<()> {
    if let Some(kernel) = memory.kernel.filter(|&n| n != 0) {
        match dir.write(KERNEL, &kernel.to_string()) {
            // Where there is no such limit, none is what there is.
            Err(e) if kernel == -1 && (e.is(Errno::EOPNOTSUPP) || e.is(Errno::ENOENT)) => {}
            Err(e) => return Err(refused(dir, e)),
            // Newer kernels take it and forget it.
            Ok(()) if kernel != -1 => adjusted::number(dir, KERNEL, kernel as u64, report)?,
            Ok(()) => {}
        }
    }
    if let Some(tcp) = memory.kernel_tcp.filter(|&n| n != 0) {
        dir.write(KERNEL_TCP, &tcp.to_string()).map_err(|e| refused(dir, e))?;
        adjusted::bytes(dir, KERNEL_TCP, tcp, None, report)?;
    }
    Ok(())
}

/// The kernel refuses with no more than EBUSY a limit below what is in use, and with EINVAL memory above memory and
/// swap.
fn refused(dir: &Dir, error: Error) -> Error {
    let name = error.file_name().to_owned();
    if error.is(Errno::EBUSY) {
        let (usage, peak) = match name.as_str() {
            BOTH_LIMIT => (BOTH_USAGE, "memory.memsw.max_usage_in_bytes"),
            KERNEL_TCP => ("memory.kmem.tcp.usage_in_bytes", "memory.kmem.tcp.max_usage_in_bytes"),
            KERNEL => ("memory.kmem.usage_in_bytes", "memory.kmem.max_usage_in_bytes"),
            _ => (USAGE, "memory.max_usage_in_bytes"),
        };
        return match (dir.number(usage), dir.number(peak)) {
            (Ok(Some(usage)), Ok(Some(peak))) => {
                error.note(format_args!("at the peak {peak} bytes were, and now {usage} bytes are in use"))
            }
            _ => error,
        };
    }
    let other = if name == LIMIT { BOTH_LIMIT } else { LIMIT };
    match dir.read(other) {
        Ok(text) if error.is(Errno::EINVAL) && [LIMIT, BOTH_LIMIT].contains(&name.as_str()) => {
            let text = text.trim();
            error.note(format_args!("memory may not exceed memory and swap, and {other} is {text}"))
        }
        _ => error,
    }
}

//! How many processes and threads.

use crate::Result;
use crate::file::Dir;
use crate::resources::Pids;

pub(crate) fn set(dir: &Dir, pids: &Pids) -> Result<()> {
    match pids.limit {
        Some(-1) => dir.write("pids.max", "max"),
        Some(limit) => dir.write("pids.max", &limit.to_string()),
        None => Ok(()),
    }
}

//! What some machines have a few of; v1 has the same file.

use std::collections::BTreeMap;

use nix::errno::Errno;

use crate::Result;
use crate::file::Dir;

pub(crate) fn set(dir: &Dir, limits: &BTreeMap<String, i64>) -> Result<()> {
    for (name, &limit) in limits {
        let limit = if limit == -1 { "max".to_owned() } else { limit.to_string() };
        dir.write("misc.max", &format!("{name} {limit}")).map_err(|e| {
            e.note_on(Errno::EINVAL, "the machine has none of it: see misc.capacity in the root")
        })?;
    }
    Ok(())
}

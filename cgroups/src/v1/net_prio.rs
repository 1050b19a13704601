//! The priority of what goes out by an interface.

use nix::errno::Errno;

use crate::Result;
use crate::file::Dir;
use crate::resources::InterfacePriority;

pub(crate) fn set(dir: &Dir, priorities: &[InterfacePriority]) -> Result<()> {
    for one in priorities {
        // One interface a write.
        let line = format!("{} {}", one.name, one.priority);
        dir.write("net_prio.ifpriomap", &line)
            .map_err(|e| e.note_on(Errno::ENODEV, "there is no such interface in this network namespace"))?;
    }
    Ok(())
}

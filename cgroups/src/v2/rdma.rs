//! Remote memory access; v1 has the same file.

use std::collections::BTreeMap;

use nix::errno::Errno;

use crate::Result;
use crate::file::Dir;
use crate::resources::Rdma;

pub(crate) fn set(dir: &Dir, devices: &BTreeMap<String, Rdma>) -> Result<()> {
    for line in devices.iter().filter_map(|(name, device)| device.line(name)) {
        dir.write("rdma.max", &line).map_err(|e| e.note_on(Errno::ENODEV, "there is no such RDMA device"))?;
    }
    Ok(())
}

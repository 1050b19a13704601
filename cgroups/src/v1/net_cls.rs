//! The mark by which filters know the traffic.

use crate::Result;
use crate::file::Dir;

pub(crate) fn set(dir: &Dir, class: u32) -> Result<()> {
    dir.write("net_cls.classid", &class.to_string())
}

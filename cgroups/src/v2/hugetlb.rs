//! Memory in huge pages.

use crate::Result;
use crate::adjusted::Report;
use crate::file::Dir;
use crate::resources::HugepageLimit;
use crate::v1::hugetlb::Names;

pub(crate) fn set(dir: &Dir, limits: &[HugepageLimit], report: &mut Report) -> Result<()> {
    let names = Names { limit: "max", usage: "current" };
    limits.iter().try_for_each(|limit| names.set(dir, limit, report))
}

//! What the driver needs of a cgroup beyond what everyone does.

use std::path::Path;

use crate::active::Active;
use crate::cgroup::has_controller;
use crate::file::{Dir, children};
use crate::hierarchy::{Hierarchy, beneath, checked, join};
use crate::nested::may_be_passed_over;
use crate::{Cgroup, Hierarchies, Limit, Resources, Result, v2};

impl Cgroup {
    /// Takes a cgroup that somebody else made as it is, inhabited or not, and makes it where they didn't, as far as
    /// an ordinary user may.
    pub(crate) fn adopt(hierarchies: &Hierarchies, path: &Path, as_user: bool) -> Result<Active> {
        let mut active = Active::new();
        for hierarchy in hierarchies.iter() {
            // systemd counts from the root of the machine, or of the cgroup namespace.
            let relative = checked(beneath(&hierarchy.root, path).unwrap_or(path))?;
            let there = join(&hierarchy.mount_point, &relative);
            match Dir::open(&there) {
                Ok(_) => {
                    if hierarchy.is_v2() {
                        hand_down(&mut active, hierarchy, &relative)?;
                    }
                    active.cgroup.paths.insert(hierarchy.key.clone(), there);
                }
                Err(e) if e.is_gone() => {
                    let mark = active.mark();
                    match active.make(hierarchy, &relative) {
                        Err(e) if as_user && may_be_passed_over(&e) => active.pass_over(mark, hierarchy, &e),
                        result => result?,
                    }
                }
                Err(e) => return Err(e),
            }
        }
        Ok(active)
    }

    /// Refuses a memory limit below what is in use, if that is wanted: systemd sets it, and asks nobody.
    pub(crate) fn check_before_update(&self, resources: &Resources) -> Result<()> {
        let memory = resources.memory.as_ref().filter(|memory| memory.check_before_update);
        match (memory, self.v2()?) {
            (Some(memory), Some(dir)) => v2::memory::check(&dir, memory),
            _ => Ok(()),
        }
    }

    /// The quota and the period in force, and whether the cgroup is idle.
    pub(crate) fn cpu_in_force(&self) -> Result<(Option<u64>, Option<u64>, bool)> {
        if let Some(dir) = self.v1("cpu")? {
            // Without a quota there stands -1.
            let text = dir.read_if_there("cpu.cfs_quota_us")?.unwrap_or_default();
            return Ok((text.trim().parse().ok(), dir.number("cpu.cfs_period_us")?, false));
        }
        let Some(dir) = self.v2()? else { return Ok((None, None, false)) };
        if !has_controller(&dir, "cpu")? {
            return Ok((None, None, false));
        }
        let text = dir.read_if_there("cpu.max")?.unwrap_or_default();
        let mut words = text.split_whitespace().map(|word| word.parse().ok());
        let (quota, period) = (words.next().flatten(), words.next().flatten());
        Ok((quota, period, dir.number("cpu.idle")? == Some(1)))
    }

    /// The limit of memory in force on v2, by which swap is told from memory and swap.
    pub(crate) fn memory_in_force(&self) -> Result<Option<u64>> {
        let limit = self.v2()?.map_or(Ok(None), |dir| dir.limit("memory.max"))?;
        Ok(limit.and_then(|limit| if let Limit::At(limit) = limit { Some(limit) } else { None }))
    }

    /// Whether weights of block devices are those of BFQ on v2.
    pub(crate) fn has_bfq(&self) -> Result<bool> {
        Ok(self.v2()?.is_some_and(|dir| dir.has("io.bfq.weight")))
    }

    /// The same before the cgroup exists, by the files of those that do: the root has no weight.
    pub(crate) fn weights_are_bfq(hierarchies: &Hierarchies) -> bool {
        let mut below =
            hierarchies.iter().filter_map(|hierarchy| children(&hierarchy.mount_point).ok()).flatten();
        below.any(|path| path.join("io.bfq.weight").exists())
    }
}

/// Hands the controllers that systemd doesn't know (hugetlb, rdma, misc) down to the unit, beside those that it does.
///
/// What can't be handed down is no failure until a resource needs it.
fn hand_down(active: &mut Active, hierarchy: &Hierarchy, relative: &Path) -> Result<()> {
    let mut dir = Dir::open(&hierarchy.mount_point)?;
    for name in relative {
        v2::core::enable(&dir, &mut active.cgroup.refused)?;
        dir = dir.beneath(Path::new(name))?;
    }
    Ok(())
}

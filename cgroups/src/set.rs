//! Limits of a cgroup: each to the place of its controller.

use crate::adjusted::{self, Report};
use crate::cgroup::{Place, has_controller};
use crate::resources::Network;
use crate::{Adjusted, Cgroup, Resources, Result, v1, v2};

impl Cgroup {
    /// Sets limits; what is not given stays as it is.
    ///
    /// Limits that constrain one another (memory and swap, quota and burst) are written in the order that the kernel
    /// takes. If one can't be set, those before it are.
    ///
    /// Returns what the kernel rounded, which for most limits is nothing: see [`Adjusted`].
    ///
    /// # Errors
    ///
    /// [`NoController`](crate::ErrorKind::NoController) names a controller that is not there,
    /// [`Unsupported`](crate::ErrorKind::Unsupported) what this version of cgroups or this kernel can't do,
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) a value that the kernel refuses or makes another of, and the
    /// parent that forbids it, [`Busy`](crate::ErrorKind::Busy) a limit below what is in use.
    pub fn set(&self, resources: &Resources) -> Result<Vec<Adjusted>> {
        resources.check()?;
        let mut report = Report::new();
        if let Some(cpu) = given(resources.cpu.as_ref()) {
            match self.place("cpu")? {
                Place::V1(dir) => v1::cpu::set(&dir, cpu)?,
                Place::V2(dir) => v2::cpu::set(&dir, cpu)?,
            }
        }
        if let Some(memory) = given(resources.memory.as_ref()) {
            match self.place("memory")? {
                Place::V1(dir) => v1::memory::set(&dir, memory, &mut report)?,
                Place::V2(dir) => v2::memory::set(&dir, memory, &mut report)?,
            }
        }
        if let Some(pids) = given(resources.pids.as_ref()) {
            match self.place("pids")? {
                Place::V1(dir) => v1::pids::set(&dir, pids)?,
                Place::V2(dir) => v2::pids::set(&dir, pids)?,
            }
        }
        if let Some(cpuset) = given(resources.cpuset.as_ref()) {
            match self.place("cpuset")? {
                Place::V1(dir) => v1::cpuset::set(&dir, cpuset)?,
                Place::V2(dir) => v2::cpuset::set(&dir, cpuset, &mut report)?,
            }
        }
        if let Some(io) = given(resources.block_io.as_ref()) {
            match self.place_named("blkio", "io")? {
                Place::V1(dir) => v1::blkio::set(&dir, io)?,
                Place::V2(dir) => v2::io::set(&dir, io)?,
            }
        }
        if !resources.hugepage_limits.is_empty() {
            match self.place("hugetlb")? {
                Place::V1(dir) => v1::hugetlb::set(&dir, &resources.hugepage_limits, &mut report)?,
                Place::V2(dir) => v2::hugetlb::set(&dir, &resources.hugepage_limits, &mut report)?,
            }
        }
        // The same files on both versions.
        if !resources.rdma.is_empty() {
            v2::rdma::set(self.place("rdma")?.dir(), &resources.rdma)?;
        }
        if !resources.misc.is_empty() {
            v2::misc::set(self.place("misc")?.dir(), &resources.misc)?;
        }
        if let Some(network) = given(resources.network.as_ref()) {
            self.set_network(network)?;
        }
        for (key, value) in &resources.unified {
            self.set_unified(key, value, &mut report)?;
        }
        Ok(report)
    }

    fn set_network(&self, network: &Network) -> Result<()> {
        let only = "only cgroup v1 has it, and there no mounted hierarchy";
        match (self.v1("net_cls")?, network.class_id) {
            (Some(dir), Some(class)) => v1::net_cls::set(&dir, class)?,
            (None, Some(class)) if class != 0 => return Err(self.missing("net_cls", only)),
            _ => {}
        }
        if network.priorities.is_empty() {
            return Ok(());
        }
        let dir = self.v1("net_prio")?.ok_or_else(|| self.missing("net_prio", only))?;
        v1::net_prio::set(&dir, &network.priorities)
    }

    fn set_unified(&self, key: &str, value: &str, report: &mut Report) -> Result<()> {
        let controller = key.split('.').next().unwrap_or_default();
        let Some(dir) = self.v2()? else { return Err(self.missing(controller, "there is no v2 hierarchy")) };
        if controller != "cgroup" && !has_controller(&dir, controller)? {
            return Err(self.missing(controller, &v2::core::not_here(&dir, controller)));
        }
        // Files such as io.max take one device at a time. Nothing is a value too: it clears a list.
        let nothing = value.is_empty().then_some("");
        value.lines().chain(nothing).try_for_each(|line| dir.write(key, line))?;
        adjusted::text(&dir, key, value, report);
        Ok(())
    }
}

/// What asks for something.
fn given<T: Default + PartialEq>(part: Option<&T>) -> Option<&T> {
    part.filter(|part| **part != T::default())
}

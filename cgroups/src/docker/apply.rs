//! All of it at once: the cgroup, its limits, and the process in it.

use std::fs;
use std::path::Path;

use super::{Cgroup, FreezerState};
use crate::resources::invalid;
#[cfg(feature = "systemd")]
use crate::{
    Driver, ErrorKind,
    systemd::{Systemd, Unit},
};
use crate::{Hierarchies, Manager, Resources, Result};

impl Cgroup {
    /// Makes the cgroup, sets its limits and devices, and moves a process into it: by systemd where that runs the
    /// machine (with the feature `systemd`), else by the files.
    ///
    /// Where systemd doesn't answer, as in a container, it is done by the files. A limit on swap that wasn't given
    /// (twice the memory) is not set where the kernel doesn't count swap.
    ///
    /// Unlike in 2014, an error leaves nothing: no cgroup, and the process where it was. [`Manager::remove`] is the
    /// `Cleanup` of then.
    ///
    /// # Errors
    ///
    /// Those of [`resources`](Cgroup::resources), [`path`](Cgroup::path), [`Manager::apply`],
    /// [`set_devices`](crate::Cgroup::set_devices) and [`freeze`](crate::Cgroup::freeze);
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) if the caller itself is to be frozen.
    #[doc(alias = "Apply")]
    pub fn apply(&self, pid: u32) -> Result<Manager> {
        #[cfg(feature = "systemd")]
        match Systemd::detect() {
            Ok(Some(systemd)) => return self.apply_systemd(systemd, pid),
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        self.apply_raw(pid)
    }

    /// Does what [`apply`](Cgroup::apply) does by the files, whatever runs the machine. The process comes in last,
    /// when everything is set.
    ///
    /// # Errors
    ///
    /// Those of [`apply`](Cgroup::apply).
    #[doc(alias = "fs.Apply")]
    pub fn apply_raw(&self, pid: u32) -> Result<Manager> {
        let (path, hierarchies) = (self.path()?, Hierarchies::detect()?);
        let resources = self.resources_for(&hierarchies, pid)?;
        let active = crate::Cgroup::create(&hierarchies, path)?;
        active.set(&resources)?;
        if let Some(rules) = self.device_rules() {
            active.set_devices(&rules)?;
        }
        let before = place_of(pid);
        active.add(pid)?;
        self.freeze(&active).inspect_err(|_| crate::cgroup::put_back(&before, pid))?;
        Ok(Manager::of(active.commit()))
    }

    /// Does what [`apply`](Cgroup::apply) does as a scope of this systemd, in the slice that is wanted.
    ///
    /// # Errors
    ///
    /// Those of [`apply`](Cgroup::apply) and [`unit_name`](Cgroup::unit_name).
    #[cfg(feature = "systemd")]
    #[doc(alias = "systemd.Apply")]
    pub fn apply_systemd(&self, systemd: Systemd, pid: u32) -> Result<Manager> {
        let mut unit = Unit::scope(self.unit_name()?)?.description(format!("docker container {}", self.name));
        if !self.slice.is_empty() {
            unit = unit.in_slice(self.slice.as_str())?;
        }
        let hierarchies = Hierarchies::detect()?;
        let resources = self.resources_for(&hierarchies, pid)?;
        let before = place_of(pid);
        let driver = Driver::Systemd(systemd, Box::new(unit));
        let manager = Manager::apply(&hierarchies, driver, pid, &resources)?;
        let devices = self.device_rules().map_or(Ok(()), |rules| manager.set_devices(&rules));
        devices.and_then(|()| self.freeze(&manager)).map_err(|error| {
            crate::cgroup::put_back(&before, pid);
            match manager.remove() {
                Ok(()) => error,
                Err(left) => error.note(left),
            }
        })?;
        Ok(manager)
    }

    /// The limits as this machine can have them, once it is clear that the call comes to an end.
    fn resources_for(&self, hierarchies: &Hierarchies, pid: u32) -> Result<Resources> {
        if self.freezer == FreezerState::Frozen && pid == std::process::id() {
            return Err(invalid("freezer", "FROZEN", "it would stop the caller, in the middle of this"));
        }
        let mut resources = self.resources()?;
        if self.memory_swap == 0 && !counts_swap(hierarchies) {
            resources.memory.get_or_insert_default().swap = None;
        }
        Ok(resources)
    }

    fn freeze(&self, cgroup: &crate::Cgroup) -> Result<()> {
        match self.freezer {
            FreezerState::Undefined => Ok(()),
            FreezerState::Frozen => cgroup.freeze(),
            FreezerState::Thawed => cgroup.thaw(),
        }
    }
}

/// Whether there is a limit on swap: a v1 kernel may be told at its start to have none.
fn counts_swap(hierarchies: &Hierarchies) -> bool {
    let v1 = hierarchies.mount_point("memory").is_ok_and(|dir| {
        dir.join("memory.limit_in_bytes").exists() && !dir.join("memory.memsw.limit_in_bytes").exists()
    });
    !v1 && Path::new("/proc/swaps").exists()
}

/// Where a process is before it is moved; an empty text for one that there isn't, which is told later.
fn place_of(pid: u32) -> Vec<u8> {
    fs::read(format!("/proc/{pid}/cgroup")).unwrap_or_default()
}

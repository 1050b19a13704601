//! A unit of systemd's together with the files of its cgroup.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::devices::device_properties;
use super::manager::Systemd;
use super::name::{checked, is_slice};
use super::properties::{Present, Translation};
use super::undo::Moved;
use super::unit::Unit;
use super::value::Value;
use crate::active::Active;
use crate::migrate::Held;
use crate::{Adjusted, Cgroup, DeviceRule, Error, ErrorKind, Hierarchies, Layout, Resources, Result};

/// The unit that a cgroup is.
#[derive(Debug, Clone)]
pub(crate) struct Managed {
    systemd: Systemd,
    name: String,
    layout: Layout,
}

impl Managed {
    /// Starts a unit around a process, makes the cgroup where systemd didn't, and writes the limits.
    pub(crate) fn start(
        hierarchies: &Hierarchies,
        systemd: Systemd,
        unit: Unit,
        pid: u32,
        resources: &Resources,
    ) -> Result<(Cgroup, Managed, Vec<Adjusted>)> {
        let layout = hierarchies.layout();
        let mut present = Present::new(systemd.version(), layout);
        if layout == Layout::V2 && resources.block_io.is_some() {
            present.bfq = Cgroup::weights_are_bfq(hierarchies);
        }
        let said = Translation::new(resources, &present)?;
        let unit = unit.pid(pid).limits(said.properties);
        let moved = Moved::of(unit.pids());
        let new = systemd.make(&unit)?;
        let made = Managed { systemd, name: unit.name().to_owned(), layout };
        match made.join(hierarchies, pid, &said.resources, &moved) {
            Ok((cgroup, mut adjusted)) => {
                adjusted.extend(within(&cgroup, said.adjusted));
                Ok((cgroup, made, adjusted))
            }
            Err(error) if new => Err(made.systemd.undo(&made.name, &moved, error)),
            // A slice that was there already has others in it, or will have.
            Err(error) => Err(error),
        }
    }

    pub(crate) fn open(systemd: Systemd, unit: &str, paths: &BTreeMap<String, PathBuf>) -> Result<Managed> {
        checked(unit)?;
        let layout = match (paths.contains_key(""), paths.keys().any(|key| !key.is_empty())) {
            (true, false) => Layout::V2,
            (true, true) => Layout::Hybrid,
            (false, _) => Layout::V1,
        };
        Ok(Managed { systemd, name: unit.to_owned(), layout })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn set(&self, cgroup: &Cgroup, resources: &Resources) -> Result<Vec<Adjusted>> {
        resources.check()?;
        cgroup.check_before_update(resources)?;
        let said = Translation::new(resources, &self.present(cgroup)?)?;
        // On v1 systemd writes the device rules anew with any property: closed at first, then open.
        let rewrites = self.has_device_rules();
        self.quietly(cgroup, rewrites, || self.systemd.set_properties(&self.name, &said.properties))?;
        let mut adjusted = cgroup.set(&said.resources)?;
        adjusted.extend(within(cgroup, said.adjusted));
        Ok(adjusted)
    }

    pub(crate) fn set_devices(&self, cgroup: &Cgroup, rules: &[DeviceRule]) -> Result<()> {
        let properties = device_properties(rules, self.systemd.version());
        let open = Value::from("auto");
        let closes = properties.iter().any(|property| property.name == POLICY && property.value != open);
        self.quietly(cgroup, closes || self.has_device_rules(), || {
            self.systemd.set_properties(&self.name, &properties)?;
            cgroup.set_devices(rules)
        })
    }

    /// Moves a process into the unit; what a user may not do, their systemd may.
    pub(crate) fn add(&self, cgroup: &Cgroup, pid: u32) -> Result<()> {
        match cgroup.add(pid) {
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                let attached = self.systemd.attach(&self.name, "/", &[pid]);
                attached.map_err(|refused| error.note(refused))
            }
            result => result,
        }
    }

    /// Stops the unit, in which no process is left, and makes systemd forget it.
    pub(crate) fn stop(&self, cgroup: &Cgroup) -> Result<()> {
        // Of this name there may be another one by now, with somebody else's processes in it.
        let ours = self.systemd.control_group(&self.name)?.is_none_or(|path| is_of(cgroup, &path));
        if !ours {
            clear_slices(cgroup);
            return Ok(());
        }
        self.systemd.stop(&self.name)?;
        // Before it was stopped, systemd may have made again what was removed by hand.
        cgroup.remove()?;
        clear_slices(cgroup);
        self.systemd.reset_failed(&self.name)
    }

    /// Makes the cgroup where systemd didn't, puts the process there, and writes the limits.
    fn join(
        &self,
        hierarchies: &Hierarchies,
        pid: u32,
        resources: &Resources,
        moved: &Moved,
    ) -> Result<(Cgroup, Vec<Adjusted>)> {
        let path = self.systemd.control_group(&self.name)?.ok_or_else(|| {
            let why =
                format!("find cgroup of systemd unit {:?}: it has none; has its process ended?", self.name);
            Error::new(ErrorKind::NotFound, why)
        })?;
        let active = Cgroup::adopt(hierarchies, &path, self.systemd.is_user())?;
        match self.fill(&active, pid, resources) {
            Ok(adjusted) => Ok((active.commit(), adjusted)),
            Err(error) => {
                // First, for what was made here can't go while the process is in it.
                moved.put_back(active.all_pids().unwrap_or_default());
                Err(error)
            }
        }
    }

    fn fill(&self, active: &Active, pid: u32, resources: &Resources) -> Result<Vec<Adjusted>> {
        // A slice holds scopes, and no process.
        if !is_slice(&self.name) {
            self.add(active, pid)?;
        }
        active.set(resources)
    }

    fn present(&self, cgroup: &Cgroup) -> Result<Present> {
        let (quota, period, idle) = cgroup.cpu_in_force()?;
        let mut present = Present::new(self.systemd.version(), self.layout);
        present.creating = false;
        (present.quota, present.period, present.idle) = (quota, period, idle);
        present.memory = cgroup.memory_in_force()?;
        if self.layout == Layout::V2 {
            present.bfq = cgroup.has_bfq()?;
        }
        Ok(present)
    }

    /// Whether systemd has device rules of this unit, to write them again.
    fn has_device_rules(&self) -> bool {
        let open = |policy: Value| policy.as_str() == Some("auto");
        self.layout != Layout::V2 && !self.systemd.property(&self.name, POLICY).is_ok_and(open)
    }

    /// Does something while nobody inside can notice.
    fn quietly(&self, cgroup: &Cgroup, needed: bool, action: impl FnOnce() -> Result<()>) -> Result<()> {
        // Frozen by somebody else it stays so; and whoever freezes themselves never goes on.
        let own = std::process::id();
        let freeze = needed
            && self.layout != Layout::V2
            && !cgroup.frozen().unwrap_or(true)
            && !cgroup.all_pids()?.contains(&own);
        if !freeze {
            return action();
        }
        cgroup.freeze()?;
        let held = Held(cgroup);
        let done = action();
        std::mem::forget(held);
        done.and(cgroup.thaw())
    }
}

/// Tells whether a unit's cgroup, from the root of what systemd manages, is this one.
fn is_of(cgroup: &Cgroup, path: &Path) -> bool {
    let relative = path.strip_prefix("/").unwrap_or(path);
    cgroup.paths().values().any(|whole| whole.ends_with(relative))
}

const POLICY: &str = "DevicePolicy";

/// Where systemd keeps limits of slices.
const SYSTEMDS: [&str; 6] = ["blkio", "cpu", "devices", "memory", "name=systemd", "pids"];

/// Removes the slices that were made by hand for the unit, where systemd makes none and nothing is in them any more.
fn clear_slices(cgroup: &Cgroup) {
    let by_hand = |key: &str| !key.is_empty() && !key.split(',').any(|word| SYSTEMDS.contains(&word));
    for (_, path) in cgroup.paths().iter().filter(|(key, _)| by_hand(key)) {
        for slice in
            path.ancestors().skip(1).take_while(|path| path.extension().is_some_and(|end| end == "slice"))
        {
            // It may be others' parent too; then it is theirs.
            if std::fs::remove_dir(slice).is_err() {
                break;
            }
        }
    }
}

/// Puts the directory before the names of control files; properties keep their names.
fn within(cgroup: &Cgroup, adjusted: Vec<Adjusted>) -> impl Iterator<Item = Adjusted> {
    adjusted.into_iter().map(|mut adjusted| {
        if let Some(directory) = adjusted.file.to_str().and_then(|name| directory(cgroup, name)) {
            adjusted.file = directory.join(&adjusted.file);
        }
        adjusted
    })
}

fn directory<'a>(cgroup: &'a Cgroup, file: &str) -> Option<&'a Path> {
    let (controller, _) = file.split_once('.')?;
    let v1 = cgroup.paths().iter().find(|(key, _)| key.split(',').any(|word| word == controller));
    v1.map(|(_, path)| path).or(cgroup.paths().get("")).map(PathBuf::as_path)
}

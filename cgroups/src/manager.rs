//! A cgroup together with whoever makes and limits it: the files alone, or systemd before them.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::path::{Path, PathBuf};

use crate::{Adjusted, Cgroup, DeviceRule, Hierarchies, Resources, Result};
#[cfg(feature = "systemd")]
use crate::{
    Layout,
    systemd::{Present, Systemd, Translation, Unit, device_properties},
};

/// Who makes a cgroup, and where.
#[derive(Debug)]
#[non_exhaustive]
pub enum Driver {
    /// This process, by the files; the path begins at the root of each hierarchy, as for [`Cgroup::create`].
    Raw(PathBuf),
    /// systemd, as a unit.
    #[cfg(feature = "systemd")]
    Systemd(Systemd, Box<Unit>),
}

/// A cgroup that is limited by the way it was made.
///
/// It is a [`Cgroup`], with everything that one can do, except that [`set`](Manager::set),
/// [`set_devices`](Manager::set_devices) and [`remove`](Manager::remove) tell systemd first where systemd made it.
/// Otherwise systemd would put back what it knows when its units are reloaded. What systemd has no word for is then
/// written to the files, which is why both are one type: each limit takes effect whoever made the cgroup.
///
/// Dropping it does nothing; [`open`](Manager::open) takes it up again in another process.
///
/// ```no_run
/// # #[cfg(feature = "systemd")] {
/// use cgroups::{Driver, Hierarchies, Manager, Resources};
/// use cgroups::systemd::{Systemd, Unit};
///
/// let pid = std::process::id();
/// let driver = match Systemd::detect()? {
///     Some(systemd) => Driver::Systemd(systemd, Box::new(Unit::scope("job-1.scope")?)),
///     None => Driver::Raw("jobs/1".into()),
/// };
/// let mut limits = Resources::default();
/// limits.memory.get_or_insert_default().limit = Some(64 << 20);
/// let job = Manager::apply(&Hierarchies::detect()?, driver, pid, &limits)?;
/// println!("{:?}", job.stats()?.memory);
/// # }
/// # Ok::<(), cgroups::Error>(())
/// ```
#[derive(Debug)]
#[doc(alias = "ActiveCgroup")]
pub struct Manager {
    cgroup: Cgroup,
    #[cfg(feature = "systemd")]
    unit: Option<Managed>,
}

/// The unit that a cgroup is.
#[cfg(feature = "systemd")]
#[derive(Debug)]
struct Managed {
    systemd: Systemd,
    name: String,
    layout: Layout,
}

impl Manager {
    /// Makes a cgroup in every hierarchy, limits it, and moves a process into it.
    ///
    /// A scope of systemd's is made around the process, so that it is limited from the first moment. In hierarchies
    /// that systemd does nothing in (cpuset, freezer and others of v1) the same path is made by hand, and controllers
    /// of v2 that systemd doesn't know are handed down beside its own.
    ///
    /// # Errors
    ///
    /// Those of [`Cgroup::create`], [`Cgroup::set`] and [`Cgroup::add`], and of
    /// [`Systemd::start`](crate::systemd::Systemd::start). Nothing that was made is left.
    #[doc(alias = "Apply")]
    pub fn apply(
        hierarchies: &Hierarchies,
        driver: Driver,
        pid: u32,
        resources: &Resources,
    ) -> Result<Manager> {
        match driver {
            Driver::Raw(path) => Manager::raw(hierarchies, &path, pid, resources),
            #[cfg(feature = "systemd")]
            Driver::Systemd(systemd, unit) => Manager::started(hierarchies, systemd, *unit, pid, resources),
        }
    }

    fn raw(hierarchies: &Hierarchies, path: &Path, pid: u32, resources: &Resources) -> Result<Manager> {
        let active = Cgroup::create(hierarchies, path)?;
        active.set(resources)?;
        active.add(pid)?;
        Ok(Manager::of(active.commit()))
    }

    pub(crate) fn of(cgroup: Cgroup) -> Manager {
        Manager {
            cgroup,
            #[cfg(feature = "systemd")]
            unit: None,
        }
    }

    /// Takes up a cgroup that was made by hand, by the [`paths`](Cgroup::paths) that it had then.
    ///
    /// # Errors
    ///
    /// Those of [`Cgroup::open`].
    pub fn open(paths: BTreeMap<String, PathBuf>) -> Result<Manager> {
        Cgroup::open(paths).map(Manager::of)
    }

    /// Returns the cgroup itself, by which systemd is passed by.
    pub fn cgroup(&self) -> &Cgroup {
        &self.cgroup
    }

    /// Sets limits; what is not given stays as it is.
    ///
    /// systemd is told before the files are written, and asked nothing that would end the processes: a memory limit
    /// below what is in use is refused first, if [`check_before_update`](crate::Memory::check_before_update) says so.
    ///
    /// Returns what the kernel rounded. (A quota that systemd rounds is not among it: see
    /// [`Translation`](crate::systemd::Translation).)
    ///
    /// # Errors
    ///
    /// Those of [`Cgroup::set`] and [`Systemd::set_properties`](crate::systemd::Systemd::set_properties).
    pub fn set(&self, resources: &Resources) -> Result<Vec<Adjusted>> {
        #[cfg(feature = "systemd")]
        if let Some(unit) = &self.unit {
            resources.check()?;
            self.cgroup.check_before_update(resources)?;
            let said = Translation::new(resources, &unit.present(&self.cgroup)?)?;
            // On v1 systemd writes the device rules anew with any property: closed at first, then open.
            let rewrites = unit.rewrites_devices();
            unit.quietly(&self.cgroup, rewrites, || {
                unit.systemd.set_properties(&unit.name, &said.properties)
            })?;
            return self.cgroup.set(&said.resources);
        }
        self.cgroup.set(resources)
    }

    /// Sets which devices may be used, in the place of all rules that were set before, as
    /// [`Cgroup::set_devices`] does.
    ///
    /// On v1 systemd closes everything for a moment. So the processes are frozen meanwhile, unless they are already
    /// or the caller is among them.
    ///
    /// # Errors
    ///
    /// Those of [`Cgroup::set_devices`] and [`Systemd::set_properties`](crate::systemd::Systemd::set_properties).
    pub fn set_devices(&self, rules: &[DeviceRule]) -> Result<()> {
        #[cfg(feature = "systemd")]
        if let Some(unit) = &self.unit {
            let properties = device_properties(rules, unit.systemd.version());
            return unit.quietly(&self.cgroup, true, || {
                unit.systemd.set_properties(&unit.name, &properties)?;
                self.cgroup.set_devices(rules)
            });
        }
        self.cgroup.set_devices(rules)
    }

    /// Removes the cgroup and those below it in every hierarchy, and its unit.
    ///
    /// # Errors
    ///
    /// Those of [`Cgroup::remove`]: processes that are still there are named, not ended, and then the unit stays as
    /// well. Those of [`Systemd::stop`](crate::systemd::Systemd::stop).
    pub fn remove(&self) -> Result<()> {
        #[cfg(feature = "systemd")]
        if let Some(unit) = &self.unit {
            // What is below the scope goes by hand: older systemds leave it, and with it the unit's own cgroup.
            self.cgroup.remove()?;
            unit.systemd.stop(&unit.name)?;
            return unit.systemd.reset_failed(&unit.name);
        }
        self.cgroup.remove()
    }
}

/// All that a cgroup can do.
impl Deref for Manager {
    type Target = Cgroup;

    fn deref(&self) -> &Cgroup {
        &self.cgroup
    }
}

#[cfg(feature = "systemd")]
impl Manager {
    /// Takes up a cgroup that is a unit of systemd's, by the [`paths`](Cgroup::paths) that it had then.
    ///
    /// # Errors
    ///
    /// Those of [`Cgroup::open`], and [`InvalidInput`](crate::ErrorKind::InvalidInput) for what is no unit's name.
    pub fn open_unit(systemd: Systemd, unit: &str, paths: BTreeMap<String, PathBuf>) -> Result<Manager> {
        crate::systemd::check_name(unit)?;
        let layout = match (paths.contains_key(""), paths.keys().any(|key| !key.is_empty())) {
            (true, false) => Layout::V2,
            (true, true) => Layout::Hybrid,
            (false, _) => Layout::V1,
        };
        let cgroup = Cgroup::open(paths)?;
        Ok(Manager { cgroup, unit: Some(Managed { systemd, name: unit.to_owned(), layout }) })
    }

    /// Returns the name of the unit, where systemd made the cgroup.
    pub fn unit(&self) -> Option<&str> {
        self.unit.as_ref().map(|unit| unit.name.as_str())
    }

    fn started(
        hierarchies: &Hierarchies,
        systemd: Systemd,
        unit: Unit,
        pid: u32,
        resources: &Resources,
    ) -> Result<Manager> {
        let layout = hierarchies.layout();
        let said = Translation::new(resources, &Present::new(systemd.version(), layout))?;
        let unit = unit.pid(pid).limits(said.properties);
        let before = std::fs::read(format!("/proc/{pid}/cgroup"));
        systemd.start(&unit)?;
        let made = Managed { systemd, name: unit.name().to_owned(), layout };
        let result = made.join(hierarchies, pid, &said.resources);
        match result {
            Ok(cgroup) => Ok(Manager { cgroup, unit: Some(made) }),
            Err(error) => {
                // Stopping the unit would end the process, which is the caller's.
                if let Ok(before) = before {
                    crate::cgroup::put_back(&before, pid);
                }
                drop(made.systemd.stop(&made.name));
                drop(made.systemd.reset_failed(&made.name));
                Err(error)
            }
        }
    }
}

#[cfg(feature = "systemd")]
impl Managed {
    /// Makes the cgroup where systemd didn't, puts the process there, and writes the limits.
    fn join(&self, hierarchies: &Hierarchies, pid: u32, resources: &Resources) -> Result<Cgroup> {
        let path = self.systemd.control_group(&self.name)?.ok_or_else(|| {
            let why =
                format!("find cgroup of systemd unit {:?}: it has none; has its process ended?", self.name);
            crate::Error::new(crate::ErrorKind::NotFound, why)
        })?;
        let active = Cgroup::adopt(hierarchies, &path)?;
        // A slice holds scopes, and no process.
        if !crate::systemd::is_slice(&self.name) {
            active.add(pid)?;
        }
        active.set(resources)?;
        Ok(active.commit())
    }

    fn present(&self, cgroup: &Cgroup) -> Result<Present> {
        let (quota, period, idle) = cgroup.cpu_in_force()?;
        let mut present = Present::new(self.systemd.version(), self.layout);
        present.creating = false;
        (present.quota, present.period, present.idle) = (quota, period, idle);
        Ok(present)
    }

    /// Whether systemd has device rules of this unit, to write them again.
    fn rewrites_devices(&self) -> bool {
        let open = |policy: crate::systemd::Value| policy.as_str() == Some("auto");
        self.layout != Layout::V2 && !self.systemd.property(&self.name, "DevicePolicy").is_ok_and(open)
    }

    /// Does something while nobody inside can notice.
    fn quietly(&self, cgroup: &Cgroup, needed: bool, action: impl FnOnce() -> Result<()>) -> Result<()> {
        // Frozen by somebody else it stays so; and whoever freezes themselves never goes on.
        let own = std::process::id();
        let freeze = needed
            && self.layout != Layout::V2
            && !cgroup.frozen().unwrap_or(true)
            && !cgroup.all_pids()?.contains(&own);
        if freeze {
            cgroup.freeze()?;
        }
        let done = action();
        let thawed = if freeze { cgroup.thaw() } else { Ok(()) };
        done.and(thawed)
    }
}

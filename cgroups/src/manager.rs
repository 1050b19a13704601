//! A cgroup together with whoever makes and limits it: the files alone, or systemd before them.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::time::Duration;

#[cfg(feature = "systemd")]
use crate::systemd::{Managed, Systemd, Unit};
use crate::{Adjusted, Cgroup, DeviceRule, Hierarchies, Resources, Result};

/// Who makes a cgroup, and where.
#[derive(Debug, Clone)]
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
/// [`set_devices`](Manager::set_devices), [`add`](Manager::add) and [`remove`](Manager::remove) ask systemd as well
/// where systemd made it.
/// Otherwise systemd would put back what it knows when its units are reloaded. What systemd has no word for is then
/// written to the files, which is why both are one type: each limit takes effect whoever made the cgroup.
///
/// It is frozen by the kernel's file also where systemd made it, and stays so when systemd reloads its units: systemd
/// never writes that file but for its own `FreezeUnit`, which came with version 246, is on v2 alone, and holds back
/// all jobs of the unit meanwhile. A frozen scope can be stopped: on v2 the kernel lets killed processes end.
///
/// Dropping it does nothing; [`open`](Manager::open) takes it up again in another process.
///
/// ```no_run
/// # #[cfg(feature = "systemd")] {
/// use std::process::{Command, Stdio};
/// use cgroups::{Driver, Hierarchies, Manager, Resources};
/// use cgroups::systemd::{Systemd, Unit};
///
/// // It waits for its input, so that it starts nothing before it is limited.
/// let mut job = Command::new("sh").arg("-c").arg("read go; exec make").stdin(Stdio::piped()).spawn()?;
/// let driver = match Systemd::detect()? {
///     Some(systemd) => Driver::Systemd(systemd, Box::new(Unit::scope("job-1.scope")?)),
///     None => Driver::Raw("jobs/1".into()),
/// };
/// let mut limits = Resources::default();
/// limits.memory.get_or_insert_default().limit = Some(64 << 20);
/// let manager = Manager::apply(&Hierarchies::detect()?, driver, job.id(), &limits)?;
/// drop(job.stdin.take()); // go
/// println!("{}, {:?}", job.wait()?, manager.stats()?.memory);
/// manager.kill()?; // what it left running
/// manager.remove()?;
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// An ordinary user asks their own systemd, which has what the administrator delegated to it (`Delegate=` of
/// `user@.service`: memory and pids, as most distributions have it). Limits of other controllers are an error that
/// names the controller:
///
/// ```no_run
/// # #[cfg(feature = "systemd")] {
/// use cgroups::{Driver, ErrorKind, Hierarchies, Manager, Resources};
/// use cgroups::systemd::{Systemd, Unit, UnitPath};
///
/// let child = std::process::Command::new("make").spawn()?;
/// let unit = Unit::at(&UnitPath::parse("builds.slice:make:1", "", "", true)?);
/// let driver = Driver::Systemd(Systemd::user()?, Box::new(unit));
/// let mut limits = Resources::default();
/// limits.pids.get_or_insert_default().limit = Some(200);
/// limits.cpu.get_or_insert_default().quota = Some(50_000);
/// match Manager::apply(&Hierarchies::detect()?, driver, child.id(), &limits) {
///     Ok(build) => println!("{:?}", build.adjusted()),
///     Err(error) if error.kind() == ErrorKind::NoController => eprintln!("unlimited: {error}"),
///     Err(error) => return Err(error.into()),
/// }
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[doc(alias = "ActiveCgroup")]
pub struct Manager {
    cgroup: Cgroup,
    adjusted: Vec<Adjusted>,
    #[cfg(feature = "systemd")]
    unit: Option<Managed>,
}

impl Manager {
    /// Makes a cgroup in every hierarchy, limits it, and moves a process into it.
    ///
    /// A scope of systemd's is made around the process, so that it is limited from the first moment. In hierarchies
    /// that systemd does nothing in (cpuset, freezer and others of v1) the same path is made by hand, and controllers
    /// of v2 that systemd doesn't know are handed down beside its own. [`adjusted`](Manager::adjusted) tells what was
    /// rounded. Children that the process has already stay outside.
    ///
    /// # Errors
    ///
    /// Those of [`Cgroup::create`], [`Cgroup::set`] and [`Cgroup::add`], and of
    /// [`Systemd::start`](crate::systemd::Systemd::start). Nothing that was made is left, and the process is where it
    /// was, with one exception: where the kernel doesn't let it go back, the unit stays around it, for stopping it would
    /// end the process. The error then ends with the unit's name.
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
        let adjusted = active.set(resources)?;
        active.add(pid)?;
        Ok(Manager { adjusted, ..Manager::of(active.commit()) })
    }

    pub(crate) fn of(cgroup: Cgroup) -> Manager {
        Manager {
            cgroup,
            adjusted: Vec::new(),
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

    /// Returns what was rounded of the limits that [`apply`](Manager::apply) was given, by the kernel or by systemd.
    pub fn adjusted(&self) -> &[Adjusted] {
        &self.adjusted
    }

    /// Sets limits; what is not given stays as it is.
    ///
    /// systemd is told before the files are written, and asked nothing that would end the processes: a memory limit
    /// below what is in use is refused first, if [`check_before_update`](crate::Memory::check_before_update) says so.
    ///
    /// Returns what was rounded, by the kernel or by systemd: systemd keeps a quota in hundredths of a processor, and
    /// 0 processes as one.
    ///
    /// # Errors
    ///
    /// Those of [`Cgroup::set`] and [`Systemd::set_properties`](crate::systemd::Systemd::set_properties).
    pub fn set(&self, resources: &Resources) -> Result<Vec<Adjusted>> {
        #[cfg(feature = "systemd")]
        if let Some(unit) = &self.unit {
            return unit.set(&self.cgroup, resources);
        }
        self.cgroup.set(resources)
    }

    /// Sets which devices may be used, in the place of all rules that were set before, as
    /// [`Cgroup::set_devices`] does.
    ///
    /// On v1 systemd closes everything for a moment where it has rules or gets some. So the processes are frozen
    /// meanwhile, unless they are already or the caller is among them.
    ///
    /// # Errors
    ///
    /// Those of [`Cgroup::set_devices`] and [`Systemd::set_properties`](crate::systemd::Systemd::set_properties).
    pub fn set_devices(&self, rules: &[DeviceRule]) -> Result<()> {
        #[cfg(feature = "systemd")]
        if let Some(unit) = &self.unit {
            return unit.set_devices(&self.cgroup, rules);
        }
        self.cgroup.set_devices(rules)
    }

    /// Moves a process, with all its threads, into the cgroup, as [`Cgroup::add`] does.
    ///
    /// A user may not move a process that comes from outside of what is theirs. Their systemd may, so where the
    /// kernel refuses it is asked ([`Systemd::attach`](crate::systemd::Systemd::attach)).
    ///
    /// # Errors
    ///
    /// Those of [`Cgroup::add`] and [`Systemd::attach`](crate::systemd::Systemd::attach).
    pub fn add(&self, pid: u32) -> Result<()> {
        #[cfg(feature = "systemd")]
        if let Some(unit) = &self.unit {
            return unit.add(&self.cgroup, pid);
        }
        self.cgroup.add(pid)
    }

    /// Removes the cgroup and those below it in every hierarchy, and its unit, of which systemd keeps nothing, be it
    /// that it has failed.
    ///
    /// A slice that was made for it goes as well, when nothing else is in it.
    ///
    /// # Errors
    ///
    /// Those of [`Cgroup::remove`]: processes that are still there are named, not ended, and then the unit stays as
    /// well. Those of [`Systemd::stop`](crate::systemd::Systemd::stop).
    pub fn remove(&self) -> Result<()> {
        self.remove_within(crate::cgroup::REMOVE)
    }

    /// Removes it, as [`remove`](Manager::remove) does, with another deadline for its processes to end.
    ///
    /// # Errors
    ///
    /// Those of [`remove`](Manager::remove).
    pub fn remove_within(&self, deadline: Duration) -> Result<()> {
        // What is below the scope goes by hand: older systemds leave it, and with it the unit's own cgroup.
        self.cgroup.remove_within(deadline)?;
        #[cfg(feature = "systemd")]
        if let Some(unit) = &self.unit {
            return unit.stop(&self.cgroup);
        }
        Ok(())
    }
}

/// A cgroup that was made by hand.
impl From<Cgroup> for Manager {
    fn from(cgroup: Cgroup) -> Manager {
        Manager::of(cgroup)
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
        let unit = Managed::open(systemd, unit, &paths)?;
        Ok(Manager { unit: Some(unit), ..Manager::open(paths)? })
    }

    /// Returns the name of the unit, where systemd made the cgroup.
    pub fn unit(&self) -> Option<&str> {
        self.unit.as_ref().map(Managed::name)
    }

    fn started(
        hierarchies: &Hierarchies,
        systemd: Systemd,
        unit: Unit,
        pid: u32,
        resources: &Resources,
    ) -> Result<Manager> {
        let (cgroup, unit, adjusted) = Managed::start(hierarchies, systemd, unit, pid, resources)?;
        Ok(Manager { cgroup, adjusted, unit: Some(unit) })
    }
}

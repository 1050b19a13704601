//! The container's control group while the container is made: it goes again unless it is kept.

use std::collections::BTreeMap;
use std::path::PathBuf;

use cgroups::{Active, Cgroup, DeviceRule, Manager};

#[cfg(feature = "systemd")]
use self::unit as systemd;
#[cfg(not(feature = "systemd"))]
use self::without as systemd;
use crate::config::{self, Config};
use crate::error::{Error, ErrorKind, Result};

/// A control group that was made by its files, or by systemd around the first process.
#[derive(Debug)]
pub(crate) enum Group {
    Files(Active),
    Systemd(Scope),
}

/// A unit of systemd's.
#[derive(Debug)]
pub(crate) struct Scope {
    /// There until it is kept.
    manager: Option<Manager>,
}

impl Group {
    /// Lets systemd make the group around a process, with its limits, where the configuration asks for that.
    pub(super) fn of_systemd(config: &Config, pid: u32) -> Result<Option<Group>> {
        let Some(wanted) = config.cgroup.as_ref().filter(|wanted| wanted.systemd) else {
            return Ok(None);
        };
        Ok(Some(Group::Systemd(Scope { manager: Some(systemd::make(wanted, pid)?) })))
    }

    /// Keeps the group.
    pub(crate) fn keep(self) -> Option<Manager> {
        match self {
            Group::Files(active) => Some(active.commit().into()),
            Group::Systemd(mut scope) => scope.manager.take(),
        }
    }

    /// Returns the group's directories.
    pub(crate) fn cgroup(&self) -> Option<&Cgroup> {
        match self {
            Group::Files(active) => Some(active),
            Group::Systemd(scope) => scope.manager.as_deref(),
        }
    }

    pub(super) fn set_devices(&self, rules: &[DeviceRule]) -> cgroups::Result<()> {
        match self {
            Group::Files(active) => active.set_devices(rules),
            Group::Systemd(scope) => {
                scope.manager.as_ref().map_or(Ok(()), |manager| manager.set_devices(rules))
            }
        }
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        if let Some(manager) = self.manager.take() {
            let _ = manager.remove();
        }
    }
}

/// Returns where the group will lie that systemd shall make.
pub(super) fn named(wanted: &config::Cgroup) -> Result<Option<Cgroup>> {
    systemd::named(wanted)
}

/// Takes up a group by the directories that it had; `None` where none were written down.
pub(crate) fn open(config: &Config, paths: BTreeMap<String, PathBuf>) -> Result<Option<Manager>> {
    match &config.cgroup {
        _ if paths.is_empty() => Ok(None),
        Some(wanted) if wanted.systemd => systemd::open(wanted, paths).map(Some),
        _ => Ok(Some(Manager::open(paths)?)),
    }
}

#[cfg(feature = "systemd")]
mod unit {
    use std::collections::BTreeMap;
    use std::path::PathBuf;

    use cgroups::systemd::{Systemd, Unit, UnitPath};
    use cgroups::{Cgroup, Driver, Hierarchies, Manager};

    use super::{Error, ErrorKind, Result, config};

    pub(super) fn make(wanted: &config::Cgroup, pid: u32) -> Result<Manager> {
        let systemd = running()?;
        let unit = Unit::at(&path(wanted, systemd.is_user())?).description("libcontainer container");
        let driver = Driver::Systemd(systemd, Box::new(unit));
        Ok(Manager::apply(&Hierarchies::detect()?, driver, pid, &wanted.resources)?)
    }

    pub(super) fn named(wanted: &config::Cgroup) -> Result<Option<Cgroup>> {
        let systemd = running()?;
        let path = path(wanted, systemd.is_user())?.cgroup()?;
        // Where a user's manager lies, the running unit tells.
        if systemd.is_user() {
            return Ok(None);
        }
        Ok(Some(Cgroup::named(&Hierarchies::detect()?, path)?))
    }

    pub(super) fn open(wanted: &config::Cgroup, paths: BTreeMap<String, PathBuf>) -> Result<Manager> {
        let systemd = running()?;
        let path = path(wanted, systemd.is_user())?;
        Ok(Manager::open_unit(systemd, &path.unit, paths)?)
    }

    fn running() -> Result<Systemd> {
        let none =
            || Error::new(ErrorKind::Unsupported, "cgroup by systemd: systemd doesn't run this machine");
        Systemd::detect()?.ok_or_else(none)
    }

    fn path(wanted: &config::Cgroup, user: bool) -> Result<UnitPath> {
        let text = wanted.path.to_str().unwrap_or_default();
        let path = UnitPath::parse(text, "", "", user);
        path.map_err(|error| Error::new(ErrorKind::InvalidConfig, format_args!("cgroup path: {error}")))
    }
}

#[cfg(not(feature = "systemd"))]
mod without {
    use std::collections::BTreeMap;
    use std::path::PathBuf;

    use cgroups::{Cgroup, Manager};

    use super::{Error, ErrorKind, Result, config};

    pub(super) fn make(_: &config::Cgroup, _: u32) -> Result<Manager> {
        Err(refused())
    }

    pub(super) fn named(_: &config::Cgroup) -> Result<Option<Cgroup>> {
        Err(refused())
    }

    pub(super) fn open(_: &config::Cgroup, _: BTreeMap<String, PathBuf>) -> Result<Manager> {
        Err(refused())
    }

    fn refused() -> Error {
        Error::new(ErrorKind::Unsupported, "cgroup by systemd: this build has no feature \"systemd\"")
    }
}

//! The cgroup that the command runs in.

use std::error::Error;
use std::ops::Deref;
use std::path::{Path, PathBuf};

use cgroups::{Adjusted, Cgroup, ErrorKind, Hierarchies, Layout, Manager, Resources};

use crate::options::Options;

/// What an ordinary user can do, where there is no part of the cgroups that is theirs.
#[cfg(feature = "systemd")]
const ADVICE: &str = "with --systemd, or run by \"systemd-run --user --scope\", it has a place";
#[cfg(not(feature = "systemd"))]
const ADVICE: &str =
    "run by \"systemd-run --user --scope\", or built with --features systemd, it has a place";

/// The cgroup, made and limited; emptied and removed at the end, whatever the end is.
///
/// Where systemd makes it, it is a slice, and the command gets a scope in it: a scope goes with its last process, and
/// what was used couldn't be read any more.
pub(crate) struct Place {
    cgroup: Manager,
}

impl Place {
    /// Makes it and sets the limits; the kernel may have rounded some.
    pub(crate) fn make(options: &Options) -> Result<(Place, Vec<Adjusted>), Box<dyn Error>> {
        if options.systemd {
            return Place::slice(&options.resources);
        }
        let (hierarchies, resources) = (Hierarchies::detect()?, &options.resources);
        let name = format!("limits-{}", std::process::id());
        match made(&hierarchies, Path::new(&name), resources) {
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                // A user's part of the cgroups is around the own one: what systemd handed down, or an administrator.
                let beside = beside_own(&hierarchies, &name).map(|path| made(&hierarchies, &path, resources));
                beside.and_then(Result::ok).ok_or_else(|| format!("{error}: {ADVICE}").into())
            }
            result => Ok(result?),
        }
    }

    #[cfg(feature = "systemd")]
    fn slice(resources: &Resources) -> Result<(Place, Vec<Adjusted>), Box<dyn Error>> {
        use cgroups::Driver;
        use cgroups::systemd::{Systemd, Unit};

        let systemd = Systemd::detect()?.ok_or("--systemd: systemd doesn't run this machine")?;
        // Without a dash, which would make slices around it.
        let unit = Unit::slice(format!("limits{}.slice", std::process::id()))?;
        let driver = Driver::Systemd(systemd, Box::new(unit));
        let cgroup = Manager::apply(&Hierarchies::detect()?, driver, std::process::id(), resources)?;
        let place = Place { cgroup };
        let adjusted = place.cgroup.set(resources)?;
        Ok((place, adjusted))
    }

    #[cfg(not(feature = "systemd"))]
    fn slice(_: &Resources) -> Result<(Place, Vec<Adjusted>), Box<dyn Error>> {
        Err("--systemd: built without it; cargo run --features systemd --example limits".into())
    }

    /// Moves the command into it.
    pub(crate) fn enter(&self, pid: u32) -> cgroups::Result<()> {
        #[cfg(feature = "systemd")]
        if let Some(slice) = self.cgroup.unit() {
            use cgroups::Driver;
            use cgroups::systemd::{Systemd, Unit};

            let Some(systemd) = Systemd::detect()? else { return Ok(()) };
            let unit = Unit::scope(slice.replace(".slice", ".scope"))?.in_slice(slice)?;
            let driver = Driver::Systemd(systemd, Box::new(unit));
            return Manager::apply(&Hierarchies::detect()?, driver, pid, &Resources::default()).map(drop);
        }
        self.cgroup.add(pid)
    }

    /// Ends whatever is left in it, and removes it.
    pub(crate) fn end(&self) -> cgroups::Result<()> {
        self.cgroup.kill()?;
        self.cgroup.remove()
    }
}

impl Deref for Place {
    type Target = Cgroup;

    fn deref(&self) -> &Cgroup {
        &self.cgroup
    }
}

/// What is gone already is not an error, so this may come second.
impl Drop for Place {
    fn drop(&mut self) {
        drop(self.end());
    }
}

fn made(
    hierarchies: &Hierarchies,
    path: &Path,
    resources: &Resources,
) -> cgroups::Result<(Place, Vec<Adjusted>)> {
    let active = Cgroup::create(hierarchies, path)?;
    let adjusted = active.set(resources)?;
    let cgroup = Manager::open(active.commit().paths().clone())?;
    Ok((Place { cgroup }, adjusted))
}

/// In the same parent as the own cgroup. (Not in the own one: it has a process, so that it can't hand controllers down.)
fn beside_own(hierarchies: &Hierarchies, name: &str) -> Option<PathBuf> {
    if hierarchies.layout() != Layout::V2 {
        return None;
    }
    let root = hierarchies.mount_point("").ok()?;
    let own = hierarchies.own().remove("")?;
    Some(own.parent()?.strip_prefix(root).ok()?.join(name))
}

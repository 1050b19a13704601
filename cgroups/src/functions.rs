//! The functions of 2014: a closed set, each a few lines over the rest.

use std::path::{Path, PathBuf};

use crate::{Active, Cgroup, Hierarchies, Resources, Result};

/// Makes a cgroup at the root of every hierarchy, limits it, and moves a process into it.
///
/// What the kernel rounds is not told here, but by [`Cgroup::set`].
///
/// ```no_run
/// let mut resources = cgroups::Resources::default();
/// resources.cpu.get_or_insert_default().shares = Some(512);
/// let active = cgroups::apply("jobs/1", &resources, std::process::id())?;
/// # Ok::<(), cgroups::Error>(())
/// ```
///
/// # Errors
///
/// Those of [`Cgroup::create`], [`Cgroup::set`] and [`Cgroup::add`]. Nothing that was made is left.
#[doc(alias = "Apply")]
pub fn apply(path: impl AsRef<Path>, resources: &Resources, pid: u32) -> Result<Active> {
    let active = Cgroup::create(&Hierarchies::detect()?, path)?;
    active.set(resources)?;
    active.add(pid)?;
    Ok(active)
}

/// Returns where the hierarchy is mounted that has this controller.
///
/// # Errors
///
/// [`NoController`](crate::ErrorKind::NoController) where no mounted hierarchy has it.
#[doc(alias = "FindCgroupMountpoint")]
pub fn find_cgroup_mountpoint(controller: &str) -> Result<PathBuf> {
    Ok(Hierarchies::detect()?.mount_point(controller)?.to_owned())
}

/// Returns the caller's cgroup in the hierarchy that has this controller, from where that is mounted: `/` or
/// `/docker/x`.
///
/// # Errors
///
/// [`NoController`](crate::ErrorKind::NoController) where no mounted hierarchy has it,
/// [`NotFound`](crate::ErrorKind::NotFound) where the cgroup is not in what is mounted.
#[doc(alias = "GetThisCgroupDir")]
pub fn this_cgroup_dir(controller: &str) -> Result<PathBuf> {
    Hierarchies::detect()?.own_of(controller)
}

/// Returns process 1's cgroup in the hierarchy that has this controller, as [`this_cgroup_dir`] does.
///
/// # Errors
///
/// Those of [`this_cgroup_dir`], and [`PermissionDenied`](crate::ErrorKind::PermissionDenied) where `/proc` hides
/// process 1.
#[doc(alias = "GetInitCgroupDir")]
pub fn init_cgroup_dir(controller: &str) -> Result<PathBuf> {
    Hierarchies::of(1)?.own_of(controller)
}

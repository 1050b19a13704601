//! Cgroups below others: one's own ones above all, which is where an ordinary user begins.

use std::path::Path;

use nix::errno::Errno;

use crate::file::Dir;
use crate::hierarchy::{Hierarchy, checked, join, outside};
use crate::resources::invalid;
use crate::{Active, Cgroup, Error, ErrorKind, Hierarchies, Result, v2};

impl Cgroup {
    /// Returns the cgroup of a running process, in every mounted hierarchy.
    ///
    /// Nothing is changed: to take over what somebody else made is to name it, for a `Cgroup` is a name.
    ///
    /// ```
    /// match cgroups::Cgroup::of(std::process::id()) {
    ///     Ok(own) => println!("{:?}", own.paths()),
    ///     Err(error) => eprintln!("{error}"), // no cgroups here, or out of sight
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) if there is no such process, if it ended and its cgroup was removed, and
    /// where it lies outside of the caller's cgroup namespace or of what is mounted: half a cgroup is none.
    /// [`InvalidInput`](ErrorKind::InvalidInput) for process 0.
    pub fn of(pid: u32) -> Result<Cgroup> {
        if pid == 0 {
            return Err(invalid("process of a cgroup", pid, "no process has this id"));
        }
        let hierarchies = Hierarchies::of(pid)?;
        if let Some(hierarchy) = hierarchies.iter().find(|h| h.own.is_none()) {
            let why = "it is not in what is mounted here, or was removed";
            let action = format!("find cgroup of process {pid} below");
            return Err(Error::at(ErrorKind::NotFound, action, &hierarchy.mount_point, why));
        }
        Ok(Cgroup { paths: hierarchies.own(), refused: v2::core::Refused::default() })
    }

    /// Makes a cgroup beneath this one, in every hierarchy that this one is in, as [`create`](Cgroup::create) does.
    ///
    /// On v2 the controllers that this cgroup has are handed down, if it has no processes of its own:
    /// [`vacate`](Cgroup::vacate) it first.
    ///
    /// # Errors
    ///
    /// Those of [`create`](Cgroup::create), and [`NotFound`](ErrorKind::NotFound) if this cgroup is gone.
    pub fn create_child(&self, path: impl AsRef<Path>) -> Result<Active> {
        let relative = checked(path.as_ref())?;
        let mut active = Active::new();
        for parent in self.as_hierarchies() {
            active.make(&parent, &relative)?;
        }
        Ok(active)
    }

    /// Makes a threaded cgroup right beneath this one, which may have processes: its threads can be
    /// [added](Cgroup::add_thread) there one by one.
    ///
    /// On v2 this cgroup becomes the domain of it, and hands down the controllers that can count threads. On v1, where
    /// any cgroup takes threads, it is a cgroup like others.
    ///
    /// # Errors
    ///
    /// Those of [`create_child`](Cgroup::create_child) and [`make_threaded`](Cgroup::make_threaded),
    /// [`InvalidInput`](ErrorKind::InvalidInput) for a name with a slash.
    pub fn create_threaded_child(&self, name: &str) -> Result<Active> {
        let relative = checked(Path::new(name))?;
        if relative.iter().count() > 1 {
            return Err(invalid("name of a threaded cgroup", name, "one level at a time"));
        }
        let mut active = Active::new();
        for parent in self.as_hierarchies() {
            if !parent.is_v2() {
                active.make(&parent, &relative)?;
                continue;
            }
            // Handed down from a domain, other controllers would keep its children from being threaded.
            active.make_bare(&parent, &relative)?;
            active.cgroup.make_threaded()?;
            v2::core::enable_threaded(&Dir::open(&parent.mount_point)?, &mut active.cgroup.refused)?;
        }
        Ok(active)
    }

    /// Makes a cgroup beneath the caller's own one in those hierarchies where this user may; `None` if in none.
    ///
    /// This is what an ordinary user can have: on v2 all that was delegated, on v1 mostly nothing. A hierarchy that is
    /// left out (for EPERM, EACCES or EROFS) is remembered: [`set`](Cgroup::set) of a limit that needs it fails, and
    /// says what was refused. So a program that was asked for no limits goes on without, and one that was asked for
    /// some, or for a certain path, is told why not (by [`create`](Cgroup::create) for a path).
    ///
    /// ```no_run
    /// # let hierarchies = cgroups::Hierarchies::detect()?;
    /// # let limits: Option<cgroups::Resources> = None;
    /// match cgroups::Cgroup::create_where_allowed(&hierarchies, "job-1")? {
    ///     Some(job) => {
    ///         if let Some(limits) = &limits {
    ///             job.set(limits)?;
    ///         }
    ///         job.add(std::process::id())?;
    ///     }
    ///     None if limits.is_none() => {} // it stays where it is
    ///     None => eprintln!("no cgroup here that could be limited"),
    /// }
    /// # Ok::<(), cgroups::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`create_beneath_own`](Cgroup::create_beneath_own) but for what this user may not, and where the
    /// caller's own cgroup is out of sight.
    pub fn create_where_allowed(hierarchies: &Hierarchies, path: impl AsRef<Path>) -> Result<Option<Active>> {
        let relative = checked(path.as_ref())?;
        let mut active = Active::new();
        for hierarchy in hierarchies.iter() {
            let mark = active.mark();
            let own = hierarchy.own.as_deref().ok_or_else(|| outside(hierarchy));
            match own.and_then(|own| active.make(hierarchy, &join(own, &relative))) {
                Ok(()) => {}
                Err(e) if may_be_passed_over(&e) => active.pass_over(mark, hierarchy, &e),
                Err(e) => return Err(e),
            }
        }
        Ok(Some(active).filter(|active| !active.paths().is_empty()))
    }

    /// The directories of this cgroup, as roots of what is made below.
    fn as_hierarchies(&self) -> impl Iterator<Item = Hierarchy> {
        self.paths.iter().map(|(key, path)| Hierarchy {
            key: key.clone(),
            mount_point: path.clone(),
            root: "/".into(),
            own: None,
        })
    }
}

/// What an ordinary user meets where nothing was delegated: the three ways of not being allowed, and no cgroup of
/// one's own in sight.
pub(crate) fn may_be_passed_over(error: &Error) -> bool {
    [Errno::EPERM, Errno::EACCES, Errno::EROFS].iter().any(|&errno| error.is(errno))
        || (error.kind() == ErrorKind::NotFound && error.raw_os_error().is_none())
}

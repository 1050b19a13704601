//! Programs that begin in a cgroup.

use std::process::{Child, Command};

use nix::fcntl::OFlag;

use crate::file::Dir;
use crate::{Cgroup, Error, ErrorKind, Result};

impl Cgroup {
    /// Starts a program in this cgroup: it is there before its first instruction, in every hierarchy, and so is
    /// everything that it starts.
    ///
    /// Between fork and exec the new process moves itself, through files that were opened before; so it needs the
    /// caller's right to that, and no time is lost. ([`add`](Cgroup::add) moves a process that runs already, whose
    /// children may have been born elsewhere.)
    ///
    /// ```no_run
    /// # let hierarchies = cgroups::Hierarchies::detect()?;
    /// let job = cgroups::Cgroup::create(&hierarchies, "jobs/1")?;
    /// let mut make = std::process::Command::new("make");
    /// make.arg("all");
    /// let status = job.spawn(make)?.wait()?;
    /// println!("{status}, {:?}", job.stats()?.memory);
    /// job.kill()?; // what it left behind
    /// job.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) if the cgroup is gone or there is no such program,
    /// [`PermissionDenied`](ErrorKind::PermissionDenied) if processes may not be moved here,
    /// [`Busy`](ErrorKind::Busy) if the cgroup is frozen, where the program would never begin, or hands controllers
    /// down on v2.
    pub fn spawn(&self, mut command: Command) -> Result<Child> {
        let action = format!("start {:?} in", command.get_program());
        if self.frozen().unwrap_or(false) {
            return Err(Error::at(ErrorKind::Busy, action, self.main(), "it is frozen"));
        }
        let open = |path| Dir::open(path)?.open_file("cgroup.procs", OFlag::O_WRONLY);
        let files = self.paths.values().map(|path| open(path)).collect::<Result<Vec<_>>>()?;
        crate::sys::enter_before_exec(&mut command, files);
        command.spawn().map_err(|e| crate::cgroup::refusal(Error::os(action, self.main(), e)))
    }
}

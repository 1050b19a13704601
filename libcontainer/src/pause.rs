//! A container that runs: paused and resumed, limited anew, signalled as a whole.

use std::io;
use std::os::fd::AsFd;

use cgroups::{Adjusted, Cgroup, Manager, Resources};

use crate::config::Process;
use crate::container::{Container, Status};
use crate::error::{Error, ErrorKind, Result};
use crate::launch;
use crate::process::{Child, Io};
use crate::sys;

impl Container {
    /// Freezes all processes, on cgroup v1 and v2; the container must have a cgroup.
    ///
    /// A paused container is neither started nor joined ([`InvalidState`](ErrorKind::InvalidState)); see
    /// [`exec_paused`](Container::exec_paused). Signals wait until it is resumed, but for SIGKILL, which ends it.
    /// It can be deleted. Pausing it twice is no error.
    ///
    /// ```no_run
    /// # fn main() -> libcontainer::Result<()> {
    /// let container = libcontainer::Factory::new("/run/my-daemon")?.load("web")?;
    /// container.pause()?;
    /// assert_eq!(container.status()?, libcontainer::Status::Paused);
    /// container.resume()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidState`](ErrorKind::InvalidState) where the container doesn't run or has no cgroup.
    pub fn pause(&self) -> Result<()> {
        Ok(self.live_cgroup("pause")?.freeze()?)
    }

    /// Lets frozen processes go on. Of one that isn't paused that is no error.
    ///
    /// # Errors
    ///
    /// As [`Container::pause`].
    pub fn resume(&self) -> Result<()> {
        Ok(self.live_cgroup("resume")?.thaw()?)
    }

    /// Starts another process as [`exec`](Container::exec) does, in a paused container too: there it waits
    /// until somebody else resumes the container, at most half a minute.
    ///
    /// # Errors
    ///
    /// Those of [`Container::exec`], and [`System`](ErrorKind::System) where nobody resumed it.
    pub fn exec_paused(&self, process: &Process, io: Io) -> Result<Child> {
        self.exec_in(process, io, &[Status::Running, Status::Created, Status::Paused])
    }

    /// Sets limits of a container that lives; what is not given stays as it is.
    ///
    /// Returns what the kernel rounded. [`Container::config`] goes on to tell what it was made with.
    ///
    /// ```no_run
    /// # fn main() -> libcontainer::Result<()> {
    /// # let container = libcontainer::Factory::new("/run/my-daemon")?.load("web")?;
    /// let mut limits = cgroups::Resources::default();
    /// limits.pids.get_or_insert_default().limit = Some(200);
    /// for adjusted in container.update(&limits)? {
    ///     println!("{adjusted}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidState`](ErrorKind::InvalidState) where the container doesn't run or has no cgroup; those of
    /// [`cgroups::Manager::set`]. A controller that the container doesn't have is refused before anything is
    /// set. Where the kernel refuses a value, the limits before it are set.
    pub fn update(&self, resources: &Resources) -> Result<Vec<Adjusted>> {
        let cgroup = self.live_cgroup("update")?;
        let _lock = self.home().map(crate::factory::Home::lock).transpose()?;
        let known = cgroup.controllers()?;
        let missing: Vec<_> = wanted(resources)
            .into_iter()
            .filter(|names| !names.iter().any(|name| known.contains(*name)))
            .map(|names| names[0])
            .collect();
        if !missing.is_empty() {
            let text = format!("update: the container's cgroup has no controller {}", missing.join(", "));
            return Err(Error::new(ErrorKind::Unsupported, text));
        }
        Ok(cgroup.set(resources)?)
    }

    /// Sends a signal to every process of the container, those that joined it and their children too.
    ///
    /// SIGKILL ends them together (`cgroup.kill`, where the kernel has it), paused or not. For other signals they
    /// are frozen meanwhile, so that none is missed or hit by mistake; a paused container stays paused.
    ///
    /// # Errors
    ///
    /// [`InvalidState`](ErrorKind::InvalidState) where the container doesn't run or has no cgroup,
    /// [`InvalidConfig`](ErrorKind::InvalidConfig) for what is no signal.
    pub fn signal_all(&self, signal: i32) -> Result<()> {
        let cgroup = self.live_cgroup("signal all")?;
        if signal == libc::SIGKILL {
            return Ok(cgroup.kill()?);
        }
        if signal == 0 {
            return Ok(()); // it only asks whether there is somebody
        }
        let was_paused = cgroup.frozen()?;
        if !was_paused {
            cgroup.freeze()?;
        }
        let sent = send(cgroup, signal);
        if !was_paused {
            cgroup.thaw()?;
        }
        sent
    }

    fn live_cgroup(&self, what: &str) -> Result<&Manager> {
        if self.status()? == Status::Stopped {
            return Err(launch::not_running());
        }
        let none =
            || Error::new(ErrorKind::InvalidState, format_args!("{what}: the container has no cgroup"));
        self.manager().ok_or_else(none)
    }
}

/// Signals processes that can't end meanwhile, but by SIGKILL.
fn send(cgroup: &Cgroup, signal: i32) -> Result<()> {
    for pid in cgroup.all_pids()? {
        let failed =
            |error: &io::Error| Error::io(format_args!("send signal {signal} to process {pid}"), error);
        if pid == 0 {
            let text = format!(
                "send signal {signal}: the cgroup has a process that this PID namespace doesn't show"
            );
            return Err(Error::new(ErrorKind::PermissionDenied, text));
        }
        let pidfd = match sys::pidfd_open(pid) {
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => continue,
            pidfd => pidfd.map_err(|error| failed(&error))?,
        };
        match sys::pidfd_send_signal(pidfd.as_fd(), signal) {
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => {}
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
                let text = format!("signal {signal}: there is no such signal");
                return Err(Error::new(ErrorKind::InvalidConfig, text));
            }
            sent => sent.map_err(|error| failed(&error))?,
        }
    }
    Ok(())
}

/// Returns the controllers that limits need, each by its names on v1 and v2.
fn wanted(resources: &Resources) -> Vec<&'static [&'static str]> {
    fn given<T: Default + PartialEq>(part: Option<&T>) -> bool {
        part.is_some_and(|part| *part != T::default())
    }
    let parts: [(bool, &'static [&'static str]); 7] = [
        (given(resources.cpu.as_ref()), &["cpu"]),
        (given(resources.memory.as_ref()), &["memory"]),
        (given(resources.pids.as_ref()), &["pids"]),
        (given(resources.cpuset.as_ref()), &["cpuset"]),
        (given(resources.block_io.as_ref()), &["blkio", "io"]),
        (!resources.hugepage_limits.is_empty(), &["hugetlb"]),
        (!resources.rdma.is_empty(), &["rdma"]),
    ];
    parts.into_iter().filter(|(is_wanted, _)| *is_wanted).map(|(_, names)| names).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_limited_needs_a_controller() {
        let mut limits = Resources::default();
        assert!(wanted(&limits).is_empty());
        limits.cpu = Some(cgroups::Cpu::default());
        assert!(wanted(&limits).is_empty());
        limits.pids.get_or_insert_default().limit = Some(1);
        limits.block_io.get_or_insert_default().weight = Some(100);
        assert_eq!(wanted(&limits), [&["pids"][..], &["blkio", "io"]]);
    }
}

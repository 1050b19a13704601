//! Containers: what users hold.

use std::io::ErrorKind as IoKind;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use cgroups::{Cgroup, Manager};
use nix::poll::PollTimeout;
use nix::sys::eventfd::{EfdFlags, EventFd};

use crate::config::{Config, Process};
use crate::error::{Error, ErrorKind, Result};
use crate::events::{Begin as Begun, Events};
use crate::factory::Home;
use crate::launch::{self, Begin, Created, Failure, Sync};
use crate::plan::Plan;
use crate::process::{Child, ExitStatus, Io, Joined};
use crate::sys;

/// How long a container may take from its start to its program: one that was frozen takes for ever.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a killed container may take to go.
const DEADLINE: Duration = Duration::from_secs(10);

/// What a container is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Status {
    /// Its making began, and has not ended.
    Creating,
    /// It waits for its start.
    Created,
    /// Its program runs.
    Running,
    /// All of its processes are frozen, whether it was started or not.
    Paused,
    /// Its first process has ended.
    Stopped,
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Status::Creating => "creating",
            Status::Created => "created",
            Status::Running => "running",
            Status::Paused => "paused",
            Status::Stopped => "stopped",
        })
    }
}

/// A container.
///
/// One made here belongs to this value: dropping it kills its processes and removes its cgroup. One
/// made or loaded by a [`Factory`](crate::Factory) has a home on disk and stays when dropped.
///
/// Any thread may make containers, also several at once. The calling thread waits while that is
/// done; nothing else of the program waits, and nothing of it changes.
#[derive(Debug)]
pub struct Container {
    config: Config,
    init: Option<Init>,
    cgroup: Option<Manager>,
    /// Whether the processes in the cgroup are this container's: not where its maker was killed before
    /// there was one.
    inhabited: bool,
    start: Start,
    console: Option<OwnedFd>,
    home: Option<Home>,
    ended: Option<ExitStatus>,
    /// Those that joined by this value and were not waited for yet.
    joined: Mutex<Vec<Arc<Joined>>>,
    /// Tells those who watch that the program was started.
    told: OnceLock<Arc<EventFd>>,
}

/// The first process.
#[derive(Debug)]
pub(crate) struct Init {
    pub(crate) pid: u32,
    pub(crate) pidfd: OwnedFd,
}

/// What the program still waits for.
#[derive(Debug)]
enum Start {
    /// A word over the socket that it was made with, unless it was told already.
    Word { sync: Sync, plan: Box<Plan>, told: bool },
    /// A connection to the listening socket in its home.
    Connection,
    /// Nothing: it runs or has run.
    Done,
}

impl Container {
    /// Makes a container, ready to start: everything but the program is there.
    ///
    /// # Errors
    ///
    /// [`InvalidConfig`](ErrorKind::InvalidConfig) with everything that is wrong,
    /// [`PermissionDenied`](ErrorKind::PermissionDenied) for what the caller may not do, and
    /// whatever a step was answered. Nothing is left behind.
    pub fn create(config: &Config, io: Io) -> Result<Container> {
        let created = launch::create(config, io, Begin::Word, &mut |_| Ok(()))?;
        Ok(Container::of(config, created, None))
    }

    /// Makes a container and starts it.
    ///
    /// # Errors
    ///
    /// As [`Container::create`] and [`Container::start`].
    pub fn run(config: &Config, io: Io) -> Result<Container> {
        let created = launch::create(config, io, Begin::Nothing, &mut |_| Ok(()))?;
        let mut container = Container::of(config, created, None);
        match container.start() {
            Ok(()) => Ok(container),
            Err(error) => {
                let _ = container.delete(); // what failed first is what is told
                Err(error)
            }
        }
    }

    pub(crate) fn of(config: &Config, created: Created, home: Option<Home>) -> Container {
        let Created { init, cgroup, sync, console, plan, told } = created;
        let start =
            if home.is_some() { Start::Connection } else { Start::Word { sync, plan: Box::new(plan), told } };
        Container {
            config: config.clone(),
            init: Some(Init { pid: init.pid, pidfd: init.let_go() }),
            cgroup: cgroup.and_then(launch::group::Group::keep),
            inhabited: true,
            start,
            console,
            home,
            ended: None,
            joined: Mutex::default(),
            told: OnceLock::new(),
        }
    }

    /// One that was found by its home; `inhabited` unless its maker was killed before it had a process.
    pub(crate) fn found(
        config: Config,
        init: Option<Init>,
        cgroup: Option<Manager>,
        inhabited: bool,
        home: Home,
    ) -> Container {
        let start = if home.is_started() { Start::Done } else { Start::Connection };
        Container {
            config,
            init,
            cgroup,
            inhabited,
            start,
            console: None,
            home: Some(home),
            ended: None,
            joined: Mutex::default(),
            told: OnceLock::new(),
        }
    }

    /// Runs the program.
    ///
    /// # Errors
    ///
    /// [`Exec`](ErrorKind::Exec) where the program can't be executed, [`Hook`](ErrorKind::Hook) where a hook
    /// failed: the container is stopped then.
    /// [`InvalidState`](ErrorKind::InvalidState) where it was started before.
    pub fn start(&mut self) -> Result<()> {
        if let Some(home) = self.home.as_ref().filter(|_| self.is_being_made()) {
            let text = format!("container {:?}: is still being made", home.id());
            return Err(Error::new(ErrorKind::InvalidState, text));
        }
        if self.cgroup.as_ref().is_some_and(|cgroup| cgroup.frozen().unwrap_or(false)) {
            return Err(Error::new(ErrorKind::InvalidState, "cannot start a paused container"));
        }
        let hooks = &self.config.hooks;
        if hooks.start_container.is_empty() && hooks.poststart.is_empty() {
            return self.start_program();
        }
        // One at a time: the hooks of a container run once.
        let _lock = self.home.as_ref().map(Home::lock_start).transpose()?;
        if self.is_started() {
            return Err(was_started());
        }
        let started = self.start_with_hooks();
        if started.as_ref().is_err_and(|error| error.kind() == ErrorKind::Hook) {
            self.kill()?;
            self.start = Start::Done;
            self.home.as_ref().inspect(|home| home.failed());
        }
        started
    }

    fn start_with_hooks(&mut self) -> Result<()> {
        launch::hooks::start(&self.config, &self.target()?)?;
        self.start_program()?;
        launch::hooks::poststart(&self.config, self.pid().unwrap_or_default())
    }

    fn start_program(&mut self) -> Result<()> {
        let init = self.init.as_ref().ok_or_else(launch::not_running)?;
        let (process, told) = (&self.config.process, &self.config.description);
        let decided =
            |listener: BorrowedFd<'_>| launch::decided(listener, process, init.pid, told, "created");
        let started = match &mut self.start {
            Start::Done => return Err(was_started()),
            Start::Word { sync, plan, told } => {
                if !*told {
                    sync.start()?;
                }
                sync.executed(init.pidfd.as_fd(), &|failure| failure.explain(plan), &decided)
            }
            Start::Connection => {
                let home = self.home.as_ref().ok_or_else(launch::not_running)?;
                let program = self.config.process.args.first().map_or("", String::as_str);
                let mut sync = home.connect()?.with_patience(PATIENCE);
                let explain = |failure: &Failure| failure.explain_step(format_args!("execute {program:?}"));
                let started = sync.executed(init.pidfd.as_fd(), &explain, &decided);
                match &started {
                    Err(error) if error.kind() == ErrorKind::Exec => home.failed(),
                    _ => home.started(),
                }
                // Somebody else's connection was taken, or it ended unstarted: ours was never answered.
                started.map_err(|error| match (error.kind(), error.raw_os_error()) {
                    (ErrorKind::System, None) => home.refused(),
                    _ => error,
                })
            }
        };
        self.start = Start::Done;
        if let (Ok(()), Some(told)) = (&started, self.told.get()) {
            let _ = told.write(1); // it can't be full
        }
        started
    }

    /// Waits until the first process has ended.
    ///
    /// # Errors
    ///
    /// [`InvalidState`](ErrorKind::InvalidState) where it was never started.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        if let Some(status) = self.ended {
            return Ok(status);
        }
        let Some(init) = &self.init else {
            return Ok(ExitStatus::Unknown);
        };
        if !self.is_started() && !self.ended_within(init, Some(Duration::ZERO))? {
            return Err(Error::new(ErrorKind::InvalidState, "container was not started yet"));
        }
        self.ended_within(init, None)?;
        let status = launch::reap(init.pidfd.as_fd())?;
        self.ended = Some(status);
        Ok(status)
    }

    /// Returns how the first process ended, or `None` while it lives.
    pub fn try_wait(&mut self) -> Result<Option<ExitStatus>> {
        if self.is_alive()? { Ok(None) } else { self.wait().map(Some) }
    }

    fn is_alive(&self) -> Result<bool> {
        match &self.init {
            Some(init) if self.ended.is_none() => Ok(!self.ended_within(init, Some(Duration::ZERO))?),
            _ => Ok(false),
        }
    }

    /// Returns whether another process still makes it: until then, it has not left the host.
    fn is_being_made(&self) -> bool {
        !self.is_started() && self.home.as_ref().is_some_and(Home::is_being_made)
    }

    /// Returns whether the program runs or has run, by whomever it was started.
    fn is_started(&self) -> bool {
        match &self.start {
            Start::Done => true,
            Start::Word { .. } => false,
            Start::Connection => self.home.as_ref().is_none_or(Home::is_started),
        }
    }

    /// Waits until the first process has ended; false when the time is over first. Those that joined
    /// are waited for too, without which it can't end.
    fn ended_within(&self, init: &Init, time: Option<Duration>) -> Result<bool> {
        let begin = Instant::now();
        loop {
            let joined = self.joined()?;
            let left = time.map(|time| time.saturating_sub(begin.elapsed()));
            let left = left.map_or(PollTimeout::NONE, |left| left.try_into().unwrap_or(PollTimeout::MAX));
            let mut handles = vec![init.pidfd.as_fd()];
            handles.extend(joined.iter().map(AsFd::as_fd));
            let any = launch::any_ended(&handles, left)?;
            if !any || launch::ended(init.pidfd.as_fd(), PollTimeout::ZERO)? {
                return Ok(any);
            }
        }
    }

    /// Returns those that joined and live; the others are waited for.
    fn joined(&self) -> Result<Vec<Arc<Joined>>> {
        let mut joined = self.joined.lock().unwrap_or_else(PoisonError::into_inner);
        let mut living = Vec::with_capacity(joined.len());
        for one in joined.iter() {
            if one.try_wait()?.is_none() {
                living.push(Arc::clone(one));
            }
        }
        joined.clone_from(&living);
        Ok(living)
    }

    /// Returns what the container is doing.
    pub fn status(&self) -> Result<Status> {
        if !self.is_alive()? {
            let creating = self.init.is_none() && self.home.as_ref().is_some_and(Home::is_being_made);
            return Ok(if creating { Status::Creating } else { Status::Stopped });
        }
        if self.is_being_made() {
            return Ok(Status::Creating);
        }
        let frozen = self.cgroup().map(Cgroup::frozen).transpose()?;
        Ok(match frozen {
            Some(true) => Status::Paused,
            _ if self.is_started() => Status::Running,
            _ => Status::Created,
        })
    }

    /// Starts another process in the container and waits until its program runs.
    ///
    /// The process has its own user, capabilities, environment and limits, as `process` says; the
    /// container's namespaces, cgroup and root are its own too.
    ///
    /// ```no_run
    /// # fn main() -> libcontainer::Result<()> {
    /// # let container = libcontainer::Container::run(&libcontainer::Config::new("/srv/rootfs"), Default::default())?;
    /// let mut process = container.config().process.clone();
    /// process.args = vec!["ps".to_owned()];
    /// let mut child = container.exec(&process, Default::default())?;
    /// assert!(child.wait()?.success());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidState`](ErrorKind::InvalidState) where the container doesn't run or is paused,
    /// [`Exec`](ErrorKind::Exec) where the program can't be executed.
    pub fn exec(&self, process: &Process, io: Io) -> Result<Child> {
        self.exec_in(process, io, &[Status::Running, Status::Created])
    }

    /// Starts another process where the container is in one of these states.
    pub(crate) fn exec_in(&self, process: &Process, io: Io, fit: &[Status]) -> Result<Child> {
        let status = self.status()?;
        if !fit.contains(&status) {
            let text = format!("cannot exec in a {status} container");
            return Err(Error::new(ErrorKind::InvalidState, text));
        }
        let child = launch::enter(&self.target()?, process, io)?;
        self.joined.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&child.joined));
        Ok(child)
    }

    /// What another process joins.
    fn target(&self) -> Result<launch::Target<'_>> {
        let init = self.init.as_ref().ok_or_else(launch::not_running)?;
        Ok(launch::Target {
            pid: init.pid,
            pidfd: init.pidfd.as_fd(),
            cgroup: self.cgroup(),
            moved_root: self.config.no_pivot_root,
            told: &self.config.description,
        })
    }

    /// Sends a signal to the first process. In a paused container it waits until that is resumed, but for SIGKILL,
    /// which resumes it.
    ///
    /// # Errors
    ///
    /// [`InvalidState`](ErrorKind::InvalidState) where it doesn't run any more.
    pub fn signal(&self, signal: i32) -> Result<()> {
        let init = self.init.as_ref().ok_or_else(launch::not_running)?;
        match sys::pidfd_send_signal(init.pidfd.as_fd(), signal) {
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Err(launch::not_running()),
            Err(error) if error.kind() == IoKind::InvalidInput => Err(Error::new(
                ErrorKind::InvalidConfig,
                format_args!("signal {signal}: there is no such signal"),
            )),
            sent => sent.map_err(|error| Error::io(format_args!("send signal {signal}"), &error)),
        }?;
        // A frozen process of v1 doesn't die before it goes on; with all others it would do so for nobody.
        match &self.cgroup {
            Some(cgroup) if signal == libc::SIGKILL && cgroup.frozen().unwrap_or(false) => {
                let thawed = cgroup.thaw();
                if cgroup.exists() { Ok(thawed?) } else { Ok(()) }
            }
            _ => Ok(()),
        }
    }

    /// Watches what happens to the container from here on; see [`Events`].
    ///
    /// # Errors
    ///
    /// [`InvalidState`](ErrorKind::InvalidState) where it doesn't run any more.
    pub fn events(&self) -> Result<Events> {
        let init = self.init().ok_or_else(launch::not_running)?;
        let begin = match (&self.start, &self.home) {
            (Start::Word { .. }, _) => Begun::Told(self.told()?),
            (Start::Connection, Some(home)) if !home.is_started() => Begun::at(home.again())?,
            _ => Begun::Known,
        };
        Events::new(init, begin, self.cgroup().filter(|_| self.inhabited))
    }

    /// Returns the descriptor that tells of the start, made when it is first asked for.
    fn told(&self) -> Result<Arc<EventFd>> {
        let told = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)
            .map_err(|errno| Error::errno("watch container", errno))?;
        Ok(Arc::clone(self.told.get_or_init(|| Arc::new(told))))
    }

    /// Returns the first process, while it was not waited for.
    pub(crate) fn init(&self) -> Option<&Init> {
        self.init.as_ref().filter(|_| self.ended.is_none())
    }

    /// Returns the numbers of all processes, in the caller's PID namespace. Without a cgroup only the
    /// first one is known.
    pub fn processes(&self) -> Result<Vec<u32>> {
        match &self.cgroup {
            Some(cgroup) => Ok(cgroup.all_pids()?),
            None if self.is_alive()? => Ok(self.pid().into_iter().collect()),
            None => Ok(Vec::new()),
        }
    }

    /// Kills whatever still runs, removes the cgroup and the home on disk, and runs the hooks that come then: unlike
    /// dropping the value, which runs none.
    ///
    /// # Errors
    ///
    /// What could not be removed; the rest is gone then, and the call can be made again.
    /// [`Hook`](ErrorKind::Hook) where a hook failed: all of the container is gone nevertheless.
    pub fn delete(mut self) -> Result<()> {
        let _lock = self.home.as_ref().map(Home::lock).transpose()?;
        if let Some(home) = self.home.as_ref().filter(|_| !self.inhabited)
            && home.state()?.is_some_and(|state| state.init.is_some())
        {
            let text = format!("container {:?}: was being made; look again", home.id());
            return Err(Error::new(ErrorKind::InvalidState, text));
        }
        self.clear()?;
        self.home.as_ref().map_or(Ok(()), Home::remove)?;
        launch::hooks::poststop(&self.config)
    }

    /// Kills all processes.
    fn kill(&self) -> Result<()> {
        if let Some(init) = &self.init
            && self.ended.is_none()
        {
            // In a PID namespace all others go with it; elsewhere they are in the cgroup.
            match sys::pidfd_send_signal(init.pidfd.as_fd(), libc::SIGKILL) {
                Err(error) if error.raw_os_error() != Some(libc::ESRCH) => {
                    return Err(Error::io("kill the container", &error));
                }
                _ => {}
            }
        }
        if let Some(cgroup) = self.cgroup.as_ref().filter(|_| self.inhabited) {
            cgroup.kill()?;
        }
        Ok(())
    }

    fn clear(&mut self) -> Result<()> {
        self.kill()?;
        if let Some(init) = &self.init
            && self.ended.is_none()
        {
            if !self.ended_within(init, Some(DEADLINE))? {
                let text = format!("process {} was killed and lives on after {DEADLINE:?}", init.pid);
                return Err(Error::new(ErrorKind::System, text));
            }
            self.ended = Some(launch::reap(init.pidfd.as_fd())?);
        }
        launch::rdt::remove(&self.config)?;
        if let Some(cgroup) = self.cgroup.take() {
            let removed = cgroup.remove();
            if removed.is_err() {
                self.cgroup = Some(cgroup);
            }
            removed?;
        }
        Ok(())
    }

    /// Returns the number of the first process in the caller's PID namespace, while one is known.
    pub fn pid(&self) -> Option<u32> {
        self.init.as_ref().map(|init| init.pid)
    }

    /// Returns the master of the container's terminal, where it has one and was made by this value.
    pub fn console(&self) -> Option<BorrowedFd<'_>> {
        self.console.as_ref().map(AsFd::as_fd)
    }

    /// Returns what the container was made from.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Returns its name, where a factory made it.
    pub fn id(&self) -> Option<&str> {
        self.home.as_ref().map(Home::id)
    }

    /// Returns its control group.
    pub fn cgroup(&self) -> Option<&Cgroup> {
        self.cgroup.as_deref()
    }

    /// Returns its control group with whoever made it.
    pub(crate) fn manager(&self) -> Option<&Manager> {
        self.cgroup.as_ref()
    }

    /// Returns its home on disk.
    pub(crate) fn home(&self) -> Option<&Home> {
        self.home.as_ref()
    }
}

fn was_started() -> Error {
    Error::new(ErrorKind::InvalidState, "container was started already")
}

impl Drop for Container {
    fn drop(&mut self) {
        if self.home.is_none() {
            let _ = self.clear();
        }
    }
}

//! `create`: a container that waits for its start; and what `run` has in common with it.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use lexopt::Arg::{self, Long, Short, Value};
use lexopt::ValueExt;
use libcontainer::oci::{self, Bundle};
use libcontainer::{Cgroup, Config, Container, ErrorKind, Io, Plan};

use crate::args::{Arguments, Global, is_ordinary_user, one};
use crate::console::{Console, Terminal};
use crate::failure::{Failure, Result};
use crate::help;
use crate::log::Log;

pub(crate) fn command(global: &Global, arguments: &mut Arguments) -> Result<u8> {
    let mut options = Options::default();
    while let Some(argument) = arguments.0.next()? {
        if let Short('h') | Long("help") = argument {
            return help::of("create");
        }
        if let Some(option) = Shared::of(&argument) {
            options.set(option, arguments)?;
            continue;
        }
        match argument {
            Value(word) => options.words.push(word.string()?),
            other => return Err(other.unexpected().into()),
        }
    }
    options.detach = true;
    let made = Made::new(global, options)?;
    made.keep();
    Ok(0)
}

/// The options of `create` and `run`.
#[derive(Debug, Default)]
pub(crate) struct Options {
    bundle: Option<PathBuf>,
    console_socket: Option<PathBuf>,
    pid_file: Option<PathBuf>,
    no_pivot: bool,
    io: Io,
    pub(crate) detach: bool,
    pub(crate) keep: bool,
    pub(crate) words: Vec<String>,
}

/// An option that both commands have.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shared {
    Bundle,
    ConsoleSocket,
    PidFile,
    NoPivot,
    PreserveFds,
    /// What this program does anyway.
    Nothing,
}

impl Shared {
    /// Recognizes an option.
    pub(crate) fn of(argument: &Arg<'_>) -> Option<Shared> {
        Some(match argument {
            Short('b') | Long("bundle") => Shared::Bundle,
            Long("console-socket") => Shared::ConsoleSocket,
            Long("pid-file") => Shared::PidFile,
            Long("no-pivot") => Shared::NoPivot,
            Long("preserve-fds") => Shared::PreserveFds,
            Long("no-new-keyring" | "no-subreaper") => Shared::Nothing,
            _ => return None,
        })
    }
}

impl Options {
    /// Reads the value of an option.
    pub(crate) fn set(&mut self, option: Shared, arguments: &mut Arguments) -> Result<()> {
        match option {
            Shared::Bundle => self.bundle = Some(arguments.path()?),
            Shared::ConsoleSocket => self.console_socket = Some(arguments.path()?),
            Shared::PidFile => self.pid_file = Some(arguments.path()?),
            Shared::NoPivot => self.no_pivot = true,
            // At once: later, a number that the caller left closed could be a descriptor of our own.
            Shared::PreserveFds => self.io.preserve(arguments.number()?)?,
            Shared::Nothing => {}
        }
        Ok(())
    }
}

/// A container that was just made. It is deleted again when this is dropped, unless it is kept.
#[derive(Debug)]
pub(crate) struct Made {
    container: Option<Container>,
    terminal: Option<Terminal>,
}

impl Made {
    /// Makes a container from a bundle.
    pub(crate) fn new(global: &Global, options: Options) -> Result<Made> {
        let command = if options.detach { "create" } else { "run" };
        let id = one(&options.words, command)?;
        let factory = global.factory()?;
        // Before anything is read: whether there can be a container of this name.
        if factory.exists(&id)? {
            return Err(Failure::new(format_args!("container {id:?}: exists already")));
        }
        let bundle = oci::load(options.bundle.as_deref().unwrap_or(Path::new(".")))?;
        let mut config = configure(&bundle, &id, &options)?;
        let console =
            Console::choose(config.process.terminal, options.detach, options.console_socket.as_deref())?;
        console.size(&mut config.process);
        if global.log.debug {
            Plan::new(&config)?.to_string().lines().for_each(|step| global.log.debug(step));
        }

        let container = factory.create_with(&id, &config, options.io, bundle.notes());
        let container = container.map_err(|error| explain(error, &config))?;
        let mut made = Made { container: Some(container), terminal: None };
        made.terminal = console.connect(made.container().console())?;
        if let (Some(file), Some(pid)) = (&options.pid_file, made.container().pid()) {
            write_pid(file, pid)?;
        }
        Ok(made)
    }

    pub(crate) fn container(&mut self) -> &mut Container {
        self.parts().0
    }

    /// Returns both, for whoever waits.
    pub(crate) fn parts(&mut self) -> (&mut Container, Option<&Terminal>) {
        (self.container.as_mut().expect("it is there until it is kept or deleted"), self.terminal.as_ref())
    }

    /// Gives the terminal back and leaves the container, which has ended, as it is.
    pub(crate) fn close(mut self) -> Result<()> {
        self.container = None;
        self.terminal.take().map_or(Ok(()), Terminal::close)
    }

    /// Leaves the container to others.
    pub(crate) fn keep(mut self) {
        self.container = None;
    }

    /// Removes the container, and gives the terminal back.
    pub(crate) fn delete(mut self, log: &Log) -> Result<()> {
        let deleted = log.hooks(self.container.take().map_or(Ok(()), Container::delete));
        // Only now nobody can write to it any more.
        let closed = self.terminal.take().map_or(Ok(()), Terminal::close);
        deleted?;
        closed
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        if let Some(container) = self.container.take() {
            let _ = container.delete();
        }
        if let Some(terminal) = self.terminal.take() {
            let _ = terminal.close();
        }
    }
}

/// Makes the configuration, for who we are.
fn configure(bundle: &Bundle, id: &str, options: &Options) -> Result<Config> {
    let mut config = bundle.config(id)?;
    config.no_pivot_root = options.no_pivot;
    // An ordinary user has no place for a cgroup unless one was handed over; where nothing is limited,
    // nothing is lost without one.
    let unlimited = |cgroup: &Cgroup| !is_limited(cgroup) && cgroup.path == Path::new("/").join(id);
    if is_ordinary_user() && config.cgroup.as_ref().is_some_and(unlimited) {
        config.cgroup = None;
    }
    Ok(config)
}

fn is_limited(cgroup: &Cgroup) -> bool {
    // The type is of a crate that this one needs for nothing else.
    #[allow(clippy::default_trait_access)]
    let unlimited = Default::default();
    cgroup.resources != unlimited || !cgroup.devices.is_empty()
}

/// Says what an ordinary user lacks.
fn explain(error: libcontainer::Error, config: &Config) -> Failure {
    if config.cgroup.is_some() && is_ordinary_user() && error.kind() == ErrorKind::PermissionDenied {
        let needs = "an ordinary user needs delegated cgroups for linux.resources and linux.cgroupsPath";
        return Failure::new(format_args!("{error} ({needs})"));
    }
    error.into()
}

/// Writes a process's number so that a reader finds all of it or no file.
pub(crate) fn write_pid(path: &Path, pid: u32) -> Result<()> {
    let failed = |error: io::Error| Failure::io(format_args!("write pid file {path:?}"), error);
    let name = path.file_name().ok_or_else(|| failed(io::ErrorKind::InvalidInput.into()))?;
    let mut hidden = OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{}", std::process::id()));
    let next = path.with_file_name(hidden);
    let made = File::create_new(&next).map_err(failed)?;
    let written = (&made).write_all(pid.to_string().as_bytes()).and_then(|()| fs::rename(&next, path));
    written.map_err(|error| {
        let _ = fs::remove_file(&next);
        failed(error)
    })
}

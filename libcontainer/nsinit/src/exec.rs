//! `exec`: another process in a container, as the container's own unless said otherwise.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use lexopt::Arg::{Long, Short, Value};
use lexopt::ValueExt;
use libcontainer::{CapabilitySet, Child, Container, Io, Process, User, oci};

use crate::args::{Arguments, Global};
use crate::console::{Console, Terminal};
use crate::create::write_pid;
use crate::failure::{Failure, Result, usage};
use crate::foreground::Signals;
use crate::help;

/// What engines know as "it could not be started".
const NOT_STARTED: u8 = 255;

/// A file with a process is never larger than this, in bytes.
const LIMIT: u64 = 16 << 20;

pub(crate) fn command(global: &Global, arguments: &mut Arguments) -> Result<u8> {
    let Some(options) = Options::read(arguments)? else { return help::of("exec") };
    options.run(global).map_err(|failure| failure.with_code(NOT_STARTED))
}

#[derive(Debug, Default)]
struct Options {
    id: String,
    args: Vec<String>,
    terminal: bool,
    detach: bool,
    env: Vec<String>,
    user: Option<String>,
    groups: Vec<u32>,
    cwd: Option<PathBuf>,
    capabilities: Vec<CapabilitySet>,
    no_new_privileges: bool,
    process: Option<PathBuf>,
    pid_file: Option<PathBuf>,
    console_socket: Option<PathBuf>,
    io: Io,
}

impl Options {
    /// Reads the command line; `None` where it asks for help.
    fn read(arguments: &mut Arguments) -> Result<Option<Options>> {
        let mut options = Options::default();
        while let Some(argument) = arguments.0.next()? {
            match argument {
                Short('t') | Long("tty") => options.terminal = true,
                Short('d') | Long("detach") => options.detach = true,
                Short('e') | Long("env") => options.env.push(arguments.text()?),
                Short('u') | Long("user") => options.user = Some(arguments.text()?),
                Short('g') | Long("additional-gids") => options.groups.push(arguments.number()?),
                Long("cwd") => options.cwd = Some(arguments.path()?),
                Short('c') | Long("cap") => options.capabilities.push(arguments.text()?.parse()?),
                Long("no-new-privs") => options.no_new_privileges = true,
                Short('p') | Long("process") => options.process = Some(arguments.path()?),
                Long("pid-file") => options.pid_file = Some(arguments.path()?),
                Long("console-socket") => options.console_socket = Some(arguments.path()?),
                // At once: later, a number that the caller left closed could be a descriptor of our own.
                Long("preserve-fds") => options.io.preserve(arguments.number()?)?,
                Short('h') | Long("help") => return Ok(None),
                Value(word) if options.id.is_empty() => options.id = word.string()?,
                // From the program on, everything is the program's.
                Value(word) => {
                    options.args.push(word.string()?);
                    options.args.extend(arguments.rest()?);
                }
                other => return Err(other.unexpected().into()),
            }
        }
        if options.id.is_empty() {
            return Err(usage("exec: needs a container id"));
        }
        if options.args.is_empty() == options.process.is_none() {
            return Err(usage("exec: needs either a command or --process"));
        }
        Ok(Some(options))
    }

    fn run(mut self, global: &Global) -> Result<u8> {
        let container = global.factory()?.load(&self.id)?;
        let mut process = self.process(&container)?;
        let console = Console::choose(process.terminal, self.detach, self.console_socket.as_deref())?;
        console.size(&mut process);
        let io = std::mem::take(&mut self.io);
        // A program that stays behind has signals of its own.
        let signals = if self.detach { None } else { Some(Signals::keep()?) };
        let mut running = Running { child: Some(container.exec(&process, io)?), terminal: None };
        running.terminal = console.connect(running.child().console())?;
        if let Some(file) = &self.pid_file {
            write_pid(file, running.child().pid())?;
        }
        match signals {
            None => {
                running.keep();
                Ok(0)
            }
            Some(signals) => running.attend(&signals),
        }
    }

    /// Returns the process: the container's, with what the options change in it.
    fn process(&self, container: &Container) -> Result<Process> {
        if let Some(file) = &self.process {
            let mut process = oci::process(&read(file)?)
                .map_err(|error| Failure::new(format_args!("{}: {error}", file.display())))?;
            process.terminal |= self.terminal;
            process.seccomp.clone_from(&container.config().process.seccomp);
            return Ok(process);
        }
        // The container's as it was made, whatever has become of the bundle since.
        let mut process = container.config().process.clone();
        process.args.clone_from(&self.args);
        process.terminal = self.terminal;
        process.terminal_size = None;
        process.no_new_privileges |= self.no_new_privileges;
        self.env.iter().for_each(|variable| set(&mut process.env, variable));
        if let Some(cwd) = &self.cwd {
            process.cwd.clone_from(cwd);
        }
        if let Some(user) = &self.user {
            process.user = change(&process.user, user)?;
        }
        match &mut process.user {
            User::Ids { groups, .. } => groups.extend(&self.groups),
            User::Spec(_) if self.groups.is_empty() => {}
            User::Spec(_) => return Err(usage("--additional-gids: only with a user given as a number")),
        }
        // Never inheritable ones: a program with such file capabilities would get them for good.
        let capabilities = &mut process.capabilities;
        for set in [&mut capabilities.bounding, &mut capabilities.permitted, &mut capabilities.effective] {
            *set = self.capabilities.iter().fold(*set, |all, one| all.union(*one));
        }
        Ok(process)
    }
}

/// Sets a variable, in the place of one of the same name.
fn set(env: &mut Vec<String>, variable: &str) {
    let name = |text: &str| text.split('=').next().unwrap_or_default().to_owned();
    env.retain(|known| name(known) != name(variable));
    env.push(variable.to_owned());
}

/// Reads who the process shall be: `UID`, `UID:GID`, or names of the container.
fn change(own: &User, text: &str) -> Result<User> {
    let (user, group) = text.split_once(':').map_or((text, None), |(user, group)| (user, Some(group)));
    let is_number = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(user) || !group.is_none_or(is_number) {
        // `+1` and `-1` are no names, and no numbers either.
        if text.starts_with(['+', '-', ':']) || text.is_empty() {
            return Err(usage(format_args!("user {text:?}: must be UID, UID:GID or names of the container")));
        }
        return Ok(User::Spec(text.to_owned()));
    }
    let id = |word: &str| {
        let beyond = || usage(format_args!("user {text:?}: {word} is beyond the largest id, 4294967294"));
        word.parse::<u32>().ok().filter(|id| *id != u32::MAX).ok_or_else(beyond)
    };
    let (own_gid, groups, umask) = match own {
        User::Ids { gid, groups, umask, .. } => (*gid, groups.clone(), *umask),
        User::Spec(_) => (0, Vec::new(), None),
    };
    Ok(User::Ids { uid: id(user)?, gid: group.map_or(Ok(own_gid), id)?, groups, umask })
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(LIMIT).read_to_end(&mut bytes))
        .map_err(|error| Failure::io(format_args!("read {path:?}"), error))?;
    Ok(bytes)
}

/// A process that was started. It is killed again when this is dropped, unless it is kept or has ended.
struct Running {
    child: Option<Child>,
    terminal: Option<Terminal>,
}

impl Running {
    fn child(&mut self) -> &mut Child {
        self.child.as_mut().expect("it is there until it is kept")
    }

    /// Leaves the process running.
    fn keep(mut self) {
        self.child = None;
    }

    fn attend(mut self, signals: &Signals) -> Result<u8> {
        let terminal = self.terminal.take();
        let code = signals.attend(self.child(), terminal.as_ref())?;
        self.child = None;
        terminal.map_or(Ok(()), Terminal::close)?;
        Ok(code)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.signal(nix::libc::SIGKILL);
            let _ = child.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: User = User::Ids { uid: 5, gid: 6, groups: Vec::new(), umask: Some(0o77) };

    #[test]
    fn a_user_in_numbers_keeps_the_rest() {
        let ids = |uid, gid| User::Ids { uid, gid, groups: Vec::new(), umask: Some(0o77) };
        assert_eq!(change(&OWN, "7").unwrap(), ids(7, 6));
        assert_eq!(change(&OWN, "7:8").unwrap(), ids(7, 8));
        assert_eq!(change(&OWN, "web:8").unwrap(), User::Spec("web:8".to_owned()));
    }

    #[test]
    fn ids_that_overflow_are_not_root() {
        // A peer took 4294967296 for 0, another 4294967295 for "unchanged": both ran as root.
        for text in ["4294967295", "4294967296", "1:4294967296", "-1", "+1", "", ":1"] {
            assert!(change(&OWN, text).unwrap_err().text.contains(text), "{text:?}");
        }
    }

    #[test]
    fn a_variable_replaces_its_namesake() {
        let mut env = vec!["A=1".to_owned(), "AB=2".to_owned()];
        set(&mut env, "A=3");
        assert_eq!(env, ["AB=2", "A=3"]);
    }
}

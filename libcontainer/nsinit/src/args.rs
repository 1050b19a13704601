//! The command line: options before the command, and what all commands share.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::Arg::{Long, Short, Value};
use lexopt::{Parser, ValueExt};
use libcontainer::Factory;
use nix::unistd::Uid;

use crate::failure::{Failure, Result, usage};
use crate::log::{Format, Log};

/// What is left of the command line.
pub(crate) struct Arguments(pub(crate) Parser);

/// The options before the command.
#[derive(Debug, Default)]
pub(crate) struct Global {
    root: Option<PathBuf>,
    pub(crate) log: Log,
    pub(crate) help: bool,
    pub(crate) version: bool,
    pub(crate) command: Option<String>,
}

impl Arguments {
    pub(crate) fn of_this_process() -> Self {
        Arguments(Parser::from_env())
    }

    /// Returns the value of the option just read.
    pub(crate) fn text(&mut self) -> Result<String> {
        Ok(self.0.value()?.string()?)
    }

    pub(crate) fn path(&mut self) -> Result<PathBuf> {
        Ok(self.0.value()?.into())
    }

    pub(crate) fn number<T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>>(
        &mut self,
    ) -> Result<T> {
        Ok(self.0.value()?.parse()?)
    }

    /// Reads what a command without options of its own takes: ids and words.
    pub(crate) fn words(&mut self, command: &str) -> Result<Option<Vec<String>>> {
        let mut words = Vec::new();
        while let Some(argument) = self.0.next()? {
            match argument {
                Short('h') | Long("help") => return crate::help::of(command).map(|_| None),
                Value(word) => words.push(word.string()?),
                other => return Err(other.unexpected().into()),
            }
        }
        Ok(Some(words))
    }

    /// Returns everything that is left, options or not.
    pub(crate) fn rest(&mut self) -> Result<Vec<String>> {
        let rest: Vec<OsString> = self.0.raw_args()?.collect();
        Ok(rest.into_iter().map(OsString::string).collect::<std::result::Result<_, _>>()?)
    }
}

impl Global {
    /// Reads up to the command.
    pub(crate) fn read(arguments: &mut Arguments) -> Result<Global> {
        let mut global = Global::default();
        while let Some(argument) = arguments.0.next()? {
            match argument {
                Long("root") => global.root = Some(arguments.path()?),
                Long("log") => global.log.file = Some(arguments.path()?),
                Long("log-format") => {
                    global.log.format = match arguments.text()?.as_str() {
                        "text" => Format::Text,
                        "json" => Format::Json,
                        other => {
                            return Err(usage(format_args!("log format {other:?}: must be text or json")));
                        }
                    }
                }
                Long("debug") => global.log.debug = true,
                Long("systemd-cgroup") => {
                    return Err(usage(
                        "--systemd-cgroup: not supported yet; leave it out to use cgroups directly",
                    ));
                }
                // Whether a container is rootless is seen, not told.
                Long("rootless") => drop(arguments.text()?),
                Short('v') | Long("version") => global.version = true,
                Short('h') | Long("help") => global.help = true,
                Value(command) => {
                    global.command = Some(command.string()?);
                    break;
                }
                other => return Err(other.unexpected().into()),
            }
        }
        Ok(global)
    }

    /// Returns where the containers live.
    pub(crate) fn factory(&self) -> Result<Factory> {
        let own = std::env::var_os("XDG_RUNTIME_DIR").filter(|_| is_ordinary_user());
        let root = match (&self.root, own) {
            (Some(root), _) => root.clone(),
            (None, Some(own)) => PathBuf::from(own).join("nsinit"),
            (None, None) if Uid::effective().is_root() => "/run/nsinit".into(),
            (None, None) => {
                return Err(Failure::new(
                    "XDG_RUNTIME_DIR is not set: say with --root where containers live",
                ));
            }
        };
        Ok(Factory::new(root)?)
    }
}

/// Returns whether we are an ordinary user, be it as root of a user namespace.
pub(crate) fn is_ordinary_user() -> bool {
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let whole = map.split_whitespace().eq(["0", "0", "4294967295"]);
    !Uid::effective().is_root() || !(whole || map.is_empty())
}

/// Takes the one word that a command is about.
pub(crate) fn one(words: &[String], command: &str) -> Result<String> {
    match words {
        [id] => Ok(id.clone()),
        words => Err(usage(format_args!("{command}: needs exactly one container id, not {}", words.len()))),
    }
}

//! Programs that run at the turns of a container's life.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The hooks of a container, of [six kinds].
///
/// Each reads the container's [state] on its standard input.
/// The hooks of a kind run one after another; what they print is kept for the error of one that fails. One that
/// fails ends the container, but for those of [`Hooks::poststop`].
///
/// [state]: https://github.com/opencontainers/runtime-spec/blob/main/runtime.md#state
/// [six kinds]: https://github.com/opencontainers/runtime-spec/blob/main/config.md#posix-platform-hooks
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default, deny_unknown_fields)]
pub struct Hooks {
    /// On the host, when the namespaces and mounts are there and before the root is changed. The older kind of
    /// [`Hooks::create_runtime`], which come after them.
    pub prestart: Vec<Hook>,
    /// On the host, when the namespaces and mounts are there and before the root is changed.
    pub create_runtime: Vec<Hook>,
    /// In the container's namespaces, before the root is changed: the rootfs with its mounts is where it is on the
    /// host. They have all the rights that setting up has.
    pub create_container: Vec<Hook>,
    /// In the container, before its program runs: as its program in everything but the arguments and the
    /// environment. A caller without CAP_SYS_PTRACE can't have them beside a filter of system calls, an AppArmor
    /// profile or an SELinux label, which they could take from the process that waits.
    pub start_container: Vec<Hook>,
    /// On the host, when the program runs.
    pub poststart: Vec<Hook>,
    /// On the host, when the container is gone.
    pub poststop: Vec<Hook>,
}

/// A program that runs at a turn of a container's life.
///
/// ```
/// use libcontainer::{Config, Hook};
///
/// let mut config = Config::new("/srv/rootfs");
/// let mut hook = Hook::new("/usr/bin/notify");
/// hook.args = vec!["notify".to_owned(), "started".to_owned()];
/// hook.timeout = Some(5);
/// config.hooks.poststart.push(hook);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default, deny_unknown_fields)]
pub struct Hook {
    /// The program: an absolute path.
    pub path: PathBuf,
    /// Its arguments, its name first; the path alone where there are none.
    pub args: Vec<String>,
    /// Its whole environment, `NAME=value`.
    pub env: Vec<String>,
    /// After how many seconds it is killed, and has failed; never unless said.
    pub timeout: Option<u32>,
}

impl Hook {
    /// Makes a hook without arguments and environment.
    pub fn new(path: impl Into<PathBuf>) -> Hook {
        Hook { path: path.into(), ..Hook::default() }
    }
}

impl Hooks {
    /// Returns whether there are some between the mounts and the change of the root.
    pub(crate) fn are_for_create(&self) -> bool {
        !(self.prestart.is_empty() && self.create_runtime.is_empty() && self.create_container.is_empty())
    }

    /// Returns all of them, each with the name of its kind and its number there.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&'static str, usize, &Hook)> {
        let kinds = [
            ("prestart", &self.prestart),
            ("createRuntime", &self.create_runtime),
            ("createContainer", &self.create_container),
            ("startContainer", &self.start_container),
            ("poststart", &self.poststart),
            ("poststop", &self.poststop),
        ];
        kinds.into_iter().flat_map(|(kind, hooks)| {
            hooks.iter().enumerate().map(move |(number, hook)| (kind, number, hook))
        })
    }
}

//! A service manager, and what it can be asked to do.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::address::{self, Address};
use super::name::{checked, is_slice};
use super::object::{MANAGER, ROOT, UNIT, of_unit, to_manager};
use super::peer::{Peer, lock};
use super::value::Value;
use crate::{Error, ErrorKind, Result};

/// How long an answer may take, and a job may run, unless it is said.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A systemd: the system's, or the calling user's own.
///
/// It may be shared among threads, and cloned: calls at the same time have a connection each. A connection that was
/// closed, be it that the bus was started anew, is opened again, and what was asked is asked once more.
///
/// No call waits without end. An answer may take 30 seconds, and so may a job, unless
/// [`with_timeout`](Systemd::with_timeout) says something else. A bus that takes no more guests is asked again for up
/// to thirteen seconds.
#[derive(Clone)]
pub struct Systemd {
    pub(super) peer: Peer,
    user: bool,
    version: u32,
    pub(super) unknown: Arc<Mutex<BTreeSet<String>>>,
}

impl Systemd {
    /// Connects to the system's manager: over the system bus, or where there is none, root over the manager's own
    /// socket.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) where no manager answers; the line says what each socket did.
    pub fn system() -> Result<Systemd> {
        Systemd::connect("the system's systemd", address::system(), false)
    }

    /// Connects to the calling user's own manager: over the bus that `DBUS_SESSION_BUS_ADDRESS` names, the one in
    /// `XDG_RUNTIME_DIR` (else `/run/user/UID`), or the manager's own socket there.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) where no manager answers; the line says what each socket did.
    pub fn user() -> Result<Systemd> {
        Systemd::connect("the user's systemd", address::user(), true)
    }

    /// Connects to the manager that this process should use: the system's for root, else the user's own; `None` on a
    /// machine that systemd doesn't run.
    ///
    /// Root of a user namespace is the user who made it. Nothing is made to find out.
    ///
    /// # Errors
    ///
    /// Those of [`system`](Systemd::system) and [`user`](Systemd::user), where systemd runs the machine.
    #[doc(alias = "UseSystemd")]
    pub fn detect() -> Result<Option<Systemd>> {
        // sd_booted(3) looks no further.
        if !Path::new("/run/systemd/system").is_dir() {
            return Ok(None);
        }
        if is_root() { Systemd::system() } else { Systemd::user() }.map(Some)
    }

    fn connect(whom: &str, addresses: Vec<Address>, user: bool) -> Result<Systemd> {
        let peer = Peer::new(addresses, TIMEOUT);
        let mut systemd = Systemd { peer, user, version: 0, unknown: Arc::default() };
        let action = format!("connect to {whom}");
        let version = systemd.peer.get(ROOT, MANAGER, "Version").map_err(|e| e.into_error(&action))?;
        let text = version.as_str().unwrap_or_default();
        systemd.version = version_of(text).ok_or_else(|| {
            Error::new(ErrorKind::Malformed, format!("{action}: its version is {text:?}, which is no number"))
        })?;
        Ok(systemd)
    }

    /// Sets how long an answer may take, and a job may run, beginning with its call: 30 seconds if nothing is said.
    ///
    /// What has not ended by then is [`TimedOut`](ErrorKind::TimedOut). Stopping a unit takes as long as its processes
    /// take to end, up to the unit's `TimeoutStopUSec`: whoever wants to see that needs a longer time than it.
    ///
    /// ```no_run
    /// use std::time::Duration;
    /// use cgroups::systemd::Systemd;
    ///
    /// let systemd = Systemd::system()?.with_timeout(Duration::from_secs(120));
    /// systemd.stop("job-1.scope")?;
    /// # Ok::<(), cgroups::Error>(())
    /// ```
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Systemd {
        self.peer.timeout = timeout;
        self
    }

    /// Returns systemd's version: 252.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Returns whether this is a user's manager.
    pub fn is_user(&self) -> bool {
        self.user
    }

    /// Moves processes into a unit's cgroup, or one below it: what a user may not do by hand if the processes come
    /// from outside of what is the user's.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) for a path that is not plain and below the unit's cgroup,
    /// [`NotFound`](ErrorKind::NotFound) for a unit or process that isn't there,
    /// [`PermissionDenied`](ErrorKind::PermissionDenied) for processes of other users.
    pub fn attach(&self, name: &str, below: &str, pids: &[u32]) -> Result<()> {
        checked(name)?;
        let action = format!("attach processes {pids:?} to {below:?} in systemd unit {name:?}");
        let path = match below {
            "" | "/" => String::new(),
            path => format!("/{}", path.strip_prefix('/').unwrap_or(path)),
        };
        // Two slashes and a dot stand for nothing, and two dots lead out.
        if path.split('/').skip(1).any(|word| matches!(word, "" | "." | "..")) {
            return Err(Error::new(ErrorKind::InvalidInput, format!("{action}: not a plain path")));
        }
        let path = if path.is_empty() { "/".to_owned() } else { path };
        let pids = Value::Array("u".to_owned(), pids.iter().map(|&pid| Value::U32(pid)).collect());
        let arguments = vec![Value::from(name), Value::from(path), pids];
        self.peer
            .call(&to_manager("AttachProcessesToUnit", arguments))
            .map(drop)
            .map_err(|e| e.into_error(action))
    }

    /// Makes systemd forget that a unit has failed; a unit that isn't there is no error.
    ///
    /// # Errors
    ///
    /// [`PermissionDenied`](ErrorKind::PermissionDenied).
    pub fn reset_failed(&self, name: &str) -> Result<()> {
        checked(name)?;
        match self.peer.call(&to_manager("ResetFailedUnit", vec![Value::from(name)])) {
            Err(failure) if !failure.is("NoSuchUnit") => {
                Err(failure.into_error(format!("reset failed systemd unit {name:?}")))
            }
            _ => Ok(()),
        }
    }

    /// Reads a property of a unit: `TasksMax`, `ActiveState`.
    ///
    /// A unit that isn't there has properties too: it is "inactive".
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) for a property that there isn't.
    pub fn property(&self, unit: &str, name: &str) -> Result<Value> {
        checked(unit)?;
        let kind = if is_slice(unit) { "Slice" } else { "Scope" };
        let path = of_unit(unit);
        let found = match self.peer.get(&path, &format!("org.freedesktop.systemd1.{kind}"), name) {
            Err(failure) if failure.is("UnknownProperty") => self.peer.get(&path, UNIT, name),
            result => result,
        };
        found.map_err(|failure| failure.into_error(format!("read {name} of systemd unit {unit:?}")))
    }

    /// Returns a unit's cgroup, from the root of what the machine's systemd manages; `None` for one that has none
    /// (any more).
    ///
    /// # Errors
    ///
    /// Those of [`property`](Systemd::property).
    pub fn control_group(&self, unit: &str) -> Result<Option<PathBuf>> {
        let value = self.property(unit, "ControlGroup")?;
        Ok(value.as_str().filter(|path| !path.is_empty()).map(PathBuf::from))
    }

    /// Returns the properties that this systemd turned out not to know.
    pub fn unknown_properties(&self) -> BTreeSet<String> {
        lock(&self.unknown).clone()
    }
}

impl std::fmt::Debug for Systemd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Systemd { user, version, .. } = self;
        f.debug_struct("Systemd").field("user", user).field("version", version).finish_non_exhaustive()
    }
}

/// Reads `252.39-1~deb12u1`, `v256` or `239 (239-82.el8)`.
fn version_of(text: &str) -> Option<u32> {
    let text = text.trim_start_matches(['v', '"']);
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().ok()
}

/// Whether this is root of the machine.
pub(super) fn is_root() -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    nix::unistd::geteuid().is_root() && map.split_whitespace().eq(["0", "0", "4294967295"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_the_number_in_front() {
        for (text, version) in [
            ("252.39-1~deb12u1", 252),
            ("v256", 256),
            ("239 (239-82.el8)", 239),
            ("\"247", 247),
            ("258", 258),
        ] {
            assert_eq!(version_of(text), Some(version), "{text}");
        }
        assert_eq!(version_of(""), None);
        assert_eq!(version_of("systemd"), None);
    }

    #[test]
    fn the_manager_may_be_shared_among_threads() {
        fn shared<T: Send + Sync>() {}
        shared::<Systemd>();
    }
}

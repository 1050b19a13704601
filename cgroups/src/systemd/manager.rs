//! A service manager, and what it can be asked to do.

use std::collections::BTreeSet;
use std::fmt::{Display, Write};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use super::address::{self, Address};
use super::connection::{Connection, Deadline, Failure};
use super::job;
use super::name::{checked, is_slice};
use super::unit::Unit;
use super::value::{Property, Value};
use super::wire::Call;
use crate::wait::Wait;
use crate::{Error, ErrorKind, Result};

pub(super) const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const SYSTEMD: &str = "org.freedesktop.systemd1";
const ROOT: &str = "/org/freedesktop/systemd1";
const UNIT: &str = "org.freedesktop.systemd1.Unit";

/// How long an answer may take, and a job may run.
const PATIENCE: Duration = Duration::from_secs(30);

/// A systemd: the system's, or the calling user's own.
///
/// It may be shared among threads; calls at the same time have a connection each. A connection that was closed, be it
/// that the bus was started anew, is opened again, and what was asked is asked once more.
pub struct Systemd {
    addresses: Vec<Address>,
    user: bool,
    version: u32,
    idle: Mutex<Option<Connection>>,
    unknown: Mutex<BTreeSet<String>>,
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
        let mut systemd =
            Systemd { addresses, user, version: 0, idle: Mutex::default(), unknown: Mutex::default() };
        let action = format!("connect to {whom}");
        let version = systemd.get(ROOT, MANAGER, "Version").map_err(|e| e.into_error(&action))?;
        let text = version.as_str().unwrap_or_default();
        systemd.version = version_of(text).ok_or_else(|| {
            Error::new(ErrorKind::Malformed, format!("{action}: its version is {text:?}, which is no number"))
        })?;
        Ok(systemd)
    }

    /// Returns systemd's version: 252.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Returns whether this is a user's manager.
    pub fn is_user(&self) -> bool {
        self.user
    }

    /// Starts a unit, and returns when it runs.
    ///
    /// Of the limits, those whose property this systemd doesn't know are left out, now and later
    /// ([`unknown_properties`](Systemd::unknown_properties) tells which). A slice that is there already is told the
    /// limits and is fine; what is left of a failed scope of that name is forgotten first.
    ///
    /// # Errors
    ///
    /// [`Busy`](ErrorKind::Busy) where such a scope runs, [`NotFound`](ErrorKind::NotFound) for a process that is not
    /// there, [`InvalidInput`](ErrorKind::InvalidInput) for a value that systemd refuses,
    /// [`PermissionDenied`](ErrorKind::PermissionDenied), [`TimedOut`](ErrorKind::TimedOut) after 30 seconds; other
    /// kinds where its job came to another end than "done". The unit is stopped again then.
    pub fn start(&self, unit: &Unit) -> Result<()> {
        let action = format!("start systemd unit {:?}", unit.name());
        if !unit.is_slice() && !unit.has_processes() {
            return Err(Error::new(ErrorKind::InvalidInput, format!("{action}: a scope needs a process")));
        }
        let mut properties = unit.properties();
        let mut failed_before = false;
        loop {
            let unknown = self.unknown_properties();
            properties.retain(|(property, optional)| !optional || !unknown.contains(&property.name));
            let given: Vec<&Property> = properties.iter().map(|(property, _)| property).collect();
            match self.start_once(unit.name(), &given) {
                Ok(result) if result == "done" => return Ok(()),
                Ok(result) => {
                    self.clean_up(unit.name());
                    let why = format!("{action}: its job ended as {result:?}");
                    return Err(Error::new(kind_of_result(&result), why));
                }
                Err(failure) if failure.is("UnitExists") && unit.is_slice() => {
                    return self.set_properties(unit.name(), &unit.given_limits());
                }
                Err(failure) if failure.is("UnitExists") && !failed_before => {
                    failed_before = true;
                    // Does nothing to a unit that runs.
                    drop(self.reset_failed(unit.name()));
                }
                Err(failure) => {
                    if !self.learn(&failure, &properties) {
                        if matches!(failure, Failure::TimedOut(_)) {
                            self.clean_up(unit.name());
                        }
                        return Err(asked_for(failure.into_error(&action), &unit.given_limits()));
                    }
                }
            }
        }
    }

    fn start_once(&self, name: &str, properties: &[&Property]) -> std::result::Result<String, Failure> {
        let arguments = vec![
            Value::from(name),
            Value::from("replace"),
            listed(properties),
            Value::Array(AUXILIARY.to_owned(), Vec::new()),
        ];
        self.job(name, &to_manager("StartTransientUnit", arguments), "active")
    }

    /// Stops a unit, and returns when it is gone; one that isn't there is no error.
    ///
    /// systemd ends the processes that are left in it: with SIGTERM, and with SIGKILL after the unit's
    /// `TimeoutStopUSec`, which is 90 seconds unless it was set.
    ///
    /// # Errors
    ///
    /// [`PermissionDenied`](ErrorKind::PermissionDenied), [`TimedOut`](ErrorKind::TimedOut) after 30 seconds; other
    /// kinds where its job came to another end than "done".
    pub fn stop(&self, name: &str) -> Result<()> {
        checked(name)?;
        let action = format!("stop systemd unit {name:?}");
        let arguments = vec![Value::from(name), Value::from("replace")];
        match self.job(name, &to_manager("StopUnit", arguments), "inactive") {
            Ok(result) if result == "done" => Ok(()),
            Ok(result) => {
                drop(self.reset_failed(name));
                Err(Error::new(kind_of_result(&result), format!("{action}: its job ended as {result:?}")))
            }
            Err(failure) if failure.is("NoSuchUnit") => Ok(()),
            Err(failure) => Err(failure.into_error(action)),
        }
    }

    /// Changes properties of a unit until it ends; those that this systemd doesn't know are left out.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) for a unit that isn't there, [`InvalidInput`](ErrorKind::InvalidInput) for a
    /// value that systemd refuses, [`PermissionDenied`](ErrorKind::PermissionDenied).
    pub fn set_properties(&self, name: &str, properties: &[Property]) -> Result<()> {
        checked(name)?;
        let mut properties: Vec<_> = properties.iter().map(|property| (property.clone(), true)).collect();
        loop {
            let unknown = self.unknown_properties();
            properties.retain(|(property, _)| !unknown.contains(&property.name));
            if properties.is_empty() {
                return Ok(());
            }
            let given: Vec<&Property> = properties.iter().map(|(property, _)| property).collect();
            let arguments = vec![Value::from(name), Value::from(true), listed(&given)];
            match self.call(&to_manager("SetUnitProperties", arguments)) {
                Ok(_) => return Ok(()),
                Err(failure) if self.learn(&failure, &properties) => {}
                Err(failure) => {
                    let action = format!("set {} of systemd unit {name:?}", in_words(given.into_iter()));
                    return Err(failure.into_error(action));
                }
            }
        }
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
        self.call(&to_manager("AttachProcessesToUnit", arguments)).map(drop).map_err(|e| e.into_error(action))
    }

    /// Makes systemd forget that a unit has failed; a unit that isn't there is no error.
    ///
    /// # Errors
    ///
    /// [`PermissionDenied`](ErrorKind::PermissionDenied).
    pub fn reset_failed(&self, name: &str) -> Result<()> {
        checked(name)?;
        match self.call(&to_manager("ResetFailedUnit", vec![Value::from(name)])) {
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
        let path = object(unit);
        let found = match self.get(&path, &format!("{SYSTEMD}.{kind}"), name) {
            Err(failure) if failure.is("UnknownProperty") => self.get(&path, UNIT, name),
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

    /// Notes the property that systemd says it doesn't know, if it may be left out.
    fn learn(&self, failure: &Failure, properties: &[(Property, bool)]) -> bool {
        let Failure::Refused { name, text } = failure else { return false };
        // systemd's own words, the same since 2013: "Cannot set property X, or unknown property."
        if !name.ends_with(".PropertyReadOnly") && !name.ends_with(".UnknownProperty") {
            return false;
        }
        let mut words = text.split(|c: char| !c.is_ascii_alphanumeric());
        let unknown = words.find(|word| properties.iter().any(|(p, optional)| *optional && p.name == *word));
        unknown.is_some_and(|unknown| lock(&self.unknown).insert(unknown.to_owned()))
    }

    /// After a failure: its reason is what the caller needs.
    fn clean_up(&self, name: &str) {
        drop(self.call(&to_manager("StopUnit", vec![Value::from(name), Value::from("replace")])));
        drop(self.reset_failed(name));
    }

    /// Makes a call that begins a job, and waits for its end; should the connection be lost meanwhile, for the state
    /// that the job leads to.
    fn job(&self, name: &str, call: &Call<'_>, goal: &str) -> std::result::Result<String, Failure> {
        let until = Deadline::after(PATIENCE);
        let mut begun = false;
        self.with(|connection| {
            if begun {
                return settled(connection, name, goal, until);
            }
            job::listen(connection, until)?;
            // From here on the call may have been heard, whatever becomes of the connection.
            begun = true;
            let result = connection.call(call, until).and_then(|answer| {
                let job = answer.first().and_then(Value::as_str).unwrap_or_default().to_owned();
                job::end(connection, &job, until)
            });
            if !matches!(result, Err(Failure::Closed(_) | Failure::Garbled(_))) {
                drop(job::stop_listening(connection, Deadline::after(Duration::from_secs(1))));
            }
            result
        })
    }

    fn call(&self, call: &Call<'_>) -> std::result::Result<Vec<Value>, Failure> {
        self.with(|connection| connection.call(call, Deadline::after(PATIENCE)))
    }

    fn get(&self, path: &str, interface: &str, name: &str) -> std::result::Result<Value, Failure> {
        self.with(|connection| get(connection, path, interface, name, Deadline::after(PATIENCE)))
    }

    /// Does something on a connection, once more on a new one if that had been closed.
    fn with<T>(
        &self,
        mut action: impl FnMut(&mut Connection) -> std::result::Result<T, Failure>,
    ) -> std::result::Result<T, Failure> {
        let kept = lock(&self.idle).take();
        let mut connection = match kept {
            Some(connection) => connection,
            None => self.open()?,
        };
        let mut result = action(&mut connection);
        if matches!(result, Err(Failure::Closed(_))) {
            connection = self.open()?;
            result = action(&mut connection);
        }
        // Without a bus every signal comes, asked for or not, and fills what nobody empties. After a deadline or
        // nonsense nobody knows what comes next.
        if connection.bus && matches!(result, Ok(_) | Err(Failure::Refused { .. })) {
            *lock(&self.idle) = Some(connection);
        }
        result
    }

    /// Connects to the first address at which a manager answers.
    fn open(&self) -> std::result::Result<Connection, Failure> {
        let mut reasons = Vec::new();
        for address in &self.addresses {
            let until = Deadline::after(PATIENCE);
            let opened = Connection::open(address).and_then(|mut connection| {
                // A session's bus need not have a manager on it.
                get(&mut connection, ROOT, MANAGER, "Version", until).map(|_| connection)
            });
            match opened {
                Ok(connection) => return Ok(connection),
                Err(failure) => reasons.push(format!("{address}: {failure}")),
            }
        }
        reasons.dedup();
        Err(Failure::Refused { name: NOWHERE.to_owned(), text: reasons.join("; ") })
    }
}

/// What the bus would say if it had nobody of that name.
const NOWHERE: &str = "org.freedesktop.DBus.Error.NameHasNoOwner";
/// The type of further units, of which there are none.
const AUXILIARY: &str = "(sa(sv))";

impl std::fmt::Debug for Systemd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Systemd { user, version, .. } = self;
        f.debug_struct("Systemd").field("user", user).field("version", version).finish_non_exhaustive()
    }
}

/// A call to the manager.
pub(super) fn to_manager(member: &str, arguments: Vec<Value>) -> Call<'_> {
    Call { destination: SYSTEMD, path: ROOT, interface: MANAGER, member, arguments }
}

fn get(
    connection: &mut Connection,
    path: &str,
    interface: &str,
    name: &str,
    until: Deadline,
) -> std::result::Result<Value, Failure> {
    let call = Call {
        destination: SYSTEMD,
        path,
        interface: "org.freedesktop.DBus.Properties",
        member: "Get",
        arguments: vec![Value::from(interface), Value::from(name)],
    };
    match connection.call(&call, until)?.pop() {
        Some(Value::Variant(value)) => Ok(*value),
        other => Err(Failure::Garbled(format!("{other:?} as a property"))),
    }
}

/// Looks again and again whether a unit is as its job should leave it.
fn settled(
    connection: &mut Connection,
    name: &str,
    goal: &str,
    until: Deadline,
) -> std::result::Result<String, Failure> {
    let mut wait = Wait::new(until.left()?);
    loop {
        let state = get(connection, &object(name), UNIT, "ActiveState", until)?;
        match state.as_str().unwrap_or_default() {
            state if state == goal => return Ok("done".to_owned()),
            "failed" => return Ok("failed".to_owned()),
            // It was not heard, or came to nothing.
            "inactive" => return Ok("canceled".to_owned()),
            _ if wait.more() => {}
            _ => return Err(Failure::TimedOut(PATIENCE)),
        }
    }
}

/// The object that stands for a unit: its name, with what a path can't hold as hexadecimal digits.
fn object(unit: &str) -> String {
    let mut path = format!("{ROOT}/unit/");
    for (at, byte) in unit.bytes().enumerate() {
        if byte.is_ascii_alphabetic() || (byte.is_ascii_digit() && at > 0) {
            path.push(byte.into());
        } else {
            // Writing to a text can't fail.
            let _ = write!(path, "_{byte:02x}");
        }
    }
    path
}

/// An array of names and values.
fn listed(properties: &[&Property]) -> Value {
    let pair = |property: &&Property| {
        let value = Value::Variant(Box::new(property.value.clone()));
        Value::Struct(vec![Value::Str(property.name.clone()), value])
    };
    Value::Array("(sv)".to_owned(), properties.iter().map(pair).collect())
}

/// Says what was asked for beside the unit: systemd doesn't always say what it disliked.
fn asked_for(error: Error, limits: &[Property]) -> Error {
    match error.kind() {
        ErrorKind::InvalidInput if !limits.is_empty() => {
            error.note(format_args!("asked for {}", in_words(limits.iter())))
        }
        _ => error,
    }
}

fn in_words<'a>(properties: impl Iterator<Item = &'a Property>) -> String {
    properties.map(|p| format!("{}={}", p.name, p.value)).collect::<Vec<_>>().join(" ")
}

fn kind_of_result(result: &str) -> ErrorKind {
    if result == "timeout" { ErrorKind::TimedOut } else { ErrorKind::Other }
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

/// A thread that ended in the middle left the data whole: they are only ever replaced.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.socket {
            address::Socket::Path(path) => write!(f, "{}", path.display()),
            address::Socket::Abstract(name) => write!(f, "@{}", String::from_utf8_lossy(name)),
        }
    }
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
    fn a_unit_is_an_object_with_digits_for_what_a_path_can_not_hold() {
        assert_eq!(object("a-1.scope"), "/org/freedesktop/systemd1/unit/a_2d1_2escope");
        assert_eq!(object("7.scope"), "/org/freedesktop/systemd1/unit/_37_2escope");
    }

    #[test]
    fn the_manager_may_be_shared_among_threads() {
        fn shared<T: Send + Sync>() {}
        shared::<Systemd>();
    }
}

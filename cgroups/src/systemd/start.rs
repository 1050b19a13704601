//! Starting and stopping units.

use super::connection::Failure;
use super::job::{Ended, Goal, kind_of_result};
use super::manager::Systemd;
use super::name::{checked, expand_slice};
use super::object::{listed, to_manager};
use super::set::in_words;
use super::undo::Moved;
use super::unit::Unit;
use super::value::{Property, Value};
use crate::{Error, ErrorKind, Result};

const UNNEEDED: &str = "StopWhenUnneeded";

impl Systemd {
    /// Starts a unit, and returns when it runs.
    ///
    /// Of the limits, those whose property this systemd doesn't know are left out, now and later
    /// ([`unknown_properties`](Systemd::unknown_properties) tells which). A slice that is there already is told the
    /// limits and is fine; what is left of a failed scope of that name is forgotten first. A slice that the unit lies
    /// in and that isn't there yet is started with it, and stops when nothing is in it any more.
    ///
    /// After a failure the processes are put back where they were, and the unit is stopped. Where that is refused, as
    /// it is to a user whose process came from outside of what is theirs, stopping would end the process: so the unit
    /// is left as it is, and the error names it.
    ///
    /// # Errors
    ///
    /// [`Busy`](ErrorKind::Busy) where such a scope runs, [`NotFound`](ErrorKind::NotFound) for a process that is not
    /// there, [`InvalidInput`](ErrorKind::InvalidInput) for a value that systemd refuses,
    /// [`PermissionDenied`](ErrorKind::PermissionDenied), [`TimedOut`](ErrorKind::TimedOut) when the
    /// [time](Systemd::with_timeout) is over; other kinds where its job came to another end than "done".
    pub fn start(&self, unit: &Unit) -> Result<()> {
        self.make(unit).map(drop)
    }

    /// Starts a unit; returns whether there was none.
    pub(crate) fn make(&self, unit: &Unit) -> Result<bool> {
        let action = format!("start systemd unit {:?}", unit.name());
        if !unit.is_slice() && unit.pids().is_empty() {
            return Err(Error::new(ErrorKind::InvalidInput, format!("{action}: a scope needs a process")));
        }
        let moved = Moved::of(unit.pids());
        let mut properties = unit.properties();
        let mut slices = self.slices_to_make(unit)?;
        let mut forgotten = false;
        loop {
            let unknown = self.unknown_properties();
            properties.retain(|(property, optional)| !optional || !unknown.contains(&property.name));
            match self.start_once(unit.name(), &properties, &slices) {
                // The connection was lost, and meanwhile somebody made a unit of that name.
                Ok(Ended { result, told: false })
                    if result == "done" && !unit.is_slice() && moved.none_inside(unit.name()) =>
                {
                    let why = format!("{action}: one runs, and no process of this one is in it");
                    return Err(Error::new(ErrorKind::Busy, why));
                }
                Ok(Ended { result, .. }) if result == "done" => return Ok(true),
                Ok(Ended { result, .. }) => {
                    let why = format!("{action}: its job ended as {result:?}");
                    return Err(self.undo(unit.name(), &moved, Error::new(kind_of_result(&result), why)));
                }
                // Somebody else was faster to make the slice that it lies in.
                Err(failure) if failure.is("UnitExists") && !slices.is_empty() => slices.clear(),
                Err(failure) if failure.names(UNNEEDED) && !slices.is_empty() => slices.clear(),
                Err(failure) if failure.is("UnitExists") && unit.is_slice() => {
                    // What only a new unit can be told is left out.
                    let mut limits = unit.given_limits();
                    limits.retain(|limit| limit.name != "OOMPolicy");
                    return self.set_properties(unit.name(), &limits).map(|()| false);
                }
                Err(failure) if failure.is("UnitExists") && !forgotten => {
                    forgotten = true;
                    // Does nothing to a unit that runs.
                    drop(self.reset_failed(unit.name()));
                }
                Err(failure) if self.learn(&failure, &properties) => {}
                Err(failure) => {
                    let may_run =
                        matches!(failure, Failure::TimedOut(_) | Failure::Closed(_) | Failure::Garbled(_));
                    let error = asked_for(failure.into_error(&action), &unit.given_limits());
                    return Err(if may_run { self.undo(unit.name(), &moved, error) } else { error });
                }
            }
        }
    }

    fn start_once(
        &self,
        name: &str,
        properties: &[(Property, bool)],
        slices: &[String],
    ) -> std::result::Result<Ended, Failure> {
        // systemd itself stops them when nothing needs them: we would end whatever has come there meanwhile.
        let unneeded = [Property::new(UNNEEDED, true)];
        let slice = |name: &String| Value::Struct(vec![Value::Str(name.clone()), listed(&unneeded)]);
        let slices = Value::Array("(sa(sv))".to_owned(), slices.iter().map(slice).collect());
        let properties = listed(properties.iter().map(|(property, _)| property));
        let arguments = vec![Value::from(name), Value::from("replace"), properties, slices];
        self.peer.job(name, &to_manager("StartTransientUnit", arguments), Goal::Active)
    }

    /// Those of the slices that a scope lies in that are not there yet.
    fn slices_to_make(&self, unit: &Unit) -> Result<Vec<String>> {
        let Some(slice) = unit.its_slice().filter(|_| !unit.is_slice()) else { return Ok(Vec::new()) };
        let mut names = Vec::new();
        for name in expand_slice(slice)?.iter().skip(1).filter_map(|name| name.to_str()) {
            // One of a file, or masked, is the administrator's.
            let is = |property: &str, value: &str| {
                self.property(name, property).map(|found| found.as_str() == Some(value))
            };
            if is("ActiveState", "inactive")? && is("FragmentPath", "")? {
                names.push(name.to_owned());
            }
        }
        Ok(names)
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
        match self.peer.job(name, &to_manager("StopUnit", arguments), Goal::Inactive) {
            Ok(Ended { result, .. }) if result == "done" => Ok(()),
            Ok(Ended { result, .. }) => {
                drop(self.reset_failed(name));
                Err(Error::new(kind_of_result(&result), format!("{action}: its job ended as {result:?}")))
            }
            Err(failure) if failure.is("NoSuchUnit") => Ok(()),
            Err(failure) => Err(failure.into_error(action)),
        }
    }
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

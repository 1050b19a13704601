//! Jobs: what systemd does when it starts or stops a unit, and how that ended.

use std::time::Duration;

use super::connection::{Connection, Deadline, Failure, to_bus};
use super::object::{MANAGER, UNIT, of_unit, to_manager};
use super::peer::{Peer, get};
use super::value::Value;
use super::wire::Call;
use crate::ErrorKind;
use crate::wait::Wait;

type Answer<T> = Result<T, Failure>;

const RULE: &str = "type='signal',sender='org.freedesktop.systemd1',path='/org/freedesktop/systemd1',\
    interface='org.freedesktop.systemd1.Manager',member='JobRemoved'";

/// What a unit is to be after its job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Goal {
    Active,
    Inactive,
}

/// How a job ended.
pub(super) struct Ended {
    /// `done`, `failed`, `canceled`, `timeout`, `dependency`.
    pub(super) result: String,
    /// Whether systemd told of this job; else it is read off the unit's state, which may be another job's doing.
    pub(super) told: bool,
}

impl Ended {
    fn told(result: String) -> Ended {
        Ended { result, told: true }
    }

    fn seen(result: &str) -> Ended {
        Ended { result: result.to_owned(), told: false }
    }
}

impl Peer {
    /// Makes a call that begins a job, and waits for its end.
    ///
    /// Should the connection be lost meanwhile, it looks for the state that the job leads to, and asks again if the
    /// call was not heard. A start that doesn't end in time is taken back.
    pub(super) fn job(&self, unit: &str, call: &Call<'_>, goal: Goal) -> Answer<Ended> {
        let until = self.deadline();
        let (mut begun, mut job) = (false, None);
        let result = self.with(until, |connection| {
            if begun {
                return resumed(connection, unit, call, goal, until);
            }
            listen(connection, until)?;
            // From here on the call may have been heard, whatever becomes of the connection.
            begun = true;
            let result = run(connection, call, &mut job, until);
            if !matches!(result, Err(Failure::Closed(_) | Failure::Garbled(_))) {
                drop(stop_listening(connection, Deadline::after(Duration::from_secs(1).min(self.timeout))));
            }
            result
        });
        if let (Goal::Active, Err(Failure::TimedOut(_)), Some(number)) =
            (goal, &result, job.as_deref().and_then(number))
        {
            drop(self.call(&to_manager("CancelJob", vec![Value::U32(number)])));
        }
        result
    }
}

pub(super) fn kind_of_result(result: &str) -> ErrorKind {
    if result == "timeout" { ErrorKind::TimedOut } else { ErrorKind::Other }
}

/// Begins the job and waits for its end; notes its object as soon as it is known.
fn run(
    connection: &mut Connection,
    call: &Call<'_>,
    job: &mut Option<String>,
    until: Deadline,
) -> Answer<Ended> {
    let answer = connection.call(call, until)?;
    let object = answer.first().and_then(Value::as_str).unwrap_or_default().to_owned();
    *job = Some(object.clone());
    end(connection, &object, until).map(Ended::told)
}

/// After the connection was lost: the job may have ended, run, or never have been heard of.
fn resumed(
    connection: &mut Connection,
    unit: &str,
    call: &Call<'_>,
    goal: Goal,
    until: Deadline,
) -> Answer<Ended> {
    match settled(connection, unit, goal, until)? {
        Some(result) => return Ok(Ended::seen(result)),
        None if goal == Goal::Inactive => return Ok(Ended::seen("done")),
        None => {}
    }
    listen(connection, until)?;
    match run(connection, call, &mut None, until) {
        // It had been heard, only later than it was looked for.
        Err(failure) if failure.is("UnitExists") => {
            Ok(Ended::seen(settled(connection, unit, goal, until)?.unwrap_or("canceled")))
        }
        result => result,
    }
}

/// Looks again and again whether a unit is as its job should leave it; `None` for one that is inactive.
fn settled(
    connection: &mut Connection,
    unit: &str,
    goal: Goal,
    until: Deadline,
) -> Answer<Option<&'static str>> {
    let mut wait = Wait::new(until.left()?);
    loop {
        let state = get(connection, &of_unit(unit), UNIT, "ActiveState", until)?;
        match state.as_str().unwrap_or_default() {
            "active" if goal == Goal::Active => return Ok(Some("done")),
            // Stopped is stopped, however that went.
            "failed" if goal == Goal::Inactive => return Ok(None),
            "failed" => return Ok(Some("failed")),
            "inactive" => return Ok(None),
            _ if wait.more() => {}
            _ => return Err(until.passed()),
        }
    }
}

/// Asks to hear of jobs that end.
///
/// A connection without a bus hears of them anyway.
fn listen(connection: &mut Connection, until: Deadline) -> Answer<()> {
    connection.forget_signals();
    if connection.bus {
        connection.call(&to_bus("AddMatch", vec![Value::from(RULE)]), until)?;
        match connection.call(&to_manager("Subscribe", Vec::new()), until) {
            // From an earlier time, in which this connection could not say any more that it was done.
            Err(e) if e.is("AlreadySubscribed") => {}
            result => drop(result?),
        }
    }
    Ok(())
}

/// Asks to hear of them no more: a connection that nobody reads from would be cut off one day.
fn stop_listening(connection: &mut Connection, until: Deadline) -> Answer<()> {
    if connection.bus {
        connection.call(&to_manager("Unsubscribe", Vec::new()), until)?;
        connection.call(&to_bus("RemoveMatch", vec![Value::from(RULE)]), until)?;
        connection.forget_signals();
    }
    Ok(())
}

fn end(connection: &mut Connection, job: &str, until: Deadline) -> Answer<String> {
    loop {
        let signal = connection.signal(until)?;
        if signal.interface != MANAGER || signal.member != "JobRemoved" {
            continue;
        }
        // The number, the object, the unit and the result.
        let [_, object, _, result] = signal.arguments.as_slice() else { continue };
        if object.as_str() == Some(job) {
            return Ok(result.as_str().unwrap_or_default().to_owned());
        }
    }
}

/// The number of a job, which is the last part of its object's path.
fn number(job: &str) -> Option<u32> {
    job.rsplit('/').next()?.parse().ok()
}

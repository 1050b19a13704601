//! The end of a job: what systemd does when it starts or stops a unit.

use super::connection::{Connection, Deadline, Failure, to_bus};
use super::manager::{MANAGER, to_manager};
use super::value::Value;

const RULE: &str = "type='signal',sender='org.freedesktop.systemd1',path='/org/freedesktop/systemd1',\
    interface='org.freedesktop.systemd1.Manager',member='JobRemoved'";

/// Asks to hear of jobs that end.
///
/// A connection without a bus hears of them anyway.
pub(super) fn listen(connection: &mut Connection, until: Deadline) -> Result<(), Failure> {
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
pub(super) fn stop_listening(connection: &mut Connection, until: Deadline) -> Result<(), Failure> {
    if connection.bus {
        connection.call(&to_manager("Unsubscribe", Vec::new()), until)?;
        connection.call(&to_bus("RemoveMatch", vec![Value::from(RULE)]), until)?;
        connection.forget_signals();
    }
    Ok(())
}

/// Waits for the end of a job, and returns how it went: `done`, `failed`, `canceled`, `timeout`, `dependency`.
pub(super) fn end(connection: &mut Connection, job: &str, until: Deadline) -> Result<String, Failure> {
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

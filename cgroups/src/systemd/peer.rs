//! The way to a manager: where it is, and the connection that is kept between calls.

use std::fmt::{self, Display};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::address::{Address, Socket};
use super::connection::{Connection, Deadline, Failure};
use super::object::{MANAGER, ROOT, to_get};
use super::value::Value;
use super::wire::Call;

type Answer<T> = Result<T, Failure>;

/// How often a bus that has no room is asked again, each time after twice the pause: 12.7 seconds in all.
const TRIES: u32 = 7;
const PAUSE: Duration = Duration::from_millis(100);

#[derive(Clone)]
pub(super) struct Peer {
    addresses: Arc<[Address]>,
    /// How long an answer may take, and a job may run.
    pub(super) timeout: Duration,
    idle: Arc<Mutex<Option<Connection>>>,
}

impl Peer {
    pub(super) fn new(addresses: Vec<Address>, timeout: Duration) -> Peer {
        Peer { addresses: addresses.into(), timeout, idle: Arc::default() }
    }

    pub(super) fn deadline(&self) -> Deadline {
        Deadline::after(self.timeout)
    }

    pub(super) fn call(&self, call: &Call<'_>) -> Answer<Vec<Value>> {
        let until = self.deadline();
        self.with(until, |connection| connection.call(call, until))
    }

    pub(super) fn get(&self, path: &str, interface: &str, name: &str) -> Answer<Value> {
        let until = self.deadline();
        self.with(until, |connection| get(connection, path, interface, name, until))
    }

    /// Does something on a connection, and once more on a new one if that had been closed.
    pub(super) fn with<T>(
        &self,
        until: Deadline,
        mut action: impl FnMut(&mut Connection) -> Answer<T>,
    ) -> Answer<T> {
        let kept = lock(&self.idle).take();
        let mut connection = match kept {
            Some(connection) => connection,
            None => self.open(until)?,
        };
        let mut result = action(&mut connection);
        if matches!(result, Err(Failure::Closed(_))) {
            connection = self.open(until)?;
            result = action(&mut connection);
        }
        // Without a bus every signal comes, asked for or not, and fills what nobody empties. After a deadline or
        // nonsense nobody knows what comes next.
        if connection.bus && matches!(result, Ok(_) | Err(Failure::Refused { .. })) {
            *lock(&self.idle) = Some(connection);
        }
        result
    }

    /// Connects; a bus that has as many guests as it takes is asked again in a while.
    fn open(&self, until: Deadline) -> Answer<Connection> {
        let mut tries = 0;
        loop {
            match self.open_first(until) {
                Err(failure) if failure.is("LimitsExceeded") && tries < TRIES => {
                    let pause = PAUSE * 2_u32.pow(tries);
                    let pause = pause + jitter(pause / 4);
                    tries += 1;
                    match until.left() {
                        Ok(left) if left > pause => thread::sleep(pause),
                        _ => return Err(failure),
                    }
                }
                result => return result,
            }
        }
    }

    /// Connects to the first address at which a manager answers.
    fn open_first(&self, until: Deadline) -> Answer<Connection> {
        let mut reasons = Vec::new();
        let mut weightiest = None;
        for address in self.addresses.iter() {
            let opened = Connection::open(address, until).and_then(|mut connection| {
                // A session's bus need not have a manager on it.
                get(&mut connection, ROOT, MANAGER, "Version", until).map(|_| connection)
            });
            match opened {
                Ok(connection) => return Ok(connection),
                Err(failure) => {
                    reasons.push(format!("{address}: {failure}"));
                    // Whoever is there, and has no time or no room, says more than a socket that there isn't.
                    match failure {
                        Failure::Refused { ref name, .. } if failure.is("LimitsExceeded") => {
                            weightiest = Some(name.clone());
                        }
                        Failure::TimedOut(_) if weightiest.is_none() => {
                            weightiest = Some(TOO_LATE.to_owned());
                        }
                        _ => {}
                    }
                }
            }
        }
        reasons.dedup();
        let name = weightiest.unwrap_or_else(|| NOWHERE.to_owned());
        Err(Failure::Refused { name, text: reasons.join("; ") })
    }
}

/// What the bus would say if it had nobody of that name.
const NOWHERE: &str = "org.freedesktop.DBus.Error.NameHasNoOwner";
/// What it would say of somebody who doesn't answer.
const TOO_LATE: &str = "org.freedesktop.DBus.Error.NoReply";

/// Reads a property.
pub(super) fn get(
    connection: &mut Connection,
    path: &str,
    interface: &str,
    name: &str,
    until: Deadline,
) -> Answer<Value> {
    match connection.call(&to_get(path, interface, name), until)?.pop() {
        Some(Value::Variant(value)) => Ok(*value),
        other => Err(Failure::Garbled(format!("{other:?} as a property"))),
    }
}

/// Up to so much, so that those who were turned away together don't come back together.
fn jitter(most: Duration) -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    most.mul_f64(f64::from(now.subsec_nanos() % 1_000) / 1_000.0)
}

/// A thread that ended in the middle left the data whole: they are only ever replaced.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.socket {
            Socket::Path(path) => write!(f, "{}", path.display()),
            Socket::Abstract(name) => write!(f, "@{}", String::from_utf8_lossy(name)),
        }
    }
}

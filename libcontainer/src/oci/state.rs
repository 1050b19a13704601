//! What a runtime tells about a container.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Serialize, Serializer};

use crate::container::{Container, Status};
use crate::error::{Error, ErrorKind, Result};

/// The [state] of a container, with what `runc state` adds to it.
///
/// [state]: https://github.com/opencontainers/runtime-spec/blob/main/runtime.md#state
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct State {
    /// The version of the specification that the bundle was written for.
    pub oci_version: String,
    /// The container's name.
    pub id: String,
    /// Its first process; 0 when it is stopped.
    pub pid: u32,
    /// `creating`, `created`, `running`, `paused` or `stopped`.
    pub status: String,
    /// The bundle's directory.
    pub bundle: PathBuf,
    /// The root filesystem.
    pub rootfs: PathBuf,
    /// When it was made.
    #[serde(serialize_with = "rfc3339")]
    pub created: SystemTime,
    /// What the bundle's makers noted.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Who made it; empty where nobody asked.
    pub owner: String,
}

/// The notes under which a bundle is found again.
const BUNDLE: &str = "bundle";
const VERSION: &str = "ociVersion";
const ANNOTATIONS: &str = "annotations";

impl super::Bundle {
    /// Returns notes for [`Factory::create_with`](crate::Factory::create_with), from which [`State::of`]
    /// knows the bundle.
    pub fn notes(&self) -> BTreeMap<String, String> {
        let annotations = serde_json::to_string(self.annotations()).unwrap_or_default();
        let bundle = self.path().to_string_lossy().into_owned();
        let notes = [(BUNDLE, bundle), (VERSION, self.version().to_owned()), (ANNOTATIONS, annotations)];
        notes.map(|(key, value)| (key.to_owned(), value)).into()
    }
}

impl State {
    /// Looks a container up that a [`Factory`](crate::Factory) made with a bundle's notes.
    ///
    /// # Errors
    ///
    /// [`System`](ErrorKind::System) where its home on disk can't be read.
    pub fn of(container: &Container) -> Result<State> {
        let mut notes = container.notes()?;
        let status = container.status()?;
        let alive = !matches!(status, Status::Stopped | Status::Creating);
        let annotations = notes.remove(ANNOTATIONS).unwrap_or_default();
        Ok(State {
            oci_version: notes.remove(VERSION).unwrap_or_else(|| super::VERSION.to_owned()),
            id: container.id().unwrap_or_default().to_owned(),
            pid: container.pid().filter(|_| alive).unwrap_or_default(),
            status: status.to_string(),
            bundle: notes.remove(BUNDLE).unwrap_or_default().into(),
            rootfs: container.config().rootfs.clone(),
            created: container.created()?.unwrap_or(UNIX_EPOCH),
            annotations: serde_json::from_str(&annotations).unwrap_or_default(),
            owner: String::new(),
        })
    }

    /// Returns its JSON text, on one line or indented.
    pub fn to_json(&self, indented: bool) -> Result<String> {
        let text = if indented { serde_json::to_string_pretty(self) } else { serde_json::to_string(self) };
        // A path that is not UTF-8 has no JSON.
        text.map_err(|error| {
            Error::new(ErrorKind::System, format_args!("state of container {:?}: {error}", self.id))
        })
    }
}

fn rfc3339<S: Serializer>(time: &SystemTime, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.serialize_str(&timestamp(*time))
}

/// Returns a time as states and logs have it: RFC 3339, in UTC, to the nanosecond without zeros at its end.
pub fn timestamp(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let (year, month, day) = date(since.as_secs() / 86_400);
    let second = since.as_secs() % 86_400;
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let mut text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    if since.subsec_nanos() > 0 {
        let fraction = format!(".{:09}", since.subsec_nanos());
        text.push_str(fraction.trim_end_matches('0'));
    }
    text + "Z"
}

/// Returns the Gregorian date of a day after 1970-01-01.
fn date(mut days: u64) -> (u64, u64, u64) {
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let mut year = 1970;
    loop {
        let length = if leap(year) { 366 } else { 365 };
        if days < length {
            break;
        }
        days -= length;
        year += 1;
    }
    let february = if leap(year) { 29 } else { 28 };
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    (year, month, days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_as_go_writes_them() {
        let at = |seconds, nanoseconds| timestamp(UNIX_EPOCH + Duration::new(seconds, nanoseconds));
        assert_eq!(at(0, 0), "1970-01-01T00:00:00Z");
        assert_eq!(at(951_782_400, 0), "2000-02-29T00:00:00Z");
        assert_eq!(at(1_795_303_826, 238_403_097), "2026-11-21T23:30:26.238403097Z");
        assert_eq!(at(1_735_689_599, 500_000_000), "2024-12-31T23:59:59.5Z");
    }
}

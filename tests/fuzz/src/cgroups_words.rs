//! Words of cgroups: units and their properties, lists, counters, and messages of systemd.

use std::path::Component;

use cgroups::systemd::{Property, Unit, UnitPath, expand_slice};

use crate::Target;
#[cfg(fuzzing)]
use crate::cgroups_private as private;
use crate::laws::{one_line, part};

/// Stands for what only the fuzz build can reach.
#[cfg(not(fuzzing))]
mod private {
    use cgroups::systemd::Property;

    pub(crate) const COUNTERS: Option<fn(&[u8])> = None;
    pub(crate) const LIST: Option<fn(&[u8])> = None;
    pub(crate) const ADDRESS: Option<fn(&[u8])> = None;
    pub(crate) const MESSAGE: Option<fn(&[u8])> = None;

    pub(crate) fn sent(_: &Property) {}

    pub(crate) fn calls() -> Vec<Vec<u8>> {
        Vec::new()
    }
}

pub(crate) fn targets() -> Vec<Target> {
    vec![
        Target {
            name: "cgroups-address",
            feeds: "the addresses of a bus: sockets with names; a NUL, any name: read as it was escaped",
            run: private::ADDRESS,
            seeds: || {
                [
                    "unix:path=/run/user/1000/bus",
                    "tcp:host=x,port=1;unix:guid=0f,path=/a%20b;unix:abstract=/tmp/dbus-x,guid=1\0/tmp/a b;c",
                    "unix:path=%2;unix:path=%zz;autolaunch:",
                ]
                .map(bytes)
                .to_vec()
            },
        },
        Target {
            name: "cgroups-counters",
            feeds: "memory.events, pids.events, memory.oom_control, cgroup.events: the same with a line not known",
            run: private::COUNTERS,
            seeds: || {
                [
                    "low 0\nhigh 7\nmax 3\noom 1\noom_kill 1\noom_group_kill 18446744073709551615\n",
                    "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
                    "populated 1\nfrozen 0\n",
                ]
                .map(bytes)
                .to_vec()
            },
        },
        Target {
            name: "cgroups-list",
            feeds: "a list of processors: the same set as members and as systemd's bits",
            run: private::LIST,
            seeds: || ["0-3,7\n", "0-7:2/4", " 0-1 , 3", "65535", "5,5,5", ""].map(bytes).to_vec(),
        },
        Target {
            name: "cgroups-message",
            feeds: "a message of D-Bus: arguments that come back when they are sent",
            run: private::MESSAGE,
            seeds: private::calls,
        },
        Target {
            name: "cgroups-property",
            feeds: "a property's name, NUL, its value in GVariant's text: sent as what it says",
            run: Some(property),
            seeds: || {
                [
                    "TimeoutStopSec\x001.5",
                    "CollectMode\0'inactive-or-failed'",
                    "DeviceAllow\0[('char-pts', \"rw\\u00e9\"), ('/dev/null', 'r')]",
                    "X\0(uint64 0x7f, -017, <@a(sv) []>, [byte 1, 2], true, nan, objectpath '/a')",
                ]
                .map(bytes)
                .to_vec()
            },
        },
        Target {
            name: "cgroups-unit",
            feeds: "slice:prefix:name, NUL, prefix, NUL, id: a cgroup below the root, of a unit with that name",
            run: Some(unit),
            seeds: || {
                [
                    "machine-a.slice:job:7",
                    ":job:7",
                    "machine.slice:x:machine-b.slice",
                    "7",
                    "\0run\0c1",
                    "-.slice",
                    "a--b.slice",
                ]
                .map(bytes)
                .to_vec()
            },
        },
    ]
}

fn bytes(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

fn property(mut bytes: &[u8]) {
    let (Ok(name), Ok(text)) = (str::from_utf8(part(&mut bytes)), str::from_utf8(bytes)) else { return };
    match Property::parse(name, text) {
        Ok(property) => {
            assert!(!property.value.signature().is_empty());
            private::sent(&property);
            // What an error's line says of it.
            let _ = property.value.to_string();
        }
        Err(error) => one_line(error),
    }
}

fn unit(mut bytes: &[u8]) {
    let parts = [part(&mut bytes), part(&mut bytes), bytes].map(str::from_utf8);
    let [Ok(path), Ok(prefix), Ok(id)] = parts else { return };
    for user in [false, true] {
        match UnitPath::parse(path, prefix, id, user) {
            Ok(found) => {
                let at = found.cgroup().expect("its slice was checked");
                assert!(
                    at.is_absolute() && !at.components().any(|part| part == Component::ParentDir),
                    "{at:?}"
                );
                assert!(found.unit == "-.slice" || at.ends_with(&found.unit), "{at:?}");
                let _ = Unit::at(&found);
            }
            Err(error) => one_line(error),
        }
    }
    match expand_slice(path) {
        Ok(at) => assert!(path == "-.slice" || at.ends_with(path), "{at:?}"),
        Err(error) => one_line(error),
    }
}

//! The JSON of 2014: read in all its versions, written as 1.0 did.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{Cgroup, Device, FreezerState};
use crate::{DeviceAccess, DeviceKind};

/// 2014's number for all devices of a kind.
const WILDCARD: i64 = -1;

impl<'de> Deserialize<'de> for Cgroup {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Cgroup, D::Error> {
        from.deserialize_map(CgroupVisitor)
    }
}

struct CgroupVisitor;

impl<'de> Visitor<'de> for CgroupVisitor {
    type Value = Cgroup;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a cgroup of 2014")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Cgroup, A::Error> {
        let mut cgroup = Cgroup::default();
        let mut properties: Vec<(String, String)> = Vec::new();
        // The same for small and capital letters: Go does so.
        while let Some(key) = map.next_key::<String>()?.map(|key| key.to_ascii_lowercase()) {
            let map = &mut map;
            match key.as_str() {
                "name" => set(map, &key, &mut cgroup.name),
                "parent" => set(map, &key, &mut cgroup.parent),
                "device_access" | "allow_all_devices" => set(map, &key, &mut cgroup.allow_all_devices),
                "allowed_devices" => {
                    let mut list = None;
                    set(map, &key, &mut list).map(|()| cgroup.allowed_devices = list)
                }
                "memory" => set(map, &key, &mut cgroup.memory),
                "memory_reservation" => set(map, &key, &mut cgroup.memory_reservation),
                "memory_swap" => set(map, &key, &mut cgroup.memory_swap),
                "kernel_memory" => set(map, &key, &mut cgroup.kernel_memory),
                "oom_kill_disable" => set(map, &key, &mut cgroup.oom_kill_disable),
                "cpu_shares" => set(map, &key, &mut cgroup.cpu_shares),
                "cpu_quota" => set(map, &key, &mut cgroup.cpu_quota),
                "cpu_period" => set(map, &key, &mut cgroup.cpu_period),
                "cpuset_cpus" => set(map, &key, &mut cgroup.cpuset_cpus),
                "cpuset_mems" => set(map, &key, &mut cgroup.cpuset_mems),
                "blkio_weight" => set(map, &key, &mut cgroup.blkio_weight),
                "freezer" => set(map, &key, &mut cgroup.freezer),
                "slice" => set(map, &key, &mut cgroup.slice),
                "unit_properties" => set(map, &key, &mut properties),
                _ => map.next_value::<IgnoredAny>().map(drop),
            }?;
        }
        for (name, value) in properties {
            if name != "Slice" {
                return Err(A::Error::custom(format!(
                    "unit_properties: {name:?} is not known, only \"Slice\" is"
                )));
            }
            cgroup.slice = value;
        }
        Ok(cgroup)
    }
}

impl<'de> Deserialize<'de> for Device {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Device, D::Error> {
        from.deserialize_map(DeviceVisitor)
    }
}

struct DeviceVisitor;

impl<'de> Visitor<'de> for DeviceVisitor {
    type Value = Device;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a device of 2014")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Device, A::Error> {
        let mut device = Device::new(DeviceKind::All, None, None, DeviceAccess::empty());
        // 0 was not written.
        let (mut letter, mut major, mut minor) = (0, 0, 0);
        while let Some(key) = map.next_key::<String>()?.map(|key| key.to_ascii_lowercase()) {
            let map = &mut map;
            match key.as_str() {
                "type" => set(map, &key, &mut letter),
                "path" => set(map, &key, &mut device.path),
                "major_number" | "major" => set(map, &key, &mut major),
                "minor_number" | "minor" => set(map, &key, &mut minor),
                "cgroup_permissions" | "permissions" => {
                    let mut access = Some(device.permissions);
                    set(map, &key, &mut access)
                        .map(|()| device.permissions = access.unwrap_or(device.permissions))
                }
                "file_mode" => set(map, &key, &mut device.file_mode),
                _ => map.next_value::<IgnoredAny>().map(drop),
            }?;
        }
        device.kind = kind(letter).map_err(A::Error::custom)?;
        device.major = number("major_number", major).map_err(A::Error::custom)?;
        device.minor = number("minor_number", minor).map_err(A::Error::custom)?;
        Ok(device)
    }
}

/// Reads the value of a key; `null` changes nothing, and what can't be meant is told by its key.
fn set<'de, A: MapAccess<'de>, T: Deserialize<'de>>(
    map: &mut A,
    key: &str,
    into: &mut T,
) -> Result<(), A::Error> {
    match map.next_value::<Option<T>>() {
        Ok(Some(value)) => *into = value,
        Ok(None) => {}
        Err(error) => return Err(A::Error::custom(format!("{key}: {error}"))),
    }
    Ok(())
}

/// The letter of a kind, which is written as its number.
fn kind(letter: i64) -> Result<DeviceKind, String> {
    match u8::try_from(letter) {
        Ok(b'c' | b'u') => Ok(DeviceKind::Char),
        Ok(b'b') => Ok(DeviceKind::Block),
        Ok(b'a') => Ok(DeviceKind::All),
        _ => Err(format!("type: {letter} is no kind of device; 99 is \"c\", 98 is \"b\"")),
    }
}

fn number(key: &str, value: i64) -> Result<Option<u32>, String> {
    if value == WILDCARD {
        return Ok(None);
    }
    u32::try_from(value).map(Some).map_err(|_| format!("{key}: {value} is no number of a device"))
}

impl<'de> Deserialize<'de> for FreezerState {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<FreezerState, D::Error> {
        match String::deserialize(from)?.as_str() {
            "" => Ok(FreezerState::Undefined),
            "FROZEN" => Ok(FreezerState::Frozen),
            "THAWED" => Ok(FreezerState::Thawed),
            other => Err(D::Error::custom(format!("{other:?} is neither \"FROZEN\" nor \"THAWED\""))),
        }
    }
}

impl Serialize for FreezerState {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(match self {
            FreezerState::Undefined => "",
            FreezerState::Frozen => "FROZEN",
            FreezerState::Thawed => "THAWED",
        })
    }
}

impl Serialize for Cgroup {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        put(&mut map, "name", &self.name)?;
        put(&mut map, "parent", &self.parent)?;
        put(&mut map, "allow_all_devices", &self.allow_all_devices)?;
        // To 1.0 no list was an empty one, so the list that used to be fixed is written out.
        if self.allowed_devices.is_some() || !self.allow_all_devices {
            map.serialize_entry("allowed_devices", &self.devices())?;
        }
        for (key, value) in [
            ("memory", self.memory),
            ("memory_reservation", self.memory_reservation),
            ("memory_swap", self.memory_swap),
            ("kernel_memory", self.kernel_memory),
            ("cpu_shares", self.cpu_shares),
            ("cpu_quota", self.cpu_quota),
            ("cpu_period", self.cpu_period),
            ("blkio_weight", self.blkio_weight),
        ] {
            put(&mut map, key, &value)?;
        }
        put(&mut map, "oom_kill_disable", &self.oom_kill_disable)?;
        put(&mut map, "cpuset_cpus", &self.cpuset_cpus)?;
        put(&mut map, "cpuset_mems", &self.cpuset_mems)?;
        put(&mut map, "freezer", &self.freezer)?;
        put(&mut map, "slice", &self.slice)?;
        map.end()
    }
}

impl Serialize for Device {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let letter = match self.kind {
            DeviceKind::All => b'a',
            DeviceKind::Block => b'b',
            DeviceKind::Char => b'c',
        };
        let number = |number: Option<u32>| number.map_or(WILDCARD, i64::from);
        let mut map = to.serialize_map(None)?;
        put(&mut map, "type", &letter)?;
        put(&mut map, "path", &self.path)?;
        put(&mut map, "major_number", &number(self.major))?;
        put(&mut map, "minor_number", &number(self.minor))?;
        put(&mut map, "cgroup_permissions", &self.permissions.to_string())?;
        put(&mut map, "file_mode", &self.file_mode)?;
        map.end()
    }
}

/// Writes what is not the zero of its type, as Go's `omitempty` does.
fn put<M: SerializeMap, T: Serialize + Default + PartialEq>(
    map: &mut M,
    key: &'static str,
    value: &T,
) -> Result<(), M::Error> {
    if *value == T::default() { Ok(()) } else { map.serialize_entry(key, value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Cgroup {
        serde_json::from_str(text).unwrap()
    }

    fn refused(text: &str) -> String {
        serde_json::from_str::<Cgroup>(text).unwrap_err().to_string()
    }

    fn read_by_1_0(allowed_devices: Option<Vec<Device>>) -> Cgroup {
        Cgroup { name: "web".into(), allowed_devices, ..Cgroup::default() }
    }

    #[test]
    fn a_file_of_0_10() {
        let cgroup = read(
            r#"{"name": "web", "parent": "docker", "device_access": true, "memory": 5242880, "memory_swap": -1,
                "cpu_shares": 1024, "cpuset_cpus": "0,1", "unit_properties": [["Slice", "a-b.slice"]]}"#,
        );
        assert_eq!((cgroup.name.as_str(), cgroup.parent.as_str()), ("web", "docker"));
        assert!(cgroup.allow_all_devices);
        assert_eq!((cgroup.memory, cgroup.memory_swap, cgroup.cpu_shares), (5_242_880, -1, 1024));
        assert_eq!((cgroup.cpuset_cpus.as_str(), cgroup.slice.as_str()), ("0,1", "a-b.slice"));
    }

    #[test]
    fn a_file_of_0_11() {
        let cgroup = read(
            r#"{"name": "web", "parent": "docker", "memory": 1048576, "memory_reservation": 524288,
                "cpu_quota": 50000, "cpu_period": 100000, "freezer": "FROZEN", "slice": "x.slice"}"#,
        );
        assert_eq!(
            (cgroup.memory_reservation, cgroup.cpu_quota, cgroup.cpu_period),
            (524_288, 50_000, 100_000)
        );
        assert_eq!((cgroup.freezer, cgroup.slice.as_str()), (FreezerState::Frozen, "x.slice"));
        assert_eq!(cgroup.allowed_devices, None);
        assert_eq!(cgroup.device_rules().unwrap().len(), 15);
    }

    #[test]
    fn a_file_of_1_0_is_read_and_written_the_same() {
        let text = concat!(
            r#"{"name":"web","parent":"docker","allowed_devices":["#,
            r#"{"type":99,"major_number":-1,"minor_number":-1,"cgroup_permissions":"m"},"#,
            r#"{"type":99,"path":"/dev/tty","major_number":5,"cgroup_permissions":"rwm","file_mode":438},"#,
            r#"{"type":98,"major_number":8,"minor_number":-1,"cgroup_permissions":"r"}],"#,
            r#""memory":67108864,"memory_reservation":33554432,"memory_swap":134217728,"cpu_shares":512,"#,
            r#""cpu_quota":50000,"cpu_period":100000,"cpuset_cpus":"0","freezer":"THAWED","slice":"x.slice"}"#,
        );
        let cgroup = read(text);
        let rules: Vec<_> = cgroup.device_rules().unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(rules, ["a *:* rwm", "c *:* m", "c 5:0 rwm", "b 8:* r"]);
        assert_eq!(serde_json::to_string(&cgroup).unwrap(), text);
    }

    #[test]
    fn the_list_that_was_fixed_is_written_for_1_0() {
        // To 1.0 no list meant that nothing is allowed.
        let written = serde_json::to_string(&read(r#"{"name":"web"}"#)).unwrap();
        assert_eq!(read(&written), read_by_1_0(Some(super::super::default_allowed_devices())));
        let written = serde_json::to_string(&read_by_1_0(Some(Vec::new()))).unwrap();
        assert_eq!(written, r#"{"name":"web","allowed_devices":[]}"#);
        let written = serde_json::to_string(&read(r#"{"device_access":true}"#)).unwrap();
        assert_eq!(written, r#"{"allow_all_devices":true}"#);
    }

    #[test]
    fn later_names_are_read() {
        let cgroup = read(
            r#"{"cpuset_mems": "0", "kernel_memory": 4096, "blkio_weight": 500, "oom_kill_disable": true,
                "allowed_devices": [{"type": 99, "major": 1, "minor": 3, "permissions": "rwm"}]}"#,
        );
        assert_eq!(
            (cgroup.cpuset_mems.as_str(), cgroup.kernel_memory, cgroup.blkio_weight),
            ("0", 4096, 500)
        );
        assert!(cgroup.oom_kill_disable);
        assert_eq!(cgroup.device_rules().unwrap()[1].to_string(), "c 1:3 rwm");
    }

    #[test]
    fn keys_are_taken_as_go_takes_them() {
        let cgroup =
            read(r#"{"Name": "web", "MEMORY": 1, "future": {"a": [1]}, "memory": 2, "parent": null}"#);
        assert_eq!((cgroup.name.as_str(), cgroup.memory, cgroup.parent.as_str()), ("web", 2, ""));
    }

    #[test]
    fn a_bad_value_is_refused_by_its_key() {
        for (text, start) in [
            (r#"{"memory": "64M"}"#, "memory: invalid type: string \"64M\", expected i64 at line 1"),
            (r#"{"cpu_shares": 1.5}"#, "cpu_shares: "),
            (r#"{"memory": 9223372036854775808}"#, "memory: "),
            (r#"{"freezer": "frozen"}"#, "freezer: \"frozen\" is neither"),
            (r#"{"unit_properties": [["Wants", "x"]]}"#, "unit_properties: \"Wants\" is not known"),
            (r#"{"allowed_devices": [{"type": 112}]}"#, "allowed_devices: type: 112 is no kind of device"),
            (r#"{"allowed_devices": [{"major_number": 1}]}"#, "allowed_devices: type: 0 is no kind"),
            (
                r#"{"allowed_devices": [{"type": 99, "minor_number": -2}]}"#,
                "allowed_devices: minor_number: -2",
            ),
            (
                r#"{"allowed_devices": [{"type": 99, "cgroup_permissions": "rx"}]}"#,
                "allowed_devices: cgroup_permissions: device access \"rx\": not of r, w and m",
            ),
        ] {
            let error = refused(text);
            assert!(error.starts_with(start), "{error}");
            assert_eq!(error.matches("at line").count(), 1, "{error}");
        }
        assert!(refused("[]").contains("expected a cgroup of 2014"));
    }
}

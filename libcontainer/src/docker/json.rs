//! The keys of `container.json`, of all dialects.
//!
//! Read as Go does it: capital and small letters of a key are the same, `null` changes nothing, the last one
//! of two counts, and what is not known is passed over.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Declares an object: its keys and what they hold; and of which others the names are kept, in a field.
macro_rules! object {
    ($name:ident $expecting:literal { $($key:literal => $field:ident: $type:ty,)* } $(kept $known:ident => $seen:ident)?) => {
        #[derive(Clone, Debug, Default, PartialEq)]
        pub(super) struct $name {
            $(pub(super) $field: $type,)*
            $(
                /// Keys of other formats.
                pub(super) $seen: Vec<String>,
            )?
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                struct Object;
                impl<'de> Visitor<'de> for Object {
                    type Value = $name;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($expecting)
                    }

                    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<$name, A::Error> {
                        let mut object = $name::default();
                        while let Some(key) = map.next_key::<String>()? {
                            let key = key.to_ascii_lowercase();
                            match key.as_str() {
                                $($key => set(&mut map, $key, &mut object.$field)?,)*
                                _ => {
                                    let _value = map.next_value::<Option<IgnoredAny>>()?;
                                    $(if _value.is_some() && $known.contains(&key.as_str()) {
                                        object.$seen.push(key);
                                    })?
                                }
                            }
                        }
                        Ok(object)
                    }
                }
                from.deserialize_map(Object)
            }
        }
    };
}

/// Reads the value of a key; what can't be meant is told by its key.
fn set<'de, A: MapAccess<'de>, T: Deserialize<'de>>(
    map: &mut A,
    key: &str,
    into: &mut T,
) -> Result<(), A::Error> {
    match map.next_value::<Option<T>>() {
        Ok(Some(value)) => *into = value,
        Ok(None) => {}
        Err(error) => return Err(de::Error::custom(format_args!("{key}: {error}"))),
    }
    Ok(())
}

/// Keys of the format of the first weeks, of libcontainer 2 and of OCI bundles, in small letters: what they ask
/// for must not be passed over.
const FOREIGN: [&str; 16] = [
    "command",
    "devices",
    "gid_mappings",
    "linux",
    "mask_paths",
    "network",
    "ociversion",
    "parent_death_signal",
    "privatefs",
    "process",
    "readonly_paths",
    "readonlyfs",
    "rootfs",
    "seccomp",
    "system_properties",
    "uid_mappings",
];

object!(Document "a container.json" {
    "hostname" => hostname: String,
    "user" => user: String,
    "working_dir" => working_dir: String,
    "environment" => environment: Vec<String>,
    "tty" => tty: bool,
    "namespaces" => namespaces: Namespaces,
    "capabilities_mask" => capabilities_mask: Option<Mask>,
    "capabilities" => capabilities: Option<Vec<String>>,
    "networks" => networks: Vec<Network>,
    "routes" => routes: Vec<Route>,
    "cgroups" => cgroups: Option<cgroups::docker::Cgroup>,
    // In `mount_config` later.
    "readonly_fs" => readonly_fs: bool,
    "no_pivot_root" => no_pivot_root: bool,
    "mounts" => mounts: Vec<Mount>,
    "device_nodes" => device_nodes: Vec<Device>,
    // By keys of their own later.
    "context" => context: BTreeMap<String, String>,
    "mount_config" => mount_config: Option<MountConfig>,
    "root_fs" => root_fs: Option<String>,
    "apparmor_profile" => apparmor_profile: String,
    "process_label" => process_label: String,
    "restrict_sys" => restrict_sys: bool,
    "rlimits" => rlimits: Vec<Rlimit>,
    "ipc" => ipc: String,
    "additional_groups" => additional_groups: Vec<u32>,
} kept FOREIGN => foreign);

object!(MountConfig "a mount_config" {
    "no_pivot_root" => no_pivot_root: bool,
    "pivot_dir" => pivot_dir: String,
    "readonly_fs" => readonly_fs: bool,
    "mounts" => mounts: Vec<Mount>,
    "device_nodes" => device_nodes: Vec<Device>,
    "mount_label" => mount_label: String,
});

object!(Mount "a mount" {
    "type" => kind: String,
    "source" => source: String,
    "destination" => destination: String,
    "writable" => writable: bool,
    "relabel" => relabel: String,
    "private" => private: bool,
    "slave" => slave: bool,
});

object!(Device "a device" {
    "type" => kind: i64,
    "path" => path: String,
    "major_number" => major: i64,
    "minor_number" => minor: i64,
    "file_mode" => file_mode: u32,
    "uid" => uid: u32,
    "gid" => gid: u32,
});

object!(Network "a network" {
    "type" => kind: String,
    "context" => context: BTreeMap<String, String>,
    "ns_path" => ns_path: String,
    "bridge" => bridge: String,
    "veth_prefix" => veth_prefix: String,
    "mac_address" => mac_address: String,
    "address" => address: String,
    "ipv6_address" => ipv6_address: String,
    "gateway" => gateway: String,
    "ipv6_gateway" => ipv6_gateway: String,
    "mtu" => mtu: i64,
    "txqueuelen" => txqueuelen: i64,
});

object!(Route "a route" {
    "destination" => destination: String,
    "source" => source: String,
    "gateway" => gateway: String,
    "interface_name" => interface_name: String,
});

object!(Rlimit "a limit" {
    "type" => kind: i64,
    "hard" => hard: u64,
    "soft" => soft: u64,
});

object!(NamespaceObject "a namespace" {
    "key" => key: Option<String>,
    "enabled" => enabled: bool,
    "type" => kind: Option<String>,
    "name" => name: Option<String>,
    "path" => path: String,
});

object!(MaskObject "a capability" {
    "key" => key: String,
    "enabled" => enabled: bool,
});

/// The namespaces, in the form of a dialect.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Namespaces {
    /// `{"NEWNS": true}`.
    Map(BTreeMap<String, bool>),
    /// `["NEWNS", {"key": "NEWNS", "enabled": true}]`: those that are enabled.
    Keys(Vec<String>),
    /// `[{"type": "NEWNS", "path": "/proc/7/ns/mnt"}]`.
    Paths(Vec<(String, String)>),
}

impl Default for Namespaces {
    fn default() -> Self {
        Namespaces::Map(BTreeMap::new())
    }
}

/// One entry of a list of namespaces.
enum Entry {
    Key { key: String, enabled: bool },
    Path { kind: String, path: String },
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Entry;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a namespace")
            }

            fn visit_str<E: de::Error>(self, key: &str) -> Result<Entry, E> {
                Ok(Entry::Key { key: key.to_owned(), enabled: true })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Entry, A::Error> {
                let object = NamespaceObject::deserialize(de::value::MapAccessDeserializer::new(map))?;
                let NamespaceObject { key, enabled, kind, name, path } = object;
                match (key, kind.or(name)) {
                    (Some(key), None) => Ok(Entry::Key { key, enabled }),
                    (None, Some(kind)) => Ok(Entry::Path { kind, path }),
                    _ => Err(de::Error::custom("a namespace has either a key or a type")),
                }
            }
        }
        from.deserialize_any(Any)
    }
}

impl<'de> Deserialize<'de> for Namespaces {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Namespaces;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map or a list of namespaces")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Namespaces, A::Error> {
                Ok(Namespaces::Map(switches(map)?))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Namespaces, A::Error> {
                let (mut keys, mut paths, mut first) = (Vec::new(), Vec::new(), None);
                while let Some(entry) = list.next_element::<Entry>()? {
                    let is_key = matches!(entry, Entry::Key { .. });
                    if *first.get_or_insert(is_key) != is_key {
                        return Err(de::Error::custom("entries with a key and entries with a type"));
                    }
                    match entry {
                        Entry::Key { key, enabled: true } => keys.push(key),
                        Entry::Key { .. } => {}
                        Entry::Path { kind, path } => paths.push((kind, path)),
                    }
                }
                Ok(if first == Some(false) { Namespaces::Paths(paths) } else { Namespaces::Keys(keys) })
            }
        }
        from.deserialize_any(Any)
    }
}

/// Which capabilities are enabled, in the form of a dialect.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Mask {
    /// `[{"key": "MKNOD", "enabled": false}]`.
    List(Vec<(String, bool)>),
    /// `{"MKNOD": false}`.
    Map(BTreeMap<String, bool>),
}

impl Mask {
    /// Returns the capabilities and whether they are enabled.
    pub(super) fn entries(&self) -> Vec<(&str, bool)> {
        match self {
            Mask::List(list) => list.iter().map(|(key, enabled)| (key.as_str(), *enabled)).collect(),
            Mask::Map(map) => map.iter().map(|(key, enabled)| (key.as_str(), *enabled)).collect(),
        }
    }
}

impl<'de> Deserialize<'de> for Mask {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Mask;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map or a list of capabilities")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Mask, A::Error> {
                Ok(Mask::Map(switches(map)?))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Mask, A::Error> {
                let mut entries = Vec::new();
                while let Some(MaskObject { key, enabled }) = list.next_element()? {
                    entries.push((key, enabled));
                }
                Ok(Mask::List(entries))
            }
        }
        from.deserialize_any(Any)
    }
}

/// Names and whether they are on; here capital and small letters differ.
fn switches<'de, A: MapAccess<'de>>(mut map: A) -> Result<BTreeMap<String, bool>, A::Error> {
    let mut switches = BTreeMap::new();
    while let Some((name, on)) = map.next_entry::<String, Option<bool>>()? {
        switches.insert(name, on.unwrap_or_default());
    }
    Ok(switches)
}

//! The shape of `config.json`, field by field as the specification names them.
//!
//! `null` is what Go writes for what isn't there: every field takes it as absent.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

/// Fields that are left out when they say nothing.
trait Empty {
    fn is_empty(&self) -> bool;
}

impl<T: Default + PartialEq> Empty for T {
    fn is_empty(&self) -> bool {
        *self == T::default()
    }
}

/// Takes `null` as the absence of a value.
fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Declares a part of the file: every field may be absent or `null`, and is written only if it says something.
macro_rules! part {
    ($(#[$attribute:meta])* $name:ident { $($field:ident $(as $key:literal)?: $type:ty),* $(,)? }) => {
        $(#[$attribute])*
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[serde(default, rename_all = "camelCase")]
        pub(super) struct $name {
            $(
                $(#[serde(rename = $key)])?
                #[serde(deserialize_with = "nullable", skip_serializing_if = "Empty::is_empty")]
                pub(super) $field: $type,
            )*
        }
    };
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Spec {
    pub(super) oci_version: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) process: Option<Process>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) root: Option<Root>,
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Empty::is_empty")]
    pub(super) hostname: String,
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Empty::is_empty")]
    pub(super) domainname: String,
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Empty::is_empty")]
    pub(super) mounts: Vec<Mount>,
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Empty::is_empty")]
    pub(super) annotations: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Empty::is_empty")]
    pub(super) linux: Linux,
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Empty::is_empty")]
    pub(super) hooks: Hooks,
    #[serde(default, skip_serializing)]
    pub(super) vm: Asked,
}

part!(Root { path: String, readonly: bool });

part!(Hooks {
    prestart: Vec<Hook>,
    create_runtime: Vec<Hook>,
    create_container: Vec<Hook>,
    start_container: Vec<Hook>,
    poststart: Vec<Hook>,
    poststop: Vec<Hook>,
});

part!(Hook { path: String, args: Vec<String>, env: Vec<String>, timeout: Option<i64> });

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Process {
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Empty::is_empty")]
    pub(super) terminal: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) console_size: Option<ConsoleSize>,
    #[serde(default, deserialize_with = "nullable")]
    pub(super) user: User,
    #[serde(default, deserialize_with = "nullable")]
    pub(super) args: Vec<String>,
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Empty::is_empty")]
    pub(super) env: Vec<String>,
    pub(super) cwd: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) capabilities: Option<Capabilities>,
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Empty::is_empty")]
    pub(super) rlimits: Vec<Rlimit>,
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Empty::is_empty")]
    pub(super) no_new_privileges: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) oom_score_adj: Option<i32>,
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Empty::is_empty")]
    pub(super) apparmor_profile: String,
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Empty::is_empty")]
    pub(super) selinux_label: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) scheduler: Option<Scheduler>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) io_priority: Option<IoPriority>,
    #[serde(default, rename = "execCPUAffinity", skip_serializing_if = "Option::is_none")]
    pub(super) exec_cpu_affinity: Option<CpuAffinity>,
}

part!(Scheduler {
    policy: String,
    nice: i32,
    priority: i32,
    flags: Vec<String>,
    runtime: u64,
    deadline: u64,
    period: u64,
});

part!(IoPriority { class: String, priority: i32 });

part!(CpuAffinity { initial: Option<String>, last as "final": Option<String> });

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct ConsoleSize {
    pub(super) height: u16,
    pub(super) width: u16,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct User {
    #[serde(deserialize_with = "nullable")]
    pub(super) uid: u32,
    #[serde(deserialize_with = "nullable")]
    pub(super) gid: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) umask: Option<u32>,
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Empty::is_empty")]
    pub(super) additional_gids: Vec<u32>,
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Empty::is_empty")]
    pub(super) username: String,
}

part!(Capabilities {
    bounding: Vec<String>,
    effective: Vec<String>,
    permitted: Vec<String>,
    inheritable: Vec<String>,
    ambient: Vec<String>,
});

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Rlimit {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) hard: u64,
    pub(super) soft: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Mount {
    pub(super) destination: String,
    #[serde(
        default,
        rename = "type",
        deserialize_with = "nullable",
        skip_serializing_if = "Empty::is_empty"
    )]
    pub(super) kind: String,
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Empty::is_empty")]
    pub(super) source: String,
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Empty::is_empty")]
    pub(super) options: Vec<String>,
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Empty::is_empty")]
    pub(super) uid_mappings: Vec<IdMapping>,
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Empty::is_empty")]
    pub(super) gid_mappings: Vec<IdMapping>,
}

part!(Linux {
    uid_mappings: Vec<IdMapping>,
    gid_mappings: Vec<IdMapping>,
    sysctl: BTreeMap<String, String>,
    resources: Resources,
    cgroups_path: String,
    namespaces: Vec<Namespace>,
    devices: Vec<Device>,
    rootfs_propagation: String,
    masked_paths: Vec<String>,
    readonly_paths: Vec<String>,
    mount_label: String,
    seccomp: Option<serde_json::Value>,
    intel_rdt: Option<IntelRdt>,
    time_offsets: BTreeMap<String, TimeOffset>,
    personality: Option<Personality>,
    memory_policy: Option<MemoryPolicy>,
    net_devices: BTreeMap<String, NetDevice>,
});

part!(IntelRdt {
    clos_id as "closID": String,
    l3_cache_schema as "l3CacheSchema": String,
    mem_bw_schema as "memBwSchema": String,
    schemata: Vec<String>,
    enable_monitoring: bool,
    enable_cmt as "enableCMT": bool,
    enable_mbm as "enableMBM": bool,
});
part!(NetDevice { name: String });

part!(TimeOffset { secs: i64, nanosecs: u32 });

part!(Personality { domain: String, flags: Vec<String> });

part!(MemoryPolicy { mode: String, nodes: String, flags: Vec<String> });

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct IdMapping {
    #[serde(rename = "containerID")]
    pub(super) container: u32,
    #[serde(rename = "hostID")]
    pub(super) host: u32,
    pub(super) size: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Namespace {
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Empty::is_empty")]
    pub(super) path: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Device {
    pub(super) path: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(super) major: i64,
    #[serde(default, deserialize_with = "nullable")]
    pub(super) minor: i64,
    #[serde(default)]
    pub(super) file_mode: Option<u32>,
    #[serde(default, deserialize_with = "nullable")]
    pub(super) uid: u32,
    #[serde(default, deserialize_with = "nullable")]
    pub(super) gid: u32,
}

part!(Resources {
    devices: Vec<DeviceRule>,
    memory: Memory,
    cpu: Cpu,
    pids: Pids,
    unified: BTreeMap<String, String>,
    block_io as "blockIO": BlockIo,
    hugepage_limits: Vec<HugepageLimit>,
    network: NetworkMarks,
    rdma: BTreeMap<String, Rdma>,
});

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct DeviceRule {
    pub(super) allow: bool,
    #[serde(
        default,
        rename = "type",
        deserialize_with = "nullable",
        skip_serializing_if = "Empty::is_empty"
    )]
    pub(super) kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) major: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) minor: Option<i64>,
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Empty::is_empty")]
    pub(super) access: String,
}

part!(Memory {
    limit: Option<i64>,
    reservation: Option<i64>,
    swap: Option<i64>,
    check_before_update: bool,
    kernel: Option<i64>,
    kernel_tcp as "kernelTCP": Option<i64>,
    swappiness: Option<u64>,
    disable_oom_killer as "disableOOMKiller": bool,
    use_hierarchy: Option<bool>,
});

part!(Cpu {
    shares: Option<u64>,
    quota: Option<i64>,
    burst: Option<u64>,
    period: Option<u64>,
    realtime_runtime: Option<i64>,
    realtime_period: Option<u64>,
    cpus: String,
    mems: String,
    idle: Option<i64>,
});

part!(Pids { limit: Option<i64>, });

part!(BlockIo {
    weight: Option<u16>,
    leaf_weight: Option<u16>,
    weight_device: Vec<WeightDevice>,
    throttle_read_bps_device: Vec<ThrottleDevice>,
    throttle_write_bps_device: Vec<ThrottleDevice>,
    throttle_read_iops_device as "throttleReadIOPSDevice": Vec<ThrottleDevice>,
    throttle_write_iops_device as "throttleWriteIOPSDevice": Vec<ThrottleDevice>,
});

part!(WeightDevice { major: u32, minor: u32, weight: Option<u16>, leaf_weight: Option<u16> });

part!(ThrottleDevice { major: u32, minor: u32, rate: u64 });

part!(HugepageLimit { page_size: String, limit: u64 });

part!(NetworkMarks { class_id as "classID": Option<u32>, priorities: Vec<InterfacePriority> });

part!(InterfacePriority { name: String, priority: u32 });

part!(Rdma { hca_handles: Option<u32>, hca_objects: Option<u32> });

/// Whether a field asks for anything: `null`, `false`, 0, `""`, `[]` and an object of such values don't.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Asked(pub(super) bool);

impl Serialize for Asked {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bool(self.0)
    }
}

impl<'de> Deserialize<'de> for Asked {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AskedVisitor).map(Asked)
    }
}

struct AskedVisitor;

impl<'de> Visitor<'de> for AskedVisitor {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<bool, E> {
        Ok(value)
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<bool, E> {
        Ok(value != 0)
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<bool, E> {
        Ok(value != 0)
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<bool, E> {
        Ok(value != 0.0)
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<bool, E> {
        Ok(!value.is_empty())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<bool, A::Error> {
        let mut asked = false;
        while seq.next_element::<IgnoredAny>()?.is_some() {
            asked = true;
        }
        Ok(asked)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        let mut asked = false;
        while let Some((_, value)) = map.next_entry::<IgnoredAny, Asked>()? {
            asked |= value.0;
        }
        Ok(asked)
    }
}

//! What is set, where it can be read again, and in what others are known to differ.

/// A name, and `linux.resources`, in which `DISK` stands for some disk's numbers.
pub(crate) type Case = (&'static str, &'static str);

pub(crate) const MEMORY: &[Case] = &[
    ("nothing", "{}"),
    ("memory", r#"{"memory":{"limit":67108864}}"#),
    ("memory and swap", r#"{"memory":{"limit":67108864,"swap":134217728}}"#),
    ("memory without swap", r#"{"memory":{"limit":67108864,"swap":67108864}}"#),
    ("memory and any swap", r#"{"memory":{"limit":67108864,"swap":-1}}"#),
    ("any memory", r#"{"memory":{"limit":-1}}"#),
    ("any memory and swap", r#"{"memory":{"limit":-1,"swap":-1}}"#),
    ("any memory, some swap", r#"{"memory":{"limit":-1,"swap":134217728}}"#),
    ("memory of zero", r#"{"memory":{"limit":0}}"#),
    ("memory and swap of zero", r#"{"memory":{"limit":0,"swap":0}}"#),
    ("memory and swap of zero beside it", r#"{"memory":{"limit":67108864,"swap":0}}"#),
    ("any swap alone", r#"{"memory":{"swap":-1}}"#),
    ("swap alone", r#"{"memory":{"swap":134217728}}"#),
    ("less with swap than without", r#"{"memory":{"limit":134217728,"swap":67108864}}"#),
    ("memory that fills no page", r#"{"memory":{"limit":67113864}}"#),
    ("reservation", r#"{"memory":{"reservation":33554432}}"#),
    ("memory and reservation", r#"{"memory":{"limit":67108864,"reservation":33554432}}"#),
    ("any reservation", r#"{"memory":{"reservation":-1}}"#),
    ("memory, looked at before", r#"{"memory":{"limit":67108864,"checkBeforeUpdate":true}}"#),
    ("swappiness", r#"{"memory":{"swappiness":40}}"#),
    ("swappiness above all", r#"{"memory":{"swappiness":201}}"#),
    ("no killer", r#"{"memory":{"disableOOMKiller":true}}"#),
    ("a killer", r#"{"memory":{"disableOOMKiller":false}}"#),
    ("TCP buffers", r#"{"memory":{"kernelTCP":33554432}}"#),
];

pub(crate) const PROCESSORS: &[Case] = &[
    ("shares", r#"{"cpu":{"shares":1024}}"#),
    ("few shares", r#"{"cpu":{"shares":2}}"#),
    ("half the shares", r#"{"cpu":{"shares":512}}"#),
    ("most shares", r#"{"cpu":{"shares":262144}}"#),
    ("shares of zero", r#"{"cpu":{"shares":0}}"#),
    ("fewer shares than there are", r#"{"cpu":{"shares":1}}"#),
    ("quota and period", r#"{"cpu":{"quota":50000,"period":100000}}"#),
    ("quota and a short period", r#"{"cpu":{"quota":30000,"period":20000}}"#),
    ("quota", r#"{"cpu":{"quota":33333}}"#),
    ("period", r#"{"cpu":{"period":50000}}"#),
    ("any quota", r#"{"cpu":{"quota":-1}}"#),
    ("any quota and period", r#"{"cpu":{"quota":-1,"period":50000}}"#),
    ("quota of zero", r#"{"cpu":{"quota":0,"period":50000}}"#),
    ("a period too long", r#"{"cpu":{"quota":50000,"period":2000000}}"#),
    ("a quota too short", r#"{"cpu":{"quota":500,"period":100000}}"#),
    ("burst", r#"{"cpu":{"quota":50000,"period":100000,"burst":20000}}"#),
    ("a burst above the quota", r#"{"cpu":{"quota":50000,"period":100000,"burst":60000}}"#),
    ("idle", r#"{"cpu":{"idle":1}}"#),
    ("shares and quota", r#"{"cpu":{"shares":2048,"quota":150000,"period":100000}}"#),
    ("realtime", r#"{"cpu":{"realtimePeriod":1000000,"realtimeRuntime":1000}}"#),
    ("a processor", r#"{"cpu":{"cpus":"0"}}"#),
    ("a processor and a node", r#"{"cpu":{"cpus":"0","mems":"0"}}"#),
    ("a processor that is not there", r#"{"cpu":{"cpus":"4095"}}"#),
    ("no list of processors", r#"{"cpu":{"cpus":"0-x"}}"#),
];

pub(crate) const OTHERS: &[Case] = &[
    ("pids", r#"{"pids":{"limit":100}}"#),
    ("any pids", r#"{"pids":{"limit":-1}}"#),
    ("pids of zero", r#"{"pids":{"limit":0}}"#),
    ("io weight", r#"{"blockIO":{"weight":500}}"#),
    ("least io weight", r#"{"blockIO":{"weight":10}}"#),
    ("most io weight", r#"{"blockIO":{"weight":1000}}"#),
    ("io weight of zero", r#"{"blockIO":{"weight":0}}"#),
    ("io weight of a disk", r#"{"blockIO":{"weightDevice":[{DISK,"weight":300}]}}"#),
    ("bytes to read", r#"{"blockIO":{"throttleReadBpsDevice":[{DISK,"rate":1048576}]}}"#),
    ("bytes to write", r#"{"blockIO":{"throttleWriteBpsDevice":[{DISK,"rate":2097152}]}}"#),
    ("reads", r#"{"blockIO":{"throttleReadIOPSDevice":[{DISK,"rate":300}]}}"#),
    ("writes", r#"{"blockIO":{"throttleWriteIOPSDevice":[{DISK,"rate":400}]}}"#),
    (
        "all rates",
        r#"{"blockIO":{"throttleReadBpsDevice":[{DISK,"rate":1048576}],"throttleWriteBpsDevice":[{DISK,"rate":2097152}],
            "throttleReadIOPSDevice":[{DISK,"rate":300}],"throttleWriteIOPSDevice":[{DISK,"rate":400}]}}"#,
    ),
    ("huge pages", r#"{"hugepageLimits":[{"pageSize":"2MB","limit":4194304}]}"#),
    ("huge pages of no size", r#"{"hugepageLimits":[{"pageSize":"3MB","limit":4194304}]}"#),
    ("class of traffic", r#"{"network":{"classID":1048577}}"#),
    ("priority of an interface", r#"{"network":{"priorities":[{"name":"lo","priority":3}]}}"#),
    ("an adapter that is not there", r#"{"rdma":{"mlx5_9":{"hcaHandles":3}}}"#),
    ("unified memory.high", r#"{"unified":{"memory.high":"50331648"}}"#),
    ("unified memory.min and low", r#"{"unified":{"memory.min":"8388608","memory.low":"16777216"}}"#),
    ("unified cpu.weight", r#"{"unified":{"cpu.weight":"321"}}"#),
    ("unified cpu.max", r#"{"unified":{"cpu.max":"40000 80000"}}"#),
    ("unified pids.max", r#"{"unified":{"pids.max":"77"}}"#),
    ("unified swap", r#"{"unified":{"memory.swap.max":"16777216","memory.max":"67108864"}}"#),
    ("unified group", r#"{"unified":{"memory.oom.group":"1"}}"#),
    ("unified over what was said", r#"{"pids":{"limit":50},"unified":{"pids.max":"60"}}"#),
    ("unified that is not there", r#"{"unified":{"memory.sense":"1"}}"#),
    ("unified that leads out", r#"{"unified":{"../pids.max":"1"}}"#),
    ("unified without a controller", r#"{"unified":{"nosuch.max":"1"}}"#),
    (
        "much at once",
        r#"{"memory":{"limit":134217728,"swap":268435456,"reservation":67108864},
            "cpu":{"shares":300,"quota":70000,"period":70000,"cpus":"0","mems":"0"},"pids":{"limit":64}}"#,
    ),
];

/// Lists of device rules, of which the last that matches wins.
pub(crate) const DEVICES: &[Case] = &[
    ("none", r#"{"devices":[{"allow":false,"access":"rwm"}]}"#),
    (
        "one",
        r#"{"devices":[{"allow":false,"access":"rwm"},{"allow":true,"type":"c","major":1,"minor":11,"access":"r"}]}"#,
    ),
    (
        "to be made",
        r#"{"devices":[{"allow":false,"access":"rwm"},{"allow":true,"type":"c","major":10,"access":"rwm"}]}"#,
    ),
    ("disks", r#"{"devices":[{"allow":false,"access":"rwm"},{"allow":true,"type":"b","access":"rm"}]}"#),
    ("all", r#"{"devices":[{"allow":true,"access":"rwm"}]}"#),
    (
        "all but one",
        r#"{"devices":[{"allow":true,"access":"rwm"},{"allow":false,"type":"c","major":1,"minor":11,"access":"rwm"}]}"#,
    ),
];

/// The files that say what is in force.
pub(crate) const FILES: &[&str] = &[
    // v2
    "cpu.max",
    "cpu.max.burst",
    "cpu.weight",
    "cpu.idle",
    "cpuset.mems",
    "io.max",
    "io.weight",
    "io.bfq.weight",
    "memory.high",
    "memory.low",
    "memory.max",
    "memory.min",
    "memory.oom.group",
    "memory.swap.high",
    "memory.swap.max",
    "pids.max",
    "misc.max",
    "rdma.max",
    "hugetlb.2MB.max",
    "hugetlb.2MB.rsvd.max",
    // v1
    "blkio.bfq.weight",
    "blkio.bfq.weight_device",
    "blkio.throttle.read_bps_device",
    "blkio.throttle.read_iops_device",
    "blkio.throttle.write_bps_device",
    "blkio.throttle.write_iops_device",
    "cpu.cfs_burst_us",
    "cpu.cfs_period_us",
    "cpu.cfs_quota_us",
    "cpu.rt_period_us",
    "cpu.rt_runtime_us",
    "cpu.shares",
    "cpuset.cpus",
    "hugetlb.2MB.limit_in_bytes",
    "memory.kmem.tcp.limit_in_bytes",
    "memory.limit_in_bytes",
    "memory.memsw.limit_in_bytes",
    "memory.oom_control",
    "memory.soft_limit_in_bytes",
    "memory.swappiness",
    "net_cls.classid",
    "net_prio.ifpriomap",
];

/// A difference that is known, and whose it is. Seen with runc 1.1.5 and crun 1.8.1; later ones have some mended.
pub(crate) struct Known {
    pub(crate) runtime: &'static str,
    pub(crate) case: &'static str,
    /// The file, or what a process may do with a device; `""` where one of the two refuses.
    pub(crate) file: &'static str,
    #[allow(dead_code, reason = "it is for the reader")]
    why: &'static str,
}

const fn known(runtime: &'static str, case: &'static str, file: &'static str, why: &'static str) -> Known {
    Known { runtime, case, file, why }
}

const LINEAR: &str = "shares became weights in a straight line: 1024 were 39, not the default of 100";
const SMALL: &str = "1 share is less than the least of 2, and came out below zero";
const NO_BURST: &str = "it doesn't know cpu.burst yet";
const NO_IDLE: &str = "it doesn't know cpu.idle yet";
const NO_PIDS: &str = "it takes 0 for no limit, which since OCI 1.3 is one";
const V1_ONLY: &str = "it forgets in silence what v2 doesn't have; here that is an error";
const OUT_OF_RANGE: &str = "on v1 it writes a number that is out of range";
const NO_BFQ: &str = "on v1 it knows blkio.weight alone, which is that of a scheduler of old, and not bfq's";
const ZERO: &str = "it takes a limit of 0 for one";

pub(crate) const KNOWN: &[Known] = &[
    known(
        "runc",
        "any memory, some swap",
        "",
        "it wants a limit on memory beside one on swap; on v2 each is its own",
    ),
    known("runc", "swappiness", "", V1_ONLY),
    known("runc", "swappiness above all", "", V1_ONLY),
    known("runc", "no killer", "", V1_ONLY),
    known("runc", "TCP buffers", "", V1_ONLY),
    known("runc", "TCP buffers", "memory.kmem.tcp.limit_in_bytes", "it forgets the limit on v1 too"),
    known("runc", "realtime", "", V1_ONLY),
    known("runc", "class of traffic", "", V1_ONLY),
    known("runc", "priority of an interface", "", V1_ONLY),
    known("runc", "shares", "cpu.weight", LINEAR),
    known("runc", "half the shares", "cpu.weight", LINEAR),
    known("runc", "shares and quota", "cpu.weight", LINEAR),
    known("runc", "much at once", "cpu.weight", LINEAR),
    known("runc", "fewer shares than there are", "", SMALL),
    known("runc", "burst", "cpu.max.burst", NO_BURST),
    known("runc", "burst", "cpu.cfs_burst_us", NO_BURST),
    known("runc", "a burst above the quota", "", NO_BURST),
    known("runc", "idle", "cpu.idle", NO_IDLE),
    known("runc", "idle", "cpu.weight", NO_IDLE),
    known("runc", "idle", "cpu.shares", NO_IDLE),
    known("runc", "pids of zero", "pids.max", NO_PIDS),
    known("runc", "huge pages", "", "where v1 is mounted it looks for hugetlb there alone"),
    known(
        "runc",
        "all but one",
        "c-1-11 m",
        "it doesn't add a part of an exception with a wildcard, as v1 can't",
    ),
    known("crun", "any quota", "", OUT_OF_RANGE),
    known("crun", "any quota and period", "", OUT_OF_RANGE),
    known("crun", "any pids", "", "on v1 it writes -1, which the kernel doesn't take"),
    known("crun", "io weight", "", NO_BFQ),
    known("crun", "least io weight", "", NO_BFQ),
    known("crun", "most io weight", "", NO_BFQ),
    known("crun", "all but one", "c-1-11 m", "on v1 a rule with a wildcard takes back no exception"),
    known("crun", "memory of zero", "", ZERO),
    known("crun", "memory and swap of zero", "", ZERO),
    known("crun", "memory and swap of zero beside it", "", ZERO),
    known("crun", "shares", "cpu.weight", LINEAR),
    known("crun", "half the shares", "cpu.weight", LINEAR),
    known("crun", "shares and quota", "cpu.weight", LINEAR),
    known("crun", "much at once", "cpu.weight", LINEAR),
    known("crun", "fewer shares than there are", "", SMALL),
    known("crun", "burst", "cpu.max.burst", NO_BURST),
    known("crun", "burst", "cpu.cfs_burst_us", NO_BURST),
    known("crun", "a burst above the quota", "", NO_BURST),
    known("crun", "pids of zero", "pids.max", NO_PIDS),
    known("crun", "an adapter that is not there", "", "it doesn't set rdma"),
];

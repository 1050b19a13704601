//! Where cgroups are, what is read from their files, and what is written to them.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fmt::Write;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use cgroups::{Cgroup, DeviceAccess, DeviceRule, Hierarchies, Pressure, Resources, Stats};

use crate::Target;
use crate::corpus::file;
use crate::laws::{one_line, part};
use crate::scratch::Scratch;

pub(crate) fn targets() -> Vec<Target> {
    vec![
        Target {
            name: "cgroups-hierarchies",
            feeds: "mountinfo, NUL, /proc/PID/cgroup: the own cgroup lies below a mount, and never above it",
            run: Some(hierarchies),
            seeds: || {
                let (mounts, own) = (
                    file("cgroups/tests/fixtures/hybrid.mountinfo"),
                    file("cgroups/tests/fixtures/hybrid.cgroup"),
                );
                let v2 = b"30 28 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n\x000::/user.slice\n";
                let outside = b"30 28 0:28 /a /c rw - cgroup2 cgroup2 rw\n\x000::/../b\n1:x::/d (deleted)\n";
                vec![[&mounts[..], b"\0", &own].concat(), v2.to_vec(), outside.to_vec()]
            },
        },
        Target {
            name: "cgroups-path",
            feeds: "the path of a cgroup: it names one below the root, the same again when asked again",
            run: Some(path),
            seeds: || {
                ["/docker/x", "jobs/./1//", "../x", "/", "a/memory.max", "_cpu.x", "/sys/fs/cgroup"]
                    .map(bytes)
                    .to_vec()
            },
        },
        Target {
            name: "cgroups-stats",
            feeds: "control files (NAME, NUL, CONTENT, NUL, ...) of v1 and v2: figures as JSON and back, pids sorted",
            run: Some(stats),
            seeds: statistics,
        },
        Target {
            name: "cgroups-pressure",
            feeds: "a pressure file: figures that are finite, and the same with a line beside them that isn't known",
            run: Some(pressure),
            seeds: || {
                [
                    "some avg10=0.00 avg60=1.05 avg300=99.99 total=4821\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
                    "full avg10=0.00 avg60=0.00 avg300=0.00 total=18446744073709551615 new=x\n",
                    "some avg10=inf avg60=1e9 avg300=-1 total=\n",
                ]
                .map(bytes)
                .to_vec()
            },
        },
        Target {
            name: "cgroups-resources",
            feeds: "Resources as JSON: and back; set, nothing outside the cgroup's own files is touched",
            run: Some(resources),
            seeds: || {
                [
                    r#"{"cpu":{"shares":1024,"quota":50000,"period":100000,"burst":7000,"idle":false}}"#,
                    r#"{"cpu":{"weight":100,"period":20000},"cpuset":{"cpus":"0-1","mems":"0"}}"#,
                    r#"{"memory":{"limit":67108864,"swap":100663296,"reservation":1,"check_before_update":true},"pids":{"limit":-1}}"#,
                    r#"{"memory":{"limit":5000,"swappiness":60,"kernel":1,"disable_oom_killer":true},"cpu":{"realtime_runtime":1000}}"#,
                    r#"{"block_io":{"weight":500,"throttle_read_bps_device":[{"major":8,"minor":0,"rate":1}]},"misc":{"sev":5}}"#,
                    r#"{"hugepage_limits":[{"page_size":"2MB","limit":3}],"rdma":{"mlx5_0":{"hca_handles":3}},"network":{"class_id":1}}"#,
                    r#"{"unified":{"memory.high":"50M","io.max":"8:0 rbps=1\n8:1 wbps=2","../secret.x":"1"}}"#,
                ]
                .map(bytes)
                .to_vec()
            },
        },
        Target {
            name: "cgroups-devices",
            feeds: "a list of DeviceRules as JSON, NUL, a devices.list of v1: and back; set, only the own files",
            run: Some(devices),
            seeds: || {
                [
                    "[{\"allow\":true,\"kind\":\"c\",\"major\":1,\"access\":\"rwm\"}]\0a *:* rwm\n",
                    "[{\"allow\":false,\"kind\":\"a\",\"access\":\"rwm\"},{\"allow\":true,\"kind\":\"b\",\"major\":8,\"minor\":0,\"access\":\"r\"}]\0c 1:3 rwm\nb 8:* r\n",
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

fn climbs(path: &Path) -> bool {
    path.components().any(|component| component == Component::ParentDir)
}

fn hierarchies(mut bytes: &[u8]) {
    let mountinfo = part(&mut bytes);
    let found = match Hierarchies::parse(mountinfo, bytes) {
        Ok(found) => found,
        Err(error) => return one_line(error),
    };
    let mounts: Vec<_> = mount::parse(mountinfo).map(|entry| entry.unwrap().to_info()).collect();
    let _ = found.layout();
    for (key, own) in found.own() {
        let kind = if key.is_empty() { "cgroup2" } else { "cgroup" };
        let below = |mount: &&mount::MountInfo| {
            mount.fs_type == kind && own.strip_prefix(&mount.mount_point).is_ok_and(|rest| !climbs(rest))
        };
        assert!(mounts.iter().any(|mount| below(&mount)), "{own:?} is below no mount");
        for controller in key.split(',').filter(|controller| !controller.is_empty()) {
            let at = found.mount_point(controller).expect("it is listed");
            assert!(mounts.iter().any(|mount| mount.mount_point == at));
        }
    }
}

fn path(bytes: &[u8]) {
    let asked = Path::new(OsStr::from_bytes(bytes));
    let mountinfo = b"30 28 0:28 / /v2 rw - cgroup2 x rw\n31 28 0:29 / /v1 rw - cgroup x rw,memory\n";
    let there = Hierarchies::parse(mountinfo, b"0::/own\n1:memory:/own\n").expect("two mounts");
    match Cgroup::named(&there, asked) {
        Ok(cgroup) => {
            let own = Cgroup::named_beneath_own(&there, asked).expect("the same path");
            for (key, root) in [("", "/v2"), ("memory", "/v1")] {
                let relative = cgroup.paths()[key].strip_prefix(root).expect("below the root");
                assert!(relative.file_name().is_some() && !climbs(relative), "{relative:?}");
                assert!(!relative.as_os_str().as_bytes().contains(&b'\n'));
                assert_eq!(own.paths()[key], Path::new(root).join("own").join(relative));
                assert_eq!(Cgroup::named(&there, relative).expect("it was named").paths(), cgroup.paths());
            }
        }
        Err(error) => one_line(error),
    }
    // What a state file says: looked at, and taken only for a cgroup or for nothing at all.
    match Cgroup::open([(String::new(), PathBuf::from(asked))]) {
        Ok(_) => assert!(asked.is_absolute() && !climbs(asked)),
        Err(error) => one_line(error),
    }
}

/// A cgroup `x` in a folder that stands for every hierarchy of a version.
struct Stand {
    scratch: Scratch,
}

impl Stand {
    fn new() -> Stand {
        let scratch = Scratch::new();
        fs::create_dir(scratch.path().join("x")).expect("a folder");
        Stand { scratch }
    }

    fn write(&self, name: &str, content: &[u8]) {
        fs::write(self.scratch.path().join("x").join(name), content).expect("a file");
    }

    fn cgroup(&self, keys: &[&str]) -> Cgroup {
        let (mut mounts, mut own) = (String::new(), String::new());
        for key in keys {
            let kind = if key.is_empty() { "cgroup2" } else { "cgroup" };
            let at = self.scratch.path().display();
            let _ = writeln!(mounts, "40 1 0:40 / {at} rw - {kind} x rw,{key}");
            let _ = writeln!(own, "1:{key}:/");
        }
        let found = Hierarchies::parse(mounts.as_bytes(), own.as_bytes()).expect("mounts as they are");
        Cgroup::named(&found, "x").expect("a plain name")
    }
}

const V1: [&str; 10] =
    ["cpu,cpuacct", "memory", "pids", "blkio", "cpuset", "devices", "hugetlb", "rdma", "misc", "freezer"];
const V2: [&str; 1] = [""];

/// The files with figures, as kernels write them.
const FIGURES: [(&str, &str); 46] = [
    ("cpuacct.usage", "123456789\n"),
    ("cpuacct.usage_user", "1\n"),
    ("cpuacct.usage_sys", "2\n"),
    ("cpuacct.usage_percpu", "1 2 3 4 \n"),
    (
        "cpu.stat",
        "usage_usec 7\nuser_usec 5\nsystem_usec 2\nnr_periods 1\nnr_throttled 0\nthrottled_usec 3\nthrottled_time 9\n",
    ),
    ("memory.usage_in_bytes", "4096\n"),
    ("memory.max_usage_in_bytes", "8192\n"),
    ("memory.limit_in_bytes", "9223372036854771712\n"),
    ("memory.failcnt", "0\n"),
    ("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n"),
    ("memory.stat", "anon 4096\nfile 0\nkernel_stack 16384\n"),
    ("memory.current", "4096\n"),
    ("memory.max", "max\n"),
    ("memory.swap.max", "18446744073709551615\n"),
    ("memory.swap.current", "18446744073709551615\n"),
    ("memory.events", "low 0\nhigh 0\nmax 3\noom 1\noom_kill 1\n"),
    ("pids.current", "3\n"),
    ("pids.max", "100\n"),
    (
        "io.stat",
        "8:0 rbytes=4096 wbytes=0 rios=1 wios=0 dbytes=0 dios=0\n8:16 \n254:0 rbytes=1 cost.usage=1.5\n",
    ),
    ("blkio.throttle.io_service_bytes_recursive", "8:0 Read 4096\n8:0 Write 1\n8:0 Total 4097\nTotal 4097\n"),
    ("blkio.throttle.io_serviced_recursive", "8:0 Read 1\n8:0 Discard 2\nTotal 3\n"),
    ("blkio.bfq.io_service_bytes_recursive", "8:0 Read 4096\n9:0 Write 1\nTotal 4097\n"),
    ("blkio.bfq.io_queued_recursive", "8:0 Sync 1\n"),
    ("blkio.bfq.time_recursive", "8:0 7\n"),
    ("blkio.sectors_recursive", "8:0 7\n"),
    ("cpuacct.usage_all", "cpu user system\n0 1 2\n1 3 4 5\n"),
    ("cpu.stat.local", "throttled_usec 1\nthrottled_time 2\n"),
    ("cpuset.effective_cpus", "0-3,7\n"),
    ("cpuset.cpus.effective", "0-3,7\n"),
    ("cgroup.controllers", "cpuset cpu io memory hugetlb pids rdma misc dmem\n"),
    ("cgroup.events", "populated 1\nfrozen 1\n"),
    ("cgroup.freeze", "1\n"),
    ("cgroup.stat.local", "frozen_usec 7\n"),
    ("freezer.state", "FROZEN\n"),
    ("freezer.parent_freezing", "1\n"),
    ("memory.swap.events", "high 0\nmax 1\nfail 2\n"),
    ("memory.numa_stat", "total=3 N0=1 N1=2\nanon N0=1 N1=2 new=x\n"),
    ("hugetlb.2MB.current", "2097152\n"),
    ("hugetlb.2MB.events", "max 0\n"),
    ("hugetlb.2MB.usage_in_bytes", "0\n"),
    ("hugetlb.2MB.limit_in_bytes", "9223372036852678656\n"),
    ("rdma.current", "mlx5_0 hca_handle=2 hca_object=20\n"),
    ("rdma.max", "mlx5_0 hca_handle=3 hca_object=max\nother hca_handle=1\n"),
    ("misc.current", "sev 1\nsev_es 0\n"),
    ("misc.max", "sev max\nsev_es 7\n"),
    ("dmem.current", "drm/0000:03:00.0/vram0 12550144\n"),
];

fn statistics() -> Vec<Vec<u8>> {
    let all = FIGURES.map(|(name, content)| format!("{name}\0{content}\0")).concat();
    let mut seeds: Vec<_> =
        FIGURES.iter().map(|(name, content)| bytes(&format!("{name}\0{content}"))).collect();
    seeds.extend([bytes(&all), bytes("cgroup.procs\x007\n0\n12\n7\n")]);
    seeds
}

fn stats(mut input: &[u8]) {
    let stand = Stand::new();
    stand.write("cgroup.procs", b"");
    while !input.is_empty() {
        let (name, content) = (part(&mut input), part(&mut input));
        let known = FIGURES.iter().map(|(name, _)| *name).chain(["cgroup.procs"]);
        let known = known.chain(["memory.memsw.limit_in_bytes", "pids.events"]);
        if let Some(name) = known.into_iter().find(|known| known.as_bytes() == name) {
            stand.write(name, content);
        }
    }
    for keys in [&V1[..], &V2] {
        let cgroup = stand.cgroup(keys);
        let mut sampler = cgroup.sampler().expect("a folder");
        match cgroup.stats() {
            Ok(stats) => {
                let json = serde_json::to_string(&stats).expect("figures");
                assert_eq!(serde_json::from_str::<Stats>(&json).expect("what was written"), stats);
                for _ in 0..2 {
                    assert_eq!(sampler.sample().expect("as the one look"), Some(&stats));
                }
                let devices: BTreeSet<_> =
                    stats.io.iter().flatten().map(|device| (device.major, device.minor)).collect();
                assert!(!keys.contains(&"blkio") || devices.len() == stats.io.map_or(0, |io| io.len()));
            }
            Err(error) => {
                assert_eq!(sampler.sample().expect_err("as the one look").to_string(), error.to_string());
                one_line(error);
            }
        }
        match cgroup.pids() {
            Ok(pids) => assert!(pids.is_sorted_by(|a, b| a < b) && !pids.contains(&0)),
            Err(error) => one_line(error),
        }
    }
}

fn pressure(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    match Pressure::parse(text) {
        Ok(pressure) => {
            for stalls in [pressure.some, pressure.full].into_iter().flatten() {
                let averages = [stalls.avg10, stalls.avg60, stalls.avg300];
                assert!(averages.iter().all(|average| average.is_finite() && *average >= 0.0), "{stalls:?}");
            }
            let longer = format!("most of=it\n{text}");
            assert_eq!(Pressure::parse(&longer).expect("one line more"), pressure);
            let json = serde_json::to_string(&pressure).expect("figures");
            let back = serde_json::from_str::<Pressure>(&json).expect("what was written");
            assert_eq!(back.some.map(|stalls| stalls.total), pressure.some.map(|stalls| stalls.total));
        }
        Err(error) => one_line(error),
    }
}

/// Sets something in a cgroup that has these files, next to a file that is none of its business.
fn set(files: &[(&str, &[u8])], keys: &[&str], set: impl FnOnce(&Cgroup) -> cgroups::Result<()>) {
    let stand = Stand::new();
    let secret = stand.scratch.path().join("secret.x");
    fs::write(&secret, "as it was").expect("a file");
    for (name, content) in files {
        stand.write(name, content);
    }
    if let Err(error) = set(&stand.cgroup(keys)) {
        one_line(error);
    }
    let names = |folder: &Path| -> BTreeSet<_> {
        fs::read_dir(folder).expect("it is ours").map(|entry| entry.expect("a name").file_name()).collect()
    };
    assert_eq!(fs::read(&secret).expect("it was there"), b"as it was");
    assert_eq!(names(stand.scratch.path()), BTreeSet::from(["secret.x".into(), "x".into()]));
    let before: BTreeSet<_> = files.iter().map(|(name, _)| (*name).into()).collect();
    assert_eq!(names(&stand.scratch.path().join("x")), before, "a file was made");
}

fn resources(bytes: &[u8]) {
    let Ok(resources) = serde_json::from_slice::<Resources>(bytes) else { return };
    let json = serde_json::to_string(&resources).expect("plain data");
    assert_eq!(serde_json::from_str::<Resources>(&json).expect("what was written"), resources);
    let empty = |name| (name, &b""[..]);
    let v1 = [
        "cpu.shares",
        "cpu.cfs_quota_us",
        "cpu.cfs_period_us",
        "cpu.idle",
        "memory.limit_in_bytes",
        "memory.memsw.limit_in_bytes",
        "pids.max",
        "cpuset.cpus",
        "memory.kmem.limit_in_bytes",
        "memory.swappiness",
        "blkio.bfq.weight",
        "blkio.throttle.read_bps_device",
    ];
    set(&v1.map(empty), &V1, |cgroup| cgroup.set(&resources).map(drop));
    let v2 = [
        "cpu.weight",
        "cpu.max",
        "memory.max",
        "memory.swap.max",
        "memory.high",
        "pids.max",
        "cpuset.cpus",
        "io.max",
        "io.weight",
        "cpuset.cpus.effective",
        "hugetlb.2MB.max",
        "rdma.max",
        "misc.max",
    ];
    let mut v2 = v2.map(empty).to_vec();
    v2.extend([
        ("cgroup.controllers", &b"cpuset cpu io memory hugetlb pids rdma misc\n"[..]),
        ("memory.current", b"4096\n"),
    ]);
    set(&v2, &V2, |cgroup| cgroup.set(&resources).map(drop));
}

fn devices(mut bytes: &[u8]) {
    let json = part(&mut bytes);
    if let Ok(text) = str::from_utf8(json) {
        match text.parse::<DeviceAccess>() {
            Ok(access) => assert_eq!(access.to_string().parse::<DeviceAccess>().ok(), Some(access)),
            Err(error) => one_line(error),
        }
        match text.parse::<DeviceRule>() {
            Ok(rule) => assert_eq!(rule.to_string().parse::<DeviceRule>().ok(), Some(rule)),
            Err(error) => one_line(error),
        }
    }
    let Ok(rules) = serde_json::from_slice::<Vec<DeviceRule>>(json) else { return };
    let json = serde_json::to_string(&rules).expect("plain data");
    assert_eq!(serde_json::from_str::<Vec<DeviceRule>>(&json).expect("what was written"), rules);
    rules.iter().for_each(one_line);
    let files =
        [("cgroup.procs", &b""[..]), ("devices.allow", b""), ("devices.deny", b""), ("devices.list", bytes)];
    set(&files, &V1, |cgroup| cgroup.set_devices(&rules));
}

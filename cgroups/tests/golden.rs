//! What is written and read, in directories that stand in for cgroups: any user, any machine.

mod tree;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use cgroups::{DeviceKind, DeviceRule, ErrorKind, Limit, Resources};
use grounds::tests;
use tree::Tree;

fn main() -> ExitCode {
    grounds::run(tests![
        each_resource_goes_to_its_file_on_v1,
        each_resource_goes_to_its_file_on_v2,
        a_period_alone_keeps_the_quota_and_no_quota_keeps_the_period,
        what_is_not_given_or_zero_is_not_written,
        without_swap_accounting_only_a_limit_on_swap_is_an_error,
        a_missing_controller_is_named_and_nothing_is_dropped,
        a_v2_controller_that_is_not_handed_down_is_named,
        an_inhabited_cgroup_is_refused_by_the_names_of_its_processes,
        a_cpuset_without_prefix_is_read_and_written,
        device_rules_on_v1_are_checked_against_what_the_kernel_took,
        stats_of_v1,
        stats_of_v2,
        a_missing_figure_is_none_and_a_bad_one_an_error_with_file_and_line,
        stats_and_limits_travel_as_data,
    ])
}

fn everything() -> Resources {
    let mut resources = Resources::default();
    let cpu = resources.cpu.get_or_insert_default();
    (cpu.shares, cpu.quota, cpu.period, cpu.burst) = (Some(1024), Some(50_000), Some(100_000), Some(7_000));
    cpu.idle = Some(false);
    let memory = resources.memory.get_or_insert_default();
    (memory.limit, memory.swap, memory.reservation) = (Some(64 << 20), Some(96 << 20), Some(32 << 20));
    resources.pids.get_or_insert_default().limit = Some(-1);
    let cpuset = resources.cpuset.get_or_insert_default();
    (cpuset.cpus, cpuset.mems) = (Some("0-1".to_owned()), Some("0".to_owned()));
    resources
}

fn each_resource_goes_to_its_file_on_v1() {
    let tree = Tree::new("v1")
        .with(
            "cpu,cpuacct",
            &[],
            &[
                ("cpu.shares", "1024"),
                ("cpu.cfs_quota_us", "-1"),
                ("cpu.cfs_period_us", "100000"),
                ("cpu.cfs_burst_us", "0"),
                ("cpu.idle", "1"),
            ],
        )
        .with(
            "memory",
            &[],
            &[
                ("memory.limit_in_bytes", "9223372036854771712\n"),
                ("memory.memsw.limit_in_bytes", "9223372036854771712\n"),
                ("memory.soft_limit_in_bytes", ""),
            ],
        )
        .with("pids", &[], &[("pids.max", "100\n")])
        .with(
            "cpuset",
            &[("cpuset.cpus", "0-3\n"), ("cpuset.mems", "0\n")],
            &[("cpuset.cpus", "\n"), ("cpuset.mems", "\n")],
        );
    let cgroup = tree.cgroup();
    assert_eq!(tree.file("cpuset/x/cpuset.cpus"), "0-3", "the parent's, or nothing could enter");
    cgroup.set(&everything()).unwrap();
    let written = [
        ("cpu,cpuacct/x/cpu.shares", "1024"),
        ("cpu,cpuacct/x/cpu.cfs_quota_us", "50000"),
        ("cpu,cpuacct/x/cpu.cfs_period_us", "100000"),
        ("cpu,cpuacct/x/cpu.cfs_burst_us", "7000"),
        ("cpu,cpuacct/x/cpu.idle", "0"),
        ("memory/x/memory.limit_in_bytes", "67108864"),
        ("memory/x/memory.memsw.limit_in_bytes", "100663296"),
        ("memory/x/memory.soft_limit_in_bytes", "33554432"),
        ("pids/x/pids.max", "max"),
        ("cpuset/x/cpuset.cpus", "0-1"),
        ("cpuset/x/cpuset.mems", "0"),
    ];
    for (path, value) in written {
        assert_eq!(tree.file(path), value, "{path}");
    }
}

fn each_resource_goes_to_its_file_on_v2() {
    let files = [
        ("cpu.weight", ""),
        ("cpu.idle", ""),
        ("cpu.max", "max 100000\n"),
        ("cpu.max.burst", ""),
        ("memory.max", "max\n"),
        ("memory.swap.max", ""),
        ("memory.low", ""),
        ("memory.high", ""),
        ("pids.max", ""),
        ("cpuset.cpus", ""),
        ("cpuset.mems", ""),
    ];
    let tree = Tree::v2("v2", &files);
    let cgroup = tree.cgroup();
    assert_eq!(tree.file("unified/cgroup.subtree_control"), "+cpuset +cpu +io +memory +pids");
    let mut resources = everything();
    resources.unified = BTreeMap::from([("memory.high".to_owned(), "50M".to_owned())]);
    cgroup.set(&resources).unwrap();
    let written = [
        ("cpu.weight", "100"),
        ("cpu.idle", "0"),
        ("cpu.max", "50000 100000"),
        ("cpu.max.burst", "7000"),
        ("memory.max", "67108864"),
        ("memory.swap.max", "33554432"),
        ("memory.low", "33554432"),
        ("memory.high", "50M"),
        ("pids.max", "max"),
        ("cpuset.cpus", "0-1"),
        ("cpuset.mems", "0"),
    ];
    for (name, value) in written {
        assert_eq!(tree.file(&format!("unified/x/{name}")), value, "{name}");
    }
}

fn a_period_alone_keeps_the_quota_and_no_quota_keeps_the_period() {
    // A peer's update of the period alone lost the quota.
    let tree = Tree::v2("period", &[("cpu.max", "5000 10000\n")]);
    let cgroup = tree.cgroup();
    let mut resources = Resources::default();
    resources.cpu.get_or_insert_default().period = Some(20_000);
    cgroup.set(&resources).unwrap();
    assert_eq!(tree.file("unified/x/cpu.max"), "5000 20000");
    resources.cpu.get_or_insert_default().quota = Some(-1);
    cgroup.set(&resources).unwrap();
    assert_eq!(tree.file("unified/x/cpu.max"), "max 20000");
}

fn what_is_not_given_or_zero_is_not_written() {
    // No file is there, so any write would fail.
    let mut resources = Resources::default();
    let cpu = resources.cpu.get_or_insert_default();
    (cpu.shares, cpu.quota, cpu.period) = (Some(0), Some(0), Some(0));
    (cpu.burst, cpu.idle) = (Some(0), Some(false)); // as they are on a kernel without such files
    let memory = resources.memory.get_or_insert_default();
    (memory.limit, memory.swap, memory.reservation) = (Some(0), Some(0), Some(0));
    resources.pids.get_or_insert_default();
    resources.cpuset.get_or_insert_default().cpus = Some(String::new());
    Tree::v2("zero2", &[]).cgroup().set(&resources).unwrap();
    let v1 = Tree::new("zero1").with("cpu", &[], &[]).with("memory", &[], &[]);
    resources.cpuset = None;
    v1.cgroup().set(&resources).unwrap();
}

fn without_swap_accounting_only_a_limit_on_swap_is_an_error() {
    let tree = Tree::v2("noswap", &[("memory.max", "")]);
    let cgroup = tree.cgroup();
    let mut resources = Resources::default();
    for (limit, swap) in [(4096, 4096), (4096, -1), (-1, 0)] {
        let memory = resources.memory.get_or_insert_default();
        (memory.limit, memory.swap) = (Some(limit), Some(swap));
        cgroup.set(&resources).unwrap();
    }
    resources.memory.get_or_insert_default().limit = Some(4096);
    resources.memory.get_or_insert_default().swap = Some(8192);
    let error = cgroup.set(&resources).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("memory.swap.max"), "{error}");
}

fn a_missing_controller_is_named_and_nothing_is_dropped() {
    let tree = Tree::new("missing").with("cpu", &[], &[]);
    let error = tree.cgroup().set(&everything()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    let mut resources = everything();
    resources.cpu = None;
    let error = tree.cgroup().set(&resources).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoController);
    assert!(error.to_string().starts_with("use cgroup controller \"memory\" in "), "{error}");
    let mut resources = Resources::default();
    resources.unified.insert("memory.high".to_owned(), "1".to_owned());
    let error = tree.cgroup().set(&resources).unwrap_err();
    assert!(error.to_string().ends_with("there is no v2 hierarchy"), "{error}");
    assert_eq!(tree.cgroup().set_devices(&[]).unwrap_err().kind(), ErrorKind::NoController);
}

fn a_v2_controller_that_is_not_handed_down_is_named() {
    let tree = Tree::v2("handed", &[]);
    fs::write(tree.root.join("unified/x/cgroup.controllers"), "cpu\n").unwrap();
    let mut resources = Resources::default();
    resources.pids.get_or_insert_default().limit = Some(5);
    let error = tree.cgroup().set(&resources).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoController);
    assert!(error.to_string().contains("\"pids\""), "{error}");
}

fn an_inhabited_cgroup_is_refused_by_the_names_of_its_processes() {
    let tree = Tree::v2("inhabited", &[]);
    fs::create_dir(tree.root.join("unified/x/below")).unwrap();
    fs::write(tree.root.join("unified/x/below/cgroup.procs"), "12\n7\n7\n").unwrap();
    let error = tree.take().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy);
    assert!(error.to_string().ends_with("process 7, 12 lives there"), "{error}");
}

fn a_cpuset_without_prefix_is_read_and_written() {
    let tree = Tree::new("noprefix").with(
        "cpuset",
        &[("cpus", "0-3"), ("mems", "0")],
        &[("cpus", ""), ("mems", "")],
    );
    let cgroup = tree.cgroup();
    assert_eq!(tree.file("cpuset/x/cpus"), "0-3");
    let mut resources = Resources::default();
    resources.cpuset.get_or_insert_default().cpus = Some("2".to_owned());
    cgroup.set(&resources).unwrap();
    assert_eq!(tree.file("cpuset/x/cpus"), "2");
}

fn device_rules_on_v1_are_checked_against_what_the_kernel_took() {
    // The file does not change with what is written, as if the kernel had bent it.
    let files = [("devices.list", "a *:* rwm\n"), ("devices.allow", ""), ("devices.deny", "")];
    let tree = Tree::new("devices").with("devices", &[], &files);
    let error = tree.cgroup().set_devices(&[DeviceRule::all(false)]).unwrap_err();
    assert!(error.to_string().ends_with("the kernel took others"), "{error}");
    assert_eq!(tree.file("devices/x/devices.deny"), "a *:* rwm");
    let rule = DeviceRule { kind: DeviceKind::Char, major: Some(1), minor: Some(3), ..DeviceRule::all(true) };
    fs::write(tree.root.join("devices/x/devices.list"), "c 1:3 rwm\n").unwrap();
    tree.cgroup().set_devices(&[rule]).unwrap();
}

fn stats_of_v1() {
    let blkio = "8:0 Read 4096\n8:0 Write 8192\n8:0 Sync 1\n8:0 Total 12288\nTotal 12288\n";
    let tree = Tree::new("stats1")
        .with(
            "cpu",
            &[],
            &[("cpu.stat", "nr_periods 10\nnr_throttled 3\nthrottled_time 18446744073709551615\n")],
        )
        .with(
            "cpuacct",
            &[],
            &[
                ("cpuacct.usage", "3000000001\n"),
                ("cpuacct.usage_user", "2000000000\n"),
                ("cpuacct.usage_percpu", "1000000000 2000000001 \n"),
            ],
        )
        .with(
            "memory",
            &[],
            &[
                ("memory.usage_in_bytes", "512\n"),
                ("memory.max_usage_in_bytes", "1024\n"),
                ("memory.limit_in_bytes", "9223372036854771712\n"),
                ("memory.memsw.limit_in_bytes", "4096\n"),
                ("memory.failcnt", "7\n"),
                ("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"),
                ("memory.stat", "cache 5\nrss 18446744073709551615\n"),
            ],
        )
        .with("pids", &[], &[("pids.current", "4\n"), ("pids.max", "max\n")])
        .with("blkio", &[], &[("blkio.throttle.io_service_bytes_recursive", blkio)]);
    let stats = tree.cgroup().stats().unwrap();
    let cpu = stats.cpu.unwrap();
    assert_eq!((cpu.usage, cpu.user), (Duration::from_nanos(3_000_000_001), Some(Duration::from_secs(2))));
    assert_eq!((cpu.system, cpu.per_cpu.len()), (None, 2));
    let throttling = cpu.throttling.unwrap();
    assert_eq!((throttling.periods, throttling.throttled_periods), (10, 3));
    // 2014's test: the largest number there is has to survive.
    assert_eq!(throttling.throttled_time, Duration::from_nanos(u64::MAX));
    let memory = stats.memory.unwrap();
    assert_eq!((memory.usage, memory.max_usage, memory.failures), (512, Some(1024), Some(7)));
    assert_eq!((memory.limit, memory.swap_limit), (Some(Limit::Unlimited), Some(Limit::At(4096))));
    assert_eq!((memory.swap_usage, memory.oom_kills), (None, Some(2)));
    assert_eq!(memory.detail["rss"], u64::MAX);
    let pids = stats.pids.unwrap();
    assert_eq!((pids.current, pids.limit), (4, Some(Limit::Unlimited)));
    let io = stats.io.unwrap();
    assert_eq!(io.len(), 1);
    assert_eq!((io[0].major, io[0].read_bytes, io[0].written_bytes, io[0].reads), (8, 4096, 8192, 0));
}

fn stats_of_v2() {
    let files = [
        ("cpu.stat", "usage_usec 3000001\nuser_usec 2000000\nsystem_usec 1000001\nnr_periods 0\n"),
        ("memory.current", "512\n"),
        ("memory.max", "4096\n"),
        ("memory.swap.current", "8\n"),
        ("memory.swap.max", "1024\n"),
        ("memory.events", "low 0\nhigh 0\nmax 7\noom 2\noom_kill 1\n"),
        ("io.stat", "8:0 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=0 dios=0 cost.vrate=100.00\n8:16 \n"),
    ];
    let stats = Tree::v2("stats2", &files).cgroup().stats().unwrap();
    let cpu = stats.cpu.unwrap();
    assert_eq!(
        (cpu.usage, cpu.system),
        (Duration::from_micros(3_000_001), Some(Duration::from_micros(1_000_001)))
    );
    assert_eq!(cpu.throttling, None, "the controller isn't there");
    let memory = stats.memory.unwrap();
    assert_eq!((memory.swap_usage, memory.swap_limit), (Some(520), Some(Limit::At(5120))));
    assert_eq!((memory.max_usage, memory.failures, memory.oom_kills), (None, Some(7), Some(1)));
    assert!(memory.detail.is_empty());
    assert_eq!(stats.pids, None);
    let io = stats.io.unwrap();
    assert_eq!((io.len(), io[0].written_bytes, io[0].writes), (1, 8192, 2));
}

fn a_missing_figure_is_none_and_a_bad_one_an_error_with_file_and_line() {
    // One peer's whole call fails where one file is missing.
    assert_eq!(Tree::v2("nostats", &[]).cgroup().stats().unwrap().memory, None);
    let bad = [
        ("cpu.stat", "usage_usec 1\nuser_usec x\n", "line 2"),
        ("memory.current", "much\n", "\"much\""),
        ("memory.current", "-1\n", "\"-1\""),
        ("pids.current", "", "\"\""),
        ("io.stat", "8:0 rbytes=1 wbytes=y\n", "line 1"),
        ("io.stat", "eight rbytes=1\n", "line 1"),
    ];
    for (at, (name, content, part)) in bad.into_iter().enumerate() {
        let tree = Tree::v2(&format!("bad{at}"), &[(name, content)]);
        let error = tree.cgroup().stats().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed, "{name}");
        assert!(error.path().is_some_and(|path| path.ends_with(Path::new(name))));
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[cfg(not(feature = "serde"))]
fn stats_and_limits_travel_as_data() -> grounds::Outcome {
    Err(grounds::ignored("needs the feature serde"))
}

#[cfg(feature = "serde")]
fn stats_and_limits_travel_as_data() {
    let files = [("memory.current", "512\n"), ("memory.max", "max\n"), ("cpu.stat", "usage_usec 7\n")];
    let stats = Tree::v2("serde", &files).cgroup().stats().unwrap();
    let text = serde_json::to_string(&stats).unwrap();
    assert_eq!(serde_json::from_str::<cgroups::Stats>(&text).unwrap(), stats);
    let text = serde_json::to_string(&everything()).unwrap();
    assert_eq!(serde_json::from_str::<Resources>(&text).unwrap(), everything());
}

//! What is read from each file with figures, in directories that stand in for cgroups: any user, any machine.
//!
//! The texts were written by Linux 6.18 (v1) and 7.3 (v2), with other numbers put in, and a few by hand where these
//! machines have no such device.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use cgroups::{Cgroup, ErrorKind, Figures, Hierarchies, Limit, MiscStats, Stats, StatsKind};
use grounds::tests;

fn main() -> ExitCode {
    grounds::run(tests![
        every_figure_of_v1_has_its_place,
        every_figure_of_v2_has_its_place,
        any_file_may_be_missing,
        a_bad_figure_is_an_error_with_file_and_line,
        only_what_is_asked_for_is_read,
        the_tables_of_whoever_counts_are_found,
        huge_pages_are_told_by_size,
        what_is_only_counted_is_told_by_name,
        rows_and_columns_of_another_kernel_are_no_error,
        a_sampler_sees_what_changed_came_and_went,
        the_names_of_a_cpuset_without_prefix_are_known,
        figures_travel_as_data,
    ])
}

const V1: &str = "cpu,cpuacct memory pids blkio hugetlb cpuset freezer rdma misc";

/// Each file of v1 with figures.
const FILES_OF_V1: &[(&str, &str)] = &[
    ("cpuacct.usage", "3000000001\n"),
    ("cpuacct.usage_percpu", "1000000000 2000000001 \n"),
    ("cpuacct.usage_all", "cpu user system\n0 600000000 400000000\n1 900000000 1100000001\n"),
    (
        "cpu.stat",
        "nr_periods 10\nnr_throttled 3\nthrottled_time 18446744073709551615\nwait_sum 5\nnr_bursts 2\nburst_time 7\n",
    ),
    ("cpu.stat.local", "throttled_time 4\n"),
    ("memory.usage_in_bytes", "4096\n"),
    ("memory.max_usage_in_bytes", "8192\n"),
    ("memory.limit_in_bytes", "9223372036854771712\n"),
    ("memory.failcnt", "1\n"),
    ("memory.memsw.usage_in_bytes", "5000\n"),
    ("memory.memsw.max_usage_in_bytes", "6000\n"),
    ("memory.memsw.limit_in_bytes", "7000\n"),
    ("memory.memsw.failcnt", "2\n"),
    ("memory.kmem.usage_in_bytes", "10\n"),
    ("memory.kmem.max_usage_in_bytes", "11\n"),
    ("memory.kmem.limit_in_bytes", "12\n"),
    ("memory.kmem.failcnt", "13\n"),
    ("memory.kmem.tcp.usage_in_bytes", "20\n"),
    ("memory.kmem.tcp.max_usage_in_bytes", "21\n"),
    ("memory.kmem.tcp.limit_in_bytes", "22\n"),
    ("memory.kmem.tcp.failcnt", "23\n"),
    ("memory.oom_control", "oom_kill_disable 0\nunder_oom 1\noom_kill 2\n"),
    ("memory.stat", "cache 3145728\nrss 249856\nhierarchical_memory_limit 9223372036854771712\n"),
    ("memory.numa_stat", "total=3 N0=3\nhierarchical_anon=2 N0=2\n"),
    ("pids.current", "4\n"),
    ("pids.max", "max\n"),
    ("pids.peak", "9\n"),
    ("pids.events", "max 5\n"),
    (
        "blkio.throttle.io_service_bytes_recursive",
        "8:0 Read 4096\n8:0 Write 8192\n8:0 Sync 12288\n8:0 Async 0\n8:0 Discard 512\n8:0 Total 12800\nTotal 12800\n",
    ),
    (
        "blkio.throttle.io_serviced_recursive",
        "8:0 Read 1\n8:0 Write 2\n8:0 Discard 3\n8:0 Total 6\nTotal 6\n",
    ),
    ("hugetlb.2MB.usage_in_bytes", "2097152\n"),
    ("hugetlb.2MB.max_usage_in_bytes", "4194304\n"),
    ("hugetlb.2MB.limit_in_bytes", "9223372036852678656\n"),
    ("hugetlb.2MB.failcnt", "6\n"),
    ("hugetlb.2MB.rsvd.usage_in_bytes", "0\n"),
    ("hugetlb.2MB.rsvd.max_usage_in_bytes", "1\n"),
    ("hugetlb.2MB.rsvd.limit_in_bytes", "2097152\n"),
    ("hugetlb.2MB.rsvd.failcnt", "7\n"),
    ("hugetlb.2MB.numa_stat", "total=2097152 N0=2097152\nhierarchical_total=2097152 N0=2097152\n"),
    ("rdma.current", "mlx5_0 hca_handle=2 hca_object=20\n"),
    ("rdma.max", "mlx5_0 hca_handle=3 hca_object=max\n"),
    ("misc.current", "sev 1\n"),
    ("misc.max", "sev max\n"),
    ("cpuset.effective_cpus", "0-1\n"),
    ("cpuset.effective_mems", "0\n"),
    ("cpuset.memory_pressure", "3\n"),
    ("freezer.state", "FREEZING\n"),
    ("freezer.self_freezing", "1\n"),
    ("freezer.parent_freezing", "0\n"),
];

/// Each file of v2 with figures.
const FILES_OF_V2: &[(&str, &str)] = &[
    ("cgroup.controllers", "cpuset cpu io memory hugetlb pids rdma misc dmem\n"),
    ("cgroup.freeze", "1\n"),
    ("cgroup.events", "populated 1\nfrozen 1\n"),
    ("cgroup.stat.local", "frozen_usec 1000\n"),
    (
        "cpu.stat",
        "usage_usec 3000001\nuser_usec 2000000\nsystem_usec 1000001\nnice_usec 5\ncore_sched.force_idle_usec 6\nnr_periods 10\nnr_throttled 3\nthrottled_usec 9\nnr_bursts 2\nburst_usec 7\n",
    ),
    ("cpu.stat.local", "throttled_usec 4\n"),
    ("memory.current", "4096\n"),
    ("memory.peak", "8192\n"),
    ("memory.max", "1048576\n"),
    ("memory.swap.current", "100\n"),
    ("memory.swap.peak", "200\n"),
    ("memory.swap.max", "300\n"),
    ("memory.swap.events", "high 0\nmax 6\nfail 7\n"),
    ("memory.zswap.current", "30\n"),
    ("memory.zswap.max", "max\n"),
    ("memory.events", "low 0\nhigh 0\nmax 7\noom 2\noom_kill 1\noom_group_kill 0\nsock_throttled 0\n"),
    ("memory.events.local", "low 0\nhigh 0\nmax 5\noom 2\noom_kill 1\n"),
    ("memory.stat", "anon 249856\nfile 3325952\nkernel 290816\nsock 64\nzswpwb 0\n"),
    ("memory.numa_stat", "anon N0=249856 N1=0\nfile N0=1 N1=2\n"),
    ("pids.current", "3\n"),
    ("pids.max", "100\n"),
    ("pids.peak", "4\n"),
    ("pids.events", "max 5\n"),
    (
        "io.stat",
        "8:0 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=512 dios=3 cost.vrate=100.00 cost.usage=7\n8:16 \n",
    ),
    ("hugetlb.1GB.current", "0\n"),
    ("hugetlb.1GB.max", "9223372036854771712\n"),
    ("hugetlb.1GB.events", "max 0\n"),
    ("hugetlb.1GB.rsvd.current", "1073741824\n"),
    ("hugetlb.1GB.rsvd.max", "max\n"),
    ("hugetlb.1GB.numa_stat", "total=0 N0=0\n"),
    ("rdma.current", "mlx5_0 hca_handle=2 hca_object=20\n"),
    ("rdma.peak", "mlx5_0 hca_handle=4 hca_object=40\n"),
    ("rdma.max", "mlx5_0 hca_handle=3 hca_object=max\n"),
    ("misc.current", "sev 1\nsev_es 0\n"),
    ("misc.peak", "sev 2\nsev_es 0\n"),
    ("misc.max", "sev 10\nsev_es max\n"),
    ("misc.events", "sev.max 4\nsev_es.max 0\n"),
    ("dmem.current", "drm/0000:03:00.0/vram0 12550144\n"),
    ("dmem.peak", "drm/0000:03:00.0/vram0 12550145\n"),
    ("dmem.max", "drm/0000:03:00.0/vram0 max\n"),
    ("cpuset.cpus.effective", "0-3,7\n"),
    ("cpuset.mems.effective", "0\n"),
    ("cgroup.pressure", "1\n"),
    ("cpu.pressure", "some avg10=1.50 avg60=0.25 avg300=0.00 total=7\n"),
    ("irq.pressure", "full avg10=0.00 avg60=0.00 avg300=0.50 total=8\n"),
];

/// A directory that stands for a cgroup `x` in each hierarchy; it goes when the test ends.
struct Tree {
    root: PathBuf,
    cgroup: Cgroup,
}

impl Tree {
    fn new(test: &str, keys: &str, files: &[(&str, &str)]) -> Tree {
        let root = std::env::temp_dir().join(format!("cgroups-figures-{test}-{}", std::process::id()));
        fs::create_dir_all(root.join("x")).unwrap();
        let root = root.canonicalize().unwrap();
        let (mut mounts, mut own) = (String::new(), String::new());
        for key in keys.split(' ') {
            let kind = if key.is_empty() { "cgroup2" } else { "cgroup" };
            writeln!(mounts, "40 1 0:40 / {} rw - {kind} x rw,{key}", root.display()).unwrap();
            writeln!(own, "1:{key}:/").unwrap();
        }
        let found = Hierarchies::parse(mounts.as_bytes(), own.as_bytes()).unwrap();
        let tree = Tree { root, cgroup: Cgroup::named(&found, "x").unwrap() };
        files.iter().chain(&[("cgroup.procs", "")]).for_each(|(name, text)| tree.put(name, text));
        tree
    }

    fn v1(test: &str) -> Tree {
        Tree::new(test, V1, FILES_OF_V1)
    }

    fn v2(test: &str) -> Tree {
        Tree::new(test, "", FILES_OF_V2)
    }

    fn put(&self, name: &str, text: &str) {
        fs::write(self.root.join("x").join(name), text).unwrap();
    }

    fn take(&self, name: &str) {
        fs::remove_file(self.root.join("x").join(name)).unwrap();
    }

    /// One look, which many looks agree with.
    fn look(&self) -> Stats {
        let stats = self.cgroup.stats().unwrap();
        let mut sampler = self.cgroup.sampler().unwrap();
        for _ in 0..3 {
            assert_eq!(sampler.sample().unwrap(), Some(&stats));
        }
        stats
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.root));
    }
}

fn page() -> u64 {
    nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).unwrap().unwrap() as u64
}

fn every_figure_of_v1_has_its_place() {
    let stats = Tree::v1("v1").look();
    let cpu = stats.cpu.unwrap();
    assert_eq!(cpu.usage, Duration::from_nanos(3_000_000_001));
    assert_eq!(cpu.user, Some(Duration::from_millis(1500)));
    assert_eq!(cpu.system, Some(Duration::from_nanos(1_500_000_001)));
    assert_eq!(cpu.per_cpu[1], Duration::from_nanos(2_000_000_001));
    assert_eq!(cpu.per_cpu_user[1], Duration::from_millis(900));
    assert_eq!(cpu.per_cpu_system[0], Duration::from_millis(400));
    assert_eq!(cpu.other, Figures::from_iter([("wait_sum", 5)]));
    let throttling = cpu.throttling.unwrap();
    assert_eq!((throttling.periods, throttling.throttled_periods, throttling.bursts), (10, 3, Some(2)));
    // 2014's test: the largest number there is has to survive.
    assert_eq!(throttling.throttled_time, Duration::from_nanos(u64::MAX));
    assert_eq!(throttling.burst_time, Some(Duration::from_nanos(7)));
    assert_eq!(throttling.throttled_time_local, Some(Duration::from_nanos(4)));

    let memory = stats.memory.unwrap();
    assert_eq!((memory.usage, memory.max_usage, memory.limit), (4096, Some(8192), Some(Limit::Unlimited)));
    assert_eq!((memory.swap_usage, memory.swap_max_usage), (Some(5000), Some(6000)));
    assert_eq!((memory.swap_limit, memory.swap_failures), (Some(Limit::At(7000)), Some(2)));
    assert_eq!((memory.failures, memory.oom_kills, memory.under_oom), (Some(1), Some(2), Some(true)));
    let kernel = memory.kernel.unwrap();
    assert_eq!((kernel.usage, kernel.max_usage), (10, Some(11)));
    assert_eq!((kernel.limit, kernel.failures), (Some(Limit::At(12)), Some(13)));
    assert_eq!(memory.tcp.unwrap().failures, Some(23));
    assert_eq!((memory.swap, memory.zswap, memory.events.len()), (None, None, 0));
    assert_eq!(memory.detail.iter().next(), Some(("cache", &3_145_728)));
    assert_eq!(memory.detail.len(), 3);
    assert_eq!((memory.numa[0].name.as_str(), memory.numa[0].total()), ("total", 3 * page()));
    assert_eq!(
        (memory.numa[1].name.as_str(), &memory.numa[1].nodes[..]),
        ("hierarchical_anon", &[(0, 2 * page())][..])
    );

    let pids = stats.pids.unwrap();
    assert_eq!((pids.current, pids.limit), (4, Some(Limit::Unlimited)));
    assert_eq!((pids.max_current, pids.failures), (Some(9), Some(5)));
    let io = &stats.io.unwrap()[0];
    assert_eq!((io.read_bytes, io.written_bytes, io.discarded_bytes), (4096, 8192, 512));
    assert_eq!((io.reads, io.writes, io.discards), (1, 2, 3));
    assert_eq!(stats.blkio.unwrap().io_service_bytes.len(), 6);
    let cpuset = stats.cpuset.unwrap();
    assert_eq!((cpuset.cpus.as_str(), cpuset.mems.as_str(), cpuset.memory_pressure), ("0-1", "0", Some(3)));
    let freezer = stats.freezer.unwrap();
    assert_eq!((freezer.frozen, freezer.self_freezing, freezer.parent_freezing), (false, true, Some(false)));
}

fn every_figure_of_v2_has_its_place() {
    let stats = Tree::v2("v2").look();
    let cpu = stats.cpu.unwrap();
    assert_eq!(cpu.usage, Duration::from_micros(3_000_001));
    assert_eq!(
        (cpu.user, cpu.system),
        (Some(Duration::from_secs(2)), Some(Duration::from_micros(1_000_001)))
    );
    assert_eq!((cpu.nice, cpu.per_cpu.len()), (Some(Duration::from_micros(5)), 0));
    assert_eq!(cpu.other["core_sched.force_idle_usec"], 6);
    let throttling = cpu.throttling.unwrap();
    assert_eq!((throttling.periods, throttling.throttled_periods, throttling.bursts), (10, 3, Some(2)));
    assert_eq!(throttling.throttled_time, Duration::from_micros(9));
    assert_eq!(throttling.burst_time, Some(Duration::from_micros(7)));
    assert_eq!(throttling.throttled_time_local, Some(Duration::from_micros(4)));

    let memory = stats.memory.unwrap();
    assert_eq!((memory.usage, memory.max_usage), (4096, Some(8192)));
    // Memory and swap together, as on v1.
    assert_eq!((memory.swap_usage, memory.swap_limit), (Some(4196), Some(Limit::At(1_048_876))));
    let swap = memory.swap.unwrap();
    assert_eq!((swap.usage, swap.max_usage), (100, Some(200)));
    assert_eq!((swap.limit, swap.failures), (Some(Limit::At(300)), Some(6)));
    let zswap = memory.zswap.unwrap();
    assert_eq!((zswap.usage, zswap.limit), (30, Some(Limit::Unlimited)));
    assert_eq!((memory.failures, memory.oom_kills), (Some(7), Some(1)));
    assert_eq!((memory.events["oom"], memory.local_events["max"]), (2, 5));
    assert_eq!((memory.kernel.unwrap().usage, memory.tcp.unwrap().usage), (290_816, 64));
    assert_eq!((memory.numa[1].name.as_str(), memory.numa[1].total()), ("file", 3));

    let pressure = stats.pressure.unwrap();
    let (cpu, irq) = (pressure.cpu.unwrap(), pressure.irq.unwrap());
    assert_eq!(cpu.some.unwrap().total, Duration::from_micros(7));
    assert!((cpu.some.unwrap().avg10 - 1.5).abs() < 1e-9 && cpu.full.is_none());
    assert_eq!(irq.full.unwrap().total, Duration::from_micros(8));
    assert!(pressure.memory.is_none() && pressure.io.is_none());

    let pids = stats.pids.unwrap();
    assert_eq!((pids.current, pids.limit), (3, Some(Limit::At(100))));
    assert_eq!((pids.max_current, pids.failures), (Some(4), Some(5)));
    let io = stats.io.unwrap();
    // The second device has no figures yet.
    assert_eq!(
        (io.len(), io[0].read_bytes, io[0].written_bytes, io[0].discarded_bytes),
        (1, 4096, 8192, 512)
    );
    assert_eq!((io[0].reads, io[0].writes, io[0].discards), (1, 2, 3));
    assert_eq!(io[0].other, Figures::from_iter([("cost.usage", 7)]));
    assert_eq!(stats.blkio, None);
    let cpuset = stats.cpuset.unwrap();
    assert_eq!((cpuset.cpus.as_str(), cpuset.mems.as_str()), ("0-3,7", "0"));
    let freezer = stats.freezer.unwrap();
    assert_eq!((freezer.frozen, freezer.self_freezing, freezer.parent_freezing), (true, true, None));
    assert_eq!(freezer.frozen_time, Some(Duration::from_millis(1)));
}

fn any_file_may_be_missing() {
    // One peer's whole call fails where one file is missing.
    for (tree, files) in [(Tree::v1("miss1"), FILES_OF_V1), (Tree::v2("miss2"), FILES_OF_V2)] {
        let all = tree.look();
        for (name, text) in files {
            tree.take(name);
            let without = tree.look();
            let says_nothing = ["cgroup.controllers", "cgroup.pressure"].contains(name);
            assert_eq!(without == all, says_nothing, "{name} makes a difference");
            tree.put(name, text);
        }
        for (name, _) in files {
            tree.take(name);
        }
        assert_eq!(tree.look(), Stats::default());
    }
}

fn a_bad_figure_is_an_error_with_file_and_line() {
    const WORDS: [&str; 5] = [
        "cgroup.controllers",
        "freezer.state",
        "cpuset.effective_cpus",
        "cpuset.effective_mems",
        "effective",
    ];
    for (tree, files) in [(Tree::v1("bad1"), FILES_OF_V1), (Tree::v2("bad2"), FILES_OF_V2)] {
        for (name, text) in files {
            if WORDS.iter().any(|word| name.ends_with(word)) {
                continue;
            }
            // The last figure of the file that is ours to read.
            let text_to_spoil = text.split(" cost.").next().unwrap().trim_end();
            let end = text_to_spoil.rfind([' ', '=', '\n']).map_or(0, |at| at + 1);
            tree.put(name, &format!("{}-1{}", &text_to_spoil[..end], "\n"));
            for error in
                [tree.cgroup.stats().unwrap_err(), tree.cgroup.sampler().unwrap().sample().unwrap_err()]
            {
                assert_eq!(error.kind(), ErrorKind::Malformed, "{name}: {error}");
                assert!(error.path().is_some_and(|path| path.ends_with(Path::new(name))), "{name}: {error}");
                assert!(error.to_string().contains("\"-1\" is no number"), "{name}: {error}");
                let lines = text_to_spoil.lines().count();
                assert!(
                    lines == 1 || error.to_string().contains(&format!("line {lines}: ")),
                    "{name}: {error}"
                );
            }
            tree.put(name, text);
        }
    }
    let tree = Tree::new("bytes", "memory", &[]);
    fs::write(tree.root.join("x/memory.usage_in_bytes"), b"\xff\n").unwrap();
    let error = tree.cgroup.stats().unwrap_err();
    assert!(error.to_string().ends_with("memory.usage_in_bytes\": not UTF-8"), "{error}");
}

fn only_what_is_asked_for_is_read() {
    let of = [
        (&["cpu", "cpuacct"][..], StatsKind::CPU),
        (&["memory"], StatsKind::MEMORY),
        (&["pids"], StatsKind::PIDS),
        (&["io", "blkio"], StatsKind::IO),
        (&["hugetlb"], StatsKind::HUGETLB),
        (&["rdma"], StatsKind::RDMA),
        (&["misc"], StatsKind::MISC),
        (&["dmem"], StatsKind::DMEM),
        (&["cpuset"], StatsKind::CPUSET),
        (&["freezer", "cgroup"], StatsKind::FREEZER),
        (&[], StatsKind::PRESSURE),
    ];
    for (tree, files) in [(Tree::v1("kind1"), FILES_OF_V1), (Tree::v2("kind2"), FILES_OF_V2)] {
        let all = tree.look();
        for (families, kind) in of {
            for (name, text) in files.iter().filter(|(name, _)| *name != "cgroup.controllers") {
                let family = name.split('.').next().unwrap();
                let is_pressure = name.ends_with(".pressure");
                let is_of = if is_pressure {
                    kind == StatsKind::PRESSURE
                } else {
                    families.contains(&family) && !name.ends_with("numa_stat")
                };
                tree.put(name, if is_of { text } else { "no\u{0}\nfigure" });
            }
            let some = tree.cgroup.stats_of(kind).unwrap();
            let mut sampler = tree.cgroup.sampler_of(kind).unwrap();
            assert_eq!(sampler.sample().unwrap(), Some(&some));
            assert_eq!(some.cpu, all.cpu.clone().filter(|_| kind == StatsKind::CPU));
            assert_eq!(some.pids, all.pids.filter(|_| kind == StatsKind::PIDS));
            assert_eq!(some.io, all.io.clone().filter(|_| kind == StatsKind::IO));
            assert_eq!(some.cpuset, all.cpuset.clone().filter(|_| kind == StatsKind::CPUSET));
            assert_eq!(some.freezer, all.freezer.filter(|_| kind == StatsKind::FREEZER));
            assert_eq!(some.pressure, all.pressure.filter(|_| kind == StatsKind::PRESSURE));
            assert_eq!(some.memory.is_some(), kind == StatsKind::MEMORY);
            assert!(some.memory.is_none_or(|memory| memory.numa.is_empty()));
        }
    }
}

fn the_tables_of_whoever_counts_are_found() {
    let tree = Tree::new("blkio", "blkio", &[]);
    // Nobody has read anything: a sum, and no device.
    tree.put("blkio.throttle.io_service_bytes_recursive", "Total 0\n");
    tree.put("blkio.throttle.io_serviced_recursive", "Total 0\n");
    assert_eq!(tree.look().io, Some(Vec::new()));
    // CFQ, as until Linux 4.20.
    tree.put("blkio.io_service_bytes_recursive", "8:0 Read 100\n8:0 Total 100\n9:0 Read 5\nTotal 105\n");
    tree.put("blkio.io_serviced_recursive", "8:0 Read 10\n8:0 Total 10\nTotal 10\n");
    tree.put("blkio.io_queued_recursive", "8:0 Read 3\nTotal 3\n");
    tree.put("blkio.io_merged_recursive", "Total 0\n");
    tree.put("blkio.io_service_time_recursive", "8:0 Read 4\nTotal 4\n");
    tree.put("blkio.io_wait_time_recursive", "8:0 Read 5\nTotal 5\n");
    tree.put("blkio.time_recursive", "8:0 6\n");
    tree.put("blkio.sectors_recursive", "8:0 18446744073709551615\n");
    let stats = tree.look();
    let (io, tables) = (stats.io.unwrap(), stats.blkio.unwrap());
    assert_eq!((io.len(), io[0].read_bytes, io[0].reads, io[1].read_bytes), (2, 100, 10, 5));
    assert_eq!((tables.io_service_bytes.len(), tables.io_queued[0].value, tables.io_merged.len()), (3, 3, 0));
    assert_eq!((tables.io_service_time[0].value, tables.io_wait_time[0].value), (4, 5));
    assert_eq!((tables.time[0].value, tables.time[0].operation.as_str()), (6, ""));
    assert_eq!(tables.sectors[0].value, u64::MAX);
    // The limits count more of one device, and another one that has no scheduler.
    tree.put("blkio.throttle.io_service_bytes_recursive", "7:0 Read 1\n8:0 Read 300\nTotal 301\n");
    // BFQ comes first.
    tree.put("blkio.bfq.io_service_bytes_recursive", "8:0 Read 200\n8:0 Write 7\nTotal 207\n");
    tree.put("blkio.bfq.io_serviced_recursive", "8:0 Read 20\nTotal 20\n");
    let stats = tree.look();
    let (io, tables) = (stats.io.unwrap(), stats.blkio.unwrap());
    assert_eq!(io.iter().map(|io| (io.major, io.read_bytes)).collect::<Vec<_>>(), [(7, 1), (8, 300), (9, 5)]);
    assert_eq!((io[1].written_bytes, io[1].reads), (7, 20));
    assert_eq!((tables.io_service_bytes[0].value, tables.io_service_bytes.len()), (200, 2));
    assert_eq!(tables.time[0].value, 6, "only CFQ has it");
    for bad in ["8:0 Read\n", "8:0\n", "eight Read 1\n"] {
        tree.put("blkio.bfq.io_serviced_recursive", bad);
        assert_eq!(tree.cgroup.stats().unwrap_err().kind(), ErrorKind::Malformed, "{bad}");
    }
}

fn huge_pages_are_told_by_size() {
    let tree = Tree::v1("huge1");
    tree.put("hugetlb.1GB.usage_in_bytes", "0\n");
    // The largest number of whole gibibytes.
    tree.put("hugetlb.1GB.limit_in_bytes", "9223372035781033984\n");
    let pages = tree.look().hugetlb.unwrap();
    assert_eq!(pages.iter().map(|p| p.page_size.as_str()).collect::<Vec<_>>(), ["2MB", "1GB"]);
    assert_eq!((pages[1].usage.limit, pages[1].reserved), (Some(Limit::Unlimited), None));
    let (usage, reserved) = (pages[0].usage, pages[0].reserved.unwrap());
    assert_eq!((usage.usage, usage.max_usage), (2 << 20, Some(4 << 20)));
    assert_eq!((usage.limit, usage.failures), (Some(Limit::Unlimited), Some(6)));
    assert_eq!((reserved.usage, reserved.max_usage), (0, Some(1)));
    assert_eq!((reserved.limit, reserved.failures), (Some(Limit::At(2 << 20)), Some(7)));
    assert_eq!(pages[0].numa.len(), 2);
    let tree = Tree::v2("huge2");
    tree.put("hugetlb.1GB.events", "max 3\n");
    let pages = tree.look().hugetlb.unwrap();
    assert_eq!((pages[0].usage.failures, pages[0].usage.limit), (Some(3), Some(Limit::Unlimited)));
    assert_eq!(pages[0].reserved.unwrap().usage, 1 << 30);
    assert_eq!(tree.cgroup.stats_of(StatsKind::HUGETLB).unwrap().hugetlb.unwrap()[0].numa, []);
}

fn what_is_only_counted_is_told_by_name() {
    for tree in [Tree::v1("misc1"), Tree::v2("misc2")] {
        let stats = tree.look();
        let rdma = stats.rdma.unwrap();
        assert_eq!((rdma.len(), rdma[0].device.as_str()), (1, "mlx5_0"));
        assert_eq!((rdma[0].usage["hca_handle"], rdma[0].usage["hca_object"]), (2, 20));
        assert_eq!(rdma[0].limits["hca_handle"], Limit::At(3));
        assert_eq!(rdma[0].limits["hca_object"], Limit::Unlimited);
        assert_eq!(stats.misc.unwrap().usage["sev"], 1);
    }
    let tree = Tree::v2("misc3");
    let stats = tree.look();
    assert_eq!(stats.rdma.unwrap()[0].max_usage["hca_object"], 40);
    let misc = stats.misc.unwrap();
    assert_eq!(
        (misc.max_usage["sev"], misc.limits["sev"], misc.limits["sev_es"]),
        (2, Limit::At(10), Limit::Unlimited)
    );
    assert_eq!(misc.events["sev.max"], 4);
    let dmem = stats.dmem.unwrap();
    assert_eq!(dmem.usage["drm/0000:03:00.0/vram0"], 12_550_144);
    // A machine without such devices has the files, and nothing in them.
    for (name, _) in FILES_OF_V2.iter().filter(|(name, _)| ["rdma", "misc", "dmem"].contains(&&name[..4])) {
        tree.put(name, "");
    }
    let stats = tree.look();
    assert_eq!(
        (stats.rdma, stats.misc, stats.dmem),
        (Some(vec![]), Some(MiscStats::default()), Some(MiscStats::default()))
    );
}

fn rows_and_columns_of_another_kernel_are_no_error() {
    let tree = Tree::v1("rows");
    // One vendor's kernel has more columns.
    tree.put("cpuacct.usage_all", "cpu user system wait steal\n0 1 2 3 4\n1 10 20 30 40\n");
    tree.put("memory.stat", "cache 1 2 3\nnew_row 18446744073709551615\n");
    tree.put("memory.numa_stat", "total=3 N0=1 N1=2 new=x\nnew_row=7 N0=7\n");
    tree.put("memory.oom_control", "oom_kill_disable 0\nnew 7\n");
    let stats = tree.look();
    let cpu = stats.cpu.unwrap();
    assert_eq!((cpu.user, cpu.system), (Some(Duration::from_nanos(11)), Some(Duration::from_nanos(22))));
    let memory = stats.memory.unwrap();
    assert_eq!((memory.detail["cache"], memory.detail["new_row"]), (1, u64::MAX));
    assert_eq!((memory.numa[0].nodes.len(), memory.numa[1].total()), (2, 7 * page()));
    // Before Linux 4.13 no kills are counted there.
    assert_eq!((memory.oom_kills, memory.under_oom), (None, None));
    // Older kernels have no table by kind of time.
    tree.take("cpuacct.usage_all");
    tree.put("cpuacct.usage_user", "5\n");
    let cpu = tree.look().cpu.unwrap();
    assert_eq!((cpu.user, cpu.system, cpu.per_cpu_user.len()), (Some(Duration::from_nanos(5)), None, 0));
}

fn a_sampler_sees_what_changed_came_and_went() {
    let tree = Tree::v2("sampler");
    let mut sampler = tree.cgroup.sampler().unwrap();
    sampler.sample().unwrap();
    let texts = [
        ("io.stat", "8:16 rbytes=1 wbytes=2 rios=3 wios=4 new=5\n8:32 rbytes=6\n"),
        ("io.stat", "8:32 rbytes=7\n"),
        ("io.stat", ""),
        ("memory.stat", "anon 1\nnew 2\nfile 3\n"),
        ("memory.stat", "file 3\n"),
        ("memory.max", "max\n"),
        ("memory.numa_stat", "new N3=1\n"),
        ("rdma.current", "a hca_handle=1\nb hca_handle=2 hca_object=3\n"),
        ("rdma.max", "b hca_handle=max\nunknown hca_handle=1\n"),
        ("rdma.current", "b hca_handle=3\n"),
        ("rdma.max", ""),
        ("misc.current", "new 7\n"),
        ("cpu.stat", "usage_usec 7\n"),
        ("cpuset.cpus.effective", "\n"),
        ("cgroup.controllers", "cpuset cpu\n"),
        ("hugetlb.2MB.current", "7\n"),
        ("cgroup.controllers", "cpuset cpu io memory hugetlb pids rdma misc dmem\n"),
        ("cgroup.controllers", "hugetlb cpuset\n"),
        ("cpu.pressure", "full avg10=0.00 avg60=0.00 avg300=0.00 total=9\n"),
        ("cgroup.pressure", "0\n"),
        ("io.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=9\n"),
        ("cgroup.pressure", "1\n"),
    ];
    for (name, text) in texts {
        tree.put(name, text);
        assert_eq!(sampler.sample().unwrap(), Some(&tree.cgroup.stats().unwrap()), "{name}: {text:?}");
    }
    // An error is that of one look.
    tree.put("cpu.stat", "usage_usec x\n");
    assert_eq!(sampler.sample().unwrap_err().kind(), ErrorKind::Malformed);
    tree.put("cpu.stat", "usage_usec 8\n");
    assert_eq!(sampler.sample().unwrap(), Some(&tree.cgroup.stats().unwrap()));
}

fn the_names_of_a_cpuset_without_prefix_are_known() {
    let files = [("effective_cpus", "0\n"), ("effective_mems", "1\n"), ("memory_pressure", "2\n")];
    let cpuset = Tree::new("noprefix", "cpuset", &files).look().cpuset.unwrap();
    assert_eq!((cpuset.cpus.as_str(), cpuset.mems.as_str(), cpuset.memory_pressure), ("0", "1", Some(2)));
}

#[cfg(not(feature = "serde"))]
fn figures_travel_as_data() -> grounds::Outcome {
    Err(grounds::ignored("needs the feature serde"))
}

#[cfg(feature = "serde")]
fn figures_travel_as_data() {
    for tree in [Tree::v1("data1"), Tree::v2("data2")] {
        let stats = tree.look();
        let text = serde_json::to_string(&stats).unwrap();
        assert_eq!(serde_json::from_str::<Stats>(&text).unwrap(), stats);
    }
    // What another version of this crate wrote may lack a field.
    assert_eq!(
        serde_json::from_str::<Stats>("{\"pids\":{}}").unwrap().pids,
        Some(cgroups::PidsStats::default())
    );
}

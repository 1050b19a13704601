//! Every resource of the OCI runtime specification against the running kernel: what it takes, what it makes of it, and
//! what is said where it refuses. Each test has a cgroup of its own below the test's, and removes it.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use cgroups::{
    Active, Cgroup, Error, ErrorKind, Hierarchies, HugepageLimit, InterfacePriority, Rdma, Resources,
    ThrottleDevice, WeightDevice,
};
use grounds::{Outcome, Stop, ignored, tests};
use nix::mount::{MsFlags, mount};

const MIB: i64 = 1 << 20;

fn main() -> ExitCode {
    grounds::run(tests![
        bytes_that_fill_no_page_are_reported,
        more_than_there_can_be_is_reported_as_no_limit,
        memory_above_memory_and_swap_in_force_is_explained_on_v1,
        a_limit_on_kernel_memory_is_never_lost_in_silence,
        tcp_buffers_swappiness_and_oom_killer_are_those_of_v1,
        counting_what_is_below_can_not_be_turned_off,
        the_most_processes_that_can_be_counted_is_a_limit,
        quotas_out_of_range_are_refused_with_the_range,
        a_parent_that_has_less_is_named_on_v1,
        a_burst_above_the_quota_and_shares_of_the_idle_are_explained,
        realtime_is_shared_out_by_the_parent,
        a_realtime_process_is_told_why_it_can_not_enter,
        processors_that_a_parent_lacks_are_told,
        huge_pages_are_counted_whole,
        rates_are_set_for_each_disk_and_taken_back,
        what_is_no_disk_is_said_to_be_none,
        weights_are_those_of_bfq_or_of_the_cost_model,
        an_adapter_or_a_resource_that_is_not_there_is_named,
        traffic_is_marked_and_has_priorities_on_v1,
        what_is_written_by_name_is_compared,
    ])
}

/// A name that no other test has.
fn name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("cgroups-resources-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// A new cgroup, at the given path below one of the test's own.
fn fresh_at(path: &str) -> Result<Active, Stop> {
    grounds::root()?;
    let hierarchies = match Hierarchies::detect() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(ignored(error)),
        result => result?,
    };
    match Cgroup::create_beneath_own(&hierarchies, path) {
        Err(error) if [ErrorKind::PermissionDenied, ErrorKind::NotFound].contains(&error.kind()) => {
            Err(ignored(error))
        }
        result => Ok(result?),
    }
}

/// A new cgroup that has a controller.
fn with(controller: &str) -> Result<Active, Stop> {
    let active = fresh_at(&name())?;
    needs(&active, controller)?;
    Ok(active)
}

fn needs(cgroup: &Cgroup, controller: &str) -> Outcome {
    if cgroup.controllers()?.contains(controller) {
        return Ok(());
    }
    Err(ignored(format!("no controller {controller:?} here")))
}

/// The directory of a controller of v1.
fn v1(cgroup: &Cgroup, controller: &str) -> Option<PathBuf> {
    let mut paths = cgroup.paths().iter();
    paths.find(|(key, _)| key.split(',').any(|c| c == controller)).map(|(_, path)| path.clone())
}

/// The content of a control file on whichever version has the controller.
fn file(cgroup: &Cgroup, controller: &str, of_v1: &str, of_v2: &str) -> Result<String, Stop> {
    let path = match v1(cgroup, controller) {
        Some(path) => path.join(of_v1),
        None => cgroup.paths()[""].join(of_v2),
    };
    Ok(fs::read_to_string(path)?.trim().to_owned())
}

fn refused(cgroup: &Cgroup, resources: &Resources) -> Error {
    let error = cgroup.set(resources).expect_err("the kernel can't");
    assert!(!error.to_string().contains('\n'), "{error}");
    error
}

#[track_caller]
fn says(error: &Error, kind: ErrorKind, part: &str) {
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.to_string().contains(part), "{error}");
}

/// What was adjusted: the file's name, what was asked for and what is in force.
fn adjusted(cgroup: &Cgroup, resources: &Resources) -> Result<Vec<(String, String, String)>, Stop> {
    let list = cgroup.set(resources)?;
    let name = |path: PathBuf| path.file_name().map(|name| name.to_string_lossy().into_owned());
    Ok(list.into_iter().map(|one| (name(one.file).unwrap_or_default(), one.wanted, one.got)).collect())
}

fn cpu(quota: i64, period: u64) -> Resources {
    let mut resources = Resources::default();
    let cpu = resources.cpu.get_or_insert_default();
    (cpu.quota, cpu.period) = (Some(quota), Some(period));
    resources
}

fn memory(limit: i64) -> Resources {
    let mut resources = Resources::default();
    resources.memory.get_or_insert_default().limit = Some(limit);
    resources
}

fn bytes_that_fill_no_page_are_reported() -> Outcome {
    let active = with("memory")?;
    assert_eq!(adjusted(&active, &memory(64 * MIB))?, []);
    let found = adjusted(&active, &memory(64 * MIB + 100))?;
    let file = if v1(&active, "memory").is_some() { "memory.limit_in_bytes" } else { "memory.max" };
    assert_eq!(found, [(file.to_owned(), "67108964".to_owned(), "67108864".to_owned())]);
    assert_eq!(adjusted(&active, &memory(-1))?, []);
    Ok(())
}

fn more_than_there_can_be_is_reported_as_no_limit() -> Outcome {
    let active = with("memory")?;
    let found = adjusted(&active, &memory(i64::MAX))?;
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].1.as_str(), found[0].2.as_str()), ("9223372036854775807", "max"));
    Ok(())
}

fn memory_above_memory_and_swap_in_force_is_explained_on_v1() -> Outcome {
    let active = with("memory")?;
    let Some(path) = v1(&active, "memory") else { return Err(ignored("v2 counts swap apart")) };
    if !path.join("memory.memsw.limit_in_bytes").exists() {
        return Err(ignored("no swap accounting"));
    }
    let mut resources = memory(64 * MIB);
    resources.memory.get_or_insert_default().swap = Some(64 * MIB);
    active.set(&resources)?;
    let error = refused(&active, &memory(128 * MIB));
    says(&error, ErrorKind::InvalidInput, "memory.memsw.limit_in_bytes is 67108864");
    Ok(())
}

fn a_limit_on_kernel_memory_is_never_lost_in_silence() -> Outcome {
    let active = with("memory")?;
    let mut resources = Resources::default();
    resources.memory.get_or_insert_default().kernel = Some(32 * MIB);
    match adjusted(&active, &resources) {
        // It is in force, or the kernel took it for nothing.
        Ok(found) => {
            assert!(v1(&active, "memory").is_some());
            let now = file(&active, "memory", "memory.kmem.limit_in_bytes", "")?;
            assert_eq!(found.is_empty(), now == (32 * MIB).to_string(), "{found:?} {now}");
        }
        Err(_) => assert_eq!(refused(&active, &resources).kind(), ErrorKind::Unsupported),
    }
    resources.memory.get_or_insert_default().kernel = Some(-1);
    assert_eq!(adjusted(&active, &resources)?, []);
    Ok(())
}

fn tcp_buffers_swappiness_and_oom_killer_are_those_of_v1() -> Outcome {
    let active = with("memory")?;
    let mut resources = Resources::default();
    let memory = resources.memory.get_or_insert_default();
    (memory.kernel_tcp, memory.swappiness, memory.disable_oom_killer) = (Some(MIB), Some(200), Some(true));
    let Some(path) = v1(&active, "memory") else {
        assert_eq!(refused(&active, &resources).kind(), ErrorKind::Unsupported);
        return Ok(());
    };
    active.set(&resources)?;
    let read = |name: &str| fs::read_to_string(path.join(name));
    assert_eq!(read("memory.kmem.tcp.limit_in_bytes")?, "1048576\n");
    assert_eq!(read("memory.swappiness")?, "200\n");
    assert!(read("memory.oom_control")?.starts_with("oom_kill_disable 1\n"));
    resources.memory.get_or_insert_default().disable_oom_killer = Some(false);
    active.set(&resources)?;
    assert!(read("memory.oom_control")?.starts_with("oom_kill_disable 0\n"));
    Ok(())
}

fn counting_what_is_below_can_not_be_turned_off() -> Outcome {
    let active = with("memory")?;
    let mut resources = Resources::default();
    resources.memory.get_or_insert_default().use_hierarchy = Some(true);
    active.set(&resources)?;
    resources.memory.get_or_insert_default().use_hierarchy = Some(false);
    says(&refused(&active, &resources), ErrorKind::Unsupported, "use_hierarchy");
    Ok(())
}

fn the_most_processes_that_can_be_counted_is_a_limit() -> Outcome {
    let active = with("pids")?;
    let mut resources = Resources::default();
    resources.pids.get_or_insert_default().limit = Some(4_194_304);
    active.set(&resources)?;
    assert_eq!(file(&active, "pids", "pids.max", "pids.max")?, "4194304");
    resources.pids.get_or_insert_default().limit = Some(4_194_305);
    says(&refused(&active, &resources), ErrorKind::InvalidInput, "the most that the kernel takes is 4194304");
    let path = v1(&active, "pids").unwrap_or_else(|| active.paths()[""].clone());
    assert!(fs::write(path.join("pids.max"), "4194305").is_err(), "the kernel is of the same opinion");
    Ok(())
}

fn quotas_out_of_range_are_refused_with_the_range() -> Outcome {
    let active = with("cpu")?;
    for (quota, period, part) in [
        (999, 100_000, "1000 microseconds at the least"),
        (50_000, 999, "a period is 1000 to 1000000"),
        (50_000, 1_000_001, "a period is 1000 to 1000000"),
    ] {
        says(&refused(&active, &cpu(quota, period)), ErrorKind::InvalidInput, part);
    }
    active.set(&cpu(1_000, 1_000))?;
    active.set(&cpu(1_000_000, 1_000_000))?;
    Ok(())
}

fn a_parent_that_has_less_is_named_on_v1() -> Outcome {
    let base = name();
    let parent = fresh_at(&base)?;
    needs(&parent, "cpu")?;
    let child = fresh_at(&format!("{base}/in/child"))?;
    parent.set(&cpu(20_000, 100_000))?;
    let result = child.set(&cpu(50_000, 100_000));
    let Some(path) = v1(&parent, "cpu") else {
        result?; // the least of all quotas above holds
        return Ok(());
    };
    let part = format!("{path:?} above it has less, 20000 of 100000 microseconds");
    says(&result.expect_err("more than the parent"), ErrorKind::InvalidInput, &part);
    child.set(&cpu(2_000, 10_000))?; // the same part of a processor
    let between = v1(&child, "cpu").and_then(|path| path.parent().map(PathBuf::from));
    // What is in between has no quota of its own.
    let between = Cgroup::open([("cpu".to_owned(), between.expect("below the parent"))])?;
    let part = format!("{:?} below it has more, 2000 of 10000", v1(&child, "cpu").expect("as its parent"));
    for above in [&*parent, &between] {
        says(&refused(above, &cpu(10_000, 100_000)), ErrorKind::InvalidInput, &part);
    }
    Ok(())
}

fn a_burst_above_the_quota_and_shares_of_the_idle_are_explained() -> Outcome {
    let active = with("cpu")?;
    let mut resources = cpu(50_000, 100_000);
    resources.cpu.get_or_insert_default().burst = Some(50_001);
    match refused(&active, &resources) {
        error if error.kind() == ErrorKind::NotFound => return Err(ignored("no burst before Linux 5.14")),
        error => says(&error, ErrorKind::InvalidInput, "no burst is more"),
    }
    let mut resources = Resources::default();
    resources.cpu.get_or_insert_default().idle = Some(true);
    match active.set(&resources) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(ignored("none is idle before 5.15")),
        result => drop(result?),
    }
    resources.cpu.get_or_insert_default().idle = None;
    resources.cpu.get_or_insert_default().shares = Some(512);
    says(&refused(&active, &resources), ErrorKind::InvalidInput, "an idle cgroup has no");
    Ok(())
}

fn realtime(runtime: i64, period: u64) -> Resources {
    let mut resources = Resources::default();
    let cpu = resources.cpu.get_or_insert_default();
    (cpu.realtime_runtime, cpu.realtime_period) = (Some(runtime), Some(period));
    resources
}

/// Below a cgroup that has realtime to give.
fn realtime_grounds(base: &str) -> Result<(Active, PathBuf), Stop> {
    let parent = fresh_at(base)?;
    needs(&parent, "cpu")?;
    let Some(path) = v1(&parent, "cpu") else {
        assert_eq!(refused(&parent, &realtime(1_000, 10_000)).kind(), ErrorKind::Unsupported);
        return Err(ignored("v2 doesn't limit realtime, and says so"));
    };
    match fs::read_to_string(path.join("../cpu.rt_runtime_us")) {
        Ok(own) if own.trim() != "0" => Ok((parent, path)),
        Ok(_) => Err(ignored("the test's own cgroup has no realtime")),
        Err(_) => {
            says(&refused(&parent, &realtime(1_000, 10_000)), ErrorKind::Unsupported, "RT_GROUP_SCHED");
            Err(ignored("this kernel limits no realtime, and says so"))
        }
    }
}

fn realtime_is_shared_out_by_the_parent() -> Outcome {
    let base = name();
    let (parent, path) = realtime_grounds(&base)?;
    let child = fresh_at(&format!("{base}/child"))?;
    let part = format!("{path:?} above it has 0 of 1000000 microseconds");
    says(&refused(&child, &realtime(5_000, 100_000)), ErrorKind::InvalidInput, &part);
    parent.set(&realtime(50_000, 1_000_000))?;
    // Up and down: which of both goes first depends on what is in force.
    for (runtime, period) in [(5_000, 100_000), (40_000, 1_000_000), (400, 10_000), (20_000, 500_000)] {
        child.set(&realtime(runtime, period))?;
        let read = |name| file(&child, "cpu", name, "");
        assert_eq!(read("cpu.rt_runtime_us")?, runtime.to_string());
        assert_eq!(read("cpu.rt_period_us")?, period.to_string());
    }
    let error = refused(&child, &realtime(20_000, 10_000));
    says(&error, ErrorKind::InvalidInput, "longer than the period");
    let error = refused(&parent, &realtime(10_000, 1_000_000));
    says(&error, ErrorKind::InvalidInput, "/child\" below it has more, 20000 of 500000 microseconds");
    Ok(())
}

fn a_realtime_process_is_told_why_it_can_not_enter() -> Outcome {
    let (active, _) = realtime_grounds(&name())?;
    let mut command = Command::new("chrt");
    let mut process = match command.args(["-r", "1", "sleep", "60"]).stdin(Stdio::null()).spawn() {
        Ok(process) => process,
        Err(error) => return Err(ignored(format!("no chrt: {error}"))),
    };
    let is_realtime = || {
        let stat = fs::read_to_string(format!("/proc/{}/stat", process.id())).unwrap_or_default();
        // The 41st field is the policy, the name being the second; SCHED_RR is 2.
        stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(38)) == Some("2")
    };
    let became = (0..2000).any(|_| {
        thread::sleep(std::time::Duration::from_millis(1));
        is_realtime()
    });
    let result = active.add(process.id());
    active.set(&realtime(1_000, 1_000_000))?;
    let second = active.add(process.id());
    process.kill()?;
    process.wait()?;
    if !became {
        return Err(ignored("may not become a realtime process"));
    }
    let error = result.expect_err("there is no realtime");
    assert!(error.to_string().ends_with("realtime processes need cpu.realtime_runtime"), "{error}");
    second?;
    Ok(())
}

fn processors_that_a_parent_lacks_are_told() -> Outcome {
    let base = name();
    let parent = fresh_at(&base)?;
    needs(&parent, "cpuset")?;
    let all = file(&parent, "cpuset", "cpuset.cpus", "cpuset.cpus.effective")?;
    if !all.starts_with("0-") {
        return Err(ignored(format!("needs two processors, has {all}")));
    }
    let mut resources = Resources::default();
    resources.cpuset.get_or_insert_default().cpus = Some("0".to_owned());
    let child = fresh_at(&format!("{base}/child"))?;
    let cpus = |list: &str| {
        let mut resources = Resources::default();
        resources.cpuset.get_or_insert_default().cpus = Some(list.to_owned());
        resources
    };
    if let Some(path) = v1(&parent, "cpuset") {
        let error = refused(&parent, &cpus("0"));
        says(&error, ErrorKind::Busy, "below it has more");
        child.set(&cpus("0"))?;
        parent.set(&cpus("0"))?;
        let error = refused(&child, &cpus("0-1"));
        says(&error, ErrorKind::InvalidInput, &format!("{path:?} above it doesn't have 1"));
        return Ok(());
    }
    parent.set(&resources)?;
    let found = adjusted(&child, &cpus("0-1"))?;
    assert_eq!(found, [("cpuset.cpus.effective".to_owned(), "0-1".to_owned(), "0".to_owned())]);
    let error = refused(&child, &cpus("1"));
    says(&error, ErrorKind::InvalidInput, &format!("{:?} above it has 0", parent.paths()[""]));
    Ok(())
}

fn huge(size: &str, limit: u64) -> Resources {
    let mut resources = Resources::default();
    resources.hugepage_limits = vec![HugepageLimit::new(size, limit)];
    resources
}

fn huge_pages_are_counted_whole() -> Outcome {
    let active = with("hugetlb")?;
    says(&refused(&active, &huge("3MB", 0)), ErrorKind::Unsupported, "pages of this machine: ");
    assert_eq!(refused(&active, &huge("../2MB", 0)).kind(), ErrorKind::InvalidInput);
    let has = |path: &PathBuf| {
        path.join("hugetlb.2MB.max").exists() || path.join("hugetlb.2MB.limit_in_bytes").exists()
    };
    if !active.paths().values().any(has) {
        return Err(ignored("no pages of 2 MiB"));
    }
    assert_eq!(adjusted(&active, &huge("2MB", 4 << 20))?, []);
    let read = |of_v1, of_v2| file(&active, "hugetlb", of_v1, of_v2);
    assert_eq!(read("hugetlb.2MB.limit_in_bytes", "hugetlb.2MB.max")?, "4194304");
    assert_eq!(read("hugetlb.2MB.rsvd.limit_in_bytes", "hugetlb.2MB.rsvd.max")?, "4194304");
    let found = adjusted(&active, &huge("2MB", 3 << 20))?;
    assert_eq!((found.len(), found[0].1.as_str(), found[0].2.as_str()), (1, "3145728", "2097152"));
    let found = adjusted(&active, &huge("2MB", u64::MAX))?;
    assert_eq!((found.len(), found[0].2.as_str()), (1, "max"));
    Ok(())
}

/// The numbers of some whole disk.
fn disk() -> Result<(u32, u32), Stop> {
    let none = || ignored("no block device");
    for entry in fs::read_dir("/sys/block").map_err(|_| none())? {
        let Ok(text) = fs::read_to_string(entry?.path().join("dev")) else { continue };
        let numbers = text.trim().split_once(':').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
        if let Some(numbers) = numbers {
            return Ok(numbers);
        }
    }
    Err(none())
}

/// A new cgroup whose reading and writing can be limited.
fn with_io() -> Result<Active, Stop> {
    let active = fresh_at(&name())?;
    if v1(&active, "blkio").is_none() {
        needs(&active, "io")?;
    }
    Ok(active)
}

fn rates_are_set_for_each_disk_and_taken_back() -> Outcome {
    let active = with_io()?;
    let (major, minor) = disk()?;
    let device = |rate| vec![ThrottleDevice::new(major, minor, rate)];
    let rates = |read_bps, write_bps, read_iops, write_iops| {
        let mut resources = Resources::default();
        let io = resources.block_io.get_or_insert_default();
        io.throttle_read_bps_device = device(read_bps);
        io.throttle_write_bps_device = device(write_bps);
        io.throttle_read_iops_device = device(read_iops);
        io.throttle_write_iops_device = device(write_iops);
        resources
    };
    assert_eq!(adjusted(&active, &rates(1 << 20, 2 << 20, 100, u64::from(u32::MAX) - 1))?, []);
    let read = |of_v1: &str| file(&active, "blkio", of_v1, "io.max");
    if v1(&active, "blkio").is_some() {
        assert_eq!(read("blkio.throttle.read_bps_device")?, format!("{major}:{minor} 1048576"));
        assert_eq!(read("blkio.throttle.write_bps_device")?, format!("{major}:{minor} 2097152"));
        assert_eq!(read("blkio.throttle.read_iops_device")?, format!("{major}:{minor} 100"));
        assert_eq!(read("blkio.throttle.write_iops_device")?, format!("{major}:{minor} 4294967294"));
    } else {
        assert_eq!(
            read("")?,
            format!("{major}:{minor} rbps=1048576 wbps=2097152 riops=100 wiops=4294967294")
        );
    }
    active.set(&rates(0, 0, 0, 0))?;
    assert_eq!(read("blkio.throttle.read_bps_device")?, "");
    assert_eq!(read("blkio.throttle.write_iops_device")?, "");
    assert_eq!(refused(&active, &rates(0, 0, (1 << 32) + 7, 0)).kind(), ErrorKind::InvalidInput);
    if let Some(path) = v1(&active, "blkio") {
        // For the kernel would keep the lower 32 bits, and say nothing.
        let path = path.join("blkio.throttle.read_iops_device");
        fs::write(&path, format!("{major}:{minor} {}", (1_u64 << 32) + 7))?;
        assert_eq!(fs::read_to_string(&path)?, format!("{major}:{minor} 7\n"));
    }
    Ok(())
}

fn what_is_no_disk_is_said_to_be_none() -> Outcome {
    let active = with_io()?;
    let mut resources = Resources::default();
    let io = resources.block_io.get_or_insert_default();
    io.throttle_write_bps_device = vec![ThrottleDevice::new(4000, 77, 1 << 20)];
    says(&refused(&active, &resources), ErrorKind::InvalidInput, "there is no such disk");
    Ok(())
}

fn weights_are_those_of_bfq_or_of_the_cost_model() -> Outcome {
    let active = with_io()?;
    let mut resources = Resources::default();
    resources.block_io.get_or_insert_default().weight = Some(500);
    let present = |name: &str| active.paths().values().any(|path| path.join(name).exists());
    let part = if present("blkio.bfq.weight") || present("io.bfq.weight") {
        active.set(&resources)?;
        assert_eq!(
            file(&active, "blkio", "blkio.bfq.weight", "io.bfq.weight")?.replace("default ", ""),
            "500"
        );
        "weight"
    } else if present("io.weight") {
        active.set(&resources)?;
        assert_eq!(file(&active, "blkio", "", "io.weight")?, "default 4950");
        "weight"
    } else {
        says(&refused(&active, &resources), ErrorKind::Unsupported, "CONFIG_BFQ_GROUP_IOSCHED");
        return Ok(());
    };
    let (major, minor) = disk()?;
    resources.block_io.get_or_insert_default().weight_device = vec![WeightDevice::new(major, minor, 100)];
    // Not every disk has a scheduler that weighs.
    if let Err(error) = active.set(&resources) {
        says(&error, ErrorKind::Unsupported, "knows no weights");
        assert!(error.to_string().contains(part), "{error}");
    }
    Ok(())
}

fn an_adapter_or_a_resource_that_is_not_there_is_named() -> Outcome {
    let active = fresh_at(&name())?;
    let controllers = active.controllers()?;
    let mut resources = Resources::default();
    let mut rdma = Rdma::default();
    rdma.hca_handles = Some(3);
    resources.rdma = BTreeMap::from([("nothere_0".to_owned(), rdma)]);
    let error = refused(&active, &resources);
    if controllers.contains("rdma") {
        says(&error, ErrorKind::NotFound, "there is no such RDMA device");
    } else {
        says(&error, ErrorKind::NoController, "\"rdma\"");
    }
    resources.rdma.clear();
    resources.misc = BTreeMap::from([("nothere".to_owned(), 3)]);
    let error = refused(&active, &resources);
    if controllers.contains("misc") {
        says(&error, ErrorKind::InvalidInput, "misc.capacity");
    } else {
        says(&error, ErrorKind::NoController, "\"misc\"");
    }
    Ok(())
}

fn traffic_is_marked_and_has_priorities_on_v1() -> Outcome {
    grounds::root()?;
    grounds::mountns()?;
    let place = std::env::temp_dir();
    for controller in ["net_cls", "net_prio"] {
        let none = None::<&str>;
        // One over the other would hide it; a directory of a memory file system holds both.
        if controller == "net_cls" {
            mount(Some("tmpfs"), &place, Some("tmpfs"), MsFlags::empty(), none)?;
        }
        let at = place.join(controller);
        fs::create_dir(&at)?;
        if let Err(errno) = mount(Some("cgroup"), &at, Some("cgroup"), MsFlags::empty(), Some(controller)) {
            return Err(ignored(format!("mount {controller}: {errno}")));
        }
    }
    let active = with("net_cls")?;
    needs(&active, "net_prio")?;
    let mut resources = Resources::default();
    let network = resources.network.get_or_insert_default();
    network.class_id = Some(0x0010_0001);
    network.priorities = vec![InterfacePriority::new("lo", 5)];
    active.set(&resources)?;
    assert_eq!(file(&active, "net_cls", "net_cls.classid", "")?, "1048577");
    let priorities = file(&active, "net_prio", "net_prio.ifpriomap", "")?;
    assert!(priorities.lines().any(|line| line == "lo 5"), "{priorities}");
    resources.network.get_or_insert_default().priorities = vec![InterfacePriority::new("nothere0", 5)];
    says(&refused(&active, &resources), ErrorKind::NotFound, "there is no such interface");
    active.close()?;
    Ok(())
}

fn what_is_written_by_name_is_compared() -> Outcome {
    let active = fresh_at(&name())?;
    let controllers = active.controllers()?;
    if !active.paths().contains_key("") {
        return Err(ignored("no cgroup v2 here"));
    }
    let unified = |key: &str, value: &str| {
        let mut resources = Resources::default();
        resources.unified.insert(key.to_owned(), value.to_owned());
        resources
    };
    let v2_memory = controllers.contains("memory") && v1(&active, "memory").is_none();
    let (file, value, wanted) = if v2_memory {
        ("memory.high", "5000", "4096")
    } else if active.paths()[""].join("hugetlb.2MB.max").exists() {
        ("hugetlb.2MB.max", "3M", "2097152")
    } else {
        return Err(ignored("neither memory nor huge pages on v2"));
    };
    let found = adjusted(&active, &unified(file, value))?;
    assert_eq!(found, [(file.to_owned(), value.to_owned(), wanted.to_owned())]);
    assert_eq!(adjusted(&active, &unified(file, "max"))?, []);
    assert_eq!(adjusted(&active, &unified(file, "64M"))?, []);
    // Thirty digits the kernel would take, and keep others.
    let error = refused(&active, &unified(file, "999999999999999999999999999999"));
    says(&error, ErrorKind::InvalidInput, "64 bits");
    // More than a page no control file takes.
    let error = refused(&active, &unified("cgroup.max.depth", &"9".repeat(100_000)));
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{:.200}", error.to_string());
    Ok(())
}

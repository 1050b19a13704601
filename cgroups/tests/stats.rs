//! Figures of real cgroups, looked at once and sampled: each test has a cgroup of its own, and removes it.

// An allocator that counts.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout as Memory, System};
use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use cgroups::{Active, Cgroup, ErrorKind, Hierarchies, Layout, Limit, Resources, Stats, StatsKind};
use grounds::{Outcome, Stop, ignored, test};
use nix::mount::{MntFlags, MsFlags, mount, umount2};

const MIB: i64 = 1 << 20;

fn name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("cgroups-stats-{}-{}", std::process::id(), COUNT.fetch_add(1, Relaxed))
}

fn hierarchies() -> Result<Hierarchies, Stop> {
    match Hierarchies::detect() {
        Err(error) if error.kind() == ErrorKind::NotFound => Err(ignored(error)),
        result => Ok(result?),
    }
}

fn fresh_at(path: &str) -> Result<Active, Stop> {
    grounds::root()?;
    match Cgroup::create_beneath_own(&hierarchies()?, path) {
        Err(error) if [ErrorKind::PermissionDenied, ErrorKind::NotFound].contains(&error.kind()) => {
            Err(ignored(error))
        }
        result => Ok(result?),
    }
}

fn fresh() -> Result<Active, Stop> {
    fresh_at(&name())
}

fn needs(cgroup: &Cgroup, controller: &str) -> Outcome {
    if cgroup.controllers()?.contains(controller) {
        return Ok(());
    }
    Err(ignored(format!("no controller {controller:?} in {:?}", cgroup.paths().values().next())))
}

/// Shows v1 alone, in a mount namespace of this thread's own.
fn v1_alone() -> Outcome {
    grounds::root()?;
    if hierarchies()?.layout() != Layout::Hybrid {
        return Err(ignored("not both versions here; the test ran as mounted"));
    }
    let unified = hierarchies()?.mount_point("")?.to_owned();
    grounds::mountns()?;
    umount2(&unified, MntFlags::MNT_DETACH)?;
    Ok(())
}

/// Shows v2 alone, in a mount namespace of this thread's own.
fn v2_alone() -> Outcome {
    grounds::root()?;
    if hierarchies()?.layout() != Layout::Hybrid {
        return Err(ignored("not both versions here; the test ran as mounted"));
    }
    grounds::mountns()?;
    mount(Some("cgroup2"), "/sys/fs/cgroup", Some("cgroup2"), MsFlags::empty(), None::<&str>)?;
    Ok(())
}

/// A shell in the cgroup that does what it is told, says so, and waits; killed at the end.
struct Shell(Child);

impl Shell {
    fn inside(cgroup: &Cgroup, script: &str) -> Result<Shell, Stop> {
        let mut command = Command::new("sh");
        command.arg("-c").arg(format!("read go; {script}; echo; read x"));
        let shell =
            Shell(command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?);
        cgroup.add(shell.0.id())?;
        Ok(shell)
    }

    /// Returns once it has done what it was told.
    fn go(&mut self) -> Outcome {
        self.0.stdin.as_mut().expect("piped").write_all(b"go\n")?;
        self.0.stdout.as_mut().expect("piped").read_exact(&mut [0])?;
        Ok(())
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

const BUSY: &str = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done";

fn a_sample_is_what_one_look_tells() -> Outcome {
    let active = fresh()?;
    let mut shell = Shell::inside(&active, BUSY)?;
    shell.go()?;
    let mut sampler = active.sampler()?;
    // Whatever runs in the kernel on its behalf is over before long.
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let before = active.stats()?;
        let sample = sampler.sample()?.cloned().expect("it is there");
        let after = active.stats()?;
        if before == after {
            assert_eq!(sample, before);
            return Ok(());
        }
        assert!(Instant::now() < until, "{before:?}\n{after:?}");
        thread::sleep(Duration::from_millis(10));
    }
}

fn samples_follow_what_is_used() -> Outcome {
    let active = fresh()?;
    let mut sampler = active.sampler()?;
    let empty = sampler.sample()?.cloned().expect("it is there");
    let mut shell = Shell::inside(&active, BUSY)?;
    shell.go()?;
    let used = sampler.sample()?.expect("it is there");
    if let (Some(before), Some(after)) = (&empty.cpu, &used.cpu) {
        assert!(after.usage > before.usage, "{before:?} {after:?}");
        assert!(after.percent_since(before, Duration::from_secs(1)) > 0.0);
    }
    assert_eq!(used.pids.map(|pids| pids.current), empty.pids.map(|pids| pids.current + 1));
    assert!(used.pids.is_none_or(|pids| pids.max_current.is_none_or(|most| most >= 1)));
    if let (Some(before), Some(after)) = (&empty.memory, &used.memory) {
        assert!(after.usage > before.usage, "{before:?} {after:?}");
        assert!(after.detail.len() > 10 && after.numa.iter().all(|row| !row.nodes.is_empty()));
        assert!(after.max_usage.is_none_or(|most| most >= after.usage));
    }
    Ok(())
}

fn what_this_kernel_counts_is_there() -> Outcome {
    let active = fresh()?;
    let has = |controller: &str| active.controllers().is_ok_and(|c| c.contains(controller));
    let stats = active.stats()?;
    assert_eq!(stats.memory.is_some(), has("memory"));
    assert_eq!(stats.pids.is_some(), has("pids"));
    assert_eq!(stats.io.is_some(), has("io") || has("blkio"));
    assert_eq!(stats.blkio.is_some(), has("blkio"));
    assert_eq!(stats.hugetlb.is_some(), has("hugetlb"));
    assert_eq!(stats.rdma.is_some(), has("rdma"));
    assert_eq!(stats.misc.is_some(), has("misc"));
    assert_eq!(stats.dmem.is_some(), has("dmem"));
    assert_eq!(stats.cpuset.is_some(), has("cpuset"));
    assert_eq!(
        stats.cpu.as_ref().is_some_and(|cpu| cpu.throttling.is_some()),
        has("cpu") && stats.cpu.is_some()
    );
    if let Some(cpuset) = &stats.cpuset {
        assert!(!cpuset.cpus.is_empty() && !cpuset.mems.is_empty(), "{cpuset:?}");
    }
    for pages in stats.hugetlb.iter().flatten() {
        assert_eq!((pages.usage.usage, pages.usage.limit), (0, Some(Limit::Unlimited)), "{pages:?}");
        assert!(pages.page_size.ends_with('B'));
    }
    Ok(())
}

fn no_file_with_figures_is_passed_over() -> Outcome {
    // Whatever is added by the next kernel shows here first.
    const NOT_FIGURES: [&str; 10] = [
        "cgroup.",
        "devices.",
        "notify_on_release",
        "tasks",
        "net_",
        "perf_event.",
        "release_agent",
        "irq.",
        "memory.process_api",
        "process_api",
    ];
    const SETTINGS: [&str; 46] = [
        "cpu.cfs_burst_us",
        "cpu.cfs_period_us",
        "cpu.cfs_quota_us",
        "cpu.idle",
        "cpu.rt_period_us",
        "cpu.rt_runtime_us",
        "cpu.shares",
        "cpu.max",
        "cpu.max.burst",
        "cpu.weight",
        "cpu.weight.nice",
        "cpu.uclamp.min",
        "cpu.uclamp.max",
        "cpuacct.stat",
        "cpuacct.usage_percpu_sys",
        "cpuacct.usage_percpu_user",
        "cpuacct.usage_sys",
        "cpuacct.usage_user",
        "memory.force_empty",
        "memory.kmem.slabinfo",
        "memory.move_charge_at_immigrate",
        "memory.pressure_level",
        "memory.soft_limit_in_bytes",
        "memory.swappiness",
        "memory.use_hierarchy",
        "memory.high",
        "memory.low",
        "memory.min",
        "memory.oom.group",
        "memory.reclaim",
        "memory.swap.high",
        "memory.zswap.writeback",
        "dmem.low",
        "dmem.min",
        "io.bfq.weight",
        "io.latency",
        "io.max",
        "io.weight",
        "io.prio.class",
        "io.cost.qos",
        "io.cost.model",
        "blkio.prio.class",
        "blkio.reset_stats",
        "blkio.bfq.weight",
        "blkio.bfq.weight_device",
        "freezer.",
    ];
    // Of this cgroup alone.
    const ELSEWHERE: [&str; 2] = [".events.local", "rdma.events"];
    let active = fresh()?;
    let seen = files_read(&active)?;
    let mut passed_over = Vec::new();
    for path in active.paths().values() {
        for entry in fs::read_dir(path)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            let known = seen.contains(&name)
                || NOT_FIGURES.iter().any(|prefix| name.starts_with(prefix))
                || SETTINGS.contains(&name.as_str())
                || ELSEWHERE.iter().any(|part| name.contains(part))
                // Without the cpu controller there is nothing in it.
                || name == "cpu.stat.local" && !active.controllers()?.contains("cpu")
                || name.starts_with("blkio.") && !name.contains("_recursive")
                || name.starts_with("cpuset.") && (!name.contains("effective") || name.contains("exclusive"));
            if !known {
                passed_over.push(name);
            }
        }
    }
    assert_eq!(passed_over, [""; 0]);
    Ok(())
}

/// The files that a sampler keeps open.
fn files_read(cgroup: &Cgroup) -> Result<BTreeSet<String>, Stop> {
    let before: BTreeSet<_> = open_files()?.into_iter().map(|(fd, _)| fd).collect();
    let mut sampler = cgroup.sampler()?;
    sampler.sample()?;
    let opened = open_files()?.into_iter().filter(|(fd, _)| !before.contains(fd));
    Ok(opened.filter_map(|(_, path)| Some(Path::new(&path).file_name()?.to_str()?.to_owned())).collect())
}

fn open_files() -> Result<Vec<(String, String)>, Stop> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc/self/fd")? {
        let entry = entry?;
        if let Ok(target) = fs::read_link(entry.path()) {
            found.push((
                entry.file_name().to_string_lossy().into_owned(),
                target.to_string_lossy().into_owned(),
            ));
        }
    }
    Ok(found)
}

fn descriptors_are_close_on_exec_few_for_few_kinds_and_none_after_the_end() -> Outcome {
    let active = fresh()?;
    let before = open_files()?.len();
    let mut sampler = active.sampler_of(StatsKind::PIDS)?;
    sampler.sample()?;
    let few = open_files()?.len() - before;
    // Directories, the list of v2's controllers, and four files at most.
    assert!(few <= 7, "{:?}", open_files()?);
    drop(sampler);
    let mut sampler = active.sampler()?;
    sampler.sample()?;
    for (fd, path) in open_files()?.iter().filter(|(_, path)| path.contains("cgroups-stats-")) {
        let info = fs::read_to_string(format!("/proc/self/fdinfo/{fd}"))?;
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).expect("a line of flags");
        let flags = u32::from_str_radix(flags.trim(), 8).expect("octal");
        assert!(flags & libc::O_CLOEXEC as u32 != 0, "{path}");
    }
    active.close()?;
    assert_eq!(sampler.sample()?, None);
    assert_eq!(open_files()?.len(), before);
    Ok(())
}

fn a_removed_cgroup_ends_the_sampling_for_good() -> Outcome {
    let active = fresh()?;
    let paths = active.paths().clone();
    let mut unused = active.sampler()?;
    let mut of_nothing = active.sampler_of(StatsKind::empty())?;
    let mut sampler = active.sampler()?;
    assert!(sampler.sample()?.is_some() && of_nothing.sample()?.is_some());
    let cgroup = active.commit();
    cgroup.remove()?;
    // To a reader the kernel says ENODEV, again and again.
    assert_eq!((sampler.sample()?, unused.sample()?), (None, None));
    if paths.contains_key("") {
        assert_eq!(of_nothing.sample()?, None);
    }
    for path in paths.values() {
        fs::create_dir(path)?;
    }
    let again = Cgroup::open(paths)?;
    let ended = sampler.sample()?.is_none() && unused.sample()?.is_none();
    let fresh = again.sampler().and_then(|mut sampler| Ok(sampler.sample()?.is_some()));
    again.remove()?;
    assert!(ended && fresh?);
    assert_eq!(again.sampler().unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(again.stats().unwrap_err().kind(), ErrorKind::NotFound);
    Ok(())
}

fn controllers_come_and_go_under_a_sampler() -> Outcome {
    let active = fresh_at(&format!("{}/in", name()))?;
    let Some(path) = active.paths().get("") else { return Err(ignored("no cgroup v2 here")) };
    let text = fs::read_to_string(path.join("cgroup.controllers"))?;
    let told = |stats: &Stats| {
        [
            ("hugetlb", stats.hugetlb.is_some()),
            ("memory", stats.memory.is_some()),
            ("pids", stats.pids.is_some()),
            ("io", stats.io.is_some()),
            ("misc", stats.misc.is_some()),
        ]
    };
    let mine: Vec<_> = told(&Stats::default())
        .into_iter()
        .map(|(controller, _)| controller)
        .filter(|controller| text.split_whitespace().any(|word| word == *controller))
        .collect();
    if mine.is_empty() {
        return Err(ignored(format!("no controller of v2 with figures here: {text:?}")));
    }
    let switch = path.parent().expect("the one around it").join("cgroup.subtree_control");
    let mut sampler = active.sampler()?;
    for _ in 0..3 {
        for there in [true, false] {
            for controller in &mine {
                fs::write(&switch, format!("{}{controller}", if there { '+' } else { '-' }))?;
            }
            let stats = sampler.sample()?.expect("the cgroup is there").clone();
            for (controller, is_told) in told(&stats).into_iter().filter(|(name, _)| mine.contains(name)) {
                assert_eq!(is_told, there, "{controller}");
            }
            assert!(stats.freezer.is_some());
        }
    }
    Ok(())
}

fn pressure_is_told_until_it_is_turned_off_and_again_when_it_is_on() -> Outcome {
    let active = fresh()?;
    let Some(path) = active.paths().get("") else { return Err(ignored("no cgroup v2 here")) };
    let switch = path.join("cgroup.pressure");
    if !switch.exists() {
        return Err(ignored("no cgroup.pressure: a kernel before Linux 6.1, or without pressure"));
    }
    let mut sampler = active.sampler_of(StatsKind::PRESSURE)?;
    for _ in 0..2 {
        for is_on in [true, false] {
            fs::write(&switch, if is_on { "1" } else { "0" })?;
            let told = sampler.sample()?.expect("the cgroup is there").pressure;
            let cpu = told.and_then(|pressure| pressure.cpu);
            assert_eq!(cpu.and_then(|pressure| pressure.some).is_some(), is_on);
            // A file that is there is read: interrupts have one only if the kernel measures their time.
            assert_eq!(
                told.is_some_and(|pressure| pressure.irq.is_some()),
                is_on && path.join("irq.pressure").exists()
            );
            assert_eq!(active.stats()?.pressure.is_some(), is_on);
        }
    }
    Ok(())
}

fn a_kill_for_lack_of_memory_is_told_whatever_limit_was_hit() -> Outcome {
    // On v1 `memory.failcnt` stays 0 where it is the limit on memory and swap that is hit.
    let active = fresh()?;
    needs(&active, "memory")?;
    let mut resources = Resources::default();
    let memory = resources.memory.get_or_insert_default();
    (memory.limit, memory.swap) = (Some(16 * MIB), Some(16 * MIB));
    if let Err(error) = active.set(&resources) {
        return Err(ignored(format!("no limit on swap: {error}")));
    }
    let mut sampler = active.sampler_of(StatsKind::MEMORY)?;
    assert_eq!(sampler.sample()?.and_then(|s| s.memory.as_ref()?.oom_kills), Some(0));
    let script = "sh -c 'head -c 64000000 /dev/zero | tail -c 64000000 >/dev/null'";
    let mut shell = Shell::inside(&active, script)?;
    // It may be the shell itself that is killed.
    drop(shell.go());
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        let stats = sampler.sample()?.expect("it is there");
        let memory = stats.memory.as_ref().expect("the controller is there");
        if memory.oom_kills.is_some_and(|kills| kills > 0) {
            assert_eq!(memory.limit, Some(Limit::At(16 << 20)));
            return Ok(());
        }
        assert!(Instant::now() < until, "{memory:?}");
        thread::sleep(Duration::from_millis(5));
    }
}

fn the_freezers_states_are_told() -> Outcome {
    let active = fresh_at(&format!("{}/in", name()))?;
    let parents =
        active.paths().iter().filter_map(|(key, path)| Some((key.clone(), path.parent()?.to_owned())));
    let parent = Cgroup::open(parents.collect::<Vec<_>>())?;
    let mut sampler = active.sampler_of(StatsKind::FREEZER)?;
    let mut states = || -> Result<_, Stop> {
        let stats = sampler.sample()?.expect("it is there");
        let Some(freezer) = stats.freezer else { return Err(ignored("no freezer here")) };
        Ok((freezer.frozen, freezer.self_freezing, freezer.parent_freezing))
    };
    let (_, _, is_v1) = states()?;
    let of_v1 = |parent: bool| is_v1.map(|_| parent);
    assert_eq!(states()?, (false, false, of_v1(false)));
    active.freeze()?;
    assert_eq!(states()?, (true, true, of_v1(false)));
    active.thaw()?;
    parent.freeze()?;
    let below = states();
    parent.thaw()?;
    assert_eq!(below?, (true, false, of_v1(true)));
    assert_eq!(states()?, (false, false, of_v1(false)));
    Ok(())
}

fn sampling_allocates_nothing() -> Outcome {
    let active = fresh()?;
    let mut sampler = active.sampler()?;
    sampler.sample()?;
    sampler.sample()?;
    ALLOCATIONS.store(0, Relaxed);
    COUNTING.store(true, Relaxed);
    for _ in 0..100 {
        sampler.sample()?;
    }
    COUNTING.store(false, Relaxed);
    assert_eq!(ALLOCATIONS.load(Relaxed), 0);
    Ok(())
}

static COUNTING: AtomicBool = AtomicBool::new(false);
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

/// Counts while it is told to.
struct Counter;

#[global_allocator]
static COUNTER: Counter = Counter;

// SAFETY: all of it is the system's allocator, with a number counted up beside it.
unsafe impl GlobalAlloc for Counter {
    unsafe fn alloc(&self, layout: Memory) -> *mut u8 {
        ALLOCATIONS.fetch_add(u64::from(COUNTING.load(Relaxed)), Relaxed);
        // SAFETY: the caller keeps to the same contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Memory) {
        // SAFETY: the caller keeps to the same contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

fn main() -> ExitCode {
    let mut tests = Vec::new();
    macro_rules! as_mounted {
        ($($name:ident)*) => { $( tests.push(test(stringify!($name), $name)); )* };
    }
    macro_rules! each_version {
        ($($name:ident)*) => { $(
            tests.push(test(stringify!($name), $name));
            tests.push(test(concat!(stringify!($name), "_on_v1"), || { v1_alone()?; $name() }));
            tests.push(test(concat!(stringify!($name), "_on_v2"), || { v2_alone()?; $name() }));
        )* };
    }
    as_mounted! {
        no_file_with_figures_is_passed_over
        sampling_allocates_nothing
        a_kill_for_lack_of_memory_is_told_whatever_limit_was_hit
        pressure_is_told_until_it_is_turned_off_and_again_when_it_is_on
        descriptors_are_close_on_exec_few_for_few_kinds_and_none_after_the_end
    }
    each_version! {
        a_sample_is_what_one_look_tells
        samples_follow_what_is_used
        what_this_kernel_counts_is_there
        a_removed_cgroup_ends_the_sampling_for_good
        controllers_come_and_go_under_a_sampler
        the_freezers_states_are_told
    }
    grounds::run(tests)
}

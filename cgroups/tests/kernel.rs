//! Against the running kernel: every test has a cgroup of its own below the test's, and removes it.
//!
//! Where both versions are mounted, the tests of what both can do run three times: as mounted, with v1 alone and
//! with v2 alone, each look in a mount namespace of its own.

// One clone3(2), to be born in a cgroup: no library has it.
#![allow(unsafe_code)]

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use cgroups::{
    Active, Cgroup, DeviceAccess, DeviceKind, DeviceRule, ErrorKind, Hierarchies, Layout, Limit, Resources,
};
use grounds::{Outcome, Stop, ignored, test};
use nix::mount::{MntFlags, MsFlags, mount, umount2};

const MIB: i64 = 1 << 20;

/// A name that no other test has.
fn name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("cgroups-test-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

fn hierarchies() -> Result<Hierarchies, Stop> {
    match Hierarchies::detect() {
        Err(error) if error.kind() == ErrorKind::NotFound => Err(ignored(error)),
        result => Ok(result?),
    }
}

/// A new cgroup, at the given path below one of the test's own.
fn fresh_at(path: &str) -> Result<Active, Stop> {
    grounds::root()?;
    match Cgroup::create_beneath_own(&hierarchies()?, path) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Err(ignored(error)),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(ignored(error)),
        result => Ok(result?),
    }
}

fn fresh() -> Result<Active, Stop> {
    fresh_at(&name())
}

/// Asks for a controller.
fn needs(cgroup: &Cgroup, controller: &str) -> Outcome {
    if cgroup.controllers()?.contains(controller) {
        return Ok(());
    }
    Err(ignored(format!("no controller {controller:?} in {:?}", cgroup.paths().values().next())))
}

/// Shows v1 alone, in a mount namespace of this thread's own.
fn v1_alone() -> Outcome {
    grounds::root()?;
    match hierarchies()?.layout() {
        Layout::Hybrid => {}
        Layout::V1 => return Err(ignored("v1 is all there is; the test ran as mounted")),
        Layout::V2 => return Err(ignored("no cgroup v1 here")),
    }
    let unified = hierarchies()?.mount_point("")?.to_owned();
    grounds::mountns()?;
    umount2(&unified, MntFlags::MNT_DETACH)?;
    assert_eq!(hierarchies()?.layout(), Layout::V1);
    Ok(())
}

/// Shows v2 alone, in a mount namespace of this thread's own.
fn v2_alone() -> Outcome {
    grounds::root()?;
    match hierarchies()?.layout() {
        Layout::Hybrid => {}
        Layout::V2 => return Err(ignored("v2 is all there is; the test ran as mounted")),
        Layout::V1 => return Err(ignored("no cgroup v2 here")),
    }
    grounds::mountns()?;
    let none = None::<&str>;
    mount(Some("cgroup2"), "/sys/fs/cgroup", Some("cgroup2"), MsFlags::empty(), none)?;
    assert_eq!(hierarchies()?.layout(), Layout::V2);
    Ok(())
}

/// A shell that waits for a line before it does what it is told; killed at the end.
struct Shell(Child);

impl Shell {
    fn new(script: &str) -> Result<Shell, Stop> {
        let script = format!("read go; {script}");
        let mut command = Command::new("sh");
        command.arg("-c").arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        Ok(Shell(command.spawn()?))
    }

    /// One inside the cgroup.
    fn inside(cgroup: &Cgroup, script: &str) -> Result<Shell, Stop> {
        let shell = Shell::new(script)?;
        cgroup.add(shell.0.id())?;
        Ok(shell)
    }

    fn go(&mut self) -> Outcome {
        self.0.stdin.as_mut().expect("piped").write_all(b"go\n")?;
        Ok(())
    }

    /// What it prints until it ends.
    fn says(mut self) -> Result<String, Stop> {
        self.go()?;
        let mut text = String::new();
        self.0.stdout.take().expect("piped").read_to_string(&mut text)?;
        Ok(text)
    }

    fn membership(&self) -> Result<String, Stop> {
        Ok(fs::read_to_string(format!("/proc/{}/cgroup", self.0.id()))?)
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Looks until it is so.
#[track_caller]
fn eventually(mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(10);
    while !is_so() {
        assert!(Instant::now() < until, "not within ten seconds");
        thread::sleep(Duration::from_millis(1));
    }
}

fn without_v2(cgroup: &Cgroup) -> Result<Cgroup, Stop> {
    let v1: BTreeMap<_, _> = cgroup.paths().clone().into_iter().filter(|(key, _)| !key.is_empty()).collect();
    if v1.is_empty() {
        return Err(ignored("no cgroup v1 here"));
    }
    Ok(Cgroup::open(v1)?)
}

fn the_machine_has_the_hierarchies_that_its_mounts_tell() -> Outcome {
    let found = hierarchies()?;
    let text = fs::read_to_string("/proc/self/mountinfo")?;
    let v1 = text.lines().any(|line| line.contains(" - cgroup "));
    let v2 = text.lines().any(|line| line.contains(" - cgroup2 "));
    assert_eq!(found.layout() != Layout::V2, v1);
    assert_eq!(found.layout() != Layout::V1, v2);
    for path in found.own().values() {
        assert!(path.join("cgroup.procs").exists(), "{}", path.display());
    }
    Ok(())
}

fn an_ordinary_user_is_told_what_may_not_be_made() -> Outcome {
    grounds::ordinary_user()?;
    let error = Cgroup::create(&hierarchies()?, name()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    assert!(error.path().is_some());
    Ok(())
}

fn the_2014_functions_agree_with_the_kernel() -> Outcome {
    let found = hierarchies()?;
    // Of v1 if there is any, for there the kernel names the controllers.
    let Some((key, path)) = found.own().into_iter().next_back() else {
        return Err(ignored("own cgroup out of sight"));
    };
    let controllers =
        if key.is_empty() { fs::read_to_string(path.join("cgroup.controllers"))? } else { key.clone() };
    let Some(controller) = controllers.split([',', ' ', '\n']).find(|word| !word.is_empty()) else {
        return Err(ignored("no controller"));
    };
    let own = cgroups::this_cgroup_dir(controller)?;
    let text = fs::read_to_string("/proc/self/cgroup")?;
    assert!(text.contains(&format!(":{key}:{}\n", own.display())), "{text}");
    assert!(cgroups::find_cgroup_mountpoint(controller)?.join("cgroup.procs").exists());
    assert_eq!(cgroups::find_cgroup_mountpoint("none").unwrap_err().kind(), ErrorKind::NoController);
    match cgroups::init_cgroup_dir(controller) {
        Ok(path) => assert!(path.is_absolute()),
        // Process 1 may be hidden, or live outside of what is mounted here.
        Err(error) => assert_ne!(error.kind(), ErrorKind::NoController, "{error}"),
    }
    Ok(())
}

fn a_cgroup_is_made_in_every_hierarchy_and_removed_from_every_one() -> Outcome {
    let active = fresh()?;
    let paths = active.paths().clone();
    assert_eq!(paths.keys().collect::<Vec<_>>(), hierarchies()?.own().keys().collect::<Vec<_>>());
    assert!(paths.values().all(|path| path.is_dir()));
    let cgroup = active.commit();
    assert!(paths.values().all(|path| path.is_dir()), "kept");
    assert_eq!(Cgroup::open(paths.clone())?.paths(), cgroup.paths());
    cgroup.remove()?;
    assert!(paths.values().all(|path| !path.exists()));
    cgroup.remove()?; // a second time is no error
    cgroup.kill()?;
    assert_eq!(cgroup.stats().unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(cgroup.add(std::process::id()).unwrap_err().kind(), ErrorKind::NotFound);
    Ok(())
}

fn a_cgroup_can_be_named_before_it_is_made() -> Outcome {
    let path = format!("{}/in", name());
    let active = fresh_at(&path)?;
    assert_eq!(Cgroup::named_beneath_own(&hierarchies()?, &path)?.paths(), active.paths());
    let named = Cgroup::named(&hierarchies()?, &path)?;
    assert!(named.paths().values().all(|at| at.ends_with(&path)));
    assert_eq!(Cgroup::named(&hierarchies()?, "../x").unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(Cgroup::named_beneath_own(&hierarchies()?, "/").unwrap_err().kind(), ErrorKind::InvalidInput);
    Ok(())
}

fn a_half_removed_cgroup_still_shows_and_loses_its_processes() -> Outcome {
    grounds::calls(&KILLING)?;
    let active = fresh()?;
    let Some((_, v1)) = active.paths().iter().find(|(key, _)| *key == "freezer") else {
        return Err(ignored("no freezer of v1"));
    };
    let mut shell = Shell::new("")?;
    fs::write(v1.join("cgroup.procs"), shell.0.id().to_string())?;
    assert_eq!(active.remove_within(Duration::ZERO).unwrap_err().kind(), ErrorKind::Busy);
    assert_eq!(active.pids()?, [shell.0.id()]);
    active.kill()?;
    assert!(!shell.0.wait()?.success());
    active.remove()?;
    Ok(())
}

fn a_dropped_guard_leaves_nothing_not_even_parents_that_it_made() -> Outcome {
    let base = name();
    let active = fresh_at(&format!("{base}/in/deep"))?;
    let paths = active.paths().clone();
    drop(active);
    for path in paths.values() {
        assert!(!path.ancestors().any(|at| at.ends_with(&base) && at.exists()), "{}", path.display());
    }
    Ok(())
}

fn a_parent_that_was_there_stays_when_the_guard_goes() -> Outcome {
    let base = name();
    let parent = fresh_at(&base)?;
    fresh_at(&format!("{base}/child"))?.close()?;
    assert!(parent.paths().values().all(|path| path.is_dir()));
    parent.close()?;
    Ok(())
}

fn a_failed_making_leaves_nothing() -> Outcome {
    // In 2014 the cleanup looked at another variable named err, and never ran.
    drop(fresh()?);
    let base = name();
    let error =
        Cgroup::create_beneath_own(&hierarchies()?, format!("{base}/{}", "n".repeat(5000))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    for own in hierarchies()?.own().values() {
        assert!(!own.join(&base).exists());
    }
    Ok(())
}

fn a_cgroup_in_which_others_live_is_not_taken() -> Outcome {
    drop(fresh()?);
    let base = name();
    // In the last hierarchy, so that those before it have to be undone.
    let own = hierarchies()?.own();
    let (key, last) = own.iter().next_back().expect("one at least");
    let theirs = Cgroup::open([(key.clone(), last.join(&base))])?;
    fs::create_dir(last.join(&base))?;
    let shell = Shell::new("")?;
    let added = theirs.add(shell.0.id());
    let result = Cgroup::create_beneath_own(&hierarchies()?, &base);
    let others = own.values().filter(|path| path.join(&base).exists()).count();
    drop(shell);
    theirs.remove()?;
    if key == "cpuset" {
        return Err(ignored("cpuset comes last, and lets nobody into a new directory"));
    }
    added?;
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy);
    assert!(error.to_string().contains("it exists, and process "), "{error}");
    assert_eq!(others, 1, "all but theirs were undone, and theirs stayed");
    Ok(())
}

fn many_may_make_cgroups_below_one_parent_at_once() -> Outcome {
    // Each guard that made the parent tries to remove it, under the feet of those that have just found it.
    let base = name();
    drop(fresh_at(&base)?);
    let results: Vec<_> = thread::scope(|scope| {
        let work = |worker: usize| {
            let base = &base;
            move || {
                (0..20).try_for_each(|n| {
                    drop(Cgroup::create_beneath_own(
                        &Hierarchies::detect()?,
                        format!("{base}/{worker}-{n}"),
                    )?);
                    Ok::<_, cgroups::Error>(())
                })
            }
        };
        let workers: Vec<_> = (0..4).map(|worker| scope.spawn(work(worker))).collect();
        workers.into_iter().map(|worker| worker.join().expect("no panic")).collect()
    });
    let own = hierarchies()?.own().into_iter().map(|(key, path)| (key, path.join(&base)));
    Cgroup::open(own)?.remove()?;
    results.into_iter().collect::<Result<(), _>>()?;
    Ok(())
}

fn a_path_outside_of_cgroups_is_not_opened() -> Outcome {
    // A peer took any absolute path from its state file for a cgroup, and removed below it.
    for (key, path) in [
        ("", "/tmp"),
        ("memory", "/proc"),
        ("", "relative"),
        ("memory", "/sys/fs/cgroup/../x"),
        ("", "/nowhere"),
    ] {
        let error = Cgroup::open([(key.to_owned(), PathBuf::from(path))]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{path}");
    }
    let gone = Cgroup::open([(String::new(), PathBuf::from("/sys/fs/cgroup/nowhere/at/all"))])?;
    gone.remove()?;
    Ok(())
}

fn a_process_is_moved_in_every_hierarchy() -> Outcome {
    let active = fresh()?;
    let shell = Shell::inside(&active, "")?;
    assert_eq!(active.pids()?, [shell.0.id()]);
    for (key, path) in active.paths() {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let text = shell.membership()?;
        let line = text.lines().find(|line| line.split(':').nth(1) == Some(key)).unwrap_or_default();
        assert!(line.ends_with(name), "{line}");
    }
    assert_eq!(active.add(0).unwrap_err().kind(), ErrorKind::InvalidInput);
    let mut ended = Command::new("true").spawn()?;
    ended.wait()?;
    assert_eq!(active.add(ended.id()).unwrap_err().kind(), ErrorKind::NotFound);
    Ok(())
}

fn a_process_that_one_hierarchy_refuses_stays_where_it_was_in_all() -> Outcome {
    // In 2014 it was left in the hierarchies that had been written before the one that failed.
    let active = fresh()?;
    let Some(path) = active.paths().get("cpuset") else { return Err(ignored("no cpuset of v1")) };
    fs::write(path.join("cpuset.cpus"), "\n")?;
    let shell = Shell::new("")?;
    let before = shell.membership()?;
    let error = active.add(shell.0.id()).unwrap_err();
    assert!(error.to_string().contains("no processors"), "{error}");
    assert_eq!(shell.membership()?, before);
    Ok(())
}

fn memory_and_swap_are_set_as_given_up_and_down() -> Outcome {
    // In 2014 the value for swap was ignored: twice the memory was written, always memory first.
    let active = fresh()?;
    needs(&active, "memory")?;
    let mut resources = Resources::default();
    for (limit, swap) in [(64, 96), (128, 256), (32, 32), (32, 64)] {
        let memory = resources.memory.get_or_insert_default();
        (memory.limit, memory.swap) = (Some(limit * MIB), Some(swap * MIB));
        memory.reservation = Some(16 * MIB);
        active.set(&resources)?;
        let stats = active.stats()?.memory.expect("the controller is there");
        assert_eq!(stats.limit, Some(Limit::At((limit * MIB) as u64)));
        if stats.swap_limit.is_none() {
            return Err(ignored("no swap accounting"));
        }
        assert_eq!(stats.swap_limit, Some(Limit::At((swap * MIB) as u64)));
    }
    let memory = resources.memory.get_or_insert_default();
    (memory.limit, memory.swap) = (Some(-1), None);
    active.set(&resources)?;
    let stats = active.stats()?.memory.expect("the controller is there");
    assert_eq!((stats.limit, stats.swap_limit), (Some(Limit::Unlimited), Some(Limit::Unlimited)));
    Ok(())
}

fn a_memory_limit_below_the_use_is_refused_and_the_use_is_told() -> Outcome {
    let active = fresh()?;
    needs(&active, "memory")?;
    let mut shell = Shell::inside(&active, "x=$(head -c 20000000 /dev/zero | tr '\\0' x); echo; read y")?;
    shell.go()?;
    shell.0.stdout.as_mut().expect("piped").read_exact(&mut [0])?;
    let mut resources = Resources::default();
    let memory = resources.memory.get_or_insert_default();
    (memory.limit, memory.check_before_update) = (Some(MIB), true);
    let error = active.set(&resources).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
    assert!(error.to_string().ends_with("bytes are in use"), "{error}");
    // v1 itself refuses, and also keeps the peak.
    let on_v1 = active.paths().contains_key("memory");
    assert_eq!(error.to_string().contains("at the peak"), on_v1, "{error}");
    assert!(shell.0.try_wait()?.is_none(), "it lives");
    Ok(())
}

fn quota_period_and_burst_fit_one_another_in_any_order() -> Outcome {
    let active = fresh()?;
    needs(&active, "cpu")?;
    // Before Linux 5.14 nothing bursts; quota and period must be in order all the same.
    let files = ["cpu.max.burst", "cpu.cfs_burst_us"];
    let bursts = active.paths().values().any(|path| files.iter().any(|file| path.join(file).exists()));
    let mut resources = Resources::default();
    let cpu = resources.cpu.get_or_insert_default();
    for (quota, period, burst) in
        [(50_000, 100_000, 20_000), (5_000, 10_000, 5_000), (200_000, 400_000, 200_000)]
    {
        (cpu.quota, cpu.period, cpu.burst) = (Some(quota), Some(period), bursts.then_some(burst));
        let mut resources = Resources::default();
        resources.cpu = Some(cpu.clone());
        active.set(&resources)?;
    }
    (cpu.burst, cpu.period) = (Some(0), None);
    cpu.quota = Some(-1);
    active.set(&resources)?;
    let file =
        |key: &str, name: &str| active.paths().get(key).map(|path| fs::read_to_string(path.join(name)));
    let found = match file("cpu", "cpu.cfs_quota_us").or_else(|| file("cpu,cpuacct", "cpu.cfs_quota_us")) {
        Some(quota) => quota? == "-1\n",
        None => file("", "cpu.max").expect("v1 or v2")? == "max 400000\n",
    };
    assert!(found, "the period is kept, the quota gone");
    Ok(())
}

fn shares_that_the_kernel_would_bend_are_refused_on_v1() -> Outcome {
    let active = fresh()?;
    needs(&active, "cpu")?;
    let mut resources = Resources::default();
    resources.cpu.get_or_insert_default().shares = Some(1);
    if !active.paths().keys().any(|key| key.split(',').any(|c| c == "cpu")) {
        active.set(&resources)?; // v2 has a weight for it
        return Ok(());
    }
    assert!(
        active.set(&resources).unwrap_err().to_string().ends_with("the least that the kernel takes is 2")
    );
    resources.cpu.get_or_insert_default().shares = Some(999_999);
    assert_eq!(active.set(&resources).unwrap_err().kind(), ErrorKind::InvalidInput);
    resources.cpu.get_or_insert_default().shares = Some(512);
    active.set(&resources)?;
    Ok(())
}

fn processes_beyond_the_limit_can_not_be_forked() -> Outcome {
    let active = fresh()?;
    needs(&active, "pids")?;
    let mut resources = Resources::default();
    for (limit, forks) in [(1, false), (2, true), (-1, true)] {
        resources.pids.get_or_insert_default().limit = Some(limit);
        active.set(&resources)?;
        let shell = Shell::inside(&active, "(echo forked)")?;
        let stats = active.stats()?.pids.expect("the controller is there");
        assert_eq!(stats.current, 1);
        assert_eq!(stats.limit, Some(if limit == -1 { Limit::Unlimited } else { Limit::At(limit as u64) }));
        assert_eq!(shell.says()?.contains("forked"), forks);
    }
    Ok(())
}

fn a_cpuset_binds_and_a_bad_list_is_refused() -> Outcome {
    let active = fresh()?;
    needs(&active, "cpuset")?;
    let mut resources = Resources::default();
    let cpuset = resources.cpuset.get_or_insert_default();
    (cpuset.cpus, cpuset.mems) = (Some("0".to_owned()), Some("0".to_owned()));
    active.set(&resources)?;
    let shell = Shell::inside(&active, "grep Cpus_allowed_list /proc/self/status")?;
    assert_eq!(shell.says()?.split_whitespace().last(), Some("0"));
    resources.cpuset.get_or_insert_default().cpus = Some("0-x".to_owned());
    let error = active.set(&resources).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().starts_with("write \"0-x\" to "), "{error}");
    Ok(())
}

fn a_controller_that_is_not_there_is_named() -> Outcome {
    let active = fresh()?;
    let present = active.controllers()?;
    let mut resources = Resources::default();
    for controller in ["cpu", "memory", "pids", "cpuset"] {
        let mut one = Resources::default();
        match controller {
            "cpu" => one.cpu.get_or_insert_default().shares = Some(1024),
            "memory" => one.memory.get_or_insert_default().limit = Some(64 * MIB),
            "pids" => one.pids.get_or_insert_default().limit = Some(100),
            _ => one.cpuset.get_or_insert_default().cpus = Some("0".to_owned()),
        }
        match active.set(&one) {
            Ok(_) => assert!(present.contains(controller)),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::NoController, "{error}");
                assert!(error.to_string().contains(controller) && !present.contains(controller), "{error}");
            }
        }
    }
    resources.unified.insert("nothere.max".to_owned(), "1".to_owned());
    let error = active.set(&resources).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoController);
    assert!(error.to_string().contains("\"nothere\""), "{error}");
    Ok(())
}

fn unified_values_are_written_to_their_files() -> Outcome {
    let active = fresh()?;
    let Some(path) = active.paths().get("") else { return Err(ignored("no cgroup v2 here")) };
    let mut resources = Resources::default();
    resources.unified.insert("cgroup.max.depth".to_owned(), "3\n4\n".to_owned());
    active.set(&resources)?;
    assert_eq!(fs::read_to_string(path.join("cgroup.max.depth"))?, "4\n");
    resources.unified.insert("cgroup.procs".to_owned(), "0".to_owned());
    assert_eq!(active.set(&resources).unwrap_err().kind(), ErrorKind::InvalidInput);
    Ok(())
}

/// A rule on a character device.
fn device(allow: bool, minor: u32, access: &str) -> DeviceRule {
    let access: DeviceAccess = access.parse().expect("of r, w and m");
    DeviceRule { allow, kind: DeviceKind::Char, major: Some(1), minor: Some(minor), access }
}

/// What a process inside can open of null (1:3), zero (1:5) to read, and zero to read and write.
fn opens(cgroup: &Cgroup) -> Result<String, Stop> {
    let script = "exec 2>&-; (: </dev/null) && echo -n 'null '; (: </dev/zero) && echo -n 'zero '; \
                  (: <>/dev/zero) && echo -n 'zero-rw '";
    Ok(Shell::inside(cgroup, script)?.says()?.trim().to_owned())
}

fn device_rules_hold_and_are_replaced_as_a_whole() -> Outcome {
    let active = fresh()?;
    match active.set_devices(&[DeviceRule::all(false), device(true, 3, "rwm")]) {
        Err(error) if [ErrorKind::NoController, ErrorKind::Unsupported].contains(&error.kind()) => {
            return Err(ignored(error));
        }
        result => result?,
    }
    assert_eq!(opens(&active)?, "null");
    active.set_devices(&[device(true, 3, "r"), device(true, 5, "rw")])?;
    assert_eq!(opens(&active)?, "null zero zero-rw");
    // With what the rules before allowed gone.
    active.set_devices(&[device(true, 5, "rwm")])?;
    assert_eq!(opens(&active)?, "zero zero-rw");
    // Of the rules that match, the last wins, letter by letter.
    active.set_devices(&[device(true, 5, "rwm"), device(false, 5, "w")])?;
    assert_eq!(opens(&active)?, "zero");
    active.set_devices(&[DeviceRule::all(true), device(false, 3, "r")])?;
    assert_eq!(opens(&active)?, "zero zero-rw");
    // No rule allows anything.
    active.set_devices(&[])?;
    assert_eq!(opens(&active)?, "");
    let nothing = device(true, 3, "");
    assert_eq!(active.set_devices(&[nothing]).unwrap_err().kind(), ErrorKind::InvalidInput);
    Ok(())
}

fn a_child_gets_no_device_that_its_parent_has_not() -> Outcome {
    let base = name();
    let parent = fresh_at(&base)?;
    match parent.set_devices(&[device(true, 3, "rwm")]) {
        Err(error) if error.kind() == ErrorKind::NoController => return Err(ignored(error)),
        result => result?,
    }
    let child = fresh_at(&format!("{base}/child"))?;
    match child.set_devices(&[device(true, 3, "r"), device(true, 5, "r")]) {
        Ok(()) => assert_eq!(opens(&child)?, "null"),
        Err(error) => assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}"),
    }
    Ok(())
}

fn freezing_holds_everything_and_thawing_lets_it_go_on() -> Outcome {
    let active = fresh()?;
    let mut shell = Shell::inside(&active, "read line; echo $line")?;
    shell.go()?;
    assert!(!active.frozen()?);
    active.freeze()?;
    assert!(active.frozen()?);
    active.freeze()?; // a second time is no error
    shell.0.stdin.as_mut().expect("piped").write_all(b"hello\n")?;
    active.thaw()?;
    active.thaw()?;
    assert!(!active.frozen()?);
    let mut answer = [0; 6];
    shell.0.stdout.as_mut().expect("piped").read_exact(&mut answer)?;
    assert_eq!(&answer, b"hello\n");
    Ok(())
}

fn freezing_ends_while_processes_fork() -> Outcome {
    grounds::calls(&KILLING)?;
    // In 2014 it waited for FROZEN without end, which never came when a fork ran against the freezer.
    let active = fresh()?;
    let mut shell = Shell::inside(&active, "while :; do (:); done")?;
    shell.go()?;
    for _ in 0..20 {
        active.freeze()?;
        assert!(active.frozen()?);
        active.thaw()?;
    }
    active.kill()?;
    Ok(())
}

fn a_child_of_a_frozen_parent_says_so_and_is_not_waited_for() -> Outcome {
    let base = name();
    let parent = fresh_at(&base)?;
    let child = fresh_at(&format!("{base}/child"))?;
    let _shell = Shell::inside(&child, "")?;
    parent.freeze()?;
    eventually(|| child.frozen().is_ok_and(|frozen| frozen));
    let started = Instant::now();
    let error = child.thaw().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
    assert!(started.elapsed() < Duration::from_secs(5));
    parent.thaw()?;
    assert!(!child.frozen()?);
    Ok(())
}

fn killing_reaches_all_below_even_frozen() -> Outcome {
    grounds::calls(&KILLING)?;
    let base = name();
    let active = fresh_at(&base)?;
    let (left, right) = (fresh_at(&format!("{base}/left"))?, fresh_at(&format!("{base}/right"))?);
    for frozen in [false, true] {
        let mut shells =
            [Shell::inside(&left, "sleep 1000 & sleep 1000 & wait")?, Shell::inside(&right, "")?];
        shells[0].go()?;
        eventually(|| active.all_pids().is_ok_and(|pids| pids.len() == 4));
        assert_eq!((left.pids()?.len(), active.pids()?.len()), (3, 0));
        if frozen {
            active.freeze()?;
        }
        active.kill()?;
        for shell in &mut shells {
            assert!(!shell.0.wait()?.success());
        }
        eventually(|| active.all_pids().is_ok_and(|pids| pids.is_empty()));
        active.thaw()?;
    }
    drop((left, right));
    active.close()?;
    Ok(())
}

fn killing_one_by_one_reaches_those_that_fork() -> Outcome {
    grounds::calls(&KILLING)?;
    let active = fresh()?;
    let v1 = without_v2(&active)?;
    let no_freezer =
        v1.paths().clone().into_iter().filter(|(key, _)| key != "freezer").collect::<BTreeMap<_, _>>();
    for cgroup in [v1, Cgroup::open(no_freezer)?] {
        let mut shell = Shell::inside(&active, "while :; do (:); done")?;
        shell.go()?;
        cgroup.kill()?;
        assert!(!shell.0.wait()?.success());
        eventually(|| active.pids().is_ok_and(|pids| pids.is_empty()));
    }
    Ok(())
}

fn removing_takes_those_below_with_it() -> Outcome {
    // A peer tried the top one only, and gave up on EBUSY.
    let base = name();
    let cgroup = fresh_at(&base)?.commit();
    let deep = fresh_at(&format!("{base}/a/b/c"))?.commit();
    let wide = fresh_at(&format!("{base}/d"))?.commit();
    cgroup.remove()?;
    for path in [cgroup, deep, wide].iter().flat_map(|cgroup| cgroup.paths().values()) {
        assert!(!path.exists());
    }
    Ok(())
}

fn two_may_remove_the_same_at_once() -> Outcome {
    for _ in 0..20 {
        let base = name();
        let cgroup = fresh_at(&base)?.commit();
        drop(fresh_at(&format!("{base}/a/b"))?.commit());
        drop(fresh_at(&format!("{base}/c"))?.commit());
        let results = thread::scope(|scope| {
            let workers: Vec<_> = (0..2).map(|_| scope.spawn(|| cgroup.remove())).collect();
            workers.into_iter().map(|worker| worker.join().expect("no panic")).collect::<Vec<_>>()
        });
        results.into_iter().collect::<Result<(), _>>()?;
    }
    Ok(())
}

fn a_threaded_cgroup_does_not_look_empty() -> Outcome {
    // A peer took the refusal to list processes for an empty list.
    let base = name();
    let parent = fresh_at(&base)?;
    let child = fresh_at(&format!("{base}/threads"))?;
    let (Some(above), Some(path)) = (parent.paths().get(""), child.paths().get("")) else {
        return Err(ignored("no cgroup v2 here"));
    };
    // Most controllers keep those below from being threaded.
    for controller in fs::read_to_string(above.join("cgroup.subtree_control"))?.split_whitespace() {
        fs::write(above.join("cgroup.subtree_control"), format!("-{controller}"))?;
    }
    if let Err(error) = fs::write(path.join("cgroup.type"), "threaded") {
        return Err(ignored(format!("no threaded cgroup: {error}")));
    }
    assert_eq!(child.pids().unwrap_err().kind(), ErrorKind::Unsupported);
    Ok(())
}

fn a_cgroup_that_hands_controllers_down_takes_no_process_and_says_why() -> Outcome {
    let base = name();
    let parent = fresh_at(&base)?;
    let _child = fresh_at(&format!("{base}/child"))?;
    let Some(path) = parent.paths().get("") else { return Err(ignored("no cgroup v2 here")) };
    if fs::read_to_string(path.join("cgroup.subtree_control"))?.trim().is_empty() {
        return Err(ignored("no controller to hand down"));
    }
    let shell = Shell::new("")?;
    let before = shell.membership()?;
    let error = parent.add(shell.0.id()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy);
    assert!(error.to_string().contains("hands controllers down"), "{error}");
    assert_eq!(shell.membership()?, before);
    Ok(())
}

fn limits_of_a_cgroup_in_a_crowded_parent_say_what_stands_in_the_way() -> Outcome {
    let base = name();
    let parent = fresh_at(&base)?;
    let Some(path) = parent.paths().get("") else { return Err(ignored("no cgroup v2 here")) };
    let available = fs::read_to_string(path.join("cgroup.controllers"))?;
    if !available.contains("memory") {
        return Err(ignored("no memory controller in cgroup v2"));
    }
    let _shell = Shell::inside(&parent, "")?;
    let child = fresh_at(&format!("{base}/child"))?; // made all the same: limits are not all there is
    let mut resources = Resources::default();
    resources.memory.get_or_insert_default().limit = Some(64 * MIB);
    let error = child.set(&resources).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoController);
    let reason = "a cgroup with processes of its own can't hand controllers down";
    assert!(error.to_string().ends_with(reason), "{error}");
    // Handed cpu and pids down alone, the parent would have become threaded, and nobody could enter the child.
    assert_eq!(fs::read_to_string(path.join("cgroup.type"))?, "domain\n");
    Shell::inside(&child, "")?;
    Ok(())
}

fn what_is_still_lived_in_is_not_removed_and_says_who_lives_there() -> Outcome {
    let active = fresh()?;
    let shell = Shell::inside(&active, "")?;
    let error = active.remove_within(Duration::from_millis(20)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy);
    assert!(error.to_string().ends_with(&format!(": process {} lives there", shell.0.id())), "{error}");
    assert_eq!(active.pids()?, [shell.0.id()]);
    Ok(())
}

fn removing_waits_for_those_that_are_about_to_end() -> Outcome {
    grounds::calls(&KILLING)?;
    let active = fresh()?;
    let mut shell = Shell::inside(&active, "sleep 1000")?;
    shell.go()?;
    active.kill()?;
    active.close()?;
    Ok(())
}

fn on_a_read_only_mount_what_is_gone_is_removed_and_nothing_is_made() -> Outcome {
    let gone = fresh()?.commit();
    gone.remove()?;
    grounds::mountns()?;
    for (key, path) in hierarchies()?.own() {
        let at = hierarchies()?.mount_point(key.split(',').next().unwrap_or_default()).map(Path::to_owned);
        let at = at.unwrap_or(path);
        let flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY;
        mount(None::<&str>, &at, None::<&str>, flags, None::<&str>)?;
    }
    // rmdir says EROFS of a directory that isn't there, and peers' delete failed with it.
    gone.remove()?;
    let error = Cgroup::create_beneath_own(&hierarchies()?, name()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    Ok(())
}

fn stats_tell_what_this_kernel_knows() -> Outcome {
    let active = fresh()?;
    let mut shell = Shell::inside(&active, "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; echo; read x")?;
    shell.go()?;
    shell.0.stdout.as_mut().expect("piped").read_exact(&mut [0])?;
    let started = Instant::now();
    let stats = active.stats()?;
    assert!(started.elapsed() < Duration::from_millis(90), "2014 slept 100 ms to sample");
    let has = |controller: &str| active.controllers().is_ok_and(|c| c.contains(controller));
    if let Some(cpu) = &stats.cpu {
        assert!(cpu.usage > Duration::ZERO);
        assert_eq!(cpu.throttling.is_some(), has("cpu"));
    }
    assert_eq!(stats.memory.is_some(), has("memory"));
    assert_eq!(stats.pids.map(|pids| pids.current), has("pids").then_some(1));
    if let Some(memory) = &stats.memory {
        assert!(memory.usage > 0 && !memory.detail.is_empty());
        assert_eq!(memory.limit, Some(Limit::Unlimited));
        assert_eq!(memory.oom_kills, Some(0));
    }
    Ok(())
}

fn controllers_are_handed_down_to_a_deep_cgroup() -> Outcome {
    let active = fresh_at(&format!("{}/a/b", name()))?;
    let Some(path) = active.paths().get("") else { return Err(ignored("no cgroup v2 here")) };
    let own = hierarchies()?.own().remove("").expect("mounted");
    let available = fs::read_to_string(own.join("cgroup.controllers"))?;
    let crowded = !fs::read_to_string(own.join("cgroup.procs"))?.is_empty();
    if crowded && own.join("cgroup.events").exists() {
        return Err(ignored("the test's own cgroup has processes and is not the root"));
    }
    assert_eq!(fs::read_to_string(path.join("cgroup.controllers"))?, available);
    Ok(())
}

#[repr(C)]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    before_exit_signal: [u64; 3],
    exit_signal: u64,
    before_cgroup: [u64; 5],
    cgroup: u64,
}

fn a_process_can_be_born_in_it_where_v2_is_all_there_is() -> Outcome {
    const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
    let active = fresh()?;
    let dir = active.v2_dir()?;
    assert_eq!(dir.is_some(), hierarchies()?.layout() == Layout::V2);
    let Some(dir) = dir else { return Ok(()) };
    let args = CloneArgs {
        flags: CLONE_INTO_CGROUP,
        exit_signal: libc::SIGCHLD as u64,
        cgroup: dir.as_raw_fd() as u64,
        ..CloneArgs::default()
    };
    // SAFETY: the arguments outlive the call and go with their size; the child has a copy of the memory and does
    // nothing but wait for its end.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of::<CloneArgs>()) };
    if pid == 0 {
        loop {
            // SAFETY: the call takes nothing and is safe in a child of many threads.
            unsafe { libc::pause() };
        }
    }
    if pid < 0 {
        return Err(ignored(format!("clone3 into a cgroup: {}", std::io::Error::last_os_error())));
    }
    let pids = active.pids();
    active.kill()?;
    nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(pid as i32), None)?;
    assert_eq!(pids?, [pid as u32]);
    active.close()?;
    Ok(())
}

/// What killing one by one needs: a number may have come to mean another process, a handle never does.
const KILLING: [&str; 2] = ["pidfd_open", "pidfd_send_signal"];

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
        the_machine_has_the_hierarchies_that_its_mounts_tell
        an_ordinary_user_is_told_what_may_not_be_made
        the_2014_functions_agree_with_the_kernel
        a_cgroup_in_which_others_live_is_not_taken
        many_may_make_cgroups_below_one_parent_at_once
        a_path_outside_of_cgroups_is_not_opened
        a_process_that_one_hierarchy_refuses_stays_where_it_was_in_all
        memory_and_swap_are_set_as_given_up_and_down
        a_memory_limit_below_the_use_is_refused_and_the_use_is_told
        quota_period_and_burst_fit_one_another_in_any_order
        shares_that_the_kernel_would_bend_are_refused_on_v1
        processes_beyond_the_limit_can_not_be_forked
        a_cpuset_binds_and_a_bad_list_is_refused
        a_half_removed_cgroup_still_shows_and_loses_its_processes
        unified_values_are_written_to_their_files
        a_cgroup_that_hands_controllers_down_takes_no_process_and_says_why
        limits_of_a_cgroup_in_a_crowded_parent_say_what_stands_in_the_way
        killing_one_by_one_reaches_those_that_fork
        on_a_read_only_mount_what_is_gone_is_removed_and_nothing_is_made
    }
    each_version! {
        a_cgroup_is_made_in_every_hierarchy_and_removed_from_every_one
        a_cgroup_can_be_named_before_it_is_made
        a_dropped_guard_leaves_nothing_not_even_parents_that_it_made
        a_parent_that_was_there_stays_when_the_guard_goes
        a_failed_making_leaves_nothing
        a_process_is_moved_in_every_hierarchy
        a_controller_that_is_not_there_is_named
        device_rules_hold_and_are_replaced_as_a_whole
        a_child_gets_no_device_that_its_parent_has_not
        freezing_holds_everything_and_thawing_lets_it_go_on
        freezing_ends_while_processes_fork
        a_child_of_a_frozen_parent_says_so_and_is_not_waited_for
        killing_reaches_all_below_even_frozen
        removing_takes_those_below_with_it
        two_may_remove_the_same_at_once
        a_threaded_cgroup_does_not_look_empty
        what_is_still_lived_in_is_not_removed_and_says_who_lives_there
        removing_waits_for_those_that_are_about_to_end
        stats_tell_what_this_kernel_knows
        controllers_are_handed_down_to_a_deep_cgroup
        a_process_can_be_born_in_it_where_v2_is_all_there_is
    }
    grounds::run(tests)
}

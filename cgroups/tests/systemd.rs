//! Against a running systemd: every test has a unit of its own, and stops it.
//!
//! `cargo grounds test --in systemd,guest-systemd,guest-user -p cgroups` runs them where there is one.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use cgroups::systemd::{Property, Systemd, Unit, UnitPath, Value, expand_slice};
use cgroups::{
    BlockIo, Cgroup, DeviceAccess, DeviceKind, DeviceRule, Driver, ErrorKind, Hierarchies, Manager, Resources,
};
use grounds::{Outcome, Stop, ignored};

const MIB: i64 = 1 << 20;

/// A name that no other test has.
fn name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("cgroups-test-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

fn scope() -> String {
    format!("{}.scope", name())
}

fn systemd() -> Result<Systemd, Stop> {
    match Systemd::detect()? {
        Some(systemd) => Ok(systemd),
        None => Err(ignored("systemd doesn't run this machine")),
    }
}

/// A process that waits; killed at the end.
struct Sleeper(Child);

impl Sleeper {
    fn new() -> Result<Sleeper, Stop> {
        Ok(Sleeper(Command::new("sleep").arg("600").stdin(Stdio::null()).spawn()?))
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }

    fn membership(&self) -> Result<String, Stop> {
        Ok(fs::read_to_string(format!("/proc/{}/cgroup", self.pid()))?)
    }

    fn end(&mut self) -> Outcome {
        self.0.kill()?;
        self.0.wait()?;
        Ok(())
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// A manager's cgroup around a process of its own; both go at the end.
struct Job {
    manager: Manager,
    sleeper: Sleeper,
}

impl Job {
    fn new(resources: &Resources) -> Result<Job, Stop> {
        Job::of(Unit::scope(scope())?, resources)
    }

    fn of(unit: Unit, resources: &Resources) -> Result<Job, Stop> {
        let sleeper = Sleeper::new()?;
        let driver = Driver::Systemd(systemd()?, Box::new(unit));
        match Manager::apply(&Hierarchies::detect()?, driver, sleeper.pid(), resources) {
            Err(error) if error.kind() == ErrorKind::NoController => Err(ignored(error)),
            result => Ok(Job { manager: result?, sleeper }),
        }
    }

    fn unit(&self) -> &str {
        self.manager.unit().expect("made by systemd")
    }

    fn file(&self, controller: &str, name: &str) -> Result<String, Stop> {
        let paths = self.manager.paths();
        let path = paths.iter().find(|(key, _)| key.split(',').any(|word| word == controller));
        let path =
            path.map(|(_, path)| path).or(paths.get("")).ok_or_else(|| ignored("no such hierarchy"))?;
        Ok(fs::read_to_string(path.join(name))?.trim().to_owned())
    }

    fn end(mut self) -> Outcome {
        self.sleeper.end()?;
        self.manager.remove()?;
        for path in self.manager.paths().values() {
            assert!(!path.exists(), "{} stays", path.display());
        }
        Ok(())
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        drop(self.sleeper.end());
        drop(self.manager.remove());
    }
}

/// What systemd's own tool says of a unit.
fn show(unit: &str, properties: &[&str]) -> Result<BTreeMap<String, String>, Stop> {
    let mut command = Command::new("systemctl");
    if systemd()?.is_user() {
        command.arg("--user");
    }
    command.args(["show", unit]).args(properties.iter().flat_map(|property| ["-p", property]));
    let output = command.output()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text.lines().filter_map(|line| line.split_once('=')).map(|(a, b)| (a.into(), b.into())).collect())
}

fn shown(unit: &str, property: &str) -> Result<String, Stop> {
    Ok(show(unit, &[property])?.remove(property).unwrap_or_default())
}

#[track_caller]
fn eventually(mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < until, "not within twenty seconds");
        thread::sleep(Duration::from_millis(5));
    }
}

fn limits() -> Resources {
    let mut resources = Resources::default();
    resources.memory.get_or_insert_default().limit = Some(64 * MIB);
    let cpu = resources.cpu.get_or_insert_default();
    (cpu.shares, cpu.quota, cpu.period) = (Some(512), Some(33_333), Some(100_000));
    resources.pids.get_or_insert_default().limit = Some(100);
    resources
}

fn looking_for_systemd_starts_nothing_and_says_whether_it_is_there() -> Outcome {
    let booted = Path::new("/run/systemd/system").is_dir();
    // An ordinary user may have no manager of their own on a machine that systemd runs.
    match Systemd::detect() {
        Ok(found) => assert_eq!(found.is_some(), booted),
        Err(error) => assert!(booted && error.kind() == ErrorKind::NotFound, "{error}"),
    }
    let systemd = systemd()?;
    let output = Command::new("systemctl").arg("--version").output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(text.split_whitespace().nth(1), Some(systemd.version().to_string().as_str()));
    Ok(())
}

fn without_a_manager_the_error_says_where_it_was_looked_for() -> Outcome {
    if Path::new("/run/systemd/system").is_dir() {
        return Err(ignored("there is a manager here"));
    }
    assert!(Systemd::detect()?.is_none());
    let error = Systemd::system().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert!(error.to_string().contains("/run/dbus/system_bus_socket"), "{error}");
    assert!(error.to_string().starts_with("connect to the system's systemd: "), "{error}");
    Ok(())
}

fn a_scope_holds_its_process_and_goes_with_it() -> Outcome {
    let systemd = systemd()?;
    let (mut sleeper, scope) = (Sleeper::new()?, scope());
    systemd.start(&Unit::scope(scope.as_str())?.pid(sleeper.pid()).description("a test's"))?;
    let path = systemd.control_group(&scope)?.expect("it runs");
    assert!(path.ends_with(&scope), "{}", path.display());
    assert!(sleeper.membership()?.contains(&format!("{}\n", path.display())), "{}", sleeper.membership()?);
    let shown =
        show(&scope, &["Description", "Delegate", "ActiveState", "DefaultDependencies", "CPUAccounting"])?;
    let expected = [
        ("Description", "a test's"),
        ("Delegate", "yes"),
        ("ActiveState", "active"),
        ("DefaultDependencies", "no"),
        ("CPUAccounting", "yes"),
    ];
    for (property, value) in expected {
        assert_eq!(shown[property], value, "{property}");
    }
    assert_eq!(systemd.property(&scope, "ActiveState")?, Value::from("active"));
    sleeper.end()?;
    eventually(|| systemd.control_group(&scope).is_ok_and(|path| path.is_none()));
    systemd.stop(&scope)?;
    systemd.stop(&scope)?;
    Ok(())
}

fn a_unit_lies_where_its_path_says() -> Outcome {
    let systemd = systemd()?;
    let (sleeper, name) = (Sleeper::new()?, name());
    // A dash would make a slice of each part.
    let slice = format!("{}.slice", name.replace('-', "_"));
    let path = UnitPath::parse(&format!("{slice}:job:{name}"), "", "", systemd.is_user())?;
    systemd.start(&Unit::at(&path).pid(sleeper.pid()))?;
    let found = systemd.control_group(&path.unit)?.expect("it runs");
    let found = found.to_str().expect("ascii");
    assert!(found.ends_with(path.cgroup()?.to_str().expect("ascii")), "{found}");
    assert_eq!(shown(&path.unit, "Slice")?, slice);
    systemd.stop(&path.unit)?;
    systemd.stop(&slice)?;
    Ok(())
}

fn a_slice_of_slices_is_made_and_made_again() -> Outcome {
    let systemd = systemd()?;
    let stem = name().replace('-', "_");
    let slice = format!("{stem}-in.slice");
    let unit = Unit::slice(slice.as_str())?.limits([Property::new("TasksMax", 77_u64)]);
    systemd.start(&unit)?;
    let path = systemd.control_group(&slice)?.expect("it runs");
    assert!(path.ends_with(expand_slice(&slice)?.strip_prefix("/").expect("absolute")), "{}", path.display());
    // T56: one that is there already is no error, and gets the limits.
    systemd.start(&Unit::slice(slice.as_str())?.limits([Property::new("TasksMax", 78_u64)]))?;
    assert_eq!(shown(&slice, "TasksMax")?, "78");
    systemd.stop(&slice)?;
    systemd.stop(&format!("{stem}.slice"))?;
    Ok(())
}

fn a_scope_that_runs_is_not_taken_over() -> Outcome {
    let systemd = systemd()?;
    let (one, two, scope) = (Sleeper::new()?, Sleeper::new()?, scope());
    systemd.start(&Unit::scope(scope.as_str())?.pid(one.pid()))?;
    let error = systemd.start(&Unit::scope(scope.as_str())?.pid(two.pid())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
    assert!(error.to_string().starts_with(&format!("start systemd unit {scope:?}: ")), "{error}");
    assert!(error.to_string().contains("UnitExists"), "{error}");
    assert!(!two.membership()?.contains(&scope));
    assert!(one.membership()?.contains(&scope));
    systemd.stop(&scope)?;
    Ok(())
}

fn a_property_that_systemd_does_not_know_is_left_out_and_remembered() -> Outcome {
    // T65
    let systemd = systemd()?;
    let (sleeper, scope) = (Sleeper::new()?, scope());
    let unit = Unit::scope(scope.as_str())?.pid(sleeper.pid());
    let limits = [
        Property::new("FromTheFuture", 1_u64),
        Property::new("TasksMax", 55_u64),
        Property::new("AlsoNew", true),
    ];
    systemd.start(&unit.clone().limits(limits.clone()))?;
    assert_eq!(shown(&scope, "TasksMax")?, "55");
    let unknown: Vec<_> = systemd.unknown_properties().into_iter().collect();
    assert_eq!(unknown, ["AlsoNew", "FromTheFuture"]);
    // Set by hand, what no translation has is wanted as it stands.
    let error = systemd.set_properties(&scope, &limits).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    assert!(error.to_string().contains("FromTheFuture"), "{error}");
    systemd.set_properties(&scope, &[Property::new("TasksMax", 56_u64)])?;
    assert_eq!(shown(&scope, "TasksMax")?, "56");
    systemd.stop(&scope)?;
    // What somebody wrote down themselves is not dropped.
    let sleeper = Sleeper::new()?;
    let unit = Unit::scope(scope.as_str())?.pid(sleeper.pid()).property(Property::new("OfMyOwn", 1_u64));
    let error = systemd.start(&unit).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    assert!(error.to_string().contains("OfMyOwn"), "{error}");
    Ok(())
}

fn an_annotation_is_set_as_it_stands() -> Outcome {
    let systemd = systemd()?;
    let (sleeper, scope) = (Sleeper::new()?, scope());
    let mut unit = Unit::scope(scope.as_str())?.pid(sleeper.pid());
    for (name, text) in [
        ("TimeoutStopSec", "uint64 7"),
        ("CollectMode", "'inactive-or-failed'"),
        ("TasksMax", "uint64 44"),
        ("Documentation", "['man:sleep(1)']"),
    ] {
        unit = unit.property(Property::parse(name, text)?);
    }
    systemd.start(&unit)?;
    let shown = show(&scope, &["TimeoutStopUSec", "CollectMode", "TasksMax"])?;
    let expected = [("TimeoutStopUSec", "7s"), ("CollectMode", "inactive-or-failed"), ("TasksMax", "44")];
    for (property, value) in expected {
        assert_eq!(shown[property], value, "{property}");
    }
    assert_eq!(systemd.property(&scope, "Documentation")?, Value::from(vec!["man:sleep(1)".to_owned()]));
    systemd.stop(&scope)?;
    Ok(())
}

fn what_can_not_be_started_says_why() -> Outcome {
    let systemd = systemd()?;
    let scope = scope();
    let error = systemd.start(&Unit::scope(scope.as_str())?).unwrap_err();
    assert_eq!(error.to_string(), format!("start systemd unit {scope:?}: a scope needs a process"));
    let mut sleeper = Sleeper::new()?;
    sleeper.end()?;
    let error = systemd.start(&Unit::scope(scope.as_str())?.pid(sleeper.pid())).unwrap_err();
    assert!(error.to_string().contains(&scope), "{error}");
    let sleeper = Sleeper::new()?;
    let wrong = Unit::scope(scope.as_str())?.pid(sleeper.pid()).limits([Property::new("TasksMax", "many")]);
    let error = systemd.start(&wrong).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    assert!(error.to_string().ends_with(r#": asked for TasksMax="many""#), "{error}");
    let error = systemd.set_properties(&scope, &[Property::new("TasksMax", 5_u64)]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert!(error.to_string().starts_with(&format!("set TasksMax=5 of systemd unit {scope:?}: ")), "{error}");
    let error = systemd.property(&scope, "NoSuch").unwrap_err();
    assert!(error.to_string().starts_with(&format!("read NoSuch of systemd unit {scope:?}: ")), "{error}");
    let zero = Unit::scope(scope.as_str())?.pid(sleeper.pid()).description("a\0b");
    assert_eq!(systemd.start(&zero).unwrap_err().kind(), ErrorKind::InvalidInput);
    assert!(!sleeper.membership()?.contains(&scope));
    Ok(())
}

fn stopping_ends_what_is_left() -> Outcome {
    let systemd = systemd()?;
    let (mut sleeper, scope) = (Sleeper::new()?, scope());
    systemd.start(&Unit::scope(scope.as_str())?.pid(sleeper.pid()))?;
    let path = systemd.control_group(&scope)?.expect("it runs");
    systemd.stop(&scope)?;
    sleeper.0.wait()?;
    assert!(systemd.control_group(&scope)?.is_none(), "{}", path.display());
    Ok(())
}

fn many_scopes_start_at_once_over_one_manager() -> Outcome {
    let systemd = systemd()?;
    thread::scope(|threads| {
        let starts: Vec<_> = (0..grounds::times(20))
            .map(|_| {
                threads.spawn(|| -> Outcome {
                    let (sleeper, scope) = (Sleeper::new()?, scope());
                    systemd.start(&Unit::scope(scope.as_str())?.pid(sleeper.pid()))?;
                    assert!(sleeper.membership()?.contains(&scope));
                    systemd.stop(&scope)?;
                    Ok(())
                })
            })
            .collect();
        starts.into_iter().try_for_each(|start| start.join().expect("no panic"))
    })
}

fn a_limit_is_the_same_to_systemd_and_in_the_files() -> Outcome {
    let job = Job::new(&limits())?;
    let unit = job.unit();
    let v2 = job.manager.paths().len() == 1;
    assert_eq!(shown(unit, "TasksMax")?, "100");
    assert_eq!(job.file("pids", "pids.max")?, "100");
    // T59: rounded up, in both places.
    assert_eq!(shown(unit, "CPUQuotaPerSecUSec")?, "340ms");
    if v2 {
        assert_eq!(shown(unit, "MemoryMax")?, (64 * MIB).to_string());
        assert_eq!(job.file("memory", "memory.max")?, (64 * MIB).to_string());
        assert_eq!(job.file("cpu", "cpu.max")?, "34000 100000");
        let weight = job.file("cpu", "cpu.weight")?;
        assert_eq!(shown(unit, "CPUWeight")?, weight);
        assert_eq!(weight, "59");
    }
    let mut more = Resources::default();
    more.pids.get_or_insert_default().limit = Some(0);
    more.memory.get_or_insert_default().limit = Some(128 * MIB);
    more.cpu.get_or_insert_default().quota = Some(-1);
    job.manager.set(&more)?;
    // T63: to systemd none is one.
    assert_eq!(shown(unit, "TasksMax")?, "1");
    assert_eq!(job.file("pids", "pids.max")?, "1");
    assert_eq!(shown(unit, "CPUQuotaPerSecUSec")?, "infinity");
    if v2 {
        assert_eq!(shown(unit, "MemoryMax")?, (128 * MIB).to_string());
        assert_eq!(job.file("cpu", "cpu.max")?, "max 100000");
    }
    job.end()
}

fn limits_outlive_a_reload_of_systemd() -> Outcome {
    let job = Job::new(&limits())?;
    let mut period = Resources::default();
    period.cpu.get_or_insert_default().period = Some(50_000);
    job.manager.set(&period)?;
    let v2 = job.manager.paths().len() == 1;
    let files = || -> Result<Vec<String>, Stop> {
        let v1 = ["cpu.cfs_quota_us", "cpu.cfs_period_us", "cpu.shares"];
        let names = if v2 { &["cpu.max", "cpu.weight"][..] } else { &v1 };
        let cpu = names.iter().map(|name| job.file("cpu", name));
        cpu.chain([job.file("pids", "pids.max")]).collect()
    };
    let before = files()?;
    assert_eq!(before[0], if v2 { "34000 50000" } else { "34000" });
    reload()?;
    // Makes systemd write down all that it knows of the unit.
    systemd()?.set_properties(job.unit(), &[Property::new("TasksMax", 100_u64)])?;
    assert_eq!(before, files()?);
    job.end()
}

fn reload() -> Outcome {
    let mut reload = Command::new("systemctl");
    if systemd()?.is_user() {
        reload.arg("--user");
    }
    assert!(reload.arg("daemon-reload").status()?.success());
    Ok(())
}

fn what_systemd_rounds_is_told() -> Outcome {
    let job = Job::new(&limits())?;
    let told: Vec<_> =
        job.manager.adjusted().iter().map(|adjusted| (&adjusted.wanted, &adjusted.got)).collect();
    assert_eq!(told, [(&"33333".to_owned(), &"34000".to_owned())]);
    let file = &job.manager.adjusted()[0].file;
    assert!(fs::read_to_string(file)?.starts_with("34000"), "{}", file.display());
    let mut none = Resources::default();
    none.pids.get_or_insert_default().limit = Some(0);
    let told = job.manager.set(&none)?;
    assert_eq!((told.len(), told[0].wanted.as_str(), told[0].got.as_str()), (1, "0", "1"));
    assert!(told[0].file.ends_with("pids.max"), "{}", told[0]);
    job.end()
}

fn weights_of_block_devices_are_the_same_to_systemd_and_in_the_files() -> Outcome {
    let mut io = BlockIo::default();
    io.weight = Some(150);
    let mut resources = Resources::default();
    resources.block_io = Some(io);
    let job = match Job::new(&resources) {
        Err(Stop::Failed(error)) if error.contains("this kernel has n") => return Err(ignored(error)),
        result => result?,
    };
    let (controller, name, file, told) = match (job.manager.paths().len(), job.file("io", "io.bfq.weight")) {
        (1, Ok(_)) => ("io", "IOWeight", "io.bfq.weight", "650"),
        (1, Err(_)) => ("io", "IOWeight", "io.weight", "1415"),
        _ => ("blkio", "BlockIOWeight", "blkio.bfq.weight", "650"),
    };
    let before = job.file(controller, file)?;
    assert_eq!(shown(job.unit(), name)?, told);
    reload()?;
    systemd()?.set_properties(job.unit(), &[Property::new("TasksMax", 100_u64)])?;
    assert_eq!(job.file(controller, file)?, before);
    job.end()
}

fn a_slice_that_was_made_for_a_scope_goes_with_the_last_one() -> Outcome {
    let systemd = systemd()?;
    let stem = name().replace('-', "_");
    let (outer, inner) = (format!("{stem}.slice"), format!("{stem}-in.slice"));
    let job = |unit: Unit| Job::of(unit.in_slice(inner.as_str())?, &Resources::default());
    let (one, two) = (job(Unit::scope(scope())?)?, job(Unit::scope(scope())?)?);
    assert_eq!(shown(two.unit(), "Slice")?, inner);
    one.end()?;
    assert_eq!(shown(&inner, "ActiveState")?, "active");
    let last = two.manager.unit().expect("made by systemd").to_owned();
    two.end()?;
    for unit in [&last, &inner, &outer] {
        eventually(|| shown(unit, "ActiveState").is_ok_and(|state| state == "inactive"));
    }
    // One that somebody has made by itself stays.
    systemd.start(&Unit::slice(outer.as_str())?)?;
    let three = Job::of(Unit::scope(scope())?.in_slice(outer.as_str())?, &Resources::default())?;
    three.end()?;
    reload()?;
    assert_eq!(shown(&outer, "ActiveState")?, "active");
    systemd.stop(&outer).map_err(Stop::from)
}

fn a_unit_that_has_failed_is_forgotten() -> Outcome {
    let job = Job::new(&limits())?;
    let name = job.unit().to_owned();
    if !systemd()?.is_user() {
        // A scope that a user abandons or that is killed by a limit is "failed" with this.
        systemd()?.property(&name, "Result")?;
    }
    job.manager.kill()?;
    job.end()?;
    assert_eq!(shown(&name, "LoadState")?, "not-found");
    Ok(())
}

fn what_is_frozen_stays_so_when_systemd_reloads() -> Outcome {
    let job = Job::new(&limits())?;
    job.manager.freeze()?;
    reload()?;
    systemd()?.set_properties(job.unit(), &[Property::new("TasksMax", 77_u64)])?;
    assert!(job.manager.frozen()?);
    let mut more = Resources::default();
    more.pids.get_or_insert_default().limit = Some(99);
    job.manager.set(&more)?;
    assert!(job.manager.frozen()?);
    // T18: on v1 it is frozen for new device rules; what was frozen before isn't thawed after them.
    if !systemd()?.is_user() {
        job.manager.set_devices(&[DeviceRule::all(false)])?;
        job.manager.set_devices(&[DeviceRule::all(true)])?;
        assert!(job.manager.frozen()?);
    }
    // And it can be stopped as it is.
    job.manager.kill()?;
    systemd()?.stop(job.unit())?;
    job.end()
}

fn a_process_that_a_user_may_not_move_is_moved_by_their_systemd() -> Outcome {
    // T67: the kernel lets a user write to a cgroup only what is theirs on both ends.
    if !systemd()?.is_user() {
        return Err(ignored("root may move any process"));
    }
    let job = Job::new(&Resources::default())?;
    let path = job.manager.paths()[""].join("cgroup.procs");
    let more = Sleeper::new()?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o444))?;
    let error = job.manager.cgroup().add(more.pid()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    job.manager.add(more.pid())?;
    assert!(more.membership()?.contains(job.unit()), "{}", more.membership()?);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644))?;
    drop(more);
    job.end()
}

fn a_slice_that_others_use_is_not_stopped_over_a_failure() -> Outcome {
    let systemd = systemd()?;
    let slice = format!("{}.slice", name().replace('-', "_"));
    let neighbour = Job::of(Unit::scope(scope())?.in_slice(slice.as_str())?, &Resources::default())?;
    let mut resources = Resources::default();
    resources.unified.insert("cgroup.max.depth".to_owned(), "nonsense".to_owned());
    let driver = Driver::Systemd(systemd, Box::new(Unit::slice(slice.as_str())?));
    let own = std::process::id();
    let error = Manager::apply(&Hierarchies::detect()?, driver, own, &resources).unwrap_err();
    assert!(error.to_string().contains("cgroup.max.depth"), "{error}");
    assert_eq!(shown(neighbour.unit(), "ActiveState")?, "active");
    assert_eq!(neighbour.manager.pids()?, [neighbour.sleeper.pid()]);
    neighbour.end()
}

fn processors_are_the_same_to_systemd_and_in_the_files() -> Outcome {
    let mut resources = Resources::default();
    resources.cpuset.get_or_insert_default().cpus = Some("0".to_owned());
    let job = Job::new(&resources)?;
    assert_eq!(job.file("cpuset", "cpuset.cpus")?, "0");
    // On v1 systemd has no word for it.
    let said = if job.manager.paths().len() == 1 { "0" } else { "" };
    assert_eq!(shown(job.unit(), "AllowedCPUs")?, said);
    job.end()
}

fn what_systemd_has_no_word_for_is_in_the_files_alone() -> Outcome {
    let job = Job::new(&limits())?;
    let mut resources = Resources::default();
    for (key, value) in
        [("memory.high", "32M"), ("pids.max", "33"), ("cgroup.max.depth", "3"), ("io.weight", "150")]
    {
        resources.unified.insert(key.to_owned(), value.to_owned());
    }
    match job.manager.set(&resources) {
        Err(error) if error.kind() == ErrorKind::NoController => return Err(ignored(error)),
        // The kernel need not have weights.
        Err(error) if error.to_string().contains("io.weight") => {
            resources.unified.remove("io.weight");
            job.manager.set(&resources)?;
        }
        result => drop(result?),
    }
    assert_eq!(job.file("", "cgroup.max.depth")?, "3");
    assert_eq!(job.file("", "memory.high")?, (32 * MIB).to_string());
    assert_eq!(shown(job.unit(), "MemoryHigh")?, (32 * MIB).to_string());
    assert_eq!(shown(job.unit(), "TasksMax")?, "33");
    job.end()
}

fn a_memory_limit_below_the_use_is_refused_before_systemd_sets_it() -> Outcome {
    // T61: systemd set it, the processes were killed, and then came the error.
    let job = Job::new(&limits())?;
    if job.manager.paths().len() > 1 {
        return Err(ignored("v1 refuses it by itself"));
    }
    let mut shell = Command::new("sh");
    shell.args(["-c", "read go; x=$(head -c 1000000 /dev/zero | tr '\\0' x); echo; read end"]);
    let mut user = Sleeper(shell.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?);
    job.manager.add(user.pid())?;
    user.0.stdin.as_mut().expect("piped").write_all(b"\n")?;
    user.0.stdout.as_mut().expect("piped").read_exact(&mut [0])?;
    let mut resources = Resources::default();
    let memory = resources.memory.get_or_insert_default();
    (memory.limit, memory.check_before_update) = (Some(4096), true);
    let error = job.manager.set(&resources).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
    assert!(error.to_string().contains("bytes are in use"), "{error}");
    assert_eq!(shown(job.unit(), "MemoryMax")?, (64 * MIB).to_string());
    user.end()?;
    job.end()
}

fn the_cgroup_of_a_unit_is_one_like_any_other() -> Outcome {
    let systemd = systemd()?;
    let job = Job::new(&Resources::default())?;
    assert_eq!(job.manager.pids()?, [job.sleeper.pid()]);
    job.manager.freeze()?;
    assert!(job.manager.frozen()?);
    job.manager.thaw()?;
    assert!(job.manager.stats()?.cpu.is_some());
    // Taken up again, as by another process.
    let again = Manager::open_unit(systemd, job.unit(), job.manager.paths().clone())?;
    assert_eq!(again.paths(), job.manager.paths());
    let more = Sleeper::new()?;
    again.add(more.pid())?;
    let error = again.remove_within(Duration::from_millis(10)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
    again.kill()?;
    drop(more);
    job.end()
}

fn cgroups_below_a_scope_go_with_it() -> Outcome {
    // T64
    let job = Job::new(&Resources::default())?;
    for path in job.manager.paths().values() {
        fs::create_dir_all(path.join("in/deep"))?;
    }
    job.end()
}

fn device_rules_hold_and_systemd_knows_them() -> Outcome {
    grounds::root()?;
    let job = Job::new(&Resources::default())?;
    let rule = |major, minor| DeviceRule {
        kind: DeviceKind::Char,
        major: Some(major),
        minor,
        access: DeviceAccess::READ | DeviceAccess::WRITE,
        ..DeviceRule::all(true)
    };
    job.manager.set_devices(&[DeviceRule::all(false), rule(1, Some(3)), rule(136, None)])?;
    let shown = show(job.unit(), &["DevicePolicy", "DeviceAllow"])?;
    assert_eq!(shown["DevicePolicy"], "strict");
    let value = systemd()?.property(job.unit(), "DeviceAllow")?;
    let text = value.to_string();
    assert!(text.contains(r#"("/dev/char/1:3", "rw")"#) && text.contains(r#"("char-136", "rw")"#), "{text}");
    let reads = |device: &str| -> Result<bool, Stop> {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("read go; : < {device}")]).stdin(Stdio::piped()).stderr(Stdio::null());
        let mut shell = shell.spawn()?;
        job.manager.add(shell.id())?;
        drop(shell.stdin.take());
        Ok(shell.wait()?.success())
    };
    assert!(reads("/dev/null")?);
    assert!(!reads("/dev/zero")?);
    // systemd's own filter, written at a change of another property, must not stand in the way of ours.
    job.manager.set_devices(&[DeviceRule::all(false), rule(1, Some(3)), rule(1, Some(5))])?;
    systemd()?.set_properties(job.unit(), &[Property::new("TasksMax", 50_u64)])?;
    assert!(reads("/dev/zero")?);
    // Of the filter that was set by hand systemd knows nothing, and leaves it alone when it reloads its units.
    reload()?;
    systemd()?.set_properties(job.unit(), &[Property::new("TasksMax", 51_u64)])?;
    assert!(reads("/dev/zero")? && reads("/dev/null")? && !reads("/dev/full")?);
    job.manager.set_devices(&[DeviceRule::all(true)])?;
    assert!(reads("/dev/full")?);
    job.end()
}

fn what_fails_halfway_leaves_nothing_and_the_process_where_it_was() -> Outcome {
    // Of v1, systemd moves whole slices about when a unit comes or goes: both of them alike.
    let (sleeper, other) = (Sleeper::new()?, Sleeper::new()?);
    let scope = scope();
    let mut resources = Resources::default();
    resources.unified.insert("cgroup.max.depth".to_owned(), "nonsense".to_owned());
    let driver = Driver::Systemd(systemd()?, Box::new(Unit::scope(scope.as_str())?));
    let error = Manager::apply(&Hierarchies::detect()?, driver, sleeper.pid(), &resources).unwrap_err();
    assert!(error.to_string().contains("cgroup.max.depth"), "{error}");
    assert!(!sleeper.membership()?.contains(&scope), "{}", sleeper.membership()?);
    eventually(|| matches!((sleeper.membership(), other.membership()), (Ok(a), Ok(b)) if a == b));
    let systemd = systemd()?;
    eventually(|| systemd.control_group(&scope).is_ok_and(|path| path.is_none()));
    Ok(())
}

fn processes_are_attached_below_a_scope() -> Outcome {
    // T67
    let job = Job::new(&Resources::default())?;
    let systemd = systemd()?;
    let more = Sleeper::new()?;
    for path in job.manager.paths().values() {
        fs::create_dir(path.join("in"))?;
    }
    systemd.attach(job.unit(), "/in", &[more.pid()])?;
    assert!(more.membership()?.contains(&format!("{}/in\n", job.unit())), "{}", more.membership()?);
    for bad in ["/in/..", "../x", "in//x", "/in/", "./in"] {
        let error = systemd.attach(job.unit(), bad, &[more.pid()]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{bad}: {error}");
    }
    drop(more);
    job.end()
}

fn a_raw_cgroup_is_managed_the_same_way() -> Outcome {
    grounds::root()?;
    let hierarchies = match Hierarchies::detect() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(ignored(error)),
        result => result?,
    };
    let probe = match Cgroup::create_beneath_own(&hierarchies, name()) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => return Err(ignored(error)),
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(ignored(error)),
        result => result?,
    };
    probe.close()?;
    let mut sleeper = Sleeper::new()?;
    let path = PathBuf::from(name());
    let driver = Driver::Raw(path);
    let manager = match Manager::apply(&hierarchies, driver, sleeper.pid(), &Resources::default()) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => return Err(ignored(error)),
        result => result?,
    };
    assert_eq!(manager.unit(), None);
    assert_eq!(manager.pids()?, [sleeper.pid()]);
    let again = Manager::open(manager.paths().clone())?;
    again.set(&Resources::default())?;
    sleeper.end()?;
    again.remove()?;
    Ok(())
}

/// Stands between a client and the bus, and hangs up when it is told, or when it hears a word.
struct Proxy {
    path: PathBuf,
    state: Arc<Mutex<Vec<UnixStream>>>,
    stopped: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Proxy {
    fn new(bus: PathBuf, word: Option<&'static str>) -> Result<Proxy, Stop> {
        let path = std::env::temp_dir().join(format!("{}.sock", name()));
        let listener = UnixListener::bind(&path)?;
        let state: Arc<Mutex<Vec<UnixStream>>> = Arc::default();
        let stopped = Arc::new(AtomicBool::new(false));
        let (open, stop) = (state.clone(), stopped.clone());
        let word = Mutex::new(word);
        let thread = thread::spawn(move || {
            thread::scope(|threads| {
                while let Ok((client, _)) = listener.accept() {
                    if stop.load(Ordering::SeqCst) {
                        break;
                    }
                    let Ok(server) = UnixStream::connect(&bus) else { break };
                    let ends = [&client, &server].map(|end| end.try_clone().expect("a descriptor"));
                    open.lock().expect("no panic").extend(ends);
                    let (from, to) = (client.try_clone().expect("one"), server.try_clone().expect("one"));
                    threads.spawn(|| forward(server, client, &Mutex::new(None)));
                    threads.spawn(|| forward(from, to, &word));
                }
            });
        });
        Ok(Proxy { path, state, stopped, thread: Some(thread) })
    }

    fn hang_up(&self) {
        for end in self.state.lock().expect("no panic").drain(..) {
            drop(end.shutdown(Shutdown::Both));
        }
    }
}

/// Copies until the end; once the word was heard, it is passed on, and both ends are closed.
fn forward(mut from: UnixStream, mut to: UnixStream, word: &Mutex<Option<&'static str>>) {
    let mut bytes = [0; 8_192];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        if to.write_all(&bytes[..count]).is_err() {
            break;
        }
        let mut word = word.lock().expect("no panic");
        if word.is_some_and(|word| bytes[..count].windows(word.len()).any(|part| part == word.as_bytes())) {
            *word = None;
            break;
        }
    }
    drop(from.shutdown(Shutdown::Both));
    // What was passed on is heard before the end.
    drop(to.shutdown(Shutdown::Write));
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        drop(UnixStream::connect(&self.path));
        self.hang_up();
        drop(self.thread.take().map(thread::JoinHandle::join));
        drop(fs::remove_file(&self.path));
    }
}

/// A manager that is spoken to through a proxy.
fn through_proxy(word: Option<&'static str>) -> Result<(Systemd, Proxy), Stop> {
    let user = systemd()?.is_user();
    let bus = if user {
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").ok_or_else(|| ignored("no XDG_RUNTIME_DIR"))?;
        PathBuf::from(runtime).join("bus")
    } else {
        PathBuf::from("/run/dbus/system_bus_socket")
    };
    if !bus.exists() {
        return Err(ignored(format!("no bus at {}", bus.display())));
    }
    let proxy = Proxy::new(bus, word)?;
    let systemd = with_bus(&proxy.path, || if user { Systemd::user() } else { Systemd::system() })?;
    Ok((systemd, proxy))
}

fn a_bus_that_hung_up_is_called_again() -> Outcome {
    // T58
    let (systemd, proxy) = through_proxy(None)?;
    let (sleeper, scope) = (Sleeper::new()?, scope());
    proxy.hang_up();
    systemd.start(&Unit::scope(scope.as_str())?.pid(sleeper.pid()))?;
    proxy.hang_up();
    assert_eq!(systemd.property(&scope, "ActiveState")?, Value::from("active"));
    proxy.hang_up();
    systemd.stop(&scope)?;
    drop(systemd);
    Ok(())
}

fn a_unit_whose_start_was_heard_is_not_started_twice() -> Outcome {
    // Asked again after the bus had hung up, systemd would say that the unit exists.
    let (systemd, _proxy) = through_proxy(Some("StartTransientUnit"))?;
    let (sleeper, scope) = (Sleeper::new()?, scope());
    match systemd.start(&Unit::scope(scope.as_str())?.pid(sleeper.pid())) {
        Ok(()) => {
            assert!(sleeper.membership()?.contains(&scope));
            systemd.stop(&scope)?;
        }
        // The bus may have dropped what came with the end.
        Err(error) => assert!(error.to_string().contains("canceled"), "{error}"),
    }
    drop(systemd);
    Ok(())
}

fn root_needs_no_bus() -> Outcome {
    grounds::root()?;
    let systemd = systemd()?;
    if systemd.is_user() || !Path::new("/run/systemd/private").exists() {
        return Err(ignored("no /run/systemd/private"));
    }
    grounds::mountns()?;
    let none = None::<&str>;
    nix::mount::mount(Some("none"), "/run/dbus", Some("tmpfs"), nix::mount::MsFlags::empty(), none)?;
    let systemd = Systemd::system()?;
    let (sleeper, scope) = (Sleeper::new()?, scope());
    systemd
        .start(&Unit::scope(scope.as_str())?.pid(sleeper.pid()).limits([Property::new("TasksMax", 9_u64)]))?;
    assert_eq!(systemd.property(&scope, "TasksMax")?, Value::U64(9));
    systemd.stop(&scope)?;
    Ok(())
}

fn no_thread_and_no_inherited_descriptor_comes_with_it() -> Outcome {
    let threads = || fs::read_dir("/proc/self/task").map(Iterator::count);
    let before = threads()?;
    let systemd = systemd()?;
    let scope = scope();
    let sleeper = Sleeper::new()?;
    systemd.start(&Unit::scope(scope.as_str())?.pid(sleeper.pid()))?;
    assert_eq!(threads()?, before);
    let child = Command::new("ls").arg("/proc/self/fd").output()?;
    // 3 is the directory that ls reads.
    assert_eq!(
        String::from_utf8_lossy(&child.stdout).split_whitespace().collect::<Vec<_>>(),
        ["0", "1", "2", "3"]
    );
    systemd.stop(&scope)?;
    Ok(())
}

/// A bus that lets one in and then does what it is told.
fn false_bus(
    answer: impl FnOnce(UnixStream) + Send + 'static,
) -> Result<(PathBuf, thread::JoinHandle<()>), Stop> {
    let path = std::env::temp_dir().join(format!("{}.sock", name()));
    let listener = UnixListener::bind(&path)?;
    let thread = thread::spawn(move || {
        if let Ok((stream, _)) = listener.accept() {
            answer(stream);
        }
    });
    Ok((path, thread))
}

fn what_is_no_bus_is_an_error_and_not_waited_for_without_end() -> Outcome {
    type Answer = Box<dyn FnOnce(UnixStream) + Send>;
    let answers: [Answer; 4] = [
        Box::new(drop),
        Box::new(|mut stream| drop(stream.write_all(b"REJECTED EXTERNAL\r\n"))),
        Box::new(|mut stream| drop(stream.write_all(&[b'x'; 10_000]))),
        Box::new(|mut stream| {
            drop(stream.write_all(
                b"DATA\r\nOK 00\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
            ));
            drop(stream.read_to_end(&mut Vec::new()));
        }),
    ];
    for answer in answers {
        let (path, bus) = false_bus(answer)?;
        // The address is read from the environment of the process, which is this test's own.
        let started = Instant::now();
        let error = with_bus(&path, Systemd::user);
        assert!(started.elapsed() < Duration::from_secs(5));
        if let Err(error) = error {
            assert!(error.to_string().contains(path.to_str().expect("ascii")), "{error}");
        }
        // Else its descriptors would be the test's.
        bus.join().expect("no panic");
        fs::remove_file(path)?;
    }
    Ok(())
}

/// Does something while a bus is named in the environment.
#[allow(unsafe_code)]
fn with_bus<T>(path: &Path, action: impl FnOnce() -> T) -> T {
    for variable in ["DBUS_SESSION_BUS_ADDRESS", "DBUS_SYSTEM_BUS_ADDRESS"] {
        // SAFETY: this test is a process of its own, and its other threads look at no variable.
        unsafe { std::env::set_var(variable, format!("unix:path={}", path.display())) };
    }
    action()
}

fn main() -> ExitCode {
    grounds::run(grounds::tests![
        looking_for_systemd_starts_nothing_and_says_whether_it_is_there,
        without_a_manager_the_error_says_where_it_was_looked_for,
        a_scope_holds_its_process_and_goes_with_it,
        a_unit_lies_where_its_path_says,
        a_slice_of_slices_is_made_and_made_again,
        a_scope_that_runs_is_not_taken_over,
        a_property_that_systemd_does_not_know_is_left_out_and_remembered,
        an_annotation_is_set_as_it_stands,
        what_can_not_be_started_says_why,
        stopping_ends_what_is_left,
        many_scopes_start_at_once_over_one_manager,
        a_limit_is_the_same_to_systemd_and_in_the_files,
        limits_outlive_a_reload_of_systemd,
        what_systemd_rounds_is_told,
        weights_of_block_devices_are_the_same_to_systemd_and_in_the_files,
        a_slice_that_was_made_for_a_scope_goes_with_the_last_one,
        a_slice_that_others_use_is_not_stopped_over_a_failure,
        a_unit_that_has_failed_is_forgotten,
        what_is_frozen_stays_so_when_systemd_reloads,
        a_process_that_a_user_may_not_move_is_moved_by_their_systemd,
        processors_are_the_same_to_systemd_and_in_the_files,
        what_systemd_has_no_word_for_is_in_the_files_alone,
        a_memory_limit_below_the_use_is_refused_before_systemd_sets_it,
        the_cgroup_of_a_unit_is_one_like_any_other,
        cgroups_below_a_scope_go_with_it,
        device_rules_hold_and_systemd_knows_them,
        what_fails_halfway_leaves_nothing_and_the_process_where_it_was,
        processes_are_attached_below_a_scope,
        a_raw_cgroup_is_managed_the_same_way,
        a_bus_that_hung_up_is_called_again,
        a_unit_whose_start_was_heard_is_not_started_twice,
        root_needs_no_bus,
        no_thread_and_no_inherited_descriptor_comes_with_it,
        what_is_no_bus_is_an_error_and_not_waited_for_without_end,
    ])
}

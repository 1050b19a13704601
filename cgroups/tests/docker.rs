//! Configurations of 2014, against the running kernel: at the root of the hierarchies, as then.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use cgroups::docker::{self, FreezerState};
use cgroups::{Cgroup, DeviceAccess, DeviceKind, ErrorKind, Hierarchies, Limit, Manager};
use grounds::{Outcome, Stop, ignored, tests};

fn main() -> ExitCode {
    grounds::run(tests![
        a_file_of_2014_limits_a_process,
        swap_is_twice_the_memory_unless_it_is_said,
        devices_are_those_of_the_list,
        a_container_may_be_stopped_from_the_first,
        nothing_stays_after_an_error,
        a_caller_that_would_stop_itself_is_refused,
        statistics_of_2014_are_written,
        systemd_makes_the_scope_of_2014,
    ])
}

/// A configuration with a name that no other test has.
fn wanted(rest: &str) -> docker::Cgroup {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let parent = format!("cgroups-docker-{}", std::process::id());
    serde_json::from_str(&format!(r#"{{"name": "t{number}", "parent": "{parent}"{rest}}}"#))
        .expect("it is JSON")
}

/// A process to be limited; killed at the end.
struct Sleeper(Child);

impl Sleeper {
    fn new() -> Result<Sleeper, Stop> {
        Ok(Sleeper(Command::new("sleep").arg("600").spawn()?))
    }

    fn place(&self) -> Result<String, Stop> {
        Ok(std::fs::read_to_string(format!("/proc/{}/cgroup", self.0.id()))?)
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// The cgroup of a test, with the parent that it alone has; killed and removed at the end.
struct Applied(Manager);

impl Applied {
    fn raw(wanted: &docker::Cgroup, pid: u32) -> Result<Applied, Stop> {
        grounds::root()?;
        match wanted.apply_raw(pid) {
            Err(e) if matches!(e.kind(), ErrorKind::NoController | ErrorKind::PermissionDenied) => {
                Err(ignored(e))
            }
            result => Ok(Applied(result?)),
        }
    }

    fn close(self) -> Outcome {
        self.0.kill()?;
        self.0.remove()?;
        Ok(())
    }
}

impl Drop for Applied {
    fn drop(&mut self) {
        drop(self.0.kill().and_then(|()| self.0.remove()));
        drop(parents(&self.0).remove());
    }
}

fn parents(cgroup: &Cgroup) -> Cgroup {
    let above = |(key, path): (&String, &PathBuf)| Some((key.clone(), path.parent()?.to_owned()));
    Cgroup::open(cgroup.paths().iter().filter_map(above)).expect("they are cgroups")
}

/// Whether any directory of it is there.
fn exists(wanted: &docker::Cgroup) -> Result<bool, Stop> {
    let named = Cgroup::named(&Hierarchies::detect()?, wanted.path()?)?;
    Ok(named.paths().values().any(|path| path.exists() || path.parent().is_some_and(std::path::Path::exists)))
}

fn a_file_of_2014_limits_a_process() -> Outcome {
    grounds::root()?;
    let sleeper = Sleeper::new()?;
    let wanted =
        wanted(r#", "allow_all_devices": true, "memory": 67108864, "cpu_shares": 512, "cpuset_cpus": "0""#);
    let applied = Applied::raw(&wanted, sleeper.0.id())?;
    assert_eq!(applied.0.pids()?, [sleeper.0.id()]);
    let stats = applied.0.stats()?;
    assert_eq!(stats.memory.and_then(|memory| memory.limit), Some(Limit::At(64 << 20)));
    assert_eq!(stats.cpuset.map(|cpuset| cpuset.cpus).as_deref(), Some("0"));
    for line in sleeper.place()?.lines() {
        let key = line.split(':').nth(1).unwrap_or_default();
        let inside = line.ends_with(wanted.path()?.to_str().unwrap_or_default());
        assert_eq!(inside, applied.0.paths().contains_key(key), "{line}");
    }
    applied.close()?;
    assert!(!exists(&wanted)?, "the guard took the parent along");
    Ok(())
}

fn swap_is_twice_the_memory_unless_it_is_said() -> Outcome {
    grounds::root()?;
    // In 2014 it was twice the memory whatever was said.
    for (swap, limit) in [
        ("", Some(128 << 20)),
        (r#", "memory_swap": 100663296"#, Some(96 << 20)),
        (r#", "memory_swap": -1"#, None),
    ] {
        let sleeper = Sleeper::new()?;
        let wanted = wanted(&format!(r#", "allow_all_devices": true, "memory": 67108864{swap}"#));
        let applied = match Applied::raw(&wanted, sleeper.0.id()) {
            Err(Stop::Failed(text)) if text.contains("sw") => return Err(ignored(text)),
            result => result?,
        };
        let Some(found) = applied.0.stats()?.memory.and_then(|memory| memory.swap_limit) else {
            return Err(ignored("the kernel doesn't count swap"));
        };
        assert_eq!(found, limit.map_or(Limit::Unlimited, Limit::At), "{swap}");
        applied.close()?;
    }
    Ok(())
}

fn devices_are_those_of_the_list() -> Outcome {
    grounds::root()?;
    let opens = |wanted: &docker::Cgroup, path: &str| -> Result<bool, Stop> {
        let script = format!("read go; dd if={path} of=/dev/null bs=1 count=1 2>&1");
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(script).stdin(Stdio::piped()).stdout(Stdio::null());
        let mut shell = Sleeper(shell.spawn()?);
        let applied = Applied::raw(wanted, shell.0.id())?;
        std::io::Write::write_all(shell.0.stdin.as_mut().expect("piped"), b"go\n")?;
        let success = shell.0.wait()?.success();
        applied.close()?;
        Ok(success)
    };
    let mut wanted = wanted("");
    assert!(opens(&wanted, "/dev/zero")?, "one of the list that was fixed");
    let null = docker::Device::new(DeviceKind::Char, Some(1), Some(3), DeviceAccess::all());
    wanted.allowed_devices = Some(vec![null]);
    assert!(!opens(&wanted, "/dev/zero")?);
    wanted.allow_all_devices = true;
    assert!(opens(&wanted, "/dev/zero")?);
    Ok(())
}

fn a_container_may_be_stopped_from_the_first() -> Outcome {
    grounds::root()?;
    let sleeper = Sleeper::new()?;
    let mut wanted = wanted(r#", "allow_all_devices": true, "freezer": "FROZEN""#);
    let applied = Applied::raw(&wanted, sleeper.0.id())?;
    assert!(applied.0.frozen()?);
    let now = applied.0.stats()?;
    let written = docker::Stats::new(&now, &now, Duration::ZERO).freezer_stats;
    assert_eq!(written.self_state, "1");
    applied.0.thaw()?;
    applied.close()?;
    // Of a cgroup that was left stopped, 2014's THAWED lets the process go on.
    let sleeper = Sleeper::new()?;
    wanted.freezer = FreezerState::Thawed;
    let applied = Applied::raw(&wanted, sleeper.0.id())?;
    assert!(!applied.0.frozen()?);
    applied.close()
}

fn nothing_stays_after_an_error() -> Outcome {
    grounds::root()?;
    // In 2014 the cleanup looked at another variable named err, and what had been made stayed.
    let sleeper = Sleeper::new()?;
    let before = sleeper.place()?;
    for rest in [
        r#", "cpuset_cpus": "99999""#,
        r#", "cpu_shares": 512, "cpu_quota": 1"#,
        r#", "allow_all_devices": true, "kernel_memory": -5"#,
    ] {
        let wanted = wanted(rest);
        assert!(wanted.apply_raw(sleeper.0.id()).is_err(), "{rest}");
        assert!(!exists(&wanted)?, "{rest}");
        assert_eq!(sleeper.place()?, before, "{rest}");
    }
    let wanted = wanted(r#", "allow_all_devices": true"#);
    let mut gone = Command::new("true").spawn()?;
    gone.wait()?;
    match wanted.apply_raw(gone.id()) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => return Err(ignored(error)),
        result => assert_eq!(result.map(drop).unwrap_err().kind(), ErrorKind::NotFound),
    }
    assert!(!exists(&wanted)?);
    Ok(())
}

fn a_caller_that_would_stop_itself_is_refused() -> Outcome {
    let wanted = wanted(r#", "allow_all_devices": true, "freezer": "FROZEN""#);
    let error = match wanted.apply_raw(std::process::id()) {
        Err(error) if error.to_string().contains("no cgroup file system") => return Err(ignored(error)),
        result => result.map(drop).unwrap_err(),
    };
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    Ok(())
}

fn statistics_of_2014_are_written() -> Outcome {
    grounds::root()?;
    let sleeper = Sleeper(Command::new("sh").arg("-c").arg("while :; do :; done").spawn()?);
    let applied =
        Applied::raw(&wanted(r#", "allow_all_devices": true, "memory": 67108864"#), sleeper.0.id())?;
    let (begin, earlier) = (Instant::now(), applied.0.stats()?);
    let until = begin + Duration::from_secs(60);
    // In 2014 the percentage was always 0.
    let (now, elapsed) = loop {
        std::thread::sleep(Duration::from_millis(20));
        let (now, elapsed) = (applied.0.stats()?, begin.elapsed());
        let percent = docker::Stats::new(&now, &earlier, elapsed).cpu_stats.cpu_usage.percent_usage;
        if percent > 0 {
            break (now, elapsed);
        }
        assert!(Instant::now() < until, "it ran, and nothing was counted");
    };
    let written = serde_json::to_value(docker::Stats::new(&now, &earlier, elapsed)).expect("it is data");
    assert!(written["memory_stats"]["stats"].is_object(), "{written}");
    assert!(written["cpu_stats"]["throlling_data"].is_object(), "{written}");
    let flat: BTreeMap<String, f64> = docker::flat_stats(&now, &earlier, elapsed);
    assert!(flat["percentage"] > 0.0 && flat.contains_key("usage_in_bytes"), "{flat:?}");
    applied.close()
}

fn systemd_makes_the_scope_of_2014() -> Outcome {
    let systemd = match cgroups::systemd::Systemd::detect() {
        Ok(Some(systemd)) => systemd,
        Ok(None) => return Err(ignored("systemd doesn't run this machine")),
        Err(error) => return Err(ignored(error)),
    };
    let sleeper = Sleeper::new()?;
    let mut wanted = wanted(r#", "allow_all_devices": true, "cpu_shares": 512"#);
    if systemd.is_user() {
        wanted.cpu_shares = 0; // a user's systemd may not have the controller
    } else {
        wanted.slice.push_str("cgroupstest.slice");
    }
    let applied = match wanted.apply(sleeper.0.id()) {
        Err(error) if error.kind() == ErrorKind::NoController => return Err(ignored(error)),
        applied => applied?,
    };
    let unit = wanted.unit_name()?;
    assert_eq!(applied.unit(), Some(unit.as_str()));
    assert!(sleeper.place()?.contains(&unit), "{}", sleeper.place()?);
    let description = systemd.property(&unit, "Description")?;
    let told = format!("docker container {}", wanted.name);
    assert_eq!(description.as_str(), Some(told.as_str()));
    if !systemd.is_user() {
        assert_eq!(systemd.property(&unit, "Slice")?.as_str(), Some("cgroupstest.slice"));
    }
    applied.kill()?;
    drop(sleeper);
    applied.remove()?;
    if !systemd.is_user() {
        systemd.stop("cgroupstest.slice")?;
    }
    assert_eq!(systemd.control_group(&unit)?, None);
    Ok(())
}

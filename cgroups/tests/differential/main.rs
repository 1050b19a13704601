//! The same configuration through this crate and through runc and crun: the same content of the same files.
//!
//! In what others differ with a reason is listed in `table.rs`. Devices are compared by what a process may open.

mod oci;
mod runtime;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicU32, Ordering};

use cgroups::{Cgroup, ErrorKind, Hierarchies};
use grounds::{Outcome, Stop, ignored, tests};
use runtime::{Runtime, is_there};
use serde_json::{Value, json};
use table::{Case, DEVICES, FILES, KNOWN, MEMORY, OTHERS, PROCESSORS};

fn main() -> ExitCode {
    grounds::run(tests![
        memory_is_limited_as_by_runc,
        memory_is_limited_as_by_crun,
        processors_are_limited_as_by_runc,
        processors_are_limited_as_by_crun,
        all_else_is_limited_as_by_runc,
        all_else_is_limited_as_by_crun,
        devices_are_opened_as_by_runc,
        devices_are_opened_as_by_crun,
    ])
}

fn memory_is_limited_as_by_runc() -> Outcome {
    files_of("runc", MEMORY)
}

fn memory_is_limited_as_by_crun() -> Outcome {
    files_of("crun", MEMORY)
}

fn processors_are_limited_as_by_runc() -> Outcome {
    files_of("runc", PROCESSORS)
}

fn processors_are_limited_as_by_crun() -> Outcome {
    files_of("crun", PROCESSORS)
}

fn all_else_is_limited_as_by_runc() -> Outcome {
    files_of("runc", OTHERS)
}

fn all_else_is_limited_as_by_crun() -> Outcome {
    files_of("crun", OTHERS)
}

fn devices_are_opened_as_by_runc() -> Outcome {
    devices_of("runc")
}

fn devices_are_opened_as_by_crun() -> Outcome {
    devices_of("crun")
}

/// A path that nobody else uses.
fn path() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("/cgroups-differential-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// What a machine needs for this: a runtime that makes a container here, and controllers to compare.
fn ground(name: &'static str) -> Result<(Runtime, Hierarchies), Stop> {
    grounds::root()?;
    if !is_there(name) {
        return Err(ignored(format!("no program {name}")));
    }
    let hierarchies = match Hierarchies::detect() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(ignored(error)),
        result => result?,
    };
    let runtime = Runtime::new(name)?;
    let path = path();
    match Cgroup::create(&hierarchies, &path) {
        Err(error) => return Err(ignored(error)),
        Ok(made) => {
            if !made.controllers()?.contains("memory") {
                return Err(ignored("no memory controller here"));
            }
            made.close()?;
        }
    }
    let plain = json!({"devices": [{"allow": false, "access": "rwm"}]});
    if let Err(why) = runtime.create(&path, &plain)? {
        return Err(ignored(format!("{name} makes no container here: {why}")));
    }
    Ok((runtime, hierarchies))
}

/// Some disk's numbers, as a configuration has them.
fn disk() -> Option<String> {
    fs::read_dir("/sys/block").ok()?.flatten().find_map(|entry| {
        let text = fs::read_to_string(entry.path().join("dev")).ok()?;
        let (major, minor) = text.trim().split_once(':')?;
        Some(format!("\"major\":{major},\"minor\":{minor}"))
    })
}

/// What the files say that are there.
fn read(cgroup: &Cgroup) -> BTreeMap<&'static str, String> {
    let found = cgroup.paths().values().flat_map(|path| {
        FILES.iter().filter_map(|name| Some((*name, fs::read_to_string(path.join(name)).ok()?)))
    });
    found.map(|(name, text)| (name, sorted(&text))).collect()
}

fn sorted(text: &str) -> String {
    let mut lines: Vec<_> = text.trim().lines().collect();
    lines.sort_unstable();
    lines.join("; ")
}

type Files = Result<BTreeMap<&'static str, String>, String>;

fn ours(hierarchies: &Hierarchies, resources: &Value) -> Result<Files, Stop> {
    let made = Cgroup::create(hierarchies, path())?;
    let files = made.set(&oci::resources(resources)).map(|_| read(&made)).map_err(|error| error.to_string());
    made.close()?;
    Ok(files)
}

fn theirs(runtime: &Runtime, hierarchies: &Hierarchies, resources: &Value) -> Result<Files, Stop> {
    let path = path();
    let cgroup = Cgroup::named(hierarchies, &path)?;
    let made = runtime.create(&path, resources)?;
    let files = made.as_ref().map(|_| read(&cgroup)).map_err(Clone::clone);
    drop(made);
    // Where it failed half way it may leave something.
    cgroup.kill()?;
    cgroup.remove()?;
    Ok(files)
}

fn files_of(name: &'static str, cases: &[Case]) -> Outcome {
    let (runtime, hierarchies) = ground(name)?;
    let disk = disk();
    let mut found = Vec::new();
    for (case, text) in cases {
        let text = match &disk {
            _ if !text.contains("DISK") => (*text).to_owned(),
            Some(disk) => text.replace("DISK", disk),
            None => continue,
        };
        let resources: Value = serde_json::from_str(&text)?;
        let ours = ours(&hierarchies, &resources)?;
        let theirs = theirs(&runtime, &hierarchies, &resources)?;
        found.extend(compare(&ours, &theirs).into_iter().map(|(file, what)| (*case, file, what)));
    }
    only_known(name, &found);
    Ok(())
}

/// Fails for a difference without a reason in the table.
fn only_known(name: &str, found: &[(&str, &str, String)]) {
    let is_known = |case: &str, file: &str| {
        KNOWN.iter().any(|known| known.runtime == name && known.case == case && known.file == file)
    };
    let new = found.iter().filter(|(case, file, _)| !is_known(case, file));
    let new: Vec<_> = new.map(|(case, file, what)| format!("{case:?}: {file:?} {what}")).collect();
    assert!(new.is_empty(), "{name} differs:\n{}", new.join("\n"));
}

/// What differs: the file, and both contents; an empty name where one of the two refuses.
fn compare(ours: &Files, theirs: &Files) -> Vec<(&'static str, String)> {
    match (ours, theirs) {
        (Err(_), Err(_)) => Vec::new(),
        (Err(error), Ok(_)) => vec![("", format!("is refused here alone: {error}"))],
        (Ok(_), Err(error)) => vec![("", format!("is refused there alone: {error}"))],
        (Ok(ours), Ok(theirs)) => {
            let both = ours.iter().filter_map(|(file, here)| Some((*file, here, theirs.get(file)?)));
            let different = both.filter(|(_, here, there)| here != there);
            different.map(|(file, here, there)| (file, format!("{here:?} here, {there:?} there"))).collect()
        }
    }
}

/// Devices that no runtime allows by itself: a number that its driver doesn't know will do.
const PROBED: [(&str, u32, u32); 5] =
    [("c", 1, 11), ("c", 10, 237), ("c", 10, 229), ("b", 7, 0), ("c", 4, 64)];

/// What a process in the cgroup may do with each device: make, read and write it.
fn probe(cgroup: &Cgroup, folder: &Path) -> Result<BTreeSet<String>, Stop> {
    let dir = cgroup.paths().iter().find(|(key, _)| key.split(',').any(|word| word == "devices"));
    let (_, dir) =
        dir.or_else(|| cgroup.paths().get_key_value("")).ok_or_else(|| ignored("no devices here"))?;
    let mut script = format!("echo 0 > {}/cgroup.procs || exit 1\ncd {}\n", dir.display(), folder.display());
    for (kind, major, minor) in PROBED {
        // Made outside, it is there whether it could be made inside or not.
        let node = format!("{kind}-{major}-{minor}");
        let numbers = [major.to_string(), minor.to_string()];
        Command::new("mknod").current_dir(folder).args([&node, kind]).args(numbers).output()?;
        // Without standard error, and not with /dev/null in its place: it may not be opened.
        let _ = write!(
            script,
            "mknod made-{node} {kind} {major} {minor} 2>&- && echo {node} m; rm -f made-{node}\n\
             (: < {node}) 2>&1 | grep -q 'not permitted' || echo {node} r\n\
             (: >> {node}) 2>&1 | grep -q 'not permitted' || echo {node} w\n"
        );
    }
    let output = Command::new("sh").args(["-c", &script]).env("LC_ALL", "C").output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!said.contains("cgroup.procs"), "the shell couldn't enter: {said}");
    for entry in fs::read_dir(folder)? {
        fs::remove_file(entry?.path())?;
    }
    Ok(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
}

fn devices_of(name: &'static str) -> Outcome {
    let (runtime, hierarchies) = ground(name)?;
    let folder = std::env::temp_dir().join(format!("cgroups-devices-{name}-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let mut found = Vec::new();
    let mut allowed = 0;
    for (case, text) in DEVICES {
        let rules: Value = serde_json::from_str(text)?;
        // Runtimes let everything be made, whatever is asked for: so it is asked for.
        let mut asked = oci::devices(&rules);
        asked.extend(oci::devices(&json!({"devices": [
            {"allow": true, "type": "c", "access": "m"},
            {"allow": true, "type": "b", "access": "m"},
        ]})));
        let made = Cgroup::create(&hierarchies, path())?;
        let here = match made.set_devices(&asked) {
            Ok(()) => probe(&made, &folder)?,
            Err(error) => [error.to_string()].into(),
        };
        made.close()?;
        let path = path();
        let there = match runtime.create(&path, &rules)? {
            Ok(_container) => probe(&Cgroup::named(&hierarchies, &path)?, &folder)?,
            Err(error) => [error].into(),
        };
        allowed += here.iter().filter(|line| line.ends_with(['r', 'w'])).count();
        let different = here.symmetric_difference(&there).cloned().collect::<Vec<_>>();
        found.extend(different.into_iter().map(|line| {
            let what = if here.contains(&line) { "here alone" } else { "there alone" };
            (*case, line, what.to_owned())
        }));
    }
    fs::remove_dir(&folder)?;
    assert!(allowed > 10, "nothing can be opened");
    let found: Vec<_> = found.iter().map(|(case, line, what)| (*case, line.as_str(), what.clone())).collect();
    only_known(name, &found);
    Ok(())
}

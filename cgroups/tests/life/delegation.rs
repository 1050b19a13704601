//! Cgroups in the hands of an ordinary user.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use cgroups::{Cgroup, ErrorKind, Resources};
use grounds::{Outcome, Test, ignored, tests};
use nix::unistd::{Uid, setresuid};

use crate::scene::{fresh, hierarchies, name, only_v2, says, v2};

/// Nobody, who exists everywhere.
const NOBODY: u32 = 65534;

pub(crate) fn tests() -> Vec<Test> {
    tests![
        what_the_kernel_lists_changes_hands_and_nothing_else,
        a_user_makes_cgroups_in_what_is_delegated_and_can_not_raise_its_limits,
        a_refused_move_names_what_else_has_to_be_writable,
        a_missing_controller_is_looked_for_above,
        an_ordinary_user_gets_a_cgroup_where_that_may_be,
        an_ordinary_user_with_controllers_limits_a_part_of_its_own,
    ]
}

/// Who owns what in a directory: the names of the files that are the user's.
fn owned(path: &Path) -> std::io::Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let data = entry.metadata()?;
        assert_eq!(data.uid() == NOBODY, data.gid() == NOBODY);
        if data.uid() == NOBODY {
            found.insert(entry.file_name().to_string_lossy().into_owned());
        }
    }
    Ok(found)
}

/// T27.
fn what_the_kernel_lists_changes_hands_and_nothing_else() -> Outcome {
    let active = fresh()?;
    active.delegate(Some(NOBODY), Some(NOBODY))?;
    let listed = fs::read_to_string("/sys/kernel/cgroup/delegate").unwrap_or_default();
    for (key, path) in active.paths() {
        assert_eq!(fs::metadata(path)?.uid(), NOBODY);
        let theirs = owned(path)?;
        if !key.is_empty() {
            assert_eq!(theirs, ["cgroup.procs", "tasks"].map(str::to_owned).into(), "{key}");
        } else if !listed.is_empty() {
            // Of the list, all that is there.
            let wanted = listed.lines().filter(|file| path.join(file).exists()).map(str::to_owned);
            assert_eq!(theirs, wanted.collect());
        }
    }
    active.delegate(None, Some(0))?;
    let data = fs::metadata(active.paths().values().next().expect("one at least"))?;
    assert_eq!((data.uid(), data.gid()), (NOBODY, 0), "None leaves it as it is");
    active.close()?;
    Ok(())
}

fn a_user_makes_cgroups_in_what_is_delegated_and_can_not_raise_its_limits() -> Outcome {
    let active = fresh()?;
    let path = v2(&active)?;
    active.delegate(Some(NOBODY), Some(NOBODY))?;
    let mut command = Command::new("sh");
    let script = "read go; mkdir $0/x && echo $$ >$0/x/cgroup.procs && echo moved; \
                  echo 5 >$0/cgroup.max.depth || echo refused";
    command.args(["-c", script]).arg(&path).uid(NOBODY).gid(NOBODY);
    let (read, write) = std::io::pipe()?;
    let child = command.stdin(read).stdout(std::process::Stdio::piped()).spawn()?;
    drop(command);
    active.add(child.id())?;
    (&write).write_all(b"go\n")?;
    let output = child.wait_with_output()?;
    assert_eq!(String::from_utf8_lossy(&output.stdout), "moved\nrefused\n");
    active.close()?; // with what the user made in it
    assert!(!path.exists());
    Ok(())
}

/// On v2 the cgroup above both places has to be the user's too.
fn a_refused_move_names_what_else_has_to_be_writable() -> Outcome {
    let active = fresh()?;
    active.delegate(Some(NOBODY), Some(NOBODY))?;
    let theirs = only_v2(&active)?;
    let mut child = Command::new("sleep").arg("1000").uid(NOBODY).gid(NOBODY).spawn()?;
    let from = Cgroup::of(child.id()).map(|cgroup| cgroup.paths()[""].join("cgroup.procs"));
    // The test has a process of its own. Without faccessat2(2), the C library asks for the real user.
    let (nobody, root) = (Uid::from_raw(NOBODY), Uid::from_raw(0));
    setresuid(nobody, nobody, root)?;
    let result = theirs.add(child.id());
    setresuid(root, root, root)?;
    child.kill()?;
    child.wait()?;
    let error = result.expect_err("it comes from what is not theirs");
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    assert!(error.to_string().ends_with(&format!("so that {:?} has to be writable too", from?)), "{error}");
    active.close()?;
    Ok(())
}

/// T20: the level that keeps it is named.
fn a_missing_controller_is_looked_for_above() -> Outcome {
    let active = fresh()?;
    let path = v2(&active)?;
    let here = fs::read_to_string(path.join("cgroup.controllers"))?;
    let known =
        ["pids", "memory", "hugetlb"].into_iter().find(|name| here.split(' ').any(|c| c.trim() == *name));
    let name = known.ok_or_else(|| ignored("v2 has no controller that can be handed down here"))?;
    fs::create_dir(path.join("kept"))?;
    fs::create_dir(path.join("kept/low"))?;
    let low = Cgroup::open([(String::new(), path.join("kept/low"))])?;
    let mut resources = Resources::default();
    for (controller, reason) in [
        (name, format!("{path:?} has it and does not hand it down (cgroup.subtree_control)")),
        ("nosuch", "no v2 cgroup above it has it either".to_owned()),
    ] {
        resources.unified = [(format!("{controller}.max"), "max".to_owned())].into();
        says(&low.set(&resources).expect_err("not handed down"), ErrorKind::NoController, &reason);
    }
    active.close()?;
    Ok(())
}

/// T84: EPERM, EACCES and EROFS are passed over, but no limit is.
fn an_ordinary_user_gets_a_cgroup_where_that_may_be() -> Outcome {
    grounds::ordinary_user()?;
    let found = hierarchies()?;
    let may = |path: &Path| {
        let trial = path.join(name());
        fs::create_dir(&trial).is_ok() && fs::remove_dir(&trial).is_ok()
    };
    let own = found.own();
    let allowed: BTreeSet<_> = own.iter().filter(|(_, path)| may(path)).map(|(key, _)| key.clone()).collect();
    let name = name();
    let made = Cgroup::create_where_allowed(&found, &name)?;
    let keys: BTreeSet<_> = made.iter().flat_map(|active| active.paths().keys().cloned()).collect();
    assert_eq!(keys, allowed);
    if allowed.len() < own.len() {
        // Asked for by its path, it is refused, and nothing of it stays.
        drop(made);
        let error = Cgroup::create_beneath_own(&found, &name).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
        assert!(own.values().all(|path| !path.join(&name).exists()));
        let Some(active) = Cgroup::create_where_allowed(&found, &name)? else { return Ok(()) };
        let mut resources = Resources::default();
        resources.memory.get_or_insert_default().limit = Some(64 << 20);
        if let Err(error) = active.set(&resources) {
            says(&error, ErrorKind::NoController, "memory");
        }
        active.close()?;
    }
    Ok(())
}

/// Names the part that this program plays when it is started once more, in a cgroup of its own.
const PART: &str = "CGROUPS_LIFE_ROOTLESS";

/// T84, T21: what a rootless runtime does first.
fn an_ordinary_user_with_controllers_limits_a_part_of_its_own() -> Outcome {
    grounds::ordinary_user()?;
    let exe = std::env::current_exe()?;
    let mut command = Command::new("systemd-run");
    command.args(["--user", "--scope", "--quiet", "--collect", "-p", "Delegate=yes"]).arg(exe).env(PART, "1");
    match command.output() {
        Err(error) => Err(ignored(format!("systemd-run: {error}"))),
        Ok(output) => match output.status.code() {
            Some(0) => Ok(()),
            Some(WENT_WRONG) => {
                Err(grounds::Stop::Failed(String::from_utf8_lossy(&output.stderr).into_owned()))
            }
            _ => Err(ignored(format!("no scope: {}", String::from_utf8_lossy(&output.stderr).trim()))),
        },
    }
}

const WENT_WRONG: i32 = 42;

/// Plays that part, if that is what this process was started for.
pub(crate) fn part() -> Option<std::process::ExitCode> {
    std::env::var_os(PART)?;
    Some(match limit_a_part() {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            std::process::ExitCode::from(WENT_WRONG as u8)
        }
    })
}

fn limit_a_part() -> Result<(), Box<dyn std::error::Error>> {
    let found = cgroups::Hierarchies::detect()?;
    let own = Cgroup::of(std::process::id())?;
    let own = Cgroup::open([(String::new(), own.paths().get("").ok_or("no cgroup v2")?.clone())])?;
    // Crowded by this very process, it hands nothing down.
    let early = Cgroup::create_where_allowed(&found, "early")?.ok_or("nothing may be made")?;
    let mut resources = Resources::default();
    resources.memory.get_or_insert_default().limit = Some(64 << 20);
    resources.pids.get_or_insert_default().limit = Some(10);
    let error = early.set(&resources).expect_err("it has no controllers");
    if !error.to_string().contains("processes of its own") {
        return Err(format!("not explained: {error}").into());
    }
    early.close()?;
    own.vacate("manager")?.ok_or("this process was not there")?;
    let job = own.create_child("job")?;
    job.set(&resources)?;
    let mut child = Command::new("sleep").arg("1000").spawn()?;
    let added = job.add(child.id());
    let killed = job.kill();
    child.kill()?;
    child.wait()?;
    added?;
    killed?;
    job.close()?;
    Ok(())
}

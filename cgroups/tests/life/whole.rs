//! Nobody is forgotten, and nobody else is hit: trees deeper than any path, processes in some hierarchies only, roots.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use cgroups::{Cgroup, ErrorKind, Event, Resources};
use grounds::{Outcome, Stop, Test, ignored, test};
use nix::fcntl::{OFlag, open, openat};
use nix::sys::signal::{Signal, killpg};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::Pid;

use crate::scene::{KILLING, LONG, Shell, can_kill, fresh, says, v1, v1_alone, v2, v2_alone};

pub(crate) fn tests() -> Vec<Test> {
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
    each_version! {
        a_tree_deeper_than_any_path_is_killed_and_removed
        after_a_kill_nobody_is_there
        children_born_while_their_parent_is_moved_come_along
        a_program_begins_in_its_cgroup_with_all_that_it_starts
        a_program_does_not_begin_in_a_frozen_cgroup
        while_somebody_lives_below_nothing_is_taken_apart
        cgroups_below_are_named_and_found
        the_end_of_a_job_is_waited_for
    }
    as_mounted! {
        who_is_there_in_one_hierarchy_alone_is_killed_too
        a_job_that_ended_before_anyone_looked_is_told
        a_root_is_neither_killed_nor_frozen_nor_removed
        what_never_was_a_cgroup_is_not_opened
        a_value_of_nothing_is_written_too
    }
    tests
}

/// Names of 250 letters, of which 17 are more than a path may have (PATH_MAX).
const DEPTH: usize = 20;

fn dig(path: &Path) -> Outcome {
    let (flags, name) = (OFlag::O_PATH | OFlag::O_DIRECTORY, "d".repeat(250));
    let mut at = open(path, flags, Mode::empty())?;
    for _ in 0..DEPTH {
        mkdirat(&at, name.as_str(), Mode::from_bits_truncate(0o755))?;
        at = openat(&at, name.as_str(), flags, Mode::empty())?;
    }
    Ok(())
}

/// A container with a cgroup of its own can make such a thing in it.
fn a_tree_deeper_than_any_path_is_killed_and_removed() -> Outcome {
    let active = fresh()?;
    can_kill(&active)?;
    for path in active.paths().values() {
        dig(path)?;
    }
    let shell = Shell::inside(&active, "echo")?;
    assert_eq!(active.all_pids()?, [shell.pid()]);
    active.kill()?;
    drop(shell);
    assert!(active.all_pids()?.is_empty());
    let cgroup = active.commit();
    cgroup.remove()?;
    assert!(!cgroup.exists());
    Ok(())
}

/// Without `cgroup.kill` it used to return while they were still ending.
fn after_a_kill_nobody_is_there() -> Outcome {
    let active = fresh()?;
    can_kill(&active)?;
    let mut shells = Vec::new();
    for _ in 0..20 {
        shells.push(active.spawn(sleeping("sleep 1000 & sleep 1000"))?);
    }
    active.kill()?;
    assert!(active.all_pids()?.is_empty());
    shells.into_iter().for_each(ended);
    active.close()?;
    Ok(())
}

fn sleeping(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn ended(mut child: Child) {
    drop(child.kill());
    drop(child.wait());
}

/// Some were left without a limit: born in the old cgroup of one hierarchy and the new one of another.
fn children_born_while_their_parent_is_moved_come_along() -> Outcome {
    for _ in 0..20 {
        let active = fresh()?;
        can_kill(&active)?;
        let mut command = sleeping("for i in 1 2 3 4 5 6 7 8 9 10; do sleep 1000 & done; wait");
        let mut parent = command.process_group(0).spawn()?;
        active.add(parent.id())?;
        // It is at its end, or goes on inside.
        for pid in active.all_pids()? {
            let Ok(text) = fs::read_to_string(format!("/proc/{pid}/cgroup")) else { continue };
            for (key, path) in active.paths() {
                let name = path.file_name().and_then(|name| name.to_str()).expect("its name");
                let line = text.lines().find(|line| line.split(':').nth(1) == Some(key)).unwrap_or_default();
                assert!(line.ends_with(name), "{pid} is not in {key:?}: {text}");
            }
        }
        active.kill()?;
        // Those that were born before it was moved are elsewhere.
        let _ = killpg(Pid::from_raw(parent.id().try_into()?), Signal::SIGKILL);
        parent.wait()?;
        active.close()?;
    }
    Ok(())
}

fn a_program_begins_in_its_cgroup_with_all_that_it_starts() -> Outcome {
    let active = fresh()?;
    can_kill(&active)?;
    let child = active.spawn(sleeping("sleep 1000 & sleep 1000 & wait"))?;
    let name = active.paths().values().next().and_then(|path| path.file_name()).expect("its name").to_owned();
    let text = fs::read_to_string(format!("/proc/{}/cgroup", child.id()))?;
    let inside = text.lines().filter(|line| line.ends_with(name.to_str().expect("plain"))).count();
    assert_eq!(inside, active.paths().len(), "{text}");
    crate::scene::eventually(|| active.all_pids().is_ok_and(|pids| pids.len() == 3));
    active.kill()?;
    ended(child);
    let error = active.spawn(Command::new("/nothing/here")).unwrap_err();
    says(&error, ErrorKind::NotFound, "start \"/nothing/here\" in");
    assert!(active.all_pids()?.is_empty());
    let gone = active.commit();
    gone.remove()?;
    assert_eq!(gone.spawn(Command::new("true")).unwrap_err().kind(), ErrorKind::NotFound);
    Ok(())
}

/// T12: the kernel would let it in, and it would never begin.
fn a_program_does_not_begin_in_a_frozen_cgroup() -> Outcome {
    let active = fresh()?;
    active.freeze()?;
    says(&active.spawn(Command::new("true")).unwrap_err(), ErrorKind::Busy, "it is frozen");
    active.thaw()?;
    assert!(active.spawn(Command::new("true"))?.wait()?.success());
    active.close()?;
    Ok(())
}

fn while_somebody_lives_below_nothing_is_taken_apart() -> Outcome {
    let active = fresh()?;
    let (empty, busy) = (active.create_child("empty")?.commit(), active.create_child("busy")?.commit());
    let shell = Shell::inside(&busy, "echo")?;
    says(&active.remove_within(Duration::ZERO).unwrap_err(), ErrorKind::Busy, "lives there");
    assert!(
        empty.paths().values().all(|path| path.exists()) && active.paths().values().all(|path| path.exists())
    );
    drop(shell);
    active.close()?;
    assert!(!empty.exists() && !busy.exists());
    Ok(())
}

fn cgroups_below_are_named_and_found() -> Outcome {
    let active = fresh()?;
    assert!(active.children()?.is_empty());
    let (a, b) = (active.create_child("a")?.commit(), active.create_child("b")?.commit());
    assert_eq!(active.children()?, [a.clone(), active.child("b")?]);
    assert!(active.child("b")?.exists() && !active.child("c")?.exists());
    assert!(active.child("../x").is_err());
    let (key, path) = active.paths().iter().next_back().expect("one at least");
    let controller = key.split(',').next().expect("a word");
    assert_eq!(active.path(controller), Some(path.as_path()));
    b.remove()?;
    a.remove()?;
    active.close()?;
    Ok(())
}

fn the_end_of_a_job_is_waited_for() -> Outcome {
    let active = fresh()?;
    assert!(active.wait_empty(Duration::ZERO)?);
    let mut child = active.spawn(sleeping("sleep 0.1"))?;
    assert!(!active.wait_empty(Duration::ZERO)?);
    assert!(active.wait_empty(LONG)?);
    child.wait()?;
    let gone = active.commit();
    gone.remove()?;
    assert!(gone.wait_empty(Duration::ZERO)?);
    Ok(())
}

fn who_is_there_in_one_hierarchy_alone_is_killed_too() -> Outcome {
    grounds::calls(&KILLING)?;
    let active = fresh()?;
    let (one, _) = (v1(&active, "pids")?, v2(&active)?);
    let mut shell = Shell::new("echo")?;
    fs::write(one.join("cgroup.procs"), shell.pid().to_string())?;
    assert_eq!(active.all_pids()?, [shell.pid()]);
    active.kill()?;
    assert!(!shell.0.wait()?.success());
    active.close()?;
    Ok(())
}

fn a_job_that_ended_before_anyone_looked_is_told() -> Outcome {
    let active = fresh()?;
    v2(&active)?;
    for _ in 0..10 {
        let mut events = active.events()?;
        active.spawn(Command::new("true"))?.wait()?;
        loop {
            match events.next_timeout(LONG)? {
                Some(Event::Empty) => break,
                Some(_) => {}
                None => panic!("its end was not told"),
            }
        }
    }
    active.close()?;
    Ok(())
}

/// Directories that stand in for roots: the true ones have everyone in them.
fn a_root_is_neither_killed_nor_frozen_nor_removed() -> Outcome {
    let active = fresh()?;
    let mut paths = BTreeMap::new();
    for (key, path) in active.paths() {
        let levels = path.ancestors().find(|path| is_root(path, key)).map(Path::to_owned);
        paths.insert(key.clone(), levels.ok_or_else(|| ignored("no root is to be seen here"))?);
    }
    let root = Cgroup::open(paths)?;
    for error in [root.freeze().unwrap_err(), root.remove_within(Duration::ZERO).unwrap_err()] {
        says(&error, ErrorKind::InvalidInput, "it is the root of the hierarchy");
    }
    active.close()?;
    Ok(())
}

fn is_root(path: &Path, key: &str) -> bool {
    let has = |name: &str| path.join(name).exists();
    if key.is_empty() { has("cgroup.procs") && !has("cgroup.type") } else { has("release_agent") }
}

/// A state file could name any directory that doesn't exist yet.
fn what_never_was_a_cgroup_is_not_opened() -> Outcome {
    let place = |path: PathBuf| Cgroup::open([("pids".to_owned(), path)]);
    let error = place(std::env::temp_dir().join("no-cgroup-at-all")).unwrap_err();
    says(&error, ErrorKind::InvalidInput, "what is above it is no cgroup");
    let active = fresh()?;
    let (key, path) =
        active.paths().iter().next().map(|(k, p)| (k.clone(), p.clone())).expect("one at least");
    active.close()?;
    assert!(!Cgroup::open([(key, path)])?.exists());
    Ok(())
}

/// It was passed over, and nobody was told.
fn a_value_of_nothing_is_written_too() -> Outcome {
    let active = fresh()?;
    v2(&active)?;
    let mut resources = Resources::default();
    resources.unified.insert("cgroup.max.depth".to_owned(), String::new());
    let error = active.set(&resources).unwrap_err();
    says(&error, ErrorKind::InvalidInput, "cgroup.max.depth");
    active.close().map_err(Stop::from)
}

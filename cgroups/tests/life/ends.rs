//! Frozen, killed, removed: what holds on every way, and what is said where it doesn't.

use std::process::Command;

use cgroups::{Cgroup, ErrorKind, Resources};
use grounds::faults::Refused;
use grounds::{Outcome, Test, test};
use nix::errno::Errno;

use crate::scene::{Shell, eventually, fresh, only_v1, only_v2, says, v1_alone, v2_alone};

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
        who_is_added_to_a_frozen_cgroup_stops_there
        thawing_below_a_frozen_parent_changes_nothing
        a_removed_cgroup_says_that_it_is_gone
        numbers_that_are_no_process_are_refused
        no_directory_reaches_a_child
    }
    as_mounted! {
        a_kill_that_fails_thaws_and_kills_nobody
        a_parent_that_allows_no_more_cgroups_is_named
        what_runs_when_a_cgroup_is_left_can_not_be_set
    }
    tests
}

/// T12: the kernel lets them in, so whoever doesn't want that asks first.
fn who_is_added_to_a_frozen_cgroup_stops_there() -> Outcome {
    let active = fresh()?;
    active.freeze()?;
    let mut shell = Shell::inside(&active, "echo")?;
    eventually(|| active.frozen().is_ok_and(|frozen| frozen));
    shell.go()?;
    active.thaw()?;
    shell.heard()?;
    drop(shell);
    active.close()?;
    Ok(())
}

/// T10.
fn thawing_below_a_frozen_parent_changes_nothing() -> Outcome {
    let parent = fresh()?;
    let child = parent.create_child("child")?;
    let mut shell = Shell::inside(&child, "echo")?;
    parent.freeze()?;
    says(&child.thaw().unwrap_err(), ErrorKind::Busy, "a parent is frozen");
    assert!(child.frozen()?);
    shell.go()?;
    parent.thaw()?;
    shell.heard()?;
    assert!(!child.frozen()?);
    drop(shell);
    child.close()?;
    parent.close()?;
    Ok(())
}

/// T7: to the kernel it is one error by name and another one by an open file.
fn a_removed_cgroup_says_that_it_is_gone() -> Outcome {
    let (active, other) = (fresh()?, fresh()?);
    let cgroup = Cgroup::open(active.paths().clone())?;
    active.close()?;
    let errors = [
        cgroup.pids().map(drop),
        cgroup.all_pids().map(drop),
        cgroup.threads().map(drop),
        cgroup.all_threads().map(drop),
        cgroup.add(std::process::id()),
        cgroup.add_thread(std::process::id()),
        cgroup.stats().map(drop),
        cgroup.freeze(),
        cgroup.thaw(),
        cgroup.frozen().map(drop),
        cgroup.delegate(None, None),
        cgroup.migrate_to(&other),
        other.migrate_to(&cgroup),
        cgroup.create_child("x").map(drop),
    ];
    for (at, result) in errors.into_iter().enumerate() {
        assert_eq!(result.map_err(|error| error.kind()), Err(ErrorKind::NotFound), "number {at}");
    }
    cgroup.kill()?;
    cgroup.remove()?;
    other.close()?;
    Ok(())
}

/// T26.
fn numbers_that_are_no_process_are_refused() -> Outcome {
    let active = fresh()?;
    for (pid, kind) in [(0, ErrorKind::InvalidInput), (u32::MAX, ErrorKind::InvalidInput)] {
        assert_eq!(active.add(pid).unwrap_err().kind(), kind, "{pid}");
        assert_eq!(active.add_thread(pid).unwrap_err().kind(), kind, "{pid}");
    }
    let mut ended = Command::new("true").spawn()?;
    ended.wait()?;
    assert_eq!(active.add(ended.id()).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(active.add_thread(ended.id()).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(active.all_pids()?, []);
    active.close()?;
    Ok(())
}

/// T78: a directory of the host's cgroups that stayed open led out of a container.
fn no_directory_reaches_a_child() -> Outcome {
    let active = fresh()?;
    let dir = active.v2_dir()?;
    let sampler = active.sampler()?;
    let listed = Command::new("ls").args(["-l", "/proc/self/fd"]).output()?;
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(listed.status.success() && !text.contains("cgroup"), "{text}");
    drop((dir, sampler));
    active.close()?;
    Ok(())
}

/// T17: a peer left a container frozen for ever when it could not kill it.
fn a_kill_that_fails_thaws_and_kills_nobody() -> Outcome {
    let active = fresh()?;
    let v1 = only_v1(&active)?;
    let mut shell = Shell::inside(&active, "echo")?;
    Refused::new().call("pidfd_open", Errno::EMFILE).install()?;
    says(&v1.kill().unwrap_err(), ErrorKind::Other, &format!("kill process {} in ", shell.pid()));
    assert!(!v1.frozen()?);
    shell.go()?;
    shell.heard()?;
    drop(shell);
    active.close()?;
    Ok(())
}

/// T25: the kernel says "Resource temporarily unavailable", and of whom it doesn't.
fn a_parent_that_allows_no_more_cgroups_is_named() -> Outcome {
    let active = fresh()?;
    let top = only_v2(&active)?;
    let limit = |file: &str, most: &str| {
        let mut resources = Resources::default();
        resources.unified.insert(file.to_owned(), most.to_owned());
        top.set(&resources)
    };
    limit("cgroup.max.depth", "1")?;
    let one = top.create_child("one")?;
    let error = one.create_child("two").unwrap_err();
    says(&error, ErrorKind::Busy, "allows 1 levels below it (cgroup.max.depth)");
    says(&error, ErrorKind::Busy, &format!("{:?} allows", top.paths()[""]));
    limit("cgroup.max.depth", "max")?;
    limit("cgroup.max.descendants", "1")?;
    let error = top.create_child("three/four").unwrap_err();
    says(&error, ErrorKind::Busy, "allows 1 cgroups below it (cgroup.max.descendants)");
    assert_eq!(top.create_child("a\nb").unwrap_err().kind(), ErrorKind::InvalidInput);
    one.close()?;
    active.close()?;
    Ok(())
}

/// T80: what v1 runs as root when the last process leaves.
fn what_runs_when_a_cgroup_is_left_can_not_be_set() -> Outcome {
    let active = fresh()?;
    for key in ["release_agent", "notify_on_release", "../release_agent", "x/release_agent"] {
        let mut resources = Resources::default();
        resources.unified.insert(key.to_owned(), "/bin/true".to_owned());
        assert_eq!(active.set(&resources).unwrap_err().kind(), ErrorKind::InvalidInput, "{key}");
    }
    active.close()?;
    Ok(())
}

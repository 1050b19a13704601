//! Moving whole trees of processes, also against their will.

use std::fs;
use std::time::Duration;

use cgroups::{Cgroup, ErrorKind};
use grounds::{Outcome, Test, ignored, test};

use crate::scene::{KILLING, Shell, fresh, hierarchies, only_v1, only_v2, says, v1, v1_alone, v2, v2_alone};
use crate::storm::Storm;

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
        a_tree_is_moved_whole_and_nobody_else
        nobody_is_left_behind_while_they_fork
        what_is_below_the_target_stays_and_the_rest_comes
        between_frozen_and_running_nobody_is_moved
        the_root_is_not_moved
    }
    as_mounted! {
        a_process_is_moved_only_where_it_was
        after_a_refusal_all_are_where_they_were
        a_cgroup_that_lacks_a_hierarchy_is_no_target
        a_vacated_cgroup_hands_controllers_down
        there_is_nothing_to_vacate_on_v1
        a_leaf_that_is_refused_leaves_all_where_they_were
    }
    tests
}

fn a_tree_is_moved_whole_and_nobody_else() -> Outcome {
    let (top, to) = (fresh()?, fresh()?);
    let from = top.create_child("from")?;
    let (deep, beside) = (from.create_child("a/b")?, top.create_child("from2")?);
    // On v2 `from` hands controllers down, and so has no processes of its own.
    let shells = [Shell::inside(&deep, "")?, Shell::inside(&deep, "")?];
    let bystander = Shell::inside(&beside, "")?;
    let mut moved: Vec<_> = shells.iter().map(Shell::pid).collect();
    moved.sort_unstable();
    from.migrate_to(&to)?;
    assert_eq!(to.pids()?, moved);
    for pid in moved {
        assert_eq!(Cgroup::of(pid)?.paths(), to.paths());
    }
    assert_eq!(from.all_pids()?, []);
    assert_eq!(beside.pids()?, [bystander.pid()]);
    assert!(deep.paths().values().all(|path| path.is_dir()), "what is empty stays");
    from.migrate_to(&to)?; // nobody there is no error
    says(&to.migrate_to(&to).unwrap_err(), ErrorKind::InvalidInput, "to itself");
    drop((shells, bystander));
    for cgroup in [deep, beside, from, top, to] {
        cgroup.close()?;
    }
    Ok(())
}

fn nobody_is_left_behind_while_they_fork() -> Outcome {
    grounds::calls(&KILLING)?;
    let (from, to) = (fresh()?, fresh()?);
    let storms = [Storm::inside(&from)?, Storm::inside(&from)?];
    for _ in 0..grounds::times(10) {
        from.migrate_to(&to)?;
        assert_eq!(from.all_pids()?, []);
        assert!(!to.pids()?.is_empty(), "they live on");
        to.migrate_to(&from)?;
    }
    // Nobody is in one place here and in the other there: what is killed here is all.
    let (here, there) = (from.paths().clone(), to.paths().clone());
    to.close()?;
    assert!(there.values().all(|path| !path.exists()));
    from.kill()?;
    from.close()?;
    assert!(here.values().all(|path| !path.exists()));
    storms.iter().try_for_each(Storm::ends)
}

fn what_is_below_the_target_stays_and_the_rest_comes() -> Outcome {
    let top = fresh()?;
    let (left, right) = (top.create_child("left")?, top.create_child("right")?);
    let shells = [Shell::inside(&left, "")?, Shell::inside(&right, "")?];
    top.migrate_to(&right)?;
    let mut all: Vec<_> = shells.iter().map(Shell::pid).collect();
    all.sort_unstable();
    assert_eq!((left.pids()?, right.pids()?), (vec![], all));
    drop(shells);
    for cgroup in [left, right, top] {
        cgroup.close()?;
    }
    Ok(())
}

/// T12: the kernel would let them, and they would go on or stop.
fn between_frozen_and_running_nobody_is_moved() -> Outcome {
    let (from, to) = (fresh()?, fresh()?);
    let shell = Shell::inside(&from, "")?;
    let before = shell.membership()?;
    for frozen in [&from, &to] {
        frozen.freeze()?;
        says(&from.migrate_to(&to).unwrap_err(), ErrorKind::Busy, "it is frozen");
        assert_eq!(shell.membership()?, before);
        frozen.thaw()?;
    }
    from.migrate_to(&to)?;
    drop(shell);
    from.close()?;
    to.close()?;
    Ok(())
}

/// T85: a peer moved everyone to the root, out of all limits; the other way round is the whole machine.
fn the_root_is_not_moved() -> Outcome {
    let to = fresh()?;
    let found = hierarchies()?;
    for key in to.paths().keys() {
        let root = found.mount_point(key.split(',').next().unwrap_or_default())?;
        let is_root = if key.is_empty() { !root.join("cgroup.type").exists() } else { true };
        if !is_root {
            return Err(ignored("what is mounted is not the root"));
        }
        let root = Cgroup::open([(key.clone(), root.to_owned())])?;
        says(&root.migrate_to(&to).unwrap_err(), ErrorKind::InvalidInput, "the root of the hierarchy");
        says(&root.delegate(None, None).unwrap_err(), ErrorKind::InvalidInput, "the root of the hierarchy");
    }
    assert_eq!(to.all_pids()?, []);
    to.close()?;
    Ok(())
}

/// T85.
fn a_process_is_moved_only_where_it_was() -> Outcome {
    let (from, to) = (fresh()?, fresh()?);
    let freezer = v1(&from, "freezer")?;
    let shell = Shell::new("")?;
    let before = shell.membership()?;
    fs::write(freezer.join("cgroup.procs"), shell.pid().to_string())?;
    from.migrate_to(&to)?;
    let after = shell.membership()?;
    let differ: Vec<_> = before.lines().zip(after.lines()).filter(|(was, is)| was != is).collect();
    assert_eq!(differ.len(), 1, "{differ:?}");
    assert!(differ[0].1.contains(":freezer:") && differ[0].1.ends_with(name_of(&to)), "{differ:?}");
    drop(shell);
    from.close()?;
    to.close()?;
    Ok(())
}

fn name_of(cgroup: &Cgroup) -> &str {
    let path = cgroup.paths().values().next().expect("one at least");
    path.file_name().and_then(|name| name.to_str()).expect("ours")
}

fn after_a_refusal_all_are_where_they_were() -> Outcome {
    let (from, to) = (fresh()?, fresh()?);
    let cpuset = v1(&to, "cpuset")?;
    let shells = [Shell::inside(&from, "")?, Shell::inside(&from, "")?];
    let before = [shells[0].membership()?, shells[1].membership()?];
    // Those before it take them, and this one lets nobody in.
    fs::write(cpuset.join("cpuset.cpus"), "\n")?;
    says(&from.migrate_to(&to).unwrap_err(), ErrorKind::Busy, "no processors");
    assert_eq!([shells[0].membership()?, shells[1].membership()?], before);
    assert_eq!(to.all_pids()?, []);
    drop(shells);
    from.close()?;
    to.close()?;
    Ok(())
}

fn a_cgroup_that_lacks_a_hierarchy_is_no_target() -> Outcome {
    let (from, to) = (fresh()?, fresh()?);
    let shell = Shell::inside(&from, "")?;
    let less = only_v1(&to)?;
    if from.paths().contains_key("") {
        says(&from.migrate_to(&less).unwrap_err(), ErrorKind::InvalidInput, "not in the hierarchy \"\"");
        assert_eq!(from.pids()?, [shell.pid()]);
    }
    let gone = Cgroup::open(to.paths().clone())?;
    to.close()?;
    assert_eq!(from.migrate_to(&gone).unwrap_err().kind(), ErrorKind::NotFound);
    // Without any time it is done if one look was enough.
    let to = fresh()?;
    from.migrate_to_within(&to, Duration::ZERO)?;
    assert_eq!(to.pids()?, [shell.pid()]);
    drop(shell);
    from.close()?;
    to.close()?;
    Ok(())
}

/// T21: the first thing that whoever was delegated a cgroup, and lives in it, has to do.
fn a_vacated_cgroup_hands_controllers_down() -> Outcome {
    let active = fresh()?;
    let own = only_v2(&active)?;
    let shells = [Shell::inside(&own, "")?, Shell::inside(&own, "")?];
    let early = own.create_child("early")?;
    assert_eq!(early.controllers()?.len(), 0, "processes keep them");
    let other = Shell::inside(&early, "")?;
    let leaf = own.vacate("leaf")?.expect("somebody was there");
    let mut all: Vec<_> = shells.iter().map(Shell::pid).collect();
    all.sort_unstable();
    assert_eq!((own.pids()?, leaf.pids()?), (vec![], all));
    assert_eq!(early.pids()?, [other.pid()], "not those below");
    assert_eq!(own.vacate("leaf")?, None, "nobody is there any more");
    let job = own.create_child("job")?;
    assert_eq!(job.controllers()?, own.controllers()?);
    let any = !own.controllers()?.is_empty();
    drop((shells, other));
    job.close()?;
    leaf.remove()?;
    early.close()?;
    active.close()?;
    if any { Ok(()) } else { Err(ignored("no controllers to hand down; the rest passed")) }
}

fn there_is_nothing_to_vacate_on_v1() -> Outcome {
    let active = fresh()?;
    let v1 = only_v1(&active)?;
    let shell = Shell::inside(&v1, "")?;
    let before = shell.membership()?;
    assert_eq!(v1.vacate("leaf")?, None);
    assert_eq!(shell.membership()?, before);
    drop(shell);
    active.close()?;
    Ok(())
}

fn a_leaf_that_is_refused_leaves_all_where_they_were() -> Outcome {
    let active = fresh()?;
    let own = only_v2(&active)?;
    let shell = Shell::inside(&own, "")?;
    let leaf = own.create_child("leaf")?;
    leaf.freeze()?;
    says(&own.vacate("leaf").unwrap_err(), ErrorKind::Busy, "it is frozen");
    assert_eq!(own.pids()?, [shell.pid()]);
    assert!(v2(&leaf)?.is_dir(), "it was not made here");
    drop(shell);
    leaf.close()?;
    active.close()?;
    Ok(())
}

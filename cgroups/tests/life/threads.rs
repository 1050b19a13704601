//! Threaded cgroups of v2, and threads on v1.

use std::sync::mpsc;
use std::{fs, thread};

use cgroups::{CgroupType, ErrorKind, Resources};
use grounds::{Outcome, Test, ignored, tests};
use nix::unistd::gettid;

use crate::scene::{Shell, fresh, only_v1, only_v2, says, v2};

pub(crate) fn tests() -> Vec<Test> {
    tests![
        a_threaded_child_makes_its_parent_a_domain_and_its_siblings_invalid,
        a_thread_lives_in_a_threaded_cgroup_and_its_process_in_the_domain,
        a_thread_of_another_domain_is_refused_and_stays_where_it_was,
        only_what_can_count_threads_limits_a_threaded_cgroup,
        what_keeps_a_cgroup_from_being_threaded_is_told,
        a_threaded_cgroup_can_not_be_killed_and_says_so,
        one_thread_of_many_is_moved_on_v1,
        no_thread_zero,
    ]
}

/// T23.
fn a_threaded_child_makes_its_parent_a_domain_and_its_siblings_invalid() -> Outcome {
    let active = fresh()?;
    let parent = only_v2(&active)?;
    assert_eq!(parent.cgroup_type()?, Some(CgroupType::Domain));
    let child = parent.create_threaded_child("threads")?;
    assert_eq!(child.cgroup_type()?, Some(CgroupType::Threaded));
    assert_eq!(parent.cgroup_type()?, Some(CgroupType::DomainThreaded));
    let sibling = parent.create_child("sibling")?;
    assert_eq!(sibling.cgroup_type()?, Some(CgroupType::DomainInvalid));
    let shell = Shell::new("")?;
    says(&sibling.add(shell.pid()).unwrap_err(), ErrorKind::Unsupported, "threaded");
    assert_eq!(sibling.threads()?, []);
    // An invalid domain has nobody, and does not hide those who are elsewhere.
    parent.add(shell.pid())?;
    assert_eq!(parent.all_pids()?, [shell.pid()]);
    sibling.make_threaded()?;
    assert_eq!(sibling.cgroup_type()?, Some(CgroupType::Threaded));
    sibling.make_threaded()?; // a second time is no error
    drop(shell);
    child.close()?;
    sibling.close()?;
    active.close()?;
    Ok(())
}

/// T23, T74: a peer took the refusal to list processes for an empty list.
fn a_thread_lives_in_a_threaded_cgroup_and_its_process_in_the_domain() -> Outcome {
    let active = fresh()?;
    let parent = only_v2(&active)?;
    let child = parent.create_threaded_child("threads")?;
    let shell = Shell::inside(&parent, "")?;
    let pid = shell.pid();
    assert_eq!((parent.threads()?, child.threads()?), (vec![pid], vec![]));
    child.add_thread(pid)?;
    assert_eq!((parent.threads()?, child.threads()?), (vec![], vec![pid]));
    assert_eq!(parent.all_threads()?, [pid]);
    assert_eq!(parent.pids()?, [pid]);
    assert_eq!(parent.all_pids()?, [pid]);
    says(&child.pids().unwrap_err(), ErrorKind::Unsupported, "the domain above it lists them");
    says(&child.all_pids().unwrap_err(), ErrorKind::Unsupported, "the domain above it lists them");
    // Removal names who is there, too.
    let error = active.remove_within(std::time::Duration::ZERO).unwrap_err();
    says(&error, ErrorKind::Busy, &format!("process {pid} lives there"));
    drop(shell);
    child.close()?;
    active.close()?;
    Ok(())
}

fn a_thread_of_another_domain_is_refused_and_stays_where_it_was() -> Outcome {
    let active = fresh()?;
    let child = only_v2(&active)?.create_threaded_child("threads")?;
    let shell = Shell::new("")?;
    let before = shell.membership()?;
    says(&child.add_thread(shell.pid()).unwrap_err(), ErrorKind::Unsupported, "another domain");
    assert_eq!(shell.membership()?, before);
    drop(shell);
    child.close()?;
    active.close()?;
    Ok(())
}

/// T24.
fn only_what_can_count_threads_limits_a_threaded_cgroup() -> Outcome {
    let active = fresh()?;
    let parent = only_v2(&active)?;
    let shell = Shell::inside(&parent, "")?; // a domain of threads may have processes and hand down
    let child = parent.create_threaded_child("threads")?;
    child.add_thread(shell.pid())?;
    let mut resources = Resources::default();
    resources.memory.get_or_insert_default().limit = Some(64 << 20);
    says(
        &child.set(&resources).unwrap_err(),
        ErrorKind::NoController,
        "only cpu, cpuset, perf_event and pids",
    );
    let mut resources = Resources::default();
    resources.unified.insert("memory.max".to_owned(), "64M".to_owned());
    says(
        &child.set(&resources).unwrap_err(),
        ErrorKind::NoController,
        "only cpu, cpuset, perf_event and pids",
    );
    let here = parent.controllers()?;
    let threaded = |word: &&String| ["cpu", "cpuset", "perf_event", "pids"].contains(&word.as_str());
    let wanted: Vec<_> = here.iter().filter(threaded).cloned().collect();
    assert_eq!(child.controllers()?.into_iter().collect::<Vec<_>>(), wanted);
    if here.contains("cpu") {
        let mut resources = Resources::default();
        resources.cpu.get_or_insert_default().quota = Some(50_000);
        child.set(&resources)?;
        assert!(fs::read_to_string(v2(&child)?.join("cpu.max"))?.starts_with("50000 "));
    }
    drop(shell);
    child.close()?;
    active.close()?;
    Ok(())
}

/// T23: the kernel says "Operation not supported" to everything.
fn what_keeps_a_cgroup_from_being_threaded_is_told() -> Outcome {
    let active = fresh()?;
    let parent = only_v2(&active)?;
    let full = parent.create_child("full")?;
    let shell = Shell::inside(&full, "")?;
    says(&full.make_threaded().unwrap_err(), ErrorKind::Busy, "processes live in it");
    drop(shell);
    assert_eq!(full.cgroup_type()?, Some(CgroupType::Domain));
    let handed_down = fs::read_to_string(v2(&parent)?.join("cgroup.subtree_control"))?;
    let domain = |word: &&str| !["cpu", "cpuset", "perf_event", "pids"].contains(word);
    let result = match handed_down.split_whitespace().find(domain) {
        Some(controller) => {
            let error = full.make_threaded().unwrap_err();
            says(&error, ErrorKind::Unsupported, controller);
            says(&error, ErrorKind::Unsupported, "its parent hands ");
            Ok(())
        }
        None => Err(ignored("no controller of whole processes to hand down; the rest passed")),
    };
    full.close()?;
    if let Ok(v1) = only_v1(&active) {
        says(&v1.make_threaded().unwrap_err(), ErrorKind::Unsupported, "no v2 hierarchy");
        assert_eq!(v1.cgroup_type()?, None);
    }
    active.close()?;
    result
}

/// T16: signals go to processes, which a threaded cgroup doesn't have.
fn a_threaded_cgroup_can_not_be_killed_and_says_so() -> Outcome {
    let active = fresh()?;
    let parent = only_v2(&active)?;
    let child = parent.create_threaded_child("threads")?;
    let mut shell = Shell::inside(&parent, "")?;
    child.add_thread(shell.pid())?;
    says(&child.kill().unwrap_err(), ErrorKind::Unsupported, "the domain above it");
    assert!(!child.frozen()?, "thawed again");
    assert!(shell.0.try_wait()?.is_none(), "it lives");
    parent.kill()?;
    assert!(!shell.0.wait()?.success());
    child.close()?;
    active.close()?;
    Ok(())
}

fn one_thread_of_many_is_moved_on_v1() -> Outcome {
    let active = fresh()?;
    let v1 = only_v1(&active)?;
    let (number, told) = mpsc::channel();
    let (end, wait) = mpsc::channel::<()>();
    let worker = thread::spawn(move || {
        let _ = number.send(gettid().as_raw() as u32);
        let _ = wait.recv();
    });
    let tid = told.recv()?;
    let before = fs::read_to_string(format!("/proc/{tid}/cgroup"))?;
    if active.paths().contains_key("") {
        // v2 refuses the thread of another domain, and v1 is not left half done.
        says(&active.add_thread(tid).unwrap_err(), ErrorKind::Unsupported, "another domain");
        assert_eq!(fs::read_to_string(format!("/proc/{tid}/cgroup"))?, before);
    }
    v1.add_thread(tid)?;
    assert_eq!(v1.threads()?, [tid]);
    for path in v1.paths().values() {
        assert_eq!(fs::read_to_string(path.join("tasks"))?, format!("{tid}\n"));
    }
    drop(end);
    worker.join().expect("no panic");
    active.close()?;
    Ok(())
}

fn no_thread_zero() -> Outcome {
    let active = fresh()?;
    assert_eq!(active.add_thread(0).unwrap_err().kind(), ErrorKind::InvalidInput);
    active.close()?;
    Ok(())
}

//! Cgroups of running processes, cgroups beneath them, and processes born there.

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use cgroups::{Cgroup, ErrorKind, Hierarchies, Layout};
use grounds::faults::Refused;
use grounds::{Outcome, Stop, Test, ignored, test};
use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;

use crate::scene::{Shell, eventually, fresh, hierarchies, only_v2, says, v1_alone, v2, v2_alone};

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
        the_cgroup_of_a_process_is_found
        a_cgroup_beneath_another_stays_beneath_it
        those_that_vanish_below_are_passed_over
        a_process_is_born_or_added_and_is_in_every_hierarchy
    }
    as_mounted! {
        a_process_that_has_ended_has_no_cgroup
        a_process_outside_of_the_namespace_has_no_cgroup
        without_clone3_a_process_is_added
        what_can_not_be_born_into_is_explained_by_adding
    }
    tests
}

/// T28: a colon belongs to the path.
fn the_cgroup_of_a_process_is_found() -> Outcome {
    let active = fresh()?;
    let odd = active.create_child("a:b c")?;
    let shell = Shell::inside(&odd, "")?;
    assert_eq!(Cgroup::of(shell.pid())?.paths(), odd.paths());
    assert_eq!(Cgroup::of(std::process::id())?.paths(), &hierarchies()?.own());
    assert_eq!(Cgroup::of(0).unwrap_err().kind(), ErrorKind::InvalidInput);
    drop(shell);
    odd.close()?;
    active.close()?;
    Ok(())
}

/// T28: the kernel writes " (deleted)" behind the path.
fn a_process_that_has_ended_has_no_cgroup() -> Outcome {
    let active = fresh()?;
    let directory = v2(&active)?;
    let mut shell = Shell::inside(&active, "")?;
    shell.0.kill()?;
    active.close()?;
    // Nobody has waited for it yet.
    eventually(|| shell.membership().is_ok_and(|text| text.contains(" (deleted)")));
    assert!(!directory.exists());
    let error = Cgroup::of(shell.pid()).unwrap_err();
    says(&error, ErrorKind::NotFound, &format!("find cgroup of process {}", shell.pid()));
    shell.0.wait()?;
    assert_eq!(Cgroup::of(shell.pid()).unwrap_err().kind(), ErrorKind::NotFound);
    Ok(())
}

/// Brings the test's process back to where it was.
struct Home(Cgroup);

impl Home {
    /// Moves the test's process.
    fn left_for(cgroup: &Cgroup) -> Result<Home, Stop> {
        let home = Home(Cgroup::of(std::process::id())?);
        cgroup.add(std::process::id())?;
        Ok(home)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        drop(self.0.add(std::process::id()));
    }
}

/// T28, T82: such a path begins with "/.."; joined to the mount point it would lead anywhere.
fn a_process_outside_of_the_namespace_has_no_cgroup() -> Outcome {
    let (active, other) = (fresh()?, fresh()?);
    v2(&active)?;
    let shell = Shell::inside(&other, "")?;
    {
        let _home = Home::left_for(&active)?;
        thread::scope(|scope| {
            let inside = || -> Outcome {
                unshare(CloneFlags::CLONE_NEWCGROUP)?;
                grounds::mountns()?;
                if hierarchies()?.layout() == Layout::V2 {
                    umount2("/sys/fs/cgroup", MntFlags::MNT_DETACH)?;
                }
                mount(Some("cgroup2"), "/sys/fs/cgroup", Some("cgroup2"), MsFlags::empty(), None::<&str>)?;
                let text = shell.membership()?;
                assert!(text.contains(":/../"), "{text}");
                says(&Cgroup::of(shell.pid()).unwrap_err(), ErrorKind::NotFound, "not in what is mounted");
                assert!(Hierarchies::detect()?.own()[""].ends_with("cgroup"));
                Ok(())
            };
            scope.spawn(inside).join().expect("no panic")
        })?;
    }
    drop(shell);
    other.close()?;
    active.close()?;
    Ok(())
}

/// T79.
fn a_cgroup_beneath_another_stays_beneath_it() -> Outcome {
    let active = fresh()?;
    let child = active.create_child("a/b")?;
    for (key, path) in child.paths() {
        assert_eq!(path, &active.paths()[key].join("a/b"));
        assert!(path.is_dir());
    }
    for path in ["..", "../x", "a/../../x", "", "/", "cgroup.procs", "a/tasks", "release_agent"] {
        assert_eq!(active.create_child(path).unwrap_err().kind(), ErrorKind::InvalidInput, "{path}");
        assert_eq!(active.create_threaded_child(path).unwrap_err().kind(), ErrorKind::InvalidInput, "{path}");
        assert_eq!(active.vacate(path).unwrap_err().kind(), ErrorKind::InvalidInput, "{path}");
    }
    child.close()?;
    assert!(active.paths().values().all(|path| path.is_dir() && !path.join("a").exists()));
    let paths = active.paths().clone();
    active.close()?;
    let gone = Cgroup::open(paths)?;
    assert_eq!(gone.create_child("x").unwrap_err().kind(), ErrorKind::NotFound);
    Ok(())
}

/// T76.
fn those_that_vanish_below_are_passed_over() -> Outcome {
    let active = fresh()?;
    let deep = active.create_child("stays/deep")?;
    let shell = Shell::inside(&deep, "")?;
    let over = AtomicBool::new(false);
    let result = thread::scope(|scope| {
        let changes = scope.spawn(|| -> cgroups::Result<()> {
            while !over.load(Ordering::Relaxed) {
                active.create_child("comes/and/goes")?.close()?;
            }
            Ok(())
        });
        let looks: cgroups::Result<Vec<_>> =
            (0..grounds::times(300)).map(|_| Ok((active.all_pids()?, active.all_threads()?))).collect();
        over.store(true, Ordering::Relaxed);
        changes.join().expect("no panic")?;
        looks
    });
    let alone = vec![shell.pid()];
    assert!(result?.into_iter().all(|(pids, tids)| pids == alone && tids == alone));
    drop(shell);
    deep.close()?;
    active.close()?;
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

/// Clones a process that does nothing; into the cgroup, if one is given.
fn clone3(dir: Option<BorrowedFd<'_>>) -> io::Result<u32> {
    const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
    let args = CloneArgs {
        flags: dir.map_or(0, |_| CLONE_INTO_CGROUP),
        exit_signal: libc::SIGCHLD as u64,
        cgroup: dir.map_or(0, |dir| dir.as_raw_fd() as u64),
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
    Ok(Errno::result(pid)? as u32)
}

/// The same where there is no clone3.
fn fork(dir: Option<BorrowedFd<'_>>) -> io::Result<u32> {
    match clone3(dir) {
        Err(error) if error.raw_os_error() == Some(libc::ENOSYS) && dir.is_none() => {}
        result => return result,
    }
    // SAFETY: the child does nothing but wait for its end.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        loop {
            // SAFETY: the call takes nothing and is safe in a child of many threads.
            unsafe { libc::pause() };
        }
    }
    Ok(Errno::result(pid)? as u32)
}

/// Starts a process in the cgroup, as the documentation of `v2_dir` says; also whether it was born there.
fn start_in(cgroup: &Cgroup) -> Result<(u32, bool), Stop> {
    let dir = cgroup.v2_dir()?;
    match dir.as_ref().map(|dir| fork(Some(dir.as_fd()))) {
        Some(Err(error)) if !Cgroup::clone_into_refused(&error) => Err(error.into()),
        Some(Ok(pid)) => Ok((pid, true)),
        _ => {
            let pid = fork(None)?;
            match cgroup.add(pid) {
                Ok(()) => Ok((pid, false)),
                Err(error) => {
                    end(pid)?;
                    Err(Stop::Failed(error.to_string()))
                }
            }
        }
    }
}

fn end(pid: u32) -> Outcome {
    let pid = Pid::from_raw(pid as i32);
    kill(pid, Signal::SIGKILL)?;
    waitpid(pid, None)?;
    Ok(())
}

/// T29, T30.
fn a_process_is_born_or_added_and_is_in_every_hierarchy() -> Outcome {
    let active = fresh()?;
    let (pid, born) = start_in(&active)?;
    let found = Cgroup::of(pid);
    end(pid)?;
    assert_eq!(found?.paths(), active.paths());
    // A filter or an old kernel may refuse clone3 on any layout.
    assert!(!born || hierarchies()?.layout() == Layout::V2);
    active.close()?;
    Ok(())
}

/// T30.
fn without_clone3_a_process_is_added() -> Outcome {
    let active = fresh()?;
    let v2 = only_v2(&active)?;
    Refused::new().call("clone3", Errno::ENOSYS).install()?;
    let (pid, born) = start_in(&v2)?;
    let pids = v2.pids();
    end(pid)?;
    assert!(!born);
    assert_eq!(pids?, [pid]);
    active.close()?;
    Ok(())
}

/// T30, T21.
fn what_can_not_be_born_into_is_explained_by_adding() -> Outcome {
    grounds::calls(&["clone3"])?;
    let active = fresh()?;
    let parent = only_v2(&active)?;
    let threaded = parent.create_threaded_child("threads")?;
    let invalid = parent.create_child("invalid")?;
    match start_in(&invalid) {
        Err(Stop::Failed(why)) => assert!(why.contains("threaded"), "{why}"),
        other => panic!("{other:?}"),
    }
    invalid.close()?;
    threaded.close()?;
    let other = fresh()?;
    let parent = only_v2(&other)?;
    let child = parent.create_child("child")?;
    let handed_down = !fs::read_to_string(v2(&parent)?.join("cgroup.subtree_control"))?.trim().is_empty();
    if handed_down {
        match start_in(&parent) {
            Err(Stop::Failed(why)) => assert!(why.contains("hands controllers down"), "{why}"),
            other => panic!("{other:?}"),
        }
    }
    child.close()?;
    other.close()?;
    active.close()?;
    if handed_down { Ok(()) } else { Err(ignored("no controller to hand down; the rest passed")) }
}

//! Maps of ids for real: user namespaces that are made, and mounts that show other owners.
#![allow(unsafe_code)]

use std::fs::{self, File};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;
use std::process::ExitCode;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

use grounds::{Outcome, Stop, ignored, tests};
use mount::{Attributes, ErrorKind, FsContext, IdMap, IdRange};

fn main() -> ExitCode {
    grounds::run_as_root(tests![
        a_map_is_that_of_its_namespace,
        a_namespace_without_a_map_of_groups_has_none,
        as_many_ranges_as_the_kernel_takes_are_taken,
        a_map_that_is_not_ours_to_make_is_refused_with_the_reason,
        the_embedder_sees_no_child_and_no_signal,
        the_embedder_may_wait_for_its_own_children_meanwhile,
        many_threads_make_namespaces_at_once,
        signals_of_the_whole_group_do_no_harm,
        a_mount_shows_the_owners_of_its_map,
        a_pid_namespace_in_the_making_is_left_alone,
    ])
}

/// A map that whoever runs this may make: of 65,536 ids, or of the one that there is.
fn map() -> IdMap {
    let text = if grounds::root().is_ok() { "b:0:100000:65536" } else { "b:0:0:1" };
    text.parse().unwrap()
}

/// The map of a namespace, as a process in it would read it.
fn ground() -> Outcome {
    grounds::mountns()?;
    match map().user_namespace() {
        Ok(_) => Ok(()),
        Err(error) if grounds::root().is_err() => Err(ignored(error)),
        Err(error) => Err(error.into()),
    }
}

/// Reads the map from inside, in a child that enters the namespace and prints it.
fn read_inside(map: &IdMap) -> Result<(String, String), Stop> {
    let namespace = map.user_namespace()?;
    let path =
        format!("--user=/proc/{}/fd/{}", std::process::id(), std::os::fd::AsRawFd::as_raw_fd(&namespace));
    let output = std::process::Command::new("nsenter")
        .args([&path, "--preserve-credentials", "cat", "/proc/self/uid_map", "/proc/self/gid_map"])
        .output()?;
    if !output.status.success() {
        return Err(ignored(String::from_utf8_lossy(&output.stderr).trim_end()));
    }
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(":");
    let text = String::from_utf8(output.stdout)?;
    let lines: Vec<_> = text.lines().map(words).collect();
    let (uids, gids) = lines.split_at(map.uids().len());
    Ok((uids.join(" "), gids.join(" ")))
}

fn a_map_is_that_of_its_namespace() -> Outcome {
    ground()?;
    if grounds::root().is_err() {
        assert_eq!(read_inside(&map())?, ("0:0:1".to_owned(), "0:0:1".to_owned()));
        return Ok(());
    }
    let map: IdMap = "u:0:100000:1000 u:5000:7:3 g:0:200000:5".parse()?;
    assert_eq!(read_inside(&map)?, ("0:100000:1000 5000:7:3".to_owned(), "0:200000:5".to_owned()));
    Ok(())
}

fn a_namespace_without_a_map_of_groups_has_none() -> Outcome {
    ground()?;
    let uids = map().uids().to_vec();
    let (_, gids) = read_inside(&IdMap::new(uids, [])?)?;
    assert_eq!(gids, "");
    Ok(())
}

fn as_many_ranges_as_the_kernel_takes_are_taken() -> Outcome {
    grounds::root()?;
    // In a page of 4,096 bytes there is no room for 340 of them with large numbers.
    let few = (0..200).map(|id| IdRange { inside: id, outside: 100_000 + id, length: 1 });
    IdMap::new(few, [])?.user_namespace()?;
    let small = (0..340).map(|id| IdRange { inside: id, outside: id, length: 1 });
    IdMap::new(small, [])?.user_namespace()?;
    let large =
        (0..340).map(|id| IdRange { inside: 4_000_000_000 + id, outside: 3_000_000_000 + id, length: 1 });
    match IdMap::new(large, [])?.user_namespace() {
        Err(error) => assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}"),
        Ok(_) => return Err(ignored("pages are larger here")),
    }
    Ok(())
}

fn a_map_that_is_not_ours_to_make_is_refused_with_the_reason() -> Outcome {
    ground()?;
    if grounds::root().is_ok() {
        return Err(ignored("root may map all ids"));
    }
    let error = "b:0:100000:65536".parse::<IdMap>()?.user_namespace().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    let text = r#"make a user namespace: write "uid_map": these ids are not this user's to map"#;
    assert!(error.to_string().starts_with(text), "{error}");
    Ok(())
}

static SIGNALS: AtomicUsize = AtomicUsize::new(0);

extern "C" fn count(_: libc::c_int) {
    SIGNALS.fetch_add(1, Ordering::Relaxed);
}

fn handle(signal: libc::c_int) {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: all zeroes are a valid action.
    let action = unsafe { action.assume_init_mut() };
    action.sa_sigaction = count as *const () as usize;
    // SAFETY: the handler only counts.
    assert_eq!(unsafe { libc::sigaction(signal, action, ptr::null_mut()) }, 0);
}

fn the_embedder_sees_no_child_and_no_signal() -> Outcome {
    ground()?;
    handle(libc::SIGCHLD);
    let before = fs::read_dir("/proc/self/fd")?.count();
    for _ in 0..grounds::times(100) {
        map().user_namespace()?;
        // SAFETY: waits for nothing in particular, and gets no status.
        let waited = unsafe { libc::waitpid(-1, ptr::null_mut(), libc::WNOHANG) };
        assert_eq!((waited, io::Error::last_os_error().raw_os_error()), (-1, Some(libc::ECHILD)));
    }
    assert_eq!(SIGNALS.load(Ordering::Relaxed), 0);
    assert_eq!(fs::read_dir("/proc/self/fd")?.count(), before);
    Ok(())
}

fn the_embedder_may_wait_for_its_own_children_meanwhile() -> Outcome {
    ground()?;
    let mut sleep = std::process::Command::new("sleep").arg("1").spawn()?;
    let waiter = std::thread::spawn(move || {
        // SAFETY: waits for any child, and gets no status.
        unsafe { libc::waitpid(-1, ptr::null_mut(), 0) }
    });
    while !waiter.is_finished() {
        map().user_namespace()?;
    }
    assert_eq!(waiter.join().unwrap(), sleep.id() as libc::c_int);
    let _ = sleep.wait();
    Ok(())
}

fn many_threads_make_namespaces_at_once() -> Outcome {
    ground()?;
    std::thread::scope(|scope| {
        let make = || (0..grounds::times(50)).try_for_each(|_| map().user_namespace().map(drop));
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(make)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().unwrap())
    })?;
    Ok(())
}

fn signals_of_the_whole_group_do_no_harm() -> Outcome {
    // A handler that ran in the child as well would count twice: it has the same memory.
    ground()?;
    // SAFETY: takes nothing; a group of its own, so that no other process gets the signals.
    unsafe { libc::setpgid(0, 0) };
    handle(libc::SIGUSR1);
    let sent = grounds::times(2000);
    std::thread::scope(|scope| {
        let maker =
            scope.spawn(|| (0..grounds::times(200)).try_for_each(|_| map().user_namespace().map(drop)));
        for _ in 0..sent {
            // SAFETY: plain numbers.
            unsafe { libc::kill(0, libc::SIGUSR1) };
            std::thread::yield_now();
        }
        maker.join().unwrap()
    })?;
    assert!(SIGNALS.load(Ordering::Relaxed) <= sent, "{SIGNALS:?} of {sent}");
    Ok(())
}

fn a_mount_shows_the_owners_of_its_map() -> Outcome {
    grounds::calls(&["fsopen", "mount_setattr", "move_mount"])?;
    ground()?;
    let map = if grounds::root().is_ok() { "u:0:1000:10 g:0:2000:10".parse()? } else { map() };
    let tmpfs = FsContext::open("tmpfs")?.create()?.mount(Attributes::empty())?;
    match tmpfs.map_ids(map.user_namespace()?.as_fd()) {
        Err(error) if error.kind() == ErrorKind::Unsupported => return Err(ignored(error)),
        result => result?,
    }
    tmpfs.attach("/tmp")?;
    let owner = |path: &str| fs::metadata(path).map(|file| (file.uid(), file.gid()));
    if grounds::root().is_err() {
        assert_eq!(owner("/tmp")?, (0, 0));
        return Ok(());
    }
    assert_eq!(owner("/tmp")?, (1000, 2000));
    File::create("/tmp/file").expect_err("0 is no id that this mount has");
    assert!(Path::new("/tmp").is_dir());
    chown("/tmp", Some(1003), Some(2004))?;
    assert_eq!(owner("/tmp")?, (1003, 2004));
    chown("/tmp", Some(0), None).expect_err("0 is no id that this mount has");
    Ok(())
}

fn a_pid_namespace_in_the_making_is_left_alone() -> Outcome {
    ground()?;
    // SAFETY: plain numbers; only the children of this process are concerned.
    if unsafe { libc::unshare(libc::CLONE_NEWPID) } != 0 {
        return Err(ignored(format!("no new pid namespace: {}", io::Error::last_os_error())));
    }
    let error = map().user_namespace().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    // Its first process can still be made.
    assert!(std::process::Command::new("true").status()?.success());
    Ok(())
}

//! The program that starts containers: nothing of it changes, whatever its threads do.

use std::collections::BTreeMap;
use std::fs;
use std::hint::black_box;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use grounds::{Outcome, Stop, tests};
use libcontainer::seccomp::{Action, Rule, Seccomp};
use libcontainer::{Container, ExitStatus, Hook, Io};

mod shell;

use shell::Shell;

/// All that could change: of the process, of this thread, and how much of it there is.
fn everything() -> Result<BTreeMap<String, String>, Stop> {
    let mut all = BTreeMap::new();
    // Volatile: memory, context switches, the processors it ran on, the signals queued for all of a user's
    // processes.
    let volatile = [
        "Vm",
        "Rss",
        "Hugetlb",
        "nonvoluntary",
        "voluntary",
        "Cpus_allowed",
        "Mems_allowed",
        "State",
        "SigQ",
        "Speculation",
    ];
    for line in fs::read_to_string("/proc/thread-self/status")?.lines() {
        if !volatile.iter().any(|prefix| line.starts_with(prefix)) {
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            all.insert(name.to_owned(), value.trim().to_owned());
        }
    }
    for kind in
        ["mnt", "uts", "ipc", "pid", "pid_for_children", "net", "cgroup", "user", "time", "time_for_children"]
    {
        if let Ok(namespace) = fs::read_link(format!("/proc/thread-self/ns/{kind}")) {
            all.insert(kind.to_owned(), namespace.to_string_lossy().into_owned());
        }
    }
    all.insert("cwd".to_owned(), std::env::current_dir()?.to_string_lossy().into_owned());
    all.insert("root".to_owned(), fs::read_link("/proc/thread-self/root")?.to_string_lossy().into_owned());
    all.insert("dumpable".to_owned(), nix::sys::prctl::get_dumpable()?.to_string());
    for file in ["oom_score_adj", "limits", "cgroup", "coredump_filter", "mountinfo", "task"] {
        let path = format!("/proc/self/{file}");
        let text =
            fs::read_to_string(&path).or_else(|_| Ok::<_, Stop>(fs::read_dir(&path)?.count().to_string()))?;
        all.insert(file.to_owned(), text);
    }
    all.insert("environment".to_owned(), format!("{:?}", std::env::vars_os().collect::<Vec<_>>()));
    all.insert("descriptors".to_owned(), fs::read_dir("/proc/self/fd")?.count().to_string());
    let id = std::process::id();
    let children = fs::read_dir("/proc/self/task")?
        .filter_map(|task| fs::read_to_string(task.ok()?.path().join("children")).ok());
    all.insert(format!("children of {id}"), children.collect());
    Ok(all)
}

fn the_embedder_is_what_it_was() -> Outcome {
    let shell = Shell::new("exit 0")?;
    // The first start makes the image, which stays: one descriptor.
    assert!(Container::run(&shell.config, Io::default())?.wait()?.success());
    let before = everything()?;
    for round in 0..50 {
        match round % 5 {
            0 => drop(Container::create(&shell.config, Io::default())?),
            1 => assert!(
                Container::run(&Shell::program(&["/no/such/program"])?.config, Io::default()).is_err()
            ),
            2 => {
                let sleeper = Shell::program(&["sleep", "100"])?;
                let container = Container::run(&sleeper.config, Io::default())?;
                assert!(container.exec(&shell.config.process, Io::default())?.wait()?.success());
            }
            _ => assert!(Container::run(&shell.config, Io::default())?.wait()?.success()),
        }
    }
    let after = everything()?;
    for (name, value) in &before {
        assert_eq!(after.get(name), Some(value), "{name}");
    }
    assert_eq!(before.len(), after.len());
    Ok(())
}

/// A child that was forked from a program whose threads allocate hangs on a lock that nobody holds any
/// more: other ways to start a container failed 32 times of 60 here.
fn two_hundred_start_beside_sixty_threads_that_allocate() -> Outcome {
    let shell = Shell::program(&["true"])?;
    let start = |_| -> Outcome {
        let status = Container::run(&shell.config, Io::default())?.wait()?;
        assert!(status.success(), "{status}");
        Ok(())
    };
    // As fast as they can, the threads leave little of the processors; mostly they pause in between.
    beside_allocations(grounds::times(192), Duration::from_millis(3), &start)?;
    beside_allocations(grounds::times(8), Duration::ZERO, &start)
}

/// Each is started, joined and killed: with a user namespace, a terminal, a filter of system calls, a hook, or none of
/// them. The environment's `STARTS` says how many there are.
fn all_kinds_start_and_are_joined_beside_sixty_threads_that_allocate() -> Outcome {
    let sleeping = || Shell::program(&["sleep", "1000"]);
    let mut kinds = [sleeping()?, sleeping()?, sleeping()?, sleeping()?, sleeping()?];
    kinds[1].config = std::mem::take(&mut kinds[1].config).rootless();
    kinds[2].config.process.terminal = true;
    let mut seccomp = Seccomp::new(Action::Allow);
    seccomp.rules.push(Rule::new(["reboot"], Action::KillProcess));
    kinds[3].config.process.seccomp = Some(seccomp);
    kinds[4].config.hooks.create_runtime.push(Hook::new("/bin/true"));
    let wanted = std::env::var("STARTS").ok().and_then(|count| count.parse().ok());
    beside_allocations(wanted.unwrap_or(grounds::times(100)), Duration::from_millis(3), &|number| {
        let mut container = Container::run(&kinds[number % kinds.len()].config, Io::default())?;
        let mut process = container.config().process.clone();
        process.args = vec!["true".to_owned()];
        let status = container.exec(&process, Io::default())?.wait()?;
        assert!(status.success(), "{status}");
        container.signal(libc::SIGKILL)?;
        assert_eq!(container.wait()?, ExitStatus::Signaled(libc::SIGKILL));
        Ok(())
    })
}

/// Does something so many times from four threads, and tells how long it took.
fn beside_allocations(times: usize, pause: Duration, act: &(dyn Fn(usize) -> Outcome + Sync)) -> Outcome {
    act(0)?; // the first one makes the image
    let (over, next) = (AtomicBool::new(false), AtomicUsize::new(0));
    let begin = Instant::now();
    let mut slowest = Duration::ZERO;
    thread::scope(|scope| {
        for size in 0..grounds::times(60) {
            let over = &over;
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    let blocks: Vec<_> = (0..64).map(|count| vec![1_u8; 16 + size * 64 + count]).collect();
                    black_box(&blocks);
                    drop(blocks);
                    if !pause.is_zero() {
                        thread::sleep(pause);
                    }
                }
            });
        }
        // Whatever comes, the threads must end.
        let starters: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut slowest = Duration::ZERO;
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= times {
                            return Ok::<_, Stop>(slowest);
                        }
                        let begin = Instant::now();
                        act(number)?;
                        slowest = slowest.max(begin.elapsed());
                    }
                })
            })
            .collect();
        let ended: Vec<_> = starters.into_iter().map(thread::ScopedJoinHandle::join).collect();
        over.store(true, Ordering::Relaxed);
        for one in ended {
            slowest = slowest.max(one.expect("no panic")?);
        }
        Ok::<_, Stop>(())
    })?;
    eprintln!("{times} times in {:?}, the slowest {slowest:?}", begin.elapsed());
    Ok(())
}

fn main() -> ExitCode {
    grounds::run(tests![
        the_embedder_is_what_it_was,
        two_hundred_start_beside_sixty_threads_that_allocate,
        all_kinds_start_and_are_joined_beside_sixty_threads_that_allocate,
    ])
}

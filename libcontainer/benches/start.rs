//! How long a container takes from its start to its end, in a small program and in a large one whose
//! threads allocate: `cargo bench -p libcontainer --bench start -- GIB THREADS STARTS`.
//!
//! Beside it, in the same run: what the kernel asks for. The program alone, started by vfork and exec, and
//! the same by unshare(1), which makes the same namespaces and does nothing else.

#![allow(missing_docs)]

use std::hint::black_box;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio as CommandStdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use grounds::Rootfs;
use libcontainer::{Config, Container, Io, Mount};

const PROGRAM: &str = "/usr/bin/true";

fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|argument| argument.parse::<usize>().ok());
    let gib = numbers.next().unwrap_or(4);
    let threads = numbers.next().unwrap_or(60);
    let starts = numbers.next().unwrap_or(100);
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }

    if std::env::args().any(|argument| argument == "--load") {
        // The load of another program, until whoever started it is gone.
        among(threads, || std::io::copy(&mut std::io::stdin(), &mut std::io::sink()))
            .expect("standard input can be read");
        return;
    }

    let rootfs = Rootfs::new().expect("a folder for temporary files");
    let mut config = Config::new(rootfs.path());
    if !nix::unistd::geteuid().is_root() {
        config = config.rootless();
    }
    for path in rootfs.binds() {
        let mut mount = Mount::default();
        (mount.source, mount.destination) = (path.clone(), path.clone());
        mount.options = ["rbind", "ro"].map(str::to_owned).to_vec();
        config.mounts.push(mount);
    }
    config.process.args = vec![PROGRAM.to_owned()];

    println!("median of {starts} starts with their waits, in ms\n");
    println!(
        "| the program that starts | {PROGRAM}, by vfork and exec | the same in new namespaces | a whole container |"
    );
    println!("|---|---|---|---|");
    let small = row("small", &config, starts);
    let beside = beside(threads, || {
        row(&format!("small, beside a program with {threads} threads that allocate"), &config, starts)
    });
    let memory = touched(gib);
    let large = row(&format!("{gib} GiB touched"), &config, starts);
    let full = among(threads, || {
        row(&format!("{gib} GiB touched and {threads} threads that allocate"), &config, starts)
    });
    black_box(&memory);
    println!();
    compare("memory", &large, &small);
    compare("memory and threads, processors equally busy", &full, &beside);
}

fn compare(name: &str, large: &[Duration; 3], small: &[Duration; 3]) {
    let [bare, namespaces, container] = [0, 1, 2].map(|at| large[at].as_secs_f64() / small[at].as_secs_f64());
    println!(
        "{name}: {container:.2} times the small program's; the floors {bare:.2} and {namespaces:.2} times"
    );
}

fn row(name: &str, config: &Config, starts: usize) -> [Duration; 3] {
    let container = || {
        let mut container = Container::run(config, Io::default()).expect("the container starts");
        assert!(container.wait().expect("it is a child").success());
    };
    let medians = [median(starts, bare), median(starts, namespaces), median(starts, container)];
    let [bare, namespaces, container] = medians.map(|median| median.as_secs_f64() * 1e3);
    println!("| {name} | {bare:.2} | {namespaces:.2} | {container:.2} |");
    medians
}

fn median(starts: usize, mut start: impl FnMut()) -> Duration {
    let mut times: Vec<_> = (0..starts)
        .map(|_| {
            let begin = Instant::now();
            start();
            begin.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[starts / 2]
}

/// The standard library starts programs by vfork where it may.
fn bare() {
    let status = Command::new(PROGRAM).stdin(CommandStdio::null()).status();
    assert!(status.is_ok_and(|status| status.success()));
}

/// unshare(1) is such a program: small, and it does nothing but make namespaces.
fn namespaces() {
    let mut command = Command::new("unshare");
    command.arg0("unshare").args(["--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--fork"]);
    if !nix::unistd::geteuid().is_root() {
        command.arg("--map-root-user");
    }
    let status = command.args(["--propagation", "unchanged", PROGRAM]).stdin(CommandStdio::null()).status();
    assert!(status.is_ok_and(|status| status.success()));
}

/// Memory of which every page is there.
fn touched(gib: usize) -> Vec<Vec<u8>> {
    (0..gib * 16).map(|_| vec![1_u8; 64 << 20]).collect()
}

/// Does something beside another program with so many threads that allocate: they take the processors, and
/// nothing else is theirs.
fn beside<T>(threads: usize, act: impl FnOnce() -> T) -> T {
    let own = std::env::current_exe().expect("this program has a path");
    let mut other = Command::new(own)
        .args(["0", &threads.to_string(), "0", "--load"])
        .stdin(CommandStdio::piped())
        .spawn()
        .expect("this program can be started");
    let done = act();
    drop(other.stdin.take());
    assert!(other.wait().is_ok_and(|status| status.success()));
    done
}

/// Does something among threads that allocate as fast as they can.
fn among<T>(threads: usize, act: impl FnOnce() -> T) -> T {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for size in 0..threads {
            let over = &over;
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    let blocks: Vec<_> = (0..64).map(|count| vec![1_u8; 16 + size * 64 + count]).collect();
                    black_box(&blocks);
                    drop(blocks);
                }
            });
        }
        let done = act();
        over.store(true, Ordering::Relaxed);
        done
    })
}

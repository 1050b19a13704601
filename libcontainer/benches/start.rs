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
    let memory = touched(gib);
    let large = row(&format!("{gib} GiB touched"), &config, starts);
    let pausing = among(threads, Duration::from_millis(3), || {
        row(&format!("{gib} GiB, {threads} threads that allocate and pause"), &config, starts)
    });
    let full = among(threads, Duration::ZERO, || {
        row(&format!("{gib} GiB, {threads} threads that allocate and nothing else"), &config, starts)
    });
    black_box(&memory);
    println!();
    for (name, row) in [("large", large), ("threads that pause", pausing), ("threads that don't", full)] {
        let ratio = |at: usize| row[at].as_secs_f64() / small[at].as_secs_f64();
        println!(
            "{name}: {:.2} times the small one; the floors {:.2} and {:.2} times",
            ratio(2),
            ratio(0),
            ratio(1)
        );
    }
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

/// Does something beside threads that allocate as fast as they can, and pause for so long after 64 blocks.
/// Without a pause they take the processors too, for which the floors wait as well.
fn among<T>(threads: usize, pause: Duration, act: impl FnOnce() -> T) -> T {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for size in 0..threads {
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
        let done = act();
        over.store(true, Ordering::Relaxed);
        done
    })
}

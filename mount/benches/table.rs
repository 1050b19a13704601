//! Reading the mount table, against reading the file alone, splitting it into slices, and other libraries.
//!
//! ```sh
//! cargo bench -p mount --bench table               # 1,000 and 10,000 mounts, as root
//! cargo bench -p mount --bench table -- 300        # as many as you like
//! strace -c -f TARGET/release/deps/table-… once table 1000   # one of them alone
//! ```
//!
//! The mounts are made in a mount namespace of its own. All contestants take turns in each round, and each
//! line is the median of its rounds. Go's moby/sys and C's libmount take part where they can be built.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::env;
use std::fs::{self, File};
use std::hint::black_box;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use mount::{Reader, Table};
use nix::sched::{CloneFlags, unshare};

const ROUNDS: usize = 15;
const OWN: &str = "/proc/thread-self/mountinfo";

fn main() {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let numbers: Vec<usize> = arguments.iter().filter_map(|argument| argument.parse().ok()).collect();
    let once = arguments.iter().position(|argument| argument == "once").map(|at| arguments[at + 1].clone());
    if once.is_none() && !arguments.iter().any(|argument| argument == "--bench") {
        return; // `cargo test` runs this too
    }
    let peers = if once.is_none() { peers() } else { Vec::new() };
    if let Err(error) = unshare(CloneFlags::CLONE_NEWNS) {
        println!("no mount namespace: {error}");
        return;
    }
    mount::mount("none", "/", "none", "rprivate").expect("private");
    mount::force_mount("mounts", "/mnt", "tmpfs", "").expect("a tmpfs");
    fs::create_dir("/mnt/source").expect("a directory");
    let mut made = 0;
    for count in if numbers.is_empty() { vec![1_000, 10_000] } else { numbers } {
        while made < count {
            let target = format!("/mnt/{made:05}");
            fs::create_dir(&target).expect("a directory");
            let flags = nix::mount::MsFlags::MS_BIND;
            nix::mount::mount(Some("/mnt/source"), target.as_str(), None::<&str>, flags, None::<&str>)
                .expect("a bind");
            made += 1;
        }
        match &once {
            None => compare(count, &peers),
            Some(name) => {
                let mut all = contestants();
                let contestant =
                    all.iter_mut().find(|contestant| contestant.name == *name).expect("its name");
                // Between the two, whatever it is that a run takes.
                fs::read_dir("/begin").unwrap_err();
                (contestant.run)();
                fs::read_dir("/end").unwrap_err();
            }
        }
    }
}

/// What is measured, and what it is compared with.
struct Contestant {
    name: &'static str,
    what: &'static str,
    run: Box<dyn FnMut() -> usize>,
}

fn contestants() -> Vec<Contestant> {
    fn contestant(
        name: &'static str,
        what: &'static str,
        run: impl FnMut() -> usize + 'static,
    ) -> Contestant {
        Contestant { name, what, run: Box::new(run) }
    }
    let mut unchanged = Reader::open().expect("a reader");
    unchanged.read().expect("a table");
    let mut again = Reader::open().expect("a reader");
    again.read().expect("a table");
    vec![
        contestant("file", "the file, read only", || fs::read(OWN).expect("read").len()),
        contestant("slices", "the file, split into slices", || split(&fs::read(OWN).expect("read")).len()),
        contestant("table", "Table::read", || Table::read().expect("read").len()),
        contestant("points", "the same, each mount point looked at", || {
            let table = Table::read().expect("read");
            table.iter().map(|mount| mount.mount_point().as_os_str().len()).sum()
        }),
        contestant("tree", "the same, gone through as a tree", || {
            let table = Table::read().expect("read");
            table.tree().map(|node| node.depth).sum()
        }),
        contestant("mounts", "mounts(), owned", || mount::mounts().expect("read").len()),
        contestant("reread", "Reader::reread", move || again.reread().expect("read").len()),
        contestant("refresh", "Reader::read, nothing has changed", move || {
            unchanged.read().expect("read").len()
        }),
        contestant("procfs", "the crate procfs", || {
            let own = procfs::process::Process::myself().expect("a process");
            own.mountinfo().expect("read").into_iter().count()
        }),
    ]
}

fn compare(count: usize, peers: &[(&'static str, PathBuf)]) {
    let repeat = (2_000 / count).max(1);
    let mut all = contestants();
    let mut peers: Vec<_> = peers.iter().map(|(name, program)| (*name, Peer::start(program))).collect();
    let mut times = vec![Vec::new(); all.len() + peers.len()];
    for round in 0..=ROUNDS {
        let own = all.iter_mut().map(|contestant| time(repeat, &mut contestant.run));
        let measured: Vec<_> = own.collect();
        let theirs: Vec<_> = peers.iter_mut().map(|(_, peer)| peer.time(repeat)).collect();
        if round > 0 {
            let row = measured.into_iter().chain(theirs);
            times.iter_mut().zip(row).for_each(|(times, time)| times.push(time));
        }
    }
    let floor = median(&mut times[0].clone());
    println!(
        "\n{count} mounts, {} bytes: median of {ROUNDS} rounds of {repeat}",
        fs::read(OWN).unwrap().len()
    );
    println!("{:40} {:>10} {:>8} {:>7} {:>12}", "", "µs", "of read", "reads", "allocations");
    for (contestant, times) in all.iter_mut().zip(&mut times) {
        let (reads, allocations) = count_calls(&mut contestant.run);
        let time = median(times);
        println!(
            "{:40} {} {:8.3} {reads:>7} {allocations:>12}",
            contestant.what,
            micros(time),
            ratio(time, floor)
        );
    }
    for ((name, _), times) in peers.iter().zip(&mut times[all.len()..]) {
        let time = median(times);
        println!("{name:40} {} {:8.3}", micros(time), ratio(time, floor));
    }
    in_memory(repeat);
}

/// The user's part of it: the same bytes, read before.
fn in_memory(repeat: usize) {
    let bytes = fs::read(OWN).expect("read");
    let mut table = Vec::new();
    let mut times = [const { Vec::new() }; 4];
    for round in 0..=ROUNDS {
        let mut row = [Duration::ZERO; 4];
        row[0] = time(repeat, &mut || split(&bytes).len());
        row[1] = time(repeat, &mut || mount::parse(&bytes).map(|line| line.unwrap().as_bytes().len()).sum());
        for _ in 0..repeat {
            let bytes = bytes.clone();
            let start = Instant::now();
            table.push(Table::from_bytes(bytes).expect("good lines"));
            row[2] += start.elapsed() / repeat as u32;
            black_box(&table);
            table.clear();
        }
        row[3] =
            time(repeat, &mut || mount::parse(&bytes).map(|line| line.unwrap().to_info().source.len()).sum());
        if round > 0 {
            times.iter_mut().zip(row).for_each(|(times, time)| times.push(time));
        }
    }
    let floor = median(&mut times[0].clone());
    println!("{:40} {:>10} {:>8}", "in memory", "µs", "of slices");
    for (what, times) in ["slices", "parse()", "Table::from_bytes", "parse(), owned"].iter().zip(&mut times) {
        let time = median(times);
        println!("{what:40} {} {:8.3}", micros(time), ratio(time, floor));
    }
}

/// The floor: each field of each line as a slice, and nothing understood.
fn split(bytes: &[u8]) -> Vec<[&[u8]; 10]> {
    let mut lines = Vec::with_capacity(bytes.len() / 56 + 1);
    let (mut fields, mut field, mut start) = ([&bytes[..0]; 10], 0, 0);
    for (at, &byte) in bytes.iter().enumerate() {
        if byte == b' ' && field < 9 {
            fields[field] = &bytes[start..at];
            (field, start) = (field + 1, at + 1);
        } else if byte == b'\n' {
            fields[field] = &bytes[start..at];
            lines.push(fields);
            (fields, field, start) = ([&bytes[..0]; 10], 0, at + 1);
        }
    }
    black_box(lines)
}

fn time(repeat: usize, run: &mut impl FnMut() -> usize) -> Duration {
    let start = Instant::now();
    for _ in 0..repeat {
        black_box(run());
    }
    start.elapsed() / repeat as u32
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn micros(time: Duration) -> String {
    format!("{:10.1}", time.as_secs_f64() * 1e6)
}

fn ratio(time: Duration, floor: Duration) -> f64 {
    time.as_secs_f64() / floor.as_secs_f64()
}

/// Another library, in a process that reads the table whenever it is told to.
struct Peer {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Peer {
    fn start(program: &Path) -> Peer {
        let mut child = Command::new(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it was just built");
        let (orders, answers) = (child.stdin.take().expect("a pipe"), child.stdout.take().expect("a pipe"));
        Peer { child, orders, answers: BufReader::new(answers) }
    }

    fn time(&mut self, repeat: usize) -> Duration {
        let mut nanoseconds = 0;
        for _ in 0..repeat {
            self.orders.write_all(b"\n").expect("it listens");
            let mut line = String::new();
            self.answers.read_line(&mut line).expect("it answers");
            nanoseconds +=
                line.split(' ').next().and_then(|word| word.parse::<u64>().ok()).expect("a number");
        }
        Duration::from_nanos(nanoseconds / repeat as u64)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Builds the other libraries' programs, where their packages are there.
fn peers() -> Vec<(&'static str, PathBuf)> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (go, c) = (target.join("peer-go"), target.join("peer-c"));
    let mut build_go = Command::new("go");
    // Debian's golang-github-moby-sys-dev puts the sources there.
    build_go
        .env("GO111MODULE", "off")
        .env("GOPATH", "/usr/share/gocode")
        .env("GOCACHE", target.join("go-cache"));
    build_go.arg("build").arg("-o").arg(&go).arg(sources.join("mountinfo.go"));
    let mut build_c = Command::new("cc");
    build_c.arg("-O2").arg("-o").arg(&c).arg(sources.join("libmount.c")).arg("-lmount");
    let mut peers = Vec::new();
    for (name, mut build, program) in [("Go: moby/sys/mountinfo", build_go, go), ("C: libmount", build_c, c)]
    {
        match build.output() {
            Ok(output) if output.status.success() => peers.push((name, program)),
            Ok(output) => {
                let why = String::from_utf8_lossy(&output.stderr);
                println!("without {name}: {}", why.lines().next().unwrap_or_default());
            }
            Err(error) => println!("without {name}: {error}"),
        }
    }
    peers
}

/// Counts read(2) and its like, and allocations.
fn count_calls(run: &mut impl FnMut() -> usize) -> (String, u64) {
    let before = reads();
    let idle = reads() - before;
    let before = reads();
    black_box(run());
    let reads = reads() - before;
    ALLOCATIONS.store(0, Relaxed);
    COUNTING.store(true, Relaxed);
    black_box(run());
    COUNTING.store(false, Relaxed);
    (if idle == 0 { "?".to_owned() } else { (reads - idle).to_string() }, ALLOCATIONS.load(Relaxed))
}

fn reads() -> u64 {
    let mut text = String::new();
    let read = File::open("/proc/thread-self/io").and_then(|mut file| file.read_to_string(&mut text));
    let count = text.lines().find_map(|line| line.strip_prefix("syscr: ")?.parse().ok());
    read.ok().and(count).unwrap_or_default()
}

/// Counts while it is told to.
struct Counter;

static COUNTING: AtomicBool = AtomicBool::new(false);
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

#[global_allocator]
static COUNTER: Counter = Counter;

impl Counter {
    fn count() {
        if COUNTING.load(Relaxed) {
            ALLOCATIONS.fetch_add(1, Relaxed);
        }
    }
}

// SAFETY: all of it is the system's allocator, with a number counted up beside it.
unsafe impl GlobalAlloc for Counter {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Counter::count();
        // SAFETY: the caller keeps to the same contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps to the same contract.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        Counter::count();
        // SAFETY: the caller keeps to the same contract.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

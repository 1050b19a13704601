//! Reading figures, against the bare system calls on the same files.
//!
//! ```sh
//! cargo bench -p cgroups --bench stats          # as root; a few seconds
//! TARGET/release/deps/stats-… once sampler      # one contestant between two getppid(2), for strace
//! ```
//!
//! In each round all contestants take turns; a time is the median of its rounds. Two of them are floors: open, read
//! and close of every file by its path, and pread on files that are kept open. The files are those that a sampler
//! opens in this cgroup.

mod counter;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::hint::black_box;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::os::unix::process::parent_id;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use std::{env, process};

use cgroups::{Active, Cgroup, Hierarchies, Sampler, StatsKind};

const ROUNDS: usize = 400;
/// Calls of one contestant in a row, for one call is too short to be timed.
const CALLS: u32 = 5;

fn main() {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let words: Vec<_> = arguments.iter().map(String::as_str).collect();
    if let ["once", wanted] = words[..] {
        return with_cgroup(|cgroup| once(cgroup, wanted));
    }
    if words.contains(&"--bench") {
        with_cgroup(table); // `cargo test` runs this too, without that word
    }
}

/// With a new cgroup in which one process lives, as in most; skipped where none can be made.
fn with_cgroup(run: impl FnOnce(&Cgroup)) {
    let name = format!("cgroups-bench-stats-{}", process::id());
    let made = Hierarchies::detect().and_then(|found| Cgroup::create_beneath_own(&found, name));
    let active: Active = match made {
        Ok(active) => active,
        Err(error) => return println!("skipped: {error}"),
    };
    let mut sleeper = process::Command::new("sleep").arg("1000").spawn().expect("a program");
    if active.add(sleeper.id()).is_ok() {
        run(&active);
    }
    drop((sleeper.kill(), sleeper.wait()));
    drop(active.close());
}

struct Contestant<'a> {
    name: &'static str,
    run: Box<dyn FnMut() + 'a>,
}

fn contestant<'a>(name: &'static str, run: impl FnMut() + 'a) -> Contestant<'a> {
    Contestant { name, run: Box::new(run) }
}

fn contestants(cgroup: &Cgroup) -> Vec<Contestant<'_>> {
    let paths = files(cgroup);
    let open: Vec<File> = paths.iter().map(|path| File::open(path).expect("it was open")).collect();
    println!("{} files", paths.len());
    let mut buffer = vec![0; 1 << 14];
    let mut same = buffer.clone();
    let mut sampler = cgroup.sampler().expect("it is there");
    let kinds = StatsKind::CPU | StatsKind::MEMORY | StatsKind::PIDS;
    let mut of_three: Sampler = cgroup.sampler_of(kinds).expect("it is there");
    vec![
        contestant("open, read, close", move || {
            for path in &paths {
                let mut file = File::open(path).expect("it was open");
                black_box(file.read(&mut buffer).expect("figures"));
            }
        }),
        contestant("stats", || drop(black_box(cgroup.stats().expect("figures")))),
        contestant("stats_of three", move || drop(black_box(cgroup.stats_of(kinds).expect("figures")))),
        contestant("pread", move || {
            for file in &open {
                black_box(file.read_at(&mut same, 0).expect("figures"));
            }
        }),
        contestant("sampler", move || {
            black_box(sampler.sample().expect("figures"));
        }),
        contestant("sampler_of three", move || {
            black_box(of_three.sample().expect("figures"));
        }),
    ]
}

/// The files that a sampler has open.
fn files(cgroup: &Cgroup) -> Vec<PathBuf> {
    let open = || -> BTreeSet<PathBuf> {
        let entries = fs::read_dir("/proc/self/fd").expect("/proc").flatten();
        entries.filter_map(|entry| fs::read_link(entry.path()).ok()).filter(|path| path.is_file()).collect()
    };
    let before = open();
    let mut sampler = cgroup.sampler().expect("it is there");
    sampler.sample().expect("figures");
    open().difference(&before).cloned().collect()
}

fn table(cgroup: &Cgroup) {
    let mut all = contestants(cgroup);
    let mut times = vec![Vec::with_capacity(ROUNDS); all.len()];
    for round in 0..ROUNDS {
        for turn in 0..all.len() {
            // Another one begins each round, so that none always follows the same.
            let at = (turn + round) % all.len();
            let begin = Instant::now();
            (0..CALLS).for_each(|_| (all[at].run)());
            times[at].push(begin.elapsed() / CALLS);
        }
    }
    let medians: Vec<Duration> = times.iter_mut().map(|times| median(times)).collect();
    let floors = [medians[0], medians[3]];
    println!("{:20} {:>10} {:>8} {:>12}", "", "median", "floor", "allocations");
    for (at, contestant) in all.iter_mut().enumerate() {
        let ratio = medians[at].as_secs_f64() / floors[at / 3].as_secs_f64();
        let allocations = counter::count(&mut contestant.run);
        println!("{:20} {:>10.1?} {ratio:>8.2} {allocations:>12}", contestant.name, medians[at]);
    }
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn once(cgroup: &Cgroup, wanted: &str) {
    let mut all = contestants(cgroup);
    let contestant = all.iter_mut().find(|contestant| contestant.name == wanted).expect("its name");
    (contestant.run)(); // whatever is only made once
    let _ = parent_id();
    (contestant.run)();
    let _ = parent_id();
}

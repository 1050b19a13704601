//! Operations and lists, against a hand-written socket and the crate rtnetlink, side by side.
//!
//! ```sh
//! cargo bench -p netlink                                # a minute or two; as root, or where users may have namespaces
//! cargo bench -p netlink -- "list 100,000 routes"       # one row
//! valgrind --tool=cachegrind --cache-sim=no TARGET/release/deps/netlink-… once "find a link" ours 1000
//! strace TARGET/release/deps/netlink-… once "find a link" ours 1
//! ```
//!
//! All of it is done in a network namespace of its own. The contestants take turns, in blocks of some 10 ms, and
//! another one begins each round. A time is the median of the blocks; the user time is the sum of all of a contestant's
//! blocks, as the kernel may only know it by its ticks. The memory of a list is that of a fresh process: its peak, less
//! what it had before.
//!
//! Go's vishvananda/netlink takes part where it can be built (`go`; the package is looked for in `$GOPATH`, which is
//! `/usr/share/gocode` at first). It is one process for all rows, and its memory the most that it had so far.

mod floor;
mod go;
mod others;
mod scene;

use std::env;
use std::fs;
use std::process::{self, Command};
use std::time::{Duration, Instant};

use floor::Floor;
use go::Go;
use netlink::{Handle, Netns};
use nix::sched::{CloneFlags, unshare};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use nix::unistd::geteuid;
use scene::{Containers, Contestants};

/// How long each contestant of a row runs.
const BUDGET: Duration = Duration::from_secs(2);
const BLOCK: Duration = Duration::from_millis(10);
const CONTAINERS: usize = 100;

struct Row {
    name: &'static str,
    /// What has to be there.
    before: fn(),
    contestants: fn() -> Contestants,
    /// Whether it is a list, of which the memory is told.
    is_list: bool,
}

const fn row(name: &'static str, contestants: fn() -> Contestants) -> Row {
    Row { name, before: || {}, contestants, is_list: false }
}

/// In this order: what is made for one is still there for the next.
const ROWS: [Row; 9] = [
    row("find a link", scene::find_a_link),
    row("set an MTU", scene::mtu),
    row("add and delete an address", scene::address),
    row("add and delete a route", scene::route),
    row("add and delete a pair of links", scene::pair),
    row("add and delete 1,000 routes", scene::batch),
    Row {
        name: "list 10,000 neighbours",
        before: scene::many_neighbours,
        contestants: scene::list_neighbours,
        is_list: true,
    },
    Row {
        name: "list 2,000 links",
        before: scene::many_links,
        contestants: scene::list_links,
        is_list: true,
    },
    Row {
        name: "list 100,000 routes",
        before: scene::many_routes,
        contestants: scene::list_routes,
        is_list: true,
    },
];

fn main() {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let words: Vec<_> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["memory", row, contestant] => memory(find(row), contestant),
        ["once", row, contestant, times] => {
            own_namespace();
            let row = find(row);
            (row.before)();
            let mut run = contestant_of(row, contestant);
            (0..times.parse().expect("a number")).for_each(|_| run());
        }
        // `cargo test` runs this too, without that word.
        _ if words.contains(&"--bench") => {
            let wanted = words.iter().find(|word| !word.starts_with("--"));
            own_namespace();
            table(wanted.copied());
        }
        _ => {}
    }
}

fn find(name: &str) -> &'static Row {
    ROWS.iter().find(|row| row.name == name).expect("the name of a row")
}

fn contestant_of(row: &Row, name: &str) -> Box<dyn FnMut()> {
    let found = (row.contestants)().into_iter().find(|(known, _)| *known == name);
    found.expect("the name of a contestant").1
}

fn own_namespace() {
    let user = if geteuid().is_root() { CloneFlags::empty() } else { CloneFlags::CLONE_NEWUSER };
    if let Err(errno) = unshare(user | CloneFlags::CLONE_NEWNET) {
        println!("skipped: no network namespace: {errno}");
        process::exit(0);
    }
    scene::prepare();
}

fn table(wanted: Option<&str>) {
    println!("{:30} {:10} {:>12} {:>6} {:>12} {:>6} {:>10}", "", "", "time", "", "user time", "", "memory");
    let mut go = Go::start();
    for row in &ROWS {
        if wanted.is_none_or(|wanted| wanted == row.name) {
            (row.before)();
            measure(row, go.as_mut());
        }
    }
    if wanted.is_none_or(|wanted| wanted == "containers") {
        containers();
    }
}

#[derive(Default)]
struct Measured {
    times: Vec<Duration>,
    user: Duration,
    whole: Duration,
    runs: u32,
}

impl Measured {
    fn block(&mut self, runs: u32, mut run: impl FnMut()) {
        let (begin, user) = (Instant::now(), user_time());
        (0..runs).for_each(|_| run());
        let took = begin.elapsed();
        self.user += user_time().saturating_sub(user);
        self.times.push(took / runs);
        self.whole += took;
        self.runs += runs;
    }

    fn block_of_go(&mut self, runs: u32, go: &mut Go, row: &str) {
        let Some(took) = go.run(row, runs) else { return };
        self.user += took.user;
        self.times.push(took.whole / runs);
        self.whole += took.whole;
        self.runs += runs;
    }

    fn median(&mut self) -> f64 {
        self.times.sort_unstable();
        self.times[self.times.len() / 2].as_secs_f64()
    }

    fn user(&self) -> f64 {
        self.user.as_secs_f64() / f64::from(self.runs)
    }
}

fn user_time() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_SELF).expect("usage");
    Duration::from_micros(usage.user_time().num_microseconds() as u64)
}

fn measure(row: &Row, mut go: Option<&mut Go>) {
    let mut all: Vec<_> =
        (row.contestants)().into_iter().map(|(name, run)| (name, run, Measured::default(), 1)).collect();
    for (_, run, _, runs) in &mut all {
        run(); // warm
        let begin = Instant::now();
        run();
        *runs = (BLOCK.as_nanos() / begin.elapsed().as_nanos().max(1)).max(1) as u32;
    }
    let (mut of_go, mut runs_of_go, mut memory_of_go) = (Measured::default(), 0, 0);
    if let Some(warm) = go.as_mut().and_then(|go| go.run(row.name, 1)) {
        runs_of_go = (BLOCK.as_nanos() / warm.whole.as_nanos().max(1)).max(1) as u32;
        memory_of_go = warm.kib;
    }
    let count = all.len();
    for round in 0.. {
        if let Some(go) = go.as_mut().filter(|_| runs_of_go > 0) {
            of_go.block_of_go(runs_of_go, go, row.name);
        }
        if all.iter().all(|(_, _, measured, _)| measured.whole >= BUDGET) {
            break;
        }
        for turn in 0..count {
            let (_, run, measured, runs) = &mut all[(turn + round) % count];
            measured.block(*runs, run);
        }
    }
    let mut floor = None;
    for (name, _, measured, _) in &mut all {
        let memory = row.is_list.then(|| peak(row.name, name));
        print(row.name, name, measured, &mut floor, memory);
    }
    if runs_of_go > 0 {
        print(row.name, "go", &mut of_go, &mut floor, row.is_list.then_some(memory_of_go));
    }
}

fn print(
    row: &str,
    name: &str,
    measured: &mut Measured,
    floor: &mut Option<(f64, f64)>,
    memory: Option<u64>,
) {
    let (time, user) = (measured.median(), measured.user());
    let (of_time, of_user) = *floor.get_or_insert((time, user));
    let memory = memory.map_or(String::new(), |kib| format!("{kib} KiB"));
    // Where the kernel does nearly everything, its ticks may see none of it.
    let of_user = if of_user > 0.0 { format!("{:.2}", user / of_user) } else { String::new() };
    println!(
        "{row:30} {name:10} {:9.2} µs {:6.2} {:9.2} µs {of_user:>6} {memory:>10}",
        time * 1e6,
        time / of_time,
        user * 1e6
    );
}

/// In a process of its own, in the same namespace.
fn peak(row: &str, contestant: &str) -> u64 {
    let program = env::current_exe().expect("this program");
    let output = Command::new(program).args(["memory", row, contestant]).output().expect("it runs");
    String::from_utf8_lossy(&output.stdout).trim().parse().expect("a number")
}

fn memory(row: &Row, contestant: &str) {
    // What it has before is small: whatever is allocated for a list counts.
    let mut run = contestant_of(row, contestant);
    fs::write("/proc/self/clear_refs", "5").expect("the peak begins again");
    let before = status("VmRSS:");
    run();
    println!("{}", status("VmHWM:") - before);
}

fn status(field: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("it is there");
    let line = status.lines().find_map(|line| line.strip_prefix(field)).expect("a field");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// A hundred containers in a row; making the namespaces is not timed.
fn containers() {
    let mut all = Containers::new();
    let (mut floor, mut ours) = (Floor::open(), Handle::open().expect("a socket"));
    let mut measured: [Measured; 3] = Default::default();
    let namespaces = || Netns::create().expect("a namespace");
    for round in 0..CONTAINERS {
        for turn in 0..3 {
            let netns = namespaces();
            let at = (turn + round) % 3;
            measured[at].block(1, || match at {
                0 => all.floor(&mut floor, &netns),
                1 => all.ours(&mut ours, &netns),
                _ => all.moved(&mut ours, &netns),
            });
        }
    }
    let mut of = None;
    for (name, measured) in ["floor", "ours", "moved"].into_iter().zip(&mut measured) {
        print("a container's network", name, measured, &mut of, None);
    }
}

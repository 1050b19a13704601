//! The life of a cgroup, against the bare system calls that it takes.
//!
//! ```sh
//! cargo bench -p cgroups --bench cycle           # as root; some seconds
//! strace -f TARGET/release/deps/cycle-… once ours   # one life, each step between two getppid(2)
//! ```
//!
//! A life: make it in every hierarchy, set memory, processors and pids, move a process in, read all statistics,
//! remove it. Moving the process out again is not timed. The contestants take turns. A time is the median of its
//! rounds, and the whole is the sum of its steps' medians.
//!
//! The floor is what a careful program writes that knows this machine by heart: no file is looked for, no text is
//! taken apart, no error explained. It makes the directories, gives the cpuset its processors and memory nodes
//! (nothing can enter it otherwise), sees on v2 whether there is a controller to be handed down, writes each limit and
//! each `cgroup.procs`, reads those files of figures that are there, and removes the directories.

mod bare;

use std::os::unix::process::parent_id;
use std::time::{Duration, Instant};
use std::{env, process};

use bare::Bare;
use cgroups::{Active, Cgroup, Hierarchies, Resources};

const ROUNDS: usize = 300;
/// The first ones wake the kernel up: the first move after some idle time takes milliseconds.
const WARM: usize = 20;

/// The four parts that are timed, in this order.
const STEPS: [&str; 4] = ["make", "limit and add", "statistics", "remove"];

/// One that leads a cgroup from its making to its end.
trait Life {
    fn make(&mut self);
    fn limit_and_add(&mut self, pid: u32);
    fn statistics(&mut self);
    fn remove(&mut self);
}

fn main() {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let words: Vec<_> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["once", wanted] => with_sleeper(|pid, home| once(wanted, pid, home)),
        _ if words.contains(&"--bench") => with_sleeper(table), // `cargo test` runs this too, without that word
        _ => {}
    }
}

/// With a process to be moved about, and the cgroup in which it is at home.
fn with_sleeper(run: impl FnOnce(u32, &Bare)) {
    let name = |kind| format!("cgroups-bench-{kind}-{}", process::id());
    let home = Hierarchies::detect().and_then(|found| Cgroup::create_beneath_own(&found, name("home")));
    let home = match home {
        Ok(home) => home,
        Err(error) => return println!("skipped: {error}"),
    };
    let mut sleeper = process::Command::new("sleep").arg("1000").spawn().expect("a program");
    let pid = sleeper.id();
    match home.add(pid) {
        Ok(()) => run(pid, &Bare::of(&home)),
        Err(error) => println!("skipped: {error}"),
    }
    drop((sleeper.kill(), sleeper.wait()));
    drop(home.close());
}

struct Ours {
    hierarchies: Hierarchies,
    name: String,
    limits: Resources,
    active: Option<Active>,
}

impl Ours {
    fn new() -> Ours {
        let hierarchies = Hierarchies::detect().expect("it was there");
        Ours {
            hierarchies,
            name: format!("cgroups-bench-ours-{}", process::id()),
            limits: limits(),
            active: None,
        }
    }

    fn active(&self) -> &Active {
        self.active.as_ref().expect("it was made")
    }
}

fn limits() -> Resources {
    let mut limits = Resources::default();
    limits.memory.get_or_insert_default().limit = Some(64 << 20);
    let cpu = limits.cpu.get_or_insert_default();
    (cpu.shares, cpu.quota, cpu.period) = (Some(512), Some(50_000), Some(100_000));
    limits.pids.get_or_insert_default().limit = Some(100);
    limits
}

impl Life for Ours {
    fn make(&mut self) {
        self.active =
            Some(Cgroup::create_beneath_own(&self.hierarchies, &self.name).expect("it is not there"));
    }

    fn limit_and_add(&mut self, pid: u32) {
        self.active().set(&self.limits).expect("limits");
        self.active().add(pid).expect("a process");
    }

    fn statistics(&mut self) {
        drop(std::hint::black_box(self.active().stats().expect("figures")));
    }

    fn remove(&mut self) {
        self.active.take().expect("it was made").close().expect("it is empty");
    }
}

fn table(pid: u32, home: &Bare) {
    let (mut ours, mut bare) = (Ours::new(), bare_of_ours());
    let mut times: [Vec<[Duration; 4]>; 2] = Default::default();
    for round in 0..WARM + ROUNDS {
        for turn in 0..times.len() {
            // Another one begins each round, so that none always follows the same.
            let at = (turn + round) % times.len();
            let took = if at == 0 { live(&mut bare, pid, home) } else { live(&mut ours, pid, home) };
            times[at].push(took);
        }
    }
    println!("{} hierarchies, {} files of figures", home.paths.len(), bare.figures.len());
    print!("{:8}", "");
    STEPS.iter().chain([&"all", &"of the floor"]).for_each(|step| print!(" {step:>14}"));
    println!();
    let mut floor = 0.0;
    for (at, times) in times.iter().enumerate() {
        let warm = &times[WARM..];
        let medians: [_; 4] =
            std::array::from_fn(|step| median(warm.iter().map(|steps| steps[step]).collect()));
        // Not the median of the sums: now and then the kernel waits for milliseconds in one step or another.
        let whole: Duration = medians.iter().sum();
        if at == 0 {
            floor = whole.as_secs_f64();
        }
        print!("{:8}", ["floor", "ours"][at]);
        for median in medians {
            print!(" {median:>14.1?}");
        }
        println!(" {whole:>14.1?} {:>14.2}", whole.as_secs_f64() / floor);
    }
}

fn bare_of_ours() -> Bare {
    // The files of figures are those that a sampler has open: made once, looked at, removed.
    let mut ours = Ours::new();
    ours.make();
    let mut bare = Bare::of(ours.active());
    bare.find_figures(ours.active());
    ours.remove();
    bare.know_parents();
    bare
}

fn live(life: &mut impl Life, pid: u32, home: &Bare) -> [Duration; 4] {
    let timed = |step: &mut dyn FnMut()| {
        let begin = Instant::now();
        step();
        begin.elapsed()
    };
    let made = timed(&mut || life.make());
    let limited = timed(&mut || life.limit_and_add(pid));
    let read = timed(&mut || life.statistics());
    home.add(pid);
    [made, limited, read, timed(&mut || life.remove())]
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn once(wanted: &str, pid: u32, home: &Bare) {
    let (mut ours, mut bare) = (Ours::new(), bare_of_ours());
    let life: &mut dyn Life = if wanted == "floor" { &mut bare } else { &mut ours };
    // The first time is a rehearsal.
    for _ in 0..2 {
        let mark = || {
            std::hint::black_box(parent_id());
        };
        mark();
        life.make();
        mark();
        life.limit_and_add(pid);
        mark();
        life.statistics();
        mark();
        home.add(pid);
        mark();
        life.remove();
        mark();
    }
}

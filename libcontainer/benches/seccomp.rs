//! How long Docker's default profile takes from JSON to a program, and how many of its instructions the kernel
//! runs for each system call: `cargo bench -p libcontainer --bench seccomp`.
//!
//! Beside it libseccomp, where it is installed, as runc uses it: one call after another, and by halves.

#![allow(missing_docs, dead_code)]

#[path = "../tests/seccomp/libseccomp.rs"]
mod libseccomp;
#[path = "../tests/seccomp/machine.rs"]
mod machine;
#[path = "../tests/seccomp/reference.rs"]
mod reference;

use std::hint::black_box;
use std::time::Instant;

use libcontainer::oci;
use libcontainer::seccomp::{Arch, Filter, Instruction, Seccomp};
use libseccomp::{Library, Search};
use machine::Data;

const DOCKER: &[u8] = include_bytes!("../tests/fixtures/docker-default-seccomp.json");
const ROUNDS: usize = 1000;

fn main() {
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let seccomp = oci::seccomp(DOCKER).expect("a profile");
    let native = Arch::native().unwrap_or(Arch::X86_64);
    println!("from JSON to a profile: {:.1} us", median(ROUNDS, || oci::seccomp(DOCKER)));
    println!(
        "\n| from a profile to a program | us | instructions | run for each of the numbers 0 to 511, mean |"
    );
    println!("|---|---|---|---|");
    let time = median(ROUNDS, || Filter::compile_for(&seccomp, native));
    row(
        "libcontainer",
        time,
        Filter::compile_for(&seccomp, native).expect("a filter").instructions(),
        native,
    );
    match Library::load() {
        Ok(library) => {
            for (name, search) in [("libseccomp", Search::Linear), ("libseccomp, as a tree", Search::Tree)] {
                let compile = || library.compile(&seccomp, native, search);
                row(name, median(ROUNDS / 20, compile), &compile().expect("a program"), native);
            }
        }
        Err(why) => println!("| libseccomp | {why} | | |"),
    }
    one_by_one(&seccomp, native);
}

/// Returns the median time of some rounds, in microseconds.
fn median<T>(rounds: usize, mut run: impl FnMut() -> T) -> f64 {
    let mut times: Vec<_> = (0..rounds)
        .map(|_| {
            let start = Instant::now();
            black_box(run());
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[rounds / 2].as_secs_f64() * 1e6
}

fn row(name: &str, time: f64, program: &[Instruction], native: Arch) {
    println!("| {name} | {time:.1} | {} | {:.1} |", program.len(), mean(program, native));
}

fn mean(program: &[Instruction], native: Arch) -> f64 {
    let run = |number| {
        let data = Data { number, audit: native.audit(), args: [0; 6] };
        machine::run(program, &data, reference::is_little(native)).1 as u32
    };
    f64::from((0..512).map(run).sum::<u32>()) / 512.0
}

/// The calls of a usual program.
fn one_by_one(seccomp: &Seccomp, native: Arch) {
    let filter = Filter::compile_for(seccomp, native).expect("a filter");
    let calls = ["read", "write", "futex", "epoll_wait", "mmap", "openat", "clone", "socket", "statx"];
    print!("\ninstructions of single calls:");
    for name in calls {
        if let Some(number) = libcontainer::seccomp::number(name, native) {
            let data = Data { number, audit: native.audit(), args: [0; 6] };
            print!(" {name} {}", machine::run(filter.instructions(), &data, reference::is_little(native)).1);
        }
    }
    println!();
}

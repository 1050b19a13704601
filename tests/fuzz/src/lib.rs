//! What is fuzzed: a target for every parser and decoder of the workspace.
//!
//! A target is a function that takes any bytes. It may neither panic nor take long, and it asserts the
//! laws of what it feeds: what is printed parses to the same again, an error is one line, a path leads
//! nowhere else. `cargo grounds fuzz` runs them with coverage; `cargo test -p fuzz` runs every input that
//! is kept (the real files of the crates, `corpus/`, `crashes/`) once.

mod cgroups;
#[cfg(fuzzing)]
mod cgroups_private;
mod cgroups_words;
mod corpus;
mod graphdb;
mod inside;
mod laws;
mod libcontainer;
mod listenbuffer;
mod mount;
mod netlink;
#[cfg(fuzzing)]
mod netlink_wire;
mod nsinit;
mod scratch;
mod seccomp;
mod term;
mod user;

pub use corpus::{crashes, keep, kept, seeds, unpack};

// The command line of a program is no library: its files are compiled here once more, and name each
// other from the root.
#[allow(dead_code)]
#[path = "../../../libcontainer/nsinit/src/args.rs"]
mod args;
#[allow(dead_code)]
#[path = "../../../libcontainer/nsinit/src/failure.rs"]
mod failure;
#[allow(dead_code)]
#[path = "../../../libcontainer/nsinit/src/help.rs"]
mod help;
#[allow(dead_code)]
#[path = "../../../libcontainer/nsinit/src/log.rs"]
mod log;

/// One thing to feed.
#[derive(Clone, Copy)]
pub struct Target {
    /// `CRATE-WHAT`.
    pub name: &'static str,
    /// What is fed, and what must hold.
    pub feeds: &'static str,
    /// Feeds it; `None` where only the fuzz build can reach it.
    pub run: Option<fn(&[u8])>,
    /// Where to begin, besides what is kept.
    pub(crate) seeds: fn() -> Vec<Vec<u8>>,
}

/// All targets. `planted` is not one: it panics by design, for a test of the command.
#[must_use]
pub fn targets() -> Vec<Target> {
    [
        cgroups::targets(),
        cgroups_words::targets(),
        graphdb::targets(),
        libcontainer::targets(),
        listenbuffer::targets(),
        mount::targets(),
        netlink::targets(),
        nsinit::targets(),
        seccomp::targets(),
        term::targets(),
        user::targets(),
    ]
    .concat()
}

/// Finds a target by its name, `planted` too.
#[must_use]
pub fn find(name: &str) -> Option<Target> {
    targets().into_iter().chain([PLANTED]).find(|target| target.name == name)
}

const PLANTED: Target = Target {
    name: "planted",
    feeds: "a parser with a bug, to see whether it is found",
    run: Some(planted),
    seeds: Vec::new,
};

/// Reads one byte after another, so that only coverage leads to the end.
fn planted(bytes: &[u8]) {
    let mut rest = bytes.iter();
    for expected in b"crash" {
        if rest.next() != Some(expected) {
            return;
        }
    }
    panic!("the planted bug");
}

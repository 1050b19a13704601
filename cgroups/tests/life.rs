//! The life of a cgroup against the running kernel: threads, delegation, adoption, migration, certain ends.
//!
//! Every test has a cgroup of its own below the test's, and removes it. T-numbers in the comments are those of the
//! list of cases that this crate must pass.

// clone3(2) into a cgroup, which no library has, and fork(2) for a storm of processes.
#![allow(unsafe_code)]

#[path = "life/adoption.rs"]
mod adoption;
#[path = "life/delegation.rs"]
mod delegation;
#[path = "life/ends.rs"]
mod ends;
#[path = "life/migration.rs"]
mod migration;
#[path = "life/scene.rs"]
mod scene;
#[path = "life/storm.rs"]
mod storm;
#[path = "life/threads.rs"]
mod threads;
#[path = "life/whole.rs"]
mod whole;

fn main() -> std::process::ExitCode {
    if let Some(ended) = delegation::part() {
        return ended;
    }
    let mut tests = threads::tests();
    tests.extend(adoption::tests());
    tests.extend(delegation::tests());
    tests.extend(migration::tests());
    tests.extend(ends::tests());
    tests.extend(storm::tests());
    tests.extend(whole::tests());
    grounds::run(tests)
}

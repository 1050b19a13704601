//! Against the running kernel: each test has a root filesystem and a container of its own, rootless
//! for an ordinary user, and leaves nothing.

mod agent;
mod cgroup;
mod confine;
mod docker;
mod events;
mod exec;
mod factory;
mod first;
mod historical;
mod hooks;
mod hostile;
mod life;
mod mapped;
mod mounts;
mod namespaces;
mod network;
mod pause;
mod process;
mod seccomp;
mod serving;
mod systemd;
mod terminal;

#[path = "../shell/mod.rs"]
mod shell;

use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

fn main() -> ExitCode {
    let tests = [
        namespaces::tests(),
        life::tests(),
        process::tests(),
        seccomp::tests(),
        serving::tests(),
        mapped::tests(),
        mounts::tests(),
        hostile::tests(),
        hooks::tests(),
        terminal::tests(),
        network::tests(),
        cgroup::tests(),
        confine::tests(),
        docker::tests(),
        exec::tests(),
        factory::tests(),
        first::tests(),
        historical::tests(),
        events::tests(),
        pause::tests(),
        systemd::tests(),
    ];
    grounds::run(tests.into_iter().flatten().collect())
}

/// Makes the list of a file's tests, each under its own name.
macro_rules! tests {
    ($($name:ident),* $(,)?) => {
        pub(crate) fn tests() -> Vec<grounds::Test> {
            grounds::tests![$($name),*]
        }
    };
}
pub(crate) use tests;

/// Looks until it is so.
#[track_caller]
pub(crate) fn eventually(mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(10);
    while !is_so() {
        assert!(Instant::now() < until, "not within ten seconds");
        thread::sleep(Duration::from_millis(5));
    }
}

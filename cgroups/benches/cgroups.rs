//! The crate beside the bare reads of the same files: `cargo bench -p cgroups`, as root.

use std::fs;
use std::path::PathBuf;

use cgroups::{Active, Cgroup, Hierarchies};

fn main() {
    divan::main();
}

fn fresh(name: &str) -> Option<Active> {
    let hierarchies = Hierarchies::detect().ok()?;
    Cgroup::create_beneath_own(&hierarchies, format!("cgroups-bench-{name}-{}", std::process::id())).ok()
}

/// The files that a look at everything reads.
fn files(cgroup: &Cgroup) -> Vec<PathBuf> {
    const NAMES: [&str; 17] = [
        "cpuacct.usage",
        "cpuacct.usage_user",
        "cpuacct.usage_sys",
        "cpuacct.usage_percpu",
        "cpu.stat",
        "memory.usage_in_bytes",
        "memory.max_usage_in_bytes",
        "memory.limit_in_bytes",
        "memory.memsw.usage_in_bytes",
        "memory.memsw.limit_in_bytes",
        "memory.failcnt",
        "memory.oom_control",
        "memory.stat",
        "pids.current",
        "pids.max",
        "blkio.throttle.io_service_bytes_recursive",
        "blkio.throttle.io_serviced_recursive",
    ];
    let v1 = cgroup.paths().iter().filter(|(key, _)| !key.is_empty());
    let found = v1.flat_map(|(_, path)| NAMES.iter().map(|name| path.join(name)));
    found.filter(|path| path.exists()).collect()
}

#[divan::bench]
fn stats(bencher: divan::Bencher<'_, '_>) {
    let Some(active) = fresh("stats") else { return };
    bencher.bench(|| active.stats());
}

#[divan::bench]
fn stats_bare_reads(bencher: divan::Bencher<'_, '_>) {
    let Some(active) = fresh("bare") else { return };
    let files = files(&active);
    bencher.bench(|| files.iter().map(fs::read).collect::<Result<Vec<_>, _>>());
}

#[divan::bench]
fn create_and_remove(bencher: divan::Bencher<'_, '_>) {
    let Ok(hierarchies) = Hierarchies::detect() else { return };
    let name = format!("cgroups-bench-make-{}", std::process::id());
    if fresh("make").is_some() {
        bencher.bench(|| Cgroup::create_beneath_own(&hierarchies, &name).and_then(Active::close));
    }
}

#[divan::bench]
fn create_and_remove_bare_directories(bencher: divan::Bencher<'_, '_>) {
    let Some(active) = fresh("dirs") else { return };
    let paths: Vec<_> = active.paths().values().map(|path| path.join("x")).collect();
    bencher.bench(|| {
        paths.iter().try_for_each(fs::create_dir)?;
        paths.iter().try_for_each(fs::remove_dir)
    });
}

#[divan::bench]
fn detect(bencher: divan::Bencher<'_, '_>) {
    bencher.bench(Hierarchies::detect);
}

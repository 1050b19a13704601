//! Making and removing, beside the bare directories: `cargo bench -p cgroups --bench cgroups`, as root. For statistics
//! there is `stats`, for a whole life `cycle`.

use std::fs;

use cgroups::{Active, Cgroup, Hierarchies};

fn main() {
    divan::main();
}

fn fresh(name: &str) -> Option<Active> {
    let hierarchies = Hierarchies::detect().ok()?;
    Cgroup::create_beneath_own(&hierarchies, format!("cgroups-bench-{name}-{}", std::process::id())).ok()
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

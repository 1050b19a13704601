//! Finding the last of 100,000 users, against reading the file.

use std::fs;
use std::path::PathBuf;

fn main() {
    divan::main();
}

/// A passwd file of 100,000 lines, beneath a directory of its own.
struct Root(PathBuf);

impl Root {
    fn new() -> Self {
        let root = std::env::temp_dir().join(format!("user-bench-{}", std::process::id()));
        fs::create_dir_all(root.join("etc")).unwrap();
        let line = |id| format!("user{id}:x:{id}:{id}:User number {id},,,:/home/user{id}:/bin/bash\n");
        fs::write(root.join("etc/passwd"), (1..=100_000).map(line).collect::<Vec<_>>().concat()).unwrap();
        Root(root)
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[divan::bench]
fn read_only(bencher: divan::Bencher) {
    let root = Root::new();
    bencher.bench_local(|| fs::read(root.0.join("etc/passwd")).unwrap());
}

#[divan::bench]
fn resolve_beneath(bencher: divan::Bencher) {
    let root = Root::new();
    let directory = user::Root::open(&root.0).unwrap();
    let defaults = user::Defaults::default();
    bencher.bench_local(|| directory.resolve("user100000", &defaults).unwrap());
}

#[divan::bench]
fn find_name_in_the_file(bencher: divan::Bencher) {
    let root = Root::new();
    bencher.bench_local(|| {
        user::Passwd::open(root.0.join("etc/passwd")).unwrap().find_name("user100000").unwrap().unwrap()
    });
}

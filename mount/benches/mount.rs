//! Reading the mount table and asking about one path, against the bare system calls.

use std::fs;

fn main() {
    divan::main();
}

#[divan::bench]
fn read_the_file_only() -> Vec<u8> {
    fs::read("/proc/thread-self/mountinfo").unwrap()
}

#[divan::bench]
fn mounts() -> Vec<mount::MountInfo> {
    mount::mounts().unwrap()
}

#[divan::bench]
fn parse_1000_lines(bencher: divan::Bencher) {
    let line =
        "36 35 98:0 /mnt1 /var/lib/containers/1 rw,noatime shared:1 - ext3 /dev/root rw,errors=continue\n";
    let table = line.repeat(1_000);
    bencher.bench(|| mount::parse(table.as_bytes()).map(Result::unwrap).last());
}

#[divan::bench]
fn stat_one_path() -> fs::Metadata {
    fs::metadata("/proc").unwrap()
}

#[divan::bench]
fn mounted_one_path() -> bool {
    mount::mounted("/proc").unwrap()
}

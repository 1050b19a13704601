//! The floor: system calls by paths that were written down before.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use cgroups::Cgroup;

use crate::Life;

/// A cgroup's paths, and those of its files.
#[derive(Default)]
pub(crate) struct Bare {
    pub(crate) paths: BTreeMap<String, PathBuf>,
    procs: Vec<PathBuf>,
    /// To be written, in this order.
    limits: Vec<(PathBuf, &'static str)>,
    pub(crate) figures: Vec<PathBuf>,
    /// From the parent's to the cgroup's own.
    cpusets: Vec<(PathBuf, PathBuf)>,
    /// What says whether there is something to hand down on v2.
    handed_down: Vec<PathBuf>,
    buffer: Vec<u8>,
}

impl Bare {
    pub(crate) fn of(cgroup: &Cgroup) -> Bare {
        let paths = cgroup.paths().clone();
        let of =
            |controller: &str| paths.iter().find(|(key, _)| key.split(',').any(|word| word == controller));
        let limit = |controller, v1, v2, value| {
            let (key, path) = of(controller).or_else(|| paths.get_key_value(""))?;
            let name: &str = if key.is_empty() { v2 } else { v1 };
            Some((path.join(name), value)).filter(|(path, _)| path.exists())
        };
        let cpu_v1 = of("cpu").is_some();
        let limits = if cpu_v1 {
            vec![
                limit("cpu", "cpu.shares", "", "512"),
                limit("cpu", "cpu.cfs_period_us", "", "100000"),
                limit("cpu", "cpu.cfs_quota_us", "", "50000"),
            ]
        } else {
            vec![limit("cpu", "", "cpu.weight", "59"), limit("cpu", "", "cpu.max", "50000 100000")]
        };
        let others = [
            limit("memory", "memory.limit_in_bytes", "memory.max", "67108864"),
            limit("pids", "pids.max", "pids.max", "100"),
        ];
        let limits = limits.into_iter().chain(others).flatten().collect();
        let procs = paths.values().map(|path| path.join("cgroup.procs")).collect();
        Bare { limits, procs, buffer: vec![0; 1 << 14], paths, ..Bare::default() }
    }

    /// Takes the files that a sampler of this cgroup has open.
    pub(crate) fn find_figures(&mut self, cgroup: &Cgroup) {
        let open = || -> BTreeSet<PathBuf> {
            let entries = fs::read_dir("/proc/self/fd").expect("/proc").flatten();
            let paths = entries.filter_map(|entry| fs::read_link(entry.path()).ok());
            paths.filter(|path| path.is_file()).collect()
        };
        let before = open();
        let mut sampler = cgroup.sampler().expect("it is there");
        sampler.sample().expect("figures");
        self.figures = open().difference(&before).cloned().collect();
    }

    /// Notes what is read of the parents each time.
    pub(crate) fn know_parents(&mut self) {
        for (key, path) in &self.paths {
            let parent = path.parent().expect("it is no root");
            if key.split(',').any(|word| word == "cpuset") {
                let pair = |name| (parent.join(name), path.join(name));
                self.cpusets.extend(["cpuset.cpus", "cpuset.mems"].map(pair));
            }
            if key.is_empty() {
                self.handed_down
                    .extend(["cgroup.controllers", "cgroup.subtree_control"].map(|name| parent.join(name)));
            }
        }
    }

    pub(crate) fn add(&self, pid: u32) {
        let pid = pid.to_string();
        self.procs.iter().for_each(|path| write(path, pid.as_bytes()));
    }
}

impl Life for Bare {
    fn make(&mut self) {
        let Bare { paths, cpusets, handed_down, buffer, .. } = self;
        for path in handed_down {
            read(path, buffer);
        }
        for path in paths.values() {
            fs::create_dir(path).expect("a cgroup");
        }
        for (from, to) in cpusets {
            let size = read(from, buffer);
            write(to, &buffer[..size]);
        }
    }

    fn limit_and_add(&mut self, pid: u32) {
        self.limits.iter().for_each(|(path, value)| write(path, value.as_bytes()));
        self.add(pid);
    }

    fn statistics(&mut self) {
        for path in &self.figures {
            read(path, &mut self.buffer);
        }
    }

    fn remove(&mut self) {
        self.paths.values().for_each(|path| fs::remove_dir(path).expect("it is empty"));
    }
}

fn read(path: &Path, buffer: &mut [u8]) -> usize {
    File::open(path).expect("it is there").read(buffer).expect("a control file")
}

fn write(path: &Path, value: &[u8]) {
    let mut file = OpenOptions::new().write(true).open(path).expect("it is there");
    assert_eq!(file.write(value).expect("it may be written"), value.len());
}

//! Directories that stand in for cgroups: any user, any machine.

// Not every test program needs all of it.
#![allow(dead_code)]

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use cgroups::{Active, Cgroup, Hierarchies};

/// Directories with files in the place of hierarchies; they go when the test ends.
pub(crate) struct Tree {
    pub(crate) root: PathBuf,
    mountinfo: String,
    membership: String,
}

impl Tree {
    pub(crate) fn new(test: &str) -> Tree {
        let root = std::env::temp_dir().join(format!("cgroups-golden-{test}-{}", std::process::id()));
        fs::create_dir_all(&root).unwrap();
        let root = root.canonicalize().unwrap();
        Tree { root, mountinfo: String::new(), membership: String::new() }
    }

    /// Adds a hierarchy, with these files at its root and these in the cgroup `x`.
    pub(crate) fn with(mut self, key: &str, root: &[(&str, &str)], leaf: &[(&str, &str)]) -> Tree {
        let at = self.root.join(if key.is_empty() { "unified" } else { key });
        let kind = if key.is_empty() { "cgroup2" } else { "cgroup" };
        writeln!(self.mountinfo, "40 1 0:40 / {} rw - {kind} {kind} rw,{key}", at.display()).unwrap();
        writeln!(self.membership, "1:{key}:/").unwrap();
        fs::create_dir_all(at.join("x")).unwrap();
        for (dir, files) in [(at.clone(), root), (at.join("x"), leaf)] {
            fs::write(dir.join("cgroup.procs"), "").unwrap();
            for (name, content) in files {
                fs::write(dir.join(name), content).unwrap();
            }
        }
        self
    }

    pub(crate) fn v2(test: &str, leaf: &[(&str, &str)]) -> Tree {
        let controllers =
            [("cgroup.controllers", "cpuset cpu io memory pids\n"), ("cgroup.subtree_control", "")];
        let leaf: Vec<_> = controllers.iter().chain(leaf).copied().collect();
        Tree::new(test).with("", &controllers, &leaf)
    }

    pub(crate) fn take(&self) -> cgroups::Result<Active> {
        let found = Hierarchies::parse(self.mountinfo.as_bytes(), self.membership.as_bytes())?;
        Cgroup::create(&found, "/x")
    }

    pub(crate) fn cgroup(&self) -> Cgroup {
        self.take().unwrap().commit()
    }

    pub(crate) fn file(&self, path: &str) -> String {
        fs::read_to_string(self.root.join(path)).unwrap()
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.root));
    }
}

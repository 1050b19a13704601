//! What may be mounted over the kernel's own files.

use std::path::{Component, Path, PathBuf};

use super::Mount;

/// Files of procfs that others tell about a container better than the kernel does, as lxcfs.
const TOLD_BY_OTHERS: [&str; 11] = [
    "cpuinfo",
    "diskstats",
    "loadavg",
    "meminfo",
    "net/dev",
    "slabinfo",
    "stat",
    "swaps",
    "sys/crypto/fips_enabled",
    "sys/kernel/ns_last_pid",
    "uptime",
];

/// Returns why a mount would take the place of the kernel's files: programs inside would write their
/// labels, limits and scores to whoever made it (CVE-2019-16884).
pub(super) fn over_proc(mount: &Mount) -> Option<&'static str> {
    let path = plain(&mount.destination);
    let beneath = path.strip_prefix("/proc").ok()?;
    if beneath.as_os_str().is_empty() {
        let own = mount.kind == "proc" || plain(&mount.source) == Path::new("/proc");
        return (!own).then_some("only procfs belongs there");
    }
    let told = TOLD_BY_OTHERS.iter().any(|file| beneath == Path::new(file));
    (!told).then_some("inside procfs, it would hide what the kernel says")
}

/// Returns a path without `.` and `..`, from the root on, as far as names tell.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::from("/");
    for component in path.components() {
        match component {
            Component::ParentDir => drop(plain.pop()),
            Component::Normal(name) => plain.push(name),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_refused(kind: &str, source: &str, destination: &str) -> bool {
        let mount = Mount {
            destination: destination.into(),
            kind: kind.to_owned(),
            source: source.into(),
            options: Vec::new(),
            ..Mount::default()
        };
        over_proc(&mount).is_some()
    }

    #[test]
    fn nothing_but_procfs_lies_on_proc() {
        for destination in ["/proc", "proc", "/proc/", "//proc", "/a/../proc", "/../proc/."] {
            assert!(is_refused("", "/srv", destination), "{destination}");
            assert!(is_refused("tmpfs", "tmpfs", destination), "{destination}");
            assert!(!is_refused("proc", "proc", destination), "{destination}");
            assert!(!is_refused("", "/proc", destination), "{destination}");
        }
    }

    #[test]
    fn what_is_told_better_may_be_and_what_is_written_may_not() {
        for inside in ["/proc/cpuinfo", "/proc/net/dev", "proc/./uptime", "/proc/sys/kernel/ns_last_pid"] {
            assert!(!is_refused("", "/var/lib/lxcfs/x", inside), "{inside}");
        }
        for inside in ["/proc/self/attr/exec", "/proc/sys/kernel", "/proc/cpuinfo/x", "/proc/1", "/proc/net"]
        {
            assert!(is_refused("", "/proc", inside) && is_refused("tmpfs", "x", inside), "{inside}");
        }
    }

    #[test]
    fn other_places_are_free() {
        for other in ["/process", "/sys/fs/cgroup", "/sysfiles/fs/cgroup", "/a/proc", "/proc/../x", "/dev"] {
            assert!(!is_refused("", "/srv", other), "{other}");
        }
    }
}

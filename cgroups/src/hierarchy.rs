//! Which hierarchies there are, where they are mounted, and which one a controller lives in.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use mount::MountInfo;

use crate::file::Dir;
use crate::{Error, ErrorKind, Result};

/// How cgroups are set up on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum Layout {
    /// Only cgroup v1: one hierarchy for each controller or group of controllers.
    V1,
    /// Only cgroup v2: one hierarchy for everything.
    V2,
    /// Both: the controllers that are mounted as v1 are used there, all others in v2.
    Hybrid,
}

/// The cgroup hierarchies that the caller sees.
///
/// Found from the mount table and the caller's own membership, never from the names of directories: a
/// controller is where the mount's options say it is. Mounts that lie hidden below others don't count.
///
/// It is a picture of one moment; it holds no files open.
#[derive(Debug, Clone)]
pub struct Hierarchies {
    list: Vec<Hierarchy>,
}

/// One mounted hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hierarchy {
    /// The controllers as `/proc/self/cgroup` lists them: `cpu,cpuacct`, `name=systemd`; empty for v2.
    pub(crate) key: String,
    pub(crate) mount_point: PathBuf,
    /// The cgroup that is mounted there: `/`, unless a container sees its own part alone, or somebody's bind mount.
    pub(crate) root: PathBuf,
    /// The caller's cgroup relative to the mount point; `None` where this mount doesn't show it.
    pub(crate) own: Option<PathBuf>,
}

impl Hierarchy {
    pub(crate) fn is_v2(&self) -> bool {
        self.key.is_empty()
    }

    /// Tells whether a controller lives in this hierarchy.
    fn has(&self, controller: &str) -> Result<bool> {
        if controller.is_empty() {
            return Ok(self.is_v2());
        }
        if self.is_v2() {
            let controllers = Dir::open(&self.mount_point)?.read("cgroup.controllers")?;
            return Ok(controllers.split_whitespace().any(|c| c == controller));
        }
        Ok(self.key.split(',').any(|c| c == controller))
    }
}

impl Hierarchies {
    /// Finds the hierarchies that the calling thread sees.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) where no cgroup file system is mounted or the kernel has none.
    pub fn detect() -> Result<Hierarchies> {
        Hierarchies::with_membership(&read(Path::new("/proc/thread-self/cgroup"))?)
    }

    /// The hierarchies that the caller sees, with another process's place in them.
    pub(crate) fn of(pid: u32) -> Result<Hierarchies> {
        Hierarchies::with_membership(&read(Path::new(&format!("/proc/{pid}/cgroup")))?)
    }

    /// The hierarchies that the caller sees, with the place in them that the text of `/proc/PID/cgroup` tells.
    pub(crate) fn with_membership(membership: &[u8]) -> Result<Hierarchies> {
        let mounts = mount::mounts().map_err(|e| Error::new(ErrorKind::Other, e.to_string()))?;
        Hierarchies::from_parts(&mounts, membership)
    }

    /// Reads the texts of `/proc/PID/mountinfo` and `/proc/PID/cgroup`, wherever they come from.
    ///
    /// ```
    /// let mountinfo = b"30 28 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n";
    /// let found = cgroups::Hierarchies::parse(mountinfo, b"0::/user.slice\n")?;
    /// assert_eq!(found.layout(), cgroups::Layout::V2);
    /// assert_eq!(found.own()[""].to_str(), Some("/sys/fs/cgroup/user.slice"));
    /// # Ok::<(), cgroups::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Malformed`](ErrorKind::Malformed) where a text is not what the kernel writes;
    /// [`NotFound`](ErrorKind::NotFound) where no hierarchy is mounted.
    pub fn parse(mountinfo: &[u8], membership: &[u8]) -> Result<Hierarchies> {
        let mounts = mount::parse(mountinfo)
            .map(|entry| Ok(MountInfo::from(entry?)))
            .collect::<mount::Result<Vec<_>>>()
            .map_err(|e| Error::new(ErrorKind::Malformed, e.to_string()))?;
        Hierarchies::from_parts(&mounts, membership)
    }

    fn from_parts(mounts: &[MountInfo], membership: &[u8]) -> Result<Hierarchies> {
        // The type first: to see what hides a mount takes a look at all the others.
        let visible: Vec<_> = mounts.iter().filter(|m| is_cgroups(m) && is_visible(m, mounts)).collect();
        let mut list = Vec::new();
        for (key, path) in memberships(membership)? {
            let candidates = visible.iter().filter(|m| is_of(m, &key)).map(|m| Hierarchy {
                key: key.clone(),
                mount_point: m.mount_point.clone(),
                root: m.root.clone(),
                own: path.as_deref().and_then(|path| beneath(&m.root, path)).map(Path::to_owned),
            });
            // A bind mount may show a part that the caller isn't in; any mount that does is better.
            list.extend(candidates.reduce(|best, next| if best.own.is_none() { next } else { best }));
        }
        if list.is_empty() {
            return Err(Error::new(ErrorKind::NotFound, "find cgroups: no cgroup file system is mounted"));
        }
        Ok(Hierarchies { list })
    }

    /// Returns whether there is cgroup v1, v2 or both.
    pub fn layout(&self) -> Layout {
        let v2 = self.list.iter().any(Hierarchy::is_v2);
        let v1 = self.list.iter().any(|h| !h.is_v2());
        match (v1, v2) {
            (true, true) => Layout::Hybrid,
            (false, _) => Layout::V2,
            (true, false) => Layout::V1,
        }
    }

    /// Returns the directory of the caller's own cgroup in each hierarchy, as [`Cgroup::open`] takes them.
    ///
    /// The key is the v1 controller list (`cpu,cpuacct`), and empty for v2. A hierarchy in which the caller's
    /// cgroup can't be reached (it lies outside the cgroup namespace or the mount, or was removed) is absent.
    ///
    /// [`Cgroup::open`]: crate::Cgroup::open
    #[doc(alias = "GetThisCgroupDir")]
    pub fn own(&self) -> BTreeMap<String, PathBuf> {
        let own = |h: &Hierarchy| Some((h.key.clone(), join(&h.mount_point, h.own.as_deref()?)));
        self.list.iter().filter_map(own).collect()
    }

    /// Returns where the hierarchy is mounted that has this controller (`memory`, `name=systemd`); the empty name
    /// is v2 itself.
    ///
    /// # Errors
    ///
    /// [`NoController`](ErrorKind::NoController) where no mounted hierarchy has it.
    pub fn mount_point(&self, controller: &str) -> Result<&Path> {
        self.with(controller).map(|h| h.mount_point.as_path())
    }

    /// The caller's cgroup in the hierarchy of the controller, from that hierarchy's root.
    pub(crate) fn own_of(&self, controller: &str) -> Result<PathBuf> {
        let hierarchy = self.with(controller)?;
        let own = hierarchy.own.as_deref().ok_or_else(|| outside(hierarchy))?;
        Ok(join(Path::new("/"), own))
    }

    fn with(&self, controller: &str) -> Result<&Hierarchy> {
        let (v2, v1): (Vec<_>, Vec<_>) = self.list.iter().partition(|h| h.is_v2());
        for hierarchy in v1.into_iter().chain(v2) {
            if hierarchy.has(controller)? {
                return Ok(hierarchy);
            }
        }
        Err(Error::new(
            ErrorKind::NoController,
            format!("find cgroup controller {controller:?}: no mounted hierarchy has it"),
        ))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Hierarchy> {
        self.list.iter()
    }
}

fn read(file: &Path) -> Result<Vec<u8>> {
    fs::read(file).map_err(|e| Error::os("read", file, e))
}

/// The caller's cgroup can't be reached in this hierarchy.
pub(crate) fn outside(hierarchy: &Hierarchy) -> Error {
    let why = "the caller's own cgroup is not in what is mounted here";
    Error::at(ErrorKind::NotFound, "find own cgroup below", &hierarchy.mount_point, why)
}

/// Joins without leaving a slash at the end.
pub(crate) fn join(base: &Path, relative: &Path) -> PathBuf {
    if relative.as_os_str().is_empty() { base.to_owned() } else { base.join(relative) }
}

/// Returns the rest of a path below a mount's root.
pub(crate) fn beneath<'a>(root: &Path, path: &'a Path) -> Option<&'a Path> {
    // Of an empty root, which no kernel writes, the rest would be absolute and lead out of the mount.
    path.strip_prefix(root).ok().filter(|rest| rest.is_relative())
}

fn is_cgroups(mount: &MountInfo) -> bool {
    mount.fs_type == "cgroup" || mount.fs_type == "cgroup2"
}

/// Tells whether this mount is the hierarchy with that line in `/proc/PID/cgroup`.
fn is_of(mount: &MountInfo, key: &str) -> bool {
    if key.is_empty() {
        return mount.fs_type == "cgroup2";
    }
    let options: Vec<_> = mount.super_words().collect();
    mount.fs_type == "cgroup" && key.split(',').all(|word| options.iter().any(|option| option == word))
}

/// Tells whether a path lookup reaches this mount: none lies over it or over one of those that carry it.
fn is_visible(mount: &MountInfo, mounts: &[MountInfo]) -> bool {
    let mut at = mount;
    if mounts.iter().any(|m| m.parent == at.id && m.id != at.id && m.mount_point == at.mount_point) {
        return false;
    }
    // Not more steps than mounts, whatever a strange table says about who carries whom.
    for _ in mounts {
        let covers = |m: &&MountInfo| {
            m.parent == at.parent
                && m.id != at.id
                && m.mount_point != at.mount_point
                && at.mount_point.starts_with(&m.mount_point)
        };
        if mounts.iter().any(|m| covers(&m)) {
            return false;
        }
        match mounts.iter().find(|m| m.id == at.parent && m.id != at.id) {
            Some(parent) => at = parent,
            None => break,
        }
    }
    true
}

/// Reads `/proc/PID/cgroup`: the controllers of each hierarchy, and the path if it can be reached.
fn memberships(text: &[u8]) -> Result<Vec<(String, Option<PathBuf>)>> {
    let line = |line: &[u8]| {
        // The path is the rest of the line: colons belong to it.
        let mut fields = line.splitn(3, |&b| b == b':');
        let (Some(_), Some(key), Some(path)) = (fields.next(), fields.next(), fields.next()) else {
            let line = String::from_utf8_lossy(line);
            let text = format!("read cgroup membership: {line:?} is no hierarchy, controllers and path");
            return Err(Error::new(ErrorKind::Malformed, text));
        };
        let key = String::from_utf8_lossy(key).into_owned();
        let path = Path::new(OsStr::from_bytes(path));
        let up = path.components().any(|c| c == Component::ParentDir);
        let reachable = path.is_absolute() && !up && !path.as_os_str().as_bytes().ends_with(b" (deleted)");
        Ok((key, reachable.then(|| path.to_owned())))
    };
    text.split(|&b| b == b'\n').filter(|l| !l.is_empty()).map(line).collect()
}

/// Checks the path of a cgroup that someone asks for, and makes it relative.
pub(crate) fn checked(path: &Path) -> Result<PathBuf> {
    let refused = |why: String| Err(Error::at(ErrorKind::InvalidInput, "make cgroup", path, why));
    let mut relative = PathBuf::new();
    for component in path.components() {
        match component {
            Component::RootDir | Component::CurDir => {}
            Component::Normal(name) if name.as_bytes().contains(&b'\n') => {
                return refused("a name can't hold a line end".to_owned());
            }
            Component::Normal(name) if is_control_file(name.as_bytes()) => {
                let name = name.to_string_lossy();
                return refused(format!("{name:?} reads as a control file; put \"_\" before it"));
            }
            Component::Normal(name) => relative.push(name),
            Component::ParentDir | Component::Prefix(_) => return refused("\"..\" leads out".to_owned()),
        }
    }
    if relative.as_os_str().is_empty() {
        return refused("names the root of the hierarchy, which can't be made".to_owned());
    }
    Ok(relative)
}

/// The kernel lets a cgroup be named like a control file that comes with the next controller.
fn is_control_file(name: &[u8]) -> bool {
    const FAMILIES: [&str; 18] = [
        "cgroup",
        "cpu",
        "cpuacct",
        "cpuset",
        "memory",
        "pids",
        "io",
        "blkio",
        "hugetlb",
        "rdma",
        "misc",
        "dmem",
        "devices",
        "freezer",
        "net_cls",
        "net_prio",
        "perf_event",
        "irq",
    ];
    const ALONE: [&str; 3] = ["tasks", "notify_on_release", "release_agent"];
    let family = name.iter().position(|&b| b == b'.').map(|dot| &name[..dot]);
    family.is_some_and(|family| FAMILIES.iter().any(|f| f.as_bytes() == family))
        || ALONE.iter().any(|a| a.as_bytes() == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &[u8] = include_bytes!("../tests/fixtures/hybrid.mountinfo");
    const HYBRID_OWN: &[u8] = include_bytes!("../tests/fixtures/hybrid.cgroup");

    fn key_of(found: &Hierarchies, controller: &str) -> String {
        found.with(controller).unwrap().key.clone()
    }

    #[test]
    fn a_hybrid_machine_has_each_controller_where_its_mount_says() {
        let found = Hierarchies::parse(HYBRID, HYBRID_OWN).unwrap();
        assert_eq!(found.layout(), Layout::Hybrid);
        assert_eq!(key_of(&found, "memory"), "memory");
        // Mounted at a directory named in the other order, which says nothing.
        assert_eq!(key_of(&found, "cpuacct"), "cpu,cpuacct");
        assert_eq!(found.mount_point("cpu").unwrap(), Path::new("/sys/fs/cgroup/cpuacct,cpu"));
        assert_eq!(found.mount_point("name=systemd").unwrap(), Path::new("/sys/fs/cgroup/systemd"));
        assert_eq!(found.own()["memory"], Path::new("/sys/fs/cgroup/memory/jobs/738491ee"));
        assert_eq!(found.own()["pids"], Path::new("/sys/fs/cgroup/pids"));
        assert_eq!(found.own()[""], Path::new("/sys/fs/cgroup/unified/init.scope"));
        // In the membership, but mounted nowhere.
        assert!(!found.own().contains_key("perf_event"));
    }

    #[test]
    fn a_colon_belongs_to_the_path() {
        // In 2014 the line was split at every colon: a path with one lost its end, a line without one panicked.
        let found = Hierarchies::parse(HYBRID, b"4:memory:/a:b/c:d\n").unwrap();
        assert_eq!(found.own()["memory"], Path::new("/sys/fs/cgroup/memory/a:b/c:d"));
        for text in [&b"4:memory\n"[..], b"4", b"x\n"] {
            assert_eq!(Hierarchies::parse(HYBRID, text).unwrap_err().kind(), ErrorKind::Malformed);
        }
    }

    /// Found by fuzzing: every mount was compared with every other one, for half a minute here.
    #[test]
    fn ten_thousand_other_mounts_cost_nothing_to_speak_of() {
        let mut table = b"31 1 0:28 / /c rw - cgroup2 cgroup2 rw\n".to_vec();
        for number in 100..10_100 {
            table.extend(format!("{number} 1 0:{number} / /pods/{number} rw - tmpfs x rw\n").bytes());
        }
        let begin = std::time::Instant::now();
        assert_eq!(Hierarchies::parse(&table, b"0::/x\n").unwrap().own()[""], Path::new("/c/x"));
        assert!(begin.elapsed().as_secs() < 5, "{:?}", begin.elapsed());
    }

    /// Found by fuzzing: joined to the mount point, the whole path of the cgroup took its place.
    #[test]
    fn a_mount_without_a_root_shows_no_cgroup() {
        let found = Hierarchies::parse(b"35 28 1:28  /m rw - cgroup2 cgroup2 rw\n", b"0::/etc\n").unwrap();
        assert!(found.own().is_empty(), "{found:?}");
    }

    #[test]
    fn a_cgroup_outside_the_namespace_or_removed_has_no_directory() {
        // `/..` stands for what lies above the cgroup namespace; joined to the mount point it led out of it.
        for own in [&b"0::/..\n"[..], b"0::/../other\n", b"0::/gone (deleted)\n"] {
            let found = Hierarchies::parse(HYBRID, own).unwrap();
            assert!(found.own().is_empty());
            assert_eq!(found.iter().map(|h| outside(h).kind()).next(), Some(ErrorKind::NotFound));
        }
    }

    #[test]
    fn a_mount_of_a_part_is_entered_relative_to_that_part() {
        // As in a container without a cgroup namespace: the mount's root is the container's own cgroup.
        let table = b"40 30 0:30 /docker/abc /sys/fs/cgroup/memory ro,nosuid - cgroup cgroup rw,memory\n";
        let found = Hierarchies::parse(table, b"4:memory:/docker/abc\n").unwrap();
        assert_eq!(found.own()["memory"], Path::new("/sys/fs/cgroup/memory"));
        let found = Hierarchies::parse(table, b"4:memory:/docker/abc/in\n").unwrap();
        assert_eq!(found.own()["memory"], Path::new("/sys/fs/cgroup/memory/in"));
        let found = Hierarchies::parse(table, b"4:memory:/docker/abcdef\n").unwrap();
        assert!(found.own().is_empty());
    }

    #[test]
    fn a_hidden_mount_does_not_count() {
        // cgroup2 mounted over a machine's v1 mounts, as in a namespace of one's own: the table lists them still.
        let mut table = HYBRID.to_vec();
        table.extend_from_slice(b"90 31 0:38 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
        let found = Hierarchies::parse(&table, HYBRID_OWN).unwrap();
        assert_eq!(found.layout(), Layout::V2);
        assert_eq!(found.own()[""], Path::new("/sys/fs/cgroup/init.scope"));
    }

    #[test]
    fn without_any_hierarchy_the_error_says_so() {
        let error = Hierarchies::parse(b"31 23 0:28 / /sys rw - sysfs sysfs rw\n", b"0::/\n").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }

    #[test]
    fn a_table_whose_mounts_carry_one_another_is_read_to_an_end() {
        let table = b"1 2 0:1 / /a rw - cgroup2 c rw\n2 1 0:1 / /b rw - cgroup2 c rw\n";
        assert!(Hierarchies::parse(table, b"0::/\n").is_ok());
    }

    #[test]
    fn a_path_can_neither_leave_the_hierarchy_nor_take_a_control_files_name() {
        for path in [
            "..",
            "../x",
            "a/../../x",
            "/..",
            "/a/..",
            "",
            "/",
            ".",
            "a\nb",
            "cgroup.procs",
            "a/memory.max",
            "tasks",
        ] {
            assert_eq!(checked(Path::new(path)).unwrap_err().kind(), ErrorKind::InvalidInput, "{path}");
        }
        for path in ["docker/x", "/docker/x", "//docker/./x/"] {
            assert_eq!(checked(Path::new(path)).unwrap(), Path::new("docker/x"), "{path}");
        }
        assert!(checked(Path::new("system.slice/docker-1.scope/..x")).is_ok());
    }
}

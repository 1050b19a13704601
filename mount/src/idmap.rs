//! Maps of ids: to whom files belong, as seen through a mount.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::{fmt, str};

use nix::errno::Errno;

use crate::error::quote;
use crate::sys::process::Child;
use crate::{Error, ErrorKind, Result, sys};

/// How many ranges the kernel takes ([`user_namespaces(7)`], since Linux 4.15).
///
/// [`user_namespaces(7)`]: https://man7.org/linux/man-pages/man7/user_namespaces.7.html
const RANGES_MAX: usize = 340;

/// Ids that follow each other, mapped to others, as a line of `/proc/PID/uid_map` has them.
///
/// For a mount, *inside* is to whom a file belongs on its filesystem, and *outside* to whom it is seen to belong.
/// For a process, *inside* is the id in its user namespace, and *outside* the same one seen from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IdRange {
    /// The first id inside.
    pub inside: u32,
    /// The first id outside.
    pub outside: u32,
    /// How many ids there are.
    pub length: u32,
}

/// A map of user ids and group ids, for a mount or a user namespace.
///
/// Written it is as `X-mount.idmap=` of [`mount(8)`] has it: ranges such as `u:0:100000:65536` (inside, outside,
/// length) between blanks, with `u` for users, `g` for groups and `b`, or nothing, for both.
///
/// An id in no range is seen as the overflow id, which mostly is 65534, and makes no files.
///
/// ```no_run
/// let map: mount::IdMap = "b:0:100000:65536".parse()?;
/// let tree = mount::Mount::clone_of("/srv/image")?;
/// tree.map_ids(std::os::fd::AsFd::as_fd(&map.user_namespace()?))?;
/// tree.attach("/mnt")?; // what is root's in the image is 100000's there
/// # Ok::<(), mount::Error>(())
/// ```
///
/// [`mount(8)`]: https://man7.org/linux/man-pages/man8/mount.8.html
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdMap {
    uids: Vec<IdRange>,
    gids: Vec<IdRange>,
}

impl IdMap {
    /// Takes ranges of user ids and of group ids.
    ///
    /// ```
    /// use mount::{IdMap, IdRange};
    /// let range = IdRange { inside: 0, outside: 100_000, length: 65_536 };
    /// assert_eq!(IdMap::new([range], [range])?.to_string(), "b:0:100000:65536");
    /// # Ok::<(), mount::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) for ranges that overlap, inside or outside, that are empty or go
    /// beyond the last id, which is 4294967294; for more than 340 of a kind, and for none at all.
    pub fn new(
        uids: impl IntoIterator<Item = IdRange>,
        gids: impl IntoIterator<Item = IdRange>,
    ) -> Result<Self> {
        let map = IdMap { uids: uids.into_iter().collect(), gids: gids.into_iter().collect() };
        if map.uids.is_empty() && map.gids.is_empty() {
            return Err(wrong("", "it maps nothing"));
        }
        check("u", &map.uids)?;
        check("g", &map.gids)?;
        Ok(map)
    }

    /// Returns the ranges of user ids.
    pub fn uids(&self) -> &[IdRange] {
        &self.uids
    }

    /// Returns the ranges of group ids.
    pub fn gids(&self) -> &[IdRange] {
        &self.gids
    }

    /// Returns the map of a process's user namespace.
    ///
    /// An id *outside* which the calling process's own namespace doesn't have is 4294967295.
    ///
    /// ```
    /// let mine = mount::IdMap::of_process(std::process::id())?;
    /// assert!(!mine.uids().is_empty());
    /// # Ok::<(), mount::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) without such a process.
    pub fn of_process(pid: u32) -> Result<Self> {
        let read = |name: &str| {
            let file = PathBuf::from(format!("/proc/{pid}/{name}"));
            let what = || format!("read {}", quote(&file));
            let text = fs::read_to_string(&file).map_err(|error| Error::io(what(), &file, &error))?;
            let ranges: Option<Vec<_>> = text.lines().map(|line| range(line.split_whitespace())).collect();
            ranges.ok_or_else(|| Error::new(ErrorKind::InvalidData, what(), "a line is no range of ids"))
        };
        Ok(IdMap { uids: read("uid_map")?, gids: read("gid_map")? })
    }

    /// Makes a user namespace with this map, and returns its descriptor.
    ///
    /// It belongs to the calling user, and stays for as long as it is open or in use. It is made by a child that
    /// shares this process's memory and does nothing but wait, for a moment: no `SIGCHLD` is
    /// sent, and no `waitpid(-1)` of the process sees it but one with `__WALL` or `__WCLONE`. Root may map any ids. Others may map their own; in a user
    /// namespace of theirs, all that it has.
    ///
    /// # Errors
    ///
    /// [`PermissionDenied`](ErrorKind::PermissionDenied) for ids that are not the caller's to map, or where user
    /// namespaces are forbidden; [`InvalidInput`](ErrorKind::InvalidInput) for a map of more than one page of text.
    pub fn user_namespace(&self) -> Result<OwnedFd> {
        let what = "make a user namespace";
        has_pid_namespace_of_its_children(what)?;
        let child = Child::in_new_user_namespace().map_err(|error| why_not_made(what, error))?;
        let number = number_in_proc(&child);
        let proc = |name: &str| PathBuf::from(format!("/proc/{number}/{name}"));
        if !self.uids.is_empty() {
            write_map(&proc("uid_map"), &self.uids)
                .map_err(|error| why_not_mapped(what, "uid_map", &error))?;
        }
        if !self.gids.is_empty() {
            self.write_gids(&proc("gid_map"), &proc("setgroups"))
                .map_err(|error| why_not_mapped(what, "gid_map", &error))?;
        }
        let file = proc("ns/user");
        let opened = File::open(&file);
        opened
            .map(OwnedFd::from)
            .map_err(|error| Error::io(format_args!("{what}: open {}", quote(&file)), &file, &error))
    }

    /// Who has no CAP_SETGID may map a group only once nobody can leave groups any more.
    fn write_gids(&self, gid_map: &Path, setgroups: &Path) -> io::Result<()> {
        match write_map(gid_map, &self.gids) {
            Err(error) if error.raw_os_error() == Some(libc::EPERM) => {
                OpenOptions::new().write(true).open(setgroups)?.write_all(b"deny")?;
                write_map(gid_map, &self.gids)
            }
            result => result,
        }
    }
}

impl str::FromStr for IdMap {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (mut uids, mut gids) = (Vec::new(), Vec::new());
        for word in text.split_ascii_whitespace() {
            let mut numbers = word;
            let (mut users, mut groups) = (true, true);
            if let Some((kind @ ("u" | "g" | "b"), rest)) = word.split_once(':') {
                (users, groups) = (kind != "g", kind != "u");
                numbers = rest;
            }
            let range = range(numbers.split(':'));
            let range = range.ok_or_else(|| {
                wrong(
                    word,
                    "a range is u, g or b, and the first id inside, the first id outside and how many",
                )
            })?;
            uids.extend(users.then_some(range));
            gids.extend(groups.then_some(range));
        }
        IdMap::new(uids, gids)
    }
}

impl fmt::Display for IdMap {
    /// Prints the map as `X-mount.idmap=` has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let both = self.uids == self.gids;
        let uids = self.uids.iter().map(|range| (if both { "b" } else { "u" }, range));
        let gids = self.gids.iter().map(|range| ("g", range)).filter(|_| !both);
        for (at, (kind, range)) in uids.chain(gids).enumerate() {
            let blank = if at == 0 { "" } else { " " };
            write!(f, "{blank}{kind}:{}:{}:{}", range.inside, range.outside, range.length)?;
        }
        Ok(())
    }
}

/// Reads three numbers, and no sign before them.
pub(crate) fn range<'a>(mut numbers: impl Iterator<Item = &'a str>) -> Option<IdRange> {
    let mut next = || {
        let number = numbers.next()?;
        number.bytes().all(|byte| byte.is_ascii_digit()).then(|| number.parse().ok())?
    };
    let range = IdRange { inside: next()?, outside: next()?, length: next()? };
    numbers.next().is_none().then_some(range)
}

/// Refuses what map_write() of kernel/user_namespace.c answers EINVAL to.
fn check(kind: &str, ranges: &[IdRange]) -> Result<()> {
    let text = |range: &IdRange| format!("{kind}:{}:{}:{}", range.inside, range.outside, range.length);
    if ranges.len() > RANGES_MAX {
        let why = format!("{} ranges, of which the kernel takes {RANGES_MAX}", ranges.len());
        return Err(wrong(kind, why));
    }
    for range in ranges {
        if range.length == 0 {
            return Err(wrong(&text(range), "it is empty"));
        }
        if range.inside.max(range.outside).checked_add(range.length).is_none() {
            return Err(wrong(&text(range), "it goes beyond the last id, 4294967294"));
        }
    }
    for (side, first) in [("inside", inside as fn(&IdRange) -> u32), ("outside", outside)] {
        let mut sorted: Vec<_> = ranges.iter().collect();
        sorted.sort_unstable_by_key(|range| first(range));
        if let Some(pair) = sorted.windows(2).find(|pair| first(pair[0]) + pair[0].length > first(pair[1])) {
            return Err(wrong(&text(pair[1]), format!("{side} it overlaps {}", text(pair[0]))));
        }
    }
    Ok(())
}

fn inside(range: &IdRange) -> u32 {
    range.inside
}

fn outside(range: &IdRange) -> u32 {
    range.outside
}

fn wrong(text: &str, why: impl fmt::Display) -> Error {
    Error::new(ErrorKind::InvalidInput, format_args!("id map {text:?}"), why)
}

/// The kernel takes a map in one write.
fn write_map(file: &Path, ranges: &[IdRange]) -> io::Result<()> {
    let line = |range: &IdRange| format!("{} {} {}\n", range.inside, range.outside, range.length);
    let text: String = ranges.iter().map(line).collect();
    OpenOptions::new().write(true).open(file)?.write_all(text.as_bytes())
}

/// Returns the child's number in the pid namespace that /proc shows, which needs not be ours.
fn number_in_proc(child: &Child) -> i32 {
    let info = fs::read_to_string(format!("/proc/thread-self/fdinfo/{}", child.pidfd().as_raw_fd()));
    let info = info.unwrap_or_default();
    sys::fdinfo(&info, "Pid").unwrap_or_else(|| child.pid().as_raw())
}

/// The first child in a new pid namespace is its init: nothing could be started there after it.
fn has_pid_namespace_of_its_children(what: &str) -> Result<()> {
    let link = |name: &str| fs::read_link(format!("/proc/thread-self/ns/{name}")).ok();
    let (ours, children) = (link("pid"), link("pid_for_children"));
    if ours == children {
        return Ok(());
    }
    let why = "this process has made a pid namespace whose first process is still to come";
    Err(Error::new(ErrorKind::InvalidInput, what, why))
}

fn why_not_made(what: &str, error: Errno) -> Error {
    let why = match error {
        Errno::EPERM => "this user or a filter forbids it, or the root directory is not the namespace's",
        Errno::ENOSPC => "there are too many (/proc/sys/user/max_user_namespaces)",
        Errno::EINVAL => "this kernel has none",
        error => return Error::call(what, error),
    };
    Error::call(what, error).because(why, error)
}

fn why_not_mapped(what: &str, file: &str, error: &io::Error) -> Error {
    let what = format!("{what}: write {file:?}");
    let errno = Errno::from_raw(error.raw_os_error().unwrap_or_default());
    let failed = Error::io(&what, Path::new(""), error);
    match errno {
        Errno::EPERM => failed.because(
            "these ids are not this user's to map (CAP_SETUID, CAP_SETGID, for root's also CAP_SETFCAP)",
            errno,
        ),
        Errno::EACCES => failed.because(
            "this process may not be traced (prctl(2): PR_SET_DUMPABLE), its files are root's",
            errno,
        ),
        Errno::EINVAL => {
            let why = "the kernel takes one page of text";
            Error::new(ErrorKind::InvalidInput, what, why).because(why, errno)
        }
        _ => failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(inside: u32, outside: u32, length: u32) -> IdRange {
        IdRange { inside, outside, length }
    }

    #[test]
    fn a_map_is_read_and_printed_as_mount_has_it() {
        for (text, uids, gids, printed) in [
            ("b:0:100000:65536", &[range(0, 100_000, 65_536)][..], &[range(0, 100_000, 65_536)][..], ""),
            ("0:1:2", &[range(0, 1, 2)], &[range(0, 1, 2)], "b:0:1:2"),
            ("u:0:1:1", &[range(0, 1, 1)], &[], ""),
            ("g:0:1:1", &[], &[range(0, 1, 1)], ""),
            (
                " u:1000:0:1  g:1001:1:2\t5000:1000:2",
                &[range(1000, 0, 1), range(5000, 1000, 2)],
                &[range(1001, 1, 2), range(5000, 1000, 2)],
                "u:1000:0:1 u:5000:1000:2 g:1001:1:2 g:5000:1000:2",
            ),
            ("0:0:4294967295", &[range(0, 0, u32::MAX)], &[range(0, 0, u32::MAX)], "b:0:0:4294967295"),
        ] {
            let map: IdMap = text.parse().unwrap();
            assert_eq!((map.uids(), map.gids()), (uids, gids), "{text}");
            assert_eq!(map.to_string(), if printed.is_empty() { text } else { printed });
            assert_eq!(map.to_string().parse::<IdMap>().unwrap(), map);
        }
    }

    #[test]
    fn what_the_kernel_would_refuse_is_refused_with_the_reason() {
        for (text, why) in [
            ("", r#"id map "": it maps nothing"#),
            ("u:0:1:0", r#"id map "u:0:1:0": it is empty"#),
            ("u:1:0:4294967295", r#"id map "u:1:0:4294967295": it goes beyond the last id, 4294967294"#),
            ("g:0:4294967295:1", r#"id map "g:0:4294967295:1": it goes beyond the last id, 4294967294"#),
            ("u:0:0:10 u:9:100:1", r#"id map "u:9:100:1": inside it overlaps u:0:0:10"#),
            ("g:0:100:1 g:10:91:10", r#"id map "g:0:100:1": outside it overlaps g:10:91:10"#),
        ] {
            let error = text.parse::<IdMap>().unwrap_err();
            assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::InvalidInput, why));
        }
        for text in
            ["x", "u:1:2", "u:1:2:3:4", "u:+1:2:3", "u:1:2:4294967296", "u:-1:2:3", "u::1:2", "c:0:0:1", "u"]
        {
            assert!(
                text.parse::<IdMap>().unwrap_err().to_string().contains("a range is u, g or b"),
                "{text}"
            );
        }
        let many = (0..341).map(|id| range(id, id, 1));
        assert!(IdMap::new(many, []).unwrap_err().to_string().contains("341 ranges"));
    }
}

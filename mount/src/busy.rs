//! Who keeps a mount busy.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::error::quote;
use crate::table::unescape;
use crate::{At, Error, Reader, Result, sys};

/// How long an error waits for the names of those who keep a mount busy.
const PATIENCE: Duration = Duration::from_secs(1);

/// How often the list of sockets is read before a name in it is believed.
const LOOKS: usize = 4;

/// How many of them an error names.
const NAMED: usize = 3;

/// Something that keeps a mount busy.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum User {
    /// A process.
    Process {
        /// Its number.
        pid: u32,
        /// Its name, of which the kernel keeps 15 bytes.
        name: OsString,
        /// What it uses the mount for; at least one.
        uses: Vec<Use>,
    },
    /// Another mount, which lies on it.
    Mount(PathBuf),
    /// A file that is swapped to.
    Swap(PathBuf),
    /// A file that is a loop device.
    Loop {
        /// `/dev/loop0`
        device: PathBuf,
        /// The file.
        file: PathBuf,
    },
}

/// What a process uses a mount for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Use {
    /// The working directory, of a thread at least.
    Cwd,
    /// The root directory, of a thread at least.
    Root,
    /// The program that it runs.
    Exe,
    /// A file that is mapped into memory, such as a library.
    Mapped(PathBuf),
    /// An open file or directory, and its descriptor.
    Fd(u32),
    /// A Unix socket that is bound to a path there, and its descriptor.
    Socket(u32),
}

/// Who keeps a mount busy, as far as this process may see.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Users {
    /// Those that were found.
    pub found: Vec<User>,
    /// How many processes could not be looked at, as they are other users'. Whether they are among those who keep
    /// the mount busy is not known.
    pub unreadable: usize,
    /// Whether there was no time to look at all processes. Never so from [`users`].
    pub incomplete: bool,
}

/// Looks for whoever keeps the mount at a place busy.
///
/// These are the mounts on it, swap files and loop devices, and each process (of those that `/proc` shows) whose
/// working or root directory, program, mapped files, open files or bound sockets lie on it. What counts is the
/// mount, not the path: a process in another mount namespace, or under another bind of the same directory, keeps
/// this one free. The kernel has more reasons, such as directories that its NFS server exports.
///
/// It reads some files of each process, and takes a moment where there are thousands. Root sees all of them, others
/// mostly their own.
///
/// ```no_run
/// for user in mount::users("/mnt")?.found {
///     println!("{user}"); // "sleep" (pid 1234: cwd, fd 3)
/// }
/// # Ok::<(), mount::Error>(())
/// ```
///
/// # Errors
///
/// [`NotFound`](crate::ErrorKind::NotFound) if the place isn't there.
#[doc(alias = "fuser")]
#[doc(alias = "lsof")]
pub fn users<'a>(at: impl Into<At<'a>>) -> Result<Users> {
    Search::new(at.into().id()?).run(None)
}

/// Says who uses a mount, in the words of an error, if that can be told in time.
pub(crate) fn used_by(at: At<'_>) -> Option<String> {
    let users = Search::new(at.id().ok()?).run(Some(Instant::now() + PATIENCE)).ok()?;
    match (users.found.len(), users.unreadable) {
        (0, 0) => None,
        (0, processes) => {
            Some(format!("used perhaps by one of {processes} processes that can't be looked at"))
        }
        _ => Some(format!("used by {users}")),
    }
}

impl fmt::Display for Users {
    /// Prints the first three and how many more were found.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, user) in self.found.iter().take(NAMED).enumerate() {
            write!(f, "{}{user}", if index == 0 { "" } else { ", " })?;
        }
        match self.found.len().saturating_sub(NAMED) {
            0 => {}
            more => write!(f, " and {more} more")?,
        }
        f.write_str(if self.incomplete { " and perhaps others" } else { "" })
    }
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            User::Process { pid, name, uses } => {
                let words: Vec<_> = uses.iter().take(NAMED).map(Use::to_string).collect();
                let more = if uses.len() > NAMED { ", ..." } else { "" };
                write!(f, "{} (pid {pid}: {}{more})", quote(name), words.join(", "))
            }
            User::Mount(path) => write!(f, "the mount on {}", quote(path)),
            User::Swap(file) => write!(f, "swap file {}", quote(file)),
            User::Loop { device, file } => write!(f, "{} of {}", device.display(), quote(file)),
        }
    }
}

impl fmt::Display for Use {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Use::Cwd => f.write_str("cwd"),
            Use::Root => f.write_str("root"),
            Use::Exe => f.write_str("exe"),
            Use::Mapped(file) => write!(f, "mapped {}", quote(file)),
            Use::Fd(fd) => write!(f, "fd {fd}"),
            Use::Socket(fd) => write!(f, "socket {fd}"),
        }
    }
}

/// A look at everything for one mount.
struct Search {
    /// Its id in mountinfo, which is in fdinfo too.
    mount: u64,
    /// The inodes of sockets that are bound there.
    sockets: HashSet<u64>,
}

impl Search {
    fn new(mount: u64) -> Self {
        Search { mount, sockets: HashSet::new() }
    }

    fn run(mut self, deadline: Option<Instant>) -> Result<Users> {
        let mut users = Users::default();
        let point = self.mounts(&mut users)?;
        self.swaps(&mut users);
        self.loops(&mut users);
        self.sockets = point.map(|point| self.bound_sockets(&point)).unwrap_or_default();
        let failed =
            |error| Error::io("look for the users of a mount: read \"/proc\"", Path::new("/proc"), &error);
        for entry in fs::read_dir("/proc").map_err(failed)?.flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            if deadline.is_some_and(|deadline| deadline < Instant::now()) {
                users.incomplete = true;
                break;
            }
            match self.process(&entry.path()) {
                Ok(all) if all.is_empty() => {}
                Ok(all) => {
                    let mut name = fs::read(entry.path().join("comm")).unwrap_or_default();
                    name.pop_if(|last| *last == b'\n');
                    users.found.push(User::Process { pid, name: OsString::from_vec(name), uses: all });
                }
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    // Threads of the kernel have no arguments, and use nothing of ours.
                    let arguments = fs::read(entry.path().join("cmdline")).unwrap_or_default();
                    users.unreadable += usize::from(!arguments.is_empty());
                }
                Err(_) => {} // it has ended
            }
        }
        Ok(users)
    }

    /// Finds the mounts on it, and returns where it is mounted itself.
    fn mounts(&self, users: &mut Users) -> Result<Option<PathBuf>> {
        let table = Reader::open()?.skip_bad().into_table()?;
        let children = table.children(self.mount).filter(|child| child.id() != self.mount);
        users.found.extend(children.map(|child| User::Mount(child.mount_point().into_owned())));
        Ok(table.get(self.mount).map(|mount| mount.mount_point().into_owned()))
    }

    fn swaps(&self, users: &mut Users) {
        let table = fs::read("/proc/swaps").unwrap_or_default();
        for line in table.split(|&byte| byte == b'\n').skip(1) {
            let name = line.split(|&byte| byte == b' ' || byte == b'\t').next().unwrap_or_default();
            let file = PathBuf::from(OsString::from_vec(unescape(name).into_owned()));
            if self.is_there(&file) {
                users.found.push(User::Swap(file));
            }
        }
    }

    fn loops(&self, users: &mut Users) {
        let Ok(devices) = fs::read_dir("/sys/block") else { return };
        for device in devices.flatten().filter(|device| device.file_name().as_bytes().starts_with(b"loop")) {
            let Ok(mut file) = fs::read(device.path().join("loop/backing_file")) else { continue };
            file.pop_if(|last| *last == b'\n');
            let file = PathBuf::from(OsString::from_vec(file));
            if self.is_there(&file) {
                users.found.push(User::Loop { device: Path::new("/dev").join(device.file_name()), file });
            }
        }
    }

    /// Finds the sockets of this network namespace that are bound to a path there.
    ///
    /// A name may hold the end of a line and all of another's: then that socket is there twice, and believed in
    /// neither place. While others come and go the kernel may pass over a line, so that it takes several looks.
    fn bound_sockets(&self, point: &Path) -> HashSet<u64> {
        let mut bound = self.bound_once(point);
        for _ in 1..LOOKS {
            if bound.is_empty() {
                break;
            }
            let again = self.bound_once(point);
            bound.retain(|inode| again.contains(inode));
        }
        bound
    }

    fn bound_once(&self, point: &Path) -> HashSet<u64> {
        let table = fs::read("/proc/thread-self/net/unix").unwrap_or_default();
        let mut seen: HashMap<u64, usize> = HashMap::new();
        let mut bound = HashSet::new();
        for (inode, name) in table.split(|&byte| byte == b'\n').skip(1).filter_map(socket) {
            *seen.entry(inode).or_default() += 1;
            // Names are whatever others have chosen: no server is asked that has nothing to do with this mount.
            let name = Path::new(name);
            if name.starts_with(point) && self.is_there(name) {
                bound.insert(inode);
            }
        }
        bound.retain(|inode| seen.get(inode) == Some(&1));
        bound
    }

    /// Says whether a file lies on the mount.
    fn is_there(&self, file: &Path) -> bool {
        file.is_absolute() && mount_id(file).is_some_and(|id| id == self.mount)
    }

    /// Returns what a process uses the mount for, or the error of what may not be looked at.
    fn process(&self, proc: &Path) -> io::Result<Vec<Use>> {
        let mut uses = Vec::new();
        let threads = threads(proc)?;
        // The first one may have ended before the others. What is not everybody's to see tells whether there may be
        // more.
        let cwd = |thread: &PathBuf| fs::read_link(thread.join("cwd"));
        let lives = |result: &io::Result<_>| !matches!(result, Err(e) if e.kind() == io::ErrorKind::NotFound);
        let Some(living) = threads.iter().find(|thread| lives(&cwd(thread))) else { return Ok(uses) };
        cwd(living)?;
        for thread in &threads {
            for (link, used) in [("cwd", Use::Cwd), ("root", Use::Root)] {
                if !uses.contains(&used) && self.is_there(&thread.join(link)) {
                    uses.push(used);
                }
            }
        }
        if self.is_there(&living.join("exe")) {
            uses.push(Use::Exe);
        }
        // The name of a socket is a path of the namespace in which it was bound, which any thread may be in.
        let namespace = |thread: &Path| fs::read_link(thread.join("ns/mnt")).ok();
        let own = namespace(Path::new("/proc/thread-self"));
        let is_here = !self.sockets.is_empty() && threads.iter().any(|thread| namespace(thread) == own);
        self.open_files(living, is_here, &mut uses)?;
        self.mapped_files(living, proc, &mut uses)?;
        Ok(uses)
    }

    fn open_files(&self, proc: &Path, is_here: bool, uses: &mut Vec<Use>) -> io::Result<()> {
        for entry in fs::read_dir(proc.join("fd"))?.flatten() {
            let Some(fd) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            let Ok(link) = fs::read_link(entry.path()) else { continue };
            let link = link.as_os_str().as_bytes();
            if link.starts_with(b"/") {
                // Not by a look at the file: that of a dead server would never come back.
                let info =
                    fs::read_to_string(proc.join("fdinfo").join(entry.file_name())).unwrap_or_default();
                let id = sys::fdinfo(&info, "mnt_id");
                uses.extend((id == Some(self.mount)).then_some(Use::Fd(fd)));
            } else if is_here {
                let inode = link.strip_prefix(b"socket:[").and_then(|rest| rest.strip_suffix(b"]"));
                let inode = inode.and_then(|inode| str::from_utf8(inode).ok()?.parse().ok());
                uses.extend(inode.filter(|inode| self.sockets.contains(inode)).map(|_| Use::Socket(fd)));
            }
        }
        Ok(())
    }

    fn mapped_files(&self, thread: &Path, proc: &Path, uses: &mut Vec<Use>) -> io::Result<()> {
        let text = fs::read(thread.join("maps"))?;
        let mut files = HashMap::new();
        for line in text.split(|&byte| byte == b'\n') {
            if let Some((range, inode, path)) = mapping(line) {
                files.entry((inode, path)).or_insert(range);
            }
        }
        for ((inode, path), range) in files {
            // Another user namespace's root may not go through this link; the path may lead to the same file.
            let link = proc.join("map_files").join(range);
            let path = Path::new(path);
            let there = match mount_id(&link) {
                Some(id) => id == self.mount,
                None => self.is_there(path) && fs::metadata(path).is_ok_and(|file| file.ino() == inode),
            };
            uses.extend(there.then(|| Use::Mapped(path.to_owned())));
        }
        Ok(())
    }
}

/// Returns the id of the mount that a file lies on.
fn mount_id(file: &Path) -> Option<u64> {
    match sys::statx(file, true, false) {
        Ok(sys::Status { id: Some(sys::Id::Reused(id)), .. }) => Some(id),
        // Where the kernel is too old for that, or a filter.
        Ok(_) => At::Path(file).id().ok(),
        Err(_) => None,
    }
}

/// Returns the threads of a process: each may have a working directory of its own.
fn threads(proc: &Path) -> io::Result<Vec<PathBuf>> {
    Ok(fs::read_dir(proc.join("task"))?.flatten().map(|entry| entry.path()).collect())
}

/// Reads a line of /proc/net/unix: number, references, protocol, flags, type, state, inode and name.
fn socket(line: &[u8]) -> Option<(u64, &OsStr)> {
    let mut words = line.split(|&byte| byte == b' ').filter(|word| !word.is_empty());
    let inode = str::from_utf8(words.nth(6)?).ok()?.parse().ok()?;
    let start = line.windows(2).position(|bytes| bytes == b" /").map_or(line.len(), |at| at + 1); // "@/" is no path
    Some((inode, OsStr::from_bytes(&line[start..])))
}

/// Reads a line of /proc/PID/maps: addresses, rights, offset, device, inode and path.
fn mapping(line: &[u8]) -> Option<(&OsStr, u64, &OsStr)> {
    let mut words = line.splitn(6, |&byte| byte == b' ');
    let range = OsStr::from_bytes(words.next()?);
    let inode = str::from_utf8(words.nth(3)?).ok()?.parse().ok()?;
    let path = words.next()?.trim_ascii_start();
    (inode != 0 && path.starts_with(b"/")).then_some((range, inode, OsStr::from_bytes(path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_maps_has_a_range_an_inode_and_a_path_of_any_name() {
        let line = b"7f00-7f10 r-xp 00001000 00:2a 1234                       /lib/a b\\012c";
        let (range, inode, path) = mapping(line).unwrap();
        assert_eq!((range, inode, path), (OsStr::new("7f00-7f10"), 1234, OsStr::new("/lib/a b\\012c")));
        for line in
            ["7f00-7f10 rw-p 00000000 00:00 0 ", "7f00-7f10 rw-p 00000000 00:00 0    [heap]", "", "a b c"]
        {
            assert_eq!(mapping(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn three_are_named_and_the_others_counted() {
        let process = |pid| User::Process { pid, name: "sleep".into(), uses: vec![Use::Cwd, Use::Fd(3)] };
        let mut users = Users { found: vec![User::Mount("/mnt/a b".into()), process(7)], ..Users::default() };
        assert_eq!(users.to_string(), r#"the mount on "/mnt/a b", "sleep" (pid 7: cwd, fd 3)"#);
        users.found.extend([process(8), process(9), process(10)]);
        assert!(users.to_string().ends_with(r#""sleep" (pid 8: cwd, fd 3) and 2 more"#), "{users}");
        let user = User::Process { pid: 1, name: "a\nb".into(), uses: (0..9).map(Use::Fd).collect() };
        assert_eq!(user.to_string(), r#""a\nb" (pid 1: fd 0, fd 1, fd 2, ...)"#);
    }
}

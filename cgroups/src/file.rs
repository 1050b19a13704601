//! The only way to a control file: through a handle on its cgroup's directory, and only beneath it.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt::Display;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open, openat, openat2};
use nix::sys::stat::{Mode, mkdirat};
use nix::sys::statfs::{CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC, fstatfs};
use nix::unistd::{UnlinkatFlags, read, unlinkat, write};

use crate::stats::limit;
use crate::{Error, ErrorKind, Limit, Result};

/// More than any control file holds; a list of processes alone may be longer.
const LARGEST: usize = 1 << 20;
/// 4 million pids, the kernel's limit, at 8 bytes each.
const LARGEST_LIST: usize = 1 << 25;
const PROCS: &str = "cgroup.procs";
/// Enough for nearly every file.
const FIRST: usize = 4096;

/// A path is told up to here; one that can be opened is shorter (PATH_MAX).
const SHOWN: usize = 4096;

/// How the kernel hands a file out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pieces {
    /// Whole, as far as there is room: a read that leaves room was the last one.
    One,
    /// A list in pages: only a read of nothing ends it.
    Many,
}

/// A cgroup's directory.
#[derive(Debug)]
pub(crate) struct Dir {
    path: PathBuf,
    fd: OwnedFd,
}

impl Dir {
    pub(crate) fn open(path: &Path) -> Result<Dir> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let fd = retry(|| open(path, flags, Mode::empty())).map_err(|e| Error::os("open", path, e))?;
        Ok(Dir { path: path.to_owned(), fd })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn into_fd(self) -> OwnedFd {
        self.fd
    }

    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Opens a directory beneath this one.
    pub(crate) fn beneath(&self, relative: &Path) -> Result<Dir> {
        let path = self.path.join(relative);
        if relative.as_os_str().is_empty() {
            return Dir::open(&path);
        }
        let fd = open_beneath(&self.fd, relative, OFlag::O_PATH | OFlag::O_DIRECTORY)
            .map_err(|e| Error::os("open", &path, e))?;
        Ok(Dir { path, fd })
    }

    /// Opens a directory right beneath this one, of which the path may be longer than any that can be opened.
    pub(crate) fn deeper(&self, name: &Path) -> Result<Dir> {
        let path = if self.path.as_os_str().len() < SHOWN { self.path.join(name) } else { self.path.clone() };
        let fd = open_beneath(&self.fd, name, OFlag::O_PATH | OFlag::O_DIRECTORY)
            .map_err(|e| Error::os("open", &path, e))?;
        Ok(Dir { path, fd })
    }

    /// Opens the directory that this one is in. A cgroup is never moved to another parent.
    pub(crate) fn above(&self) -> Result<Dir> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let fd = retry(|| openat(&self.fd, "..", flags, Mode::empty()))
            .map_err(|e| Error::os("open what is above", &self.path, e))?;
        let is_whole = self.path.as_os_str().len() < SHOWN;
        let above = self.path.parent().filter(|_| is_whole).unwrap_or(&self.path).to_owned();
        Ok(Dir { path: above, fd })
    }

    /// The names of the cgroups right below; none where it is gone.
    pub(crate) fn children(&self) -> Result<Vec<OsString>> {
        let failed = |e: Errno| Error::os("read", &self.path, e);
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let gone = |e: &Errno| matches!(e, Errno::ENOENT | Errno::ENODEV);
        let mut entries = match retry(|| nix::dir::Dir::openat(&self.fd, ".", flags, Mode::empty())) {
            Err(e) if gone(&e) => return Ok(Vec::new()),
            result => result.map_err(failed)?,
        };
        let mut names = Vec::new();
        for entry in entries.iter() {
            match entry {
                Ok(entry) => {
                    let name = entry.file_name().to_bytes();
                    if entry.file_type() == Some(nix::dir::Type::Directory) && name != b"." && name != b".." {
                        names.push(OsString::from_vec(name.to_vec()));
                    }
                }
                Err(e) if gone(&e) => break,
                Err(e) => return Err(failed(e)),
            }
        }
        Ok(names)
    }

    /// Removes a cgroup right below; one that is gone is no error.
    pub(crate) fn remove(&self, name: &OsStr) -> Result<()> {
        match unlinkat(&self.fd, name, UnlinkatFlags::RemoveDir) {
            Err(Errno::ENOENT) => Ok(()),
            result => result.map_err(|e| Error::os("remove cgroup", &self.path.join(name), e)),
        }
    }

    /// Makes a directory in this one, and tells whether it was not there before.
    pub(crate) fn make(&self, name: &Path) -> Result<bool> {
        match mkdirat(&self.fd, name, Mode::from_bits_truncate(0o755)) {
            Ok(()) => Ok(true),
            Err(Errno::EEXIST) => Ok(false),
            // A read-only file system says so before it looks whether the directory exists.
            Err(Errno::EROFS) if self.beneath(name).is_ok() => Ok(false),
            Err(e) => {
                let error = Error::os("make cgroup", &self.path.join(name), e);
                Err(if e == Errno::EAGAIN { crate::v2::core::too_many(&self.path, error) } else { error })
            }
        }
    }

    /// Tells whether the kernel says that this is a cgroup of the given version.
    pub(crate) fn is_cgroup(&self, v2: bool) -> Result<bool> {
        let magic = fstatfs(&self.fd).map_err(|e| Error::os("examine", &self.path, e))?.filesystem_type();
        Ok(magic == if v2 { CGROUP2_SUPER_MAGIC } else { CGROUP_SUPER_MAGIC })
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        open_beneath(&self.fd, Path::new(name), OFlag::O_PATH).is_ok()
    }

    /// Opens a file, by the kernel's error number: what is absent is looked for often.
    pub(crate) fn openat(&self, name: &str, flags: OFlag) -> nix::Result<OwnedFd> {
        open_beneath(&self.fd, Path::new(name), flags)
    }

    /// Opens a file to be kept.
    pub(crate) fn open_file(&self, name: &str, flags: OFlag) -> Result<OwnedFd> {
        self.openat(name, flags).map_err(|e| Error::os("open", &self.path.join(name), e))
    }

    pub(crate) fn read(&self, name: &str) -> Result<String> {
        self.read_up_to(name, LARGEST, Pieces::One)
    }

    /// Reads a file that this kernel or cgroup may not have.
    pub(crate) fn read_if_there(&self, name: &str) -> Result<Option<String>> {
        match self.read(name) {
            Ok(text) => Ok(Some(text)),
            Err(e) if e.is(Errno::ENOENT) || e.is(Errno::EOPNOTSUPP) => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn read_up_to(&self, name: &str, most: usize, pieces: Pieces) -> Result<String> {
        let failed = |e: Errno| Error::os("read", &self.path.join(name), e);
        let malformed = |what: &dyn Display| Error::malformed(&self.path.join(name), what);
        let fd = open_beneath(&self.fd, Path::new(name), OFlag::O_RDONLY).map_err(failed)?;
        let mut bytes = vec![0; FIRST];
        let mut size = 0;
        loop {
            let piece = retry(|| read(&fd, &mut bytes[size..])).map_err(failed)?;
            size += piece;
            if size > most {
                return Err(malformed(&format_args!("longer than {most} bytes")));
            }
            if piece == 0 || (pieces == Pieces::One && size < bytes.len()) {
                break;
            }
            if size == bytes.len() {
                bytes.resize(2 * size, 0);
            }
        }
        bytes.truncate(size);
        String::from_utf8(bytes).map_err(|_| malformed(&"not UTF-8"))
    }

    /// Writes a value in one system call, as the kernel wants it.
    pub(crate) fn write(&self, name: &str, value: &str) -> Result<()> {
        let path = self.path.join(name);
        let failed = |e: io::Error| Error::os(format!("write {value:?} to"), &path, e);
        // O_TRUNC means nothing to the kernel here; with it a plain directory tree can stand in for cgroups.
        let fd = open_beneath(&self.fd, Path::new(name), OFlag::O_WRONLY | OFlag::O_TRUNC).map_err(|e| {
            let error = failed(e.into());
            // The cgroup itself is there.
            if e == Errno::ENOENT && name != PROCS && self.has(PROCS) {
                return error
                    .kind_is(ErrorKind::Unsupported)
                    .note("this kernel, or this cgroup, has no such file");
            }
            error
        })?;
        // A write of no bytes never reaches the control file; a line end does, and clears as much.
        let bytes = if value.is_empty() { "\n" } else { value }.as_bytes();
        let written = retry(|| write(&fd, bytes)).map_err(|e| failed(e.into()))?;
        if written < bytes.len() {
            return Err(failed(io::ErrorKind::WriteZero.into()));
        }
        Ok(())
    }

    /// Writes values that constrain one another: the kernel refuses with EINVAL what does not fit *yet*
    /// (memory and memory+swap, quota and burst), so what is refused is tried again after the others.
    pub(crate) fn write_all(&self, values: &[(&str, String)]) -> Result<()> {
        let mut pending: Vec<_> = values.iter().collect();
        while !pending.is_empty() {
            let mut refused = Vec::new();
            let mut reason = None;
            for value in &pending {
                match self.write(value.0, &value.1) {
                    Ok(()) => {}
                    Err(e) if e.is(Errno::EINVAL) => {
                        refused.push(*value);
                        reason.get_or_insert(e);
                    }
                    Err(e) => return Err(e),
                }
            }
            match reason {
                Some(e) if refused.len() == pending.len() => return Err(e),
                _ => pending = refused,
            }
        }
        Ok(())
    }

    /// Reads a number; `None` where there is no such file.
    pub(crate) fn number(&self, name: &str) -> Result<Option<u64>> {
        let Some(text) = self.read_if_there(name)? else { return Ok(None) };
        parse(text.trim()).map(Some).map_err(|what| Error::malformed(&self.path.join(name), what))
    }

    /// Reads a limit; `None` where there is no such file.
    pub(crate) fn limit(&self, name: &str) -> Result<Option<Limit>> {
        let Some(text) = self.read_if_there(name)? else { return Ok(None) };
        limit(text.trim()).map(Some).map_err(|what| Error::malformed(&self.path.join(name), what))
    }

    /// Reads lines of a name and a number; empty where there is no such file. Further columns are passed over.
    pub(crate) fn table(&self, name: &str) -> Result<Option<BTreeMap<String, u64>>> {
        let Some(text) = self.read_if_there(name)? else { return Ok(None) };
        let mut table = BTreeMap::new();
        for (at, line) in text.lines().enumerate() {
            let (key, rest) = line.split_once(' ').unwrap_or((line, ""));
            let value = parse(rest.split(' ').next().unwrap_or_default()).map_err(|what| {
                Error::malformed(&self.path.join(name), format!("line {}: {what}", at + 1))
            })?;
            table.insert(key.to_owned(), value);
        }
        Ok(Some(table))
    }

    /// Reads the process ids in `cgroup.procs`; 0 stands for one that this pid namespace doesn't see.
    pub(crate) fn processes(&self) -> Result<Vec<u32>> {
        let note = "a threaded cgroup has no processes; the domain above it lists them";
        self.ids("cgroup.procs").map_err(|e| e.note_on(Errno::EOPNOTSUPP, note))
    }

    /// Reads a list of process or thread ids, by rising id, each once.
    pub(crate) fn ids(&self, name: &str) -> Result<Vec<u32>> {
        let text = self.read_up_to(name, LARGEST_LIST, Pieces::Many)?;
        let mut ids = text
            .lines()
            .map(|line| line.trim().parse().map_err(|_| format!("{line:?} is no process id")))
            .collect::<std::result::Result<Vec<u32>, _>>()
            .map_err(|what| Error::malformed(&self.path.join(name), what))?;
        ids.sort_unstable();
        ids.dedup();
        Ok(ids)
    }
}

pub(crate) fn parse(word: &str) -> std::result::Result<u64, String> {
    word.parse().map_err(|_| format!("{word:?} is no number"))
}

/// The names of the cgroups right below this path; none where it is gone.
pub(crate) fn children(path: &Path) -> Result<Vec<PathBuf>> {
    let failed = |e: io::Error| Error::os("read", path, e);
    let gone =
        |e: &io::Error| matches!(e.raw_os_error().map(Errno::from_raw), Some(Errno::ENOENT | Errno::ENODEV));
    let entries = match std::fs::read_dir(path) {
        Ok(entries) => entries,
        Err(e) if gone(&e) => return Ok(Vec::new()),
        Err(e) => return Err(failed(e)),
    };
    let mut found = Vec::new();
    for entry in entries {
        match entry {
            Ok(entry) if entry.file_type().is_ok_and(|t| t.is_dir()) => found.push(entry.path()),
            Ok(_) => {}
            Err(e) if gone(&e) => break,
            Err(e) => return Err(failed(e)),
        }
    }
    Ok(found)
}

/// Opens what can be reached from `root` without `..`, symbolic links or leaving the file system.
fn open_beneath(root: &OwnedFd, path: &Path, flags: OFlag) -> nix::Result<OwnedFd> {
    let resolve =
        ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS | ResolveFlag::RESOLVE_NO_XDEV;
    let how = OpenHow::new().flags(flags | OFlag::O_CLOEXEC).resolve(resolve);
    match retry(|| openat2(root, path, how)) {
        // Engines' old seccomp profiles answer EPERM for system calls that they don't know.
        Err(Errno::ENOSYS | Errno::EPERM) => walk_beneath(root, path, flags),
        result => result,
    }
}

/// The same with system calls of any age, one component at a time.
fn walk_beneath(root: &OwnedFd, path: &Path, flags: OFlag) -> nix::Result<OwnedFd> {
    let step = |at: BorrowedFd<'_>, name: Component<'_>, flags: OFlag| match name {
        Component::Normal(name) => {
            retry(|| openat(at, name, flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Mode::empty()))
        }
        _ => Err(Errno::EXDEV),
    };
    let (Some(parent), Some(name)) = (path.parent(), path.components().next_back()) else {
        return Err(Errno::EXDEV);
    };
    let mut at: Option<OwnedFd> = None;
    for directory in parent.components() {
        let from = at.as_ref().unwrap_or(root).as_fd();
        at = Some(step(from, directory, OFlag::O_PATH | OFlag::O_DIRECTORY)?);
    }
    step(at.as_ref().unwrap_or(root).as_fd(), name, flags)
}

fn retry<T>(mut call: impl FnMut() -> nix::Result<T>) -> nix::Result<T> {
    loop {
        match call() {
            Err(Errno::EINTR) => {}
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::ErrorKind;

    /// A directory that goes when the test ends.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Scratch {
            let path = std::env::temp_dir().join(format!("cgroups-file-{name}-{}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Scratch(path)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            drop(fs::remove_dir_all(&self.0));
        }
    }

    #[test]
    fn nothing_outside_the_directory_can_be_opened() {
        // Peers joined a key from the configuration to the directory, and wrote any file of the host.
        let scratch = Scratch::new("beneath");
        fs::create_dir_all(scratch.0.join("in/deep")).unwrap();
        fs::write(scratch.0.join("secret"), "").unwrap();
        fs::write(scratch.0.join("in/deep/file"), "").unwrap();
        symlink("../secret", scratch.0.join("in/link")).unwrap();
        let dir = Dir::open(&scratch.0.join("in")).unwrap();
        for open in [open_beneath, walk_beneath] {
            assert!(open(&dir.fd, Path::new("deep/file"), OFlag::O_RDONLY).is_ok());
            assert!(open(&dir.fd, Path::new("deep/none"), OFlag::O_RDONLY).is_err());
            assert!(open(&dir.fd, Path::new("../secret"), OFlag::O_RDONLY).is_err());
            assert!(open(&dir.fd, Path::new("deep/../../secret"), OFlag::O_RDONLY).is_err());
            assert!(open(&dir.fd, Path::new("link"), OFlag::O_RDONLY).is_err());
            assert!(open(&dir.fd, &scratch.0.join("secret"), OFlag::O_RDONLY).is_err());
        }
    }

    #[test]
    fn an_error_of_reading_names_the_file_and_the_line() {
        let scratch = Scratch::new("lines");
        fs::write(scratch.0.join("memory.stat"), "cache 1\nrss x\n").unwrap();
        fs::write(scratch.0.join("pids.current"), "many\n").unwrap();
        fs::write(scratch.0.join("cgroup.procs"), "1\n-2\n").unwrap();
        let dir = Dir::open(&scratch.0).unwrap();
        let text = dir.table("memory.stat").unwrap_err().to_string();
        assert!(text.ends_with("memory.stat\": line 2: \"x\" is no number"), "{text}");
        assert_eq!(dir.number("pids.current").unwrap_err().kind(), ErrorKind::Malformed);
        assert_eq!(dir.processes().unwrap_err().kind(), ErrorKind::Malformed);
        assert_eq!(dir.number("absent").unwrap(), None);
    }

    #[test]
    fn a_file_without_end_is_not_read_to_the_end() {
        let dir = Dir::open(Path::new("/dev")).unwrap();
        assert_eq!(dir.read("zero").unwrap_err().kind(), ErrorKind::Malformed);
    }

    #[test]
    fn a_table_keeps_unknown_rows_and_the_largest_number() {
        let scratch = Scratch::new("table");
        fs::write(scratch.0.join("s"), "throttled_time 18446744073709551615\nnew 7 extra columns\n").unwrap();
        let table = Dir::open(&scratch.0).unwrap().table("s").unwrap().unwrap();
        assert_eq!(table["throttled_time"], u64::MAX);
        assert_eq!(table["new"], 7);
    }
}

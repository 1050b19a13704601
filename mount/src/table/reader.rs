//! A mount table that is read again when it has changed.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::Table;
use crate::error::quote;
use crate::sys::namespace;
use crate::{Error, ErrorKind, Result};

const OWN: &str = "/proc/thread-self/mountinfo";

/// How much is read into at first. The kernel hands out a page at a time.
const FIRST: usize = 16 << 10;

/// Holds a mount table open, and reads it again only if the kernel says that it has changed.
///
/// Asking the kernel is one system call, however many mounts there are. The memory is used again, so that
/// later reads allocate nothing unless the table has grown.
///
/// ```
/// let mut reader = mount::Reader::open()?;
/// let before = reader.read()?.len();
/// // … and whenever somebody asks:
/// println!("{} mounts now, {before} before", reader.read()?.len());
/// # Ok::<(), mount::Error>(())
/// ```
///
/// # What the kernel says nothing about
///
/// It announces whatever mounts, unmounts or moves, remounts by `mount(2)`, and each `mount_setattr(2)`. It
/// does *not* announce
///
/// - a change of propagation by `mount(2)` (`mount --make-shared`),
/// - a filesystem that is reconfigured through `fspick(2)` and `fsconfig(2)`, or becomes read-only after an
///   error,
/// - a directory that is renamed or removed, so that `mount_point` or `root` read differently.
///
/// [`read`](Self::read) misses these until the next change that is announced; [`reread`](Self::reread) sees
/// everything.
///
/// # Whose table it is
///
/// The namespace and the root directory are those at the time of opening: a thread that enters another
/// namespace or calls `chroot(2)` keeps reading the old table, and so does a reader of a process that has
/// done so, or has ended. The namespace lives at least as long as its readers.
#[derive(Debug)]
pub struct Reader {
    file: File,
    path: PathBuf,
    table: Table,
    strict: bool,
    /// Whether the table is not what the kernel has, as far as it said.
    is_stale: bool,
    is_rewound: bool,
}

impl Reader {
    /// Opens the table of the calling thread.
    ///
    /// # Errors
    ///
    /// Fails if `/proc` isn't mounted.
    pub fn open() -> Result<Self> {
        Reader::open_file(Path::new(OWN))
    }

    /// Opens the table of another process: its mounts, seen from its root directory.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) without such a process, or if it has ended and only waits to be
    /// reaped; [`PermissionDenied`](ErrorKind::PermissionDenied) if it may not be looked at.
    pub fn of_pid(pid: u32) -> Result<Self> {
        Reader::open_file(Path::new(&format!("/proc/{pid}/mountinfo")))
    }

    /// Opens the table of a mount namespace, seen from its root.
    ///
    /// `namespace` is what `/proc/PID/ns/mnt`, or a mount of that, was opened as; since Linux 5.8 also a
    /// pidfd. No process needs to be there. A thread of its own enters the namespace, and ends: the caller
    /// stays where it is. Nothing in the namespace is trusted; the table comes from the caller's own `/proc`.
    ///
    /// ```no_run
    /// let namespace = std::fs::File::open("/run/mynamespace").unwrap();
    /// let table = mount::Reader::of_namespace(&namespace)?.into_table()?;
    /// # Ok::<(), mount::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`PermissionDenied`](ErrorKind::PermissionDenied) without `CAP_SYS_ADMIN` in the user namespace that
    /// owns the namespace, and `CAP_SYS_ADMIN` and `CAP_SYS_CHROOT` in the caller's;
    /// [`InvalidInput`](ErrorKind::InvalidInput) if it is no mount namespace.
    pub fn of_namespace(namespace: impl AsFd) -> Result<Self> {
        let path = Path::new(OWN);
        let file = namespace::mountinfo(namespace.as_fd()).map_err(|(step, error)| {
            let what = format!("read the mount table of a namespace: {step}");
            match error {
                Errno::EINVAL => Error::new(ErrorKind::InvalidInput, what, "it is no mount namespace"),
                error => Error::os(what, path, error),
            }
        })?;
        Ok(Reader::new(file.into(), path))
    }

    fn open_file(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|error| {
            let what = format!("read {}", quote(path));
            match error.raw_os_error() {
                // proc(5) gives this for a process that has left its namespaces.
                Some(libc::EINVAL) => {
                    Error::new(ErrorKind::NotFound, what, "the process has ended, and waits to be reaped")
                        .at(path)
                }
                _ => Error::io(what, path, &error),
            }
        })?;
        Ok(Reader::new(file, path))
    }

    fn new(file: File, path: &Path) -> Self {
        let (path, table) = (path.to_owned(), Table::default());
        Reader { file, path, table, strict: true, is_stale: true, is_rewound: true }
    }

    /// Leaves out lines that can't be read, instead of failing: [`Table::skipped`] tells them.
    #[must_use]
    pub fn skip_bad(self) -> Self {
        Reader { strict: false, ..self }
    }

    /// Returns the table, read again if the kernel says that it has changed.
    ///
    /// What changes while it is being read may be in it or not, and is seen by the next call.
    ///
    /// # Errors
    ///
    /// Fails if the kernel does, and with [`InvalidData`](ErrorKind::InvalidData) if a line can't be read.
    /// The next call reads again.
    pub fn read(&mut self) -> Result<&Table> {
        if self.wait(Some(Duration::ZERO))? { self.reread() } else { Ok(&self.table) }
    }

    /// Returns the table, read again.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn reread(&mut self) -> Result<&Table> {
        self.is_stale = true;
        self.load().map_err(|error| {
            self.table.bytes.clear();
            self.table.forget();
            Error::io(self.what(), &self.path, &error)
        })?;
        self.table.index(self.strict)?;
        self.is_stale = false;
        Ok(&self.table)
    }

    /// Reads the table a last time if it has changed, and gives it away.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn into_table(mut self) -> Result<Table> {
        // What was never read needs no question.
        if self.is_stale {
            self.reread()?;
        } else {
            self.read()?;
        }
        Ok(self.table)
    }

    /// Waits until the kernel says that the table has changed since it was last read, for at most `timeout`
    /// or else for ever. Says whether it has.
    ///
    /// The answer stays `true` until the table is read.
    ///
    /// ```no_run
    /// // Until something is mounted at a path, which need not be there yet.
    /// use mount::ErrorKind;
    /// let mut reader = mount::Reader::open()?;
    /// loop {
    ///     reader.read()?; // before looking: what comes after is waited for
    ///     match mount::mounted("/run/media/disk") {
    ///         Ok(true) => break,
    ///         Ok(false) => {}
    ///         Err(error) if error.kind() == ErrorKind::NotFound => {}
    ///         Err(error) => return Err(error),
    ///     }
    ///     reader.wait(None)?;
    /// }
    /// # Ok::<(), mount::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Fails if `poll(2)` does.
    pub fn wait(&mut self, timeout: Option<Duration>) -> Result<bool> {
        if !self.is_stale {
            // The kernel says it once: it must not be forgotten if reading fails.
            self.is_stale = has_event(self.file.as_fd(), timeout)
                .map_err(|error| Error::os(format_args!("watch {}", quote(&self.path)), &self.path, error))?;
        }
        Ok(self.is_stale)
    }

    fn load(&mut self) -> io::Result<()> {
        if !self.is_rewound {
            self.file.rewind()?;
        }
        self.is_rewound = false;
        let bytes = &mut self.table.bytes;
        bytes.clear();
        bytes.reserve(FIRST);
        // File::read_to_end asks for the size first, which is 0 for all files in proc.
        (&self.file).take(u64::MAX).read_to_end(bytes)?;
        Ok(())
    }

    fn what(&self) -> String {
        format!("read {}", quote(&self.path))
    }
}

/// Says whether the namespace has changed since the file was opened, or since this was last asked.
fn has_event(file: BorrowedFd<'_>, timeout: Option<Duration>) -> nix::Result<bool> {
    let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let forever = timeout.is_none() || deadline.is_none();
    loop {
        let left =
            deadline.map_or(Duration::ZERO, |deadline| deadline.saturating_duration_since(Instant::now()));
        let wait = if forever { PollTimeout::NONE } else { milliseconds(left) };
        let mut files = [PollFd::new(file, PollFlags::POLLPRI)];
        match poll(&mut files, wait) {
            // The file can always be read, which was not asked for.
            Ok(_) if files[0].revents().is_some_and(|events| events.contains(PollFlags::POLLPRI)) => {
                return Ok(true);
            }
            Ok(_) | Err(Errno::EINTR) if forever || left > Duration::ZERO => {}
            Ok(_) => return Ok(false),
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Rounds up: a wait must not end early, to be tried again without a pause.
fn milliseconds(left: Duration) -> PollTimeout {
    let milliseconds = left.as_nanos().div_ceil(1_000_000);
    i32::try_from(milliseconds).ok().and_then(|value| value.try_into().ok()).unwrap_or(PollTimeout::MAX)
}

//! Where containers live: a folder of homes, one for each, found by any process.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, connect, listen, socket};

use crate::config::{Config, check};
use crate::container::{Container, Init};
use crate::error::{Error, ErrorKind, Result};
use crate::launch::{self, Sync};
use crate::process::Io;
use crate::state::{Born, State};
use crate::sys;

/// How long to wait for another process that works on the same container.
const PATIENCE: Duration = Duration::from_secs(10);

/// A folder of containers that outlive the program that made them.
///
/// ```no_run
/// # fn main() -> libcontainer::Result<()> {
/// use libcontainer::{Config, Factory};
///
/// let factory = Factory::new("/run/my-daemon")?;
/// factory.create("web", &Config::new("/srv/rootfs"), Default::default())?.start()?;
/// // Later, or in another program:
/// factory.load("web")?.delete()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Factory {
    root: PathBuf,
}

impl Factory {
    /// Uses a folder, which is made when it is absent, for its owner only.
    pub fn new(root: impl AsRef<Path>) -> Result<Factory> {
        let root = root.as_ref();
        let failed = |error: &io::Error| Error::io(format_args!("make folder {root:?}"), error).at(root);
        DirBuilder::new().recursive(true).mode(0o700).create(root).map_err(|error| failed(&error))?;
        Ok(Factory { root: root.canonicalize().map_err(|error| failed(&error))? })
    }

    /// Returns the folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Makes a container under a name, ready to start by this or another process.
    ///
    /// # Errors
    ///
    /// [`AlreadyExists`](ErrorKind::AlreadyExists) where the name is taken, and those of
    /// [`Container::create`]. Nothing is left behind.
    pub fn create(&self, id: &str, config: &Config, io: Io) -> Result<Container> {
        self.create_with(id, config, io, BTreeMap::new())
    }

    /// As [`Factory::create`], with notes for whoever loads the container: see [`Container::notes`].
    ///
    /// # Errors
    ///
    /// As [`Factory::create`].
    pub fn create_with(
        &self,
        id: &str,
        config: &Config,
        io: Io,
        notes: BTreeMap<String, String>,
    ) -> Result<Container> {
        check::check(config)?;
        let home = Home::make(&self.root, id)?;
        let lock = home.lock()?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let created = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        let mut state = State {
            id: id.to_owned(),
            init: None,
            cgroup: BTreeMap::new(),
            created,
            notes,
            config: config.clone(),
        };
        // Before anything exists: whatever happens from here on, it can be found and removed.
        state.write(&home.state_file())?;
        let listener = home.listen()?;
        let begin = launch::Begin::Connection(listener.as_fd());
        let created = launch::create(config, io, begin, &mut |made| {
            state.cgroup = made.cgroup.map(|cgroup| cgroup.paths().clone()).unwrap_or_default();
            state.init = made.init.and_then(|init| Born::of(init.pid));
            state.write(&home.state_file())
        })?;
        drop(lock);
        Ok(Container::of(config, created, Some(home.keep())))
    }

    /// Finds a container by its name.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) where there is none, [`Malformed`](ErrorKind::Malformed) where its state
    /// file is cut off or garbage: see [`Factory::discard`].
    pub fn load(&self, id: &str) -> Result<Container> {
        let home = Home::at(&self.root, id)?;
        let state = match State::read(&home.state_file())? {
            Some(state) => state,
            None if home.folder.is_dir() => {
                // Its maker was killed before it could write anything: there is nothing but the folder.
                return Ok(Container::found(Config::default(), None, None, false, home));
            }
            None => return Err(home.absent()),
        };
        let init = state.init.map(Init::find).transpose()?.flatten();
        let cgroup = launch::group::open(&state.config, state.cgroup)?;
        Ok(Container::found(state.config, init, cgroup, state.init.is_some(), home))
    }

    /// Returns whether there is a container of this name.
    pub fn exists(&self, id: &str) -> Result<bool> {
        Ok(Home::at(&self.root, id)?.folder.is_dir())
    }

    /// Finds all containers, sorted by their names. One that can't be loaded is told, and hinders no other.
    ///
    /// ```no_run
    /// # fn main() -> libcontainer::Result<()> {
    /// for (id, container) in libcontainer::Factory::new("/run/my-daemon")?.containers()? {
    ///     match container.and_then(|container| container.status()) {
    ///         Ok(status) => println!("{id}: {status}"),
    ///         Err(error) => println!("{id}: {error}"),
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// What reading the folder was answered.
    pub fn containers(&self) -> Result<Vec<(String, Result<Container>)>> {
        let found = self.list()?.into_iter().filter_map(|id| match self.load(&id) {
            Err(error) if error.kind() == ErrorKind::NotFound => None, // deleted meanwhile
            found => Some((id, found)),
        });
        Ok(found.collect())
    }

    /// Removes the home of a container of which the state can't be read any more. Nothing tells then which
    /// processes and which cgroup were its own: what there still is of them, stays.
    ///
    /// # Errors
    ///
    /// [`InvalidState`](ErrorKind::InvalidState) where its state can be read: load it, and
    /// [delete](Container::delete) it. [`NotFound`](ErrorKind::NotFound) where there is none.
    pub fn discard(&self, id: &str) -> Result<()> {
        let home = Home::at(&self.root, id)?;
        if !home.exists() {
            return Err(home.absent());
        }
        let _lock = home.lock()?;
        match home.state() {
            Err(error) if error.kind() == ErrorKind::Malformed => home.remove(),
            Err(error) => Err(error),
            Ok(_) => {
                let text = format!("container {id:?}: its state can be read; load and delete it");
                Err(Error::new(ErrorKind::InvalidState, text))
            }
        }
    }

    /// Returns the names of all containers, sorted.
    pub fn list(&self) -> Result<Vec<String>> {
        let failed =
            |error: &io::Error| Error::io(format_args!("list folder {:?}", self.root), error).at(&self.root);
        let mut ids = Vec::new();
        for entry in fs::read_dir(&self.root).map_err(|error| failed(&error))? {
            let name = entry.map_err(|error| failed(&error))?.file_name();
            ids.extend(name.to_str().filter(|name| check_id(name).is_ok()).map(str::to_owned));
        }
        ids.sort_unstable();
        Ok(ids)
    }
}

impl Init {
    /// Finds the process; `None` where it has ended, also when its number is another's now.
    fn find(born: Born) -> Result<Option<Init>> {
        let pidfd = match sys::pidfd_open(born.pid) {
            Ok(pidfd) => pidfd,
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => return Ok(None),
            Err(error) => return Err(Error::io(format_args!("open process {}", born.pid), &error)),
        };
        // Compared after the handle was opened, the start is that of the handle's process.
        Ok((Born::of(born.pid) == Some(born)).then_some(Init { pid: born.pid, pidfd }))
    }
}

fn check_id(id: &str) -> Result<()> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_+-.".contains(&byte);
    if id.is_empty() || id.len() > 255 || id == "." || id == ".." || !id.bytes().all(plain) {
        let text = format!("container id {id:?}: must be 1 to 255 letters, digits, _, +, - and .");
        return Err(Error::new(ErrorKind::InvalidConfig, text));
    }
    Ok(())
}

/// A container that others leave alone meanwhile.
#[derive(Debug)]
pub(crate) struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Said, not left to the close: a child of another thread may hold a copy of the descriptor until it
        // has executed its program.
        let _ = self.0.unlock();
    }
}

/// A container's folder. A new one is removed again unless it is kept.
#[derive(Debug)]
pub(crate) struct Home {
    id: String,
    folder: PathBuf,
    temporary: bool,
}

impl Home {
    fn at(root: &Path, id: &str) -> Result<Home> {
        check_id(id)?;
        Ok(Home { id: id.to_owned(), folder: root.join(id), temporary: false })
    }

    fn make(root: &Path, id: &str) -> Result<Home> {
        let mut home = Home::at(root, id)?;
        match DirBuilder::new().mode(0o700).create(&home.folder) {
            Ok(()) => {
                home.temporary = true;
                Ok(home)
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let text = format!("container {id:?}: exists already");
                Err(Error::new(ErrorKind::AlreadyExists, text).at(&home.folder))
            }
            Err(error) => {
                Err(Error::io(format_args!("make folder {:?}", home.folder), &error).at(&home.folder))
            }
        }
    }

    fn keep(mut self) -> Home {
        self.temporary = false;
        self
    }

    fn absent(&self) -> Error {
        let text = format!("container {:?}: does not exist", self.id);
        Error::new(ErrorKind::NotFound, text).at(&self.folder)
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn state(&self) -> Result<Option<State>> {
        State::read(&self.state_file())
    }

    fn state_file(&self) -> PathBuf {
        self.folder.join("state.json")
    }

    fn start_socket(&self) -> PathBuf {
        self.folder.join("start")
    }

    /// Holds the container for this process.
    pub(crate) fn lock(&self) -> Result<Lock> {
        self.lock_file("lock")
    }

    /// Holds the container's start, while it may be looked at and removed.
    pub(crate) fn lock_start(&self) -> Result<Lock> {
        self.lock_file("starting")
    }

    fn lock_file(&self, name: &str) -> Result<Lock> {
        let path = self.folder.join(name);
        let failed = |error: &io::Error| Error::io(format_args!("lock {path:?}"), error).at(&path);
        let file = File::create(&path).map_err(|error| failed(&error))?;
        let begin = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Lock(file)),
                Err(TryLockError::Error(error)) => return Err(failed(&error)),
                Err(TryLockError::WouldBlock) if begin.elapsed() > PATIENCE => {
                    let text = format!("container {:?}: another process works on it", self.id);
                    return Err(Error::new(ErrorKind::InvalidState, text));
                }
                Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(5)),
            }
        }
    }

    /// Returns whether its maker still works on it.
    pub(crate) fn is_being_made(&self) -> bool {
        let file = File::open(self.folder.join("lock"));
        file.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }

    // ---- the start, by a connection to a socket that the container's init listens on ----

    fn listen(&self) -> Result<OwnedFd> {
        let socket = self.socket()?;
        let failed = |errno| Error::errno(format_args!("listen on {:?}", self.start_socket()), errno);
        self.with_address(|address| bind(socket.as_raw_fd(), address)).map_err(failed)?;
        listen(&socket, Backlog::new(8).map_err(failed)?).map_err(failed)?;
        Ok(socket)
    }

    pub(crate) fn connect(&self) -> Result<Sync> {
        let socket = self.socket()?;
        match self.with_address(|address| connect(socket.as_raw_fd(), address)) {
            Ok(()) => Ok(Sync::new(socket)),
            Err(Errno::ENOENT | Errno::ECONNREFUSED) => Err(self.refused()),
            Err(errno) => Err(Error::errno(format_args!("start container {:?}", self.id), errno)),
        }
    }

    pub(crate) fn refused(&self) -> Error {
        let text = format!("container {:?}: was started already, or is stopped", self.id);
        Error::new(ErrorKind::InvalidState, text)
    }

    fn socket(&self) -> Result<OwnedFd> {
        socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None)
            .map_err(|errno| Error::errno(format_args!("make a socket for container {:?}", self.id), errno))
    }

    /// Names the socket by its folder's descriptor: a socket's path has at most 107 bytes.
    fn with_address(&self, act: impl Fn(&UnixAddr) -> nix::Result<()>) -> nix::Result<()> {
        let folder =
            File::open(&self.folder).map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(0)))?;
        let path = format!("/proc/thread-self/fd/{}/start", folder.as_raw_fd());
        act(&UnixAddr::new(path.as_str())?)
    }

    pub(crate) fn is_started(&self) -> bool {
        !self.start_socket().exists()
    }

    /// Notes that the start failed, for those who watch.
    pub(crate) fn failed(&self) {
        let _ = File::create(self.folder.join("failed"));
        self.started();
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.folder.join("failed").exists()
    }

    pub(crate) fn exists(&self) -> bool {
        self.folder.is_dir()
    }

    /// Returns whether its state is there: the first thing that goes when it is removed.
    pub(crate) fn has_state(&self) -> bool {
        self.state_file().exists()
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns the same home for another owner.
    pub(crate) fn again(&self) -> Home {
        Home { id: self.id.clone(), folder: self.folder.clone(), temporary: false }
    }

    pub(crate) fn started(&self) {
        let _ = fs::remove_file(self.start_socket());
    }

    /// Removes the folder.
    pub(crate) fn remove(&self) -> Result<()> {
        // First, so that the start's socket is never gone before it without a start.
        let _ = fs::remove_file(self.state_file());
        match fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::io(format_args!("remove folder {:?}", self.folder), &error).at(&self.folder))
            }
            _ => Ok(()),
        }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if self.temporary {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

impl Container {
    /// Returns the notes that were left for whoever loads the container.
    pub fn notes(&self) -> Result<BTreeMap<String, String>> {
        let state = self.home().map(Home::state).transpose()?.flatten();
        Ok(state.map(|state| state.notes).unwrap_or_default())
    }

    /// Returns when the container was made; `None` for one without a home on disk.
    pub fn created(&self) -> Result<Option<SystemTime>> {
        let state = self.home().map(Home::state).transpose()?.flatten();
        Ok(state.map(|state| UNIX_EPOCH + Duration::from_nanos(state.created)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_lead_elsewhere_are_refused() {
        for id in ["", ".", "..", "../x", "a/b", "a\0b", "a b", "a\n", "é", &"x".repeat(256)] {
            assert_eq!(check_id(id).unwrap_err().kind(), ErrorKind::InvalidConfig, "{id:?}");
        }
        for id in ["web", "a.b-c_d+e", "0"] {
            check_id(id).unwrap();
        }
    }
}

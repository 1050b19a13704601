//! Where the workspace's kernel tests run.
//!
//! A test here is a plain function on a thread of its own. It asks for the ground it needs
//! ([`netns`], [`mountns`], [`root`]); where this user or kernel can't give it, the test is
//! reported as ignored, with the reason, and never as passed.
//!
//! ```no_run
//! use grounds::{Outcome, test};
//!
//! fn loopback_is_down_at_first() -> Outcome {
//!     grounds::netns()?;
//!     let flags = std::fs::read_to_string("/sys/class/net/lo/flags")?;
//!     assert_eq!(flags.trim(), "0x8");
//!     Ok(())
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     grounds::run_as_root(vec![test("loopback_is_down_at_first", loopback_is_down_at_first)])
//! }
//! ```

pub mod faults;
mod sys;

use std::fmt::Display;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, fs, io, panic, process, thread};

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{Uid, getgid, getuid};

/// What a test gives back: nothing, or why it stopped.
pub type Outcome = Result<(), Stop>;

/// Why a test stopped early.
#[derive(Debug)]
pub enum Stop {
    /// This user or kernel can't run it.
    Ignored(String),
    /// It ran, and an operation failed.
    Failed(String),
}

impl<E: std::error::Error> From<E> for Stop {
    fn from(error: E) -> Self {
        Stop::Failed(error.to_string())
    }
}

/// Stops a test because this user or kernel can't run it.
pub fn ignored(reason: impl Display) -> Stop {
    Stop::Ignored(reason.to_string())
}

/// Why the user namespace of [`run_as_root`] could not be made.
static NOT_ROOT: OnceLock<String> = OnceLock::new();

/// Makes a test of a function; it runs on a thread of its own, whose namespaces it may change.
pub fn test(name: &str, body: fn() -> Outcome) -> Trial {
    Trial::ignorable_test(name, move || match thread::spawn(body).join() {
        Ok(Ok(())) => Ok(Completion::Completed),
        Ok(Err(Stop::Ignored(reason))) => Ok(Completion::ignored_with(reason)),
        Ok(Err(Stop::Failed(error))) => Err(Failed::from(error)),
        Err(panic) => panic::resume_unwind(panic),
    })
}

/// Runs the tests as whoever calls.
pub fn run(tests: Vec<Trial>) -> ExitCode {
    libtest_mimic::run(&Arguments::from_args(), tests).exit_code()
}

/// Runs the tests as root; an ordinary user becomes root of a new user namespace first.
///
/// Call it first thing in `main`: a process with threads can't enter a user namespace.
pub fn run_as_root(tests: Vec<Trial>) -> ExitCode {
    if !Uid::effective().is_root()
        && let Err(error) = enter_user_namespace()
    {
        NOT_ROOT.get_or_init(|| format!("not root, and no user namespace: {error}"));
    }
    run(tests)
}

fn enter_user_namespace() -> std::io::Result<()> {
    let (uid, gid) = (getuid(), getgid());
    unshare(CloneFlags::CLONE_NEWUSER)?;
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("0 {uid} 1"))?;
    fs::write("/proc/self/gid_map", format!("0 {gid} 1"))
}

/// Asks for root of the whole machine, not of a user namespace.
pub fn root() -> Outcome {
    let map = fs::read_to_string("/proc/self/uid_map")?;
    let whole = map.split_whitespace().eq(["0", "0", "4294967295"]);
    if Uid::effective().is_root() && whole { Ok(()) } else { Err(ignored("needs root")) }
}

/// Asks for an ordinary user.
pub fn ordinary_user() -> Outcome {
    if Uid::effective().is_root() { Err(ignored("needs an ordinary user")) } else { Ok(()) }
}

/// Puts this thread into a new, empty network namespace, which goes when the thread ends.
pub fn netns() -> Outcome {
    enter(CloneFlags::CLONE_NEWNET, "network")
}

/// Puts this thread into a new mount namespace in which every mount is private.
pub fn mountns() -> Outcome {
    enter(CloneFlags::CLONE_NEWNS, "mount")?;
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)?;
    Ok(())
}

fn enter(kind: CloneFlags, name: &str) -> Outcome {
    if let Some(reason) = NOT_ROOT.get() {
        return Err(ignored(reason));
    }
    unshare(kind).map_err(|error| match error {
        Errno::EPERM | Errno::ENOSYS | Errno::EINVAL | Errno::ENOSPC => {
            ignored(format!("no new {name} namespace: {error}"))
        }
        error => error.into(),
    })
}

/// A root filesystem of the host's own programs, for tests that need one. It goes when it is dropped.
///
/// What [`Rootfs::binds`] lists is empty in it until it is bound, read-only, from the same path of the
/// host.
#[derive(Debug)]
pub struct Rootfs {
    folder: PathBuf,
    binds: Vec<PathBuf>,
}

impl Rootfs {
    /// Makes the folder, in the folder for temporary files.
    pub fn new() -> io::Result<Rootfs> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = env::temp_dir().join(format!("rootfs-{}-{number}", process::id()));
        fs::create_dir(&folder)?;
        let mut rootfs = Rootfs { folder, binds: vec![PathBuf::from("/usr")] };
        for name in ["dev", "etc", "proc", "sys", "tmp", "usr"] {
            fs::create_dir(rootfs.folder.join(name))?;
        }
        fs::write(rootfs.folder.join("etc/passwd"), "root:x:0:0::/root:/bin/sh\n")?;
        fs::write(rootfs.folder.join("etc/group"), "root:x:0:\n")?;
        // Links into /usr on most systems, folders of their own on others.
        for name in ["bin", "sbin", "lib", "lib32", "lib64", "libx32"] {
            let (host, here) = (Path::new("/").join(name), rootfs.folder.join(name));
            match fs::read_link(&host) {
                Ok(target) => symlink(target, here)?,
                Err(_) if host.is_dir() => {
                    fs::create_dir(here)?;
                    rootfs.binds.push(host);
                }
                Err(_) => {}
            }
        }
        Ok(rootfs)
    }

    /// Returns the folder.
    pub fn path(&self) -> &Path {
        &self.folder
    }

    /// Returns the folders of the host that must be bound in it, each at its own path.
    pub fn binds(&self) -> &[PathBuf] {
        &self.binds
    }
}

impl Drop for Rootfs {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.folder));
    }
}

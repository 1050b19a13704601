//! EMFILE: no descriptor left.

use std::collections::HashSet;
use std::process::Command;
use std::{fs, io};

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::sys;

/// A limit of descriptors just above what is open. Dropping it restores the former one.
///
/// It is the whole process's: other threads, and so other tests, must be quiet meanwhile. A test starts
/// itself again for it, as a process of its own.
#[derive(Debug)]
pub struct Descriptors {
    soft: u64,
}

impl Descriptors {
    /// Leaves room for so many more.
    ///
    /// # Errors
    ///
    /// What is open can't be listed, or there is no room for so many.
    pub fn leave(more: u64) -> io::Result<Descriptors> {
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
        let open = open()?;
        let limit = sys::nofile_for(more, hard, |fd| !open.contains(&fd));
        setrlimit(Resource::RLIMIT_NOFILE, limit, hard)?;
        Ok(Descriptors { soft })
    }

    /// Leaves room for so many more in a command, from its exec on.
    ///
    /// A dynamically linked program needs one to find its libraries. The command keeps the limit: spawn
    /// another one without.
    pub fn leave_in(command: &mut Command, more: u64) {
        sys::descriptors_before_exec(command, more);
    }
}

impl Drop for Descriptors {
    fn drop(&mut self) {
        if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
            let _ = setrlimit(Resource::RLIMIT_NOFILE, self.soft, hard);
        }
    }
}

/// Lists what is open; the one through which it was read is closed again, and names itself.
fn open() -> io::Result<HashSet<i32>> {
    let listed: Vec<i32> = fs::read_dir("/proc/self/fd")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    Ok(listed.into_iter().filter(|fd| fs::symlink_metadata(format!("/proc/self/fd/{fd}")).is_ok()).collect())
}

//! A root filesystem for a test.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, fs, io, process};

use crate::leaks::remove;

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
        // Its mounts are in the container's namespace; if one got out, its files are the host's.
        drop(remove(&self.folder));
    }
}

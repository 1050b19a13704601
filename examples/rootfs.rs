//! A root filesystem without a download.

use std::path::{Path, PathBuf};
use std::{env, fs, io, process};

use libcontainer::Mount;

/// A root filesystem of the host's own programs: its `/usr`, to be mounted read-only, and an `/etc`
/// made for it. Nothing of the host's `/etc`, `/root` or `/home` is in it.
///
/// The folder is removed when this is dropped.
pub struct HostRootfs {
    folder: PathBuf,
    mounts: Vec<Mount>,
}

impl HostRootfs {
    /// Makes the folder, in the folder for temporary files.
    pub fn new(hostname: &str) -> io::Result<HostRootfs> {
        let folder = env::temp_dir().join(format!("container-{}", process::id()));
        let named =
            |error: io::Error| io::Error::new(error.kind(), format!("make folder {folder:?}: {error}"));
        fs::create_dir(&folder).map_err(named)?;
        let mut rootfs = HostRootfs { folder, mounts: Vec::new() };
        for name in ["dev", "etc", "proc", "root", "run", "sys", "tmp", "usr"] {
            fs::create_dir(rootfs.folder.join(name))?;
        }
        rootfs.etc(hostname)?;
        rootfs.bind("/usr");
        // Links into /usr on most systems, folders of their own on others.
        for name in ["bin", "sbin", "lib", "lib32", "lib64", "libx32"] {
            let (host, here) = (Path::new("/").join(name), rootfs.folder.join(name));
            match fs::read_link(&host) {
                Ok(target) => std::os::unix::fs::symlink(target, here)?,
                Err(_) if host.is_dir() => rootfs.bind(&host),
                Err(_) => {}
            }
        }
        rootfs.mounts.push(mount("tmpfs", "tmpfs", "/tmp", &["nosuid", "nodev", "mode=1777"]));
        Ok(rootfs)
    }

    fn etc(&self, hostname: &str) -> io::Result<()> {
        let files = [
            (
                "passwd",
                "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n".to_owned(),
            ),
            ("group", "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n".to_owned()),
            ("hosts", format!("127.0.0.1 localhost {hostname}\n::1 localhost\n")),
            ("hostname", format!("{hostname}\n")),
        ];
        files.iter().try_for_each(|(name, text)| fs::write(self.folder.join("etc").join(name), text))
    }

    fn bind(&mut self, path: impl AsRef<Path>) {
        let path = path.as_ref();
        self.mounts.push(mount("", path, path, &["bind", "ro", "nosuid", "nodev"]));
    }

    /// Returns the folder.
    pub fn path(&self) -> &Path {
        &self.folder
    }

    /// Returns what must be mounted in it.
    pub fn mounts(&self) -> &[Mount] {
        &self.mounts
    }
}

fn mount(kind: &str, source: impl AsRef<Path>, destination: impl AsRef<Path>, options: &[&str]) -> Mount {
    Mount::new(kind, source.as_ref(), destination.as_ref(), options.iter().copied())
}

impl Drop for HostRootfs {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

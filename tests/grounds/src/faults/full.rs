//! ENOSPC: a device without space.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, process};

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::statvfs::statvfs;

use crate::Stop;

/// A small filesystem, in a new mount namespace of this thread. It goes when it is dropped.
///
/// What this thread spawns sees it too.
#[derive(Debug)]
pub struct Full {
    folder: PathBuf,
    /// Only the thread that mounted it can unmount it.
    here: PhantomData<*const ()>,
}

impl Full {
    /// Mounts a tmpfs with room for so many bytes, in whole pages, and for so many inodes beside its own.
    ///
    /// # Errors
    ///
    /// Ignored, where there can be no new mount namespace.
    pub fn new(bytes: u64, inodes: u64) -> Result<Full, Stop> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        crate::mountns()?;
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = env::temp_dir().join(format!("full-{}-{number}", process::id()));
        fs::create_dir(&folder)?;
        let options = format!("size={bytes},nr_inodes={},mode=1777", inodes + 1);
        let mounted = mount(Some("full"), &folder, Some("tmpfs"), MsFlags::empty(), Some(&*options));
        if let Err(error) = mounted {
            drop(fs::remove_dir(&folder));
            return Err(Stop::Failed(format!("mount a tmpfs with {options:?}: {error}")));
        }
        Ok(Full { folder, here: PhantomData })
    }

    /// Returns the folder.
    pub fn path(&self) -> &Path {
        &self.folder
    }

    /// Fills it, so that the next byte that begins a page fails: the first of any file.
    pub fn fill(&self) -> io::Result<()> {
        self.leave(0)
    }

    /// Fills it, or empties it again, up to so many bytes, in whole pages.
    ///
    /// The room is taken by one file, `filler`, which needs one inode.
    pub fn leave(&self, bytes: u64) -> io::Result<()> {
        let mut filler = self.filler()?;
        let stat = statvfs(&self.folder)?;
        let page = stat.fragment_size();
        let taken = stat.blocks_available().saturating_sub(bytes.div_ceil(page));
        for _ in 0..taken {
            filler.write_all(&vec![b'.'; page as usize])?;
        }
        Ok(())
    }

    /// Makes empty files until no inode is left.
    pub fn fill_inodes(&self) -> io::Result<()> {
        for number in 0.. {
            match File::create_new(self.folder.join(format!("inode-{number}"))) {
                Err(error) if error.raw_os_error() == Some(Errno::ENOSPC as i32) => break,
                file => drop(file?),
            }
        }
        Ok(())
    }

    fn filler(&self) -> io::Result<File> {
        OpenOptions::new().create(true).write(true).truncate(true).open(self.folder.join("filler"))
    }
}

impl Drop for Full {
    fn drop(&mut self) {
        let _ = umount2(&self.folder, MntFlags::MNT_DETACH);
        drop(fs::remove_dir(&self.folder));
    }
}

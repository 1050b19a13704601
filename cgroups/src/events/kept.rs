//! Control files whose change is looked for.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;

use nix::errno::Errno;

use crate::file::Dir;
use crate::{Error, Result, kept};

/// Enough for every file of events of today.
const BUFFER: usize = 1 << 10;

/// A control file, read again and again through one descriptor.
#[derive(Debug)]
pub(crate) struct Kept {
    file: kept::Kept,
    path: PathBuf,
}

impl Kept {
    /// Opens a file that this kernel or cgroup may not have.
    pub(crate) fn open(dir: &Dir, name: &str) -> Result<Option<Kept>> {
        match kept::Kept::open(dir, name) {
            Ok(file) => Ok(Some(Kept { file, path: dir.path().join(name) })),
            Err(Errno::ENOENT | Errno::ENODEV) => Ok(None),
            Err(e) => Err(Error::os("open", &dir.path().join(name), e)),
        }
    }

    /// Reads all of it; `None` once the cgroup is gone or the controller was taken away.
    pub(crate) fn read<T>(
        &self,
        parse: impl FnOnce(&str) -> std::result::Result<T, String>,
    ) -> Result<Option<T>> {
        let mut buffer = vec![0; BUFFER];
        let bytes = match self.file.read(&mut buffer) {
            Ok(bytes) => bytes,
            Err(Errno::ENODEV) => return Ok(None),
            Err(e) => return Err(Error::os("read", &self.path, e)),
        };
        let malformed = |what: String| Error::malformed(&self.path, what);
        let text = str::from_utf8(bytes).map_err(|_| malformed("not UTF-8".to_owned()))?;
        parse(text).map(Some).map_err(malformed)
    }
}

impl AsFd for Kept {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

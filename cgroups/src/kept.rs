//! Control files read whole, through a descriptor that may be kept.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;

use nix::errno::Errno;
use nix::fcntl::OFlag;

use crate::file::Dir;

/// More than any control file holds.
const LARGEST: usize = 1 << 20;

/// An open control file, which can be read again and again.
#[derive(Debug)]
pub(crate) struct Kept {
    file: File,
}

impl Kept {
    pub(crate) fn open(dir: &Dir, name: &str) -> nix::Result<Kept> {
        Ok(Kept { file: dir.openat(name, OFlag::O_RDONLY)?.into() })
    }

    /// Reads all of it; EFBIG where there is no end.
    ///
    /// From the beginning each time: this is what makes the kernel write the file anew, and count a change as seen.
    /// It hands a file of figures out in one piece, so that a read which leaves room was the whole of it. Otherwise
    /// the rest could be of another moment: it is read from the beginning, with more room.
    pub(crate) fn read<'b>(&self, buffer: &'b mut Vec<u8>) -> nix::Result<&'b [u8]> {
        loop {
            match self.file.read_at(buffer, 0) {
                Ok(size) if size < buffer.len() => return Ok(&buffer[..size]),
                Ok(_) if buffer.len() > LARGEST => return Err(Errno::EFBIG),
                Ok(_) => buffer.resize((buffer.len() * 2).max(1 << 14), 0),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(Errno::from_raw(e.raw_os_error().unwrap_or(0))),
            }
        }
    }
}

impl AsFd for Kept {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_file_is_read_whole_however_small_the_buffer_was() {
        let kept = Kept::open(&Dir::open(Path::new("/proc/self")).unwrap(), "mountinfo").unwrap();
        let mut small = vec![0; 1];
        let text = kept.read(&mut small).unwrap().to_vec();
        assert!(text.ends_with(b"\n") && kept.read(&mut Vec::new()).unwrap() == text);
    }

    #[test]
    fn a_file_without_end_is_not_read_to_the_end() {
        let kept = Kept::open(&Dir::open(Path::new("/dev")).unwrap(), "zero").unwrap();
        assert_eq!(kept.read(&mut Vec::new()).unwrap_err(), Errno::EFBIG);
    }
}

//! Opening a file beneath a root directory that somebody else fills.

use std::collections::VecDeque;
use std::ffi::CString;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::entries::buffer_for;
use crate::sys::{self, DIRECTORY, LOOK, NO_FOLLOW, READ};

/// As many symbolic links as the kernel follows.
const LINKS_MAX: u32 = 40;

/// No directory is deeper: each on the way is held open.
const DEPTH_MAX: usize = 100;

/// An open file beneath a [`Root`](crate::Root).
///
/// It is read as a stream, and no more of it than the root allows.
#[derive(Debug)]
pub struct RootFile {
    /// None for a file that says that it is empty: so say those of procfs, which is no reason to read them.
    file: Option<BufReader<File>>,
    left: u64,
    max: u64,
}

impl BufRead for RootFile {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let Some(file) = &mut self.file else { return Ok(&[]) };
        let buffer = file.fill_buf()?;
        // It was small enough when it was opened, but files grow.
        if buffer.len() as u64 > self.left {
            return Err(too_large(self.max));
        }
        Ok(buffer)
    }

    fn consume(&mut self, amount: usize) {
        self.left = self.left.saturating_sub(amount as u64);
        if let Some(file) = &mut self.file {
            file.consume(amount);
        }
    }
}

impl Read for RootFile {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(bytes)?;
        self.consume(read);
        Ok(read)
    }
}

pub(crate) fn open_directory(path: &Path) -> io::Result<OwnedFd> {
    sys::look(path, DIRECTORY).map(OwnedFd::from)
}

/// Opens a regular file of no more than so many bytes.
pub(crate) fn open(root: BorrowedFd<'_>, path: &Path, max: u64) -> io::Result<RootFile> {
    let path = path.as_os_str().as_bytes();
    let place = find(root, path, LOOK)?;
    let size = size_of_regular(&place)?;
    if size > max {
        return Err(too_large(max));
    }
    if size == 0 {
        return Ok(RootFile { file: None, left: 0, max });
    }
    let file = match sys::open_found(&place)? {
        Some(file) => file,
        None => open_again(root, path)?,
    };
    Ok(RootFile { file: Some(BufReader::with_capacity(buffer_for(size), file)), left: max, max })
}

pub(crate) fn not_regular() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "it is not a regular file")
}

fn too_large(max: u64) -> io::Error {
    let text = match (max >> 20, max % (1 << 20)) {
        (mib, 0) if mib > 0 => format!("it is larger than {mib} MiB"),
        _ => format!("it is larger than {max} bytes"),
    };
    io::Error::new(io::ErrorKind::InvalidData, text)
}

/// What is no regular file is not opened at all: to open a device may do harm.
fn size_of_regular(place: &File) -> io::Result<u64> {
    let found = place.metadata()?;
    if found.is_file() { Ok(found.len()) } else { Err(not_regular()) }
}

/// Without /proc a file has to be found again, and may have been exchanged meanwhile.
fn open_again(root: BorrowedFd<'_>, path: &[u8]) -> io::Result<File> {
    let file = find(root, path, READ)?;
    size_of_regular(&file).map(|_| file)
}

/// Opens what a path leads to as if the root were `/`.
pub(crate) fn find(root: BorrowedFd<'_>, path: &[u8], flags: i32) -> io::Result<File> {
    match sys::open_in_root(root, &CString::new(path)?, flags)? {
        Some(file) => Ok(file),
        None => walk(root, path, flags),
    }
}

/// Does the same for kernels before 5.6: one name at a time, each from the directory before it.
///
/// `..` never asks the kernel, which would answer with wherever the directory is by now: the way down is
/// remembered.
fn walk(root: BorrowedFd<'_>, path: &[u8], flags: i32) -> io::Result<File> {
    let split = |path: &[u8]| path.split(|&byte| byte == b'/').map(<[u8]>::to_vec).collect::<Vec<_>>();
    if path.is_empty() {
        return Err(io::Error::from_raw_os_error(sys::ENOENT));
    }
    let mut way: Vec<File> = Vec::new();
    let mut names: VecDeque<Vec<u8>> = split(path).into();
    let mut links = 0;
    while let Some(name) = names.pop_front() {
        match &*name {
            b"" | b"." => continue,
            b".." => {
                way.pop();
                continue;
            }
            _ => {}
        }
        let name = CString::new(name)?;
        let here = way.last().map_or(root, AsFd::as_fd);
        let place = sys::open_at(here, &name, LOOK | NO_FOLLOW)?;
        let kind = place.metadata()?.file_type();
        if kind.is_symlink() {
            links += 1;
            if links > LINKS_MAX {
                return Err(io::Error::from_raw_os_error(sys::ELOOP));
            }
            let target = sys::read_link(place.as_fd())?;
            if target.starts_with(b"/") {
                way.clear();
            }
            for name in split(&target).into_iter().rev() {
                names.push_front(name);
            }
        } else if kind.is_dir() {
            way.push(place);
            if way.len() > DEPTH_MAX {
                return Err(io::Error::from_raw_os_error(sys::ENAMETOOLONG));
            }
        } else if !names.is_empty() {
            return Err(io::Error::from_raw_os_error(sys::ENOTDIR));
        } else if flags == LOOK {
            return Ok(place);
        } else {
            // To look for a directory fails here, as it must.
            return sys::open_at(here, &name, flags | NO_FOLLOW);
        }
    }
    sys::open_at(way.last().map_or(root, AsFd::as_fd), c".", LOOK)
}

//! Reading a file beneath a root directory that somebody else fills.

use std::collections::VecDeque;
use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use crate::sys::{self, LOOK, NO_FOLLOW, READ};
use crate::{Error, Result};

/// The largest file that is read; 100,000 users take half of it.
const FILE_MAX: u64 = 16 << 20;

/// As many symbolic links as the kernel follows.
const LINKS_MAX: u32 = 40;

/// Reads a regular file; `None` if it isn't there.
pub(crate) fn read(root: BorrowedFd<'_>, path: &str) -> Result<Option<Vec<u8>>> {
    let name = Path::new(path);
    let file = match open(root, path) {
        Ok(Some(file)) => file,
        Ok(None) => return Err(Error::file(name, "it is not a regular file")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io(name, &error)),
    };
    let mut bytes = Vec::new();
    file.take(FILE_MAX + 1).read_to_end(&mut bytes).map_err(|error| Error::io(name, &error))?;
    if bytes.len() as u64 > FILE_MAX {
        return Err(Error::file(name, "it is larger than 16 MiB"));
    }
    Ok(Some(bytes))
}

/// Opens a regular file; `None` if it is something else, which is not opened at all: to open a device may do
/// harm.
fn open(root: BorrowedFd<'_>, path: &str) -> io::Result<Option<File>> {
    let c_path = CString::new(path)?;
    let Some(place) = sys::open_in_root(root, &c_path, LOOK)? else {
        return walk(root, path);
    };
    if !place.metadata()?.is_file() {
        return Ok(None);
    }
    let file = sys::open_in_root(root, &c_path, READ)?;
    // It may have been exchanged meanwhile.
    Ok(file.filter(|file| file.metadata().is_ok_and(|found| found.is_file())))
}

/// Does the same for kernels before 5.6: one name at a time, each from the directory before it.
///
/// `..` never asks the kernel, which would answer with wherever the directory is by now: the way down is
/// remembered.
fn walk(root: BorrowedFd<'_>, path: &str) -> io::Result<Option<File>> {
    let mut way: Vec<File> = Vec::new();
    let mut names: VecDeque<Vec<u8>> = path.split('/').map(|name| name.as_bytes().to_vec()).collect();
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
            for name in target.split(|&byte| byte == b'/').rev() {
                names.push_front(name.to_vec());
            }
        } else if kind.is_dir() {
            way.push(place);
        } else if names.iter().any(|name| !name.is_empty()) {
            return Err(io::Error::from_raw_os_error(sys::ENOTDIR));
        } else if !kind.is_file() {
            return Ok(None);
        } else {
            let file = sys::open_at(here, &name, READ | NO_FOLLOW)?;
            return Ok(Some(file).filter(|file| file.metadata().is_ok_and(|found| found.is_file())));
        }
    }
    Ok(None)
}

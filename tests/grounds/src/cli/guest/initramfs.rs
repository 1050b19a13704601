//! A file system for a kernel to start with: an archive of cpio's form "newc".
//!
//! The kernel's Documentation/driver-api/early-userspace/buffer-format.rst describes it.

use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

const FOLDER: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;

/// An archive of programs, with the folders that they are in.
#[derive(Debug, Default)]
pub(super) struct Archive {
    bytes: Vec<u8>,
    folders: BTreeSet<PathBuf>,
}

impl Archive {
    /// Adds a program.
    pub(super) fn add(&mut self, path: &Path, content: &[u8]) {
        let path = path.strip_prefix("/").unwrap_or(path);
        let mut folders: Vec<&Path> = path.ancestors().skip(1).collect();
        // The innermost is named first; the last is the empty name, that of the root itself.
        folders.pop();
        for folder in folders.into_iter().rev() {
            if self.folders.insert(folder.to_owned()) {
                self.entry(folder.as_os_str().as_bytes(), FOLDER, &[]);
            }
        }
        self.entry(path.as_os_str().as_bytes(), PROGRAM, content);
    }

    /// Returns the archive's bytes.
    pub(super) fn into_bytes(mut self) -> Vec<u8> {
        self.entry(b"TRAILER!!!", 0, &[]);
        self.bytes
    }

    fn entry(&mut self, name: &[u8], mode: u32, content: &[u8]) {
        self.bytes.extend(b"070701");
        // Inode, mode, owner, group, links, time, size, four device numbers, the name's size, a sum.
        let (size, name_size) = (content.len() as u32, name.len() as u32 + 1);
        for number in [0, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, name_size, 0] {
            self.bytes.extend(format!("{number:08X}").into_bytes());
        }
        self.bytes.extend(name);
        self.bytes.push(0);
        self.pad();
        self.bytes.extend(content);
        self.pad();
    }

    /// Every part begins at a multiple of four.
    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_folder_comes_once_and_before_what_is_in_it() {
        let mut archive = Archive::default();
        archive.add(Path::new("/init"), b"1");
        archive.add(Path::new("/a/b/c"), b"12345");
        archive.add(Path::new("/a/d"), b"");
        let bytes = archive.into_bytes();
        assert_eq!(bytes.len() % 4, 0);
        assert_eq!(names(&bytes), ["init", "a", "a/b", "a/b/c", "a/d", "TRAILER!!!"]);
    }

    /// Reads the names back.
    fn names(mut bytes: &[u8]) -> Vec<String> {
        let mut names = Vec::new();
        while !bytes.is_empty() {
            let number = |field: usize| {
                let digits = str::from_utf8(&bytes[6 + 8 * field..][..8]).unwrap();
                usize::from_str_radix(digits, 16).unwrap()
            };
            let (size, name) = (number(6), number(11));
            names.push(String::from_utf8(bytes[110..110 + name - 1].to_vec()).unwrap());
            let content = (110 + name).next_multiple_of(4);
            bytes = &bytes[(content + size).next_multiple_of(4)..];
        }
        names
    }
}

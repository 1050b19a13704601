//! Copies of directories: what an image has where a tmpfs comes to lie.

use core::ffi::CStr;

use super::interpreter::Machine;
use super::program::Slot;
use super::raw::nr;
use super::sys::*;

/// How deep directories may lie in each other: each needs its part of the stack.
const DEPTH: u32 = 64;

/// What is never made by looking a name up.
const PLAIN: u64 = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;

impl<K: Kernel> Machine<K> {
    /// Gives a new filesystem the owner and the mode of the directory that it will lie on, and a copy of what is in
    /// there if `contents` says so. Where there is no directory there is nothing to be like.
    pub fn be_like(&mut self, tree: Slot, path: &CStr, contents: bool) -> Result<()> {
        let tree = self.fd(tree)?;
        let from = match self.beneath(path, O_DIRECTORY, 0, 0) {
            Err(fault) if fault.errno == ENOENT => return Ok(()),
            from => from?,
        };
        let to = self.sys.open(tree, c".", O_DIRECTORY, 0, PLAIN)?;
        if contents {
            self.copy_contents(from, to, DEPTH)?;
        }
        self.copy_status(from, to, contents)?;
        self.sys.close(to);
        self.sys.close(from);
        Ok(())
    }

    /// Copies what is in a directory.
    fn copy_contents(&mut self, from: i32, to: i32, depth: u32) -> Result<()> {
        // struct linux_dirent64: inode and offset of 8 bytes each, length of 2, type of 1, the name.
        const LENGTH: usize = 16;
        const NAME: usize = 19;
        let mut buffer = [0_u64; 256];
        loop {
            let mut entries = self.sys.entries(from, &mut buffer)?;
            if entries.is_empty() {
                return Ok(());
            }
            let broken = Fault::new(nr::GETDENTS64, EINVAL);
            while let Some(length) = entries.get(LENGTH..).and_then(|rest| rest.first_chunk()) {
                let length = usize::from(u16::from_ne_bytes(*length));
                let (entry, rest) =
                    entries.split_at_checked(length).filter(|_| length > NAME).ok_or(broken)?;
                let name =
                    entry.get(NAME..).and_then(|name| CStr::from_bytes_until_nul(name).ok()).ok_or(broken)?;
                if !matches!(name.to_bytes(), b"." | b"..") {
                    self.copy_entry(from, to, name, depth)?;
                }
                entries = rest;
            }
        }
    }

    fn copy_entry(&mut self, from: i32, to: i32, name: &CStr, depth: u32) -> Result<()> {
        let source = self.sys.open(from, name, O_PATH | O_NOFOLLOW, 0, RESOLVE_BENEATH)?;
        let status = self.sys.statx(source)?;
        match status.mode & S_IFMT {
            S_IFDIR => {
                let depth = depth.checked_sub(1).ok_or(Fault::new(nr::GETDENTS64, ELOOP))?;
                self.sys.mkdir(to, name, 0o700)?;
                let inside = self.sys.open(from, name, O_DIRECTORY | O_NOFOLLOW, 0, PLAIN)?;
                let copy = self.sys.open(to, name, O_DIRECTORY | O_NOFOLLOW, 0, PLAIN)?;
                self.copy_contents(inside, copy, depth)?;
                self.copy_status(inside, copy, true)?;
                self.sys.close(inside);
                self.sys.close(copy);
            }
            S_IFREG => {
                let inside = self.sys.open(from, name, O_NOFOLLOW, 0, PLAIN)?;
                let copy = self.sys.open(to, name, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW, 0o600, PLAIN)?;
                while self.sys.sendfile(copy, inside)? > 0 {}
                self.copy_status(inside, copy, true)?;
                self.sys.close(inside);
                self.sys.close(copy);
            }
            S_IFLNK => {
                let mut target = [0; 4096];
                let target = self.sys.readlink(source, &mut target)?;
                self.sys.symlink(target, to, name)?;
                self.sys.chown(to, name, status.uid, status.gid)?;
            }
            // A socket is one only while somebody listens there, which nobody does in the copy.
            S_IFSOCK => {}
            _ => {
                self.sys.mknod(to, name, status.mode, status.special)?;
                self.sys.chown(to, name, status.uid, status.gid)?;
            }
        }
        self.sys.close(source);
        Ok(())
    }

    /// Copies mode, and the owner if `owner` says so.
    fn copy_status(&mut self, from: i32, to: i32, owner: bool) -> Result<()> {
        let status = self.sys.statx(from)?;
        if owner {
            // Before the mode: a change of owner takes set-user-ID away.
            self.sys.chown(to, c"", status.uid, status.gid)?;
        }
        self.sys.chmod(to, status.mode & !S_IFMT)
    }
}

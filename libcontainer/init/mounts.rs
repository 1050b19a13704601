//! The container's mounts, each reached by a descriptor: no path is looked up twice.

use core::ffi::CStr;

use super::interpreter::Machine;
use super::program::{LIKE_TREE, Slot, Strings};
use super::raw::nr;
use super::sys::*;

/// The longest path, with its NUL (linux/limits.h).
const PATH_MAX: usize = 4096;

/// A path that ends in NUL, made of bytes that don't.
struct Path([u8; PATH_MAX]);

impl Path {
    fn new() -> Self {
        Path([0; PATH_MAX])
    }

    fn set(&mut self, bytes: &[u8]) -> Result<&CStr> {
        let too_long = Fault::new(nr::OPENAT2, ENAMETOOLONG);
        let (text, end) = self
            .0
            .get_mut(..=bytes.len())
            .and_then(|all| all.split_at_mut_checked(bytes.len()))
            .ok_or(too_long)?;
        text.copy_from_slice(bytes);
        end.fill(0);
        CStr::from_bytes_until_nul(&self.0).map_err(|_| too_long)
    }
}

/// Splits a path into its parent (`/` at least) and its last name.
fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|&byte| byte == b'/') {
        None => (b"/", path),
        Some(0) => (b"/", path.get(1..).unwrap_or_default()),
        Some(at) => (path.get(..at).unwrap_or_default(), path.get(at + 1..).unwrap_or_default()),
    }
}

impl<K: Kernel> Machine<K> {
    // ---- where a mount comes from ----

    /// Clones a tree of the host. One that can't be cloned here is opened by its path inside.
    pub fn host_tree(&mut self, slot: Slot, path: &CStr, recursive: bool) -> Result<()> {
        let tree = match self.sys.open_tree(AT_FDCWD, path, true, recursive) {
            Err(Fault { errno: EPERM, .. }) => return Ok(()),
            tree => tree?,
        };
        // The clone is in the peer group of its source: what is mounted inside would appear outside.
        let private = [0, 0, MS_PRIVATE, 0];
        if self.sys.mount_setattr(tree, &private, true).is_ok() {
            self.fill(slot, tree)
        } else {
            self.sys.close(tree);
            Ok(())
        }
    }

    pub fn open_host(&mut self, slot: Slot, path: &CStr, flags: u32) -> Result<()> {
        let fd = self.sys.open(AT_FDCWD, path, flags, 0, 0)?;
        self.fill(slot, fd)
    }

    pub fn tree(&mut self, slot: Slot, path: &CStr, recursive: bool) -> Result<()> {
        // Here first: what the host has locked in its mounts stays locked in a clone made here.
        match self.sys.open_tree(AT_FDCWD, path, true, recursive) {
            Err(fault) if self.filled(slot) && matches!(fault.errno, EACCES | EPERM) => Ok(()),
            tree => self.fill(slot, tree?),
        }
    }

    pub fn map_ids(&mut self, tree: Slot, map: Slot, recursive: bool) -> Result<()> {
        const MOUNT_ATTR_IDMAP: u64 = 0x10_0000;
        let (tree, map_fd) = (self.fd(tree)?, self.fd(map)?);
        self.sys.mount_setattr(tree, &[0, 0, MS_PRIVATE, 0], true)?;
        self.sys.mount_setattr(tree, &[MOUNT_ATTR_IDMAP, 0, 0, map_fd as u64], recursive)?;
        self.close(map)
    }

    pub fn clone_tree(&mut self, slot: Slot, from: Slot) -> Result<()> {
        let from = self.fd(from)?;
        let tree = self.sys.open_tree(from, c"", true, false)?;
        self.fill(slot, tree)
    }

    pub fn new_mount(
        &mut self,
        slot: Slot,
        fstype: &CStr,
        source: &CStr,
        options: Strings<'_>,
        attributes: u32,
    ) -> Result<()> {
        let fs = self.sys.fsopen(fstype)?;
        match self.configure(fs, source, options).and_then(|()| self.sys.fsmount(fs, attributes)) {
            Ok(tree) => {
                self.sys.close(fs);
                self.fill(slot, tree)
            }
            Err(fault) => {
                self.keep_log(fs);
                Err(fault)
            }
        }
    }

    fn configure(&mut self, fs: i32, source: &CStr, options: Strings<'_>) -> Result<()> {
        const SET_FLAG: usize = 0;
        const SET_STRING: usize = 1;
        const CMD_CREATE: usize = 6;
        if !source.is_empty() {
            self.sys.fsconfig(fs, SET_STRING, Some(c"source"), Some(source))?;
        }
        let mut options = options.iter();
        while let (Some(key), Some(value)) = (options.next(), options.next()) {
            if value.is_empty() {
                self.sys.fsconfig(fs, SET_FLAG, Some(key), None)?;
            } else {
                self.sys.fsconfig(fs, SET_STRING, Some(key), Some(value))?;
            }
        }
        self.sys.fsconfig(fs, CMD_CREATE, None, None)
    }

    // ---- where it goes ----

    /// Opens a path beneath the root: no symbolic link and no `..` leads out.
    pub fn beneath(&mut self, path: &CStr, flags: u32, mode: u32, resolve: u64) -> Result<i32> {
        let root = self.fd(Slot::ROOT)?;
        self.sys.open(root, path, flags, mode, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | resolve)
    }

    /// Opens the directory that a path beneath the root is in.
    pub fn parent(&mut self, path: &CStr) -> Result<i32> {
        let mut buffer = Path::new();
        let parent = buffer.set(split(path.to_bytes()).0)?;
        self.beneath(parent, O_PATH | O_DIRECTORY, 0, 0)
    }

    /// Does something with the parent directory and the last name of a path beneath the root.
    pub fn in_parent(
        &mut self,
        path: &CStr,
        act: impl FnOnce(&mut Self, i32, &CStr) -> Result<()>,
    ) -> Result<()> {
        let mut buffer = Path::new();
        let name = buffer.set(split(path.to_bytes()).1)?;
        let parent = self.parent(path)?;
        let done = act(self, parent, name);
        self.sys.close(parent);
        done
    }

    pub fn make_directory(&mut self, path: &CStr, mode: u32) -> Result<()> {
        let fd = self.opened_or_made(path, S_IFDIR | mode, 0)?;
        self.sys.close(fd);
        Ok(())
    }

    /// Opens a path beneath the root, which is made when it is absent: type and mode in `make`.
    pub fn opened_or_made(&mut self, path: &CStr, make: u32, resolve: u64) -> Result<i32> {
        match self.beneath(path, O_PATH, 0, resolve) {
            Err(fault) if fault.errno == ENOENT && make != 0 => {}
            opened => return opened,
        }
        match self.made(path, make) {
            Err(fault) if fault.errno == ENOENT => {
                self.make_parents(path)?;
                self.made(path, make)?;
            }
            done => done?,
        }
        self.beneath(path, O_PATH, 0, resolve)
    }

    /// Makes the directories that lead to a path beneath the root.
    fn make_parents(&mut self, path: &CStr) -> Result<()> {
        let bytes = path.to_bytes();
        for end in (1..bytes.len()).filter(|&at| bytes.get(at) == Some(&b'/')) {
            let mut buffer = Path::new();
            let prefix = buffer.set(bytes.get(..end).unwrap_or_default())?;
            match self.beneath(prefix, O_PATH, 0, 0) {
                Ok(fd) => self.sys.close(fd),
                Err(fault) if fault.errno == ENOENT => self.made(prefix, S_IFDIR | 0o755)?,
                Err(fault) => return Err(fault),
            }
        }
        Ok(())
    }

    fn made(&mut self, path: &CStr, make: u32) -> Result<()> {
        self.in_parent(path, |machine, parent, name| {
            let mode = make & !S_IFMT;
            let done = if make & S_IFMT == S_IFDIR {
                machine.sys.mkdir(parent, name, mode)
            } else {
                let flags = O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW;
                machine.sys.open(parent, name, flags, mode, 0).map(|fd| machine.sys.close(fd))
            };
            match done {
                Err(fault) if fault.errno == EEXIST => Ok(()),
                done => done,
            }
        })
    }

    pub fn attach(&mut self, tree: Slot, path: &CStr, make: u32, resolve: u64) -> Result<()> {
        let tree = self.fd(tree)?;
        let make = match make {
            LIKE_TREE if self.sys.statx(tree)?.mode & S_IFMT == S_IFDIR => S_IFDIR | 0o755,
            LIKE_TREE => S_IFREG | 0o644,
            make => make,
        };
        let target = self.opened_or_made(path, make, resolve)?;
        self.sys.move_mount(tree, target)?;
        self.sys.close(target);
        Ok(())
    }

    // ---- what it may do ----

    /// Changes attributes of an attached mount: set, clear and propagation.
    pub fn attributes(&mut self, fd: i32, change: &[u64; 4], recursive: bool) -> Result<()> {
        match self.sys.mount_setattr(fd, change, recursive) {
            // Linux before 5.12. Of recursive changes there is propagation alone.
            Err(fault) if fault.errno == ENOSYS && (!recursive || change[..2] == [0, 0]) => {
                self.remount(fd, change, recursive)
            }
            done => done,
        }
    }

    /// The same change by a remount, which replaces all attributes: the present ones are kept.
    fn remount(&mut self, fd: i32, &[set, clear, propagation, _]: &[u64; 4], recursive: bool) -> Result<()> {
        // ST_* of statfs and MS_* agree in the bits below; MOUNT_ATTR_* differ from bit 4 on.
        const KEPT: u64 = 1 | 2 | 4 | 8 | 1024 | 2048;
        const ST_RELATIME: u64 = 4096;
        const MS_RELATIME: u64 = 1 << 21;
        const MS_STRICTATIME: u64 = 1 << 24;
        // "/proc/self/fd/" and the number: this is the host's procfs, before the root is changed.
        let mut path = *b"/proc/self/fd/\0\0\0\0\0\0\0\0\0\0\0";
        let digits = (0..10).rev().map(|power| (fd as u32 / 10_u32.pow(power)) % 10);
        let digits = digits.skip_while(|&digit| digit == 0);
        for (place, digit) in path.iter_mut().skip(14).zip(digits) {
            *place = b'0' + digit as u8;
        }
        let path = CStr::from_bytes_until_nul(&path).map_err(|_| Fault::new(nr::MOUNT, EINVAL))?;
        if propagation != 0 {
            let recursive = if recursive { MS_REC } else { 0 };
            self.sys.remount(path, propagation as usize | recursive)?;
        }
        if set == 0 && clear == 0 {
            return Ok(());
        }
        let statfs = self.sys.filesystem(fd)?.1;
        let mut flags = statfs & KEPT;
        if statfs & ST_RELATIME != 0 {
            flags |= MS_RELATIME;
        }
        let simple = |attributes: u64| (attributes & 0xf) | if attributes & 0x80 != 0 { 2048 } else { 0 };
        flags = (flags & !simple(clear)) | simple(set);
        if clear & 0x70 != 0 {
            flags &= !(1024 | MS_RELATIME);
            flags |= match set & 0x70 {
                0x10 => 1024,
                0x20 => MS_STRICTATIME,
                _ => MS_RELATIME,
            };
        }
        self.sys.remount(path, MS_REMOUNT | MS_BIND | flags as usize)
    }

    /// Hides a path; one that is absent needs no hiding.
    pub fn mask(&mut self, path: &CStr, null: Slot) -> Result<()> {
        let target = match self.beneath(path, O_PATH, 0, 0) {
            Err(fault) if fault.errno == ENOENT || fault.errno == ENOTDIR => return Ok(()),
            target => target?,
        };
        let tree = if self.sys.statx(target)?.mode & S_IFMT == S_IFDIR {
            let fs = self.sys.fsopen(c"tmpfs")?;
            self.configure(fs, c"tmpfs", Strings(b"size\x000k\0"))?;
            let tree = self.sys.fsmount(fs, MOUNT_ATTR_RDONLY as u32)?;
            self.sys.close(fs);
            tree
        } else {
            let null = self.fd(null)?;
            self.sys.open_tree(null, c"", true, false)?
        };
        self.sys.move_mount(tree, target)?;
        self.sys.close(tree);
        self.sys.close(target);
        Ok(())
    }

    pub fn read_only(&mut self, path: &CStr) -> Result<()> {
        let target = match self.beneath(path, O_PATH, 0, 0) {
            Err(fault) if fault.errno == ENOENT || fault.errno == ENOTDIR => return Ok(()),
            target => target?,
        };
        let tree = self.sys.open_tree(target, c"", true, true)?;
        self.sys.move_mount(tree, target)?;
        let change = [MOUNT_ATTR_RDONLY, 0, 0, 0];
        match self.attributes(tree, &change, true) {
            Err(fault) if fault.errno == ENOSYS => self.attributes(tree, &change, false)?,
            done => done?,
        }
        self.sys.close(tree);
        self.sys.close(target);
        Ok(())
    }

    // ---- the root ----

    /// Attaches the rootfs. Over this namespace's root it is where any user can reach it.
    pub fn enter_root(&mut self, path: &CStr) -> Result<()> {
        let root = self.fd(Slot::ROOT)?;
        let over = self.sys.open(AT_FDCWD, path, O_PATH | O_DIRECTORY, 0, 0)?;
        self.sys.move_mount(root, over)?;
        self.sys.close(over);
        Ok(())
    }

    pub fn pivot_root(&mut self) -> Result<()> {
        let root = self.fd(Slot::ROOT)?;
        self.sys.fchdir(root)?;
        self.sys.pivot_root(c".", c".")?;
        // The old root now lies over the new one; "." leads to the topmost (pivot_root(2), NOTES).
        self.sys.umount(c".", MNT_DETACH)?;
        self.sys.chdir(c"/")
    }

    pub fn move_root(&mut self, root: Slot) -> Result<()> {
        let root = self.fd(root)?;
        self.sys.fchdir(root)?;
        self.sys.chroot(c".")?;
        self.sys.chdir(c"/")
    }
}

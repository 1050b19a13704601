//! Device nodes, links and the console.

use core::ffi::CStr;

use super::interpreter::Machine;
use super::program::{Message, Slot};
use super::raw::nr;
use super::sys::*;

impl<K: Kernel> Machine<K> {
    pub fn expect_device(&mut self, slot: Slot, kind: u32, number: (u32, u32)) -> Result<()> {
        let fd = self.fd(slot)?;
        self.is_device(fd, kind, number)
    }

    fn is_device(&mut self, fd: i32, kind: u32, number: (u32, u32)) -> Result<()> {
        let status = self.sys.statx(fd)?;
        let same = status.mode & S_IFMT == kind && status.special == number;
        if same { Ok(()) } else { Err(Fault::new(nr::STATX, ENODEV)) }
    }

    /// Makes a device node. One that is there already must be the same.
    pub fn node(&mut self, path: &CStr, mode: u32, number: (u32, u32), uid: u32, gid: u32) -> Result<()> {
        self.in_parent(path, |machine, parent, name| match machine.sys.mknod(parent, name, mode, number) {
            Ok(()) => machine.sys.chown(parent, name, uid, gid),
            Err(fault) if fault.errno == EEXIST => {
                let there = machine.sys.open(parent, name, O_PATH | O_NOFOLLOW, 0, 0)?;
                let same = machine.is_device(there, mode & S_IFMT, number);
                machine.sys.close(there);
                same.map_err(|_| fault)
            }
            Err(fault) => Err(fault),
        })
    }

    pub fn symlink(&mut self, path: &CStr, target: &CStr) -> Result<()> {
        self.in_parent(path, |machine, parent, name| match machine.sys.symlink(target, parent, name) {
            Err(fault) if fault.errno == EEXIST => Ok(()),
            made => made,
        })
    }

    /// Opens a terminal of the container's devpts. Its other end comes from the master itself, not
    /// from a path that an image could have prepared.
    pub fn console(&mut self, peer: Slot, size: (u32, u32), owner: (u32, u32), bind: bool) -> Result<()> {
        const TCGETS: usize = 0x5401;
        const TCSETS: usize = 0x5402;
        const ONLCR: u32 = 4;
        const TIOCSPTLCK: usize = 0x4004_5431;
        const TIOCGPTN: usize = 0x8004_5430;
        const TIOCGPTPEER: usize = 0x5441;
        const TIOCSWINSZ: usize = 0x5414;
        const DEVPTS_SUPER_MAGIC: u64 = 0x1cd1;

        let master = self.beneath(c"/dev/pts/ptmx", O_RDWR | O_NOCTTY, 0, 0)?;
        if self.sys.filesystem(master)?.0 != DEVPTS_SUPER_MAGIC {
            return Err(Fault::new(nr::FSTATFS, ENODEV));
        }
        self.is_device(master, S_IFCHR, (5, 2))?;
        self.sys.ioctl_with(master, TIOCSPTLCK, &mut 0_i32)?;
        let terminal = self.sys.ioctl(master, TIOCGPTPEER, (O_RDWR | O_NOCTTY | O_CLOEXEC) as usize)? as i32;
        let (rows, columns) = size;
        if rows != 0 && columns != 0 {
            self.sys.ioctl_with(terminal, TIOCSWINSZ, &mut [rows as u16, columns as u16, 0, 0])?;
        }
        // A newline stays one: whoever shows this terminal on another has that one add the return.
        let mut mode = [0_u32; 9]; // struct termios: four words of flags, then characters
        self.sys.ioctl_with(terminal, TCGETS, &mut mode)?;
        mode[1] &= !ONLCR;
        self.sys.ioctl_with(terminal, TCSETS, &mut mode)?;
        self.sys.chown(terminal, c"", owner.0, owner.1)?;
        if bind {
            let mut number = 0_i32;
            self.sys.ioctl_with(master, TIOCGPTN, &mut number)?;
            self.bind_console(terminal, number as u32)?;
        }
        self.send(&Message::Console, Some(master))?;
        self.sys.close(master);
        self.fill(peer, terminal)
    }

    /// Shows the terminal as /dev/console.
    fn bind_console(&mut self, terminal: i32, number: u32) -> Result<()> {
        let mut path = *b"/dev/pts/\0\0\0\0\0\0\0\0\0\0\0";
        let mut rest = number;
        let digits = 1 + number.checked_ilog10().unwrap_or(0) as usize;
        for place in path.iter_mut().skip(9).take(digits).rev() {
            *place = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        let path = CStr::from_bytes_until_nul(&path).map_err(|_| Fault::new(nr::IOCTL, EINVAL))?;
        let node = self.beneath(path, O_PATH | O_NOFOLLOW, 0, 0)?;
        let (there, ours) = (self.sys.statx(node)?, self.sys.statx(terminal)?);
        if (there.device, there.inode) != (ours.device, ours.inode) {
            return Err(Fault::new(nr::STATX, ENODEV));
        }
        let tree = self.sys.open_tree(node, c"", true, false)?;
        let target = self.opened_or_made(c"/dev/console", S_IFREG | 0o620, 0)?;
        self.sys.move_mount(tree, target)?;
        for fd in [node, tree, target] {
            self.sys.close(fd);
        }
        Ok(())
    }
}

//! Entering and making namespaces; the process that becomes the container's.

use super::interpreter::Machine;
use super::program::{Message, Slot};
use super::raw::nr;
use super::sys::{
    CLONE_NEWCGROUP, CLONE_PARENT, ENODEV, ENOSYS, EPERM, Fault, Kernel, PROC_SUPER_MAGIC, Result,
};
use super::sys::{O_WRONLY, RESOLVE_BENEATH, RESOLVE_NO_MAGICLINKS};

impl<K: Kernel> Machine<K> {
    pub fn setns(&mut self, slot: Slot, kinds: u32) -> Result<()> {
        let fd = self.fd(slot)?;
        self.sys.setns(fd, kinds)?;
        self.close(slot)
    }

    /// Makes the next process a child of the parent, tells the parent, and ends this one.
    pub fn clone(&mut self, flags: u64, cgroup: Slot) -> Result<()> {
        let cgroup = if cgroup == Slot::NONE { None } else { Some(self.fd(cgroup)?) };
        let mut pidfd = -1;
        let mut in_cgroup = cgroup.is_some();
        let pid = match self.sys.clone(flags | CLONE_PARENT, cgroup, &mut pidfd) {
            // The parent moves the process where this kernel, or a filter, refuses clone3.
            Err(Fault { errno: ENOSYS | EPERM, .. }) if in_cgroup => {
                // The namespace shows the cgroup that its maker is in: it comes after the parent's move.
                in_cgroup = false;
                self.owed = flags as u32 & CLONE_NEWCGROUP;
                let flags = flags & !u64::from(CLONE_NEWCGROUP);
                self.sys.clone(flags | CLONE_PARENT, None, &mut pidfd)?
            }
            made => made?,
        };
        if pid == 0 {
            return Ok(());
        }
        self.send(&Message::Started { pid, in_cgroup }, Some(pidfd))?;
        self.sys.exit(0)
    }

    pub fn dumpable(&mut self, on: bool) -> Result<()> {
        const PR_SET_DUMPABLE: usize = 4;
        self.sys.prctl(PR_SET_DUMPABLE, usize::from(on), 0).map(drop)
    }

    /// Writes to a file of procfs, and makes sure that it is procfs.
    pub fn write_proc(&mut self, proc: Slot, path: &core::ffi::CStr, value: &[u8]) -> Result<()> {
        let proc = self.fd(proc)?;
        if self.sys.filesystem(proc)?.0 != PROC_SUPER_MAGIC {
            return Err(Fault::new(nr::FSTATFS, ENODEV));
        }
        let file = self.sys.open(proc, path, O_WRONLY, 0, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS)?;
        if self.sys.filesystem(file)?.0 != PROC_SUPER_MAGIC {
            return Err(Fault::new(nr::FSTATFS, ENODEV));
        }
        self.sys.write(file, value)?;
        self.sys.close(file);
        Ok(())
    }

    /// Kernels and filters without keyrings have none to leave.
    pub fn session_keyring(&mut self) -> Result<()> {
        match self.sys.join_session_keyring() {
            Err(Fault { errno: ENOSYS | EPERM, .. }) => Ok(()),
            joined => joined,
        }
    }

    pub fn loopback_up(&mut self) -> Result<()> {
        const SIOCGIFFLAGS: usize = 0x8913;
        const SIOCSIFFLAGS: usize = 0x8914;
        const IFF_UP: u16 = 1;
        // struct ifreq: 16 bytes of name, then a union of 24 that begins with the flags.
        let mut request = [0_u16; 20];
        request[0] = u16::from_ne_bytes(*b"lo");
        let socket = self.sys.socket_inet()?;
        self.sys.ioctl_with(socket, SIOCGIFFLAGS, &mut request)?;
        request[8] |= IFF_UP;
        self.sys.ioctl_with(socket, SIOCSIFFLAGS, &mut request)?;
        self.sys.close(socket);
        Ok(())
    }
}

//! Who the process is and what it may do.

use super::interpreter::Machine;
use super::raw::nr;
use super::sys::{EINVAL, Fault, Kernel, Result};

const PR_SET_KEEPCAPS: usize = 8;
const PR_CAPBSET_READ: usize = 23;
const PR_CAPBSET_DROP: usize = 24;
const PR_SET_NO_NEW_PRIVS: usize = 38;
const PR_CAP_AMBIENT: usize = 47;
const PR_CAP_AMBIENT_RAISE: usize = 2;
const PR_CAP_AMBIENT_CLEAR_ALL: usize = 4;

impl<K: Kernel> Machine<K> {
    /// Takes the ids 0 of the user namespace that this process is in.
    pub fn become_root(&mut self, drop_groups: bool) -> Result<()> {
        self.sys.setresgid(0)?;
        self.sys.setresuid(0)?;
        if drop_groups { self.sys.setgroups(&[]) } else { Ok(()) }
    }

    pub fn bounding(&mut self, keep: u64) -> Result<()> {
        for capability in 0..64 {
            if keep & (1 << capability) != 0 {
                continue;
            }
            match self.sys.prctl(PR_CAPBSET_READ, capability, 0) {
                Ok(0) => {}
                Ok(_) => self.sys.prctl(PR_CAPBSET_DROP, capability, 0).map(drop)?,
                // The last one that this kernel knows is behind us.
                Err(fault) if fault.errno == EINVAL => return Ok(()),
                Err(fault) => return Err(fault),
            }
        }
        Ok(())
    }

    pub fn identity(&mut self, uid: u32, gid: u32, groups: &[u8], set_groups: bool) -> Result<()> {
        // Id 4294967295 means "unchanged" to the kernel, and would leave us root.
        if uid == u32::MAX || gid == u32::MAX {
            return Err(Fault::new(nr::SETRESUID, EINVAL));
        }
        self.sys.prctl(PR_SET_KEEPCAPS, 1, 0)?;
        if set_groups {
            self.sys.setgroups(groups)?;
        }
        self.sys.setresgid(gid)?;
        self.sys.setresuid(uid)?;
        self.sys.prctl(PR_SET_KEEPCAPS, 0, 0).map(drop)
    }

    pub fn capabilities(
        &mut self,
        effective: u64,
        permitted: u64,
        inheritable: u64,
        ambient: u64,
    ) -> Result<()> {
        self.sys.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0)?;
        self.sys.capset(effective, permitted, inheritable)?;
        for capability in (0..64).filter(|capability| ambient & (1 << capability) != 0) {
            self.sys.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability)?;
        }
        Ok(())
    }

    pub fn no_new_privileges(&mut self) -> Result<()> {
        self.sys.prctl(PR_SET_NO_NEW_PRIVS, 1, 0).map(drop)
    }
}

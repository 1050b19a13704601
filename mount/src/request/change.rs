//! Changing a mount that is there.

use std::os::fd::AsFd;

use nix::errno::Errno;

use super::Request;
use crate::at::magic_link;
use crate::sys::{api, ms};
use crate::{At, FsContext, Mount, Result};

impl Request<'_> {
    pub(super) fn move_there(&self) -> Result<()> {
        let source = At::Path(self.source);
        let mount = Mount::new(source.open(&self.what)?, source.to_string());
        match api::move_mount(mount.as_fd(), self.target.as_fd(), false) {
            Ok(()) => {}
            Err(Errno::ENOSYS | Errno::EPERM) => {
                self.call(Some(magic_link(mount.as_fd()).as_os_str()), ms::MOVE, None)?;
            }
            Err(error) => {
                return Err(mount.why_not_attached(self.target.as_fd(), false, &self.what, error));
            }
        }
        self.change(&mount)?;
        self.propagate(&mount)
    }

    /// Changes an existing mount: what the options don't name stays as it is.
    pub(super) fn remount(&self) -> Result<()> {
        let mount = self.present()?;
        // fsconfig(2) has no word for it.
        let iversion = self.options.superblock().0 | self.options.superblock().1;
        let only_mount2 = iversion & ms::I_VERSION != 0;
        let of_filesystem = !(self.options.superblock_flags().is_empty() && self.options.data().is_empty());
        if self.options.bind().is_none() && only_mount2 {
            self.remount_by_mount2()?;
        } else if self.options.bind().is_none() && of_filesystem {
            match self.reconfigure() {
                Err(error) if error.is_missing_call() => {
                    self.remount_by_mount2()
                        .map_err(|old| if old.is_missing_call() { error } else { old })?;
                }
                result => result?,
            }
        }
        self.change(&mount)?;
        self.propagate(&mount)
    }

    /// Changes the filesystem. fsconfig(2) changes what is named, mount(2) everything.
    fn reconfigure(&self) -> Result<()> {
        let mut context = FsContext::pick_as(self.target.as_fd(), &self.at.name(), self.what.clone())?;
        self.configure(&mut context)?;
        context.reconfigure().map(drop)
    }
}

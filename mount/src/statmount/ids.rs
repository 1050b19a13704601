//! Which mounts there are, and in which namespace.

use std::os::fd::AsFd;
use std::path::Path;

use nix::errno::Errno;

use super::{check_unique, failed};
use crate::error::quote;
use crate::sys::statmount::{self as kernel, LSMT_ROOT, Request};
use crate::{Error, ErrorKind, Result};

/// The id of a mount namespace, which is never given to another one while the machine is up.
///
/// ```
/// # if let Ok(here) = mount::NamespaceId::current() {
/// let ids = mount::MountIds::new().namespace(here).list()?;
/// # assert!(!ids.is_empty());
/// # }
/// # Ok::<(), mount::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NamespaceId(u64);

impl NamespaceId {
    /// Returns the id of the calling thread's mount namespace.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](ErrorKind::Unsupported) before Linux 6.11.
    pub fn current() -> Result<Self> {
        let path = Path::new("/proc/thread-self/ns/mnt");
        let what = || format!("open {}", quote(path));
        let file = std::fs::File::open(path).map_err(|error| Error::io(what(), path, &error))?;
        Self::of(file)
    }

    /// Returns the id of the mount namespace that a file like `/proc/PID/ns/mnt` refers to.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) for what is no mount namespace;
    /// [`Unsupported`](ErrorKind::Unsupported) before Linux 6.11.
    pub fn of(namespace: impl AsFd) -> Result<Self> {
        let (what, namespace) = ("find the id of a mount namespace", namespace.as_fd());
        kernel::mount_namespace_id(namespace).map(NamespaceId).map_err(|error| match error {
            Errno::ENOTTY | Errno::EINVAL if !kernel::is_mount_namespace(namespace) => {
                Error::new(ErrorKind::InvalidInput, what, "it is no mount namespace")
            }
            // nsfs has had no such request before.
            Errno::ENOTTY => failed(what, "NS_GET_MNTNS_ID", "6.11", Errno::ENOSYS),
            error => failed(what, "NS_GET_MNTNS_ID", "6.11", error),
        })
    }

    /// Takes an id that came from elsewhere, from [`listns(2)`] for instance.
    ///
    /// [`listns(2)`]: https://man7.org/linux/man-pages/man2/listns.2.html
    pub fn from_raw(id: u64) -> Self {
        NamespaceId(id)
    }

    /// Returns the number.
    pub fn as_raw(self) -> u64 {
        self.0
    }
}

/// Lists mounts by their unique ids with [`listmount(2)`], which costs a small part of reading the table.
///
/// A unique id is never given to another mount while the machine is up: two lists that are equal are of the
/// same mounts. Only those are listed that can be seen from the root directory, as in mountinfo.
///
/// ```
/// # if mount::MountIds::new().list().is_ok() {
/// let newest_first = mount::MountIds::new().reverse().list()?;
/// let newest = mount::MountInfo::from_unique_id(newest_first[0])?;
/// # }
/// # Ok::<(), mount::Error>(())
/// ```
///
/// [`listmount(2)`]: https://man7.org/linux/man-pages/man2/listmount.2.html
#[derive(Debug, Clone, Copy, Default)]
#[must_use = "nothing is listed until `list` is called"]
pub struct MountIds {
    below: Option<u64>,
    after: Option<u64>,
    reverse: bool,
    namespace: Option<NamespaceId>,
}

impl MountIds {
    /// Lists all mounts of this mount namespace, in the order in which they were made.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lists the mounts below this one, at any depth, and not itself.
    pub fn below(self, unique_id: u64) -> Self {
        MountIds { below: Some(unique_id), ..self }
    }

    /// Begins after this id, which needn't be there any more.
    pub fn after(self, unique_id: u64) -> Self {
        MountIds { after: Some(unique_id), ..self }
    }

    /// Lists the newest first (Linux 6.12).
    pub fn reverse(self) -> Self {
        MountIds { reverse: true, ..self }
    }

    /// Lists the mounts of another namespace, seen from its root (Linux 6.11). Needs `CAP_SYS_ADMIN` over it.
    pub fn namespace(self, namespace: NamespaceId) -> Self {
        MountIds { namespace: Some(namespace), ..self }
    }

    /// Returns the ids.
    ///
    /// Up to a thousand are read in one call. More take several: a mount made meanwhile may be missing.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](ErrorKind::Unsupported) without listmount(2), which is there since Linux 6.8;
    /// [`NotFound`](ErrorKind::NotFound) if the mount or the namespace is gone, or the namespace is not ours
    /// to look at; [`InvalidInput`](ErrorKind::InvalidInput) for ids of mountinfo, which aren't unique.
    #[doc(alias = "listmount")]
    pub fn list(self) -> Result<Vec<u64>> {
        let what = "list mounts";
        let after = self.after.filter(|after| *after != 0); // from the first on
        self.below.into_iter().chain(after).try_for_each(|id| check_unique(what, id))?;
        let mut ids = Vec::new();
        self.list_into(&mut ids).map_err(|error| failed(what, "listmount", "6.8", error))?;
        Ok(ids)
    }

    /// As [`list`](Self::list), into memory that is used again.
    pub(crate) fn list_into(self, ids: &mut Vec<u64>) -> nix::Result<()> {
        // Room for a thousand, and for a few more than last time; for more than a million the kernel refuses.
        let step = (ids.len() + 64).clamp(1024, 1_000_000);
        let mut after = self.after.unwrap_or(0);
        ids.clear();
        loop {
            let filled = ids.len();
            ids.resize(filled + step, 0);
            let namespace = self.namespace.map(NamespaceId::as_raw);
            let request = Request::new(self.below.unwrap_or(LSMT_ROOT), after, namespace);
            let count = kernel::listmount(&request, &mut ids[filled..], self.reverse);
            ids.truncate(filled + count.as_ref().copied().unwrap_or(0));
            if count? < step {
                return Ok(());
            }
            after = ids.last().copied().unwrap_or(0);
        }
    }
}

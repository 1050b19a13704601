//! Mounts by their unique ids, as listmount(2) and statmount(2) tell them.

mod ids;
mod info;

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use bitflags::bitflags;
use nix::errno::Errno;

pub use self::ids::{MountIds, NamespaceId};
pub(crate) use self::info::{Found, InfoReader, Numbers, of_unique_id};
use crate::idmap::range;
use crate::sys::statmount::{self as kernel, Answer, Request};
use crate::sys::{self, ms};
use crate::{At, Attributes, Error, ErrorKind, IdRange, Result};

/// Unique ids begin after this number, which those of mountinfo don't reach (fs/namespace.c of the kernel).
const LAST_REUSED: u64 = 1 << 31;

bitflags! {
    /// What [`Statmount`] asks the kernel for. The fewer, the quicker.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub struct Fields: u64 {
        /// The filesystem's device, magic number and flags (Linux 6.8).
        const SUPER = 0x1;
        /// The ids of the mount and its parent, its attributes and how it propagates (Linux 6.8).
        const MOUNT = 0x2;
        /// Where propagation comes from, seen from this root directory (Linux 6.8).
        const PROPAGATE_FROM = 0x4;
        /// What of the filesystem is mounted (Linux 6.8).
        const ROOT = 0x8;
        /// Where it is mounted (Linux 6.8).
        const MOUNT_POINT = 0x10;
        /// The type of the filesystem (Linux 6.8).
        const FS_TYPE = 0x20;
        /// The id of the mount namespace (Linux 6.11).
        const NAMESPACE = 0x40;
        /// The options of the filesystem as one text (Linux 6.11).
        const OPTIONS = 0x80;
        /// What stands behind the dot of `fuse.sshfs` (Linux 6.13).
        const FS_SUBTYPE = 0x100;
        /// What was mounted (Linux 6.13).
        const SOURCE = 0x200;
        /// The options of the filesystem one by one (Linux 6.13).
        const OPTION_LIST = 0x400;
        /// The options of the security module one by one (Linux 6.13).
        const SECURITY_LIST = 0x800;
        /// Which of these the kernel knows (Linux 6.15).
        const SUPPORTED = 0x1000;
        /// How an idmapped mount maps users (Linux 6.15).
        const UID_MAP = 0x2000;
        /// How an idmapped mount maps groups (Linux 6.15).
        const GID_MAP = 0x4000;
    }
}

/// What [`statmount(2)`] tells of a mount; `None` where the kernel didn't say.
///
/// [`MountInfo::from_unique_id`](crate::MountInfo::from_unique_id) puts it into the form of the mount table.
///
/// ```
/// use mount::{Fields, Statmount};
///
/// # if mount::MountIds::new().list().is_ok() {
/// let proc = Statmount::of("/proc", Fields::all())?;
/// assert_eq!(proc.fs_type.unwrap(), "proc");
/// assert_eq!(proc.mount_point.unwrap().to_str(), Some("/proc"));
/// # }
/// # Ok::<(), mount::Error>(())
/// ```
///
/// [`statmount(2)`]: https://man7.org/linux/man-pages/man2/statmount.2.html
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Statmount {
    /// The mount's id, which no other mount ever has: what [`of_id`](Self::of_id) and
    /// [`MountIds`] take.
    pub unique_id: Option<u64>,
    /// The id of the mount that this one lies on; its own at the top of the tree.
    pub unique_parent: Option<u64>,
    /// The id of mountinfo, which is given again once the mount is gone: what [`Table::get`](crate::Table::get)
    /// takes.
    pub id: Option<u64>,
    /// The same of the mount that this one lies on.
    pub parent: Option<u64>,
    /// The attributes.
    pub attributes: Option<Attributes>,
    /// Whether ids are mapped.
    pub is_idmapped: Option<bool>,
    /// The group whose members share mounts, where the mount is shared.
    pub peer_group: Option<u64>,
    /// The group that mounts come from, where the mount is a slave.
    pub master: Option<u64>,
    /// The nearest group up the chain of masters that can be seen from this root directory.
    pub propagate_from: Option<u64>,
    /// Whether it refuses to be bound elsewhere.
    pub is_unbindable: Option<bool>,
    /// The device's numbers, major and minor.
    pub device: Option<(u32, u32)>,
    /// The magic number of the filesystem's type, as [`statfs(2)`] tells it.
    ///
    /// [`statfs(2)`]: https://man7.org/linux/man-pages/man2/statfs.2.html
    pub magic: Option<u64>,
    /// The filesystem's flags as `MS_*` bits: `MS_RDONLY`, `MS_SYNCHRONOUS`, `MS_DIRSYNC`, `MS_LAZYTIME`.
    pub super_flags: Option<u32>,
    /// The filesystem's type, without the subtype.
    pub fs_type: Option<OsString>,
    /// The subtype: the `sshfs` of `fuse.sshfs`.
    pub fs_subtype: Option<OsString>,
    /// The directory or file of the filesystem that is mounted.
    pub root: Option<PathBuf>,
    /// Where it is mounted; `None` also where that can't be seen from the root directory.
    pub mount_point: Option<PathBuf>,
    /// What was mounted.
    pub source: Option<OsString>,
    /// The options of security module and filesystem with commas between, escaped as in mountinfo.
    pub options: Option<OsString>,
    /// The filesystem's options one by one, not escaped.
    pub option_list: Option<Vec<OsString>>,
    /// The security module's options one by one, not escaped.
    pub security_list: Option<Vec<OsString>>,
    /// The mount namespace.
    pub namespace: Option<NamespaceId>,
    /// How an idmapped mount maps users: *inside* those of the filesystem, *outside* those of the caller's user
    /// namespace.
    pub uid_map: Option<Vec<IdRange>>,
    /// How an idmapped mount maps groups.
    pub gid_map: Option<Vec<IdRange>>,
    /// Which fields this kernel knows.
    pub supported: Option<Fields>,
}

impl Statmount {
    /// Asks about the mount with this unique id, in this mount namespace.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) if the mount is gone; [`InvalidInput`](ErrorKind::InvalidInput) for an
    /// id of mountinfo; [`Unsupported`](ErrorKind::Unsupported) without statmount(2), which is there since
    /// Linux 6.8.
    #[doc(alias = "statmount")]
    pub fn of_id(unique_id: u64, fields: Fields) -> Result<Self> {
        Self::ask(unique_id, fields, None)
    }

    /// Asks about a mount of another namespace, seen from its root (Linux 6.11). Needs `CAP_SYS_ADMIN` over it.
    ///
    /// # Errors
    ///
    /// As [`of_id`](Self::of_id).
    pub fn of_id_in(namespace: NamespaceId, unique_id: u64, fields: Fields) -> Result<Self> {
        Self::ask(unique_id, fields, Some(namespace))
    }

    /// Asks about the mount that a place lies on. Symbolic links are followed, automounts are not triggered.
    ///
    /// Since Linux 7.0 a descriptor finds mounts too that are attached nowhere; before, they are not found.
    ///
    /// ```
    /// # if mount::MountIds::new().list().is_ok() {
    /// use mount::{Fields, Statmount};
    /// let root = mount::Root::open("/")?;
    /// let beneath = Statmount::of(root.at("proc/self"), Fields::MOUNT)?;
    /// assert_eq!(beneath.unique_id, Statmount::of("/proc", Fields::MOUNT)?.unique_id);
    /// # }
    /// # Ok::<(), mount::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) if the place isn't there, or its mount is in no namespace;
    /// [`Unsupported`](ErrorKind::Unsupported) before Linux 6.8.
    pub fn of<'a>(at: impl Into<At<'a>>, fields: Fields) -> Result<Self> {
        let at = at.into();
        let wrong =
            |call, error| failed(&format!("ask about the mount of {at}"), call, "6.8", error).at(&at.name());
        let mut answer = Answer::new();
        if let At::Fd(fd) = at {
            match kernel::statmount_fd(fd, fields.bits(), &mut answer) {
                Err(Errno::EINVAL) => {}
                result => {
                    result.map_err(|error| wrong("statmount", error))?;
                    return Ok(Self::read(&answer));
                }
            }
        }
        let id = at.unique_id()?.ok_or_else(|| wrong("STATX_MNT_ID_UNIQUE", Errno::ENOSYS))?;
        kernel::statmount(&Request::new(id, fields.bits(), None), &mut answer)
            .map_err(|error| wrong("statmount", error))?;
        Ok(Self::read(&answer))
    }

    fn ask(unique_id: u64, fields: Fields, namespace: Option<NamespaceId>) -> Result<Self> {
        let what = about(unique_id);
        check_unique(&what, unique_id)?;
        let mut answer = Answer::new();
        let request = Request::new(unique_id, fields.bits(), namespace.map(NamespaceId::as_raw));
        kernel::statmount(&request, &mut answer).map_err(|error| failed(&what, "statmount", "6.8", error))?;
        Ok(Self::read(&answer))
    }

    fn read(answer: &Answer) -> Self {
        let given = Fields::from_bits_retain(answer.mask());
        let text = |field, text: &[u8]| given.contains(field).then(|| OsString::from_vec(text.to_vec()));
        let mut found = Statmount {
            fs_type: text(Fields::FS_TYPE, answer.fs_type_text()),
            fs_subtype: text(Fields::FS_SUBTYPE, answer.fs_subtype_text()),
            root: text(Fields::ROOT, answer.root_text()).map(PathBuf::from),
            mount_point: text(Fields::MOUNT_POINT, answer.mount_point_text()).map(PathBuf::from),
            source: text(Fields::SOURCE, answer.source_text()),
            options: text(Fields::OPTIONS, answer.options_text()),
            option_list: given.contains(Fields::OPTION_LIST).then(|| words(answer.option_list())),
            security_list: given.contains(Fields::SECURITY_LIST).then(|| words(answer.security_list())),
            uid_map: given.contains(Fields::UID_MAP).then(|| ranges(answer.uid_list())),
            gid_map: given.contains(Fields::GID_MAP).then(|| ranges(answer.gid_list())),
            namespace: given.contains(Fields::NAMESPACE).then(|| NamespaceId::from_raw(answer.mnt_ns_id())),
            supported: given
                .contains(Fields::SUPPORTED)
                .then(|| Fields::from_bits_retain(answer.supported_mask())),
            ..Self::default()
        };
        if given.contains(Fields::MOUNT) {
            let propagation = answer.mnt_propagation();
            let attributes = Attributes::from_bits_retain(answer.mnt_attr());
            found.unique_id = Some(answer.mnt_id());
            found.unique_parent = Some(answer.mnt_parent_id());
            found.id = Some(u64::from(answer.mnt_id_old()));
            found.parent = Some(u64::from(answer.mnt_parent_id_old()));
            found.is_idmapped = Some(attributes.bits() & sys::api::MOUNT_ATTR_IDMAP != 0);
            found.attributes = Some(Attributes::from_bits_truncate(attributes.bits()));
            found.peer_group = (propagation & ms::SHARED != 0).then(|| answer.mnt_peer_group());
            found.master = (propagation & ms::SLAVE != 0).then(|| answer.mnt_master());
            found.is_unbindable = Some(propagation & ms::UNBINDABLE != 0);
        }
        if given.contains(Fields::PROPAGATE_FROM) {
            found.propagate_from = Some(answer.propagate_from()).filter(|group| *group != 0);
        }
        if given.contains(Fields::SUPER) {
            found.device = Some((answer.sb_dev_major(), answer.sb_dev_minor()));
            found.magic = Some(answer.sb_magic());
            found.super_flags = Some(answer.sb_flags());
        }
        found
    }
}

fn words<'a>(list: impl Iterator<Item = &'a [u8]>) -> Vec<OsString> {
    list.map(|word| OsString::from_vec(word.to_vec())).collect()
}

fn ranges<'a>(list: impl Iterator<Item = &'a [u8]>) -> Vec<IdRange> {
    list.filter_map(|line| range(str::from_utf8(line).ok()?.split_ascii_whitespace())).collect()
}

fn about(unique_id: u64) -> String {
    format!("ask about mount {unique_id}")
}

/// Refuses an id of mountinfo: of some kernels the answer would be that there is no such mount.
fn check_unique(what: &str, id: u64) -> Result<()> {
    if id > LAST_REUSED {
        return Ok(());
    }
    Err(Error::new(ErrorKind::InvalidInput, what, format_args!("{id} is no unique id")))
}

/// Says what failed; where the kernel lacks the call, since when there is one.
fn failed(what: &str, call: &str, since: &str, error: Errno) -> Error {
    let failure = Error::call(what, error);
    match error {
        Errno::ENOSYS => failure.because(format_args!("this kernel has no {call} (Linux {since})"), error),
        _ => failure,
    }
}

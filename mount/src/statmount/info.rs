//! A mount by its id, in the form of the mount table.

use std::io::Write;

use nix::errno::Errno;

use super::{Fields, NamespaceId, about, check_unique, failed};
use crate::sys::statmount::{self as kernel, Answer, Request};
use crate::sys::{api, ms};
use crate::words::{ATTRIBUTES, SUPERBLOCK};
use crate::{Attributes, MountInfo, Result, parse};

/// All that a line of mountinfo is made of, and what it takes to know that nothing is missing.
const LINE: Fields = Fields::SUPER
    .union(Fields::MOUNT)
    .union(Fields::PROPAGATE_FROM)
    .union(Fields::ROOT)
    .union(Fields::MOUNT_POINT)
    .union(Fields::FS_TYPE)
    .union(Fields::OPTIONS)
    .union(Fields::FS_SUBTYPE)
    .union(Fields::SOURCE)
    .union(Fields::SUPPORTED);

/// What may change of a mount without its being moved, in numbers only, which cost the kernel less than text.
const NUMBERS: Fields = Fields::SUPER.union(Fields::MOUNT).union(Fields::PROPAGATE_FROM);

impl MountInfo {
    /// Returns the mount with this unique id as the mount table has it, without reading the table.
    ///
    /// It is what its line of `/proc/thread-self/mountinfo` says, but for the option `mand`, which does
    /// nothing since Linux 5.15 and which statmount(2) doesn't tell.
    ///
    /// `None` if the mount is gone, or can't be seen from the root directory.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) for an [`id`](MountInfo::id) of mountinfo, which isn't
    /// unique; [`Unsupported`](crate::ErrorKind::Unsupported) before Linux 6.15: without the source of a mount, or
    /// without knowing that it has none, there is no line.
    pub fn from_unique_id(unique_id: u64) -> Result<Option<Self>> {
        let what = about(unique_id);
        check_unique(&what, unique_id)?;
        of_unique_id(unique_id).map_err(|error| failed(&what, "statmount with all of a line", "6.15", error))
    }
}

/// Returns the mount with a unique id, or says that this kernel can't.
///
/// `None` if it is in no table that this thread sees.
pub(crate) fn of_unique_id(id: u64) -> nix::Result<Option<MountInfo>> {
    InfoReader::new(None).find(id).map(Found::there)
}

/// The numbers of a mount that change while it stays where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Numbers {
    pub(crate) parent: u64,
    pub(crate) device: (u32, u32),
    attributes: u64,
    propagation: [u64; 4],
    super_flags: u32,
}

/// What there is to tell of a mount.
#[expect(clippy::large_enum_variant, reason = "most are there, and it is taken apart at once")]
pub(crate) enum Found {
    There(MountInfo),
    /// Not to be seen from the root directory.
    Hidden,
    Gone,
}

impl Found {
    pub(crate) fn there(self) -> Option<MountInfo> {
        match self {
            Found::There(info) => Some(info),
            Found::Hidden | Found::Gone => None,
        }
    }
}

/// Asks about one mount after the other.
pub(crate) struct InfoReader {
    namespace: Option<NamespaceId>,
    answer: Answer,
    line: Vec<u8>,
}

impl InfoReader {
    pub(crate) fn new(namespace: Option<NamespaceId>) -> Self {
        InfoReader { namespace, answer: Answer::new(), line: Vec::new() }
    }

    /// Finds a mount as the mount table has it; `ENOSYS` where this kernel doesn't tell enough.
    pub(crate) fn find(&mut self, unique_id: u64) -> nix::Result<Found> {
        if !self.ask(unique_id, LINE)? {
            return Ok(Found::Gone);
        }
        let given = Fields::from_bits_retain(self.answer.mask());
        let known = Fields::from_bits_retain(self.answer.supported_mask());
        if !given.contains(Fields::SUPPORTED) || !known.contains(LINE) {
            return Err(Errno::ENOSYS);
        }
        if !given.contains(Fields::MOUNT_POINT) {
            return Ok(Found::Hidden);
        }
        self.line.clear();
        write_line(&mut self.line, &self.answer);
        // The parser of the table reads it: then both say the same of the same bytes.
        let mut info = parse(&self.line).find_map(Result::ok).ok_or(Errno::EIO)?.to_info();
        info.unique_id = Some(self.answer.mnt_id());
        info.unique_parent = Some(self.answer.mnt_parent_id());
        Ok(Found::There(info))
    }

    /// Returns the numbers of a mount, or `None` if it is gone.
    pub(crate) fn numbers(&mut self, unique_id: u64) -> nix::Result<Option<Numbers>> {
        if !self.ask(unique_id, NUMBERS)? {
            return Ok(None);
        }
        Ok(Some(self.last_numbers()))
    }

    /// Returns the numbers of the mount that was read last.
    pub(crate) fn last_numbers(&self) -> Numbers {
        let answer = &self.answer;
        Numbers {
            parent: answer.mnt_parent_id(),
            device: (answer.sb_dev_major(), answer.sb_dev_minor()),
            attributes: answer.mnt_attr(),
            propagation: [
                answer.mnt_propagation(),
                answer.mnt_peer_group(),
                answer.mnt_master(),
                answer.propagate_from(),
            ],
            super_flags: answer.sb_flags(),
        }
    }

    /// Says whether the mount is there.
    fn ask(&mut self, unique_id: u64, fields: Fields) -> nix::Result<bool> {
        let namespace = self.namespace.map(NamespaceId::as_raw);
        match kernel::statmount(&Request::new(unique_id, fields.bits(), namespace), &mut self.answer) {
            Ok(()) => Ok(true),
            // ENOENT: gone.
            Err(Errno::ENOENT) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Writes what mountinfo has of the mount, in its order: fs/proc_namespace.c of the kernel.
fn write_line(line: &mut Vec<u8>, answer: &Answer) {
    let given = Fields::from_bits_retain(answer.mask());
    // Nothing was written for what is empty.
    let text = |field, text| if given.contains(field) { text } else { &b""[..] };
    let number = |line: &mut Vec<u8>, number: u64| {
        // Writing into memory doesn't fail.
        let _ = write!(line, "{number}");
    };
    number(line, answer.mnt_id_old().into());
    line.push(b' ');
    number(line, answer.mnt_parent_id_old().into());
    line.push(b' ');
    number(line, answer.sb_dev_major().into());
    line.push(b':');
    number(line, answer.sb_dev_minor().into());
    line.push(b' ');
    escape(line, answer.root_text());
    line.push(b' ');
    escape(line, answer.mount_point_text());
    line.push(b' ');
    write_attributes(line, answer.mnt_attr());

    let propagation = answer.mnt_propagation();
    if propagation & ms::SHARED != 0 {
        line.extend(b" shared:");
        number(line, answer.mnt_peer_group());
    }
    if propagation & ms::SLAVE != 0 {
        line.extend(b" master:");
        number(line, answer.mnt_master());
        let from = answer.propagate_from();
        if from != 0 && from != answer.mnt_master() {
            line.extend(b" propagate_from:");
            number(line, from);
        }
    }
    if propagation & ms::UNBINDABLE != 0 {
        line.extend(b" unbindable");
    }

    line.extend(b" - ");
    escape(line, answer.fs_type_text());
    let subtype = text(Fields::FS_SUBTYPE, answer.fs_subtype_text());
    if !subtype.is_empty() {
        line.push(b'.');
        escape(line, subtype);
    }
    line.push(b' ');
    escape(line, text(Fields::SOURCE, answer.source_text()));
    line.push(b' ');
    write_super_options(line, answer.sb_flags(), text(Fields::OPTIONS, answer.options_text()));
}

fn write_attributes(line: &mut Vec<u8>, attributes: u64) {
    let has = Attributes::from_bits_retain(attributes);
    write_writability(line, has.contains(Attributes::RDONLY));
    for attribute in ATTRIBUTES {
        // The table says nothing where every access is kept.
        let is_told = attribute.value != Attributes::RDONLY && attribute.value != Attributes::STRICTATIME;
        if is_told && attribute.holds(has) {
            write_word(line, attribute.word);
        }
    }
    if attributes & api::MOUNT_ATTR_IDMAP != 0 {
        write_word(line, "idmapped");
    }
}

fn write_super_options(line: &mut Vec<u8>, flags: u32, options: &[u8]) {
    let flags = u64::from(flags);
    write_writability(line, flags & ms::RDONLY != 0);
    for (word, _, bit) in SUPERBLOCK {
        if *bit != ms::RDONLY && flags & bit != 0 {
            write_word(line, word);
        }
    }
    if !options.is_empty() {
        line.push(b',');
        // Escaped already, by the filesystem.
        line.extend(options);
    }
}

/// Writes the word that is first in each list.
fn write_writability(line: &mut Vec<u8>, read_only: bool) {
    line.extend(if read_only { b"ro" } else { b"rw" });
}

fn write_word(line: &mut Vec<u8>, word: &str) {
    line.push(b',');
    line.extend(word.as_bytes());
}

/// Writes in octal what would end a field of mountinfo.
fn escape(line: &mut Vec<u8>, text: &[u8]) {
    for &byte in text {
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' | b'\\' | b'#' => {
                line.extend([b'\\', b'0' + (byte >> 6), b'0' + (byte >> 3 & 7), b'0' + (byte & 7)]);
            }
            byte => line.push(byte),
        }
    }
}

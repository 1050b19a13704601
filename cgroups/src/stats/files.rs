//! The files that figures are read from: opened and closed again for one look, or kept open for many.

use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;

use crate::file::Dir;
use crate::kept::Kept;
use crate::stats::text::Text;
use crate::stats::{Figures, Limit};
use crate::{Cgroup, Error, Result};

/// Enough for all but the longest files, on machines with very many memory nodes.
const BUFFER: usize = 1 << 14;
const CONTROLLERS: &str = "cgroup.controllers";

/// A cgroup's directories, each opened once.
#[derive(Debug)]
pub(crate) struct Files {
    folders: Vec<Folder>,
    /// In which folder a v1 controller is; the empty name is v2.
    places: Vec<(String, usize)>,
    /// What a v2 cgroup says that it has; `None` without v2, and where it doesn't say.
    controllers: Option<String>,
    scratch: Scratch,
    keep: bool,
}

/// What is used for one file after the other.
#[derive(Debug)]
struct Scratch {
    buffer: Vec<u8>,
    name: String,
}

/// The cgroup's directory in one hierarchy.
#[derive(Debug)]
struct Folder {
    dir: Dir,
    /// The sizes of huge pages, once looked for.
    page_sizes: Option<Vec<String>>,
    kept: Vec<(Box<str>, Option<Kept>)>,
    /// Where the next file is probably kept: they are read in the same order each time.
    next: usize,
    /// Something was not there, or not any more: perhaps the whole cgroup.
    doubtful: bool,
}

impl Files {
    /// Opens the directories of those hierarchies that are asked for by a v1 controller or `""`, which is v2.
    pub(crate) fn open(cgroup: &Cgroup, wanted: impl Fn(&str) -> bool, keep: bool) -> Result<Files> {
        let (mut folders, mut places) = (Vec::new(), Vec::new());
        for (key, path) in cgroup.paths() {
            if key.split(',').any(&wanted) {
                places.extend(key.split(',').map(|controller| (controller.to_owned(), folders.len())));
                folders.push(Folder::open(path)?);
            }
        }
        let scratch = Scratch { buffer: vec![0; BUFFER], name: String::new() };
        Ok(Files { folders, places, controllers: None, scratch, keep })
    }

    /// Begins a look: sees which controllers a v2 cgroup has by now.
    pub(crate) fn begin(&mut self) -> Result<()> {
        for folder in &mut self.folders {
            (folder.next, folder.doubtful) = (0, false);
        }
        let Some(at) = self.place("") else { return Ok(()) };
        let folder = &mut self.folders[at];
        let text = text_of(folder, &mut self.scratch.buffer, self.keep, CONTROLLERS)?;
        let now = text.map(|text| text.content);
        if now != self.controllers.as_deref() {
            self.controllers = now.map(str::to_owned);
            // What was not there may be by now.
            folder.forget_absent();
            folder.page_sizes = None;
        }
        Ok(())
    }

    /// Ends a look.
    ///
    /// # Errors
    ///
    /// `NotFound` if figures were missing because the cgroup is.
    pub(crate) fn end(&self) -> Result<()> {
        for folder in &self.folders {
            let unread = self.keep && folder.kept.iter().all(|(_, file)| file.is_none());
            if folder.doubtful || unread {
                let name = "cgroup.procs";
                folder.dir.open_file(name, OFlag::O_PATH)?;
            }
        }
        Ok(())
    }

    /// The files of a controller of v1.
    pub(crate) fn v1(&mut self, controller: &str) -> Option<Reader<'_>> {
        let at = self.place(controller)?;
        Some(self.reader(at, false))
    }

    /// The files of v2 itself, some of which have figures without their controller.
    pub(crate) fn v2(&mut self) -> Option<Reader<'_>> {
        let at = self.place("")?;
        Some(self.reader(at, true))
    }

    /// The files of a controller, on v1 if it is there and otherwise on v2 if the cgroup has it.
    pub(crate) fn of(&mut self, v1: &str, v2: &str) -> Option<Reader<'_>> {
        if let Some(at) = self.place(v1) {
            return Some(self.reader(at, false));
        }
        let list = self.controllers.as_deref();
        let has = list.is_none_or(|list| list.split_ascii_whitespace().any(|word| word == v2));
        if has { self.v2() } else { None }
    }

    fn place(&self, controller: &str) -> Option<usize> {
        self.places.iter().find(|(name, _)| name == controller).map(|(_, at)| *at)
    }

    fn reader(&mut self, at: usize, v2: bool) -> Reader<'_> {
        Reader { folder: &mut self.folders[at], scratch: &mut self.scratch, keep: self.keep, v2 }
    }
}

impl Folder {
    fn open(path: &Path) -> Result<Folder> {
        Ok(Folder { dir: Dir::open(path)?, page_sizes: None, kept: Vec::new(), next: 0, doubtful: false })
    }

    /// Reads a file into the buffer; `None` where it is not there.
    fn read(&mut self, name: &str, buffer: &mut Vec<u8>, keep: bool) -> nix::Result<Option<usize>> {
        if !keep {
            return self.read_once(name, buffer).map(|read| read.map(|(size, _)| size));
        }
        let at = self.place_of(name);
        if let Some((_, file)) = self.kept.get_mut(at) {
            let Some(open) = file else { return Ok(None) };
            match open.read(buffer) {
                Ok(text) => return Ok(Some(text.len())),
                // Its controller was taken away, and perhaps given back; or the cgroup was removed.
                Err(Errno::ENODEV) => *file = None,
                Err(Errno::EOPNOTSUPP) => return Ok(None),
                Err(e) => return Err(e),
            }
        } else {
            self.kept.push((name.into(), None));
        }
        let at = self.next - 1;
        let read = self.read_once(name, buffer)?;
        let (size, file) = read.map_or((None, None), |(size, file)| (Some(size), Some(file)));
        self.kept[at].1 = file;
        Ok(size)
    }

    fn forget_absent(&mut self) {
        self.kept.retain(|(_, file)| file.is_some());
    }

    fn read_once(&mut self, name: &str, buffer: &mut Vec<u8>) -> nix::Result<Option<(usize, Kept)>> {
        let read = Kept::open(&self.dir, name).and_then(|file| {
            let size = file.read(buffer)?.len();
            Ok((size, file))
        });
        match read {
            Ok(read) => Ok(Some(read)),
            Err(Errno::ENOENT | Errno::ENODEV) => {
                self.doubtful = true;
                Ok(None)
            }
            Err(Errno::EOPNOTSUPP) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Where a file is kept, or the end of the list; the next one is expected behind it.
    fn place_of(&mut self, name: &str) -> usize {
        let is_here = |at: usize| self.kept.get(at).is_some_and(|(kept, _)| **kept == *name);
        let at = if is_here(self.next) {
            self.next
        } else {
            self.kept.iter().position(|(kept, _)| **kept == *name).unwrap_or(self.kept.len())
        };
        self.next = at + 1;
        at
    }

    /// Looks for the sizes of huge pages among the names of the files.
    fn find_page_sizes(&self) -> Vec<String> {
        let names = std::fs::read_dir(self.dir.path()).into_iter().flatten().flatten();
        let size = |name: std::ffi::OsString| {
            let name = name.to_str()?.strip_prefix("hugetlb.")?;
            let size = name.strip_suffix(".current").or_else(|| name.strip_suffix(".usage_in_bytes"))?;
            (!size.contains('.')).then(|| size.to_owned())
        };
        let mut sizes: Vec<_> = names.filter_map(|entry| size(entry.file_name())).collect();
        sizes.sort_by(|a, b| (bytes_of(a), a).cmp(&(bytes_of(b), b)));
        sizes
    }
}

/// The number of bytes in `64KB`, `2MB` or `1GB`; the largest number for what is none.
pub(crate) fn bytes_of(size: &str) -> u64 {
    let shifts = [("KB", 10), ("MB", 20), ("GB", 30)];
    let bytes = shifts.iter().find_map(|(unit, shift)| {
        let number: u64 = size.strip_suffix(unit)?.parse().ok()?;
        number.checked_mul(1 << shift)
    });
    bytes.unwrap_or(u64::MAX)
}

/// Reads the files of one controller.
pub(crate) struct Reader<'a> {
    folder: &'a mut Folder,
    scratch: &'a mut Scratch,
    keep: bool,
    v2: bool,
}

impl Reader<'_> {
    pub(crate) fn is_v2(&self) -> bool {
        self.v2
    }

    /// Opens what was not there the last time, if it is there by now.
    pub(crate) fn look_again(&mut self) {
        self.folder.forget_absent();
    }

    /// Reads a file; `None` where this kernel or cgroup doesn't have it.
    pub(crate) fn text<'s>(&'s mut self, name: &'s str) -> Result<Option<Text<'s>>> {
        text_of(self.folder, &mut self.scratch.buffer, self.keep, name)
    }

    pub(crate) fn number(&mut self, name: &str) -> Result<Option<u64>> {
        self.text(name)?.map(|text| text.number()).transpose()
    }

    pub(crate) fn limit(&mut self, name: &str) -> Result<Option<Limit>> {
        self.text(name)?.map(|text| text.limit()).transpose()
    }

    /// Reads lines of a name and a number; none where there is no such file.
    pub(crate) fn figures(&mut self, name: &str, into: &mut Figures) -> Result<bool> {
        if let Some(text) = self.text(name)? {
            return text.figures(into).map(|()| true);
        }
        drop(into.refill());
        Ok(false)
    }

    /// Reads the file with this name for huge pages of this size.
    pub(crate) fn of_pages<T>(
        &mut self,
        size: &str,
        name: &str,
        read: impl FnOnce(&Text<'_>) -> Result<T>,
    ) -> Result<Option<T>> {
        let Scratch { buffer, name: full } = &mut *self.scratch;
        full.clear();
        for part in ["hugetlb.", size, ".", name] {
            full.push_str(part);
        }
        text_of(self.folder, buffer, self.keep, full)?.map(|text| read(&text)).transpose()
    }

    /// The sizes of huge pages that have files here; looked for once.
    pub(crate) fn page_sizes(&mut self) -> &[String] {
        if self.folder.page_sizes.is_none() {
            self.folder.page_sizes = Some(self.folder.find_page_sizes());
        }
        self.folder.page_sizes.as_deref().unwrap_or_default()
    }
}

fn text_of<'s>(
    folder: &'s mut Folder,
    buffer: &'s mut Vec<u8>,
    keep: bool,
    name: &'s str,
) -> Result<Option<Text<'s>>> {
    let read = folder.read(name, buffer, keep);
    let failed = |e| Error::os("read", &folder.dir.path().join(name), e);
    let Some(size) = read.map_err(failed)? else { return Ok(None) };
    let dir = folder.dir.path();
    let bytes = buffer.get(..size).unwrap_or_default();
    match crate::sys::text(bytes) {
        Some(content) => Ok(Some(Text { content, dir, name })),
        None => Err(Error::malformed(&dir.join(name), "not UTF-8")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn huge_pages_are_in_the_order_of_their_sizes() {
        let mut sizes = ["16GB", "1GB", "64KB", "2MB", "odd"];
        sizes.sort_by_key(|size| bytes_of(size));
        assert_eq!(sizes, ["64KB", "2MB", "1GB", "16GB", "odd"]);
        assert_eq!((bytes_of("2MB"), bytes_of("99999999999999GB")), (2 << 20, u64::MAX));
    }
}

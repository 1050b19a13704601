//! Writes programs, and the sentence for each step of them.

use std::ffi::{CString, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};
use crate::program::{self, Op, Sink, Slot};

/// Collects operations and what they mean.
#[derive(Default)]
pub(super) struct Builder {
    operations: Vec<u8>,
    data: Vec<u8>,
    steps: Vec<String>,
    slots: u32,
}

impl Builder {
    /// Begins a step: the operations that follow are told of with these words.
    pub(super) fn step(&mut self, what: impl Into<String>) -> &mut Self {
        self.steps.push(what.into());
        self
    }

    /// Adds an operation to the present step.
    pub(super) fn op(&mut self, op: Op<'_>) -> &mut Self {
        let step = self.steps.len().saturating_sub(1) as u32;
        self.operations.extend(op.code().to_le_bytes());
        self.operations.extend(step.to_le_bytes());
        op.encode(self);
        self
    }

    /// Takes a slot that nothing uses yet.
    pub(super) fn slot(&mut self) -> Result<Slot> {
        let slot = Slot(self.slots);
        if slot == Slot::ROOT {
            let text = format!("too many mounts, devices and namespaces: at most {}", program::SLOTS);
            return Err(Error::new(ErrorKind::InvalidConfig, text));
        }
        self.slots += 1;
        Ok(slot)
    }

    /// Returns the program's bytes and the words of its steps.
    pub(super) fn finish(self) -> (Vec<u8>, Vec<String>) {
        let mut bytes = Vec::with_capacity(program::HEADER + self.operations.len() + self.data.len());
        bytes.extend(program::MAGIC.to_le_bytes());
        bytes.extend((self.operations.len() as u32).to_le_bytes());
        bytes.extend((self.data.len() as u32).to_le_bytes());
        bytes.extend(self.operations);
        bytes.extend(self.data);
        (bytes, self.steps)
    }
}

impl Sink for Builder {
    fn word(&mut self, word: u64) {
        self.operations.extend(word.to_le_bytes());
    }

    fn data(&mut self, bytes: &[u8]) -> u64 {
        let offset = self.data.len() as u64;
        self.data.extend(bytes);
        (offset << 32) | bytes.len() as u64
    }
}

/// Makes a string of the kernel's kind.
pub(super) fn text(text: impl AsRef<OsStr>) -> Result<CString> {
    let text = text.as_ref();
    CString::new(text.as_bytes())
        .map_err(|_| Error::new(ErrorKind::InvalidConfig, format_args!("{text:?}: has a NUL byte")))
}

/// Makes a path that starts at the container's root, without doubled or trailing slashes.
pub(super) fn inside(path: &Path) -> Result<CString> {
    text(Path::new("/").join(path).components().collect::<PathBuf>())
}

/// Makes a list of strings.
pub(super) fn strings<T: AsRef<[u8]>>(texts: impl IntoIterator<Item = T>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for text in texts {
        bytes.extend(text.as_ref());
        bytes.push(0);
    }
    bytes
}

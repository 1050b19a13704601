//! What is run in a guest.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

/// A program, its folder and its environment: nothing else is inherited.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Task {
    /// The program's path, or its name on the `PATH` of `env`, and its arguments.
    pub(crate) argv: Vec<OsString>,
    /// The folder it starts in.
    pub(crate) cwd: PathBuf,
    /// Its environment.
    pub(crate) env: Vec<(OsString, OsString)>,
    /// The host's folders it may write through to; whatever else it writes goes with the guest.
    pub(crate) writable: Vec<PathBuf>,
}

impl Task {
    /// Writes the task down: a letter and a value for each part, ended by NUL, which is in none of them.
    pub(super) fn to_bytes(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut put = |letter: u8, value: &[u8]| {
            bytes.push(letter);
            bytes.extend(value);
            bytes.push(0);
            value.contains(&0)
        };
        let mut nul = put(b'c', self.cwd.as_os_str().as_bytes());
        for argument in &self.argv {
            nul |= put(b'a', argument.as_bytes());
        }
        for (name, value) in &self.env {
            nul |= put(b'e', &[name.as_bytes(), b"=", value.as_bytes()].concat());
        }
        for folder in &self.writable {
            nul |= put(b'w', folder.as_os_str().as_bytes());
        }
        if nul { Err(io::Error::other("a NUL byte in the task")) } else { Ok(bytes) }
    }

    /// Reads what [`Task::to_bytes`] wrote.
    pub(super) fn from_bytes(bytes: &[u8]) -> io::Result<Task> {
        let garbled = || io::Error::other("the task is garbled");
        let mut task = Task::default();
        for part in bytes.strip_suffix(&[0]).ok_or_else(garbled)?.split(|byte| *byte == 0) {
            let (letter, value) = part.split_first().ok_or_else(garbled)?;
            let word = OsString::from_vec(value.to_vec());
            match letter {
                b'c' => task.cwd = word.into(),
                b'a' => task.argv.push(word),
                b'w' => task.writable.push(word.into()),
                b'e' => {
                    let equals = value.iter().position(|byte| *byte == b'=').ok_or_else(garbled)?;
                    let (name, value) = (&value[..equals], &value[equals + 1..]);
                    task.env.push((OsStr::from_bytes(name).into(), OsStr::from_bytes(value).into()));
                }
                _ => return Err(garbled()),
            }
        }
        Ok(task)
    }

    /// Returns every path that this task names, and `exe`.
    fn paths<'a>(&'a self, exe: &'a Path) -> impl Iterator<Item = &'a Path> {
        let paths = [exe.as_os_str(), self.cwd.as_os_str()].into_iter();
        let paths = paths.chain(self.writable.iter().map(|folder| folder.as_os_str()));
        let words = self.argv.iter().map(OsString::as_os_str);
        let words = words.chain(self.env.iter().map(|(_, value)| value.as_os_str()));
        // Lists as in PATH, options as in --file=PATH, and what a shell's script names.
        let named = words.flat_map(|word| word.as_bytes().split(|byte| b":=,; \t\n<>|&()'\"".contains(byte)));
        paths.chain(named.map(OsStr::from_bytes)).map(Path::new)
    }

    /// Tells whether this task names the folder or something below it, with `exe` or without.
    pub(super) fn names_below(&self, folder: &Path, exe: &Path) -> bool {
        self.paths(exe).any(|path| path.starts_with(folder))
    }

    /// Returns the entries of the folder `parent` below which this task names something, `exe` among them.
    pub(super) fn entries_named_below(&self, parent: &Path, exe: &Path) -> Vec<PathBuf> {
        let mut entries: Vec<PathBuf> = self
            .paths(exe)
            .filter_map(|path| path.strip_prefix(parent).ok())
            .filter_map(|below| match below.components().next()? {
                Component::Normal(name) => Some(parent.join(name)),
                _ => None,
            })
            .collect();
        entries.sort();
        entries.dedup();
        entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task() -> Task {
        Task {
            argv: vec!["/tmp/a/prog".into(), String::new().into(), "cat </tmp/b/x".into()],
            cwd: "/tmp/a/deep/er".into(),
            env: vec![("PATH".into(), "/bin:/tmp/c".into()), ("E".into(), "a=b".into())],
            writable: vec!["/tmp/d".into(), "/home".into()],
        }
    }

    #[test]
    fn a_task_comes_out_as_it_went_in() {
        assert_eq!(Task::from_bytes(&task().to_bytes().unwrap()).unwrap(), task());
    }

    #[test]
    fn a_nul_byte_is_an_error() {
        let task = Task { argv: vec!["a\0b".into()], ..Task::default() };
        task.to_bytes().unwrap_err();
    }

    #[test]
    fn named_entries_are_those_of_paths_lists_and_scripts() {
        let entries = task().entries_named_below(Path::new("/tmp"), Path::new("/usr/bin/grounds"));
        assert_eq!(entries, ["/tmp/a", "/tmp/b", "/tmp/c", "/tmp/d"].map(PathBuf::from));
    }
}

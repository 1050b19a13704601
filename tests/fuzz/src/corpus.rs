//! The inputs that are kept: in the repository a text file for each target, one input a line.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::Target;

/// The longest input that is made or kept.
const LONGEST: usize = 4096;

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Reads a real file of one of the crates, by its path from the workspace's root.
pub(crate) fn file(path: &str) -> Vec<u8> {
    let path = here().join("../..").join(path);
    fs::read(&path).unwrap_or_else(|error| panic!("read {path:?}: {error}"))
}

/// Reads the real files in a folder whose names end in this.
pub(crate) fn files(folder: &str, end: &str) -> Vec<Vec<u8>> {
    let path = here().join("../..").join(folder);
    let entries = fs::read_dir(&path).unwrap_or_else(|error| panic!("read {path:?}: {error}"));
    let mut names: Vec<_> = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.retain(|name| name.ends_with(end));
    names.sort_unstable();
    names.iter().map(|name| file(&format!("{folder}/{name}"))).collect()
}

/// Returns where a target begins.
#[must_use]
pub fn seeds(target: &Target) -> Vec<Vec<u8>> {
    (target.seeds)()
}

fn corpus_file(target: &Target) -> PathBuf {
    here().join("corpus").join(target.name).with_extension("txt")
}

/// Returns what earlier runs found worth keeping.
///
/// # Errors
///
/// Fails if the target's file is there and can't be read, with the number of a line that is none.
pub fn kept(target: &Target) -> io::Result<Vec<Vec<u8>>> {
    let text = match fs::read_to_string(corpus_file(target)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        text => text?,
    };
    let line = |(index, line)| {
        let wrong = || io::Error::other(format!("corpus of {}, line {}: no input", target.name, index + 1));
        unescape(line).ok_or_else(wrong)
    };
    text.lines().enumerate().map(line).collect()
}

/// Returns the inputs that once made the target fail.
///
/// # Errors
///
/// Fails if they are there and can't be read.
pub fn crashes(target: &Target) -> io::Result<Vec<Vec<u8>>> {
    read_all(&here().join("crashes").join(target.name))
}

/// Writes seeds, what is kept and what once failed as files; or the seeds only.
///
/// # Errors
///
/// Fails if a file can't be read or written.
pub fn unpack(target: &Target, folder: &Path, seeds_only: bool) -> io::Result<()> {
    let mut inputs = seeds(target);
    if !seeds_only {
        inputs.extend(kept(target)?);
        inputs.extend(crashes(target)?);
    }
    fs::create_dir_all(folder)?;
    for input in inputs.iter().filter(|input| input.len() <= LONGEST) {
        let mut hasher = DefaultHasher::new();
        input.hash(&mut hasher);
        fs::write(folder.join(format!("{:016x}", hasher.finish())), input)?;
    }
    Ok(())
}

/// Keeps the inputs in a folder, instead of what was kept, but for the seeds.
///
/// # Errors
///
/// Fails if a file can't be read or written.
pub fn keep(target: &Target, folder: &Path) -> io::Result<()> {
    let seeds: BTreeSet<_> = seeds(target).into_iter().collect();
    let inputs = read_all(folder)?.into_iter().filter(|input| input.len() <= LONGEST);
    let lines: BTreeSet<_> =
        inputs.filter(|input| !seeds.contains(input)).map(|input| input.escape_ascii().to_string()).collect();
    let file = corpus_file(target);
    fs::create_dir_all(here().join("corpus"))?;
    if lines.is_empty() {
        return if file.exists() { fs::remove_file(file) } else { Ok(()) };
    }
    let text: String = lines.into_iter().flat_map(|line| [line, "\n".to_owned()]).collect();
    fs::write(file, text)
}

/// Reads every file in a folder; none where there is no folder.
fn read_all(folder: &Path) -> io::Result<Vec<Vec<u8>>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort_unstable();
    paths.into_iter().filter(|path| path.is_file()).map(fs::read).collect()
}

/// Undoes [`escape_ascii`](slice::escape_ascii); `None` for what it never writes.
fn unescape(line: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(line.len());
    let mut rest = line.as_bytes();
    while let [first, after @ ..] = rest {
        let (byte, after) = match (first, after) {
            (b'\\', [b'x', high, low, after @ ..]) => {
                let digit = |byte: &u8| char::from(*byte).to_digit(16);
                ((digit(high)? << 4 | digit(low)?) as u8, after)
            }
            (b'\\', [letter, after @ ..]) => {
                let byte = match letter {
                    b't' => b'\t',
                    b'r' => b'\r',
                    b'n' => b'\n',
                    b'\'' | b'"' | b'\\' => *letter,
                    _ => return None,
                };
                (byte, after)
            }
            (b'\\', []) => return None,
            (byte, after) => (*byte, after),
        };
        bytes.push(byte);
        rest = after;
    }
    Some(bytes)
}

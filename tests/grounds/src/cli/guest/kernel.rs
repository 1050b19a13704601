//! Where the guest's kernel is, and how to get one.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use super::error::{Error, on};
use super::is_a_word;

/// Its name in the cache.
const NAME: &str = "linux-um";

/// Below it, the guest's kernel panics on processors with wide vector registers.
const OLDEST: (u32, u32) = (6, 16);

/// Says in one line why there is none.
pub(super) fn missing() -> String {
    match env::var_os("UML_KERNEL").filter(|named| !named.is_empty()) {
        Some(named) => format!("UML_KERNEL names no kernel: {named:?}"),
        None => "no kernel for a guest: run `cargo grounds kernel`, or set UML_KERNEL".to_owned(),
    }
}

/// Returns the guest's kernel: the one that `UML_KERNEL` names, the one in the cache, or the
/// distribution's, if it is new enough.
pub(crate) fn kernel() -> Option<PathBuf> {
    if let Some(named) = env::var_os("UML_KERNEL").filter(|named| !named.is_empty()) {
        return Some(PathBuf::from(named)).filter(|path| path.is_file() && is_a_word(path));
    }
    cached(NAME).filter(|path| path.is_file()).or_else(distributions)
}

/// Returns where a kernel of that name is in the cache, or would be.
pub(super) fn cached(name: &str) -> Option<PathBuf> {
    let set = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")))?;
    Some(cache.join("grounds").join(name)).filter(|path| is_a_word(path))
}

/// Returns Debian's `user-mode-linux`, if it is new enough.
fn distributions() -> Option<PathBuf> {
    let path = env::split_paths(&env::var_os("PATH")?)
        .map(|folder| folder.join("linux.uml"))
        .find(|path| path.is_file() && is_a_word(path))?;
    let version = Command::new(&path).arg("--version").output().ok()?;
    (release(&String::from_utf8_lossy(&version.stdout))? >= OLDEST).then_some(path)
}

/// Returns the first two numbers of a kernel's release.
fn release(version: &str) -> Option<(u32, u32)> {
    let (major, rest) = version.trim().split_once('.')?;
    let minor = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// Builds a kernel into the cache, from a source tree or an archive of one, else from Debian's newest.
pub(crate) fn build(source: Option<&Path>) -> Result<PathBuf, Error> {
    put_into_cache("build-kernel", NAME, source)
}

/// Runs a script that puts a kernel into the cache.
pub(super) fn put_into_cache(script: &str, name: &str, source: Option<&Path>) -> Result<PathBuf, Error> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("guest").join(script);
    let target = cached(name).ok_or_else(|| Error::new("no cache: neither XDG_CACHE_HOME nor HOME"))?;
    let folder = target.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder).map_err(on("make", folder))?;
    let status = Command::new(&script).arg(&target).args(source).status();
    let status = status.map_err(on("run", &script))?;
    if status.success() { Ok(target) } else { Err(Error::new(format!("{script:?}: {status}"))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_read_from_a_version() {
        assert_eq!(release("6.16.12-1um\n"), Some((6, 16)));
        assert_eq!(release("7.3.4"), Some((7, 3)));
        assert_eq!(release("nonsense"), None);
    }
}

//! A cgroup and all below it, however deep they lie: by descriptors, for a path has an end and a tree need not.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use nix::errno::Errno;

use crate::Result;
use crate::file::Dir;

/// Goes through a cgroup and all below it. `enter` is asked at each one, before those in it, whether to go on into it;
/// `leave` is told of each one but the first, after those in it, by its parent and its name. What is removed meanwhile
/// is passed over.
pub(crate) fn walk(
    root: &Path,
    mut enter: impl FnMut(&Dir) -> Result<bool>,
    mut leave: impl FnMut(&Dir, &OsStr) -> Result<()>,
) -> Result<()> {
    let mut dir = Dir::open(root)?;
    if !enter(&dir)? {
        return Ok(());
    }
    // Who is still to be visited on each level, and the names of those that we are in.
    let mut levels = vec![dir.children()?];
    let mut inside: Vec<OsString> = Vec::new();
    while let Some(names) = levels.last_mut() {
        if let Some(name) = names.pop() {
            match dir.into_child(&name, &mut enter) {
                Ok((child, below)) => {
                    dir = child;
                    inside.push(name);
                    levels.push(below);
                }
                Err((same, error)) => {
                    dir = same;
                    if let Some(error) = error {
                        return Err(error);
                    }
                }
            }
            continue;
        }
        levels.pop();
        if let Some(name) = inside.pop() {
            dir = dir.above()?;
            leave(&dir, &name)?;
        }
    }
    Ok(())
}

impl Dir {
    /// Goes into a cgroup below this one; stays here where it is gone, is not to be entered, or can't be.
    fn into_child(
        self,
        name: &OsStr,
        enter: &mut impl FnMut(&Dir) -> Result<bool>,
    ) -> std::result::Result<(Dir, Vec<OsString>), (Dir, Option<crate::Error>)> {
        let child = match self.deeper(Path::new(name)) {
            Ok(child) => child,
            Err(e) => return Err((self, Some(e).filter(|e| !e.is_gone()))),
        };
        match enter(&child).and_then(|goes_on| if goes_on { child.children().map(Some) } else { Ok(None) }) {
            Ok(Some(below)) => Ok((child, below)),
            Ok(None) => Err((self, None)),
            Err(e) => Err((self, Some(e).filter(|e| !e.is_gone()))),
        }
    }
}

/// What a cgroup and all below it list, by rising id, each once.
pub(crate) fn listed(root: &Path, list: fn(&Dir) -> Result<Vec<u32>>) -> Result<Vec<u32>> {
    let mut ids = Vec::new();
    let mut is_below = false;
    let enter = |dir: &Dir| {
        match list(dir) {
            Ok(more) => ids.extend(more),
            // Threaded: the domain that led here has listed its processes. An invalid domain has nothing.
            Err(e) if is_below && e.is(Errno::EOPNOTSUPP) => {}
            Err(e) => return Err(e),
        }
        is_below = true;
        Ok(true)
    };
    walk(root, enter, |_, _| Ok(()))?;
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use nix::sys::stat::{Mode, mkdirat};

    use super::*;

    /// A container may make cgroups in its own one, and so names that no path can hold.
    #[test]
    fn a_tree_deeper_than_any_path_is_walked_and_removed() {
        const DEPTH: usize = 40;
        let root = std::env::temp_dir().join(format!("cgroups-tree-{}", std::process::id()));
        fs::create_dir_all(&root).unwrap();
        let name = "n".repeat(250);
        let mut at = Dir::open(&root).unwrap();
        for _ in 0..DEPTH {
            mkdirat(at.as_fd(), name.as_str(), Mode::from_bits_truncate(0o755)).unwrap();
            at = at.deeper(Path::new(&name)).unwrap();
        }
        assert_eq!(at.children().unwrap(), Vec::<OsString>::new());
        let mut count = 0;
        let leave = |_: &Dir, _: &OsStr| {
            count += 1;
            Ok(())
        };
        walk(&root, |_| Ok(true), leave).unwrap();
        assert_eq!(count, DEPTH);
        walk(&root, |_| Ok(true), Dir::remove).unwrap();
        fs::remove_dir(&root).unwrap();
    }

    #[test]
    fn who_is_not_to_be_entered_is_not_and_the_others_are() {
        let root = std::env::temp_dir().join(format!("cgroups-tree-skip-{}", std::process::id()));
        for path in ["a/b", "c/d"] {
            fs::create_dir_all(root.join(path)).unwrap();
        }
        let mut seen = Vec::new();
        let enter = |dir: &Dir| {
            seen.push(dir.path().strip_prefix(&root).unwrap().to_owned());
            Ok(!dir.path().ends_with("a"))
        };
        let result = walk(&root, enter, |_, _| Ok(()));
        fs::remove_dir_all(&root).unwrap();
        result.unwrap();
        seen.sort();
        assert_eq!(seen, ["", "a", "c", "c/d"].map(PathBuf::from));
    }
}

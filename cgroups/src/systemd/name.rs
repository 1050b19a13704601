//! The names of units, and where their cgroups lie.

use std::path::PathBuf;

use crate::{Error, ErrorKind, Result};

/// systemd refuses longer names.
const LONGEST: usize = 255;

/// Where a container's unit goes, and what it is called: `slice:prefix:name`.
///
/// This is what `cgroupsPath` in a container's configuration means where systemd makes the cgroups: three words with
/// colons between them.
///
/// | `cgroupsPath` | slice | unit |
/// |---|---|---|
/// | `machine-a.slice:job:7` | `machine-a.slice` | `job-7.scope` |
/// | `machine.slice::7` | `machine.slice` | `7.scope` |
/// | `:job:7` | the default one | `job-7.scope` |
/// | `machine.slice:x:machine-b.slice` | `machine.slice` | `machine-b.slice`, a slice of its own |
/// | `7` | the default one | `7.scope` |
/// | empty | the default one | `PREFIX-ID.scope`, both from the caller |
///
/// The default slice is `system.slice` for the system's manager and `user.slice` for a user's.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnitPath {
    /// The slice that the unit lies in.
    pub slice: String,
    /// The unit's name, which ends in `.scope` or `.slice`.
    pub unit: String,
}

impl UnitPath {
    /// Reads a `cgroupsPath`; an empty one stands for `prefix` and `id` in the default slice.
    ///
    /// ```
    /// let path = cgroups::systemd::UnitPath::parse("machine-a.slice:job:7", "run", "c1", false)?;
    /// assert_eq!(path.unit, "job-7.scope");
    /// assert_eq!(path.cgroup()?.to_str(), Some("/machine.slice/machine-a.slice/job-7.scope"));
    /// # Ok::<(), cgroups::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) for a path of a file system, for two words or more than three, and
    /// for names that systemd doesn't take.
    pub fn parse(path: &str, prefix: &str, id: &str, user: bool) -> Result<UnitPath> {
        let words: Vec<&str> = path.split(':').collect();
        let (slice, prefix, name) = match words.as_slice() {
            [""] => ("", prefix, id),
            [name] => ("", "", *name),
            [slice, prefix, name] => (*slice, *prefix, *name),
            _ => return Err(refused(path, "not \"slice:prefix:name\"")),
        };
        if path.contains('/') {
            return Err(refused(path, "a path; under systemd it is \"slice:prefix:name\""));
        }
        let slice = match slice {
            "" if user => "user.slice",
            "" => "system.slice",
            slice => slice,
        };
        let unit = match (is_slice(name), prefix) {
            (true, _) => name.to_owned(),
            (false, "") => format!("{name}.scope"),
            (false, prefix) => format!("{prefix}-{name}.scope"),
        };
        expand_slice(slice)?;
        checked(&unit)?;
        if is_slice(&unit) {
            expand_slice(&unit)?;
        }
        Ok(UnitPath { slice: slice.to_owned(), unit })
    }

    /// Returns where the unit's cgroup will lie, from the root of what the manager manages.
    ///
    /// # Errors
    ///
    /// Those of [`expand_slice`].
    pub fn cgroup(&self) -> Result<PathBuf> {
        // Where a slice lies, its name alone says.
        if is_slice(&self.unit) {
            return expand_slice(&self.unit);
        }
        Ok(expand_slice(&self.slice)?.join(&self.unit))
    }
}

/// Returns the cgroup of a slice: of `a-b.slice` it is `/a.slice/a-b.slice`, for the name tells what it lies in.
///
/// # Errors
///
/// [`InvalidInput`](ErrorKind::InvalidInput) for what is no slice's name: without `.slice`, with a slash, or with a
/// dash at an end or beside another one. Only `-.slice`, the root, is a dash alone.
pub fn expand_slice(slice: &str) -> Result<PathBuf> {
    checked(slice)?;
    let stem =
        slice.strip_suffix(".slice").ok_or_else(|| refused(slice, "a slice's name ends in \".slice\""))?;
    let mut path = PathBuf::from("/");
    if stem == "-" {
        return Ok(path);
    }
    if stem.split('-').any(str::is_empty) {
        return Err(refused(slice, "between dashes there must be something"));
    }
    let dashes = stem.match_indices('-').map(|(at, _)| at);
    path.extend(dashes.chain([stem.len()]).map(|end| format!("{}.slice", &stem[..end])));
    Ok(path)
}

/// Whether this is a slice's name; systemd tells kinds of units apart by small letters.
pub(crate) fn is_slice(unit: &str) -> bool {
    unit.strip_suffix(".slice").is_some()
}

/// Checks the name of a scope or slice by systemd's rules (`systemd.unit(5)`).
pub(crate) fn checked(unit: &str) -> Result<()> {
    let stem = unit.strip_suffix(".scope").or_else(|| unit.strip_suffix(".slice"));
    match stem {
        None => return Err(refused(unit, "the name of a scope or slice ends in \".scope\" or \".slice\"")),
        Some("") => return Err(refused(unit, "nothing before the dot")),
        Some(_) => {}
    }
    if unit.len() > LONGEST {
        return Err(refused(unit, &format!("longer than {LONGEST} bytes")));
    }
    match unit.chars().find(|c| !c.is_ascii_alphanumeric() && !":-_.\\@".contains(*c)) {
        Some(c) => Err(refused(unit, &format!("{c:?} can't be in a unit's name"))),
        None => Ok(()),
    }
}

fn refused(name: &str, why: &str) -> Error {
    Error::new(ErrorKind::InvalidInput, format!("name systemd unit {name:?}: {why}"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_slice_lies_where_its_name_says() {
        // T66 of the cases.
        for (slice, path) in [
            ("-.slice", "/"),
            ("system.slice", "/system.slice"),
            ("a-b.slice", "/a.slice/a-b.slice"),
            ("a-b-c.slice", "/a.slice/a-b.slice/a-b-c.slice"),
            ("a.slice.slice", "/a.slice.slice"),
        ] {
            assert_eq!(expand_slice(slice).unwrap(), Path::new(path), "{slice}");
        }
        for slice in [
            "",
            ".slice",
            "a",
            "a--b.slice",
            "-a.slice",
            "a-.slice",
            "--.slice",
            "a/b.slice",
            "a.scope",
            "/.slice",
        ] {
            assert_eq!(expand_slice(slice).unwrap_err().kind(), ErrorKind::InvalidInput, "{slice}");
        }
    }

    #[test]
    fn a_cgroups_path_names_slice_and_unit() {
        let parse = |path: &str, user| {
            let path = UnitPath::parse(path, "run", "c1", user).unwrap();
            (path.slice.clone(), path.unit.clone(), path.cgroup().unwrap().to_str().unwrap().to_owned())
        };
        let row = |a: &str, b: &str, c: &str| (a.to_owned(), b.to_owned(), c.to_owned());
        assert_eq!(parse("", false), row("system.slice", "run-c1.scope", "/system.slice/run-c1.scope"));
        assert_eq!(parse("", true), row("user.slice", "run-c1.scope", "/user.slice/run-c1.scope"));
        assert_eq!(
            parse("a-b.slice:p:n", false),
            row("a-b.slice", "p-n.scope", "/a.slice/a-b.slice/p-n.scope")
        );
        assert_eq!(parse("a.slice::n", false), row("a.slice", "n.scope", "/a.slice/n.scope"));
        assert_eq!(parse("::n", true), row("user.slice", "n.scope", "/user.slice/n.scope"));
        assert_eq!(parse("n", false), row("system.slice", "n.scope", "/system.slice/n.scope"));
        assert_eq!(parse("a.slice:p:a-n.slice", false), row("a.slice", "a-n.slice", "/a.slice/a-n.slice"));
        assert_eq!(parse("-.slice:p:n", false), row("-.slice", "p-n.scope", "/p-n.scope"));
    }

    #[test]
    fn what_systemd_would_not_take_is_refused_before_it_is_asked() {
        for path in [
            "/docker/x",
            "a:b",
            "a.slice:b:c:d",
            "a:b:c",
            "a.slice:p:x/y",
            "a.slice:p:x y",
            "::",
            ":p:a--b.slice",
        ] {
            let error = UnitPath::parse(path, "run", "c1", false).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{path}");
        }
        assert!(UnitPath::parse(&"x".repeat(300), "run", "c1", false).is_err());
    }
}

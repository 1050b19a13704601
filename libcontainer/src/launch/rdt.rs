//! A container's group in the resctrl filesystem, <https://docs.kernel.org/filesystems/resctrl.html>.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::config::{Config, IntelRdt};
use crate::error::{Error, ErrorKind, Result};

/// What was made for a container; it goes when it is dropped, unless it is kept.
pub(super) struct Groups(Vec<PathBuf>);

impl Groups {
    pub(super) fn keep(mut self) {
        self.0.clear();
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        for group in self.0.iter().rev() {
            let _ = fs::remove_dir(group);
        }
    }
}

/// Moves a container's first process into its group.
pub(super) fn enter(config: &Config, pid: u32) -> Result<Groups> {
    match &config.intel_rdt {
        Some(wanted) => enter_at(&mounted()?, wanted, &config.description.id, pid),
        None => Ok(Groups(Vec::new())),
    }
}

/// Removes what was made for a container.
pub(crate) fn remove(config: &Config) -> Result<()> {
    let Some(wanted) = &config.intel_rdt else { return Ok(()) };
    let Ok(root) = mounted() else { return Ok(()) }; // nothing without it
    remove_at(&root, wanted, &config.description.id)
}

fn mounted() -> Result<PathBuf> {
    let mounts = mount::mounts()?;
    let found = mounts.into_iter().find(|mount| mount.is_type("resctrl"));
    let none = || Error::new(ErrorKind::Unsupported, "intelRdt: no resctrl filesystem is mounted");
    found.map(|mount| mount.mount_point).ok_or_else(none)
}

/// Returns the directories of the group and of what measures it.
fn places(root: &Path, wanted: &IntelRdt, id: &str) -> (PathBuf, PathBuf) {
    let group = match wanted.clos_id.as_deref() {
        Some("/") => root.to_owned(),
        Some(name) => root.join(name),
        None => root.join(id),
    };
    let monitor = group.join("mon_groups").join(id);
    (group, monitor)
}

fn enter_at(root: &Path, wanted: &IntelRdt, id: &str, pid: u32) -> Result<Groups> {
    let (group, monitor) = places(root, wanted, id);
    let mut groups = Groups(Vec::new());
    let lines = wanted.lines();
    let exists = group.is_dir();
    if !exists && wanted.clos_id.is_some() && lines.is_empty() {
        let text = format!("intelRdt: there is no group {group:?}, and nothing says what it should be");
        return Err(Error::new(ErrorKind::NotFound, text).at(group));
    }
    if !exists {
        make(&group)?;
        if wanted.clos_id.is_none() {
            groups.0.push(group.clone());
        }
    }
    if exists && wanted.clos_id.is_some() {
        compare(&group, wanted)?;
    } else if !lines.is_empty() {
        write(&group.join("schemata"), &(lines.join("\n") + "\n"))?;
    }
    if wanted.enable_monitoring {
        make(&monitor)?;
        groups.0.push(monitor.clone());
    }
    write(&group.join("tasks"), &pid.to_string())?;
    if wanted.enable_monitoring {
        write(&monitor.join("tasks"), &pid.to_string())?;
    }
    Ok(groups)
}

fn remove_at(root: &Path, wanted: &IntelRdt, id: &str) -> Result<()> {
    let (group, monitor) = places(root, wanted, id);
    let made = [wanted.enable_monitoring.then_some(monitor), wanted.clos_id.is_none().then_some(group)];
    for group in made.into_iter().flatten() {
        match fs::remove_dir(&group) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failed("remove", &group, &error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// A group of others must have what is asked for: nobody changes theirs.
fn compare(group: &Path, wanted: &IntelRdt) -> Result<()> {
    let file = group.join("schemata");
    let present = fs::read_to_string(&file).map_err(|error| failed("read", &file, &error))?;
    for line in wanted.lines() {
        let known = |known: &str| plain(known) == plain(line);
        if !present.lines().any(known) {
            let text = format!("intelRdt: group {group:?} exists, and is not {line:?}: it has {present:?}");
            return Err(Error::new(ErrorKind::InvalidConfig, text).at(file));
        }
    }
    Ok(())
}

/// The kernel writes blanks before a resource, and zeros before a number.
fn plain(line: &str) -> String {
    let (resource, shares) = line.trim().split_once(':').unwrap_or((line.trim(), ""));
    let shares = shares.split(';').map(|share| {
        let (place, value) = share.split_once('=').unwrap_or((share, ""));
        format!("{}={}", place.trim(), value.trim().trim_start_matches('0').to_lowercase())
    });
    format!("{resource}:{}", shares.collect::<Vec<_>>().join(";"))
}

fn failed(what: &str, path: &Path, error: &io::Error) -> Error {
    Error::io(format_args!("intelRdt: {what} {path:?}"), error).at(path)
}

fn make(group: &Path) -> Result<()> {
    fs::create_dir(group).map_err(|error| failed("make group", group, &error))
}

/// Writes in one call, as the kernel asks for; why it refuses stands in a file of its own.
fn write(file: &Path, text: &str) -> Result<()> {
    let written = File::options().write(true).open(file).and_then(|mut open| open.write_all(text.as_bytes()));
    written.map_err(|error| {
        let info =
            file.ancestors().map(|folder| folder.join("info/last_cmd_status")).find(|path| path.exists());
        let why = info.and_then(|path| fs::read_to_string(path).ok()).unwrap_or_default();
        let why = why.trim();
        let what =
            if why.is_empty() { format!("write {text:?} to") } else { format!("{why}: write {text:?} to") };
        failed(&what, file, &error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with what a resctrl filesystem has.
    fn root(name: &str) -> PathBuf {
        let root = std::env::temp_dir().join(format!("rdt-{name}-{}", std::process::id()));
        fs::create_dir(&root).unwrap();
        root
    }

    /// Gives a group the files that the kernel gives one.
    fn group(path: &Path, schemata: &str) {
        fs::create_dir_all(path.join("mon_groups")).unwrap();
        fs::write(path.join("schemata"), schemata).unwrap();
        fs::write(path.join("tasks"), "").unwrap();
    }

    fn wanted(clos_id: &str, lines: &[&str]) -> IntelRdt {
        IntelRdt {
            clos_id: (!clos_id.is_empty()).then(|| clos_id.to_owned()),
            schemata: lines.iter().map(|&line| line.to_owned()).collect(),
            ..IntelRdt::default()
        }
    }

    #[test]
    fn a_group_of_others_is_entered_and_left_alone() {
        let root = root("others");
        group(&root.join("gold"), "    L3:0=00ff;1=0001\nMB:0=20\n");
        enter_at(&root, &wanted("gold", &["L3:0=ff;1=1"]), "box", 7).unwrap().keep();
        assert_eq!(fs::read_to_string(root.join("gold/tasks")).unwrap(), "7");
        remove_at(&root, &wanted("gold", &[]), "box").unwrap();
        assert!(root.join("gold").is_dir());
        let error = enter_at(&root, &wanted("gold", &["MB:0=30"]), "box", 7).map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        assert!(error.to_string().contains("is not \"MB:0=30\""), "{error}");
        let error = enter_at(&root, &wanted("silver", &[]), "box", 7).map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn the_default_group_is_the_root() {
        let root = root("default");
        group(&root, "L3:0=f\n");
        enter_at(&root, &wanted("/", &[]), "box", 8).unwrap().keep();
        assert_eq!(fs::read_to_string(root.join("tasks")).unwrap(), "8");
        fs::remove_dir_all(root).unwrap();
    }

    /// A folder has none of the files that the kernel makes: the first write fails.
    #[test]
    fn what_was_made_goes_when_a_step_fails() {
        let root = root("fails");
        fs::create_dir(root.join("info")).unwrap();
        fs::write(root.join("info/last_cmd_status"), "Missing domains\n").unwrap();
        let error = enter_at(&root, &wanted("", &["L3:0=f"]), "box", 7).map(drop).unwrap_err();
        assert!(error.to_string().contains("Missing domains: write \"L3:0=f\\n\" to"), "{error}");
        assert!(!root.join("box").exists());
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn what_is_measured_goes_with_the_container() {
        let root = root("measured");
        group(&root.join("gold"), "L3:0=f\n");
        let mut wanted = wanted("gold", &[]);
        wanted.enable_monitoring = true;
        // Its file of tasks is not there.
        enter_at(&root, &wanted, "box", 7).map(drop).unwrap_err();
        assert!(!root.join("gold/mon_groups/box").exists());
        fs::create_dir(root.join("gold/mon_groups/box")).unwrap();
        remove_at(&root, &wanted, "box").unwrap();
        assert!(!root.join("gold/mon_groups/box").exists() && root.join("gold").is_dir());
        remove_at(&root, &wanted, "box").unwrap();
        fs::remove_dir_all(root).unwrap();
    }
}

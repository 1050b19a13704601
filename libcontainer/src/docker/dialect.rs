//! Which dialect a file is written in: the keys tell, for no version does.

use super::json::{Document, Mask, Namespaces};
use super::{Dialect, invalid};
use crate::error::{Error, ErrorKind, Result};

/// Finds out the dialect.
pub(super) fn of(file: &Document) -> Result<Dialect> {
    if !file.foreign.is_empty() {
        let text = format!("keys of another format than 2014's: {}", file.foreign.join(", "));
        return Err(Error::new(ErrorKind::Unsupported, text));
    }
    let marks = marks(file);
    let Some(&(first, dialect)) = marks.first() else { return Ok(Dialect::V1) };
    if let Some((other, _)) = marks.iter().find(|(_, other)| *other != dialect) {
        return Err(invalid(format_args!("keys of two dialects: {first}, and {other}")));
    }
    if let (Some(old), Some(new)) = (before_1_1(file), since_1_1(file)) {
        return Err(invalid(format_args!("keys of two versions: {old} of 1.0, and {new} of later ones")));
    }
    Ok(dialect)
}

/// Returns the keys that tell, and what they tell.
fn marks(file: &Document) -> Vec<(&'static str, Dialect)> {
    use Dialect::{V0_10, V0_11, V1};
    let mut marks = Vec::new();
    let keys = matches!(&file.namespaces, Namespaces::Keys(_));
    match &file.namespaces {
        Namespaces::Keys(_) => marks.push(("a list of namespaces by key", V0_10)),
        Namespaces::Paths(_) => marks.push(("a list of namespaces by type", V1)),
        // Of 0.11 and later; of 0.10 too where nothing is in it.
        Namespaces::Map(_) => {}
    }
    match &file.capabilities_mask {
        Some(Mask::List(_)) => marks.push(("capabilities_mask as a list", V0_10)),
        Some(Mask::Map(_)) => marks.push(("capabilities_mask as a map", V0_11)),
        None => {}
    }
    match (&file.capabilities, &file.capabilities_mask) {
        // Before it was called a mask: those to drop.
        (Some(_), None) if keys => {}
        (Some(_), _) => marks.push(("capabilities", V1)),
        (None, _) => {}
    }
    if !file.routes.is_empty() {
        marks.push(("routes", V1));
    }
    if !file.device_nodes.is_empty() {
        marks.push(("device_nodes", V1));
    }
    marks.extend(since_1_1(file).map(|key| (key, V1)));
    marks
}

/// Returns a key that libcontainer 1.1 moved or replaced.
fn before_1_1(file: &Document) -> Option<&'static str> {
    let keys = [
        (!file.context.is_empty(), "context"),
        (!file.mounts.is_empty(), "mounts"),
        (!file.device_nodes.is_empty(), "device_nodes"),
        (file.readonly_fs, "readonly_fs"),
        (file.no_pivot_root, "no_pivot_root"),
    ];
    keys.into_iter().find(|(is, _)| *is).map(|(_, key)| key)
}

/// Returns a key that came with libcontainer 1.1 or later.
fn since_1_1(file: &Document) -> Option<&'static str> {
    let keys = [
        (file.mount_config.is_some(), "mount_config"),
        (file.root_fs.is_some(), "root_fs"),
        (!file.apparmor_profile.is_empty(), "apparmor_profile"),
        (!file.process_label.is_empty(), "process_label"),
        (file.restrict_sys, "restrict_sys"),
        (!file.rlimits.is_empty(), "rlimits"),
        (!file.ipc.is_empty(), "ipc"),
        (!file.additional_groups.is_empty(), "additional_groups"),
    ];
    keys.into_iter().find(|(is, _)| *is).map(|(_, key)| key)
}

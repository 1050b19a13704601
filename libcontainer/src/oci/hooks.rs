//! A bundle's hooks.

use std::path::PathBuf;

use super::{invalid, spec};
use crate::config::{Hook, Hooks};
use crate::error::Result;

/// Makes a container's hooks from its bundle.
pub(super) fn hooks(wanted: &spec::Hooks) -> Result<Hooks> {
    let kind = |name: &str, hooks: &[spec::Hook]| -> Result<Vec<Hook>> {
        hooks.iter().enumerate().map(|(number, wanted)| hook(name, number, wanted)).collect()
    };
    Ok(Hooks {
        prestart: kind("prestart", &wanted.prestart)?,
        create_runtime: kind("createRuntime", &wanted.create_runtime)?,
        create_container: kind("createContainer", &wanted.create_container)?,
        start_container: kind("startContainer", &wanted.start_container)?,
        poststart: kind("poststart", &wanted.poststart)?,
        poststop: kind("poststop", &wanted.poststop)?,
    })
}

fn hook(kind: &str, number: usize, hook: &spec::Hook) -> Result<Hook> {
    let timeout = match hook.timeout {
        None => None,
        Some(seconds) => {
            let wrong = || invalid(format_args!("hooks.{kind}[{number}].timeout {seconds}: must be above 0"));
            Some(u32::try_from(seconds).ok().filter(|seconds| *seconds > 0).ok_or_else(wrong)?)
        }
    };
    let path = PathBuf::from(&hook.path);
    if !path.is_absolute() {
        return Err(invalid(format_args!("hooks.{kind}[{number}].path {path:?}: must be absolute")));
    }
    Ok(Hook { path, args: hook.args.clone(), env: hook.env.clone(), timeout })
}

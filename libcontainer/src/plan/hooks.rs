//! Hooks: where a container waits for them, and how they are started.

use std::path::Path;

use super::builder::{Builder, text};
use super::confine::let_in;
use super::{Circumstances, Plan, Program, Way, confine, execute, join};
use crate::config::{Config, Hook};
use crate::error::{Error, ErrorKind, Result};
use crate::program::Op;

/// Waits for the hooks that come before the root is changed.
pub(super) fn before_the_root(
    builder: &mut Builder,
    config: &Config,
    circumstances: &Circumstances,
) -> Result<()> {
    if !config.hooks.are_for_create() {
        return Ok(());
    }
    let exposed = circumstances.may_not_trace && !config.hooks.create_container.is_empty();
    if exposed {
        let_in(builder, circumstances, "createContainer hooks")?;
    }
    builder.step("wait for the hooks").op(Op::Mounted {}).op(Op::AwaitGo {});
    if exposed {
        builder.step("shut out debuggers").op(Op::Dumpable { on: false });
    }
    Ok(())
}

/// Lets those in that come before the program, while it waits for its start.
pub(super) fn before_the_program(
    builder: &mut Builder,
    config: &Config,
    circumstances: &Circumstances,
) -> Result<()> {
    if circumstances.may_not_trace && !config.hooks.start_container.is_empty() {
        // A hook is the image's program, and could look into the process too: what binds only from the exec on, it
        // would take away.
        if config.process.seccomp.is_some() || confine::is_confined(&config.process) {
            let text = "startContainer hooks: beside a seccomp filter, AppArmor profile or SELinux label they need \
                        CAP_SYS_PTRACE, which the caller lacks";
            return Err(Error::new(ErrorKind::Unsupported, text));
        }
        let_in(builder, circumstances, "startContainer hooks")?;
    }
    Ok(())
}

impl Plan {
    /// Plans a hook that runs on the host, in a directory unless that is empty.
    pub(crate) fn hook_on_host(hook: &Hook, directory: &Path) -> Result<Plan> {
        let mut builder = Builder::default();
        run(&mut builder, hook, directory)?;
        let (program, steps) = builder.finish();
        Ok(Plan { program, steps, handed: Vec::new() })
    }

    /// Plans a hook that runs in a container's namespaces, with all rights that are there.
    pub(crate) fn hook_in_namespaces(
        hook: &Hook,
        rootfs: &Path,
        way: Way,
        circumstances: &Circumstances,
    ) -> Result<Plan> {
        let mut builder = Builder::default();
        let joined = join::namespaces(&mut builder, None, way, circumstances)?;
        run(&mut builder, hook, rootfs)?;
        let (program, steps) = builder.finish();
        Ok(Plan { program, steps, handed: joined.handed.iter().map(|(handed, _)| *handed).collect() })
    }
}

fn run(builder: &mut Builder, hook: &Hook, directory: &Path) -> Result<()> {
    if !directory.as_os_str().is_empty() {
        let path = text(directory)?;
        builder.step(format!("enter working directory {directory:?}"));
        builder.op(Op::WorkingDirectory { path: &path });
    }
    execute(builder, Program::Path(&hook.path), (&arguments(hook), &hook.env), None)
}

/// Returns a hook's arguments, its name first.
pub(crate) fn arguments(hook: &Hook) -> Vec<String> {
    if hook.args.is_empty() { vec![hook.path.to_string_lossy().into_owned()] } else { hook.args.clone() }
}

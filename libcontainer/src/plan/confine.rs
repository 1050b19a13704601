//! By which rules the program is bound: those of the host's security modules, and a filter of system calls.

use super::Circumstances;
use super::builder::Builder;
use crate::config::Process;
use crate::error::{Error, ErrorKind, Result};
use crate::program::{Op, Slot};
use crate::seccomp::{Filter, Instruction};

/// Tells whether it is bound by any, for which procfs is needed.
pub(super) fn is_confined(process: &Process) -> bool {
    process.apparmor_profile.is_some() || process.selinux_label.is_some()
}

/// Says what the next exec changes to. The host's procfs has this process by the name "self" wherever it is.
pub(super) fn at_exec(builder: &mut Builder, process: &Process, proc: Slot) {
    if let Some(profile) = &process.apparmor_profile {
        let value = format!("exec {profile}");
        builder.step(format!("confine by AppArmor profile {profile:?}"));
        builder.op(Op::WriteProc { proc, path: c"self/attr/apparmor/exec", value: value.as_bytes() });
    }
    if let Some(label) = &process.selinux_label {
        builder.step(format!("confine by SELinux label {label:?}"));
        builder.op(Op::WriteProc { proc, path: c"self/attr/exec", value: label.as_bytes() });
    }
}

/// Makes the filter of system calls, which is set with the exec.
pub(super) fn filter(
    builder: &mut Builder,
    process: &Process,
    circumstances: &Circumstances,
) -> Result<Option<Filter>> {
    let Some(seccomp) = &process.seccomp else { return Ok(None) };
    let filter = Filter::compile(seccomp)?;
    if filter.listener().is_some() && circumstances.may_not_trace {
        let_in(builder, circumstances, "seccomp listener")?;
    }
    builder.step(format!("filter system calls: {} instructions", filter.instructions().len()));
    Ok(Some(filter))
}

/// Returns a filter's bytes.
pub(super) fn bytes(instructions: &[Instruction]) -> Vec<u8> {
    instructions.iter().flat_map(|instruction| instruction.to_bytes()).collect()
}

/// Lets the parent look into the process without the right to look into all. Whoever else is in its namespaces could
/// do so too, and change what it does.
pub(super) fn let_in(builder: &mut Builder, circumstances: &Circumstances, what: &str) -> Result<()> {
    if circumstances.company {
        let text =
            format!("{what}: with others in the namespaces it needs CAP_SYS_PTRACE, which the caller lacks");
        return Err(Error::new(ErrorKind::Unsupported, text));
    }
    builder.step(format!("let the parent in: {what}")).op(Op::Dumpable { on: true });
    Ok(())
}

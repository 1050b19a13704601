//! By which rules of the host's security modules the program is bound.

use super::builder::Builder;
use crate::config::Process;
use crate::program::{Op, Slot};

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

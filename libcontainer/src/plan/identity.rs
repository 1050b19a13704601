//! Who the process is, what it may use and what it may do: in the order that the kernel asks for.

use super::builder::{Builder, text};
use super::{Circumstances, serving};
use crate::config::Process;
use crate::error::{Error, ErrorKind, Result};
use crate::program::{Op, Slot};

const CAP_SYS_ADMIN: u64 = 1 << 21;

/// Turns the process that set the container up into the one that was asked for.
pub(super) fn take(
    builder: &mut Builder,
    process: &Process,
    circumstances: &Circumstances,
    console: Option<Slot>,
) -> Result<()> {
    serving::process(builder, process);
    for limit in &process.rlimits {
        let unknown =
            || Error::new(ErrorKind::InvalidConfig, format_args!("rlimit {:?}: unknown", limit.kind));
        let resource = limit.resource().ok_or_else(unknown)?;
        builder.step(format!("set {} to {} and {}", limit.kind, limit.soft, limit.hard));
        builder.op(Op::Rlimit { resource, soft: limit.soft, hard: limit.hard });
    }
    if let Some(peer) = console {
        builder.step("take the terminal").op(Op::ControllingTerminal { peer });
    }
    let cwd = text(&process.cwd)?;
    builder.step(format!("enter working directory {:?}", process.cwd));
    builder.op(Op::WorkingDirectory { path: &cwd });

    let capabilities = &process.capabilities;
    // Dropping from the bounding set needs CAP_SETPCAP, which the change of ids takes away.
    builder.step("limit the capability bounding set");
    builder.op(Op::Bounding { keep: capabilities.bounding.bits() });
    let who = &circumstances.identity;
    if !circumstances.set_groups && !who.groups.is_empty() {
        let text = "supplementary groups: not in a user namespace that an ordinary user maps";
        return Err(Error::new(ErrorKind::InvalidConfig, text));
    }
    let groups: Vec<u8> = who.groups.iter().flat_map(|group| group.to_ne_bytes()).collect();
    builder.step(format!("become user {} and group {}", who.uid, who.gid));
    builder.op(Op::Identity {
        uid: who.uid,
        gid: who.gid,
        groups: &groups,
        set_groups: circumstances.set_groups,
    });
    // A process that may gain privileges must have this one to set a filter. The exec takes it away: what comes out of
    // it hangs on the other sets.
    let (what, more) = match &process.seccomp {
        Some(_) if !process.no_new_privileges => {
            ("set capabilities, and CAP_SYS_ADMIN up to the filter", CAP_SYS_ADMIN)
        }
        _ => ("set capabilities", 0),
    };
    builder.step(what).op(Op::Capabilities {
        effective: capabilities.effective.bits() | more,
        permitted: capabilities.permitted.bits() | more,
        inheritable: capabilities.inheritable.bits(),
        ambient: capabilities.ambient.bits(),
    });
    if process.no_new_privileges {
        builder.step("set no_new_privs").op(Op::NoNewPrivileges {});
    }
    builder.step(format!("set umask {:03o}", who.umask)).op(Op::Umask { mask: who.umask });
    Ok(())
}

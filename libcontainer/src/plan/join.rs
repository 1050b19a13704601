//! Joining the namespaces of a container.

use super::builder::Builder;
use super::{Circumstances, Handed, confine, find, hand_over, namespaces, serving};
use crate::config::{NamespaceKind, Process};
use crate::error::Result;
use crate::program::{Op, Slot};

/// What there is to join.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Way {
    /// The flags of the namespaces that are not the caller's.
    pub(crate) kinds: u32,
    /// Whether the root was changed by chroot, which joining the mount namespace doesn't follow.
    pub(crate) moved_root: bool,
}

/// What is there once they are joined.
pub(super) struct Joined {
    pub(super) handed: Vec<(Handed, Slot)>,
    /// The host's procfs, where the process writes there.
    pub(super) proc: Slot,
}

/// Makes a process in a container's namespaces; for one that isn't the container's own, it says nothing of how the
/// kernel serves it.
pub(super) fn namespaces(
    builder: &mut Builder,
    process: Option<&Process>,
    way: Way,
    circumstances: &Circumstances,
) -> Result<Joined> {
    // With cgroup2's nsdelegate a process in that namespace must be in the cgroup already: it is
    // born there first (ENOENT else, cgroup_attach_permissions in the kernel).
    let late = if circumstances.cgroup_at_birth { way.kinds & NamespaceKind::Cgroup.flag() } else { 0 };
    let mut own = vec![Handed::Container];
    own.extend((late != 0).then_some(Handed::CgroupNamespace));
    own.extend(way.moved_root.then_some(Handed::Root));
    let handed = hand_over(builder, circumstances, &own)?;
    let container = find(&handed, Handed::Container).unwrap_or(Slot::NONE);
    let score = process.and_then(|process| process.oom_score_adj);
    let proc = namespaces::open_proc(builder, score.is_some() || process.is_some_and(confine::is_confined))?;
    if let Some(score) = score {
        // By itself, and before it isn't dumpable: from then on its files are root's.
        builder.step(format!("set oom_score_adj to {score}"));
        let (path, value) = (c"self/oom_score_adj", score.to_string());
        builder.op(Op::WriteProc { proc, path, value: value.as_bytes() });
    }
    let affinity = process.and_then(|process| process.exec_cpu_affinity.as_ref());
    serving::processors(builder, affinity.and_then(|affinity| affinity.initial.as_ref()));
    // Once in the container's namespaces, its processes could look into this one.
    builder.step("enter the container's namespaces").op(Op::Dumpable { on: false });
    builder.op(Op::Setns { fd: container, kinds: way.kinds & !late });
    if let Some(root) = find(&handed, Handed::Root) {
        builder.op(Op::MoveRoot { root });
    }
    let cgroup = find(&handed, Handed::Cgroup).unwrap_or(Slot::NONE);
    builder.step("start a process in the container").op(Op::Clone { flags: 0, cgroup });
    builder.step("wait for the parent's preparations").op(Op::AwaitGo {});
    serving::processors(builder, affinity.and_then(|affinity| affinity.last.as_ref()));
    builder.step("join a new session keyring").op(Op::SessionKeyring {});
    if let Some(fd) = find(&handed, Handed::CgroupNamespace) {
        builder.step("enter the container's cgroup namespace").op(Op::Setns { fd, kinds: late });
    }
    if way.kinds & NamespaceKind::User.flag() != 0 {
        builder.step("become root of the user namespace");
        builder.op(Op::BecomeRoot { drop_groups: circumstances.set_groups });
    }
    Ok(Joined { handed, proc })
}

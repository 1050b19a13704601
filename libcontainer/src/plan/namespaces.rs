//! Namespaces: joined, made, and filled with what they hold.

use super::builder::{Builder, text};
use super::{Circumstances, Handed, find};
use crate::config::{Config, NamespaceKind, Network, TimeOffset};
use crate::error::Result;
use crate::program::{Op, Slot};

/// Joins the namespaces that exist and clones into those that don't.
pub(super) fn make(
    builder: &mut Builder,
    config: &Config,
    circumstances: &Circumstances,
    handed: &[(Handed, Slot)],
) {
    for (index, kind) in circumstances.joins.iter().enumerate() {
        let path = config.namespaces.iter().find(|namespace| namespace.kind == *kind);
        let path = path.and_then(|namespace| namespace.path.clone()).unwrap_or_default();
        let fd = find(handed, Handed::Namespace(index)).unwrap_or(Slot::NONE);
        builder.step(format!("join {kind:?} namespace {path:?}"));
        builder.op(Op::Setns { fd, kinds: kind.flag() });
    }
    let new: Vec<_> = config.namespaces.iter().filter(|namespace| namespace.path.is_none()).collect();
    let flags = new
        .iter()
        .filter(|namespace| match namespace.kind {
            NamespaceKind::Cgroup => !late_cgroup(config, circumstances),
            // Its clocks are set before anybody is in it.
            NamespaceKind::Time => config.time_offsets.is_empty(),
            _ => true,
        })
        .fold(0, |flags, namespace| flags | u64::from(namespace.kind.flag()));
    let names: Vec<_> = new.iter().map(|namespace| namespace.kind.file()).collect();
    builder.step(format!("make namespaces {}", names.join(", ")));
    let cgroup = find(handed, Handed::Cgroup).unwrap_or(Slot::NONE);
    builder.op(Op::Clone { flags, cgroup });
}

/// A cgroup namespace shows the cgroup that its maker is in: where the process is moved after its
/// birth, the namespace must come after that.
fn late_cgroup(config: &Config, circumstances: &Circumstances) -> bool {
    config.cgroup.is_some() && !circumstances.cgroup_at_birth
}

/// Makes a time namespace, sets its clocks, and enters it: as its own owner, while its files in procfs are its own.
pub(super) fn clocks(builder: &mut Builder, config: &Config, proc: Slot) -> Result<()> {
    if config.time_offsets.is_empty() {
        return Ok(());
    }
    builder.step("make namespace time").op(Op::Unshare { kinds: NamespaceKind::Time.flag() });
    for (clock, TimeOffset { secs, nanosecs }) in &config.time_offsets {
        let value = format!("{} {secs} {nanosecs}\n", clock.name());
        builder.step(format!("set clock {} off by {secs}.{nanosecs:09} s", clock.name()));
        builder.op(Op::WriteProc { proc, path: c"self/timens_offsets", value: value.as_bytes() });
    }
    let fd = builder.slot()?;
    let path = c"/proc/self/ns/time_for_children";
    builder.step("enter the time namespace");
    builder.op(Op::OpenHost { slot: fd, path, flags: libc::O_RDONLY as u32 });
    builder.op(Op::Setns { fd, kinds: NamespaceKind::Time.flag() });
    Ok(())
}

/// Names what the parent does meanwhile for the network.
pub(super) fn preparations(config: &Config) -> String {
    let networks = config.networks.iter().filter_map(|network| match network {
        Network::Loopback => None,
        Network::Veth(veth) => Some(match &veth.bridge {
            Some(bridge) => format!("veth {:?} on bridge {bridge:?}", veth.name),
            None => format!("veth {:?}", veth.name),
        }),
        Network::Macvlan(macvlan) => Some(format!("macvlan {:?} on {:?}", macvlan.name, macvlan.parent)),
        Network::Device(device) => {
            Some(format!("network device {:?} as {:?}", device.host_name, network.name()))
        }
    });
    let routes = config.routes.iter().map(|route| {
        format!("route to {} on {:?}", route.destination.as_deref().unwrap_or("everywhere"), route.interface)
    });
    let all: Vec<_> = networks.chain(routes).collect();
    let waits = "wait for the parent's preparations";
    if all.is_empty() { waits.to_owned() } else { format!("{waits}: {}", all.join(", ")) }
}

/// Makes the process at home in its namespaces, now that maps and cgroup are there.
pub(super) fn settle(builder: &mut Builder, config: &Config, circumstances: &Circumstances) {
    if config.is_new(NamespaceKind::Cgroup) && late_cgroup(config, circumstances) {
        builder.step("make namespace cgroup").op(Op::Unshare { kinds: NamespaceKind::Cgroup.flag() });
    }
    if config.has(NamespaceKind::User) {
        builder.step("become root of the user namespace");
        builder.op(Op::BecomeRoot { drop_groups: circumstances.set_groups });
    }
    if config.is_new(NamespaceKind::Network) && config.networks.contains(&Network::Loopback) {
        builder.step("bring interface \"lo\" up").op(Op::LoopbackUp {});
    }
}

/// Opens the host's procfs, which is not the image's to prepare, if something is written there.
pub(super) fn open_proc(builder: &mut Builder, is_wanted: bool) -> Result<Slot> {
    if !is_wanted {
        return Ok(Slot::NONE);
    }
    let slot = builder.slot()?;
    let flags = (libc::O_PATH | libc::O_DIRECTORY) as u32;
    builder.step("open /proc").op(Op::OpenHost { slot, path: c"/proc", flags });
    Ok(slot)
}

/// Sets names and kernel parameters.
pub(super) fn parameters(builder: &mut Builder, config: &Config, proc: Slot) -> Result<()> {
    if let Some(name) = &config.hostname {
        builder.step(format!("set host name {name:?}")).op(Op::Hostname { name: name.as_bytes() });
    }
    if let Some(name) = &config.domainname {
        builder.step(format!("set domain name {name:?}")).op(Op::Domainname { name: name.as_bytes() });
    }
    for (key, value) in &config.sysctl {
        // With a slash in it, dots are part of the names: net/ipv4/conf/eth0.7/forwarding.
        let path = if key.contains('/') { key.clone() } else { key.replace('.', "/") };
        let path = text(format!("sys/{path}"))?;
        builder.step(format!("set sysctl {key:?} to {value:?}"));
        builder.op(Op::WriteProc { proc, path: &path, value: value.as_bytes() });
    }
    Ok(())
}

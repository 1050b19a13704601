//! All contradictions of a configuration at once, before anything is touched.

use std::path::{Component, Path};

use super::destination::over_proc;
use super::scheduling::mask;
use super::{
    Config, IdMapping, IntelRdt, IoClass, IoPriority, MemoryMode, MemoryPolicy, Mount, NamespaceKind,
    Network, Process, Scheduler, SchedulerPolicy, User,
};
use crate::error::{Error, ErrorKind, Result};
use crate::seccomp::Filter;

/// Checks a configuration; the error names everything that is wrong with it.
pub(crate) fn check(config: &Config) -> Result<()> {
    let mut wrong = Vec::new();
    rootfs(config, &mut wrong);
    namespaces(config, &mut wrong);
    mounts(config, &mut wrong);
    networks(config, &mut wrong);
    if let Some(cgroup) = &config.cgroup
        && (cgroup.path.as_os_str().is_empty() || has_parent(&cgroup.path))
    {
        wrong.push(format!("cgroup path {:?}: must name a cgroup, without \"..\"", cgroup.path));
    }
    if let Some(policy) = &config.memory_policy {
        memory_policy(policy, &mut wrong);
    }
    hooks(config, &mut wrong);
    if let Some(rdt) = &config.intel_rdt {
        intel_rdt(rdt, config, &mut wrong);
    }
    if config.mount_label.as_ref().is_some_and(|label| label.is_empty() || label.contains(['\0', '\n'])) {
        wrong.push(format!("mount label {:?}: must be one line", config.mount_label));
    }
    process_wrongs(&config.process, &mut wrong);
    finish(&wrong)
}

fn hooks(config: &Config, wrong: &mut Vec<String>) {
    for (kind, number, hook) in config.hooks.all() {
        if !hook.path.is_absolute() {
            wrong.push(format!("{kind} hook #{number}: path {:?} must be absolute", hook.path));
        }
        let texts = hook.args.iter().chain(&hook.env).map(String::as_str);
        if texts.chain([&*hook.path.to_string_lossy()]).any(has_nul) {
            wrong.push(format!("{kind} hook #{number}: has a NUL byte"));
        }
        if hook.timeout == Some(0) {
            wrong.push(format!("{kind} hook #{number}: no time to run in"));
        }
    }
    let bundle = &config.description.bundle;
    if has_nul(&bundle.to_string_lossy()) || bundle.is_relative() && !bundle.as_os_str().is_empty() {
        wrong.push(format!("bundle {bundle:?}: must be an absolute path"));
    }
}

fn intel_rdt(rdt: &IntelRdt, config: &Config, wrong: &mut Vec<String>) {
    let id = config.description.id.as_str();
    let is_name = |name: &str| {
        !name.is_empty()
            && !name.contains(['/', '\0', '\n'])
            && !matches!(name, "." | ".." | "info" | "mon_groups" | "mon_data")
    };
    match rdt.clos_id.as_deref() {
        Some(name) if name != "/" && !is_name(name) => {
            wrong.push(format!("intelRdt: {name:?} is no name of a group"));
        }
        None if !is_name(id) => {
            wrong.push(format!("intelRdt: without a group's name it needs a container's, not {id:?}"));
        }
        _ if rdt.enable_monitoring && !is_name(id) => {
            wrong.push(format!("intelRdt: monitoring needs a container's name, not {id:?}"));
        }
        _ => {}
    }
    for line in rdt.lines().into_iter().filter(|line| line.is_empty() || line.contains('\n')) {
        wrong.push(format!("intelRdt: schema {line:?} is not one line"));
    }
    if let Some(line) = rdt.mem_bw_schema.as_ref().filter(|line| !line.starts_with("MB:")) {
        wrong.push(format!("intelRdt: schema {line:?} does not begin with \"MB:\""));
    }
}

/// The kernel would take no nodes, or nodes for a rule that is about none, without a word on what is wrong.
fn memory_policy(policy: &MemoryPolicy, wrong: &mut Vec<String>) {
    let wants = !matches!(policy.mode, MemoryMode::Default | MemoryMode::Local | MemoryMode::Preferred);
    let name = policy.mode.name();
    if policy.nodes.is_empty() {
        if wants {
            wrong.push(format!("memory policy {name}: needs nodes"));
        }
    } else if matches!(policy.mode, MemoryMode::Default | MemoryMode::Local) {
        wrong.push(format!("memory policy {name}: is about no nodes"));
    } else if mask(&policy.nodes).is_none() {
        wrong.push(format!("memory policy {name}: nodes {:?} are no list as 0-3,7", policy.nodes));
    }
}

/// Checks a process that joins a container.
pub(crate) fn process(process: &Process) -> Result<()> {
    let mut wrong = Vec::new();
    process_wrongs(process, &mut wrong);
    finish(&wrong)
}

fn finish(wrong: &[String]) -> Result<()> {
    if wrong.is_empty() {
        return Ok(());
    }
    let text = format!("invalid configuration: {}", wrong.join("; "));
    Err(Error::new(ErrorKind::InvalidConfig, text))
}

fn has_parent(path: &Path) -> bool {
    path.components().any(|component| component == Component::ParentDir)
}

fn has_nul(text: &str) -> bool {
    text.contains('\0')
}

fn rootfs(config: &Config, wrong: &mut Vec<String>) {
    if !config.rootfs.is_absolute() {
        wrong.push(format!("rootfs {:?}: must be an absolute path", config.rootfs));
    }
    let paths = config.masked_paths.iter().chain(&config.readonly_paths);
    let paths = paths.chain(config.devices.iter().map(|device| &device.path)).chain([&config.process.cwd]);
    for path in paths.filter(|path| !path.is_absolute() || has_nul(&path.to_string_lossy())) {
        wrong.push(format!("path {path:?}: must be absolute"));
    }
    if has_nul(&config.rootfs.to_string_lossy()) {
        wrong.push(format!("rootfs {:?}: has a NUL byte", config.rootfs));
    }
}

fn namespaces(config: &Config, wrong: &mut Vec<String>) {
    use NamespaceKind::{Network, User, Uts};
    for kind in NamespaceKind::ALL {
        if config.namespaces.iter().filter(|namespace| namespace.kind == kind).count() > 1 {
            wrong.push(format!("namespace {kind:?}: named twice"));
        }
    }
    if !config.is_new(NamespaceKind::Mount) {
        wrong.push("mount namespace: a container needs a new one".to_owned());
    }
    let mut needs = |wanted: bool, what: &str, kind: NamespaceKind| {
        if wanted && !config.has(kind) {
            wrong.push(format!("{what}: needs a {kind:?} namespace"));
        }
    };
    needs(config.hostname.is_some(), "hostname", Uts);
    needs(config.domainname.is_some(), "domainname", Uts);
    needs(!config.networks.is_empty(), "networks", Network);
    needs(!config.routes.is_empty(), "routes", Network);
    let mapped = !config.uid_mappings.is_empty() || !config.gid_mappings.is_empty();
    needs(mapped, "id mappings", User);
    if !config.time_offsets.is_empty() && !config.is_new(NamespaceKind::Time) {
        wrong.push("time offsets: need a new Time namespace".to_owned());
    }
    for (clock, offset) in &config.time_offsets {
        if offset.nanosecs >= 1_000_000_000 {
            let (name, nanosecs) = (clock.name(), offset.nanosecs);
            wrong.push(format!("time offset of {name}: {nanosecs} nanoseconds are a second or more"));
        }
    }
    if config.is_new(User) && (config.uid_mappings.is_empty() || config.gid_mappings.is_empty()) {
        wrong.push("user namespace: a new one needs uid and gid mappings".to_owned());
    }
    for (name, mappings) in [("uid", &config.uid_mappings), ("gid", &config.gid_mappings)] {
        mappings
            .iter()
            .filter_map(mapping_wrong)
            .for_each(|why| wrong.push(format!("{name} mapping: {why}")));
    }
    for key in config.sysctl.keys() {
        sysctl(config, key, wrong);
    }
}

fn mapping_wrong(mapping: &IdMapping) -> Option<String> {
    let last = |first: u32| u64::from(first) + u64::from(mapping.size);
    // 4294967295 is no id: setresuid(2) takes it as "unchanged".
    let fits =
        mapping.size > 0 && last(mapping.container) <= 0xffff_ffff && last(mapping.host) <= 0xffff_ffff;
    let IdMapping { container, host, size } = mapping;
    (!fits).then(|| format!("{size} ids from {container} on to {host} on are none, or beyond 4294967294"))
}

/// Kernel parameters outside the container's own namespaces would change the host.
fn sysctl(config: &Config, key: &str, wrong: &mut Vec<String>) {
    const IPC: [&str; 10] = [
        "kernel.msgmax",
        "kernel.msgmnb",
        "kernel.msgmni",
        "kernel.sem",
        "kernel.shmall",
        "kernel.shmmax",
        "kernel.shmmni",
        "kernel.shm_rmid_forced",
        "kernel.auto_msgmni",
        "kernel.shm_next_id",
    ];
    let dotted = key.replace('/', ".");
    let plain = !dotted.is_empty() && dotted.split('.').all(|part| !part.is_empty()) && !has_nul(key);
    let namespace = match dotted.as_str() {
        name if IPC.contains(&name) || name.starts_with("fs.mqueue.") => NamespaceKind::Ipc,
        name if name.starts_with("net.") => NamespaceKind::Network,
        "kernel.hostname" | "kernel.domainname" => NamespaceKind::Uts,
        _ => return wrong.push(format!("sysctl {key:?}: not of a namespace, so it would change the host")),
    };
    if !plain || !config.has(namespace) {
        wrong.push(format!("sysctl {key:?}: needs a {namespace:?} namespace"));
    }
}

fn mounts(config: &Config, wrong: &mut Vec<String>) {
    for mount in &config.mounts {
        let destination = &mount.destination;
        if Path::new("/").join(destination) == Path::new("/") {
            wrong.push(format!("mount on {destination:?}: the root is what rootfs names"));
        }
        if mount::Options::from_words(&mount.options)
            .is_ok_and(|options| options.remount() || options.is_move())
        {
            wrong.push(format!("mount on {destination:?}: remount and move are for mounts that exist"));
        }
        if let Err(error) = mount::Options::from_words(&mount.options) {
            wrong.push(format!("mount on {destination:?}: {error}"));
        }
        if mount.kind != "tmpfs" && mount.options.iter().any(|word| word == "tmpcopyup") {
            wrong.push(format!("mount on {destination:?}: tmpcopyup is for tmpfs"));
        }
        if let Some(why) = idmap_wrong(config, mount) {
            wrong.push(format!("mount on {destination:?}: {why}"));
        }
        if let Some(why) = over_proc(mount) {
            wrong.push(format!("mount on {destination:?}: {why}"));
        }
        let texts =
            [mount.source.to_string_lossy(), destination.to_string_lossy(), mount.kind.as_str().into()];
        if texts.iter().any(|text| has_nul(text)) || mount.options.iter().any(|text| has_nul(text)) {
            wrong.push(format!("mount on {destination:?}: has a NUL byte"));
        }
    }
}

/// Ids are mapped on binds only: a new filesystem has the container's own.
fn idmap_wrong(config: &Config, mount: &Mount) -> Option<String> {
    if !mount.is_idmapped() {
        return None;
    }
    if !mount::Options::from_words(&mount.options).is_ok_and(|options| options.bind().is_some()) {
        return Some("ids are mapped of binds only".to_owned());
    }
    if mount.uid_mappings.is_empty() != mount.gid_mappings.is_empty() {
        return Some("needs both uid and gid mappings, or neither".to_owned());
    }
    if mount.uid_mappings.is_empty() && !config.has(NamespaceKind::User) {
        return Some("idmap without mappings: the container has no user namespace that has some".to_owned());
    }
    mount.uid_mappings.iter().chain(&mount.gid_mappings).find_map(mapping_wrong)
}

fn networks(config: &Config, wrong: &mut Vec<String>) {
    for network in &config.networks {
        let Network::Veth(veth) = network else { continue };
        if !config.is_new(NamespaceKind::Network) {
            wrong.push(format!("network {:?}: needs a new Network namespace", veth.name));
        }
        for address in &veth.addresses {
            if let Err(error) = address.parse::<netlink::IpNet>() {
                wrong.push(format!("network {:?}: {error}", veth.name));
            }
        }
    }
    for route in &config.routes {
        let parsed = route.destination.as_deref().map(str::parse::<netlink::IpNet>);
        if let Some(Err(error)) = parsed {
            wrong.push(format!("route on {:?}: {error}", route.interface));
        }
    }
}

fn process_wrongs(process: &Process, wrong: &mut Vec<String>) {
    if process.args.is_empty() || process.args[0].is_empty() {
        wrong.push("process: names no program".to_owned());
    }
    if process.args.iter().chain(&process.env).any(|text| has_nul(text)) {
        wrong.push("process: an argument or variable has a NUL byte".to_owned());
    }
    if !process.cwd.is_absolute() {
        wrong.push(format!("working directory {:?}: must be an absolute path", process.cwd));
    }
    for variable in process.env.iter().filter(|variable| !variable.contains('=') || variable.starts_with('='))
    {
        wrong.push(format!("environment {variable:?}: is not NAME=value"));
    }
    for limit in &process.rlimits {
        if limit.resource().is_none() {
            wrong.push(format!("rlimit {:?}: unknown", limit.kind));
        }
        if limit.soft > limit.hard {
            wrong.push(format!("rlimit {:?}: soft {} is above hard {}", limit.kind, limit.soft, limit.hard));
        }
    }
    if let User::Ids { uid, gid, groups, .. } = &process.user
        && [uid, gid].into_iter().chain(groups).any(|&id| id == u32::MAX)
    {
        wrong.push("user: id 4294967295 is no id".to_owned());
    }
    if process.oom_score_adj.is_some_and(|score| !(-1000..=1000).contains(&score)) {
        wrong.push("oom_score_adj: must be from -1000 to 1000".to_owned());
    }
    let labels = [("AppArmor profile", &process.apparmor_profile), ("SELinux label", &process.selinux_label)];
    for (what, label) in labels {
        if label.as_ref().is_some_and(|label| label.is_empty() || label.contains(['\0', '\n'])) {
            wrong.push(format!("{what} {label:?}: must be one line"));
        }
    }
    served(process, wrong);
    if let Some(Err(error)) = process.seccomp.as_ref().map(Filter::check) {
        wrong.push(error.to_string());
    }
    let capabilities = &process.capabilities;
    let both = capabilities.permitted.bits() & capabilities.inheritable.bits();
    if capabilities.ambient.bits() & !both != 0 {
        wrong.push("capabilities: ambient ones must be permitted and inheritable too".to_owned());
    }
    if !capabilities.permitted.contains(capabilities.effective) {
        wrong.push("capabilities: effective ones must be permitted too".to_owned());
    }
}

/// How the kernel serves it.
fn served(process: &Process, wrong: &mut Vec<String>) {
    use SchedulerPolicy::{Batch, Deadline, Fifo, Idle, Iso, Other, RoundRobin};
    if let Some(scheduler) = &process.scheduler {
        let Scheduler { policy, nice, priority, .. } = scheduler;
        let name = policy.name();
        if !(-20..=19).contains(nice) {
            wrong.push(format!("scheduler: nice value {nice} is not from -20 to 19"));
        }
        match policy {
            Fifo | RoundRobin if !(1..=99).contains(priority) => {
                wrong.push(format!("scheduler {name}: priority {priority} is not from 1 to 99"));
            }
            Other | Batch | Idle if *priority != 0 => {
                wrong.push(format!("scheduler {name}: has no priority, so 0, not {priority}"));
            }
            Iso => wrong.push(format!("scheduler {name}: no kernel has it")),
            _ => {}
        }
        let times = scheduler.runtime != 0 || scheduler.deadline != 0 || scheduler.period != 0;
        if times && *policy != Deadline {
            wrong.push(format!("scheduler {name}: runtime, deadline and period are SCHED_DEADLINE's"));
        }
    }
    if let Some(IoPriority { class, priority }) = process.io_priority {
        if priority > 7 {
            wrong.push(format!("I/O priority: {priority} is not from 0 to 7"));
        }
        if class == IoClass::Idle && priority != 0 {
            wrong.push("I/O priority: IOPRIO_CLASS_IDLE has none, so 0".to_owned());
        }
    }
    let affinity = process.exec_cpu_affinity.iter();
    for list in affinity.flat_map(|affinity| [&affinity.initial, &affinity.last]).flatten() {
        if mask(list).is_none() {
            wrong.push(format!("exec CPU affinity {list:?}: is no list as 0-3,7"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Namespace;

    #[test]
    fn a_default_container_has_nothing_wrong() {
        check(&Config::new("/rootfs")).unwrap();
        check(&Config::new("/rootfs").rootless()).unwrap();
    }

    #[test]
    fn every_contradiction_is_named_at_once() {
        let mut config = Config::new("relative");
        config.namespaces = vec![Namespace { kind: NamespaceKind::Mount, path: None }];
        config.hostname = Some("box".to_owned());
        config.process.args.clear();
        config.mounts = vec![Mount {
            destination: "/a".into(),
            options: vec!["shared".into(), "private".into()],
            ..Mount::default()
        }];
        config.sysctl.insert("kernel.panic".to_owned(), "1".to_owned());
        let error = check(&config).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        for part in ["rootfs", "hostname", "networks", "no program", "/a", "kernel.panic"] {
            assert!(error.to_string().contains(part), "{part} is missing in: {error}");
        }
    }

    #[test]
    fn ids_that_the_kernel_takes_as_unchanged_are_refused() {
        let mut config = Config::new("/rootfs");
        config.process.user = User::Ids { uid: u32::MAX, gid: 0, groups: Vec::new(), umask: None };
        assert!(check(&config).unwrap_err().to_string().contains("4294967295"));
    }
}

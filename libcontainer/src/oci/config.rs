//! From what a bundle asks for to a configuration.

use std::path::{Path, PathBuf};

use cgroups::{DeviceAccess, DeviceRule, HugepageLimit, InterfacePriority, ThrottleDevice, WeightDevice};

use super::{hooks, invalid, seccomp, serving, spec};
use crate::config::{
    Capabilities, CapabilitySet, Cgroup, Clock, Config, Description, Device, DeviceKind, IdMapping, IntelRdt,
    Mount, Namespace, NamespaceKind, NetDevice, Network, Process, Propagation, Rlimit, TimeOffset, User,
};
use crate::error::{Error, ErrorKind, Result};

/// Makes the configuration of a container from its bundle.
pub(super) fn container(spec: &spec::Spec, bundle: &Path, id: &str) -> Result<Config> {
    if spec.vm.0 {
        return Err(Error::new(ErrorKind::Unsupported, "not supported: vm"));
    }
    let linux = &spec.linux;
    let root = spec.root.as_ref().ok_or_else(|| invalid("root: is missing"))?;
    if root.path.is_empty() {
        return Err(invalid("root.path: is missing"));
    }
    let unprocessed = || invalid("process: is missing, and a container is made to run one");
    let mut config = Config {
        rootfs: bundle.join(path(&root.path, "root.path")?),
        readonly_rootfs: root.readonly,
        rootfs_propagation: propagation(&linux.rootfs_propagation)?,
        hostname: name(&spec.hostname, "hostname")?,
        domainname: name(&spec.domainname, "domainname")?,
        namespaces: linux.namespaces.iter().map(namespace).collect::<Result<_>>()?,
        time_offsets: linux.time_offsets.iter().map(time_offset).collect::<Result<_>>()?,
        uid_mappings: linux.uid_mappings.iter().map(mapping).collect(),
        gid_mappings: linux.gid_mappings.iter().map(mapping).collect(),
        mounts: spec.mounts.iter().map(|one| mount(one, bundle)).collect::<Result<_>>()?,
        devices: linux.devices.iter().map(device).collect::<Result<_>>()?,
        masked_paths: linux.masked_paths.iter().map(PathBuf::from).collect(),
        readonly_paths: linux.readonly_paths.iter().map(PathBuf::from).collect(),
        sysctl: linux.sysctl.clone(),
        cgroup: Some(cgroup(linux, id)?),
        personality: linux.personality.as_ref().map(serving::personality).transpose()?,
        mount_label: said(&linux.mount_label),
        intel_rdt: linux.intel_rdt.as_ref().map(intel_rdt),
        hooks: hooks::hooks(&spec.hooks)?,
        description: Description {
            oci_version: spec.oci_version.clone(),
            id: id.to_owned(),
            bundle: bundle.to_owned(),
            annotations: spec.annotations.clone(),
        },
        memory_policy: linux.memory_policy.as_ref().map(serving::memory_policy).transpose()?,
        process: made_process(spec.process.as_ref().ok_or_else(unprocessed)?)?,
        ..Config::default()
    };
    config.process.seccomp = linux.seccomp.as_ref().map(seccomp::seccomp).transpose()?;
    if config.is_new(NamespaceKind::Network) {
        config.networks.push(Network::Loopback);
    }
    config.networks.extend(linux.net_devices.iter().map(net_device));
    Ok(config)
}

/// Makes a process that joins a container.
pub(super) fn process(process: &spec::Process) -> Result<Process> {
    made_process(process)
}

// ---- the process ----

fn made_process(process: &spec::Process) -> Result<Process> {
    let mut rlimits: Vec<Rlimit> = Vec::with_capacity(process.rlimits.len());
    for spec::Rlimit { kind, soft, hard } in &process.rlimits {
        if rlimits.iter().any(|known| known.kind == *kind) {
            return Err(invalid(format_args!("process.rlimits: {kind:?} is there twice")));
        }
        rlimits.push(Rlimit { kind: kind.clone(), soft: *soft, hard: *hard });
    }
    let size = process.console_size.as_ref().filter(|_| process.terminal);
    Ok(Process {
        args: process.args.clone(),
        env: process.env.clone(),
        cwd: path(&process.cwd, "process.cwd")?.to_owned(),
        user: user(&process.user),
        terminal: process.terminal,
        terminal_size: size.map(|size| (size.height, size.width)),
        capabilities: process.capabilities.as_ref().map(capabilities).unwrap_or_default(),
        rlimits,
        no_new_privileges: process.no_new_privileges,
        oom_score_adj: process.oom_score_adj,
        // The host's own confinement stays: nobody is less confined than that.
        apparmor_profile: said(&process.apparmor_profile).filter(|profile| profile != "unconfined"),
        selinux_label: said(&process.selinux_label),
        scheduler: process.scheduler.as_ref().map(serving::scheduler).transpose()?,
        io_priority: process.io_priority.as_ref().map(serving::io_priority).transpose()?,
        exec_cpu_affinity: process.exec_cpu_affinity.as_ref().map(serving::cpu_affinity),
        ..Process::default()
    })
}

fn said(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn user(user: &spec::User) -> User {
    // The specification knows names on Windows only; here one counts where there are no numbers.
    if user.uid == 0 && user.gid == 0 && !user.username.is_empty() {
        return User::Spec(user.username.clone());
    }
    User::Ids { uid: user.uid, gid: user.gid, groups: user.additional_gids.clone(), umask: user.umask }
}

fn capabilities(sets: &spec::Capabilities) -> Capabilities {
    // The specification asks to go on without capabilities that can't be granted.
    let set =
        |names: &[String]| -> CapabilitySet { names.iter().filter_map(|name| name.parse().ok()).collect() };
    let (permitted, inheritable) = (set(&sets.permitted), set(&sets.inheritable));
    let raisable = permitted.bits() & inheritable.bits();
    Capabilities {
        bounding: set(&sets.bounding),
        effective: set(&sets.effective),
        permitted,
        inheritable,
        ambient: CapabilitySet::from_bits(set(&sets.ambient).bits() & raisable),
    }
}

// ---- the container ----

fn path<'a>(text: &'a str, what: &str) -> Result<&'a Path> {
    if text.contains('\0') {
        Err(invalid(format_args!("{what} {text:?}: has a NUL byte")))
    } else {
        Ok(Path::new(text))
    }
}

fn name(text: &str, what: &str) -> Result<Option<String>> {
    path(text, what)?;
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

fn propagation(word: &str) -> Result<Option<Propagation>> {
    Ok(Some(match word {
        "" => return Ok(None),
        "private" | "rprivate" => Propagation::Private,
        "slave" | "rslave" => Propagation::Slave,
        "shared" | "rshared" => Propagation::Shared,
        "unbindable" | "runbindable" => Propagation::Unbindable,
        _ => return Err(invalid(format_args!("linux.rootfsPropagation {word:?}: unknown"))),
    }))
}

fn namespace(namespace: &spec::Namespace) -> Result<Namespace> {
    let kind = match namespace.kind.as_str() {
        "pid" => NamespaceKind::Pid,
        "network" => NamespaceKind::Network,
        "mount" => NamespaceKind::Mount,
        "ipc" => NamespaceKind::Ipc,
        "uts" => NamespaceKind::Uts,
        "user" => NamespaceKind::User,
        "cgroup" => NamespaceKind::Cgroup,
        "time" => NamespaceKind::Time,
        other => return Err(invalid(format_args!("linux.namespaces: type {other:?} is unknown"))),
    };
    let joined = path(&namespace.path, "linux.namespaces: path")?;
    if !namespace.path.is_empty() && !joined.is_absolute() {
        return Err(invalid(format_args!("linux.namespaces: path {joined:?} must be absolute")));
    }
    Ok(Namespace { kind, path: (!namespace.path.is_empty()).then(|| joined.to_owned()) })
}

fn time_offset((clock, offset): (&String, &spec::TimeOffset)) -> Result<(Clock, TimeOffset)> {
    let clock = match clock.as_str() {
        "monotonic" => Clock::Monotonic,
        "boottime" => Clock::Boottime,
        other => return Err(invalid(format_args!("linux.timeOffsets: clock {other:?} is unknown"))),
    };
    Ok((clock, TimeOffset { secs: offset.secs, nanosecs: offset.nanosecs }))
}

fn intel_rdt(wanted: &spec::IntelRdt) -> IntelRdt {
    IntelRdt {
        clos_id: said(&wanted.clos_id),
        l3_cache_schema: said(&wanted.l3_cache_schema),
        mem_bw_schema: said(&wanted.mem_bw_schema),
        schemata: wanted.schemata.clone(),
        // The fields of 1.1 and 1.2 meant a part of what there is to be monitored: there is no part.
        enable_monitoring: wanted.enable_monitoring || wanted.enable_cmt || wanted.enable_mbm,
    }
}

fn net_device((host_name, device): (&String, &spec::NetDevice)) -> Network {
    let name = (!device.name.is_empty()).then(|| device.name.clone());
    Network::Device(NetDevice { host_name: host_name.clone(), name })
}

fn mapping(mapping: &spec::IdMapping) -> IdMapping {
    IdMapping { container: mapping.container, host: mapping.host, size: mapping.size }
}

fn mount(mount: &spec::Mount, bundle: &Path) -> Result<Mount> {
    let mut options = mount.options.clone();
    let says_bind = options.iter().any(|word| matches!(word.as_str(), "bind" | "rbind"));
    if mount.kind == "bind" && !says_bind {
        options.push("bind".to_owned());
    }
    let is_bind = says_bind || mount.kind == "bind";
    if mount.kind.is_empty() && !is_bind {
        return Err(invalid(format_args!(
            "mount on {:?}: has neither a type nor \"bind\"",
            mount.destination
        )));
    }
    let source = match (is_bind, mount.source.is_empty()) {
        (true, true) => return Err(invalid(format_args!("bind on {:?}: has no source", mount.destination))),
        (true, false) => bundle.join(&mount.source),
        (false, true) => PathBuf::from(&mount.kind),
        (false, false) => PathBuf::from(&mount.source),
    };
    if mount.destination.is_empty() {
        return Err(invalid("mount: has no destination"));
    }
    let kind = if is_bind { String::new() } else { mount.kind.clone() };
    // A relative destination begins at the container's root.
    let mappings = |list: &[spec::IdMapping]| list.iter().map(mapping).collect();
    Ok(Mount {
        destination: Path::new("/").join(&mount.destination),
        kind,
        source,
        options,
        uid_mappings: mappings(&mount.uid_mappings),
        gid_mappings: mappings(&mount.gid_mappings),
    })
}

fn device(device: &spec::Device) -> Result<Device> {
    let kind = match device.kind.as_str() {
        "c" | "u" => DeviceKind::Character,
        "b" => DeviceKind::Block,
        "p" => DeviceKind::Fifo,
        other => return Err(invalid(format_args!("device {:?}: type {other:?} is unknown", device.path))),
    };
    let number = |number: i64| {
        let wrong = || invalid(format_args!("device {:?}: number {number} is none", device.path));
        u32::try_from(number).map_err(|_| wrong())
    };
    let (major, minor) =
        if kind == DeviceKind::Fifo { (0, 0) } else { (number(device.major)?, number(device.minor)?) };
    let mode = device.file_mode.unwrap_or(0o666) & 0o7777;
    Ok(Device {
        path: PathBuf::from(&device.path),
        kind,
        major,
        minor,
        mode,
        uid: device.uid,
        gid: device.gid,
    })
}

// ---- the control group ----

fn cgroup(linux: &spec::Linux, id: &str) -> Result<Cgroup> {
    let named = path(&linux.cgroups_path, "linux.cgroupsPath")?;
    let path = if linux.cgroups_path.is_empty() { Path::new("/").join(id) } else { named.to_owned() };
    let devices = linux.resources.devices.iter().map(device_rule).collect::<Result<_>>()?;
    Ok(Cgroup { path, systemd: false, resources: resources(&linux.resources), devices })
}

fn resources(wanted: &spec::Resources) -> cgroups::Resources {
    let mut resources = cgroups::Resources::default();
    resources.unified.clone_from(&wanted.unified);
    let spec::Resources { memory, cpu, pids, .. } = wanted;
    if *memory != spec::Memory::default() {
        let limits = resources.memory.get_or_insert_default();
        (limits.limit, limits.reservation, limits.swap) = (memory.limit, memory.reservation, memory.swap);
        limits.check_before_update = memory.check_before_update;
        // Some engines write -1 for "not given" here.
        let limited = |limit: Option<i64>| limit.filter(|limit| *limit > 0);
        (limits.kernel, limits.kernel_tcp) = (limited(memory.kernel), limited(memory.kernel_tcp));
        (limits.swappiness, limits.use_hierarchy) = (memory.swappiness, memory.use_hierarchy);
        limits.disable_oom_killer = memory.disable_oom_killer.then_some(true);
    }
    if *cpu != spec::Cpu::default() {
        let limits = resources.cpu.get_or_insert_default();
        (limits.shares, limits.quota, limits.period, limits.burst) =
            (cpu.shares, cpu.quota, cpu.period, cpu.burst);
        limits.idle = cpu.idle.map(|idle| idle != 0);
        (limits.realtime_runtime, limits.realtime_period) = (cpu.realtime_runtime, cpu.realtime_period);
    }
    if !cpu.cpus.is_empty() || !cpu.mems.is_empty() {
        let sets = resources.cpuset.get_or_insert_default();
        let given = |list: &str| (!list.is_empty()).then(|| list.to_owned());
        (sets.cpus, sets.mems) = (given(&cpu.cpus), given(&cpu.mems));
    }
    // Until 1.3 the field had no way to be absent: engines write 0 for no limit.
    if let Some(limit) = pids.limit.filter(|limit| *limit != 0) {
        resources.pids.get_or_insert_default().limit = Some(limit);
    }
    if wanted.block_io != spec::BlockIo::default() {
        resources.block_io = Some(block_io(&wanted.block_io));
    }
    let huge = wanted.hugepage_limits.iter();
    resources.hugepage_limits = huge.map(|one| HugepageLimit::new(&one.page_size, one.limit)).collect();
    for (device, wanted) in &wanted.rdma {
        let limits = resources.rdma.entry(device.clone()).or_default();
        (limits.hca_handles, limits.hca_objects) = (wanted.hca_handles, wanted.hca_objects);
    }
    let spec::NetworkMarks { class_id, priorities } = &wanted.network;
    if wanted.network != spec::NetworkMarks::default() {
        let network = resources.network.get_or_insert_default();
        network.class_id = *class_id;
        let priority = |one: &spec::InterfacePriority| InterfacePriority::new(&one.name, one.priority);
        network.priorities = priorities.iter().map(priority).collect();
    }
    resources
}

fn block_io(wanted: &spec::BlockIo) -> cgroups::BlockIo {
    let mut io = cgroups::BlockIo::default();
    (io.weight, io.leaf_weight) = (wanted.weight, wanted.leaf_weight);
    for wanted in &wanted.weight_device {
        let mut device = WeightDevice::new(wanted.major, wanted.minor, 0);
        (device.weight, device.leaf_weight) = (wanted.weight, wanted.leaf_weight);
        io.weight_device.push(device);
    }
    let rates = |devices: &[spec::ThrottleDevice]| {
        devices.iter().map(|one| ThrottleDevice::new(one.major, one.minor, one.rate)).collect()
    };
    io.throttle_read_bps_device = rates(&wanted.throttle_read_bps_device);
    io.throttle_write_bps_device = rates(&wanted.throttle_write_bps_device);
    io.throttle_read_iops_device = rates(&wanted.throttle_read_iops_device);
    io.throttle_write_iops_device = rates(&wanted.throttle_write_iops_device);
    io
}

fn device_rule(rule: &spec::DeviceRule) -> Result<DeviceRule> {
    use cgroups::DeviceKind::{All, Block, Char};
    let kind = match rule.kind.as_str() {
        "" | "a" => All,
        "b" => Block,
        "c" | "u" => Char,
        other => return Err(invalid(format_args!("linux.resources.devices: type {other:?} is unknown"))),
    };
    let number = |number: Option<i64>| match number {
        None | Some(-1) => Ok(None),
        Some(number) => {
            let wrong = || invalid(format_args!("linux.resources.devices: number {number} is none"));
            u32::try_from(number).map(Some).map_err(|_| wrong())
        }
    };
    let access = match rule.access.as_str() {
        "" => DeviceAccess::all(),
        letters => {
            letters.parse().map_err(|error| invalid(format_args!("linux.resources.devices: {error}")))?
        }
    };
    Ok(DeviceRule { allow: rule.allow, kind, major: number(rule.major)?, minor: number(rule.minor)?, access })
}

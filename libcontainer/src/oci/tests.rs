use super::*;
use crate::config::{CapabilitySet, IdMapping, Network, Propagation, User};

const RUNC: &[u8] = include_bytes!("../../tests/fixtures/runc-spec.json");
const ROOTLESS: &[u8] = include_bytes!("../../tests/fixtures/runc-spec-rootless.json");
const LARGE: &[u8] = include_bytes!("../../tests/fixtures/large-bundle.json");
const SECCOMP: &str = include_str!("../../tests/fixtures/docker-default-seccomp.json");

fn config(json: &[u8]) -> Result<Config> {
    Bundle::parse("/bundle", json)?.config("web")
}

/// A small bundle with these members added.
fn with(members: &str) -> Result<Config> {
    let json = format!(
        r#"{{"ociVersion": "1.2.0", "process": {{"cwd": "/", "args": ["true"]}}, "root": {{"path": "rootfs"}}, {members}}}"#
    );
    config(json.as_bytes())
}

fn with_linux(members: &str) -> Result<Config> {
    with(&format!(r#""linux": {{{members}}}"#))
}

#[test]
fn what_runc_writes_is_understood_whole() {
    let config = config(RUNC).unwrap();
    assert_eq!(config.rootfs, Path::new("/bundle/rootfs"));
    assert!(config.readonly_rootfs && config.process.terminal && config.process.no_new_privileges);
    assert_eq!(config.process.args, ["sh"]);
    assert_eq!(
        config.process.capabilities.effective.to_string(),
        "CAP_KILL CAP_NET_BIND_SERVICE CAP_AUDIT_WRITE"
    );
    // Its ambient set isn't inheritable too: the kernel gives none, and runc's containers have none.
    assert_eq!(config.process.capabilities.ambient, CapabilitySet::NONE);
    assert_eq!((config.mounts.len(), config.masked_paths.len(), config.readonly_paths.len()), (7, 10, 5));
    assert_eq!(config.networks, [Network::Loopback]);
    let cgroup = config.cgroup.as_ref().unwrap();
    assert_eq!((cgroup.path.as_path(), cgroup.devices.len()), (Path::new("/web"), 1));
    crate::config::check::check(&config).unwrap();
}

#[test]
fn what_runc_writes_for_an_ordinary_user_is_understood_whole() {
    let config = config(ROOTLESS).unwrap();
    assert_eq!(config.uid_mappings, [IdMapping { container: 0, host: 1000, size: 1 }]);
    assert!(config.networks.is_empty(), "the network is the host's");
    let sys = config.mounts.iter().find(|mount| mount.destination == Path::new("/sys")).unwrap();
    assert_eq!((sys.kind.as_str(), sys.source.as_path()), ("", Path::new("/sys")));
    crate::config::check::check(&config).unwrap();
}

#[test]
fn a_large_bundle_keeps_every_value() {
    let config = config(LARGE).unwrap();
    let User::Ids { uid, gid, groups, umask } = &config.process.user else {
        panic!("{:?}", config.process.user)
    };
    assert_eq!((*uid, *gid, groups.as_slice(), *umask), (101, 102, &[1001, 1002][..], Some(0o027)));
    assert_eq!(config.process.terminal_size, Some((40, 120)));
    assert_eq!(config.process.oom_score_adj, Some(-100));
    assert_eq!(config.process.rlimits[0].soft, u64::MAX);
    assert_eq!(config.process.capabilities.ambient.to_string(), "CAP_NET_RAW");
    assert_eq!(config.domainname.as_deref(), Some("nis.example"));
    assert_eq!(config.rootfs_propagation, Some(Propagation::Slave));
    assert_eq!(config.sysctl["net.ipv4.ip_forward"], "1");
    let cgroup = config.cgroup.as_ref().unwrap();
    assert_eq!(cgroup.path, Path::new("/docker/0123abcd"));
    let resources = &cgroup.resources;
    assert_eq!(resources.memory.as_ref().unwrap().limit, Some(536_870_912));
    assert_eq!(resources.cpu.as_ref().unwrap().quota, Some(50_000));
    assert_eq!(resources.cpuset.as_ref().unwrap().cpus.as_deref(), Some("0-1"));
    assert_eq!(resources.pids.as_ref().unwrap().limit, Some(512));
    let rules: Vec<_> = cgroup.devices.iter().map(ToString::to_string).collect();
    assert_eq!(rules, ["a *:* rwm", "c 10:229 rwm", "b 8:* r"]);
    assert_eq!((config.devices[0].major, config.devices[0].minor, config.devices[0].mode), (10, 229, 0o660));
    let sources: Vec<_> = config.mounts.iter().map(|mount| mount.source.display().to_string()).collect();
    assert!(
        sources.contains(&"/bundle/data".to_owned()),
        "a bind's source begins at the bundle: {sources:?}"
    );
    let relative = config.mounts.iter().find(|mount| mount.source == Path::new("/bundle/data")).unwrap();
    assert_eq!(relative.destination, Path::new("/var/lib/data"));
    assert_eq!(relative.options, ["nosuid", "bind"]);
    let joined: Vec<_> = config.namespaces.iter().filter_map(|namespace| namespace.path.as_deref()).collect();
    assert_eq!(joined, [Path::new("/proc/1/ns/ipc")]);
    crate::config::check::check(&config).unwrap();
}

#[test]
fn what_is_not_done_is_refused_by_its_name() {
    let error = with(r#""vm": {"kernel": {"path": "/vmlinuz"}}"#).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(error.to_string(), "not supported: vm");
}

#[test]
fn mapped_mounts_labels_and_shares_of_caches_are_passed_on() {
    let config = with(
        r#""mounts": [{"destination": "/a", "source": "/a", "options": ["bind", "ridmap"],
                       "uidMappings": [{"containerID": 0, "hostID": 1, "size": 2}],
                       "gidMappings": [{"containerID": 3, "hostID": 4, "size": 5}]},
                      {"destination": "/b", "type": "tmpfs", "options": ["tmpcopyup"], "uidMappings": null}],
           "linux": {"mountLabel": "label",
                     "intelRdt": {"closID": "gold", "l3CacheSchema": "L3:0=f", "memBwSchema": "MB:0=20",
                                  "schemata": ["L2:0=1"], "enableMonitoring": true}}"#,
    )
    .unwrap();
    let mapped = &config.mounts[0];
    assert_eq!(mapped.uid_mappings, [IdMapping { container: 0, host: 1, size: 2 }]);
    assert_eq!(mapped.gid_mappings, [IdMapping { container: 3, host: 4, size: 5 }]);
    assert_eq!(config.mounts[1].options, ["tmpcopyup"]);
    assert_eq!(config.mount_label.as_deref(), Some("label"));
    let share = config.intel_rdt.unwrap();
    assert_eq!(share.clos_id.as_deref(), Some("gold"));
    assert_eq!(share.lines(), ["L3:0=f", "MB:0=20", "L2:0=1"]);
    assert!(share.enable_monitoring);
}

#[test]
fn hooks_are_passed_on_with_what_they_are_told() {
    let config = with(
        r#""annotations": {"a": "b"},
           "hooks": {"prestart": [{"path": "/a", "args": ["a", "1"], "env": ["X=1"], "timeout": 7}],
                     "createRuntime": [{"path": "/b"}], "createContainer": [{"path": "/c"}, {"path": "/d"}],
                     "startContainer": [{"path": "/e"}], "poststart": [{"path": "/f"}],
                     "poststop": [{"path": "/g"}]}"#,
    )
    .unwrap();
    let hooks: Vec<_> = config.hooks.all().collect();
    let kinds: Vec<_> =
        hooks.iter().map(|(kind, number, hook)| (*kind, *number, hook.path.to_str().unwrap())).collect();
    let expected = [
        ("prestart", 0, "/a"),
        ("createRuntime", 0, "/b"),
        ("createContainer", 0, "/c"),
        ("createContainer", 1, "/d"),
        ("startContainer", 0, "/e"),
        ("poststart", 0, "/f"),
        ("poststop", 0, "/g"),
    ];
    assert_eq!(kinds, expected);
    let first = hooks[0].2;
    assert_eq!(
        (&first.args[..], &first.env[..], first.timeout),
        (&["a".into(), "1".into()][..], &["X=1".into()][..], Some(7))
    );
    let told = &config.description;
    assert_eq!(
        (told.id.as_str(), told.bundle.as_path(), told.annotations["a"].as_str()),
        ("web", Path::new("/bundle"), "b")
    );
    for (hook, says) in [
        (r#"{"path": "a"}"#, "hooks.poststop[1].path \"a\": must be absolute"),
        (r#"{"path": "/a", "timeout": 0}"#, "hooks.poststop[1].timeout 0: must be above 0"),
        (r#"{"path": "/a", "timeout": -1}"#, "hooks.poststop[1].timeout -1: must be above 0"),
    ] {
        let error = with(&format!(r#""hooks": {{"poststop": [{{"path": "/x"}}, {hook}]}}"#)).unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[test]
fn network_devices_are_moved_and_renamed() {
    use crate::config::NetDevice;
    let config = with(
        r#""linux": {"namespaces": [{"type": "mount"}, {"type": "network"}],
                                   "netDevices": {"ens4": {"name": "eth0"}, "ens3": {}}}"#,
    );
    let device = |host_name: &str, name: Option<&str>| {
        Network::Device(NetDevice { host_name: host_name.to_owned(), name: name.map(str::to_owned) })
    };
    let wanted = [Network::Loopback, device("ens3", None), device("ens4", Some("eth0"))];
    assert_eq!(config.unwrap().networks, wanted);
    let error = with(r#""linux": {"netDevices": {"ens3": {"name": 7}}}"#).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{error}");
}

#[test]
fn how_the_kernel_serves_a_process_is_passed_on() {
    use crate::config::{IoClass, MemoryFlag, MemoryMode, Personality, SchedulerFlag, SchedulerPolicy};
    let json = br#"{"cwd": "/", "args": ["true"],
        "scheduler": {"policy": "SCHED_FIFO", "priority": 9, "flags": ["SCHED_FLAG_RESET_ON_FORK"]},
        "ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 6}, "execCPUAffinity": {"initial": "0", "final": "1-3"}}"#;
    let process = process(json).unwrap();
    let scheduler = process.scheduler.unwrap();
    assert_eq!((scheduler.policy, scheduler.priority), (SchedulerPolicy::Fifo, 9));
    assert_eq!(scheduler.flags, [SchedulerFlag::ResetOnFork]);
    let priority = process.io_priority.unwrap();
    assert_eq!((priority.class, priority.priority), (IoClass::BestEffort, 6));
    let affinity = process.exec_cpu_affinity.unwrap();
    assert_eq!((affinity.initial.as_deref(), affinity.last.as_deref()), (Some("0"), Some("1-3")));

    let config = with_linux(
        r#""personality": {"domain": "LINUX32"},
           "memoryPolicy": {"mode": "MPOL_INTERLEAVE", "nodes": "0-1", "flags": ["MPOL_F_STATIC_NODES"]}"#,
    )
    .unwrap();
    assert_eq!(config.personality, Some(Personality::Linux32));
    let policy = config.memory_policy.unwrap();
    assert_eq!((policy.mode, policy.nodes.as_str()), (MemoryMode::Interleave, "0-1"));
    assert_eq!(policy.flags, [MemoryFlag::StaticNodes]);
}

#[test]
fn words_that_are_unknown_are_told_with_their_field() {
    for (linux, field) in [
        (r#""personality": {"domain": "BSD"}"#, "linux.personality.domain: \"BSD\""),
        (r#""personality": {"domain": "LINUX", "flags": ["ADDR"]}"#, "linux.personality.flags: \"ADDR\""),
        (r#""memoryPolicy": {"mode": "MPOL_FAR"}"#, "linux.memoryPolicy.mode: \"MPOL_FAR\""),
    ] {
        let error = with_linux(linux).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        assert!(error.to_string().contains(field), "{error}");
    }
    for (field, told) in [
        (r#""scheduler": {"policy": "SCHED_FAIR"}"#, "process.scheduler.policy: \"SCHED_FAIR\""),
        (
            r#""scheduler": {"policy": "SCHED_RR", "priority": -1}"#,
            "process.scheduler.priority: -1 is below 0",
        ),
        (r#""ioPriority": {"class": "RT"}"#, "process.ioPriority.class: \"RT\""),
    ] {
        let json = format!(r#"{{"cwd": "/", "args": ["true"], {field}}}"#);
        let error = process(json.as_bytes()).unwrap_err();
        assert!(error.to_string().contains(told), "{error}");
    }
}

#[test]
fn every_resource_of_the_specification_is_passed_on() {
    let config = with_linux(
        r#""resources": {
            "memory": {"swappiness": 0, "disableOOMKiller": true, "kernel": 8192, "kernelTCP": 4096, "useHierarchy": true},
            "cpu": {"realtimeRuntime": 950, "realtimePeriod": 1000},
            "blockIO": {"weight": 10, "leafWeight": 20,
                        "weightDevice": [{"major": 8, "minor": 0, "weight": 500, "leafWeight": 300}],
                        "throttleReadBpsDevice": [{"major": 8, "minor": 1, "rate": 1}],
                        "throttleWriteBpsDevice": [{"major": 8, "minor": 2, "rate": 2}],
                        "throttleReadIOPSDevice": [{"major": 8, "minor": 3, "rate": 3}],
                        "throttleWriteIOPSDevice": [{"major": 8, "minor": 4, "rate": 4}]},
            "hugepageLimits": [{"pageSize": "2MB", "limit": 1}],
            "rdma": {"mlx5_1": {"hcaHandles": 3, "hcaObjects": 10000}},
            "network": {"classID": 1048577, "priorities": [{"name": "eth0", "priority": 500}]}}"#,
    );
    let resources = config.unwrap().cgroup.unwrap().resources;
    let memory = resources.memory.unwrap();
    assert_eq!((memory.swappiness, memory.disable_oom_killer), (Some(0), Some(true)));
    assert_eq!(
        (memory.kernel, memory.kernel_tcp, memory.use_hierarchy),
        (Some(8192), Some(4096), Some(true))
    );
    let cpu = resources.cpu.unwrap();
    assert_eq!((cpu.realtime_runtime, cpu.realtime_period), (Some(950), Some(1000)));
    let io = resources.block_io.unwrap();
    assert_eq!((io.weight, io.leaf_weight), (Some(10), Some(20)));
    assert_eq!((io.weight_device[0].weight, io.weight_device[0].leaf_weight), (Some(500), Some(300)));
    let rates = [
        &io.throttle_read_bps_device,
        &io.throttle_write_bps_device,
        &io.throttle_read_iops_device,
        &io.throttle_write_iops_device,
    ];
    assert_eq!(rates.map(|list| (list[0].minor, list[0].rate)), [(1, 1), (2, 2), (3, 3), (4, 4)]);
    assert_eq!(resources.hugepage_limits, [cgroups::HugepageLimit::new("2MB", 1)]);
    assert_eq!(resources.rdma["mlx5_1"].hca_objects, Some(10_000));
    let network = resources.network.unwrap();
    assert_eq!(network.class_id, Some(0x0010_0001));
    assert_eq!(network.priorities, [cgroups::InterfacePriority::new("eth0", 500)]);
}

#[test]
fn dockers_filter_is_never_dropped() {
    let config = with_linux(&format!(r#""seccomp": {SECCOMP}"#)).unwrap();
    let filter = config.process.seccomp.unwrap();
    assert_eq!(filter, super::seccomp(SECCOMP.as_bytes()).unwrap());
    assert!(filter.rules.len() > 10);
    let error = with_linux(r#""seccomp": {"defaultAction": "SCMP_ACT_NONE"}"#).unwrap_err();
    assert!(error.to_string().contains("linux.seccomp.defaultAction"), "{error}");
    let json = br#"{"cwd": "/", "args": ["true"], "apparmorProfile": "web", "selinuxLabel": "l"}"#;
    let process = process(json).unwrap();
    assert_eq!(
        (process.apparmor_profile.as_deref(), process.selinux_label.as_deref()),
        (Some("web"), Some("l"))
    );
}

#[test]
fn what_asks_for_nothing_is_fine() {
    with(
        r#""hooks": {"prestart": [], "poststop": null}, "annotations": null, "mounts": null, "hostname": null,
           "linux": {"seccomp": null, "mountLabel": "", "timeOffsets": {}, "netDevices": {}, "intelRdt": null,
                     "resources": {"pids": {"limit": 0}, "memory": {"kernel": -1, "swappiness": null},
                                   "blockIO": {"weight": 0, "weightDevice": null}, "network": {}, "hugepageLimits": []}},
           "solaris": {"limitpriv": "x"}, "windows": {"layerFolders": ["x"]}, "unheardOf": {"deep": [[[]]]}"#,
    )
    .unwrap();
    assert_eq!(with_linux("").unwrap().cgroup.unwrap().resources, cgroups::Resources::default());
}

#[test]
fn versions_before_and_after_ours_are_told_apart() {
    for (version, known) in [
        ("1.0.2-dev", true),
        ("1.3.0", true),
        ("1.9.9+x", true),
        ("2.0.0", false),
        ("1.0", false),
        ("", false),
    ] {
        let json = format!(r#"{{"ociVersion": {version:?}}}"#);
        assert_eq!(Bundle::parse("/bundle", json.as_bytes()).is_ok(), known, "{version}");
    }
}

#[test]
fn whatever_is_wrong_is_one_line() {
    let deep = "[".repeat(100_000);
    let long = format!(r#"{{"ociVersion": 1{}"#, "0".repeat(100_000));
    let cases: [(&str, &str); 13] = [
        ("null", "line 1 column 4"),
        ("", "line 1 column 0"),
        ("[]", "line 1"),
        ("{}", "ociVersion"),
        ("\u{0}", "line 1 column 1"),
        (r#"{"ociVersion": "1.0.0", "process": 5}"#, "line 1 column 36"),
        ("{\"ociVersion\": \"1.0.0\",\n \"mounts\": {}}", "line 2"),
        (r#"{"ociVersion": "1.0.0", "ociVersion": "1.0.0"}"#, "duplicate field"),
        (r#"{"ociVersion": "2\n0"}"#, r#"ociVersion "2\n0""#),
        (r#"{"ociVersion": "1.0.0", "process": {"cwd": "/", "user": {"uid": 4294967296}}}"#, "4294967296"),
        (r#"{"ociVersion": "1.0.0", "process": {"cwd": "/", "user": {"uid": -1}}}"#, "-1"),
        (&deep, "line 1"),
        (&long, "line 1"),
    ];
    for (json, part) in cases {
        let text = Bundle::parse("/bundle", json.as_bytes()).map(|_| ()).unwrap_err().to_string();
        assert!(text.contains(part) && !text.contains('\n'), "{text}");
    }
    // Beneath a field that is looked into, too.
    let hooks = format!(r#"{{"ociVersion": "1.0.0", "hooks": {deep}"#);
    Bundle::parse("/bundle", hooks.as_bytes()).unwrap_err();
}

#[test]
fn values_that_mean_nothing_are_named() {
    for (linux, part) in [
        (r#""namespaces": [{"type": "net"}]"#, r#"type "net" is unknown"#),
        (r#""namespaces": [{"type": "network", "path": "ns"}]"#, r#"path "ns" must be absolute"#),
        (r#""rootfsPropagation": "sharde""#, r#""sharde": unknown"#),
        (r#""devices": [{"path": "/dev/x", "type": "z"}]"#, r#"type "z" is unknown"#),
        (r#""devices": [{"path": "/dev/x", "type": "c", "major": -1}]"#, "number -1 is none"),
        (r#""resources": {"devices": [{"allow": true, "type": "c", "access": "rx"}]}"#, "not of r, w and m"),
        (r#""cgroupsPath": "a\u0000b""#, "NUL"),
    ] {
        let error = with_linux(linux).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{error}");
        assert!(error.to_string().contains(part), "{error}");
    }
    for (member, part) in [
        (r#""hostname": "a\u0000b""#, "NUL"),
        (r#""mounts": [{"destination": "/a", "source": "/b"}]"#, "neither a type"),
        (r#""mounts": [{"destination": "/a", "type": "bind"}]"#, "no source"),
        (r#""mounts": [{"destination": "", "type": "tmpfs"}]"#, "no destination"),
    ] {
        let error = with(member).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    let twice = br#"{"cwd": "/", "rlimits": [{"type": "RLIMIT_CPU", "soft": 1, "hard": 1}, {"type": "RLIMIT_CPU", "soft": 2, "hard": 2}]}"#;
    assert!(process(twice).unwrap_err().to_string().contains("twice"));
}

#[test]
fn a_bundle_without_process_or_root_is_refused() {
    let error = config(br#"{"ociVersion": "1.0.0", "root": {"path": "/r"}}"#).unwrap_err();
    assert!(error.to_string().starts_with("process: is missing"), "{error}");
    let error = config(br#"{"ociVersion": "1.0.0", "process": {"cwd": "/"}}"#).unwrap_err();
    assert!(error.to_string().starts_with("root: is missing"), "{error}");
}

#[test]
fn unknown_capabilities_are_left_out_and_absent_ones_are_none() {
    let json = br#"{"cwd": "/", "args": ["a"], "capabilities": {"permitted": ["CAP_KILL", "CAP_FUTURE"]}}"#;
    assert_eq!(process(json).unwrap().capabilities.permitted.to_string(), "CAP_KILL");
    let none = process(br#"{"cwd": "/", "args": ["a"]}"#).unwrap();
    assert_eq!(none.capabilities, crate::config::Capabilities::default());
}

#[test]
fn a_bundle_that_is_not_there_is_told_by_its_path() {
    let error = load("/there/is/no/bundle").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(
        error.to_string(),
        r#"open bundle "/there/is/no/bundle": No such file or directory (os error 2)"#
    );
    let error = load("/proc/self/fdinfo").unwrap_err();
    assert!(
        error.to_string().ends_with(r#"fdinfo/config.json": No such file or directory (os error 2)"#),
        "{error}"
    );
}

#[test]
fn a_fifo_for_a_config_keeps_nobody_waiting() {
    // A peer hung when a file that it read was a FIFO.
    let folder = std::env::temp_dir().join(format!("libcontainer-fifo-{}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    let made = std::process::Command::new("mkfifo").arg(folder.join(CONFIG)).status();
    let error = load(&folder).unwrap_err();
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(made.unwrap().success());
    assert!(error.to_string().ends_with("is not a regular file"), "{error}");
}

#[test]
fn the_example_is_the_one_that_runc_writes() {
    // Newer than what this runc wrote: no ambient capabilities, which nobody got, and one more mask.
    let mut runc: serde_json::Value = serde_json::from_slice(RUNC).unwrap();
    runc["ociVersion"] = VERSION.into();
    runc["process"]["capabilities"].as_object_mut().unwrap().remove("ambient");
    runc["linux"]["maskedPaths"].as_array_mut().unwrap().push("/sys/devices/virtual/tpm".into());
    let text = default_spec(false);
    let mut ours: serde_json::Value = serde_json::from_str(&text).unwrap();
    // Where there is only cgroup v2, both add a cgroup namespace.
    ours["linux"]["namespaces"].as_array_mut().unwrap().retain(|namespace| namespace["type"] != "cgroup");
    assert_eq!(ours, runc);
    assert!(
        text.starts_with("{\n\t\"ociVersion\": \"1.3.0\",\n\t\"process\": {\n\t\t\"terminal\": true,"),
        "{text}"
    );

    let mut rootless: serde_json::Value = serde_json::from_slice(ROOTLESS).unwrap();
    rootless["linux"]["uidMappings"][0]["hostID"] = nix::unistd::geteuid().as_raw().into();
    rootless["linux"]["gidMappings"][0]["hostID"] = nix::unistd::getegid().as_raw().into();
    rootless["linux"]["maskedPaths"].as_array_mut().unwrap().push("/sys/devices/virtual/tpm".into());
    rootless["process"]["capabilities"].as_object_mut().unwrap().remove("ambient");
    rootless["ociVersion"] = VERSION.into();
    let mut ours: serde_json::Value = serde_json::from_str(&default_spec(true)).unwrap();
    ours["linux"]["namespaces"].as_array_mut().unwrap().retain(|namespace| namespace["type"] != "cgroup");
    assert_eq!(ours, rootless);
}

#[test]
fn the_example_is_a_bundle() {
    for rootless in [false, true] {
        let config = config(default_spec(rootless).as_bytes()).unwrap();
        crate::config::check::check(&config).unwrap();
    }
}

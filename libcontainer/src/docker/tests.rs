use std::path::PathBuf;

use super::*;
use crate::Plan;
use crate::config::{CapabilitySet, NamespaceKind, Network, Propagation, User};

const NAMES: &[u8] = include_bytes!("../../tests/fixtures/container-json/names.json");
const V0_10: &[u8] = include_bytes!("../../tests/fixtures/container-json/v0.10.json");
const V0_11: &[u8] = include_bytes!("../../tests/fixtures/container-json/v0.11.json");
const V1_0: &[u8] = include_bytes!("../../tests/fixtures/container-json/v1.0.json");
const V1_4: &[u8] = include_bytes!("../../tests/fixtures/container-json/v1.4.json");

fn read(json: &[u8]) -> Config {
    parse(json).and_then(|file| file.config("/rootfs", ["sh"])).unwrap()
}

/// A file with what every one needs, and these keys.
fn with(keys: &str) -> Result<Config> {
    let json = format!(r#"{{"namespaces": {{"NEWNS": true, "NEWNET": true, "NEWUTS": true}}, {keys}}}"#);
    parse(json.as_bytes())?.config("/rootfs", ["sh"])
}

#[track_caller]
fn refused(keys: &str, kind: ErrorKind, why: &str) {
    let error = with(keys).unwrap_err();
    assert_eq!((error.kind(), error.to_string().contains(why)), (kind, true), "{error}");
}

fn options<'a>(config: &'a Config, destination: &str) -> Vec<&'a str> {
    let found = config.mounts.iter().find(|mount| mount.destination == Path::new(destination));
    let found = found.unwrap_or_else(|| panic!("no mount on {destination}: {:?}", config.mounts));
    found.options.iter().map(String::as_str).collect()
}

fn kinds(config: &Config) -> Vec<NamespaceKind> {
    let mut kinds: Vec<_> = config.namespaces.iter().map(|one| one.kind).collect();
    kinds.sort_unstable();
    kinds
}

fn permitted(config: &Config, name: &str) -> bool {
    config.process.capabilities.permitted.contains(name.parse().unwrap())
}

#[test]
fn each_dialect_is_recognised_and_can_be_planned() {
    use NamespaceKind::{Ipc, Mount, Network, Pid, Uts};
    let files = [
        (NAMES, Dialect::V0_10),
        (V0_10, Dialect::V0_10),
        (V0_11, Dialect::V0_11),
        (V1_0, Dialect::V1),
        (V1_4, Dialect::V1),
    ];
    for (json, dialect) in files {
        let file = parse(json).unwrap();
        assert_eq!(file.dialect(), dialect);
        let config = file.config("/rootfs", ["sh", "-c", "true"]).unwrap();
        assert_eq!((config.rootfs.to_str(), config.process.args.len()), (Some("/rootfs"), 3));
        assert_eq!(config.hostname.as_deref(), Some("box"));
        assert_eq!(kinds(&config), [Mount, Uts, Ipc, Pid, Network]);
        crate::config::check::check(&config).unwrap();
        Plan::new(&config).unwrap();
    }
}

/// The historical TestContainerJsonFormat, for the sample of its own day.
#[test]
fn container_json_format() {
    let config = read(V1_0);
    assert_eq!(config.hostname.as_deref(), Some("box"));
    assert!(!config.process.terminal && config.readonly_rootfs);
    assert!(permitted(&config, "MKNOD") && !permitted(&config, "SYS_CHROOT"));
    assert_eq!(config.process.env[2], "container=docker");
    assert!(config.cgroup.is_some());
}

/// The historical TestNamespacesContains and TestCapabilitiesContains.
#[test]
fn namespaces_and_capabilities_contain_what_is_on() {
    let json = br#"{"namespaces": {"NEWNS": true, "NEWPID": true, "NEWUTS": false},
        "capabilities_mask": {"MKNOD": false, "SETPCAP": true}}"#;
    let config = read(json);
    assert_eq!(kinds(&config), [NamespaceKind::Mount, NamespaceKind::Pid]);
    assert!(!permitted(&config, "MKNOD") && permitted(&config, "SETPCAP"));
}

/// Written for what dropped these, and read by what would have kept just these.
#[test]
fn the_first_sample_drops_its_capabilities() {
    let config = read(NAMES);
    assert!(!permitted(&config, "SYS_ADMIN") && !permitted(&config, "NET_ADMIN"));
    assert!(permitted(&config, "CHOWN") && permitted(&config, "NET_RAW"));
}

#[test]
fn a_mask_drops_what_is_off_and_gives_nothing_newer_than_2014() {
    let config = read(V0_10);
    assert!(!permitted(&config, "SYS_ADMIN") && permitted(&config, "NET_ADMIN"));
    for newer in ["AUDIT_READ", "PERFMON", "BPF", "CHECKPOINT_RESTORE"] {
        assert!(!permitted(&config, newer), "{newer}");
    }
    assert_eq!(read(V0_11).process.capabilities.bounding.bits().count_ones(), 37 - 15);
}

#[test]
fn kept_capabilities_are_all_there_are_and_not_inheritable() {
    let config = read(V1_4);
    let sets = config.process.capabilities;
    assert_eq!(sets.bounding.to_string(), "CAP_CHOWN CAP_KILL");
    assert_eq!((sets.inheritable, sets.ambient), (CapabilitySet::NONE, CapabilitySet::NONE));
}

#[test]
fn a_file_without_marks_gives_the_fewest_rights() {
    let file = parse(br#"{"namespaces": {"NEWNS": true}}"#).unwrap();
    assert_eq!(file.dialect(), Dialect::V1);
    let config = file.config("/rootfs", ["sh"]).unwrap();
    assert_eq!(config.process.capabilities.bounding, CapabilitySet::NONE);
    assert_eq!(config.process.user, User::Spec("0".to_owned()));
}

#[test]
fn keys_of_two_dialects_are_refused() {
    for (keys, other) in [
        (r#""capabilities_mask": {}, "capabilities": []"#, "and capabilities"),
        (r#""capabilities_mask": {}, "restrict_sys": true"#, "and restrict_sys"),
        (r#""capabilities_mask": [], "routes": [{}]"#, "and routes"),
        (r#""mount_config": {}, "readonly_fs": true"#, "readonly_fs of 1.0, and mount_config"),
        (r#""context": {"restrictions": "true"}, "rlimits": [{}]"#, "context of 1.0, and rlimits"),
    ] {
        refused(keys, ErrorKind::InvalidConfig, other);
    }
    let list = br#"{"namespaces": ["NEWNS"], "capabilities_mask": [], "capabilities": []}"#;
    assert_eq!(parse(list).unwrap_err().kind(), ErrorKind::InvalidConfig);
}

#[test]
fn keys_of_other_formats_are_named_and_unknown_ones_passed_over() {
    refused(r#""seccomp": {}, "Mask_Paths": ["/x"]"#, ErrorKind::Unsupported, "seccomp, mask_paths");
    refused(r#""command": {"args": ["sh"]}"#, ErrorKind::Unsupported, "command");
    refused(r#""ociVersion": "1.0.0", "linux": {}"#, ErrorKind::Unsupported, "ociversion, linux");
    with(r#""seccomp": null"#).unwrap();
    with(r#""future": {"a": [1, {}]}, "hostname": null, "TTY": true"#)
        .map(|config| assert!(config.process.terminal && config.hostname.is_none()))
        .unwrap();
}

#[test]
fn a_wrong_value_is_told_by_its_key() {
    for (keys, why) in [
        (r#""tty": "yes""#, "tty: invalid type"),
        (r#""mounts": [{"writable": 1}]"#, "mounts: writable: invalid type"),
        (r#""namespaces": 7"#, "a map or a list of namespaces"),
        (r#""namespaces": [{"enabled": true}]"#, "either a key or a type"),
        (r#""namespaces": ["NEWNS", {"type": "NEWNS"}]"#, "entries with a key and entries with a type"),
        (r#""cgroups": {"memory": "1g"}"#, "cgroups: memory: "),
        (r#""capabilities": ["KILLS"]"#, "capabilities: capability \"KILLS\": unknown"),
        (r#""capabilities_mask": {"KILLS": false}"#, "capabilities_mask: capability \"KILLS\": unknown"),
        (r#""namespaces": {"NEWNS": true, "NEWPIDS": false}"#, "\"NEWPIDS\" is unknown"),
        (r#""namespaces": {"NEWUTS": true}"#, "without NEWNS"),
        (r#""rlimits": [{"type": 99}]"#, "rlimits: type 99"),
        (r#""mounts": [{"source": "/a", "destination": "/b"}]"#, "mounts[0]: has no type"),
        (r#""mounts": [{"type": "bind", "source": "a", "destination": "/b"}]"#, "no absolute path"),
        (r#""mounts": [{"type": "bind", "source": "/a"}]"#, "no destination"),
        (r#""device_nodes": [{"type": 112, "path": "/dev/x"}]"#, "device_nodes \"/dev/x\""),
        (r#""device_nodes": [{"type": 99, "path": "/dev/x", "major_number": -1}]"#, "number of a device"),
        (r#""networks": [{"type": "bond"}]"#, "networks[0]: type \"bond\" is unknown"),
        (r#""networks": [{"type": "veth", "address": "10.0.0.2/8"}]"#, "networks[0]: veth has no bridge"),
        (r#""routes": [{"interface_name": "eth0"}]"#, "routes[0]: has neither"),
        (r#""cgroups": {"name": "../x"}"#, "cgroups: "),
        (r#""cgroups": {}"#, "it has no name"),
    ] {
        refused(keys, ErrorKind::InvalidConfig, why);
    }
}

#[test]
fn what_is_not_done_is_named_all_at_once() {
    let keys = r#""mount_config": {"mounts": [{"type": "bind", "source": "/a", "destination": "/b", "relabel": "z"},
            {"type": "overlay", "destination": "/c"}]},
        "networks": [{"type": "veth", "bridge": "b", "veth_prefix": "veth", "address": "10.0.0.2/8",
            "mac_address": "02:00:00:00:00:01", "txqueuelen": 9}],
        "routes": [{"source": "10.0.0.0/8", "interface_name": "eth0"}],
        "namespaces": {"NEWNS": true, "NEWUSER": true},
        "user": "web", "additional_groups": [7],
        "cgroups": {"name": "x", "freezer": "FROZEN"}"#;
    for part in [
        "NEWUSER",
        "routes[0].source",
        "additional_groups of user \"web\"",
        "mounts[0].relabel",
        "mounts[1].type \"overlay\"",
        "networks[0].mac_address",
        "networks[0].txqueuelen",
        "cgroups.freezer",
    ] {
        refused(keys, ErrorKind::Unsupported, part);
    }
}

#[test]
fn dev_is_the_images_own_until_1_0() {
    let own = read(V0_10);
    assert!(own.mounts.iter().all(|mount| mount.destination != Path::new("/dev")));
    for json in [V0_11, V1_0, V1_4] {
        assert!(options(&read(json), "/dev").contains(&"mode=755"));
    }
    for json in [V0_10, V0_11, V1_0, V1_4] {
        assert!(options(&read(json), "/dev/shm").contains(&"size=65536k"));
        assert!(options(&read(json), "/dev/pts").contains(&"newinstance"));
    }
}

#[test]
fn restrictions_are_those_of_their_version() {
    let restricted = |json| {
        let config = read(json);
        (
            options(&config, "/proc").contains(&"ro"),
            options(&config, "/sys").contains(&"ro"),
            config.readonly_paths.len(),
            config.masked_paths,
        )
    };
    let kcore = vec![PathBuf::from("/proc/kcore")];
    assert_eq!(restricted(V0_10), (false, false, 0, Vec::new()));
    assert_eq!(restricted(V0_11), (true, true, 0, kcore.clone()));
    assert_eq!(restricted(V1_0), (false, true, 4, kcore.clone()));
    assert_eq!(restricted(V1_4), (false, true, 4, kcore));
}

#[test]
fn binds_are_read_only_unless_writable() {
    let config = read(V0_10);
    assert_eq!(options(&config, "/data"), ["rbind", "private"]);
    assert_eq!(options(&config, "/shown"), ["rbind", "ro"]);
    assert_eq!(options(&read(V1_4), "/tmp"), ["nosuid", "noexec", "nodev", "mode=1777"]);
}

#[test]
fn labels_reach_the_program_and_new_filesystems() {
    let label = "system_u:object_r:svirt_sandbox_file_t:s0:c1,c2";
    let own = format!(
        r#""process_label": "p", "apparmor_profile": "a", "mount_config": {{"mount_label": "{label}"}}"#
    );
    let context =
        format!(r#""context": {{"process_label": "p", "apparmor_profile": "a", "mount_label": "{label}"}}"#);
    for keys in [own, context] {
        let config = with(&keys).unwrap();
        assert_eq!(config.process.selinux_label.as_deref(), Some("p"));
        assert_eq!(config.process.apparmor_profile.as_deref(), Some("a"));
        let wanted = format!("context={label}");
        for path in ["/dev", "/dev/shm", "/dev/pts"] {
            assert_eq!(options(&config, path).last(), Some(&wanted.as_str()));
        }
        Plan::new(&config).unwrap();
    }
    assert_eq!(read(V1_4).process.apparmor_profile, None, "unconfined");
}

#[test]
fn without_pivot_root_the_hosts_mounts_come_in() {
    for keys in [r#""no_pivot_root": true"#, r#""mount_config": {"no_pivot_root": true}"#] {
        let config = with(keys).unwrap();
        assert!(config.no_pivot_root);
        assert_eq!(config.rootfs_propagation, Some(Propagation::Slave));
    }
}

#[test]
fn interfaces_and_routes() {
    let config = read(V1_0);
    assert_eq!(config.networks[0], Network::Loopback);
    let Network::Veth(veth) = &config.networks[1] else { panic!("{:?}", config.networks) };
    assert_eq!((veth.name.as_str(), veth.bridge.as_deref()), ("eth0", Some("docker0")));
    assert_eq!((veth.addresses.as_slice(), veth.mtu), (&["172.17.42.2/16".to_owned()][..], Some(1400)));
    assert_eq!(veth.gateway, "172.17.42.1".parse().ok());
    let host = veth.host_name.as_deref().unwrap();
    assert!(host.starts_with("dock") && host.len() == 11, "{host}");
    assert_eq!(config.routes[0].destination.as_deref(), Some("192.168.0.0/24"));
    assert_eq!(config.routes[1].gateway, "172.17.42.9".parse().ok());

    let six = with(
        r#""networks": [{"type": "veth", "bridge": "b", "veth_prefix": "veth", "address": "10.0.0.2/8",
            "ipv6_address": "fd00::2/64", "ipv6_gateway": "fd00::1"}]"#,
    )
    .unwrap();
    let Network::Veth(veth) = &six.networks[0] else { panic!("{:?}", six.networks) };
    assert_eq!((veth.addresses.len(), veth.host_name.as_deref()), (2, None));
    assert_eq!((six.routes[0].gateway, six.routes[0].interface.as_str()), ("fd00::1".parse().ok(), "eth0"));
}

#[test]
fn a_network_namespace_is_joined_in_place_of_a_new_one() {
    for keys in [
        r#""networks": [{"type": "loopback"}, {"type": "netns", "context": {"nspath": "/run/netns/x"}}]"#,
        r#""networks": [{"type": "netns", "ns_path": "/run/netns/x"}]"#,
    ] {
        let config = with(keys).unwrap();
        let network: Vec<_> =
            config.namespaces.iter().filter(|one| one.kind == NamespaceKind::Network).collect();
        assert_eq!(network.len(), 1);
        assert_eq!(network[0].path.as_deref(), Some(Path::new("/run/netns/x")));
        assert!(config.networks.is_empty());
    }
    refused(r#""networks": [{"type": "netns"}]"#, ErrorKind::InvalidConfig, "netns has no path");
    let config = with(r#""ipc": "/proc/7/ns/ipc""#).unwrap();
    assert!(config.namespaces.iter().any(|one| one.path.as_deref() == Some(Path::new("/proc/7/ns/ipc"))));
}

#[test]
fn paths_of_namespaces_are_joined() {
    let json = br#"{"namespaces": [{"type": "NEWNS"}, {"name": "NEWPID", "path": "/proc/7/ns/pid"}]}"#;
    let config = read(json);
    assert_eq!(config.namespaces[1].kind, NamespaceKind::Pid);
    assert_eq!(config.namespaces[1].path.as_deref(), Some(Path::new("/proc/7/ns/pid")));
}

#[test]
fn a_node_gives_no_right_to_its_device() {
    let rules: Vec<_> = read(V1_0).cgroup.unwrap().devices;
    let of = |text: &str| rules.iter().rfind(|rule| rule.to_string().starts_with(text)).copied();
    // Made, and not in the list but for the making of any node.
    assert_eq!(
        of("c 10:229").map(|rule| (rule.allow, rule.access.to_string())),
        Some((true, "m".to_owned()))
    );
    assert_eq!(of("c 1:11").map(|rule| (rule.allow, rule.access.to_string())), Some((true, "rm".to_owned())));
    let none = with(
        r#""cgroups": {"name": "x"}, "device_nodes": [{"type": 98, "path": "/dev/a", "major_number": 8}]"#,
    );
    let rules: Vec<_> = none.unwrap().cgroup.unwrap().devices;
    let texts: Vec<_> = rules.iter().map(|rule| (rule.allow, rule.to_string())).collect();
    assert_eq!(texts, [(false, "a *:* rwm".to_owned()), (false, "b 8:0 rwm".to_owned())]);
}

#[test]
fn devices_of_the_control_group_are_those_of_the_dialect() {
    let rules = |json| read(json).cgroup.unwrap().devices;
    assert_eq!(rules(V0_10).len(), 15, "the list that was fixed");
    assert_eq!(rules(V0_11).len(), 15, "the list that was fixed");
    assert!(rules(V1_4)[0].allow, "all of them");
    assert_eq!(read(V0_10).cgroup.unwrap().path, Path::new("/docker/docker-box"));
    let memory = read(V0_11).cgroup.unwrap().resources.memory.unwrap();
    assert_eq!((memory.limit, memory.reservation), (Some(64 << 20), Some(32 << 20)));
}

#[test]
fn who_runs_it_and_how() {
    let config = read(V1_4);
    let ids = User::Ids { uid: 12, gid: 34, groups: vec![34, 29, 46], umask: None };
    assert_eq!(config.process.user, ids);
    let limits: Vec<_> =
        config.process.rlimits.iter().map(|one| (one.kind.as_str(), one.soft, one.hard)).collect();
    assert_eq!(limits, [("RLIMIT_NOFILE", 1025, 1026), ("RLIMIT_CORE", 0, 0)]);
    assert_eq!(config.process.env.last().map(String::as_str), Some("FOO=last"));
    assert_eq!(parse(V1_4).unwrap().rootfs(), Some(PathBuf::from("/srv/rootfs")));
    assert_eq!(read(V0_11).process.user, User::Spec("daemon".to_owned()));
    assert_eq!(read(V0_10).process.cwd, Path::new("/etc"));
}

#[test]
fn a_file_is_loaded_and_errors_name_it() {
    let error = load("/no/such/container.json").unwrap_err();
    assert_eq!(
        (error.kind(), error.path()),
        (ErrorKind::NotFound, Some(Path::new("/no/such/container.json")))
    );
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = load(manifest.join("tests/fixtures/container-json/v0.11.json")).unwrap();
    assert_eq!(file.dialect(), Dialect::V0_11);
    let error = load(manifest.join("Cargo.toml")).unwrap_err().to_string();
    assert!(error.contains("Cargo.toml\": ") && error.contains("line 1"), "{error}");
}

#[test]
fn deep_nesting_and_garbage_are_one_line() {
    let deep = format!("{{\"x\":{}", "[".repeat(100_000));
    for json in [deep.as_bytes(), b"null", b"[]", b"", b"\xff", b"{\"tty\":\"a\\nb\\u001b\"}"] {
        let error = parse(json).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        assert!(!error.to_string().contains(char::is_control), "{error}");
    }
}

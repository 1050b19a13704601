//! What a container is made of: bundles, files of 2014, configurations, states, programs, messages.

use std::fs;
use std::path::Path;

use libcontainer::docker::{self, Dialect};
use libcontainer::oci::{self, Bundle};
use libcontainer::{CapabilitySet, Config, Factory, NamespaceKind, Network, Plan, Route, Veth};

use crate::Target;
use crate::corpus::{file, files};
use crate::inside::{self, program};
use crate::laws::one_line;
use crate::scratch::Scratch;

pub(crate) fn targets() -> Vec<Target> {
    vec![
        Target {
            name: "libcontainer-bundle",
            feeds: "an OCI config.json: to a Config, as JSON and back, to a Plan, whose program is run without a kernel",
            run: Some(bundle),
            seeds: bundles,
        },
        Target {
            name: "libcontainer-container-json",
            feeds: "a container.json of 2014: the same twice, no capability of later years, to a Plan",
            run: Some(container_json),
            seeds: container_jsons,
        },
        Target {
            name: "libcontainer-config",
            feeds: "a Config as JSON: and back, to a Plan, to a program",
            run: Some(config),
            seeds: || configs().iter().map(json).collect(),
        },
        Target {
            name: "libcontainer-process",
            feeds: "an OCI process: one line for what is wrong, the same twice",
            run: Some(process),
            seeds: processes,
        },
        Target {
            name: "libcontainer-state",
            feeds: "a state.json on disk: loading changes nothing, and its state is one line of JSON",
            run: Some(state),
            seeds: states,
        },
        Target {
            name: "libcontainer-capabilities",
            feeds: "names of capabilities: printed and parsed again, as JSON and back",
            run: Some(capabilities),
            seeds: || ["CAP_CHOWN CAP_KILL", "SYS_ADMIN", "CAP_NOTHING", "[\"CAP_BPF\"]"].map(bytes).to_vec(),
        },
        Target {
            name: "libcontainer-program",
            feeds: "the bytes of a program: decoded, written, decoded again, and run without a kernel",
            run: Some(inside::run_any),
            seeds: inside::programs,
        },
        Target {
            name: "libcontainer-message",
            feeds: "a message between the image and its parent: decoded, written, decoded again",
            run: Some(message),
            seeds: messages,
        },
        Target {
            name: "libcontainer-heard",
            feeds: "a message from the image, over a socket: one line is made of it",
            run: HEARD,
            seeds: messages,
        },
    ]
}

fn bytes(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

fn json(config: &Config) -> Vec<u8> {
    serde_json::to_vec(config).expect("plain data")
}

/// JSON without blanks: what is changed in it means something.
fn dense(json: &[u8]) -> Vec<u8> {
    let value: serde_json::Value = serde_json::from_slice(json).expect("a file of ours");
    value.to_string().into_bytes()
}

fn bundles() -> Vec<Vec<u8>> {
    let mut seeds: Vec<_> =
        files("libcontainer/tests/fixtures", ".json").iter().map(|json| dense(json)).collect();
    seeds.extend([false, true].map(|rootless| dense(oci::default_spec(rootless).as_bytes())));
    let seccomp =
        String::from_utf8(dense(&file("libcontainer/tests/fixtures/docker-default-seccomp.json"))).unwrap();
    let least = r#""ociVersion":"1.2.0","process":{"cwd":"/","args":["true"]},"root":{"path":"rootfs"}"#;
    seeds.push(bytes(&format!("{{{least},\"linux\":{{\"seccomp\":{seccomp}}}}}")));
    let mounts =
        r#""namespaces":[{"type":"mount"},{"type":"network","path":"/n"}],"rootfsPropagation":"slave""#;
    seeds.push(bytes(&format!(
        r#"{{{least},"linux":{{{mounts}}},"mounts":[{{"destination":"a","source":"b","options":["rbind","ro","x\ny"]}}]}}"#
    )));
    seeds
}

fn configs() -> [Config; 3] {
    let mut full = Config::new("/rootfs");
    full.networks.push(Network::Veth(Veth {
        addresses: vec!["10.0.41.2/16".into(), "fd00::2/64".into()],
        gateway: "10.0.41.1".parse().ok(),
        bridge: Some("docker0".into()),
        ..Veth::default()
    }));
    full.routes.push(Route {
        destination: Some("10.1.0.0/16".into()),
        source: None,
        gateway: "10.0.41.1".parse().ok(),
        interface: "eth0".into(),
    });
    full.process.terminal = true;
    full.sysctl.insert("net.ipv4.ip_forward".into(), "1".into());
    [Config::new("/rootfs"), Config::new("/rootfs").rootless(), full]
}

fn processes() -> Vec<Vec<u8>> {
    let whole: serde_json::Value =
        serde_json::from_slice(&file("libcontainer/tests/fixtures/large-bundle.json"))
            .expect("a file of ours");
    vec![
        whole["process"].to_string().into_bytes(),
        bytes(r#"{"cwd":"/","args":["a"],"apparmorProfile":"x"}"#),
    ]
}

fn bundle(json: &[u8]) {
    let bundle = match Bundle::parse("/bundle", json) {
        Ok(bundle) => bundle,
        Err(error) => return one_line(error),
    };
    match bundle.config("web") {
        Ok(config) => {
            assert!(config.rootfs.starts_with("/bundle") || config.rootfs.is_absolute());
            plan(&config);
        }
        Err(error) => one_line(error),
    }
    let notes = bundle.notes();
    let annotations = serde_json::from_str(&notes["annotations"]).expect("what was written");
    assert_eq!(bundle.annotations(), &annotations);
}

fn container_jsons() -> Vec<Vec<u8>> {
    let fixtures = files("libcontainer/tests/fixtures/container-json", ".json");
    let mut seeds: Vec<_> = fixtures.iter().map(|json| dense(json)).collect();
    let namespaces = r#""namespaces":[{"name":"NEWNS"},{"type":"NEWPID","path":"/proc/7/ns/pid"}]"#;
    let networks = r#""networks":[{"type":"netns","ns_path":"/n"}],"ipc":"/i""#;
    let labels =
        r#""mount_config":{"mount_label":"a:b","mounts":[{"type":"bind","source":"/","destination":"x"}]}"#;
    seeds.push(bytes(&format!("{{{namespaces},{networks},{labels}}}")));
    seeds
}

fn container_json(json: &[u8]) {
    /// What had a number when the last of these files was written.
    const OF_2014: u64 = (1 << 37) - 1;
    let file = match docker::parse(json) {
        Ok(file) => file,
        Err(error) => return one_line(error),
    };
    let again = docker::parse(json).expect("it was read once");
    assert_eq!((file.dialect(), file.rootfs()), (again.dialect(), again.rootfs()));
    let config = match file.config("/rootfs", ["sh"]) {
        Ok(config) => config,
        Err(error) => {
            assert!(again.config("/rootfs", ["sh"]).is_err(), "once it is a container, and once not");
            return one_line(error);
        }
    };
    let sets = &config.process.capabilities;
    assert!(file.dialect() == Dialect::V1 || sets.bounding.bits() & !OF_2014 == 0, "{sets:?}");
    assert_eq!((sets.inheritable.bits(), sets.ambient.bits()), (0, 0));
    assert!(config.namespaces.iter().any(|one| one.kind == NamespaceKind::Mount), "the host's mounts");
    assert!(config.mounts.iter().all(|mount| mount.destination.is_absolute()));
    plan(&config);
}

fn config(json: &[u8]) {
    if let Ok(config) = serde_json::from_slice::<Config>(json) {
        plan(&config);
    }
}

/// Plans a container; what is written down about it says all of it.
fn plan(config: &Config) {
    let again: Config = serde_json::from_slice(&json(config)).expect("what was written");
    assert_eq!(again, *config);
    let plan = match Plan::new(config) {
        Ok(plan) => plan,
        Err(error) => return one_line(error),
    };
    assert!(config.rootfs.is_absolute() && config.process.cwd.is_absolute());
    assert_eq!(Plan::new(&again).ok().as_ref(), Some(&plan), "two plans for one configuration");
    let text = plan.to_string();
    for line in text.lines() {
        assert!(!line.contains(char::is_control), "a step with control characters: {line:?}");
    }
    assert!(text.lines().last().is_some_and(|line| line.starts_with("execute ")));
    #[cfg(fuzzing)]
    inside::run_planned(libcontainer::fuzz::program(&plan), text.lines().count(), config);
}

fn process(json: &[u8]) {
    match (oci::process(json), oci::process(json)) {
        (Ok(one), Ok(other)) => assert_eq!(one, other),
        (Err(error), Err(_)) => one_line(error),
        _ => panic!("once it is a process, and once not"),
    }
}

/// The state of a container that was never started, and of one whose process is gone.
fn states() -> Vec<Vec<u8>> {
    let config = serde_json::to_value(&configs()[0]).expect("plain data");
    [
        serde_json::json!({"id": "x", "init": null, "cgroup": {}, "created": 1, "notes": {}, "config": config}),
        serde_json::json!({
            "id": "x",
            "init": {"pid": 4_194_304, "start": 7},
            "cgroup": {"": "/sys/fs/cgroup/no/such", "memory": "/sys/fs/cgroup/memory/no/such"},
            "created": 1_795_303_826_238_403_097_u64,
            "notes": {"bundle": "/b", "ociVersion": "1.0.0", "annotations": "{\"a\":\"b\"}"},
            "config": {"rootfs": "/r"},
        }),
    ]
    .map(|state| state.to_string().into_bytes())
    .to_vec()
}

fn state(json: &[u8]) {
    let scratch = Scratch::new();
    let home = scratch.path().join("x");
    fs::create_dir(&home).expect("a folder");
    fs::write(home.join("state.json"), json).expect("a file");
    let factory = Factory::new(scratch.path()).expect("a folder");
    match factory.load("x") {
        Ok(container) => {
            assert_eq!(container.id(), Some("x"));
            match oci::State::of(&container) {
                Ok(state) => one_line(state.to_json(false).expect("all of it is UTF-8")),
                Err(error) => one_line(error),
            }
        }
        Err(error) => one_line(error),
    }
    assert_eq!(fs::read(home.join("state.json")).expect("it was there"), json);
    assert_eq!(fs::read_dir(&home).expect("it was there").count(), 1, "loading left a file");
    assert!(Path::new(&home).is_dir());
}

fn capabilities(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    for word in text.split(' ') {
        match word.parse::<CapabilitySet>() {
            Ok(one) => {
                assert_eq!(one.bits().count_ones(), 1);
                assert_eq!(one.to_string().parse::<CapabilitySet>().ok(), Some(one));
            }
            Err(error) => one_line(error),
        }
    }
    if let Ok(set) = serde_json::from_slice::<CapabilitySet>(bytes) {
        let json = serde_json::to_string(&set).expect("names");
        assert_eq!(serde_json::from_str::<CapabilitySet>(&json).expect("what was written"), set);
        assert!(CapabilitySet::ALL.contains(set));
        assert_eq!(set.names().count(), set.bits().count_ones() as usize);
    }
    if let Some(bits) = bytes.first_chunk() {
        let any = CapabilitySet::from_bits(u64::from_ne_bytes(*bits));
        assert!(any.names().count() <= 41);
    }
}

fn messages() -> Vec<Vec<u8>> {
    use program::Message::{Console, Exec, Failure, Go, Mounted, Ready, Start, Started};
    let text = b"e tmpfs: Unknown parameter 'x'\n";
    [
        Go,
        Start,
        Started { pid: 7, in_cgroup: true },
        Console,
        Mounted,
        Ready,
        Exec { listener: program::NO_LISTENER },
        Exec { listener: 7 },
        Failure { step: 3, call: 165, errno: 22, text },
        Failure { step: 400, call: 59, errno: 2, text: b"" },
    ]
    .map(|message| {
        let mut buffer = [0; program::MESSAGE];
        let length = message.encode(&mut buffer);
        buffer[..length].to_vec()
    })
    .to_vec()
}

fn message(bytes: &[u8]) {
    let Some(message) = program::Message::decode(bytes) else { return };
    let mut buffer = [0; program::MESSAGE];
    let length = message.encode(&mut buffer);
    assert!((16..=buffer.len()).contains(&length));
    let again = program::Message::decode(&buffer[..length]).expect("what was written");
    match (message, again) {
        (
            program::Message::Failure { step, call, errno, text },
            program::Message::Failure { step: s, call: c, errno: e, text: t },
        ) => {
            assert_eq!((step, call, errno), (s, c, e));
            assert_eq!(&text[..text.len().min(program::TEXT)], t, "more than the end is cut");
        }
        (message, again) => assert_eq!(message, again),
    }
}

#[cfg(not(fuzzing))]
const HEARD: Option<fn(&[u8])> = None;
#[cfg(fuzzing)]
const HEARD: Option<fn(&[u8])> = Some(heard);

#[cfg(fuzzing)]
fn heard(bytes: &[u8]) {
    use std::sync::OnceLock;
    static PLAN: OnceLock<Plan> = OnceLock::new();
    let plan = PLAN.get_or_init(|| Plan::new(&Config::new("/rootfs")).expect("the usual one"));
    // The socket takes no empty packet for more than an end.
    match libcontainer::fuzz::hear(plan, bytes) {
        Ok(Some(error)) | Err(error) => one_line(error),
        Ok(None) => {}
    }
}

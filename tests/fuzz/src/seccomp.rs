//! Profiles of system calls: from JSON and from any bytes to a program that the kernel takes.

use libcontainer::oci;
use libcontainer::seccomp::{self, Action, Arch, Comparison, Filter, Listener, Op, Rule, Seccomp};

use crate::Target;
use crate::corpus::file;
use crate::laws::one_line;

// What the crate's own tests compare with.
#[allow(dead_code)]
#[path = "../../../libcontainer/tests/seccomp/machine.rs"]
mod machine;
#[allow(dead_code)]
#[path = "../../../libcontainer/tests/seccomp/reference.rs"]
mod reference;

use machine::Data;

pub(crate) fn targets() -> Vec<Target> {
    vec![
        Target {
            name: "libcontainer-seccomp",
            feeds: "an OCI profile as JSON: its own JSON and back, a program that the kernel takes and that does what the rules say",
            run: Some(json),
            seeds: profiles,
        },
        Target {
            name: "libcontainer-filter",
            feeds: "a profile as bytes: a program that the kernel takes and that does what the rules say",
            run: Some(bytes),
            seeds: || vec![b"\0\x01\x02\x03".to_vec(), (0..=255).collect(), b"\xff".repeat(99)],
        },
    ]
}

fn profiles() -> Vec<Vec<u8>> {
    let docker: serde_json::Value =
        serde_json::from_slice(&file("libcontainer/tests/fixtures/docker-default-seccomp.json"))
            .expect("a file of ours");
    let small = [
        r#"{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":38,"architectures":["SCMP_ARCH_X86"],"flags":["SECCOMP_FILTER_FLAG_LOG"],"syscalls":[{"names":["socket"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":40,"op":"SCMP_CMP_NE"}]}]}"#,
        r#"{"defaultAction":"SCMP_ACT_ALLOW","listenerPath":"/l","syscalls":[{"names":["read"],"action":"SCMP_ACT_NOTIFY","args":[{"index":1,"value":255,"valueTwo":3,"op":"SCMP_CMP_MASKED_EQ"},{"index":1,"value":4294967296,"op":"SCMP_CMP_LT"}]}]}"#,
        r#"{"defaultAction":"SCMP_ACT_KILL","syscalls":[{"names":["a"],"action":"SCMP_ACT_TRACE","errnoRet":70000}]}"#,
    ];
    [docker.to_string().as_str()].into_iter().chain(small).map(|text| text.as_bytes().to_vec()).collect()
}

fn json(bytes: &[u8]) {
    match oci::seccomp(bytes) {
        Ok(seccomp) => {
            let text = serde_json::to_string(&seccomp).expect("plain data");
            assert_eq!(serde_json::from_str::<Seccomp>(&text).expect("our own"), seccomp);
            compiled(&seccomp, bytes);
        }
        Err(error) => one_line(error),
    }
}

fn bytes(bytes: &[u8]) {
    compiled(&profile(&mut Bytes(bytes)), bytes);
}

/// Compiles it for each kind of machine, and asks for calls that the input chooses.
fn compiled(seccomp: &Seccomp, input: &[u8]) {
    let mut bytes = Bytes(input);
    let named: Vec<&String> = seccomp.rules.iter().flat_map(|rule| &rule.names).collect();
    let values: Vec<u64> =
        seccomp.rules.iter().flat_map(|rule| &rule.args).flat_map(|one| [one.value, one.value_two]).collect();
    for native in [Arch::X86_64, Arch::X86, Arch::S390x, Arch::Aarch64] {
        let filter = match Filter::compile_for(seccomp, native) {
            Ok(filter) => filter,
            Err(error) => {
                one_line(error);
                continue;
            }
        };
        machine::check(filter.instructions()).unwrap_or_else(|why| panic!("{why}: {seccomp:?}"));
        assert_eq!(filter, Filter::compile_for(seccomp, native).expect("the same again"));
        for round in 0..32 {
            let listed = seccomp.architectures.get(bytes.below(8)).copied().unwrap_or(native);
            let name = named.get(bytes.below(named.len().max(1)));
            let known = name.and_then(|name| seccomp::number(name, listed));
            let value = |byte: usize| values.get(byte % values.len().max(1)).copied().unwrap_or(0);
            let data = Data {
                number: known.filter(|_| round % 4 > 0).unwrap_or(bytes.below(512) as u32 ^ (round << 30)),
                audit: listed.audit(),
                args: std::array::from_fn(|_| match bytes.below(4) {
                    0 => value(round as usize).wrapping_add(1),
                    1 => value(bytes.below(256)).wrapping_sub(1),
                    2 => value(bytes.below(256)) ^ 0x1_0000_0000,
                    _ => value(bytes.below(256)),
                }),
            };
            let answer = machine::run(filter.instructions(), &data, reference::is_little(native)).0;
            let answers = reference::answers(seccomp, native, &data);
            assert!(
                answers.contains(&answer),
                "{native:?} {data:x?}: {answer:#x} of {answers:#x?} in {seccomp:#?}"
            );
        }
    }
}

/// An input that is read as choices; what is missing is 0.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn byte(&mut self) -> u8 {
        self.0.split_off_first().copied().unwrap_or(0)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::from(u16::from_le_bytes([self.byte(), if end > 256 { self.byte() } else { 0 }])) % end
    }

    fn value(&mut self) -> u64 {
        let value = u64::from(self.byte());
        match self.below(4) {
            0 => value << 32 | value,
            1 => value << 32,
            2 => value | 0xffff_ff00,
            _ => value,
        }
    }
}

fn profile(bytes: &mut Bytes<'_>) -> Seccomp {
    let mut seccomp = Seccomp::new(action(bytes));
    for _ in 0..bytes.below(4) {
        seccomp.architectures.push(Arch::ALL[bytes.below(Arch::ALL.len())]);
    }
    if bytes.below(2) == 1 {
        seccomp.listener = Some(Listener::new("/l"));
    }
    let names: Vec<_> = seccomp::names().collect();
    while !bytes.0.is_empty() {
        let name = |bytes: &mut Bytes<'_>| match bytes.below(3) {
            0 => names[bytes.below(names.len())],
            1 => ["socket", "socketcall", "ipc", "shmat"][bytes.below(4)],
            _ => ["read", "write", "ioctl", ""][bytes.below(4)],
        };
        let mut rule = Rule::new([name(bytes)], action(bytes));
        for _ in 0..bytes.below(4) {
            rule.names.push(name(bytes).to_owned());
        }
        for _ in 0..bytes.below(4) {
            const OPS: [Op; 6] =
                [Op::NotEqual, Op::Less, Op::LessOrEqual, Op::Equal, Op::GreaterOrEqual, Op::Greater];
            let index = bytes.below(8) as u32;
            rule.args.push(match bytes.below(7) {
                6 => Comparison::masked(index, bytes.value(), bytes.value()),
                op => Comparison::new(index, OPS[op], bytes.value()),
            });
        }
        seccomp.rules.push(rule);
    }
    seccomp
}

fn action(bytes: &mut Bytes<'_>) -> Action {
    match bytes.below(9) {
        0 => Action::KillThread,
        1 => Action::KillProcess,
        2 => Action::Trap,
        3 => Action::Errno(bytes.below(4200) as u16),
        4 => Action::Trace(bytes.below(9) as u16),
        5 => Action::Log,
        6 => Action::Notify,
        _ => Action::Allow,
    }
}

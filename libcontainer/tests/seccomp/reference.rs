//! What a profile says about one call, found by asking rule after rule.

use libcontainer::seccomp::{Action, Arch, Comparison, Op, Rule, Seccomp, number};

use super::machine::Data;

/// Returns what may happen to a call: several things where rules that are met disagree.
pub(crate) fn answers(seccomp: &Seccomp, native: Arch, data: &Data) -> Vec<u32> {
    let mut archs = vec![native];
    archs.extend(seccomp.architectures.iter().filter(|arch| is_little(**arch) == is_little(native)));
    let shared: Vec<Arch> = archs.iter().copied().filter(|arch| arch.audit() == data.audit).collect();
    if shared.is_empty() {
        return vec![value(Action::KillThread)];
    }
    let is_x32 = data.number & X32 != 0;
    let arch = match shared.iter().find(|arch| (**arch == Arch::X32) == is_x32) {
        _ if !matches!(shared[0], Arch::X32 | Arch::X86_64) => shared[0],
        Some(arch) => *arch,
        // Numbers that are neither's, and what tracers use.
        None if shared[0] == Arch::X86_64 && data.number != u32::MAX => {
            return vec![value(Action::KillThread)];
        }
        None if shared[0] == Arch::X32 && data.number < X32 => return vec![value(Action::KillThread)],
        None => return vec![value(seccomp.default_action)],
    };
    if is_newer(seccomp, arch, data.number) {
        return vec![value(Action::Errno(38))];
    }
    if arch == Arch::X86_64 && data.number > X32 && !shared.contains(&Arch::X32) {
        return vec![value(Action::KillThread)];
    }
    met(seccomp, arch, data)
}

const X32: u32 = 0x4000_0000;

/// Whether a call is younger than the profile.
fn is_newer(seccomp: &Seccomp, arch: Arch, asked: u32) -> bool {
    let names = seccomp.rules.iter().flat_map(|rule| &rule.names);
    let names = names.filter(|name| code(name, arch).is_none());
    let last = names.filter_map(|name| number(name, arch)).max().unwrap_or(0);
    let is_made = matches!(seccomp.default_action, Action::Allow | Action::Log | Action::Trace(_));
    let is_setup = matches!(arch, Arch::S390 | Arch::S390x) && asked == 0;
    !is_made && last > 0 && (asked > last || is_setup)
}

fn met(seccomp: &Seccomp, arch: Arch, data: &Data) -> Vec<u32> {
    let mut answers = Vec::new();
    let rules = seccomp.rules.iter().filter(|rule| value(rule.action) != value(seccomp.default_action));
    for rule in rules {
        for name in &rule.names {
            let direct = number(name, arch) == Some(data.number);
            let asked = code(name, arch).filter(|(by, _)| number(by, arch) == Some(data.number));
            let matches = [
                direct.then(|| all_met(rule, arch, data, None)),
                asked.map(|(_, code)| all_met(rule, arch, data, Some(code))),
            ];
            for (is_met, is_always) in matches.into_iter().flatten() {
                if is_always {
                    return vec![value(rule.action)];
                }
                if is_met && !answers.contains(&value(rule.action)) {
                    answers.push(value(rule.action));
                }
            }
        }
    }
    if answers.is_empty() {
        answers.push(value(seccomp.default_action));
    }
    answers
}

/// Returns whether a rule's conditions are met, and whether they always are.
fn all_met(rule: &Rule, arch: Arch, data: &Data, code: Option<u64>) -> (bool, bool) {
    let is_asked = code.is_none_or(|code| narrow(data.args[0], arch) == code);
    let counts = |one: &&Comparison| code.is_none() || one.index != 0;
    let args = || rule.args.iter().filter(counts);
    let always = |one: &Comparison| one.op == Op::MaskedEqual && narrow(one.value, arch) == 0;
    let is_met = |one: &Comparison| always(one) || is_met(one, arch, data);
    let twice = rule
        .args
        .iter()
        .enumerate()
        .any(|(at, one)| rule.args[..at].iter().any(|two| two.index == one.index));
    if twice {
        // Each comparison is a rule: one of the multiplexer's own argument says nothing more.
        let hidden = rule.args.iter().any(|one| !counts(&one));
        let any = hidden || args().any(is_met);
        return (is_asked && any, code.is_none() && args().any(always));
    }
    (is_asked && args().all(is_met), code.is_none() && args().all(always))
}

fn is_met(one: &Comparison, arch: Arch, data: &Data) -> bool {
    let (argument, value) = (narrow(data.args[one.index as usize], arch), narrow(one.value, arch));
    match one.op {
        Op::NotEqual => argument != value,
        Op::Less => argument < value,
        Op::LessOrEqual => argument <= value,
        Op::Equal => argument == value,
        Op::GreaterOrEqual => argument >= value,
        Op::Greater => argument > value,
        Op::MaskedEqual => argument & value == one.value_two & value,
        _ => unreachable!("all there are"),
    }
}

fn narrow(value: u64, arch: Arch) -> u64 {
    let is_32 =
        matches!(arch, Arch::X32 | Arch::Mips64N32 | Arch::Mipsel64N32) || arch.audit() & 0x8000_0000 == 0;
    if is_32 { value & 0xffff_ffff } else { value }
}

pub(crate) fn is_little(arch: Arch) -> bool {
    arch.audit() & 0x4000_0000 != 0
}

/// Returns the call that makes a call for another one, and the code that it is asked by.
pub(crate) fn code(name: &str, arch: Arch) -> Option<(&'static str, u64)> {
    use Arch::{M68k, Mips, Mipsel, Ppc, Ppc64, Ppc64le, S390, S390x, Sh, Sheb, X86};
    const SOCKET: [&str; 20] = [
        "socket",
        "bind",
        "connect",
        "listen",
        "accept",
        "getsockname",
        "getpeername",
        "socketpair",
        "send",
        "recv",
        "sendto",
        "recvfrom",
        "shutdown",
        "setsockopt",
        "getsockopt",
        "sendmsg",
        "recvmsg",
        "accept4",
        "recvmmsg",
        "sendmmsg",
    ];
    const IPC: [(&str, u64); 12] = [
        ("semop", 1),
        ("semget", 2),
        ("semctl", 3),
        ("semtimedop", 4),
        ("msgsnd", 11),
        ("msgrcv", 12),
        ("msgget", 13),
        ("msgctl", 14),
        ("shmat", 21),
        ("shmdt", 22),
        ("shmget", 23),
        ("shmctl", 24),
    ];
    if !matches!(arch, X86 | Mips | Mipsel | Ppc | Ppc64 | Ppc64le | S390 | S390x | M68k | Sh | Sheb) {
        return None;
    }
    let socket = SOCKET.iter().position(|one| *one == name).map(|at| ("socketcall", at as u64 + 1));
    let ipc = || IPC.iter().find(|(one, _)| *one == name).map(|(_, code)| ("ipc", *code));
    socket.or_else(ipc)
}

/// Returns what the program returns for an action (include/uapi/linux/seccomp.h).
pub(crate) fn value(action: Action) -> u32 {
    match action {
        Action::KillProcess => 0x8000_0000,
        Action::KillThread => 0x0000_0000,
        Action::Trap => 0x0003_0000,
        Action::Errno(number) => 0x0005_0000 + u32::from(number),
        Action::Notify => 0x7fc0_0000,
        Action::Trace(number) => 0x7ff0_0000 + u32::from(number),
        Action::Log => 0x7ffc_0000,
        Action::Allow => 0x7fff_0000,
        _ => unreachable!("all there are"),
    }
}

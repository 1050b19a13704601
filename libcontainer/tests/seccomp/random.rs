//! Profiles and calls by chance, the same ones in each run.

use libcontainer::seccomp::{Action, Arch, Comparison, Listener, Op, Rule, Seccomp};

/// A small generator (xorshift64*).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() >> 33) as usize % end
    }

    pub(crate) fn of<T: Copy>(&mut self, choice: &[T]) -> T {
        choice[self.below(choice.len())]
    }
}

const ACTIONS: [Action; 9] = [
    Action::Allow,
    Action::Errno(1),
    Action::Errno(38),
    Action::Errno(0),
    Action::KillProcess,
    Action::KillThread,
    Action::Trap,
    Action::Trace(7),
    Action::Log,
];
const OPS: [Op; 7] =
    [Op::NotEqual, Op::Less, Op::LessOrEqual, Op::Equal, Op::GreaterOrEqual, Op::Greater, Op::MaskedEqual];
pub(crate) const VALUES: [u64; 14] = [
    0,
    1,
    2,
    7,
    40,
    0xff,
    0x7e02_0000,
    0xffff_ffff,
    0x1_0000_0000,
    0x1_0000_0001,
    0x2_0000_0007,
    0xffff_ffff_0000_0000,
    u64::MAX - 1,
    u64::MAX,
];
/// Calls that many rules are about, so that they meet.
const OFTEN: [&str; 12] = [
    "socket",
    "accept4",
    "recv",
    "socketcall",
    "ipc",
    "semop",
    "clone",
    "personality",
    "ioctl",
    "read",
    "openat",
    "restart_syscall",
];

/// Makes a profile; with `disputes`, its rules about one call may say different things.
pub(crate) fn profile(random: &mut Random, names: &[&str], archs: &[Arch], disputes: bool) -> Seccomp {
    let mut seccomp = Seccomp::new(random.of(&ACTIONS));
    for _ in 0..random.below(4) {
        seccomp.architectures.push(random.of(archs));
    }
    let usual = random.of(&ACTIONS);
    for _ in 0..random.below(30) {
        let action = match random.below(8) {
            0 if disputes => Action::Notify,
            1..3 if disputes => random.of(&ACTIONS),
            _ => usual,
        };
        let mut rule = Rule::new([""; 0], action);
        for _ in 0..=random.below(12) {
            let name = if random.below(3) == 0 { random.of(&OFTEN) } else { random.of(names) };
            if name != "write" {
                rule.names.push(name.to_owned());
            }
        }
        rule.names.push("getpid".to_owned());
        if random.below(2) == 0 {
            rule.names.pop_if(|_| random.below(2) == 0);
            rule.args = comparisons(random);
        }
        if !rule.names.is_empty() {
            seccomp.rules.push(rule);
        }
    }
    if seccomp.rules.iter().any(|rule| rule.action == Action::Notify) {
        seccomp.listener = Some(Listener::new("/run/listener"));
    }
    seccomp
}

/// Makes one condition to three, on arguments of which few are the same.
pub(crate) fn comparisons(random: &mut Random) -> Vec<Comparison> {
    (0..=random.below(3)).map(|_| comparison(random)).collect()
}

fn comparison(random: &mut Random) -> Comparison {
    let (index, op) = (random.below(6) as u32 % 4, random.of(&OPS));
    let mut comparison = Comparison::new(index, op, random.of(&VALUES));
    comparison.value_two = random.of(&VALUES);
    comparison
}

/// The values that a profile compares with.
pub(crate) struct Near(Vec<u64>);

impl Near {
    pub(crate) fn new(seccomp: &Seccomp) -> Near {
        let comparisons = seccomp.rules.iter().flat_map(|rule| &rule.args);
        let values = comparisons.flat_map(|one| [one.value, one.value_two, one.value & one.value_two]);
        Near(values.chain([0]).collect())
    }

    /// Makes arguments that are near them.
    pub(crate) fn args(&self, random: &mut Random) -> [u64; 6] {
        std::array::from_fn(|_| {
            let value = random.of(&self.0);
            match random.below(10) {
                0 => random.next(),
                1 => random.of(&VALUES),
                2 => value.wrapping_add(1),
                3 => value.wrapping_sub(1),
                4 => value ^ 0x1_0000_0000,
                5 => value & 0xffff_ffff,
                6 => random.next() & 31,
                _ => value,
            }
        })
    }
}

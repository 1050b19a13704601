//! Filters of system calls, against libseccomp, against a plain reading of the rules, and in the kernel.

mod kernel;
mod libseccomp;
mod machine;
mod random;
mod reference;

use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use grounds::{Outcome, Stop, tests};
use libcontainer::oci;
use libcontainer::seccomp::{self, Action, Arch, Comparison, Filter, Instruction, Op, Rule, Seccomp, number};
use libseccomp::{Library, Newer, Search};
use machine::Data;
use random::{Near, Random};

const DOCKER: &[u8] = include_bytes!("../fixtures/docker-default-seccomp.json");

fn main() -> ExitCode {
    let mut tests = tests![
        dockers_profile_is_what_libseccomp_makes_of_it,
        random_profiles_are_what_libseccomp_makes_of_them_1,
        random_profiles_are_what_libseccomp_makes_of_them_2,
        random_profiles_are_what_libseccomp_makes_of_them_3,
        random_profiles_are_what_libseccomp_makes_of_them_4,
        random_profiles_of_other_machines_are_what_libseccomp_makes_of_them,
        special_profiles_are_what_libseccomp_makes_of_them,
        the_numbers_are_libseccomps,
        programs_do_what_the_rules_say_on_every_machine,
        long_programs_are_an_error,
    ];
    tests.extend(kernel::tests());
    grounds::run(tests)
}

fn library() -> Result<&'static Library, Stop> {
    let library = Library::load().map_err(grounds::ignored)?;
    Ok(Box::leak(Box::new(library)))
}

fn native() -> Result<Arch, Stop> {
    Arch::native().ok_or_else(|| grounds::ignored("no filter can be made for this architecture"))
}

/// Every architecture's number that a kernel shows, and some that none does.
fn audits() -> Vec<u32> {
    let mut audits: Vec<u32> = Arch::ALL.iter().map(|arch| arch.audit()).collect();
    audits.extend([0, 1, 0x4000_003e, 0xc000_003f, 0xffff_ffff]);
    audits.sort_unstable();
    audits.dedup();
    audits
}

/// Numbers of calls: all that the table of a kernel can have, and the borders of what can't be in one.
fn numbers(audit: u32) -> Vec<u32> {
    let mut numbers: Vec<u32> = (0..=1024).collect();
    for arch in Arch::ALL.into_iter().filter(|arch| arch.audit() == audit) {
        // x32 and MIPS begin elsewhere.
        let first = number("read", arch).unwrap_or(0) & !0xf;
        numbers.extend(first..first + if first == 0 { 0 } else { 560 });
    }
    for around in [0xf_0000, 0x3fff_fffe, 0x7fff_fffe, 0x8000_0000, 0xbfff_fffe, 0xc000_0000, 0xffff_fff8_u32]
    {
        numbers.extend(around..=around.saturating_add(7));
    }
    numbers
}

/// What is compared: one profile's programs.
struct Compared<'a> {
    library: &'a Library,
    native: Arch,
    seccomp: &'a Seccomp,
    ours: Filter,
    theirs: Vec<Instruction>,
    newer: Newer,
    /// The library's programs of the rules, each one alone.
    alone: Option<Vec<Vec<Instruction>>>,
    /// Calls about which rules that are met disagree, and the library takes another one.
    disputes: usize,
    /// Calls for which the library does what none of the rules that it finds to be met says.
    faults: usize,
}

impl<'a> Compared<'a> {
    /// Compiles both; nothing where the library refuses rules that disagree, or finds no end with them.
    fn new(library: &'static Library, native: Arch, seccomp: &'a Seccomp, search: Search) -> Option<Self> {
        let ours = Filter::compile_for(seccomp, native);
        let theirs = match in_time(library, native, seccomp, search)? {
            Ok(theirs) => theirs,
            Err(error) => {
                assert_eq!(error, -libc::EEXIST, "{seccomp:?}");
                return None;
            }
        };
        let ours = ours.unwrap_or_else(|error| panic!("{error}: {seccomp:?}"));
        machine::check(ours.instructions()).unwrap_or_else(|why| panic!("{why}: {seccomp:?}"));
        let newer = Newer::new(library, seccomp, native);
        Some(Compared { library, native, seccomp, ours, theirs, newer, alone: None, disputes: 0, faults: 0 })
    }

    fn call(&mut self, data: &Data) {
        let little = reference::is_little(self.native);
        let ours = machine::run(self.ours.instructions(), data, little).0;
        let theirs = if self.newer.answers(data) {
            reference::value(Action::Errno(38))
        } else {
            machine::run(&self.theirs, data, little).0
        };
        if ours == theirs {
            return;
        }
        let met = self.met(data);
        match (met.contains(&ours), met.contains(&theirs)) {
            (true, true) => self.disputes += 1,
            (true, false) => self.faults += 1,
            _ => panic!(
                "{:?} {data:x?}: {ours:#x}, libseccomp {theirs:#x}, of {met:#x?} in {:#?}",
                self.native, self.seccomp
            ),
        }
    }

    /// Returns what the rules say that the library finds to be met when each one is all there is.
    fn met(&mut self, data: &Data) -> Vec<u32> {
        let default = reference::value(self.seccomp.default_action);
        let (library, seccomp, native) = (self.library, self.seccomp, self.native);
        let programs = self.alone.get_or_insert_with(|| {
            let rules = seccomp.rules.iter().flat_map(parts);
            rules.map(|rule| alone(library, seccomp, native, rule)).collect()
        });
        let little = reference::is_little(native);
        let mut met: Vec<u32> =
            programs.iter().map(|program| machine::run(program, data, little).0).collect();
        met.retain(|action| *action != default);
        if met.is_empty() {
            met.push(default);
        }
        met
    }

    /// Compares all numbers on all architectures, each with some arguments; more where the profile has conditions.
    fn all(&mut self, random: &mut Random, each: usize) {
        let near = Near::new(self.seccomp);
        let mut listed = vec![self.native.audit()];
        listed.extend(self.seccomp.architectures.iter().map(|arch| arch.audit()));
        for audit in audits() {
            let some = if listed.contains(&audit) { usize::MAX } else { 40 };
            for number in numbers(audit).into_iter().take(some) {
                self.call(&Data { number, audit, args: near.args(random) });
            }
        }
        for arch in [self.native].into_iter().chain(self.seccomp.architectures.iter().copied()) {
            let conditional = self.seccomp.rules.iter().filter(|rule| !rule.args.is_empty());
            let mut names: Vec<&str> =
                conditional.flat_map(|rule| rule.names.iter().map(String::as_str)).collect();
            names.extend(["socketcall", "ipc"]);
            names.sort_unstable();
            names.dedup();
            for number in names.iter().filter_map(|name| number(name, arch)) {
                for _ in 0..each {
                    let data = Data { number, audit: arch.audit(), args: near.args(random) };
                    self.call(&data);
                }
            }
        }
    }
}

/// Lets the library compile, but not for ever: rules that overlap can keep it busy for hours.
fn in_time(
    library: &'static Library,
    native: Arch,
    seccomp: &Seccomp,
    search: Search,
) -> Option<Result<Vec<Instruction>, i32>> {
    let (send, receive) = mpsc::channel();
    let seccomp = seccomp.clone();
    // The thread ends with the process of this test.
    thread::spawn(move || send.send(library.compile(&seccomp, native, search)));
    receive.recv_timeout(Duration::from_secs(2)).ok()
}

/// Returns rules that name no argument twice and mean the same together.
fn parts(rule: &Rule) -> Vec<Rule> {
    let args = &rule.args;
    let repeats =
        args.iter().enumerate().any(|(at, one)| args[..at].iter().any(|two| two.index == one.index));
    let part = |args: &[Comparison]| {
        let mut part = rule.clone();
        part.args = args.to_vec();
        part
    };
    if repeats { args.chunks(1).map(part).collect() } else { vec![rule.clone()] }
}

/// Returns the library's program of a profile with just this rule.
fn alone(library: &Library, seccomp: &Seccomp, native: Arch, mut rule: Rule) -> Vec<Instruction> {
    rule.names.sort_unstable();
    rule.names.dedup();
    let mut only = seccomp.clone();
    only.rules = vec![rule];
    library.compile(&only, native, Search::Linear).expect("rules without contradictions")
}

/// Architectures that one kernel's order of bytes allows, and that the library knows.
fn listable(library: &Library, native: Arch) -> Vec<Arch> {
    let alike = |arch: &&Arch| reference::is_little(**arch) == reference::is_little(native);
    Arch::ALL.iter().filter(alike).filter(|arch| library.token(**arch) != 0).copied().collect()
}

/// Names that the library and this crate know the same numbers of: its version may be older.
fn names(library: &Library, archs: &[Arch]) -> Vec<&'static str> {
    let theirs = |name: &str, arch: &Arch| u32::try_from(library.number(name, *arch)).ok();
    let alike = |name: &&str, arch: &Arch| {
        theirs(name, arch).is_none_or(|theirs| number(name, *arch) == Some(theirs))
    };
    let as_new = |name: &&str, arch: &Arch| {
        theirs(name, arch).is_some() || number(name, *arch).is_none() || multiplexed(name)
    };
    seccomp::names()
        .filter(|name| library.number(name, archs[0]) != -1)
        // Two calls of PowerPC, which the library takes for one on machines that have neither.
        .filter(|name| !["switch_endian", "sys_debug_setcontext"].contains(name))
        .filter(|name| archs.iter().all(|arch| alike(name, arch) && as_new(name, arch)))
        .collect()
}

/// Whether some architectures have the call of sockets or System V IPC behind one number only.
fn multiplexed(name: &str) -> bool {
    reference::code(name, Arch::X86).is_some()
}

fn dockers_profile_is_what_libseccomp_makes_of_it() -> Outcome {
    let (library, native) = (library()?, native()?);
    let mut seccomp = oci::seccomp(DOCKER)?;
    // A call that the library is too old for is one more rule here.
    let known = names(library, &listable(library, native));
    let is_known = |name: &String| {
        let is_known = known.contains(&name.as_str());
        assert!(is_known || library.number(name, native) < 0 || number(name, native).is_some(), "{name}");
        is_known
    };
    seccomp.rules.iter_mut().for_each(|rule| rule.names.retain(is_known));
    seccomp.rules.retain(|rule| !rule.names.is_empty());
    let more = [Arch::X86_64, Arch::X86, Arch::X32, Arch::Aarch64, Arch::Arm];
    let more = more.into_iter().filter(|arch| reference::is_little(*arch) == reference::is_little(native));
    for archs in [seccomp.architectures.clone(), Vec::new(), more.collect()] {
        seccomp.architectures = archs;
        for search in [Search::Linear, Search::Tree] {
            let mut compared = Compared::new(library, native, &seccomp, search).expect("a sound profile");
            compared.all(&mut Random(7), 2000);
            assert_eq!((compared.disputes, compared.faults), (0, 0));
        }
    }
    Ok(())
}

fn random_profiles_are_what_libseccomp_makes_of_them_1() -> Outcome {
    random_profiles(1)
}

fn random_profiles_are_what_libseccomp_makes_of_them_2() -> Outcome {
    random_profiles(2)
}

fn random_profiles_are_what_libseccomp_makes_of_them_3() -> Outcome {
    random_profiles(3)
}

fn random_profiles_are_what_libseccomp_makes_of_them_4() -> Outcome {
    random_profiles(4)
}

/// A quarter of a thousand, so that processors share the work; fewer where programs are slow.
fn random_profiles(seed: u64) -> Outcome {
    let (library, native) = (library()?, native()?);
    compare(library, &[native], seed, grounds::times(250));
    Ok(())
}

fn random_profiles_of_other_machines_are_what_libseccomp_makes_of_them() -> Outcome {
    let (library, native) = (library()?, native()?);
    let others = Arch::ALL.into_iter().filter(|arch| *arch != native && library.token(*arch) != 0);
    compare(library, &others.collect::<Vec<_>>(), 5, grounds::times(200));
    Ok(())
}

/// Compares so many profiles, on one machine after the other.
fn compare(library: &'static Library, machines: &[Arch], seed: u64, profiles: usize) {
    let mut random = Random(seed << 32 | 0x5eed);
    let (mut compared, mut refused, mut disputed, mut faulty) = (0, 0, 0, 0);
    let choices: Vec<_> = machines
        .iter()
        .map(|machine| {
            let archs = listable(library, *machine);
            let names = names(library, &archs);
            assert!(names.len() > 300, "{}", names.len());
            (*machine, archs, names)
        })
        .collect();
    while compared < profiles {
        let (machine, archs, names) = &choices[compared % choices.len()];
        // Every third profile has rules that may disagree: some of these the library refuses.
        let may_disagree = (compared + refused) % 3 == 0;
        let seccomp = random::profile(&mut random, names, archs, may_disagree);
        let search = random.of(&[Search::Linear, Search::Tree]);
        let Some(mut both) = Compared::new(library, *machine, &seccomp, search) else {
            refused += 1;
            continue;
        };
        both.all(&mut random, 12);
        assert!(may_disagree || both.disputes == 0, "{machine:?} {seccomp:?}");
        disputed += usize::from(both.disputes > 0);
        faulty += usize::from(both.faults > 0);
        compared += 1;
    }
    println!(
        "libseccomp refuses {refused}, decides {disputed} otherwise, is at odds with itself in {faulty}"
    );
    let few = profiles / 3 + 10;
    assert!(refused < few && disputed < few && faulty < few, "{refused} {disputed} {faulty}");
}

/// Each is one rule or two that might be misunderstood.
fn special_profiles_are_what_libseccomp_makes_of_them() -> Outcome {
    let (library, native) = (library()?, native()?);
    let archs = listable(library, native);
    let rule = |names: &[&str], action, args: &[Comparison]| {
        let mut rule = Rule::new(names.iter().copied(), action);
        rule.args = args.to_vec();
        rule
    };
    let (no, yes) = (Action::Errno(1), Action::Allow);
    let equal = |index, value| Comparison::new(index, Op::Equal, value);
    let profiles = [
        (no, vec![]),
        (yes, vec![]),
        (no, vec![rule(&["restart_syscall", "read"], yes, &[])]),
        // The first rule without conditions counts.
        (no, vec![rule(&["read"], yes, &[]), rule(&["read"], Action::Log, &[])]),
        (no, vec![rule(&["read"], Action::Log, &[equal(0, 1)]), rule(&["read"], yes, &[])]),
        // What says what happens anyway isn't a rule.
        (no, vec![rule(&["read"], no, &[equal(0, 1)]), rule(&["read"], yes, &[])]),
        (no, vec![rule(&["read"], no, &[]), rule(&["read"], yes, &[equal(0, 1)])]),
        // One argument twice.
        (no, vec![rule(&["read"], yes, &[equal(0, 1), equal(0, 2), equal(1, 9)])]),
        // Masks that look at nothing, and values outside of them.
        (no, vec![rule(&["read"], yes, &[Comparison::masked(0, 0, 5)])]),
        (no, vec![rule(&["read"], yes, &[Comparison::masked(0, 0xff, 0x1_0000_0105)])]),
        (no, vec![rule(&["read"], yes, &[Comparison::masked(0, 0xffff_ffff_0000_0000, 0x1_0000_0000)])]),
        // Multiplexed calls.
        (no, vec![rule(&["socket"], yes, &[Comparison::new(0, Op::NotEqual, 40)])]),
        (no, vec![rule(&["socket"], yes, &[equal(1, 3)]), rule(&["socketcall"], yes, &[equal(0, 5)])]),
        (no, vec![rule(&["accept", "recv", "semop", "shmctl", "semtimedop"], yes, &[])]),
        (yes, vec![rule(&["socketcall", "ipc"], no, &[]), rule(&["bind", "shmat"], Action::Trap, &[])]),
        (no, vec![rule(&["socket"], yes, &[equal(0, 1), equal(0, 2), equal(2, 2)])]),
        // Ranges and what is special in them.
        (
            no,
            vec![
                rule(&["read"], yes, &[Comparison::new(0, Op::Less, 100)]),
                rule(&["read"], Action::Trap, &[equal(0, 7)]),
                rule(&["read"], Action::Log, &[Comparison::new(0, Op::Less, 50)]),
            ],
        ),
        (
            yes,
            vec![
                rule(&["read"], Action::Errno(3), &[Comparison::new(0, Op::Greater, 7)]),
                rule(&["read"], Action::Errno(4), &[equal(0, 40), equal(2, 1)]),
            ],
        ),
        // Names of one architecture, of none, and numbers beyond the others.
        (no, vec![rule(&["set_tls", "breakpoint", "uname", "arch_prctl", "no_such_call"], yes, &[])]),
        (Action::Log, vec![rule(&["read"], no, &[]), rule(&["execveat"], Action::Trace(1), &[])]),
    ];
    let mut random = Random(99);
    for (default, rules) in profiles {
        let mut seccomp = Seccomp::new(default);
        seccomp.rules = rules;
        for archs in [vec![], archs.clone(), vec![Arch::X86], vec![Arch::X32, Arch::X86]] {
            seccomp.architectures = archs
                .into_iter()
                .filter(|arch| reference::is_little(*arch) == reference::is_little(native))
                .collect();
            let mut compared =
                Compared::new(library, native, &seccomp, Search::Linear).expect("a sound profile");
            compared.all(&mut random, 500);
            assert_eq!((compared.disputes, compared.faults), (0, 0), "{seccomp:?}");
        }
    }
    Ok(())
}

fn the_numbers_are_libseccomps() -> Outcome {
    let library = library()?;
    let mut compared = 0;
    for arch in Arch::ALL.into_iter().filter(|arch| library.token(*arch) != 0) {
        // x32 is the kernel's x86_64, and the library has a number of its own for it.
        assert!(arch == Arch::X32 || arch.audit() == library.token(arch), "{arch:?}");
        for name in seccomp::names() {
            // Where it has none, its tables may be older; and older ones had 32-bit numbers for parisc64.
            if arch == Arch::Parisc64 && number(name, arch).is_none() {
                continue;
            }
            if let Ok(theirs) = u32::try_from(library.number(name, arch)) {
                assert_eq!(number(name, arch), Some(theirs), "{name} of {arch:?}");
                compared += 1;
            }
        }
    }
    assert!(compared > 5000, "{compared}");
    Ok(())
}

fn programs_do_what_the_rules_say_on_every_machine() {
    let names: Vec<&str> = seccomp::names().collect();
    let mut random = Random(3);
    let audits = audits();
    for round in 0..230 {
        let native = Arch::ALL[round % Arch::ALL.len()];
        let seccomp = random::profile(&mut random, &names, &Arch::ALL, round % 2 == 0);
        let filter = match Filter::compile_for(&seccomp, native) {
            Ok(filter) => filter,
            Err(error) => {
                let text = error.to_string();
                assert!(text.ends_with("with the same conditions say different things"), "{text}");
                continue;
            }
        };
        machine::check(filter.instructions()).unwrap_or_else(|why| panic!("{why}: {seccomp:?}"));
        let listed: Vec<Arch> = [native].into_iter().chain(seccomp.architectures.iter().copied()).collect();
        let listed_numbers: Vec<u32> = (seccomp.rules.iter().flat_map(|rule| &rule.names))
            .flat_map(|name| listed.iter().filter_map(|arch| number(name, *arch)))
            .collect();
        let (numbers, near) = (numbers(listed[listed.len() - 1].audit()), Near::new(&seccomp));
        for _ in 0..100 {
            let known = !listed_numbers.is_empty() && random.below(2) == 0;
            let data = Data {
                number: if known { random.of(&listed_numbers) } else { random.of(&numbers) },
                audit: if random.below(5) > 0 { random.of(&listed).audit() } else { random.of(&audits) },
                args: near.args(&mut random),
            };
            let (answer, _) = machine::run(filter.instructions(), &data, reference::is_little(native));
            let answers = reference::answers(&seccomp, native, &data);
            assert!(
                answers.contains(&answer),
                "{native:?} {data:x?}: {answer:#x} of {answers:#x?} in {seccomp:#?}"
            );
        }
    }
}

/// 4,096 instructions are the most that the kernel takes.
fn long_programs_are_an_error() {
    let mut seccomp = Seccomp::new(Action::Allow);
    for value in 0..500 {
        let mut rule = Rule::new(["ioctl"], Action::Errno(1));
        rule.args.push(Comparison::new(1, Op::Equal, value << 20 | value));
        seccomp.rules.push(rule);
    }
    let filter = Filter::compile_for(&seccomp, Arch::X86_64).expect("2,000 instructions");
    machine::check(filter.instructions()).expect("jumps over more than 255 instructions");
    for value in [0, 3, 255, 499, 500] {
        let args = [0, value << 20 | value, 0, 0, 0, 0];
        let data = Data { number: 16, audit: Arch::X86_64.audit(), args };
        let expected = if value < 500 { Action::Errno(1) } else { Action::Allow };
        assert_eq!(machine::run(filter.instructions(), &data, true).0, reference::value(expected), "{value}");
    }
    for value in 500..1100 {
        let mut rule = Rule::new(["ioctl"], Action::Errno(1));
        rule.args.push(Comparison::new(1, Op::Equal, value << 20 | value));
        seccomp.rules.push(rule);
    }
    let error = Filter::compile_for(&seccomp, Arch::X86_64).expect_err("too long").to_string();
    assert!(error.starts_with("seccomp: makes a program of "), "{error}");
    assert!(error.ends_with(" instructions, and the kernel takes 4096"), "{error}");
}

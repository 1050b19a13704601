//! The image's own modules, run against a kernel that only takes notes.

#![allow(unsafe_code, unreachable_pub, dead_code, missing_docs)]
#![allow(clippy::pedantic, clippy::undocumented_unsafe_blocks, clippy::multiple_unsafe_ops_per_block)]

#[path = "../init/copy.rs"]
mod copy;
#[path = "../init/devices.rs"]
mod devices;
#[path = "../init/identity.rs"]
mod identity;
#[path = "../init/interpreter.rs"]
mod interpreter;
#[path = "../init/mounts.rs"]
mod mounts;
#[path = "../init/namespaces.rs"]
mod namespaces;
#[path = "../init/session.rs"]
mod session;
#[path = "../init/sys.rs"]
mod sys;

use std::ffi::{CStr, c_char};
use std::panic::{self, AssertUnwindSafe};
use std::time::Instant;

use crate::config::{Action, Config, Mount, Process, Seccomp};
use crate::plan::{Circumstances, Plan};
use crate::program::{Message, SLOTS};
use crate::raw::nr;
use crate::{program, raw};
use interpreter::Machine;
use sys::{Fault, Kernel};

/// Ends the machine where the kernel would end the process.
struct Ended;

/// A system call as it was made, with the path among its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Call {
    number: usize,
    path: String,
    arguments: [usize; 6],
}

impl Call {
    fn name(&self) -> String {
        raw::name(self.number).to_ascii_lowercase()
    }
}

/// How the kernel answers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answers {
    /// As for a container that is made without a fault.
    Well,
    /// With any number, by the seed.
    Anyhow,
}

/// A kernel that does nothing and remembers everything.
struct Recorder {
    calls: Vec<Call>,
    answers: Answers,
    random: u64,
    next_fd: isize,
    /// Memory that was asked for; it lives as long as the recorder.
    memory: Vec<Box<[usize]>>,
    messages: u32,
}

impl Recorder {
    fn new(answers: Answers, seed: u64) -> Self {
        Recorder {
            calls: Vec::new(),
            answers,
            random: seed | 1,
            next_fd: 100,
            memory: Vec::new(),
            messages: 0,
        }
    }

    fn random(&mut self) -> u64 {
        self.random = step(self.random);
        self.random
    }

    /// The path that was opened last.
    fn opened(&self) -> &str {
        self.calls.iter().rfind(|call| call.number == nr::OPENAT2).map_or("", |call| call.path.as_str())
    }

    fn fd(&mut self) -> isize {
        self.next_fd += 1;
        self.next_fd
    }

    /// Answers a call well, and writes what the kernel would write.
    fn answer(&mut self, number: usize, arguments: [usize; 6]) -> isize {
        match number {
            nr::OPENAT2 | nr::OPEN_TREE | nr::FSOPEN | nr::FSMOUNT | nr::SOCKET | nr::ACCEPT4 => self.fd(),
            nr::MMAP => {
                let mut words = vec![0_usize; arguments[1].div_ceil(size_of::<usize>())].into_boxed_slice();
                let start = words.as_mut_ptr() as isize;
                self.memory.push(words);
                start
            }
            nr::GETCWD => {
                unsafe { *(arguments[0] as *mut u8) = b'/' };
                2
            }
            nr::FSTATFS => {
                let devpts = self.opened() == "/dev/pts/ptmx";
                unsafe { *(arguments[1] as *mut u64) = if devpts { 0x1cd1 } else { sys::PROC_SUPER_MAGIC } };
                0
            }
            nr::STATX => {
                // All that is looked at are devices.
                let (major, minor) = match self.opened() {
                    "/dev/pts/ptmx" => (5, 2),
                    "/dev/tty" => (5, 0),
                    "/dev/zero" => (1, 5),
                    "/dev/full" => (1, 7),
                    "/dev/random" => (1, 8),
                    "/dev/urandom" => (1, 9),
                    _ => (1, 3),
                };
                let buffer = arguments[4] as *mut u64;
                unsafe { *buffer.add(3) = u64::from(sys::S_IFCHR | 0o666) << 32 };
                unsafe { *buffer.add(16) = major | minor << 32 };
                0
            }
            nr::RECVFROM => {
                let message = if self.messages == 0 { Message::Go } else { Message::Start };
                self.messages += 1;
                let mut bytes = [0; program::MESSAGE];
                let length = message.encode(&mut bytes);
                unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), arguments[1] as *mut u8, length) };
                length as isize
            }
            nr::IOCTL => self.fd(),
            nr::EXECVE => -(sys::ENOENT as isize),
            _ => 0,
        }
    }
}

fn step(mut random: u64) -> u64 {
    random ^= random << 13;
    random ^= random >> 7;
    random ^ (random << 17)
}

impl Kernel for &mut Recorder {
    unsafe fn call(&mut self, number: usize, arguments: [usize; 6]) -> isize {
        let place = match number {
            nr::OPENAT2 | nr::OPEN_TREE | nr::MKDIRAT | nr::MKNODAT => Some(1),
            nr::SYMLINKAT => Some(2),
            nr::MOUNT => Some(1),
            nr::EXECVE | nr::CHDIR | nr::CHROOT | nr::UMOUNT2 | nr::PIVOT_ROOT | nr::FSOPEN => Some(0),
            _ => None,
        };
        let path = place.map(|place| unsafe { CStr::from_ptr(arguments[place] as *const c_char) });
        let path = path.map(|path| path.to_string_lossy().into_owned()).unwrap_or_default();
        self.calls.push(Call { number, path, arguments });
        if number == nr::EXIT_GROUP {
            panic::panic_any(Ended);
        }
        assert!(self.calls.len() < 1_000_000, "it loops");
        match self.answers {
            Answers::Well => self.answer(number, arguments),
            Answers::Anyhow => match self.random() % 16 {
                0 => -((1 + self.random() % 133) as isize),
                // Numbers as no kernel gives them, where they are not addresses.
                1 if number != nr::MMAP => self.random() as i32 as isize,
                _ => self.answer(number, arguments),
            },
        }
    }
}

/// Runs a program: how it ended, unless by an exit, and what it called.
fn run(program: &[u8], answers: Answers, seed: u64) -> (Option<(u32, Fault)>, Recorder) {
    let mut recorder = Recorder::new(answers, seed);
    let ended = panic::catch_unwind(AssertUnwindSafe(|| {
        let mut machine = Machine::new(&mut recorder, 4, 5);
        machine.handed_over(2);
        let (step, fault) = machine.run(program);
        machine.report(step, fault);
        (step, fault)
    }));
    let ended = match ended {
        Ok(ended) => Some(ended),
        Err(payload) if payload.is::<Ended>() => None,
        Err(payload) => panic::resume_unwind(payload),
    };
    (ended, recorder)
}

fn configs() -> Vec<Config> {
    let usual = Config::new("/rootfs");
    let rootless = Config::new("/rootfs").rootless();
    let mut terminal = Config::new("/rootfs");
    terminal.process.terminal = true;
    terminal.process.terminal_size = Some((24, 80));
    terminal.hostname = Some("box".to_owned());
    terminal.sysctl.insert("net.ipv4.ip_forward".to_owned(), "1".to_owned());
    terminal.readonly_rootfs = true;
    let mut chroot = Config::new("/rootfs");
    chroot.no_pivot_root = true;
    let mut filtered = Config::new("/rootfs");
    filtered.process.seccomp = Some(Seccomp::new(Action::Allow));
    filtered.process.no_new_privileges = false;
    filtered.mounts.push(Mount::new("tmpfs", "tmpfs", "/data", ["tmpcopyup", "ro"]));
    vec![usual, rootless, terminal, chroot, filtered]
}

fn plans() -> Vec<Plan> {
    let mut plans: Vec<_> = configs().iter().map(|config| Plan::new(config).unwrap()).collect();
    let process = Process { args: vec!["sh".to_owned()], terminal: true, ..Process::default() };
    let way = crate::plan::Way { kinds: 0x3000_0000, moved_root: false };
    plans.push(Plan::enter(&process, way, &Circumstances::default()).unwrap());
    plans
}

#[test]
fn the_usual_container_gets_to_its_exec() {
    for config in configs() {
        let plan = Plan::new(&config).unwrap();
        let (ended, recorder) = run(plan.program(), Answers::Well, 1);
        let (step, fault) = ended.expect("the exec is refused here, which is told");
        let last = raw::name(fault.call as usize);
        assert_eq!((plan.step(step), last), ("execute \"sh\"", "EXECVE"), "{config:?}");
        let tried: Vec<_> = recorder.calls.iter().filter(|call| call.number == nr::EXECVE).collect();
        assert_eq!(tried.last().map(|call| call.path.as_str()), Some("/bin/sh"));
    }
}

#[test]
fn calls_come_in_the_order_that_keeps_the_host_out_of_reach() {
    let plan = Plan::new(&Config::new("/rootfs")).unwrap();
    let (_, recorder) = run(plan.program(), Answers::Well, 1);
    let calls = recorder.calls;
    let first = |number: usize| {
        let found = calls.iter().position(|call| call.number == number);
        found.unwrap_or_else(|| panic!("{} was never called", raw::name(number)))
    };
    let last = |number: usize| calls.iter().rposition(|call| call.number == number).unwrap();

    let order = [
        nr::CLONE3,
        nr::SETSID,
        nr::MOUNT,
        nr::MOVE_MOUNT,
        nr::PIVOT_ROOT,
        nr::UMOUNT2,
        nr::SETRESUID,
        nr::CAPSET,
        nr::EXECVE,
    ];
    for pair in order.windows(2) {
        assert!(first(pair[0]) < first(pair[1]), "{} before {}", raw::name(pair[0]), raw::name(pair[1]));
    }
    // The host's mounts go from sight at once, before anything else is done with a path.
    assert_eq!(first(nr::UMOUNT2), first(nr::PIVOT_ROOT) + 1);
    assert!(last(nr::MOVE_MOUNT) < first(nr::PIVOT_ROOT));
    // After the capabilities are set, nothing needs one.
    let after: Vec<_> = calls[last(nr::CAPSET) + 1..].iter().map(Call::name).collect();
    let harmless = ["prctl", "umask", "sendmsg", "recvfrom", "mmap", "execve", "close"];
    assert!(after.iter().all(|call| harmless.contains(&call.as_str())), "{after:?}");
}

/// CVE-2021-30465 and its kin: a path of the container must never be looked up from the host's root.
#[test]
fn no_path_of_the_container_is_looked_up_from_the_hosts_root() {
    const CURRENT_ROOT: i32 = sys::AT_FDCWD;
    for config in configs() {
        let plan = Plan::new(&config).unwrap();
        let (_, recorder) = run(plan.program(), Answers::Well, 1);
        let of_the_host = ["", "/", "/rootfs", "/proc", "/dev/null"];
        let devices = ["/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"];
        let rootless = config.has(crate::NamespaceKind::User);
        for call in &recorder.calls {
            let free = [nr::OPENAT2, nr::OPEN_TREE].contains(&call.number)
                && call.arguments[0] as i32 == CURRENT_ROOT;
            let known = of_the_host.contains(&call.path.as_str())
                || rootless && devices.contains(&call.path.as_str());
            assert!(!free || known, "{call:?}");
            // Everything else is relative to a descriptor, and has no slash where it isn't resolved in the root.
            if [nr::MKDIRAT, nr::MKNODAT, nr::SYMLINKAT].contains(&call.number) {
                assert!(!call.path.contains('/') && call.path != "..", "{call:?}");
            }
            if call.number == nr::MOUNT {
                assert_eq!(call.path, "/", "only the propagation is set by a path");
            }
        }
    }
}

#[test]
fn every_truncation_ends_in_a_fault_and_does_nothing() {
    for plan in plans() {
        let program = plan.program();
        for length in 0..program.len() {
            let (ended, recorder) = run(&program[..length], Answers::Well, 1);
            let (_, fault) = ended.expect("a fault");
            assert_eq!(fault.errno, sys::EPROTO);
            assert_eq!(recorder.calls.len(), 1, "only the report is sent");
        }
    }
}

/// Neither the bytes nor the kernel's answers can make it panic or loop.
#[test]
fn no_broken_program_panics_or_loops() {
    let begin = Instant::now();
    let plans = plans();
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        random = step(random);
        random
    };
    let quiet = panic::take_hook();
    panic::set_hook(Box::new(|info| {
        if !info.payload().is::<Ended>() {
            eprintln!("{info}");
        }
    }));
    let done = panic::catch_unwind(AssertUnwindSafe(|| {
        for round in 0..20_000_u32 {
            let mut program = plans[round as usize % plans.len()].program().to_vec();
            for _ in 0..1 + next() % 4 {
                // Mostly in the operations, which come first.
                let span = if next() % 4 == 0 { program.len() } else { program.len() / 2 };
                let at = next() as usize % span;
                match next() % 4 {
                    0 => program[at] = next() as u8,
                    1 => program[at] = [0, 1, 0x7f, 0x80, 0xff][next() as usize % 5],
                    _ => program[at] ^= 1 << (next() % 8),
                }
            }
            let answers = if round % 3 == 0 { Answers::Anyhow } else { Answers::Well };
            let (_, recorder) = run(&program, answers, next());
            let last = recorder.calls.last().expect("at least the report");
            assert!([nr::SENDMSG, nr::EXIT_GROUP].contains(&last.number), "round {round}: {last:?}");
        }
    }));
    panic::set_hook(quiet);
    if let Err(payload) = done {
        panic::resume_unwind(payload);
    }
    assert!(begin.elapsed().as_secs() < 20, "{:?}", begin.elapsed());
}

/// The parent's number for a slot, and the image's.
#[test]
fn slots_are_as_many_as_the_program_can_name() {
    let mut recorder = Recorder::new(Answers::Well, 1);
    let machine = Machine::new(&mut recorder, 4, 5);
    assert_eq!(machine.fd(program::Slot(0)), Ok(5));
    assert_eq!(machine.fd(program::Slot(SLOTS as u32 - 1)), Ok(5 + SLOTS as i32 - 1));
    assert!(machine.fd(program::Slot(SLOTS as u32)).is_err());
    assert!(machine.fd(program::Slot::NONE).is_err());
}

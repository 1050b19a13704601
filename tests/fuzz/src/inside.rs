//! Programs and the interpreter that runs them inside, against a kernel that only answers.
//!
//! These are the files of the image itself, compiled once more.

#![allow(unsafe_code, unreachable_pub, dead_code, missing_docs, unused_imports)]
#![allow(clippy::pedantic)]

#[path = "../../../libcontainer/init/copy.rs"]
mod copy;
#[path = "../../../libcontainer/init/devices.rs"]
mod devices;
#[path = "../../../libcontainer/init/identity.rs"]
mod identity;
#[path = "../../../libcontainer/init/interpreter.rs"]
mod interpreter;
#[path = "../../../libcontainer/init/mounts.rs"]
mod mounts;
#[path = "../../../libcontainer/init/namespaces.rs"]
mod namespaces;
#[path = "../../../libcontainer/src/program.rs"]
pub(crate) mod program;
#[path = "../../../libcontainer/init/raw.rs"]
mod raw;
#[path = "../../../libcontainer/init/session.rs"]
mod session;
#[path = "../../../libcontainer/init/sys.rs"]
mod sys;

use std::ffi::{CStr, c_char};
use std::hash::{DefaultHasher, Hasher};
use std::panic::{self, AssertUnwindSafe};

use interpreter::Machine;
use libcontainer::Config;
use program::{Message, Op, Operations, SLOTS, Sink, Slot, Strings};
use raw::nr;
use sys::{Fault, Kernel};

/// A program as it is written.
#[derive(Default)]
struct Writer {
    operations: Vec<u8>,
    data: Vec<u8>,
}

impl Writer {
    fn op(&mut self, step: u32, op: &Op<'_>) {
        self.operations.extend(op.code().to_le_bytes());
        self.operations.extend(step.to_le_bytes());
        op.encode(self);
    }

    fn finish(self) -> Vec<u8> {
        let mut bytes = program::MAGIC.to_le_bytes().to_vec();
        bytes.extend((self.operations.len() as u32).to_le_bytes());
        bytes.extend((self.data.len() as u32).to_le_bytes());
        bytes.extend(self.operations);
        bytes.extend(self.data);
        bytes
    }
}

impl Sink for Writer {
    fn word(&mut self, word: u64) {
        self.operations.extend(word.to_le_bytes());
    }

    fn data(&mut self, bytes: &[u8]) -> u64 {
        let offset = self.data.len() as u64;
        self.data.extend(bytes);
        offset << 32 | bytes.len() as u64
    }
}

/// Programs of one operation each, and one of them all.
pub(crate) fn programs() -> Vec<Vec<u8>> {
    let (a, b) = (Slot(0), Slot(1));
    let (path, null) = (c"/dev/x", Slot::NONE);
    let strings = Strings(b"sh\0-c\0");
    let all = [
        Op::HostTree { slot: a, path, recursive: true },
        Op::Setns { fd: a, kinds: 0x2000_0000 },
        Op::Unshare { kinds: 0x2000_0000 },
        Op::Clone { flags: 0x7c02_0000, cgroup: null },
        Op::Dumpable { on: false },
        Op::AwaitGo {},
        Op::Ready {},
        Op::AwaitStart {},
        Op::AcceptStart { listener: b },
        Op::Mounted {},
        Op::Propagate { path, flags: 1 << 18 },
        Op::OpenHost { slot: a, path, flags: 0 },
        Op::Tree { slot: a, path, recursive: true },
        Op::NewMount {
            slot: b,
            fstype: c"tmpfs",
            source: c"tmpfs",
            options: Strings(b"size\x001k\0"),
            attributes: 1,
        },
        Op::Attach { tree: b, path, make: program::LIKE_TREE, resolve: 0 },
        Op::Attributes { tree: b, set: 1, clear: 2, propagation: 0, recursive: true },
        Op::EnterRoot { path: c"/" },
        Op::Mask { path, null: a },
        Op::ReadOnly { path },
        Op::PivotRoot {},
        Op::MoveRoot { root: a },
        Op::MakeDirectory { path, mode: 0o755 },
        Op::ExpectDevice { slot: a, kind: 0o020_000, major: 1, minor: 3 },
        Op::CloneTree { slot: a, from: b },
        Op::MapIds { tree: a, map: b, recursive: true },
        Op::BeLike { tree: a, path, contents: true },
        Op::Node { path, mode: 0o020_666, major: 1, minor: 3, uid: 0, gid: 0 },
        Op::Symlink { path, target: c"pts/ptmx" },
        Op::Console { peer: b, rows: 24, columns: 80, uid: 0, gid: 0, bind: true },
        Op::Hostname { name: b"box" },
        Op::Domainname { name: b"nis" },
        Op::WriteProc { proc: a, path: c"sys/net/x", value: b"1" },
        Op::LoopbackUp {},
        Op::SessionKeyring {},
        Op::BecomeRoot { drop_groups: true },
        Op::Rlimit { resource: 7, soft: 1, hard: 2 },
        Op::Bounding { keep: 1 },
        Op::Identity { uid: 1, gid: 2, groups: &[3, 0, 0, 0], set_groups: true },
        Op::Capabilities { effective: 1, permitted: 1, inheritable: 0, ambient: 0 },
        Op::NoNewPrivileges {},
        Op::Umask { mask: 0o22 },
        Op::Setsid {},
        Op::ControllingTerminal { peer: b },
        Op::WorkingDirectory { path },
        Op::Inherit { slot: a, number: 3 },
        Op::Close { slot: a },
        Op::Exec {
            file: null,
            path: c"sh",
            arguments: strings,
            environment: Strings(b"PATH=/bin:/usr/bin\0"),
            filter: &[6, 0, 0, 0, 0, 0, 0xff, 0x7f],
            flags: 8,
        },
    ];
    let mut whole = Writer::default();
    let mut seeds = Vec::new();
    for (step, op) in all.iter().enumerate() {
        let mut one = Writer::default();
        one.op(0, op);
        seeds.push(one.finish());
        whole.op(step as u32, op);
    }
    seeds.push(whole.finish());
    seeds
}

/// Runs bytes that may be a program.
pub(crate) fn run_any(bytes: &[u8]) {
    let Some(operations) = Operations::new(bytes) else { return };
    let mut written = Writer::default();
    let mut count = 0;
    for (step, op) in operations.clone() {
        let Some(op) = op else { break };
        written.op(step, &op);
        count += 1;
    }
    assert!(count * 8 <= bytes.len(), "more operations than bytes");
    let written = written.finish();
    let again: Vec<_> =
        Operations::new(&written).expect("what was written").map(|(step, op)| (step, op.unwrap())).collect();
    let first: Vec<_> = operations.map_while(|(step, op)| Some((step, op?))).collect();
    assert_eq!(again, first);
    for answers in [Answers::Well, Answers::Anyhow] {
        run(bytes, answers);
    }
}

/// Runs the program of a plan.
pub(crate) fn run_planned(bytes: &[u8], steps: usize, config: &Config) {
    let mut last = None;
    for (step, op) in Operations::new(bytes).expect("a program") {
        assert!((step as usize) < steps, "a step that has no words");
        last = Some(op.expect("an operation"));
    }
    let Some(Op::Exec { arguments, .. }) = last else { panic!("the last operation is {last:?}") };
    assert!(arguments.iter().map(CStr::to_bytes).eq(config.process.args.iter().map(String::as_bytes)));
    for answers in [Answers::Well, Answers::Anyhow] {
        run(bytes, answers);
    }
}

/// How the kernel answers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answers {
    /// As if all went well.
    Well,
    /// With an error now and then, and numbers as no kernel gives them.
    Anyhow,
}

/// Ends the machine where the kernel would end the process.
struct Ended;

/// A kernel that does nothing.
struct Idle {
    answers: Answers,
    random: u64,
    calls: usize,
    allowed: usize,
    next_fd: isize,
    messages: usize,
    /// Memory that was asked for; it lives as long as this.
    memory: Vec<Box<[usize]>>,
}

/// Runs a program to its end, which must come, and be told.
fn run(bytes: &[u8], answers: Answers) {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    let mut kernel = Idle {
        answers,
        random: hasher.finish() | 1,
        calls: 0,
        // Paths are walked name by name, and PATH folder by folder.
        allowed: 4096 + 64 * bytes.len(),
        next_fd: 100,
        messages: 0,
        memory: Vec::new(),
    };
    let ended = panic::catch_unwind(AssertUnwindSafe(|| {
        let mut machine = Machine::new(&mut kernel, 4, 5);
        machine.handed_over(2);
        let (step, fault) = machine.run(bytes);
        machine.report(step, fault);
    }));
    match ended {
        Err(payload) if !payload.is::<Ended>() => panic::resume_unwind(payload),
        _ => {}
    }
}

impl Idle {
    fn random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }

    fn fd(&mut self) -> isize {
        self.next_fd += 1;
        self.next_fd
    }

    /// Answers well, and writes what the kernel would write.
    ///
    /// # Safety
    ///
    /// As [`Kernel::call`].
    unsafe fn well(&mut self, number: usize, arguments: [usize; 6]) -> isize {
        match number {
            nr::OPENAT2 | nr::OPEN_TREE | nr::FSOPEN | nr::FSMOUNT | nr::SOCKET | nr::ACCEPT4 | nr::IOCTL => {
                self.fd()
            }
            nr::MMAP => {
                let mut words = vec![0_usize; arguments[1].div_ceil(size_of::<usize>())].into_boxed_slice();
                let start = words.as_mut_ptr() as isize;
                self.memory.push(words);
                start
            }
            nr::GETCWD => {
                // SAFETY: the caller's buffer has room for a path.
                unsafe { *(arguments[0] as *mut u8) = b'/' };
                2
            }
            nr::FSTATFS => {
                let magic = if self.random().is_multiple_of(2) { 0x1cd1 } else { sys::PROC_SUPER_MAGIC };
                // SAFETY: the caller's `struct statfs` begins with the type, a word.
                unsafe { *(arguments[1] as *mut u64) = magic };
                0
            }
            nr::STATX => {
                // SAFETY: the caller's `struct statx` has 32 words, and nobody else looks at it.
                let buffer = unsafe { &mut *(arguments[4] as *mut [u64; 32]) };
                buffer[3] = u64::from(sys::S_IFCHR | 0o666) << 32; // the mode, in the upper half
                buffer[16] = 1 | 3 << 32; // the device's numbers
                0
            }
            nr::RECVFROM => {
                let message = if self.messages == 0 { Message::Go } else { Message::Start };
                self.messages += 1;
                let mut bytes = [0; program::MESSAGE];
                let length = message.encode(&mut bytes);
                // SAFETY: the caller's buffer takes any message, and is not this one.
                unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), arguments[1] as *mut u8, length) };
                length as isize
            }
            nr::EXECVE => -(sys::ENOENT as isize),
            _ => 0,
        }
    }
}

impl Kernel for &mut Idle {
    unsafe fn call(&mut self, number: usize, arguments: [usize; 6]) -> isize {
        self.calls += 1;
        assert!(self.calls <= self.allowed, "it loops");
        let place = match number {
            nr::OPENAT2 | nr::OPEN_TREE | nr::MKDIRAT | nr::MKNODAT | nr::MOUNT => Some(1),
            nr::SYMLINKAT => Some(2),
            nr::EXECVE | nr::CHDIR | nr::CHROOT | nr::UMOUNT2 | nr::PIVOT_ROOT | nr::FSOPEN => Some(0),
            _ => None,
        };
        if let Some(place) = place {
            // SAFETY: it ends in a NUL, or the real kernel would read on as well: that is what is tested.
            let path = unsafe { CStr::from_ptr(arguments[place] as *const c_char) };
            assert!(path.count_bytes() <= 64 << 10);
        }
        if number == nr::EXIT_GROUP {
            panic::resume_unwind(Box::new(Ended));
        }
        if self.answers == Answers::Well {
            // SAFETY: the caller's promise is the same.
            return unsafe { self.well(number, arguments) };
        }
        match self.random() % 16 {
            0 => -((1 + self.random() % 133) as isize),
            // Not where the answer is an address.
            1 if number != nr::MMAP => self.random() as i32 as isize,
            // SAFETY: the caller's promise is the same.
            _ => unsafe { self.well(number, arguments) },
        }
    }
}

//! The language of the program that runs inside: its operations, its bytes, its messages.
//!
//! Both sides compile this file: the library, which writes programs, and the freestanding image in
//! `init/`, which runs them. It therefore needs nothing but `core`, and nothing here allocates.
//!
//! A program is one block of bytes, little-endian: a header, the operations one after another, and
//! the data (strings, arrays) that they refer to by offset. Nothing in it is a pointer, so it can be
//! stored, compared and mapped anywhere; every offset is checked when it is read.

use core::ffi::CStr;

/// The first four bytes of every program.
pub const MAGIC: u32 = 0x4c43_5031;
/// Bytes before the first operation: magic, length of the operations, length of the data.
pub const HEADER: usize = 12;
/// How many file descriptors a program can name.
pub const SLOTS: usize = 1024;

/// Stands for "a directory or a file, as the tree is one" in [`Op::Attach`].
pub const LIKE_TREE: u32 = 0o170_000;

/// Stands for "no listener" in [`Message::Exec`].
pub const NO_LISTENER: u32 = u32::MAX;

/// A place for a file descriptor: those that the parent hands over come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot(pub u32);

impl Slot {
    /// The rootfs, once its tree is there: paths "beneath the root" start here.
    pub const ROOT: Slot = Slot(SLOTS as u32 - 1);
    /// No descriptor, where one is optional.
    pub const NONE: Slot = Slot(u32::MAX);
}

/// A list of strings, stored one after another, each with its NUL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Strings<'p>(pub &'p [u8]);

impl<'p> Strings<'p> {
    /// Returns the strings in order.
    pub fn iter(self) -> impl Iterator<Item = &'p CStr> {
        let mut rest = self.0;
        core::iter::from_fn(move || {
            let text = CStr::from_bytes_until_nul(rest).ok()?;
            rest = rest.get(text.to_bytes_with_nul().len()..)?;
            Some(text)
        })
    }
}

/// Takes the bytes of a program apart; `None` when they are not one.
pub fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let word = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    if word(0)? != MAGIC {
        return None;
    }
    let end = HEADER.checked_add(word(4)? as usize)?;
    let operations = bytes.get(HEADER..end)?;
    let data = bytes.get(end..end.checked_add(word(8)? as usize)?)?;
    Some((operations, data))
}

/// Where an operation's words and data go while it is written.
pub trait Sink {
    /// Takes one word of the operation.
    fn word(&mut self, word: u64);
    /// Stores data and returns its place: the offset in the upper half, the length in the lower.
    fn data(&mut self, bytes: &[u8]) -> u64;
}

/// A field of an operation, as it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'p> {
    /// A number.
    Number(i128),
    /// Yes or no.
    Flag(bool),
    /// A descriptor's place; none where there is no descriptor.
    Slot(Option<u32>),
    /// A path or a word.
    Text(&'p CStr),
    /// Paths or words.
    Texts(Strings<'p>),
    /// Anything else.
    Bytes(&'p [u8]),
}

/// A field of an operation: one 64-bit word, which may point into the data.
trait Field<'p>: Sized {
    fn put(&self, sink: &mut impl Sink);
    fn value(&self) -> Value<'p>;
    fn get(word: u64, data: &'p [u8]) -> Option<Self>;
}

macro_rules! number_fields {
    ($($type:ty),*) => {$(
        impl Field<'_> for $type {
            fn put(&self, sink: &mut impl Sink) {
                #[allow(clippy::cast_lossless)]
                sink.word(*self as u64);
            }
            fn value(&self) -> Value<'static> {
                Value::Number(i128::from(*self))
            }
            fn get(word: u64, _: &[u8]) -> Option<Self> {
                Self::try_from(word).ok()
            }
        }
    )*};
}
number_fields!(u32, u64);

impl Field<'_> for bool {
    fn put(&self, sink: &mut impl Sink) {
        sink.word(u64::from(*self));
    }
    fn value(&self) -> Value<'static> {
        Value::Flag(*self)
    }
    fn get(word: u64, _: &[u8]) -> Option<Self> {
        (word <= 1).then_some(word == 1)
    }
}

impl Field<'_> for i32 {
    fn put(&self, sink: &mut impl Sink) {
        sink.word(i64::from(*self) as u64);
    }
    fn value(&self) -> Value<'static> {
        Value::Number(i128::from(*self))
    }
    fn get(word: u64, _: &[u8]) -> Option<Self> {
        i32::try_from(word as i64).ok()
    }
}

impl Field<'_> for Slot {
    fn put(&self, sink: &mut impl Sink) {
        self.0.put(sink);
    }
    fn value(&self) -> Value<'static> {
        Value::Slot((*self != Slot::NONE).then_some(self.0))
    }
    fn get(word: u64, data: &[u8]) -> Option<Self> {
        let slot = Slot(u32::get(word, data)?);
        (slot == Slot::NONE || (slot.0 as usize) < SLOTS).then_some(slot)
    }
}

impl<'p> Field<'p> for &'p [u8] {
    fn put(&self, sink: &mut impl Sink) {
        let place = sink.data(self);
        sink.word(place);
    }
    fn value(&self) -> Value<'p> {
        Value::Bytes(self)
    }
    fn get(word: u64, data: &'p [u8]) -> Option<Self> {
        let (offset, length) = ((word >> 32) as usize, (word & 0xffff_ffff) as usize);
        data.get(offset..offset.checked_add(length)?)
    }
}

impl<'p> Field<'p> for &'p CStr {
    fn put(&self, sink: &mut impl Sink) {
        self.to_bytes_with_nul().put(sink);
    }
    fn value(&self) -> Value<'p> {
        Value::Text(self)
    }
    fn get(word: u64, data: &'p [u8]) -> Option<Self> {
        CStr::from_bytes_with_nul(<&[u8]>::get(word, data)?).ok()
    }
}

impl<'p> Field<'p> for Strings<'p> {
    fn put(&self, sink: &mut impl Sink) {
        self.0.put(sink);
    }
    fn value(&self) -> Value<'p> {
        Value::Texts(*self)
    }
    fn get(word: u64, data: &'p [u8]) -> Option<Self> {
        let bytes = <&[u8]>::get(word, data)?;
        matches!(bytes.last(), None | Some(0)).then_some(Strings(bytes))
    }
}

macro_rules! operations {
    ($($(#[$doc:meta])* $code:literal $name:ident { $($field:ident: $type:ty),* $(,)? })*) => {
        /// One operation of a program.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Op<'p> {
            $($(#[$doc])* $name { $(#[allow(missing_docs)] $field: $type),* },)*
        }

        impl<'p> Op<'p> {
            /// Returns the number that stands for this kind of operation.
            pub fn code(&self) -> u32 {
                match self { $(Op::$name { .. } => $code,)* }
            }

            /// Writes the operation's fields.
            pub fn encode(&self, sink: &mut impl Sink) {
                match self { $(Op::$name { $($field),* } => { $($field.put(sink);)* let _ = sink; })* }
            }

            /// Returns the operation's name.
            pub fn name(&self) -> &'static str {
                match self { $(Op::$name { .. } => stringify!($name),)* }
            }

            /// Shows the operation's fields, each with its name.
            pub fn fields(&self, show: &mut dyn FnMut(&'static str, Value<'p>)) {
                match self { $(Op::$name { $($field),* } => { $(show(stringify!($field), $field.value());)* let _ = show; })* }
            }

            fn decode(code: u32, words: &mut Reader<'p>, data: &'p [u8]) -> Option<Self> {
                Some(match code {
                    $($code => Op::$name { $($field: <$type as Field>::get(words.u64()?, data)?),* },)*
                    _ => return None,
                })
            }
        }
    };
}

operations! {
    // ---- host side: before the clone ----
    /// Clones the mount tree at a path of the host, to be attached later. Without the right to do so
    /// (an ordinary user's embedder) the slot stays empty, and the path is opened inside instead.
    1 HostTree { slot: Slot, path: &'p CStr, recursive: bool }
    /// Enters namespaces, [`setns(2)`](https://man7.org/linux/man-pages/man2/setns.2.html).
    2 Setns { fd: Slot, kinds: u32 }
    /// Moves this process into new namespaces, [`unshare(2)`](https://man7.org/linux/man-pages/man2/unshare.2.html).
    3 Unshare { kinds: u32 }
    /// Makes the process that becomes the container's, and ends this one.
    4 Clone { flags: u64, cgroup: Slot }
    /// Says whether other processes of the user may look into this one.
    5 Dumpable { on: bool }

    // ---- talking with the parent ----
    /// Waits for the parent's Go, which follows maps, cgroup and network.
    10 AwaitGo {}
    /// Tells the parent that everything but the exec is done.
    11 Ready {}
    /// Waits for the parent's Start.
    12 AwaitStart {}
    /// Waits for a connection on a listening socket, which takes the parent's place from then on.
    13 AcceptStart { listener: Slot }
    /// Tells the parent that the mounts are there, and the host's root is still this process's.
    14 Mounted {}

    // ---- mounts: fd by fd ----
    /// Sets the propagation of a mount by its path in the current root.
    20 Propagate { path: &'p CStr, flags: u64 }
    /// Opens a path of the current root, not beneath the container's.
    21 OpenHost { slot: Slot, path: &'p CStr, flags: u32 }
    /// Clones the mount tree at a path of the current root; where the path is closed to us inside, what
    /// [`Op::HostTree`] cloned is kept.
    22 Tree { slot: Slot, path: &'p CStr, recursive: bool }
    /// Makes a filesystem: options are `key`, `value` pairs, an empty value being a flag.
    23 NewMount { slot: Slot, fstype: &'p CStr, source: &'p CStr, options: Strings<'p>, attributes: u32 }
    /// Attaches a detached tree on a path beneath the root. An absent path is made: `make` is its type
    /// and mode, [`LIKE_TREE`] for the tree's own type, or 0. `resolve` adds to how it is looked up.
    24 Attach { tree: Slot, path: &'p CStr, make: u32, resolve: u64 }
    /// Changes an attached mount's attributes; a recursive change reaches all mounts below it.
    25 Attributes { tree: Slot, set: u64, clear: u64, propagation: u64, recursive: bool }
    /// Attaches the rootfs, [`Slot::ROOT`], on a path of the current root: `/`, or where hooks look for it.
    26 EnterRoot { path: &'p CStr }
    /// Hides a path beneath the root: a file under the null device, a directory under an empty one.
    27 Mask { path: &'p CStr, null: Slot }
    /// Makes a path beneath the root read-only, with all that is mounted below it.
    28 ReadOnly { path: &'p CStr }
    /// Makes the rootfs the root of this mount namespace and lets go of the old one.
    29 PivotRoot {}
    /// The older way to the same, for roots that can't be pivoted (an initramfs).
    30 MoveRoot { root: Slot }
    /// Closes a slot.
    31 Close { slot: Slot }
    /// Makes a directory beneath the root, with its parents.
    32 MakeDirectory { path: &'p CStr, mode: u32 }
    /// Checks that a slot is the device it should be: its file type and numbers.
    33 ExpectDevice { slot: Slot, kind: u32, major: u32, minor: u32 }
    /// Copies a slot's mount once more: the slot must be in this mount namespace.
    34 CloneTree { slot: Slot, from: Slot }

    /// Shows the files of a detached tree as the map of a user namespace has it, and keeps its mounts from the host.
    35 MapIds { tree: Slot, map: Slot, recursive: bool }
    /// Gives a new filesystem, not attached yet, the mode of what is at a path beneath the root, and its owner and a
    /// copy of its contents if asked.
    36 BeLike { tree: Slot, path: &'p CStr, contents: bool }

    // ---- devices ----
    /// Makes a device node beneath the root.
    40 Node { path: &'p CStr, mode: u32, major: u32, minor: u32, uid: u32, gid: u32 }
    /// Makes a symbolic link beneath the root, unless something is there already.
    41 Symlink { path: &'p CStr, target: &'p CStr }
    /// Opens a terminal of the container's own devpts and hands its master to the parent.
    42 Console { peer: Slot, rows: u32, columns: u32, uid: u32, gid: u32, bind: bool }

    // ---- what the namespaces hold ----
    /// Sets the host name of the UTS namespace.
    50 Hostname { name: &'p [u8] }
    /// Sets the NIS domain name of the UTS namespace.
    51 Domainname { name: &'p [u8] }
    /// Writes a file beneath a directory that must be procfs.
    52 WriteProc { proc: Slot, path: &'p CStr, value: &'p [u8] }
    /// Brings the loopback interface up.
    53 LoopbackUp {}
    /// Leaves the caller's session keyring, whose keys are the caller's.
    54 SessionKeyring {}

    // ---- how the kernel serves the process ----
    /// Sets the execution domain.
    55 Personality { persona: u32 }
    /// Says from which NUMA nodes memory comes: a mask in whole words, empty for none.
    56 MemoryPolicy { mode: u32, nodes: &'p [u8] }
    /// Sets the scheduler: a `struct sched_attr`.
    57 Scheduler { attributes: &'p [u8] }
    /// Sets the I/O priority.
    58 IoPriority { priority: u32 }
    /// Says on which processors the process runs: a mask in whole words.
    59 CpuAffinity { mask: &'p [u8] }

    // ---- identity and confinement ----
    /// Takes the ids that run the set-up inside a new user namespace.
    60 BecomeRoot { drop_groups: bool }
    /// Limits a resource of this process and its children.
    61 Rlimit { resource: u32, soft: u64, hard: u64 }
    /// Keeps only these capabilities in the bounding set.
    62 Bounding { keep: u64 }
    /// Takes the process's ids and groups, keeping capabilities over the change.
    63 Identity { uid: u32, gid: u32, groups: &'p [u8], set_groups: bool }
    /// Sets the process's capability sets.
    64 Capabilities { effective: u64, permitted: u64, inheritable: u64, ambient: u64 }
    /// Sets no_new_privs.
    65 NoNewPrivileges {}
    /// Sets the file mode mask.
    66 Umask { mask: u32 }

    // ---- session and exec ----
    /// Begins a new session.
    70 Setsid {}
    /// Makes a terminal this session's, and the standard streams.
    71 ControllingTerminal { peer: Slot }
    /// Enters the working directory, which must be inside the container.
    72 WorkingDirectory { path: &'p CStr }
    /// Moves a descriptor to the number that the program expects it at.
    73 Inherit { slot: Slot, number: i32 }
    /// Becomes the program, under a filter of system calls unless it is empty: [`seccomp(2)`], its instructions
    /// and its flags. It is an open file, or else a path; a name without a slash is looked up in the environment's
    /// PATH.
    ///
    /// [`seccomp(2)`]: https://man7.org/linux/man-pages/man2/seccomp.2.html
    74 Exec {
        file: Slot,
        path: &'p CStr,
        arguments: Strings<'p>,
        environment: Strings<'p>,
        filter: &'p [u8],
        flags: u32,
    }
}

/// Reads numbers off a block of bytes.
#[derive(Clone, Copy, Debug)]
struct Reader<'p>(&'p [u8]);

impl Reader<'_> {
    fn u32(&mut self) -> Option<u32> {
        let (head, rest) = self.0.split_first_chunk::<4>()?;
        self.0 = rest;
        Some(u32::from_le_bytes(*head))
    }

    fn u64(&mut self) -> Option<u64> {
        let (head, rest) = self.0.split_first_chunk::<8>()?;
        self.0 = rest;
        Some(u64::from_le_bytes(*head))
    }
}

/// The operations of a program, in order, each with the step of the plan that it belongs to.
#[derive(Clone, Debug)]
pub struct Operations<'p> {
    operations: Reader<'p>,
    data: &'p [u8],
}

impl<'p> Operations<'p> {
    /// Reads the operations of a program; `None` when the bytes are not one.
    pub fn new(bytes: &'p [u8]) -> Option<Self> {
        let (operations, data) = split(bytes)?;
        Some(Operations { operations: Reader(operations), data })
    }
}

impl<'p> Iterator for Operations<'p> {
    /// The step, and the operation unless its bytes make no sense.
    type Item = (u32, Option<Op<'p>>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.operations.0.is_empty() {
            return None;
        }
        let (Some(code), Some(step)) = (self.operations.u32(), self.operations.u32()) else {
            self.operations.0 = &[];
            return Some((0, None));
        };
        let op = Op::decode(code, &mut self.operations, self.data);
        if op.is_none() {
            self.operations.0 = &[];
        }
        Some((step, op))
    }
}

/// How much of the kernel's own text a failure can carry.
pub const TEXT: usize = 160;
/// The longest message.
pub const MESSAGE: usize = 16 + TEXT;

/// What the two sides tell each other, one packet each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'m> {
    /// To the image: maps, cgroup and network are ready.
    Go,
    /// To the image: execute the program.
    Start,
    /// The container's first process exists; its pidfd comes along.
    Started {
        /// Its number in the parent's PID namespace.
        pid: u32,
        /// Whether it was born in the cgroup that was asked for.
        in_cgroup: bool,
    },
    /// The terminal's master comes along.
    Console,
    /// The mounts are there, and the root is still the host's.
    Mounted,
    /// Everything but the exec is done.
    Ready,
    /// The next system calls are the filter's and the exec.
    Exec {
        /// The number that the filter's listener gets, or [`NO_LISTENER`].
        listener: u32,
    },
    /// A system call failed, and nothing more will be done.
    Failure {
        /// The step of the plan.
        step: u32,
        /// The number of the system call, on this architecture.
        call: u32,
        /// The error.
        errno: u32,
        /// The kernel's own text, where it gave one.
        text: &'m [u8],
    },
}

impl<'m> Message<'m> {
    /// Writes the message and returns its length.
    pub fn encode(&self, buffer: &mut [u8; MESSAGE]) -> usize {
        let (words, text): ([u32; 4], &[u8]) = match *self {
            Message::Go => ([1, 0, 0, 0], &[]),
            Message::Start => ([2, 0, 0, 0], &[]),
            Message::Started { pid, in_cgroup } => ([3, pid, u32::from(in_cgroup), 0], &[]),
            Message::Console => ([4, 0, 0, 0], &[]),
            Message::Ready => ([5, 0, 0, 0], &[]),
            Message::Exec { listener } => ([6, listener, 0, 0], &[]),
            Message::Mounted => ([8, 0, 0, 0], &[]),
            Message::Failure { step, call, errno, text } => ([7, step, call, errno], text),
        };
        for (place, word) in buffer.chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        let length = text.len().min(TEXT);
        if let (Some(place), Some(text)) = (buffer.get_mut(16..16 + length), text.get(..length)) {
            place.copy_from_slice(text);
        }
        16 + length
    }

    /// Reads a message; `None` when it is none.
    pub fn decode(bytes: &'m [u8]) -> Option<Self> {
        let mut words = Reader(bytes);
        let (kind, a, b, c) = (words.u32()?, words.u32()?, words.u32()?, words.u32()?);
        Some(match kind {
            1 => Message::Go,
            2 => Message::Start,
            3 => Message::Started { pid: a, in_cgroup: b == 1 },
            4 => Message::Console,
            5 => Message::Ready,
            6 => Message::Exec { listener: a },
            8 => Message::Mounted,
            7 => Message::Failure { step: a, call: b, errno: c, text: words.0 },
            _ => return None,
        })
    }
}

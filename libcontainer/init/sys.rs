//! The system calls that the image makes: the only unsafe code behind the entry point.
//!
//! Everything goes through [`Kernel`], so that the same interpreter runs in a test against a
//! recorder that makes no calls at all.

use core::ffi::CStr;
use core::marker::PhantomData;
use core::ptr;

use super::program::Strings;
use super::raw::{self, nr};

/// What answers system calls.
pub trait Kernel {
    /// Makes a system call.
    ///
    /// # Safety
    ///
    /// The arguments must be what the call with this number asks for.
    unsafe fn call(&mut self, number: usize, arguments: [usize; 6]) -> isize;
}

/// The kernel that runs this process.
pub struct Linux;

impl Kernel for Linux {
    unsafe fn call(&mut self, number: usize, arguments: [usize; 6]) -> isize {
        // SAFETY: the caller's promise is passed on.
        unsafe { raw::syscall(number, arguments) }
    }
}

/// A system call that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The number of the call.
    pub call: u32,
    /// The error number.
    pub errno: u32,
}

impl Fault {
    /// A failure found by the image itself, with the error number that says it best.
    pub fn new(call: usize, errno: u32) -> Self {
        Fault { call: call as u32, errno }
    }
}

/// What a system call gives.
pub type Result<T> = core::result::Result<T, Fault>;

// Error numbers are the same on every architecture that we build for (asm-generic/errno.h).
pub const EPERM: u32 = 1;
pub const ENOENT: u32 = 2;
pub const EINTR: u32 = 4;
pub const EBADF: u32 = 9;
pub const EAGAIN: u32 = 11;
pub const EACCES: u32 = 13;
pub const EEXIST: u32 = 17;
pub const ENODEV: u32 = 19;
pub const ENOTDIR: u32 = 20;
pub const EINVAL: u32 = 22;
pub const ENAMETOOLONG: u32 = 36;
pub const ELOOP: u32 = 40;
pub const ENOSYS: u32 = 38;
pub const EPROTO: u32 = 71;

pub const AT_FDCWD: i32 = -100;
const AT_EMPTY_PATH: usize = 0x1000;
const AT_RECURSIVE: usize = 0x8000;
const AT_SYMLINK_NOFOLLOW: usize = 0x100;

pub const O_WRONLY: u32 = 1;
pub const O_RDWR: u32 = 2;
pub const O_CREAT: u32 = 0o100;
pub const O_EXCL: u32 = 0o200;
pub const O_NOCTTY: u32 = 0o400;
pub const O_CLOEXEC: u32 = 0o2_000_000;
pub const O_PATH: u32 = 0o10_000_000;
#[cfg(target_arch = "x86_64")]
pub const O_DIRECTORY: u32 = 0o200_000;
#[cfg(target_arch = "x86_64")]
pub const O_NOFOLLOW: u32 = 0o400_000;
#[cfg(target_arch = "aarch64")]
pub const O_DIRECTORY: u32 = 0o40_000;
#[cfg(target_arch = "aarch64")]
pub const O_NOFOLLOW: u32 = 0o100_000;

pub const RESOLVE_NO_MAGICLINKS: u64 = 2;
pub const RESOLVE_NO_SYMLINKS: u64 = 4;
pub const RESOLVE_BENEATH: u64 = 8;
pub const RESOLVE_IN_ROOT: u64 = 16;

pub const S_IFMT: u32 = 0o170_000;
pub const S_IFDIR: u32 = 0o040_000;
pub const S_IFREG: u32 = 0o100_000;
pub const S_IFLNK: u32 = 0o120_000;
pub const S_IFSOCK: u32 = 0o140_000;
pub const S_IFCHR: u32 = 0o020_000;

pub const OPEN_TREE_CLONE: u32 = 1;
pub const MOUNT_ATTR_RDONLY: u64 = 1;
pub const MS_REMOUNT: usize = 32;
pub const MS_BIND: usize = 4096;
pub const MS_REC: usize = 16384;
pub const MS_PRIVATE: u64 = 1 << 18;
pub const MNT_DETACH: usize = 2;
pub const PROC_SUPER_MAGIC: u64 = 0x9fa0;

pub const CLONE_PIDFD: u64 = 0x1000;
pub const CLONE_PARENT: u64 = 0x8000;
pub const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
pub const CLONE_NEWTIME: u64 = 0x80;
pub const CLONE_NEWCGROUP: u32 = 0x0200_0000;

/// What [`Sys::statx`] tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// Type and mode bits.
    pub mode: u32,
    /// The owner, in this process's user namespace.
    pub uid: u32,
    /// The group, in this process's user namespace.
    pub gid: u32,
    /// The inode.
    pub inode: u64,
    /// Bytes.
    pub size: u64,
    /// The filesystem's device.
    pub device: (u32, u32),
    /// A device node's own number.
    pub special: (u32, u32),
}

/// Arguments and environment of an exec, as the kernel reads them.
pub struct ExecTable<'p> {
    table: &'static [usize],
    environment: usize,
    strings: PhantomData<Strings<'p>>,
}

/// The kernel, with one method for each call that the image makes.
pub struct Sys<K> {
    kernel: K,
}

fn address<T: ?Sized>(value: &T) -> usize {
    ptr::from_ref(value).cast::<u8>() as usize
}

impl<K: Kernel> Sys<K> {
    pub fn new(kernel: K) -> Self {
        Sys { kernel }
    }

    /// # Safety
    ///
    /// As [`Kernel::call`].
    unsafe fn call(&mut self, number: usize, arguments: [usize; 6]) -> Result<usize> {
        loop {
            // SAFETY: the caller's promise is passed on.
            let answer = unsafe { self.kernel.call(number, arguments) };
            match u32::try_from(-answer) {
                Ok(EINTR) if number != nr::CLOSE => {}
                Ok(errno) if (1..4096).contains(&errno) => return Err(Fault::new(number, errno)),
                _ => return Ok(answer as usize),
            }
        }
    }

    /// A call whose arguments are numbers only.
    fn plain(&mut self, number: usize, arguments: [usize; 6]) -> Result<usize> {
        // SAFETY: every caller below passes numbers where the call asks for numbers, and null
        // where it takes an optional pointer.
        unsafe { self.call(number, arguments) }
    }

    /// A call that takes one string and numbers.
    fn with_path(&mut self, number: usize, arguments: [usize; 6]) -> Result<usize> {
        // SAFETY: the pointers among the arguments come from references that the callers below
        // hold during the call, to strings with their NUL or to values of the size that is passed.
        unsafe { self.call(number, arguments) }
    }

    // ---- process ----

    pub fn exit(&mut self, code: i32) -> ! {
        let _ = self.plain(nr::EXIT_GROUP, [code as usize, 0, 0, 0, 0, 0]);
        // A filter doesn't let it end by itself.
        super::raw::fault()
    }

    /// Unblocks all signals and gives each its default action.
    pub fn reset_signals(&mut self) -> Result<()> {
        const SIG_SETMASK: usize = 2;
        // struct kernel_sigaction with handler SIG_DFL: zeros, whatever the order of its fields.
        let default = [0_u64; 4];
        let mask = 0_u64;
        for signal in 1..=64 {
            // SIGKILL and SIGSTOP have no other action.
            if signal != 9 && signal != 19 {
                self.with_path(nr::RT_SIGACTION, [signal, address(&default), 0, 8, 0, 0])?;
            }
        }
        self.with_path(nr::RT_SIGPROCMASK, [SIG_SETMASK, address(&mask), 0, 8, 0, 0])?;
        Ok(())
    }

    /// Clones this process; the answer is 0 in the new one. The pidfd goes to `pidfd`.
    pub fn clone(&mut self, flags: u64, cgroup: Option<i32>, pidfd: &mut i32) -> Result<u32> {
        // struct clone_args: flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size,
        // tls, set_tid, set_tid_size, cgroup
        let mut arguments = [0_u64; 11];
        let place = ptr::from_mut(pidfd) as u64;
        arguments[0] = flags | CLONE_PIDFD;
        arguments[1] = place;
        if let Some(cgroup) = cgroup {
            arguments[0] |= CLONE_INTO_CGROUP;
            arguments[10] = cgroup as u64;
        }
        let size = size_of_val(&arguments);
        // SAFETY: without CLONE_VM the new process has its own copy of this stack; `arguments` and
        // `pidfd` outlive the call.
        let made = unsafe { self.call(nr::CLONE3, [address(&arguments), size, 0, 0, 0, 0]) };
        match made {
            // Old engines' seccomp profiles answer EPERM for calls that they don't know.
            Err(Fault { errno: ENOSYS | EPERM, .. }) if cgroup.is_none() && flags & CLONE_NEWTIME == 0 => {}
            made => return made.map(|pid| pid as u32),
        }
        // SAFETY: as above; without a stack of its own the new process uses its copy of this one.
        let made =
            unsafe { self.call(nr::CLONE, [(flags | CLONE_PIDFD) as usize, 0, place as usize, 0, 0, 0]) };
        made.map(|pid| pid as u32)
    }

    pub fn setns(&mut self, fd: i32, kinds: u32) -> Result<()> {
        self.plain(nr::SETNS, [fd as usize, kinds as usize, 0, 0, 0, 0]).map(drop)
    }

    pub fn unshare(&mut self, kinds: u32) -> Result<()> {
        self.plain(nr::UNSHARE, [kinds as usize, 0, 0, 0, 0, 0]).map(drop)
    }

    pub fn prctl(&mut self, option: usize, a: usize, b: usize) -> Result<usize> {
        self.plain(nr::PRCTL, [option, a, b, 0, 0, 0])
    }

    pub fn join_session_keyring(&mut self) -> Result<()> {
        const KEYCTL_JOIN_SESSION_KEYRING: usize = 1;
        self.plain(nr::KEYCTL, [KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0, 0, 0]).map(drop)
    }

    pub fn setsid(&mut self) -> Result<()> {
        self.plain(nr::SETSID, [0; 6]).map(drop)
    }

    pub fn umask(&mut self, mask: u32) -> Result<()> {
        self.plain(nr::UMASK, [mask as usize, 0, 0, 0, 0, 0]).map(drop)
    }

    pub fn setresuid(&mut self, uid: u32) -> Result<()> {
        let uid = uid as usize;
        self.plain(nr::SETRESUID, [uid, uid, uid, 0, 0, 0]).map(drop)
    }

    pub fn setresgid(&mut self, gid: u32) -> Result<()> {
        let gid = gid as usize;
        self.plain(nr::SETRESGID, [gid, gid, gid, 0, 0, 0]).map(drop)
    }

    /// Sets the supplementary groups: 32-bit numbers in this machine's byte order.
    pub fn setgroups(&mut self, groups: &[u8]) -> Result<()> {
        // SAFETY: the kernel reads as many groups as there are whole ones in `groups`.
        unsafe { self.call(nr::SETGROUPS, [groups.len() / 4, groups.as_ptr() as usize, 0, 0, 0, 0]) }
            .map(drop)
    }

    pub fn capset(&mut self, effective: u64, permitted: u64, inheritable: u64) -> Result<()> {
        let header = [0x2008_0522_u32, 0]; // _LINUX_CAPABILITY_VERSION_3, this thread
        let low = |set: u64| set as u32;
        let high = |set: u64| (set >> 32) as u32;
        let data = [
            [low(effective), low(permitted), low(inheritable)],
            [high(effective), high(permitted), high(inheritable)],
        ];
        self.with_path(nr::CAPSET, [address(&header), address(&data), 0, 0, 0, 0]).map(drop)
    }

    pub fn setrlimit(&mut self, resource: u32, soft: u64, hard: u64) -> Result<()> {
        let limit = [soft, hard];
        self.with_path(nr::PRLIMIT64, [0, resource as usize, address(&limit), 0, 0, 0]).map(drop)
    }

    // ---- how the kernel serves the process ----

    pub fn personality(&mut self, persona: u32) -> Result<()> {
        self.plain(nr::PERSONALITY, [persona as usize, 0, 0, 0, 0, 0]).map(drop)
    }

    /// Sets where memory comes from: `nodes` is a mask in whole words.
    pub fn set_mempolicy(&mut self, mode: u32, nodes: &[u8]) -> Result<()> {
        if nodes.is_empty() {
            return self.plain(nr::SET_MEMPOLICY, [mode as usize, 0, 0, 0, 0, 0]).map(drop);
        }
        if !nodes.len().is_multiple_of(size_of::<usize>()) {
            return Err(Fault::new(nr::SET_MEMPOLICY, EINVAL));
        }
        // The kernel takes one off the number of bits (set_mempolicy(2), bugs).
        let bits = nodes.len() * 8 + 1;
        // SAFETY: the kernel reads the whole words that so many bits take, which are in `nodes`.
        unsafe { self.call(nr::SET_MEMPOLICY, [mode as usize, nodes.as_ptr() as usize, bits, 0, 0, 0]) }
            .map(drop)
    }

    /// Sets the scheduler of this thread, by a `struct sched_attr` that begins with its size.
    pub fn sched_setattr(&mut self, attributes: &[u8]) -> Result<()> {
        let size = attributes.first_chunk().map(|size| u32::from_ne_bytes(*size) as usize);
        if size != Some(attributes.len()) {
            return Err(Fault::new(nr::SCHED_SETATTR, EINVAL));
        }
        // SAFETY: the kernel reads as many bytes as the first number says, which is the length.
        unsafe { self.call(nr::SCHED_SETATTR, [0, attributes.as_ptr() as usize, 0, 0, 0, 0]) }.map(drop)
    }

    pub fn ioprio_set(&mut self, priority: u32) -> Result<()> {
        const IOPRIO_WHO_PROCESS: usize = 1;
        self.plain(nr::IOPRIO_SET, [IOPRIO_WHO_PROCESS, 0, priority as usize, 0, 0, 0]).map(drop)
    }

    pub fn sched_setaffinity(&mut self, mask: &[u8]) -> Result<()> {
        // SAFETY: the kernel reads at most `mask.len()` bytes of `mask`.
        unsafe { self.call(nr::SCHED_SETAFFINITY, [0, mask.len(), mask.as_ptr() as usize, 0, 0, 0]) }
            .map(drop)
    }

    /// Sets the host name ([`nr::SETHOSTNAME`]) or domain name ([`nr::SETDOMAINNAME`]).
    pub fn set_name(&mut self, call: usize, name: &[u8]) -> Result<()> {
        // SAFETY: the kernel reads `name.len()` bytes of `name`.
        unsafe { self.call(call, [name.as_ptr() as usize, name.len(), 0, 0, 0, 0]) }.map(drop)
    }

    /// Lays out what an exec hands to the new program.
    pub fn exec_table<'p>(
        &mut self,
        arguments: Strings<'p>,
        environment: Strings<'p>,
    ) -> Result<ExecTable<'p>> {
        let first = arguments.iter().count() + 1;
        let table = self.memory(first + environment.iter().count() + 1)?;
        let texts = arguments.iter().map(Some).chain([None]).chain(environment.iter().map(Some));
        for (place, text) in table.iter_mut().zip(texts) {
            *place = text.map_or(0, |text: &CStr| text.as_ptr() as usize);
        }
        Ok(ExecTable { table, environment: first, strings: PhantomData })
    }

    /// Becomes another program, or tells why not.
    pub fn execve(&mut self, path: &CStr, table: &ExecTable<'_>) -> Fault {
        let environment = table.table.get(table.environment..).map_or(0, |part| part.as_ptr() as usize);
        let arguments = [path.as_ptr() as usize, table.table.as_ptr() as usize, environment, 0, 0, 0];
        // SAFETY: both parts of the table hold addresses of strings that live as long as the table,
        // and end in a null.
        match unsafe { self.call(nr::EXECVE, arguments) } {
            Err(fault) => fault,
            Ok(_) => Fault::new(nr::EXECVE, EINVAL),
        }
    }

    /// Becomes the program in an open file, or tells why not.
    pub fn execveat(&mut self, file: i32, table: &ExecTable<'_>) -> Fault {
        let environment = table.table.get(table.environment..).map_or(0, |part| part.as_ptr() as usize);
        let (name, arguments) = (c"".as_ptr() as usize, table.table.as_ptr() as usize);
        let arguments = [file as usize, name, arguments, environment, AT_EMPTY_PATH, 0];
        // SAFETY: as of `execve`.
        match unsafe { self.call(nr::EXECVEAT, arguments) } {
            // It is the program that could not be executed, by whichever call.
            Err(fault) => Fault::new(nr::EXECVE, fault.errno),
            Ok(_) => Fault::new(nr::EXECVE, EINVAL),
        }
    }

    /// Returns fresh memory, zeroed.
    fn memory(&mut self, words: usize) -> Result<&'static mut [usize]> {
        const READ_WRITE: usize = 3;
        const PRIVATE_ANONYMOUS: usize = 0x22;
        let bytes = words.checked_mul(size_of::<usize>()).ok_or(Fault::new(nr::MMAP, EINVAL))?;
        let start = self.plain(nr::MMAP, [0, bytes, READ_WRITE, PRIVATE_ANONYMOUS, usize::MAX, 0])?;
        // SAFETY: the kernel just gave this memory to nobody else, and it is never unmapped.
        Ok(unsafe { core::slice::from_raw_parts_mut(start as *mut usize, words) })
    }

    /// Maps a file whole, to be read. The file must be sealed: nobody may shrink it.
    pub fn map(&mut self, fd: i32) -> Result<&'static [u8]> {
        const READ: usize = 1;
        const PRIVATE: usize = 2;
        let size = self.statx(fd)?.size as usize;
        let start = self.plain(nr::MMAP, [0, size, READ, PRIVATE, fd as usize, 0])?;
        // SAFETY: the mapping has this size, is never unmapped, and its file is sealed.
        Ok(unsafe { core::slice::from_raw_parts(start as *const u8, size) })
    }

    // ---- descriptors ----

    pub fn close(&mut self, fd: i32) {
        let _ = self.plain(nr::CLOSE, [fd as usize, 0, 0, 0, 0, 0]);
    }

    pub fn close_from(&mut self, first: i32) -> Result<()> {
        self.plain(nr::CLOSE_RANGE, [first as usize, i32::MAX as usize, 0, 0, 0, 0]).map(drop)
    }

    pub fn close_on_exec(&mut self, fd: i32) -> Result<()> {
        const F_SETFD: usize = 2;
        const FD_CLOEXEC: usize = 1;
        self.plain(nr::FCNTL, [fd as usize, F_SETFD, FD_CLOEXEC, 0, 0, 0]).map(drop)
    }

    /// Makes `to` the same as `from`; the copy survives an exec unless told otherwise.
    pub fn duplicate(&mut self, from: i32, to: i32, close_on_exec: bool) -> Result<()> {
        if from == to {
            const F_SETFD: usize = 2;
            let flag = usize::from(close_on_exec);
            return self.plain(nr::FCNTL, [from as usize, F_SETFD, flag, 0, 0, 0]).map(drop);
        }
        let flags = if close_on_exec { O_CLOEXEC as usize } else { 0 };
        self.plain(nr::DUP3, [from as usize, to as usize, flags, 0, 0, 0]).map(drop)
    }

    /// Copies a descriptor to the lowest free number.
    pub fn duplicate_to_lowest(&mut self, fd: i32) -> Result<i32> {
        const F_DUPFD_CLOEXEC: usize = 1030;
        self.plain(nr::FCNTL, [fd as usize, F_DUPFD_CLOEXEC, 0, 0, 0, 0]).map(|fd| fd as i32)
    }

    /// Puts this process under a filter of system calls: instructions of eight bytes.
    pub fn seccomp(&mut self, filter: &[u8], flags: u32) -> Result<()> {
        const SET_MODE_FILTER: usize = 1;
        let Ok(length) = u16::try_from(filter.len() / 8) else {
            return Err(Fault::new(nr::SECCOMP, EINVAL));
        };
        // struct sock_fprog: a 16-bit length, and after its padding the address.
        let program = [usize::from(length), filter.as_ptr() as usize];
        let arguments = [SET_MODE_FILTER, flags as usize, program.as_ptr() as usize, 0, 0, 0];
        // SAFETY: the kernel reads as many instructions as the length says, which the filter has.
        unsafe { self.call(nr::SECCOMP, arguments) }.map(drop)
    }

    pub fn read(&mut self, fd: i32, buffer: &mut [u8]) -> Result<usize> {
        // SAFETY: the kernel writes at most `buffer.len()` bytes to `buffer`.
        unsafe { self.call(nr::READ, [fd as usize, buffer.as_mut_ptr() as usize, buffer.len(), 0, 0, 0]) }
            .map(|count| count.min(buffer.len()))
    }

    pub fn write(&mut self, fd: i32, bytes: &[u8]) -> Result<usize> {
        // SAFETY: the kernel reads at most `bytes.len()` bytes of `bytes`.
        unsafe { self.call(nr::WRITE, [fd as usize, bytes.as_ptr() as usize, bytes.len(), 0, 0, 0]) }
    }

    /// Receives one packet; 0 bytes mean that the other side is gone.
    pub fn receive(&mut self, socket: i32, buffer: &mut [u8]) -> Result<usize> {
        let place = buffer.as_mut_ptr() as usize;
        // SAFETY: the kernel writes at most `buffer.len()` bytes to `buffer`; no address is asked for.
        unsafe { self.call(nr::RECVFROM, [socket as usize, place, buffer.len(), 0, 0, 0]) }
            .map(|count| count.min(buffer.len()))
    }

    /// Sends one packet, with a descriptor if there is one.
    pub fn send(&mut self, socket: i32, bytes: &[u8], fd: Option<i32>) -> Result<()> {
        const MSG_NOSIGNAL: usize = 0x4000;
        // struct cmsghdr { len, SOL_SOCKET, SCM_RIGHTS }, the descriptor, padding
        let control = [20_u64, 1 | (1 << 32), u64::from(fd.unwrap_or(0) as u32)];
        let vector = [bytes.as_ptr() as usize, bytes.len()];
        let length = if fd.is_some() { size_of_val(&control) } else { 0 };
        // struct msghdr: name, namelen, iov, iovlen, control, controllen, flags
        let header = [0, 0, address(&vector), 1, address(&control), length, 0];
        // SAFETY: header, vector, control and bytes outlive the call, with their lengths.
        unsafe { self.call(nr::SENDMSG, [socket as usize, address(&header), MSG_NOSIGNAL, 0, 0, 0]) }
            .map(drop)
    }

    pub fn accept(&mut self, listener: i32) -> Result<i32> {
        self.plain(nr::ACCEPT4, [listener as usize, 0, 0, O_CLOEXEC as usize, 0, 0]).map(|fd| fd as i32)
    }

    pub fn socket_inet(&mut self) -> Result<i32> {
        const AF_INET: usize = 2;
        const SOCK_DGRAM: usize = 2;
        self.plain(nr::SOCKET, [AF_INET, SOCK_DGRAM | O_CLOEXEC as usize, 0, 0, 0, 0]).map(|fd| fd as i32)
    }

    /// An ioctl whose argument is a number.
    pub fn ioctl(&mut self, fd: i32, request: usize, argument: usize) -> Result<usize> {
        self.plain(nr::IOCTL, [fd as usize, request, argument, 0, 0, 0])
    }

    /// An ioctl that reads or writes a value, which must have the size that the request says.
    pub fn ioctl_with<T>(&mut self, fd: i32, request: usize, value: &mut T) -> Result<()> {
        let place = ptr::from_mut(value) as usize;
        // SAFETY: the callers pass the type that the request is defined with.
        unsafe { self.call(nr::IOCTL, [fd as usize, request, place, 0, 0, 0]) }.map(drop)
    }

    // ---- files ----

    pub fn open(&mut self, dir: i32, path: &CStr, flags: u32, mode: u32, resolve: u64) -> Result<i32> {
        // A rename or mount anywhere while a ".." is looked up makes the kernel unsure (openat2(2)).
        const TRIES: u32 = 10_000;
        // struct open_how
        let how = [u64::from(flags | O_CLOEXEC), u64::from(mode), resolve];
        let (path, size) = (path.as_ptr() as usize, size_of_val(&how));
        let mut tries = 0;
        loop {
            match self.with_path(nr::OPENAT2, [dir as usize, path, address(&how), size, 0, 0]) {
                Err(Fault { errno: EAGAIN, .. }) if tries < TRIES => tries += 1,
                opened => return opened.map(|fd| fd as i32),
            }
        }
    }

    pub fn mkdir(&mut self, dir: i32, name: &CStr, mode: u32) -> Result<()> {
        self.with_path(nr::MKDIRAT, [dir as usize, name.as_ptr() as usize, mode as usize, 0, 0, 0]).map(drop)
    }

    pub fn mknod(&mut self, dir: i32, name: &CStr, mode: u32, device: (u32, u32)) -> Result<()> {
        let (major, minor) = device;
        // The kernel's own packing of a 32-bit device number (new_encode_dev).
        let packed = (minor & 0xff) | (major << 8) | ((minor & !0xff) << 12);
        let arguments = [dir as usize, name.as_ptr() as usize, mode as usize, packed as usize, 0, 0];
        self.with_path(nr::MKNODAT, arguments).map(drop)
    }

    pub fn symlink(&mut self, target: &CStr, dir: i32, name: &CStr) -> Result<()> {
        let arguments = [target.as_ptr() as usize, dir as usize, name.as_ptr() as usize, 0, 0, 0];
        self.with_path(nr::SYMLINKAT, arguments).map(drop)
    }

    pub fn chown(&mut self, dir: i32, name: &CStr, uid: u32, gid: u32) -> Result<()> {
        let name = name.as_ptr() as usize;
        let flags = AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW;
        self.with_path(nr::FCHOWNAT, [dir as usize, name, uid as usize, gid as usize, flags, 0]).map(drop)
    }

    pub fn chmod(&mut self, fd: i32, mode: u32) -> Result<()> {
        self.plain(nr::FCHMOD, [fd as usize, mode as usize, 0, 0, 0, 0]).map(drop)
    }

    /// Reads some entries of a directory; none at its end.
    pub fn entries<'b>(&mut self, fd: i32, buffer: &'b mut [u64; 256]) -> Result<&'b [u8]> {
        let size = size_of_val(buffer);
        let place = ptr::from_mut(buffer) as usize;
        // SAFETY: the kernel writes at most `size` bytes to the buffer.
        let count = unsafe { self.call(nr::GETDENTS64, [fd as usize, place, size, 0, 0, 0]) }?;
        // SAFETY: so many of its bytes were written, and any byte may be read as one.
        Ok(unsafe { core::slice::from_raw_parts(ptr::from_ref(buffer).cast(), count.min(size)) })
    }

    /// Returns where a symbolic link leads, which is open by itself.
    pub fn readlink<'b>(&mut self, fd: i32, buffer: &'b mut [u8; 4096]) -> Result<&'b CStr> {
        let (path, room) = (c"".as_ptr() as usize, buffer.len() - 1);
        // SAFETY: the path is a string, and the kernel writes at most `room` bytes to the buffer.
        let count = unsafe {
            self.call(nr::READLINKAT, [fd as usize, path, buffer.as_mut_ptr() as usize, room, 0, 0])
        }?;
        let too_long = Fault::new(nr::READLINKAT, ENAMETOOLONG);
        *buffer.get_mut(count).filter(|_| count < room).ok_or(too_long)? = 0;
        CStr::from_bytes_until_nul(buffer).map_err(|_| too_long)
    }

    /// Copies bytes from where a file stands to where another one does; 0 at its end.
    pub fn sendfile(&mut self, to: i32, from: i32) -> Result<usize> {
        self.plain(nr::SENDFILE, [to as usize, from as usize, 0, 1 << 30, 0, 0])
    }

    pub fn statx(&mut self, fd: i32) -> Result<Status> {
        const STATX_BASIC_STATS: usize = 0x7ff;
        let mut buffer = [0_u64; 32];
        let place = ptr::from_mut(&mut buffer) as usize;
        let arguments = [fd as usize, c"".as_ptr() as usize, AT_EMPTY_PATH, STATX_BASIC_STATS, place, 0];
        // SAFETY: struct statx has 256 bytes, and so has `buffer`.
        unsafe { self.call(nr::STATX, arguments) }?;
        // Offsets in bytes: uid 20, gid 24, mode 28, ino 32, rdev 128, dev 136 (linux/stat.h), little-endian.
        let pair = |word: u64| (word as u32, (word >> 32) as u32);
        Ok(Status {
            mode: (buffer[3] >> 32) as u32 & 0xffff,
            uid: (buffer[2] >> 32) as u32,
            gid: buffer[3] as u32,
            inode: buffer[4],
            size: buffer[5],
            special: pair(buffer[16]),
            device: pair(buffer[17]),
        })
    }

    /// Returns the magic number of the filesystem that a descriptor is on.
    pub fn filesystem(&mut self, fd: i32) -> Result<(u64, u64)> {
        let mut buffer = [0_u64; 15];
        let place = ptr::from_mut(&mut buffer) as usize;
        // SAFETY: struct statfs has 120 bytes on 64-bit machines, and so has `buffer`.
        unsafe { self.call(nr::FSTATFS, [fd as usize, place, 0, 0, 0, 0]) }?;
        Ok((buffer[0], buffer[10]))
    }

    pub fn chdir(&mut self, path: &CStr) -> Result<()> {
        self.with_path(nr::CHDIR, [path.as_ptr() as usize, 0, 0, 0, 0, 0]).map(drop)
    }

    pub fn fchdir(&mut self, fd: i32) -> Result<()> {
        self.plain(nr::FCHDIR, [fd as usize, 0, 0, 0, 0, 0]).map(drop)
    }

    pub fn chroot(&mut self, path: &CStr) -> Result<()> {
        self.with_path(nr::CHROOT, [path.as_ptr() as usize, 0, 0, 0, 0, 0]).map(drop)
    }

    /// Returns the first byte of the working directory's path: anything but `/` is outside the root.
    pub fn working_directory(&mut self) -> Result<u8> {
        let mut buffer = [0_u8; 4096];
        let place = buffer.as_mut_ptr() as usize;
        // SAFETY: the kernel writes at most 4096 bytes to `buffer`.
        unsafe { self.call(nr::GETCWD, [place, buffer.len(), 0, 0, 0, 0]) }?;
        Ok(buffer[0])
    }

    // ---- mounts ----

    pub fn open_tree(&mut self, dir: i32, path: &CStr, clone: bool, recursive: bool) -> Result<i32> {
        let clone = if clone { OPEN_TREE_CLONE as usize } else { 0 };
        let recursive = if recursive { AT_RECURSIVE } else { 0 };
        let flags = clone | recursive | O_CLOEXEC as usize | AT_EMPTY_PATH;
        let arguments = [dir as usize, path.as_ptr() as usize, flags, 0, 0, 0];
        self.with_path(nr::OPEN_TREE, arguments).map(|fd| fd as i32)
    }

    /// Attaches the mount of one descriptor on the place of another.
    pub fn move_mount(&mut self, tree: i32, target: i32) -> Result<()> {
        const F_EMPTY_PATH: usize = 4;
        const T_EMPTY_PATH: usize = 0x40;
        let empty = c"".as_ptr() as usize;
        let flags = F_EMPTY_PATH | T_EMPTY_PATH;
        self.with_path(nr::MOVE_MOUNT, [tree as usize, empty, target as usize, empty, flags, 0]).map(drop)
    }

    pub fn mount_setattr(&mut self, fd: i32, change: &[u64; 4], recursive: bool) -> Result<()> {
        let flags = AT_EMPTY_PATH | if recursive { AT_RECURSIVE } else { 0 };
        let empty = c"".as_ptr() as usize;
        let size = size_of_val(change);
        let arguments = [fd as usize, empty, flags, address(change), size, 0];
        self.with_path(nr::MOUNT_SETATTR, arguments).map(drop)
    }

    pub fn fsopen(&mut self, fstype: &CStr) -> Result<i32> {
        self.with_path(nr::FSOPEN, [fstype.as_ptr() as usize, 1, 0, 0, 0, 0]).map(|fd| fd as i32)
    }

    /// Sets an option of a filesystem being made, or makes it.
    pub fn fsconfig(
        &mut self,
        fs: i32,
        command: usize,
        key: Option<&CStr>,
        value: Option<&CStr>,
    ) -> Result<()> {
        let text = |text: Option<&CStr>| text.map_or(0, |text| text.as_ptr() as usize);
        self.with_path(nr::FSCONFIG, [fs as usize, command, text(key), text(value), 0, 0]).map(drop)
    }

    pub fn fsmount(&mut self, fs: i32, attributes: u32) -> Result<i32> {
        self.plain(nr::FSMOUNT, [fs as usize, 1, attributes as usize, 0, 0, 0]).map(|fd| fd as i32)
    }

    /// The mount call of old, to change what is mounted at a path.
    pub fn remount(&mut self, path: &CStr, flags: usize) -> Result<()> {
        self.with_path(nr::MOUNT, [0, path.as_ptr() as usize, 0, flags, 0, 0]).map(drop)
    }

    pub fn umount(&mut self, path: &CStr, flags: usize) -> Result<()> {
        self.with_path(nr::UMOUNT2, [path.as_ptr() as usize, flags, 0, 0, 0, 0]).map(drop)
    }

    pub fn pivot_root(&mut self, new: &CStr, old: &CStr) -> Result<()> {
        let arguments = [new.as_ptr() as usize, old.as_ptr() as usize, 0, 0, 0, 0];
        self.with_path(nr::PIVOT_ROOT, arguments).map(drop)
    }
}

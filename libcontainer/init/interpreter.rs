//! The loop: one operation after another, until one fails or the program has become another.

use super::program::{MESSAGE, Message, Op, Operations, SLOTS, Slot, TEXT};
use super::raw::nr;
use super::sys::{EBADF, EPROTO, Fault, Kernel, Result, Sys};

/// A process on its way into a container.
pub struct Machine<K> {
    pub sys: Sys<K>,
    /// The packet socket to the parent.
    pub sync: i32,
    slots: [i32; SLOTS],
    /// Namespaces that could not be made at birth and are made after the Go.
    pub owed: u32,
    /// The kernel's own words on the last failure, where it gave some.
    text: [u8; TEXT],
    text_length: usize,
}

impl<K: Kernel> Machine<K> {
    /// Slots are the descriptors from `first` on.
    pub fn new(kernel: K, sync: i32, first: i32) -> Self {
        let mut slots = [-1; SLOTS];
        for (number, slot) in slots.iter_mut().enumerate() {
            *slot = first.saturating_add(number as i32);
        }
        Machine { sys: Sys::new(kernel), sync, slots, owed: 0, text: [0; TEXT], text_length: 0 }
    }

    /// Says that only the first `count` slots were handed over.
    pub fn handed_over(&mut self, count: usize) {
        for slot in self.slots.iter_mut().skip(count) {
            *slot = -1;
        }
    }

    /// Runs a program. What it returns is where and why the program ended.
    pub fn run(&mut self, program: &[u8]) -> (u32, Fault) {
        let broken = Fault::new(nr::READ, EPROTO);
        let Some(operations) = Operations::new(program) else {
            return (0, broken);
        };
        let mut last = 0;
        for (step, op) in operations {
            last = step;
            let Some(op) = op else {
                return (step, broken);
            };
            if let Err(fault) = self.operation(&op) {
                return (step, fault);
            }
        }
        // A program that ends without an exec is as broken as one that can't be read.
        (last, broken)
    }

    /// Tells the parent why the program ended.
    pub fn report(&mut self, step: u32, fault: Fault) {
        let text = self.text;
        let text = text.get(..self.text_length).unwrap_or_default();
        let _ = self.send(&Message::Failure { step, call: fault.call, errno: fault.errno, text }, None);
    }

    fn operation(&mut self, op: &Op<'_>) -> Result<()> {
        match *op {
            Op::HostTree { slot, path, recursive } => self.host_tree(slot, path, recursive),
            Op::Setns { fd, kinds } => self.setns(fd, kinds),
            Op::Unshare { kinds } => self.sys.unshare(kinds),
            Op::Clone { flags, cgroup } => self.clone(flags, cgroup),
            Op::Dumpable { on } => self.dumpable(on),

            Op::AwaitGo {} => {
                self.expect(Message::Go)?;
                if self.owed == 0 { Ok(()) } else { self.sys.unshare(self.owed) }
            }
            Op::Ready {} => self.send(&Message::Ready, None),
            Op::AwaitStart {} => self.expect(Message::Start),
            Op::AcceptStart { listener } => self.accept_start(listener),
            Op::Mounted {} => self.send(&Message::Mounted, None),

            Op::Propagate { path, flags } => self.sys.remount(path, flags as usize),
            Op::OpenHost { slot, path, flags } => self.open_host(slot, path, flags),
            Op::Tree { slot, path, recursive } => self.tree(slot, path, recursive),
            Op::NewMount { slot, fstype, source, options, attributes } => {
                self.new_mount(slot, fstype, source, options, attributes)
            }
            Op::Attach { tree, path, make, resolve } => self.attach(tree, path, make, resolve),
            Op::Attributes { tree, set, clear, propagation, recursive } => {
                let fd = self.fd(tree)?;
                self.attributes(fd, &[set, clear, propagation, 0], recursive)
            }
            Op::EnterRoot { path } => self.enter_root(path),
            Op::Mask { path, null } => self.mask(path, null),
            Op::ReadOnly { path } => self.read_only(path),
            Op::PivotRoot {} => self.pivot_root(),
            Op::MoveRoot { root } => self.move_root(root),
            Op::Close { slot } => self.close(slot),
            Op::MakeDirectory { path, mode } => self.make_directory(path, mode),
            Op::ExpectDevice { slot, kind, major, minor } => self.expect_device(slot, kind, (major, minor)),
            Op::CloneTree { slot, from } => self.clone_tree(slot, from),
            Op::MapIds { tree, map, recursive } => self.map_ids(tree, map, recursive),
            Op::BeLike { tree, path, contents } => self.be_like(tree, path, contents),

            Op::Node { path, mode, major, minor, uid, gid } => {
                self.node(path, mode, (major, minor), uid, gid)
            }
            Op::Symlink { path, target } => self.symlink(path, target),
            Op::Console { peer, rows, columns, uid, gid, bind } => {
                self.console(peer, (rows, columns), (uid, gid), bind)
            }

            Op::Hostname { name } => self.sys.set_name(nr::SETHOSTNAME, name),
            Op::Domainname { name } => self.sys.set_name(nr::SETDOMAINNAME, name),
            Op::WriteProc { proc, path, value } => self.write_proc(proc, path, value),
            Op::LoopbackUp {} => self.loopback_up(),
            Op::SessionKeyring {} => self.session_keyring(),

            Op::Personality { persona } => self.sys.personality(persona),
            Op::MemoryPolicy { mode, nodes } => self.sys.set_mempolicy(mode, nodes),
            Op::Scheduler { attributes } => self.sys.sched_setattr(attributes),
            Op::IoPriority { priority } => self.sys.ioprio_set(priority),
            Op::CpuAffinity { mask } => self.sys.sched_setaffinity(mask),

            Op::BecomeRoot { drop_groups } => self.become_root(drop_groups),
            Op::Rlimit { resource, soft, hard } => self.sys.setrlimit(resource, soft, hard),
            Op::Bounding { keep } => self.bounding(keep),
            Op::Identity { uid, gid, groups, set_groups } => self.identity(uid, gid, groups, set_groups),
            Op::Capabilities { effective, permitted, inheritable, ambient } => {
                self.capabilities(effective, permitted, inheritable, ambient)
            }
            Op::NoNewPrivileges {} => self.no_new_privileges(),
            Op::Umask { mask } => self.sys.umask(mask),

            Op::Setsid {} => self.sys.setsid(),
            Op::ControllingTerminal { peer } => self.controlling_terminal(peer),
            Op::WorkingDirectory { path } => self.working_directory(path),
            Op::Inherit { slot, number } => {
                let fd = self.fd(slot)?;
                self.sys.duplicate(fd, number, false)
            }
            Op::Exec { file, path, arguments, environment, filter, flags } => {
                self.exec(file, path, (arguments, environment), filter, flags)
            }
        }
    }

    // ---- slots ----

    /// Returns the descriptor in a slot.
    pub fn fd(&self, slot: Slot) -> Result<i32> {
        match self.slots.get(slot.0 as usize) {
            Some(&fd) if fd >= 0 => Ok(fd),
            _ => Err(Fault::new(nr::CLOSE, EBADF)),
        }
    }

    /// Returns whether a slot holds a descriptor.
    pub fn filled(&self, slot: Slot) -> bool {
        self.fd(slot).is_ok()
    }

    /// Puts a descriptor into a slot, closing what was there.
    pub fn fill(&mut self, slot: Slot, fd: i32) -> Result<()> {
        let Some(place) = self.slots.get_mut(slot.0 as usize) else {
            return Err(Fault::new(nr::CLOSE, EBADF));
        };
        let old = core::mem::replace(place, fd);
        if old >= 0 && old != fd {
            self.sys.close(old);
        }
        Ok(())
    }

    /// Closes a slot.
    pub fn close(&mut self, slot: Slot) -> Result<()> {
        self.fill(slot, -1)
    }

    // ---- messages ----

    pub fn send(&mut self, message: &Message<'_>, fd: Option<i32>) -> Result<()> {
        let mut buffer = [0; MESSAGE];
        let length = message.encode(&mut buffer);
        self.sys.send(self.sync, buffer.get(..length).unwrap_or_default(), fd)
    }

    /// Waits for a message. A parent that is gone ends this process.
    fn expect(&mut self, wanted: Message<'_>) -> Result<()> {
        let mut buffer = [0; MESSAGE];
        let length = self.sys.receive(self.sync, &mut buffer)?;
        if length == 0 {
            self.sys.exit(1);
        }
        match Message::decode(buffer.get(..length).unwrap_or_default()) {
            Some(message) if message == wanted => Ok(()),
            _ => Err(Fault::new(nr::RECVFROM, EPROTO)),
        }
    }

    /// Waits for whoever starts the container, and reports to them from then on.
    fn accept_start(&mut self, listener: Slot) -> Result<()> {
        let listening = self.fd(listener)?;
        let connection = self.sys.accept(listening)?;
        self.sys.duplicate(connection, self.sync, true)?;
        self.sys.close(connection);
        self.close(listener)
    }

    // ---- the kernel's own words ----

    /// Keeps the kernel's log on a filesystem that could not be made.
    pub fn keep_log(&mut self, fs: i32) {
        let mut text = [0; TEXT];
        if let Ok(length) = self.sys.read(fs, &mut text) {
            self.text = text;
            self.text_length = length;
        }
    }
}

//! The terminal, the working directory, and becoming the program.

use core::ffi::CStr;

use super::interpreter::Machine;
use super::program::{MESSAGE, Message, NO_LISTENER, Slot, Strings};
use super::raw::nr;
use super::sys::{EACCES, ENAMETOOLONG, ENOENT, ENOTDIR, ExecTable, Fault, Kernel, Result};

/// Where a program is looked up when the environment has no PATH.
const DEFAULT_PATH: &[u8] = b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The kernel gives the filter's listener as a descriptor (linux/seccomp.h).
const SECCOMP_FILTER_FLAG_NEW_LISTENER: u32 = 8;

impl<K: Kernel> Machine<K> {
    pub fn controlling_terminal(&mut self, peer: Slot) -> Result<()> {
        const TIOCSCTTY: usize = 0x540e;
        let terminal = self.fd(peer)?;
        self.sys.ioctl(terminal, TIOCSCTTY, 0)?;
        for stream in 0..3 {
            self.sys.duplicate(terminal, stream, false)?;
        }
        self.close(peer)
    }

    pub fn working_directory(&mut self, path: &CStr) -> Result<()> {
        self.sys.chdir(path)?;
        // "(unreachable)…": a directory outside the root, reached by a descriptor that leaked.
        if self.sys.working_directory()? == b'/' { Ok(()) } else { Err(Fault::new(nr::GETCWD, ENOENT)) }
    }

    pub fn exec(
        &mut self,
        file: Slot,
        path: &CStr,
        (arguments, environment): (Strings<'_>, Strings<'_>),
        filter: &[u8],
        flags: u32,
    ) -> Result<()> {
        let table = self.sys.exec_table(arguments, environment)?;
        let file = if file == Slot::NONE { None } else { Some(self.fd(file)?) };
        let listener =
            if flags & SECCOMP_FILTER_FLAG_NEW_LISTENER == 0 { NO_LISTENER } else { self.next_fd()? };
        self.send(&Message::Exec { listener }, None)?;
        // From here on the filter need let nothing through but the exec, and a read where there is a listener.
        if !filter.is_empty() {
            self.sys.seccomp(filter, flags)?;
        }
        if listener != NO_LISTENER {
            // The exec closes it: not before the parent has taken its copy.
            let taken = self.sys.read(self.sync, &mut [0; MESSAGE])?;
            if taken == 0 {
                self.sys.exit(1);
            }
        }
        if let Some(file) = file {
            return Err(self.sys.execveat(file, &table));
        }
        if path.to_bytes().contains(&b'/') {
            return Err(self.sys.execve(path, &table));
        }
        let directories = environment.iter().find_map(|entry| entry.to_bytes().strip_prefix(b"PATH="));
        Err(self.search(path.to_bytes(), directories.unwrap_or(DEFAULT_PATH), &table))
    }

    /// Returns the number that the next descriptor gets.
    fn next_fd(&mut self) -> Result<u32> {
        let next = self.sys.duplicate_to_lowest(self.sync)?;
        self.sys.close(next);
        Ok(next as u32)
    }

    /// Tries a name in each directory of PATH; returns the failure that says most.
    fn search(&mut self, name: &[u8], path: &[u8], table: &ExecTable<'_>) -> Fault {
        let mut worst = Fault::new(nr::EXECVE, ENOENT);
        if name.is_empty() {
            return worst;
        }
        let mut buffer = [0_u8; 4096];
        // An empty element would mean the working directory: that is never looked into.
        for directory in path.split(|&byte| byte == b':').filter(|directory| !directory.is_empty()) {
            let length = directory.len() + 1 + name.len();
            let Some((text, rest)) = buffer.split_at_mut_checked(length) else {
                worst.errno = ENAMETOOLONG;
                continue;
            };
            let parts = directory.iter().chain(b"/").chain(name);
            text.iter_mut().zip(parts).for_each(|(place, byte)| *place = *byte);
            let Some(end) = rest.first_mut() else { continue };
            *end = 0;
            let Ok(candidate) = CStr::from_bytes_until_nul(&buffer) else { continue };
            let fault = self.sys.execve(candidate, table);
            match fault.errno {
                ENOENT | ENOTDIR => {}
                EACCES => worst.errno = EACCES,
                _ => return fault,
            }
        }
        worst
    }
}

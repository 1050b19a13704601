//! Filesystem contexts: a filesystem that is being configured.

use std::ffi::{CString, OsStr};
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;

use crate::error::quote;
use crate::sys::api::{self, Command, Parameter};
use crate::{At, Attributes, Error, ErrorKind, Mount, Result};

/// The longest string that fsconfig(2) takes, without its end.
pub(crate) const STRING_MAX: usize = 255;

/// A filesystem that is being configured, as [`fsopen(2)`] has it: parameters go in one by one, then it is
/// made and mounted.
///
/// What the kernel writes about a refusal is in the error; what it writes besides is in
/// [`messages`](Self::messages). Needs `CAP_SYS_ADMIN` in the user namespace that owns the mount namespace.
///
/// ```no_run
/// use mount::{Attributes, FsContext};
/// let mut context = FsContext::open("tmpfs")?;
/// context.set_string("size", "1m")?.set_flag("noswap")?;
/// let mount = context.create()?.mount(Attributes::NOSUID | Attributes::NODEV)?;
/// mount.attach("/mnt")?;
/// # Ok::<(), mount::Error>(())
/// ```
///
/// [`fsopen(2)`]: https://man7.org/linux/man-pages/man2/fsopen.2.html
#[derive(Debug)]
pub struct FsContext {
    fd: OwnedFd,
    /// How errors call a mount of it.
    name: String,
    /// What errors begin with.
    what: String,
    /// What the kernel wrote that belonged to no refusal.
    messages: Vec<Message>,
}

/// What the kernel writes into the log of a context.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message {
    /// How grave it is.
    pub level: Level,
    /// The words, which begin with the filesystem's name: `tmpfs: Unknown parameter 'bogus'`.
    pub text: String,
}

/// How grave a [`Message`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Level {
    /// Why something was refused.
    Error,
    /// Something that was done and better shouldn't be.
    Warning,
    /// For information.
    Info,
}

impl FsContext {
    /// Begins a new filesystem: [`fsopen(2)`].
    ///
    /// # Errors
    ///
    /// [`Unsupported`](ErrorKind::Unsupported) for a filesystem that the kernel doesn't have, or without the
    /// call (Linux 5.2); [`PermissionDenied`](ErrorKind::PermissionDenied) without `CAP_SYS_ADMIN`.
    ///
    /// [`fsopen(2)`]: https://man7.org/linux/man-pages/man2/fsopen.2.html
    pub fn open(fs_type: impl AsRef<OsStr>) -> Result<Self> {
        let fs_type = fs_type.as_ref();
        Self::open_as(fs_type, format!("make filesystem {}", quote(fs_type)))
    }

    /// As [`open`](Self::open), with what errors begin with.
    pub(crate) fn open_as(fs_type: &OsStr, what: String) -> Result<Self> {
        // fuse.sshfs is the filesystem fuse with the subtype sshfs.
        let mut parts = fs_type.as_bytes().splitn(2, |&byte| byte == b'.').map(OsStr::from_bytes);
        let (name, subtype) = (parts.next().unwrap_or(fs_type), parts.next());
        let c_name = c_string(name, &what)?;
        let fd = api::fsopen(&c_name).map_err(|error| match error {
            Errno::ENODEV => unknown(fs_type, &what, error),
            error => Error::call(&what, error),
        })?;
        let mut context =
            FsContext { fd, name: fs_type.to_string_lossy().into_owned(), what, messages: Vec::new() };
        if let Some(subtype) = subtype {
            let what = context.what.clone();
            context.set_string("subtype", subtype).map_err(|error| match error.kind() {
                ErrorKind::InvalidInput => unknown(fs_type, &what, Errno::ENODEV),
                _ => error,
            })?;
        }
        Ok(context)
    }

    /// Begins to configure the filesystem of the mount that is there: `fspick(2)`.
    ///
    /// Only what is set will be changed, by [`reconfigure`](Self::reconfigure).
    ///
    /// # Errors
    ///
    /// [`NotMounted`](ErrorKind::NotMounted) if the place isn't the root of a mount,
    /// [`PermissionDenied`](ErrorKind::PermissionDenied) without `CAP_SYS_ADMIN`,
    /// [`Unsupported`](ErrorKind::Unsupported) without the call (Linux 5.2).
    pub fn pick<'a>(at: impl Into<At<'a>>) -> Result<Self> {
        let at = at.into();
        let what = format!("configure the filesystem on {at}");
        let fd = at.open(&what)?;
        Self::pick_as(fd.as_fd(), &at.name(), what)
    }

    pub(crate) fn pick_as(mount: BorrowedFd<'_>, path: &Path, what: String) -> Result<Self> {
        let fd = api::fspick(mount).map_err(|error| match error {
            Errno::EINVAL => Error::new(ErrorKind::NotMounted, &what, "nothing is mounted there").at(path),
            error => Error::os(&what, path, error),
        })?;
        Ok(FsContext { fd, name: quote(path), what, messages: Vec::new() })
    }

    /// Sets a parameter that has no value: `ro`, `noswap`.
    ///
    /// # Errors
    ///
    /// What the filesystem says about it, as for all that sets something.
    pub fn set_flag(&mut self, key: &str) -> Result<&mut Self> {
        self.set(key, &Parameter::Flag, "")
    }

    /// Sets a parameter to a string, of at most 255 bytes. What is mounted has the key `source`.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) for a longer string, or a NUL byte in it.
    pub fn set_string(&mut self, key: &str, value: impl AsRef<OsStr>) -> Result<&mut Self> {
        let value = value.as_ref();
        if value.len() > STRING_MAX {
            let why = format!("its {} bytes are more than the {STRING_MAX} of fsconfig(2)", value.len());
            return Err(Error::new(ErrorKind::InvalidInput, self.setting(key, ""), why));
        }
        let text = c_string(value, &self.setting(key, ""))?;
        self.set(key, &Parameter::String(&text), &value.to_string_lossy())
    }

    /// Sets a parameter to bytes, of at most 1 MiB.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) where the filesystem takes none.
    pub fn set_binary(&mut self, key: &str, value: &[u8]) -> Result<&mut Self> {
        self.set(key, &Parameter::Binary(value), "")
    }

    /// Sets a parameter to a path, which the kernel looks up at once.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) where the filesystem takes none.
    pub fn set_path(&mut self, key: &str, path: impl AsRef<Path>) -> Result<&mut Self> {
        let path = path.as_ref();
        let text = c_string(path.as_os_str(), &self.setting(key, ""))?;
        self.set(key, &Parameter::Path(&text), &path.to_string_lossy())
    }

    /// Sets a parameter to an open file: overlay takes its layers so since Linux 6.13, opened by `O_PATH` and
    /// with paths of any length.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) where the filesystem takes none.
    pub fn set_fd(&mut self, key: &str, fd: impl AsFd) -> Result<&mut Self> {
        self.set(key, &Parameter::Fd(fd.as_fd()), "")
    }

    /// Makes the filesystem, or finds the one that is there already for this source.
    ///
    /// # Errors
    ///
    /// What the filesystem says: a missing parameter, a source that isn't one.
    pub fn create(&mut self) -> Result<&mut Self> {
        self.command(Command::Create)
    }

    /// Makes the filesystem, and fails if there is one already for this source (Linux 6.6).
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create), and [`Busy`](ErrorKind::Busy) if it is there.
    pub fn create_exclusive(&mut self) -> Result<&mut Self> {
        self.command(Command::CreateExclusive)
    }

    /// Changes a filesystem that was [picked](Self::pick), as far as parameters were set.
    ///
    /// # Errors
    ///
    /// What the filesystem says; [`Busy`](ErrorKind::Busy) for `ro` while files are open for writing.
    pub fn reconfigure(&mut self) -> Result<&mut Self> {
        self.command(Command::Reconfigure)
    }

    /// Mounts the filesystem that was made, attached nowhere yet: `fsmount(2)`.
    ///
    /// # Errors
    ///
    /// [`PermissionDenied`](ErrorKind::PermissionDenied) where a new mount would show more than the ones
    /// there are: of proc and sysfs in a user namespace.
    pub fn mount(&mut self, attributes: Attributes) -> Result<Mount> {
        let (bits, later) = (attributes.bits(), attributes & Attributes::NOSYMFOLLOW);
        let mounted = match api::fsmount(self.fd.as_fd(), bits) {
            // fsmount(2) takes nosymfollow since Linux 5.14 and nothing it doesn't know.
            Err(Errno::EINVAL) if !later.is_empty() => Err(Error::new(
                ErrorKind::Unsupported,
                &self.what,
                "this kernel has no nosymfollow for a mount by fsmount(2), which came with Linux 5.14",
            )),
            result => result.map_err(|error| self.refused(&self.what.clone(), error)),
        };
        self.keep_messages();
        Ok(Mount::new(mounted?, &self.name))
    }

    /// Takes out what the kernel has written that belonged to no error: warnings, information.
    pub fn messages(&mut self) -> Vec<Message> {
        self.keep_messages();
        std::mem::take(&mut self.messages)
    }

    /// Asks whether there is such a parameter, by setting it as a flag.
    pub(crate) fn probe(&mut self, key: &str) -> Result<Probe> {
        let key = c_string(key.as_ref(), &self.what)?;
        match api::fsconfig_set(self.fd.as_fd(), &key, &Parameter::Flag) {
            Ok(()) => Ok(Probe::Taken),
            Err(Errno::EINVAL) => {
                let told = self.take_log();
                let unknown = told.iter().any(|message| message.text.contains("Unknown parameter"));
                Ok(if unknown { Probe::Unknown } else { Probe::Refused })
            }
            Err(error) => Err(self.refused(&self.what.clone(), error)),
        }
    }

    /// Returns what errors begin with.
    pub(crate) fn what(&self) -> &str {
        &self.what
    }

    fn set(&mut self, key: &str, parameter: &Parameter<'_>, value: &str) -> Result<&mut Self> {
        let what = self.setting(key, value);
        let key = c_string(key.as_ref(), &what)?;
        match api::fsconfig_set(self.fd.as_fd(), &key, parameter) {
            Ok(()) => Ok(self),
            Err(error) => Err(self.refused(&what, error)),
        }
    }

    fn command(&mut self, command: Command) -> Result<&mut Self> {
        match api::fsconfig(self.fd.as_fd(), command) {
            Ok(()) => Ok(self),
            Err(error) => Err(self.refused(&self.what.clone(), error)),
        }
    }

    fn setting(&self, key: &str, value: &str) -> String {
        let option = if value.is_empty() { key.to_owned() } else { format!("{key}={value}") };
        format!("{}: option {option:?}", self.what)
    }

    /// Makes an error of a number and of what the kernel wrote to it.
    fn refused(&mut self, what: &str, error: Errno) -> Error {
        let told = self.take_log();
        let (errors, others): (Vec<_>, Vec<_>) =
            told.into_iter().partition(|message| message.level == Level::Error);
        self.messages.extend(others);
        let refused = match error {
            // Of parameters it is always what was given.
            Errno::EINVAL => Error::new(ErrorKind::InvalidInput, what, "").told(error),
            _ => Error::call(what, error),
        };
        if errors.is_empty() {
            return refused;
        }
        let words: Vec<_> = errors.into_iter().map(|message| message.text).collect();
        refused.because(words.join("; "), error)
    }

    fn keep_messages(&mut self) {
        let told = self.take_log();
        self.messages.extend(told);
    }

    /// Reads the log, of which the kernel keeps the last eight lines.
    fn take_log(&mut self) -> Vec<Message> {
        let mut told = Vec::new();
        let Ok(fd) = self.fd.try_clone() else { return told };
        let mut log = File::from(fd);
        // Longer than any line: one that doesn't fit can't be read at all.
        let mut line = vec![0; 8192];
        // ENODATA ends it; no error here may hide the one that is being told.
        while let Ok(length @ 1..) = log.read(&mut line) {
            told.push(Message::parse(&line[..length]));
        }
        told
    }
}

impl AsFd for FsContext {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// What a kernel does with a parameter that is set as a flag.
pub(crate) enum Probe {
    /// Nothing, or nothing yet.
    Taken,
    /// It has none of this name.
    Unknown,
    /// It wants more than a flag.
    Refused,
}

impl Message {
    /// Reads a line such as `e tmpfs: Unknown parameter 'bogus'`.
    fn parse(line: &[u8]) -> Self {
        let line = String::from_utf8_lossy(line);
        // One line each, whatever a name in it holds.
        let line: String = line.trim_end().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let (level, text) = match line.split_at_checked(2) {
            Some(("e ", text)) => (Level::Error, text),
            Some(("w ", text)) => (Level::Warning, text),
            Some(("i ", text)) => (Level::Info, text),
            _ => (Level::Info, line.as_str()),
        };
        Message { level, text: text.to_owned() }
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Makes the error of a filesystem that the kernel hasn't.
pub(crate) fn unknown(fs_type: &OsStr, what: &str, error: Errno) -> Error {
    let helper = format!("/sbin/mount.{}", fs_type.display());
    let hint = if Path::new(&helper).exists() {
        format!(" ({} would mount it, and is not run here)", quote(&helper))
    } else {
        String::new()
    };
    let why = format!("this kernel has no filesystem {}{hint}", quote(fs_type));
    Error::new(ErrorKind::Unsupported, what, "").because(why, error)
}

fn c_string(text: &OsStr, what: &str) -> Result<CString> {
    CString::new(text.as_bytes())
        .map_err(|_| Error::new(ErrorKind::InvalidInput, what, "it holds a NUL byte"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line_with_its_level() {
        let message = Message::parse(b"e tmpfs: Unknown parameter 'a\nb'\n");
        assert_eq!((message.level, message.text.as_str()), (Level::Error, "tmpfs: Unknown parameter 'a b'"));
        assert_eq!(Message::parse(b"w x").level, Level::Warning);
        assert_eq!(Message::parse(b"strange").text, "strange");
        assert_eq!(Message::parse(b"").text, "");
    }
}

//! The image: once per process in a sealed file in memory, started by vfork and execveat.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::OnceLock;

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};

use super::{Guarded, Streams, Sync};
use crate::error::{Error, ErrorKind, Result};
use crate::plan::Plan;
use crate::sys;

static BYTES: &[u8] = include_bytes!(env!("INIT_IMAGE"));
static IMAGE: OnceLock<OwnedFd> = OnceLock::new();

const MFD_CLOEXEC: u32 = 1;
const MFD_ALLOW_SEALING: u32 = 2;
const MFD_NOEXEC_SEAL: u32 = 8;
const MFD_EXEC: u32 = 16;

/// Starts the image on a plan's program. What it returns is the first of the two processes, and the
/// socket to both.
pub(super) fn start(plan: &Plan, handed: &[BorrowedFd<'_>], streams: &Streams) -> Result<(Guarded, Sync)> {
    let failed = |error: io::Error| Error::io("start the init image", &error);
    let image = image()?;
    let program = program(plan.program()).map_err(failed)?;
    let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
        .map_err(|errno| failed(errno.into()))?;

    // The program's own descriptors come first: 3 and on are what the container's program gets.
    let first = 3 + streams.inherited().len() as RawFd;
    let own = [program.as_fd(), theirs.as_fd()];
    let mut fds = streams.pairs();
    let images = own.iter().chain(handed).zip(first..);
    fds.extend(images.map(|(fd, number)| (fd.as_raw_fd(), number)));

    let (first, count) = (text(i64::from(first)), text(handed.len() as i64));
    let (pid, pidfd) =
        sys::spawn(image.as_fd(), [c"libcontainer-init", &first, &count], &fds).map_err(failed)?;
    Ok((Guarded::new(pid, pidfd), Sync::new(ours)))
}

fn text(number: i64) -> CString {
    CString::new(number.to_string()).expect("digits have no NUL")
}

/// The image to start.
enum Image {
    /// Sealed, and the same for every start.
    Shared(BorrowedFd<'static>),
    /// A file for one start: whoever runs in its container might find a way to write to it.
    Own(OwnedFd),
}

impl AsFd for Image {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Image::Shared(fd) => *fd,
            Image::Own(fd) => fd.as_fd(),
        }
    }
}

/// Returns the image, made the first time.
fn image() -> Result<Image> {
    if let Some(image) = IMAGE.get() {
        return Ok(Image::Shared(image.as_fd()));
    }
    if BYTES.is_empty() {
        return Err(Error::new(ErrorKind::Unsupported, "containers: only on Linux on x86-64 and aarch64"));
    }
    match executable() {
        Ok(image) => Ok(Image::Shared(IMAGE.get_or_init(|| image).as_fd())),
        // vm.memfd_noexec=2 forbids programs in such files: an unlinked file of a disk does as well.
        Err(error) if error.raw_os_error() == Some(libc::EACCES) => unlinked().map(Image::Own),
        Err(error) => Err(error),
    }
    .map_err(|error| Error::io("make the init image", &error))
}

fn executable() -> io::Result<OwnedFd> {
    let name = c"libcontainer-init";
    let flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    let made = match sys::memfd(name, flags | MFD_EXEC) {
        // Linux before 6.3 doesn't know the flag, and needs none.
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => sys::memfd(name, flags),
        made => made,
    };
    sealed(made?, BYTES)
}

fn sealed(fd: OwnedFd, bytes: &[u8]) -> io::Result<OwnedFd> {
    let mut file = File::from(fd);
    file.write_all(bytes)?;
    let seals =
        SealFlag::F_SEAL_SEAL | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_WRITE;
    fcntl(&file, FcntlArg::F_ADD_SEALS(seals))?;
    Ok(file.into())
}

/// Writes the image to a file without a name, and opens it again so that nobody can write to it.
fn unlinked() -> io::Result<OwnedFd> {
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for directory in ["/run", "/dev/shm", "/var/tmp", "/tmp"] {
        match unlinked_in(directory) {
            Ok(fd) => return Ok(fd),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn unlinked_in(directory: &str) -> io::Result<OwnedFd> {
    let writer = File::options().write(true).mode(0o500).custom_flags(libc::O_TMPFILE).open(directory)?;
    (&writer).write_all(BYTES)?;
    let reader = File::open(format!("/proc/thread-self/fd/{}", writer.as_raw_fd()))?;
    Ok(reader.into())
}

/// Puts a program where the image can map it and nobody can change it.
fn program(bytes: &[u8]) -> io::Result<OwnedFd> {
    let flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    let fd = match sys::memfd(c"libcontainer-program", flags | MFD_NOEXEC_SEAL) {
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
            sys::memfd(c"libcontainer-program", flags)?
        }
        made => made?,
    };
    sealed(fd, bytes)
}

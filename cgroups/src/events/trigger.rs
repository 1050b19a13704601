//! Being told when processes have to wait too long.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::iter::FusedIterator;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::PollFlags;

use crate::events::legacy::has;
use crate::events::pressure::removed;
use crate::events::{PressureKind, PressureResource, failed, wake};
use crate::file::Dir;
use crate::{Cgroup, Error, ErrorKind, Result};

/// The kernel's shortest window, once.
const SHORTEST: Duration = Duration::from_millis(500);
/// The kernel's longest window.
const LONGEST: Duration = Duration::from_secs(10);

/// Tells when processes had to wait for a resource longer than they should.
///
/// From [`Cgroup::pressure_trigger`] and [`PressureTrigger::system`]. It tells at most once in a window, and looks
/// back over the window that just passes, not over fixed pieces of time.
///
/// ```no_run
/// use std::time::Duration;
/// use cgroups::{PressureKind, PressureResource};
///
/// # fn with(cgroup: &cgroups::Cgroup) -> cgroups::Result<()> {
/// // 150 ms out of any 2 s.
/// let (stall, window) = (Duration::from_millis(150), Duration::from_secs(2));
/// for event in cgroup.pressure_trigger(PressureResource::Memory, PressureKind::Some, stall, window)? {
///     println!("{:?}", event?);
/// }
/// # Ok(())
/// # }
/// ```
///
/// It is an iterator that blocks, and that ends after [`PressureEvent::Ended`]; [`try_next`](Self::try_next) and
/// [`next_timeout`](Self::next_timeout) don't block, or not for ever. With the feature `tokio` there is
/// `AsyncPressureTrigger`.
pub struct PressureTrigger {
    file: File,
    path: PathBuf,
    is_ended: bool,
}

/// What a [`PressureTrigger`] tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PressureEvent {
    /// Processes waited as long as was asked for.
    Stalled,
    /// The cgroup was removed, or its pressure is not looked at any more (`cgroup.pressure`). Nothing comes after
    /// this.
    Ended,
}

impl Cgroup {
    /// Tells when processes here and below have waited for a resource for `stall` out of any `window`.
    ///
    /// The window is at most 10 s, and before Linux 6.4 at least 500 ms. Whoever lacks `CAP_SYS_RESOURCE` may ask for
    /// whole multiples of 2 s only (Linux 6.4; before, a cgroup's file took any window, and the machine's refused).
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) tells what is wrong with the times,
    /// [`Unsupported`](ErrorKind::Unsupported) where there is no pressure to look at: on v1, by a kernel without it or
    /// started with `psi=0`, where `cgroup.pressure` is 0;
    /// [`PermissionDenied`](ErrorKind::PermissionDenied) if the file may not be written,
    /// [`NotFound`](ErrorKind::NotFound) if the cgroup is gone.
    pub fn pressure_trigger(
        &self,
        resource: PressureResource,
        kind: PressureKind,
        stall: Duration,
        window: Duration,
    ) -> Result<PressureTrigger> {
        let name = resource.file();
        let Some(path) = self.paths.get("") else {
            let path = self.paths.values().next().cloned().unwrap_or_default();
            let why = "only v2 cgroups tell pressure";
            return Err(Error::at(ErrorKind::Unsupported, "watch pressure of", &path, why));
        };
        let dir = Dir::open(path)?;
        let file = match dir.open_file(name, OFlag::O_RDWR | OFlag::O_NONBLOCK) {
            Err(e) if e.is_gone() && !has(&dir, "cgroup.procs")? => return Err(removed(path)),
            Err(e) => return Err(explained(e, resource, kind, window)),
            Ok(file) => File::from(file),
        };
        PressureTrigger::new(file, path.join(name), resource, kind, (stall, window))
    }
}

impl PressureTrigger {
    /// Tells when processes of the whole machine have waited for a resource for `stall` out of any `window`.
    ///
    /// # Errors
    ///
    /// Those of [`Cgroup::pressure_trigger`].
    pub fn system(
        resource: PressureResource,
        kind: PressureKind,
        stall: Duration,
        window: Duration,
    ) -> Result<PressureTrigger> {
        let path = resource.system_file();
        let file = OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open(&path);
        let file = file.map_err(|e| explained(Error::os("open", &path, e), resource, kind, window))?;
        PressureTrigger::new(file, path, resource, kind, (stall, window))
    }

    fn new(
        mut file: File,
        path: PathBuf,
        resource: PressureResource,
        kind: PressureKind,
        (stall, window): (Duration, Duration),
    ) -> Result<PressureTrigger> {
        check(&path, stall, window)?;
        let order = order(kind, stall, window);
        loop {
            match file.write(order.as_bytes()) {
                Ok(_) => return Ok(PressureTrigger { file, path, is_ended: false }),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => {
                    let error = Error::os(format!("write {:?} to", order.trim_end()), &path, e);
                    return Err(explained(error, resource, kind, window));
                }
            }
        }
    }

    /// Says whether nothing more comes.
    pub fn is_ended(&self) -> bool {
        self.is_ended
    }

    /// Returns the next event if there is one, and never waits; `None` also after [`PressureEvent::Ended`].
    ///
    /// # Errors
    ///
    /// Fails only for want of memory.
    pub fn try_next(&mut self) -> Result<Option<PressureEvent>> {
        self.look(Some(Duration::ZERO))
    }

    /// Returns the next event, or `None` if there is none for so long, or none any more.
    ///
    /// # Errors
    ///
    /// As [`try_next`](Self::try_next).
    pub fn next_timeout(&mut self, timeout: Duration) -> Result<Option<PressureEvent>> {
        let end = Instant::now().checked_add(timeout);
        loop {
            let left = end.map(|end| end.saturating_duration_since(Instant::now()));
            if let Some(event) = self.look(left)? {
                return Ok(Some(event));
            }
            if self.is_ended || left.is_some_and(|left| left.is_zero()) {
                return Ok(None);
            }
        }
    }

    fn look(&mut self, timeout: Option<Duration>) -> Result<Option<PressureEvent>> {
        if self.is_ended {
            return Ok(None);
        }
        let ready = wake::wait(self.file.as_fd(), PollFlags::POLLPRI, timeout);
        let ready = ready.map_err(|e| failed(&self.path, e))?;
        Ok(self.told(ready.contains(PollFlags::POLLERR), ready.contains(PollFlags::POLLPRI)))
    }

    /// Says what a poll means. At the end everything is ready, for ever.
    pub(crate) fn told(&mut self, error: bool, urgent: bool) -> Option<PressureEvent> {
        self.is_ended |= error;
        match (error, urgent) {
            (true, _) => Some(PressureEvent::Ended),
            (false, true) => Some(PressureEvent::Stalled),
            (false, false) => None,
        }
    }

    #[cfg(feature = "tokio")]
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// Waits for the next event; `None` after [`PressureEvent::Ended`].
impl Iterator for PressureTrigger {
    type Item = Result<PressureEvent>;

    fn next(&mut self) -> Option<Result<PressureEvent>> {
        while !self.is_ended {
            if let Some(result) = self.look(None).transpose() {
                return Some(result);
            }
        }
        None
    }
}

impl FusedIterator for PressureTrigger {}

/// Ready for `POLLPRI` when processes waited too long, and for `POLLERR` at the end.
///
/// The kernel tells it to one poll only: the poll that is ready is the event, and [`try_next`](PressureTrigger::try_next)
/// knows nothing of it any more.
impl AsFd for PressureTrigger {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl AsRawFd for PressureTrigger {
    fn as_raw_fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }
}

impl fmt::Debug for PressureTrigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PressureTrigger")
            .field("path", &self.path)
            .field("is_ended", &self.is_ended)
            .finish_non_exhaustive()
    }
}

/// Refuses what the kernel would, and what it would take for something else: numbers of more than 32 bits are cut.
fn check(path: &Path, stall: Duration, window: Duration) -> Result<()> {
    let refused = |why: String| Err(Error::at(ErrorKind::InvalidInput, "watch pressure in", path, why));
    if window > LONGEST {
        return refused(format!("a window of {window:?} is longer than 10 s"));
    }
    if stall.as_micros() == 0 {
        return refused("a stall of less than a microsecond".to_owned());
    }
    if stall > window {
        return refused(format!("a stall of {stall:?} is longer than the window of {window:?}"));
    }
    Ok(())
}

/// What is written. Of the machine's files, the kernel takes the last byte for the end of the line, whatever it is.
fn order(kind: PressureKind, stall: Duration, window: Duration) -> String {
    let kind = match kind {
        PressureKind::Some => "some",
        PressureKind::Full => "full",
    };
    format!("{kind} {} {}\n", stall.as_micros(), window.as_micros())
}

/// Says what the kernel means.
fn explained(error: Error, resource: PressureResource, kind: PressureKind, window: Duration) -> Error {
    match Errno::from_raw(error.raw_os_error().unwrap_or(0)) {
        Errno::ENOENT | Errno::EOPNOTSUPP => error
            .note("pressure isn't looked at here (CONFIG_PSI, psi=1 at the start, cgroup.pressure)")
            .kind_is(ErrorKind::Unsupported),
        Errno::EINVAL if resource == PressureResource::Irq && kind == PressureKind::Some => {
            error.note("of interrupts there is only \"full\"")
        }
        Errno::EINVAL if window < SHORTEST => error.note(
            "before Linux 6.4 the window is at least 500 ms; after, a multiple of 2 s without CAP_SYS_RESOURCE",
        ),
        Errno::EINVAL if !window.as_micros().is_multiple_of(2_000_000) => {
            error.note("without CAP_SYS_RESOURCE the window must be a multiple of 2 s")
        }
        Errno::EPERM => error.note("before Linux 6.4 this needs CAP_SYS_RESOURCE"),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_in_microseconds() {
        let text = order(PressureKind::Some, Duration::from_millis(150), Duration::from_secs(1));
        assert_eq!(text, "some 150000 1000000\n");
        assert_eq!(order(PressureKind::Full, Duration::from_nanos(1_999), LONGEST), "full 1 10000000\n");
    }

    #[test]
    fn times_that_the_kernel_would_cut_or_refuse_are_refused_with_the_reason() {
        let check = |stall, window| check(Path::new("/c/cpu.pressure"), stall, window);
        let ms = Duration::from_millis;
        assert!(check(ms(1), ms(2000)).is_ok() && check(LONGEST, LONGEST).is_ok());
        // 2^32 microseconds and one second: read with %u, that was one second.
        let cut = Duration::from_micros((1 << 32) + 1_000_000);
        for (stall, window, why) in [
            (ms(1), cut, "longer than 10 s"),
            (ms(1), Duration::MAX, "longer than 10 s"),
            (Duration::from_nanos(999), ms(2000), "less than a microsecond"),
            (ms(3000), ms(2000), "longer than the window"),
        ] {
            let error = check(stall, window).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.to_string().contains(why), "{error}");
        }
    }
}
